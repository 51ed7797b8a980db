/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/process.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields of proc(5) stat, counted from the state behind the name. */
#define STAT_THREADS 17
#define STAT_START   19

static unsigned
count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned n = 0;

    while (dir != NULL && g_dir_read_name(dir) != NULL) {
        n++;
    }
    return n > 0 ? n - 1 : 0; /* the one that reads the folder */
}

static void
read_memory(DmProcess *out)
{
    g_autofree char *text = NULL;
    unsigned long total;
    unsigned long resident;

    if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL) &&
        sscanf(text, "%lu %lu", &total, &resident) == 2) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

        out->virtual_bytes = total * page;
        out->resident_bytes = resident * page;
    }
}

/* The start is counted in ticks since the machine started. */
static double
start_time(const char *ticks)
{
    struct timespec since_boot;
    double age_s;

    if (clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return 0;
    }
    age_s = (double)since_boot.tv_sec - g_ascii_strtod(ticks, NULL) / (double)sysconf(_SC_CLK_TCK);
    return (double)g_get_real_time() / 1e6 - age_s;
}

static void
read_stat(DmProcess *out)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *behind_name;

    if (!g_file_get_contents("/proc/self/stat", &text, NULL, NULL)) {
        return;
    }
    behind_name = strrchr(text, ')');
    fields = g_strsplit(behind_name != NULL ? behind_name + 2 : "", " ", -1);
    if (g_strv_length(fields) > STAT_START) {
        out->threads = (unsigned)g_ascii_strtoull(fields[STAT_THREADS], NULL, 10);
        out->start_wall_s = start_time(fields[STAT_START]);
    }
}

void
dm_process_read(DmProcess *out)
{
    struct rusage usage;
    struct rlimit fds;

    memset(out, 0, sizeof(*out));
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        out->cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    }
    if (getrlimit(RLIMIT_NOFILE, &fds) == 0) {
        out->max_fds = fds.rlim_cur;
    }
    out->open_fds = count_fds();
    read_memory(out);
    read_stat(out);
}

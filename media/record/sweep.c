/* SPDX-License-Identifier: Apache-2.0 */
#include "media/record/sweep.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <sys/stat.h>

/* A pattern makes a few levels at most. */
#define MAX_DEPTH 8

typedef struct {
    int64_t before_wall_s;
    unsigned left;
} Sweep;

static void sweep_folder(Sweep *sweep, const char *folder, unsigned depth);

static void
look_at(Sweep *sweep, const char *path, unsigned depth)
{
    struct stat info;

    if (lstat(path, &info) < 0) {
        return;
    }
    if (S_ISDIR(info.st_mode) && depth < MAX_DEPTH) {
        sweep_folder(sweep, path, depth + 1);
        /* Only an empty one goes, and only one nobody has just made to put a file into. */
        if (info.st_mtime < sweep->before_wall_s) {
            (void)g_rmdir(path);
        }
    } else if (S_ISREG(info.st_mode) && g_str_has_suffix(path, ".wav") &&
               info.st_mtime < sweep->before_wall_s && g_unlink(path) == 0) {
        sweep->left--;
    }
}

static void
sweep_folder(Sweep *sweep, const char *folder, unsigned depth)
{
    g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
    const char *name;

    while (sweep->left > 0 && entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        look_at(sweep, path, depth);
    }
}

unsigned
dm_record_sweep(const char *directory, int64_t before_wall_s, unsigned max)
{
    Sweep sweep = {before_wall_s, max};

    sweep_folder(&sweep, directory, 0);
    return max - sweep.left;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/thread.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("thread");

#define NAME_MAX_LEN 15 /* of the kernel */
#define LOOK_MS      1000
#define DUMP_SIGNAL  SIGRTMIN
#define MAX_FRAMES   64

struct DmThread {
    /* set when made */
    DmThreadRole role;
    char name[NAME_MAX_LEN + 1];
    DmThreadFunc func;
    void *user_data;
    pthread_t handle;

    /* written by the thread, read by the watchdog; 0 until the first beat */
    _Atomic uint64_t beats;

    /* the watchdog's, under its lock */
    uint64_t seen_beats;
    int64_t seen_at_us;
};

/* A process has one watchdog and it must find every thread: hence this, the only mutable global of
 * the file. */
static struct {
    pthread_mutex_t lock; /* protects what follows; held in no callback */
    pthread_cond_t stop_cond;
    bool stopping;
    GSList *threads; /* of DmThread, those that run; not owned */

    /* of the thread that starts and stops it */
    unsigned stall_ms;
    DmThread *thread;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER, .stop_cond = PTHREAD_COND_INITIALIZER};

/* Set by a thread that has written its stack. */
static _Atomic bool stack_written;

static _Thread_local DmThread *current;

static void
write_text(const char *text)
{
    (void)!write(STDERR_FILENO, text, strlen(text));
}

/* Signal handler: async-signal-safe once backtrace() has been called before. */
static void
write_own_stack(int signal_number)
{
    int saved_errno = errno;
    void *frames[MAX_FRAMES];

    backtrace_symbols_fd(frames, backtrace(frames, MAX_FRAMES), STDERR_FILENO);
    atomic_store(&stack_written, true);
    errno = saved_errno;
}

static void
block_signals(sigset_t *out_old)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, DUMP_SIGNAL);
    /* These say that this very thread is broken; blocked, they would kill without a word. */
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGILL);
    sigdelset(&set, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &set, out_old);
}

static void
set_registered(DmThread *thread, bool registered)
{
    pthread_mutex_lock(&watchdog.lock);
    watchdog.threads = registered ? g_slist_prepend(watchdog.threads, thread)
                                  : g_slist_remove(watchdog.threads, thread);
    pthread_mutex_unlock(&watchdog.lock);
}

static void *
thread_main(void *data)
{
    DmThread *thread = data;

    current = thread;
    pthread_setname_np(pthread_self(), thread->name);
    set_registered(thread, true);
    thread->func(thread->user_data);
    set_registered(thread, false);
    return NULL;
}

DmThread *
dm_thread_start(DmThreadRole role,
                const char *name,
                DmThreadFunc func,
                void *user_data,
                GError **error)
{
    g_autofree DmThread *thread = g_new0(DmThread, 1);
    sigset_t old;
    int failed;

    thread->role = role;
    thread->func = func;
    thread->user_data = user_data;
    g_strlcpy(thread->name, name, sizeof thread->name);

    block_signals(&old);
    failed = pthread_create(&thread->handle, NULL, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (failed != 0) {
        dm_error_set_errno(error, failed, "starting a thread");
        return NULL;
    }
    return g_steal_pointer(&thread);
}

void
dm_thread_join(DmThread *thread)
{
    if (thread != NULL) {
        pthread_join(thread->handle, NULL);
        g_free(thread);
    }
}

DmThreadRole
dm_thread_role(void)
{
    return current != NULL ? current->role : DM_THREAD_NONE;
}

const char *
dm_thread_role_name(DmThreadRole role)
{
    static const char *const names[] = {
        [DM_THREAD_NONE] = "none",
        [DM_THREAD_SIGNAL] = "signal",
        [DM_THREAD_MEDIA] = "media",
        [DM_THREAD_STORE] = "store",
        [DM_THREAD_ADMIN] = "admin",
        [DM_THREAD_RESOLVER] = "resolver",
        [DM_THREAD_RECORDER] = "recorder",
        [DM_THREAD_WATCHDOG] = "watchdog",
    };

    return role < G_N_ELEMENTS(names) ? names[role] : "unknown";
}

void
dm_thread_assert_role(DmThreadRole role, const char *func)
{
    DmThreadRole own = dm_thread_role();

    if (own != DM_THREAD_NONE && own != role) {
        g_critical("%s runs on %s threads and was called on a %s thread",
                   func,
                   dm_thread_role_name(role),
                   dm_thread_role_name(own));
    }
}

void
dm_thread_beat(void)
{
    if (current != NULL) {
        uint64_t beats = atomic_load_explicit(&current->beats, memory_order_relaxed);

        atomic_store_explicit(&current->beats, beats + 1, memory_order_relaxed);
    }
}

/* How long @thread has not beaten. One that never has, or has no role, does not promise to. */
static int64_t
stalled_for_us(DmThread *thread, int64_t now_us)
{
    uint64_t beats = atomic_load_explicit(&thread->beats, memory_order_relaxed);

    if (beats == 0 || thread->role == DM_THREAD_NONE) {
        return 0;
    }
    if (beats != thread->seen_beats) {
        thread->seen_beats = beats;
        thread->seen_at_us = now_us;
    }
    return now_us - thread->seen_at_us;
}

static void
write_stack_of(pid_t tid)
{
    char header[64];

    g_snprintf(header, sizeof header, "\nthread %d:\n", (int)tid);
    write_text(header);
    atomic_store(&stack_written, false);
    if (syscall(SYS_tgkill, getpid(), tid, DUMP_SIGNAL) != 0) {
        return;
    }
    /* 200 ms at most: a thread that blocks the signal, or hangs in the kernel, must not hold us up.
     */
    for (int i = 0; i < 200 && !atomic_load(&stack_written); i++) {
        g_usleep(1000);
    }
}

static void
write_all_stacks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;

    if (tasks == NULL) {
        return;
    }
    while ((entry = readdir(tasks)) != NULL) {
        pid_t tid = (pid_t)g_ascii_strtoll(entry->d_name, NULL, 10);

        if (tid > 0) {
            write_stack_of(tid);
        }
    }
    closedir(tasks);
}

static G_NORETURN void
die_of_stall(const DmThread *thread, int64_t stalled_us)
{
    /* The log's own writer may be what hangs: say it on standard error as well. */
    g_autofree char *text = g_strdup_printf("thread %s has not moved for %" G_GINT64_FORMAT " ms\n",
                                            thread->name,
                                            stalled_us / 1000);

    dm_error(NULL, "%.*s; writing all stacks and aborting", (int)strlen(text) - 1, text);
    write_text(text);
    write_all_stacks();
    abort();
}

/* Looks at every thread; under the lock. */
static void
look_at_threads(int64_t now_us)
{
    for (GSList *item = watchdog.threads; item != NULL; item = item->next) {
        DmThread *thread = item->data;
        int64_t stalled_us = stalled_for_us(thread, now_us);

        if (stalled_us >= (int64_t)watchdog.stall_ms * 1000) {
            die_of_stall(thread, stalled_us);
        }
    }
}

/* Under the lock. */
static void
forget_beats(void)
{
    for (GSList *item = watchdog.threads; item != NULL; item = item->next) {
        ((DmThread *)item->data)->seen_beats = 0;
    }
}

static struct timespec
timespec_at(int64_t us)
{
    return (struct timespec){us / 1000000, us % 1000000 * 1000};
}

static void
watch_threads(void *user_data)
{
    int64_t look_us = (int64_t)MIN(LOOK_MS, watchdog.stall_ms / 2 + 1) * 1000;
    int64_t last_us = dm_clock_mono_us(dm_clock_system());

    pthread_mutex_lock(&watchdog.lock);
    while (!watchdog.stopping) {
        struct timespec deadline = timespec_at(last_us + look_us);
        int64_t now_us;

        pthread_cond_clockwait(&watchdog.stop_cond, &watchdog.lock, CLOCK_MONOTONIC, &deadline);
        now_us = dm_clock_mono_us(dm_clock_system());
        /* When we come much too late, the whole process was stopped (a debugger, a suspended
         * machine): nobody stalled. */
        if (now_us - last_us < 2 * look_us + (int64_t)LOOK_MS * 1000) {
            look_at_threads(now_us);
        } else {
            forget_beats();
        }
        last_us = now_us;
    }
    pthread_mutex_unlock(&watchdog.lock);
}

bool
dm_watchdog_start(unsigned stall_ms, GError **error)
{
    struct sigaction action = {.sa_handler = write_own_stack, .sa_flags = SA_RESTART};
    void *frame;

    if (stall_ms == 0 || watchdog.thread != NULL) {
        return true;
    }
    backtrace(&frame, 1); /* loads what the signal handler may not load */
    sigaction(DUMP_SIGNAL, &action, NULL);
    watchdog.stall_ms = stall_ms;
    watchdog.stopping = false;
    watchdog.thread = dm_thread_start(DM_THREAD_WATCHDOG, "watchdog", watch_threads, NULL, error);
    return watchdog.thread != NULL;
}

void
dm_watchdog_stop(void)
{
    pthread_mutex_lock(&watchdog.lock);
    watchdog.stopping = true;
    pthread_cond_signal(&watchdog.stop_cond);
    pthread_mutex_unlock(&watchdog.lock);
    dm_thread_join(g_steal_pointer(&watchdog.thread));
}

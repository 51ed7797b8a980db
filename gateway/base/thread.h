/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Every thread has a role, and a function that may run on one role only says so in its first line:
 * DM_RUNS_ON(DM_THREAD_SIGNAL). A thread that was not started here (a test's main thread) has no
 * role and may run anything. */
typedef enum {
    DM_THREAD_NONE,
    DM_THREAD_SIGNAL,
    DM_THREAD_MEDIA,
    DM_THREAD_STORE,
    DM_THREAD_ADMIN,
    DM_THREAD_RESOLVER,
    DM_THREAD_RECORDER,
    DM_THREAD_WATCHDOG,
} DmThreadRole;

typedef struct DmThread DmThread;
typedef void (*DmThreadFunc)(void *user_data);

/* @name: at most 15 bytes, shown by top(1). Signals are blocked in the new thread. Error:
 * DM_ERROR_IO. */
DmThread *dm_thread_start(DmThreadRole role,
                          const char *name,
                          DmThreadFunc func,
                          void *user_data,
                          GError **error);
/* Waits until its function has returned, and frees it. NULL is ignored. */
void dm_thread_join(DmThread *thread);

DmThreadRole dm_thread_role(void);
const char *dm_thread_role_name(DmThreadRole role);
void dm_thread_assert_role(DmThreadRole role, const char *func);
#define DM_RUNS_ON(role) dm_thread_assert_role((role), G_STRFUNC)

/* A loop calls this every turn; the watchdog reads it. Cheap (a relaxed store). No-op on threads
 * without a record. */
void dm_thread_beat(void);
/* Starts a thread that looks at all beating threads every second; when one has not beaten for
 * @stall_ms it logs an error with the thread's name, writes the stacks of all threads to standard
 * error, and aborts. 0 disables. */
bool dm_watchdog_start(unsigned stall_ms, GError **error);
void dm_watchdog_stop(void);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `demarc run`: everything from reading the configuration to the last record, on the main thread.
 * SIGTERM and SIGINT drain (no new calls, wait for those there are) and end; a second one ends at
 * once. SIGHUP reads the configuration file again. */

/* Exit codes, for supervisors. */
typedef enum {
    DM_EXIT_OK = 0,
    DM_EXIT_FAILED = 1,  /* could not start or go on: a port, the database, a file */
    DM_EXIT_USAGE = 2,   /* the command line */
    DM_EXIT_CONFIG = 3,  /* the configuration; every problem is listed */
    DM_EXIT_UNREADY = 4, /* `demarc health`: no answer, or not ready */
} DmExit;

typedef struct {
    const char *config_file;
    const char *data_dir; /* (nullable): instead of system.data_dir */
} DmRunOptions;

DmExit dm_run(const DmRunOptions *options);

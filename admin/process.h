/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* This process as the system sees it. What cannot be read is 0. */
typedef struct {
    double cpu_s, start_wall_s;
    uint64_t resident_bytes, virtual_bytes, max_fds;
    unsigned open_fds, threads;
} DmProcess;

void dm_process_read(DmProcess *out);

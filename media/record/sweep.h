/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Removes regular files "*.wav" in and below @directory that were last written before
 * @before_wall_s, and folders that are empty then; follows no symbolic link. At most @max files.
 * Returns how many were removed. */
unsigned dm_record_sweep(const char *directory, int64_t before_wall_s, unsigned max);

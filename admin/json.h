/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* Values as the API writes them: RFC 3339, null where something is not known. (transfer full) */
json_t *dm_json_time(int64_t wall_us);
json_t *dm_json_ms(int64_t us);

/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/json.h"

#include "gateway/base/clock.h"

json_t *
dm_json_time(int64_t wall_us)
{
    char text[DM_TIME_TEXT_MAX];

    return wall_us == 0 ? json_null() : json_string(dm_wall_text(wall_us, text));
}

json_t *
dm_json_ms(int64_t us)
{
    return us == 0 ? json_null() : json_real((double)us / 1000.0);
}

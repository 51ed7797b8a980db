/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Numbers in network byte order at any alignment. */

static inline uint16_t
dm_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t
dm_get_u24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t
dm_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | dm_get_u24(p + 1);
}

static inline void
dm_put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline void
dm_put_u24(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 16);
    dm_put_u16(p + 1, (uint16_t)value);
}

static inline void
dm_put_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    dm_put_u24(p + 1, value);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* G.711 from one law to the other and to samples: a byte is a byte, so tables of 256, made once
 * when the process starts from the definitions of both laws and read-only afterwards. */
typedef struct {
    uint8_t ulaw_to_alaw[256];
    uint8_t alaw_to_ulaw[256];
    int16_t ulaw_to_linear[256];
    int16_t alaw_to_linear[256];
} DmG711Tables;

const DmG711Tables *dm_g711_tables(void);

/* 16 bit linear value of one octet (G.191's scale: A-law 13 bits, mu-law 14 bits, left aligned). */
int16_t dm_g711_from_ulaw(uint8_t octet);
int16_t dm_g711_from_alaw(uint8_t octet);
uint8_t dm_g711_to_ulaw(int16_t linear);
uint8_t dm_g711_to_alaw(int16_t linear);

/* Replaces each octet by @table's. */
void dm_g711_convert(const uint8_t table[256], uint8_t *octets, size_t n);

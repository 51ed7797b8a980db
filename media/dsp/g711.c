/* SPDX-License-Identifier: Apache-2.0 */
#include "media/dsp/g711.h"

#include <glib.h>

/* Sign, three bits of segment, four bits of step. */
#define SIGN_BIT     0x80
#define STEP(octet)  ((octet)&0x0f)
#define CHORD(octet) (((octet) >> 4) & 7)

#define ALAW_INVERSION 0x55
#define ULAW_BIAS      33
#define ULAW_MAX       0x1fff

int16_t
dm_g711_from_ulaw(uint8_t octet)
{
    int magnitude;

    octet = (uint8_t)~octet;
    magnitude = ((2 * STEP(octet) + ULAW_BIAS) << CHORD(octet)) - ULAW_BIAS;
    return (int16_t)(4 * (octet & SIGN_BIT ? -magnitude : magnitude));
}

int16_t
dm_g711_from_alaw(uint8_t octet)
{
    int magnitude;

    octet ^= ALAW_INVERSION;
    magnitude = 2 * STEP(octet) + 1;
    if (CHORD(octet) > 0) {
        magnitude = (magnitude + 32) << (CHORD(octet) - 1);
    }
    return (int16_t)(8 * (octet & SIGN_BIT ? magnitude : -magnitude));
}

/* A-law of a magnitude on the 13 bit scale (12 bits of it): the interval it falls into. */
static uint8_t
alaw_of_magnitude(unsigned magnitude)
{
    unsigned chord = 0;

    magnitude = MIN(magnitude, 4095);
    if (magnitude >= 32) {
        chord = 27 - (unsigned)__builtin_clz(magnitude);
    }
    return (uint8_t)(chord << 4 | (magnitude >> MAX(chord, 1) & 0x0f));
}

uint8_t
dm_g711_to_alaw(int16_t linear)
{
    unsigned magnitude = (unsigned)(linear >= 0 ? linear : ~linear) >> 3;
    uint8_t sign = linear >= 0 ? SIGN_BIT : 0;

    return (uint8_t)((alaw_of_magnitude(magnitude) | sign) ^ ALAW_INVERSION);
}

uint8_t
dm_g711_to_ulaw(int16_t linear)
{
    unsigned magnitude = MIN((unsigned)ABS((int)linear) / 4 + ULAW_BIAS, ULAW_MAX);
    unsigned chord = 26 - (unsigned)__builtin_clz(magnitude);
    uint8_t octet = (uint8_t)(chord << 4 | STEP(magnitude >> (chord + 1)));

    return (uint8_t) ~(octet | (linear < 0 ? SIGN_BIT : 0));
}

/* Mu-law's 14 bit value on A-law's 13 bit scale, halves rounded outward. */
static unsigned
ulaw_magnitude13(uint8_t octet)
{
    return ((unsigned)ABS(dm_g711_from_ulaw(octet)) / 4 + 1) / 2;
}

/* G.711, table 3: compressed as a linear value would be. The table departs from that for five
 * magnitudes, which take the interval below. */
static uint8_t
alaw_of_ulaw(uint8_t octet)
{
    static const unsigned rounded_inward[] = {50, 54, 58, 62, 512};
    unsigned magnitude = ulaw_magnitude13(octet);

    for (size_t i = 0; i < G_N_ELEMENTS(rounded_inward); i++) {
        if (magnitude == rounded_inward[i]) {
            return (uint8_t)((alaw_of_magnitude(magnitude - 1) | (octet & SIGN_BIT)) ^
                             ALAW_INVERSION);
        }
    }
    return (uint8_t)((alaw_of_magnitude(magnitude) | (octet & SIGN_BIT)) ^ ALAW_INVERSION);
}

/* G.711, table 4: of the mu-law octets that come back as this A-law octet the nearest one, so that
 * A to mu to A loses nothing; where none does, the nearest. Distances are of 13 bit values, and of
 * two as near the inner one is taken. */
static uint8_t
ulaw_of_alaw(const uint8_t ulaw_to_alaw[256], uint8_t octet)
{
    const int not_reversible = 4096;
    int wanted = ABS(dm_g711_from_alaw(octet)) / 8;
    int best_distance = G_MAXINT;
    uint8_t best = 0;

    for (unsigned i = 0; i < 128; i++) {
        uint8_t candidate = (uint8_t)((0x7f - i) | (octet & SIGN_BIT)); /* growing magnitude */
        int distance = ABS(wanted - (int)ulaw_magnitude13(candidate));

        distance += ulaw_to_alaw[candidate] == octet ? 0 : not_reversible;
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate;
        }
    }
    return best;
}

static gpointer
make_tables(G_GNUC_UNUSED gpointer data)
{
    static DmG711Tables tables;

    for (unsigned i = 0; i < 256; i++) {
        tables.ulaw_to_linear[i] = dm_g711_from_ulaw((uint8_t)i);
        tables.alaw_to_linear[i] = dm_g711_from_alaw((uint8_t)i);
        tables.ulaw_to_alaw[i] = alaw_of_ulaw((uint8_t)i);
    }
    for (unsigned i = 0; i < 256; i++) {
        tables.alaw_to_ulaw[i] = ulaw_of_alaw(tables.ulaw_to_alaw, (uint8_t)i);
    }
    return &tables;
}

const DmG711Tables *
dm_g711_tables(void)
{
    static GOnce once = G_ONCE_INIT;

    return g_once(&once, make_tables, NULL);
}

void
dm_g711_convert(const uint8_t table[256], uint8_t *octets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        octets[i] = table[octets[i]];
    }
}

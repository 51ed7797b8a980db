/* SPDX-License-Identifier: Apache-2.0 */
/* Keys heard in sound: what must be heard (ITU-T Q.24), what must not, and what a lost packet
 * leaves of it. */
#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "media/dsp/key-pieces.h"
#include "media/dsp/keys.h"
#include "tests/lib/seed.h"
#include "tests/lib/speech.h"

#define RATE_HZ 8000
#define MS      (RATE_HZ / 1000)
#define PACKET  (20 * MS)

static const char keys_of_all[] = "0123456789*#ABCD";
static const char keyboard[] = "123A456B789C*0#D";
static const double row_hz[] = {697, 770, 852, 941};
static const double column_hz[] = {1209, 1336, 1477, 1633};

/* A line to listen to. */
typedef struct {
    DmKeyEar *ear;
    GString *heard;
    char last;
} Line;

static void
line_open(Line *line)
{
    line->ear = dm_key_ear_new();
    line->heard = g_string_new(NULL);
    line->last = 0;
}

static void
line_close(Line *line)
{
    dm_key_ear_free(line->ear);
    g_string_free(line->heard, TRUE);
}

static void
note(Line *line, char key)
{
    if (key != 0 && key != line->last) {
        g_string_append_c(line->heard, key);
    }
    line->last = key;
}

/* In pieces of 5 ms; @percent of packets of 20 ms are lost, and with each so many in a row. */
static void
listen_with_holes(Line *line,
                  const int16_t *samples,
                  size_t n,
                  GRand *random,
                  int percent,
                  unsigned in_a_row)
{
    unsigned n_missing = 0;

    for (size_t packet = 0; packet + PACKET <= n; packet += PACKET) {
        bool is_lost;

        if (n_missing == 0 && percent > 0 && g_rand_int_range(random, 0, 100) < percent) {
            n_missing = in_a_row;
        }
        is_lost = n_missing > 0;
        n_missing -= is_lost;
        for (size_t at = packet; at < packet + PACKET; at += 5 * MS) {
            note(line,
                 is_lost ? dm_key_ear_miss(line->ear, 5 * MS)
                         : dm_key_ear_hear(line->ear, samples + at, 5 * MS));
        }
    }
}

static void
listen_to(Line *line, const int16_t *samples, size_t n, GRand *random, int percent)
{
    listen_with_holes(line, samples, n, random, percent, 1);
}

/*
 * What a lost packet leaves
 */

#define N_KEYS 20

/* Keys of 50 ms, 50 ms apart, beginning anywhere within a packet. */
static void
dial(const char *keys, unsigned offset, int16_t *samples, size_t n)
{
    size_t at = 5 * PACKET + offset;

    memset(samples, 0, n * sizeof *samples);
    for (; *keys != '\0'; keys++, at += 100 * MS) {
        DmKeyTone tone = {0};

        g_assert_cmpuint(at + 50 * MS, <=, n);
        dm_key_tone_make(&tone, *keys, RATE_HZ, samples + at, 50 * MS);
    }
}

/* Returns how many of @n_strings were not heard as they were dialled; none has a key too many. */
static unsigned
count_wrong(unsigned n_strings, int percent, guint32 seed)
{
    static int16_t samples[RATE_HZ * 5 / 2];
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    unsigned n_wrong = 0;

    for (unsigned i = 0; i < n_strings; i++) {
        char keys[N_KEYS + 1] = "";
        Line line;

        for (unsigned k = 0; k < N_KEYS; k++) {
            keys[k] = keys_of_all[g_rand_int_range(random, 0, 16)];
        }
        dial(keys, (unsigned)g_rand_int_range(random, 0, PACKET), samples, G_N_ELEMENTS(samples));
        line_open(&line);
        listen_to(&line, samples, G_N_ELEMENTS(samples), random, percent);
        n_wrong += strcmp(line.heard->str, keys) != 0;
        g_assert_cmpuint(line.heard->len, <=, N_KEYS);
        line_close(&line);
    }
    return n_wrong;
}

static void
test_lost_packets_lose_no_key(void)
{
    unsigned n_wrong;

    g_test_summary("DTMF-4: 100 strings of 20 keys, 50 ms on and off, at 0 and at 1 % loss: none "
                   "lost, none doubled");

    g_assert_cmpuint(count_wrong(100, 0, dm_test_seed()), ==, 0);
    g_assert_cmpuint(count_wrong(100, 1, 1), ==, 0);
    n_wrong = count_wrong(100, 3, 1);
    g_test_message("3 %% loss: %u of 100 strings wrong", n_wrong);
}

static void
test_many_strings(void)
{
    static const int percents[] = {0, 1, 3};
    unsigned n_strings = g_test_slow() ? 20000 : 500;

    g_test_summary("DTMF-4: of thousands of strings, at 0, 1 and 3 % loss");

    for (size_t i = 0; i < G_N_ELEMENTS(percents); i++) {
        unsigned n_wrong = count_wrong(n_strings, percents[i], dm_test_seed());

        g_test_message("%d %% loss: %u of %u strings wrong", percents[i], n_wrong, n_strings);
        /* At 1 % three packets in a row are lost once in a million: nothing is left of such a key.
         */
        g_assert_cmpuint(percents[i] == 3 ? 0 : n_wrong, <=, percents[i] * n_strings / 4000u);
    }
}

/* What is heard of "keys" without the @n_lost packets from @lost on. */
static void
listen_without(Line *line, const int16_t *samples, size_t n, size_t lost, size_t n_lost)
{
    listen_to(line, samples, lost * PACKET, NULL, 0);
    for (size_t i = 0; i < n_lost; i++) {
        note(line, dm_key_ear_miss(line->ear, PACKET));
    }
    listen_to(line, samples + (lost + n_lost) * PACKET, n - (lost + n_lost) * PACKET, NULL, 0);
}

static void
test_any_one_packet_may_be_missing(void)
{
    static const char *const strings[] = {"5", "55", "58", "**", "C", "#7", "A", "D0"};
    static int16_t samples[RATE_HZ / 2];

    g_test_summary("DTMF-4: whichever packet is lost, wherever a key begins: it is heard once");

    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        for (unsigned offset = 0; offset < PACKET; offset += 3) {
            dial(strings[i], offset, samples, G_N_ELEMENTS(samples));
            for (size_t lost = 0; lost < G_N_ELEMENTS(samples) / PACKET; lost++) {
                Line line;

                line_open(&line);
                listen_without(&line, samples, G_N_ELEMENTS(samples), lost, 1);
                g_assert_cmpstr(line.heard->str, ==, strings[i]);
                line_close(&line);
            }
        }
    }
}

static void
test_two_packets_of_one_key_may_be_missing(void)
{
    static int16_t samples[RATE_HZ / 2];

    g_test_summary("DTMF-4: two packets in a row are lost: the 10 ms that they leave, in one piece "
                   "or two, are that key, once");

    for (unsigned k = 0; k < 16; k++) {
        const char key[] = {keys_of_all[k], '\0'};

        for (unsigned offset = 0; offset < PACKET; offset += 5) {
            dial(key, offset, samples, G_N_ELEMENTS(samples));
            for (size_t lost = 4; lost < 9; lost++) {
                Line line;

                line_open(&line);
                listen_without(&line, samples, G_N_ELEMENTS(samples), lost, 2);
                g_assert_cmpstr(line.heard->str, ==, key);
                line_close(&line);
            }
        }
    }
}

/*
 * What is a key (Q.24), and what is not
 */

/* A pair of sines: how long, how loud, how far off. */
typedef struct {
    double low_hz, high_hz;
    double low_dbm0, high_dbm0;
    unsigned ms;
    double noise_db; /* below the tones; 0: none */
} Pair;

static double
amplitude_of(double dbm0)
{
    return 32767 * pow(10, (dbm0 - 3.14) / 20);
}

static void
make_pair(const Pair *pair, int16_t *samples, GRand *random)
{
    double low = amplitude_of(pair->low_dbm0);
    double high = amplitude_of(pair->high_dbm0);
    double noise = pair->noise_db == 0
                       ? 0
                       : sqrt((low * low + high * high) / 2) * pow(10, -pair->noise_db / 20);

    for (unsigned i = 0; i < pair->ms * MS; i++) {
        double at = 2 * G_PI * i / RATE_HZ;

        samples[i] = (int16_t)lrint(low * sin(pair->low_hz * at) + high * sin(pair->high_hz * at) +
                                    noise * sqrt(3) * g_rand_double_range(random, -1, 1));
    }
}

/* Whether all of 10 such, at different places within a packet, are heard as one key @key. 0: as
 * nothing. */
static bool
is_always_heard_as(Pair pair, char key)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(2);
    const char wanted[] = {key, '\0'};
    bool is_heard = true;

    for (unsigned i = 0; i < 10; i++) {
        static int16_t samples[RATE_HZ / 2];
        Line line;

        memset(samples, 0, sizeof samples);
        make_pair(&pair, samples + PACKET + i * 13, random);
        line_open(&line);
        listen_to(&line, samples, G_N_ELEMENTS(samples), NULL, 0);
        is_heard = is_heard && strcmp(line.heard->str, wanted) == 0;
        line_close(&line);
    }
    return is_heard;
}

static Pair
pair_of(unsigned i)
{
    return (Pair){row_hz[i / 4], column_hz[i % 4], -10, -8, 50, 0};
}

static void
test_every_key_is_heard_within_tolerances(void)
{
    g_test_summary("Q.24: 40 ms, 1.8 % off, -30 dBm0, 8 dB less high, 4 dB more, 15 dB of noise");

    for (unsigned i = 0; i < 16; i++) {
        Pair pair = pair_of(i);

        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair.ms = 40;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair = pair_of(i);
        pair.low_hz *= 1.018;
        pair.high_hz *= 0.982;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair = pair_of(i);
        pair.low_dbm0 = pair.high_dbm0 = -30;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair.high_dbm0 = -38;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair.high_dbm0 = -26;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
        pair = pair_of(i);
        pair.noise_db = 15;
        g_assert_true(is_always_heard_as(pair, keyboard[i]));
    }
}

static void
test_what_is_no_key_is_not_heard(void)
{
    g_test_summary("Q.24: 20 ms, 4 % off, one tone alone, too much noise: no key");

    for (unsigned i = 0; i < 16; i++) {
        Pair pair = pair_of(i);

        pair.ms = 20;
        g_assert_true(is_always_heard_as(pair, 0));
        pair = pair_of(i);
        pair.low_hz *= 1.04;
        g_assert_true(is_always_heard_as(pair, 0));
        pair = pair_of(i);
        pair.high_hz *= 0.96;
        g_assert_true(is_always_heard_as(pair, 0));
        pair = pair_of(i);
        pair.high_dbm0 = -60;
        g_assert_true(is_always_heard_as(pair, 0));
        pair = pair_of(i);
        pair.noise_db = 3;
        g_assert_true(is_always_heard_as(pair, 0));
    }
}

/* What is told of 50 ms of @pair, with silence around it, of which 40 from @before samples on were
 * lost. */
static char
judge_pieces(Pair pair, unsigned before)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(2);
    int16_t samples[2 * DM_KEY_PIECES_WINDOW + 50 * MS] = {0};
    int16_t *tone = samples + DM_KEY_PIECES_WINDOW;
    DmKeyPieces pieces = {0};

    make_pair(&pair, tone, random);
    g_assert_false(dm_key_pieces_hear(&pieces, samples, DM_KEY_PIECES_WINDOW + before));
    dm_key_pieces_miss(&pieces, PACKET);
    dm_key_pieces_miss(&pieces, PACKET);
    g_assert_true(dm_key_pieces_hear(&pieces, tone + before + 2 * PACKET, DM_KEY_PIECES_WINDOW));
    return dm_key_pieces_judge(&pieces);
}

static void
test_pieces_are_a_key(void)
{
    g_test_summary("DTMF-4: a piece before two lost packets and one behind them are a key");

    for (unsigned i = 0; i < 16; i++) {
        for (unsigned before = 0; before <= 80; before += 4) {
            Pair pair = pair_of(i);

            g_assert_cmpint(judge_pieces(pair, before), ==, keyboard[i]);
            pair.high_dbm0 = -15;
            g_assert_cmpint(judge_pieces(pair, before), ==, keyboard[i]);
            pair.low_dbm0 = pair.high_dbm0 = -30;
            g_assert_cmpint(judge_pieces(pair, before), ==, keyboard[i]);
        }
    }
}

static void
test_pieces_of_what_is_no_key(void)
{
    g_test_summary("DTMF-4: pieces of one tone, of two that are 4 % off, of tones 14 dB apart, and "
                   "of tones in noise are no key");

    for (unsigned i = 0; i < 16; i++) {
        for (unsigned before = 0; before <= 80; before += 4) {
            Pair pair = pair_of(i);

            pair.high_dbm0 = -60;
            g_assert_cmpint(judge_pieces(pair, before), ==, 0);
            pair = pair_of(i);
            pair.low_hz *= 1.04;
            g_assert_cmpint(judge_pieces(pair, before), ==, 0);
            pair = pair_of(i);
            pair.high_hz *= 0.96;
            g_assert_cmpint(judge_pieces(pair, before), ==, 0);
            pair = pair_of(i);
            pair.high_dbm0 = -24;
            g_assert_cmpint(judge_pieces(pair, before), ==, 0);
            pair = pair_of(i);
            pair.noise_db = 6;
            g_assert_cmpint(judge_pieces(pair, before), ==, 0);
        }
    }
}

static void
test_a_short_break_does_not_make_two_keys(void)
{
    static int16_t samples[RATE_HZ];
    DmKeyTone tone = {0};
    Line line;

    g_test_summary("Q.24: 10 ms of silence within a tone are none; 40 ms are the end of it");

    dm_key_tone_make(&tone, '7', RATE_HZ, samples + PACKET, 300 * MS);
    memset(samples + 100 * MS, 0, 10 * MS * sizeof *samples);
    line_open(&line);
    listen_to(&line, samples, G_N_ELEMENTS(samples), NULL, 0);
    g_assert_cmpstr(line.heard->str, ==, "7");
    memset(samples + 100 * MS, 0, 40 * MS * sizeof *samples);
    listen_to(&line, samples, G_N_ELEMENTS(samples), NULL, 0);
    g_assert_cmpstr(line.heard->str, ==, "777");
    line_close(&line);
}

/*
 * Speech (talk-off)
 */

/* Returns for how many seconds that was. */
static unsigned
assert_no_key_in(const GArray *speech, int percent, unsigned in_a_row, guint32 seed)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    const int16_t *samples = (const int16_t *)(void *)speech->data;
    Line line;

    line_open(&line);
    listen_with_holes(&line, samples, speech->len, random, percent, in_a_row);
    g_assert_cmpstr(line.heard->str, ==, "");
    line_close(&line);
    return speech->len / RATE_HZ;
}

static void
test_speech_is_no_key(void)
{
    static const char *const voices[] = {"en-us", "en-gb+f3", "de", "fr+f4"};

    unsigned seconds = 0;

    g_test_summary("Talk-off: no key in speech of four voices, at no loss, 1, 3 and 10 %, and with "
                   "two packets in a row missing");

    for (size_t i = 0; i < G_N_ELEMENTS(voices); i++) {
        g_autoptr(GArray) speech = speech_of(voices[i]);

        if (speech == NULL) {
            g_test_skip("espeak-ng is not installed");
            return;
        }
        seconds += assert_no_key_in(speech, 0, 1, 0);
        for (guint32 seed = 1; seed <= (g_test_slow() ? 100 : 2); seed++) {
            seconds += assert_no_key_in(speech, 1, 1, seed);
            seconds += assert_no_key_in(speech, 3, 1, seed);
            seconds += assert_no_key_in(speech, 10, 1, seed);
            seconds += assert_no_key_in(speech, 10, 2, seed);
        }
    }
    g_test_message("no key in %.1f hours of speech", seconds / 3600.0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/key-ear/loss", test_lost_packets_lose_no_key);
    g_test_add_func("/key-ear/many-strings", test_many_strings);
    g_test_add_func("/key-ear/two-packets", test_two_packets_of_one_key_may_be_missing);
    g_test_add_func("/key-ear/any-packet", test_any_one_packet_may_be_missing);
    g_test_add_func("/key-ear/tolerances", test_every_key_is_heard_within_tolerances);
    g_test_add_func("/key-ear/no-key", test_what_is_no_key_is_not_heard);
    g_test_add_func("/key-ear/pieces", test_pieces_are_a_key);
    g_test_add_func("/key-ear/no-key-pieces", test_pieces_of_what_is_no_key);
    g_test_add_func("/key-ear/break", test_a_short_break_does_not_make_two_keys);
    g_test_add_func("/key-ear/talk-off", test_speech_is_no_key);
    return g_test_run();
}

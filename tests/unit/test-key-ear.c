/* SPDX-License-Identifier: Apache-2.0 */
/* Keys heard in sound: what must be heard (ITU-T Q.24), what must not, and what a lost packet
 * leaves of it. */
#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "media/dsp/keys.h"
#include "tests/lib/seed.h"
#include "tests/lib/temp-dir.h"

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

/* In pieces of 5 ms; @percent of packets of 20 ms are lost. */
static void
listen_to(Line *line, const int16_t *samples, size_t n, GRand *random, int percent)
{
    for (size_t packet = 0; packet + PACKET <= n; packet += PACKET) {
        bool is_lost = percent > 0 && g_rand_int_range(random, 0, 100) < percent;

        for (size_t at = packet; at < packet + PACKET; at += 5 * MS) {
            note(line,
                 is_lost ? dm_key_ear_miss(line->ear, 5 * MS)
                         : dm_key_ear_hear(line->ear, samples + at, 5 * MS));
        }
    }
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

/* At 1 % two packets of the same key are lost once in some ten thousand keys. */
static void
test_many_strings(void)
{
    unsigned n_strings = g_test_slow() ? 20000 : 500;
    unsigned n_wrong = count_wrong(n_strings, 1, dm_test_seed());

    g_test_summary("DTMF-4: of thousands of strings at 1 % loss no more than one in 250 is short");

    g_test_message("%u of %u strings wrong", n_wrong, n_strings);
    g_assert_cmpuint(n_wrong, <=, n_strings / 250);
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

/* Of a tone of 50 ms that begins with the fifth packet, at @offset: the longest piece that the loss
 * of two packets from @lost on leaves, in samples. */
static unsigned
longest_piece(unsigned offset, size_t lost)
{
    int from = (int)(5 * PACKET + offset);
    int to = from + 50 * MS;
    int before = (int)(lost * PACKET) - from;
    int behind = to - (int)((lost + 2) * PACKET);

    return (unsigned)MAX(MAX(MIN(before, 50 * MS), MIN(behind, 50 * MS)), 0);
}

static void
test_two_packets_of_one_key_may_be_missing(void)
{
    static int16_t samples[RATE_HZ / 2];
    unsigned n_heard = 0;
    unsigned n = 0;

    g_test_summary("DTMF-4: of two packets in a row: a key is heard by a piece of 10 ms that they "
                   "leave, and never as another");

    for (unsigned k = 0; k < 16; k++) {
        const char key[] = {keys_of_all[k], '\0'};

        for (unsigned offset = 0; offset < PACKET; offset += 5) {
            dial(key, offset, samples, G_N_ELEMENTS(samples));
            for (size_t lost = 4; lost < 9; lost++) {
                bool is_long = longest_piece(offset, lost) >= 10 * MS;
                Line line;

                line_open(&line);
                listen_without(&line, samples, G_N_ELEMENTS(samples), lost, 2);
                n++;
                n_heard += line.heard->len;
                g_assert_true(line.heard->len == 0 || strcmp(line.heard->str, key) == 0);
                g_assert_true(line.heard->len == 1 || !is_long);
                line_close(&line);
            }
        }
    }
    g_test_message("%u of %u heard", n_heard, n);
    g_assert_cmpuint(100 * n_heard, >, 85 * n);
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

static const char text[] =
    "Please hold the line, all our agents are busy. Your call will be answered in the order in "
    "which it arrived. To hear your balance, press one. To speak with somebody about a bill, press "
    "two. Who knew you would queue at noon? Bees hum, new moons rise, you see, the fee is due by "
    "two. Our offices are open from nine to five, Monday to Friday, and on Saturday until one. "
    "Alice, Bob, Eve and Mallory agree on a key, and nobody else can hear what they say. Twelve "
    "hundred and nine, thirteen thirty six, fourteen seventy seven, sixteen thirty three.";

/* A WAV file of 16 bits, mono, as espeak-ng writes it, at 8 kHz. */
static GArray *
speech_at_8_khz(const guint8 *wav, gsize len)
{
    guint32 rate_hz = wav[24] | (guint32)wav[25] << 8 | (guint32)wav[26] << 16;
    const int16_t *in = (const int16_t *)(const void *)(wav + 44);
    size_t n = (len - 44) / 2;
    GArray *out = g_array_new(FALSE, FALSE, sizeof(int16_t));

    for (double at = 0; at + 4 < (double)n; at += rate_hz / (double)RATE_HZ) {
        size_t i = (size_t)at;
        int sum = in[i] + in[i + 1] + in[i + 2]; /* takes off what would be folded back */
        int16_t sample = (int16_t)(sum / 3);

        g_array_append_val(out, sample);
    }
    return out;
}

/* What espeak-ng says with @voice. */
static GArray *
speech_of(const char *voice, const DmTempDir *folder)
{
    g_autofree char *path = dm_temp_dir_file(folder, "speech.wav");
    const char *argv[] = {"espeak-ng", "-v", voice, "-w", path, text, NULL};
    g_autofree char *wav = NULL;
    gsize len;

    g_assert_true(g_spawn_sync(NULL,
                               (char **)argv,
                               NULL,
                               G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL,
                               NULL));
    g_assert_true(g_file_get_contents(path, &wav, &len, NULL));
    g_assert_cmpuint(len, >, 100000);
    return speech_at_8_khz((const guint8 *)wav, len);
}

static void
assert_no_key_in(const GArray *speech, int percent, guint32 seed)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    Line line;

    line_open(&line);
    listen_to(&line, (const int16_t *)(void *)speech->data, speech->len, random, percent);
    g_assert_cmpstr(line.heard->str, ==, "");
    line_close(&line);
}

static void
test_speech_is_no_key(void)
{
    static const char *const voices[] = {"en-us", "en-gb+f3", "de", "fr+f4"};
    g_autofree char *program = g_find_program_in_path("espeak-ng");
    DmTempDir folder;

    g_test_summary("Talk-off: no key in speech of four voices, at no loss, 1, 3 and 10 %");

    if (program == NULL) {
        g_test_skip("espeak-ng is not installed");
        return;
    }
    dm_temp_dir_init(&folder);
    for (size_t i = 0; i < G_N_ELEMENTS(voices); i++) {
        g_autoptr(GArray) speech = speech_of(voices[i], &folder);

        assert_no_key_in(speech, 0, 0);
        for (guint32 seed = 1; seed <= (g_test_slow() ? 100 : 2); seed++) {
            assert_no_key_in(speech, 1, seed);
            assert_no_key_in(speech, 3, seed);
            assert_no_key_in(speech, 10, seed);
        }
    }
    dm_temp_dir_clear(&folder);
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
    g_test_add_func("/key-ear/break", test_a_short_break_does_not_make_two_keys);
    g_test_add_func("/key-ear/talk-off", test_speech_is_no_key);
    return g_test_run();
}

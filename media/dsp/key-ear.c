/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "media/dsp/codec.h"
#include "media/dsp/key-pieces.h"
#include "media/dsp/keys.h"

/* Sound is looked at in hops of 5 ms, and judged over the last 15: long enough to tell 697 from
 * 770 Hz, and short enough to see tones of 35 ms several times over. */
#define HOP      40
#define N_WINDOW 3

#define N_FREQUENCIES 8
#define N_ROWS        4

/* Of the sound's power, so much is the two tones. Speech has its overtones. */
#define MIN_SHARE 0.82f
/* Right after a loss, and right before one, when there are 10 ms to go by. */
#define MIN_SHORT_SHARE 0.90f
#define N_SHORT         2
/* Amplitude of the weaker tone: -41 dBm0. */
#define MIN_AMPLITUDE 200.0f
/* Q.24 wants 4 and 8 dB at least; lines do worse. As power. */
#define MAX_TWIST 10.0f
/* A tone may be off by 1.8 % (Q.24), and is refused beyond 3.5 %. */
#define MAX_DEVIATION 0.03f

/* A key is down when so many hops of its tone have been heard: with what lies partly in a hop at
 * either end, 35 ms. Lost ones count as heard when they lie right before or within, so that a
 * tone of 50 ms is recognised by what a lost packet leaves of it: 30 ms, or 20 and 10. */
#define N_DOWN       7
#define N_DOWN_HEARD 4
/* With two packets gone there may be no more than 10 ms. */
#define N_MUCH_LOST      8
#define N_DOWN_MUCH_LOST 2
/* It is up after 25 ms without its tone, the window's tail included: a break of 10 ms is none
 * (Q.24). A pause of which some was lost is told by 10 ms of it. */
#define N_UP       5
#define N_UP_HEARD 2
#define N_UP_LOST  8
/* A tone that breaks off before it was recognised was something else. */
#define MAX_BREAK 2

static const char keyboard[] = "123A456B789C*0#D";
static const float hz[N_FREQUENCIES] = {697, 770, 852, 941, 1209, 1336, 1477, 1633};

typedef struct {
    float re, im;
} Complex;

/* A hop's share of each frequency, as seen from the hop's beginning. */
typedef struct {
    Complex at[N_FREQUENCIES];
    float energy;
} Hop;

struct DmKeyEar {
    Complex wave[N_FREQUENCIES][HOP]; /* e^-jwt */
    Complex step[N_FREQUENCIES];      /* e^-jw of a hop */

    int16_t samples[HOP];
    size_t n_samples;
    Hop hop[N_WINDOW]; /* newest first */
    unsigned n_hops;   /* in a row, up to N_WINDOW */

    char key;             /* that is down; 0: none */
    unsigned n_gone;      /* hops without its tone since the last with it */
    unsigned n_gone_lost; /* hops lost since then */

    char heard;        /* key that may be going down; 0: none */
    unsigned n_heard;  /* hops of its tone */
    unsigned n_lost;   /* hops lost before and within */
    unsigned n_broken; /* hops without it since the last with it */
    unsigned n_before; /* hops lost right before the ones in the window */

    DmKeyPieces pieces; /* where that is too little */
    bool was_down;      /* a key, since the hole between them began */
};

static Complex
times(Complex a, Complex b)
{
    return (Complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static Complex
conjugate(Complex a)
{
    return (Complex){a.re, -a.im};
}

static float
power(Complex a)
{
    return a.re * a.re + a.im * a.im;
}

static Complex
turned(double radians)
{
    return (Complex){(float)cos(radians), (float)-sin(radians)};
}

DmKeyEar *
dm_key_ear_new(void)
{
    DmKeyEar *ear = g_new0(DmKeyEar, 1);

    for (unsigned f = 0; f < N_FREQUENCIES; f++) {
        double step = 2 * G_PI * hz[f] / DM_NARROW_HZ;

        for (unsigned i = 0; i < HOP; i++) {
            ear->wave[f][i] = turned(step * i);
        }
        ear->step[f] = turned(step * HOP);
    }
    return ear;
}

void
dm_key_ear_free(DmKeyEar *ear)
{
    g_free(ear);
}

/*
 * What sounds: the last hops as a whole
 */

static void
measure(DmKeyEar *ear)
{
    Hop *hop = &ear->hop[0];

    memmove(ear->hop + 1, ear->hop, sizeof ear->hop - sizeof *ear->hop);
    *hop = (Hop){0};
    for (unsigned i = 0; i < HOP; i++) {
        hop->energy += (float)ear->samples[i] * ear->samples[i];
    }
    for (unsigned f = 0; f < N_FREQUENCIES; f++) {
        for (unsigned i = 0; i < HOP; i++) {
            hop->at[f].re += ear->wave[f][i].re * ear->samples[i];
            hop->at[f].im += ear->wave[f][i].im * ear->samples[i];
        }
    }
    ear->n_hops = MIN(ear->n_hops + 1, N_WINDOW);
}

/* By how much frequency @f is off, from how its phase moves from hop to hop: radians a hop. */
static float
drift_of(const DmKeyEar *ear, unsigned f, unsigned n)
{
    Complex sum = {0};

    for (unsigned k = 0; k + 1 < n; k++) {
        Complex move = times(ear->hop[k].at[f], conjugate(ear->hop[k + 1].at[f]));

        sum.re += move.re;
        sum.im += move.im;
    }
    sum = times(sum, ear->step[f]);
    return atan2f(sum.im, sum.re);
}

/* The power of frequency @f over @n hops, were it off by @drift. */
static float
power_of(const DmKeyEar *ear, unsigned f, unsigned n, float drift)
{
    Complex turn = times(conjugate(ear->step[f]), conjugate(turned(drift)));
    Complex sum = ear->hop[n - 1].at[f];

    /* The oldest is turned on to where the newest begins, hop by hop. */
    for (unsigned k = n - 1; k > 0; k--) {
        sum = times(sum, turn);
        sum.re += ear->hop[k - 1].at[f].re;
        sum.im += ear->hop[k - 1].at[f].im;
    }
    return power(sum);
}

static unsigned
strongest(const DmKeyEar *ear, unsigned from, unsigned n)
{
    unsigned best = from;
    float most = -1;

    for (unsigned f = from; f < from + N_ROWS; f++) {
        float is = power_of(ear, f, n, 0);

        if (is > most) {
            most = is;
            best = f;
        }
    }
    return best;
}

/* The power of the tone near @f, or 0 when it is too far off. */
static float
tuned_power(const DmKeyEar *ear, unsigned f, unsigned n)
{
    float drift = drift_of(ear, f, n);
    float most = MAX_DEVIATION * (float)(2 * G_PI) * hz[f] * HOP / DM_NARROW_HZ;

    return fabsf(drift) > most ? 0 : power_of(ear, f, n, drift);
}

/* The key whose tone the last @n hops are, or 0. */
static char
key_in(const DmKeyEar *ear, unsigned n, float min_share)
{
    unsigned row = strongest(ear, 0, n);
    unsigned column = strongest(ear, N_ROWS, n);
    float low = tuned_power(ear, row, n);
    float high = tuned_power(ear, column, n);
    float samples = (float)n * HOP;
    float least = MIN_AMPLITUDE * samples / 2;
    float energy = 0;

    for (unsigned k = 0; k < n; k++) {
        energy += ear->hop[k].energy;
    }
    if (MIN(low, high) < least * least || low > MAX_TWIST * high || high > MAX_TWIST * low ||
        2 * (low + high) < min_share * samples * energy) {
        return 0;
    }
    return keyboard[row * 4 + (column - N_ROWS)];
}

/*
 * What it means
 */

static void
forget_heard(DmKeyEar *ear)
{
    ear->heard = 0;
    ear->n_heard = ear->n_lost = ear->n_broken = 0;
}

static bool
is_down(const DmKeyEar *ear)
{
    if (ear->n_lost >= N_MUCH_LOST && ear->n_heard >= N_DOWN_MUCH_LOST) {
        return true;
    }
    return ear->n_heard >= N_DOWN_HEARD && ear->n_heard + ear->n_lost >= N_DOWN;
}

static bool
is_up(const DmKeyEar *ear)
{
    return ear->n_gone >= N_UP ||
           (ear->n_gone >= N_UP_HEARD && ear->n_gone + ear->n_gone_lost >= N_UP_LOST);
}

static void
decide(DmKeyEar *ear)
{
    if (ear->heard != 0 && is_down(ear)) {
        ear->key = ear->heard;
        ear->was_down = true;
    }
    if (ear->heard == ear->key) {
        ear->n_gone = ear->n_gone_lost = 0;
    } else if (ear->key != 0 && is_up(ear)) {
        ear->key = 0;
    }
}

/* The last @n hops are the tone of @key. */
static void
on_tone(DmKeyEar *ear, char key, unsigned n)
{
    if (key != ear->heard) {
        forget_heard(ear);
        ear->heard = key;
        ear->n_heard = n;
        ear->n_lost = ear->n_before;
    } else {
        ear->n_heard++;
    }
    ear->n_broken = 0;
    ear->n_gone++;
    decide(ear);
}

static void
on_other_sound(DmKeyEar *ear)
{
    ear->n_gone++;
    if (++ear->n_broken >= MAX_BREAK) {
        forget_heard(ear);
    }
    if (ear->key != 0 && is_up(ear)) {
        ear->key = 0;
    }
}

static void
hear_hop(DmKeyEar *ear)
{
    char key;

    measure(ear);
    if (ear->n_hops == 1) {
        return; /* right after a loss: nothing can be told yet */
    }
    key = key_in(ear, ear->n_hops, ear->n_hops == N_WINDOW ? MIN_SHARE : MIN_SHORT_SHARE);
    if (key != 0) {
        on_tone(ear, key, ear->n_hops);
    } else {
        on_other_sound(ear);
    }
    if (ear->n_hops == N_WINDOW) {
        ear->n_before = 0;
    }
}

/* A press that is over: from here on nothing of it is heard. */
static void
hear_pieces(DmKeyEar *ear)
{
    char key = dm_key_pieces_judge(&ear->pieces);

    if (key != 0 && !ear->was_down) {
        forget_heard(ear);
        ear->key = key;
        ear->n_gone = ear->n_gone_lost = 0;
    }
}

char
dm_key_ear_hear(DmKeyEar *ear, const int16_t *samples, size_t n)
{
    while (n > 0) {
        size_t n_now = MIN(n, HOP - ear->n_samples);

        memcpy(ear->samples + ear->n_samples, samples, n_now * sizeof *samples);
        ear->n_samples += n_now;
        if (dm_key_pieces_hear(&ear->pieces, samples, n_now)) {
            hear_pieces(ear);
        }
        samples += n_now;
        n -= n_now;
        if (ear->n_samples == HOP) {
            ear->n_samples = 0;
            hear_hop(ear);
        }
    }
    return ear->key;
}

/* The sound breaks off here. The beginning of a tone may be too short for the whole window, and not
 * for the end of it. */
static void
hear_last_of(DmKeyEar *ear)
{
    char key = 0;

    if (ear->n_hops == N_WINDOW && ear->heard == 0) {
        key = key_in(ear, N_SHORT, MIN_SHORT_SHARE);
    }
    if (key != 0) {
        on_tone(ear, key, N_SHORT);
    }
}

char
dm_key_ear_miss(DmKeyEar *ear, size_t n)
{
    unsigned n_hops = (unsigned)(n / HOP);

    hear_last_of(ear);
    if (ear->pieces.n_lost == 0) {
        ear->was_down = ear->key != 0;
    }
    dm_key_pieces_miss(&ear->pieces, n);
    ear->n_samples = 0;
    ear->n_hops = 0;
    ear->n_before += n_hops;
    ear->n_gone_lost += n_hops;
    if (ear->heard != 0 && ear->n_broken == 0) {
        unsigned n_gone_lost = ear->n_gone_lost;

        ear->n_lost += n_hops;
        decide(ear);
        ear->n_gone_lost = n_gone_lost;
    } else if (ear->key != 0 && is_up(ear)) {
        ear->key = 0; /* its tone may be back when the loss is over: another press */
    }
    return ear->key;
}

void
dm_key_ear_reset(DmKeyEar *ear)
{
    forget_heard(ear);
    ear->key = 0;
    ear->n_samples = 0;
    ear->n_hops = 0;
    ear->n_before = 0;
    ear->pieces = (DmKeyPieces){0};
    ear->was_down = false;
}

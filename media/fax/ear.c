/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/ear.h"

#include <spandsp.h>

#include "media/spec.h"

#define RATE_HZ 8000
/* V.25 turns the phase after 450 ms, twice in a second; V.8's 15 Hz show in far less. */
#define STEADY_SAMPLES RATE_HZ

/* One of the library's listeners each: V.21, CED, CNG. */
enum { V21, CED, CNG, N_TONES };

static const struct {
    unsigned sign;
    int listens_for;
} tones[N_TONES] = {
    [V21] = {DM_FAX_SIGN_V21, MODEM_CONNECT_TONES_FAX_PREAMBLE},
    [CED] = {DM_FAX_SIGN_CED, MODEM_CONNECT_TONES_ANS_PR},
    [CNG] = {DM_FAX_SIGN_CNG, MODEM_CONNECT_TONES_FAX_CNG},
};

struct DmFaxEar {
    modem_connect_tones_rx_state_t *rx[N_TONES]; /* NULL: not asked for */
    bool has_heard;
    bool is_answered;  /* 2100 Hz, and nothing said against a fax machine so far */
    size_t n_answered; /* samples of it */
};

static void
on_tone(void *user_data, int tone, int level, int delay)
{
    DmFaxEar *ear = user_data;

    if (tone == MODEM_CONNECT_TONES_FAX_PREAMBLE || tone == MODEM_CONNECT_TONES_FAX_CNG) {
        ear->has_heard = true;
    }
}

/* Every change of mind is told: steady, with its phase turned, modulated, gone. */
static void
on_answer(void *user_data, int tone, int level, int delay)
{
    DmFaxEar *ear = user_data;

    ear->is_answered = tone == MODEM_CONNECT_TONES_ANS;
    ear->n_answered = 0;
}

static bool
listen_for(DmFaxEar *ear, unsigned i)
{
    ear->rx[i] = modem_connect_tones_rx_init(NULL,
                                             tones[i].listens_for,
                                             i == CED ? on_answer : on_tone,
                                             ear);
    return ear->rx[i] != NULL;
}

DmFaxEar *
dm_fax_ear_new(unsigned signs)
{
    DmFaxEar *ear = g_new0(DmFaxEar, 1);

    for (unsigned i = 0; i < N_TONES; i++) {
        if ((signs & tones[i].sign) != 0 && !listen_for(ear, i)) {
            g_clear_pointer(&ear, dm_fax_ear_free);
            return NULL;
        }
    }
    return ear;
}

void
dm_fax_ear_free(DmFaxEar *ear)
{
    if (ear == NULL) {
        return;
    }
    for (unsigned i = 0; i < N_TONES; i++) {
        if (ear->rx[i] != NULL) {
            modem_connect_tones_rx_free(ear->rx[i]);
        }
    }
    g_free(ear);
}

bool
dm_fax_ear_hear(DmFaxEar *ear, const int16_t *samples, size_t n)
{
    for (unsigned i = 0; i < N_TONES; i++) {
        if (ear->rx[i] != NULL) {
            modem_connect_tones_rx(ear->rx[i], samples, (int)n);
        }
    }
    if (ear->is_answered) {
        ear->n_answered += n;
        ear->has_heard = ear->has_heard || ear->n_answered >= STEADY_SAMPLES;
    }
    return ear->has_heard;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/ear.h"

#include <spandsp.h>

struct DmFaxEar {
    modem_connect_tones_rx_state_t *tones;
    bool has_heard;
};

static void
on_tone(void *user_data, int tone, int level, int delay)
{
    DmFaxEar *ear = user_data;

    ear->has_heard = ear->has_heard || tone == MODEM_CONNECT_TONES_FAX_PREAMBLE;
}

DmFaxEar *
dm_fax_ear_new(void)
{
    DmFaxEar *ear = g_new0(DmFaxEar, 1);

    ear->tones = modem_connect_tones_rx_init(NULL, MODEM_CONNECT_TONES_FAX_PREAMBLE, on_tone, ear);
    if (ear->tones == NULL) {
        g_clear_pointer(&ear, g_free);
    }
    return ear;
}

void
dm_fax_ear_free(DmFaxEar *ear)
{
    if (ear == NULL) {
        return;
    }
    modem_connect_tones_rx_free(ear->tones);
    g_free(ear);
}

bool
dm_fax_ear_hear(DmFaxEar *ear, const int16_t *samples, size_t n)
{
    modem_connect_tones_rx(ear->tones, samples, (int)n);
    return ear->has_heard;
}

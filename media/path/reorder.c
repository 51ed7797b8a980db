/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/reorder.h"

#include <glib.h>
#include <string.h>

/* 200 ms of 10 ms packets. */
#define N_SLOTS 20
/* 60 ms of 64 kbit/s. What is longer is not held: its hole is given up at once. */
#define MAX_HELD_BYTES 480

/* Numbers that differ more are of another source under the same SSRC (RFC 3550, A.1). */
#define MAX_DROPOUT  3000
#define MAX_MISORDER 100

/* Packets are not sent to the microsecond. */
#define SLACK_US 3000

/* After so long without one that came too late, holes are closed sooner. */
#define QUIET_US (5 * G_USEC_PER_SEC)
#define STEP_US  INT64_C(20000)

typedef struct {
    DmRtpPacket rtp;
    int64_t arrived_us;
    bool is_held;
    uint8_t payload[MAX_HELD_BYTES];
} Slot;

struct DmReorder {
    DmReorderFunc play;
    void *user_data;
    uint32_t ssrc;
    uint16_t next;    /* whose turn it is */
    uint16_t gave_up; /* the last number a hole was closed before */
    bool started;
    unsigned n_held;
    int64_t window_us;
    int64_t adapted_us; /* when the window last changed */
    int64_t gave_up_us; /* 0: no hole was given up yet */
    Slot slot[N_SLOTS]; /* number n in slot n % N_SLOTS */
};

DmReorder *
dm_reorder_new(DmReorderFunc play, void *user_data)
{
    DmReorder *reorder = g_new0(DmReorder, 1);

    reorder->play = play;
    reorder->user_data = user_data;
    reorder->window_us = DM_REORDER_MIN_US;
    return reorder;
}

void
dm_reorder_free(DmReorder *reorder)
{
    g_free(reorder);
}

int64_t
dm_reorder_window_us(const DmReorder *reorder)
{
    return reorder->window_us;
}

static void
set_window(DmReorder *reorder, int64_t window_us, int64_t now_us)
{
    reorder->window_us = CLAMP(window_us, DM_REORDER_MIN_US, DM_REORDER_MAX_US);
    reorder->adapted_us = now_us;
}

static void
play(DmReorder *reorder, const DmRtpPacket *rtp, const uint8_t *payload, bool is_new_source)
{
    DmPlayed played = {
        .rtp = *rtp,
        .payload = payload,
        .n_lost = is_new_source ? 0 : (uint16_t)(rtp->sequence - reorder->next),
        .is_new_source = is_new_source,
    };

    reorder->next = (uint16_t)(rtp->sequence + 1);
    reorder->play(&played, reorder->user_data);
}

static Slot *
first_held(DmReorder *reorder)
{
    for (unsigned i = 0; i < N_SLOTS; i++) {
        Slot *slot = &reorder->slot[(uint16_t)(reorder->next + i) % N_SLOTS];

        if (slot->is_held) {
            return slot;
        }
    }
    return NULL;
}

static bool
is_worth_waiting(const DmReorder *reorder, const Slot *slot, int64_t now_us)
{
    return slot->rtp.sequence != reorder->next &&
           now_us - slot->arrived_us < reorder->window_us - SLACK_US;
}

/* Plays what is held, as far as no hole is worth waiting for; all of it when @is_final. */
static void
play_held(DmReorder *reorder, bool is_final, int64_t now_us)
{
    while (reorder->n_held > 0) {
        Slot *slot = first_held(reorder);

        if (!is_final && is_worth_waiting(reorder, slot, now_us)) {
            return;
        }
        if (slot->rtp.sequence != reorder->next) {
            reorder->gave_up = slot->rtp.sequence;
            reorder->gave_up_us = now_us;
        }
        slot->is_held = false;
        reorder->n_held--;
        play(reorder, &slot->rtp, slot->payload, false);
    }
}

static bool
hold(DmReorder *reorder, const DmRtpPacket *rtp, const uint8_t *payload, int64_t now_us)
{
    Slot *slot = &reorder->slot[rtp->sequence % N_SLOTS];

    if (slot->is_held) {
        return false;
    }
    slot->rtp = *rtp;
    slot->arrived_us = now_us;
    slot->is_held = true;
    memcpy(slot->payload, payload, rtp->payload_len);
    reorder->n_held++;
    play_held(reorder, false, now_us);
    return true;
}

/* Had we waited as long as it took, it would have been heard. */
static void
note_late(DmReorder *reorder, uint16_t sequence, int64_t now_us)
{
    int16_t behind = (int16_t)(reorder->gave_up - sequence);

    if (reorder->gave_up_us != 0 && behind > 0 && behind <= N_SLOTS &&
        now_us - reorder->gave_up_us < DM_REORDER_MAX_US) {
        set_window(reorder, reorder->window_us + now_us - reorder->gave_up_us + STEP_US, now_us);
    }
}

static void
restart(DmReorder *reorder, const DmRtpPacket *rtp, const uint8_t *payload, int64_t now_us)
{
    play_held(reorder, true, now_us);
    reorder->started = true;
    reorder->ssrc = rtp->ssrc;
    reorder->gave_up_us = 0;
    play(reorder, rtp, payload, true);
}

/* @ahead: by so many numbers of the one whose turn it is. */
static bool
input_ahead(DmReorder *reorder,
            const DmRtpPacket *rtp,
            const uint8_t *payload,
            int ahead,
            int64_t now_us)
{
    if (ahead > 0 && ahead < N_SLOTS && rtp->payload_len <= MAX_HELD_BYTES) {
        return hold(reorder, rtp, payload, now_us);
    }
    if (ahead > 0) {
        play_held(reorder, true, now_us);
    }
    if ((int16_t)(rtp->sequence - reorder->next) < 0) {
        return false; /* twice, and it was held */
    }
    play(reorder, rtp, payload, false);
    play_held(reorder, false, now_us);
    return true;
}

bool
dm_reorder_input(DmReorder *reorder, const DmRtpPacket *rtp, const uint8_t *payload, int64_t now_us)
{
    int ahead = (int16_t)(rtp->sequence - reorder->next);

    if (!reorder->started || rtp->ssrc != reorder->ssrc || ahead >= MAX_DROPOUT ||
        ahead <= -MAX_MISORDER) {
        restart(reorder, rtp, payload, now_us);
        return true;
    }
    if (now_us - reorder->adapted_us > QUIET_US) {
        set_window(reorder, reorder->window_us - STEP_US, now_us);
    }
    if (ahead < 0) {
        note_late(reorder, rtp->sequence, now_us);
        return false;
    }
    return input_ahead(reorder, rtp, payload, ahead, now_us);
}

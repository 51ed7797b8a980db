/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/jitter.h"

#include <string.h>

#include "media/path/arrival.h"

/* 320 ms of 10 ms packets. */
#define N_SLOTS 32
/* 60 ms of 64 kbit/s. What is longer is not held: it is played at once, and so is what waits. */
#define MAX_HELD_BYTES 480

/* Numbers that differ more are of another source under the same SSRC (RFC 3550, A.1). */
#define MAX_DROPOUT  3000
#define MAX_MISORDER 100

/* Packets are not sent to the microsecond, nor are timers. */
#define SLACK_US INT64_C(3000)

typedef struct {
    DmRtpPacket rtp;
    int64_t arrived_us;
    int64_t media_us; /* what its timestamp tells */
    int64_t due_us;   /* without one: of itself; else 0 */
    bool is_held;
    uint8_t payload[MAX_HELD_BYTES];
} Slot;

struct DmJitter {
    DmReorderFunc play;
    void *user_data;
    DmArrival arrival;
    uint32_t ssrc;
    uint16_t next;     /* whose turn it is */
    uint64_t given_up; /* bit n: number next - 1 - n is missing, and its turn is over */
    bool started;
    unsigned n_held;
    Slot slot[N_SLOTS]; /* number n in slot n % N_SLOTS */
};

DmJitter *
dm_jitter_new(const DmJitterBounds *bounds, DmReorderFunc play, void *user_data)
{
    DmJitter *jitter = g_new0(DmJitter, 1);

    jitter->play = play;
    jitter->user_data = user_data;
    dm_arrival_init(&jitter->arrival,
                    INT64_C(1000) * bounds->min_ms,
                    INT64_C(1000) * bounds->max_ms);
    return jitter;
}

void
dm_jitter_free(DmJitter *jitter)
{
    g_free(jitter);
}

/* Events alone have no delay to tell. */
int64_t
dm_jitter_delay_us(const DmJitter *jitter)
{
    return jitter->arrival.started ? dm_arrival_delay_us(&jitter->arrival) : 0;
}

static void
play(DmJitter *jitter, const DmRtpPacket *rtp, const uint8_t *payload, bool is_new_source)
{
    uint16_t n_lost = is_new_source ? 0 : (uint16_t)(rtp->sequence - jitter->next);
    DmPlayed played = {
        .rtp = *rtp,
        .payload = payload,
        .n_lost = n_lost,
        .is_new_source = is_new_source,
    };

    if (is_new_source || n_lost >= 63) {
        jitter->given_up = 0;
    } else {
        /* The missing ones, and this one, which is not. */
        jitter->given_up = (jitter->given_up << (n_lost + 1)) | ((UINT64_C(2) << n_lost) - 2);
    }
    jitter->next = (uint16_t)(rtp->sequence + 1);
    jitter->play(&played, jitter->user_data);
}

static Slot *
first_held(const DmJitter *jitter)
{
    for (unsigned i = 0; i < N_SLOTS; i++) {
        const Slot *slot = &jitter->slot[(uint16_t)(jitter->next + i) % N_SLOTS];

        if (slot->is_held) {
            return (Slot *)slot;
        }
    }
    return NULL;
}

/* When a packet is to be played, be there a hole before it or not. */
static int64_t
turn_us(const DmJitter *jitter, const Slot *slot)
{
    const DmArrival *arrival = &jitter->arrival;
    int64_t latest_us = slot->arrived_us + arrival->max_us;
    int64_t due_us = slot->due_us != 0 ? slot->due_us : dm_arrival_due_us(arrival, slot->media_us);

    if (slot->rtp.sequence != jitter->next) {
        due_us = MAX(due_us, slot->arrived_us + dm_arrival_patience_us(arrival) - SLACK_US);
    }
    return MIN(due_us, latest_us);
}

int64_t
dm_jitter_due_us(const DmJitter *jitter)
{
    return jitter->n_held > 0 ? turn_us(jitter, first_held(jitter)) : G_MAXINT64;
}

/* Plays what is held, as far as it is due; all of it when @is_final. */
static void
play_held(DmJitter *jitter, bool is_final, int64_t now_us)
{
    while (jitter->n_held > 0) {
        Slot *slot = first_held(jitter);

        if (!is_final && turn_us(jitter, slot) > now_us) {
            return;
        }
        slot->is_held = false;
        jitter->n_held--;
        play(jitter, &slot->rtp, slot->payload, false);
    }
}

void
dm_jitter_tick(DmJitter *jitter, int64_t now_us)
{
    play_held(jitter, false, now_us);
}

/* Fills in when its turn is, as far as it tells. */
static void
note_time(DmJitter *jitter, Slot *slot, uint32_t clock_hz)
{
    DmArrival *arrival = &jitter->arrival;
    const DmRtpPacket *rtp = &slot->rtp;
    int64_t now_us = slot->arrived_us;

    if (clock_hz == 0) {
        slot->due_us = now_us + dm_jitter_delay_us(jitter);
        return;
    }
    if (dm_arrival_leaps(arrival, rtp->timestamp, clock_hz, now_us)) {
        play_held(jitter, true, now_us);
        dm_arrival_restart(arrival, rtp->timestamp, clock_hz, now_us);
    }
    slot->media_us =
        dm_arrival_note(arrival, rtp->timestamp, rtp->marker && jitter->n_held == 0, now_us);
}

/* One whose turn is over. Had we waited as long as it took, it would have been heard. */
static void
note_late(DmJitter *jitter, Slot *slot, uint32_t clock_hz)
{
    unsigned behind = (uint16_t)(jitter->next - 1 - slot->rtp.sequence);
    uint64_t bit = behind < 64 ? UINT64_C(1) << behind : 0;

    if ((jitter->given_up & bit) != 0 && clock_hz != 0 &&
        !dm_arrival_leaps(&jitter->arrival, slot->rtp.timestamp, clock_hz, slot->arrived_us)) {
        jitter->given_up &= ~bit;
        note_time(jitter, slot, clock_hz);
    }
}

/* @slot: all of it but the payload. */
static bool
hold(DmJitter *jitter, const Slot *slot, const uint8_t *payload)
{
    Slot *place = &jitter->slot[slot->rtp.sequence % N_SLOTS];

    memcpy(place, slot, offsetof(Slot, payload));
    memcpy(place->payload, payload, slot->rtp.payload_len);
    place->is_held = true;
    jitter->n_held++;
    play_held(jitter, false, slot->arrived_us);
    return true;
}

static void
restart(DmJitter *jitter, const Slot *slot, const uint8_t *payload, uint32_t clock_hz)
{
    play_held(jitter, true, slot->arrived_us);
    jitter->started = true;
    jitter->ssrc = slot->rtp.ssrc;
    jitter->arrival.started = false;
    if (clock_hz != 0) {
        dm_arrival_restart(&jitter->arrival, slot->rtp.timestamp, clock_hz, slot->arrived_us);
    }
    play(jitter, &slot->rtp, payload, true);
}

static bool
is_other_source(const DmJitter *jitter, const DmRtpPacket *rtp)
{
    int ahead = (int16_t)(rtp->sequence - jitter->next);

    return !jitter->started || rtp->ssrc != jitter->ssrc || ahead >= MAX_DROPOUT ||
           ahead <= -MAX_MISORDER;
}

/* What waited may have been of later. */
static bool
play_unless_over(DmJitter *jitter, const DmRtpPacket *rtp, const uint8_t *payload)
{
    if ((int16_t)(rtp->sequence - jitter->next) < 0) {
        return false;
    }
    play(jitter, rtp, payload, false);
    return true;
}

bool
dm_jitter_input(DmJitter *jitter,
                const DmRtpPacket *rtp,
                const uint8_t *payload,
                uint32_t clock_hz,
                int64_t now_us)
{
    Slot slot;
    int ahead;

    slot.rtp = *rtp;
    slot.arrived_us = now_us;
    slot.due_us = slot.media_us = 0;
    if (is_other_source(jitter, rtp)) {
        restart(jitter, &slot, payload, clock_hz);
        return true;
    }
    ahead = (int16_t)(rtp->sequence - jitter->next);
    if (ahead < 0) {
        note_late(jitter, &slot, clock_hz);
        return false;
    }
    if (ahead < N_SLOTS && jitter->slot[rtp->sequence % N_SLOTS].is_held) {
        return false; /* twice */
    }
    note_time(jitter, &slot, clock_hz);
    ahead = (int16_t)(rtp->sequence - jitter->next); /* a leap has played what waited */
    if (jitter->n_held == 0 && ahead == 0 && turn_us(jitter, &slot) <= now_us) {
        play(jitter, &slot.rtp, payload, false);
        return true;
    }
    if (ahead >= 0 && ahead < N_SLOTS && rtp->payload_len <= MAX_HELD_BYTES) {
        return hold(jitter, &slot, payload);
    }
    play_held(jitter, true, now_us);
    return play_unless_over(jitter, rtp, payload);
}

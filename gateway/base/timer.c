/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/timer.h"

#include <glib.h>

/*
 * Level 0 has a slot for each tick of the current block of 64; level 1 a slot for each block of 64
 * ticks in the current block of 4096; and so on. A timer lives at the level of the highest group of
 * six bits in which its due tick differs from the current tick. So:
 *
 *  - its slot follows from its due tick alone, and nothing about it need be stored;
 *  - everything at a lower level is due before anything at a higher one;
 *  - when the current tick enters a slot of a higher level, the timers in it move down, in order,
 * before newer ones can be put next to them: equal due ticks fire in the order of arming.
 */
#define SLOT_BITS 6
#define N_SLOTS   (1 << SLOT_BITS)
#define N_LEVELS  7

/* 2^42 ticks of 1 ms: 139 years after the wheel was made. */
#define LAST_TICK ((INT64_C(1) << (SLOT_BITS * N_LEVELS)) - 1)
#define TICK_US   1000

typedef struct {
    DmTimer *first, *last;
} Slot;

struct DmTimerWheel {
    int64_t start_us;
    int64_t now_us;
    int64_t
        tick; /* everything due up to here has fired; between advances it may lag behind now_us */
    size_t n_armed;
    uint64_t occupied[N_LEVELS]; /* a bit for each slot that is not empty */
    Slot slots[N_LEVELS][N_SLOTS];
};

static unsigned
level_of(const DmTimerWheel *wheel, int64_t due_tick)
{
    uint64_t differing = (uint64_t)(due_tick ^ wheel->tick) | (N_SLOTS - 1);

    return (63 - (unsigned)__builtin_clzll(differing)) / SLOT_BITS;
}

static unsigned
index_of(int64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * SLOT_BITS)) & (N_SLOTS - 1);
}

static int64_t
tick_at(const DmTimerWheel *wheel, int64_t us)
{
    return (us - wheel->start_us) / TICK_US;
}

static void
link_timer(DmTimerWheel *wheel, DmTimer *timer)
{
    unsigned level = level_of(wheel, timer->due_tick);
    unsigned index = index_of(timer->due_tick, level);
    Slot *slot = &wheel->slots[level][index];

    timer->next = NULL;
    timer->prev = slot->last;
    if (slot->last != NULL) {
        slot->last->next = timer;
    } else {
        slot->first = timer;
        wheel->occupied[level] |= UINT64_C(1) << index;
    }
    slot->last = timer;
}

static void
unlink_timer(DmTimerWheel *wheel, DmTimer *timer)
{
    unsigned level = level_of(wheel, timer->due_tick);
    unsigned index = index_of(timer->due_tick, level);
    Slot *slot = &wheel->slots[level][index];

    if (timer->prev != NULL) {
        timer->prev->next = timer->next;
    } else {
        slot->first = timer->next;
    }
    if (timer->next != NULL) {
        timer->next->prev = timer->prev;
    } else {
        slot->last = timer->prev;
    }
    if (slot->first == NULL) {
        wheel->occupied[level] &= ~(UINT64_C(1) << index);
    }
}

/* The first slot that is not empty, by time, and the tick at which it begins; false when none is
 * armed. */
static bool
find_next(const DmTimerWheel *wheel, unsigned *out_level, int64_t *out_tick)
{
    for (unsigned level = 0; level < N_LEVELS; level++) {
        if (wheel->occupied[level] != 0) {
            unsigned shift = level * SLOT_BITS;
            int64_t index = __builtin_ctzll(wheel->occupied[level]);
            int64_t block = wheel->tick >> shift >> SLOT_BITS;

            *out_level = level;
            *out_tick = (block << SLOT_BITS | index) << shift;
            return true;
        }
    }
    return false;
}

static size_t
fire_slot(DmTimerWheel *wheel, Slot *slot)
{
    size_t n_fired = 0;

    /* What is armed or disarmed meanwhile changes the list under us; what is armed goes elsewhere,
     * because it is due after now. */
    while (slot->first != NULL) {
        DmTimer *timer = slot->first;

        dm_timer_disarm(timer);
        timer->fire(timer, timer->user_data);
        n_fired++;
    }
    return n_fired;
}

static void
cascade_slot(DmTimerWheel *wheel, unsigned level, unsigned index)
{
    DmTimer *timer = wheel->slots[level][index].first;

    wheel->slots[level][index] = (Slot){0};
    wheel->occupied[level] &= ~(UINT64_C(1) << index);
    while (timer != NULL) {
        DmTimer *next = timer->next;

        link_timer(wheel, timer);
        timer = next;
    }
}

DmTimerWheel *
dm_timer_wheel_new(int64_t now_us)
{
    DmTimerWheel *wheel = g_new0(DmTimerWheel, 1);

    wheel->start_us = now_us;
    wheel->now_us = now_us;
    return wheel;
}

void
dm_timer_wheel_free(DmTimerWheel *wheel)
{
    unsigned level;
    int64_t tick;

    if (wheel == NULL) {
        return;
    }
    while (find_next(wheel, &level, &tick)) {
        dm_timer_disarm(wheel->slots[level][index_of(tick, level)].first);
    }
    g_free(wheel);
}

void
dm_timer_wheel_set_now(DmTimerWheel *wheel, int64_t now_us)
{
    wheel->now_us = MAX(wheel->now_us, now_us);
}

void
dm_timer_arm(DmTimerWheel *wheel,
             DmTimer *timer,
             int64_t delay_us,
             DmTimerFunc fire,
             void *user_data)
{
    int64_t now_tick = tick_at(wheel, wheel->now_us);
    int64_t delay = CLAMP(delay_us, 0, LAST_TICK * TICK_US);
    int64_t due_us = wheel->now_us - wheel->start_us + delay;

    g_return_if_fail(fire != NULL);

    dm_timer_disarm(timer);
    timer->due_tick = CLAMP((due_us + TICK_US - 1) / TICK_US, now_tick + 1, LAST_TICK);
    timer->fire = fire;
    timer->user_data = user_data;
    timer->wheel = wheel;
    link_timer(wheel, timer);
    wheel->n_armed++;
}

void
dm_timer_disarm(DmTimer *timer)
{
    DmTimerWheel *wheel = timer->wheel;

    if (wheel != NULL) {
        unlink_timer(wheel, timer);
        timer->wheel = NULL;
        wheel->n_armed--;
    }
}

bool
dm_timer_is_armed(const DmTimer *timer)
{
    return timer->wheel != NULL;
}

size_t
dm_timer_wheel_advance(DmTimerWheel *wheel, int64_t now_us)
{
    size_t n_fired = 0;
    unsigned level;
    int64_t tick;
    int64_t target;

    dm_timer_wheel_set_now(wheel, now_us);
    target = tick_at(wheel, wheel->now_us);
    while (find_next(wheel, &level, &tick) && tick <= target) {
        wheel->tick = tick;
        if (level == 0) {
            n_fired += fire_slot(wheel, &wheel->slots[0][index_of(tick, 0)]);
        } else {
            cascade_slot(wheel, level, index_of(tick, level));
        }
    }
    wheel->tick = target;
    return n_fired;
}

int64_t
dm_timer_wheel_next_us(const DmTimerWheel *wheel)
{
    unsigned level;
    int64_t tick;

    return find_next(wheel, &level, &tick) ? wheel->start_us + tick * TICK_US : -1;
}

int64_t
dm_timer_wheel_wait_us(const DmTimerWheel *wheel, int64_t now_us)
{
    int64_t next_us = dm_timer_wheel_next_us(wheel);

    return next_us < 0 ? -1 : MAX(next_us - now_us, 0);
}

size_t
dm_timer_wheel_n_armed(const DmTimerWheel *wheel)
{
    return wheel->n_armed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The jitter buffer between a peer and networks of all kinds, in virtual time (MED-7). */
#include <glib.h>
#include <math.h>
#include <stdlib.h>

#include "media/path/jitter.h"
#include "tests/lib/seed.h"

#define MS        INT64_C(1000)
#define CLOCK_HZ  8000
#define MAX_HELD  64
#define MAX_STEPS (3600 * 50 + 1000)

typedef struct {
    int64_t at_us;
    DmRtpPacket rtp;
    uint32_t clock_hz;
} Arrival;

/* A stream from a peer through a network into the buffer, and what comes out of that. */
typedef struct {
    DmJitter *jitter;
    GRand *random;
    GArray *network; /* Arrival: on its way */
    int64_t sent_us; /* when the peer sends the next packet */
    int64_t now_us;
    double skew; /* the peer's clock runs so much slower */
    unsigned ptime_ms;
    DmRtpPacket next;

    unsigned n_played, n_lost, n_refused, n_new;
    int64_t played_us; /* the last one */
    uint32_t played_timestamp;
    uint16_t played_sequence;
    int64_t delay_us, worst_delay_us; /* from sent to played, of packets on time */
    int64_t unevenness_us;            /* worst, of time between packets played */
} World;

static void
on_played(const DmPlayed *played, void *user_data)
{
    World *world = user_data;
    uint32_t apart = played->rtp.timestamp - world->played_timestamp;

    if (played->is_new_source) {
        world->n_new++;
    } else {
        g_assert_cmpint((int16_t)(played->rtp.sequence - world->played_sequence), >, 0);
        if (apart > 0 && apart < CLOCK_HZ) {
            int64_t uneven_us =
                llabs(world->now_us - world->played_us - (int64_t)apart * 1000000 / CLOCK_HZ);

            world->unevenness_us = MAX(world->unevenness_us, uneven_us);
        }
    }
    world->n_lost += played->n_lost;
    world->n_played++;
    world->played_us = world->now_us;
    world->played_timestamp = played->rtp.timestamp;
    world->played_sequence = played->rtp.sequence;
}

static void
world_open(World *world)
{
    static const DmJitterBounds bounds = {DM_JITTER_MIN_MS, DM_JITTER_MAX_MS};

    *world = (World){
        .jitter = dm_jitter_new(&bounds, on_played, world),
        .random = g_rand_new_with_seed(dm_test_seed()),
        .network = g_array_new(FALSE, FALSE, sizeof(Arrival)),
        .sent_us = 1000 * MS,
        .ptime_ms = 20,
        .next = {.ssrc = 7, .sequence = 65000, .timestamp = 4294960000u, .payload_len = 160},
    };
}

static void
world_close(World *world)
{
    dm_jitter_free(world->jitter);
    g_rand_free(world->random);
    g_array_free(world->network, TRUE);
}

/* What is due until then is played, when it is due. */
static void
let_pass(World *world, int64_t until_us)
{
    int64_t due_us;

    while ((due_us = dm_jitter_due_us(world->jitter)) <= until_us) {
        world->now_us = MAX(world->now_us, due_us);
        dm_jitter_tick(world->jitter, world->now_us);
    }
    world->now_us = until_us;
}

static void
arrive(World *world, const Arrival *arrival)
{
    static const uint8_t payload[480];
    int64_t delay_us;

    let_pass(world, arrival->at_us);
    if (!dm_jitter_input(world->jitter, &arrival->rtp, payload, arrival->clock_hz, world->now_us)) {
        world->n_refused++;
    }
    delay_us = dm_jitter_delay_us(world->jitter);
    g_assert_cmpint(delay_us, >=, 0);
    g_assert_cmpint(delay_us, <=, DM_JITTER_MAX_MS * MS);
    world->worst_delay_us = MAX(world->worst_delay_us, delay_us);
}

static int
by_time(const void *a, const void *b)
{
    const Arrival *first = a;
    const Arrival *second = b;

    return first->at_us < second->at_us ? -1 : first->at_us > second->at_us;
}

/* Everything that arrives before @until_us. */
static void
run_network(World *world, int64_t until_us)
{
    g_array_sort(world->network, by_time);
    while (world->network->len > 0) {
        Arrival arrival = g_array_index(world->network, Arrival, 0);

        if (arrival.at_us > until_us) {
            break;
        }
        g_array_remove_index(world->network, 0);
        arrive(world, &arrival);
    }
}

/* The peer sends a packet, which takes @transit_us; less than 0: it is lost. */
static void
say(World *world, int64_t transit_us)
{
    Arrival arrival = {world->sent_us + transit_us, world->next, CLOCK_HZ};

    if (transit_us >= 0) {
        g_array_append_val(world->network, arrival);
    }
    world->next.sequence++;
    world->next.timestamp += CLOCK_HZ / 1000 * world->ptime_ms;
    world->sent_us += llrint(MS * world->ptime_ms * (1 + world->skew));
    run_network(world, world->sent_us);
}

static void
say_for(World *world, unsigned s, int64_t transit_us)
{
    for (unsigned i = 0; i < s * 1000 / world->ptime_ms; i++) {
        say(world, transit_us);
    }
}

/* All that is on its way, and all that waits. */
static void
finish(World *world)
{
    run_network(world, G_MAXINT64 / 2);
    let_pass(world, world->now_us + 1000 * MS);
}

/* From here on. */
static void
forget_unevenness(World *world)
{
    world->unevenness_us = world->worst_delay_us = 0;
}

static void
test_nothing_is_held_without_jitter(void)
{
    World world;

    g_test_summary(
        "MED-7: on an even network, with jitter of up to 8 ms, nothing is delayed at all");

    world_open(&world);
    for (unsigned i = 0; i < 3000; i++) {
        say(&world, 30 * MS + g_rand_int_range(world.random, 0, 8000));
        g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
        g_assert_cmpint(dm_jitter_due_us(world.jitter), ==, G_MAXINT64);
    }
    finish(&world);
    g_assert_cmpuint(world.n_played, ==, 3000);
    world_close(&world);
}

static void
test_a_spike_is_evened_out_from_the_second_on(void)
{
    World world;

    g_test_summary("MED-7: spikes of 60 ms every 2 s: none lost, played evenly from the second on, "
                   "and the delay goes away again when they stop");

    world_open(&world);
    for (unsigned spike = 0; spike < 20; spike++) {
        say_for(&world, 2, 30 * MS);
        if (spike == 1) {
            forget_unevenness(&world);
        }
        /* A queue of 60 ms that drains: what was behind comes along. */
        for (int64_t late_ms = 60; late_ms > 0; late_ms -= 20) {
            say(&world, (30 + late_ms) * MS);
        }
    }
    g_assert_cmpint(world.unevenness_us, <=, 1 * MS);
    g_assert_cmpint(world.worst_delay_us, ==, 60 * MS);
    say_for(&world, 4, 30 * MS);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 60 * MS);
    say_for(&world, 26, 30 * MS);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
    finish(&world);
    g_assert_cmpuint(world.n_played, ==, 20 * 103 + 30 * 50);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpint(world.unevenness_us, <=, 2 * MS);
    world_close(&world);
}

static void
test_wifi_bursts(void)
{
    World world;

    g_test_summary("MED-7: a Wi-Fi that keeps packets for up to 150 ms and sends them in one go: "
                   "none lost, even after the first bursts, the delay no longer than the longest");

    world_open(&world);
    for (unsigned burst = 0; burst < 200; burst++) {
        int64_t kept_ms = g_rand_int_range(world.random, 20, 150);

        for (int i = g_rand_int_range(world.random, 5, 40); i > 0; i--) {
            say(&world, 10 * MS + g_rand_int_range(world.random, 0, 3000));
        }
        for (; kept_ms > 0; kept_ms -= 20) {
            say(&world, (10 + kept_ms) * MS);
        }
        if (burst == 30) {
            forget_unevenness(&world);
        }
    }
    finish(&world);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpuint(world.n_refused, ==, 0);
    g_assert_cmpint(world.worst_delay_us, <=, 160 * MS);
    g_assert_cmpint(world.worst_delay_us, >=, 100 * MS);
    /* A longer one than any in the last 5 s is uneven once. */
    g_assert_cmpint(world.unevenness_us, <=, 60 * MS);
    world_close(&world);
}

static void
test_packets_out_of_order(void)
{
    World world;

    g_test_summary(
        "MED-7: one packet in ten overtaken by two others: after the first none is lost");

    world_open(&world);
    say_for(&world, 2, 30 * MS);
    for (unsigned i = 0; i < 3000; i++) {
        say(&world, i % 10 == 0 ? 75 * MS : 30 * MS);
    }
    finish(&world);
    g_assert_cmpuint(world.n_lost, ==, 1);
    g_assert_cmpuint(world.n_refused, ==, 1);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 45 * MS);
    world_close(&world);
}

static void
test_a_longer_route(void)
{
    World world;

    g_test_summary("MED-7: the way gets 80 ms longer, and shorter again: only what is overtaken is "
                   "lost, and no delay is left");

    world_open(&world);
    say_for(&world, 20, 30 * MS);
    say_for(&world, 5, 110 * MS);
    g_assert_cmpuint(world.n_lost, ==, 0);
    say_for(&world, 15, 110 * MS);
    /* What is played is as late as it comes, not later. */
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
    g_assert_cmpint(world.now_us - world.played_us, <=, 20 * MS);
    forget_unevenness(&world);
    say_for(&world, 30, 30 * MS);
    finish(&world);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
    /* The four on the longer way were overtaken. */
    g_assert_cmpuint(world.n_lost, <=, 4);
    g_assert_cmpuint(world.n_played + world.n_lost, ==, 70 * 50);
    world_close(&world);
}

static void
assert_drift(double ppm, int64_t jitter_us)
{
    World world;

    world_open(&world);
    world.skew = ppm / 1e6;
    for (unsigned i = 0; i < 3600 * 50; i++) {
        say(&world,
            20 * MS + (jitter_us > 0 ? g_rand_int_range(world.random, 0, (int)jitter_us) : 0));
    }
    finish(&world);
    g_assert_cmpuint(world.n_played, ==, 3600 * 50);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpint(world.worst_delay_us, <=, jitter_us + 5 * MS);
    world_close(&world);
}

static void
test_an_hour_of_drifting_clocks(void)
{
    g_test_summary("MED-7: an hour with clocks 200 ppm apart, either way, with and without jitter: "
                   "the delay stays, nothing is lost");

    assert_drift(200, 0);
    assert_drift(-200, 0);
    assert_drift(200, 40 * MS);
    assert_drift(-200, 40 * MS);
}

static void
test_silence_and_talk(void)
{
    World world;

    g_test_summary(
        "MED-7: a peer that sends nothing while it is silent: time goes on, and the delay "
        "goes down at once where nobody hears it");

    world_open(&world);
    say_for(&world, 2, 30 * MS);
    for (int64_t late_ms = 60; late_ms > 0; late_ms -= 20) {
        say(&world, (30 + late_ms) * MS);
    }
    say_for(&world, 1, 30 * MS);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 60 * MS);
    for (unsigned spurt = 0; spurt < 10; spurt++) {
        say_for(&world, 1, 30 * MS);
        let_pass(&world, world.sent_us + 200 * MS);
        world.next.timestamp += 8 * 3000;
        world.sent_us += 3000 * MS;
        world.next.marker = true;
        say(&world, 30 * MS);
        world.next.marker = false;
    }
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
    finish(&world);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpuint(world.n_new, ==, 1);
    world_close(&world);
}

static void
test_other_lines_of_time(void)
{
    World world;

    g_test_summary(
        "MED-7: another packet length, timestamps that leap, another source: played on at "
        "once, nothing is lost");

    world_open(&world);
    say_for(&world, 2, 30 * MS);
    world.ptime_ms = 10;
    say_for(&world, 1, 30 * MS);
    world.ptime_ms = 60;
    say_for(&world, 1, 30 * MS);
    world.ptime_ms = 20;
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
    for (unsigned leap = 0; leap < 4; leap++) {
        world.next.timestamp += leap % 2 == 0 ? 0x7000000 : -8 * 60000u;
        say_for(&world, 1, 30 * MS);
        g_assert_cmpint(dm_jitter_delay_us(world.jitter), ==, 0);
        g_assert_cmpint(dm_jitter_due_us(world.jitter), ==, G_MAXINT64);
    }
    g_assert_cmpuint(world.n_new, ==, 1);
    world.next = (DmRtpPacket){.ssrc = 8, .sequence = 1, .timestamp = 99, .payload_len = 160};
    say_for(&world, 1, 30 * MS);
    finish(&world);
    g_assert_cmpuint(world.n_new, ==, 2);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpuint(world.n_played, ==, 100 + 100 + 16 + 4 * 50 + 50);
    world_close(&world);
}

static void
test_an_outage_is_no_jitter(void)
{
    World world;

    g_test_summary("MED-7: nothing for 2 s and then all of it at once: no delay remains of it");

    world_open(&world);
    say_for(&world, 5, 30 * MS);
    for (int64_t late_ms = 2000; late_ms > 0; late_ms -= 20) {
        say(&world, (30 + late_ms) * MS);
    }
    say_for(&world, 5, 30 * MS);
    finish(&world);
    g_assert_cmpuint(world.n_lost, ==, 0);
    g_assert_cmpint(dm_jitter_delay_us(world.jitter), <=, DM_JITTER_MAX_MS * MS);
    g_assert_cmpuint(world.n_played, ==, 10 * 50 + 100);
    world_close(&world);
}

static void
test_a_lost_packet_is_given_up(void)
{
    World world;

    g_test_summary("MED-7: losses are waited for 20 ms where nothing is late, and never block");

    world_open(&world);
    for (unsigned i = 0; i < 1000; i++) {
        say(&world, i % 20 == 10 ? -1 : 30 * MS);
        g_assert_cmpint(world.now_us - world.played_us, <=, 60 * MS);
    }
    finish(&world);
    g_assert_cmpuint(world.n_lost, ==, 50);
    g_assert_cmpuint(world.n_played, ==, 950);
    world_close(&world);
}

static void
test_any_network(void)
{
    World world;

    g_test_summary(
        "Loss, repetition, any delay: in order, each at most once, and all of it comes out");

    world_open(&world);
    for (unsigned i = 0; i < 20000; i++) {
        int64_t transit_us = g_rand_int_range(world.random, 0, 400000);
        Arrival again = {world.sent_us + transit_us + 5, world.next, CLOCK_HZ};

        if (g_rand_int_range(world.random, 0, 10) == 0) {
            g_array_append_val(world.network, again);
        }
        if (g_rand_int_range(world.random, 0, 500) == 0) {
            world.next.timestamp += g_rand_int(world.random);
        }
        say(&world, i < 19990 && g_rand_int_range(world.random, 0, 20) == 0 ? -1 : transit_us);
    }
    finish(&world);
    g_assert_cmpint(dm_jitter_due_us(world.jitter), ==, G_MAXINT64);
    /* From whichever came first, to whichever came last. */
    g_assert_cmpuint(world.n_played + world.n_lost, >=, 19980);
    g_assert_cmpuint(world.n_played + world.n_lost, <=, 20000);
    world_close(&world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/jitter/none", test_nothing_is_held_without_jitter);
    g_test_add_func("/jitter/spikes", test_a_spike_is_evened_out_from_the_second_on);
    g_test_add_func("/jitter/wifi", test_wifi_bursts);
    g_test_add_func("/jitter/order", test_packets_out_of_order);
    g_test_add_func("/jitter/route", test_a_longer_route);
    g_test_add_func("/jitter/drift", test_an_hour_of_drifting_clocks);
    g_test_add_func("/jitter/silence", test_silence_and_talk);
    g_test_add_func("/jitter/time-lines", test_other_lines_of_time);
    g_test_add_func("/jitter/outage", test_an_outage_is_no_jitter);
    g_test_add_func("/jitter/loss", test_a_lost_packet_is_given_up);
    g_test_add_func("/jitter/any", test_any_network);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/lib/call-world.h"

/* Thousands of calls at once whose legs and media do anything at any time, legal or not. Every call
 * must end, each leg be released once, each record be announced once, and nothing be left: the
 * world checks that, and that no state machine was asked for a move it does not know.
 *
 * DM_SIM_SEED and DM_SIM_CALLS choose the run; a failure replays from its seed. */

#define DEFAULT_CALLS 10000

static const char config[] =
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"
    "media_pools:\n"
    "  - {id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}\n"
    "  - {id: other, address: 127.0.0.2, port_min: 20000, port_max: 29999}\n"
    "trunks:\n"
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {srtp: "
    "opportunistic}, limits: {concurrent_in: 400}}\n"
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1', priority: 1}, "
    "{uri: 'sip:198.51.100.2', priority: 2}], media: {srtp: offer}, limits: {concurrent_out: 120, "
    "cps_out: 20}}\n"
    "  - {id: second, role: carrier, media_pool: other, endpoints: [{uri: 'sip:203.0.113.1'}], "
    "media: {codecs: [PCMA]}, sip: {refer_mode: relay, delayed_offer: transparent, timers: "
    "{max_duration_s: 60, "
    "ringing_ms: 20000}}}\n"
    "routes:\n"
    "  - {id: out, match: {source_trunks: [pbx], called: '+44'}, action: {trunks: [first, "
    "second]}}\n"
    "  - {id: in, match: {source_trunks: [first, second]}, action: {trunks: [pbx]}}\n";

static void plan_next(FakeLeg *leg);

static void
on_script(DmTimer *timer, void *user_data)
{
    FakeLeg *leg = user_data;
    World *world = leg->world;

    if (dm_random_range(world->random, 0, 19) == 0) {
        media_does_something(world, dm_random_u64(world->random));
    }
    peer_does_something(leg, dm_random_u64(world->random));
    plan_next(leg);
}

static void
plan_next(FakeLeg *leg)
{
    DmRandom *random = leg->world->random;
    int64_t delay_us = dm_random_range(random, 0, 3) == 0 ? 0 : dm_random_range(random, 0, 8000000);

    if (leg->n_closed == 0) {
        dm_loop_arm(leg->world->loop, &leg->script_timer, delay_us, on_script, leg);
    }
}

static void
on_dial(FakeLeg *leg, void *user_data)
{
    /* A peer may take all of timer B over a BYE. */
    leg->close_delay_us = dm_random_range(leg->world->random, 0, 1) == 0
                              ? 0
                              : dm_random_range(leg->world->random, 0, 32000000);
    plan_next(leg);
}

static void
hang_up_somebody(DmCall *call, void *user_data)
{
    World *world = user_data;
    const DmRelease why = {.cause = DM_RELEASE_LOCAL, .status = 480};

    if (dm_random_range(world->random, 0, 20) == 0) {
        dm_call_hang_up(call, &why);
    } else if (dm_random_range(world->random, 0, 50) == 0) {
        json_decref(dm_call_to_json(call));
    }
}

static void
start_call(World *world)
{
    static const char *const sources[] = {"pbx", "pbx", "first", "second"};
    static const char *const offers[] = {"m=audio 4000 RTP/AVP 0 8",
                                         "m=audio 4000 RTP/AVP 8",
                                         "m=audio 4000 RTP/AVP 0",
                                         NULL,
                                         "m=audio 1 RTP/SAVP 0"};
    const char *source = sources[dm_random_range(world->random, 0, G_N_ELEMENTS(sources) - 1)];
    const char *offer = offers[dm_random_range(world->random, 0, G_N_ELEMENTS(offers) - 1)];
    const char *number = dm_random_range(world->random, 0, 30) == 0 ? "+39060001" : "+442079461111";

    world->no_ports = dm_random_range(world->random, 0, 50) == 0;
    world->caller_pracks = dm_random_range(world->random, 0, 1) == 0;
    world_call(world, source, number, offer);
    world->no_ports = false;
    for (guint i = world->legs->len; i > 0; i--) {
        FakeLeg *leg = g_ptr_array_index(world->legs, i - 1);

        if (leg->incoming) {
            on_dial(leg, NULL);
            return;
        }
    }
}

static uint64_t
number_from(const char *variable, uint64_t fallback)
{
    const char *text = g_getenv(variable);

    return text != NULL ? g_ascii_strtoull(text, NULL, 10) : fallback;
}

static void
test_any_order(void)
{
    uint64_t seed = number_from("DM_SIM_SEED", g_random_int());
    uint64_t n_calls = number_from("DM_SIM_CALLS", DEFAULT_CALLS);
    World *world;

    g_test_message("DM_SIM_SEED=%" G_GUINT64_FORMAT " DM_SIM_CALLS=%" G_GUINT64_FORMAT,
                   seed,
                   n_calls);
    world = world_new(seed, config);
    world->has_story = false;
    world->media_close_delay_us = 20000;
    world->on_dial = on_dial;
    for (uint64_t i = 0; i < n_calls; i++) {
        start_call(world);
        world_run(world, dm_random_range(world->random, 0, 200));
        if (i % 1000 == 999) {
            dm_call_table_foreach(world->calls, hang_up_somebody, world);
        }
    }
    world_finish(world, 24 * 3600 * 1000);
    g_test_message("%u calls, %u answered, %u legs, %u sessions of media",
                   world->n_calls,
                   world->n_started,
                   world->legs->len,
                   world->n_media_opened);
    g_assert_cmpuint(world->n_started, >, world->n_calls / 20);
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/call/any-order", test_any_order);
    return g_test_run();
}

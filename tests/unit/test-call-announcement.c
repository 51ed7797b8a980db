/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* What a caller hears when nobody answers (SIG-10, RTE-7). */

#define ALAW "m=audio 4000 RTP/AVP 8"
#define CONFIG                                                                                     \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - id: pbx\n"                                                                                \
    "    role: pbx\n"                                                                              \
    "    endpoints: [{uri: 'sip:192.0.2.10'}]\n"                                                   \
    "    media:\n"                                                                                 \
    "      announcements:\n"                                                                       \
    "        - {codes: [486], tone: busy, max_s: 4}\n"                                             \
    "        - {q850: [1, 19], tone: information}\n"                                               \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}],\n"                     \
    "     sip: {timers: {ringing_ms: 20000}}}\n"                                                   \
    "  - {id: second, role: carrier, endpoints: [{uri: 'sip:198.51.100.2'}]}\n"                    \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"                    \
    "  - {id: special, match: {source_trunks: [pbx], called: '+4420795'},\n"                       \
    "     action: {trunks: [first, second], announcements: [{codes: [486, 503], tone: "            \
    "congestion}]}}\n"                                                                             \
    "  - {id: closed, match: {source_trunks: [pbx], called: '+4420796'},\n"                        \
    "     action: {reject: {code: 404}}}\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static World *
call_to(const char *number)
{
    World *world = world_new(1, CONFIG);

    world_call(world, "pbx", number, ALAW);
    g_free(world_take_story(world));
    return world;
}

static void
assert_ended(World *world, int code, int q850)
{
    const json_t *release;

    world_run(world, 1000);
    g_assert_cmpuint(world->n_over, ==, world->n_calls);
    release = json_object_get(world->last_record, "release");
    g_assert_cmpint(json_integer_value(json_object_get(release, "code")), ==, code);
    g_assert_cmpint(json_integer_value(json_object_get(release, "q850")), ==, q850);
    world_free(world);
}

static void
test_busy(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("A busy line is heard as early media; the final answer follows its end, and the "
                   "called side is the one who released");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    assert_story(world, "a1:progress(183,sdp) media:play(a,busy)");
    g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, ==, DM_MEDIA_SEND);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_INACTIVE);
    g_assert_cmpuint(world->spec.side[DM_SIDE_A].n_send, >, 0);
    world_run(world, 3000);
    assert_story(world, "");
    media_does(world, DM_CALL_MEDIA_PLAY_ENDED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_story(world, "a1:close(486) media:close");
    g_assert_cmpint(world_leg(world, "a1")->why.q850, ==, 17);
    assert_ended(world, 486, 17);
}

static void
test_bounded(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("Should media never tell of the end, the call ends soon after the longest time");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    g_free(world_take_story(world));
    world_run(world, 5900);
    assert_story(world, "");
    world_run(world, 200);
    g_assert_cmpint(world_leg(world, "a1")->n_closes, ==, 1);
    assert_ended(world, 486, 17);
}

static void
test_cancelled(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("SIG-7: a caller who gives up in the middle is told 487, and nothing is left");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 487);
    world_run(world, 10000);
    assert_ended(world, 487, 16);
}

static void
test_other_reasons(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("What is not in the list is told at once");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 403);
    assert_story(world, "a1:close(403) media:close");
    assert_ended(world, 403, 21);
}

static void
test_no_answer(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("Nobody answers in time: the called phone is let go at once, the caller after "
                   "the tone for cause 19");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    g_free(world_take_story(world));
    world_run(world, 20100);
    assert_story(world, "b1:close(408) a1:progress(183,sdp) media:play(a,information)");
    media_does(world, DM_CALL_MEDIA_PLAY_ENDED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_ended(world, 408, 19);
}

static void
test_refused_by_route(void)
{
    World *world = call_to("+442079611111");

    g_test_summary("A number that a route refuses is told by its cause, without any called side");
    assert_story(world, "");
    g_assert_cmpuint(world->n_updates, ==, 1);
    media_does(world, DM_CALL_MEDIA_PLAY_ENDED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_ended(world, 404, 1);
}

static void
test_route_first(void)
{
    World *world = call_to("+442079511111");

    g_test_summary("What the route has goes before what the trunk has, and after the last target "
                   "only");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 503);
    assert_story(world, "b2:dial(198.51.100.2)");
    peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 486);
    assert_story(world, "a1:progress(183,sdp) media:play(a,congestion)");
    media_does(world, DM_CALL_MEDIA_PLAY_ENDED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_ended(world, 486, 17);
}

static void
test_network_has_spoken(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("A called network whose own words were heard is not followed by ours");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    world->final_report.side[DM_SIDE_B].rx_packets = 100;
    g_free(world_take_story(world));
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    assert_story(world, "a1:close(486) media:close");
    assert_ended(world, 486, 17);
}

static void
test_silent_network(void)
{
    World *world = call_to("+442079461111");

    g_test_summary("One that described early media and sent none is: with the description that the "
                   "caller was told already");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    g_free(world_take_story(world));
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    assert_story(world, "a1:progress(183,sdp) media:play(a,busy)");
    media_does(world, DM_CALL_MEDIA_PLAY_ENDED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_ended(world, 486, 17);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/announcement/busy", test_busy);
    g_test_add_func("/call/announcement/bounded", test_bounded);
    g_test_add_func("/call/announcement/cancelled", test_cancelled);
    g_test_add_func("/call/announcement/other-reasons", test_other_reasons);
    g_test_add_func("/call/announcement/no-answer", test_no_answer);
    g_test_add_func("/call/announcement/refused-by-route", test_refused_by_route);
    g_test_add_func("/call/announcement/route-first", test_route_first);
    g_test_add_func("/call/announcement/network-has-spoken", test_network_has_spoken);
    g_test_add_func("/call/announcement/silent-network", test_silent_network);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* Hold in every form, from both sides (SIG-16). */

#define BOTH     "m=audio 4000 RTP/AVP 8"
#define SENDONLY "m=audio 4000 RTP/AVP 8\r\na=sendonly"
#define RECVONLY "m=audio 4000 RTP/AVP 8\r\na=recvonly"
#define INACTIVE "m=audio 4000 RTP/AVP 8\r\na=inactive"
#define ZERO     "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0"
#define CONFIG(pbx, carrier)                                                                       \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]" pbx "}\n"                      \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}]" carrier "}\n"          \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"

static World *
call_that_is_up(const char *config)
{
    World *world = world_new(1, config);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    return world;
}

static void
hang_up(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static DmMediaDirection
said_to(World *world, const char *leg)
{
    return dm_sdp_media(world_leg(world, leg)->said, 0)->peer_direction;
}

/* @asks holds or resumes with @offer; the other side answers @answer. */
static void
change(World *world, const char *asks, const char *offer, const char *answer)
{
    const char *other = *asks == 'a' ? "b1" : "a1";

    peer_does(world_leg(world, asks), DM_LEG_REOFFER, 0, offer);
    peer_does(world_leg(world, other), DM_LEG_REANSWER, 200, answer);
}

static void
test_forms(void)
{
    static const struct {
        const char *offer, *answer;
        DmMediaDirection told, answered; /* to the held side; to the one that holds */
    } cases[] = {
        {SENDONLY, RECVONLY, DM_MEDIA_SEND, DM_MEDIA_RECV},
        {SENDONLY, INACTIVE, DM_MEDIA_SEND, DM_MEDIA_INACTIVE},
        {SENDONLY, BOTH, DM_MEDIA_SEND, DM_MEDIA_RECV}, /* wrong, and not passed on */
        {INACTIVE, INACTIVE, DM_MEDIA_INACTIVE, DM_MEDIA_INACTIVE},
        {INACTIVE, BOTH, DM_MEDIA_INACTIVE, DM_MEDIA_INACTIVE},
        {RECVONLY, SENDONLY, DM_MEDIA_RECV, DM_MEDIA_SEND},
        {ZERO, RECVONLY, DM_MEDIA_SEND, DM_MEDIA_RECV},
    };

    g_test_summary("SIG-16: sendonly is answered recvonly or inactive, inactive inactive, 0.0.0.0 "
                   "is a hold; whatever the held side says; from each side, and resumed");
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const char *asks = i % 2 == 0 ? "a1" : "b1", *other = i % 2 == 0 ? "b1" : "a1";
        World *world = call_that_is_up(NULL);

        change(world, asks, cases[i / 2].offer, cases[i / 2].answer);
        g_assert_cmpint(said_to(world, other), ==, cases[i / 2].told);
        g_assert_cmpint(said_to(world, asks), ==, cases[i / 2].answered);
        change(world, asks, BOTH, BOTH);
        g_assert_cmpint(said_to(world, other), ==, DM_MEDIA_BOTH);
        g_assert_cmpint(said_to(world, asks), ==, DM_MEDIA_BOTH);
        hang_up(world);
    }
}

static void
test_fifty_rounds(void)
{
    static const char *const holds[] = {SENDONLY, INACTIVE, ZERO};
    World *world = call_that_is_up(NULL);

    g_test_summary(
        "SIG-16: fifty holds and resumes from both sides, and audio both ways after each");
    for (unsigned i = 0; i < 50; i++) {
        const char *asks = i % 2 == 0 ? "a1" : "b1";

        change(world, asks, holds[i % G_N_ELEMENTS(holds)], RECVONLY);
        g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, !=, DM_MEDIA_BOTH);
        change(world, asks, BOTH, BOTH);
        g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, ==, DM_MEDIA_BOTH);
        g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_BOTH);
    }
    hang_up(world);
}

static void
test_both_hold(void)
{
    World *world = call_that_is_up(NULL);

    g_test_summary("SIG-16: both hold; one resumes and is still held by the other");
    change(world, "a1", SENDONLY, RECVONLY);
    change(world, "b1", INACTIVE, INACTIVE);
    change(world, "a1", BOTH, INACTIVE);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_INACTIVE);
    change(world, "b1", BOTH, BOTH);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_BOTH);
    g_assert_cmpint(said_to(world, "b1"), ==, DM_MEDIA_BOTH);
    hang_up(world);
}

static void
test_local(void)
{
    World *world = call_that_is_up(CONFIG("", ", sip: {hold_mode: local}"));

    g_test_summary("SIG-16: a trunk that shall not hear of a hold does not; it hears the one that "
                   "holds, or silence; what else changes is passed on");
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, SENDONLY);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_RECV);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, INACTIVE);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_INACTIVE);
    assert_story(world, "a1:reanswer media:play(b,silence) a1:reanswer");
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, BOTH);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_BOTH);
    assert_story(world, "media:stop(b) a1:reanswer");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, SENDONLY);
    assert_story(world, "a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, RECVONLY);
    hang_up(world);
}

static void
test_silence(void)
{
    World *world = call_that_is_up(CONFIG("", ", media: {hold_audio: silence}"));

    g_test_summary("SIG-16: a trunk that is to hear silence is told sendonly even where the one "
                   "that holds is inactive, and hears it until the call is resumed");
    change(world, "a1", INACTIVE, RECVONLY);
    g_assert_cmpint(said_to(world, "b1"), ==, DM_MEDIA_SEND);
    g_assert_cmpint(said_to(world, "a1"), ==, DM_MEDIA_INACTIVE);
    assert_story(world, "b1:reoffer media:play(b,silence) a1:reanswer");
    change(world, "a1", BOTH, BOTH);
    assert_story(world, "b1:reoffer media:stop(b) a1:reanswer");
    hang_up(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/hold/forms", test_forms);
    g_test_add_func("/call/hold/fifty-rounds", test_fifty_rounds);
    g_test_add_func("/call/hold/both-hold", test_both_hold);
    g_test_add_func("/call/hold/local", test_local);
    g_test_add_func("/call/hold/silence", test_silence);
    return g_test_run();
}

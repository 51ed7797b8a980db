/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* What a held carrier hears (SIG-16). */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ALAW "m=audio 4000 RTP/AVP 8"
#define CONFIG(media)                                                                              \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "sounds: [{id: waltz, file: /nowhere/waltz.wav}]\n"                                            \
    "trunks:\n"                                                                                    \
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], media: {" media      \
    "}}\n"                                                                                         \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"                             \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [carrier]}}\n"

static World *
world_up(const char *config)
{
    World *world = world_new(1, config);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    return world;
}

/* The PBX offers @direction and the carrier answers @answer; the story of it. */
static char *
renegotiate(World *world, const char *direction, const char *answer)
{
    g_autofree char *offer = g_strdup_printf(ALAW "\r\na=%s", direction);
    g_autofree char *answered = g_strdup_printf(ALAW "\r\na=%s", answer);

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, offer);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, answered);
    return world_take_story(world);
}

static void
world_down(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static unsigned
count(const char *story, const char *what)
{
    unsigned n = 0;

    while ((story = strstr(story, what)) != NULL) {
        story++;
        n++;
    }
    return n;
}

static void
assert_plays(World *world,
             const char *direction,
             const char *answer,
             unsigned plays,
             unsigned stops)
{
    g_autofree char *story = renegotiate(world, direction, answer);

    g_assert_cmpuint(count(story, "media:play(b,silence)"), ==, plays);
    g_assert_cmpuint(count(story, "media:stop(b)"), ==, stops);
    g_assert_cmpuint(count(story, "media:play(a"), ==, 0);
}

static void
test_silence(void)
{
    World *world = world_up(CONFIG("hold_audio: silence"));

    g_test_summary("SIG-16: silence goes to the held carrier, once, and ends with the hold");
    assert_plays(world, "sendonly", "recvonly", 1, 0);
    assert_plays(world, "sendrecv", "sendrecv", 0, 1);
    assert_plays(world, "sendonly", "recvonly", 1, 0);
    world_down(world);
}

static void
test_inactive_is_offered_as_sendonly(void)
{
    World *world = world_up(CONFIG("hold_audio: gateway, hold_sound: waltz"));
    const FakeLeg *carrier = world_leg(world, "b1");

    g_test_summary("SIG-16: a PBX that holds with inactive sends nothing; the carrier is offered "
                   "sendonly and hears ours, and the PBX is answered inactive");
    assert_plays(world, "inactive", "recvonly", 1, 0);
    g_assert_cmpint(dm_sdp_media(carrier->said, 0)->peer_direction, ==, DM_MEDIA_SEND);
    g_assert_cmpint(dm_sdp_media(world_leg(world, "a1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_INACTIVE);
    assert_plays(world, "sendrecv", "sendrecv", 0, 1);
    world_down(world);
}

static void
test_the_peers_own(void)
{
    World *world = world_up(CONFIG("hold_audio: peer"));

    g_test_summary("SIG-16: the PBX's own music crosses; nothing of ours is played");
    assert_plays(world, "sendonly", "recvonly", 0, 0);
    assert_plays(world, "sendrecv", "sendrecv", 0, 0);
    assert_plays(world, "inactive", "inactive", 0, 0);
    g_assert_cmpint(dm_sdp_media(world_leg(world, "b1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_INACTIVE);
    world_down(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-hold-music/silence", test_silence);
    g_test_add_func("/call-hold-music/inactive", test_inactive_is_offered_as_sendonly);
    g_test_add_func("/call-hold-music/peer", test_the_peers_own);
    return g_test_run();
}

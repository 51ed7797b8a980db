/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/call-world.h"

/* Keys that signalling carries (DTMF-3): the PBX's trunk is told by INFO, the carrier's is not. */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ALAW "m=audio 4000 RTP/AVP 8"
static const char config[] =
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"
    "trunks:\n"
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}]}\n"
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {dtmf: info}}\n"
    "routes:\n"
    "  - {id: in, match: {source_trunks: [carrier]}, action: {trunks: [pbx]}}\n";

static World *
world_up(void)
{
    World *world = world_new(1, config);

    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    return world;
}

static void
world_down(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_pressed(void)
{
    World *world = world_up();
    g_autofree char *story = NULL;

    g_test_summary("A key of the carrier, heard in media, goes to the PBX by INFO; one of the PBX "
                   "does not go to the carrier so");
    media_does(world, DM_CALL_MEDIA_DIGIT, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    media_does(world, DM_CALL_MEDIA_DIGIT, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    story = world_take_story(world);
    g_assert_cmpstr(story, ==, "b1:press(5)");
    world_down(world);
}

static void
test_signalled(void)
{
    World *world = world_up();
    FakeLeg *pbx = world_leg(world, "b1");
    DmLegEvent event = {.type = DM_LEG_KEY, .key = '#', .key_ms = 250};
    g_autofree char *story = NULL;

    g_test_summary("A key by INFO goes to media, which knows whether it came there as well");
    pbx->leg.on_event(&pbx->leg, &event, pbx->leg.user_data);
    story = world_take_story(world);
    g_assert_cmpstr(story, ==, "media:press(b,#,250)");
    world_down(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-keys/pressed", test_pressed);
    g_test_add_func("/call-keys/signalled", test_signalled);
    return g_test_run();
}

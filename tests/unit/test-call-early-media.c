/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* What a caller is told and hears before the answer (SIG-10). */

#define ALAW "m=audio 4000 RTP/AVP 8"
#define CONFIG(mode)                                                                               \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {tones: fr}}\n"         \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], sip: {early_media: "   \
    "" mode "}}\n"                                                                                 \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static void
hang_up(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 487);
    world_run(world, 1000);
    world_free(world);
}

static World *
call_with(const char *config)
{
    World *world = world_new(1, config);

    world_call(world, "pbx", "+442079461111", ALAW);
    g_free(world_take_story(world));
    return world;
}

static void
test_ringing_after_media(void)
{
    static const struct {
        const char *config, *story;
    } cases[] = {
        {CONFIG("keep"), "a1:progress(183,sdp) a1:progress(183,sdp)"},
        {CONFIG("relay_180"), "a1:progress(183,sdp) a1:progress(180)"},
        {CONFIG("local_ringback_if_no_rtp"),
         "a1:progress(183,sdp) a1:progress(183,sdp) media:play(a,ringing)"},
    };

    g_test_summary("SIG-10: 180 after 183 with media, in each mode");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *world = call_with(cases[i].config);

        peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
        peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
        assert_story(world, cases[i].story);
        hang_up(world);
    }
}

static void
test_ringback(void)
{
    World *world = call_with(NULL);

    g_test_summary("SIG-10: ringing of our own fills a silent 180 with a description, once, and "
                   "ends with the answer; the record says that it was heard");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, ALAW);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    assert_story(world, "a1:progress(183,sdp) media:play(a,ringing) a1:progress(183,sdp)");
    media_does(world, DM_CALL_MEDIA_PLAY_STARTED, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    assert_story(world, "media:stop(a) a1:answer started");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpuint(json_array_size(json_object_get(json_object_get(world->last_record, "release"),
                                                     "evidence")),
                     ==,
                     1);
    world_free(world);
}

static void
test_phone_rings_by_itself(void)
{
    World *world = call_with(NULL);

    g_test_summary("SIG-10: a caller who was told no description rings by itself; 181, 182 and 199 "
                   "pass as they are");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 181, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 182, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 199, NULL);
    assert_story(world, "a1:progress(180) a1:progress(181) a1:progress(182) a1:progress(199)");
    hang_up(world);
}

static void
progress_barred(FakeLeg *leg, const char *media, bool is_barred)
{
    g_autoptr(DmSdp) sdp = world_sdp(media);
    const DmLegEvent event = {
        .type = DM_LEG_PROGRESS,
        .status = 183,
        .sdp = sdp,
        .is_barred = is_barred,
    };

    leg->leg.on_event(&leg->leg, &event, leg->leg.user_data);
}

static void
test_barred(void)
{
    World *world = call_with(NULL);

    g_test_summary("SIG-10: what P-Early-Media forbids is kept from the caller until it is allowed "
                   "(RFC 5009)");
    progress_barred(world_leg(world, "b1"), ALAW, true);
    assert_story(world, "a1:progress(180)");
    g_assert_cmpuint(world->n_updates, ==, 0);
    progress_barred(world_leg(world, "b1"), NULL, false);
    assert_story(world, "a1:progress(183,sdp)");
    g_assert_cmpuint(world->n_updates, ==, 1);
    hang_up(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/early-media/ringing-after-media", test_ringing_after_media);
    g_test_add_func("/call/early-media/ringback", test_ringback);
    g_test_add_func("/call/early-media/phone-rings-by-itself", test_phone_rings_by_itself);
    g_test_add_func("/call/early-media/barred", test_barred);
    return g_test_run();
}

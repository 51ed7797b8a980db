/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/call-world.h"

/* Calls whose INVITE has no offer (SIG-11), in every way an offer may come instead. */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ULAW "m=audio 4000 RTP/AVP 0"
#define ALAW "m=audio 4000 RTP/AVP 8"
#define G723 "m=audio 4000 RTP/AVP 4"
#define TRANSPARENT                                                                                \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"                             \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], sip: {delayed_offer: " \
    "transparent}}\n"                                                                              \
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
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_early_answer(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-8 SIG-11: a caller without offer who acknowledges provisional answers has "
                   "ours in 183, answers in PRACK, and hears early media");
    world->caller_pracks = true;
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    assert_story(world, "b1:dial(198.51.100.1) a1:progress(180) a1:progress(183,sdp)");
    g_assert_cmpuint(world->n_updates, ==, 0);
    peer_does(world_leg(world, "a1"), DM_LEG_EARLY_ANSWER, 0, ULAW);
    g_assert_cmpuint(world->n_updates, ==, 1);
    g_assert_false(world->spec.answered);
    g_assert_cmpint(world->spec.side[DM_SIDE_A].recv[0].codec, ==, DM_CODEC_PCMU);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].recv[0].codec, ==, DM_CODEC_PCMA);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    g_assert_true(world->spec.answered);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_story(world, "a1:answer started");
    hang_up(world);
}

static void
test_no_early_answer(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-11: a PRACK that does not answer our offer ends the call with the reason");
    world->caller_pracks = true;
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_EARLY_ANSWER, 0, NULL);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:progress(183,sdp) a1:close(488) b1:close(488) "
                 "media:close ended(gateway,488)");
    world_free(world);
}

static void
test_transparent(void)
{
    World *world = world_new(1, TRANSPARENT);

    g_test_summary("SIG-11: transparent: no offer to the called side either; its offer in the 200 "
                   "is the caller's, and the answer in ACK is the called side's");
    world_call(world, "pbx", "+442079461111", NULL);
    g_assert_null(world_leg(world, "b1")->said);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, BOTH);
    assert_story(world, "b1:dial(198.51.100.1) a1:progress(180) a1:answer started");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, ALAW);
    assert_story(world, "b1:reanswer");
    g_assert_cmpint(dm_sdp_media(world_leg(world, "b1")->said, 0)->formats[0].codec,
                    ==,
                    DM_CODEC_PCMA);
    g_assert_cmpuint(world->n_updates, ==, 1);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].recv[0].codec, ==, DM_CODEC_PCMA);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, BOTH);
    assert_story(world, "b1:reanswer");
    hang_up(world);
}

static void
test_transparent_early(void)
{
    World *world = world_new(1, TRANSPARENT);

    g_test_summary("SIG-11: an offer in a reliable 183 of the called side is answered in PRACK, "
                   "and offered to a caller who can answer it early");
    world->caller_pracks = true;
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_OFFERED, 183, BOTH);
    assert_story(world, "b1:dial(198.51.100.1) b1:reanswer a1:progress(183,sdp)");
    peer_does(world_leg(world, "a1"), DM_LEG_EARLY_ANSWER, 0, ALAW);
    g_assert_cmpuint(world->n_updates, ==, 1);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_story(world, "a1:answer started");
    g_assert_true(world->spec.answered);
    hang_up(world);
}

static void
test_transparent_early_without_prack(void)
{
    World *world = world_new(1, TRANSPARENT);

    g_test_summary("SIG-11: the same with a caller who acknowledges nothing before the answer: "
                   "rings, and has the offer in the 200");
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_OFFERED, 183, BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, BOTH);
    assert_story(world, "b1:dial(198.51.100.1) b1:reanswer a1:progress(180) a1:answer started");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, ULAW);
    assert_story(world, "");
    g_assert_cmpuint(world->n_updates, ==, 1);
    hang_up(world);
}

static void
test_unusable_offer(void)
{
    World *world = world_new(1, TRANSPARENT);

    g_test_summary("SIG-11: an offer that the trunk has no codec for is no call, early or not");
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, G723);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:close(488) b1:close(488) media:close "
                 "ended(gateway,488)");
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b2"), DM_LEG_OFFERED, 183, G723);
    world_run(world, 1000);
    assert_story(world,
                 "b2:dial(198.51.100.1) a2:close(488) b2:close(488) media:close "
                 "ended(gateway,488)");
    world_free(world);
}

static void
test_unusable_answer(void)
{
    World *world = world_new(1, TRANSPARENT);

    g_test_summary("SIG-11: no answer in ACK ends both legs");
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:answer started a1:close(488) b1:close(488) media:close "
                 "ended(gateway,488)");
    world_free(world);
}

static void
test_asked_by_the_called_side(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-11: a re-INVITE without offer of the called side gets one from us, and its "
                   "answer in ACK reaches the caller only when it changes something");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ACKED, 0, ALAW);
    assert_story(world, "b1:reanswer");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ACKED, 0, ALAW "\r\na=sendonly");
    assert_story(world, "b1:reanswer a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW "\r\na=recvonly");
    hang_up(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/delayed-offer/early-answer", test_early_answer);
    g_test_add_func("/call/delayed-offer/no-early-answer", test_no_early_answer);
    g_test_add_func("/call/delayed-offer/transparent", test_transparent);
    g_test_add_func("/call/delayed-offer/transparent-early", test_transparent_early);
    g_test_add_func("/call/delayed-offer/transparent-without-prack",
                    test_transparent_early_without_prack);
    g_test_add_func("/call/delayed-offer/unusable-offer", test_unusable_offer);
    g_test_add_func("/call/delayed-offer/unusable-answer", test_unusable_answer);
    g_test_add_func("/call/delayed-offer/asked-by-the-called-side", test_asked_by_the_called_side);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/call/fax.h"
#include "gateway/sdp/t38.h"
#include "tests/lib/call-world.h"

#define ALAW       "m=audio 4000 RTP/AVP 8"
#define BOTH       "m=audio 4000 RTP/AVP 0 8"
#define FAX        "m=audio 0 RTP/AVP 8\r\nm=image 4002 udptl t38\r\na=T38FaxUdpEC:t38UDPRedundancy"
#define FAX_ALONE  "m=image 4002 udptl t38"
#define NO_FAX     "m=audio 0 RTP/AVP 8\r\nm=image 0 udptl t38"
#define ALAW_AGAIN "m=audio 4000 RTP/AVP 8\r\nm=image 0 udptl t38"

/* A PBX and a carrier with these media settings. */
#define TRUNKS(pbx, carrier)                                                                       \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {fax: {" pbx "}}}\n"    \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], media: {fax: "         \
    "{" carrier "}}}\n"                                                                            \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static World *
world_with_call(const char *config)
{
    World *world = world_new(1, config);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    return world;
}

static json_t *
member(const World *world, const char *object, const char *name)
{
    return json_object_get(json_object_get(world->last_record, object), name);
}

/* The caller hangs up; @diagnosis as in the record, NULL: none. */
static void
finish(World *world, const char *diagnosis)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpstr(json_string_value(member(world, "release", "diagnosis")), ==, diagnosis);
    g_assert_true(json_is_true(member(world, "media", "fax")));
    world_free(world);
}

static bool
is_told_fax(World *world, const char *leg)
{
    return dm_t38_find(world_leg(world, leg)->said, NULL) != NULL;
}

static bool
is_fax(const World *world, DmSide side)
{
    return world->spec.side[side].is_t38;
}

static void
test_t38_crosses_and_ends(void)
{
    World *world = world_with_call(NULL);
    unsigned n_updates = world->n_updates;

    g_test_summary("FAX-5: the called side's re-INVITE to T.38 crosses, and so does that back; "
                   "media hear of both sides at once, so nothing is translated in between");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    assert_story(world, "a1:reoffer");
    g_assert_true(is_told_fax(world, "a1"));
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "b1:reanswer");
    g_assert_cmpuint(world->n_updates, ==, n_updates + 1);
    g_assert_true(is_told_fax(world, "b1"));
    g_assert_true(is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, ALAW_AGAIN);
    assert_story(world, "b1:reoffer");
    g_assert_false(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, ALAW_AGAIN);
    assert_story(world, "a1:reanswer");
    g_assert_false(is_fax(world, DM_SIDE_A) || is_fax(world, DM_SIDE_B));
    g_assert_cmpuint(world->n_updates, ==, n_updates + 2);
    finish(world, NULL);
}

static void
test_refresh_while_faxing(void)
{
    World *world = world_with_call(NULL);
    const DmSdp *before;

    g_test_summary("SIG-15: a refresh during T.38 is answered with T.38, here, from either side");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, FAX);
    g_free(world_take_story(world));
    before = world_leg(world, "b1")->said;
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    assert_story(world, "b1:reanswer");
    g_assert_true(world_leg(world, "b1")->said == before);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, FAX);
    assert_story(world, "a1:reanswer");
    g_assert_true(is_told_fax(world, "a1"));
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, NULL);
    assert_story(world, "a1:reanswer");
    g_assert_true(is_told_fax(world, "a1"));
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, FAX);
    g_assert_true(is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_refused_t38(gconstpointer data)
{
    uint16_t status = (uint16_t)GPOINTER_TO_UINT(data);
    World *world = world_with_call(NULL);

    g_test_summary("FAX-4: 488, 415 or 606 to T.38: G.711 left alone, and speech is offered later");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, status, NULL);
    assert_story(world, "a1:reoffer b1:refuse(488)");
    g_assert_true(world->spec.modem_tones);
    g_assert_false(is_fax(world, DM_SIDE_A) || is_fax(world, DM_SIDE_B));

    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, ALAW);
    assert_story(world, "b1:reanswer");
    g_assert_cmpuint(dm_sdp_media(world_leg(world, "b1")->said, 0)->port, !=, 0);
    finish(world, "t38_rejected");
}

static void
test_accepted_without_t38(void)
{
    World *world = world_with_call(NULL);

    g_test_summary("FAX-4: 200 with all lines refused leaves no media: speech is offered again");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, NO_FAX);
    assert_story(world, "a1:reoffer b1:refuse(488) a1:reoffer");
    g_assert_false(is_told_fax(world, "a1"));
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    assert_story(world, "");
    g_assert_true(world->spec.modem_tones);
    finish(world, "t38_rejected");
}

static void
test_trunk_without_t38(void)
{
    World *world = world_with_call(TRUNKS("mode: passthrough", "mode: t38"));

    g_test_summary("FAX-1: passthrough: T.38 is refused here, and the record says why");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    assert_story(world, "b1:refuse(488)");
    g_assert_true(world->spec.modem_tones);
    finish(world, "fax_g711_fallback");
}

static void
test_fax_beside_speech(void)
{
    World *world = world_with_call(TRUNKS("mode: passthrough", "mode: t38"));
    const DmSdp *said;

    g_test_summary("MED-11: fax beside speech, where there is no T.38: the speech is taken");
    peer_does(world_leg(world, "b1"),
              DM_LEG_REOFFER,
              0,
              "m=audio 4010 RTP/AVP 8\r\nm=image 4002 udptl t38");
    assert_story(world, "b1:reanswer");
    said = world_leg(world, "b1")->said;
    g_assert_cmpuint(dm_sdp_media(said, 0)->port, !=, 0);
    g_assert_cmpuint(dm_sdp_media(said, 1)->port, ==, 0);
    g_assert_false(world->spec.modem_tones);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_true(json_is_false(member(world, "media", "fax")));
    world_free(world);
}

static void
test_t38_on_one_side(void)
{
    World *world = world_with_call(TRUNKS("mode: gateway", "mode: t38"));

    g_test_summary("FAX-3: T.38 with the carrier, modem tones with the PBX, which hears nothing");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    assert_story(world, "b1:reanswer");
    g_assert_true(is_told_fax(world, "b1"));
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, "m=audio 4444 RTP/AVP 0 8");
    assert_story(world, "a1:reanswer a1:reanswer");
    g_assert_false(is_told_fax(world, "a1"));
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, NULL);
    g_assert_true(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_ACKED, 0, FAX);
    assert_story(world, "b1:reanswer");
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));

    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, ALAW_AGAIN);
    assert_story(world, "b1:reanswer");
    g_assert_false(is_fax(world, DM_SIDE_A) || is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_gateway_asks(void)
{
    World *world = world_with_call(TRUNKS("mode: gateway", "mode: t38, owner: gateway"));

    g_test_summary("FAX-1: a fax machine is heard, and the carrier asked for T.38");
    g_assert_cmpint(world->spec.fax_signs, ==, DM_FAX_SIGN_V21);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_story(world, "b1:reoffer");
    g_assert_true(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "");
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_gateway_asks_both(void)
{
    World *world = world_with_call(TRUNKS("owner: gateway", "owner: gateway"));

    g_test_summary("FAX-1: where both are ours to ask, both are, one after the other");
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "b1:reoffer a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "");
    g_assert_true(is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_gateway_is_refused(void)
{
    World *world = world_with_call(TRUNKS("mode: gateway", "owner: gateway"));

    g_test_summary(
        "FAX-4: our own re-INVITE is refused: the call goes on in G.711, and asks no more");
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    assert_story(world, "b1:reoffer");
    g_assert_true(world->spec.modem_tones);
    g_assert_cmpint(world->spec.fax_signs, ==, 0);
    finish(world, "t38_rejected");
}

/* --- heard while an offer is on its way --- */

#define ASKED TRUNKS("mode: gateway", "mode: t38, owner: gateway")
#define MULAW "m=audio 4000 RTP/AVP 0"

/* The PBX changes its codec; before the carrier has said anything to that, a fax machine is heard.
 */
static World *
world_with_sign_waiting(const char *config)
{
    World *world = world_with_call(config);

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, MULAW);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_A, DM_AUDIO_UNKNOWN);
    assert_story(world, "b1:reoffer");
    g_assert_false(is_told_fax(world, "b1"));
    return world;
}

static void
test_sign_waits_for_an_answer(void)
{
    World *world = world_with_sign_waiting(ASKED);

    g_test_summary("FAX-1: a machine heard while an offer crosses: T.38 is asked for after that");
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, MULAW);
    assert_story(world, "a1:reanswer b1:reoffer");
    g_assert_true(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "");
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_sign_waits_for_a_refusal(void)
{
    World *world = world_with_sign_waiting(ASKED);

    g_test_summary("FAX-1: the same when the offer that crossed was refused");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    assert_story(world, "a1:refuse(488) b1:reoffer");
    g_assert_true(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, FAX);
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    finish(world, NULL);
}

static void
test_sign_waits_for_ack(void)
{
    World *world = world_with_call(ASKED);

    g_test_summary("FAX-1: the same while an offer that a peer asked for waits for its answer");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, NULL);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    assert_story(world, "b1:reanswer");
    peer_does(world_leg(world, "b1"), DM_LEG_ACKED, 0, ALAW);
    assert_story(world, "b1:reoffer");
    g_assert_true(is_told_fax(world, "b1"));
    finish(world, NULL);
}

static void
test_sign_waits_for_the_first_ack(void)
{
    World *world = world_new(1, ASKED);

    g_test_summary("FAX-1: a machine that answers is heard before the caller's ACK has come");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    g_free(world_take_story(world));
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    assert_story(world, "");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_story(world, "b1:reoffer");
    g_assert_true(is_told_fax(world, "b1"));
    finish(world, NULL);
}

static void
test_sign_of_a_fax_that_changes_by_itself(void)
{
    World *world = world_with_call(TRUNKS("mode: t38", "mode: t38, owner: gateway"));

    g_test_summary("FAX-1: what was on its way was T.38 itself: nobody is asked again, not even "
                   "when the call is speech once more");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, FAX);
    assert_story(world, "a1:reoffer b1:reanswer");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, ALAW_AGAIN);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW_AGAIN);
    assert_story(world, "a1:reoffer b1:reanswer");
    finish(world, NULL);
}

static void
test_sign_of_a_fax_that_was_refused(void)
{
    World *world = world_with_call(TRUNKS("mode: t38", "mode: t38, owner: gateway"));

    g_test_summary("FAX-4: what was on its way was T.38, and refused: G.711 it is");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    assert_story(world, "a1:reoffer b1:refuse(488)");
    g_assert_true(world->spec.modem_tones);
    finish(world, "t38_rejected");
}

static void
test_sign_goes_with_the_call(void)
{
    World *world = world_with_sign_waiting(ASKED);

    g_test_summary("A call that ends while a sign waits asks nobody");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, MULAW);
    g_assert_false(is_told_fax(world, "b1"));
    world_run(world, 1000);
    g_assert_true(json_is_true(member(world, "media", "fax")));
    world_free(world);
}

static void
test_sign_that_waited_too_long(void)
{
    World *world = world_with_sign_waiting(ASKED);

    g_test_summary("After some seconds pages are on their way, which a change would tear: the fax "
                   "stays in G.711, left alone, and the record says why");
    world_run(world, 6000);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, MULAW);
    assert_story(world, "a1:reanswer");
    g_assert_true(world->spec.modem_tones);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpuint(json_array_size(member(world, "release", "evidence")), ==, 1);
    world_free(world);
}

/* Another call, up to where the carrier asks for T.38. */
static void
next_fax(World *world, const char *b)
{
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, b), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, b[1] == '2' ? "a2" : "a3"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    peer_does(world_leg(world, b), DM_LEG_REOFFER, 0, FAX);
}

static int64_t
refused_until(World *world)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(world->registry, "pbx", &status));
    return status.t38_until_wall_us;
}

static void
hang_up(World *world, const char *leg)
{
    peer_ends(world_leg(world, leg), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
}

static void
test_refusal_is_remembered(void)
{
    World *world = world_with_call(TRUNKS("forget_s: 3600", "mode: t38"));

    g_test_summary("FAX-4, interop 4: a trunk that has refused T.38 is not asked in the next call, "
                   "whose other side gets T.38 all the same; after the time it is asked again");
    g_assert_cmpint(refused_until(world), ==, 0);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    g_assert_cmpint(refused_until(world),
                    ==,
                    world->clock.wall_now_us + INT64_C(3600) * G_USEC_PER_SEC);
    hang_up(world, "a1");
    next_fax(world, "b2");
    assert_story(world, "b2:reanswer");
    g_assert_true(!is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    hang_up(world, "a2");
    g_assert_null(json_string_value(member(world, "release", "diagnosis")));
    world_run(world, 3600 * 1000);
    next_fax(world, "b3");
    assert_story(world, "a3:reoffer");
    peer_does(world_leg(world, "a3"), DM_LEG_REANSWER, 200, FAX);
    g_assert_true(is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    hang_up(world, "a3");
    world_free(world);
}

static void
test_refusal_is_forgotten(void)
{
    World *world = world_with_call(TRUNKS("mode: t38", "owner: gateway"));

    g_test_summary("What was learned is cleared by an operator, and by the trunk itself that asks "
                   "for T.38; until then nobody listens for a fax on its behalf");
    media_does(world, DM_CALL_MEDIA_FAX, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER_FAILED, 415, NULL);
    hang_up(world, "a1");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a2"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpint(world->spec.fax_signs, ==, 0);
    peer_does(world_leg(world, "b2"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a2"), DM_LEG_REANSWER, 200, FAX);
    g_assert_false(dm_trunk_refuses_t38(dm_pool_find(world->pool, "first")));
    dm_trunk_learn_t38(dm_pool_find(world->pool, "first"), true);
    dm_trunk_forget_learned(dm_pool_find(world->pool, "first"));
    g_assert_false(dm_trunk_refuses_t38(dm_pool_find(world->pool, "first")));
    hang_up(world, "a2");
    world_free(world);
}

static void
test_other_failures_teach_nothing(void)
{
    World *world = world_with_call(TRUNKS("forget_s: 0", "mode: t38"));

    g_test_summary(
        "Only 488, 415 and 606 say that there is no T.38; with forget_s 0 not even they");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    g_assert_cmpint(refused_until(world), ==, 0);
    hang_up(world, "a1");
    world_free(world);
    world = world_with_call(NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, FAX);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, 500, NULL);
    g_assert_cmpint(refused_until(world), ==, 0);
    hang_up(world, "a1");
    world_free(world);
}

static void
test_fax_from_the_first(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("MED-11: an INVITE with m=image alone is a call by T.38");
    world_call(world, "pbx", "+442079461111", FAX_ALONE);
    g_assert_true(is_told_fax(world, "b1"));
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, FAX_ALONE);
    g_assert_true(is_told_fax(world, "a1"));
    g_assert_true(is_fax(world, DM_SIDE_A) && is_fax(world, DM_SIDE_B));
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

/* --- Decisions --- */

static DmTrunkConfig
trunk_with(DmFaxTrunkMode mode, DmFaxOwner owner)
{
    DmTrunkConfig trunk = {0};

    trunk.media.fax.mode = mode;
    trunk.media.fax.owner = owner;
    return trunk;
}

static void
test_no_fax_in_the_clear(void)
{
    DmTrunkConfig secret = trunk_with(DM_FAX_MODE_T38, DM_FAX_OWNER_RELAY);
    DmTrunkConfig open = trunk_with(DM_FAX_MODE_T38, DM_FAX_OWNER_GATEWAY);
    DmSdpPolicy policy = {0};

    g_test_summary("SEC-2: T.38 has no encryption; a trunk that must have it gets modem tones");
    secret.media.srtp = DM_SRTP_REQUIRE;
    g_assert_cmpint(dm_fax_decide(&open, DM_SIDE_B, &secret, true), ==, DM_FAX_ALONE);
    g_assert_cmpint(dm_fax_decide(&secret, DM_SIDE_B, &open, true), ==, DM_FAX_REFUSE);
    g_assert_true(dm_fax_asks(&open, &secret));
    secret.media.fax.owner = DM_FAX_OWNER_GATEWAY;
    g_assert_false(dm_fax_asks(&secret, &open));
    dm_fax_set_policy(&secret, &policy);
    g_assert_false(policy.has_t38);
}

static void
test_who_may_start(void)
{
    static const struct {
        DmFaxTrunkMode from_mode;
        DmFaxOwner from_owner;
        DmSide side;
        DmFaxTrunkMode to_mode;
        DmFaxOwner to_owner;
        bool g711;
        DmFaxDecision want;
    } cases[] = {
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         DM_SIDE_A,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_ACROSS},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_ANSWERER,
         DM_SIDE_A,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_REFUSE},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_ANSWERER,
         DM_SIDE_B,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_ACROSS},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_NEVER,
         DM_SIDE_B,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_REFUSE},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_GATEWAY,
         DM_SIDE_B,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_NEVER,
         true,
         DM_FAX_ALONE},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         DM_SIDE_B,
         DM_FAX_MODE_GATEWAY,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_ALONE},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         DM_SIDE_B,
         DM_FAX_MODE_GATEWAY,
         DM_FAX_OWNER_RELAY,
         false,
         DM_FAX_REFUSE},
        {DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         DM_SIDE_B,
         DM_FAX_MODE_PASSTHROUGH,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_REFUSE},
        {DM_FAX_MODE_GATEWAY,
         DM_FAX_OWNER_RELAY,
         DM_SIDE_B,
         DM_FAX_MODE_T38,
         DM_FAX_OWNER_RELAY,
         true,
         DM_FAX_REFUSE},
    };

    g_test_summary("FAX-1: who changes a call to T.38, and what that means for the other side");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmTrunkConfig from = trunk_with(cases[i].from_mode, cases[i].from_owner);
        DmTrunkConfig to = trunk_with(cases[i].to_mode, cases[i].to_owner);

        g_test_message("case %zu", i);
        g_assert_cmpint(dm_fax_decide(&from, cases[i].side, &to, cases[i].g711), ==, cases[i].want);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-fax/refusal-is-remembered", test_refusal_is_remembered);
    g_test_add_func("/call-fax/refusal-is-forgotten", test_refusal_is_forgotten);
    g_test_add_func("/call-fax/other-failures", test_other_failures_teach_nothing);
    g_test_add_func("/call-fax/across", test_t38_crosses_and_ends);
    g_test_add_func("/call-fax/refresh", test_refresh_while_faxing);
    g_test_add_data_func("/call-fax/refused/488", GUINT_TO_POINTER(488), test_refused_t38);
    g_test_add_data_func("/call-fax/refused/415", GUINT_TO_POINTER(415), test_refused_t38);
    g_test_add_data_func("/call-fax/refused/606", GUINT_TO_POINTER(606), test_refused_t38);
    g_test_add_func("/call-fax/emptied", test_accepted_without_t38);
    g_test_add_func("/call-fax/passthrough", test_trunk_without_t38);
    g_test_add_func("/call-fax/beside", test_fax_beside_speech);
    g_test_add_func("/call-fax/one-side", test_t38_on_one_side);
    g_test_add_func("/call-fax/asks", test_gateway_asks);
    g_test_add_func("/call-fax/asks-both", test_gateway_asks_both);
    g_test_add_func("/call-fax/asks-refused", test_gateway_is_refused);
    g_test_add_func("/call-fax/sign-waits/answer", test_sign_waits_for_an_answer);
    g_test_add_func("/call-fax/sign-waits/refusal", test_sign_waits_for_a_refusal);
    g_test_add_func("/call-fax/sign-waits/ack", test_sign_waits_for_ack);
    g_test_add_func("/call-fax/sign-waits/first-ack", test_sign_waits_for_the_first_ack);
    g_test_add_func("/call-fax/sign-waits/t38-meanwhile",
                    test_sign_of_a_fax_that_changes_by_itself);
    g_test_add_func("/call-fax/sign-waits/refused-meanwhile", test_sign_of_a_fax_that_was_refused);
    g_test_add_func("/call-fax/sign-waits/end", test_sign_goes_with_the_call);
    g_test_add_func("/call-fax/sign-waits/too-long", test_sign_that_waited_too_long);
    g_test_add_func("/call-fax/first", test_fax_from_the_first);
    g_test_add_func("/call-fax/secret", test_no_fax_in_the_clear);
    g_test_add_func("/call-fax/decisions", test_who_may_start);
    return g_test_run();
}

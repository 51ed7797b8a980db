/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

#define ALAW    "m=audio 4000 RTP/AVP 8"
#define BOTH    "m=audio 4000 RTP/AVP 0 8"
#define ULAW    "m=audio 4000 RTP/AVP 0"
#define HELD    "m=audio 4000 RTP/AVP 0 8\r\na=sendonly"
#define HOLDING "m=audio 4000 RTP/AVP 8\r\na=recvonly"
#define MOVED   "m=audio 4000 RTP/AVP 0 8\r\nc=IN IP4 192.0.2.77"
#define SRTP    "m=audio 4000 RTP/SAVP 8"
#define FEW_CALLS                                                                                  \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], limits: {concurrent_out: "     \
    "1}}\n"                                                                                        \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], limits: "              \
    "{concurrent_out: 1}}\n"                                                                       \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"                    \
    "  - {id: in, match: {source_trunks: [first]}, action: {trunks: [pbx]}}\n"

#define SLOW_TRUNK                                                                                 \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"                             \
    "  - {id: slow, role: carrier, direction: outbound, sip: {timers: {setup_ms: 8000}}, "         \
    "endpoints: ["                                                                                 \
    "{uri: 'sip:198.51.100.1', priority: 1}, {uri: 'sip:198.51.100.2', priority: 2}, "             \
    "{uri: 'sip:198.51.100.3', priority: 3}]}\n"                                                   \
    "routes: [{id: out, match: {source_trunks: [pbx]}, action: {trunks: [slow]}}]\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static const char *
text_at(const json_t *json, const char *object, const char *member)
{
    return json_string_value(json_object_get(json_object_get(json, object), member));
}

static void
assert_diagnosis(const World *world, const char *want)
{
    g_assert_cmpstr(text_at(world->last_record, "release", "diagnosis"), ==, want);
}

static json_int_t
number_at(const json_t *json, const char *object, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(json, object), member));
}

/* A call that is up, PBX to the first carrier, A-law on both sides; the story starts after it. */
static DmCall *
call_that_is_up(World *world)
{
    DmCall *call = world_call(world, "pbx", "+442079461111", BOTH);

    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpstr(dm_call_state_name(call), ==, "up");
    g_free(world_take_story(world));
    return call;
}

static void
test_a_call(void)
{
    World *world = world_new(1, NULL);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    assert_story(world, "b1:dial(198.51.100.1) a1:progress(180) a1:answer started");
    g_assert_true(world->spec.answered);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    world_run(world, 60000);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "b1:close(0) media:close ended(a,200)");
    g_assert_cmpstr(json_string_value(json_object_get(world->last_record, "direction")),
                    ==,
                    "outbound");
    g_assert_cmpint(json_integer_value(json_object_get(world->last_record, "billable_ms")),
                    ==,
                    60000);
    g_assert_cmpint(number_at(world->last_record, "release", "q850"), ==, 16);
    world_free(world);
}

static void
test_early_media(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-10: 18x with a description is early media; the answer says the same again");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, ALAW);
    assert_story(world, "b1:dial(198.51.100.1) a1:progress(183,sdp) media:play(a,ringing)");
    g_assert_cmpuint(world->n_updates, ==, 1);
    g_assert_false(world->spec.answered);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, NULL);
    g_assert_true(world->spec.answered);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "media:stop(a) a1:answer started a1:close(0) media:close ended(b,200)");
    world_free(world);
}

static void
test_codec_changes_before_the_answer(void)
{
    World *world = world_new(1, NULL);
    DmSdp *told;

    g_test_summary(
        "RFC 6337, 3.1.1: what the caller was told in 183 stands; the other law is transcoded");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ULAW);
    told = dm_sdp_ref(world_leg(world, "a1")->said);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    g_assert_true(world_leg(world, "a1")->said == told);
    g_assert_cmpint(world->spec.side[DM_SIDE_A].recv[0].codec, ==, DM_CODEC_PCMU);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].recv[0].codec, ==, DM_CODEC_PCMA);
    dm_sdp_unref(told);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_next_target_unheard(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("503 and a transport error move the call on, unheard by the PBX");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 503);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_TRANSPORT, 503);
    peer_does(world_leg(world, "b3"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_story(
        world,
        "b1:dial(198.51.100.1) b2:dial(198.51.100.2) b3:dial(203.0.113.1) a1:answer started");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpuint(json_array_size(json_object_get(world->last_record, "attempts")), ==, 3);
    world_free(world);
}

static void
test_busy_is_final(void)
{
    World *world = world_new(1, NULL);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    world_run(world, 1000);
    assert_story(world, "b1:dial(198.51.100.1) a1:close(486) media:close ended(b,486)");
    g_assert_cmpint(number_at(world->last_record, "release", "q850"), ==, 17);
    world_free(world);
}

static void
test_everything_fails(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("RTE-7: of several failures the caller is told the one that says most");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_TRANSPORT, 503);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 500);
    peer_ends(world_leg(world, "b3"), DM_RELEASE_TIMEOUT, 408);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) b2:dial(198.51.100.2) b3:dial(203.0.113.1) a1:close(500) "
                 "media:close ended(b,500)");
    world_free(world);
}

static void
test_unreachable(void)
{
    World *world = world_new(1, NULL);
    const json_t *evidence;

    g_test_summary("a carrier that cannot be reached is named, with its address");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_TRANSPORT, 503);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_TRANSPORT, 503);
    peer_ends(world_leg(world, "b3"), DM_RELEASE_TRANSPORT, 503);
    world_run(world, 1000);
    assert_diagnosis(world, "trunk_unreachable");
    evidence = json_object_get(json_object_get(world->last_record, "release"), "evidence");
    g_assert_cmpuint(json_array_size(evidence), ==, 3);
    g_assert_cmpstr(json_string_value(json_array_get(evidence, 0)),
                    ==,
                    "Nothing can be sent to trunk 'first' at 198.51.100.1:5060");
    world_free(world);
}

static void
test_silent_target(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-22: 4 s without any answer move the call on; a 100 is an answer");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_leg(world, "b1")->close_delay_us = 32 * G_USEC_PER_SEC;
    world_run(world, 3900);
    assert_story(world, "b1:dial(198.51.100.1)");
    world_run(world, 200);
    assert_story(world, "b1:close(408) b2:dial(198.51.100.2)");
    peer_does(world_leg(world, "b2"), DM_LEG_PROGRESS, 100, NULL);
    world_run(world, 10000);
    assert_story(world, "");
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 5000);
    assert_story(world, "a1:answer started b2:close(0) media:close");
    world_run(world, 32000); /* the first attempt's CANCEL is still out */
    assert_story(world, "ended(a,200)");
    world_free(world);
}

static void
test_oversize(void)
{
    World *world = world_new(1, SLOW_TRUNK);

    g_test_summary("SIG-23: silence to an INVITE that left in pieces, and 513, are told apart from "
                   "other failures");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_leg(world, "b1")->facts.fragmented = true;
    world_run(world, 20000);
    assert_diagnosis(world, "oversize_udp");
    world_free(world);

    world = world_new(1, NULL);
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 513);
    world_run(world, 1000);
    assert_diagnosis(world, "oversize_udp");
    world_free(world);
}

static void
test_budget(void)
{
    World *world = world_new(1, SLOW_TRUNK);

    g_test_summary("RTE-5: 12 s after the call came in nothing more is tried");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_run(world, 20000);
    assert_story(
        world,
        "b1:dial(198.51.100.1) b1:close(408) b2:dial(198.51.100.2) b2:close(408) a1:close(408) "
        "media:close ended(gateway,408)");
    assert_diagnosis(world, "setup_timeout");
    world_free(world);
}

static void
test_disabled_trunk(void)
{
    World *world = world_new(1, SLOW_TRUNK);

    g_test_summary("A trunk that is for outgoing calls only may not bring any: 403");
    world_call(world, "slow", "+442079461111", BOTH);
    world_run(world, 1000);
    assert_story(world, "a1:close(403) ended(gateway,403)");
    world_free(world);
}

static void
test_private_address(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("A private address in a public peer's description is named when audio fails");
    world_call(world, "pbx", "+442079461111", BOTH);
    g_assert_true(dm_address_parse(&world_leg(world, "b1")->facts.remote, "8.8.8.8", 5060));
    peer_does(world_leg(world, "b1"),
              DM_LEG_ANSWERED,
              200,
              "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 10.0.0.5");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    world->final_verdict = DM_AUDIO_A_ONLY;
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_diagnosis(world, "sdp_private_addr");
    g_assert_cmpuint(json_array_size(json_object_get(json_object_get(world->last_record, "release"),
                                                     "evidence")),
                     ==,
                     2);
    world_free(world);
}

static void
count_call(DmCall *call, void *user_data)
{
    (*(unsigned *)user_data)++;
}

static void
test_table(void)
{
    World *world = world_new(1, NULL);
    DmCall *first = world_call(world, "pbx", "+442079461111", BOTH);
    DmCall *second = world_call(world, "pbx", "+442079461112", BOTH);
    unsigned n = 0;

    g_assert_cmpstr(dm_call_id(first), !=, dm_call_id(second));
    g_assert_true(dm_call_table_find(world->calls, dm_call_id(second)) == second);
    g_assert_null(dm_call_table_find(world->calls, "nobody"));
    dm_call_table_foreach(world->calls, count_call, &n);
    g_assert_cmpuint(n, ==, 2);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    world_run(world, 1000);
    g_assert_cmpuint(dm_call_table_count(world->calls), ==, 1);
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_CANCEL, 487);
    world_run(world, 1000);
    world_free(world);
}

static void
test_no_other_target_after_ringing(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("RTE-5: who has heard ringing does not hear it start again");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 503);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:progress(180) a1:close(503) media:close ended(b,503)");
    world_free(world);
}

static void
test_nobody_answers(void)
{
    World *world = world_new(1, NULL);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    world_run(world, 200000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:progress(180) a1:close(408) b1:close(408) media:close "
                 "ended(gateway,408)");
    assert_diagnosis(world, "ring_timeout");
    world_free(world);
}

static void
test_cancel(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-7: CANCEL ends the attempt; an answer that crosses it changes nothing");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_leg(world, "b1")->close_delay_us = 1000;
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 0);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:progress(180) b1:close(487) media:close ended(a,487)");
    world_free(world);
}

static void
test_missing_ack(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-6: no ACK ends both legs, put down to us, with the addresses as evidence");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 32000);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_ACK_TIMEOUT, 0);
    world_run(world, 1000);
    assert_story(
        world,
        "b1:dial(198.51.100.1) a1:answer started b1:close(408) media:close ended(gateway,408)");
    assert_diagnosis(world, "ack_timeout");
    world_free(world);
}

static void
test_no_ports(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("MED-10: without a media port the caller gets 503 before anything rings");
    world->no_ports = true;
    world_call(world, "pbx", "+442079461111", BOTH);
    world_run(world, 1000);
    assert_story(world, "a1:close(503) ended(gateway,503)");
    g_assert_cmpuint(world_leg(world, "a1")->why.retry_after_s, >, 0);
    assert_diagnosis(world, "media_ports");
    world_free(world);
}

static void
test_full_trunks(void)
{
    World *world = world_new(1, FEW_CALLS);

    g_test_summary("A full trunk is 503 with Retry-After to a PBX, busy to a carrier");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_call(world, "pbx", "+442079461111", BOTH);
    world_run(world, 1000);
    assert_story(world, "b1:dial(198.51.100.1) a2:close(503) media:close ended(gateway,503)");
    assert_diagnosis(world, "trunk_limit");
    g_assert_cmpuint(world_leg(world, "a2")->why.retry_after_s, >, 0);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 486);
    world_run(world, 1000);
    g_free(world_take_story(world));

    world_call(world, "first", "+442079460000", BOTH);
    world_call(world, "first", "+442079460000", BOTH);
    world_run(world, 1000);
    assert_story(world, "b2:dial(192.0.2.10) a4:close(486) media:close ended(gateway,486)");
    peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 486);
    world_run(world, 1000);
    world_free(world);
}

static void
test_hold_and_resume(void)
{
    World *world = world_new(1, NULL);
    const DmSdp *asked;

    g_test_summary(
        "SIG-16: hold crosses the gateway and is answered recvonly; resume restores both ways");
    call_that_is_up(world);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, HELD);
    assert_story(world, "b1:reoffer");
    asked = world_leg(world, "b1")->said;
    g_assert_cmpint(dm_sdp_media(asked, 0)->peer_direction, ==, DM_MEDIA_SEND);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, HOLDING);
    assert_story(world, "a1:reanswer");
    g_assert_cmpint(dm_sdp_media(world_leg(world, "a1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_RECV);
    g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, ==, DM_MEDIA_RECV);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_SEND);

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, ALAW);
    assert_story(world, "b1:reoffer a1:reanswer");
    g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, ==, DM_MEDIA_BOTH);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_BOTH);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_refresh_is_answered_here(void)
{
    World *world = world_new(1, NULL);
    const DmSdp *before;

    g_test_summary(
        "SIG-14: the same media again get the same answer, and the other leg hears nothing");
    call_that_is_up(world);
    before = world_leg(world, "a1")->said;
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, BOTH);
    assert_story(world, "a1:reanswer");
    g_assert_true(world_leg(world, "a1")->said == before);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, ALAW);
    assert_story(world, "b1:reanswer");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_new_address(void)
{
    World *world = world_new(1, NULL);
    char text[DM_ADDRESS_TEXT_MAX];

    g_test_summary("MED-4: a peer that moved is followed; the other side need not know");
    call_that_is_up(world);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, MOVED);
    assert_story(world, "a1:reanswer");
    g_assert_cmpstr(dm_address_text(&world->spec.side[DM_SIDE_A].remote_rtp, text),
                    ==,
                    "192.0.2.77:4000");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_callee_moves(void)
{
    World *world = world_new(1, NULL);
    char text[DM_ADDRESS_TEXT_MAX];

    call_that_is_up(world);
    peer_does(world_leg(world, "b1"),
              DM_LEG_REOFFER,
              0,
              "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.78");
    assert_story(world, "b1:reanswer");
    g_assert_cmpstr(dm_address_text(&world->spec.side[DM_SIDE_B].remote_rtp, text),
                    ==,
                    "192.0.2.78:4000");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_words_of_a_peer_do_not_cross(void)
{
    World *world = world_new(1, NULL);
    FakeLeg *callee;
    const DmRelease busy = {.cause = DM_RELEASE_REJECTED,
                            .status = 486,
                            .reason = "Busy at 10.1.2.3",
                            .warning = "10.1.2.3"};
    const DmLegEvent closed = {.type = DM_LEG_CLOSED, .release = &busy};

    g_test_summary("SIG-1: the reason phrase and warning of one side are ours toward the other");
    world_call(world, "pbx", "+442079461111", BOTH);
    callee = world_leg(world, "b1");
    callee->leg.on_event(&callee->leg, &closed, callee->leg.user_data);
    callee->n_closed++;
    g_assert_cmpstr(world_leg(world, "a1")->why.reason, ==, "Busy Here");
    g_assert_cmpstr(world_leg(world, "a1")->why.warning, ==, "");
    world_run(world, 1000);
    g_assert_cmpstr(text_at(world->last_record, "release", "reason"), ==, "Busy at 10.1.2.3");
    world_free(world);
}

static void
test_taken_elsewhere(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-7: a phone of a group that was called in vain learns why");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 200);
    g_assert_cmpstr(world_leg(world, "b1")->why.reason, ==, "Call completed elsewhere");
    g_assert_cmpuint(world_leg(world, "b1")->why.status, ==, 200);
    world_run(world, 1000);
    assert_story(world, "b1:dial(198.51.100.1) b1:close(200) media:close ended(a,487)");
    world_free(world);
}

static void
test_given_up_by_bye(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-7: a caller's BYE while it rings is a call given up, and not one that was "
                   "taken elsewhere");
    world_call(world, "pbx", "+442079461111", BOTH);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 200);
    g_assert_cmpuint(world_leg(world, "b1")->why.status, ==, 0);
    g_assert_cmpuint(world_leg(world, "b1")->why.q850, ==, 16);
    world_run(world, 1000);
    assert_story(world, "b1:dial(198.51.100.1) b1:close(0) media:close ended(a,487)");
    world_free(world);
}

static void
test_early_reoffer(void)
{
    World *world = world_new(1, NULL);

    g_test_summary(
        "SIG-12: an offer before the answer is answered here, from what the other side has "
        "said; before it has said anything it waits");
    world_call(world, "pbx", "+442079461111", BOTH);
    g_free(world_take_story(world));
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, MOVED);
    assert_story(world, "a1:refuse(491)");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    g_free(world_take_story(world));
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, MOVED);
    assert_story(world, "a1:reanswer");
    g_assert_false(world->spec.answered);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, ALAW);
    assert_story(world, "b1:reanswer");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, NULL);
    assert_story(world, "a1:answer started");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_glare(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-13: while one offer is out, another is refused with 491");
    call_that_is_up(world);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, HELD);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, HOLDING);
    assert_story(world, "b1:reoffer b1:refuse(491)");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER_FAILED, 491, NULL);
    assert_story(world, "a1:refuse(491)");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_refused_reoffer(void)
{
    World *world = world_new(1, NULL);
    unsigned n_updates;

    g_test_summary("SIG-14: 488 to a re-INVITE leaves everything as it was");
    call_that_is_up(world);
    n_updates = world->n_updates;
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, HELD);
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    assert_story(world, "b1:reoffer a1:refuse(488)");
    g_assert_cmpuint(world->n_updates, ==, n_updates);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, SRTP);
    assert_story(world, "a1:refuse(488)");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_reinvite_without_offer(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("SIG-11: asked for an offer we make one; an answer with hold in ACK reaches the "
                   "other side");
    call_that_is_up(world);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, NULL);
    assert_story(world, "a1:reanswer");
    g_assert_cmpint(dm_sdp_media(world_leg(world, "a1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, "m=audio 4000 RTP/AVP 8\r\na=sendonly");
    assert_story(world, "b1:reoffer");
    g_assert_cmpint(dm_sdp_media(world_leg(world, "b1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_SEND);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, HOLDING);
    assert_story(world, "");

    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, NULL);
    g_assert_cmpint(dm_sdp_media(world_leg(world, "a1")->said, 0)->peer_direction,
                    ==,
                    DM_MEDIA_BOTH);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, ALAW);
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, ALAW);
    assert_story(world, "a1:reanswer b1:reoffer");
    g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_BOTH);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_delayed_offer(void)
{
    World *world = world_new(1, NULL);

    g_test_summary(
        "SIG-11: an INVITE without offer: ours to the callee, ours in the 200, the answer in ACK");
    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, ALAW);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    assert_story(world, "b1:dial(198.51.100.1) a1:progress(180) a1:answer started");
    g_assert_cmpuint(world->n_updates, ==, 0);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, ULAW);
    g_assert_cmpuint(world->n_updates, ==, 1);
    g_assert_cmpint(world->spec.side[DM_SIDE_A].recv[0].codec, ==, DM_CODEC_PCMU);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(b,200)");
    world_free(world);
}

static void
test_delayed_offer_never_answered(void)
{
    World *world = world_new(1, NULL);

    world_call(world, "pbx", "+442079461111", NULL);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    world_run(world, 1000);
    assert_story(world,
                 "b1:dial(198.51.100.1) a1:answer started a1:close(488) b1:close(488) media:close "
                 "ended(gateway,488)");
    assert_diagnosis(world, "codec_mismatch");
    world_free(world);
}

static void
test_unusable_offers(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("MED-2: 488 with the reason, before anything is dialled");
    world_call(world, "pbx", "+442079461111", SRTP);
    world_run(world, 1000);
    assert_story(world, "a1:close(488) ended(gateway,488)");
    assert_diagnosis(world, "srtp_mismatch");
    world_call(world, "pbx", "+442079461111", "m=audio 4000 RTP/AVP 4");
    world_run(world, 1000);
    assert_story(world, "a2:close(488) ended(gateway,488)");
    assert_diagnosis(world, "codec_mismatch");
    g_assert_cmpstr(world_leg(world, "a2")->why.warning, !=, "");
    world_free(world);
}

static void
test_unusable_answer(void)
{
    World *world = world_new(1, NULL);

    world_call(world, "pbx", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, "m=audio 6000 RTP/AVP 18");
    world_run(world, 1000);
    assert_story(
        world,
        "b1:dial(198.51.100.1) a1:close(488) b1:close(488) media:close ended(gateway,488)");
    assert_diagnosis(world, "codec_mismatch");
    g_assert_cmpuint(world->n_started, ==, 0);
    world_free(world);
}

static void
test_silence(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("MED-6: silence ends both legs with Q.850 cause 102");
    call_that_is_up(world);
    media_does(world, DM_CALL_MEDIA_TIMEOUT, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) b1:close(0) media:close ended(gateway,200)");
    g_assert_cmpuint(world_leg(world, "b1")->why.q850, ==, 102);
    g_assert_cmpint(number_at(world->last_record, "release", "q850"), ==, 102);
    assert_diagnosis(world, "media_timeout");
    world_free(world);
}

static int64_t
n_unheard(World *world, const char *trunk, unsigned way)
{
    g_auto(DmTrunkStatus) status = {0};

    g_assert_true(dm_trunk_registry_status(world->registry, trunk, &status));
    return status.unheard[way];
}

static void
test_one_way_audio(void)
{
    World *world = world_new(1, NULL);

    g_test_summary("MED-5: the verdict of the check names the call, with evidence");
    call_that_is_up(world);
    media_does(world, DM_CALL_MEDIA_AUDIO_CHECK, DM_SIDE_A, DM_AUDIO_A_ONLY);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_diagnosis(world, "one_way_a");
    g_assert_cmpint(n_unheard(world, "pbx", 0), ==, 0);
    g_assert_cmpint(n_unheard(world, world_leg(world, "b1")->trunk, 1), ==, 1);
    g_assert_cmpuint(json_array_size(json_object_get(json_object_get(world->last_record, "release"),
                                                     "evidence")),
                     ==,
                     1);
    world_free(world);
}

/* An answered call that sounded as @report says, to its end. */
static World *
call_that_sounded(const DmMediaReport *report)
{
    World *world = world_new(1, NULL);

    world->final_report = *report;
    call_that_is_up(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    return world;
}

static void
test_bad_sound_is_named(void)
{
    DmMediaReport report = {0};
    DmMediaQuality *in = &report.side[DM_SIDE_B].in;
    World *world;

    g_test_summary("MED-8: beyond the thresholds of `quality` the record names what was bad, on "
                   "which side, with figures; below them it says nothing");

    *in = (DmMediaQuality){.n = 3, .mos_avg_x100 = 318, .mos_min_x100 = 205};
    in->loss_avg_x100 = 299;
    world = call_that_sounded(&report);
    assert_diagnosis(world, NULL);
    world_free(world);

    in->loss_avg_x100 = 423;
    world = call_that_sounded(&report);
    assert_diagnosis(world, "quality_loss");
    g_assert_cmpstr(
        json_string_value(json_array_get(
            json_object_get(json_object_get(world->last_record, "release"), "evidence"),
            0)),
        ==,
        "What came from side B: 4.23 % of packets lost, 0.00 % in the worst 5 s; jitter 0 ms on "
        "average; MOS 3.18, 2.05 at worst");
    world_free(world);

    in->loss_avg_x100 = 0;
    in->jitter_avg_us = 60000;
    world = call_that_sounded(&report);
    assert_diagnosis(world, "quality_jitter");
    world_free(world);

    report = (DmMediaReport){.side[DM_SIDE_A].rtt_us = 600000};
    world = call_that_sounded(&report);
    assert_diagnosis(world, "quality_delay");
    world_free(world);
}

static void
test_longest_duration(void)
{
    World *world = world_new(1, NULL);

    call_that_is_up(world);
    world_run(world, 14401 * 1000);
    assert_story(world, "a1:close(0) b1:close(0) media:close ended(gateway,200)");
    assert_diagnosis(world, "max_duration");
    world_free(world);
}

static void
test_nowhere_to_go(void)
{
    World *world = world_new(
        1,
        "trunks: [{id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}]\n"
        "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"
        "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n");

    g_test_summary("RTE-1: no route is 404");
    world_call(world, "pbx", "+442079461111", BOTH);
    world_run(world, 1000);
    assert_story(world, "a1:close(404) ended(gateway,404)");
    assert_diagnosis(world, "no_route");
    world_free(world);
}

static void
test_hang_up(void)
{
    const DmRelease why = {.cause = DM_RELEASE_LOCAL, .status = 480, .reason = "Operator"};
    World *world = world_new(1, NULL);
    DmCall *call = world_call(world, "pbx", "+442079461111", BOTH);

    dm_call_hang_up(call, &why);
    dm_call_hang_up(call, &why);
    world_run(world, 1000);
    assert_story(
        world,
        "b1:dial(198.51.100.1) a1:close(480) b1:close(480) media:close ended(gateway,480)");
    world_free(world);
}

static void
test_a_live_call_as_json(void)
{
    World *world = world_new(1, NULL);
    DmCall *call = call_that_is_up(world);
    json_t *json = dm_call_to_json(call);

    g_assert_cmpstr(json_string_value(json_object_get(json, "state")), ==, "up");
    g_assert_cmpstr(json_string_value(json_object_get(json, "id")), ==, dm_call_id(call));
    g_assert_cmpstr(text_at(json, "a", "trunk"), ==, "pbx");
    g_assert_cmpstr(text_at(json, "b", "trunk"), ==, "first");
    g_assert_true(dm_call_table_find(world->calls, dm_call_id(call)) == call);
    json_decref(json);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/a-call", test_a_call);
    g_test_add_func("/call/early-media", test_early_media);
    g_test_add_func("/call/codec-changes-before-the-answer", test_codec_changes_before_the_answer);
    g_test_add_func("/call/next-target-unheard", test_next_target_unheard);
    g_test_add_func("/call/busy-is-final", test_busy_is_final);
    g_test_add_func("/call/everything-fails", test_everything_fails);
    g_test_add_func("/call/unreachable", test_unreachable);
    g_test_add_func("/call/silent-target", test_silent_target);
    g_test_add_func("/call/no-other-target-after-ringing", test_no_other_target_after_ringing);
    g_test_add_func("/call/nobody-answers", test_nobody_answers);
    g_test_add_func("/call/cancel", test_cancel);
    g_test_add_func("/call/missing-ack", test_missing_ack);
    g_test_add_func("/call/no-ports", test_no_ports);
    g_test_add_func("/call/full-trunks", test_full_trunks);
    g_test_add_func("/call/hold-and-resume", test_hold_and_resume);
    g_test_add_func("/call/refresh-is-answered-here", test_refresh_is_answered_here);
    g_test_add_func("/call/new-address", test_new_address);
    g_test_add_func("/call/callee-moves", test_callee_moves);
    g_test_add_func("/call/words-of-a-peer-do-not-cross", test_words_of_a_peer_do_not_cross);
    g_test_add_func("/call/taken-elsewhere", test_taken_elsewhere);
    g_test_add_func("/call/given-up-by-bye", test_given_up_by_bye);
    g_test_add_func("/call/budget", test_budget);
    g_test_add_func("/call/oversize", test_oversize);
    g_test_add_func("/call/disabled-trunk", test_disabled_trunk);
    g_test_add_func("/call/private-address", test_private_address);
    g_test_add_func("/call/table", test_table);
    g_test_add_func("/call/glare", test_glare);
    g_test_add_func("/call/early-reoffer", test_early_reoffer);
    g_test_add_func("/call/refused-reoffer", test_refused_reoffer);
    g_test_add_func("/call/reinvite-without-offer", test_reinvite_without_offer);
    g_test_add_func("/call/delayed-offer", test_delayed_offer);
    g_test_add_func("/call/delayed-offer-never-answered", test_delayed_offer_never_answered);
    g_test_add_func("/call/unusable-offers", test_unusable_offers);
    g_test_add_func("/call/unusable-answer", test_unusable_answer);
    g_test_add_func("/call/silence", test_silence);
    g_test_add_func("/call/one-way-audio", test_one_way_audio);
    g_test_add_func("/call/bad-sound", test_bad_sound_is_named);
    g_test_add_func("/call/longest-duration", test_longest_duration);
    g_test_add_func("/call/nowhere-to-go", test_nowhere_to_go);
    g_test_add_func("/call/hang-up", test_hang_up);
    g_test_add_func("/call/as-json", test_a_live_call_as_json);
    return g_test_run();
}

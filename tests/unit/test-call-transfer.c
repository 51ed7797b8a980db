/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* Transfers, in the call core (SIG-18, SIG-19). */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ALAW "m=audio 4000 RTP/AVP 8"
#define HOLD "m=audio 4000 RTP/AVP 8\r\na=sendonly"
#define HELD "m=audio 4000 RTP/AVP 8\r\na=recvonly"

/* Two media pools: "inside" for the PBX, "outside" for carriers when @carrier_pool says so. @mode
 * is the PBX's. */
#define CONFIG(mode, carrier_pool)                                                                 \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools:\n"                                                                               \
    "  - {id: media, address: 127.0.0.1, port_min: 20000, port_max: 24999}\n"                      \
    "  - {id: other, address: 127.0.0.1, port_min: 25000, port_max: 29999}\n"                      \
    "trunks:\n"                                                                                    \
    "  - {id: carrier, role: carrier, media_pool: " carrier_pool                                   \
    ", endpoints: [{uri: 'sip:198.51.100.1'}]}\n"                                                  \
    "  - {id: pbx, role: pbx, media_pool: media, endpoints: [{uri: 'sip:192.0.2.10'}], "           \
    "sip: {refer_mode: " mode "}}\n"                                                               \
    "routes:\n"                                                                                    \
    "  - {id: in, match: {source_trunks: [carrier]}, action: {trunks: [pbx]}}\n"                   \
    "  - {id: out, match: {source_trunks: [pbx], called: '+44'}, action: {trunks: [carrier]}}\n"   \
    "  - {id: back, match: {source_trunks: [pbx], called: '+49'}, action: {trunks: [pbx]}}\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static void
forget_story(World *world)
{
    g_free(world_take_story(world));
}

/* A call from @trunk, answered: a1 and b1, or the next. */
static DmCall *
up(World *world, const char *trunk, const char *a, const char *b)
{
    DmCall *call = world_call(world, trunk, "+442079461111", BOTH);

    peer_does(world_leg(world, b), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, a), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpstr(dm_call_state_name(call), ==, "up");
    forget_story(world);
    return call;
}

/* @leg puts the other one on hold. */
static void
hold(World *world, const char *leg, const char *other)
{
    peer_does(world_leg(world, leg), DM_LEG_REOFFER, 0, HOLD);
    peer_does(world_leg(world, other), DM_LEG_REANSWER, 200, HELD);
    forget_story(world);
}

static void
assert_both_ways(World *world)
{
    g_assert_cmpint(world->spec.side[DM_SIDE_A].direction, ==, DM_MEDIA_BOTH);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].direction, ==, DM_MEDIA_BOTH);
}

static void
test_blind(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: the called PBX transfers a caller on hold: a call of its own, then the "
                   "two are joined and the PBX's leg ends");
    up(world, "carrier", "a1", "b1");
    hold(world, "b1", "a1");
    g_assert_cmpuint(peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL), ==, 202);
    assert_story(world, "b1:refer(202) call(+442079462222) b2:dial(198.51.100.1)");
    g_assert_cmpstr(world_leg(world, "b2")->referred_by, ==, "+442079461111");
    peer_does(world_leg(world, "b2"), DM_LEG_PROGRESS, 180, NULL);
    assert_story(world, "b1:notify(180)");
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 10);
    assert_story(world, "started b1:notify(200) b1:close(0) a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    g_assert_cmpuint(world->n_media_opened, ==, 1);
    world_run(world, 10000);
    g_assert_cmpuint(dm_call_table_count(world->calls), ==, 2);
    forget_story(world);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    assert_story(world, "a1:close(0) media:close");
    world_run(world, 1000);
    assert_story(world, "ended(b,200) ended(b,200)");
    world_free(world);
}

static void
test_blind_by_caller(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: the same by a PBX that called: the one it called is put through");
    up(world, "pbx", "a1", "b1");
    g_assert_cmpuint(peer_refers(world_leg(world, "a1"), "+442079462222", NULL, NULL), ==, 202);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 10);
    assert_story(world,
                 "a1:refer(202) call(+442079462222) b2:dial(198.51.100.1) started "
                 "a1:notify(200) a1:close(0)");
    assert_both_ways(world);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "b2:close(0) media:close ended(a,200) ended(b,200)");
    world_free(world);
}

static void
test_other_pool(void)
{
    World *world = world_new(1, CONFIG("local", "other"));

    g_test_summary("SIG-18 MED-3: a newcomer on another network gets ports there, and the one who "
                   "stays is told the new address");
    up(world, "carrier", "a1", "b1");
    g_assert_cmpuint(peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL), ==, 202);
    g_assert_cmpuint(world->n_media_opened, ==, 2);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    forget_story(world);
    world_run(world, 10);
    assert_story(world, "media:close b1:notify(200) b1:close(0) a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    world_run(world, 1000);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_early_key(void)
{
    World *world = world_new(1, CONFIG("local}, media: {dtmf: info", "other"));

    g_test_summary("SIG-18 DTMF-3: a newcomer that presses a key before it answers is heard by "
                   "nobody yet");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    g_assert_cmpuint(world->n_media_opened, ==, 2);
    forget_story(world);
    media_does(world, DM_CALL_MEDIA_DIGIT, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    assert_story(world, "");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 487);
    world_run(world, 1000);
    world_free(world);
}

static void
test_failed(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: who is not reached leaves the call as it was, back from hold, and a "
                   "diagnosis");
    up(world, "carrier", "a1", "b1");
    hold(world, "b1", "a1");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    forget_story(world);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 486);
    world_run(world, 100);
    assert_story(world, "b1:notify(486) b1:reoffer ended(b,486)");
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, ALAW);
    assert_story(world, "a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpstr(
        json_string_value(
            json_object_get(json_object_get(world->last_record, "release"), "diagnosis")),
        ==,
        "refer_failed_kept");
    world_free(world);
}

static void
test_no_route(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18 SEC-4: nobody is transferred to where the trunk that asks may not call");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+8821612345", NULL, NULL);
    world_run(world, 100);
    assert_story(world, "b1:refer(202) call(+8821612345) b1:notify(404) ended(gateway,404)");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_impatient(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: who hangs up before the outcome leaves the other waiting for it");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    forget_story(world);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, HOLD);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 100);
    assert_story(world, "a1:refuse(491) started");
    assert_both_ways(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "b2:close(0) media:close ended(a,200) ended(a,200)");

    up(world, "carrier", "a2", "b3");
    peer_refers(world_leg(world, "b3"), "+442079462222", NULL, NULL);
    peer_ends(world_leg(world, "b3"), DM_RELEASE_PEER_BYE, 0);
    forget_story(world);
    peer_ends(world_leg(world, "b4"), DM_RELEASE_REJECTED, 486);
    world_run(world, 1000);
    assert_story(world, "a2:close(0) media:close ended(b,486) ended(gateway,200)");
    world_free(world);
}

static void
test_given_up(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: the end of the call is the end of the one made for it");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    peer_does(world_leg(world, "b2"), DM_LEG_PROGRESS, 180, NULL);
    forget_story(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "b2:close(487) b1:close(0) media:close ended(a,487) ended(a,200)");
    world_free(world);
}

static void
test_attended(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: a PBX with a call each way joins the two others: both its legs end, "
                   "and who now sends elsewhere is told");
    up(world, "carrier", "a1", "b1");
    hold(world, "b1", "a1");
    up(world, "pbx", "a2", "b2");
    g_assert_cmpuint(
        peer_refers(world_leg(world, "b1"), "+442079461111", world_leg(world, "a2"), NULL),
        ==,
        202);
    assert_story(world,
                 "b1:refer(202) a2:close(0) media:close b1:notify(200) b1:close(0) b2:reoffer");
    peer_does(world_leg(world, "b2"), DM_LEG_REANSWER, 200, ALAW);
    assert_story(world, "a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    world_run(world, 5000);
    forget_story(world);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(b,200) ended(b,200)");
    world_free(world);
}

/* Two calls of the PBX, a2 of which has just put b2 on hold; b1 asks for that one. */
static World *
asked_amid_an_offer(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    up(world, "carrier", "a1", "b1");
    up(world, "pbx", "a2", "b2");
    peer_does(world_leg(world, "a2"), DM_LEG_REOFFER, 0, HOLD);
    assert_story(world, "b2:reoffer");
    g_assert_cmpuint(
        peer_refers(world_leg(world, "b1"), "+442079461111", world_leg(world, "a2"), NULL),
        ==,
        202);
    world_run(world, 1000);
    assert_story(world, "b1:refer(202)");
    return world;
}

static void
test_attended_amid_an_offer(void)
{
    World *world = asked_amid_an_offer();

    g_test_summary("SIG-18: who is in the middle of an offer comes over as soon as that is over");
    peer_does(world_leg(world, "b2"), DM_LEG_REANSWER, 200, HELD);
    assert_story(world, "a2:reanswer");
    world_run(world, 200);
    assert_story(world, "a2:close(0) media:close b1:notify(200) b1:close(0) b2:reoffer");
    peer_does(world_leg(world, "b2"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    world_run(world, 100);
    forget_story(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "b2:close(0) media:close ended(a,200) ended(a,200)");
    world_free(world);
}

static void
test_wait_for_ever(void)
{
    World *world = asked_amid_an_offer();

    g_test_summary("SIG-18: an offer that nobody answers costs the transfer, and neither call");
    world_run(world, 33000);
    assert_story(world, "b1:notify(491)");
    g_assert_cmpuint(world->n_not_transferred, ==, 1);
    peer_does(world_leg(world, "b2"), DM_LEG_REOFFER_FAILED, 408, NULL);
    assert_story(world, "a2:refuse(488)");
    g_assert_cmpuint(dm_call_table_count(world->calls), ==, 2);
    world_finish(world, 4 * 3600 * 1000 + 60000);
    world_free(world);
}

static void
test_wait_alone(void)
{
    World *world = asked_amid_an_offer();

    g_test_summary("SIG-18: a phone that hangs up both its calls meanwhile has put them through");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 200);
    assert_story(world, "");
    peer_does(world_leg(world, "b2"), DM_LEG_REANSWER, 200, HELD);
    world_run(world, 200);
    assert_story(world, "media:close b2:reoffer");
    peer_does(world_leg(world, "b2"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    world_run(world, 100);
    forget_story(world);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(b,200) ended(b,200)");
    world_free(world);
}

static void
test_wait_in_vain(void)
{
    World *world = asked_amid_an_offer();

    g_test_summary("SIG-18: who was to come hangs up: the transfer fails, the call goes on; and "
                   "when the call ends, nobody is left waiting");
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a2:close(0) media:close ended(b,200) b1:notify(481)");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);

    world = asked_amid_an_offer();
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world,
                 "b2:close(0) media:close b1:close(0) media:close ended(gateway,200) ended(a,200)");
    world_free(world);
}

static void
test_wait_for_ack(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: a PBX that transfers before the caller's ACK is there waits for it");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    forget_story(world);
    g_assert_cmpuint(peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL), ==, 202);
    world_run(world, 1000);
    assert_story(world, "b1:refer(202)");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    world_run(world, 200);
    assert_story(world, "call(+442079462222) b2:dial(198.51.100.1)");
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 10);
    assert_story(world, "started b1:notify(200) b1:close(0)");
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_attended_elsewhere(void)
{
    World *world = world_new(1, CONFIG("local", "media"));
    const char *replaces = "x@pbx;to-tag=1;from-tag=2";

    g_test_summary("SIG-18: a dialog between others is named to the trunk that named it");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+491234", NULL, replaces);
    g_assert_cmpstr(world_leg(world, "b2")->replaces, ==, replaces);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    world_run(world, 100);
    assert_both_ways(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);

    up(world, "carrier", "a2", "b3");
    peer_refers(world_leg(world, "b3"), "+442079462222", NULL, replaces);
    world_run(world, 100);
    g_assert_cmpuint(world_leg(world, "b3")->notified, ==, 404);
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_chain(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-18: transferred again and again; each record ends when its party goes; "
                   "loops end");
    up(world, "carrier", "a1", "b1");
    for (unsigned i = 1; i <= 10; i++) {
        g_autofree char *from = g_strdup_printf("b%u", i);
        g_autofree char *to = g_strdup_printf("b%u", i + 1);

        g_assert_cmpuint(peer_refers(world_leg(world, from), "+491234", NULL, NULL), ==, 202);
        peer_does(world_leg(world, to), DM_LEG_ANSWERED, 200, ALAW);
        world_run(world, 100);
        g_assert_cmpuint(dm_call_table_count(world->calls), ==, 2);
    }
    g_assert_cmpuint(peer_refers(world_leg(world, "b11"), "+491234", NULL, NULL), ==, 603);
    g_assert_cmpuint(world->n_ended, ==, 9);
    forget_story(world);
    peer_ends(world_leg(world, "b11"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(b,200) ended(b,200)");
    world_free(world);
}

static void
test_relayed(void)
{
    World *world = world_new(1, CONFIG("relay", "media"));

    g_test_summary("SIG-18: relayed: the other side is asked, what it tells is told, and both hang "
                   "up by themselves");
    up(world, "carrier", "a1", "b1");
    g_assert_cmpuint(peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL), ==, 202);
    peer_reports(world_leg(world, "a1"), 180);
    peer_reports(world_leg(world, "a1"), 200);
    assert_story(world, "b1:refer(202) a1:asked(+442079462222) b1:notify(180) b1:notify(200)");
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    forget_story(world);

    up(world, "carrier", "a2", "b2");
    peer_refers(world_leg(world, "b2"), "+442079462222", NULL, NULL);
    peer_reports(world_leg(world, "a2"), 603);
    assert_story(world, "b2:refer(202) a2:asked(+442079462222) b2:notify(603)");
    peer_refers(world_leg(world, "b2"), "+442079462222", NULL, NULL);
    forget_story(world);
    world_run(world, 181000);
    assert_story(world, "b2:notify(408)");
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_relay_where_it_can_be(void)
{
    World *world = world_new(1, CONFIG("relay", "media"));

    g_test_summary("SIG-18: relay to who does not take REFER, or may not call there, is made here");
    up(world, "carrier", "a1", "b1");
    world_leg(world, "a1")->facts.takes_refer = false;
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    assert_story(world, "b1:refer(202) call(+442079462222) b2:dial(198.51.100.1)");
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    forget_story(world);
    up(world, "carrier", "a2", "b3");
    peer_refers(world_leg(world, "b3"), "+491234", NULL, NULL);
    assert_story(world, "b3:refer(202) call(+491234) b4:dial(192.0.2.10)");
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_relay_attended(void)
{
    World *world = world_new(1, CONFIG("relay", "media"));

    g_test_summary("SIG-18: relayed with Replaces: the other side's own dialogs are named to it");
    up(world, "carrier", "a1", "b1");
    up(world, "pbx", "a2", "b2");
    peer_refers(world_leg(world, "b1"), "", world_leg(world, "a2"), NULL);
    g_assert_true(world_leg(world, "a1")->asked_replaced == &world_leg(world, "b2")->leg);
    peer_reports(world_leg(world, "a1"), 200);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    peer_ends(world_leg(world, "b2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_replaces(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-19: INVITE with Replaces takes a party's place, which gets BYE");
    up(world, "carrier", "a1", "b1");
    hold(world, "b1", "a1");
    world_call_instead(world, "pbx", world_leg(world, "b1"), BOTH);
    assert_story(world, "started a2:answer b1:close(0)");
    peer_does(world_leg(world, "a2"), DM_LEG_ACKED, 0, NULL);
    assert_story(world, "a1:reoffer");
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    assert_both_ways(world);
    world_run(world, 1000);
    forget_story(world);
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(a,200) ended(b,200)");
    world_free(world);
}

static void
test_replaces_without_offer(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-19: the same without an offer: the answer is in ACK");
    up(world, "pbx", "a1", "b1");
    world_call_instead(world, "pbx", world_leg(world, "a1"), NULL);
    peer_does(world_leg(world, "a2"), DM_LEG_ACKED, 0, ALAW);
    assert_both_ways(world);
    world_run(world, 1000);
    peer_ends(world_leg(world, "b1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_picked_up(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-19: another phone of the PBX answers what rings: the caller is answered, "
                   "the phone that rang is told so");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    forget_story(world);
    world_call_instead(world, "pbx", world_leg(world, "b1"), ALAW);
    assert_story(world, "started a2:answer b1:close(200) a1:answer started");
    g_assert_cmpstr(world_leg(world, "b1")->why.reason, ==, "Call completed elsewhere");
    peer_does(world_leg(world, "a2"), DM_LEG_ACKED, 0, NULL);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_story(world, "");
    assert_both_ways(world);
    g_assert_cmpuint(world->n_media_opened, ==, 1);
    world_run(world, 10000);
    hold(world, "a2", "a1");
    peer_ends(world_leg(world, "a2"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    assert_story(world, "a1:close(0) media:close ended(a,200) ended(b,200)");
    world_free(world);
}

static void
test_pickup_refused(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-19: who picks up without a codec, or without an offer, gets 488, and it "
                   "rings on; who rings for a transfer is picked up by nobody: 481");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    world_call_instead(world, "pbx", world_leg(world, "b1"), "m=video 4000 RTP/AVP 31");
    g_assert_cmpuint(world_leg(world, "a2")->why.status, ==, 488);
    world_call_instead(world, "pbx", world_leg(world, "b1"), NULL);
    g_assert_cmpuint(world_leg(world, "a3")->why.status, ==, 488);
    world_run(world, 1000);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    assert_both_ways(world);
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    peer_does(world_leg(world, "b2"), DM_LEG_PROGRESS, 180, NULL);
    world_call_instead(world, "carrier", world_leg(world, "b2"), BOTH);
    g_assert_cmpuint(world_leg(world, "a4")->why.status, ==, 481);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_replaces_refused(void)
{
    World *world = world_new(1, CONFIG("local", "media"));

    g_test_summary("SIG-19: no place of a party that neither rings nor is up, and no codec that "
                   "fits");
    world_call(world, "carrier", "+442079461111", BOTH);
    world_call_instead(world, "pbx", world_leg(world, "b1"), BOTH);
    g_assert_cmpuint(world_leg(world, "a2")->why.status, ==, 481);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 487);
    world_run(world, 1000);
    forget_story(world);
    up(world, "carrier", "a3", "b2");
    world_call_instead(world, "pbx", world_leg(world, "b2"), "m=video 4000 RTP/AVP 31");
    g_assert_cmpuint(world_leg(world, "a4")->why.status, ==, 488);
    peer_ends(world_leg(world, "a3"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

/* The carrier is not told of a hold, and hears silence of ours; or the PBX's calls are recorded; or
 * nothing is transcoded. */
#define WITH(carrier, pbx)                                                                         \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 24999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], " carrier "}\n"      \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"                             \
    "  - {id: third, role: carrier, endpoints: [{uri: 'sip:198.51.100.9'}], " pbx "}\n"            \
    "routes:\n"                                                                                    \
    "  - {id: in, match: {source_trunks: [carrier]}, action: {trunks: [pbx]}}\n"                   \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [third]}}\n"

static void
test_picked_up_with_media(void)
{
    World *world = world_new(1, WITH("media: {transcode: false}", "enabled: true"));

    g_test_summary("SIG-19: the same after early media, where who picks up has another codec: the "
                   "caller is offered it");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, "m=audio 4000 RTP/AVP 0");
    forget_story(world);
    world_call_instead(world, "pbx", world_leg(world, "b1"), ALAW);
    assert_story(world, "started a2:answer b1:close(200) a1:answer a1:reoffer started");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, ALAW);
    peer_does(world_leg(world, "a2"), DM_LEG_ACKED, 0, NULL);
    assert_both_ways(world);
    world_run(world, 1000);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_silence_ends(void)
{
    World *world =
        world_new(1,
                  WITH("sip: {hold_mode: local}, media: {hold_audio: silence}", "enabled: true"));

    g_test_summary("SIG-16 SIG-18: who was on hold without being told hears silence until the "
                   "newcomer is there, and not after");
    up(world, "carrier", "a1", "b1");
    peer_does(world_leg(world, "b1"), DM_LEG_REOFFER, 0, HOLD);
    assert_story(world, "media:play(a,silence) b1:reanswer");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    forget_story(world);
    world_run(world, 10);
    assert_story(world, "media:stop(a) b1:notify(200) b1:close(0)");
    assert_both_ways(world);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_recorded_from_then_on(void)
{
    World *world = world_new(1, WITH("enabled: true", "media: {record: true}"));
    g_autofree char *story = NULL;

    g_test_summary("A newcomer whose trunk is to be recorded is, from the transfer on");
    up(world, "carrier", "a1", "b1");
    peer_refers(world_leg(world, "b1"), "+442079462222", NULL, NULL);
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    forget_story(world);
    world_run(world, 10);
    story = world_take_story(world);
    g_assert_true(g_str_has_prefix(story, "media:record("));
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_operator(void)
{
    World *world = world_new(1, CONFIG("local", "media"));
    const DmRelease why = {.cause = DM_RELEASE_LOCAL, .status = 503, .reason = "operator"};
    DmCall *call;

    g_test_summary("A call that went on in another one ends with it when an operator ends either");
    call = up(world, "carrier", "a1", "b1");
    up(world, "pbx", "a2", "b2");
    peer_refers(world_leg(world, "a2"), "", world_leg(world, "b1"), NULL);
    world_run(world, 1000);
    forget_story(world);
    dm_call_hang_up(call, &why);
    world_run(world, 1000);
    g_assert_cmpuint(dm_call_table_count(world->calls), ==, 0);
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-transfer/blind", test_blind);
    g_test_add_func("/call-transfer/blind-by-caller", test_blind_by_caller);
    g_test_add_func("/call-transfer/other-pool", test_other_pool);
    g_test_add_func("/call-transfer/early-key", test_early_key);
    g_test_add_func("/call-transfer/failed", test_failed);
    g_test_add_func("/call-transfer/no-route", test_no_route);
    g_test_add_func("/call-transfer/impatient", test_impatient);
    g_test_add_func("/call-transfer/given-up", test_given_up);
    g_test_add_func("/call-transfer/attended", test_attended);
    g_test_add_func("/call-transfer/attended-amid-an-offer", test_attended_amid_an_offer);
    g_test_add_func("/call-transfer/wait-for-ever", test_wait_for_ever);
    g_test_add_func("/call-transfer/wait-alone", test_wait_alone);
    g_test_add_func("/call-transfer/wait-in-vain", test_wait_in_vain);
    g_test_add_func("/call-transfer/wait-for-ack", test_wait_for_ack);
    g_test_add_func("/call-transfer/attended-elsewhere", test_attended_elsewhere);
    g_test_add_func("/call-transfer/chain", test_chain);
    g_test_add_func("/call-transfer/relayed", test_relayed);
    g_test_add_func("/call-transfer/relay-where-it-can-be", test_relay_where_it_can_be);
    g_test_add_func("/call-transfer/relay-attended", test_relay_attended);
    g_test_add_func("/call-transfer/replaces", test_replaces);
    g_test_add_func("/call-transfer/replaces-without-offer", test_replaces_without_offer);
    g_test_add_func("/call-transfer/picked-up", test_picked_up);
    g_test_add_func("/call-transfer/picked-up-with-media", test_picked_up_with_media);
    g_test_add_func("/call-transfer/pickup-refused", test_pickup_refused);
    g_test_add_func("/call-transfer/replaces-refused", test_replaces_refused);
    g_test_add_func("/call-transfer/silence-ends", test_silence_ends);
    g_test_add_func("/call-transfer/recorded-from-then-on", test_recorded_from_then_on);
    g_test_add_func("/call-transfer/operator", test_operator);
    return g_test_run();
}

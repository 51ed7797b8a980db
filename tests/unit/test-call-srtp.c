/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* SRTP policies of trunks, in whole calls (SEC-2, RTE-6). */

#define KEY   "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0"
#define PLAIN "m=audio 4000 RTP/AVP 0 8"
#define KEYED PLAIN "\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY
#define SRTP  "m=audio 4000 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" KEY

#define CONFIG(pbx, carrier)                                                                       \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {srtp: " pbx "}}\n"     \
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], media: "             \
    "{srtp: " carrier "}, limits: {concurrent_total: 1}}\n"                                        \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [carrier]}}\n"

static const char *
proto_of(const DmSdp *sdp)
{
    return dm_sdp_media(sdp, 0)->proto_name;
}

static const json_t *
media_of(const World *world, const char *side)
{
    return json_object_get(json_object_get(world->last_record, "media"), side);
}

static const char *
release_member(const World *world, const char *name)
{
    return json_string_value(json_object_get(json_object_get(world->last_record, "release"), name));
}

static void
hang_up(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
}

static void
assert_no_key_in(const json_t *record)
{
    g_autofree char *text = json_dumps(record, 0);

    g_assert_null(strstr(text, KEY));
    g_assert_null(strstr(text, "inline"));
}

static void
test_protected_on_both_sides(void)
{
    World *world = world_new(1, CONFIG("require", "offer"));
    const DmMediaSideSpec *a = &world->spec.side[DM_SIDE_A];
    const DmMediaSideSpec *b = &world->spec.side[DM_SIDE_B];
    DmSrtpKey key;

    g_test_summary("SEC-2: each leg has keys of its own; hold keeps them; the record has the suite "
                   "and that the key could be read on the way, and never the key");

    world_call(world, "pbx", "+442079461111", SRTP);
    g_assert_cmpstr(proto_of(world_leg(world, "b1")->said), ==, "RTP/SAVP");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, SRTP);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpuint(a->srtp_in.suite, ==, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    g_assert_cmpmem(a->srtp_in.bytes, 16, "0123456789abcdef", 16);
    g_assert_true(memcmp(&a->srtp_out, &b->srtp_out, sizeof a->srtp_out) != 0);

    key = a->srtp_out;
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER, 0, SRTP "\r\na=sendonly");
    peer_does(world_leg(world, "b1"), DM_LEG_REANSWER, 200, SRTP "\r\na=recvonly");
    g_assert_cmpint(a->direction, ==, DM_MEDIA_RECV);
    g_assert_cmpmem(&a->srtp_out, sizeof key, &key, sizeof key);
    hang_up(world);
    g_assert_cmpstr(json_string_value(json_object_get(media_of(world, "a"), "srtp_suite")),
                    ==,
                    "AES_CM_128_HMAC_SHA1_80");
    g_assert_true(json_is_true(json_object_get(media_of(world, "a"), "srtp_key_exposed")));
    assert_no_key_in(world->last_record);
    world_free(world);
}

static void
test_one_side_protected(void)
{
    World *world = world_new(1, CONFIG("off", "require"));

    g_test_summary("SEC-2: RTP from the PBX, SRTP to the carrier");

    world_call(world, "pbx", "+442079461111", PLAIN);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, SRTP);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpuint(world->spec.side[DM_SIDE_A].srtp_in.suite, ==, DM_SRTP_NONE);
    g_assert_cmpuint(world->spec.side[DM_SIDE_B].srtp_in.suite,
                     ==,
                     DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    hang_up(world);
    g_assert_true(json_is_null(json_object_get(media_of(world, "a"), "srtp_suite")));
    g_assert_true(json_is_false(json_object_get(media_of(world, "a"), "srtp_key_exposed")));
    world_free(world);
}

static void
test_callers_that_are_refused(void)
{
    static const struct {
        const char *config, *offer, *warning;
    } cases[] = {
        {CONFIG("require", "off"), PLAIN, "SRTP is required"},
        {CONFIG("off", "off"), SRTP, "SRTP is not available"},
    };

    g_test_summary("SEC-2: required and plain, or unwanted and protected: 488 with a Warning, and "
                   "srtp_mismatch");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *world = world_new(1, cases[i].config);

        world_call(world, "pbx", "+442079461111", cases[i].offer);
        g_assert_cmpuint(world_leg(world, "a1")->why.status, ==, 488);
        g_assert_cmpstr(world_leg(world, "a1")->why.warning, ==, cases[i].warning);
        world_run(world, 1000);
        g_assert_cmpstr(release_member(world, "diagnosis"), ==, "srtp_mismatch");
        world_free(world);
    }
}

static void
test_offered_once_more(void)
{
    static const struct {
        const char *policy, *first, *second, *answer;
        bool is_protected;
        uint16_t status;
    } cases[] = {
        {"offer", "RTP/SAVP", "RTP/AVP", PLAIN, false, 488},
        {"offer", "RTP/SAVP", "RTP/AVP", PLAIN, false, 606},
        {"opportunistic", "RTP/AVP", "RTP/SAVP", SRTP, true, 488},
    };

    g_test_summary("RTE-6, SEC-2: where the trunk refuses the media, the other kind once, at the "
                   "same address and in the place it had on the trunk");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *config = g_strdup_printf(CONFIG("off", "%s"), cases[i].policy);
        World *world = world_new(1, config);

        world_call(world, "pbx", "+442079461111", PLAIN);
        g_assert_cmpstr(proto_of(world_leg(world, "b1")->said), ==, cases[i].first);
        peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, cases[i].status);
        g_assert_cmpstr(proto_of(world_leg(world, "b2")->said), ==, cases[i].second);
        peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, cases[i].answer);
        peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
        g_assert_true((world->spec.side[DM_SIDE_B].srtp_in.suite != DM_SRTP_NONE) ==
                      cases[i].is_protected);
        hang_up(world);
        g_assert_cmpuint(json_array_size(json_object_get(world->last_record, "attempts")), ==, 2);
        world_free(world);
    }
}

static void
test_not_offered_again(void)
{
    static const struct {
        const char *policy;
        unsigned n_attempts;
        const char *diagnosis;
    } cases[] = {
        {"require", 1, "srtp_mismatch"},
        {"off", 1, NULL},
        {"offer", 2, NULL},
    };

    g_test_summary("SEC-2: no downgrade where it is required, and no third attempt");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *config = g_strdup_printf(CONFIG("off", "%s"), cases[i].policy);
        World *world = world_new(1, config);

        world_call(world, "pbx", "+442079461111", PLAIN);
        peer_ends(world_leg(world, "b1"), DM_RELEASE_REJECTED, 488);
        if (cases[i].n_attempts == 2) {
            peer_ends(world_leg(world, "b2"), DM_RELEASE_REJECTED, 488);
        }
        world_run(world, 1000);
        g_assert_cmpuint(json_array_size(json_object_get(world->last_record, "attempts")),
                         ==,
                         cases[i].n_attempts);
        g_assert_cmpuint(world_leg(world, "a1")->why.status, ==, 488);
        if (cases[i].n_attempts == 1) {
            g_assert_cmpstr(release_member(world, "diagnosis"), ==, cases[i].diagnosis);
        }
        world_free(world);
    }
}

static void
test_a_plain_answer_to_what_is_required(void)
{
    World *world = world_new(1, CONFIG("off", "require"));

    g_test_summary("SEC-2: an answer without SRTP ends the call where SRTP is required");

    world_call(world, "pbx", "+442079461111", PLAIN);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, PLAIN);
    world_run(world, 1000);
    g_assert_cmpuint(world_leg(world, "a1")->why.status, ==, 488);
    g_assert_cmpstr(release_member(world, "diagnosis"), ==, "srtp_mismatch");
    world_free(world);
}

static void
test_opportunistic(void)
{
    World *world = world_new(1, CONFIG("opportunistic", "opportunistic"));

    g_test_summary("RFC 8643: keys in offers of plain RTP, both ways; taken up, or passed over");

    world_call(world, "pbx", "+442079461111", KEYED);
    g_assert_cmpstr(proto_of(world_leg(world, "b1")->said), ==, "RTP/AVP");
    g_assert_cmpuint(dm_sdp_media(world_leg(world, "b1")->said, 0)->n_crypto, >, 0);
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, PLAIN);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpuint(world->spec.side[DM_SIDE_A].srtp_in.suite,
                     ==,
                     DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    g_assert_cmpuint(world->spec.side[DM_SIDE_B].srtp_in.suite, ==, DM_SRTP_NONE);
    hang_up(world);
    world_free(world);
}

#define DTLS                                                                                       \
    "m=audio 4000 UDP/TLS/RTP/SAVP 0 8\r\na=setup:active\r\na=fingerprint:sha-256 "                \
    "01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:"   \
    "01:01"

static void
test_a_handshake_that_fails(void)
{
    World *world = world_new(1, CONFIG("off", "require, srtp_keying: dtls"));
    g_autofree char *record = NULL;

    g_test_summary("SEC-2: the trunk is offered a fingerprint; when its own turns out to be wrong "
                   "both legs end, and the record says why and on which side");

    world_call(world, "pbx", "+442079461111", PLAIN);
    g_assert_cmpstr(proto_of(world_leg(world, "b1")->said), ==, "UDP/TLS/RTP/SAVP");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, DTLS);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].dtls.role, ==, DM_DTLS_PASSIVE);
    g_assert_cmpint(world->spec.side[DM_SIDE_A].dtls.role, ==, DM_DTLS_OFF);
    media_does(world, DM_CALL_MEDIA_KEYS_FAILED, DM_SIDE_B, DM_AUDIO_UNKNOWN);
    world_run(world, 1000);
    g_assert_cmpuint(world_leg(world, "a1")->why.q850, ==, 88);
    g_assert_cmpuint(world_leg(world, "b1")->why.q850, ==, 88);
    g_assert_cmpstr(release_member(world, "diagnosis"), ==, "dtls_failed");
    g_assert_cmpstr(json_string_value(json_object_get(media_of(world, "b"), "srtp_keying")),
                    ==,
                    "dtls");
    record = json_dumps(world->last_record, 0);
    g_assert_nonnull(strstr(record, "side B failed: the peer's certificate is not the one it "));
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-srtp/both", test_protected_on_both_sides);
    g_test_add_func("/call-srtp/one", test_one_side_protected);
    g_test_add_func("/call-srtp/refused", test_callers_that_are_refused);
    g_test_add_func("/call-srtp/once-more", test_offered_once_more);
    g_test_add_func("/call-srtp/not-again", test_not_offered_again);
    g_test_add_func("/call-srtp/plain-answer", test_a_plain_answer_to_what_is_required);
    g_test_add_func("/call-srtp/opportunistic", test_opportunistic);
    g_test_add_func("/call-srtp/dtls", test_a_handshake_that_fails);
    return g_test_run();
}

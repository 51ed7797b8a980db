/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/call-world.h"

/* Several phones of the called side describe their media (SIG-9). */

#define PHONE(n) "m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.10" #n
#define CONFIG(policy)                                                                             \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"                             \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], sip: {forking: "       \
    "" policy "}}\n"                                                                               \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"

static void
rings(FakeLeg *leg, const char *media, bool is_rival)
{
    g_autoptr(DmSdp) sdp = world_sdp(media);
    const DmLegEvent event = {
        .type = DM_LEG_PROGRESS,
        .status = 183,
        .sdp = sdp,
        .is_rival = is_rival,
    };

    leg->leg.on_event(&leg->leg, &event, leg->leg.user_data);
}

static World *
three_ring(const char *config)
{
    World *world = world_new(1, config);

    world_call(world, "pbx", "+442079461111", "m=audio 4000 RTP/AVP 8");
    rings(world_leg(world, "b1"), PHONE(1), false);
    rings(world_leg(world, "b1"), PHONE(2), true);
    rings(world_leg(world, "b1"), PHONE(3), true);
    rings(world_leg(world, "b1"), PHONE(3), true);
    return world;
}

static void
assert_heard(World *world, const char *address)
{
    char text[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_text(&world->spec.side[DM_SIDE_B].remote_rtp, text), ==, address);
    g_assert_cmpuint(world->spec.side[DM_SIDE_B].n_rivals, ==, 2);
}

static void
latch(World *world, const char *host)
{
    g_assert_true(dm_address_parse(&world->latched, host, 4000));
    media_does(world, DM_CALL_MEDIA_LATCHED, DM_SIDE_B, DM_AUDIO_UNKNOWN);
}

static void
hang_up(World *world)
{
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_losers_are_not_heard(void)
{
    World *world = three_ring(CONFIG("first"));

    g_test_summary("SIG-9: media know of every phone that rings, and after the answer hear none "
                   "but the one that answered; the caller has one answer");
    assert_heard(world, "192.0.2.101:4000");
    g_assert_false(world->spec.side[DM_SIDE_B].hear_rivals);
    latch(world, "192.0.2.102");
    assert_heard(world, "192.0.2.101:4000");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, PHONE(3));
    assert_heard(world, "192.0.2.103:4000");
    hang_up(world);
}

static void
test_first_to_be_heard(void)
{
    World *world = three_ring(CONFIG("rtp_active"));

    g_test_summary("SIG-9: rtp_active: the first phone whose audio comes is the one that is heard");
    assert_heard(world, "192.0.2.101:4000");
    g_assert_true(world->spec.side[DM_SIDE_B].hear_rivals);
    latch(world, "192.0.2.102");
    assert_heard(world, "192.0.2.102:4000");
    latch(world, "192.0.2.200");
    assert_heard(world, "192.0.2.102:4000");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, PHONE(3));
    assert_heard(world, "192.0.2.103:4000");
    g_assert_false(world->spec.side[DM_SIDE_B].hear_rivals);
    hang_up(world);
}

/* With the certificate whose fingerprint is all of @byte. */
static char *
handshaker(unsigned n, const char *byte)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text,
                           "m=audio 4000 UDP/TLS/RTP/SAVP 8\r\nc=IN IP4 192.0.2.10%u\r\n"
                           "a=setup:active\r\na=fingerprint:sha-256 %s",
                           n,
                           byte);
    for (unsigned i = 1; i < 32; i++) {
        g_string_append_printf(text, ":%s", byte);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void
test_each_has_its_certificate(void)
{
    World *world = world_new(1, CONFIG("first}, media: {srtp: require, srtp_keying: dtls"));
    const DmDtlsSpec *dtls = &world->spec.side[DM_SIDE_B].dtls;
    g_autofree char *first = handshaker(1, "0A");
    g_autofree char *second = handshaker(2, "0b");
    uint32_t association;

    g_test_summary(
        "SEC-2 SIG-9, RFC 5763, 6.5: of two phones that ring each has a certificate; the "
        "one that answers begins a handshake of its own");
    world_call(world, "pbx", "+442079461111", "m=audio 4000 RTP/AVP 8");
    rings(world_leg(world, "b1"), first, false);
    rings(world_leg(world, "b1"), second, true);
    g_assert_cmphex(dtls->peer.bytes[0], ==, 0x0a);
    g_assert_cmpint(dtls->role, ==, DM_DTLS_PASSIVE);
    association = dtls->association;
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, second);
    g_assert_cmphex(dtls->peer.bytes[31], ==, 0x0b);
    g_assert_cmpuint(dtls->association, !=, association);
    hang_up(world);
}

static void
test_many(void)
{
    World *world = three_ring(CONFIG("first"));

    g_test_summary("SIG-9: eight phones are known, and no more");
    for (unsigned i = 10; i < 30; i++) {
        g_autofree char *media =
            g_strdup_printf("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.0.2.2%u", i);

        rings(world_leg(world, "b1"), media, true);
    }
    g_assert_cmpuint(world->spec.side[DM_SIDE_B].n_rivals, ==, DM_MEDIA_MAX_RIVALS);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_CANCEL, 487);
    world_run(world, 1000);
    world_free(world);
}

#define NO_TRANSCODING                                                                             \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {transcode: false}}\n"  \
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}]}\n"                     \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first]}}\n"

static World *
another_codec(void)
{
    World *world = world_new(1, NO_TRANSCODING);
    g_autofree char *story = NULL;

    world_call(world, "pbx", "+442079461111", "m=audio 4000 RTP/AVP 0 8");
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 183, "m=audio 4000 RTP/AVP 0");
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, "m=audio 4000 RTP/AVP 8");
    story = world_take_story(world);
    g_assert_cmpstr(story,
                    ==,
                    "b1:dial(198.51.100.1) a1:progress(183,sdp) a1:answer a1:reoffer started");
    return world;
}

static void
test_another_codec(void)
{
    World *world = another_codec();

    g_test_summary("SIG-9: where nothing may be transcoded, a caller that was told another codec "
                   "early is offered the one of the answer");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_does(world_leg(world, "a1"), DM_LEG_REANSWER, 200, "m=audio 4000 RTP/AVP 8");
    g_assert_cmpint(world->spec.side[DM_SIDE_A].recv[0].codec, ==, DM_CODEC_PCMA);
    g_assert_cmpint(world->spec.side[DM_SIDE_B].recv[0].codec, ==, DM_CODEC_PCMA);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    world_free(world);
}

static void
test_another_codec_refused(void)
{
    World *world = another_codec();
    g_autofree char *story = NULL;

    g_test_summary("SIG-9: a caller that does not take it has no call with two codecs");
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_does(world_leg(world, "a1"), DM_LEG_REOFFER_FAILED, 488, NULL);
    world_run(world, 1000);
    story = world_take_story(world);
    g_assert_cmpstr(story, ==, "a1:close(488) b1:close(488) media:close ended(gateway,488)");
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call/forks/losers-are-not-heard", test_losers_are_not_heard);
    g_test_add_func("/call/forks/first-to-be-heard", test_first_to_be_heard);
    g_test_add_func("/call/forks/certificates", test_each_has_its_certificate);
    g_test_add_func("/call/forks/many", test_many);
    g_test_add_func("/call/forks/another-codec", test_another_codec);
    g_test_add_func("/call/forks/another-codec-refused", test_another_codec_refused);
    return g_test_run();
}

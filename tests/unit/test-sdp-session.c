/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/sdp/session.h"

#define HEAD "v=0\r\no=- 42 7 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static DmSdp *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    DmSdp *sdp = dm_sdp_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return sdp;
}

static void
refuse(const char *text, DmErrorCode code)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(dm_sdp_parse(text, strlen(text), &error));
    g_assert_error(error, DM_ERROR, (int)code);
}

static void
assert_address(const DmAddress *address, const char *text)
{
    char buffer[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_text(address, buffer), ==, text);
}

static void
test_ordinary_offer(void)
{
    g_autoptr(DmSdp) sdp =
        parse(HEAD "m=audio 4000 RTP/AVP 8 0 18 101\r\na=rtpmap:101 telephone-event/8000\r\n"
                   "a=fmtp:101 0-16\r\na=fmtp:18 annexb=no\r\na=ptime:20\r\na=maxptime:60\r\n");
    const DmSdpMedia *media = dm_sdp_media(sdp, 0);

    g_assert_cmpuint(dm_sdp_n_media(sdp), ==, 1);
    g_assert_cmpuint(dm_sdp_version(sdp), ==, 7);
    g_assert_cmpint(media->type, ==, DM_SDP_AUDIO);
    g_assert_cmpint(media->proto, ==, DM_SDP_RTP_AVP);
    assert_address(&media->connection, "192.0.2.1:4000");
    g_assert_cmpuint(media->n_formats, ==, 4);
    g_assert_cmpint(media->formats[0].codec, ==, DM_CODEC_PCMA);
    g_assert_cmpint(media->formats[2].codec, ==, DM_CODEC_G729);
    g_assert_cmpstr(media->formats[2].fmtp, ==, "annexb=no");
    g_assert_cmpint(media->formats[3].codec, ==, DM_CODEC_TELEPHONE_EVENT);
    g_assert_cmpuint(media->formats[3].pt, ==, 101);
    g_assert_cmpint(media->peer_direction, ==, DM_MEDIA_BOTH);
    g_assert_cmpuint(media->ptime_ms, ==, 20);
    g_assert_cmpuint(media->maxptime_ms, ==, 60);
}

static void
test_media_level_wins(void)
{
    g_autoptr(DmSdp) sdp = parse(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\n"
        "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::9\r\na=inactive\r\na=rtcp:4321\r\n"
        "m=audio 4002 RTP/AVP 0\r\na=rtcp:53 IN IP4 192.0.2.7\r\na=rtcp-mux\r\n");

    assert_address(&dm_sdp_media(sdp, 0)->connection, "[2001:db8::9]:4000");
    assert_address(&dm_sdp_media(sdp, 0)->rtcp, "[2001:db8::9]:4321");
    g_assert_cmpint(dm_sdp_media(sdp, 0)->peer_direction, ==, DM_MEDIA_INACTIVE);
    g_assert_cmpint(dm_sdp_media(sdp, 1)->peer_direction, ==, DM_MEDIA_SEND);
    assert_address(&dm_sdp_media(sdp, 1)->connection, "192.0.2.1:4002");
    assert_address(&dm_sdp_media(sdp, 1)->rtcp, "192.0.2.7:53");
    g_assert_true(dm_sdp_media(sdp, 1)->rtcp_mux);
    g_assert_false(dm_sdp_media(sdp, 0)->rtcp_mux);
}

static void
test_every_kind_of_line(void)
{
    g_autoptr(DmSdp) sdp =
        parse(HEAD "m=image 5000 udptl t38\r\na=T38FaxVersion:0\r\n"
                   "m=video 5002 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 VP8/90000\r\n"
                   "m=audio 5004 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n"
                   "m=audio 5006 RTP/AVPF 111\r\na=rtpmap:111 OPUS/48000/2\r\n"
                   "m=application 0 TCP/BFCP *\r\n");

    g_assert_cmpuint(dm_sdp_n_media(sdp), ==, 5);
    g_assert_cmpint(dm_sdp_media(sdp, 0)->type, ==, DM_SDP_IMAGE);
    g_assert_cmpint(dm_sdp_media(sdp, 0)->proto, ==, DM_SDP_UDPTL);
    g_assert_cmpstr(dm_sdp_media(sdp, 0)->format_text, ==, "t38");
    g_assert_cmpstr(dm_sdp_media(sdp, 1)->proto_name, ==, "UDP/TLS/RTP/SAVPF");
    g_assert_cmpstr(dm_sdp_media(sdp, 1)->format_text, ==, "96 97");
    g_assert_cmpint(dm_sdp_media(sdp, 2)->proto, ==, DM_SDP_RTP_SAVP);
    g_assert_cmpint(dm_sdp_media(sdp, 3)->proto, ==, DM_SDP_RTP_AVPF);
    g_assert_cmpint(dm_sdp_media(sdp, 3)->formats[0].codec, ==, DM_CODEC_OPUS);
    g_assert_cmpstr(dm_sdp_media(sdp, 4)->type_name, ==, "application");
    g_assert_cmpuint(dm_sdp_media(sdp, 4)->port, ==, 0);
}

static void
test_sloppy_peers(void)
{
    g_autoptr(DmSdp) sdp = NULL;

    g_test_summary(
        "Bare LF, no o=, s= or t=, odd lines, an rtpmap without a clock: none of it stops a call");
    sdp = parse(
        "v=0\nc=IN IP4 192.0.2.1\nb=AS:x\nk=?\nz=!\nwhat is this\na=rtpmap\n"
        "m=audio 4000 RTP/AVP 0 97 98\na=rtpmap:0 PCMU\na=rtpmap:98 speex/16000\na=ptime:twenty\n");
    g_assert_cmpuint(dm_sdp_version(sdp), ==, 0);
    g_assert_cmpuint(dm_sdp_media(sdp, 0)->n_formats, ==, 2); /* 97 has no name */
    g_assert_cmpint(dm_sdp_media(sdp, 0)->formats[0].codec, ==, DM_CODEC_PCMU);
    g_assert_cmpint(dm_sdp_media(sdp, 0)->formats[1].codec, ==, DM_CODEC_OTHER);
    g_assert_cmpuint(dm_sdp_media(sdp, 0)->formats[1].clock_hz, ==, 16000);
    g_assert_cmpuint(dm_sdp_media(sdp, 0)->ptime_ms, ==, 0);
}

static void
test_unusable_addresses(void)
{
    g_autoptr(DmSdp) hold = parse("v=0\r\nc=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\n");
    g_autoptr(DmSdp) name = parse("v=0\r\nc=IN IP4 pbx.example.com\r\nm=audio 4000 RTP/AVP 0\r\n");
    g_autoptr(DmSdp) group = parse("v=0\r\nc=IN IP4 224.2.1.1/127\r\nm=audio 4000 RTP/AVP 0\r\n");

    g_test_summary(
        "SIG-16: c=0.0.0.0 is noted as hold; a name is never resolved, a group never sent to");
    g_assert_true(dm_sdp_media(hold, 0)->connection_any);
    g_assert_false(dm_address_is_set(&dm_sdp_media(hold, 0)->connection));
    g_assert_false(dm_address_is_set(&dm_sdp_media(name, 0)->connection));
    g_assert_false(dm_sdp_media(name, 0)->connection_any);
    g_assert_false(dm_address_is_set(&dm_sdp_media(group, 0)->connection));
}

static void
test_not_a_description(void)
{
    refuse("", DM_ERROR_PARSE);
    refuse("hello", DM_ERROR_PARSE);
    refuse(HEAD "m=audio\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=audio 4000 RTP/AVP 200\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=audio 70000 RTP/AVP 0\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=audio x RTP/AVP 0\r\n", DM_ERROR_PARSE);
}

static void
test_lines_that_hurt_the_parser(void)
{
    g_test_summary(
        "One odd character in an m= line made Sofia-SIP 1.12.11 loop until memory was gone");
    refuse(HEAD "m=audio 4000 RT?/AVP 0\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=image 4000 udptl ?\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=aud~o 4000 RTP/AVP 0\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=audio 40~0 RTP/AVP 0\r\n", DM_ERROR_PARSE);
    refuse(HEAD "m=audio 4000 RTP/AVP 0x\r\n", DM_ERROR_PARSE);
}

static void
test_limits(void)
{
    g_autoptr(GString) lines = g_string_new(HEAD);
    g_autoptr(GString) formats = g_string_new(HEAD "m=audio 4000 RTP/AVP");
    g_autofree char *big = g_strnfill(70000, 'x');
    g_autoptr(DmSdp) sdp = NULL;

    for (int i = 0; i <= DM_SDP_MAX_MEDIA; i++) {
        g_string_append(lines, "m=audio 4000 RTP/AVP 0\r\n");
    }
    refuse(lines->str, DM_ERROR_LIMIT);
    refuse(big, DM_ERROR_LIMIT);
    refuse(HEAD "m=averyveryverylongtype 4000 RTP/AVP 0\r\n", DM_ERROR_LIMIT);
    for (int i = 96; i < 128; i++) {
        g_string_append_printf(formats, " %d", i);
    }
    g_string_append(formats, " 0 8");
    for (int i = 96; i < 128; i++) {
        g_string_append_printf(formats, "\r\na=rtpmap:%d x%d/8000", i, i);
    }
    sdp = parse(formats->str);
    g_assert_cmpuint(dm_sdp_media(sdp, 0)->n_formats, ==, DM_SDP_MAX_FORMATS);
}

static DmSdp *
one_audio_line(uint16_t port)
{
    DmSdpMedia media = {
        .type = DM_SDP_AUDIO,
        .type_name = "audio",
        .proto_name = "RTP/AVP",
        .port = port,
        .peer_direction = DM_MEDIA_SEND,
        .ptime_ms = 20,
        .n_formats = 1,
        .formats = &(DmMediaFormat){.codec = DM_CODEC_PCMU,
                                    .pt = 0,
                                    .channels = 1,
                                    .clock_hz = 8000,
                                    .name = "PCMU"},
    };

    g_assert_true(dm_address_parse(&media.connection, "203.0.113.5", port));
    return dm_sdp_new(&media, 1);
}

static void
test_nothing_borrowed(void)
{
    char fmtp[] = "0-15";
    char type_name[] = "audio";
    DmMediaFormat format = {.codec = DM_CODEC_TELEPHONE_EVENT,
                            .pt = 101,
                            .channels = 1,
                            .clock_hz = 8000,
                            .name = "telephone-event",
                            .fmtp = fmtp};
    DmSdpCrypto crypto = {.tag = 7, .key = {.suite = DM_SRTP_AES_CM_128_HMAC_SHA1_80}};
    DmSdpMedia line = {.type_name = type_name,
                       .n_formats = 1,
                       .formats = &format,
                       .n_crypto = 1,
                       .crypto = &crypto};
    g_autoptr(DmSdp) sdp = dm_sdp_new((DmSdpMedia[]){line, line}, 2);

    g_test_summary("a description is whole by itself: what it was made from may go");
    memset(fmtp, 'x', sizeof fmtp - 1);
    memset(type_name, 'x', sizeof type_name - 1);
    format.pt = 0;
    crypto.tag = 0;
    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        const DmSdpMedia *kept = dm_sdp_media(sdp, i);

        g_assert_cmpstr(kept->type_name, ==, "audio");
        g_assert_cmpstr(kept->proto_name, ==, "");
        g_assert_cmpuint(kept->formats[0].pt, ==, 101);
        g_assert_cmpstr(kept->formats[0].fmtp, ==, "0-15");
        g_assert_cmpuint(kept->crypto[0].tag, ==, 7);
    }
}

static void
test_printing(void)
{
    g_autoptr(DmSdp) sdp = one_audio_line(30000);
    g_autoptr(GString) text = g_string_new(NULL);
    DmSdpOrigin origin = {0};
    DmAddress address;

    g_assert_true(dm_address_parse(&address, "203.0.113.5", 5060));
    dm_sdp_print(sdp, &origin, &address, UINT64_C(0x1234) << 16, text);
    g_assert_cmpstr(
        text->str,
        ==,
        "v=0\r\no=- 4661 1 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
        "m=audio 30000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendonly\r\n");
    dm_sdp_origin_clear(&origin);
}

static uint64_t
version_after_printing(DmSdpOrigin *origin, const DmSdp *sdp)
{
    g_autoptr(GString) text = g_string_new(NULL);
    DmAddress address;

    g_assert_true(dm_address_parse(&address, "203.0.113.5", 5060));
    dm_sdp_print(sdp, origin, &address, 99, text);
    return origin->version;
}

static void
test_origin_version(void)
{
    g_autoptr(DmSdp) first = one_audio_line(30000);
    g_autoptr(DmSdp) same = one_audio_line(30000);
    g_autoptr(DmSdp) moved = one_audio_line(30002);
    DmSdpOrigin origin = {0};
    uint64_t id;

    g_test_summary(
        "SIG-17: the session id stays, the version is one up exactly when the media change");
    g_assert_cmpuint(version_after_printing(&origin, first), ==, 1);
    id = origin.session_id;
    g_assert_cmpuint(version_after_printing(&origin, first), ==, 1);
    g_assert_cmpuint(version_after_printing(&origin, same), ==, 1);
    g_assert_cmpuint(version_after_printing(&origin, moved), ==, 2);
    g_assert_cmpuint(version_after_printing(&origin, first), ==, 3);
    g_assert_cmpuint(origin.session_id, ==, id);
    dm_sdp_origin_clear(&origin);
}

static void
test_what_we_print_we_can_read(void)
{
    g_autoptr(DmSdp) sdp =
        parse(HEAD "m=audio 4000 RTP/AVP 0 111 101\r\na=rtpmap:111 opus/48000/2\r\n"
                   "a=fmtp:111 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\n"
                   "a=rtcp:4500 IN IP4 192.0.2.9\r\na=rtcp-mux\r\na=recvonly\r\n"
                   "m=image 0 udptl t38\r\n");
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(DmSdp) again = NULL;
    DmSdpOrigin origin = {0};
    DmAddress address;

    g_assert_true(dm_address_parse(&address, "192.0.2.1", 5060));
    dm_sdp_print(sdp, &origin, &address, 99, text);
    again = parse(text->str);
    g_assert_true(dm_sdp_same_media(sdp, again));
    dm_sdp_origin_clear(&origin);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp/session/ordinary-offer", test_ordinary_offer);
    g_test_add_func("/sdp/session/media-level-wins", test_media_level_wins);
    g_test_add_func("/sdp/session/every-kind-of-line", test_every_kind_of_line);
    g_test_add_func("/sdp/session/sloppy-peers", test_sloppy_peers);
    g_test_add_func("/sdp/session/unusable-addresses", test_unusable_addresses);
    g_test_add_func("/sdp/session/not-a-description", test_not_a_description);
    g_test_add_func("/sdp/session/lines-that-hurt-the-parser", test_lines_that_hurt_the_parser);
    g_test_add_func("/sdp/session/limits", test_limits);
    g_test_add_func("/sdp/session/nothing-borrowed", test_nothing_borrowed);
    g_test_add_func("/sdp/session/printing", test_printing);
    g_test_add_func("/sdp/session/origin-version", test_origin_version);
    g_test_add_func("/sdp/session/what-we-print-we-can-read", test_what_we_print_we_can_read);
    return g_test_run();
}

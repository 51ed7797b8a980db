/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sdp/format.h"
#include "media/dsp/codec.h"
#include "tests/lib/sdp-check.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static const DmCodec both_laws[] = {DM_CODEC_PCMA, DM_CODEC_PCMU};
static const DmCodec only_alaw[] = {DM_CODEC_PCMA};
static const DmCodec only_ulaw[] = {DM_CODEC_PCMU};
static const DmCodec anything[] = {DM_CODEC_PCMA,
                                   DM_CODEC_PCMU,
                                   DM_CODEC_G729,
                                   DM_CODEC_OPUS,
                                   DM_CODEC_OTHER};

static DmSdpPolicy
policy_of(const DmCodec *codecs, unsigned n)
{
    DmSdpPolicy policy = {.codecs = codecs, .n_codecs = n, .transcode = true, .dtmf_pt = 101};

    g_assert_true(dm_address_parse(&policy.local_rtp, "203.0.113.5", 30000));
    return policy;
}
#define POLICY(codecs) policy_of(codecs, G_N_ELEMENTS(codecs))

static DmSdp *
parse(const char *media)
{
    g_autofree char *text = g_strconcat(HEAD, media, NULL);
    g_autoptr(GError) error = NULL;
    DmSdp *sdp = dm_sdp_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return sdp;
}

/* The lines of @sdp in short: "audio:30000:8=PCMA,101=telephone-event:sendrecv video:0". */
static char *
tell(const DmSdp *sdp)
{
    static const char *const directions[] = {"inactive", "sendonly", "recvonly", "sendrecv"};
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, i);

        g_string_append_printf(text, "%s%s:%u", i > 0 ? " " : "", media->type_name, media->port);
        for (unsigned f = 0; f < media->n_formats; f++) {
            g_string_append_printf(text,
                                   "%c%u=%s",
                                   f > 0 ? ',' : ':',
                                   media->formats[f].pt,
                                   media->formats[f].name);
        }
        if (media->port != 0) {
            g_string_append_printf(text, ":%s", directions[media->peer_direction]);
        }
    }
    return g_string_free(text, FALSE);
}

static void
assert_offer_across(const char *from, const DmSdpPolicy *to, const char *previous, const char *want)
{
    g_autoptr(DmSdp) from_offer = parse(from);
    g_autoptr(DmSdp) before = previous != NULL ? parse(previous) : NULL;
    g_autoptr(DmSdp) offer = NULL;
    g_autofree char *told = NULL;

    g_assert_cmpstr(dm_sdp_verdict_name(dm_sdp_offer_across(from_offer, to, before, &offer)),
                    ==,
                    "ok");
    check_offer(offer, before, to);
    told = tell(offer);
    g_assert_cmpstr(told, ==, want);
}

static void
assert_answer_across(const char *offer_text,
                     const DmSdpPolicy *from,
                     const char *other,
                     const char *want)
{
    g_autoptr(DmSdp) offer = parse(offer_text);
    g_autoptr(DmSdp) other_answer = other != NULL ? parse(other) : NULL;
    g_autoptr(DmSdp) answer = NULL;
    g_autofree char *told = NULL;
    DmSdpVerdict verdict = dm_sdp_answer_across(offer, from, other_answer, &answer);

    if (verdict == DM_SDP_OK) {
        check_answer(offer, answer, from);
        told = tell(answer);
    }
    g_assert_cmpstr(verdict == DM_SDP_OK ? told : dm_sdp_verdict_name(verdict), ==, want);
}

static void
test_metrics_are_offered(void)
{
    static const char line[] = "m=audio 4000 RTP/AVP 8\r\n";
    DmSdpPolicy policy = POLICY(both_laws);
    g_autoptr(DmSdp) from = parse(line);
    g_autoptr(DmSdp) agrees = parse("m=audio 4000 RTP/AVP 8\r\na=rtcp-xr:voip-metrics\r\n");
    g_autoptr(DmSdp) offer = NULL;
    g_autoptr(DmSdp) again = NULL;
    g_autoptr(DmSdp) delayed = NULL;
    DmMediaSideSpec spec;

    g_test_summary("MED-8, RFC 3611, 5: VoIP metrics are offered where the trunk says so, and sent "
                   "where the peer agrees; what was agreed stays in a later offer");

    policy.rtcp_xr = true;
    g_assert_cmpint(dm_sdp_offer_across(from, &policy, NULL, &offer), ==, DM_SDP_OK);
    g_assert_true(dm_sdp_media(offer, 0)->rtcp_xr);
    delayed = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    g_assert_true(dm_sdp_media(delayed, 0)->rtcp_xr);
    g_assert_cmpint(dm_sdp_side_spec(offer, agrees, &policy, &spec), ==, DM_SDP_OK);
    g_assert_true(spec.rtcp_xr);
    g_assert_cmpint(dm_sdp_side_spec(offer, from, &policy, &spec), ==, DM_SDP_OK);
    g_assert_false(spec.rtcp_xr);
    policy.rtcp_xr = false;
    g_assert_cmpint(dm_sdp_offer_across(from, &policy, offer, &again), ==, DM_SDP_OK);
    g_assert_true(dm_sdp_media(again, 0)->rtcp_xr);
}

static void
test_rtcp_is_as_the_peer_asks(void)
{
    static const char line[] = "m=audio 4000 RTP/AVP 8\r\n";
    static const char asked[] = "m=audio 4000 RTP/AVP 8\r\na=rtcp-mux\r\n"
                                "a=rtcp-xr:rcvr-rtt=all:100 voip-metrics\r\n";
    DmSdpPolicy policy = POLICY(both_laws);
    g_autoptr(DmSdp) offer = parse(asked);
    g_autoptr(DmSdp) plain = parse(line);
    g_autoptr(DmSdp) answer = NULL;
    g_autoptr(DmSdp) plain_answer = NULL;
    DmMediaSideSpec spec;

    g_test_summary("MED-8: one port (RFC 5761) and VoIP metrics (RFC 3611) where the peer offers "
                   "them, and only there");

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, NULL, &answer), ==, DM_SDP_OK);
    g_assert_true(dm_sdp_media(answer, 0)->rtcp_mux);
    g_assert_true(dm_sdp_media(answer, 0)->rtcp_xr);
    g_assert_cmpint(dm_sdp_side_spec(answer, offer, &policy, &spec), ==, DM_SDP_OK);
    g_assert_true(spec.rtcp_mux);
    g_assert_true(spec.rtcp_xr);

    g_assert_cmpint(dm_sdp_answer_across(plain, &policy, NULL, &plain_answer), ==, DM_SDP_OK);
    g_assert_false(dm_sdp_media(plain_answer, 0)->rtcp_xr);
    g_assert_cmpint(dm_sdp_side_spec(plain_answer, offer, &policy, &spec), ==, DM_SDP_OK);
    g_assert_false(spec.rtcp_xr);
    g_assert_false(spec.rtcp_mux);
}

static void
test_offer_keeps_the_callers_order(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    assert_offer_across("m=audio 4000 RTP/AVP 18 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n",
                        &policy,
                        NULL,
                        "audio:30000:0=PCMU,8=PCMA,101=telephone-event:sendrecv");
}

static void
test_offer_adds_what_can_be_transcoded(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary(
        "MED-2: the other law is offered behind the caller's own, unless transcoding is off");
    assert_offer_across("m=audio 4000 RTP/AVP 0\r\n",
                        &policy,
                        NULL,
                        "audio:30000:0=PCMU,8=PCMA,101=telephone-event:sendrecv");
    policy.transcode = false;
    assert_offer_across("m=audio 4000 RTP/AVP 0\r\n",
                        &policy,
                        NULL,
                        "audio:30000:0=PCMU,101=telephone-event:sendrecv");
}

static void
test_offer_in_the_order_preferred(void)
{
    static const char from[] = "m=audio 4000 RTP/AVP 0 9\r\n";
    static const DmCodec codecs[] = {DM_CODEC_G722, DM_CODEC_PCMA, DM_CODEC_PCMU, DM_CODEC_GSM};
    DmSdpPolicy policy = POLICY(codecs);

    g_test_summary("MED-2: remote, local, avoid_transcoding");
    assert_offer_across(from,
                        &policy,
                        NULL,
                        "audio:30000:0=PCMU,9=G722,8=PCMA,3=GSM,101=telephone-event:sendrecv");
    policy.preference = DM_CODECS_LOCAL;
    assert_offer_across(from,
                        &policy,
                        NULL,
                        "audio:30000:9=G722,8=PCMA,0=PCMU,3=GSM,101=telephone-event:sendrecv");
    policy.preference = DM_CODECS_AVOID_TRANSCODING;
    assert_offer_across(from,
                        &policy,
                        NULL,
                        "audio:30000:0=PCMU,9=G722,101=telephone-event:sendrecv");
    assert_offer_across("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 G726-32/8000\r\n",
                        &policy,
                        NULL,
                        "audio:30000:9=G722,8=PCMA,0=PCMU,3=GSM,101=telephone-event:sendrecv");
    policy.transcode = false;
    policy.preference = DM_CODECS_LOCAL;
    assert_offer_across(from,
                        &policy,
                        NULL,
                        "audio:30000:9=G722,0=PCMU,101=telephone-event:sendrecv");
}

static void
test_comfort_noise_crosses_when_both_have_it(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary("MED-9: offered when the caller has it, answered when the callee has it too");
    assert_offer_across("m=audio 4000 RTP/AVP 13 8\r\n",
                        &policy,
                        NULL,
                        "audio:30000:8=PCMA,0=PCMU,13=CN,101=telephone-event:sendrecv");
    assert_answer_across("m=audio 4000 RTP/AVP 13 8\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 0 13\r\n",
                         "audio:30000:8=PCMA,13=CN:sendrecv");
    assert_answer_across("m=audio 4000 RTP/AVP 8 13\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:8=PCMA:sendrecv");
}

static const DmSdpMedia *
first_line(DmSdp *sdp)
{
    return dm_sdp_media(sdp, 0);
}

static void
test_parameters_of_each_codec(void)
{
    static const DmCodec codecs[] = {DM_CODEC_G729, DM_CODEC_PCMA};
    DmSdpPolicy policy = POLICY(codecs);
    g_autoptr(DmSdp) offer = parse("m=audio 4000 RTP/AVP 18\r\na=fmtp:18 annexb=no\r\n");
    g_autoptr(DmSdp) answer = parse("m=audio 6000 RTP/AVP 18\r\n");
    g_autoptr(DmSdp) made = NULL;

    g_test_summary("G.729 with and without annex B are relayed, and annex B is not promised to "
                   "a caller that cannot take it");
    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, answer, &made), ==, DM_SDP_OK);
    g_assert_cmpstr(first_line(made)->formats[0].fmtp, ==, "annexb=no");
}

/* What the caller that offered G.729 with @fmtp is answered when the other side has A-law only. */
static void
assert_answered_in_g729(const char *fmtp, const char *want)
{
    static const DmCodec codecs[] = {DM_CODEC_G729, DM_CODEC_PCMA};
    DmSdpPolicy policy = POLICY(codecs);
    g_autofree char *text = g_strdup_printf("m=audio 4000 RTP/AVP 18\r\n%s", fmtp);
    g_autoptr(DmSdp) offer = parse(text);
    g_autoptr(DmSdp) answer = parse("m=audio 6000 RTP/AVP 8\r\n");
    g_autoptr(DmSdp) made = NULL;

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, answer, &made), ==, DM_SDP_OK);
    g_assert_cmpint(first_line(made)->formats[0].codec, ==, DM_CODEC_G729);
    g_assert_cmpstr(first_line(made)->formats[0].fmtp, ==, want);
}

static void
test_g729_is_transcoded_where_it_can_be(void)
{
    static const DmCodec codecs[] = {DM_CODEC_G729, DM_CODEC_PCMA};
    DmSdpPolicy policy = POLICY(codecs);
    g_autoptr(DmSdp) offer = parse("m=audio 4000 RTP/AVP 18\r\n");
    g_autoptr(DmSdp) answer = parse("m=audio 6000 RTP/AVP 8\r\n");
    g_autoptr(DmSdp) made = NULL;

    g_test_summary("MED-2: G.729 toward A-law with the library, annex B refused to whom it was "
                   "refused by (RFC 7261); without the library there is no codec");

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, answer, &made), !=, DM_SDP_OK);
    dm_format_set_g729_transcodes(true);
    assert_answered_in_g729("", "");
    assert_answered_in_g729("a=fmtp:18 annexb=yes\r\n", "");
    assert_answered_in_g729("a=fmtp:18 annexb=no\r\n", "annexb=no");
    dm_format_set_g729_transcodes(false);
}

static void
test_every_codec_of_media_is_negotiated(void)
{
    g_test_summary(
        "What is negotiated for transcoding is what media can transcode, no more, no less");

    for (unsigned codec = DM_CODEC_OTHER; codec <= DM_CODEC_TELEPHONE_EVENT; codec++) {
        DmMediaFormat format = {.codec = codec};

        g_assert_cmpint(dm_format_transcodes(&format), ==, dm_codec_type(codec) != NULL);
    }
}

static void
test_events_on_the_clock_of_each_side(void)
{
    static const DmCodec codecs[] = {DM_CODEC_PCMA, DM_CODEC_OPUS};
    DmSdpPolicy policy = POLICY(codecs);

    g_test_summary("DTMF-1: events of each clock that speech has, else what there is of events");
    if (dm_codec_type(DM_CODEC_OPUS) == NULL) {
        g_test_skip("built without libopus");
        return;
    }
    assert_answer_across("m=audio 4000 RTP/AVP 111 110\r\na=rtpmap:111 opus/48000/2\r\n"
                         "a=rtpmap:110 telephone-event/48000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                         "audio:30000:111=opus,110=telephone-event:sendrecv");
    /* RFC 4733, 2.1, as widely misread. */
    assert_answer_across("m=audio 4000 RTP/AVP 111 101\r\na=rtpmap:111 opus/48000/2\r\n"
                         "a=rtpmap:101 telephone-event/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                         "audio:30000:111=opus,101=telephone-event:sendrecv");
    assert_answer_across("m=audio 4000 RTP/AVP 111 8 101 110\r\na=rtpmap:111 opus/48000/2\r\n"
                         "a=rtpmap:101 telephone-event/8000\r\n"
                         "a=rtpmap:110 telephone-event/48000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 111 8 110 101\r\na=rtpmap:111 opus/48000/2\r\n"
                         "a=rtpmap:101 telephone-event/8000\r\n"
                         "a=rtpmap:110 telephone-event/48000\r\n",
                         "audio:30000:111=opus,8=PCMA,110=telephone-event,101=telephone-event:"
                         "sendrecv");
}

static void
test_offer_numbers_unknown_codecs(void)
{
    DmSdpPolicy policy = POLICY(anything);

    policy.transcode = false;
    g_test_summary(
        "A dynamic type keeps its number unless we need it for events; events follow the clock");
    assert_offer_across(
        "m=audio 4000 RTP/AVP 101 111\r\na=rtpmap:101 AMR/8000\r\na=rtpmap:111 opus/48000/2\r\n",
        &policy,
        NULL,
        "audio:30000:96=AMR,111=opus,101=telephone-event,97=telephone-event:sendrecv");
}

static const char amr_twice[] = "m=audio 4000 RTP/AVP 96 97 4 98 101\r\n"
                                "a=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1\r\n"
                                "a=rtpmap:97 AMR/8000\r\na=rtpmap:98 red/8000\r\n"
                                "a=fmtp:98 96/96\r\n"
                                "a=rtpmap:101 telephone-event/8000\r\n";

static void
test_codecs_we_do_not_know_are_offered(void)
{
    DmSdpPolicy policy = POLICY(anything);
    static const DmCodec others_first[] = {DM_CODEC_OTHER, DM_CODEC_PCMA};
    DmSdpPolicy local = POLICY(others_first);

    g_test_summary("MED-1: all of them with their numbers, static ones too; but not what repairs "
                   "other types by their numbers");
    assert_offer_across(amr_twice,
                        &policy,
                        NULL,
                        "audio:30000:96=AMR,97=AMR,4=G723,101=telephone-event:sendrecv");
    local.preference = DM_CODECS_LOCAL;
    assert_offer_across("m=audio 4000 RTP/AVP 8 96 97\r\na=rtpmap:96 AMR/8000\r\n"
                        "a=rtpmap:97 iLBC/8000\r\n",
                        &local,
                        NULL,
                        "audio:30000:96=AMR,97=iLBC,8=PCMA,101=telephone-event:sendrecv");
}

static void
test_codecs_we_do_not_know_are_answered(void)
{
    DmSdpPolicy policy = POLICY(anything);
    g_autoptr(DmSdp) offer = parse(amr_twice);
    g_autoptr(DmSdp) other = parse("m=audio 6000 RTP/AVP 97 96\r\na=rtpmap:97 AMR/8000\r\n"
                                   "a=fmtp:97 mode-set=0,2,4,7\r\na=rtpmap:96 AMR/8000\r\n"
                                   "a=fmtp:96 octet-align=1\r\n");
    g_autoptr(DmSdp) answer = NULL;
    DmMediaSideSpec spec;

    g_test_summary("MED-1: which of two is meant says the number, and the parameters are the "
                   "answerer's; the other one of the same name could not be told from it");
    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, other, &answer), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->n_formats, ==, 1);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->formats[0].pt, ==, 97);
    g_assert_cmpstr(dm_sdp_media(answer, 0)->formats[0].fmtp, ==, "mode-set=0,2,4,7");
    g_assert_cmpint(dm_sdp_side_spec(offer, other, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpuint(spec.n_recv, ==, 1);
    g_assert_cmpuint(spec.recv[0].pt, ==, 97);
    policy.ptime_ms = 20;
    g_clear_pointer(&answer, dm_sdp_unref);
    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, other, &answer), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->ptime_ms, ==, 0); /* nobody said */
    /* Its clock has no events at the other side, another one has. */
    assert_answer_across("m=audio 4000 RTP/AVP 97 98 99\r\na=rtpmap:97 AMR-WB/16000\r\n"
                         "a=rtpmap:98 telephone-event/16000\r\n"
                         "a=rtpmap:99 telephone-event/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 97 101\r\na=rtpmap:97 AMR-WB/16000\r\n"
                         "a=rtpmap:101 telephone-event/8000\r\n",
                         "audio:30000:97=AMR-WB,99=telephone-event:sendrecv");
    assert_answer_across("m=audio 4000 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 98\r\na=rtpmap:98 iLBC/8000\r\n"
                         "a=fmtp:98 mode=20\r\n",
                         "audio:30000:97=iLBC:sendrecv");
}

static void
test_offer_keeps_numbers_given_before(void)
{
    DmSdpPolicy policy = POLICY(anything);

    assert_offer_across(
        "m=audio 4000 RTP/AVP 99 98\r\na=rtpmap:99 AMR/8000\r\na=rtpmap:98 speex/8000\r\n",
        &policy,
        "m=video 0 RTP/AVP 31\r\nm=audio 5 RTP/AVP 98 110\r\na=rtpmap:98 AMR/8000\r\n"
        "a=rtpmap:110 telephone-event/8000\r\n",
        "video:0 audio:30000:98=AMR,96=speex,110=telephone-event:sendrecv");
}

static void
test_offer_carries_hold_across(void)
{
    DmSdpPolicy policy = POLICY(only_alaw);

    g_test_summary("SIG-16: sendonly stays sendonly, inactive stays inactive, 0.0.0.0 is hold");
    assert_offer_across("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
                        &policy,
                        NULL,
                        "audio:30000:8=PCMA,101=telephone-event:sendonly");
    assert_offer_across("m=audio 4000 RTP/AVP 8\r\na=inactive\r\n",
                        &policy,
                        NULL,
                        "audio:30000:8=PCMA,101=telephone-event:inactive");
    assert_offer_across("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n",
                        &policy,
                        NULL,
                        "audio:30000:8=PCMA,101=telephone-event:sendonly");
}

static void
test_offer_that_cannot_be_made(void)
{
    static const struct {
        const char *from;
        DmSdpVerdict want;
    } cases[] = {
        {"m=audio 4000 TCP/RTP/AVP 8\r\n", DM_SDP_NO_AUDIO},
        {"m=video 4000 RTP/AVP 31\r\n", DM_SDP_NO_AUDIO},
        {"m=audio 0 RTP/AVP 8\r\n", DM_SDP_NO_AUDIO},
        {"m=audio 4000 RTP/AVP 18\r\n", DM_SDP_NO_COMMON_CODEC},
        {"m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 telephone-event/8000\r\n", DM_SDP_NO_COMMON_CODEC},
    };
    DmSdpPolicy policy = POLICY(both_laws);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DmSdp) from = parse(cases[i].from);
        DmSdp *offer = NULL;

        g_assert_cmpint(dm_sdp_offer_across(from, &policy, NULL, &offer), ==, (int)cases[i].want);
        g_assert_null(offer);
    }
}

static void
test_answer_relays_what_both_speak(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    assert_answer_across("m=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                         "audio:30000:8=PCMA,96=telephone-event:sendrecv");
}

static void
test_answer_transcodes_as_a_last_resort(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary("MED-2: PCMU toward a caller without PCMA; refused when transcoding is off");
    assert_answer_across("m=audio 4000 RTP/AVP 0\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:0=PCMU:sendrecv");
    policy.transcode = false;
    assert_answer_across("m=audio 4000 RTP/AVP 0\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "no common codec");
}

static void
test_answer_drops_events_the_other_side_lacks(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary("DTMF-2: unless tones in the speech can stand for them");
    assert_answer_across("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:8=PCMA,101=telephone-event:sendrecv");
    policy.transcode = false;
    assert_answer_across("m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:8=PCMA:sendrecv");
}

static void
test_answer_refuses_lines_in_their_place(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary("MED-11: as many lines as offered, in order, the others with port 0");
    assert_answer_across(
        "m=image 5000 udptl t38\r\nm=audio 4000 RTP/SAVP 8\r\nm=audio 4002 RTP/AVP 8\r\n"
        "m=audio 4004 RTP/AVP 0\r\nm=video 4006 RTP/AVP 31\r\n",
        &policy,
        NULL,
        "image:0 audio:0 audio:30000:8=PCMA:sendrecv audio:0 video:0");
}

static void
test_answer_to_hold(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    g_test_summary("SIG-16: sendonly is answered recvonly or inactive, never sendrecv");
    assert_answer_across("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:8=PCMA:recvonly");
    assert_answer_across("m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\na=inactive\r\n",
                         "audio:30000:8=PCMA:inactive");
    assert_answer_across("m=audio 4000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\na=recvonly\r\n",
                         "audio:30000:8=PCMA:recvonly");
    assert_answer_across("m=audio 4000 RTP/AVP 8\r\na=inactive\r\n",
                         &policy,
                         "m=audio 6000 RTP/AVP 8\r\n",
                         "audio:30000:8=PCMA:inactive");
}

static void
test_answer_of_a_refusing_callee(void)
{
    DmSdpPolicy policy = POLICY(both_laws);

    assert_answer_across("m=audio 4000 RTP/AVP 8\r\n",
                         &policy,
                         "m=audio 0 RTP/AVP 8\r\n",
                         "no audio");
}

static void
test_offer_from_policy(void)
{
    static const DmCodec codecs[] = {DM_CODEC_OPUS, DM_CODEC_PCMA, DM_CODEC_CN, DM_CODEC_OTHER};
    DmSdpPolicy policy = POLICY(codecs);
    g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    g_autofree char *told = tell(offer);

    g_assert_cmpstr(told,
                    ==,
                    "audio:30000:96=opus,8=PCMA,97=telephone-event,101=telephone-event:sendrecv");
}

static void
test_side_with_different_payload_types(void)
{
    DmSdpPolicy policy = POLICY(both_laws);
    g_autoptr(DmSdp) ours =
        parse("m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    g_autoptr(DmSdp) theirs =
        parse("m=audio 6000 RTP/AVP 0 96\r\na=rtpmap:96 telephone-event/8000\r\na=ptime:30\r\n"
              "a=rtcp:7000\r\n");
    DmMediaSideSpec spec;
    char text[DM_ADDRESS_TEXT_MAX];

    g_test_summary("MED-1: each side sends with the numbers of the other's description");
    g_assert_cmpint(dm_sdp_side_spec(ours, theirs, &policy, &spec), ==, DM_SDP_OK);
    check_side(ours, theirs, &spec);
    g_assert_cmpuint(spec.n_recv, ==, 2);
    g_assert_cmpuint(spec.recv[0].pt, ==, 0);
    g_assert_cmpuint(spec.recv[1].pt, ==, 101);
    g_assert_cmpuint(spec.send[1].pt, ==, 96);
    g_assert_cmpuint(spec.ptime_ms, ==, 30);
    g_assert_cmpint(spec.direction, ==, DM_MEDIA_BOTH);
    g_assert_cmpstr(dm_address_text(&spec.remote_rtp, text), ==, "192.0.2.1:6000");
    g_assert_cmpstr(dm_address_text(&spec.remote_rtcp, text), ==, "192.0.2.1:7000");
}

static void
test_side_tells_what_opus_wants(void)
{
    static const DmCodec codecs[] = {DM_CODEC_OPUS};
    DmSdpPolicy policy = POLICY(codecs);
    g_autoptr(DmSdp) ours = parse("m=audio 30000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
                                  "a=fmtp:96 useinbandfec=0\r\n");
    g_autoptr(DmSdp) theirs = parse("m=audio 6000 RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"
                                    "a=fmtp:111 sprop-cbr=0;maxaveragebitrate=20000; "
                                    "useinbandfec=1;cbr=1;maxplaybackrate=8000\r\n");
    DmMediaSideSpec spec;

    g_test_summary("what goes to the peer is as it says, and media are told in values");
    g_assert_cmpint(dm_sdp_side_spec(ours, theirs, &policy, &spec), ==, DM_SDP_OK);
    g_assert_true(spec.wishes.fec);
    g_assert_true(spec.wishes.cbr);
    g_assert_cmpuint(spec.wishes.max_playback_hz, ==, 8000);
    g_assert_cmpuint(spec.wishes.bitrate_bps, ==, 20000);
    g_assert_null(spec.send[0].fmtp);
    g_assert_cmpint(dm_sdp_side_spec(theirs, ours, &policy, &spec), ==, DM_SDP_OK);
    g_assert_false(spec.wishes.fec);
    g_assert_false(spec.wishes.cbr);
    g_assert_cmpuint(spec.wishes.bitrate_bps, ==, 0);
}

static void
test_side_direction(void)
{
    DmSdpPolicy policy = POLICY(both_laws);
    g_autoptr(DmSdp) ours = parse("m=audio 30000 RTP/AVP 8\r\na=recvonly\r\n");
    g_autoptr(DmSdp) theirs = parse("m=audio 6000 RTP/AVP 8\r\na=sendonly\r\n");
    g_autoptr(DmSdp) held = parse("m=audio 6000 RTP/AVP 8\r\nc=IN IP4 0.0.0.0\r\n");
    DmMediaSideSpec spec;

    g_assert_cmpint(dm_sdp_side_spec(ours, theirs, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.direction, ==, DM_MEDIA_RECV);
    g_assert_cmpint(dm_sdp_side_spec(theirs, ours, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.direction, ==, DM_MEDIA_SEND);
    g_assert_cmpint(dm_sdp_side_spec(ours, held, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.direction, ==, DM_MEDIA_RECV);
    g_assert_false(dm_address_is_set(&spec.remote_rtp));
}

static void
test_side_that_does_not_fit(void)
{
    static const struct {
        const char *theirs;
        DmSdpVerdict want;
    } cases[] = {
        {"m=audio 6000 RTP/AVP 8\r\nm=video 1 RTP/AVP 31\r\n", DM_SDP_BAD_ANSWER},
        {"m=video 6000 RTP/AVP 31\r\n", DM_SDP_BAD_ANSWER},
        {"m=audio 6000 RTP/SAVP 8\r\n", DM_SDP_SRTP_UNSUPPORTED},
        {"m=audio 0 RTP/AVP 8\r\n", DM_SDP_NO_AUDIO},
        {"m=audio 6000 RTP/AVP 18\r\n", DM_SDP_NO_COMMON_CODEC},
    };
    DmSdpPolicy policy = POLICY(only_ulaw);
    g_autoptr(DmSdp) ours = parse("m=audio 30000 RTP/AVP 8 0\r\n");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DmSdp) theirs = parse(cases[i].theirs);
        DmMediaSideSpec spec;

        g_assert_cmpint(dm_sdp_side_spec(ours, theirs, &policy, &spec), ==, (int)cases[i].want);
    }
}

static unsigned
n_events(const DmSdp *sdp)
{
    const DmSdpMedia *media = dm_sdp_media(sdp, 0);
    unsigned n = 0;

    for (unsigned i = 0; i < media->n_formats; i++) {
        n += media->formats[i].codec == DM_CODEC_TELEPHONE_EVENT;
    }
    return n;
}

static void
test_events_where_keys_go_as_events(void)
{
    static const DmCodec codecs[] = {DM_CODEC_PCMA};
    static const DmKeyMethod ways[] = {DM_KEYS_AUTO,
                                       DM_KEYS_EVENTS,
                                       DM_KEYS_TONES,
                                       DM_KEYS_SIGNALLED};
    g_autoptr(DmSdp) theirs = parse("m=audio 4000 RTP/AVP 8 101\r\n"
                                    "a=rtpmap:101 telephone-event/8000\r\n");

    g_test_summary("DTMF-3: telephone-event is neither offered nor answered where keys go as tones "
                   "or by INFO, and media is told so");

    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        DmSdpPolicy policy = POLICY(codecs);
        g_autoptr(DmSdp) offer = NULL;
        g_autoptr(DmSdp) answer = NULL;
        DmMediaSideSpec spec;

        policy.keys = ways[i];
        offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
        g_assert_cmpuint(n_events(offer), ==, i < 2);
        g_assert_cmpint(dm_sdp_answer_across(theirs, &policy, NULL, &answer), ==, DM_SDP_OK);
        g_assert_cmpuint(n_events(answer), ==, i < 2);
        g_assert_cmpint(dm_sdp_side_spec(answer, theirs, &policy, &spec), ==, DM_SDP_OK);
        g_assert_cmpint(spec.keys, ==, ways[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp/offer/keeps-the-callers-order", test_offer_keeps_the_callers_order);
    g_test_add_func("/sdp/offer/rtcp", test_rtcp_is_as_the_peer_asks);
    g_test_add_func("/sdp/offer/metrics", test_metrics_are_offered);
    g_test_add_func("/sdp/offer/adds-what-can-be-transcoded",
                    test_offer_adds_what_can_be_transcoded);
    g_test_add_func("/sdp/offer/preference", test_offer_in_the_order_preferred);
    g_test_add_func("/sdp/comfort-noise", test_comfort_noise_crosses_when_both_have_it);
    g_test_add_func("/sdp/parameters", test_parameters_of_each_codec);
    g_test_add_func("/sdp/codecs", test_every_codec_of_media_is_negotiated);
    g_test_add_func("/sdp/events", test_events_on_the_clock_of_each_side);
    g_test_add_func("/sdp/offer/numbers-unknown-codecs", test_offer_numbers_unknown_codecs);
    g_test_add_func("/sdp/offer/unknown-codecs", test_codecs_we_do_not_know_are_offered);
    g_test_add_func("/sdp/answer/unknown-codecs", test_codecs_we_do_not_know_are_answered);
    g_test_add_func("/sdp/offer/keeps-numbers-given-before", test_offer_keeps_numbers_given_before);
    g_test_add_func("/sdp/offer/carries-hold-across", test_offer_carries_hold_across);
    g_test_add_func("/sdp/offer/cannot-be-made", test_offer_that_cannot_be_made);
    g_test_add_func("/sdp/offer/from-policy", test_offer_from_policy);
    g_test_add_func("/sdp/answer/relays-what-both-speak", test_answer_relays_what_both_speak);
    g_test_add_func("/sdp/answer/g729", test_g729_is_transcoded_where_it_can_be);
    g_test_add_func("/sdp/answer/transcodes-as-a-last-resort",
                    test_answer_transcodes_as_a_last_resort);
    g_test_add_func("/sdp/answer/drops-events-the-other-side-lacks",
                    test_answer_drops_events_the_other_side_lacks);
    g_test_add_func("/sdp/answer/refuses-lines-in-their-place",
                    test_answer_refuses_lines_in_their_place);
    g_test_add_func("/sdp/answer/to-hold", test_answer_to_hold);
    g_test_add_func("/sdp/answer/of-a-refusing-callee", test_answer_of_a_refusing_callee);
    g_test_add_func("/sdp/side/different-payload-types", test_side_with_different_payload_types);
    g_test_add_func("/sdp/side/opus", test_side_tells_what_opus_wants);
    g_test_add_func("/sdp/side/direction", test_side_direction);
    g_test_add_func("/sdp/side/does-not-fit", test_side_that_does_not_fit);
    g_test_add_func("/sdp/negotiate/keys", test_events_where_keys_go_as_events);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sdp/t38.h"
#include "tests/lib/sdp-check.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static const DmCodec both_laws[] = {DM_CODEC_PCMA, DM_CODEC_PCMU};

static DmSdpPolicy
make_policy(bool has_t38)
{
    DmSdpPolicy policy = {
        .codecs = both_laws,
        .n_codecs = G_N_ELEMENTS(both_laws),
        .dtmf_pt = 101,
        .has_t38 = has_t38,
        .t38 = {.max_bit_rate = 14400, .ec = DM_T38_REDUNDANCY, .max_datagram = 1400},
    };

    g_assert_true(dm_address_parse(&policy.local_rtp, "203.0.113.5", 30000));
    return policy;
}

static DmSdp *
parse(const char *media)
{
    g_autofree char *text = g_strconcat(HEAD, media, NULL);
    g_autoptr(GError) error = NULL;
    DmSdp *sdp = dm_sdp_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return sdp;
}

static char *
print(const DmSdp *sdp)
{
    DmSdpOrigin origin = {0};
    DmAddress address;
    GString *text = g_string_new(NULL);
    char *lines;

    g_assert_true(dm_address_parse(&address, "203.0.113.5", 0));
    dm_sdp_print(sdp, &origin, &address, 77, text);
    dm_sdp_origin_clear(&origin);
    lines = g_strdup(strstr(text->str, "m="));
    g_string_free(text, TRUE);
    return lines;
}

static void
assert_printed(const DmSdp *sdp, const char *want)
{
    g_autofree char *text = print(sdp);

    g_assert_cmpstr(text, ==, want);
}

#define AUDIO   "m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
#define REFUSED "m=audio 0 RTP/AVP 8\r\n"
#define IMAGE                                                                                      \
    "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"                     \
    "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:262\r\n"                           \
    "a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"

static void
test_every_attribute_in_every_spelling(void)
{
    static const char plain[] = "m=image 4002 UDPTL t38\r\n"
                                "a=T38FaxVersion:2\r\n"
                                "a=T38MaxBitRate:9600\r\n"
                                "a=T38FaxFillBitRemoval\r\n"
                                "a=T38FaxTranscodingMMR:0\r\n"
                                "a=T38FaxTranscodingJBIG:1\r\n"
                                "a=T38FaxRateManagement:transferredTCF\r\n"
                                "a=T38FaxMaxBuffer:262\r\n"
                                "a=T38FaxMaxDatagram:400\r\n"
                                "a=T38FaxUdpEC:t38UDPFEC\r\n";
    static const char odd[] = "m=image 4002 udptl T38\r\n"
                              "a=t38faxversion: 2\r\n"
                              "a=T38FaxMaxBitRate:9600\r\n"
                              "a=T38FaxFillBitRemoval:1\r\n"
                              "a=T38FaxTranscodingJBIG\r\n"
                              "a=T38VendorInfo:0 0 37\r\n"
                              "a=T38FaxRateManagement:TransferredTCF\r\n"
                              "a=T38MaxBuffer:262\r\n"
                              "a=T38MaxDatagram:400\r\n"
                              "a=T38FaxUdpEC:T38UDPFEC\r\n";
    g_autoptr(DmSdp) a = parse(plain);
    g_autoptr(DmSdp) b = parse(odd);
    const DmT38 *t38 = &dm_sdp_media(a, 0)->t38;

    g_test_summary("FAX-2: all attributes, with and without Fax, with and without :1");

    g_assert_nonnull(dm_t38_find(a, NULL));
    g_assert_nonnull(dm_t38_find(b, NULL));
    g_assert_cmpuint(t38->version, ==, 2);
    g_assert_cmpuint(t38->max_bit_rate, ==, 9600);
    g_assert_true(t38->fill_bit_removal);
    g_assert_false(t38->transcoding_mmr);
    g_assert_true(t38->transcoding_jbig);
    g_assert_false(t38->local_tcf);
    g_assert_cmpuint(t38->max_buffer, ==, 262);
    g_assert_cmpuint(t38->max_datagram, ==, 400);
    g_assert_cmpuint(t38->ec, ==, DM_T38_FEC);
    g_assert_true(dm_t38_equal(t38, &dm_sdp_media(b, 0)->t38));
}

static void
test_what_is_not_said_is_assumed(void)
{
    g_autoptr(DmSdp) sdp = parse("m=image 4002 udptl t38\r\n");
    g_autoptr(DmSdp) odd = parse("m=image 4002 udptl t38\r\na=T38FaxVersion:99\r\n"
                                 "a=T38MaxBitRate:none\r\na=T38FaxUdpEC\r\na=T38\r\n"
                                 "a=T38FaxMaxDatagram:99999999999999999999\r\n");
    const DmT38 *t38 = &dm_sdp_media(sdp, 0)->t38;

    g_test_summary("a bare line is version 0 at 14400 bit/s without correction");

    g_assert_cmpuint(t38->version, ==, 0);
    g_assert_cmpuint(t38->max_bit_rate, ==, 14400);
    g_assert_cmpuint(t38->ec, ==, DM_T38_NO_CORRECTION);
    g_assert_cmpuint(dm_sdp_media(odd, 0)->t38.version, ==, 3);
    g_assert_cmpuint(dm_sdp_media(odd, 0)->t38.max_bit_rate, ==, 14400);
    g_assert_cmpuint(dm_sdp_media(odd, 0)->t38.max_datagram, ==, 65535);
}

static void
test_offer_crosses(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) before = parse(AUDIO);
    g_autoptr(DmSdp) theirs = parse(REFUSED IMAGE);
    g_autoptr(DmSdp) offer = NULL;

    g_test_summary("FAX-2: a re-INVITE to T.38 crosses; our audio line stays, refused");

    g_assert_cmpint(dm_sdp_offer_across(theirs, &policy, before, &offer), ==, DM_SDP_OK);
    check_offer(offer, before, &policy);
    assert_printed(offer,
                   "m=audio 0 RTP/AVP 8\r\n"
                   "m=image 30000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
                   "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:262\r\n"
                   "a=T38FaxMaxDatagram:400\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n");
}

static void
test_answer_is_the_least_of_all(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) offer = parse(REFUSED "m=image 4002 udptl t38\r\na=T38FaxVersion:3\r\n"
                                           "a=T38MaxBitRate:33600\r\na=T38FaxFillBitRemoval\r\n"
                                           "a=T38FaxMaxDatagram:200\r\n"
                                           "a=T38FaxUdpEC:t38UDPFEC\r\n");
    g_autoptr(DmSdp) other = parse("m=image 6000 UDPTL t38\r\na=T38FaxVersion:0\r\n"
                                   "a=T38MaxBitRate:9600\r\na=T38FaxMaxDatagram:400\r\n"
                                   "a=T38FaxUdpEC:t38UDPRedundancy\r\n");
    g_autoptr(DmSdp) answer = NULL;

    g_test_summary("FAX-2: minimum of version, rate, buffers and correction");

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, other, &answer), ==, DM_SDP_OK);
    check_answer(offer, answer, &policy);
    assert_printed(answer,
                   "m=audio 0 RTP/AVP 8\r\n"
                   "m=image 30000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:9600\r\n"
                   "a=T38FaxRateManagement:transferredTCF\r\n"
                   "a=T38FaxMaxDatagram:200\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n");
}

static void
test_both_lines_in_one_offer(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) both = parse(AUDIO IMAGE "m=video 5000 RTP/AVP 99\r\n");
    g_autoptr(DmSdp) audio = parse(AUDIO);
    g_autoptr(DmSdp) image = parse(REFUSED IMAGE);
    g_autoptr(DmSdp) offer = NULL;
    g_autoptr(DmSdp) change = NULL;
    g_autoptr(DmSdp) speech = NULL;
    g_autoptr(DmSdp) fax = NULL;

    g_test_summary("MED-11: m=audio and m=image at once: speech in a first offer, fax in a change");

    g_assert_cmpint(dm_sdp_offer_across(both, &policy, NULL, &offer), ==, DM_SDP_OK);
    g_assert_null(dm_t38_find(offer, NULL));
    g_assert_cmpint(dm_sdp_offer_across(both, &policy, audio, &change), ==, DM_SDP_OK);
    g_assert_nonnull(dm_t38_find(change, NULL));

    g_assert_cmpint(dm_sdp_answer_across(both, &policy, audio, &speech), ==, DM_SDP_OK);
    check_answer(both, speech, &policy);
    g_assert_cmpuint(dm_sdp_media(speech, 0)->port, ==, 30000);
    g_assert_cmpuint(dm_sdp_media(speech, 1)->port, ==, 0);
    g_assert_cmpint(dm_sdp_answer_across(both, &policy, image, &fax), ==, DM_SDP_OK);
    check_answer(both, fax, &policy);
    g_assert_cmpuint(dm_sdp_n_media(fax), ==, 3);
    g_assert_cmpuint(dm_sdp_media(fax, 0)->port, ==, 0);
    g_assert_cmpuint(dm_sdp_media(fax, 1)->port, ==, 30000);
    g_assert_cmpuint(dm_sdp_media(fax, 2)->port, ==, 0);
}

static void
test_no_t38_where_it_is_not_wanted(void)
{
    DmSdpPolicy none = make_policy(false);
    g_autoptr(DmSdp) image = parse(REFUSED IMAGE);
    g_autoptr(DmSdp) both = parse(AUDIO IMAGE);
    g_autoptr(DmSdp) audio = parse(AUDIO);
    g_autoptr(DmSdp) out = NULL;

    g_test_summary("a trunk without T.38 gets none; with speech beside it, that is what is meant");

    g_assert_cmpint(dm_sdp_offer_across(image, &none, audio, &out), ==, DM_SDP_NO_T38);
    g_assert_cmpint(dm_sdp_answer_across(image, &none, NULL, &out), ==, DM_SDP_NO_T38);
    g_assert_null(dm_t38_offer_from_policy(&none, audio));
    g_assert_cmpint(dm_sdp_offer_across(both, &none, audio, &out), ==, DM_SDP_OK);
    g_assert_null(dm_t38_find(out, NULL));
}

static void
test_back_to_speech(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) during = parse(REFUSED IMAGE);
    g_autoptr(DmSdp) after = parse(AUDIO "m=image 0 udptl t38\r\n");
    g_autoptr(DmSdp) offer = NULL;
    g_autoptr(DmSdp) answer = NULL;

    g_test_summary("after the fax the audio line lives again in its place (FAX-4)");

    g_assert_cmpint(dm_sdp_offer_across(after, &policy, during, &offer), ==, DM_SDP_OK);
    check_offer(offer, during, &policy);
    g_assert_cmpuint(dm_sdp_media(offer, 0)->port, ==, 30000);
    g_assert_cmpuint(dm_sdp_media(offer, 1)->port, ==, 0);
    g_assert_cmpint(dm_sdp_answer_across(after, &policy, after, &answer), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->port, ==, 30000);
}

static void
test_gateway_speaks_for_itself(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) audio = parse(AUDIO);
    g_autoptr(DmSdp) image = parse("m=image 4002 udptl t38\r\na=T38FaxTranscodingMMR\r\n"
                                   "a=T38FaxUdpEC:t38UDPFEC\r\n");
    g_autoptr(DmSdp) offer = dm_t38_offer_from_policy(&policy, audio);
    g_autoptr(DmSdp) answer = NULL;

    g_test_summary("T.38 that ends in the gateway: copies as correction, no transcoding");

    g_assert_cmpuint(dm_sdp_n_media(offer), ==, 2);
    g_assert_cmpuint(dm_sdp_media(offer, 0)->port, ==, 0);
    g_assert_cmpuint(dm_sdp_media(offer, 1)->t38.ec, ==, DM_T38_REDUNDANCY);
    g_assert_cmpint(dm_sdp_answer_across(image, &policy, NULL, &answer), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->t38.ec, ==, DM_T38_REDUNDANCY);
    g_assert_false(dm_sdp_media(answer, 0)->t38.transcoding_mmr);
}

static void
test_media_hears_of_it(void)
{
    DmSdpPolicy policy = make_policy(true);
    g_autoptr(DmSdp) theirs = parse(REFUSED IMAGE);
    g_autoptr(DmSdp) refused = parse(REFUSED "m=image 0 udptl t38\r\n");
    g_autoptr(DmSdp) speech = parse(AUDIO);
    g_autoptr(DmSdp) before = parse(AUDIO);
    g_autoptr(DmSdp) ours = dm_t38_offer_from_policy(&policy, before);
    DmMediaSideSpec spec = {0};
    DmAddress where;

    g_test_summary("FAX-2: the peer's fax port, which may be another than its audio's");

    g_assert_true(dm_address_parse(&where, "192.0.2.1", 4002));
    g_assert_cmpint(dm_sdp_side_spec(ours, theirs, &policy, &spec), ==, DM_SDP_OK);
    g_assert_true(spec.is_t38);
    g_assert_true(dm_address_equal(&spec.remote_rtp, &where));
    g_assert_cmpuint(spec.t38.max_datagram, ==, 400);
    g_assert_cmpint(dm_sdp_side_spec(ours, refused, &policy, &spec), ==, DM_SDP_NO_T38);
    g_assert_cmpint(dm_sdp_side_spec(ours, speech, &policy, &spec), ==, DM_SDP_BAD_ANSWER);
}

static void
test_a_change_of_t38_is_a_change(void)
{
    g_autoptr(DmSdp) a = parse("m=image 4002 udptl t38\r\na=T38MaxBitRate:14400\r\n");
    g_autoptr(DmSdp) same = parse("m=image 4002 udptl t38\r\na=T38FaxMaxBitRate:14400\r\n");
    g_autoptr(DmSdp) slower = parse("m=image 4002 udptl t38\r\na=T38MaxBitRate:9600\r\n");

    g_test_summary("SIG-15, SIG-17: a refresh of T.38 is told from a change");

    g_assert_true(dm_sdp_same_media(a, same));
    g_assert_false(dm_sdp_same_media(a, slower));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp-t38/spelling", test_every_attribute_in_every_spelling);
    g_test_add_func("/sdp-t38/defaults", test_what_is_not_said_is_assumed);
    g_test_add_func("/sdp-t38/offer", test_offer_crosses);
    g_test_add_func("/sdp-t38/answer", test_answer_is_the_least_of_all);
    g_test_add_func("/sdp-t38/both", test_both_lines_in_one_offer);
    g_test_add_func("/sdp-t38/none", test_no_t38_where_it_is_not_wanted);
    g_test_add_func("/sdp-t38/back", test_back_to_speech);
    g_test_add_func("/sdp-t38/gateway", test_gateway_speaks_for_itself);
    g_test_add_func("/sdp-t38/side", test_media_hears_of_it);
    g_test_add_func("/sdp-t38/same", test_a_change_of_t38_is_a_change);
    return g_test_run();
}

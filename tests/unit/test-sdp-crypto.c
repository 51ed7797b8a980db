/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sdp/crypto.h"
#include "gateway/sdp/t38.h"

#define KEY_30 "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0"
#define KEY_46 "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6QUJDREVGR0hJSg=="
#define KEY_28 "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnM="
#define CM_80  "AES_CM_128_HMAC_SHA1_80"

static const DmSrtpSuite all_suites[] = {
    DM_SRTP_AES_CM_128_HMAC_SHA1_80,
    DM_SRTP_AES_256_CM_HMAC_SHA1_80,
    DM_SRTP_AEAD_AES_128_GCM,
};
static const DmCodec codecs[] = {DM_CODEC_PCMA};

static DmSdpPolicy
make_policy(DmSrtpPolicy srtp, const DmSdpKeying *keying)
{
    DmSdpPolicy policy = {
        .codecs = codecs,
        .n_codecs = 1,
        .srtp = srtp,
        .suites = all_suites,
        .n_suites = G_N_ELEMENTS(all_suites),
        .keying = keying,
    };

    dm_address_parse(&policy.local_rtp, "192.0.2.1", 30000);
    return policy;
}

static DmSdp *
parse(const char *media)
{
    g_autofree char *text =
        g_strconcat("v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\nt=0 0\r\n",
                    media,
                    NULL);
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

    dm_address_parse(&address, "192.0.2.1", 0);
    dm_sdp_print(sdp, &origin, &address, 1, text);
    dm_sdp_origin_clear(&origin);
    return g_string_free(text, FALSE);
}

/* An offer of one line with A-law and these attributes. */
static DmSdp *
offer_of(const char *proto, const char *attributes)
{
    g_autofree char *media = g_strdup_printf("m=audio 4000 %s 8\r\n%s", proto, attributes);

    return parse(media);
}

#define CRYPTO(tag, suite, key) "a=crypto:" tag " " suite " inline:" key "\r\n"

static void
test_lines_of_peers(void)
{
    static const struct {
        const char *value;
        DmSrtpSuite suite; /* DM_SRTP_NONE: passed over */
        unsigned mki_len;
    } cases[] = {
        {"1 " CM_80 " inline:" KEY_30, DM_SRTP_AES_CM_128_HMAC_SHA1_80, 0},
        {"2 AES_CM_128_HMAC_SHA1_32 inline:" KEY_30, DM_SRTP_AES_CM_128_HMAC_SHA1_32, 0},
        {"3 aes_cm_128_hmac_sha1_80 INLINE:" KEY_30 "|2^31", DM_SRTP_AES_CM_128_HMAC_SHA1_80, 0},
        {"4 " CM_80 " inline:" KEY_30 "|2^20|1:4", DM_SRTP_AES_CM_128_HMAC_SHA1_80, 4},
        {"5 " CM_80 " inline:" KEY_30 "|1:1", DM_SRTP_AES_CM_128_HMAC_SHA1_80, 1},
        {"6 " CM_80 " inline:" KEY_30 "|1048576|1:4;inline:" KEY_30 "|2^20|2:4",
         DM_SRTP_AES_CM_128_HMAC_SHA1_80,
         4},
        {"7 AES_256_CM_HMAC_SHA1_80 inline:" KEY_46, DM_SRTP_AES_256_CM_HMAC_SHA1_80, 0},
        {"8 AEAD_AES_128_GCM inline:" KEY_28, DM_SRTP_NONE, 0}, /* one byte too many */
        {"8 AEAD_AES_128_GCM inline:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcQ==",
         DM_SRTP_AEAD_AES_128_GCM,
         0},
        {"9 AEAD_AES_128_GCM inline:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcQ",
         DM_SRTP_AEAD_AES_128_GCM,
         0},
        {"1 " CM_80 " inline:" KEY_30 " WSH=128 -FOO", DM_SRTP_AES_CM_128_HMAC_SHA1_80, 0},
        {"1 " CM_80 " inline:" KEY_30 " UNENCRYPTED_SRTP", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:" KEY_30 " KDR=4", DM_SRTP_NONE, 0},
        {"1 AES_192_CM_HMAC_SHA1_80 inline:" KEY_30, DM_SRTP_NONE, 0},
        {"1 F8_128_HMAC_SHA1_80 inline:" KEY_30, DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:" KEY_30 "A", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:MDEyMzQ1", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:!DEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:" KEY_30 "|x", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:" KEY_30 "|1:0", DM_SRTP_NONE, 0},
        {"1 " CM_80 " inline:" KEY_30 "|1:129", DM_SRTP_NONE, 0},
        {"x " CM_80 " inline:" KEY_30, DM_SRTP_NONE, 0},
        {"1234567890 " CM_80 " inline:" KEY_30, DM_SRTP_NONE, 0},
        {"1 " CM_80, DM_SRTP_NONE, 0},
        {"", DM_SRTP_NONE, 0},
    };

    g_test_summary("SEC-2: what peers write in a=crypto; what is not known or not right is passed "
                   "over");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *value = g_strdup(cases[i].value);
        DmSdpCrypto crypto = {0};

        g_test_message("%s", cases[i].value);
        g_assert_true(dm_crypto_parse(value, &crypto) == (cases[i].suite != DM_SRTP_NONE));
        g_assert_cmpuint(crypto.key.suite, ==, cases[i].suite);
        g_assert_cmpuint(crypto.key.mki_len, ==, cases[i].mki_len);
        if (cases[i].suite != DM_SRTP_NONE) {
            g_assert_cmpuint(crypto.tag, ==, cases[i].value[0] - '0');
            g_assert_cmpmem(crypto.key.bytes, 16, "0123456789abcdef", 16);
        }
    }
}

static void
test_what_is_printed_is_read_again(void)
{
    static const DmSdpKeying keying = {.secret = {1, 2, 3}};
    DmSdpPolicy policy = make_policy(DM_SRTP_OFFER, &keying);
    g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    g_autofree char *text = print(offer);
    g_autoptr(DmSdp) again = dm_sdp_parse(text, strlen(text), NULL);

    g_test_summary("SEC-2: our offer lists the trunk's suites under keys and tags of their own");

    g_assert_nonnull(strstr(text, "m=audio 30000 RTP/SAVP 8 101\r\n"));
    g_assert_nonnull(strstr(text, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
    g_assert_nonnull(strstr(text, "a=crypto:3 AEAD_AES_128_GCM inline:"));
    g_assert_cmpuint(dm_sdp_media(again, 0)->n_crypto, ==, 3);
    g_assert_true(dm_crypto_equal(dm_sdp_media(offer, 0), dm_sdp_media(again, 0)));
    g_assert_true(memcmp(dm_sdp_media(offer, 0)->crypto[0].key.bytes,
                         dm_sdp_media(offer, 0)->crypto[1].key.bytes,
                         16) != 0);
}

static void
test_policies_toward_an_offer(void)
{
    static const char crypto[] = CRYPTO("7", CM_80, KEY_30);
    static const struct {
        DmSrtpPolicy policy;
        const char *proto, *attributes;
        DmSdpVerdict want;
        bool is_protected;
    } cases[] = {
        {DM_SRTP_OFF, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OFF, "RTP/AVP", crypto, DM_SDP_OK, false},
        {DM_SRTP_OFF, "RTP/SAVP", crypto, DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_OFFER, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OFFER, "RTP/AVP", crypto, DM_SDP_OK, true},
        {DM_SRTP_OFFER, "RTP/SAVP", crypto, DM_SDP_OK, true},
        {DM_SRTP_OFFER, "RTP/SAVPF", crypto, DM_SDP_OK, true},
        {DM_SRTP_OFFER, "RTP/SAVP", "", DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_REQUIRE, "RTP/AVP", "", DM_SDP_SRTP_REQUIRED, false},
        {DM_SRTP_REQUIRE, "RTP/AVP", crypto, DM_SDP_OK, true},
        {DM_SRTP_REQUIRE, "RTP/SAVP", crypto, DM_SDP_OK, true},
        {DM_SRTP_OPPORTUNISTIC, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OPPORTUNISTIC, "RTP/AVP", crypto, DM_SDP_OK, true},
        {DM_SRTP_OPPORTUNISTIC, "RTP/SAVP", crypto, DM_SDP_OK, true},
    };

    g_test_summary("SEC-2, RFC 8643: what each policy makes of plain RTP, SRTP, and keys in an "
                   "offer of plain RTP; the tag is the offer's, the profile too");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const DmSdpKeying keying = {.secret = {9}};
        DmSdpPolicy policy = make_policy(cases[i].policy, &keying);
        g_autoptr(DmSdp) offer = offer_of(cases[i].proto, cases[i].attributes);
        g_autoptr(DmSdp) answer = NULL;
        DmMediaSideSpec spec = {0};

        g_test_message("case %zu", i);
        g_assert_cmpint(dm_sdp_answer_across(offer, &policy, NULL, &answer), ==, cases[i].want);
        if (cases[i].want != DM_SDP_OK) {
            continue;
        }
        g_assert_cmpstr(dm_sdp_media(answer, 0)->proto_name, ==, cases[i].proto);
        g_assert_cmpuint(dm_sdp_media(answer, 0)->n_crypto, ==, cases[i].is_protected);
        g_assert_cmpint(dm_sdp_side_spec(answer, offer, &policy, &spec), ==, DM_SDP_OK);
        g_assert_true((spec.srtp_in.suite != DM_SRTP_NONE) == cases[i].is_protected);
        g_assert_true((spec.srtp_out.suite != DM_SRTP_NONE) == cases[i].is_protected);
        if (cases[i].is_protected) {
            g_assert_cmpuint(dm_sdp_media(answer, 0)->crypto[0].tag, ==, 7);
            g_assert_cmpmem(spec.srtp_in.bytes, 16, "0123456789abcdef", 16);
            g_assert_true(memcmp(spec.srtp_in.bytes, spec.srtp_out.bytes, 16) != 0);
        }
    }
}

static void
test_policies_in_our_offer(void)
{
    static const struct {
        DmSrtpPolicy policy;
        const char *proto;
        bool has_keys;
        const char *answer_proto, *answer_attributes;
        DmSdpVerdict want;
        bool is_protected;
    } cases[] = {
        {DM_SRTP_OFF, "RTP/AVP", false, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OFFER, "RTP/SAVP", true, "RTP/SAVP", CRYPTO("1", CM_80, KEY_30), DM_SDP_OK, true},
        {DM_SRTP_OFFER, "RTP/SAVP", true, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OFFER, "RTP/SAVP", true, "RTP/SAVP", "", DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_OFFER,
         "RTP/SAVP",
         true,
         "RTP/SAVP",
         CRYPTO("9", CM_80, KEY_30), /* no such tag, and yet clear */
         DM_SDP_OK,
         true},
        {DM_SRTP_REQUIRE, "RTP/SAVP", true, "RTP/AVP", "", DM_SDP_SRTP_REQUIRED, false},
        {DM_SRTP_OPPORTUNISTIC, "RTP/AVP", true, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_OPPORTUNISTIC,
         "RTP/AVP",
         true,
         "RTP/AVP",
         CRYPTO("1", CM_80, KEY_30),
         DM_SDP_OK,
         true},
    };

    g_test_summary("SEC-2: what we offer under each policy, and what answers to it mean");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const DmSdpKeying keying = {.secret = {9}};
        DmSdpPolicy policy = make_policy(cases[i].policy, &keying);
        g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
        g_autoptr(DmSdp) answer = offer_of(cases[i].answer_proto, cases[i].answer_attributes);
        DmMediaSideSpec spec = {0};

        g_test_message("case %zu", i);
        g_assert_cmpstr(dm_sdp_media(offer, 0)->proto_name, ==, cases[i].proto);
        g_assert_true((dm_sdp_media(offer, 0)->n_crypto > 0) == cases[i].has_keys);
        g_assert_cmpint(dm_sdp_side_spec(offer, answer, &policy, &spec), ==, cases[i].want);
        g_assert_true((spec.srtp_in.suite != DM_SRTP_NONE) == cases[i].is_protected);
    }
}

static void
test_the_best_that_was_offered_is_taken(void)
{
    static const DmSdpKeying keying = {.secret = {9}};
    DmSdpPolicy policy = make_policy(DM_SRTP_OFFER, &keying);
    g_autoptr(DmSdp) offer = offer_of(
        "RTP/SAVP",
        CRYPTO("1", "AES_192_CM_HMAC_SHA1_80", KEY_30) CRYPTO("2", CM_80, KEY_30 "|2^20|1:4")
            CRYPTO("3", "AES_256_CM_HMAC_SHA1_80", KEY_46) CRYPTO("4", CM_80, KEY_30));
    g_autoptr(DmSdp) both =
        parse("m=audio 4000 RTP/AVP 8\r\nm=audio 4002 RTP/SAVP 8\r\n" CRYPTO("1", CM_80, KEY_30));
    g_autoptr(DmSdp) answer = NULL;
    g_autoptr(DmSdp) second = NULL;

    g_test_summary(
        "SEC-2: the first suite we know without an identifier of keys; and the protected "
        "one of two lines");

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, NULL, &answer), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(answer, 0)->crypto[0].tag, ==, 3);
    g_assert_cmpint(dm_sdp_answer_across(both, &policy, NULL, &second), ==, DM_SDP_OK);
    g_assert_cmpuint(dm_sdp_media(second, 0)->port, ==, 0);
    g_assert_cmpuint(dm_sdp_media(second, 1)->port, ==, 30000);
}

/* One exchange in which the peer offers with @attributes; returns our key. */
static DmSrtpKey
answer_and_agree(DmSdpKeying *keying, const char *attributes, DmSdp **out_answer)
{
    DmSdpPolicy policy = make_policy(DM_SRTP_REQUIRE, keying);
    g_autoptr(DmSdp) offer = offer_of("RTP/SAVP", attributes);
    g_autoptr(DmSdp) answer = NULL;
    DmMediaSideSpec spec = {0};

    g_assert_cmpint(dm_sdp_answer_across(offer, &policy, NULL, &answer), ==, DM_SDP_OK);
    g_assert_cmpint(dm_sdp_side_spec(answer, offer, &policy, &spec), ==, DM_SDP_OK);
    dm_sdp_keying_agreed(keying, offer, &spec, true);
    if (out_answer != NULL) {
        *out_answer = g_steal_pointer(&answer);
    }
    return spec.srtp_out;
}

static void
test_our_key_changes_with_the_peers(void)
{
    static const char other_key[] = "AAAyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0";
    g_autofree char *rekeyed = g_strconcat("a=crypto:1 " CM_80 " inline:", other_key, "\r\n", NULL);
    DmSdpKeying keying = {.secret = {9}};
    DmSdpKeying stranger = {.secret = {8}};
    DmSdpPolicy policy = make_policy(DM_SRTP_REQUIRE, &keying);
    g_autoptr(DmSdp) answer = NULL;
    g_autoptr(DmSdp) offer = NULL;
    DmSrtpKey first = answer_and_agree(&keying, CRYPTO("1", CM_80, KEY_30), NULL);
    DmSrtpKey held =
        answer_and_agree(&keying, CRYPTO("1", CM_80, KEY_30) "a=sendonly\r\n", &answer);
    DmSrtpKey next;

    g_test_summary("SEC-2: the same key for a hold or refresh, a new one when the peer brings a "
                   "new one, another one on every leg; our own offers keep what is in use");

    g_assert_cmpmem(&held, sizeof held, &first, sizeof first);
    offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, answer);
    g_assert_true(dm_crypto_equal(dm_sdp_media(offer, 0), dm_sdp_media(answer, 0)));

    next = answer_and_agree(&keying, rekeyed, NULL);
    g_assert_true(memcmp(&next, &first, sizeof next) != 0);
    held = answer_and_agree(&keying, rekeyed, NULL);
    g_assert_cmpmem(&held, sizeof held, &next, sizeof next);
    held = answer_and_agree(&stranger, CRYPTO("1", CM_80, KEY_30), NULL);
    g_assert_true(memcmp(&held, &first, sizeof held) != 0);
}

static void
test_speech_after_fax_has_its_key_again(void)
{
    DmSdpKeying keying = {.secret = {9}};
    DmSdpPolicy policy = make_policy(DM_SRTP_OFFER, &keying);
    g_autoptr(DmSdp) answer = NULL;
    g_autoptr(DmSdp) fax = NULL;
    g_autoptr(DmSdp) speech = NULL;
    g_autoptr(DmSdp) other = offer_of("RTP/AVP", "");
    DmSrtpKey first = answer_and_agree(&keying, CRYPTO("1", CM_80, KEY_30), &answer);

    g_test_summary("SEC-2, FAX-2: SRTP, then T.38 in its place, then SRTP as it was: the same key, "
                   "so that the count can go on");

    policy.has_t38 = true;
    fax = dm_t38_offer_from_policy(&policy, answer);
    g_assert_cmpuint(dm_sdp_media(fax, 0)->port, ==, 0);
    g_assert_cmpint(dm_sdp_offer_across(other, &policy, fax, &speech), ==, DM_SDP_OK);
    g_assert_cmpstr(dm_sdp_media(speech, 0)->proto_name, ==, "RTP/SAVP");
    g_assert_cmpuint(dm_sdp_media(speech, 0)->n_crypto, ==, G_N_ELEMENTS(all_suites));
    g_assert_cmpmem(&dm_sdp_media(speech, 0)->crypto[0].key, sizeof first, &first, sizeof first);
}

static void
test_a_new_key_is_a_change(void)
{
    g_autoptr(DmSdp) a = offer_of("RTP/SAVP", CRYPTO("1", CM_80, KEY_30));
    g_autoptr(DmSdp) b = offer_of("RTP/SAVP", CRYPTO("1", CM_80, KEY_30));
    g_autoptr(DmSdp) c =
        offer_of("RTP/SAVP", CRYPTO("1", CM_80, "AAAyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0"));

    g_test_summary("SIG-14: a description with another key is no refresh");

    g_assert_true(dm_sdp_same_media(a, b));
    g_assert_false(dm_sdp_same_media(a, c));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp-crypto/lines", test_lines_of_peers);
    g_test_add_func("/sdp-crypto/print", test_what_is_printed_is_read_again);
    g_test_add_func("/sdp-crypto/policies", test_policies_toward_an_offer);
    g_test_add_func("/sdp-crypto/offers", test_policies_in_our_offer);
    g_test_add_func("/sdp-crypto/best", test_the_best_that_was_offered_is_taken);
    g_test_add_func("/sdp-crypto/rekey", test_our_key_changes_with_the_peers);
    g_test_add_func("/sdp-crypto/after-fax", test_speech_after_fax_has_its_key_again);
    g_test_add_func("/sdp-crypto/same", test_a_new_key_is_a_change);
    return g_test_run();
}

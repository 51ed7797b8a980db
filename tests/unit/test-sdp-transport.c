/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sdp/negotiate.h"

/* 32 bytes, 01 02 ... and 64 bytes of it */
#define BYTES_8(n) #n "1:" #n "2:" #n "3:" #n "4:" #n "5:" #n "6:" #n "7:" #n "8"
#define SHA_256    "sha-256 " BYTES_8(0) ":" BYTES_8(1) ":" BYTES_8(2) ":" BYTES_8(3)
#define SHA_256B   "SHA-256 " BYTES_8(A) ":" BYTES_8(1) ":" BYTES_8(2) ":" BYTES_8(3)
#define SHA_384                                                                                    \
    "sha-384 " BYTES_8(a) ":" BYTES_8(b) ":" BYTES_8(c) ":" BYTES_8(d) ":" BYTES_8(e) ":" BYTES_8(f)
#define SHA_512                                                                                    \
    "sha-512 " BYTES_8(b) ":" BYTES_8(1) ":" BYTES_8(2) ":" BYTES_8(3) ":" BYTES_8(4) ":" BYTES_8( \
        5) ":" BYTES_8(6) ":" BYTES_8(7)
#define SHA_1 "sha-1 " BYTES_8(0) ":" BYTES_8(1) ":01:02:03:04"

#define FINGERPRINT "a=fingerprint:" SHA_256 "\r\n"
#define DTLS        FINGERPRINT "a=setup:actpass\r\n"
#define ICE         "a=ice-ufrag:4ZcD\r\na=ice-pwd:2/1muCWoOi3uLifh0NuRHlyQ\r\n"
#define ICE_2       "a=ice-ufrag:9uB6\r\na=ice-pwd:another1muCWoOi3uLifh0NuR\r\n"
#define KEY         "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0\r\n"

#define TLS_SAVP "UDP/TLS/RTP/SAVP"

static const DmSrtpSuite suites[] = {
    DM_SRTP_AES_256_CM_HMAC_SHA1_80,
    DM_SRTP_AES_CM_128_HMAC_SHA1_80,
};
static const DmCodec codecs[] = {DM_CODEC_PCMA};

static DmSdpPolicy
make_policy(const DmSdpKeying *keying)
{
    DmSdpPolicy policy = {
        .codecs = codecs,
        .n_codecs = 1,
        .srtp = DM_SRTP_REQUIRE,
        .keys_by = DM_SRTP_BY_DTLS,
        .fingerprint = {.hash = DM_FINGERPRINT_SHA_256, .bytes = {0xda, 0xca}},
        .has_ice = true,
        .keys = DM_KEYS_TONES,
        .suites = suites,
        .n_suites = G_N_ELEMENTS(suites),
        .keying = keying,
    };

    dm_address_parse(&policy.local_rtp, "192.0.2.1", 30000);
    return policy;
}

/* One line of A-law with these attributes, under these of the session. */
static DmSdp *
describe(const char *session, const char *proto, const char *attributes)
{
    g_autofree char *text =
        g_strdup_printf("v=0\r\no=- 1 1 IN IP4 203.0.113.9\r\ns=-\r\nc=IN IP4 203.0.113.9\r\n"
                        "t=0 0\r\n%sm=audio 4000 %s 8\r\n%s",
                        session,
                        proto,
                        attributes);
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

static void
assert_has(const char *text, const char *line)
{
    g_autofree char *whole = g_strdup_printf("\r\n%s\r\n", line);

    if (strstr(text, whole) == NULL) {
        g_error("no \"%s\" in:\n%s", line, text);
    }
}

static void
test_an_offer_has_both(void)
{
    static const DmSdpKeying keying = {.secret = {1}};
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    g_autoptr(DmSdp) again = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, offer);
    g_autofree char *text = print(offer);

    g_test_summary("RFC 5763, 5 and RFC 8839, 4.2: what an offer with DTLS-SRTP and ICE says, and "
                   "says again (SEC-2 SIG-14)");

    assert_has(text, "m=audio 30000 UDP/TLS/RTP/SAVP 8");
    assert_has(text, "a=ice-lite");
    assert_has(text, "a=setup:actpass");
    assert_has(text, "a=rtcp-mux");
    assert_has(text, "a=candidate:1 1 UDP 2130706431 192.0.2.1 30000 typ host");
    assert_has(text, "a=end-of-candidates");
    g_assert_nonnull(strstr(text, "a=fingerprint:sha-256 DA:CA:00:00:"));
    g_assert_nonnull(strstr(text, "a=tls-id:"));
    assert_has(text, "a=candidate:1 2 UDP 2130706430 192.0.2.1 30001 typ host"); /* no rtcp-mux */
    g_assert_null(strstr(text, "a=crypto"));
    g_assert_true(strstr(text, "a=ice-lite") < strstr(text, "m=audio"));
    g_assert_true(dm_sdp_same_media(offer, again));
}

static void
test_either_goes_without_the_other(void)
{
    static const DmSdpKeying keying = {.secret = {1}};
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = NULL;
    g_autoptr(DmSdp) plain = NULL;
    g_autofree char *text = NULL;
    g_autofree char *plain_text = NULL;

    g_test_summary("Two switches: ICE with keys in SDP (Teams), and DTLS-SRTP without ICE");

    policy.keys_by = DM_SRTP_BY_SDES;
    offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    text = print(offer);
    assert_has(text, "m=audio 30000 RTP/SAVP 8");
    assert_has(text, "a=candidate:1 1 UDP 2130706431 192.0.2.1 30000 typ host");
    assert_has(text, "a=candidate:1 2 UDP 2130706430 192.0.2.1 30001 typ host");
    g_assert_nonnull(strstr(text, "a=crypto:1 "));
    g_assert_null(strstr(text, "a=fingerprint"));

    policy = make_policy(&keying);
    policy.has_ice = false;
    policy.srtp = DM_SRTP_OPPORTUNISTIC;
    plain = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    plain_text = print(plain);
    assert_has(plain_text, "m=audio 30000 RTP/AVP 8"); /* RFC 8643 */
    g_assert_nonnull(strstr(plain_text, "a=fingerprint:sha-256 DA:CA:00:00:"));
    g_assert_null(strstr(plain_text, "ice"));
}

/* Our answer to one line, and what media hear of it. */
static DmSdpVerdict
answer(const DmSdpPolicy *policy, const DmSdp *offer, DmSdp **out, DmMediaSideSpec *spec)
{
    DmSdpVerdict verdict = dm_sdp_answer_across(offer, policy, NULL, out);

    *spec = (DmMediaSideSpec){0};
    return verdict == DM_SDP_OK ? dm_sdp_side_spec(*out, offer, policy, spec) : verdict;
}

static void
test_the_best_fingerprint_counts(void)
{
    static const struct {
        const char *session, *media;
        DmFingerprintHash want;
        uint8_t first;
    } cases[] = {
        {"", "a=fingerprint:" SHA_256 "\r\n", DM_FINGERPRINT_SHA_256, 0x01},
        {"", "a=fingerprint:" SHA_256B "\r\n", DM_FINGERPRINT_SHA_256, 0xa1},
        {"a=fingerprint:" SHA_256 "\r\n", "", DM_FINGERPRINT_SHA_256, 0x01},
        {"a=fingerprint:" SHA_384 "\r\n",
         "a=fingerprint:" SHA_256B "\r\n",
         DM_FINGERPRINT_SHA_256,
         0xa1},
        {"",
         "a=fingerprint:" SHA_256 "\r\na=fingerprint:" SHA_384 "\r\n",
         DM_FINGERPRINT_SHA_384,
         0xa1},
        {"",
         "a=fingerprint:" SHA_384 "\r\na=fingerprint:" SHA_1 "\r\n",
         DM_FINGERPRINT_SHA_384,
         0xa1},
        {"",
         "a=fingerprint:" SHA_1 "\r\na=fingerprint:" SHA_512 "\r\na=fingerprint:" SHA_256 "\r\n",
         DM_FINGERPRINT_SHA_512,
         0xb1},
        {"", "a=fingerprint:" SHA_1 "\r\n", DM_FINGERPRINT_NONE, 0},
        {"", "a=fingerprint:md5 01:02\r\n", DM_FINGERPRINT_NONE, 0},
        {"", "a=fingerprint:sha-256 01:02\r\n", DM_FINGERPRINT_NONE, 0},
        {"", "a=fingerprint:" SHA_256 ":00\r\n", DM_FINGERPRINT_NONE, 0},
        {"", "", DM_FINGERPRINT_NONE, 0},
    };

    g_test_summary("RFC 8122, 5: of several fingerprints the best; one of SHA-1 is none, and so is "
                   "half of one; that of the line goes before that of the session");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const DmSdpKeying keying = {.secret = {1}};
        DmSdpPolicy policy = make_policy(&keying);
        g_autoptr(DmSdp) offer = describe(cases[i].session, TLS_SAVP, cases[i].media);
        g_autoptr(DmSdp) ours = NULL;
        DmMediaSideSpec spec;
        bool has = cases[i].want != DM_FINGERPRINT_NONE;

        g_assert_cmpint(answer(&policy, offer, &ours, &spec),
                        ==,
                        has ? DM_SDP_OK : DM_SDP_SRTP_UNSUPPORTED);
        g_assert_cmpint(spec.dtls.peer.hash, ==, cases[i].want);
        g_assert_cmphex(spec.dtls.peer.bytes[0], ==, cases[i].first);
    }
}

static void
test_who_begins(void)
{
    static const struct {
        const char *offered;
        const char *answered;
        DmDtlsRole role;
    } cases[] = {
        {"a=setup:actpass\r\n", "a=setup:active", DM_DTLS_ACTIVE},
        {"a=setup:active\r\n", "a=setup:passive", DM_DTLS_PASSIVE},
        {"a=setup:passive\r\n", "a=setup:active", DM_DTLS_ACTIVE},
        {"", "a=setup:active", DM_DTLS_ACTIVE},
    };
    static const DmSdpKeying keying = {.secret = {1}};
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_BOTH, NULL);
    g_autoptr(DmSdp) active = describe("", TLS_SAVP, FINGERPRINT "a=setup:active\r\n");
    g_autoptr(DmSdp) passive = describe("", TLS_SAVP, FINGERPRINT "a=setup:passive\r\n");
    g_autoptr(DmSdp) neither = describe("", TLS_SAVP, DTLS);
    DmMediaSideSpec spec;

    g_test_summary("RFC 5763, 5: which part is ours, in an answer and after one, even one that "
                   "leaves it open against the rules");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *attributes = g_strconcat(FINGERPRINT, cases[i].offered, NULL);
        g_autoptr(DmSdp) theirs = describe("", TLS_SAVP, attributes);
        g_autoptr(DmSdp) ours = NULL;
        g_autofree char *text = NULL;

        g_assert_cmpint(answer(&policy, theirs, &ours, &spec), ==, DM_SDP_OK);
        text = print(ours);
        assert_has(text, cases[i].answered);
        g_assert_cmpint(spec.dtls.role, ==, cases[i].role);
    }
    g_assert_cmpint(dm_sdp_side_spec(offer, active, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.dtls.role, ==, DM_DTLS_PASSIVE);
    g_assert_cmpint(dm_sdp_side_spec(offer, passive, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.dtls.role, ==, DM_DTLS_ACTIVE);
    g_assert_cmpint(dm_sdp_side_spec(offer, neither, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.dtls.role, ==, DM_DTLS_ACTIVE);
}

static void
test_rtcp_on_a_port_of_its_own(void)
{
    static const DmSdpKeying keying = {.secret = {1}};

    g_test_summary("RFC 5761, 5.1.3 and RFC 8839, 4.2.2: a peer without rtcp-mux gets an answer "
                   "without, and with the second component (SEC-2)");

    for (unsigned mux = 0; mux < 2; mux++) {
        DmSdpPolicy policy = make_policy(&keying);
        g_autoptr(DmSdp) offer = describe("", TLS_SAVP, mux ? DTLS ICE "a=rtcp-mux\r\n" : DTLS ICE);
        g_autoptr(DmSdp) ours = NULL;
        g_autofree char *text = NULL;
        DmMediaSideSpec spec;

        g_assert_cmpint(answer(&policy, offer, &ours, &spec), ==, DM_SDP_OK);
        text = print(ours);
        g_assert_cmpint(strstr(text, "a=rtcp-mux") != NULL, ==, mux);
        g_assert_cmpint(strstr(text, "a=candidate:1 2 UDP") == NULL, ==, mux);
        g_assert_cmpint(spec.rtcp_mux, ==, mux);
    }
}

static void
test_what_is_the_peers_stays_there(void)
{
    static const DmSdpKeying keying = {.secret = {1}};
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = describe(
        "a=ice-options:trickle ice2\r\n",
        TLS_SAVP,
        DTLS ICE "a=rtcp-mux\r\na=candidate:1 1 UDP 2130706431 203.0.113.9 4000 typ host\r\n"
                 "a=remote-candidates:1 192.0.2.1 30000\r\n");
    g_autoptr(DmSdp) ours = NULL;
    g_autofree char *text = NULL;
    DmMediaSideSpec spec;

    g_test_summary("RFC 8839, 4.2.3: a full agent that has chosen says so with remote-candidates, "
                   "and gets our one candidate; RFC 8840, 3: trickle is never ours to offer");

    g_assert_cmpint(answer(&policy, offer, &ours, &spec), ==, DM_SDP_OK);
    text = print(ours);
    assert_has(text, "a=candidate:1 1 UDP 2130706431 192.0.2.1 30000 typ host");
    assert_has(text, "a=end-of-candidates");
    g_assert_null(strstr(text, "remote-candidates"));
    g_assert_null(strstr(text, "ice-options"));
    g_assert_null(strstr(text, "203.0.113.9"));
}

static void
test_a_peer_behind_nat_begins(void)
{
    static const DmSdpKeying keying = {.secret = {1}};
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = describe("", TLS_SAVP, DTLS);
    g_autoptr(DmSdp) ours = NULL;
    DmMediaSideSpec spec;

    g_test_summary("Where only the peer knows the way, it begins (MED-4)");

    policy.has_ice = false;
    policy.nat = DM_NAT_ANY;
    g_assert_cmpint(answer(&policy, offer, &ours, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.dtls.role, ==, DM_DTLS_PASSIVE);
}

static void
test_policies(void)
{
    static const struct {
        DmSrtpPolicy srtp;
        DmSrtpKeying keys_by;
        const char *proto, *attributes;
        DmSdpVerdict want;
        bool is_dtls;
    } cases[] = {
        {DM_SRTP_REQUIRE, DM_SRTP_BY_DTLS, TLS_SAVP, DTLS, DM_SDP_OK, true},
        {DM_SRTP_OFFER, DM_SRTP_BY_DTLS, "UDP/TLS/RTP/SAVPF", DTLS, DM_SDP_OK, true},
        {DM_SRTP_OFFER, DM_SRTP_BY_DTLS, "RTP/SAVPF", DTLS, DM_SDP_OK, true},
        {DM_SRTP_OPPORTUNISTIC, DM_SRTP_BY_DTLS, "RTP/AVP", DTLS, DM_SDP_OK, true},
        {DM_SRTP_OFFER, DM_SRTP_BY_DTLS, "RTP/AVP", "", DM_SDP_OK, false},
        {DM_SRTP_REQUIRE, DM_SRTP_BY_DTLS, "RTP/AVP", "", DM_SDP_SRTP_REQUIRED, false},
        {DM_SRTP_REQUIRE, DM_SRTP_BY_DTLS, "RTP/SAVP", KEY, DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_REQUIRE, DM_SRTP_BY_SDES, TLS_SAVP, DTLS, DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_REQUIRE, DM_SRTP_BY_SDES, "RTP/SAVP", KEY DTLS, DM_SDP_OK, false},
        {DM_SRTP_OFF, DM_SRTP_BY_DTLS, TLS_SAVP, DTLS, DM_SDP_SRTP_UNSUPPORTED, false},
        {DM_SRTP_OFF, DM_SRTP_BY_DTLS, "RTP/AVP", DTLS, DM_SDP_OK, false},
    };

    g_test_summary("SEC-2: off, offer, require and opportunistic hold whichever way the keys come");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const DmSdpKeying keying = {.secret = {1}};
        DmSdpPolicy policy = make_policy(&keying);
        g_autoptr(DmSdp) offer = describe("", cases[i].proto, cases[i].attributes);
        g_autoptr(DmSdp) ours = NULL;
        DmMediaSideSpec spec;

        policy.srtp = cases[i].srtp;
        policy.keys_by = cases[i].keys_by;
        g_assert_cmpint(answer(&policy, offer, &ours, &spec), ==, cases[i].want);
        g_assert_cmpint(spec.dtls.role != DM_DTLS_OFF, ==, cases[i].is_dtls);
    }
}

/* One exchange in which the peer offers; what media hear of it. */
static DmMediaSideSpec
exchange(DmSdpKeying *keying, const char *attributes, DmSdp **out)
{
    DmSdpPolicy policy = make_policy(keying);
    g_autoptr(DmSdp) offer = describe("", TLS_SAVP, attributes);
    DmMediaSideSpec spec;

    g_assert_cmpint(answer(&policy, offer, out, &spec), ==, DM_SDP_OK);
    dm_sdp_keying_agreed(keying, offer, &spec, true);
    return spec;
}

static void
test_what_begins_anew(void)
{
    DmSdpKeying keying = {.secret = {1}, .leg = 77};
    DmSdp *sdp[5];
    DmMediaSideSpec first = exchange(&keying, DTLS ICE, &sdp[0]);
    DmMediaSideSpec same = exchange(&keying, DTLS ICE, &sdp[1]);
    DmMediaSideSpec restart = exchange(&keying, DTLS ICE_2, &sdp[2]);
    DmMediaSideSpec other =
        exchange(&keying, "a=fingerprint:" SHA_256B "\r\na=setup:actpass\r\n" ICE_2, &sdp[3]);
    DmMediaSideSpec other_id = exchange(
        &keying,
        "a=fingerprint:" SHA_256B "\r\na=setup:actpass\r\na=tls-id:abcdefghijklmnopqrst\r\n" ICE_2,
        &sdp[4]);

    g_test_summary("RFC 8445, 9 and RFC 8842, 4: the same offer gets the same answer; a restart of "
                   "ICE leaves the keys, another fingerprint or tls-id takes another handshake");

    g_assert_true(dm_sdp_same_media(sdp[0], sdp[1]));
    g_assert_cmpstr(first.ice.pwd, ==, same.ice.pwd);
    g_assert_cmpuint(strlen(first.ice.ufrag), ==, DM_ICE_UFRAG_LEN);
    g_assert_cmpuint(strlen(first.ice.pwd), ==, DM_ICE_PWD_LEN);
    g_assert_cmpuint(first.dtls.association, ==, same.dtls.association);

    g_assert_cmpstr(restart.ice.ufrag, !=, same.ice.ufrag);
    g_assert_cmpstr(restart.ice.pwd, !=, same.ice.pwd);
    g_assert_cmpuint(restart.dtls.association, ==, same.dtls.association);

    g_assert_cmpstr(other.ice.pwd, ==, restart.ice.pwd);
    g_assert_cmpuint(other.dtls.association, !=, restart.dtls.association);
    g_assert_cmpuint(other_id.dtls.association, !=, other.dtls.association);
    for (unsigned i = 0; i < G_N_ELEMENTS(sdp); i++) {
        dm_sdp_unref(sdp[i]);
    }
}

static void
test_a_taken_part_begins_anew(void)
{
    DmSdpKeying keying = {.secret = {1}};
    DmSdp *ours[3];
    DmMediaSideSpec first = exchange(&keying, DTLS ICE, &ours[0]);
    DmMediaSideSpec other = exchange(&keying, FINGERPRINT "a=setup:active\r\n" ICE, &ours[1]);
    DmMediaSideSpec again = exchange(&keying, FINGERPRINT "a=setup:active\r\n" ICE, &ours[2]);

    g_test_summary("RFC 8842, 5.5: a peer that takes the part that was ours begins another "
                   "handshake; the same once more begins none");

    g_assert_cmpint(first.dtls.role, ==, DM_DTLS_ACTIVE);
    g_assert_cmpint(other.dtls.role, ==, DM_DTLS_PASSIVE);
    g_assert_cmpuint(other.dtls.association, !=, first.dtls.association);
    g_assert_cmpint(again.dtls.role, ==, DM_DTLS_PASSIVE);
    g_assert_cmpuint(again.dtls.association, ==, other.dtls.association);
    for (unsigned i = 0; i < G_N_ELEMENTS(ours); i++) {
        dm_sdp_unref(ours[i]);
    }
}

static void
test_a_new_offer_of_ours_begins_nothing(void)
{
    DmSdpKeying keying = {.secret = {1}};
    DmSdp *ours = NULL;
    DmMediaSideSpec first = exchange(&keying, FINGERPRINT "a=setup:active\r\n" ICE, &ours);
    DmSdpPolicy policy = make_policy(&keying);
    g_autoptr(DmSdp) offer = dm_sdp_offer_from_policy(&policy, DM_MEDIA_SEND, ours);
    g_autoptr(DmSdp) theirs = describe("", TLS_SAVP, FINGERPRINT "a=setup:active\r\n" ICE);
    DmMediaSideSpec spec;

    g_test_summary("SIG-16: hold from our side leaves handshake, part and credentials as they are");

    g_assert_cmpint(dm_sdp_side_spec(offer, theirs, &policy, &spec), ==, DM_SDP_OK);
    g_assert_cmpint(spec.dtls.role, ==, DM_DTLS_PASSIVE);
    g_assert_cmpuint(spec.dtls.association, ==, first.dtls.association);
    g_assert_cmpstr(spec.ice.pwd, ==, first.ice.pwd);
    dm_sdp_unref(ours);
}

static void
test_who_checks(void)
{
    static const struct {
        const char *session, *attributes;
        bool want;
    } cases[] = {
        {"", DTLS ICE, true},
        {ICE, DTLS, true},
        {"", DTLS, false},
        {"a=ice-lite\r\n", DTLS ICE, false},
        {"", DTLS "a=ice-ufrag:4ZcD\r\n", false},
    };

    g_test_summary("RFC 8445, 6.1.1: checks are waited for where the peer is to make some; two "
                   "lite sides send where signalling says");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const DmSdpKeying keying = {.secret = {1}};
        DmSdpPolicy policy = make_policy(&keying);
        g_autoptr(DmSdp) offer = describe(cases[i].session, TLS_SAVP, cases[i].attributes);
        g_autoptr(DmSdp) ours = NULL;
        DmMediaSideSpec spec;

        g_assert_cmpint(answer(&policy, offer, &ours, &spec), ==, DM_SDP_OK);
        g_assert_cmpint(spec.ice.ufrag[0] != '\0', ==, cases[i].want);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp-transport/offer", test_an_offer_has_both);
    g_test_add_func("/sdp-transport/switches", test_either_goes_without_the_other);
    g_test_add_func("/sdp-transport/fingerprint", test_the_best_fingerprint_counts);
    g_test_add_func("/sdp-transport/setup", test_who_begins);
    g_test_add_func("/sdp-transport/rtcp", test_rtcp_on_a_port_of_its_own);
    g_test_add_func("/sdp-transport/peers-own", test_what_is_the_peers_stays_there);
    g_test_add_func("/sdp-transport/taken", test_a_taken_part_begins_anew);
    g_test_add_func("/sdp-transport/nat", test_a_peer_behind_nat_begins);
    g_test_add_func("/sdp-transport/policy", test_policies);
    g_test_add_func("/sdp-transport/anew", test_what_begins_anew);
    g_test_add_func("/sdp-transport/hold", test_a_new_offer_of_ours_begins_nothing);
    g_test_add_func("/sdp-transport/checks", test_who_checks);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/crypto.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/sdp/filter.h"
#include "gateway/sdp/line.h"
#include "gateway/sdp/transport.h"

#define INLINE      "inline:"
#define MAX_TAG     999999999 /* nine digits */
#define MAX_MKI_LEN 128
#define MAX_WORDS   16

/*
 * Text
 */

/* The value of one character of base64, -1 for none. */
static int
base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* Exactly @len bytes; the padding is right, or left out as some peers do. */
static bool
decode_base64(const char *text, size_t n_text, uint8_t *out, size_t len)
{
    size_t n_digits = (len * 8 + 5) / 6;
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t n = 0;

    if (n_text != n_digits && n_text != (len + 2) / 3 * 4) {
        return false;
    }
    for (size_t i = n_digits; i < n_text; i++) {
        if (text[i] != '=') {
            return false;
        }
    }
    for (size_t i = 0; i < n_digits; i++) {
        int value = base64_value(text[i]);

        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8 && n < len) {
            n_bits -= 8;
            out[n++] = (uint8_t)(bits >> n_bits);
        }
    }
    return n == len;
}

static bool
parse_number(const char *text, uint64_t max, uint64_t *out)
{
    return g_ascii_string_to_unsigned(text, 10, 0, max, out, NULL);
}

static bool
parse_suite(const char *name, uint8_t *out)
{
    for (unsigned suite = 1; suite < DM_N_SRTP_SUITES; suite++) {
        if (g_ascii_strcasecmp(name, dm_srtp_suite_name((DmSrtpSuite)suite)) == 0) {
            *out = (uint8_t)suite;
            return true;
        }
    }
    return false;
}

/* "1:4": value and length of the identifier that the peer puts into its packets. */
static bool
parse_mki(const char *text, DmSrtpKey *key)
{
    const char *colon = strchr(text, ':');
    uint64_t len;

    if (!parse_number(colon + 1, MAX_MKI_LEN, &len) || len == 0) {
        return false;
    }
    key->mki_len = (uint8_t)len;
    return true;
}

/* "2^20" or a number of packets: we end no call for it. */
static bool
is_lifetime(const char *text)
{
    return *text != '\0' && text[strspn(text, "0123456789^")] == '\0';
}

/* "inline:KEY|LIFETIME|MKI:LENGTH", and behind a semicolon keys for later, which we leave out. */
static bool
parse_key(char *text, DmSrtpKey *key)
{
    g_auto(GStrv) parts = NULL;
    char *end = strchr(text, ';');

    if (end != NULL) {
        *end = '\0';
    }
    if (g_ascii_strncasecmp(text, INLINE, strlen(INLINE)) != 0) {
        return false;
    }
    parts = g_strsplit(text + strlen(INLINE), "|", 4);
    for (unsigned i = 1; parts[0] != NULL && parts[i] != NULL; i++) {
        bool is_fine =
            strchr(parts[i], ':') != NULL ? parse_mki(parts[i], key) : is_lifetime(parts[i]);

        if (!is_fine) {
            return false;
        }
    }
    return parts[0] != NULL && decode_base64(parts[0],
                                             strlen(parts[0]),
                                             key->bytes,
                                             dm_srtp_key_len((DmSrtpSuite)key->suite));
}

/* RFC 4568, 6.3: what we do not do must not be agreed on. A hint about the replay window changes
 * nothing, and what begins with a hyphen may be passed over. */
static bool
is_harmless(const char *parameter)
{
    return parameter[0] == '-' || g_ascii_strncasecmp(parameter, "WSH=", 4) == 0;
}

bool
dm_crypto_parse(char *value, DmSdpCrypto *out)
{
    DmSdpCrypto crypto = {0};
    char *words[MAX_WORDS + 1];
    unsigned n = dm_sdp_words(value, words, MAX_WORDS);
    uint64_t tag;

    if (n < 3 || n == MAX_WORDS || !parse_number(words[0], MAX_TAG, &tag) ||
        !parse_suite(words[1], &crypto.key.suite) || !parse_key(words[2], &crypto.key)) {
        return false;
    }
    for (unsigned i = 3; i < n; i++) {
        if (!is_harmless(words[i])) {
            return false;
        }
    }
    crypto.tag = (uint32_t)tag;
    *out = crypto;
    return true;
}

void
dm_crypto_print(GString *out, const DmSdpMedia *line)
{
    for (unsigned i = 0; i < line->n_crypto; i++) {
        DmSrtpSuite suite = (DmSrtpSuite)line->crypto[i].key.suite;
        g_autofree char *key = g_base64_encode(line->crypto[i].key.bytes, dm_srtp_key_len(suite));

        dm_text_add(out, "a=crypto:");
        dm_text_add_unsigned(out, line->crypto[i].tag);
        dm_text_add_all(out, " ", dm_srtp_suite_name(suite), " " INLINE, key, "\r\n", NULL);
        explicit_bzero(key, strlen(key));
    }
}

static bool
is_same_key(const DmSrtpKey *a, const DmSrtpKey *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool
dm_crypto_equal(const DmSdpMedia *a, const DmSdpMedia *b)
{
    if (a->n_crypto != b->n_crypto) {
        return false;
    }
    for (unsigned i = 0; i < a->n_crypto; i++) {
        if (a->crypto[i].tag != b->crypto[i].tag ||
            !is_same_key(&a->crypto[i].key, &b->crypto[i].key)) {
            return false;
        }
    }
    return true;
}

/*
 * Policy
 */

static bool
is_tls(const DmSdpMedia *line)
{
    return line->proto == DM_SDP_TLS_SAVP || line->proto == DM_SDP_TLS_SAVPF;
}

bool
dm_line_is_savp(const DmSdpMedia *line)
{
    return line->proto == DM_SDP_RTP_SAVP || line->proto == DM_SDP_RTP_SAVPF || is_tls(line);
}

static bool
allows(const DmSdpPolicy *policy, unsigned suite)
{
    for (unsigned i = 0; policy->srtp != DM_SRTP_OFF && i < policy->n_suites; i++) {
        if (policy->suites[i] == suite) {
            return true;
        }
    }
    return false;
}

/* The offerer's order counts (RFC 4568, 5.1.2); a key without identifier spares us that. */
static const DmSdpCrypto *
choose(const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    const DmSdpCrypto *with_mki = NULL;

    if (policy->keys_by != DM_SRTP_BY_SDES || is_tls(offered)) {
        return NULL;
    }
    for (unsigned i = 0; i < offered->n_crypto; i++) {
        const DmSdpCrypto *crypto = &offered->crypto[i];

        if (!allows(policy, crypto->key.suite)) {
            continue;
        }
        if (crypto->key.mki_len == 0) {
            return crypto;
        }
        with_mki = with_mki != NULL ? with_mki : crypto;
    }
    return with_mki;
}

bool
dm_crypto_protects(const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    return choose(offered, policy) != NULL || dm_dtls_protects(offered, policy);
}

DmSdpVerdict
dm_crypto_judge(const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    if (dm_crypto_protects(offered, policy)) {
        return DM_SDP_OK;
    }
    if (dm_line_is_savp(offered)) {
        return DM_SDP_SRTP_UNSUPPORTED;
    }
    return policy->srtp == DM_SRTP_REQUIRE ? DM_SDP_SRTP_REQUIRED : DM_SDP_OK;
}

/*
 * Keys of ours
 */

/* One key a suite and generation, from the leg's secret: said again it is the same without being
 * kept anywhere else. */
static DmSrtpKey
make_key(const DmSdpKeying *keying, uint32_t generation, unsigned suite)
{
    const struct {
        uint32_t generation, suite;
    } what = {generation, suite};
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA512, keying->secret, sizeof keying->secret);
    DmSrtpKey key = {.suite = (uint8_t)suite};
    uint8_t digest[64];
    gsize len = sizeof digest;

    g_hmac_update(hmac, (const guchar *)&what, sizeof what);
    g_hmac_get_digest(hmac, digest, &len);
    g_hmac_unref(hmac);
    memcpy(key.bytes, digest, dm_srtp_key_len((DmSrtpSuite)suite));
    explicit_bzero(digest, sizeof digest);
    return key;
}

static void
add_all_suites(DmSdpDraft *draft, DmSdpMedia *line, const DmSdpPolicy *policy)
{
    for (unsigned i = 0; i < policy->n_suites && i < DM_SDP_MAX_CRYPTO; i++) {
        DmSdpCrypto crypto = {
            .tag = i + 1,
            .key = make_key(policy->keying, policy->keying->generation, policy->suites[i]),
        };

        dm_sdp_draft_add_key(draft, line, &crypto);
    }
}

static void
set_proto(DmSdpMedia *line, DmSdpProto proto, const char *name)
{
    line->proto = proto;
    line->proto_name = name;
}

/* The same as below with keys by DTLS; a line that lives on is what it was as well. */
static void
offer_dtls(DmSdpMedia *line, const DmSdpPolicy *policy, const DmSdpMedia *previous)
{
    bool was_refused = previous != NULL && previous->port == 0;
    bool had_keys = previous != NULL && previous->dtls.fingerprint.hash != DM_FINGERPRINT_NONE;
    bool was_plain = previous != NULL && !dm_line_is_savp(previous) && !had_keys &&
                     !(was_refused && policy->keying->dtls_role != DM_DTLS_OFF);

    if (policy->srtp == DM_SRTP_OFF || was_plain) {
        return;
    }
    if (previous == NULL && policy->srtp != DM_SRTP_OPPORTUNISTIC) {
        set_proto(line, DM_SDP_TLS_SAVP, "UDP/TLS/RTP/SAVP");
    }
    dm_dtls_offer(line, policy);
}

void
dm_crypto_offer(DmSdpDraft *draft,
                DmSdpMedia *line,
                const DmSdpPolicy *policy,
                const DmSdpMedia *previous)
{
    if (policy->keys_by == DM_SRTP_BY_DTLS) {
        offer_dtls(line, policy, previous);
        return;
    }
    if (previous != NULL && previous->port != 0) {
        for (unsigned i = 0; i < previous->n_crypto; i++) {
            dm_sdp_draft_add_key(draft, line, &previous->crypto[i]);
        }
        return;
    }
    if (policy->srtp == DM_SRTP_OFF || policy->keying == NULL || policy->n_suites == 0) {
        return;
    }
    /* A line that comes back to life is what it was. */
    if (previous != NULL && !dm_line_is_savp(line) &&
        policy->keying->theirs.suite == DM_SRTP_NONE) {
        return;
    }
    if (previous == NULL && policy->srtp != DM_SRTP_OPPORTUNISTIC) {
        set_proto(line, DM_SDP_RTP_SAVP, "RTP/SAVP");
    }
    add_all_suites(draft, line, policy);
}

static uint32_t
generation_for(const DmSdpKeying *keying, const DmSrtpKey *theirs)
{
    bool is_new = keying->theirs.suite != DM_SRTP_NONE && !is_same_key(&keying->theirs, theirs);

    return keying->generation + is_new;
}

DmSdpVerdict
dm_crypto_answer(DmSdpDraft *draft,
                 DmSdpMedia *line,
                 const DmSdpMedia *offered,
                 const DmSdpPolicy *policy)
{
    const DmSdpCrypto *chosen = choose(offered, policy);
    DmSdpVerdict verdict = dm_crypto_judge(offered, policy);

    if (verdict == DM_SDP_OK && chosen != NULL && policy->keying != NULL) {
        uint32_t generation = generation_for(policy->keying, &chosen->key);
        DmSdpCrypto crypto = {
            .tag = chosen->tag,
            .key = make_key(policy->keying, generation, chosen->key.suite),
        };

        dm_sdp_draft_add_key(draft, line, &crypto);
    }
    if (verdict == DM_SDP_OK && dm_dtls_protects(offered, policy)) {
        dm_dtls_answer(line, offered, policy);
    }
    return verdict;
}

void
dm_sdp_keying_agreed(DmSdpKeying *keying,
                     const DmSdp *theirs,
                     const DmMediaSideSpec *agreed,
                     bool we_answered)
{
    DmSdpVerdict why;
    const DmSdpMedia *line = dm_line_find_audio(theirs, NULL, NULL, &why);

    if (line != NULL) {
        dm_transport_agreed(keying, line, agreed, we_answered);
    }
    if (agreed->srtp_in.suite == DM_SRTP_NONE) {
        return;
    }
    if (we_answered) {
        keying->generation = generation_for(keying, &agreed->srtp_in);
    }
    keying->theirs = agreed->srtp_in;
}

/*
 * Both
 */

/* The tag says which of the offer's the answer means; one that is wrong, where only one suite
 * fits, does not cost the call. */
static bool
find_pair(const DmSdpMedia *ours,
          const DmSdpMedia *theirs,
          bool by_tag,
          const DmSdpCrypto **out_ours,
          const DmSdpCrypto **out_theirs)
{
    for (unsigned i = 0; i < ours->n_crypto; i++) {
        for (unsigned k = 0; k < theirs->n_crypto; k++) {
            if (ours->crypto[i].key.suite == theirs->crypto[k].key.suite &&
                (!by_tag || ours->crypto[i].tag == theirs->crypto[k].tag)) {
                *out_ours = &ours->crypto[i];
                *out_theirs = &theirs->crypto[k];
                return true;
            }
        }
    }
    return false;
}

DmSdpVerdict
dm_crypto_side(const DmSdpMedia *ours,
               const DmSdpMedia *theirs,
               const DmSdpPolicy *policy,
               DmMediaSideSpec *out)
{
    const DmSdpCrypto *our_key;
    const DmSdpCrypto *their_key;

    if (dm_dtls_side(ours, theirs, policy, out)) {
        return DM_SDP_OK;
    }
    if (find_pair(ours, theirs, true, &our_key, &their_key) ||
        find_pair(ours, theirs, false, &our_key, &their_key)) {
        out->srtp_in = their_key->key;
        out->srtp_out = our_key->key;
        out->peer = policy->keying->leg;
        out->rekey_resets_roc = policy->rekey_resets_roc;
        return DM_SDP_OK;
    }
    if (policy->srtp == DM_SRTP_REQUIRE) {
        return DM_SDP_SRTP_REQUIRED;
    }
    /* Some peers answer an offer of SRTP as if it were one of RTP. */
    return dm_line_is_savp(theirs) ? DM_SDP_SRTP_UNSUPPORTED : DM_SDP_OK;
}

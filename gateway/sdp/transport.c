/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sdp/transport.h"

#include <string.h>

#include "gateway/base/text.h"
#include "gateway/sdp/session-priv.h"

/* RFC 8445, 5.1.2.2: one host candidate for each component has the highest priority there is. */
#define HOST_PRIORITY UINT32_C(2130706431)

#define TLS_ID_LEN 24 /* RFC 8842, 5.1 wants 20 to 255 characters */

/*
 * Text
 */

static const char *const setup_names[] = {
    [DM_SETUP_NONE] = "",
    [DM_SETUP_ACTPASS] = "actpass",
    [DM_SETUP_ACTIVE] = "active",
    [DM_SETUP_PASSIVE] = "passive",
    [DM_SETUP_HOLDCONN] = "holdconn",
};

/* In order of worth. Anything else, SHA-1 above all, proves nothing. */
static const char *const hash_names[DM_N_FINGERPRINT_HASHES] = {
    [DM_FINGERPRINT_NONE] = "",
    [DM_FINGERPRINT_SHA_256] = "sha-256",
    [DM_FINGERPRINT_SHA_384] = "sha-384",
    [DM_FINGERPRINT_SHA_512] = "sha-512",
};

/* Tells two texts apart, as far as it goes; 0 is no text. */
static uint32_t
mark_of(const char *text)
{
    return MAX(g_str_hash(text), 1);
}

static bool
parse_bytes(const char *text, uint8_t *out, unsigned len)
{
    for (unsigned i = 0; i < len; i++, text += 3) {
        char end = i + 1 < len ? ':' : '\0';

        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]) || text[2] != end) {
            return false;
        }
        out[i] = (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return true;
}

/* "sha-256 4A:AD:...". Of several the best one counts (RFC 8122, 5.1). */
static void
parse_fingerprint(DmSdpMedia *line, const char *value)
{
    DmFingerprint fingerprint = {0};

    for (unsigned hash = 1; hash < DM_N_FINGERPRINT_HASHES; hash++) {
        size_t len = strlen(hash_names[hash]);

        if (g_ascii_strncasecmp(value, hash_names[hash], len) == 0 && value[len] == ' ' &&
            hash > line->dtls.fingerprint.hash &&
            parse_bytes(value + len + 1,
                        fingerprint.bytes,
                        dm_fingerprint_len((DmFingerprintHash)hash))) {
            fingerprint.hash = (uint8_t)hash;
            line->dtls.fingerprint = fingerprint;
            return;
        }
    }
}

static void
parse_setup(DmSdpMedia *line, const char *value)
{
    for (unsigned i = 1; i < G_N_ELEMENTS(setup_names); i++) {
        if (g_ascii_strcasecmp(value, setup_names[i]) == 0) {
            line->dtls.setup = (uint8_t)i;
        }
    }
}

static void
parse_tls_id(DmSdpMedia *line, const char *value)
{
    line->dtls.id_mark = mark_of(value);
}

static void
parse_ufrag(DmSdpMedia *line, const char *value)
{
    line->ice.ufrag_mark = mark_of(value);
}

static void
parse_pwd(DmSdpMedia *line, const char *value)
{
    line->ice.pwd_mark = mark_of(value);
}

static void
parse_lite(DmSdpMedia *line, const char *value)
{
    line->ice.is_lite = true;
}

static const struct {
    const char *name;
    void (*parse)(DmSdpMedia *line, const char *value);
} attributes[] = {
    {"fingerprint:", parse_fingerprint},
    {"setup:", parse_setup},
    {"tls-id:", parse_tls_id},
    {"ice-ufrag:", parse_ufrag},
    {"ice-pwd:", parse_pwd},
    {"ice-lite", parse_lite},
};

static int
find_attribute(const char *attribute)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (g_str_has_prefix(attribute, attributes[i].name)) {
            return (int)i;
        }
    }
    return -1;
}

bool
dm_transport_is_attribute(const char *attribute)
{
    return find_attribute(attribute) >= 0;
}

void
dm_transport_parse(DmSdpMedia *line, const char *attribute)
{
    int i = find_attribute(attribute);

    if (i >= 0) {
        attributes[i].parse(line, attribute + strlen(attributes[i].name));
    }
}

static bool
has_ice(const DmSdpMedia *line)
{
    return line->ice.ufrag_mark != 0 && line->ice.pwd_mark != 0;
}

static bool
has_dtls(const DmSdpMedia *line)
{
    return line->dtls.fingerprint.hash != DM_FINGERPRINT_NONE;
}

static void
print_candidate(GString *out, unsigned component, const DmAddress *address, uint16_t port)
{
    char host[DM_ADDRESS_TEXT_MAX];

    dm_text_add(out, "a=candidate:1 ");
    dm_text_add_unsigned(out, component);
    dm_text_add(out, " UDP ");
    dm_text_add_unsigned(out, HOST_PRIORITY + 1 - component);
    dm_text_add_all(out, " ", dm_address_host(address, host), " ", NULL);
    dm_text_add_unsigned(out, port);
    dm_text_add(out, " typ host\r\n");
}

/* Which of the two components is meant is for the peer to find out: where it may refuse rtcp-mux,
 * the second is there as well (RFC 8839, 4.2.2). */
static void
print_ice(GString *out, const DmSdpMedia *line)
{
    dm_text_add_all(out,
                    "a=ice-ufrag:",
                    line->ice.ours.ufrag,
                    "\r\na=ice-pwd:",
                    line->ice.ours.pwd,
                    "\r\n",
                    NULL);
    print_candidate(out, 1, &line->connection, line->port);
    if (line->ice.has_rtcp) {
        print_candidate(out, 2, &line->connection, (uint16_t)(line->port + 1));
    }
    dm_text_add(out, "a=end-of-candidates\r\n");
}

static void
print_dtls(GString *out, const DmSdpMedia *line)
{
    const DmFingerprint *fingerprint = &line->dtls.fingerprint;
    unsigned len = dm_fingerprint_len((DmFingerprintHash)fingerprint->hash);

    dm_text_add_all(out, "a=fingerprint:", hash_names[fingerprint->hash], " ", NULL);
    for (unsigned i = 0; i < len; i++) {
        g_string_append_printf(out, i > 0 ? ":%02X" : "%02X", fingerprint->bytes[i]);
    }
    dm_text_add_all(out,
                    "\r\na=setup:",
                    setup_names[line->dtls.setup],
                    "\r\na=tls-id:",
                    line->dtls.id,
                    "\r\n",
                    NULL);
}

/* A peer's is not passed on: it would be about another path. */
static bool
has_own_ice(const DmSdpMedia *line)
{
    return line->ice.ours.ufrag[0] != '\0';
}

void
dm_transport_print(GString *out, const DmSdpMedia *line)
{
    if (line->dtls.id[0] != '\0') {
        print_dtls(out, line);
    }
    if (has_own_ice(line)) {
        print_ice(out, line);
    }
}

void
dm_transport_print_session(GString *out, const DmSdp *sdp)
{
    for (unsigned i = 0; i < sdp->n_media; i++) {
        if (sdp->media[i].port != 0 && has_own_ice(&sdp->media[i])) {
            dm_text_add(out, "a=ice-lite\r\n");
            return;
        }
    }
}

bool
dm_transport_equal(const DmSdpMedia *a, const DmSdpMedia *b)
{
    return a->ice.ufrag_mark == b->ice.ufrag_mark && a->ice.pwd_mark == b->ice.pwd_mark &&
           a->ice.is_lite == b->ice.is_lite && a->ice.has_rtcp == b->ice.has_rtcp &&
           a->dtls.setup == b->dtls.setup && a->dtls.id_mark == b->dtls.id_mark &&
           memcmp(&a->dtls.fingerprint, &b->dtls.fingerprint, sizeof a->dtls.fingerprint) == 0;
}

/*
 * What is ours
 */

/* Another address is another media session, which has none of what the one before agreed on. */
static void
derive(const DmSdpPolicy *policy, char what, uint32_t generation, char *out, unsigned len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const DmSdpKeying *keying = policy->keying;
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, keying->secret, sizeof keying->secret);
    char host[DM_ADDRESS_TEXT_MAX];
    uint8_t digest[32];
    gsize digest_len = sizeof digest;
    g_autofree char *text =
        g_strdup_printf("%c %u %s", what, generation, dm_address_text(&policy->local_rtp, host));

    g_hmac_update(hmac, (const guchar *)text, (gssize)strlen(text));
    g_hmac_get_digest(hmac, digest, &digest_len);
    g_hmac_unref(hmac);
    for (unsigned i = 0; i < len; i++) {
        out[i] = digits[digest[i] % 64]; /* six bits each: RFC 8445, 5.3 wants 128 of a password */
    }
    out[len] = '\0';
    explicit_bzero(digest, sizeof digest);
}

/*
 * ICE
 */

static bool
is_ice_restart(const DmSdpKeying *keying, const DmSdpMedia *theirs)
{
    return keying->ice_ufrag_mark != 0 && (keying->ice_ufrag_mark != theirs->ice.ufrag_mark ||
                                           keying->ice_pwd_mark != theirs->ice.pwd_mark);
}

static void
add_ice(DmSdpMedia *line, const DmSdpPolicy *policy, uint32_t generation)
{
    derive(policy, 'u', generation, line->ice.ours.ufrag, DM_ICE_UFRAG_LEN);
    derive(policy, 'p', generation, line->ice.ours.pwd, DM_ICE_PWD_LEN);
    line->ice.ufrag_mark = mark_of(line->ice.ours.ufrag);
    line->ice.pwd_mark = mark_of(line->ice.ours.pwd);
    line->ice.is_lite = true;
}

void
dm_ice_offer(DmSdpMedia *line, const DmSdpPolicy *policy, const DmSdpMedia *previous)
{
    bool was_without = previous != NULL && previous->port != 0 && !has_ice(previous);

    if (policy->has_ice && policy->keying != NULL && !was_without) {
        add_ice(line, policy, policy->keying->ice_generation);
        line->rtcp_mux = true;
        line->ice.has_rtcp = true;
    }
}

/* RFC 8445, 9: a restart of the peer's is one of ours. */
void
dm_ice_answer(DmSdpMedia *line, const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    if (policy->has_ice && policy->keying != NULL && has_ice(offered)) {
        const DmSdpKeying *keying = policy->keying;

        add_ice(line, policy, keying->ice_generation + is_ice_restart(keying, offered));
        line->ice.has_rtcp = !line->rtcp_mux;
    }
}

/* Between two lite sides nobody checks, and media go where signalling says (RFC 8445, 6.1.1). */
void
dm_ice_side(const DmSdpMedia *ours, const DmSdpMedia *theirs, DmMediaSideSpec *out)
{
    if (has_ice(ours) && has_ice(theirs) && !theirs->ice.is_lite) {
        out->ice = ours->ice.ours;
    }
}

/*
 * DTLS-SRTP
 */

static bool
has_profile(unsigned suite)
{
    return suite == DM_SRTP_AES_CM_128_HMAC_SHA1_80 || suite == DM_SRTP_AES_CM_128_HMAC_SHA1_32 ||
           suite == DM_SRTP_AEAD_AES_128_GCM || suite == DM_SRTP_AEAD_AES_256_GCM;
}

static bool
may_have_dtls(const DmSdpPolicy *policy)
{
    for (unsigned i = 0;
         policy->srtp != DM_SRTP_OFF && policy->keys_by == DM_SRTP_BY_DTLS && i < policy->n_suites;
         i++) {
        if (has_profile(policy->suites[i])) {
            return true;
        }
    }
    return false;
}

bool
dm_dtls_protects(const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    return may_have_dtls(policy) && has_dtls(offered);
}

/* RFC 8842, 4: with another certificate, another id, or the part of ours that is taken already,
 * nothing of the old handshake is left. */
static bool
is_same_association(const DmSdpKeying *keying, const DmSdpMedia *theirs)
{
    uint8_t taken = keying->dtls_role == DM_DTLS_ACTIVE ? DM_SETUP_ACTIVE : DM_SETUP_PASSIVE;

    return keying->dtls_role != DM_DTLS_OFF && keying->tls_id_mark == theirs->dtls.id_mark &&
           theirs->dtls.setup != taken &&
           memcmp(&keying->fingerprint, &theirs->dtls.fingerprint, sizeof keying->fingerprint) == 0;
}

static uint32_t
association_with(const DmSdpKeying *keying, const DmSdpMedia *theirs)
{
    bool is_new = keying->dtls_role != DM_DTLS_OFF && !is_same_association(keying, theirs);

    return keying->dtls_generation + is_new;
}

static void
add_dtls(DmSdpMedia *line, const DmSdpPolicy *policy, uint32_t generation, DmSdpSetup setup)
{
    line->dtls.fingerprint = policy->fingerprint;
    line->dtls.setup = (uint8_t)setup;
    derive(policy, 't', generation, line->dtls.id, TLS_ID_LEN);
    line->dtls.id_mark = mark_of(line->dtls.id);
}

void
dm_dtls_offer(DmSdpMedia *line, const DmSdpPolicy *policy)
{
    if (may_have_dtls(policy) && policy->keying != NULL &&
        policy->fingerprint.hash != DM_FINGERPRINT_NONE) {
        add_dtls(line, policy, policy->keying->dtls_generation, DM_SETUP_ACTPASS);
        line->rtcp_mux = true;
    }
}

/* RFC 5763, 5: the answerer had better begin, so that no time is lost; but not where we do not know
 * the way to a peer behind NAT, who does know the way to us. */
static DmSdpSetup
setup_for(const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    const DmSdpKeying *keying = policy->keying;

    switch ((DmSdpSetup)offered->dtls.setup) {
    case DM_SETUP_ACTIVE:
        return DM_SETUP_PASSIVE;
    case DM_SETUP_PASSIVE:
        return DM_SETUP_ACTIVE;
    case DM_SETUP_HOLDCONN:
    case DM_SETUP_ACTPASS:
    case DM_SETUP_NONE:
        break;
    }
    if (is_same_association(keying, offered)) {
        return keying->dtls_role == DM_DTLS_ACTIVE ? DM_SETUP_ACTIVE : DM_SETUP_PASSIVE;
    }
    return policy->nat == DM_NAT_ANY && !policy->has_ice ? DM_SETUP_PASSIVE : DM_SETUP_ACTIVE;
}

void
dm_dtls_answer(DmSdpMedia *line, const DmSdpMedia *offered, const DmSdpPolicy *policy)
{
    if (policy->keying != NULL && policy->fingerprint.hash != DM_FINGERPRINT_NONE) {
        add_dtls(line,
                 policy,
                 association_with(policy->keying, offered),
                 setup_for(offered, policy));
    }
}

/* Which part is ours; a peer that answers without saying its own is passive (RFC 4145, 4). */
static DmDtlsRole
role_of(const DmSdpMedia *ours, const DmSdpMedia *theirs)
{
    if (ours->dtls.setup == DM_SETUP_ACTPASS) {
        return theirs->dtls.setup == DM_SETUP_ACTIVE ? DM_DTLS_PASSIVE : DM_DTLS_ACTIVE;
    }
    return ours->dtls.setup == DM_SETUP_ACTIVE ? DM_DTLS_ACTIVE : DM_DTLS_PASSIVE;
}

bool
dm_dtls_side(const DmSdpMedia *ours,
             const DmSdpMedia *theirs,
             const DmSdpPolicy *policy,
             DmMediaSideSpec *out)
{
    const DmSdpKeying *keying = policy->keying;

    if (!has_dtls(ours) || !has_dtls(theirs)) {
        return false;
    }
    out->dtls = (DmDtlsSpec){
        .role = (uint8_t)(is_same_association(keying, theirs) ? keying->dtls_role
                                                              : role_of(ours, theirs)),
        .association = keying->leg + association_with(keying, theirs),
        .peer = theirs->dtls.fingerprint,
    };
    for (unsigned i = 0; i < policy->n_suites && i < G_N_ELEMENTS(out->dtls.suites); i++) {
        out->dtls.suites[out->dtls.n_suites++] = (uint8_t)policy->suites[i];
    }
    return true;
}

/*
 * Both
 */

void
dm_transport_agreed(DmSdpKeying *keying,
                    const DmSdpMedia *theirs,
                    const DmMediaSideSpec *agreed,
                    bool we_answered)
{
    if (has_ice(theirs)) {
        keying->ice_generation += we_answered && is_ice_restart(keying, theirs);
        keying->ice_ufrag_mark = theirs->ice.ufrag_mark;
        keying->ice_pwd_mark = theirs->ice.pwd_mark;
    }
    if (agreed->dtls.role != DM_DTLS_OFF) {
        keying->dtls_generation = agreed->dtls.association - keying->leg;
        keying->dtls_role = agreed->dtls.role;
        keying->fingerprint = theirs->dtls.fingerprint;
        keying->tls_id_mark = theirs->dtls.id_mark;
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "media/srtp/srtp.h"

#include <arpa/inet.h>
#include <srtp2/srtp.h>
#include <string.h>

#include "gateway/base/error.h"
#include "media/rtp/bytes.h"
#include "media/srtp/cipher.h"

/* Sources of one peer under one key that are remembered, for their rollover and what was replayed.
 * Only who has the key can bring others, and then the oldest is forgotten. */
#define MAX_SOURCES 16

#define RTP_MIN  12
#define RTCP_MIN 8

struct DmSrtp {
    srtp_t session;
    DmSrtpKey key;
    uint8_t tag_len[2]; /* of RTP and RTCP */
    uint8_t trailer[2]; /* bytes behind the text that are not the tag and not authenticated as text:
                           the index of SRTCP */
    uint8_t next_source, n_sources;
    uint32_t source[MAX_SOURCES]; /* receivers only, a ring */
};

enum { RTP, RTCP };

/*
 * The library
 */

static void
ignore_event(srtp_event_data_t *event)
{
}

static srtp_err_status_t
replace_ciphers(void)
{
    const struct {
        const srtp_cipher_type_t *type;
        srtp_cipher_type_id_t id;
    } ciphers[] = {
        {&dm_srtp_aes_cm_128, SRTP_AES_ICM_128},
        {&dm_srtp_aes_cm_256, SRTP_AES_ICM_256},
        {&dm_srtp_aes_gcm_128, SRTP_AES_GCM_128},
        {&dm_srtp_aes_gcm_256, SRTP_AES_GCM_256},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(ciphers); i++) {
        srtp_err_status_t status = srtp_replace_cipher_type(ciphers[i].type, ciphers[i].id);

        if (status != srtp_err_status_ok) {
            return status;
        }
    }
    return srtp_replace_auth_type(&dm_srtp_hmac_sha1, SRTP_HMAC_SHA1);
}

static gpointer
init_library(gpointer data)
{
    srtp_err_status_t status = srtp_init();

    if (status == srtp_err_status_ok) {
        status = replace_ciphers();
    }
    if (status == srtp_err_status_ok) {
        status = srtp_install_event_handler(ignore_event);
    }
    return GUINT_TO_POINTER((guint)status); /* NOLINT(performance-no-int-to-ptr): GOnce has it so */
}

bool
dm_srtp_init(GError **error)
{
    static GOnce once = G_ONCE_INIT;
    guint status = GPOINTER_TO_UINT(g_once(&once, init_library, NULL));

    if (status != srtp_err_status_ok) {
        g_set_error(error, DM_ERROR, DM_ERROR_IO, "libsrtp2 cannot be used: its error %u", status);
        return false;
    }
    return true;
}

/*
 * One direction
 */

static void
set_policy(srtp_policy_t *policy, DmSrtpSuite suite)
{
    switch (suite) {
    case DM_SRTP_AES_CM_128_HMAC_SHA1_80:
    case DM_SRTP_NONE:
        srtp_crypto_policy_set_rtp_default(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp);
        break;
    case DM_SRTP_AES_CM_128_HMAC_SHA1_32:
        srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32(&policy->rtp);
        srtp_crypto_policy_set_rtcp_default(&policy->rtcp); /* RFC 4568, 6.2.2 */
        break;
    case DM_SRTP_AES_256_CM_HMAC_SHA1_80:
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtcp);
        break;
    case DM_SRTP_AES_256_CM_HMAC_SHA1_32:
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_32(&policy->rtp);
        srtp_crypto_policy_set_aes_cm_256_hmac_sha1_80(&policy->rtcp);
        break;
    case DM_SRTP_AEAD_AES_128_GCM:
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy->rtcp);
        break;
    case DM_SRTP_AEAD_AES_256_GCM:
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtp);
        srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy->rtcp);
        break;
    }
}

static bool
is_gcm(const DmSrtp *srtp)
{
    return srtp->key.suite == DM_SRTP_AEAD_AES_128_GCM ||
           srtp->key.suite == DM_SRTP_AEAD_AES_256_GCM;
}

static void
set_lengths(DmSrtp *srtp)
{
    bool is_short = srtp->key.suite == DM_SRTP_AES_CM_128_HMAC_SHA1_32 ||
                    srtp->key.suite == DM_SRTP_AES_256_CM_HMAC_SHA1_32;

    srtp->tag_len[RTP] = is_gcm(srtp) ? 16 : is_short ? 4 : 10;
    srtp->tag_len[RTCP] = is_gcm(srtp) ? 16 : 10;
    srtp->trailer[RTCP] = 4;
}

static DmSrtp *
srtp_new(const DmSrtpKey *key, srtp_ssrc_t ssrc)
{
    DmSrtp *srtp;
    srtp_policy_t policy = {.ssrc = ssrc, .window_size = 128};

    if (dm_srtp_key_len((DmSrtpSuite)key->suite) == 0) {
        return NULL;
    }
    srtp = g_new0(DmSrtp, 1);
    srtp->key = *key;
    policy.key = srtp->key.bytes;
    set_policy(&policy, (DmSrtpSuite)key->suite);
    set_lengths(srtp);
    if (srtp_create(&srtp->session, &policy) != srtp_err_status_ok) {
        srtp->session = NULL;
        dm_srtp_free(srtp);
        return NULL;
    }
    return srtp;
}

DmSrtp *
dm_srtp_new_sender(const DmSrtpKey *key, uint32_t ssrc, uint32_t roc)
{
    DmSrtp *srtp = srtp_new(key, (srtp_ssrc_t){ssrc_specific, ssrc});

    if (srtp != NULL && roc != 0) {
        srtp_set_stream_roc(srtp->session, ssrc, roc);
    }
    return srtp;
}

static void
remember_source(DmSrtp *srtp, uint32_t ssrc)
{
    for (unsigned i = 0; i < srtp->n_sources; i++) {
        if (srtp->source[i] == ssrc) {
            return;
        }
    }
    if (srtp->n_sources == MAX_SOURCES) {
        srtp_remove_stream(srtp->session, htonl(srtp->source[srtp->next_source]));
    } else {
        srtp->n_sources++;
    }
    srtp->source[srtp->next_source] = ssrc;
    srtp->next_source = (srtp->next_source + 1) % MAX_SOURCES;
}

DmSrtp *
dm_srtp_new_receiver(const DmSrtpKey *key, uint32_t ssrc, uint32_t roc)
{
    DmSrtp *srtp = srtp_new(key, (srtp_ssrc_t){ssrc_any_inbound, 0});

    if (srtp != NULL && roc != 0) {
        srtp_policy_t policy = {
            .ssrc = {ssrc_specific, ssrc},
            .window_size = 128,
            .key = srtp->key.bytes,
        };

        set_policy(&policy, (DmSrtpSuite)key->suite);
        srtp_add_stream(srtp->session, &policy);
        srtp_set_stream_roc(srtp->session, ssrc, roc);
        remember_source(srtp, ssrc);
    }
    return srtp;
}

DmSrtp *
dm_srtp_new_receiver_like(const DmSrtp *other, uint32_t ssrc, uint32_t roc)
{
    return dm_srtp_new_receiver(&other->key, ssrc, roc);
}

void
dm_srtp_free(DmSrtp *srtp)
{
    if (srtp == NULL) {
        return;
    }
    if (srtp->session != NULL) {
        srtp_dealloc(srtp->session);
    }
    explicit_bzero(srtp, sizeof *srtp);
    g_free(srtp);
}

bool
dm_srtp_has_key(const DmSrtp *srtp, const DmSrtpKey *key)
{
    return memcmp(&srtp->key, key, sizeof *key) == 0;
}

uint32_t
dm_srtp_roc(const DmSrtp *srtp, uint32_t ssrc)
{
    uint32_t roc = 0;

    return srtp_get_stream_roc(srtp->session, ssrc, &roc) == srtp_err_status_ok ? roc : 0;
}

static DmSrtpVerdict
verdict_of(srtp_err_status_t status)
{
    switch (status) {
    case srtp_err_status_ok:
        return DM_SRTP_OK;
    case srtp_err_status_auth_fail:
    case srtp_err_status_cant_check: /* SRTCP that says it is not encrypted */
        return DM_SRTP_FOREIGN;
    case srtp_err_status_replay_fail:
    case srtp_err_status_replay_old:
        return DM_SRTP_REPLAYED;
    default:
        return DM_SRTP_MALFORMED;
    }
}

/*
 * Packets
 */

DmSrtpVerdict
dm_srtp_protect_rtp(DmSrtp *srtp, uint8_t *bytes, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_protect(srtp->session, bytes, &n);

    *len = status == srtp_err_status_ok ? (size_t)n : 0;
    return verdict_of(status);
}

DmSrtpVerdict
dm_srtp_protect_rtcp(DmSrtp *srtp, uint8_t *bytes, size_t *len)
{
    int n = (int)*len;
    srtp_err_status_t status = srtp_protect_rtcp(srtp->session, bytes, &n);

    *len = status == srtp_err_status_ok ? (size_t)n : 0;
    return verdict_of(status);
}

/* The identifier of the master key is not authenticated, and says nothing where there is one key
 * (RFC 3711, 3.1 and 3.4). With counter mode it stands before the tag, with GCM behind it (RFC
 * 7714, 8 and 9). libsrtp2 2.5 has faults in its own handling. */
static bool
drop_mki(const DmSrtp *srtp, unsigned kind, uint8_t *bytes, size_t *len)
{
    size_t mki_len = srtp->key.mki_len;
    size_t tag_len = srtp->tag_len[kind];

    if (*len < mki_len + tag_len + srtp->trailer[kind] + (kind == RTP ? RTP_MIN : RTCP_MIN)) {
        return false;
    }
    if (mki_len > 0 && !is_gcm(srtp)) {
        memmove(bytes + *len - tag_len - mki_len, bytes + *len - tag_len, tag_len);
    }
    *len -= mki_len;
    return true;
}

DmSrtpVerdict
dm_srtp_unprotect_rtp(DmSrtp *srtp, uint8_t *bytes, size_t *len)
{
    srtp_err_status_t status;
    int n;

    if (!drop_mki(srtp, RTP, bytes, len)) {
        return DM_SRTP_MALFORMED;
    }
    n = (int)*len;
    status = srtp_unprotect(srtp->session, bytes, &n);
    if (status != srtp_err_status_ok) {
        return verdict_of(status);
    }
    *len = (size_t)n;
    remember_source(srtp, dm_get_u32(bytes + 8));
    return DM_SRTP_OK;
}

DmSrtpVerdict
dm_srtp_unprotect_rtcp(DmSrtp *srtp, uint8_t *bytes, size_t *len)
{
    srtp_err_status_t status;
    int n;

    if (!drop_mki(srtp, RTCP, bytes, len)) {
        return DM_SRTP_MALFORMED;
    }
    n = (int)*len;
    status = srtp_unprotect_rtcp(srtp->session, bytes, &n);
    if (status != srtp_err_status_ok) {
        return verdict_of(status);
    }
    *len = (size_t)n;
    remember_source(srtp, dm_get_u32(bytes + 4));
    return DM_SRTP_OK;
}

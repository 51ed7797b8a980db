/* SPDX-License-Identifier: Apache-2.0 */
/* A run of datagrams (each behind two bytes of its length) to a side of DTLS that waits, behind a
 * cookie or not, and to one that has begun: whatever comes, nobody without the right certificate
 * gets keys, a cookie costs less than it was asked with, and what is sent fits the MTU. */
#include <glib.h>
#include <string.h>

#include "media/dtls/association.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    size_t n_bytes;
} Sent;

static void
count(const uint8_t *bytes, size_t len, void *user_data)
{
    Sent *sent = user_data;

    g_assert_cmpuint(len, <=, 1200);
    sent->n_bytes += len;
}

static void
feed(DmDtlsIdentity *identity, DmDtlsRole role, bool is_proven, const uint8_t *data, size_t size)
{
    DmDtlsSpec spec = {
        .role = role,
        .n_suites = 1,
        .suites = {DM_SRTP_AES_CM_128_HMAC_SHA1_80},
        .peer = {.hash = DM_FINGERPRINT_SHA_256},
    };
    Sent sent = {0};
    g_autoptr(DmDtls) dtls = dm_dtls_new(identity, &spec, is_proven, count, &sent);
    DmAddress from;

    g_assert_true(dm_address_parse(&from, "192.0.2.1", 4000));
    dm_dtls_start(dtls);
    while (size > 2) {
        size_t len = MIN((size_t)(data[0] << 8 | data[1]), size - 2);
        size_t before = sent.n_bytes;

        g_assert_cmpint(dm_dtls_input(dtls, data + 2, len, &from), !=, DM_DTLS_DONE);
        g_assert_true(is_proven || dm_dtls_wait_us(dtls) >= 0 ||
                      dm_dtls_state(dtls) == DM_DTLS_FAILED || sent.n_bytes - before <= len + 60);
        data += 2 + len;
        size -= 2 + len;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static DmDtlsIdentity *identity;

    if (identity == NULL) {
        identity = dm_dtls_identity_new(NULL);
    }
    feed(identity, DM_DTLS_PASSIVE, true, data, size);
    feed(identity, DM_DTLS_PASSIVE, false, data, size);
    feed(identity, DM_DTLS_ACTIVE, true, data, size);
    return 0;
}

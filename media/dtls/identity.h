/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/spec.h"

/* Who we are in DTLS-SRTP: a key and a certificate of our own making, known to the peer by the
 * fingerprint in our description (RFC 5763). Immutable once made, so any thread may use it. */
typedef struct DmDtlsIdentity DmDtlsIdentity;

/* With a new key on P-256. Error: DM_ERROR_IO. */
DmDtlsIdentity *dm_dtls_identity_new(GError **error);
DmDtlsIdentity *dm_dtls_identity_ref(DmDtlsIdentity *identity);
void dm_dtls_identity_unref(DmDtlsIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmDtlsIdentity, dm_dtls_identity_unref)

/* Keeps the identity of the process, and makes a new one once that is a day old: what has taken the
 * old one goes on with it. Any thread. */
typedef struct DmDtlsKeeper DmDtlsKeeper;
DmDtlsKeeper *dm_dtls_keeper_new(void);
void dm_dtls_keeper_free(DmDtlsKeeper *keeper);
/* (transfer full); NULL with @error as above. */
DmDtlsIdentity *dm_dtls_keeper_take(DmDtlsKeeper *keeper, int64_t now_us, GError **error);
#define DM_DTLS_IDENTITY_US (INT64_C(24) * 60 * 60 * 1000000)

/* SHA-256 (RFC 8122, 5). */
const DmFingerprint *dm_dtls_identity_fingerprint(const DmDtlsIdentity *identity);

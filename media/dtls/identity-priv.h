/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <openssl/ssl.h>

#include "media/dtls/identity.h"

struct DmDtlsIdentity {
    SSL_CTX *context;
    DmFingerprint fingerprint;
};

/* Whether @certificate has @expected. */
bool dm_fingerprint_is_of(const DmFingerprint *expected, const X509 *certificate);

/* What associations (association.c) are asked while they shake hands. */
void dm_dtls_set_callbacks(SSL_CTX *context);

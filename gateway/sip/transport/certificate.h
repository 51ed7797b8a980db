/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* What the certificate of a TLS profile says. Borrowed. */
typedef struct {
    const char *profile;
    int64_t expires_s;   /* the first of its chain that does; Unix time */
    const char *subject; /* "CN=sbc.example.com,O=Example" (RFC 2253) */
    const char *issuer;
    const char *fingerprint;  /* SHA-256, 64 hexadecimal digits */
    const char *const *names; /* host names and addresses it is for; NULL at the end */
} DmCertificateFacts;

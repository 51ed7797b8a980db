/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* Certificates for tests: an authority and what it signs, as PEM files. */
typedef struct DmTestAuthority DmTestAuthority;

/* Writes DIR/NAME.pem. */
DmTestAuthority *dm_test_authority_new(const char *dir, const char *name);
void dm_test_authority_free(DmTestAuthority *authority);

/* Writes DIR/NAME.pem and DIR/NAME.key. @names: subjectAltName as OpenSSL writes it
 * ("DNS:a.example,IP:127.0.0.1"). @expires_s: from now on, may be negative. */
void dm_test_certificate(DmTestAuthority *authority,
                         const char *name,
                         const char *names,
                         int64_t expires_s);
/* SHA-256 of a certificate file, as "AB:CD:...". (transfer full) */
char *dm_test_fingerprint(const char *path);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <srtp2/auth.h>
#include <srtp2/cipher.h>

/* Ciphers and authentication for libsrtp2 on OpenSSL. Debian builds that library on NSS, which
 * makes a new context for every packet: 2 us at ten sessions and tens at thousands, and 30 kB a
 * session (tests/bench/srtp). Ours keep their keyed contexts. Keys end with the salt, as the
 * library has it: 14 bytes in counter mode, 12 in GCM. */
extern const srtp_cipher_type_t dm_srtp_aes_cm_128, dm_srtp_aes_cm_256;
extern const srtp_cipher_type_t dm_srtp_aes_gcm_128, dm_srtp_aes_gcm_256;
extern const srtp_auth_type_t dm_srtp_hmac_sha1;

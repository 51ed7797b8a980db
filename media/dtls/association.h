/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stddef.h>

#include "media/dtls/identity.h"
#include "media/spec.h"

/* One handshake of DTLS-SRTP with one peer (RFC 5764), DTLS 1.2, and the keys that come of it. It
 * has no socket and no timer: datagrams come in, go out through a function, and the owner asks how
 * long to wait. Belongs to one thread.
 *
 *   NEW --start--> HANDSHAKE --Finished, and it is the peer--> DONE
 *                      +--anything else--> FAILED
 *
 * A call needs none of OpenSSL's state, 45 kB, once it has its keys: when DONE there is only what a
 * passive side has said last, for a peer that has not got it (RFC 6347, 4.2.4).
 *
 * OpenSSL tells by the wall clock whether it is time to send again. When that is set back in the
 * middle of a handshake that has just lost a packet, sending again is left to the peer. */
typedef struct DmDtls DmDtls;

typedef enum {
    DM_DTLS_NEW,
    DM_DTLS_HANDSHAKE,
    DM_DTLS_DONE,
    DM_DTLS_FAILED,
} DmDtlsState;

/* Sends one datagram to the peer; must not call back. */
typedef void (*DmDtlsSend)(const uint8_t *bytes, size_t len, void *user_data);

/* @spec: role, suites and the peer's fingerprint; copied. @is_proven: where datagrams come from has
 * been checked (by ICE); else a first message from there is answered by a cookie only (RFC 6347,
 * 4.2.1). */
DmDtls *dm_dtls_new(DmDtlsIdentity *identity,
                    const DmDtlsSpec *spec,
                    bool is_proven,
                    DmDtlsSend send,
                    void *user_data);
void dm_dtls_free(DmDtls *dtls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmDtls, dm_dtls_free)

/* All of these return what has become of it. */

/* The active side sends its first message; the passive one waits. */
DmDtlsState dm_dtls_start(DmDtls *dtls);
/* A datagram of the peer's from @from. Nothing that is no DTLS does any harm. */
DmDtlsState dm_dtls_input(DmDtls *dtls, const uint8_t *bytes, size_t len, const DmAddress *from);
/* When dm_dtls_wait_us() has passed: sends again what may have been lost. */
DmDtlsState dm_dtls_on_timer(DmDtls *dtls);

/* Until the next dm_dtls_on_timer(); -1: not needed. */
int64_t dm_dtls_wait_us(const DmDtls *dtls);
DmDtlsState dm_dtls_state(const DmDtls *dtls);
DmDtlsFailure dm_dtls_failure(const DmDtls *dtls);
/* Whether someone has brought our cookie back, and so is where its datagrams come from. */
bool dm_dtls_is_met(const DmDtls *dtls);

/* When DONE: what comes from the peer, and what goes to it (RFC 5764, 4.2). */
void dm_dtls_keys(const DmDtls *dtls, DmSrtpKey *out_in, DmSrtpKey *out_out);

/* RFC 7983, 7 */
static inline bool
dm_dtls_looks_like(const uint8_t *bytes, size_t len)
{
    return len > 0 && bytes[0] >= 20 && bytes[0] <= 63;
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "media/spec.h"

/* SRTP and SRTCP of one direction of one peer (RFC 3711), under one master key. Belongs to the
 * thread of its session; nothing is allocated for a packet but the first of a new source. */
typedef struct DmSrtp DmSrtp;

/* Room a packet needs behind it to be protected: tag and SRTCP index, and what libsrtp2 asks for.
 */
#define DM_SRTP_ROOM (144 + 4)

typedef enum {
    DM_SRTP_OK,
    DM_SRTP_FOREIGN,   /* not made with our key, or changed on its way */
    DM_SRTP_REPLAYED,  /* came before, or is too old to tell */
    DM_SRTP_MALFORMED, /* no RTP or RTCP, or too short to have been protected */
} DmSrtpVerdict;

/* Makes libsrtp2 ready with ciphers of our own, which must pass its self tests and theirs; once a
 * process. Errors: DM_ERROR_IO. */
bool dm_srtp_init(GError **error);

/* What we send: one source, whose rollover counter begins at @roc. NULL when @key has no suite. */
DmSrtp *dm_srtp_new_sender(const DmSrtpKey *key, uint32_t ssrc, uint32_t roc);
/* What comes: any source; that of @ssrc begins at @roc. */
DmSrtp *dm_srtp_new_receiver(const DmSrtpKey *key, uint32_t ssrc, uint32_t roc);
/* A receiver with the key of @other. */
DmSrtp *dm_srtp_new_receiver_like(const DmSrtp *other, uint32_t ssrc, uint32_t roc);
void dm_srtp_free(DmSrtp *srtp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSrtp, dm_srtp_free)

bool dm_srtp_has_key(const DmSrtp *srtp, const DmSrtpKey *key);
/* How often the sequence number of @ssrc has gone round; 0 for a source not known. */
uint32_t dm_srtp_roc(const DmSrtp *srtp, uint32_t ssrc);

/* In place. @len: of the packet, and then of the protected one; DM_SRTP_ROOM bytes of @bytes follow
 * it. */
DmSrtpVerdict dm_srtp_protect_rtp(DmSrtp *srtp, uint8_t *bytes, size_t *len);
DmSrtpVerdict dm_srtp_protect_rtcp(DmSrtp *srtp, uint8_t *bytes, size_t *len);
/* In place; @bytes are of no use when it fails. */
DmSrtpVerdict dm_srtp_unprotect_rtp(DmSrtp *srtp, uint8_t *bytes, size_t *len);
DmSrtpVerdict dm_srtp_unprotect_rtcp(DmSrtp *srtp, uint8_t *bytes, size_t *len);

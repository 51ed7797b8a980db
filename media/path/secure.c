/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/secure.h"

#include <string.h>

#include "media/net/socket.h"
#include "media/rtp/published.h"

struct DmSecure {
    DmSrtp *in, *out;
    DmSrtp *in_before; /* until @in has been used; NULL: none */
};

typedef DmSrtpVerdict (*Open)(DmSrtp *srtp, uint8_t *bytes, size_t *len);

/*
 * Keys
 */

static void
take_in(DmStream *stream, const DmMediaSideSpec *agreed)
{
    DmSecure *secure = stream->secure;
    uint32_t ssrc = stream->rx.ssrc;
    uint32_t roc = 0;

    if (secure->in != NULL && dm_srtp_has_key(secure->in, &agreed->srtp_in)) {
        return;
    }
    if (secure->in != NULL && !agreed->rekey_resets_roc) {
        roc = dm_srtp_roc(secure->in, ssrc);
    }
    dm_srtp_free(secure->in_before);
    secure->in_before = secure->in;
    secure->in = dm_srtp_new_receiver(&agreed->srtp_in, ssrc, roc);
}

static void
take_out(DmStream *stream, const DmMediaSideSpec *agreed)
{
    DmSecure *secure = stream->secure;
    uint32_t ssrc = stream->out.ssrc;
    uint32_t roc = 0;

    if (secure->out != NULL && dm_srtp_has_key(secure->out, &agreed->srtp_out)) {
        return;
    }
    if (secure->out != NULL && !agreed->rekey_resets_roc) {
        roc = dm_srtp_roc(secure->out, ssrc);
    }
    dm_srtp_free(secure->out);
    secure->out = dm_srtp_new_sender(&agreed->srtp_out, ssrc, roc);
}

bool
dm_secure_update(DmStream *stream, const DmMediaSideSpec *agreed)
{
    bool was_secured = stream->secured;

    stream->secured =
        agreed->srtp_in.suite != DM_SRTP_NONE && agreed->srtp_out.suite != DM_SRTP_NONE;
    if (stream->secured) {
        if (stream->secure == NULL) {
            stream->secure = g_new0(DmSecure, 1);
        }
        take_in(stream, agreed);
        take_out(stream, agreed);
    }
    return stream->secured != was_secured;
}

void
dm_secure_free(DmStream *stream)
{
    DmSecure *secure = g_steal_pointer(&stream->secure);

    if (secure != NULL) {
        dm_srtp_free(secure->in);
        dm_srtp_free(secure->in_before);
        dm_srtp_free(secure->out);
        g_free(secure);
    }
}

/*
 * What comes
 */

/* GCM takes a packet apart before it knows: the old key needs a copy. */
static DmSrtpVerdict
open_either(DmSecure *secure, Open open, uint8_t *bytes, size_t *len)
{
    uint8_t copy[DM_DATAGRAM_MAX];
    size_t copy_len = *len;
    DmSrtpVerdict verdict;

    memcpy(copy, bytes, *len);
    verdict = open(secure->in, bytes, len);
    if (verdict == DM_SRTP_OK) {
        g_clear_pointer(&secure->in_before, dm_srtp_free);
    } else if (verdict == DM_SRTP_FOREIGN) {
        verdict = open(secure->in_before, copy, &copy_len);
        memcpy(bytes, copy, copy_len);
        *len = copy_len;
    }
    return verdict;
}

static bool
open_with(DmStream *stream, Open open, uint8_t *bytes, size_t *len)
{
    DmSecure *secure = stream->secure;
    int64_t *stats = dm_worker_stats(dm_stream_session(stream)->worker);

    if (secure->in == NULL || *len > DM_DATAGRAM_MAX) {
        return false;
    }
    switch (secure->in_before == NULL ? open(secure->in, bytes, len)
                                      : open_either(secure, open, bytes, len)) {
    case DM_SRTP_OK:
        return true;
    case DM_SRTP_FOREIGN:
        dm_publish_add(stream->rx_srtp_auth, 1);
        dm_worker_count(stats, srtp_auth);
        break;
    case DM_SRTP_REPLAYED:
        dm_publish_add(stream->rx_srtp_replayed, 1);
        dm_worker_count(stats, srtp_replayed);
        break;
    case DM_SRTP_MALFORMED:
        dm_publish_add(stream->rx_invalid, 1);
        dm_worker_count(stats, srtp_malformed);
        break;
    }
    return false;
}

bool
dm_secure_open_rtp(DmStream *stream, uint8_t *bytes, size_t *len)
{
    return open_with(stream, dm_srtp_unprotect_rtp, bytes, len);
}

bool
dm_secure_open_rtcp(DmStream *stream, uint8_t *bytes, size_t *len)
{
    return open_with(stream, dm_srtp_unprotect_rtcp, bytes, len);
}

/*
 * What goes
 */

static size_t
seal_with(const DmStream *to, Open protect, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    if (to->secure->out == NULL || len > DM_DATAGRAM_MAX) {
        return 0;
    }
    memcpy(sealed, bytes, len);
    return protect(to->secure->out, sealed, &len) == DM_SRTP_OK ? len : 0;
}

size_t
dm_secure_seal_rtp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    return seal_with(to, dm_srtp_protect_rtp, bytes, len, sealed);
}

size_t
dm_secure_seal_rtcp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    return seal_with(to, dm_srtp_protect_rtcp, bytes, len, sealed);
}

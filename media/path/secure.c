/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/secure.h"

#include <string.h>

#include "media/net/socket.h"
#include "media/rtp/bytes.h"
#include "media/rtp/published.h"

/* How often a peer's sequence number may have gone round before we hear of it: a call of three
 * hours that was transferred here. */
#define MAX_GUESSED_ROC 8
/* Packets that may be tried so: whoever has no key makes us work no more than that. */
#define MAX_GUESSES 20

struct DmSecure {
    DmSrtp *in, *out;
    DmSrtp *rtcp_in, *rtcp_out; /* instead, for RTCP that @has_own_rtcp */
    bool has_own_rtcp;          /* keys, from a handshake on its own port */
    DmSrtp *in_before;          /* until @in is proven; NULL: none */
    uint32_t peer;              /* as agreed */
    uint8_t n_guesses;          /* left */
    bool is_proven;             /* a packet has come under @in */
};

typedef DmSrtpVerdict (*Open)(DmSrtp *srtp, uint8_t *bytes, size_t *len);

/*
 * Keys
 */

static void
take_in(DmStream *stream, const DmSrtpKey *key, bool counts_on)
{
    DmSecure *secure = stream->secure;
    uint32_t ssrc = stream->rx.ssrc;
    uint32_t roc = 0;

    if (secure->in != NULL && dm_srtp_has_key(secure->in, key)) {
        return;
    }
    if (secure->in != NULL && counts_on) {
        roc = dm_srtp_roc(secure->in, ssrc);
    }
    dm_srtp_free(secure->in_before);
    secure->in_before = secure->in;
    secure->in = dm_srtp_new_receiver(key, ssrc, roc);
    secure->is_proven = false;
    secure->n_guesses = MAX_GUESSES;
}

static void
take_out(DmStream *stream, const DmSrtpKey *key, bool counts_on)
{
    DmSecure *secure = stream->secure;
    uint32_t ssrc = stream->out.ssrc;
    uint32_t roc = 0;

    if (secure->out != NULL && dm_srtp_has_key(secure->out, key)) {
        return;
    }
    if (secure->out != NULL && counts_on) {
        roc = dm_srtp_roc(secure->out, ssrc);
    }
    dm_srtp_free(secure->out);
    secure->out = dm_srtp_new_sender(key, ssrc, roc);
}

bool
dm_secure_update(DmStream *stream, const DmMediaSideSpec *agreed)
{
    bool was_secured = stream->secured;
    bool has_keys = agreed->srtp_in.suite != DM_SRTP_NONE && agreed->srtp_out.suite != DM_SRTP_NONE;

    stream->secured = has_keys || agreed->dtls.role != DM_DTLS_OFF;
    if (stream->secured && stream->secure == NULL) {
        stream->secure = g_new0(DmSecure, 1);
    }
    if (stream->secured) {
        stream->secure->has_own_rtcp = agreed->dtls.role != DM_DTLS_OFF && !agreed->rtcp_mux;
    }
    if (has_keys) {
        /* RFC 3711, 3.3.1: the count belongs to the source and not to the key, but another peer has
         * not seen any of it. */
        bool counts_on = !agreed->rekey_resets_roc && agreed->peer == stream->secure->peer;

        take_in(stream, &agreed->srtp_in, counts_on);
        take_out(stream, &agreed->srtp_out, counts_on);
        stream->secure->peer = agreed->peer;
    }
    return stream->secured != was_secured;
}

void
dm_secure_take_keys(DmStream *stream, const DmSrtpKey *in, const DmSrtpKey *out)
{
    take_in(stream, in, false);
    take_out(stream, out, false);
}

void
dm_secure_take_rtcp_keys(DmStream *stream, const DmSrtpKey *in, const DmSrtpKey *out)
{
    DmSecure *secure = stream->secure;

    dm_srtp_free(secure->rtcp_in);
    dm_srtp_free(secure->rtcp_out);
    secure->rtcp_in = dm_srtp_new_receiver(in, stream->rx.ssrc, 0);
    secure->rtcp_out = dm_srtp_new_sender(out, stream->out.ssrc, 0);
}

void
dm_secure_free(DmStream *stream)
{
    DmSecure *secure = g_steal_pointer(&stream->secure);

    if (secure != NULL) {
        dm_srtp_free(secure->in);
        dm_srtp_free(secure->in_before);
        dm_srtp_free(secure->out);
        dm_srtp_free(secure->rtcp_in);
        dm_srtp_free(secure->rtcp_out);
        g_free(secure);
    }
}

/*
 * What comes
 */

typedef struct {
    uint8_t bytes[DM_DATAGRAM_MAX];
    size_t len;
} Copy;

/* The same packet under another context; GCM takes it apart before it knows, so a copy each. */
static bool
try_other(DmSrtp *srtp, Open open, const Copy *packet, uint8_t *bytes, size_t *len)
{
    memcpy(bytes, packet->bytes, packet->len);
    *len = packet->len;
    return srtp != NULL && open(srtp, bytes, len) == DM_SRTP_OK;
}

/* A peer that came here in the middle of its count, or that began anew with a new key without our
 * being told. */
static bool
guess_roc(DmSecure *secure, Open open, const Copy *packet, uint8_t *bytes, size_t *len)
{
    uint32_t ssrc = packet->len >= DM_RTP_HEADER_LEN ? dm_get_u32(packet->bytes + 8) : 0;

    if (open != dm_srtp_unprotect_rtp || secure->n_guesses == 0) {
        return false;
    }
    secure->n_guesses--;
    for (uint32_t roc = 0; roc <= MAX_GUESSED_ROC; roc++) {
        DmSrtp *guess = dm_srtp_new_receiver_like(secure->in, ssrc, roc);

        if (try_other(guess, open, packet, bytes, len)) {
            dm_srtp_free(secure->in);
            secure->in = guess;
            return true;
        }
        dm_srtp_free(guess);
    }
    return false;
}

/* Until a packet has come under the present key. */
static DmSrtpVerdict
open_unproven(DmSecure *secure, Open open, uint8_t *bytes, size_t *len)
{
    Copy packet = {.len = *len};
    DmSrtpVerdict verdict;

    memcpy(packet.bytes, bytes, *len);
    verdict = open(secure->in, bytes, len);
    if (verdict == DM_SRTP_FOREIGN && try_other(secure->in_before, open, &packet, bytes, len)) {
        return DM_SRTP_OK;
    }
    if (verdict == DM_SRTP_FOREIGN && guess_roc(secure, open, &packet, bytes, len)) {
        verdict = DM_SRTP_OK;
    }
    if (verdict == DM_SRTP_OK && open == dm_srtp_unprotect_rtp) {
        secure->is_proven = true;
        g_clear_pointer(&secure->in_before, dm_srtp_free);
    }
    return verdict;
}

/* Whether it was good; if not, it is counted. */
static bool
note_verdict(DmStream *stream, DmSrtpVerdict verdict)
{
    int64_t *stats = dm_worker_stats(dm_stream_session(stream)->worker);

    switch (verdict) {
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

static bool
open_with(DmStream *stream, Open open, uint8_t *bytes, size_t *len)
{
    DmSecure *secure = stream->secure;

    if (secure->in == NULL || *len > DM_DATAGRAM_MAX) {
        return false;
    }
    return note_verdict(stream,
                        secure->is_proven ? open(secure->in, bytes, len)
                                          : open_unproven(secure, open, bytes, len));
}

bool
dm_secure_open_rtp(DmStream *stream, uint8_t *bytes, size_t *len)
{
    return open_with(stream, dm_srtp_unprotect_rtp, bytes, len);
}

bool
dm_secure_open_rtcp(DmStream *stream, uint8_t *bytes, size_t *len)
{
    DmSecure *secure = stream->secure;

    if (!secure->has_own_rtcp) {
        return open_with(stream, dm_srtp_unprotect_rtcp, bytes, len);
    }
    return secure->rtcp_in != NULL && *len <= DM_DATAGRAM_MAX &&
           note_verdict(stream, dm_srtp_unprotect_rtcp(secure->rtcp_in, bytes, len));
}

/*
 * What goes
 */

static size_t
seal_with(DmSrtp *out, Open protect, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    if (out == NULL || len > DM_DATAGRAM_MAX) {
        return 0;
    }
    memcpy(sealed, bytes, len);
    return protect(out, sealed, &len) == DM_SRTP_OK ? len : 0;
}

size_t
dm_secure_seal_rtp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    return seal_with(to->secure->out, dm_srtp_protect_rtp, bytes, len, sealed);
}

size_t
dm_secure_seal_rtcp(const DmStream *to, const uint8_t *bytes, size_t len, uint8_t *sealed)
{
    const DmSecure *secure = to->secure;
    DmSrtp *out = secure->has_own_rtcp ? secure->rtcp_out : secure->out;

    return seal_with(out, dm_srtp_protect_rtcp, bytes, len, sealed);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdalign.h>
#include <stdatomic.h>

#include "media/net/ports.h"
#include "media/net/worker.h"
#include "media/path/dtmf.h"
#include "media/path/key-once.h"
#include "media/path/latch.h"
#include "media/path/plan.h"
#include "media/quality.h"
#include "media/rtp/bursts.h"
#include "media/rtp/continuity.h"
#include "media/rtp/rtcp.h"
#include "media/rtp/sequence.h"
#include "media/session.h"

/* RTCP of one peer: path/control.c's. */
typedef struct {
    DmAddress agreed; /* as signalled; not set: beside RTP */
    DmAddress source; /* where the peer's last came from */
    int64_t due_us;   /* 0: not begun */
    int64_t heard_us; /* 0: never */
    int64_t sr_arrived_us;
    uint32_t sr_ntp_middle;
    uint32_t prior_expected, prior_received;
    uint32_t reported_packets;
    bool mux;
    bool xr; /* the peer wants VoIP metrics (RFC 3611) */
    char cname[25];
} DmStreamRtcp;

/* What a value is published in that few streams have: made with the first, and there as long as the
 * session. A new one goes into the other slot, so that a reader of the old one is left alone. */
typedef struct {
    DmVoipMetrics metrics[2];
    _Atomic unsigned slot;
} DmVoipPublished;

typedef struct {
    DmAddress address[2];
    _Atomic unsigned slot;
} DmLatchPublished;

/* How one peer's two directions sound: path/judge.c's. */
typedef struct {
    DmRtpBursts bursts;
    _Atomic uint32_t n_runs;                    /* of missing packets, so far */
    uint32_t n_received, n_lost, n_runs_before; /* when what comes was judged last */
    uint32_t out_highest;                       /* in the peer's report judged last */
    int32_t out_lost;
    int64_t out_judged_us; /* 0: never */
    DmQualityTrack in, out;
    _Atomic(DmVoipPublished *) told; /* by the peer, in RTCP XR; NULL: nothing */
} DmStreamJudge;

/* One peer of a session. A packet touches the first two cache lines of the peer it comes from and
 * the second line of the peer it goes to; the rest is for other moments. Members are the worker's
 * unless they say otherwise; those of type _Atomic are written by the worker and read by any
 * thread. */
typedef struct {
    /* line 1: what comes from the peer */
    alignas(64) DmRtpSequence rx;
    _Atomic uint32_t rx_packets;
    _Atomic uint32_t last_rx_ms;
    _Atomic uint64_t rx_bytes;

    /* line 2: where it is, and what goes to it */
    alignas(64) DmAddress remote; /* the latch's, as believed now */
    int fd;
    bool pinned : 1;
    bool shielded : 1; /* the socket is connected to @remote: strangers do not reach us */
    bool forward : 1;  /* what comes from it goes to the other peer */
    bool heard : 1;    /* FIRST_PACKET was told */
    bool udptl : 1;    /* it speaks T.38 */
    bool listens : 1;  /* for a fax machine, with @fax_ear */
    bool modem : 1;    /* and this one does not: what it sends is modem tones (fax/path.h) */
    bool played : 1;   /* @player has a say in what goes to it */
    bool secured : 1;  /* by @secure */
    bool checked : 1;  /* by @checks: its address is what they say */
    bool direct : 1;   /* shielded and not secured: what goes to it is sent as it is */
    bool taped : 1;    /* a copy of what comes from it goes to the session's @recording */
    bool planned : 1;  /* @plan has rules */
    uint8_t side;      /* DmSide */
    DmRtpContinuity out;

    /* line 3 */
    alignas(64) _Atomic uint64_t tx_bytes;
    _Atomic uint32_t tx_packets;
    _Atomic uint32_t format; /* last received: codec << 8 | payload type, plus FORMAT_KNOWN */
    _Atomic uint32_t clock_hz;
    uint32_t shield_at; /* with this many packets accepted */
    DmPathRule rule;    /* of the last packet: most packets are of the same type */
    DmDtmfReceiver dtmf;

    /* line 4 and on */
    const DmPathPlan *plan;             /* owned; NULL: as good as one without rules */
    struct DmSamples *samples;          /* NULL: packets go on as they are */
    struct DmPlayer *player;            /* what goes to the peer of our own; NULL: never anything */
    struct DmSecure *secure;            /* SRTP; NULL: never agreed */
    struct DmChecks *checks;            /* ICE; NULL: not agreed */
    struct DmHandshake *handshake;      /* DTLS-SRTP; NULL: not agreed */
    struct DmHandshake *rtcp_handshake; /* the same for RTCP on a port of its own */
    struct DmEarlyDatagram *early;      /* of it, before there is an agreement; mostly NULL */
    void (*reader)(int fd, uint32_t events, void *user_data); /* @watch's */
    struct DmFaxEar *fax_ear; /* NULL: never listened, or heard already */
    DmLatch latch;
    DmStreamRtcp rtcp;
    DmStreamJudge judge;
    DmMediaDirection direction;
    bool timeout_told;
    bool asked_to_listen;
    bool drops_press; /* the one @dtmf has heard of last: it came in another way before */
    DmKeyOnce key_once;
    int64_t event_us;     /* last packet of an event; 0: none */
    uint32_t n_strangers; /* foreign packets since it was pinned */
    uint16_t port;
    int rtcp_fd;
    DmWatch *watch;
    DmWatch *rtcp_watch;
    DmPorts *ports;  /* not owned */
    DmAddress local; /* advertised; set when made, read by any thread */

    _Atomic uint32_t rx_out_of_order, rx_duplicates, rx_foreign_source, rx_unknown_pt, rx_invalid;
    _Atomic uint32_t rx_srtp_auth, rx_srtp_replayed;
    _Atomic uint32_t rtcp_rx, rtcp_tx, dtmf_events, dtmf_duplicates;
    _Atomic uint32_t srtp_suite;  /* by DTLS */
    _Atomic uint32_t is_selected; /* its address, by ICE */
    _Atomic uint32_t buffer_ms, buffer_max_ms, buffer_limit_ms;
    _Atomic uint32_t rtt_us, rtt_max_us, peer_mos_x100, ssrc_rx, tx_lost, tx_jitter_us;
    _Atomic int64_t first_rx_us;         /* 0: never */
    _Atomic(DmLatchPublished *) latched; /* where media really comes from; NULL: as signalled */
} DmStream;

struct DmMediaSession {
    DmStream stream[DM_N_SIDES];

    /* set when made, read by any thread */
    DmWorker *worker;            /* not owned */
    struct DmRecorder *recorder; /* not owned */
    DmMediaEventFunc on_event;
    void *user_data;
    struct DmMedia *media; /* not owned */
    int64_t opened_us;
    int64_t wall_offset_us; /* wall less monotonic time when opened: steps of the wall clock do not
                               reach RTCP */

    /* the signalling thread's until it asks the worker for DTLS, and set by then; one reference */
    struct DmDtlsIdentity *identity;

    /* written by the signalling thread, read by any; a reference each, until the session is gone */
    struct DmRecording *recordings[DM_MEDIA_MAX_RECORDINGS];
    _Atomic uint8_t n_recordings;

    /* the signalling thread's */
    bool is_recorded;

    /* the worker's */
    _Atomic bool transcoded;   /* read by any thread */
    bool expected[DM_N_SIDES]; /* to send, as agreed last */
    bool audio_checked;
    struct DmRecording *recording; /* NULL: none */
    DmWorkerGuest guest;
    DmTimer timer;
    struct DmFaxPath *fax;   /* NULL: no side speaks T.38 */
    int64_t judge_due_us;    /* 0: nothing agreed yet */
    int64_t silence_from_us; /* silence counts from here at the earliest: answer, hold, resume */
    uint32_t timeout_ms;
    uint32_t hold_timeout_ms;

    /* written by the worker, read by any thread */
    _Atomic int64_t answered_us, closed_us;
    _Atomic uint64_t fax_packed; /* fax/path.c's */
    _Atomic uint32_t fax_recovered, fax_missed;
};

static inline DmMediaSession *
dm_stream_session(DmStream *stream)
{
    return (DmMediaSession *)(stream - stream->side);
}

static inline DmStream *
dm_stream_other(DmStream *stream)
{
    return &dm_stream_session(stream)->stream[dm_side_other((DmSide)stream->side)];
}

static inline const DmPathPlan *
dm_stream_plan(const DmStream *stream)
{
    return stream->plan != NULL ? stream->plan : &dm_path_plan_none;
}

/* Fills in @event's side and tells the owner. */
void dm_session_emit(DmStream *stream, DmMediaEvent *event);

/* @stream's peer pressed @key, as @way says. Tells the owner and returns true, unless the same
 * press has come in another way. */
bool dm_session_take_key(DmStream *stream, char key, DmKeyMethod way, int64_t now_us);

/* Works out anew which way packets go; after anything that decides it has changed. */
void dm_session_set_forwarding(DmMediaSession *session);

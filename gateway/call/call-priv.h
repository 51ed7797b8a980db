/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call.h"
#include "gateway/call/failover.h"
#include "gateway/call/leg-state.h"
#include "gateway/sdp/negotiate.h"

/* What the files of gateway/call share about a call.
 *
 *   START --dial--> DIALING --18x--> RINGING --2xx--> ANSWERED --ACK--> UP
 *
 * and from each of these --release--> CLOSING --legs and media gone--> OVER. */
typedef enum {
    DM_CALL_START,
    DM_CALL_DIALING,
    DM_CALL_RINGING,
    DM_CALL_ANSWERED,
    DM_CALL_UP,
    DM_CALL_CLOSING,
    DM_CALL_OVER,
    DM_CALL_N_STATES,
} DmCallState;

/* What only a leg with SRTP or ICE has. */
typedef struct {
    DmSdpKeying keying;
    DmFingerprint fingerprint; /* ours, for DTLS; none while there is no media session */
} DmPartySecurity;

/* One leg of the call, with its place on the trunk and what was said about media on it. */
typedef struct {
    DmCall *call; /* it talks in; another than @home after a transfer */
    DmCall *home; /* whose record is about it */
    DmSide side;  /* in @call */
    DmSide home_side;
    DmLeg *leg; /* not owned; NULL once it is gone */
    unsigned state;
    unsigned endpoint;
    DmTrunk *trunk;                /* one reference */
    const DmTrunkConfig *config;   /* of the call's configuration, whatever the trunk has now */
    const DmTrunkConfig *media;    /* whose media settings hold: its own, but of who only stands for
                                      another (transfer.c) */
    int64_t started_us;            /* monotonic */
    DmRecordAttempt *attempt;      /* the record's; B only */
    struct DmTransfer *awaited_by; /* which wants it, once it may come; NULL: none */
    bool has_place;                /* on the trunk */
    bool provisional;              /* anything at all came back */
    bool leaves_us_waiting;        /* it was asked for a transfer and never told the outcome */

    bool transcode;            /* these two: dm_party_set_policy() */
    DmAddress local_rtp;       /* ours toward it, advertised */
    DmSrtpPolicy srtp;         /* the trunk's, or what is tried once in its place */
    DmMediaDirection wish;     /* the peer's own last wish, from its offers: not what it answered */
    bool ours_was_answer;      /* @ours, to @theirs */
    DmPartySecurity *security; /* NULL: never any */
    GArray *codecs;            /* DmCodec, in place of the trunk's list; NULL: that one */
    GPtrArray *rivals;    /* DmSdp, what other phones of the same call have described; NULL: none */
    DmSdp *ours, *theirs; /* last sent and received, agreed or about to be */
    DmPacked *agreed;     /* last: dm_party_spec(); NULL: nothing */
} DmParty;

/* A media session, open or closing. */
typedef struct {
    DmCall *call;
    DmCallMedia *media; /* NULL once closed by us */
    unsigned pool[DM_N_SIDES];
    bool is_beside; /* made for the call that @call is to join, with the sides of that one */
} DmCallSession;

/* Where a called trunk has sent the call instead (redirect.c). */
typedef struct {
    GPtrArray *numbers;  /* char *, best first; NULL: nowhere */
    unsigned next;       /* of them */
    unsigned n_followed; /* 3xx answers */
    char *trunk;         /* who says so */
    DmIdentity identity;
} DmRedirection;

/* The plan, and where we are in it. */
typedef struct {
    DmRoutePlan *plan;
    DmRedirection redirection;
    unsigned next_target;
    const DmRouteTarget *target; /* the one being tried */
    DmTrunk *trunk;              /* its trunk; one reference */
    bool try_other_srtp;         /* the next attempt: where this one was refused for it, perhaps */
    DmTarget addresses[DM_MAX_ATTEMPTS];
    size_t n_addresses, next_address;
    unsigned n_attempts;
    DmRelease best; /* what to tell the caller when nothing works */
    bool has_best;
} DmDialing;

/* A re-INVITE on its way across; @from NULL: none. */
typedef struct {
    DmParty *from; /* who must be answered; NULL with @to when the offer is our own */
    DmParty *to;
    DmSdp *offer; /* from @from */
    DmSdp *sent;  /* to @to */
} DmRenegotiation;

/* What becomes of a REFER (transfer.c):
 *
 *   NONE --we call--> CALLING --answered, or not--> NONE
 *     +---we ask the other side--> ASKED --final NOTIFY--> NONE
 *     +---somebody is in the middle of an offer--> WAITING --that is over--> NONE, and on */
typedef enum {
    DM_TRANSFER_NONE,
    DM_TRANSFER_WAITING,
    DM_TRANSFER_CALLING,
    DM_TRANSFER_ASKED,
    DM_TRANSFER_N_STATES,
} DmTransferState;

/* A REFER that cannot go on yet (transfer-wait.c). */
typedef struct {
    DmParty *in;    /* who is to come; NULL: a number is to be called, or that one has gone */
    bool by_number; /* the former */
    bool is_far;    /* another worker has that one yet, by these names: */
    unsigned worker;
    char *call_id, *to_tag, *from_tag;
    char *trunk_id; /* of the one who asks */
    char *number, *replaces;
    int64_t until_us; /* monotonic */
} DmTransferWait;

typedef struct DmTransfer {
    DmCall *call; /* that is transferred */
    unsigned state;
    DmSide place;            /* of who asked for it, and of who comes instead */
    DmCall *made;            /* the call to who comes; NULL: none */
    const DmReferral *asked; /* while it is being made */
    DmTimer timer;           /* ASKED: for any news; WAITING: to look again */
    DmTransferWait wait;
} DmTransfer;

/* Calls whose parties talk to each other. A call is a host or a guest, never both: a guest has no
 * party of its own left, but its record goes on with the one that moved (transfer-join.c). */
typedef struct {
    DmCall *host;      /* where its party is now; NULL: at home */
    GPtrArray *guests; /* DmCall, not owned; NULL: never any */
    unsigned n_away;   /* parties of its own in other calls */
    bool own_end;      /* its record has ended before the conversation it hosts */
    bool swapped;      /* its sides are the host's the other way round */
    /* Of a host, while descriptions are brought together: bits of DmSide. */
    unsigned unsettled; /* who may have to be told yet */
    unsigned moved;     /* whose media go to another address now */
    DmSide place;       /* who is told first */
    bool comes_back;    /* nobody is new: a transfer has failed */
} DmJoining;

struct DmCall {
    const DmCallDeps *deps; /* not owned */
    DmConfig *config;
    unsigned state;
    unsigned max_forwards;
    DmLogContext log;
    DmRecord *record;
    GPtrArray *parts;            /* DmBodyPart: what goes along with our INVITEs; NULL: nothing */
    bool route_records;          /* the route wants its calls written to files */
    bool fax_in_g711;            /* T.38 was to be, and is not: what is heard is modem tones */
    bool media_waits;            /* it is to hear of both sides at once: T.38 on one alone, for a
                                    moment, would be a fax that is translated here */
    bool early_told;             /* the caller has been told a description before the answer */
    bool plays_hold[DM_N_SIDES]; /* something of ours, to a side that is held */
    bool caller_is_behind; /* it was told of codecs that the answer has not: to be offered them */
    bool ringback;         /* and hears, or may hear, our ringing */
    bool handed_over;      /* to another worker, with the record: only its end is left here */
    bool early_offer;      /* the caller has made no offer, and takes ours before the answer */
    unsigned n_transfers;  /* of the conversation, the present one included */
    int64_t fax_heard_us;  /* nobody could be asked for T.38 yet, as an offer was on its way; 0:
                              nothing waits. Monotonic. */

    struct {
        bool is_on;
        DmReleasedBy by; /* with dialing.best: how it ends afterwards */
    } announcing;        /* announcement.c */

    /* Until it is answered: for any answer, for the final one, for the end of an announcement. From
     * then on: for the longest time it may take. */
    DmTimer timer;

    DmParty *a;
    DmParty *b; /* the one tried or talked to; NULL between attempts */
    GPtrArray
        *parties; /* DmParty, owned: whose legs are not gone yet, given-up attempts included */
    DmCallSession *session;
    GPtrArray *sessions; /* DmCallSession, owned: not closed yet, replaced ones included */

    DmDialing *dialing; /* owned; NULL once somebody has answered, or when nobody is called */
    DmRenegotiation renegotiation;
    DmTransfer *transfer; /* owned: of this call; NULL: nobody has asked for any */
    DmJoining joining;
    DmCall *of;        /* it calls who is to come instead of a party of that one; NULL once that is
                          settled, or never */
    DmLeg *stand_in;   /* owned: the caller of such a call, played by ourselves */
    DmConfig *lender;  /* owned: what @stand_in's media settings are part of */
    char *replaces;    /* for the INVITEs of such a call; NULL: nothing */
    char *referred_by; /* the same */
};

/* call.c */
bool dm_call_move(DmCall *call, DmCallState to);
/* Ends it, once: later reasons are ignored. Every leg and the media are closed. */
void dm_call_release(DmCall *call, DmReleasedBy by, const DmRelease *why);
/* Ends it for a reason of ours. @diagnosis: "" for none. */
void dm_call_fail(DmCall *call, uint16_t status, uint16_t q850, const char *diagnosis);
/* The same for a call that was answered: no SIP status is to blame. @reason: for people and the
 * Reason header. */
void dm_call_end(DmCall *call, uint16_t q850, const char *reason, const char *diagnosis);
/* Announces the end once nothing is held any more; the call may be gone afterwards. */
void dm_call_check_over(DmCall *call);
/* Empty, in DM_CALL_START, with a new record that has no id yet. */
DmCall *dm_call_new_empty(const DmCallDeps *deps, DmConfig *config);
/* Frees it in any state, for a process that ends: what still holds it must never call again. */
void dm_call_destroy(DmCall *call);
/* Every event of every leg; @user_data is the DmParty. */
void dm_call_on_leg_event(DmLeg *leg, const DmLegEvent *event, void *user_data);
static inline DmParty **
dm_call_place(DmCall *call, DmSide side)
{
    return side == DM_SIDE_A ? &call->a : &call->b;
}
static inline DmTransferState
dm_call_transfer_state(const DmCall *call)
{
    return call->transfer != NULL ? (DmTransferState)call->transfer->state : DM_TRANSFER_NONE;
}
static inline bool
dm_call_is_ending(const DmCall *call)
{
    return call->state >= DM_CALL_CLOSING;
}

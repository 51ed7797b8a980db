/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/id.h"
#include "gateway/route/policy.h"
#include "gateway/sdp/session.h"
#include "gateway/trunk/pool.h"

/* What a call asks of a leg, and what a leg tells its call. Implemented by gateway/sip/leg.c and by
 * the fakes of tests. One thread. Operations never call back into the call before they return:
 * events come from the loop. */
typedef struct DmLeg DmLeg;

typedef enum {
    DM_RELEASE_PEER_BYE,
    DM_RELEASE_PEER_CANCEL,
    DM_RELEASE_REJECTED,    /* a final answer other than 2xx; @status */
    DM_RELEASE_TIMEOUT,     /* no final answer in time, or none at all: @status 408 */
    DM_RELEASE_TRANSPORT,   /* could not be sent: @status 503 */
    DM_RELEASE_ACK_TIMEOUT, /* our 2xx was never acknowledged (SIG-6) */
    DM_RELEASE_LOCAL,       /* we closed it */
    DM_RELEASE_PROTOCOL, /* the peer broke the dialog: 481 or 408 inside it, an answer we cannot use
                          */
} DmReleaseCause;

/* Why a leg ended, or is to end. Text is bounded and printable. */
typedef struct {
    DmReleaseCause cause;
    uint16_t status;    /* SIP status; for close(): what to answer when it is not answered yet */
    uint16_t q850;      /* 0: none */
    char reason[64];    /* reason phrase or text of the Reason header */
    char diagnosis[32]; /* code of docs/diagnoses: "ack_timeout"; "" : none */
    unsigned retry_after_s;
    char redirect_to[64];  /* for close() with 302: the number to call instead; "": none */
    char warning[96];      /* for close(): text of Warning; "": none */
    uint16_t warning_code; /* RFC 3261, 20.43; 0: 399 */
} DmRelease;

/* A dialog of a call that another signalling worker has, by the names in a Replaces. Borrowed. */
typedef struct {
    unsigned worker;
    const char *call_id, *to_tag, *from_tag;
} DmFarDialog;

/* A transfer that a peer asks for or is asked for (REFER, RFC 3515). Strings are printable and
 * never NULL; borrowed, like the leg. */
typedef struct {
    const char *number; /* to call instead; "": whoever @replaced or @replaces means */
    DmLeg *replaced; /* whose dialog the new call is to take over (RFC 3891); NULL: none of ours */
    const DmFarDialog *far; /* the same, when another worker has it; NULL: no such */
    const char *replaces; /* the same in the peer's words, when the dialog is not ours; "" : none */
    const char *referred_by; /* to a peer: the number of who asks; "": not told. What a peer says
                                of itself does not cross (SIG-1). */
} DmReferral;

typedef enum {
    DM_LEG_PROGRESS, /* 1xx, 100 included, which ends the wait for any answer at all: status, sdp or
                        NULL */
    DM_LEG_OFFERED,  /* as DM_LEG_PROGRESS, with the offer that our INVITE lacked: reanswer() comes
                        before the handler returns, and goes into PRACK */
    DM_LEG_ANSWERED, /* 2xx to our INVITE: status, sdp or NULL */
    DM_LEG_EARLY_ANSWER,   /* PRACK to a progress() of ours with an offer: sdp, or NULL where it
                              should have been */
    DM_LEG_ACKED,          /* ACK to our 2xx: sdp when the offer was ours */
    DM_LEG_REOFFER,        /* re-INVITE or UPDATE with sdp, or without (asks for an offer) */
    DM_LEG_REANSWER,       /* 2xx to our re-INVITE: sdp */
    DM_LEG_REOFFER_FAILED, /* status; the session stays as it was */
    DM_LEG_REFERRED,       /* REFER: referral, to be answered with answer_refer() before the handler
                              returns */
    DM_LEG_REFER_PROGRESS, /* of the transfer the peer was asked for: status; 200 and above: over */
    DM_LEG_KEY,            /* the peer tells of a key: key, key_ms */
    DM_LEG_CLOSED,         /* last event: release; the leg is gone when the handler returns */
} DmLegEventType;

typedef struct {
    DmLegEventType type;
    uint16_t status;
    const DmSdp *sdp; /* borrowed */
    bool is_rival;    /* DM_LEG_PROGRESS: @sdp is of another phone than the one heard so far */
    bool is_barred;   /* DM_LEG_PROGRESS: the peer lets nobody hear its early media (RFC 5009) */
    bool is_offer;    /* DM_LEG_ANSWERED, DM_LEG_REANSWER: the ACK waits for reanswer() */
    const DmRelease *release;
    char key;                   /* see DmKeyMethod */
    unsigned key_ms;            /* how long it was down; 0: not said */
    const DmReferral *referral; /* DM_LEG_REFERRED */
    const GPtrArray *contacts;  /* DM_LEG_CLOSED by 300, 301 or 302: char *, the numbers to call
                                   instead, best first; or NULL. Borrowed. */
} DmLegEvent;

typedef void (*DmLegEventFunc)(DmLeg *leg, const DmLegEvent *event, void *user_data);

/* For records and the API: what is known of a leg's peer. Strings are the leg's. */
typedef struct {
    const char *call_id;
    const char *user_agent; /* "" unknown */
    DmTransport transport;
    DmAddress remote, local;
    unsigned endpoint;
    bool takes_refer; /* it lists REFER in Allow */
    bool fragmented;  /* a request to it was too long for one datagram, and left in pieces */
} DmLegFacts;

typedef struct {
    /* A provisional answer (180, 183, ...) toward a caller. @sdp: NULL or what to say; may repeat.
     */
    void (*progress)(DmLeg *leg, uint16_t status, const DmSdp *sdp);
    /* 200 toward a caller, retransmitted until acknowledged. */
    void (*answer)(DmLeg *leg, const DmSdp *sdp);
    /* re-INVITE or UPDATE; @sdp NULL asks the peer for an offer. One at a time: DM_LEG_REANSWER or
     * DM_LEG_REOFFER_FAILED follows. Glare (491) is retried by the leg (RFC 3261, 14.1). Before
     * the answer it goes out as UPDATE when the first exchange is over and the peer takes it, and
     * waits for the answer otherwise. */
    void (*reoffer)(DmLeg *leg, const DmSdp *sdp);
    /* 200 to the pending DM_LEG_REOFFER. After DM_LEG_OFFERED the answer, in PRACK; after
     * DM_LEG_ANSWERED or DM_LEG_REANSWER with an offer the answer, in the ACK, which waits for it.
     */
    void (*reanswer)(DmLeg *leg, const DmSdp *sdp);
    void (*refuse_reoffer)(DmLeg *leg, uint16_t status);
    /* Ends it whatever its state: rejects with why->status, CANCEL or BYE with a Reason.
     * DM_LEG_CLOSED follows (cause LOCAL), at once in the loop for a reject, after the peer's
     * answer or a timeout otherwise; a 2xx that crosses a CANCEL is acknowledged and ended by the
     * leg itself (SIG-7). Closing twice is harmless. */
    void (*close)(DmLeg *leg, const DmRelease *why);
    /* Tells the peer of a key (see DmKeyMethod), behind those before it. Harmless before the call
     * is up. */
    void (*press)(DmLeg *leg, char key);
    const DmLegFacts *(*facts)(DmLeg *leg);
    /* To DM_LEG_REFERRED: 202, or a refusal. After 202 notify() tells how it goes: 100 at once by
     * the leg itself, then any 1xx, and one final status. */
    void (*answer_refer)(DmLeg *leg, uint16_t status);
    void (*notify)(DmLeg *leg, uint16_t status);
    /* Asks the peer for a transfer; DM_LEG_REFER_PROGRESS tells how it goes. One at a time. */
    void (*refer)(DmLeg *leg, const DmReferral *referral);
} DmLegOps;

/* Embedded first in every implementation. */
struct DmLeg {
    const DmLegOps *ops;
    char call_id[DM_CALL_ID_MAX]; /* of the call it belongs to, for the log; "": not known */
    DmLegEventFunc on_event;      /* set by the call as soon as it has the leg */
    void *user_data;
};

/* What came with a description in a body of several parts, and may cross (RFC 5621; SIG-26). */
typedef struct {
    char *type;        /* "application/isup", small letters */
    char *parameters;  /* ";version=itu-t92+"; "": none */
    char *disposition; /* "render;handling=optional"; "": not said */
    GBytes *data;
    bool is_location; /* Geolocation points to it (RFC 6442) */
    bool routes;      /* and it may be used to find the way */
} DmBodyPart;

/* One INVITE to one address. */
typedef struct {
    const DmRouteTarget *target;
    const DmTarget *address;
    DmTrunk *trunk;
    const DmSdp *offer;      /* NULL: delayed offer */
    unsigned max_forwards;   /* the caller's, already one less */
    const char *call_id;     /* ours, for the log: not sent */
    const char *replaces;    /* value of Replaces (RFC 3891); NULL: none */
    const char *referred_by; /* number for Referred-By (RFC 3892); NULL: nobody */
    const GPtrArray *parts;  /* DmBodyPart; NULL: none. Those go along that the trunk takes. */
} DmDial;

/* Makes calling legs. Implemented by gateway/sip; @factory is its own. The INVITE leaves before it
 * returns; failure to send arrives as DM_LEG_CLOSED. Never NULL. */
typedef struct {
    DmLeg *(*dial)(void *factory, const DmDial *dial, DmLegEventFunc on_event, void *user_data);
    void *factory;
} DmLegFactory;

/* A call that arrives: what the sip side knows when the first INVITE of a dialog is welcome. 100
 * has been sent. */
typedef struct {
    DmLeg *leg;     /* with the id the call is to have, or "" */
    DmTrunk *trunk; /* source; borrowed */
    const DmIdentity *identity;
    const DmSdp *offer;    /* or NULL: delayed offer */
    bool early_offer;      /* then: progress() may carry ours, as it will be acknowledged */
    unsigned max_forwards; /* as received: what goes on has one less */
    const char *auth;      /* "ip", "digest", "reg" */
    DmLeg *replaced;       /* whose place it is to take (RFC 3891): up, or a leg of ours that rings;
                              NULL: nobody's */
    GPtrArray *parts;      /* DmBodyPart; NULL: none. Referenced by who keeps it. */
    bool is_unreadable;    /* its description cannot be read: 400 */
    struct DmTransfer *transfer; /* it is the new call of a transfer; NULL: none */
} DmIncoming;

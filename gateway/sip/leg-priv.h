/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/sm.h"
#include "gateway/sip/dialog.h"
#include "gateway/sip/digest.h"
#include "gateway/sip/leg.h"
#include "gateway/sip/session-timer.h"

/* What the files leg*.c share. */

/*
 *   IDLE --INVITE--> CALLING --18x--> EARLY --2xx--> UP
 *                       |               |
 *                       +----close------+--> CANCELLING --487--> CLOSED
 *                                                 +------2xx---> CLOSING
 *   IDLE --INVITE came--> INCOMING --2xx sent--> ANSWERED --ACK--> UP
 *   UP --BYE sent--> CLOSING --answer--> CLOSED
 */
enum {
    DM_SIP_LEG_IDLE,
    DM_SIP_LEG_CALLING,
    DM_SIP_LEG_EARLY,
    DM_SIP_LEG_CANCELLING,
    DM_SIP_LEG_INCOMING,
    DM_SIP_LEG_ANSWERED,
    DM_SIP_LEG_UP,
    DM_SIP_LEG_CLOSING,
    DM_SIP_LEG_CLOSED,
    DM_SIP_N_LEG_STATES,
};

/* One INVITE of ours, first or re-INVITE. It lives until its transaction is gone, which may be
 * after its leg: a 2xx that is repeated is acknowledged again, one of another fork is acknowledged
 * and ended (SIG-5). */
typedef struct {
    DmSipCore *core;
    DmSipLeg *leg; /* NULL: gone */
    DmClientTx *tx;
    DmSipMessage
        *request; /* kept for a repetition with credentials and for the ACK's; NULL afterwards */
    uint32_t cseq;
    bool offered;    /* it carried a description; else the ACK must */
    bool is_refresh; /* of ours, to keep the session alive: the call knows nothing of it */
    bool provisional_came;
    bool is_confirmed;     /* one of its forks became the dialog */
    DmSipMessage *unacked; /* a 2xx with an offer, until the call has answered it */
    GSList *acks;          /* Ack: what was sent to each fork */
} DmInviteOut;

/* An INVITE (or UPDATE) of the peer that the call has not answered yet. */
typedef struct {
    DmServerTx *tx; /* NULL: none is pending */
    DmSipMessage *request;
    DmSdp *offer; /* what it describes, or NULL */
} DmInviteIn;

/* The life of the session on this leg (RFC 4028; leg-session.c). */
typedef struct {
    DmSessionTerms terms;
    DmSessionWord asked;  /* by the request that is being answered */
    unsigned min_s;       /* what a 422 has asked for */
    unsigned n_too_small; /* 422 in a row */
    bool due;             /* a refresh is to be sent as soon as it may */
    bool no_update;       /* the peer does not take UPDATE, whatever its Allow says */
    int64_t ends_us;      /* when it is over unless refreshed */
    DmTimer timer;        /* for the refresh, then for the end */
} DmLegSession;

/* A 2xx of ours that waits for its ACK (RFC 3261, 13.3.1.4). */
typedef struct {
    DmServerTx *tx; /* NULL: gone, nothing to repeat */
    bool offered;   /* it carried an offer: the ACK has the answer */
    uint32_t cseq;
    int64_t since_us, wait_us;
    DmTimer timer;
} DmAckWait;

/* What a caller is told before its final answer (leg-answer.c), and acknowledges with PRACK where
 * it can (RFC 3262; leg-reliable.c). */
typedef struct {
    bool knows_199;        /* RFC 6228 */
    bool knows_early_gate; /* P-Early-Media (RFC 5009) */
    uint16_t last_status;
    DmTimer again_timer; /* RFC 3261, 13.3.1.1: once a minute, for proxies */

    bool usable;    /* the caller knows of it, and the trunk lets us */
    bool always;    /* every one, not only those with a description */
    bool has_offer; /* the INVITE has one */
    bool offered;   /* it has none, and one of ours has gone out instead */
    bool owed;      /* the answer to that */
    bool agreed;    /* an answer of ours was acknowledged: it holds, and is not said again */
    uint32_t rseq;  /* of the last one; 0: none yet */
    DmSipMessage *unacked;
    bool with_sdp; /* that one has a description */
    int64_t since_us, wait_us;
    DmTimer timer;
    uint16_t next_status; /* what waits behind it; 0: nothing */
    DmSdp *next_sdp;
    bool answer_waits; /* the call has answered */
    DmSdp *answer;
} DmProvisional;

/* An early dialog of a call of ours that acknowledges what it says (leg-fork.c). */
typedef struct {
    DmDialog *dialog;
    uint32_t rseq; /* the last that was acknowledged */
    bool agreed;   /* it has answered our offer, or made one, for good */
    DmSdp *sdp;
    DmSipLeg *leg;
    DmClientTx *prack; /* ours, without a final answer */
    DmSdp *prack_sdp;  /* what is in it */
} DmSipFork;
#define DM_SIP_MAX_FORKS 8

/* Whoever rings, acknowledged or not. */
typedef struct {
    char *tag;
    DmSdp *sdp; /* what it described last; NULL: nothing */
} DmSipRinging;

/* The subscription that a REFER of the peer made (RFC 3515, 2.4.4; leg-refer.c). */
typedef struct {
    DmServerTx *tx; /* not answered yet; NULL: none */
    DmSipMessage *request;
    bool active; /* it hears of the transfer */
    bool is_first;
    uint32_t id;          /* CSeq of the REFER */
    DmClientTx *notify;   /* without an answer yet */
    uint16_t next_status; /* to be told after that; 0: nothing */
    uint16_t last_status;
    DmTimer timer; /* how long a BYE waits for the last NOTIFY */
} DmLegReferIn;

/* A REFER of ours. */
typedef struct {
    bool active; /* we hear of the transfer */
    DmClientTx *tx;
    char *to, *by; /* Refer-To and Referred-By; by: NULL when there is none */
} DmLegReferOut;

/* Keys of ours on their way (leg-info.c). */
typedef struct {
    GString *keys;  /* the first is being told; NULL: none yet */
    DmClientTx *tx; /* of it */
    bool is_plain;  /* the peer takes the other form */
} DmLegInfo;

struct DmSipLeg {
    DmLeg base;
    DmSipCore *core;
    unsigned state;
    uint16_t listener;   /* ours, by which the peer reaches us */
    bool is_caller_side; /* the peer called us: the Call-ID is the peer's */
    bool ending;         /* close() came; BYE as soon as it may */
    bool peer_said_bye;  /* before its 2xx to our INVITE came */
    bool early_barred;   /* by the last P-Early-Media of the peer (RFC 5009) */
    bool reoffering;     /* from reoffer() to its event */
    bool queued;         /* reoffer() is to be sent as soon as it may */
    bool update_offers;  /* @update carries @offer; else it only refreshes */
    uint8_t glares;
    char local_tag[DM_TOKEN_MAX];
    DmTrunk *trunk;    /* one reference */
    char *request_key; /* in core->requests, or NULL */
    DmDialog *dialog;  /* of a called leg: from its 2xx on */
    DmLegFacts facts;
    DmLogContext log;

    uint32_t peer_methods; /* bits of DmSipMethod: its last Allow; 0: it has not said */
    unsigned slim; /* DM_OVERSIZE_BIT of steps that all our requests take: descriptions stay what
                      they were, and a peer that answered 513 would do so again */
    DmSdpOrigin origin; /* what we said */
    DmSdp *remote_sdp;  /* what the peer said last that holds */

    DmDigestClient *digest; /* NULL: we have no credentials */
    GSList *invites;        /* DmInviteOut that still point here; borrowed */
    DmInviteOut *invite;    /* the one without a final answer; borrowed */

    /* of a called leg until its 2xx */
    char *early_tag;   /* of the fork whose early media counts */
    GSList *ringing;   /* DmSipRinging, owned */
    GSList *forks;     /* DmSipFork, owned */
    DmSipFork *asking; /* whose offer the call is answering just now; or NULL. Borrowed. */

    DmInviteIn incoming;
    DmInviteIn change; /* an offer of the peer's while its INVITE, or ours, has no final answer */
    DmProvisional *provisional; /* while a caller has no final answer; else NULL */
    DmAckWait *ack;             /* NULL: none is due */

    DmSdp *offer;         /* of reoffer(); NULL: asks for one */
    DmTimer *glare_timer; /* NULL: there has been none */
    DmClientTx *update;   /* ours, without a final answer */
    DmLegSession session;

    DmLegReferIn *refer_in;   /* NULL: the peer has never asked for one */
    DmLegReferOut *refer_out; /* NULL: it has never been asked */
    DmLegInfo info;

    DmClientTx *bye;     /* ours; tells this leg of its end */
    GPtrArray *contacts; /* char *: where a 3xx says to call instead; or NULL */
    DmRelease *release;  /* dm_sip_leg_release(); NULL: it does not end yet */
    DmTimer close_timer;
};

/* --- leg.c --- */
DmSipLeg *dm_sip_leg_new(DmSipCore *core, DmTrunk *trunk, const DmSipFlow *flow);
/* Before anybody has heard of it. */
void dm_sip_leg_discard(DmSipLeg *leg);
bool dm_sip_leg_move(DmSipLeg *leg, unsigned state);
void dm_sip_leg_emit(DmSipLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp);
void dm_sip_leg_emit_key(DmSipLeg *leg, char key, unsigned ms);
/* A 2xx to an INVITE of ours; @sdp is an offer when its ACK is still owed. */
void dm_sip_leg_emit_answer(DmSipLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp);
/* DM_LEG_CLOSED and the end of @leg: nothing may be done with it afterwards. */
void dm_sip_leg_finish(DmSipLeg *leg);
/* As above, from the loop: for what is noticed inside an operation. */
void dm_sip_leg_finish_soon(DmSipLeg *leg);
/* What DM_LEG_CLOSED will say, to be filled in. */
DmRelease *dm_sip_leg_release(DmSipLeg *leg);
void dm_sip_leg_set_release(DmSipLeg *leg,
                            DmReleaseCause cause,
                            uint16_t status,
                            const char *reason,
                            const char *diagnosis);
/* What a Reason header says, added to the release. */
void dm_sip_leg_take_reason(DmSipLeg *leg, const sip_reason_t *reason);
/* The cause of one Reason value; 0: none, or beyond @max. */
uint16_t dm_sip_reason_cause(const sip_reason_t *reason, unsigned max);
/* "SIP;cause=...;text=..., Q.850;cause=..."; NULL: nothing to say. (transfer full) */
char *dm_sip_reason_text(const DmRelease *why);

/* BYE with what the release says; DM_LEG_CLOSED when it is answered. */
void dm_sip_leg_send_bye(DmSipLeg *leg);
/* BYE that nobody waits for. */
void dm_sip_send_lone_bye(DmSipCore *core, DmDialog *dialog, const char *reason);

/* --- leg-peer.c: what messages tell of the peer --- */
/* The description in a message; NULL: none. False: there is one that cannot be read. (transfer
 * full) */
bool dm_sip_leg_read_sdp(const DmSipMessage *message, DmSdp **out_sdp);
void dm_sip_leg_write_sdp(DmSipLeg *leg, DmSipMessage *message, const DmSdp *sdp);
/* Where the peer reaches us: as an address, and as Contact says it. */
const DmAddress *dm_sip_leg_advertised(const DmSipLeg *leg);
void dm_sip_leg_add_contact(const DmSipLeg *leg, DmSipMessage *message);
/* @sdp may be NULL: nothing new was said. */
void dm_sip_leg_set_remote_sdp(DmSipLeg *leg, const DmSdp *sdp);
/* The numbers of a 300, 301 or 302, best first, a few at most; NULL: none. (transfer full) */
GPtrArray *dm_sip_leg_read_contacts(const DmSipMessage *response);
/* The number of a URI, when it can be called; "" else. (transfer full) */
char *dm_sip_number_of(const url_t *url);
/* Its name and what it allows. */
void dm_sip_leg_learn(DmSipLeg *leg, const DmSipMessage *message);
bool dm_sip_leg_peer_allows(const DmSipLeg *leg, DmSipMethod method);

/* --- leg-invite.c: INVITEs of ours --- */
/* (transfer full: @request) */
DmInviteOut *dm_sip_invite_start(DmSipLeg *leg,
                                 DmSipMessage *request,
                                 const DmSipFlow *flow,
                                 bool offered);
/* ACK for a 2xx: at once, unless it @is_offer: then when the call has an answer to put into it,
 * and @response is kept. (transfer full: @response) */
void dm_sip_invite_ack_or_keep(DmInviteOut *invite, DmSipMessage *response, bool is_offer);
/* ACK for the 2xx kept in @invite->unacked, with @sdp or without. */
void dm_sip_invite_ack_kept(DmInviteOut *invite, const DmSdp *sdp);
void dm_sip_invite_free(DmInviteOut *invite);
/* From now on it has no leg. */
void dm_sip_invite_leave(DmInviteOut *invite);

/* --- leg-size.c: requests that are too long for a datagram --- */
/* As dm_client_tx_start(), made as short as it needs to be, where the trunk allows it. */
DmClientTx *dm_sip_leg_start(DmSipLeg *leg,
                             DmSipMessage *request,
                             const DmSipFlow *flow,
                             const DmClientTxUser *user,
                             void *user_data);
/* 513 came: the same is worth sending once more, as short as it can be made. */
bool dm_sip_leg_take_too_large(DmSipLeg *leg, const DmSipMessage *response);
/* What is known of the size of messages at this endpoint, before anything is sent there. */
void dm_sip_leg_recall_size(DmSipLeg *leg);
void dm_sip_leg_note_no_tcp(DmSipLeg *leg);

/* --- leg-answer.c: INVITEs of the peer --- */
void dm_sip_leg_progress(DmSipLeg *leg, uint16_t status, const DmSdp *sdp);
void dm_sip_leg_answer(DmSipLeg *leg, const DmSdp *sdp);
void dm_sip_leg_reject(DmSipLeg *leg, const DmRelease *why);
/* @why's Warning, if it has one. */
void dm_sip_leg_add_warning(DmSipLeg *leg, DmSipMessage *response, const DmRelease *why);
/* 2xx to the pending INVITE or UPDATE, repeated until acknowledged when it is an INVITE. */
void dm_sip_leg_send_2xx(DmSipLeg *leg, const DmSdp *sdp);
/* Forgets the pending INVITE, answered or not. */
void dm_sip_leg_drop_incoming(DmSipLeg *leg);
void dm_sip_leg_drop_ack_wait(DmSipLeg *leg);
/* (transfer full) */
void dm_sip_leg_take_ack(DmSipLeg *leg, DmSipMessage *ack);
/* Watches @tx for CANCEL and its end. */
void dm_sip_leg_set_incoming(DmSipLeg *leg,
                             DmServerTx *tx,
                             DmSipMessage *request,
                             const DmSdp *offer);

/* 101 to 199 to the pending INVITE. (transfer full) */
DmSipMessage *dm_sip_leg_new_provisional(DmSipLeg *leg, uint16_t status, const DmSdp *sdp);

/* --- leg-reliable.c: provisional answers that are acknowledged --- */
/* Looks at a first INVITE. False: it has been refused; @request is the caller's. */
bool dm_sip_leg_check_reliable(DmSipLeg *leg, DmServerTx *tx, const DmSipMessage *request);
/* It is pending. */
void dm_sip_leg_start_provisional(DmSipLeg *leg, const DmSipMessage *request, const DmSdp *offer);
/* A description in a provisional answer of ours was acknowledged: the first exchange is over. */
bool dm_sip_leg_has_agreed(const DmSipLeg *leg);
bool dm_sip_leg_is_reliable(const DmSipLeg *leg, const DmSdp *sdp);
/* Whether a provisional answer may carry @sdp: an offer only where its answer can come back. */
bool dm_sip_leg_may_say(const DmSipLeg *leg);
void dm_sip_leg_send_reliable(DmSipLeg *leg, uint16_t status, const DmSdp *sdp);
/* True: the 2xx will be sent once the description before it is acknowledged (RFC 3262, 3). */
bool dm_sip_leg_answer_has_to_wait(DmSipLeg *leg, const DmSdp *sdp);
void dm_sip_leg_drop_provisional(DmSipLeg *leg);
/* (transfer full) */
void dm_sip_leg_take_prack(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);

/* --- leg-fork.c: early dialogs of a call of ours --- */
/* 199: one of those that ring has stopped (RFC 6228). False: others still do, and nobody else need
 * hear of it. */
bool dm_sip_fork_stopped(DmSipLeg *leg, const DmSipMessage *response);
/* One that rings says so. @sdp: may be NULL. False: there are too many; it is not to be heard. */
bool dm_sip_fork_rings(DmSipLeg *leg, const DmSipMessage *response, const DmSdp *sdp);
/* What the fork with this tag has described while it rang, or NULL. (transfer none) */
DmSdp *dm_sip_fork_described(const DmSipLeg *leg, const char *tag);
/* All of them and whoever rings: one has answered. */
void dm_sip_forks_drop(DmSipLeg *leg);
DmSipFork *dm_sip_fork_find(const DmSipLeg *leg, const DmSipMessage *response);
DmSipFork *dm_sip_fork_of_tag(const DmSipLeg *leg, const char *tag);
DmSipFork *dm_sip_fork_of_request(const DmSipLeg *leg, const DmSipMessage *request);
/* A provisional answer; one that wants to be acknowledged is. False: it was before, or came out of
 * turn, and nobody else need hear of it. */
bool dm_sip_fork_take(DmSipLeg *leg,
                      DmInviteOut *invite,
                      const DmSipMessage *response,
                      const DmSdp *sdp);
/* The answer to the offer of leg->asking, or NULL: it goes into PRACK. */
void dm_sip_fork_answer(DmSipLeg *leg, const DmSdp *sdp);
/* The dialog of a 2xx, early before or not; and the answer it has given already, or NULL.
 * (transfer full) */
DmDialog *dm_sip_fork_confirm(DmSipLeg *leg, const DmSipMessage *response, DmSdp **out_agreed);

/* --- leg-reinvite.c: sessions that change --- */
void dm_sip_leg_reoffer(DmSipLeg *leg, const DmSdp *sdp);
void dm_sip_leg_reanswer(DmSipLeg *leg, const DmSdp *sdp);
void dm_sip_leg_refuse_reoffer(DmSipLeg *leg, uint16_t status);
/* A queued offer, when nothing stands in its way any more. */
void dm_sip_leg_send_queued(DmSipLeg *leg);
/* (transfer full) */
void dm_sip_leg_take_reinvite(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
void dm_sip_leg_take_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
/* An offer before the final answer to the INVITE: the call answers it with reanswer(). */
void dm_sip_leg_take_change(DmSipLeg *leg,
                            DmServerTx *tx,
                            DmSipMessage *request,
                            const DmSdp *offer);
/* UPDATE of a fork of ours. (transfer full: @request) */
void dm_sip_leg_take_fork_update(DmSipLeg *leg,
                                 DmSipFork *fork,
                                 DmServerTx *tx,
                                 DmSipMessage *request);
void dm_sip_leg_drop_change(DmSipLeg *leg);
/* Told of the transaction's end. */
void dm_sip_leg_watch(DmSipLeg *leg, DmServerTx *tx);
/* Whether anything that changes or refreshes the session may be sent now. */
bool dm_sip_leg_may_send_invite(const DmSipLeg *leg);
/* A re-INVITE with @sdp, or without: it asks for an offer. */
DmInviteOut *dm_sip_leg_send_reinvite(DmSipLeg *leg, const DmSdp *sdp);
/* The answer to a reoffer(), whatever it went out as; and that it got none. */
void dm_sip_leg_tell_reanswer(DmSipLeg *leg, uint16_t status, const DmSdp *sdp);
void dm_sip_leg_reoffer_failed(DmSipLeg *leg, uint16_t status);
/* 491 came: whatever is queued waits (RFC 3261, 14.1). */
void dm_sip_leg_wait_after_glare(DmSipLeg *leg);
bool dm_sip_leg_waits_after_glare(const DmSipLeg *leg);
/* The peer has lost the dialog, or is gone: BYE, and the leg is over. */
void dm_sip_leg_lost(DmSipLeg *leg, uint16_t status, const char *reason, const char *diagnosis);
/* The final answer to our re-INVITE. (transfer full: @response) */
void dm_sip_leg_reinvite_answered(DmSipLeg *leg, DmInviteOut *invite, DmSipMessage *response);

/* --- leg-session.c: the life of a session (RFC 4028) --- */
/* Extensions and Session-Expires of an INVITE or UPDATE of ours. */
void dm_sip_leg_write_session(DmSipLeg *leg, DmSipMessage *request);
/* Looks at an INVITE or UPDATE of the peer. False: it has been refused; @request is the caller's.
 */
bool dm_sip_leg_check_session(DmSipLeg *leg, DmServerTx *tx, const DmSipMessage *request);
/* Headers of our 2xx to it; the session is refreshed. */
void dm_sip_leg_agree_session(DmSipLeg *leg, DmSipMessage *response);
/* A 2xx to a request of ours: the session is refreshed. */
void dm_sip_leg_settle_session(DmSipLeg *leg, const DmSipMessage *response);
/* 422: notes what it asks for. False: sending again would not help. */
bool dm_sip_leg_take_too_small(DmSipLeg *leg, const DmSipMessage *response);
/* Puts the session's headers of a request anew, as it is sent again. */
void dm_sip_leg_rewrite_session(DmSipLeg *leg, DmSipMessage *request);
/* Sends a refresh that is due. */
void dm_sip_leg_send_refresh(DmSipLeg *leg);
/* No 2xx to it: @status. The session lives on until it expires (RFC 4028, 10). */
void dm_sip_leg_refresh_failed(DmSipLeg *leg, uint16_t status);

/* --- leg-refer.c: transfers the peer asks for, leg-refer-out.c: those it is asked for --- */
/* (transfer full) */
void dm_sip_leg_take_refer(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
void dm_sip_leg_take_subscribe(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
void dm_sip_leg_take_notify(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
void dm_sip_leg_answer_refer(DmSipLeg *leg, uint16_t status);
void dm_sip_leg_notify(DmSipLeg *leg, uint16_t status);
/* One that waits, when nothing else is on its way: requests that overtake each other are refused
 * (RFC 3261, 12.2.2). */
void dm_sip_leg_send_next_notify(DmSipLeg *leg);
/* A NOTIFY has no answer yet. */
bool dm_sip_leg_is_notifying(const DmSipLeg *leg);
/* As long as it has none, or another waits: true, and the BYE follows it. */
bool dm_sip_leg_bye_has_to_wait(DmSipLeg *leg);
void dm_sip_leg_refer(DmSipLeg *leg, const DmReferral *referral);
void dm_sip_leg_drop_refers(DmSipLeg *leg);
/* RFC 4488: Refer-Sub: false. */
bool dm_sip_says_no_subscription(const DmSipMessage *message);

/* --- leg-update.c: UPDATE of ours --- */
/* One without a description. */
void dm_sip_leg_send_update(DmSipLeg *leg);
/* Sends leg->offer by UPDATE, now, where that is possible and wanted. False: it is not. */
bool dm_sip_leg_offer_by_update(DmSipLeg *leg);

/* --- leg-info.c: keys by INFO --- */
/* (transfer full) */
void dm_sip_leg_take_info(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);
void dm_sip_leg_press(DmSipLeg *leg, char key);
void dm_sip_leg_drop_info(DmSipLeg *leg);

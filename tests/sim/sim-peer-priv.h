/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/sim/sim-peer.h"

/* What the rooms of a simulated peer share. */

#define T1_US      (500 * 1000)
#define T2_US      (4 * G_USEC_PER_SEC)
#define ALLOW      "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK\r\n"
#define NEVER_MS   (600 * 1000)          /* no gateway lets anybody ring for so long */
#define GIVE_UP_US (32 * G_USEC_PER_SEC) /* 64 * T1 */

typedef enum {
    SIM_CALLING, /* our INVITE, nothing final yet */
    SIM_RINGING, /* their INVITE, nothing final from us yet */
    SIM_UP,
    SIM_ENDING, /* our BYE, not answered yet */
    SIM_OVER,
    SIM_GONE, /* we walked away without a word */
} SimState;

typedef struct {
    SimPeer *peer;
    SimState state;
    bool caller;
    char *call_id, *local_tag, *remote_tag; /* remote_tag NULL until known */
    char *number, *target;                  /* target: their Contact's URI */
    unsigned cseq, invite_cseq, remote_cseq;
    uint64_t seen;         /* CSeq numbers of theirs, below 64 */
    char *invite, *branch; /* of our last INVITE */
    bool provisional, cancelled, acked, holding, reinviting;
    bool asking; /* our last INVITE has no offer: its ACK has the answer */
    bool offered_early;
    bool picks_up;      /* ours is for what rings at another phone */
    bool offerless;     /* theirs has none, and ours has not been answered yet */
    char *final;        /* our last final answer to an INVITE, to repeat until acknowledged */
    char *last_request; /* theirs, by its CSeq line, and our answer to it: for retransmissions */
    char *last_answer;
    char *extra;        /* headers of the next answer */
    char *ack;          /* ours, for repeated 2xx */
    unsigned version;   /* of our SDP */
    unsigned session_s; /* 0: it does not expire */
    bool we_refresh;
    DmTimer session_timer, update_timer;
    char *update; /* ours, not answered yet */
    unsigned update_cseq;
    bool update_offers;
    char *refer; /* ours, not answered yet */
    unsigned refer_cseq;
    int64_t refer_until_us;
    bool referring; /* we asked, and hear how it goes */
    DmTimer refer_timer;
    bool requires_rel; /* our INVITE requires 100rel */
    bool early_sdp;    /* their early description was acknowledged */
    unsigned rseq_in, rseq_out;
    char *prack;         /* ours, for rseq_in */
    char *reliable;      /* our provisional answer that waits for PRACK */
    int64_t reliable_us; /* its next interval */
    DmTimer reliable_timer;
    DmTimer send_timer, act_timer;
    char *sending; /* what send_timer repeats */
    int64_t interval_us, give_up_us;
    void (*next)(void *call);
} SimCall;

struct SimPeer {
    SimPeerOptions options;
    GHashTable *calls; /* call_id -> SimCall */
    SimPeerCounts counts;
    char *stuck;
    SimCall *newest;
};

/* --- sim-peer-text.c --- */
/* Value of the first header of this name; NULL when absent. (transfer full) */
char *sim_header(const char *text, const char *name);
char *sim_tag_of(const char *value);
char *sim_uri_of(const char *value);
char *sim_token(SimPeer *peer);
bool sim_chance(SimPeer *peer, unsigned percent);
void sim_transmit(SimPeer *peer, const char *text);
char *sim_sdp(SimCall *call, const char *direction);
char *sim_request(SimCall *call,
                  const char *method,
                  const char *branch,
                  const char *extra,
                  const char *body);
void sim_respond(SimCall *call,
                 const char *text,
                 unsigned code,
                 const char *phrase,
                 const char *body);

/* --- sim-peer-call.c --- */
void sim_stop_sending(SimCall *call);
void sim_on_send_timer(DmTimer *timer, void *user_data);
void sim_send_until(SimCall *call, const char *text, void (*give_up)(void *));
void sim_act_in(SimCall *call, int64_t low_ms, int64_t high_ms, DmTimerFunc act);
void sim_stop_refreshing(SimCall *call);
void sim_call_free(void *data);
SimCall *sim_call_new(SimPeer *peer, char *call_id, bool caller);
void sim_call_over(void *data);
void sim_timed_out(void *data);
void sim_send_bye(SimCall *call);
void sim_send_ack(SimCall *call);
void sim_ack_failure(SimCall *call, const char *answer);
void sim_learn_dialog(SimCall *call, const char *text);

/* --- sim-peer-session.c --- */
char *sim_session_wish(SimCall *call);
void sim_take_session(SimCall *call, const char *text);
void sim_answer_session(SimCall *call, const char *text);
void sim_send_update(SimCall *call, const char *body);
void sim_on_update_answered(SimCall *call, const char *text, unsigned code);
void sim_on_update(SimCall *call, const char *text);

/* --- sim-peer-early.c --- */
const char *sim_reliable_wish(SimCall *call);
void sim_take_provisional(SimCall *call, const char *text, unsigned code);
void sim_ring(SimCall *call, const char *text, const char *early);
void sim_ring_elsewhere(SimCall *call, const char *text);
void sim_on_prack(SimCall *call, const char *text);

/* --- sim-peer-transfer.c --- */
void sim_transfer(SimCall *call);
/* Another phone answers what rings here (RFC 3891). */
void sim_pick_up(SimCall *call);
void sim_on_refer_answered(SimCall *call, const char *text, unsigned code);
void sim_on_notify(SimCall *call, const char *text);
void sim_stop_referring(SimCall *call);

/* --- sim-peer-acts.c --- */
/* A call of our own. @extra: headers of the INVITE. */
void sim_call_with(SimPeer *peer, const char *number, const char *extra);
void sim_now_up(SimCall *call);
void sim_answer_gave_up(void *data);
void sim_send_final(SimCall *call,
                    const char *invite,
                    unsigned code,
                    const char *phrase,
                    const char *body,
                    void (*give_up)(void *));
void sim_on_answer_time(DmTimer *timer, void *user_data);
void sim_on_rung_out(DmTimer *timer, void *user_data);

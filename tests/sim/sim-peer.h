/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/address.h"
#include "gateway/base/loop.h"
#include "gateway/base/random.h"

/* A PBX or a carrier of the simulation: a small user agent of its own, sharing nothing with the
 * gateway's stack, that speaks SIP as text, retransmits as RFC 3261 says, and chooses what to do
 * next at random. It also watches: what the gateway must never do is a failure of the test at once.
 */
typedef struct SimPeer SimPeer;

/* How likely a peer is to do something, in percent. */
typedef struct {
    unsigned reject, silent, never_final, early_media, vanish; /* as the called side */
    unsigned cancel, no_ack;                                   /* as the caller */
    unsigned hold, refuse_hold;                                /* either side, once up */
    unsigned rel100, fork;                                     /* either side; called side */
    unsigned timers, lazy_refresher;                           /* session timers (RFC 4028) */
    unsigned delayed;       /* as the caller: no offer in the INVITE (SIG-11) */
    unsigned refer;         /* either side, once up: a transfer, of any kind */
    unsigned pickup;        /* as the called side: what rings is answered by another phone */
    unsigned ask, reupdate; /* either side, once up: re-INVITE without an offer; UPDATE with one */
} SimHabits;

typedef struct {
    const char *name; /* "pbx" */
    DmLoop *loop;
    DmRandom *random;
    DmAddress address, gateway;
    SimHabits habits;
    bool may_lack_offer; /* an INVITE that comes */
    bool scripted;       /* it answers requests, and begins nothing but what sim_peer_act() says */
    /* Bytes out. */
    void (
        *send)(void *net, const DmAddress *from, const DmAddress *to, const char *data, size_t len);
    void *net;
} SimPeerOptions;

SimPeer *sim_peer_new(const SimPeerOptions *options);
void sim_peer_free(SimPeer *peer);
/* A datagram from the gateway. */
void sim_peer_receive(SimPeer *peer, const char *data, size_t len);
/* Calls @number through the gateway, now. */
void sim_peer_call(SimPeer *peer, const char *number);
/* What a peer can be told to do in its newest call. */
typedef enum {
    SIM_ACT_RING,
    SIM_ACT_RING_RELIABLY, /* with a description, when the gateway lists 100rel */
    SIM_ACT_ANSWER,
    SIM_ACT_REJECT,
    SIM_ACT_CANCEL,
    SIM_ACT_BYE,
    SIM_ACT_HOLD,   /* re-INVITE; the next one resumes */
    SIM_ACT_ASK,    /* re-INVITE without an offer */
    SIM_ACT_UPDATE, /* with an offer */
} SimAct;
/* Nothing happens when the protocol does not allow it just now. */
void sim_peer_act(SimPeer *peer, SimAct act);
/* Whether it believes its newest call to be up. */
bool sim_peer_is_up(const SimPeer *peer);
/* Calls that this peer still believes in: not over, and not ones it walked away from. */
size_t sim_peer_n_open(const SimPeer *peer);
/* Since the beginning. */
typedef struct {
    unsigned placed, taken; /* INVITEs sent; INVITEs received, retransmissions apart */
    unsigned answered;      /* calls that were up, either way */
    unsigned rejected;      /* INVITEs of ours that got a final answer other than 2xx */
    unsigned timed_out;     /* what we sent was not answered or acknowledged in 64*T1: the network's
                               doing,     or the gateway's silence */
    unsigned held;          /* re-INVITEs of ours that were answered */
    unsigned pracked, acknowledged;     /* provisional answers of theirs, and of ours */
    unsigned asked_to_refer;            /* REFERs of ours */
    unsigned referred, transferred;     /* that were taken, and that came to something */
    unsigned picked_up;                 /* INVITEs of ours that took what rang */
    unsigned refreshed, refreshes_seen; /* UPDATEs of ours that were answered, and of theirs */
} SimPeerCounts;
const SimPeerCounts *sim_peer_counts(const SimPeer *peer);
/* Every Call-ID this peer has made or seen: the gateway must not show one to the other side. */
bool sim_peer_knows(const SimPeer *peer, const char *call_id);
/* (transfer none): a call that will not end, in words, for the failure message; NULL when there is
 * none */
const char *sim_peer_stuck(SimPeer *peer);

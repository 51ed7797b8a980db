/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/load.h"
#include "gateway/call/call-table.h"

/* Calls without SIP and without sound: a virtual loop, a pool, a configuration, legs and media that
 * do as they are told. Everything the call asks of them is checked for being allowed at that
 * moment, counted, and written into a story. */
typedef struct World World;

typedef struct FakeLeg {
    DmLeg leg;
    World *world;
    char name[16];  /* "a1", "b1", "b2" in order of making */
    char trunk[16]; /* whom it calls or comes from */
    char call_id[DM_CALL_ID_MAX];
    bool incoming;
    DmLegFacts facts;
    DmSdp *said;            /* last description from the call; NULL none */
    unsigned n_closes;      /* by the call */
    unsigned n_closed;      /* told to the call */
    unsigned n_reoffers_in; /* told and not answered yet */
    bool reoffer_out;       /* asked by the call and not answered yet */
    bool answered;          /* by the call */
    bool offerless;         /* dialled without an offer, and has not made one yet */
    bool up;                /* answered and acknowledged, as far as its peer goes */
    bool referring;         /* told of a REFER, and not answered yet */
    bool hears;             /* of a transfer it asked for: no final status yet */
    bool asked;             /* for a transfer: no final status yet */
    uint16_t refer_status;  /* answer to the last REFER */
    uint16_t notified;      /* last status told */
    char asked_number[64];  /* of the transfer it was asked for */
    DmLeg *asked_replaced;
    char replaces[64], referred_by[64]; /* it was dialled with; "": without */
    DmRelease why;                      /* of the call's close */
    int64_t close_delay_us;             /* how long its peer takes over a BYE */
    DmTimer timer;                      /* ends it after a close */
    DmTimer script_timer;               /* for whoever drives it */
    void *script;
} FakeLeg;

/* With default legs: nobody answers by itself. */
struct World {
    DmFakeClock clock;
    DmLoop *loop;
    DmRandom *random;
    DmTrunkRegistry *registry;
    DmPool *pool;
    DmConfig *config;
    DmLegFactory factory;
    DmCallObserver observer;
    DmCallDeps deps;
    DmCallTable *calls;
    GPtrArray *legs; /* FakeLeg, all there ever were */
    GPtrArray *sdps; /* DmSdp, what peers may say */

    unsigned n_incoming, n_dialed;
    bool has_story; /* keep one */
    GString *story; /* "b1:dial(carrier) a1:progress(183,sdp) ..." */
    bool no_ports;
    bool caller_pracks; /* of calls to come: they take an offer before the answer */
    DmAudioVerdict final_verdict;
    DmMediaReport final_report; /* of a session, at any time */
    DmAddress latched;          /* what DM_CALL_MEDIA_LATCHED tells */
    int64_t media_close_delay_us;
    unsigned n_media_opened, n_media_closed;
    DmMediaSpec spec; /* last told to any session */
    unsigned n_updates;
    GPtrArray *media; /* FakeMedia that are open */

    unsigned n_calls, n_started, n_ended, n_over;
    unsigned n_ended_answered;
    unsigned n_transferred, n_not_transferred;
    json_t *last_record; /* of the call that ended last */
    unsigned n_refused_moves;
    void (*on_dial)(FakeLeg *leg, void *user_data); /* nullable: drives new legs */
    void *user_data;
};

/* @config: YAML; NULL: a PBX, carriers "first" (two addresses) and "second", calls from the PBX go
 * to both carriers in order, calls from them to the PBX. */
World *world_new(uint64_t seed, const char *config);
/* Every call must be over. Checks that nothing is left: legs, media, places on trunks. */
void world_free(World *world);

/* Turns the clock for @ms, event by event. */
void world_run(World *world, int64_t ms);
/* Until every call is over, at most @ms. */
void world_finish(World *world, int64_t ms);

/* A call from @trunk to @number. @offer: media lines of a description, or NULL for none. */
DmCall *world_call(World *world, const char *trunk, const char *number, const char *offer);
/* The leg made @n-th with that letter: world_leg(world, "b2"). */
FakeLeg *world_leg(World *world, const char *name);

/* A description with a session part around @media lines. (transfer full); NULL for NULL. */
DmSdp *world_sdp(const char *media);

/* The peer does something, now. @sdp: media lines or NULL. Legs that are gone stay silent. */
void peer_does(FakeLeg *leg, DmLegEventType type, uint16_t status, const char *sdp);
void peer_does_with(FakeLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp);
void peer_ends(FakeLeg *leg, DmReleaseCause cause, uint16_t status);
/* The same; it names @number to call instead. NULL: none. */
void peer_redirects(FakeLeg *leg, DmReleaseCause cause, uint16_t status, const char *number);
/* Its peer asks for a transfer, to @number, or to take @replaced's place; @replaces: the same of a
 * dialog of others. Returns the answer. */
uint16_t peer_refers(FakeLeg *leg, const char *number, FakeLeg *replaced, const char *replaces);
/* How the transfer goes that it was asked for. */
void peer_reports(FakeLeg *leg, uint16_t status);
/* A call that is to take @replaced's place (RFC 3891). */
DmCall *world_call_instead(World *world, const char *trunk, FakeLeg *replaced, const char *offer);
/* Of the session opened last. */
void media_does(World *world, DmCallMediaEventType type, DmSide side, DmAudioVerdict verdict);

/* Anything, sensible or not, as @dice has it; most often what a peer in that place would do. */
void peer_does_something(FakeLeg *leg, uint64_t dice);
void media_does_something(World *world, uint64_t dice);

/* What has happened since the last time, and starts anew. (transfer full) */
char *world_take_story(World *world);

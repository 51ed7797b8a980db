/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/stack.h"
#include "tests/lib/sim-network.h"

/* A whole SIP stack on a host of a simulated network; the test is its call core. */
typedef struct {
    DmSimNetwork *network;
    DmSimHost *host;
    DmTrunkRegistry *registry;
    DmPool *pool;
    DmConfig *config;
    DmSipStack *stack;
    DmCounter *counters;
    bool accepting;
    GPtrArray *legs;     /* DmLeg, those that live; borrowed */
    DmLeg *leg;          /* the last that came or was dialled; NULL once closed */
    DmSdp *sdp;          /* the last description a leg told of */
    DmRelease ended;     /* of the last leg that closed */
    DmIdentity identity; /* of the last call that came */
    char *auth;
    unsigned max_forwards;
    DmLeg *replaced;    /* by the last call that came; borrowed */
    GPtrArray *parts;   /* DmBodyPart that came with it, and go along with calls dialled; or NULL */
    bool is_unreadable; /* its description */
    GString *events;    /* "incoming progress:180 answered:200 acked closed:0 " */
    void (*on_event)(DmLeg *leg,
                     const DmLegEvent *event,
                     void *user_data); /* after noting; or NULL */
    void *user_data;
} DmSimGateway;

/* @yaml: trunks and whatever else, in one document. */
DmSimGateway *dm_sim_gateway_new(DmSimNetwork *network, const char *address, const char *yaml);
void dm_sim_gateway_free(DmSimGateway *gateway);
void dm_sim_gateway_take_config(DmSimGateway *gateway, const char *yaml);

DmConfig *dm_sim_config(const char *yaml);
/* A description with one audio line at @port. */
DmSdp *dm_sim_sdp(unsigned port);
extern const char dm_sim_sdp_text[]; /* the same, as a peer writes it, version 1 */

/* Calls @number at the first target of trunk @trunk_id. */
DmLeg *dm_sim_gateway_dial(DmSimGateway *gateway,
                           const char *trunk_id,
                           const char *number,
                           const DmSdp *offer);

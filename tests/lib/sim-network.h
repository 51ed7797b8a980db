/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/clock.h"
#include "gateway/base/loop.h"
#include "gateway/base/random.h"
#include "gateway/sip/transport/transport.h"

/* A network in one process and in virtual time: hosts with addresses, datagrams that are lost,
 * doubled, late and out of order as a seed says. All hosts live on one virtual loop; nothing
 * happens but in dm_sim_network_run(). */
typedef struct DmSimNetwork DmSimNetwork;
typedef struct DmSimHost DmSimHost;

/* What happens to a datagram on its way. */
typedef struct {
    unsigned loss_percent;
    unsigned duplicate_percent;
    unsigned late_percent; /* arrives up to late_max_us later than it should: after those sent
                              behind it */
    int64_t delay_us;
    int64_t jitter_us; /* added, uniform */
    int64_t late_max_us;
} DmSimLink;

/* At first every link delays by 1 ms and does nothing else. */
DmSimNetwork *dm_sim_network_new(uint64_t seed);
/* Frees its hosts too. */
void dm_sim_network_free(DmSimNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSimNetwork, dm_sim_network_free)

/* All borrowed. */
DmLoop *dm_sim_network_loop(DmSimNetwork *network);
DmFakeClock *dm_sim_network_clock(DmSimNetwork *network);
DmRandom *dm_sim_network_random(DmSimNetwork *network);
/* Since it was made. */
int64_t dm_sim_network_now_us(const DmSimNetwork *network);

/* From host @from to host @to; NULL: any. The last one set that fits counts. */
void dm_sim_network_set_link(DmSimNetwork *network,
                             const DmSimHost *from,
                             const DmSimHost *to,
                             const DmSimLink *link);

/* Turns the clock by @us, doing everything that is due on the way. */
void dm_sim_network_run(DmSimNetwork *network, int64_t us);
/* Until @done says so, at most @max_us; returns its last word. */
bool dm_sim_network_run_until(DmSimNetwork *network,
                              bool (*done)(void *user_data),
                              void *user_data,
                              int64_t max_us);

typedef struct {
    uint64_t sent, lost, duplicated, delivered, unreachable;
} DmSimCounts;
const DmSimCounts *dm_sim_network_counts(const DmSimNetwork *network);

/* A host with its first listener, "192.0.2.1:5060". @on_unreachable may be NULL. (transfer none) */
DmSimHost *dm_sim_host_new(DmSimNetwork *network,
                           const char *address,
                           DmSipReceiveFunc on_receive,
                           DmSipUnreachableFunc on_unreachable,
                           void *user_data);
/* One more; returns its number. */
unsigned dm_sim_host_add_listener(DmSimHost *host, const char *address);
DmSipWire dm_sim_host_wire(DmSimHost *host);
/* Longest request that leaves in one datagram; 0, at first: any. */
void dm_sim_host_set_max_request(DmSimHost *host, size_t bytes);
const DmAddress *dm_sim_host_address(const DmSimHost *host, unsigned listener);

typedef enum {
    DM_SIM_UP,
    DM_SIM_SILENT,  /* crashed, or cut off: what is sent to it or by it vanishes */
    DM_SIM_REFUSES, /* its port is closed: the sender is told (ICMP) */
} DmSimHostState;
void dm_sim_host_set_state(DmSimHost *host, DmSimHostState state);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/exchange.h"
#include "tests/lib/sim-network.h"

/* The signalling workers of one gateway on one simulated host. Whatever arrives is received by any
 * of them; what one has for another takes its time and keeps its order, as in a mailbox. */
typedef struct SimWorkers SimWorkers;
#define SIM_MAX_WORKERS 2

typedef struct {
    DmSimNetwork *network;
    const char *address; /* "192.0.2.1:5060" */
    unsigned n;
    DmConfig *config;
    DmTrunkRegistry *registry;
    const DmMediaOps *media;
    void *media_engine;
    DmCounter *sip_counters, *call_counters;
    void (*started)(const DmRecord *record, void *user_data); /* as of DmExchangeUser */
    void (*ended)(const DmRecord *record, void *user_data);
    void *user_data;
} SimWorkersOptions;

/* Everything in @options is borrowed and outlives it. */
SimWorkers *sim_workers_new(const SimWorkersOptions *options);
void sim_workers_free(SimWorkers *workers);

DmSimHost *sim_workers_host(const SimWorkers *workers);
unsigned sim_workers_n(const SimWorkers *workers);
DmExchange *sim_workers_exchange(const SimWorkers *workers, unsigned i);
/* Calls of all. */
size_t sim_workers_n_calls(const SimWorkers *workers);
/* Nothing is on its way from one to another, no leg lives, and no transaction matters any more. */
bool sim_workers_are_quiet(const SimWorkers *workers);

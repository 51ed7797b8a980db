/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/random.h"
#include "gateway/sip/dns-channel.h"
#include "gateway/trunk/pool.h"

/* One round of questions about where a name is: RFC 3263, 4. Without a port and a transport NAPTR
 * says which transports and SRV names there are; without a port SRV says which hosts and ports; A
 * and AAAA say the rest. On the resolver's thread. */
typedef struct DmLookup DmLookup;

#define DM_LOOKUP_MAX_ADDRESSES 16

typedef struct {
    const char *host;      /* a name; copied */
    uint16_t port;         /* 0: SRV decides */
    DmTransport transport; /* what was said, or what to take when nothing says otherwise */
    bool transport_free;   /* nothing was said: NAPTR, and SRV of any transport we speak */
    uint32_t transports;   /* those we speak: bits of DmTransport */
    bool naptr_known;      /* there was NAPTR before: its failure is no "there is none" */
} DmLookupQuestion;

typedef struct {
    DmResolved addresses[DM_LOOKUP_MAX_ADDRESSES]; /* best first */
    size_t n;
    int ttl_s;  /* the shortest of the addresses; -1: none */
    bool naptr; /* NAPTR records decided */
} DmLookupAnswer;

/* Exactly once, maybe before dm_lookup_ask() returns. @answer is borrowed; n is 0 when nothing was
 * found, or when a server failed and a guess would replace what it said before. */
typedef void (*DmLookupFunc)(const DmLookupAnswer *answer, void *user_data);

/* To be asked once. Returns: (transfer none), gone when @func has returned; @channel and @random
 * must live as long. */
DmLookup *dm_lookup_new(DmDnsChannel *channel,
                        DmRandom *random,
                        const DmLookupQuestion *question,
                        DmLookupFunc func,
                        void *user_data);
void dm_lookup_ask(DmLookup *lookup);
/* Nobody waits any more: @func is not called. Its questions cannot be taken back. */
void dm_lookup_forget(DmLookup *lookup);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/base/random.h"
#include "gateway/trunk/bindings.h"

/* What a REGISTER does to the contacts of a trunk (RFC 3261, 10.3; RFC 5626, 6; RFC 6140, 5): a
 * pure function of the request, the configuration, the contacts there were and the time. */

#define DM_REGISTER_MAX_CONTACTS 32

/* One Contact. Text is borrowed, never NULL. */
typedef struct {
    const char *uri;
    const char *instance; /* without quotes; "": none */
    unsigned reg_id;      /* 0: none */
    unsigned q;           /* thousandths */
    int64_t expires_s;    /* -1: not said */
    bool is_bulk;         /* ;bnc */
    bool has_user;
    DmAddress address; /* of its host, when that is numeric */
} DmRegisterContact;

typedef struct {
    bool is_star;
    unsigned n_contacts;
    DmRegisterContact contacts[DM_REGISTER_MAX_CONTACTS];
    int64_t expires_s; /* of the header; -1: none */
    const char *call_id;
    uint32_t cseq;
    const char *path; /* "": none */
    const char *user_agent;
    bool knows_outbound; /* Supported: outbound */
    bool wants_gin;      /* Require: gin */
    bool has_hops;       /* it came through a proxy that adds no flow token (RFC 5626, 5.1) */
    DmBinding way;       /* how it came; only those members are read */
} DmRegisterRequest;

typedef struct {
    unsigned status;
    unsigned min_expires_s; /* of a 423 */
    const char *reason;     /* phrase of a refusal; NULL: the standard one */
    bool uses_outbound;     /* 200: Require: outbound */
    bool changed;           /* @bindings are new */
    DmBindings *bindings;   /* (transfer full): all there are now; NULL: none. Of a 200 only */
} DmRegisterVerdict;

/* @old may be NULL. */
DmRegisterVerdict dm_registrar_decide(const DmRegisterRequest *request,
                                      const DmTrunkConfig *trunk,
                                      DmBindings *old,
                                      int64_t now_us,
                                      DmRandom *random);
/* Those that are not over; @old itself when none is. (transfer full); NULL: none is left. */
DmBindings *dm_registrar_expire(DmBindings *old, int64_t now_us);
/* A stream has ended: what can only be reached by it goes with it. As above. */
DmBindings *dm_registrar_drop_stream(DmBindings *old, uint64_t connection);

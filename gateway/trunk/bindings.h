/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>

#include "config/trunk.h"
#include "gateway/base/address.h"

/* Where a PBX that registered with us said it is. */
typedef struct {
    uint64_t id;      /* never used again, 0 is none */
    char *uri;        /* "sip:pbx@10.0.0.5:5060;ob", without <> */
    char *path;       /* values of Path (RFC 3327), first hop first: the Route of its calls; "" */
    char *instance;   /* +sip.instance, without quotes; "" */
    unsigned reg_id;  /* RFC 5626; 0: none */
    char *call_id;    /* of the REGISTER that made it last */
    uint32_t cseq;    /* of the same */
    char *user_agent; /* at most 128 bytes of UTF-8; "" unknown */
    unsigned q;       /* thousandths */
    bool is_gin;      /* RFC 6140: stands for all numbers of the trunk */
    bool has_flow;    /* RFC 5626: its flow and no other way */
    bool behind_nat;  /* came from elsewhere than its Via said */
    unsigned granted_s;
    int64_t updated_us, expires_us; /* monotonic */

    /* the way its REGISTER came */
    DmTransport transport;
    char *listener;      /* id */
    int listener_index;  /* in the configuration; -1: not there now */
    uint64_t connection; /* of a stream; 0: none that lives */
    DmAddress source;    /* whence it came */
    DmAddress reachable; /* streams: where it can be connected to; not set: nowhere */
    DmAddress local;     /* our end */
} DmBinding;

void dm_binding_free(DmBinding *binding);
DmBinding *dm_binding_copy(const DmBinding *binding);
/* All contacts of one trunk, as they are at one moment: best first. Never changes; any thread. */
typedef struct {
    GPtrArray *list; /* DmBinding */
} DmBindings;

/* (transfer full: @list, of DmBinding). Orders them: highest q, then heard of last. */
DmBindings *dm_bindings_new(GPtrArray *list);
DmBindings *dm_bindings_ref(DmBindings *bindings);
void dm_bindings_unref(DmBindings *bindings); /* NULL: nothing */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmBindings, dm_bindings_unref)

/* NULL: it is gone. @bindings may be NULL. */
const DmBinding *dm_bindings_find(const DmBindings *bindings, uint64_t id);
/* Whether the same requests are theirs, though times and CSeq may differ. NULL is none at all. */
bool dm_bindings_same_ways(const DmBindings *a, const DmBindings *b);

/* For the store: times become wall time, the two clocks at this moment being @mono_us and @wall_us.
 * (transfer full) */
json_t *dm_bindings_to_json(const DmBindings *bindings, int64_t mono_us, int64_t wall_us);
/* Back, without those that are over or make no sense; streams are gone. However the wall clock was
 * set meanwhile, none lives longer than it was granted. NULL: not what dm_bindings_to_json() makes.
 */
DmBindings *dm_bindings_from_json(const json_t *json, int64_t mono_us, int64_t wall_us);

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/bindings.h"

#include <string.h>

#define MAX_STORED 64
#define VERSION    1

void
dm_binding_free(DmBinding *binding)
{
    if (binding == NULL) {
        return;
    }
    g_free(binding->uri);
    g_free(binding->path);
    g_free(binding->instance);
    g_free(binding->call_id);
    g_free(binding->user_agent);
    g_free(binding->listener);
    g_free(binding);
}

DmBinding *
dm_binding_copy(const DmBinding *binding)
{
    DmBinding *copy = g_memdup2(binding, sizeof *binding);

    copy->uri = g_strdup(binding->uri);
    copy->path = g_strdup(binding->path);
    copy->instance = g_strdup(binding->instance);
    copy->call_id = g_strdup(binding->call_id);
    copy->user_agent = g_strdup(binding->user_agent);
    copy->listener = g_strdup(binding->listener);
    return copy;
}

/* --- all of a trunk --- */

static int
best_first(const void *a, const void *b)
{
    const DmBinding *x = *(DmBinding *const *)a;
    const DmBinding *y = *(DmBinding *const *)b;

    if (x->q != y->q) {
        return x->q > y->q ? -1 : 1;
    }
    return x->updated_us == y->updated_us ? 0 : x->updated_us > y->updated_us ? -1 : 1;
}

static void
free_binding(gpointer data)
{
    dm_binding_free(data);
}

DmBindings *
dm_bindings_new(GPtrArray *list)
{
    DmBindings *bindings = g_atomic_rc_box_new0(DmBindings);

    g_ptr_array_set_free_func(list, free_binding);
    g_ptr_array_sort(list, best_first);
    bindings->list = list;
    return bindings;
}

DmBindings *
dm_bindings_ref(DmBindings *bindings)
{
    return g_atomic_rc_box_acquire(bindings);
}

static void
clear_bindings(gpointer data)
{
    g_ptr_array_unref(((DmBindings *)data)->list);
}

void
dm_bindings_unref(DmBindings *bindings)
{
    if (bindings != NULL) {
        g_atomic_rc_box_release_full(bindings, clear_bindings);
    }
}

const DmBinding *
dm_bindings_find(const DmBindings *bindings, uint64_t id)
{
    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        const DmBinding *binding = g_ptr_array_index(bindings->list, i);

        if (binding->id == id) {
            return binding;
        }
    }
    return NULL;
}

static bool
same_way(const DmBinding *a, const DmBinding *b)
{
    return a->transport == b->transport && a->connection == b->connection &&
           dm_address_equal(&a->source, &b->source);
}

bool
dm_bindings_same_ways(const DmBindings *a, const DmBindings *b)
{
    guint n = a != NULL ? a->list->len : 0;

    if (n != (b != NULL ? b->list->len : 0)) {
        return false;
    }
    for (guint i = 0; i < n; i++) {
        if (!same_way(a->list->pdata[i], b->list->pdata[i])) {
            return false;
        }
    }
    return true;
}

/* --- for the store --- */

static json_t *
address_to_json(const DmAddress *address)
{
    char text[DM_ADDRESS_TEXT_MAX];

    return json_string(dm_address_is_set(address) ? dm_address_text(address, text) : "");
}

static json_t *
to_json(const DmBinding *b, int64_t mono_us, int64_t wall_us)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:s, s:i, s:b, s:b, s:b, s:i, s:I, s:I, s:s, "
                     "s:s, s:o, s:o}",
                     "uri",
                     b->uri,
                     "path",
                     b->path,
                     "instance",
                     b->instance,
                     "reg_id",
                     (int)b->reg_id,
                     "call_id",
                     b->call_id,
                     "cseq",
                     (json_int_t)b->cseq,
                     "user_agent",
                     b->user_agent,
                     "q",
                     (int)b->q,
                     "gin",
                     b->is_gin,
                     "flow",
                     b->has_flow,
                     "nat",
                     b->behind_nat,
                     "granted_s",
                     (int)b->granted_s,
                     "updated_wall_us",
                     (json_int_t)(b->updated_us - mono_us + wall_us),
                     "expires_wall_us",
                     (json_int_t)(b->expires_us - mono_us + wall_us),
                     "transport",
                     dm_transport_name(b->transport),
                     "listener",
                     b->listener,
                     "source",
                     address_to_json(&b->source),
                     "reachable",
                     address_to_json(&b->reachable));
}

json_t *
dm_bindings_to_json(const DmBindings *bindings, int64_t mono_us, int64_t wall_us)
{
    json_t *list = json_array();

    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        json_t *json = to_json(bindings->list->pdata[i], mono_us, wall_us);

        if (json != NULL) { /* else something in it is not UTF-8 */
            json_array_append_new(list, json);
        }
    }
    return json_pack("{s:i, s:o}", "version", VERSION, "contacts", list);
}

static bool
take_transport(const char *name, DmTransport *out)
{
    for (unsigned i = 0; i < DM_N_TRANSPORTS; i++) {
        if (strcmp(name, dm_transport_name(i)) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* What was read, still borrowed from the JSON. */
typedef struct {
    const char *uri, *path, *instance, *call_id, *user_agent, *transport, *listener, *source;
    const char *reachable;
    int reg_id, q, is_gin, has_flow, behind_nat, granted_s;
    json_int_t cseq, updated_wall_us, expires_wall_us;
} Stored;

static bool
unpack(const json_t *json, Stored *s)
{
    return json_unpack((json_t *)json,
                       "{s:s, s:s, s:s, s:i, s:s, s:I, s:s, s:i, s:b, s:b, s:b, s:i, s:I, s:I, "
                       "s:s, s:s, s:s, s:s}",
                       "uri",
                       &s->uri,
                       "path",
                       &s->path,
                       "instance",
                       &s->instance,
                       "reg_id",
                       &s->reg_id,
                       "call_id",
                       &s->call_id,
                       "cseq",
                       &s->cseq,
                       "user_agent",
                       &s->user_agent,
                       "q",
                       &s->q,
                       "gin",
                       &s->is_gin,
                       "flow",
                       &s->has_flow,
                       "nat",
                       &s->behind_nat,
                       "granted_s",
                       &s->granted_s,
                       "updated_wall_us",
                       &s->updated_wall_us,
                       "expires_wall_us",
                       &s->expires_wall_us,
                       "transport",
                       &s->transport,
                       "listener",
                       &s->listener,
                       "source",
                       &s->source,
                       "reachable",
                       &s->reachable) == 0;
}

/* A stream died with the process: what is left is where it can be connected to. */
static bool
take_way(DmBinding *b, const Stored *s)
{
    if (!take_transport(s->transport, &b->transport) ||
        !dm_address_parse_with_port(&b->source, s->source, 0)) {
        return false;
    }
    return *s->reachable == '\0' || dm_address_parse_with_port(&b->reachable, s->reachable, 0);
}

static DmBinding *
from_json(const json_t *json, int64_t mono_us, int64_t wall_us)
{
    Stored s = {0};
    DmBinding *b;
    int64_t left_us;

    if (!unpack(json, &s) || s.granted_s <= 0) {
        return NULL;
    }
    left_us = MIN(s.expires_wall_us - wall_us, s.granted_s * G_USEC_PER_SEC);
    if (left_us <= 0) {
        return NULL;
    }
    b = g_new0(DmBinding, 1);
    *b = (DmBinding){
        .id = (uint64_t)g_random_int() << 32 | g_random_int() | 1,
        .uri = g_strdup(s.uri),
        .path = g_strdup(s.path),
        .instance = g_strdup(s.instance),
        .reg_id = (unsigned)s.reg_id,
        .call_id = g_strdup(s.call_id),
        .cseq = (uint32_t)s.cseq,
        .user_agent = g_strdup(s.user_agent),
        .q = (unsigned)s.q,
        .is_gin = s.is_gin != 0,
        .has_flow = s.has_flow != 0,
        .behind_nat = s.behind_nat != 0,
        .granted_s = (unsigned)s.granted_s,
        .updated_us = MIN(mono_us, s.updated_wall_us - wall_us + mono_us),
        .expires_us = mono_us + left_us,
        .listener = g_strdup(s.listener),
        .listener_index = -1,
    };
    if (!take_way(b, &s)) {
        g_clear_pointer(&b, dm_binding_free);
    }
    return b;
}

DmBindings *
dm_bindings_from_json(const json_t *json, int64_t mono_us, int64_t wall_us)
{
    const json_t *list = json_object_get(json, "contacts");
    GPtrArray *bindings;
    size_t i;
    json_t *element;

    if (json_integer_value(json_object_get(json, "version")) != VERSION || !json_is_array(list)) {
        return NULL;
    }
    bindings = g_ptr_array_new();
    json_array_foreach(list, i, element)
    {
        DmBinding *binding = i < MAX_STORED ? from_json(element, mono_us, wall_us) : NULL;

        if (binding != NULL) {
            g_ptr_array_add(bindings, binding);
        }
    }
    return dm_bindings_new(bindings);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/registrar-policy.h"

#include <sofia-sip/url.h>
#include <string.h>

#define HOUR_S 3600

/* One REGISTER being worked in. */
typedef struct {
    const DmRegisterRequest *request;
    const DmTrunkConfig *trunk;
    int64_t now_us;
    DmRandom *random;
    GPtrArray *list; /* DmBinding, owned */
    DmRegisterVerdict verdict;
} Work;

static bool
refuse(Work *work, unsigned status, const char *reason)
{
    work->verdict.status = status;
    work->verdict.reason = reason;
    return false;
}

static void
free_binding(gpointer data)
{
    dm_binding_free(data);
}

static GPtrArray *
copy_list(const DmBindings *old)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(free_binding);

    for (guint i = 0; old != NULL && i < old->list->len; i++) {
        g_ptr_array_add(list, dm_binding_copy(old->list->pdata[i]));
    }
    return list;
}

/* (transfer full: @list) */
static DmBindings *
bindings_of(GPtrArray *list)
{
    if (list->len == 0) {
        g_ptr_array_unref(list);
        return NULL;
    }
    return dm_bindings_new(list);
}

/* --- which contact is which --- */

/* RFC 3261, 19.1.4. */
static bool
same_uri(const char *a, const char *b)
{
    su_home_t home = {.suh_size = sizeof home};
    bool same = strcmp(a, b) == 0;

    if (!same) {
        su_home_init(&home);
        same = url_cmp_all(url_make(&home, a), url_make(&home, b)) == 0;
        su_home_deinit(&home);
    }
    return same;
}

/* A device with a flow of its own is told by its name and the flow's number, wherever it is. */
static bool
has_identity(const char *instance, unsigned reg_id)
{
    return *instance != '\0' && reg_id > 0;
}

static bool
is_same(const DmBinding *binding, const DmRegisterContact *contact)
{
    if (has_identity(binding->instance, binding->reg_id) &&
        has_identity(contact->instance, contact->reg_id)) {
        return binding->reg_id == contact->reg_id &&
               strcmp(binding->instance, contact->instance) == 0;
    }
    return same_uri(binding->uri, contact->uri);
}

static DmBinding *
find(const Work *work, const DmRegisterContact *contact, guint *out_index)
{
    for (guint i = 0; i < work->list->len; i++) {
        if (is_same(work->list->pdata[i], contact)) {
            *out_index = i;
            return work->list->pdata[i];
        }
    }
    return NULL;
}

/* --- what is asked --- */

static int64_t
asked_s(const Work *work, const DmRegisterContact *contact)
{
    int64_t asked = contact->expires_s >= 0 ? contact->expires_s : work->request->expires_s;

    return asked >= 0 ? asked : work->trunk->registration.max_expires_s;
}

/* RFC 3261, 10.3, 6: less than an hour may be refused, and only that. */
static bool
check_expires(Work *work, const DmRegisterContact *contact)
{
    int64_t asked = asked_s(work, contact);
    unsigned min_s = work->trunk->registration.min_expires_s;

    if (asked > 0 && asked < HOUR_S && asked < min_s) {
        work->verdict.min_expires_s = min_s;
        return refuse(work, 423, NULL);
    }
    return true;
}

/* RFC 6140, 5.2: a contact for all numbers names none; and it is asked for, and allowed. */
static bool
check_gin(Work *work, const DmRegisterContact *contact)
{
    if (contact->is_bulk && (contact->has_user || !work->request->wants_gin)) {
        return refuse(work, 400, "Bad bnc Contact");
    }
    return true;
}

/* RFC 5626, 6: a flow that a proxy ended on its way here cannot be used. */
static bool
check_flow(Work *work, const DmRegisterContact *contact)
{
    bool wants_flow =
        work->request->knows_outbound && has_identity(contact->instance, contact->reg_id);

    return !wants_flow || !work->request->has_hops || refuse(work, 439, NULL);
}

static bool
is_new(const DmBinding *binding, const DmRegisterRequest *request)
{
    return strcmp(binding->call_id, request->call_id) != 0 || binding->cseq < request->cseq;
}

/* RFC 3261, 10.3, 7: one that was overtaken changes nothing. */
static bool
check_order(Work *work, const DmRegisterContact *contact)
{
    guint index;
    const DmBinding *binding = find(work, contact, &index);

    return binding == NULL || is_new(binding, work->request) ||
           refuse(work, 500, "Overtaken by a later one");
}

static bool
check_contacts(Work *work)
{
    const DmRegisterRequest *request = work->request;

    if (request->n_contacts > work->trunk->registration.max_contacts) {
        return refuse(work, 403, "Too many contacts");
    }
    for (unsigned i = 0; i < request->n_contacts; i++) {
        const DmRegisterContact *contact = &request->contacts[i];

        if (!check_gin(work, contact) || !check_flow(work, contact) ||
            !check_expires(work, contact) || !check_order(work, contact)) {
            return false;
        }
    }
    return true;
}

/* --- doing it --- */

static void
set_text(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

static void
take_way(DmBinding *binding, const DmBinding *way)
{
    binding->transport = way->transport;
    binding->listener_index = way->listener_index;
    binding->connection = way->connection;
    binding->source = way->source;
    binding->local = way->local;
    binding->behind_nat = way->behind_nat;
    set_text(&binding->listener, way->listener);
}

/* A stream that ends can be made again toward a host that is not behind a NAT. */
static DmAddress
reachable(const DmRegisterContact *contact, const DmBinding *way)
{
    bool usable =
        way->transport != DM_TRANSPORT_UDP && dm_address_same_host(&contact->address, &way->source);

    return usable ? contact->address : (DmAddress){0};
}

static void
fill(Work *work, DmBinding *binding, const DmRegisterContact *contact)
{
    const DmRegisterRequest *request = work->request;
    int64_t granted_s = MIN(asked_s(work, contact), work->trunk->registration.max_expires_s);

    set_text(&binding->uri, contact->uri);
    set_text(&binding->path, request->path);
    set_text(&binding->instance, contact->instance);
    set_text(&binding->call_id, request->call_id);
    set_text(&binding->user_agent, request->user_agent);
    binding->reg_id = contact->reg_id;
    binding->cseq = request->cseq;
    binding->q = contact->q;
    binding->is_gin = contact->is_bulk;
    binding->has_flow = request->knows_outbound && has_identity(contact->instance, contact->reg_id);
    binding->granted_s = (unsigned)granted_s;
    binding->updated_us = work->now_us;
    binding->expires_us = work->now_us + granted_s * G_USEC_PER_SEC;
    take_way(binding, &request->way);
    binding->reachable = binding->has_flow ? (DmAddress){0} : reachable(contact, &request->way);
    work->verdict.uses_outbound |= binding->has_flow;
}

static void
apply(Work *work, const DmRegisterContact *contact)
{
    guint index = 0;
    DmBinding *binding = find(work, contact, &index);

    work->verdict.changed = true;
    if (asked_s(work, contact) == 0) {
        if (binding != NULL) {
            g_ptr_array_remove_index(work->list, index);
        }
        return;
    }
    if (binding == NULL) {
        binding = g_new0(DmBinding, 1);
        binding->id = MAX(dm_random_u64(work->random), 1);
        g_ptr_array_add(work->list, binding);
    }
    fill(work, binding, contact);
}

/* A PBX that restarts under another port must not wait until its past is over. */
static void
make_room(Work *work)
{
    while (work->list->len > work->trunk->registration.max_contacts) {
        guint oldest = 0;

        for (guint i = 1; i < work->list->len; i++) {
            const DmBinding *binding = work->list->pdata[i];

            if (binding->updated_us < ((DmBinding *)work->list->pdata[oldest])->updated_us) {
                oldest = i;
            }
        }
        g_ptr_array_remove_index(work->list, oldest);
    }
}

/* RFC 3261, 10.3, 6: "*" takes back everything, and may say nothing else. */
static bool
remove_all(Work *work)
{
    if (work->request->expires_s != 0 || work->request->n_contacts > 0) {
        return refuse(work, 400, "Contact: * is for Expires: 0");
    }
    for (guint i = 0; i < work->list->len; i++) {
        if (!is_new(work->list->pdata[i], work->request)) {
            return refuse(work, 500, "Overtaken by a later one");
        }
    }
    g_ptr_array_set_size(work->list, 0);
    work->verdict.changed = true;
    return true;
}

static bool
apply_all(Work *work)
{
    if (work->request->is_star) {
        return remove_all(work);
    }
    if (!check_contacts(work)) {
        return false;
    }
    for (unsigned i = 0; i < work->request->n_contacts; i++) {
        apply(work, &work->request->contacts[i]);
    }
    make_room(work);
    return true;
}

DmRegisterVerdict
dm_registrar_decide(const DmRegisterRequest *request,
                    const DmTrunkConfig *trunk,
                    DmBindings *old,
                    int64_t now_us,
                    DmRandom *random)
{
    Work work = {
        .request = request,
        .trunk = trunk,
        .now_us = now_us,
        .random = random,
        .verdict = {.status = 200},
    };
    DmBindings *living = dm_registrar_expire(old, now_us);

    work.list = copy_list(living);
    dm_bindings_unref(living);
    if (apply_all(&work)) {
        work.verdict.bindings = bindings_of(work.list);
    } else {
        g_ptr_array_unref(work.list);
    }
    return work.verdict;
}

/* --- time and streams --- */

/* Whether @binding stays; it may be changed for that. */
typedef bool (*Keep)(DmBinding *binding, int64_t value);

static DmBindings *
filter(DmBindings *old, Keep keep, int64_t value)
{
    GPtrArray *list = copy_list(old);

    for (guint i = list->len; i > 0; i--) {
        if (!keep(list->pdata[i - 1], value)) {
            g_ptr_array_remove_index(list, i - 1);
        }
    }
    return bindings_of(list);
}

static bool
is_living(DmBinding *binding, int64_t now_us)
{
    return binding->expires_us > now_us;
}

DmBindings *
dm_registrar_expire(DmBindings *old, int64_t now_us)
{
    for (guint i = 0; old != NULL && i < old->list->len; i++) {
        if (!is_living(old->list->pdata[i], now_us)) {
            return filter(old, is_living, now_us);
        }
    }
    return old != NULL ? dm_bindings_ref(old) : NULL;
}

static bool
survives_stream(DmBinding *binding, int64_t connection)
{
    if (binding->connection != (uint64_t)connection) {
        return true;
    }
    binding->connection = 0;
    return dm_address_is_set(&binding->reachable);
}

DmBindings *
dm_registrar_drop_stream(DmBindings *old, uint64_t connection)
{
    for (guint i = 0; old != NULL && i < old->list->len; i++) {
        if (((DmBinding *)old->list->pdata[i])->connection == connection) {
            return filter(old, survives_stream, (int64_t)connection);
        }
    }
    return old != NULL ? dm_bindings_ref(old) : NULL;
}

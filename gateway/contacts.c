/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/contacts.h"

#include <string.h>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/thread.h"

DM_LOG_TOPIC("contacts");

#define NAME "contacts/%s" /* of a trunk, among the store's named values */

struct DmContacts {
    DmStore *store; /* not owned */
    DmThread *thread;
    GMutex lock; /* protects the rest */
    GCond changed;
    GHashTable *waiting; /* trunk id -> DmBindings or NULL: to be written */
    bool stopping;
};

/* --- writing --- */

static char *
text_of(const DmBindings *bindings)
{
    const DmClock *clock = dm_clock_system();
    json_t *json = dm_bindings_to_json(bindings, dm_clock_mono_us(clock), dm_clock_wall_us(clock));
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    return text;
}

static void
write_one(DmContacts *contacts, const char *trunk_id, const DmBindings *bindings)
{
    g_autofree char *name = g_strdup_printf(NAME, trunk_id);
    g_autofree char *text = text_of(bindings);
    g_autoptr(GError) error = NULL;

    if (!dm_store_set_value(contacts->store, name, text, &error)) {
        dm_error(&(DmLogContext){.trunk = trunk_id},
                 "where it registered is not kept, and would be unknown after a restart: %s",
                 error->message);
    }
}

static void
write_all(DmContacts *contacts, GHashTable *waiting)
{
    GHashTableIter iter;
    gpointer id;
    gpointer bindings;

    g_hash_table_iter_init(&iter, waiting);
    while (g_hash_table_iter_next(&iter, &id, &bindings)) {
        write_one(contacts, id, bindings);
    }
}

static void
unref_bindings(gpointer bindings)
{
    dm_bindings_unref(bindings);
}

static GHashTable *
new_waiting(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_bindings);
}

/* What has come since the last time, once there is something; false: nothing, and there is nothing
 * more to come. */
static bool
take_waiting(DmContacts *contacts, GHashTable **out)
{
    bool goes_on;

    g_mutex_lock(&contacts->lock);
    while (g_hash_table_size(contacts->waiting) == 0 && !contacts->stopping) {
        g_cond_wait(&contacts->changed, &contacts->lock);
    }
    goes_on = g_hash_table_size(contacts->waiting) > 0;
    *out = contacts->waiting;
    contacts->waiting = new_waiting();
    g_mutex_unlock(&contacts->lock);
    return goes_on;
}

static void
run(void *user_data)
{
    DmContacts *contacts = user_data;
    GHashTable *waiting;

    while (take_waiting(contacts, &waiting)) {
        write_all(contacts, waiting);
        g_hash_table_unref(waiting);
    }
    g_hash_table_unref(waiting);
}

void
dm_contacts_keep(DmContacts *contacts, const char *trunk_id, DmBindings *bindings)
{
    g_mutex_lock(&contacts->lock);
    g_hash_table_insert(contacts->waiting,
                        g_strdup(trunk_id),
                        bindings != NULL ? dm_bindings_ref(bindings) : NULL);
    g_cond_signal(&contacts->changed);
    g_mutex_unlock(&contacts->lock);
}

/* --- reading --- */

static int
index_of(const DmConfig *config, const DmBinding *binding)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = config->listeners->pdata[i];

        if (strcmp(listener->id, binding->listener) == 0 &&
            listener->transport == binding->transport) {
            return (int)i;
        }
    }
    return -1;
}

/* (transfer full); NULL: nothing of use. */
static DmBindings *
parse(const char *text, const DmConfig *config)
{
    const DmClock *clock = dm_clock_system();
    json_t *json = json_loads(text, 0, NULL);
    DmBindings *bindings =
        json != NULL ? dm_bindings_from_json(json, dm_clock_mono_us(clock), dm_clock_wall_us(clock))
                     : NULL;

    json_decref(json);
    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        DmBinding *binding = bindings->list->pdata[i]; /* nobody else has it yet */

        binding->listener_index = index_of(config, binding);
    }
    if (bindings != NULL && bindings->list->len == 0) {
        g_clear_pointer(&bindings, dm_bindings_unref);
    }
    return bindings;
}

static bool
remember(DmStore *store,
         const DmConfig *config,
         const char *trunk_id,
         DmTrunkRegistry *registry,
         GError **error)
{
    g_autofree char *name = g_strdup_printf(NAME, trunk_id);
    g_autoptr(GError) missing = NULL;
    g_autofree char *text = dm_store_value(store, name, &missing);
    g_autoptr(DmBindings) bindings = text != NULL ? parse(text, config) : NULL;

    if (text == NULL && !g_error_matches(missing, DM_ERROR, DM_ERROR_NOT_FOUND)) {
        g_propagate_error(error, g_steal_pointer(&missing));
        return false;
    }
    if (bindings != NULL) {
        dm_trunk_registry_remember(registry, trunk_id, bindings);
        dm_info(&(DmLogContext){.trunk = trunk_id},
                "%u contacts it registered before the restart",
                bindings->list->len);
    }
    return true;
}

static bool
remember_all(DmStore *store, const DmConfig *config, DmTrunkRegistry *registry, GError **error)
{
    for (guint i = 0; i < config->trunks->len; i++) {
        const DmTrunkConfig *trunk = config->trunks->pdata[i];

        if (trunk->auth.mode == DM_AUTH_REGISTER_IN &&
            !remember(store, config, trunk->id, registry, error)) {
            return false;
        }
    }
    return true;
}

/* --- life --- */

DmContacts *
dm_contacts_start(DmStore *store, DmConfig *config, DmTrunkRegistry *registry, GError **error)
{
    DmContacts *contacts;

    if (!remember_all(store, config, registry, error)) {
        return NULL;
    }
    contacts = g_new0(DmContacts, 1);
    contacts->store = store;
    contacts->waiting = new_waiting();
    g_mutex_init(&contacts->lock);
    g_cond_init(&contacts->changed);
    contacts->thread = dm_thread_start(DM_THREAD_STORE, "dm-contacts", run, contacts, error);
    if (contacts->thread == NULL) {
        dm_contacts_stop(contacts);
        return NULL;
    }
    return contacts;
}

void
dm_contacts_stop(DmContacts *contacts)
{
    if (contacts == NULL) {
        return;
    }
    g_mutex_lock(&contacts->lock);
    contacts->stopping = true;
    g_cond_signal(&contacts->changed);
    g_mutex_unlock(&contacts->lock);
    if (contacts->thread != NULL) {
        dm_thread_join(contacts->thread);
    }
    g_hash_table_unref(contacts->waiting);
    g_mutex_clear(&contacts->lock);
    g_cond_clear(&contacts->changed);
    g_free(contacts);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <string.h>

#include "config/members.h"

static void
free_trunk(gpointer trunk)
{
    dm_trunk_config_free(trunk);
}

static void
free_route(gpointer route)
{
    dm_route_free(route);
}

const DmJsonMember dm_config_members[] = {
    {"tls_profiles",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, tls_profiles),
     .max = 64,
     .members = dm_tls_profile_members,
     .make = dm_tls_profile_make,
     .free = dm_tls_profile_free,
     .doc = "Certificates and whom to trust."},
    {"listeners",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, listeners),
     .max = 64,
     .members = dm_listener_members,
     .make = dm_listener_make,
     .free = dm_listener_free,
     .doc = "Where SIP is received."},
    {"media_pools",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, media_pools),
     .max = 64,
     .members = dm_media_pool_members,
     .make = dm_media_pool_make,
     .free = dm_media_pool_free,
     .shown = "one, `default`, on the address of the first listener",
     .doc = "Where audio is received."},
    {"sounds",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, sounds),
     .max = 32,
     .members = dm_sound_members,
     .make = dm_sound_config_make,
     .free = dm_sound_config_free,
     .doc = "Music and announcements."},
    {"trunks",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, trunks),
     .max = 10000,
     .members = dm_trunk_members,
     .make = dm_trunk_config_make,
     .free = free_trunk,
     .doc = "PBXs and carriers."},
    {"routes",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmConfig, routes),
     .max = 200000,
     .members = dm_route_members,
     .make = dm_route_make,
     .free = free_route,
     .doc = "Where calls go."},
    {"system", DM_JSON_OBJECT, .members = dm_system_members, .doc = "The process."},
    {"log", DM_JSON_OBJECT, .members = dm_log_members, .doc = "Log lines, on standard error."},
    {"admin", DM_JSON_OBJECT, .members = dm_admin_members, .doc = "The HTTP API."},
    {"security", DM_JSON_OBJECT, .members = dm_security_members, .doc = "What strangers may do."},
    {"quality",
     DM_JSON_OBJECT,
     .members = dm_quality_members,
     .doc = "From when on a call's sound is bad enough to say so in its record."},
    {"recording",
     DM_JSON_OBJECT,
     .members = dm_recording_members,
     .doc = "Calls written to WAV files, caller left, called right: those of trunks with "
            "`media.record` and routes with `action.record`, and any by the API."},
    {"cdr", DM_JSON_OBJECT, .members = dm_cdr_members, .doc = "Call records."},
    {NULL},
};

/* The resource at @i has the same @text in @member as one before it; false when it is the first. */
static bool
is_taken(GHashTable *seen,
         const char *text,
         const char *collection,
         size_t i,
         const char *member,
         DmJsonReader *reader)
{
    if (g_hash_table_add(seen, (gpointer)text)) {
        return false;
    }
    size_t before = dm_json_enter(reader, collection);
    dm_json_enter_index(reader, i);
    dm_json_problem_at(reader,
                       member,
                       "duplicate",
                       "another of the %s has the same %s",
                       collection,
                       member);
    dm_json_leave(reader, before);
    return true;
}

/* Ids are unique in a collection, and so are names, which are ids by default. */
static void
check_unique(const json_t *document, const char *collection, DmJsonReader *reader)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *element;

    json_array_foreach(json_object_get(document, collection), i, element)
    {
        const char *id = json_string_value(json_object_get(element, "id"));
        const char *name = json_string_value(json_object_get(element, "name"));
        if (id == NULL || *id == '\0' || is_taken(ids, id, collection, i, "id", reader)) {
            continue;
        }
        is_taken(names, name != NULL && *name != '\0' ? name : id, collection, i, "name", reader);
    }
}

/* Two sockets on one address cannot be. */
static void
check_listeners(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        for (guint k = 0; k < i; k++) {
            const DmListenerConfig *a = config->listeners->pdata[k];
            const DmListenerConfig *b = config->listeners->pdata[i];
            bool datagrams = a->transport == DM_TRANSPORT_UDP;
            if (datagrams != (b->transport == DM_TRANSPORT_UDP) ||
                dm_address_port(&a->address) == 0 || !dm_address_equal(&a->address, &b->address)) {
                continue;
            }
            size_t before = dm_json_enter(reader, "listeners");
            dm_json_enter_index(reader, i);
            dm_json_problem_at(reader,
                               "port",
                               "conflict",
                               "listener '%s' has the same address and port",
                               a->id);
            dm_json_leave(reader, before);
        }
    }
}

static void
check_pools(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->media_pools->len; i++) {
        for (guint k = 0; k < i; k++) {
            const DmMediaPoolConfig *a = config->media_pools->pdata[k];
            const DmMediaPoolConfig *b = config->media_pools->pdata[i];
            if (!dm_address_same_host(&a->address, &b->address) || a->port_max < b->port_min ||
                b->port_max < a->port_min) {
                continue;
            }
            size_t before = dm_json_enter(reader, "media_pools");
            dm_json_enter_index(reader, i);
            dm_json_problem_at(reader,
                               "port_min",
                               "conflict",
                               "ports overlap with those of pool '%s'",
                               a->id);
            dm_json_leave(reader, before);
        }
    }
}

static void
check_admin(const DmConfig *config, DmJsonReader *reader)
{
    if ((*config->admin.tls_cert != '\0') != (*config->admin.tls_key != '\0')) {
        size_t before = dm_json_enter(reader, "admin");
        dm_json_problem_at(reader,
                           *config->admin.tls_cert != '\0' ? "tls_key" : "tls_cert",
                           "required",
                           "is missing: certificate and key belong together");
        dm_json_leave(reader, before);
    }
}

/* A profile without a certificate can only call others. */
static void
check_certificates(const DmConfig *config, DmJsonReader *reader)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = config->listeners->pdata[i];
        const DmTlsProfileConfig *profile = dm_config_tls_profile(config, listener->tls_profile);

        if (listener->transport != DM_TRANSPORT_TLS || profile == NULL || *profile->cert != '\0') {
            continue;
        }
        size_t before = dm_json_enter(reader, "listeners");
        dm_json_enter_index(reader, i);
        dm_json_problem_at(reader,
                           "tls_profile",
                           "conflict",
                           "profile '%s' has no certificate to show",
                           profile->id);
        dm_json_leave(reader, before);
    }
}

/* What the pieces cannot see by themselves. @sound: every piece was read well. */
static void
check_whole(const DmConfig *config, const json_t *document, bool sound, DmJsonReader *reader)
{
    static const char *const collections[] = {
        "tls_profiles",
        "listeners",
        "media_pools",
        "sounds",
        "trunks",
        "routes",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(collections); i++) {
        check_unique(document, collections[i], reader);
    }
    if (sound) {
        check_listeners(config, reader);
        check_certificates(config, reader);
        check_pools(config, reader);
        check_admin(config, reader);
    }
}

/* A gateway with a listener and nothing else can carry calls: audio is received on the same
 * address. */
static void
add_default_pool(DmConfig *config)
{
    const DmListenerConfig *listener = dm_config_listener(config, NULL);

    if (config->media_pools->len > 0 || listener == NULL) {
        return;
    }
    DmMediaPoolConfig *pool = g_new0(DmMediaPoolConfig, 1);
    pool->id = g_strdup("default");
    pool->address = listener->address;
    pool->advertised = listener->advertised;
    dm_address_set_port(&pool->address, 0);
    if (dm_address_is_set(&pool->advertised)) {
        dm_address_set_port(&pool->advertised, 0);
    }
    pool->port_min = 20000;
    pool->port_max = 29999;
    pool->dscp = 46;
    g_ptr_array_add(config->media_pools, pool);
}

static gint
compare_routes(gconstpointer a, gconstpointer b)
{
    const DmRoute *route_a = *(const DmRoute *const *)a;
    const DmRoute *route_b = *(const DmRoute *const *)b;

    if (route_a->order != route_b->order) {
        return route_a->order < route_b->order ? -1 : 1;
    }
    return strcmp(route_a->id, route_b->id);
}

static void
complete(DmConfig *config)
{
    for (guint i = 0; i < config->trunks->len; i++) {
        DmTrunkConfig *trunk = config->trunks->pdata[i];
        g_hash_table_insert(config->trunks_by_id, trunk->id, trunk);
    }
    g_ptr_array_sort(config->routes, compare_routes);
    add_default_pool(config);
}

static void
clear_config(DmConfig *config)
{
    if (config->route_index != NULL) {
        ((GDestroyNotify)config->route_index_free)(config->route_index);
    }
    g_clear_pointer(&config->trunks_by_id, g_hash_table_unref);
    g_clear_pointer(&config->tls_profiles, g_ptr_array_unref);
    g_clear_pointer(&config->sounds, g_ptr_array_unref);
    g_clear_pointer(&config->listeners, g_ptr_array_unref);
    g_clear_pointer(&config->media_pools, g_ptr_array_unref);
    g_clear_pointer(&config->routes, g_ptr_array_unref);
    g_clear_pointer(&config->trunks, g_ptr_array_unref);
    g_free(config->system.data_dir);
    g_free(config->system.key_file);
    g_free(config->system.g729_library);
    g_free(config->system.node);
    g_free(config->admin.tls_cert);
    g_free(config->admin.tls_key);
    g_free(config->quality.reports.collector);
    g_free(config->quality.reports.user);
    g_clear_pointer(&config->quality.reports.trunks, g_ptr_array_unref);
    g_free(config->recording.directory);
    g_free(config->recording.name);
    g_free(config->cdr.file_path);
}

DmConfig *
dm_config_ref(DmConfig *config)
{
    return g_atomic_rc_box_acquire(config);
}

void
dm_config_unref(DmConfig *config)
{
    if (config != NULL) {
        g_atomic_rc_box_release_full(config, (GDestroyNotify)clear_config);
    }
}

DmConfig *
dm_config_new_from_json(const json_t *document, DmProblems *problems)
{
    g_autoptr(DmConfig) config = g_atomic_rc_box_new0(DmConfig);
    guint before = problems->list->len;
    DmJsonReader reader;

    if (!dm_json_depth_is_fine(document)) {
        dm_problems_add(problems, "", "depth", "nested deeper than %d levels", DM_JSON_MAX_DEPTH);
        return NULL;
    }
    config->trunks_by_id = g_hash_table_new(g_str_hash, g_str_equal);
    dm_json_reader_init(&reader, "", document, problems);
    bool sound = dm_json_read(&reader, document, dm_config_members, config);
    check_whole(config, document, sound, &reader);
    dm_json_reader_clear(&reader);
    if (problems->list->len > before) {
        return NULL;
    }
    complete(config);
    return g_steal_pointer(&config);
}

gpointer
dm_config_set_route_index(DmConfig *config, gpointer index, GDestroyNotify free_index)
{
    /* Everyone sets the same function, and it is read only after the last reference has gone. */
    g_atomic_pointer_set(&config->route_index_free, free_index);
    if (g_atomic_pointer_compare_and_exchange(&config->route_index, NULL, index)) {
        return index;
    }
    free_index(index);
    return g_atomic_pointer_get(&config->route_index);
}

gpointer
dm_config_route_index(const DmConfig *config)
{
    return g_atomic_pointer_get(&((DmConfig *)config)->route_index);
}

const DmTrunkConfig *
dm_config_trunk(const DmConfig *config, const char *id)
{
    return id != NULL ? g_hash_table_lookup(config->trunks_by_id, id) : NULL;
}

bool
dm_config_is_reported(const DmConfig *config, const char *id)
{
    const GPtrArray *trunks = config->quality.reports.trunks;

    if (*config->quality.reports.collector == '\0' || id == NULL) {
        return false;
    }
    for (guint i = 0; i < trunks->len; i++) {
        if (strcmp(g_ptr_array_index(trunks, i), id) == 0) {
            return true;
        }
    }
    return trunks->len == 0;
}

const DmListenerConfig *
dm_config_listener(const DmConfig *config, const char *id)
{
    for (guint i = 0; i < config->listeners->len; i++) {
        const DmListenerConfig *listener = config->listeners->pdata[i];
        if (id == NULL || *id == '\0' || strcmp(listener->id, id) == 0) {
            return listener;
        }
    }
    return NULL;
}

void
dm_config_set_sound(DmConfig *config, unsigned index, DmSound *sound, GDestroyNotify free_it)
{
    DmSoundConfig *place;

    g_return_if_fail(index < config->sounds->len);
    place = config->sounds->pdata[index];
    g_return_if_fail(place->sound == NULL);
    place->sound = sound;
    place->free_sound = free_it;
}

DmSound *
dm_config_sound(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && i < config->sounds->len; i++) {
        const DmSoundConfig *sound = config->sounds->pdata[i];

        if (strcmp(sound->id, id) == 0) {
            return sound->sound;
        }
    }
    return NULL;
}

const DmTlsProfileConfig *
dm_config_tls_profile(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && i < config->tls_profiles->len; i++) {
        const DmTlsProfileConfig *profile = config->tls_profiles->pdata[i];
        if (strcmp(profile->id, id) == 0) {
            return profile;
        }
    }
    return NULL;
}

unsigned
dm_config_media_pool_index(const DmConfig *config, const char *id)
{
    for (guint i = 0; id != NULL && *id != '\0' && i < config->media_pools->len; i++) {
        const DmMediaPoolConfig *pool = config->media_pools->pdata[i];
        if (strcmp(pool->id, id) == 0) {
            return i;
        }
    }
    return 0;
}

const DmMediaPoolConfig *
dm_config_media_pool(const DmConfig *config, const char *id)
{
    unsigned i = dm_config_media_pool_index(config, id);
    return i < config->media_pools->len ? config->media_pools->pdata[i] : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/settings.h"

#include <string.h>

#include "config/load.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("settings");

struct DmSettings {
    char *path;
    DmStore *store; /* not owned; may be NULL */
    DmSettingsApplyFunc apply;
    void *apply_data;
    GMutex lock; /* protects everything below; held across a whole write */
    json_t *file, *api;
    uint64_t revision; /* last one stored */
    DmConfig *config;
};

/* --- reading --- */

/* Resources the file brings are provisioned; dm_config_new_from_json() cannot tell whose they are.
 */
static DmConfig *
make_config(const json_t *file, const json_t *api, uint64_t revision, DmProblems *problems)
{
    json_t *merged = dm_revision_merge(file, api);
    DmConfig *config = dm_config_new_from_json(merged, problems);

    json_decref(merged);
    if (config != NULL) {
        config->revision = revision;
    }
    return config;
}

static void
set_problems(GError **error, const char *prefix, char *explained)
{
    g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "%s%s", prefix, explained);
    g_free(explained);
}

/* The file by itself, so that its own mistakes are told with its lines. */
static json_t *
read_file(const char *path, GError **error)
{
    g_autoptr(DmDocument) document = dm_document_load(path, error);
    g_autoptr(DmConfig) config = NULL;
    DmProblems problems;
    json_t *file = NULL;

    if (document == NULL) {
        return NULL;
    }
    dm_problems_init(&problems);
    config = dm_config_new_from_json(dm_document_json(document), &problems);
    if (config == NULL) {
        set_problems(error, "", dm_document_explain(document, &problems));
    } else {
        file = json_deep_copy(dm_document_json(document));
    }
    dm_problems_clear(&problems);
    return file;
}

static char *
explain_api(const DmProblems *problems)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < problems->list->len; i++) {
        const DmProblem *problem = problems->list->pdata[i];

        g_string_append_printf(text, "\n%s: %s", problem->pointer, problem->detail);
    }
    return g_string_free(text, FALSE);
}

/* Both documents together. */
static DmConfig *
join(const json_t *file, const json_t *api, uint64_t revision, GError **error)
{
    DmProblems problems;
    DmConfig *config;

    dm_problems_init(&problems);
    config = make_config(file, api, revision, &problems);
    if (config == NULL) {
        set_problems(error,
                     "the file is fine by itself, and does not fit what was changed through the "
                     "API; change the file, or roll the revision back:",
                     explain_api(&problems));
    }
    dm_problems_clear(&problems);
    return config;
}

/* An empty document when nothing was ever written. */
static bool
read_last_revision(DmSettings *settings, GError **error)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(DmStoreRevision) last = NULL;

    settings->api = json_object();
    if (settings->store == NULL) {
        return true;
    }
    last = dm_store_revision_last(settings->store, &missing);
    if (last == NULL) {
        if (g_error_matches(missing, DM_ERROR, DM_ERROR_NOT_FOUND)) {
            return true;
        }
        g_propagate_error(error, g_steal_pointer(&missing));
        return false;
    }
    json_decref(settings->api);
    settings->api = json_loads(last->document, 0, NULL);
    settings->revision = last->number;
    if (settings->api == NULL) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_PARSE,
                    "revision %" G_GUINT64_FORMAT " in the store is not JSON",
                    last->number);
        return false;
    }
    return true;
}

DmSettings *
dm_settings_open(const char *path, DmStore *store, GError **error)
{
    g_autoptr(DmSettings) settings = g_new0(DmSettings, 1);

    g_mutex_init(&settings->lock);
    settings->path = g_strdup(path);
    settings->store = store;
    settings->file = read_file(path, error);
    if (settings->file == NULL || !read_last_revision(settings, error)) {
        return NULL;
    }
    settings->config = join(settings->file, settings->api, settings->revision, error);
    if (settings->config == NULL) {
        return NULL;
    }
    return g_steal_pointer(&settings);
}

void
dm_settings_free(DmSettings *settings)
{
    if (settings == NULL) {
        return;
    }
    json_decref(settings->file);
    json_decref(settings->api);
    dm_config_unref(settings->config);
    g_mutex_clear(&settings->lock);
    g_free(settings->path);
    g_free(settings);
}

void
dm_settings_set_apply(DmSettings *settings, DmSettingsApplyFunc apply, void *user_data)
{
    settings->apply = apply;
    settings->apply_data = user_data;
}

DmConfig *
dm_settings_config(DmSettings *settings)
{
    DmConfig *config;

    g_mutex_lock(&settings->lock);
    config = dm_config_ref(settings->config);
    g_mutex_unlock(&settings->lock);
    return config;
}

json_t *
dm_settings_file_document(DmSettings *settings)
{
    json_t *document;

    g_mutex_lock(&settings->lock);
    document = json_incref(settings->file);
    g_mutex_unlock(&settings->lock);
    return document;
}

json_t *
dm_settings_api_document(DmSettings *settings)
{
    json_t *document;

    g_mutex_lock(&settings->lock);
    document = json_incref(settings->api);
    g_mutex_unlock(&settings->lock);
    return document;
}

/* --- writing --- */

void
dm_settings_outcome_clear(DmSettingsOutcome *outcome)
{
    g_free(outcome->id);
    json_decref(outcome->shown);
    json_decref(outcome->diff);
    json_decref(outcome->needs_restart);
    *outcome = (DmSettingsOutcome){0};
}

/* Takes @config over and tells who runs with it. */
static void
put_in_force(DmSettings *settings, DmConfig *config, json_t **out_needs_restart)
{
    dm_config_unref(settings->config);
    settings->config = config;
    if (settings->apply != NULL) {
        settings->apply(config, out_needs_restart, settings->apply_data);
    }
}

typedef struct {
    bool dry_run;
    const char *actor, *summary;
} Intent;

/* Stores and applies a new API document; both arguments are taken over, whatever happens. */
static bool
commit(DmSettings *settings,
       json_t *api,
       DmConfig *config,
       const Intent *intent,
       DmSettingsOutcome *out,
       GError **error)
{
    g_autofree char *text = json_dumps(api, JSON_COMPACT | JSON_SORT_KEYS);
    bool same = json_equal(api, settings->api);
    bool done = true;

    out->diff = dm_revision_diff(settings->api, api);
    if (!intent->dry_run && !same) {
        done = dm_store_revision_add(settings->store,
                                     settings->revision,
                                     intent->actor,
                                     intent->summary,
                                     text,
                                     &out->revision,
                                     error);
    }
    if (!done || intent->dry_run || same) {
        json_decref(api);
        dm_config_unref(config);
        return done;
    }
    settings->revision = out->revision;
    config->revision = out->revision;
    json_decref(settings->api);
    settings->api = api;
    put_in_force(settings, config, &out->needs_restart);
    return true;
}

static bool
is_version(DmSettings *settings, const DmSettingsWrite *write)
{
    json_t *shown;
    char etag[17];

    if (write->if_match == NULL || strcmp(write->if_match, "*") == 0) {
        return true;
    }
    shown = dm_resource_show(settings->config, write->change.collection, write->change.id);
    if (shown == NULL) {
        return true; /* not found, which says more */
    }
    dm_resource_etag(shown, etag);
    json_decref(shown);
    return strcmp(etag, write->if_match) == 0;
}

static char *
summary_of(const DmChange *change, const char *id)
{
    static const char *const verbs[] = {
        [DM_CHANGE_CREATE] = "create",
        [DM_CHANGE_REPLACE] = "replace",
        [DM_CHANGE_MERGE] = "change",
        [DM_CHANGE_DELETE] = "delete",
    };

    return g_strdup_printf("%s %s/%s", verbs[change->kind], change->collection, id);
}

static bool
write_locked(DmSettings *settings,
             const DmSettingsWrite *write,
             DmSettingsOutcome *out,
             DmProblems *problems,
             GError **error)
{
    g_autofree char *summary = NULL;
    json_t *api = NULL;
    DmConfig *config = NULL;

    out->precondition_failed = !is_version(settings, write);
    if (out->precondition_failed) {
        return true;
    }
    out->verdict = dm_change_apply(settings->file,
                                   settings->api,
                                   &write->change,
                                   &api,
                                   &config,
                                   &out->id,
                                   problems);
    if (out->verdict != DM_CHANGE_OK) {
        return true;
    }
    out->shown = dm_resource_show(config, write->change.collection, out->id);
    if (out->shown != NULL) {
        dm_resource_etag(out->shown, out->etag);
    }
    summary = summary_of(&write->change, out->id);
    return commit(settings,
                  api,
                  config,
                  &(Intent){write->dry_run, write->actor, summary},
                  out,
                  error);
}

/* Without a store there is nowhere to keep a revision. */
static bool
can_write(const DmSettings *settings, GError **error)
{
    if (settings->store == NULL) {
        g_set_error_literal(error,
                            DM_ERROR,
                            DM_ERROR_UNSUPPORTED,
                            "the configuration is read-only: no store");
        return false;
    }
    return true;
}

bool
dm_settings_write(DmSettings *settings,
                  const DmSettingsWrite *write,
                  DmSettingsOutcome *out,
                  DmProblems *problems,
                  GError **error)
{
    bool judged;

    *out = (DmSettingsOutcome){0};
    if (!can_write(settings, error)) {
        return false;
    }
    g_mutex_lock(&settings->lock);
    judged = write_locked(settings, write, out, problems, error);
    g_mutex_unlock(&settings->lock);
    return judged;
}

static bool
replace_locked(DmSettings *settings,
               const json_t *document,
               const Intent *intent,
               DmSettingsOutcome *out,
               DmProblems *problems,
               GError **error)
{
    json_t *api = json_deep_copy(document);
    DmConfig *config = make_config(settings->file, api, settings->revision, problems);

    if (config == NULL) {
        out->verdict = DM_CHANGE_INVALID;
        json_decref(api);
        return true;
    }
    return commit(settings, api, config, intent, out, error);
}

bool
dm_settings_replace(DmSettings *settings,
                    const json_t *api_document,
                    bool dry_run,
                    const char *actor,
                    const char *summary,
                    DmSettingsOutcome *out,
                    DmProblems *problems,
                    GError **error)
{
    bool judged;

    *out = (DmSettingsOutcome){0};
    if (!can_write(settings, error)) {
        return false;
    }
    g_mutex_lock(&settings->lock);
    judged = replace_locked(settings,
                            api_document,
                            &(Intent){dry_run, actor, summary},
                            out,
                            problems,
                            error);
    g_mutex_unlock(&settings->lock);
    return judged;
}

bool
dm_settings_rollback(DmSettings *settings,
                     uint64_t number,
                     bool dry_run,
                     const char *actor,
                     DmSettingsOutcome *out,
                     DmProblems *problems,
                     GError **error)
{
    g_autoptr(DmStoreRevision) revision = NULL;
    g_autofree char *summary = g_strdup_printf("roll back to %" G_GUINT64_FORMAT, number);
    json_t *document;
    bool judged;

    *out = (DmSettingsOutcome){0};
    if (!can_write(settings, error)) {
        return false;
    }
    revision = dm_store_revision(settings->store, number, error);
    if (revision == NULL) {
        return false;
    }
    document = json_loads(revision->document, 0, NULL);
    judged = dm_settings_replace(settings, document, dry_run, actor, summary, out, problems, error);
    json_decref(document);
    return judged;
}

bool
dm_settings_reload(DmSettings *settings, json_t **out_needs_restart, GError **error)
{
    json_t *file = read_file(settings->path, error);
    DmConfig *config;

    if (file == NULL) {
        return false;
    }
    g_mutex_lock(&settings->lock);
    config = join(file, settings->api, settings->revision, error);
    if (config == NULL) {
        json_decref(file);
    } else {
        json_decref(settings->file);
        settings->file = file;
        put_in_force(settings, config, out_needs_restart);
    }
    g_mutex_unlock(&settings->lock);
    return config != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/collection.h"

#include <string.h>

#include "admin/changes.h"
#include "admin/list.h"

static const GPtrArray *
elements(const DmConfig *config, const char *collection)
{
    if (strcmp(collection, "trunks") == 0) {
        return config->trunks;
    }
    return strcmp(collection, "tls_profiles") == 0 ? config->tls_profiles : config->routes;
}

static const char *
id_at(const DmConfig *config, const char *collection, guint i)
{
    const void *element = g_ptr_array_index(elements(config, collection), i);

    if (strcmp(collection, "trunks") == 0) {
        return ((const DmTrunkConfig *)element)->id;
    }
    return strcmp(collection, "tls_profiles") == 0 ? ((const DmTlsProfileConfig *)element)->id
                                                   : ((const DmRoute *)element)->id;
}

void
dm_collection_list(DmApi *api,
                   const DmRequest *request,
                   const char *collection,
                   DmResponse *response)
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    guint n = elements(config, collection)->len;
    json_t *items = json_array();

    for (guint i = 0; i < n; i++) {
        json_array_append_new(items,
                              dm_resource_show(config, collection, id_at(config, collection, i)));
    }
    dm_list_answer(request, items, response);
}

void
dm_collection_show(DmApi *api,
                   const DmRequest *request,
                   const char *collection,
                   DmResponse *response)
{
    g_autoptr(DmConfig) config = dm_settings_config(api->settings);
    json_t *shown = dm_resource_show(config, collection, request->params[0]);
    const char *seen = dm_request_header(request, "if-none-match");
    g_autofree char *quoted = NULL;
    char etag[17];

    if (shown == NULL) {
        dm_problem(response, 404, "not_found", "'%s' does not exist", request->params[0]);
        return;
    }
    dm_resource_etag(shown, etag);
    quoted = g_strdup_printf("\"%s\"", etag);
    dm_response_header(response, "ETag", quoted);
    if (g_strcmp0(seen, quoted) == 0) {
        dm_response_empty(response, 304);
        json_decref(shown);
        return;
    }
    dm_response_json(response, 200, dm_list_fields(request, shown));
}

static void
change(DmApi *api,
       DmRequest *request,
       DmChangeKind kind,
       const char *collection,
       DmResponse *response)
{
    DmChange wanted = {
        .kind = kind,
        .collection = collection,
        .id = kind == DM_CHANGE_CREATE ? NULL : request->params[0],
        .body = request->json,
    };

    dm_changes_run(api, request, &wanted, response);
}

void
dm_collection_create(DmApi *api, DmRequest *request, const char *collection, DmResponse *response)
{
    change(api, request, DM_CHANGE_CREATE, collection, response);
}

void
dm_collection_replace(DmApi *api, DmRequest *request, const char *collection, DmResponse *response)
{
    change(api, request, DM_CHANGE_REPLACE, collection, response);
}

void
dm_collection_merge(DmApi *api, DmRequest *request, const char *collection, DmResponse *response)
{
    change(api, request, DM_CHANGE_MERGE, collection, response);
}

void
dm_collection_delete(DmApi *api, DmRequest *request, const char *collection, DmResponse *response)
{
    change(api, request, DM_CHANGE_DELETE, collection, response);
}

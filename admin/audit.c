/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/json.h"
#include "admin/list.h"
#include "admin/resources.h"

static json_t *
entry_to_json(const DmStoreAudit *entry)
{
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:s, s:i, s:o}",
                     "sequence",
                     (json_int_t)entry->sequence,
                     "at",
                     dm_json_time(entry->at_wall_us),
                     "actor",
                     entry->actor,
                     "remote",
                     entry->remote,
                     "method",
                     entry->method,
                     "path",
                     entry->path,
                     "status",
                     entry->status,
                     "revision",
                     entry->revision != 0 ? json_integer((json_int_t)entry->revision)
                                          : json_null());
}

/* The cursor is the sequence of the last entry given. */
static bool
read_cursor(const DmRequest *request, int64_t *out_before, DmResponse *response)
{
    const char *cursor = dm_request_query(request, "cursor");

    *out_before = 0;
    if (cursor == NULL || g_ascii_string_to_signed(cursor, 10, 1, G_MAXINT64, out_before, NULL)) {
        return true;
    }
    dm_problem(response, 400, "cursor", "this is no cursor of this list");
    return false;
}

void
dm_audit_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *next = NULL;
    int64_t before;
    unsigned limit;
    json_t *items;

    if (!dm_list_limit(request, DM_LIST_MAX, &limit, response) ||
        !read_cursor(request, &before, response)) {
        return;
    }
    entries = dm_store_audit(api->store, before, limit, &error);
    if (entries == NULL) {
        dm_problem_from_error(response, error);
        return;
    }
    items = json_array();
    for (guint i = 0; i < entries->len; i++) {
        json_array_append_new(items, entry_to_json(g_ptr_array_index(entries, i)));
    }
    if (entries->len == limit) {
        const DmStoreAudit *last = g_ptr_array_index(entries, entries->len - 1);

        next = g_strdup_printf("%" G_GINT64_FORMAT, last->sequence);
    }
    dm_response_json(response, 200, dm_list_page(items, next));
}

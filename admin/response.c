/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/response.h"

#include <stdlib.h>
#include <string.h>

void
dm_response_init(DmResponse *response)
{
    response->status = 0;
    response->content_type = DM_TYPE_JSON;
    response->body = g_string_new(NULL);
    response->headers = g_ptr_array_new_with_free_func(g_free);
}

void
dm_response_clear(DmResponse *response)
{
    g_string_free(response->body, TRUE);
    g_ptr_array_unref(response->headers);
}

void
dm_response_header(DmResponse *response, const char *name, const char *value)
{
    g_ptr_array_add(response->headers, g_strdup(name));
    g_ptr_array_add(response->headers, g_strdup(value));
}

const char *
dm_response_get_header(const DmResponse *response, const char *name)
{
    for (guint i = 0; i + 1 < response->headers->len; i += 2) {
        if (g_ascii_strcasecmp(g_ptr_array_index(response->headers, i), name) == 0) {
            return g_ptr_array_index(response->headers, i + 1);
        }
    }
    return NULL;
}

void
dm_response_text(DmResponse *response, int status, const char *type, const char *text)
{
    response->status = status;
    response->content_type = type;
    g_string_assign(response->body, text);
}

void
dm_response_json(DmResponse *response, int status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    dm_response_text(response, status, DM_TYPE_JSON, text != NULL ? text : "null");
    free(text);
    json_decref(json);
}

void
dm_response_empty(DmResponse *response, int status)
{
    dm_response_text(response, status, DM_TYPE_TEXT, "");
}

const char *
dm_http_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(phrases); i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "Error";
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <admin-resources.h> /* made from api.gresource.xml */
#include <gio/gio.h>

#include "admin/resources.h"
#include "config/load.h"

/* The document is kept as YAML, which people can read, inside the program; the configuration's
 * loader turns it into JSON. */
void
dm_openapi_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = g_resource_lookup_data(dm_admin_get_resource(),
                                                     "/demarc/api/openapi.yaml",
                                                     G_RESOURCE_LOOKUP_FLAGS_NONE,
                                                     &error);
    g_autoptr(DmDocument) document = NULL;

    if (bytes != NULL) {
        gsize len;
        const char *text = g_bytes_get_data(bytes, &len);

        document = dm_document_parse(text, len, "openapi.yaml", &error);
    }
    if (document == NULL) {
        dm_problem(response, 500, "internal", "%s", error->message);
        return;
    }
    dm_response_json(response, 200, json_deep_copy(dm_document_json(document)));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "admin/collection.h"
#include "admin/json.h"
#include "admin/resources.h"
#include "gateway/gateway.h"

/* Looked at, not changed: the listeners that name them are in the file, which stands by itself. */
#define COLLECTION "tls_profiles"

void
dm_tls_profiles_list(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_list(api, request, COLLECTION, response);
}

void
dm_tls_profiles_show(DmApi *api, DmRequest *request, DmResponse *response)
{
    dm_collection_show(api, request, COLLECTION, response);
}

/* --- the certificate in use --- */

typedef struct {
    const char *profile;
    json_t *found; /* or NULL */
} Search;

static json_t *
to_json(const DmCertificateFacts *facts)
{
    json_t *names = json_array();

    for (const char *const *name = facts->names; *name != NULL; name++) {
        json_array_append_new(names, json_string(*name));
    }
    return json_pack("{s:s, s:s, s:o, s:o, s:s}",
                     "subject",
                     facts->subject,
                     "issuer",
                     facts->issuer,
                     "names",
                     names,
                     "not_after",
                     dm_json_time(facts->expires_s * G_USEC_PER_SEC),
                     "fingerprint",
                     facts->fingerprint);
}

static void
look_at(const DmCertificateFacts *facts, void *user_data)
{
    Search *search = user_data;

    if (search->found == NULL && strcmp(facts->profile, search->profile) == 0) {
        search->found = to_json(facts);
    }
}

void
dm_tls_profiles_certificate(DmApi *api, DmRequest *request, DmResponse *response)
{
    Search search = {.profile = request->params[0]};

    dm_gateway_certificates(api->gateway, look_at, &search);
    if (search.found == NULL) {
        dm_problem(response, 404, "not_found", "'%s' has no certificate", request->params[0]);
    } else {
        dm_response_json(response, 200, search.found);
    }
}

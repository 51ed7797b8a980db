/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file. What is refused is explained; what is accepted can be shown and put back.
 */
#include <string.h>

#include "config/load.h"
#include "config/revision.h"

static void
check_problems(const DmDocument *document, const DmProblems *problems)
{
    g_autofree char *explained = dm_document_explain(document, problems);

    for (guint i = 0; i < problems->list->len; i++) {
        const DmProblem *problem = problems->list->pdata[i];
        g_assert_true(*problem->pointer == '\0' || *problem->pointer == '/');
        g_assert_cmpstr(problem->detail, !=, "");
        g_assert_nonnull(strstr(explained, problem->detail));
    }
}

/* GET, then PUT of the same: accepted, and the same again. */
static void
check_round_trip(const json_t *document,
                 const DmConfig *config,
                 const char *collection,
                 const char *id)
{
    json_t *file = json_object();
    json_t *shown = dm_resource_show(config, collection, id);
    DmChange change = {.kind = DM_CHANGE_REPLACE,
                       .collection = collection,
                       .id = id,
                       .body = shown};
    json_t *api = NULL;
    g_autoptr(DmConfig) changed = NULL;
    g_autofree char *changed_id = NULL;
    DmProblems problems;

    dm_problems_init(&problems);
    json_object_set_new(shown, "provisioned", json_false());
    DmChangeVerdict verdict =
        dm_change_apply(file, document, &change, &api, &changed, &changed_id, &problems);
    g_assert_cmpint(verdict, ==, DM_CHANGE_OK);
    json_t *again = dm_resource_show(changed, collection, id);
    g_assert_true(json_equal(shown, again));
    dm_problems_clear(&problems);
    json_decref(again);
    json_decref(api);
    json_decref(shown);
    json_decref(file);
}

static void
check_config(const json_t *document, const DmConfig *config)
{
    for (guint i = 0; i < MIN(config->trunks->len, 3); i++) {
        check_round_trip(document,
                         config,
                         "trunks",
                         ((const DmTrunkConfig *)config->trunks->pdata[i])->id);
    }
    for (guint i = 0; i < MIN(config->routes->len, 3); i++) {
        check_round_trip(document,
                         config,
                         "routes",
                         ((const DmRoute *)config->routes->pdata[i])->id);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse((const char *)data, size, "f", &error);
    DmProblems problems;

    if (document == NULL) {
        g_assert_true(g_str_has_prefix(error->message, "f:"));
        return 0;
    }
    dm_problems_init(&problems);
    g_autoptr(DmConfig) config = dm_config_new_from_json(dm_document_json(document), &problems);
    g_assert_cmpint(config == NULL, ==, dm_problems_any(&problems));
    check_problems(document, &problems);
    if (config != NULL) {
        check_config(dm_document_json(document), config);
    }
    dm_problems_clear(&problems);
    return 0;
}

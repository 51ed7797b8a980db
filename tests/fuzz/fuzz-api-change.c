/* SPDX-License-Identifier: Apache-2.0 */
/* A body of the API: the first byte says which write, the rest is JSON. */
#include <string.h>

#include "config/revision.h"

#define SECRET "hunter2"

static const char file_text[] = "{\"trunks\": [{\"id\": \"pbx\", \"role\": \"pbx\", \"endpoints\": "
                                "[{\"uri\": \"10.0.0.1\"}]}]}";
static const char api_text[] = "{\"trunks\": [{\"id\": \"c\", \"role\": \"carrier\", "
                               "\"endpoints\": [{\"uri\": \"192.0.2.1\"}], \"auth\": {\"mode\": "
                               "\"digest\", \"user\": \"u\", \"password\": \"" SECRET
                               "\"}}], \"routes\": [{\"id\": \"r\", \"match\": {\"called\": "
                               "\"44\"}, \"action\": {\"trunks\": [\"c\"]}}]}";

static DmChange
make_change(uint8_t choice, const json_t *body)
{
    bool routes = choice & 4;

    return (DmChange){
        .kind = (DmChangeKind)(choice & 3),
        .collection = routes ? "routes" : "trunks",
        .id = (choice & 3) == DM_CHANGE_CREATE ? NULL
              : routes                         ? "r"
                                               : "c",
        .body = (choice & 3) == DM_CHANGE_DELETE ? NULL : body,
    };
}

/* A secret that was there before is told by nothing that is shown. */
static void
check_shown(const json_t *api,
            const json_t *new_api,
            const DmConfig *config,
            const char *collection,
            const char *id)
{
    json_t *diff = dm_revision_diff(api, new_api);
    json_t *shown = dm_resource_show(config, collection, id);
    char *diff_text = json_dumps(diff, 0);
    char *shown_text = json_dumps(shown, JSON_ENCODE_ANY);

    g_assert_null(strstr(diff_text, SECRET));
    g_assert_true(shown == NULL || strstr(shown_text, SECRET) == NULL);
    free(diff_text);
    free(shown_text);
    json_decref(diff);
    json_decref(shown);
}

static void
apply(const json_t *file, const json_t *api, const DmChange *change)
{
    json_t *before = json_deep_copy(api);
    json_t *new_api = NULL;
    g_autoptr(DmConfig) config = NULL;
    g_autofree char *id = NULL;
    DmProblems problems;

    dm_problems_init(&problems);
    DmChangeVerdict verdict = dm_change_apply(file, api, change, &new_api, &config, &id, &problems);
    g_assert_true(json_equal(before, api));
    g_assert_cmpint(verdict == DM_CHANGE_OK, ==, new_api != NULL && config != NULL && id != NULL);
    g_assert_cmpint(verdict == DM_CHANGE_OK, ==, !dm_problems_any(&problems));
    if (verdict == DM_CHANGE_OK) {
        check_shown(api, new_api, config, change->collection, id);
    }
    dm_problems_clear(&problems);
    json_decref(new_api);
    json_decref(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || memmem(data, size, SECRET, strlen(SECRET)) != NULL) {
        return 0;
    }
    json_t *body = json_loadb((const char *)data + 1,
                              size - 1,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES,
                              NULL);
    DmChange change = make_change(data[0], body);
    if (body != NULL || change.kind == DM_CHANGE_DELETE) {
        json_t *file = json_loads(file_text, 0, NULL);
        json_t *api = json_loads(api_text, 0, NULL);
        apply(file, api, &change);
        json_decref(file);
        json_decref(api);
    }
    json_decref(body);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/revision.h"

#include <string.h>

#include "config/members.h"

/* --- looking into documents --- */

/* Collections are the arrays of the document's table. */
static const DmJsonMember *
collection_of(const char *name)
{
    const DmJsonMember *member = name != NULL ? dm_json_find_member(dm_config_members, name) : NULL;
    return member != NULL && member->type == DM_JSON_ARRAY ? member : NULL;
}

static const char *
id_of(const json_t *resource)
{
    const char *id = json_string_value(json_object_get(resource, "id"));
    return id != NULL ? id : "";
}

/* Index of the resource with @id, or -1. */
static gssize
find(const json_t *document, const char *collection, const char *id)
{
    size_t i;
    json_t *resource;

    json_array_foreach(json_object_get(document, collection), i, resource)
    {
        if (strcmp(id_of(resource), id) == 0) {
            return (gssize)i;
        }
    }
    return -1;
}

static json_t *
marked_provisioned(const json_t *resource)
{
    json_t *marked = json_copy((json_t *)resource);

    if (json_is_object(marked)) {
        json_object_set_new(marked, "provisioned", json_true());
    }
    return marked;
}

json_t *
dm_revision_merge(const json_t *file, const json_t *api)
{
    json_t *merged = json_is_object(file) ? json_copy((json_t *)file) : json_object();

    for (const DmJsonMember *member = dm_config_members; member->name != NULL; member++) {
        const json_t *from_file = json_object_get(file, member->name);
        const json_t *from_api = json_object_get(api, member->name);
        bool is_list = from_file == NULL || json_is_null(from_file) || json_is_array(from_file);
        if (member->type != DM_JSON_ARRAY || !is_list) {
            continue;
        }
        json_t *list = json_array();
        size_t i;
        json_t *resource;
        json_array_foreach(from_file, i, resource)
        {
            bool marks = dm_json_find_member(member->members, "provisioned") != NULL;
            json_array_append_new(list,
                                  marks ? marked_provisioned(resource) : json_incref(resource));
        }
        json_array_extend(list, (json_t *)from_api);
        json_object_set_new(merged, member->name, list);
    }
    return merged;
}

/* --- changes --- */

/* RFC 7396 */
static json_t *
merge_patch(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch)) {
        return json_deep_copy(patch);
    }
    json_t *result = json_is_object(target) ? json_copy((json_t *)target) : json_object();
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)patch, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(result, name);
        } else {
            json_object_set_new(result, name, merge_patch(json_object_get(result, name), value));
        }
    }
    return result;
}

/* What the API showed and got back: {"set": true} is the secret there was, and what is ours is not
 * read. */
static void
restore_unseen(json_t *resource, const json_t *old, const DmJsonMember *members)
{
    for (; members->name != NULL; members++) {
        json_t *value = json_object_get(resource, members->name);
        const json_t *old_value = json_object_get(old, members->name);
        if (members->hidden) {
            json_object_del(resource, members->name);
        } else if (members->type == DM_JSON_OBJECT && json_is_object(value)) {
            restore_unseen(value, old_value, members->members);
        } else if (members->type == DM_JSON_SECRET && json_is_object(value)) {
            if (json_is_true(json_object_get(value, "set")) && old_value != NULL) {
                json_object_set(resource, members->name, (json_t *)old_value);
            } else {
                json_object_del(resource, members->name);
            }
        }
    }
}

/* "Main Line (London)" -> "main-line-london"; "" when nothing is left. (transfer full) */
static char *
slug_of(const char *name)
{
    g_autoptr(GString) slug = g_string_new(NULL);

    for (const char *p = name; *p != '\0' && slug->len < 48; p++) {
        if (g_ascii_isalnum(*p)) {
            g_string_append_c(slug, g_ascii_tolower(*p));
        } else if (slug->len > 0 && slug->str[slug->len - 1] != '-') {
            g_string_append_c(slug, '-');
        }
    }
    while (slug->len > 0 && slug->str[slug->len - 1] == '-') {
        g_string_truncate(slug, slug->len - 1);
    }
    return g_strdup(slug->str);
}

/* From its name, or "trunk"; with a number behind it until it is free. (transfer full) */
static char *
make_id(const json_t *body, const char *collection, const json_t *file, const json_t *api)
{
    const char *name = json_string_value(json_object_get(body, "name"));
    g_autofree char *base = slug_of(name != NULL ? name : "");

    if (*base == '\0') {
        g_free(base);
        base = g_strndup(collection, strlen(collection) - 1);
    }
    char *id = g_strdup(base);
    for (unsigned i = 2; find(file, collection, id) >= 0 || find(api, collection, id) >= 0; i++) {
        g_free(id);
        id = g_strdup_printf("%s-%u", base, i);
    }
    return id;
}

/* A change on its way. */
typedef struct {
    const json_t *file, *api;
    const DmChange *change;
    const DmJsonMember *collection;
    char *id;
    json_t *new_api; /* a copy that is worked on */
    gssize place;    /* of the resource in it */
    DmProblems *problems;
} Work;

static json_t *
list_of(Work *work)
{
    json_t *list = json_object_get(work->new_api, work->change->collection);

    list = json_is_array(list) ? json_copy(list) : json_array();
    json_object_set_new(work->new_api, work->change->collection, list);
    return list;
}

static DmChangeVerdict
create(Work *work)
{
    json_t *body = json_deep_copy(work->change->body);
    const char *given = json_string_value(json_object_get(body, "id"));

    work->id = given != NULL ? g_strdup(given)
                             : make_id(body, work->change->collection, work->file, work->api);
    if (find(work->file, work->change->collection, work->id) >= 0 ||
        find(work->api, work->change->collection, work->id) >= 0) {
        dm_problems_add(work->problems, "/id", "duplicate", "'%s' exists already", work->id);
        json_decref(body);
        return DM_CHANGE_EXISTS;
    }
    if (json_object_get(body, "id") == NULL) {
        json_object_set_new(body, "id", json_string(work->id));
    }
    restore_unseen(body, NULL, work->collection->members);
    json_t *list = list_of(work);
    work->place = (gssize)json_array_size(list);
    json_array_append_new(list, body);
    return DM_CHANGE_OK;
}

static DmChangeVerdict
replace(Work *work)
{
    const json_t *list = json_object_get(work->api, work->change->collection);
    const json_t *old = json_array_get(list, (size_t)work->place);
    json_t *body = work->change->kind == DM_CHANGE_MERGE ? merge_patch(old, work->change->body)
                                                         : json_deep_copy(work->change->body);

    if (json_object_get(body, "id") == NULL) {
        json_object_set_new(body, "id", json_string(work->id));
    }
    if (strcmp(id_of(body), work->id) != 0) {
        dm_problems_add(work->problems, "/id", "immutable", "the id of a resource cannot change");
        json_decref(body);
        return DM_CHANGE_INVALID;
    }
    json_t *own = json_deep_copy(body);
    json_decref(body);
    restore_unseen(own, old, work->collection->members);
    json_array_set_new(list_of(work), (size_t)work->place, own);
    return DM_CHANGE_OK;
}

static DmChangeVerdict
edit(Work *work)
{
    const DmChange *change = work->change;

    if (change->kind == DM_CHANGE_CREATE) {
        return create(work);
    }
    work->id = g_strdup(change->id);
    work->place = find(work->api, change->collection, change->id);
    if (work->place < 0) {
        return find(work->file, change->collection, change->id) >= 0 ? DM_CHANGE_PROVISIONED
                                                                     : DM_CHANGE_NOT_FOUND;
    }
    if (change->kind == DM_CHANGE_DELETE) {
        json_array_remove(list_of(work), (size_t)work->place);
        return DM_CHANGE_OK;
    }
    return replace(work);
}

/* Pointers into the body instead of into the whole document, for what is wrong with the body. */
static void
make_relative(Work *work)
{
    size_t n_before = json_array_size(json_object_get(work->file, work->change->collection));
    g_autofree char *prefix =
        g_strdup_printf("/%s/%zu", work->change->collection, n_before + (size_t)work->place);

    for (guint i = 0; i < work->problems->list->len; i++) {
        DmProblem *problem = work->problems->list->pdata[i];
        const char *rest = problem->pointer + strlen(prefix);
        if (g_str_has_prefix(problem->pointer, prefix) && (*rest == '\0' || *rest == '/')) {
            char *relative = g_strdup(rest);
            g_free(problem->pointer);
            problem->pointer = relative;
        }
    }
}

static bool
are_all_references(const DmProblems *problems)
{
    for (guint i = 0; i < problems->list->len; i++) {
        if (strcmp(((const DmProblem *)problems->list->pdata[i])->code, "reference") != 0) {
            return false;
        }
    }
    return true;
}

/* Validates the whole of what would be. */
static DmChangeVerdict
judge(Work *work, DmConfig **out_config)
{
    json_t *document = dm_revision_merge(work->file, work->new_api);

    *out_config = dm_config_new_from_json(document, work->problems);
    json_decref(document);
    if (*out_config != NULL) {
        return DM_CHANGE_OK;
    }
    if (work->change->kind == DM_CHANGE_DELETE) {
        return are_all_references(work->problems) ? DM_CHANGE_REFERENCED : DM_CHANGE_INVALID;
    }
    make_relative(work);
    return DM_CHANGE_INVALID;
}

static DmChangeVerdict
check_change(const DmChange *change, const DmJsonMember *collection, DmProblems *problems)
{
    if (collection == NULL || (change->kind != DM_CHANGE_CREATE && change->id == NULL)) {
        return DM_CHANGE_NOT_FOUND;
    }
    if (change->kind == DM_CHANGE_DELETE) {
        return DM_CHANGE_OK;
    }
    if (!json_is_object(change->body)) {
        dm_problems_add(problems, "", "type", "expected an object");
        return DM_CHANGE_INVALID;
    }
    if (!dm_json_depth_is_fine(change->body)) {
        dm_problems_add(problems, "", "depth", "nested deeper than %d levels", DM_JSON_MAX_DEPTH);
        return DM_CHANGE_INVALID;
    }
    return DM_CHANGE_OK;
}

/* NOLINTBEGIN(readability-function-size): three results, each the caller's */
DmChangeVerdict
dm_change_apply(const json_t *file,
                const json_t *api,
                const DmChange *change,
                json_t **out_api,
                DmConfig **out_config,
                char **out_id,
                DmProblems *problems)
{
    g_autoptr(DmConfig) config = NULL;
    const DmJsonMember *collection = collection_of(change->collection);
    DmChangeVerdict verdict = check_change(change, collection, problems);

    if (collection == NULL || verdict != DM_CHANGE_OK) {
        return verdict;
    }
    Work work = {
        .file = file,
        .api = api,
        .change = change,
        .collection = collection,
        .new_api = json_is_object(api) ? json_copy((json_t *)api) : json_object(),
        .problems = problems,
    };
    verdict = edit(&work);
    if (verdict == DM_CHANGE_OK) {
        verdict = judge(&work, &config);
    }
    if (verdict == DM_CHANGE_OK) {
        *out_api = json_incref(work.new_api);
        *out_config = g_steal_pointer(&config);
        *out_id = g_steal_pointer(&work.id);
    }
    json_decref(work.new_api);
    g_free(work.id);
    return verdict;
}

/* NOLINTEND(readability-function-size) */

/* --- differences --- */

typedef struct {
    json_t *changes;
    DmJsonReader place;
} Diff;

static void diff_objects(Diff *diff,
                         const json_t *old,
                         const json_t *new,
                         const DmJsonMember *members);

/* A value as it may be seen. (transfer full) */
static json_t *
visible(const json_t *value, const DmJsonMember *member)
{
    if (member == NULL || value == NULL) {
        return json_deep_copy(value);
    }
    if (member->type == DM_JSON_SECRET) {
        return json_pack("{s:b}", "set", true);
    }
    return member->members != NULL && json_is_object(value) ? dm_json_mask(value, member->members)
                                                            : json_deep_copy(value);
}

static void
diff_value(Diff *diff,
           const char *name,
           const json_t *old,
           const json_t *new,
           const DmJsonMember *member)
{
    if (old != NULL && new != NULL && json_equal((json_t *)old, (json_t *)new)) {
        return;
    }
    size_t before = dm_json_enter(&diff->place, name);
    bool descends = json_is_object(old) && json_is_object(new) && member != NULL &&
                    member->type != DM_JSON_SECRET;
    if (descends) {
        diff_objects(diff, old, new, member->members);
    } else {
        json_t *change = json_object();
        json_object_set_new(change,
                            "op",
                            json_string(old == NULL   ? "add"
                                        : new == NULL ? "remove"
                                                      : "replace"));
        json_object_set_new(change, "pointer", json_string(diff->place.pointer->str));
        if (old != NULL) {
            json_object_set_new(change, "old", visible(old, member));
        }
        if (new != NULL) {
            json_object_set_new(change, "new", visible(new, member));
        }
        json_array_append_new(diff->changes, change);
    }
    dm_json_leave(&diff->place, before);
}

static void
diff_objects(Diff *diff, const json_t *old, const json_t *new, const DmJsonMember *members)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)old, name, value)
    {
        const DmJsonMember *member = members != NULL ? dm_json_find_member(members, name) : NULL;
        diff_value(diff, name, value, json_object_get(new, name), member);
    }
    json_object_foreach((json_t *)new, name, value)
    {
        if (json_object_get(old, name) == NULL) {
            diff_value(diff,
                       name,
                       NULL,
                       value,
                       members != NULL ? dm_json_find_member(members, name) : NULL);
        }
    }
}

/* Resources by id, whatever their places. */
static void
diff_collection(Diff *diff, const json_t *old, const json_t *new, const DmJsonMember *collection)
{
    DmJsonMember resource = {.type = DM_JSON_OBJECT, .members = collection->members};
    size_t before = dm_json_enter(&diff->place, collection->name);
    size_t i;
    json_t *value;

    json_array_foreach(json_object_get(old, collection->name), i, value)
    {
        gssize at = find(new, collection->name, id_of(value));
        const json_t *other =
            at >= 0 ? json_array_get(json_object_get(new, collection->name), (size_t)at) : NULL;
        diff_value(diff, id_of(value), value, other, &resource);
    }
    json_array_foreach(json_object_get(new, collection->name), i, value)
    {
        if (find(old, collection->name, id_of(value)) < 0) {
            diff_value(diff, id_of(value), NULL, value, &resource);
        }
    }
    dm_json_leave(&diff->place, before);
}

json_t *
dm_revision_diff(const json_t *old_api, const json_t *new_api)
{
    Diff diff = {.changes = json_array()};

    dm_json_reader_init(&diff.place, "", NULL, NULL);
    for (const DmJsonMember *member = dm_config_members; member->name != NULL; member++) {
        if (member->type == DM_JSON_ARRAY) {
            diff_collection(&diff, old_api, new_api, member);
        } else {
            const json_t *old = json_object_get(old_api, member->name);
            const json_t *new = json_object_get(new_api, member->name);
            if (old != NULL || new != NULL) {
                diff_value(&diff, member->name, old, new, member);
            }
        }
    }
    dm_json_reader_clear(&diff.place);
    return diff.changes;
}

/* --- showing --- */

static json_t *
show_resource(const json_t *source, const DmJsonMember *members, const char *name, bool provisioned)
{
    json_t *shown = dm_json_show(source, members);

    json_object_set_new(shown, "name", json_string(name));
    json_object_set_new(shown, "provisioned", json_boolean(provisioned));
    return shown;
}

/* Prefixes that follow from the country are shown as they are, so that what is shown says the same
 * when it is put back. */
static json_t *
show_trunk(const DmTrunkConfig *trunk)
{
    json_t *shown = show_resource(trunk->source, dm_trunk_members, trunk->name, trunk->provisioned);
    json_t *numbering = json_object_get(shown, "numbering");

    json_object_set_new(numbering,
                        "international_prefix",
                        json_string(trunk->numbering.international_prefix));
    json_object_set_new(numbering,
                        "national_prefix",
                        json_string(trunk->numbering.national_prefix));
    return shown;
}

static json_t *
show_tls_profile(const DmTlsProfileConfig *profile)
{
    json_t *shown = dm_json_show(profile->source, dm_tls_profile_members);

    json_object_set_new(shown, "provisioned", json_boolean(profile->provisioned));
    return shown;
}

json_t *
dm_resource_show(const DmConfig *config, const char *collection, const char *id)
{
    const DmTrunkConfig *trunk =
        strcmp(collection, "trunks") == 0 ? dm_config_trunk(config, id) : NULL;

    if (trunk != NULL) {
        return show_trunk(trunk);
    }
    for (guint i = 0; strcmp(collection, "routes") == 0 && i < config->routes->len; i++) {
        const DmRoute *route = config->routes->pdata[i];
        if (strcmp(route->id, id) == 0) {
            return show_resource(route->source, dm_route_members, route->name, route->provisioned);
        }
    }
    if (strcmp(collection, "tls_profiles") == 0 && dm_config_tls_profile(config, id) != NULL) {
        return show_tls_profile(dm_config_tls_profile(config, id));
    }
    return NULL;
}

void
dm_resource_etag(const json_t *shown, char out[17])
{
    char *text = json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS);
    g_autofree char *hash =
        g_compute_checksum_for_string(G_CHECKSUM_SHA256, text != NULL ? text : "", -1);

    g_strlcpy(out, hash, 17);
    free(text);
}

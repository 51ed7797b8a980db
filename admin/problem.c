/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/response.h"
#include "gateway/base/error.h"

static json_t *
problem_new(int status, const char *code, const char *detail)
{
    g_autofree char *valid = g_utf8_make_valid(detail, -1);

    return json_pack("{s:s, s:s, s:i, s:s, s:s}",
                     "type",
                     "about:blank",
                     "title",
                     dm_http_phrase(status),
                     "status",
                     status,
                     "code",
                     code,
                     "detail",
                     valid);
}

static void
send_problem(DmResponse *response, int status, json_t *problem)
{
    dm_response_json(response, status, problem);
    response->content_type = DM_TYPE_PROBLEM;
}

void
dm_problem(DmResponse *response, int status, const char *code, const char *format, ...)
{
    g_autofree char *detail = NULL;
    va_list arguments;

    va_start(arguments, format);
    detail = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    send_problem(response, status, problem_new(status, code, detail));
}

static json_t *
errors_to_json(const DmProblems *problems)
{
    json_t *errors = json_array();

    for (guint i = 0; i < problems->list->len; i++) {
        const DmProblem *problem = g_ptr_array_index(problems->list, i);
        g_autofree char *detail = g_utf8_make_valid(problem->detail, -1);
        g_autofree char *pointer = g_utf8_make_valid(problem->pointer, -1);

        json_array_append_new(errors,
                              json_pack("{s:s, s:s, s:s}",
                                        "pointer",
                                        pointer,
                                        "code",
                                        problem->code,
                                        "detail",
                                        detail));
    }
    return errors;
}

void
dm_problem_list(DmResponse *response,
                int status,
                const char *code,
                const char *detail,
                const DmProblems *problems)
{
    json_t *problem = problem_new(status, code, detail);

    json_object_set_new(problem, "errors", errors_to_json(problems));
    send_problem(response, status, problem);
}

void
dm_problem_from_error(DmResponse *response, const GError *error)
{
    static const struct {
        int error, status;
        const char *code;
    } table[] = {
        {DM_ERROR_CONFIG, 422, "invalid"},
        {DM_ERROR_PARSE, 422, "invalid"},
        {DM_ERROR_NOT_FOUND, 404, "not_found"},
        {DM_ERROR_CONFLICT, 409, "conflict"},
        {DM_ERROR_LIMIT, 503, "busy"},
        {DM_ERROR_UNSUPPORTED, 422, "unsupported"},
    };

    for (size_t i = 0; error->domain == DM_ERROR && i < G_N_ELEMENTS(table); i++) {
        if (error->code == table[i].error) {
            if (table[i].status == 503) {
                dm_response_header(response, "Retry-After", "1");
            }
            dm_problem(response, table[i].status, table[i].code, "%s", error->message);
            return;
        }
    }
    dm_problem(response, 500, "internal", "%s", error->message);
}

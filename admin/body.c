/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/body.h"

#include "config/config.h"

bool
dm_body_read(const DmRequest *request, const DmJsonMember *members, void *out, DmResponse *response)
{
    DmProblems problems;
    DmJsonReader reader;
    bool ok;

    dm_problems_init(&problems);
    dm_json_reader_init(&reader, "", NULL, &problems);
    ok = dm_json_read(&reader, request->json, members, out);
    if (!ok) {
        dm_problem_list(response, 422, "invalid", "the body is not valid", &problems);
    }
    dm_json_reader_clear(&reader);
    dm_problems_clear(&problems);
    return ok;
}

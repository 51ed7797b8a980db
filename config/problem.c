/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

static void
free_problem(gpointer data)
{
    DmProblem *problem = data;

    g_free(problem->pointer);
    g_free(problem->detail);
    g_free(problem);
}

void
dm_problems_init(DmProblems *problems)
{
    problems->list = g_ptr_array_new_with_free_func(free_problem);
}

void
dm_problems_clear(DmProblems *problems)
{
    g_clear_pointer(&problems->list, g_ptr_array_unref);
}

void
dm_problems_add(DmProblems *problems,
                const char *pointer,
                const char *code,
                const char *format,
                ...)
{
    DmProblem *problem = g_new0(DmProblem, 1);
    va_list args;

    va_start(args, format);
    problem->pointer = g_strdup(pointer);
    problem->code = code;
    problem->detail = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(problems->list, problem);
}

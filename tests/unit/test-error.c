/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glib.h>

#include "gateway/base/error.h"

static void
test_errno_is_said_in_words(void)
{
    g_autoptr(GError) error = NULL;

    dm_error_set_errno(&error, ENOENT, "/etc/demarc.yaml");
    g_assert_error(error, DM_ERROR, DM_ERROR_IO);
    g_assert_cmpstr(error->message, ==, "/etc/demarc.yaml: No such file or directory");
    dm_error_set_errno(NULL, ENOENT, "nobody asks");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/errno-is-said-in-words", test_errno_is_said_in_words);
    return g_test_run();
}

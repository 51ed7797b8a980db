/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/error.h"

/* Not G_DEFINE_QUARK(): it keeps the number in a static variable that whichever threads come first
 * write unguarded, and clang-format takes its name for a subtraction. */
GQuark
dm_error_quark(void)
{
    return g_quark_from_static_string("dm-error-quark");
}

void
dm_error_set_errno(GError **error, int errno_value, const char *what)
{
    g_set_error(error, DM_ERROR, DM_ERROR_IO, "%s: %s", what, g_strerror(errno_value));
}

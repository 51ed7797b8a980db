/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/error.h"

G_DEFINE_QUARK(dm - error - quark, dm_error)

void
dm_error_set_errno(GError **error, int errno_value, const char *what)
{
    g_set_error(error, DM_ERROR, DM_ERROR_IO, "%s: %s", what, g_strerror(errno_value));
}

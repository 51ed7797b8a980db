/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

/* What a person can fix. A protocol outcome (a 486, a lost packet) is not an error and has no
 * GError. */
#define DM_ERROR dm_error_quark()
GQuark dm_error_quark(void);

typedef enum {
    DM_ERROR_CONFIG, /* a value in the configuration or in an API body; the message has its JSON
                        path */
    DM_ERROR_IO,     /* the system said no: file, socket, database; the message has errno's text */
    DM_ERROR_LIMIT,  /* a limit of ours was reached */
    DM_ERROR_PARSE,  /* text from outside that does not follow its grammar */
    DM_ERROR_NOT_FOUND,   /* the thing named does not exist */
    DM_ERROR_CONFLICT,    /* it exists already, is referenced, or has changed meanwhile */
    DM_ERROR_UNSUPPORTED, /* understood, and not something this gateway does */
} DmErrorCode;

/* Sets @error to DM_ERROR_IO with "what: strerror(errno_value)". */
void dm_error_set_errno(GError **error, int errno_value, const char *what);

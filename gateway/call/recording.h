/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Writing a call to files: by policy from its answer on, or when an operator says so. */

/* Begins if the caller's or the called trunk or the route wants it; when the call is answered. */
void dm_call_recording_by_policy(DmCall *call);
/* A transfer has joined @call with @joined: recorded from here on when either is to be, unless it
 * is already. */
void dm_call_recording_goes_on(DmCall *call, const DmCall *joined);

/* The name of a file, relative to the folder of recordings: @pattern with {id}, {date}, {time},
 * {from}, {to}, {trunk_a} and {trunk_b} filled in. What is filled in consists of letters, digits,
 * '+', '-', '_' and '.', never begins with a dot, and cannot leave the folder. @number: of the
 * recordings of this call, 1 for the first. (transfer full) */
char *dm_recording_name(const char *pattern, const DmRecord *record, unsigned number);

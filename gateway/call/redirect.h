/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* A called trunk that answers 300, 301 or 302 (SIG-20): as its configuration says, its numbers are
 * called instead, told to the caller, or taken for a refusal. */

#define DM_MAX_REDIRECTS 5 /* followed in one call */

/* Called first when an attempt has failed; @contacts: what it named instead, or NULL. True: there
 * is somewhere else to go, and dm_dial_next() goes there. Otherwise @release may have been changed
 * into what the caller is to be told. */
bool dm_redirect_take(DmParty *party, DmRelease *release, const GPtrArray *contacts);
/* The plan is exhausted: a plan for the next number named. A number goes where routing lets the
 * trunk that named it call, and nowhere else. */
bool dm_redirect_next(DmCall *call);
void dm_redirect_clear(DmRedirection *redirection);

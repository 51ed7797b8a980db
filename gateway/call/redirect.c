/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/redirect.h"

#include <string.h>

#include "gateway/base/log.h"
#include "gateway/call/call-record.h"
#include "gateway/call/dial.h"
#include "gateway/call/screening.h"

DM_LOG_TOPIC("call-redirect");

static void
set(char **place, const char *text)
{
    g_free(*place);
    *place = g_strdup(text);
}

void
dm_redirect_clear(DmRedirection *redirection)
{
    g_clear_pointer(&redirection->numbers, g_ptr_array_unref);
    g_clear_pointer(&redirection->trunk, g_free);
    dm_identity_clear(&redirection->identity);
}

static bool
is_redirect(const DmRelease *release)
{
    return release->cause == DM_RELEASE_REJECTED && release->status >= 300 &&
           release->status <= 302;
}

/* The call as the redirecting trunk had it, with the number it had as the one that diverts. */
static void
remember(DmParty *party, const GPtrArray *contacts)
{
    DmCall *call = party->call;
    DmRedirection *redirection = &call->dialing->redirection;
    const DmRouteTarget *target = call->dialing->target;
    unsigned n = redirection->n_followed;

    dm_redirect_clear(redirection);
    redirection->n_followed = n + 1;
    redirection->next = 0;
    redirection->trunk = g_strdup(dm_trunk_id(party->trunk));
    redirection->numbers = g_ptr_array_new_with_free_func(g_free);
    for (unsigned i = 0; i < contacts->len; i++) {
        g_ptr_array_add(redirection->numbers, g_strdup(g_ptr_array_index(contacts, i)));
    }
    dm_identity_copy(&redirection->identity, &target->identity);
    if (*redirection->identity.diversion_user == '\0') {
        set(&redirection->identity.diversion_user, target->identity.ruri_user);
        set(&redirection->identity.diversion_reason, "unconditional");
    }
}

bool
dm_redirect_take(DmParty *party, DmRelease *release, const GPtrArray *contacts)
{
    DmCall *call = party->call;

    if (!is_redirect(release) || contacts == NULL || contacts->len == 0) {
        return false;
    }
    switch (party->config->sip.redirect_mode) {
    case DM_REDIRECT_FOLLOW:
        if (call->dialing->redirection.n_followed >= DM_MAX_REDIRECTS) {
            dm_record_add_evidence(call->record, "More than %u redirections", DM_MAX_REDIRECTS);
            return false;
        }
        remember(party, contacts);
        call->dialing->next_address = call->dialing->n_addresses;
        call->dialing->next_target = call->dialing->plan->targets->len;
        return true;
    case DM_REDIRECT_RELAY:
        g_strlcpy(release->redirect_to,
                  g_ptr_array_index(contacts, 0),
                  sizeof(release->redirect_to));
        return false;
    default:
        return false;
    }
}

bool
dm_redirect_next(DmCall *call)
{
    DmRedirection *redirection = &call->dialing->redirection;
    const char *number;
    DmRouteRequest request;

    if (redirection->numbers == NULL || redirection->next >= redirection->numbers->len) {
        return false;
    }
    number = g_ptr_array_index(redirection->numbers, redirection->next++);
    set(&redirection->identity.ruri_user, number);
    set(&redirection->identity.to_user, number);
    request = (DmRouteRequest){
        .source_trunk = redirection->trunk,
        .identity = &redirection->identity,
        .wall_us = call->record->start_wall_us,
        .granted = dm_call_granted,
        .user_data = call->deps->pool,
    };
    dm_info(&call->log, "redirected by trunk %s", redirection->trunk);
    dm_record_add_evidence(call->record,
                           "Trunk '%s' redirected the call to %s",
                           redirection->trunk,
                           dm_log_quote(number, strlen(number)));
    dm_dial_plan(call, &request);
    dm_call_record_redirect(call);
    return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stun/ice-lite.h"

#include <glib.h>
#include <string.h>

#include "media/rtp/bytes.h"

void
dm_ice_lite_update(DmIceLite *agent, const DmIceCredentials *ours)
{
    if (strcmp(agent->ours.ufrag, ours->ufrag) == 0 && strcmp(agent->ours.pwd, ours->pwd) == 0) {
        return;
    }
    agent->before = agent->ours;
    agent->ours = *ours;
    agent->is_selection_old = true;
}

bool
dm_ice_lite_knows(const DmIceLite *agent, const DmAddress *from)
{
    for (unsigned i = 0; i < DM_ICE_MAX_VALID; i++) {
        if (dm_address_is_set(&agent->valid[i]) && dm_address_equal(&agent->valid[i], from)) {
            return true;
        }
    }
    return dm_address_is_set(&agent->selected) && dm_address_equal(&agent->selected, from);
}

/*
 * Who asks
 */

/* "ours:theirs" (RFC 8445, 7.3). Theirs is not looked at: when a call rings at several phones, each
 * has another. */
static bool
is_for(const DmStun *request, const DmIceCredentials *ours)
{
    size_t len = strlen(ours->ufrag);

    return len > 0 && request->username != NULL && request->username_len > len &&
           request->username[len] == ':' && memcmp(request->username, ours->ufrag, len) == 0;
}

/* The credentials a request is made with; NULL: none of ours. */
static const DmIceCredentials *
credentials_of(const DmIceLite *agent, const DmStun *request)
{
    const DmIceCredentials *found = is_for(request, &agent->ours)     ? &agent->ours
                                    : is_for(request, &agent->before) ? &agent->before
                                                                      : NULL;

    return found != NULL && dm_stun_is_authentic(request, found->pwd) ? found : NULL;
}

/*
 * What to answer
 */

static bool
may_answer(DmIceLite *agent, bool is_refusal, int64_t now_us)
{
    if (now_us - agent->window_us >= G_USEC_PER_SEC) {
        agent->window_us = now_us;
        agent->n_answers = agent->n_refusals = 0;
    }
    return is_refusal ? agent->n_refusals++ < DM_ICE_MAX_REFUSALS
                      : agent->n_answers++ < DM_ICE_MAX_ANSWERS;
}

static void
answer_success(const DmStun *request,
               const DmAddress *from,
               const char *password,
               DmStunWriter *answer)
{
    dm_stun_begin(answer, DM_STUN_SUCCESS, request->transaction);
    dm_stun_add_mapped(answer, from);
    dm_stun_finish(answer, password);
}

static void
add_unknown(DmStunWriter *answer, const DmStun *request)
{
    uint8_t types[2 * DM_STUN_MAX_UNKNOWN];

    for (unsigned i = 0; i < request->n_unknown; i++) {
        dm_put_u16(types + 2 * (size_t)i, request->unknown[i]);
    }
    if (request->n_unknown > 0) {
        dm_stun_add(answer, DM_STUN_UNKNOWN_ATTRIBUTES, types, 2 * (size_t)request->n_unknown);
    }
}

static void
answer_error(const DmStun *request, uint16_t code, const char *password, DmStunWriter *answer)
{
    const char *reason = code == 400   ? "Bad Request"
                         : code == 401 ? "Unauthenticated"
                         : code == 420 ? "Unknown Attribute"
                                       : "Role Conflict";

    dm_stun_begin(answer, DM_STUN_ERROR, request->transaction);
    dm_stun_add_error(answer, code, reason);
    if (code == 420) {
        add_unknown(answer, request);
    }
    dm_stun_finish(answer, password);
}

/* What is wrong with a request (RFC 8489, 6.3.1 and 9.1.3; RFC 8445, 7.3.1.1); 0: nothing. A lite
 * agent is never in control of a full one. */
static uint16_t
fault_of(const DmStun *request, const DmIceCredentials *used)
{
    if (used == NULL) {
        return request->integrity_at == 0 || request->username == NULL ? 400 : 401;
    }
    if (request->n_unknown > 0) {
        return 420;
    }
    return request->is_controlled ? 487 : 0;
}

/*
 * What follows from it
 */

static void
note_valid(DmIceLite *agent, const DmAddress *from)
{
    agent->last_valid = *from;
    if (!dm_ice_lite_knows(agent, from)) {
        agent->valid[agent->next_valid] = *from;
        agent->next_valid = (agent->next_valid + 1) % DM_ICE_MAX_VALID;
    }
}

static bool
is_better(const DmIceLite *agent, const DmStun *request, int64_t now_us)
{
    return !dm_address_is_set(&agent->selected) || agent->is_selection_old ||
           request->priority >= agent->priority || now_us - agent->heard_us > DM_ICE_STALE_US;
}

static DmIceVerdict
take_check(DmIceLite *agent, const DmStun *request, const DmAddress *from, int64_t now_us)
{
    bool is_selected =
        dm_address_is_set(&agent->selected) && dm_address_equal(&agent->selected, from);
    DmIceVerdict verdict = DM_ICE_VALID;

    note_valid(agent, from);
    if (request->use_candidate && (is_selected || is_better(agent, request, now_us))) {
        verdict = is_selected ? DM_ICE_VALID : DM_ICE_SELECTED;
        agent->selected = *from;
        agent->priority = request->priority;
        agent->is_selection_old = false;
        is_selected = true;
    }
    if (is_selected) {
        agent->heard_us = now_us;
    }
    return verdict;
}

static DmIceVerdict
take_request(DmIceLite *agent,
             const DmStun *request,
             const DmAddress *from,
             int64_t now_us,
             DmStunWriter *answer)
{
    const DmIceCredentials *used = credentials_of(agent, request);
    uint16_t fault = fault_of(request, used);

    if (!may_answer(agent, fault != 0, now_us)) {
        return DM_ICE_IGNORED;
    }
    if (fault != 0) {
        answer_error(request, fault, used != NULL ? used->pwd : NULL, answer);
        return DM_ICE_REFUSED;
    }
    answer_success(request, from, used->pwd, answer);
    /* What was under way when the peer began anew is answered, and chooses nothing any more. */
    return used == &agent->ours ? take_check(agent, request, from, now_us) : DM_ICE_ALIVE;
}

DmIceVerdict
dm_ice_lite_input(DmIceLite *agent,
                  const uint8_t *bytes,
                  size_t len,
                  const DmAddress *from,
                  int64_t now_us,
                  DmStunWriter *answer)
{
    DmStun message;

    answer->len = 0;
    /* RFC 8445, 7.3: checks have a FINGERPRINT; so nothing else on this port is taken for one. */
    if (!dm_stun_parse(bytes, len, &message) || !message.has_fingerprint ||
        message.method != DM_STUN_BINDING) {
        return DM_ICE_IGNORED;
    }
    if (message.class == DM_STUN_REQUEST) {
        return take_request(agent, &message, from, now_us, answer);
    }
    /* RFC 8445, 11: keepalives; they are not authenticated and prove nothing. */
    return message.class == DM_STUN_INDICATION && dm_ice_lite_knows(agent, from) ? DM_ICE_ALIVE
                                                                                 : DM_ICE_IGNORED;
}

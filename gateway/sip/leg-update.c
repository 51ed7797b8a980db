/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>

#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* UPDATE of ours (RFC 3311): it refreshes a session without touching what was agreed, or changes
 * it, which it can do before the answer as well (SIG-12). */

DM_LOG_TOPIC("sip-leg");

static void start_update(DmSipLeg *leg);

/* The dialog that an offer of ours may go out in: the first exchange must be over (RFC 3311, 5.1).
 * NULL: none. */
static DmDialog *
may_offer_in(const DmSipLeg *leg)
{
    DmSipFork *fork;

    switch (leg->state) {
    case DM_SIP_LEG_UP:
        return leg->dialog;
    case DM_SIP_LEG_INCOMING:
        return dm_sip_leg_has_agreed(leg) && leg->provisional->unacked == NULL ? leg->dialog : NULL;
    case DM_SIP_LEG_EARLY:
        fork = leg->early_tag != NULL ? dm_sip_fork_of_tag(leg, leg->early_tag) : NULL;
        return fork != NULL && fork->agreed ? fork->dialog : NULL;
    default:
        return NULL;
    }
}

static void
take_answer(DmSipLeg *leg, const DmSipMessage *response)
{
    g_autoptr(DmSdp) sdp = NULL;

    dm_sip_leg_read_sdp(response, &sdp);
    dm_sip_leg_set_remote_sdp(leg, sdp);
    dm_sip_leg_tell_reanswer(leg, (uint16_t)response->sip->sip_status->st_status, sdp);
}

static void
take_success(DmSipLeg *leg, const DmSipMessage *response)
{
    DmSipFork *fork = dm_sip_fork_find(leg, response);
    DmDialog *dialog = leg->dialog != NULL ? leg->dialog : fork != NULL ? fork->dialog : NULL;

    if (dialog != NULL) {
        dm_dialog_refresh_target(dialog, response);
    }
    dm_sip_leg_learn(leg, response);
    if (leg->state == DM_SIP_LEG_UP) {
        dm_sip_leg_settle_session(leg, response);
    }
    if (leg->update_offers) {
        take_answer(leg, response);
    }
    dm_sip_leg_send_queued(leg);
}

/* RFC 3261, 8.1.3: the same with what was missing. */
static bool
try_again(DmSipLeg *leg, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;
    bool challenged = (status == 401 || status == 407) && leg->digest != NULL &&
                      dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY;

    if (may_offer_in(leg) == NULL || (!challenged && !dm_sip_leg_take_too_small(leg, response))) {
        return false;
    }
    start_update(leg);
    return true;
}

/* RFC 3311, 5.2: an offer of the peer's is in the way, of which 500 is one name. What does not know
 * UPDATE may know re-INVITE, once it has answered. */
static void
offer_failed(DmSipLeg *leg, uint16_t status)
{
    switch (status) {
    case 405:
    case 501:
        leg->session.no_update = true;
        leg->queued = true;
        dm_sip_leg_send_queued(leg);
        break;
    case 500:
        dm_sip_leg_reoffer_failed(leg, 491);
        break;
    default:
        dm_sip_leg_reoffer_failed(leg, status);
        break;
    }
}

static void
take_failure(DmSipLeg *leg, uint16_t status)
{
    if (leg->update_offers) {
        offer_failed(leg, status);
        return;
    }
    if (status != 408 && status != 481 && status != 491) {
        leg->session.no_update = true; /* it may know re-INVITE better */
        leg->session.due = leg->state == DM_SIP_LEG_UP && leg->session.terms.interval_s > 0;
        dm_sip_leg_send_queued(leg);
        return;
    }
    dm_sip_leg_refresh_failed(leg, status);
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmSipLeg *leg = user_data;
    int status = response->sip->sip_status->st_status;

    if (status < 200) {
        return;
    }
    dm_client_tx_forget_user(tx);
    leg->update = NULL;
    if (status < 300) {
        take_success(leg, response);
    } else if (!try_again(leg, response)) {
        take_failure(leg, (uint16_t)status);
    }
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmSipLeg *leg = user_data;

    dm_client_tx_forget_user(tx);
    leg->update = NULL;
    if (leg->update_offers) {
        dm_sip_leg_reoffer_failed(leg, failure == DM_TX_TIMEOUT ? 408 : 503);
    } else {
        dm_sip_leg_refresh_failed(leg, failure == DM_TX_TIMEOUT ? 408 : 503);
    }
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipLeg *)user_data)->update = NULL;
}

static const DmClientTxUser update_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

static void
start_update(DmSipLeg *leg)
{
    DmDialog *dialog = may_offer_in(leg);
    g_autoptr(DmSipMessage) request = dm_dialog_request(dialog, DM_METHOD_UPDATE, 0);
    DmSipFlow flow;

    dm_sip_leg_add_contact(leg, request);
    dm_sip_add_abilities(request, dm_trunk_config(leg->trunk));
    if (leg->state == DM_SIP_LEG_UP) {
        dm_sip_leg_write_session(leg, request);
    } else {
        dm_sip_add_extensions(request, dm_trunk_config(leg->trunk));
    }
    if (leg->update_offers) {
        dm_sip_leg_write_sdp(leg, request, leg->offer);
    }
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, request);
    }
    dm_dialog_flow(dialog, &leg->core->wire, &flow);
    leg->update = dm_sip_leg_start(leg, request, &flow, &update_user, leg);
}

static void
send_update(DmSipLeg *leg, bool offers)
{
    leg->update_offers = offers;
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    start_update(leg);
}

void
dm_sip_leg_send_update(DmSipLeg *leg)
{
    send_update(leg, false);
}

bool
dm_sip_leg_offer_by_update(DmSipLeg *leg)
{
    DmUpdateMode mode = dm_trunk_config(leg->trunk)->sip.update;
    bool is_up = leg->state == DM_SIP_LEG_UP;

    if (mode == DM_UPDATE_OFF || (is_up && mode != DM_UPDATE_PREFER) || leg->offer == NULL ||
        leg->session.no_update || !dm_sip_leg_peer_allows(leg, DM_METHOD_UPDATE)) {
        return false;
    }
    if (is_up ? !dm_sip_leg_may_send_invite(leg)
              : leg->update != NULL || leg->change.tx != NULL || may_offer_in(leg) == NULL ||
                    dm_sip_leg_waits_after_glare(leg)) {
        return false;
    }
    send_update(leg, true);
    return true;
}

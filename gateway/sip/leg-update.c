/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>

#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* UPDATE of ours (RFC 3311): it refreshes a session without touching what was agreed. */

DM_LOG_TOPIC("sip-leg");

static void start_update(DmSipLeg *leg);

static void
take_success(DmSipLeg *leg, const DmSipMessage *response)
{
    dm_dialog_refresh_target(leg->dialog, response);
    dm_sip_leg_learn(leg, response);
    dm_sip_leg_settle_session(leg, response);
    dm_sip_leg_send_queued(leg);
}

/* RFC 3261, 8.1.3: the same with what was missing. */
static bool
try_again(DmSipLeg *leg, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;
    bool challenged = (status == 401 || status == 407) && leg->digest != NULL &&
                      dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY;

    if (leg->state != DM_SIP_LEG_UP || (!challenged && !dm_sip_leg_take_too_small(leg, response))) {
        return false;
    }
    start_update(leg);
    return true;
}

static void
take_failure(DmSipLeg *leg, uint16_t status)
{
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
    dm_sip_leg_refresh_failed(leg, failure == DM_TX_TIMEOUT ? 408 : 503);
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
    g_autoptr(DmSipMessage) request = dm_dialog_request(leg->dialog, DM_METHOD_UPDATE, 0);
    DmSipFlow flow;

    dm_sip_add_contact(leg->core, request, dm_trunk_config(leg->trunk), &leg->flow);
    dm_sip_add_abilities(request);
    dm_sip_leg_write_session(leg, request);
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, request);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    leg->update = dm_client_tx_start(leg->core->tx, request, &flow, &update_user, leg);
}

void
dm_sip_leg_send_update(DmSipLeg *leg)
{
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    start_update(leg);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/leg-priv.h"

/* Requests inside a dialog, by method. */

DM_LOG_TOPIC("sip-leg");

/* Takes the request over. */
typedef void (*Handler)(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request);

static void
take_bye(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 200, NULL, leg->local_tag);

    dm_server_tx_respond(tx, response);
    if (leg->state == DM_SIP_LEG_CLOSING) {
        return; /* both hung up at once: ours is answered soon */
    }
    dm_sip_leg_set_release(leg, DM_RELEASE_PEER_BYE, 200, "", "");
    dm_sip_leg_take_reason(leg, request->sip->sip_reason);
    dm_sip_leg_finish(leg);
}

static void
take_options(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 200, NULL, leg->local_tag);

    dm_sip_leg_add_contact(leg, response);
    dm_sip_add_abilities(response, dm_trunk_config(leg->trunk));
    dm_sip_add_capabilities(response, dm_trunk_config(leg->trunk));
    dm_server_tx_respond(tx, response);
}

static void
refuse(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 405, NULL, leg->local_tag);

    dm_sip_add_abilities(response, dm_trunk_config(leg->trunk));
    dm_server_tx_respond(tx, response);
}

static const Handler handlers[DM_N_METHODS] = {
    [DM_METHOD_INVITE] = dm_sip_leg_take_reinvite,
    [DM_METHOD_BYE] = take_bye,
    [DM_METHOD_UPDATE] = dm_sip_leg_take_update,
    [DM_METHOD_PRACK] = dm_sip_leg_take_prack,
    [DM_METHOD_OPTIONS] = take_options,
    [DM_METHOD_INFO] = dm_sip_leg_take_info,
    [DM_METHOD_REFER] = dm_sip_leg_take_refer,
    [DM_METHOD_NOTIFY] = dm_sip_leg_take_notify,
    [DM_METHOD_SUBSCRIBE] = dm_sip_leg_take_subscribe,
};

static bool
is_ours(const DmSipLeg *leg, const DmSipMessage *request)
{
    return leg->dialog != NULL && dm_dialog_owns_request(leg->dialog, request);
}

/* A called peer's BYE that overtook its 2xx. It is believed, and the 2xx will be acknowledged when
 * it comes. */
static bool
overtook_its_2xx(const DmSipLeg *leg, const DmSipMessage *request)
{
    return leg->dialog == NULL && request->method == DM_METHOD_BYE &&
           (leg->state == DM_SIP_LEG_CALLING || leg->state == DM_SIP_LEG_EARLY) &&
           strcmp(request->sip->sip_call_id->i_id, leg->facts.call_id) == 0;
}

/* --- before the 2xx --- */

/* Our offer has no answer yet: another has to wait (RFC 3261, 14.2; RFC 3311, 5.2). */
static void
refuse_for_now(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    dm_server_tx_reject(tx, request, 491, NULL);
    dm_sip_message_free(request);
}

static void
take_early_update(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    DmSipFork *fork = dm_sip_fork_of_request(leg, request);
    const sip_t *sip = request->sip;

    if (fork != NULL) {
        dm_sip_leg_take_fork_update(leg, fork, tx, request);
    } else if (sip->sip_payload != NULL && sip->sip_payload->pl_len > 0) {
        refuse_for_now(leg, tx, request);
    } else {
        take_options(leg, tx, request);
    }
}

/* What a called peer may say while it rings. There may be several of them. */
static const Handler early_handlers[DM_N_METHODS] = {
    [DM_METHOD_INVITE] = refuse_for_now,
    [DM_METHOD_UPDATE] = take_early_update,
    [DM_METHOD_OPTIONS] = take_options,
    [DM_METHOD_INFO] = dm_sip_leg_take_info,
};

static bool
is_of_early_dialog(const DmSipLeg *leg, const DmSipMessage *request)
{
    return leg->dialog == NULL && leg->state == DM_SIP_LEG_EARLY &&
           strcmp(request->sip->sip_call_id->i_id, leg->facts.call_id) == 0;
}

void
dm_sip_leg_request(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    Handler handler = handlers[request->method];

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (tx == NULL) {
        if (is_ours(leg, request)) {
            dm_sip_leg_take_ack(leg, request);
        } else {
            dm_sip_message_free(request);
        }
        return;
    }
    if (overtook_its_2xx(leg, request)) {
        leg->peer_said_bye = true;
        dm_server_tx_reject(tx, request, 200, NULL);
        dm_sip_message_free(request);
        return;
    }
    if (is_of_early_dialog(leg, request)) {
        handler = early_handlers[request->method];
        (handler != NULL ? handler : refuse)(leg, tx, request);
        return;
    }
    if (!is_ours(leg, request)) {
        dm_server_tx_reject(tx, request, 481, NULL);
        dm_sip_message_free(request);
        return;
    }
    /* A PRACK that was lost once may come behind what was sent after it. RFC 3261 has it refused,
     * and the call would fail for want of it; its RAck says well enough what it is for. */
    if (dm_dialog_take_cseq(leg->dialog, request) == DM_CSEQ_OLD &&
        request->method != DM_METHOD_PRACK) {
        dm_server_tx_reject(tx, request, 500, "CSeq too low");
        dm_sip_message_free(request);
        return;
    }
    (handler != NULL ? handler : refuse)(leg, tx, request);
}

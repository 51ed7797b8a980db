/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/identity.h"
#include "gateway/sip/leg-priv.h"

/* Transfers the peer is asked for: REFER of ours, and the NOTIFYs that answer it. */

DM_LOG_TOPIC("sip-leg");

static void start_refer(DmSipLeg *leg);

static bool
is_under_way(const DmSipLeg *leg)
{
    return leg->refer_out != NULL && leg->refer_out->active;
}

static void
tell(DmSipLeg *leg, uint16_t status)
{
    if (leg->refer_out->active) {
        leg->refer_out->active = status < 200;
        dm_sip_leg_emit(leg, DM_LEG_REFER_PROGRESS, status, NULL);
    }
}

/* --- REFER --- */

/* With the credentials that were missing. */
static bool
try_again(DmSipLeg *leg, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;

    if ((status != 401 && status != 407) || leg->digest == NULL || leg->state != DM_SIP_LEG_UP ||
        dm_auth_take(leg->digest, response) != DM_DIGEST_RETRY) {
        return false;
    }
    start_refer(leg);
    return true;
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
    leg->refer_out->tx = NULL;
    if (status >= 300 && !try_again(leg, response)) {
        tell(leg, (uint16_t)status);
    } else if (status < 300 && dm_sip_says_no_subscription(response)) {
        tell(leg, 200); /* RFC 4488: nothing more will be heard of it */
    }
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmSipLeg *leg = user_data;

    dm_client_tx_forget_user(tx);
    leg->refer_out->tx = NULL;
    tell(leg, failure == DM_TX_TIMEOUT ? 408 : 503);
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipLeg *)user_data)->refer_out->tx = NULL;
}

static const DmClientTxUser refer_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

static void
start_refer(DmSipLeg *leg)
{
    g_autoptr(DmSipMessage) request = dm_dialog_request(leg->dialog, DM_METHOD_REFER, 0);
    DmSipFlow flow;

    dm_sip_message_add(request, "Refer-To", leg->refer_out->to);
    if (leg->refer_out->by != NULL) {
        dm_sip_message_add(request, "Referred-By", leg->refer_out->by);
    }
    dm_sip_leg_add_contact(leg, request);
    dm_sip_add_abilities(request, dm_trunk_config(leg->trunk));
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, request);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    leg->refer_out->tx = dm_sip_leg_start(leg, request, &flow, &refer_user, leg);
}

/* What may stand in a header of a URI as it is (RFC 3261, 25.1: hnv-unreserved left out). */
static void
append_escaped(GString *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (g_ascii_isalnum(*text) || strchr("-_.!~*'()", *text) != NULL) {
            g_string_append_c(out, *text);
        } else {
            g_string_append_printf(out, "%%%02X", (unsigned char)*text);
        }
    }
}

/* The other dialog as its peer knows it: what is our tag is the caller's there (RFC 3891, 3). */
static void
append_replaced(GString *out, const DmSipLeg *other)
{
    g_autofree char *target = dm_dialog_target(other->dialog);
    g_autofree char *value = g_strdup_printf("%s;to-tag=%s;from-tag=%s",
                                             dm_dialog_call_id(other->dialog),
                                             dm_dialog_remote_tag(other->dialog),
                                             dm_dialog_local_tag(other->dialog));

    g_string_append_printf(out, "%s?Replaces=", target);
    append_escaped(out, value);
}

static const char *
host_of(const DmSipLeg *leg)
{
    const DmTrunkConfig *config = dm_trunk_config(leg->trunk);

    if (*config->domain != '\0' || leg->facts.endpoint >= config->endpoints->len) {
        return config->domain;
    }
    return ((const DmEndpointConfig *)g_ptr_array_index(config->endpoints, leg->facts.endpoint))
        ->host;
}

static char *
make_address(const DmSipLeg *leg, const char *number, const DmSipLeg *replaced)
{
    const DmTrunkConfig *config = dm_trunk_config(leg->trunk);
    GString *text = g_string_new("<");

    if (replaced != NULL) {
        append_replaced(text, replaced);
    } else {
        dm_identity_append_uri(text, number, host_of(leg), 0, config->sip.user_phone);
    }
    g_string_append_c(text, '>');
    return g_string_free(text, FALSE);
}

void
dm_sip_leg_refer(DmSipLeg *leg, const DmReferral *referral)
{
    DmLegReferOut *refer = leg->refer_out;
    const DmSipLeg *replaced = (const DmSipLeg *)referral->replaced;

    if (leg->state != DM_SIP_LEG_UP || leg->ending || is_under_way(leg) ||
        (replaced != NULL && replaced->dialog == NULL)) {
        return;
    }
    if (refer == NULL) {
        refer = leg->refer_out = g_new0(DmLegReferOut, 1);
    }
    if (refer->tx != NULL) { /* of the one before, which NOTIFY has ended: no answer is awaited */
        dm_client_tx_forget_user(refer->tx);
        refer->tx = NULL;
    }
    g_free(refer->to);
    g_free(refer->by);
    refer->to = make_address(leg, referral->number, replaced);
    refer->by =
        *referral->referred_by != '\0' ? make_address(leg, referral->referred_by, NULL) : NULL;
    refer->active = true;
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    start_refer(leg);
}

/* --- NOTIFY --- */

/* The status of a sipfrag; 0: there is none. */
static uint16_t
read_fragment(const sip_t *sip)
{
    const sip_payload_t *body = sip->sip_payload;
    char line[16] = "";
    unsigned long status;

    if (sip->sip_content_type == NULL || sip->sip_content_type->c_type == NULL ||
        strcasecmp(sip->sip_content_type->c_type, "message/sipfrag") != 0 || body == NULL) {
        return 0;
    }
    memcpy(line, body->pl_data, MIN(body->pl_len, sizeof line - 1));
    if (strncasecmp(line, "SIP/2.0 ", 8) != 0 || !g_ascii_isdigit(line[8])) {
        return 0;
    }
    status = strtoul(line + 8, NULL, 10);
    return status >= 100 && status <= 699 ? (uint16_t)status : 0;
}

static bool
is_over(const sip_t *sip)
{
    const sip_subscription_state_t *state = sip->sip_subscription_state;

    return state != NULL && state->ss_substate != NULL &&
           strcasecmp(state->ss_substate, "terminated") == 0;
}

/* A subscription that ends without a result leaves us ignorant: as if it had failed, so that the
 * call is kept. */
static uint16_t
status_of(const sip_t *sip)
{
    uint16_t status = read_fragment(sip);

    return status < 200 && is_over(sip) ? 480 : status;
}

static bool
is_of_transfer(const sip_t *sip)
{
    return sip->sip_event != NULL && sip->sip_event->o_type != NULL &&
           strcasecmp(sip->sip_event->o_type, "refer") == 0;
}

void
dm_sip_leg_take_notify(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    uint16_t status;

    if (!is_under_way(leg) || !is_of_transfer(request->sip)) {
        dm_server_tx_reject(tx, request, 481, NULL);
        return;
    }
    dm_server_tx_reject(tx, request, 200, NULL);
    status = status_of(request->sip);
    if (status != 0) {
        tell(leg, status);
    }
}

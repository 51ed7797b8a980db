/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <strings.h>

#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/key-body.h"
#include "gateway/sip/leg-priv.h"

/* Keys by INFO (RFC 6086, and what was before it): one request at a time, so that they keep their
 * order. Which keys they are is never logged (DTMF-5). */

DM_LOG_TOPIC("sip-leg");

/* Keys that wait; more are dropped. */
#define MAX_WAITING 32
/* What a press that nobody has measured is said to have lasted. */
#define KEY_MS 160

static void begin_info(DmSipLeg *leg);
static void start_info(DmSipLeg *leg);

/*
 * From the peer
 */

static bool
is_key_type(const sip_content_type_t *type)
{
    return type != NULL && type->c_type != NULL &&
           (strcasecmp(type->c_type, DM_KEY_TYPE_RELAY) == 0 ||
            strcasecmp(type->c_type, DM_KEY_TYPE_PLAIN) == 0);
}

void
dm_sip_leg_take_info(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = dm_sip_response_new(request, 200, NULL, leg->local_tag);
    const sip_payload_t *payload = request->sip->sip_payload;
    DmKeyBody body;

    dm_server_tx_respond(tx, response);
    if (!is_key_type(request->sip->sip_content_type) || payload == NULL ||
        !dm_key_body_parse(payload->pl_data, payload->pl_len, &body)) {
        return;
    }
    dm_sip_leg_emit_key(leg, body.key, body.ms);
}

/*
 * To the peer
 */

static void
next_key(DmSipLeg *leg)
{
    g_string_erase(leg->info.keys, 0, 1);
    if (leg->info.keys->len > 0 && leg->state == DM_SIP_LEG_UP) {
        begin_info(leg);
    }
}

/* RFC 3261, 8.1.3: the same with what was missing; or in the other form. */
static bool
try_again(DmSipLeg *leg, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;

    if ((status == 401 || status == 407) && leg->digest != NULL &&
        dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY) {
        return true;
    }
    if (status == 415 && !leg->info.is_plain) {
        leg->info.is_plain = true;
        return true;
    }
    return false;
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
    leg->info.tx = NULL;
    if (status >= 300 && leg->state == DM_SIP_LEG_UP && try_again(leg, response)) {
        start_info(leg);
        return;
    }
    if (status >= 300) {
        dm_warning(&leg->log, "a key was refused with %d; it is lost", status);
    }
    next_key(leg);
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmSipLeg *leg = user_data;

    dm_client_tx_forget_user(tx);
    leg->info.tx = NULL;
    dm_warning(&leg->log, "a key was not answered; it may be lost");
    next_key(leg);
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipLeg *)user_data)->info.tx = NULL;
}

static const DmClientTxUser info_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

static void
start_info(DmSipLeg *leg)
{
    g_autoptr(DmSipMessage) request = dm_dialog_request(leg->dialog, DM_METHOD_INFO, 0);
    DmKeyBody body = {leg->info.keys->str[0], KEY_MS};
    g_autofree char *text =
        leg->info.is_plain ? dm_key_body_plain(&body) : dm_key_body_relay(&body);
    DmSipFlow flow;

    dm_sip_message_set_body(request,
                            leg->info.is_plain ? DM_KEY_TYPE_PLAIN : DM_KEY_TYPE_RELAY,
                            text,
                            strlen(text));
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, request);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    leg->info.tx = dm_client_tx_start(leg->core->tx, request, &flow, &info_user, leg);
}

static void
begin_info(DmSipLeg *leg)
{
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    start_info(leg);
}

void
dm_sip_leg_press(DmSipLeg *leg, char key)
{
    if (leg->state != DM_SIP_LEG_UP) {
        return; /* there is no dialog to press it in */
    }
    if (leg->info.keys == NULL) {
        leg->info.keys = g_string_new(NULL);
    }
    if (leg->info.keys->len == MAX_WAITING) {
        dm_warning(&leg->log, "%d keys wait for an answer; one more is dropped", MAX_WAITING);
        return;
    }
    g_string_append_c(leg->info.keys, key);
    if (leg->info.keys->len == 1) {
        begin_info(leg);
    }
}

void
dm_sip_leg_drop_info(DmSipLeg *leg)
{
    if (leg->info.tx != NULL) {
        dm_client_tx_forget_user(leg->info.tx);
        leg->info.tx = NULL;
    }
    if (leg->info.keys != NULL) {
        g_string_free(leg->info.keys, TRUE);
        leg->info.keys = NULL;
    }
}

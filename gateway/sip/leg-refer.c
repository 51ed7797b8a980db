/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_extra.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <string.h>
#include <strings.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* Transfers the peer asks for: REFER, and the NOTIFYs that tell it how they go (RFC 3515). */

DM_LOG_TOPIC("sip-leg");

#define EXPIRES_S       180 /* of the subscription; the transfer ends it before */
#define MAX_REPLACES    512 /* bytes that a Replaces of others' may have */
#define NOTIFY_GRACE_US (1 * G_USEC_PER_SEC)

/* --- what the peer asks --- */

/* What a REFER says. */
typedef struct {
    char *number, *replaces;
    DmSipLeg *replaced;
    DmFarDialog far; /* its strings are owned; call_id NULL: none */
} Asked;

static void
asked_clear(Asked *asked)
{
    g_free(asked->number);
    g_free(asked->replaces);
    g_free((char *)asked->far.call_id);
    g_free((char *)asked->far.to_tag);
    g_free((char *)asked->far.from_tag);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asked, asked_clear)

/* The value of header @name in the headers of a URI ("a=b&c=d"), without its escapes; *@out_n:
 * how often it is there. (transfer full); NULL: not at all. */
static char *
header_of_uri(const char *headers, const char *name, unsigned *out_n)
{
    g_auto(GStrv) parts = g_strsplit(headers != NULL ? headers : "", "&", 32);
    size_t len = strlen(name);
    char *value = NULL;

    *out_n = 0;
    for (unsigned i = 0; parts[i] != NULL; i++) {
        if (strncasecmp(parts[i], name, len) == 0 && parts[i][len] == '=' && (*out_n)++ == 0) {
            value = g_strdup(parts[i] + len + 1);
            url_unescape(value, value);
        }
    }
    return value;
}

static bool
is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (!g_ascii_isprint(*text)) {
            return false;
        }
    }
    return true;
}

/* 0, or why not. A Replaces of others' goes on as it came. */
static unsigned
read_replaces(DmSipLeg *leg, const DmSipMessage *request, Asked *asked)
{
    const url_t *url = request->sip->sip_refer_to->r_url;
    unsigned n = 0;
    g_autofree char *text = header_of_uri(url->url_headers, "Replaces", &n);
    sip_replaces_t *replaces;
    DmReplacesVerdict verdict;

    if (n == 0) {
        return 0;
    }
    if (n > 1 || !is_printable(text) || strlen(text) > MAX_REPLACES) {
        return 400;
    }
    replaces = sip_replaces_make(request->home, text);
    verdict = replaces != NULL ? dm_replaces_find(leg->core, replaces, &asked->replaced)
                               : DM_REPLACES_BAD;
    if (verdict == DM_REPLACES_FOREIGN) {
        asked->replaces = g_steal_pointer(&text);
        return 0;
    }
    if (verdict == DM_REPLACES_ELSEWHERE) {
        asked->far = (DmFarDialog){
            .worker = (unsigned)dm_token_worker(replaces->rp_to_tag, strlen(replaces->rp_to_tag)),
            .call_id = g_strdup(replaces->rp_call_id),
            .to_tag = g_strdup(replaces->rp_to_tag),
            .from_tag = g_strdup(replaces->rp_from_tag),
        };
        return 0;
    }
    if (verdict == DM_REPLACES_FOUND && asked->replaced->state != DM_SIP_LEG_UP) {
        return 481;
    }
    return verdict == DM_REPLACES_FOUND ? 0 : dm_replaces_status(verdict);
}

static bool
asks_for_invite(const url_t *url)
{
    char method[16] = "";

    return !url_has_param(url, "method") ||
           (url_param(url->url_params, "method", method, sizeof method) > 0 &&
            strcasecmp(method, "INVITE") == 0);
}

static unsigned
read_asked(DmSipLeg *leg, const DmSipMessage *request, Asked *asked)
{
    const sip_refer_to_t *to = request->sip->sip_refer_to;
    unsigned status;

    if (to == NULL || to->r_url->url_type == url_invalid) {
        return 400;
    }
    if (to->r_url->url_type != url_sip && to->r_url->url_type != url_sips &&
        to->r_url->url_type != url_tel) {
        return 416;
    }
    if (!asks_for_invite(to->r_url)) {
        return 400;
    }
    asked->number = dm_sip_number_of(to->r_url);
    status = read_replaces(leg, request, asked);
    if (status == 0 && asked->replaced == NULL && asked->far.call_id == NULL &&
        *asked->number == '\0') {
        return 400;
    }
    return status;
}

bool
dm_sip_says_no_subscription(const DmSipMessage *message)
{
    const sip_refer_sub_t *header = sip_refer_sub(message->sip);

    return header != NULL && header->rs_value != NULL && strcasecmp(header->rs_value, "false") == 0;
}

/* --- NOTIFY --- */

static void start_notify(DmSipLeg *leg, uint16_t status);

static void
end_if_waiting(DmSipLeg *leg)
{
    if (leg->ending && leg->state == DM_SIP_LEG_UP) {
        dm_sip_leg_send_bye(leg);
    }
}

bool
dm_sip_leg_is_notifying(const DmSipLeg *leg)
{
    return leg->refer_in != NULL && leg->refer_in->notify != NULL;
}

static bool
is_subscribed(const DmSipLeg *leg)
{
    return leg->refer_in != NULL && leg->refer_in->active;
}

void
dm_sip_leg_send_next_notify(DmSipLeg *leg)
{
    DmLegReferIn *refer = leg->refer_in;
    uint16_t next = refer != NULL ? refer->next_status : 0;

    if (next != 0 && leg->state == DM_SIP_LEG_UP && refer->notify == NULL && leg->invite == NULL &&
        leg->update == NULL) {
        refer->next_status = 0;
        start_notify(leg, next);
    }
}

/* The one before has been answered, or never will be. */
static void
go_on(DmSipLeg *leg, bool heard)
{
    DmLegReferIn *refer = leg->refer_in;

    if (!heard) {
        refer->active = false; /* RFC 6665, 4.2.2: the subscription is gone */
        refer->next_status = 0;
    }
    dm_sip_leg_send_queued(leg);
    if (refer->notify == NULL) {
        end_if_waiting(leg);
    }
}

static void
on_notify_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmSipLeg *leg = user_data;
    int status = response->sip->sip_status->st_status;

    if (status < 200) {
        return;
    }
    dm_client_tx_forget_user(tx);
    leg->refer_in->notify = NULL;
    if ((status == 401 || status == 407) && leg->digest != NULL &&
        dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY) {
        start_notify(leg, leg->refer_in->last_status);
        return;
    }
    go_on(leg, status < 300);
}

static void
on_notify_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmSipLeg *leg = user_data;

    dm_client_tx_forget_user(tx);
    leg->refer_in->notify = NULL;
    go_on(leg, false);
}

static void
on_notify_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipLeg *)user_data)->refer_in->notify = NULL;
}

static const DmClientTxUser notify_user = {
    .on_response = on_notify_response,
    .on_failed = on_notify_failed,
    .on_ended = on_notify_ended,
};

/* RFC 3515, 2.4.5: the status line is the whole body, and nothing else of the other side's is told
 * (5.1). */
static void
write_notify(DmSipLeg *leg, DmSipMessage *notify, uint16_t status)
{
    g_autofree char *body = g_strdup_printf("SIP/2.0 %u %s\r\n", status, sip_status_phrase(status));
    g_autofree char *event = leg->refer_in->is_first
                                 ? g_strdup("refer")
                                 : g_strdup_printf("refer;id=%u", leg->refer_in->id);
    g_autofree char *state = status >= 200 ? g_strdup("terminated;reason=noresource")
                                           : g_strdup_printf("active;expires=%d", EXPIRES_S);

    dm_sip_leg_add_contact(leg, notify);
    dm_sip_message_add(notify, "Event", event);
    dm_sip_message_add(notify, "Subscription-State", state);
    dm_sip_add_abilities(notify, dm_trunk_config(leg->trunk));
    dm_sip_message_set_body(notify, "message/sipfrag;version=2.0", body, strlen(body));
}

static void
start_notify(DmSipLeg *leg, uint16_t status)
{
    g_autoptr(DmSipMessage) notify = dm_dialog_request(leg->dialog, DM_METHOD_NOTIFY, 0);
    DmSipFlow flow;

    write_notify(leg, notify, status);
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, notify);
    }
    dm_dialog_flow(leg->dialog, &leg->core->wire, &flow);
    leg->refer_in->last_status = status;
    leg->refer_in->notify = dm_client_tx_start(leg->core->tx, notify, &flow, &notify_user, leg);
}

/* One at a time, so that they arrive in order; what is overtaken is not told. */
void
dm_sip_leg_notify(DmSipLeg *leg, uint16_t status)
{
    DmLegReferIn *refer = leg->refer_in;

    if (!is_subscribed(leg) || leg->state != DM_SIP_LEG_UP || leg->ending) {
        return;
    }
    refer->active = status < 200;
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    refer->next_status = status;
    dm_sip_leg_send_next_notify(leg);
}

/* --- a BYE that follows the last NOTIFY --- */

static void
on_grace_timer(DmTimer *timer, void *user_data)
{
    end_if_waiting(user_data);
}

bool
dm_sip_leg_bye_has_to_wait(DmSipLeg *leg)
{
    DmLegReferIn *refer = leg->refer_in;

    if (refer == NULL || (refer->notify == NULL && refer->next_status == 0) ||
        leg->state != DM_SIP_LEG_UP) {
        return false;
    }
    leg->ending = true;
    dm_loop_arm(leg->core->loop, &refer->timer, NOTIFY_GRACE_US, on_grace_timer, leg);
    return true;
}

/* --- REFER --- */

void
dm_sip_leg_answer_refer(DmSipLeg *leg, uint16_t status)
{
    DmLegReferIn *refer = leg->refer_in;
    bool welcome = status >= 200 && status < 300;
    g_autoptr(DmSipMessage) request = NULL;
    g_autoptr(DmSipMessage) response = NULL;

    if (refer == NULL || refer->tx == NULL) {
        return;
    }
    request = g_steal_pointer(&refer->request);
    refer->active = welcome && !dm_sip_says_no_subscription(request);
    response = dm_sip_response_new(request, status, NULL, leg->local_tag);
    if (welcome) {
        dm_sip_leg_add_contact(leg, response);
        dm_sip_add_abilities(response, dm_trunk_config(leg->trunk));
        if (!refer->active) {
            dm_sip_message_add(response, "Refer-Sub", "false");
        }
    }
    dm_server_tx_respond(g_steal_pointer(&refer->tx), response);
    if (refer->active) {
        dm_sip_leg_notify(leg, 100);
    }
}

/* 0: it may ask. */
static unsigned
why_not(const DmSipLeg *leg)
{
    if (dm_trunk_config(leg->trunk)->sip.refer_mode == DM_REFER_REJECT) {
        return 603;
    }
    return leg->state != DM_SIP_LEG_UP || leg->ending || is_subscribed(leg) ? 491 : 0;
}

static void
emit_referred(DmSipLeg *leg, const Asked *asked)
{
    const DmReferral referral = {
        .number = asked->number,
        .replaced = asked->replaced != NULL ? &asked->replaced->base : NULL,
        .far = asked->far.call_id != NULL ? &asked->far : NULL,
        .replaces = asked->replaces != NULL ? asked->replaces : "",
        .referred_by = "",
    };
    const DmLegEvent event = {.type = DM_LEG_REFERRED, .referral = &referral};

    leg->base.on_event(&leg->base, &event, leg->base.user_data);
}

void
dm_sip_leg_take_refer(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    DmLegReferIn *refer = leg->refer_in;
    unsigned status = why_not(leg);
    g_auto(Asked) asked = {0};

    if (status == 0) {
        status = read_asked(leg, request, &asked);
    }
    if (status != 0 || leg->base.on_event == NULL) {
        dm_server_tx_reject(tx, request, status != 0 ? status : 603, NULL);
        dm_sip_message_free(request);
        return;
    }
    if (refer == NULL) {
        refer = leg->refer_in = g_new0(DmLegReferIn, 1);
    }
    refer->tx = tx;
    refer->request = request;
    refer->is_first = refer->id == 0;
    refer->id = request->sip->sip_cseq->cs_seq;
    emit_referred(leg, &asked);
    dm_sip_leg_answer_refer(leg, 603); /* nobody took it */
}

/* RFC 6665, 4.1.2.3: the peer wants to hear no more, or longer. */
void
dm_sip_leg_take_subscribe(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = NULL;
    const sip_t *sip = request->sip;
    bool is_over = sip->sip_expires != NULL && sip->sip_expires->ex_delta == 0;
    char text[8];

    if (!is_subscribed(leg) || sip->sip_event == NULL || sip->sip_event->o_type == NULL ||
        strcasecmp(sip->sip_event->o_type, "refer") != 0) {
        dm_server_tx_reject(tx, request, 481, NULL);
        return;
    }
    response = dm_sip_response_new(request, 200, NULL, leg->local_tag);
    g_snprintf(text, sizeof text, "%d", is_over ? 0 : EXPIRES_S);
    dm_sip_leg_add_contact(leg, response);
    dm_sip_message_add(response, "Expires", text);
    dm_server_tx_respond(tx, response);
    leg->refer_in->active = !is_over;
}

void
dm_sip_leg_drop_refers(DmSipLeg *leg)
{
    DmLegReferIn *in = g_steal_pointer(&leg->refer_in);
    DmLegReferOut *out = g_steal_pointer(&leg->refer_out);

    if (in != NULL) {
        if (in->notify != NULL) {
            dm_client_tx_forget_user(in->notify);
        }
        dm_timer_disarm(&in->timer);
        dm_sip_message_free(in->request);
        g_free(in);
    }
    if (out != NULL) {
        if (out->tx != NULL) {
            dm_client_tx_forget_user(out->tx);
        }
        g_free(out->to);
        g_free(out->by);
        g_free(out);
    }
}

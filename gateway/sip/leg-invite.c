/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/bodies.h"
#include "gateway/sip/identity.h"
#include "gateway/sip/leg-priv.h"
#include "gateway/sip/registrar.h"

/* INVITEs of ours: the first and its forks, repetitions with credentials, ACK, CANCEL. */

DM_LOG_TOPIC("sip-leg");

#define MAX_FORKS 16 /* of one INVITE that are acknowledged */

/* What one fork was sent. Kept for 32 s of every call, so no larger than it is. */
typedef struct {
    char *to_tag;
    DmSipFlow flow;
    size_t len;
    char bytes[];
} Ack;

static Ack *
ack_new(const char *to_tag, const DmSipFlow *flow, const GString *text)
{
    Ack *ack = g_malloc(sizeof *ack + text->len);

    ack->to_tag = g_strdup(to_tag);
    ack->flow = *flow;
    ack->len = text->len;
    memcpy(ack->bytes, text->str, text->len);
    return ack;
}

static void
ack_free(gpointer data)
{
    Ack *ack = data;

    g_free(ack->to_tag);
    g_free(ack);
}

static const char *
to_tag_of(const DmSipMessage *message)
{
    return message->sip->sip_to->a_tag != NULL ? message->sip->sip_to->a_tag : "";
}

/* --- life of an INVITE --- */

void
dm_sip_invite_leave(DmInviteOut *invite)
{
    DmSipLeg *leg = invite->leg;

    if (leg == NULL) {
        return;
    }
    leg->invites = g_slist_remove(leg->invites, invite);
    if (leg->invite == invite) {
        leg->invite = NULL;
    }
    invite->leg = NULL;
    g_clear_pointer(&invite->request, dm_sip_message_free);
}

void
dm_sip_invite_free(DmInviteOut *invite)
{
    dm_sip_invite_leave(invite);
    g_hash_table_remove(invite->core->invites, invite);
    dm_sip_message_free(invite->request);
    dm_sip_message_free(invite->unacked);
    g_slist_free_full(invite->acks, ack_free);
    g_free(invite);
}

void
dm_sip_invites_drop(DmSipCore *core)
{
    GHashTableIter iter;
    gpointer invite;

    g_hash_table_iter_init(&iter, core->invites);
    while (g_hash_table_iter_next(&iter, &invite, NULL)) {
        dm_sip_invite_free(invite);
        g_hash_table_iter_init(&iter, core->invites);
    }
}

/* --- ACK --- */

/* Sends the ACK for a 2xx within @dialog and keeps its bytes for when the 2xx comes again. */
static void
send_ack(DmInviteOut *invite, DmDialog *dialog, const char *to_tag, const DmSdp *sdp)
{
    g_autoptr(DmSipMessage) request = dm_dialog_request(dialog, DM_METHOD_ACK, invite->cseq);
    g_autoptr(GString) text = g_string_sized_new(512);
    DmSipFlow flow;

    if (invite->request != NULL) {
        dm_auth_copy(request, invite->request);
    }
    if (invite->leg != NULL && sdp != NULL) {
        dm_sip_leg_write_sdp(invite->leg, request, sdp);
    }
    dm_dialog_flow(dialog, &invite->core->wire, &flow);
    dm_tx_layer_send_ack(invite->core->tx, request, &flow, text);
    invite->acks = g_slist_prepend(invite->acks, ack_new(to_tag, &flow, text));
}

/* SIG-5: every repetition of a 2xx gets the same bytes. */
static bool
acked_before(DmInviteOut *invite, const DmSipMessage *response)
{
    for (const GSList *l = invite->acks; l != NULL; l = l->next) {
        const Ack *ack = l->data;

        if (strcmp(ack->to_tag, to_tag_of(response)) == 0) {
            dm_tx_layer_send_raw(invite->core->tx, &ack->flow, ack->bytes, ack->len);
            return true;
        }
    }
    return false;
}

/* A 2xx nobody wants: of another fork, or after CANCEL without a leg (SIG-5). */
static void
ack_and_bye(DmInviteOut *invite, const DmSipMessage *response)
{
    DmDialog *dialog;

    if (g_slist_length(invite->acks) >= MAX_FORKS) {
        return;
    }
    dialog = dm_dialog_new_uac(response);
    send_ack(invite, dialog, to_tag_of(response), NULL);
    dm_sip_send_lone_bye(invite->core, dialog, "SIP;cause=200;text=\"Call completed elsewhere\"");
    dm_dialog_free(dialog);
}

void
dm_sip_invite_ack_kept(DmInviteOut *invite, const DmSdp *sdp)
{
    g_autoptr(DmSipMessage) response = g_steal_pointer(&invite->unacked);

    if (response != NULL && invite->leg != NULL && invite->leg->dialog != NULL) {
        send_ack(invite, invite->leg->dialog, to_tag_of(response), sdp);
        if (invite->leg->invite == invite) {
            invite->leg->invite = NULL;
        }
    }
}

/* --- repetition with what was missing --- */

static void
remove_vias(DmSipMessage *request)
{
    while (request->sip->sip_via != NULL) {
        msg_header_remove(request->msg,
                          (msg_pub_t *)request->sip,
                          (msg_header_t *)request->sip->sip_via);
    }
}

static void
set_cseq(DmSipMessage *request, uint32_t cseq)
{
    msg_pub_t *pub = (msg_pub_t *)request->sip;

    msg_header_remove(request->msg, pub, (msg_header_t *)request->sip->sip_cseq);
    msg_header_insert(
        request->msg,
        pub,
        (msg_header_t *)sip_cseq_create(request->home, cseq, sip_method_invite, "INVITE"));
}

/* Whether the same INVITE with something more may be welcome: credentials, or a longer session. */
static bool
is_worth_repeating(DmSipLeg *leg, const DmInviteOut *invite, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;

    if (invite->request == NULL || leg->state == DM_SIP_LEG_CANCELLING) {
        return false;
    }
    if (status == 401 || status == 407) {
        return leg->digest != NULL && dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY;
    }
    return dm_sip_leg_take_too_small(leg, response) || dm_sip_leg_take_too_large(leg, response);
}

static bool
repeat(DmSipLeg *leg, DmInviteOut *invite, const DmSipMessage *response)
{
    DmSipMessage *request;
    DmSipFlow flow;
    bool offered = invite->offered, is_refresh = invite->is_refresh;

    if (!is_worth_repeating(leg, invite, response)) {
        return false;
    }
    request = g_steal_pointer(&invite->request);
    flow = request->flow;
    remove_vias(request);
    set_cseq(request, invite->cseq + 1);
    if (response->sip->sip_status->st_status == 422) {
        dm_sip_leg_rewrite_session(leg, request);
    }
    if (leg->dialog != NULL) {
        dm_dialog_set_cseq(leg->dialog, invite->cseq + 1);
    }
    dm_sip_invite_leave(invite);
    dm_sip_forks_drop(leg);
    dm_sip_invite_start(leg, request, &flow, offered)->is_refresh = is_refresh;
    return true;
}

/* --- answers to the first INVITE --- */

/* SIG-9: whose early media counts until one answers. */
static bool
is_heard(const DmSipLeg *leg, const DmSipMessage *response)
{
    return leg->early_tag == NULL || strcmp(leg->early_tag, to_tag_of(response)) == 0 ||
           dm_trunk_config(leg->trunk)->sip.forking == DM_FORKING_LATEST;
}

/* RFC 5009, 8: what the called side forbids holds until it says otherwise. Directions are as its
 * sender has them, one for each stream; the first is for the speech. "supported" and "gated" are
 * none. */
static void
take_early_gate(DmSipLeg *leg, const DmSipMessage *response)
{
    static const struct {
        const char *word;
        bool is_barred;
    } directions[] = {{"sendrecv", false},
                      {"sendonly", false},
                      {"recvonly", true},
                      {"inactive", true}};
    const char *value = dm_sip_message_extension(response->sip, "P-Early-Media");
    g_auto(GStrv) words = g_strsplit(value != NULL ? value : "", ",", 16);

    for (char **word = words; *word != NULL; word++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(directions); i++) {
            if (g_ascii_strcasecmp(g_strstrip(*word), directions[i].word) == 0) {
                leg->early_barred = directions[i].is_barred;
                return;
            }
        }
    }
}

static void
emit_progress(DmSipLeg *leg, uint16_t status, const DmSdp *sdp, bool is_rival)
{
    DmLegEvent event = {
        .type = DM_LEG_PROGRESS,
        .status = status,
        .sdp = sdp,
        .is_rival = is_rival,
        .is_barred = leg->early_barred,
    };

    if (leg->base.on_event != NULL) {
        leg->base.on_event(&leg->base, &event, leg->base.user_data);
    }
}

static void
take_early_description(DmSipLeg *leg, const DmSipMessage *response, const DmSdp *sdp)
{
    uint16_t status = (uint16_t)response->sip->sip_status->st_status;
    bool is_rival;

    if (!dm_sip_fork_rings(leg, response, sdp) || sdp == NULL) {
        emit_progress(leg, status, NULL, false);
        return;
    }
    is_rival = !is_heard(leg, response);
    if (!is_rival) {
        g_free(leg->early_tag);
        leg->early_tag = g_strdup(to_tag_of(response));
    }
    emit_progress(leg, status, sdp, is_rival);
}

static void
take_provisional(DmSipLeg *leg, DmInviteOut *invite, const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;
    g_autoptr(DmSdp) sdp = NULL;
    bool is_readable;

    if (status == 100) {
        /* says only that someone is there: the call may stop waiting for a sign of life */
        if (leg->state == DM_SIP_LEG_CALLING && !invite->provisional_came) {
            invite->provisional_came = true;
            dm_sip_leg_emit(leg, DM_LEG_PROGRESS, 100, NULL);
        }
        return;
    }
    invite->provisional_came = true;
    if (leg->state != DM_SIP_LEG_CALLING && leg->state != DM_SIP_LEG_EARLY) {
        return;
    }
    if (leg->state == DM_SIP_LEG_CALLING) {
        dm_sip_leg_move(leg, DM_SIP_LEG_EARLY);
    }
    if (status == 199) {
        if (dm_sip_fork_stopped(leg, response)) {
            emit_progress(leg, 199, NULL, false);
        }
        return;
    }
    dm_sip_leg_learn(leg, response);
    take_early_gate(leg, response);
    is_readable = dm_sip_leg_read_sdp(response, &sdp);
    if (dm_sip_fork_take(leg, invite, response, sdp)) {
        take_early_description(leg, response, is_readable ? sdp : NULL);
        dm_sip_leg_send_queued(leg);
    }
}

/* @out_agreed: (transfer full): what it has answered before, or NULL. */
static void
confirm(DmSipLeg *leg, DmInviteOut *invite, const DmSipMessage *response, DmSdp **out_agreed)
{
    invite->is_confirmed = true;
    leg->dialog = dm_sip_fork_confirm(leg, response, out_agreed);
    dm_sip_leg_learn(leg, response);
}

/* The 2xx that crossed our CANCEL (SIG-7). */
static void
end_crossed(DmSipLeg *leg, DmInviteOut *invite, const DmSipMessage *response)
{
    g_autoptr(DmSdp) agreed = NULL;

    confirm(leg, invite, response, &agreed);
    dm_sip_forks_drop(leg);
    send_ack(invite, leg->dialog, to_tag_of(response), NULL);
    leg->invite = NULL;
    dm_sip_leg_send_bye(leg);
}

void
dm_sip_invite_ack_or_keep(DmInviteOut *invite, DmSipMessage *response, bool is_offer)
{
    DmSipLeg *leg = invite->leg;

    if (!is_offer) {
        send_ack(invite, leg->dialog, to_tag_of(response), NULL);
        g_clear_pointer(&invite->request, dm_sip_message_free);
        leg->invite = NULL;
        dm_sip_message_free(response);
    } else {
        invite->unacked = response;
    }
}

/* Takes @response over. */
static void
take_answer(DmSipLeg *leg, DmInviteOut *invite, DmSipMessage *response)
{
    uint16_t status = (uint16_t)response->sip->sip_status->st_status;
    g_autoptr(DmSdp) sdp = NULL;
    bool is_agreed;

    confirm(leg, invite, response, &sdp);
    is_agreed = invite->offered || sdp != NULL;
    if (sdp == NULL) {
        dm_sip_leg_read_sdp(response, &sdp);
    }
    if (sdp == NULL && dm_sip_fork_described(leg, to_tag_of(response)) != NULL) {
        /* some peers answer in 183 and not again */
        sdp = dm_sdp_ref(dm_sip_fork_described(leg, to_tag_of(response)));
    }
    dm_sip_forks_drop(leg);
    dm_sip_leg_set_remote_sdp(leg, sdp);
    dm_sip_leg_move(leg, DM_SIP_LEG_UP);
    dm_sip_leg_settle_session(leg, response);
    dm_sip_invite_ack_or_keep(invite, response, !is_agreed && sdp != NULL);
    if (leg->peer_said_bye) {
        if (leg->invite != NULL) {
            dm_sip_invite_ack_kept(leg->invite, NULL);
        }
        dm_sip_leg_set_release(leg, DM_RELEASE_PEER_BYE, 200, "", "");
        dm_sip_leg_finish(leg);
        return;
    }
    dm_sip_leg_emit_answer(leg, DM_LEG_ANSWERED, status, sdp);
}

static void
note_failure(DmSipLeg *leg, const DmSipMessage *response)
{
    const sip_t *sip = response->sip;
    const sip_status_t *status = sip->sip_status;

    dm_sip_leg_learn(leg, response);
    if (leg->state == DM_SIP_LEG_CANCELLING) {
        return; /* why it ended was said when we cancelled */
    }
    dm_sip_leg_set_release(leg,
                           DM_RELEASE_REJECTED,
                           (uint16_t)status->st_status,
                           status->st_phrase,
                           "");
    if (status->st_status == 401 || status->st_status == 407) {
        dm_trunk_count_auth_failure(leg->trunk);
    }
    leg->contacts = dm_sip_leg_read_contacts(response);
    for (const sip_reason_t *r = sip->sip_reason; r != NULL; r = r->re_next) {
        if (r->re_protocol != NULL && g_ascii_strcasecmp(r->re_protocol, "Q.850") == 0) {
            dm_sip_leg_release(leg)->q850 = dm_sip_reason_cause(r, 127);
        }
    }
    if (sip->sip_retry_after != NULL) {
        dm_sip_leg_release(leg)->retry_after_s =
            (unsigned)MIN(sip->sip_retry_after->af_delta, 86400);
    }
}

/* --- from the transaction --- */

static bool
is_first_invite(const DmSipLeg *leg)
{
    return leg->state < DM_SIP_LEG_INCOMING;
}

/* Takes @response over. */
static void
take_2xx(DmInviteOut *invite, DmSipMessage *response)
{
    DmSipLeg *leg = invite->leg;
    g_autoptr(DmSipMessage) owned = NULL;

    if (invite->unacked != NULL && strcmp(to_tag_of(invite->unacked), to_tag_of(response)) == 0) {
        dm_sip_message_free(response);
        return;
    }
    owned = response;
    if (acked_before(invite, response)) {
        return;
    }
    if (leg == NULL || leg->invite != invite || invite->is_confirmed) {
        ack_and_bye(invite, response);
    } else if (leg->state == DM_SIP_LEG_CANCELLING) {
        end_crossed(leg, invite, response);
    } else if (is_first_invite(leg)) {
        take_answer(leg, invite, g_steal_pointer(&owned));
    } else {
        dm_sip_leg_reinvite_answered(leg, invite, g_steal_pointer(&owned));
    }
}

static void
fail_reinvite(DmInviteOut *invite, uint16_t status)
{
    DmSipLeg *leg = invite->leg;

    dm_sip_invite_leave(invite);
    if (invite->is_refresh) {
        dm_sip_leg_refresh_failed(leg, status);
    } else {
        dm_sip_leg_reoffer_failed(leg, status);
    }
}

static void
take_failure(DmInviteOut *invite, const DmSipMessage *response)
{
    DmSipLeg *leg = invite->leg;

    if (leg == NULL || leg->invite != invite || invite->is_confirmed ||
        repeat(leg, invite, response)) {
        return;
    }
    if (is_first_invite(leg)) {
        note_failure(leg, response);
        dm_sip_leg_finish(leg);
    } else {
        fail_reinvite(invite, (uint16_t)response->sip->sip_status->st_status);
    }
}

/* Branches are hard to guess; that the rest is ours as well costs one comparison. */
static bool
is_of_this_invite(const DmInviteOut *invite, const DmSipMessage *response)
{
    const char *tag = response->sip->sip_from->a_tag;

    return response->sip->sip_cseq->cs_seq == invite->cseq &&
           (invite->leg == NULL ||
            (tag != NULL && g_ascii_strcasecmp(tag, invite->leg->local_tag) == 0 &&
             strcmp(response->sip->sip_call_id->i_id, invite->leg->facts.call_id) == 0));
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    DmInviteOut *invite = user_data;
    int status = response->sip->sip_status->st_status;

    if (is_of_this_invite(invite, response)) {
        if (status >= 200 && status < 300) {
            take_2xx(invite, response);
            return;
        }
        if (status >= 300) {
            take_failure(invite, response);
        } else if (invite->leg != NULL && invite->leg->invite == invite &&
                   is_first_invite(invite->leg)) {
            take_provisional(invite->leg, invite, response);
        }
    }
    dm_sip_message_free(response);
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmInviteOut *invite = user_data;
    DmSipLeg *leg = invite->leg;
    bool timeout = failure == DM_TX_TIMEOUT;

    if (leg == NULL || leg->invite != invite) {
        return;
    }
    if (!is_first_invite(leg)) {
        fail_reinvite(invite, timeout ? 408 : 503);
        return;
    }
    if (leg->state != DM_SIP_LEG_CANCELLING) {
        dm_sip_leg_set_release(leg,
                               timeout ? DM_RELEASE_TIMEOUT : DM_RELEASE_TRANSPORT,
                               timeout ? 408 : 503,
                               timeout ? "Request Timeout" : "Service Unavailable",
                               "");
    }
    dm_sip_leg_finish(leg);
}

/* The transaction is over and its leg still waits: what came was no answer to what we sent. */
static void
end_without_answer(DmInviteOut *invite)
{
    DmSipLeg *leg = invite->leg;

    if (!is_first_invite(leg)) {
        fail_reinvite(invite, 500);
        return;
    }
    dm_sip_invite_leave(invite);
    if (leg->state != DM_SIP_LEG_CANCELLING) {
        dm_sip_leg_set_release(leg, DM_RELEASE_PROTOCOL, 500, "No usable answer", "");
    }
    dm_sip_leg_finish(leg);
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    DmInviteOut *invite = user_data;
    DmSipLeg *leg = invite->leg;

    if (leg != NULL && invite->unacked != NULL) {
        dm_sip_invite_ack_kept(invite, NULL); /* the call had 32 s to answer the offer */
    } else if (leg != NULL && leg->invite == invite && !invite->is_confirmed) {
        end_without_answer(invite);
    }
    dm_sip_invite_free(invite);
}

static void
on_no_tcp(DmClientTx *tx, void *user_data)
{
    DmInviteOut *invite = user_data;

    if (invite->leg != NULL) {
        dm_sip_leg_note_no_tcp(invite->leg);
    }
}

static const DmClientTxUser invite_user = {
    .on_response = on_response,
    .on_no_tcp = on_no_tcp,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

DmInviteOut *
dm_sip_invite_start(DmSipLeg *leg, DmSipMessage *request, const DmSipFlow *flow, bool offered)
{
    DmInviteOut *invite = g_new0(DmInviteOut, 1);

    invite->core = leg->core;
    invite->leg = leg;
    invite->offered = offered;
    invite->cseq = request->sip->sip_cseq->cs_seq;
    g_hash_table_add(leg->core->invites, invite);
    leg->invites = g_slist_prepend(leg->invites, invite);
    leg->invite = invite;
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, request);
    }
    request->flow = *flow;
    invite->tx = dm_sip_leg_start(leg, request, flow, &invite_user, invite);
    invite->request = request;
    return invite;
}

/* --- dialling --- */

static const DmEndpointConfig *
endpoint_of(const DmTrunkConfig *config, unsigned endpoint)
{
    return endpoint < config->endpoints->len ? g_ptr_array_index(config->endpoints, endpoint)
                                             : NULL;
}

/* The domain of the trunk; without one the endpoint as it was configured, its port with it. */
static void
append_target(GString *out, const DmDial *dial, const char *user, bool with_port)
{
    const DmTrunkConfig *config = dial->target->trunk;
    const DmEndpointConfig *endpoint = endpoint_of(config, dial->address->endpoint);
    bool by_domain = *config->domain != '\0';
    uint16_t port = !by_domain && with_port && endpoint != NULL ? endpoint->port : 0;
    const char *host = by_domain ? config->domain : dial->address->host;

    dm_identity_append_uri(out, user, host, port == 5060 ? 0 : port, config->sip.user_phone);
}

/* The contact a PBX registered; NULL: an endpoint is called, or it has gone meanwhile. */
static const DmBinding *
binding_of(const DmDial *dial)
{
    return dial->address->binding != 0 ? dm_trunk_binding(dial->trunk, dial->address->binding)
                                       : NULL;
}

static void
add_request_line(DmSipMessage *request, const DmDial *dial)
{
    const DmBinding *binding = binding_of(dial);
    const char *number = dial->target->identity.ruri_user;
    g_autoptr(GString) uri = g_string_sized_new(64);

    if (binding != NULL) {
        g_autofree char *contact = dm_sip_binding_uri(binding, dial->target->trunk, number);

        g_string_append(uri, contact);
    } else {
        append_target(uri, dial, number, true);
    }
    /* Sofia ends the process over one it cannot read; without a request line the call fails. */
    if (url_make(request->home, uri->str) != NULL) {
        msg_header_insert(request->msg,
                          (msg_pub_t *)request->sip,
                          (msg_header_t *)sip_request_create(request->home,
                                                             sip_method_invite,
                                                             "INVITE",
                                                             (const url_string_t *)uri->str,
                                                             NULL));
    }
}

/* RFC 3327, 5.3: the way it registered by is the way its calls go. RFC 3608, 5.2: ours go the way
 * our registrar said. */
static void
add_route(DmSipMessage *request, const DmDial *dial)
{
    const DmBinding *binding = binding_of(dial);
    const DmGrant *grant = dm_trunk_grant(dial->trunk);
    const char *route = binding != NULL ? binding->path : grant != NULL ? grant->service_route : "";

    if (*route != '\0') {
        dm_sip_message_add(request, "Route", route);
    }
}

static const char *
domain_of(const DmDial *dial)
{
    const char *domain = dial->target->trunk->domain;

    return *domain != '\0' ? domain : dial->address->host;
}

static void
add_parties(DmSipLeg *leg, DmSipMessage *request, const DmDial *dial)
{
    const DmIdentity *id = &dial->target->identity;
    const char *called = *id->to_user != '\0' ? id->to_user : id->ruri_user;
    g_autoptr(GString) from = g_string_sized_new(96);
    g_autoptr(GString) to = g_string_new("<");

    dm_identity_append_from(from, dial->target, domain_of(dial));
    g_string_append_printf(from, ";tag=%s", leg->local_tag);
    append_target(to, dial, called, false);
    g_string_append_c(to, '>');
    dm_sip_message_add(request, "From", from->str);
    dm_sip_message_add(request, "To", to->str);
}

/* RFC 3891 and RFC 3892: whose place the call takes, and who wanted it. */
static void
add_transfer(DmSipMessage *request, const DmDial *dial)
{
    g_autoptr(GString) by = g_string_new("<");

    if (dial->replaces != NULL) {
        dm_sip_message_add(request, "Replaces", dial->replaces);
    }
    if (dial->referred_by != NULL) {
        append_target(by, dial, dial->referred_by, false);
        g_string_append_c(by, '>');
        dm_sip_message_add(request, "Referred-By", by->str);
    }
}

static DmSipMessage *
new_invite(DmSipLeg *leg, const DmDial *dial)
{
    DmSipMessage *request = dm_sip_message_new();
    char call_id[DM_TOKEN_MAX];
    char host[DM_ADDRESS_TEXT_MAX];
    char number[16];

    request->method = DM_METHOD_INVITE;
    dm_sip_token(leg->core, call_id);
    leg->facts.call_id = g_strdup(call_id);
    add_request_line(request, dial);
    add_route(request, dial);
    g_snprintf(number, sizeof number, "%u", dial->max_forwards);
    dm_sip_message_add(request, "Max-Forwards", number);
    add_parties(leg, request, dial);
    dm_sip_message_add(request, "Call-ID", call_id);
    dm_sip_message_add(request, "CSeq", "1 INVITE");
    dm_sip_leg_add_contact(leg, request);
    dm_sip_add_abilities(request, dm_trunk_config(leg->trunk));
    dm_sip_leg_write_session(leg, request);
    if (dial->target->trunk->sip.p_early_media) {
        dm_sip_message_add(request, "P-Early-Media", "supported");
    }
    dm_identity_write(request, dial->target, domain_of(dial));
    add_transfer(request, dial);
    dm_sip_leg_write_sdp(leg, request, dial->offer);
    if (dial->parts != NULL) {
        dm_sip_bodies_add(leg->core,
                          request,
                          dial->parts,
                          dial->target->trunk,
                          dm_address_host(dm_sip_leg_advertised(leg), host));
    }
    return request;
}

static bool
find_way(DmSipCore *core, const DmDial *dial, DmSipFlow *flow)
{
    const DmTarget *address = dial->address;
    const DmBinding *binding = binding_of(dial);

    if (address->binding != 0) {
        return binding != NULL && dm_sip_binding_flow(core, binding, flow);
    }
    return core->wire.ops->flow_to(core->wire.wire,
                                   dm_sip_listener_of(core, dial->target->trunk),
                                   address->transport,
                                   &address->address,
                                   flow);
}

DmLeg *
dm_sip_leg_dial(DmSipCore *core, const DmDial *dial, DmLegEventFunc on_event, void *user_data)
{
    const DmTarget *address = dial->address;
    DmSipFlow flow = {.transport = address->transport, .remote = address->address};
    DmSipLeg *leg;
    bool reachable;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    reachable = find_way(core, dial, &flow);
    leg = dm_sip_leg_new(core, dial->trunk, &flow);
    leg->log.leg = "b";
    g_strlcpy(leg->base.call_id, dial->call_id, sizeof leg->base.call_id);
    leg->base.on_event = on_event;
    leg->base.user_data = user_data;
    leg->facts.endpoint = address->endpoint;
    dm_sip_leg_recall_size(leg);
    dm_sip_leg_move(leg, DM_SIP_LEG_CALLING);
    if (!reachable) {
        leg->facts.call_id = g_strdup("");
        dm_sip_leg_set_release(leg,
                               DM_RELEASE_TRANSPORT,
                               503,
                               address->binding != 0 ? "No way to this contact"
                                                     : "No listener for this transport",
                               "");
        dm_sip_leg_finish_soon(leg);
        return &leg->base;
    }
    dm_sip_invite_start(leg, new_invite(leg, dial), &flow, dial->offer != NULL);
    return &leg->base;
}

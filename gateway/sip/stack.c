/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/stack.h"

#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/admission.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/bodies.h"
#include "gateway/sip/dialog.h"
#include "gateway/sip/identity.h"
#include "gateway/sip/leg-priv.h"
#include "gateway/sip/leg.h"
#include "gateway/sip/options.h"
#include "gateway/sip/publish.h"
#include "gateway/sip/register.h"
#include "gateway/sip/registrar.h"
#include "gateway/sip/request-check.h"

DM_LOG_TOPIC("sip-stack");

#define SHUTDOWN_US (2LL * G_USEC_PER_SEC)

struct DmSipStack {
    DmSipCore core;
    DmAdmission *admission;
    const DmSipStackUser *user;
    void *user_data;
    DmLegFactory factory;
    DmRegistrar *registrar;
    DmPublisher *publisher;
    GHashTable *registrations; /* trunk id -> DmRegister */
    GPtrArray *leaving; /* DmRegister of trunks that are gone: their last word is on its way */
    GHashTable *pings;  /* trunk id -> DmOptions */
    GHashTable *tokens; /* contact user nobody can guess -> trunk id (REG-1) */
    unsigned max_transactions;
    bool shutting_down;
    int64_t shutdown_until_us;
};

/* --- answers --- */

static void
add_retry_after(DmSipStack *stack, DmSipMessage *response)
{
    char text[8];

    g_snprintf(text, sizeof text, "%d", (int)dm_random_range(stack->core.random, 5, 30));
    dm_sip_message_add(response, "Retry-After", text);
}

static DmSipMessage *
new_response(DmSipStack *stack, const DmSipMessage *request, unsigned status)
{
    char tag[DM_TOKEN_MAX];
    DmSipMessage *response;

    dm_sip_token(&stack->core, tag);
    response = dm_sip_response_new(request, status, NULL, tag);
    dm_sip_message_add(response, "Server", DM_SIP_USER_AGENT);
    if (status == 503) {
        add_retry_after(stack, response);
    }
    return response;
}

static void
refuse(DmSipStack *stack, DmServerTx *tx, const DmSipMessage *request, unsigned status)
{
    g_autoptr(DmSipMessage) response = new_response(stack, request, status);

    dm_server_tx_respond(tx, response);
}

static void
refuse_for(DmSipStack *stack,
           DmServerTx *tx,
           const DmSipMessage *request,
           const DmRequestFault *fault)
{
    g_autoptr(DmSipMessage) response = new_response(stack, request, fault->status);

    if (fault->header != NULL) {
        dm_sip_message_add(response, fault->header, fault->value);
    }
    dm_server_tx_respond(tx, response);
}

static bool
is_accepting(const DmSipStack *stack)
{
    return !stack->shutting_down &&
           (stack->user->is_accepting == NULL || stack->user->is_accepting(stack->user_data));
}

/* --- whose request --- */

static const char *
text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

static const char *
find_header(const char *name, void *user_data)
{
    const DmSipMessage *request = user_data;

    for (const sip_unknown_t *unknown = request->sip->sip_unknown; unknown != NULL;
         unknown = unknown->un_next) {
        if (g_ascii_strcasecmp(unknown->un_name, name) == 0) {
            return unknown->un_value;
        }
    }
    return NULL;
}

/* AUTH-3. */
static DmTrunk *
find_trunk(DmSipStack *stack, DmSipMessage *request, DmKnownBy *out_by)
{
    const url_t *uri = request->sip->sip_request->rq_url;
    const url_t *to = request->sip->sip_to->a_url;
    DmRequestSigns signs = {
        .source = &request->flow.remote,
        .transport = request->flow.transport,
        .connection = request->flow.connection,
        .certified = text_or_empty(g_quark_to_string(request->flow.certified)),
        .ruri_user = text_or_empty(uri->url_user),
        .ruri_host = text_or_empty(uri->url_host),
        .to_user = text_or_empty(to->url_user),
        .to_host = text_or_empty(to->url_host),
        .header = find_header,
        .user_data = request,
    };

    dm_sip_auth_claim(request, &signs.digest_user, &signs.digest_realm);
    return dm_pool_identify(stack->core.pool, &signs, out_by);
}

/* --- OPTIONS --- */

/* SIG-21. Takes @request over. */
static void
take_options(DmSipStack *stack, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = NULL;
    DmKnownBy by;
    const DmTrunk *trunk = find_trunk(stack, request, &by);

    if (trunk == NULL && !dm_pool_knows(stack->core.pool, &request->flow.remote)) {
        refuse(stack, tx, request, 403);
        return;
    }
    if (!is_accepting(stack)) {
        refuse(stack, tx, request, 503);
        return;
    }
    response = new_response(stack, request, 200);
    dm_sip_message_add(response,
                       "Allow",
                       dm_sip_allow(trunk != NULL ? dm_trunk_config(trunk) : NULL));
    dm_sip_add_capabilities(response, trunk != NULL ? dm_trunk_config(trunk) : NULL);
    dm_server_tx_respond(tx, response);
}

/* --- INVITE --- */

/* RFC 3261, 8.2.2.2: the same request came by another way. */
static bool
is_merged(DmSipStack *stack, const DmSipMessage *request)
{
    const sip_t *sip = request->sip;
    g_autofree char *key = dm_sip_request_key(request);

    return sip->sip_to->a_tag == NULL && g_hash_table_contains(stack->core.requests, key);
}

/* An INVITE of one of our own legs has come back to us. */
static bool
is_own(DmSipStack *stack, const DmSipMessage *request)
{
    const char *tag = request->sip->sip_from->a_tag;
    const DmSipLeg *leg = tag != NULL ? g_hash_table_lookup(stack->core.legs, tag) : NULL;

    return leg != NULL && strcmp(leg->facts.call_id, request->sip->sip_call_id->i_id) == 0;
}

/* 0: welcome. A known address whose trunk the number does not tell is no stranger: 404. */
static unsigned
why_not_welcome(DmSipStack *stack, const DmSipMessage *request, const DmTrunk *trunk)
{
    if (is_merged(stack, request) || is_own(stack, request)) {
        return 482;
    }
    if (trunk == NULL && dm_pool_knows(stack->core.pool, &request->flow.remote)) {
        return 404;
    }
    if (trunk == NULL || !dm_trunk_config(trunk)->enabled ||
        !dm_trunk_config(trunk)->allow_inbound) {
        return 403;
    }
    return is_accepting(stack) ? 0 : 503;
}

/* A certificate, or a connection whose REGISTER had the password, need say no more. A datagram's
 * source is easily forged. */
static bool
has_proved_itself(const DmSipMessage *request, DmKnownBy by)
{
    return by == DM_KNOWN_BY_CERTIFICATE ||
           (by == DM_KNOWN_BY_FLOW && request->flow.transport != DM_TRANSPORT_UDP);
}

/* RFC 3891, 3 and 4: nobody takes a place over but who is on the same trunk. 0: no, or not any. */
static unsigned
find_replaced(DmSipStack *stack,
              const DmSipMessage *request,
              const DmTrunk *trunk,
              DmSipLeg **out_leg)
{
    DmReplacesVerdict verdict = dm_replaces_of_invite(&stack->core, request->sip, out_leg);

    if (verdict == DM_REPLACES_FOUND &&
        strcmp(dm_trunk_id((*out_leg)->trunk), dm_trunk_id(trunk)) != 0) {
        return 403;
    }
    return verdict == DM_REPLACES_NONE || verdict == DM_REPLACES_FOUND
               ? 0
               : dm_replaces_status(verdict);
}

/* Takes @request over. */
static void
begin_call(DmSipStack *stack,
           DmServerTx *tx,
           DmSipMessage *request,
           DmTrunk *trunk,
           const char *auth)
{
    DmIncoming incoming = {
        .trunk = trunk,
        .max_forwards = dm_request_max_forwards(request),
        .auth = auth,
    };
    DmIdentity identity;
    g_autoptr(GPtrArray) parts = NULL;
    DmSipLeg *replaced = NULL;
    unsigned status = find_replaced(stack, request, trunk, &replaced);
    DmRequestFault fault = {.status = (uint16_t)status};

    if (status != 0 || !dm_sip_bodies_check(request, dm_trunk_config(trunk), &fault)) {
        refuse_for(stack, tx, request, &fault);
        dm_sip_message_free(request);
        return;
    }
    incoming.replaced = replaced != NULL ? &replaced->base : NULL;
    dm_identity_read(request, &identity);
    incoming.identity = &identity;
    parts = dm_sip_bodies_take(request, dm_trunk_config(trunk));
    incoming.parts = parts;
    incoming.leg = dm_sip_leg_accept(&stack->core,
                                     trunk,
                                     tx,
                                     request,
                                     &incoming.offer,
                                     &incoming.is_unreadable);
    if (incoming.leg != NULL) {
        incoming.early_offer = dm_sip_leg_takes_early_offer(incoming.leg);
        stack->user->on_incoming(&incoming, stack->user_data);
    }
    dm_identity_clear(&identity);
}

/* What the record says of how the trunk was told. */
static const char *
auth_name(const DmTrunk *trunk, const DmSipMessage *request, DmKnownBy by)
{
    static const char *const names[] = {
        [DM_KNOWN_BY_ADDRESS] = "ip",
        [DM_KNOWN_BY_USER] = "digest",
        [DM_KNOWN_BY_CONTACT] = "reg",
        [DM_KNOWN_BY_FLOW] = "reg",
        [DM_KNOWN_BY_CERTIFICATE] = "mtls",
    };
    bool by_digest =
        *dm_trunk_config(trunk)->auth.inbound_user != '\0' && !has_proved_itself(request, by);

    return by_digest ? "digest" : names[by];
}

/* There are transfers only of calls there are (RFC 5589, 5: a client may refuse others). */
static void
take_refer(DmSipStack *stack, DmServerTx *tx, DmSipMessage *request)
{
    refuse(stack, tx, request, 403);
    dm_sip_message_free(request);
}

static void
take_invite(DmSipStack *stack, DmServerTx *tx, DmSipMessage *request)
{
    DmKnownBy by;
    DmTrunk *trunk = find_trunk(stack, request, &by);
    unsigned status = why_not_welcome(stack, request, trunk);

    if (status != 0) {
        refuse(stack, tx, request, status);
        dm_sip_message_free(request);
        return;
    }
    if (!has_proved_itself(request, by) &&
        !dm_sip_auth_demand(&stack->core, tx, request, dm_trunk_config(trunk))) {
        dm_sip_message_free(request);
        return;
    }
    begin_call(stack, tx, request, trunk, auth_name(trunk, request, by));
}

static void
take_register(DmSipStack *stack, DmServerTx *tx, DmSipMessage *request)
{
    dm_registrar_request(stack->registrar, tx, request);
}

/* --- from the transactions --- */

/* Takes the request over. Methods that only live inside dialogs have none here: 481. */
typedef void (*Handler)(DmSipStack *stack, DmServerTx *tx, DmSipMessage *request);
static const Handler handlers[DM_N_METHODS] = {
    [DM_METHOD_INVITE] = take_invite,
    [DM_METHOD_OPTIONS] = take_options,
    [DM_METHOD_REGISTER] = take_register,
    [DM_METHOD_REFER] = take_refer,
};

static DmSipLeg *
find_leg(DmSipStack *stack, const DmSipMessage *request)
{
    const char *tag = request->sip->sip_to->a_tag;

    return tag != NULL ? g_hash_table_lookup(stack->core.legs, tag) : NULL;
}

static void
on_request(DmServerTx *tx, DmSipMessage *request, void *user_data)
{
    DmSipStack *stack = user_data;
    DmSipLeg *leg = find_leg(stack, request);
    bool in_dialog = request->sip->sip_to->a_tag != NULL;
    DmRequestFault fault;
    bool sound =
        in_dialog ? dm_request_check_in_dialog(request, &fault) : dm_request_check(request, &fault);

    if (sound && leg != NULL) {
        sound = dm_sip_bodies_check(request, dm_trunk_config(leg->trunk), &fault);
    }
    if (!sound) {
        refuse_for(stack, tx, request, &fault);
        dm_sip_message_free(request);
    } else if (leg != NULL) {
        dm_sip_leg_request(leg, tx, request);
    } else if (in_dialog || handlers[request->method] == NULL) {
        refuse(stack, tx, request, 481);
        dm_sip_message_free(request);
    } else {
        handlers[request->method](stack, tx, request);
    }
}

static void
on_ack(DmSipMessage *ack, void *user_data)
{
    DmSipStack *stack = user_data;
    DmSipLeg *leg = find_leg(stack, ack);

    if (leg != NULL) {
        dm_sip_leg_request(leg, NULL, ack);
    } else {
        dm_sip_message_free(ack);
    }
}

static bool
is_of_living_dialog(DmSipStack *stack, const DmSipMessage *response)
{
    const char *ours = response->sip->sip_from->a_tag;
    const char *theirs = response->sip->sip_to->a_tag;
    const DmSipLeg *leg = ours != NULL ? g_hash_table_lookup(stack->core.legs, ours) : NULL;

    return leg != NULL && leg->dialog != NULL && theirs != NULL &&
           strcmp(dm_dialog_remote_tag(leg->dialog), theirs) == 0;
}

/* A 2xx so late that its INVITE is forgotten: nobody will talk to that fork (SIG-5). */
static void
on_stray_response(DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmSipStack *stack = user_data;
    g_autoptr(DmSipMessage) ack = NULL;
    DmDialog *dialog;
    DmSipFlow flow;

    if (is_of_living_dialog(stack, response)) {
        return;
    }
    dialog = dm_dialog_new_uac(response);
    ack = dm_dialog_request(dialog, DM_METHOD_ACK, response->sip->sip_cseq->cs_seq);
    dm_dialog_flow(dialog, &stack->core.wire, &flow);
    dm_tx_layer_send_ack(stack->core.tx, ack, &flow, NULL);
    dm_sip_send_lone_bye(&stack->core, dialog, "SIP;cause=408;text=\"Too late\"");
    dm_dialog_free(dialog);
}

static const DmTxLayerUser tx_user = {
    .on_request = on_request,
    .on_ack = on_ack,
    .on_stray_response = on_stray_response,
};

/* --- bytes in --- */

/* RFC 3261, 21.5.6: a version of another day is 505. A start line that is none, a response, an ACK
 * get no answer at all. */
static void
answer_bad(DmSipStack *stack,
           const DmSipFlow *flow,
           const char *data,
           const DmScan *scan,
           unsigned status)
{
    g_autoptr(GString) text = g_string_sized_new(512);
    DmSipFlow back;

    if (!scan->is_request || !scan->answerable || scan->method == DM_METHOD_ACK ||
        !dm_sip_raw_response(data, scan, flow, status, NULL, text)) {
        return;
    }
    dm_sip_response_flow(scan, flow, &back);
    stack->core.wire.ops->send(stack->core.wire.wire, &back, text->str, text->len);
}

static void
take_bad(DmSipStack *stack,
         const DmSipFlow *flow,
         const char *data,
         const DmScan *scan,
         DmScanVerdict verdict)
{
    if (verdict == DM_SCAN_KEEPALIVE) {
        return;
    }
    dm_sip_count_verdict(stack->core.counters, verdict);
    if (dm_admission_source_worth(stack->admission, flow) == DM_WORTH_STRANGER &&
        (stack->core.config->security.unknown_silent ||
         !dm_admission_take_token(stack->admission, &flow->remote))) {
        return;
    }
    answer_bad(stack, flow, data, scan, verdict == DM_SCAN_BAD_VERSION ? 505 : 400);
}

static uint32_t
hash_span(uint32_t hash, DmSpan span)
{
    for (size_t i = 0; i < span.len; i++) {
        hash = (hash ^ (uint8_t)span.p[i]) * 16777619U;
    }
    return hash;
}

static bool
is_registration(const DmScan *scan)
{
    return scan->is_request && scan->method == DM_METHOD_REGISTER && scan->to_tag.len == 0;
}

/* The worker whose call an INVITE with Replaces takes over; -1: it replaces none of ours. Its
 * CANCEL goes elsewhere and gets 481: such an INVITE is answered at once. */
static int
replaced_worker(const char *data, const DmScan *scan)
{
    const char *end = data + scan->head_len;
    const char *p = memchr(data, '\n', scan->head_len);
    DmSpan name;
    DmSpan value;

    p = p != NULL ? p + 1 : end;
    while (dm_next_header(&p, end, &name, &value)) {
        if (dm_span_equals(name, "replaces")) {
            return dm_replaces_worker(value);
        }
    }
    return -1;
}

/* Our own tokens name their worker; what is new goes where its repetitions and its CANCEL will go
 * as well. A new request with a From tag of ours has come back in a loop: the worker whose leg it
 * is will know it (SIG-2). All registrations of a trunk are one worker's. */
static unsigned
owner_of(const DmSipStack *stack, const char *data, const DmScan *scan)
{
    const char *registering =
        is_registration(scan) ? dm_registrar_trunk_of(stack->registrar, scan->to) : NULL;
    int worker = -1;

    if (registering != NULL) {
        return dm_sip_owner_of_trunk(&stack->core, registering);
    }
    if (!scan->is_request) {
        worker = dm_tx_branch_worker(scan->branch);
    } else if (scan->to_tag.len > 0) {
        worker = dm_token_worker(scan->to_tag.p, scan->to_tag.len);
    } else if (stack->core.n_workers > 1 && scan->method == DM_METHOD_INVITE &&
               (worker = replaced_worker(data, scan)) >= 0) {
        /* whose call it takes over */
    } else if (scan->from_tag.len > 0) {
        worker = dm_token_worker(scan->from_tag.p, scan->from_tag.len);
    }
    if (worker >= 0 && (unsigned)worker < stack->core.n_workers) {
        return (unsigned)worker;
    }
    return hash_span(hash_span(2166136261U, scan->call_id), scan->from_tag) % stack->core.n_workers;
}

/* Whether the user part of the Request-URI is a Contact we registered: then its sender is no
 * stranger, whatever the address. */
static bool
asks_for_our_contact(const DmSipStack *stack, const DmScan *scan)
{
    const char *colon = memchr(scan->uri.p, ':', scan->uri.len);
    const char *at = memchr(scan->uri.p, '@', scan->uri.len);
    g_autofree char *user = NULL;

    if (colon == NULL || at == NULL || at <= colon || at - colon > 65) {
        return false;
    }
    user = g_strndup(colon + 1, (gsize)(at - colon - 1));
    return g_hash_table_contains(stack->tokens, user);
}

static const DmSipCounterId blocked_counters[] = {
    [DM_BLOCK_RATE] = SIP_blocked_rate,
    [DM_BLOCK_SCANNER] = SIP_blocked_scanner,
    [DM_BLOCK_OVERLOAD] = SIP_blocked_overload,
};

static bool
names_a_leg(const DmSipStack *stack, const DmScan *scan)
{
    char tag[DM_TOKEN_MAX];

    if (!scan->is_request || scan->to_tag.len == 0 || scan->to_tag.len >= sizeof tag) {
        return false;
    }
    memcpy(tag, scan->to_tag.p, scan->to_tag.len);
    tag[scan->to_tag.len] = '\0';
    return g_hash_table_contains(stack->core.legs, tag);
}

/* Of somebody at an address that no trunk has. */
static bool
may_speak(const DmSipStack *stack, const DmSipFlow *flow, const DmScan *scan)
{
    return flow->certified != 0 || asks_for_our_contact(stack, scan) ||
           (is_registration(scan) &&
            dm_registrar_may_come(stack->registrar, scan->to, &flow->remote));
}

/* Dropped or refused here: true. */
static bool
is_blocked(DmSipStack *stack, const DmSipFlow *flow, const char *data, const DmScan *scan)
{
    unsigned load_percent =
        (unsigned)(dm_tx_layer_n_active(stack->core.tx) * 100 / MAX(stack->max_transactions, 1));
    DmWorth worth;
    DmArrival arrival = {flow, data, scan, names_a_leg(stack, scan), load_percent};
    DmAdmissionVerdict verdict = dm_admission_judge(stack->admission, &arrival, &worth);

    if (verdict != DM_ADMIT) {
        dm_count(&stack->core.counters[blocked_counters[verdict]]);
        if (verdict == DM_BLOCK_OVERLOAD && worth == DM_WORTH_TRUNK) {
            answer_bad(stack, flow, data, scan, 503);
        }
        return true;
    }
    if (worth == DM_WORTH_STRANGER && stack->core.config->security.unknown_silent &&
        !may_speak(stack, flow, scan)) {
        dm_count(&stack->core.counters[SIP_blocked_unknown]);
        return true;
    }
    return false;
}

/* RFC 5923, 8: only of an end that has proved who it is, and only for its own address. */
static void
take_alias(DmSipStack *stack, const DmSipFlow *flow, const DmScan *scan)
{
    const DmSipWire *wire = &stack->core.wire;
    DmSipFlow back;

    if (flow->certified != 0 && scan->is_request && wire->ops->take_alias != NULL &&
        dm_via_has_param(scan->via, "alias")) {
        dm_sip_response_flow(scan, flow, &back);
        wire->ops->take_alias(wire->wire, flow, dm_address_port(&back.fallback));
    }
}

void
dm_sip_stack_receive(DmSipStack *stack, const DmSipFlow *flow, const char *data, size_t len)
{
    DmScan scan;
    DmScanVerdict verdict = dm_scan(data, len, flow->connection != 0, &scan);
    unsigned owner;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (verdict != DM_SCAN_OK) {
        take_bad(stack, flow, data, &scan, verdict);
        return;
    }
    if (is_blocked(stack, flow, data, &scan)) {
        return;
    }
    take_alias(stack, flow, &scan);
    owner = owner_of(stack, data, &scan);
    if (owner != stack->core.worker && stack->user->on_foreign != NULL) {
        stack->user->on_foreign(owner, flow, data, len, stack->user_data);
        return;
    }
    dm_tx_layer_receive(stack->core.tx, flow, data, len, &scan);
}

void
dm_sip_stack_receive_own(DmSipStack *stack, const DmSipFlow *flow, const char *data, size_t len)
{
    DmScan scan;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (dm_scan(data, len, flow->connection != 0, &scan) == DM_SCAN_OK) {
        dm_tx_layer_receive(stack->core.tx, flow, data, len, &scan);
    }
}

void
dm_sip_stack_unreachable(DmSipStack *stack, const DmAddress *remote)
{
    dm_tx_layer_unreachable(stack->core.tx, remote);
}

static void
check_ways(DmSipStack *stack, uint64_t connection)
{
    GHashTableIter iter;
    gpointer reg;

    g_hash_table_iter_init(&iter, stack->registrations);
    while (connection != 0 && g_hash_table_iter_next(&iter, NULL, &reg)) {
        dm_register_check_way(reg, connection);
    }
}

void
dm_sip_stack_flow_failed(DmSipStack *stack, const DmSipFlow *flow)
{
    dm_tx_layer_flow_failed(stack->core.tx, flow);
    dm_registrar_stream_ended(stack->registrar, flow->connection);
    check_ways(stack, flow->connection);
}

void
dm_sip_stack_addresses_changed(DmSipStack *stack, const char *trunk_id)
{
    DmRegister *reg = g_hash_table_lookup(stack->registrations, trunk_id);

    if (reg != NULL) {
        dm_register_check_way(reg, 0);
    }
}

/* --- trunks --- */

static bool
is_mine(const DmSipStack *stack, const DmTrunkConfig *trunk)
{
    return dm_sip_owner_of_trunk(&stack->core, trunk->id) == stack->core.worker;
}

static void
on_grant(const char *trunk_id, DmGrant *grant, void *user_data)
{
    DmSipStack *stack = user_data;

    if (stack->user->on_grant != NULL) {
        stack->user->on_grant(trunk_id, grant, stack->user_data);
    }
}

/* Few at once, many over half a minute (REG-2). */
static int64_t
first_within_us(const DmConfig *config)
{
    int64_t each_us = G_USEC_PER_SEC / 10;

    return CLAMP(config->trunks->len * each_us, G_USEC_PER_SEC, 30 * G_USEC_PER_SEC);
}

static DmRegister *
new_registration(DmSipStack *stack, DmConfig *config, const DmTrunkConfig *trunk, bool is_changed)
{
    return dm_register_new(&stack->core,
                           config,
                           trunk,
                           &(DmRegisterOptions){
                               .on_grant = on_grant,
                               .user_data = stack,
                               .first_within_us = is_changed ? 0 : first_within_us(config),
                           });
}

static void
keep_registered(DmSipStack *stack, GHashTable *kept, DmConfig *config, const DmTrunkConfig *trunk)
{
    gpointer key = NULL;
    gpointer value = NULL;
    DmRegister *reg;

    if (!trunk->enabled || trunk->auth.mode != DM_AUTH_REGISTER || !is_mine(stack, trunk)) {
        return;
    }
    reg = g_hash_table_lookup(stack->registrations, trunk->id);
    if (reg != NULL && dm_register_is_for(reg, trunk)) {
        g_hash_table_steal_extended(stack->registrations, trunk->id, &key, &value);
        g_free(key);
        dm_register_take_config(reg, config, trunk);
    } else {
        reg = new_registration(stack, config, trunk, reg != NULL);
    }
    g_hash_table_insert(kept, g_strdup(trunk->id), reg);
}

static void
keep_watched(DmSipStack *stack, DmConfig *config, const DmTrunkConfig *trunk)
{
    if (trunk->enabled && trunk->health.options && trunk->health.interval_s > 0 &&
        is_mine(stack, trunk)) {
        g_hash_table_insert(stack->pings,
                            g_strdup(trunk->id),
                            dm_options_new(&stack->core, config, trunk));
    }
}

static void
free_registration(gpointer data)
{
    dm_register_free(data);
}

static void
free_ping(gpointer data)
{
    dm_options_free(data);
}

static GHashTable *
new_table(GDestroyNotify destroy)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, destroy);
}

static void
forget_those_gone(DmSipStack *stack)
{
    for (guint i = stack->leaving->len; i > 0; i--) {
        if (!dm_register_is_busy(stack->leaving->pdata[i - 1])) {
            g_ptr_array_remove_index_fast(stack->leaving, i - 1);
        }
    }
}

/* REG-3: what is not registered for any more is taken back. */
static void
take_back(DmSipStack *stack, DmConfig *config)
{
    GHashTableIter iter;
    gpointer id;
    gpointer reg;

    forget_those_gone(stack);
    g_hash_table_iter_init(&iter, stack->registrations);
    while (g_hash_table_iter_next(&iter, &id, &reg)) {
        if (dm_register_is_replaced_by(reg, dm_config_trunk(config, id))) {
            continue;
        }
        g_hash_table_iter_steal(&iter);
        g_free(id);
        dm_register_stop(reg);
        g_ptr_array_add(stack->leaving, reg);
    }
}

static void
take_trunks(DmSipStack *stack, DmConfig *config)
{
    GHashTable *kept = new_table(free_registration);

    g_hash_table_remove_all(stack->pings);
    g_hash_table_remove_all(stack->tokens);
    for (unsigned i = 0; i < config->trunks->len; i++) {
        const DmTrunkConfig *trunk = g_ptr_array_index(config->trunks, i);

        if (trunk->enabled && trunk->registration.contact_is_token) {
            g_hash_table_insert(stack->tokens,
                                dm_sip_contact_user(&stack->core, trunk),
                                g_strdup(trunk->id));
        }
        keep_registered(stack, kept, config, trunk);
        keep_watched(stack, config, trunk);
    }
    take_back(stack, config);
    g_hash_table_unref(stack->registrations);
    stack->registrations = kept;
}

void
dm_sip_stack_take_config(DmSipStack *stack, DmConfig *config)
{
    DmConfig *old = stack->core.config;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    stack->core.config = dm_config_ref(config);
    g_hash_table_remove_all(stack->core.contact_users); /* of trunks that may be gone */
    dm_admission_take_config(stack->admission, config);
    take_trunks(stack, config);
    dm_registrar_take_config(stack->registrar, config);
    g_clear_pointer(&old, dm_config_unref);
}

bool
dm_sip_stack_trunk_action(DmSipStack *stack, const char *trunk_id, const char *action)
{
    DmRegister *reg = g_hash_table_lookup(stack->registrations, trunk_id);
    DmOptions *options = g_hash_table_lookup(stack->pings, trunk_id);

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (strcmp(action, "register") == 0 && reg != NULL) {
        dm_register_now(reg);
    } else if (strcmp(action, "unregister") == 0 && reg != NULL) {
        dm_register_stop(reg);
    } else if (strcmp(action, "unregister") == 0) {
        return dm_registrar_drop(stack->registrar, trunk_id);
    } else if (strcmp(action, "forget") == 0 && dm_pool_find(stack->core.pool, trunk_id) != NULL) {
        dm_trunk_forget_learned(dm_pool_find(stack->core.pool, trunk_id));
    } else if (strcmp(action, "probe") == 0 && options != NULL) {
        dm_options_probe(options);
    } else {
        return false;
    }
    return true;
}

void
dm_sip_stack_publish(DmSipStack *stack, GString *body)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    dm_publisher_send(stack->publisher, body);
}

/* --- life --- */

static DmLeg *
dial(void *factory, const DmDial *dial, DmLegEventFunc on_event, void *user_data)
{
    return dm_sip_leg_dial(factory, dial, on_event, user_data);
}

static void
make_core(DmSipStack *stack, const DmSipStackOptions *options, DmConfig *config)
{
    DmSipCore *core = &stack->core;

    core->loop = options->loop;
    core->random = options->random;
    core->pool = options->pool;
    core->wire = options->wire;
    core->counters = options->counters;
    core->worker = options->worker;
    core->n_workers = MAX(options->n_workers, 1);
    core->secret = g_strdup(options->token_secret);
    core->legs = g_hash_table_new(g_str_hash, g_str_equal);
    core->requests = g_hash_table_new(g_str_hash, g_str_equal);
    core->contact_users = new_table(g_free);
    core->invites = g_hash_table_new(NULL, NULL);
    core->nonces = dm_nonces_new(options->random);
    core->tx = dm_tx_layer_new(&(DmTxLayerOptions){
        .loop = options->loop,
        .random = options->random,
        .wire = options->wire,
        .worker = options->worker,
        .max_transactions = config->security.max_transactions,
        .user = &tx_user,
        .user_data = stack,
        .counters = options->counters,
    });
}

DmSipStack *
dm_sip_stack_new(const DmSipStackOptions *options, DmConfig *config)
{
    DmSipStack *stack = g_new0(DmSipStack, 1);

    make_core(stack, options, config);
    stack->user = options->user;
    stack->user_data = options->user_data;
    stack->factory = (DmLegFactory){.dial = dial, .factory = &stack->core};
    stack->admission = dm_admission_new(dm_loop_clock(options->loop), options->pool);
    stack->registrations = new_table(free_registration);
    stack->leaving = g_ptr_array_new_with_free_func(free_registration);
    stack->pings = new_table(free_ping);
    stack->tokens = new_table(g_free);
    stack->registrar =
        dm_registrar_new(&stack->core, options->user->on_bindings, options->user_data);
    stack->publisher = dm_publisher_new(&stack->core);
    stack->max_transactions = config->security.max_transactions;
    dm_sip_stack_take_config(stack, config);
    return stack;
}

void
dm_sip_stack_free(DmSipStack *stack)
{
    DmSipCore *core;

    if (stack == NULL) {
        return;
    }
    core = &stack->core;
    g_hash_table_unref(stack->registrations);
    g_ptr_array_unref(stack->leaving);
    g_hash_table_unref(stack->pings);
    g_hash_table_unref(stack->tokens);
    dm_registrar_free(stack->registrar);
    dm_publisher_free(stack->publisher);
    dm_sip_legs_drop(core);
    dm_tx_layer_free(core->tx);
    dm_sip_invites_drop(core);
    g_hash_table_unref(core->legs);
    g_hash_table_unref(core->requests);
    g_hash_table_unref(core->contact_users);
    g_hash_table_unref(core->invites);
    dm_nonces_free(core->nonces);
    dm_replaces_memory_clear(&core->ended);
    dm_admission_free(stack->admission);
    dm_config_unref(core->config);
    g_free(core->secret);
    g_free(stack);
}

const DmLegFactory *
dm_sip_stack_legs(DmSipStack *stack)
{
    return &stack->factory;
}

DmLeg *
dm_sip_stack_find_dialog(DmSipStack *stack, const DmFarDialog *dialog, uint16_t *out_status)
{
    const sip_replaces_t replaces = {
        .rp_call_id = (char *)dialog->call_id,
        .rp_to_tag = (char *)dialog->to_tag,
        .rp_from_tag = (char *)dialog->from_tag,
    };
    DmSipLeg *leg = NULL;
    DmReplacesVerdict verdict = dm_replaces_find(&stack->core, &replaces, &leg);

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    if (leg != NULL && leg->state == DM_SIP_LEG_UP) {
        return &leg->base;
    }
    *out_status = leg != NULL ? 481 : (uint16_t)dm_replaces_status(verdict);
    return NULL;
}

void
dm_sip_stack_shutdown(DmSipStack *stack)
{
    GHashTableIter iter;
    gpointer reg;

    DM_RUNS_ON(DM_THREAD_SIGNAL);
    stack->shutting_down = true;
    stack->shutdown_until_us = dm_loop_now_us(stack->core.loop) + SHUTDOWN_US;
    g_hash_table_remove_all(stack->pings);
    g_hash_table_iter_init(&iter, stack->registrations);
    while (g_hash_table_iter_next(&iter, NULL, &reg)) {
        dm_register_shut_down(reg);
    }
}

bool
dm_sip_stack_is_quiet(DmSipStack *stack)
{
    GHashTableIter iter;
    gpointer reg;

    if (stack->shutting_down && dm_loop_now_us(stack->core.loop) >= stack->shutdown_until_us) {
        return true;
    }
    forget_those_gone(stack);
    if (stack->leaving->len > 0) {
        return false;
    }
    g_hash_table_iter_init(&iter, stack->registrations);
    while (g_hash_table_iter_next(&iter, NULL, &reg)) {
        if (dm_register_is_busy(reg)) {
            return false;
        }
    }
    return stack->core.n_legs == 0 && !dm_publisher_is_busy(stack->publisher);
}

size_t
dm_sip_stack_n_legs(const DmSipStack *stack)
{
    return stack->core.n_legs;
}

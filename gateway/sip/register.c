/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/register.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/identity.h"
#include "gateway/sip/register-policy.h"

DM_LOG_TOPIC("sip-register");

#define FIRST_MAX_US G_USEC_PER_SEC /* registrations of a start are spread over this */
#define MAX_TARGETS  16

struct DmRegister {
    DmSipCore *core;
    DmConfig *config;
    const DmTrunkConfig *trunk; /* in config */
    DmLogContext log;
    char call_id[DM_TOKEN_MAX], tag[DM_TOKEN_MAX];
    char *contact_user;
    uint32_t cseq;
    DmDigestClient *digest;
    DmRegisterHistory history;
    DmRegistrationState state;
    unsigned ask_s;  /* Expires to ask for; 0: as configured */
    unsigned target; /* which address, modulo their number */
    bool registered; /* at the registrar, as far as we know */
    bool leaving;    /* the REGISTER under way takes it back */
    DmClientTx *tx;
    DmTimer timer;
};

/* --- the request --- */

static const DmEndpointConfig *
first_endpoint(const DmTrunkConfig *trunk)
{
    return trunk->endpoints->len > 0 ? g_ptr_array_index(trunk->endpoints, 0) : NULL;
}

static const char *
registrar_of(const DmTrunkConfig *trunk)
{
    const DmEndpointConfig *endpoint = first_endpoint(trunk);

    if (*trunk->registration.registrar != '\0') {
        return trunk->registration.registrar;
    }
    if (*trunk->domain != '\0') {
        return trunk->domain;
    }
    return endpoint != NULL ? endpoint->host : "invalid";
}

static unsigned
asked_s(const DmRegister *reg)
{
    if (reg->leaving) {
        return 0;
    }
    return reg->ask_s > 0 ? reg->ask_s : reg->trunk->registration.expires_s;
}

static void
add_parties(DmRegister *reg, DmSipMessage *request)
{
    const DmTrunkConfig *trunk = reg->trunk;
    const char *user =
        *trunk->registration.aor_user != '\0' ? trunk->registration.aor_user : trunk->auth.user;
    const char *host = *trunk->domain != '\0' ? trunk->domain : registrar_of(trunk);
    g_autoptr(GString) aor = g_string_sized_new(64);
    g_autofree char *from = NULL;
    g_autofree char *to = NULL;

    dm_identity_append_uri(aor, user, host, 0, false);
    from = g_strdup_printf("<%s>;tag=%s", aor->str, reg->tag);
    to = g_strdup_printf("<%s>", aor->str);
    dm_sip_message_add(request, "From", from);
    dm_sip_message_add(request, "To", to);
}

static DmSipMessage *
new_request(DmRegister *reg, const DmSipFlow *flow)
{
    DmSipMessage *request = dm_sip_message_new();
    g_autoptr(GString) uri = g_string_sized_new(64);
    g_autofree char *cseq = g_strdup_printf("%u REGISTER", ++reg->cseq);
    g_autofree char *expires = g_strdup_printf("%u", asked_s(reg));

    request->method = DM_METHOD_REGISTER;
    dm_identity_append_uri(uri, "", registrar_of(reg->trunk), 0, false);
    msg_header_insert(request->msg,
                      (msg_pub_t *)request->sip,
                      (msg_header_t *)sip_request_create(request->home,
                                                         sip_method_register,
                                                         "REGISTER",
                                                         (const url_string_t *)uri->str,
                                                         NULL));
    dm_sip_message_add(request, "Max-Forwards", "70");
    add_parties(reg, request);
    dm_sip_message_add(request, "Call-ID", reg->call_id);
    dm_sip_message_add(request, "CSeq", cseq);
    dm_sip_add_contact(reg->core, request, reg->trunk, flow);
    dm_sip_message_add(request, "Expires", expires);
    dm_sip_message_add(request, "Supported", "path");
    dm_sip_add_abilities(request, reg->trunk);
    if (reg->digest != NULL) {
        dm_auth_apply(reg->digest, reg->core->random, request);
    }
    return request;
}

/* --- what came back --- */

static bool
is_our_contact(const DmRegister *reg, const sip_contact_t *contact)
{
    return contact->m_url->url_user != NULL &&
           strcmp(contact->m_url->url_user, reg->contact_user) == 0;
}

/* Of our own Contact, though the registrar may have written another host and port into it; else the
 * Expires header; else what we asked for (RFC 3261, 10.2.4). */
static unsigned
granted_s(const DmRegister *reg, const sip_t *sip)
{
    for (const sip_contact_t *c = sip->sip_contact; c != NULL; c = c->m_next) {
        if (is_our_contact(reg, c) && c->m_expires != NULL) {
            return (unsigned)MIN(strtoul(c->m_expires, NULL, 10), 604800);
        }
    }
    if (sip->sip_expires != NULL) {
        return (unsigned)MIN(sip->sip_expires->ex_delta, 604800);
    }
    return asked_s(reg);
}

static void on_timer(DmTimer *timer, void *user_data);

static void
report(DmRegister *reg, unsigned status, int64_t expires_us, int64_t next_us)
{
    DmTrunk *trunk = dm_pool_find(reg->core->pool, reg->trunk->id);
    int64_t now_us = dm_clock_wall_us(dm_loop_clock(reg->core->loop));

    if (trunk != NULL) {
        dm_trunk_report_registration(trunk,
                                     reg->state,
                                     status,
                                     expires_us > 0 ? now_us + expires_us : 0,
                                     next_us > 0 ? now_us + next_us : 0);
    }
}

static void
log_result(DmRegister *reg, const DmRegisterResult *result, const DmRegisterNext *next)
{
    bool news = next->state != reg->state;
    int seconds = (int)(next->delay_us / G_USEC_PER_SEC);

    if (next->state == DM_REG_REGISTERED) {
        if (news) {
            dm_notice(&reg->log, "registered for %u s", result->granted_s);
        }
    } else if (next->state != DM_REG_TRYING) {
        dm_warning(&reg->log,
                   "not registered: %u, %s; trying again in %d s",
                   result->status,
                   dm_registration_state_name(next->state),
                   seconds);
    }
}

static void
settle(DmRegister *reg, const DmRegisterResult *result)
{
    DmRegisterNext next;

    if (reg->leaving) {
        reg->leaving = false;
        reg->registered = false;
        reg->state = DM_REG_UNREGISTERED;
        report(reg, result->status, 0, 0);
        return;
    }
    next = dm_register_next(&reg->history, result, reg->core->random);
    log_result(reg, result, &next);
    reg->state = next.state;
    reg->ask_s = next.ask_s;
    reg->registered = next.state == DM_REG_REGISTERED;
    if (next.state == DM_REG_RETRYING) {
        reg->target++;
    }
    report(reg,
           result->status,
           reg->registered ? result->granted_s * G_USEC_PER_SEC : 0,
           next.delay_us);
    dm_loop_arm(reg->core->loop, &reg->timer, next.delay_us, on_timer, reg);
}

static void attempt(DmRegister *reg);

static void
take_final(DmRegister *reg, const DmSipMessage *response)
{
    const sip_t *sip = response->sip;
    DmRegisterResult result = {.status = (unsigned)sip->sip_status->st_status};

    if (result.status == 401 || result.status == 407) {
        if (reg->digest != NULL && dm_auth_take(reg->digest, response) == DM_DIGEST_RETRY) {
            attempt(reg);
            return;
        }
        result.refused = true;
    }
    if (result.status < 300) {
        result.granted_s = granted_s(reg, sip);
    }
    if (sip->sip_retry_after != NULL) {
        result.retry_after_s = (unsigned)MIN(sip->sip_retry_after->af_delta, 86400);
    }
    if (sip->sip_min_expires != NULL) {
        result.min_expires_s = (unsigned)MIN(sip->sip_min_expires->me_delta, UINT32_MAX);
    }
    settle(reg, &result);
}

/* --- the transaction --- */

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmRegister *reg = user_data;

    if (response->sip->sip_status->st_status >= 200) {
        dm_client_tx_forget_user(tx);
        reg->tx = NULL;
        take_final(reg, response);
    }
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    DmRegister *reg = user_data;

    dm_client_tx_forget_user(tx);
    reg->tx = NULL;
    settle(reg, &(DmRegisterResult){0});
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((DmRegister *)user_data)->tx = NULL;
}

static const DmClientTxUser register_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

static bool
choose_flow(const DmRegister *reg, DmSipFlow *out_flow)
{
    DmTrunk *trunk = dm_pool_find(reg->core->pool, reg->trunk->id);
    const DmSipWire *wire = &reg->core->wire;
    DmTarget targets[MAX_TARGETS];
    size_t n = trunk != NULL ? dm_trunk_targets(trunk, targets, MAX_TARGETS) : 0;
    const DmTarget *target;

    if (n == 0) {
        return false;
    }
    target = &targets[reg->target % n];
    return wire->ops->flow_to(wire->wire,
                              dm_sip_listener_of(reg->core, reg->trunk),
                              target->transport,
                              &target->address,
                              out_flow);
}

static void
attempt(DmRegister *reg)
{
    g_autoptr(DmSipMessage) request = NULL;
    DmSipFlow flow;

    if (!choose_flow(reg, &flow)) {
        settle(reg, &(DmRegisterResult){0});
        return;
    }
    reg->history.asked_s = asked_s(reg);
    request = new_request(reg, &flow);
    reg->tx = dm_client_tx_start(reg->core->tx, request, &flow, &register_user, reg);
}

static void
begin(DmRegister *reg)
{
    dm_timer_disarm(&reg->timer);
    if (reg->tx != NULL) {
        dm_client_tx_forget_user(reg->tx);
        reg->tx = NULL;
    }
    if (reg->digest != NULL) {
        dm_digest_client_begin(reg->digest);
    }
    attempt(reg);
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    begin(user_data);
}

/* --- life --- */

DmRegister *
dm_register_new(DmSipCore *core, DmConfig *config, const DmTrunkConfig *trunk)
{
    DmRegister *reg = g_new0(DmRegister, 1);

    reg->core = core;
    reg->config = dm_config_ref(config);
    reg->trunk = trunk;
    reg->log.trunk = trunk->id;
    reg->contact_user = dm_sip_contact_user(core, trunk);
    reg->state = DM_REG_TRYING;
    dm_sip_token(core, reg->call_id);
    dm_sip_token(core, reg->tag);
    if (*trunk->auth.user != '\0') {
        reg->digest =
            dm_digest_client_new(trunk->auth.user, trunk->auth.password, trunk->auth.realm);
    }
    report(reg, 0, 0, 0);
    dm_loop_arm(core->loop,
                &reg->timer,
                dm_random_range(core->random, 0, FIRST_MAX_US),
                on_timer,
                reg);
    return reg;
}

void
dm_register_free(DmRegister *reg)
{
    if (reg == NULL) {
        return;
    }
    dm_timer_disarm(&reg->timer);
    if (reg->tx != NULL) {
        dm_client_tx_forget_user(reg->tx);
    }
    dm_digest_client_free(reg->digest);
    g_free(reg->contact_user);
    dm_config_unref(reg->config);
    g_free(reg);
}

bool
dm_register_is_for(const DmRegister *reg, const DmTrunkConfig *trunk)
{
    return json_equal(reg->trunk->source, trunk->source) &&
           strcmp(reg->trunk->auth.password, trunk->auth.password) == 0;
}

void
dm_register_take_config(DmRegister *reg, DmConfig *config, const DmTrunkConfig *trunk)
{
    DmConfig *old = reg->config;

    reg->config = dm_config_ref(config);
    reg->trunk = trunk;
    reg->log.trunk = trunk->id;
    dm_config_unref(old);
}

void
dm_register_now(DmRegister *reg)
{
    reg->leaving = false;
    reg->history = (DmRegisterHistory){0};
    begin(reg);
}

void
dm_register_stop(DmRegister *reg)
{
    dm_timer_disarm(&reg->timer);
    if (reg->registered || reg->tx != NULL) {
        reg->leaving = true;
        begin(reg);
        return;
    }
    reg->state = DM_REG_UNREGISTERED;
    report(reg, 0, 0, 0);
}

bool
dm_register_is_busy(const DmRegister *reg)
{
    return reg->tx != NULL;
}

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

#define MAX_TARGETS 16
#define MAX_ROUTE   1024

/* After a change of the network: soon, and not all in one moment. */
#define RECOVER_MAX_US (G_USEC_PER_SEC / 2)

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
    unsigned ask_s;   /* Expires to ask for; 0: as configured */
    unsigned target;  /* which address, modulo their number */
    bool registered;  /* at the registrar, as far as we know */
    bool leaving;     /* the REGISTER under way takes it back */
    bool no_gin;      /* the registrar does not know it (REG-5) */
    bool no_outbound; /* its first hop does not (REG-4) */
    DmSipFlow flow;   /* of the last REGISTER */
    DmGrant *grant;   /* while registered */
    DmRegisterOptions options;
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

static bool
uses_gin(const DmRegister *reg)
{
    return reg->trunk->registration.mode == DM_REGISTRATION_GIN && !reg->no_gin;
}

static bool
uses_outbound(const DmRegister *reg)
{
    return reg->trunk->registration.outbound && !reg->no_outbound;
}

/* RFC 6140, 5.1: no user, all numbers. RFC 5626, 4.2: one device, one flow. */
static void
add_contact(DmRegister *reg, DmSipMessage *request, const DmSipFlow *flow)
{
    g_autofree char *uri = dm_sip_contact_uri(reg->core, uses_gin(reg) ? NULL : reg->trunk, flow);
    g_autoptr(GString) value = g_string_sized_new(128);

    g_string_append_printf(value, "<%s%s>", uri, uses_gin(reg) ? ";bnc" : "");
    if (uses_outbound(reg)) {
        g_autofree char *instance = dm_sip_instance(reg->core, reg->trunk);

        g_string_append_printf(value, ";reg-id=1;+sip.instance=\"<%s>\"", instance);
    }
    dm_sip_message_add(request, "Contact", value->str);
}

static void
add_extensions(const DmRegister *reg, DmSipMessage *request)
{
    dm_sip_message_add(request, "Supported", uses_outbound(reg) ? "path, outbound" : "path");
    if (uses_gin(reg)) {
        dm_sip_message_add(request, "Require", "gin");
        dm_sip_message_add(request, "Proxy-Require", "gin");
    }
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
    add_contact(reg, request, flow);
    dm_sip_message_add(request, "Expires", expires);
    add_extensions(reg, request);
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
    if (uses_gin(reg)) {
        return url_has_param(contact->m_url, "bnc");
    }
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

/* --- what the registrar told besides --- */

static char *
service_route_of(const sip_t *sip)
{
    GString *text = g_string_new(NULL);
    su_home_t home = {.suh_size = sizeof home};

    su_home_init(&home);
    for (const sip_service_route_t *r = sip->sip_service_route; r != NULL; r = r->r_next) {
        const char *uri = url_as_string(&home, r->r_url);

        if (uri != NULL && strpbrk(uri, "<>\"\r\n ") == NULL && text->len < MAX_ROUTE) {
            g_string_append_printf(text, "%s<%s>", text->len > 0 ? ", " : "", uri);
        }
    }
    su_home_deinit(&home);
    return g_string_free(text, FALSE);
}

/* "<sip:+44...@carrier>, <tel:+44...>": the part before the @, or the number. */
static void
add_identities(GPtrArray *identities, const char *value)
{
    g_auto(GStrv) uris = g_strsplit(value, ",", DM_GRANT_MAX_IDENTITIES + 1);

    for (char **uri = uris; *uri != NULL && identities->len < DM_GRANT_MAX_IDENTITIES; uri++) {
        const char *colon = strchr(*uri, ':');
        size_t len = colon != NULL ? strcspn(colon + 1, "@;>") : 0;

        if (len > 0 && len <= 64) {
            g_ptr_array_add(identities, g_strndup(colon + 1, len));
        }
    }
}

static DmGrant *
read_grant(const sip_t *sip)
{
    GPtrArray *identities = g_ptr_array_new();
    g_autofree char *route = service_route_of(sip);

    for (const sip_unknown_t *h = sip->sip_unknown; h != NULL; h = h->un_next) {
        if (g_ascii_strcasecmp(h->un_name, "P-Associated-URI") == 0) {
            add_identities(identities, h->un_value);
        }
    }
    return dm_grant_new(route, identities);
}

/* (transfer full: @grant) */
static void
set_grant(DmRegister *reg, DmGrant *grant)
{
    DmTrunk *trunk = dm_pool_find(reg->core->pool, reg->trunk->id);
    DmGrant *old = reg->grant;

    if (dm_grant_equal(old, grant)) {
        dm_grant_unref(grant);
        return;
    }
    reg->grant = grant;
    if (trunk != NULL) {
        dm_trunk_set_grant(trunk, grant);
    }
    if (reg->options.on_grant != NULL) {
        reg->options.on_grant(reg->trunk->id, grant, reg->options.user_data);
    }
    dm_grant_unref(old);
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
        set_grant(reg, NULL);
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
    if (!reg->registered && next.state != DM_REG_TRYING) {
        set_grant(reg, NULL);
    }
    report(reg,
           result->status,
           reg->registered ? result->granted_s * G_USEC_PER_SEC : 0,
           next.delay_us);
    dm_loop_arm(reg->core->loop, &reg->timer, next.delay_us, on_timer, reg);
}

static void attempt(DmRegister *reg);

static bool
refuses_gin(const DmRegister *reg, const sip_t *sip)
{
    return uses_gin(reg) && sip->sip_status->st_status == 420 &&
           sip_has_feature((const msg_list_t *)sip->sip_unsupported, "gin");
}

/* What the registrar cannot do is left out from now on. True: the same without it has been sent. */
static bool
went_on_without(DmRegister *reg, const sip_t *sip)
{
    if (refuses_gin(reg, sip)) {
        dm_warning(&reg->log,
                   "the registrar does not know bulk registration (RFC 6140): registering %s alone",
                   reg->trunk->registration.aor_user);
        reg->no_gin = true;
    } else if (uses_outbound(reg) && sip->sip_status->st_status == 439) {
        dm_notice(&reg->log, "the first hop keeps no flows (RFC 5626): registering without");
        reg->no_outbound = true;
    } else {
        return false;
    }
    attempt(reg);
    return true;
}

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
        /* asked again by a server that knows another nonce: the password may be right */
        result.refused = !dm_auth_is_stale(response);
    }
    if (went_on_without(reg, sip)) {
        return;
    }
    if (result.status < 300) {
        result.granted_s = granted_s(reg, sip);
        set_grant(reg, reg->leaving ? NULL : read_grant(sip));
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
        reg->flow.connection = response->flow.connection;
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

    if (reg->leaving && dm_address_is_set(&reg->flow.remote)) {
        *out_flow = reg->flow; /* where it is registered, whatever the configuration says now */
        return true;
    }
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
    reg->flow = flow;
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
dm_register_new(DmSipCore *core,
                DmConfig *config,
                const DmTrunkConfig *trunk,
                const DmRegisterOptions *options)
{
    DmRegister *reg = g_new0(DmRegister, 1);

    reg->core = core;
    reg->options = *options;
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
                dm_random_range(core->random, 0, options->first_within_us),
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
    dm_grant_unref(reg->grant);
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

static bool
same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool
dm_register_is_replaced_by(const DmRegister *reg, const DmTrunkConfig *trunk)
{
    const DmTrunkConfig *old = reg->trunk;

    return trunk != NULL && trunk->enabled && trunk->auth.mode == DM_AUTH_REGISTER &&
           same_text(registrar_of(old), registrar_of(trunk)) &&
           same_text(old->domain, trunk->domain) &&
           same_text(old->registration.aor_user, trunk->registration.aor_user) &&
           same_text(old->registration.contact_user, trunk->registration.contact_user);
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

static bool
is_still_a_target(const DmRegister *reg)
{
    DmTrunk *trunk = dm_pool_find(reg->core->pool, reg->trunk->id);
    DmTarget targets[MAX_TARGETS];
    size_t n = trunk != NULL ? dm_trunk_targets(trunk, targets, MAX_TARGETS) : 0;

    for (size_t i = 0; i < n; i++) {
        if (dm_address_equal(&targets[i].address, &reg->flow.remote)) {
            return true;
        }
    }
    return n == 0; /* nothing better is known */
}

static bool
lost_its_way(const DmRegister *reg, uint64_t connection)
{
    return connection != 0 ? reg->flow.connection == connection : !is_still_a_target(reg);
}

void
dm_register_check_way(DmRegister *reg, uint64_t connection)
{
    bool waits_for_addresses = reg->state == DM_REG_RETRYING && connection == 0;

    if (reg->leaving || reg->tx != NULL || reg->state == DM_REG_UNREGISTERED ||
        (!waits_for_addresses && (!reg->registered || !lost_its_way(reg, connection)))) {
        return;
    }
    dm_notice(&reg->log, "the way to the registrar has changed: registering again");
    reg->target = 0;
    dm_loop_arm(reg->core->loop,
                &reg->timer,
                dm_random_range(reg->core->random, 0, RECOVER_MAX_US),
                on_timer,
                reg);
}

void
dm_register_now(DmRegister *reg)
{
    reg->leaving = false;
    reg->no_gin = reg->no_outbound = false;
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

void
dm_register_shut_down(DmRegister *reg)
{
    if (!reg->trunk->registration.hand_over) {
        dm_register_stop(reg);
        return;
    }
    dm_timer_disarm(&reg->timer);
}

bool
dm_register_is_busy(const DmRegister *reg)
{
    return reg->tx != NULL;
}

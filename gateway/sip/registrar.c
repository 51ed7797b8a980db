/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/registrar.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/registrar-policy.h"

DM_LOG_TOPIC("sip-registrar");

#define MAX_URI   255
#define MAX_PATH  1024
#define MAX_AGENT 128
#define RESERVED  "@:;?/<>\"&="
#define HOUR_S    3600
#define FLOW_S                                                                                     \
    "120" /* a stream that says nothing for that long is taken for dead by its client              \
           */

/* A trunk of this worker's. */
typedef struct {
    DmRegistrar *registrar;
    DmConfig *config;
    const DmTrunkConfig *trunk; /* in config */
    DmLogContext log;
    DmTimer expiry, keepalive;
} Served;

struct DmRegistrar {
    DmSipCore *core;
    DmRegistrarFunc on_bindings;
    void *user_data;
    DmConfig *config;
    GHashTable *served; /* trunk id -> Served */
    GHashTable *aors;   /* user -> GPtrArray of DmTrunkConfig, in config: all workers' */
};

/* --- the way to a contact --- */

bool
dm_sip_binding_flow(const DmSipCore *core, const DmBinding *binding, DmSipFlow *out_flow)
{
    bool is_stream = binding->transport != DM_TRANSPORT_UDP;
    const DmAddress *remote =
        is_stream && binding->connection == 0 ? &binding->reachable : &binding->source;

    if (is_stream && binding->connection != 0 && binding->listener_index >= 0) {
        *out_flow = (DmSipFlow){
            .transport = binding->transport,
            .listener = (uint16_t)binding->listener_index,
            .connection = binding->connection,
            .remote = binding->source,
            .fallback = binding->reachable,
            .local = binding->local,
        };
        return true;
    }
    return dm_address_is_set(remote) && core->wire.ops->flow_to(core->wire.wire,
                                                                binding->listener_index,
                                                                binding->transport,
                                                                remote,
                                                                out_flow);
}

/* Sofia reads some that it cannot read again once it has printed them. */
static bool
is_readable(su_home_t *home, const char *uri)
{
    return uri != NULL && url_make(home, uri) != NULL;
}

char *
dm_sip_binding_uri(const DmBinding *binding, const DmTrunkConfig *trunk, const char *number)
{
    bool by_number = binding->is_gin || trunk->registration.request_uri == DM_REQUEST_URI_NUMBER;
    su_home_t home = {.suh_size = sizeof home};
    const char *asked = NULL;
    url_t *url;
    char *user;
    char *text;

    if (!by_number || *number == '\0') {
        return g_strdup(binding->uri);
    }
    su_home_init(&home);
    url = url_make(&home, binding->uri);
    if (url != NULL) {
        user = su_alloc(&home, url_esclen(number, RESERVED) + 1);
        url->url_user = url_escape(user, number, RESERVED);
        if (url->url_params != NULL) {
            url->url_params = url_strip_param_string(su_strdup(&home, url->url_params), "bnc");
        }
        asked = url_as_string(&home, url);
    }
    text = g_strdup(is_readable(&home, asked) ? asked : binding->uri);
    su_home_deinit(&home);
    return text;
}

/* --- telling --- */

static void arm_expiry(Served *served, const DmBindings *bindings);

static void
log_change(Served *served, const DmBindings *old, const DmBindings *new)
{
    char text[DM_ADDRESS_TEXT_MAX];

    if (new != NULL && !dm_bindings_same_ways(old, new)) {
        const DmBinding *best = new->list->pdata[0];

        dm_notice(&served->log,
                  "registered with us: %u contacts, first at %s by %s",
                  new->list->len,
                  dm_address_text(&best->source, text),
                  dm_transport_name(best->transport));
    } else if (new == NULL && old != NULL) {
        dm_notice(&served->log, "no longer registered with us: calls to it fail until it is");
    }
}

/* @bindings: borrowed; NULL: none. */
static void
publish(Served *served, DmBindings *bindings)
{
    DmRegistrar *registrar = served->registrar;
    DmTrunk *trunk = dm_pool_find(registrar->core->pool, served->trunk->id);

    if (trunk != NULL) {
        log_change(served, dm_trunk_bindings(trunk), bindings);
        dm_trunk_share_bindings(trunk, bindings);
    }
    arm_expiry(served, bindings);
    if (registrar->on_bindings != NULL) {
        registrar->on_bindings(served->trunk->id, bindings, registrar->user_data);
    }
}

static DmBindings *
bindings_of(const Served *served)
{
    DmTrunk *trunk = dm_pool_find(served->registrar->core->pool, served->trunk->id);

    return trunk != NULL ? dm_trunk_bindings(trunk) : NULL;
}

static DmLoop *
loop_of(const Served *served)
{
    return served->registrar->core->loop;
}

static void
on_expiry(DmTimer *timer, void *user_data)
{
    Served *served = user_data;
    DmBindings *old = bindings_of(served);
    g_autoptr(DmBindings) living = dm_registrar_expire(old, dm_loop_now_us(loop_of(served)));

    if (living != old) {
        publish(served, living);
    } else {
        arm_expiry(served, living);
    }
}

static void
arm_expiry(Served *served, const DmBindings *bindings)
{
    int64_t first_us = INT64_MAX;

    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        first_us = MIN(first_us, ((DmBinding *)bindings->list->pdata[i])->expires_us);
    }
    dm_timer_disarm(&served->expiry);
    if (first_us < INT64_MAX) {
        dm_loop_arm(loop_of(served),
                    &served->expiry,
                    MAX(0, first_us - dm_loop_now_us(loop_of(served))),
                    on_expiry,
                    served);
    }
}

/* --- keeping the way through a NAT open --- */

static void
on_keepalive(DmTimer *timer, void *user_data)
{
    Served *served = user_data;
    const DmSipCore *core = served->registrar->core;
    const DmBindings *bindings = bindings_of(served);
    unsigned period_s = served->trunk->registration.keepalive_s;

    for (guint i = 0; bindings != NULL && i < bindings->list->len; i++) {
        const DmBinding *binding = bindings->list->pdata[i];
        DmSipFlow flow;

        if (binding->transport == DM_TRANSPORT_UDP && binding->behind_nat &&
            dm_sip_binding_flow(core, binding, &flow)) {
            dm_tx_layer_send_raw(core->tx, &flow, "\r\n\r\n", 4);
        }
    }
    if (period_s > 0) {
        dm_loop_arm(core->loop, timer, period_s * G_USEC_PER_SEC, on_keepalive, served);
    }
}

/* --- whose REGISTER --- */

/* Whom a REGISTER is for. */
typedef struct {
    DmSpan user, host;
} Aor;

/* The URI of a To header, as it stands there. False: it has no user. */
static bool
read_aor(DmSpan to, Aor *out)
{
    const char *end = to.p + to.len;
    const char *bracket = dm_find_outside_quotes(to.p, end, DM_STOP_BRACKET);
    const char *p = bracket != NULL && bracket < end ? bracket + 1 : to.p;
    const char *colon = memchr(p, ':', (size_t)(end - p));
    const char *at = memchr(p, '@', (size_t)(end - p));
    const char *stop;

    if (bracket == NULL || colon == NULL || at == NULL || at < colon) {
        return false;
    }
    stop = at + 1;
    while (stop < end && strchr(":;>? \t\r\n", *stop) == NULL) {
        stop++;
    }
    out->user = dm_span(colon + 1, at);
    out->host = dm_span(at + 1, stop);
    return out->user.len > 0;
}

/* Of several trunks with one user the one with the domain asked for. */
static const DmTrunkConfig *
find_aor(const DmRegistrar *registrar, const Aor *aor)
{
    g_autofree char *user = g_strndup(aor->user.p, MIN(aor->user.len, MAX_URI));
    const GPtrArray *trunks = g_hash_table_lookup(registrar->aors, user);

    for (guint i = 0; trunks != NULL && i < trunks->len; i++) {
        const DmTrunkConfig *trunk = trunks->pdata[i];

        if (trunks->len == 1 || dm_span_equals(aor->host, trunk->domain)) {
            return trunk;
        }
    }
    return NULL;
}

static const DmTrunkConfig *
find_to(const DmRegistrar *registrar, DmSpan to)
{
    Aor aor;

    return read_aor(to, &aor) ? find_aor(registrar, &aor) : NULL;
}

const char *
dm_registrar_trunk_of(const DmRegistrar *registrar, DmSpan to)
{
    const DmTrunkConfig *trunk = find_to(registrar, to);

    return trunk != NULL ? trunk->id : NULL;
}

static bool
acl_allows(const DmTrunkConfig *trunk, const DmAddress *source)
{
    for (guint i = 0; i < trunk->acl->len; i++) {
        if (dm_cidr_contains(&g_array_index(trunk->acl, DmCidr, i), source)) {
            return true;
        }
    }
    return trunk->acl->len == 0;
}

bool
dm_registrar_may_come(const DmRegistrar *registrar, DmSpan to, const DmAddress *source)
{
    const DmTrunkConfig *trunk = find_to(registrar, to);

    return trunk != NULL && trunk->enabled && acl_allows(trunk, source);
}

/* --- reading --- */

/* "123"; what is no number counts as an hour (RFC 3261, 20.10). */
static int64_t
parse_expires(const char *text)
{
    if (text == NULL) {
        return -1;
    }
    if (*text == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return HOUR_S;
    }
    return MIN(strtoll(text, NULL, 10), UINT32_MAX);
}

static const char *
unquoted(su_home_t *home, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;

    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') {
        return su_strndup(home, text + 1, (isize_t)(len - 2));
    }
    return text != NULL ? text : "";
}

/* What may stand in a request line and in a quoted string of ours. */
static bool
is_plain(const char *text, size_t max)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("<>\"\\", *p) != NULL) {
            return false;
        }
    }
    return strlen(text) <= max;
}

static uint16_t
port_of(const url_t *url, DmTransport transport)
{
    unsigned long port = url->url_port != NULL ? strtoul(url->url_port, NULL, 10) : 0;

    if (port == 0 || port > 65535) {
        port = transport == DM_TRANSPORT_TLS ? 5061 : 5060;
    }
    return (uint16_t)port;
}

/* NULL: of no use. */
static const char *
uri_of(su_home_t *home, const url_t *url)
{
    url_t copy = *url;
    const char *text;

    copy.url_headers = NULL; /* they would be ours to say */
    text = url_as_string(home, &copy);
    return is_readable(home, text) ? text : NULL;
}

static bool
read_contact(const DmSipMessage *request, const sip_contact_t *header, DmRegisterContact *out)
{
    su_home_t *home = request->home;
    const url_t *url = header->m_url;
    const char *reg_id = msg_header_find_param(header->m_common, "reg-id=");

    if ((url->url_type != url_sip && url->url_type != url_sips) || url->url_host == NULL) {
        return false;
    }
    *out = (DmRegisterContact){
        .uri = uri_of(home, url),
        .instance = unquoted(home, msg_header_find_param(header->m_common, "+sip.instance=")),
        .reg_id = reg_id != NULL ? (unsigned)MIN(strtoul(reg_id, NULL, 10), INT32_MAX) : 0,
        .q = header->m_q != NULL ? (unsigned)sip_q_value(header->m_q) : 1000,
        .expires_s = parse_expires(header->m_expires),
        .is_bulk = url_has_param(url, "bnc"),
        .has_user = url->url_user != NULL && *url->url_user != '\0',
    };
    dm_address_parse(&out->address, url->url_host, port_of(url, request->flow.transport));
    if (g_str_has_prefix(out->instance, "<") && g_str_has_suffix(out->instance, ">")) {
        out->instance = su_strndup(home, out->instance + 1, (isize_t)strlen(out->instance) - 2);
    }
    return out->uri != NULL && is_plain(out->uri, MAX_URI) && is_plain(out->instance, MAX_URI);
}

static bool
read_contacts(const DmSipMessage *request, DmRegisterRequest *out)
{
    for (const sip_contact_t *c = request->sip->sip_contact; c != NULL; c = c->m_next) {
        if (c->m_url->url_type == url_any) {
            out->is_star = true;
        } else if (out->n_contacts == DM_REGISTER_MAX_CONTACTS ||
                   !read_contact(request, c, &out->contacts[out->n_contacts++])) {
            return false;
        }
    }
    return true;
}

/* All values of Path in one line. NULL: too long. */
static const char *
read_path(const DmSipMessage *request)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (const sip_path_t *p = request->sip->sip_path; p != NULL; p = p->r_next) {
        const char *uri = url_as_string(request->home, p->r_url);

        if (!is_plain(uri, MAX_URI)) {
            return NULL;
        }
        g_string_append_printf(text, "%s<%s>", text->len > 0 ? ", " : "", uri);
    }
    return text->len <= MAX_PATH ? su_strdup(request->home, text->str) : NULL;
}

static bool
is_behind_nat(const DmSipMessage *request)
{
    const sip_via_t *via = request->sip->sip_via;
    unsigned long port = via->v_port != NULL ? strtoul(via->v_port, NULL, 10) : 5060;
    DmAddress said;

    return dm_address_parse(&said, via->v_host, (uint16_t)port) &&
           !dm_address_equal(&said, &request->flow.remote);
}

/* RFC 5626, 5.1: the first hop is the client itself, or a proxy that keeps its flow. */
static bool
has_hops(const sip_t *sip)
{
    return sip->sip_via->v_next != NULL &&
           (sip->sip_path == NULL || !url_has_param(sip->sip_path->r_url, "ob"));
}

static char *
listener_id(const Served *served, unsigned index)
{
    static char none[] = "";

    return index < served->config->listeners->len
               ? ((const DmListenerConfig *)served->config->listeners->pdata[index])->id
               : none;
}

static void
read_way(const Served *served, const DmSipMessage *request, DmBinding *way)
{
    const DmSipFlow *flow = &request->flow;

    *way = (DmBinding){
        .behind_nat = is_behind_nat(request),
        .transport = flow->transport,
        .listener = listener_id(served, flow->listener),
        .listener_index = flow->listener,
        .connection = flow->connection,
        .source = flow->remote,
        .local = flow->local,
    };
}

static bool
read_request(const Served *served, const DmSipMessage *request, DmRegisterRequest *out)
{
    const sip_t *sip = request->sip;
    const char *agent = sip->sip_user_agent != NULL ? sip->sip_user_agent->g_string : "";
    g_autofree char *valid = g_utf8_make_valid(agent, (gssize)strnlen(agent, MAX_AGENT));

    *out = (DmRegisterRequest){
        .expires_s = sip->sip_expires != NULL ? (int64_t)sip->sip_expires->ex_delta : -1,
        .call_id = sip->sip_call_id->i_id,
        .cseq = sip->sip_cseq->cs_seq,
        .path = read_path(request),
        .user_agent = su_strdup(request->home, valid),
        .knows_outbound = sip_has_feature(sip->sip_supported, "outbound"),
        .wants_gin = sip_has_feature(sip->sip_require, "gin"),
        .has_hops = has_hops(sip),
    };
    read_way(served, request, &out->way);
    return out->path != NULL && read_contacts(request, out);
}

/* --- answering --- */

static void
add_contact(DmSipMessage *response, const DmBinding *binding, int64_t now_us)
{
    int64_t left_s = (binding->expires_us - now_us + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
    g_autoptr(GString) value = g_string_sized_new(200);

    g_string_append_printf(value, "<%s>;expires=%d", binding->uri, (int)left_s);
    if (binding->q != 1000) {
        g_string_append_printf(value, ";q=0.%03u", binding->q);
    }
    if (*binding->instance != '\0') {
        g_string_append_printf(value, ";+sip.instance=\"<%s>\"", binding->instance);
    }
    if (binding->reg_id > 0) {
        g_string_append_printf(value, ";reg-id=%u", binding->reg_id);
    }
    dm_sip_message_add(response, "Contact", value->str);
}

static DmSipMessage *
new_response(const DmRegistrar *registrar,
             const DmSipMessage *request,
             unsigned status,
             const char *reason)
{
    char tag[DM_TOKEN_MAX];
    DmSipMessage *response;

    dm_sip_token(registrar->core, tag);
    response = dm_sip_response_new(request, status, reason, tag);
    dm_sip_message_add(response, "Server", DM_SIP_USER_AGENT);
    return response;
}

static void
refuse(const DmRegistrar *registrar,
       DmServerTx *tx,
       const DmSipMessage *request,
       unsigned status,
       const char *reason)
{
    g_autoptr(DmSipMessage) response = new_response(registrar, request, status, reason);

    if (status == 405) {
        dm_sip_message_add(response, "Allow", DM_SIP_ALLOW);
    }
    if (status == 420) {
        dm_sip_message_add(response, "Unsupported", "gin");
    }
    dm_count(&registrar->core->counters[SIP_register_in_refused]);
    dm_server_tx_respond(tx, response);
}

static void
refuse_as(const DmRegistrar *registrar,
          DmServerTx *tx,
          const DmSipMessage *request,
          const DmRegisterVerdict *verdict)
{
    g_autoptr(DmSipMessage) response = NULL;
    char seconds[16];

    if (verdict->status != 423) {
        refuse(registrar, tx, request, verdict->status, verdict->reason);
        return;
    }
    response = new_response(registrar, request, 423, NULL);
    g_snprintf(seconds, sizeof seconds, "%u", verdict->min_expires_s);
    dm_sip_message_add(response, "Min-Expires", seconds);
    dm_server_tx_respond(tx, response);
}

static void
confirm(Served *served,
        DmServerTx *tx,
        const DmSipMessage *request,
        const DmRegisterRequest *asked,
        const DmRegisterVerdict *verdict)
{
    const DmRegistrar *registrar = served->registrar;
    bool gin = served->trunk->registration.mode == DM_REGISTRATION_GIN;
    int64_t now_us = dm_loop_now_us(loop_of(served));
    g_autoptr(DmSipMessage) response = new_response(registrar, request, 200, NULL);

    for (guint i = 0; verdict->bindings != NULL && i < verdict->bindings->list->len; i++) {
        add_contact(response, verdict->bindings->list->pdata[i], now_us);
    }
    dm_sip_message_add(response, "Supported", gin ? "path, outbound, gin" : "path, outbound");
    if (verdict->uses_outbound) {
        dm_sip_message_add(response, "Require", "outbound");
        dm_sip_message_add(response, "Flow-Timer", FLOW_S);
    }
    if (*asked->path != '\0') {
        dm_sip_message_add(response, "Path", asked->path);
    }
    dm_count(&registrar->core->counters[SIP_register_in_accepted]);
    dm_server_tx_respond(tx, response);
}

static void
take_welcome(Served *served, DmServerTx *tx, const DmSipMessage *request)
{
    DmRegisterRequest asked;
    DmRegisterVerdict verdict;

    if (!read_request(served, request, &asked)) {
        refuse(served->registrar, tx, request, 400, "Bad Contact or Path");
        return;
    }
    if (asked.wants_gin && served->trunk->registration.mode != DM_REGISTRATION_GIN) {
        refuse(served->registrar, tx, request, 420, NULL);
        return;
    }
    verdict = dm_registrar_decide(&asked,
                                  served->trunk,
                                  bindings_of(served),
                                  dm_loop_now_us(loop_of(served)),
                                  served->registrar->core->random);
    if (verdict.status == 200) {
        confirm(served, tx, request, &asked, &verdict);
    } else {
        refuse_as(served->registrar, tx, request, &verdict);
    }
    if (verdict.changed && verdict.status == 200) {
        publish(served, verdict.bindings);
    }
    dm_bindings_unref(verdict.bindings);
}

static Served *
find_served(const DmRegistrar *registrar, const DmSipMessage *request)
{
    const url_t *to = request->sip->sip_to->a_url;
    const char *user = to->url_user != NULL ? to->url_user : "";
    const char *host = to->url_host != NULL ? to->url_host : "";
    const Aor aor = {{user, strlen(user)}, {host, strlen(host)}};
    const DmTrunkConfig *trunk = find_aor(registrar, &aor);

    return trunk != NULL ? g_hash_table_lookup(registrar->served, trunk->id) : NULL;
}

void
dm_registrar_request(DmRegistrar *registrar, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    Served *served = find_served(registrar, request);

    if (g_hash_table_size(registrar->aors) == 0) {
        refuse(registrar, tx, request, 405, NULL); /* we are none */
    } else if (served == NULL) {
        refuse(registrar, tx, request, 404, NULL);
    } else if (!served->trunk->enabled || !acl_allows(served->trunk, &request->flow.remote)) {
        refuse(registrar, tx, request, 403, NULL);
    } else if (request->flow.certified == g_quark_try_string(served->trunk->id) &&
               request->flow.certified != 0) {
        take_welcome(served, tx, request);
    } else if (dm_sip_auth_demand(registrar->core, tx, request, served->trunk)) {
        take_welcome(served, tx, request);
    }
}

/* --- streams --- */

void
dm_registrar_stream_ended(DmRegistrar *registrar, uint64_t connection)
{
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init(&iter, registrar->served);
    while (connection != 0 && g_hash_table_iter_next(&iter, NULL, &value)) {
        DmBindings *old = bindings_of(value);
        g_autoptr(DmBindings) left = dm_registrar_drop_stream(old, connection);

        if (left != old) {
            publish(value, left);
        }
    }
}

bool
dm_registrar_drop(DmRegistrar *registrar, const char *trunk_id)
{
    Served *served = g_hash_table_lookup(registrar->served, trunk_id);

    if (served != NULL) {
        publish(served, NULL);
    }
    return served != NULL;
}

/* --- configuration --- */

static void
free_served(gpointer data)
{
    Served *served = data;

    dm_timer_disarm(&served->expiry);
    dm_timer_disarm(&served->keepalive);
    dm_config_unref(served->config);
    g_free(served);
}

static void
free_list(gpointer list)
{
    g_ptr_array_unref(list);
}

DmRegistrar *
dm_registrar_new(DmSipCore *core, DmRegistrarFunc on_bindings, void *user_data)
{
    DmRegistrar *registrar = g_new0(DmRegistrar, 1);

    registrar->core = core;
    registrar->on_bindings = on_bindings;
    registrar->user_data = user_data;
    registrar->served = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_served);
    registrar->aors = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_list);
    return registrar;
}

void
dm_registrar_free(DmRegistrar *registrar)
{
    if (registrar == NULL) {
        return;
    }
    g_hash_table_unref(registrar->served);
    g_hash_table_unref(registrar->aors);
    g_clear_pointer(&registrar->config, dm_config_unref);
    g_free(registrar);
}

/* Who was let in by one password is not let in by the next. */
static bool
same_credentials(const DmTrunkConfig *a, const DmTrunkConfig *b)
{
    return strcmp(a->auth.inbound_user, b->auth.inbound_user) == 0 &&
           strcmp(a->auth.inbound_password, b->auth.inbound_password) == 0 &&
           strcmp(a->auth.inbound_ha1_text, b->auth.inbound_ha1_text) == 0;
}

static void
serve(DmRegistrar *registrar, DmConfig *config, const DmTrunkConfig *trunk)
{
    Served *served = g_hash_table_lookup(registrar->served, trunk->id);
    bool changed = served != NULL && !same_credentials(served->trunk, trunk);

    if (served == NULL) {
        served = g_new0(Served, 1);
        served->registrar = registrar;
        g_hash_table_insert(registrar->served, g_strdup(trunk->id), served);
    }
    g_clear_pointer(&served->config, dm_config_unref);
    served->config = dm_config_ref(config);
    served->trunk = trunk;
    served->log.trunk = trunk->id;
    if (changed) {
        publish(served, NULL);
    }
    arm_expiry(served, bindings_of(served));
    dm_timer_disarm(&served->keepalive);
    on_keepalive(&served->keepalive, served);
}

static void
add_aor(DmRegistrar *registrar, const DmTrunkConfig *trunk)
{
    GPtrArray *trunks = g_hash_table_lookup(registrar->aors, trunk->registration.aor_user);

    if (trunks == NULL) {
        trunks = g_ptr_array_new();
        g_hash_table_insert(registrar->aors, trunk->registration.aor_user, trunks);
    }
    g_ptr_array_add(trunks, (gpointer)trunk);
}

static bool
is_still_served(const DmConfig *config, const char *trunk_id)
{
    const DmTrunkConfig *trunk = dm_config_trunk(config, trunk_id);

    return trunk != NULL && trunk->auth.mode == DM_AUTH_REGISTER_IN;
}

static void
forget_removed(DmRegistrar *registrar, const DmConfig *config)
{
    GHashTableIter iter;
    gpointer id;
    gpointer value;

    g_hash_table_iter_init(&iter, registrar->served);
    while (g_hash_table_iter_next(&iter, &id, &value)) {
        if (!is_still_served(config, id)) {
            publish(value, NULL);
            g_hash_table_iter_remove(&iter);
        }
    }
}

void
dm_registrar_take_config(DmRegistrar *registrar, DmConfig *config)
{
    DmConfig *old = registrar->config;

    registrar->config = dm_config_ref(config);
    forget_removed(registrar, config);
    g_hash_table_remove_all(registrar->aors);
    for (guint i = 0; i < config->trunks->len; i++) {
        const DmTrunkConfig *trunk = config->trunks->pdata[i];

        if (trunk->auth.mode != DM_AUTH_REGISTER_IN) {
            continue;
        }
        add_aor(registrar, trunk);
        if (dm_sip_owner_of_trunk(registrar->core, trunk->id) == registrar->core->worker) {
            serve(registrar, config, trunk);
        }
    }
    g_clear_pointer(&old, dm_config_unref);
}

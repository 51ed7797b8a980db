/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/publish.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>

#include "gateway/sip/auth.h"
#include "gateway/sip/identity.h"

DM_LOG_TOPIC("sip-publish");

#define MAX_ACTIVE  16
#define MAX_TARGETS 4
#define BODY_TYPE   "application/vq-rtcpxr"

struct DmPublisher {
    DmSipCore *core;
    GPtrArray *active; /* Report */
    GQueue waiting;    /* Report */
};

/* One report on its way. */
typedef struct {
    DmPublisher *publisher;
    GString *body;
    char call_id[DM_TOKEN_MAX], tag[DM_TOKEN_MAX];
    uint32_t cseq;
    unsigned target; /* which address of the collector's */
    DmDigestClient *digest;
    DmClientTx *tx;
} Report;

static void
report_free(gpointer data)
{
    Report *report = data;

    if (report->tx != NULL) {
        dm_client_tx_forget_user(report->tx);
    }
    dm_digest_client_free(report->digest);
    g_string_free(report->body, TRUE);
    g_free(report);
}

/* NULL: reports have been turned off meanwhile. */
static const DmTrunkConfig *
collector_of(const DmPublisher *publisher)
{
    const DmConfig *config = publisher->core->config;

    return dm_config_trunk(config, config->quality.reports.collector);
}

/* --- the request --- */

static void
append_aor(GString *out, const DmTrunkConfig *trunk, const char *user, const DmTarget *target)
{
    const char *host = *trunk->domain != '\0' ? trunk->domain : target->host;

    g_string_append_c(out, '<');
    dm_identity_append_uri(out, user, host, 0, false);
    g_string_append_c(out, '>');
}

/* RFC 3903, 4: an event state that nobody changes afterwards, so there is no entity tag to keep. */
static DmSipMessage *
new_request(Report *report, const DmTrunkConfig *trunk, const DmTarget *target, DmSipFlow *flow)
{
    DmSipCore *core = report->publisher->core;
    const char *user = core->config->quality.reports.user;
    DmSipMessage *request = dm_sip_message_new();
    g_autoptr(GString) to = g_string_sized_new(64);
    g_autoptr(GString) from = g_string_sized_new(64);
    g_autofree char *uri = NULL;
    g_autofree char *cseq = g_strdup_printf("%u PUBLISH", ++report->cseq);

    append_aor(to, trunk, user, target);
    append_aor(from, trunk, trunk->auth.user, target);
    g_string_append_printf(from, ";tag=%s", report->tag);
    uri = g_strndup(to->str + 1, to->len - 2);
    request->method = DM_METHOD_PUBLISH;
    msg_header_insert(request->msg,
                      (msg_pub_t *)request->sip,
                      (msg_header_t *)sip_request_create(request->home,
                                                         sip_method_publish,
                                                         "PUBLISH",
                                                         (const url_string_t *)uri,
                                                         NULL));
    dm_sip_message_add(request, "Max-Forwards", "70");
    dm_sip_message_add(request, "From", from->str);
    dm_sip_message_add(request, "To", to->str);
    dm_sip_message_add(request, "Call-ID", report->call_id);
    dm_sip_message_add(request, "CSeq", cseq);
    dm_sip_add_contact(core, request, trunk, flow);
    dm_sip_message_add(request, "Event", "vq-rtcpxr");
    dm_sip_message_add(request, "User-Agent", DM_SIP_USER_AGENT);
    dm_sip_message_set_body(request, BODY_TYPE, report->body->str, report->body->len);
    if (report->digest != NULL) {
        dm_auth_apply(report->digest, core->random, request);
    }
    return request;
}

/* --- the way --- */

static const DmClientTxUser report_user;

static bool
send_to(Report *report, const DmTrunkConfig *trunk, const DmTarget *target)
{
    DmSipCore *core = report->publisher->core;
    g_autoptr(DmSipMessage) request = NULL;
    DmSipFlow flow;

    if (!core->wire.ops->flow_to(core->wire.wire,
                                 dm_sip_listener_of(core, trunk),
                                 target->transport,
                                 &target->address,
                                 &flow)) {
        return false;
    }
    request = new_request(report, trunk, target, &flow);
    report->tx = dm_client_tx_start(core->tx, request, &flow, &report_user, report);
    return true;
}

/* False: there is no address left to try. */
static bool
attempt(Report *report)
{
    const DmTrunkConfig *config = collector_of(report->publisher);
    DmTrunk *trunk =
        config != NULL ? dm_pool_find(report->publisher->core->pool, config->id) : NULL;
    DmTarget targets[MAX_TARGETS];
    size_t n = trunk != NULL ? dm_trunk_targets(trunk, targets, MAX_TARGETS) : 0;

    for (; report->target < n; report->target++) {
        if (send_to(report, config, &targets[report->target])) {
            return true;
        }
    }
    return false;
}

static void
give_up(Report *report, unsigned status)
{
    static DmLogLimit limit;
    DmPublisher *publisher = report->publisher;
    DmLogContext context = {.trunk = publisher->core->config->quality.reports.collector};
    uint32_t suppressed;

    dm_count(&publisher->core->counters[SIP_reports_failed]);
    if (dm_log_limit_pass(&limit, 1, &suppressed)) {
        dm_warning(&context,
                   "a quality report was not accepted (%u; 0: no answer); it is lost, and %u more "
                   "since the last such line",
                   status,
                   suppressed);
    }
    g_ptr_array_remove_fast(publisher->active, report);
}

static void
start_waiting(DmPublisher *publisher)
{
    while (publisher->active->len < MAX_ACTIVE && !g_queue_is_empty(&publisher->waiting)) {
        Report *report = g_queue_pop_head(&publisher->waiting);

        g_ptr_array_add(publisher->active, report);
        if (!attempt(report)) {
            give_up(report, 0);
        }
    }
}

static void
try_next(Report *report, unsigned status)
{
    DmPublisher *publisher = report->publisher;

    report->target++;
    if (!attempt(report)) {
        give_up(report, status);
    }
    start_waiting(publisher);
}

/* --- what came back --- */

static void
prepare_digest(Report *report)
{
    const DmTrunkConfig *trunk = collector_of(report->publisher);

    if (report->digest == NULL && trunk != NULL && *trunk->auth.user != '\0') {
        report->digest =
            dm_digest_client_new(trunk->auth.user, trunk->auth.password, trunk->auth.realm);
        dm_digest_client_begin(report->digest);
    }
}

static bool
is_challenge(unsigned status)
{
    return status == 401 || status == 407;
}

static void
take_final(Report *report, const DmSipMessage *response)
{
    DmPublisher *publisher = report->publisher;
    unsigned status = (unsigned)response->sip->sip_status->st_status;

    if (status < 300) {
        dm_count(&publisher->core->counters[SIP_reports_accepted]);
        g_ptr_array_remove_fast(publisher->active, report);
        start_waiting(publisher);
        return;
    }
    if (is_challenge(status)) {
        prepare_digest(report);
        if (report->digest != NULL && dm_auth_take(report->digest, response) == DM_DIGEST_RETRY &&
            attempt(report)) {
            return;
        }
    }
    if (status == 408 || (status >= 500 && status < 600)) {
        try_next(report, status);
        return;
    }
    give_up(report, status);
    start_waiting(publisher);
}

static void
on_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    Report *report = user_data;

    if (response->sip->sip_status->st_status >= 200) {
        dm_client_tx_forget_user(tx);
        report->tx = NULL;
        take_final(report, response);
    }
}

static void
on_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    Report *report = user_data;

    dm_client_tx_forget_user(tx);
    report->tx = NULL;
    try_next(report, 0);
}

static void
on_ended(DmClientTx *tx, void *user_data)
{
    ((Report *)user_data)->tx = NULL;
}

static const DmClientTxUser report_user = {
    .on_response = on_response,
    .on_failed = on_failed,
    .on_ended = on_ended,
};

/* --- life --- */

DmPublisher *
dm_publisher_new(DmSipCore *core)
{
    DmPublisher *publisher = g_new0(DmPublisher, 1);

    publisher->core = core;
    publisher->active = g_ptr_array_new_with_free_func(report_free);
    g_queue_init(&publisher->waiting);
    return publisher;
}

void
dm_publisher_free(DmPublisher *publisher)
{
    if (publisher == NULL) {
        return;
    }
    g_ptr_array_unref(publisher->active);
    g_queue_clear_full(&publisher->waiting, report_free);
    g_free(publisher);
}

void
dm_publisher_send(DmPublisher *publisher, GString *body)
{
    Report *report;

    if (publisher->waiting.length >= DM_PUBLISH_MAX_WAITING) {
        dm_count(&publisher->core->counters[SIP_reports_dropped]);
        g_string_free(body, TRUE);
        return;
    }
    report = g_new0(Report, 1);
    report->publisher = publisher;
    report->body = body;
    dm_sip_token(publisher->core, report->call_id);
    dm_sip_token(publisher->core, report->tag);
    g_queue_push_tail(&publisher->waiting, report);
    start_waiting(publisher);
}

bool
dm_publisher_is_busy(const DmPublisher *publisher)
{
    return publisher->active->len > 0 || publisher->waiting.length > 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/admission.h"

#include <string.h>
#include <strings.h>

#include "gateway/sip/span.h"

/* Buckets are found by the hash of the source alone: two sources may share one, and then share its
 * rate. */
#define N_BUCKETS     4096
#define BURST_SECONDS 2

/* Above these, work of less worth is not begun. */
#define STRANGER_LOAD 50
#define TRUNK_LOAD    90

typedef struct {
    int64_t filled_us; /* when it was last topped up; 0: never used */
    double tokens;
} Bucket;

struct DmAdmission {
    const DmClock *clock;
    DmPool *pool;
    DmConfig *config;
    Bucket buckets[N_BUCKETS];
};

DmAdmission *
dm_admission_new(const DmClock *clock, DmPool *pool)
{
    DmAdmission *admission = g_new0(DmAdmission, 1);

    admission->clock = clock;
    admission->pool = pool;
    return admission;
}

void
dm_admission_free(DmAdmission *admission)
{
    if (admission != NULL) {
        g_clear_pointer(&admission->config, dm_config_unref);
        g_free(admission);
    }
}

void
dm_admission_take_config(DmAdmission *admission, DmConfig *config)
{
    DmConfig *fresh = dm_config_ref(config);

    g_clear_pointer(&admission->config, dm_config_unref);
    admission->config = fresh;
}

bool
dm_admission_take_token(DmAdmission *admission, const DmAddress *source)
{
    double rate = admission->config->security.source_rate;
    double most = rate * BURST_SECONDS;
    Bucket *bucket = &admission->buckets[dm_address_host_hash(source) % N_BUCKETS];
    int64_t now_us = dm_clock_mono_us(admission->clock);

    if (rate <= 0) {
        return true;
    }
    if (bucket->filled_us == 0) {
        bucket->tokens = most;
    } else {
        double seconds = (double)(now_us - bucket->filled_us) / G_USEC_PER_SEC;

        bucket->tokens = MIN(most, bucket->tokens + seconds * rate);
    }
    bucket->filled_us = now_us;
    if (bucket->tokens < 1) {
        return false;
    }
    bucket->tokens -= 1;
    return true;
}

/* Tools that look for open gateways and say so. */
static bool
is_scanner(DmSpan agent)
{
    static const char *const names[] = {
        "friendly-scanner",
        "sipvicious",
        "sipcli",
        "sip-scan",
        "sipscan",
        "iwar",
        "sundayddr",
        "pplsip",
        "vaxsip",
        "scanner",
        "siparmyknife",
    };
    g_autofree char *text = g_ascii_strdown(agent.p, (gssize)MIN(agent.len, 128));

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strstr(text, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static bool
says_it_scans(const char *data, const DmScan *scan)
{
    const char *end = data + scan->head_len;
    const char *p = memchr(data, '\n', scan->head_len);
    DmSpan name;
    DmSpan value;

    if (p == NULL) {
        return false;
    }
    p++;
    while (dm_next_header(&p, end, &name, &value)) {
        if (dm_span_equals(name, "User-Agent")) {
            return is_scanner(value);
        }
    }
    return false;
}

DmWorth
dm_admission_source_worth(DmAdmission *admission, const DmSipFlow *flow)
{
    return dm_pool_knows(admission->pool, &flow->remote) ? DM_WORTH_TRUNK : DM_WORTH_STRANGER;
}

DmAdmissionVerdict
dm_admission_judge(DmAdmission *admission, const DmArrival *arrival, DmWorth *out_worth)
{
    bool stranger;

    if (!arrival->scan->is_request || arrival->in_dialog) {
        *out_worth = DM_WORTH_DIALOG;
        return DM_ADMIT;
    }
    *out_worth = dm_admission_source_worth(admission, arrival->flow);
    stranger = *out_worth == DM_WORTH_STRANGER;
    if (stranger && !dm_admission_take_token(admission, &arrival->flow->remote)) {
        return DM_BLOCK_RATE;
    }
    if (stranger && admission->config->security.scanner_block &&
        says_it_scans(arrival->data, arrival->scan)) {
        return DM_BLOCK_SCANNER;
    }
    return arrival->load_percent >= (stranger ? STRANGER_LOAD : TRUNK_LOAD) ? DM_BLOCK_OVERLOAD
                                                                            : DM_ADMIT;
}

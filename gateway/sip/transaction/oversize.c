/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transaction/oversize.h"

#include <string.h>

#include "gateway/sdp/slim.h"
#include "gateway/sip/transaction/request-text.h"

unsigned
dm_fit_sdp(unsigned steps)
{
    return ((steps & DM_OVERSIZE_BIT(DM_OVERSIZE_ATTRIBUTES)) != 0 ? DM_SDP_SLIM_ATTRIBUTES : 0) |
           ((steps & DM_OVERSIZE_BIT(DM_OVERSIZE_CODECS)) != 0 ? DM_SDP_SLIM_CODECS : 0);
}

/* Where the description is in a body: all of it, or one of several parts. */
static bool
find_description(DmSpan body, DmSpan *out)
{
    bool is_alone = body.len >= 5 && memcmp(body.p, "v=0\r\n", 5) == 0;
    const char *start = is_alone ? body.p : memmem(body.p, body.len, "\r\n\r\nv=0\r\n", 9);
    const char *end = body.p + body.len;
    const char *boundary;

    if (start == NULL) {
        return false;
    }
    start += is_alone ? 0 : 4;
    boundary = memmem(start, (size_t)(end - start), "\r\n--", 4);
    *out = dm_span(start, boundary != NULL ? boundary : end);
    return true;
}

static void
slim_description(GString *text, unsigned what)
{
    DmSpan body = dm_request_text_body(text);
    DmSpan sdp;
    g_autoptr(GString) shorter = NULL;
    g_autoptr(GString) whole = NULL;

    if (!find_description(body, &sdp)) {
        return;
    }
    shorter = g_string_new_len(sdp.p, (gssize)sdp.len);
    dm_sdp_slim(shorter, what);
    whole = g_string_new_len(body.p, sdp.p - body.p);
    g_string_append_len(whole, shorter->str, (gssize)shorter->len);
    g_string_append_len(whole, sdp.p + sdp.len, body.p + body.len - sdp.p - (gssize)sdp.len);
    dm_request_text_set_body(text, whole->str, whole->len);
}

static void
take_step(GString *text, DmOversizeStep step, const DmFit *fit)
{
    switch (step) {
    case DM_OVERSIZE_COMPACT:
        dm_request_text_compact(text);
        break;
    case DM_OVERSIZE_HEADERS:
        dm_request_text_drop(text, fit->optional_headers);
        break;
    case DM_OVERSIZE_ATTRIBUTES:
    case DM_OVERSIZE_CODECS:
        slim_description(text, dm_fit_sdp(DM_OVERSIZE_BIT(step)));
        break;
    case DM_OVERSIZE_TCP:
        break;
    }
}

static void
consider_step(GString *text, size_t max, DmOversizeStep step, DmFit *fit)
{
    size_t before = text->len;
    bool wanted = (fit->always & DM_OVERSIZE_BIT(step)) != 0 || (max > 0 && before > max);

    if (wanted) {
        take_step(text, step, fit);
    }
    if (text->len < before) {
        fit->taken |= DM_OVERSIZE_BIT(step);
    }
}

void
dm_fit_request(GString *text, size_t max, DmFit *fit)
{
    fit->taken = 0;
    if (fit->steps == NULL) {
        consider_step(text, max, DM_OVERSIZE_COMPACT, fit);
        return;
    }
    for (guint i = 0; i < fit->steps->len; i++) {
        consider_step(text, max, g_array_index(fit->steps, int, i), fit);
    }
}

bool
dm_fit_may_use_tcp(const DmFit *fit)
{
    guint n = fit->steps != NULL ? fit->steps->len : 0;

    return n > 0 && g_array_index(fit->steps, int, n - 1) == DM_OVERSIZE_TCP && !fit->no_tcp;
}

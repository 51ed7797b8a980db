/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/request-check.h"

#include <sofia-sip/msg_mime.h>
#include <string.h>
#include <strings.h>

#include "gateway/sip/core.h"

/* Each looks at one thing. True: all right. */
typedef bool (*Check)(const DmSipMessage *request, DmRequestFault *fault);

static bool
fail(DmRequestFault *fault, uint16_t status, const char *header, const char *value)
{
    fault->status = status;
    fault->header = header;
    g_strlcpy(fault->value, value, sizeof fault->value);
    return false;
}

static bool
check_method(const DmSipMessage *request, DmRequestFault *fault)
{
    static const bool known_outside[DM_N_METHODS] = {
        [DM_METHOD_INVITE] = true,
        [DM_METHOD_OPTIONS] = true,
        [DM_METHOD_REGISTER] = true, /* the registrar says whether there is one */
        [DM_METHOD_BYE] = true,      /* they belong to dialogs: 481 says more than 405 */
        [DM_METHOD_UPDATE] = true,
        [DM_METHOD_PRACK] = true,
        [DM_METHOD_INFO] = true,
        [DM_METHOD_NOTIFY] = true,
        [DM_METHOD_REFER] = true, /* 403 */
    };

    if (known_outside[request->method]) {
        return true;
    }
    return fail(fault, request->method == DM_METHOD_OTHER ? 501 : 405, "Allow", DM_SIP_ALLOW);
}

static bool
check_scheme(const DmSipMessage *request, DmRequestFault *fault)
{
    const url_t *uri = request->sip->sip_request->rq_url;

    return uri->url_type == url_sip || uri->url_type == url_sips || uri->url_type == url_tel ||
           fail(fault, 416, NULL, "");
}

unsigned
dm_request_max_forwards(const DmSipMessage *request)
{
    const sip_max_forwards_t *header = request->sip->sip_max_forwards;

    /* Without one the hop is the first: what goes on carries the usual 70 (SIG-2). */
    return header != NULL ? (unsigned)MIN(header->mf_count, 255) : 71;
}

/* RFC 3261, 11: who is asked for abilities with 0 hops left is the one meant. */
static bool
check_hops(const DmSipMessage *request, DmRequestFault *fault)
{
    return dm_request_max_forwards(request) > 0 || request->method == DM_METHOD_OPTIONS ||
           fail(fault, 483, NULL, "");
}

static bool
is_known_extension(DmSipMethod method, const char *tag)
{
    static const char *const of_calls[] = {"100rel", "timer", "replaces", "norefersub", NULL};
    static const char *const of_registrations[] = {"path", "outbound", "gin", NULL};
    const char *const *known = method == DM_METHOD_REGISTER ? of_registrations : of_calls;

    for (; *known != NULL; known++) {
        if (strcasecmp(tag, *known) == 0) {
            return true;
        }
    }
    return false;
}

static bool
check_require(const DmSipMessage *request, DmRequestFault *fault)
{
    const sip_require_t *require = request->sip->sip_require;
    g_autoptr(GString) tags = g_string_new(NULL);

    for (unsigned i = 0; require != NULL && require->k_items != NULL &&
                         require->k_items[i] != NULL && tags->len < 200;
         i++) {
        if (!is_known_extension(request->method, require->k_items[i])) {
            g_string_append_printf(tags, "%s%s", tags->len > 0 ? ", " : "", require->k_items[i]);
        }
    }
    return tags->len == 0 || fail(fault, 420, "Unsupported", tags->str);
}

static bool
has_body(const sip_t *sip)
{
    return sip->sip_payload != NULL && sip->sip_payload->pl_len > 0;
}

static bool
may_be_ignored(const sip_t *sip)
{
    const sip_content_disposition_t *disposition = sip->sip_content_disposition;

    return disposition != NULL && disposition->cd_optional;
}

static bool
check_body(const DmSipMessage *request, DmRequestFault *fault)
{
    const sip_t *sip = request->sip;
    const char *type = sip->sip_content_type != NULL ? sip->sip_content_type->c_type : NULL;

    if (!has_body(sip) || may_be_ignored(sip) ||
        (request->method != DM_METHOD_INVITE && request->method != DM_METHOD_UPDATE)) {
        return true;
    }
    if (sip->sip_content_encoding != NULL && sip->sip_content_encoding->k_items != NULL &&
        sip->sip_content_encoding->k_items[0] != NULL &&
        strcasecmp(sip->sip_content_encoding->k_items[0], "identity") != 0) {
        return fail(fault, 415, "Accept-Encoding", "identity");
    }
    if (type != NULL &&
        (strcasecmp(type, DM_SIP_ACCEPT) == 0 || strncasecmp(type, "multipart/", 10) == 0)) {
        return true;
    }
    return fail(fault, 415, "Accept", DM_SIP_ACCEPT ", multipart/mixed");
}

/* Who will not hear of descriptions cannot be called with one. */
static bool
check_accept(const DmSipMessage *request, DmRequestFault *fault)
{
    const sip_accept_t *accept = request->sip->sip_accept;

    if (request->method != DM_METHOD_INVITE || accept == NULL) {
        return true;
    }
    for (; accept != NULL; accept = accept->ac_next) {
        const char *type = accept->ac_type;

        if (type == NULL || strcasecmp(type, DM_SIP_ACCEPT) == 0 ||
            strcasecmp(type, "application/*") == 0 || strncmp(type, "*", 1) == 0) {
            return true;
        }
    }
    return fail(fault, 406, NULL, "");
}

static bool
run_checks(const Check *checks, size_t n, const DmSipMessage *request, DmRequestFault *fault)
{
    *fault = (DmRequestFault){0};
    for (size_t i = 0; i < n; i++) {
        if (!checks[i](request, fault)) {
            return false;
        }
    }
    return true;
}

bool
dm_request_check(const DmSipMessage *request, DmRequestFault *out_fault)
{
    static const Check checks[] = {
        check_method,
        check_scheme,
        check_hops,
        check_require,
        check_body,
        check_accept,
    };

    return run_checks(checks, G_N_ELEMENTS(checks), request, out_fault);
}

bool
dm_request_check_in_dialog(const DmSipMessage *request, DmRequestFault *out_fault)
{
    static const Check checks[] = {check_require, check_body};

    return run_checks(checks, G_N_ELEMENTS(checks), request, out_fault);
}

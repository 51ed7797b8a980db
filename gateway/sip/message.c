/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/message.h"

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/msg_header.h>
#include <sofia-sip/msg_mclass.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_status.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/sip/message-priv.h"

DM_LOG_TOPIC("sip-message");

/* Of a header; longer ones are nobody's. */
#define MAX_NAME 64

/* What a message of ours usually takes from its arena, fetched at once: it is made of a hundred
 * small pieces. */
#define ARENA_BYTES 6144

/* Headers whose fault makes a message faulty. Any other is treated as absent (RFC 3261, 8.2: be
 * liberal). */
static const char *const headers_that_matter[] = {
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Max-Forwards",
    "Require",
    "Content-Type",
    "Expires",
    "Proxy-Require",
    "Content-Length",
    "Content-Encoding",
    "Replaces",
    "RAck",
    "RSeq",
    "Session-Expires",
    "Min-SE",
    "Refer-To",
    "Event",
};

static msg_pub_t *
public_part(sip_t *sip)
{
    return (msg_pub_t *)sip;
}

static DmSipMessage *
wrap(msg_t *msg)
{
    DmSipMessage *message = su_zalloc(msg_home(msg), sizeof(*message));

    if (message == NULL) {
        g_error("out of memory");
    }
    message->msg = msg;
    message->sip = sip_object(msg);
    message->home = msg_home(msg);
    return message;
}

static bool
matters(const char *header)
{
    for (size_t i = 0; i < G_N_ELEMENTS(headers_that_matter); i++) {
        if (header != NULL && strcasecmp(header, headers_that_matter[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What Sofia could not parse is listed as an error with the header's name; a second one of what may
 * be there once is listed as itself. */
static bool
has_fault_that_matters(const sip_t *sip)
{
    for (const sip_error_t *e = sip->sip_error; e != NULL; e = e->er_next) {
        msg_hclass_t *class = e->er_common->h_class;
        const char *name = class == sip_error_class ? e->er_name : class->hc_name;

        if (matters(name)) {
            return true;
        }
    }
    return false;
}

/* RFC 3261, 19.1.1: no headers in a Request-URI. */
static bool
is_faulty(const sip_t *sip)
{
    const sip_request_t *request = sip->sip_request;

    return (sip->sip_flags & (MSG_FLG_ERROR | MSG_FLG_TRUNC)) != 0 ||
           (request != NULL && request->rq_url->url_headers != NULL) || sip->sip_via == NULL ||
           sip->sip_from == NULL || sip->sip_to == NULL || sip->sip_call_id == NULL ||
           sip->sip_cseq == NULL || has_fault_that_matters(sip);
}

/* RFC 3261, 7.3.1: a line that starts with a space goes on from the one before. Sofia keeps line
 * breaks inside some values and prints them without the space after them, which would make a header
 * of ours from a stranger's line. Returns a copy with spaces instead, or NULL when nothing is
 * folded. */
static char *
unfolded_copy(const char *data, size_t size, size_t head_len)
{
    const char *end = data + head_len;
    const char *p = data;
    char *copy = NULL;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL && ++p < end) {
        size_t newline = (size_t)(p - data) - 1;

        if (*p != ' ' && *p != '\t') {
            continue;
        }
        if (copy == NULL) {
            copy = g_memdup2(data, size);
        }
        copy[newline] = ' ';
        if (newline > 0 && data[newline - 1] == '\r') {
            copy[newline - 1] = ' ';
        }
    }
    return copy;
}

DmSipMessage *
dm_sip_message_parse(const char *data,
                     size_t len,
                     const DmScan *scan,
                     const DmSipFlow *flow,
                     bool *out_faulty)
{
    msg_t *msg;
    DmSipMessage *message;
    sip_t *sip;
    size_t size = scan->head_len + scan->body_len;
    g_autofree char *unfolded = NULL;

    g_return_val_if_fail(size <= len, NULL);
    *out_faulty = false;
    unfolded = unfolded_copy(data, size, scan->head_len);
    msg = msg_make(sip_default_mclass(), 0, unfolded != NULL ? unfolded : data, (ssize_t)size);
    sip = msg != NULL ? sip_object(msg) : NULL;
    if (sip == NULL || (scan->is_request ? sip->sip_request == NULL : sip->sip_status == NULL)) {
        msg_destroy(msg);
        return NULL;
    }
    message = wrap(msg);
    message->flow = *flow;
    message->method = scan->method;
    *out_faulty = is_faulty(sip);
    return message;
}

DmSipMessage *
dm_sip_message_new(void)
{
    msg_t *msg = msg_create(sip_default_mclass(), 0);

    if (msg == NULL) {
        g_error("out of memory");
    }
    su_home_preload(msg_home(msg), 1, ARENA_BYTES);
    return wrap(msg);
}

void
dm_sip_message_free(DmSipMessage *message)
{
    if (message != NULL) {
        msg_destroy(message->msg); /* the message itself lives in its arena */
    }
}

/* --- responses --- */

static void
insert(DmSipMessage *message, void *header)
{
    if (header != NULL) {
        msg_header_insert(message->msg, public_part(message->sip), header);
    }
}

static void
copy_header(DmSipMessage *message, const void *header)
{
    if (header != NULL) {
        msg_header_add_dup(message->msg, public_part(message->sip), header);
    }
}

/* RFC 3261, 18.2.1 and RFC 3581, 4. A received parameter of the request's own is replaced. */
static void
mark_source(DmSipMessage *response, const DmSipFlow *flow)
{
    sip_via_t *via = response->sip->sip_via;
    char host[DM_ADDRESS_TEXT_MAX];
    bool rport;

    if (via == NULL || !dm_address_is_set(&flow->remote)) {
        return;
    }
    rport = via->v_rport != NULL;
    if (via->v_received != NULL) {
        msg_header_remove_param(via->v_common, "received");
    }
    if (rport || !dm_sip_host_is((DmSpan){via->v_host, strlen(via->v_host)}, &flow->remote)) {
        msg_header_replace_param(
            response->home,
            via->v_common,
            su_strcat(response->home, "received=", dm_address_host(&flow->remote, host)));
    }
    if (rport) {
        char port[DM_DIGITS_MAX + 1] = "";

        dm_text_digits(port, dm_address_port(&flow->remote), 1);
        msg_header_replace_param(response->home,
                                 via->v_common,
                                 su_strcat(response->home, "rport=", port));
    }
}

/* RFC 3261, 12.1.1: what makes a dialog takes the route back with it. */
static bool
makes_dialog(DmSipMethod method, unsigned status)
{
    return (method == DM_METHOD_INVITE || method == DM_METHOD_SUBSCRIBE ||
            method == DM_METHOD_REFER || method == DM_METHOD_NOTIFY) &&
           status > 100 && status < 300;
}

DmSipMessage *
dm_sip_response_new(const DmSipMessage *request,
                    unsigned status,
                    const char *phrase,
                    const char *to_tag)
{
    const sip_t *sip = request->sip;
    DmSipMessage *response;

    g_return_val_if_fail(sip->sip_request != NULL, NULL);
    response = dm_sip_message_new();
    response->method = request->method;
    response->flow = request->flow;
    insert(response, sip_status_create(response->home, status, phrase, SIP_VERSION_CURRENT));
    copy_header(response, sip->sip_via);
    mark_source(response, &request->flow);
    if (makes_dialog(request->method, status)) {
        copy_header(response, sip->sip_record_route);
    }
    copy_header(response, sip->sip_from);
    copy_header(response, sip->sip_to);
    if (status > 100 && to_tag != NULL && response->sip->sip_to != NULL &&
        response->sip->sip_to->a_tag == NULL) {
        sip_to_tag(response->home, response->sip->sip_to, to_tag);
    }
    copy_header(response, sip->sip_call_id);
    copy_header(response, sip->sip_cseq);
    if (status == 100) {
        copy_header(response, sip->sip_timestamp);
    }
    return response;
}

/* --- building --- */

static bool
is_clean(const char *value)
{
    for (const unsigned char *p = (const unsigned char *)value; *p != '\0'; p++) {
        if ((*p < ' ' && *p != '\t') || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

static void
remove_header(DmSipMessage *message, void *header)
{
    if (header != NULL) {
        msg_header_remove(message->msg, public_part(message->sip), header);
    }
}

/* Sofia's msg_header_parse_str() would put the header behind the body of a message that has one,
 * and print what it could not parse all the same: so each header is made on its own, then inserted.
 */
static msg_header_t *
make_header(DmSipMessage *message, const char *name, const char *value)
{
    char named[MAX_NAME + 2];
    isize_t start = 0;
    const msg_href_t *ref;
    msg_hclass_t *class;

    g_strlcpy(named, name, sizeof named);
    g_strlcat(named, ":", sizeof named);
    ref = msg_find_hclass(msg_mclass(message->msg), named, &start);
    class = ref != NULL ? ref->hr_class : NULL;

    if (class == NULL || class == sip_error_class) {
        return NULL;
    }
    if (class == sip_unknown_class) {
        return msg_header_make(message->home, class, su_strcat(message->home, named, value));
    }
    if (class->hc_kind == msg_kind_single &&
        msg_header_access(public_part(message->sip), class) != NULL) {
        return NULL; /* there already */
    }
    return msg_header_make(message->home, class, value);
}

bool
dm_sip_message_add(DmSipMessage *message, const char *name, const char *value)
{
    msg_header_t *header;

    if (strlen(name) > MAX_NAME || !dm_span_is_token((DmSpan){name, strlen(name)}) ||
        !is_clean(value)) {
        return false;
    }
    header = make_header(message, name, value);
    return header != NULL &&
           msg_header_insert(message->msg, public_part(message->sip), header) == 0;
}

const char *
dm_sip_message_extension(const sip_t *sip, const char *name)
{
    for (const sip_unknown_t *h = sip->sip_unknown; h != NULL; h = h->un_next) {
        if (h->un_name != NULL && h->un_value != NULL && strcasecmp(h->un_name, name) == 0) {
            return h->un_value;
        }
    }
    return NULL;
}

void
dm_sip_message_set_body(DmSipMessage *message, const char *type, const char *body, size_t len)
{
    sip_t *sip = message->sip;

    remove_header(message, sip->sip_payload);
    remove_header(message, sip->sip_content_type);
    remove_header(message, sip->sip_content_length);
    if (type == NULL) {
        len = 0;
    } else {
        insert(message, sip_content_type_make(message->home, type));
        insert(message, sip_payload_create(message->home, body, (isize_t)len));
    }
    insert(message, sip_content_length_create(message->home, (uint32_t)len));
}

static bool
is_complete(const sip_t *sip)
{
    return (sip->sip_request != NULL) != (sip->sip_status != NULL) && sip->sip_from != NULL &&
           sip->sip_to != NULL && sip->sip_call_id != NULL && sip->sip_cseq != NULL;
}

bool
dm_sip_message_print(DmSipMessage *message, GString *out)
{
    sip_t *sip = message->sip;

    if (!is_complete(sip)) {
        dm_warning(NULL, "a message without its mandatory headers was not printed");
        return false;
    }
    if (sip->sip_content_length == NULL) {
        size_t len = sip->sip_payload != NULL ? sip->sip_payload->pl_len : 0;

        insert(message, sip_content_length_create(message->home, (uint32_t)len));
    }
    if (sip->sip_separator == NULL) {
        insert(message, sip_separator_create(message->home));
    }
    if (msg_serialize(message->msg, public_part(sip)) < 0 || msg_prepare(message->msg) < 0) {
        dm_warning(NULL, "a message could not be put in order and was not printed");
        return false;
    }
    for (const msg_header_t *h = *msg_chain_head(message->msg); h != NULL; h = h->sh_succ) {
        dm_text_add_len(out, h->sh_data, h->sh_len);
    }
    return true;
}

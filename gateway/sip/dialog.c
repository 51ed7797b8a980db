/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dialog.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3261, 8.1.1.3 has such a name for those who do not give theirs. */
#define NOBODY "sip:anonymous@anonymous.invalid"

/* What it keeps of messages is their text: parsed, it takes more than twice as much, and a call has
 * two dialogs as long as it stands. */
struct DmDialog {
    DmSipFlow flow;               /* of the message that made it */
    char *local, *remote;         /* as From and To have them, with the tags */
    char *local_tag, *remote_tag; /* "": none */
    char *call_id;
    char *route; /* as Route has it, first hop first; NULL: none */
    char *target;
    uint32_t local_cseq, remote_cseq;
    bool has_remote_cseq;
};

/* What may stand in a request line, and can be read again when it is printed: the parser lets more
 * pass than that. */
static bool
is_usable(su_home_t *home, const url_t *url)
{
    const char *text;

    if ((url->url_type != url_sip && url->url_type != url_sips) || url->url_host == NULL ||
        *url->url_host == '\0') {
        return false;
    }
    text = url_as_string(home, url);
    for (const char *p = text; p != NULL && *p != '\0'; p++) {
        if (*p <= ' ' || *p >= 0x7f || strchr("<>\"", *p) != NULL) {
            return false;
        }
    }
    return text != NULL && url_make(home, text) != NULL;
}

/* The first Contact, when a request can be sent to it. Borrowed. */
static const url_t *
contact_of(const DmSipMessage *message)
{
    const sip_contact_t *contact = message->sip->sip_contact;

    return contact != NULL && is_usable(message->home, contact->m_url) ? contact->m_url : NULL;
}

/* A route with a hop that cannot be named is no route. */
static const sip_record_route_t *
route_of(const DmSipMessage *message)
{
    const sip_record_route_t *route = message->sip->sip_record_route;

    for (const sip_record_route_t *hop = route; hop != NULL; hop = hop->r_next) {
        if (!is_usable(message->home, hop->r_url)) {
            return NULL;
        }
    }
    return route;
}

/* Where a peer without a usable Contact is: what it calls itself, else where it sends from. */
static const url_t *
target_of(const DmSipMessage *message, const url_t *peer)
{
    const url_t *contact = contact_of(message);
    char host[DM_ADDRESS_TEXT_MAX];

    if (contact != NULL) {
        return contact;
    }
    if (is_usable(message->home, peer)) {
        return peer;
    }
    return url_format(message->home,
                      "sip:%s:%u",
                      dm_address_uri_host(&message->flow.remote, host),
                      dm_address_port(&message->flow.remote));
}

/* What a header says; @home: for a moment. */
static char *
text_of(su_home_t *home, const void *header)
{
    char *text = sip_header_as_string(home, header);
    char *own = g_strdup(text);

    su_free(home, text);
    return own;
}

/* From or To; what we could not read again would be missing in every request. The tag is what
 * counts (RFC 3261, 12.2.1.1). */
static char *
party_text(su_home_t *home, const sip_addr_t *party)
{
    char *text = text_of(home, party);

    if (sip_from_make(home, text) != NULL) {
        return text;
    }
    g_free(text);
    return party->a_tag != NULL ? g_strconcat("<" NOBODY ">;tag=", party->a_tag, NULL)
                                : g_strdup("<" NOBODY ">");
}

/* RFC 3261, 19.1.1: headers of a URI have no place in a request line. */
static char *
uri_text(su_home_t *home, const url_t *uri)
{
    url_t bare = *uri;
    char *text;
    char *own;

    bare.url_headers = NULL;
    text = url_as_string(home, &bare);
    own = g_strdup(text);
    su_free(home, text);
    return own;
}

static DmDialog *
dialog_new(const DmSipMessage *message, const url_t *peer)
{
    DmDialog *dialog = g_new0(DmDialog, 1);

    dialog->flow = message->flow;
    dialog->call_id = g_strdup(message->sip->sip_call_id->i_id);
    dialog->target = uri_text(message->home, target_of(message, peer));
    return dialog;
}

static bool
is_loose(const char *parameter)
{
    return g_ascii_strcasecmp(parameter, "lr") == 0 ||
           g_ascii_strncasecmp(parameter, "lr=", 3) == 0;
}

/* Some proxies forget the brackets, or put "lr" behind them. Sofia's sip_route_fixdup() and
 * sip_route_reverse() would mend that, but look for it in what they did before, and crash where the
 * next hop has no parameters. */
static char *
hop_text(su_home_t *home, const sip_route_t *route)
{
    sip_route_t hop;

    sip_route_init(&hop);
    *hop.r_url = *route->r_url;
    hop.r_params = route->r_params;
    if (hop.r_url->url_params == NULL && hop.r_params != NULL && hop.r_params[0] != NULL &&
        is_loose(hop.r_params[0])) {
        hop.r_url->url_params = hop.r_params[0];
        hop.r_params++;
    }
    return text_of(home, &hop);
}

/* RFC 3261, 12.1: as they stand where we are called, @reversed where we call. */
static void
set_route_set(DmDialog *dialog, su_home_t *home, const sip_route_t *route, bool reversed)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (; route != NULL; route = route->r_next) {
        g_autofree char *hop = hop_text(home, route);

        if (text->len > 0) {
            g_string_insert(text, reversed ? 0 : -1, ", ");
        }
        g_string_insert(text, reversed ? 0 : -1, hop);
    }
    if (text->len > 0 && sip_route_make(home, text->str) == NULL) {
        g_string_truncate(text, 0);
    }
    g_free(dialog->route);
    dialog->route = text->len > 0 ? g_strndup(text->str, text->len) : NULL;
}

DmDialog *
dm_dialog_new_uac(const DmSipMessage *response)
{
    const sip_t *sip = response->sip;
    DmDialog *dialog = dialog_new(response, sip->sip_to->a_url);

    dialog->local = party_text(response->home, sip->sip_from);
    dialog->local_tag = g_strdup(sip->sip_from->a_tag != NULL ? sip->sip_from->a_tag : "");
    dialog->remote = party_text(response->home, sip->sip_to);
    dialog->remote_tag = g_strdup(sip->sip_to->a_tag != NULL ? sip->sip_to->a_tag : "");
    set_route_set(dialog, response->home, route_of(response), true);
    dialog->local_cseq = sip->sip_cseq->cs_seq;
    return dialog;
}

DmDialog *
dm_dialog_new_uas(const DmSipMessage *request, const char *local_tag)
{
    const sip_t *sip = request->sip;
    DmDialog *dialog = dialog_new(request, sip->sip_from->a_url);
    sip_to_t *tagged = sip_to_dup(request->home, sip->sip_to);

    sip_to_tag(request->home, tagged, local_tag);
    dialog->local = party_text(request->home, tagged);
    dialog->local_tag = g_strdup(local_tag);
    dialog->remote = party_text(request->home, sip->sip_from);
    dialog->remote_tag = g_strdup(sip->sip_from->a_tag != NULL ? sip->sip_from->a_tag : "");
    set_route_set(dialog, request->home, route_of(request), false);
    dialog->remote_cseq = sip->sip_cseq->cs_seq;
    dialog->has_remote_cseq = true;
    return dialog;
}

void
dm_dialog_free(DmDialog *dialog)
{
    if (dialog != NULL) {
        g_free(dialog->local);
        g_free(dialog->local_tag);
        g_free(dialog->remote);
        g_free(dialog->remote_tag);
        g_free(dialog->call_id);
        g_free(dialog->route);
        g_free(dialog->target);
        g_free(dialog);
    }
}

const char *
dm_dialog_call_id(const DmDialog *dialog)
{
    return dialog->call_id;
}

const char *
dm_dialog_local_tag(const DmDialog *dialog)
{
    return dialog->local_tag;
}

const char *
dm_dialog_remote_tag(const DmDialog *dialog)
{
    return dialog->remote_tag;
}

bool
dm_dialog_owns_request(const DmDialog *dialog, const DmSipMessage *request)
{
    const sip_t *sip = request->sip;
    const char *theirs = sip->sip_from->a_tag != NULL ? sip->sip_from->a_tag : "";
    const char *ours = sip->sip_to->a_tag != NULL ? sip->sip_to->a_tag : "";

    return strcmp(sip->sip_call_id->i_id, dm_dialog_call_id(dialog)) == 0 &&
           g_ascii_strcasecmp(theirs, dm_dialog_remote_tag(dialog)) == 0 &&
           g_ascii_strcasecmp(ours, dm_dialog_local_tag(dialog)) == 0;
}

DmCseqVerdict
dm_dialog_take_cseq(DmDialog *dialog, const DmSipMessage *request)
{
    uint32_t cseq = request->sip->sip_cseq->cs_seq;

    if (dialog->has_remote_cseq && cseq <= dialog->remote_cseq) {
        return DM_CSEQ_OLD;
    }
    dialog->remote_cseq = cseq;
    dialog->has_remote_cseq = true;
    return DM_CSEQ_OK;
}

char *
dm_dialog_target(const DmDialog *dialog)
{
    return g_strdup(dialog->target);
}

uint32_t
dm_dialog_cseq(const DmDialog *dialog)
{
    return dialog->local_cseq;
}

void
dm_dialog_set_cseq(DmDialog *dialog, uint32_t cseq)
{
    dialog->local_cseq = cseq;
}

void
dm_dialog_refresh_target(DmDialog *dialog, const DmSipMessage *message)
{
    const url_t *fresh = contact_of(message);

    if (fresh != NULL) {
        g_free(dialog->target);
        dialog->target = uri_text(message->home, fresh);
    }
}

void
dm_dialog_confirm(DmDialog *dialog, const DmSipMessage *response)
{
    dm_dialog_refresh_target(dialog, response);
    set_route_set(dialog, response->home, route_of(response), true);
    dialog->flow = response->flow;
}

/* RFC 3261, 12.2.1.1: to a loose router the target stays in the Request-URI; a strict one is put
 * there itself, and the target ends the route. */
static void
set_route(const DmDialog *dialog, DmSipMessage *request, const url_t **out_uri)
{
    url_t *target = url_make(request->home, dialog->target);
    sip_route_t *route =
        dialog->route != NULL ? sip_route_make(request->home, dialog->route) : NULL;

    *out_uri = target;
    if (route != NULL && !url_has_param(route->r_url, "lr")) {
        sip_route_t *last = sip_route_create(request->home, target, NULL);
        sip_route_t **end = &route;

        while (*end != NULL) {
            end = &(*end)->r_next;
        }
        *end = last;
        *out_uri = route->r_url;
        /* a copy: what was read behind a comma is printed with the one before it, or not at all */
        route = sip_route_dup(request->home, route->r_next);
    }
    if (route != NULL) {
        msg_header_insert(request->msg, (msg_pub_t *)request->sip, (msg_header_t *)route);
    }
}

static void
insert(DmSipMessage *request, void *header)
{
    msg_header_insert(request->msg, (msg_pub_t *)request->sip, header);
}

DmSipMessage *
dm_dialog_request(DmDialog *dialog, DmSipMethod method, uint32_t invite_cseq)
{
    const char *name = dm_method_name(method);
    sip_method_t code = sip_method_code(name);
    DmSipMessage *request = dm_sip_message_new();
    uint32_t cseq = method == DM_METHOD_ACK ? invite_cseq : ++dialog->local_cseq;
    const url_t *uri;

    request->method = method;
    set_route(dialog, request, &uri);
    insert(request, sip_request_create(request->home, code, name, (const url_string_t *)uri, NULL));
    insert(request, sip_from_make(request->home, dialog->local));
    insert(request, sip_to_make(request->home, dialog->remote));
    insert(request, sip_call_id_make(request->home, dialog->call_id));
    insert(request, sip_cseq_create(request->home, cseq, code, name));
    insert(request, sip_max_forwards_make(request->home, "70"));
    return request;
}

static bool
is_believable(const DmAddress *hop, const DmAddress *source)
{
    return !dm_address_is_any(hop) && !dm_address_is_multicast(hop) &&
           (!dm_address_is_private(hop) || dm_address_is_private(source)) &&
           (!dm_address_is_loopback(hop) || dm_address_is_loopback(source));
}

/* The URI of where requests go first, in @home. NULL: it cannot be read. */
static const url_t *
first_hop(const DmDialog *dialog, su_home_t *home)
{
    const sip_route_t *route;

    if (dialog->route == NULL) {
        return url_make(home, dialog->target);
    }
    route = sip_route_make(home, dialog->route);
    return route != NULL ? route->r_url : NULL;
}

/* Its address, when it is one, and its port; the port by its scheme's default. */
static bool
first_address(const DmDialog *dialog, DmAddress *out, uint16_t *out_port)
{
    su_home_t home = SU_HOME_INIT(home);
    const url_t *hop;
    unsigned long port;
    bool is_address;

    su_home_init(&home);
    hop = first_hop(dialog, &home);
    port = hop != NULL && hop->url_port != NULL ? strtoul(hop->url_port, NULL, 10) : 0;
    if (port == 0 || port > 65535) {
        port = dialog->flow.transport == DM_TRANSPORT_TLS ? 5061 : 5060;
    }
    *out_port = (uint16_t)port;
    is_address = hop != NULL && hop->url_host != NULL &&
                 dm_address_parse(out, hop->url_host, (uint16_t)port);
    su_home_deinit(&home);
    return is_address;
}

void
dm_dialog_flow(const DmDialog *dialog, const DmSipWire *wire, DmSipFlow *out_flow)
{
    DmAddress address;
    uint16_t port;

    *out_flow = dialog->flow;
    if (!first_address(dialog, &address, &port) || !is_believable(&address, &dialog->flow.remote)) {
        address = dialog->flow.remote;
        dm_address_set_port(&address, port);
        out_flow->fallback = address;
        return;
    }
    if (dialog->flow.connection != 0 && dm_address_same_host(&address, &dialog->flow.remote)) {
        out_flow->fallback = address; /* its connection serves, as long as it lives */
        return;
    }
    if (!wire->ops->flow_to(wire->wire,
                            dialog->flow.listener,
                            dialog->flow.transport,
                            &address,
                            out_flow)) {
        *out_flow = dialog->flow;
    }
}

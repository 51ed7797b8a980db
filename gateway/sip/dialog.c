/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/dialog.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <stdlib.h>
#include <string.h>

/* What it keeps of messages are copies without a home, a block each: a home costs more than all of
 * them, and a call has two dialogs as long as it stands. */
struct DmDialog {
    DmSipFlow flow; /* of the message that made it */
    sip_from_t *local;
    sip_to_t *remote;
    sip_call_id_t *call_id;
    sip_route_t *route; /* first hop first */
    url_t *target;
    uint32_t local_cseq, remote_cseq;
    bool has_remote_cseq;
};

/* What may stand in a request line: the parser lets more pass than that. */
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
    return text != NULL;
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

static DmDialog *
dialog_new(const DmSipMessage *message, const url_t *peer)
{
    DmDialog *dialog = g_new0(DmDialog, 1);

    dialog->flow = message->flow;
    dialog->call_id = sip_call_id_dup(NULL, message->sip->sip_call_id);
    dialog->target = url_hdup(NULL, target_of(message, peer));
    return dialog;
}

static void
set_route_set(DmDialog *dialog, const sip_route_t *route)
{
    sip_route_t *next;

    for (sip_route_t *old = dialog->route; old != NULL; old = next) {
        next = old->r_next;
        su_free(NULL, old);
    }
    dialog->route = sip_route_dup(NULL, route);
}

DmDialog *
dm_dialog_new_uac(const DmSipMessage *response)
{
    const sip_t *sip = response->sip;
    DmDialog *dialog = dialog_new(response, sip->sip_to->a_url);

    dialog->local = sip_from_dup(NULL, sip->sip_from);
    dialog->remote = sip_to_dup(NULL, sip->sip_to);
    set_route_set(dialog, sip_route_reverse(response->home, route_of(response)));
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
    dialog->local =
        (sip_from_t *)msg_header_dup_as(NULL, sip_from_class, (const msg_header_t *)tagged);
    dialog->remote =
        (sip_to_t *)msg_header_dup_as(NULL, sip_to_class, (const msg_header_t *)sip->sip_from);
    set_route_set(dialog, sip_route_fixdup(request->home, route_of(request)));
    dialog->remote_cseq = sip->sip_cseq->cs_seq;
    dialog->has_remote_cseq = true;
    return dialog;
}

void
dm_dialog_free(DmDialog *dialog)
{
    if (dialog != NULL) {
        set_route_set(dialog, NULL);
        su_free(NULL, dialog->local);
        su_free(NULL, dialog->remote);
        su_free(NULL, dialog->call_id);
        su_free(NULL, dialog->target);
        g_free(dialog);
    }
}

const char *
dm_dialog_call_id(const DmDialog *dialog)
{
    return dialog->call_id->i_id;
}

const char *
dm_dialog_local_tag(const DmDialog *dialog)
{
    return dialog->local->a_tag != NULL ? dialog->local->a_tag : "";
}

const char *
dm_dialog_remote_tag(const DmDialog *dialog)
{
    return dialog->remote->a_tag != NULL ? dialog->remote->a_tag : "";
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
    url_t target = *dialog->target;
    char *text;

    target.url_headers = NULL;
    text = url_as_string(NULL, &target);
    return text;
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
        su_free(NULL, dialog->target);
        dialog->target = url_hdup(NULL, fresh);
    }
}

void
dm_dialog_confirm(DmDialog *dialog, const DmSipMessage *response)
{
    dm_dialog_refresh_target(dialog, response);
    set_route_set(dialog, sip_route_reverse(response->home, route_of(response)));
    dialog->flow = response->flow;
}

/* RFC 3261, 12.2.1.1: to a loose router the target stays in the Request-URI; a strict one is put
 * there itself, and the target ends the route. */
static void
set_route(const DmDialog *dialog, DmSipMessage *request, const url_t **out_uri)
{
    sip_route_t *route = sip_route_dup(request->home, dialog->route);

    *out_uri = dialog->target;
    if (route != NULL && !url_has_param(route->r_url, "lr")) {
        sip_route_t *last = sip_route_create(request->home, dialog->target, NULL);
        sip_route_t **end = &route;

        while (*end != NULL) {
            end = &(*end)->r_next;
        }
        *end = last;
        *out_uri = route->r_url;
        route = route->r_next;
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
    insert(request, sip_from_dup(request->home, dialog->local));
    insert(request, sip_to_dup(request->home, dialog->remote));
    insert(request, sip_call_id_dup(request->home, dialog->call_id));
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

void
dm_dialog_flow(const DmDialog *dialog, const DmSipWire *wire, DmSipFlow *out_flow)
{
    const url_t *hop = dialog->route != NULL ? dialog->route->r_url : dialog->target;
    unsigned long port = hop->url_port != NULL ? strtoul(hop->url_port, NULL, 10) : 0;
    DmAddress address;

    *out_flow = dialog->flow;
    if (port == 0 || port > 65535) {
        port = dialog->flow.transport == DM_TRANSPORT_TLS ? 5061 : 5060;
    }
    if (hop->url_host == NULL || !dm_address_parse(&address, hop->url_host, (uint16_t)port) ||
        !is_believable(&address, &dialog->flow.remote)) {
        address = dialog->flow.remote;
        dm_address_set_port(&address, (uint16_t)port);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/msg_mime.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/thread.h"
#include "gateway/sip/leg-priv.h"

/* What messages tell of the peer: its description, its name, what it can do. */

static bool
is_type(const sip_content_type_t *type, const char *name)
{
    return type != NULL && type->c_type != NULL && strcasecmp(type->c_type, name) == 0;
}

/* The first part of a multipart body that is a description (RFC 5621). */
static const sip_payload_t *
find_part(const DmSipMessage *message)
{
    const sip_t *sip = message->sip;
    msg_multipart_t *part =
        msg_multipart_parse(message->home, sip->sip_content_type, sip->sip_payload);

    for (unsigned n = 0; part != NULL && n < 16; n++, part = part->mp_next) {
        if (is_type(part->mp_content_type, DM_SIP_ACCEPT)) {
            return part->mp_payload;
        }
    }
    return NULL;
}

bool
dm_sip_leg_read_sdp(const DmSipMessage *message, DmSdp **out_sdp)
{
    const sip_t *sip = message->sip;
    const sip_payload_t *body = NULL;

    *out_sdp = NULL;
    if (sip->sip_payload == NULL || sip->sip_payload->pl_len == 0) {
        return true;
    }
    if (is_type(sip->sip_content_type, DM_SIP_ACCEPT)) {
        body = sip->sip_payload;
    } else if (sip->sip_content_type != NULL && sip->sip_content_type->c_type != NULL &&
               strncasecmp(sip->sip_content_type->c_type, "multipart/", 10) == 0) {
        body = find_part(message);
    }
    if (body == NULL || body->pl_len == 0) {
        return true;
    }
    *out_sdp = dm_sdp_parse(body->pl_data, body->pl_len, NULL);
    return *out_sdp != NULL;
}

void
dm_sip_leg_write_sdp(DmSipLeg *leg, DmSipMessage *message, const DmSdp *sdp)
{
    g_autoptr(GString) text = g_string_sized_new(400);
    const DmAddress *ours =
        leg->core->wire.ops->advertised(leg->core->wire.wire, leg->flow.listener);

    if (sdp == NULL) {
        return;
    }
    dm_sdp_print(sdp, &leg->origin, ours, dm_random_u64(leg->core->random), text);
    dm_sip_message_set_body(message, DM_SIP_ACCEPT, text->str, text->len);
}

void
dm_sip_leg_set_remote_sdp(DmSipLeg *leg, const DmSdp *sdp)
{
    if (sdp != NULL) {
        DmSdp *kept = dm_sdp_ref(sdp);

        g_clear_pointer(&leg->remote_sdp, dm_sdp_unref);
        leg->remote_sdp = kept;
    }
}

/* --- who it is and what it can --- */

static void
take_user_agent(DmSipLeg *leg, const DmSipMessage *message)
{
    const sip_t *sip = message->sip;
    const char *text = "";

    if (*leg->facts.user_agent != '\0') {
        return;
    }
    if (sip->sip_user_agent != NULL) {
        text = sip->sip_user_agent->g_string;
    } else if (sip->sip_server != NULL) {
        text = sip->sip_server->g_string;
    }
    g_free((char *)leg->facts.user_agent);
    leg->facts.user_agent = g_utf8_make_valid(text, (gssize)strnlen(text, 128));
}

static uint32_t
method_bit(const char *name)
{
    for (unsigned method = 0; method < DM_METHOD_OTHER; method++) {
        if (strcasecmp(name, dm_method_name(method)) == 0) {
            return 1U << method;
        }
    }
    return 0;
}

static void
take_methods(DmSipLeg *leg, const sip_allow_t *allow)
{
    leg->peer_methods = 0;
    for (unsigned i = 0; allow->k_items != NULL && allow->k_items[i] != NULL; i++) {
        leg->peer_methods |= method_bit(allow->k_items[i]);
    }
}

void
dm_sip_leg_learn(DmSipLeg *leg, const DmSipMessage *message)
{
    take_user_agent(leg, message);
    if (message->sip->sip_allow != NULL) {
        take_methods(leg, message->sip->sip_allow);
    }
}

bool
dm_sip_leg_peer_allows(const DmSipLeg *leg, DmSipMethod method)
{
    return (leg->peer_methods & (1U << method)) != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/thread.h"
#include "gateway/sdp/slim.h"
#include "gateway/sip/bodies.h"
#include "gateway/sip/leg-priv.h"

/* What messages tell of the peer: its description, its name, what it can do. */

bool
dm_sip_leg_read_sdp(const DmSipMessage *message, DmSdp **out_sdp)
{
    return dm_sip_bodies_read_sdp(message->sip, out_sdp);
}

const DmAddress *
dm_sip_leg_advertised(const DmSipLeg *leg)
{
    const DmSipWire *wire = &leg->core->wire;

    return wire->ops->advertised(wire->wire, leg->listener);
}

void
dm_sip_leg_add_contact(const DmSipLeg *leg, DmSipMessage *message)
{
    DmSipFlow flow = {.transport = leg->facts.transport, .listener = leg->listener};

    dm_sip_add_contact(leg->core, message, dm_trunk_config(leg->trunk), &flow);
}

void
dm_sip_leg_write_sdp(DmSipLeg *leg, DmSipMessage *message, const DmSdp *sdp)
{
    g_autoptr(GString) text = g_string_sized_new(400);
    const DmAddress *ours = dm_sip_leg_advertised(leg);

    if (sdp == NULL) {
        return;
    }
    dm_sdp_print(sdp, &leg->origin, ours, dm_random_u64(leg->core->random), text);
    if (dm_fit_sdp(leg->slim) != 0) {
        dm_sdp_slim(text, dm_fit_sdp(leg->slim));
    }
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

/* --- where else --- */

#define MAX_CONTACTS 5
#define MAX_NUMBER   63 /* DmRelease.redirect_to */

/* RFC 3261, 20.10: without q it is wanted most. */
static unsigned
weight_of(const sip_contact_t *contact)
{
    return contact->m_q != NULL ? (unsigned)sip_q_value(contact->m_q) : 1000;
}

char *
dm_sip_number_of(const url_t *url)
{
    bool is_known =
        url->url_type == url_sip || url->url_type == url_sips || url->url_type == url_tel;
    const char *user = url->url_type == url_tel ? url->url_host : url->url_user;
    size_t len = user != NULL ? strcspn(user, ";") : 0;

    if (user == NULL && url->url_type == url_tel) {
        user = url->url_user;
        len = user != NULL ? strcspn(user, ";") : 0;
    }
    if (!is_known || len == 0 || len > MAX_NUMBER) {
        return g_strdup("");
    }
    for (size_t i = 0; i < len; i++) {
        if (!g_ascii_isalnum(user[i]) && strchr("+-._*#", user[i]) == NULL) {
            return g_strdup("");
        }
    }
    return g_strndup(user, len);
}

static const sip_contact_t *
best_below(const sip_contact_t *list, unsigned below)
{
    const sip_contact_t *best = NULL;
    unsigned n = 0;

    for (; list != NULL && n < 32; list = list->m_next, n++) {
        if (weight_of(list) < below && (best == NULL || weight_of(list) > weight_of(best))) {
            best = list;
        }
    }
    return best;
}

static void
add_equals(GPtrArray *numbers, const sip_contact_t *list, unsigned weight)
{
    for (unsigned n = 0; list != NULL && n < 32 && numbers->len < MAX_CONTACTS;
         list = list->m_next, n++) {
        char *number = weight_of(list) == weight ? dm_sip_number_of(list->m_url) : g_strdup("");

        if (*number != '\0') {
            g_ptr_array_add(numbers, number);
        } else {
            g_free(number);
        }
    }
}

GPtrArray *
dm_sip_leg_read_contacts(const DmSipMessage *response)
{
    int status = response->sip->sip_status->st_status;
    const sip_contact_t *list = response->sip->sip_contact;
    GPtrArray *numbers;

    if (status < 300 || status > 302 || list == NULL) {
        return NULL;
    }
    numbers = g_ptr_array_new_with_free_func(g_free);
    for (const sip_contact_t *best = best_below(list, 1001); best != NULL;
         best = best_below(list, weight_of(best))) {
        add_equals(numbers, list, weight_of(best));
    }
    return numbers;
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
        leg->facts.takes_refer = dm_sip_leg_peer_allows(leg, DM_METHOD_REFER);
    }
}

bool
dm_sip_leg_peer_allows(const DmSipLeg *leg, DmSipMethod method)
{
    return (leg->peer_methods & (1U << method)) != 0;
}

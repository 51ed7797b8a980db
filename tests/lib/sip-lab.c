/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sip-lab.h"

#include <string.h>

#include "gateway/sip/counters.h"

static void
replace(char **place, char *value)
{
    g_free(*place);
    *place = value;
}

void
sip_lab_set_up(SipLab *lab, const char *sip)
{
    g_autofree char *yaml =
        g_strdup_printf("trunks:\n"
                        "  - {id: pbx, role: pbx, endpoints: [{uri: 192.0.2.10}], sip: %s}\n"
                        "  - {id: carrier, role: carrier, endpoints: [{uri: 192.0.2.20}],\n"
                        "     domain: carrier.example, sip: %s}\n",
                        sip,
                        sip);

    *lab = (SipLab){.network = dm_sim_network_new(12)};
    lab->gateway = dm_sim_gateway_new(lab->network, "192.0.2.1:5060", yaml);
    lab->pbx = dm_sim_peer_new(lab->network, "192.0.2.10:5060", "192.0.2.1");
    lab->carrier = dm_sim_peer_new(lab->network, "192.0.2.20:5060", "192.0.2.1");
    lab->sdp = dm_sim_sdp(20000);
}

void
sip_lab_tear_down(SipLab *lab)
{
    dm_sim_peer_free(lab->pbx);
    dm_sim_peer_free(lab->carrier);
    dm_sim_gateway_free(lab->gateway);
    dm_sdp_unref(lab->sdp);
    g_free(lab->pbx_to);
    g_free(lab->pbx_target);
    g_free(lab->invite);
    dm_sim_network_free(lab->network);
}

void
sip_lab_assert_all_gone(SipLab *lab)
{
    dm_sim_network_run(lab->network, 300 * SIP_LAB_S);
    g_assert_cmpuint(dm_sip_stack_n_legs(lab->gateway->stack), ==, 0);
    g_assert_cmpint(dm_counter_value(&lab->gateway->counters[SIP_tx_active]), ==, 0);
}

void
sip_lab_run_ms(SipLab *lab, unsigned ms)
{
    dm_sim_network_run(lab->network, (int64_t)ms * SIP_LAB_MS);
}

const char *
sip_lab_events(const SipLab *lab)
{
    return lab->gateway->events->str;
}

/* --- the PBX --- */

void
sip_lab_pbx_invites(SipLab *lab, const char *headers, const char *body)
{
    g_autofree char *all =
        g_strconcat("From: <sip:100@pbx.example>;tag=ft\r\nTo: <sip:+442@gw.example>\r\n"
                    "Call-ID: pbx-call\r\nCSeq: 1 INVITE\r\n",
                    headers,
                    NULL);

    dm_sim_peer_request(lab->pbx, "INVITE", "sip:+442@gw.example", "i1", all, body);
}

const char *
sip_lab_pbx_gets(SipLab *lab, const char *start)
{
    const char *message = dm_sim_peer_expect(lab->pbx, start);
    char *contact = dm_sim_header_uri(message, "Contact");

    if (contact != NULL) {
        replace(&lab->pbx_target, contact);
    }
    if (g_str_has_prefix(message, "SIP/2.0")) {
        replace(&lab->pbx_to, dm_sim_header(message, "To"));
    }
    return message;
}

void
sip_lab_pbx_says(SipLab *lab,
                 const char *method,
                 unsigned cseq,
                 const char *headers,
                 const char *body)
{
    g_autofree char *branch = g_strdup_printf("%s%u", method, cseq);
    g_autofree char *all =
        g_strdup_printf("From: <sip:100@pbx.example>;tag=ft\r\nTo: %s\r\nCall-ID: pbx-call\r\n"
                        "CSeq: %u %s\r\n%s",
                        lab->pbx_to,
                        cseq,
                        method,
                        headers);

    dm_sim_peer_request(lab->pbx, method, lab->pbx_target, branch, all, body);
}

void
sip_lab_pbx_up(SipLab *lab, const char *headers)
{
    sip_lab_pbx_invites(lab, headers, dm_sim_sdp_text);
    dm_sim_peer_expect(lab->pbx, "SIP/2.0 100");
    lab->gateway->leg->ops->answer(lab->gateway->leg, lab->sdp);
    sip_lab_pbx_gets(lab, "SIP/2.0 200");
    sip_lab_pbx_says(lab, "ACK", 1, "", NULL);
    sip_lab_run_ms(lab, 10);
}

/* --- the carrier --- */

const char *
sip_lab_carrier_invited(SipLab *lab)
{
    replace(&lab->invite, g_strdup(dm_sim_peer_expect(lab->carrier, "INVITE ")));
    return lab->invite;
}

const char *
sip_lab_dial(SipLab *lab)
{
    dm_sim_gateway_dial(lab->gateway, "carrier", "+442", lab->sdp);
    return sip_lab_carrier_invited(lab);
}

void
sip_lab_carrier_answers(SipLab *lab,
                        const char *status,
                        const char *tag,
                        const char *headers,
                        const char *body)
{
    dm_sim_peer_respond(lab->carrier, lab->invite, status, tag, headers, body);
}

void
sip_lab_carrier_says(SipLab *lab,
                     const char *method,
                     const char *tag,
                     unsigned cseq,
                     const char *headers,
                     const char *body)
{
    g_autofree char *from = dm_sim_header(lab->invite, "From");
    g_autofree char *to = dm_sim_header(lab->invite, "To");
    g_autofree char *id = dm_sim_header(lab->invite, "Call-ID");
    g_autofree char *target = dm_sim_header_uri(lab->invite, "Contact");
    g_autofree char *branch = g_strdup_printf("%s%s%u", method, tag, cseq);
    g_autofree char *own_tag =
        strstr(to, ";tag=") != NULL ? g_strdup("") : g_strdup_printf(";tag=%s", tag);
    g_autofree char *all =
        g_strdup_printf("From: %s%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n%s",
                        to,
                        own_tag,
                        from,
                        id,
                        cseq,
                        method,
                        headers);

    dm_sim_peer_request(lab->carrier, method, target, branch, all, body);
}

void
sip_lab_carrier_up(SipLab *lab, const char *headers)
{
    sip_lab_dial(lab);
    sip_lab_carrier_answers(lab, "200 OK", "ct", headers, dm_sim_sdp_text);
    dm_sim_peer_expect(lab->carrier, "ACK ");
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/lib/sip-gateway.h"
#include "tests/lib/sip-peer.h"

/* A gateway between a PBX ("pbx", 192.0.2.10) that calls it and a carrier ("carrier", 192.0.2.20)
 * that it calls; the test speaks for both, and is the gateway's call core. */
typedef struct {
    DmSimNetwork *network;
    DmSimGateway *gateway;
    DmSimPeer *pbx, *carrier;
    DmSdp *sdp;       /* what the gateway's call core says of itself, port 20000 */
    char *pbx_to;     /* To of the PBX's dialog, once it has a tag */
    char *pbx_target; /* where its requests go */
    char *invite;     /* the last that the carrier got */
} SipLab;

#define SIP_LAB_MS 1000
#define SIP_LAB_S  (1000LL * SIP_LAB_MS)

/* @sip: members of "sip" on both trunks, in braces: "{rel100: off}". */
void sip_lab_set_up(SipLab *lab, const char *sip);
void sip_lab_tear_down(SipLab *lab);
/* Nothing is left once every transaction is forgotten. */
void sip_lab_assert_all_gone(SipLab *lab);
void sip_lab_run_ms(SipLab *lab, unsigned ms);
const char *sip_lab_events(const SipLab *lab);

/* The PBX's first INVITE; @headers: whole lines; @body may be NULL. */
void sip_lab_pbx_invites(SipLab *lab, const char *headers, const char *body);
/* Takes the next message to the PBX that starts so, and from it the dialog. */
const char *sip_lab_pbx_gets(SipLab *lab, const char *start);
void sip_lab_pbx_says(SipLab *lab,
                      const char *method,
                      unsigned cseq,
                      const char *headers,
                      const char *body);
/* A call from the PBX, answered and acknowledged: CSeq 1. */
void sip_lab_pbx_up(SipLab *lab, const char *headers);

/* The gateway dials; the carrier's copy of the INVITE is kept and returned. */
const char *sip_lab_dial(SipLab *lab);
/* The same for an INVITE that comes again. */
const char *sip_lab_carrier_invited(SipLab *lab);
/* The carrier answers the INVITE last kept. */
void sip_lab_carrier_answers(SipLab *lab,
                             const char *status,
                             const char *tag,
                             const char *headers,
                             const char *body);
/* A request of the carrier's fork @tag. */
void sip_lab_carrier_says(SipLab *lab,
                          const char *method,
                          const char *tag,
                          unsigned cseq,
                          const char *headers,
                          const char *body);
/* A call to the carrier, answered by fork "ct" and acknowledged. */
void sip_lab_carrier_up(SipLab *lab, const char *headers);

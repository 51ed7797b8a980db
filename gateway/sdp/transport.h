/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/negotiate.h"

/* How a stream is reached and where its keys come from, beside what SDES says: ICE (RFC 8839), of
 * which we are the lite side, and DTLS-SRTP (RFC 5763, RFC 8842). Pure: what is ours follows from
 * the leg's secret, and is the same as long as nothing makes it another. */

/* One attribute, "setup:actpass"; what is not of these is left alone. */
void dm_transport_parse(DmSdpMedia *line, const char *attribute);
bool dm_transport_is_attribute(const char *attribute);
void dm_transport_print(GString *out, const DmSdpMedia *line);
/* For the head of a description with such a line. */
void dm_transport_print_session(GString *out, const DmSdp *sdp);
bool dm_transport_equal(const DmSdpMedia *a, const DmSdpMedia *b);

/* ICE into an offer or an answer of ours. @previous: (nullable): the line as last sent. Of @line
 * everything else that matters is set. */
void dm_ice_offer(DmSdpMedia *line, const DmSdpPolicy *policy, const DmSdpMedia *previous);
void dm_ice_answer(DmSdpMedia *line, const DmSdpMedia *offered, const DmSdpPolicy *policy);
void dm_ice_side(const DmSdpMedia *ours, const DmSdpMedia *theirs, DmMediaSideSpec *out);

/* DTLS-SRTP for crypto.c, where @policy has it. */
bool dm_dtls_protects(const DmSdpMedia *offered, const DmSdpPolicy *policy);
void dm_dtls_offer(DmSdpMedia *line, const DmSdpPolicy *policy);
void dm_dtls_answer(DmSdpMedia *line, const DmSdpMedia *offered, const DmSdpPolicy *policy);
/* False: one of the two has no DTLS. */
bool dm_dtls_side(const DmSdpMedia *ours,
                  const DmSdpMedia *theirs,
                  const DmSdpPolicy *policy,
                  DmMediaSideSpec *out);

/* What of it must be remembered: see dm_sdp_keying_agreed(). */
void dm_transport_agreed(DmSdpKeying *keying,
                         const DmSdpMedia *theirs,
                         const DmMediaSideSpec *agreed,
                         bool we_answered);

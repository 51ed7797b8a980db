/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/spec.h"
#include "media/udptl/packet.h"

/* Fax between modem tones on one side and T.38 on the other (FAX-3): V.17, V.29 and V.27ter by
 * SpanDSP's gateway, UDPTL by ours. Samples are 8 kHz, 16 bit. No socket and no clock: time goes by
 * the samples it is given and asked for. One thread; making one allocates, some 200 kB. */
typedef struct DmFaxGateway DmFaxGateway;

/* A datagram for the T.38 side; lives until it returns. */
typedef void (*DmFaxSendFunc)(const uint8_t *bytes, size_t len, void *user_data);

/* NULL: the library refused. */
DmFaxGateway *dm_fax_gateway_new(const DmT38 *t38, DmFaxSendFunc send, void *user_data);
void dm_fax_gateway_free(DmFaxGateway *gateway);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmFaxGateway, dm_fax_gateway_free)

/* What the modem sent, in order. */
void dm_fax_gateway_hear(DmFaxGateway *gateway, const int16_t *samples, size_t n);
/* The same, of which nothing is known but how long it was. */
void dm_fax_gateway_miss(DmFaxGateway *gateway, size_t n);
/* The next @n samples for the modem. */
void dm_fax_gateway_speak(DmFaxGateway *gateway, int16_t *samples, size_t n);
/* A datagram of the T.38 side. */
void dm_fax_gateway_input(DmFaxGateway *gateway, const DmUdptlPacket *packet);

/* What it has come to so far; mode is DM_FAX_GATEWAY. */
void dm_fax_gateway_report(const DmFaxGateway *gateway, DmFaxReport *out);

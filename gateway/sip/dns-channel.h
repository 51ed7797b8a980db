/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <ares.h>

#include "gateway/base/loop.h"

/* c-ares on a loop of ours: its sockets watched, its clock wound. One thread. */
typedef struct DmDnsChannel DmDnsChannel;

/* @servers: "127.0.0.1:5353,..."; NULL: the system's. Error: DM_ERROR_IO. */
DmDnsChannel *dm_dns_channel_new(DmLoop *loop, const char *servers, GError **error);
/* Every question still open is answered with ARES_EDESTRUCTION. NULL is ignored. */
void dm_dns_channel_free(DmDnsChannel *channel);

/* To ask with; afterwards dm_dns_channel_wind(). */
ares_channel dm_dns_channel_ares(DmDnsChannel *channel);
void dm_dns_channel_wind(DmDnsChannel *channel);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/message.h"

/* Whether @host (of a Via, IPv6 in brackets) is the numeric address of @address. */
bool dm_sip_host_is(DmSpan host, const DmAddress *address);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "config/trunk.h"
#include "gateway/base/address.h"

/* The way a message came, and the way its answer goes: a value. For UDP a listener and the peer's
 * address; for streams the connection as well. */
typedef struct {
    DmTransport transport;
    uint16_t listener;   /* index in the configuration's listeners */
    uint64_t connection; /* 0 for UDP; never reused */
    DmAddress remote;    /* where it really came from or goes to */
    DmAddress local;     /* the listener's bound address */
} DmSipFlow;

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Keys in the bodies of SIP INFO. There is no RFC; two forms are spoken: "application/dtmf-relay"
 * with lines Signal and Duration, and "application/dtmf" with the key alone. Pure. */

#define DM_KEY_TYPE_RELAY "application/dtmf-relay"
#define DM_KEY_TYPE_PLAIN "application/dtmf"

typedef struct {
    char key;    /* as DmKeyMethod says, flash included */
    unsigned ms; /* how long it was down; 0: not said */
} DmKeyBody;

/* False: not a key. Letters of either case; numbers of events beyond 9 (RFC 4733) are taken too,
 * as some peers write them. */
bool dm_key_body_parse(const char *bytes, size_t len, DmKeyBody *out_body);

/* (transfer full) */
char *dm_key_body_relay(const DmKeyBody *body);
char *dm_key_body_plain(const DmKeyBody *body);

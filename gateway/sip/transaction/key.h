/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "gateway/base/random.h"
#include "gateway/sip/scan.h"

/* What finds a transaction: a keyed 128-bit hash (SipHash-2-4) of what RFC 3261, 17.1.3 and 17.2.3
 * compare. Nobody outside knows the secret, so nobody can make two that meet, and a finished
 * transaction keeps 16 bytes instead of strings. */
typedef struct {
    uint64_t a, b;
} DmTxKey;

typedef struct {
    uint64_t k0, k1;
} DmTxSecret;

void dm_tx_secret_init(DmTxSecret *secret, DmRandom *random);
void dm_siphash128(const DmTxSecret *secret, const void *data, size_t len, DmTxKey *out);

/* Of a request as its server sees it. ACK and CANCEL have the key of their INVITE. */
void dm_tx_key_server(const DmTxSecret *secret, const DmScan *scan, DmTxKey *out);
/* Of a response, or of our own request: @branch of the topmost Via and method. */
void dm_tx_key_client(const DmTxSecret *secret, DmSpan branch, DmSpan method, DmTxKey *out);

/* For a GHashTable keyed by DmTxKey. */
guint dm_tx_key_hash(gconstpointer key);
gboolean dm_tx_key_equal(gconstpointer a, gconstpointer b);

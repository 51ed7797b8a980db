/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transaction/key.h"

#include <endian.h>
#include <string.h>

/* RFC 3261, 8.1.1.7 */
#define MAGIC_COOKIE     "z9hG4bK"
#define MAGIC_COOKIE_LEN 7

/* --- SipHash-2-4 with 128 bits of output (Aumasson and Bernstein) --- */

typedef struct {
    uint64_t v0, v1, v2, v3;
} SipState;

static inline uint64_t
rotated(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void
mix(SipState *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotated(s->v1, 13) ^ s->v0;
    s->v3 = rotated(s->v3, 16) ^ s->v2;
    s->v0 = rotated(s->v0, 32) + s->v3;
    s->v2 += s->v1;
    s->v3 = rotated(s->v3, 21) ^ s->v0;
    s->v1 = rotated(s->v1, 17) ^ s->v2;
    s->v2 = rotated(s->v2, 32);
}

static inline void
absorb(SipState *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s);
    mix(s);
    s->v0 ^= word;
}

static uint64_t
squeeze(SipState *s)
{
    for (unsigned i = 0; i < 4; i++) {
        mix(s);
    }
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void
dm_siphash128(const DmTxSecret *secret, const void *data, size_t len, DmTxKey *out)
{
    const uint8_t *p = data;
    size_t whole = len & ~(size_t)7;
    uint64_t word = 0;
    SipState s = {
        .v0 = secret->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = secret->k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        .v2 = secret->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = secret->k1 ^ UINT64_C(0x7465646279746573),
    };

    for (size_t i = 0; i < whole; i += 8) {
        memcpy(&word, p + i, 8);
        absorb(&s, le64toh(word));
    }
    word = (uint64_t)len << 56;
    for (size_t i = whole; i < len; i++) {
        word |= (uint64_t)p[i] << (8 * (i - whole));
    }
    absorb(&s, word);
    s.v2 ^= 0xee;
    out->a = squeeze(&s);
    s.v1 ^= 0xdd;
    out->b = squeeze(&s);
}

void
dm_tx_secret_init(DmTxSecret *secret, DmRandom *random)
{
    dm_random_bytes(random, secret, sizeof(*secret));
}

/* --- keys --- */

/* Parts are joined with a NUL, so that ("ab", "c") is not ("a", "bc"). Long ones are hashed first.
 */
typedef struct {
    const DmTxSecret *secret;
    char text[512];
    size_t len;
} KeyText;

static void
add_bytes(KeyText *key, const void *data, size_t len)
{
    DmTxKey digest;

    if (key->len + len + 1 > sizeof(key->text)) {
        dm_siphash128(key->secret, data, len, &digest);
        data = &digest;
        len = sizeof(digest);
    }
    if (key->len + len + 1 <= sizeof(key->text)) {
        memcpy(key->text + key->len, data, len);
        key->len += len;
        key->text[key->len++] = '\0';
    }
}

static void
add_span(KeyText *key, DmSpan s)
{
    add_bytes(key, s.p != NULL ? s.p : "", s.len);
}

static bool
has_cookie(DmSpan branch)
{
    return branch.len > MAGIC_COOKIE_LEN && memcmp(branch.p, MAGIC_COOKIE, MAGIC_COOKIE_LEN) == 0;
}

static DmSpan
method_of_transaction(const DmScan *scan)
{
    if (scan->method == DM_METHOD_ACK || scan->method == DM_METHOD_CANCEL) {
        return (DmSpan){"INVITE", 6};
    }
    return scan->method_text;
}

/* RFC 3261, 17.2.3. Without the cookie, the topmost Via, the Request-URI, the From tag, the Call-ID
 * and the CSeq number must be the same; the To tag is left out, because an ACK has that of the
 * response. */
void
dm_tx_key_server(const DmTxSecret *secret, const DmScan *scan, DmTxKey *out)
{
    KeyText key = {.secret = secret};

    add_bytes(&key, "S", 1);
    add_span(&key, method_of_transaction(scan));
    if (has_cookie(scan->branch)) {
        add_span(&key, scan->branch);
        add_span(&key, scan->sent_by);
    } else {
        add_bytes(&key, &scan->cseq, sizeof(scan->cseq));
        add_span(&key, scan->via);
        add_span(&key, scan->from_tag);
        add_span(&key, scan->call_id);
        add_span(&key, scan->uri);
    }
    dm_siphash128(secret, key.text, key.len, out);
}

void
dm_tx_key_client(const DmTxSecret *secret, DmSpan branch, DmSpan method, DmTxKey *out)
{
    KeyText key = {.secret = secret};

    add_bytes(&key, "C", 1);
    add_span(&key, method);
    add_span(&key, branch);
    dm_siphash128(secret, key.text, key.len, out);
}

guint
dm_tx_key_hash(gconstpointer key)
{
    return (guint)((const DmTxKey *)key)->a;
}

gboolean
dm_tx_key_equal(gconstpointer a, gconstpointer b)
{
    const DmTxKey *x = a;
    const DmTxKey *y = b;

    return x->a == y->a && x->b == y->b;
}

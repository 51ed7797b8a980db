/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/nonces.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define MAX_USED    8192
#define WINDOW      64
#define NUMBER_LEN  16 /* second and serial number, eight digits each */
#define MAC_LEN     32
#define NONCE_LEN   (NUMBER_LEN + MAC_LEN)
#define SERIAL_BITS 32
#define ONLY_ONCE   UINT32_MAX

/* One that was used. */
typedef struct {
    guint64 number;
    uint32_t highest; /* count */
    uint64_t seen;    /* bit i: highest - i */
} Used;

struct DmNonces {
    DmRandom *random; /* not owned */
    uint8_t key[32];
    uint32_t serial;
    GHashTable *used; /* number -> Used */
    GQueue order;     /* of the same, by first use; borrowed */
    int64_t floor_s;  /* made up to then: given up */
};

DmNonces *
dm_nonces_new(DmRandom *random)
{
    DmNonces *nonces = g_new0(DmNonces, 1);

    nonces->random = random;
    dm_random_bytes(random, nonces->key, sizeof nonces->key);
    nonces->used = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    nonces->floor_s = -1;
    g_queue_init(&nonces->order);
    return nonces;
}

void
dm_nonces_free(DmNonces *nonces)
{
    if (nonces == NULL) {
        return;
    }
    g_queue_clear(&nonces->order);
    g_hash_table_unref(nonces->used);
    OPENSSL_cleanse(nonces->key, sizeof nonces->key);
    g_free(nonces);
}

/* --- text --- */

/* Not the source's port: behind NAT that may change between two requests. */
static void
print(const DmNonces *nonces,
      guint64 number,
      const DmAddress *source,
      const char *realm,
      char out[DM_NONCE_MAX])
{
    char host[DM_ADDRESS_TEXT_MAX];
    g_autofree char *text = g_strdup_printf("%016" G_GINT64_MODIFIER "x %s %s",
                                            number,
                                            dm_address_host(source, host),
                                            realm);
    uint8_t mac[EVP_MAX_MD_SIZE] = {0};
    unsigned n = sizeof mac;

    HMAC(EVP_sha256(),
         nonces->key,
         sizeof nonces->key,
         (const uint8_t *)text,
         strlen(text),
         mac,
         &n);
    g_snprintf(out, NUMBER_LEN + 1, "%016" G_GINT64_MODIFIER "x", number);
    for (unsigned i = 0; i < MAC_LEN / 2; i++) {
        g_snprintf(out + NUMBER_LEN + (size_t)i * 2, 3, "%02x", mac[i]);
    }
}

void
dm_nonces_make(DmNonces *nonces,
               const DmAddress *source,
               const char *realm,
               int64_t now_s,
               char out[DM_NONCE_MAX])
{
    print(nonces, (guint64)now_s << SERIAL_BITS | ++nonces->serial, source, realm, out);
}

static bool
parse_number(const char *nonce, guint64 *out)
{
    guint64 number = 0;

    for (unsigned i = 0; i < NUMBER_LEN; i++) {
        int digit = g_ascii_xdigit_value(nonce[i]);

        if (digit < 0) {
            return false;
        }
        number = number << 4 | (guint64)digit;
    }
    *out = number;
    return true;
}

static bool
is_ours(const DmNonces *nonces,
        const DmAddress *source,
        const char *realm,
        const char *nonce,
        guint64 *out_number)
{
    char made[DM_NONCE_MAX];

    if (strlen(nonce) != NONCE_LEN || !parse_number(nonce, out_number)) {
        return false;
    }
    print(nonces, *out_number, source, realm, made);
    return CRYPTO_memcmp(made, nonce, NONCE_LEN) == 0;
}

/* --- use --- */

static int64_t
second_of(guint64 number)
{
    return (int64_t)(number >> SERIAL_BITS);
}

static bool
is_young(int64_t made_s, int64_t now_s)
{
    return made_s <= now_s && now_s - made_s <= DM_NONCE_LIFE_S;
}

static void
forget_first(DmNonces *nonces)
{
    const Used *first = g_queue_pop_head(&nonces->order);

    g_hash_table_remove(nonces->used, &first->number);
}

static void
make_room(DmNonces *nonces, int64_t now_s)
{
    const Used *first;

    while ((first = g_queue_peek_head(&nonces->order)) != NULL) {
        int64_t made_s = second_of(first->number);

        if (is_young(made_s, now_s)) {
            if (nonces->order.length < MAX_USED) {
                return;
            }
            nonces->floor_s = MAX(nonces->floor_s, made_s);
        }
        forget_first(nonces);
    }
}

static bool
count_use(Used *used, uint32_t count)
{
    uint32_t behind;

    if (used->highest == ONLY_ONCE) {
        return false;
    }
    if (count > used->highest) {
        uint32_t ahead = count - used->highest;

        used->seen = ahead < WINDOW ? used->seen << ahead | 1 : 1;
        used->highest = count;
        return true;
    }
    behind = used->highest - count;
    if (behind >= WINDOW || (used->seen >> behind & 1) != 0) {
        return false;
    }
    used->seen |= UINT64_C(1) << behind;
    return true;
}

bool
dm_nonces_take(DmNonces *nonces,
               const DmAddress *source,
               const char *realm,
               const char *nonce,
               uint32_t count,
               int64_t now_s)
{
    guint64 number;
    Used *used;

    if (!is_ours(nonces, source, realm, nonce, &number) || !is_young(second_of(number), now_s)) {
        return false;
    }
    used = g_hash_table_lookup(nonces->used, &number);
    if (used != NULL) {
        return count != 0 && count_use(used, count);
    }
    make_room(nonces, now_s);
    if (second_of(number) <= nonces->floor_s) {
        return false;
    }
    used = g_new0(Used, 1);
    *used = (Used){.number = number, .highest = count != 0 ? count : ONLY_ONCE, .seen = 1};
    g_hash_table_insert(nonces->used, &used->number, used);
    g_queue_push_tail(&nonces->order, used);
    return true;
}

unsigned
dm_nonces_n_used(const DmNonces *nonces)
{
    return g_hash_table_size(nonces->used);
}

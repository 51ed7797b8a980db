/* SPDX-License-Identifier: Apache-2.0 */
#include "media/stun/message.h"

#include <glib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "media/rtp/bytes.h"

#define COOKIE           UINT32_C(0x2112a442)
#define FINGERPRINT_MASK UINT32_C(0x5354554e)

#define ATTRIBUTE_HEADER_LEN 4
#define INTEGRITY_LEN        20
#define FINGERPRINT_LEN      4
#define MAX_USERNAME_LEN     513 /* RFC 8489, 14.3 has less than 509 bytes; RFC 5389 had 513 */

/* Those below must be understood, the others may be passed over. */
#define FIRST_OPTIONAL 0x8000

static size_t
padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/*
 * Checksums
 */

/* ITU-T V.42. A few messages a second: no table. */
static uint32_t
crc32_of(const uint8_t *bytes, size_t len)
{
    uint32_t crc = ~UINT32_C(0);

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        }
    }
    return ~crc;
}

/* Over the message up to the attribute at @at, whose length field says that the message ends with
 * this attribute (RFC 8489, 14.5). */
static bool
integrity_of(const uint8_t *bytes, size_t at, const char *password, uint8_t out[INTEGRITY_LEN])
{
    uint8_t head[DM_STUN_HEADER_LEN];
    g_autofree uint8_t *text = g_memdup2(bytes, at);
    unsigned len = INTEGRITY_LEN;

    memcpy(head, bytes, sizeof head);
    dm_put_u16(head + 2,
               (uint16_t)(at - DM_STUN_HEADER_LEN + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN));
    memcpy(text, head, sizeof head);
    return HMAC(EVP_sha1(), password, (int)strlen(password), text, at, out, &len) != NULL;
}

bool
dm_stun_is_authentic(const DmStun *message, const char *password)
{
    uint8_t expected[INTEGRITY_LEN];

    return message->integrity_at != 0 &&
           integrity_of(message->bytes, message->integrity_at, password, expected) &&
           CRYPTO_memcmp(expected,
                         message->bytes + message->integrity_at + ATTRIBUTE_HEADER_LEN,
                         sizeof expected) == 0;
}

/*
 * Reading
 */

/* Class and method share fourteen bits (RFC 8489, 5). */
static void
read_type(uint16_t type, DmStun *out)
{
    out->class = (DmStunClass)((type >> 7 & 2) | (type >> 4 & 1));
    out->method = (uint16_t)((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
}

static bool
read_mapped(DmStun *out, const uint8_t *value, size_t len)
{
    uint8_t mask[4 + DM_STUN_TRANSACTION_LEN];
    uint8_t host[16];
    size_t host_len = len >= 4 && value[1] == 2 ? 16 : 4;
    bool is_6 = host_len == 16;

    if (len != 4 + host_len || (value[1] != 1 && value[1] != 2)) {
        return false;
    }
    dm_put_u32(mask, COOKIE);
    memcpy(mask + 4, out->transaction, DM_STUN_TRANSACTION_LEN);
    for (size_t i = 0; i < host_len; i++) {
        host[i] = value[4 + i] ^ mask[i];
    }
    out->mapped = (DmAddress){.any.sa_family = is_6 ? AF_INET6 : AF_INET};
    memcpy(is_6 ? (void *)&out->mapped.in6.sin6_addr : (void *)&out->mapped.in4.sin_addr,
           host,
           host_len);
    dm_address_set_port(&out->mapped, dm_get_u16(value + 2) ^ (uint16_t)(COOKIE >> 16));
    return true;
}

static bool
read_username(DmStun *out, const uint8_t *value, size_t len)
{
    out->username = (const char *)value;
    out->username_len = len;
    return len <= MAX_USERNAME_LEN;
}

static bool
read_error(DmStun *out, const uint8_t *value, size_t len)
{
    if (len < 4 || value[2] < 3 || value[2] > 6 || value[3] > 99) {
        return false;
    }
    out->error = (uint16_t)(value[2] * 100 + value[3]);
    return true;
}

static bool
read_priority(DmStun *out, const uint8_t *value, size_t len)
{
    if (len == 4) {
        out->priority = dm_get_u32(value);
    }
    return len == 4;
}

static bool
read_use_candidate(DmStun *out, const uint8_t *value, size_t len)
{
    out->use_candidate = true;
    return len == 0;
}

static bool
read_controlling(DmStun *out, const uint8_t *value, size_t len)
{
    out->is_controlling = true;
    return len == 8;
}

static bool
read_controlled(DmStun *out, const uint8_t *value, size_t len)
{
    out->is_controlled = true;
    return len == 8;
}

static bool
read_integrity(DmStun *out, const uint8_t *value, size_t len)
{
    out->integrity_at = (size_t)(value - out->bytes) - ATTRIBUTE_HEADER_LEN;
    return len == INTEGRITY_LEN;
}

static bool
read_fingerprint(DmStun *out, const uint8_t *value, size_t len)
{
    size_t at = (size_t)(value - out->bytes) - ATTRIBUTE_HEADER_LEN;

    out->has_fingerprint = true;
    return len == FINGERPRINT_LEN && at + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN == out->len &&
           dm_get_u32(value) == (crc32_of(out->bytes, at) ^ FINGERPRINT_MASK);
}

/* What is known and of no use here. */
static bool
pass_over(DmStun *out, const uint8_t *value, size_t len)
{
    return true;
}

static const struct {
    uint16_t type;
    bool (*read)(DmStun *out, const uint8_t *value, size_t len);
} attributes[] = {
    {0x0001, pass_over}, /* MAPPED-ADDRESS */
    {DM_STUN_USERNAME, read_username},
    {DM_STUN_INTEGRITY, read_integrity},
    {DM_STUN_ERROR_CODE, read_error},
    {DM_STUN_UNKNOWN_ATTRIBUTES, pass_over},
    {0x0014, pass_over}, /* REALM */
    {0x0015, pass_over}, /* NONCE */
    {DM_STUN_XOR_MAPPED, read_mapped},
    {DM_STUN_PRIORITY, read_priority},
    {DM_STUN_USE_CANDIDATE, read_use_candidate},
    {DM_STUN_FINGERPRINT, read_fingerprint},
    {DM_STUN_CONTROLLED, read_controlled},
    {DM_STUN_CONTROLLING, read_controlling},
};

static bool
read_attribute(DmStun *out, uint16_t type, const uint8_t *value, size_t len)
{
    /* Behind the integrity anyone may have put anything (RFC 8489, 14.5). */
    if (out->integrity_at != 0 && type != DM_STUN_FINGERPRINT) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(attributes); i++) {
        if (attributes[i].type == type) {
            return attributes[i].read(out, value, len);
        }
    }
    if (type < FIRST_OPTIONAL && out->n_unknown < DM_STUN_MAX_UNKNOWN) {
        out->unknown[out->n_unknown++] = type;
    }
    return true;
}

static bool
read_attributes(DmStun *out)
{
    const uint8_t *at = out->bytes + DM_STUN_HEADER_LEN;
    const uint8_t *end = out->bytes + out->len;

    while (at < end) {
        size_t left = (size_t)(end - at);
        size_t len = dm_get_u16(at + 2); /* four bytes are left: all lengths are multiples of it */

        if (padded(len) > left - ATTRIBUTE_HEADER_LEN || out->has_fingerprint ||
            !read_attribute(out, dm_get_u16(at), at + ATTRIBUTE_HEADER_LEN, len)) {
            return false;
        }
        at += ATTRIBUTE_HEADER_LEN + padded(len);
    }
    return true;
}

bool
dm_stun_parse(const uint8_t *bytes, size_t len, DmStun *out)
{
    if (len < DM_STUN_HEADER_LEN || len % 4 != 0 || (bytes[0] & 0xc0) != 0 ||
        dm_get_u16(bytes + 2) != len - DM_STUN_HEADER_LEN || dm_get_u32(bytes + 4) != COOKIE) {
        return false;
    }
    *out = (DmStun){.bytes = bytes, .len = len};
    read_type(dm_get_u16(bytes), out);
    memcpy(out->transaction, bytes + 8, DM_STUN_TRANSACTION_LEN);
    return read_attributes(out);
}

/*
 * Writing
 */

void
dm_stun_begin(DmStunWriter *writer,
              DmStunClass class,
              const uint8_t transaction[DM_STUN_TRANSACTION_LEN])
{
    unsigned bits = (unsigned)class;

    writer->is_full = false;
    writer->len = DM_STUN_HEADER_LEN;
    dm_put_u16(writer->bytes, (uint16_t)(DM_STUN_BINDING | (bits & 2) << 7 | (bits & 1) << 4));
    dm_put_u32(writer->bytes + 4, COOKIE);
    memcpy(writer->bytes + 8, transaction, DM_STUN_TRANSACTION_LEN);
}

void
dm_stun_add(DmStunWriter *writer, uint16_t type, const void *value, size_t len)
{
    uint8_t *at = writer->bytes + writer->len;

    if (writer->is_full || ATTRIBUTE_HEADER_LEN + padded(len) > DM_STUN_MAX - writer->len) {
        writer->is_full = true;
        return;
    }
    dm_put_u16(at, type);
    dm_put_u16(at + 2, (uint16_t)len);
    memset(at + ATTRIBUTE_HEADER_LEN, 0, padded(len));
    if (len > 0) {
        memcpy(at + ATTRIBUTE_HEADER_LEN, value, len);
    }
    writer->len += ATTRIBUTE_HEADER_LEN + padded(len);
}

void
dm_stun_add_mapped(DmStunWriter *writer, const DmAddress *address)
{
    bool is_6 = dm_address_family(address) == AF_INET6;
    size_t host_len = is_6 ? 16 : 4;
    uint8_t value[20] = {0, is_6 ? 2 : 1};
    const uint8_t *mask = writer->bytes + 4; /* cookie and transaction, one behind the other */

    dm_put_u16(value + 2, dm_address_port(address) ^ (uint16_t)(COOKIE >> 16));
    memcpy(value + 4,
           is_6 ? (const void *)&address->in6.sin6_addr : (const void *)&address->in4.sin_addr,
           host_len);
    for (size_t i = 0; i < host_len; i++) {
        value[4 + i] ^= mask[i];
    }
    dm_stun_add(writer, DM_STUN_XOR_MAPPED, value, 4 + host_len);
}

void
dm_stun_add_error(DmStunWriter *writer, uint16_t code, const char *reason)
{
    uint8_t value[4 + 64] = {0, 0, (uint8_t)(code / 100), (uint8_t)(code % 100)};
    size_t len = MIN(strlen(reason), sizeof value - 4);

    memcpy(value + 4, reason, len);
    dm_stun_add(writer, DM_STUN_ERROR_CODE, value, 4 + len);
}

static void
add_integrity(DmStunWriter *writer, const char *password)
{
    uint8_t value[INTEGRITY_LEN];

    if (!integrity_of(writer->bytes, writer->len, password, value)) {
        writer->is_full = true;
        return;
    }
    dm_stun_add(writer, DM_STUN_INTEGRITY, value, sizeof value);
}

size_t
dm_stun_finish(DmStunWriter *writer, const char *password)
{
    uint8_t value[FINGERPRINT_LEN];

    if (password != NULL) {
        add_integrity(writer, password);
    }
    dm_put_u16(
        writer->bytes + 2,
        (uint16_t)(writer->len - DM_STUN_HEADER_LEN + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN));
    dm_put_u32(value, crc32_of(writer->bytes, writer->len) ^ FINGERPRINT_MASK);
    dm_stun_add(writer, DM_STUN_FINGERPRINT, value, sizeof value);
    return writer->is_full ? 0 : writer->len;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "media/udptl/packet.h"

#include <glib.h>
#include <string.h>

#include "media/rtp/bytes.h"

#define FEC_CHOICE   0x80
#define LONG_LENGTH  0x80 /* X.691, 10.9.3.7: 14 bits follow the first two */
#define IN_FRAGMENTS 0xc0 /* X.691, 10.9.3.8 */
#define MAX_SHORT    127
#define MAX_LENGTH   16383

typedef struct {
    const uint8_t *at;
    size_t left;
} Reader;

static DmUdptlVerdict
read_octet(Reader *reader, unsigned *out)
{
    if (reader->left < 1) {
        return DM_UDPTL_TOO_SHORT;
    }
    *out = *reader->at++;
    reader->left--;
    return DM_UDPTL_OK;
}

static DmUdptlVerdict
read_length(Reader *reader, unsigned *out)
{
    unsigned first = 0;
    unsigned second = 0;
    DmUdptlVerdict verdict = read_octet(reader, &first);

    if (verdict != DM_UDPTL_OK || (first & LONG_LENGTH) == 0) {
        *out = first;
        return verdict;
    }
    if ((first & IN_FRAGMENTS) == IN_FRAGMENTS) {
        return DM_UDPTL_BAD_LENGTH;
    }
    verdict = read_octet(reader, &second);
    *out = (first & 0x3f) << 8 | second;
    return verdict;
}

static DmUdptlVerdict
read_field(Reader *reader, DmUdptlField *out)
{
    unsigned len = 0;
    DmUdptlVerdict verdict = read_length(reader, &len);

    if (verdict != DM_UDPTL_OK) {
        return verdict;
    }
    if (len > reader->left) {
        return DM_UDPTL_TOO_SHORT;
    }
    *out = (DmUdptlField){reader->at, len};
    reader->at += len;
    reader->left -= len;
    return DM_UDPTL_OK;
}

/* A list of fields; those beyond @max are read and dropped. */
static DmUdptlVerdict
read_list(Reader *reader, DmUdptlField *fields, unsigned max, unsigned *out_n)
{
    unsigned n = 0;
    DmUdptlField dropped;
    DmUdptlVerdict verdict = read_length(reader, &n);

    for (unsigned i = 0; verdict == DM_UDPTL_OK && i < n; i++) {
        verdict = read_field(reader, i < max ? &fields[i] : &dropped);
    }
    *out_n = MIN(n, max);
    return verdict;
}

/* fec-npackets is an integer without bounds, so its length comes first. */
static DmUdptlVerdict
read_fec(Reader *reader, DmUdptlPacket *out)
{
    unsigned len = 0;
    DmUdptlVerdict verdict = read_octet(reader, &len);

    if (verdict == DM_UDPTL_OK) {
        verdict = read_octet(reader, &out->span);
    }
    if (verdict == DM_UDPTL_OK) {
        verdict = len == 1 ? read_list(reader, out->fec, DM_UDPTL_MAX_FEC, &out->n_fec)
                           : DM_UDPTL_BAD_FEC;
    }
    if (verdict == DM_UDPTL_OK && out->span * out->n_fec > DM_UDPTL_FEC_REACH) {
        return DM_UDPTL_BAD_FEC;
    }
    return verdict;
}

static DmUdptlVerdict
read_recovery(Reader *reader, DmUdptlPacket *out)
{
    unsigned choice = 0;
    DmUdptlVerdict verdict = read_octet(reader, &choice);

    if (verdict != DM_UDPTL_OK) {
        return verdict;
    }
    return choice & FEC_CHOICE ? read_fec(reader, out)
                               : read_list(reader, out->copy, DM_UDPTL_MAX_COPIES, &out->n_copies);
}

DmUdptlVerdict
dm_udptl_parse(const uint8_t *bytes, size_t len, DmUdptlPacket *out)
{
    Reader reader = {bytes, len};
    DmUdptlPacket packet = {0};
    DmUdptlVerdict verdict;

    if (len < 2) {
        return DM_UDPTL_TOO_SHORT;
    }
    reader = (Reader){bytes + 2, len - 2};
    packet.sequence = dm_get_u16(bytes);
    verdict = read_field(&reader, &packet.primary);
    if (verdict == DM_UDPTL_OK && packet.primary.len == 0) {
        return DM_UDPTL_BAD_LENGTH;
    }
    if (verdict == DM_UDPTL_OK) {
        verdict = read_recovery(&reader, &packet);
    }
    if (verdict == DM_UDPTL_OK && reader.left > 0) {
        return DM_UDPTL_TRAILING;
    }
    if (verdict == DM_UDPTL_OK) {
        *out = packet;
    }
    return verdict;
}

static size_t
field_size(const DmUdptlField *field)
{
    return field->len + (field->len > MAX_SHORT ? 2 : 1);
}

static uint8_t *
put_field(uint8_t *at, const DmUdptlField *field)
{
    if (field->len > MAX_SHORT) {
        *at++ = (uint8_t)(LONG_LENGTH | field->len >> 8);
    }
    *at++ = (uint8_t)field->len;
    if (field->len > 0) {
        memcpy(at, field->bytes, field->len);
    }
    return at + field->len;
}

size_t
dm_udptl_build(const DmUdptlPacket *packet, uint8_t *out, size_t size)
{
    size_t used = 2 + field_size(&packet->primary) + 2;
    unsigned n = 0;
    uint8_t *at = out + 2;

    if (used > size || packet->primary.len == 0 || packet->primary.len > MAX_LENGTH) {
        return 0;
    }
    while (n < packet->n_copies && packet->copy[n].len <= MAX_LENGTH &&
           used + field_size(&packet->copy[n]) <= size) {
        used += field_size(&packet->copy[n++]);
    }
    dm_put_u16(out, packet->sequence);
    at = put_field(at, &packet->primary);
    *at++ = 0;
    *at++ = (uint8_t)n;
    for (unsigned i = 0; i < n; i++) {
        at = put_field(at, &packet->copy[i]);
    }
    return used;
}

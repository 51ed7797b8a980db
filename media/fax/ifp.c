/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/ifp.h"

#include "media/rtp/bytes.h"

#define HAS_FIELDS  0x80 /* of the first octet: data fields follow */
#define IS_DATA     0x40
#define IS_EXTENDED 0x20 /* its type takes a second octet */

#define FIRST_EXTENDED 16

#define HAS_BYTES         0x80 /* of a field's first octet */
#define FIELD_IS_EXTENDED 0x40 /* its type takes a second octet; not in version 0 */

/* Types that take a second octet: none that T.30 talks with. */
#define LATER 255

/* The longest that a fax modem's frame or the bits of a packet's time come to. */
#define MAX_FIELD_BYTES 512

static unsigned
field_type(uint8_t first, unsigned version)
{
    if (version == 0) {
        return first >> 4 & 7;
    }
    return first & FIELD_IS_EXTENDED ? LATER : first >> 3 & 7;
}

/* Returns how long the field at @at is; 0: it ends outside. */
static size_t
read_field(const uint8_t *at, size_t left, unsigned version, DmIfpField *out)
{
    size_t head = 1;

    if (left == 0) {
        return 0;
    }
    if (version > 0 && at[0] & FIELD_IS_EXTENDED) {
        head++;
    }
    out->type = field_type(at[0], version);
    out->bytes = at + head;
    out->len = 0;
    if ((at[0] & HAS_BYTES) == 0) {
        return head <= left ? head : 0;
    }
    if (head + 2 > left) {
        return 0;
    }
    out->len = (size_t)dm_get_u16(at + head) + 1;
    out->bytes += 2;
    head += 2 + out->len;
    return out->len <= MAX_FIELD_BYTES && head <= left ? head : 0;
}

int
dm_ifp_indicator(const uint8_t *ifp)
{
    if ((ifp[0] & (HAS_FIELDS | IS_DATA)) != 0) {
        return DM_IFP_DATA;
    }
    return (ifp[0] & IS_EXTENDED ? FIRST_EXTENDED : 0) + (ifp[0] >> 1 & 0x0f);
}

bool
dm_ifp_read(const uint8_t *ifp,
            size_t len,
            unsigned version,
            DmIfpFieldFunc on_field,
            void *user_data)
{
    DmIfpField field;
    size_t at = 1;
    unsigned n;

    if (len == 0) {
        return false;
    }
    at += ifp[0] & IS_EXTENDED ? 1 : 0;
    if ((ifp[0] & HAS_FIELDS) == 0) {
        return at <= len;
    }
    if ((ifp[0] & IS_DATA) == 0 || at >= len) {
        return false; /* an indicator has no data */
    }
    n = ifp[at++];
    for (unsigned i = 0; i < n; i++) {
        size_t size = read_field(ifp + at, len - at, version, &field);

        if (size == 0) {
            return false;
        }
        if (on_field != NULL) {
            on_field(&field, user_data);
        }
        at += size;
    }
    return true;
}

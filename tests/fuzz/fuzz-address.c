/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <stdint.h>

#include "gateway/base/address.h"

/* The text of an address reads back as the same address. */
static void
check_round_trip(const DmAddress *a)
{
    char text[DM_ADDRESS_TEXT_MAX];
    DmAddress again;

    g_assert_true(dm_address_parse_with_port(&again, dm_address_text(a, text), 1));
    g_assert_true(dm_address_equal(a, &again));
    g_assert_cmpuint(dm_address_hash(a), ==, dm_address_hash(&again));
    g_assert_true(dm_address_parse(&again, dm_address_uri_host(a, text), dm_address_port(a)));
    g_assert_true(dm_address_equal(a, &again));
}

/* A network contains its own address, and is no longer than one. */
static void
check_network(const DmCidr *cidr)
{
    g_assert_true(dm_cidr_contains(cidr, &cidr->network));
    g_assert_cmpuint(cidr->prefix_len, <=, dm_address_family(&cidr->network) == AF_INET ? 32 : 128);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    DmAddress address;
    DmCidr cidr;

    if (dm_address_parse_with_port(&address, text, 5060)) {
        check_round_trip(&address);
    }
    if (dm_cidr_parse(&cidr, text)) {
        check_network(&cidr);
    }
    return 0;
}

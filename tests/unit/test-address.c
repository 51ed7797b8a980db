/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <glib.h>

#include "gateway/base/address.h"

static DmAddress
address(const char *text)
{
    DmAddress a;

    g_assert_true(dm_address_parse_with_port(&a, text, 5060));
    return a;
}

static void
test_text_round_trip(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1:5060"},
        {"192.0.2.1:5070", "192.0.2.1:5070"},
        {"2001:db8::1", "[2001:db8::1]:5060"},
        {"[2001:db8::1]", "[2001:db8::1]:5060"},
        {"[2001:DB8:0:0::1]:65535", "[2001:db8::1]:65535"},
        {"::ffff:192.0.2.1", "192.0.2.1:5060"},
        {"[::ffff:192.0.2.1]:9", "192.0.2.1:9"},
        {"0.0.0.0:0", "0.0.0.0:0"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmAddress a = address(cases[i].in);
        char text[DM_ADDRESS_TEXT_MAX];

        g_assert_cmpstr(dm_address_text(&a, text), ==, cases[i].out);
    }
}

static void
test_refuses(void)
{
    static const char *const bad[] = {
        "",
        "example.com",
        "192.0.2",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:5o60",
        "192.0.2.1:-1",
        "[192.0.2.1]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]5060",
        "[2001:db8::1]:",
        "[]:5060",
        "0x7f.1",
        "127.1",
        "fe80::1%eth0",
        " 192.0.2.1",
        "192.0.2.1 ",
        ":5060",
        "[[::1]]:5060",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        DmAddress a = address("198.51.100.1");

        g_assert_false(dm_address_parse_with_port(&a, bad[i], 5060));
        g_assert_true(dm_address_same_host(&a, &(DmAddress){.in4 = a.in4}));
    }
}

static void
test_equality(void)
{
    DmAddress a = address("192.0.2.1:5060");
    DmAddress other_port = address("192.0.2.1:5061");
    DmAddress mapped = address("[::ffff:192.0.2.1]:5060");
    DmAddress v6 = address("[2001:db8::1]:5060");
    DmAddress none = {0};

    g_assert_true(dm_address_equal(&a, &mapped));
    g_assert_cmpuint(dm_address_hash(&a), ==, dm_address_hash(&mapped));
    g_assert_false(dm_address_equal(&a, &other_port));
    g_assert_true(dm_address_same_host(&a, &other_port));
    g_assert_cmpuint(dm_address_host_hash(&a), ==, dm_address_host_hash(&other_port));
    g_assert_false(dm_address_same_host(&a, &v6));
    g_assert_false(dm_address_equal(&a, &none));
    g_assert_false(dm_address_is_set(&none));
    g_assert_true(dm_address_equal(&none, &none));
}

static void
test_from_sockaddr_unmaps(void)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(5060)};
    DmAddress from;
    DmAddress expected = address("192.0.2.1:5060");

    inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
    dm_address_from_sockaddr(&from, (const struct sockaddr *)&in6);
    g_assert_true(dm_address_equal(&from, &expected));
    g_assert_cmpint(dm_address_family(&from), ==, AF_INET);
    g_assert_cmpuint(dm_address_len(&from), ==, sizeof(struct sockaddr_in));
}

static void
test_hosts(void)
{
    DmAddress v4 = address("192.0.2.1");
    DmAddress v6 = address("2001:db8::1");
    DmAddress none = {0};
    char text[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_host(&v6, text), ==, "2001:db8::1");
    g_assert_cmpstr(dm_address_uri_host(&v6, text), ==, "[2001:db8::1]");
    g_assert_cmpstr(dm_address_uri_host(&v4, text), ==, "192.0.2.1");
    g_assert_cmpstr(dm_address_text(&none, text), ==, "none");
    dm_address_set_port(&v6, 7);
    g_assert_cmpuint(dm_address_port(&v6), ==, 7);
}

static void
test_kinds(void)
{
    static const struct {
        const char *text;
        bool any, private, loopback, multicast;
    } cases[] = {
        {"0.0.0.0", .any = true},
        {"::", .any = true},
        {"8.8.8.8"},
        {"2001:db8::1"},
        {"10.1.2.3", .private = true},
        {"172.15.255.255"},
        {"172.31.255.255", .private = true},
        {"172.32.0.0"},
        {"192.168.1.1", .private = true},
        {"100.64.0.1", .private = true},
        {"100.128.0.1"},
        {"169.254.1.1", .private = true},
        {"127.0.0.1", .private = true, .loopback = true},
        {"::1", .private = true, .loopback = true},
        {"fd00::1", .private = true},
        {"fe80::1", .private = true},
        {"224.0.0.1", .multicast = true},
        {"ff02::1", .multicast = true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmAddress a = address(cases[i].text);

        g_test_message("%s", cases[i].text);
        g_assert_cmpint(dm_address_is_any(&a), ==, cases[i].any);
        g_assert_cmpint(dm_address_is_private(&a), ==, cases[i].private);
        g_assert_cmpint(dm_address_is_loopback(&a), ==, cases[i].loopback);
        g_assert_cmpint(dm_address_is_multicast(&a), ==, cases[i].multicast);
    }
}

static void
test_cidr(void)
{
    static const struct {
        const char *cidr, *host;
        bool inside;
    } cases[] = {
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.77/24", "192.0.2.1", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "192.0.2.1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::ffff:10.0.0.0/104", "10.200.0.1", true},
        {"::ffff:10.0.0.0/104", "11.0.0.1", false},
    };
    DmCidr cidr;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmAddress a = address(cases[i].host);

        g_test_message("%s in %s", cases[i].host, cases[i].cidr);
        g_assert_true(dm_cidr_parse(&cidr, cases[i].cidr));
        g_assert_cmpint(dm_cidr_contains(&cidr, &a), ==, cases[i].inside);
    }
    g_assert_false(dm_cidr_contains(&cidr, &(DmAddress){0}));
}

static void
test_cidr_refuses(void)
{
    static const char *const bad[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "::/129",
        "::ffff:10.0.0.0/95",
        "10.0.0.0/ 8",
        "any",
    };
    DmCidr cidr;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_test_message("'%s'", bad[i]);
        g_assert_false(dm_cidr_parse(&cidr, bad[i]));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/text-round-trip", test_text_round_trip);
    g_test_add_func("/address/refuses", test_refuses);
    g_test_add_func("/address/equality", test_equality);
    g_test_add_func("/address/from-sockaddr-unmaps", test_from_sockaddr_unmaps);
    g_test_add_func("/address/hosts", test_hosts);
    g_test_add_func("/address/kinds", test_kinds);
    g_test_add_func("/cidr/contains", test_cidr);
    g_test_add_func("/cidr/refuses", test_cidr_refuses);
    return g_test_run();
}

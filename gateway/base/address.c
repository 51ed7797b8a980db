/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/base/address.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "gateway/base/text.h"

/* The bytes of the host part, and how many. */
static const uint8_t *
host_bytes(const DmAddress *a, size_t *out_len)
{
    switch (a->any.sa_family) {
    case AF_INET:
        *out_len = 4;
        return (const uint8_t *)&a->in4.sin_addr;
    case AF_INET6:
        *out_len = 16;
        return (const uint8_t *)&a->in6.sin6_addr;
    default:
        *out_len = 0;
        return NULL;
    }
}

static void
set_in4(DmAddress *out, const void *host, in_port_t net_port)
{
    DmAddress a = {.in4 = {.sin_family = AF_INET, .sin_port = net_port}};

    memcpy(&a.in4.sin_addr, host, 4);
    *out = a;
}

static void
set_in6(DmAddress *out, const struct in6_addr *host, in_port_t net_port, uint32_t scope)
{
    if (IN6_IS_ADDR_V4MAPPED(host)) {
        set_in4(out, host->s6_addr + 12, net_port);
        return;
    }
    *out = (DmAddress){
        .in6 = {.sin6_family = AF_INET6,
                .sin6_port = net_port,
                .sin6_addr = *host,
                .sin6_scope_id = scope},
    };
}

/* Copies @len bytes of @text without brackets round them; false when it cannot be an address. */
static bool
copy_bare_host(char bare[INET6_ADDRSTRLEN], const char *text, size_t len, bool *out_bracketed)
{
    *out_bracketed = len >= 2 && text[0] == '[' && text[len - 1] == ']';
    if (*out_bracketed) {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= INET6_ADDRSTRLEN) {
        return false;
    }
    memcpy(bare, text, len);
    bare[len] = '\0';
    return true;
}

static bool
parse_host(DmAddress *out, const char *text, size_t len, uint16_t port)
{
    char bare[INET6_ADDRSTRLEN];
    bool bracketed;
    struct in_addr in4;
    struct in6_addr in6;

    if (!copy_bare_host(bare, text, len, &bracketed)) {
        return false;
    }
    if (!bracketed && inet_pton(AF_INET, bare, &in4) == 1) {
        set_in4(out, &in4, htons(port));
        return true;
    }
    if (inet_pton(AF_INET6, bare, &in6) == 1) {
        set_in6(out, &in6, htons(port), 0);
        return true;
    }
    return false;
}

/* Decimal digits only, up to @max. */
static bool
parse_number(const char *text, unsigned max, unsigned *out)
{
    unsigned value = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!g_ascii_isdigit(*text)) {
            return false;
        }
        value = value * 10 + (unsigned)(*text - '0');
        if (value > max) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool
dm_address_parse(DmAddress *out, const char *host, uint16_t port)
{
    return parse_host(out, host, strlen(host), port);
}

/* The colon before the port, or NULL: in bare IPv6 text every colon belongs to the address. */
static const char *
port_separator(const char *text)
{
    const char *after = text[0] == '[' ? strchr(text, ']') : text;
    const char *colon = after != NULL ? strrchr(after, ':') : NULL;

    if (text[0] == '[') {
        return colon == NULL || colon == after + 1 ? colon : NULL;
    }
    return colon == strchr(text, ':') ? colon : NULL;
}

bool
dm_address_parse_with_port(DmAddress *out, const char *text, uint16_t default_port)
{
    const char *separator = port_separator(text);
    size_t host_len = separator != NULL ? (size_t)(separator - text) : strlen(text);
    unsigned port = default_port;

    if (separator != NULL && !parse_number(separator + 1, UINT16_MAX, &port)) {
        return false;
    }
    return parse_host(out, text, host_len, (uint16_t)port);
}

void
dm_address_from_sockaddr(DmAddress *out, const struct sockaddr *sa)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    *out = (DmAddress){0};
    if (sa->sa_family == AF_INET) {
        memcpy(&in4, sa, sizeof in4);
        set_in4(out, &in4.sin_addr, in4.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&in6, sa, sizeof in6);
        set_in6(out, &in6.sin6_addr, in6.sin6_port, in6.sin6_scope_id);
    }
}

socklen_t
dm_address_len(const DmAddress *a)
{
    switch (a->any.sa_family) {
    case AF_INET:
        return sizeof a->in4;
    case AF_INET6:
        return sizeof a->in6;
    default:
        return 0;
    }
}

int
dm_address_family(const DmAddress *a)
{
    return a->any.sa_family;
}

uint16_t
dm_address_port(const DmAddress *a)
{
    switch (a->any.sa_family) {
    case AF_INET:
        return ntohs(a->in4.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void
dm_address_set_port(DmAddress *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET) {
        a->in4.sin_port = htons(port);
    } else if (a->any.sa_family == AF_INET6) {
        a->in6.sin6_port = htons(port);
    }
}

bool
dm_address_same_host(const DmAddress *a, const DmAddress *b)
{
    size_t a_len;
    size_t b_len;
    const uint8_t *a_bytes = host_bytes(a, &a_len);
    const uint8_t *b_bytes = host_bytes(b, &b_len);

    return a_len == b_len && (a_len == 0 || memcmp(a_bytes, b_bytes, a_len) == 0);
}

bool
dm_address_equal(const DmAddress *a, const DmAddress *b)
{
    return dm_address_port(a) == dm_address_port(b) && dm_address_same_host(a, b);
}

uint64_t
dm_address_host_hash(const DmAddress *a)
{
    uint64_t words[2] = {0};
    uint64_t hash;
    size_t len;
    const uint8_t *bytes = host_bytes(a, &len);

    if (len > 0) {
        memcpy(words, bytes, len);
    }
    hash = (words[0] ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

guint
dm_address_hash(gconstpointer a)
{
    uint64_t hash = dm_address_host_hash(a) + dm_address_port(a);

    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return (guint)(hash >> 32);
}

gboolean
dm_address_equal_func(gconstpointer a, gconstpointer b)
{
    return dm_address_equal(a, b);
}

/* Whether @a lies in one of the networks. */
/* A well-known network, whose prefix lies within the first two bytes. */
typedef struct {
    sa_family_t family; /* AF_UNSPEC ends a list */
    uint16_t prefix;
    uint8_t bits;
} WellKnown;

static bool
is_in_any(const DmAddress *a, const WellKnown *networks)
{
    size_t len;
    const uint8_t *bytes = host_bytes(a, &len);
    unsigned first = len > 0 ? (unsigned)bytes[0] << 8 | bytes[1] : 0;

    for (; networks->family != AF_UNSPEC; networks++) {
        if (networks->family == a->any.sa_family &&
            ((first ^ networks->prefix) >> (16 - networks->bits)) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_loopback_ipv6(const DmAddress *a)
{
    return a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

bool
dm_address_is_any(const DmAddress *a)
{
    static const uint8_t zero[16] = {0};
    size_t len;
    const uint8_t *bytes = host_bytes(a, &len);

    return len > 0 && memcmp(bytes, zero, len) == 0;
}

bool
dm_address_is_private(const DmAddress *a)
{
    static const WellKnown networks[] = {
        {AF_INET, 0x0a00, 8},   /* 10.0.0.0/8, RFC 1918 */
        {AF_INET, 0xac10, 12},  /* 172.16.0.0/12 */
        {AF_INET, 0xc0a8, 16},  /* 192.168.0.0/16 */
        {AF_INET, 0x6440, 10},  /* 100.64.0.0/10, RFC 6598: behind a carrier's NAT */
        {AF_INET, 0xa9fe, 16},  /* 169.254.0.0/16, RFC 3927: link-local */
        {AF_INET, 0x7f00, 8},   /* 127.0.0.0/8 */
        {AF_INET6, 0xfc00, 7},  /* fc00::/7, RFC 4193: ULA */
        {AF_INET6, 0xfe80, 10}, /* fe80::/10, RFC 4291, 2.5.6: link-local */
        {AF_UNSPEC, 0, 0},
    };

    return is_in_any(a, networks) || is_loopback_ipv6(a);
}

bool
dm_address_is_loopback(const DmAddress *a)
{
    static const WellKnown networks[] = {{AF_INET, 0x7f00, 8}, {AF_UNSPEC, 0, 0}};

    return is_in_any(a, networks) || is_loopback_ipv6(a);
}

bool
dm_address_is_multicast(const DmAddress *a)
{
    static const WellKnown networks[] = {{AF_INET, 0xe000, 4},
                                         {AF_INET6, 0xff00, 8},
                                         {AF_UNSPEC, 0, 0}};

    return is_in_any(a, networks);
}

/* inet_ntop() goes through printf, a thousand instructions for what is asked ten times a call. */
static void
write_ipv4(const uint8_t bytes[4], char text[INET_ADDRSTRLEN])
{
    char digits[DM_DIGITS_MAX];
    size_t len = 0;

    for (int i = 0; i < 4; i++) {
        size_t n = dm_text_digits(digits, bytes[i], 1);

        memcpy(text + len, digits, n);
        len += n;
        text[len++] = i < 3 ? '.' : '\0';
    }
}

const char *
dm_address_host(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX])
{
    size_t len;
    const uint8_t *bytes = host_bytes(a, &len);

    if (len == 0) {
        g_strlcpy(text, "none", DM_ADDRESS_TEXT_MAX);
    } else if (a->any.sa_family == AF_INET) {
        write_ipv4(bytes, text);
    } else {
        inet_ntop(a->any.sa_family, bytes, text, DM_ADDRESS_TEXT_MAX);
    }
    return text;
}

const char *
dm_address_uri_host(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX])
{
    char host[DM_ADDRESS_TEXT_MAX];

    if (a->any.sa_family != AF_INET6) {
        return dm_address_host(a, text);
    }
    inet_ntop(AF_INET6, &a->in6.sin6_addr, host, INET6_ADDRSTRLEN);
    g_snprintf(text, DM_ADDRESS_TEXT_MAX, "[%s]", host);
    return text;
}

const char *
dm_address_text(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX])
{
    size_t len;
    char digits[DM_DIGITS_MAX];
    size_t n = dm_text_digits(digits, dm_address_port(a), 1);

    dm_address_uri_host(a, text);
    len = strlen(text);
    if (dm_address_is_set(a) && len + n + 2 <= DM_ADDRESS_TEXT_MAX) {
        text[len++] = ':';
        memcpy(text + len, digits, n);
        text[len + n] = '\0';
    }
    return text;
}

/* Clears the bits after the first @n_bits. */
static void
mask_bits(uint8_t *bytes, size_t len, unsigned n_bits)
{
    for (size_t i = 0; i < len; i++) {
        unsigned kept = n_bits > i * 8 ? MIN(n_bits - (unsigned)i * 8, 8) : 0;

        bytes[i] &= (uint8_t)(0xff00 >> kept);
    }
}

bool
dm_cidr_parse(DmCidr *out, const char *text)
{
    const char *slash = strchr(text, '/');
    size_t host_len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    DmCidr cidr;
    size_t len;
    uint8_t *bytes;
    unsigned written_bits; /* as the text counts: an IPv4-mapped network counts as IPv6 */
    unsigned prefix_len;

    if (!parse_host(&cidr.network, text, host_len, 0)) {
        return false;
    }
    bytes = (uint8_t *)host_bytes(&cidr.network, &len);
    written_bits = memchr(text, ':', host_len) != NULL ? 128 : 32;
    prefix_len = written_bits;
    if (slash != NULL && !parse_number(slash + 1, written_bits, &prefix_len)) {
        return false;
    }
    if (prefix_len < written_bits - len * 8) {
        return false;
    }
    cidr.prefix_len = (uint8_t)(prefix_len - (written_bits - len * 8));
    mask_bits(bytes, len, cidr.prefix_len);
    *out = cidr;
    return true;
}

bool
dm_cidr_contains(const DmCidr *cidr, const DmAddress *a)
{
    uint8_t masked[16];
    size_t len;
    size_t network_len;
    const uint8_t *bytes = host_bytes(a, &len);
    const uint8_t *network = host_bytes(&cidr->network, &network_len);

    if (len == 0 || len != network_len) {
        return false;
    }
    memcpy(masked, bytes, len);
    mask_bits(masked, len, cidr->prefix_len);
    return memcmp(masked, network, len) == 0;
}

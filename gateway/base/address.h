/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 address with a port: a value, copied freely. All zero means "none". An
 * IPv4-mapped IPv6 address
 * (::ffff:a.b.c.d) is always turned into IPv4, so two equal peers compare equal. */
typedef union {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
} DmAddress;

/* Longest text of an address with port and NUL: "[8*4+7]%scope:65535". */
#define DM_ADDRESS_TEXT_MAX 80

static inline bool
dm_address_is_set(const DmAddress *a)
{
    return a->any.sa_family != AF_UNSPEC;
}

/* Numeric text only, never a name: "192.0.2.1", "2001:db8::1" or "[2001:db8::1]". @port in host
 * order. */
bool dm_address_parse(DmAddress *out, const char *host, uint16_t port);
/* "192.0.2.1:5060", "[2001:db8::1]:5060"; a missing port becomes @default_port. */
bool dm_address_parse_with_port(DmAddress *out, const char *text, uint16_t default_port);
void dm_address_from_sockaddr(DmAddress *out, const struct sockaddr *sa);
socklen_t dm_address_len(const DmAddress *a);
int dm_address_family(const DmAddress *a);

uint16_t dm_address_port(const DmAddress *a);
void dm_address_set_port(DmAddress *a, uint16_t port);

/* Same host and port; same host only. */
bool dm_address_equal(const DmAddress *a, const DmAddress *b);
bool dm_address_same_host(const DmAddress *a, const DmAddress *b);
guint dm_address_hash(
    gconstpointer a); /* host and port; for GHashTable with dm_address_equal_func */
gboolean dm_address_equal_func(gconstpointer a, gconstpointer b);
/* A hash of the host only, for per-source limits. */
uint64_t dm_address_host_hash(const DmAddress *a);

/* 0.0.0.0 or :: */
bool dm_address_is_any(const DmAddress *a);
/* RFC 1918, RFC 6598, RFC 3927, ULA, loopback: not reachable from the public Internet. */
bool dm_address_is_private(const DmAddress *a);
bool dm_address_is_loopback(const DmAddress *a);
bool dm_address_is_multicast(const DmAddress *a);

/* Writes the host without port: IPv6 without brackets; dm_address_uri_host() with brackets, as a
 * URI wants it. Both return @text. */
const char *dm_address_host(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX]);
const char *dm_address_uri_host(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX]);
/* "host:port", IPv6 in brackets; "none" when not set. */
const char *dm_address_text(const DmAddress *a, char text[DM_ADDRESS_TEXT_MAX]);

/* A network in CIDR notation. A bare address is a /32 or /128. */
typedef struct {
    DmAddress network;
    uint8_t prefix_len;
} DmCidr;

bool dm_cidr_parse(DmCidr *out, const char *text);
bool dm_cidr_contains(const DmCidr *cidr, const DmAddress *a);

/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sip-peer.h"

#include <string.h>

#define MAX_WAIT_US (60LL * G_USEC_PER_SEC)

struct DmSimPeer {
    DmSimNetwork *network;
    DmSimHost *host;
    DmSipWire wire;
    DmAddress gateway;
    char *address;
    GPtrArray *received; /* char * */
    char *taken;
    const char *wanted; /* of the wait under way */
};

static void
on_receive(const DmSipFlow *flow, const char *data, size_t len, void *user_data)
{
    DmSimPeer *peer = user_data;

    g_ptr_array_add(peer->received, g_strndup(data, len));
}

DmSimPeer *
dm_sim_peer_new(DmSimNetwork *network, const char *address, const char *gateway)
{
    DmSimPeer *peer = g_new0(DmSimPeer, 1);

    peer->network = network;
    peer->address = g_strdup(address);
    peer->received = g_ptr_array_new_with_free_func(g_free);
    peer->host = dm_sim_host_new(network, address, on_receive, NULL, peer);
    peer->wire = dm_sim_host_wire(peer->host);
    g_assert_true(dm_address_parse_with_port(&peer->gateway, gateway, 5060));
    return peer;
}

void
dm_sim_peer_free(DmSimPeer *peer)
{
    g_ptr_array_unref(peer->received);
    g_free(peer->address);
    g_free(peer->taken);
    g_free(peer);
}

DmSimHost *
dm_sim_peer_host(DmSimPeer *peer)
{
    return peer->host;
}

static int
find(const DmSimPeer *peer, const char *start)
{
    for (unsigned i = 0; i < peer->received->len; i++) {
        if (g_str_has_prefix(g_ptr_array_index(peer->received, i), start)) {
            return (int)i;
        }
    }
    return -1;
}

static bool
has_come(void *user_data)
{
    DmSimPeer *peer = user_data;

    return find(peer, peer->wanted) >= 0;
}

const char *
dm_sim_peer_wait(DmSimPeer *peer, const char *start)
{
    int at;

    peer->wanted = start;
    dm_sim_network_run_until(peer->network, has_come, peer, MAX_WAIT_US);
    at = find(peer, start);
    if (at < 0) {
        return NULL;
    }
    g_free(peer->taken);
    peer->taken = g_strdup(g_ptr_array_index(peer->received, at));
    g_ptr_array_remove_range(peer->received, 0, (guint)at + 1);
    return peer->taken;
}

const char *
dm_sim_peer_expect(DmSimPeer *peer, const char *start)
{
    const char *message = dm_sim_peer_wait(peer, start);

    if (message == NULL) {
        for (unsigned i = 0; i < peer->received->len; i++) {
            g_printerr("instead: %s\n", (const char *)g_ptr_array_index(peer->received, i));
        }
        g_error("%s never received \"%s\"", peer->address, start);
    }
    return message;
}

unsigned
dm_sim_peer_count(const DmSimPeer *peer, const char *start)
{
    unsigned n = 0;

    for (unsigned i = 0; i < peer->received->len; i++) {
        n += g_str_has_prefix(g_ptr_array_index(peer->received, i), start);
    }
    return n;
}

void
dm_sim_peer_forget(DmSimPeer *peer)
{
    g_ptr_array_set_size(peer->received, 0);
}

void
dm_sim_peer_send(DmSimPeer *peer, const char *text)
{
    DmSipFlow flow;

    g_assert_true(
        peer->wire.ops->flow_to(peer->wire.wire, -1, DM_TRANSPORT_UDP, &peer->gateway, &flow));
    peer->wire.ops->send(peer->wire.wire, &flow, text, strlen(text));
}

static void
append_body(GString *out, const char *headers, const char *body)
{
    if (body != NULL && strstr(headers, "Content-Type:") == NULL) {
        g_string_append(out, "Content-Type: application/sdp\r\n");
    }
    g_string_append_printf(out,
                           "Content-Length: %zu\r\n\r\n%s",
                           body != NULL ? strlen(body) : 0,
                           body != NULL ? body : "");
}

void
dm_sim_peer_request(DmSimPeer *peer,
                    const char *method,
                    const char *uri,
                    const char *branch,
                    const char *headers,
                    const char *body)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text,
                           "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\n"
                           "Max-Forwards: 69\r\nContact: <sip:peer@%s>\r\n%s",
                           method,
                           uri,
                           peer->address,
                           branch,
                           peer->address,
                           headers);
    append_body(text, headers, body);
    dm_sim_peer_send(peer, text->str);
}

static bool
is_copied(const char *line)
{
    static const char *const names[] =
        {"Via:", "v:", "From:", "f:", "To:", "t:", "Call-ID:", "i:", "CSeq:", "Record-Route:"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_str_has_prefix(line, names[i])) {
            return true;
        }
    }
    return false;
}

void
dm_sim_peer_respond(DmSimPeer *peer,
                    const char *request,
                    const char *status,
                    const char *to_tag,
                    const char *headers,
                    const char *body)
{
    g_auto(GStrv) lines = g_strsplit(request, "\r\n", 0);
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "SIP/2.0 %s\r\n", status);
    for (char **line = lines + 1; *line != NULL && **line != '\0'; line++) {
        if (is_copied(*line)) {
            bool is_to = g_str_has_prefix(*line, "To:") || g_str_has_prefix(*line, "t:");
            bool tag = is_to && strstr(*line, ";tag=") == NULL;

            g_string_append(text, *line);
            if (tag && *to_tag != '\0') {
                g_string_append_printf(text, ";tag=%s", to_tag);
            }
            g_string_append(text, "\r\n");
        }
    }
    g_string_append_printf(text, "Contact: <sip:peer@%s>\r\n%s", peer->address, headers);
    append_body(text, headers, body);
    dm_sim_peer_send(peer, text->str);
}

/* RFC 3261, 7.3.3; NULL: @name has none. */
static const char *
compact_name(const char *name)
{
    static const char *const forms[][2] = {
        {"Via", "v"},
        {"From", "f"},
        {"To", "t"},
        {"Call-ID", "i"},
        {"Contact", "m"},
        {"Content-Type", "c"},
        {"Content-Length", "l"},
        {"Supported", "k"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (strcmp(forms[i][0], name) == 0) {
            return forms[i][1];
        }
    }
    return NULL;
}

static const char *
find_value(const char *message, const char *name)
{
    g_autofree char *start = g_strdup_printf("\r\n%s:", name);
    const char *end = strstr(message, "\r\n\r\n");
    const char *found = strstr(message, start);

    if (found == NULL || found > end) {
        return NULL;
    }
    found += strlen(start);
    return found + strspn(found, " ");
}

char *
dm_sim_header(const char *message, const char *name)
{
    const char *value = find_value(message, name);

    if (value == NULL && compact_name(name) != NULL) {
        value = find_value(message, compact_name(name));
    }
    return value != NULL ? g_strndup(value, strcspn(value, "\r")) : NULL;
}

char *
dm_sim_header_uri(const char *message, const char *name)
{
    g_autofree char *value = dm_sim_header(message, name);
    char *open = value != NULL ? strchr(value, '<') : NULL;

    return open != NULL ? g_strndup(open + 1, strcspn(open + 1, ">")) : NULL;
}

const char *
dm_sim_body(const char *message)
{
    return strstr(message, "\r\n\r\n") + 4;
}

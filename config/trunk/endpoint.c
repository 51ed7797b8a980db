/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/config.h"
#include "config/trunk/members.h"

static const DmJsonChoice transports[] = {
    {"udp", DM_TRANSPORT_UDP},
    {"tcp", DM_TRANSPORT_TCP},
    {"tls", DM_TRANSPORT_TLS},
    {NULL},
};

const char *
dm_transport_name(DmTransport transport)
{
    g_return_val_if_fail(transport < DM_N_TRANSPORTS, "");
    return transports[transport].name;
}

void
dm_endpoint_free(gpointer data)
{
    DmEndpointConfig *endpoint = data;

    if (endpoint != NULL) {
        g_free(endpoint->host);
        g_free(endpoint);
    }
}

static bool
parse_port(const char *text, uint16_t *out_port)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL)) {
        return false;
    }
    *out_port = (uint16_t)port;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port", "v6" */
static bool
parse_host_port(const char *text, DmEndpointConfig *endpoint)
{
    g_autofree char *host = NULL;
    const char *rest = "";
    DmAddress address;

    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL) {
            return false;
        }
        host = g_strndup(text + 1, end - text - 1);
        rest = end + 1;
        if (!dm_address_parse(&address, host, 0)) {
            return false;
        }
    } else {
        const char *colon = strchr(text, ':');
        bool has_port = colon != NULL && strchr(colon + 1, ':') == NULL;
        host = has_port ? g_strndup(text, colon - text) : g_strdup(text);
        rest = has_port ? colon : "";
    }
    if (!dm_host_is_valid(host) ||
        (*rest != '\0' && (*rest != ':' || !parse_port(rest + 1, &endpoint->port)))) {
        return false;
    }
    g_free(endpoint->host);
    endpoint->host = g_steal_pointer(&host);
    return true;
}

/* Of the parameters a URI may have, transport is the one that means something here. */
static bool
parse_parameters(char **parameters, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    for (; *parameters != NULL; parameters++) {
        int transport;
        if (!g_str_has_prefix(*parameters, "transport=")) {
            dm_json_problem(reader,
                            "format",
                            "only ';transport=udp', 'tcp' or 'tls' may follow the host");
            return false;
        }
        g_autofree char *name = g_ascii_strdown(*parameters + strlen("transport="), -1);
        if (!dm_json_choice(transports, name, &transport)) {
            dm_json_problem(reader, "enum", "transport is none of: udp, tcp, tls");
            return false;
        }
        endpoint->transport = transport;
        endpoint->transport_free = false;
    }
    return true;
}

/* "sip:host:port;transport=tcp", "sips:host" or "host:port". */
static void
parse_uri(const char *text, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    g_auto(GStrv) parts = NULL;
    const char *address = text;
    bool secure = g_ascii_strncasecmp(text, "sips:", 5) == 0;

    if (secure || g_ascii_strncasecmp(text, "sip:", 4) == 0) {
        address = strchr(text, ':') + 1;
    }
    endpoint->transport = secure ? DM_TRANSPORT_TLS : DM_TRANSPORT_UDP;
    endpoint->transport_free = !secure;
    parts = g_strsplit(address, ";", 8);
    if (parts[0] == NULL || strchr(parts[0], '@') != NULL || !parse_host_port(parts[0], endpoint)) {
        dm_json_problem(reader,
                        "format",
                        "expected 'host:port', 'sip:host:port;transport=tcp' or 'sips:host'");
        return;
    }
    if (parse_parameters(parts + 1, endpoint, reader) && secure &&
        endpoint->transport != DM_TRANSPORT_TLS) {
        dm_json_problem(reader,
                        "conflict",
                        "'sips:' is TLS, whatever the transport parameter says");
    }
}

static void
convert_uri(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    parse_uri(json_string_value(value), object, reader);
}

const DmJsonMember dm_endpoint_members[] = {
    {"uri",
     DM_JSON_STRING,
     .required = true,
     .min = 1,
     .max = 280,
     .converts = true,
     .convert = convert_uri,
     .doc = "`host:port`, `sip:host:port;transport=tcp` or `sips:host`. A name without a port is "
            "looked up as RFC 3263 says: NAPTR unless a transport is given, then SRV, else 5060, "
            "with TLS 5061."},
    {"transport",
     DM_JSON_ENUM,
     .converts = true,
     .choices = transports,
     .shown = "as in `uri`, else as NAPTR and SRV say, else udp",
     .doc = "May be given here instead of in the URI."},
    {"priority",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmEndpointConfig, priority),
     .max = 65535,
     .doc = "Lower is tried first."},
    {"weight",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmEndpointConfig, weight),
     .max = 65535,
     .value = 1,
     .doc = "Share of the calls among equal priorities."},
    {"enabled",
     DM_JSON_BOOL,
     DM_JSON_AT(DmEndpointConfig, enabled),
     .value = true,
     .doc = "Whether calls are sent there."},
    {NULL},
};

/* The member says the same as the URI, or what the URI leaves open. */
static void
take_transport_member(const json_t *element, DmEndpointConfig *endpoint, DmJsonReader *reader)
{
    const char *uri = json_string_value(json_object_get(element, "uri"));
    const char *name = json_string_value(json_object_get(element, "transport"));
    int transport;

    if (name == NULL || !dm_json_choice(transports, name, &transport)) {
        return;
    }
    bool said = strstr(uri, ";transport=") != NULL || g_ascii_strncasecmp(uri, "sips:", 5) == 0;
    if (said && endpoint->transport != (DmTransport)transport) {
        dm_json_problem_at(reader,
                           "transport",
                           "conflict",
                           "the URI says %s",
                           dm_transport_name(endpoint->transport));
    }
    endpoint->transport = transport;
    endpoint->transport_free = false;
}

void *
dm_endpoint_make(const json_t *element, DmJsonReader *reader)
{
    DmEndpointConfig *endpoint = g_new0(DmEndpointConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_endpoint_members, endpoint)) {
        take_transport_member(element, endpoint, reader);
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&endpoint, dm_endpoint_free);
    }
    return endpoint;
}

void
dm_endpoint_convert_proxy(const json_t *value,
                          const DmJsonMember *member,
                          void *object,
                          DmJsonReader *reader)
{
    DmTrunkConfig *trunk = object;

    if (json_string_length(value) > 0) {
        trunk->outbound_proxy = g_new0(DmEndpointConfig, 1);
        trunk->outbound_proxy->enabled = true;
        parse_uri(json_string_value(value), trunk->outbound_proxy, reader);
    }
}

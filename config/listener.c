/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"
#include "config/members.h"

static const DmJsonChoice transports[] = {
    {"udp", DM_TRANSPORT_UDP},
    {"tcp", DM_TRANSPORT_TCP},
    {"tls", DM_TRANSPORT_TLS},
    {NULL},
};

/* Ports stand beside their addresses in JSON, and inside them in the struct. */
typedef struct {
    DmListenerConfig listener;
    uint16_t port, advertised_port;
} ListenerDraft;

const DmJsonMember dm_listener_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name."},
    {"address",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.address),
     .required = true,
     .min = 1,
     .converts = true,
     .convert = dm_json_convert_address,
     .doc = "Address to listen on."},
    {"port",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, port),
     .max = 65535,
     .value = 5060,
     .shown = "5060, with TLS 5061",
     .doc = "Port to listen on; 0: any that is free."},
    {"transport",
     DM_JSON_ENUM,
     DM_JSON_AT(ListenerDraft, listener.transport),
     .choices = transports,
     .doc = "Transport."},
    {"advertised_address",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.advertised),
     .converts = true,
     .convert = dm_json_convert_address,
     .shown = "`address`",
     .doc = "What Via and Contact say, where `address` cannot be reached from outside."},
    {"advertised_port",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, advertised_port),
     .min = 1,
     .max = 65535,
     .shown = "`port`",
     .doc = "The same for the port."},
    {"fqdn_contact",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.fqdn_contact),
     .convert = dm_json_check_host,
     .doc = "Host name in Contact instead of the address."},
    {"tls_profile",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.tls_profile),
     .reference = "tls_profiles",
     .doc = "Certificate and trust, for clients and for the servers of its trunks; needed with "
            "TLS."},
    {"media_pool",
     DM_JSON_STRING,
     DM_JSON_AT(ListenerDraft, listener.media_pool),
     .reference = "media_pools",
     .shown = "the first",
     .doc = "Where audio of its calls is received."},
    {"dscp_sip",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.dscp),
     .max = 63,
     .value = 24,
     .doc = "DSCP of what is sent (24 is CS3)."},
    {"udp_mtu",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.udp_mtu),
     .min = 576,
     .max = 65535,
     .value = 1500,
     .doc = "Bytes a datagram may have on its way, IP header included."},
    {"max_message",
     DM_JSON_INTEGER,
     DM_JSON_AT(ListenerDraft, listener.max_message_bytes),
     .min = 2048,
     .max = 65535,
     .value = 65535,
     .doc = "Largest message accepted, in bytes."},
    {NULL},
};

void
dm_listener_free(gpointer data)
{
    DmListenerConfig *listener = data;

    g_free(listener->id);
    g_free(listener->fqdn_contact);
    g_free(listener->tls_profile);
    g_free(listener->media_pool);
    g_free(listener);
}

static void
set_advertised(DmAddress *advertised, const DmAddress *address, uint16_t port)
{
    if (!dm_address_is_set(advertised) && port != 0) {
        *advertised = *address;
    }
    if (dm_address_is_set(advertised)) {
        dm_address_set_port(advertised, port != 0 ? port : dm_address_port(address));
    }
}

/* Nobody can answer to 0.0.0.0. */
static void
check_reachable(const DmAddress *address, const DmAddress *advertised, DmJsonReader *reader)
{
    if (!dm_address_is_set(advertised) && dm_address_is_any(address)) {
        dm_json_problem_at(reader,
                           "advertised_address",
                           "required",
                           "is missing: peers cannot be told to answer to every address at once");
    } else if (dm_address_is_set(advertised) && dm_address_is_any(advertised)) {
        dm_json_problem_at(reader,
                           "advertised_address",
                           "format",
                           "expected an address peers can answer to");
    }
}

void *
dm_listener_make(const json_t *element, DmJsonReader *reader)
{
    ListenerDraft draft = {0};
    DmListenerConfig *listener = &draft.listener;
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_listener_members, &draft)) {
        check_reachable(&listener->address, &listener->advertised, reader);
        if (listener->transport == DM_TRANSPORT_TLS && *listener->tls_profile == '\0') {
            dm_json_problem_at(reader,
                               "tls_profile",
                               "required",
                               "is missing: a TLS listener needs a certificate");
        }
        if (listener->transport == DM_TRANSPORT_TLS && json_object_get(element, "port") == NULL) {
            draft.port = 5061;
        }
        dm_address_set_port(&listener->address, draft.port);
        set_advertised(&listener->advertised, &listener->address, draft.advertised_port);
    }
    listener = g_memdup2(listener, sizeof(*listener));
    if (reader->problems->list->len > before) {
        g_clear_pointer(&listener, dm_listener_free);
    }
    return listener;
}

const DmJsonMember dm_media_pool_members[] = {
    {"id",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, id),
     .required = true,
     .min = 1,
     .max = 64,
     .convert = dm_json_check_id,
     .doc = "Its name."},
    {"address",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, address),
     .required = true,
     .min = 1,
     .converts = true,
     .convert = dm_json_convert_address,
     .doc = "Address audio is received on."},
    {"advertised_address",
     DM_JSON_STRING,
     DM_JSON_AT(DmMediaPoolConfig, advertised),
     .converts = true,
     .convert = dm_json_convert_address,
     .shown = "`address`",
     .doc = "What SDP says, where `address` cannot be reached from outside."},
    {"port_min",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, port_min),
     .min = 1024,
     .max = 65534,
     .value = 20000,
     .doc = "First port."},
    {"port_max",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, port_max),
     .min = 1025,
     .max = 65535,
     .value = 29999,
     .doc = "Last port. A call needs four: two for each side."},
    {"dscp_rtp",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmMediaPoolConfig, dscp),
     .max = 63,
     .value = 46,
     .doc = "DSCP of what is sent (46 is EF)."},
    {NULL},
};

void
dm_media_pool_free(gpointer data)
{
    DmMediaPoolConfig *pool = data;

    g_free(pool->id);
    g_free(pool);
}

void *
dm_media_pool_make(const json_t *element, DmJsonReader *reader)
{
    DmMediaPoolConfig *pool = g_new0(DmMediaPoolConfig, 1);
    guint before = reader->problems->list->len;

    if (dm_json_read(reader, element, dm_media_pool_members, pool)) {
        check_reachable(&pool->address, &pool->advertised, reader);
        if (pool->port_max < pool->port_min + 3) {
            dm_json_problem_at(reader,
                               "port_max",
                               "range",
                               "expected room for a call: four ports from 'port_min' on");
        }
    }
    if (reader->problems->list->len > before) {
        g_clear_pointer(&pool, dm_media_pool_free);
    }
    return pool;
}

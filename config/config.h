/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/route.h"
#include "config/trunk.h"
#include "gateway/base/address.h"
#include "gateway/base/log.h"

/* What a TLS server asks of its clients. */
typedef enum {
    DM_VERIFY_NONE,
    DM_VERIFY_OPTIONAL, /* a certificate that is shown must be good */
    DM_VERIFY_REQUIRED,
} DmVerifyClient;

/* How TLS is spoken: files are read when a configuration is taken, and again on reload. */
typedef struct {
    char *id;
    char *cert, *key; /* paths (PEM); "": none, for outbound connections only */
    char *ca;         /* path (PEM) of the authorities trusted; "": the system's */
    DmVerifyClient verify_client;
    bool verify_server;
    bool tls13_only;
    GPtrArray *client_names;        /* char *: of which a client must prove one; empty: any */
    GPtrArray *server_names;        /* char *: good for a server besides its host in the trunk */
    GPtrArray *server_fingerprints; /* char *: SHA-256 of a server's certificate, good without any
                                       authority or name */
    bool provisioned;               /* from the configuration file: read-only in the API */
    json_t *source;                 /* the object it was made from; not owned by readers */
} DmTlsProfileConfig;

/* A SIP listener. */
typedef struct {
    char *id;
    DmAddress address; /* with port */
    DmTransport transport;
    DmAddress advertised; /* what Via and Contact say; not set: @address */
    char *fqdn_contact;   /* host for Contact instead of the address; "": none */
    char *tls_profile;    /* profile id; never "" with TLS */
    char *media_pool;     /* pool id; "": the first */
    uint8_t dscp;
    unsigned udp_mtu, max_message_bytes;
} DmListenerConfig;

typedef struct {
    char *id;
    DmAddress address, advertised;
    uint16_t port_min, port_max;
    uint8_t dscp;
} DmMediaPoolConfig;

/* A recording. The file is read by the gateway when it takes the configuration. */
typedef struct {
    char *id;
    char *file;     /* path (WAV) */
    DmSound *sound; /* NULL: it could not be read, or nobody has; set by dm_config_set_sound() */
    GDestroyNotify free_sound;
} DmSoundConfig;

/* Everything configured, as one immutable value. Calls keep the snapshot they started with. */
typedef struct {
    uint64_t revision; /* 0: the file alone */

    GPtrArray *tls_profiles;  /* DmTlsProfileConfig */
    GPtrArray *listeners;     /* DmListenerConfig */
    GPtrArray *media_pools;   /* DmMediaPoolConfig */
    GPtrArray *sounds;        /* DmSoundConfig */
    GPtrArray *trunks;        /* DmTrunkConfig */
    GPtrArray *routes;        /* DmRoute, sorted for display by order, id */
    GHashTable *trunks_by_id; /* borrowed keys and values */

    struct {
        unsigned workers;       /* signalling threads */
        unsigned media_workers; /* 0: by cores */
        char *data_dir;
        char *key_file;     /* "": secret.key in data_dir */
        char *node;         /* this gateway's name in records; "": host name */
        char *g729_library; /* "": G.729 is relayed only */
        unsigned drain_s;
        unsigned watchdog_ms;
    } system;

    struct {
        DmLogFormat format;
        DmLogLevel level;
        DmDigitsPolicy digits;
    } log;

    struct {
        bool enabled;
        DmAddress address;        /* loopback by default */
        char *tls_cert, *tls_key; /* paths; "": plain HTTP */
        unsigned max_connections, threads;
        unsigned requests_per_second; /* per source */
    } admin;

    struct {
        bool unknown_silent;  /* strangers get no answer */
        unsigned source_rate; /* requests a second from one stranger */
        unsigned max_transactions, max_calls;
        unsigned max_connections;            /* TCP and TLS, together */
        unsigned max_connections_per_source; /* of one stranger */
        unsigned first_message_s; /* connecting, TLS and the first message; any message */
        unsigned connection_idle_s;
        bool scanner_block;
    } security;

    /* Beyond these a call's quality is named in its record; 0: never. */
    struct {
        unsigned loss_percent, jitter_ms, rtt_ms;
        struct {
            char *collector;     /* trunk id; "": no reports */
            char *user;          /* of its URI; "": none */
            unsigned interval_s; /* in the middle of calls; 0: none */
            GPtrArray *trunks;   /* char *: whose calls are reported; empty: all */
        } reports;
    } quality;

    struct {
        char *directory; /* relative: to the data directory */
        char *name;      /* of a file, without ".wav"; see gateway/call/recording.h */
        unsigned rate_hz;
        unsigned retention_days; /* 0: for ever */
        unsigned min_free_mb;
    } recording;

    struct {
        bool file_sink;
        char *file_path;
        unsigned retention_days; /* 0: for ever */
    } cdr;

    gpointer route_index; /* made by gateway/route; see dm_config_set_route_index() */
    gpointer route_index_free;
} DmConfig;

/* One reference more, one less. Any thread. */
DmConfig *dm_config_ref(DmConfig *config);
void dm_config_unref(DmConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmConfig, dm_config_unref)

/* Every problem of a document, not only the first. */
typedef struct DmProblem {
    char *pointer;    /* RFC 6901: "/trunks/0/endpoints/1/uri" */
    const char *code; /* static: "required", "type", "range", "enum", "unknown_member", "reference",
                         "format", ... */
    char *detail;     /* a sentence, with "did you mean 'x'?" where something is near */
} DmProblem;

typedef struct DmProblems {
    GPtrArray *list; /* DmProblem */
} DmProblems;

void dm_problems_init(DmProblems *problems);
void dm_problems_clear(DmProblems *problems);
void dm_problems_add(DmProblems *problems,
                     const char *pointer,
                     const char *code,
                     const char *format,
                     ...) G_GNUC_PRINTF(4, 5);
static inline bool
dm_problems_any(const DmProblems *problems)
{
    return problems->list->len > 0;
}

/**
 * dm_config_new_from_json:
 * @document: (transfer none): listeners, media_pools, trunks, routes, system, log, admin, security,
 * cdr; all optional members have defaults. References "${file:...}" and "${env:...}" in secrets are
 * resolved here; the document keeps them.
 * @problems: every problem, in document order
 *
 * Checks members, then references between resources (a route's trunks, a trunk's listener).
 * Returns: (transfer full): one reference, or %NULL when there are problems
 */
DmConfig *dm_config_new_from_json(const json_t *document, DmProblems *problems);
extern const DmJsonMember dm_config_members[]; /* of the document */

/* Whether the collector is told of calls of trunk @id. */
bool dm_config_is_reported(const DmConfig *config, const char *id);

/* The one thing added to a snapshot after it was made, by the first thread that needs it. Returns
 * the index in force: @index, now the configuration's, or the one another thread was quicker with
 * (@index is freed then). */
gpointer dm_config_set_route_index(DmConfig *config, gpointer index, GDestroyNotify free_index);
gpointer dm_config_route_index(const DmConfig *config); /* NULL: none yet */

/* Before anybody but its maker has seen the configuration; @sound (transfer full): NULL is ignored.
 */
void dm_config_set_sound(DmConfig *config,
                         unsigned index,
                         DmSound *sound,
                         GDestroyNotify free_sound);
DmSound *dm_config_sound(const DmConfig *config, const char *id); /* NULL: none, or not read */

const DmTrunkConfig *dm_config_trunk(const DmConfig *config, const char *id);
const DmListenerConfig *dm_config_listener(const DmConfig *config,
                                           const char *id); /* "" or NULL: the first */
const DmTlsProfileConfig *dm_config_tls_profile(const DmConfig *config, const char *id);
const DmMediaPoolConfig *dm_config_media_pool(const DmConfig *config, const char *id);
unsigned dm_config_media_pool_index(const DmConfig *config, const char *id);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "config/config.h"
#include "gateway/sip/transport/certificate.h"

/* TLS as bytes in and bytes out, on OpenSSL, which stays in tls.c. No socket and no clock. */

/* A profile with its files read: certificate, key, authorities. Never changes; any thread. A reload
 * makes another, and sessions keep the one they began with. */
typedef struct DmTlsContext DmTlsContext;

/* Error: DM_ERROR_CONFIG, "TLS profile 'x': certificate /etc/...: No such file or directory". */
DmTlsContext *dm_tls_context_new(const DmTlsProfileConfig *profile, GError **error);
DmTlsContext *dm_tls_context_ref(DmTlsContext *context);
void dm_tls_context_unref(DmTlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmTlsContext, dm_tls_context_unref)
/* When the first certificate of the chain we show expires, seconds of Unix time; 0: there is none.
 */
int64_t dm_tls_context_expires_s(const DmTlsContext *context);

/* The contexts of a configuration, together: one reference count. */
typedef struct DmTlsContexts DmTlsContexts;
/* Reads files: not on a signalling thread. Error: as dm_tls_context_new(), of the first that is
 * bad. */
DmTlsContexts *dm_tls_contexts_new(const DmConfig *config, GError **error);
DmTlsContexts *dm_tls_contexts_ref(DmTlsContexts *contexts);
void dm_tls_contexts_unref(DmTlsContexts *contexts);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmTlsContexts, dm_tls_contexts_unref)
/* Those that have a certificate. */
void dm_tls_contexts_foreach(const DmTlsContexts *contexts,
                             void (*func)(const DmCertificateFacts *facts, void *user_data),
                             void *user_data);
/* By profile id; NULL: there is none of that name. Borrowed. */
DmTlsContext *dm_tls_contexts_find(const DmTlsContexts *contexts, const char *profile);

/* Why a handshake or a connection failed. Each has a counter. */
typedef enum {
    DM_TLS_FAILED_NOT,
    DM_TLS_FAILED_PROTOCOL,       /* no common version or cipher, or no TLS at all */
    DM_TLS_FAILED_UNTRUSTED,      /* the chain does not end at an authority we trust */
    DM_TLS_FAILED_EXPIRED,        /* not yet or no longer valid */
    DM_TLS_FAILED_NAME,           /* it proves another name */
    DM_TLS_FAILED_NO_CERTIFICATE, /* the client showed none */
    DM_TLS_FAILED_ALERT,          /* the peer refused us */
    DM_TLS_FAILED_CLOSED,         /* it went away in between */
    DM_TLS_FAILED_TIMEOUT,        /* it took too long */
    DM_TLS_FAILED_OTHER,
} DmTlsFailure;
#define DM_N_TLS_FAILURES (DM_TLS_FAILED_OTHER + 1)

typedef enum {
    DM_TLS_HANDSHAKING,
    DM_TLS_UP,
    DM_TLS_ENDED, /* the peer said good-bye */
    DM_TLS_FAILED,
} DmTlsState;

/* One connection's. Owned by it, used on its thread. */
typedef struct DmTlsSession DmTlsSession;

DmTlsSession *dm_tls_session_new_server(DmTlsContext *context);
/* @names: of which the server must prove one; the first that is no address is asked for (SNI).
 * Copied. None: nothing will do, unless the profile does not verify servers. */
DmTlsSession *dm_tls_session_new_client(DmTlsContext *context,
                                        const char *const *names,
                                        unsigned n_names);
void dm_tls_session_free(DmTlsSession *session);

/* Bytes from the peer (none to begin a client's handshake). Appends what they say to @out_plain and
 * what has to be sent to @out_wire, after a failure too (the alert). */
DmTlsState dm_tls_session_receive(DmTlsSession *session,
                                  const void *data,
                                  size_t len,
                                  GByteArray *out_plain,
                                  GByteArray *out_wire);
/* Only while up. False: it is not. */
bool dm_tls_session_send(DmTlsSession *session, const void *data, size_t len, GByteArray *out_wire);
/* Says good-bye. */
void dm_tls_session_end(DmTlsSession *session, GByteArray *out_wire);
/* After DM_TLS_FAILED: what it was, and a sentence for the log. */
DmTlsFailure dm_tls_session_failure(const DmTlsSession *session, const char **out_text);
/* Whether a client has shown a certificate for host @name (RFC 5922) that an authority we trust has
 * signed; of a server's session, once up. */
bool dm_tls_session_client_proves(const DmTlsSession *session, const char *name);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384", once up; whether an earlier session was resumed. */
const char *dm_tls_session_describe(const DmTlsSession *session);
bool dm_tls_session_is_resumed(const DmTlsSession *session);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "admin/api.h"

/* HTTP/1.1 around a DmApi: one thread that reads and writes, and a pool that answers, so that an
 * answer that waits for a signalling worker or for the disk holds up nobody else.
 *
 * Every request has an absolute deadline for arriving, every answer one for being taken; a client
 * that misses it is cut off, however often it moves a byte. When all places are taken, the client
 * that has been slowest to send its request loses its place to the new one. */
typedef struct DmServer DmServer;

typedef struct {
    DmApi *api; /* borrowed, outlives the server */
    DmAddress address;
    char *tls_cert, *tls_key; /* PEM text; NULL: plain HTTP. Borrowed for the call */
    unsigned max_connections, threads, requests_per_second;
    unsigned read_ms, write_ms; /* the deadlines; 0: 10 s and 60 s */
} DmServerOptions;

/* Error: DM_ERROR_IO, DM_ERROR_CONFIG. */
DmServer *dm_server_start(const DmServerOptions *options, GError **error);
/* Requests that have arrived are answered first. */
void dm_server_stop(DmServer *server);
void dm_server_address(const DmServer *server, DmAddress *out);

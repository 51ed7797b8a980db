/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "tests/lib/sim-network.h"

/* A SIP peer that a test plays with text: what reaches it is kept, what it says is written by the
 * test. It repeats nothing by itself and answers nothing by itself. */
typedef struct DmSimPeer DmSimPeer;

/* @gateway: where it sends to. */
DmSimPeer *dm_sim_peer_new(DmSimNetwork *network, const char *address, const char *gateway);
void dm_sim_peer_free(DmSimPeer *peer);
DmSimHost *dm_sim_peer_host(DmSimPeer *peer);

/* Runs the network until a message whose first line starts with @start ("INVITE ", "SIP/2.0 200")
 * has come, 60 s at most, and takes it, together with all that came before. NULL: it never came.
 * (transfer none): until the next call. */
const char *dm_sim_peer_wait(DmSimPeer *peer, const char *start);
/* The same; its absence fails the test. */
const char *dm_sim_peer_expect(DmSimPeer *peer, const char *start);
/* Messages here that start so and have not been taken. */
unsigned dm_sim_peer_count(const DmSimPeer *peer, const char *start);
void dm_sim_peer_forget(DmSimPeer *peer);

void dm_sim_peer_send(DmSimPeer *peer, const char *text);
/* A request of its own: Via with @branch, Max-Forwards, Contact and Content-Length are added;
 * @headers are the others, whole lines; @body may be NULL, and is a session description unless
 * @headers say what it is. */
void dm_sim_peer_request(DmSimPeer *peer,
                         const char *method,
                         const char *uri,
                         const char *branch,
                         const char *headers,
                         const char *body);
/* An answer to @request: its Via, From, To (with @to_tag unless it has one), Call-ID, CSeq and
 * Record-Route; a Contact; @headers as above, "" for none. */
void dm_sim_peer_respond(DmSimPeer *peer,
                         const char *request,
                         const char *status,
                         const char *to_tag,
                         const char *headers,
                         const char *body);

/* The value of the first header @name of @message ("Call-ID", or its compact form), NULL without
 * one. (transfer full) */
char *dm_sim_header(const char *message, const char *name);
/* What follows the empty line. */
const char *dm_sim_body(const char *message);
/* The URI between the first < and > of a header. (transfer full) */
char *dm_sim_header_uri(const char *message, const char *name);

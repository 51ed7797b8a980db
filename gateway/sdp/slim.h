/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

/* Makes a description shorter for a datagram it does not fit into. Works on text of our own
 * (dm_sdp_print()), in place; doing it again changes nothing. Pure. */
typedef enum {
    /* What holds without being said: rtpmap of static types (RFC 3551, 6), sendrecv (RFC
     * 8866, 6.7), 20 ms (RFC 3551, 4.2), RTCP at the port after the media's (RFC 3605); and what
     * only tells of reports (RFC 3611). */
    DM_SDP_SLIM_ATTRIBUTES = 1 << 0,
    /* Of every audio line the first codec and G.711, and telephone-event, stay. */
    DM_SDP_SLIM_CODECS = 1 << 1,
} DmSdpSlim;

/* @what: bits of DmSdpSlim. */
void dm_sdp_slim(GString *text, unsigned what);

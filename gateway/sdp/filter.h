/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/draft.h"

/* Sofia's parser is exact where peers are sloppy: one odd o=, k= or b= line and it refuses the
 * whole description. So it is given only the lines we act upon, under a head of our own; the rest
 * is dropped here, as it would be later. What is known to hurt it does not get past here either. */

#define DM_SDP_TYPE_MAX    16
#define DM_SDP_PROTO_MAX   24
#define DM_SDP_FORMATS_MAX 64

/* Of all media lines together, and the session. */
#define DM_SDP_MAX_TRANSPORT_LINES 80

typedef struct {
    char type[DM_SDP_TYPE_MAX], proto[DM_SDP_PROTO_MAX], formats[DM_SDP_FORMATS_MAX];
} DmSdpMediaAsWritten;

typedef struct {
    GString *text; /* what the parser gets to see; the caller's */
    uint64_t version;
    unsigned n_media;
    DmSdpMediaAsWritten media[DM_SDP_MAX_MEDIA];
    unsigned n_transport;
    struct {
        int media;             /* -1: of the session, and so of all */
        const char *attribute; /* in the text that was filtered: see transport.h */
    } transport[DM_SDP_MAX_TRANSPORT_LINES];
    unsigned n_crypto;
    struct {
        unsigned media;
        char *value; /* in the text that was filtered */
    } crypto[DM_SDP_MAX_CRYPTO_LINES];
} DmSdpFilter;

/* @text: changed in place, and must outlive @filter. Error: DM_ERROR_PARSE, DM_ERROR_LIMIT. */
bool dm_sdp_filter_text(DmSdpFilter *filter, char *text, GError **error);

/* Splits @text in place at blanks, any number of them, into at most @max words; what is more is
 * left out. @words has room for @max + 1: a NULL follows the last. Returns how many. */
unsigned dm_sdp_words(char *text, char *words[], unsigned max);

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sdp/session.h"
#include "gateway/sdp/slim.h"

/* Any text: what parses is within bounds, and what we print of it parses to the same again. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_bounds(const DmSdp *sdp)
{
    g_assert_cmpuint(dm_sdp_n_media(sdp), <=, DM_SDP_MAX_MEDIA);
    for (unsigned i = 0; i < dm_sdp_n_media(sdp); i++) {
        const DmSdpMedia *media = dm_sdp_media(sdp, i);

        g_assert_cmpuint(media->n_formats, <=, DM_SDP_MAX_FORMATS);
        for (unsigned f = 0; f < media->n_formats; f++) {
            g_assert_cmpuint(media->formats[f].pt, <=, 127);
            g_assert_cmpuint(media->formats[f].clock_hz, >, 0);
            g_assert_cmpstr(media->formats[f].name, !=, "");
        }
    }
}

/* SIG-23: made shorter it is a description still, of as many streams; twice changes nothing. */
static void
check_slim(const GString *text, unsigned n_media)
{
    for (unsigned what = 1; what <= (DM_SDP_SLIM_ATTRIBUTES | DM_SDP_SLIM_CODECS); what++) {
        g_autoptr(GString) once = g_string_new(text->str);
        g_autofree char *first = NULL;
        g_autoptr(DmSdp) read = NULL;

        dm_sdp_slim(once, what);
        g_assert_cmpuint(once->len, <=, text->len);
        read = dm_sdp_parse(once->str, once->len, NULL);
        g_assert_nonnull(read);
        g_assert_cmpuint(dm_sdp_n_media(read), ==, n_media);
        first = g_strdup(once->str);
        dm_sdp_slim(once, what);
        g_assert_cmpstr(once->str, ==, first);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(DmSdp) sdp = dm_sdp_parse((const char *)data, size, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(DmSdp) again = NULL;
    DmSdpOrigin origin = {0};
    DmAddress address;

    if (sdp == NULL) {
        return 0;
    }
    check_bounds(sdp);
    g_assert_true(dm_address_parse(&address, "192.0.2.1", 5060));
    dm_sdp_print(sdp, &origin, &address, 1, text);
    g_assert_cmpuint(strlen(text->str), ==, text->len);
    again = dm_sdp_parse(text->str, text->len, NULL);
    g_assert_nonnull(again);
    g_assert_cmpuint(dm_sdp_n_media(again), ==, dm_sdp_n_media(sdp));
    check_slim(text, dm_sdp_n_media(sdp));
    dm_sdp_origin_clear(&origin);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sdp/session.h"
#include "gateway/sdp/slim.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static const struct {
    const char *what;
    unsigned slim;
    const char *before, *after;
} cases[] = {
    {"what holds anyway is not said",
     DM_SDP_SLIM_ATTRIBUTES,
     "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
     "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
     "a=rtcp:4001 IN IP4 192.0.2.1\r\na=rtcp-xr:voip-metrics\r\n",
     "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"},
    {"what says something stays",
     DM_SDP_SLIM_ATTRIBUTES,
     "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 G726-32/8000\r\na=ptime:30\r\na=sendonly\r\n"
     "a=rtcp:4009 IN IP4 192.0.2.1\r\na=rtcp-mux\r\n",
     "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 G726-32/8000\r\na=ptime:30\r\na=sendonly\r\n"
     "a=rtcp:4009 IN IP4 192.0.2.1\r\na=rtcp-mux\r\n"},
    {"RTCP at another host is said",
     DM_SDP_SLIM_ATTRIBUTES,
     "m=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n",
     "m=audio 4000 RTP/AVP 0\r\na=rtcp:4001 IN IP4 192.0.2.9\r\n"},
    {"the first codec, G.711 and keys stay",
     DM_SDP_SLIM_CODECS,
     "m=audio 4000 RTP/AVP 107 9 3 0 8 13 101\r\na=rtpmap:107 opus/48000/2\r\n"
     "a=fmtp:107 useinbandfec=1\r\na=rtpmap:9 G722/8000\r\na=rtpmap:3 GSM/8000\r\n"
     "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
     "m=audio 4000 RTP/AVP 107 0 8 13 101\r\na=rtpmap:107 opus/48000/2\r\n"
     "a=fmtp:107 useinbandfec=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
     "a=rtpmap:101 telephone-event/8000\r\n"},
    {"keys at a clock that no codec has any more go too",
     DM_SDP_SLIM_CODECS,
     "m=audio 4000 RTP/AVP 0 107 101 102\r\na=rtpmap:107 opus/48000/2\r\n"
     "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:102 telephone-event/48000\r\n"
     "a=fmtp:102 0-16\r\n",
     "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"},
    {"other lines keep their formats",
     DM_SDP_SLIM_CODECS,
     "m=audio 4000 RTP/SAVP 9 3\r\na=rtpmap:9 G722/8000\r\na=rtpmap:3 GSM/8000\r\n"
     "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\nm=video 0 RTP/AVP 31 34\r\n",
     "m=audio 4000 RTP/SAVP 9\r\na=rtpmap:9 G722/8000\r\n"
     "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\nm=video 0 RTP/AVP 31 34\r\n"},
};

static void
test_cases(void)
{
    g_test_summary("SIG-23: a description gets shorter and still says what it has to; done twice "
                   "it is the same");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *before = g_strconcat(HEAD, cases[i].before, NULL);
        g_autofree char *after = g_strconcat(HEAD, cases[i].after, NULL);
        g_autoptr(GString) text = g_string_new(before);
        g_autoptr(DmSdp) read = NULL;

        g_test_message("%s", cases[i].what);
        dm_sdp_slim(text, cases[i].slim);
        g_assert_cmpstr(text->str, ==, after);
        dm_sdp_slim(text, cases[i].slim);
        g_assert_cmpstr(text->str, ==, after);
        read = dm_sdp_parse(text->str, text->len, NULL);
        g_assert_nonnull(read);
    }
}

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sdp-slim/cases", test_cases);
    return g_test_run();
}

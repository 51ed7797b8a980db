/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/transport/framing.h"

#define INVITE                                                                                     \
    "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nContent-Length: "             \
    "4\r\n\r\nv=0\n"
#define BYE     "BYE sip:1@h SIP/2.0\nVia: x\nl:0\n\n"
#define RESPOND "SIP/2.0 200 OK\r\nSubject: a\r\n b\r\nCONTENT-length \r\n : 2\r\n\r\nok"

static const struct {
    const char *name, *bytes;
    const char *story; /* messages in brackets, "ping", "broken(head)" */
} cases[] = {
    {"one", INVITE, "[" INVITE "]"},
    {"several in a segment", INVITE BYE RESPOND, "[" INVITE "][" BYE "][" RESPOND "]"},
    {"ping between messages", BYE "\r\n\r\n" INVITE, "[" BYE "]ping[" INVITE "]"},
    {"two pings", "\r\n\r\n\r\n\r\n", "pingping"},
    {"pong", "\r\n" BYE, "[" BYE "]"},
    {"ping after a stray line feed", "\n\r\n\r\n", "ping"},
    {"no length", "A x\r\nVia: x\r\n\r\nrest", "broken(A x\r\nVia: x\r\n\r\n)"},
    {"two lengths", "A x\nl: 1\nl: 1\n\nrest", "broken(A x\nl: 1\nl: 1\n\n)"},
    {"negative", "A x\nl: -1\n\n", "broken(A x\nl: -1\n\n)"},
    {"no number", "A x\nl: 1x\n\n", "broken(A x\nl: 1x\n\n)"},
    {"empty number", "A x\nl:\n\n", "broken(A x\nl:\n\n)"},
    {"number beyond all", "A x\nl: 4294967297\n\n", "broken(A x\nl: 4294967297\n\n)"},
    {"longer than allowed", "A x\nl: 995\n\n", "broken(A x\nl: 995\n\n)"},
    {"a TLS greeting", "\x16\x03\x01\x02", "broken()"},
    {"a good one, then rubbish", BYE "\x80\x80", "[" BYE "]broken()"},
    {"half a head", "BYE sip:1@h SIP/2.0\r\nVia: x\r\n", ""},
    {"half a body", "A x\nl: 5\n\nfour", ""},
};

static void
feed(DmFraming *framing, const char *data, size_t len, GString *story)
{
    DmSpan message;
    DmFrameVerdict verdict;

    dm_framing_add(framing, data, len);
    while ((verdict = dm_framing_next(framing, &message)) == DM_FRAME_MESSAGE ||
           verdict == DM_FRAME_PING) {
        if (verdict == DM_FRAME_PING) {
            g_string_append(story, "ping");
        } else {
            g_string_append_printf(story, "[%.*s]", (int)message.len, message.p);
        }
    }
    if (verdict == DM_FRAME_BROKEN && strstr(story->str, "broken") == NULL) {
        g_string_append_printf(story, "broken(%.*s)", (int)message.len, message.p);
    }
}

static void
any_segmentation(void)
{
    g_test_summary("SIG-24: the same messages whether bytes come at once, one by one, or cut in "
                   "two anywhere");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        size_t len = strlen(cases[i].bytes);

        for (size_t cut = 0; cut <= len; cut++) {
            g_autoptr(GString) story = g_string_new(NULL);
            DmFraming framing;

            dm_framing_init(&framing, 1000);
            feed(&framing, cases[i].bytes, cut, story);
            feed(&framing, cases[i].bytes + cut, len - cut, story);
            dm_framing_clear(&framing);
            if (strcmp(story->str, cases[i].story) != 0) {
                g_test_message("%s, cut at %zu", cases[i].name, cut);
            }
            g_assert_cmpstr(story->str, ==, cases[i].story);
        }
    }
}

static void
byte_by_byte(void)
{
    g_test_summary("SIG-24: one byte a segment");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GString) story = g_string_new(NULL);
        DmFraming framing;

        dm_framing_init(&framing, 1000);
        for (const char *p = cases[i].bytes; *p != '\0'; p++) {
            feed(&framing, p, 1, story);
        }
        dm_framing_clear(&framing);
        g_test_message("%s", cases[i].name);
        g_assert_cmpstr(story->str, ==, cases[i].story);
    }
}

static void
midway(void)
{
    DmFraming framing;
    g_autoptr(GString) story = g_string_new(NULL);

    g_test_summary("Half a message is told from none: the one has a deadline");
    dm_framing_init(&framing, 1000);
    g_assert_false(dm_framing_is_midway(&framing));
    feed(&framing, "\r\n", 2, story);
    g_assert_false(dm_framing_is_midway(&framing));
    feed(&framing, "A", 1, story);
    g_assert_true(dm_framing_is_midway(&framing));
    feed(&framing, " x\nl:1\n\n", 8, story);
    g_assert_true(dm_framing_is_midway(&framing));
    feed(&framing, "b", 1, story);
    g_assert_false(dm_framing_is_midway(&framing));
    g_assert_cmpstr(story->str, ==, "[A x\nl:1\n\nb]");
    dm_framing_clear(&framing);
}

static void
an_endless_head(void)
{
    DmFraming framing;
    DmSpan message;
    g_autofree char *line = g_strnfill(499, 'a');

    g_test_summary("SEC-5: a head that does not end is given up at the limit");
    dm_framing_init(&framing, 1000);
    dm_framing_add(&framing, line, 499);
    g_assert_cmpint(dm_framing_next(&framing, &message), ==, DM_FRAME_MORE);
    dm_framing_add(&framing, line, 499);
    g_assert_cmpint(dm_framing_next(&framing, &message), ==, DM_FRAME_MORE);
    dm_framing_add(&framing, line, 499);
    g_assert_cmpint(dm_framing_next(&framing, &message), ==, DM_FRAME_BROKEN);
    g_assert_cmpuint(message.len, ==, 0);
    dm_framing_clear(&framing);
}

static void
a_long_message_in_bytes_is_no_work(void)
{
    DmFraming framing;
    DmSpan message;
    GString *text = g_string_new("A x\n");
    int64_t before_us = g_get_monotonic_time();

    g_test_summary("60 kB one byte at a time: every byte is looked at once, not once for each that "
                   "follows");
    while (text->len < 60000) {
        g_string_append(text, "Subject: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
    }
    g_string_append(text, "l: 0\n\n");
    dm_framing_init(&framing, 65535);
    for (size_t i = 0; i < text->len; i++) {
        dm_framing_add(&framing, text->str + i, 1);
        g_assert_cmpint(dm_framing_next(&framing, &message),
                        ==,
                        i + 1 < text->len ? DM_FRAME_MORE : DM_FRAME_MESSAGE);
    }
    g_assert_cmpmem(message.p, message.len, text->str, text->len);
    g_assert_cmpint(g_get_monotonic_time() - before_us, <, 5 * G_USEC_PER_SEC);
    dm_framing_clear(&framing);
    g_string_free(text, TRUE);
}

int
main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-framing/any-segmentation", any_segmentation);
    g_test_add_func("/sip-framing/byte-by-byte", byte_by_byte);
    g_test_add_func("/sip-framing/midway", midway);
    g_test_add_func("/sip-framing/endless-head", an_endless_head);
    g_test_add_func("/sip-framing/long-in-bytes", a_long_message_in_bytes_is_no_work);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "gateway/base/text.h"

static void
test_digits(void)
{
    static const struct {
        uint64_t value;
        size_t width;
        const char *text;
    } cases[] = {
        {0, 1, "0"},
        {0, 3, "000"},
        {7, 1, "7"},
        {42, 4, "0042"},
        {12345, 2, "12345"},
        {UINT64_MAX, 1, "18446744073709551615"},
        {1, 99, "00000000000000000001"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char digits[DM_DIGITS_MAX];
        size_t n = dm_text_digits(digits, cases[i].value, cases[i].width);

        g_assert_cmpmem(digits, n, cases[i].text, strlen(cases[i].text));
    }
}

/* Whatever room the string had at first: every append leaves it terminated and right. */
static void
test_appends(void)
{
    for (gsize room = 0; room < 64; room++) {
        g_autoptr(GString) out = g_string_sized_new(room);

        dm_text_add(out, "m=");
        dm_text_add_len(out, "audio!", 5);
        dm_text_add_char(out, ' ');
        dm_text_add_unsigned(out, 30002);
        dm_text_add_all(out, " RTP", "/", "AVP", NULL);
        dm_text_add(out, "");
        g_assert_cmpstr(out->str, ==, "m=audio 30002 RTP/AVP");
        g_assert_cmpuint(out->len, ==, strlen(out->str));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/digits", test_digits);
    g_test_add_func("/text/appends", test_appends);
    return g_test_run();
}

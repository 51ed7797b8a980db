/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "gateway/sip/key-body.h"

/* Keys in the bodies of INFO (DTMF-3). */

static void
test_read(void)
{
    static const struct {
        const char *text;
        char key;
        unsigned ms;
    } cases[] = {
        {"Signal=5\r\nDuration=160\r\n", '5', 160},
        {"Signal= 5\r\nDuration= 250\r\n", '5', 250},
        {"signal=#\nduration=100", '#', 100},
        {"Duration=100\r\nSignal=*", '*', 100},
        {"Signal=d\r\n", 'D', 0},
        {"Signal=10\r\nDuration=80\r\n", '*', 80},
        {"Signal=16\r\n", '!', 0},
        {"Signal=flash\r\n", '!', 0},
        {"Signal=5\r\nDuration=tomorrow\r\n", '5', 0},
        {"Signal=5\r\nDuration=4294967300\r\n", '5', 0},
        {"7", '7', 0},
        {" #\r\n", '#', 0},
        {"11", '#', 0},
        {"hf", '!', 0},
    };
    static const char *const not_keys[] = {"",
                                           "\r\n",
                                           "17",
                                           "-1",
                                           "E",
                                           "Signal=\r\n",
                                           "Signal=55 5\r\n",
                                           "Duration=100\r\n",
                                           "Signal"};

    g_test_summary("DTMF-3: both forms, as they are written out there; other things are no keys");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmKeyBody body;

        g_assert_true(dm_key_body_parse(cases[i].text, strlen(cases[i].text), &body));
        g_assert_cmpint(body.key, ==, cases[i].key);
        g_assert_cmpuint(body.ms, ==, cases[i].ms);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(not_keys); i++) {
        DmKeyBody body;

        g_assert_false(dm_key_body_parse(not_keys[i], strlen(not_keys[i]), &body));
    }
}

static void
test_written(void)
{
    g_autofree char *relay = dm_key_body_relay(&(DmKeyBody){'#', 160});
    g_autofree char *flash = dm_key_body_relay(&(DmKeyBody){'!', 160});
    g_autofree char *plain = dm_key_body_plain(&(DmKeyBody){'A', 160});

    g_assert_cmpstr(relay, ==, "Signal=#\r\nDuration=160\r\n");
    g_assert_cmpstr(flash, ==, "Signal=16\r\nDuration=160\r\n");
    g_assert_cmpstr(plain, ==, "A");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/key-body/read", test_read);
    g_test_add_func("/key-body/written", test_written);
    return g_test_run();
}

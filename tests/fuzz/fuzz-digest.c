/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/sip/digest.h"

/* Lines: the first is a scheme, the others are parameters of a challenge and of credentials alike.
 */

static void
check_value(bool proxy, const char *value, void *user_data)
{
    unsigned *n = user_data;

    (*n)++;
    g_assert_true(g_str_has_prefix(value, "Digest username=\"u\\\"x\", realm=\""));
    for (const char *p = value; *p != '\0'; p++) {
        g_assert_false(g_ascii_iscntrl(*p));
    }
}

static void
answer(const DmDigestChallenge *challenge)
{
    static const DmDigestRequest request = {"INVITE", "sip:1@example.net", "body", 4};
    g_autoptr(DmRandom) random = dm_random_new_seeded(1);
    DmDigestClient *client = dm_digest_client_new("u\"x", "p", "");
    unsigned n = 0;

    g_assert_cmpint(dm_digest_client_take(client, false, challenge, 1), ==, DM_DIGEST_RETRY);
    g_assert_cmpint(dm_digest_client_take(client, false, challenge, 1), ==, DM_DIGEST_REFUSED);
    dm_digest_client_authorize(client, random, &request, check_value, &n);
    g_assert_cmpuint(n, ==, 1);
    dm_digest_client_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 64);
    DmDigestChallenge challenge;
    DmDigestExpected expected = {
        .realm = "r",
        .user = "u",
        .password = "p",
        .hashes = 7,
        .now_s = 1000,
        .request = {"INVITE", "sip:1@example.net", NULL, 0},
    };
    g_autoptr(DmRandom) random = dm_random_new_seeded(2);
    char user[DM_DIGEST_TEXT_MAX];
    char realm[DM_DIGEST_TEXT_MAX];
    DmAddress source;

    if (lines[0] == NULL) {
        return 0;
    }
    dm_address_parse(&source, "192.0.2.1", 5060);
    expected.source = &source;
    expected.nonces = dm_nonces_new(random);
    if (dm_digest_challenge_parse(&challenge, lines[0], (const char *const *)lines + 1)) {
        g_assert_cmpint(challenge.algorithm, <, DM_DIGEST_UNKNOWN);
        g_assert_null(strpbrk(challenge.nonce, "\r\n"));
        answer(&challenge);
    }
    /* nobody guesses a nonce of ours */
    g_assert_cmpint(dm_digest_server_check(&expected, lines[0], (const char *const *)lines + 1),
                    !=,
                    DM_DIGEST_ACCEPTED);
    g_assert_cmpuint(dm_nonces_n_used(expected.nonces), ==, 0);
    if (dm_digest_claim(lines[0], (const char *const *)lines + 1, user, realm)) {
        g_assert_null(strpbrk(user, "\r\n"));
    }
    dm_nonces_free(expected.nonces);
    return 0;
}

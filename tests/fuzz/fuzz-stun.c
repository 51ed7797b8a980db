/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram as STUN and as a check of connectivity: what is read lies inside it, what is answered
 * reads as STUN again and is no longer than it may be, and only who has the password is believed.
 */
#include <glib.h>
#include <string.h>

#include "media/stun/ice-lite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const DmIceCredentials ours = {"evtj", "VOkJxbRl1RmTxUk/WvJxBt"};

static void
check_answer(const DmStunWriter *answer, const DmStun *request)
{
    DmStun again;

    g_assert_true(dm_stun_parse(answer->bytes, answer->len, &again));
    g_assert_true(again.has_fingerprint);
    g_assert_true(again.class == DM_STUN_SUCCESS || again.error != 0);
    g_assert_cmpmem(again.transaction,
                    sizeof again.transaction,
                    request->transaction,
                    sizeof request->transaction);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmIceLite agent = {0};
    DmAddress from;
    DmStunWriter answer;
    DmIceVerdict verdict;
    DmStun message;
    bool is_stun = dm_stun_parse(data, size, &message);

    if (is_stun && message.username != NULL) {
        g_assert_true((const uint8_t *)message.username >= data);
        g_assert_true((const uint8_t *)message.username + message.username_len <= data + size);
    }
    g_assert_true(dm_address_parse(&from, "192.0.2.1", 4000));
    dm_ice_lite_update(&agent, &ours);
    verdict = dm_ice_lite_input(&agent, data, size, &from, 1, &answer);
    g_assert_true(is_stun || verdict == DM_ICE_IGNORED);
    g_assert_cmpint(answer.len > 0,
                    ==,
                    verdict == DM_ICE_VALID || verdict == DM_ICE_SELECTED ||
                        verdict == DM_ICE_REFUSED);
    if (answer.len > 0) {
        check_answer(&answer, &message);
    }
    if (verdict == DM_ICE_VALID || verdict == DM_ICE_SELECTED) {
        g_assert_true(dm_stun_is_authentic(&message, ours.pwd));
    } else {
        g_assert_false(dm_ice_lite_knows(&agent, &from));
    }
    return 0;
}

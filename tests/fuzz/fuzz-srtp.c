/* SPDX-License-Identifier: Apache-2.0 */
/* Protected packets: the first byte chooses suite and kind, the second whether the rest is what a
 * stranger sends, which never passes, or a packet of our own, which comes back as it was. */
#include <glib.h>
#include <string.h>

#include "media/rtp/packet.h"
#include "media/srtp/srtp.h"

#define MAX_LEN 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef DmSrtpVerdict (*Work)(DmSrtp *srtp, uint8_t *bytes, size_t *len);

static DmSrtpKey
make_key(uint8_t choice)
{
    DmSrtpKey key = {
        .suite = (uint8_t)(1 + choice % (DM_N_SRTP_SUITES - 1)),
        .mki_len = choice & 0x80 ? 3 : 0,
    };

    memset(key.bytes, 0x5a, dm_srtp_key_len((DmSrtpSuite)key.suite));
    return key;
}

static void
check_stranger(const DmSrtpKey *key, Work unprotect, const uint8_t *data, size_t size)
{
    g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(key, 7, 3);
    g_autofree uint8_t *bytes = g_memdup2(data, size);

    g_assert_cmpint(unprotect(receiver, bytes, &size), !=, DM_SRTP_OK);
}

static void
check_own(const DmSrtpKey *key, Work protect, Work unprotect, const uint8_t *data, size_t size)
{
    uint8_t bytes[MAX_LEN + DM_SRTP_ROOM] = {0};
    uint32_t ssrc = size >= 12 ? (uint32_t)data[8] << 24 | (uint32_t)data[9] << 16 |
                                     (uint32_t)data[10] << 8 | data[11]
                               : 0;
    g_autoptr(DmSrtp) sender = dm_srtp_new_sender(key, ssrc, 0);
    g_autoptr(DmSrtp) receiver = dm_srtp_new_receiver(key, 0, 0);
    size_t len = size;

    memcpy(bytes, data, size);
    if (protect(sender, bytes, &len) != DM_SRTP_OK) {
        g_assert_cmpuint(len, ==, 0);
        return;
    }
    g_assert_cmpuint(len, >, size);
    g_assert_cmpuint(len, <=, size + DM_SRTP_ROOM);
    g_assert_cmpint(unprotect(receiver, bytes, &len), ==, DM_SRTP_OK);
    g_assert_cmpmem(bytes, len, data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DmRtpPacket rtp;
    DmSrtpKey key;
    bool is_rtcp;

    dm_srtp_init(NULL);
    if (size < 2 || size > MAX_LEN) {
        return 0;
    }
    key = make_key(data[0]);
    is_rtcp = (data[1] & 1) != 0;
    if (data[1] & 2) {
        check_stranger(&key,
                       is_rtcp ? dm_srtp_unprotect_rtcp : dm_srtp_unprotect_rtp,
                       data + 2,
                       size - 2);
    } else if (!is_rtcp && dm_rtp_parse(data + 2, size - 2, &rtp) == DM_RTP_OK) {
        key.mki_len = 0;
        check_own(&key, dm_srtp_protect_rtp, dm_srtp_unprotect_rtp, data + 2, size - 2);
    }
    return 0;
}

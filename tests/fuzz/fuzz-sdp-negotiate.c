/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/sdp-check.h"

/* Two bytes of policy, then an offer, a line of one "%", and the answer to it. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
policy_from_byte(uint8_t byte, DmSdpPolicy *policy)
{
    static const DmCodec codecs[] = {DM_CODEC_OTHER,
                                     DM_CODEC_PCMA,
                                     DM_CODEC_PCMU,
                                     DM_CODEC_G729,
                                     DM_CODEC_OPUS,
                                     DM_CODEC_CN,
                                     DM_CODEC_G722,
                                     DM_CODEC_GSM};

    static const DmSrtpSuite suites[] = {DM_SRTP_AES_CM_128_HMAC_SHA1_80, DM_SRTP_AEAD_AES_256_GCM};
    static const DmSdpKeying keying = {.secret = {1}};

    *policy = (DmSdpPolicy){
        .codecs = codecs + (byte & 3),
        .n_codecs = 1 + ((byte >> 2) & 3),
        .transcode = byte & 16,
        .ptime_ms = byte & 32 ? 20 : 0,
        .dtmf_pt = byte & 64 ? 101 : 0,
        .srtp = (DmSrtpPolicy)((byte ^ byte >> 4) & 3),
        .suites = suites,
        .n_suites = G_N_ELEMENTS(suites),
        .keying = &keying,
        .keys_by = (DmSrtpKeying)((byte >> 1 ^ byte >> 5) & 1),
        .fingerprint = {.hash = DM_FINGERPRINT_SHA_256, .bytes = {1}},
        .has_ice = (byte >> 2 ^ byte >> 6) & 1,
        .has_t38 = byte & 128,
        .t38 = {.max_bit_rate = 14400, .ec = DM_T38_REDUNDANCY},
    };
    g_assert_true(dm_address_parse(&policy->local_rtp, "203.0.113.5", 30000));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 2;
    const char *split = size > 2 ? g_strstr_len(text, (gssize)size - 2, "\n%\n") : NULL;
    g_autoptr(DmSdp) offer = NULL;
    g_autoptr(DmSdp) answer = NULL;
    DmSdpPolicy a;
    DmSdpPolicy b;

    if (split == NULL) {
        return 0;
    }
    policy_from_byte(data[0], &a);
    policy_from_byte(data[1], &b);
    offer = dm_sdp_parse(text, (size_t)(split - text), NULL);
    answer = dm_sdp_parse(split + 3, size - 2 - (size_t)(split + 3 - text), NULL);
    if (offer != NULL) {
        check_exchange(offer, answer, &a, &b);
    }
    return 0;
}

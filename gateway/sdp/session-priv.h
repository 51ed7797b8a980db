/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/session.h"

/* What only gateway/sdp knows of a description. */
struct DmSdp {
    uint64_t version;
    unsigned n_media;
    DmSdpMedia media[];
};

static inline bool
dm_sdp_media_is_rtp(const DmSdpMedia *media)
{
    return media->proto < DM_SDP_UDPTL;
}

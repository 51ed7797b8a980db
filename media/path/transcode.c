/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/transcode.h"

#include "media/dsp/g711.h"

bool
dm_stage_transcode(DmPacket *packet)
{
    const DmG711Tables *tables;

    if ((packet->rule.ops & (DM_PATH_TO_ALAW | DM_PATH_TO_ULAW)) == 0) {
        return false;
    }
    tables = dm_g711_tables();
    dm_g711_convert(packet->rule.ops & DM_PATH_TO_ALAW ? tables->ulaw_to_alaw
                                                       : tables->alaw_to_ulaw,
                    dm_packet_payload(packet),
                    packet->rtp.payload_len);
    return true;
}

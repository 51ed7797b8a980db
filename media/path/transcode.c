/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/transcode.h"

#include "media/dsp/g711.h"

bool
dm_stage_transcode(DmPacket *packet)
{
    uint8_t own_law = packet->rule.codec == DM_CODEC_PCMA ? DM_PATH_TO_ALAW : DM_PATH_TO_ULAW;
    uint8_t law = packet->rule.ops & (DM_PATH_TO_ALAW | DM_PATH_TO_ULAW);
    const DmG711Tables *tables;

    if (law == 0 || law == own_law) {
        return false;
    }
    tables = dm_g711_tables();
    dm_g711_convert(packet->rule.ops & DM_PATH_TO_ALAW ? tables->ulaw_to_alaw
                                                       : tables->alaw_to_ulaw,
                    dm_packet_payload(packet),
                    packet->rtp.payload_len);
    return true;
}

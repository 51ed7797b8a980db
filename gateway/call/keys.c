/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/keys.h"

#include "gateway/call/call-media.h"

DM_LOG_TOPIC("call-keys");

void
dm_keys_on_signalled(DmParty *party, const DmLegEvent *event)
{
    dm_call_media_press(party->call, party->side, event->key, event->key_ms);
}

void
dm_keys_on_pressed(DmCall *call, DmSide side, char key)
{
    const DmParty *to = side == DM_SIDE_A ? call->b : call->a;

    call->record->digits++;
    dm_debug(&call->log, "side %s pressed a key", side == DM_SIDE_A ? "a" : "b");
    if (to != NULL && to->leg != NULL && to->config->media.keys == DM_KEYS_SIGNALLED) {
        to->leg->ops->press(to->leg, key);
    }
}

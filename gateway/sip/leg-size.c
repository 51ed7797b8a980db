/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/leg-priv.h"

/* SIG-23: requests that are too long for a datagram, and peers that find them too long. */

DM_LOG_TOPIC("sip-leg-size");

#define ALL_BUT_TCP                                                                                \
    (DM_OVERSIZE_BIT(DM_OVERSIZE_COMPACT) | DM_OVERSIZE_BIT(DM_OVERSIZE_ATTRIBUTES) |              \
     DM_OVERSIZE_BIT(DM_OVERSIZE_HEADERS) | DM_OVERSIZE_BIT(DM_OVERSIZE_CODECS))

/* What would make another description of the same session, were it taken for one request only. */
#define OF_DESCRIPTIONS                                                                            \
    (DM_OVERSIZE_BIT(DM_OVERSIZE_ATTRIBUTES) | DM_OVERSIZE_BIT(DM_OVERSIZE_CODECS))

static void
tell(DmSipLeg *leg, const DmFit *fit)
{
    if (fit->too_long && !leg->facts.fragmented) {
        dm_warning(&leg->log,
                   "a request is too long for one datagram, whatever is left out: it leaves in "
                   "pieces");
    } else if ((fit->taken & ~leg->slim & DM_OVERSIZE_BIT(DM_OVERSIZE_CODECS)) != 0) {
        dm_info(&leg->log, "too long for one datagram: only the preferred codec is offered");
    }
}

DmClientTx *
dm_sip_leg_start(DmSipLeg *leg,
                 DmSipMessage *request,
                 const DmSipFlow *flow,
                 const DmClientTxUser *user,
                 void *user_data)
{
    const DmTrunkConfig *config = dm_trunk_config(leg->trunk);
    DmFit fit = {
        .steps = config->sip.oversize,
        .optional_headers = config->sip.optional_headers,
        .always = leg->slim,
        .no_tcp = dm_trunk_has_learned(leg->trunk, leg->facts.endpoint, DM_LESSON_NO_TCP),
    };
    DmClientTx *tx = dm_client_tx_start_fit(leg->core->tx, request, flow, &fit, user, user_data);

    tell(leg, &fit);
    leg->slim |= fit.taken & OF_DESCRIPTIONS;
    leg->facts.fragmented |= fit.too_long;
    return tx;
}

bool
dm_sip_leg_take_too_large(DmSipLeg *leg, const DmSipMessage *response)
{
    if (response->sip->sip_status->st_status != 513) {
        return false;
    }
    dm_count(&leg->core->counters[SIP_oversize_refused]);
    if (!leg->is_caller_side) {
        dm_trunk_learn(leg->trunk, leg->facts.endpoint, DM_LESSON_SMALL);
    }
    if (leg->slim == ALL_BUT_TCP) {
        return false; /* no shorter than that */
    }
    leg->slim = ALL_BUT_TCP;
    dm_info(&leg->log, "the peer says 513: sent once more, as short as may be");
    return true;
}

void
dm_sip_leg_recall_size(DmSipLeg *leg)
{
    if (dm_trunk_has_learned(leg->trunk, leg->facts.endpoint, DM_LESSON_SMALL)) {
        leg->slim = ALL_BUT_TCP;
    }
}

void
dm_sip_leg_note_no_tcp(DmSipLeg *leg)
{
    if (!leg->is_caller_side) {
        dm_trunk_learn(leg->trunk, leg->facts.endpoint, DM_LESSON_NO_TCP);
    }
}

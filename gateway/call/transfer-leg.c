/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/transfer-leg.h"

#include "gateway/call/transfer.h"

typedef struct {
    DmLeg leg;
    DmLoop *loop;
    DmLegFacts facts;
    bool closing;
    uint16_t status; /* why, when closing */
    DmTimer timer;   /* what it was told is answered from the loop, as any leg does */
} StandIn;

static DmCall *
call_of(const DmLeg *leg)
{
    return ((DmParty *)leg->user_data)->call;
}

static void
on_timer(DmTimer *timer, void *user_data)
{
    StandIn *self = user_data;
    DmCall *call = call_of(&self->leg);
    const DmRelease release = {.cause = DM_RELEASE_LOCAL, .status = self->status};
    const DmLegEvent acked = {.type = DM_LEG_ACKED};
    const DmLegEvent closed = {.type = DM_LEG_CLOSED, .release = &release};

    if (!self->closing) {
        self->leg.on_event(&self->leg, &acked, self->leg.user_data);
        dm_transfer_on_answered(call);
        return;
    }
    dm_transfer_on_failed(call, self->status);
    self->leg.on_event(&self->leg, &closed, self->leg.user_data);
}

static void
act_soon(StandIn *self)
{
    dm_loop_arm(self->loop, &self->timer, 0, on_timer, self);
}

static void
progress(DmLeg *leg, uint16_t status, const DmSdp *sdp)
{
    dm_transfer_on_progress(call_of(leg), status);
}

static void
answer(DmLeg *leg, const DmSdp *sdp)
{
    act_soon((StandIn *)leg);
}

static void
close_leg(DmLeg *leg, const DmRelease *why)
{
    StandIn *self = (StandIn *)leg;

    self->closing = true;
    self->status = why->status;
    act_soon(self);
}

static const DmLegFacts *
facts(DmLeg *leg)
{
    return &((StandIn *)leg)->facts;
}

/* It is gone as soon as it is answered: nobody offers it anything, and it asks for nothing. */
static void
ignore_sdp(DmLeg *leg, const DmSdp *sdp)
{
}

static void
ignore_status(DmLeg *leg, uint16_t status)
{
}

static void
ignore_key(DmLeg *leg, char key)
{
}

static void
ignore_referral(DmLeg *leg, const DmReferral *referral)
{
}

static const DmLegOps stand_in_ops = {
    .progress = progress,
    .answer = answer,
    .reoffer = ignore_sdp,
    .reanswer = ignore_sdp,
    .refuse_reoffer = ignore_status,
    .close = close_leg,
    .press = ignore_key,
    .facts = facts,
    .answer_refer = ignore_status,
    .notify = ignore_status,
    .refer = ignore_referral,
};

DmLeg *
dm_stand_in_new(DmLoop *loop, const DmLegFacts *facts)
{
    StandIn *self = g_new0(StandIn, 1);

    self->leg.ops = &stand_in_ops;
    self->loop = loop;
    self->facts = *facts;
    self->facts.call_id = g_strdup(facts->call_id);
    self->facts.user_agent = g_strdup(facts->user_agent);
    return &self->leg;
}

void
dm_stand_in_free(DmLeg *leg)
{
    StandIn *self = (StandIn *)leg;

    if (self == NULL) {
        return;
    }
    dm_timer_disarm(&self->timer);
    g_free((char *)self->facts.call_id);
    g_free((char *)self->facts.user_agent);
    g_free(self);
}

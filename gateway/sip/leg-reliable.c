/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>

#include "gateway/base/thread.h"
#include "gateway/sip/leg-priv.h"

/* Provisional answers of ours that the caller acknowledges (RFC 3262), whatever the called side
 * does (SIG-8). One at a time: what comes meanwhile waits, and so does a 2xx when the one under way
 * has a description. */

DM_LOG_TOPIC("sip-leg");

#define MS_US      1000
#define GIVE_UP_US (64LL * DM_SIP_T1_MS * MS_US)

static DmAbility
ability(const DmSipLeg *leg)
{
    return dm_trunk_config(leg->trunk)->sip.rel100;
}

static bool
is_required(const DmSipMessage *request)
{
    return sip_has_feature(request->sip->sip_require, "100rel");
}

static bool
is_supported(const DmSipMessage *request)
{
    return is_required(request) || sip_has_feature(request->sip->sip_supported, "100rel");
}

bool
dm_sip_leg_check_reliable(DmSipLeg *leg, DmServerTx *tx, const DmSipMessage *request)
{
    uint16_t status = ability(leg) == DM_ABILITY_OFF && is_required(request)          ? 420
                      : ability(leg) == DM_ABILITY_REQUIRED && !is_supported(request) ? 421
                                                                                      : 0;
    g_autoptr(DmSipMessage) response = NULL;

    if (status == 0) {
        return true;
    }
    response = dm_sip_response_new(request, status, NULL, leg->local_tag);
    dm_sip_message_add(response, status == 420 ? "Unsupported" : "Require", "100rel");
    dm_server_tx_respond(tx, response);
    return false;
}

void
dm_sip_leg_start_provisional(DmSipLeg *leg, const DmSipMessage *request, const DmSdp *offer)
{
    leg->provisional = g_new0(DmProvisional, 1);
    leg->provisional->always = is_required(request) || ability(leg) == DM_ABILITY_REQUIRED;
    leg->provisional->usable = is_supported(request) && ability(leg) != DM_ABILITY_OFF;
    leg->provisional->has_offer = offer != NULL;
}

static void
stop(DmProvisional *said)
{
    dm_timer_disarm(&said->timer);
    g_clear_pointer(&said->unacked, dm_sip_message_free);
}

void
dm_sip_leg_drop_provisional(DmSipLeg *leg)
{
    DmProvisional *said = g_steal_pointer(&leg->provisional);

    if (said != NULL) {
        stop(said);
        dm_timer_disarm(&said->again_timer);
        g_clear_pointer(&said->next_sdp, dm_sdp_unref);
        g_clear_pointer(&said->answer, dm_sdp_unref);
        g_free(said);
    }
}

bool
dm_sip_leg_has_agreed(const DmSipLeg *leg)
{
    return leg->provisional != NULL && leg->provisional->agreed;
}

bool
dm_sip_leg_is_reliable(const DmSipLeg *leg, const DmSdp *sdp)
{
    return leg->provisional->usable && (sdp != NULL || leg->provisional->always);
}

bool
dm_sip_leg_takes_early_offer(DmLeg *leg)
{
    const DmProvisional *said = ((DmSipLeg *)leg)->provisional;

    return said != NULL && said->usable && !said->has_offer;
}

/* RFC 6337, 2.2: what was acknowledged is not said again. */
bool
dm_sip_leg_may_say(const DmSipLeg *leg)
{
    return !dm_sip_leg_has_agreed(leg) && (leg->provisional->has_offer || leg->provisional->usable);
}

/* --- sending --- */

static void
give_up(DmSipLeg *leg)
{
    dm_info(&leg->log, "no PRACK in %d s", (int)(GIVE_UP_US / G_USEC_PER_SEC));
    dm_sip_leg_set_release(leg, DM_RELEASE_PROTOCOL, 504, "No PRACK", "prack_timeout");
    dm_sip_leg_reject(leg, &(DmRelease){.status = 504});
    dm_sip_leg_finish(leg);
}

static void
on_reliable_timer(DmTimer *timer, void *user_data)
{
    DmSipLeg *leg = user_data;
    DmProvisional *said = leg->provisional;
    int64_t left_us = said->since_us + GIVE_UP_US - dm_loop_now_us(leg->core->loop);

    if (leg->incoming.tx == NULL || said->unacked == NULL) {
        return;
    }
    if (left_us <= 0) {
        give_up(leg);
        return;
    }
    dm_server_tx_respond(leg->incoming.tx, said->unacked);
    said->wait_us *= 2;
    dm_loop_arm(leg->core->loop, &said->timer, MIN(said->wait_us, left_us), on_reliable_timer, leg);
}

static void
keep_for_later(DmProvisional *said, uint16_t status, const DmSdp *sdp)
{
    said->next_status = status;
    if (sdp != NULL) {
        g_clear_pointer(&said->next_sdp, dm_sdp_unref);
        said->next_sdp = dm_sdp_ref(sdp);
    }
}

static void
mark(DmProvisional *said, DmRandom *random, DmSipMessage *response)
{
    char text[16];

    /* RFC 3262, 3: anywhere in the lower half to begin with, then one up */
    said->rseq =
        said->rseq == 0 ? (uint32_t)dm_random_range(random, 1, G_MAXINT32 - 1) : said->rseq + 1;
    g_snprintf(text, sizeof text, "%u", said->rseq);
    dm_sip_message_add(response, "Require", "100rel");
    dm_sip_message_add(response, "RSeq", text);
}

void
dm_sip_leg_send_reliable(DmSipLeg *leg, uint16_t status, const DmSdp *sdp)
{
    DmProvisional *said = leg->provisional;

    if (said->unacked != NULL) {
        keep_for_later(said, status, sdp);
        return;
    }
    if (!said->has_offer && !said->offered && sdp == NULL) {
        return; /* RFC 3262, 5: the first one would have to carry an offer, which is not known yet
                 */
    }
    said->with_sdp = sdp != NULL;
    said->owed = !said->has_offer && !said->offered;
    said->offered = said->offered || said->owed;
    said->unacked = dm_sip_leg_new_provisional(leg, status, sdp);
    mark(said, leg->core->random, said->unacked);
    dm_server_tx_respond(leg->incoming.tx, said->unacked);
    said->since_us = dm_loop_now_us(leg->core->loop);
    said->wait_us = DM_SIP_T1_MS * MS_US;
    dm_loop_arm(leg->core->loop, &said->timer, said->wait_us, on_reliable_timer, leg);
}

bool
dm_sip_leg_answer_has_to_wait(DmSipLeg *leg, const DmSdp *sdp)
{
    DmProvisional *said = leg->provisional;

    if (said->unacked == NULL || !said->with_sdp) {
        return false;
    }
    said->answer_waits = true;
    g_clear_pointer(&said->answer, dm_sdp_unref);
    said->answer = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
    return true;
}

/* --- PRACK --- */

static bool
is_expected(const DmSipLeg *leg, const DmSipMessage *prack)
{
    const sip_rack_t *rack = prack->sip->sip_rack;

    return leg->provisional != NULL && leg->provisional->unacked != NULL &&
           leg->incoming.request != NULL && rack != NULL &&
           rack->ra_response == leg->provisional->rseq &&
           rack->ra_cseq == leg->incoming.request->sip->sip_cseq->cs_seq;
}

static void
send_next(DmSipLeg *leg)
{
    DmProvisional *said = leg->provisional;
    g_autoptr(DmSdp) sdp = NULL;
    uint16_t status;

    if (leg->state != DM_SIP_LEG_INCOMING || said == NULL) {
        return; /* it has its final answer meanwhile */
    }
    status = said->next_status;
    if (said->answer_waits) {
        sdp = g_steal_pointer(&said->answer);
        dm_sip_leg_answer(leg, sdp);
    } else if (status != 0) {
        sdp = g_steal_pointer(&said->next_sdp);
        said->next_status = 0;
        dm_sip_leg_progress(leg, status, sdp);
    }
}

/* Takes @request over: 200, or what the call says to its offer (RFC 3262, 5). */
static void
accept_prack(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) response = NULL;
    g_autoptr(DmSdp) sdp = NULL;
    bool readable = dm_sip_leg_read_sdp(request, &sdp);

    if (readable && sdp != NULL && dm_sip_leg_has_agreed(leg)) {
        dm_sip_leg_take_change(leg, tx, request, sdp);
        return;
    }
    response =
        dm_sip_response_new(request, readable && sdp == NULL ? 200 : 488, NULL, leg->local_tag);
    dm_server_tx_respond(tx, response);
    dm_sip_message_free(request);
}

/* The same where the offer was ours: the PRACK brings its answer. */
static void
take_answer(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    g_autoptr(DmSipMessage) owned = request;
    g_autoptr(DmSipMessage) response = NULL;
    g_autoptr(DmSdp) sdp = NULL;
    bool readable = dm_sip_leg_read_sdp(request, &sdp);

    leg->provisional->owed = false;
    response = dm_sip_response_new(request, readable ? 200 : 488, NULL, leg->local_tag);
    dm_server_tx_respond(tx, response);
    dm_sip_leg_set_remote_sdp(leg, sdp);
    dm_sip_leg_emit(leg, DM_LEG_EARLY_ANSWER, 0, sdp);
}

void
dm_sip_leg_take_prack(DmSipLeg *leg, DmServerTx *tx, DmSipMessage *request)
{
    DmProvisional *said = leg->provisional;

    if (!is_expected(leg, request)) {
        dm_server_tx_reject(tx, request, 481, NULL);
        dm_sip_message_free(request);
        return;
    }
    stop(said);
    said->agreed = said->agreed || said->with_sdp;
    if (said->owed) {
        take_answer(leg, tx, request);
    } else {
        accept_prack(leg, tx, request);
    }
    send_next(leg);
    dm_sip_leg_send_queued(leg);
}

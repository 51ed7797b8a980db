/* SPDX-License-Identifier: Apache-2.0 */
#include <sofia-sip/sip_header.h>
#include <string.h>

#include "gateway/base/thread.h"
#include "gateway/sip/auth.h"
#include "gateway/sip/leg-priv.h"

/* Early dialogs of a call of ours: several phones may ring, each answer that asks for it is
 * acknowledged (RFC 3262), and the other side sees one dialog (SIG-8, SIG-9). */

DM_LOG_TOPIC("sip-leg");

static const char *
tag_of(const sip_addr_t *party)
{
    return party->a_tag != NULL ? party->a_tag : "";
}

static void
fork_free(void *data)
{
    DmSipFork *fork = data;

    if (fork->prack != NULL) {
        dm_client_tx_forget_user(fork->prack);
    }
    dm_dialog_free(fork->dialog);
    g_clear_pointer(&fork->sdp, dm_sdp_unref);
    g_clear_pointer(&fork->prack_sdp, dm_sdp_unref);
    g_free(fork);
}

DmSipFork *
dm_sip_fork_of_tag(const DmSipLeg *leg, const char *tag)
{
    for (const GSList *l = leg->forks; l != NULL; l = l->next) {
        DmSipFork *fork = l->data;

        if (strcmp(dm_dialog_remote_tag(fork->dialog), tag) == 0) {
            return fork;
        }
    }
    return NULL;
}

DmSipFork *
dm_sip_fork_find(const DmSipLeg *leg, const DmSipMessage *response)
{
    return dm_sip_fork_of_tag(leg, tag_of(response->sip->sip_to));
}

DmSipFork *
dm_sip_fork_of_request(const DmSipLeg *leg, const DmSipMessage *request)
{
    for (const GSList *l = leg->forks; l != NULL; l = l->next) {
        DmSipFork *fork = l->data;

        if (dm_dialog_owns_request(fork->dialog, request)) {
            return fork;
        }
    }
    return NULL;
}

static DmSipFork *
find_or_make(DmSipLeg *leg, const DmSipMessage *response)
{
    DmSipFork *fork = dm_sip_fork_find(leg, response);

    if (fork == NULL && *tag_of(response->sip->sip_to) != '\0' &&
        g_slist_length(leg->forks) < DM_SIP_MAX_FORKS) {
        fork = g_new0(DmSipFork, 1);
        fork->leg = leg;
        fork->dialog = dm_dialog_new_uac(response);
        leg->forks = g_slist_append(leg->forks, fork);
    }
    return fork;
}

/* --- who rings --- */

static void
ringing_free(gpointer data)
{
    DmSipRinging *ringing = data;

    g_free(ringing->tag);
    g_clear_pointer(&ringing->sdp, dm_sdp_unref);
    g_free(ringing);
}

static DmSipRinging *
find_ringing(const DmSipLeg *leg, const char *tag)
{
    for (const GSList *l = leg->ringing; l != NULL; l = l->next) {
        DmSipRinging *ringing = l->data;

        if (strcmp(ringing->tag, tag) == 0) {
            return ringing;
        }
    }
    return NULL;
}

bool
dm_sip_fork_rings(DmSipLeg *leg, const DmSipMessage *response, const DmSdp *sdp)
{
    const char *tag = tag_of(response->sip->sip_to);
    DmSipRinging *ringing = find_ringing(leg, tag);

    if (ringing == NULL) {
        if (g_slist_length(leg->ringing) >= DM_SIP_MAX_FORKS) {
            return false;
        }
        ringing = g_new0(DmSipRinging, 1);
        ringing->tag = g_strdup(tag);
        leg->ringing = g_slist_append(leg->ringing, ringing);
    }
    if (sdp != NULL) {
        DmSdp *kept = dm_sdp_ref(sdp);

        g_clear_pointer(&ringing->sdp, dm_sdp_unref);
        ringing->sdp = kept;
    }
    return true;
}

DmSdp *
dm_sip_fork_described(const DmSipLeg *leg, const char *tag)
{
    const DmSipRinging *ringing = find_ringing(leg, tag);

    return ringing != NULL ? ringing->sdp : NULL;
}

void
dm_sip_forks_drop(DmSipLeg *leg)
{
    g_slist_free_full(g_steal_pointer(&leg->forks), fork_free);
    g_slist_free_full(g_steal_pointer(&leg->ringing), ringing_free);
    g_clear_pointer(&leg->early_tag, g_free);
}

bool
dm_sip_fork_stopped(DmSipLeg *leg, const DmSipMessage *response)
{
    const char *tag = tag_of(response->sip->sip_to);
    DmSipRinging *ringing = find_ringing(leg, tag);
    DmSipFork *fork = dm_sip_fork_find(leg, response);

    if (ringing != NULL) {
        leg->ringing = g_slist_remove(leg->ringing, ringing);
        ringing_free(ringing);
    }
    if (leg->early_tag != NULL && strcmp(leg->early_tag, tag) == 0) {
        g_clear_pointer(&leg->early_tag, g_free); /* another may be heard now */
    }
    if (fork != NULL && fork != leg->asking) {
        leg->forks = g_slist_remove(leg->forks, fork);
        fork_free(fork);
    }
    return leg->ringing == NULL;
}

/* --- PRACK --- */

static void start_prack(DmSipFork *fork);

/* AUTH-1: the same again with what was missing. */
static void
on_prack_response(DmClientTx *tx, DmSipMessage *response, void *user_data)
{
    g_autoptr(DmSipMessage) owned = response;
    DmSipFork *fork = user_data;
    DmSipLeg *leg = fork->leg;
    int status = response->sip->sip_status->st_status;

    if (status < 200) {
        return;
    }
    dm_client_tx_forget_user(tx);
    fork->prack = NULL;
    if ((status == 401 || status == 407) && leg->digest != NULL && leg->invite != NULL &&
        dm_auth_take(leg->digest, response) == DM_DIGEST_RETRY) {
        start_prack(fork);
    }
}

static void
on_prack_failed(DmClientTx *tx, DmTxFailure failure, void *user_data)
{
    dm_client_tx_forget_user(tx);
    ((DmSipFork *)user_data)->prack = NULL;
}

static void
on_prack_ended(DmClientTx *tx, void *user_data)
{
    ((DmSipFork *)user_data)->prack = NULL;
}

static const DmClientTxUser prack_user = {
    .on_response = on_prack_response,
    .on_failed = on_prack_failed,
    .on_ended = on_prack_ended,
};

static void
start_prack(DmSipFork *fork)
{
    DmSipLeg *leg = fork->leg;
    g_autoptr(DmSipMessage) prack = dm_dialog_request(fork->dialog, DM_METHOD_PRACK, 0);
    char text[48];
    DmSipFlow flow;

    g_snprintf(text, sizeof text, "%u %u INVITE", fork->rseq, leg->invite->cseq);
    dm_sip_message_add(prack, "RAck", text);
    dm_sip_message_add(prack, "User-Agent", DM_SIP_USER_AGENT);
    dm_sip_leg_write_sdp(leg, prack, fork->prack_sdp);
    if (leg->digest != NULL) {
        dm_auth_apply(leg->digest, leg->core->random, prack);
    }
    dm_dialog_flow(fork->dialog, &leg->core->wire, &flow);
    fork->prack = dm_client_tx_start(leg->core->tx, prack, &flow, &prack_user, fork);
}

static void
send_prack(DmSipLeg *leg, DmSipFork *fork, const DmSdp *sdp)
{
    if (fork->prack != NULL) { /* of an earlier answer: nobody waits for it any more */
        dm_client_tx_forget_user(fork->prack);
        fork->prack = NULL;
    }
    g_clear_pointer(&fork->prack_sdp, dm_sdp_unref);
    fork->prack_sdp = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
    if (leg->digest != NULL) {
        dm_digest_client_begin(leg->digest);
    }
    start_prack(fork);
}

static bool
is_reliable(const DmSipMessage *response)
{
    return response->sip->sip_rseq != NULL && response->sip->sip_rseq->rs_response != 0 &&
           sip_has_feature(response->sip->sip_require, "100rel");
}

/* RFC 3262, 4: in their order, each once; what came before is being acknowledged already, what
 * comes too early will come again. */
static bool
is_next(const DmSipFork *fork, uint32_t rseq)
{
    return fork->rseq == 0 || rseq == fork->rseq + 1;
}

/* RFC 3262, 5: an offer that our INVITE lacked is answered in the PRACK. */
static void
take_offer(DmSipLeg *leg, DmSipFork *fork, const DmSipMessage *response, const DmSdp *offer)
{
    leg->asking = fork;
    if (leg->early_tag == NULL) {
        leg->early_tag = g_strdup(dm_dialog_remote_tag(fork->dialog));
    }
    dm_sip_leg_emit(leg, DM_LEG_OFFERED, (uint16_t)response->sip->sip_status->st_status, offer);
    dm_sip_fork_answer(leg, NULL);
}

void
dm_sip_fork_answer(DmSipLeg *leg, const DmSdp *sdp)
{
    DmSipFork *fork = g_steal_pointer(&leg->asking);

    if (fork != NULL && leg->invite != NULL) {
        send_prack(leg, fork, sdp);
    }
}

bool
dm_sip_fork_take(DmSipLeg *leg, DmInviteOut *invite, const DmSipMessage *response, const DmSdp *sdp)
{
    DmSipFork *fork;
    uint32_t rseq;

    if (!is_reliable(response)) {
        return true;
    }
    rseq = (uint32_t)response->sip->sip_rseq->rs_response;
    fork = find_or_make(leg, response);
    if (fork == NULL || !is_next(fork, rseq)) {
        return false;
    }
    fork->rseq = rseq;
    dm_dialog_refresh_target(fork->dialog, response);
    if (sdp != NULL && !fork->agreed) {
        fork->agreed = true;
        fork->sdp = dm_sdp_ref(sdp);
        if (!invite->offered) {
            take_offer(leg, fork, response, sdp);
            return false;
        }
    }
    send_prack(leg, fork, NULL);
    return true;
}

DmDialog *
dm_sip_fork_confirm(DmSipLeg *leg, const DmSipMessage *response, DmSdp **out_agreed)
{
    DmSipFork *fork = dm_sip_fork_find(leg, response);
    DmDialog *dialog;

    *out_agreed = NULL;
    if (fork == NULL) {
        return dm_dialog_new_uac(response);
    }
    dialog = g_steal_pointer(&fork->dialog);
    *out_agreed = g_steal_pointer(&fork->sdp);
    leg->forks = g_slist_remove(leg->forks, fork);
    fork_free(fork);
    dm_dialog_confirm(dialog, response);
    return dialog;
}

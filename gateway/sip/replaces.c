/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/replaces.h"

#include <sofia-sip/sip_header.h>
#include <string.h>
#include <strings.h>

#include "gateway/sip/leg-priv.h"

/* --- dialogs that were --- */

static uint64_t
hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * UINT64_C(1099511628211);
    }
    return (hash ^ 0xff) * UINT64_C(1099511628211);
}

static uint64_t
hash_dialog(const char *call_id, const char *local_tag, const char *remote_tag)
{
    uint64_t hash = hash_text(UINT64_C(14695981039346656037), call_id);

    return hash_text(hash_text(hash, local_tag), remote_tag);
}

void
dm_replaces_memory_clear(DmReplacesMemory *memory)
{
    g_clear_pointer(&memory->hashes, g_free);
    memory->next = 0;
}

void
dm_replaces_remember(DmReplacesMemory *memory,
                     const char *call_id,
                     const char *local_tag,
                     const char *remote_tag)
{
    if (memory->hashes == NULL) {
        memory->hashes = g_new0(uint64_t, DM_REPLACES_REMEMBERED);
    }
    memory->hashes[memory->next] = hash_dialog(call_id, local_tag, remote_tag);
    memory->next = (memory->next + 1) % DM_REPLACES_REMEMBERED;
}

static bool
remembers(const DmReplacesMemory *memory, const sip_replaces_t *replaces)
{
    uint64_t hash = hash_dialog(replaces->rp_call_id, replaces->rp_to_tag, replaces->rp_from_tag);

    for (unsigned i = 0; memory->hashes != NULL && i < DM_REPLACES_REMEMBERED; i++) {
        if (memory->hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

/* --- dialogs that are --- */

/* RFC 3891, 3: the tag of a peer that has none (RFC 2543) is written as 0. */
static bool
is_peer_tag(const DmDialog *dialog, const char *tag)
{
    const char *theirs = dm_dialog_remote_tag(dialog);

    return strcmp(theirs, tag) == 0 || (*theirs == '\0' && strcmp(tag, "0") == 0);
}

/* A phone that rings, whether or not what it says is acknowledged. */
static bool
has_fork(const DmSipLeg *leg, const char *tag)
{
    for (const GSList *l = leg->ringing; l != NULL; l = l->next) {
        const DmSipRinging *ringing = l->data;

        if (strcmp(ringing->tag, tag) == 0) {
            return true;
        }
    }
    for (const GSList *l = leg->forks; l != NULL; l = l->next) {
        const DmSipFork *fork = l->data;

        if (is_peer_tag(fork->dialog, tag)) {
            return true;
        }
    }
    return false;
}

/* RFC 3891, 3: an early dialog may be taken over where we called; who calls us is answered by
 * nobody else. */
static DmReplacesVerdict
judge(const DmSipLeg *leg, const sip_replaces_t *replaces)
{
    if (strcmp(leg->facts.call_id, replaces->rp_call_id) != 0) {
        return DM_REPLACES_UNKNOWN;
    }
    if (leg->state == DM_SIP_LEG_EARLY) {
        return has_fork(leg, replaces->rp_from_tag) ? DM_REPLACES_FOUND : DM_REPLACES_UNKNOWN;
    }
    if (leg->dialog == NULL || leg->state == DM_SIP_LEG_INCOMING ||
        !is_peer_tag(leg->dialog, replaces->rp_from_tag)) {
        return DM_REPLACES_UNKNOWN;
    }
    if (leg->state >= DM_SIP_LEG_CLOSING || leg->ending) {
        return DM_REPLACES_ENDED;
    }
    return replaces->rp_early_only ? DM_REPLACES_CONFIRMED : DM_REPLACES_FOUND;
}

/* No leg has this tag. */
static DmReplacesVerdict
judge_unknown(const DmSipCore *core, const char *tag)
{
    int worker = dm_token_worker(tag, strlen(tag));

    if (worker < 0) {
        return DM_REPLACES_FOREIGN;
    }
    return (unsigned)worker != core->worker && (unsigned)worker < core->n_workers
               ? DM_REPLACES_ELSEWHERE
               : DM_REPLACES_UNKNOWN;
}

DmReplacesVerdict
dm_replaces_find(const DmSipCore *core, const sip_replaces_t *replaces, DmSipLeg **out_leg)
{
    DmReplacesVerdict verdict;
    DmSipLeg *leg;

    if (replaces->rp_call_id == NULL || replaces->rp_to_tag == NULL ||
        replaces->rp_from_tag == NULL) {
        return DM_REPLACES_BAD;
    }
    leg = g_hash_table_lookup(core->legs, replaces->rp_to_tag);
    if (leg == NULL) {
        if (remembers(&core->ended, replaces)) {
            return DM_REPLACES_ENDED;
        }
        return judge_unknown(core, replaces->rp_to_tag);
    }
    verdict = judge(leg, replaces);
    if (verdict == DM_REPLACES_FOUND) {
        *out_leg = leg;
    }
    return verdict;
}

static bool
has_join(const sip_t *sip)
{
    for (const sip_unknown_t *h = sip->sip_unknown; h != NULL; h = h->un_next) {
        if (h->un_name != NULL && strcasecmp(h->un_name, "Join") == 0) {
            return true;
        }
    }
    return false;
}

/* A second Replaces makes the message faulty before it comes here (message.c). */
DmReplacesVerdict
dm_replaces_of_invite(const DmSipCore *core, const sip_t *invite, DmSipLeg **out_leg)
{
    DmReplacesVerdict verdict;

    if (invite->sip_replaces == NULL) {
        return DM_REPLACES_NONE;
    }
    if (has_join(invite)) {
        return DM_REPLACES_BAD;
    }
    verdict = dm_replaces_find(core, invite->sip_replaces, out_leg);
    return verdict == DM_REPLACES_FOREIGN ? DM_REPLACES_UNKNOWN : verdict;
}

unsigned
dm_replaces_status(DmReplacesVerdict verdict)
{
    static const unsigned statuses[] = {
        [DM_REPLACES_NONE] = 200,
        [DM_REPLACES_BAD] = 400,
        [DM_REPLACES_FOUND] = 200,
        [DM_REPLACES_UNKNOWN] = 481,
        [DM_REPLACES_ENDED] = 603,
        [DM_REPLACES_CONFIRMED] = 486,
        [DM_REPLACES_ELSEWHERE] = 481,
        [DM_REPLACES_FOREIGN] = 481,
    };

    return statuses[verdict];
}

int
dm_replaces_worker(DmSpan value)
{
    const char *end = value.p + value.len;
    const char *params = dm_find_outside_quotes(value.p, end, DM_STOP_SEMICOLON);
    DmSpan tag = {NULL, 0};

    if (params == NULL || !dm_find_param(params, end, "to-tag", &tag) || tag.len == 0) {
        return -1;
    }
    return dm_token_worker(tag.p, tag.len);
}

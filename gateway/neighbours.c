/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/neighbours.h"

#include "gateway/base/log.h"
#include "gateway/base/thread.h"
#include "gateway/call/hand-over.h"

DM_LOG_TOPIC("neighbours");

struct DmNeighbours {
    DmNeighboursOptions options;
    GHashTable *spoken_for; /* id -> Spoken: legs of ours in calls of others */
    GHashTable *far;        /* id -> FarLeg: legs of others in calls of ours */
};

/* --- mail --- */

typedef enum {
    MAIL_FETCH,   /* hand over the call of this dialog */
    MAIL_FETCHED, /* here it is, or why not */
    MAIL_ASK,     /* of a leg that is spoken for */
    MAIL_TELL,    /* what such a leg tells */
} MailKind;

typedef enum {
    ASK_REOFFER,
    ASK_REANSWER,
    ASK_REFUSE_REOFFER,
    ASK_CLOSE,
    ASK_PRESS,
    ASK_NOTIFY,
} Asked;

struct DmNeighbourMail {
    MailKind kind;
    unsigned from;           /* worker */
    char id[DM_CALL_ID_MAX]; /* of the leg; of the call that waits, in FETCH and FETCHED */
    uint16_t status;

    char *call_id, *to_tag, *from_tag, *trunk_id; /* FETCH */
    DmHandOver *hand_over;                        /* FETCHED */

    Asked asked;         /* ASK */
    DmLegEventType told; /* TELL */
    DmSdp *sdp;
    DmRelease release;
    bool is_offer;
    char key;
    unsigned key_ms;
    char *number, *replaces; /* of a referral */
    DmLegFacts facts;        /* TELL and FETCHED; its strings are owned */
};

static DmNeighbourMail *
mail_new(const DmNeighbours *neighbours, MailKind kind, const char *id)
{
    DmNeighbourMail *mail = g_new0(DmNeighbourMail, 1);

    mail->kind = kind;
    mail->from = neighbours->options.worker;
    g_strlcpy(mail->id, id, sizeof mail->id);
    return mail;
}

static void
facts_clear(DmLegFacts *facts)
{
    g_free((char *)facts->call_id);
    g_free((char *)facts->user_agent);
    *facts = (DmLegFacts){0};
}

static void
facts_copy(DmLegFacts *out, const DmLegFacts *facts)
{
    *out = *facts;
    out->call_id = g_strdup(facts->call_id);
    out->user_agent = g_strdup(facts->user_agent);
    out->takes_refer = false; /* a dialog of one worker's cannot be named to another's leg */
}

void
dm_neighbour_mail_free(DmNeighbourMail *mail)
{
    g_free(mail->call_id);
    g_free(mail->to_tag);
    g_free(mail->from_tag);
    g_free(mail->trunk_id);
    g_free(mail->number);
    g_free(mail->replaces);
    dm_hand_over_free(mail->hand_over);
    g_clear_pointer(&mail->sdp, dm_sdp_unref);
    facts_clear(&mail->facts);
    g_free(mail);
}

static void
post(DmNeighbours *neighbours, unsigned worker, DmNeighbourMail *mail)
{
    neighbours->options.post(worker, mail, neighbours->options.user_data);
}

/* --- a leg of another worker's, in a call of ours --- */

typedef struct {
    DmLeg leg;
    DmNeighbours *neighbours;
    unsigned worker;
    char id[DM_CALL_ID_MAX];
    DmLegFacts facts;
} FarLeg;

static void
far_free(gpointer data)
{
    FarLeg *self = data;

    facts_clear(&self->facts);
    g_free(self);
}

static DmNeighbourMail *
question(const FarLeg *self, Asked asked)
{
    DmNeighbourMail *mail = mail_new(self->neighbours, MAIL_ASK, self->id);

    mail->asked = asked;
    return mail;
}

static void
ask_with(DmLeg *leg, Asked asked, const DmSdp *sdp, uint16_t status)
{
    FarLeg *self = (FarLeg *)leg;
    DmNeighbourMail *mail = question(self, asked);

    mail->sdp = sdp != NULL ? dm_sdp_ref(sdp) : NULL;
    mail->status = status;
    post(self->neighbours, self->worker, mail);
}

static void
far_reoffer(DmLeg *leg, const DmSdp *sdp)
{
    ask_with(leg, ASK_REOFFER, sdp, 0);
}

static void
far_reanswer(DmLeg *leg, const DmSdp *sdp)
{
    ask_with(leg, ASK_REANSWER, sdp, 0);
}

static void
far_refuse_reoffer(DmLeg *leg, uint16_t status)
{
    ask_with(leg, ASK_REFUSE_REOFFER, NULL, status);
}

static void
far_close(DmLeg *leg, const DmRelease *why)
{
    FarLeg *self = (FarLeg *)leg;
    DmNeighbourMail *mail = question(self, ASK_CLOSE);

    mail->release = *why;
    post(self->neighbours, self->worker, mail);
}

static void
far_press(DmLeg *leg, char key)
{
    FarLeg *self = (FarLeg *)leg;
    DmNeighbourMail *mail = question(self, ASK_PRESS);

    mail->key = key;
    post(self->neighbours, self->worker, mail);
}

static const DmLegFacts *
far_facts(DmLeg *leg)
{
    return &((FarLeg *)leg)->facts;
}

static void
far_notify(DmLeg *leg, uint16_t status)
{
    ask_with(leg, ASK_NOTIFY, NULL, status);
}

/* Its own worker has said 202 already: a refusal is news of how it went. */
static void
far_answer_refer(DmLeg *leg, uint16_t status)
{
    if (status >= 300) {
        far_notify(leg, status);
    }
}

/* It is up, and is never asked to make a transfer. */
static void
ignore_progress(DmLeg *leg, uint16_t status, const DmSdp *sdp)
{
}

static void
ignore_answer(DmLeg *leg, const DmSdp *sdp)
{
}

static void
ignore_referral(DmLeg *leg, const DmReferral *referral)
{
}

static const DmLegOps far_ops = {
    .progress = ignore_progress,
    .answer = ignore_answer,
    .reoffer = far_reoffer,
    .reanswer = far_reanswer,
    .refuse_reoffer = far_refuse_reoffer,
    .close = far_close,
    .press = far_press,
    .facts = far_facts,
    .answer_refer = far_answer_refer,
    .notify = far_notify,
    .refer = ignore_referral,
};

static void
take_facts(FarLeg *self, DmNeighbourMail *mail)
{
    facts_clear(&self->facts);
    self->facts = mail->facts;
    mail->facts = (DmLegFacts){0};
}

static FarLeg *
far_new(DmNeighbours *neighbours, DmNeighbourMail *mail)
{
    FarLeg *self = g_new0(FarLeg, 1);

    self->leg.ops = &far_ops;
    self->neighbours = neighbours;
    self->worker = mail->from;
    g_strlcpy(self->id, dm_hand_over_id(mail->hand_over), sizeof self->id);
    g_strlcpy(self->leg.call_id, self->id, sizeof self->leg.call_id);
    take_facts(self, mail);
    g_hash_table_insert(neighbours->far, self->id, self);
    return self;
}

static void
take_tell(DmNeighbours *neighbours, DmNeighbourMail *mail)
{
    FarLeg *self = g_hash_table_lookup(neighbours->far, mail->id);
    const DmReferral referral = {.number = mail->number != NULL ? mail->number : "",
                                 .replaces = mail->replaces != NULL ? mail->replaces : "",
                                 .referred_by = ""};
    const DmLegEvent event = {
        .type = mail->told,
        .status = mail->status,
        .sdp = mail->sdp,
        .is_offer = mail->is_offer,
        .release = &mail->release,
        .key = mail->key,
        .key_ms = mail->key_ms,
        .referral = &referral,
    };

    if (self == NULL) {
        return;
    }
    take_facts(self, mail);
    if (mail->told == DM_LEG_CLOSED) {
        g_hash_table_steal(neighbours->far, self->id);
    }
    self->leg.on_event(&self->leg, &event, self->leg.user_data);
    if (mail->told == DM_LEG_CLOSED) {
        far_free(self);
    }
}

/* --- a leg of ours, in a call of another worker's --- */

typedef struct {
    DmLeg *leg; /* not owned */
    DmNeighbours *neighbours;
    unsigned worker;
    char id[DM_CALL_ID_MAX];
} Spoken;

static void
copy_event(DmNeighbourMail *mail, const DmLegEvent *event)
{
    mail->told = event->type;
    mail->status = event->status;
    mail->sdp = event->sdp != NULL ? dm_sdp_ref(event->sdp) : NULL;
    mail->is_offer = event->is_offer;
    mail->key = event->key;
    mail->key_ms = event->key_ms;
    if (event->release != NULL) {
        mail->release = *event->release;
    }
    if (event->referral != NULL) {
        mail->number = g_strdup(event->referral->number);
        mail->replaces = g_strdup(event->referral->replaces);
    }
}

/* A REFER has to be answered before the other worker can know of it. */
static bool
takes_referral(DmLeg *leg, const DmReferral *referral)
{
    bool is_simple = referral->replaced == NULL && referral->far == NULL;

    leg->ops->answer_refer(leg, is_simple ? 202 : 481);
    return is_simple;
}

static void
on_spoken_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    Spoken *self = user_data;
    DmNeighbours *neighbours = self->neighbours;
    DmNeighbourMail *mail;

    if (event->type == DM_LEG_REFERRED && !takes_referral(leg, event->referral)) {
        return;
    }
    mail = mail_new(neighbours, MAIL_TELL, self->id);
    copy_event(mail, event);
    facts_copy(&mail->facts, leg->ops->facts(leg));
    post(neighbours, self->worker, mail);
    if (event->type == DM_LEG_CLOSED) {
        g_hash_table_remove(neighbours->spoken_for, self->id);
    }
}

static void
speak_for(DmNeighbours *neighbours, DmLeg *leg, const char *id, unsigned worker)
{
    Spoken *self = g_new0(Spoken, 1);

    self->leg = leg;
    self->neighbours = neighbours;
    self->worker = worker;
    g_strlcpy(self->id, id, sizeof self->id);
    leg->on_event = on_spoken_event;
    leg->user_data = self;
    g_hash_table_insert(neighbours->spoken_for, self->id, self);
}

static void
take_ask(DmNeighbours *neighbours, DmNeighbourMail *mail)
{
    Spoken *self = g_hash_table_lookup(neighbours->spoken_for, mail->id);
    DmLeg *leg;

    if (self == NULL) {
        return; /* it has ended, and said so */
    }
    leg = self->leg;
    switch (mail->asked) {
    case ASK_REOFFER:
        leg->ops->reoffer(leg, mail->sdp);
        break;
    case ASK_REANSWER:
        leg->ops->reanswer(leg, mail->sdp);
        break;
    case ASK_REFUSE_REOFFER:
        leg->ops->refuse_reoffer(leg, mail->status);
        break;
    case ASK_CLOSE:
        leg->ops->close(leg, &mail->release);
        break;
    case ASK_PRESS:
        leg->ops->press(leg, mail->key);
        break;
    case ASK_NOTIFY:
        leg->ops->notify(leg, mail->status);
        break;
    }
}

/* --- calls that move --- */

void
dm_neighbours_fetch(DmNeighbours *neighbours,
                    const char *call_id,
                    const DmFarDialog *dialog,
                    const char *trunk_id)
{
    DmNeighbourMail *mail = mail_new(neighbours, MAIL_FETCH, call_id);

    mail->call_id = g_strdup(dialog->call_id);
    mail->to_tag = g_strdup(dialog->to_tag);
    mail->from_tag = g_strdup(dialog->from_tag);
    mail->trunk_id = g_strdup(trunk_id);
    post(neighbours, dialog->worker, mail);
}

static void
take_fetch(DmNeighbours *neighbours, const DmNeighbourMail *mail)
{
    const DmFarDialog dialog = {mail->from, mail->call_id, mail->to_tag, mail->from_tag};
    DmNeighbourMail *reply = mail_new(neighbours, MAIL_FETCHED, mail->id);
    DmLeg *named = dm_sip_stack_find_dialog(neighbours->options.stack, &dialog, &reply->status);
    DmLeg *leg = NULL;

    if (named != NULL) {
        reply->status = dm_call_hand_over(named, mail->trunk_id, &reply->hand_over, &leg);
    }
    if (leg != NULL) {
        const char *id = dm_hand_over_id(reply->hand_over);

        dm_call_table_rename(neighbours->options.calls, id);
        facts_copy(&reply->facts, leg->ops->facts(leg));
        speak_for(neighbours, leg, id, mail->from);
    }
    post(neighbours, mail->from, reply);
}

static void
take_fetched(DmNeighbours *neighbours, DmNeighbourMail *mail)
{
    DmCallTable *calls = neighbours->options.calls;
    DmCall *adopted = NULL;

    if (mail->hand_over != NULL) {
        FarLeg *leg = far_new(neighbours, mail);

        adopted =
            dm_call_adopt(neighbours->options.deps, g_steal_pointer(&mail->hand_over), &leg->leg);
        dm_call_table_add(calls, adopted);
    }
    dm_transfer_fetched(dm_call_table_find(calls, mail->id), adopted, mail->status);
}

void
dm_neighbours_take(DmNeighbours *neighbours, DmNeighbourMail *mail)
{
    DM_RUNS_ON(DM_THREAD_SIGNAL);
    switch (mail->kind) {
    case MAIL_FETCH:
        take_fetch(neighbours, mail);
        break;
    case MAIL_FETCHED:
        take_fetched(neighbours, mail);
        break;
    case MAIL_ASK:
        take_ask(neighbours, mail);
        break;
    case MAIL_TELL:
        take_tell(neighbours, mail);
        break;
    }
    dm_neighbour_mail_free(mail);
}

/* --- life --- */

DmNeighbours *
dm_neighbours_new(const DmNeighboursOptions *options)
{
    DmNeighbours *neighbours = g_new0(DmNeighbours, 1);

    neighbours->options = *options;
    neighbours->spoken_for = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    neighbours->far = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, far_free);
    return neighbours;
}

void
dm_neighbours_free(DmNeighbours *neighbours)
{
    if (neighbours == NULL) {
        return;
    }
    g_hash_table_unref(neighbours->spoken_for);
    g_hash_table_unref(neighbours->far);
    g_free(neighbours);
}

void
dm_neighbours_close_all(DmNeighbours *neighbours, const DmRelease *why)
{
    GHashTableIter iter;
    gpointer each;

    g_hash_table_iter_init(&iter, neighbours->spoken_for);
    while (g_hash_table_iter_next(&iter, NULL, &each)) {
        DmLeg *leg = ((Spoken *)each)->leg;

        leg->ops->close(leg, why);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/plan.h"

#include <glib.h>
#include <string.h>
#include <strings.h>

#include "media/dsp/codec.h"

#define DEFAULT_CLOCK_HZ 8000
#define STATIC_CN_PT     13 /* RFC 3551, 6 */

static bool
is_same_codec(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return a->codec == b->codec &&
           (a->codec != DM_CODEC_OTHER || strcasecmp(a->name, b->name) == 0);
}

static bool
is_same_format(const DmMediaFormat *a, const DmMediaFormat *b)
{
    return is_same_codec(a, b) && a->clock_hz == b->clock_hz &&
           MAX(a->channels, 1) == MAX(b->channels, 1);
}

static const DmMediaFormat *
find_same(const DmMediaSideSpec *to, const DmMediaFormat *format)
{
    for (unsigned i = 0; i < to->n_send; i++) {
        if (is_same_format(&to->send[i], format)) {
            return &to->send[i];
        }
    }
    return NULL;
}

static const DmMediaFormat *
find_codec(const DmMediaSideSpec *to, DmCodec codec)
{
    for (unsigned i = 0; i < to->n_send; i++) {
        if (to->send[i].codec == codec) {
            return &to->send[i];
        }
    }
    return NULL;
}

static bool
is_g711(DmCodec codec)
{
    return codec == DM_CODEC_PCMU || codec == DM_CODEC_PCMA;
}

static const DmMediaFormat *
first_decodable(const DmMediaFormat *formats, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (dm_codec_type(formats[i].codec) != NULL) {
            return &formats[i];
        }
    }
    return NULL;
}

/* What samples are made into: what most of them come as, if the peer has that, else the best the
 * peer has; but from G.711 the other law, which costs next to nothing and loses next to nothing. */
static const DmMediaFormat *
choose_made(const DmMediaSideSpec *from, const DmMediaSideSpec *to)
{
    const DmMediaFormat *main = first_decodable(from->recv, from->n_recv);
    const DmMediaFormat *law = main != NULL ? find_same(to, main) : NULL;

    if (law != NULL) {
        return law;
    }
    if (main != NULL && main->codec == DM_CODEC_PCMU) {
        law = find_codec(to, DM_CODEC_PCMA);
    } else if (main != NULL && main->codec == DM_CODEC_PCMA) {
        law = find_codec(to, DM_CODEC_PCMU);
    }
    return law != NULL ? law : first_decodable(to->send, to->n_send);
}

/* RFC 4733, 2.1: events are on the clock of the speech they interrupt. */
static const DmMediaFormat *
find_event(const DmMediaSideSpec *to, const DmMediaFormat *made)
{
    for (unsigned i = 0; made != NULL && i < to->n_send; i++) {
        if (to->send[i].codec == DM_CODEC_TELEPHONE_EVENT &&
            to->send[i].clock_hz == made->clock_hz) {
            return &to->send[i];
        }
    }
    return find_codec(to, DM_CODEC_TELEPHONE_EVENT);
}

/* When it has no events. */
static bool
wants_tones(const DmMediaSideSpec *to)
{
    return to->keys == DM_KEYS_AUTO || to->keys == DM_KEYS_TONES;
}

/* G.711 that goes on as it is, unless the peer wants another length: this law and no other. */
static uint8_t
own_law(const DmMediaFormat *format, const DmMediaFormat *made, const DmMediaSideSpec *to)
{
    bool has_length = to->ptime_ms != 0 || to->maxptime_ms != 0;

    if (!has_length || !is_g711(format->codec) || made == NULL || made->codec != format->codec) {
        return 0;
    }
    return format->codec == DM_CODEC_PCMA ? DM_PATH_TO_ALAW : DM_PATH_TO_ULAW;
}

/* The format to turn @format into when the other side does not have it, and how. */
static const DmMediaFormat *
find_other(const DmMediaFormat *made,
           const DmMediaSideSpec *to,
           const DmMediaFormat *format,
           uint8_t *out_ops)
{
    if (format->codec == DM_CODEC_TELEPHONE_EVENT) {
        const DmMediaFormat *event = find_event(to, made);

        if (event == NULL && !wants_tones(to)) {
            return NULL;
        }
        *out_ops = event == NULL && made != NULL ? DM_PATH_TONES : 0;
        return event != NULL ? event : made;
    }
    if (made == NULL || dm_codec_type(format->codec) == NULL) {
        return NULL;
    }
    if (!is_g711(format->codec) || !is_g711(made->codec)) {
        *out_ops = DM_PATH_DECODE;
    } else {
        *out_ops = made->codec == DM_CODEC_PCMA ? DM_PATH_TO_ALAW : DM_PATH_TO_ULAW;
    }
    return made;
}

static DmPathRule
make_rule(const DmMediaFormat *format, const DmMediaFormat *made, const DmMediaSideSpec *to)
{
    uint8_t ops = 0;
    const DmMediaFormat *target = find_same(to, format);
    DmPathRule rule = {
        .pt_in = format->pt,
        .codec = (uint8_t)format->codec,
        .clock_in_hz = format->clock_hz != 0 ? format->clock_hz : DEFAULT_CLOCK_HZ,
    };

    if (target == NULL) {
        target = find_other(made, to, format, &ops);
    } else {
        ops = own_law(format, made, to);
    }
    rule.clock_out_hz = rule.clock_in_hz;
    if (target != NULL) {
        rule.pt_out = target->pt;
        rule.ops = ops | DM_PATH_FORWARD;
        rule.clock_out_hz = target->clock_hz != 0 ? target->clock_hz : DEFAULT_CLOCK_HZ;
    }
    if (format->codec == DM_CODEC_TELEPHONE_EVENT) {
        rule.ops |= DM_PATH_EVENT;
    } else if (format->codec == DM_CODEC_CN && target == NULL) {
        rule.ops = DM_PATH_NOISE;
    }
    return rule;
}

/* Some send comfort noise under its static number without having said so: what it means is plain,
 * and nobody else can use that number (MED-9). */
static void
plan_noise(DmPathPlan *plan)
{
    if (plan->n == 0 || plan->n == DM_MEDIA_MAX_FORMATS ||
        dm_path_plan_rule(plan, STATIC_CN_PT) != NULL) {
        return;
    }
    plan->rule[plan->n++] = (DmPathRule){
        .pt_in = STATIC_CN_PT,
        .codec = DM_CODEC_CN,
        .ops = DM_PATH_NOISE,
        .clock_in_hz = DEFAULT_CLOCK_HZ,
        .clock_out_hz = DEFAULT_CLOCK_HZ,
    };
}

static bool
has_events(const DmMediaFormat *formats, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (formats[i].codec == DM_CODEC_TELEPHONE_EVENT) {
            return true;
        }
    }
    return false;
}

/* Keys cross also when only one side has events for them (DTMF-2): speech in which tones have to be
 * heard goes through samples, and speech is silent while a tone is made. */
static void
plan_keys(DmPathPlan *plan, const DmMediaSideSpec *from, const DmMediaSideSpec *to)
{
    const DmMediaFormat *made = &plan->made;
    const DmMediaFormat *event = find_event(to, made);
    bool from_has_events = has_events(from->recv, from->n_recv);
    bool has_tones = event == NULL && wants_tones(to) && from_has_events;

    if (event != NULL) {
        plan->event_pt = event->pt;
        plan->event_hz = event->clock_hz != 0 ? event->clock_hz : DEFAULT_CLOCK_HZ;
    }
    if (dm_codec_type(made->codec) == NULL) {
        return;
    }
    plan->makes_tones = event == NULL && wants_tones(to);
    plan->hears_keys =
        !from_has_events && wants_tones(from) && (event != NULL || to->keys == DM_KEYS_SIGNALLED);
    for (unsigned i = 0; i < plan->n; i++) {
        DmPathRule *rule = &plan->rule[i];
        bool is_decodable = dm_codec_type((DmCodec)rule->codec) != NULL;

        if (plan->hears_keys && is_decodable) {
            rule->ops = DM_PATH_FORWARD | DM_PATH_DECODE;
            rule->pt_out = made->pt;
            rule->clock_out_hz = made->clock_hz;
        } else if (has_tones && is_decodable) {
            rule->ops |= DM_PATH_HUSH;
        }
    }
}

void
dm_path_plan(DmPathPlan *out_plan, const DmMediaSideSpec *from, const DmMediaSideSpec *to)
{
    const DmMediaFormat *made = choose_made(from, to);

    memset(out_plan, 0, sizeof *out_plan);
    out_plan->ptime_ms = to->ptime_ms;
    out_plan->maxptime_ms = to->maxptime_ms;
    out_plan->wishes = to->wishes;
    out_plan->jitter = from->jitter;
    if (out_plan->jitter.max_ms == 0) {
        out_plan->jitter = (DmJitterBounds){DM_JITTER_MIN_MS, DM_JITTER_MAX_MS};
    }
    if (made != NULL) {
        out_plan->made = *made;
    }
    out_plan->keeps_up = made != NULL && find_codec(to, DM_CODEC_CN) == NULL;
    out_plan->n = (uint8_t)MIN(from->n_recv, DM_MEDIA_MAX_FORMATS);
    for (unsigned i = 0; i < out_plan->n; i++) {
        out_plan->rule[i] = make_rule(&from->recv[i], made, to);
    }
    plan_keys(out_plan, from, to);
    plan_noise(out_plan);
}

static unsigned
without_events(DmMediaFormat *formats, unsigned n)
{
    unsigned n_kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (formats[i].codec != DM_CODEC_TELEPHONE_EVENT) {
            formats[n_kept++] = formats[i];
        }
    }
    return n_kept;
}

void
dm_path_plan_modem(DmPathPlan *out_plan, const DmMediaSideSpec *from, const DmMediaSideSpec *to)
{
    DmMediaSideSpec bare_from = *from;
    DmMediaSideSpec bare_to = *to;

    bare_from.n_recv = (uint8_t)without_events(bare_from.recv, bare_from.n_recv);
    bare_to.n_send = (uint8_t)without_events(bare_to.send, bare_to.n_send);
    dm_path_plan(out_plan, &bare_from, &bare_to);
    out_plan->modem_tones = true;
    out_plan->keeps_up = false;
}

const DmPathPlan dm_path_plan_none;

static size_t
size_of(const DmPathPlan *plan)
{
    return G_STRUCT_OFFSET(DmPathPlan, rule) + plan->n * sizeof plan->rule[0];
}

const DmPathPlan *
dm_path_plan_keep(const DmPathPlan *plan)
{
    return g_memdup2(plan, size_of(plan));
}

bool
dm_path_plan_equal(const DmPathPlan *a, const DmPathPlan *b)
{
    return a->n == b->n && memcmp(a, b, size_of(a)) == 0;
}

const DmPathRule *
dm_path_plan_rule(const DmPathPlan *plan, uint8_t pt)
{
    for (unsigned i = 0; i < plan->n; i++) {
        if (plan->rule[i].pt_in == pt) {
            return &plan->rule[i];
        }
    }
    return NULL;
}

bool
dm_path_plan_keeps_length(const DmPathPlan *plan, size_t payload_len)
{
    size_t wanted = plan->ptime_ms * DEFAULT_CLOCK_HZ / 1000u;
    size_t most = plan->maxptime_ms * DEFAULT_CLOCK_HZ / 1000u;

    if (most != 0 && wanted > most) {
        wanted = most;
    }
    return wanted != 0 ? payload_len == wanted : most == 0 || payload_len <= most;
}

uint32_t
dm_path_plan_clock_out(const DmPathPlan *plan)
{
    for (unsigned i = 0; i < plan->n; i++) {
        if (plan->rule[i].ops & DM_PATH_FORWARD && !(plan->rule[i].ops & DM_PATH_EVENT)) {
            return plan->rule[i].clock_out_hz;
        }
    }
    return DEFAULT_CLOCK_HZ;
}

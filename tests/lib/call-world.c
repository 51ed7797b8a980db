/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/call-world.h"

#include <string.h>

#include "gateway/base/error.h"

static const char default_config[] =
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"
    "trunks:\n"
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}]}\n"
    "  - {id: first, role: carrier, endpoints: [{uri: 'sip:198.51.100.1', priority: 1}, "
    "{uri: 'sip:198.51.100.2', priority: 2}]}\n"
    "  - {id: second, role: carrier, endpoints: [{uri: 'sip:203.0.113.1'}], media: {codecs: "
    "[PCMA]}}\n"
    "routes:\n"
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [first, second]}}\n"
    "  - {id: in, match: {source_trunks: [first, second]}, action: {trunks: [pbx]}}\n";

G_GNUC_PRINTF(2, 3)
static void
tell(World *world, const char *format, ...)
{
    va_list arguments;

    if (!world->has_story) {
        return;
    }
    va_start(arguments, format);
    if (world->story->len > 0) {
        g_string_append_c(world->story, ' ');
    }
    g_string_append_vprintf(world->story, format, arguments);
    va_end(arguments);
}

static FakeLeg *
fake_of(DmLeg *leg)
{
    FakeLeg *fake = (FakeLeg *)leg;

    g_assert_cmpuint(fake->n_closed, ==, 0); /* nothing is asked of a leg that is gone */
    return fake;
}

static void
remember_said(FakeLeg *fake, const DmSdp *sdp)
{
    if (sdp != NULL) {
        dm_sdp_unref(fake->said);
        fake->said = dm_sdp_ref(sdp);
    }
}

static void
fake_progress(DmLeg *leg, uint16_t status, const DmSdp *sdp)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_true(fake->incoming && !fake->answered && fake->n_closes == 0);
    g_assert_cmpuint(status, >, 100);
    g_assert_cmpuint(status, <, 200);
    remember_said(fake, sdp);
    tell(fake->world, "%s:progress(%u%s)", fake->name, status, sdp != NULL ? ",sdp" : "");
}

static void
fake_answer(DmLeg *leg, const DmSdp *sdp)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_true(fake->incoming && !fake->answered && fake->n_closes == 0);
    g_assert_nonnull(sdp);
    fake->answered = true;
    remember_said(fake, sdp);
    tell(fake->world, "%s:answer", fake->name);
}

static void
fake_reoffer(DmLeg *leg, const DmSdp *sdp)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_false(fake->reoffer_out);
    g_assert_cmpuint(fake->n_closes, ==, 0);
    fake->reoffer_out = true;
    remember_said(fake, sdp);
    tell(fake->world, "%s:reoffer", fake->name);
}

static void
fake_reanswer(DmLeg *leg, const DmSdp *sdp)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_cmpuint(fake->n_reoffers_in, >, 0);
    g_assert_nonnull(sdp);
    fake->n_reoffers_in--;
    remember_said(fake, sdp);
    tell(fake->world, "%s:reanswer", fake->name);
}

static void
fake_refuse_reoffer(DmLeg *leg, uint16_t status)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_cmpuint(fake->n_reoffers_in, >, 0);
    g_assert_cmpuint(status, >=, 400);
    fake->n_reoffers_in--;
    tell(fake->world, "%s:refuse(%u)", fake->name, status);
}

static void
on_close_timer(DmTimer *timer, void *user_data)
{
    peer_ends(user_data, DM_RELEASE_LOCAL, 0);
}

static void
fake_close(DmLeg *leg, const DmRelease *why)
{
    FakeLeg *fake = fake_of(leg);

    fake->n_closes++;
    fake->why = *why;
    g_assert_cmpuint(fake->n_closes, ==, 1);
    if (fake->incoming && !fake->answered) {
        g_assert_cmpuint(why->status, >=, why->redirect_to[0] != '\0' ? 300 : 400);
        g_assert_cmpuint(why->status, <, 700);
    }
    tell(fake->world, "%s:close(%u)", fake->name, why->status);
    dm_loop_arm(fake->world->loop, &fake->timer, fake->close_delay_us, on_close_timer, fake);
}

static void
fake_leg_press(DmLeg *leg, char key)
{
    FakeLeg *fake = fake_of(leg);

    tell(fake->world, "%s:press(%c)", fake->name, key);
}

static const DmLegFacts *
fake_facts(DmLeg *leg)
{
    return &fake_of(leg)->facts;
}

static void
fake_answer_refer(DmLeg *leg, uint16_t status)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_true(fake->referring);
    fake->referring = false;
    fake->hears = status < 300;
    fake->refer_status = status;
    tell(fake->world, "%s:refer(%u)", fake->name, status);
}

static void
fake_notify(DmLeg *leg, uint16_t status)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_true(fake->hears && fake->n_closes == 0);
    fake->hears = status < 200;
    fake->notified = status;
    tell(fake->world, "%s:notify(%u)", fake->name, status);
}

static void
fake_refer(DmLeg *leg, const DmReferral *referral)
{
    FakeLeg *fake = fake_of(leg);

    g_assert_true(fake->up && !fake->asked && fake->n_closes == 0);
    fake->asked = true;
    g_strlcpy(fake->asked_number, referral->number, sizeof(fake->asked_number));
    fake->asked_replaced = referral->replaced;
    tell(fake->world, "%s:asked(%s)", fake->name, referral->number);
}

static const DmLegOps fake_leg_ops = {
    .progress = fake_progress,
    .answer = fake_answer,
    .reoffer = fake_reoffer,
    .reanswer = fake_reanswer,
    .refuse_reoffer = fake_refuse_reoffer,
    .close = fake_close,
    .press = fake_leg_press,
    .facts = fake_facts,
    .answer_refer = fake_answer_refer,
    .notify = fake_notify,
    .refer = fake_refer,
};

static FakeLeg *
leg_new(World *world, bool incoming, const char *trunk)
{
    FakeLeg *fake = g_new0(FakeLeg, 1);
    unsigned n = incoming ? ++world->n_incoming : ++world->n_dialed;

    fake->leg.ops = &fake_leg_ops;
    fake->world = world;
    fake->incoming = incoming;
    g_snprintf(fake->name, sizeof(fake->name), "%c%u", incoming ? 'a' : 'b', n);
    g_strlcpy(fake->trunk, trunk, sizeof(fake->trunk));
    fake->facts = (DmLegFacts){.call_id = fake->name, .user_agent = "fake", .takes_refer = true};
    dm_address_parse(&fake->facts.remote, incoming ? "192.0.2.10" : "198.51.100.1", 5060);
    dm_address_parse(&fake->facts.local, "203.0.113.99", 5060);
    g_ptr_array_add(world->legs, fake);
    return fake;
}

static DmLeg *
fake_dial(void *factory, const DmDial *dial, DmLegEventFunc on_event, void *user_data)
{
    World *world = factory;
    FakeLeg *fake = leg_new(world, false, dm_trunk_id(dial->trunk));

    fake->offerless = dial->offer == NULL;
    fake->leg.on_event = on_event;
    fake->leg.user_data = user_data;
    fake->facts.endpoint = dial->address->endpoint;
    fake->facts.remote = dial->address->address;
    remember_said(fake, dial->offer);
    g_strlcpy(fake->call_id, dial->call_id, sizeof(fake->call_id));
    g_strlcpy(fake->replaces, dial->replaces != NULL ? dial->replaces : "", sizeof(fake->replaces));
    g_strlcpy(fake->referred_by,
              dial->referred_by != NULL ? dial->referred_by : "",
              sizeof(fake->referred_by));
    tell(world, "%s:dial(%s)", fake->name, dial->address->host);
    if (world->on_dial != NULL) {
        world->on_dial(fake, world->user_data);
    }
    return &fake->leg;
}

void
peer_does_with(FakeLeg *leg, DmLegEventType type, uint16_t status, const DmSdp *sdp)
{
    DmLegEvent event = {.type = type, .status = status, .sdp = sdp};

    if (leg->n_closed > 0) {
        return;
    }
    event.is_offer = type == DM_LEG_ANSWERED && leg->offerless && sdp != NULL;
    if (type == DM_LEG_REOFFER || type == DM_LEG_OFFERED || event.is_offer) {
        leg->n_reoffers_in++;
    }
    leg->offerless = leg->offerless && type != DM_LEG_OFFERED && type != DM_LEG_ANSWERED;
    leg->up = leg->up ||
              (leg->incoming ? type == DM_LEG_ACKED && leg->answered : type == DM_LEG_ANSWERED);
    if (type == DM_LEG_REANSWER || type == DM_LEG_REOFFER_FAILED) {
        leg->reoffer_out = false;
    }
    leg->leg.on_event(&leg->leg, &event, leg->leg.user_data);
}

void
peer_does(FakeLeg *leg, DmLegEventType type, uint16_t status, const char *sdp)
{
    g_autoptr(DmSdp) parsed = world_sdp(sdp);

    peer_does_with(leg, type, status, parsed);
}

uint16_t
peer_refers(FakeLeg *leg, const char *number, FakeLeg *replaced, const char *replaces)
{
    const DmReferral referral = {
        .number = number,
        .replaced = replaced != NULL ? &replaced->leg : NULL,
        .replaces = replaces != NULL ? replaces : "",
        .referred_by = "",
    };
    const DmLegEvent event = {.type = DM_LEG_REFERRED, .referral = &referral};

    if (leg->n_closed > 0 || leg->n_closes > 0 || !leg->up || leg->hears) {
        return 0;
    }
    leg->referring = true;
    leg->leg.on_event(&leg->leg, &event, leg->leg.user_data);
    return leg->referring ? 0 : leg->refer_status;
}

void
peer_reports(FakeLeg *leg, uint16_t status)
{
    if (leg->asked && leg->n_closes == 0) {
        leg->asked = status < 200;
        peer_does(leg, DM_LEG_REFER_PROGRESS, status, NULL);
    }
}

/* A leg that is alive when its call is released is closed there and then. */
static void
check_released(const FakeLeg *leg)
{
    DmCall *call = dm_call_table_find(leg->world->calls, leg->call_id);

    g_assert_true(leg->n_closes == 1 || call == NULL ||
                  strcmp(dm_call_state_name(call), "closing") != 0);
}

void
peer_ends(FakeLeg *leg, DmReleaseCause cause, uint16_t status)
{
    peer_redirects(leg, cause, status, NULL);
}

void
peer_redirects(FakeLeg *leg, DmReleaseCause cause, uint16_t status, const char *number)
{
    const DmRelease release = {.cause = cause, .status = status};
    g_autoptr(GPtrArray) contacts = g_ptr_array_new();
    const DmLegEvent event = {.type = DM_LEG_CLOSED,
                              .release = &release,
                              .contacts = number != NULL ? contacts : NULL};

    g_ptr_array_add(contacts, (char *)number);

    if (leg->n_closed > 0) {
        return;
    }
    check_released(leg);
    dm_timer_disarm(&leg->timer);
    dm_timer_disarm(&leg->script_timer);
    leg->leg.on_event(&leg->leg, &event, leg->leg.user_data);
    leg->n_closed++;
    g_clear_pointer(&leg->said, dm_sdp_unref);
}

/* --- Media --- */

typedef struct {
    World *world;
    DmCallMediaFunc on_event;
    void *user_data;
    DmAddress local[DM_N_SIDES];
    DmTimer timer;
    bool closed, recorded;
} FakeMedia;

static DmCallMedia *
fake_open(void *engine,
          const unsigned pool[DM_N_SIDES],
          DmCallMediaFunc on_event,
          void *user_data,
          GError **error)
{
    World *world = engine;
    uint16_t port = (uint16_t)(20000 + 4 * (world->n_media_opened % 2000));
    FakeMedia *media;

    if (world->no_ports) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_LIMIT, "no port left");
        return NULL;
    }
    media = g_new0(FakeMedia, 1);
    media->world = world;
    media->on_event = on_event;
    media->user_data = user_data;
    dm_address_parse(&media->local[DM_SIDE_A], "203.0.113.99", port);
    dm_address_parse(&media->local[DM_SIDE_B], "203.0.113.99", port + 2);
    world->n_media_opened++;
    g_ptr_array_add(world->media, media);
    return (DmCallMedia *)media;
}

static const DmAddress *
fake_local(const DmCallMedia *media, DmSide side)
{
    return &((const FakeMedia *)media)->local[side];
}

static const DmFingerprint *
fake_fingerprint(DmCallMedia *media)
{
    static const DmFingerprint own = {.hash = DM_FINGERPRINT_SHA_256, .bytes = {0xda}};

    return &own;
}

/* Both directions or none, under one suite; and no key of ours is said to both sides. */
static void
check_keys(const DmMediaSideSpec *side, const DmMediaSideSpec *other)
{
    g_assert_cmpuint(side->srtp_in.suite, ==, side->srtp_out.suite);
    g_assert_true(side->srtp_out.suite == DM_SRTP_NONE ||
                  memcmp(&side->srtp_out, &other->srtp_out, sizeof side->srtp_out) != 0);
}

static void
fake_update(DmCallMedia *media, const DmMediaSpec *spec)
{
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    for (unsigned side = 0; side < DM_N_SIDES; side++) {
        check_keys(&spec->side[side], &spec->side[dm_side_other(side)]);
    }
    fake->world->spec = *spec;
    fake->world->n_updates++;
}

static void
fake_play(DmCallMedia *media, DmSide side, const DmPlay *play)
{
    static const char *const tones[] = {
        [DM_TONE_SILENCE] = "silence",
        [DM_TONE_RINGING] = "ringing",
        [DM_TONE_BUSY] = "busy",
        [DM_TONE_CONGESTION] = "congestion",
        [DM_TONE_INFORMATION] = "information",
    };
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    tell(fake->world, "media:play(%s,%s)", side == DM_SIDE_A ? "a" : "b", tones[play->tone]);
}

static void
fake_stop(DmCallMedia *media, DmSide side)
{
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    tell(fake->world, "media:stop(%s)", side == DM_SIDE_A ? "a" : "b");
}

static void
fake_press(DmCallMedia *media, DmSide from, char key, unsigned ms)
{
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    tell(fake->world, "media:press(%s,%c,%u)", from == DM_SIDE_A ? "a" : "b", key, ms);
}

static void
fake_report(const DmCallMedia *media, DmMediaReport *out)
{
    const FakeMedia *fake = (const FakeMedia *)media;

    g_assert_false(fake->closed);
    *out = fake->world->final_report;
}

static bool
fake_record(DmCallMedia *media, const DmRecordSpec *spec, GError **error)
{
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    if (fake->recorded) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFLICT, "recorded already");
        return false;
    }
    fake->recorded = true;
    tell(fake->world, "media:record(%s)", spec->path);
    return true;
}

static bool
fake_pause_recording(DmCallMedia *media, bool paused)
{
    FakeMedia *fake = (FakeMedia *)media;

    if (fake->recorded) {
        tell(fake->world, paused ? "media:pause" : "media:resume");
    }
    return fake->recorded;
}

static bool
fake_end_recording(DmCallMedia *media)
{
    FakeMedia *fake = (FakeMedia *)media;
    bool recorded = fake->recorded;

    if (recorded) {
        tell(fake->world, "media:end-recording");
    }
    fake->recorded = false;
    return recorded;
}

static void
on_media_closed(DmTimer *timer, void *user_data)
{
    FakeMedia *fake = user_data;
    const DmCallMediaEvent event = {.type = DM_CALL_MEDIA_CLOSED,
                                    .report = &fake->world->final_report,
                                    .verdict = fake->world->final_verdict};

    fake->world->n_media_closed++;
    fake->on_event(&event, fake->user_data);
    g_free(fake);
}

static void
fake_media_close(DmCallMedia *media)
{
    FakeMedia *fake = (FakeMedia *)media;

    g_assert_false(fake->closed);
    fake->closed = true;
    g_ptr_array_remove(fake->world->media, fake);
    tell(fake->world, "media:close");
    dm_loop_arm(fake->world->loop,
                &fake->timer,
                fake->world->media_close_delay_us,
                on_media_closed,
                fake);
}

static const DmMediaOps fake_media_ops = {fake_open,
                                          fake_local,
                                          fake_fingerprint,
                                          fake_update,
                                          fake_play,
                                          fake_stop,
                                          fake_press,
                                          fake_record,
                                          fake_pause_recording,
                                          fake_end_recording,
                                          fake_report,
                                          fake_media_close};

static void
tell_session(FakeMedia *fake, DmCallMediaEventType type, DmSide side, DmAudioVerdict verdict)
{
    const DmMediaReport report = {0};
    const DmCallMediaEvent event = {.type = type,
                                    .side = side,
                                    .verdict = verdict,
                                    .report = &report,
                                    .key = '5',
                                    .failure = DM_DTLS_WRONG_FINGERPRINT,
                                    .address = &fake->world->latched};

    fake->on_event(&event, fake->user_data);
}

void
media_does(World *world, DmCallMediaEventType type, DmSide side, DmAudioVerdict verdict)
{
    g_assert_cmpuint(world->media->len, >, 0);
    tell_session(g_ptr_array_index(world->media, world->media->len - 1), type, side, verdict);
}

/* --- Anything at all --- */

static const char *const media_lines[] = {
    "m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000",
    "m=audio 4000 RTP/AVP 8",
    "m=audio 4000 RTP/AVP 0",
    "m=audio 4000 RTP/AVP 0 8\r\na=sendonly",
    "m=audio 4000 RTP/AVP 8\r\na=recvonly",
    "m=audio 4000 RTP/AVP 0 8\r\na=inactive",
    "m=audio 4002 RTP/AVP 0 8\r\nc=IN IP4 0.0.0.0",
    "m=audio 4002 RTP/AVP 8 0\r\nc=IN IP4 192.0.2.77",
    "m=audio 0 RTP/AVP 8",
    "m=audio 4000 RTP/AVP 18",
    "m=audio 4000 RTP/SAVP 8",
    "m=audio 4000 RTP/SAVP 0 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0",
    "m=audio 4000 RTP/SAVP 8\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 "
    "inline:AAAyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0|2^31|1:1\r\na=sendonly",
    "m=audio 4000 RTP/AVP 8 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 "
    "inline:MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0",
    "m=video 4000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 8",
    "m=audio 0 RTP/AVP 8\r\nm=image 4002 udptl t38",
    "m=audio 4000 RTP/AVP 8\r\nm=image 0 udptl t38",
    "m=audio 4000 RTP/AVP 0 8\r\nm=image 4002 udptl t38\r\na=T38FaxUdpEC:t38UDPFEC",
    "m=image 4002 udptl t38",
};

/* Every second time the first: most peers are ordinary. NULL now and then. */
static const DmSdp *
any_sdp(const World *world, unsigned dice)
{
    if (dice & 1) {
        return g_ptr_array_index(world->sdps, 0);
    }
    dice = (dice >> 1) % (world->sdps->len + 2);
    return dice < world->sdps->len ? g_ptr_array_index(world->sdps, dice) : NULL;
}

static void
end_somehow(FakeLeg *leg, unsigned dice)
{
    static const struct {
        DmReleaseCause cause;
        uint16_t status;
    } ends[] = {
        {DM_RELEASE_PEER_BYE, 0},
        {DM_RELEASE_PEER_BYE, 0},
        {DM_RELEASE_PEER_CANCEL, 487},
        {DM_RELEASE_REJECTED, 486},
        {DM_RELEASE_REJECTED, 503},
        {DM_RELEASE_REJECTED, 488},
        {DM_RELEASE_REJECTED, 302},
        {DM_RELEASE_REJECTED, 407},
        {DM_RELEASE_TIMEOUT, 408},
        {DM_RELEASE_TRANSPORT, 503},
        {DM_RELEASE_PROTOCOL, 481},
        {DM_RELEASE_ACK_TIMEOUT, 0},
        {DM_RELEASE_LOCAL, 0},
    };

    dice %= G_N_ELEMENTS(ends);
    peer_redirects(leg,
                   ends[dice].cause,
                   ends[dice].status,
                   ends[dice].status == 302 ? "+442079462222" : NULL);
}

/* One of those made lately that talks. */
static FakeLeg *
any_up(const World *world, unsigned dice)
{
    guint n = MIN(world->legs->len, 64);
    FakeLeg *leg = g_ptr_array_index(world->legs, world->legs->len - 1 - dice % n);

    return leg->up && leg->n_closed == 0 && leg->n_closes == 0 ? leg : NULL;
}

static void
transfer_somehow(FakeLeg *leg, unsigned dice)
{
    static const char *const numbers[] = {"+442079462222", "+442079463333", "+39060001"};
    static const uint16_t reports[] = {100, 180, 200, 486, 603};
    const char *number = numbers[(dice >> 2) % G_N_ELEMENTS(numbers)];
    FakeLeg *other = any_up(leg->world, dice >> 8);

    switch (dice & 3) {
    case 0:
        peer_refers(leg, number, NULL, dice & 4 ? "x@y;to-tag=1;from-tag=2" : NULL);
        break;
    case 1:
        peer_refers(leg, number, other, NULL);
        break;
    case 2:
        peer_reports(leg, reports[(dice >> 2) % G_N_ELEMENTS(reports)]);
        break;
    default:
        if (other != NULL) {
            world_call_instead(leg->world,
                               other->trunk,
                               other,
                               dice & 4 ? media_lines[(dice >> 4) % G_N_ELEMENTS(media_lines)]
                                        : NULL);
        }
        break;
    }
}

void
peer_does_something(FakeLeg *leg, uint64_t dice)
{
    static const DmLegEventType a_types[] = {DM_LEG_ACKED,
                                             DM_LEG_ACKED,
                                             DM_LEG_REOFFER,
                                             DM_LEG_REANSWER,
                                             DM_LEG_REOFFER_FAILED,
                                             DM_LEG_EARLY_ANSWER,
                                             DM_LEG_ANSWERED};
    static const DmLegEventType b_types[] = {DM_LEG_PROGRESS,
                                             DM_LEG_ANSWERED,
                                             DM_LEG_REOFFER,
                                             DM_LEG_REANSWER,
                                             DM_LEG_REOFFER_FAILED,
                                             DM_LEG_OFFERED,
                                             DM_LEG_ACKED};
    static const uint16_t progress[] = {100, 180, 183, 181, 199};
    static const uint16_t failures[] = {491, 488, 408, 500};
    const DmLegEventType *types = leg->incoming ? a_types : b_types;
    unsigned what = dice & 0xff;
    unsigned how = (dice >> 8) & 0xff;
    const DmSdp *sdp = any_sdp(leg->world, (dice >> 16) & 0xff);
    DmLegEventType type = types[what % G_N_ELEMENTS(a_types)];
    uint16_t status = 200;

    if (what >= 240) {
        end_somehow(leg, how);
        return;
    }
    if (leg->up && what % 8 == 7) {
        transfer_somehow(leg, (unsigned)(dice >> 8));
        return;
    }
    if (leg->incoming && type == DM_LEG_ANSWERED) {
        type = DM_LEG_PROGRESS; /* nonsense on such a leg either way */
    }
    if (type == DM_LEG_OFFERED && (!leg->offerless || sdp == NULL)) {
        type = DM_LEG_PROGRESS;
    }
    if (type == DM_LEG_OFFERED) {
        status = 183;
    } else if (type == DM_LEG_PROGRESS) {
        status = progress[how % G_N_ELEMENTS(progress)];
    } else if (type == DM_LEG_REOFFER_FAILED) {
        status = failures[how % G_N_ELEMENTS(failures)];
    }
    peer_does_with(leg, type, status, sdp);
}

void
media_does_something(World *world, uint64_t dice)
{
    static const DmCallMediaEventType types[] = {DM_CALL_MEDIA_AUDIO_CHECK,
                                                 DM_CALL_MEDIA_LATCHED,
                                                 DM_CALL_MEDIA_DIGIT,
                                                 DM_CALL_MEDIA_FAX,
                                                 DM_CALL_MEDIA_TIMEOUT};

    if (world->media->len > 0) {
        tell_session(g_ptr_array_index(world->media, (dice >> 16) % world->media->len),
                     types[dice % G_N_ELEMENTS(types)],
                     (dice >> 8) & 1 ? DM_SIDE_B : DM_SIDE_A,
                     (DmAudioVerdict)((dice >> 9) % (DM_AUDIO_UNKNOWN + 1)));
    }
}

/* --- The call's observer --- */

static void
on_started(const DmRecord *record, void *user_data)
{
    World *world = user_data;

    g_assert_cmpint(record->answer_mono_us, !=, 0);
    world->n_started++;
    tell(world, "started");
}

static void
on_ended(const DmRecord *record, void *user_data)
{
    World *world = user_data;

    world->n_ended++;
    world->n_ended_answered += record->answer_mono_us != 0;
    if (world->has_story) {
        json_decref(world->last_record);
        world->last_record = dm_record_to_json(record);
    }
    tell(world, "ended(%s,%u)", dm_released_by_name(record->release.by), record->release.code);
}

static void
on_arrives(const DmIncoming *incoming, void *user_data)
{
    World *world = user_data;

    tell(world, "call(%s)", incoming->identity->ruri_user);
    world->n_calls++;
    dm_call_table_add(world->calls, dm_call_new(&world->deps, world->config, incoming));
}

static void
on_transferred(bool done, void *user_data)
{
    World *world = user_data;

    *(done ? &world->n_transferred : &world->n_not_transferred) += 1;
}

static void
on_over(DmCall *call, void *user_data)
{
    World *world = user_data;

    world->n_over++;
    dm_call_table_remove(world->calls, call);
}

/* --- The world --- */

static void
on_log_line(DmLogLevel level, const char *line, void *user_data)
{
    World *world = user_data;

    world->n_refused_moves += strstr(line, "not a legal move") != NULL;
}

static DmConfig *
load(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmDocument) document = dm_document_parse(text, strlen(text), "test.yaml", &error);
    DmProblems problems;
    DmConfig *config;

    g_assert_no_error(error);
    dm_problems_init(&problems);
    config = dm_config_new_from_json(dm_document_json(document), &problems);
    if (config == NULL) {
        g_autofree char *explained = dm_document_explain(document, &problems);

        g_error("%s", explained);
    }
    dm_problems_clear(&problems);
    return config;
}

World *
world_new(uint64_t seed, const char *config)
{
    World *world = g_new0(World, 1);

    dm_fake_clock_init(&world->clock);
    world->loop = dm_loop_new_virtual(&world->clock.clock);
    world->random = dm_random_new_seeded(seed);
    world->config = load(config != NULL ? config : default_config);
    world->registry = dm_trunk_registry_new();
    world->pool = dm_pool_new(world->registry, &world->clock.clock, world->random);
    dm_pool_take_config(world->pool, world->config);
    world->calls = dm_call_table_new();
    world->legs = g_ptr_array_new();
    world->media = g_ptr_array_new();
    world->sdps = g_ptr_array_new_with_free_func((GDestroyNotify)dm_sdp_unref);
    for (size_t i = 0; i < G_N_ELEMENTS(media_lines); i++) {
        g_ptr_array_add(world->sdps, world_sdp(media_lines[i]));
    }
    world->story = g_string_new(NULL);
    world->has_story = true;
    world->final_verdict = DM_AUDIO_BOTH;
    world->factory = (DmLegFactory){fake_dial, world};
    world->observer = (DmCallObserver){
        .started = on_started,
        .ended = on_ended,
        .arrives = on_arrives,
        .transferred = on_transferred,
        .over = on_over,
        .user_data = world,
    };
    world->deps = (DmCallDeps){
        .loop = world->loop,
        .random = world->random,
        .pool = world->pool,
        .legs = &world->factory,
        .media = &fake_media_ops,
        .media_engine = world,
        .observer = &world->observer,
    };
    dm_log_set_level(DM_LOG_WARNING);
    dm_log_set_sink(on_log_line, world);
    return world;
}

static void
check_trunk(DmTrunk *trunk, void *user_data)
{
    World *world = user_data;
    DmTrunkStatus status;

    g_assert_true(dm_trunk_registry_status(world->registry, dm_trunk_id(trunk), &status));
    g_assert_cmpint(status.calls_in, ==, 0);
    g_assert_cmpint(status.calls_out, ==, 0);
}

static void
check_nothing_left(World *world)
{
    g_assert_cmpuint(dm_call_table_count(world->calls), ==, 0);
    g_assert_cmpuint(world->n_ended, ==, world->n_calls);
    g_assert_cmpuint(world->n_over, ==, world->n_calls);
    g_assert_cmpuint(world->n_media_closed, ==, world->n_media_opened);
    g_assert_cmpuint(world->n_started, ==, world->n_ended_answered);
    g_assert_cmpuint(world->n_refused_moves, ==, 0);
    dm_pool_foreach(world->pool, check_trunk, world);
    for (guint i = 0; i < world->legs->len; i++) {
        FakeLeg *leg = g_ptr_array_index(world->legs, i);

        g_assert_cmpuint(leg->n_closed, ==, 1);
        g_assert_cmpuint(leg->n_closes, <=, 1);
    }
}

void
world_free(World *world)
{
    check_nothing_left(world);
    for (guint i = 0; i < world->legs->len; i++) {
        FakeLeg *leg = g_ptr_array_index(world->legs, i);

        dm_sdp_unref(leg->said);
        g_free(leg);
    }
    g_ptr_array_unref(world->legs);
    g_ptr_array_unref(world->media);
    g_ptr_array_unref(world->sdps);
    dm_call_table_free(world->calls);
    dm_pool_free(world->pool);
    dm_trunk_registry_unref(world->registry);
    dm_config_unref(world->config);
    dm_random_free(world->random);
    dm_loop_free(world->loop);
    json_decref(world->last_record);
    g_string_free(world->story, TRUE);
    dm_log_set_sink(NULL, NULL);
    g_free(world);
}

static bool
turn_until(World *world, int64_t end_us)
{
    int64_t wait_us = dm_loop_wait_us(world->loop);

    if (wait_us < 0 || world->clock.mono_now_us + wait_us > end_us) {
        return false;
    }
    dm_fake_clock_advance(&world->clock, wait_us);
    dm_loop_turn(world->loop, 0);
    return true;
}

void
world_run(World *world, int64_t ms)
{
    int64_t end_us = world->clock.mono_now_us + ms * 1000;

    while (turn_until(world, end_us)) {
    }
    dm_fake_clock_advance(&world->clock, end_us - world->clock.mono_now_us);
    dm_loop_turn(world->loop, 0);
}

void
world_finish(World *world, int64_t ms)
{
    int64_t end_us = world->clock.mono_now_us + ms * 1000;

    while (dm_call_table_count(world->calls) > 0 && turn_until(world, end_us)) {
    }
}

DmSdp *
world_sdp(const char *media)
{
    g_autofree char *text = NULL;

    if (media == NULL) {
        return NULL;
    }
    text = g_strconcat("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n",
                       media,
                       "\r\n",
                       NULL);
    return dm_sdp_parse(text, strlen(text), NULL);
}

static DmCall *
call_with(World *world, const char *trunk, const char *number, const char *offer, DmLeg *replaced)
{
    g_autoptr(DmSdp) sdp = world_sdp(offer);
    FakeLeg *leg = leg_new(world, true, trunk);
    DmIdentity identity;
    DmIncoming incoming = {
        .leg = &leg->leg,
        .trunk = dm_pool_find(world->pool, trunk),
        .identity = &identity,
        .offer = sdp,
        .early_offer = world->caller_pracks,
        .max_forwards = 69,
        .auth = "ip",
        .replaced = replaced,
    };
    DmCall *call;

    dm_identity_init(&identity);
    g_free(identity.ruri_user);
    identity.ruri_user = g_strdup(number);
    g_free(identity.from_user);
    identity.from_user = g_strdup("+442079460000");
    call = dm_call_new(&world->deps, world->config, &incoming);
    dm_identity_clear(&identity);
    g_strlcpy(leg->call_id, dm_call_id(call), sizeof(leg->call_id));
    dm_call_table_add(world->calls, call);
    world->n_calls++;
    if (replaced != NULL && world->on_dial != NULL) {
        world->on_dial(leg, world->user_data);
    }
    return call;
}

DmCall *
world_call(World *world, const char *trunk, const char *number, const char *offer)
{
    return call_with(world, trunk, number, offer, NULL);
}

DmCall *
world_call_instead(World *world, const char *trunk, FakeLeg *replaced, const char *offer)
{
    return call_with(world, trunk, "", offer, &replaced->leg);
}

FakeLeg *
world_leg(World *world, const char *name)
{
    for (guint i = 0; i < world->legs->len; i++) {
        FakeLeg *leg = g_ptr_array_index(world->legs, i);

        if (strcmp(leg->name, name) == 0) {
            return leg;
        }
    }
    g_error("no leg %s; so far: %s", name, world->story->str);
}

char *
world_take_story(World *world)
{
    char *story = g_strdup(world->story->str);

    g_string_truncate(world->story, 0);
    return story;
}

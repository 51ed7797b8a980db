/* SPDX-License-Identifier: Apache-2.0 */
#include "config/trunk/members.h"

static const DmJsonChoice abilities[] = {
    {"supported", DM_ABILITY_SUPPORTED},
    {"off", DM_ABILITY_OFF},
    {"required", DM_ABILITY_REQUIRED},
    {NULL},
};

static const DmJsonChoice forkings[] = {
    {"first", DM_FORKING_FIRST},
    {"latest", DM_FORKING_LATEST},
    {"rtp_active", DM_FORKING_RTP_ACTIVE},
    {NULL},
};

static const DmJsonChoice delayed_offers[] = {
    {"early_offer", DM_DELAYED_EARLY_OFFER},
    {"transparent", DM_DELAYED_TRANSPARENT},
    {NULL},
};

static const DmJsonChoice early_medias[] = {
    {"local_ringback_if_no_rtp", DM_EARLY_MEDIA_RINGBACK},
    {"keep", DM_EARLY_MEDIA_KEEP},
    {"relay_180", DM_EARLY_MEDIA_RELAY},
    {NULL},
};

static const DmJsonChoice updates[] = {
    {"auto", DM_UPDATE_AUTO},
    {"prefer", DM_UPDATE_PREFER},
    {"off", DM_UPDATE_OFF},
    {NULL},
};

static const DmJsonChoice hold_modes[] = {
    {"relay", DM_HOLD_RELAY},
    {"local", DM_HOLD_LOCAL},
    {NULL},
};

static const DmJsonChoice redirect_modes[] = {
    {"follow", DM_REDIRECT_FOLLOW},
    {"relay", DM_REDIRECT_RELAY},
    {"reject", DM_REDIRECT_REJECT},
    {NULL},
};

static const DmJsonChoice refer_modes[] = {
    {"local", DM_REFER_LOCAL},
    {"relay", DM_REFER_RELAY},
    {"reject", DM_REFER_REJECT},
    {NULL},
};

static const DmJsonChoice oversize_steps[] = {
    {"compact", DM_OVERSIZE_COMPACT},
    {"attributes", DM_OVERSIZE_ATTRIBUTES},
    {"headers", DM_OVERSIZE_HEADERS},
    {"codecs", DM_OVERSIZE_CODECS},
    {"tcp", DM_OVERSIZE_TCP},
    {NULL},
};

static const DmJsonChoice refreshers[] = {
    {"auto", DM_REFRESHER_AUTO},
    {"gateway", DM_REFRESHER_GATEWAY},
    {"peer", DM_REFRESHER_PEER},
    {NULL},
};

static const DmJsonChoice refresh_methods[] = {
    {"auto", DM_REFRESH_AUTO},
    {"update", DM_REFRESH_UPDATE},
    {"invite", DM_REFRESH_INVITE},
    {NULL},
};

/* Without these a request means something else, or nothing (RFC 3261, 8.1.1; privacy is what
 * RFC 3323 promises the caller). */
static bool
must_be_sent(const char *header)
{
    static const char *const needed[] = {
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Contact",
        "Route",
        "Content-Type",
        "Content-Length",
        "Authorization",
        "Proxy-Authorization",
        "Require",
        "Proxy-Require",
        "Supported",
        "Session-Expires",
        "Min-SE",
        "Replaces",
        "Refer-To",
        "RAck",
        "Event",
        "Subscription-State",
        "Privacy",
        NULL,
    };

    for (unsigned i = 0; needed[i] != NULL; i++) {
        if (g_ascii_strcasecmp(header, needed[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void *
make_body_type(const json_t *element, DmJsonReader *reader)
{
    g_autofree char *type = dm_json_make_string(element, reader);

    if (type != NULL &&
        !g_regex_match_simple("^[a-z0-9.+-]{1,48}/[a-z0-9.+-]{1,48}$", type, 0, 0)) {
        dm_json_problem(reader, "format", "expected a content type like \"application/isup\"");
        return NULL;
    }
    if (g_strcmp0(type, "application/sdp") == 0) {
        dm_json_problem(reader, "conflict", "the session description never crosses");
        return NULL;
    }
    return g_steal_pointer(&type);
}

static void *
make_optional_header(const json_t *element, DmJsonReader *reader)
{
    char *name = dm_json_make_string(element, reader);

    if (name != NULL && must_be_sent(name)) {
        dm_json_problem(reader, "conflict", "'%s' cannot be left out", name);
        g_clear_pointer(&name, g_free);
    }
    return name;
}

static const DmJsonMember timers_members[] = {
    {"setup_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.setup_ms),
     .min = 500,
     .max = 32000,
     .value = 4000,
     .doc = "Milliseconds without any answer after which the next target is tried."},
    {"ringing_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.ringing_ms),
     .min = 1000,
     .max = 600000,
     .value = 180000,
     .doc = "Milliseconds without a final answer after which the caller gets 408."},
    {"max_duration_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.max_duration_s),
     .max = 604800,
     .value = 14400,
     .doc = "Seconds after which a call is ended; 0: never."},
    {NULL},
};

static const DmJsonMember session_timer_members[] = {
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.mode),
     .choices = abilities,
     .doc = "`supported`: used with peers that know it, and others keep their calls. `required`: "
            "no call without it."},
    {"expires",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.expires_s),
     .min = 90,
     .max = 86400,
     .value = 1800,
     .doc = "Seconds after which a session that nobody refreshed is over."},
    {"min_se",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.min_se_s),
     .min = 90,
     .max = 86400,
     .value = 90,
     .doc = "Fewer seconds than that are refused with 422."},
    {"refresher",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.refresher),
     .choices = refreshers,
     .doc = "Who refreshes when the peer leaves it open; `auto`: the one who called."},
    {"method",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.session_timer.method),
     .choices = refresh_methods,
     .doc = "What we refresh with; `auto`: UPDATE when the peer allows it, else re-INVITE."},
    {NULL},
};

static void
check_oversize(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    const DmTrunkConfig *trunk = object;
    const GArray *steps = trunk->sip.oversize;

    for (guint i = 0; i + 1 < steps->len; i++) {
        if (g_array_index(steps, int, i) == DM_OVERSIZE_TCP) {
            dm_json_problem(reader, "conflict", "'tcp' can only be the last");
        }
    }
}

const DmJsonMember dm_trunk_sip_members[] = {
    {"timers", DM_JSON_OBJECT, .members = timers_members, .doc = "How long we wait."},
    {"user_phone",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.user_phone),
     .doc = "Add `;user=phone` to addresses with a number."},
    {"rel100",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.rel100),
     .choices = abilities,
     .doc = "Acknowledged provisional answers (RFC 3262), on this side alone. `supported`: with "
            "peers that know them; ours then are those with a description, or all when the peer "
            "requires it. `required`: no call without them."},
    {"forking",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.forking),
     .choices = forkings,
     .doc =
         "Which of several ringing phones is heard before one answers: the `first` that sends a "
         "description, the `latest`, or, `rtp_active`, the first whose audio comes. Up to eight; "
         "once one has answered the others are not heard any more."},
    {"delayed_offer",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.delayed_offer),
     .choices = delayed_offers,
     .doc = "What an INVITE to this trunk carries when the caller's has no offer. `early_offer`: "
            "one from the trunk's codecs, which the caller is offered in turn. `transparent`: none "
            "either; the called peer offers."},
    {"update",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.update),
     .choices = updates,
     .doc =
         "What we change a session with, where the peer lists UPDATE (RFC 3311). `auto`: UPDATE "
         "before the answer, re-INVITE afterwards. `prefer`: UPDATE always. `off`: never, and it "
         "is not in our Allow; changes wait for the answer."},
    {"hold_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.hold_mode),
     .choices = hold_modes,
     .doc = "When the other side holds or resumes the call. `relay`: this trunk is told. `local`: "
            "it is answered here, for peers that take a re-INVITE badly."},
    {"early_media",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.early_media),
     .choices = early_medias,
     .doc = "When this trunk is called, has described early media, and rings. `keep`: the caller "
            "goes on hearing them. `local_ringback_if_no_rtp`: the same, and our ringing "
            "(`media.tones`) when no audio comes for half a second. `relay_180`: the caller is "
            "told 180, and its phone decides."},
    {"p_early_media",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.p_early_media),
     .doc = "Whether P-Early-Media (RFC 5009) is sent to this trunk. What a called peer forbids "
            "in it is kept from the caller either way."},
    {"redirect_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.redirect_mode),
     .choices = redirect_modes,
     .doc = "When the peer answers 300, 301 or 302. `follow`: its numbers are called instead, "
            "where routing lets this trunk call. `relay`: the caller is told the first of them. "
            "`reject`: the caller gets 480."},
    {"refer_mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, sip.refer_mode),
     .choices = refer_modes,
     .doc = "When the peer asks for a transfer with REFER. `local`: the new call is made here, "
            "where routing lets this trunk call, and joined to the party that stays. `relay`: the "
            "other side is asked to make it, if it lists REFER in Allow and its own mode is not "
            "`reject`; else as `local`. `reject`: 603, and REFER is not in our Allow."},
    {"session_timer",
     DM_JSON_OBJECT,
     .members = session_timer_members,
     .doc = "Session timers (RFC 4028), on this side alone: the other side has its own."},
    {"absorb_refresh",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.absorb_refresh),
     .value = true,
     .doc = "Whether a re-INVITE or UPDATE that changes nothing is answered without the other side "
            "hearing of it."},
    {"oversize",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.oversize),
     .max = 5,
     .choices = oversize_steps,
     .text = "[\"compact\", \"attributes\", \"headers\", \"codecs\"]",
     .convert = check_oversize,
     .doc = "What is done with a request beyond the UDP listener's `udp_mtu`, in this order and "
            "only until it fits. `compact`: compact header names. `attributes`: lines of the "
            "session description that say what holds without them. `headers`: those of "
            "`optional_headers` are left out. `codecs`: the first and G.711 are offered. `tcp`, "
            "last: by TCP, and by UDP when no connection can be made within 2 s; it needs a TCP "
            "listener. What does not fit after all this leaves in fragments. A 513 of the peer is "
            "answered once with all steps but `tcp`, and remembered for a day."},
    {"body_types",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.body_types),
     .max = 8,
     .make = make_body_type,
     .free = g_free,
     .text = "[\"application/pidf+xml\"]",
     .doc = "Content types that may stand beside the session description in an INVITE, and cross "
            "where both trunks list them, as they are: by itself a location (RFC 6442). Others are "
            "left out. ISUP tells of the network it comes from; list it only between trunks that "
            "speak SIP-I."},
    {"strict_bodies",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, sip.strict_bodies),
     .doc = "A part of a body that we do not know, and that does not say how it is to be handled, "
            "is refused with 415, as RFC 5621 has it, instead of being left out."},
    {"optional_headers",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, sip.optional_headers),
     .max = 16,
     .make = make_optional_header,
     .free = g_free,
     .text = "[\"User-Agent\", \"Referred-By\", \"P-Early-Media\"]",
     .doc = "Headers that may be left out (`oversize`)."},
    {NULL},
};

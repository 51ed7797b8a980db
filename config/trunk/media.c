/* SPDX-License-Identifier: Apache-2.0 */
#include "config/trunk/members.h"

static const DmJsonChoice codecs[] = {
    {"PCMU", DM_CODEC_PCMU},
    {"PCMA", DM_CODEC_PCMA},
    {"G722", DM_CODEC_G722},
    {"G726-16", DM_CODEC_G726_16},
    {"G726-24", DM_CODEC_G726_24},
    {"G726-32", DM_CODEC_G726_32},
    {"G726-40", DM_CODEC_G726_40},
    {"GSM", DM_CODEC_GSM},
    {"G729", DM_CODEC_G729},
    {"opus", DM_CODEC_OPUS},
    {"other", DM_CODEC_OTHER},
    {NULL},
};

static const DmJsonChoice srtp_policies[] = {
    {"off", DM_SRTP_OFF},
    {"offer", DM_SRTP_OFFER},
    {"require", DM_SRTP_REQUIRE},
    {"opportunistic", DM_SRTP_OPPORTUNISTIC},
    {NULL},
};

static const DmJsonChoice srtp_keyings[] = {
    {"sdes", DM_SRTP_BY_SDES},
    {"dtls", DM_SRTP_BY_DTLS},
    {NULL},
};

static const DmJsonChoice ice_modes[] = {
    {"off", DM_ICE_OFF},
    {"lite", DM_ICE_LITE},
    {NULL},
};

static const DmJsonChoice srtp_suites[] = {
    {"AES_CM_128_HMAC_SHA1_80", DM_SRTP_AES_CM_128_HMAC_SHA1_80},
    {"AES_CM_128_HMAC_SHA1_32", DM_SRTP_AES_CM_128_HMAC_SHA1_32},
    {"AES_256_CM_HMAC_SHA1_80", DM_SRTP_AES_256_CM_HMAC_SHA1_80},
    {"AES_256_CM_HMAC_SHA1_32", DM_SRTP_AES_256_CM_HMAC_SHA1_32},
    {"AEAD_AES_128_GCM", DM_SRTP_AEAD_AES_128_GCM},
    {"AEAD_AES_256_GCM", DM_SRTP_AEAD_AES_256_GCM},
    {NULL},
};

static const DmJsonChoice hold_audios[] = {
    {"peer", DM_HOLD_AUDIO_PEER},
    {"silence", DM_HOLD_AUDIO_SILENCE},
    {"gateway", DM_HOLD_AUDIO_GATEWAY},
    {NULL},
};

static const DmJsonChoice codec_preferences[] = {
    {"remote", DM_CODECS_REMOTE},
    {"local", DM_CODECS_LOCAL},
    {"avoid_transcoding", DM_CODECS_AVOID_TRANSCODING},
    {NULL},
};

static const DmJsonChoice fax_modes[] = {
    {"t38", DM_FAX_MODE_T38},
    {"gateway", DM_FAX_MODE_GATEWAY},
    {"passthrough", DM_FAX_MODE_PASSTHROUGH},
    {NULL},
};

static const DmJsonChoice fax_owners[] = {
    {"relay", DM_FAX_OWNER_RELAY},
    {"answerer", DM_FAX_OWNER_ANSWERER},
    {"gateway", DM_FAX_OWNER_GATEWAY},
    {"never", DM_FAX_OWNER_NEVER},
    {NULL},
};

static const DmJsonChoice fax_corrections[] = {
    {"fec", DM_T38_FEC},
    {"redundancy", DM_T38_REDUNDANCY},
    {"none", DM_T38_NO_CORRECTION},
    {NULL},
};

static const DmJsonChoice nat_policies[] = {
    {"never", DM_NAT_NEVER},
    {"prefix", DM_NAT_PREFIX},
    {"any", DM_NAT_ANY},
    {NULL},
};

static const DmJsonChoice key_methods[] = {
    {"auto", DM_KEYS_AUTO},
    {"rfc4733", DM_KEYS_EVENTS},
    {"inband", DM_KEYS_TONES},
    {"info", DM_KEYS_SIGNALLED},
    {NULL},
};

#define COUNTRY(code, ringing, busy, congestion) {#code, DM_COUNTRY_##code},
static const DmJsonChoice countries[] = {
#include "media/tones.def"
    {NULL},
};
#undef COUNTRY

const char *
dm_srtp_policy_name(DmSrtpPolicy policy)
{
    g_return_val_if_fail(policy < G_N_ELEMENTS(srtp_policies) - 1, "");
    return srtp_policies[policy].name;
}

static void
check_dtmf_pt(const json_t *value, const DmJsonMember *member, void *object, DmJsonReader *reader)
{
    json_int_t pt = json_integer_value(value);

    if (pt != 0 && pt < 96) {
        dm_json_problem(reader,
                        "range",
                        "expected a dynamic payload type, 96 to 127, or 0 for none");
    }
}

static void
check_jitter_max(const json_t *value,
                 const DmJsonMember *member,
                 void *object,
                 DmJsonReader *reader)
{
    const DmTrunkConfig *trunk = object;

    if (json_integer_value(value) < trunk->media.jitter.min_ms) {
        dm_json_problem(reader, "range", "expected no less than min_ms");
    }
}

static const DmJsonChoice fax_signs[] = {
    {"v21", DM_FAX_SIGN_V21},
    {"ced", DM_FAX_SIGN_CED},
    {"cng", DM_FAX_SIGN_CNG},
    {NULL},
};

static const DmJsonMember fax_members[] = {
    {"mode",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.mode),
     .choices = fax_modes,
     .doc = "`t38`: T.38 is agreed on with it; where both sides have it, it is relayed. `gateway`: "
            "the trunk has fax in G.711 only; T.38 of the other side is translated to that. "
            "`passthrough`: fax stays G.711 on both sides."},
    {"owner",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.owner),
     .choices = fax_owners,
     .doc = "Who changes a call to T.38. `relay`: either peer, and the other is asked in turn; "
            "`answerer`: the called peer only; `gateway`: we as well, when a fax machine is heard; "
            "`never`: nobody."},
    {"ec",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.fax.ec),
     .choices = fax_corrections,
     .doc = "Against lost packets of T.38, at most."},
    {"max_bit_rate",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.fax.max_bit_rate),
     .min = 2400,
     .max = 33600,
     .value = 14400,
     .doc = "Bits per second of T.38, at most."},
    {"signs",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.fax.signs),
     .max = 3,
     .choices = fax_signs,
     .text = "[\"v21\"]",
     .doc =
         "What `owner: gateway` takes for a fax machine: the preamble of V.21, which is certain; "
         "`ced`, the steady 2100 Hz of who answers; `cng`, the 1100 Hz of who calls."},
    {"forget_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.fax.forget_s),
     .max = 2592000,
     .value = 86400,
     .doc = "Seconds for which a refusal of T.38 (488, 415 or 606) is remembered: until then it is "
            "not asked again, and T.38 of the other side is translated; 0: not at all."},
    {NULL},
};

static const DmJsonMember jitter_members[] = {
    {"min_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.jitter.min_ms),
     .max = DM_JITTER_MAX_MS,
     .value = DM_JITTER_MIN_MS,
     .doc =
         "Milliseconds of delay at least, once packets come unevenly; a missing packet is waited "
         "for as long."},
    {"max_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.jitter.max_ms),
     .min = DM_JITTER_MIN_MS,
     .max = 400,
     .value = DM_JITTER_MAX_MS,
     .convert = check_jitter_max,
     .doc = "Milliseconds of delay at most; what comes later is played at once."},
    {NULL},
};

const DmJsonMember dm_trunk_media_members[] = {
    {"codecs",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.codecs),
     .min = 1,
     .max = 11,
     .choices = codecs,
     .text = "[\"PCMA\", \"PCMU\"]",
     .doc = "Codecs of the trunk, best first. `other`: any that is not named here (AMR, EVS, iLBC, "
            "SILK, ...), passed through unread where the other trunk of the call has `other` too."},
    {"transcode",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.transcode),
     .value = true,
     .doc = "Whether to translate between codecs when the two sides have none in common."},
    {"codec_preference",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.preference),
     .choices = codec_preferences,
     .doc =
         "Order of the codecs we offer the trunk: `remote`: the other side's, then what it can be "
         "translated to; `local`: the trunk's; `avoid_transcoding`: the other side's, and others "
         "only when the trunk has none of those."},
    {"ptime_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.ptime_ms),
     .min = 10,
     .max = 60,
     .value = 20,
     .doc = "Milliseconds of audio in a packet, as we ask for it."},
    {"dtmf",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.keys),
     .choices = key_methods,
     .doc = "How keys reach it: `auto`: RFC 4733 events where agreed, else tones; `rfc4733`: "
            "events or "
            "not at all; `inband`: tones, events are not offered; `info`: SIP INFO. Its own keys "
            "are taken in any of these ways, but tones are not listened for with `rfc4733` and "
            "`info`."},
    {"dtmf_pt",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.dtmf_pt),
     .max = 127,
     .value = 101,
     .convert = check_dtmf_pt,
     .doc = "Payload type we offer for telephone-event (RFC 4733); 0: none is offered."},
    {"nat",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.nat),
     .choices = nat_policies,
     .doc = "Where its audio may really come from: `never` elsewhere than signalled, `prefix`: the "
            "same /24 or /64, `any`."},
    {"jitter_buffer",
     DM_JSON_OBJECT,
     .members = jitter_members,
     .doc = "How long its packets are held back where they are decoded, so that they leave as "
            "evenly as they were sent; nothing while they come with less than 10 ms of jitter."},
    {"srtp",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.srtp),
     .choices = srtp_policies,
     .doc = "Encrypted audio (SRTP). `offer`: asked for, and plain RTP where "
            "the trunk has none or refuses once. `require`: no call without. `opportunistic`: keys "
            "in an offer of plain RTP (RFC 8643), and once of SRTP where that is refused."},
    {"srtp_keying",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.srtp_keying),
     .choices = srtp_keyings,
     .doc = "Where the keys of SRTP come from. `sdes`: SDP (RFC 4568). `dtls`: a handshake beside "
            "the audio (DTLS-SRTP, RFC 5764), which the suites of AES-256 in counter mode are not "
            "made for."},
    {"ice",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.ice),
     .choices = ice_modes,
     .doc = "`lite`: the trunk may check by ICE how it can reach us, and its audio is then where "
            "its checks come from, whatever `nat` says (RFC 8445). For Microsoft Teams with media "
            "bypass and for WebRTC."},
    {"srtp_suites",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.srtp_suites),
     .min = 1,
     .max = 6,
     .choices = srtp_suites,
     .text = "[\"AES_CM_128_HMAC_SHA1_80\", \"AES_256_CM_HMAC_SHA1_80\", \"AEAD_AES_128_GCM\", "
             "\"AEAD_AES_256_GCM\", \"AES_CM_128_HMAC_SHA1_32\", \"AES_256_CM_HMAC_SHA1_32\"]",
     .doc = "Suites offered and accepted, best first."},
    {"rekey_resets_roc",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.rekey_resets_roc),
     .doc = "With a new key the trunk counts SRTP packets from the start, as Microsoft Teams does; "
            "others let the rollover counter go on (RFC 3711)."},
    {"rtcp_xr",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.rtcp_xr),
     .doc =
         "Whether VoIP metrics by RTCP-XR (RFC 3611) are offered to it, both ways: what it hears "
         "of us is then in records (`mos_peer`) and quality reports. A peer that asks gets them "
         "anyway."},
    {"timeout_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.timeout_ms),
     .max = 86400000,
     .value = 60000,
     .doc = "Milliseconds without RTP and RTCP from it after which the call ends; 0: never."},
    {"hold_timeout_ms",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmTrunkConfig, media.hold_timeout_ms),
     .max = 86400000,
     .value = 1800000,
     .doc = "The same while the call is held."},
    {"record",
     DM_JSON_BOOL,
     DM_JSON_AT(DmTrunkConfig, media.record),
     .doc = "Whether its calls are recorded from the answer on; see `recording`."},
    {"hold_audio",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.hold_audio),
     .choices = hold_audios,
     .doc = "What it hears while the other side holds it: what that one sends (`peer`), `silence`, "
            "which keeps audio flowing to peers that end calls without it, or, `gateway`, "
            "`hold_sound`."},
    {"hold_sound",
     DM_JSON_STRING,
     DM_JSON_AT(DmTrunkConfig, media.hold_sound),
     .max = 64,
     .reference = "sounds",
     .doc =
         "The recording for `hold_audio: gateway`, again and again; empty, or one that cannot be "
         "read: silence."},
    {"announcements",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmTrunkConfig, media.announcements),
     .max = 64,
     .members = dm_announcement_members,
     .make = dm_announcement_make,
     .free = dm_announcement_free,
     .doc =
         "What its callers hear before a call that nobody answered is refused; the first that is "
         "for the reason. Those of the route go before."},
    {"tones",
     DM_JSON_ENUM,
     DM_JSON_AT(DmTrunkConfig, media.country),
     .choices = countries,
     .text = "us",
     .doc = "Whose ringing, busy and congestion tones it hears when we make them: a country by its "
            "ISO 3166 code."},
    {"fax", DM_JSON_OBJECT, .members = fax_members, .doc = "Fax."},
    {NULL},
};

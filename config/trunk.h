/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/announcement.h"
#include "config/json-table.h"
#include "config/number-rule.h"
#include "gateway/base/address.h"
#include "media/spec.h"

/* A trunk as configured: one PBX or one carrier, and everything that differs between peers. Part of
 * a DmConfig, immutable like it; any thread may read. Strings are never NULL unless said. Members
 * are named as in the API; defaults in config/trunk/. */

typedef enum {
    DM_TRUNK_CARRIER,
    DM_TRUNK_PBX,
} DmTrunkRole;

typedef enum {
    DM_AUTH_IP,          /* known by address (acl and endpoints) */
    DM_AUTH_DIGEST,      /* we answer its challenges with user and password */
    DM_AUTH_REGISTER,    /* as digest, and we keep registered */
    DM_AUTH_REGISTER_IN, /* it registers with us: its calls go to where it last said it is */
} DmAuthMode;

/* What an answer to our challenge is hashed with (RFC 8760). */
typedef enum {
    DM_DIGEST_HASH_MD5,
    DM_DIGEST_HASH_SHA256,
    DM_DIGEST_HASH_SHA512_256,
} DmDigestHash;
#define DM_N_DIGEST_HASHES 3

typedef enum {
    DM_TRANSPORT_UDP,
    DM_TRANSPORT_TCP,
    DM_TRANSPORT_TLS,
} DmTransport;
#define DM_N_TRANSPORTS 3
const char *dm_srtp_policy_name(DmSrtpPolicy policy); /* "opportunistic" */
const char *dm_transport_name(DmTransport transport); /* "udp" */

typedef enum {
    DM_REGISTRATION_SINGLE, /* one address of record */
    DM_REGISTRATION_GIN,    /* RFC 6140: all its numbers at once */
} DmRegistrationMode;

/* What a call to a registered contact asks for. */
typedef enum {
    DM_REQUEST_URI_CONTACT, /* the contact as it was registered; the number is in To */
    DM_REQUEST_URI_NUMBER,  /* the number, at the contact's host */
} DmRequestUri;

/* Where requests to the trunk go. */
typedef struct {
    char *host;    /* name or address, without brackets */
    uint16_t port; /* 0: not given (SRV, else 5060 or 5061) */
    DmTransport transport;
    bool transport_free; /* not given, so that NAPTR may decide; @transport is UDP then */
    unsigned priority;   /* lower first */
    unsigned weight;     /* among equal priorities */
    bool enabled;
} DmEndpointConfig;

typedef enum {
    DM_CALLER_FROM,
    DM_CALLER_PAI,
    DM_CALLER_PPI,
    DM_CALLER_RPID,
} DmCallerHeader;

/* An extension of SIP that a peer may be asked for. */
typedef enum {
    DM_ABILITY_OFF,
    DM_ABILITY_SUPPORTED, /* used with peers that know it */
    DM_ABILITY_REQUIRED,  /* a peer without it is refused, and refuses us */
} DmAbility;

/* Who keeps a session alive when nothing else says it (RFC 4028). */
typedef enum {
    DM_REFRESHER_AUTO, /* the peer says, or else is it */
    DM_REFRESHER_GATEWAY,
    DM_REFRESHER_PEER,
} DmRefresher;

typedef enum {
    DM_REFRESH_AUTO, /* UPDATE when the peer allows it */
    DM_REFRESH_UPDATE,
    DM_REFRESH_INVITE,
} DmRefreshMethod;

/* Which of several called phones is heard before one answers (SIG-9). */
typedef enum {
    DM_FORKING_FIRST, /* the first that sends a description */
    DM_FORKING_LATEST,
    DM_FORKING_RTP_ACTIVE, /* the first whose media comes */
} DmForking;

/* What a caller hears once the called peer rings after it has described early media (SIG-10). */
typedef enum {
    DM_EARLY_MEDIA_RINGBACK, /* the peer's media, and our ringing where none comes */
    DM_EARLY_MEDIA_KEEP,     /* the peer's media, or nothing */
    DM_EARLY_MEDIA_RELAY,    /* whatever the caller's phone makes of 180 */
} DmEarlyMedia;

/* What an INVITE to the trunk carries when the caller's has no offer (SIG-11). */
typedef enum {
    DM_DELAYED_EARLY_OFFER, /* an offer of ours, from the trunk's codecs */
    DM_DELAYED_TRANSPARENT, /* none either: the called peer offers */
} DmDelayedOffer;

/* What a session is changed with (SIG-12). */
typedef enum {
    DM_UPDATE_AUTO,   /* UPDATE before the answer, re-INVITE afterwards */
    DM_UPDATE_PREFER, /* UPDATE always */
    DM_UPDATE_OFF,
} DmUpdateMode;

/* Whether the peer hears of the other side's hold (SIG-16). */
typedef enum {
    DM_HOLD_RELAY,
    DM_HOLD_LOCAL, /* it is answered here */
} DmHoldMode;

/* What the peer hears while the other side holds it. */
typedef enum {
    DM_HOLD_AUDIO_PEER, /* what the other side sends */
    DM_HOLD_AUDIO_SILENCE,
    DM_HOLD_AUDIO_GATEWAY, /* a recording */
} DmHoldAudio;

/* How the trunk is told who sent the call on (SIG-20, ID-4). */
typedef enum {
    DM_DIVERSION_HEADER,  /* Diversion (RFC 5806) */
    DM_DIVERSION_HISTORY, /* History-Info (RFC 7044) */
    DM_DIVERSION_BOTH,
    DM_DIVERSION_OFF,
} DmDiversionMode;

/* What becomes of a 300, 301 or 302 of the peer (SIG-20). */
typedef enum {
    DM_REDIRECT_FOLLOW,
    DM_REDIRECT_RELAY,
    DM_REDIRECT_REJECT,
} DmRedirectMode;

/* What is done with a request that is too long for one datagram (SIG-23). */
typedef enum {
    DM_OVERSIZE_COMPACT,    /* compact names of headers */
    DM_OVERSIZE_ATTRIBUTES, /* lines of the description that only repeat what holds anyway */
    DM_OVERSIZE_HEADERS,    /* those the trunk's configuration lists are left out */
    DM_OVERSIZE_CODECS,     /* the preferred one and G.711 stay */
    DM_OVERSIZE_TCP,
} DmOversizeStep;
#define DM_OVERSIZE_BIT(step) (1U << (step))

/* What becomes of a REFER of the peer (SIG-18). */
typedef enum {
    DM_REFER_LOCAL, /* we make the new call ourselves */
    DM_REFER_RELAY, /* the other side is asked, where it can be */
    DM_REFER_REJECT,
} DmReferMode;

/* What becomes of fax on a trunk. */
typedef enum {
    DM_FAX_MODE_T38,         /* T.38 is agreed on with it */
    DM_FAX_MODE_GATEWAY,     /* it speaks G.711 only; T.38 of the other side is made into that */
    DM_FAX_MODE_PASSTHROUGH, /* G.711 only, on both sides */
} DmFaxTrunkMode;

/* Who changes a call of the trunk to T.38 (FAX-1). */
typedef enum {
    DM_FAX_OWNER_RELAY,    /* either peer; what one asks for is asked of the other */
    DM_FAX_OWNER_ANSWERER, /* the called peer only */
    DM_FAX_OWNER_GATEWAY,  /* we too, when a fax machine is heard */
    DM_FAX_OWNER_NEVER,    /* nobody */
} DmFaxOwner;

/* A caller we may not vouch for (ID-3). */
typedef enum {
    DM_SCREEN_PASS,
    DM_SCREEN_PILOT,  /* replaced by pilot_number */
    DM_SCREEN_REJECT, /* 403 */
} DmScreening;

typedef enum {
    DM_DIGITS_SHOWN,
    DM_DIGITS_MASKED,
} DmDigitsPolicy;

typedef struct {
    char *id;
    char *name;
    DmTrunkRole role;
    bool enabled;
    bool allow_inbound; /* direction: both | inbound (from the trunk only) | outbound */
    bool allow_outbound;
    bool provisioned; /* from the configuration file: read-only in the API */

    GPtrArray *endpoints;             /* DmEndpointConfig */
    DmEndpointConfig *outbound_proxy; /* or NULL */
    char *domain; /* host part of From, To and Request-URI toward the trunk; "": the endpoint's host
                   */
    char *listener;   /* listener id; "": the first that fits */
    char *media_pool; /* pool id; "": the listener's */

    struct {
        DmAuthMode mode;
        char *user, *password, *realm;          /* "": none; realm "": whatever is asked */
        char *inbound_user, *inbound_password;  /* we challenge requests from the trunk when set */
        char *inbound_realm;                    /* never "" */
        char *inbound_ha1_text;                 /* "SHA-256:..."; "": none */
        char *inbound_ha1[DM_N_DIGEST_HASHES];  /* from it, instead of the password: lower-case
                                                   hexadecimal,  or NULL */
        GPtrArray *certificate_names;           /* char *: a client that proves one of them by TLS
                                                   is the trunk */
        char *selector_header, *selector_value; /* tells trunks on one address apart; "": not so */
        bool inbound_integrity;                 /* auth-int is offered beside auth */
        GArray *inbound_algorithms;             /* int, DmDigestHash: what is offered, best first */
    } auth;

    struct {
        char *registrar;       /* host; "": domain, else the first endpoint */
        char *aor_user;        /* "": auth.user */
        char *contact_user;    /* never "" when registering: what was given, or a token (see
                                  contact_is_token) */
        bool contact_is_token; /* ours, and not to be guessed: a hash of the trunk id keyed with its
                                * password, so it is the same after a restart. A request to it
                                * belongs to the trunk wherever it comes from. */
        unsigned expires_s;
        DmRegistrationMode mode;
        bool outbound;  /* RFC 5626: a flow of our own, when the registrar can */
        bool hand_over; /* left standing at the end: who comes after us takes it over */

        /* of a trunk that registers with us */
        unsigned max_contacts;
        unsigned min_expires_s, max_expires_s;
        unsigned keepalive_s; /* for UDP behind NAT; 0: none */
        DmRequestUri request_uri;
    } registration;

    GArray *acl; /* DmCidr: sources besides the endpoints' own addresses */

    struct {
        DmCallerHeader caller_source; /* where the caller's number is taken from */
        bool emit_pai, emit_ppi, emit_rpid;
        DmDiversionMode diversion_mode;
        DmNumberFormat number_format;
        char *pilot_number; /* "": none */
        DmScreening screening;
        GPtrArray *owned_numbers; /* char *: prefixes or whole numbers, E.164 with +, the trunk may
                                     present; empty: any */
        bool display_name;        /* whether display names cross */
        bool trusted;             /* RFC 3325 trust domain: PAI crosses although Privacy: id */
    } identity;

    struct {
        char *country;              /* calling code without +, "44"; "": none */
        char *area;                 /* area code without trunk prefix */
        char *international_prefix; /* "00" */
        char *national_prefix;      /* "0" */
        GPtrArray *in_rules;        /* DmNumberRule, to numbers that come from the trunk */
        GPtrArray *out_rules;       /* DmNumberRule, to numbers that go to it */
        char *tech_prefix;
    } numbering;

    struct {
        GArray *codecs; /* DmCodec, best first */
        DmSrtpPolicy srtp;
        DmSrtpKeying srtp_keying;
        DmIceMode ice;
        GArray *srtp_suites; /* DmSrtpSuite, best first */
        bool rekey_resets_roc;
        bool rtcp_xr; /* VoIP metrics are asked for */
        bool transcode;
        DmCodecPreference preference;
        uint16_t ptime_ms;
        DmKeyMethod keys;
        uint8_t dtmf_pt;
        DmNatPolicy nat;
        DmJitterBounds jitter;
        uint32_t timeout_ms, hold_timeout_ms;
        struct {
            DmFaxTrunkMode mode;
            DmFaxOwner owner;
            DmT38Correction ec; /* at most */
            uint32_t max_bit_rate;
            GArray *signs;     /* DmFaxSign: what we take for a fax machine */
            unsigned forget_s; /* how long a refusal of T.38 is remembered; 0: it is not */
        } fax;
        DmHoldAudio hold_audio;
        char *hold_sound;         /* id; "": none */
        DmCountry country;        /* of the tones it hears */
        GPtrArray *announcements; /* DmAnnouncementConfig: before a call of its ends unanswered */
        bool record;              /* its calls are written to files once answered */
    } media;

    struct {
        unsigned setup_ms;       /* no provisional response at all: next target */
        unsigned ringing_ms;     /* no final response: 408 toward the caller */
        unsigned max_duration_s; /* 0: none */
        bool user_phone;         /* ;user=phone */
        bool options_reply_any;  /* reserved for peers that ping with odd URIs */
        DmAbility rel100;        /* RFC 3262 */
        DmForking forking;
        DmDelayedOffer delayed_offer;
        DmHoldMode hold_mode;
        DmUpdateMode update;
        DmEarlyMedia early_media;
        bool p_early_media; /* RFC 5009 is spoken */
        DmRedirectMode redirect_mode;
        DmReferMode refer_mode;
        bool absorb_refresh;         /* what changes nothing is answered without the other side */
        GArray *oversize;            /* int, DmOversizeStep: in this order, until it fits */
        GPtrArray *body_types;       /* char *: content types that cross beside the description */
        bool strict_bodies;          /* a part that does not say so is required (RFC 5621) */
        GPtrArray *optional_headers; /* char *: may be left out where there is no room */
        struct {
            DmAbility mode;
            unsigned expires_s, min_se_s;
            DmRefresher refresher;
            DmRefreshMethod method;
        } session_timer; /* RFC 4028 */
    } sip;

    struct {
        bool options;
        unsigned interval_s;
        unsigned up_after, down_after;
    } health;

    struct {
        unsigned concurrent_in, concurrent_out, concurrent_total; /* 0: no limit */
        unsigned cps_in, cps_out;
    } limits;

    GPtrArray
        *failover_codes; /* GUINT_TO_POINTER(code): final answers worth another target (RTE-6) */
    json_t *source; /* the object it was made from, secrets as references; not owned by readers */
} DmTrunkConfig;

/**
 * dm_trunk_config_from_json:
 * @json: (transfer none): one trunk; its members are as dm_trunk_members says
 * @problems: every problem found is added with its JSON pointer below @pointer
 *
 * Returns: (transfer full): %NULL when @problems grew
 */
DmTrunkConfig *dm_trunk_config_from_json(const json_t *json,
                                         const char *pointer,
                                         struct DmProblems *problems);
void dm_trunk_config_free(DmTrunkConfig *trunk);
extern const DmJsonMember dm_trunk_members[];
void *dm_trunk_config_make(const json_t *element, DmJsonReader *reader); /* DmJsonMake */

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/address.h"

/* What was agreed for the media of a call, as plain values: made by gateway/sdp, carried by
 * gateway/call, obeyed by media. Nothing here has an owner. */

/* The two sides of a call: A called, B was called. */
typedef enum {
    DM_SIDE_A,
    DM_SIDE_B,
} DmSide;
#define DM_N_SIDES 2

static inline DmSide
dm_side_other(DmSide side)
{
    return side == DM_SIDE_A ? DM_SIDE_B : DM_SIDE_A;
}

/* Seen from the gateway, toward one peer (RFC 3264, 5.1; the peer's own attribute reversed). */
typedef enum {
    DM_MEDIA_INACTIVE = 0,
    DM_MEDIA_SEND = 1, /* we send to the peer: it is recvonly */
    DM_MEDIA_RECV = 2, /* we receive from the peer: it is sendonly */
    DM_MEDIA_BOTH = 3,
} DmMediaDirection;

typedef enum {
    DM_CODEC_OTHER, /* relayed by name, never decoded */
    DM_CODEC_PCMU,
    DM_CODEC_PCMA,
    DM_CODEC_G722,
    DM_CODEC_G726_16,
    DM_CODEC_G726_24,
    DM_CODEC_G726_32,
    DM_CODEC_G726_40,
    DM_CODEC_GSM,
    DM_CODEC_G729,
    DM_CODEC_OPUS,
    DM_CODEC_CN,              /* RFC 3389 */
    DM_CODEC_TELEPHONE_EVENT, /* RFC 4733 */
} DmCodec;

/* Whose order of codecs an offer of ours has (MED-2). In any of them what both sides speak is
 * relayed, and nothing is transcoded as long as there is such a codec. */
typedef enum {
    DM_CODECS_REMOTE,            /* the other side's, then what it can be transcoded to */
    DM_CODECS_LOCAL,             /* the trunk's, relayed and transcoded alike */
    DM_CODECS_AVOID_TRANSCODING, /* the other side's; what would be transcoded only when there is
                                    nothing else */
} DmCodecPreference;

/* One payload type of one side. */
typedef struct {
    uint8_t codec; /* DmCodec */
    uint8_t pt;
    uint8_t channels;
    uint32_t clock_hz; /* RTP clock; 8000 for G.722 (RFC 3551, 4.5.2) */
    char name[16];     /* encoding name as in rtpmap, for DM_CODEC_OTHER and for people */
    const char *fmtp;  /* parameters as written: the description's that the format is part of, never
                          NULL there. NULL in all that media are told: they know no text. */
} DmMediaFormat;

/* What a peer wants of an encoder; all zero suits any. Opus only (RFC 7587, 6.1). */
typedef struct {
    bool fec;                 /* it can use forward error correction within the stream */
    bool cbr;                 /* it wants all packets to be of one size */
    uint16_t max_playback_hz; /* it plays no more than that; 0: anything */
    uint32_t bitrate_bps;     /* 0: as the codec thinks best */
} DmEncoderWishes;

#define DM_MEDIA_MAX_FORMATS 16

/* How T.38 over UDP makes good what is lost; each can do what those before it can. */
typedef enum {
    DM_T38_NO_CORRECTION,
    DM_T38_REDUNDANCY,
    DM_T38_FEC,
} DmT38Correction;

/* Fax by T.38 as one side describes it (ITU-T T.38, annex D). */
typedef struct {
    uint8_t version; /* 0 to 3 */
    uint8_t ec;      /* DmT38Correction */
    bool fill_bit_removal, transcoding_mmr, transcoding_jbig;
    bool local_tcf;                    /* rate management: else transferredTCF */
    uint16_t max_buffer, max_datagram; /* bytes; 0: not said */
    uint32_t max_bit_rate;
} DmT38;

static inline bool
dm_t38_equal(const DmT38 *a, const DmT38 *b)
{
    return a->version == b->version && a->ec == b->ec && a->max_bit_rate == b->max_bit_rate &&
           a->fill_bit_removal == b->fill_bit_removal && a->transcoding_mmr == b->transcoding_mmr &&
           a->transcoding_jbig == b->transcoding_jbig && a->local_tcf == b->local_tcf &&
           a->max_buffer == b->max_buffer && a->max_datagram == b->max_datagram;
}

/* Whom we believe about where a peer's media comes from (MED-4). */
typedef enum {
    DM_NAT_NEVER,  /* only the signalled address and port */
    DM_NAT_PREFIX, /* learn once from the signalled address's /24 or /64, any port */
    DM_NAT_ANY,    /* learn once from anywhere: for peers behind NAT with private addresses in their
                      SDP */
} DmNatPolicy;

/* How media is encrypted (RFC 3711): the suites of RFC 4568, 6.2, RFC 6188, 4 and RFC 7714, 14.2
 * that we speak. */
typedef enum {
    DM_SRTP_NONE, /* plain RTP */
    DM_SRTP_AES_CM_128_HMAC_SHA1_80,
    DM_SRTP_AES_CM_128_HMAC_SHA1_32,
    DM_SRTP_AES_256_CM_HMAC_SHA1_80,
    DM_SRTP_AES_256_CM_HMAC_SHA1_32,
    DM_SRTP_AEAD_AES_128_GCM,
    DM_SRTP_AEAD_AES_256_GCM,
} DmSrtpSuite;
#define DM_N_SRTP_SUITES    7
#define DM_SRTP_MAX_KEY_LEN 46

/* When a peer's media are to be protected (SEC-2). */
typedef enum {
    DM_SRTP_OFF,           /* never: an offer of nothing else is refused */
    DM_SRTP_OFFER,         /* offered; plain RTP where the peer has none */
    DM_SRTP_REQUIRE,       /* or no call */
    DM_SRTP_OPPORTUNISTIC, /* keys in an offer of plain RTP (RFC 8643) */
} DmSrtpPolicy;

/* How both sides come to the same keys. */
typedef enum {
    DM_SRTP_BY_SDES, /* by SDP (RFC 4568) */
    DM_SRTP_BY_DTLS, /* by a handshake on the path of the media (RFC 5764) */
} DmSrtpKeying;

/* A master key with its salt. Never logged, never shown. */
typedef struct {
    uint8_t suite;   /* DmSrtpSuite; DM_SRTP_NONE: no key */
    uint8_t mki_len; /* bytes of the master key identifier in every packet, which we skip */
    uint8_t bytes[DM_SRTP_MAX_KEY_LEN]; /* key, then salt; the rest is zero */
} DmSrtpKey;

/* As in SDP, "AES_CM_128_HMAC_SHA1_80"; "" for none. */
static inline const char *
dm_srtp_suite_name(DmSrtpSuite suite)
{
    static const char *const names[DM_N_SRTP_SUITES] = {
        [DM_SRTP_NONE] = "",
        [DM_SRTP_AES_CM_128_HMAC_SHA1_80] = "AES_CM_128_HMAC_SHA1_80",
        [DM_SRTP_AES_CM_128_HMAC_SHA1_32] = "AES_CM_128_HMAC_SHA1_32",
        [DM_SRTP_AES_256_CM_HMAC_SHA1_80] = "AES_256_CM_HMAC_SHA1_80",
        [DM_SRTP_AES_256_CM_HMAC_SHA1_32] = "AES_256_CM_HMAC_SHA1_32",
        [DM_SRTP_AEAD_AES_128_GCM] = "AEAD_AES_128_GCM",
        [DM_SRTP_AEAD_AES_256_GCM] = "AEAD_AES_256_GCM",
    };

    return suite < DM_N_SRTP_SUITES ? names[suite] : "";
}

/* Bytes of key and salt together. */
static inline unsigned
dm_srtp_key_len(DmSrtpSuite suite)
{
    static const uint8_t lengths[DM_N_SRTP_SUITES] = {
        [DM_SRTP_AES_CM_128_HMAC_SHA1_80] = 16 + 14,
        [DM_SRTP_AES_CM_128_HMAC_SHA1_32] = 16 + 14,
        [DM_SRTP_AES_256_CM_HMAC_SHA1_80] = 32 + 14,
        [DM_SRTP_AES_256_CM_HMAC_SHA1_32] = 32 + 14,
        [DM_SRTP_AEAD_AES_128_GCM] = 16 + 12,
        [DM_SRTP_AEAD_AES_256_GCM] = 32 + 12,
    };

    return suite < DM_N_SRTP_SUITES ? lengths[suite] : 0;
}

/* Whether a peer may say by ICE where it is. */
typedef enum {
    DM_ICE_OFF,
    DM_ICE_LITE, /* it checks, and we answer (RFC 8445, 2.5) */
} DmIceMode;

/* What a peer's checks of connectivity must know to be answered (RFC 8445, 5.3). The password is
 * never logged, never shown. */
#define DM_ICE_UFRAG_LEN 8
#define DM_ICE_PWD_LEN   24
typedef struct {
    char ufrag[DM_ICE_UFRAG_LEN + 1]; /* "": no ICE */
    char pwd[DM_ICE_PWD_LEN + 1];
} DmIceCredentials;

/* Of a certificate (RFC 8122, 5), made with a hash that is still worth something. */
typedef enum {
    DM_FINGERPRINT_NONE,
    DM_FINGERPRINT_SHA_256,
    DM_FINGERPRINT_SHA_384,
    DM_FINGERPRINT_SHA_512,
} DmFingerprintHash;
#define DM_N_FINGERPRINT_HASHES 4
#define DM_FINGERPRINT_MAX      64

typedef struct {
    uint8_t hash;                      /* DmFingerprintHash */
    uint8_t bytes[DM_FINGERPRINT_MAX]; /* the rest is zero */
} DmFingerprint;

static inline unsigned
dm_fingerprint_len(DmFingerprintHash hash)
{
    static const uint8_t lengths[DM_N_FINGERPRINT_HASHES] = {0, 32, 48, 64};

    return hash < DM_N_FINGERPRINT_HASHES ? lengths[hash] : 0;
}

/* Who begins the handshake of DTLS-SRTP (RFC 5763, 5). */
typedef enum {
    DM_DTLS_OFF,
    DM_DTLS_ACTIVE,  /* we do */
    DM_DTLS_PASSIVE, /* the peer does */
} DmDtlsRole;

/* Why a handshake of DTLS-SRTP gave no keys. */
typedef enum {
    DM_DTLS_NO_FAILURE,
    DM_DTLS_WRONG_FINGERPRINT, /* of the peer's certificate */
    DM_DTLS_NO_PROFILE,        /* no SRTP suite in common */
    DM_DTLS_REFUSED,           /* by an alert of the peer's: it may not know our certificate */
    DM_DTLS_BROKEN,            /* no DTLS, or not of a kind we speak */
    DM_DTLS_NO_ANSWER,         /* the peer was silent */
} DmDtlsFailure;
#define DM_N_DTLS_FAILURES 6

/* For people; "" for none. */
static inline const char *
dm_dtls_failure_name(DmDtlsFailure failure)
{
    static const char *const names[DM_N_DTLS_FAILURES] = {
        [DM_DTLS_NO_FAILURE] = "",
        [DM_DTLS_WRONG_FINGERPRINT] = "the peer's certificate is not the one it signalled",
        [DM_DTLS_NO_PROFILE] = "no SRTP suite in common",
        [DM_DTLS_REFUSED] = "the peer refused it",
        [DM_DTLS_BROKEN] = "the peer could not be understood",
        [DM_DTLS_NO_ANSWER] = "it did not end in time",
    };

    return failure < DM_N_DTLS_FAILURES ? names[failure] : "";
}

/* How the keys of one peer are found by DTLS (RFC 5764). */
typedef struct {
    uint8_t role; /* DmDtlsRole */
    uint8_t n_suites;
    uint8_t suites[DM_N_SRTP_SUITES]; /* DmSrtpSuite, best first; those without a profile are passed
                                         over */
    uint32_t association;             /* another number: a handshake begins anew (RFC 8842, 4) */
    DmFingerprint peer;               /* or it is not the peer */
} DmDtlsSpec;

/* Other phones that ring where one was called. */
#define DM_MEDIA_MAX_RIVALS 7

/* How keys reach a peer, and it sends its own. A key is '0' to '9', '*', '#', 'A' to 'D', or
 * DM_KEY_FLASH, which has no tone. */
typedef enum {
    DM_KEYS_AUTO,      /* events (RFC 4733) where agreed, else tones */
    DM_KEYS_EVENTS,    /* events or not at all */
    DM_KEYS_TONES,     /* tones in its speech */
    DM_KEYS_SIGNALLED, /* not by media: signalling carries them (SIP INFO) */
} DmKeyMethod;
#define DM_KEY_FLASH '!'

/* How long packets may be held back to even out their times (MED-7): the delay is 0 on a network
 * without jitter, else between these. */
typedef struct {
    uint16_t min_ms, max_ms; /* max_ms 0: the defaults */
} DmJitterBounds;
#define DM_JITTER_MIN_MS 20
#define DM_JITTER_MAX_MS 200

/* One peer's half of the agreement. */
typedef struct {
    DmAddress remote_rtp;  /* not set, or port 0: nothing is sent there */
    DmAddress remote_rtcp; /* not set: the RTP port plus one (RFC 3605 otherwise) */
    bool rtcp_mux;         /* RFC 5761 */
    bool rtcp_xr;          /* VoIP metrics go to the peer (RFC 3611) */
    DmMediaDirection direction;
    DmNatPolicy nat;
    DmKeyMethod keys;
    uint16_t ptime_ms;     /* what the peer wants in one packet; 0: 20 */
    uint16_t maxptime_ms;  /* 0: no bound */
    DmJitterBounds jitter; /* of what comes from it and is decoded */
    uint8_t n_recv, n_send;
    DmMediaFormat
        recv[DM_MEDIA_MAX_FORMATS]; /* what the peer may send: payload types of our description */
    DmMediaFormat
        send[DM_MEDIA_MAX_FORMATS]; /* what we may send, best first: payload types of the peer's */
    /* Where the media of those phones comes from: never learned as the peer's, whatever @nat says;
     * but with @hear_rivals the first of them to be heard is (SIG-9). */
    bool hear_rivals;
    uint8_t n_rivals;
    DmAddress rivals[DM_MEDIA_MAX_RIVALS];
    DmEncoderWishes wishes;
    bool is_t38; /* fax over UDPTL where RTP was: no formats then */
    DmT38 t38;
    DmSrtpKey srtp_in, srtp_out; /* what comes from the peer, what goes to it; both or neither */
    DmDtlsSpec dtls;             /* or the keys are found so: nothing goes or comes before */
    DmIceCredentials ice; /* ours, where the peer checks how it can reach us: then its media are
                             where its checks say, and @remote_rtp and @nat do not count */
    uint32_t peer; /* another number: another peer has taken this side, and counts from the start */
    bool rekey_resets_roc; /* with a new key the peer counts packets from the start (Teams); the
                              rollover counter goes on otherwise (RFC 3711, 3.3.1) */
} DmMediaSideSpec;

/* What tells that a fax machine is there: bits. */
typedef enum {
    DM_FAX_SIGN_V21 = 1, /* the preamble before everything that T.30 says */
    DM_FAX_SIGN_CED = 2, /* 2100 Hz, steady: the answerer's */
    DM_FAX_SIGN_CNG = 4, /* 1100 Hz, half a second of every three and a half: the caller's */
} DmFaxSign;

typedef struct {
    DmMediaSideSpec side[DM_N_SIDES];
    bool modem_tones;         /* a fax in G.711: the sound is left as it is, wherever possible */
    uint8_t fax_signs;        /* bits of DmFaxSign: DM_MEDIA_EVENT_FAX is wanted */
    bool answered;            /* inactivity counts from here on, not before (MED-6) */
    uint32_t timeout_ms;      /* no RTP and no RTCP from a peer that should send; 0: never */
    uint32_t hold_timeout_ms; /* the same while any direction is off, so while on hold; 0: never */
} DmMediaSpec;

/* Tones of the network (ITU-T E.180). */
typedef enum {
    DM_TONE_SILENCE,
    DM_TONE_RINGING,
    DM_TONE_BUSY,
    DM_TONE_CONGESTION,
    DM_TONE_INFORMATION, /* three rising notes: the number cannot be reached */
} DmTone;

/* Whose tones: tones.def has the list. */
#define COUNTRY(code, ringing, busy, congestion) DM_COUNTRY_##code,
typedef enum {
#include "media/tones.def"
    DM_N_COUNTRIES,
} DmCountry;
#undef COUNTRY

/* A recording (sound.h). */
typedef struct DmSound DmSound;

/* What to play to one side. */
typedef struct {
    DmSound *sound; /* NULL: a tone */
    bool repeats;   /* the sound, from its end to its beginning; tones always do */
    DmTone tone;
    DmCountry country;
    uint32_t duration_ms; /* 0: until it is stopped */
    /* 0: at once, in place of what the other side sends. Else it fills silence: it begins when
     * nothing has come from the other side for so long, and falls silent when something comes
     * (RFC 3960, 3.2). */
    uint32_t yield_ms;
} DmPlay;

/* How one direction of one leg sounded: judged every 5 s from loss, jitter and delay (quality.h).
 * Averages and extremes are over the judgements; the others are the last one. */
typedef struct {
    uint32_t n; /* judgements; 0: none, and the rest is 0 */
    uint16_t mos_x100, mos_avg_x100, mos_min_x100;
    uint16_t loss_x100, loss_avg_x100, loss_max_x100; /* percent of packets */
    uint16_t burst_x100, burst_max_x100; /* runs of losses this much longer than by chance: 100 */
    uint32_t jitter_us, jitter_avg_us, jitter_max_us;
} DmMediaQuality;

/* How a stream has come to whoever hears it, from its beginning on (RFC 3611, 4.7). */
typedef struct {
    bool known;                                                  /* the rest means something */
    uint32_t ssrc;                                               /* of the stream */
    uint8_t loss_rate, discard_rate, burst_density, gap_density; /* in 256ths */
    uint8_t gmin; /* received packets that end a burst */
    uint16_t burst_ms, gap_ms, round_trip_ms, end_system_ms;
    int8_t signal_dbm, noise_dbm; /* DM_VOIP_UNKNOWN: not known; the same for the next five */
    uint8_t echo_loss_db;
    uint8_t r_factor, other_r_factor; /* of this network; of the one behind whoever hears it */
    uint8_t mos_lq_x10, mos_cq_x10;
    uint8_t
        config; /* bits 7 and 6: concealment; 5 and 4: kind of jitter buffer; 3 to 0: its rate */
    uint16_t buffer_nominal_ms, buffer_max_ms, buffer_limit_ms;
} DmVoipMetrics;
#define DM_VOIP_UNKNOWN 127

/* A file a call is to be written to. */
typedef struct {
    char path[400]; /* of a file that does not exist yet, in the folder for recordings; folders are
                       made */
    unsigned rate_hz;     /* 8000 or 16000 */
    unsigned min_free_mb; /* the disk keeps so much free; 0: none */
} DmRecordSpec;

typedef enum {
    DM_RECORDING_ACTIVE,
    DM_RECORDING_PAUSED,
    DM_RECORDING_DONE,
    DM_RECORDING_FAILED, /* the file could not be made, or not be written any further */
} DmRecordingState;

typedef struct {
    DmRecordingState state;
    uint32_t duration_ms;
    uint32_t n_dropped; /* packets that are missing in the file because the recorder was behind */
} DmMediaRecording;

/* Files of one call, one after the other. */
#define DM_MEDIA_MAX_RECORDINGS 4

/* What one peer's media amounted to. All counts are of packets unless named otherwise. */
typedef struct {
    uint64_t rx_packets, rx_bytes; /* from the peer: accepted RTP; bytes of payload */
    uint64_t tx_packets, tx_bytes; /* to the peer */
    uint64_t rx_lost;              /* by sequence number (RFC 3550, A.3) */
    uint64_t rx_out_of_order, rx_duplicates;
    /* Dropped: not from whom we agreed with or latched to. A sample: once a peer has been heard for
     * 5 s the kernel drops strangers, but for half a second of every five. */
    uint64_t rx_foreign_source;
    uint64_t rx_unknown_pt, rx_invalid;
    uint64_t rx_srtp_auth, rx_srtp_replayed; /* RTP and RTCP dropped: not of our key; seen before */
    uint8_t srtp_suite; /* DmSrtpSuite found by DTLS; DM_SRTP_NONE: none yet, or by signalling */
    bool is_checked;    /* the peer has chosen its address by ICE */
    uint64_t rtcp_rx, rtcp_tx;
    uint64_t dtmf_events;              /* keys pressed, however told */
    uint64_t dtmf_duplicates;          /* told twice, in two ways: passed on once */
    uint32_t jitter_max_us, jitter_us; /* interarrival jitter (RFC 3550, 6.4.1), now and worst */
    uint32_t buffer_ms, buffer_max_ms; /* its packets are held back so long, where decoded */
    uint32_t rtt_us, rtt_max_us;       /* from RTCP; 0: unknown */
    uint32_t tx_lost, tx_jitter_us;    /* of what we sent, as the peer's RTCP says */
    uint32_t ssrc_rx, ssrc_tx;
    int64_t first_rx_mono_us, last_rx_mono_us; /* 0: never */
    DmAddress latched; /* where its media really came from; not set: as signalled */
    DmCodec codec;     /* last codec received */
    uint8_t pt;
    DmMediaQuality in;      /* of what the peer sends, as it comes here */
    uint16_t peer_mos_x100; /* of what we send, as the peer itself judges (RFC 3611); 0: unknown */
    DmMediaQuality out;     /* of what we send to the peer, as its RTCP says; n is 0 without RTCP */
    DmVoipMetrics heard;    /* what the peer sends, as it comes here */
    DmVoipMetrics told;     /* what we send, as the peer has told last (RFC 3611) */
    DmAddress local;        /* where the peer is to send to */
} DmMediaSideReport;

/* How a fax went through the gateway. */
typedef enum {
    DM_FAX_NONE,
    DM_FAX_PASSTHROUGH, /* modem tones in G.711, left alone */
    DM_FAX_RELAY,       /* T.38 on both sides */
    DM_FAX_GATEWAY,     /* T.38 on one side, modem tones on the other */
} DmFaxMode;

typedef enum {
    DM_FAX_UNKNOWN,
    DM_FAX_COMPLETE, /* the last page was sent and confirmed */
    DM_FAX_PARTIAL,  /* some pages were confirmed, not the last */
    DM_FAX_FAILED,   /* none was */
} DmFaxResult;

/* What became of it, as T.30 in T.38 told; with modem tones on both sides only the mode is known.
 */
typedef struct {
    uint8_t mode;   /* DmFaxMode */
    uint8_t result; /* DmFaxResult */
    bool ecm;
    uint16_t pages;             /* confirmed by the receiver */
    uint32_t bit_rate;          /* of the images, as agreed last; 0: not yet */
    uint32_t recovered, missed; /* T.38 packets that did not come by themselves, or not at all */
} DmFaxReport;

typedef struct {
    DmMediaSideReport side[DM_N_SIDES];
    DmFaxReport fax;
    bool transcoded;
    unsigned n_recordings;
    DmMediaRecording recordings[DM_MEDIA_MAX_RECORDINGS];
    int64_t opened_mono_us, answered_mono_us, closed_mono_us;
} DmMediaReport;

/* Which way audio flowed after the answer (MED-5): by packets accepted from each peer within 5 s of
 * the answer, or in all when the call was shorter. A side that was never expected to send counts as
 * fine. */
typedef enum {
    DM_AUDIO_NONE,
    DM_AUDIO_A_ONLY, /* only A was heard */
    DM_AUDIO_B_ONLY,
    DM_AUDIO_BOTH,
    DM_AUDIO_UNKNOWN, /* never answered, or no media agreed */
} DmAudioVerdict;

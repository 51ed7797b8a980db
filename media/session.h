/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/media.h"
#include "media/spec.h"

/* Two RTP streams and what lies between them. Made, updated and closed by a signalling thread,
 * which never touches a packet; run by one media worker, which never takes a lock. Commands travel
 * through a queue, in order. */
typedef struct DmMediaSession DmMediaSession;

typedef enum {
    DM_MEDIA_EVENT_FIRST_PACKET, /* first accepted packet from @side since it was last updated */
    DM_MEDIA_EVENT_LATCHED,      /* @side sends from @address, not from where it said */
    DM_MEDIA_EVENT_TIMEOUT,      /* @side has been silent for the agreed time; once */
    DM_MEDIA_EVENT_AUDIO_CHECK,  /* 5 s after the answer: @report and @verdict */
    DM_MEDIA_EVENT_DIGIT,        /* @side pressed @digit (see DmKeyMethod); once a press */
    DM_MEDIA_EVENT_PLAY_STARTED, /* what @side was to be played can be heard; once a play */
    DM_MEDIA_EVENT_PLAY_ENDED,   /* it was played to its end: not after stop or another play */
    DM_MEDIA_EVENT_FAX,          /* a fax machine is heard on @side; once */
    DM_MEDIA_EVENT_KEYED,        /* DTLS has found the keys of @side */
    DM_MEDIA_EVENT_KEYS_FAILED,  /* it will not, because of @failure; once a handshake */
    DM_MEDIA_EVENT_CLOSED, /* last event: @report is final; the session is gone when it returns */
} DmMediaEventType;

typedef struct {
    DmMediaEventType type;
    DmSide side;
    DmAddress address;
    char digit;
    DmDtlsFailure failure;
    DmAudioVerdict verdict;
    DmMediaReport report; /* AUDIO_CHECK, TIMEOUT and CLOSED */
} DmMediaEvent;

/* Called on the media worker's thread; @event lives until it returns. Must only copy and post. */
typedef void (*DmMediaEventFunc)(const DmMediaEvent *event, void *user_data);

typedef struct {
    unsigned pool[DM_N_SIDES]; /* index into DmMediaOptions.pools */
    DmMediaEventFunc on_event;
    void *user_data;
} DmMediaOpen;

/* Takes an even/odd pair of ports for each side and opens their sockets; packets are received and
 * counted, and dropped until the first update. Any signalling thread. Errors: DM_ERROR_LIMIT (no
 * port left in the pool: answer 503), DM_ERROR_IO. Returns: (transfer full): given back by
 * dm_media_session_close() only */
DmMediaSession *dm_media_session_open(DmMedia *media, const DmMediaOpen *open, GError **error);

/* Where @side's peer shall send RTP: the pool's advertised address and our port. RTCP: the port
 * plus one. */
const DmAddress *dm_media_session_local(const DmMediaSession *session, DmSide side);

/* Of the certificate that peers of @session see in DTLS-SRTP: before an update that asks for that.
 * Only the thread that updates. NULL: none can be made. */
const DmFingerprint *dm_media_session_fingerprint(DmMediaSession *session);

/* From now on @spec (copied). May be called any number of times; SSRC, sequence numbers and
 * timestamps toward a peer stay continuous across it (MED-3). Latching starts anew for a side whose
 * remote address changed. */
void dm_media_session_update(DmMediaSession *session, const DmMediaSpec *spec);

/* Plays to @side, made into packets of whatever was agreed with it, at present or later, from the
 * next 20 ms on. One thing at a time: another takes its place. The stream toward the peer goes on
 * with what was relayed before and after (MED-3). */
void dm_media_session_play(DmMediaSession *session, DmSide side, const DmPlay *play);
/* Harmless when nothing is played. */
void dm_media_session_stop(DmMediaSession *session, DmSide side);

/* @from's peer pressed @key, as signalling tells, for @ms milliseconds (0: not said). Unless the
 * same press comes as media within 200 ms, DM_MEDIA_EVENT_DIGIT tells of it, and the other side's
 * peer gets it as events or as a tone, whichever was agreed, one key after the other. */
void dm_media_session_press(DmMediaSession *session, DmSide from, char key, unsigned ms);

/* Begins to write what both peers send to a file: caller on the left, called on the right. At most
 * DM_MEDIA_MAX_RECORDINGS a session, one at a time. Error: DM_ERROR_CONFLICT. */
bool dm_media_session_record(DmMediaSession *session, const DmRecordSpec *spec, GError **error);
/* Silence in the file until it goes on. These two: false when nothing is being recorded. */
bool dm_media_session_pause_recording(DmMediaSession *session, bool paused);
bool dm_media_session_end_recording(DmMediaSession *session);

/* Numbers as of now; any thread that may call update. */
void dm_media_session_report(const DmMediaSession *session, DmMediaReport *out_report);

/* Stops, releases the ports and ends with DM_MEDIA_EVENT_CLOSED. @session must not be used
 * afterwards. */
void dm_media_session_close(DmMediaSession *session);

/* Judges a report (MED-5). @end_mono_us: when the call ended, or now. @spec: what was agreed last.
 */
DmAudioVerdict dm_media_verdict(const DmMediaReport *report,
                                const DmMediaSpec *spec,
                                int64_t end_mono_us);
const char *dm_media_verdict_name(
    DmAudioVerdict verdict);              /* "both", "a_only", "b_only", "none", "unknown" */
const char *dm_codec_name(DmCodec codec); /* "PCMU"; "other" */

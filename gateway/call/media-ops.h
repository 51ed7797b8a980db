/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>

#include "media/spec.h"

/* What a call asks of media, and what media tells it. Implemented by gateway/bridge.c on
 * media/session.h and by the fakes of tests. One thread; events come from the loop, never from
 * inside an operation. */
typedef struct DmCallMedia DmCallMedia;

typedef enum {
    DM_CALL_MEDIA_TIMEOUT,     /* a side has been silent too long: report */
    DM_CALL_MEDIA_AUDIO_CHECK, /* 5 s after the answer: verdict, report */
    DM_CALL_MEDIA_LATCHED,
    DM_CALL_MEDIA_DIGIT,
    DM_CALL_MEDIA_FAX,          /* a fax machine is heard on @side; once */
    DM_CALL_MEDIA_PLAY_STARTED, /* what @side was to be played can be heard; once a play */
    DM_CALL_MEDIA_PLAY_ENDED,   /* it came to its end by itself */
    DM_CALL_MEDIA_KEYS_FAILED,  /* a handshake for the keys of @side's media; because of @failure */
    DM_CALL_MEDIA_CLOSED,       /* last event: the final report, and the verdict on it */
} DmCallMediaEventType;

typedef struct {
    DmCallMediaEventType type;
    DmSide side;
    DmAudioVerdict verdict;
    const DmMediaReport *report; /* borrowed */
    char key;                    /* DM_CALL_MEDIA_DIGIT */
    DmDtlsFailure failure;       /* DM_CALL_MEDIA_KEYS_FAILED */
    const DmAddress *address;    /* DM_CALL_MEDIA_LATCHED: where from. Borrowed. */
} DmCallMediaEvent;

typedef void (*DmCallMediaFunc)(const DmCallMediaEvent *event, void *user_data);

typedef struct {
    /* Ports for both sides. @pool: indexes of media pools. NULL with DM_ERROR_LIMIT: 503 (MED-10).
     */
    DmCallMedia *(*open)(void *engine,
                         const unsigned pool[DM_N_SIDES],
                         DmCallMediaFunc on_event,
                         void *user_data,
                         GError **error);
    const DmAddress *(*local)(const DmCallMedia *media, DmSide side); /* advertised RTP address */
    /* Of our certificate in DTLS-SRTP; NULL: there is none. */
    const DmFingerprint *(*fingerprint)(DmCallMedia *media);
    void (*update)(DmCallMedia *media, const DmMediaSpec *spec);
    /* Something of our own to one side, in place of what was played before: see DmPlay. */
    void (*play)(DmCallMedia *media, DmSide side, const DmPlay *play);
    void (*stop)(DmCallMedia *media, DmSide side); /* harmless when nothing is played */
    /* @from's peer pressed @key, as signalling tells. DM_CALL_MEDIA_DIGIT follows, unless the same
     * press has come as media. */
    void (*press)(DmCallMedia *media, DmSide from, char key, unsigned ms);
    /* Writes the call to a file: see dm_media_session_record() and those beside it. */
    bool (*record)(DmCallMedia *media, const DmRecordSpec *spec, GError **error);
    bool (*pause_recording)(DmCallMedia *media, bool paused);
    bool (*end_recording)(DmCallMedia *media);
    void (*report)(const DmCallMedia *media, DmMediaReport *out);
    void (*close)(DmCallMedia *media); /* DM_CALL_MEDIA_CLOSED follows */
} DmMediaOps;

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/session-timer.h"

#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_util.h>
#include <strings.h>

#define LONGEST_S 86400 /* nobody's session waits longer for its next sign of life */

static DmSessionRole
role_of(const char *name)
{
    if (name == NULL) {
        return DM_SESSION_OPEN;
    }
    if (strcasecmp(name, "uac") == 0) {
        return DM_SESSION_UAC;
    }
    return strcasecmp(name, "uas") == 0 ? DM_SESSION_UAS : DM_SESSION_OPEN;
}

void
dm_session_word_read(const DmSipMessage *message, DmSessionWord *out)
{
    const sip_t *sip = message->sip;

    *out = (DmSessionWord){
        .supported = sip_has_feature(sip->sip_supported, "timer"),
        .required = sip_has_feature(sip->sip_require, "timer"),
    };
    out->supported = out->supported || out->required;
    if (sip->sip_session_expires != NULL) {
        out->expires_s = (unsigned)CLAMP(sip->sip_session_expires->x_delta, 1, LONGEST_S);
        out->refresher = role_of(sip->sip_session_expires->x_refresher);
    }
    if (sip->sip_min_se != NULL) {
        out->min_s = (unsigned)MIN(sip->sip_min_se->min_delta, LONGEST_S);
    }
}

static void
add_number(DmSipMessage *message, const char *name, unsigned value, const char *more)
{
    char text[48];

    g_snprintf(text, sizeof text, "%u%s", value, more);
    dm_sip_message_add(message, name, text);
}

/* In a request of ours, uac is us. */
static const char *
refresher_asked(const DmTrunkConfig *trunk, const DmSessionTerms *now)
{
    if (now->interval_s > 0) {
        return now->we_refresh ? ";refresher=uac" : ";refresher=uas";
    }
    switch (trunk->sip.session_timer.refresher) {
    case DM_REFRESHER_GATEWAY:
        return ";refresher=uac";
    case DM_REFRESHER_PEER:
        return ";refresher=uas";
    default:
        return "";
    }
}

void
dm_session_write_request(DmSipMessage *request,
                         const DmTrunkConfig *trunk,
                         const DmSessionTerms *now,
                         unsigned min_s)
{
    unsigned wanted_s = now->interval_s > 0 ? now->interval_s : trunk->sip.session_timer.expires_s;
    unsigned least_s = MAX(min_s, trunk->sip.session_timer.min_se_s);

    add_number(request, "Session-Expires", MAX(wanted_s, least_s), refresher_asked(trunk, now));
    if (least_s > DM_SESSION_MIN_S) {
        add_number(request, "Min-SE", least_s, "");
    }
}

uint16_t
dm_session_check(const DmTrunkConfig *trunk, const DmSessionWord *asked)
{
    if (trunk->sip.session_timer.mode == DM_ABILITY_OFF) {
        return 0;
    }
    if (!asked->supported) {
        return trunk->sip.session_timer.mode == DM_ABILITY_REQUIRED ? 421 : 0;
    }
    return asked->expires_s > 0 && asked->expires_s < trunk->sip.session_timer.min_se_s ? 422 : 0;
}

/* RFC 4028, 9: the one that is asked may only shorten, and not below what the other bears. A proxy
 * that asks for a caller who does not know of it cannot be refused, but does not make us hurry. */
static unsigned
interval_for(const DmTrunkConfig *trunk, const DmSessionWord *asked)
{
    unsigned ours_s = trunk->sip.session_timer.expires_s;
    unsigned least_s = MAX(asked->min_s, trunk->sip.session_timer.min_se_s);

    return asked->expires_s > 0 ? MAX(MIN(ours_s, asked->expires_s), least_s)
                                : MAX(ours_s, least_s);
}

static bool
shall_we_refresh(const DmTrunkConfig *trunk, const DmSessionWord *asked, const DmSessionTerms *now)
{
    if (!asked->supported) {
        return true;
    }
    if (asked->refresher != DM_SESSION_OPEN) {
        return asked->refresher == DM_SESSION_UAS;
    }
    return now->interval_s > 0 ? now->we_refresh
                               : trunk->sip.session_timer.refresher == DM_REFRESHER_GATEWAY;
}

DmSessionTerms
dm_session_agree(const DmTrunkConfig *trunk, const DmSessionWord *asked, const DmSessionTerms *now)
{
    if (trunk->sip.session_timer.mode == DM_ABILITY_OFF ||
        (!asked->supported && asked->expires_s == 0)) {
        return (DmSessionTerms){0};
    }
    return (DmSessionTerms){
        .interval_s = interval_for(trunk, asked),
        .we_refresh = shall_we_refresh(trunk, asked, now),
    };
}

void
dm_session_write_answer(DmSipMessage *response,
                        const DmSessionTerms *terms,
                        const DmSessionWord *asked)
{
    if (terms->interval_s == 0) {
        return;
    }
    add_number(response,
               "Session-Expires",
               terms->interval_s,
               terms->we_refresh ? ";refresher=uas" : ";refresher=uac");
    if (asked->supported && !terms->we_refresh) {
        dm_sip_message_add(response, "Require", "timer");
    }
}

/* RFC 4028, 7.2. An interval below the least that is allowed is taken as that: who refreshes more
 * often does no harm. */
DmSessionTerms
dm_session_settle(const DmTrunkConfig *trunk, const DmSessionWord *answer)
{
    if (trunk->sip.session_timer.mode == DM_ABILITY_OFF || answer->expires_s == 0) {
        return (DmSessionTerms){0};
    }
    return (DmSessionTerms){
        .interval_s = MAX(answer->expires_s, DM_SESSION_MIN_S),
        .we_refresh = answer->refresher != DM_SESSION_UAS,
    };
}

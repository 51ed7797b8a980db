/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "gateway/base/clock.h"
#include "gateway/sip/flow.h"
#include "gateway/sip/scan.h"
#include "gateway/trunk/pool.h"

/* Who may cost us a parse: addresses, rates and worth, before anyone looks inside a message
 * (SEC-3). Bounded memory whatever strangers do. One signalling worker has one. */
typedef struct DmAdmission DmAdmission;

typedef enum {
    DM_ADMIT,
    DM_BLOCK_RATE,     /* a stranger beyond security.source_rate: dropped */
    DM_BLOCK_SCANNER,  /* says it is a scanner: dropped */
    DM_BLOCK_OVERLOAD, /* no room for new work of this worth: 503 to trunks, silence to strangers */
} DmAdmissionVerdict;

/* How valuable a message is when there is not room for all. */
typedef enum {
    DM_WORTH_STRANGER,
    DM_WORTH_TRUNK,
    DM_WORTH_DIALOG, /* responses, and requests within dialogs */
} DmWorth;

DmAdmission *dm_admission_new(const DmClock *clock, DmPool *pool);
void dm_admission_free(DmAdmission *admission);
/* @config is referenced. */
void dm_admission_take_config(DmAdmission *admission, DmConfig *config);

typedef struct {
    const DmSipFlow *flow;
    const char *data;
    const DmScan *scan;
    bool in_dialog;        /* it names a leg that lives */
    unsigned load_percent; /* how full the transaction table is */
} DmArrival;

/* @out_worth is always set. */
DmAdmissionVerdict dm_admission_judge(DmAdmission *admission,
                                      const DmArrival *arrival,
                                      DmWorth *out_worth);
/* For what could not even be scanned: a trunk's address, or a stranger's. */
DmWorth dm_admission_source_worth(DmAdmission *admission, const DmSipFlow *flow);
/* Takes one token of a stranger's bucket. False: it is empty. */
bool dm_admission_take_token(DmAdmission *admission, const DmAddress *source);

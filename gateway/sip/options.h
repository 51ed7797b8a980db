/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sip/core.h"

/* Keeps one trunk watched (HLT-1): OPTIONS to each of its endpoints, every interval give or take a
 * tenth; any answer is a sign of life. One signalling thread. */
typedef struct DmOptions DmOptions;

/* @config is referenced; @trunk is in it. */
DmOptions *dm_options_new(DmSipCore *core, DmConfig *config, const DmTrunkConfig *trunk);
void dm_options_free(DmOptions *options);
/* Every endpoint now. */
void dm_options_probe(DmOptions *options);

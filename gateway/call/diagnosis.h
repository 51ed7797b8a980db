/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/call/call-priv.h"

/* Why a call failed, as a code an operator can look up, and the evidence for it in sentences. */

/* The first diagnosis stays: it is nearest to the cause. "" is none. */
void dm_diagnose(DmCall *call, const char *code);
/* Of an answered call, from its verdict and report: one_way_a (only A was heard), one_way_b,
 * no_audio. */
void dm_diagnose_audio(DmCall *call);
/* Keys that could not cross as they should, or came twice. */
void dm_diagnose_keys(DmCall *call);
/* Of an answered call's report, when nothing else was wrong: quality_loss, quality_jitter,
 * quality_delay, by the thresholds configured. */
void dm_diagnose_quality(DmCall *call);
/* A private address in the description of a peer that is not in our network itself: noted, and
 * named when audio fails. */
void dm_diagnose_address(DmParty *party);
/* The end of a call whose offer or answer cannot be used: 488 with a Warning (MED-2). */
DmRelease dm_diagnose_refusal(DmSdpVerdict verdict);
/* What about: @who described @sdp, and @trunk is configured otherwise. */
void dm_diagnose_sdp(DmCall *call,
                     DmSdpVerdict verdict,
                     const char *who,
                     const DmSdp *sdp,
                     const DmTrunkConfig *trunk);
/* What @offer listed and what @trunk allows. */
void dm_diagnose_codecs(DmCall *call,
                        const char *who,
                        const DmSdp *offer,
                        const DmTrunkConfig *trunk);
/* Our 200 was never acknowledged (SIG-6). */
void dm_diagnose_ack(DmCall *call);

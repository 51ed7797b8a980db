/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "gateway/sdp/negotiate.h"

/* Fax by T.38 over UDPTL in descriptions (ITU-T T.38, annex D; RFC 6913 for the type): "m=image
 * PORT udptl t38". Pure. What is said in offers and answers of ours is never more than both sides
 * can. */

/* One attribute, "T38FaxVersion" and "0", into @t38; @value may be NULL. Peers spell them in
 * several ways (FAX-2): with and without "Fax", booleans with and without ":1". Returns false when
 * it is none of T.38's that we know. */
bool dm_t38_read_attribute(DmT38 *t38, const char *name, const char *value);
/* What a line says that says nothing. */
DmT38 dm_t38_default(void);
void dm_t38_print(GString *out, const DmT38 *t38);
/* The less able of the two in everything. */
DmT38 dm_t38_common(const DmT38 *a, const DmT38 *b);

/* The live line of T.38; @out_index nullable. NULL: none. */
const DmSdpMedia *dm_t38_find(const DmSdp *sdp, unsigned *out_index);
/* Whether @offer asks for fax rather than speech. When both are offered in a first offer it is a
 * phone that could also fax; in a change of a session it wants to. */
bool dm_t38_is_wanted(const DmSdp *offer, bool is_change);

/* The three of negotiate.h, for fax. @other: NULL for the policy alone: T.38 ends here, and is
 * modem tones on the other side. (transfer full) */
DmSdpVerdict dm_t38_offer_across(const DmSdp *from_offer,
                                 const DmSdpPolicy *to,
                                 const DmSdp *previous,
                                 DmSdp **out_offer);
DmSdpVerdict dm_t38_answer_across(const DmSdp *offer,
                                  const DmSdpPolicy *from,
                                  const DmSdp *other_answer,
                                  DmSdp **out_answer);
/* NULL: no room for a line more, or the policy has no T.38. */
DmSdp *dm_t38_offer_from_policy(const DmSdpPolicy *policy, const DmSdp *previous);
DmSdpVerdict dm_t38_side_spec(const DmSdp *ours,
                              const DmSdp *theirs,
                              const DmSdpPolicy *policy,
                              DmMediaSideSpec *out);

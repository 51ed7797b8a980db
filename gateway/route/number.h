/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/trunk.h"

/* Numbers from and to a peer's habits (RTE-4). Pure. Text that is not a number (letters, empty)
 * passes unchanged. */

/* Without visual separators; a leading + is kept. (transfer full) */
char *dm_number_clean(const char *text);
/* To +E.164 by the trunk's in_rules, then prefixes, country and area; as it was when it cannot be
 * known.
 * @out_rule: (nullable): id of the rule applied, borrowed, or NULL. (transfer full) */
char *dm_number_normalise(const DmTrunkConfig *trunk, const char *text, const char **out_rule);
/* From +E.164 (or whatever we have) to what the trunk wants: its format, then out_rules, then
 * tech_prefix when @called. (transfer full) */
char *dm_number_for_trunk(const DmTrunkConfig *trunk,
                          const char *number,
                          bool called,
                          const char **out_rule);
/* Applies rules in order (see DmNumberRule). (transfer full) */
char *dm_number_apply_rules(const GPtrArray *rules, const char *number, const char **out_rule);

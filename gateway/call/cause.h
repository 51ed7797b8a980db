/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

/* SIP status codes and Q.850 causes, into each other and toward people. Pure. */

/* Causes used by name. */
#define DM_Q850_UNALLOCATED  1
#define DM_Q850_NORMAL       16
#define DM_Q850_BUSY         17
#define DM_Q850_NO_ANSWER    19
#define DM_Q850_OUT_OF_ORDER 27
#define DM_Q850_NO_CIRCUIT   34
#define DM_Q850_CONGESTION   42
#define DM_Q850_INCOMPATIBLE 88
#define DM_Q850_TIMER        102
#define DM_Q850_INTERWORKING 127

/* RFC 3398, 8.2.6.1; 16 for what is no failure. */
uint16_t dm_q850_from_status(uint16_t status);
/* RFC 3398, 7.2.4.1; 480 for a normal or unknown cause. */
uint16_t dm_status_from_q850(uint16_t q850);
/* What a called side's final answer becomes toward the caller: challenges and redirections are our
 * own affair. Always 400 to 699. */
uint16_t dm_status_toward_caller(uint16_t status);
/* Reason phrase; "" for codes without one. */
const char *dm_status_phrase(uint16_t status);

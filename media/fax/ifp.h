/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* IFP packets (ITU-T T.38, 7): what UDPTL carries. Read only so far as to know that their parts lie
 * inside, because SpanDSP trusts lengths, and what T.30 says in them. Pure. */

typedef enum {
    DM_IFP_HDLC_DATA,
    DM_IFP_HDLC_SIG_END,
    DM_IFP_HDLC_FCS_OK,
    DM_IFP_HDLC_FCS_BAD,
    DM_IFP_HDLC_FCS_OK_SIG_END,
    DM_IFP_HDLC_FCS_BAD_SIG_END,
    DM_IFP_NON_ECM_DATA,
    DM_IFP_NON_ECM_SIG_END,
} DmIfpFieldType;

/* A part of a packet of data. */
typedef struct {
    unsigned type; /* DmIfpFieldType, or one of later versions */
    const uint8_t *bytes;
    size_t len;
} DmIfpField;

typedef void (*DmIfpFieldFunc)(const DmIfpField *field, void *user_data);

/* What a packet without data says (T.38, table 2); the rest is of modems. */
typedef enum {
    DM_IFP_DATA = -1, /* it has data */
    DM_IFP_NO_SIGNAL,
    DM_IFP_CNG,
    DM_IFP_CED,
} DmIfpIndicator;

/* Of a sound packet. */
int dm_ifp_indicator(const uint8_t *ifp);

/* @version: of T.38, as agreed. @on_field: (nullable). Returns whether all of it lies inside;
 * fields before the one that does not have been told then. */
bool dm_ifp_read(const uint8_t *ifp,
                 size_t len,
                 unsigned version,
                 DmIfpFieldFunc on_field,
                 void *user_data);

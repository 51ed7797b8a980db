/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "media/spec.h"

/* What becomes of a fax, read from T.30 as it passes by in T.38, either way (FAX-6): which rate and
 * mode were agreed on, which pages were confirmed. SpanDSP's own numbers have no pages with ECM
 * from the modem's side. All zero is a fresh one. Pure. */
typedef struct {
    size_t len;
    uint8_t bytes[8]; /* the beginning is all there is to know of a frame */
} DmFaxFrame;

typedef struct {
    DmFaxFrame frame[DM_N_SIDES]; /* being received, by the side it comes from */
    uint16_t pages;
    uint32_t bit_rate;
    bool ecm;
    bool page_is_open; /* its end was announced, and is not confirmed */
    bool is_last_page; /* no other was to follow */
    bool is_over;      /* a side has hung up */
} DmFaxProgress;

/* An IFP packet from @side. Returns false, having told what came before, when it is not sound. */
bool dm_fax_progress_take(DmFaxProgress *progress,
                          DmSide side,
                          const uint8_t *ifp,
                          size_t len,
                          unsigned version);

/* A frame of T.30, in its own order of bits, address and control first. */
void dm_fax_progress_note(DmFaxProgress *progress, const uint8_t *frame, size_t len);

DmFaxResult dm_fax_progress_result(const DmFaxProgress *progress);

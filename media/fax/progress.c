/* SPDX-License-Identifier: Apache-2.0 */
#include "media/fax/progress.h"

#include <glib.h>
#include <string.h>

#include "media/fax/ifp.h"

/* ITU-T T.30, 5.3.6.1: facsimile control fields, sent from the left, without the bit that tells who
 * speaks. */
enum {
    DCS = 0x82,
    MPS = 0x4e,
    EOP = 0x2e,
    EOM = 0x8e,
    PRI_MPS = 0x5e,
    PRI_EOP = 0x3e,
    PRI_EOM = 0x9e,
    PPS = 0xbe,
    MCF = 0x8c,
    RTP = 0xcc,
    DCN = 0xfa,
};
#define FCF_MASK 0xfe

#define AT_FCF    2
#define AT_SECOND 3 /* of PPS: what follows the page */
#define AT_RATE   4
#define AT_ECM    6

/* T.30, table 2, bits 11 to 14 and 27. */
#define RATE_MASK 0x3c
#define ECM_BIT   0x04

static uint32_t
rate_of(uint8_t octet)
{
    static const struct {
        uint8_t code;
        uint32_t bit_rate;
    } rates[] = {
        {0x00, 2400}, /* V.27ter */
        {0x08, 4800},
        {0x04, 9600}, /* V.29 */
        {0x0c, 7200},
        {0x20, 14400}, /* V.17 */
        {0x28, 12000},
        {0x24, 9600},
        {0x2c, 7200},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        if (rates[i].code == (octet & RATE_MASK)) {
            return rates[i].bit_rate;
        }
    }
    return 0;
}

static void
note_agreement(DmFaxProgress *progress, const uint8_t *frame, size_t len)
{
    if (len > AT_RATE) {
        progress->bit_rate = rate_of(frame[AT_RATE]);
    }
    progress->ecm = len > AT_ECM && frame[AT_ECM] & ECM_BIT;
}

static void
note_end_of_page(DmFaxProgress *progress, uint8_t fcf)
{
    progress->page_is_open = true;
    progress->is_last_page = fcf == EOP || fcf == PRI_EOP;
}

/* With ECM a page comes in blocks, each confirmed; only the last says what follows. */
static void
note_block(DmFaxProgress *progress, const uint8_t *frame, size_t len)
{
    if (len > AT_SECOND && (frame[AT_SECOND] & FCF_MASK) != 0) {
        note_end_of_page(progress, frame[AT_SECOND] & FCF_MASK);
    }
}

static void
note_confirmation(DmFaxProgress *progress)
{
    if (progress->page_is_open && progress->pages < UINT16_MAX) {
        progress->pages++;
    }
    progress->page_is_open = false;
}

void
dm_fax_progress_note(DmFaxProgress *progress, const uint8_t *frame, size_t len)
{
    if (len <= AT_FCF) {
        return;
    }
    switch (frame[AT_FCF] & FCF_MASK) {
    case DCS:
        note_agreement(progress, frame, len);
        break;
    case MPS:
    case EOP:
    case EOM:
    case PRI_MPS:
    case PRI_EOP:
    case PRI_EOM:
        note_end_of_page(progress, frame[AT_FCF] & FCF_MASK);
        break;
    case PPS:
        note_block(progress, frame, len);
        break;
    case MCF:
    case RTP:
        note_confirmation(progress);
        break;
    case DCN:
        progress->is_over = true;
        break;
    default:
        break;
    }
}

/*
 * Frames out of packets
 */

static uint8_t
reverse(uint8_t octet)
{
    octet = (uint8_t)(octet >> 4 | octet << 4);
    octet = (uint8_t)((octet & 0xcc) >> 2 | (octet & 0x33) << 2);
    return (uint8_t)((octet & 0xaa) >> 1 | (octet & 0x55) << 1);
}

typedef struct {
    DmFaxProgress *progress;
    DmFaxFrame *frame;
} Taker;

static void
add_bytes(DmFaxFrame *frame, const DmIfpField *field)
{
    for (size_t i = 0; i < field->len && frame->len < sizeof frame->bytes; i++) {
        frame->bytes[frame->len++] = reverse(field->bytes[i]);
    }
}

/* Some put the last octets of a frame into the field that ends it. What modem a frame is said to
 * come from does not matter: SpanDSP labels the end of a page as if it came from V.29. Frames of an
 * image are none that T.30 talks with. */
static void
on_field(const DmIfpField *field, void *user_data)
{
    Taker *taker = user_data;

    switch (field->type) {
    case DM_IFP_HDLC_DATA:
        add_bytes(taker->frame, field);
        break;
    case DM_IFP_HDLC_FCS_OK:
    case DM_IFP_HDLC_FCS_OK_SIG_END:
        add_bytes(taker->frame, field);
        dm_fax_progress_note(taker->progress, taker->frame->bytes, taker->frame->len);
        taker->frame->len = 0;
        break;
    default:
        taker->frame->len = 0;
        break;
    }
}

bool
dm_fax_progress_take(DmFaxProgress *progress,
                     DmSide side,
                     const uint8_t *ifp,
                     size_t len,
                     unsigned version)
{
    Taker taker = {progress, &progress->frame[side]};

    return dm_ifp_read(ifp, len, version, on_field, &taker);
}

DmFaxResult
dm_fax_progress_result(const DmFaxProgress *progress)
{
    if (progress->pages > 0) {
        return progress->is_last_page && !progress->page_is_open ? DM_FAX_COMPLETE : DM_FAX_PARTIAL;
    }
    return progress->bit_rate > 0 || progress->is_over ? DM_FAX_FAILED : DM_FAX_UNKNOWN;
}

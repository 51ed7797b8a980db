/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fax-terminal.h"

#include <spandsp.h>
#include <string.h>
#include <tiffio.h>

#include "media/rtp/bytes.h"
#include "media/udptl/stream.h"

#define WIDTH     1728
#define ROW_BYTES (WIDTH / 8)
#define STEP      160

/* FEC (T.38, 9.1): each datagram has so many sums of so many packets, which are as far apart. */
#define N_SUMS 3
#define SPAN   3
#define REACH  (N_SUMS * SPAN)

/* The last packets that went out, for the sums of the next. */
typedef struct {
    unsigned n; /* ever */
    struct {
        size_t len;
        uint8_t bytes[DM_UDPTL_IFP_MAX];
    } packet[REACH];
} Summed;

struct FaxTerminal {
    fax_state_t *modem;
    t38_terminal_state_t *t38;
    t30_state_t *t30;
    FaxTerminalSendFunc send;
    void *user_data;
    DmUdptlReceiver receiver;
    DmUdptlSender sender;
    bool has_sums;
    Summed summed;
    int result;
};

static uint8_t *
put_field(uint8_t *at, const uint8_t *bytes, size_t len)
{
    if (len > 127) {
        *at++ = (uint8_t)(0x80 | len >> 8);
    }
    *at++ = (uint8_t)len;
    memcpy(at, bytes, len);
    return at + len;
}

/* Of packets @first, @first + N_SUMS, ... */
static uint8_t *
put_sum(uint8_t *at, const Summed *summed, unsigned first)
{
    uint8_t sum[DM_UDPTL_IFP_MAX] = {0};
    size_t len = 0;

    for (unsigned k = 0; k < SPAN; k++) {
        unsigned i = (first + k * N_SUMS) % REACH;

        len = MAX(len, summed->packet[i].len);
        for (size_t j = 0; j < summed->packet[i].len; j++) {
            sum[j] ^= summed->packet[i].bytes[j];
        }
    }
    return put_field(at, sum, len);
}

/* As a peer with t38UDPFEC sends it; the gateway has no code to make these. */
static size_t
build_with_sums(Summed *summed, const uint8_t *ifp, size_t len, uint8_t out[DM_UDPTL_DATAGRAM_MAX])
{
    uint8_t *at = out;

    g_assert_cmpuint(len, <=, DM_UDPTL_IFP_MAX);
    dm_put_u16(at, (uint16_t)summed->n);
    at = put_field(at + 2, ifp, len);
    if (summed->n < REACH) {
        *at++ = 0; /* copies, and none of them */
        *at++ = 0;
    } else {
        *at++ = 0x80;
        *at++ = 1;
        *at++ = SPAN;
        *at++ = N_SUMS;
        for (unsigned i = 0; i < N_SUMS; i++) {
            at = put_sum(at, summed, summed->n + i); /* the oldest there is, and on */
        }
    }
    summed->packet[summed->n % REACH].len = len;
    memcpy(summed->packet[summed->n % REACH].bytes, ifp, len);
    summed->n++;
    return (size_t)(at - out);
}

static int
on_ifp_made(t38_core_state_t *core, void *user_data, const uint8_t *ifp, int len, int count)
{
    FaxTerminal *terminal = user_data;
    uint8_t bytes[DM_UDPTL_DATAGRAM_MAX];
    size_t n = terminal->has_sums ? build_with_sums(&terminal->summed, ifp, (size_t)len, bytes)
                                  : dm_udptl_send(&terminal->sender, ifp, (size_t)len, bytes);

    for (int i = 0; i < count; i++) {
        terminal->send(bytes, n, terminal->user_data);
    }
    return 0;
}

static void
on_over(t30_state_t *t30, void *user_data, int result)
{
    ((FaxTerminal *)user_data)->result = result;
}

static void
set_up(FaxTerminal *terminal, const FaxTerminalOptions *options)
{
    t30_state_t *t30 = terminal->t30;

    span_log_set_level(t30_get_logging_state(t30), SPAN_LOG_NONE);
    t30_set_tx_ident(t30, options->is_caller ? "caller" : "called");
    t30_set_phase_e_handler(t30, on_over, terminal);
    t30_set_ecm_capability(t30, options->ecm);
    t30_set_supported_compressions(t30,
                                   T30_SUPPORT_T4_1D_COMPRESSION | T30_SUPPORT_T4_2D_COMPRESSION |
                                       T30_SUPPORT_T6_COMPRESSION);
    t30_set_supported_modems(t30,
                             options->modems != 0
                                 ? options->modems
                                 : T30_SUPPORT_V27TER | T30_SUPPORT_V29 | T30_SUPPORT_V17);
    if (options->send != NULL) {
        t30_set_tx_file(t30, options->send, -1, -1);
    }
    if (options->receive != NULL) {
        t30_set_rx_file(t30, options->receive, -1);
    }
}

FaxTerminal *
fax_terminal_new(const FaxTerminalOptions *options, FaxTerminalSendFunc send, void *user_data)
{
    FaxTerminal *terminal = g_new0(FaxTerminal, 1);

    terminal->send = send;
    terminal->user_data = user_data;
    terminal->result = -1;
    terminal->has_sums = options->sums;
    dm_udptl_sender_init(&terminal->sender, options->depth, 0);
    if (options->is_t38) {
        terminal->t38 = t38_terminal_init(NULL, options->is_caller, on_ifp_made, terminal);
        terminal->t30 = t38_terminal_get_t30_state(terminal->t38);
        t38_set_t38_version(t38_terminal_get_t38_core_state(terminal->t38), 0);
    } else {
        terminal->modem = fax_init(NULL, options->is_caller);
        terminal->t30 = fax_get_t30_state(terminal->modem);
        fax_set_transmit_on_idle(terminal->modem, TRUE);
    }
    set_up(terminal, options);
    return terminal;
}

void
fax_terminal_free(FaxTerminal *terminal)
{
    if (terminal->t38 != NULL) {
        t38_terminal_release(terminal->t38);
        t38_terminal_free(terminal->t38);
    }
    if (terminal->modem != NULL) {
        fax_release(terminal->modem);
        fax_free(terminal->modem);
    }
    g_free(terminal);
}

void
fax_terminal_hear(FaxTerminal *terminal, int16_t *samples, size_t n)
{
    fax_rx(terminal->modem, samples, (int)n);
}

void
fax_terminal_speak(FaxTerminal *terminal, int16_t *samples, size_t n)
{
    int made = fax_tx(terminal->modem, samples, (int)n);

    memset(samples + made, 0, (n - (size_t)made) * sizeof *samples);
}

static void
on_ifp(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    FaxTerminal *terminal = user_data;

    t38_core_rx_ifp_packet(t38_terminal_get_t38_core_state(terminal->t38), ifp, (int)len, sequence);
}

void
fax_terminal_input(FaxTerminal *terminal, const uint8_t *bytes, size_t len)
{
    DmUdptlPacket packet;

    if (dm_udptl_parse(bytes, len, &packet) == DM_UDPTL_OK) {
        dm_udptl_receive(&terminal->receiver, &packet, on_ifp, terminal);
    }
}

void
fax_terminal_tick(FaxTerminal *terminal, size_t n_samples)
{
    t38_terminal_send_timeout(terminal->t38, (int)n_samples);
}

bool
fax_terminal_is_over(const FaxTerminal *terminal)
{
    return terminal->result >= 0;
}

int
fax_terminal_result(const FaxTerminal *terminal)
{
    return terminal->result;
}

unsigned
fax_terminal_pages(FaxTerminal *terminal)
{
    t30_stats_t stats;

    t30_get_transfer_statistics(terminal->t30, &stats);
    return (unsigned)MAX(stats.pages_tx, stats.pages_rx);
}

unsigned
fax_terminal_bit_rate(FaxTerminal *terminal)
{
    t30_stats_t stats;

    t30_get_transfer_statistics(terminal->t30, &stats);
    return (unsigned)stats.bit_rate;
}

bool
fax_terminal_has_ecm(FaxTerminal *terminal)
{
    t30_stats_t stats;

    t30_get_transfer_statistics(terminal->t30, &stats);
    return stats.error_correcting_mode;
}

/*
 * Pages
 */

/* Bars of changing width, and a grey corner: runs of all lengths, like writing and a picture. */
static void
draw_row(uint8_t *row, unsigned page, unsigned y, GRand *random)
{
    unsigned x = 0;
    bool black = false;

    memset(row, 0, ROW_BYTES);
    while (x < WIDTH) {
        unsigned run = 8 + (y / 16 * 7 + page * 13 + x / 32) % 90;

        for (unsigned i = x; black && i < MIN(x + run, WIDTH); i++) {
            row[i / 8] |= (uint8_t)(0x80 >> i % 8);
        }
        black = !black;
        x += run;
    }
    for (unsigned i = 0; y % 8 == 0 && i < 12; i++) {
        row[ROW_BYTES - 1 - i] = (uint8_t)g_rand_int_range(random, 0, 256);
    }
}

static void
set_tags(TIFF *tiff, unsigned page, const FaxPages *pages)
{
    bool is_fine = pages->mixed && page % 2 != 0;

    TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_PAGE);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, WIDTH);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, pages->n_rows);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 1);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, pages->n_rows);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_CCITT_T6);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE);
    TIFFSetField(tiff, TIFFTAG_FILLORDER, FILLORDER_LSB2MSB);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 204.0);
    TIFFSetField(tiff, TIFFTAG_YRESOLUTION, is_fine ? 196.0 : 98.0);
    TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_INCH);
    TIFFSetField(tiff, TIFFTAG_PAGENUMBER, page, pages->n);
}

void
fax_write_pages(const char *path, const FaxPages *pages)
{
    TIFF *tiff = TIFFOpen(path, "w");
    GRand *random = g_rand_new_with_seed(pages->seed);

    g_assert_nonnull(tiff);
    for (unsigned page = 0; page < pages->n; page++) {
        set_tags(tiff, page, pages);
        for (unsigned y = 0; y < pages->n_rows; y++) {
            uint8_t row[ROW_BYTES];

            draw_row(row, page + pages->seed, y, random);
            g_assert_cmpint(TIFFWriteScanline(tiff, row, y, 0), >=, 0);
        }
        g_assert_cmpint(TIFFWriteDirectory(tiff), ==, 1);
    }
    g_rand_free(random);
    TIFFClose(tiff);
}

/* The dots of the present page, black being 1. (transfer full) */
static GByteArray *
read_page(TIFF *tiff)
{
    GByteArray *page = g_byte_array_new();
    uint32_t width = 0;
    uint32_t n_rows = 0;
    uint16_t photometric = PHOTOMETRIC_MINISWHITE;
    uint8_t row[ROW_BYTES];

    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &n_rows);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    if (width != WIDTH || TIFFScanlineSize(tiff) != ROW_BYTES) {
        return page;
    }
    for (uint32_t y = 0; y < n_rows && TIFFReadScanline(tiff, row, y, 0) >= 0; y++) {
        for (unsigned i = 0; i < ROW_BYTES && photometric == PHOTOMETRIC_MINISBLACK; i++) {
            row[i] = (uint8_t)~row[i];
        }
        g_byte_array_append(page, row, ROW_BYTES);
    }
    return page;
}

static bool
is_same_page(TIFF *a, TIFF *b)
{
    g_autoptr(GByteArray) a_page = read_page(a);
    g_autoptr(GByteArray) b_page = read_page(b);

    return a_page->len > 0 && a_page->len == b_page->len &&
           memcmp(a_page->data, b_page->data, a_page->len) == 0;
}

unsigned
fax_count_equal_pages(const char *a_path, const char *b_path)
{
    TIFF *a = TIFFOpen(a_path, "r");
    TIFF *b = TIFFOpen(b_path, "r");
    unsigned n = 0;

    if (a != NULL && b != NULL) {
        do {
            if (!is_same_page(a, b)) {
                break;
            }
            n++;
        } while (TIFFReadDirectory(a) && TIFFReadDirectory(b));
    }
    if (a != NULL) {
        TIFFClose(a);
    }
    if (b != NULL) {
        TIFFClose(b);
    }
    return n;
}

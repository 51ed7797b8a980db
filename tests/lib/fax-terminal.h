/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A fax machine of SpanDSP's: with a modem, or speaking T.38 over UDPTL. Time goes by the samples
 * it hears and makes, or by dm_fax_terminal_tick(). */
typedef struct FaxTerminal FaxTerminal;

typedef struct {
    bool is_caller;
    bool is_t38;
    bool ecm;
    const char *send;    /* TIFF file; NULL: nothing */
    const char *receive; /* TIFF file to be written; NULL: none */
    unsigned depth;      /* of redundancy */
    bool sums;           /* FEC instead: three sums of three packets */
    int modems;          /* T30_SUPPORT_...; 0: all */
} FaxTerminalOptions;

typedef void (*FaxTerminalSendFunc)(const uint8_t *bytes, size_t len, void *user_data);

FaxTerminal *fax_terminal_new(const FaxTerminalOptions *options,
                              FaxTerminalSendFunc send,
                              void *user_data);
void fax_terminal_free(FaxTerminal *terminal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FaxTerminal, fax_terminal_free)

/* With a modem. */
void fax_terminal_hear(FaxTerminal *terminal, int16_t *samples, size_t n);
void fax_terminal_speak(FaxTerminal *terminal, int16_t *samples, size_t n);
/* With T.38. */
void fax_terminal_input(FaxTerminal *terminal, const uint8_t *bytes, size_t len);
void fax_terminal_tick(FaxTerminal *terminal, size_t n_samples);

/* Over: it has hung up, or would. */
bool fax_terminal_is_over(const FaxTerminal *terminal);
/* T30_ERR_..., 0 when all went well; -1: not over. */
int fax_terminal_result(const FaxTerminal *terminal);
unsigned fax_terminal_pages(FaxTerminal *terminal);
unsigned fax_terminal_bit_rate(FaxTerminal *terminal);
bool fax_terminal_has_ecm(FaxTerminal *terminal);

typedef struct {
    unsigned n, n_rows;
    unsigned seed;
    bool mixed; /* every other one of fine resolution: T.30 agrees anew before each */
} FaxPages;

/* Writes a fax of different pages, their rows of 1728 dots: writing and half tones. */
void fax_write_pages(const char *path, const FaxPages *pages);
/* How many pages of the two files are equal dot by dot, counted from the first until one is not. */
unsigned fax_count_equal_pages(const char *a, const char *b);

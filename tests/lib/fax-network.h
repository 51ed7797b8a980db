/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

/* What lies between two who speak T.38, in virtual time: datagrams are lost, late, overtaken and
 * doubled as a seed says. Ends are 0 and 1. */
typedef struct FaxNetwork FaxNetwork;

#define FAX_NETWORK_STEP_MS 20

typedef struct {
    guint32 seed;
    double loss, doubled, overtaken; /* shares of all datagrams */
    unsigned delay_steps;            /* of every one */
    unsigned jitter_steps;           /* more than that, at most; their order stays */
} FaxNetworkOptions;

typedef void (*FaxNetworkLandFunc)(unsigned end, const uint8_t *bytes, size_t len, void *user_data);

FaxNetwork *fax_network_new(const FaxNetworkOptions *options,
                            FaxNetworkLandFunc on_land,
                            void *user_data);
void fax_network_free(FaxNetwork *network);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FaxNetwork, fax_network_free)

void fax_network_launch(FaxNetwork *network, unsigned to, const uint8_t *bytes, size_t len);
/* A step goes by: what is due lands, then the clock moves. */
void fax_network_step(FaxNetwork *network);
unsigned fax_network_now_ms(const FaxNetwork *network);

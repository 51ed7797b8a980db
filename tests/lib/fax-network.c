/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/fax-network.h"

#include <stdbool.h>

/* Steps by which one that is overtaken comes behind the others. */
#define MAX_BEHIND 3

typedef struct {
    unsigned due, to;
    GBytes *bytes;
} Flight;

struct FaxNetwork {
    FaxNetworkOptions options;
    FaxNetworkLandFunc on_land;
    void *user_data;
    GRand *random;
    GQueue flights; /* of Flight, by when they are due */
    unsigned now;
    unsigned last_due[2]; /* by end */
};

FaxNetwork *
fax_network_new(const FaxNetworkOptions *options, FaxNetworkLandFunc on_land, void *user_data)
{
    FaxNetwork *network = g_new0(FaxNetwork, 1);

    network->options = *options;
    network->on_land = on_land;
    network->user_data = user_data;
    network->random = g_rand_new_with_seed(options->seed);
    g_queue_init(&network->flights);
    return network;
}

static void
flight_free(void *data)
{
    Flight *flight = data;

    g_bytes_unref(flight->bytes);
    g_free(flight);
}

void
fax_network_free(FaxNetwork *network)
{
    g_queue_clear_full(&network->flights, flight_free);
    g_rand_free(network->random);
    g_free(network);
}

/* Those due at the same time in the order in which they left. */
static int
compare_due(const void *a, const void *b, void *user_data)
{
    return ((const Flight *)a)->due > ((const Flight *)b)->due ? 1 : -1;
}

static void
launch_one(FaxNetwork *network, unsigned to, const uint8_t *bytes, size_t len)
{
    unsigned jitter = network->options.jitter_steps;
    Flight *flight = g_new0(Flight, 1);

    flight->due = network->now + network->options.delay_steps;
    flight->due += jitter > 0 ? (unsigned)g_rand_int_range(network->random, 0, (int)jitter + 1) : 0;
    flight->due = MAX(flight->due, network->last_due[to]);
    network->last_due[to] = flight->due;
    if (g_rand_double(network->random) < network->options.overtaken) {
        flight->due += (unsigned)g_rand_int_range(network->random, 1, MAX_BEHIND + 1);
    }
    flight->to = to;
    flight->bytes = g_bytes_new(bytes, len);
    g_queue_insert_sorted(&network->flights, flight, compare_due, NULL);
}

void
fax_network_launch(FaxNetwork *network, unsigned to, const uint8_t *bytes, size_t len)
{
    bool twice = g_rand_double(network->random) < network->options.doubled;

    for (unsigned i = 0; i <= twice; i++) {
        if (g_rand_double(network->random) >= network->options.loss) {
            launch_one(network, to, bytes, len);
        }
    }
}

static bool
is_due(const FaxNetwork *network)
{
    const Flight *first = g_queue_peek_head((GQueue *)&network->flights);

    return first != NULL && first->due <= network->now;
}

void
fax_network_step(FaxNetwork *network)
{
    while (is_due(network)) {
        Flight *flight = g_queue_pop_head(&network->flights);
        gsize len;
        const uint8_t *bytes = g_bytes_get_data(flight->bytes, &len);

        network->on_land(flight->to, bytes, len, network->user_data);
        flight_free(flight);
    }
    network->now++;
}

unsigned
fax_network_now_ms(const FaxNetwork *network)
{
    return network->now * FAX_NETWORK_STEP_MS;
}

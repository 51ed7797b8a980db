/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/counters.h"
#include "tests/lib/sip-gateway.h"

/* Two stacks that call each other over a bad network; their call cores do what comes to mind. */

#define MS          1000
#define S           (1000 * MS)
#define N_CALLS     300
#define MAX_LIVE    20
#define N_SCENARIOS 5

typedef struct {
    DmSimNetwork *network;
    DmSimGateway *side[2];
    DmRandom *random;
    DmSdp *sdp;
    unsigned n_answered, n_closed;
} World;

static void
on_event(DmLeg *leg, const DmLegEvent *event, void *user_data)
{
    World *w = user_data;

    if (event->type == DM_LEG_REOFFER) {
        if (dm_random_range(w->random, 0, 3) == 0) {
            leg->ops->refuse_reoffer(leg, 488);
        } else {
            leg->ops->reanswer(leg, w->sdp);
        }
    }
    w->n_answered += event->type == DM_LEG_ANSWERED;
    w->n_closed += event->type == DM_LEG_CLOSED;
}

/* Something of everything, whether or not it fits: what does not must do no harm. */
static void
do_something(World *w, DmSimGateway *side)
{
    DmLeg *leg;

    if (side->legs->len == 0) {
        return;
    }
    leg = g_ptr_array_index(side->legs, dm_random_range(w->random, 0, side->legs->len - 1));
    switch (dm_random_range(w->random, 0, 6)) {
    case 0:
        leg->ops->close(leg, &(DmRelease){.status = 486, .q850 = 17});
        break;
    case 1:
        leg->ops->progress(leg, 180, NULL);
        break;
    case 2:
        leg->ops->progress(leg, 183, w->sdp);
        break;
    case 3:
        leg->ops->reoffer(leg, w->sdp);
        break;
    default:
        leg->ops->answer(leg, w->sdp);
        break;
    }
}

static void
make_calls(World *w)
{
    for (unsigned made = 0; made < N_CALLS;) {
        DmSimGateway *side = w->side[dm_random_range(w->random, 0, 1)];

        if (side->legs->len < MAX_LIVE) {
            dm_sim_gateway_dial(side, "peer", "+441", w->sdp);
            made++;
        }
        for (unsigned i = 0; i < 4; i++) {
            dm_sim_network_run(w->network, dm_random_range(w->random, 0, 300 * MS));
            do_something(w, w->side[i % 2]);
        }
    }
}

static void
end_everything(World *w)
{
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 0; i < w->side[s]->legs->len; i++) {
            DmLeg *leg = g_ptr_array_index(w->side[s]->legs, i);

            leg->ops->close(leg, &(DmRelease){.status = 503});
        }
    }
    dm_sim_network_run(w->network, 200LL * S);
    for (unsigned s = 0; s < 2; s++) {
        g_assert_cmpuint(w->side[s]->legs->len, ==, 0);
        g_assert_cmpuint(dm_sip_stack_n_legs(w->side[s]->stack), ==, 0);
        g_assert_cmpint(dm_counter_value(&w->side[s]->counters[SIP_tx_active]), ==, 0);
    }
}

static DmSimGateway *
new_side(World *w, const char *address, const char *peer)
{
    g_autofree char *yaml =
        g_strdup_printf("trunks: [{id: peer, role: pbx, endpoints: [{uri: %s}]}]\n", peer);
    DmSimGateway *side = dm_sim_gateway_new(w->network, address, yaml);

    side->on_event = on_event;
    side->user_data = w;
    return side;
}

static void
run_scenario(uint64_t seed)
{
    World w = {.network = dm_sim_network_new(seed), .random = dm_random_new_seeded(seed)};

    g_test_message("seed %" G_GUINT64_FORMAT, seed);
    w.sdp = dm_sim_sdp(20000);
    w.side[0] = new_side(&w, "192.0.2.1:5060", "192.0.2.2");
    w.side[1] = new_side(&w, "192.0.2.2:5060", "192.0.2.1");
    dm_sim_network_set_link(w.network,
                            NULL,
                            NULL,
                            &(DmSimLink){.loss_percent = (unsigned)dm_random_range(w.random, 0, 20),
                                         .duplicate_percent = 5,
                                         .late_percent = 5,
                                         .delay_us = 10 * MS,
                                         .jitter_us = 20 * MS,
                                         .late_max_us = 800 * MS});
    make_calls(&w);
    end_everything(&w);
    g_assert_cmpuint(w.n_answered, >, N_CALLS / 20);
    g_assert_cmpuint(w.n_closed, >=, N_CALLS);
    dm_sim_gateway_free(w.side[0]);
    dm_sim_gateway_free(w.side[1]);
    dm_sim_network_free(w.network);
    dm_random_free(w.random);
    dm_sdp_unref(w.sdp);
}

static void
test_everything_ends(void)
{
    g_test_summary("with loss, doubles and delay every leg and every transaction ends");
    for (uint64_t seed = 1; seed <= N_SCENARIOS; seed++) {
        run_scenario(seed);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sip-loss/everything-ends", test_everything_ends);
    return g_test_run();
}

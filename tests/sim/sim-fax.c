/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "media/dsp/g711.h"
#include "media/fax/ear.h"
#include "media/fax/gateway.h"
#include "media/fax/progress.h"
#include "media/udptl/stream.h"
#include "tests/lib/fax-network.h"
#include "tests/lib/fax-terminal.h"
#include "tests/lib/temp-dir.h"

/* Many faxes, one after the other, in virtual time: machines of SpanDSP's on both sides, modems
 * behind the gateway's code or with T.38 themselves, all their pages compared dot by dot (FAX-3).
 * Half of those between a modem and T.38 begin as speech: the gateway's ear notices the fax, a
 * while later the machine of the T.38 side begins anew with T.38, and the modem knows nothing.
 *
 * DM_SIM_SEED repeats a run, DM_SIM_CALLS says how many faxes, DEMARC_FAX_PAGES of how many pages.
 * At least 99 of a hundred must arrive whole. */

#define STEP             160
#define STEP_MS          FAX_NETWORK_STEP_MS
#define STEPS_S          (1000 / STEP_MS)
#define TAIL_STEPS       (2 * STEPS_S)
#define MAX_PAGE_S       120
#define MAX_EXCHANGE     STEPS_S /* of a re-INVITE: a second */
#define DEFAULT_FAXES    32
#define MIN_WHOLE_PERMIL 990

enum { CALLER, CALLED, N_ENDS };

typedef enum {
    MODEM_TO_T38,
    T38_TO_MODEM,
    T38_TO_T38,     /* relayed: the gateway only reads */
    MODEM_TO_MODEM, /* two gateways, T.38 between them */
    N_WAYS,
} Way;

static const struct {
    const char *name;
    bool has_modem[N_ENDS];
} ways[N_WAYS] = {
    [MODEM_TO_T38] = {"modem to T.38", {true, false}},
    [T38_TO_MODEM] = {"T.38 to modem", {false, true}},
    [T38_TO_T38] = {"T.38 to T.38", {false, false}},
    [MODEM_TO_MODEM] = {"modem to modem by T.38", {true, true}},
};

typedef struct {
    guint32 seed;
    Way way;
    bool ecm, sums, mixed, begins_as_speech;
    double loss;
    unsigned n_pages, n_rows;
} Plan;

typedef struct {
    FaxTerminal *machine;
    DmFaxGateway *gateway; /* between its modem and T.38; NULL: none */
    DmFaxEar *ear;         /* on what it says while the call is speech; NULL: it is not */
    DmUdptlReceiver read;  /* what is relayed */
    struct Fax *fax;
    unsigned index;
} End;

typedef struct Fax {
    const Plan *plan;
    End end[N_ENDS];
    FaxNetwork *network;
    GRand *random;
    DmFaxProgress progress;
    DmTempDir dir;
    char *sent, *received;
    bool is_t38;
    int steps_left; /* until T.38 is agreed on; negative: nobody has been heard */
    unsigned n_steps;
} Fax;

static End *
other_of(const End *end)
{
    return &end->fax->end[1 - end->index];
}

static void
on_datagram(const uint8_t *bytes, size_t len, void *user_data)
{
    End *end = user_data;

    fax_network_launch(end->fax->network, 1 - end->index, bytes, len);
}

static void
on_relayed(uint16_t sequence, const uint8_t *ifp, size_t len, void *user_data)
{
    End *from = user_data;

    dm_fax_progress_take(&from->fax->progress, (DmSide)from->index, ifp, len, 0);
}

static void
on_land(unsigned index, const uint8_t *bytes, size_t len, void *user_data)
{
    Fax *fax = user_data;
    End *end = &fax->end[index];
    End *from = other_of(end);
    DmUdptlPacket packet;

    g_assert_cmpint(dm_udptl_parse(bytes, len, &packet), ==, DM_UDPTL_OK);
    dm_udptl_receive(&from->read, &packet, on_relayed, from);
    if (end->gateway != NULL) {
        dm_fax_gateway_input(end->gateway, &packet);
    } else {
        fax_terminal_input(end->machine, bytes, len);
    }
}

/*
 * The ends
 */

static void
begin_machine(End *end, bool is_t38)
{
    const Fax *fax = end->fax;

    if (end->machine != NULL) {
        fax_terminal_free(end->machine);
    }
    end->machine = fax_terminal_new(
        &(FaxTerminalOptions){
            .is_caller = end->index == CALLER,
            .is_t38 = is_t38,
            .ecm = fax->plan->ecm,
            .send = end->index == CALLER ? fax->sent : NULL,
            .receive = end->index == CALLED ? fax->received : NULL,
            .depth = DM_UDPTL_MAX_DEPTH,
            .sums = fax->plan->sums,
        },
        on_datagram,
        end);
}

static void
begin_t38(Fax *fax)
{
    DmT38 t38 = {.max_bit_rate = 14400, .ec = DM_T38_REDUNDANCY};

    for (unsigned i = 0; i < N_ENDS; i++) {
        End *end = &fax->end[i];

        if (ways[fax->plan->way].has_modem[i]) {
            end->gateway = dm_fax_gateway_new(&t38, on_datagram, end);
        } else {
            begin_machine(end, true);
        }
    }
    fax->is_t38 = true;
}

static void
begin_speech(Fax *fax)
{
    static const unsigned own[N_ENDS] = {DM_FAX_SIGN_CNG, DM_FAX_SIGN_CED};
    bool has_tones = g_rand_boolean(fax->random);

    for (unsigned i = 0; i < N_ENDS; i++) {
        fax->end[i].ear = dm_fax_ear_new(DM_FAX_SIGN_V21 | (has_tones ? own[i] : 0));
        begin_machine(&fax->end[i], false);
    }
}

/*
 * Time
 */

/* Sound crosses in A-law. */
static void
compand(int16_t *samples)
{
    for (unsigned i = 0; i < STEP; i++) {
        samples[i] = dm_g711_from_alaw(dm_g711_to_alaw(samples[i]));
    }
}

static void
step_speech(Fax *fax)
{
    int16_t samples[N_ENDS][STEP];
    bool is_heard = false;

    for (unsigned i = 0; i < N_ENDS; i++) {
        fax_terminal_speak(fax->end[i].machine, samples[i], STEP);
        compand(samples[i]);
        is_heard = dm_fax_ear_hear(fax->end[i].ear, samples[i], STEP) || is_heard;
    }
    for (unsigned i = 0; i < N_ENDS; i++) {
        fax_terminal_hear(fax->end[i].machine, samples[1 - i], STEP);
    }
    if (is_heard && fax->steps_left < 0) {
        fax->steps_left = g_rand_int_range(fax->random, 1, MAX_EXCHANGE + 1);
    } else if (fax->steps_left > 0 && --fax->steps_left == 0) {
        begin_t38(fax);
    }
}

static void
step_t38(End *end)
{
    int16_t samples[STEP];

    if (end->gateway == NULL) {
        fax_terminal_tick(end->machine, STEP);
        return;
    }
    fax_terminal_speak(end->machine, samples, STEP);
    compand(samples);
    dm_fax_gateway_hear(end->gateway, samples, STEP);
    dm_fax_gateway_speak(end->gateway, samples, STEP);
    compand(samples);
    fax_terminal_hear(end->machine, samples, STEP);
}

static void
step(Fax *fax)
{
    if (!fax->is_t38) {
        step_speech(fax);
    } else {
        step_t38(&fax->end[CALLER]);
        step_t38(&fax->end[CALLED]);
        fax_network_step(fax->network);
    }
    fax->n_steps++;
}

static bool
is_over(const Fax *fax)
{
    return fax_terminal_is_over(fax->end[CALLER].machine) &&
           fax_terminal_is_over(fax->end[CALLED].machine);
}

/*
 * One fax
 */

static void
fax_init(Fax *fax, const Plan *plan)
{
    FaxNetworkOptions options = {.seed = plan->seed, .loss = plan->loss};

    memset(fax, 0, sizeof *fax);
    fax->plan = plan;
    fax->steps_left = -1;
    fax->random = g_rand_new_with_seed(plan->seed);
    options.delay_steps = (unsigned)g_rand_int_range(fax->random, 1, 6);
    options.jitter_steps = (unsigned)g_rand_int_range(fax->random, 0, 4);
    options.doubled = plan->loss / 2;
    options.overtaken = plan->loss / 2;
    fax->network = fax_network_new(&options, on_land, fax);
    dm_temp_dir_init(&fax->dir);
    fax->sent = dm_temp_dir_file(&fax->dir, "sent.tif");
    fax->received = dm_temp_dir_file(&fax->dir, "received.tif");
    fax_write_pages(fax->sent,
                    &(FaxPages){.n = plan->n_pages,
                                .n_rows = plan->n_rows,
                                .seed = plan->seed,
                                .mixed = plan->mixed});
    for (unsigned i = 0; i < N_ENDS; i++) {
        fax->end[i].fax = fax;
        fax->end[i].index = i;
    }
}

static void
fax_clear(Fax *fax)
{
    for (unsigned i = 0; i < N_ENDS; i++) {
        fax_terminal_free(fax->end[i].machine);
        dm_fax_gateway_free(fax->end[i].gateway);
        dm_fax_ear_free(fax->end[i].ear);
    }
    fax_network_free(fax->network);
    g_rand_free(fax->random);
    dm_temp_dir_clear(&fax->dir);
    g_free(fax->sent);
    g_free(fax->received);
}

/* What the gateway would write into the record, by each of its readings. */
static bool
is_reported(Fax *fax)
{
    for (unsigned i = 0; i < N_ENDS; i++) {
        DmFaxReport report;

        if (fax->end[i].gateway == NULL) {
            continue;
        }
        dm_fax_gateway_report(fax->end[i].gateway, &report);
        if (report.result != DM_FAX_COMPLETE || report.pages != fax->plan->n_pages) {
            return false;
        }
    }
    return dm_fax_progress_result(&fax->progress) == DM_FAX_COMPLETE &&
           fax->progress.pages == fax->plan->n_pages && fax->progress.ecm == fax->plan->ecm;
}

static bool
is_whole(Fax *fax)
{
    int caller = fax_terminal_result(fax->end[CALLER].machine);
    int called = fax_terminal_result(fax->end[CALLED].machine);
    unsigned equal = fax_count_equal_pages(fax->sent, fax->received);
    bool reported = is_reported(fax);
    bool whole = caller == 0 && called == 0 && equal == fax->plan->n_pages && reported;

    if (!whole) {
        g_test_message("not whole: seed %u, %s, ECM %d, FEC %d, as speech %d, loss %g: caller %d, "
                       "called %d, %u pages equal, %s",
                       fax->plan->seed,
                       ways[fax->plan->way].name,
                       fax->plan->ecm,
                       fax->plan->sums,
                       fax->plan->begins_as_speech,
                       fax->plan->loss,
                       caller,
                       called,
                       equal,
                       reported ? "reported right" : "reported otherwise");
    }
    return whole;
}

/* Returns whether it came through; adds how long it took. */
static bool
send_fax(const Plan *plan, uint64_t *seconds)
{
    unsigned max_steps = (plan->n_pages + 1) * MAX_PAGE_S * STEPS_S;
    Fax fax;
    bool whole;

    fax_init(&fax, plan);
    if (plan->begins_as_speech) {
        begin_speech(&fax);
    } else {
        for (unsigned i = 0; i < N_ENDS; i++) {
            begin_machine(&fax.end[i], !ways[plan->way].has_modem[i]);
        }
        begin_t38(&fax);
    }
    while (fax.n_steps < max_steps && !is_over(&fax)) {
        step(&fax);
    }
    for (unsigned i = 0; i < TAIL_STEPS; i++) {
        step(&fax);
    }
    whole = is_whole(&fax);
    *seconds += fax.n_steps / STEPS_S;
    fax_clear(&fax);
    return whole;
}

/*
 * Many
 */

typedef struct {
    unsigned n, n_whole;
    uint64_t seconds;
} Tally;

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
    const char *value = g_getenv(name);

    return value != NULL ? g_ascii_strtoull(value, NULL, 10) : otherwise;
}

/* Every combination in turn, the rest by dice. */
static Plan
make_plan(guint32 seed, unsigned n_pages)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    Plan plan = {
        .seed = seed,
        .way = seed % N_WAYS,
        .ecm = seed / N_WAYS % 2 == 0,
        .loss = seed / N_WAYS / 2 % 2 == 0 ? 0.01 : 0,
        .n_pages = n_pages,
    };

    plan.begins_as_speech = plan.way != T38_TO_T38 && seed / N_WAYS / 4 % 2 == 0;
    plan.sums = g_rand_int_range(random, 0, 3) == 0;
    plan.mixed = g_rand_int_range(random, 0, 4) == 0;
    plan.n_rows = (unsigned)(n_pages > 2 ? g_rand_int_range(random, 800, 1200)
                                         : g_rand_int_range(random, 200, 400));
    return plan;
}

static void
say(const Plan *plan, const Tally *tally)
{
    g_test_message("%s, %s, %g %% lost: %u of %u whole, %" G_GUINT64_FORMAT " s on the line each",
                   ways[plan->way].name,
                   plan->ecm ? "ECM" : "without ECM",
                   plan->loss * 100,
                   tally->n_whole,
                   tally->n,
                   tally->n > 0 ? tally->seconds / tally->n : 0);
}

#define N_ROWS_OF_TALLY (N_WAYS * 2 * 2)

static void
test_many(void)
{
    guint32 seed = (guint32)number_from("DM_SIM_SEED", g_random_int());
    unsigned n = (unsigned)number_from("DM_SIM_CALLS", DEFAULT_FAXES);
    unsigned n_pages = (unsigned)CLAMP(number_from("DEMARC_FAX_PAGES", 2), 1, 100);
    Tally tally[N_ROWS_OF_TALLY] = {0};
    unsigned n_whole = 0;

    g_test_summary("FAX-2 FAX-3 FAX-5 FAX-6: of many faxes at 14400 bit/s at least 99 in a hundred "
                   "arrive, every dot of them, and are reported as they were");
    g_test_message("DM_SIM_SEED=%u DM_SIM_CALLS=%u DEMARC_FAX_PAGES=%u", seed, n, n_pages);
    for (unsigned i = 0; i < n; i++) {
        Plan plan = make_plan(seed + i, n_pages);
        Tally *row = &tally[plan.seed % N_ROWS_OF_TALLY];
        bool whole = send_fax(&plan, &row->seconds);

        row->n++;
        row->n_whole += whole;
        n_whole += whole;
    }
    for (unsigned i = 0; i < N_ROWS_OF_TALLY; i++) {
        Plan plan = make_plan(i, n_pages);

        if (tally[i].n > 0) {
            say(&plan, &tally[i]);
        }
    }
    g_test_message("%u faxes of %u pages: %u whole (%.2f %%)",
                   n,
                   n_pages,
                   n_whole,
                   100.0 * n_whole / MAX(n, 1));
    g_assert_cmpuint(n_whole * 1000, >=, n * MIN_WHOLE_PERMIL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sim/fax/many", test_many);
    return g_test_run();
}

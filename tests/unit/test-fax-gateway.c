/* SPDX-License-Identifier: Apache-2.0 */
/* Fax machines of SpanDSP's on both sides of the gateway, in one process and in virtual time. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/dsp/g711.h"
#include "media/fax/ear.h"
#include "media/fax/gateway.h"
#include "media/fax/ifp.h"
#include "tests/lib/fax-network.h"
#include "tests/lib/fax-terminal.h"
#include "tests/lib/seed.h"
#include "tests/lib/temp-dir.h"

#define STEP           160
#define STEP_MS        FAX_NETWORK_STEP_MS
#define DELAY_STEPS    2   /* of the network: 40 ms */
#define TAIL_STEPS     100 /* that go by after a machine has hung up */
#define MAX_PAGE_MS    120000
#define PAGE_ROWS      400
#define SEND_PAGES_ENV "DEMARC_FAX_PAGES"

typedef struct {
    FaxTerminal *modem, *t38;
    DmFaxGateway *gateway;
    FaxNetwork *network; /* its end 0 is the gateway */
    DmTempDir dir;
    char *sent, *received;
} World;

typedef struct {
    bool t38_calls;
    bool t38_sends;
    bool ecm;
    bool sums;  /* the machine with T.38 sends FEC, not copies */
    bool mixed; /* pages */
    double loss;
    unsigned jitter_steps;
    unsigned n_pages;
    uint32_t max_bit_rate;
} Case;

static void
on_gateway_sends(const uint8_t *bytes, size_t len, void *user_data)
{
    fax_network_launch(((World *)user_data)->network, 1, bytes, len);
}

static void
on_terminal_sends(const uint8_t *bytes, size_t len, void *user_data)
{
    fax_network_launch(((World *)user_data)->network, 0, bytes, len);
}

static void
on_land(unsigned end, const uint8_t *bytes, size_t len, void *user_data)
{
    World *world = user_data;
    DmUdptlPacket packet;

    if (end != 0) {
        fax_terminal_input(world->t38, bytes, len);
    } else {
        g_assert_cmpint(dm_udptl_parse(bytes, len, &packet), ==, DM_UDPTL_OK);
        dm_fax_gateway_input(world->gateway, &packet);
    }
}

static void
on_nothing(const uint8_t *bytes, size_t len, void *user_data)
{
}

/* Sound crosses in A-law. */
static void
compand(int16_t *samples)
{
    for (unsigned i = 0; i < STEP; i++) {
        samples[i] = dm_g711_from_alaw(dm_g711_to_alaw(samples[i]));
    }
}

static void
step(World *world)
{
    int16_t samples[STEP];

    fax_terminal_speak(world->modem, samples, STEP);
    compand(samples);
    dm_fax_gateway_hear(world->gateway, samples, STEP);
    dm_fax_gateway_speak(world->gateway, samples, STEP);
    compand(samples);
    fax_terminal_hear(world->modem, samples, STEP);
    fax_terminal_tick(world->t38, STEP);
    fax_network_step(world->network);
}

static void
set_up(World *world, const Case *what)
{
    DmT38 t38 = {
        .max_bit_rate = what->max_bit_rate != 0 ? what->max_bit_rate : 14400,
        .ec = DM_T38_REDUNDANCY,
    };
    bool modem_sends = !what->t38_sends;

    memset(world, 0, sizeof *world);
    dm_temp_dir_init(&world->dir);
    world->sent = dm_temp_dir_file(&world->dir, "sent.tif");
    world->received = dm_temp_dir_file(&world->dir, "received.tif");
    world->network = fax_network_new(&(FaxNetworkOptions){.seed = dm_test_seed(),
                                                          .loss = what->loss,
                                                          .delay_steps = DELAY_STEPS,
                                                          .jitter_steps = what->jitter_steps},
                                     on_land,
                                     world);
    fax_write_pages(
        world->sent,
        &(FaxPages){.n = what->n_pages, .n_rows = PAGE_ROWS, .seed = 7, .mixed = what->mixed});
    world->modem = fax_terminal_new(
        &(FaxTerminalOptions){
            .is_caller = !what->t38_calls,
            .ecm = what->ecm,
            .send = modem_sends ? world->sent : NULL,
            .receive = modem_sends ? NULL : world->received,
        },
        NULL,
        NULL);
    world->t38 = fax_terminal_new(
        &(FaxTerminalOptions){
            .is_t38 = true,
            .is_caller = what->t38_calls,
            .ecm = what->ecm,
            .depth = 3,
            .sums = what->sums,
            .send = modem_sends ? NULL : world->sent,
            .receive = modem_sends ? world->received : NULL,
        },
        on_terminal_sends,
        world);
    world->gateway = dm_fax_gateway_new(&t38, on_gateway_sends, world);
}

static void
tear_down(World *world)
{
    fax_terminal_free(world->modem);
    fax_terminal_free(world->t38);
    dm_fax_gateway_free(world->gateway);
    fax_network_free(world->network);
    dm_temp_dir_clear(&world->dir);
    g_free(world->sent);
    g_free(world->received);
}

static void
run_until_over(World *world, unsigned n_pages)
{
    unsigned max_ms = (n_pages + 1) * MAX_PAGE_MS;

    while (fax_network_now_ms(world->network) < max_ms &&
           !(fax_terminal_is_over(world->modem) && fax_terminal_is_over(world->t38))) {
        step(world);
    }
    for (unsigned i = 0; i < TAIL_STEPS; i++) {
        step(world);
    }
}

static void
check(const Case *what)
{
    World world;
    DmFaxReport report;

    set_up(&world, what);
    run_until_over(&world, what->n_pages);
    dm_fax_gateway_report(world.gateway, &report);
    g_test_message("%u pages in %u s at %u bit/s, ECM %d; %u packets made good, %u missed",
                   report.pages,
                   fax_network_now_ms(world.network) / 1000,
                   report.bit_rate,
                   report.ecm,
                   report.recovered,
                   report.missed);
    g_assert_cmpint(fax_terminal_result(world.modem), ==, 0);
    g_assert_cmpint(fax_terminal_result(world.t38), ==, 0);
    g_assert_cmpuint(fax_count_equal_pages(world.sent, world.received), ==, what->n_pages);
    g_assert_cmpuint(report.pages, ==, what->n_pages);
    g_assert_cmpint(report.result, ==, DM_FAX_COMPLETE);
    g_assert_cmpint(report.ecm, ==, what->ecm);
    g_assert_cmpuint(report.bit_rate, ==, what->max_bit_rate != 0 ? what->max_bit_rate : 14400);
    g_assert_cmpint(report.mode, ==, DM_FAX_GATEWAY);
    g_assert_cmpuint(report.missed, ==, 0);
    g_assert_true(!what->sums || report.recovered > 0);
    tear_down(&world);
}

/* A couple of pages in the ordinary run; DEMARC_FAX_PAGES=30 for the whole of FAX-3. */
static unsigned
n_pages(void)
{
    const char *wanted = g_getenv(SEND_PAGES_ENV);

    return wanted != NULL ? (unsigned)CLAMP(atoi(wanted), 1, 100) : 2;
}

static void
test_pages_cross(gconstpointer data)
{
    Case what = *(const Case *)data;

    g_test_summary("FAX-2, FAX-3: V.17 at 14400 bit/s, every dot of every page, either way, with "
                   "copies or with FEC where datagrams are lost");
    what.n_pages = n_pages();
    check(&what);
}

static void
test_late_datagrams(void)
{
    g_test_summary(
        "FAX-3: without ECM, datagrams late by up to 160 ms: the first page is whole too");
    check(&(Case){.n_pages = 2, .t38_calls = true, .t38_sends = true, .jitter_steps = 8});
}

static void
test_mixed_pages(void)
{
    g_test_summary("FAX-3: pages of two resolutions: each is agreed on anew, with another TCF");
    check(&(Case){.n_pages = 3, .t38_calls = true, .t38_sends = true, .mixed = true});
    check(&(Case){.n_pages = 3, .mixed = true});
    check(&(Case){.n_pages = 3, .t38_calls = true, .t38_sends = true, .mixed = true, .ecm = true});
}

/* One indicator from the T.38 side. */
static void
indicate(DmFaxGateway *gateway, uint16_t sequence, uint8_t ifp)
{
    uint8_t bytes[] = {0, (uint8_t)sequence, 1, ifp, 0, 0};
    DmUdptlPacket packet;

    g_assert_cmpint(dm_udptl_parse(bytes, sizeof bytes, &packet), ==, DM_UDPTL_OK);
    dm_fax_gateway_input(gateway, &packet);
}

/* Milliseconds until @ear hears its sign in what the modem is sent; 0: not within @max_ms. */
static unsigned
heard_after_ms(DmFaxGateway *gateway, DmFaxEar *ear, unsigned max_ms)
{
    int16_t samples[STEP];

    for (unsigned ms = STEP_MS; ms <= max_ms; ms += STEP_MS) {
        dm_fax_gateway_speak(gateway, samples, STEP);
        if (dm_fax_ear_hear(ear, samples, STEP)) {
            return ms;
        }
    }
    return 0;
}

#define IFP_NO_SIGNAL 0x00
#define IFP_CNG       0x02
#define IFP_CED       0x04
#define IFP_V21       0x06

static void
test_tone_gives_way(gconstpointer data)
{
    uint8_t tone = (uint8_t)GPOINTER_TO_UINT(data);
    DmT38 t38 = {.max_bit_rate = 14400};
    g_autoptr(DmFaxGateway) gateway = dm_fax_gateway_new(&t38, on_nothing, NULL);
    DmFaxEar *tones = dm_fax_ear_new(tone == IFP_CNG ? DM_FAX_SIGN_CNG : DM_FAX_SIGN_CED);
    DmFaxEar *preamble = dm_fax_ear_new(DM_FAX_SIGN_V21);

    g_test_summary("FAX-3: CNG and CED of T.38 are tones for the modem, also where silence is told "
                   "soon; V.21 does not wait for their end");
    indicate(gateway, 0, IFP_NO_SIGNAL);
    indicate(gateway, 1, tone);
    indicate(gateway, 2, IFP_NO_SIGNAL);
    g_assert_cmpuint(heard_after_ms(gateway, tones, 2000), >, 0);
    indicate(gateway, 3, tone);
    indicate(gateway, 4, IFP_V21);
    g_assert_cmpuint(heard_after_ms(gateway, preamble, 800), >, 0);
    dm_fax_ear_free(tones);
    dm_fax_ear_free(preamble);
}

static void
test_slower_line(void)
{
    g_test_summary("FAX-2: an agreed 9600 bit/s keeps V.17 out of what the machines agree on");
    check(&(Case){.n_pages = 1, .ecm = true, .max_bit_rate = 9600});
}

static void
test_machine_that_hangs_up(void)
{
    Case what = {.n_pages = 2, .ecm = true};
    World world;
    DmFaxReport report;

    g_test_summary("FAX-6: a fax cut off in its first page has failed");
    set_up(&world, &what);
    while (fax_network_now_ms(world.network) < 18 * 1000) {
        step(&world);
    }
    dm_fax_gateway_report(world.gateway, &report);
    g_assert_cmpuint(report.pages, ==, 0);
    g_assert_cmpint(report.result, ==, DM_FAX_FAILED);
    g_assert_cmpuint(report.bit_rate, ==, 14400);
    tear_down(&world);
}

static void
test_nothing_happens(void)
{
    Case what = {.n_pages = 1};
    World world;
    DmFaxReport report;

    g_test_summary("FAX-6: without a fax there is no result");
    set_up(&world, &what);
    dm_fax_gateway_miss(world.gateway, STEP * 50);
    dm_fax_gateway_report(world.gateway, &report);
    g_assert_cmpint(report.result, ==, DM_FAX_UNKNOWN);
    g_assert_cmpuint(report.bit_rate, ==, 0);
    tear_down(&world);
}

static void
test_machine_is_heard(void)
{
    FaxTerminal *terminal = fax_terminal_new(&(FaxTerminalOptions){.ecm = true}, NULL, NULL);
    DmFaxEar *ear = dm_fax_ear_new(DM_FAX_SIGN_V21);
    int16_t samples[STEP];
    unsigned now = 0;

    g_test_summary("FAX-1: a machine that answers is heard by its V.21, soon after CED");
    do {
        fax_terminal_speak(terminal, samples, STEP);
        compand(samples);
        g_assert_cmpuint(++now * STEP_MS, <, 6000);
    } while (!dm_fax_ear_hear(ear, samples, STEP));
    g_test_message("heard after %u ms", now * STEP_MS);
    dm_fax_ear_free(ear);
    fax_terminal_free(terminal);
}

static void
test_other_tones_are_not_a_machine(void)
{
    static const double tones_hz[] = {350, 440, 1100, 1300, 1650, 1850, 2100};
    GRand *random = g_rand_new_with_seed(4);
    DmFaxEar *ear = dm_fax_ear_new(DM_FAX_SIGN_V21);

    g_test_summary("FAX-1: CNG, CED, other tones and noise are no proof of a fax");
    for (unsigned k = 0; k <= G_N_ELEMENTS(tones_hz); k++) {
        for (unsigned i = 0; i < 5 * 8000 / STEP; i++) {
            int16_t samples[STEP];

            for (unsigned n = 0; n < STEP; n++) {
                samples[n] =
                    k < G_N_ELEMENTS(tones_hz)
                        ? (int16_t)(8000 * sin(2 * G_PI * tones_hz[k] * (i * STEP + n) / 8000))
                        : (int16_t)g_rand_int_range(random, -8000, 8000);
            }
            compand(samples);
            g_assert_false(dm_fax_ear_hear(ear, samples, STEP));
        }
    }
    dm_fax_ear_free(ear);
    g_rand_free(random);
}

static void
test_broken_ifp_is_kept_out(void)
{
    static const struct {
        uint8_t bytes[10];
        size_t len;
        unsigned version;
        bool sound;
    } cases[] = {
        {{0}, 0, 0, false},
        {{0x06}, 1, 0, true},                             /* an indicator */
        {{0x20}, 1, 0, false},                            /* of two octets */
        {{0x20, 0x00}, 2, 0, true},                       /* */
        {{0xc0}, 1, 0, false},                            /* data, and no number of fields */
        {{0xc0, 1, 0x80, 0, 1, 0xff, 0xc8}, 7, 0, true},  /* */
        {{0xc0, 1, 0x80, 0, 2, 0xff, 0xc8}, 7, 0, false}, /* one octet short */
        {{0xc0, 2, 0x80, 0, 1, 0xff, 0xc8}, 7, 0, false}, /* one field short */
        {{0xc0, 2, 0x80, 0, 0, 0xff, 0x10}, 7, 0, true},  /* */
        {{0xc0, 1, 0x80, 0xff, 0xff, 0xff}, 6, 0, false}, /* 64 kB */
        {{0xc0, 1, 0xc0, 0, 0, 0, 0xff}, 7, 3, true},     /* a type of two octets */
        {{0x80, 1, 0x80, 0, 0, 0xff}, 6, 0, false},       /* an indicator with data */
    };

    g_test_summary("SEC-7: what SpanDSP is given lies inside its packet");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %zu", i);
        g_assert_cmpint(dm_ifp_read(cases[i].bytes, cases[i].len, cases[i].version, NULL, NULL),
                        ==,
                        cases[i].sound);
    }
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        Case what;
    } cases[] = {
        {"/fax/modem-calls/ecm", {.ecm = true}},
        {"/fax/modem-calls/plain", {.ecm = false}},
        {"/fax/t38-calls/ecm", {.t38_calls = true, .t38_sends = true, .ecm = true}},
        {"/fax/t38-calls/plain", {.t38_calls = true, .t38_sends = true}},
        {"/fax/modem-calls/ecm-loss", {.ecm = true, .loss = 0.01}},
        {"/fax/modem-calls/plain-loss", {.loss = 0.01}},
        {"/fax/t38-calls/ecm-loss",
         {.t38_calls = true, .t38_sends = true, .ecm = true, .loss = 0.01}},
        {"/fax/t38-calls/ecm-sums",
         {.t38_calls = true, .t38_sends = true, .ecm = true, .sums = true, .loss = 0.01}},
        {"/fax/t38-calls/plain-sums",
         {.t38_calls = true, .t38_sends = true, .sums = true, .loss = 0.01}},
        {"/fax/t38-calls/plain-loss", {.t38_calls = true, .t38_sends = true, .loss = 0.01}},
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(cases[i].path, &cases[i].what, test_pages_cross);
    }
    g_test_add_func("/fax/late", test_late_datagrams);
    g_test_add_func("/fax/mixed", test_mixed_pages);
    g_test_add_data_func("/fax/tone/cng", GUINT_TO_POINTER(IFP_CNG), test_tone_gives_way);
    g_test_add_data_func("/fax/tone/ced", GUINT_TO_POINTER(IFP_CED), test_tone_gives_way);
    g_test_add_func("/fax/slower", test_slower_line);
    g_test_add_func("/fax/cut-off", test_machine_that_hangs_up);
    g_test_add_func("/fax/nothing", test_nothing_happens);
    g_test_add_func("/fax/heard", test_machine_is_heard);
    g_test_add_func("/fax/not-heard", test_other_tones_are_not_a_machine);
    g_test_add_func("/fax/ifp", test_broken_ifp_is_kept_out);
    return g_test_run();
}

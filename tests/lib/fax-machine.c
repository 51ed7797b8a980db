/* SPDX-License-Identifier: Apache-2.0 */
/* A fax machine in real time on a UDP port of loopback, for the integration tests. Waits for a line
 * on its standard input, "audio PORT" or "t38 PORT" of the gateway, then faxes and tells what came
 * of it as a line of JSON. Another such line has it begin anew, with the other. Also writes pages
 * and compares them. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/address.h"
#include "media/dsp/g711.h"
#include "media/net/socket.h"
#include "media/rtp/packet.h"
#include "tests/lib/fax-terminal.h"

#define STEP    160
#define STEP_NS 20000000
#define NS      1000000000L
#define MAX_S   3600
#define TAIL    50 /* steps after it is over */
#define PT_ALAW 8
#define PT_ULAW 0

typedef struct {
    FaxTerminal *terminal;
    FaxTerminalOptions options;
    int fd;
    bool is_t38;
    DmAddress gateway;
    DmRtpPacket next;
    unsigned law; /* payload type */
    double loss;
    GRand *random;
} Machine;

static void
send_bytes(Machine *machine, const uint8_t *bytes, size_t len)
{
    if (g_rand_double(machine->random) >= machine->loss) {
        (void)sendto(machine->fd,
                     bytes,
                     len,
                     0,
                     &machine->gateway.any,
                     dm_address_len(&machine->gateway));
    }
}

static void
on_datagram(const uint8_t *bytes, size_t len, void *user_data)
{
    send_bytes(user_data, bytes, len);
}

static void
send_sound(Machine *machine)
{
    uint8_t bytes[DM_RTP_HEADER_LEN + STEP];
    int16_t samples[STEP];

    fax_terminal_speak(machine->terminal, samples, STEP);
    machine->next.pt = (uint8_t)machine->law;
    dm_rtp_build(bytes, &machine->next);
    for (unsigned i = 0; i < STEP; i++) {
        bytes[DM_RTP_HEADER_LEN + i] =
            machine->law == PT_ALAW ? dm_g711_to_alaw(samples[i]) : dm_g711_to_ulaw(samples[i]);
    }
    machine->next.sequence++;
    machine->next.timestamp += STEP;
    send_bytes(machine, bytes, sizeof bytes);
}

static void
take_sound(Machine *machine, const uint8_t *bytes, size_t len)
{
    int16_t samples[STEP];
    DmRtpPacket rtp;

    if (dm_rtp_parse(bytes, len, &rtp) != DM_RTP_OK || rtp.payload_len > STEP ||
        (rtp.pt != PT_ALAW && rtp.pt != PT_ULAW)) {
        return;
    }
    for (unsigned i = 0; i < rtp.payload_len; i++) {
        uint8_t octet = bytes[rtp.payload_offset + i];

        samples[i] = rtp.pt == PT_ALAW ? dm_g711_from_alaw(octet) : dm_g711_from_ulaw(octet);
    }
    fax_terminal_hear(machine->terminal, samples, rtp.payload_len);
}

/* While a call changes, what was sent before still comes: RTP begins with its version, and UDPTL
 * with a number that is lower in any fax of ours. */
static bool
is_sound(const uint8_t *bytes)
{
    return (bytes[0] & 0xc0) == 0x80;
}

static void
receive_all(Machine *machine)
{
    uint8_t bytes[DM_DATAGRAM_MAX];
    ssize_t n;

    while ((n = recv(machine->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        if (machine->terminal == NULL || is_sound(bytes) == machine->is_t38) {
            continue;
        }
        if (machine->is_t38) {
            fax_terminal_input(machine->terminal, bytes, (size_t)n);
        } else {
            take_sound(machine, bytes, (size_t)n);
        }
    }
}

/* Takes a line; a machine that faxes already begins anew, and takes what has come for it meanwhile.
 * false: there are no more. */
static bool
take_order(Machine *machine)
{
    char kind[16];
    unsigned port;

    if (scanf("%15s %u", kind, &port) != 2 || port > 65535) {
        return false;
    }
    dm_address_parse(&machine->gateway, "127.0.0.1", (uint16_t)port);
    if (machine->terminal == NULL) {
        receive_all(machine); /* of a time when nobody listened */
    } else {
        fax_terminal_free(machine->terminal);
    }
    machine->is_t38 = strcmp(kind, "t38") == 0;
    machine->options.is_t38 = machine->is_t38;
    machine->terminal = fax_terminal_new(&machine->options, on_datagram, machine);
    return true;
}

static bool
has_order(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

    return poll(&input, 1, 0) > 0 && (input.revents & POLLIN);
}

static void
run(Machine *machine)
{
    struct timespec next;
    unsigned tail = 0;
    bool listens = true;

    clock_gettime(CLOCK_MONOTONIC, &next);
    for (unsigned i = 0; i < MAX_S * 50 && tail < TAIL; i++) {
        if (listens && has_order()) {
            listens = take_order(machine);
        }
        if (machine->is_t38) {
            fax_terminal_tick(machine->terminal, STEP);
        } else {
            send_sound(machine);
        }
        receive_all(machine);
        tail += fax_terminal_is_over(machine->terminal);
        next.tv_nsec += STEP_NS;
        next.tv_sec += next.tv_nsec / NS;
        next.tv_nsec %= NS;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static int
fax(int argc, char **argv)
{
    g_autofree char *send = NULL;
    g_autofree char *receive = NULL;
    gboolean is_caller = FALSE;
    gboolean ecm = FALSE;
    gboolean sums = FALSE;
    int port = 0;
    int law = PT_ALAW;
    double loss = 0;
    const GOptionEntry entries[] = {
        {"port", 0, 0, G_OPTION_ARG_INT, &port, "of ours", "PORT"},
        {"law", 0, 0, G_OPTION_ARG_INT, &law, "payload type: 0 or 8", "PT"},
        {"caller", 0, 0, G_OPTION_ARG_NONE, &is_caller, "", NULL},
        {"ecm", 0, 0, G_OPTION_ARG_NONE, &ecm, "", NULL},
        {"sums", 0, 0, G_OPTION_ARG_NONE, &sums, "FEC, not copies, with T.38", NULL},
        {"send", 0, 0, G_OPTION_ARG_FILENAME, &send, "", "TIFF"},
        {"receive", 0, 0, G_OPTION_ARG_FILENAME, &receive, "", "TIFF"},
        {"loss", 0, 0, G_OPTION_ARG_DOUBLE, &loss, "of what it sends", "SHARE"},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    Machine machine = {.random = g_rand_new(), .next = {.ssrc = 7}};
    DmAddress address;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL) ||
        !dm_address_parse(&address, "127.0.0.1", (uint16_t)port)) {
        return 2;
    }
    machine.law = (unsigned)law;
    machine.loss = loss;
    machine.fd = dm_udp_open(&address, 0);
    machine.options = (FaxTerminalOptions){
        .is_caller = is_caller,
        .ecm = ecm,
        .sums = sums,
        .send = send,
        .receive = receive,
        .depth = 3,
    };
    if (machine.fd < 0 || !take_order(&machine)) {
        return 2;
    }
    run(&machine);
    printf("{\"result\": %d, \"pages\": %u, \"bit_rate\": %u, \"ecm\": %s}\n",
           fax_terminal_result(machine.terminal),
           fax_terminal_pages(machine.terminal),
           fax_terminal_bit_rate(machine.terminal),
           fax_terminal_has_ecm(machine.terminal) ? "true" : "false");
    fax_terminal_free(machine.terminal);
    g_rand_free(machine.random);
    close(machine.fd);
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "write") == 0) {
        const FaxPages pages = {
            .n = (unsigned)atoi(argv[3]),
            .n_rows = (unsigned)atoi(argv[4]),
            .seed = 7,
        };

        fax_write_pages(argv[2], &pages);
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "compare") == 0) {
        printf("%u\n", fax_count_equal_pages(argv[2], argv[3]));
        return 0;
    }
    return fax(argc, argv);
}

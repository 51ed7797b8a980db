/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to protect and to unprotect a packet of 20 ms of G.711, and what a session of two
 * directions holds, with libsrtp2's own ciphers and with ours, at few sessions and at many: the
 * contexts of many do not stay in the caches. */
#include "media/srtp/srtp.h"

#include <glib.h>
#include <malloc.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "media/rtp/packet.h"

#define PACKET_LEN (DM_RTP_HEADER_LEN + 160)
#define N_PACKETS  20000 /* the stock ciphers take seconds for so many */

typedef struct {
    const char *name;
    void (*set)(srtp_crypto_policy_t *policy);
} Suite;

typedef struct {
    srtp_t out, in;
    int len;
    uint8_t bytes[PACKET_LEN + DM_SRTP_ROOM];
} Session;

static int64_t
cpu_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void
session_open(Session *session, const Suite *suite, uint32_t number)
{
    static uint8_t key[SRTP_MAX_KEY_LEN] = {1, 2, 3};
    srtp_policy_t policy = {.key = key, .window_size = 128};

    suite->set(&policy.rtp);
    suite->set(&policy.rtcp);
    policy.ssrc = (srtp_ssrc_t){ssrc_specific, number};
    if (srtp_create(&session->out, &policy) != srtp_err_status_ok) {
        g_error("sender");
    }
    policy.ssrc = (srtp_ssrc_t){ssrc_any_inbound, 0};
    if (srtp_create(&session->in, &policy) != srtp_err_status_ok) {
        g_error("receiver");
    }
}

static void
protect(Session *session, uint32_t number, uint16_t sequence)
{
    DmRtpPacket rtp = {.ssrc = number, .sequence = sequence};

    dm_rtp_build(session->bytes, &rtp);
    session->len = PACKET_LEN;
    if (srtp_protect(session->out, session->bytes, &session->len) != srtp_err_status_ok) {
        g_error("protect");
    }
}

static void
unprotect(Session *session)
{
    if (srtp_unprotect(session->in, session->bytes, &session->len) != srtp_err_status_ok) {
        g_error("unprotect");
    }
}

static void
measure(const char *ciphers, const Suite *suite, uint32_t n)
{
    g_autofree Session *sessions = g_new0(Session, n);
    size_t before = mallinfo2().uordblks;
    int64_t protect_ns = 0;
    int64_t unprotect_ns = 0;
    uint16_t rounds = (uint16_t)(N_PACKETS / n);
    size_t held;

    for (uint32_t i = 0; i < n; i++) {
        session_open(&sessions[i], suite, i + 1);
        protect(&sessions[i], i + 1, 0); /* the first packet of a source makes its stream */
        unprotect(&sessions[i]);
    }
    held = mallinfo2().uordblks - before;
    for (uint16_t round = 1; round <= rounds; round++) {
        int64_t begin_ns = cpu_ns();

        for (uint32_t i = 0; i < n; i++) {
            protect(&sessions[i], i + 1, round);
        }
        protect_ns += cpu_ns() - begin_ns;
        begin_ns = cpu_ns();
        for (uint32_t i = 0; i < n; i++) {
            unprotect(&sessions[i]);
        }
        unprotect_ns += cpu_ns() - begin_ns;
    }
    printf("srtp_%s_%s_%u_protect %.0f ns\n",
           ciphers,
           suite->name,
           n,
           (double)protect_ns / rounds / n);
    printf("srtp_%s_%s_%u_unprotect %.0f ns\n",
           ciphers,
           suite->name,
           n,
           (double)unprotect_ns / rounds / n);
    printf("srtp_%s_%s_%u_session %zu bytes\n", ciphers, suite->name, n, held / n);
    for (uint32_t i = 0; i < n; i++) {
        srtp_dealloc(sessions[i].out);
        srtp_dealloc(sessions[i].in);
    }
}

static void
measure_all(const char *ciphers)
{
    static const Suite suites[] = {
        {"cm128", srtp_crypto_policy_set_rtp_default},
        {"gcm128", srtp_crypto_policy_set_aes_gcm_128_16_auth},
    };
    static const uint32_t counts[] = {10, 1000, 4000};

    for (unsigned i = 0; i < G_N_ELEMENTS(suites); i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(counts); k++) {
            measure(ciphers, &suites[i], counts[k]);
        }
    }
}

/* The library takes ciphers of ours for good: its own are measured in another process. */
static void
measure_stock(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        if (srtp_init() != srtp_err_status_ok) {
            g_error("libsrtp2 does not start");
        }
        measure_all("stock");
        fflush(stdout);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
        g_error("the stock ciphers were not measured");
    }
}

int
main(void)
{
    g_autoptr(GError) error = NULL;

    measure_stock();
    if (!dm_srtp_init(&error)) {
        g_error("%s", error->message);
    }
    measure_all("own");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "media/dtls/association.h"
#include "tests/lib/seed.h"

/* Time in here is ours: OpenSSL's is that of this function, which stands in front of the system's.
 */
static int64_t virtual_us = INT64_C(1700000000) * 1000000;

int
gettimeofday(struct timeval *out, void *zone)
{
    *out = (struct timeval){virtual_us / 1000000, virtual_us % 1000000};
    return 0;
}

#define MAX_DATAGRAMS 200

typedef struct World World;

typedef struct {
    World *world;
    DmDtls *dtls;
    DmDtlsIdentity *identity;
    DmDtlsSpec spec;
    DmAddress address;
    GQueue inbox;    /* of GBytes */
    unsigned n_sent; /* datagrams */
    size_t n_bytes;  /* in them */
    int64_t due_us;  /* 0: not waiting */
} Peer;

struct World {
    Peer peer[2];
    uint64_t lost; /* a bit a datagram, in the order they are sent by either */
    unsigned n_datagrams;
};

enum { CLIENT, SERVER };

static Peer *
other(Peer *peer)
{
    return &peer->world->peer[peer == &peer->world->peer[CLIENT] ? SERVER : CLIENT];
}

static void
send_datagram(const uint8_t *bytes, size_t len, void *user_data)
{
    Peer *peer = user_data;
    unsigned number = peer->world->n_datagrams++;

    g_assert_cmpuint(len, <=, 1200);
    g_assert_cmpuint(number, <, MAX_DATAGRAMS);
    peer->n_sent++;
    peer->n_bytes += len;
    if (number >= 64 || (peer->world->lost >> number & 1) == 0) {
        g_queue_push_tail(&other(peer)->inbox, g_bytes_new(bytes, len));
    }
}

static void
init(World *world)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2"};

    *world = (World){0};
    for (unsigned i = 0; i < 2; i++) {
        Peer *peer = &world->peer[i];
        g_autoptr(GError) error = NULL;

        peer->world = world;
        peer->identity = dm_dtls_identity_new(&error);
        g_assert_no_error(error);
        g_assert_true(dm_address_parse(&peer->address, addresses[i], 4000));
        peer->spec = (DmDtlsSpec){
            .role = i == CLIENT ? DM_DTLS_ACTIVE : DM_DTLS_PASSIVE,
            .n_suites = 1,
            .suites = {DM_SRTP_AES_CM_128_HMAC_SHA1_80},
        };
    }
    for (unsigned i = 0; i < 2; i++) {
        world->peer[i].spec.peer = *dm_dtls_identity_fingerprint(world->peer[1 - i].identity);
    }
}

static void
clear(World *world)
{
    for (unsigned i = 0; i < 2; i++) {
        dm_dtls_free(world->peer[i].dtls);
        dm_dtls_identity_unref(world->peer[i].identity);
        g_queue_clear_full(&world->peer[i].inbox, (GDestroyNotify)g_bytes_unref);
    }
}

static void
rearm(Peer *peer)
{
    int64_t wait_us = dm_dtls_wait_us(peer->dtls);

    peer->due_us = wait_us >= 0 ? virtual_us + wait_us : 0;
}

static void
start(World *world, bool is_proven)
{
    for (int i = 1; i >= 0; i--) {
        Peer *peer = &world->peer[i];

        peer->dtls = dm_dtls_new(peer->identity, &peer->spec, is_proven, send_datagram, peer);
        dm_dtls_start(peer->dtls);
        rearm(peer);
    }
}

static bool
deliver(Peer *peer)
{
    g_autoptr(GBytes) datagram = g_queue_pop_head(&peer->inbox);
    gsize len;
    const uint8_t *bytes;

    if (datagram == NULL) {
        return false;
    }
    bytes = g_bytes_get_data(datagram, &len);
    dm_dtls_input(peer->dtls, bytes, len, &other(peer)->address);
    rearm(peer);
    return true;
}

/* To the next timer; false: there is none. */
static bool
wait_on(World *world)
{
    int64_t due_us = 0;

    for (unsigned i = 0; i < 2; i++) {
        int64_t own_us = world->peer[i].due_us;

        due_us = own_us != 0 && (due_us == 0 || own_us < due_us) ? own_us : due_us;
    }
    virtual_us = MAX(due_us, virtual_us);
    for (unsigned i = 0; i < 2; i++) {
        Peer *peer = &world->peer[i];

        if (peer->due_us != 0 && peer->due_us <= virtual_us) {
            dm_dtls_on_timer(peer->dtls);
            rearm(peer);
        }
    }
    return due_us != 0;
}

/* Returns how long it took. */
static int64_t
run(World *world)
{
    int64_t begun_us = virtual_us;

    while (deliver(&world->peer[CLIENT]) || deliver(&world->peer[SERVER]) ||
           (virtual_us - begun_us < 20 * G_USEC_PER_SEC && wait_on(world))) {
    }
    return virtual_us - begun_us;
}

static void
assert_agreed(World *world, DmSrtpSuite suite)
{
    DmSrtpKey in[2];
    DmSrtpKey out[2];

    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(dm_dtls_state(world->peer[i].dtls), ==, DM_DTLS_DONE);
        dm_dtls_keys(world->peer[i].dtls, &in[i], &out[i]);
        g_assert_cmpint(in[i].suite, ==, suite);
    }
    g_assert_cmpmem(&in[CLIENT], sizeof *in, &out[SERVER], sizeof *out);
    g_assert_cmpmem(&in[SERVER], sizeof *in, &out[CLIENT], sizeof *out);
    g_assert_true(memcmp(&in[CLIENT], &out[CLIENT], sizeof *in) != 0);
}

static void
test_both_find_the_same_keys(void)
{
    static const DmSrtpSuite suites[] = {
        DM_SRTP_AES_CM_128_HMAC_SHA1_80,
        DM_SRTP_AES_CM_128_HMAC_SHA1_32,
        DM_SRTP_AEAD_AES_128_GCM,
        DM_SRTP_AEAD_AES_256_GCM,
    };

    g_test_summary("RFC 5764, 4.2 and RFC 7714, 14.2: the keys of each suite are the same on both "
                   "sides, another for each direction (SEC-2)");

    for (size_t i = 0; i < G_N_ELEMENTS(suites); i++) {
        World world;

        init(&world);
        world.peer[CLIENT].spec.suites[0] = world.peer[SERVER].spec.suites[0] = (uint8_t)suites[i];
        start(&world, i % 2 == 0);
        g_assert_cmpint(run(&world), ==, 0);
        assert_agreed(&world, suites[i]);
        clear(&world);
    }
}

static void
test_the_passive_sides_order_counts(void)
{
    static const uint8_t client[] = {DM_SRTP_AES_CM_128_HMAC_SHA1_80, DM_SRTP_AEAD_AES_256_GCM};
    static const uint8_t server[] = {DM_SRTP_AES_256_CM_HMAC_SHA1_80,
                                     DM_SRTP_AEAD_AES_256_GCM,
                                     DM_SRTP_AES_CM_128_HMAC_SHA1_80};
    World world;

    g_test_summary("The best suite of the passive side that the other has; AES-256 in counter mode "
                   "has no profile and is passed over");

    init(&world);
    memcpy(world.peer[CLIENT].spec.suites, client, sizeof client);
    memcpy(world.peer[SERVER].spec.suites, server, sizeof server);
    world.peer[CLIENT].spec.n_suites = 2;
    world.peer[SERVER].spec.n_suites = 3;
    start(&world, true);
    run(&world);
    assert_agreed(&world, DM_SRTP_AEAD_AES_256_GCM);
    clear(&world);
}

static void
test_any_datagram_may_be_lost(void)
{
    g_test_summary("RFC 6347, 4.2.4: with any one datagram of the first nine lost, or any two "
                   "neighbours, both have keys within 3 s of virtual time");

    for (unsigned n = 1; n <= 2; n++) {
        for (unsigned first = 0; first < 9; first++) {
            World world;
            int64_t took_us;

            init(&world);
            world.lost = (uint64_t)(n == 1 ? 1 : 3) << first;
            start(&world, first % 2 == 0);
            took_us = run(&world);
            assert_agreed(&world, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
            g_assert_cmpint(took_us, <=, 3 * G_USEC_PER_SEC);
            clear(&world);
        }
    }
}

static gint
compare_int64(gconstpointer a, gconstpointer b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void
test_a_third_may_be_lost(void)
{
    enum { N = 100 };
    int64_t took_us[N];
    g_autoptr(GRand) rand = g_rand_new_with_seed(dm_test_seed());

    g_test_summary("RFC 6347, 4.2.4: with 30 % of all datagrams lost a hundred handshakes all end "
                   "within the 15 s they are given, half of them within 3 s of virtual time");

    for (unsigned i = 0; i < N; i++) {
        World world;

        init(&world);
        for (unsigned bit = 0; bit < 64; bit++) {
            world.lost |= (uint64_t)(g_rand_int_range(rand, 0, 10) < 3) << bit;
        }
        start(&world, i % 2 == 0);
        took_us[i] = run(&world);
        assert_agreed(&world, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
        clear(&world);
    }
    qsort(took_us, N, sizeof *took_us, compare_int64);
    g_test_message("median %" G_GINT64_FORMAT " ms, longest %" G_GINT64_FORMAT " ms",
                   took_us[N / 2] / 1000,
                   took_us[N - 1] / 1000);
    g_assert_cmpint(took_us[N / 2], <=, 3 * G_USEC_PER_SEC);
    g_assert_cmpint(took_us[N - 1], <=, 15 * G_USEC_PER_SEC);
}

static void
test_the_last_flight_comes_again_when_it_is_asked_for(void)
{
    World world;
    Peer *client = &world.peer[CLIENT];
    Peer *server = &world.peer[SERVER];

    g_test_summary("RFC 6347, 4.2.4: the passive side, which is done, repeats its last flight for "
                   "every Finished of a peer that has lost it, and for nothing else");

    init(&world);
    start(&world, true);
    while (dm_dtls_state(server->dtls) != DM_DTLS_DONE) {
        g_assert_true(deliver(server) || deliver(client));
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned before = server->n_sent;

        g_queue_clear_full(&client->inbox, (GDestroyNotify)g_bytes_unref);
        g_assert_true(wait_on(&world)); /* the client says its own again */
        g_assert_cmpuint(server->n_sent, ==, before);
        while (deliver(server)) {
        }
        g_assert_cmpuint(server->n_sent, ==, before + 1);
    }
    run(&world);
    assert_agreed(&world, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    clear(&world);
}

static void
test_a_silent_peer_is_asked_less_and_less(void)
{
    World world;

    g_test_summary("Sent again after 0.4 s and then every 0.8 s, a dozen times: few bytes to who "
                   "may not want them");

    init(&world);
    world.lost = ~UINT64_C(0);
    start(&world, true);
    run(&world);
    g_assert_cmpuint(world.peer[SERVER].n_sent, ==, 0);
    g_assert_cmpuint(world.peer[CLIENT].n_sent, >=, 5);
    g_assert_cmpuint(world.peer[CLIENT].n_sent, <=, 14);
    g_assert_cmpuint(world.peer[CLIENT].n_bytes, <, 4000);
    clear(&world);
}

static void
test_a_wrong_fingerprint_gives_no_keys(void)
{
    g_test_summary("RFC 5763, 5: whose certificate is not the one signalled is refused, on either "
                   "side, and hears so (SEC-2)");

    for (unsigned wronged = 0; wronged < 2; wronged++) {
        World world;

        init(&world);
        world.peer[wronged].spec.peer.bytes[31] ^= 1;
        start(&world, true);
        run(&world);
        g_assert_cmpint(dm_dtls_state(world.peer[wronged].dtls), ==, DM_DTLS_FAILED);
        g_assert_cmpint(dm_dtls_failure(world.peer[wronged].dtls), ==, DM_DTLS_WRONG_FINGERPRINT);
        g_assert_cmpint(dm_dtls_state(world.peer[1 - wronged].dtls), ==, DM_DTLS_FAILED);
        g_assert_cmpint(dm_dtls_failure(world.peer[1 - wronged].dtls), ==, DM_DTLS_REFUSED);
        clear(&world);
    }
}

static void
test_no_fingerprint_is_no_peer(void)
{
    World world;

    g_test_summary("Without a fingerprint nobody is the peer");

    init(&world);
    world.peer[SERVER].spec.peer = (DmFingerprint){0};
    start(&world, true);
    run(&world);
    g_assert_cmpint(dm_dtls_failure(world.peer[SERVER].dtls), ==, DM_DTLS_WRONG_FINGERPRINT);
    clear(&world);
}

static void
test_no_common_suite_is_a_failure(void)
{
    World world;

    g_test_summary("RFC 5764, 4.1: a handshake without an SRTP profile in common gives no keys");

    init(&world);
    world.peer[SERVER].spec.suites[0] = DM_SRTP_AEAD_AES_256_GCM;
    start(&world, true);
    run(&world);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_cmpint(dm_dtls_state(world.peer[i].dtls), ==, DM_DTLS_FAILED);
        g_assert_cmpint(dm_dtls_failure(world.peer[i].dtls), ==, DM_DTLS_NO_PROFILE);
    }
    clear(&world);

    init(&world);
    world.peer[CLIENT].spec.suites[0] = DM_SRTP_AES_256_CM_HMAC_SHA1_80;
    start(&world, true);
    g_assert_cmpint(dm_dtls_failure(world.peer[CLIENT].dtls), ==, DM_DTLS_NO_PROFILE);
    g_assert_cmpuint(world.peer[CLIENT].n_sent, ==, 0);
    clear(&world);
}

static void
test_a_stranger_gets_a_cookie_and_no_more(void)
{
    World world;
    g_autoptr(GBytes) hello = NULL;
    DmAddress stranger;
    Peer *server = &world.peer[SERVER];

    g_test_summary("RFC 6347, 4.2.1: whoever says hello in another's name gets less than it sent, "
                   "spoils nothing, and the peer's handshake goes on (SEC-3)");

    init(&world);
    start(&world, false);
    g_assert_true(dm_address_parse(&stranger, "203.0.113.66", 666));
    hello = g_bytes_ref(g_queue_peek_head(&server->inbox));
    for (unsigned i = 0; i < 20; i++) {
        gsize len;
        const uint8_t *bytes = g_bytes_get_data(hello, &len);
        size_t before = server->n_bytes;

        dm_dtls_input(server->dtls, bytes, len, &stranger);
        g_assert_cmpuint(server->n_bytes - before, <, len);
        g_assert_cmpint(dm_dtls_wait_us(server->dtls), ==, -1);
    }
    g_queue_clear_full(&world.peer[CLIENT].inbox, (GDestroyNotify)g_bytes_unref);
    run(&world);
    assert_agreed(&world, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    clear(&world);
}

static void
test_garbage_does_no_harm(void)
{
    static const uint8_t junk[][20] = {
        {0x80, 0, 1},                                            /* RTP */
        {0, 1, 0, 0},                                            /* STUN */
        {22},                                                    /* cut short */
        {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff},    /* too long */
        {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 4, 1, 2, 3}, /* a later epoch */
        {63, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 9, 0, 7, 1, 2, 3}, /* of no kind */
        {20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 40, 0, 1, 1, 0},   /* change cipher, too early */
    };
    World world;

    g_test_summary("Datagrams that are no DTLS, before, during and after the handshake, change "
                   "nothing");

    init(&world);
    start(&world, true);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < G_N_ELEMENTS(junk); i++) {
            for (unsigned k = 0; k < 2; k++) {
                dm_dtls_input(world.peer[k].dtls,
                              junk[i],
                              sizeof junk[i],
                              &world.peer[1 - k].address);
                g_assert_cmpint(dm_dtls_state(world.peer[k].dtls), !=, DM_DTLS_FAILED);
            }
        }
        run(&world);
        assert_agreed(&world, DM_SRTP_AES_CM_128_HMAC_SHA1_80);
    }
    clear(&world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dtls/keys", test_both_find_the_same_keys);
    g_test_add_func("/dtls/order", test_the_passive_sides_order_counts);
    g_test_add_func("/dtls/loss", test_any_datagram_may_be_lost);
    g_test_add_func("/dtls/loss-30", test_a_third_may_be_lost);
    g_test_add_func("/dtls/last-flight", test_the_last_flight_comes_again_when_it_is_asked_for);
    g_test_add_func("/dtls/silence", test_a_silent_peer_is_asked_less_and_less);
    g_test_add_func("/dtls/wrong-fingerprint", test_a_wrong_fingerprint_gives_no_keys);
    g_test_add_func("/dtls/no-fingerprint", test_no_fingerprint_is_no_peer);
    g_test_add_func("/dtls/no-suite", test_no_common_suite_is_a_failure);
    g_test_add_func("/dtls/cookie", test_a_stranger_gets_a_cookie_and_no_more);
    g_test_add_func("/dtls/garbage", test_garbage_does_no_harm);
    return g_test_run();
}

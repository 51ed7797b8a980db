/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>

#include "media/net/ports.h"

#define SEC       INT64_C(1000000)
#define N_THREADS 4
#define N_ROUNDS  20000

static void
test_pairs_are_even_and_inside(void)
{
    g_autoptr(DmPorts) ports = dm_ports_new(41001, 41010, 0);
    bool seen[8] = {false};
    uint16_t port;

    g_test_summary("41001 to 41010 hold four pairs, 41002 to 41009; 41010 has no odd one above");

    g_assert_cmpuint(dm_ports_limit(ports), ==, 8);
    for (uint32_t i = 0; i < 4; i++) {
        g_assert_true(dm_ports_take(ports, 7 * i, SEC, &port));
        g_assert_cmpuint(port % 2, ==, 0);
        g_assert_cmpuint(port, >=, 41002);
        g_assert_cmpuint(port, <=, 41008);
        g_assert_false(seen[port - 41002]);
        seen[port - 41002] = true;
    }
    g_assert_false(dm_ports_take(ports, 0, SEC, &port));
    g_assert_null(dm_ports_new(41001, 41002, 0));
    g_assert_null(dm_ports_new(0, 1, 0));
    g_assert_null(dm_ports_new(41010, 41000, 0));
}

static void
test_last_port_there_is_can_be_used(void)
{
    g_autoptr(DmPorts) ports = dm_ports_new(65534, 65535, 0);
    uint16_t port;

    g_assert_true(dm_ports_take(ports, 1, SEC, &port));
    g_assert_cmpuint(port, ==, 65534);
}

static void
test_a_pair_given_back_rests(void)
{
    g_autoptr(DmPorts) ports = dm_ports_new(41000, 41003, 30 * SEC);
    uint16_t port, other;

    g_test_summary("MED-10: a pair rests 30 s while there is another, and 5 s at the least");
    g_assert_true(dm_ports_take(ports, 0, SEC, &port));
    dm_ports_give_back(ports, port, 2 * SEC);
    g_assert_cmpuint(dm_ports_used(ports, 31 * SEC), ==, 2);
    g_assert_cmpuint(dm_ports_used(ports, 32 * SEC), ==, 0);
    /* The other one, although the search begins at the one that rests. */
    g_assert_true(dm_ports_take(ports, 0, 3 * SEC, &other));
    g_assert_cmpuint(other, !=, port);
    /* Only the resting one is left. */
    g_assert_false(dm_ports_take(ports, 0, 7 * SEC - 1, &other));
    g_assert_true(dm_ports_take(ports, 0, 7 * SEC, &other));
    g_assert_cmpuint(other, ==, port);
}

/* Takes and gives back; @owners says who has which pair. */
typedef struct {
    DmPorts *ports;
    gint owners[64];
} Shared;

static gpointer
take_and_give(gpointer data)
{
    Shared *shared = data;

    for (uint32_t i = 0; i < N_ROUNDS; i++) {
        uint16_t port;

        if (dm_ports_take(shared->ports, i * 2654435761u, SEC, &port)) {
            gint *owner = &shared->owners[(port - 41000) / 2];

            g_assert_true(g_atomic_int_compare_and_exchange(owner, 0, 1));
            g_atomic_int_set(owner, 0);
            dm_ports_give_back(shared->ports, port, 0);
        }
    }
    return NULL;
}

static void
test_threads_never_get_the_same_pair(void)
{
    g_autoptr(DmPorts) ports = dm_ports_new(41000, 41005, 0);
    Shared shared = {.ports = ports};
    GThread *threads[N_THREADS];

    for (unsigned i = 0; i < N_THREADS; i++) {
        threads[i] = g_thread_new(NULL, take_and_give, &shared);
    }
    for (unsigned i = 0; i < N_THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(dm_ports_used(ports, SEC), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media/ports/pairs", test_pairs_are_even_and_inside);
    g_test_add_func("/media/ports/last", test_last_port_there_is_can_be_used);
    g_test_add_func("/media/ports/rest", test_a_pair_given_back_rests);
    g_test_add_func("/media/ports/threads", test_threads_never_get_the_same_pair);
    return g_test_run();
}

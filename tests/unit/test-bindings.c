/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/trunk/bindings.h"

#define S INT64_C(1000000)

static DmBinding *
make(uint64_t id, const char *uri, unsigned q, int64_t updated_us)
{
    DmBinding *binding = g_new0(DmBinding, 1);

    *binding = (DmBinding){
        .id = id,
        .uri = g_strdup(uri),
        .path = g_strdup("<sip:edge.example.net;lr>"),
        .instance = g_strdup("urn:uuid:1"),
        .reg_id = 2,
        .call_id = g_strdup("c1"),
        .cseq = 7,
        .user_agent = g_strdup("PBX 1"),
        .q = q,
        .granted_s = 600,
        .updated_us = updated_us,
        .expires_us = updated_us + 600 * S,
        .transport = DM_TRANSPORT_TCP,
        .listener = g_strdup("main"),
        .connection = 99,
    };
    dm_address_parse(&binding->source, "192.0.2.10", 40000);
    dm_address_parse(&binding->reachable, "192.0.2.10", 5060);
    return binding;
}

static DmBindings *
make_two(void)
{
    GPtrArray *list = g_ptr_array_new();

    g_ptr_array_add(list, make(1, "sip:a@192.0.2.10", 500, 1000 * S));
    g_ptr_array_add(list, make(2, "sip:b@192.0.2.10", 500, 1001 * S));
    return dm_bindings_new(list);
}

static void
test_order(void)
{
    GPtrArray *list = g_ptr_array_new();
    g_autoptr(DmBindings) bindings = NULL;
    static const uint64_t order[] = {3, 2, 1};

    g_test_summary("REG-5: the contact wanted most first; of equals the one heard of last");
    g_ptr_array_add(list, make(1, "sip:a@h", 500, 1000 * S));
    g_ptr_array_add(list, make(2, "sip:b@h", 500, 1001 * S));
    g_ptr_array_add(list, make(3, "sip:c@h", 1000, 999 * S));
    bindings = dm_bindings_new(list);
    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        g_assert_cmpuint(((DmBinding *)bindings->list->pdata[i])->id, ==, order[i]);
    }
    g_assert_cmpstr(dm_bindings_find(bindings, 2)->uri, ==, "sip:b@h");
    g_assert_null(dm_bindings_find(bindings, 4));
    g_assert_null(dm_bindings_find(NULL, 1));
}

/* Written at monotonic 1100 s and wall @then_s, read at monotonic 5 s (another boot) and wall
 * @now_s. */
static DmBindings *
over_a_restart(int64_t then_s, int64_t now_s)
{
    g_autoptr(DmBindings) bindings = make_two();
    json_t *json = dm_bindings_to_json(bindings, 1100 * S, then_s * S);
    DmBindings *back = dm_bindings_from_json(json, 5 * S, now_s * S);

    json_decref(json);
    return back;
}

static void
test_restart(void)
{
    g_autoptr(DmBindings) back = over_a_restart(1700000000, 1700000100);
    const DmBinding *first = back->list->pdata[0];
    char text[DM_ADDRESS_TEXT_MAX];

    g_test_summary("OPS-3 REG-5: contacts outlive the process; their streams do not");
    g_assert_cmpuint(back->list->len, ==, 2);
    g_assert_cmpstr(first->uri, ==, "sip:b@192.0.2.10");
    g_assert_cmpstr(first->path, ==, "<sip:edge.example.net;lr>");
    g_assert_cmpstr(first->instance, ==, "urn:uuid:1");
    g_assert_cmpuint(first->reg_id, ==, 2);
    g_assert_cmpuint(first->cseq, ==, 7);
    g_assert_cmpstr(dm_address_text(&first->source, text), ==, "192.0.2.10:40000");
    g_assert_cmpstr(dm_address_text(&first->reachable, text), ==, "192.0.2.10:5060");
    g_assert_cmpuint(first->connection, ==, 0);
    g_assert_cmpint(first->id, !=, 0);
    /* 99 s old when written, and 100 s of its 600 passed meanwhile */
    g_assert_cmpint(first->expires_us, ==, (5 + 600 - 99 - 100) * S);
}

static void
test_clock_set(void)
{
    g_autoptr(DmBindings) back = over_a_restart(1700000000, 1700000000 - 3600);
    g_autoptr(DmBindings) ahead = over_a_restart(1700000000, 1700000000 + 3600);

    g_test_summary("REG-5: a wall clock that was set back lets nothing live longer than granted");
    g_assert_cmpint(((DmBinding *)back->list->pdata[0])->expires_us, ==, (5 + 600) * S);
    g_assert_cmpuint(ahead->list->len, ==, 0);
}

static void
test_nonsense(void)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"version\": 2, \"contacts\": []}",
        "{\"version\": 1, \"contacts\": {}}",
    };
    json_t *one = json_loads("{\"version\": 1, \"contacts\": [7, {}, {\"uri\": 3}]}", 0, NULL);
    g_autoptr(DmBindings) none = dm_bindings_from_json(one, 0, 0);

    g_test_summary("what is not a contact in the store is passed over");
    g_assert_cmpuint(none->list->len, ==, 0);
    json_decref(one);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        json_t *json = json_loads(texts[i], 0, NULL);

        g_assert_null(dm_bindings_from_json(json, 0, 0));
        json_decref(json);
    }
}

static void
test_same_ways(void)
{
    g_autoptr(DmBindings) a = make_two();
    g_autoptr(DmBindings) b = make_two();

    g_test_summary("a refresh changes no way; another connection does");
    g_assert_true(dm_bindings_same_ways(a, b));
    g_assert_true(dm_bindings_same_ways(NULL, NULL));
    g_assert_false(dm_bindings_same_ways(a, NULL));
    ((DmBinding *)b->list->pdata[1])->connection = 100;
    g_assert_false(dm_bindings_same_ways(a, b));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bindings/order", test_order);
    g_test_add_func("/bindings/restart", test_restart);
    g_test_add_func("/bindings/clock-set", test_clock_set);
    g_test_add_func("/bindings/nonsense", test_nonsense);
    g_test_add_func("/bindings/same-ways", test_same_ways);
    return g_test_run();
}

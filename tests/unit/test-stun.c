/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <string.h>

#include "media/stun/ice-lite.h"

#define SECOND G_USEC_PER_SEC

/* RFC 5769, 2.1 to 2.3 */
#define SAMPLE_PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
static const uint8_t sample_request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};
static const uint8_t sample_answer[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};
static const uint8_t sample_answer_6[] = {
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa,
    0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14,
    0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c, 0x82, 0x92, 0xc2, 0x75,
    0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};

static void
assert_address(const DmAddress *address, const char *expected)
{
    char text[DM_ADDRESS_TEXT_MAX];

    g_assert_cmpstr(dm_address_text(address, text), ==, expected);
}

static void
test_samples_are_read(void)
{
    DmStun message;

    g_test_summary("RFC 5769, 2: the sample request and answers, with their checksums");

    g_assert_true(dm_stun_parse(sample_request, sizeof sample_request, &message));
    g_assert_cmpint(message.class, ==, DM_STUN_REQUEST);
    g_assert_cmpuint(message.method, ==, DM_STUN_BINDING);
    g_assert_cmpmem(message.username, message.username_len, "evtj:h6vY", 9);
    g_assert_cmphex(message.priority, ==, 0x6e0001ff);
    g_assert_true(message.is_controlled && message.has_fingerprint && !message.use_candidate);
    g_assert_true(dm_stun_is_authentic(&message, SAMPLE_PASSWORD));
    g_assert_false(dm_stun_is_authentic(&message, "another password"));

    g_assert_true(dm_stun_parse(sample_answer, sizeof sample_answer, &message));
    g_assert_cmpint(message.class, ==, DM_STUN_SUCCESS);
    assert_address(&message.mapped, "192.0.2.1:32853");
    g_assert_true(dm_stun_is_authentic(&message, SAMPLE_PASSWORD));
    g_assert_true(dm_stun_parse(sample_answer_6, sizeof sample_answer_6, &message));
    assert_address(&message.mapped, "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    g_assert_true(dm_stun_is_authentic(&message, SAMPLE_PASSWORD));
}

static void
test_a_changed_byte_is_noticed(void)
{
    DmStun message;

    g_test_summary("RFC 8489, 14.7: no message with a byte changed is taken for STUN");

    for (size_t i = 0; i < sizeof sample_request; i++) {
        uint8_t changed[sizeof sample_request];

        memcpy(changed, sample_request, sizeof changed);
        changed[i] ^= 0x10;
        g_assert_false(dm_stun_parse(changed, sizeof changed, &message) && message.has_fingerprint);
    }
}

/*
 * The agent
 */

static const DmIceCredentials ours = {"gw000001", "a-password-of-24-letters"};
static const DmIceCredentials later = {"gw000002", "b-password-of-24-letters"};

typedef struct {
    const char *username, *password; /* NULL: as they should be, "": none */
    bool nominates, is_controlled;
    uint32_t priority;
    uint16_t unknown;
    bool is_indication;
} Check;

typedef struct {
    DmIceLite agent;
    int64_t now_us;
    DmStunWriter answer;
    DmStun seen;
} World;

static DmAddress
at(const char *text)
{
    DmAddress address;

    g_assert_true(dm_address_parse_with_port(&address, text, 0));
    return address;
}

static void
make_check(const Check *check, const DmIceCredentials *to, DmStunWriter *out)
{
    static const uint8_t transaction[DM_STUN_TRANSACTION_LEN] = "transaction";
    static const uint8_t tie_breaker[8];
    g_autofree char *usual = g_strconcat(to->ufrag, ":peer", NULL);
    const char *username = check->username != NULL ? check->username : usual;
    const char *password = check->password != NULL ? check->password : to->pwd;
    uint32_t priority = GUINT32_TO_BE(check->priority);

    dm_stun_begin(out, check->is_indication ? DM_STUN_INDICATION : DM_STUN_REQUEST, transaction);
    if (*username != '\0') {
        dm_stun_add(out, DM_STUN_USERNAME, username, strlen(username));
    }
    dm_stun_add(out, DM_STUN_PRIORITY, &priority, 4);
    dm_stun_add(out,
                check->is_controlled ? DM_STUN_CONTROLLED : DM_STUN_CONTROLLING,
                tie_breaker,
                sizeof tie_breaker);
    if (check->nominates) {
        dm_stun_add(out, DM_STUN_USE_CANDIDATE, NULL, 0);
    }
    if (check->unknown != 0) {
        dm_stun_add(out, check->unknown, "abc", 3);
    }
    g_assert_cmpuint(dm_stun_finish(out, *password != '\0' ? password : NULL), >, 0);
}

static DmIceVerdict
ask(World *world, const char *from, const Check *check)
{
    DmAddress address = at(from);
    DmStunWriter request;
    DmIceVerdict verdict;

    make_check(check, &world->agent.ours, &request);
    verdict = dm_ice_lite_input(&world->agent,
                                request.bytes,
                                request.len,
                                &address,
                                world->now_us,
                                &world->answer);
    world->seen = (DmStun){0};
    if (world->answer.len > 0) {
        g_assert_true(dm_stun_parse(world->answer.bytes, world->answer.len, &world->seen));
        g_assert_true(world->seen.has_fingerprint);
        g_assert_cmpmem(world->seen.transaction, 11, "transaction", 11);
    }
    return verdict;
}

static void
init(World *world)
{
    *world = (World){.now_us = 1000 * SECOND};
    dm_ice_lite_update(&world->agent, &ours);
}

static void
test_a_check_is_answered(void)
{
    World world;

    g_test_summary("RFC 8445, 7.3: a check of the peer hears where it came from, and proves it");

    init(&world);
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){0}), ==, DM_ICE_VALID);
    g_assert_cmpint(world.seen.class, ==, DM_STUN_SUCCESS);
    assert_address(&world.seen.mapped, "192.0.2.7:4000");
    g_assert_true(dm_stun_is_authentic(&world.seen, ours.pwd));
    g_assert_false(dm_address_is_set(&world.agent.selected));
    g_assert_cmpint(ask(&world, "[2001:db8::7]:4000", &(Check){0}), ==, DM_ICE_VALID);
    assert_address(&world.seen.mapped, "[2001:db8::7]:4000");

    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){.nominates = true}),
                    ==,
                    DM_ICE_SELECTED);
    assert_address(&world.agent.selected, "192.0.2.7:4000");
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){.nominates = true}), ==, DM_ICE_VALID);
}

static void
test_strangers_move_nothing(void)
{
    static const struct {
        Check check;
        unsigned error;
    } cases[] = {
        {{.nominates = true, .password = "a-password-of-24-lettexs"}, 401},
        {{.nominates = true, .password = ""}, 400},
        {{.nominates = true, .username = ""}, 400},
        {{.nominates = true, .username = "gw000001"}, 401},
        {{.nominates = true, .username = "gw000009:peer"}, 401},
        {{.nominates = true, .username = ":peer"}, 401},
        {{.nominates = true, .unknown = 0x0031}, 420},
        {{.nominates = true, .is_controlled = true}, 487},
    };
    World world;

    g_test_summary("RFC 8489, 9.1.3 and RFC 8445, 7.3.1.1: whoever has no password of ours is told "
                   "so, moves nothing and is not heard (SEC-3 MED-4)");

    init(&world);
    ask(&world, "192.0.2.7:4000", &(Check){.nominates = true});
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        DmAddress stranger = at("203.0.113.66:666");

        world.now_us += SECOND;
        g_assert_cmpint(ask(&world, "203.0.113.66:666", &cases[i].check), ==, DM_ICE_REFUSED);
        g_assert_cmpint(world.seen.class, ==, DM_STUN_ERROR);
        g_assert_cmpuint(world.seen.error, ==, cases[i].error);
        g_assert_false(dm_ice_lite_knows(&world.agent, &stranger));
        assert_address(&world.agent.selected, "192.0.2.7:4000");
    }
}

static void
test_what_may_be_passed_over_is(void)
{
    World world;

    g_test_summary("RFC 8489, 14: an unknown attribute from 0x8000 on is no fault");

    init(&world);
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){.unknown = 0xc057}), ==, DM_ICE_VALID);
}

static void
test_the_best_nomination_counts(void)
{
    World world;

    g_test_summary("RFC 5245, 8.1.1.2: of addresses nominated as they are found the best counts, "
                   "and any other once it has been silent for 30 s");

    init(&world);
    ask(&world, "192.0.2.7:4000", &(Check){.nominates = true, .priority = 100});
    g_assert_cmpint(ask(&world, "192.0.2.8:4000", &(Check){.nominates = true, .priority = 50}),
                    ==,
                    DM_ICE_VALID);
    assert_address(&world.agent.selected, "192.0.2.7:4000");
    g_assert_cmpint(ask(&world, "192.0.2.9:4000", &(Check){.nominates = true, .priority = 200}),
                    ==,
                    DM_ICE_SELECTED);
    assert_address(&world.agent.selected, "192.0.2.9:4000");
    world.now_us += DM_ICE_STALE_US + 1;
    g_assert_cmpint(ask(&world, "192.0.2.8:4000", &(Check){.nominates = true, .priority = 50}),
                    ==,
                    DM_ICE_SELECTED);
}

static void
test_a_restart_begins_anew(void)
{
    DmAddress late = at("192.0.2.66:4000");
    World world;
    DmStunWriter old;

    g_test_summary("RFC 8445, 9: after a restart the old address goes on until another is "
                   "nominated, and old credentials choose nothing");

    init(&world);
    ask(&world, "192.0.2.7:4000", &(Check){.nominates = true, .priority = 100});
    make_check(&(Check){.nominates = true, .priority = 900}, &ours, &old);
    dm_ice_lite_update(&world.agent, &later);
    assert_address(&world.agent.selected, "192.0.2.7:4000");
    g_assert_cmpint(
        dm_ice_lite_input(&world.agent, old.bytes, old.len, &late, world.now_us, &world.answer),
        ==,
        DM_ICE_ALIVE);
    g_assert_cmpuint(world.answer.len, >, 0);
    g_assert_false(dm_ice_lite_knows(&world.agent, &late));
    g_assert_cmpint(ask(&world, "192.0.2.8:4000", &(Check){.nominates = true, .priority = 1}),
                    ==,
                    DM_ICE_SELECTED);
    assert_address(&world.agent.selected, "192.0.2.8:4000");
    dm_ice_lite_update(&world.agent, &later);
    g_assert_false(world.agent.is_selection_old);
}

static void
test_answers_are_limited(void)
{
    World world;
    unsigned n_refused = 0;
    unsigned n_answered = 0;

    g_test_summary("SEC-3: a flood of checks, good or bad, is answered so often a second and no "
                   "more; a flood of bad ones takes nothing from the good");

    init(&world);
    for (unsigned i = 0; i < 1000; i++) {
        n_refused +=
            ask(&world, "203.0.113.66:666", &(Check){.password = "wrong"}) == DM_ICE_REFUSED;
    }
    for (unsigned i = 0; i < 1000; i++) {
        n_answered += ask(&world, "192.0.2.7:4000", &(Check){0}) == DM_ICE_VALID;
    }
    g_assert_cmpuint(n_refused, ==, DM_ICE_MAX_REFUSALS);
    g_assert_cmpuint(n_answered, ==, DM_ICE_MAX_ANSWERS);
    world.now_us += SECOND;
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){0}), ==, DM_ICE_VALID);
}

static void
test_keepalives_are_not_answered(void)
{
    World world;

    g_test_summary("RFC 8445, 11: an indication is a sign of life of an address that passed a "
                   "check, and of no other; nothing is said to it");

    init(&world);
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){.is_indication = true}),
                    ==,
                    DM_ICE_IGNORED);
    ask(&world, "192.0.2.7:4000", &(Check){0});
    g_assert_cmpint(ask(&world, "192.0.2.7:4000", &(Check){.is_indication = true}),
                    ==,
                    DM_ICE_ALIVE);
    g_assert_cmpuint(world.answer.len, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stun/samples", test_samples_are_read);
    g_test_add_func("/stun/changed", test_a_changed_byte_is_noticed);
    g_test_add_func("/ice-lite/check", test_a_check_is_answered);
    g_test_add_func("/ice-lite/strangers", test_strangers_move_nothing);
    g_test_add_func("/ice-lite/optional", test_what_may_be_passed_over_is);
    g_test_add_func("/ice-lite/priority", test_the_best_nomination_counts);
    g_test_add_func("/ice-lite/restart", test_a_restart_begins_anew);
    g_test_add_func("/ice-lite/flood", test_answers_are_limited);
    g_test_add_func("/ice-lite/keepalive", test_keepalives_are_not_answered);
    return g_test_run();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/lib/call-world.h"

/* 3xx answers of a called trunk (SIG-20). */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ALAW "m=audio 4000 RTP/AVP 8"
/* @mode is of the trunk that redirects, which may call the other one for numbers in +44. */
#define CONFIG(mode)                                                                               \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "trunks:\n"                                                                                    \
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}]}\n"                   \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], sip: {redirect_mode: " mode    \
    "}}\n"                                                                                         \
    "routes:\n"                                                                                    \
    "  - {id: in, match: {source_trunks: [carrier]}, action: {trunks: [pbx]}}\n"                   \
    "  - {id: out, match: {source_trunks: [pbx], called: '+44'}, action: {trunks: [carrier]}}\n"

static void
assert_story(World *world, const char *want)
{
    g_autofree char *story = world_take_story(world);

    g_assert_cmpstr(story, ==, want);
}

static void
test_followed(void)
{
    World *world = world_new(1, CONFIG("follow"));

    g_test_summary("SIG-20: 302 of a PBX goes where routing lets the PBX call, even after ringing, "
                   "with the diverting number in Diversion");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_does(world_leg(world, "b1"), DM_LEG_PROGRESS, 180, NULL);
    g_free(world_take_story(world));
    peer_redirects(world_leg(world, "b1"), DM_RELEASE_REJECTED, 302, "+442079462222");
    assert_story(world, "b2:dial(198.51.100.1)");
    peer_does(world_leg(world, "b2"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
    g_assert_cmpuint(json_array_size(json_object_get(world->last_record, "attempts")), ==, 2);
    g_assert_cmpstr(json_string_value(json_object_get(world->last_record, "diversion_out")),
                    ==,
                    "+442079461111");
    world_free(world);
}

static void
test_screened(void)
{
    World *world = world_new(1, CONFIG("follow"));

    g_test_summary("SIG-20: a number that the PBX may not call is not called for it either");
    world_call(world, "carrier", "+442079461111", BOTH);
    peer_redirects(world_leg(world, "b1"), DM_RELEASE_REJECTED, 302, "+39060001");
    g_free(world_take_story(world));
    g_assert_cmpuint(world->legs->len, ==, 2);
    world_run(world, 1000);
    g_assert_cmpint(
        json_integer_value(json_object_get(json_object_get(world->last_record, "release"), "code")),
        ==,
        480);
    world_free(world);
}

static void
test_other_modes(void)
{
    static const struct {
        const char *config;
        uint16_t status, told;
        const char *number;
    } cases[] = {
        {CONFIG("relay"), 302, 302, "+442079462222"},
        {CONFIG("reject"), 302, 480, ""},
        {CONFIG("follow"), 305, 480, ""},
        {CONFIG("follow"), 380, 480, ""},
    };

    g_test_summary("SIG-20: relayed, rejected; 305 and 380 are never followed");
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        World *world = world_new(1, cases[i].config);

        world_call(world, "carrier", "+442079461111", BOTH);
        peer_redirects(world_leg(world, "b1"),
                       DM_RELEASE_REJECTED,
                       cases[i].status,
                       cases[i].status == 302 ? "+442079462222" : NULL);
        g_assert_cmpuint(world_leg(world, "a1")->why.status, ==, cases[i].told);
        g_assert_cmpstr(world_leg(world, "a1")->why.redirect_to, ==, cases[i].number);
        world_run(world, 1000);
        world_free(world);
    }
}

static void
test_no_loop(void)
{
    World *world = world_new(1, CONFIG("follow"));

    g_test_summary("SIG-20: two that redirect to each other end after five");
    world_call(world, "carrier", "+442079461111", BOTH);
    for (unsigned i = 1; i <= 6; i++) {
        g_autofree char *name = g_strdup_printf("b%u", i);

        peer_redirects(world_leg(world, name), DM_RELEASE_REJECTED, 302, "+442079462222");
    }
    world_run(world, 1000);
    g_assert_cmpuint(world->legs->len, ==, 7);
    g_assert_cmpuint(world_leg(world, "a1")->why.status, ==, 480);
    world_free(world);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-redirect/followed", test_followed);
    g_test_add_func("/call-redirect/screened", test_screened);
    g_test_add_func("/call-redirect/other-modes", test_other_modes);
    g_test_add_func("/call-redirect/no-loop", test_no_loop);
    return g_test_run();
}

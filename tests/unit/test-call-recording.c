/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "gateway/base/error.h"
#include "gateway/call/recording.h"
#include "tests/lib/call-world.h"

/* When a call is written to a file, and to which. */

#define BOTH "m=audio 4000 RTP/AVP 0 8"
#define ALAW "m=audio 4000 RTP/AVP 8"
#define CONFIG(pbx, carrier, route)                                                                \
    "listeners: [{id: main, address: 127.0.0.1, port: 5060}]\n"                                    \
    "media_pools: [{id: media, address: 127.0.0.1, port_min: 20000, port_max: 29999}]\n"           \
    "recording: {name: '{trunk_a}-{to}-{trunk_b}-{id}'}\n"                                         \
    "trunks:\n"                                                                                    \
    "  - {id: pbx, role: pbx, endpoints: [{uri: 'sip:192.0.2.10'}], media: {record: " pbx "}}\n"   \
    "  - {id: carrier, role: carrier, endpoints: [{uri: 'sip:198.51.100.1'}], media: "             \
    "{record: " carrier "}}\n"                                                                     \
    "routes:\n"                                                                                    \
    "  - {id: out, match: {source_trunks: [pbx]}, action: {trunks: [carrier], record: " route      \
    "}}\n"

static DmCall *
answered_call(World *world)
{
    DmCall *call = world_call(world, "pbx", "+442079461111", BOTH);

    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    return call;
}

static void
end_call(World *world)
{
    peer_ends(world_leg(world, "a1"), DM_RELEASE_PEER_BYE, 0);
    world_run(world, 1000);
}

static const json_t *
recordings_of(World *world)
{
    return json_object_get(json_object_get(world->last_record, "media"), "recordings");
}

static void
assert_recorded(const char *config, bool expected)
{
    World *world = world_new(1, config);
    DmCall *call = answered_call(world);
    g_autofree char *want =
        g_strdup_printf("media:record(pbx-+442079461111-carrier-%s.wav)", dm_call_id(call));
    g_autofree char *story = world_take_story(world);

    g_assert_cmpint(strstr(story, want) != NULL, ==, expected);
    end_call(world);
    g_assert_cmpuint(json_array_size(recordings_of(world)), ==, expected);
    world_free(world);
}

static void
test_policy(void)
{
    g_test_summary("Once answered, when the caller's trunk, the called one or the route says so; "
                   "the record has the file");

    assert_recorded(CONFIG("true", "false", "false"), true);
    assert_recorded(CONFIG("false", "true", "false"), true);
    assert_recorded(CONFIG("false", "false", "true"), true);
    assert_recorded(CONFIG("false", "false", "false"), false);
}

static void
assert_refused(DmCall *call, DmRecordingAction action)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(dm_call_recording(call, action, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_CONFLICT);
}

static void
assert_done(World *world, DmCall *call, DmRecordingAction action, const char *want)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *story = NULL;

    g_assert_true(dm_call_recording(call, action, &error));
    g_assert_no_error(error);
    story = world_take_story(world);
    g_assert_true(g_str_has_prefix(story, want));
}

static void
test_operator(void)
{
    World *world = world_new(1, CONFIG("false", "false", "false"));
    DmCall *call = world_call(world, "pbx", "+442079461111", BOTH);

    g_test_summary("Started, paused, resumed, stopped and started anew, each in its time only; the "
                   "second file has a name of its own");

    assert_refused(call, DM_RECORDING_START); /* not answered */
    peer_does(world_leg(world, "b1"), DM_LEG_ANSWERED, 200, ALAW);
    peer_does(world_leg(world, "a1"), DM_LEG_ACKED, 0, NULL);
    g_free(world_take_story(world));
    assert_refused(call, DM_RECORDING_STOP);
    assert_refused(call, DM_RECORDING_PAUSE);
    assert_done(world, call, DM_RECORDING_START, "media:record(");
    assert_refused(call, DM_RECORDING_START);
    assert_done(world, call, DM_RECORDING_PAUSE, "media:pause");
    assert_done(world, call, DM_RECORDING_RESUME, "media:resume");
    assert_done(world, call, DM_RECORDING_STOP, "media:end-recording");
    assert_done(world, call, DM_RECORDING_START, "media:record(");
    end_call(world);
    g_assert_cmpuint(json_array_size(recordings_of(world)), ==, 2);
    g_assert_true(g_str_has_suffix(
        json_string_value(json_object_get(json_array_get(recordings_of(world), 1), "file")),
        "-2.wav"));
    world_free(world);
}

static void
test_names_stay_in_the_folder(void)
{
    g_autoptr(DmRecord) record = dm_record_new();
    g_autofree char *name = NULL;

    g_test_summary("Nothing a caller calls itself leads out of the folder or hides a file");

    g_strlcpy(record->id, "01J0", sizeof record->id);
    record->in.from = g_strdup("../../etc/passwd");
    record->in.to = g_strdup(".hidden \n\x01é");
    record->start_wall_us = INT64_C(1700000000) * G_USEC_PER_SEC;
    name = dm_recording_name("{date}/{time}/{from}/{to}/{trunk_b}/{id}/{other}", record, 1);
    g_assert_cmpstr(name,
                    ==,
                    "2023-11-14/221320/_._.._etc_passwd/_hidden_____/unknown/01J0/{other}.wav");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/call-recording/policy", test_policy);
    g_test_add_func("/call-recording/operator", test_operator);
    g_test_add_func("/call-recording/names", test_names_stay_in_the_folder);
    return g_test_run();
}

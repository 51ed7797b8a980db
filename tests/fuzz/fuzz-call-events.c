/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/call-world.h"

/* Four bytes a step: what, how, which description, which leg. The first byte of all says how the
 * call begins. */

#define MAX_STEPS 200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
step(World *world, const uint8_t *bytes)
{
    uint64_t dice = bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16;

    if (bytes[3] & 0x80) {
        world_run(world, bytes[0] * 100);
    } else if (bytes[3] & 0x40) {
        media_does_something(world, dice);
    } else {
        peer_does_something(g_ptr_array_index(world->legs, bytes[3] % world->legs->len), dice);
    }
}

static void
end_every_leg(World *world)
{
    /* Ending one may make others. */
    for (guint i = 0; i < world->legs->len; i++) {
        peer_ends(g_ptr_array_index(world->legs, i), DM_RELEASE_PROTOCOL, 481);
    }
    world_finish(world, 3600 * 1000);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const offers[] = {"m=audio 4000 RTP/AVP 0 8",
                                         "m=audio 4000 RTP/AVP 8",
                                         NULL};
    World *world;

    if (size < 1) {
        return 0;
    }
    world = world_new(1, NULL);
    world->has_story = false;
    world_call(world,
               data[0] & 1 ? "pbx" : "second",
               "+442079461111",
               offers[(data[0] >> 1) % G_N_ELEMENTS(offers)]);
    for (size_t i = 0; i < MAX_STEPS && 5 + i * 4 <= size; i++) {
        step(world, data + 1 + i * 4);
    }
    end_every_leg(world);
    world_free(world);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* G.729 with annexes A and B by libbcg729, which is loaded when the operator asks for it: its
 * licence (GPL) is not ours, so we neither link with it nor need it. */
#include <dlfcn.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "gateway/base/error.h"
#include "media/dsp/codec-priv.h"

#define FRAME_SAMPLES 80
#define FRAME_BYTES   10
/* A frame that describes silence, at the end of a packet (RFC 3551, 4.5.6). */
#define SILENCE_BYTES 2

/* As bcg729/decoder.h and encoder.h of version 1.1 declare them. */
typedef struct {
    void *(*decoder_new)(void);
    void (*decoder_free)(void *decoder);
    void (*decode)(void *decoder,
                   const uint8_t *bits,
                   uint8_t len,
                   uint8_t is_erased,
                   uint8_t is_silence,
                   uint8_t is_rfc3389,
                   int16_t *samples);
    void *(*encoder_new)(uint8_t detects_silence);
    void (*encoder_free)(void *encoder);
    void (*encode)(void *encoder, const int16_t *samples, uint8_t *bits, uint8_t *len);
} Library;

/* What this process has; written once, before there are streams. */
static Library functions;
static _Atomic bool is_loaded;
static DmG729State outcome;

static bool
find(void *handle, const char *name, void *out_function, GError **error)
{
    void *function = dlsym(handle, name);

    if (function == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "it has no %s()", name);
        return false;
    }
    memcpy(out_function, &function, sizeof function);
    return true;
}

static void *
load(const char *library, GError **error)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

    if (handle == NULL) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "%s", dlerror());
        return NULL;
    }
    if (!find(handle, "initBcg729DecoderChannel", &functions.decoder_new, error) ||
        !find(handle, "closeBcg729DecoderChannel", &functions.decoder_free, error) ||
        !find(handle, "bcg729Decoder", &functions.decode, error) ||
        !find(handle, "initBcg729EncoderChannel", &functions.encoder_new, error) ||
        !find(handle, "closeBcg729EncoderChannel", &functions.encoder_free, error) ||
        !find(handle, "bcg729Encoder", &functions.encode, error)) {
        g_prefix_error(error, "%s: ", library);
        dlclose(handle);
        return NULL;
    }
    return handle;
}

/* As far as there is room, and nothing but whole characters: it is shown in JSON. */
static void
note(char *out, const char *text, size_t size)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    const char *end;

    g_strlcpy(out, valid, size);
    if (!g_utf8_validate(out, -1, &end)) {
        out[end - out] = '\0';
    }
}

static void
note_file(void *handle)
{
    const struct link_map *map;

    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0) {
        note(outcome.file, map->l_name, sizeof outcome.file);
    }
}

bool
dm_codec_load_g729(const char *library, GError **error)
{
    g_autoptr(GError) why = NULL;
    void *handle;

    if (is_loaded) {
        return true;
    }
    handle = load(library, &why);
    if (handle == NULL) {
        note(outcome.fault, why->message, sizeof outcome.fault);
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    outcome.fault[0] = '\0';
    note_file(handle);
    is_loaded = true; /* for as long as the process lives */
    return true;
}

const DmG729State *
dm_codec_g729_state(void)
{
    return &outcome;
}

bool
dm_codec_has_g729(void)
{
    return is_loaded;
}

static void *
new_decoder(const DmCodecType *type, unsigned rate_hz)
{
    return functions.decoder_new();
}

static void
free_decoder(void *state)
{
    functions.decoder_free(state);
}

static size_t
decode(void *state, const uint8_t *payload, size_t len, int16_t *samples)
{
    bool ends_silent = len % FRAME_BYTES == SILENCE_BYTES;
    size_t n_frames = len / FRAME_BYTES;

    if ((len % FRAME_BYTES != 0 && !ends_silent) ||
        (n_frames + ends_silent) * FRAME_SAMPLES > DM_NARROW_HZ / 1000 * DM_CODEC_MAX_MS) {
        return 0;
    }
    for (size_t i = 0; i < n_frames; i++) {
        functions.decode(state,
                         payload + i * FRAME_BYTES,
                         FRAME_BYTES,
                         false,
                         false,
                         false,
                         samples + i * FRAME_SAMPLES);
    }
    if (ends_silent) {
        functions.decode(state,
                         payload + n_frames * FRAME_BYTES,
                         SILENCE_BYTES,
                         false,
                         true,
                         false,
                         samples + n_frames * FRAME_SAMPLES);
    }
    return (n_frames + ends_silent) * FRAME_SAMPLES;
}

/* Whole frames; the rest is silence. */
static void
conceal(void *state, const uint8_t *next, size_t len, int16_t *samples, size_t n)
{
    size_t at = 0;

    for (; at + FRAME_SAMPLES <= n; at += FRAME_SAMPLES) {
        functions.decode(state, NULL, 0, true, false, false, samples + at);
    }
    memset(samples + at, 0, (n - at) * sizeof *samples);
}

/* Silence is encoded as what it sounds like, so that a peer with annexb=no and one without have the
 * same: frames of silence are for those who want to save (RFC 4856, 2.1.9). */
static void *
new_encoder(const DmCodecType *type, unsigned rate_hz, const DmEncoderWishes *wishes)
{
    return functions.encoder_new(false);
}

static void
free_encoder(void *state)
{
    functions.encoder_free(state);
}

static size_t
encode(void *state, const int16_t *samples, size_t n, uint8_t *payload)
{
    size_t len = 0;

    for (size_t at = 0; at + FRAME_SAMPLES <= n; at += FRAME_SAMPLES) {
        uint8_t frame_len = 0;

        functions.encode(state, samples + at, payload + len, &frame_len);
        len += frame_len;
    }
    return len;
}

bool
dm_codec_ends_silent(DmCodec codec, size_t len)
{
    return codec == DM_CODEC_G729 && len % FRAME_BYTES == SILENCE_BYTES;
}

const DmCodecType dm_codec_g729 = {
    .codec = DM_CODEC_G729,
    .frame_ms = 10,
    .decoder_new = new_decoder,
    .decoder_free = free_decoder,
    .decode = decode,
    .conceal = conceal,
    .encoder_new = new_encoder,
    .encoder_free = free_encoder,
    .encode = encode,
};

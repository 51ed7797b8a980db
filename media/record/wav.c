/* SPDX-License-Identifier: Apache-2.0 */
#include "media/record/wav.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/error.h"

#define HEADER_LEN  44
#define FRAME_BYTES 4
/* Lengths have 32 bits, and that of the whole file is 36 more than that of the sound. */
#define MAX_BYTES (UINT32_MAX - HEADER_LEN - FRAME_BYTES)

struct DmWav {
    int fd;
    unsigned rate_hz;
    uint64_t n_bytes; /* of sound */
    uint64_t n_synced;
};

static void
put_u16_le(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)value;
    bytes[1] = (uint8_t)(value >> 8);
}

static void
put_u32_le(uint8_t *bytes, uint32_t value)
{
    put_u16_le(bytes, (uint16_t)value);
    put_u16_le(bytes + 2, (uint16_t)(value >> 16));
}

static void
make_header(const DmWav *wav, uint8_t header[HEADER_LEN])
{
    memcpy(header, "RIFF....WAVEfmt ", 16);
    put_u32_le(header + 4, (uint32_t)wav->n_bytes + HEADER_LEN - 8);
    put_u32_le(header + 16, 16);
    put_u16_le(header + 20, 1); /* PCM */
    put_u16_le(header + 22, 2);
    put_u32_le(header + 24, wav->rate_hz);
    put_u32_le(header + 28, wav->rate_hz * FRAME_BYTES);
    put_u16_le(header + 32, FRAME_BYTES);
    put_u16_le(header + 34, 16);
    memcpy(header + 36, "data", 4);
    put_u32_le(header + 40, (uint32_t)wav->n_bytes);
}

static bool
write_all(int fd, const uint8_t *bytes, size_t len, off_t at)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        bytes += n;
        len -= (size_t)n;
        at += n;
    }
    return true;
}

bool
dm_wav_sync(DmWav *wav, GError **error)
{
    uint8_t header[HEADER_LEN];

    make_header(wav, header);
    if (!write_all(wav->fd, header, sizeof header, 0)) {
        dm_error_set_errno(error, errno, "header");
        return false;
    }
    wav->n_synced = wav->n_bytes;
    return true;
}

bool
dm_wav_write(DmWav *wav, const int16_t *frames, size_t n_frames, GError **error)
{
    size_t len = n_frames * FRAME_BYTES;

    if (wav->n_bytes + len > MAX_BYTES) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_LIMIT, "a WAV file has at most 4 GB");
        return false;
    }
    /* All our machines are little-endian, as WAV is. */
    G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);
    if (!write_all(wav->fd, (const uint8_t *)frames, len, (off_t)(HEADER_LEN + wav->n_bytes))) {
        dm_error_set_errno(error, errno, "sound");
        if (ftruncate(wav->fd, (off_t)(HEADER_LEN + wav->n_bytes)) < 0) {
            /* The header does not count what is too much. */
        }
        return false;
    }
    wav->n_bytes += len;
    return true;
}

uint64_t
dm_wav_length(const DmWav *wav)
{
    return wav->n_bytes / FRAME_BYTES;
}

static int
create_file(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd;

    if (g_mkdir_with_parents(folder, 0700) < 0) {
        dm_error_set_errno(error, errno, folder);
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        dm_error_set_errno(error, errno, path);
    }
    return fd;
}

DmWav *
dm_wav_create(const char *path, unsigned rate_hz, GError **error)
{
    int fd = create_file(path, error);
    DmWav *wav;

    if (fd < 0) {
        return NULL;
    }
    wav = g_new0(DmWav, 1);
    wav->fd = fd;
    wav->rate_hz = rate_hz;
    if (!dm_wav_sync(wav, error)) {
        dm_wav_close(wav);
        return NULL;
    }
    return wav;
}

void
dm_wav_close(DmWav *wav)
{
    if (wav == NULL) {
        return;
    }
    if (wav->n_bytes != wav->n_synced) {
        (void)dm_wav_sync(wav, NULL);
    }
    close(wav->fd);
    g_free(wav);
}

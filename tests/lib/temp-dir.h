/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>

/* A folder of a test's own, without folders in it. */
typedef struct {
    char *path;
} DmTempDir;

static inline void
dm_temp_dir_init(DmTempDir *dir)
{
    dir->path = g_dir_make_tmp("demarc-test-XXXXXX", NULL);
    g_assert_nonnull(dir->path);
}

/* (transfer full) */
static inline char *
dm_temp_dir_file(const DmTempDir *dir, const char *name)
{
    return g_build_filename(dir->path, name, NULL);
}

static inline void
dm_temp_dir_clear(DmTempDir *dir)
{
    GDir *open = g_dir_open(dir->path, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(open)) != NULL) {
        g_autofree char *path = g_build_filename(dir->path, name, NULL);

        g_unlink(path);
    }
    g_dir_close(open);
    g_rmdir(dir->path);
    g_free(dir->path);
}

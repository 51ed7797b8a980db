/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one fuzz target over every file of the folders named, each cut short at every tenth of its
 * length as well, so that a corpus is an ordinary test with any compiler. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_CUTS 10

/* The target gets a copy of the exact length, so that a read past the end is seen by the sanitizer.
 */
static void
feed(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(MAX(size, 1));

    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
}

static void
replay_file(const char *path)
{
    g_autofree char *data = NULL;
    size_t size;
    g_autoptr(GError) error = NULL;

    if (!g_file_get_contents(path, &data, &size, &error)) {
        g_error("%s", error->message);
    }
    for (size_t cut = 1; cut <= N_CUTS; cut++) {
        feed((const uint8_t *)data, size * cut / N_CUTS);
    }
}

static unsigned
replay_folder(const char *folder)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *name;
    unsigned n = 0;

    if (dir == NULL) {
        g_error("%s", error->message);
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        replay_file(path);
        n++;
    }
    return n;
}

int
main(int argc, char **argv)
{
    unsigned n = 0;

    feed((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        n += replay_folder(argv[i]);
    }
    printf("%u inputs\n", n);
    return n > 0 ? 0 : 1; /* an empty corpus is a mistake */
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/error.h"

bool
dm_secret_is_reference(const char *value)
{
    return g_str_has_prefix(value, "${");
}

/* Opened without blocking and looked at first, so that a FIFO or a device cannot hold up the start.
 */
static char *
read_small_file(const char *path, GError **error)
{
    char text[DM_SECRET_MAX + 2];
    struct stat status;
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &status) == 0) {
        n = S_ISREG(status.st_mode) ? read(fd, text, sizeof(text) - 1) : (errno = EINVAL, -1);
    }
    int failure = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "cannot read '%s': %s",
                    path,
                    g_strerror(failure));
        return NULL;
    }
    text[n] = '\0';
    return g_strndup(text, n);
}

static char *
from_file(const char *path, GError **error)
{
    g_autofree char *text = read_small_file(path, error);

    if (text == NULL) {
        return NULL;
    }
    size_t len = strlen(text);
    if (len > 0 && text[len - 1] == '\n') {
        text[--len] = '\0';
    }
    if (len > 0 && text[len - 1] == '\r') {
        text[--len] = '\0';
    }
    if (len == 0) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "file '%s' is empty", path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

static char *
from_environment(const char *name, GError **error)
{
    const char *text = g_getenv(name);

    if (text == NULL || *text == '\0') {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "environment variable '%s' is not set", name);
        return NULL;
    }
    return g_strdup(text);
}

static bool
is_usable(const char *secret, GError **error)
{
    for (const char *p = secret; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "the secret holds a control character");
            return false;
        }
    }
    if (strlen(secret) > DM_SECRET_MAX || !g_utf8_validate(secret, -1, NULL)) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "the secret is longer than %d bytes or not UTF-8",
                    DM_SECRET_MAX);
        return false;
    }
    return true;
}

char *
dm_secret_resolve(const char *value, GError **error)
{
    g_autofree char *secret = NULL;
    size_t len = strlen(value);

    if (!dm_secret_is_reference(value)) {
        secret = g_strdup(value);
    } else if (value[len - 1] == '}' && g_str_has_prefix(value, "${file:/")) {
        g_autofree char *path = g_strndup(value + strlen("${file:"), len - strlen("${file:") - 1);
        secret = from_file(path, error);
    } else if (value[len - 1] == '}' && g_str_has_prefix(value, "${env:")) {
        g_autofree char *name = g_strndup(value + strlen("${env:"), len - strlen("${env:") - 1);
        secret = from_environment(name, error);
    } else {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "expected \"${file:/absolute/path}\" or \"${env:NAME}\"");
    }
    return secret != NULL && is_usable(secret, error) ? g_steal_pointer(&secret) : NULL;
}

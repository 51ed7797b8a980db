/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/key-body.h"

#include <string.h>

#include "config/trunk.h"

/* Longer ones have something else in them. */
#define MAX_BODY   256
#define MAX_KEY_MS 60000

static const char by_event[] = "0123456789*#ABCD!";

/* "5", "*", "d", "11", "flash" */
static char
key_of(const char *text)
{
    char upper = g_ascii_toupper(text[0]);
    guint64 event;

    if (text[0] != '\0' && text[1] == '\0') {
        return strchr(by_event, upper) != NULL ? upper : 0;
    }
    if (g_ascii_strcasecmp(text, "flash") == 0 || g_ascii_strcasecmp(text, "hf") == 0) {
        return DM_KEY_FLASH;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, sizeof by_event - 2, &event, NULL)) {
        return 0;
    }
    return by_event[event];
}

static void
read_line(char *line, DmKeyBody *body)
{
    char *value = strchr(line, '=');
    guint64 ms;

    if (value == NULL) {
        return;
    }
    *value++ = '\0';
    g_strstrip(line);
    g_strstrip(value);
    if (g_ascii_strcasecmp(line, "Signal") == 0) {
        body->key = key_of(value);
    } else if (g_ascii_strcasecmp(line, "Duration") == 0 &&
               g_ascii_string_to_unsigned(value, 10, 0, MAX_KEY_MS, &ms, NULL)) {
        body->ms = (unsigned)ms;
    }
}

bool
dm_key_body_parse(const char *bytes, size_t len, DmKeyBody *out_body)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    DmKeyBody body = {0};

    if (len == 0 || len > MAX_BODY || memchr(bytes, '\0', len) != NULL) {
        return false;
    }
    text = g_strndup(bytes, len);
    if (strchr(text, '=') == NULL) {
        body.key = key_of(g_strstrip(text));
    } else {
        lines = g_strsplit_set(text, "\r\n", -1);
        for (char **line = lines; *line != NULL; line++) {
            read_line(*line, &body);
        }
    }
    if (body.key == 0) {
        return false;
    }
    *out_body = body;
    return true;
}

static char *
name_of(char key)
{
    return key == DM_KEY_FLASH ? g_strdup("16") : g_strndup(&key, 1);
}

char *
dm_key_body_relay(const DmKeyBody *body)
{
    g_autofree char *name = name_of(body->key);

    return g_strdup_printf("Signal=%s\r\nDuration=%u\r\n", name, body->ms);
}

char *
dm_key_body_plain(const DmKeyBody *body)
{
    return name_of(body->key);
}

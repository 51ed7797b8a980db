/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/transport/framing.h"

#include <string.h>

#include "gateway/sip/scan.h"

static const char ping[] = "\r\n\r\n";

void
dm_framing_init(DmFraming *framing, size_t max_message_bytes)
{
    *framing = (DmFraming){
        .bytes = g_byte_array_new(),
        .max_message_bytes = MIN(max_message_bytes, DM_SIP_MAX_MESSAGE),
    };
}

void
dm_framing_clear(DmFraming *framing)
{
    g_clear_pointer(&framing->bytes, g_byte_array_unref);
}

static size_t
left(const DmFraming *framing)
{
    return framing->bytes->len - framing->start;
}

static const char *
first(const DmFraming *framing)
{
    return (const char *)framing->bytes->data + framing->start;
}

/* What has been read makes room, and a connection that is quiet holds no memory for messages. */
void
dm_framing_add(DmFraming *framing, const void *data, size_t len)
{
    if (left(framing) == 0) {
        g_byte_array_set_size(framing->bytes, 0);
    } else if (framing->start > 0) {
        g_byte_array_remove_range(framing->bytes, 0, (guint)framing->start);
    }
    framing->start = 0;
    g_byte_array_append(framing->bytes, data, (guint)len);
}

/* Takes line ends between messages away. True: a ping was among them, and is taken. */
static bool
take_line_ends(DmFraming *framing)
{
    while (left(framing) > 0 && (*first(framing) == '\r' || *first(framing) == '\n')) {
        char c = *first(framing);

        framing->start++;
        framing->line_ends = c == ping[framing->line_ends] ? framing->line_ends + 1 : c == '\r';
        if (framing->line_ends == strlen(ping)) {
            framing->line_ends = 0;
            return true;
        }
    }
    return false;
}

/* The bytes of the head with its empty line; 0: not there yet. What was searched is not searched
 * again. */
static size_t
find_head(DmFraming *framing)
{
    const char *p = first(framing);
    size_t len = left(framing);

    while (framing->searched < len) {
        const char *newline = memchr(p + framing->searched, '\n', len - framing->searched);
        size_t next;

        if (newline == NULL) {
            framing->searched = len;
            return 0;
        }
        next = (size_t)(newline - p) + 1;
        if (next < len && p[next] == '\n') {
            return next + 1;
        }
        if (next + 1 < len && p[next] == '\r' && p[next + 1] == '\n') {
            return next + 2;
        }
        if (next == len || (next + 1 == len && p[next] == '\r')) {
            framing->searched = next - 1; /* the next byte tells */
            return 0;
        }
        framing->searched = next;
    }
    return 0;
}

static bool
is_length(DmSpan name)
{
    return dm_span_equals(name, "Content-Length") || dm_span_equals(name, "l");
}

static bool
read_number(DmSpan text, size_t *out)
{
    size_t value = 0;

    if (text.len == 0 || text.len > 9) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!g_ascii_isdigit(text.p[i])) {
            return false;
        }
        value = value * 10 + (size_t)(text.p[i] - '0');
    }
    *out = value;
    return true;
}

/* The body's length. False: there is none, or two, and two readers could see two messages. */
static bool
find_length(const char *head, size_t len, size_t *out)
{
    const char *end = head + len;
    const char *p = (const char *)memchr(head, '\n', len) + 1;
    bool found = false;
    DmSpan name, value;

    for (const char *line = p; dm_next_header(&p, end, &name, &value); line = p) {
        if (name.p != line || !is_length(name)) {
            continue;
        }
        if (found || !read_number(value, out)) {
            return false;
        }
        found = true;
    }
    return found;
}

static DmFrameVerdict
broken(DmFraming *framing, size_t head, DmSpan *out_message)
{
    framing->is_broken = true;
    *out_message = (DmSpan){first(framing), head};
    return DM_FRAME_BROKEN;
}

/* Something that is not text at all (a TLS greeting, a port scan) need not fill a buffer first. */
static bool
starts_like_sip(const DmFraming *framing)
{
    size_t n = MIN(left(framing), 4);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)first(framing)[i];

        if (i == 0 ? !dm_is_token_char(c) : g_ascii_iscntrl(c) && !g_ascii_isspace(c)) {
            return false;
        }
    }
    return true;
}

/* Sets framing->need when the head is whole. */
static DmFrameVerdict
read_head(DmFraming *framing, DmSpan *out_message)
{
    size_t body = 0;
    size_t head = find_head(framing);

    if (head == 0) {
        return !starts_like_sip(framing) || left(framing) >= framing->max_message_bytes
                   ? broken(framing, 0, out_message)
                   : DM_FRAME_MORE;
    }
    if (!starts_like_sip(framing) || head > framing->max_message_bytes) {
        return broken(framing, 0, out_message);
    }
    if (!find_length(first(framing), head, &body) || head + body > framing->max_message_bytes) {
        return broken(framing, head, out_message);
    }
    framing->need = head + body;
    return DM_FRAME_MESSAGE;
}

DmFrameVerdict
dm_framing_next(DmFraming *framing, DmSpan *out_message)
{
    *out_message = (DmSpan){NULL, 0};
    if (framing->is_broken) {
        return DM_FRAME_BROKEN;
    }
    if (framing->need == 0) {
        DmFrameVerdict verdict;

        if (framing->searched == 0 && take_line_ends(framing)) {
            return DM_FRAME_PING;
        }
        if (left(framing) == 0) {
            return DM_FRAME_MORE;
        }
        framing->line_ends = 0;
        verdict = read_head(framing, out_message);
        if (verdict != DM_FRAME_MESSAGE) {
            return verdict;
        }
    }
    if (left(framing) < framing->need) {
        return DM_FRAME_MORE;
    }
    *out_message = (DmSpan){first(framing), framing->need};
    framing->start += framing->need;
    framing->need = 0;
    framing->searched = 0;
    return DM_FRAME_MESSAGE;
}

bool
dm_framing_is_midway(const DmFraming *framing)
{
    return framing->need > 0 || left(framing) > 0;
}

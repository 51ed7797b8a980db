/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/identity.h"

#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>
#include <string.h>
#include <strings.h>

#include "gateway/base/text.h"

/* --- reading --- */

static void
set(char **field, char *text)
{
    g_free(*field);
    *field = text;
}

/* Printable UTF-8 of at most DM_IDENTITY_MAX bytes. */
static char *
cleaned(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)strnlen(text, DM_IDENTITY_MAX));
    GString *out = g_string_sized_new(32);

    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (!g_unichar_iscntrl(c) && c != 0xfffd && c != 0x2028 && c != 0x2029 &&
            out->len < DM_IDENTITY_MAX) {
            g_string_append_unichar(out, c);
        }
    }
    return g_string_free(out, FALSE);
}

/* %XX undone, once; an escaped NUL ends nothing, it is dropped with the other control characters.
 */
static char *
unescaped(const char *text)
{
    GString *out = g_string_sized_new(32);

    for (; *text != '\0' && out->len < DM_IDENTITY_MAX; text++) {
        if (text[0] == '%' && g_ascii_isxdigit(text[1]) && g_ascii_isxdigit(text[2])) {
            char c = (char)(g_ascii_xdigit_value(text[1]) << 4 | g_ascii_xdigit_value(text[2]));

            if (c != '\0') {
                g_string_append_c(out, c);
            }
            text += 2;
        } else {
            g_string_append_c(out, *text);
        }
    }
    return g_string_free(out, FALSE);
}

/* RFC 3966 parameters belong to the number's writer, not to the number. A user part that is no
 * number keeps its semicolons. */
static void
cut_number_parameters(char *user)
{
    size_t digits = strspn(user, "+0123456789-.()*#ABCDabcd");

    if (digits > 0 && user[digits] == ';') {
        user[digits] = '\0';
    }
}

static char *
user_of(const url_t *url)
{
    const char *user = url->url_user;
    g_autofree char *plain = user != NULL ? unescaped(user) : g_strdup("");

    cut_number_parameters(plain);
    return cleaned(plain);
}

static char *
host_of(const url_t *url)
{
    return url->url_type == url_tel || url->url_host == NULL ? g_strdup("")
                                                             : cleaned(url->url_host);
}

static char *
display_of(const char *display)
{
    g_autoptr(GString) out = g_string_sized_new(32);
    size_t len;

    if (display == NULL) {
        return g_strdup("");
    }
    len = strlen(display);
    if (len >= 2 && display[0] == '"' && display[len - 1] == '"') {
        display++;
        len -= 2;
    }
    for (size_t i = 0; i < len; i++) {
        if (display[i] == '\\' && i + 1 < len) {
            i++;
        }
        g_string_append_c(out, display[i]);
    }
    return cleaned(out->str);
}

/* Up to the first comma outside quotes and brackets. */
static char *
first_value(const char *text)
{
    bool quoted = false, bracketed = false;
    const char *p = text;

    for (; *p != '\0'; p++) {
        if (quoted && p[0] == '\\' && p[1] != '\0') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && (*p == '<' || *p == '>')) {
            bracketed = *p == '<';
        } else if (!quoted && !bracketed && *p == ',') {
            break;
        }
    }
    return g_strndup(text, (size_t)(p - text));
}

/* The first address of an extension header, in the message's arena; NULL: none that can be read. */
static const sip_from_t *
extension_address(const DmSipMessage *request, const char *name)
{
    const char *text = dm_sip_message_extension(request->sip, name);
    g_autofree char *value = NULL;

    if (text == NULL) {
        return NULL;
    }
    value = first_value(text);
    return sip_from_make(request->home, value);
}

static char *
parameter(const sip_from_t *address, const char *name)
{
    const char *value = address->a_params != NULL ? msg_params_find(address->a_params, name) : NULL;

    return value != NULL ? display_of(value) : g_strdup("");
}

/* RFC 3323 values in small letters, as far as they are words. */
static void
read_privacy(const sip_t *sip, DmIdentity *out)
{
    const sip_privacy_t *privacy = sip_privacy(sip);
    g_autoptr(GString) list = g_string_new(NULL);

    for (unsigned i = 0; privacy != NULL && privacy->priv_values != NULL &&
                         privacy->priv_values[i] != NULL && list->len < DM_IDENTITY_MAX;
         i++) {
        g_autofree char *word = g_ascii_strdown(privacy->priv_values[i], 32);

        if (strspn(word, "abcdefghijklmnopqrstuvwxyz-") == strlen(word)) {
            g_string_append_printf(list, "%s%s", list->len > 0 ? ";" : "", word);
        }
    }
    set(&out->privacy, g_strdup(list->str));
}

static void read_history(const DmSipMessage *request, DmIdentity *out);

static void
read_extensions(const DmSipMessage *request, DmIdentity *out)
{
    const sip_from_t *pai = extension_address(request, "P-Asserted-Identity");
    const sip_from_t *ppi = extension_address(request, "P-Preferred-Identity");
    const sip_from_t *rpid = extension_address(request, "Remote-Party-ID");
    const sip_from_t *diversion = extension_address(request, "Diversion");

    if (pai != NULL) {
        set(&out->pai_user, user_of(pai->a_url));
        set(&out->pai_display, display_of(pai->a_display));
    }
    if (ppi != NULL) {
        set(&out->ppi_user, user_of(ppi->a_url));
    }
    if (rpid != NULL) {
        set(&out->rpid_user, user_of(rpid->a_url));
        set(&out->rpid_privacy, parameter(rpid, "privacy="));
    }
    if (diversion != NULL) {
        set(&out->diversion_user, user_of(diversion->a_url));
        set(&out->diversion_reason, parameter(diversion, "reason="));
    } else {
        read_history(request, out);
    }
}

/* RFC 4458 causes as RFC 7544 has them for Diversion; NULL: no diversion. */
static const char *
reason_of_cause(const char *cause)
{
    static const struct {
        unsigned cause;
        const char *reason;
    } reasons[] = {
        {302, "unconditional"},
        {408, "no-answer"},
        {486, "user-busy"},
        {480, "deflection"},
        {487, "deflection"},
        {503, "unavailable"},
        {404, "unknown"},
    };
    unsigned number = cause != NULL ? (unsigned)strtoul(cause, NULL, 10) : 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (reasons[i].cause == number) {
            return reasons[i].reason;
        }
    }
    return NULL;
}

#define MAX_HISTORY 16

/* RFC 7044, 10.2: why it was sent on stands in the entry that was, as an escaped Reason. */
static const char *
escaped_cause(const sip_from_t *before)
{
    const char *headers = before != NULL ? before->a_url->url_headers : NULL;
    const char *found = headers != NULL ? strcasestr(headers, "cause%3D") : NULL;

    return found != NULL ? found + strlen("cause%3D") : NULL;
}

/* One entry: who had the call next. @before: who had it until then, unless that is to be kept
 * secret (RFC 7044, 10.1.2). The last that was sent on is what Diversion would tell first. */
static void
take_entry(const sip_from_t *entry, const sip_from_t *before, DmIdentity *out)
{
    const url_t *url = entry->a_url;
    char cause[8] = "";
    bool has_cause =
        url->url_params != NULL && url_param(url->url_params, "cause", cause, sizeof cause) > 0;
    const char *reason = reason_of_cause(has_cause ? cause : escaped_cause(before));
    bool is_secret = before != NULL && before->a_url->url_headers != NULL &&
                     strcasestr(before->a_url->url_headers, "privacy=") != NULL;

    if (reason != NULL && before != NULL && !is_secret) {
        set(&out->diversion_user, user_of(before->a_url));
        set(&out->diversion_reason, g_strdup(reason));
    }
}

/* Who sent the call on, of those who tell it by History-Info (RFC 7044). */
static void
read_history(const DmSipMessage *request, DmIdentity *out)
{
    const sip_from_t *before = NULL;
    unsigned n = 0;

    for (const sip_unknown_t *h = request->sip->sip_unknown; h != NULL; h = h->un_next) {
        bool is_history = h->un_name != NULL && h->un_value != NULL &&
                          strcasecmp(h->un_name, "History-Info") == 0;
        const char *p = is_history ? h->un_value : "";

        while (*p != '\0' && n++ < MAX_HISTORY) {
            g_autofree char *value = first_value(p);
            const sip_from_t *entry = sip_from_make(request->home, value);

            if (entry != NULL) {
                take_entry(entry, before, out);
                before = entry;
            }
            p += strlen(value);
            p += *p == ',';
        }
    }
}

void
dm_identity_read(const DmSipMessage *request, DmIdentity *out)
{
    const sip_t *sip = request->sip;

    dm_identity_init(out);
    set(&out->from_user, user_of(sip->sip_from->a_url));
    set(&out->from_display, display_of(sip->sip_from->a_display));
    set(&out->from_host, host_of(sip->sip_from->a_url));
    set(&out->to_user, user_of(sip->sip_to->a_url));
    set(&out->to_host, host_of(sip->sip_to->a_url));
    set(&out->ruri_user, user_of(sip->sip_request->rq_url));
    set(&out->ruri_host, host_of(sip->sip_request->rq_url));
    read_privacy(sip, out);
    read_extensions(request, out);
}

/* --- writing --- */

/* RFC 3261, 25.1: unreserved and user-unreserved characters may stand as they are. */
static void
append_user(GString *out, const char *user)
{
    for (const unsigned char *p = (const unsigned char *)user; *p != '\0'; p++) {
        if (g_ascii_isalnum(*p) || strchr("-_.!~*'()&=+$,;?/", *p) != NULL) {
            dm_text_add_char(out, (char)*p);
        } else if (*p >= ' ' && *p != 0x7f) {
            g_string_append_printf(out, "%%%02X", *p);
        }
    }
}

static void
append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            g_string_append_c(out, '\\');
        }
        if (*p >= ' ' && *p != 0x7f) {
            g_string_append_c(out, (char)*p);
        }
    }
    g_string_append_c(out, '"');
}

void
dm_identity_append_uri(GString *out,
                       const char *user,
                       const char *host,
                       uint16_t port,
                       bool user_phone)
{
    bool bare_ipv6 = host[0] != '[' && strchr(host, ':') != NULL;

    g_string_append(out, "sip:");
    if (*user != '\0') {
        append_user(out, user);
        g_string_append_c(out, '@');
    }
    dm_text_add_all(out, bare_ipv6 ? "[" : "", host, bare_ipv6 ? "]" : "", NULL);
    if (port != 0) {
        dm_text_add_char(out, ':');
        dm_text_add_unsigned(out, port);
    }
    if (user_phone && *user != '\0') {
        g_string_append(out, ";user=phone");
    }
}

void
dm_identity_append_address(GString *out, const char *display, const char *uri)
{
    if (*display != '\0') {
        append_quoted(out, display);
        g_string_append_c(out, ' ');
    }
    dm_text_add_all(out, "<", uri, ">", NULL);
}

static void
append_caller(GString *out,
              const DmTrunkConfig *trunk,
              const char *display,
              const char *user,
              const char *host)
{
    g_autoptr(GString) uri = g_string_sized_new(64);

    dm_identity_append_uri(uri, user, host, 0, trunk->sip.user_phone);
    dm_identity_append_address(out, trunk->identity.display_name ? display : "", uri->str);
}

void
dm_identity_append_from(GString *out, const DmRouteTarget *target, const char *host)
{
    if (target->anonymous) {
        g_string_append(out, "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        return;
    }
    append_caller(out,
                  target->trunk,
                  target->identity.from_display,
                  target->identity.from_user,
                  host);
}

/* Whether the number is to be kept from those outside the trust domain (RFC 3323, RFC 3325). */
static bool
is_withheld(const DmRouteTarget *target)
{
    static const char *const asks[] = {"id", "user", "header"};
    g_auto(GStrv) values = g_strsplit(target->identity.privacy, ";", 16);

    for (unsigned i = 0; i < G_N_ELEMENTS(asks); i++) {
        if (g_strv_contains((const char *const *)values, asks[i])) {
            return true;
        }
    }
    return false;
}

static void
add_caller(DmSipMessage *request,
           const DmRouteTarget *target,
           const char *name,
           const char *user,
           const char *host,
           const char *params)
{
    g_autoptr(GString) value = g_string_sized_new(96);

    if (*user != '\0') {
        append_caller(value, target->trunk, target->identity.pai_display, user, host);
        g_string_append(value, params);
        dm_sip_message_add(request, name, value->str);
    }
}

/* Reasons of RFC 5806 that may cross; others are written as unknown. */
static const char *
diversion_reason(const char *reason)
{
    static const char *const known[] = {
        "user-busy",
        "no-answer",
        "unavailable",
        "unconditional",
        "time-of-day",
        "do-not-disturb",
        "deflection",
        "follow-me",
        "out-of-service",
        "away",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_ascii_strcasecmp(reason, known[i]) == 0) {
            return known[i];
        }
    }
    return "unknown";
}

/* RFC 4458, as RFC 7544 has it for those reasons. */
static unsigned
diversion_cause(const char *reason)
{
    static const struct {
        const char *reason;
        unsigned cause;
    } causes[] = {
        {"unconditional", 302},
        {"no-answer", 408},
        {"user-busy", 486},
        {"deflection", 480},
        {"unavailable", 503},
        {"out-of-service", 503},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(causes); i++) {
        if (g_ascii_strcasecmp(reason, causes[i].reason) == 0) {
            return causes[i].cause;
        }
    }
    return 404;
}

/* Who had the call first, and who was called instead, and why. */
static void
add_history(DmSipMessage *request, const DmRouteTarget *target, const char *host)
{
    const DmIdentity *id = &target->identity;
    g_autoptr(GString) value = g_string_new("<");

    dm_identity_append_uri(value, id->diversion_user, host, 0, false);
    g_string_append(value, ">;index=1, <");
    dm_identity_append_uri(value, id->ruri_user, host, 0, false);
    g_string_append_printf(value,
                           ";cause=%u>;index=1.1;mp=1",
                           diversion_cause(id->diversion_reason));
    dm_sip_message_add(request, "History-Info", value->str);
}

static void
add_diversion(DmSipMessage *request, const DmRouteTarget *target, const char *host)
{
    const DmIdentity *id = &target->identity;
    g_autoptr(GString) value = g_string_sized_new(96);
    g_autoptr(GString) uri = g_string_sized_new(64);
    DmDiversionMode mode = target->trunk->identity.diversion_mode;

    if (*id->diversion_user == '\0') {
        return;
    }
    if (mode == DM_DIVERSION_HISTORY || mode == DM_DIVERSION_BOTH) {
        add_history(request, target, host);
    }
    if (mode == DM_DIVERSION_HEADER || mode == DM_DIVERSION_BOTH) {
        dm_identity_append_uri(uri, id->diversion_user, host, 0, false);
        dm_identity_append_address(value, "", uri->str);
        g_string_append_printf(value, ";reason=%s", diversion_reason(id->diversion_reason));
        dm_sip_message_add(request, "Diversion", value->str);
    }
}

/* What to assert has been decided by the route; that a withheld number stays withheld is checked
 * here once more, because a leak cannot be taken back (ID-2). */
void
dm_identity_write(DmSipMessage *request, const DmRouteTarget *target, const char *host)
{
    const DmIdentity *id = &target->identity;
    bool withheld = is_withheld(target);
    const char *rpid = withheld ? ";party=calling;privacy=full" : ";party=calling;privacy=off";

    if (!withheld || target->trunk->identity.trusted) {
        add_caller(request, target, "P-Asserted-Identity", id->pai_user, host, "");
        add_caller(request, target, "P-Preferred-Identity", id->ppi_user, host, "");
        add_caller(request, target, "Remote-Party-ID", id->rpid_user, host, rpid);
        add_diversion(request, target, host);
    }
    if (strspn(id->privacy, "abcdefghijklmnopqrstuvwxyz;-") == strlen(id->privacy) &&
        *id->privacy != '\0') {
        dm_sip_message_add(request, "Privacy", id->privacy);
    }
}

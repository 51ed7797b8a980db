/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/bodies.h"

#include <sofia-sip/sip_header.h>
#include <string.h>
#include <strings.h>

#include "gateway/sip/multipart.h"

#define MAX_PARTS      16 /* that are looked at */
#define MAX_RELAYED    4
#define MAX_PART_BYTES 16384
#define MAX_DEPTH      3

/* --- what a part is --- */

static bool
is_multipart(DmSpan type)
{
    return type.len > 10 && strncasecmp(type.p, "multipart/", 10) == 0;
}

static bool
is_plain(DmSpan encoding)
{
    return encoding.len == 0 || dm_span_equals(encoding, "identity");
}

/* RFC 3959: an early session is another one. */
static bool
is_description(const DmPart *part)
{
    return dm_span_equals(part->type, DM_SIP_ACCEPT) && is_plain(part->encoding) &&
           (part->disposition.len == 0 || dm_span_equals(part->disposition, "session"));
}

static bool
is_listed(const DmTrunkConfig *trunk, DmSpan type)
{
    const GPtrArray *types = trunk->sip.body_types;

    for (guint i = 0; i < types->len; i++) {
        if (dm_span_equals(type, types->pdata[i])) {
            return true;
        }
    }
    return false;
}

static DmSpan
span_of(const char *text)
{
    return text != NULL ? (DmSpan){text, strlen(text)} : (DmSpan){"", 0};
}

/* The whole body, as if it were a part. False: there is none. */
static bool
whole_body(const sip_t *sip, DmPart *out)
{
    const sip_content_type_t *type = sip->sip_content_type;
    const sip_content_disposition_t *disposition = sip->sip_content_disposition;
    const sip_content_encoding_t *encoding = sip->sip_content_encoding;
    bool has_encoding = encoding != NULL && encoding->k_items != NULL;
    const char *boundary = type != NULL && type->c_params != NULL
                               ? msg_params_find(type->c_params, "boundary=")
                               : NULL;

    if (sip->sip_payload == NULL || sip->sip_payload->pl_len == 0) {
        return false;
    }
    *out = (DmPart){
        .type = span_of(type != NULL ? type->c_type : NULL),
        .boundary = span_of(boundary),
        .disposition = span_of(disposition != NULL ? disposition->cd_type : NULL),
        .id = span_of(NULL),
        .encoding = span_of(has_encoding ? encoding->k_items[0] : NULL),
        .content = {sip->sip_payload->pl_data, sip->sip_payload->pl_len},
    };
    if (out->boundary.len >= 2 && out->boundary.p[0] == '"') {
        out->boundary = (DmSpan){out->boundary.p + 1, out->boundary.len - 2};
    }
    return true;
}

/* --- walking through --- */

/* @in_mixed: every part of it stands for itself (RFC 5621, 3.1); of alternatives any may be passed
 * over. True: enough. */
typedef bool (*PartFunc)(const DmPart *part, bool in_mixed, void *user_data);

typedef struct {
    PartFunc func;
    void *user_data;
    unsigned n;
} Walk;

/* False: enough. */
static bool
walk(Walk *w, const DmPart *body, unsigned depth)
{
    bool in_mixed = dm_span_equals(body->type, "multipart/mixed");
    DmParts parts;
    DmPart part;

    if (!dm_parts_begin(&parts, body->content, body->boundary)) {
        return true;
    }
    while (w->n++ < MAX_PARTS && dm_parts_next(&parts, &part)) {
        bool goes_on = is_multipart(part.type) && depth < MAX_DEPTH
                           ? walk(w, &part, depth + 1)
                           : !w->func(&part, in_mixed, w->user_data);

        if (!goes_on) {
            return false;
        }
    }
    return true;
}

static void
for_each_part(const DmPart *body, PartFunc func, void *user_data)
{
    Walk w = {.func = func, .user_data = user_data};

    walk(&w, body, 1);
}

/* --- the session description --- */

typedef struct {
    DmSdp *sdp;
    bool is_unreadable;
} Found;

static bool
take_description(const DmPart *part, bool in_mixed, void *user_data)
{
    Found *found = user_data;

    if (!is_description(part)) {
        return false;
    }
    if (part->content.len > 0) {
        found->sdp = dm_sdp_parse(part->content.p, part->content.len, NULL);
        found->is_unreadable = found->sdp == NULL;
    }
    return true;
}

bool
dm_sip_bodies_read_sdp(const sip_t *sip, DmSdp **out_sdp)
{
    Found found = {0};
    DmPart body;

    if (whole_body(sip, &body)) {
        if (is_multipart(body.type)) {
            for_each_part(&body, take_description, &found);
        } else {
            take_description(&body, true, &found);
        }
    }
    *out_sdp = found.sdp;
    return !found.is_unreadable;
}

/* --- what has to be understood --- */

typedef struct {
    const DmTrunkConfig *trunk;
    DmRequestFault *fault;
} Check;

/* RFC 5621, 4: who says nothing means "required". Few that say nothing know that. */
static bool
is_required(const DmPart *part, bool in_mixed, const DmTrunkConfig *trunk)
{
    return part->handling == DM_HANDLING_REQUIRED ||
           (part->handling == DM_HANDLING_NOT_SAID && in_mixed && trunk->sip.strict_bodies);
}

static void
refuse_type(Check *check)
{
    g_autofree char *accept = dm_sip_bodies_accept(check->trunk);

    check->fault->status = 415;
    check->fault->header = "Accept";
    g_strlcpy(check->fault->value, accept, sizeof check->fault->value);
}

static bool
is_not_understood(const DmPart *part, bool in_mixed, void *user_data)
{
    Check *check = user_data;

    if (!is_required(part, in_mixed, check->trunk)) {
        return false;
    }
    if (!is_plain(part->encoding)) {
        check->fault->status = 415;
        check->fault->header = "Accept-Encoding";
        g_strlcpy(check->fault->value, "identity", sizeof check->fault->value);
        return true;
    }
    if (is_description(part) || is_listed(check->trunk, part->type)) {
        return false;
    }
    refuse_type(check);
    return true;
}

bool
dm_sip_bodies_check(const DmSipMessage *request,
                    const DmTrunkConfig *trunk,
                    DmRequestFault *out_fault)
{
    Check check = {trunk, out_fault};
    DmParts parts;
    DmPart body;

    *out_fault = (DmRequestFault){0};
    if ((request->method != DM_METHOD_INVITE && request->method != DM_METHOD_UPDATE) ||
        !whole_body(request->sip, &body) || !is_multipart(body.type)) {
        return true;
    }
    if (dm_parts_begin(&parts, body.content, body.boundary)) {
        for_each_part(&body, is_not_understood, &check);
    } else {
        out_fault->status = 400;
    }
    return out_fault->status == 0;
}

char *
dm_sip_bodies_accept(const DmTrunkConfig *trunk)
{
    GString *accept = g_string_new(DM_SIP_ACCEPT ", multipart/mixed");

    for (guint i = 0; trunk != NULL && i < trunk->sip.body_types->len; i++) {
        g_string_append_printf(accept, ", %s", (const char *)trunk->sip.body_types->pdata[i]);
    }
    return g_string_free(accept, FALSE);
}

/* --- what crosses --- */

typedef struct {
    const DmTrunkConfig *trunk;
    const char *geolocation; /* the header's text; "": none */
    const char *routing;
    GPtrArray *parts;
} Take;

static void
free_part(gpointer data)
{
    DmBodyPart *part = data;

    g_free(part->type);
    g_free(part->parameters);
    g_free(part->disposition);
    g_bytes_unref(part->data);
    g_free(part);
}

/* "<id@host>" of the part is what "<cid:id@host>" points to (RFC 2392, RFC 6442). */
static bool
is_pointed_to(const DmPart *part, const char *geolocation)
{
    g_autofree char *pointer = NULL;

    if (part->id.len < 3 || part->id.p[0] != '<') {
        return false;
    }
    pointer = g_strdup_printf("<cid:%.*s", (int)part->id.len - 1, part->id.p + 1);
    return strstr(geolocation, pointer) != NULL;
}

/* One token and how it is to be handled: nothing of the peer's words beyond that. */
static char *
disposition_of(const DmPart *part)
{
    static const char *const handlings[] = {
        [DM_HANDLING_NOT_SAID] = "",
        [DM_HANDLING_OPTIONAL] = ";handling=optional",
        [DM_HANDLING_REQUIRED] = ";handling=required",
    };

    if (part->disposition.len > 64 || !dm_span_is_token(part->disposition)) {
        return g_strdup("");
    }
    return g_strdup_printf("%.*s%s",
                           (int)part->disposition.len,
                           part->disposition.p,
                           handlings[part->handling]);
}

/* What kind of ISUP it is, and the like. */
static char *
parameters_of(const DmPart *part)
{
    const DmSpan *text = &part->parameters;

    for (size_t i = 0; i < text->len; i++) {
        if (text->p[i] < ' ' || text->p[i] > '~') {
            return g_strdup("");
        }
    }
    return text->len <= 128 ? g_strndup(text->p, text->len) : g_strdup("");
}

static bool
take_part(const DmPart *part, bool in_mixed, void *user_data)
{
    Take *take = user_data;
    DmBodyPart *kept;

    if (is_description(part) || !is_listed(take->trunk, part->type) || part->content.len == 0 ||
        part->content.len > MAX_PART_BYTES || !is_plain(part->encoding)) {
        return false;
    }
    kept = g_new0(DmBodyPart, 1);
    kept->type = g_ascii_strdown(part->type.p, (gssize)part->type.len);
    kept->parameters = parameters_of(part);
    kept->disposition = disposition_of(part);
    kept->data = g_bytes_new(part->content.p, part->content.len);
    kept->is_location = is_pointed_to(part, take->geolocation);
    kept->routes = strcasecmp(take->routing, "yes") == 0;
    g_ptr_array_add(take->parts, kept);
    return take->parts->len >= MAX_RELAYED;
}

static const char *
extension_or_empty(const sip_t *sip, const char *name)
{
    const char *value = dm_sip_message_extension(sip, name);

    return value != NULL ? value : "";
}

GPtrArray *
dm_sip_bodies_take(const DmSipMessage *request, const DmTrunkConfig *trunk)
{
    const sip_t *sip = request->sip;
    g_autoptr(GPtrArray) parts = NULL;
    Take take = {.trunk = trunk};
    DmPart body;

    if (trunk->sip.body_types->len == 0 || !whole_body(sip, &body) || !is_multipart(body.type)) {
        return NULL;
    }
    parts = g_ptr_array_new_with_free_func(free_part);
    take.geolocation = extension_or_empty(sip, "Geolocation");
    take.routing = extension_or_empty(sip, "Geolocation-Routing");
    take.parts = parts;
    for_each_part(&body, take_part, &take);
    return parts->len > 0 ? g_steal_pointer(&parts) : NULL;
}

/* --- writing --- */

static void
append_part(GString *body, const char *boundary, const char *headers, const void *data, size_t len)
{
    g_string_append_printf(body, "--%s\r\n%s\r\n", boundary, headers);
    g_string_append_len(body, data, (gssize)len);
    g_string_append(body, "\r\n");
}

static void
append_relayed(GString *body, const char *boundary, const DmBodyPart *part, const char *id)
{
    g_autofree char *headers =
        g_strdup_printf("Content-Type: %s%s\r\nContent-ID: <%s>\r\n%s%s%s",
                        part->type,
                        part->parameters,
                        id,
                        *part->disposition != '\0' ? "Content-Disposition: " : "",
                        part->disposition,
                        *part->disposition != '\0' ? "\r\n" : "");
    gsize len;
    const void *data = g_bytes_get_data(part->data, &len);

    append_part(body, boundary, headers, data, len);
}

/* RFC 6442: where the location is. The name in it is ours. */
static void
add_location(DmSipMessage *request, const DmBodyPart *part, const char *id)
{
    g_autofree char *value = g_strdup_printf("<cid:%s>", id);

    if (part->is_location &&
        dm_sip_message_extension(request->sip, "Geolocation-Routing") == NULL) {
        dm_sip_message_add(request, "Geolocation", value);
        dm_sip_message_add(request, "Geolocation-Routing", part->routes ? "yes" : "no");
    }
}

void
dm_sip_bodies_add(const DmSipCore *core,
                  DmSipMessage *request,
                  const GPtrArray *parts,
                  const DmTrunkConfig *trunk,
                  const char *host)
{
    const sip_payload_t *sdp = request->sip->sip_payload;
    g_autoptr(GString) body = g_string_sized_new(2048);
    g_autofree char *type = NULL;
    char boundary[DM_TOKEN_MAX];
    unsigned n = 0;

    dm_sip_token(core, boundary); /* random: it is in none of the parts */
    if (sdp != NULL && sdp->pl_len > 0) {
        append_part(body,
                    boundary,
                    "Content-Type: " DM_SIP_ACCEPT "\r\n",
                    sdp->pl_data,
                    sdp->pl_len);
    }
    for (guint i = 0; parts != NULL && i < parts->len; i++) {
        const DmBodyPart *part = parts->pdata[i];
        g_autofree char *id = g_strdup_printf("%s-%u@%s", boundary, i, host);

        if (is_listed(trunk, span_of(part->type))) {
            append_relayed(body, boundary, part, id);
            add_location(request, part, id);
            n++;
        }
    }
    if (n > 0) {
        g_string_append_printf(body, "--%s--\r\n", boundary);
        type = g_strdup_printf("multipart/mixed;boundary=%s", boundary);
        dm_sip_message_add(request, "MIME-Version", "1.0");
        dm_sip_message_set_body(request, type, body->str, body->len);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/exchange.h"

#include <string.h>

#define MAX_HEADERS 100

/* What the headers say, as they are counted. */
typedef struct {
    DmRequest *request;
    unsigned n, hosts, lengths, encodings;
    bool is_ambiguous;
} Head;

/* Headers that mean one thing, and of which two would be a riddle. */
static bool
is_single(const char *name)
{
    static const char *const names[] =
        {"authorization", "content-type", "if-match", "if-none-match", "idempotency-key", NULL};

    return g_strv_contains(names, name);
}

static enum MHD_Result
add_header(void *user_data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    Head *head = user_data;
    g_autofree char *lower = g_ascii_strdown(name, -1);
    const char *before = dm_request_header(head->request, lower);

    head->n++;
    head->hosts += strcmp(lower, "host") == 0;
    head->lengths += strcmp(lower, "content-length") == 0;
    head->encodings += strcmp(lower, "transfer-encoding") == 0;
    if (before != NULL && is_single(lower)) {
        head->is_ambiguous = true;
    } else if (before != NULL) {
        g_autofree char *joined = g_strconcat(before, ",", value, NULL);

        dm_request_set_header(head->request, lower, joined);
    } else {
        dm_request_set_header(head->request, lower, value != NULL ? value : "");
    }
    return head->n < MAX_HEADERS ? MHD_YES : MHD_NO;
}

/* What is wrong with the head; NULL: nothing. */
static const char *
find_fault(const Head *head, const char *version)
{
    if (head->n >= MAX_HEADERS) {
        return "too many headers";
    }
    if (head->hosts > 1 || (head->hosts == 0 && strcmp(version, "HTTP/1.0") != 0)) {
        return "exactly one Host is needed";
    }
    if (head->lengths > 1) {
        return "more than one Content-Length";
    }
    if (head->encodings > 1 || (head->encodings == 1 && head->lengths == 1)) {
        return "Transfer-Encoding beside Content-Length, or twice";
    }
    return head->is_ambiguous ? "a header that may stand once stands twice" : NULL;
}

static void
take_remote(struct MHD_Connection *connection, DmRequest *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    if (info != NULL && info->client_addr != NULL) {
        dm_address_from_sockaddr(&request->remote, info->client_addr);
    }
}

/* Told before the body comes, so that nobody sends a megabyte in vain. */
static bool
is_announced_too_large(const DmRequest *request)
{
    const char *length = dm_request_header(request, "content-length");
    guint64 bytes;

    return length != NULL &&
           !g_ascii_string_to_unsigned(length, 10, 0, DM_REQUEST_MAX_BODY, &bytes, NULL);
}

DmRequest *
dm_exchange_read_head(struct MHD_Connection *connection,
                      const char *method,
                      const char *target,
                      const char *version,
                      DmResponse *response)
{
    g_autoptr(DmRequest) request = dm_request_new(method, target);
    Head head = {.request = request};
    const char *fault;

    if (request == NULL) {
        dm_problem(response, 400, "target", "the path or the query cannot be decoded");
        return NULL;
    }
    take_remote(connection, request);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, &head);
    fault = find_fault(&head, version);
    if (fault != NULL) {
        dm_problem(response, 400, "framing", "%s", fault);
        return NULL;
    }
    if (is_announced_too_large(request)) {
        dm_problem(response, 413, "too_large", "a body has at most %d bytes", DM_REQUEST_MAX_BODY);
        return NULL;
    }
    return g_steal_pointer(&request);
}

static void
add_headers(struct MHD_Response *answer, const DmResponse *response, bool close)
{
    if (response->body->len > 0) {
        MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
    }
    MHD_add_response_header(answer, "X-Content-Type-Options", "nosniff");
    if (dm_response_get_header(response, "Cache-Control") == NULL) {
        MHD_add_response_header(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    for (guint i = 0; i + 1 < response->headers->len; i += 2) {
        MHD_add_response_header(answer,
                                g_ptr_array_index(response->headers, i),
                                g_ptr_array_index(response->headers, i + 1));
    }
    if (close) {
        MHD_add_response_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

enum MHD_Result
dm_exchange_answer(struct MHD_Connection *connection, const DmResponse *response, bool close)
{
    struct MHD_Response *answer = MHD_create_response_from_buffer(response->body->len,
                                                                  response->body->str,
                                                                  MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result;

    if (answer == NULL) {
        return MHD_NO;
    }
    add_headers(answer, response, close);
    result = MHD_queue_response(connection, (unsigned)response->status, answer);
    MHD_destroy_response(answer);
    return result;
}

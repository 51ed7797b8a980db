/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/auth.h"

#include <sofia-sip/msg_header.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/url.h>

#define MAX_CHALLENGES 8

static DmDigestVerdict
take_kind(DmDigestClient *client, bool proxy, const msg_auth_t *header)
{
    DmDigestChallenge challenges[MAX_CHALLENGES];
    size_t n = 0;

    for (; header != NULL && n < MAX_CHALLENGES; header = header->au_next) {
        if (dm_digest_challenge_parse(&challenges[n], header->au_scheme, header->au_params)) {
            n++;
        }
    }
    return dm_digest_client_take(client, proxy, challenges, n);
}

DmDigestVerdict
dm_auth_take(DmDigestClient *client, const DmSipMessage *response)
{
    DmDigestVerdict www = take_kind(client, false, response->sip->sip_www_authenticate);
    DmDigestVerdict proxy = take_kind(client, true, response->sip->sip_proxy_authenticate);

    if (www == DM_DIGEST_REFUSED || proxy == DM_DIGEST_REFUSED) {
        return DM_DIGEST_REFUSED;
    }
    return www == DM_DIGEST_RETRY ? www : proxy;
}

static void
remove_all(DmSipMessage *message, msg_auth_t **first)
{
    while (*first != NULL) {
        msg_header_remove(message->msg, (msg_pub_t *)message->sip, (msg_header_t *)*first);
    }
}

static void
add_header(bool proxy, const char *value, void *user_data)
{
    dm_sip_message_add(user_data, proxy ? "Proxy-Authorization" : "Authorization", value);
}

static DmDigestRequest
digest_request(const DmSipMessage *request)
{
    const sip_t *sip = request->sip;

    return (DmDigestRequest){
        .method = sip->sip_request->rq_method_name,
        .uri = url_as_string(request->home, sip->sip_request->rq_url),
        .body = sip->sip_payload != NULL ? sip->sip_payload->pl_data : "",
        .body_len = sip->sip_payload != NULL ? sip->sip_payload->pl_len : 0,
    };
}

void
dm_auth_apply(DmDigestClient *client, DmRandom *random, DmSipMessage *request)
{
    DmDigestRequest digest = digest_request(request);

    remove_all(request, &request->sip->sip_authorization);
    remove_all(request, &request->sip->sip_proxy_authorization);
    dm_digest_client_authorize(client, random, &digest, add_header, request);
}

static void
copy_header(DmSipMessage *to, const void *header)
{
    if (header != NULL) {
        msg_header_add_dup(to->msg, (msg_pub_t *)to->sip, header);
    }
}

void
dm_auth_copy(DmSipMessage *to, const DmSipMessage *from)
{
    copy_header(to, from->sip->sip_authorization);
    copy_header(to, from->sip->sip_proxy_authorization);
}

static const char *
realm_of(const DmTrunkConfig *trunk)
{
    return *trunk->domain != '\0' ? trunk->domain : "demarc";
}

DmDigestCheck
dm_sip_auth_check(const char *key,
                  const DmTrunkConfig *trunk,
                  const DmSipMessage *request,
                  int64_t now_s)
{
    DmDigestExpected expected = {
        .ask = {key, realm_of(trunk), &request->flow.remote, now_s},
        .user = trunk->auth.inbound_user,
        .password = trunk->auth.inbound_password,
        .request = digest_request(request),
    };
    DmDigestCheck worst = DM_DIGEST_ABSENT;
    const msg_auth_t *header = request->sip->sip_authorization;

    for (unsigned n = 0; header != NULL && n < MAX_CHALLENGES; n++, header = header->au_next) {
        DmDigestCheck check =
            dm_digest_server_check(&expected, header->au_scheme, header->au_params);

        if (check == DM_DIGEST_ACCEPTED) {
            return check;
        }
        worst = MAX(worst, check);
    }
    return worst;
}

void
dm_auth_challenge(const char *key,
                  const DmTrunkConfig *trunk,
                  DmSipMessage *response,
                  int64_t now_s,
                  bool stale)
{
    static const DmDigestAlgorithm offered[] = {DM_DIGEST_SHA256, DM_DIGEST_MD5};
    DmDigestAsk ask = {key, realm_of(trunk), &response->flow.remote, now_s};

    for (unsigned i = 0; i < G_N_ELEMENTS(offered); i++) {
        g_autoptr(GString) value = g_string_sized_new(200);

        dm_digest_server_challenge(&ask, offered[i], stale, value);
        dm_sip_message_add(response, "WWW-Authenticate", value->str);
    }
}

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

static bool
has_stale(const msg_auth_t *header)
{
    for (; header != NULL; header = header->au_next) {
        DmDigestChallenge challenge;

        if (dm_digest_challenge_parse(&challenge, header->au_scheme, header->au_params) &&
            challenge.stale) {
            return true;
        }
    }
    return false;
}

bool
dm_auth_is_stale(const DmSipMessage *response)
{
    return has_stale(response->sip->sip_www_authenticate) ||
           has_stale(response->sip->sip_proxy_authenticate);
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

/* The best of each kind (RFC 8760): what a hash is called in a challenge. */
static const DmDigestAlgorithm algorithm_of[DM_N_DIGEST_HASHES] = {
    [DM_DIGEST_HASH_MD5] = DM_DIGEST_MD5,
    [DM_DIGEST_HASH_SHA256] = DM_DIGEST_SHA256,
    [DM_DIGEST_HASH_SHA512_256] = DM_DIGEST_SHA512_256,
};
G_STATIC_ASSERT(DM_N_DIGEST_HASHES == DM_DIGEST_N_HASHES);

/* Whether we could tell a right answer from a wrong one. */
static bool
can_check(const DmTrunkConfig *trunk, int hash)
{
    return *trunk->auth.inbound_password != '\0' || trunk->auth.inbound_ha1[hash] != NULL;
}

static void
fill_expected(DmDigestExpected *expected, const DmTrunkConfig *trunk)
{
    const GArray *offered = trunk->auth.inbound_algorithms;

    expected->realm = trunk->auth.inbound_realm;
    expected->user = trunk->auth.inbound_user;
    expected->password =
        *trunk->auth.inbound_password != '\0' ? trunk->auth.inbound_password : NULL;
    for (unsigned i = 0; i < DM_N_DIGEST_HASHES; i++) {
        expected->ha1[i] = trunk->auth.inbound_ha1[i];
    }
    for (guint i = 0; i < offered->len; i++) {
        expected->hashes |= 1U << g_array_index(offered, int, i);
    }
}

DmDigestCheck
dm_sip_auth_check(DmNonces *nonces,
                  const DmTrunkConfig *trunk,
                  const DmSipMessage *request,
                  int64_t now_s)
{
    DmDigestExpected expected = {
        .nonces = nonces,
        .source = &request->flow.remote,
        .now_s = now_s,
        .request = digest_request(request),
    };
    DmDigestCheck worst = DM_DIGEST_ABSENT;
    const msg_auth_t *header = request->sip->sip_authorization;

    fill_expected(&expected, trunk);
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
dm_auth_challenge(DmNonces *nonces,
                  const DmTrunkConfig *trunk,
                  DmSipMessage *response,
                  int64_t now_s,
                  bool stale)
{
    const GArray *offered = trunk->auth.inbound_algorithms;
    const char *realm = trunk->auth.inbound_realm;
    char nonce[DM_NONCE_MAX];

    dm_nonces_make(nonces, &response->flow.remote, realm, now_s, nonce);
    for (guint i = 0; i < offered->len; i++) {
        int hash = g_array_index(offered, int, i);
        g_autoptr(GString) value = g_string_sized_new(200);

        if (can_check(trunk, hash)) {
            dm_digest_server_challenge(realm, nonce, algorithm_of[hash], stale, value);
            if (trunk->auth.inbound_integrity) {
                dm_digest_server_offer_integrity(value);
            }
            dm_sip_message_add(response, "WWW-Authenticate", value->str);
        }
    }
}

bool
dm_sip_auth_demand(DmSipCore *core,
                   DmServerTx *tx,
                   const DmSipMessage *request,
                   const DmTrunkConfig *trunk)
{
    int64_t now_s = dm_loop_now_us(core->loop) / G_USEC_PER_SEC;
    g_autoptr(DmSipMessage) response = NULL;
    char tag[DM_TOKEN_MAX];
    DmDigestCheck check;

    if (*trunk->auth.inbound_user == '\0') {
        return true;
    }
    check = dm_sip_auth_check(core->nonces, trunk, request, now_s);
    if (check == DM_DIGEST_ACCEPTED) {
        return true;
    }
    if (check == DM_DIGEST_WRONG) {
        DmTrunk *of = dm_pool_find(core->pool, trunk->id);

        dm_count(&core->counters[SIP_blocked_credentials]);
        if (of != NULL) {
            dm_trunk_count_auth_failure(of);
        }
    }
    dm_sip_token(core, tag);
    response = dm_sip_response_new(request, check == DM_DIGEST_BAD_URI ? 400 : 401, NULL, tag);
    dm_sip_message_add(response, "Server", DM_SIP_USER_AGENT);
    if (check != DM_DIGEST_BAD_URI) {
        dm_auth_challenge(core->nonces, trunk, response, now_s, check == DM_DIGEST_STALE);
    }
    dm_server_tx_respond(tx, response);
    return false;
}

void
dm_sip_auth_claim(const DmSipMessage *request, const char **out_user, const char **out_realm)
{
    const msg_auth_t *header = request->sip->sip_authorization;
    char user[DM_DIGEST_TEXT_MAX];
    char realm[DM_DIGEST_TEXT_MAX];

    *out_user = *out_realm = "";
    if (header != NULL && dm_digest_claim(header->au_scheme, header->au_params, user, realm)) {
        *out_user = su_strdup(request->home, user);
        *out_realm = su_strdup(request->home, realm);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/sip/core.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "gateway/sip/bodies.h"
#include "gateway/sip/identity.h"

/* (transfer full) */
static char *
make_contact_token(const char *secret, const char *trunk_id)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t mac[EVP_MAX_MD_SIZE] = {0};
    unsigned n = sizeof mac;
    char token[17] = "";

    HMAC(EVP_sha256(),
         secret,
         (int)strlen(secret),
         (const uint8_t *)trunk_id,
         strlen(trunk_id),
         mac,
         &n);
    for (unsigned i = 0; i < sizeof token - 1; i++) {
        token[i] = alphabet[mac[i] & 31];
    }
    return g_strdup(token);
}

char *
dm_sip_contact_user(const DmSipCore *core, const DmTrunkConfig *trunk)
{
    const char *token;

    if (*trunk->registration.contact_user != '\0') {
        return g_strdup(trunk->registration.contact_user);
    }
    token = g_hash_table_lookup(core->contact_users, trunk->id);
    if (token == NULL) {
        char *made = make_contact_token(core->secret, trunk->id);

        g_hash_table_insert(core->contact_users, g_strdup(trunk->id), made);
        token = made;
    }
    return g_strdup(token);
}

char *
dm_sip_contact_uri(const DmSipCore *core, const DmTrunkConfig *trunk, const DmSipFlow *flow)
{
    const DmAddress *advertised = core->wire.ops->advertised(core->wire.wire, flow->listener);
    const char *name = core->wire.ops->contact_host(core->wire.wire, flow->listener);
    g_autofree char *user = trunk != NULL ? dm_sip_contact_user(core, trunk) : g_strdup("");
    char host[DM_ADDRESS_TEXT_MAX];
    GString *uri = g_string_sized_new(64);

    dm_identity_append_uri(uri,
                           user,
                           name != NULL ? name : dm_address_uri_host(advertised, host),
                           dm_address_port(advertised),
                           false);
    if (flow->transport != DM_TRANSPORT_UDP) {
        g_string_append_printf(uri, ";transport=%s", dm_transport_name(flow->transport));
    }
    return g_string_free(uri, FALSE);
}

void
dm_sip_add_contact(const DmSipCore *core,
                   DmSipMessage *message,
                   const DmTrunkConfig *trunk,
                   const DmSipFlow *flow)
{
    g_autofree char *uri = dm_sip_contact_uri(core, trunk, flow);
    g_autofree char *value = g_strdup_printf("<%s>", uri);

    dm_sip_message_add(message, "Contact", value);
}

const char *
dm_sip_allow(const DmTrunkConfig *trunk)
{
    bool transfers = trunk != NULL && trunk->sip.refer_mode != DM_REFER_REJECT;

    if (trunk != NULL && trunk->sip.update == DM_UPDATE_OFF) {
        return transfers ? DM_SIP_NO_UPDATE DM_SIP_TRANSFERS : DM_SIP_NO_UPDATE;
    }
    return transfers ? DM_SIP_ALLOW DM_SIP_TRANSFERS : DM_SIP_ALLOW;
}

void
dm_sip_add_abilities(DmSipMessage *message, const DmTrunkConfig *trunk)
{
    dm_sip_message_add(message, "Allow", dm_sip_allow(trunk));
    dm_sip_message_add(message,
                       message->sip->sip_request != NULL ? "User-Agent" : "Server",
                       DM_SIP_USER_AGENT);
}

static void
append_tag(GString *list, const char *tag)
{
    g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", tag);
}

void
dm_sip_add_extensions(DmSipMessage *message, const DmTrunkConfig *trunk)
{
    const struct {
        const char *tag;
        DmAbility ability;
    } extensions[] = {
        {"replaces", DM_ABILITY_SUPPORTED},
        {"norefersub",
         trunk->sip.refer_mode != DM_REFER_REJECT ? DM_ABILITY_SUPPORTED : DM_ABILITY_OFF},
        {"100rel", trunk->sip.rel100},
        {"timer", trunk->sip.session_timer.mode},
    };
    g_autoptr(GString) supported = g_string_new(NULL);
    g_autoptr(GString) required = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(extensions); i++) {
        if (extensions[i].ability != DM_ABILITY_OFF) {
            append_tag(supported, extensions[i].tag);
        }
        if (extensions[i].ability == DM_ABILITY_REQUIRED) {
            append_tag(required, extensions[i].tag);
        }
    }
    dm_sip_message_add(message, "Supported", supported->str);
    if (required->len > 0 && message->sip->sip_request != NULL) {
        dm_sip_message_add(message, "Require", required->str);
    }
}

void
dm_sip_add_capabilities(DmSipMessage *response, const DmTrunkConfig *trunk)
{
    g_autofree char *accept = dm_sip_bodies_accept(trunk);

    dm_sip_message_add(response, "Accept", accept);
    dm_sip_message_add(response, "Accept-Encoding", "identity");
    dm_sip_message_add(response, "Accept-Language", "en");
    if (trunk != NULL) {
        dm_sip_add_extensions(response, trunk);
    } else {
        dm_sip_message_add(response, "Supported", "replaces, norefersub, 100rel, timer");
    }
}

char *
dm_sip_instance(const DmSipCore *core, const DmTrunkConfig *trunk)
{
    g_autofree char *text = g_strdup_printf("instance %s", trunk->id);
    uint8_t mac[EVP_MAX_MD_SIZE] = {0};
    unsigned n = sizeof mac;
    GString *urn = g_string_new("urn:uuid:");

    HMAC(EVP_sha256(),
         core->secret,
         (int)strlen(core->secret),
         (const uint8_t *)text,
         strlen(text),
         mac,
         &n);
    mac[6] = (uint8_t)(0x40 | (mac[6] & 0x0f)); /* RFC 4122: version 4, by its bits */
    mac[8] = (uint8_t)(0x80 | (mac[8] & 0x3f));
    for (unsigned i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;

        g_string_append_printf(urn, "%s%02x", dash ? "-" : "", mac[i]);
    }
    return g_string_free(urn, FALSE);
}

unsigned
dm_sip_owner_of_trunk(const DmSipCore *core, const char *trunk_id)
{
    return g_str_hash(trunk_id) % core->n_workers;
}

int
dm_sip_listener_of(const DmSipCore *core, const DmTrunkConfig *trunk)
{
    for (unsigned i = 0; *trunk->listener != '\0' && i < core->config->listeners->len; i++) {
        const DmListenerConfig *listener = g_ptr_array_index(core->config->listeners, i);

        if (strcmp(listener->id, trunk->listener) == 0) {
            return (int)i;
        }
    }
    return -1;
}

void
dm_sip_token(const DmSipCore *core, char out[DM_TOKEN_MAX])
{
    dm_token_make(out, core->worker, core->random);
}

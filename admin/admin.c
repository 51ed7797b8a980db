/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin.h"

#include "admin/api.h"
#include "admin/server.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"

DM_LOG_TOPIC("admin");

#define DEFAULT_CONNECTIONS 64
#define DEFAULT_THREADS     4
#define DEFAULT_RATE        50

struct DmAdmin {
    DmApi *api;
    DmServer *server;
};

static unsigned
or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

/* @out_text: (transfer full): NULL when there is no @path */
static bool
read_pem(const char *path, char **out_text, GError **error)
{
    g_autoptr(GError) why = NULL;

    if (path == NULL || *path == '\0') {
        return true;
    }
    if (!g_file_get_contents(path, out_text, NULL, &why)) {
        g_set_error(error, DM_ERROR, DM_ERROR_IO, "admin: %s", why->message);
        return false;
    }
    return true;
}

static bool
start_server(DmAdmin *admin, const DmConfig *config, GError **error)
{
    g_autofree char *cert = NULL;
    g_autofree char *key = NULL;
    DmServerOptions server = {
        .api = admin->api,
        .address = config->admin.address,
        .max_connections = or_default(config->admin.max_connections, DEFAULT_CONNECTIONS),
        .threads = or_default(config->admin.threads, DEFAULT_THREADS),
        .requests_per_second = or_default(config->admin.requests_per_second, DEFAULT_RATE),
    };

    if (!read_pem(config->admin.tls_cert, &cert, error) ||
        !read_pem(config->admin.tls_key, &key, error)) {
        return false;
    }
    if ((cert == NULL) != (key == NULL)) {
        g_set_error(error,
                    DM_ERROR,
                    DM_ERROR_CONFIG,
                    "admin: TLS needs a certificate and its key, and one of them is missing");
        return false;
    }
    server.tls_cert = cert;
    server.tls_key = key;
    admin->server = dm_server_start(&server, error);
    return admin->server != NULL;
}

static void
tell_where(const DmAdmin *admin, bool is_tls)
{
    char text[DM_ADDRESS_TEXT_MAX];
    DmAddress address;

    dm_server_address(admin->server, &address);
    dm_notice(NULL, "API on %s://%s", is_tls ? "https" : "http", dm_address_text(&address, text));
    if (!is_tls && !dm_address_is_loopback(&address)) {
        dm_warning(NULL,
                   "the API is reachable from other machines without TLS; tokens can be read");
    }
}

DmAdmin *
dm_admin_start(const DmAdminOptions *options, GError **error)
{
    DmAdmin *admin = g_new0(DmAdmin, 1);
    g_autoptr(DmConfig) config = dm_settings_config(options->settings);

    admin->api = dm_api_new(options->gateway, options->store, options->settings);
    if (!start_server(admin, config, error)) {
        dm_api_free(admin->api);
        g_free(admin);
        return NULL;
    }
    tell_where(admin, *config->admin.tls_cert != '\0');
    return admin;
}

void
dm_admin_stop(DmAdmin *admin)
{
    if (admin == NULL) {
        return;
    }
    dm_server_stop(admin->server);
    dm_api_free(admin->api);
    g_free(admin);
}

void
dm_admin_address(const DmAdmin *admin, DmAddress *out)
{
    dm_server_address(admin->server, out);
}

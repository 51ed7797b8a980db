/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/run.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "admin/admin.h"
#include "gateway/base/error.h"
#include "gateway/base/log.h"
#include "gateway/base/loop.h"
#include "gateway/base/thread.h"
#include "gateway/gateway.h"
#include "gateway/sdp/format.h"
#include "gateway/settings.h"
#include "media/dsp/codec.h"

DM_LOG_TOPIC("run");

#define DRAIN_LOOK_US (200 * 1000)

/* Everything that lives as long as the process. */
typedef struct {
    const DmRunOptions *options;
    DmStore *store;
    DmSettings *settings;
    DmGateway *gateway;
    DmAdmin *admin;
    DmLoop *loop;
    DmWatch *signals;
    int signal_fd;
    DmTimer drain_timer;
    int64_t drain_until_us; /* 0: not draining */
} Run;

/* --- signals --- */

/* Blocked before any thread is made, so that all come in by the descriptor. */
static bool
block_signals(Run *run, GError **error)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    run->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (run->signal_fd < 0) {
        dm_error_set_errno(error, errno, "signalfd");
        return false;
    }
    return true;
}

static void
on_drain_timer(DmTimer *timer, void *user_data)
{
    Run *run = user_data;
    size_t left = dm_gateway_n_calls(run->gateway);

    if (left == 0 || dm_loop_now_us(run->loop) >= run->drain_until_us) {
        dm_notice(NULL, "drained: %zu calls left", left);
        dm_loop_quit(run->loop);
        return;
    }
    dm_loop_arm(run->loop, timer, DRAIN_LOOK_US, on_drain_timer, run);
}

static void
drain(Run *run)
{
    g_autoptr(DmConfig) config = dm_gateway_config(run->gateway);

    if (run->drain_until_us != 0) {
        dm_notice(NULL, "told to end a second time: ending now");
        dm_loop_quit(run->loop);
        return;
    }
    dm_gateway_drain(run->gateway, true);
    run->drain_until_us =
        dm_loop_now_us(run->loop) + config->system.drain_s * (int64_t)G_USEC_PER_SEC;
    dm_loop_arm(run->loop, &run->drain_timer, 0, on_drain_timer, run);
}

static void
reload(Run *run)
{
    g_autoptr(GError) error = NULL;
    json_t *needs_restart = NULL;
    size_t i;
    json_t *name;

    if (!dm_settings_reload(run->settings, &needs_restart, &error)) {
        dm_error(NULL, "configuration not read again, the old one stays: %s", error->message);
        return;
    }
    json_array_foreach(needs_restart, i, name)
    {
        dm_warning(NULL,
                   "%s has changed and needs a restart; until then it stays as it was",
                   json_string_value(name));
    }
    json_decref(needs_restart);
}

static void
on_signal(int fd, uint32_t events, void *user_data)
{
    Run *run = user_data;
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        dm_notice(NULL, "signal %s", strsignal((int)info.ssi_signo));
        if (info.ssi_signo == SIGHUP) {
            reload(run);
        } else {
            drain(run);
        }
    }
}

/* --- start --- */

static void
apply(DmConfig *config, json_t **out_needs_restart, void *user_data)
{
    Run *run = user_data;

    dm_log_set_level(config->log.level);
    dm_gateway_apply(run->gateway, config, out_needs_restart);
}

/* The file alone first: it says where the database is. */
static bool
open_store(Run *run, GError **error)
{
    g_autoptr(DmSettings) file_only = dm_settings_open(run->options->config_file, NULL, error);
    g_autoptr(DmConfig) config = NULL;
    g_autofree char *path = NULL;
    g_autofree char *key = NULL;
    const char *dir;

    if (file_only == NULL) {
        return false;
    }
    config = dm_settings_config(file_only);
    dir = run->options->data_dir != NULL ? run->options->data_dir : config->system.data_dir;
    if (g_mkdir_with_parents(dir, 0700) != 0) {
        dm_error_set_errno(error, errno, dir);
        g_prefix_error(error, "data directory (system.data_dir or --data-dir): ");
        return false;
    }
    if (!dm_log_start(config->log.format, config->log.level, STDERR_FILENO, error)) {
        return false;
    }
    path = g_build_filename(dir, "demarc.db", NULL);
    key = *config->system.key_file != '\0' ? g_strdup(config->system.key_file)
                                           : g_build_filename(dir, "secret.key", NULL);
    run->store = dm_store_open(path, error);
    return run->store != NULL && dm_store_use_key(run->store, key, error);
}

/* Of another licence, so neither linked nor needed: without it calls that would need it are refused
 * as any others without a common codec. */
static void
load_g729(const char *library)
{
    g_autoptr(GError) error = NULL;

    if (*library == '\0') {
        return;
    }
    if (!dm_codec_load_g729(library, &error)) {
        dm_warning(NULL,
                   "G.729 cannot be transcoded and is relayed only (system.g729_library): %s",
                   error->message);
        return;
    }
    dm_format_set_g729_transcodes(true);
    dm_notice(NULL, "G.729 can be transcoded, by %s", library);
}

static bool
start_gateway(Run *run, GError **error)
{
    g_autoptr(DmConfig) config = NULL;

    run->settings = dm_settings_open(run->options->config_file, run->store, error);
    if (run->settings == NULL) {
        return false;
    }
    config = dm_settings_config(run->settings);
    if (!dm_watchdog_start(config->system.watchdog_ms, error)) {
        return false;
    }
    load_g729(config->system.g729_library);
    run->gateway =
        dm_gateway_start(&(DmGatewayOptions){config, run->store, run->options->data_dir}, error);
    if (run->gateway == NULL) {
        return false;
    }
    dm_settings_set_apply(run->settings, apply, run);
    return true;
}

/* Shown once, to whoever starts the gateway for the first time; only its hash is kept. */
static bool
make_first_token(Run *run, GError **error)
{
    g_autoptr(GError) failed = NULL;
    g_autofree char *token = dm_admin_first_token(run->store, &failed);

    if (failed != NULL) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return false;
    }
    if (token != NULL) {
        fprintf(stderr,
                "\nThe first API token, with the admin role. It is shown this once; keep it:\n\n"
                "    %s\n\n",
                token);
    }
    return true;
}

static bool
start_admin(Run *run, GError **error)
{
    g_autoptr(DmConfig) config = dm_settings_config(run->settings);

    if (!config->admin.enabled) {
        return true;
    }
    if (!make_first_token(run, error)) {
        return false;
    }
    run->admin = dm_admin_start(
        &(DmAdminOptions){
            .gateway = run->gateway,
            .store = run->store,
            .settings = run->settings,
        },
        error);
    return run->admin != NULL;
}

static bool
start_loop(Run *run, GError **error)
{
    run->loop = dm_loop_new(error);
    if (run->loop == NULL) {
        return false;
    }
    run->signals = dm_loop_watch(run->loop, run->signal_fd, EPOLLIN, on_signal, run, error);
    return run->signals != NULL;
}

/* --- end --- */

static void
stop(Run *run)
{
    dm_admin_stop(run->admin);
    dm_gateway_stop(run->gateway);
    dm_watchdog_stop();
    dm_settings_free(run->settings);
    dm_store_close(run->store);
    dm_timer_disarm(&run->drain_timer);
    if (run->signals != NULL) {
        dm_watch_remove(run->signals);
    }
    dm_loop_free(run->loop);
    if (run->signal_fd >= 0) {
        close(run->signal_fd);
    }
    dm_log_stop();
}

/* A call allocates and frees a few hundred small things in bursts. Freed memory is kept for the
 * next burst instead of going back to the system each time, and small pieces are not put into fast
 * bins, which every larger request would empty again. */
static void
tune_allocator(void)
{
    mallopt(M_MXFAST, 0);
    mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
    mallopt(M_TOP_PAD, 1024 * 1024);
}

DmExit
dm_run(const DmRunOptions *options)
{
    g_autoptr(GError) error = NULL;
    Run run = {.options = options, .signal_fd = -1};
    DmExit code = DM_EXIT_OK;

    tune_allocator();
    if (block_signals(&run, &error) && open_store(&run, &error) && start_loop(&run, &error) &&
        start_gateway(&run, &error) && start_admin(&run, &error)) {
        dm_loop_run(run.loop);
    } else {
        bool configured = !g_error_matches(error, DM_ERROR, DM_ERROR_CONFIG) &&
                          !g_error_matches(error, DM_ERROR, DM_ERROR_PARSE);

        fprintf(stderr, "demarc: %s\n", error->message);
        code = configured ? DM_EXIT_FAILED : DM_EXIT_CONFIG;
    }
    stop(&run);
    return code;
}

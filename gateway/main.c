/* SPDX-License-Identifier: Apache-2.0 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "gateway/health.h"
#include "gateway/run.h"
#include "gateway/settings.h"
#include "gateway/sounds.h"

#ifndef DEMARC_VERSION
#define DEMARC_VERSION "unknown"
#endif

/* Options of every command. */
typedef struct {
    char *config_file, *data_dir;
} Arguments;

typedef struct {
    const char *name, *help;
    DmExit (*run)(const Arguments *arguments);
} Command;

static DmExit
run_gateway(const Arguments *arguments)
{
    return dm_run(&(DmRunOptions){arguments->config_file, arguments->data_dir});
}

/* The file by itself, as a start would read it. */
static DmConfig *
read_config(const Arguments *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DmSettings) settings = dm_settings_open(arguments->config_file, NULL, &error);

    if (settings == NULL) {
        fprintf(stderr, "%s\n", error->message);
        return NULL;
    }
    return dm_settings_config(settings);
}

static void
on_bad_sound(const char *id, const char *why, void *user_data)
{
    fprintf(stderr, "sound '%s': %s\n", id, why);
    (*(unsigned *)user_data)++;
}

static DmExit
check(const Arguments *arguments)
{
    g_autoptr(DmConfig) config = read_config(arguments);
    unsigned n_bad = 0;

    if (config == NULL) {
        return DM_EXIT_CONFIG;
    }
    dm_sounds_load(config, on_bad_sound, &n_bad);
    if (n_bad > 0) {
        return DM_EXIT_CONFIG;
    }
    printf("%s: fine: %u listeners, %u trunks, %u routes\n",
           arguments->config_file,
           config->listeners->len,
           config->trunks->len,
           config->routes->len);
    return DM_EXIT_OK;
}

static DmExit
health(const Arguments *arguments)
{
    g_autoptr(DmConfig) config = read_config(arguments);

    return config == NULL ? DM_EXIT_CONFIG : dm_health_ask(config);
}

static DmExit
version(const Arguments *arguments)
{
    printf("demarc %s\n", DEMARC_VERSION);
    return DM_EXIT_OK;
}

static const Command commands[] = {
    {"run", "run the gateway", run_gateway},
    {"check", "check a configuration file, and list everything wrong with it", check},
    {"health", "ask the running gateway whether it is ready", health},
    {"version", "print the version", version},
};

static const Command *
find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static char *
summary(void)
{
    GString *text = g_string_new("Commands:\n");

    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_string_append_printf(text, "  %-8s %s\n", commands[i].name, commands[i].help);
    }
    return g_string_free(text, FALSE);
}

static GOptionContext *
option_context(Arguments *arguments)
{
    const GOptionEntry entries[] = {
        {"config",
         'c',
         0,
         G_OPTION_ARG_FILENAME,
         &arguments->config_file,
         "configuration file (default: /etc/demarc/demarc.yaml)",
         "FILE"},
        {"data-dir",
         'd',
         0,
         G_OPTION_ARG_FILENAME,
         &arguments->data_dir,
         "where the database is, instead of system.data_dir",
         "DIR"},
        {0},
    };
    GOptionContext *context = g_option_context_new("COMMAND - SIP trunking gateway");
    g_autofree char *text = summary();

    g_option_context_set_summary(context, text);
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

/* The command and what it works on; NULL when the line makes no sense. */
static const Command *
parse(int *argc, char ***argv, Arguments *arguments)
{
    g_autoptr(GOptionContext) context = option_context(arguments);
    g_autoptr(GError) error = NULL;
    const Command *command = NULL;

    if (!g_option_context_parse(context, argc, argv, &error)) {
        fprintf(stderr, "demarc: %s; see demarc --help\n", error->message);
        return NULL;
    }
    command = *argc >= 2 ? find_command((*argv)[1]) : NULL;
    if (command == NULL || *argc > 3) {
        g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);

        fputs(help, stderr);
        return NULL;
    }
    if (arguments->config_file == NULL) {
        arguments->config_file = g_strdup(*argc == 3 ? (*argv)[2] : "/etc/demarc/demarc.yaml");
    }
    return command;
}

int
main(int argc, char **argv)
{
    Arguments arguments = {0};
    const Command *command = parse(&argc, &argv, &arguments);
    DmExit code = command == NULL ? DM_EXIT_USAGE : command->run(&arguments);

    g_free(arguments.config_file);
    g_free(arguments.data_dir);
    return code;
}

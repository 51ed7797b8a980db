/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "config/config.h"
#include "config/revision.h"
#include "gateway/store/store.h"

/* The configuration while it can change: the file's document, the API's, and the number of the last
 * revision. The only way to change it, for API writes, roll-backs and reloads of the file alike:
 * checked whole, stored as a numbered revision, then put in force, or nothing happens at all. Any
 * thread but a signalling or media one; writers take turns. */
typedef struct DmSettings DmSettings;

/* Puts @config in force; called under the writers' lock, in the order of revisions.
 * @out_needs_restart: see dm_gateway_apply(). */
typedef void (*DmSettingsApplyFunc)(DmConfig *config, json_t **out_needs_restart, void *user_data);

/**
 * dm_settings_open:
 * @path: the configuration file
 * @store: (nullable): not owned; where revisions are. NULL: the file alone, nothing can be written
 *
 * Errors: DM_ERROR_IO and DM_ERROR_PARSE from the file; DM_ERROR_CONFIG with every problem, one a
 * line, as "file:line: /pointer: detail". When the file is fine and the last revision does not fit
 * it any more, the problems are those of the API's document and say so.
 */
DmSettings *dm_settings_open(const char *path, DmStore *store, GError **error);
void dm_settings_free(DmSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmSettings, dm_settings_free)
/* Before any write. */
void dm_settings_set_apply(DmSettings *settings, DmSettingsApplyFunc apply, void *user_data);

/* What is in force. (transfer full) */
DmConfig *dm_settings_config(DmSettings *settings);
/* The documents it is made of; immutable. (transfer full) */
json_t *dm_settings_file_document(DmSettings *settings);
json_t *dm_settings_api_document(DmSettings *settings);

typedef struct {
    DmChangeVerdict verdict;
    bool precondition_failed; /* if_match named another version: nothing was done */
    char *id;                 /* of the resource */
    uint64_t revision;        /* the one made; 0: none (dry run, or nothing changed) */
    json_t *shown;         /* the resource after the change as the API shows it; NULL if deleted */
    char etag[17];         /* of shown */
    json_t *diff;          /* as dm_revision_diff() */
    json_t *needs_restart; /* array of pointers, or NULL */
} DmSettingsOutcome;
void dm_settings_outcome_clear(DmSettingsOutcome *outcome);

typedef struct {
    DmChange change;
    const char *if_match; /* (nullable): the etag the writer has seen, without quotes */
    bool dry_run;         /* check and show, keep and apply nothing */
    const char *actor;    /* for the revision */
} DmSettingsWrite;

/* One write to one resource. True when it was judged: @out has the verdict, @problems the reasons.
 * False: could not be stored (DM_ERROR_IO, DM_ERROR_CONFLICT); nothing has changed. */
bool dm_settings_write(DmSettings *settings,
                       const DmSettingsWrite *write,
                       DmSettingsOutcome *out,
                       DmProblems *problems,
                       GError **error);
/* The whole API document at once. @summary: for the list of revisions. */
bool dm_settings_replace(DmSettings *settings,
                         const json_t *api_document,
                         bool dry_run,
                         const char *actor,
                         const char *summary,
                         DmSettingsOutcome *out,
                         DmProblems *problems,
                         GError **error);
/* As replace, with the document of revision @number: a new revision like any other. */
bool dm_settings_rollback(DmSettings *settings,
                          uint64_t number,
                          bool dry_run,
                          const char *actor,
                          DmSettingsOutcome *out,
                          DmProblems *problems,
                          GError **error);
/* Reads the file again and puts it in force; on any error all stays as it was. Errors as open. */
bool dm_settings_reload(DmSettings *settings, json_t **out_needs_restart, GError **error);

/* SPDX-License-Identifier: Apache-2.0 */
#include "config/announcement.h"

static void *
make_number(const json_t *element, DmJsonReader *reader, int64_t min, int64_t max, const char *what)
{
    int64_t number = json_integer_value(element);

    if (!json_is_integer(element) || number < min || number > max) {
        dm_json_problem(reader, "range", "expected %s", what);
        return NULL;
    }
    return GUINT_TO_POINTER((guint)number); /* NOLINT(performance-no-int-to-ptr): not followed */
}

void *
dm_status_code_make(const json_t *element, DmJsonReader *reader)
{
    return make_number(element, reader, 400, 699, "a final SIP status, 400 to 699");
}

static void *
make_cause(const json_t *element, DmJsonReader *reader)
{
    return make_number(element, reader, 1, 127, "a cause of Q.850, 1 to 127");
}

static const DmJsonChoice tones[] = {
    {"busy", DM_TONE_BUSY},
    {"congestion", DM_TONE_CONGESTION},
    {"information", DM_TONE_INFORMATION},
    {NULL},
};

const DmJsonMember dm_announcement_members[] = {
    {"codes",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmAnnouncementConfig, codes),
     .max = 64,
     .make = dm_status_code_make,
     .doc = "Final answers it is for, 400 to 699, as the caller gets them."},
    {"q850",
     DM_JSON_ARRAY,
     DM_JSON_AT(DmAnnouncementConfig, q850),
     .max = 64,
     .make = make_cause,
     .doc = "Causes of Q.850 it is for besides; with neither it is for every failure."},
    {"sound",
     DM_JSON_STRING,
     DM_JSON_AT(DmAnnouncementConfig, sound),
     .max = 64,
     .reference = "sounds",
     .doc = "The recording, played once; empty, or one that cannot be read: `tone`."},
    {"tone",
     DM_JSON_ENUM,
     DM_JSON_AT(DmAnnouncementConfig, tone),
     .choices = tones,
     .doc = "A tone of the caller's country (`media.tones` of its trunk)."},
    {"max_s",
     DM_JSON_INTEGER,
     DM_JSON_AT(DmAnnouncementConfig, max_s),
     .min = 1,
     .max = 120,
     .value = 10,
     .doc = "Seconds it lasts: a recording at most, a tone always."},
    {NULL},
};

void
dm_announcement_free(gpointer data)
{
    DmAnnouncementConfig *announcement = data;

    if (announcement == NULL) {
        return;
    }
    g_clear_pointer(&announcement->codes, g_ptr_array_unref);
    g_clear_pointer(&announcement->q850, g_ptr_array_unref);
    g_free(announcement->sound);
    g_free(announcement);
}

void *
dm_announcement_make(const json_t *element, DmJsonReader *reader)
{
    DmAnnouncementConfig *announcement = g_new0(DmAnnouncementConfig, 1);

    if (!dm_json_read(reader, element, dm_announcement_members, announcement)) {
        g_clear_pointer(&announcement, dm_announcement_free);
    }
    return announcement;
}

static bool
has_number(const GPtrArray *numbers, unsigned number)
{
    for (guint i = 0; i < numbers->len; i++) {
        if (GPOINTER_TO_UINT(g_ptr_array_index(numbers, i)) == number) {
            return true;
        }
    }
    return false;
}

const DmAnnouncementConfig *
dm_announcement_find(const GPtrArray *list, unsigned status, unsigned q850)
{
    for (guint i = 0; list != NULL && i < list->len; i++) {
        const DmAnnouncementConfig *each = g_ptr_array_index(list, i);
        bool is_for_all = each->codes->len == 0 && each->q850->len == 0;

        if (is_for_all || has_number(each->codes, status) || has_number(each->q850, q850)) {
            return each;
        }
    }
    return NULL;
}

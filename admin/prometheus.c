/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/prometheus.h"

#include <stdbool.h>
#include <string.h>

#define PREFIX "demarc_"

typedef struct {
    char *labels;
    double value;
    int64_t slots[DM_HISTOGRAM_SLOTS]; /* of a histogram */
} Sample;

/* All samples of one name. */
typedef struct {
    const DmCounterInfo *info;
    GPtrArray *samples; /* Sample, in order of coming */
    GHashTable *by_labels;
} Family;

struct DmPrometheus {
    GPtrArray *families; /* Family, in order of coming */
    GHashTable *by_name;
};

static void
free_sample(gpointer data)
{
    Sample *sample = data;

    g_free(sample->labels);
    g_free(sample);
}

static void
free_family(gpointer data)
{
    Family *family = data;

    g_hash_table_unref(family->by_labels);
    g_ptr_array_unref(family->samples);
    g_free(family);
}

DmPrometheus *
dm_prometheus_new(void)
{
    DmPrometheus *page = g_new0(DmPrometheus, 1);

    page->families = g_ptr_array_new_with_free_func(free_family);
    page->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    return page;
}

void
dm_prometheus_free(DmPrometheus *page)
{
    if (page == NULL) {
        return;
    }
    g_hash_table_unref(page->by_name);
    g_ptr_array_unref(page->families);
    g_free(page);
}

static Family *
find_family(DmPrometheus *page, const DmCounterInfo *info)
{
    Family *family = g_hash_table_lookup(page->by_name, info->name);

    if (family == NULL) {
        family = g_new0(Family, 1);
        family->info = info;
        family->samples = g_ptr_array_new_with_free_func(free_sample);
        family->by_labels = g_hash_table_new(g_str_hash, g_str_equal);
        g_ptr_array_add(page->families, family);
        g_hash_table_insert(page->by_name, (gpointer)info->name, family);
    }
    return family;
}

static Sample *
find_sample(DmPrometheus *page, const DmCounterInfo *info, const char *labels)
{
    Family *family = find_family(page, info);
    Sample *sample = g_hash_table_lookup(family->by_labels, labels);

    if (sample == NULL) {
        sample = g_new0(Sample, 1);
        sample->labels = g_strdup(labels);
        g_ptr_array_add(family->samples, sample);
        g_hash_table_insert(family->by_labels, sample->labels, sample);
    }
    return sample;
}

void
dm_prometheus_add(DmPrometheus *page, const DmCounterInfo *info, const char *labels, double value)
{
    find_sample(page, info, labels)->value += value;
}

void
dm_prometheus_add_histogram(DmPrometheus *page,
                            const DmCounterInfo *info,
                            const char *labels,
                            const int64_t *slots)
{
    Sample *sample = find_sample(page, info, labels);

    for (unsigned i = 0; i < DM_HISTOGRAM_SLOTS; i++) {
        sample->slots[i] += slots[i];
    }
}

static const char *
prefix_of(const DmCounterInfo *info)
{
    return g_str_has_prefix(info->name, "process_") ? "" : PREFIX;
}

/* One line; @le: the bound of a bucket, or NULL. */
static void
print_value(const DmCounterInfo *info,
            const char *suffix,
            const char *labels,
            const char *le,
            double value,
            GString *text)
{
    bool has_labels = *labels != '\0' || le != NULL;
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_string_append_printf(text, "%s%s%s", prefix_of(info), info->name, suffix);
    if (has_labels) {
        g_string_append_printf(text, "{%s", labels);
    }
    if (le != NULL) {
        g_string_append_printf(text, "%sle=\"%s\"", *labels != '\0' ? "," : "", le);
    }
    g_string_append(text, has_labels ? "} " : " ");
    g_string_append(text, g_ascii_dtostr(number, sizeof(number), value));
    g_string_append_c(text, '\n');
}

/* Buckets on the page hold what is in those below them too. */
static void
print_histogram(const DmCounterInfo *info, const Sample *sample, GString *text)
{
    const DmHistogramShape *shape = info->shape;
    int64_t n = 0;
    char le[G_ASCII_DTOSTR_BUF_SIZE];

    for (unsigned i = 0; i < DM_HISTOGRAM_BOUNDS; i++) {
        n += sample->slots[i];
        g_ascii_formatd(le, sizeof(le), "%g", (double)shape->bounds[i] * shape->unit);
        print_value(info, "_bucket", sample->labels, le, (double)n, text);
    }
    n += sample->slots[DM_HISTOGRAM_BOUNDS];
    print_value(info, "_bucket", sample->labels, "+Inf", (double)n, text);
    print_value(info,
                "_sum",
                sample->labels,
                NULL,
                (double)sample->slots[DM_HISTOGRAM_SLOTS - 1] * shape->unit,
                text);
    print_value(info, "_count", sample->labels, NULL, (double)n, text);
}

static void
print_family(const Family *family, GString *text)
{
    static const char *const kinds[] = {
        [DM_COUNTER_COUNTER] = "counter",
        [DM_COUNTER_GAUGE] = "gauge",
        [DM_COUNTER_HISTOGRAM] = "histogram",
    };
    const DmCounterInfo *info = family->info;

    g_string_append_printf(text, "# HELP %s%s %s\n", prefix_of(info), info->name, info->help);
    g_string_append_printf(text,
                           "# TYPE %s%s %s\n",
                           prefix_of(info),
                           info->name,
                           kinds[info->kind]);
    for (guint i = 0; i < family->samples->len; i++) {
        const Sample *sample = g_ptr_array_index(family->samples, i);

        if (info->kind == DM_COUNTER_HISTOGRAM) {
            print_histogram(info, sample, text);
        } else {
            print_value(info, "", sample->labels, NULL, sample->value, text);
        }
    }
}

char *
dm_prometheus_print(const DmPrometheus *page)
{
    GString *text = g_string_new("");

    for (guint i = 0; i < page->families->len; i++) {
        print_family(g_ptr_array_index(page->families, i), text);
    }
    return g_string_free(text, FALSE);
}

static void
append_escaped(GString *text, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            g_string_append(text, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\') {
            g_string_append_c(text, '\\');
        }
        g_string_append_c(text, *value);
    }
}

char *
dm_prometheus_labels(const char *name, ...)
{
    GString *text = g_string_new("");
    va_list arguments;

    va_start(arguments, name);
    for (; name != NULL; name = va_arg(arguments, const char *)) {
        g_string_append_printf(text, "%s%s=\"", text->len > 0 ? "," : "", name);
        append_escaped(text, va_arg(arguments, const char *));
        g_string_append_c(text, '"');
    }
    va_end(arguments);
    return g_string_free(text, FALSE);
}

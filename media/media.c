/* SPDX-License-Identifier: Apache-2.0 */
#include "media/media.h"

#include "gateway/base/clock.h"
#include "gateway/base/error.h"
#include "media/dsp/codec.h"
#include "media/dsp/g711.h"
#include "media/dtls/identity.h"
#include "media/media-priv.h"
#include "media/record/recorder.h"
#include "media/srtp/srtp.h"

#define DEFAULT_QUARANTINE_MS 30000

static bool
overlap(const DmMediaPool *a, const DmMediaPool *b)
{
    bool is_same_host = dm_address_is_any(&a->address) || dm_address_is_any(&b->address) ||
                        dm_address_same_host(&a->address, &b->address);

    return is_same_host && a->port_min <= b->port_max && b->port_min <= a->port_max;
}

static bool
check_pool(const DmMediaOptions *options, unsigned i, GError **error)
{
    const DmMediaPool *pool = &options->pools[i];

    if (!dm_address_is_set(&pool->address)) {
        g_set_error(error, DM_ERROR, DM_ERROR_CONFIG, "media pool %u: no address", i);
        return false;
    }
    for (unsigned j = 0; j < i; j++) {
        if (overlap(pool, &options->pools[j])) {
            g_set_error(error,
                        DM_ERROR,
                        DM_ERROR_CONFIG,
                        "media pools %u and %u: the same ports of one address",
                        j,
                        i);
            return false;
        }
    }
    return true;
}

static bool
make_pools(DmMedia *media, const DmMediaOptions *options, GError **error)
{
    unsigned quarantine_ms =
        options->quarantine_ms != 0 ? options->quarantine_ms : DEFAULT_QUARANTINE_MS;

    media->pools = g_new0(DmMediaPoolState, MAX(options->n_pools, 1));
    for (unsigned i = 0; i < options->n_pools; i++) {
        const DmMediaPool *spec = &options->pools[i];
        DmMediaPoolState *pool = &media->pools[media->n_pools++];

        if (!check_pool(options, i, error)) {
            return false;
        }
        pool->spec = *spec;
        pool->ports = dm_ports_new(spec->port_min, spec->port_max, quarantine_ms * INT64_C(1000));
        if (pool->ports == NULL) {
            g_set_error(error,
                        DM_ERROR,
                        DM_ERROR_CONFIG,
                        "media pool %u: no pair of ports from %u to %u",
                        i,
                        spec->port_min,
                        spec->port_max);
            return false;
        }
    }
    if (media->n_pools == 0) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_CONFIG, "no media pool");
        return false;
    }
    return true;
}

static bool
start_workers(DmMedia *media, unsigned n, GError **error)
{
    unsigned n_cores = g_get_num_processors();

    n = n != 0 ? n : MAX(n_cores, 2) - 1;
    media->workers = g_new0(DmWorker *, n);
    while (media->n_workers < n) {
        DmWorker *worker = dm_worker_new(media->n_workers, media->stats, error);

        if (worker == NULL) {
            return false;
        }
        media->workers[media->n_workers++] = worker;
    }
    return true;
}

DmMedia *
dm_media_new(const DmMediaOptions *options, GError **error)
{
    DmMedia *media = g_new0(DmMedia, 1);

    dm_g711_tables(); /* made here, not on the first packet */
    media->keeper = dm_dtls_keeper_new();
    media->recorder = dm_recorder_new(media->stats, error);
    if (media->recorder == NULL || !dm_srtp_init(error) || !make_pools(media, options, error) ||
        !start_workers(media, options->n_workers, error)) {
        dm_media_free(media);
        return NULL;
    }
    return media;
}

void
dm_media_free(DmMedia *media)
{
    if (media == NULL) {
        return;
    }
    for (unsigned i = 0; i < media->n_workers; i++) {
        dm_worker_free(media->workers[i]);
    }
    dm_dtls_keeper_free(media->keeper);
    dm_recorder_free(media->recorder); /* sessions have ended their recordings */
    for (unsigned i = 0; i < media->n_pools; i++) {
        dm_ports_free(media->pools[i].ports);
    }
    g_free(media->workers);
    g_free(media->pools);
    g_free(media);
}

DmWorker *
dm_media_choose_worker(DmMedia *media)
{
    DmWorker *best = media->workers[0];

    for (unsigned i = 1; i < media->n_workers; i++) {
        if (dm_worker_load(media->workers[i]) < dm_worker_load(best)) {
            best = media->workers[i];
        }
    }
    dm_worker_reserve(best);
    return best;
}

void
dm_media_keep_recordings(DmMedia *media, const char *directory, unsigned days)
{
    dm_recorder_keep(media->recorder, directory, days);
}

void
dm_media_usage(DmMedia *media, DmMediaUsage *out_usage)
{
    const DmG729State *g729 = dm_codec_g729_state();
    int64_t now_us = dm_clock_mono_us(dm_clock_system());

    *out_usage = (DmMediaUsage){
        .n_workers = media->n_workers,
        .g729_file = *g729->file != '\0' ? g729->file : NULL,
        .g729_fault = *g729->fault != '\0' ? g729->fault : NULL,
    };
    for (unsigned i = 0; i < media->n_workers; i++) {
        out_usage->sessions += dm_worker_load(media->workers[i]);
    }
    for (unsigned i = 0; i < media->n_pools; i++) {
        out_usage->ports_used += dm_ports_used(media->pools[i].ports, now_us);
        out_usage->ports_limit += dm_ports_limit(media->pools[i].ports);
    }
}

DmCounterSet
dm_media_counters(DmMedia *media)
{
    DmMediaUsage usage;

    /* How many ports rest depends on the time: worked out when someone comes to read. */
    dm_media_usage(media, &usage);
    atomic_store(&media->stats[DM_MEDIA_STAT_ports_used], usage.ports_used);
    atomic_store(&media->stats[DM_MEDIA_STAT_ports_limit], usage.ports_limit);
    return (DmCounterSet){dm_media_stat_info(), media->stats, DM_MEDIA_N_STATS};
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/rates.h"

/* A power of two. 24 bytes each. */
#define N_PLACES 4096

typedef struct {
    uint64_t host; /* hash of whose it is now */
    double left;
    int64_t seen_mono_us;
} Bucket;

struct DmRates {
    double per_second, burst;
    Bucket places[N_PLACES];
};

DmRates *
dm_rates_new(unsigned per_second)
{
    DmRates *rates = g_new0(DmRates, 1);

    rates->per_second = per_second;
    rates->burst = 2.0 * per_second;
    return rates;
}

void
dm_rates_free(DmRates *rates)
{
    g_free(rates);
}

bool
dm_rates_take(DmRates *rates, const DmAddress *source, int64_t now_mono_us)
{
    uint64_t host = dm_address_host_hash(source);
    Bucket *bucket = &rates->places[host & (N_PLACES - 1)];
    double quiet_s = (double)(now_mono_us - bucket->seen_mono_us) / 1e6;

    bucket->left = MIN(rates->burst, bucket->left + quiet_s * rates->per_second);
    if (bucket->seen_mono_us == 0 || (bucket->host != host && bucket->left >= rates->burst)) {
        bucket->host = host;
        bucket->left = rates->burst;
    }
    bucket->seen_mono_us = now_mono_us;
    if (bucket->left < 1.0) {
        return false;
    }
    bucket->left -= 1.0;
    return true;
}

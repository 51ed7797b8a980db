/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/latch.h"

#include <glib.h>
#include <string.h>

void
dm_latch_clear(DmLatch *latch)
{
    g_clear_pointer(&latch->rivals, g_free);
    latch->n_rivals = 0;
}

bool
dm_latch_update(DmLatch *latch, const DmAddress *signalled, DmNatPolicy nat, int64_t now_us)
{
    bool is_same = dm_address_equal(&latch->signalled, signalled) && latch->nat == nat &&
                   latch->open_until_us != 0;

    if (!is_same) {
        dm_latch_clear(latch);
        *latch = (DmLatch){.believed = *signalled, .signalled = *signalled, .nat = (uint8_t)nat};
    }
    latch->open_until_us = now_us + DM_LATCH_WINDOW_US;
    return !is_same;
}

/* The same /24, or the same /64. */
static bool
is_in_prefix(const DmAddress *signalled, const DmAddress *from)
{
    if (dm_address_family(signalled) != dm_address_family(from)) {
        return false;
    }
    if (dm_address_family(from) == AF_INET6) {
        return memcmp(&signalled->in6.sin6_addr, &from->in6.sin6_addr, 8) == 0;
    }
    return memcmp(&signalled->in4.sin_addr, &from->in4.sin_addr, 3) == 0;
}

void
dm_latch_set_rivals(DmLatch *latch, const DmMediaSideSpec *spec)
{
    latch->hear_rivals = spec->hear_rivals;
    latch->n_rivals = spec->n_rivals;
    g_free(latch->rivals);
    latch->rivals = g_memdup2(spec->rivals, spec->n_rivals * sizeof(DmAddress));
}

bool
dm_latch_is_rival(const DmLatch *latch, const DmAddress *from)
{
    for (unsigned i = 0; i < latch->n_rivals; i++) {
        if (dm_address_equal(&latch->rivals[i], from)) {
            return true;
        }
    }
    return false;
}

static bool
policy_allows(const DmLatch *latch, const DmAddress *from)
{
    switch ((DmNatPolicy)latch->nat) {
    case DM_NAT_ANY:
        return true;
    case DM_NAT_PREFIX:
        return dm_address_is_set(&latch->signalled) && is_in_prefix(&latch->signalled, from);
    case DM_NAT_NEVER:
        break;
    }
    return false;
}

bool
dm_latch_allows(const DmLatch *latch, const DmAddress *from)
{
    return (dm_address_is_set(&latch->believed) && dm_address_equal(from, &latch->believed)) ||
           dm_latch_is_rival(latch, from) || policy_allows(latch, from);
}

void
dm_latch_believe(DmLatch *latch, const DmAddress *address)
{
    latch->believed = *address;
    latch->pinned = true;
}

static bool
may_be_learned(const DmLatch *latch, const DmAddress *from, int64_t now_us)
{
    if (latch->pinned) {
        return false;
    }
    if (dm_latch_is_rival(latch, from)) {
        return latch->hear_rivals;
    }
    return now_us <= latch->open_until_us && policy_allows(latch, from);
}

static bool
goes_on(const DmLatch *latch, const DmAddress *from, const DmRtpPacket *packet)
{
    return latch->n_proof > 0 && packet->ssrc == latch->candidate_ssrc &&
           packet->sequence == latch->candidate_next && dm_address_equal(from, &latch->candidate);
}

/* UDPTL repeats what matters under one number. */
static bool
is_repeated(const DmLatch *latch, const DmAddress *from, const DmRtpPacket *packet)
{
    return latch->n_proof > 0 && packet->ssrc == latch->candidate_ssrc &&
           packet->sequence == (uint16_t)(latch->candidate_next - 1) &&
           dm_address_equal(from, &latch->candidate);
}

DmLatchOutcome
dm_latch_input(DmLatch *latch, const DmAddress *from, const DmRtpPacket *packet, int64_t now_us)
{
    if (dm_address_is_set(&latch->believed) && dm_address_equal(from, &latch->believed)) {
        latch->pinned = true;
        return DM_LATCH_ACCEPT;
    }
    if (!may_be_learned(latch, from, now_us)) {
        return DM_LATCH_FOREIGN;
    }
    if (is_repeated(latch, from, packet)) {
        return DM_LATCH_LEARNING;
    }
    latch->n_proof = goes_on(latch, from, packet) ? latch->n_proof + 1 : 1;
    latch->candidate = *from;
    latch->candidate_ssrc = packet->ssrc;
    latch->candidate_next = (uint16_t)(packet->sequence + 1);
    if (latch->n_proof < DM_LATCH_PROOF) {
        return DM_LATCH_LEARNING;
    }
    latch->believed = *from;
    latch->pinned = true;
    return DM_LATCH_MOVED;
}

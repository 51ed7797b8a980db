/* SPDX-License-Identifier: Apache-2.0 */
#include "media/path/checks.h"

#include "media/net/socket.h"
#include "media/path/flow.h"
#include "media/path/handshake.h"
#include "media/rtp/published.h"
#include "media/stun/ice-lite.h"

struct DmChecks {
    DmIceLite rtp, rtcp; /* one component each (RFC 8445, 4) */
};

void
dm_checks_update(DmStream *stream, const DmMediaSideSpec *agreed)
{
    stream->checked = agreed->ice.ufrag[0] != '\0';
    if (!stream->checked) {
        dm_publish(stream->is_selected, 0);
        dm_checks_free(stream);
        return;
    }
    if (stream->checks == NULL) {
        stream->checks = g_new0(DmChecks, 1);
    }
    dm_ice_lite_update(&stream->checks->rtp, &agreed->ice);
    dm_ice_lite_update(&stream->checks->rtcp, &agreed->ice);
}

void
dm_checks_free(DmStream *stream)
{
    DmChecks *checks = g_steal_pointer(&stream->checks);

    if (checks != NULL) {
        explicit_bzero(checks, sizeof *checks);
        g_free(checks);
    }
}

/* The answer goes out of the port that was asked, to who asked. A socket that is connected to the
 * selected address takes it as well. */
static void
answer(int fd, const DmStunWriter *with, const DmAddress *to)
{
    if (with->len > 0) {
        (void)sendto(fd,
                     with->bytes,
                     with->len,
                     MSG_DONTWAIT | MSG_NOSIGNAL,
                     &to->any,
                     dm_address_len(to));
    }
}

static void
on_selected(DmStream *stream, bool is_rtcp, const DmAddress *from, int64_t *stats)
{
    if (is_rtcp) {
        stream->rtcp.source = *from;
        return;
    }
    dm_worker_count(stats, ice_selected);
    dm_publish(stream->is_selected, 1);
    dm_flow_believe(stream, from);
}

void
dm_checks_input(DmStream *stream,
                bool is_rtcp,
                const uint8_t *bytes,
                size_t len,
                const DmAddress *from)
{
    DmWorker *worker = dm_stream_session(stream)->worker;
    int64_t *stats = dm_worker_stats(worker);
    int64_t now_us = dm_loop_now_us(dm_worker_loop(worker));
    DmIceLite *agent = is_rtcp ? &stream->checks->rtcp : &stream->checks->rtp;
    DmStunWriter with;
    DmIceVerdict verdict = dm_ice_lite_input(agent, bytes, len, from, now_us, &with);

    answer(is_rtcp ? stream->rtcp_fd : stream->fd, &with, from);
    switch (verdict) {
    case DM_ICE_IGNORED:
        dm_worker_count(stats, ice_ignored);
        break;
    case DM_ICE_REFUSED:
        dm_worker_count(stats, ice_refused);
        break;
    case DM_ICE_SELECTED:
        on_selected(stream, is_rtcp, from, stats);
        /* fall through */
    case DM_ICE_VALID:
    case DM_ICE_ALIVE:
        dm_worker_count(stats, ice_checks);
        break;
    }
    if (verdict == DM_ICE_VALID || verdict == DM_ICE_SELECTED) {
        dm_handshake_reach(stream, is_rtcp);
    }
}

static const DmIceLite *
agent_of(const DmStream *stream, bool is_rtcp)
{
    return is_rtcp ? &stream->checks->rtcp : &stream->checks->rtp;
}

bool
dm_checks_knows(const DmStream *stream, bool is_rtcp, const DmAddress *from)
{
    return dm_ice_lite_knows(agent_of(stream, is_rtcp), from);
}

const DmAddress *
dm_checks_way(const DmStream *stream, bool is_rtcp)
{
    const DmIceLite *agent = agent_of(stream, is_rtcp);

    return dm_address_is_set(&agent->selected) ? &agent->selected : &agent->last_valid;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim-peer-priv.h"

/* Messages as text: taken apart, put together, sent. */

/* Value of the first header of this name; NULL when absent. (transfer full) */
char *
sim_header(const char *text, const char *name)
{
    g_autofree char *needle = g_strdup_printf("\r\n%s:", name);
    const char *at = strcasestr(text, needle);
    const char *end;

    if (at == NULL) {
        return NULL;
    }
    at += strlen(needle);
    at += strspn(at, " \t");
    end = strstr(at, "\r\n");
    return end == NULL ? NULL : g_strndup(at, (gsize)(end - at));
}

char *
sim_tag_of(const char *value)
{
    const char *at = value == NULL ? NULL : strstr(value, ";tag=");

    return at == NULL ? NULL : g_strndup(at + 5, strcspn(at + 5, ";> \r\n"));
}

/* The URI between < and >. */
char *
sim_uri_of(const char *value)
{
    const char *at = value == NULL ? NULL : strchr(value, '<');

    return at == NULL ? NULL : g_strndup(at + 1, strcspn(at + 1, ">"));
}

char *
sim_token(SimPeer *peer)
{
    char text[17];

    dm_random_token(peer->options.random, text, sizeof text - 1);
    return g_strdup(text);
}

bool
sim_chance(SimPeer *peer, unsigned percent)
{
    return dm_random_range(peer->options.random, 0, 99) < (int64_t)percent;
}

void
sim_transmit(SimPeer *peer, const char *text)
{
    peer->options.send(peer->options.net,
                       &peer->options.address,
                       &peer->options.gateway,
                       text,
                       strlen(text));
}

char *
sim_sdp(SimCall *call, const char *direction)
{
    return g_strdup_printf(
        "v=0\r\no=%s 77 %u IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        "m=audio %u RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n",
        call->peer->options.name,
        ++call->version,
        (unsigned)dm_random_range(call->peer->options.random, 10000, 60000) & ~1U,
        direction);
}

/* A request of ours inside the dialog, or the INVITE that makes it. (transfer full) */
char *
sim_request(SimCall *call,
            const char *method,
            const char *branch,
            const char *extra,
            const char *body)
{
    const SimPeerOptions *options = &call->peer->options;
    char us[DM_ADDRESS_TEXT_MAX], gateway[DM_ADDRESS_TEXT_MAX];
    g_autofree char *uri = NULL;
    g_autofree char *remote_tag = NULL;

    dm_address_text(&options->address, us);
    dm_address_text(&options->gateway, gateway);
    uri = call->target != NULL ? g_strdup(call->target)
                               : g_strdup_printf("sip:%s@%s", call->number, gateway);
    remote_tag =
        call->remote_tag != NULL ? g_strdup_printf(";tag=%s", call->remote_tag) : g_strdup("");
    return g_strdup_printf(
        "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\n"
        "From: <sip:%s@%s>;tag=%s\r\nTo: <sip:%s@%s>%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
        "Contact: <sip:%s-inside@%s>\r\nMax-Forwards: 70\r\nUser-Agent: sim-%s\r\n" ALLOW "%s"
        "Content-Length: %zu\r\n\r\n%s",
        method,
        uri,
        us,
        branch,
        options->name,
        us,
        call->local_tag,
        call->number,
        gateway,
        remote_tag,
        call->call_id,
        strcmp(method, "ACK") == 0 ? call->invite_cseq : call->cseq,
        method,
        options->name,
        us,
        options->name,
        extra,
        strlen(body),
        body);
}

void
sim_respond(SimCall *call, const char *text, unsigned code, const char *phrase, const char *body)
{
    const SimPeerOptions *options = &call->peer->options;
    char us[DM_ADDRESS_TEXT_MAX];
    g_autofree char *user =
        code == 302 ? g_strdup("+442079460001") : g_strdup_printf("%s-inside", options->name);
    g_autofree char *via = sim_header(text, "Via"), *from = sim_header(text, "From"),
                    *to = sim_header(text, "To");
    g_autofree char *cseq = sim_header(text, "CSeq");
    bool tagged = strstr(to, ";tag=") != NULL || code == 100;
    char *answer;

    dm_address_text(&options->address, us);
    answer = g_strdup_printf(
        "SIP/2.0 %u %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s%s%s\r\nCall-ID: %s\r\nCSeq: %s\r\n"
        "Contact: <sip:%s@%s>\r\nServer: sim-%s\r\n" ALLOW "%s%sContent-Length: %zu\r\n\r\n%s",
        code,
        phrase,
        via,
        from,
        to,
        tagged ? "" : ";tag=",
        tagged ? "" : call->local_tag,
        call->call_id,
        cseq,
        user,
        us,
        options->name,
        call->extra != NULL ? call->extra : "",
        *body != '\0' ? "Content-Type: application/sdp\r\n" : "",
        strlen(body),
        body);
    g_free(call->last_request);
    g_free(call->last_answer);
    call->last_request = g_steal_pointer(&cseq);
    call->last_answer = answer;
    g_clear_pointer(&call->extra, g_free);
    sim_transmit(call->peer, answer);
}

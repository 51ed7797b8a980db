/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define HEALTH_TIMEOUT_S 2

/* Where a client of this machine reaches a listener that is bound to every address. */
static DmAddress
reachable(const DmAddress *bound)
{
    DmAddress address = *bound;

    if (dm_address_is_any(bound)) {
        dm_address_parse(&address,
                         dm_address_family(bound) == AF_INET6 ? "::1" : "127.0.0.1",
                         dm_address_port(bound));
    }
    return address;
}

static int
connect_to(const DmAddress *address)
{
    struct timeval timeout = {.tv_sec = HEALTH_TIMEOUT_S};
    int fd = socket(dm_address_family(address), SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, &address->any, dm_address_len(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The whole answer, or as much as fits. */
static size_t
read_answer(int fd, char *answer, size_t size)
{
    size_t len = 0;

    while (len < size - 1) {
        ssize_t n = recv(fd, answer + len, size - 1 - len, 0);

        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    answer[len] = '\0';
    return len;
}

DmExit
dm_health_ask(const DmConfig *config)
{
    static const char request[] =
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    DmAddress address = reachable(&config->admin.address);
    char text[DM_ADDRESS_TEXT_MAX];
    char answer[4096] = "";
    const char *body;
    int fd;

    if (!config->admin.enabled || *config->admin.tls_cert != '\0') {
        fputs("health: the API is off or speaks TLS only; nothing asked\n", stdout);
        return DM_EXIT_OK;
    }
    fd = connect_to(&address);
    if (fd < 0) {
        fprintf(stderr, "health: %s: %s\n", dm_address_text(&address, text), g_strerror(errno));
        return DM_EXIT_UNREADY;
    }
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof request - 1)) {
        read_answer(fd, answer, sizeof answer);
    }
    close(fd);
    body = strstr(answer, "\r\n\r\n");
    printf("%s\n", body != NULL ? body + 4 : "no answer");
    return g_str_has_prefix(answer, "HTTP/1.1 200") ? DM_EXIT_OK : DM_EXIT_UNREADY;
}

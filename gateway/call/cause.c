/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call/cause.h"

#include <glib.h>

typedef struct {
    uint16_t status, q850;
    const char *phrase;
} Cause;

static const Cause causes[] = {
    {400, 41, "Bad Request"},
    {401, 21, "Unauthorized"},
    {402, 21, "Payment Required"},
    {403, 21, "Forbidden"},
    {404, 1, "Not Found"},
    {405, 63, "Method Not Allowed"},
    {406, 79, "Not Acceptable"},
    {407, 21, "Proxy Authentication Required"},
    {408, 102, "Request Timeout"},
    {410, 22, "Gone"},
    {413, 127, "Request Entity Too Large"},
    {414, 127, "Request-URI Too Long"},
    {415, 79, "Unsupported Media Type"},
    {416, 127, "Unsupported URI Scheme"},
    {420, 127, "Bad Extension"},
    {421, 127, "Extension Required"},
    {423, 127, "Interval Too Brief"},
    {480, 18, "Temporarily Unavailable"},
    {481, 41, "Call/Transaction Does Not Exist"},
    {482, 25, "Loop Detected"},
    {483, 25, "Too Many Hops"},
    {484, 28, "Address Incomplete"},
    {485, 1, "Ambiguous"},
    {486, 17, "Busy Here"},
    {487, 16, "Request Terminated"},
    {488, 88, "Not Acceptable Here"},
    {491, 41, "Request Pending"},
    {493, 127, "Undecipherable"},
    {500, 41, "Server Internal Error"},
    {501, 79, "Not Implemented"},
    {502, 38, "Bad Gateway"},
    {503, 41, "Service Unavailable"},
    {504, 102, "Server Time-out"},
    {505, 127, "Version Not Supported"},
    {513, 127, "Message Too Large"},
    {600, 17, "Busy Everywhere"},
    {603, 21, "Decline"},
    {604, 1, "Does Not Exist Anywhere"},
    {606, 88, "Not Acceptable"},
    {607, 21, "Unwanted"},
    {608, 21, "Rejected"},
};

/* RFC 3398, 7.2.4.1 */
static const Cause statuses[] = {
    {404, 1},  {404, 2},  {404, 3},  {486, 17}, {408, 18},  {480, 19},  {480, 20},  {403, 21},
    {410, 22}, {410, 23}, {404, 26}, {502, 27}, {484, 28},  {501, 29},  {480, 31},  {503, 34},
    {503, 38}, {503, 41}, {503, 42}, {503, 47}, {403, 55},  {403, 57},  {503, 58},  {488, 65},
    {488, 70}, {501, 79}, {403, 87}, {503, 88}, {504, 102}, {500, 111}, {500, 127},
};

static const Cause *
find_status(uint16_t status)
{
    for (size_t i = 0; i < G_N_ELEMENTS(causes); i++) {
        if (causes[i].status == status) {
            return &causes[i];
        }
    }
    return NULL;
}

uint16_t
dm_q850_from_status(uint16_t status)
{
    const Cause *cause = find_status(status);

    if (cause != NULL) {
        return cause->q850;
    }
    return status < 300 ? DM_Q850_NORMAL : DM_Q850_INTERWORKING;
}

uint16_t
dm_status_from_q850(uint16_t q850)
{
    for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++) {
        if (statuses[i].q850 == q850) {
            return statuses[i].status;
        }
    }
    return 480;
}

uint16_t
dm_status_toward_caller(uint16_t status)
{
    if (status < 300 || status > 699) {
        return 500;
    }
    if (status < 400 || status == 487 || status == 491) {
        return 480; /* nothing the caller could do anything about */
    }
    return status == 401 || status == 407 ? 403 : status;
}

const char *
dm_status_phrase(uint16_t status)
{
    const Cause *cause = find_status(status);

    return cause != NULL ? cause->phrase : "";
}

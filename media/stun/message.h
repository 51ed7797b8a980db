/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/address.h"

/* STUN messages as ICE has them on a media port (RFC 8489, RFC 8445, 7): bytes in, values out, and
 * back. Pure. */

#define DM_STUN_HEADER_LEN      20
#define DM_STUN_TRANSACTION_LEN 12
#define DM_STUN_MAX_UNKNOWN     8

typedef enum {
    DM_STUN_REQUEST,
    DM_STUN_INDICATION,
    DM_STUN_SUCCESS,
    DM_STUN_ERROR,
} DmStunClass;

#define DM_STUN_BINDING 1

/* A message whose form is right, and its FINGERPRINT if there is one. Nothing in it is proven
 * before dm_stun_is_authentic(). */
typedef struct {
    const uint8_t *bytes; /* borrowed, as all below */
    size_t len;
    uint16_t method;
    DmStunClass class;
    uint8_t transaction[DM_STUN_TRANSACTION_LEN];
    const char *username; /* not terminated; NULL: none */
    size_t username_len;
    size_t integrity_at; /* of MESSAGE-INTEGRITY; 0: none */
    bool has_fingerprint;
    bool use_candidate, is_controlling, is_controlled;
    uint32_t priority;
    uint16_t error;   /* 300 to 699; 0: none */
    DmAddress mapped; /* XOR-MAPPED-ADDRESS; not set: none */
    unsigned n_unknown;
    uint16_t unknown[DM_STUN_MAX_UNKNOWN]; /* that must be understood (RFC 8489, 14) */
} DmStun;

/* False: no STUN, or not of this form. */
bool dm_stun_parse(const uint8_t *bytes, size_t len, DmStun *out);
/* Whether its MESSAGE-INTEGRITY was made with @password (RFC 8489, 14.5). */
bool dm_stun_is_authentic(const DmStun *message, const char *password);

/* Room for any message that is written here. */
#define DM_STUN_MAX 256

/* A message in the making. What does not fit makes dm_stun_finish() return 0. */
typedef struct {
    uint8_t bytes[DM_STUN_MAX];
    size_t len;
    bool is_full;
} DmStunWriter;

void dm_stun_begin(DmStunWriter *writer,
                   DmStunClass class,
                   const uint8_t transaction[DM_STUN_TRANSACTION_LEN]);
void dm_stun_add(DmStunWriter *writer, uint16_t type, const void *value, size_t len);
void dm_stun_add_mapped(DmStunWriter *writer, const DmAddress *address);
void dm_stun_add_error(DmStunWriter *writer, uint16_t code, const char *reason);
/* @password: (nullable): without, there is no MESSAGE-INTEGRITY. FINGERPRINT always. Returns the
 * length. */
size_t dm_stun_finish(DmStunWriter *writer, const char *password);

/* Attributes (RFC 8489, 18.3; RFC 8445, 20.1). */
enum {
    DM_STUN_USERNAME = 0x0006,
    DM_STUN_INTEGRITY = 0x0008,
    DM_STUN_ERROR_CODE = 0x0009,
    DM_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    DM_STUN_XOR_MAPPED = 0x0020,
    DM_STUN_PRIORITY = 0x0024,
    DM_STUN_USE_CANDIDATE = 0x0025,
    DM_STUN_FINGERPRINT = 0x8028,
    DM_STUN_CONTROLLED = 0x8029,
    DM_STUN_CONTROLLING = 0x802a,
};

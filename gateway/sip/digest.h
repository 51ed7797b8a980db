/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/base/address.h"
#include "gateway/base/random.h"
#include "gateway/sip/nonces.h"

/* HTTP digest as SIP uses it (RFC 7616, RFC 8760; RFC 2617 for the old), both ways: bytes in, bytes
 * out. Header fields come as a scheme and a NULL-terminated list of "name=value", which is how
 * Sofia leaves them. */

typedef enum {
    DM_DIGEST_MD5,
    DM_DIGEST_MD5_SESS,
    DM_DIGEST_SHA256,
    DM_DIGEST_SHA256_SESS,
    DM_DIGEST_SHA512_256,
    DM_DIGEST_SHA512_256_SESS,
    DM_DIGEST_UNKNOWN,
} DmDigestAlgorithm;
const char *dm_digest_algorithm_name(DmDigestAlgorithm algorithm); /* "SHA-512-256" */

typedef enum {
    DM_QOP_NONE, /* RFC 2069: no qop, no cnonce, no nc */
    DM_QOP_AUTH,
    DM_QOP_AUTH_INT,
} DmDigestQop;

#define DM_DIGEST_HEX_MAX  65
#define DM_DIGEST_TEXT_MAX 256

/* What one response is made from. Text is taken as it stands between the quotes. */
typedef struct {
    DmDigestAlgorithm algorithm;
    DmDigestQop qop;
    const char *user, *realm, *password;
    const char *ha1; /* NULL: made from those three */
    const char *method, *uri;
    const char *nonce, *cnonce, *nc; /* cnonce also for -sess without qop */
    const char *body;                /* auth-int only */
    size_t body_len;
} DmDigestInput;

/* Lower-case hexadecimal. False: the algorithm is unknown. */
bool dm_digest_response(const DmDigestInput *input, char out[DM_DIGEST_HEX_MAX]);

/* --- what a peer asks --- */
typedef struct {
    DmDigestAlgorithm algorithm; /* MD5 when the challenge names none */
    DmDigestQop qop;             /* auth when offered, else auth-int, else none */
    bool stale, has_opaque;
    char realm[DM_DIGEST_TEXT_MAX], nonce[DM_DIGEST_TEXT_MAX], opaque[DM_DIGEST_TEXT_MAX];
} DmDigestChallenge;

/* False: not a challenge we can answer (another scheme, an unknown algorithm or qop, no realm or
 * nonce, text too long or not printable). */
bool dm_digest_challenge_parse(DmDigestChallenge *out,
                               const char *scheme,
                               const char *const *params);

/* --- answering: one user's credentials toward one peer --- */
/* Remembers what was asked by each realm and counts nonces, so that later requests carry
 * credentials at once. One thread. */
typedef struct DmDigestClient DmDigestClient;

#define DM_DIGEST_MAX_REALMS 4

/* @realm: answer only this one; "": any. All copied. */
DmDigestClient *dm_digest_client_new(const char *user, const char *password, const char *realm);
void dm_digest_client_free(DmDigestClient *client);

typedef enum {
    DM_DIGEST_RETRY,       /* send the request again, authorized */
    DM_DIGEST_REFUSED,     /* what we know was sent and not believed */
    DM_DIGEST_UNSUPPORTED, /* no challenge we understand, or none for our realm */
} DmDigestVerdict;

/* A new request begins: each realm may challenge it once (AUTH-4). */
void dm_digest_client_begin(DmDigestClient *client);
/* The challenges of one kind of header of one response, top-most first; for each realm the first is
 * taken that was understood. @proxy: Proxy-Authenticate. Call once for each kind and combine: any
 * REFUSED is a refusal. */
DmDigestVerdict dm_digest_client_take(DmDigestClient *client,
                                      bool proxy,
                                      const DmDigestChallenge *challenges,
                                      size_t n);

typedef struct {
    const char *method, *uri, *body;
    size_t body_len;
} DmDigestRequest;
/* Header values for all realms known; counts each nonce up. */
typedef void (*DmDigestAddFunc)(bool proxy, const char *value, void *user_data);
void dm_digest_client_authorize(DmDigestClient *client,
                                DmRandom *random,
                                const DmDigestRequest *request,
                                DmDigestAddFunc add,
                                void *user_data);

/* --- asking --- */

/* Appends the value of a WWW-Authenticate. */
void dm_digest_server_offer_integrity(GString *challenge);
void dm_digest_server_challenge(const char *realm,
                                const char *nonce,
                                DmDigestAlgorithm algorithm,
                                bool stale,
                                GString *out);

typedef enum {
    DM_DIGEST_ACCEPTED,
    DM_DIGEST_ABSENT,  /* not digest, not for this realm or user, or not understood: challenge */
    DM_DIGEST_STALE,   /* right, but the nonce is old, spent or another's: challenge with
                          stale=true */
    DM_DIGEST_WRONG,   /* wrong user or password */
    DM_DIGEST_BAD_URI, /* for another Request-URI: 400 (RFC 7616, 3.4.6) */
} DmDigestCheck;

/* The hash of an algorithm, with "-sess" or without. */
#define DM_DIGEST_N_HASHES 3
static inline unsigned
dm_digest_hash_of(DmDigestAlgorithm algorithm)
{
    return (unsigned)algorithm / 2; /* as DmDigestHash of config/trunk.h */
}

typedef struct {
    const char *realm, *user;
    const char *password;                /* NULL: @ha1 */
    const char *ha1[DM_DIGEST_N_HASHES]; /* H(user:realm:password) by hash; NULL: not known */
    unsigned hashes;                     /* bits: those we offer; others are not accepted */
    DmNonces *nonces;
    const DmAddress *source;
    int64_t now_s; /* monotonic */
    DmDigestRequest request;
} DmDigestExpected;
/* One Authorization header. Takes the same time whether or not the user exists. An accepted answer
 * is spent: the same again is stale. */
DmDigestCheck dm_digest_server_check(const DmDigestExpected *expected,
                                     const char *scheme,
                                     const char *const *params);
/* The user and the realm that a Digest Authorization names; false: it does not. Says nothing about
 * whether it is right. */
bool dm_digest_claim(const char *scheme,
                     const char *const *params,
                     char out_user[DM_DIGEST_TEXT_MAX],
                     char out_realm[DM_DIGEST_TEXT_MAX]);

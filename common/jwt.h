/* Signed tokens (RFC 7519) against a set of public keys (RFC 7517): the algorithm comes from the
 * caller's allow list and the key's own type, never from the token alone; symmetric algorithms and
 * "none" do not exist here. RS and ES signatures are verified by libjwt, PS and EdDSA, which it
 * lacks, by OpenSSL. Any thread; nothing here fetches anything. */
#ifndef COMMON_JWT_H
#define COMMON_JWT_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"
#include "common/json.h"

#define JWT_MAX_BYTES 16384 /* of a token */
#define JWT_KEYS_MAX 64     /* of a set; what stands behind them is left out */

enum jwt_algorithm {
    JWT_NONE = 0, /* no such algorithm: never allowed */
    JWT_RS256,
    JWT_RS384,
    JWT_RS512,
    JWT_PS256,
    JWT_PS384,
    JWT_PS512,
    JWT_ES256,
    JWT_ES384,
    JWT_ES512,
    JWT_EDDSA,
    JWT_ALGORITHM_COUNT
};
enum jwt_algorithm jwt_algorithm_named(struct str name);
const char *jwt_algorithm_name(enum jwt_algorithm a);

struct jwt_keys; /* immutable */

/* Reads {"keys": [...]}: RSA (2048 bits at least), EC (P-256, P-384, P-521) and OKP (Ed25519) keys
 * for signatures; others, and keys with `use` other than "sig", are left out. False: no such
 * document. */
bool jwt_keys_new(struct str jwks_json, struct jwt_keys **ret, struct error *err);
void jwt_keys_free(struct jwt_keys *k); /* accepts NULL */
size_t jwt_keys_count(const struct jwt_keys *k);
/* No kid in the token: any key may fit, so that is not known to be missing. */
bool jwt_keys_have(const struct jwt_keys *k, struct str kid);

struct jwt_check {
    const struct jwt_keys *keys;
    struct str issuer;           /* `iss` must be this */
    const struct str *audiences; /* one of `aud` must be one of these; at least one is given */
    size_t n_audiences;
    unsigned algorithms; /* bit per enum jwt_algorithm */
    int64_t now_s;
    int64_t leeway_s; /* for exp, nbf, iat; 60 is usual */
    struct str nonce; /* NULL ptr: not asked for */
    struct str azp;   /* NULL ptr: not asked for; else with several audiences `azp` must be this */
};

enum jwt_verdict {
    JWT_VALID = 0,
    JWT_MALFORMED,
    JWT_ALGORITHM,   /* not allowed, or not that of the key */
    JWT_UNKNOWN_KEY, /* worth a look for new keys */
    JWT_SIGNATURE,
    JWT_EXPIRED,
    JWT_NOT_YET,
    JWT_ISSUER,
    JWT_AUDIENCE,
    JWT_NONCE,
    JWT_VERDICT_COUNT
};
const char *jwt_verdict_text(enum jwt_verdict v); /* for logs and errors: "the token has expired" */

/* Three parts of base64url, the first of which is an object: what may be a token at all. */
bool jwt_looks_like(struct str text);
/* Claims without any check, for choosing the issuer. False: malformed. */
bool jwt_peek(struct str token, struct arena *a, struct str *ret_issuer, struct str *ret_kid,
              struct error *err);
/* *ret_claims: the payload, an object, in the arena, valid JSON. `exp` must be there. */
enum jwt_verdict jwt_verify(struct str token, const struct jwt_check *c, struct arena *a,
                            struct json_value *ret_claims);
/* A claim by its path ("realm_access.roles"; a name that itself holds dots, such as a URL, is found
 * first). False: there is none. */
bool jwt_claim(struct json_value claims, struct str path, struct json_value *ret);
/* The payload without any check but its form: of a token that is known to have been verified. */
bool jwt_payload(struct str token, struct arena *a, struct json_value *ret_claims);
/* What the header says: for at_hash and logs, of a token that was verified. */
enum jwt_algorithm jwt_token_algorithm(struct str token);
/* `at_hash` and `c_hash` (OpenID Connect Core 3.1.3.6): the left half of the hash of the value. */
bool jwt_half_hash_fits(enum jwt_algorithm a, struct str value, struct str claim);
/* The id that a subject has who is not known otherwise: the same on both planes. */
void jwt_subject_id(const struct uuid *issuer, struct str subject, struct uuid *ret);

#endif

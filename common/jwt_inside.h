/* Between jwt.c and jwt_keys.c: one public key, and bytes in base64url. */
#ifndef COMMON_JWT_INSIDE_H
#define COMMON_JWT_INSIDE_H

#include "common/jwt.h"

struct jwt_key {
    struct str kid;      /* NULL ptr: it has none */
    unsigned algorithms; /* those that fit it, bit per enum jwt_algorithm */
    char *pem;           /* SubjectPublicKeyInfo, ends in NUL */
    void *pkey;          /* OpenSSL's */
};

/* The next key behind *pos that the token may be signed by: of that kid (NULL ptr: any) and fit for
 * the algorithm. NULL: no more. */
const struct jwt_key *jwt_keys_next(const struct jwt_keys *k, struct str kid, enum jwt_algorithm a,
                                    size_t *pos);
/* By OpenSSL: PS and EdDSA. */
bool jwt_key_verify(const struct jwt_key *k, enum jwt_algorithm a, struct str text,
                    struct str signature);
/* Strict: no padding, no other characters, and no bits left over that are not zero. Into the arena;
 * NULL ptr when it is none or there is no room. */
struct str jwt_unbase64url(struct str s, struct arena *a);
/* A member's text without escapes; NULL ptr for all else. */
struct str jwt_plain_text(const struct json_member *m);

#endif

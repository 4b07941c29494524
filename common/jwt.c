/* Reading tokens. The order is the safety: form, then the header's algorithm against the allow
 * list, then a key that fits that algorithm, then the signature, and only then what the token
 * claims. */
#include <jwt.h>

#include "common/jwt_inside.h"

#include "common/base/mem.h"
#include "common/crypto.h"

#define CANDIDATES_MAX 8 /* keys tried for a token that names none */
#define HEADER_NAMES_MAX 32
#define CLAIM_DEPTH_MAX 8

static const char *const algorithm_names[JWT_ALGORITHM_COUNT] = {
    [JWT_NONE] = "",       [JWT_RS256] = "RS256", [JWT_RS384] = "RS384", [JWT_RS512] = "RS512",
    [JWT_PS256] = "PS256", [JWT_PS384] = "PS384", [JWT_PS512] = "PS512", [JWT_ES256] = "ES256",
    [JWT_ES384] = "ES384", [JWT_ES512] = "ES512", [JWT_EDDSA] = "EdDSA",
};

static const char *const verdict_texts[JWT_VERDICT_COUNT] = {
    [JWT_VALID] = "the token is valid",
    [JWT_MALFORMED] = "the token is malformed",
    [JWT_ALGORITHM] = "the token's algorithm is not allowed",
    [JWT_UNKNOWN_KEY] = "the token is signed by a key that is not known",
    [JWT_SIGNATURE] = "the token's signature is wrong",
    [JWT_EXPIRED] = "the token has expired",
    [JWT_NOT_YET] = "the token is not valid yet",
    [JWT_ISSUER] = "the token is from another issuer",
    [JWT_AUDIENCE] = "the token is for another audience",
    [JWT_NONCE] = "the token belongs to another sign-in",
};

enum jwt_algorithm jwt_algorithm_named(struct str name)
{
    for (int a = JWT_NONE + 1; a < JWT_ALGORITHM_COUNT; a++) {
        if (str_eqz(name, algorithm_names[a])) {
            return (enum jwt_algorithm)a;
        }
    }
    return JWT_NONE;
}

const char *jwt_algorithm_name(enum jwt_algorithm a)
{
    return (unsigned)a < JWT_ALGORITHM_COUNT ? algorithm_names[a] : "";
}

const char *jwt_verdict_text(enum jwt_verdict v)
{
    return (unsigned)v < JWT_VERDICT_COUNT ? verdict_texts[v] : "";
}

/* --- form --- */

static bool is_base64url(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (crypto_base64_digit(s.ptr[i]) < 0 || s.ptr[i] == '+' || s.ptr[i] == '/') {
            return false;
        }
    }
    return true;
}

struct str jwt_unbase64url(struct str s, struct arena *a)
{
    char *out = is_base64url(s) ? arena_alloc(a, s.len + 1) : NULL;
    size_t n;
    if (!out || !crypto_unbase64(s, (uint8_t *)out, s.len, &n)) {
        return STR_NONE;
    }
    out[n] = '\0';
    return (struct str){out, n};
}

struct str jwt_plain_text(const struct json_member *m)
{
    return m->found && m->value.type == JSON_STRING && !m->value.escaped ? json_text(m->value)
                                                                         : STR_NONE;
}

struct parts {
    struct str header, payload, signature, signed_text;
};

static bool split(struct str token, struct parts *ret)
{
    struct str rest;
    if (!str_cut(token, '.', &ret->header, &rest) ||
        !str_cut(rest, '.', &ret->payload, &ret->signature)) {
        return false;
    }
    ret->signed_text = str_slice(token, 0, ret->header.len + 1 + ret->payload.len);
    return ret->header.len > 1 && ret->payload.len > 1 &&
           !memchr(ret->signature.ptr, '.', ret->signature.len);
}

bool jwt_looks_like(struct str text)
{
    struct parts p;
    if (!split(text, &p) || !is_base64url(p.header) || !is_base64url(p.payload) ||
        !is_base64url(p.signature)) {
        return false;
    }
    /* the first byte of what it stands for */
    return (crypto_base64_digit(p.header.ptr[0]) << 2 |
            crypto_base64_digit(p.header.ptr[1]) >> 4) == '{';
}

enum { H_ALG, H_KID, H_TYP, H_CRIT, H_B64, H_MEMBERS };

struct token {
    struct parts parts;
    struct str header, payload, signature; /* decoded */
    struct json_member head[H_MEMBERS];
    struct str kid; /* NULL ptr: none */
};

/* A second reader might take the other one. */
static bool names_repeat(struct str json)
{
    struct json_value object = {.type = JSON_OBJECT, .raw = json}, value;
    struct json_value names[HEADER_NAMES_MAX];
    size_t pos = 0, n = 0;
    while (n < HEADER_NAMES_MAX && json_next(object, &pos, &names[n], &value)) {
        if (names[n].escaped) {
            return true; /* nobody has a reason to */
        }
        for (size_t i = 0; i < n; i++) {
            if (str_eq(names[i].raw, names[n].raw)) {
                return true;
            }
        }
        n++;
    }
    return n == HEADER_NAMES_MAX;
}

/* Tokens that were signed for something else (RFC 8725, 3.11). */
static bool is_of_other_kind(const struct json_member *typ)
{
    static const char *const kinds[] = {"logout+jwt", "secevent+jwt", "dpop+jwt",
                                        "oauth-authz-req+jwt"};
    struct str t = jwt_plain_text(typ);
    if (str_starts(t, STR_LIT("application/"))) {
        t = str_slice(t, 12, t.len);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_eq_nocase(t, str_of(kinds[i]))) {
            return true;
        }
    }
    return typ->found && typ->value.type != JSON_STRING;
}

static bool token_read(struct str text, struct arena *a, struct token *ret)
{
    *ret = (struct token){.head = {[H_ALG] = {.name = STR_LIT("alg")},
                                   [H_KID] = {.name = STR_LIT("kid")},
                                   [H_TYP] = {.name = STR_LIT("typ")},
                                   [H_CRIT] = {.name = STR_LIT("crit")},
                                   [H_B64] = {.name = STR_LIT("b64")}}};
    if (text.len > JWT_MAX_BYTES || !split(text, &ret->parts)) {
        return false;
    }
    ret->header = jwt_unbase64url(ret->parts.header, a);
    ret->payload = jwt_unbase64url(ret->parts.payload, a);
    ret->signature = jwt_unbase64url(ret->parts.signature, a);
    if (!ret->header.ptr || !ret->payload.ptr || !ret->signature.ptr ||
        !json_scan(ret->header, ret->head, H_MEMBERS, 8, NULL) ||
        names_repeat(str_trim(ret->header)) || ret->head[H_CRIT].found || ret->head[H_B64].found ||
        is_of_other_kind(&ret->head[H_TYP])) {
        return false;
    }
    const struct json_member *kid = &ret->head[H_KID];
    if (kid->found) {
        size_t len = 0;
        char *room = arena_alloc(a, kid->value.raw.len + 1);
        if (!room || !json_unescape(kid->value, room, kid->value.raw.len, &len)) {
            return false;
        }
        ret->kid = (struct str){room, len};
    }
    return true;
}

/* A text claim, decoded; NULL ptr when it is absent or no text. */
static struct str claim_text(const struct json_member *m, struct arena *a)
{
    size_t len = 0;
    char *room =
        m->found && m->value.type == JSON_STRING ? arena_alloc(a, m->value.raw.len + 1) : NULL;
    return room && json_unescape(m->value, room, m->value.raw.len, &len) ? (struct str){room, len}
                                                                         : STR_NONE;
}

bool jwt_peek(struct str token, struct arena *a, struct str *ret_issuer, struct str *ret_kid,
              struct error *err)
{
    struct token t;
    struct json_member iss = {.name = STR_LIT("iss")};
    struct str issuer = token_read(token, a, &t) && json_scan(t.payload, &iss, 1, 0, NULL)
                            ? claim_text(&iss, a)
                            : STR_NONE;
    if (!issuer.ptr) {
        return error_set(err, ERR_INVALID_TOKEN, "%s", jwt_verdict_text(JWT_MALFORMED));
    }
    *ret_issuer = issuer;
    *ret_kid = t.kid;
    return true;
}

bool jwt_payload(struct str token, struct arena *a, struct json_value *ret_claims)
{
    struct parts p;
    struct json_value claims;
    if (token.len > JWT_MAX_BYTES || !split(token, &p)) {
        return false;
    }
    struct str json = jwt_unbase64url(p.payload, a);
    if (!json.ptr || !json_validate(json, 0, &claims, NULL) || claims.type != JSON_OBJECT) {
        return false;
    }
    *ret_claims = claims;
    return true;
}

enum jwt_algorithm jwt_token_algorithm(struct str token)
{
    struct arena *a = arena_new(4 * JWT_MAX_BYTES);
    struct token t;
    enum jwt_algorithm found =
        token_read(token, a, &t) ? jwt_algorithm_named(jwt_plain_text(&t.head[H_ALG])) : JWT_NONE;
    arena_free(a);
    return found;
}

/* --- signature --- */

/* By libjwt, which takes the algorithm from the header: that was compared with the key before. */
static bool verify_by_library(const struct jwt_key *k, struct str token, struct arena *a)
{
    struct str text = arena_str(a, token);
    jwt_t *jwt = NULL;
    bool ok = text.ptr &&
              jwt_decode(&jwt, text.ptr, (const unsigned char *)k->pem, (int)strlen(k->pem)) == 0;
    jwt_free(jwt);
    return ok;
}

static bool verify_by(const struct jwt_key *k, enum jwt_algorithm alg, const struct token *t,
                      struct str token, struct arena *a)
{
    switch (alg) {
    case JWT_RS256:
    case JWT_RS384:
    case JWT_RS512:
    case JWT_ES256:
    case JWT_ES384:
    case JWT_ES512:
        return verify_by_library(k, token, a);
    default:
        return jwt_key_verify(k, alg, t->parts.signed_text, t->signature);
    }
}

static enum jwt_verdict check_signature(const struct token *t, struct str token,
                                        const struct jwt_check *c, struct arena *a)
{
    enum jwt_algorithm alg = jwt_algorithm_named(jwt_plain_text(&t->head[H_ALG]));
    const struct jwt_key *k;
    size_t pos = 0, tried = 0;
    if (alg == JWT_NONE || !(c->algorithms & (1u << alg))) {
        return JWT_ALGORITHM;
    }
    while (tried < CANDIDATES_MAX && (k = jwt_keys_next(c->keys, t->kid, alg, &pos)) != NULL) {
        tried++;
        if (verify_by(k, alg, t, token, a)) {
            return JWT_VALID;
        }
    }
    if (tried > 0) {
        return JWT_SIGNATURE;
    }
    return t->kid.ptr && jwt_keys_have(c->keys, t->kid) ? JWT_ALGORITHM : JWT_UNKNOWN_KEY;
}

/* --- claims --- */

enum { C_ISS, C_AUD, C_EXP, C_NBF, C_IAT, C_NONCE, C_AZP, C_MEMBERS };

static bool time_of(const struct json_member *m, int64_t *ret_ms)
{
    return m->found && m->value.type == JSON_NUMBER && json_decimal(m->value, 3, ret_ms);
}

static enum jwt_verdict check_times(const struct json_member *m, const struct jwt_check *c)
{
    int64_t now = c->now_s * 1000, leeway = c->leeway_s * 1000, at = 0;
    if (!time_of(&m[C_EXP], &at)) {
        return JWT_MALFORMED;
    }
    if (at <= now - leeway) {
        return JWT_EXPIRED;
    }
    for (int i = C_NBF; i <= C_IAT; i++) {
        if (m[i].found && !time_of(&m[i], &at)) {
            return JWT_MALFORMED;
        }
        if (m[i].found && at > now + leeway) {
            return JWT_NOT_YET;
        }
    }
    return JWT_VALID;
}

static bool is_audience(const struct jwt_check *c, struct json_value v)
{
    for (size_t i = 0; i < c->n_audiences; i++) {
        if (json_text_eq(v, c->audiences[i])) {
            return true;
        }
    }
    return false;
}

static enum jwt_verdict check_audience(const struct json_member *m, const struct jwt_check *c)
{
    struct json_value item, aud = m[C_AUD].value;
    size_t pos = 0, n = 0;
    bool ours = m[C_AUD].found && is_audience(c, aud);
    if (m[C_AUD].found && aud.type == JSON_ARRAY) {
        while (json_next(aud, &pos, NULL, &item)) {
            n++;
            ours = ours || is_audience(c, item);
        }
    }
    if (!ours) {
        return JWT_AUDIENCE;
    }
    /* with several audiences azp is required, and one that is there must be right */
    if (c->azp.ptr && (n > 1 || m[C_AZP].found) && !json_text_eq(m[C_AZP].value, c->azp)) {
        return JWT_AUDIENCE;
    }
    return JWT_VALID;
}

static enum jwt_verdict check_claims(const struct token *t, const struct jwt_check *c)
{
    struct json_member m[C_MEMBERS] = {
        [C_ISS] = {.name = STR_LIT("iss")}, [C_AUD] = {.name = STR_LIT("aud")},
        [C_EXP] = {.name = STR_LIT("exp")}, [C_NBF] = {.name = STR_LIT("nbf")},
        [C_IAT] = {.name = STR_LIT("iat")}, [C_NONCE] = {.name = STR_LIT("nonce")},
        [C_AZP] = {.name = STR_LIT("azp")},
    };
    if (!json_scan(t->payload, m, C_MEMBERS, 0, NULL)) {
        return JWT_MALFORMED;
    }
    if (!m[C_ISS].found || !json_text_eq(m[C_ISS].value, c->issuer)) {
        return JWT_ISSUER;
    }
    enum jwt_verdict v = check_audience(m, c);
    v = v == JWT_VALID ? check_times(m, c) : v;
    if (v == JWT_VALID && c->nonce.ptr &&
        (!m[C_NONCE].found || !json_text_eq(m[C_NONCE].value, c->nonce))) {
        return JWT_NONCE;
    }
    return v;
}

enum jwt_verdict jwt_verify(struct str token, const struct jwt_check *c, struct arena *a,
                            struct json_value *ret_claims)
{
    struct token t;
    if (!token_read(token, a, &t)) {
        return JWT_MALFORMED;
    }
    enum jwt_verdict v = check_signature(&t, token, c, a);
    v = v == JWT_VALID ? check_claims(&t, c) : v;
    if (v == JWT_VALID) {
        struct json_value claims;
        if (!json_validate(t.payload, 0, &claims, NULL)) {
            return JWT_MALFORMED;
        }
        *ret_claims = claims;
    }
    return v;
}

static bool claim_at(struct json_value object, struct str path, unsigned depth,
                     struct json_value *ret)
{
    struct json_member whole = {.name = path};
    if (object.type != JSON_OBJECT || path.len == 0 || depth > CLAIM_DEPTH_MAX) {
        return false;
    }
    if (json_members(object, &whole, 1, NULL) && whole.found) {
        *ret = whole.value;
        return true;
    }
    for (size_t i = 1; i + 1 < path.len; i++) {
        struct json_member first = {.name = str_slice(path, 0, i)};
        if (path.ptr[i] == '.' && json_members(object, &first, 1, NULL) && first.found &&
            claim_at(first.value, str_slice(path, i + 1, path.len), depth + 1, ret)) {
            return true;
        }
    }
    return false;
}

bool jwt_claim(struct json_value claims, struct str path, struct json_value *ret)
{
    return claim_at(claims, path, 0, ret);
}

void jwt_subject_id(const struct uuid *issuer, struct str subject, struct uuid *ret)
{
    uint8_t hash[CRYPTO_SHA256_LEN];
    crypto_hmac_sha256(issuer->b, sizeof issuer->b, subject.ptr, subject.len, hash);
    memcpy(ret->b, hash, sizeof ret->b);
    ret->b[6] = (uint8_t)((ret->b[6] & 0x0f) | 0x80); /* version 8: of our own making */
    ret->b[8] = (uint8_t)((ret->b[8] & 0x3f) | 0x80);
}

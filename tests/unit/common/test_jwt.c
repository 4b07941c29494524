/* Signed tokens: the examples of the RFCs, tokens of every algorithm that are made here, and all
 * the ways in which a token must not be taken. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/jwt_rig.h"

#define NOW 1800000000
#define ALL 0x7feu /* every algorithm */

static struct jwt_keys *keys_of(const char *json)
{
    struct jwt_keys *k = NULL;
    struct error err = ERROR_INIT;
    if (!jwt_keys_new(str_of(json), &k, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return k;
}

/* --- the RFCs' --- */

#define JOE                                                                                    \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0" \
    "cnVlfQ"

static const char rfc_keys[] =
    "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
    "wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
    "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
    "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
    "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"},"
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static const char rfc7515_rs256[] =
    "eyJhbGciOiJSUzI1NiJ9." JOE
    ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt"
    "QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI"
    "2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
static const char rfc7515_es256[] =
    "eyJhbGciOiJFUzI1NiJ9." JOE
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
static const char rfc8037_eddsa[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg"
    "3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

/* Their tokens have no audience, and Ed25519's no claims at all: what comes after the signature
 * tells that it was right. */
static void the_examples_of_the_rfcs_are_verified(void **state)
{
    static const struct str audience[] = {{"any", 3}};
    static const struct {
        const char *token;
        enum jwt_verdict right;
    } rows[] = {{rfc7515_rs256, JWT_AUDIENCE},
                {rfc7515_es256, JWT_AUDIENCE},
                {rfc8037_eddsa, JWT_MALFORMED}};
    struct jwt_keys *k = keys_of(rfc_keys);
    struct jwt_check c = {.keys = k,
                          .issuer = STR_LIT("joe"),
                          .audiences = audience,
                          .n_audiences = 1,
                          .algorithms = ALL,
                          .now_s = 1300819000};
    struct json_value claims;
    (void)state;
    assert_int_equal(jwt_keys_count(k), 3);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct str copy = arena_str(memory, str_of(rows[i].token));
        assert_true(jwt_looks_like(copy));
        assert_int_equal(jwt_verify(copy, &c, memory, &claims), rows[i].right);
        /* one bit of the signature */
        char *at = (char *)(uintptr_t)copy.ptr + copy.len - 30;
        *at = *at == 'A' ? 'B' : 'A';
        assert_int_equal(jwt_verify(copy, &c, memory, &claims), JWT_SIGNATURE);
    }
    jwt_keys_free(k);
}

static struct jwt_keys *set_of(struct str jwk)
{
    return keys_of(arena_printf(memory, "{\"keys\":[%.*s]}", STR_ARG(jwk)).ptr);
}

static const struct str ours[] = {{"weir", 4}, {"other", 5}};

static struct jwt_check check_by(const struct jwt_keys *k)
{
    return (struct jwt_check){.keys = k,
                              .issuer = STR_LIT("https://idp"),
                              .audiences = ours,
                              .n_audiences = 2,
                              .algorithms = ALL,
                              .now_s = NOW,
                              .leeway_s = 60};
}

#define CLAIMS(more) "{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1800000300" more "}"

static enum jwt_verdict verdict(struct str token, const struct jwt_check *c)
{
    struct json_value claims;
    enum jwt_verdict v = jwt_verify(token, c, memory, &claims);
    if (v == JWT_VALID) {
        assert_int_equal(claims.type, JSON_OBJECT);
    }
    return v;
}

static void each_algorithm_verifies_its_own_and_no_other(void **state)
{
    (void)state;
    for (int a = JWT_RS256; a < JWT_ALGORITHM_COUNT; a++) {
        struct jwt_keys *k = set_of(jwk_of((enum jwt_algorithm)a, "k", ""));
        struct jwt_check c = check_by(k);
        assert_int_equal(jwt_keys_count(k), 1);
        for (int b = JWT_RS256; b < JWT_ALGORITHM_COUNT; b++) {
            struct str token = simple((enum jwt_algorithm)b, CLAIMS(""));
            bool fits = a == b || (a <= JWT_PS512 && b <= JWT_PS512); /* one RSA key for all six */
            assert_int_equal(verdict(token, &c), fits ? JWT_VALID : JWT_ALGORITHM);
            c.algorithms = ALL & ~(1u << b);
            assert_int_equal(verdict(token, &c), JWT_ALGORITHM);
            c.algorithms = ALL;
        }
        jwt_keys_free(k);
    }
}

static void a_keys_own_alg_and_use_bind_it(void **state)
{
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_RS256, "k", ",\"alg\":\"RS384\",\"use\":\"sig\""));
    struct jwt_check c = check_by(k);
    assert_int_equal(verdict(simple(JWT_RS256, CLAIMS("")), &c), JWT_ALGORITHM);
    assert_int_equal(verdict(simple(JWT_RS384, CLAIMS("")), &c), JWT_VALID);
    jwt_keys_free(k);
    static const char *const others[] = {",\"use\":\"enc\"", ",\"alg\":\"RSA-OAEP\"",
                                         ",\"key_ops\":[\"encrypt\"]", ",\"alg\":\"HS256\""};
    for (size_t i = 0; i < 4; i++) {
        k = set_of(jwk_of(JWT_RS256, "k", others[i]));
        assert_int_equal(jwt_keys_count(k), 0);
        jwt_keys_free(k);
    }
    k = set_of(
        jwk_of(JWT_RS256, "k", ",\"key_ops\":[\"verify\"],\"x5c\":[\"junk\"],\"d\":\"AQAB\""));
    assert_int_equal(jwt_keys_count(k), 1);
    jwt_keys_free(k);
}

static void keys_that_are_weak_or_broken_are_left_out(void **state)
{
    static const char *const junk[] = {
        "{}",
        "1",
        "null",
        "[]",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
        /* not on the curve */
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":"
        "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
        "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
        "7TyWQHOg7hcvPapiMlrwIaaPcHUR\"}",
    };
    struct error err = ERROR_INIT;
    struct jwt_keys *k = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        k = set_of(str_of(junk[i]));
        assert_int_equal(jwt_keys_count(k), 0);
        jwt_keys_free(k);
        k = NULL;
    }
    EVP_PKEY *small = EVP_RSA_gen(1024), *kept = rsa;
    rsa = small;
    k = set_of(jwk_of(JWT_RS256, "k", ""));
    rsa = kept;
    EVP_PKEY_free(small);
    assert_int_equal(jwt_keys_count(k), 0);
    jwt_keys_free(k);
    assert_false(jwt_keys_new(STR_LIT("[]"), &k, &err));
    assert_false(jwt_keys_new(STR_LIT("{\"keys\":{}}"), &k, &err));
    assert_false(jwt_keys_new(STR_LIT("{\"keys\":["), &k, &err));
}

static void a_set_has_a_ceiling(void **state)
{
    struct buffer b;
    struct error err = ERROR_INIT;
    struct jwt_keys *k = NULL;
    (void)state;
    buffer_init(&b, 1 << 20);
    buffer_append_z(&b, "{\"keys\":[");
    for (int i = 0; i < 100; i++) {
        char kid[8];
        (void)snprintf(kid, sizeof kid, "%d", i);
        buffer_append_z(&b, i ? "," : "");
        buffer_append_str(&b, jwk_of(JWT_EDDSA, kid, ""));
    }
    buffer_append_z(&b, "]}");
    assert_true(jwt_keys_new(buffer_str(&b), &k, &err));
    assert_int_equal(jwt_keys_count(k), JWT_KEYS_MAX);
    assert_true(jwt_keys_have(k, STR_LIT("63")));
    assert_false(jwt_keys_have(k, STR_LIT("64")));
    assert_true(jwt_keys_have(k, STR_NONE));
    jwt_keys_free(k);
    buffer_release(&b);
}

static void an_unknown_key_is_told_from_a_wrong_signature(void **state)
{
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_ES256, "k", ""));
    struct jwt_check c = check_by(k);
    assert_int_equal(
        verdict(token_of(p256, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"x\"}", CLAIMS("")), &c),
        JWT_UNKNOWN_KEY);
    assert_int_equal(verdict(token_of(p256, JWT_ES256, "{\"alg\":\"ES256\"}", CLAIMS("")), &c),
                     JWT_VALID);
    EVP_PKEY *forger = EVP_EC_gen("P-256");
    assert_int_equal(
        verdict(token_of(forger, JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"k\"}", CLAIMS("")), &c),
        JWT_SIGNATURE);
    assert_int_equal(verdict(token_of(forger, JWT_ES256, "{\"alg\":\"ES256\"}", CLAIMS("")), &c),
                     JWT_SIGNATURE);
    EVP_PKEY_free(forger);
    jwt_keys_free(k);
}

/* The public key as the secret of an HMAC: the classic. */
static void symmetric_algorithms_and_none_do_not_exist(void **state)
{
    static const char *const headers[] = {"{\"alg\":\"none\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"k\"}",
                                          "{\"alg\":\"hs256\"}",
                                          "{\"alg\":\"rs256\",\"kid\":\"k\"}",
                                          "{\"alg\":\"\"}",
                                          "{\"kid\":\"k\"}",
                                          "{\"alg\":1}",
                                          "{\"alg\":[\"RS256\"]}",
                                          "{\"alg\":\"RS25\\u0036\",\"kid\":\"k\"}"};
    (void)state;
    struct str jwk = jwk_of(JWT_RS256, "k", "");
    struct jwt_keys *k = set_of(jwk);
    struct jwt_check c = check_by(k);
    c.algorithms = ~0u;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct str h = base64url(str_of(headers[i])), p = base64url(STR_LIT(CLAIMS("")));
        struct str text = arena_printf(memory, "%.*s.%.*s", STR_ARG(h), STR_ARG(p));
        uint8_t mac[32];
        crypto_hmac_sha256(jwk.ptr, jwk.len, text.ptr, text.len, mac);
        struct str m = base64url((struct str){(char *)mac, sizeof mac});
        assert_int_equal(verdict(arena_printf(memory, "%.*s.%.*s", STR_ARG(text), STR_ARG(m)), &c),
                         JWT_ALGORITHM);
        assert_int_equal(verdict(arena_printf(memory, "%.*s.", STR_ARG(text)), &c), JWT_ALGORITHM);
    }
    jwt_keys_free(k);
}

static void what_is_malformed_is_refused_before_anything_else(void **state)
{
    static const char *const headers[] = {
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"b64\":false}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"x\":1,\"x\":2}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"\\u0061lg\":\"none\"}",
        "{\"alg\":\"RS256\",\"kid\":1}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":\"logout+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"k\",\"typ\":7}",
        "[\"RS256\"]",
        "{",
        ""};
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_RS256, "k", ""));
    struct jwt_check c = check_by(k);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        assert_int_equal(verdict(token_of(rsa, JWT_RS256, headers[i], CLAIMS("")), &c),
                         JWT_MALFORMED);
    }
    struct str good = simple(JWT_RS256, CLAIMS(""));
    assert_int_equal(verdict(good, &c), JWT_VALID);
    static const char *const tails[] = {"=", ".", ".x", " ", "\n", "+", "%3D"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        struct str bad = arena_printf(memory, "%.*s%s", STR_ARG(good), tails[i]);
        assert_int_equal(verdict(bad, &c), JWT_MALFORMED);
    }
    assert_int_equal(verdict(STR_LIT(""), &c), JWT_MALFORMED);
    assert_int_equal(verdict(STR_LIT(".."), &c), JWT_MALFORMED);
    assert_int_equal(verdict(STR_LIT("a.b"), &c), JWT_MALFORMED);
    char *large = arena_alloc(memory, JWT_MAX_BYTES + 1);
    memset(large, 'a', JWT_MAX_BYTES + 1);
    assert_int_equal(verdict((struct str){large, JWT_MAX_BYTES + 1}, &c), JWT_MALFORMED);
    jwt_keys_free(k);
}

/* Of two texts for the same bytes only one is the token: else one that was revoked has twins. */
static void bits_that_are_left_over_must_be_zero(void **state)
{
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_RS256, "k", ""));
    struct jwt_check c = check_by(k);
    struct str good = simple(JWT_RS256, CLAIMS(""));
    char *last = (char *)(uintptr_t)good.ptr + good.len - 1;
    assert_int_equal(verdict(good, &c), JWT_VALID); /* 256 bytes: four bits are left over */
    *last = *last == 'A' ? 'B' : (char)(*last + 1);
    assert_int_equal(verdict(good, &c), JWT_MALFORMED);
    jwt_keys_free(k);
}

static void claims_are_held_to_the_check(void **state)
{
    static const struct {
        const char *payload;
        enum jwt_verdict want;
    } rows[] = {
        {CLAIMS(""), JWT_VALID},
        {CLAIMS(",\"nbf\":1800000060,\"iat\":1800000060"), JWT_VALID},
        {CLAIMS(",\"nbf\":1800000061"), JWT_NOT_YET},
        {CLAIMS(",\"iat\":1800000061"), JWT_NOT_YET},
        {CLAIMS(",\"nbf\":\"soon\""), JWT_MALFORMED},
        {CLAIMS(",\"iat\":1799999999.5"), JWT_VALID},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1799999941}", JWT_VALID},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1799999940}", JWT_EXPIRED},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1799999940.25}", JWT_VALID},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1.8000003e9}", JWT_VALID},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\"}", JWT_MALFORMED},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":null}", JWT_MALFORMED},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":\"1800000300\"}", JWT_MALFORMED},
        {"{\"iss\":\"https://idp\",\"aud\":[\"x\",\"weir\"],\"exp\":1800000300}", JWT_VALID},
        {"{\"iss\":\"https://idp\",\"aud\":[],\"exp\":1800000300}", JWT_AUDIENCE},
        {"{\"iss\":\"https://idp\",\"aud\":\"we\",\"exp\":1800000300}", JWT_AUDIENCE},
        {"{\"iss\":\"https://idp\",\"aud\":{\"weir\":1},\"exp\":1800000300}", JWT_AUDIENCE},
        {"{\"iss\":\"https://idp\",\"exp\":1800000300}", JWT_AUDIENCE},
        {"{\"iss\":\"https://idp/\",\"aud\":\"weir\",\"exp\":1800000300}", JWT_ISSUER},
        {"{\"aud\":\"weir\",\"exp\":1800000300}", JWT_ISSUER},
        {"{\"iss\":\"https://idp\",\"aud\":\"weir\",\"exp\":1,\"exp\":1800000300}", JWT_MALFORMED},
    };
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_EDDSA, "k", ""));
    struct jwt_check c = check_by(k);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum jwt_verdict v = verdict(simple(JWT_EDDSA, rows[i].payload), &c);
        if (v != rows[i].want) {
            fail_msg("%s: %s", rows[i].payload, jwt_verdict_text(v));
        }
    }
    jwt_keys_free(k);
}

static void nonce_and_azp_count_where_they_are_asked_for(void **state)
{
    (void)state;
    struct jwt_keys *k = set_of(jwk_of(JWT_EDDSA, "k", ""));
    struct jwt_check c = check_by(k);
    struct str plain = simple(JWT_EDDSA, CLAIMS("")),
               with = simple(JWT_EDDSA, CLAIMS(",\"nonce\":\"n\",\"azp\":\"weir\""));
    c.nonce = STR_LIT("n");
    assert_int_equal(verdict(plain, &c), JWT_NONCE);
    assert_int_equal(verdict(with, &c), JWT_VALID);
    c.nonce = STR_LIT("m");
    assert_int_equal(verdict(with, &c), JWT_NONCE);
    c.nonce = STR_NONE;
    c.azp = STR_LIT("weir");
    assert_int_equal(verdict(plain, &c), JWT_VALID);
    assert_int_equal(verdict(with, &c), JWT_VALID);
    c.azp = STR_LIT("another");
    assert_int_equal(verdict(with, &c), JWT_AUDIENCE);
    struct str two =
        simple(JWT_EDDSA, "{\"iss\":\"https://idp\",\"aud\":[\"weir\",\"x\"],\"exp\":1800000300}");
    c.azp = STR_LIT("weir");
    assert_int_equal(verdict(two, &c), JWT_AUDIENCE);
    jwt_keys_free(k);
}

static void what_may_be_a_token_is_told_from_keys(void **state)
{
    struct str iss, kid;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(jwt_looks_like(simple(JWT_ES256, CLAIMS(""))));
    assert_true(jwt_looks_like(STR_LIT("eyJhbGciOiJub25lIn0.e30.")));
    assert_false(jwt_looks_like(STR_LIT("wr_live_0123456789")));
    assert_false(jwt_looks_like(STR_LIT("sk-ant.api.key")));
    assert_false(jwt_looks_like(STR_LIT("eyJh.eyJ")));
    assert_false(jwt_looks_like(STR_LIT("eyJh.e30.a.b")));
    assert_false(jwt_looks_like(STR_LIT("")));
    assert_true(jwt_peek(simple(JWT_ES256, CLAIMS("")), memory, &iss, &kid, &err));
    assert_true(str_eqz(iss, "https://idp"));
    assert_true(str_eqz(kid, "k"));
    assert_false(jwt_peek(STR_LIT("eyJhbGciOiJub25lIn0.e30."), memory, &iss, &kid, &err));
    assert_int_equal(err.code, ERR_INVALID_TOKEN);
}

static void claims_are_found_by_path_whole_names_first(void **state)
{
    struct json_value claims, v;
    (void)state;
    assert_true(json_validate(STR_LIT("{\"a\":{\"b\":{\"c\":1},\"b.c\":2},\"a.b\":3,"
                                      "\"https://x.test/groups\":[4],\"q\\u0072\":5}"),
                              0, &claims, NULL));
    static const struct {
        const char *path, *want;
    } rows[] = {{"a.b", "3"},      {"a.b.c", "2"}, {"https://x.test/groups", "[4]"},
                {"qr", "5"},       {"a.x", NULL},  {"", NULL},
                {"a.b.c.d", NULL}, {".", NULL},    {"a.", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool found = jwt_claim(claims, str_of(rows[i].path), &v);
        assert_int_equal(found, rows[i].want != NULL);
        if (found) {
            assert_true(str_eqz(v.raw, rows[i].want));
        }
    }
}

/* OpenID Connect Core, appendix A.3 has this pair. */
static void half_hashes_are_compared(void **state)
{
    struct str access_token = STR_LIT("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
               claim = STR_LIT("77QmUPtjPfzWtF2AnpK9RQ");
    (void)state;
    assert_true(jwt_half_hash_fits(JWT_RS256, access_token, claim));
    assert_false(jwt_half_hash_fits(JWT_RS384, access_token, claim));
    assert_false(jwt_half_hash_fits(JWT_RS256, STR_LIT("another"), claim));
    assert_false(jwt_half_hash_fits(JWT_NONE, access_token, claim));
}

static void a_subject_has_one_id(void **state)
{
    struct uuid issuer = uuid_v7(), other = uuid_v7(), a, b;
    (void)state;
    jwt_subject_id(&issuer, STR_LIT("ann"), &a);
    jwt_subject_id(&issuer, STR_LIT("ann"), &b);
    assert_true(uuid_eq(&a, &b));
    jwt_subject_id(&issuer, STR_LIT("bob"), &b);
    assert_false(uuid_eq(&a, &b));
    jwt_subject_id(&other, STR_LIT("ann"), &b);
    assert_false(uuid_eq(&a, &b));
    for (int i = JWT_NONE; i < JWT_ALGORITHM_COUNT; i++) {
        assert_int_equal(jwt_algorithm_named(str_of(jwt_algorithm_name((enum jwt_algorithm)i))), i);
    }
    for (int v = JWT_VALID; v < JWT_VERDICT_COUNT; v++) {
        assert_true(strlen(jwt_verdict_text((enum jwt_verdict)v)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_rfcs_are_verified),
        cmocka_unit_test(each_algorithm_verifies_its_own_and_no_other),
        cmocka_unit_test(a_keys_own_alg_and_use_bind_it),
        cmocka_unit_test(keys_that_are_weak_or_broken_are_left_out),
        cmocka_unit_test(a_set_has_a_ceiling),
        cmocka_unit_test(an_unknown_key_is_told_from_a_wrong_signature),
        cmocka_unit_test(symmetric_algorithms_and_none_do_not_exist),
        cmocka_unit_test(what_is_malformed_is_refused_before_anything_else),
        cmocka_unit_test(bits_that_are_left_over_must_be_zero),
        cmocka_unit_test(claims_are_held_to_the_check),
        cmocka_unit_test(nonce_and_azp_count_where_they_are_asked_for),
        cmocka_unit_test(what_may_be_a_token_is_told_from_keys),
        cmocka_unit_test(claims_are_found_by_path_whole_names_first),
        cmocka_unit_test(half_hashes_are_compared),
        cmocka_unit_test(a_subject_has_one_id),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

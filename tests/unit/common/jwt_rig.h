/* Keys of every kind, key sets and tokens signed by them. */
#ifndef COMMON_JWT_RIG_H
#define COMMON_JWT_RIG_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "common/crypto.h"
#include "common/jwt.h"

static struct arena *memory;

static struct str base64url(struct str s)
{
    char *out = arena_alloc(memory, 4 * (s.len / 3 + 2));
    return (struct str){out, crypto_base64url(s.ptr, s.len, out)};
}

static EVP_PKEY *rsa, *p256, *p384, *p521, *ed;

static EVP_PKEY *key_for(enum jwt_algorithm a)
{
    switch (a) {
    case JWT_ES256:
        return p256;
    case JWT_ES384:
        return p384;
    case JWT_ES512:
        return p521;
    case JWT_EDDSA:
        return ed;
    default:
        return rsa;
    }
}

static const EVP_MD *hash_for(enum jwt_algorithm a)
{
    switch (a) {
    case JWT_RS256:
    case JWT_PS256:
    case JWT_ES256:
        return EVP_sha256();
    case JWT_RS384:
    case JWT_PS384:
    case JWT_ES384:
        return EVP_sha384();
    case JWT_EDDSA:
        return NULL;
    default:
        return EVP_sha512();
    }
}

/* DER to the two numbers side by side. */
static size_t raw_ecdsa(const uint8_t *der, size_t n, size_t half, uint8_t *out)
{
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)n);
    assert_non_null(sig);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, (int)half);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + half, (int)half);
    ECDSA_SIG_free(sig);
    return 2 * half;
}

static struct str sign_with(EVP_PKEY *key, enum jwt_algorithm a, struct str text)
{
    uint8_t sig[1200], raw[140];
    size_t n = sizeof sig;
    EVP_PKEY_CTX *options = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, &options, hash_for(a), NULL, key), 1);
    if (a >= JWT_PS256 && a <= JWT_PS512) {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const uint8_t *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(ctx);
    if (a >= JWT_ES256 && a <= JWT_ES512) {
        size_t half = a == JWT_ES256 ? 32 : a == JWT_ES384 ? 48 : 66;
        n = raw_ecdsa(sig, n, half, raw);
        return base64url((struct str){(char *)raw, n});
    }
    return base64url((struct str){(char *)sig, n});
}

static struct str token_of(EVP_PKEY *key, enum jwt_algorithm a, const char *header,
                           const char *payload)
{
    struct str h = base64url(str_of(header)), p = base64url(str_of(payload));
    struct str text = arena_printf(memory, "%.*s.%.*s", STR_ARG(h), STR_ARG(p));
    struct str s = sign_with(key, a, text);
    return arena_printf(memory, "%.*s.%.*s", STR_ARG(text), STR_ARG(s));
}

static struct str simple(enum jwt_algorithm a, const char *payload)
{
    struct str h = arena_printf(memory, "{\"alg\":\"%s\",\"kid\":\"k\"}", jwt_algorithm_name(a));
    return token_of(key_for(a), a, h.ptr, payload);
}

static struct str number_param(EVP_PKEY *key, const char *name, size_t width)
{
    BIGNUM *n = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &n), 1);
    size_t len = width ? width : (size_t)BN_num_bytes(n);
    char *out = arena_alloc(memory, len);
    BN_bn2binpad(n, (uint8_t *)out, (int)len);
    BN_free(n);
    return base64url((struct str){out, len});
}

static struct str jwk_of(enum jwt_algorithm a, const char *kid, const char *more)
{
    EVP_PKEY *key = key_for(a);
    if (a == JWT_EDDSA) {
        uint8_t raw[32];
        size_t n = sizeof raw;
        EVP_PKEY_get_raw_public_key(key, raw, &n);
        struct str x = base64url((struct str){(char *)raw, n});
        return arena_printf(memory,
                            "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"%s\",\"x\":\"%.*s\"%s}",
                            kid, STR_ARG(x), more);
    }
    if (a >= JWT_ES256) {
        size_t w = a == JWT_ES256 ? 32 : a == JWT_ES384 ? 48 : 66;
        struct str x = number_param(key, OSSL_PKEY_PARAM_EC_PUB_X, w),
                   y = number_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, w);
        return arena_printf(
            memory,
            "{\"kty\":\"EC\",\"crv\":\"P-%s\",\"kid\":\"%s\",\"x\":\"%.*s\",\"y\":\"%.*s\"%s}",
            w == 32   ? "256"
            : w == 48 ? "384"
                      : "521",
            kid, STR_ARG(x), STR_ARG(y), more);
    }
    struct str n = number_param(key, OSSL_PKEY_PARAM_RSA_N, 0),
               e = number_param(key, OSSL_PKEY_PARAM_RSA_E, 0);
    return arena_printf(memory, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%.*s\",\"e\":\"%.*s\"%s}",
                        kid, STR_ARG(n), STR_ARG(e), more);
}

static int make_keys(void **state)
{
    (void)state;
    memory = arena_new(0);
    rsa = EVP_RSA_gen(2048);
    p256 = EVP_EC_gen("P-256");
    p384 = EVP_EC_gen("P-384");
    p521 = EVP_EC_gen("P-521");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa && p256 && p384 && p521 && ed ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(p521);
    EVP_PKEY_free(ed);
    arena_free(memory);
    return 0;
}

#endif

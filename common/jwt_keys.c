/* Sets of public keys. What a key may verify is settled here, by its type, its curve and its own
 * `alg`: a token can only choose among that. */
#include "common/jwt_inside.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base/mem.h"
#include "common/crypto.h"

#define RSA_MIN_BITS 2048
#define RSA_MAX_BITS 8192
#define DOCUMENT_MAX ((size_t)1 << 20)
#define BIT(a) (1u << (a))
#define ALL_RSA                                                                           \
    (BIT(JWT_RS256) | BIT(JWT_RS384) | BIT(JWT_RS512) | BIT(JWT_PS256) | BIT(JWT_PS384) | \
     BIT(JWT_PS512))

struct jwt_keys {
    struct arena *arena;
    struct jwt_key keys[JWT_KEYS_MAX];
    size_t n;
};

static const struct curve {
    const char *name;
    enum jwt_algorithm algorithm;
    size_t bytes; /* of a coordinate */
} curves[] = {
    {"P-256", JWT_ES256, 32},
    {"P-384", JWT_ES384, 48},
    {"P-521", JWT_ES512, 66},
};

enum { KTY, USE, KEY_OPS, ALG, KID, RSA_N, RSA_E, CRV, X, Y, MEMBERS };

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        key = NULL;
    }
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *make_rsa(struct str n_bytes, struct str e_bytes)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    BIGNUM *n = n_bytes.len <= RSA_MAX_BITS / 8 + 1
                    ? BN_bin2bn((const unsigned char *)n_bytes.ptr, (int)n_bytes.len, NULL)
                    : NULL;
    BIGNUM *e = e_bytes.len <= 8
                    ? BN_bin2bn((const unsigned char *)e_bytes.ptr, (int)e_bytes.len, NULL)
                    : NULL;
    if (bld && n && e && BN_num_bits(n) >= RSA_MIN_BITS && BN_num_bits(n) <= RSA_MAX_BITS &&
        BN_is_odd(n) && BN_is_odd(e) && BN_num_bits(e) >= 2 && BN_num_bits(e) <= 33 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e)) {
        key = from_params("RSA", bld);
    }
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(bld);
    return key;
}

static EVP_PKEY *make_ec(const struct curve *c, struct str x, struct str y)
{
    uint8_t point[1 + 2 * 66] = {4};
    EVP_PKEY *key = NULL;
    if (x.len != c->bytes || y.len != c->bytes) {
        return NULL;
    }
    memcpy(point + 1, x.ptr, x.len);
    memcpy(point + 1 + x.len, y.ptr, y.len);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    if (bld &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, c->name,
                                        strlen(c->name)) &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * c->bytes)) {
        key = from_params("EC", bld);
    }
    OSSL_PARAM_BLD_free(bld);
    return key;
}

static char *pem_of(EVP_PKEY *key)
{
    char *text = NULL, *at = NULL;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && PEM_write_bio_PUBKEY(bio, key) == 1) {
        long n = BIO_get_mem_data(bio, &at);
        text = n > 0 ? str_dup((struct str){at, (size_t)n}) : NULL;
    }
    BIO_free(bio);
    return text;
}

/* For verifying signatures, as far as the key says? */
static bool is_for_signatures(const struct json_member *m)
{
    struct json_value item;
    size_t pos = 0;
    if (m[USE].found && m[USE].value.type != JSON_NULL &&
        !json_text_eq(m[USE].value, STR_LIT("sig"))) {
        return false;
    }
    if (!m[KEY_OPS].found || m[KEY_OPS].value.type != JSON_ARRAY) {
        return true;
    }
    while (json_next(m[KEY_OPS].value, &pos, NULL, &item)) {
        if (json_text_eq(item, STR_LIT("verify"))) {
            return true;
        }
    }
    return false;
}

static struct str bytes_of(const struct json_member *m, struct arena *a)
{
    struct str text = jwt_plain_text(m);
    return text.ptr ? jwt_unbase64url(text, a) : STR_NONE;
}

static EVP_PKEY *make_key(const struct json_member *m, struct arena *a, unsigned *ret_algorithms)
{
    struct str type = jwt_plain_text(&m[KTY]), crv = jwt_plain_text(&m[CRV]);
    if (str_eqz(type, "RSA")) {
        struct str n = bytes_of(&m[RSA_N], a), e = bytes_of(&m[RSA_E], a);
        *ret_algorithms = ALL_RSA;
        return n.ptr && e.ptr ? make_rsa(n, e) : NULL;
    }
    struct str x = bytes_of(&m[X], a);
    if (str_eqz(type, "OKP") && str_eqz(crv, "Ed25519")) {
        *ret_algorithms = BIT(JWT_EDDSA);
        return x.ptr && x.len == 32 ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
                                                                  (const unsigned char *)x.ptr, 32)
                                    : NULL;
    }
    struct str y = bytes_of(&m[Y], a);
    for (size_t i = 0; str_eqz(type, "EC") && i < sizeof(curves) / sizeof(curves[0]); i++) {
        if (str_eqz(crv, curves[i].name)) {
            *ret_algorithms = BIT(curves[i].algorithm);
            return x.ptr && y.ptr ? make_ec(&curves[i], x, y) : NULL;
        }
    }
    return NULL;
}

/* A key that is none of ours is left out; only want of room ends the reading. */
static void add_key(struct jwt_keys *k, struct json_value object)
{
    struct json_member m[MEMBERS] = {
        [KTY] = {.name = STR_LIT("kty")},
        [USE] = {.name = STR_LIT("use")},
        [KEY_OPS] = {.name = STR_LIT("key_ops")},
        [ALG] = {.name = STR_LIT("alg")},
        [KID] = {.name = STR_LIT("kid")},
        [RSA_N] = {.name = STR_LIT("n")},
        [RSA_E] = {.name = STR_LIT("e")},
        [CRV] = {.name = STR_LIT("crv")},
        [X] = {.name = STR_LIT("x")},
        [Y] = {.name = STR_LIT("y")},
    };
    unsigned algorithms = 0;
    size_t len = 0;
    if (object.type != JSON_OBJECT || !json_members(object, m, MEMBERS, NULL) ||
        !is_for_signatures(m)) {
        return;
    }
    EVP_PKEY *key = make_key(m, k->arena, &algorithms);
    if (m[ALG].found && m[ALG].value.type != JSON_NULL) {
        algorithms &= BIT(jwt_algorithm_named(jwt_plain_text(&m[ALG])));
    }
    char *pem = key && algorithms ? pem_of(key) : NULL;
    if (!pem) {
        EVP_PKEY_free(key);
        return;
    }
    struct jwt_key *out = &k->keys[k->n++];
    *out = (struct jwt_key){.algorithms = algorithms, .pem = pem, .pkey = key};
    if (m[KID].found && m[KID].value.type == JSON_STRING) {
        char *kid = arena_alloc(k->arena, m[KID].value.raw.len);
        if (kid && json_unescape(m[KID].value, kid, m[KID].value.raw.len, &len)) {
            out->kid = (struct str){kid, len};
        }
    }
}

bool jwt_keys_new(struct str jwks_json, struct jwt_keys **ret, struct error *err)
{
    struct json_member list = {.name = STR_LIT("keys")};
    struct json_value item;
    size_t pos = 0;
    if (jwks_json.len > DOCUMENT_MAX) {
        return error_set(err, ERR_INVALID_FIELD, "a key set may have %zu bytes at most",
                         DOCUMENT_MAX);
    }
    if (!json_scan(jwks_json, &list, 1, 0, err)) {
        return false;
    }
    if (!list.found || list.value.type != JSON_ARRAY) {
        return error_set(err, ERR_INVALID_FIELD, "a key set must have the array \"keys\"");
    }
    struct jwt_keys *k = mem_alloc(sizeof *k);
    k->arena = arena_new(4 * DOCUMENT_MAX);
    while (k->n < JWT_KEYS_MAX && json_next(list.value, &pos, NULL, &item)) {
        add_key(k, item);
    }
    ERR_clear_error();
    *ret = k;
    return true;
}

void jwt_keys_free(struct jwt_keys *k)
{
    for (size_t i = 0; k && i < k->n; i++) {
        EVP_PKEY_free(k->keys[i].pkey);
        mem_free(k->keys[i].pem);
    }
    if (k) {
        arena_free(k->arena);
        mem_free(k);
    }
}

size_t jwt_keys_count(const struct jwt_keys *k)
{
    return k->n;
}

bool jwt_keys_have(const struct jwt_keys *k, struct str kid)
{
    for (size_t i = 0; i < k->n; i++) {
        if (!kid.ptr || (k->keys[i].kid.ptr && str_eq(k->keys[i].kid, kid))) {
            return true;
        }
    }
    return !kid.ptr;
}

const struct jwt_key *jwt_keys_next(const struct jwt_keys *k, struct str kid, enum jwt_algorithm a,
                                    size_t *pos)
{
    while (*pos < k->n) {
        const struct jwt_key *key = &k->keys[(*pos)++];
        bool named = !kid.ptr || (key->kid.ptr && str_eq(key->kid, kid));
        if (named && (a == JWT_NONE || (key->algorithms & BIT(a)))) {
            return key;
        }
    }
    return NULL;
}

static const EVP_MD *hash_of(enum jwt_algorithm a)
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
    case JWT_RS512:
    case JWT_PS512:
    case JWT_ES512:
    case JWT_EDDSA:
        return EVP_sha512();
    case JWT_NONE:
    case JWT_ALGORITHM_COUNT:
        break;
    }
    return NULL;
}

bool jwt_key_verify(const struct jwt_key *k, enum jwt_algorithm a, struct str text,
                    struct str signature)
{
    bool pss = a == JWT_PS256 || a == JWT_PS384 || a == JWT_PS512;
    EVP_PKEY_CTX *options = NULL; /* the digest's own */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && (pss || a == JWT_EDDSA) && (k->algorithms & BIT(a)) &&
              EVP_DigestVerifyInit(ctx, &options, pss ? hash_of(a) : NULL, NULL, k->pkey) == 1 &&
              (!pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
              EVP_DigestVerify(ctx, (const unsigned char *)signature.ptr, signature.len,
                               (const unsigned char *)text.ptr, text.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

bool jwt_half_hash_fits(enum jwt_algorithm a, struct str value, struct str claim)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    char text[EVP_MAX_MD_SIZE * 2];
    unsigned n = 0;
    const EVP_MD *md = hash_of(a);
    if (!md || EVP_Digest(value.ptr, value.len, hash, &n, md, NULL) != 1) {
        return false;
    }
    size_t len = crypto_base64url(hash, n / 2, text);
    return claim.len == len && crypto_equal(claim.ptr, text, len);
}

/* OpenSSL's primitives behind plain calls. Algorithms are fetched once per process: OpenSSL 3
 * otherwise looks them up by name, under a lock, at every use. SHA-256 and HMAC keep one context
 * per thread, because the request path hashes each key it sees and making a context costs more than
 * the hash. */
#include "common/crypto.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/base/mem.h"

struct thread_state {
    EVP_MD_CTX *sha256;
    EVP_MAC_CTX *hmac;
};

static EVP_MD *md_sha256;
static EVP_MAC *mac_hmac;
static EVP_CIPHER *cipher_gcm;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t exit_key; /* only for its destructor; look-ups go by the thread-local below */
static _Thread_local struct thread_state *thread_state;

static void die(const char *what)
{
    fprintf(stderr, "weir: OpenSSL failed: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

static void on_thread_exit(void *arg)
{
    struct thread_state *t = arg;
    EVP_MD_CTX_free(t->sha256);
    EVP_MAC_CTX_free(t->hmac);
    mem_free(t);
    /* another destructor may still hash: it then gets a new state, and this is called again */
    thread_state = NULL;
}

static void fetch(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    mac_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    cipher_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!md_sha256 || !mac_hmac || !cipher_gcm) {
        die("fetching SHA-256, HMAC and AES-256-GCM");
    }
    if (pthread_key_create(&exit_key, on_thread_exit) != 0) {
        die("no thread key left");
    }
}

static struct thread_state *thread_state_new(void)
{
    (void)pthread_once(&once, fetch);
    struct thread_state *t = mem_alloc(sizeof(*t));
    t->sha256 = EVP_MD_CTX_new();
    t->hmac = EVP_MAC_CTX_new(mac_hmac);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    if (!t->sha256 || !EVP_DigestInit_ex2(t->sha256, md_sha256, NULL) || !t->hmac ||
        !EVP_MAC_CTX_set_params(t->hmac, params)) {
        die("making a digest context");
    }
    (void)pthread_setspecific(exit_key, t);
    thread_state = t;
    return t;
}

static inline struct thread_state *state(void)
{
    return thread_state ? thread_state : thread_state_new();
}

void crypto_random(void *buf, size_t n)
{
    uint8_t *at = buf;
    while (n) {
        int step = n > 1u << 20 ? 1 << 20 : (int)n;
        if (RAND_bytes(at, step) != 1) {
            die("random bytes");
        }
        at += step;
        n -= (size_t)step;
    }
}

void crypto_sha256(const void *p, size_t n, uint8_t out[static CRYPTO_SHA256_LEN])
{
    EVP_MD_CTX *ctx = state()->sha256;
    if (!EVP_DigestInit_ex2(ctx, NULL, NULL) || !EVP_DigestUpdate(ctx, p, n) ||
        !EVP_DigestFinal_ex(ctx, out, NULL)) {
        die("SHA-256");
    }
}

struct span {
    const void *ptr;
    size_t len;
};

static void hmac_spans(const void *key, size_t key_len, const struct span *spans, size_t n,
                       uint8_t out[static CRYPTO_SHA256_LEN])
{
    EVP_MAC_CTX *ctx = state()->hmac;
    size_t out_len;
    /* a NULL key would mean "the last one" */
    bool ok = EVP_MAC_init(ctx, key ? key : (const void *)"", key_len, NULL) == 1;
    for (size_t i = 0; ok && i < n; i++) {
        ok = EVP_MAC_update(ctx, spans[i].ptr, spans[i].len) == 1;
    }
    if (!ok || !EVP_MAC_final(ctx, out, &out_len, CRYPTO_SHA256_LEN)) {
        die("HMAC-SHA-256");
    }
}

void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
                        uint8_t out[static CRYPTO_SHA256_LEN])
{
    struct span all = {p, n};
    hmac_spans(key, key_len, &all, 1, out);
}

void crypto_hkdf(const void *secret, size_t secret_len, const void *salt, size_t salt_len,
                 const char *info, void *out, size_t out_len)
{
    static const uint8_t no_salt[CRYPTO_SHA256_LEN];
    uint8_t prk[CRYPTO_SHA256_LEN], block[CRYPTO_SHA256_LEN];
    uint8_t *to = out;
    if (out_len > 255u * CRYPTO_SHA256_LEN) {
        die("HKDF asked for more than 255 blocks");
    }
    if (salt_len == 0) {
        salt = no_salt;
        salt_len = sizeof(no_salt);
    }
    crypto_hmac_sha256(salt, salt_len, secret, secret_len, prk);
    size_t block_len = 0;
    for (uint8_t i = 1; out_len; i++) {
        struct span spans[] = {{block, block_len}, {info, info ? strlen(info) : 0}, {&i, 1}};
        hmac_spans(prk, sizeof(prk), spans, 3, block);
        block_len = sizeof(block);
        size_t take = out_len < block_len ? out_len : block_len;
        memcpy(to, block, take);
        to += take;
        out_len -= take;
    }
    OPENSSL_cleanse(prk, sizeof(prk));
    OPENSSL_cleanse(block, sizeof(block));
}

bool crypto_equal(const void *a, const void *b, size_t n)
{
    return n == 0 || CRYPTO_memcmp(a, b, n) == 0;
}

/* OpenSSL's lengths are int; nothing that is sealed here comes near. */
static int gcm_len(size_t n)
{
    if (n > 1u << 30) {
        die("sealing more than a gigabyte");
    }
    return (int)n;
}

void crypto_seal(const uint8_t key[static CRYPTO_KEY_LEN], const uint8_t *nonce, struct str aad,
                 const void *plain, size_t n, uint8_t *out)
{
    int len;
    uint8_t *text = out + CRYPTO_NONCE_LEN;
    (void)state(); /* fetches */
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (nonce) {
        memcpy(out, nonce, CRYPTO_NONCE_LEN);
    } else {
        crypto_random(out, CRYPTO_NONCE_LEN);
    }
    if (!ctx || !EVP_EncryptInit_ex2(ctx, cipher_gcm, key, out, NULL) ||
        (aad.len &&
         !EVP_EncryptUpdate(ctx, NULL, &len, (const uint8_t *)aad.ptr, gcm_len(aad.len))) ||
        (n && !EVP_EncryptUpdate(ctx, text, &len, plain, gcm_len(n))) ||
        !EVP_EncryptFinal_ex(ctx, text + n, &len) ||
        !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, CRYPTO_TAG_LEN, text + n)) {
        die("AES-256-GCM");
    }
    EVP_CIPHER_CTX_free(ctx);
}

bool crypto_open(const uint8_t key[static CRYPTO_KEY_LEN], struct str aad, const void *sealed,
                 size_t sealed_len, uint8_t *out)
{
    if (sealed_len < CRYPTO_SEALED_LEN(0)) {
        return false;
    }
    int len;
    size_t n = sealed_len - CRYPTO_SEALED_LEN(0);
    const uint8_t *nonce = sealed;
    const uint8_t *text = nonce + CRYPTO_NONCE_LEN;
    uint8_t tag[CRYPTO_TAG_LEN];
    memcpy(tag, text + n, sizeof(tag));
    (void)state(); /* fetches */
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx || !EVP_DecryptInit_ex2(ctx, cipher_gcm, key, nonce, NULL) ||
        (aad.len &&
         !EVP_DecryptUpdate(ctx, NULL, &len, (const uint8_t *)aad.ptr, gcm_len(aad.len))) ||
        (n && !EVP_DecryptUpdate(ctx, out, &len, text, gcm_len(n))) ||
        !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CRYPTO_TAG_LEN, tag)) {
        die("AES-256-GCM");
    }
    uint8_t none[1];
    bool genuine = EVP_DecryptFinal_ex(ctx, none, &len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (!genuine) {
        if (n) {
            OPENSSL_cleanse(out, n);
        }
        ERR_clear_error();
    }
    return genuine;
}

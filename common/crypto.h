/* The one wrapper over OpenSSL's primitives. All calls may be made by any thread; failures of the
 * library itself (out of memory, broken provider) stop the process, so only verification can fail.
 */
#ifndef COMMON_CRYPTO_H
#define COMMON_CRYPTO_H

#include "common/base/error.h"

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_KEY_LEN 32   /* AES-256, session and data keys */
#define CRYPTO_NONCE_LEN 12 /* GCM */
#define CRYPTO_TAG_LEN 16

void crypto_random(void *buf, size_t n);
void crypto_sha256(const void *p, size_t n, uint8_t out[static CRYPTO_SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, const void *p, size_t n,
                        uint8_t out[static CRYPTO_SHA256_LEN]);
/* RFC 5869 with SHA-256; out_len <= 255 * 32. */
void crypto_hkdf(const void *secret, size_t secret_len, const void *salt, size_t salt_len,
                 const char *info, void *out, size_t out_len);
/* Constant time. */
bool crypto_equal(const void *a, const void *b, size_t n);
/* AES-256-GCM. Sealed form: nonce(12) | ciphertext(n) | tag(16) = n + 28 bytes into out.
 * `nonce` NULL draws a random one. */
#define CRYPTO_SEALED_LEN(n) ((n) + CRYPTO_NONCE_LEN + CRYPTO_TAG_LEN)
void crypto_seal(const uint8_t key[static CRYPTO_KEY_LEN], const uint8_t *nonce, struct str aad,
                 const void *plain, size_t n, uint8_t *out);
/* out holds sealed_len - 28 bytes. False when the tag is wrong (out is then zeroed) or it is too
 * short. */
bool crypto_open(const uint8_t key[static CRYPTO_KEY_LEN], struct str aad, const void *sealed,
                 size_t sealed_len, uint8_t *out);
/* lower-case hex, NUL-terminated: 2 * n + 1 bytes. */
void crypto_hex(const void *p, size_t n, char *out);
bool crypto_unhex(struct str hex, uint8_t *out, size_t n); /* exactly n bytes, else false */
/* base64url without padding; out holds 4 * ((n + 2) / 3) + 1 bytes; returns length. */
size_t crypto_base64url(const void *p, size_t n, char *out);
/* Standard or url alphabet, padding optional. False on junk or when it needs more than cap bytes.
 */
bool crypto_unbase64(struct str s, uint8_t *out, size_t cap, size_t *ret_len);
int crypto_base64_digit(char c); /* 0 … 63, of either alphabet; -1: none */
/* zlib's CRC-32 polynomial. */
uint32_t crypto_crc32(uint32_t seed, const void *p, size_t n);

#endif

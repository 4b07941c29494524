/* Promises of common/crypto.h, by published test vectors where there are any. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "common/base/mem.h"
#include "common/crypto.h"

static void assert_hex(const void *p, size_t n, const char *want)
{
    char hex[257];
    assert_true(n <= 128);
    crypto_hex(p, n, hex);
    assert_string_equal(hex, want);
}

static void sha256_vectors(void **state)
{
    (void)state;
    uint8_t out[32];
    crypto_sha256("", 0, out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    crypto_sha256(NULL, 0, out);
    assert_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for (int i = 0; i < 3; i++) { /* the thread's context is used again */
        crypto_sha256("abc", 3, out);
        assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}

static void hmac_vectors(void **state)
{
    (void)state;
    uint8_t out[32], key[131];
    memset(key, 0xaa, sizeof(key));
    crypto_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out); /* RFC 4231, 2 */
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First"; /* RFC 4231, 6 */
    crypto_hmac_sha256(key, sizeof(key), text, strlen(text), out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* an empty key is a key, and not the one before */
    for (int i = 0; i < 2; i++) {
        crypto_hmac_sha256(i ? NULL : "", 0, "", 0, out);
        assert_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
}

static void hkdf_vectors(void **state)
{
    (void)state;
    uint8_t ikm[22], salt[13], okm[42], long_out[255 * 32];
    char info[11] = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";
    memset(ikm, 0x0b, sizeof(ikm));
    for (uint8_t i = 0; i < sizeof(salt); i++) {
        salt[i] = i;
    }
    crypto_hkdf(ikm, sizeof(ikm), salt, sizeof(salt), info, okm, sizeof(okm)); /* RFC 5869, A.1 */
    assert_hex(
        okm, 42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    crypto_hkdf(ikm, sizeof(ikm), NULL, 0, "", okm, sizeof(okm)); /* A.3 */
    assert_hex(
        okm, 42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    crypto_hkdf(ikm, sizeof(ikm), NULL, 0, NULL, long_out, sizeof(long_out));
    assert_memory_equal(long_out, okm, 42);
}

static void seals_and_opens(void **state)
{
    (void)state;
    uint8_t key[32] = {1}, sealed[CRYPTO_SEALED_LEN(5)], again[CRYPTO_SEALED_LEN(5)], out[5];
    crypto_seal(key, NULL, STR_LIT("row 7"), "hello", 5, sealed);
    crypto_seal(key, NULL, STR_LIT("row 7"), "hello", 5, again);
    assert_memory_not_equal(sealed, again, sizeof(sealed)); /* fresh nonces */
    assert_true(crypto_open(key, STR_LIT("row 7"), sealed, sizeof(sealed), out));
    assert_memory_equal(out, "hello", 5);
    assert_false(crypto_open(key, STR_LIT("row 8"), sealed, sizeof(sealed), out));
    assert_memory_equal(out, "\0\0\0\0\0", 5);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 1;
        assert_false(crypto_open(key, STR_LIT("row 7"), sealed, sizeof(sealed), out));
        sealed[i] ^= 1;
    }
    assert_false(crypto_open(key, STR_LIT("row 7"), sealed, 27, out));
    key[31] = 1;
    assert_false(crypto_open(key, STR_LIT("row 7"), sealed, sizeof(sealed), out));
}

static void gcm_vector(void **state)
{
    (void)state;
    /* AES-256, zero key and nonce: the published cases without and with one zero block */
    uint8_t key[32] = {0}, nonce[12] = {0}, plain[16] = {0};
    uint8_t sealed[CRYPTO_SEALED_LEN(16)], out[16];
    crypto_seal(key, nonce, STR_NONE, plain, 0, sealed);
    assert_hex(sealed + 12, 16, "530f8afbc74536b9a963b4f1c4cb738b");
    assert_true(crypto_open(key, STR_NONE, sealed, CRYPTO_SEALED_LEN(0), out));
    crypto_seal(key, nonce, STR_NONE, plain, 16, sealed);
    assert_hex(sealed + 12, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
}

static void *hash_in_thread(void *arg)
{
    crypto_sha256("abc", 3, arg);
    uint8_t mac[32];
    crypto_hmac_sha256("k", 1, "abc", 3, mac);
    return NULL;
}

/* with LeakSanitizer: a thread that ends leaves nothing behind */
static void threads_come_and_go(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        uint8_t out[32];
        assert_int_equal(pthread_create(&thread, NULL, hash_in_thread, out), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_hex(out, 4, "ba7816bf");
    }
}

static void random_and_equal(void **state)
{
    (void)state;
    uint8_t a[32] = {0}, b[32] = {0};
    assert_true(crypto_equal(a, b, 32));
    assert_true(crypto_equal(NULL, NULL, 0));
    crypto_random(a, sizeof(a));
    crypto_random(b, sizeof(b));
    assert_false(crypto_equal(a, b, 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),   cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(hkdf_vectors),     cmocka_unit_test(seals_and_opens),
        cmocka_unit_test(gcm_vector),       cmocka_unit_test(threads_come_and_go),
        cmocka_unit_test(random_and_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

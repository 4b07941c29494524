/* Promises of the encodings in common/crypto.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/crypto.h"

static void hex_is_strict(void **state)
{
    (void)state;
    uint8_t out[3];
    char text[7];
    crypto_hex("\x00\xab\xff", 3, text);
    assert_string_equal(text, "00abff");
    assert_true(crypto_unhex(STR_LIT("00ABff"), out, 3));
    assert_memory_equal(out, "\x00\xab\xff", 3);
    assert_false(crypto_unhex(STR_LIT("00abf"), out, 3));
    assert_false(crypto_unhex(STR_LIT("00abff00"), out, 3));
    assert_false(crypto_unhex(STR_LIT("00abfg"), out, 3));
    assert_false(crypto_unhex(STR_LIT("0x00ab"), out, 3));
}

static void base64_goes_there_and_back(void **state)
{
    (void)state;
    uint8_t in[64] = {0}, out[64];
    char text[4 * 22 + 1];
    for (size_t n = 0; n <= sizeof(in); n++) {
        size_t len = 99;
        for (size_t i = 0; i < n; i++) {
            in[i] = (uint8_t)(i * 83 + n);
        }
        size_t text_len = crypto_base64url(in, n, text);
        assert_int_equal(text_len, strlen(text));
        assert_null(strpbrk(text, "+/="));
        assert_true(crypto_unbase64((struct str){text, text_len}, out, n, &len));
        assert_int_equal(len, n);
        assert_memory_equal(in, out, n);
        assert_false(n > 0 && crypto_unbase64((struct str){text, text_len}, out, n - 1, &len));
    }
}

static void base64_takes_both_alphabets(void **state)
{
    (void)state;
    uint8_t out[8];
    size_t len;
    static const char *const same[] = {"+/8=", "-_8=", "-_8", "+_8"};
    for (size_t i = 0; i < 4; i++) {
        assert_true(crypto_unbase64(str_of(same[i]), out, sizeof(out), &len));
        assert_int_equal(len, 2);
        assert_memory_equal(out, "\xfb\xff", 2);
    }
    static const char *const junk[] = {
        "A", "AAAAA", "A===", "AA=A", "====", "AA==AA==", "A A=", "AB", "AAB", "AA\n="};
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        assert_false(crypto_unbase64(str_of(junk[i]), out, sizeof(out), &len));
    }
}

static void crc32_is_zlibs(void **state)
{
    (void)state;
    const char *text = "123456789";
    assert_int_equal(crypto_crc32(0, text, 9), 0xcbf43926u);
    assert_int_equal(crypto_crc32(0, "", 0), 0);
    assert_int_equal(crypto_crc32(0, "The quick brown fox jumps over the lazy dog", 43),
                     0x414fa339u);
    /* in pieces as in one */
    for (size_t i = 0; i <= 43; i++) {
        const char *fox = "The quick brown fox jumps over the lazy dog";
        assert_int_equal(crypto_crc32(crypto_crc32(0, fox, i), fox + i, 43 - i), 0x414fa339u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_strict),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(base64_takes_both_alphabets),
        cmocka_unit_test(crc32_is_zlibs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

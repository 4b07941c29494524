/* Promises of common/rules/apikey.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/crypto.h"
#include "common/rules/apikey.h"

static void minted_keys_are_valid_and_differ(void **state)
{
    (void)state;
    static const char *const prefixes[] = {APIKEY_LIVE, APIKEY_ADMIN, APIKEY_SCIM};
    char key[APIKEY_MAX], other[APIKEY_MAX];
    for (int round = 0; round < 300; round++) {
        const char *prefix = prefixes[round % 3];
        bool valid = false;
        apikey_mint(prefix, key);
        apikey_mint(prefix, other);
        assert_string_not_equal(key, other);
        assert_int_equal(strlen(key), strlen(prefix) + 33);
        assert_int_equal(strspn(key + strlen(prefix),
                                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
                         33);
        assert_true(apikey_is_ours(str_of(key), &valid));
        assert_true(valid);
    }
}

static void a_typo_is_seen(void **state)
{
    (void)state;
    char key[APIKEY_MAX];
    bool valid = true;
    apikey_mint(APIKEY_LIVE, key);
    for (size_t i = strlen(APIKEY_LIVE); key[i]; i++) {
        char kept = key[i];
        key[i] = kept == 'x' ? 'y' : 'x';
        assert_true(apikey_is_ours(str_of(key), &valid));
        assert_false(valid);
        key[i] = '-';
        assert_true(apikey_is_ours(str_of(key), &valid));
        assert_false(valid);
        key[i] = kept;
    }
    /* another prefix, cut, and longer */
    assert_true(apikey_is_ours(str_slice(str_of(key), 0, strlen(key) - 1), &valid) && !valid);
    assert_true(apikey_is_ours(STR_LIT("wr_live_"), &valid) && !valid);
    memcpy(key, "wr_scim_", 8);
    assert_true(apikey_is_ours(str_of(key), &valid) && !valid);
}

static void other_keys_are_not_ours(void **state)
{
    (void)state;
    bool valid = true;
    assert_false(apikey_is_ours(STR_LIT("sk-abc"), &valid));
    assert_false(apikey_is_ours(STR_LIT("wr_liv"), &valid));
    assert_false(apikey_is_ours(STR_NONE, &valid));
    assert_true(valid); /* untouched */
}

static void hash_is_sha256_of_the_whole_text(void **state)
{
    (void)state;
    uint8_t hash[32];
    char hex[65];
    apikey_hash(STR_LIT("abc"), hash);
    crypto_hex(hash, 32, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void the_mask_shows_little(void **state)
{
    (void)state;
    char out[32];
    apikey_mask(STR_LIT("wr_live_0123456789abcdefghijklmnopqrsa1b2"), out);
    assert_string_equal(out, "wr_live_\xe2\x80\xa6"
                             "a1b2");
    apikey_mask(STR_LIT("sk-proj-0123456789"), out);
    assert_string_equal(out, "\xe2\x80\xa6"
                             "6789");
    apikey_mask(STR_LIT("short"), out);
    assert_string_equal(out, "\xe2\x80\xa6");
    apikey_mask(STR_LIT("0123456789\xff\n\"x"), out);
    assert_string_equal(out, "\xe2\x80\xa6"
                             "?"
                             "?"
                             "\"x");
    apikey_mask(STR_NONE, out);
    assert_string_equal(out, "\xe2\x80\xa6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minted_keys_are_valid_and_differ),
        cmocka_unit_test(a_typo_is_seen),
        cmocka_unit_test(other_keys_are_not_ours),
        cmocka_unit_test(hash_is_sha256_of_the_whole_text),
        cmocka_unit_test(the_mask_shows_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

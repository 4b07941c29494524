/* What is sealed opens for its own row and key only. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/secrets/seal.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_A_BASE64 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"

static struct seal_keys *parse(const char *text)
{
    struct error err = ERROR_INIT;
    struct seal_keys *k = seal_keys_parse(str_of(text), &err);
    if (!k) {
        fail_msg("%s", error_text(&err));
    }
    return k;
}

static void round_trip(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct seal_keys *k = parse(KEY_A "\n");
    struct arena *a = arena_new(0);
    struct uuid row = uuid_v7();
    const struct str secrets[] = {STR_LIT("sk-very-secret"), STR_LIT(""), STR_LIT("a\0b\xff")};
    for (size_t i = 0; i < 3; i++) {
        struct str out = STR_NONE;
        struct str sealed = seal_close(k, "providers", &row, "credential", secrets[i], a);
        struct str again = seal_close(k, "providers", &row, "credential", secrets[i], a);
        assert_int_equal(sealed.len, 1 + 60 + 28 + secrets[i].len);
        assert_false(str_eq(sealed, again)); /* fresh keys and nonces each time */
        assert_true(seal_open(k, seal_current_id(k), "providers", &row, "credential", sealed, a,
                              &out, &err));
        assert_true(str_eq(out, secrets[i]));
        if (secrets[i].len > 4) {
            assert_null(memmem(sealed.ptr, sealed.len, secrets[i].ptr, secrets[i].len));
        }
    }
    arena_free(a);
    seal_keys_free(k);
}

static void every_changed_bit_is_noticed(void **state)
{
    (void)state;
    struct seal_keys *k = parse(KEY_A);
    struct arena *a = arena_new(0);
    struct uuid row = uuid_v7();
    struct str sealed = seal_close(k, "providers", &row, "credential", STR_LIT("secret"), a);
    char copy[256];
    for (size_t i = 0; i < sealed.len; i++) {
        struct error err = ERROR_INIT;
        struct str out = STR_NONE;
        memcpy(copy, sealed.ptr, sealed.len);
        copy[i] ^= 1;
        assert_false(seal_open(k, seal_current_id(k), "providers", &row, "credential",
                               (struct str){copy, sealed.len}, a, &out, &err));
        assert_int_not_equal(err.code, ERR_NONE);
        assert_null(out.ptr);
        assert_false(seal_open(k, seal_current_id(k), "providers", &row, "credential",
                               (struct str){sealed.ptr, i}, a, &out, &err)); /* cut short */
    }
    arena_free(a);
    seal_keys_free(k);
}

static void a_sealed_value_cannot_be_moved(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct seal_keys *k = parse(KEY_A "\n" KEY_B);
    struct seal_keys *only_b = parse(KEY_B);
    struct arena *a = arena_new(0);
    struct uuid row = uuid_v7(), other = uuid_v7();
    struct str out = STR_NONE;
    const char *id = seal_current_id(k);
    struct str sealed = seal_close(k, "providers", &row, "credential", STR_LIT("secret"), a);
    assert_false(seal_open(k, id, "providers", &other, "credential", sealed, a, &out, &err));
    assert_false(seal_open(k, id, "data_planes", &row, "credential", sealed, a, &out, &err));
    assert_false(seal_open(k, id, "providers", &row, "secret", sealed, a, &out, &err));
    assert_false(seal_open(k, seal_current_id(only_b), "providers", &row, "credential", sealed, a,
                           &out, &err));
    assert_false(seal_open(only_b, id, "providers", &row, "credential", sealed, a, &out, &err));
    assert_non_null(strstr(err.text, "not loaded"));
    assert_true(seal_open(k, id, "providers", &row, "credential", sealed, a, &out, &err));
    arena_free(a);
    seal_keys_free(k);
    seal_keys_free(only_b);
}

static void old_keys_still_open(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct seal_keys *before = parse(KEY_A);
    struct seal_keys *after = parse("\n" KEY_B "\r\n" KEY_A_BASE64 "\n\n");
    struct arena *a = arena_new(0);
    struct uuid row = uuid_v7();
    struct str out = STR_NONE;
    struct str sealed = seal_close(before, "t", &row, "c", STR_LIT("old"), a);
    assert_string_not_equal(seal_current_id(before), seal_current_id(after));
    assert_true(seal_open(after, seal_current_id(before), "t", &row, "c", sealed, a, &out, &err));
    assert_true(str_eqz(out, "old"));
    arena_free(a);
    seal_keys_free(before);
    seal_keys_free(after);
}

static void former_keys_are_added_behind_the_current_one(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct seal_keys *before = parse(KEY_A), *k = parse(KEY_B);
    struct arena *a = arena_new(0);
    struct uuid row = uuid_v7();
    struct str out = STR_NONE;
    struct str sealed = seal_close(before, "t", &row, "c", STR_LIT("old"), a);
    assert_false(seal_open(k, seal_current_id(before), "t", &row, "c", sealed, a, &out, &err));
    const char *current = seal_current_id(k);
    assert_true(seal_keys_add(k, STR_LIT(" " KEY_A_BASE64 " ,\n"), &err));
    assert_string_equal(seal_current_id(k), current);
    assert_true(seal_open(k, seal_current_id(before), "t", &row, "c", sealed, a, &out, &err));
    assert_false(seal_keys_add(k, STR_LIT("nonsense"), &err));
    assert_null(strstr(err.text, "nonsense"));
    arena_free(a);
    seal_keys_free(before);
    seal_keys_free(k);
}

static void bad_keys_are_refused_without_being_shown(void **state)
{
    (void)state;
    static const char *const bad[] = {"",        "\n\n", "0011", KEY_A "00", KEY_A "\nnonsense",
                                      "zz" KEY_A};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = ERROR_INIT;
        assert_null(seal_keys_parse(str_of(bad[i]), &err));
        assert_int_not_equal(err.code, ERR_NONE);
        assert_null(strstr(err.text, "nonsense"));
        assert_null(strstr(err.text, "0011"));
    }
}

static void a_key_file_is_private(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char path[] = "/tmp/weir-test-key-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, KEY_A "\n", 65), 65);
    struct seal_keys *k = seal_keys_load(path, &err);
    assert_non_null(k);
    seal_keys_free(k);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_null(seal_keys_load(path, &err));
    assert_non_null(strstr(err.text, "others"));
    assert_int_equal(fchmod(fd, 0604), 0);
    assert_null(seal_keys_load(path, &err));
    close(fd);
    unlink(path);
    assert_null(seal_keys_load(path, &err));
    assert_null(seal_keys_load("/", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_changed_bit_is_noticed),
        cmocka_unit_test(a_sealed_value_cannot_be_moved),
        cmocka_unit_test(old_keys_still_open),
        cmocka_unit_test(former_keys_are_added_behind_the_current_one),
        cmocka_unit_test(bad_keys_are_refused_without_being_shown),
        cmocka_unit_test(a_key_file_is_private),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

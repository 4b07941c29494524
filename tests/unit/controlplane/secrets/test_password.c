/* Argon2id passwords: parameters, right and wrong ones, and the dummy for accounts that do not
 * exist. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "controlplane/secrets/password.h"

static void right_ones_match_and_wrong_ones_do_not(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char a[PASSWORD_HASH_MAX], b[PASSWORD_HASH_MAX];
    assert_true(password_hash(STR_LIT("correct horse"), a, &err));
    assert_true(password_hash(STR_LIT("correct horse"), b, &err));
    assert_memory_equal(a, "$argon2id$v=19$m=65536,t=3,p=1$", 31);
    assert_string_not_equal(a, b);
    assert_true(password_verify(STR_LIT("correct horse"), a));
    assert_false(password_verify(STR_LIT("correct horsf"), a));
    assert_false(password_verify(STR_LIT(""), a));
    assert_false(password_verify(STR_LIT("correct horse"), "not an encoded hash"));
}

static uint64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void nobody_costs_as_much_as_somebody(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char a[PASSWORD_HASH_MAX];
    assert_true(password_hash(STR_LIT("secret"), a, &err));
    uint64_t start = cpu_us();
    assert_false(password_verify(STR_LIT("wrong"), a));
    uint64_t somebody = cpu_us() - start;
    start = cpu_us();
    assert_false(password_verify(STR_LIT("wrong"), NULL));
    uint64_t nobody = cpu_us() - start;
    assert_false(password_verify(STR_LIT("wrong"), ""));
    assert_true(nobody > somebody / 3 && nobody < somebody * 3);
}

static void too_long_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    static char long_one[PASSWORD_MAX + 1];
    char out[PASSWORD_HASH_MAX];
    memset(long_one, 'x', sizeof long_one);
    assert_false(password_hash((struct str){long_one, sizeof long_one}, out, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_false(password_verify((struct str){long_one, sizeof long_one}, NULL));
}

static void generated_ones_differ(void **state)
{
    (void)state;
    char a[24], b[24];
    password_generate(a);
    password_generate(b);
    assert_int_equal(strlen(a), 20);
    assert_string_not_equal(a, b);
    assert_null(strpbrk(a, "0O1lIo"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_ones_match_and_wrong_ones_do_not),
        cmocka_unit_test(nobody_costs_as_much_as_somebody),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(generated_ones_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Promises of common/rules/secret_ref.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/rules/secret_ref.h"

static char path[] = "/tmp/weir-secret-XXXXXX";

static bool resolve(const char *text, struct str *ret, struct arena *a, struct error *err)
{
    *err = (struct error)ERROR_INIT;
    return secret_ref_resolve(str_of(text), a, ret, err);
}

static bool resolve_file(const char *content, size_t n, struct str *ret, struct arena *a,
                         struct error *err)
{
    char text[64];
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
    (void)snprintf(text, sizeof(text), "file:%s", path);
    return resolve(text, ret, a, err);
}

static void reads_each_kind(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error err;
    struct str s = STR_NONE;
    assert_true(resolve("literal", &s, a, &err) && str_eqz(s, "literal"));
    setenv("WEIRTEST_S", "from-env", 1);
    assert_true(resolve("env:WEIRTEST_S", &s, a, &err) && str_eqz(s, "from-env"));
    assert_true(resolve_file("from-file\n", 10, &s, a, &err) && str_eqz(s, "from-file"));
    assert_true(resolve_file("from-file\r\n", 11, &s, a, &err) && str_eqz(s, "from-file"));
    assert_true(resolve_file("bare", 4, &s, a, &err) && str_eqz(s, "bare"));
    char big[4100];
    memset(big, 'k', sizeof(big));
    assert_true(resolve_file(big, 4096, &s, a, &err));
    assert_int_equal(s.len, 4096);
    assert_false(resolve_file(big, 4097, &s, a, &err));
    assert_false(resolve_file(big, 4100, &s, a, &err));
    arena_free(a);
}

static void refuses_without_repeating_the_secret(void **state)
{
    (void)state;
    struct arena *a = arena_new(0);
    struct error err;
    struct str s = STR_LIT("kept");
    setenv("WEIRTEST_S", "", 1);
    assert_false(resolve("env:WEIRTEST_S", &s, a, &err));
    assert_string_equal(err.text, "environment variable \"WEIRTEST_S\" is empty");
    setenv("WEIRTEST_S", "hidden hidden", 1);
    assert_false(resolve("env:WEIRTEST_S", &s, a, &err));
    assert_null(strstr(err.text, "hidden"));
    assert_false(resolve("hid\nden", &s, a, &err));
    assert_null(strstr(err.text, "hid"));
    assert_false(resolve_file("two\nlines\n", 10, &s, a, &err));
    assert_null(strstr(err.text, "lines"));
    assert_false(resolve_file("x\0y", 3, &s, a, &err));
    assert_false(resolve_file("\n", 1, &s, a, &err));
    assert_false(resolve("file:/nonexistent/s", &s, a, &err));
    assert_string_equal(err.text, "cannot open file \"/nonexistent/s\": No such file or directory");
    assert_false(resolve("file:/tmp", &s, a, &err));
    assert_false(resolve("env:", &s, a, &err));
    assert_true(str_eqz(s, "kept"));
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_each_kind),
                                       cmocka_unit_test(refuses_without_repeating_the_secret)};
    int fd = mkstemp(path);
    if (fd < 0) {
        return 1;
    }
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}

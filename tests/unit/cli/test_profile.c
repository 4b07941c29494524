/* The profile file: modes, round trip, refusals; and spans of time for --expires. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/http.h"
#include "cli/profile.h"
#include "cli/rows.h"
#include "common/base/mem.h"

static char folder[64], path[128];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/weir-profile-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/a/weir/config.yaml", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char part[160];
    (void)unlink(path);
    static const char *const parts[] = {"/a/weir", "/a", ""};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(part, sizeof part, "%s%s", folder, parts[i]);
        (void)rmdir(part);
    }
    return 0;
}

static void what_is_saved_is_loaded_and_private(void **state)
{
    (void)state;
    struct profile p = {.url = (char *)(uintptr_t) "https://h/\"x\"",
                        .token = (char *)(uintptr_t) "wr_adm_1"},
                   q;
    struct error err = ERROR_INIT;
    struct stat st;
    bool open;
    assert_true(profile_save(path, &p, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(profile_load(path, &q, &open, &err));
    assert_false(open);
    assert_string_equal(q.url, p.url);
    assert_string_equal(q.token, p.token);
    assert_null(q.token_id);
    profile_release(&q);
    assert_int_equal(chmod(path, 0644), 0);
    assert_true(profile_load(path, &q, &open, &err));
    assert_true(open);
    profile_release(&q);
    /* a second time replaces it, and makes it private again */
    p.token = (char *)(uintptr_t) "wr_adm_2";
    assert_true(profile_save(path, &p, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(profile_remove(path, &err));
    assert_true(profile_remove(path, &err));
}

static void an_absent_profile_is_an_empty_one(void **state)
{
    (void)state;
    struct profile q;
    struct error err = ERROR_INIT;
    bool open;
    assert_true(profile_load(path, &q, &open, &err));
    assert_null(q.token);
}

static void a_broken_profile_is_told_with_its_place(void **state)
{
    (void)state;
    struct profile p = {.url = (char *)(uintptr_t) "http://h"}, q;
    struct error err = ERROR_INIT;
    bool open;
    assert_true(profile_save(path, &p, &err));
    FILE *f = fopen(path, "w");
    fputs("url: [1]\n", f);
    fclose(f);
    assert_false(profile_load(path, &q, &open, &err));
    assert_non_null(strstr(err.text, "config.yaml:1:6: url"));
}

static void the_folder_comes_from_the_environment(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    setenv("XDG_CONFIG_HOME", "/x", 1);
    char *found = profile_path(&err);
    assert_string_equal(found, "/x/weir/config.yaml");
    mem_free(found);
    unsetenv("XDG_CONFIG_HOME");
    setenv("HOME", "/h", 1);
    found = profile_path(&err);
    assert_string_equal(found, "/h/.config/weir/config.yaml");
    mem_free(found);
    unsetenv("HOME");
    assert_null(profile_path(&err));
}

static void expiry_is_a_span_or_a_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms; /* 0: refused */
    } cases[] = {
        {"90m", 1000 + 5400000ull},
        {"12h", 1000 + 43200000ull},
        {"30d", 1000 + 2592000000ull},
        {"2w", 1000 + 1209600000ull},
        {"2030-01-31T00:00:00Z", 1896048000000ull},
        {"", 0},
        {"d", 0},
        {"0d", 0},
        {"-1d", 0},
        {"30", 0},
        {"30y", 0},
        {"99999999999999999999d", 0},
        {"99999999d", 0},
        {"2030-01-31", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ms = 0;
        assert_int_equal(expiry_parse(str_of(cases[i].text), 1000, &ms), cases[i].ms != 0);
        if (cases[i].ms) {
            assert_int_equal(ms, cases[i].ms);
        }
    }
}

static void loopback_is_known_by_its_host(void **state)
{
    (void)state;
    assert_true(http_is_loopback("http://127.0.0.1:8080/x"));
    assert_true(http_is_loopback("http://[::1]:8080"));
    assert_true(http_is_loopback("https://LocalHost/"));
    assert_false(http_is_loopback("http://127.0.0.1.example.com/"));
    assert_false(http_is_loopback("http://127.0.0.1@example.com/"));
    assert_false(http_is_loopback("http://localhost.example.com"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded_and_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_absent_profile_is_an_empty_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_profile_is_told_with_its_place, set_up, tear_down),
        cmocka_unit_test(the_folder_comes_from_the_environment),
        cmocka_unit_test(expiry_is_a_span_or_a_time),
        cmocka_unit_test(loopback_is_known_by_its_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

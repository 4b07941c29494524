/* The setting health_check: what it may hold, and what it means when it does not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rules/health_check.h"

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct health_check h;
    struct error err = ERROR_INIT;
    assert_true(health_check_read(STR_LIT("{}"), true, &h, &err));
    assert_int_equal(h.interval_ms, 10000);
    assert_int_equal(h.timeout_ms, 5000);
    assert_int_equal(h.failures, 3);
    assert_int_equal(h.cooldown_ms, 30000);
    assert_int_equal(h.expect_status, 0);
    assert_int_equal(h.path.len, 0);
}

static void all_of_it_is_read(void **state)
{
    (void)state;
    struct health_check h;
    struct error err = ERROR_INIT;
    assert_true(health_check_read(
        STR_LIT("{\"interval_ms\":1000,\"timeout_ms\":200,\"failures\":1,\"cooldown_ms\":0,"
                "\"expect_status\":204,\"path\":\"/health?deep=1\"}"),
        true, &h, &err));
    assert_int_equal(h.interval_ms, 1000);
    assert_int_equal(h.timeout_ms, 200);
    assert_int_equal(h.failures, 1);
    assert_int_equal(h.cooldown_ms, 0);
    assert_int_equal(h.expect_status, 204);
    assert_true(str_eqz(h.path, "/health?deep=1"));
    assert_true(health_check_read(STR_LIT("{\"path\":null,\"failures\":null}"), true, &h, &err));
    assert_int_equal(h.failures, 3);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *json, *param;
    } bad[] = {
        {"[]", "health_check"},
        {"{", "health_check"},
        {"{\"interval_ms\":999}", "interval_ms"},
        {"{\"interval_ms\":\"1000\"}", "interval_ms"},
        {"{\"failures\":0}", "failures"},
        {"{\"timeout_ms\":1.5}", "timeout_ms"},
        {"{\"expect_status\":99}", "expect_status"},
        {"{\"path\":\"health\"}", "path"},
        {"{\"path\":\"/a b\"}", "path"},
        {"{\"path\":\"/a\\r\\nx: y\"}", "path"},
        {"{\"path\":7}", "path"},
        {"{\"every\":7}", "health_check"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct health_check h = {.failures = 77};
        struct error err = ERROR_INIT;
        if (health_check_read(str_of(bad[i].json), true, &h, &err)) {
            fail_msg("accepted: %s", bad[i].json);
        }
        assert_string_equal(err.param, bad[i].param);
        assert_int_equal(h.failures, 77);
    }
}

/* A data plane may be older than who wrote the setting. */
static void what_is_newer_is_passed_over(void **state)
{
    (void)state;
    struct health_check h;
    struct error err = ERROR_INIT;
    assert_true(health_check_read(STR_LIT("{\"every\":7,\"failures\":2}"), false, &h, &err));
    assert_int_equal(h.failures, 2);
    assert_false(health_check_read(STR_LIT("{\"failures\":-2}"), false, &h, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(all_of_it_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_newer_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What goes together in a budget or limit, and how a fault is named. */
#include "common/rules/quota_check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct quota_draft budget(void)
{
    return (struct quota_draft){
        .metric = STR_LIT("cost"), .amount = STR_LIT("1.00"), .window = STR_LIT("month")};
}

static struct quota_draft limit(void)
{
    return (struct quota_draft){.limit = true,
                                .metric = STR_LIT("requests"),
                                .amount = STR_LIT("60"),
                                .window = STR_LIT("minute")};
}

static void assert_fails(const struct quota_draft *d, const char *param)
{
    struct quota_rule r;
    struct error err = ERROR_INIT;
    uint64_t max_cost;
    assert_false(quota_draft_check(d, NULL, &r, &max_cost, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, param);
    assert_true(error_text(&err)[0] != '\0');
}

static struct quota_rule assert_holds(const struct quota_draft *d)
{
    struct quota_rule r;
    struct error err = ERROR_INIT;
    uint64_t max_cost;
    if (!quota_draft_check(d, NULL, &r, &max_cost, &err)) {
        fail_msg("%s: %s", err.param, error_text(&err));
    }
    return r;
}

static void test_defaults(void **state)
{
    (void)state;
    struct quota_draft b = budget(), l = limit();
    struct quota_rule r = assert_holds(&b);
    assert_true(r.amount == 1000000000 && r.mode == MODE_HARD && !r.zone);
    assert_int_equal(r.when_unavailable, ABSENT_REFUSE);
    r = assert_holds(&l);
    assert_true(r.amount == 60 && r.limit && r.algorithm == ALGORITHM_FIXED);
    assert_int_equal(r.when_unavailable, ABSENT_LOCAL);
}

static void test_windows_fit_metrics(void **state)
{
    (void)state;
    struct quota_draft b = budget(), l = limit();
    b.window = STR_LIT("minute");
    assert_fails(&b, "window");
    b.window = STR_NONE;
    assert_fails(&b, "window");
    l.window = STR_LIT("month");
    assert_fails(&l, "window");
    l.metric = STR_LIT("concurrency");
    assert_fails(&l, "window");
    l.window = STR_NONE;
    (void)assert_holds(&l);
    l.algorithm = STR_LIT("sliding");
    assert_fails(&l, "algorithm");
    l = limit();
    l.metric = STR_LIT("cost");
    assert_fails(&l, "metric");
}

static void test_what_needs_something_else(void **state)
{
    (void)state;
    struct quota_draft b = budget(), l = limit();
    b.mode = STR_LIT("downgrade");
    assert_fails(&b, "downgrade_model");
    b.downgrade_model = STR_LIT("gpt-4o-mini");
    assert_int_equal(assert_holds(&b).mode, MODE_DOWNGRADE);
    b.mode = STR_LIT("hard");
    assert_fails(&b, "downgrade_model");
    l.burst = STR_LIT("5");
    assert_fails(&l, "burst");
    l.algorithm = STR_LIT("token_bucket");
    assert_true(assert_holds(&l).burst == 5);
}

static void test_amounts(void **state)
{
    (void)state;
    struct quota_draft b = budget();
    b.amount = STR_LIT("0.0000000001");
    assert_fails(&b, "amount");
    b.amount = STR_LIT("1000000000.000000001");
    assert_fails(&b, "amount");
    b.amount = STR_LIT("1000000000");
    assert_true(assert_holds(&b).amount == QUOTA_AMOUNT_MAX);
    b.metric = STR_LIT("tokens");
    b.amount = STR_LIT("0.5");
    assert_fails(&b, "amount");
}

static void test_percents(void **state)
{
    (void)state;
    static const uint64_t twice[] = {50, 80, 50}, far[] = {1001}, fine[] = {50, 80, 1000};
    struct quota_draft b = budget();
    b.percents = twice;
    b.n_percents = 3;
    assert_fails(&b, "alert_percents[2]");
    b.percents = far;
    b.n_percents = 1;
    assert_fails(&b, "alert_percents[0]");
    b.percents = fine;
    b.n_percents = 3;
    (void)assert_holds(&b);
}

static void test_scopes(void **state)
{
    (void)state;
    struct quota_scope_text s[5] = {{STR_LIT("team"), STR_NONE, STR_LIT("ml")},
                                    {STR_LIT("metadata"), STR_LIT("customer"), STR_LIT("*")}};
    struct quota_draft b = budget();
    b.scopes = s;
    b.n_scopes = 2;
    (void)assert_holds(&b);
    s[1].name = STR_NONE;
    assert_fails(&b, "scopes[1].name");
    s[1] = (struct quota_scope_text){STR_LIT("planet"), STR_NONE, STR_LIT("x")};
    assert_fails(&b, "scopes[1].kind");
    s[1] = s[0];
    assert_fails(&b, "scopes[1]");
    s[1].value = STR_NONE;
    assert_fails(&b, "scopes[1].value");
    s[1].value = STR_LIT("a\nb");
    assert_fails(&b, "scopes[1].value");
    s[1].kind = STR_LIT("organization");
    s[1].value = STR_NONE;
    (void)assert_holds(&b);
    b.n_scopes = 5;
    assert_fails(&b, "scopes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_windows_fit_metrics),
        cmocka_unit_test(test_what_needs_something_else),
        cmocka_unit_test(test_amounts),
        cmocka_unit_test(test_percents),
        cmocka_unit_test(test_scopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

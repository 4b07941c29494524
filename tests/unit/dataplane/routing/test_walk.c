/* routing/walk.c and what it is made of: where a failure leads, and when nothing is tried any more.
 */
#include "walk_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_release(&rig);
    return 0;
}

#define P(x) "{\"provider\":\"" x "\"}"
#define NODE(mode, more, targets) \
    "{\"strategy\":{\"mode\":\"" mode "\"" more "},\"targets\":[" targets "]}"

/* A fallback of n targets: p0, p1 … */
static void many_targets(char *json, unsigned n)
{
    char *at = json + snprintf(json, 64, "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[");
    for (unsigned i = 0; i < n; i++) {
        at += snprintf(at, 64, "%s{\"provider\":\"p%u\"}", i ? "," : "", i);
    }
    (void)snprintf(at, 8, "]}");
}

/* ---- going up ---- */

static void fallback_goes_in_order(void **state)
{
    (void)state;
    rig_config(&rig, NODE("fallback", "", P("a") "," P("none") "," P("b") "," P("c")));
    assert_string_equal(rig_order(&rig), "a b c");
    assert_int_equal(rig.step.reason, WALK_REASON_NONE);
    assert_string_equal(rig_fail_500(&rig), "END"); /* and stays there */
    assert_int_equal(rig.n_state, 4);               /* each leaf was asked for once */
}

static void on_status_codes_name_what_leads_on(void **state)
{
    (void)state;
    rig_config(&rig, NODE("fallback", ",\"on_status_codes\":[429,503]", P("a") "," P("b")));
    assert_string_equal(rig_first(&rig), "a");
    assert_string_equal(rig_fail(&rig, ROUTE_FAIL_SERVER, 500), "END");
    assert_string_equal(rig_first(&rig), "a");
    assert_string_equal(rig_fail(&rig, ROUTE_FAIL_RATE_LIMIT, 429), "b");
    assert_false(rig.step.may_go_on);
}

static void on_names_what_leads_on(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned kind;
    } kinds[] = {
        {"context_window", ROUTE_FAIL_CONTEXT_WINDOW},
        {"content_policy", ROUTE_FAIL_CONTENT_POLICY},
        {"guardrail", ROUTE_FAIL_GUARDRAIL},
        {"rate_limit", ROUTE_FAIL_RATE_LIMIT},
        {"budget", ROUTE_FAIL_BUDGET},
        {"timeout", ROUTE_FAIL_TIMEOUT},
        {"connection", ROUTE_FAIL_CONNECTION},
        {"server", ROUTE_FAIL_SERVER},
        {"credential", ROUTE_FAIL_CREDENTIAL},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json), NODE("fallback", ",\"on\":[\"%s\"]", P("a") "," P("b")),
                       kinds[i].name);
        rig_config(&rig, json);
        assert_string_equal(rig_first(&rig), "a");
        assert_string_equal(rig_fail(&rig, kinds[i].kind | ROUTE_FAIL_STATUS, 400), "b");
        assert_string_equal(rig_first(&rig), "a");
        assert_string_equal(rig_fail(&rig, (~kinds[i].kind & 0x7ff) | ROUTE_FAIL_STATUS, 400),
                            "END");
    }
}

static void a_fallback_ends_where_the_gateway_refused(void **state)
{
    (void)state;
    struct walk_failure ours = {.status = 501, .last_error_is_ours = true};
    rig_config(&rig, NODE("fallback", "", P("a") "," P("b")));
    (void)rig_first(&rig);
    assert_string_equal(rig_next(&rig, ours), "END");
    (void)rig_first(&rig);
    struct walk_failure no_token = ours; /* nothing was sent, but for a reason of the target's */
    no_token.kinds = ROUTE_FAIL_CONNECTION;
    assert_string_equal(rig_next(&rig, no_token), "b");
    rig_config(&rig, NODE("fallback", ",\"on_status_codes\":[501]", P("a") "," P("b")));
    (void)rig_first(&rig);
    assert_string_equal(rig_next(&rig, ours), "b"); /* asked for by name */
    rig_config(&rig, NODE("priority", "",
                          P("a") ","
                                 "{\"provider\":\"b\",\"priority\":1}"));
    (void)rig_first(&rig);
    assert_string_equal(rig_next(&rig, ours), "b");
}

static void failover_counts(void **state)
{
    (void)state;
    rig_config(&rig,
               NODE("fallback", ",\"failover\":1", P("a") "," P("none") "," P("b") "," P("c")));
    assert_string_equal(rig_order(&rig), "a b");
    rig_config(&rig, NODE("fallback", ",\"failover\":false", P("a") "," P("b")));
    assert_string_equal(rig_order(&rig), "a");
    rig_open(&rig, "a", 60000); /* passing over is no failover */
    assert_string_equal(rig_order(&rig), "b");
    rig_config(&rig, NODE("loadbalance", "", P("a") "," P("b")));
    assert_string_equal(rig_order(&rig), "b");
}

static void a_failure_goes_to_the_innermost_node_first(void **state)
{
    (void)state;
    rig_config(
        &rig,
        NODE(
            "fallback", "",
            NODE(
                "priority", "",
                NODE(
                    "fallback", "",
                    P("a") "," P(
                        "b")) ","
                              "{\"priority\":2,\"provider\":\"c\"}") "," NODE("single", "",
                                                                              P("d") "," P(
                                                                                  "e")) "," P("f")));
    assert_string_equal(rig_order(&rig), "a b c d f");
}

static void nested_in_weighted(void **state)
{
    (void)state;
    unsigned ab = 0;
    rig_config(&rig, NODE("fallback", "",
                          NODE("weighted", "",
                               NODE("fallback", "", P("a") "," P("b")) "," NODE(
                                   "fallback", "", P("c") "," P("d"))) "," P("e")));
    for (int i = 0; i < 100; i++) {
        const char *order = rig_order(&rig);
        ab += strcmp(order, "a b c d e") == 0;
        assert_true(strcmp(order, "a b c d e") == 0 || strcmp(order, "c d a b e") == 0);
    }
    assert_true(ab > 30 && ab < 70);
}

static void each_node_looks_at_the_failure_itself(void **state)
{
    (void)state;
    rig_config(&rig,
               NODE("fallback", ",\"on\":[\"timeout\"]",
                    NODE("fallback", ",\"on\":[\"rate_limit\"]", P("a") "," P("b")) "," P("c")));
    (void)rig_first(&rig);
    assert_string_equal(rig_fail(&rig, ROUTE_FAIL_TIMEOUT, 408), "c"); /* past b */
    (void)rig_first(&rig);
    assert_string_equal(rig_fail(&rig, ROUTE_FAIL_RATE_LIMIT, 429), "b");
    assert_string_equal(rig_fail(&rig, ROUTE_FAIL_RATE_LIMIT, 429), "END");
}

static void a_branch_that_leads_nowhere_is_passed_over(void **state)
{
    (void)state;
    rig_config(&rig,
               NODE("fallback", "",
                    NODE("single", "", P("none") "," P("a")) "," NODE(
                        "conditional",
                        ",\"conditions\":[{\"query\":{\"metadata.x\":1},\"then\":"
                        "\"t\"}]",
                        "{\"name\":\"t\",\"provider\":\"b\"}") "," NODE("weighted", "",
                                                                        P("none") "," P(
                                                                            "none2")) "," P("c")));
    assert_string_equal(rig_order(&rig), "c");
    rig.metadata = "{\"x\":1}";
    assert_string_equal(rig_order(&rig), "b c");
}

static void nothing_possible_is_said_why(void **state)
{
    (void)state;
    rig_config(&rig, NODE("fallback", "", P("none") "," NODE("weighted", "", P("none"))));
    assert_string_equal(rig_first(&rig), "END");
    assert_int_equal(rig.step.reason, WALK_NO_TARGET);
    assert_true(str_eqz(walk_option(rig.walk), ""));
}

static void tries_are_bounded(void **state)
{
    (void)state;
    rig_config(&rig, NODE("fallback", "", P("a") "," P("b") "," P("c") "," P("d")));
    rig.env.max_tries = 2;
    assert_string_equal(rig_order(&rig), "a b");
    rig.env.max_tries = 0;
    char json[2048];
    many_targets(json, 30);
    rig_config(&rig, json);
    int n = 0;
    for (const char *said = rig_first(&rig); strcmp(said, "END") != 0; said = rig_fail_500(&rig)) {
        n++;
        assert_int_equal(rig.step.may_go_on, n < WALK_MAX_TRIES);
    }
    assert_int_equal(n, WALK_MAX_TRIES);
}

/* ---- retries ---- */

struct retry_row {
    const char *retry;
    struct walk_failure failure;
    unsigned retries;           /* made of failures like this one */
    uint64_t least_ms, most_ms; /* of the first wait */
};

static void retries_by_the_table(void **state)
{
    (void)state;
    static const struct retry_row rows[] = {
        {"{\"attempts\":3}", {.kinds = ROUTE_FAIL_SERVER, .status = 503}, 3, 0, 249},
        {"{\"attempts\":0}", {.kinds = ROUTE_FAIL_SERVER, .status = 503}, 0, 0, 0},
        {"{\"attempts\":2}", {.kinds = ROUTE_FAIL_RATE_LIMIT, .status = 429}, 2, 0, 249},
        {"{\"attempts\":2}", {.kinds = ROUTE_FAIL_TIMEOUT, .status = 408}, 2, 0, 249},
        {"{\"attempts\":2}", {.kinds = ROUTE_FAIL_CONNECTION, .status = 502}, 2, 0, 249},
        {"{\"attempts\":2}", {.kinds = ROUTE_FAIL_CREDENTIAL, .status = 401}, 0, 0, 0},
        {"{\"attempts\":2}", {.kinds = ROUTE_FAIL_STATUS, .status = 400}, 0, 0, 0},
        {"{\"attempts\":2,\"on_status_codes\":[400]}", {.status = 400}, 2, 0, 249},
        {"{\"attempts\":2,\"on_status_codes\":[400]}", {.status = 500}, 0, 0, 0},
        {"{\"attempts\":2}", {.status = 503, .last_error_is_ours = true}, 0, 0, 0},
        {"{\"attempts\":2,\"base_ms\":0}", {.status = 503}, 2, 0, 0},
        {"{\"attempts\":2,\"base_ms\":9000,\"max_ms\":1000}", {.status = 503}, 2, 0, 999},
        {"{\"attempts\":2}",
         {.status = 429, .has_retry_after = true, .retry_after_ms = 3000},
         2,
         0,
         249},
        {"{\"attempts\":2,\"use_retry_after_header\":true}",
         {.status = 429, .has_retry_after = true, .retry_after_ms = 3000},
         2,
         3000,
         3000},
        {"{\"attempts\":2,\"use_retry_after_header\":true}",
         {.status = 503, .has_retry_after = true, .retry_after_ms = 60000},
         2,
         60000,
         60000},
        {"{\"attempts\":2,\"use_retry_after_header\":true}",
         {.status = 429, .has_retry_after = true, .retry_after_ms = 60001},
         0,
         0,
         0},
        {"{\"attempts\":2,\"use_retry_after_header\":true,\"max_wait_ms\":100000}",
         {.status = 429, .has_retry_after = true, .retry_after_ms = 60001},
         2,
         60001,
         60001},
        {"{\"attempts\":2,\"use_retry_after_header\":true}",
         {.status = 500, .has_retry_after = true, .retry_after_ms = 3000},
         2,
         0,
         249},
        {"{\"attempts\":2,\"total_ms\":5000}", {.status = 503, .elapsed_ms = 4000}, 2, 0, 249},
        {"{\"attempts\":2,\"total_ms\":5000}", {.status = 503, .elapsed_ms = 5000}, 0, 0, 0},
        {"{\"attempts\":2,\"total_ms\":5000,\"use_retry_after_header\":true}",
         {.status = 429, .has_retry_after = true, .retry_after_ms = 3000, .elapsed_ms = 2000},
         0,
         0,
         0},
        {"{\"attempts\":2,\"budget_percent\":0,\"budget_min\":0}", {.status = 503}, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char json[256];
        unsigned n = 0;
        (void)snprintf(json, sizeof(json), "{\"provider\":\"a\",\"retry\":%s}", rows[i].retry);
        rig_config(&rig, json);
        rig.env.now_ms += 100000;
        assert_string_equal(rig_first(&rig), "a");
        assert_false(rig.step.retry);
        while (strcmp(rig_next(&rig, rows[i].failure), "END") != 0) {
            assert_true(rig.step.retry);
            if (n++ == 0 &&
                (rig.step.wait_ms < rows[i].least_ms || rig.step.wait_ms > rows[i].most_ms)) {
                fail_msg("row %zu: %s waits %llu ms", i, json,
                         (unsigned long long)rig.step.wait_ms);
            }
        }
        if (n != rows[i].retries) {
            fail_msg("row %zu: %s: %u retries", i, json, n);
        }
    }
}

/* Full jitter: anything between 0 and base * 2^n, evenly. */
static void the_back_off_doubles_and_jitters(void **state)
{
    (void)state;
    uint64_t sum[6] = {0}, most[6] = {0}, bound[6] = {100, 200, 400, 800, 1000, 1000};
    rig_config(&rig,
               "{\"provider\":\"a\",\"retry\":{\"attempts\":6,\"base_ms\":100,\"max_ms\":1000,"
               "\"budget_min\":10000}}");
    for (int i = 0; i < 500; i++) {
        (void)rig_first(&rig);
        for (int n = 0; n < 6; n++) {
            assert_string_equal(rig_fail_500(&rig), "a");
            sum[n] += rig.step.wait_ms;
            most[n] = rig.step.wait_ms > most[n] ? rig.step.wait_ms : most[n];
            assert_int_equal(rig.step.may_go_on, n < 5);
        }
    }
    for (int n = 0; n < 6; n++) {
        assert_true(most[n] < bound[n] && most[n] > bound[n] * 9 / 10);
        assert_true(sum[n] / 500 > bound[n] * 4 / 10 && sum[n] / 500 < bound[n] * 6 / 10);
    }
}

static void first_the_retries_then_the_others(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\"},\"retry\":{\"attempts\":1},\"targets\":[" P(
                   "a") ",{\"provider\":\"b\",\"retry\":{\"attempts\":2}}," P("c") "]}");
    assert_string_equal(rig_order(&rig), "a a b b b c c");
}

static void a_budget_that_is_spent_leads_on(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\"},\"retry\":{\"attempts\":5,\"budget_percent\":"
               "0,\"budget_min\":2},\"targets\":[" P("a") "," P("b") "]}");
    assert_string_equal(rig_order(&rig), "a a a b b b");
    assert_string_equal(rig_order(&rig), "a b"); /* within the same second */
    rig.env.now_ms += 11000;
    assert_string_equal(rig_order(&rig), "a a a b b b");
}

static void no_retry_of_what_shut_while_there_is_another(void **state)
{
    (void)state;
    struct walk_failure f = {.kinds = ROUTE_FAIL_SERVER, .status = 503};
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\"},\"retry\":{\"attempts\":2},\"targets\":[" P(
                   "a") "," P("b") "]}");
    assert_string_equal(rig_first(&rig), "a");
    rig_open(&rig, "a", 60000); /* by this failure */
    assert_string_equal(rig_next(&rig, f), "b");
    rig_open(&rig, "b", 60000);
    assert_string_equal(rig_next(&rig, f), "b"); /* there is no other */
    assert_true(rig.step.retry);
    assert_false(rig.step.probe);
}

/* A cooldown as long as the wait is over when the retry is sent. */
static void a_cooldown_that_is_waited_for_is_over(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"fallback\"},\"retry\":{\"attempts\":2,"
                     "\"use_retry_after_header\":true},\"targets\":[" P("a") "," P("b") "]}");
    assert_string_equal(rig_first(&rig), "a");
    rig_cool(&rig, "a", 2000);
    struct walk_failure f = {.status = 429, .has_retry_after = true, .retry_after_ms = 2000};
    assert_string_equal(rig_next(&rig, f), "a");
    assert_int_equal(rig.step.wait_ms, 2000);
}

/* A config of thousands costs what is touched of it. */
static void big_configs_are_walked_lazily(void **state)
{
    (void)state;
    char *json = arena_alloc(rig.arena, 1 << 16);
    many_targets(json, 1000);
    rig_config(&rig, json);
    rig.env.arena = arena_new(0);
    assert_string_equal(rig_first(&rig), "p0");
    assert_true(arena_used(rig.env.arena) < 12288);
    assert_true(rig.n_state <= 2);
    arena_free(rig.env.arena);
    rig.env.arena = rig.arena;
}

/* Whatever the arena refuses: the walk ends, and says why. */
static void out_of_room_ends_it(void **state)
{
    (void)state;
    bool whole = false;
    rig_config(&rig,
               NODE("fallback", "",
                    NODE("consistent_hash", ",\"hash_fields\":[\"metadata.x\"]",
                         P("a") "," P("alias-x")) "," NODE("mirror", "",
                                                           NODE("weighted", "",
                                                                P("c") "," P("d")) "," P("e"))));
    rig_alias(&rig, "alias-x", NODE("hedge", ",\"after_ms\":9", P("f") "," P("g")));
    rig.metadata = "{\"x\":\"y\\u0061\"}";
    for (size_t most = 16; most < 20000; most += 16) {
        struct walk_failure f = {.kinds = ROUTE_FAIL_ANY, .status = 500};
        unsigned tries = 0;
        rig.env.arena = arena_new(most);
        struct walk *w = walk_new(rig.tree, &rig.env);
        enum walk_verdict v = w ? walk_first(w, &rig.step) : WALK_END;
        while (v == WALK_TRY) {
            assert_non_null(rig.step.state);
            assert_non_null(rig.step.settings);
            assert_true(++tries <= 5);
            v = walk_next(w, &f, &rig.step);
        }
        whole = tries == 5;
        if (w && tries == 0) {
            assert_int_equal(rig.step.reason, WALK_NO_ROOM);
        }
        arena_free(rig.env.arena);
    }
    assert_true(whole);
    rig.env.arena = rig.arena;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(fallback_goes_in_order),
        T(on_status_codes_name_what_leads_on),
        T(on_names_what_leads_on),
        T(a_fallback_ends_where_the_gateway_refused),
        T(failover_counts),
        T(a_failure_goes_to_the_innermost_node_first),
        T(nested_in_weighted),
        T(each_node_looks_at_the_failure_itself),
        T(a_branch_that_leads_nowhere_is_passed_over),
        T(nothing_possible_is_said_why),
        T(tries_are_bounded),
        T(retries_by_the_table),
        T(the_back_off_doubles_and_jitters),
        T(first_the_retries_then_the_others),
        T(a_budget_that_is_spent_leads_on),
        T(no_retry_of_what_shut_while_there_is_another),
        T(a_cooldown_that_is_waited_for_is_over),
        T(big_configs_are_walked_lazily),
        T(out_of_room_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Usage as the admin API shows it: what routing, cache and prompts had to do with a request,
 * filters by that, and exact sums; and the questions to data planes where there is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"

static char config[64], prompt[64];

static void add_event(const char *cache, const char *cost, const char *saved, const char *arm,
                      const char *config_id)
{
    struct error err = ERROR_INIT;
    struct uuid id = uuid_v7();
    struct tx *t = tx_begin(fx.pool, TX_SYSTEM, NULL, &err);
    assert_non_null(t);
    bool ok =
        tx_exec(t, NULL, &err,
                "INSERT INTO usage_events (day, id, organization_id, started_at, duration_us, "
                "endpoint, model, status, outcome, cache_status, cost_nanousd, "
                "saved_nanousd, saved_us, assignment, config_id, config_number, prompt_id, "
                "prompt_version) SELECT (now() AT TIME ZONE 'UTC')::date, $1, id, now(), 5, "
                "'chat.completions', 'm', 200, 'ok', $2, $3::text::int8, $4::text::int8, 7, "
                "$5, $6::text::uuid, 3, $7::text::uuid, 2 FROM organizations WHERE name = "
                "'acme'",
                DB_UUID(&id), DB_Z(cache), DB_Z(cost), DB_Z(saved), DB_Z(arm), DB_Z(config_id),
                DB_Z("0193f0c2-a1b2-7c3d-8e4f-5061728394a6")) &&
        tx_exec(t, NULL, &err,
                "INSERT INTO usage_attempts (day, event_id, attempt, organization_id, status, "
                "outcome, started_us, duration_us, kind, option, credential) SELECT (now() AT "
                "TIME ZONE 'UTC')::date, $1, 1, id, 200, 'ok', 0, 5, 'retry', "
                "'config.targets[0]', 4 FROM organizations WHERE name = 'acme'",
                DB_UUID(&id));
    ok = ok ? tx_commit(t, NULL, &err) : (tx_rollback(t), false);
    if (!ok) {
        fail_msg("%s", error_text(&err));
    }
}

static void events_tell_of_routing_and_cache(void **state)
{
    (void)state;
    char path[200];
    (void)snprintf(path, sizeof path, "/events?config_id=%s", config);
    struct answer a = call("GET", path, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.config_id"), config);
    assert_string_equal(at(&a, "data.0.config_version_number"), "3");
    assert_string_equal(at(&a, "data.0.cache_status"), "miss");
    assert_string_equal(at(&a, "data.0.assignment"), "canary/eu");
    assert_string_equal(at(&a, "data.0.prompt_id"), prompt);
    assert_string_equal(at(&a, "data.0.prompt_version"), "2");
    assert_string_equal(at(&a, "data.0.attempts.0.kind"), "retry");
    assert_string_equal(at(&a, "data.0.attempts.0.option"), "config.targets[0]");
    assert_string_equal(at(&a, "data.0.attempts.0.credential"), "4");
    assert_null(strstr(a.body, "\"cache_status\":\"hit\""));
}

static size_t count(const char *query)
{
    char path[200];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "/events?%s", query);
    struct answer a = call("GET", path, NULL);
    assert_status(a, 200);
    for (const char *p = a.body; (p = strstr(p, "\"id\":\"evt_")) != NULL; p++) {
        n++;
    }
    return n;
}

static void events_are_found_by_them(void **state)
{
    (void)state;
    char query[120];
    assert_int_equal(count("cache_status=hit"), 2);
    assert_int_equal(count("cache_status=refresh"), 0);
    assert_int_equal(count("assignment=canary/eu"), 1);
    (void)snprintf(query, sizeof query, "prompt_id=%s&cache_status=miss", prompt);
    assert_int_equal(count(query), 1);
    assert_int_equal(count("config_id=cfg_0193f0c2a1b27c3d8e4f5061728394ff"), 0);
    struct answer a = call("GET", "/events?config_id=nonsense", NULL);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "config_id");
    a = call("GET", "/events?prompt_id=cfg_0193f0c2a1b27c3d8e4f5061728394ff", NULL);
    assert_string_equal(at(&a, "error.param"), "prompt_id");
}

/* Two sums of nearly 2^63: exact all the same. */
static void sums_are_exact(void **state)
{
    (void)state;
    struct answer a = call("GET", "/usage/summary", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "total.requests"), "4");
    assert_string_equal(at(&a, "total.cache_hits"), "3");
    assert_string_equal(at(&a, "total.cost_nanousd"), "11");
    assert_string_equal(at(&a, "total.saved_nanousd"), "18446744073709551615");
    assert_string_equal(at(&a, "total.saved_us"), "28");
    assert_non_null(strstr(a.body, "\"groups\":[]"));
    a = call("GET", "/usage/summary?group_by=cache_status", NULL);
    assert_string_equal(at(&a, "groups.0.group"), "hit");
    assert_string_equal(at(&a, "groups.0.requests"), "2");
    assert_string_equal(at(&a, "groups.0.cache_hits"), "2");
    a = call("GET", "/usage/summary?group_by=config_id&cache_status=miss", NULL);
    assert_string_equal(at(&a, "groups.0.group"), config);
    assert_string_equal(at(&a, "total.requests"), "1");
    assert_string_equal(at(&a, "total.cache_hits"), "0");
    a = call("GET", "/usage/summary?from=2099-01-01T00:00:00Z", NULL);
    assert_string_equal(at(&a, "total.requests"), "0");
    assert_string_equal(at(&a, "total.saved_nanousd"), "0");
    static const char *const groups[] = {"day", "model", "key_id", "prompt_id", "assignment"};
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        char path[100];
        (void)snprintf(path, sizeof path, "/usage/summary?group_by=%s", groups[i]);
        assert_status(call("GET", path, NULL), 200);
    }
    a = call("GET", "/usage/summary?group_by=id%3B", NULL);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "group_by");
}

static void another_organization_sums_its_own(void **state)
{
    (void)state;
    struct answer a = call("POST", "/organizations", "{\"name\":\"other\"}");
    assert_status(a, 201);
    (void)snprintf(fx.organization, sizeof fx.organization, "%s", at(&a, "id"));
    a = call("GET", "/usage/summary", NULL);
    assert_string_equal(at(&a, "total.requests"), "0");
    assert_int_equal(count("cache_status=hit"), 0);
    (void)snprintf(fx.organization, sizeof fx.organization, "acme");
}

static void without_data_planes_there_is_nobody_to_ask(void **state)
{
    (void)state;
    struct answer a = call("GET", "/targets", NULL);
    assert_status(a, 200);
    assert_string_equal(a.body, "{\"data_planes\":[]}");
    a = call("POST", "/cache/purge", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data_planes"), "0");
    a = call("POST", "/cache/purge", "{\"workspace_id\":\"ws_0193f0c2a1b27c3d8e4f5061728394ff\"}");
    assert_true(a.status == 400 || a.status == 404);
    a = call("POST", "/cache/purge", "{\"all\":true}");
    assert_status(a, 400);
    char key[64];
    a = call("POST", "/keys", "{\"name\":\"k\"}");
    assert_status(a, 201);
    (void)snprintf(key, sizeof key, "%s", at(&a, "id"));
    assert_status(call("POST", "/explain", "{\"key\":\"%s\",\"path\":\"/v1/x\"}", key), 503);
    a = call("POST", "/explain", "{\"path\":\"/v1/x\"}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "key");
    assert_status(call("POST", "/explain", "{\"key\":\"key_0193f0c2a1b27c3d8e4f5061728394ff\"}"),
                  404);
    a = call("POST", "/explain", "{\"key\":\"%s\",\"send\":true}", key);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "send");
}

static int setup(void **state)
{
    bool ok = fixture_setup(state) == 0 && sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).status == 201 &&
              call("POST", "/organizations", "{\"name\":\"acme\"}").status == 201 &&
              call("POST", "/workspaces", "{\"name\":\"main\"}").status == 201;
    static const char id[] = "0193f0c2-a1b2-7c3d-8e4f-5061728394a5";
    (void)snprintf(config, sizeof config, "cfg_0193f0c2a1b27c3d8e4f5061728394a5");
    (void)snprintf(prompt, sizeof prompt, "prm_0193f0c2a1b27c3d8e4f5061728394a6");
    if (!ok) {
        return -1;
    }
    add_event("miss", "11", "0", "canary/eu", id);
    add_event("hit", "0", "9223372036854775807", "", NULL);
    add_event("hit", "0", "9223372036854775807", "", NULL);
    add_event("coalesced", "0", "1", "", NULL);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_tell_of_routing_and_cache),
        cmocka_unit_test(events_are_found_by_them),
        cmocka_unit_test(sums_are_exact),
        cmocka_unit_test(another_organization_sums_its_own),
        cmocka_unit_test(without_data_planes_there_is_nobody_to_ask),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}

/* The way that the first call through both planes needs: sign in, make an organization, a
 * workspace, a provider, a model, a key; read events and status. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"

static char org[64], ws[64], prov[64], mdl[64], key[64];

static void keep(char *to, const char *from)
{
    assert_true(from[0] != '\0' && strlen(from) < 64);
    snprintf(to, 64, "%s", from);
}

static void signs_in_and_out(void **state)
{
    (void)state;
    struct answer a = call("GET", "/session", NULL);
    assert_status(a, 401);
    assert_string_equal(at(&a, "error.code"), "unauthenticated");
    assert_true(strncmp(at(&a, "error.request_id"), "req_", 4) == 0);
    a = sign_in(ADMIN_EMAIL, "wrong password");
    assert_status(a, 401);
    assert_string_equal(fx.cookie, "");
    a = sign_in(ADMIN_EMAIL, ADMIN_PASSWORD);
    assert_status(a, 201);
    assert_string_equal(at(&a, "user.email"), ADMIN_EMAIL);
    assert_string_equal(at(&a, "user.platform_admin"), "true");
    assert_non_null(strstr(header(&a, "set-cookie"), "HttpOnly; SameSite=Lax"));
    a = call("GET", "/session", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "csrf_token"), fx.csrf); /* a page loaded anew is told it again */
    a = call("DELETE", "/session", NULL);
    assert_status(a, 204);
    a = call("GET", "/session", NULL);
    assert_status(a, 401);
    assert_status(sign_in(ADMIN_EMAIL, ADMIN_PASSWORD), 201);
}

static void refuses_writes_without_csrf(void **state)
{
    (void)state;
    char csrf[64];
    snprintf(csrf, sizeof csrf, "%s", fx.csrf);
    fx.csrf[0] = 'x';
    struct answer a = call("POST", "/organizations", "{\"name\":\"evil\"}");
    assert_status(a, 403);
    assert_string_equal(at(&a, "error.code"), "csrf_failed");
    snprintf(fx.csrf, sizeof fx.csrf, "%s", csrf);
    snprintf(fx.extra, sizeof fx.extra, "Origin: https://evil.example\r\n");
    a = call("POST", "/organizations", "{\"name\":\"evil\"}");
    assert_status(a, 403);
    snprintf(fx.extra, sizeof fx.extra, "Sec-Fetch-Site: cross-site\r\n");
    a = call("POST", "/organizations", "{\"name\":\"evil\"}");
    assert_status(a, 403);
    snprintf(fx.extra, sizeof fx.extra,
             "Origin: http://127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n");
    a = call("GET", "/organizations", NULL);
    assert_status(a, 200);
}

static void makes_tenants(void **state)
{
    (void)state;
    struct answer a = call("GET", "/keys", NULL);
    assert_status(a, 400); /* there is no organization yet */
    assert_string_equal(at(&a, "error.param"), "x-weir-organization");
    a = call("POST", "/organizations", "{\"name\":\"acme\"}");
    assert_status(a, 201);
    keep(org, at(&a, "id"));
    assert_true(strncmp(org, "org_", 4) == 0);
    assert_string_equal(at(&a, "owned_by"), "ui");
    assert_string_equal(header(&a, "etag"), "\"1\"");
    a = call("POST", "/organizations", "{\"name\":\"ACME\"}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "name");
    a = call("POST", "/workspaces", "{\"name\":\"main\"}");
    assert_status(a, 201);
    keep(ws, at(&a, "id"));
    assert_string_equal(at(&a, "organization_id"), org);
}

static void makes_providers_and_models(void **state)
{
    (void)state;
    struct answer a =
        call("POST", "/providers",
             "{\"name\":\"openai\",\"kind\":\"openai\",\"base_url\":\"http://127.0.0.1:9001/v1\","
             "\"api_key\":\"sk-very-secret-1234\"}");
    assert_status(a, 201);
    keep(prov, at(&a, "id"));
    assert_null(strstr(a.body, "very-secret"));
    assert_true(strstr(at(&a, "api_key_mask"), "1234") != NULL);
    assert_string_equal(at(&a, "workspace_id"), "null");
    a = call("POST", "/models",
             "{\"name\":\"gpt-4o\",\"targets\":[{\"provider\":\"nope\",\"model\":\"gpt-4o\"}]}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "targets[0].provider");
    a = call("POST", "/models",
             "{\"name\":\"gpt-4o\",\"targets\":[{\"provider\":\"openai\",\"model\":\"gpt-4o\"}]}");
    assert_status(a, 201);
    keep(mdl, at(&a, "id"));
    assert_string_equal(at(&a, "targets.0.provider_id"), prov);
    a = call("DELETE", "/providers", NULL);
    assert_status(a, 405);
    assert_string_equal(header(&a, "allow"), "GET, POST");
    char path[128];
    snprintf(path, sizeof path, "/providers/%s", prov);
    a = call("DELETE", path, NULL);
    assert_status(a, 409);
    assert_non_null(strstr(at(&a, "error.message"), "gpt-4o"));
    snprintf(path, sizeof path, "/providers/%s/test", prov);
    a = call("POST", path, NULL);
    assert_status(a, 503); /* no channel here */
    assert_string_equal(at(&a, "error.code"), "not_ready");
}

static void makes_and_revokes_keys(void **state)
{
    (void)state;
    char path[128];
    struct answer a = call(
        "POST", "/keys", "{\"name\":\"dev\",\"models\":[\"gpt-*\"],\"metadata\":{\"team\":\"x\"}}");
    assert_status(a, 201);
    keep(key, at(&a, "id"));
    assert_true(strncmp(at(&a, "secret"), "wr_live_", 8) == 0);
    assert_string_equal(at(&a, "workspace_id"), ws);
    assert_string_equal(at(&a, "status"), "active");
    assert_string_equal(at(&a, "models.0"), "gpt-*");
    assert_string_equal(at(&a, "providers.0"), "*");
    snprintf(path, sizeof path, "/keys/%s", key);
    a = call("GET", path, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "secret"), ""); /* shown once */
    a = call("PATCH", path, "{\"disabled\":true}");
    assert_status(a, 428);
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"1\"\r\n");
    a = call("PATCH", path, "{\"disabled\":true,\"expires_at\":null}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "status"), "disabled");
    assert_string_equal(at(&a, "models.0"), "gpt-*"); /* absent: as it was */
    assert_string_equal(header(&a, "etag"), "\"2\"");
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"1\"\r\n");
    a = call("PATCH", path, "{\"disabled\":false}");
    assert_status(a, 412);
    snprintf(path, sizeof path, "/keys/%s/revoke", key);
    a = call("POST", path, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "status"), "revoked");
    a = call("POST", path, NULL); /* again: the same answer */
    assert_status(a, 200);
    a = call("POST", "/keys", "{\"name\":\"dev\",\"secret\":\"my own, quite long secret\"}");
    assert_status(a, 201); /* the name is free again */
    assert_string_equal(at(&a, "secret"), "");
    a = call("POST", "/keys", "{\"name\":\"dev2\",\"secret\":\"my own, quite long secret\"}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "secret");
    a = call("POST", "/keys", "{\"name\":\"dev3\",\"secret\":\"short\"}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "secret");
}

static void every_change_is_logged_for_data_planes(void **state)
{
    (void)state;
    char state_code[6];
    /* organization, workspace, provider, model, key: made; key: changed, revoked (deletion) */
    assert_true(pg_fixture_sqlstate(
        fx.pg.owner_url,
        "SELECT 1 / (SELECT (count(DISTINCT kind) = 5 AND bool_or(kind = 3 AND deleted))::int "
        "FROM weir.change_log)",
        state_code));
    assert_string_equal(state_code, "");
    struct answer a = call("GET", "/audit?object_kind=key", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.action"), "key.create");
    assert_string_equal(at(&a, "data.1.action"), "key.revoke");
    assert_string_equal(at(&a, "data.1.object_id"), key);
    assert_string_equal(at(&a, "data.1.actor_name"), ADMIN_EMAIL);
    assert_null(strstr(a.body, "wr_live_0"));
    a = call("GET", "/audit?object_kind=provider", NULL);
    assert_null(strstr(a.body, "very-secret"));
    assert_string_equal(at(&a, "data.0.after.name"), "openai");
}

static void shows_status_planes_and_events(void **state)
{
    (void)state;
    struct answer a = call("GET", "/status", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "counts.keys"), "1");
    assert_string_equal(at(&a, "database.state"), "ok");
    a = call("GET", "/data-planes", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "next_cursor"), "null");
    a = call("GET", "/events?status=5xx&from=2020-01-01T00:00:00Z", NULL);
    assert_status(a, 200);
    a = call("GET", "/events?status=abc", NULL);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "status");
    a = call("GET", "/enrolment-tokens", NULL);
    assert_status(a, 200);
    a = call("POST", "/enrolment-tokens", NULL);
    assert_status(a, 503);
}

static void run_sql(const char *sql)
{
    char code[6];
    assert_true(pg_fixture_sqlstate(fx.pg.owner_url, sql, code));
    assert_string_equal(code, "");
}

/* Event i of three: 200, 502 and 200, with one attempt and one quantity line each. */
static void put_event(int i, char id_text[static 37])
{
    char sql[2048], org_text[37], ws_text[37], key_text[37];
    struct uuid id = uuid_v7(), u;
    uuid_format(&id, id_text);
    assert_true(uuid_parse_public("org", str_of(org), &u));
    uuid_format(&u, org_text);
    assert_true(uuid_parse_public("ws", str_of(ws), &u));
    uuid_format(&u, ws_text);
    assert_true(uuid_parse_public("key", str_of(key), &u));
    uuid_format(&u, key_text);
    snprintf(sql, sizeof sql,
             "WITH e AS (INSERT INTO weir.usage_events (day, id, organization_id, workspace_id, "
             "key_id, started_at, "
             "duration_us, endpoint, model, status, outcome) VALUES ((now() AT TIME ZONE "
             "'UTC')::date, '%s', '%s', "
             "'%s', '%s', now(), 1500, 'chat.completions', 'gpt-4o', %d, '%s') RETURNING day, id, "
             "organization_id), "
             "a AS (INSERT INTO weir.usage_attempts (day, event_id, attempt, organization_id, "
             "provider, status, "
             "outcome, started_us, duration_us) SELECT day, id, 1, organization_id, 'openai', 200, "
             "'ok', 0, 9 FROM e) "
             "INSERT INTO weir.usage_quantities (day, event_id, attempt, unit, organization_id, "
             "quantity, source) "
             "SELECT day, id, 1, 'token_in', organization_id, %d, 'provider' FROM e",
             id_text, org_text, ws_text, key_text, i == 1 ? 502 : 200,
             i == 1 ? "provider_error" : "ok", 10 + i);
    run_sql(sql);
}

static void events_are_read_newest_first(void **state)
{
    (void)state;
    char ids[3][37], path[256];
    struct uuid u;
    for (int i = 0; i < 3; i++) {
        put_event(i, ids[i]);
    }
    struct answer a = call("GET", "/events?limit=2", NULL);
    assert_status(a, 200);
    assert_true(uuid_parse_public("evt", str_of(at(&a, "data.0.id")), &u));
    char text[37];
    uuid_format(&u, text);
    assert_string_equal(text, ids[2]);
    assert_string_equal(at(&a, "data.0.key_name"), "dev"); /* the key was revoked; its name stays */
    assert_string_equal(at(&a, "data.0.attempts.0.provider"), "openai");
    assert_string_equal(at(&a, "data.0.attempts.0.quantities.0.quantity"), "12");
    assert_string_equal(at(&a, "data.1.status"), "502");
    snprintf(path, sizeof path, "/events?limit=2&cursor=%s", at(&a, "next_cursor"));
    a = call("GET", path, NULL);
    assert_string_equal(at(&a, "data.0.attempts.0.quantities.0.quantity"), "10");
    assert_string_equal(at(&a, "data.1"), "");
    assert_string_equal(at(&a, "next_cursor"), "null");
    a = call("GET", "/events?status=5xx&outcome=provider_error&model=gpt-4o", NULL);
    assert_string_equal(at(&a, "data.0.status"), "502");
    assert_string_equal(at(&a, "data.1"), "");
    snprintf(path, sizeof path,
             "/events?key_id=%s&from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", key);
    a = call("GET", path, NULL);
    assert_string_equal(at(&a, "data"), "[]");
    snprintf(path, sizeof path, "/events/%s", ids[1]);
    a = call("GET", path, NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "outcome"), "provider_error");
    assert_status(call("GET", "/events/evt_00000000000070008000000000000009", NULL), 404);
}

static void a_call_that_still_runs_is_a_conflict(void **state)
{
    (void)state;
    char sql[256];
    struct answer a = call("GET", "/session", NULL);
    PGconn *other = PQconnectdb(fx.pg.owner_url);
    snprintf(sql, sizeof sql,
             "SELECT pg_advisory_lock(hashtextextended('idempotency user_%s busy', 0))",
             at(&a, "user.id") + 4);
    PQclear(PQexec(other, sql)); /* as if another instance were at it */
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: busy\r\n");
    a = call("POST", "/keys", "{\"name\":\"busy\"}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "idempotency-key");
    PQfinish(other);
    bool done = false;
    for (int i = 0; i < 200 && !done; i++) { /* until the server has noticed */
        snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: busy\r\n");
        a = call("POST", "/keys", "{\"name\":\"busy\"}");
        done = a.status == 201;
    }
    assert_true(done);
}

static void names_the_planes_and_their_state(void **state)
{
    (void)state;
    run_sql(
        "INSERT INTO weir.data_planes (id, group_id, name, config_version, last_seen_at, "
        "refused_version, "
        "refused_reason) SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', n, "
        "(SELECT version - lag FROM weir.config_version), now() - ago, CASE WHEN lag > 0 THEN 7 "
        "END, "
        "CASE WHEN lag > 0 THEN 'too new' END FROM (VALUES ('here', 0, interval '1 second'), "
        "('behind', 1, interval '1 second'), ('away', 0, interval '1 minute')) AS t (n, lag, ago)");
    struct answer a = call("GET", "/data-planes", NULL);
    assert_status(a, 200);
    for (int i = 0; i < 3; i++) {
        char name[32], part[32];
        snprintf(part, sizeof part, "data.%d.name", i);
        snprintf(name, sizeof name, "%s", at(&a, part));
        snprintf(part, sizeof part, "data.%d.state", i);
        assert_string_equal(at(&a, part), strcmp(name, "here") == 0     ? "connected"
                                          : strcmp(name, "behind") == 0 ? "lagging"
                                                                        : "gone");
        snprintf(part, sizeof part, "data.%d.refused_reason", i);
        assert_string_equal(at(&a, part), strcmp(name, "behind") == 0 ? "too new" : "null");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_in_and_out),
        cmocka_unit_test(refuses_writes_without_csrf),
        cmocka_unit_test(makes_tenants),
        cmocka_unit_test(makes_providers_and_models),
        cmocka_unit_test(makes_and_revokes_keys),
        cmocka_unit_test(every_change_is_logged_for_data_planes),
        cmocka_unit_test(shows_status_planes_and_events),
        cmocka_unit_test(events_are_read_newest_first),
        cmocka_unit_test(a_call_that_still_runs_is_a_conflict),
        cmocka_unit_test(names_the_planes_and_their_state),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

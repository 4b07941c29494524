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

static int setup(void **state)
{
    (void)state;
    return fixture_start("/", NULL) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop();
    return 0;
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
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

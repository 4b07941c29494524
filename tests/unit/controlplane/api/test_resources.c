/* What holds for every resource: tenants apart, bodies refused by field, pages, idempotency,
 * throttling, and the declarative document. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"

static char acme[64], rival[64], platform_token[80], acme_admin[80], rival_owner[80], rival_ws[64];

static void keep(char *to, size_t size, const char *from)
{
    assert_true(from[0] != '\0' && strlen(from) < size);
    snprintf(to, size, "%s", from);
}

static void as(const char *token)
{
    snprintf(fx.bearer, sizeof fx.bearer, "%s", token);
}

static void tokens_stand_for_roles(void **state)
{
    (void)state;
    assert_status(sign_in(ADMIN_EMAIL, ADMIN_PASSWORD), 201);
    struct answer a = call("POST", "/organizations", "{\"name\":\"acme\"}");
    keep(acme, sizeof acme, at(&a, "id"));
    a = call("POST", "/organizations", "{\"name\":\"rival\"}");
    keep(rival, sizeof rival, at(&a, "id"));
    a = call("POST", "/admin-tokens", "{\"name\":\"ci\",\"role\":\"platform_admin\"}");
    assert_status(a, 201);
    keep(platform_token, sizeof platform_token, at(&a, "secret"));
    a = call("POST", "/admin-tokens", "{\"name\":\"ci\",\"role\":\"admin\"}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "x-weir-organization");
    snprintf(fx.organization, sizeof fx.organization, "ACME"); /* by name */
    a = call("POST", "/admin-tokens", "{\"name\":\"acme\",\"role\":\"admin\"}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "organization_id"), acme);
    keep(acme_admin, sizeof acme_admin, at(&a, "secret"));
    snprintf(fx.organization, sizeof fx.organization, "%s", rival);
    a = call("POST", "/admin-tokens", "{\"name\":\"rival\",\"role\":\"owner\"}");
    keep(rival_owner, sizeof rival_owner, at(&a, "secret"));
    fx.organization[0] = '\0';
    as(acme_admin);
    a = call("GET", "/session", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "memberships.0.role"), "admin");
    a = call("POST", "/admin-tokens", "{\"name\":\"up\",\"role\":\"owner\"}");
    assert_status(a, 403); /* nobody hands out more than they hold */
    a = call("POST", "/organizations", "{\"name\":\"mine\"}");
    assert_status(a, 403);
    a = call("GET", "/data-plane-groups", NULL);
    assert_status(a, 403);
    as("wr_adm_000000000000000000000000000000000");
    assert_status(call("GET", "/session", NULL), 401);
}

static void tenants_do_not_see_each_other(void **state)
{
    (void)state;
    char path[128], prov[64];
    as(rival_owner);
    struct answer a = call("POST", "/workspaces", "{\"name\":\"secret-ws\"}");
    assert_status(a, 201);
    keep(rival_ws, sizeof rival_ws, at(&a, "id"));
    a = call("POST", "/providers", "{\"name\":\"hidden\",\"kind\":\"openai\"}");
    assert_status(a, 201);
    keep(prov, sizeof prov, at(&a, "id"));
    as(acme_admin);
    snprintf(path, sizeof path, "/providers/%s", prov);
    assert_status(call("GET", path, NULL), 404);
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    assert_status(call("PATCH", path, "{\"disabled\":true}"), 404);
    assert_status(call("DELETE", path, NULL), 404);
    snprintf(path, sizeof path, "/organizations/%s", rival);
    assert_status(call("GET", path, NULL), 404);
    snprintf(fx.organization, sizeof fx.organization, "rival");
    a = call("GET", "/providers", NULL);
    assert_status(a, 404);
    char there[512];
    snprintf(there, sizeof there, "%s", at(&a, "error.message"));
    snprintf(fx.organization, sizeof fx.organization, "nowhere");
    a = call("GET", "/providers", NULL);
    assert_status(a, 404); /* what is another's and what is not there: one answer */
    assert_string_equal(at(&a, "error.message"), there);
    fx.organization[0] = '\0';
    a = call("GET", "/organizations", NULL);
    assert_string_equal(at(&a, "data.0.id"), acme);
    assert_string_equal(at(&a, "data.1.id"), "");
    a = call("POST", "/workspaces", "{\"name\":\"main\"}");
    assert_status(a, 201);
    a = call("POST", "/keys", "{\"name\":\"k\",\"workspace_id\":\"%s\"}", rival_ws);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "workspace_id");
    a = call("POST", "/models",
             "{\"name\":\"m\",\"targets\":[{\"provider_id\":\"%s\",\"model\":\"x\"}]}", prov);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "targets[0].provider_id");
}

static void bodies_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body, *param;
        int status;
    } cases[] = {
        {"/keys", "{\"name\":\"x\",\"nam\":1}", "nam", 400},
        {"/keys", "{}", "name", 400},
        {"/keys", "{\"name\":null}", "name", 400},
        {"/keys", "{\"name\":\"\"}", "name", 400},
        {"/keys", "{\"name\":7}", "name", 400},
        {"/keys", "{\"name\":\" x\"}", "name", 400},
        {"/keys", "{\"name\":\"x\",\"models\":[\"ok\",3]}", "models[1]", 400},
        {"/keys", "{\"name\":\"x\",\"models\":[\"a b\"]}", "models[0]", 400},
        {"/keys", "{\"name\":\"x\",\"expires_at\":\"tomorrow\"}", "expires_at", 400},
        {"/keys", "{\"name\":\"x\",\"metadata\":[]}", "metadata", 400},
        {"/keys", "{\"name\":\"x\",\"secret\":\"env:HOME_OF_KEY\"}", "secret", 400},
        {"/keys", "{\"name\":\"x\",\"secret\":\"wr_live_0000000000000\"}", "secret", 400},
        {"/providers", "{\"name\":\"p\",\"kind\":\"nope\"}", "kind", 400},
        {"/providers", "{\"name\":\"p\",\"kind\":\"openai\",\"base_url\":\"ftp://x\"}", "base_url",
         400},
        {"/providers", "{\"name\":\"p\",\"kind\":\"openai\",\"base_url\":\"http://u:p@x/\"}",
         "base_url", 400},
        {"/providers", "{\"name\":\"p\",\"kind\":\"openai\",\"timeout_ms\":-1}", "timeout_ms", 400},
        {"/providers", "{\"name\":\"p\",\"kind\":\"openai\",\"api_key\":\"file:/etc/passwd\"}",
         "api_key", 400},
        {"/providers", "{\"name\":\"v1\",\"kind\":\"openai\"}", "name", 400},
        {"/models", "{\"name\":\"m\",\"targets\":[]}", "targets", 400},
        {"/models", "{\"name\":\"m\"}", "targets", 400},
        {"/memberships", "{\"role\":\"owner\"}", "user_id", 400},
        {"/memberships", "{\"role\":\"emperor\",\"email\":\"a@b.example\"}", "role", 400},
    };
    as(acme_admin);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer a = call("POST", cases[i].path, "%s", cases[i].body);
        if (a.status != cases[i].status || strcmp(at(&a, "error.param"), cases[i].param) != 0) {
            print_message("%s: %d %s\n", cases[i].body, a.status, a.body);
        }
        assert_int_equal(a.status, cases[i].status);
        assert_string_equal(at(&a, "error.param"), cases[i].param);
        assert_string_equal(at(&a, "error.code"), "invalid_field");
    }
}

static void broken_json_is_refused_with_its_position(void **state)
{
    (void)state;
    as(acme_admin);
    struct answer a = call("POST", "/keys", "{\"name\": \"x\",\n \"models\" 1}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.code"), "invalid_json");
    assert_string_equal(at(&a, "error.line"), "2");
    a = call("POST", "/keys", "{\"name\":\"x\",\"name\":\"y\"}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.code"), "invalid_json");
    a = call("POST", "/keys", "{\"name\":\"a\\u0000b\"}");
    assert_status(a, 400);
    a = call("POST", "/keys", "[1]");
    assert_status(a, 400);
    a = call("POST", "/keys", NULL);
    assert_status(a, 415);
    assert_status(call("GET", "/keys?name=a%%00b", NULL), 400);
    assert_status(call("GET", "/keys/nonsense", NULL), 404);
    assert_status(call("GET", "/nowhere", NULL), 404);
    assert_status(call("GET", "/keys?limit=0", NULL), 400);
    a = call("GET", "/keys?cursor=AAAA", NULL);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "cursor");
}

static void lists_come_in_pages(void **state)
{
    (void)state;
    char seen[7][64], path[256] = "/keys?limit=3&name=", cursor[128] = "";
    unsigned n = 0;
    as(acme_admin);
    for (int i = 0; i < 7; i++) {
        assert_status(call("POST", "/keys", "{\"name\":\"page-%d\"}", i), 201);
    }
    for (int page = 0; page < 3; page++) {
        snprintf(path, sizeof path, "/keys?limit=3%s%s", cursor[0] ? "&cursor=" : "", cursor);
        struct answer a = call("GET", path, NULL);
        assert_status(a, 200);
        for (int i = 0; i < 3; i++) {
            char at_path[32];
            snprintf(at_path, sizeof at_path, "data.%d.id", i);
            if (at(&a, at_path)[0]) {
                assert_true(n < 7);
                keep(seen[n], sizeof seen[n], at(&a, at_path));
                assert_true(n == 0 || strcmp(seen[n - 1], seen[n]) < 0);
                n++;
            }
        }
        snprintf(cursor, sizeof cursor, "%s", at(&a, "next_cursor"));
    }
    assert_int_equal(n, 7);
    assert_string_equal(cursor, "null");
    struct answer a = call("GET", "/keys?name=PAGE-3", NULL);
    assert_string_equal(at(&a, "data.0.name"), "page-3");
    assert_string_equal(at(&a, "data.1.name"), "");
}

static void a_repeated_call_has_one_effect(void **state)
{
    (void)state;
    char first[128], id[64];
    as(acme_admin);
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: one\r\n");
    struct answer a = call("POST", "/keys", "{\"name\":\"once\"}");
    assert_status(a, 201);
    keep(first, sizeof first, at(&a, "secret"));
    keep(id, sizeof id, at(&a, "id"));
    assert_string_equal(header(&a, "idempotent-replayed"), "");
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: one\r\n");
    a = call("POST", "/keys", "{\"name\":\"once\"}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "secret"), first);
    assert_string_equal(at(&a, "id"), id);
    assert_string_equal(header(&a, "idempotent-replayed"), "true");
    assert_string_equal(header(&a, "etag"), "\"1\"");
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: one\r\n");
    a = call("POST", "/keys", "{\"name\":\"twice\"}");
    assert_status(a, 409);
    /* another actor's key of the same text is another key */
    as(rival_owner);
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: one\r\n");
    a = call("POST", "/keys", "{\"name\":\"once\"}");
    assert_status(a, 201);
    assert_string_not_equal(at(&a, "id"), id);
    /* a failed call may be repeated */
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: two\r\n");
    assert_status(call("POST", "/keys", "{\"name\":\"once\"}"), 409);
    snprintf(fx.extra, sizeof fx.extra, "Idempotency-Key: two\r\n");
    assert_status(call("POST", "/keys", "{\"name\":\"other\"}"), 201);
    char state_code[6];
    assert_true(pg_fixture_sqlstate(
        fx.pg.owner_url,
        "SELECT 1 / (SELECT (count(*) > 0 AND bool_and(position('wr_live_'::bytea IN "
        "response) = 0))::int FROM weir.idempotency_keys)",
        state_code));
    assert_string_equal(state_code, ""); /* no secret stands there in clear */
}

static void members_are_managed_within_ones_own_rank(void **state)
{
    (void)state;
    char path[128], owner[64];
    as(platform_token);
    snprintf(fx.organization, sizeof fx.organization, "acme");
    struct answer a =
        call("POST", "/memberships", "{\"email\":\"boss@acme.example\",\"role\":\"owner\"}");
    assert_status(a, 201);
    keep(owner, sizeof owner, at(&a, "id"));
    fx.organization[0] = '\0';
    as(acme_admin);
    assert_status(call("POST", "/memberships", "{\"email\":\"x@acme.example\",\"role\":\"owner\"}"),
                  403);
    a = call("POST", "/memberships",
             "{\"email\":\"dev@acme.example\",\"role\":\"developer\",\"workspace\":\"main\"}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "email"), "dev@acme.example");
    a = call("POST", "/memberships",
             "{\"email\":\"dev@acme.example\",\"role\":\"viewer\",\"workspace\":\"main\"}");
    assert_status(a, 409);
    snprintf(path, sizeof path, "/memberships/%s", owner);
    assert_status(call("DELETE", path, NULL), 403);
    a = call("GET", "/users", NULL);
    assert_status(a, 200);
    assert_null(strstr(a.body, ADMIN_EMAIL)); /* no member here */
    assert_non_null(strstr(a.body, "dev@acme.example"));
}

static void a_workspace_role_reaches_its_workspace_only(void **state)
{
    (void)state;
    char user[64], path[128];
    as(platform_token);
    snprintf(fx.organization, sizeof fx.organization, "acme");
    assert_status(call("POST", "/workspaces", "{\"name\":\"other\"}"), 201);
    struct answer a = call("POST", "/keys", "{\"name\":\"theirs\",\"workspace\":\"other\"}");
    assert_status(a, 201);
    char key[64];
    keep(key, sizeof key, at(&a, "id"));
    fx.organization[0] = '\0';
    a = call("GET", "/users?email=dev@acme.example", NULL);
    keep(user, sizeof user, at(&a, "data.0.id"));
    snprintf(path, sizeof path, "/users/%s", user);
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    assert_status(call("PATCH", path, "{\"password\":\"a long password\"}"), 200);
    assert_status(sign_in("dev@acme.example", "a long password"), 201);
    a = call("GET", "/keys?limit=100", NULL);
    assert_status(a, 200);
    assert_null(strstr(a.body, "theirs"));
    assert_non_null(strstr(a.body, "page-3"));
    snprintf(path, sizeof path, "/keys/%s", key);
    assert_status(call("GET", path, NULL), 404);
    assert_status(call("POST", "/keys", "{\"name\":\"mine\"}"),
                  201); /* in main: the only one it may write in */
    assert_status(call("POST", "/keys", "{\"name\":\"not mine\",\"workspace\":\"other\"}"), 400);
    assert_status(call("POST", "/providers", "{\"name\":\"p\",\"kind\":\"openai\"}"), 403);
    fx.cookie[0] = '\0';
}

static void sign_in_is_throttled(void **state)
{
    (void)state;
    struct answer a;
    for (int i = 0; i < 5; i++) {
        a = sign_in("nobody@example.org", "wrong wrong");
        assert_status(a, 401); /* the same answer as for an account that is there */
        assert_string_equal(at(&a, "error.message"), "e-mail address or password is wrong");
    }
    a = sign_in("NOBODY@example.org", "wrong wrong");
    assert_status(a, 429);
    long wait_s = strtol(header(&a, "retry-after"), NULL, 10);
    assert_true(wait_s >= 1 && wait_s <= 30);
    assert_status(sign_in(ADMIN_EMAIL, ADMIN_PASSWORD),
                  201); /* another account from there still can */
}

static void groups_name_what_they_serve(void **state)
{
    (void)state;
    char path[128];
    as(platform_token);
    struct answer a = call(
        "POST", "/data-plane-groups",
        "{\"name\":\"eu\",\"serves\":[{\"organization_id\":\"%s\",\"workspace\":\"main\"}]}", acme);
    assert_status(a, 201);
    assert_string_equal(at(&a, "serves.0.organization_id"), acme);
    assert_true(strncmp(at(&a, "serves.0.workspace_id"), "ws_", 3) == 0);
    snprintf(path, sizeof path, "/data-plane-groups/%s", at(&a, "id"));
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"1\"\r\n");
    a = call("PATCH", path, "{\"serves\":[{\"organization_id\":\"%s\",\"workspace\":\"main\"}]}",
             rival);
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "serves[0].workspace");
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"1\"\r\n");
    a = call("PATCH", path, "{\"serves\":[]}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "serves"), "[]");
    assert_status(call("DELETE", path, NULL), 204);
    assert_status(call("DELETE", "/data-plane-groups/grp_00000000000070008000000000000001", NULL),
                  409);
}

static void tenants_go_when_they_are_empty(void **state)
{
    (void)state;
    char path[128], id[64];
    as(platform_token);
    struct answer a = call("POST", "/organizations", "{\"name\":\"brief\"}");
    keep(id, sizeof id, at(&a, "id"));
    snprintf(fx.organization, sizeof fx.organization, "brief");
    assert_status(call("POST", "/workspaces", "{\"name\":\"w\"}"), 201);
    a = call("POST", "/keys", "{\"name\":\"k\"}");
    assert_status(a, 201);
    snprintf(path, sizeof path, "/organizations/%s", id);
    assert_status(call("DELETE", path, NULL), 409); /* a key still works there */
    char key[128];
    snprintf(key, sizeof key, "/keys/%s", at(&a, "id"));
    a = call("GET", "/keys", NULL);
    snprintf(key, sizeof key, "/keys/%s", at(&a, "data.0.id"));
    assert_status(call("DELETE", key, NULL), 200);
    snprintf(fx.extra, sizeof fx.extra, "If-Match: \"99\"\r\n");
    assert_status(call("DELETE", path, NULL), 412);
    assert_status(call("DELETE", path, NULL), 204);
    fx.organization[0] = '\0';
    assert_status(call("GET", path, NULL), 404);
}

static char document_text[1 << 20];

/* Every member of an answer is described, and what is described as always there is there. */
static void assert_described(struct answer *a, const char *in_answer, const char *schema)
{
    struct answer document = {200, NULL, document_text};
    char path[128], described[128];
    struct json_value object, name, value;
    struct error err = ERROR_INIT;
    size_t pos = 0;
    static char raw[1 << 16];
    snprintf(raw, sizeof raw, "%s", in_answer[0] ? at(a, in_answer) : a->body);
    assert_true(json_validate(str_of(raw), 0, &object, &err));
    assert_int_equal(object.type, JSON_OBJECT);
    while (json_next(object, &pos, &name, &value)) {
        snprintf(path, sizeof path, "components.schemas.%s.properties.%.*s", schema,
                 STR_ARG(json_text(name)));
        if (!at(&document, path)[0]) {
            print_message("not described: %s\n", path);
        }
        assert_true(at(&document, path)[0] != '\0');
    }
    for (int i = 0;; i++) {
        snprintf(path, sizeof path, "components.schemas.%s.required.%d", schema, i);
        snprintf(described, sizeof described, "%s", at(&document, path));
        if (!described[0]) {
            assert_true(i > 0);
            return;
        }
        struct answer part = {200, NULL, raw};
        bool there = at(&part, described)[0] || strstr(raw, described);
        if (!there) {
            print_message("described but absent: %s.%s\n", schema, described);
        }
        assert_true(there);
    }
}

static void answers_are_as_described(void **state)
{
    static const struct {
        const char *path, *part, *schema;
    } cases[] = {
        {"/organizations", "data.0", "Organization"},
        {"/workspaces", "data.0", "Workspace"},
        {"/users", "data.0", "User"},
        {"/memberships", "data.0", "Membership"},
        {"/keys", "data.0", "Key"},
        {"/providers", "data.0", "Provider"},
        {"/models", "data.0", "Model"},
        {"/data-plane-groups", "data.0", "DataPlaneGroup"},
        {"/admin-tokens", "data.0", "AdminToken"},
        {"/audit", "data.0", "AuditEntry"},
        {"/status", "", "Status"},
        {"/session", "", "Session"},
        {"/export", "", "Manifest"},
    };
    (void)state;
    FILE *f = fopen("docs/openapi.json", "re");
    assert_non_null(f);
    document_text[fread(document_text, 1, sizeof document_text - 1, f)] = '\0';
    (void)fclose(f);
    as(platform_token);
    snprintf(fx.organization, sizeof fx.organization, "acme");
    assert_status(call("POST", "/providers", "{\"name\":\"p\",\"kind\":\"openai\"}"), 201);
    assert_status(call("POST", "/models",
                       "{\"name\":\"m\",\"targets\":[{\"provider\":\"p\",\"model\":\"x\"}]}"),
                  201);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool several = strcmp(cases[i].path, "/export") == 0;
        struct answer a = call("GET", several ? "/export?workspace=main" : cases[i].path, NULL);
        assert_status(a, 200);
        assert_described(&a, cases[i].part, cases[i].schema);
    }
    fx.organization[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_stand_for_roles),
        cmocka_unit_test(tenants_do_not_see_each_other),
        cmocka_unit_test(bodies_are_refused_by_field),
        cmocka_unit_test(broken_json_is_refused_with_its_position),
        cmocka_unit_test(lists_come_in_pages),
        cmocka_unit_test(a_repeated_call_has_one_effect),
        cmocka_unit_test(members_are_managed_within_ones_own_rank),
        cmocka_unit_test(a_workspace_role_reaches_its_workspace_only),
        cmocka_unit_test(sign_in_is_throttled),
        cmocka_unit_test(groups_name_what_they_serve),
        cmocka_unit_test(tenants_go_when_they_are_empty),
        cmocka_unit_test(answers_are_as_described),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}

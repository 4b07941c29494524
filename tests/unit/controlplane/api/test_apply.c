/* The declarative document: idempotent by name, secrets kept, pruned on request, and export gives
 * it back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"

#define DOCUMENT                                                                                   \
    "\"version\":1,\"providers\":[{\"name\":\"openai\",\"kind\":\"openai\",\"base_url\":\"http://" \
    "127.0.0.1:9/v1\","                                                                            \
    "\"api_key\":\"sk-one\",\"settings\":{\"b\":1,\"a\":[1.5,2]}}],"                               \
    "\"models\":[{\"name\":\"gpt-4o\",\"targets\":[{\"provider\":\"openai\",\"model\":\"gpt-4o\"}" \
    ","                                                                                            \
    "{\"provider\":\"openai\",\"model\":\"gpt-4o-mini\",\"weight\":3}]}],"                         \
    "\"keys\":[{\"name\":\"dev\",\"models\":[\"gpt-*\"]},{\"name\":\"own\",\"secret\":\"brought "  \
    "by the user\"}]"

static void applies_once(void **state)
{
    (void)state;
    struct answer a = call("POST", "/apply", "{" DOCUMENT ",\"dry_run\":true}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "keys.created.0"), "dev");
    a = call("GET", "/keys", NULL);
    assert_string_equal(at(&a, "data.0.id"), ""); /* a dry run leaves nothing */
    a = call("POST", "/apply", "{" DOCUMENT "}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "providers.created.0"), "openai");
    assert_string_equal(at(&a, "models.created.0"), "gpt-4o");
    assert_string_equal(at(&a, "secrets.0.name"), "dev");
    assert_true(strncmp(at(&a, "secrets.0.secret"), "wr_live_", 8) == 0);
    assert_string_equal(at(&a, "secrets.1.name"), ""); /* the brought one is not repeated */
    a = call("POST", "/apply", "{" DOCUMENT "}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "providers.unchanged.0"), "openai");
    assert_string_equal(at(&a, "models.unchanged.0"), "gpt-4o");
    assert_string_equal(at(&a, "keys.unchanged.1"), "own");
    assert_string_equal(at(&a, "secrets.0.name"), "");
}

static void an_unchanged_document_writes_no_version(void **state)
{
    (void)state;
    struct answer a = call("GET", "/status", NULL);
    char before[32];
    snprintf(before, sizeof before, "%s", at(&a, "config_version"));
    assert_status(call("POST", "/apply", "{" DOCUMENT "}"), 200);
    a = call("GET", "/status", NULL);
    assert_string_equal(at(&a, "config_version"), before);
}

static void export_is_a_fix_point(void **state)
{
    (void)state;
    static char first[1 << 16], second[1 << 16];
    struct answer a = call("GET", "/export", NULL);
    assert_status(a, 200);
    snprintf(first, sizeof first, "%s", a.body);
    assert_null(strstr(first, "sk-one"));
    assert_null(strstr(first, "brought"));
    a = call("POST", "/apply", "%s", first);
    assert_status(a, 200);
    assert_string_equal(at(&a, "providers.updated"), "[]");
    assert_string_equal(at(&a, "models.updated"), "[]");
    assert_string_equal(at(&a, "keys.updated"), "[]");
    assert_string_equal(at(&a, "keys.unchanged.0"), "dev");
    a = call("GET", "/export", NULL);
    snprintf(second, sizeof second, "%s", a.body);
    assert_string_equal(first, second);
}

static void what_a_file_owns_is_read_only_elsewhere(void **state)
{
    (void)state;
    char path[128];
    struct answer a = call("GET", "/providers?name=openai", NULL);
    assert_string_equal(at(&a, "data.0.owned_by"), "file");
    snprintf(path, sizeof path, "/providers/%s", at(&a, "data.0.id"));
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    a = call("PATCH", path, "{\"disabled\":true}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "owned_by");
    assert_status(call("DELETE", path, NULL), 409);
    a = call("GET", "/keys?name=own", NULL);
    snprintf(path, sizeof path, "/keys/%s", at(&a, "data.0.id"));
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    assert_status(call("PATCH", path, "{\"disabled\":true}"), 409);
    assert_status(call("DELETE", path, NULL), 200); /* revoking is always allowed */
    /* and stands: the same secret does not come back to life */
    a = call("POST", "/apply", "{" DOCUMENT "}");
    assert_status(a, 409);
    assert_string_equal(at(&a, "error.param"), "keys[1].secret");
}

static void a_failing_item_undoes_all(void **state)
{
    (void)state;
    struct answer a = call(
        "POST", "/apply",
        "{\"version\":1,\"providers\":[{\"name\":\"new\",\"kind\":\"openai\"}],"
        "\"models\":[{\"name\":\"m\",\"targets\":[{\"provider\":\"nope\",\"model\":\"x\"}]}]}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "models[0].targets[0].provider");
    a = call("GET", "/providers?name=new", NULL);
    assert_string_equal(at(&a, "data.0.id"), "");
    a = call("POST", "/apply", "{\"version\":2}");
    assert_string_equal(at(&a, "error.param"), "version");
    a = call("POST", "/apply", "{\"version\":1,\"keys\":[{\"name\":\"a\"},{\"name\":\"A\"}]}");
    assert_status(a, 400);
    assert_string_equal(at(&a, "error.param"), "keys[1].name");
}

static void absent_fields_mean_defaults_and_prune_deletes(void **state)
{
    (void)state;
    struct answer a = call("POST", "/apply", "{\"version\":1,\"keys\":[{\"name\":\"dev\"}]}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "keys.updated.0"), "dev");
    a = call("GET", "/keys?name=dev", NULL);
    assert_string_equal(at(&a, "data.0.models.0"), "*");
    a = call("POST", "/models",
             "{\"name\":\"by-hand\",\"targets\":[{\"provider\":\"openai\",\"model\":\"x\"}]}");
    assert_status(a, 201);
    a = call("POST", "/apply", "{\"version\":1,\"models\":[],\"prune\":true}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "models.deleted.0"), "gpt-4o");
    assert_string_equal(at(&a, "models.deleted.1"), ""); /* what no file owns stays */
    assert_string_equal(at(&a, "providers.deleted"),
                        "[]"); /* a section that is not given is left alone */
    a = call("POST", "/apply", "{\"version\":1,\"keys\":[],\"prune\":true}");
    assert_string_equal(at(&a, "keys.deleted.0"), "dev");
    a = call("GET", "/keys?name=dev", NULL);
    assert_string_equal(at(&a, "data.0.status"), "revoked");
}

static int setup(void **state)
{
    bool ok = fixture_setup(state) == 0 && sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).status == 201 &&
              call("POST", "/organizations", "{\"name\":\"acme\"}").status == 201 &&
              call("POST", "/workspaces", "{\"name\":\"main\"}").status == 201;
    return ok ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applies_once),
        cmocka_unit_test(an_unchanged_document_writes_no_version),
        cmocka_unit_test(export_is_a_fix_point),
        cmocka_unit_test(what_a_file_owns_is_read_only_elsewhere),
        cmocka_unit_test(a_failing_item_undoes_all),
        cmocka_unit_test(absent_fields_mean_defaults_and_prune_deletes),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}

/* What a kind needs is flat in bodies and answers, merged by PATCH, kept apart from secrets, which
 * are named and never shown, and given back by export. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "api_fixture.h"
#include "common/rules/provider.h"

static char path[80];

static struct answer patch(const char *body)
{
    snprintf(fx.extra, sizeof fx.extra, "If-Match: *\r\n");
    return call("PATCH", path, "%s", body);
}

static void settings_are_flat_and_secrets_named(void **state)
{
    (void)state;
    struct answer a = call("POST", "/providers",
                           "{\"name\":\"bed\",\"kind\":\"aws-bedrock\",\"region\":\"eu-west-1\","
                           "\"aws_access_key_id\":\"AKIA\",\"aws_secret_access_key\":\"very-secret-"
                           "one\",\"headers\":{\"x-a\":\"b\"},\"drop_params\":[\"user\"]}");
    assert_status(a, 201);
    snprintf(path, sizeof path, "/providers/%s", at(&a, "id"));
    assert_string_equal(at(&a, "kind"), "bedrock");
    assert_string_equal(at(&a, "region"), "eu-west-1");
    assert_string_equal(at(&a, "headers.x-a"), "b");
    assert_string_equal(at(&a, "drop_params.0"), "user");
    assert_string_equal(at(&a, "secrets.0"), "aws_secret_access_key");
    assert_null(strstr(a.body, "very-secret"));
    a = patch("{\"aws_session_token\":\"more-secret\",\"aws_access_key_id\":null}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "secrets.0"), "aws_secret_access_key"); /* merged */
    assert_string_equal(at(&a, "secrets.1"), "aws_session_token");
    assert_string_equal(at(&a, "region"), "eu-west-1");
    assert_string_equal(at(&a, "aws_access_key_id"), "");
    a = patch("{\"aws_session_token\":null,\"aws_secret_access_key\":null}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "secrets"), "[]");
}

static void a_secret_does_not_move_with_the_provider(void **state)
{
    (void)state;
    assert_status(patch("{\"aws_secret_access_key\":\"very-secret-one\"}"), 200);
    static const char *const moves[] = {"{\"region\":\"evil\"}",
                                        "{\"base_url\":\"https://evil.example.test\"}",
                                        "{\"kind\":\"openai\"}"};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = patch(moves[i]);
        assert_status(a, 400);
        assert_string_equal(at(&a, "error.param"), "api_key");
    }
    struct answer a = patch("{\"region\":\"eu-west-2\",\"aws_session_token\":\"t\"}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "secrets.0"), "aws_session_token"); /* only what came with it */
    assert_string_equal(at(&a, "secrets.1"), "");
    /* another kind knows other settings */
    a = patch("{\"kind\":\"openai\",\"api_key\":\"sk-new-one-for-this\"}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "region"), "");
    assert_string_equal(at(&a, "headers.x-a"), "");
    assert_string_equal(at(&a, "secrets.0"), "api_key");
    assert_string_equal(at(&a, "secrets.1"), "");
}

static void keys_are_a_list_that_is_replaced_whole(void **state)
{
    (void)state;
    struct answer a = call("POST", "/providers",
                           "{\"name\":\"many\",\"kind\":\"openai\",\"api_keys\":"
                           "[\"sk-first-of-many\",\"sk-second\",\"sk-first-of-many\"]}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "api_keys_count"), "2");
    assert_string_equal(at(&a, "secrets.0"), "api_keys");
    assert_null(strstr(a.body, "sk-second"));
    assert_true(strlen(at(&a, "api_key_mask")) > 0);
    (void)snprintf(path, sizeof path, "/providers/%s", at(&a, "id"));
    a = patch("{\"api_key\":\"sk-before-them\"}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "api_keys_count"), "3");
    a = patch("{\"api_keys\":[\"sk-third\"],\"api_key\":null}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "api_keys_count"), "1");
    a = patch("{\"api_keys\":[]}");
    assert_status(a, 200);
    assert_string_equal(at(&a, "api_keys_count"), "0");
    assert_string_equal(at(&a, "api_key_mask"), "");
    static const char *const bad[][2] = {{"\"sk-1\"", "api_keys"},
                                         {"[\"sk-1\",7]", "api_keys[1]"},
                                         {"[\"\"]", "api_keys[0]"},
                                         {"[\"a\\nb\"]", "api_keys[0]"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a = call("POST", "/providers", "{\"name\":\"none\",\"kind\":\"openai\",\"api_keys\":%s}",
                 bad[i][0]);
        assert_status(a, 400);
        assert_string_equal(at(&a, "error.param"), bad[i][1]);
    }
}

static void health_checks_are_checked(void **state)
{
    (void)state;
    struct answer a = call("POST", "/providers",
                           "{\"name\":\"well\",\"kind\":\"openai\",\"health_check\":"
                           "{\"interval_ms\":2000,\"path\":\"/health\"}}");
    assert_status(a, 201);
    assert_string_equal(at(&a, "health_check.interval_ms"), "2000");
    (void)snprintf(path, sizeof path, "/providers/%s", at(&a, "id"));
    a = patch("{\"timeout_ms\":5}");
    assert_string_equal(at(&a, "health_check.path"), "/health");
    a = patch("{\"health_check\":null}");
    assert_status(a, 200);
    assert_null(strstr(a.body, "health_check"));
    static const char *const bad[] = {"7", "{\"interval_ms\":5}", "{\"every\":1}",
                                      "{\"path\":\"health\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        a = call("POST", "/providers",
                 "{\"name\":\"none\",\"kind\":\"openai\",\"health_check\":%s}", bad[i]);
        assert_status(a, 400);
        assert_string_equal(at(&a, "error.param"), "health_check");
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } cases[] = {
        {"\"kind\":\"quantum\"", "kind"},
        {"\"kind\":\"bedrock\"", "region"},
        {"\"kind\":\"custom\"", "base_url"},
        {"\"kind\":\"openai\",\"region\":\"x\"", "region"},
        {"\"kind\":\"bedrock\",\"region\":7", "region"},
        {"\"kind\":\"vertex\",\"project\":\"p\",\"service_account\":\"file:/etc/passwd\"",
         "service_account"},
        {"\"kind\":\"vertex\",\"project\":\"env:HOME\"", "project"},
        {"\"kind\":\"openai\",\"headers\":{\"a\":1}", "headers.a"},
        {"\"kind\":\"openai\",\"headers\":{\"a\":\"b\\r\\nc\"}", "headers.a"},
        {"\"kind\":\"openai\",\"headers\":{\"a: b\":\"c\"}", "headers"},
        {"\"kind\":\"openai\",\"headers\":{\"Host\":\"c\"}", "headers.Host"},
        {"\"kind\":\"openai\",\"settings\":{\"headers\":{\"a\":\"b\\nc\"}}", "settings.headers.a"},
        {"\"kind\":\"openai\",\"settings\":{\"region\":\"x\"}", "settings.region"},
        {"\"kind\":\"openai\",\"rename_params\":{\"a\":\"\"}", "rename_params.a"},
        {"\"kind\":\"openai\",\"drop_params\":{}", "drop_params"},
        {"\"kind\":\"openai\",\"settings\":{\"client_secret\":\"x\"}", "settings.client_secret"},
        {"\"kind\":\"custom\",\"base_url\":\"http://h\",\"auth\":\"basic\"", "auth"},
        {"\"kind\":\"custom\",\"base_url\":\"http://h\",\"dialect\":\"morse\"", "dialect"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answer a = call("POST", "/providers", "{\"name\":\"w\",%s}", cases[i].body);
        if (a.status != 400 || strcmp(at(&a, "error.param"), cases[i].param) != 0) {
            fail_msg("%s: %d %s", cases[i].body, a.status, at(&a, "error.param"));
        }
    }
}

static void every_setting_is_a_field(void **state)
{
    (void)state;
    size_t n;
    const struct provider_setting *all = provider_settings(&n);
    for (size_t i = 0; i < n; i++) {
        struct answer a =
            call("POST", "/providers", "{\"name\":\"w\",\"kind\":\"nope\",\"%s\":1}", all[i].name);
        assert_status(a, 400);
        assert_string_equal(at(&a, "error.param"), "kind"); /* not: unknown field */
    }
    struct answer a = call("GET", "/provider-kinds", NULL);
    assert_status(a, 200);
    assert_string_equal(at(&a, "data.0.kind"), "openai");
    assert_string_equal(at(&a, "data.0.settings.0.name"), "organization");
    assert_string_equal(at(&a, "data.0.settings.0.required"), "false");
    const char *bedrock = strstr(a.body, "\"name\":\"region\"");
    assert_non_null(bedrock);
    assert_non_null(strstr(bedrock, "\"secret\":false,\"required\":true"));
}

static void documents_carry_settings_and_endpoints(void **state)
{
    (void)state;
#define DOCUMENT                                                                                 \
    "\"version\":1,\"providers\":[{\"name\":\"v\",\"kind\":\"vertex\",\"project\":\"p\","        \
    "\"location\":\"europe-west4\",\"service_account\":{\"private_key\":\"pk-secret\"},"         \
    "\"settings\":{\"own\":1}}],\"models\":[{\"name\":\"g-*\",\"targets\":[{\"provider\":\"v\"," \
    "\"model\":\"*\",\"endpoint\":\"generate\"}]}]"
    assert_status(call("POST", "/apply", "{" DOCUMENT "}"), 200);
    struct answer a = call("POST", "/apply", "{" DOCUMENT "}");
    assert_string_equal(at(&a, "providers.unchanged.0"), "v");
    assert_string_equal(at(&a, "models.unchanged.0"), "g-*");
    a = call("GET", "/export", NULL);
    assert_status(a, 200);
    size_t i = strcmp(at(&a, "providers.0.name"), "v") == 0 ? 0 : 1;
    char at_field[60];
    static const char *const fields[][2] = {
        {"project", "p"}, {"location", "europe-west4"}, {"settings.own", "1"}};
    for (size_t k = 0; k < 3; k++) {
        snprintf(at_field, sizeof at_field, "providers.%zu.%s", i, fields[k][0]);
        assert_string_equal(at(&a, at_field), fields[k][1]);
    }
    assert_string_equal(at(&a, "models.0.targets.0.endpoint"), "generate");
    assert_null(strstr(a.body, "pk-secret"));
    static const char *const bad[] = {"{\"name\":\"a*b\",\"targets\":[{\"provider\":\"v\","
                                      "\"model\":\"x\"}]}",
                                      "{\"name\":\"a\",\"targets\":[{\"provider\":\"v\","
                                      "\"model\":\"x*\"}]}",
                                      "{\"name\":\"a\",\"targets\":[{\"provider\":\"v\","
                                      "\"model\":\"x\",\"endpoint\":\"morse\"}]}"};
    static const char *const params[] = {"name", "targets[0].model", "targets[0].endpoint"};
    for (i = 0; i < 3; i++) {
        a = call("POST", "/models", "%s", bad[i]);
        assert_status(a, 400);
        assert_string_equal(at(&a, "error.param"), params[i]);
    }
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
        cmocka_unit_test(settings_are_flat_and_secrets_named),
        cmocka_unit_test(a_secret_does_not_move_with_the_provider),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(every_setting_is_a_field),
        cmocka_unit_test(documents_carry_settings_and_endpoints),
        cmocka_unit_test(keys_are_a_list_that_is_replaced_whole),
        cmocka_unit_test(health_checks_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, fixture_teardown);
}

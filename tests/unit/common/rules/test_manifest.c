/* Promises of common/rules/manifest.h, and that the examples in docs/ keep them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/json.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

static struct arena *a;
static struct error err;
static struct manifest m;

static int setup(void **state)
{
    (void)state;
    a = arena_new(0);
    setenv("WEIRTEST_SECRET", "sk-upstream", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(a);
    return 0;
}

static bool parse(const char *text)
{
    struct yaml_node *root;
    err = (struct error)ERROR_INIT;
    return yaml_parse(str_of(text), 0, a, &root, &err) && manifest_parse(root, a, &m, &err);
}

static void reads_every_field(void **state)
{
    (void)state;
    assert_true(parse(
        "version: 1\n"
        "providers:\n"
        "- {name: p, kind: openai, base_url: 'http://[::1]:9/v1', api_key: 'env:WEIRTEST_SECRET',\n"
        "   timeout_ms: 5000}\n"
        "- {name: q, kind: openai}\n"
        "models:\n"
        "- {name: org/m, targets: [{provider: p, model: x, weight: 3}, {provider: q, model: y}]}\n"
        "keys:\n"
        "- {name: k, secret: literal, models: [a, 'b*'], providers: [q, 'p*'], disabled: true,\n"
        "   expires_at: 2026-11-21T22:53:31Z}\n"
        "- {name: l, models: [], expires_at: 1795301611}\n"
        "settings: {workers: 2}\n"));
    assert_int_equal(m.n_providers, 2);
    assert_true(str_eqz(m.providers[0].base_url, "http://[::1]:9/v1"));
    assert_true(str_eqz(m.providers[0].api_key, "sk-upstream"));
    assert_int_equal(m.providers[0].timeout_ms, 5000);
    assert_null(m.providers[1].api_key.ptr);
    assert_int_equal(m.providers[1].base_url.len, 0);
    assert_non_null(m.providers[1].base_url.ptr);
    assert_int_equal(m.providers[1].line, 5);
    assert_int_equal(m.models[0].n_targets, 2);
    assert_int_equal(m.models[0].targets[0].weight, 3);
    assert_int_equal(m.models[0].targets[1].weight, 1);
    assert_true(str_eqz(m.models[0].targets[1].provider, "q"));
    assert_true(str_eqz(m.keys[0].secret, "literal") && m.keys[0].disabled);
    assert_int_equal(m.keys[0].n_models, 2);
    assert_true(str_eqz(m.keys[0].models[1], "b*"));
    assert_true(m.keys[0].expires_at_ms == 1795301611000ull);
    assert_int_equal(m.keys[1].n_models, 0);
    assert_int_equal(m.keys[1].n_providers, 1);
    assert_true(str_eqz(m.keys[1].providers[0], "*"));
    assert_null(m.keys[1].secret.ptr);
    assert_true(m.keys[1].expires_at_ms == 1795301611000ull);
    assert_non_null(yaml_get(m.settings, "workers"));
}

static void settings_and_secrets_go_apart(void **state)
{
    (void)state;
    setenv("WEIRTEST_REGION", "eu-west-1", 1);
    assert_true(parse(
        "version: 1\n"
        "providers:\n"
        "- {name: b, kind: aws-bedrock, region: 'env:WEIRTEST_REGION', aws_access_key_id: AKIA,\n"
        "   aws_secret_access_key: 'env:WEIRTEST_SECRET', headers: {X-A: 'b \"c\"'},\n"
        "   drop_params: [user, seed], rename_params: {max_tokens: 'max'}}\n"
        "- {name: v, kind: vertex, project: p, service_account: '{\"a\": 1}', api_key: k}\n"
        "- {name: c, kind: custom, base_url: 'http://h', dialect: [chat, messages],\n"
        "   auth: 'header:x-key', api_key: k}\n"
        "- {name: z, kind: azure, base_url: 'https://r.openai.azure.com', api_version: "
        "2024-10-21}\n"
        "models:\n"
        "- {name: 'gpt-*', targets: [{provider: b, model: 'x-*', endpoint: invoke}]}\n"));
    unsetenv("WEIRTEST_REGION");
    assert_true(str_eqz(m.providers[0].kind, "bedrock"));
    assert_true(str_eqz(m.providers[0].settings_json,
                        "{\"region\":\"eu-west-1\",\"aws_access_key_id\":\"AKIA\",\"headers\":{"
                        "\"X-A\":\"b \\\"c\\\"\"},\"rename_params\":{\"max_tokens\":\"max\"},"
                        "\"drop_params\":[\"user\",\"seed\"]}"));
    assert_true(str_eqz(m.providers[0].credential, "{\"aws_secret_access_key\":\"sk-upstream\"}"));
    assert_true(str_eqz(m.providers[1].credential,
                        "{\"api_key\":\"k\",\"service_account\":\"{\\\"a\\\": 1}\"}"));
    assert_true(str_eqz(m.providers[2].credential, "k"));
    assert_true(str_eqz(m.providers[2].settings_json,
                        "{\"dialect\":\"chat messages\",\"auth\":\"header:x-key\"}"));
    assert_true(str_eqz(m.providers[3].settings_json, "{\"api_version\":\"2024-10-21\"}"));
    assert_null(m.providers[3].credential.ptr);
    assert_true(str_eqz(m.models[0].targets[0].endpoint, "invoke"));
}

static void routing_fields_and_documents_are_read(void **state)
{
    (void)state;
    assert_true(parse(
        "version: 1\n"
        "providers:\n"
        "- {name: p, kind: openai, api_key: k0, api_keys: ['env:WEIRTEST_SECRET', k2],\n"
        "   health_check: {interval_ms: 5000, failures: 3}}\n"
        "- {name: q, kind: openai, health_check: true}\n"
        "models:\n"
        "- {name: m, config: 'r@production'}\n"
        "- {name: n, config: r, targets: [{provider: p, model: x}]}\n"
        "keys:\n"
        "- {name: k, config: r, config_locked: true, tags: [a, 'b c']}\n"
        "configs:\n"
        "- name: r\n"
        "  description: about it\n"
        "  labels: [production, v-2_x]\n"
        "  document:\n"
        "    strategy: {mode: weighted}\n"
        "    targets:\n"
        "    - {provider: '@p', weight: 0.7, override_params: {seed: '7', user: ~, n: 0x10}}\n"
        "    - {provider: '@q', api_key: 'env:WEIRTEST_SECRET', request_timeout: 50}\n"
        "prompts:\n"
        "- {name: h, document: {messages: [{role: user, content: 'Hi {{name}}'}]}}\n"
        "- {name: s, partial: true, document: 'bye {{name}}'}\n"));
    assert_true(str_eqz(m.providers[0].credential,
                        "{\"api_key\":\"k0\",\"api_keys\":[\"sk-upstream\",\"k2\"]}"));
    assert_int_equal(m.providers[0].n_api_keys, 2);
    assert_true(str_eqz(m.providers[0].settings_json,
                        "{\"health_check\":{\"interval_ms\":5000,\"failures\":3}}"));
    assert_true(str_eqz(m.providers[1].settings_json, "{\"health_check\":{}}"));
    assert_null(m.providers[1].credential.ptr);
    assert_true(str_eqz(m.models[0].config, "r@production") && m.models[0].n_targets == 0);
    assert_int_equal(m.models[1].n_targets, 1);
    assert_true(str_eqz(m.keys[0].config, "r") && m.keys[0].config_locked);
    assert_int_equal(m.keys[0].n_tags, 2);
    assert_true(str_eqz(m.keys[0].tags[1], "b c"));
    assert_int_equal(m.n_configs, 1);
    assert_true(str_eqz(m.configs[0].description, "about it"));
    assert_int_equal(m.configs[0].n_labels, 2);
    assert_true(str_eqz(
        m.configs[0].json,
        "{\"strategy\":{\"mode\":\"weighted\"},\"targets\":["
        "{\"provider\":\"@p\",\"weight\":0.7,\"override_params\":{\"seed\":\"7\",\"user\":null,"
        "\"n\":16}},"
        "{\"provider\":\"@q\",\"api_key\":\"sk-upstream\",\"request_timeout\":50}]}"));
    assert_int_equal(m.n_prompts, 2);
    assert_false(m.prompts[0].partial);
    assert_true(m.prompts[1].partial && str_eqz(m.prompts[1].json, "\"bye {{name}}\""));
}

/* YAML's core schema: what JSON has, with its own spelling; everything else stays a text. */
static void yaml_values_become_json_values(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } cases[] = {
        {"1", "1"},
        {"-1.50", "-1.50"},
        {"1e3", "1e3"},
        {"+5", "5"},
        {"007", "7"},
        {"-007.5", "-7.5"},
        {".5", "0.5"},
        {"-.5", "-0.5"},
        {"1.", "1"},
        {"1.e2", "1e2"},
        {"0x1F", "31"},
        {"0o17", "15"},
        {"0o8", "\"0o8\""},
        {"0x", "\"0x\""},
        {"true", "true"},
        {"'true'", "\"true\""},
        {"'1'", "\"1\""},
        {"~", "null"},
        {"null", "null"},
        {"''", "\"\""},
        {"no", "\"no\""},
        {"1.2.3", "\"1.2.3\""},
        {".", "\".\""},
        {"-x", "\"-x\""},
        {".inf", "\".inf\""},
        {"1 2", "\"1 2\""},
        {"12:30", "\"12:30\""},
        {"1e", "\"1e\""},
        {"[]", "[]"},
        {"{}", "{}"},
        {"[1, {a: b}]", "[1,{\"a\":\"b\"}]"},
        {"\"a\\n\\u00e9\"", "\"a\\n\xc3\xa9\""},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str text = arena_printf(a, "v: %s", cases[i].yaml);
        struct yaml_node *root;
        struct json_writer w;
        struct buffer b;
        assert_true(yaml_parse(text, 0, a, &root, &err));
        buffer_init(&b, 4096);
        json_writer_init(&w, &b);
        manifest_put_json(yaml_get(root, "v"), &w);
        assert_false(b.failed);
        buffer_append(&b, "", 1);
        assert_string_equal(b.ptr, cases[i].json);
        buffer_release(&b);
    }
}

static void a_document_s_mistake_is_found_in_the_file(void **state)
{
    (void)state;
    assert_false(parse("version: 1\n"
                       "configs:\n"
                       "- name: r\n"
                       "  document:\n"
                       "    strategy: {mode: fallback}\n"
                       "    targets:\n"
                       "    - provider: openai\n"
                       "      retry:\n"
                       "        attempts: 11\n"));
    assert_int_equal(err.line, 9);
    assert_int_equal(err.column, 19);
    assert_string_equal(err.param, "configs[0].document.targets[0].retry.attempts");
    assert_false(parse("version: 1\nconfigs: [{name: r, document: {stratgy: {mode: single}, "
                       "provider: openai}}]\n"));
    assert_int_equal(err.line, 2);
    assert_non_null(strstr(err.text, "strategy"));
    assert_false(parse("version: 1\nconfigs:\n- name: r\n  document: {provider: openai,\n"
                       "    api_key: 'env:WEIRTEST_UNSET'}\n"));
    assert_int_equal(err.line, 5);
    assert_non_null(strstr(err.text, "WEIRTEST_UNSET"));
    assert_false(parse("version: 1\nprompts:\n- name: h\n  document:\n    messages:\n"
                       "    - {role: user, content: '{{#open}}'}\n"));
    assert_true(err.line >= 4 && err.line <= 6);
    assert_true(strncmp(err.param, "prompts[0].document", 19) == 0);
}

static void the_least_manifest(void **state)
{
    (void)state;
    assert_true(parse("version: 1"));
    assert_int_equal(m.n_providers + m.n_models + m.n_keys, 0);
    assert_null(m.settings);
    assert_true(parse("{\"version\": 1, \"keys\": [{\"name\": \"k\"}]}"));
    assert_true(m.keys[0].n_models == 1 && !m.keys[0].disabled && m.keys[0].expires_at_ms == 0);
}

#define P "version: 1\nproviders: [{name: p, kind: openai}]\n"

static const struct {
    const char *text, *want, *param;
    int line, column;
} mistakes[] = {
    {"", "missing field \"version\" (it must be 1)", "version", 1, 1},
    {"version: 2", "version must be 1", "version", 1, 10},
    {"version: one", "version must be a whole number", "version", 1, 10},
    {"- a", "a manifest must be a map", "", 1, 1},
    {"version: 1\nkyes: []", "unknown field \"kyes\" (did you mean \"keys\"?)", "kyes", 2, 1},
    {"version: 1\nroutes: []", "unknown field \"routes\"", "routes", 2, 1},
    {"version: 1\nproviders: {}", "providers must be a list", "providers", 2, 12},
    {"version: 1\nproviders: [x]", "providers[0] must be a map", "providers[0]", 2, 13},
    {"version: 1\nproviders:\n- name: p\n  kind: openai\n  base_ulr: x",
     "unknown field \"base_ulr\" (did you mean \"base_url\"?)", "providers[0].base_ulr", 5, 3},
    {"version: 1\nproviders: [{kind: openai}]", "missing field \"name\"", "providers[0].name", 2,
     13},
    {"version: 1\nproviders: [{name: p}]", "missing field \"kind\"", "providers[0].kind", 2, 13},
    {"version: 1\nproviders: [{name: ~, kind: openai}]", "name must be a text that is not empty",
     "providers[0].name", 2, 20},
    {"version: 1\nproviders: [{name: p, kind: quantum}]", "unknown kind \"quantum\"",
     "providers[0].kind", 2, 29},
    {"version: 1\nproviders: [{name: p, kind: openai, base_url: 'ftp://x'}]",
     "base_url must be an http:// or https:// URL without user, query or fragment",
     "providers[0].base_url", 2, 47},
    {"version: 1\nproviders: [{name: p, kind: openai, timeout_ms: 86400001}]",
     "timeout_ms may be at most 86400000", "providers[0].timeout_ms", 2, 49},
    {"version: 1\nproviders: [{name: p, kind: openai, api_key: 'env:WEIRTEST_UNSET'}]",
     "api_key: environment variable \"WEIRTEST_UNSET\" is not set", "providers[0].api_key", 2, 46},
    {"version: 1\nproviders: [{name: p, kind: azure}]",
     "provider of kind \"azure-openai\" needs a base_url", "providers[0].base_url", 2, 13},
    {"version: 1\nproviders: [{name: p, kind: bedrock}]",
     "provider of kind \"bedrock\" needs region", "providers[0].region", 2, 13},
    {"version: 1\nproviders: [{name: p, kind: openai, region: x}]",
     "\"region\" is no setting of kind \"openai\"", "providers[0].region", 2, 37},
    {"version: 1\nproviders: [{name: p, kind: bedrock, regoin: x}]",
     "unknown field \"regoin\" (did you mean \"region\"?)", "providers[0].regoin", 2, 38},
    {"version: 1\nproviders: [{name: p, kind: openai, headers: [a]}]",
     "headers must be a map of texts", "providers[0].headers", 2, 46},
    {"version: 1\nproviders: [{name: p, kind: custom, base_url: 'http://h', dialect: morse}]",
     "\"morse\" is no operation or dialect", "providers[0].dialect", 2, 68},
    {"version: 1\nproviders: [{name: p, kind: custom, base_url: 'http://h', auth: basic}]",
     "auth must be bearer, none, header:NAME or query:NAME", "providers[0].auth", 2, 65},
    {"version: 1\nproviders:\n- {name: p, kind: openai}\n- {name: p, kind: openai}",
     "name \"p\" is used twice", "providers[1].name", 4, 10},
    {P "models: [{name: m}]", "targets must hold at least one", "models[0].targets", 3, 10},
    {P "models: [{name: m, targets: []}]", "targets must hold at least one", "models[0].targets", 3,
     29},
    {P "models: [{name: m, targets: [{provider: q, model: x}]}]", "no provider is named \"q\"",
     "models[0].targets[0].provider", 3, 41},
    {P "models: [{name: m, targets: [{provider: p}]}]", "missing field \"model\"",
     "models[0].targets[0].model", 3, 30},
    {P "models: [{name: m, targets: [{provider: p, model: x, weight: 0}]}]",
     "at least one target needs a weight above 0", "models[0].targets", 3, 29},
    {P "models: [{name: m, targets: [{provider: p, model: x, weight: -1}]}]",
     "weight must be a whole number", "models[0].targets[0].weight", 3, 62},
    {P "models:\n- {name: m, targets: [{provider: p, model: x}]}\n"
       "- {name: m, targets: [{provider: p, model: x}]}",
     "name \"m\" is used twice", "models[1].name", 5, 10},
    {P "models: [{name: m, targets: [{provider: p, model: x, endpoint: morse}]}]",
     "unknown endpoint \"morse\"", "models[0].targets[0].endpoint", 3, 64},
    {P "models: [{name: 'a*b', targets: [{provider: p, model: x}]}]",
     "a '*' may stand only at the end of a name", "models[0].name", 3, 17},
    {P "models: [{name: a, targets: [{provider: p, model: 'x*'}]}]",
     "a target's model may hold a '*' only where the name has one", "models[0].targets", 3, 51},
    {P "keys: [{name: k, disabled: no}]", "disabled must be true or false", "keys[0].disabled", 3,
     28},
    {P "keys: [{name: k, models: '*'}]", "models must be a list", "keys[0].models", 3, 26},
    {P "keys: [{name: k, models: [a b]}]", "models[0] must be a name or a pattern such as \"*\"",
     "keys[0].models[0]", 3, 27},
    {P "keys: [{name: k, providers: [p, q]}]", "no provider is named \"q\"", "keys[0].providers[1]",
     3, 33},
    {P "keys: [{name: k, expires_at: tomorrow}]",
     "expires_at must be a time such as 2027-01-31T00:00:00Z, or Unix seconds",
     "keys[0].expires_at", 3, 30},
    {P "keys: [{name: k, secret: s1}, {name: l, secret: s1}]",
     "secret is the same as that of key \"k\"", "keys[1].secret", 3, 49},
    {P "models: [{name: m, config: ''}]", "config must be a text that is not empty",
     "models[0].config", 3, 28},
    {P "keys: [{name: k, config: 'a@@b'}]", "config must be NAME, NAME@VERSION or NAME@LABEL",
     "keys[0].config", 3, 26},
    {P "keys: [{name: k, config_locked: true}]", "config_locked needs a config",
     "keys[0].config_locked", 3, 33},
    {P "keys: [{name: k, tags: [[]]}]", "tags[0] must be a text of 1 to 100 bytes",
     "keys[0].tags[0]", 3, 25},
    {P "configs: [{name: r}]", "missing field \"document\"", "configs[0].document", 3, 11},
    {P "configs: [{name: r, document: [1]}]", "document must be a map", "configs[0].document", 3,
     31},
    {P "configs: [{name: r, partial: true, document: {}}]", "unknown field \"partial\"",
     "configs[0].partial", 3, 21},
    {P "configs: [{name: r, labels: [Latest], document: {}}]",
     "labels[0] must be lower-case letters, digits, '-' and '_', beginning with a letter, and "
     "not \"latest\"",
     "configs[0].labels[0]", 3, 30},
    {P "prompts: [{name: r, labels: [a, a], document: {}}]", "label \"a\" is used twice",
     "prompts[0].labels[1]", 3, 33},
    {"version: 1\nproviders: [{name: p, kind: openai, api_keys: []}]",
     "api_keys must hold 1 to 100 keys", "providers[0].api_keys", 2, 47},
    {"version: 1\nproviders: [{name: p, kind: openai, api_keys: ['env:WEIRTEST_UNSET']}]",
     "api_keys[0]: environment variable \"WEIRTEST_UNSET\" is not set", "providers[0].api_keys[0]",
     2, 48},
    {"version: 1\nproviders: [{name: p, kind: openai, health_check: {interval_ms: 5}}]",
     "interval_ms must be a number from 1000 to 86400000", "providers[0].health_check.interval_ms",
     2, 65},
    {"version: 1\nproviders: [{name: p, kind: openai, health_check: often}]",
     "health_check must be a map, true or false", "providers[0].health_check", 2, 51},
    {P "settings: [x]", "settings must be a map", "settings", 3, 11},
};

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        m.version = 77;
        assert_false(parse(mistakes[i].text));
        assert_string_equal(err.text, mistakes[i].want);
        assert_string_equal(err.param, mistakes[i].param);
        assert_int_equal(err.line, mistakes[i].line);
        assert_int_equal(err.column, mistakes[i].column);
        assert_int_equal(m.version, 77); /* untouched */
    }
}

static void names_keep_to_their_alphabet(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a/b",         "'@a'",
        "'-a'",        "'a b'",
        "\"\\u00e9\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct str text = arena_printf(a, "version: 1\nkeys: [{name: %s}]", bad[i]);
        assert_false(parse(text.ptr));
        assert_string_equal(err.param, "keys[0].name");
    }
    assert_true(parse("version: 1\nkeys: [{name: Team-1_a.b}]"));
}

static void examples_are_good(void **state)
{
    (void)state;
    static const char *const files[] = {"docs/examples/weir.yaml", "docs/examples/apply.yaml"};
    setenv("OPENAI_API_KEY", "sk-example", 1);
    setenv("WEIR_KEY", "dev-key", 1);
    setenv("WEIR_BATCH_KEY", "batch-key", 1);
    for (size_t i = 0; i < 2; i++) {
        struct yaml_node *root;
        assert_true(yaml_parse_file(files[i], 1 << 20, a, &root, &err));
        assert_true(manifest_parse(root, a, &m, &err));
        assert_true(m.n_providers >= 1 && m.n_models >= 1 && m.n_keys == 2);
        assert_true(str_eqz(m.providers[0].api_key, "sk-example"));
    }
    unsetenv("OPENAI_API_KEY");
    struct yaml_node *root;
    assert_true(yaml_parse_file(files[0], 1 << 20, a, &root, &err));
    assert_false(manifest_parse(root, a, &m, &err));
    assert_string_equal(err.param, "providers[0].api_key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field),
        cmocka_unit_test(settings_and_secrets_go_apart),
        cmocka_unit_test(routing_fields_and_documents_are_read),
        cmocka_unit_test(yaml_values_become_json_values),
        cmocka_unit_test(a_document_s_mistake_is_found_in_the_file),
        cmocka_unit_test(the_least_manifest),
        cmocka_unit_test(mistakes_are_named_with_their_place),
        cmocka_unit_test(names_keep_to_their_alphabet),
        cmocka_unit_test(examples_are_good),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* weir import: files of other gateways (tests/unit/cli/import/) against what is expected of them, a
 * manifest and a report each; that every manifest is one; and that nothing is dropped silently. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cli.h"
#include "cli/document.h"
#include "cli/run_cli.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define FOLDER "tests/unit/cli/import/"

static const struct {
    const char *source, *file, *expected;
} cases[] = {
    {"litellm", "litellm.yaml", "litellm"},
    {"litellm", "litellm_plain.yaml", "litellm_plain"},
    {"cloudflare", "cloudflare_route.json", "cloudflare_route"},
    {"cloudflare", "cloudflare_broken.json", "cloudflare_broken"},
    {"cloudflare", "cloudflare_universal.json", "cloudflare_universal"},
    {"cloudflare", "cloudflare_gateway.json", "cloudflare_gateway"},
    {"portkey", "portkey.json", "portkey"},
};

static int set_up(void **state)
{
    static const char *const variables[] = {
        "AZURE_API_BASE_EU", "AZURE_API_KEY_EU",  "AZURE_API_KEY_US",
        "OPENAI_API_KEY",    "BEDROCK_ID",        "BEDROCK_SECRET",
        "ANTHROPIC_API_KEY", "OPENAI_SHARED_KEY", "GROQ_API_KEY"};
    (void)state;
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        setenv(variables[i], strstr(variables[i], "BASE") ? "https://eu.example.com" : "x", 1);
    }
    return 0;
}

static char *read_file(const char *name)
{
    static char text[256 << 10];
    char path[128];
    (void)snprintf(path, sizeof path, FOLDER "%s", name);
    FILE *f = fopen(path, "r");
    if (!f) {
        fail_msg("cannot open %s", path);
        return text;
    }
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static struct ran import_file(const char *source, const char *file)
{
    char path[128];
    (void)snprintf(path, sizeof path, FOLDER "%s", file);
    return run_cli(NULL, "import", source, path, NULL);
}

static void each_file_becomes_what_is_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[128];
        struct ran r = import_file(cases[i].source, cases[i].file);
        assert_int_equal(r.exit, CLI_OK);
        (void)snprintf(name, sizeof name, "%s.manifest.yaml", cases[i].expected);
        assert_string_equal(r.out, read_file(name));
        (void)snprintf(name, sizeof name, "%s.report.txt", cases[i].expected);
        assert_string_equal(r.err, read_file(name));
        ran_release(&r);
    }
}

static void each_manifest_is_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ran r = import_file(cases[i].source, cases[i].file);
        struct arena *a = arena_new(0);
        struct error err = ERROR_INIT;
        struct yaml_node *root;
        struct manifest m;
        if (!yaml_parse(str_of(r.out), 0, a, &root, &err) || !manifest_parse(root, a, &m, &err)) {
            fail_msg("%s: %d:%d: %s", cases[i].file, err.line, err.column, error_text(&err));
        }
        assert_true(m.n_models + m.n_configs > 0);
        arena_free(a);
        ran_release(&r);
    }
}

/* What has no place is told with its path; what is known is not told. */
static void unknown_elements_are_always_told(void **state)
{
    (void)state;
    static const struct {
        const char *source, *input, *told;
    } files[] = {
        {"litellm",
         "model_list: [{model_name: a, litellm_params: {model: openai/x, api_key: os.environ/K, "
         "shiny: 1}}]\n",
         "not mapped: model_list[0].litellm_params.shiny: "},
        {"litellm",
         "model_list: [{model_name: a, litellm_params: {model: openai/x}, colour: red}]\n",
         "not mapped: model_list[0].colour: "},
        {"litellm", "model_list: []\nguardrails: []\n", "not mapped: guardrails: "},
        {"litellm", "model_list: []\nrouter_settings: {routing_strategy: psychic}\n",
         "strategy \"psychic\" is not known"},
        {"litellm",
         "model_list: []\nlitellm_settings: {cache: true, cache_params: {type: "
         "redis-semantic}}\n",
         "not mapped: litellm_settings.cache_params: semantic caching"},
        {"litellm", "model_list: [{model_name: 'a b', litellm_params: {model: openai/x}}]\n",
         "not mapped: model_list[0]: "},
        {"cloudflare",
         "{\"name\": \"r\", \"elements\": [{\"id\": \"s\", \"type\": \"start\", \"outputs\": {}}]}",
         "not mapped: elements: its start leads to no model"},
        {"portkey", "{\"provider\": \"openai\", \"api_key\": \"k\", \"nonsense\": 1}",
         "not mapped: nonsense: "},
        {"portkey", "{\"provider\": \"openai\", \"retry\": {\"attempts\": 99}}",
         "not mapped: retry.attempts: "},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct ran r = run_cli(files[i].input, "import", files[i].source, "-", NULL);
        assert_int_equal(r.exit, CLI_OK);
        if (!strstr(r.err, files[i].told)) {
            fail_msg("%s is not told: %s", files[i].told, r.err);
        }
        ran_release(&r);
    }
    struct ran quiet = run_cli("model_list: [{model_name: a, litellm_params: {model: openai/x, "
                               "api_key: os.environ/K}}]\n",
                               "import", "litellm", "-", NULL);
    assert_string_equal(quiet.err, "1 providers, 1 models and 0 configs; 0 elements did not map, 0 "
                                   "changed, 0 things to do\n");
    ran_release(&quiet);
}

static void secrets_in_clear_are_not_in_the_report(void **state)
{
    (void)state;
    struct ran r = import_file("litellm", "litellm.yaml");
    assert_non_null(strstr(r.out, "sk-in-clear"));
    assert_null(strstr(r.err, "sk-in-clear"));
    ran_release(&r);
}

static void a_file_of_another_kind_is_refused_with_2(void **state)
{
    (void)state;
    static const struct {
        const char *source, *input;
    } files[] = {
        {"litellm", "a: ["},          {"litellm", "hello: world\n"}, {"litellm", "- 1\n"},
        {"cloudflare", "{\"a\": 1}"}, {"cloudflare", "[]"},          {"portkey", "{\"a\": 1}"},
        {"portkey", "[1, \"x\"]"},    {"portkey", "{\"a\": "},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct ran r = run_cli(files[i].input, "import", files[i].source, "-", NULL);
        assert_int_equal(r.exit, CLI_USAGE);
        assert_string_equal(r.out, "");
        assert_true(strncmp(r.err, "weir: ", 6) == 0);
        ran_release(&r);
    }
    struct ran r = run_cli(NULL, "import", "portkey", "/nonexistent/file", NULL);
    assert_int_equal(r.exit, CLI_USAGE);
    ran_release(&r);
}

static void json_holds_manifest_and_report(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct ran r = run_cli(NULL, "--json", "import", "portkey", FOLDER "portkey.json", NULL);
    struct document *d = document_parse(str_of(r.out), &err);
    assert_non_null(d);
    assert_int_equal(document_integer(d, "manifest.version"), 1);
    assert_int_equal(document_count(document_get(d, "manifest.configs")), 3);
    assert_string_equal(document_text(d, "report.source"), "portkey");
    assert_int_equal(document_count(document_get(d, "report.notes")),
                     document_integer(d, "report.not_mapped") +
                         document_integer(d, "report.approximate") +
                         document_integer(d, "report.to_do"));
    document_free(d);
    ran_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_becomes_what_is_expected),
        cmocka_unit_test(each_manifest_is_one),
        cmocka_unit_test(unknown_elements_are_always_told),
        cmocka_unit_test(secrets_in_clear_are_not_in_the_report),
        cmocka_unit_test(a_file_of_another_kind_is_refused_with_2),
        cmocka_unit_test(json_holds_manifest_and_report),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

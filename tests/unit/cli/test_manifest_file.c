/* From a file to the body of POST /apply (golden), references, places of errors, and export's YAML
 * read back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/document.h"
#include "cli/manifest_file.h"
#include "cli/yaml_write.h"
#include "common/base/mem.h"

static struct arena *arena;
static struct manifest_file file;
static struct error err;
static struct buffer body;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    err = (struct error)ERROR_INIT;
    buffer_init(&body, 1 << 20);
    setenv("CLI_TEST_KEY", "sk-from-environment", 1);
    setenv("CLI_TEST_URL", "http://127.0.0.1:9001/v1", 1);
    unsetenv("CLI_TEST_UNSET");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&body);
    arena_free(arena);
    return 0;
}

static bool read_text(const char *text)
{
    FILE *in = fmemopen((char *)(uintptr_t)text, strlen(text), "r");
    bool ok = manifest_file_read("-", in, arena, &file, &err);
    fclose(in);
    return ok;
}

static void assert_body(const char *text, const struct apply_flags *flags, const char *expected)
{
    if (!read_text(text)) {
        fail_msg("%s", error_text(&err));
    }
    buffer_clear(&body);
    manifest_file_json(&file, flags, &body);
    buffer_append(&body, "", 1);
    assert_false(body.failed);
    assert_string_equal(body.ptr, expected);
}

static void everything_in_a_file_is_sent(void **state)
{
    (void)state;
    assert_body(
        "version: 1\n"
        "providers:\n"
        "  - {name: openai, kind: openai, api_key: 'env:CLI_TEST_KEY', timeout_ms: 5000}\n"
        "  - {name: local, kind: openai, base_url: 'env:CLI_TEST_URL'}\n"
        "models:\n"
        "  - name: chat\n"
        "    targets: [{provider: openai, model: gpt-4o}, {provider: local, model: m, weight: 9}]\n"
        "keys:\n"
        "  - {name: dev, secret: my-own-secret, models: ['gpt-*', chat], providers: []}\n"
        "  - {name: old, disabled: true, expires_at: 2030-01-31T00:00:00Z}\n",
        &(struct apply_flags){.prune = true},
        "{\"version\":1,"
        "\"providers\":[{\"name\":\"openai\",\"kind\":\"openai\",\"api_key\":\"sk-from-"
        "environment\",\"timeout_ms\":5000},"
        "{\"name\":\"local\",\"kind\":\"openai\",\"base_url\":\"http://127.0.0.1:9001/v1\"}],"
        "\"models\":[{\"name\":\"chat\",\"targets\":[{\"provider\":\"openai\",\"model\":\"gpt-4o\","
        "\"weight\":1},"
        "{\"provider\":\"local\",\"model\":\"m\",\"weight\":9}]}],"
        "\"keys\":[{\"name\":\"dev\",\"secret\":\"my-own-secret\",\"models\":[\"gpt-*\",\"chat\"],"
        "\"providers\":[],\"disabled\":false},"
        "{\"name\":\"old\",\"models\":[\"*\"],\"providers\":[\"*\"],\"disabled\":true,\"expires_"
        "at\":\"2030-01-31T00:00:00.000Z\"}],"
        "\"prune\":true,\"dry_run\":false}");
}

static void configs_prompts_and_what_names_them_are_sent(void **state)
{
    (void)state;
    assert_body(
        "version: 1\n"
        "providers:\n"
        "  - {name: p, kind: openai, api_keys: ['env:CLI_TEST_KEY', k2], health_check: true}\n"
        "models: [{name: m, config: 'there@v1'}]\n"
        "keys: [{name: k, config: r, config_locked: true, tags: [a]}]\n"
        "configs:\n"
        "  - name: r\n"
        "    labels: [production]\n"
        "    document: {targets: [{provider: '@p', weight: 0.7, api_key: 'env:CLI_TEST_KEY'}]}\n"
        "prompts:\n"
        "  - {name: h, partial: true, description: d, document: {text: '{{x}}'}}\n",
        &(struct apply_flags){.prune = true},
        "{\"version\":1,"
        "\"providers\":[{\"name\":\"p\",\"kind\":\"openai\",\"api_keys\":[\"sk-from-environment\","
        "\"k2\"],\"health_check\":{}}],"
        "\"configs\":[{\"name\":\"r\",\"document\":{\"targets\":[{\"provider\":\"@p\",\"weight\":0."
        "7,"
        "\"api_key\":\"sk-from-environment\"}]},\"labels\":[\"production\"]}],"
        "\"prompts\":[{\"name\":\"h\",\"description\":\"d\",\"partial\":true,"
        "\"document\":{\"text\":\"{{x}}\"}}],"
        "\"models\":[{\"name\":\"m\",\"config\":\"there@v1\",\"targets\":[]}],"
        "\"keys\":[{\"name\":\"k\",\"models\":[\"*\"],\"providers\":[\"*\"],\"disabled\":false,"
        "\"config\":\"r\",\"config_locked\":true,\"tags\":[\"a\"]}],"
        "\"prune\":true,\"dry_run\":false}");
}

static void a_section_that_is_absent_is_not_sent(void **state)
{
    (void)state;
    assert_body("version: 1\nkeys: []\n", &(struct apply_flags){.dry_run = true},
                "{\"version\":1,\"keys\":[],\"prune\":false,\"dry_run\":true}");
}

static void providers_of_the_control_plane_need_not_stand_in_the_file(void **state)
{
    (void)state;
    assert_body("version: 1\nmodels: [{name: m, targets: [{provider: there, model: x}]}]\n",
                &(struct apply_flags){.prune = false},
                "{\"version\":1,\"models\":[{\"name\":\"m\",\"targets\":[{\"provider\":\"there\","
                "\"model\":\"x\",\"weight\":1}]}],"
                "\"prune\":false,\"dry_run\":false}");
    assert_body("version: 1\nproviders: [{name: a, kind: openai}]\nkeys: [{name: k, providers: "
                "[there, 'x*', a]}]\n",
                &(struct apply_flags){.prune = false},
                "{\"version\":1,\"providers\":[{\"name\":\"a\",\"kind\":\"openai\"}],"
                "\"keys\":[{\"name\":\"k\",\"models\":[\"*\"],\"providers\":[\"there\",\"x*\","
                "\"a\"],\"disabled\":false}],"
                "\"prune\":false,\"dry_run\":false}");
}

static void fields_that_only_the_control_plane_has_go_through(void **state)
{
    (void)state;
    assert_body(
        "version: 1\norganization: acme\nworkspace: main\n"
        "providers: [{name: p, kind: openai, disabled: true, settings: {a: [1, '2', null, x]}}]\n"
        "keys: [{name: k, metadata: {team: blue}, user_id: usr_1}]\n",
        &(struct apply_flags){.prune = false},
        "{\"version\":1,\"organization\":\"acme\",\"workspace\":\"main\","
        "\"providers\":[{\"name\":\"p\",\"kind\":\"openai\",\"disabled\":true,\"settings\":{\"a\":["
        "1,\"2\",null,\"x\"]}}],"
        "\"keys\":[{\"name\":\"k\",\"models\":[\"*\"],\"providers\":[\"*\"],\"disabled\":false,"
        "\"metadata\":{\"team\":\"blue\"},\"user_id\":\"usr_1\"}],"
        "\"prune\":false,\"dry_run\":false}");
    assert_string_equal(file.organization, "acme");
    buffer_clear(&body);
    manifest_file_json(&file, &(struct apply_flags){.workspace = "other"}, &body);
    assert_non_null(memmem(body.ptr, body.len, "\"workspace\":\"other\"", 19));
}

static void assert_refused(const char *text, int line, int column, const char *param,
                           const char *message)
{
    err = (struct error)ERROR_INIT;
    assert_false(read_text(text));
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_string_equal(err.param, param);
    if (!strstr(err.text, message)) {
        fail_msg("\"%s\" does not hold \"%s\"", err.text, message);
    }
}

static void errors_tell_the_place(void **state)
{
    (void)state;
    assert_refused("version: 1\nproviders:\n  - {name: a, kind: smtp}\n", 3, 21,
                   "providers[0].kind", "<stdin>:3:21: unknown kind");
    assert_refused(
        "version: 1\nproviders:\n  - {name: a, kind: openai, api_key: 'env:CLI_TEST_UNSET'}\n", 3,
        38, "providers[0].api_key", "CLI_TEST_UNSET");
    assert_refused(
        "version: 1\nproviders:\n  - {name: a, kind: openai, base_url: 'env:CLI_TEST_UNSET'}\n", 3,
        39, "providers[0].base_url", "CLI_TEST_UNSET");
    assert_refused("version: 1\nmodels: [{name: m, targets: [{provider: 'a b', model: x}]}]\n", 2,
                   41, "providers[0].name", "<stdin>:2:41");
    assert_refused("version: 1\nmodel: []\n", 2, 1, "model", "did you mean \"models\"");
    assert_refused("version: 1\nworkspace: []\n", 2, 12, "workspace", "workspace must be a text");
    assert_refused("- 1\n", 1, 1, "", "must be a map");
    assert_refused("a: [", 2, 1, "", "<stdin>:");
}

static void what_the_server_refuses_is_found_in_the_file(void **state)
{
    (void)state;
    assert_true(read_text("version: 1\nproviders:\n  - name: a\n    kind: openai\n"
                          "models:\n  - name: m\n    targets:\n      - {provider: a, model: x}\n"));
    error_set_param(&err, ERR_INVALID_FIELD, "models[0].targets[0].provider", "names no provider");
    manifest_file_locate(&file, &err);
    assert_string_equal(err.text, "<stdin>:8:20: models[0].targets[0].provider: names no provider");
    /* a field that is missing: the map that should have it */
    error_set_param(&err, ERR_INVALID_FIELD, "providers[0].api_key", "is required");
    manifest_file_locate(&file, &err);
    assert_int_equal(err.line, 3);
    /* what is not of the file stays as it is */
    error_set_param(&err, ERR_NOT_FOUND, "x-weir-organization", "organization not found");
    manifest_file_locate(&file, &err);
    assert_string_equal(err.text, "organization not found");
    error_set_param(&err, ERR_INVALID_FIELD, "models[7].name", "x");
    manifest_file_locate(&file, &err);
    assert_int_equal(err.line, 6);
}

static void what_export_writes_is_read_back_the_same(void **state)
{
    (void)state;
    const char *json =
        "{\"version\":1,\"organization\":\"Acme & Sons\",\"workspace\":\"main\","
        "\"providers\":[{\"name\":\"p\",\"kind\":\"openai\",\"base_url\":\"http://h:1/"
        "v1\",\"timeout_ms\":5000,"
        "\"settings\":{\"a\":[1,\"2\",null,true,\"yes\",\"no: #\"],\"b "
        "c\":{\"d\":\"\"}}},{\"name\":\"on\",\"kind\":\"openai\"}],"
        "\"models\":[{\"name\":\"m/"
        "1\",\"targets\":[{\"provider\":\"p\",\"model\":\"x:y\",\"weight\":3}]}],"
        "\"keys\":[{\"name\":\"0k\",\"models\":[],\"providers\":[\"*\"],\"disabled\":true,"
        "\"expires_at\":\"2030-01-31T00:00:00.000Z\"}]}";
    struct document *d = document_parse(str_of(json), &err);
    struct buffer yaml;
    assert_non_null(d);
    buffer_init(&yaml, 1 << 20);
    yaml_write(&yaml, d);
    char *text = buffer_detach(&yaml);
    assert_non_null(strstr(text, "providers:\n  - name: p\n    kind: openai\n"));
    assert_body(text, &(struct apply_flags){.prune = false},
                "{\"version\":1,\"organization\":\"Acme & Sons\",\"workspace\":\"main\","
                "\"providers\":[{\"name\":\"p\",\"kind\":\"openai\",\"base_url\":\"http://h:1/"
                "v1\",\"timeout_ms\":5000,"
                "\"settings\":{\"a\":[1,\"2\",null,true,\"yes\",\"no: #\"],\"b "
                "c\":{\"d\":\"\"}}},{\"name\":\"on\",\"kind\":\"openai\"}],"
                "\"models\":[{\"name\":\"m/"
                "1\",\"targets\":[{\"provider\":\"p\",\"model\":\"x:y\",\"weight\":3}]}],"
                "\"keys\":[{\"name\":\"0k\",\"models\":[],\"providers\":[\"*\"],\"disabled\":true,"
                "\"expires_at\":\"2030-01-31T00:00:00.000Z\"}],\"prune\":false,\"dry_run\":false}");
    mem_free(text);
    document_free(d);
}

/* Documents of people: numbers keep their spelling, nulls stay, whatever the depth. */
static void documents_are_written_and_read_back_the_same(void **state)
{
    (void)state;
    const char *json =
        "{\"version\":1,\"configs\":[{\"name\":\"r\",\"document\":{\"strategy\":{\"mode\":"
        "\"weighted\"},\"targets\":[{\"provider\":\"@p\",\"weight\":0.7,\"override_params\":{"
        "\"stop\":null,\"seed\":12345678901,\"top_p\":0.125,\"temperature\":1.0,\"note\":\"on: #\","
        "\"long\":\"a text that is long enough that the target cannot stand in one line of the "
        "file, and so is written as a block\"}},{\"targets\":[{\"provider\":\"a\",\"name\":\"1\"}]}"
        "]}}],\"prompts\":[{\"name\":\"h\",\"partial\":false,\"document\":{\"messages\":[{"
        "\"role\":\"user\",\"content\":\"line\\n  two {{x}}\"}],\"variables\":{\"x\":{\"default\":"
        "null}}}}],\"prune\":false,\"dry_run\":false}";
    struct document *d = document_parse(str_of(json), &err);
    struct buffer yaml;
    assert_non_null(d);
    buffer_init(&yaml, 1 << 20);
    document_set_null(d, "prune");
    document_set_null(d, "dry_run");
    yaml_write(&yaml, d);
    char *text = buffer_detach(&yaml);
    assert_body(text, &(struct apply_flags){.prune = false}, json);
    mem_free(text);
    document_free(d);
}

static void the_repository_s_own_files_are_good(void **state)
{
    (void)state;
    setenv("WEIR_DEMO_URL", "http://127.0.0.1:8790/v1", 1);
    setenv("OPENAI_API_KEY", "sk-x", 1);
    assert_true(manifest_file_read("deploy/demo.yaml", NULL, arena, &file, &err));
    assert_true(manifest_file_read("docs/examples/apply.yaml", NULL, arena, &file, &err));
    assert_false(manifest_file_read("docs/examples/absent.yaml", NULL, arena, &file, &err));
    assert_non_null(strstr(err.text, "absent.yaml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_in_a_file_is_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(configs_prompts_and_what_names_them_are_sent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_section_that_is_absent_is_not_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(providers_of_the_control_plane_need_not_stand_in_the_file,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_that_only_the_control_plane_has_go_through, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(errors_tell_the_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_server_refuses_is_found_in_the_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_export_writes_is_read_back_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(documents_are_written_and_read_back_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_repository_s_own_files_are_good, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* weir.yaml to snapshot: what requests find, stable ids, and errors with their place. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "common/rules/apikey.h"
#include "common/yaml.h"
#include "dataplane/standalone/standalone.h"

#define GOOD                                                                                      \
    "version: 1\n"                                                                                \
    "providers:\n"                                                                                \
    "  - {name: openai, kind: openai, api_key: sk-test}\n"                                        \
    "  - {name: local, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", timeout_ms: 5000}\n" \
    "models:\n"                                                                                   \
    "  - {name: gpt-4o, targets: [{provider: openai, model: gpt-4o-2024}, {provider: local, "     \
    "model: m, weight: 3}]}\n"                                                                    \
    "keys:\n"                                                                                     \
    "  - {name: dev, secret: my-secret, models: [\"gpt-*\"]}\n"                                   \
    "  - {name: off, secret: other-secret, disabled: true}\n"

static struct snapshot *load(const char *text)
{
    struct error err = ERROR_INIT;
    struct snapshot *s = NULL;
    if (!standalone_parse(str_of(text), &s, NULL, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    return s;
}

/* What look-ups of keys are decoded into. */
static struct arena *memory;

static const struct snap_key *key_of(const struct snapshot *s, const char *secret)
{
    uint8_t hash[32];
    apikey_hash(str_of(secret), hash);
    return snapshot_key(s, hash, memory);
}

static void test_good(void **state)
{
    (void)state;
    struct snapshot *s = load(GOOD);
    const struct snap_key *k = key_of(s, "my-secret");
    assert_non_null(k);
    assert_true(str_eqz(k->name, "dev"));
    assert_int_equal(k->n_models, 1);
    assert_true(str_eqz(k->models[0], "gpt-*"));
    assert_true(key_of(s, "other-secret")->disabled);
    assert_true(str_eqz(key_of(s, "other-secret")->providers[0], "*"));
    assert_null(key_of(s, "guess"));
    const struct snap_model *m =
        snapshot_model(s, &k->organization_id, &k->workspace_id, STR_LIT("gpt-4o"));
    assert_non_null(m);
    assert_int_equal(m->n_targets, 2);
    assert_int_equal(m->targets[1].weight, 3);
    const struct snap_provider *p = snapshot_provider(s, &m->targets[0].provider_id);
    assert_true(str_eqz(p->credential, "sk-test"));
    assert_false(p->credential_unreadable);
    assert_true(str_eqz(p->host, "api.openai.com") && p->tls);
    p = snapshot_provider_named(s, &k->organization_id, &k->workspace_id, STR_LIT("local"));
    assert_int_equal(p->port, 9001);
    assert_int_equal(p->timeout_ms, 5000);
    assert_int_equal(p->credential.len, 0);
    assert_true(snapshot_version(s) > 0 && snapshot_version(s) < 1ull << 48);
    snapshot_unref(s);
}

static void test_ids_and_versions_are_stable(void **state)
{
    (void)state;
    struct snapshot *a = load(GOOD), *b = load(GOOD),
                    *c = load(GOOD "  - {name: more, secret: third}\n");
    struct uuid id = standalone_id(3, STR_LIT("dev"));
    assert_int_equal(snapshot_version(a), snapshot_version(b));
    assert_int_not_equal(snapshot_version(a), snapshot_version(c));
    assert_true(uuid_eq(&key_of(a, "my-secret")->id, &id));
    assert_true(uuid_eq(&key_of(c, "my-secret")->id, &id));
    struct uuid model = standalone_id(5, STR_LIT("dev"));
    assert_false(uuid_eq(&model, &id));
    snapshot_unref(a);
    snapshot_unref(b);
    snapshot_unref(c);
}

/* As a control plane would send them: version 1, published, labelled. */
static void test_configs_and_prompts(void **state)
{
    (void)state;
    struct snapshot *s = load(
        "version: 1\n"
        "providers: [{name: p, kind: openai, api_keys: [one, two]}]\n"
        "configs: [{name: r, labels: [production], document: {provider: '@p', model: x}}]\n"
        "prompts:\n"
        "- {name: h, document: {messages: [{role: user, content: 'Hi {{name}}'}]}}\n"
        "- {name: s, partial: true, document: 'bye'}\n"
        "models: [{name: m, config: 'r@production'}]\n"
        "keys: [{name: k, secret: my-secret, config: 'r@1', config_locked: true, tags: [a]}]\n");
    const struct snap_key *k = key_of(s, "my-secret");
    assert_non_null(k);
    assert_true(str_eqz(k->config, "r@1") && k->config_locked);
    assert_int_equal(k->n_tags, 1);
    assert_true(str_eqz(k->tags[0], "a"));
    struct uuid org = k->organization_id, ws = k->workspace_id;
    const struct snap_document *d = snapshot_config(s, &org, &ws, STR_LIT("r"));
    assert_non_null(d);
    assert_int_equal(d->n_versions, 1);
    assert_true(d->published == 1 && d->versions[0].number == 1 && d->versions[0].tree);
    assert_int_equal(d->n_labels, 1);
    assert_true(str_eqz(d->labels[0].name, "production") && d->labels[0].version == 1);
    d = snapshot_prompt(s, &org, &ws, STR_LIT("h"));
    assert_true(d && !d->partial && d->versions[0].prompt);
    d = snapshot_prompt(s, &org, &ws, STR_LIT("s"));
    assert_true(d && d->partial && d->versions[0].partial);
    assert_null(snapshot_config(s, &org, &ws, STR_LIT("h")));
    snapshot_unref(s);
}

static void test_errors_have_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says, *param;
        int line;
    } rows[] = {
        {"version: 1\nproviders:\n  - name: a\n    kind: quantum\n", "quantum", "providers[0].kind",
         4},
        {"version: 1\nproviders:\n  - name: a\n    kind: openai\n    base_url: ftp://x\n", "http",
         "providers[0].base_url", 5},
        {"version: 1\nproviders:\n  - name: a\n    kind: openai\n    base_url: https://u:pw@x/v1\n",
         "user", "providers[0].base_url", 5},
        {"version: 1\nkeys:\n  - name: a\n", "secret", "keys[0]", 3},
        {"version: 1\nkeys:\n  - name: a\n    secret: s\n  - name: b\n    secret: s\n", "secret",
         "keys[1].secret", 6},
        {"version: 1\nconfigs: [{name: r, document: {provider: openai}}]\nmodels:\n- name: m\n"
         "  config: other\n",
         "no config is named \"other\"", "models[0].config", 5},
        {"version: 1\nconfigs: [{name: r, document: {provider: openai}}]\nkeys:\n- name: k\n"
         "  secret: x\n  config: r@staging\n",
         "has no label \"staging\"", "keys[0].config", 6},
        {"version: 1\nconfigs: [{name: r, document: {provider: openai}}]\nkeys:\n- name: k\n"
         "  secret: x\n  config: r@2\n",
         "no version but 1", "keys[0].config", 6},
        {"version: 1\nproviders: [\n", "", "", 0},
        {"version: 1\nnonsense: 2\n", "", "", 2},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = ERROR_INIT;
        struct snapshot *s = NULL;
        struct standalone_settings settings = {0};
        assert_false(standalone_parse(str_of(rows[i].text), &s, &settings, &err));
        assert_null(s);
        assert_null(settings.arena);
        if (!strstr(err.text, rows[i].says) || (rows[i].line && err.line != rows[i].line) ||
            err.line < 1 || err.column < 1 ||
            (rows[i].param[0] && strcmp(err.param, rows[i].param) != 0)) {
            fail_msg("row %zu: %d:%d %s: %s", i, err.line, err.column, err.param, error_text(&err));
        }
        assert_null(strstr(err.text, "pw@"));
    }
}

static void test_file_and_settings(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-standalone-XXXXXX";
    static const char text[] = GOOD "settings: {workers: 2}\n";
    struct error err = ERROR_INIT;
    struct snapshot *s = NULL;
    struct standalone_settings settings = {0};
    uint64_t workers = 0;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    assert_true(standalone_load(path, &s, &settings, &err));
    assert_non_null(settings.node);
    assert_true(yaml_u64(yaml_get(settings.node, "workers"), &workers));
    assert_int_equal(workers, 2);
    standalone_settings_release(&settings);
    snapshot_unref(s);
    assert_true(standalone_load(path, NULL, NULL, &err)); /* check only */
    unlink(path);
    assert_false(standalone_load(path, &s, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_ids_and_versions_are_stable),
        cmocka_unit_test(test_configs_and_prompts),
        cmocka_unit_test(test_errors_have_a_place),
        cmocka_unit_test(test_file_and_settings),
    };
    memory = arena_new(0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(memory);
    return failed;
}

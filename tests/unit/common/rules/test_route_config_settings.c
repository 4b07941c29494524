/* What a node's targets inherit, whom its leaves call, and that saved secrets are seen. */
#include "common/rules/route_config_rig.h"

#include "common/base/buffer.h"

static void settings_go_down_and_are_replaced(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"strategy\": {\"mode\": \"fallback\"}, \"retry\": {\"attempts\": 2, "
           "\"use_retry_after_header\": true}, \"cache\": {\"mode\": \"simple\", \"max_age\": 60, "
           "\"namespace\": \"n\"}, \"request_timeout\": 5000, \"drop_params\": [\"user\"], "
           "\"default_params\": {\"a\": 1}, \"forward_headers\": [\"x-a\"], "
           "\"strict_open_ai_compliance\": false, \"targets\": [{\"model\": \"a\"}, {\"model\": "
           "\"b\"}, {\"model\": \"c\", \"retry\": {\"attempts\": 5, \"on_status_codes\": [500]}, "
           "\"cache\": \"none\", \"default_params\": {\"b\": 2}}]}");
    const struct route_node *const *c = t->root->children;
    const struct route_settings *s = c[0]->settings, *own = c[2]->settings;
    assert_ptr_equal(s, t->root->settings); /* shared */
    assert_ptr_equal(s, c[1]->settings);
    assert_true(s->retry.set && s->retry.use_retry_after);
    assert_int_equal(s->retry.attempts, 2);
    assert_int_equal(s->retry.on.kinds,
                     ROUTE_FAIL_STATUS | ROUTE_FAIL_CONNECTION | ROUTE_FAIL_TIMEOUT);
    assert_int_equal(s->retry.on.statuses.n, 5);
    assert_int_equal(s->retry.base_ms, 250);
    assert_int_equal(s->retry.max_ms, 8000);
    assert_int_equal(s->retry.max_wait_ms, 60000);
    assert_int_equal(s->retry.total_ms, 0);
    assert_int_equal(s->retry.budget_percent, 20);
    assert_int_equal(s->retry.budget_min, 3);
    assert_int_equal(s->cache.mode, ROUTE_CACHE_SIMPLE);
    assert_int_equal(s->cache.max_age_s, 60);
    rig_is(s->cache.name_space, "n");
    assert_int_equal(s->request_timeout_ms, 5000);
    rig_is(s->drop_paths[0], "user");
    rig_is(s->default_json, "{\"a\": 1}");
    rig_is(s->forward_headers[0], "x-a");
    assert_false(s->strict_openai);
    /* the child's retry is its own as a whole; what it does not say is inherited */
    assert_int_equal(own->retry.attempts, 5);
    assert_false(own->retry.use_retry_after);
    assert_int_equal(own->retry.on.kinds, ROUTE_FAIL_STATUS);
    assert_true(own->cache.set && own->cache.mode == ROUTE_CACHE_NONE);
    rig_is(own->default_json, "{\"b\": 2}");
    assert_int_equal(own->request_timeout_ms, 5000);
    arena_free(a);
}

static void breakers_by_both_names(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"strategy\": {\"mode\": \"fallback\", \"cb_config\": {\"failure_threshold\": 3, "
           "\"cooldown_interval\": 1000}}, \"targets\": [{\"model\": \"a\"}, {\"model\": \"b\", "
           "\"circuit_breaker\": {\"percent\": 20, \"cooldown_ms\": 1000, \"on_status_codes\": "
           "[418]}}, {\"model\": \"c\", \"circuit_breaker\": false}, {\"model\": \"d\", "
           "\"circuit_breaker\": {}}]}");
    const struct route_node *const *c = t->root->children;
    const struct route_breaker *b = &c[0]->settings->breaker;
    assert_true(b->set && !b->off);
    assert_int_equal(b->threshold, 3);
    assert_int_equal(b->percent, 0);
    assert_int_equal(b->cooldown_ms, 30000); /* Portkey's least */
    assert_int_equal(b->minimum_requests, 5);
    assert_int_equal(b->statuses.n, 100);
    assert_int_equal(b->statuses.list[0], 500);
    assert_int_equal(b->statuses.list[99], 599);
    b = &c[1]->settings->breaker;
    assert_int_equal(b->percent, 20);
    assert_int_equal(b->cooldown_ms, 1000);
    assert_int_equal(b->minimum_requests, 10);
    assert_int_equal(b->statuses.list[0], 418);
    assert_true(c[2]->settings->breaker.off);
    b = &c[3]->settings->breaker;
    assert_int_equal(b->percent, 50);
    assert_int_equal(b->window_ms, 60000);
    assert_int_equal(b->probes, 2);
    assert_int_equal(b->statuses.n, 0);
    arena_free(a);
}

static void overrides_merge(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"override_params\": {\"temperature\": 1, \"stop\": [\"a\"], \"temperature\": 2, "
           "\"model\": \"m1\"}, \"targets\": [{\"provider\": \"@a\"}, {\"provider\": \"@b\", "
           "\"override_params\": {\"model\": \"m2\"}}, {\"provider\": \"@c\", \"model\": \"m3\", "
           "\"override_params\": {\"st\\u006fp\": null, \"n\": 1, \"n\": 3}}, {\"provider\": "
           "\"@d\", \"override_params\": {}}]}");
    const struct route_node *const *c = t->root->children;
    rig_is(c[0]->settings->override_json, "{\"temperature\":2,\"stop\":[\"a\"]}");
    rig_is(c[0]->model, "m1");
    assert_ptr_equal(c[1]->settings, t->root->settings); /* a model alone shares the rest */
    rig_is(c[1]->model, "m2");
    rig_is(c[2]->settings->override_json, "{\"temperature\":2,\"st\\u006fp\":null,\"n\":3}");
    rig_is(c[2]->model, "m3");
    rig_is(c[3]->model, "m1");
    rig_is(t->root->settings->override_json, "{\"temperature\":2,\"stop\":[\"a\"]}");
    assert_null(rig_tree(a, "{\"override_params\": {\"model\": \"x\"}}")
                    ->root->settings->override_json.ptr);
    arena_free(a);
}

static void many_overrides_merge(void **state)
{
    struct arena *a = arena_new(0);
    struct buffer b;
    (void)state;
    buffer_init(&b, 1u << 20);
    (void)buffer_append_z(&b, "{\"override_params\": {");
    for (int i = 0; i < 2000; i++) {
        (void)buffer_printf(&b, "%s\"p%d\": %d", i ? ", " : "", i % 1000, i);
    }
    (void)buffer_append_z(&b, "}, \"targets\": [{\"override_params\": {\"p7\": 7, \"q\": 8}}]}");
    (void)buffer_append(&b, "", 1);
    struct str merged = rig_tree(a, b.ptr)->root->children[0]->settings->override_json;
    struct json_member m[] = {
        {.name = STR_LIT("p7")}, {.name = STR_LIT("q")}, {.name = STR_LIT("p999")}};
    assert_true(json_scan(merged, m, 3, 0, NULL));
    rig_is(m[0].value.raw, "7");
    rig_is(m[1].value.raw, "8");
    rig_is(m[2].value.raw, "1999");
    buffer_release(&b);
    arena_free(a);
}

/* A large text at the root is not multiplied by the targets without bound. */
static void inherited_texts_are_bounded(void **state)
{
    struct arena *a = arena_new(64u << 20);
    struct buffer b;
    struct error err = ERROR_INIT;
    const struct route_tree *t;
    (void)state;
    buffer_init(&b, 2u << 20);
    (void)buffer_append_z(&b, "{\"override_params\": {\"text\": \"");
    for (int i = 0; i < 500000; i++) {
        (void)buffer_append(&b, "x", 1);
    }
    (void)buffer_append_z(&b, "\"}, \"targets\": [{\"model\": \"a\"}");
    for (int i = 0; i < 100; i++) {
        (void)buffer_append_z(&b, ", {\"model\": \"a\", \"override_params\": {\"n\": 1}}");
    }
    (void)buffer_append_z(&b, "]}");
    assert_false(route_config_compile(buffer_str(&b), a, &t, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_non_null(strstr(err.param, ".override_params"));
    buffer_release(&b);
    arena_free(a);
}

static void clouds_have_their_own_names(void **state)
{
    static const struct {
        const char *document, *provider, *model, *credential, *settings;
    } rows[] = {
        {"{\"provider\": \"bedrock\", \"aws_access_key_id\": \"A\", \"aws_secret_access_key\": "
         "\"S\\n\", \"aws_region\": \"eu-west-1\", \"override_params\": {\"model\": \"m\"}}",
         "bedrock", "m", "{\"aws_access_key_id\":\"A\",\"aws_secret_access_key\":\"S\\n\"}",
         "{\"region\":\"eu-west-1\"}"},
        {"{\"provider\": \"azure-openai\", \"api_key\": \"k\", \"azure_resource_name\": \"res-1\", "
         "\"azure_deployment_id\": \"d\", \"azure_api_version\": \"2024-10-21\", "
         "\"azure_model_name\": \"gpt-4\"}",
         "azure-openai", "d", "k",
         "{\"base_url\":\"https://res-1.openai.azure.com\",\"api_version\":\"2024-10-21\"}"},
        {"{\"provider\": \"azure-openai\", \"azure_auth_mode\": \"entra\", "
         "\"azure_entra_tenant_id\": \"t\", \"azure_entra_client_id\": \"c\", "
         "\"azure_entra_client_secret\": \"s\", \"model\": \"m\"}",
         "azure-openai", "m", "{\"tenant_id\":\"t\",\"client_id\":\"c\",\"client_secret\":\"s\"}",
         NULL},
        {"{\"provider\": \"vertex-ai\", \"vertex_project_id\": \"p\", \"vertex_region\": \"r\", "
         "\"vertex_service_account_json\": {\"private_key\": \"x\"}, \"model\": \"m\"}",
         "vertex-ai", "m", "{\"service_account\":\"{\\\"private_key\\\": \\\"x\\\"}\"}",
         "{\"project\":\"p\",\"location\":\"r\"}"},
        {"{\"provider\": \"openai\", \"api_key\": \"k\", \"openai_organization\": \"o\", "
         "\"openai_project\": \"p\", \"model\": \"m\"}",
         "openai", "m", "k", "{\"organization\":\"o\",\"headers\":{\"OpenAI-Project\":\"p\"}}"},
        {"{\"provider\": \"openai\", \"api_key\": \"\", \"aws_role_arn\": \"\", \"model\": \"m\"}",
         "openai", "m", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *a = arena_new(0);
        const struct route_node *n = rig_tree(a, rows[i].document)->root;
        rig_is(n->provider, rows[i].provider);
        rig_is(n->model, rows[i].model);
        assert_true((n->credential.ptr == NULL) == (rows[i].credential == NULL));
        assert_true((n->settings_json.ptr == NULL) == (rows[i].settings == NULL));
        if (rows[i].credential) {
            rig_is(n->credential, rows[i].credential);
        }
        if (rows[i].settings) {
            rig_is(n->settings_json, rows[i].settings);
        }
        arena_free(a);
    }
}

static void hosts_of_providers_are_custom_hosts(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t =
        rig_tree(a, "{\"targets\": [{\"provider\": \"azure-ai\", \"azure_foundry_url\": "
                    "\"https://x.example/models\"}, {\"provider\": \"huggingface\", "
                    "\"huggingface_base_url\": \"https://a.example\", \"custom_host\": "
                    "\"http://b.example:8080/v1\"}]}");
    rig_is(t->root->children[0]->settings->custom_host, "https://x.example/models");
    rig_is(t->root->children[1]->settings->custom_host, "http://b.example:8080/v1");
    assert_null(t->root->settings->custom_host.ptr);
    arena_free(a);
}

static void targets_inherit_the_provider_they_do_not_name(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"provider\": \"@prod\", \"api_key\": \"k\", \"aws_region\": \"r\", \"targets\": ["
           "{\"model\": \"a\"}, {\"api_key\": \"k2\", \"model\": \"b\"}, {\"provider\": "
           "\"other\", \"model\": \"c\"}]}");
    const struct route_node *const *c = t->root->children;
    rig_is(c[0]->provider, "prod");
    rig_is(c[0]->credential, "k");
    rig_is(c[0]->settings_json, "{\"region\":\"r\"}");
    assert_true(c[0]->must_exist);
    rig_is(c[1]->credential, "k2");
    rig_is(c[1]->settings_json, "{\"region\":\"r\"}");
    rig_is(c[2]->provider, "other"); /* nobody gets another one's key */
    assert_null(c[2]->credential.ptr);
    assert_null(c[2]->settings_json.ptr);
    assert_false(c[2]->must_exist);
    arena_free(a);
}

#define DEPLOYMENTS                                                                        \
    "\"provider\": \"azure-openai\", \"api_key\": \"k\", \"azure_resource_name\": \"r\", " \
    "\"deployments\": [{\"alias\": \"gpt-4o\", \"deployment_id\": \"d1\"}, {\"alias\": "   \
    "\"mini\", \"azure_deployment_name\": \"d2\", \"api_version\": \"2024-10-21\", "       \
    "\"is_default\": true}]"

static void deployments_are_chosen_by_model(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t =
        rig_tree(a, "{\"targets\": [{\"name\": \"n\", " DEPLOYMENTS "}, {" DEPLOYMENTS
                    ", \"override_params\": {\"model\": \"mini\"}}]}");
    const struct route_node *n = t->root->children[0];
    assert_int_equal(n->strategy->mode, ROUTE_CONDITIONAL);
    assert_int_equal(n->n_children, 2);
    assert_ptr_equal(n->strategy->otherwise, n->children[1]);
    assert_int_equal(t->fields[n->strategy->conditions[0].query->field].kind, ROUTE_FIELD_MODEL);
    rig_is(n->strategy->conditions[0].query->values[0].text, "gpt-4o");
    rig_is(n->children[0]->path, "config.targets[0].deployments[0]");
    rig_is(n->children[0]->model, "d1");
    rig_is(n->children[1]->model, "d2");
    rig_is(n->children[0]->settings_json, "{\"base_url\":\"https://r.openai.azure.com\"}");
    rig_is(n->children[1]->settings_json, "{\"base_url\":\"https://r.openai.azure.com\","
                                          "\"api_version\":\"2024-10-21\"}");
    assert_int_equal(t->depth, 3);
    assert_null(t->root->children[1]->strategy); /* known beforehand */
    rig_is(t->root->children[1]->model, "d2");
    arena_free(a);
}

static void guards_and_later_things_are_refused(void **state)
{
    (void)state;
    rig_refused("{\"model\": \"a\", \"output_mutators\": [{}]}", "config.output_mutators");
    rig_refused("{\"model\": \"a\", \"guardrails\": \"pii\"}", "config.guardrails");
    rig_refused("{\"aws_role_arn\": \"arn:aws:iam::1:role/x\"}", "config.aws_role_arn");
    rig_refused("{\"mistral_fim_completion\": \"true\"}", "config.mistral_fim_completion");
    struct arena *a = arena_new(0);
    (void)rig_tree(a, "{\"guardrails\": {}, \"input_mutators\": null, \"prompt_id\": \"\"}");
    arena_free(a);
}

static void secrets_are_seen_wherever_they_stand(void **state)
{
    static const char *const with[] = {
        "{\"api_key\": \"k\"}",
        "{\"targets\": [{\"model\": \"a\"}, {\"targets\": [{\"api\\u005fkey\": \"k\"}]}]}",
        "{\"aws_secret_access_key\": \"k\"}",
        "{\"azure_entra_client_secret\": \"k\"}",
        "{\"vertex_service_account_json\": {\"a\": \"b\"}}",
        "{\"service_account\": \"{}\"}",
        "{\"access_token\": \"t\"}",
    };
    static const char *const without[] = {
        "{\"provider\": \"@a\", \"virtual_key\": \"b\"}",
        "{\"api_key\": \"\"}",
        "{\"aws_access_key_id\": \"k\", \"aws_region\": \"r\"}",
        "{\"name\": \"api_key\"}",
        "not json",
        "",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        assert_true(route_config_has_secret(str_of(with[i])));
    }
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        assert_false(route_config_has_secret(str_of(without[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_go_down_and_are_replaced),
        cmocka_unit_test(breakers_by_both_names),
        cmocka_unit_test(overrides_merge),
        cmocka_unit_test(many_overrides_merge),
        cmocka_unit_test(inherited_texts_are_bounded),
        cmocka_unit_test(clouds_have_their_own_names),
        cmocka_unit_test(hosts_of_providers_are_custom_hosts),
        cmocka_unit_test(targets_inherit_the_provider_they_do_not_name),
        cmocka_unit_test(deployments_are_chosen_by_model),
        cmocka_unit_test(guards_and_later_things_are_refused),
        cmocka_unit_test(secrets_are_seen_wherever_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/rules/route_config_rig.h"

#include <stdio.h>

#include "common/base/buffer.h"

static void names_are_whole(void **state)
{
    (void)state;
    for (int i = 0; i < ROUTE_MODE_COUNT; i++) {
        assert_true(route_mode_name((enum route_mode)i)[0]);
    }
    for (unsigned i = 0; i < ROUTE_FAIL_NAMES; i++) {
        assert_true(route_failure_name(i)[0]);
    }
    assert_string_equal(route_mode_name(ROUTE_LEAST_LATENCY), "least_latency");
    assert_string_equal(route_failure_name(2), "context_window");
    assert_string_equal(route_mode_name(ROUTE_MODE_COUNT), "");
}

static void a_leaf_alone_is_a_tree(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t =
        rig_tree(a, "{\"provider\": \"openai\", \"api_key\": \"sk-1\", \"model\": \"gpt-5\"}");
    assert_int_equal(t->n_nodes, 1);
    assert_int_equal(t->depth, 1);
    assert_null(t->root->strategy);
    assert_null(t->turns);
    rig_is(t->root->path, "config");
    rig_is(t->root->provider, "openai");
    assert_false(t->root->must_exist);
    rig_is(t->root->model, "gpt-5");
    rig_is(t->root->credential, "sk-1");
    assert_null(t->root->settings_json.ptr);
    assert_true(t->root->settings->strict_openai);
    arena_free(a);
}

static void providers_by_name_must_exist(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"targets\": [{\"provider\": \"@prod\"}, {\"virtual_key\": \"vk\"},"
           "{\"virtual_key\": \"@vk2\", \"provider\": \"openai\"}, {\"model\": \"@x/gpt\"}]}");
    const struct route_node *const *c = t->root->children;
    rig_is(c[0]->provider, "prod");
    assert_true(c[0]->must_exist);
    rig_is(c[1]->provider, "vk");
    assert_true(c[1]->must_exist);
    rig_is(c[2]->provider, "vk2");
    assert_true(c[2]->must_exist);
    assert_null(c[3]->provider.ptr);
    rig_is(c[3]->model, "@x/gpt");
    arena_free(a);
}

static void nodes_know_their_places(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t =
        rig_tree(a, "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{\"model\": \"a\"},"
                    "{\"name\": \"n\", \"targets\": [{\"model\": \"b\"}, {\"model\": \"c\"}]},"
                    "{\"model\": \"d\"}]}");
    const struct route_node *inner = t->root->children[1];
    assert_int_equal(t->n_nodes, 6);
    assert_int_equal(t->depth, 3);
    rig_is(inner->children[1]->path, "config.targets[1].targets[1]");
    rig_is(inner->name, "n");
    assert_int_equal(inner->strategy->mode, ROUTE_SINGLE);
    assert_int_equal(inner->strategy->failover, 0);
    assert_ptr_equal(inner->parent, t->root);
    assert_int_equal(inner->index, 1);
    assert_int_equal(inner->children[1]->index, 1);
    for (size_t i = 0; i < t->n_nodes; i++) {
        assert_int_equal(t->nodes[i]->ordinal, i);
    }
    assert_ptr_equal(t->nodes[0], t->root);
    arena_free(a);
}

static void every_mode_and_its_failover(void **state)
{
    static const struct {
        const char *name;
        enum route_mode mode;
        unsigned failover;
    } rows[] = {
        {"single", ROUTE_SINGLE, 0},
        {"fallback", ROUTE_FALLBACK, UINT32_MAX},
        {"weighted", ROUTE_WEIGHTED, UINT32_MAX},
        {"loadbalance", ROUTE_WEIGHTED, 0},
        {"round_robin", ROUTE_ROUND_ROBIN, UINT32_MAX},
        {"least_latency", ROUTE_LEAST_LATENCY, UINT32_MAX},
        {"least_busy", ROUTE_LEAST_BUSY, UINT32_MAX},
        {"least_cost", ROUTE_LEAST_COST, UINT32_MAX},
        {"consistent_hash", ROUTE_CONSISTENT_HASH, UINT32_MAX},
        {"sticky", ROUTE_CONSISTENT_HASH, UINT32_MAX},
        {"priority", ROUTE_PRIORITY, UINT32_MAX},
        {"split", ROUTE_SPLIT, 0},
        {"percentage", ROUTE_SPLIT, 0},
        {"mirror", ROUTE_MIRROR, UINT32_MAX},
        {"hedge", ROUTE_HEDGE, UINT32_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int said = 0; said < 3; said++) {
            static const char *const words[] = {"", ", \"failover\": true", ", \"failover\": 2"};
            struct arena *a = arena_new(0);
            char text[200];
            (void)snprintf(text, sizeof(text),
                           "{\"strategy\": {\"mode\": \"%s\"%s}, \"targets\": [{\"model\": \"a\", "
                           "\"share\": 100}]}",
                           rows[i].name, words[said]);
            const struct route_strategy *s = rig_tree(a, text)->root->strategy;
            assert_int_equal(s->mode, rows[i].mode);
            assert_int_equal(s->failover, said == 0   ? rows[i].failover
                                          : said == 1 ? UINT32_MAX
                                                      : 2);
            assert_int_equal(s->on.kinds, ROUTE_FAIL_ANY);
            assert_int_equal(s->mirror_ppm, 1000000);
            arena_free(a);
        }
    }
}

static unsigned kinds_of(const char *members)
{
    struct arena *a = arena_new(0);
    char text[300];
    (void)snprintf(text, sizeof(text),
                   "{\"strategy\": {\"mode\": \"fallback\"%s}, \"targets\": [{\"model\": \"a\"}]}",
                   members);
    unsigned kinds = rig_tree(a, text)->root->strategy->on.kinds;
    arena_free(a);
    return kinds;
}

static void failures_that_lead_on(void **state)
{
    (void)state;
    assert_int_equal(kinds_of(""), ROUTE_FAIL_ANY);
    assert_int_equal(kinds_of(", \"on_status_codes\": [429, 529]"), ROUTE_FAIL_STATUS);
    assert_int_equal(kinds_of(", \"on_status_codes\": []"), ROUTE_FAIL_STATUS);
    /* where no provider answered, by what the client would get */
    assert_int_equal(kinds_of(", \"on_status_codes\": [503]"),
                     ROUTE_FAIL_STATUS | ROUTE_FAIL_CONNECTION);
    assert_int_equal(kinds_of(", \"on_status_codes\": [408]"),
                     ROUTE_FAIL_STATUS | ROUTE_FAIL_TIMEOUT);
    assert_int_equal(kinds_of(", \"on\": [\"rate_limit\", \"budget\"]"),
                     ROUTE_FAIL_RATE_LIMIT | ROUTE_FAIL_BUDGET);
    assert_int_equal(kinds_of(", \"on\": [\"guardrail\"], \"on_status_codes\": [446]"),
                     ROUTE_FAIL_GUARDRAIL | ROUTE_FAIL_STATUS);
    struct arena *a = arena_new(0);
    const struct route_tree *t = rig_tree(a, "{\"on_status_codes\": [429], \"strategy\": {\"mode\":"
                                             "\"fallback\"}, \"targets\": [{\"model\": \"a\"}]}");
    assert_int_equal(t->root->strategy->on.kinds, ROUTE_FAIL_STATUS);
    assert_int_equal(t->root->strategy->on.statuses.list[0], 429);
    arena_free(a);
}

static void weights_keep_their_proportions(void **state)
{
    static const struct {
        const char *weights[3];
        uint32_t expected[3];
    } rows[] = {
        {{"0.7", "0.3", "0"}, {7, 3, 0}},
        {{"10", "20", "1"}, {10, 20, 1}},
        {{"0.5", "1", "1e0"}, {1, 2, 2}},
        {{"0.95", "0.05", "1"}, {19, 1, 20}},
        {{"0", "0", "0"}, {0, 0, 0}},
        {{"1000000", "0.5", "1"}, {2000000, 1, 2}},
        {{"0.333333", "0.333333", "0.333334"}, {333333, 333333, 333334}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *a = arena_new(0);
        const char *const *w = rows[i].weights;
        char text[300];
        (void)snprintf(text, sizeof(text),
                       "{\"strategy\": {\"mode\": \"loadbalance\"}, \"targets\": [{\"model\": "
                       "\"a\", \"weight\": %s}, {\"model\": \"b\", \"weight\": %s}, {\"model\": "
                       "\"c\", \"weight\": %s}]}",
                       w[0], w[1], w[2]);
        const struct route_tree *t = rig_tree(a, text);
        for (size_t k = 0; k < 3; k++) {
            assert_int_equal(t->root->children[k]->weight, rows[i].expected[k]);
        }
        arena_free(a);
    }
    struct arena *a = arena_new(0);
    assert_int_equal(rig_tree(a, "{\"targets\": [{\"model\": \"a\"}]}")->root->children[0]->weight,
                     1);
    arena_free(a);
}

static void wheel_is(const char *weights, const char *expected)
{
    struct arena *a = arena_new(0);
    struct buffer b;
    buffer_init(&b, 4096);
    (void)buffer_append_z(&b, "{\"strategy\": {\"mode\": \"round_robin\"}, \"targets\": [");
    for (const char *w = weights; *w; w++) {
        (void)buffer_printf(&b, "%s{\"model\": \"m\", \"weight\": %c}", w == weights ? "" : ",",
                            *w);
    }
    (void)buffer_append_z(&b, "]}");
    (void)buffer_append(&b, "", 1);
    const struct route_tree *t = rig_tree(a, b.ptr);
    const struct route_strategy *s = t->root->strategy;
    assert_int_equal(s->n_wheel, strlen(expected));
    for (size_t i = 0; i < s->n_wheel; i++) {
        assert_int_equal(s->wheel[i], expected[i] - '0');
    }
    assert_non_null(t->turns);
    assert_int_equal(atomic_load(&t->turns[0]), 0);
    buffer_release(&b);
    arena_free(a);
}

static void round_robin_is_smooth(void **state)
{
    (void)state;
    wheel_is("511", "0010200");
    wheel_is("111", "012");
    wheel_is("42", "010");
    wheel_is("301", "0020");
    wheel_is("00", "01");
}

static void long_wheels_are_scaled(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t =
        rig_tree(a, "{\"strategy\": {\"mode\": \"round_robin\"}, \"targets\": [{\"model\": \"a\", "
                    "\"weight\": 99999.5}, {\"model\": \"b\", \"weight\": 0.5}, {\"model\": \"c\", "
                    "\"weight\": 0}]}");
    const struct route_strategy *s = t->root->strategy;
    size_t turns[3] = {0};
    assert_true(s->n_wheel <= 4096 && s->n_wheel > 4000);
    for (size_t i = 0; i < s->n_wheel; i++) {
        turns[s->wheel[i]]++;
    }
    assert_int_equal(turns[1], 1);
    assert_int_equal(turns[2], 0);
    arena_free(a);
}

static void modes_have_their_members(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"strategy\": {\"mode\": \"split\", \"by\": [\"metadata.user\"]}, \"targets\": ["
           "{\"name\": \"a\", \"share\": 99.9999, \"model\": \"x\"},"
           "{\"name\": \"b\", \"share\": 0.0001, \"priority\": 7, \"strategy\": {\"mode\": "
           "\"mirror\", \"sample\": 12.5}, \"targets\": [{\"strategy\": {\"mode\": \"hedge\", "
           "\"after_ms\": 300}, \"targets\": [{\"strategy\": {\"mode\": \"loadbalance\", "
           "\"sticky\": {\"enabled\": true, \"hash_fields\": [\"headers.x-u\", "
           "\"metadata.user\"]}}, \"targets\": [{\"model\": \"y\"}]}]}]}]}");
    const struct route_node *const *c = t->root->children;
    assert_int_equal(c[0]->share_ppm, 999999);
    assert_int_equal(c[1]->share_ppm, 1);
    assert_int_equal(c[1]->priority, 7);
    assert_int_equal(t->root->strategy->n_hash_fields, 1);
    assert_int_equal(c[1]->strategy->mirror_ppm, 125000);
    assert_int_equal(c[1]->children[0]->strategy->hedge_after_ms, 300);
    const struct route_strategy *s = c[1]->children[0]->children[0]->strategy;
    assert_true(s->sticky);
    assert_int_equal(s->sticky_ttl_s, 3600);
    assert_int_equal(s->n_hash_fields, 2);
    assert_int_equal(s->hash_fields[1], t->root->strategy->hash_fields[0]); /* interned */
    assert_int_equal(t->n_fields, 2);
    arena_free(a);
}

static void append_targets(struct buffer *b, size_t n)
{
    (void)buffer_append_z(b, "{\"targets\": [");
    for (size_t i = 0; i < n; i++) {
        (void)buffer_append_z(b, i ? ",{\"model\":\"m\"}" : "{\"model\":\"m\"}");
    }
    (void)buffer_append_z(b, "]}");
}

static bool fits(struct buffer *b, struct error *err)
{
    struct arena *a = arena_new(0);
    const struct route_tree *t;
    *err = (struct error)ERROR_INIT;
    bool ok = route_config_compile(buffer_str(b), a, &t, err);
    arena_free(a);
    buffer_release(b);
    return ok;
}

static void limits_hold(void **state)
{
    struct buffer b;
    struct error err;
    (void)state;
    buffer_init(&b, 4u << 20);
    append_targets(&b, 1000);
    assert_true(fits(&b, &err));
    append_targets(&b, 1001);
    assert_false(fits(&b, &err));
    assert_string_equal(err.param, "config.targets");
    for (size_t last = 89; last <= 90; last++) { /* 1 + 5 + 4 * 1000 + last */
        (void)buffer_append_z(&b, "{\"targets\": [");
        for (int i = 0; i < 4; i++) {
            append_targets(&b, 1000);
            (void)buffer_append_z(&b, ",");
        }
        append_targets(&b, last + 1);
        (void)buffer_append_z(&b, "]}");
        assert_true(fits(&b, &err) == (last == 89));
    }
    assert_string_equal(err.param, "config.targets[4].targets[90]");
    (void)buffer_append_z(&b, "{\"model\": \"m\"}");
    while (b.len <= ROUTE_MAX_DOCUMENT) {
        (void)buffer_append(&b, " ", 1);
    }
    assert_false(fits(&b, &err));
    assert_int_equal(err.code, ERR_BODY_TOO_LARGE);
    rig_refused("", "config");
    rig_refused("{\"model\": \"m\"", "config");
    rig_refused("{\"model\": \"m\", \"model\": \"n\"}", "config.model");
}

static void errors_tell_the_place(void **state)
{
    struct arena *a = arena_new(0);
    const struct route_tree *t = NULL;
    struct error err = ERROR_INIT;
    const char *text = "{\"targets\": [{\"provider\": \"a\", \"weight\": -1}]}";
    (void)state;
    assert_false(route_config_compile(str_of(text), a, &t, &err));
    assert_int_equal(err.offset, strstr(text, "-1") - text);
    assert_false(route_config_compile(STR_LIT("{\"a\": tru}"), a, &t, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_string_equal(err.param, "config");
    assert_int_equal(err.offset, 9);
    assert_false(route_config_compile(STR_LIT("{\"targets\": 1}"), a, &t, NULL));
    assert_null(t);
    arena_free(a);
}

static void memory_that_runs_out_is_an_error(void **state)
{
    static const char text[] =
        "{\"strategy\": {\"mode\": \"conditional\", \"timezone\": \"Europe/Berlin\", "
        "\"conditions\": [{\"query\": {\"metadata.a\": {\"$regex\": \"a+\", \"$in\": [1, 2]}}, "
        "\"then\": \"a\"}]}, \"override_params\": {\"a\": 1}, \"targets\": [{\"name\": \"a\", "
        "\"api_key\": \"k\", \"aws_secret_access_key\": \"s\", \"aws_region\": \"r\", "
        "\"override_params\": {\"b\": 2}}]}";
    bool done = false;
    (void)state;
    for (size_t room = 16; !done; room += 48) {
        struct arena *a = arena_new(room);
        const struct route_tree *t = NULL;
        struct error err = ERROR_INIT;
        done = route_config_compile(STR_LIT(text), a, &t, &err);
        assert_true(done || (!t && err.code != ERR_NONE));
        assert_true(room < 1u << 20);
        arena_free(a);
    }
}

static void aliases_without_a_config(void **state)
{
    struct arena *a = arena_new(0);
    struct route_plain_target targets[2] = {
        {.provider_id = {1, 2}, .model = STR_LIT("x"), .weight = 3, .endpoint = API_RESPONSES},
        {.provider_id = {9}, .model = STR_LIT("y"), .weight = 0},
    };
    (void)state;
    const struct route_tree *t = route_config_plain(targets, 2, a);
    const struct route_strategy *s = t->root->strategy;
    assert_int_equal(s->mode, ROUTE_WEIGHTED);
    assert_int_equal(s->failover, UINT32_MAX);
    assert_int_equal(s->on.kinds, ROUTE_FAIL_TIMEOUT | ROUTE_FAIL_CONNECTION | ROUTE_FAIL_SERVER |
                                      ROUTE_FAIL_RATE_LIMIT | ROUTE_FAIL_CREDENTIAL);
    assert_int_equal(t->n_nodes, 3);
    const struct route_node *leaf = t->root->children[0];
    rig_is(leaf->path, "config.targets[0]");
    rig_is(leaf->model, "x");
    assert_int_equal(leaf->provider_id[1], 2);
    assert_int_equal(leaf->endpoint, API_RESPONSES);
    assert_int_equal(leaf->weight, 3);
    assert_int_equal(t->root->children[1]->weight, 0);
    assert_false(leaf->settings->retry.set || leaf->settings->cache.set);
    assert_non_null(route_config_plain(targets, 0, a));
    arena_free(a);
    a = arena_new(64);
    assert_null(route_config_plain(targets, 2, a));
    arena_free(a);
}

static void references_are_cut_in_two(void **state)
{
    static const struct {
        const char *text, *name, *label;
        uint64_t version;
    } rows[] = {
        {"chat", "chat", "", 0},
        {"chat@12", "chat", "", 12},
        {"chat@latest", "chat", "latest", 0},
        {"My config@production", "My config", "production", 0},
        {"cfg_0193@3", "cfg_0193", "", 3},
    };
    static const char *const wrong[] = {"",
                                        "@1",
                                        "a@",
                                        "a@0",
                                        "a@1x",
                                        "a@Prod",
                                        "a@b@1",
                                        "a\n@1",
                                        "{\"a\":1}",
                                        "a@-1",
                                        "a@99999999999999999999"};
    struct route_ref ref;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(route_ref_parse(str_of(rows[i].text), &ref));
        rig_is(ref.name, rows[i].name);
        rig_is(ref.label, rows[i].label);
        assert_int_equal(ref.version, rows[i].version);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(route_ref_parse(str_of(wrong[i]), &ref));
    }
}

static void numbers_are_read_as_parse_float_does(void **state)
{
    static const struct {
        const char *text;
        int64_t micro;
    } rows[] = {
        {"12", 12000000},
        {" \t-1.5e3x", -1500000000},
        {".5", 500000},
        {"5.", 5000000},
        {"1e3x", 1000000000},
        {"+2", 2000000},
        {"0x10", 0},
        {"1e", 1000000},
        {"1e+", 1000000},
        {"1-gold", 1000000},
        {"0.0000004", 0},
        {"0.0000005", 1},
        {"1e-2", 10000},
        {"0.1234567", 123457},
        {"00012.50", 12500000},
        {"1e999", INT64_MAX},
        {"-1e999", -INT64_MAX},
        {"1e-999", 0},
        {"123456789012345678901234567890", INT64_MAX},
        {"9007199254740993e-9", 9007199254741},
        {"0.00000000000000000000000001e26", 1000000},
        {"\xc2\xa0"
         "7",
         7000000},
    };
    static const char *const none[] = {"",          "abc", ".",    "-",   "e5", "Infinity",
                                       "-Infinity", "NaN", "true", "--1", "- 1"};
    int64_t micro;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!route_number(str_of(rows[i].text), &micro) || micro != rows[i].micro) {
            fail_msg("%s: %lld", rows[i].text, (long long)micro);
        }
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(route_number(str_of(none[i]), &micro));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_whole),
        cmocka_unit_test(a_leaf_alone_is_a_tree),
        cmocka_unit_test(providers_by_name_must_exist),
        cmocka_unit_test(nodes_know_their_places),
        cmocka_unit_test(every_mode_and_its_failover),
        cmocka_unit_test(failures_that_lead_on),
        cmocka_unit_test(weights_keep_their_proportions),
        cmocka_unit_test(round_robin_is_smooth),
        cmocka_unit_test(long_wheels_are_scaled),
        cmocka_unit_test(modes_have_their_members),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(errors_tell_the_place),
        cmocka_unit_test(memory_that_runs_out_is_an_error),
        cmocka_unit_test(aliases_without_a_config),
        cmocka_unit_test(references_are_cut_in_two),
        cmocka_unit_test(numbers_are_read_as_parse_float_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

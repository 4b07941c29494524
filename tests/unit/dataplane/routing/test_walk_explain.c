/* routing/walk_explain.c: decisions as JSON, the order of trying, and that nothing shared is
 * touched. */
#include "walk_rig.h"

static struct rig rig;
static struct buffer text;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    buffer_init(&text, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&text);
    rig_release(&rig);
    return 0;
}

static const char *explained(void)
{
    struct error err = ERROR_INIT;
    struct json_value v;
    buffer_clear(&text);
    json_writer_init(&writer, &text);
    json_array_begin(&writer);
    rig.env.explain = &writer;
    (void)rig_first(&rig);
    json_array_end(&writer);
    assert_false(text.failed);
    assert_true(json_validate(buffer_str(&text), 0, &v, &err));
    return arena_str(rig.arena, buffer_str(&text)).ptr;
}

static const char *order(void)
{
    static char line[512];
    const struct walk_place *list;
    size_t n = walk_explain_order(rig.walk, &list), at = 0;
    line[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%.*s", i ? " " : "",
                               STR_ARG(list[i].leaf->provider));
    }
    return line;
}

#define NESTED                                                                                     \
    "{\"strategy\":{\"mode\":\"conditional\",\"default\":\"cheap\",\"conditions\":[{\"query\":{"   \
    "\"metadata.plan\":\"gold\"},\"then\":\"cheap\"},{\"query\":{\"metadata.plan\":\"pro\","       \
    "\"metadata.n\":{\"$exists\":false}},\"then\":\"best\"},{\"query\":{\"metadata.z\":1},"        \
    "\"then\":"                                                                                    \
    "\"cheap\"}]},\"targets\":[{\"name\":\"cheap\",\"provider\":\"c7\"},{\"name\":\"best\","       \
    "\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"a\"},{\"provider\":\"b\"}," \
    "{\"provider\":\"none\"},{\"provider\":\"d\"},{\"provider\":\"e\"}]}]}"

static void each_decision_is_told(void **state)
{
    (void)state;
    rig_config(&rig, NESTED);
    rig.metadata = "{\"plan\":\"pro\"}";
    rig_open(&rig, "a", 60000);
    rig_saturate(&rig, "b");
    rig_sample(&rig, "d", 120000, 1);
    rig_cool(&rig, "e", 60000);
    target_started(rig_target(&rig, STR_LIT("d")), rig.env.now_ms);
    assert_string_equal(
        explained(),
        "[{\"node\":\"config\",\"mode\":\"conditional\",\"conditions\":[{\"query\":{\"metadata."
        "plan\":\"gold\"},\"holds\":false,\"values\":{\"metadata.plan\":\"pro\"}},{\"query\":{"
        "\"metadata.plan\":\"pro\",\"metadata.n\":{\"$exists\":false}},\"holds\":true,\"values"
        "\":{\"metadata.plan\":\"pro\",\"metadata.n\":null}}],\"order\":[{\"target\":\"config.t"
        "argets[1]\",\"name\":\"best\",\"weight\":1,\"health\":\"healthy\",\"limits\":\"ok\",\""
        "latency_ms\":120,\"in_flight\":1},{\"target\":\"config.targets[0]\",\"name\":\"cheap\""
        ",\"weight\":1,\"health\":\"healthy\",\"limits\":\"ok\",\"in_flight\":0,\"price_nanousd"
        "\":7,\"passed_over\":\"not asked for\"}],\"chosen\":\"config.targets[1]\"},{\"node\":"
        "\"config.targets[1]\",\"mode\":\"fallback\",\"order\":[{\"target\":\"config.targets[1]"
        ".targets[0]\",\"weight\":1,\"health\":\"open\",\"limits\":\"ok\",\"in_flight\":0,\"pas"
        "sed_over\":\"open\"},{\"target\":\"config.targets[1].targets[1]\",\"weight\":1,\"healt"
        "h\":\"degraded\",\"limits\":\"saturated\",\"in_flight\":0,\"passed_over\":\"saturated"
        "\"},{\"target\":\"config.targets[1].targets[2]\",\"weight\":1,\"health\":\"impossible"
        "\",\"passed_over\":\"cannot be called\"},{\"target\":\"config.targets[1].targets[3]\","
        "\"weight\":1,\"health\":\"healthy\",\"limits\":\"ok\",\"latency_ms\":120,\"in_flight\""
        ":1},{\"target\":\"config.targets[1].targets[4]\",\"weight\":1,\"health\":\"open\",\"li"
        "mits\":\"ok\",\"in_flight\":0,\"passed_over\":\"cooling down\"}],\"chosen\":\"config.t"
        "argets[1].targets[3]\"}]");
    assert_string_equal(order(), "d b");
}

static void a_split_tells_its_arm(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"split\"},\"targets\":[{\"name\":\"x\",\"share\":0,"
               "\"provider\":\"a\"},{\"name\":\"y\",\"share\":99.5,\"provider\":\"b\"},{\"name\":"
               "\"z\",\"share\":0.5,\"provider\":\"none\"}]}");
    assert_string_equal(
        explained(),
        "[{\"node\":\"config\",\"mode\":\"split\",\"order\":[{\"target\":\"config.targets[1]\","
        "\"name\":\"y\",\"share\":99.5,\"health\":\"healthy\",\"limits\":\"ok\",\"in_flight\":0},{"
        "\"target\":\"config.targets[2]\",\"name\":\"z\",\"share\":0.5,\"health\":\"impossible\","
        "\"passed_over\":\"cannot be called\"},{\"target\":\"config.targets[0]\",\"name\":\"x\","
        "\"share\":0,\"health\":\"healthy\",\"limits\":\"ok\",\"in_flight\":0,\"passed_over\":\"no "
        "share\"}],\"chosen\":\"config.targets[1]\",\"assignment\":\"y\"}]");
}

static void a_dead_end_is_told(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"targets\":[{\"strategy\":{\"mode\":\"conditional\",\"conditions\":[{\"query\":{"
               "\"metadata.x\":{\"$gt\":3}},\"then\":\"t\"}]},\"targets\":[{\"name\":\"t\","
               "\"provider\":\"a\"}]}]}");
    rig.metadata = "{\"x\":2}";
    const char *told = explained();
    assert_int_equal(rig.step.reason, WALK_NO_CONDITION);
    assert_non_null(strstr(told, "\"node\":\"config\",\"mode\":\"single\""));
    assert_non_null(strstr(told,
                           "{\"query\":{\"metadata.x\":{\"$gt\":3}},\"holds\":false,\"values\":{"
                           "\"metadata.x\":2}}"));
    assert_non_null(strstr(told, "\"chosen\":null"));
    assert_string_equal(order(), "");
}

static void nothing_shared_is_touched(void **state)
{
    (void)state;
    bool probe;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"round_robin\"},\"retry\":{\"attempts\":3},\"targets\":[{"
               "\"provider\":\"a\"},{\"provider\":\"b\"}]}");
    rig_open(&rig, "a", 1000);
    rig.env.now_ms += 1000;
    for (int i = 0; i < 3; i++) {
        (void)explained();
        assert_true(str_eqz(rig.step.leaf->provider, "a"));
        assert_false(rig.step.probe);
        assert_string_equal(order(), "a b");
        assert_string_equal(order(), "a b");
    }
    rig.env.explain = NULL;
    assert_string_equal(rig_first(&rig), "a");
    assert_true(rig.step.probe);
    assert_false(target_admits(rig_target(&rig, STR_LIT("a")), NULL, rig.env.now_ms, &probe));
    assert_string_equal(rig_first(&rig), "b");
}

/* Weights are drawn once: what is told is what would be done. */
static void the_order_is_the_one_that_is_walked(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"strategy\":{\"mode\":"
               "\"weighted\"},\"targets\":[{\"provider\":\"a\"},{\"provider\":\"b\"},{\"provider\":"
               "\"c\"},{\"provider\":\"d\"}]},{\"provider\":\"e\"}]}");
    for (int i = 0; i < 20; i++) {
        const char *told = explained();
        const char *said = arena_str(rig.arena, str_of(order())).ptr, *at = said;
        for (int k = 0; k < 5; k++, at += 2) {
            assert_int_equal(at[0], rig.step.leaf ? rig.step.leaf->provider.ptr[0] : 0);
            (void)rig_fail_500(&rig);
        }
        /* and its first is the first of the decision's list */
        char first[32];
        (void)snprintf(first, sizeof(first), "targets[0].targets[%d]\"", said[0] - 'a');
        const char *list =
            strstr(strstr(told, "\"mode\":\"weighted\""), "config.targets[0].targets[");
        assert_memory_equal(list + 7, first, strlen(first));
    }
}

static void the_order_heeds_what_leads_on(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\",\"on_status_codes\":[429]},\"targets\":[{"
               "\"provider\":\"a\"},{\"provider\":\"b\"}]}");
    (void)explained();
    assert_string_equal(order(), "a");
    rig.env.explain = NULL;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"alias-x\"},{"
               "\"provider\":\"b\"}]}");
    rig_alias(&rig, "alias-x",
              "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"a\"},"
              "{\"provider\":\"c\"}]}");
    (void)explained();
    assert_string_equal(order(), "a c b");
    const struct walk_place *list;
    assert_int_equal(walk_explain_order(rig.walk, &list), 3);
    assert_true(str_eqz(list[1].option, "config.targets[0].targets[1]"));
    assert_non_null(list[1].outer);
    assert_non_null(list[1].settings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(each_decision_is_told),
        T(a_split_tells_its_arm),
        T(a_dead_end_is_told),
        T(nothing_shared_is_touched),
        T(the_order_is_the_one_that_is_walked),
        T(the_order_heeds_what_leads_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

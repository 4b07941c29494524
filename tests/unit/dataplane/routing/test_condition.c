/* routing/condition.c: each operator fires and stays quiet, on each type of value. */
#include "walk_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_release(&rig);
    return 0;
}

static bool holds(const char *query, const char *metadata, const char *body)
{
    struct facts f;
    char *json = arena_alloc(rig.arena, strlen(query) + 256);
    (void)snprintf(json, strlen(query) + 256,
                   "{\"strategy\":{\"mode\":\"conditional\",\"conditions\":[{\"query\":%s,\"then\":"
                   "\"t\"}]},\"targets\":[{\"name\":\"t\",\"provider\":\"a\"}]}",
                   query);
    const struct route_tree *t = rig_compile(&rig, json);
    rig.metadata = metadata;
    rig.body = body;
    assert_true(facts_init(&f, t, rig.arena, rig_fact, &rig));
    return condition_holds(&f, t->root->strategy->conditions[0].query);
}

struct row {
    const char *query;
    bool holds;
};

static void check(const struct row *rows, size_t n, const char *metadata, const char *body)
{
    for (size_t i = 0; i < n; i++) {
        if (holds(rows[i].query, metadata, body) != rows[i].holds) {
            fail_msg("%s should %shold", rows[i].query, rows[i].holds ? "" : "not ");
        }
    }
}
#define CHECK(rows, metadata, body) check(rows, sizeof(rows) / sizeof(rows[0]), metadata, body)
#define M(x) "{\"metadata.x\":" x "}"

static void texts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {M("\"pro\""), true},
        {M("\"Pro\""), false},
        {M("{\"$eq\":\"pro\"}"), true},
        {M("{\"$eq\":\"pr\"}"), false},
        {M("{\"$ne\":\"pro\"}"), false},
        {M("{\"$ne\":\"free\"}"), true},
        {M("{\"$in\":[\"a\",\"pro\"]}"), true},
        {M("{\"$in\":[\"a\",\"b\"]}"), false},
        {M("{\"$in\":[]}"), false},
        {M("{\"$nin\":[\"a\",\"b\"]}"), true},
        {M("{\"$nin\":[\"a\",\"pro\"]}"), false},
        {M("{\"$gt\":\"abc\"}"), true},
        {M("{\"$gt\":\"pro\"}"), false},
        {M("{\"$gte\":\"pro\"}"), true},
        {M("{\"$lt\":\"zzz\"}"), true},
        {M("{\"$lte\":\"abc\"}"), false},
        {M("{\"$gt\":1}"), false}, /* one side alone is a number */
        {M("{\"$lt\":1}"), false},
        {M("{\"$regex\":\"^p.o$\"}"), true},
        {M("{\"$regex\":\"^r\"}"), false},
        {M("{\"$contains\":\"ro\"}"), true},
        {M("{\"$contains\":\"or\"}"), false},
        {M("{\"$startsWith\":\"pr\"}"), true},
        {M("{\"$startsWith\":\"ro\"}"), false},
        {M("{\"$endsWith\":\"ro\"}"), true},
        {M("{\"$endsWith\":\"pr\"}"), false},
        {M("{\"$exists\":true}"), true},
        {M("{\"$exists\":false}"), false},
        {M("{\"$gt\":\"abc\",\"$lt\":\"q\"}"), true},
        {M("{\"$gt\":\"abc\",\"$lt\":\"b\"}"), false},
    };
    CHECK(rows, "{\"x\":\"pro\"}", NULL);
    CHECK(rows, "{\"x\":\"p\\u0072o\"}", NULL);
}

static void numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {M("10"), true},
        {M("10.0"), true},
        {M("1e1"), true},
        {M("\"10\""), true},
        {M("11"), false},
        {M("{\"$ne\":10}"), false},
        {M("{\"$ne\":9}"), true},
        {M("{\"$gt\":9}"), true},
        {M("{\"$gt\":9.999999}"), true},
        {M("{\"$gt\":10}"), false},
        {M("{\"$gte\":10}"), true},
        {M("{\"$gt\":\"9\"}"), true}, /* as numbers, not as texts */
        {M("{\"$lt\":\"9 apples\"}"), false},
        {M("{\"$lt\":\"11 apples\"}"), true},
        {M("{\"$lte\":10}"), true},
        {M("{\"$lt\":-3}"), false},
        {M("{\"$in\":[1,10]}"), true},
        {M("{\"$in\":[1,100]}"), false},
        {M("{\"$nin\":[1,100]}"), true},
        {M("{\"$regex\":\"^1\"}"), true},
        {M("{\"$exists\":true}"), true},
    };
    CHECK(rows, "{\"x\":10}", NULL);
    CHECK(rows, "{\"x\":\"10\"}", NULL);
    assert_true(holds(M("10"), "{\"x\":\"10.00\"}", NULL));
    assert_false(holds(M("10"), "{\"x\":\"10 apples\"}", NULL));
    assert_true(holds(M("{\"$gt\":9}"), "{\"x\":\"10 apples\"}", NULL));
    assert_false(holds(M("\"10.0\""), "{\"x\":\"10\"}", NULL)); /* both are texts */
    assert_false(holds(M("\"2026-01-02\""), "{\"x\":\"2026-03-04\"}", NULL));
    assert_false(holds(M("99999999999999999999"), "{\"x\":99999999999999999998}", NULL));
    assert_true(holds(M("-0.5"), "{\"x\":-5e-1}", NULL));
}

static void booleans(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {M("true"), true},     {M("false"), false},
        {M("\"true\""), true}, {M("{\"$ne\":false}"), true},
        {M("1"), false},       {M("{\"$gt\":0}"), false},
    };
    CHECK(rows, "{\"x\":true}", NULL);
    assert_true(holds("{\"stream\":true}", NULL, NULL));
    assert_false(holds("{\"stream\":false}", NULL, NULL));
}

static void what_is_absent_makes_all_false(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {M("\"a\""), false},
        {M("{\"$ne\":\"a\"}"), false},
        {M("{\"$in\":[\"a\"]}"), false},
        {M("{\"$nin\":[\"a\"]}"), false},
        {M("{\"$gt\":0}"), false},
        {M("{\"$lte\":0}"), false},
        {M("{\"$regex\":\"\"}"), false},
        {M("{\"$contains\":\"\"}"), false},
        {M("{\"$exists\":true}"), false},
        {M("{\"$exists\":false}"), true},
        {"{\"$not\":" M("\"a\"") "}", true},
        {"{\"$not\":" M("{\"$exists\":false}") "}", false},
    };
    CHECK(rows, NULL, NULL);
    CHECK(rows, "{\"x\":null}", NULL);
    CHECK(rows, "{\"y\":1}", NULL);
}

static void lists(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {M("\"beta\""), true},
        {M("\"bet\""), false},
        {M("{\"$in\":[\"q\",\"beta\"]}"), true},
        {M("{\"$contains\":\"beta\"}"), true},
        {M("{\"$contains\":\"bet\"}"), false}, /* the list has no such item */
        {M("{\"$startsWith\":\"bet\"}"), true},
        {M("{\"$gt\":6}"), true},
        {M("{\"$gt\":7}"), false},
        {M("7"), true},
        {M("{\"$ne\":\"beta\"}"), true}, /* one of them is not */
        {"{\"$not\":" M("\"beta\"") "}", false},
        {M("{\"$exists\":true}"), true},
    };
    CHECK(rows, "{\"x\":[\"alpha\",{\"beta\":1},\"b\\u0065ta\",null,7]}", NULL);
    assert_false(holds(M("{\"$ne\":\"a\"}"), "{\"x\":[]}", NULL));
    assert_true(holds(M("{\"$exists\":true}"), "{\"x\":[]}", NULL));
    assert_true(holds(M("{\"$exists\":true}"), "{\"x\":{\"a\":1}}", NULL));
    assert_false(holds(M("{\"$ne\":\"a\"}"), "{\"x\":{\"a\":1}}", NULL));
}

static void logic(void **state)
{
    (void)state;
#define X M("1")
#define Y M("2")
    static const struct row rows[] = {
        {"{\"$and\":[" X "," X "]}", true},
        {"{\"$and\":[" X "," Y "]}", false},
        {"{\"$and\":[]}", true},
        {"{\"$or\":[" Y "," X "]}", true},
        {"{\"$or\":[" Y "," Y "]}", false},
        {"{\"$or\":[]}", false},
        {"{\"$not\":" Y "}", true},
        {"{\"$not\":{\"$or\":[" X ",{\"$and\":[" Y "]}]}}", false},
        {"{\"metadata.x\":1,\"metadata.y\":\"b\"}", true},
        {"{\"metadata.x\":1,\"metadata.y\":\"c\"}", false},
    };
    CHECK(rows, "{\"x\":1,\"y\":\"b\"}", NULL);
}

static void paths_into_the_body(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"params.max_tokens\":{\"$gte\":100}}", true},
        {"{\"body.max_tokens\":{\"$lt\":100}}", false},
        {"{\"params.messages[0].role\":\"system\"}", true},
        {"{\"params.messages[-1].content\":{\"$contains\":\"help\"}}", true},
        {"{\"params.messages[-1].content\":{\"$contains\":\"You\"}}", false},
        {"{\"params.messages[-2].content\":{\"$startsWith\":\"You\"}}", true},
        {"{\"params.messages[2].content\":{\"$exists\":true}}", false},
        {"{\"params.messages[-3].content\":{\"$exists\":true}}", false},
        {"{\"params.tools\":{\"$exists\":true}}", true},
        {"{\"params.tools[0].function\":{\"$exists\":true}}", true},
        {"{\"params.tools[0].function.name\":\"f\"}", true},
        {"{\"params.stop\":\"END\"}", true},
        {"{\"params.stop[1]\":\"X\"}", true},
        {"{\"params.model.length\":{\"$exists\":true}}", false},
        {"{\"params.seed\":{\"$exists\":true}}", false},
    };
    CHECK(rows, NULL,
          " {\"model\":\"m\",\"max_tokens\":100,\"messages\":[{\"role\":\"system\",\"content\":"
          "\"You\"},"
          "{\"role\":\"user\",\"content\":\"h\\u0065lp\"}],\"tools\":[{\"type\":\"function\","
          "\"function\":{\"name\":\"f\"}}],\"stop\":[\"END\",\"X\"],\"seed\":null}\n");
    CHECK(((struct row[]){{"{\"params.a\":{\"$exists\":true}}", false}}), NULL, "[1]");
    CHECK(((struct row[]){{"{\"params.a\":{\"$exists\":true}}", false}}), NULL, "");
}

/* The rig's clock says 09:30 on 2026-11-22. */
static void times_are_no_numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{\"time\":{\"$gte\":\"09:15\",\"$lt\":\"09:45\"}}", true},
        {"{\"time\":{\"$gte\":\"09:45\"}}", false},
        {"{\"time\":{\"$gte\":\"9:15\"}}", true},
        {"{\"time\":{\"$gt\":\"9:30\"}}", false},
        {"{\"time\":{\"$lt\":\"17:00\"}}", true},
        {"{\"date\":{\"$gte\":\"2026-11-23\"}}", false},
        {"{\"date\":{\"$gte\":\"2026-11-01\",\"$lt\":\"2026-12-01\"}}", true},
    };
    CHECK(rows, NULL, NULL);
}

static void a_field_is_asked_once(void **state)
{
    (void)state;
    rig.n_fact = 0;
    assert_true(holds("{\"$or\":[" Y ",{\"$and\":[" X "," X "]}]}", "{\"x\":1}", NULL));
    assert_int_equal(rig.n_fact, 1);
    rig.n_fact = 0;
    assert_true(holds("{\"$and\":[{\"$not\":" X "},{\"$not\":" X "}]}", NULL, NULL));
    assert_int_equal(rig.n_fact, 1); /* absent counts as an answer */
}

static void answers_that_facts_give(void **state)
{
    (void)state;
    struct fact f;
    fact_text(&f, STR_NONE);
    assert_int_equal(f.type, FACT_ABSENT);
    fact_text(&f, STR_LIT(""));
    assert_int_equal(f.type, FACT_TEXT);
    assert_false(f.is_number);
    fact_text(&f, STR_LIT("1.5"));
    assert_true(f.is_number);
    assert_int_equal(f.micro, 1500000);
    fact_number(&f, rig.arena, -7);
    assert_true(f.type == FACT_NUMBER && f.micro == -7000000 && str_eqz(f.text, "-7"));
    fact_number(&f, rig.arena, INT64_MAX);
    assert_int_equal(f.micro, INT64_MAX);
    fact_bool(&f, false);
    assert_true(f.type == FACT_BOOL && str_eqz(f.text, "false"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(texts),
        T(numbers),
        T(booleans),
        T(what_is_absent_makes_all_false),
        T(lists),
        T(logic),
        T(paths_into_the_body),
        T(times_are_no_numbers),
        T(a_field_is_asked_once),
        T(answers_that_facts_give),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

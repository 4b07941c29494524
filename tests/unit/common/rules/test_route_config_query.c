/* Conditions: how documents write them and what becomes of them. */
#include "common/rules/route_config_rig.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/regex.h"

struct made {
    struct arena *a;
    const struct route_tree *t;
    const struct route_query *q;
};

static struct made query_made(const char *query)
{
    struct made m = {.a = arena_new(0)};
    struct str text =
        arena_printf(m.a,
                     "{\"strategy\": {\"mode\": \"conditional\", \"conditions\": [{\"query\": %s, "
                     "\"then\": \"a\"}]}, \"targets\": [{\"name\": \"a\", \"model\": \"x\"}]}",
                     query);
    m.t = rig_tree(m.a, text.ptr);
    m.q = m.t->root->strategy->conditions[0].query;
    return m;
}

static void every_operator(void **state)
{
    static const struct {
        const char *name, *value;
        enum route_op op;
    } rows[] = {
        {"$eq", "\"v\"", ROUTE_OP_EQ},
        {"$ne", "1", ROUTE_OP_NE},
        {"$gt", "1.5", ROUTE_OP_GT},
        {"$gte", "\"10\"", ROUTE_OP_GTE},
        {"$lt", "1", ROUTE_OP_LT},
        {"$lte", "1", ROUTE_OP_LTE},
        {"$in", "[1]", ROUTE_OP_IN},
        {"$nin", "[true]", ROUTE_OP_NIN},
        {"$regex", "\"^v\"", ROUTE_OP_REGEX},
        {"$exists", "false", ROUTE_OP_EXISTS},
        {"$contains", "\"v\"", ROUTE_OP_CONTAINS},
        {"$startsWith", "\"v\"", ROUTE_OP_STARTS},
        {"$endsWith", "\"v\"", ROUTE_OP_ENDS},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"metadata.x\": {\"%s\": %s}}", rows[i].name,
                       rows[i].value);
        struct made m = query_made(text);
        assert_int_equal(m.q->op, rows[i].op);
        assert_int_equal(m.q->n_values, 1);
        assert_int_equal(m.q->field, 0);
        rig_is(m.t->fields[0].text, "metadata.x");
        rig_is(m.t->fields[0].name, "x");
        rig_is(m.q->text, text);
        assert_true((m.q->regex != NULL) == (rows[i].op == ROUTE_OP_REGEX));
        arena_free(m.a);
    }
}

static void bare_values_and_several_are_joined(void **state)
{
    (void)state;
    struct made m = query_made("{\"metadata.a\": \"x\"}");
    assert_int_equal(m.q->op, ROUTE_OP_EQ);
    rig_is(m.q->values[0].text, "x");
    arena_free(m.a);
    m = query_made("{\"metadata.a\": \"x\", \"params.n\": {\"$gt\": 1, \"$lt\": 9}, \"$or\": []}");
    assert_int_equal(m.q->op, ROUTE_OP_AND);
    assert_int_equal(m.q->n_parts, 3);
    assert_int_equal(m.q->parts[0]->op, ROUTE_OP_EQ);
    rig_is(m.q->parts[0]->text, "{\"metadata.a\":\"x\"}");
    assert_int_equal(m.q->parts[1]->op, ROUTE_OP_AND);
    rig_is(m.q->parts[1]->parts[1]->text, "{\"params.n\":{\"$lt\":9}}");
    assert_int_equal(m.q->parts[1]->parts[0]->field, m.q->parts[1]->parts[1]->field);
    assert_int_equal(m.q->parts[2]->op, ROUTE_OP_OR);
    assert_int_equal(m.q->parts[2]->n_parts, 0);
    assert_int_equal(m.t->n_fields, 2);
    arena_free(m.a);
    m = query_made("{}");
    assert_int_equal(m.q->op, ROUTE_OP_AND);
    assert_int_equal(m.q->n_parts, 0);
    arena_free(m.a);
}

static void logic_nests(void **state)
{
    (void)state;
    struct made m = query_made("{\"$and\": [{\"$or\": [{\"metadata.a\": 1}, {\"metadata.b\": 2}]}, "
                               "{\"$not\": {\"metadata.a\": {\"$not\": {\"$in\": [1]}}}}]}");
    assert_int_equal(m.q->op, ROUTE_OP_AND);
    assert_int_equal(m.q->parts[0]->op, ROUTE_OP_OR);
    assert_int_equal(m.q->parts[0]->n_parts, 2);
    const struct route_query *not = m.q->parts[1];
    assert_int_equal(not ->op, ROUTE_OP_NOT);
    assert_int_equal(not ->n_parts, 1);
    assert_int_equal(not ->parts[0]->op, ROUTE_OP_NOT);
    assert_int_equal(not ->parts[0]->parts[0]->op, ROUTE_OP_IN);
    rig_is(not ->parts[0]->parts[0]->text, "{\"metadata.a\":{\"$in\":[1]}}");
    arena_free(m.a);
}

static void literals_are_numbers_only_where_they_compare_so(void **state)
{
    static const struct {
        const char *query;
        bool is_number;
        int64_t micro;
    } rows[] = {
        {"{\"metadata.a\": {\"$gt\": \"10 tokens\"}}", true, 10000000},
        {"{\"metadata.a\": {\"$eq\": \"10 tokens\"}}", false, 0},
        {"{\"metadata.a\": {\"$eq\": \"10\"}}", true, 10000000},
        {"{\"metadata.a\": {\"$in\": [-1.5e1]}}", true, -15000000},
        {"{\"metadata.a\": {\"$eq\": \"12345678901234567890\"}}", false, 0},
        {"{\"metadata.a\": {\"$eq\": \"007\"}}", false, 0},
        {"{\"metadata.a\": true}", false, 0},
        {"{\"metadata.a\": null}", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct made m = query_made(rows[i].query);
        if (m.q->values[0].is_number != rows[i].is_number ||
            m.q->values[0].micro != rows[i].micro) {
            fail_msg("%s: %lld", rows[i].query, (long long)m.q->values[0].micro);
        }
        arena_free(m.a);
    }
    struct made m = query_made("{\"metadata.a\": {\"$in\": [\"\\u00e9\", 2, false]}}");
    rig_is(m.q->values[0].text, "\xc3\xa9");
    rig_is(m.q->values[2].text, "false");
    assert_int_equal(m.q->n_values, 3);
    arena_free(m.a);
}

static void every_field(void **state)
{
    static const struct {
        const char *text, *name;
        enum route_field_kind kind;
    } rows[] = {
        {"metadata.a.b", "a.b", ROUTE_FIELD_METADATA},
        {"headers.X-Tier", "X-Tier", ROUTE_FIELD_HEADER},
        {"params.max_tokens", "max_tokens", ROUTE_FIELD_BODY},
        {"body.a", "a", ROUTE_FIELD_BODY},
        {"url.pathname", "pathname", ROUTE_FIELD_PATH},
        {"endpoint", "", ROUTE_FIELD_ENDPOINT},
        {"model", "", ROUTE_FIELD_MODEL},
        {"stream", "", ROUTE_FIELD_STREAM},
        {"prompt_tokens", "", ROUTE_FIELD_PROMPT_TOKENS},
        {"has_tools", "", ROUTE_FIELD_HAS_TOOLS},
        {"has_images", "", ROUTE_FIELD_HAS_IMAGES},
        {"has_json_schema", "", ROUTE_FIELD_HAS_JSON_SCHEMA},
        {"caller.tags", "tags", ROUTE_FIELD_CALLER},
        {"time", "", ROUTE_FIELD_TIME},
        {"time.minute", "minute", ROUTE_FIELD_TIME},
        {"weekday", "", ROUTE_FIELD_WEEKDAY},
        {"date", "", ROUTE_FIELD_DATE},
        {"budget.remaining_percent", "remaining_percent", ROUTE_FIELD_BUDGET},
        {"health.a", "a", ROUTE_FIELD_HEALTH},
        {"latency.a", "a", ROUTE_FIELD_LATENCY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[100];
        (void)snprintf(text, sizeof(text), "{\"%s\": 1}", rows[i].text);
        struct made m = query_made(text);
        const struct route_field *f = &m.t->fields[0];
        assert_int_equal(f->kind, rows[i].kind);
        rig_is(f->name, rows[i].name);
        bool target = f->kind == ROUTE_FIELD_HEALTH || f->kind == ROUTE_FIELD_LATENCY;
        assert_ptr_equal(f->node, target ? m.t->root->children[0] : NULL);
        assert_null(f->zone);
        arena_free(m.a);
    }
}

static void body_paths_are_cut_into_steps(void **state)
{
    (void)state;
    struct made m = query_made("{\"params.messages[-1].content[0][12].a\": 1}");
    const struct route_path_step *s = m.t->fields[0].steps;
    assert_int_equal(m.t->fields[0].n_steps, 6);
    rig_is(s[0].name, "messages");
    assert_null(s[1].name.ptr);
    assert_int_equal(s[1].index, -1);
    rig_is(s[2].name, "content");
    assert_int_equal(s[3].index, 0);
    assert_int_equal(s[4].index, 12);
    rig_is(s[5].name, "a");
    arena_free(m.a);
}

static void fields_stand_once_but_by_zone(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
#define NODE(zone, then)                                                               \
    "{\"strategy\": {\"mode\": \"conditional\", " zone "\"conditions\": [{\"query\": " \
    "{\"time.hour\": 9, \"model\": \"x\", \"health.deep\": \"open\"}, \"then\": \"" then "\"}]}"
    const struct route_tree *t = rig_tree(
        a, NODE("\"timezone\": \"Europe/Berlin\", ", "a") ", \"targets\": [" NODE(
               "", "deep") ", \"name\": \"a\", \"targets\": [{\"name\": \"deep\", \"model\": "
                           "\"m\"}]}]}");
    const struct route_node *inner = t->root->children[0];
    const struct route_query *outer_q = t->root->strategy->conditions[0].query;
    const struct route_query *inner_q = inner->strategy->conditions[0].query;
    assert_int_equal(t->n_fields, 4);
    assert_int_not_equal(outer_q->parts[0]->field, inner_q->parts[0]->field);
    assert_non_null(t->fields[outer_q->parts[0]->field].zone);
    assert_null(t->fields[inner_q->parts[0]->field].zone);
    assert_int_equal(outer_q->parts[1]->field, inner_q->parts[1]->field);
    assert_ptr_equal(t->fields[outer_q->parts[2]->field].node, inner->children[0]);
    arena_free(a);
}

static void targets_by_name(void **state)
{
    struct arena *a = arena_new(0);
    (void)state;
    const struct route_tree *t = rig_tree(
        a, "{\"strategy\": {\"mode\": \"conditional\", \"conditions\": [{\"query\": {}, \"then\": "
           "\"b\"}], \"default\": \"a\"}, \"targets\": [{\"name\": \"a\", \"model\": \"1\"}, "
           "{\"name\": \"b\", \"model\": \"2\"}, {\"name\": \"b\", \"model\": \"3\"}]}");
    assert_ptr_equal(t->root->strategy->conditions[0].then, t->root->children[1]);
    assert_ptr_equal(t->root->strategy->otherwise, t->root->children[0]);
    arena_free(a);
}

/* A thousand targets and conditions take no longer each than a few. */
static void a_thousand_conditions(void **state)
{
    struct arena *a = arena_new(0);
    struct buffer b;
    (void)state;
    buffer_init(&b, 1u << 20);
    (void)buffer_append_z(&b, "{\"strategy\": {\"mode\": \"conditional\", \"conditions\": [");
    for (int i = 0; i < 1000; i++) {
        (void)buffer_printf(&b, "%s{\"query\": {\"metadata.m%d\": \"%d\"}, \"then\": \"t%d\"}",
                            i ? "," : "", i, i, 999 - i);
    }
    (void)buffer_append_z(&b, "]}, \"targets\": [");
    for (int i = 0; i < 1000; i++) {
        (void)buffer_printf(&b, "%s{\"name\": \"t%d\", \"model\": \"m\"}", i ? "," : "", i);
    }
    (void)buffer_append(&b, "]}", 3);
    const struct route_tree *t = rig_tree(a, b.ptr);
    assert_int_equal(t->n_fields, 1000);
    assert_int_equal(t->root->strategy->n_conditions, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_ptr_equal(t->root->strategy->conditions[i].then, t->root->children[999 - i]);
        assert_int_equal(t->root->strategy->conditions[i].query->field, i);
    }
    buffer_release(&b);
    arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator),
        cmocka_unit_test(bare_values_and_several_are_joined),
        cmocka_unit_test(logic_nests),
        cmocka_unit_test(literals_are_numbers_only_where_they_compare_so),
        cmocka_unit_test(every_field),
        cmocka_unit_test(body_paths_are_cut_into_steps),
        cmocka_unit_test(fields_stand_once_but_by_zone),
        cmocka_unit_test(targets_by_name),
        cmocka_unit_test(a_thousand_conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Keys: what makes two calls one, and what keeps them apart; and what is kept beside an answer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "dataplane/cache/key.h"
#include "dataplane/cache/sorted_json.h"

static struct cache_key_parts parts(struct str body)
{
    return (struct cache_key_parts){.organization = {{1}},
                                    .workspace = {{2}},
                                    .scope = STR_LIT(""),
                                    .dialect = STR_LIT("openai"),
                                    .operation = STR_LIT("chat.completions"),
                                    .model = STR_LIT("gpt-4o"),
                                    .policy = STR_LIT("cfg_1@2"),
                                    .name_space = STR_LIT(""),
                                    .body = body};
}

static struct cache_key key(const struct cache_key_parts *p)
{
    struct arena *a = arena_new(0);
    struct cache_key k;
    assert_true(cache_key_make(p, a, &k));
    arena_free(a);
    return k;
}

static bool same(const struct cache_key_parts *p, const struct cache_key_parts *q)
{
    struct cache_key a = key(p), b = key(q);
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static bool same_body(const char *a, const char *b)
{
    struct cache_key_parts p = parts(str_of(a)), q = parts(str_of(b));
    return same(&p, &q);
}

static void test_each_part_counts(void **state)
{
    (void)state;
    struct cache_key_parts p = parts(STR_LIT("{}")), q;
    struct str *texts[] = {&q.scope, &q.dialect, &q.operation, &q.model, &q.policy, &q.name_space};
    q = p;
    assert_true(same(&p, &q));
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        q = p;
        *texts[i] = STR_LIT("another");
        assert_false(same(&p, &q));
        /* the same text in the next place is another call */
        struct cache_key_parts r = p;
        struct cache_key a = key(&q), b;
        if (texts[i] == &q.scope) {
            r.name_space = STR_LIT("another");
            b = key(&r);
            assert_memory_not_equal(&a, &b, sizeof(a));
        }
    }
    q = p;
    q.organization.b[15] = 1;
    assert_false(same(&p, &q));
    q = p;
    q.workspace.b[15] = 1;
    assert_false(same(&p, &q));
    /* where one part ends and the next begins */
    p.model = STR_LIT("ab");
    p.policy = STR_LIT("c");
    q = p;
    q.model = STR_LIT("a");
    q.policy = STR_LIT("bc");
    assert_false(same(&p, &q));
}

static void test_the_tenant(void **state)
{
    (void)state;
    struct cache_key_parts p = parts(STR_LIT("{}"));
    struct cache_key k = key(&p);
    assert_true(uuid_eq(&k.tenant, &p.workspace));
    p.workspace = (struct uuid){{0}};
    k = key(&p);
    assert_true(uuid_eq(&k.tenant, &p.organization));
}

static void test_an_own_key_replaces_the_body_only(void **state)
{
    (void)state;
    struct cache_key_parts p = parts(STR_LIT("{\"a\":1}")), q = parts(STR_LIT("{\"a\":2}"));
    assert_false(same(&p, &q));
    p.own_key = q.own_key = STR_LIT("mine");
    assert_true(same(&p, &q));
    q.own_key = STR_LIT("yours");
    assert_false(same(&p, &q));
    q.own_key = p.own_key;
    q.model = STR_LIT("gpt-5");
    assert_false(same(&p, &q));
    q.model = p.model;
    q.policy = STR_LIT("cfg_1@3");
    assert_false(same(&p, &q));
    q.policy = p.policy;
    q.workspace.b[0] = 9;
    assert_false(same(&p, &q));
    /* a body that spells the key is not the key */
    p = parts(STR_LIT("mine"));
    q = parts(STR_LIT("{}"));
    q.own_key = STR_LIT("mine");
    assert_false(same(&p, &q));
}

static void test_equal_bodies(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{\"a\":1,\"b\":2}", " { \"b\" : 2 ,\n\t\"a\" : 1 }\r\n"},
        {"{\"a\":{\"x\":[{\"q\":1,\"p\":2}],\"c\":3}}",
         "{\"a\":{\"c\":3,\"x\":[{\"p\":2,\"q\":1}]}}"},
        {"{\"A\":\"A\"}", "{\"\\u0041\":\"\\u0041\"}"},
        {"{\"a\":\"/\\n\\u0001\"}", "{\"a\":\"\\/\\u000a\\u0001\"}"},
        {"{\"a\":\"\\\"\\\\\"}", "{\"a\":\"\\u0022\\u005c\"}"},
        {"{\"a\":\"\xf0\x9f\x98\x80\xc3\xa9\"}", "{\"a\":\"\\ud83d\\uDE00\\u00E9\"}"},
        {"{\"t\":1}", "{\"t\":1.0}"},
        {"{\"t\":1}", "{\"t\":1e0}"},
        {"{\"t\":0.5}", "{\"t\":5E-1}"},
        {"{\"t\":0.5}", "{\"t\":0.500}"},
        {"{\"t\":1000}", "{\"t\":1e+3}"},
        {"{\"t\":0}", "{\"t\":-0.0e5}"},
        {"{\"t\":-12.25}", "{\"t\":-1225e-2}"},
        {"{\"m\":1}", "{\"user\":\"u\",\"m\":1,\"metadata\":{\"a\":[1]},\"store\":true}"},
        {"{\"m\":1}", "{\"m\":1,\"safety_identifier\":\"x\",\"prompt_cache_key\":\"y\"}"},
        {"{}", "{\"us\\u0065r\":1}"},
        {"{\"b\":1,\"\\u0061\":2}", "{\"a\":2,\"b\":1}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (!same_body(pairs[i][0], pairs[i][1])) {
            fail_msg("%s and %s differ", pairs[i][0], pairs[i][1]);
        }
    }
}

static void test_different_bodies(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"{\"a\":1}", "{\"a\":2}"},
        {"{\"a\":1}", "{\"a\":\"1\"}"},
        {"{\"a\":1}", "{\"a\":-1}"},
        {"{\"a\":1}", "{\"a\":10}"},
        {"{\"a\":1}", "{\"a\":0.1}"},
        {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}"},
        {"{\"a\":[1,2]}", "{\"a\":[2,1]}"},
        {"{\"a\":[[1],2]}", "{\"a\":[[1,2]]}"},
        {"{\"a\":null}", "{}"},
        {"{\"a\":\"x\"}", "{\"a\":\"X\"}"},
        {"{\"a\":\"\\u00e9\"}", "{\"a\":\"e\\u0301\"}"},
        {"{\"a\":\"\\\\n\"}", "{\"a\":\"\\n\"}"},
        {"{\"a\":{\"user\":1}}", "{\"a\":{}}"}, /* only at the top */
        {"{\"service_tier\":\"flex\"}", "{}"},
        {"{\"stream\":true}", "{}"},
        {"[1,2]", "[1, 2]"}, /* no object: byte for byte */
        {"", "{}"},
        {"{\"a\":1", "{\"a\":1 "},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (same_body(pairs[i][0], pairs[i][1])) {
            fail_msg("%s and %s are one", pairs[i][0], pairs[i][1]);
        }
    }
}

static void check_sorted(const char *in, const char *want)
{
    static const struct str drop[] = {{"drop", 4}};
    struct arena *a = arena_new(0);
    struct json_value v;
    size_t len = 0;
    char *out = arena_alloc(a, SORTED_JSON_MAX(strlen(in)) + 1);
    assert_true(json_validate(str_of(in), 0, &v, NULL));
    assert_true(sorted_json_write(v, drop, 1, a, out, &len));
    out[len] = '\0';
    assert_string_equal(out, want);
    arena_free(a);
}

static void test_the_one_spelling(void **state)
{
    (void)state;
    check_sorted("{ }", "{}");
    check_sorted(" [ ] ", "[]");
    check_sorted("true", "true");
    check_sorted("{\"z\":[ {\"b\":{\"d\":1,\"c\":[ ]},\"a\":0} , null ,false],\"m\":{},\"a\":\"\"}",
                 "{\"a\":\"\",\"m\":{},\"z\":[{\"a\":0,\"b\":{\"c\":[],\"d\":1}},null,false]}");
    check_sorted("{\"b\":{\"drop\":1},\"drop\":{\"x\":[{}]},\"a\":[{\"k\":1}]}",
                 "{\"a\":[{\"k\":1}],\"b\":{\"drop\":1}}");
    check_sorted("{\"drop\":1}", "{}");
    check_sorted("[{\"drop\":1}]", "[{\"drop\":1}]");
    check_sorted("{\"ab\":1,\"a\":2,\"\":3,\"B\":4}", "{\"\":3,\"B\":4,\"a\":2,\"ab\":1}");
    check_sorted("{\"b\":1,\"a\":1,\"a\":0,\"b\":0}", "{\"a\":1,\"a\":0,\"b\":1,\"b\":0}");
    check_sorted("\"\\u001f\\u0000\\u000A\\u007f\\/\\b\"", "\"\\u001f\\u0000\\n\x7f/\\b\"");
    check_sorted("[1,10,100,1000,-1000,123000,0.1,0.01,0.001,1.50,12.5e1,1e-7,0e9,-0]",
                 "[1,10,100,1e3,-1e3,123e3,0.1,0.01,1e-3,1.5,125,1e-7,0,0]");
    check_sorted("[1E400,1e-400,1.5e3,1e00000000000000000007]", "[1e400,1e-400,1500,1e7]");
    check_sorted("[1e9999999999999999]", "[1e9999999999999999]"); /* out of all reason: as it is */
}

static void test_many_members_in_any_order(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct buffer a, b;
    buffer_init(&a, 1 << 20);
    buffer_init(&b, 1 << 20);
    (void)buffer_append_z(&a, "{");
    (void)buffer_append_z(&b, "{");
    for (unsigned i = 0; i < N; i++) {
        (void)buffer_printf(&a, "%s\"k%u\":{\"v\":%u}", i ? "," : "", i * 7919 % N, i * 7919 % N);
        (void)buffer_printf(&b, "%s\"k%u\":{\"v\":%u}", i ? "," : "", N - 1 - i, N - 1 - i);
    }
    (void)buffer_append_z(&a, "}");
    (void)buffer_append_z(&b, "}");
    struct cache_key_parts p = parts(buffer_str(&a)), q = parts(buffer_str(&b));
    assert_true(same(&p, &q));
    buffer_release(&a);
    buffer_release(&b);
}

static void test_deep_nesting_costs_no_more(void **state)
{
    (void)state;
    struct buffer a;
    buffer_init(&a, 1 << 20);
    for (unsigned i = 0; i < 127; i++) {
        (void)buffer_append_z(&a, i % 2 ? "{\"b\":1,\"a\":" : "{\"a\":");
    }
    (void)buffer_append_z(&a, "1");
    for (unsigned i = 0; i < 127; i++) {
        (void)buffer_append_z(&a, "}");
    }
    struct cache_key_parts p = parts(buffer_str(&a));
    (void)key(&p);
    buffer_release(&a);
}

static void test_large_bodies_count_as_they_are(void **state)
{
    (void)state;
    enum { ROOM = (4 << 20) + 64 };
    char *a = mem_alloc(ROOM), *b = mem_alloc(ROOM);
    for (size_t fill = (4 << 20) - 32; fill <= (4 << 20) + 32; fill += 64) {
        /* the same object, with a blank in another place */
        memset(a, 'x', fill);
        memset(b, 'x', fill);
        memcpy(a, "{\"a\": \"", 7);
        memcpy(b, "{ \"a\":\"", 7);
        memcpy(a + fill - 2, "\"}", 2);
        memcpy(b + fill - 2, "\"}", 2);
        struct cache_key_parts p = parts((struct str){a, fill}), q = parts((struct str){b, fill});
        assert_true(same(&p, &p));
        assert_int_equal(same(&p, &q), fill <= 4 << 20);
    }
    mem_free(a);
    mem_free(b);
}

static void test_out_of_room(void **state)
{
    (void)state;
    struct arena *a = arena_new(1000);
    struct cache_key k;
    char body[4000];
    memset(body, 'x', sizeof(body));
    struct cache_key_parts p = parts((struct str){body, sizeof(body)});
    assert_false(cache_key_make(&p, a, &k));
    arena_free(a);
}

static void test_names(void **state)
{
    (void)state;
    struct cache_key k = {.digest = {0xab, 0x01}, .tenant = {{0xcd}}};
    struct uuid nil = {{0}};
    char text[65], buf[CACHED_NAME_BYTES], prefix[CACHED_NAME_BYTES];
    cache_key_text(&k, text);
    assert_memory_equal(text, "ab0100", 6);
    assert_int_equal(strlen(text), 64);
    struct str name = cached_name(&k, buf), of = cached_prefix(&k.tenant, prefix);
    assert_true(str_starts(name, of));
    assert_true(str_ends(name, (struct str){text, 64}));
    assert_true(str_starts(name, STR_LIT("weir:cache:cd00")));
    assert_int_equal(name.len, 11 + 32 + 1 + 64);
    assert_true(str_eqz(cached_prefix(&nil, prefix), "weir:cache:"));
    k.tenant = nil;
    assert_int_equal(cached_name(&k, buf).len, 11 + 32 + 1 + 64);
}

static struct cached_head head_sample(struct header *h)
{
    h[0] = (struct header){STR_LIT("content-type"), STR_LIT("text/event-stream")};
    h[1] = (struct header){STR_LIT("x-weir-model"), STR_LIT("gpt \xc3\xa9")};
    h[2] = (struct header){STR_LIT("x-empty"), STR_LIT("")};
    return (struct cached_head){.status = 200,
                                .headers = h,
                                .n_headers = 3,
                                .stream = true,
                                .cost_nanousd = UINT64_MAX,
                                .duration_us = 1234567,
                                .provider = STR_LIT("openai"),
                                .model = STR_LIT(""),
                                .tokens_in = 12,
                                .tokens_out = 1ull << 40};
}

static void test_heads_come_back(void **state)
{
    (void)state;
    struct header headers[3];
    struct cached_head h = head_sample(headers), got;
    struct arena *a = arena_new(0);
    struct buffer out;
    buffer_init(&out, 1 << 16);
    assert_true(cached_head_write(&h, &out));
    assert_true(cached_head_read(buffer_str(&out), a, &got));
    assert_int_equal(got.status, 200);
    assert_true(got.stream);
    assert_true(got.cost_nanousd == UINT64_MAX && got.duration_us == 1234567);
    assert_true(got.tokens_in == 12 && got.tokens_out == 1ull << 40);
    assert_true(str_eqz(got.provider, "openai") && got.model.len == 0);
    assert_int_equal(got.n_headers, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(str_eq(got.headers[i].name, headers[i].name));
        assert_true(str_eq(got.headers[i].value, headers[i].value));
    }
    /* cut anywhere, or with a byte too many, it is none */
    for (size_t n = 0; n < out.len; n++) {
        assert_false(cached_head_read((struct str){out.ptr, n}, a, &got));
    }
    assert_true(buffer_append_z(&out, "x"));
    assert_false(cached_head_read(buffer_str(&out), a, &got));
    out.len--;
    out.ptr[0] = 2; /* another version */
    assert_false(cached_head_read(buffer_str(&out), a, &got));
    buffer_release(&out);
    arena_free(a);
}

static void test_heads_that_would_break_an_answer(void **state)
{
    (void)state;
    struct header headers[3];
    struct cached_head h = head_sample(headers), got;
    struct arena *a = arena_new(0);
    struct buffer out;
    buffer_init(&out, 1 << 16);
    headers[1].value = STR_LIT("a\r\nset-cookie: x");
    assert_false(cached_head_write(&h, &out));
    headers[1].value = STR_LIT("ok");
    headers[1].name = STR_LIT("bad name");
    assert_false(cached_head_write(&h, &out));
    headers[1].name = STR_LIT("");
    assert_false(cached_head_write(&h, &out));
    headers[1].name = STR_LIT("good");
    h.status = 99;
    assert_false(cached_head_write(&h, &out));
    assert_int_equal(out.len, 0);
    /* and the same from a store that others write to */
    h.status = 200;
    assert_true(cached_head_write(&h, &out));
    char *at = memmem(out.ptr, out.len, "good", 4);
    at[2] = '\n';
    assert_false(cached_head_read(buffer_str(&out), a, &got));
    at[2] = 'o';
    assert_true(cached_head_read(buffer_str(&out), a, &got));
    buffer_release(&out);
    arena_free(a);
}

static void test_values_come_back(void **state)
{
    (void)state;
    struct cache_entry e = {{"he\0ad", 5}, STR_LIT("body"), 17, 1ull << 50}, got;
    struct buffer out;
    buffer_init(&out, 1 << 16);
    assert_true(cached_value_write(&e, &out));
    assert_true(cached_value_read(buffer_str(&out), &got));
    assert_true(str_eq(got.head, e.head) && str_eq(got.body, e.body));
    assert_true(got.stored_ms == 17 && got.expires_ms == 1ull << 50);
    for (size_t n = 0; n < out.len; n++) {
        assert_false(cached_value_read((struct str){out.ptr, n}, &got));
    }
    assert_true(buffer_append_z(&out, "x"));
    assert_false(cached_value_read(buffer_str(&out), &got));
    buffer_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_part_counts),
        cmocka_unit_test(test_the_tenant),
        cmocka_unit_test(test_an_own_key_replaces_the_body_only),
        cmocka_unit_test(test_equal_bodies),
        cmocka_unit_test(test_different_bodies),
        cmocka_unit_test(test_the_one_spelling),
        cmocka_unit_test(test_many_members_in_any_order),
        cmocka_unit_test(test_deep_nesting_costs_no_more),
        cmocka_unit_test(test_large_bodies_count_as_they_are),
        cmocka_unit_test(test_out_of_room),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_heads_come_back),
        cmocka_unit_test(test_heads_that_would_break_an_answer),
        cmocka_unit_test(test_values_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* openai_embedding_codec: every form of input, and vectors as numbers and as base64. */
#include "openai_rig.h"

#include "dataplane/dialects/openai_encoding.h"

static struct embedding_request q;

static struct str request_of(const char *body)
{
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = str_of(body)};
    assert_true(openai_embedding_codec.decode_request(&w, arena, &q, &err));
    buffer_clear(&out);
    assert_true(openai_embedding_codec.encode_request(&q, &context, arena, &out, &err));
    return arena_str(arena, buffer_str(&out));
}

static struct str reply_of(const char *body)
{
    struct embedding_reply r;
    struct error err = ERROR_INIT;
    assert_true(openai_embedding_codec.decode_reply(str_of(body), &context, arena, &r, &err));
    buffer_clear(&out);
    assert_true(openai_embedding_codec.encode_reply(&r, &q, &context, arena, &out));
    return arena_str(arena, buffer_str(&out));
}

static void every_input_goes_round(void **state)
{
    (void)state;
    text_is(request_of("{\"model\":\"m\",\"input\":\"a\",\"dimensions\":3}"), "input", "a");
    assert_true(q.single);
    text_is(request_of("{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"), "input[1]", "b");
    assert_false(q.single);
    text_is(request_of("{\"model\":\"m\",\"input\":[1,2]}"), "input", "[1,2]");
    assert_int_equal(q.n_inputs, 1);
    text_is(request_of("{\"model\":\"m\",\"input\":[[1],[2]],\"user\":\"u\",\"x\":1}"), "input[1]",
            "[2]");
    text_is(request_of("{\"model\":\"m\",\"input\":[\"a\"],\"encoding_format\":\"base64\"}"),
            "encoding_format", "base64");
    assert_int_equal(losses.n, 0);
}

static void wrong_input_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } cases[] = {{"{\"model\":\"m\"}", "input"},
                 {"{\"model\":\"m\",\"input\":[]}", "input"},
                 {"{\"model\":\"m\",\"input\":{}}", "input"},
                 {"{\"model\":\"m\",\"input\":[\"a\",true]}", "input[1]"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        struct wire_request w = {.body = str_of(cases[i].body)};
        assert_false(openai_embedding_codec.decode_request(&w, arena, &q, &err));
        assert_string_equal(err.param, cases[i].param);
    }
}

static void numbers_become_base64_and_back(void **state)
{
    (void)state;
    /* 1.0f is 00 00 80 3f, -2.5f is 00 00 20 c0 */
    struct str text = openai_floats_base64(arena, STR_LIT("[1, -2.5]"));
    assert_true(str_eqz(text, "AACAPwAAIMA="));
    assert_true(str_eqz(openai_base64_floats(arena, text), "[1,-2.5]"));
    struct str third = openai_floats_base64(arena, STR_LIT("[0.1]"));
    assert_true(str_eq(third, openai_floats_base64(arena, openai_base64_floats(arena, third))));
}

static void client_gets_the_form_that_it_asked_for(void **state)
{
    (void)state;
    const char *floats =
        "{\"data\":[{\"index\":1,\"embedding\":[2]},{\"index\":0,\"embedding\":"
        "[1]}],\"model\":\"e\",\"usage\":{\"prompt_tokens\":5,\"total_tokens\":5}}";
    context.provider_kind = STR_LIT("mistral");
    assert_false(holds(
        request_of("{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}"),
        "encoding_format"));
    struct str b = reply_of(floats);
    text_is(b, "data[0].embedding", "AACAPw==");
    text_is(b, "data[1].index", "1");
    text_is(b, "usage.prompt_tokens", "5");
    (void)request_of("{\"model\":\"m\",\"input\":[\"a\",\"b\"]}");
    text_is(reply_of(floats), "data[1].embedding", "[2]");
    text_is(reply_of("{\"data\":[{\"embedding\":\"AACAPw==\"}]}"), "data[0].embedding", "[1]");
    struct embedding_reply r;
    struct error err = ERROR_INIT;
    assert_false(
        openai_embedding_codec.decode_reply(STR_LIT("{\"data\":[{}]}"), &context, arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
    const struct CMUnitTest tests[] = {
        T(every_input_goes_round),
        T(wrong_input_is_named),
        T(numbers_become_base64_and_back),
        T(client_gets_the_form_that_it_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

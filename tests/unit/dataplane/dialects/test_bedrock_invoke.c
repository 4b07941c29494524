/* dialects/bedrock_*.c: which form an InvokeModel body has, embeddings, reranking, errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "dataplane/dialects/bedrock_error.h"
#include "dataplane/dialects/bedrock_invoke.h"
#include "dataplane/net/aws_event.h"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    losses = (struct losses){.n = 0};
    err = (struct error)ERROR_INIT;
    context = (struct exchange_context){.unique = STR_LIT("u"), .losses = &losses};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static const char *taken(struct buffer *b)
{
    struct json_value v;
    assert_true(json_validate(buffer_str(b), 0, &v, NULL));
    const char *z = arena_str(arena, buffer_str(b)).ptr;
    buffer_release(b);
    return z;
}

static void forms_of_invoke_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *body, *model;
        enum provider_api api;
    } list[] = {
        {"{\"anthropic_version\":\"bedrock-2023-05-31\",\"messages\":[]}", "m",
         API_INVOKE_MESSAGES},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "anthropic.claude-v1",
         API_INVOKE_MESSAGES},
        {"{\"inputText\":\"hi\"}", "m", API_TITAN_EMBED},
        {"{\"inputText\":\"hi\",\"textGenerationConfig\":{}}", "m", API_NONE},
        {"{\"texts\":[\"a\"],\"input_type\":\"search_query\"}", "m", API_BEDROCK_COHERE_EMBED},
        {"{\"query\":\"q\",\"documents\":[\"a\"]}", "m", API_BEDROCK_RERANK},
        {"{\"schemaVersion\":\"messages-v1\",\"messages\":[]}", "m", API_CONVERSE},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}", "m", API_CONVERSE},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "openai.gpt-oss-20b", API_CHAT},
        {"{\"prompt\":\"hi\"}", "m", API_NONE},
        {"[1]", "m", API_NONE},
        {"{", "m", API_NONE},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        assert_int_equal(bedrock_invoke_api(str_of(list[i].body), str_of(list[i].model)),
                         list[i].api);
    }
    struct str inner;
    assert_int_equal(
        bedrock_count_api(STR_LIT("{\"input\":{\"converse\":{\"a\":1}}}"), arena, &inner),
        API_CONVERSE_COUNT);
    assert_true(str_eqz(inner, "{\"a\":1}"));
    assert_int_equal(bedrock_count_api(STR_LIT("{\"input\":{\"invokeModel\":{\"body\":"
                                               "\"e30=\"}}}"),
                                       arena, &inner),
                     API_MESSAGES_COUNT);
    assert_true(str_eqz(inner, "{}"));
    assert_int_equal(bedrock_count_api(STR_LIT("{\"input\":{}}"), arena, &inner), API_NONE);
}

static void titan_is_carried_both_ways(void **state)
{
    (void)state;
    struct wire_request w = {.body = STR_LIT("{\"inputText\":\"h\\n\",\"dimensions\":256,"
                                             "\"normalize\":true,\"embeddingTypes\":[\"float\"]}")};
    struct embedding_request q;
    struct embedding_reply r;
    struct buffer b;
    assert_true(titan_embedding_codec.decode_request(&w, arena, &q, &err));
    context.model = STR_LIT("amazon.titan-embed-text-v2:0");
    buffer_init(&b, 4096);
    assert_true(titan_embedding_codec.encode_request(&q, &context, arena, &b, &err));
    assert_string_equal(taken(&b),
                        "{\"inputText\":\"h\\n\",\"dimensions\":256,\"normalize\":true}");
    assert_true(titan_embedding_codec.decode_reply(
        STR_LIT("{\"embedding\":[0.5,-1],\"inputTextTokenCount\":2}"), &context, arena, &r, &err));
    assert_int_equal(r.usage.input, 2);
    assert_true(r.usage.found);
    buffer_init(&b, 4096);
    assert_true(titan_embedding_codec.encode_reply(&r, &q, &context, arena, &b));
    assert_string_equal(taken(&b), "{\"embedding\":[0.5,-1],\"embeddingsByType\":{\"float\":[0.5,"
                                   "-1]},\"inputTextTokenCount\":2}");
    /* a foreign client, and a model that knows no dimensions */
    q.family = FAMILY_CHAT;
    q.normalize = -1;
    context.model = STR_LIT("amazon.titan-embed-text-v1");
    buffer_init(&b, 4096);
    assert_true(titan_embedding_codec.encode_request(&q, &context, arena, &b, &err));
    assert_string_equal(taken(&b), "{\"inputText\":\"h\\n\"}");
    assert_int_equal(losses.n, 1);
    assert_true(str_eqz(losses.names[0], "dimensions"));
    q.inputs[0].text = STR_NONE;
    q.inputs[0].tokens = STR_LIT("[1,2]");
    buffer_init(&b, 4096);
    assert_false(titan_embedding_codec.encode_request(&q, &context, arena, &b, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    buffer_release(&b);
}

static void base64_vectors_become_numbers(void **state)
{
    (void)state;
    struct embedding_vector v = {.base64 = STR_LIT("AAAAPwAAgL8=")};
    struct embedding_reply r = {.vectors = &v, .n_vectors = 1};
    struct buffer b;
    buffer_init(&b, 4096);
    assert_true(titan_embedding_codec.encode_reply(&r, NULL, &context, arena, &b));
    assert_string_equal(taken(&b), "{\"embedding\":[0.5,-1],\"inputTextTokenCount\":0}");
}

static void cohere_embeds_both_ways(void **state)
{
    (void)state;
    struct wire_request w = {
        .body = STR_LIT("{\"texts\":[\"a\",\"b\"],\"input_type\":\"search_query\",\"truncate\":"
                        "\"END\",\"embedding_types\":[\"int8\",\"float\"],\"max_tokens\":9}")};
    struct embedding_request q;
    struct embedding_reply r;
    struct buffer b;
    const struct embedding_codec *codec = &bedrock_cohere_embedding_codec;
    assert_true(codec->decode_request(&w, arena, &q, &err));
    buffer_init(&b, 4096);
    assert_true(codec->encode_request(&q, &context, arena, &b, &err));
    assert_string_equal(taken(&b), "{\"texts\":[\"a\",\"b\"],\"input_type\":\"search_query\","
                                   "\"truncate\":\"END\",\"embedding_types\":[\"float\"],"
                                   "\"max_tokens\":9}");
    assert_true(codec->decode_reply(STR_LIT("{\"id\":\"i\",\"embeddings\":{\"float\":[[1],[2]]},"
                                            "\"response_type\":\"embeddings_by_type\"}"),
                                    &context, arena, &r, &err));
    assert_int_equal(r.n_vectors, 2);
    assert_false(r.usage.found);
    buffer_init(&b, 4096);
    assert_true(codec->encode_reply(&r, &q, &context, arena, &b));
    assert_string_equal(taken(&b), "{\"id\":\"i\",\"embeddings\":{\"float\":[[1],[2]]},"
                                   "\"response_type\":\"embeddings_by_type\",\"texts\":[\"a\","
                                   "\"b\"]}");
    assert_true(codec->decode_reply(STR_LIT("{\"embeddings\":[[1]]}"), &context, arena, &r, &err));
    assert_true(str_eqz(r.vectors[0].floats, "[1]"));
    assert_false(codec->decode_reply(STR_LIT("{}"), &context, arena, &r, &err));
}

static void rerank_goes_both_ways(void **state)
{
    (void)state;
    struct wire_request w = {.body = STR_LIT("{\"query\":\"q\",\"documents\":[\"a\",{\"text\":"
                                             "\"b\"},{\"x\":1}],\"top_n\":2,\"api_version\":2}")};
    struct rerank_request q;
    struct rerank_reply r;
    struct buffer b;
    const struct rerank_codec *codec = &bedrock_cohere_rerank_codec;
    assert_true(codec->decode_request(&w, arena, &q, &err));
    context.model = STR_LIT("cohere.rerank-v3-5:0");
    buffer_init(&b, 4096);
    assert_true(codec->encode_request(&q, &context, arena, &b, &err));
    assert_string_equal(taken(&b), "{\"query\":\"q\",\"documents\":[\"a\",\"b\",\"{\\\"x\\\":1}\"],"
                                   "\"top_n\":2,\"api_version\":2}");
    context.model = STR_LIT("amazon.rerank-v1:0");
    buffer_init(&b, 4096);
    assert_true(codec->encode_request(&q, &context, arena, &b, &err));
    assert_null(strstr(taken(&b), "api_version"));
    assert_true(codec->decode_reply(STR_LIT("{\"results\":[{\"index\":1,\"relevance_score\":"
                                            "0.90}]}"),
                                    &context, arena, &r, &err));
    buffer_init(&b, 4096);
    assert_true(codec->encode_reply(&r, &q, &context, arena, &b));
    assert_string_equal(taken(&b), "{\"results\":[{\"index\":1,\"relevance_score\":0.90}]}");
    w.body = STR_LIT("{\"documents\":[\"a\"]}");
    assert_false(codec->decode_request(&w, arena, &q, &err));
    assert_string_equal(err.param, "query");
}

static void errors_have_the_class_that_sdks_know(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        int status;
        const char *type;
    } list[] = {
        {ERR_INVALID_FIELD, 400, "ValidationException"},
        {ERR_INVALID_KEY, 403, "AccessDeniedException"},
        {ERR_MODEL_NOT_ALLOWED, 403, "AccessDeniedException"},
        {ERR_MODEL_NOT_FOUND, 404, "ResourceNotFoundException"},
        {ERR_BODY_TOO_LARGE, 400, "ValidationException"},
        {ERR_RATE_LIMITED, 429, "ThrottlingException"},
        {ERR_BUDGET_EXCEEDED, 400, "ServiceQuotaExceededException"},
        {ERR_UPSTREAM_CLOSED, 424, "ModelErrorException"},
        {ERR_UPSTREAM_TIMEOUT, 408, "ModelTimeoutException"},
        {ERR_OVERLOADED, 503, "ServiceUnavailableException"},
        {ERR_INTERNAL, 500, "InternalServerException"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        struct failure f = {.error = &err, .request_id = STR_LIT("req_1")};
        (void)error_set(&err, list[i].code, "what");
        assert_int_equal(bedrock_error_status(&f), list[i].status);
        assert_true(str_eqz(bedrock_error_header_value(&f), list[i].type));
    }
}

static void provider_errors_stand_beside(void **state)
{
    (void)state;
    struct provider_error e = {.status = 429,
                               .class = FAILURE_RATE_LIMIT,
                               .message = STR_LIT("slow \"down\""),
                               .raw = STR_LIT("{\"x\":1}"),
                               .raw_is_json = true,
                               .provider = STR_LIT("anthropic")};
    struct failure f = {.provider = &e, .request_id = STR_LIT("req_1")};
    static const char body[] = "{\"message\":\"slow \\\"down\\\"\",\"weir\":{\"request_id\":"
                               "\"req_1\",\"provider\":\"anthropic\",\"status\":429,"
                               "\"provider_error\":{\"x\":1}}}";
    assert_int_equal(bedrock_error_status(&f), 429);
    assert_true(str_eqz(bedrock_error_body(arena, &f), body));
    assert_true(str_eqz(bedrock_error_body(NULL, &f), "{\"message\":\"internal error\"}"));
    struct buffer b;
    buffer_init(&b, 4096);
    assert_true(aws_exception_write(&b, STR_LIT("throttlingException"), STR_LIT(body)));
    assert_true(str_eq(bedrock_error_event(arena, &f, FRAMING_AWS), buffer_str(&b)));
    buffer_release(&b);
    assert_true(bedrock_error_is_own(STR_LIT("{\"message\":\"no\"}")));
    assert_true(bedrock_error_is_own(STR_LIT("{\"Message\":\"no\"}")));
    assert_false(bedrock_error_is_own(STR_LIT("{\"error\":{\"message\":\"no\"}}")));
    assert_false(bedrock_error_is_own(STR_LIT("{\"type\":\"error\",\"message\":\"no\"}")));
    assert_false(bedrock_error_is_own(STR_LIT("no")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forms_of_invoke_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(titan_is_carried_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(base64_vectors_become_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cohere_embeds_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rerank_goes_both_ways, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_have_the_class_that_sdks_know, set_up, tear_down),
        cmocka_unit_test_setup_teardown(provider_errors_stand_beside, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

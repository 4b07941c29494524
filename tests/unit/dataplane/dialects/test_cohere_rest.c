/* Cohere's embeddings, reranking and errors, both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/rules/provider.h"
#include "dataplane/dialects/cohere_error.h"
#include "dataplane/dialects/cohere_vectors.h"
#include "dataplane/dialects/dialect.h"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct buffer out;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    losses = (struct losses){.n = 0};
    context = (struct exchange_context){.model = STR_LIT("target"),
                                        .request_id = STR_LIT("req_1"),
                                        .unique = STR_LIT("0123456789abcdef0123456789abcdef"),
                                        .losses = &losses};
    buffer_init(&out, 1 << 20);
    err = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    arena_free(arena);
    return 0;
}

static const char *written(bool ok)
{
    assert_true(ok);
    assert_true(json_validate(buffer_str(&out), 0, NULL, NULL));
    const char *text = arena_str(arena, buffer_str(&out)).ptr;
    buffer_clear(&out);
    return text;
}

static const char *lost(void)
{
    struct str s = losses_text(&losses, arena);
    return s.ptr ? s.ptr : "";
}

/* ---- embeddings ---- */

static bool embed_read(const char *body, struct embedding_request *q)
{
    struct wire_request w = {.body = str_of(body)};
    return cohere_embedding_codec.decode_request(&w, arena, q, &err);
}

static const char *embed_sent(const struct embedding_request *q)
{
    return written(cohere_embedding_codec.encode_request(q, &context, arena, &out, &err));
}

static void an_embed_request_goes_round(void **state)
{
    (void)state;
    struct embedding_request q;
    assert_true(embed_read("{\"model\":\"m\",\"texts\":[\"a\\n\",\"b\"],\"input_type\":"
                           "\"search_query\",\"embedding_types\":[\"int8\"],\"output_dimension\":"
                           "256,\"truncate\":\"END\",\"priority\":3,\"max_tokens\":null}",
                           &q));
    assert_true(str_eqz(q.model, "m"));
    assert_true(str_eqz(q.inputs[0].text, "a\n"));
    assert_string_equal(embed_sent(&q),
                        "{\"model\":\"target\",\"texts\":[\"a\\n\",\"b\"],\"input_type\":"
                        "\"search_query\",\"embedding_types\":[\"int8\"],\"output_dimension\":256,"
                        "\"truncate\":\"END\",\"priority\":3}");
    assert_string_equal(lost(), "");
}

static void many_types_stay_many(void **state)
{
    (void)state;
    struct embedding_request q;
    assert_true(embed_read("{\"texts\":[\"a\"],\"embedding_types\":[\"float\",\"int8\"]}", &q));
    assert_string_equal(embed_sent(&q),
                        "{\"model\":\"target\",\"texts\":[\"a\"],\"input_type\":"
                        "\"search_document\",\"embedding_types\":[\"float\",\"int8\"]}");
    assert_int_equal(ollama_embedding_codec.encode_request(&q, &context, arena, &out, &err), true);
    assert_string_equal(lost(), "embedding_types");
}

static void images_and_mixed_inputs(void **state)
{
    (void)state;
    struct embedding_request q;
    assert_true(embed_read("{\"images\":[\"data:image/png;base64,AAAA\"]}", &q));
    assert_string_equal(embed_sent(&q), "{\"model\":\"target\",\"images\":[\"data:image/png;base64,"
                                        "AAAA\"],\"input_type\":\"image\",\"embedding_types\":["
                                        "\"float\"]}");
    assert_true(embed_read("{\"inputs\":[{\"content\":[{\"type\":\"text\",\"text\":\"t\"},{"
                           "\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,"
                           "AAAA\"}}]}]}",
                           &q));
    assert_string_equal(embed_sent(&q),
                        "{\"model\":\"target\",\"inputs\":[{\"content\":[{\"type\":\"text\","
                        "\"text\":\"t\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:"
                        "image/png;base64,AAAA\"}}]}],\"input_type\":\"search_document\","
                        "\"embedding_types\":[\"float\"]}");
}

static void wrong_embed_requests_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } rows[] = {
        {"{\"texts\":[\"a\",7]}", "texts[1]"},
        {"{\"texts\":\"a\"}", "texts"},
        {"{\"images\":[\"data:image/png;base64,\"]}", "images[0]"},
        {"{\"model\":\"m\"}", "texts"},
        {"{\"model\":1,\"texts\":[\"a\"]}", "model"},
        {"{\"inputs\":[{\"content\":[{\"type\":\"audio\"}]}]}", "inputs[0].content"},
        {"{\"texts\":[\"a\"],\"embedding_types\":[1]}", "embedding_types[0]"},
        {"{\"texts\":[\"a\"],\"output_dimension\":\"x\"}", "output_dimension"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct embedding_request q;
        err = (struct error)ERROR_INIT;
        assert_false(embed_read(rows[i].body, &q));
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        assert_string_equal(err.param, rows[i].param);
    }
    struct embedding_request q;
    assert_false(embed_read("{\"texts\":[\"a\"]", &q));
    assert_int_equal(err.code, ERR_INVALID_JSON);
}

static void other_clients_words_are_lost_aloud(void **state)
{
    (void)state;
    struct embedding_input in = {.text = STR_LIT("a")};
    struct extra extra = {STR_LIT("foo"), STR_LIT("1")};
    struct embedding_request q = {.family = FAMILY_CHAT,
                                  .inputs = &in,
                                  .n_inputs = 1,
                                  .encoding = STR_LIT("base64"),
                                  .user = STR_LIT("u"),
                                  .normalize = -1,
                                  .extras = &extra,
                                  .n_extras = 1};
    assert_string_equal(embed_sent(&q), "{\"model\":\"target\",\"texts\":[\"a\"],\"input_type\":"
                                        "\"search_document\",\"embedding_types\":[\"base64\"]}");
    assert_string_equal(lost(), "user, foo");
    in = (struct embedding_input){.tokens = STR_LIT("[1]")};
    assert_false(cohere_embedding_codec.encode_request(&q, &context, arena, &out, &err));
    assert_string_equal(err.param, "input");
}

static void embed_answers_of_either_version(void **state)
{
    (void)state;
    struct embedding_reply r;
    assert_true(cohere_embedding_codec.decode_reply(
        STR_LIT("{\"id\":\"i\",\"embeddings\":{\"float\":[[0.5,1],[2,3]],\"int8\":null},\"texts\":["
                "\"a\",\"b\"],\"meta\":{\"billed_units\":{\"input_tokens\":4}}}"),
        &context, arena, &r, &err));
    assert_int_equal(r.n_vectors, 2);
    assert_true(str_eqz(r.vectors[1].floats, "[2,3]"));
    assert_int_equal(r.usage.input, 4);
    assert_true(cohere_embedding_codec.decode_reply(
        STR_LIT("{\"embeddings\":{\"float\":[],\"base64\":[\"AAAAPw==\"]}}"), &context, arena, &r,
        &err));
    assert_true(str_eqz(r.vectors[0].base64, "AAAAPw=="));
    assert_true(cohere_embedding_codec.decode_reply(STR_LIT("{\"embeddings\":[[1]]}"), &context,
                                                    arena, &r, &err));
    assert_true(str_eqz(r.vectors[0].floats, "[1]"));
    assert_false(cohere_embedding_codec.decode_reply(STR_LIT("{\"embeddings\":{\"float\":[7]}}"),
                                                     &context, arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
}

static void an_embed_answer_is_written(void **state)
{
    (void)state;
    struct embedding_request q;
    struct embedding_vector v = {.floats = STR_LIT("[0.5,-1]")};
    struct embedding_reply r = {
        .vectors = &v, .n_vectors = 1, .usage = {.found = true, .input_found = true, .input = 3}};
    assert_true(embed_read("{\"texts\":[\"a\"],\"embedding_types\":[\"base64\"]}", &q));
    assert_string_equal(
        written(cohere_embedding_codec.encode_reply(&r, &q, &context, arena, &out)),
        "{\"id\":\"01234567-89ab-cdef-0123-456789abcdef\",\"embeddings\":{\"base64\":["
        "\"AAAAPwAAgL8=\"]},\"texts\":[\"a\"],\"meta\":{\"api_version\":{\"version\":\"2\"},"
        "\"billed_units\":{\"input_tokens\":3}},\"response_type\":\"embeddings_by_type\"}");
    v = (struct embedding_vector){.base64 = STR_LIT("AAAAPwAAgL8=")};
    q.encoding = STR_LIT("float");
    assert_non_null(
        strstr(written(cohere_embedding_codec.encode_reply(&r, &q, &context, arena, &out)),
               "{\"float\":[[0.5,-1]]}"));
    q.encoding = STR_LIT("int8"); /* the target had none and said so */
    losses_add_name(&losses, STR_LIT("encoding_format"));
    assert_non_null(
        strstr(written(cohere_embedding_codec.encode_reply(&r, &q, &context, arena, &out)),
               "{\"float\":[[0.5,-1]]}"));
}

static void vectors_survive_oddities(void **state)
{
    (void)state;
    struct embedding_vector bad = {.base64 = STR_LIT("AAAA")};
    struct embedding_vector empty = {.floats = STR_LIT("[]")};
    struct embedding_vector odd = {.floats = STR_LIT("[1e999,null]")};
    struct embedding_vector nan = {.base64 = STR_LIT("AADAfw==")};
    assert_null(vector_floats(arena, &bad).ptr);
    assert_true(str_eqz(vector_base64(arena, &empty), ""));
    assert_true(str_eqz(vector_base64(arena, &odd), "AAAAAAAAAAA="));
    assert_true(str_eqz(vector_floats(arena, &nan), "[0]"));
}

/* ---- reranking ---- */

static bool rerank_read(const char *body, struct rerank_request *q)
{
    struct wire_request w = {.body = str_of(body)};
    return cohere_rerank_codec.decode_request(&w, arena, q, &err);
}

static const char *rerank_sent(const struct rerank_request *q)
{
    return written(cohere_rerank_codec.encode_request(q, &context, arena, &out, &err));
}

static void a_rerank_request_goes_round(void **state)
{
    (void)state;
    struct rerank_request q;
    assert_true(rerank_read("{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",{\"text\":\"b\"}"
                            ",{\"t\":1}],\"top_n\":2,\"return_documents\":true,"
                            "\"max_tokens_per_doc\":9,\"rank_fields\":[\"t\"]}",
                            &q));
    assert_true(q.return_documents);
    assert_string_equal(rerank_sent(&q),
                        "{\"model\":\"target\",\"query\":\"q\",\"documents\":[\"a\",\"b\","
                        "\"{\\\"t\\\":1}\"],\"top_n\":2,\"max_tokens_per_doc\":9,"
                        "\"rank_fields\":[\"t\"]}");
    context.quirks = QUIRK_VOYAGE;
    const char *voyage = rerank_sent(&q);
    assert_non_null(strstr(voyage, "\"top_k\":2"));
    assert_null(strstr(voyage, "max_tokens_per_doc"));
    assert_string_equal(lost(), "max_tokens_per_doc");
}

static void wrong_rerank_requests_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } rows[] = {
        {"{\"documents\":[\"a\"]}", "query"},
        {"{\"query\":\"q\"}", "documents"},
        {"{\"query\":\"q\",\"documents\":[]}", "documents"},
        {"{\"query\":\"q\",\"documents\":[\"a\",3]}", "documents[1]"},
        {"{\"query\":\"q\",\"documents\":[\"a\"],\"top_n\":-1}", "top_n"},
        {"{\"query\":\"q\",\"documents\":[\"a\"],\"return_documents\":1}", "return_documents"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rerank_request q;
        err = (struct error)ERROR_INIT;
        assert_false(rerank_read(rows[i].body, &q));
        assert_string_equal(err.param, rows[i].param);
    }
}

static void rerank_answers_of_all_makers(void **state)
{
    (void)state;
    struct rerank_reply r;
    struct rerank_request q;
    assert_true(cohere_rerank_codec.decode_reply(
        STR_LIT("{\"id\":\"i\",\"results\":[{\"index\":1,\"relevance_score\":0.98},{\"index\":0,"
                "\"relevance_score\":1e-3}],\"meta\":{\"billed_units\":{\"search_units\":1}}}"),
        &context, arena, &r, &err));
    assert_int_equal(r.n_results, 2);
    assert_int_equal(r.results[0].index, 1);
    assert_int_equal(r.usage.searches, 1);
    assert_true(rerank_read("{\"query\":\"q\",\"documents\":[\"a\",\"b\"],\"return_documents\":"
                            "true}",
                            &q));
    assert_string_equal(
        written(cohere_rerank_codec.encode_reply(&r, &q, &context, arena, &out)),
        "{\"id\":\"i\",\"results\":[{\"index\":1,\"relevance_score\":0.98,\"document\":{\"text\":"
        "\"b\"}},{\"index\":0,\"relevance_score\":1e-3,\"document\":{\"text\":\"a\"}}],\"meta\":{"
        "\"api_version\":{\"version\":\"2\"},\"billed_units\":{\"search_units\":1}}}");
    assert_true(cohere_rerank_codec.decode_reply(
        STR_LIT("{\"object\":\"list\",\"data\":[{\"relevance_score\":0.5,\"index\":0}],\"model\":"
                "\"rerank-2\",\"usage\":{\"total_tokens\":26}}"),
        &context, arena, &r, &err));
    assert_int_equal(r.n_results, 1);
    assert_int_equal(r.usage.input, 26);
    assert_true(str_eqz(r.model, "rerank-2"));
    assert_true(cohere_rerank_codec.decode_reply(STR_LIT("[{\"index\":0,\"score\":0.9}]"), &context,
                                                 arena, &r, &err));
    assert_int_equal(r.n_results, 1);
    assert_true(
        cohere_rerank_codec.decode_reply(STR_LIT("{\"results\":[]}"), &context, arena, &r, &err));
    assert_int_equal(r.n_results, 0);
    assert_false(
        cohere_rerank_codec.decode_reply(STR_LIT("{\"results\":[{}]}"), &context, arena, &r, &err));
}

/* ---- errors ---- */

static void errors_in_coheres_shape(void **state)
{
    (void)state;
    struct failure f = {.error = &err, .request_id = STR_LIT("req_1"), .status = 429};
    struct provider_error p = {.status = 429,
                               .message = STR_LIT("slow \"down\""),
                               .raw = STR_LIT("{\n\"message\":\"slow \\\"down\\\"\"}"),
                               .raw_is_json = true,
                               .provider = STR_LIT("co")};
    (void)error_set_param(&err, ERR_INVALID_FIELD, "texts", "texts are missing");
    assert_string_equal(cohere_error_body(arena, &f).ptr,
                        "{\"message\":\"texts are missing\",\"id\":\"req_1\",\"weir\":{\"code\":"
                        "\"invalid_field\",\"param\":\"texts\",\"request_id\":\"req_1\"}}\n");
    err = (struct error)ERROR_INIT;
    err.code = ERR_RATE_LIMITED;
    f.provider = &p;
    assert_string_equal(
        cohere_error_body(arena, &f).ptr,
        "{\"message\":\"slow \\\"down\\\"\",\"id\":\"req_1\",\"weir\":{\"code\":"
        "\"rate_limit_exceeded\",\"request_id\":\"req_1\",\"provider\":\"co\",\"status\":429,"
        "\"provider_error\":{\n\"message\":\"slow \\\"down\\\"\"}}}\n");
    struct str event = cohere_error_event(arena, &f, FRAMING_SSE);
    assert_true(str_starts(event, STR_LIT("data: {\"message\":")));
    assert_non_null(strstr(event.ptr, "\ndata: \"message\"")); /* a line each */
    assert_true(str_ends(event, STR_LIT("\n\n")));
    assert_true(str_starts(cohere_error_body(NULL, &f), STR_LIT("{\"message\":")));
}

static void which_errors_are_coheres_own(void **state)
{
    (void)state;
    assert_true(cohere_error_is_own(STR_LIT("{\"message\":\"invalid api token\"}")));
    assert_true(cohere_error_is_own(STR_LIT("{\"id\":\"x\",\"message\":\"m\"}")));
    assert_false(cohere_error_is_own(STR_LIT("{\"error\":{\"message\":\"m\"}}")));
    assert_false(cohere_error_is_own(STR_LIT("{\"message\":\"m\",\"type\":\"t\"}")));
    assert_false(cohere_error_is_own(STR_LIT("oops")));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_embed_request_goes_round),
        TEST(many_types_stay_many),
        TEST(images_and_mixed_inputs),
        TEST(wrong_embed_requests_name_the_place),
        TEST(other_clients_words_are_lost_aloud),
        TEST(embed_answers_of_either_version),
        TEST(an_embed_answer_is_written),
        TEST(vectors_survive_oddities),
        TEST(a_rerank_request_goes_round),
        TEST(wrong_rerank_requests_name_the_place),
        TEST(rerank_answers_of_all_makers),
        TEST(errors_in_coheres_shape),
        TEST(which_errors_are_coheres_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

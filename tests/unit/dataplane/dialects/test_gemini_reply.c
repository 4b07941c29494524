/* dialects/gemini_*: whole answers, errors and embeddings. */
#include "dataplane/dialects/gemini_rig.h"

#include "dataplane/dialects/gemini_error.h"

static struct chat_reply reply;

static void decode(const char *body)
{
    struct error err = ERROR_INIT;
    assert_true(gemini_codec.decode_reply(str_of(body), &context, arena, &reply, &err));
}

static const char *encoded(void)
{
    buffer_clear(&output);
    assert_true(gemini_codec.encode_reply(&reply, &context, arena, &output));
    return json_out();
}

static void answers_are_read(void **state)
{
    (void)state;
    decode("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},"
           "{\"text\":\"I call\"},{\"text\":\"\",\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{"
           "\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{"
           "\"id\":\"x\",\"name\":\"g\"}},{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":"
           "\"AAAA\"}},{\"executableCode\":{\"code\":\"1\"}}],\"role\":\"model\"},\"finishReason\":"
           "\"STOP\",\"index\":0,\"safetyRatings\":[]}],\"usageMetadata\":{\"promptTokenCount\":10,"
           "\"candidatesTokenCount\":5,\"thoughtsTokenCount\":7,\"toolUsePromptTokenCount\":3,"
           "\"cachedContentTokenCount\":4,\"totalTokenCount\":25,\"promptTokensDetails\":[{"
           "\"modality\":\"TEXT\",\"tokenCount\":4},{\"modality\":\"AUDIO\",\"tokenCount\":2},{"
           "\"modality\":\"IMAGE\",\"tokenCount\":1}]},\"modelVersion\":\"gemini-2.5-flash-001\","
           "\"responseId\":\"r1\",\"unknown\":null}");
    const struct chat_choice *c = &reply.choices[0];
    assert_int_equal(reply.n_choices, 1);
    assert_int_equal(c->n_parts, 6);
    assert_int_equal(c->parts[0].type, PART_THINKING);
    assert_string_equal(text_of(c->parts[1].text), "I call");
    assert_string_equal(text_of(c->parts[1].signature), "c2ln");
    assert_string_equal(text_of(c->parts[2].id), "call_0123_0");
    assert_string_equal(text_of(c->parts[2].signature), "c2ln");
    assert_string_equal(text_of(c->parts[3].id), "x");
    assert_string_equal(text_of(c->parts[3].arguments), "{}");
    assert_int_equal(c->parts[4].type, PART_IMAGE);
    assert_int_equal(c->parts[5].type, PART_NATIVE);
    assert_int_equal(c->finish, FINISH_TOOL_CALLS);
    assert_string_equal(text_of(reply.id), "r1");
    const struct usage *u = &reply.usage;
    assert_int_equal(u->input, 13);
    assert_int_equal(u->output, 12);
    assert_int_equal(u->reasoning, 7);
    assert_int_equal(u->cached, 4);
    assert_int_equal(u->tool_input, 3);
    assert_int_equal(u->audio_in, 2);
    assert_int_equal(u->image_in, 1);
    assert_int_equal(u->total, 25);
    assert_string_equal(
        encoded(),
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":"
        "\"I call\",\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"call_0123_0\","
        "\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{"
        "\"id\":\"x\",\"name\":\"g\",\"args\":{}}},{\"inlineData\":{\"mimeType\":\"image/png\","
        "\"data\":\"AAAA\"}},{\"executableCode\":{\"code\":\"1\"}}],\"role\":\"model\"},"
        "\"finishReason\":\"STOP\",\"index\":0,\"safetyRatings\":[]}],\"usageMetadata\":{"
        "\"promptTokenCount\":10,\"candidatesTokenCount\":5,\"cachedContentTokenCount\":4,"
        "\"thoughtsTokenCount\":7,\"toolUsePromptTokenCount\":3,\"totalTokenCount\":25,"
        "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":7},{\"modality\":\"AUDIO\","
        "\"tokenCount\":2},{\"modality\":\"IMAGE\",\"tokenCount\":1}],\"cacheTokensDetails\":[{"
        "\"modality\":\"TEXT\",\"tokenCount\":4}]},\"modelVersion\":\"gemini-2.5-flash-001\","
        "\"responseId\":\"r1\"}");
}

static void thoughts_within_candidates_are_not_counted_twice(void **state)
{
    (void)state;
    decode("{\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":"
           "20,\"thoughtsTokenCount\":15,\"totalTokenCount\":30}}");
    assert_int_equal(reply.usage.output, 20);
    assert_int_equal(reply.usage.reasoning, 15);
    decode("{\"usageMetadata\":{\"promptTokenCount\":\"10\",\"candidatesTokenCount\":20,"
           "\"thoughtsTokenCount\":15,\"totalTokenCount\":45}}");
    assert_int_equal(reply.usage.output, 35);
    assert_int_equal(reply.usage.input, 10);
    assert_int_equal(reply.n_choices, 1); /* empty, but an answer */
    assert_int_equal(reply.choices[0].finish, FINISH_OTHER);
}

static void finish_reasons_both_ways(void **state)
{
    static const struct {
        const char *word;
        enum finish finish;
    } cases[] = {{"STOP", FINISH_STOP},
                 {"MAX_TOKENS", FINISH_LENGTH},
                 {"SAFETY", FINISH_CONTENT_FILTER},
                 {"RECITATION", FINISH_CONTENT_FILTER},
                 {"SPII", FINISH_CONTENT_FILTER},
                 {"IMAGE_SAFETY", FINISH_CONTENT_FILTER},
                 {"LANGUAGE", FINISH_OTHER},
                 {"MALFORMED_FUNCTION_CALL", FINISH_MALFORMED},
                 {"UNEXPECTED_TOOL_CALL", FINISH_MALFORMED},
                 {"OTHER", FINISH_OTHER}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(
            arena_printf(arena, "{\"candidates\":[{\"finishReason\":\"%s\"}]}", cases[i].word).ptr);
        assert_int_equal(reply.choices[0].finish, cases[i].finish);
        has(encoded(), cases[i].word);
        reply.choices[0].finish_raw = STR_LIT("whatever"); /* another provider's word */
        has_not(encoded(), "whatever");
    }
    decode("{\"candidates\":[{\"finishReason\":\"NEW_ONE\"}]}");
    assert_int_equal(reply.choices[0].finish, FINISH_OTHER);
    has(encoded(), "\"parts\":[{\"text\":\"\"}]");
}

static void blocked_prompts(void **state)
{
    (void)state;
    decode("{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\"usageMetadata\":{"
           "\"promptTokenCount\":4,\"totalTokenCount\":4}}");
    assert_true(reply.blocked);
    assert_int_equal(reply.n_choices, 0);
    const char *text = encoded();
    has(text, "\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"}");
    has_not(text, "candidates\":[");
    reply.block_reason = STR_LIT("content_filter");
    has(encoded(), "\"blockReason\":\"SAFETY\"");
}

static void garbage_is_refused(void **state)
{
    static const char *const bodies[] = {"", "{", "[]", "{\"x\":1}", "<html>"};
    struct error err = ERROR_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_false(gemini_codec.decode_reply(str_of(bodies[i]), &context, arena, &reply, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    }
}

static void citations_and_logprobs_both_ways(void **state)
{
    (void)state;
    decode("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xc3\xa9t\xc3\xa9 ok\"}]},"
           "\"groundingMetadata\":{\"webSearchQueries\":[\"a\",\"b\"],\"groundingChunks\":[{\"web\""
           ":{\"uri\":\"https://a\",\"title\":\"A\"}}],\"groundingSupports\":[{\"segment\":{"
           "\"endIndex\":5,\"text\":\"x\"},\"groundingChunkIndices\":[0,9]}]},\"logprobsResult\":{"
           "\"topCandidates\":[{\"candidates\":[{\"token\":\"x\",\"logProbability\":-1.5}]}],"
           "\"chosenCandidates\":[{\"token\":\"x\",\"tokenId\":5,\"logProbability\":-0.25}]}}]}");
    const struct part *p = &reply.choices[0].parts[0];
    assert_int_equal(reply.usage.searches, 2);
    assert_int_equal(p->n_citations, 1);
    assert_string_equal(text_of(p->citations[0].url), "https://a");
    assert_int_equal(p->citations[0].start, 0);
    assert_int_equal(p->citations[0].end, 3);
    assert_string_equal(text_of(reply.choices[0].logprobs),
                        "{\"content\":[{\"token\":\"x\",\"logprob\":-0.25,\"bytes\":[120],"
                        "\"top_logprobs\":[{\"token\":\"x\",\"logprob\":-1.5,\"bytes\":[120]}]}],"
                        "\"refusal\":null}");
    const char *text = encoded();
    has(text, "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"https://a\","
              "\"title\":\"A\"}}],\"groundingSupports\":[{\"segment\":{\"endIndex\":5,\"text\":"
              "\"\xc3\xa9t\xc3\xa9\"},\"groundingChunkIndices\":[0]}]}");
    has(text, "\"logprobsResult\":{\"topCandidates\":[{\"candidates\":[{\"token\":\"x\","
              "\"logProbability\":-1.5}]}],\"chosenCandidates\":[{\"token\":\"x\","
              "\"logProbability\":-0.25}]}");
}

/* A Claude thought's signature goes through a Gemini client and back. */
static void foreign_signatures_travel(void **state)
{
    struct part parts[] = {{.type = PART_THINKING,
                            .text = STR_LIT("t"),
                            .signature = STR_LIT("SIG"),
                            .signature_family = FAMILY_MESSAGES},
                           {.type = PART_REDACTED_THINKING,
                            .signature = STR_LIT("RED"),
                            .signature_family = FAMILY_MESSAGES}};
    struct chat_choice choice = {.parts = parts, .n_parts = 2, .finish = FINISH_STOP};
    struct chat_request q;
    struct error err = ERROR_INIT;
    struct json_value v, list, one;
    size_t pos = 0;
    (void)state;
    reply = (struct chat_reply){.choices = &choice, .n_choices = 1};
    assert_true(read_json(str_of(encoded()), &v));
    assert_true(read_get(v, "candidates", &list) && json_next(list, &pos, NULL, &one) &&
                read_get(one, "content", &v));
    struct wire_request w = {.body = arena_printf(arena, "{\"contents\":[%.*s]}", STR_ARG(v.raw))};
    assert_true(gemini_codec.decode_request(&w, arena, &q, &err));
    const struct part *p = q.messages[0].parts;
    assert_int_equal(p[0].type, PART_THINKING);
    assert_string_equal(text_of(p[0].signature), "SIG");
    assert_int_equal(p[0].signature_family, FAMILY_MESSAGES);
    assert_int_equal(p[1].type, PART_REDACTED_THINKING);
    assert_string_equal(text_of(p[1].signature), "RED");
}

/* ---- errors ---- */

static void own_errors(void **state)
{
    struct error err = ERROR_INIT;
    struct failure f = {.error = &err, .request_id = STR_LIT("req_1"), .status = 404};
    (void)state;
    (void)error_set_param(&err, ERR_MODEL_NOT_FOUND, "model", "no model \"x\"");
    assert_string_equal(
        text_of(gemini_error_body(arena, &f)),
        "{\"error\":{\"code\":404,\"message\":\"no model \\\"x\\\"\",\"status\":\"NOT_FOUND\","
        "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
        "\"model_not_found\",\"domain\":\"weir\",\"metadata\":{\"request_id\":\"req_1\",\"param\":"
        "\"model\"}}]}}\n");
    f.status = 429;
    has(text_of(gemini_error_body(arena, &f)), "RESOURCE_EXHAUSTED");
    err.line = 2;
    err.column = 3;
    err.offset = 9;
    has(text_of(gemini_error_body(arena, &f)), "(line 2, column 3, offset 9)");
    has(text_of(gemini_error_body(NULL, &f)), "\"INTERNAL\"");
    assert_true(gemini_error_is_own(gemini_error_body(arena, &f)));
    assert_false(gemini_error_is_own(STR_LIT("{\"error\":{\"message\":\"m\",\"code\":\"c\"}}")));
    assert_true(gemini_error_is_own(STR_LIT("[{\"error\":{\"code\":1,\"status\":\"X\"}}]")));
    assert_false(gemini_error_is_own(STR_LIT("[]")));
}

static void provider_errors(void **state)
{
    struct error err = ERROR_INIT;
    struct provider_error p = {.status = 529,
                               .class = FAILURE_OVERLOADED,
                               .message = STR_LIT("busy"),
                               .raw = STR_LIT("{\"a\":\n1}"),
                               .raw_is_json = true,
                               .provider = STR_LIT("claude")};
    struct failure f = {.error = &err, .provider = &p, .status = 529};
    (void)state;
    (void)error_set(&err, ERR_UPSTREAM_REFUSED, "x");
    assert_int_equal(gemini_error_status(&f), 503);
    const char *text = text_of(gemini_error_body(arena, &f));
    has(text, "\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"");
    has(text, "\"weir\":{\"provider\":\"claude\",\"status\":529,\"provider_error\":{\"a\":\n1}}}");
    text = text_of(gemini_error_event(arena, &f, FRAMING_SSE));
    assert_true(str_starts(str_of(text), STR_LIT("data: {\"error\":")));
    struct json_value v;
    struct str line, rest;
    assert_true(str_cut(str_slice(str_of(text), 6, strlen(text)), '\n', &line, &rest));
    assert_true(read_json(str_trim(line), &v)); /* one line, and no other frame */
    assert_string_equal(text_of(rest), "\r\n");
    has(text, "\"provider_error\":{\"a\": 1}");
    text = text_of(gemini_error_event(arena, &f, FRAMING_JSON_ARRAY));
    assert_true(read_json(arena_printf(arena, "[{}%s", text), &v));
}

/* ---- embeddings ---- */

static void embeddings_of_gemini(void **state)
{
    struct embedding_request q;
    struct embedding_reply r;
    struct error err = ERROR_INIT;
    struct wire_request w = {.body = STR_LIT("{\"requests\":[{\"model\":\"models/e\",\"content\":{"
                                             "\"parts\":[{\"text\":\"a\"}]},\"taskType\":"
                                             "\"RETRIEVAL_QUERY\",\"outputDimensionality\":64},{"
                                             "\"content\":{\"parts\":[{\"text\":\"b\"}]}}]}")};
    (void)state;
    context.model = STR_LIT("e");
    assert_true(gemini_embedding_codec.decode_request(&w, arena, &q, &err));
    assert_int_equal(q.n_inputs, 2);
    assert_false(q.single);
    assert_string_equal(text_of(q.model), "e");
    assert_string_equal(text_of(q.input_type), "search_query");
    assert_int_equal(q.dimensions, 64);
    assert_true(gemini_embedding_codec.encode_request(&q, &context, arena, &output, &err));
    assert_string_equal(json_out(),
                        "{\"requests\":[{\"model\":\"models/e\",\"content\":{\"parts\":[{\"text\":"
                        "\"a\"}]},\"taskType\":\"RETRIEVAL_QUERY\",\"outputDimensionality\":64},{"
                        "\"model\":\"models/e\",\"content\":{\"parts\":[{\"text\":\"b\"}]},"
                        "\"taskType\":\"RETRIEVAL_QUERY\",\"outputDimensionality\":64}]}");
    assert_true(gemini_embedding_codec.decode_reply(
        STR_LIT("{\"embeddings\":[{\"values\":[0.1,-2]},{\"values\":[3e-5]}]}"), &context, arena,
        &r, &err));
    assert_int_equal(r.n_vectors, 2);
    assert_string_equal(text_of(r.vectors[1].floats), "[3e-5]");
    r.vectors[0] = (struct embedding_vector){.base64 = STR_LIT("AADAPwAAAMA=")};
    buffer_clear(&output);
    assert_true(gemini_embedding_codec.encode_reply(&r, &q, &context, arena, &output));
    assert_string_equal(json_out(), "{\"embeddings\":[{\"values\":[1.5,-2]},{\"values\":[3e-5]}]}");
    w.body = STR_LIT("{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"task_type\":"
                     "\"SEMANTIC_SIMILARITY\"}");
    assert_true(gemini_embedding_codec.decode_request(&w, arena, &q, &err));
    assert_true(q.single);
    buffer_clear(&output);
    assert_true(gemini_embedding_codec.encode_request(&q, &context, arena, &output, &err));
    assert_string_equal(json_out(),
                        "{\"model\":\"models/e\",\"content\":{\"parts\":[{\"text\":\"a\"}]},"
                        "\"taskType\":\"SEMANTIC_SIMILARITY\"}");
    r.n_vectors = 1;
    buffer_clear(&output);
    assert_true(gemini_embedding_codec.encode_reply(&r, &q, &context, arena, &output));
    assert_string_equal(json_out(), "{\"embedding\":{\"values\":[1.5,-2]}}");
    w.body = STR_LIT("{\"requests\":[]}");
    assert_false(gemini_embedding_codec.decode_request(&w, arena, &q, &err));
    assert_string_equal(err.param, "requests");
}

static void embeddings_of_vertex(void **state)
{
    struct embedding_input inputs[] = {{.text = STR_LIT("a")}, {.tokens = STR_LIT("[1]")}};
    struct embedding_request q = {.family = FAMILY_CHAT,
                                  .inputs = inputs,
                                  .n_inputs = 1,
                                  .normalize = -1,
                                  .dimensions = 8,
                                  .input_type = STR_LIT("search_document"),
                                  .truncate = STR_LIT("NONE"),
                                  .user = STR_LIT("u")};
    struct embedding_reply r;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(vertex_embedding_codec.encode_request(&q, &context, arena, &output, &err));
    assert_string_equal(json_out(),
                        "{\"instances\":[{\"content\":\"a\",\"task_type\":\"RETRIEVAL_DOCUMENT\"}],"
                        "\"parameters\":{\"outputDimensionality\":8,\"autoTruncate\":false}}");
    assert_string_equal(lost(), "user");
    q.n_inputs = 2;
    assert_false(vertex_embedding_codec.encode_request(&q, &context, arena, &output, &err));
    assert_string_equal(err.param, "input[1]");
    assert_true(vertex_embedding_codec.decode_reply(
        STR_LIT("{\"predictions\":[{\"embeddings\":{\"values\":[1],\"statistics\":{\"token_count\":"
                "4,\"truncated\":false}}},{\"embeddings\":{\"values\":[2],\"statistics\":{"
                "\"token_count\":3}}}]}"),
        &context, arena, &r, &err));
    assert_int_equal(r.n_vectors, 2);
    assert_int_equal(r.usage.input, 7);
    buffer_clear(&output);
    assert_true(vertex_embedding_codec.encode_reply(&r, &q, &context, arena, &output));
    has(json_out(), "\"token_count\":7");
    struct wire_request w = {.body = STR_LIT("{\"instances\":[{\"content\":\"x\"},{}]}")};
    assert_false(vertex_embedding_codec.decode_request(&w, arena, &q, &err));
    assert_string_equal(err.param, "instances[1].content");
}

static void citations_find_their_text_behind_thoughts(void **state)
{
    static const char body[] =
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":"
        "\"\xc3\xa9t\xc3\xa9 ok\"}]},\"finishReason\":\"STOP\",\"groundingMetadata\":{"
        "\"groundingChunks\":[{\"web\":{\"uri\":\"https://a\"}}],\"groundingSupports\":[{"
        "\"segment\":{\"endIndex\":5},\"groundingChunkIndices\":[0]},{\"segment\":{\"endIndex\":"
        "99},\"groundingChunkIndices\":[0]}]}}]}";
    struct chat_reply r;
    struct error err = ERROR_INIT;
    (void)state;
    assert_true(gemini_codec.decode_reply(str_of(body), &context, arena, &r, &err));
    const struct part *text = &r.choices[0].parts[1];
    assert_int_equal(text->n_citations, 2);
    assert_int_equal(text->citations[0].start, 0);
    assert_int_equal(text->citations[0].end, 3); /* characters */
    assert_int_equal(text->citations[1].end, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answers_are_read),          CASE(thoughts_within_candidates_are_not_counted_twice),
        CASE(finish_reasons_both_ways),  CASE(blocked_prompts),
        CASE(garbage_is_refused),        CASE(citations_and_logprobs_both_ways),
        CASE(foreign_signatures_travel), CASE(own_errors),
        CASE(provider_errors),           CASE(embeddings_of_gemini),
        CASE(embeddings_of_vertex),      CASE(citations_find_their_text_behind_thoughts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

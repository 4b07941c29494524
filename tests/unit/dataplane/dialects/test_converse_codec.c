/* dialects/converse_*.c: what a client asks reaches Bedrock, what Bedrock says reaches a client. */
#include "converse_rig.h"

/* Nothing that a client of Converse writes is lost on the way to Converse. */
static void own_request_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const char body[] =
        "{\"system\":[{\"text\":\"be brief\"},{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}"
        "},{\"guardContent\":{\"text\":{\"text\":\"g\",\"qualifiers\":[\"query\"]}}}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"h\\u00e9\"},{\"image\":{"
        "\"format\":\"png\",\"source\":{\"bytes\":\"iVBORw==\"}}},{\"document\":{\"format\":"
        "\"pdf\",\"name\":\"a b\",\"source\":{\"bytes\":\"JVBERi0=\"},\"context\":\"c\","
        "\"citations\":{\"enabled\":true}}},{\"video\":{\"format\":\"mp4\",\"source\":{"
        "\"s3Location\":{\"uri\":\"s3://b/k\",\"bucketOwner\":\"1\"}}}},{\"cachePoint\":{\"type\":"
        "\"default\"}}]},{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{"
        "\"reasoningText\":{\"text\":\"hm\",\"signature\":\"sig\"}}},{\"toolUse\":{\"toolUseId\":"
        "\"t1\",\"name\":\"f\",\"input\":{\"a\":1.50}}}]},{\"role\":\"user\",\"content\":[{"
        "\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[{\"json\":{\"x\":[1]}},{\"text\":"
        "\"y\"}],\"status\":\"error\"}},{\"text\":\"go on\"}]}],"
        "\"inferenceConfig\":{\"maxTokens\":5000,\"temperature\":0.70,\"topP\":0.9,"
        "\"stopSequences\":[\"X\"]},"
        "\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"description\":\"d\","
        "\"inputSchema\":{\"json\":{\"type\":\"object\"}},\"strict\":true}},{\"systemTool\":{"
        "\"name\":\"nova_grounding\"}}],\"toolChoice\":{\"tool\":{\"name\":\"f\"}}},"
        "\"additionalModelRequestFields\":{\"top_k\":5,\"thinking\":{\"type\":\"enabled\","
        "\"budget_tokens\":1024},\"foo\":{\"bar\":null}},"
        "\"guardrailConfig\":{\"guardrailIdentifier\":\"g\",\"guardrailVersion\":\"1\"},"
        "\"requestMetadata\":{\"k\":\"v\"},\"serviceTier\":{\"type\":\"flex\"},"
        "\"additionalModelResponseFieldPaths\":[\"/stop_sequence\"],\"performanceConfig\":{"
        "\"latency\":\"optimized\"}}";
    struct chat_request q = decoded(body);
    assert_int_equal(q.n_messages, 5);
    assert_int_equal(q.messages[3].role, ROLE_TOOL);
    assert_int_equal(q.messages[4].role, ROLE_USER);
    assert_int_equal(q.messages[0].parts[0].cache, CACHE_1H);
    assert_true(str_eqz(q.messages[3].parts[0].parts[0].text, "{\"x\":[1]}"));
    assert_true(str_eqz(q.top_k, "5"));
    assert_int_equal(q.reasoning.budget, 1024);
    const char *out = encoded(&q);
    char *expected = str_dup(STR_LIT(body));
    assert_non_null(expected);
    char *escape = strstr(expected, "\\u00e9");
    memmove(escape + 2, escape + 6, strlen(escape + 6) + 1);
    memcpy(escape, "\xc3\xa9", 2);
    assert_string_equal(out, expected);
    mem_free(expected);
    assert_string_equal(lost(), "");
}

static void roles_alternate_and_blank_texts_go(void **state)
{
    (void)state;
    struct part inner = text_part("42");
    struct part parts[] = {
        text_part("sys"),
        text_part("a"),
        text_part("  \n"),
        text_part("b"),
        {.type = PART_TOOL_CALL,
         .id = STR_LIT("c1"),
         .name = STR_LIT("f"),
         .arguments = STR_LIT("{}")},
        {.type = PART_TOOL_RESULT, .id = STR_LIT("c1"), .parts = &inner, .n_parts = 1},
        text_part("c")};
    struct message m[] = {{.role = ROLE_DEVELOPER, .parts = &parts[0], .n_parts = 1},
                          {.role = ROLE_USER, .parts = &parts[1], .n_parts = 1},
                          {.role = ROLE_ASSISTANT, .parts = &parts[2], .n_parts = 1},
                          {.role = ROLE_USER, .parts = &parts[3], .n_parts = 1},
                          {.role = ROLE_ASSISTANT, .parts = &parts[4], .n_parts = 1},
                          {.role = ROLE_TOOL, .parts = &parts[5], .n_parts = 1},
                          {.role = ROLE_USER, .parts = &parts[6], .n_parts = 1}};
    struct chat_request q = request_of(m, 7);
    assert_string_equal(
        encoded(&q),
        "{\"system\":[{\"text\":\"sys\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
        "\"a\"},{\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
        "\"toolUseId\":\"c1\",\"name\":\"f\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{"
        "\"toolResult\":{\"toolUseId\":\"c1\",\"content\":[{\"text\":\"42\"}]}},{\"text\":\"c\"}]}"
        "],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{"
        "\"type\":\"object\",\"properties\":{}}}}}]}}");
}

static void image_urls_and_odd_settings_are_named(void **state)
{
    (void)state;
    struct part parts[] = {text_part("see"),
                           {.type = PART_IMAGE, .media = {.url = STR_LIT("https://x/y.png")}}};
    struct message m = {.role = ROLE_USER, .parts = parts, .n_parts = 2};
    struct chat_request q = request_of(&m, 1);
    q.seed = STR_LIT("1");
    q.temperature = STR_LIT("1.5");
    q.logprobs = 1;
    q.service_tier = STR_LIT("auto");
    q.extras = &(struct extra){STR_LIT("foo"), STR_LIT("1")};
    q.n_extras = 1;
    assert_string_equal(encoded(&q), "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":"
                                     "\"see\"}]}],\"inferenceConfig\":{\"temperature\":1}}");
    assert_string_equal(lost(), "image, temperature, seed, logprobs, foo");
    m.parts = &parts[1];
    m.n_parts = 1;
    assert_null(encoded(&q));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "messages[0].content[0]");
}

static void document_names_are_clean_and_unique(void **state)
{
    (void)state;
    struct part parts[3];
    for (size_t i = 0; i < 3; i++) {
        parts[i] = (struct part){.type = PART_DOCUMENT,
                                 .media = {.data = STR_LIT("JVBERi0="),
                                           .media_type = STR_LIT("application/pdf"),
                                           .name = STR_LIT("my  r\xc3\xa9port_1.v2.pdf")}};
    }
    parts[2].media = (struct media){.text = STR_LIT("hi"), .name = STR_LIT("..")};
    struct message m = {.role = ROLE_USER, .parts = parts, .n_parts = 3};
    struct chat_request q = request_of(&m, 1);
    const char *out = encoded(&q);
    assert_non_null(strstr(out, "\"name\":\"my r-port 1-v2\""));
    assert_non_null(strstr(out, "\"name\":\"my r-port 1-v2 2\""));
    assert_non_null(strstr(out, "{\"format\":\"txt\",\"name\":\"--\",\"source\":{\"bytes\":"
                                "\"aGk=\"}}"));
}

static void effort_becomes_a_budget_for_claude_only(void **state)
{
    (void)state;
    struct part p = text_part("hi");
    struct message m = {.role = ROLE_USER, .parts = &p, .n_parts = 1};
    struct chat_request q = request_of(&m, 1);
    q.reasoning.effort = EFFORT_MEDIUM;
    q.temperature = STR_LIT("0.2");
    q.top_k = STR_LIT("9");
    assert_non_null(strstr(encoded(&q), "\"inferenceConfig\":{\"maxTokens\":8192},"
                                        "\"additionalModelRequestFields\":{\"thinking\":{\"type\":"
                                        "\"enabled\",\"budget_tokens\":4096}}"));
    assert_string_equal(lost(), "temperature, top_k");
    losses = (struct losses){.n = 0};
    context.model = STR_LIT("amazon.nova-lite-v1:0");
    assert_null(strstr(encoded(&q), "thinking"));
    assert_string_equal(lost(), "reasoning_effort, top_k");
}

static void schema_goes_by_a_tool_and_comes_back_as_text(void **state)
{
    (void)state;
    struct part p = text_part("hi");
    struct message m = {.role = ROLE_USER, .parts = &p, .n_parts = 1};
    struct chat_request q = request_of(&m, 1);
    struct chat_reply r;
    q.output = OUTPUT_SCHEMA;
    q.schema = STR_LIT("{\"type\":\"object\"}");
    assert_non_null(strstr(encoded(&q), "\"toolChoice\":{\"tool\":{\"name\":\"json_response\"}}"));
    context.request = &q;
    assert_true(converse_codec.decode_reply(
        STR_LIT("{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
                "\"toolUseId\":\"t\",\"name\":\"json_response\",\"input\":{\"a\":1}}}]}},"
                "\"stopReason\":\"tool_use\"}"),
        &context, arena, &r, &err));
    assert_int_equal(r.choices[0].parts[0].type, PART_TEXT);
    assert_true(str_eqz(r.choices[0].parts[0].text, "{\"a\":1}"));
    assert_int_equal(r.choices[0].finish, FINISH_STOP);
}

static const char reply[] =
    "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{"
    "\"reasoningText\":{\"text\":\"hm\",\"signature\":\"s\"}}},{\"text\":\"ok\"},{\"toolUse\":{"
    "\"toolUseId\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}}}]}},\"stopReason\":\"tool_use\","
    "\"usage\":{\"inputTokens\":3,\"outputTokens\":7,\"totalTokens\":1115,"
    "\"cacheReadInputTokens\":100,\"cacheWriteInputTokens\":1005,\"cacheDetails\":[{"
    "\"inputTokens\":5,\"ttl\":\"5m\"},{\"inputTokens\":1000,\"ttl\":\"1h\"}]},"
    "\"metrics\":{\"latencyMs\":0},\"serviceTier\":{\"type\":\"priority\"}}";

static void reply_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct chat_reply r;
    struct buffer b;
    assert_true(converse_codec.decode_reply(str_of(reply), &context, arena, &r, &err));
    assert_int_equal(r.usage.input, 1108);
    assert_int_equal(r.usage.cached, 100);
    assert_int_equal(r.usage.cache_write_5m, 5);
    assert_int_equal(r.usage.cache_write_1h, 1000);
    assert_int_equal(r.choices[0].finish, FINISH_TOOL_CALLS);
    buffer_init(&b, 1 << 16);
    assert_true(converse_codec.encode_reply(&r, &context, arena, &b));
    assert_string_equal(taken(&b), reply);
    assert_false(
        converse_codec.decode_reply(STR_LIT("{\"message\":\"no\"}"), &context, arena, &r, &err));
    assert_false(converse_codec.decode_reply(STR_LIT("<html>"), &context, arena, &r, &err));
}

/* ---- streams ---- */

/* Events to chunks to frames to events: each in one line of text. */
static struct buffer told;
static void *encoder;
static struct buffer frames;

static void on_chunk(void *arg, const struct chunk *c)
{
    (void)arg;
    assert_true(converse_codec.encode_chunk(encoder, c, &frames));
}

static void on_frame(void *arg, const struct aws_event *e)
{
    (void)arg;
    (void)buffer_printf(&told, "%s%.*s %.*s\n", e->kind == AWS_EXCEPTION ? "exception:" : "",
                        STR_ARG(e->type), STR_ARG(e->payload));
}

static const char *frames_told(void)
{
    struct aws_event_reader r;
    buffer_init(&told, 1 << 20);
    aws_event_reader_init(&r, 0, on_frame, NULL);
    assert_true(aws_event_feed(&r, buffer_str(&frames)));
    assert_true(aws_event_finish(&r));
    aws_event_reader_release(&r);
    buffer_release(&frames);
    const char *z = arena_str(arena, told.len ? buffer_str(&told) : STR_LIT("")).ptr;
    buffer_release(&told);
    return z;
}

/* "name json" lines in, the same out. */
static const char *streamed(const char *lines)
{
    struct str rest = str_of(lines), line, name, data;
    void *decoder = converse_codec.decoder_new(&context, arena, on_chunk, NULL);
    encoder = converse_codec.encoder_new(&context, arena);
    buffer_init(&frames, 1 << 20);
    while (str_cut(rest, '\n', &line, &rest)) {
        assert_true(str_cut(line, ' ', &name, &data));
        assert_true(converse_codec.decode_event(decoder, arena, name, data));
    }
    converse_codec.decode_end(decoder);
    return frames_told();
}

#define STREAM                                                                                     \
    "messageStart {\"role\":\"assistant\"}\n"                                                      \
    "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\"hm\"}" \
    "}}\n"                                                                                         \
    "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"signature\":"   \
    "\"s\"}}}\n"                                                                                   \
    "contentBlockStop {\"contentBlockIndex\":0}\n"                                                 \
    "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"text\":\"hi\"}}\n"                    \
    "contentBlockStop {\"contentBlockIndex\":1}\n"                                                 \
    "contentBlockStart {\"contentBlockIndex\":2,\"start\":{\"toolUse\":{\"toolUseId\":\"t1\","     \
    "\"name\":\"f\"}}}\n"                                                                          \
    "contentBlockDelta {\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":\"{\\\"a}\"}}}"  \
    "\n"                                                                                           \
    "contentBlockDelta {\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":\"\\\":1}\"}}}"  \
    "\n"                                                                                           \
    "contentBlockStop {\"contentBlockIndex\":2}\n"                                                 \
    "contentBlockStart {\"contentBlockIndex\":3,\"start\":{\"toolUse\":{\"toolUseId\":\"t2\","     \
    "\"name\":\"g\"}}}\n"                                                                          \
    "contentBlockStop {\"contentBlockIndex\":3}\n"

static void stream_comes_out_as_it_went_in(void **state)
{
    (void)state;
    static const char text[] =
        STREAM "messageStop {\"stopReason\":\"tool_use\"}\n"
               "metadata {\"usage\":{\"inputTokens\":3,\"outputTokens\":2,\"totalTokens\":5},"
               "\"metrics\":{\"latencyMs\":0}}\n";
    assert_string_equal(streamed(text), text);
}

static void a_stream_without_metadata_ends_and_one_without_stop_does_not(void **state)
{
    (void)state;
    assert_string_equal(streamed(STREAM "messageStop {\"stopReason\":\"max_tokens\"}\n"),
                        STREAM "messageStop {\"stopReason\":\"max_tokens\"}\n"
                               "metadata {\"usage\":{\"inputTokens\":0,\"outputTokens\":0,"
                               "\"totalTokens\":0},\"metrics\":{\"latencyMs\":0}}\n");
    assert_string_equal(streamed(STREAM), STREAM);
}

static void an_exception_ends_a_stream(void **state)
{
    (void)state;
    const char *out = streamed("messageStart {\"role\":\"assistant\"}\n"
                               "exception:throttlingException {\"message\":\"slow down\"}\n"
                               "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":"
                               "\"late\"}}\n");
    assert_non_null(strstr(out, "exception:throttlingException {\"message\":\"slow down\""));
    assert_null(strstr(out, "late"));
    assert_null(strstr(out, "messageStop"));
}

static void interleaved_calls_keep_their_blocks(void **state)
{
    (void)state;
    static const struct {
        enum chunk_type type;
        int tool;
        const char *text;
    } list[] = {{CHUNK_START, -1, ""},
                {CHUNK_TOOL_BEGIN, 0, ""},
                {CHUNK_TOOL_BEGIN, 1, ""},
                {CHUNK_TOOL_ARGUMENTS, 0, "{"},
                {CHUNK_TOOL_ARGUMENTS, 1, "{}"},
                {CHUNK_TOOL_ARGUMENTS, 0, "}"},
                {CHUNK_TEXT, -1, "after"},
                {CHUNK_FINISH, -1, ""},
                {CHUNK_END, -1, ""}};
    encoder = converse_codec.encoder_new(&context, arena);
    buffer_init(&frames, 1 << 20);
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        struct chunk c = {.type = list[i].type,
                          .tool = list[i].tool,
                          .name = STR_LIT("f"),
                          .text = str_of(list[i].text),
                          .finish = FINISH_TOOL_CALLS};
        assert_true(converse_codec.encode_chunk(encoder, &c, &frames));
    }
    assert_string_equal(
        frames_told(),
        "messageStart {\"role\":\"assistant\"}\n"
        "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":"
        "\"call_0123456789abcdef_0\",\"name\":\"f\"}}}\n"
        "contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":"
        "\"call_0123456789abcdef_1\",\"name\":\"f\"}}}\n"
        "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{\"input\":\"{\"}}}\n"
        "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"{}\"}}}\n"
        "contentBlockStop {\"contentBlockIndex\":1}\n"
        "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{\"input\":\"}\"}}}\n"
        "contentBlockStop {\"contentBlockIndex\":0}\n"
        "contentBlockDelta {\"contentBlockIndex\":2,\"delta\":{\"text\":\"after\"}}\n"
        "contentBlockStop {\"contentBlockIndex\":2}\n"
        "messageStop {\"stopReason\":\"tool_use\"}\n"
        "metadata {\"usage\":{\"inputTokens\":0,\"outputTokens\":0,\"totalTokens\":0},"
        "\"metrics\":{\"latencyMs\":0}}\n");
}

static void wrong_requests_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *body, *param;
    } list[] = {
        {"{\"messages\":[{\"role\":\"x\",\"content\":[]}]}", "messages[0].role"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}", "messages[0].content"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":1}]}]}",
         "messages[0].content[0]"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"a\","
         "\"content\":[{\"image\":{}}]}}]}]}",
         "messages[0].content[0].content[0]"},
        {"{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":\"a\"}}",
         "inferenceConfig.maxTokens"},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        struct wire_request w = {.body = str_of(list[i].body)};
        struct chat_request q;
        assert_false(converse_codec.decode_request(&w, arena, &q, &err));
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        assert_string_equal(err.param, list[i].param);
    }
}

static void counting_takes_the_request_wrapped(void **state)
{
    (void)state;
    struct chat_request q = decoded("{\"input\":{\"converse\":{\"messages\":[{\"role\":\"user\","
                                    "\"content\":[{\"text\":\"hi\"}]}]}}}");
    struct buffer b;
    uint64_t tokens = 0;
    buffer_init(&b, 4096);
    assert_true(converse_count_codec.encode_request(&q, &context, arena, &b, &err));
    assert_string_equal(taken(&b), "{\"input\":{\"converse\":{\"messages\":[{\"role\":\"user\","
                                   "\"content\":[{\"text\":\"hi\"}]}]}}}");
    assert_true(converse_count_codec.decode_reply(STR_LIT("{\"inputTokens\":12}"), &tokens, &err));
    assert_int_equal(tokens, 12);
    buffer_init(&b, 64);
    assert_true(converse_count_codec.encode_reply(12, arena, &b));
    assert_string_equal(taken(&b), "{\"inputTokens\":12}");
}

/* ---- what Bedrock refuses ---- */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(own_request_comes_out_as_it_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(roles_alternate_and_blank_texts_go, set_up, tear_down),
        cmocka_unit_test_setup_teardown(image_urls_and_odd_settings_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(document_names_are_clean_and_unique, set_up, tear_down),
        cmocka_unit_test_setup_teardown(effort_becomes_a_budget_for_claude_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(schema_goes_by_a_tool_and_comes_back_as_text, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reply_comes_out_as_it_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stream_comes_out_as_it_went_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_stream_without_metadata_ends_and_one_without_stop_does_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_exception_ends_a_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(interleaved_calls_keep_their_blocks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_requests_are_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counting_takes_the_request_wrapped, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

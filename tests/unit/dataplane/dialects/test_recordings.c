/* Answers as providers really send them, through the neutral form to clients of other dialects. */
#include "messages_test.h"

#include <stdio.h>

#include "dataplane/net/aws_event.h"

struct line {
    const char *name, *data;
};

struct through {
    const struct chat_codec *to;
    void *encoder;
    bool ok;
};

static void pass(void *arg, const struct chunk *c)
{
    struct through *t = arg;
    t->ok = t->ok && t->to->encode_chunk(t->encoder, c, &out);
}

static struct chat_request asked;

/* The whole answer in the client's dialect. */
static const char *through(const struct chat_codec *from, const struct line *lines, size_t n,
                           const struct chat_codec *to, enum family client)
{
    struct through t = {.to = to, .ok = true};
    asked = (struct chat_request){.family = client,
                                  .stream = true,
                                  .stream_usage = true,
                                  .parallel_tool_calls = -1,
                                  .schema_strict = -1,
                                  .logprobs = -1,
                                  .top_logprobs = -1,
                                  .store = -1,
                                  .reasoning = {.budget = 2048, .include = -1}};
    context.request = &asked;
    context.stream = true;
    context.client_framing = FRAMING_SSE;
    buffer_clear(&out);
    t.encoder = to->encoder_new(&context, arena);
    void *decoder = from->decoder_new(&context, arena, pass, &t);
    assert_non_null(t.encoder);
    assert_non_null(decoder);
    for (size_t i = 0; i < n; i++) {
        struct arena *scratch = arena_new(0);
        assert_true(from->decode_event(decoder, scratch, str_of(lines[i].name),
                                       str_of(lines[i].data)));
        arena_free(scratch);
    }
    from->decode_end(decoder);
    assert_true(t.ok);
    return out_text();
}

#define THROUGH(from, lines, to, client) \
    through(&(from), lines, sizeof(lines) / sizeof((lines)[0]), &(to), client)

/* Claude: a thought, a search that Anthropic runs itself, a cited answer, a call. */
static const struct line claude[] = {
    {"message_start",
     "{\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5-20250929\",\"id\":"
     "\"msg_01X\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"stop_reason\":null,"
     "\"stop_sequence\":null,\"usage\":{\"input_tokens\":2679,\"cache_creation_input_tokens\":400,"
     "\"cache_read_input_tokens\":1000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,"
     "\"ephemeral_1h_input_tokens\":400},\"output_tokens\":3,\"service_tier\":\"standard\","
     "\"inference_geo\":\"not_available\"}}}"},
    {"ping", "{\"type\": \"ping\"}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\","
     "\"thinking\":\"\",\"signature\":\"\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
     "\"thinking\":\"I should search.\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\","
     "\"signature\":\"EqQBCkYIBxgCKkC=\"}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
     "\"server_tool_use\",\"id\":\"srvtoolu_014\",\"name\":\"web_search\",\"input\":{}}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"{\\\"query\\\": \\\"Oslo\\\"}\"}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":1}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":"
     "\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_014\",\"content\":[{\"type\":"
     "\"web_search_result\",\"title\":\"Oslo\",\"url\":\"https://oslo.no\",\"encrypted_content\":"
     "\"EpwC\",\"page_age\":null}]}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":2}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"text\",\"text\":"
     "\"\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_delta\",\"text\":"
     "\"I found: \"}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":3}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":4,\"content_block\":{\"citations\":[],\"type\":"
     "\"text\",\"text\":\"\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"citations_delta\","
     "\"citation\":{\"type\":\"web_search_result_location\",\"cited_text\":\"Oslo is cold\","
     "\"url\":\"https://oslo.no\",\"title\":\"Oslo\",\"encrypted_index\":\"Eo8B\"}}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":4,\"delta\":{\"type\":\"text_delta\",\"text\":"
     "\"Oslo is c\xc3\xb8ld.\"}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":4}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":5,\"content_block\":{\"type\":\"tool_use\","
     "\"id\":\"toolu_01T\",\"name\":\"get_weather\",\"input\":{},\"caller\":{\"type\":\"direct\"}}"
     "}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"{\\\"city\\\": \\\"Os\"}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":5,\"delta\":{\"type\":\"input_json_delta\","
     "\"partial_json\":\"lo\\\"}\"}}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":5}"},
    {"message_delta",
     "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"
     "\"usage\":{\"input_tokens\":10682,\"cache_creation_input_tokens\":400,"
     "\"cache_read_input_tokens\":1000,\"output_tokens\":510,\"server_tool_use\":{"
     "\"web_search_requests\":1}},\"context_management\":{\"applied_edits\":[]}}"},
    {"message_stop", "{\"type\":\"message_stop\"}"},
};

static const struct line bedrock[] = {
    {"messageStart", "{\"p\":\"abcdefgh\",\"role\":\"assistant\"}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":"
                          "\"Let me think.\"}},\"p\":\"abc\"}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"signature\":"
                          "\"RXFRQg==\"}},\"p\":\"abcd\"}"},
    {"contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"a\"}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":1,\"delta\":{\"text\":\"I look.\"},\"p\":\"a\"}"},
    {"contentBlockStop", "{\"contentBlockIndex\":1,\"p\":\"a\"}"},
    {"contentBlockStart", "{\"contentBlockIndex\":2,\"p\":\"ab\",\"start\":{\"toolUse\":{\"name\":"
                          "\"get_weather\",\"toolUseId\":\"tooluse_Q9\"}}}"},
    {"contentBlockDelta",
     "{\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":\"\"}},\"p\":\"ab\"}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":"
                          "\"{\\\"city\\\": \\\"Paris\\\"}\"}},\"p\":\"ab\"}"},
    {"contentBlockStop", "{\"contentBlockIndex\":2,\"p\":\"ab\"}"},
    {"contentBlockStart", "{\"contentBlockIndex\":3,\"p\":\"ab\",\"start\":{\"toolUse\":{\"name\":"
                          "\"now\",\"toolUseId\":\"tooluse_R1\"}}}"},
    {"contentBlockStop", "{\"contentBlockIndex\":3,\"p\":\"ab\"}"},
    {"messageStop", "{\"p\":\"abc\",\"stopReason\":\"tool_use\"}"},
    {"metadata",
     "{\"metrics\":{\"latencyMs\":2412},\"p\":\"abc\",\"usage\":{\"inputTokens\":12,"
     "\"outputTokens\":40,\"totalTokens\":152,\"cacheReadInputTokens\":60,"
     "\"cacheWriteInputTokens\":40,\"cacheDetails\":[{\"inputTokens\":30,\"ttl\":\"1h\"},{"
     "\"inputTokens\":10,\"ttl\":\"5m\"}]},\"trace\":{\"guardrail\":{\"inputAssessment\":{\"gr\":"
     "{\"topicPolicy\":{\"topics\":[]}}}}}}"},
};

static const struct line cohere[] = {
    {"message-start", "{\"id\":\"4ad\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":"
                      "\"assistant\",\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[],"
                      "\"citations\":[]}}}"},
    {"content-start", "{\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":"
                      "{\"type\":\"thinking\",\"thinking\":\"\"}}}}"},
    {"content-delta", "{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":"
                      "{\"thinking\":\"hm\"}}}}"},
    {"content-end", "{\"type\":\"content-end\",\"index\":0}"},
    {"content-start", "{\"type\":\"content-start\",\"index\":1,\"delta\":{\"message\":{\"content\":"
                      "{\"type\":\"text\",\"text\":\"\"}}}}"},
    {"content-delta", "{\"type\":\"content-delta\",\"index\":1,\"delta\":{\"message\":{\"content\":"
                      "{\"text\":\"The emperor\"}}}}"},
    {"citation-start",
     "{\"type\":\"citation-start\",\"index\":0,\"delta\":{\"message\":{\"citations\":{\"start\":4,"
     "\"end\":11,\"text\":\"emperor\",\"sources\":[{\"type\":\"document\",\"id\":\"doc:0\","
     "\"document\":{\"id\":\"doc:0\",\"snippet\":\"tall ones\",\"title\":\"Penguins\",\"url\":"
     "\"https://p.org\"}}],\"type\":\"TEXT_CONTENT\",\"content_index\":1}}}}"},
    {"citation-end", "{\"type\":\"citation-end\",\"index\":0}"},
    {"content-delta", "{\"type\":\"content-delta\",\"index\":1,\"delta\":{\"message\":{\"content\":"
                      "{\"text\":\" is tall.\"}}}}"},
    {"content-end", "{\"type\":\"content-end\",\"index\":1}"},
    {"message-end",
     "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{"
     "\"billed_units\":{\"input_tokens\":5,\"output_tokens\":7},\"tokens\":{\"input_tokens\":530,"
     "\"output_tokens\":9},\"cached_tokens\":0}}}"},
};

static const struct line ollama[] = {
    {"", "{\"model\":\"qwen3\",\"created_at\":\"2025-10-06T10:00:00.1Z\",\"message\":{\"role\":"
         "\"assistant\",\"content\":\"\",\"thinking\":\"Okay\"},\"done\":false}"},
    {"", "{\"model\":\"qwen3\",\"created_at\":\"2025-10-06T10:00:00.2Z\",\"message\":{\"role\":"
         "\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"call_x\",\"function\":{"
         "\"index\":0,\"name\":\"get_weather\",\"arguments\":{\"city\":\"Rome\"}}},{\"function\":{"
         "\"index\":1,\"name\":\"now\",\"arguments\":{}}}]},\"done\":false}"},
    {"", "{\"model\":\"qwen3\",\"created_at\":\"2025-10-06T10:00:01Z\",\"message\":{\"role\":"
         "\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
         "\"total_duration\":1,\"load_duration\":1,\"prompt_eval_count\":20,"
         "\"prompt_eval_duration\":1,\"eval_count\":8,\"eval_duration\":1}"},
};

static void show(void **state)
{
    (void)state;
    const struct { const char *n; const struct chat_codec *c; enum family f; } to[] = {
        {"chat", &openai_chat_codec, FAMILY_CHAT}, {"responses", &openai_responses_codec, FAMILY_RESPONSES},
        {"messages", &messages_codec, FAMILY_MESSAGES}, {"gemini", &gemini_codec, FAMILY_GEMINI}, {"converse", &converse_codec, FAMILY_CONVERSE}};
    for (size_t i = 0; i < 5; i++) {
        printf("=== claude -> %s\n%s\n", to[i].n, THROUGH(messages_codec, claude, *to[i].c, to[i].f)); fflush(stdout);
        printf("=== bedrock -> %s\n%s\n", to[i].n, THROUGH(converse_codec, bedrock, *to[i].c, to[i].f)); fflush(stdout);
        printf("=== cohere -> %s\n%s\n", to[i].n, THROUGH(cohere_chat_codec, cohere, *to[i].c, to[i].f)); fflush(stdout);
        printf("=== ollama -> %s\n%s\n", to[i].n, THROUGH(ollama_chat_codec, ollama, *to[i].c, to[i].f)); fflush(stdout);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(show),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

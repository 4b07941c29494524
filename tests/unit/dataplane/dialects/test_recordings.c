/* Answers as providers really send them, through the neutral form to clients of other dialects. */
#include "messages_test.h"

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
static void through(const struct chat_codec *from, const struct line *lines, size_t n,
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
        assert_true(
            from->decode_event(decoder, scratch, str_of(lines[i].name), str_of(lines[i].data)));
        arena_free(scratch);
    }
    from->decode_end(decoder);
    assert_true(t.ok);
    assert_false(out.failed);
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

#define EVERY_CLIENT                                                                \
    {&openai_chat_codec, FAMILY_CHAT}, {&openai_responses_codec, FAMILY_RESPONSES}, \
        {&messages_codec, FAMILY_MESSAGES}, {&gemini_codec, FAMILY_GEMINI},         \
    {                                                                               \
        &converse_codec, FAMILY_CONVERSE                                            \
    }

struct client {
    const struct chat_codec *codec;
    enum family family;
};

static bool holds_it(const char *piece)
{
    return memmem(out.ptr, out.len, piece, strlen(piece)) != NULL;
}

static bool within(const char *piece)
{
    bool yes = holds_it(piece);
    if (!yes) {
        print_message("wanted: %s\n", piece);
    }
    return yes;
}

/* Whatever the client speaks, it gets the words, the calls and the thoughts. */
static void every_client_gets_all_that_it_can_hold(void **state)
{
    (void)state;
    static const struct client clients[] = {EVERY_CLIENT};
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        const struct chat_codec *to = clients[i].codec;
        enum family f = clients[i].family;
        THROUGH(messages_codec, claude, *to, f);
        assert_true(within("I should search."));
        assert_true(within("I found: "));
        assert_true(within("Oslo is c\xc3\xb8ld."));
        assert_true(within("get_weather"));
        assert_true(within("toolu_01T"));
        assert_true(within("https://oslo.no")); /* the citation */
        THROUGH(converse_codec, bedrock, *to, f);
        assert_true(within("Let me think."));
        assert_true(within("tooluse_Q9"));
        assert_true(within("tooluse_R1"));
        THROUGH(cohere_chat_codec, cohere, *to, f);
        assert_true(within("The emperor"));
        assert_true(within("https://p.org"));
        THROUGH(ollama_chat_codec, ollama, *to, f);
        assert_true(within("Okay"));
        assert_true(within("call_x"));
        assert_true(within("now"));
    }
}

static void numbers_mean_the_same_everywhere(void **state)
{
    (void)state;
    THROUGH(messages_codec, claude, openai_chat_codec, FAMILY_CHAT);
    assert_true(within("\"prompt_tokens\":12082,\"completion_tokens\":510,\"total_tokens\":12592"));
    assert_true(within("\"cached_tokens\":1000"));
    assert_true(within("\"service_tier\":\"default\""));
    THROUGH(messages_codec, claude, gemini_codec, FAMILY_GEMINI);
    assert_true(within("\"promptTokenCount\":12082,\"candidatesTokenCount\":510"));
    THROUGH(messages_codec, claude, messages_codec, FAMILY_MESSAGES);
    assert_true(within("\"usage\":{\"input_tokens\":10682,\"cache_creation_input_tokens\":400,"
                       "\"cache_read_input_tokens\":1000,\"cache_creation\":{"
                       "\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":400},"
                       "\"output_tokens\":510,\"server_tool_use\":{\"web_search_requests\":1}}"));
    assert_true(within("\"service_tier\":\"standard\""));
    THROUGH(messages_codec, claude, converse_codec, FAMILY_CONVERSE);
    assert_true(within("\"inputTokens\":10682,\"outputTokens\":510,\"totalTokens\":12592,"
                       "\"cacheReadInputTokens\":1000,\"cacheWriteInputTokens\":400,"
                       "\"cacheDetails\":[{\"inputTokens\":400,\"ttl\":\"1h\"}]"));
    THROUGH(converse_codec, bedrock, messages_codec, FAMILY_MESSAGES);
    assert_true(within("\"usage\":{\"input_tokens\":12,\"cache_creation_input_tokens\":40,"
                       "\"cache_read_input_tokens\":60,\"cache_creation\":{"
                       "\"ephemeral_5m_input_tokens\":10,\"ephemeral_1h_input_tokens\":30},"
                       "\"output_tokens\":40}"));
    THROUGH(cohere_chat_codec, cohere, openai_responses_codec, FAMILY_RESPONSES);
    assert_true(within("\"input_tokens\":5,"));
}

/* Anthropic tells a citation before the text that it is of. */
static void citations_come_behind_their_text(void **state)
{
    (void)state;
    THROUGH(messages_codec, claude, openai_responses_codec, FAMILY_RESPONSES);
    assert_true(within("\"annotation\":{\"type\":\"url_citation\",\"start_index\":0,\"end_index\":"
                       "13,\"title\":\"Oslo\",\"url\":\"https://oslo.no\"}"));
}

/* What no provider should send: nothing of it may break, and what is whole still comes. */
static const struct line broken[] = {
    {"content_block_delta", "{\"type\":\"content_block_delta\",\"index\":1000000000,\"delta\":{"
                            "\"type\":\"text_delta\",\"text\":\"early\"}}"},
    {"message_start", "{\"type\":\"message_start\",\"message\":null}"},
    {"message_start", "{\"type\":\"message_start\",\"message\":{\"id\":null,\"usage\":null}}"},
    {"content_block_start",
     "{\"type\":\"content_block_start\",\"index\":-1,\"content_block\":null}"},
    {"content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
                            "\"type\":\"tool_use\",\"id\":null,\"name\":null,\"input\":null}}"},
    {"content_block_start", "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{"
                            "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}"},
    {"content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                            "\"citations_delta\",\"citation\":{}}}"},
    {"content_block_delta",
     "{\"type\":\"content_block_delta\",\"index\":7,\"delta\":{\"type\":\"text_delta\"}}"},
    {"content_block_delta", "{\"type\":\"content_block_delta\",\"delta\":null}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}"},
    {"content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}"},
    {"message_delta", "{\"type\":\"message_delta\",\"delta\":null,\"usage\":null}"},
    {"message_delta",
     "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
     "\"output_tokens\":18446744073709551615,\"input_tokens\":1e400}}"},
    {"message_delta", "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}"},
    {"message_stop", "{\"type\":\"message_stop\"}"},
    {"message_stop", "{\"type\":\"message_stop\"}"},
    {"content_block_delta", "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
                            "\"text_delta\",\"text\":\"too late\"}}"},
};

static const struct line broken_bedrock[] = {
    {"contentBlockDelta", "{\"contentBlockIndex\":1000000000,\"delta\":{\"text\":\"early\"}}"},
    {"messageStart", "{}"},
    {"messageStart", "{\"role\":null}"},
    {"contentBlockStart", "{\"contentBlockIndex\":null,\"start\":{\"toolUse\":null}}"},
    {"contentBlockStart", "{\"contentBlockIndex\":5,\"start\":{\"toolUse\":{\"name\":\"f\"}}}"},
    {"contentBlockStart", "{\"contentBlockIndex\":69,\"start\":{\"toolUse\":{\"name\":\"f\"}}}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":5,\"delta\":{\"toolUse\":{\"input\":null}}}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":9,\"delta\":{\"citation\":{}}}"},
    {"contentBlockStop", "{\"contentBlockIndex\":1234}"},
    {"metadata", "{\"usage\":null,\"metrics\":null}"},
    {"messageStop", "{\"stopReason\":\"a_reason_of_2031\"}"},
    {"messageStop", "{\"stopReason\":null}"},
    {"metadata", "{\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}"},
    {"contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"too late\"}}"},
};

static void broken_orders_break_nothing(void **state)
{
    (void)state;
    static const struct client clients[] = {EVERY_CLIENT};
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        THROUGH(messages_codec, broken, *clients[i].codec, clients[i].family);
        assert_true(within("early"));
        assert_null(memmem(out.ptr, out.len, "too late", 8));
        THROUGH(converse_codec, broken_bedrock, *clients[i].codec, clients[i].family);
        assert_true(within("early"));
        assert_null(memmem(out.ptr, out.len, "too late", 8));
    }
}

/* ---- requests ---- */

/* As a coding agent sends them: marks of the cache everywhere, thoughts in the history, texts
 * without a letter, members that came later. */
static const char agent[] =
    "{\"model\":\"fast\",\"max_tokens\":32000,\"stream\":true,\"temperature\":1,\"metadata\":{"
    "\"user_id\":\"{\\\"device_id\\\":\\\"0123456789012345678901234567890123456789\\\","
    "\\\"session\\\":"
    "\\\"0123456789\\\"}\"},\"context_management\":{\"edits\":[{\"type\":\"clear_thinking_"
    "20251015\","
    "\"keep\":\"all\"}]},\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":31999},\"system\":[{"
    "\"type\":\"text\",\"text\":\"x-anthropic-billing-header: "
    "cc_version=2.1;\"},{\"type\":\"text\","
    "\"text\":\"You are an agent.\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},{"
    "\"type\":\"text\",\"text\":\"\"}],\"tools\":[{\"name\":\"Bash\",\"description\":\"Runs.\","
    "\"input_schema\":{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"type\":"
    "\"object\",\"properties\":{\"command\":{\"type\":\"string\"}},\"required\":[\"command\"],"
    "\"additionalProperties\":false}},{\"name\":\"mcp__server__tool_with_a_name_that_is_longer_"
    "than_sixty_four_bytes_in_all\",\"description\":\"\",\"input_schema\":{\"type\":\"object\"},"
    "\"cache_control\":{\"type\":\"ephemeral\"},\"eager_input_streaming\":true},{\"type\":"
    "\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":8}],\"messages\":[{\"role\":"
    "\"user\",\"content\":[{\"type\":\"text\",\"text\":\"<system-reminder>note</"
    "system-reminder>\"},"
    "{\"type\":\"text\",\"text\":\"list\",\"cache_control\":{\"type\":\"ephemeral\"}}]},{\"role\":"
    "\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"I list.\",\"signature\":"
    "\"EqQB\"},{\"type\":\"redacted_thinking\",\"data\":\"EmwK\"},{\"type\":\"text\",\"text\":"
    "\"\\n\\n\"},{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"Bash\",\"input\":{"
    "\"command\":\"ls\"}},{\"type\":\"tool_use\",\"id\":\"toolu_2\",\"name\":\"Bash\",\"input\":{}}"
    "]"
    "},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\","
    "\"content\":\"\",\"is_error\":false},{\"type\":\"text\",\"text\":\"hint\"},{\"type\":"
    "\"tool_result\",\"tool_use_id\":\"toolu_2\",\"content\":[{\"type\":\"text\",\"text\":\"no\"},{"
    "\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":"
    "\"iVBORw0KGgo=\"}}],\"is_error\":true,\"cache_control\":{\"type\":\"ephemeral\"}}]}]}";

static void sent_to(const struct chat_codec *to, const char *model)
{
    struct wire_request w = {.body = str_of(agent)};
    struct error err = ERROR_INIT;
    struct json_value v;
    losses = (struct losses){.n = 0};
    context.model = str_of(model);
    context.stream = true;
    context.request = &asked;
    buffer_clear(&out);
    assert_true(messages_codec.decode_request(&w, arena, &asked, &err));
    assert_true(to->encode_request(&asked, &context, arena, &out, &err));
    assert_true(json_validate(buffer_str(&out), 0, &v, NULL));
}

static void an_agents_request_reaches_every_provider(void **state)
{
    (void)state;
    sent_to(&vertex_messages_codec, "claude-sonnet-4-5@20250929");
    assert_string_equal(lost(), "(none)");
    assert_true(within("\"type\":\"thinking\",\"thinking\":\"I list.\",\"signature\":\"EqQB\""));
    assert_true(within("\"context_management\":{\"edits\""));
    assert_true(within("\"eager_input_streaming\":true"));
    assert_true(within("\"type\":\"web_search_20250305\""));
    sent_to(&converse_codec, "us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    assert_string_equal(lost(), "tools, metadata.user_id, context_management");
    assert_true(within("\"redactedContent\":\"EmwK\""));
    assert_true(within("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":31999}"));
    assert_false(holds_it("longer_than_sixty_four"));
    assert_false(holds_it("\"text\":\"\""));
    assert_false(holds_it("temperature"));
    sent_to(&cohere_chat_codec, "command-a");
    assert_false(holds_it("\"text\":\"\""));
    static const struct chat_codec *const others[] = {&openai_chat_codec, &openai_responses_codec,
                                                      &gemini_codec, &cohere_chat_codec,
                                                      &ollama_chat_codec};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        sent_to(others[i], "m");
        assert_true(within("You are an agent."));
        assert_true(within("Bash"));
        assert_true(within("hint"));
        assert_non_null(strstr(lost(), "messages.content.thinking"));
        assert_non_null(strstr(lost(), "cache_control"));
        assert_non_null(strstr(lost(), "context_management"));
    }
}

/* "I found: " is a block of its own: nine characters and as many bytes before the cited one. */
static void citations_count_where_the_client_counts(void **state)
{
    (void)state;
    THROUGH(messages_codec, claude, openai_chat_codec, FAMILY_CHAT);
    assert_true(within("\"start_index\":9,\"end_index\":22,"));
    THROUGH(messages_codec, claude, gemini_codec, FAMILY_GEMINI);
    assert_true(within("\"groundingSupports\":[{\"segment\":{\"startIndex\":9,\"endIndex\":23,"
                       "\"text\":\"Oslo is c\xc3\xb8ld.\"},\"groundingChunkIndices\":[0]}]"));
    THROUGH(cohere_chat_codec, cohere, openai_chat_codec, FAMILY_CHAT);
    assert_true(within("\"start_index\":4,\"end_index\":11,"));
    THROUGH(cohere_chat_codec, cohere, gemini_codec, FAMILY_GEMINI);
    assert_true(within("\"segment\":{\"startIndex\":4,\"endIndex\":11,\"text\":\"emperor\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_client_gets_all_that_it_can_hold),
        TEST(numbers_mean_the_same_everywhere),
        TEST(citations_come_behind_their_text),
        TEST(broken_orders_break_nothing),
        TEST(an_agents_request_reaches_every_provider),
        TEST(citations_count_where_the_client_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

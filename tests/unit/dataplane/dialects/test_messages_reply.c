/* dialects/messages_*: whole answers both ways, their numbers and reasons. */
#include "messages_test.h"

static struct chat_reply r;

static void decode(const char *body)
{
    struct error err = ERROR_INIT;
    assert_true(messages_codec.decode_reply(str_of(body), &context, arena, &r, &err));
}

static void encode(void)
{
    buffer_clear(&out);
    assert_true(messages_codec.encode_reply(&r, &context, arena, &out));
    assert_true(json_validate(buffer_str(&out), 0, NULL, NULL));
}

#define BLOCKS                                                                                    \
    "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},"                         \
    "{\"type\":\"redacted_thinking\",\"data\":\"b3Bh\"},"                                         \
    "{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{"     \
    "\"query\":\"q\"}},"                                                                          \
    "{\"type\":\"web_search_tool_result\",\"tool_use_id\":\"srvtoolu_1\",\"content\":[]},"        \
    "{\"type\":\"text\",\"text\":\"caf\xc3\xa9\",\"citations\":[{\"type\":"                       \
    "\"web_search_result_location\",\"url\":\"https://x\",\"title\":\"T\",\"encrypted_index\":"   \
    "\"E\",\"cited_text\":\"c\"},{\"type\":\"page_location\",\"cited_text\":\"p\","               \
    "\"document_index\":2,\"document_title\":null,\"start_page_number\":3,\"end_page_number\":4}" \
    "]},"                                                                                         \
    "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}"

static void an_answer_comes_back_as_it_was(void **state)
{
    (void)state;
    const char *body =
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
        "\"claude-sonnet-4-5-20250929\",\"content\":[" BLOCKS "],\"stop_reason\":\"tool_use\","
        "\"stop_sequence\":null,\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":7,"
        "\"cache_read_input_tokens\":100,\"cache_creation\":{\"ephemeral_5m_input_tokens\":3,"
        "\"ephemeral_1h_input_tokens\":4},\"output_tokens\":20,\"server_tool_use\":{"
        "\"web_search_requests\":2},\"service_tier\":\"standard\"}}";
    decode(body);
    const struct chat_choice *c = &r.choices[0];
    assert_int_equal(c->n_parts, 6);
    assert_int_equal(c->finish, FINISH_TOOL_CALLS);
    assert_int_equal(c->parts[2].type, PART_NATIVE);
    assert_int_equal(c->parts[4].n_citations, 2);
    assert_str(c->parts[4].citations[0].url, "https://x");
    assert_int_equal(c->parts[4].citations[0].end, 4); /* characters, not bytes */
    assert_int_equal(c->parts[4].citations[1].document, 2);
    assert_int_equal(c->parts[4].citations[1].page_start, 3);
    assert_str(c->parts[5].arguments, "{}");
    assert_int_equal(r.usage.input, 117);
    assert_int_equal(r.usage.output, 20);
    assert_int_equal(r.usage.cached, 100);
    assert_int_equal(r.usage.cache_write_5m, 3);
    assert_int_equal(r.usage.cache_write_1h, 4);
    assert_int_equal(r.usage.searches, 2);
    assert_true(r.usage.input_found && r.usage.output_found);
    encode();
    assert_string_equal(out_text(), body);
}

static void cache_writes_without_a_split_are_the_short_ones(void **state)
{
    (void)state;
    decode("{\"content\":[],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1,"
           "\"cache_creation_input_tokens\":9,\"cache_read_input_tokens\":null,"
           "\"cache_creation\":null,\"output_tokens\":2,\"server_tool_use\":null}}");
    assert_int_equal(r.usage.cache_write_5m, 9);
    assert_int_equal(r.usage.cache_write_1h, 0);
    assert_int_equal(r.usage.input, 10);
}

static void answers_of_the_compatible_are_tolerated(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    decode("{\"content\":[{\"type\":\"text\"},{\"type\":\"tool_use\",\"name\":\"f\",\"input\":"
           "\"{\\\"a\\\":1}\"},{\"type\":\"image\"},7],\"stop_reason\":\"brand_new\"}");
    assert_int_equal(r.choices[0].finish, FINISH_OTHER);
    assert_str(r.choices[0].parts[1].arguments, "{\"a\":1}");
    assert_false(r.usage.found);
    encode();
    assert_holds("\"id\":\"msg_0123456789abcdef0123456789abcdef\"");
    assert_holds("\"model\":\"claude-sonnet-4-5\"");
    assert_false(messages_codec.decode_reply(STR_LIT("<html>"), &context, arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    assert_false(messages_codec.decode_reply(STR_LIT("{}"), &context, arena, &r, &err));
}

static void reasons_both_ways(void **state)
{
    static const struct {
        const char *word;
        enum finish finish;
    } cases[] = {{"end_turn", FINISH_STOP},
                 {"max_tokens", FINISH_LENGTH},
                 {"stop_sequence", FINISH_STOP_SEQUENCE},
                 {"tool_use", FINISH_TOOL_CALLS},
                 {"pause_turn", FINISH_PAUSE},
                 {"refusal", FINISH_REFUSAL},
                 {"model_context_window_exceeded", FINISH_CONTEXT}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(arena_printf(arena,
                            "{\"content\":[],\"stop_reason\":\"%s\",\"stop_sequence\":\"X\"}",
                            cases[i].word)
                   .ptr);
        assert_int_equal(r.choices[0].finish, cases[i].finish);
        encode();
        assert_holds(
            arena_printf(arena, "\"stop_reason\":\"%s\",\"stop_sequence\":\"X\"", cases[i].word)
                .ptr);
    }
}

static void answers_of_other_families(void **state)
{
    (void)state;
    struct citation cite = {.url = STR_LIT("https://x"),
                            .start = 0,
                            .end = 2,
                            .document = -1,
                            .page_start = -1,
                            .page_end = -1,
                            .family = FAMILY_CHAT};
    struct part parts[] = {
        {.type = PART_THINKING,
         .text = STR_LIT("t"),
         .signature = STR_LIT("QUJD"),
         .signature_family = FAMILY_GEMINI},
        {.type = PART_TEXT, .text = STR_LIT("hi"), .citations = &cite, .n_citations = 1},
        {.type = PART_TOOL_CALL,
         .id = STR_LIT("call_1"),
         .name = STR_LIT("f"),
         .arguments = STR_LIT(""),
         .signature = STR_LIT("REVG"),
         .signature_family = FAMILY_GEMINI},
    };
    struct chat_choice c = {.parts = parts, .n_parts = 3, .finish = FINISH_STOP};
    r = (struct chat_reply){.id = STR_LIT("chatcmpl-1"),
                            .choices = &c,
                            .n_choices = 1,
                            .service_tier = STR_LIT("default")};
    encode();
    assert_holds("\"id\":\"chatcmpl-1\"");
    assert_holds("\"signature\":\"weir:gemini::QUJD\"");
    assert_holds(
        "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"weir:gemini:call_1:REVG\""
        "},{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\",\"input\":{}}");
    assert_holds("\"type\":\"web_search_result_location\"");
    assert_holds("\"stop_reason\":\"tool_use\""); /* whatever the provider calls it */
    assert_holds("\"service_tier\":\"standard\"");
    r.blocked = true;
    r.n_choices = 0;
    encode();
    assert_holds("\"content\":[],\"stop_reason\":\"refusal\"");
    /* more cached than counted: never below zero */
    r.usage.input = 5;
    r.usage.cached = 9;
    encode();
    assert_holds("\"input_tokens\":0,");
}

static void a_wanted_json_answer_is_text(void **state)
{
    struct tool t = {.name = STR_LIT("f.g"), .strict = -1};
    struct chat_request q = {
        .family = FAMILY_CHAT, .output = OUTPUT_SCHEMA, .tools = &t, .n_tools = 1};
    const char *body =
        "{\"content\":[{\"type\":\"text\",\"text\":\"Sure:\"},{\"type\":\"tool_use\","
        "\"id\":\"t\",\"name\":\"json_response\",\"input\":{\"a\":1}}],"
        "\"stop_reason\":\"tool_use\"}";
    (void)state;
    context.request = &q;
    decode(body);
    assert_int_equal(r.choices[0].n_parts, 1);
    assert_int_equal(r.choices[0].parts[0].type, PART_TEXT);
    assert_str(r.choices[0].parts[0].text, "{\"a\":1}");
    assert_int_equal(r.choices[0].finish, FINISH_STOP);
    q.output = OUTPUT_UNSET; /* nobody asked: a call is a call */
    decode(body);
    assert_int_equal(r.choices[0].n_parts, 2);
    assert_int_equal(r.choices[0].finish, FINISH_TOOL_CALLS);
    /* and names that were changed on the way out are the client's again */
    struct message m = {.role = ROLE_USER};
    struct error err = ERROR_INIT;
    q.messages = &m;
    q.n_messages = 1;
    assert_true(messages_codec.encode_request(&q, &context, arena, &out, &err));
    const char *name = strstr(out_text(), "\"name\":\"f_g_");
    assert_non_null(name);
    decode(arena_printf(arena,
                        "{\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"%.12s\""
                        ",\"input\":{}}]}",
                        name + 8)
               .ptr);
    assert_str(r.choices[0].parts[0].name, "f.g");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_back_as_it_was),
        TEST(cache_writes_without_a_split_are_the_short_ones),
        TEST(answers_of_the_compatible_are_tolerated),
        TEST(reasons_both_ways),
        TEST(answers_of_other_families),
        TEST(a_wanted_json_answer_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

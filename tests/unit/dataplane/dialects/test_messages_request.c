/* dialects/messages_*: requests, from clients and to providers. */
#include "messages_request_rig.h"

static void what_is_wrong_has_its_path(void **state)
{
    (void)state;
    refused("{\"max_tokens\":1," HI "}", "model");
    refused("{\"model\":\"m\"," HI "}", "max_tokens");
    refused("{\"model\":\"m\",\"max_tokens\":null," HI "}", "max_tokens");
    refused("{\"model\":\"m\",\"max_tokens\":\"9\"," HI "}", "max_tokens");
    refused(HEAD "\"x\":1}", "messages");
    refused(HEAD "\"messages\":[]}", "messages");
    refused(HEAD "\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}]}", "messages[0].role");
    refused(HEAD "\"messages\":[{\"role\":\"user\"}]}", "messages[0].content");
    refused(HEAD "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}]}",
            "messages[0].content[0].type");
    refused(HEAD "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\","
                 "\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"text\"}]}]}",
            "messages[1].content[1].text");
    refused(HEAD "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\","
                 "\"tool_use_id\":\"t\",\"content\":[{\"type\":\"image\"}]}]}]}",
            "messages[0].content[0].content[0].source");
    refused(HEAD "\"system\":[{\"type\":\"text\"}]," HI "}", "system[0].text");
    refused(HEAD "\"system\":5," HI "}", "system");
    refused(HEAD "\"tools\":[{\"input_schema\":{}}]," HI "}", "tools[0].name");
    refused(HEAD "\"tool_choice\":{\"type\":\"some\"}," HI "}", "tool_choice.type");
    refused(HEAD "\"thinking\":{\"type\":\"enabled\"}," HI "}", "thinking.budget_tokens");
    refused(HEAD "\"temperature\":\"1\"," HI "}", "temperature");
    struct wire_request w = {.body = STR_LIT("{\"model\":")};
    struct error err = ERROR_INIT;
    assert_false(messages_codec.decode_request(&w, arena, &q, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_int_equal(err.offset, 9);
}

static void nulls_are_absent(void **state)
{
    (void)state;
    decode(HEAD "\"system\":null,\"tools\":null,\"tool_choice\":null,\"stop_sequences\":null,"
                "\"temperature\":null,\"metadata\":null,\"thinking\":null,\"output_config\":null,"
                "\"service_tier\":null,\"stream\":null,\"container\":null," HI "}");
    assert_int_equal(q.n_messages, 1);
    assert_int_equal(q.n_extras, 0);
    assert_false(q.stream);
    assert_null(q.temperature.ptr);
}

static void every_setting_is_read(void **state)
{
    (void)state;
    decode(HEAD
           "\"system\":[{\"type\":\"text\",\"text\":\"be \\u00e9\",\"cache_control\":{\"type\":"
           "\"ephemeral\",\"ttl\":\"1h\"}}],\"stream\":true,\"temperature\":0.25,\"top_p\":0.9,"
           "\"top_k\":40,\"stop_sequences\":[\"a\",\"b\"],\"metadata\":{\"user_id\":\"u\",\"x\":1},"
           "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2048},\"service_tier\":\"auto\","
           "\"output_config\":{\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":"
           "{\"type\":\"object\"}},\"task_budget\":7},\"tools\":[{\"name\":\"f\",\"description\":"
           "\"d\",\"input_schema\":{\"type\":\"object\"},\"strict\":true,\"cache_control\":{"
           "\"type\":\"ephemeral\"}},{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],"
           "\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\",\"disable_parallel_tool_use\":true},"
           "\"container\":\"c1\"," HI "}");
    assert_true(q.stream);
    assert_int_equal(q.max_tokens, 10);
    assert_int_equal(q.messages[0].role, ROLE_SYSTEM);
    assert_str(q.messages[0].parts[0].text, "be \xc3\xa9");
    assert_int_equal(q.messages[0].parts[0].cache, CACHE_1H);
    assert_str(q.temperature, "0.25");
    assert_str(q.top_k, "40");
    assert_int_equal(q.n_stop, 2);
    assert_str(q.stop[1], "b");
    assert_str(q.user, "u");
    assert_int_equal(q.reasoning.budget, 2048);
    assert_int_equal(q.reasoning.effort, EFFORT_LOW);
    assert_int_equal(q.output, OUTPUT_SCHEMA);
    assert_int_equal(q.n_tools, 2);
    assert_int_equal(q.tools[0].strict, 1);
    assert_int_equal(q.tools[0].cache, CACHE_5M);
    assert_true(q.tools[1].builtin);
    assert_int_equal(q.tool_choice, CHOICE_NAMED);
    assert_int_equal(q.parallel_tool_calls, 0);
    assert_int_equal(q.n_extras, 3);
    encode_by(&invoke_messages_codec);
    assert_holds("\"anthropic_version\":\"bedrock-2023-05-31\"");
    assert_holds("\"metadata\":{\"user_id\":\"u\",\"x\":1}");
    assert_holds("\"effort\":\"low\",\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
                 "\"object\"}},\"task_budget\":7");
    assert_holds("\"budget_tokens\":2048");
    assert_holds("{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}");
    assert_holds("\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
                 "\"disable_parallel_tool_use\":true}");
    assert_holds("\"container\":\"c1\"");
    assert_holds("\"ttl\":\"1h\"");
    assert_holds("\"strict\":true");
    assert_lacks("\"model\"");
    assert_lacks("\"stream\"");
    assert_string_equal(lost(), "(none)");
}

static void every_block_kind_survives(void **state)
{
    static const char *const kept[] = {
        "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
        "\"data\":\"QUJD\"}}",
        "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/a.png\"}}",
        "{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"file_1\"}}",
        "{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
        "\"application/pdf\",\"data\":\"QUJD\"},\"title\":\"T\",\"context\":\"C\",\"citations\":{"
        "\"enabled\":true}}",
        "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\","
        "\"data\":\"words\"}}",
        "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":[{\"type\":\"text\","
        "\"text\":\"a\"}]}}",
        "{\"type\":\"search_result\",\"source\":\"s\",\"title\":\"t\",\"content\":[]}",
        "{\"type\":\"thing_of_2031\",\"x\":[1,2.50,null]}",
        "{\"type\":\"text\",\"text\":\"w\",\"cache_control\":{\"type\":\"ephemeral\"}}",
    };
    (void)state;
    struct buffer body;
    buffer_init(&body, 1 << 20);
    (void)buffer_append_z(&body, HEAD "\"messages\":[{\"role\":\"user\",\"content\":[");
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        (void)buffer_printf(&body, "%s%s", i ? "," : "", kept[i]);
    }
    (void)buffer_append_z(&body, "]}]}");
    decode(text_of(buffer_str(&body)));
    assert_int_equal(q.messages[0].parts[5].type, PART_DOCUMENT);
    assert_str(q.messages[0].parts[5].media.text, "a");
    assert_int_equal(q.messages[0].parts[7].type, PART_NATIVE);
    encode();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        assert_holds(kept[i]);
    }
    assert_string_equal(lost(), "(none)");
    buffer_release(&body);
}

static void thoughts_go_back_with_their_signature(void **state)
{
    (void)state;
    const char *blocks =
        "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"c2ln\"},"
        "{\"type\":\"redacted_thinking\",\"data\":\"b3BhcXVl\"},"
        "{\"type\":\"text\",\"text\":\"so\"},"
        "{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{\"a\":1}}";
    const char *body =
        arena_printf(arena,
                     HEAD "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":"
                          "\"assistant\",\"content\":[%s]},{\"role\":\"user\",\"content\""
                          ":[{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\","
                          "\"content\":\"4\",\"is_error\":true},{\"type\":\"text\","
                          "\"text\":\"and?\"}]}]}",
                     blocks)
            .ptr;
    decode(body);
    assert_int_equal(q.n_messages, 4); /* the result stands in a message of its own */
    assert_int_equal(q.messages[1].parts[0].signature_family, FAMILY_MESSAGES);
    assert_int_equal(q.messages[2].role, ROLE_TOOL);
    assert_true(q.messages[2].parts[0].is_error);
    assert_int_equal(q.messages[3].role, ROLE_USER);
    encode();
    assert_holds(blocks);
    assert_holds("{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
                 "\"toolu_1\",\"content\":[{\"type\":\"text\",\"text\":\"4\"}],\"is_error\":true},"
                 "{\"type\":\"text\",\"text\":\"and?\"}]}");
}

static void signatures_of_others_find_home(void **state)
{
    (void)state;
    decode(HEAD "\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\","
                "\"content\":[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":"
                "\"weir:gemini::QUJD\"},{\"type\":\"tool_use\",\"id\":\"call_1\",\"name\":\"f\","
                "\"input\":{}},{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":"
                "\"weir:gemini:call_1:REVG\"}]}]}");
    const struct message *m = &q.messages[1];
    assert_int_equal(m->n_parts, 2); /* the carrier is gone */
    assert_int_equal(m->parts[0].signature_family, FAMILY_GEMINI);
    assert_str(m->parts[0].signature, "QUJD");
    assert_str(m->parts[1].signature, "REVG");
    assert_int_equal(m->parts[1].signature_family, FAMILY_GEMINI);
    encode(); /* Anthropic cannot check Google's */
    assert_lacks("thinking");
    assert_string_equal(lost(), "messages.content.thinking");
}

static void system_and_turns_are_put_in_order(void **state)
{
    (void)state;
    struct part s1 = text_part("one"), s2 = text_part("two"), u1 = text_part("a"),
                u2 = text_part("b"), blank = text_part(" \n"), done = text_part("ok \n");
    struct part result = {
        .type = PART_TOOL_RESULT, .id = STR_LIT("c.1"), .parts = &u2, .n_parts = 1};
    struct part call = {.type = PART_TOOL_CALL,
                        .id = STR_LIT("c.1"),
                        .name = STR_LIT("f"),
                        .arguments = STR_LIT("")};
    struct message list[] = {
        {.role = ROLE_SYSTEM, .parts = &s1, .n_parts = 1},
        {.role = ROLE_USER, .parts = &u1, .n_parts = 1},
        {.role = ROLE_USER, .parts = &u2, .n_parts = 1},
        {.role = ROLE_ASSISTANT, .parts = &call, .n_parts = 1},
        {.role = ROLE_USER, .parts = &u1, .n_parts = 1},
        {.role = ROLE_TOOL, .parts = &result, .n_parts = 1},
        {.role = ROLE_DEVELOPER, .parts = &s2, .n_parts = 1},
        {.role = ROLE_ASSISTANT, .parts = &blank, .n_parts = 1},
        {.role = ROLE_ASSISTANT, .parts = &done, .n_parts = 1},
    };
    foreign(list, 9);
    encode();
    assert_holds("\"system\":[{\"type\":\"text\",\"text\":\"one\"},{\"type\":\"text\",\"text\":"
                 "\"two\"}]");
    assert_holds("[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
                 "\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\"");
    assert_holds("\"input\":{}");
    /* the same id on both sides, in Anthropic's alphabet */
    const char *id = strstr(out_text(), "\"id\":\"c_1_");
    assert_non_null(id);
    assert_holds(
        arena_printf(arena, "{\"type\":\"tool_result\",\"tool_use_id\":\"%.12s\"", id + 6).ptr);
    const char *turn = strstr(out_text(), "tool_result");
    assert_non_null(strstr(turn, "\"text\":\"a\"")); /* behind it */
    assert_holds("{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"}]}]");
    assert_holds("\"max_tokens\":4096");
    assert_holds("\"model\":\"claude-sonnet-4-5\"");
    assert_string_equal(lost(), "(none)");
}

static void a_prompt_of_system_only_is_said_by_the_user(void **state)
{
    (void)state;
    foreign_hello();
    hello_message[0].role = ROLE_SYSTEM;
    encode();
    assert_lacks("system");
    assert_holds("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"");
}

static void losses_are_named_once_and_quiet_else(void **state)
{
    (void)state;
    struct extra e = {STR_LIT("odd"), STR_LIT("1")};
    foreign_hello();
    q.user = STR_LIT("u9");
    q.temperature = STR_LIT("1");
    q.n = 1;
    q.store = 0;
    q.max_tokens = 77;
    encode();
    assert_string_equal(lost(), "(none)");
    assert_holds("\"metadata\":{\"user_id\":\"u9\"}");
    assert_holds("\"temperature\":1");
    assert_holds("\"max_tokens\":77");
    q.n = 2;
    q.seed = STR_LIT("5");
    q.frequency_penalty = STR_LIT("0.5");
    q.presence_penalty = STR_LIT("0.5");
    q.logprobs = 1;
    q.logit_bias = STR_LIT("{\"1\":2}");
    q.temperature = STR_LIT("1.7");
    q.extras = &e;
    q.n_extras = 1;
    encode();
    assert_holds("\"temperature\":1,\"metadata\"");
    assert_lacks("odd");
    static const char *const named[] = {
        "temperature",      "odd",      "n",         "seed", "frequency_penalty",
        "presence_penalty", "logprobs", "logit_bias"};
    assert_int_equal(losses.n, sizeof(named) / sizeof(named[0]));
    for (size_t i = 0; i < losses.n; i++) {
        assert_non_null(strstr(lost(), named[i]));
    }
}

static void media_that_cannot_go(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct part parts[2] = {
        {.type = PART_AUDIO, .media = {.data = STR_LIT("QUJD"), .format = STR_LIT("wav")}},
        text_part("what?")};
    struct message m = {.role = ROLE_USER, .parts = parts, .n_parts = 2};
    foreign(&m, 1);
    encode();
    assert_non_null(strstr(lost(), "audio"));
    m.n_parts = 1;
    buffer_clear(&out);
    assert_false(messages_codec.encode_request(&q, &context, arena, &out, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "messages[0].content[0]");
    /* a URL goes to Anthropic, not to the clouds */
    parts[0] = (struct part){.type = PART_IMAGE, .media = {.url = STR_LIT("https://x/y.png")}};
    m.n_parts = 2;
    losses.n = 0;
    losses.seen = 0;
    encode();
    assert_holds("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/y.png\"}}");
    assert_int_equal(losses.n, 0);
    encode_by(&vertex_messages_codec);
    assert_holds("\"anthropic_version\":\"vertex-2023-10-16\"");
    assert_lacks("https://x");
    assert_int_equal(losses.n, 1);
    /* a PDF of OpenAI's `file` part */
    parts[0] = (struct part){.type = PART_DOCUMENT,
                             .media = {.data = STR_LIT("QUJD"), .name = STR_LIT("a.pdf")}};
    encode();
    assert_holds("{\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":"
                 "\"application/pdf\",\"data\":\"QUJD\"},\"title\":\"a.pdf\"}");
}

static void effort_becomes_what_the_model_takes(void **state)
{
    (void)state;
    foreign_hello();
    q.reasoning.effort = EFFORT_MEDIUM;
    q.temperature = STR_LIT("0.2");
    q.top_k = STR_LIT("5");
    encode();
    assert_holds("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}");
    assert_holds("\"max_tokens\":8192"); /* the client gave none: room for both */
    assert_lacks("temperature");
    assert_lacks("top_k");
    assert_string_equal(lost(), "temperature, top_k");
    q.temperature = q.top_k = STR_NONE;
    losses = (struct losses){.n = 0};
    q.max_tokens = 3000;
    encode();
    assert_holds("\"budget_tokens\":2999");
    assert_int_equal(losses.n, 0);
    q.max_tokens = 1000;
    encode();
    assert_lacks("thinking");
    assert_string_equal(lost(), "reasoning_effort");
    losses = (struct losses){.n = 0};
    context.model = STR_LIT("us.anthropic.claude-opus-4-6-v1");
    encode();
    assert_holds("\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"medium\"}");
    assert_int_equal(losses.n, 0);
    context.model = STR_LIT("claude-3-5-sonnet-20241022");
    encode();
    assert_lacks("thinking");
    assert_int_equal(losses.n, 1);
    losses = (struct losses){.n = 0};
    context.model = STR_LIT("claude-sonnet-4-20250514");
    q.max_tokens = 9000;
    q.reasoning.effort = EFFORT_NONE;
    encode();
    assert_lacks("thinking");
    assert_int_equal(losses.n, 0);
}

static void lost_thoughts_switch_thinking_off(void **state)
{
    (void)state;
    struct part u = text_part("a"), call = {.type = PART_TOOL_CALL,
                                            .id = STR_LIT("c1"),
                                            .name = STR_LIT("f"),
                                            .arguments = STR_LIT("{}")};
    struct part result = {.type = PART_TOOL_RESULT, .id = STR_LIT("c1")};
    struct message list[] = {{.role = ROLE_USER, .parts = &u, .n_parts = 1},
                             {.role = ROLE_ASSISTANT, .parts = &call, .n_parts = 1},
                             {.role = ROLE_TOOL, .parts = &result, .n_parts = 1}};
    foreign(list, 3);
    q.reasoning.effort = EFFORT_LOW;
    encode();
    assert_lacks("\"thinking\"");
    assert_string_equal(lost(), "reasoning_effort");
}

static void schemas_go_natively_or_by_tool(void **state)
{
    (void)state;
    foreign_hello();
    q.output = OUTPUT_SCHEMA;
    q.schema = STR_LIT("{\"type\":\"object\",\"properties\":{\"minimum\":{\"type\":\"string\"}},"
                       "\"additionalProperties\":false}");
    encode();
    assert_holds("\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{");
    assert_lacks("tool");
    q.schema = STR_LIT("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\","
                       "\"minimum\":1}},\"additionalProperties\":false}");
    encode();
    assert_holds("\"tool_choice\":{\"type\":\"tool\",\"name\":\"json_response\"");
    assert_holds("\"input_schema\":{\"type\":\"object\"");
    context.model = STR_LIT("claude-3-haiku-20240307");
    struct tool t = {.name = STR_LIT("f"), .strict = -1};
    q.tools = &t;
    q.n_tools = 1;
    encode();
    assert_holds("\"tool_choice\":{\"type\":\"any\"}"); /* its own tools may be called too */
    assert_holds("{\"name\":\"f\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}");
    assert_int_equal(losses.n, 0);
}

static void tool_choices(void **state)
{
    (void)state;
    struct tool t = {.name = STR_LIT("f.g"), .strict = -1};
    struct tool list[2] = {t, {.builtin = true, .family = FAMILY_RESPONSES, .raw = STR_LIT("{}")}};
    foreign_hello();
    q.tools = list;
    q.n_tools = 1;
    q.parallel_tool_calls = 0;
    encode();
    assert_holds("\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}");
    q.tool_choice = CHOICE_NAMED;
    q.tool_choice_name = STR_LIT("f.g");
    encode();
    assert_holds("\"tool_choice\":{\"type\":\"tool\",\"name\":\"f_g_");
    q.tool_choice = CHOICE_NONE;
    encode();
    assert_holds("\"tool_choice\":{\"type\":\"none\"}");
    assert_int_equal(losses.n, 0);
    q.n_tools = 2;
    encode();
    assert_string_equal(lost(), "tools");
}

static struct str betas(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "anthropic-beta") == 0
               ? STR_LIT("context-1m-2025-08-07, claude-code-20250219")
               : STR_NONE;
}

static void bedrock_bodies_both_ways(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct wire_request w = {
        .body = STR_LIT("{\"anthropic_version\":\"bedrock-2023-05-31\",\"max_tokens\":5," HI "}"),
        .model = STR_LIT("anthropic.claude-3-haiku"),
        .stream = true,
        .header = betas,
    };
    assert_true(invoke_messages_codec.decode_request(&w, arena, &q, &err));
    assert_str(q.model, "anthropic.claude-3-haiku");
    assert_true(q.stream);
    assert_int_equal(q.n_extras, 0);
    encode_by(&invoke_messages_codec);
    assert_holds("\"anthropic_beta\":[\"context-1m-2025-08-07\"]");
    assert_string_equal(lost(), "anthropic-beta");
    context.stream = true;
    encode_by(&vertex_messages_codec);
    assert_holds("\"stream\":true");
    encode();
    assert_lacks("anthropic_version");
    assert_lacks("beta");
}

static void counting_takes_only_the_prompt(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    uint64_t n = 0;
    struct wire_request w = {.body = STR_LIT("{\"model\":\"m\",\"temperature\":1," HI "}")};
    assert_true(messages_count_decode(&w, arena, &q, &err));
    assert_true(messages_count_codec.encode_request(&q, &context, arena, &out, &err));
    assert_string_equal(out_text(),
                        "{\"model\":\"claude-sonnet-4-5\",\"messages\":[{\"role\":\"user\","
                        "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]}");
    assert_true(messages_count_codec.decode_reply(STR_LIT("{\"input_tokens\":14}"), &n, &err));
    assert_int_equal(n, 14);
    assert_false(messages_count_codec.decode_reply(STR_LIT("{}"), &n, &err));
    buffer_clear(&out);
    assert_true(messages_count_codec.encode_reply(3, arena, &out));
    assert_string_equal(out_text(), "{\"input_tokens\":3}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_wrong_has_its_path),
        TEST(nulls_are_absent),
        TEST(every_setting_is_read),
        TEST(every_block_kind_survives),
        TEST(thoughts_go_back_with_their_signature),
        TEST(signatures_of_others_find_home),
        TEST(system_and_turns_are_put_in_order),
        TEST(a_prompt_of_system_only_is_said_by_the_user),
        TEST(losses_are_named_once_and_quiet_else),
        TEST(media_that_cannot_go),
        TEST(effort_becomes_what_the_model_takes),
        TEST(lost_thoughts_switch_thinking_off),
        TEST(schemas_go_natively_or_by_tool),
        TEST(tool_choices),
        TEST(bedrock_bodies_both_ways),
        TEST(counting_takes_only_the_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

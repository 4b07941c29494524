/* What Converse and the models behind it demand of requests from other dialects. */
#include "converse_rig.h"

#define LONG_NAME "mcp__a_very_long_server_name__a_very_long_tool_name_that_has_no_end_at_all"

static void tools_are_shaped_and_found_again(void **state)
{
    (void)state;
    struct tool tools[] = {
        {.name = STR_LIT("files.read"), .parameters = STR_LIT("{}"), .strict = -1},
        {.name = STR_LIT(LONG_NAME),
         .parameters = STR_LIT("{\"properties\":{\"a\":{}}}"),
         .strict = -1}};
    struct part call = {.type = PART_TOOL_CALL,
                        .id = STR_LIT("functions.read:0"),
                        .name = STR_LIT("files.read"),
                        .arguments = STR_LIT("{}")};
    struct part nameless = {.type = PART_TOOL_CALL, .name = STR_LIT("f"), .arguments = STR_NONE};
    struct part calls[] = {call, nameless};
    struct part said = text_part("r");
    struct part results[] = {
        {.type = PART_TOOL_RESULT, .id = call.id, .parts = &said, .n_parts = 1},
        {.type = PART_TOOL_RESULT, .parts = &said, .n_parts = 1}};
    struct part hi = text_part("hi");
    struct message m[] = {{ROLE_USER, STR_NONE, &hi, 1},
                          {ROLE_ASSISTANT, STR_NONE, calls, 2},
                          {ROLE_TOOL, STR_NONE, results, 2}};
    struct chat_request q = request_of(m, 3);
    q.tools = tools;
    q.n_tools = 2;
    q.tool_choice = CHOICE_NAMED;
    q.tool_choice_name = tools[0].name;
    const char *body = encoded(&q);
    assert_null(strstr(body, "files.read"));
    assert_null(strstr(body, "functions.read:0"));
    assert_null(strstr(body, LONG_NAME));
    assert_null(strstr(body, "toolUseId\":\"\""));
    assert_non_null(strstr(body, "\"json\":{\"type\":\"object\",\"properties\":{}}"));
    assert_non_null(strstr(body, "\"json\":{\"type\":\"object\",\"properties\":{\"a\":{}}}"));
    const char *sent = strstr(body, "toolSpec\":{\"name\":\"");
    assert_non_null(sent);
    sent += strlen("toolSpec\":{\"name\":\"");
    struct str name = {sent, (size_t)(strchr(sent, '"') - sent)};
    assert_true(name.len <= 64);
    /* what the model calls is what the client named */
    context.request = &q;
    struct chat_reply r;
    const char *answer =
        arena_printf(arena,
                     "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"toolUse\":"
                     "{\"toolUseId\":\"t\",\"name\":\"%.*s\",\"input\":{}}}]}},\"stopReason\":"
                     "\"tool_use\"}",
                     STR_ARG(name))
            .ptr;
    assert_true(converse_codec.decode_reply(str_of(answer), &context, arena, &r, &err));
    assert_true(str_eqz(r.choices[0].parts[0].name, "files.read"));
}

static void a_prompt_of_system_alone_is_the_users(void **state)
{
    (void)state;
    struct part p = text_part("be brief");
    struct message m[] = {{ROLE_SYSTEM, STR_NONE, &p, 1}};
    struct chat_request q = request_of(m, 1);
    assert_string_equal(
        encoded(&q), "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"be brief\"}]}]}");
}

static void white_space_that_claude_refuses_is_cut(void **state)
{
    (void)state;
    struct part hi = text_part("hi "), begun = text_part("Well, \n");
    struct message m[] = {{ROLE_USER, STR_NONE, &hi, 1}, {ROLE_ASSISTANT, STR_NONE, &begun, 1}};
    struct chat_request q = request_of(m, 2);
    struct str stop[] = {STR_LIT("\n\n"), STR_LIT("END")};
    q.stop = stop;
    q.n_stop = 2;
    const char *body = encoded(&q);
    assert_non_null(strstr(body, "\"text\":\"hi \""));
    assert_non_null(strstr(body, "\"text\":\"Well,\""));
    assert_non_null(strstr(body, "\"stopSequences\":[\"END\"]"));
    assert_string_equal(lost(), "stop");
}

static void newer_claudes_are_asked_in_their_way(void **state)
{
    (void)state;
    struct part hi = text_part("hi");
    struct message m[] = {{ROLE_USER, STR_NONE, &hi, 1}};
    struct chat_request q = request_of(m, 1);
    q.reasoning.effort = EFFORT_HIGH;
    q.temperature = STR_LIT("0.2");
    q.top_p = STR_LIT("0.9");
    context.model = STR_LIT("global.anthropic.claude-opus-4-8-v1");
    const char *body = encoded(&q);
    assert_non_null(strstr(body, "\"thinking\":{\"type\":\"adaptive\"}"));
    assert_non_null(strstr(body, "\"output_config\":{\"effort\":\"high\"}"));
    assert_null(strstr(body, "temperature"));
    assert_null(strstr(body, "topP"));
    assert_string_equal(lost(), "temperature, top_p");
    /* one that knows budgets only gets one, though the client let the model decide */
    losses = (struct losses){.n = 0};
    q.temperature = q.top_p = STR_NONE;
    q.reasoning = (struct reasoning){.adaptive = true, .budget = -1, .include = -1};
    context.model = STR_LIT(CLAUDE);
    assert_non_null(
        strstr(encoded(&q), "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}"));
    assert_string_equal(lost(), "");
    /* temperature or top_p, not both */
    q.reasoning = (struct reasoning){.budget = -1, .include = -1};
    q.temperature = STR_LIT("0.2");
    q.top_p = STR_LIT("0.9");
    context.model = STR_LIT("us.anthropic.claude-sonnet-4-5-20250929-v1:0");
    body = encoded(&q);
    assert_non_null(strstr(body, "\"temperature\":0.2"));
    assert_null(strstr(body, "topP"));
    /* and another maker's thinks in its own way */
    q.temperature = q.top_p = STR_NONE;
    q.reasoning.effort = EFFORT_LOW;
    context.model = STR_LIT("openai.gpt-oss-120b-1:0");
    assert_non_null(
        strstr(encoded(&q), "\"additionalModelRequestFields\":{\"reasoning_effort\":\"low\"}"));
}

static void betas_of_the_header_go_along(void **state)
{
    (void)state;
    struct part hi = text_part("hi");
    struct message m[] = {{ROLE_USER, STR_NONE, &hi, 1}};
    struct chat_request q = request_of(m, 1);
    q.family = FAMILY_MESSAGES;
    q.betas = STR_LIT("claude-code-20250219, interleaved-thinking-2025-05-14");
    assert_non_null(strstr(encoded(&q), "\"additionalModelRequestFields\":{\"anthropic_beta\":["
                                        "\"interleaved-thinking-2025-05-14\"]}"));
    assert_string_equal(lost(), "anthropic-beta");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tools_are_shaped_and_found_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_prompt_of_system_alone_is_the_users, set_up, tear_down),
        cmocka_unit_test_setup_teardown(white_space_that_claude_refuses_is_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(newer_claudes_are_asked_in_their_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(betas_of_the_header_go_along, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

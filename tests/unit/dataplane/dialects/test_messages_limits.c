/* What Anthropic demands of requests from other dialects, and what comes of requests that are odd.
 */
#include "messages_request_rig.h"

static void results_come_before_what_else_is_said(void **state)
{
    (void)state;
    decode(
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"a\",\"content\":\"1\"},{\"type\":\"text\",\"text\":"
        "\"note\"},{\"type\":\"tool_result\",\"tool_use_id\":\"b\",\"content\":null}]}]}");
    assert_int_equal(q.n_messages, 3);
    assert_int_equal(q.messages[0].role, ROLE_TOOL);
    assert_str(q.messages[0].parts[0].id, "a");
    assert_int_equal(q.messages[1].role, ROLE_TOOL);
    assert_str(q.messages[1].parts[0].id, "b");
    assert_int_equal(q.messages[2].role, ROLE_USER);
    assert_str(q.messages[2].parts[0].text, "note");
}

static void later_kinds_of_thinking_are_survived(void **state)
{
    (void)state;
    decode("{\"model\":\"m\",\"max_tokens\":9,\"thinking\":{\"type\":\"between_tools\"},"
           "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    encode_by(&vertex_messages_codec);
    assert_holds("\"thinking\":{\"type\":\"between_tools\"}");
    refused("{\"model\":\"m\",\"max_tokens\":9,\"thinking\":{\"budget_tokens\":1},"
            "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            "thinking.type");
}

static void schemas_say_that_they_are_of_objects(void **state)
{
    (void)state;
    struct part hi = {.type = PART_TEXT, .text = STR_LIT("hi")};
    struct message m = {ROLE_USER, STR_NONE, &hi, 1};
    struct tool tools[] = {
        {.name = STR_LIT("a"), .parameters = STR_LIT("{}"), .strict = -1},
        {.name = STR_LIT("b"), .parameters = STR_LIT("{\"properties\":{}}"), .strict = -1},
        {.name = STR_LIT("c"), .parameters = STR_LIT("{\"type\":\"object\"}"), .strict = -1}};
    foreign(&m, 1);
    q.tools = tools;
    q.n_tools = 3;
    encode();
    assert_holds("\"name\":\"a\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}");
    assert_holds("\"name\":\"b\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}");
    assert_holds("\"name\":\"c\",\"input_schema\":{\"type\":\"object\"}");
}

static void long_names_with_odd_letters_stay_in_bounds(void **state)
{
    (void)state;
    char name[127];
    memset(name, 'n', sizeof(name) - 1);
    name[60] = '.';
    name[126] = '\0';
    struct part hi = {.type = PART_TEXT, .text = STR_LIT("hi")};
    struct message m = {ROLE_USER, STR_NONE, &hi, 1};
    struct tool tool = {.name = str_of(name), .strict = -1};
    foreign(&m, 1);
    q.tools = &tool;
    q.n_tools = 1;
    encode();
    const char *sent = strstr(out_text(), "\"name\":\"");
    assert_non_null(sent);
    sent += strlen("\"name\":\"");
    assert_true(strcspn(sent, "\"") <= 128);
    assert_null(memchr(sent, '.', strcspn(sent, "\"")));
}

static void user_ids_have_a_length(void **state)
{
    (void)state;
    char user[300];
    memset(user, 'u', sizeof(user));
    struct part hi = {.type = PART_TEXT, .text = STR_LIT("hi")};
    struct message m = {ROLE_USER, STR_NONE, &hi, 1};
    foreign(&m, 1);
    q.user = (struct str){user, 256};
    encode();
    assert_holds("\"metadata\":{\"user_id\":\"u");
    q.user = (struct str){user, 257};
    encode();
    assert_lacks("metadata");
    assert_string_equal(lost(), "user");
}

static void citations_without_a_proof_stay_away(void **state)
{
    (void)state;
    decode(
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{"
        "\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"y\",\"citations\":[{"
        "\"type\":\"web_search_result_location\",\"url\":\"https://a\",\"title\":\"made\","
        "\"cited_text\":\"\",\"encrypted_index\":\"\"},{\"type\":\"web_search_result_location\","
        "\"url\":\"https://b\",\"title\":\"true\",\"cited_text\":\"\",\"encrypted_index\":\"Eo8=\""
        "}]}]},{\"role\":\"user\",\"content\":\"z\"}]}");
    encode_by(&vertex_messages_codec);
    assert_lacks("made");
    assert_holds("\"title\":\"true\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(results_come_before_what_else_is_said),
        TEST(later_kinds_of_thinking_are_survived),
        TEST(schemas_say_that_they_are_of_objects),
        TEST(long_names_with_odd_letters_stay_in_bounds),
        TEST(user_ids_have_a_length),
        TEST(citations_without_a_proof_stay_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

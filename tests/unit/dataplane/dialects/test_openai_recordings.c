/* What providers of OpenAI's dialects really send, with all that they add to it, as clients of the
 * other dialects get it; and what agents ask for by the Responses API. */
#include "openai_rig.h"

#define CHAT (&openai_chat_codec)
#define RESPONSES (&openai_responses_codec)
#define ASK                                                                                       \
    "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[" \
    "{\"role\":\"user\",\"content\":\"q\"}]}"

static void azure_filters_and_final_usage(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\","
        "\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{"
        "\"filtered\":false,\"severity\":\"safe\"}}}]}",
        "{\"id\":\"c1\",\"created\":1755000000,\"model\":\"gpt-4o\",\"service_tier\":\"default\","
        "\"usage\":null,\"obfuscation\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"role\":"
        "\"assistant\",\"content\":\"\",\"refusal\":null},\"content_filter_results\":{},"
        "\"logprobs\":null,\"finish_reason\":null}]}",
        "{\"id\":\"c1\",\"obfuscation\":\"\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
        "\"Hi\"},\"logprobs\":null,\"finish_reason\":null}]}",
        "{\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
        "{\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,"
        "\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":3,\"audio_tokens\":1},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":4,\"audio_tokens\":2,"
        "\"accepted_prediction_tokens\":1,\"rejected_prediction_tokens\":5}}}",
        "[DONE]",
        NULL};
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(CHAT, events), "start text:Hi finish0:1 usage:19+10 end");
    struct str last = event_with(streamed(CHAT, CHAT, events), "\"total_tokens\"", 0);
    text_is(last, "usage.prompt_tokens_details.cached_tokens", "3");
    text_is(last, "usage.completion_tokens_details.rejected_prediction_tokens", "5");
    struct str done = event_with(streamed(CHAT, RESPONSES, events), "response.completed", 0);
    text_is(done, "response.usage.output_tokens_details.reasoning_tokens", "4");
    text_is(done, "response.usage.total_tokens", "29");
    struct str delta =
        event_with(streamed(CHAT, &messages_codec, events), "\"type\":\"message_delta\"", 0);
    text_is(delta, "usage.input_tokens", "16");
    text_is(delta, "usage.cache_read_input_tokens", "3");
}

/* They stand in every chunk; clients of each dialect are told them once. */
static void perplexity_sources_are_told_once(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"p\",\"citations\":[\"https://a.example\"],\"search_results\":[{\"title\":\"A\","
        "\"url\":\"https://a.example\",\"date\":null}],\"choices\":[{\"index\":0,"
        "\"finish_reason\":null,\"message\":{\"content\":\"Sky\"},\"delta\":{\"content\":\"Sky\"}}"
        "]}",
        "{\"id\":\"p\",\"citations\":[\"https://a.example\"],\"search_results\":[{\"title\":\"A\","
        "\"url\":\"https://a.example\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,"
        "\"total_tokens\":8,\"num_search_queries\":2},\"choices\":[{\"index\":0,\"finish_reason\":"
        "\"stop\",\"message\":{\"content\":\"Sky is\"},\"delta\":{\"content\":\" is\"}}]}",
        NULL};
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(CHAT, events),
                        "start text:Sky text: is citation finish0:1 usage:5+3 end");
    struct str note = event_with(streamed(CHAT, RESPONSES, events), "annotation.added", 0);
    text_is(note, "annotation.url", "https://a.example");
    text_is(note, "annotation.title", "A");
}

static void own_annotations_stand_for_the_sources(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"p\",\"citations\":[\"https://a.example\"],\"choices\":[{\"index\":0,\"delta\":{"
        "\"content\":\"x\",\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{\"url\":"
        "\"https://b.example\",\"title\":\"B\",\"start_index\":0,\"end_index\":1}}]},"
        "\"finish_reason\":\"stop\"}]}",
        "[DONE]", NULL};
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(CHAT, events), "start text:x citation finish0:1 end");
}

static void openrouter_fails_within_a_choice(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"g\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}",
        "{\"id\":\"g\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":"
        "\"error\",\"error\":{\"code\":429,\"message\":\"slow down\"}}]}",
        "{\"id\":\"g\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"more\"}}]}", NULL};
    struct chat_reply reply;
    struct error err = ERROR_INIT;
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(CHAT, events), "start text:x error:slow down");
    assert_false(CHAT->decode_reply(
        STR_LIT("{\"choices\":[{\"index\":0,\"message\":{\"content\":\"\"},\"finish_reason\":"
                "\"error\",\"error\":{\"code\":502,\"message\":\"gone\"}}]}"),
        &context, arena, &reply, &err));
    assert_non_null(strstr(error_text(&err), "gone"));
}

static void a_stream_that_never_says_why_it_stopped(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"n\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}", "[DONE]", NULL};
    decode(CHAT, ASK);
    struct str bytes = streamed(CHAT, CHAT, events);
    text_is(event_with(bytes, "\"finish_reason\":\"stop\"", 0), "choices[0].finish_reason", "stop");
}

/* Numbers out of all bounds, gaps, nulls, and what comes behind the end. */
static void tools_numbered_at_will(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"n\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1000000000,"
        "\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}",
        "{\"id\":\"n\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":7,\"id\":"
        "\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{\"}},{\"index\":1000000000,\"id\":"
        "\"changed\",\"function\":{\"name\":null,\"arguments\":\"{}\"}}]}}]}",
        "{\"id\":null,\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":7,"
        "\"function\":{\"arguments\":\"}\"}},null,{\"index\":null,\"id\":null,\"function\":null}]}"
        "},{\"index\":500,\"delta\":{\"content\":\"no\"}},null]}",
        "{\"choices\":[{\"index\":0,\"delta\":null,\"finish_reason\":\"stop\"}],\"usage\":null}",
        "[DONE]",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"after\"}}]}",
        NULL};
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(CHAT, events), "start tool0:a:f tool1:b:g args1:{ args0:{} "
                                                 "args1:} finish0:4 end");
}

/* Anthropic's stop_reason "refusal" comes without a word of its own. */
static void a_refusal_without_words_does_not_look_complete(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\","
        "\"content\":[],\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"},\"usage\":{"
        "\"output_tokens\":4}}",
        "{\"type\":\"message_stop\"}", NULL};
    decode(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"stream\":true}");
    struct str done =
        event_with(streamed(&messages_codec, RESPONSES, events), "response.incomplete", 0);
    text_is(done, "response.status", "incomplete");
    text_is(done, "response.incomplete_details.reason", "content_filter");
    struct str whole =
        answered(&messages_codec, RESPONSES,
                 "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                 "\"claude\",\"content\":[],\"stop_reason\":\"refusal\",\"usage\":{"
                 "\"input_tokens\":5,\"output_tokens\":4}}");
    text_is(whole, "status", "incomplete");
    text_is(whole, "incomplete_details.reason", "content_filter");
}

static void a_refusal_in_words_is_an_answer(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":"
        "null,\"refusal\":\"\"},\"finish_reason\":null}]}",
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"refusal\":\"I'm sorry\"},"
        "\"finish_reason\":null}]}",
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"refusal\"}]}",
        "[DONE]", NULL};
    decode(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"stream\":true}");
    struct str done = event_with(streamed(CHAT, RESPONSES, events), "response.completed", 0);
    text_is(done, "response.output[0].content[0].refusal", "I'm sorry");
    struct str whole = answered(CHAT, RESPONSES,
                                "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"no\"},"
                                "\"finish_reason\":\"refusal\"}]}");
    text_is(whole, "status", "completed");
    text_is(whole, "output[0].content[0].type", "refusal");
}

/* ---- agents ---- */

#define CODEX                                                                                      \
    "{\"model\":\"m\",\"instructions\":\"Be Codex.\",\"stream\":true,\"store\":false,\"include\":" \
    "[\"reasoning.encrypted_content\"],\"prompt_cache_key\":\"k\",\"reasoning\":{\"effort\":"      \
    "\"low\",\"summary\":\"auto\"},\"tools\":[{\"type\":\"custom\",\"name\":\"apply_patch\","      \
    "\"description\":\"Patch.\",\"format\":{\"type\":\"grammar\",\"syntax\":\"lark\","             \
    "\"definition\":\"start: X\"}},{\"type\":\"local_shell\"}],\"input\":[{\"type\":\"message\","  \
    "\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"fix\"}]},{\"type\":"       \
    "\"reasoning\",\"summary\":[],\"content\":null,\"encrypted_content\":\"gAAA\"},{\"type\":"     \
    "\"custom_tool_call\",\"status\":\"completed\",\"call_id\":\"ct1\",\"name\":\"apply_patch\","  \
    "\"input\":\"*** \\\"x\\\"\\n\"},{\"type\":\"custom_tool_call_output\",\"call_id\":\"ct1\","   \
    "\"output\":\"ok\"}]}"

static void custom_tools_become_functions_of_one_text(void **state)
{
    (void)state;
    struct str b = translated(RESPONSES, &messages_codec, CODEX);
    text_is(b, "tools[0].name", "apply_patch");
    text_is(b, "tools[0].description",
            "Patch.\n\nThe input must follow this Lark grammar:\nstart: X");
    text_is(b, "tools[0].input_schema.required[0]", "input");
    text_is(b, "messages[1].content[0].input.input", "*** \"x\"\n");
    text_is(b, "messages[2].content[0].tool_use_id", "ct1");
    bool tools = false;
    for (unsigned i = 0; i < losses.n; i++) {
        tools |= str_eqz(losses.names[i], "tools"); /* the shell that OpenAI alone has */
    }
    assert_true(tools);
    b = translated(RESPONSES, CHAT, CODEX);
    text_is(b, "tools[0].type", "function");
    text_is(b, "messages[2].tool_calls[0].function.arguments", "{\"input\":\"*** \\\"x\\\"\\n\"}");
}

static void their_calls_become_custom_again(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude\","
        "\"content\":[],\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}",
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
        "\"id\":\"tu\",\"name\":\"apply_patch\",\"input\":{}}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
        "\"partial_json\":\"{\\\"input\\\":\\\"*** \\\\n\"}}",
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\","
        "\"partial_json\":\"end\\\"}\"}}",
        "{\"type\":\"content_block_stop\",\"index\":0}",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
        "\"output_tokens\":4}}",
        "{\"type\":\"message_stop\"}",
        NULL};
    decode(RESPONSES, CODEX);
    struct str bytes = streamed(&messages_codec, RESPONSES, events);
    text_is(event_with(bytes, "output_item.added", 0), "item.type", "custom_tool_call");
    text_is(event_with(bytes, "custom_tool_call_input.delta", 0), "delta", "*** \nend");
    text_is(event_with(bytes, "custom_tool_call_input.done", 0), "input", "*** \nend");
    struct str done = event_with(bytes, "response.completed", 0);
    text_is(done, "response.output[0].input", "*** \nend");
    text_is(done, "response.output[0].call_id", "tu");
    text_is(done, "response.tools[0].type", "custom");
    assert_false(holds(bytes, "function_call"));
    struct str whole = answered(
        &messages_codec, RESPONSES,
        "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\","
        "\"content\":[{\"type\":\"tool_use\",\"id\":\"tu\",\"name\":\"apply_patch\",\"input\":{"
        "\"input\":\"p\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":5,"
        "\"output_tokens\":4}}");
    text_is(whole, "output[0].type", "custom_tool_call");
    text_is(whole, "output[0].input", "p");
}

static void chat_has_custom_tools_too(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, &messages_codec,
        "{\"model\":\"m\",\"max_tokens\":9,\"tool_choice\":{\"type\":\"custom\",\"custom\":{"
        "\"name\":\"run\"}},\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"run\","
        "\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"regex\",\"definition\":"
        "\"a+\"}}}}],\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\","
        "\"tool_calls\":[{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"run\",\"input\":"
        "\"aa\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}]}");
    text_is(b, "tools[0].name", "run");
    text_is(b, "tool_choice.name", "run");
    text_is(b, "messages[1].content[0].input.input", "aa");
    assert_int_equal(losses.n, 0);
    struct str whole =
        answered(&messages_codec, CHAT,
                 "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                 "\"claude\",\"content\":[{\"type\":\"tool_use\",\"id\":\"tu\",\"name\":\"run\","
                 "\"input\":{\"input\":\"a\"}}],\"stop_reason\":\"tool_use\",\"usage\":{}}");
    text_is(whole, "choices[0].message.tool_calls[0].type", "custom");
    text_is(whole, "choices[0].message.tool_calls[0].custom.input", "a");
}

static void a_provider_calls_custom_tools_itself(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"ctc_1\","
        "\"type\":\"custom_tool_call\",\"call_id\":\"call_9\",\"name\":\"p\",\"input\":\"\"}}",
        "{\"type\":\"response.custom_tool_call_input.delta\",\"item_id\":\"ctc_1\","
        "\"output_index\":0,\"delta\":\"a\"}",
        "{\"type\":\"response.custom_tool_call_input.done\",\"item_id\":\"ctc_1\","
        "\"output_index\":0,\"input\":\"a\\\"b\"}",
        "{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\"}}",
        NULL};
    decode(CHAT, ASK);
    assert_string_equal(chunks_of(RESPONSES, events),
                        "start tool0:call_9:p args0:{\"input\":\"a\\\"b\"} toolend finish0:4 end");
}

/* A screenshot's item says nothing to others: no empty answer stands in its place. */
static void lost_items_leave_no_empty_messages(void **state)
{
    (void)state;
    struct str b = translated(
        RESPONSES, CHAT,
        "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"type\":"
        "\"computer_call_output\",\"call_id\":\"c\",\"output\":{\"type\":\"computer_screenshot\"}},"
        "{\"role\":\"user\",\"content\":\"go\"}]}");
    text_is(b, "messages[1].role", "user");
    assert_false(holds(b, "assistant"));
    assert_int_equal(losses.n, 1);
}

/* ---- what OpenAI's own models refuse ---- */

static bool lost(const char *name)
{
    for (unsigned i = 0; i < losses.n; i++) {
        if (str_eqz(losses.names[i], name)) {
            return true;
        }
    }
    return false;
}

static void reasoning_models_sample_as_they_will(void **state)
{
    (void)state;
    static const char ask[] =
        "{\"model\":\"m\",\"max_tokens\":5,\"temperature\":0.2,\"top_p\":1.0,\"stop_sequences\":["
        "\"x\"],\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}";
    context.model = STR_LIT("gpt-5-mini");
    struct str b = translated(&messages_codec, CHAT, ask);
    assert_false(holds(b, "temperature"));
    assert_false(holds(b, "top_p"));
    assert_false(holds(b, "stop"));
    assert_true(lost("temperature"));
    assert_false(lost("top_p")); /* the default is no loss */
    losses = (struct losses){.n = 0};
    b = translated(&messages_codec, RESPONSES, ask);
    assert_false(holds(b, "temperature"));
    text_is(b, "max_output_tokens", "16"); /* the least that the API takes */
    assert_true(lost("max_tokens"));
    losses = (struct losses){.n = 0};
    context.model = STR_LIT("gpt-4o");
    b = translated(&messages_codec, CHAT, ask);
    text_is(b, "temperature", "0.2");
    text_is(b, "stop[0]", "x");
    assert_int_equal(losses.n, 0);
    context.model = STR_LIT("gpt-5.1"); /* answers at once unless told to think */
    text_is(translated(&messages_codec, CHAT, ask), "temperature", "0.2");
}

static void a_forced_hosted_tool_is_not_a_function(void **state)
{
    (void)state;
    decode(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"tool_choice\":{\"type\":\"mcp\","
                      "\"server_label\":\"s\",\"name\":\"t\"}}");
    assert_int_equal(request.tool_choice, CHOICE_UNSET);
    assert_int_equal(request.n_extras, 1);
}

static void passages_of_files_are_cited(void **state)
{
    (void)state;
    struct str b = answered(
        RESPONSES, RESPONSES,
        "{\"id\":\"r\",\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{"
        "\"type\":\"output_text\",\"text\":\"Hello\",\"annotations\":[{\"type\":\"file_citation\","
        "\"file_id\":\"file-1\",\"filename\":\"a.pdf\",\"index\":4}]}]}]}");
    text_is(b, "output[0].content[0].annotations[0].file_id", "file-1");
    text_is(b, "output[0].content[0].annotations[0].index", "4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(azure_filters_and_final_usage, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(perplexity_sources_are_told_once, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(own_annotations_stand_for_the_sources, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(openrouter_fails_within_a_choice, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(a_stream_that_never_says_why_it_stopped, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(tools_numbered_at_will, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(a_refusal_without_words_does_not_look_complete, rig_up,
                                        rig_down),
        cmocka_unit_test_setup_teardown(a_refusal_in_words_is_an_answer, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(custom_tools_become_functions_of_one_text, rig_up,
                                        rig_down),
        cmocka_unit_test_setup_teardown(their_calls_become_custom_again, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(chat_has_custom_tools_too, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(a_provider_calls_custom_tools_itself, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(lost_items_leave_no_empty_messages, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(reasoning_models_sample_as_they_will, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(a_forced_hosted_tool_is_not_a_function, rig_up, rig_down),
        cmocka_unit_test_setup_teardown(passages_of_files_are_cited, rig_up, rig_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* openai_responses_codec: requests, answers and streams of the Responses API, against itself and
 * against chat completions. */
#include "openai_rig.h"

#define RESPONSES &openai_responses_codec
#define CHAT &openai_chat_codec

static const char history[] =
    "{\"model\":\"m\",\"instructions\":\"be brief\",\"input\":["
    "{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"q\"},"
    "{\"type\":\"input_image\",\"image_url\":\"https://h/a.png\",\"detail\":\"low\"}]},"
    "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":"
    "\"hm\"}],\"encrypted_content\":\"enc\"},"
    "{\"type\":\"message\",\"role\":\"assistant\",\"id\":\"msg_1\",\"content\":[{\"type\":"
    "\"output_text\",\"text\":\"let me see\",\"annotations\":[]}]},"
    "{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
    "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"{}\"},"
    "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"1\"},"
    "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":\"input_text\","
    "\"text\":\"2\"}]}],"
    "\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{\"type\":\"object\"},"
    "\"strict\":true}],\"tool_choice\":\"auto\",\"max_output_tokens\":50,"
    "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{\"type\":"
    "\"object\"},\"strict\":true}}}";

static void history_becomes_messages(void **state)
{
    (void)state;
    struct str b = translated(RESPONSES, CHAT, history);
    text_is(b, "messages[0].role", "system");
    text_is(b, "messages[0].content", "be brief");
    text_is(b, "messages[1].content[1].image_url.url", "https://h/a.png");
    text_is(b, "messages[2].content", "let me see");
    text_is(b, "messages[2].tool_calls[1].id", "c2");
    text_is(b, "messages[3].tool_call_id", "c1");
    text_is(b, "messages[4].content", "2");
    text_is(b, "tools[0].function.strict", "true");
    text_is(b, "response_format.json_schema.name", "n");
    text_is(b, "max_tokens", "50");
    assert_int_equal(losses.n, 1); /* the proof of OpenAI's reasoning, and only that */
    text_is(arena_printf(arena, "{\"a\":\"%.*s\"}", STR_ARG(losses.names[0])), "a",
            "input.reasoning");
}

static void history_goes_round(void **state)
{
    (void)state;
    struct str b = translated(RESPONSES, RESPONSES, history);
    text_is(b, "instructions", "be brief");
    text_is(b, "input[0].content[1].image_url", "https://h/a.png");
    text_is(b, "input[1].encrypted_content", "enc");
    text_is(b, "input[1].id", "rs_1");
    text_is(b, "input[2].content[0].text", "let me see");
    text_is(b, "input[3].call_id", "c1");
    text_is(b, "input[6].output", "2");
    text_is(b, "tools[0].name", "f");
    text_is(b, "text.format.name", "n");
    assert_int_equal(losses.n, 0);
}

static void chat_becomes_items(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, RESPONSES,
        "{\"model\":\"m\",\"stream\":true,\"stop\":[\"x\"],\"n\":1,\"messages\":[{\"role\":"
        "\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"q\"},{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]},"
        "{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[{\"id\":\"c\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\","
        "\"tool_call_id\":\"c\",\"content\":\"r\"}],\"tools\":[{\"type\":\"function\","
        "\"function\":{\"name\":\"f\"}}],\"max_tokens\":20}");
    text_is(b, "instructions", "s");
    text_is(b, "input[0].content[0].type", "input_text");
    text_is(b, "input[0].content[1].file_id", "file-1");
    text_is(b, "input[1].content[0].type", "output_text");
    text_is(b, "input[2].type", "function_call");
    text_is(b, "input[3].output", "r");
    text_is(b, "tools[0].strict", "false"); /* this dialect's default is true */
    text_is(b, "store", "false");
    text_is(b, "max_output_tokens", "20");
    assert_int_equal(losses.n, 1);
    assert_true(str_eqz(losses.names[0], "stop"));
}

/* What only OpenAI keeps is refused before any target is looked at. */
static void kept_context_is_not_lost_silently(void **state)
{
    (void)state;
    refused(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"previous_response_id\":\"resp_1\"}",
            "previous_response_id");
    refused(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"conversation\":{\"id\":\"conv_1\"}}",
            "conversation");
    refused(RESPONSES, "{\"model\":\"m\",\"prompt\":{\"id\":\"pmpt_1\",\"version\":\"2\"}}",
            "prompt");
    refused(RESPONSES,
            "{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\",\"id\":\"msg_1\"}]}",
            "input[0]");
    decode(RESPONSES, "{\"model\":\"m\",\"input\":\"q\",\"previous_response_id\":null,"
                      "\"conversation\":null,\"prompt\":null}");
}

static void wrong_fields_are_named_by_path(void **state)
{
    (void)state;
    refused(RESPONSES, "{\"model\":\"m\"}", "input");
    refused(RESPONSES, "{\"model\":\"m\",\"input\":7}", "input");
    refused(RESPONSES, "{\"model\":\"m\",\"input\":[{\"role\":\"x\",\"content\":\"\"}]}",
            "input[0].role");
    refused(RESPONSES,
            "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"z\"}]}]}",
            "input[0].content[0].type");
    refused(RESPONSES, "{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\"}]}",
            "input[0].call_id");
    refused(RESPONSES, "{\"model\":\"m\",\"input\":\"\",\"text\":{\"format\":{\"type\":\"q\"}}}",
            "text.format.type");
}

static void foreign_proofs_find_their_way_back(void **state)
{
    (void)state;
    struct part parts[] = {{.type = PART_THINKING,
                            .text = STR_LIT("hm"),
                            .signature = STR_LIT("sig=="),
                            .signature_family = FAMILY_MESSAGES},
                           {.type = PART_REDACTED_THINKING,
                            .signature = STR_LIT("blob"),
                            .signature_family = FAMILY_MESSAGES},
                           {.type = PART_TEXT, .text = STR_LIT("hi")}};
    struct chat_choice choice = {.finish = FINISH_STOP, .parts = parts, .n_parts = 3};
    struct chat_reply r = {.choices = &choice, .n_choices = 1};
    assert_true(openai_responses_codec.encode_reply(&r, &context, arena, &out));
    struct str b = arena_str(arena, buffer_str(&out));
    text_is(b, "output[2].content[0].text", "hi");
    struct str body =
        arena_printf(arena, "{\"model\":\"m\",\"input\":%.*s}", STR_ARG(at(b, "output").raw));
    decode(RESPONSES, body.ptr);
    const struct message *m = &request.messages[0];
    assert_int_equal(m->n_parts, 3);
    assert_true(str_eqz(m->parts[0].signature, "sig==") && str_eqz(m->parts[0].text, "hm"));
    assert_int_equal(m->parts[0].signature_family, FAMILY_MESSAGES);
    assert_int_equal(m->parts[1].type, PART_REDACTED_THINKING);
    assert_true(str_eqz(m->parts[1].signature, "blob"));
}

static void answer_is_a_whole_response(void **state)
{
    (void)state;
    decode(RESPONSES, history);
    struct str b = answered(
        CHAT, RESPONSES,
        "{\"id\":\"x\",\"model\":\"gpt\",\"created\":9,\"choices\":[{\"index\":0,\"message\":{"
        "\"content\":\"hi\",\"reasoning_content\":\"hm\",\"tool_calls\":[{\"id\":\"c\","
        "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"length\"}],"
        "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7,\"prompt_tokens_details\":{"
        "\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":3}}}");
    text_is(b, "object", "response");
    text_is(b, "created_at", "9");
    text_is(b, "status", "incomplete");
    text_is(b, "incomplete_details.reason", "max_output_tokens");
    text_is(b, "instructions", "be brief");
    text_is(b, "output[0].type", "reasoning");
    text_is(b, "output[0].summary[0].text", "hm");
    text_is(b, "output[1].content[0].text", "hi");
    text_is(b, "output[1].content[0].annotations", "[]");
    text_is(b, "output[2].call_id", "c");
    text_is(b, "tools[0].name", "f");
    text_is(b, "text.format.name", "n");
    text_is(b, "usage.input_tokens", "10");
    text_is(b, "usage.input_tokens_details.cached_tokens", "4");
    text_is(b, "usage.output_tokens_details.reasoning_tokens", "3");
    text_is(b, "usage.total_tokens", "17");
    assert_true(holds(b, "\"error\":null"));
}

static void response_becomes_a_completion(void **state)
{
    (void)state;
    decode(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    struct str b = answered(
        RESPONSES, CHAT,
        "{\"id\":\"resp_1\",\"created_at\":7,\"status\":\"completed\",\"model\":\"gpt\","
        "\"output\":[{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"type\":"
        "\"summary_text\",\"text\":\"hm\"}],\"encrypted_content\":null},{\"type\":"
        "\"web_search_call\",\"id\":\"ws\"},{\"type\":\"message\",\"content\":[{\"type\":"
        "\"output_text\",\"text\":\"a\",\"annotations\":[{\"type\":\"url_citation\",\"url\":"
        "\"https://u\",\"title\":\"t\",\"start_index\":0,\"end_index\":1}]}]},{\"type\":"
        "\"function_call\",\"id\":\"fc\",\"call_id\":\"c\",\"name\":\"f\",\"arguments\":\"\"}],"
        "\"usage\":{\"input_tokens\":3,\"output_tokens\":2,\"output_tokens_details\":{"
        "\"reasoning_tokens\":1}}}");
    text_is(b, "choices[0].message.content", "a");
    text_is(b, "choices[0].message.reasoning_content", "hm");
    text_is(b, "choices[0].message.annotations[0].url_citation.url", "https://u");
    text_is(b, "choices[0].message.tool_calls[0].id", "c");
    text_is(b, "choices[0].message.tool_calls[0].function.arguments", "{}");
    text_is(b, "choices[0].finish_reason", "tool_calls");
    text_is(b, "usage.prompt_tokens", "3");
    struct chat_reply r;
    struct error err = ERROR_INIT;
    assert_false(openai_responses_codec.decode_reply(
        STR_LIT("{\"status\":\"failed\",\"output\":[],\"error\":{\"message\":\"no\"}}"), &context,
        arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
}

#define E(type, rest) "{\"type\":\"response." type "\"," rest "}"

static void streams_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *events[16];
        const char *want;
    } cases[] = {
        {{E("created", "\"response\":{\"id\":\"r\",\"model\":\"m\"}"),
          E("in_progress", "\"response\":{\"id\":\"r\"}"),
          E("output_item.added", "\"output_index\":0,\"item\":{\"type\":\"message\"}"),
          E("output_text.delta", "\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\""),
          E("output_text.done", "\"output_index\":0,\"content_index\":0,\"text\":\"Hi\""),
          E("output_item.done",
            "\"output_index\":0,\"item\":{\"type\":\"message\",\"content\":[{\"type\":"
            "\"output_text\",\"text\":\"Hi\"}]}"),
          E("completed", "\"response\":{\"status\":\"completed\",\"output\":[{\"type\":"
                         "\"message\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}")},
         "start text:Hi break finish0:1 usage:1+2 end"},
        /* interleaved calls, by output_index; one without deltas */
        {{E("output_item.added", "\"output_index\":0,\"item\":{\"type\":\"function_call\","
                                 "\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"\"}"),
          E("output_item.added", "\"output_index\":1,\"item\":{\"type\":\"function_call\","
                                 "\"call_id\":\"b\",\"name\":\"g\",\"arguments\":\"\"}"),
          E("function_call_arguments.delta", "\"output_index\":0,\"delta\":\"{\""),
          E("function_call_arguments.done", "\"output_index\":1,\"arguments\":\"{}\""),
          E("function_call_arguments.delta", "\"output_index\":0,\"delta\":\"}\""),
          E("output_item.done", "\"output_index\":0,\"item\":{\"type\":\"function_call\","
                                "\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\"}"),
          E("completed", "\"response\":{\"status\":\"completed\"}")},
         "start tool0:a:f tool1:b:g args0:{ args1:{} toolend args0:} toolend finish0:4 "
         "end"},
        /* only the finished things */
        {{E("output_item.done", "\"output_index\":0,\"item\":{\"type\":\"reasoning\",\"summary\":"
                                "[{\"text\":\"hm\"}],\"encrypted_content\":\"enc\"}"),
          E("output_text.done", "\"output_index\":1,\"content_index\":0,\"text\":\"a\""),
          E("output_text.done", "\"output_index\":1,\"content_index\":1,\"text\":\"b\""),
          E("incomplete", "\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{"
                          "\"reason\":\"max_output_tokens\"}}")},
         "start thinking:hm signature:enc break text:a text:b finish0:3 end"},
        {{E("completed", "\"response\":{\"id\":\"r\",\"status\":\"completed\",\"output\":[{"
                         "\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
                         "\"all\"}]}]}")},
         "start text:all finish0:1 end"},
        {{E("created", "\"response\":{\"id\":\"r\"}"),
          E("failed", "\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}"),
          E("output_text.delta", "\"delta\":\"x\"")},
         "start error:boom"},
        {{"{\"type\":\"error\",\"code\":\"x\",\"message\":\"bang\"}"}, "error:bang"},
        /* cut */
        {{E("output_text.delta", "\"item_id\":\"i\",\"delta\":\"x\"")}, "start text:x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(chunks_of(RESPONSES, cases[i].events), cases[i].want);
    }
}

static void stream_is_written(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"Hi \"}}]}",
        "{\"choices\":[{\"delta\":{\"content\":\"you\"}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{"
        "\"name\":\"f\",\"arguments\":\"{\"}},{\"index\":1,\"id\":\"b\",\"function\":{\"name\":"
        "\"g\"}}]}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"}\""
        "}}]}}]}",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
        "[DONE]",
        NULL};
    static const char *const order[] = {"response.created",
                                        "response.in_progress",
                                        "response.output_item.added",
                                        "response.reasoning_summary_part.added",
                                        "response.reasoning_summary_text.delta",
                                        "response.reasoning_summary_text.done",
                                        "response.reasoning_summary_part.done",
                                        "response.output_item.done",
                                        "response.output_item.added",
                                        "response.content_part.added",
                                        "response.output_text.delta",
                                        "response.output_text.delta",
                                        "response.output_text.done",
                                        "response.content_part.done",
                                        "response.output_item.done",
                                        "response.output_item.added",
                                        "response.function_call_arguments.delta",
                                        "response.output_item.added",
                                        "response.function_call_arguments.delta",
                                        "response.function_call_arguments.done",
                                        "response.output_item.done",
                                        "response.function_call_arguments.delta",
                                        "response.function_call_arguments.done",
                                        "response.output_item.done",
                                        "response.completed"};
    decode(RESPONSES, history);
    struct str b = streamed(CHAT, RESPONSES, events), rest = b, line;
    size_t n = 0;
    while (str_cut(rest, '\n', &line, &rest)) {
        struct json_value v;
        if (str_starts(line, STR_LIT("event: "))) {
            assert_true(n < sizeof(order) / sizeof(order[0]));
            assert_true(str_eqz(str_slice(line, 7, line.len), order[n]));
        } else if (line.len) {
            line = str_slice(line, 6, line.len);
            assert_true(read_json(line, &v));
            assert_int_equal(read_get_u64(v, "sequence_number"), n);
            text_is(line, "type", order[n++]);
        }
    }
    assert_int_equal(n, sizeof(order) / sizeof(order[0]));
    struct str last = event_with(b, "response.completed", 0);
    text_is(last, "response.output[1].content[0].text", "Hi you");
    text_is(last, "response.output[2].arguments", "{}");
    text_is(last, "response.output[3].arguments", "{}");
    text_is(last, "response.usage.total_tokens", "7");
}

static void held_texts_have_a_ceiling(void **state)
{
    (void)state;
    enum { PIECE = 4096, PIECES = 600 };
    void *e = openai_responses_codec.encoder_new(&context, arena);
    char *piece = arena_alloc(arena, PIECE);
    memset(piece, 'x', PIECE);
    size_t used = 0;
    for (int i = 0; i < PIECES; i++) {
        assert_true(openai_responses_codec.encode_chunk(
            e, &(struct chunk){.type = CHUNK_TEXT, .tool = -1, .text = {piece, PIECE}}, &out));
        used = i == 0 ? arena_used(arena) : used;
        buffer_clear(&out);
    }
    assert_int_equal(arena_used(arena), used);
    assert_true(openai_responses_codec.encode_chunk(
        e, &(struct chunk){.type = CHUNK_END, .tool = -1}, &out));
    struct str last = event_with(buffer_str(&out), "\"type\":\"response.completed\"", 0);
    struct json_value text = at(last, "response.output[0].content[0].text");
    assert_int_equal(text.raw.len, (1u << 20) + 2);
}

static void error_is_visible(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        "{\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}", NULL};
    struct str b = streamed(CHAT, RESPONSES, events);
    text_is(event_with(b, "response.failed", 0), "response.error.message", "boom");
    text_is(event_with(b, "\"type\":\"error\"", 0), "message", "boom");
    text_is(event_with(b, "\"type\":\"error\"", 0), "error.message", "boom");
    assert_false(holds(b, "response.completed"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
    const struct CMUnitTest tests[] = {
        T(history_becomes_messages),
        T(history_goes_round),
        T(chat_becomes_items),
        T(kept_context_is_not_lost_silently),
        T(wrong_fields_are_named_by_path),
        T(foreign_proofs_find_their_way_back),
        T(answer_is_a_whole_response),
        T(response_becomes_a_completion),
        T(streams_are_read),
        T(stream_is_written),
        T(held_texts_have_a_ceiling),
        T(error_is_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

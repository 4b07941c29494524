/* openai_chat_codec: requests and answers both ways, the streams of several providers, and that
 * losses are named and nothing else is. */
#include "openai_rig.h"

#define CHAT &openai_chat_codec

static void plain_request_loses_nothing(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, CHAT,
        "{\"model\":\"alias\",\"messages\":[{\"role\":\"developer\",\"content\":\"be brief\"},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\\u00e9\\n\"},"
        "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,QUJD\","
        "\"detail\":\"low\"}},{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"QQ==\","
        "\"format\":\"mp3\"}},{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":"
        "\"data:application/pdf;base64,QQ==\"}}]}],"
        "\"temperature\":0.70000000000000001,\"max_completion_tokens\":5,\"stop\":\"x\","
        "\"seed\":12345678901234567890,\"user\":null,\"foo\":{\"a\":1},\"logit_bias\":{\"1\":2}}");
    text_is(b, "model", "target-model");
    text_is(b, "messages[0].role", "developer");
    text_is(b, "messages[1].content[0].text", "a\xc3\xa9\n");
    text_is(b, "messages[1].content[1].image_url.url", "data:image/png;base64,QUJD");
    text_is(b, "messages[1].content[1].image_url.detail", "low");
    text_is(b, "messages[1].content[2].input_audio.format", "mp3");
    text_is(b, "messages[1].content[3].file.filename", "a.pdf");
    text_is(b, "temperature", "0.70000000000000001");
    text_is(b, "seed", "12345678901234567890");
    text_is(b, "max_tokens", "5");
    text_is(b, "stop[0]", "x");
    text_is(b, "foo.a", "1");
    assert_false(holds(b, "\"user\":null"));
    assert_int_equal(losses.n, 0);
}

static void tools_go_round(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, CHAT,
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":["
        "{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"a\\\":1}\"}},{\"id\":\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"g\","
        "\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_1\",\"content\":\"1\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"call_2\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"2\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
        "{\"type\":\"object\"},\"strict\":true}},{\"type\":\"function\",\"function\":{\"name\":"
        "\"g\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
        "\"parallel_tool_calls\":false}");
    assert_true(holds(b, "\"content\":null"));
    text_is(b, "messages[1].tool_calls[0].function.arguments", "{\"a\":1}");
    text_is(b, "messages[1].tool_calls[1].function.arguments", "{}");
    text_is(b, "messages[2].tool_call_id", "call_1");
    text_is(b, "messages[3].content", "2");
    text_is(b, "tools[0].function.strict", "true");
    text_is(b, "tool_choice.function.name", "f");
    text_is(b, "parallel_tool_calls", "false");
    assert_int_equal(request.n_messages, 3); /* both results are one message */
    assert_true(str_eqz(request.messages[2].parts[1].name, "g"));
    assert_int_equal(losses.n, 0);
}

static void allowed_tools_leave_only_those(void **state)
{
    (void)state;
    decode(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],"
                 "\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":"
                 "\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"b\"}}]}},"
                 "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},"
                 "{\"type\":\"function\",\"function\":{\"name\":\"b\"}}]}");
    assert_int_equal(request.n_tools, 1);
    assert_true(str_eqz(request.tools[0].name, "b"));
    assert_int_equal(request.tool_choice, CHOICE_REQUIRED);
}

static void legacy_functions_are_tools(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, CHAT,
        "{\"model\":\"m\",\"functions\":[{\"name\":\"f\",\"parameters\":{}}],\"function_call\":"
        "{\"name\":\"f\"},\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":"
        "\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
        "{\"role\":\"function\",\"name\":\"f\",\"content\":\"ok\"}]}");
    struct json_value call = at(b, "messages[1].tool_calls[0].id");
    assert_true(str_eq(call.raw, at(b, "messages[2].tool_call_id").raw));
    text_is(b, "tools[0].function.name", "f");
    text_is(b, "tool_choice.function.name", "f");
}

static void wrong_fields_are_named_by_path(void **state)
{
    (void)state;
    refused(CHAT, "{\"model\":\"m\"}", "messages");
    refused(CHAT, "{\"model\":\"m\",\"messages\":[]}", "messages");
    refused(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"x\"}]}", "messages[0].role");
    refused(CHAT,
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"z\"}]}]}",
            "messages[0].content[0].type");
    refused(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":7}]}",
            "messages[0].content");
    refused(CHAT, "{\"model\":\"m\",\"temperature\":\"hot\",\"messages\":[]}", "temperature");
    refused(CHAT, "{\"model\":\"m\",\"tools\":[{\"type\":\"function\"}],\"messages\":[]}",
            "tools[0].function");
    refused(CHAT, "{\"model\":\"m\",\"stop\":[1],\"messages\":[]}", "stop[0]");
    refused(CHAT, "{\"model\":\"m\",\"response_format\":{\"type\":\"q\"},\"messages\":[]}",
            "response_format.type");
}

static void losses_are_named(void **state)
{
    (void)state;
    struct str b = translated(
        CHAT, CHAT,
        "{\"model\":\"m\",\"top_k\":5,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}},"
        "{\"type\":\"video_url\",\"video_url\":{\"url\":\"https://h/v.mp4\"}}]}]}");
    assert_false(holds(b, "top_k"));
    struct str text = losses_text(&losses, arena);
    assert_true(holds(text, "top_k") && holds(text, "cache_control") && holds(text, "video"));
    assert_int_equal(losses.n, 3);
    losses = (struct losses){.n = 0};
    context.provider_kind = STR_LIT("openrouter");
    b = translated(
        CHAT, CHAT,
        "{\"model\":\"m\",\"top_k\":5,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}]}");
    text_is(b, "top_k", "5");
    text_is(b, "messages[0].content[0].cache_control.ttl", "1h");
    assert_int_equal(losses.n, 0);
}

static void what_cannot_be_given_at_all_is_refused(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    decode(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                 "\"video_url\",\"video_url\":{\"url\":\"https://h/v.mp4\"}}]}]}");
    assert_false(openai_chat_codec.encode_request(&request, &context, arena, &out, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "messages[0].content[0]");
}

static void quirks_are_heeded(void **state)
{
    (void)state;
    const char *body =
        "{\"model\":\"m\",\"stream\":true,\"max_tokens\":9,\"tool_choice\":\"required\","
        "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],"
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
        "\"schema\":{\"type\":\"object\"}}},\"messages\":[{\"role\":\"developer\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},"
        "{\"role\":\"user\",\"content\":\"q\"}]}";
    context.quirks = QUIRK_NO_STREAM_OPTIONS | QUIRK_CONTENT_STRING | QUIRK_SYSTEM_ROLE |
                     QUIRK_NO_JSON_SCHEMA | QUIRK_TOOL_CHOICE_ANY | QUIRK_MAX_COMPLETION;
    struct str b = translated(CHAT, CHAT, body);
    assert_false(holds(b, "stream_options"));
    text_is(b, "messages[0].role", "system");
    text_is(b, "messages[0].content", "a\n\nb");
    text_is(b, "response_format.type", "json_object");
    text_is(b, "tool_choice", "any");
    text_is(b, "max_completion_tokens", "9");
    assert_int_equal(losses.n, 1);
    context.quirks = 0;
    b = translated(CHAT, CHAT, body);
    text_is(b, "stream_options.include_usage", "true");
    text_is(b, "response_format.json_schema.name", "n");
    text_is(b, "tool_choice", "required");
}

static void reasoning_models_get_their_words(void **state)
{
    (void)state;
    const char *body = "{\"model\":\"m\",\"max_tokens\":9,\"reasoning_effort\":\"high\","
                       "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}";
    context.model = STR_LIT("gpt-5-mini");
    struct str b = translated(CHAT, CHAT, body);
    text_is(b, "max_completion_tokens", "9");
    text_is(b, "reasoning_effort", "high");
    assert_int_equal(losses.n, 0);
    context.model = STR_LIT("gpt-4o");
    b = translated(CHAT, CHAT, body);
    text_is(b, "max_tokens", "9");
    assert_false(holds(b, "reasoning_effort"));
    assert_int_equal(losses.n, 1);
    context.provider_kind = STR_LIT("zai");
    b = translated(CHAT, CHAT,
                   "{\"model\":\"m\",\"thinking\":{\"type\":\"disabled\"},\"messages\":"
                   "[{\"role\":\"user\",\"content\":\"q\"}]}");
    text_is(b, "thinking.type", "disabled");
}

static void thinking_comes_back_with_its_proof(void **state)
{
    (void)state;
    struct chat_choice choice = {.finish = FINISH_TOOL_CALLS};
    struct part parts[] = {{.type = PART_THINKING,
                            .text = STR_LIT("hm"),
                            .signature = STR_LIT("sig"),
                            .signature_family = FAMILY_MESSAGES},
                           {.type = PART_REDACTED_THINKING,
                            .signature = STR_LIT("blob"),
                            .signature_family = FAMILY_MESSAGES},
                           {.type = PART_TOOL_CALL,
                            .id = STR_LIT("c"),
                            .name = STR_LIT("f"),
                            .arguments = STR_LIT("{}"),
                            .signature = STR_LIT("gem"),
                            .signature_family = FAMILY_GEMINI}};
    choice.parts = parts;
    choice.n_parts = 3;
    struct chat_reply r = {.choices = &choice, .n_choices = 1};
    assert_true(openai_chat_codec.encode_reply(&r, &context, arena, &out));
    struct str b = arena_str(arena, buffer_str(&out));
    text_is(b, "choices[0].message.reasoning_content", "hm");
    text_is(b, "choices[0].message.thinking_blocks[0].signature", "sig");
    struct str message = at(b, "choices[0].message").raw;
    struct str body =
        arena_printf(arena, "{\"model\":\"m\",\"messages\":[%.*s]}", STR_ARG(message));
    decode(CHAT, body.ptr);
    const struct message *m = &request.messages[0];
    assert_int_equal(m->n_parts, 3);
    assert_true(str_eqz(m->parts[0].text, "hm") && str_eqz(m->parts[0].signature, "sig"));
    assert_int_equal(m->parts[0].signature_family, FAMILY_MESSAGES);
    assert_int_equal(m->parts[1].type, PART_REDACTED_THINKING);
    assert_true(str_eqz(m->parts[2].signature, "gem"));
    assert_int_equal(m->parts[2].signature_family, FAMILY_GEMINI);
}

static void answer_goes_round(void **state)
{
    (void)state;
    decode(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    struct str b = answered(
        CHAT, CHAT,
        "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"gpt\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"hi\","
        "\"refusal\":null,\"annotations\":[{\"type\":\"url_citation\",\"url_citation\":{"
        "\"start_index\":0,\"end_index\":2,\"title\":\"t\",\"url\":\"https://u\"}}]},"
        "\"logprobs\":{\"content\":[]},\"finish_reason\":\"length\"}],\"usage\":{"
        "\"prompt_tokens\":10,\"completion_tokens\":7,\"total_tokens\":17,"
        "\"prompt_tokens_details\":{\"cached_tokens\":4,\"audio_tokens\":1},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":3}},\"service_tier\":\"default\","
        "\"system_fingerprint\":\"fp\"}");
    text_is(b, "id", "chatcmpl-1");
    text_is(b, "created", "5");
    text_is(b, "choices[0].message.content", "hi");
    text_is(b, "choices[0].message.annotations[0].url_citation.url", "https://u");
    text_is(b, "choices[0].finish_reason", "length");
    text_is(b, "usage.prompt_tokens", "10");
    text_is(b, "usage.prompt_tokens_details.cached_tokens", "4");
    text_is(b, "usage.completion_tokens_details.reasoning_tokens", "3");
    text_is(b, "system_fingerprint", "fp");
}

static void answers_of_others_are_understood(void **state)
{
    (void)state;
    decode(CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    /* DeepSeek: thoughts and cache hits; a forced call that "stops"; arguments as an object */
    struct str b = answered(
        CHAT, CHAT,
        "{\"choices\":[{\"message\":{\"content\":\"\",\"reasoning_content\":\"t\",\"tool_calls\":"
        "[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,\"prompt_cache_hit_tokens\":8}}");
    text_is(b, "choices[0].message.reasoning_content", "t");
    text_is(b, "choices[0].message.tool_calls[0].function.arguments", "{\"a\":1}");
    text_is(b, "choices[0].finish_reason", "tool_calls");
    text_is(b, "usage.prompt_tokens_details.cached_tokens", "8");
    text_is(b, "id", "chatcmpl-00112233445566778899aabbccddeeff");
    /* Mistral: content in parts */
    b = answered(CHAT, CHAT,
                 "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"thinking\",\"thinking\":"
                 "[{\"type\":\"text\",\"text\":\"hm\"}]},{\"type\":\"text\",\"text\":\"x\"},"
                 "{\"type\":\"new_thing\"}]},\"finish_reason\":\"model_length\"}]}");
    text_is(b, "choices[0].message.content", "x");
    text_is(b, "choices[0].message.reasoning_content", "hm");
    text_is(b, "choices[0].finish_reason", "length");
    /* xAI counts thoughts beside the answer */
    b = answered(CHAT, CHAT,
                 "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],"
                 "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":17,"
                 "\"completion_tokens_details\":{\"reasoning_tokens\":5}}}");
    text_is(b, "usage.completion_tokens", "7");
    text_is(b, "usage.total_tokens", "17");
    struct chat_reply r;
    struct error err = ERROR_INIT;
    assert_false(openai_chat_codec.decode_reply(STR_LIT("{\"error\":{\"message\":\"no\"}}"),
                                                &context, arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    assert_false(openai_chat_codec.decode_reply(STR_LIT("<html>"), &context, arena, &r, &err));
}

static void blocked_prompt_has_a_choice(void **state)
{
    (void)state;
    struct chat_reply r = {.blocked = true, .block_reason = STR_LIT("SAFETY")};
    assert_true(openai_chat_codec.encode_reply(&r, &context, arena, &out));
    text_is(buffer_str(&out), "choices[0].finish_reason", "content_filter");
}

#define D(delta) "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":" delta "}]}"
#define F(word)                                                                               \
    "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":" \
    "\"" word "\"}]}"

static void streams_of_providers(void **state)
{
    (void)state;
    static const struct {
        const char *events[12];
        const char *want;
    } cases[] = {
        /* OpenAI: role alone, nulls, usage with empty choices */
        {{D("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"),
          D("{\"content\":\"Hi\"}"), D("{\"content\":null}"), F("stop"),
          "{\"id\":\"i\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
          "[DONE]"},
         "start text:Hi finish0:1 usage:3+4 end"},
        /* Azure's first chunk; interleaved fragments; last usage with choices, no [DONE] */
        {{"{\"id\":\"\",\"model\":\"\",\"choices\":[],\"prompt_filter_results\":[]}",
          D("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"\"}}]}"),
          D("{\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\","
            "\"arguments\":\"{\"}}]}"),
          D("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}},"
            "{\"index\":1,\"function\":{\"arguments\":\"}\"}}]}"),
          "{\"choices\":[{\"index\":0,\"delta\":{\"content\":null},\"finish_reason\":"
          "\"tool_calls\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}"},
         "start tool0:a:f tool1:b:g args1:{ args0:{} args1:} finish0:4 usage:1+2 end"},
        /* index 0 for each whole call, own ids; arguments as an object; "stop" */
        {{D("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{}\"}},{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"g\","
            "\"arguments\":{\"x\":1}}}]}"),
          F("stop"), "[DONE]"},
         "start tool0:a:f args0:{} tool1:b:g args1:{\"x\":1} finish0:4 end"},
        /* neither index nor id */
        {{D("{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
            "{\"function\":{\"name\":\"f\",\"arguments\":\"[]\"}}]}"),
          F("eos")},
         "start tool0:call_00112233445566778899aabbccddeeff_0_0:f args0:{} "
         "tool1:call_00112233445566778899aabbccddeeff_0_1:f args1:[] finish0:4 end"},
        /* DeepSeek's and OpenRouter's thoughts, Groq's usage */
        {{D("{\"reasoning_content\":\"a\",\"content\":null}"),
          D("{\"reasoning\":\"b\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":"
            "\"b\",\"format\":\"anthropic-claude-v1\"}]}"),
          D("{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"signature\":\"s\",\"format\":"
            "\"anthropic-claude-v1\"}]}"),
          D("{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":"
            "\"c\"}]},{\"type\":\"text\",\"text\":\"d\"}]}"),
          "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"end_turn\"}],\"x_groq\":"
          "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}}",
          "[DONE]"},
         "start thinking:a thinking:b signature:s thinking:c text:d finish0:1 usage:1+1 end"},
        /* an error within; nothing behind it counts */
        {{D("{\"content\":\"a\"}"), "{\"error\":{\"message\":\"boom\",\"code\":502}}",
          D("{\"content\":\"b\"}"), "[DONE]"},
         "start text:a error:boom"},
        /* cut: no end */
        {{D("{\"content\":\"a\"}")}, "start text:a"},
        /* legacy function_call */
        {{D("{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}"),
          D("{\"function_call\":{\"arguments\":\"{}\"}}"), F("function_call"), "[DONE]"},
         "start tool0:call_00112233445566778899aabbccddeeff_0_0:f args0:{} finish0:4 end"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(chunks_of(CHAT, cases[i].events), cases[i].want);
    }
}

static void garbage_is_told(void **state)
{
    (void)state;
    void *d = openai_chat_codec.decoder_new(&context, arena, on_chunk, NULL);
    assert_false(openai_chat_codec.decode_event(d, arena, STR_NONE, STR_LIT("{\"a\"")));
}

static void stream_is_written(void **state)
{
    (void)state;
    static const char *const events[] = {
        D("{\"role\":\"assistant\",\"content\":\"\"}"),
        D("{\"content\":\"H\\u00e9\"}"),
        D("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\"}}]}"),
        D("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\"}}]}"),
        F("tool_calls"),
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
        "[DONE]",
        NULL};
    decode(CHAT, "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":"
                 "\"q\"}]}");
    struct str b = streamed(CHAT, CHAT, events);
    text_is(event_with(b, "role", 0), "choices[0].delta.role", "assistant");
    text_is(event_with(b, "\"content\":\"H", 0), "choices[0].delta.content", "H\xc3\xa9");
    text_is(event_with(b, "\"name\":\"f\"", 0), "choices[0].delta.tool_calls[0].id", "a");
    /* a call without arguments is an empty object */
    text_is(event_with(b, "\"arguments\":\"{}\"", 0), "choices[0].delta.tool_calls[0].index", "0");
    text_is(event_with(b, "finish_reason\":\"t", 0), "choices[0].finish_reason", "tool_calls");
    assert_false(holds(b, "usage"));
    assert_true(str_ends(b, STR_LIT("data: [DONE]\n\n")));
    decode(CHAT, "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
                 "\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}");
    b = streamed(CHAT, CHAT, events);
    text_is(event_with(b, "prompt_tokens", 0), "usage.total_tokens", "7");
    text_is(event_with(b, "prompt_tokens", 0), "choices", "[]");
}

static void error_ends_the_stream_visibly(void **state)
{
    (void)state;
    static const char *const events[] = {
        D("{\"content\":\"a\"}"), "{\"error\":{\n\"message\":\"boom\",\"type\":\"x\"}}", NULL};
    struct str b = streamed(CHAT, CHAT, events);
    struct str e = event_with(b, "boom", 0);
    text_is(e, "error.message", "boom");
    text_is(e, "error.type", "x");
    text_is(e, "weir.provider_error.error.message", "boom");
    assert_false(holds(b, "[DONE]"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
    const struct CMUnitTest tests[] = {
        T(plain_request_loses_nothing),
        T(tools_go_round),
        T(allowed_tools_leave_only_those),
        T(legacy_functions_are_tools),
        T(wrong_fields_are_named_by_path),
        T(losses_are_named),
        T(what_cannot_be_given_at_all_is_refused),
        T(quirks_are_heeded),
        T(reasoning_models_get_their_words),
        T(thinking_comes_back_with_its_proof),
        T(answer_goes_round),
        T(answers_of_others_are_understood),
        T(blocked_prompt_has_a_choice),
        T(streams_of_providers),
        T(garbage_is_told),
        T(stream_is_written),
        T(error_ends_the_stream_visibly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

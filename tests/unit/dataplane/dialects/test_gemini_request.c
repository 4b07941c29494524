/* dialects/gemini_*: requests of Gemini clients in, requests for Gemini out. */
#include "dataplane/dialects/gemini_rig.h"

static struct chat_request request;

static void decode(const char *body)
{
    struct wire_request w = {.body = str_of(body), .model = STR_LIT("m"), .stream = true};
    struct error err = ERROR_INIT;
    if (!gemini_codec.decode_request(&w, arena, &request, &err)) {
        print_error("%s (%s)\n", error_text(&err), err.param);
        fail();
    }
}

static void refuses(const char *body, const char *param)
{
    struct wire_request w = {.body = str_of(body), .model = STR_LIT("m")};
    struct error err = ERROR_INIT;
    assert_false(gemini_codec.decode_request(&w, arena, &request, &err));
    assert_string_equal(err.param, param);
}

static const char *encoded(void)
{
    struct error err = ERROR_INIT;
    buffer_clear(&output);
    if (!gemini_codec.encode_request(&request, &context, arena, &output, &err)) {
        print_error("%s (%s)\n", error_text(&err), err.param);
        fail();
    }
    return json_out();
}

static const char *extra(const char *name)
{
    for (size_t i = 0; i < request.n_extras; i++) {
        if (str_eqz(request.extras[i].name, name)) {
            return text_of(request.extras[i].raw);
        }
    }
    return NULL;
}

/* A request as another client's decoder leaves it. */
static struct message foreign_messages[8];
static struct part foreign_parts[8];

static void foreign(size_t n)
{
    request = (struct chat_request){.family = FAMILY_CHAT,
                                    .messages = foreign_messages,
                                    .n_messages = n,
                                    .parallel_tool_calls = -1,
                                    .schema_strict = -1,
                                    .logprobs = -1,
                                    .top_logprobs = -1,
                                    .store = -1,
                                    .reasoning = {.budget = -1, .include = -1}};
    memset(foreign_parts, 0, sizeof(foreign_parts));
    for (size_t i = 0; i < n; i++) {
        foreign_messages[i] =
            (struct message){.role = ROLE_USER, .parts = &foreign_parts[i], .n_parts = 1};
        foreign_parts[i].text = STR_LIT("hi");
    }
}

/* ---- in ---- */

static void both_spellings_are_read(void **state)
{
    (void)state;
    decode("{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"a\\u00e9\"},{\"inline_data\":{"
           "\"mime_type\":\"image/png\",\"data\":\"-_8\"}}]}],\"system_instruction\":{\"parts\":[{"
           "\"text\":\"S\"}]},\"generation_config\":{\"max_output_tokens\":7,\"stop_sequences\":["
           "\"x\"],\"top_p\":0.90,\"thinking_config\":{\"thinking_budget\":-1,\"include_thoughts\":"
           "true}},\"safety_settings\":[{}],\"newThing\":1,\"labels\":null}");
    assert_true(request.stream);
    assert_string_equal(text_of(request.model), "m");
    assert_int_equal(request.n_messages, 2);
    assert_int_equal(request.messages[0].role, ROLE_SYSTEM);
    const struct message *m = &request.messages[1];
    assert_string_equal(text_of(m->parts[0].text), "a\xc3\xa9");
    assert_int_equal(m->parts[1].type, PART_IMAGE);
    assert_string_equal(text_of(m->parts[1].media.data), "+/8=");
    assert_int_equal(request.max_tokens, 7);
    assert_string_equal(text_of(request.stop[0]), "x");
    assert_string_equal(text_of(request.top_p), "0.90");
    assert_true(request.reasoning.adaptive);
    assert_int_equal(request.reasoning.include, 1);
    assert_string_equal(text_of(request.safety), "[{}]");
    assert_string_equal(extra("newThing"), "1");
    assert_null(request.metadata.ptr);
}

static void lenient_contents(void **state)
{
    (void)state;
    decode("{\"contents\":\"hi\"}");
    assert_string_equal(text_of(request.messages[0].parts[0].text), "hi");
    decode("{\"contents\":{\"parts\":{\"text\":\"one\"}},\"systemInstruction\":\"S\"}");
    assert_string_equal(text_of(request.messages[0].parts[0].text), "S");
    assert_string_equal(text_of(request.messages[1].parts[0].text), "one");
    decode("{\"generateContentRequest\":{\"model\":\"models/x\",\"contents\":[\"count me\"]}}");
    assert_string_equal(text_of(request.messages[0].parts[0].text), "count me");
}

static void wrong_requests_are_named(void **state)
{
    (void)state;
    refuses("{}", "contents");
    refuses("{\"contents\":[]}", "contents");
    refuses("{\"contents\":[{\"role\":\"king\",\"parts\":[{\"text\":\"\"}]}]}", "contents[0].role");
    refuses("{\"contents\":[{\"parts\":[{\"text\":1}]}]}", "contents[0].parts[0].text");
    refuses("{\"contents\":[{\"parts\":[{}]}]}", "contents[0].parts[0]");
    refuses("{\"contents\":[{\"parts\":[{\"text\":\"a\"},{\"functionCall\":{}}]}]}",
            "contents[0].parts[1].functionCall.name");
    refuses("{\"contents\":\"a\",\"generationConfig\":{\"topK\":\"x\"}}", "generationConfig.topK");
    refuses("{\"contents\":\"a\",\"tools\":[{\"functionDeclarations\":[{}]}]}",
            "tools[0].functionDeclarations[0].name");
    struct wire_request w = {.body = STR_LIT("{\"contents\":")};
    struct error err = ERROR_INIT;
    assert_false(gemini_codec.decode_request(&w, arena, &request, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
    assert_int_equal(err.offset, 12);
    w.body = STR_LIT("{\"contents\":\"a\",\"contents\":\"b\"}");
    assert_false(gemini_codec.decode_request(&w, arena, &request, &err));
    assert_int_equal(err.code, ERR_INVALID_JSON);
}

static void results_find_their_calls(void **state)
{
    (void)state;
    decode(
        "{\"contents\":[{\"parts\":[{\"text\":\"q\"}]},{\"role\":\"model\",\"parts\":["
        "{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}},\"thoughtSignature\":\"c2ln\"},"
        "{\"functionCall\":{\"name\":\"g\"}},{\"functionCall\":{\"id\":\"own\",\"name\":\"f\"}}]}"
        ",{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"name\":\"g\",\"response\":{"
        "\"result\":\"G\"}}},{\"functionResponse\":{\"id\":\"own\",\"name\":\"f\",\"response\":{"
        "\"x\":[1]}}},{\"functionResponse\":{\"name\":\"f\",\"response\":{\"error\":\"E\"}}},"
        "{\"text\":\"go on\"}]}]}");
    assert_int_equal(request.n_messages, 6);
    const struct part *calls = request.messages[1].parts;
    assert_string_equal(text_of(calls[0].arguments), "{\"a\":1}");
    assert_string_equal(text_of(calls[0].signature), "c2ln");
    assert_int_equal(calls[0].signature_family, FAMILY_GEMINI);
    assert_string_equal(text_of(calls[1].arguments), "{}");
    assert_string_not_equal(text_of(calls[0].id), text_of(calls[1].id));
    const struct part *g = &request.messages[2].parts[0], *own = &request.messages[3].parts[0],
                      *f = &request.messages[4].parts[0];
    assert_int_equal(request.messages[2].role, ROLE_TOOL);
    assert_string_equal(text_of(g->id), text_of(calls[1].id));
    assert_string_equal(text_of(g->parts[0].text), "G");
    assert_string_equal(text_of(own->id), "own");
    assert_string_equal(text_of(own->parts[0].text), "{\"x\":[1]}");
    assert_string_equal(text_of(f->id), text_of(calls[0].id));
    assert_true(f->is_error);
    assert_string_equal(text_of(f->parts[0].text), "E");
    assert_int_equal(request.messages[5].role, ROLE_USER);
}

/* @google/genai keeps a streamed turn as one content per chunk. */
static void streamed_turns_become_one(void **state)
{
    (void)state;
    decode("{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q\"}]},"
           "{\"role\":\"model\",\"parts\":[{\"text\":\"th\",\"thought\":true}]},"
           "{\"role\":\"model\",\"parts\":[{\"text\":\"ink\",\"thought\":true}]},"
           "{\"role\":\"model\",\"parts\":[{\"text\":\"\",\"thought\":true,\"thoughtSignature\":"
           "\"d2Vpcjp0Om1lc3NhZ2VzOlNJRw==\"}]},"
           "{\"role\":\"model\",\"parts\":[{\"text\":\"Hel\"}]},"
           "{\"role\":\"model\",\"parts\":[{\"text\":\"lo\"}]},"
           "{\"role\":\"user\",\"parts\":[{\"text\":\"r\"}]}]}");
    assert_int_equal(request.n_messages, 3);
    const struct message *m = &request.messages[1];
    assert_int_equal(m->n_parts, 2);
    assert_int_equal(m->parts[0].type, PART_THINKING);
    assert_string_equal(text_of(m->parts[0].text), "think");
    assert_string_equal(text_of(m->parts[0].signature), "SIG");
    assert_int_equal(m->parts[0].signature_family, FAMILY_MESSAGES);
    assert_string_equal(text_of(m->parts[1].text), "Hello");
}

static void media_find_their_kind(void **state)
{
    (void)state;
    decode("{\"contents\":[{\"parts\":["
           "{\"inlineData\":{\"mimeType\":\"audio/wav\",\"data\":\"AAAA\"}},"
           "{\"fileData\":{\"fileUri\":\"https://youtu.be/x\"}},"
           "{\"fileData\":{\"mimeType\":\"application/pdf\",\"fileUri\":\"gs://b/x.pdf\"},"
           "\"videoMetadata\":{\"fps\":1}},"
           "{\"fileData\":{\"mimeType\":\"image/png\",\"fileUri\":"
           "\"https://generativelanguage.googleapis.com/v1beta/files/abc\"}},"
           "{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}}]}]}");
    const struct part *p = request.messages[0].parts;
    assert_int_equal(p[0].type, PART_AUDIO);
    assert_string_equal(text_of(p[0].media.format), "wav");
    assert_int_equal(p[1].type, PART_VIDEO);
    assert_int_equal(p[2].type, PART_DOCUMENT);
    assert_string_equal(text_of(p[2].media.url), "gs://b/x.pdf");
    assert_int_equal(p[3].type, PART_IMAGE);
    assert_non_null(p[3].media.file_id.ptr);
    assert_null(p[3].media.url.ptr);
    assert_int_equal(p[4].type, PART_NATIVE);
    assert_string_equal(extra("contents.parts.videoMetadata"), "{\"fps\":1}");
}

static void tools_and_settings_are_read(void **state)
{
    (void)state;
    decode("{\"contents\":\"q\",\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\","
           "\"description\":\"D\",\"parameters\":{\"type\":\"OBJECT\",\"properties\":{\"a\":{"
           "\"type\":\"STRING\",\"nullable\":true},\"l\":{\"type\":\"ARRAY\",\"items\":{\"type\":"
           "\"INTEGER\",\"format\":\"int32\"},\"minItems\":\"2\"}},\"propertyOrdering\":[\"a\"]}},"
           "{\"name\":\"g\",\"parametersJsonSchema\":{\"type\":\"object\"}}],\"googleSearch\":{}}],"
           "\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":["
           "\"f\"]}},\"generationConfig\":{\"responseMimeType\":\"application/json\","
           "\"responseSchema\":{\"type\":\"STRING\"},\"responseLogprobs\":true,\"logprobs\":3,"
           "\"candidateCount\":2,\"responseModalities\":[\"TEXT\",\"IMAGE\"],\"mediaResolution\":"
           "\"MEDIA_RESOLUTION_LOW\",\"thinkingConfig\":{\"thinkingLevel\":\"HIGH\"},"
           "\"speechConfig\":{\"voiceConfig\":{\"prebuiltVoiceConfig\":{\"voiceName\":\"Kore\"}}}}"
           "}");
    assert_int_equal(request.n_tools, 3);
    assert_string_equal(text_of(request.tools[0].parameters),
                        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]"
                        "},\"l\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"format\":"
                        "\"int32\"},\"minItems\":2}}}");
    assert_true(request.tools[2].builtin);
    assert_string_equal(text_of(request.tools[2].raw), "{\"googleSearch\":{}}");
    assert_int_equal(request.tool_choice, CHOICE_NAMED);
    assert_string_equal(text_of(request.tool_choice_name), "f");
    assert_int_equal(request.output, OUTPUT_SCHEMA);
    assert_string_equal(text_of(request.schema), "{\"type\":\"string\"}");
    assert_int_equal(request.logprobs, 1);
    assert_int_equal(request.top_logprobs, 3);
    assert_int_equal(request.n, 2);
    assert_true(request.wants_image);
    assert_string_equal(text_of(request.audio_voice), "Kore");
    assert_int_equal(request.reasoning.effort, EFFORT_HIGH);
    assert_string_equal(extra("generationConfig.mediaResolution"), "\"MEDIA_RESOLUTION_LOW\"");
    assert_null(extra("generationConfig.speechConfig"));
}

/* ---- out ---- */

static void foreign_history_is_written(void **state)
{
    (void)state;
    foreign(6);
    foreign_messages[0].role = ROLE_DEVELOPER;
    foreign_parts[0].text = STR_LIT("S");
    foreign_messages[2].role = ROLE_ASSISTANT;
    foreign_parts[2] = (struct part){.type = PART_TOOL_CALL,
                                     .id = STR_LIT("c1"),
                                     .name = STR_LIT("f"),
                                     .arguments = STR_LIT("{\"a\":1}")};
    struct part results[2] = {{.type = PART_TEXT, .text = STR_LIT("plain")},
                              {.type = PART_TEXT, .text = STR_LIT(" {\"k\":2} ")}};
    for (size_t i = 3; i < 5; i++) {
        foreign_messages[i].role = ROLE_TOOL;
        foreign_parts[i] = (struct part){
            .type = PART_TOOL_RESULT, .id = STR_LIT("c1"), .parts = &results[i - 3], .n_parts = 1};
    }
    assert_string_equal(
        encoded(),
        "{\"systemInstruction\":{\"parts\":[{\"text\":\"S\"}]},\"contents\":[{\"role\":\"user\","
        "\"parts\":[{\"text\":\"hi\"}]},{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"id\":"
        "\"c1\",\"name\":\"f\",\"args\":{\"a\":1}}}]},{\"role\":\"user\",\"parts\":[{"
        "\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{\"result\":\"plain\"}}},{"
        "\"functionResponse\":{\"id\":\"c1\",\"name\":\"f\",\"response\":{\"k\":2}}}]},{\"role\":"
        "\"user\",\"parts\":[{\"text\":\"hi\"}]}]}");
    assert_int_equal(losses.n, 0);
    context.model = STR_LIT("gemini-3-pro-preview");
    has(encoded(), "\"thoughtSignature\":\"skip_thought_signature_validator\"");
    foreign_parts[2].signature = STR_LIT("mine");
    foreign_parts[2].signature_family = FAMILY_GEMINI;
    has(encoded(), "\"thoughtSignature\":\"mine\"");
    foreign_parts[3].is_error = true;
    has(encoded(), "\"response\":{\"error\":\"plain\"}");
}

static void system_alone_is_said_by_the_user(void **state)
{
    (void)state;
    foreign(1);
    foreign_messages[0].role = ROLE_SYSTEM;
    assert_string_equal(encoded(),
                        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}");
}

static void media_are_written(void **state)
{
    (void)state;
    foreign(5);
    foreign_parts[0] = (struct part){
        .type = PART_IMAGE, .media = {.data = STR_LIT("QQ=="), .media_type = STR_LIT("image/png")}};
    foreign_parts[1] =
        (struct part){.type = PART_IMAGE, .media = {.url = STR_LIT("https://x/y.webp?z=1")}};
    foreign_parts[2] = (struct part){.type = PART_AUDIO,
                                     .media = {.data = STR_LIT("QQ=="), .format = STR_LIT("mp3")}};
    foreign_parts[3] = (struct part){.type = PART_DOCUMENT, .media = {.text = STR_LIT("A")}};
    const char *text = encoded();
    has(text, "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"QQ==\"}}");
    has(text, "\"fileUri\":\"https://x/y.webp?z=1\"");
    has(text, "{\"inlineData\":{\"mimeType\":\"audio/mpeg\",\"data\":\"QQ==\"}}");
    has(text, "{\"inlineData\":{\"mimeType\":\"text/plain\",\"data\":\"QQ==\"}}");
    foreign_parts[1].media = (struct media){.file_id = STR_LIT("file-1")};
    struct error err = ERROR_INIT;
    assert_false(gemini_codec.encode_request(&request, &context, arena, &output, &err));
    assert_string_equal(err.param, "messages[1].content[0]");
    assert_string_equal(lost(), "image");
}

static void settings_are_written(void **state)
{
    (void)state;
    struct tool tool = {.name = STR_LIT("f"),
                        .strict = 1,
                        .parameters = STR_LIT("{\"type\":\"object\",\"additionalProperties\":false,"
                                              "\"properties\":{\"a\":{\"type\":\"string\"}}}")};
    struct str stop[] = {STR_LIT("a"), STR_LIT("b")};
    foreign(1);
    request.tools = &tool;
    request.n_tools = 1;
    request.tool_choice = CHOICE_NAMED;
    request.tool_choice_name = STR_LIT("f");
    request.temperature = STR_LIT("0.30");
    request.max_tokens = 9;
    request.stop = stop;
    request.n_stop = 2;
    request.n = 3;
    request.seed = STR_LIT("7");
    request.output = OUTPUT_SCHEMA;
    request.schema = STR_LIT("{\"type\":\"object\",\"properties\":{\"x\":{\"type\":[\"string\","
                             "\"null\"]}},\"additionalProperties\":false}");
    request.logprobs = 1;
    request.top_logprobs = 2;
    request.logit_bias = STR_LIT("{}");
    request.parallel_tool_calls = 0;
    request.user = STR_LIT("u");
    assert_string_equal(
        encoded(),
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}],\"tools\":[{"
        "\"functionDeclarations\":[{\"name\":\"f\",\"parameters\":{\"type\":\"object\","
        "\"properties\":{\"a\":{\"type\":\"string\"}}}}]}],\"toolConfig\":{"
        "\"functionCallingConfig\":{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"f\"]}},"
        "\"generationConfig\":{\"temperature\":0.30,\"maxOutputTokens\":9,\"stopSequences\":[\"a\","
        "\"b\"],\"candidateCount\":3,\"seed\":7,\"responseMimeType\":\"application/json\","
        "\"responseSchema\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"string\","
        "\"nullable\":true}}},\"responseLogprobs\":true,\"logprobs\":2}}");
    assert_string_equal(lost(), "tools.strict, parallel_tool_calls, logit_bias, user");
    tool.parameters = STR_LIT("{\"type\":\"object\",\"properties\":{}}");
    has_not(encoded(), "\"parameters\"");
}

static const char *thinking(const char *model, enum effort effort, int64_t budget)
{
    foreign(1);
    losses = (struct losses){.n = 0};
    context.model = str_of(model);
    request.reasoning.effort = effort;
    request.reasoning.budget = budget;
    const char *text = encoded();
    const char *at = strstr(text, "\"thinkingConfig\":");
    return at ? at + 17 : "";
}

static void effort_becomes_budget_or_level(void **state)
{
    (void)state;
    assert_string_equal(thinking("gemini-2.5-flash", EFFORT_UNSET, -1), "");
    assert_string_equal(thinking("gemini-2.5-flash", EFFORT_NONE, -1), "{\"thinkingBudget\":0}}}");
    assert_string_equal(thinking("gemini-2.5-flash", EFFORT_LOW, -1),
                        "{\"includeThoughts\":true,\"thinkingBudget\":1024}}}");
    assert_string_equal(thinking("gemini-2.5-flash", EFFORT_MAX, -1),
                        "{\"includeThoughts\":true,\"thinkingBudget\":24576}}}");
    assert_int_equal(losses.n, 0);
    assert_string_equal(thinking("gemini-2.5-pro", EFFORT_NONE, -1), "{\"thinkingBudget\":128}}}");
    assert_string_equal(lost(), "reasoning_effort");
    assert_string_equal(thinking("gemini-2.5-pro", EFFORT_UNSET, 2000),
                        "{\"includeThoughts\":true,\"thinkingBudget\":2000}}}");
    assert_string_equal(thinking("models/gemini-3-flash-preview", EFFORT_NONE, -1),
                        "{\"thinkingLevel\":\"minimal\"}}}");
    assert_string_equal(thinking("gemini-3-pro-preview", EFFORT_LOW, -1),
                        "{\"includeThoughts\":true,\"thinkingLevel\":\"low\"}}}");
    assert_string_equal(thinking("gemini-3.1-pro", EFFORT_XHIGH, -1),
                        "{\"includeThoughts\":true,\"thinkingLevel\":\"high\"}}}");
    assert_string_equal(thinking("gemini-2.0-flash", EFFORT_HIGH, -1), "");
    assert_string_equal(lost(), "reasoning_effort");
}

static void foreign_pieces_are_named_when_lost(void **state)
{
    (void)state;
    struct tool builtin = {.builtin = true, .family = FAMILY_MESSAGES, .raw = STR_LIT("{}")};
    struct extra more = {STR_LIT("made_up"), STR_LIT("1")};
    foreign(3);
    foreign_messages[1].role = ROLE_ASSISTANT;
    foreign_parts[1] = (struct part){.type = PART_THINKING,
                                     .text = STR_LIT("t"),
                                     .signature = STR_LIT("s"),
                                     .signature_family = FAMILY_MESSAGES};
    foreign_parts[2].cache = CACHE_5M;
    request.tools = &builtin;
    request.n_tools = 1;
    request.extras = &more;
    request.n_extras = 1;
    request.metadata = STR_LIT("{\"a\":\"b\"}");
    assert_string_equal(encoded(), "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"},"
                                   "{\"text\":\"hi\"}]}]}");
    has(lost(), "messages.thinking_blocks");
    has(lost(), "cache_control");
    has(lost(), "tools");
    has(lost(), "metadata");
    has(lost(), "made_up");
}

/* What a Gemini client says reaches Gemini again, whatever neutral form it went through. */
static void own_requests_come_back(void **state)
{
    static const char body[] =
        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"q\"}]},{\"role\":\"model\","
        "\"parts\":[{\"text\":\"t\",\"thought\":true,\"thoughtSignature\":\"c2ln\"},{"
        "\"executableCode\":{\"code\":\"1\"}}]},{\"role\":\"user\",\"parts\":[{\"text\":\"r\"}]}],"
        "\"tools\":[{\"codeExecution\":{}}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":"
        "\"VALIDATED\"},\"retrievalConfig\":{\"x\":1}},\"generationConfig\":{\"topK\":3,"
        "\"thinkingConfig\":{\"includeThoughts\":false,\"thinkingBudget\":5},\"mediaResolution\":"
        "\"LOW\"},\"safetySettings\":[{}],\"cachedContent\":\"c/"
        "1\",\"labels\":{\"a\":\"b\"},\"more\":"
        "[1]}";
    (void)state;
    decode(body);
    assert_string_equal(encoded(), body);
    assert_int_equal(losses.n, 0);
}

static void counting_wraps_what_is_more_than_contents(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    foreign(2);
    foreign_messages[0].role = ROLE_SYSTEM;
    assert_true(gemini_count_codec.encode_request(&request, &context, arena, &output, &err));
    assert_string_equal(json_out(),
                        "{\"generateContentRequest\":{\"model\":\"models/gemini-2.5-flash\","
                        "\"systemInstruction\":{\"parts\":[{\"text\":\"hi\"}]},\"contents\":[{"
                        "\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}}");
    foreign(1);
    buffer_clear(&output);
    assert_true(gemini_count_codec.encode_request(&request, &context, arena, &output, &err));
    assert_string_equal(json_out(),
                        "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}");
    uint64_t n = 0;
    assert_true(gemini_count_codec.decode_reply(STR_LIT("{\"totalTokens\":31}"), &n, &err));
    assert_int_equal(n, 31);
    assert_false(gemini_count_codec.decode_reply(STR_LIT("{}"), &n, &err));
    buffer_clear(&output);
    assert_true(gemini_count_codec.encode_reply(5, arena, &output));
    assert_string_equal(json_out(), "{\"totalTokens\":5}");
}

/* What Gemini's command line sends: texts without a word, topK with a fraction, empty settings. */
static void empty_things_are_passed_over(void **state)
{
    (void)state;
    decode("{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"\"},{\"text\":\"go\"}]},{"
           "\"role\":\"model\",\"parts\":[{\"text\":\"\"},{\"functionCall\":{\"name\":\"f\"}}]},{"
           "\"role\":\"user\",\"parts\":[{\"text\":\"\"}]}],\"safetySettings\":[],"
           "\"generationConfig\":{\"topK\":64.0}}");
    assert_int_equal(request.messages[0].n_parts, 1);
    assert_string_equal(text_of(request.messages[0].parts[0].text), "go");
    assert_int_equal(request.messages[1].n_parts, 1);
    assert_int_equal(request.messages[1].parts[0].type, PART_TOOL_CALL);
    assert_int_equal(request.messages[2].n_parts, 1); /* all that it has */
    assert_string_equal(text_of(request.top_k), "64");
    assert_null(request.safety.ptr);
    decode("{\"contents\":\"x\",\"generationConfig\":{\"topK\":1.5}}");
    assert_string_equal(text_of(request.top_k), "1.5");
}

static void unsigned_calls_are_signed_where_that_is_due(void **state)
{
    static const struct {
        const char *model;
        bool due;
    } cases[] = {{"gemini-3-pro-preview", true},
                 {"models/gemini-3.1-flash", true},
                 {"gemini-flash-latest", true},
                 {"gemini-2.5-pro", false},
                 {"gemma-3-27b-it", false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = ERROR_INIT;
        foreign(2);
        foreign_messages[1].role = ROLE_ASSISTANT;
        foreign_parts[1] = (struct part){.type = PART_TOOL_CALL,
                                         .id = STR_LIT("c"),
                                         .name = STR_LIT("f"),
                                         .arguments = STR_LIT("{}")};
        context.model = str_of(cases[i].model);
        buffer_clear(&output);
        assert_true(gemini_codec.encode_request(&request, &context, arena, &output, &err));
        (cases[i].due ? has : has_not)(json_out(), "skip_thought_signature_validator");
    }
}

static void models_that_cannot_think_are_not_asked_to(void **state)
{
    static const char *const models[] = {"gemini-2.5-flash-image", "gemini-2.5-pro-preview-tts",
                                         "gemini-2.0-flash"};
    (void)state;
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        struct error err = ERROR_INIT;
        foreign(1);
        request.reasoning.effort = EFFORT_LOW;
        context.model = str_of(models[i]);
        losses = (struct losses){.n = 0};
        buffer_clear(&output);
        assert_true(gemini_codec.encode_request(&request, &context, arena, &output, &err));
        has_not(json_out(), "thinkingConfig");
        assert_int_equal(losses.n, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(both_spellings_are_read),
        CASE(lenient_contents),
        CASE(wrong_requests_are_named),
        CASE(results_find_their_calls),
        CASE(streamed_turns_become_one),
        CASE(media_find_their_kind),
        CASE(tools_and_settings_are_read),
        CASE(foreign_history_is_written),
        CASE(system_alone_is_said_by_the_user),
        CASE(media_are_written),
        CASE(settings_are_written),
        CASE(effort_becomes_budget_or_level),
        CASE(foreign_pieces_are_named_when_lost),
        CASE(own_requests_come_back),
        CASE(counting_wraps_what_is_more_than_contents),
        CASE(empty_things_are_passed_over),
        CASE(unsigned_calls_are_signed_where_that_is_due),
        CASE(models_that_cannot_think_are_not_asked_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

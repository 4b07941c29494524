/* What belongs to a client's tools, towards providers that would refuse it, and back: long names
 * and ids, proofs, and who speaks first. */
#include "messages_test.h"

static struct chat_request asked;

/* ---- what providers of other families refuse ---- */

#define LONG_TOOL "mcp__server__tool_with_a_name_that_is_longer_than_sixty_four_bytes_in_all"
#define LONG_ID "toolu_0123456789012345678901234567890123456789012345678901234567890123456789"

static const char long_names[] =
    "{\"model\":\"fast\",\"max_tokens\":100,\"metadata\":{\"user_id\":"
    "\"user_0123456789012345678901234567890123456789012345678901234567890123456789\"},"
    "\"tools\":[{\"name\":\"Bash\",\"input_schema\":{\"type\":\"object\"}},{\"name\":\"" LONG_TOOL
    "\",\"input_schema\":{\"type\":\"object\"}}],\"tool_choice\":{\"type\":\"tool\",\"name\":"
    "\"" LONG_TOOL "\"},\"messages\":[{\"role\":\"user\",\"content\":\"go\"},{\"role\":"
    "\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"" LONG_ID "\",\"name\":\"" LONG_TOOL
    "\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"
    "\"tool_result\",\"tool_use_id\":\"" LONG_ID "\",\"content\":\"ok\"}]}]}";

static void send_body(const char *body, const struct chat_codec *from, const struct chat_codec *to)
{
    struct wire_request w = {.body = str_of(body), .model = STR_LIT("m")};
    struct error err = ERROR_INIT;
    struct json_value v;
    losses = (struct losses){.n = 0};
    context.model = STR_LIT("m");
    context.request = &asked;
    buffer_clear(&out);
    assert_true(from->decode_request(&w, arena, &asked, &err));
    assert_true(to->encode_request(&asked, &context, arena, &out, &err));
    assert_true(json_validate(buffer_str(&out), 0, &v, NULL));
}

/* The text between `before` and the next quote. */
static struct str quoted_after(const char *before)
{
    const char *p = strstr(out_text(), before);
    assert_non_null(p);
    p += strlen(before);
    return (struct str){p, strcspn(p, "\"")};
}

static size_t count(struct str piece)
{
    size_t n = 0;
    const char *p = out_text();
    while ((p = memmem(p, strlen(p), piece.ptr, piece.len))) {
        n++;
        p += piece.len;
    }
    return n;
}

struct called {
    const struct chat_codec *codec;
    const char *name_before, *id_before;
    const char *whole, *event; /* answers that call "@" */
};

static struct str calling(const char *answer, struct str name)
{
    const char *at = strchr(answer, '@');
    assert_non_null(at);
    return arena_printf(arena, "%.*s%.*s%s", (int)(at - answer), answer, STR_ARG(name), at + 1);
}

static struct str name_of_first_call(const struct chat_reply *r)
{
    for (size_t i = 0; i < r->choices[0].n_parts; i++) {
        if (r->choices[0].parts[i].type == PART_TOOL_CALL) {
            return r->choices[0].parts[i].name;
        }
    }
    return STR_NONE;
}

static struct str begun;

static void note_call(void *arg, const struct chunk *c)
{
    (void)arg;
    if (c->type == CHUNK_TOOL_BEGIN) {
        begun = arena_str(arena, c->name);
    }
}

static const struct called called[] = {
    {&openai_chat_codec, "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"",
     "\"tool_call_id\":\"",
     "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
     "\"function\":{\"name\":\"@\",\"arguments\":\"{}\"}}]}}]}",
     "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"type\":"
     "\"function\",\"function\":{\"name\":\"@\",\"arguments\":\"{}\"}}]}}]}"},
    {&openai_responses_codec, "\"tool_choice\":{\"type\":\"function\",\"name\":\"",
     "\"call_id\":\"",
     "{\"output\":[{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"@\","
     "\"arguments\":\"{}\"}]}",
     "{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":"
     "\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"@\",\"arguments\":\"\"}}"},
    {&gemini_codec, "\"allowedFunctionNames\":[\"", NULL,
     "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"@\"}}]}}]}",
     "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"@\"}}]}}]}"},
};

static void long_names_fit_and_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(called) / sizeof(called[0]); i++) {
        const struct called *c = &called[i];
        struct chat_reply r;
        struct error err = ERROR_INIT;
        send_body(long_names, &messages_codec, c->codec);
        assert_lacks(LONG_TOOL);
        assert_true(holds("\"Bash\""));
        struct str name = quoted_after(c->name_before);
        assert_int_equal(name.len, 64);
        /* declared, chosen, called; Gemini's result names it too */
        assert_int_equal(count(name), c->id_before ? 3 : 4);
        if (c->id_before) {
            struct str id = quoted_after(c->id_before);
            assert_int_equal(id.len, 64);
            assert_int_equal(count(id), 2);
        }
        struct str body = calling(c->whole, name);
        assert_true(c->codec->decode_reply(body, &context, arena, &r, &err));
        assert_str(name_of_first_call(&r), LONG_TOOL);
        begun = STR_NONE;
        void *d = c->codec->decoder_new(&context, arena, note_call, NULL);
        assert_true(c->codec->decode_event(d, arena, STR_LIT(""), calling(c->event, name)));
        assert_str(begun, LONG_TOOL);
        body = calling(c->whole, STR_LIT("Bash"));
        assert_true(c->codec->decode_reply(body, &context, arena, &r, &err));
        assert_str(name_of_first_call(&r), "Bash");
    }
}

/* Each family's own clients know what they do. */
static void names_of_the_same_family_stay(void **state)
{
    (void)state;
    static const char body[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"q\"}],\"tools\":[{"
        "\"type\":"
        "\"function\",\"function\":{\"name\":\"9.a b\",\"parameters\":{\"type\":\"object\","
        "\"properties\":{\"a\":{\"type\":\"string\"}}}}},{\"type\":\"function\",\"function\":{"
        "\"name\":\"ns.tool:x-1\"}}]}";
    send_body(body, &openai_chat_codec, &openai_chat_codec);
    assert_true(holds("\"9.a b\""));
    send_body(body, &openai_chat_codec, &gemini_codec);
    assert_true(holds("\"ns.tool:x-1\"")); /* Google's alphabet has these */
    assert_true(holds("\"name\":\"_.a_b_"));
    send_body(body, &openai_chat_codec, &openai_responses_codec);
    assert_true(holds("\"ns_tool_x-1_"));
    send_body(
        "{\"contents\":[{\"parts\":[{\"text\":\"q\"}]}],\"tools\":[{\"functionDeclarations\":[{"
        "\"name\":\"9 x\"}]}]}",
        &gemini_codec, &gemini_codec);
    assert_true(holds("\"9 x\""));
}

static void a_user_too_long_is_left_out(void **state)
{
    (void)state;
    static const struct chat_codec *const codecs[] = {&openai_chat_codec, &openai_responses_codec};
    for (size_t i = 0; i < 2; i++) {
        context.provider_kind = STR_LIT("azure-openai");
        send_body(long_names, &messages_codec, codecs[i]);
        assert_lacks("\"user\":");
        assert_non_null(strstr(lost(), "metadata.user_id"));
        context.provider_kind = STR_LIT("groq");
        send_body(long_names, &messages_codec, codecs[i]);
        assert_true(holds("\"user\":\"user_0123"));
        assert_null(strstr(lost(), "metadata.user_id"));
        context.provider_kind = STR_LIT("openai");
        send_body(
            "{\"model\":\"m\",\"max_tokens\":9,\"metadata\":{\"user_id\":\"u1\"},\"messages\":[{"
            "\"role\":\"user\",\"content\":\"q\"}]}",
            &messages_codec, codecs[i]);
        assert_true(holds("\"user\":\"u1\""));
    }
}

/* ---- a proof that belongs to a call goes there and back ---- */

#define SIGNED                                                                                   \
    "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"I look.\"},{"      \
    "\"functionCall\":{\"name\":\"get_weather\",\"args\":{\"city\":\"Rome\"}},"                  \
    "\"thoughtSignature\":\"CikB0e+x/"                                                           \
    "w==\"},{\"functionCall\":{\"name\":\"get_weather\",\"args\":{"                              \
    "\"city\":\"Oslo\"}}}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{"         \
    "\"promptTokenCount\":3,\"candidatesTokenCount\":4,\"totalTokenCount\":7},\"modelVersion\":" \
    "\"gemini-3-pro-preview\",\"responseId\":\"r1\"}"

static void pass(void *arg, const struct chunk *c)
{
    assert_true(messages_codec.encode_chunk(arg, c, &out));
}

static void stream_to_claude_client(struct str event)
{
    asked = (struct chat_request){.family = FAMILY_MESSAGES, .stream = true};
    context.request = &asked;
    buffer_clear(&out);
    void *decoder = gemini_codec.decoder_new(&context, arena, pass,
                                             messages_codec.encoder_new(&context, arena));
    assert_non_null(decoder);
    assert_true(gemini_codec.decode_event(decoder, arena, STR_NONE, event));
    gemini_codec.decode_end(decoder);
}

/* The content blocks of a stream, as an SDK puts them together. */
static struct str blocks_of_stream(void)
{
    struct buffer b;
    const char *p = out_text();
    struct str held = STR_NONE, input = STR_NONE;
    buffer_init(&b, 1u << 20);
    (void)buffer_append_z(&b, "[");
    while ((p = strstr(p, "data: "))) {
        struct json_value v, inner;
        p += 6;
        struct str data = {p, strcspn(p, "\n")};
        assert_true(json_validate(data, 0, &v, NULL));
        struct str type = read_get_text(arena, v, "type");
        if (read_get(v, "content_block", &inner)) {
            held = inner.raw;
            input = STR_NONE;
        } else if (str_eqz(type, "content_block_delta") && read_get(v, "delta", &inner)) {
            struct json_value whole;
            assert_true(read_json(held, &whole));
            struct str kind = read_get_text(arena, whole, "type");
            struct str text = read_get_text(arena, inner, "text");
            struct str signature = read_get_text(arena, inner, "signature");
            struct str json = read_get_text(arena, inner, "partial_json");
            if (str_eqz(kind, "text")) { /* one delta each here */
                held = arena_printf(arena, "{\"type\":\"text\",\"text\":\"%.*s\"}", STR_ARG(text));
            } else if (str_eqz(kind, "thinking")) {
                held = arena_printf(
                    arena, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"%.*s\"}",
                    STR_ARG(signature));
            } else {
                input = json;
            }
        } else if (str_eqz(type, "content_block_stop")) {
            struct str whole = held;
            if (input.ptr) { /* its input stands last, empty */
                whole =
                    arena_printf(arena, "%.*s%.*s}", (int)(held.len - 3), held.ptr, STR_ARG(input));
            }
            (void)buffer_printf(&b, "%s%.*s", b.len > 1 ? "," : "", STR_ARG(whole));
        }
    }
    (void)buffer_append_z(&b, "]");
    struct str ret = arena_str(arena, buffer_str(&b));
    buffer_release(&b);
    return ret;
}

static void sent_back(struct str blocks, const struct chat_codec *to)
{
    struct str body = arena_printf(
        arena,
        "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{"
        "\"role\":\"assistant\",\"content\":%.*s},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"call_0123456789abcdef0123456789abcdef_0\",\"content\":"
        "\"mild\"},{\"type\":\"tool_result\",\"tool_use_id\":"
        "\"call_0123456789abcdef0123456789abcdef_1\",\"content\":\"cold\"}]}]}",
        STR_ARG(blocks));
    send_body(body.ptr, &messages_codec, to);
}

static void assert_signed(struct str blocks)
{
    sent_back(blocks, &gemini_codec);
    assert_true(holds("{\"text\":\"I look.\"},{\"functionCall\":{\"id\":"
                      "\"call_0123456789abcdef0123456789abcdef_0\",\"name\":\"get_weather\","
                      "\"args\":{\"city\":\"Rome\"}},\"thoughtSignature\":\"CikB0e+x/w==\"},{"
                      "\"functionCall\":{\"id\":\"call_0123456789abcdef0123456789abcdef_1\","
                      "\"name\":\"get_weather\",\"args\":{\"city\":\"Oslo\"}}}]"));
    assert_int_equal(count(STR_LIT("CikB0e+x/w==")), 1);
    sent_back(blocks, &vertex_messages_codec); /* nobody else is told */
    assert_lacks("CikB0e");
    assert_lacks("\"thinking\"");
}

static void a_calls_signature_comes_back(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct chat_reply r;
    struct json_value v, blocks;
    stream_to_claude_client(STR_LIT(SIGNED));
    assert_signed(blocks_of_stream());
    buffer_clear(&out);
    assert_true(gemini_codec.decode_reply(STR_LIT(SIGNED), &context, arena, &r, &err));
    assert_true(messages_codec.encode_reply(&r, &context, arena, &out));
    assert_true(read_json(arena_str(arena, buffer_str(&out)), &v));
    assert_true(read_get(v, "content", &blocks));
    assert_signed(blocks.raw);
}

/* Nothing is put in front of a conversation that the assistant begins: the provider says what it
 * thinks of it. */
static void the_assistant_may_speak_first(void **state)
{
    (void)state;
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":"
                               "\"Welcome.\"},{\"role\":"
                               "\"user\",\"content\":\"q\"}]}";
    static const char call[] =
        "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{"
        "\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{"
        "\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}]}";
    static const struct chat_codec *const codecs[] = {&messages_codec, &vertex_messages_codec,
                                                      &invoke_messages_codec, &converse_codec};
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        send_body(body, &openai_chat_codec, codecs[i]);
        assert_true(holds("\"messages\":[{\"role\":\"assistant\",\"content\":[{"));
        assert_true(holds("Welcome."));
        assert_int_equal(count(STR_LIT("\"role\":\"user\"")), 1);
        send_body(call, &openai_chat_codec, codecs[i]);
        assert_int_equal(count(STR_LIT("\"role\":\"user\"")), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(long_names_fit_and_come_back),  TEST(names_of_the_same_family_stay),
        TEST(a_user_too_long_is_left_out),   TEST(a_calls_signature_comes_back),
        TEST(the_assistant_may_speak_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

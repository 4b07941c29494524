/* dialects/gemini_stream*: a provider's stream read, a client's stream written. */
#include "dataplane/dialects/gemini_rig.h"

#include "dataplane/dialects/gemini_error.h"

static struct buffer seen;

static void note(const char *word, const struct chunk *c, struct str text)
{
    (void)buffer_printf(&seen, "%s", word);
    if (c->choice > 0) {
        (void)buffer_printf(&seen, "@%u", c->choice);
    }
    if (c->tool >= 0) {
        (void)buffer_printf(&seen, "#%d", c->tool);
    }
    (void)buffer_printf(&seen, "(%.*s) ", STR_ARG(text));
}

static void on_chunk(void *arg, const struct chunk *c)
{
    static const char *const words[CHUNK_TYPE_COUNT] = {
        [CHUNK_TEXT] = "text",           [CHUNK_THINKING] = "thinking", [CHUNK_SIGNATURE] = "sign",
        [CHUNK_TOOL_ARGUMENTS] = "args", [CHUNK_TOOL_END] = "tool-end", [CHUNK_END] = "end",
    };
    struct str usage;
    (void)arg;
    switch (c->type) {
    case CHUNK_START:
        note("start", c, c->id);
        break;
    case CHUNK_TOOL_BEGIN:
        note("tool", c, arena_printf(arena, "%.*s,%.*s", STR_ARG(c->id), STR_ARG(c->name)));
        break;
    case CHUNK_MEDIA:
        note("media", c, c->part->type == PART_NATIVE ? c->part->raw : c->part->media.data);
        break;
    case CHUNK_AUDIO:
        note("audio", c, c->audio);
        break;
    case CHUNK_CITATION:
        note("cite", c,
             arena_printf(arena, "%.*s,%d,%d", STR_ARG(c->citation->url), (int)c->citation->start,
                          (int)c->citation->end));
        break;
    case CHUNK_LOGPROBS:
        note("logprobs", c, c->raw);
        break;
    case CHUNK_FINISH:
        note("finish", c, arena_printf(arena, "%d,%.*s", (int)c->finish, STR_ARG(c->text)));
        break;
    case CHUNK_USAGE:
        usage = arena_printf(arena, "%llu/%llu", (unsigned long long)c->usage->input,
                             (unsigned long long)c->usage->output);
        note("usage", c, usage);
        break;
    case CHUNK_ERROR:
        note("error", c, c->error->message);
        break;
    default:
        note(words[c->type] ? words[c->type] : "?", c, c->text);
        break;
    }
}

static void *decoder;

static void feed(const char *data)
{
    struct arena *scratch = arena_new(0);
    assert_true(gemini_codec.decode_event(decoder, scratch, STR_LIT("message"), str_of(data)));
    arena_free(scratch);
}

static void decoder_begin(void)
{
    buffer_init(&seen, 1u << 20);
    decoder = gemini_codec.decoder_new(&context, arena, on_chunk, NULL);
    assert_non_null(decoder);
}

static void decoded(const char *want)
{
    gemini_codec.decode_end(decoder);
    assert_string_equal(text_of(buffer_str(&seen)), want);
    buffer_release(&seen);
}

/* ---- in ---- */

static void texts_and_usage(void **state)
{
    (void)state;
    decoder_begin();
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}],\"role\":\"model\"},"
         "\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4},"
         "\"modelVersion\":\"g\",\"responseId\":\"r1\"}");
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lo\"}]},\"finishReason\":"
         "\"MAX_TOKENS\"}],\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2,"
         "\"thoughtsTokenCount\":3,\"totalTokenCount\":9},\"responseId\":\"r1\"}");
    decoded("start(r1) text(Hel) usage(4/0) text(lo) usage(4/5) finish(3,MAX_TOKENS) end() ");
}

static void calls_thoughts_and_signatures(void **state)
{
    (void)state;
    decoder_begin();
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true}]}}]}");
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{"
         "\"a\":[1]}},\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"own\",\"name\":"
         "\"g\"}}]},\"finishReason\":\"STOP\"}]}");
    feed(
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\"}]}");
    decoded("start() thinking(hm) tool#0(call_0123_0,f) sign#0(c2ln) args#0({\"a\":[1]}) "
            "tool-end#0() tool#1(own,g) args#1({}) tool-end#1() finish(4,STOP) end() ");
}

static void media_citations_and_choices(void **state)
{
    (void)state;
    decoder_begin();
    feed("{\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"ok\"},{\"inlineData\":{"
         "\"mimeType\":\"image/png\",\"data\":\"AAAA\"}},{\"inlineData\":{\"mimeType\":"
         "\"audio/L16\",\"data\":\"BBBB\"}},{\"executableCode\":{}}]},\"finishReason\":\"STOP\","
         "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"u\"}}],"
         "\"groundingSupports\":[{\"segment\":{\"endIndex\":2},\"groundingChunkIndices\":[0]}]}},"
         "{\"index\":1,\"content\":{\"parts\":[{\"text\":\"two\"}]}},{\"index\":99,\"content\":{"
         "\"parts\":[{\"text\":\"lost\"}]}}]}");
    decoded("start() text(ok) media(AAAA) audio(BBBB) media({\"executableCode\":{}}) cite(u,0,2) "
            "text@1(two) finish(1,STOP) finish@1(10,) end() ");
}

static void a_blocked_prompt_is_an_end(void **state)
{
    (void)state;
    decoder_begin();
    feed("{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{"
         "\"promptTokenCount\":3}}");
    decoded("start() usage(3/0) finish(5,SAFETY) end() ");
}

static void a_cut_stream_has_no_end(void **state)
{
    (void)state;
    decoder_begin();
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}]}}]}");
    decoded("start() text(Hel) ");
    decoder_begin();
    decoded("");
}

static void errors_within_a_stream(void **state)
{
    struct arena *scratch;
    (void)state;
    decoder_begin();
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]"
         "}");
    feed("[{\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}]");
    feed("{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"late\"}]}}]}");
    decoded("start() text(a) error(busy) ");
    decoder_begin();
    scratch = arena_new(0);
    assert_false(gemini_codec.decode_event(decoder, scratch, STR_LIT(""), STR_LIT("{\"a\":")));
    assert_false(gemini_codec.decode_event(decoder, scratch, STR_LIT(""), STR_LIT("7")));
    arena_free(scratch);
    decoded("");
}

/* ---- out ---- */

static void *encoder;

static void encoder_begin(enum framing framing)
{
    context.client_framing = framing;
    encoder = gemini_codec.encoder_new(&context, arena);
    assert_non_null(encoder);
}

static void put(struct chunk c)
{
    assert_true(gemini_codec.encode_chunk(encoder, &c, &output));
}

static void put_text(enum chunk_type type, const char *text)
{
    put((struct chunk){.type = type, .tool = -1, .text = str_of(text)});
}

static void put_start(void)
{
    put((struct chunk){.type = CHUNK_START, .tool = -1, .id = STR_LIT("r"), .model = STR_LIT("g")});
}

static void put_finish(enum finish f)
{
    put((struct chunk){.type = CHUNK_FINISH, .tool = -1, .finish = f, .text = STR_LIT("raw")});
}

static void put_end(void)
{
    put((struct chunk){.type = CHUNK_END, .tool = -1});
}

static void begin_call(int tool, const char *id, const char *name)
{
    put((struct chunk){
        .type = CHUNK_TOOL_BEGIN, .tool = tool, .id = str_of(id), .name = str_of(name)});
}

static void put_arguments(int tool, const char *text)
{
    put((struct chunk){.type = CHUNK_TOOL_ARGUMENTS, .tool = tool, .text = str_of(text)});
}

#define TAIL ",\"modelVersion\":\"g\",\"responseId\":\"r\"}"
#define FRAME(parts)                                         \
    "data: {\"candidates\":[{\"content\":{\"parts\":[" parts \
    "],\"role\":\"model\"},\"index\":0}]" TAIL "\r\n\r\n"

static void frames_are_bare_sse(void **state)
{
    struct usage u = {.found = true, .input = 4, .output = 5, .reasoning = 3};
    (void)state;
    encoder_begin(FRAMING_SSE);
    put_start();
    put((struct chunk){.type = CHUNK_PING, .tool = -1});
    put_text(CHUNK_THINKING, "hm");
    put_text(CHUNK_TEXT, "a\n\"b");
    put_text(CHUNK_TEXT, "");
    put_finish(FINISH_STOP);
    put((struct chunk){.type = CHUNK_USAGE, .tool = -1, .usage = &u});
    put_end();
    assert_string_equal(
        text_of(buffer_str(&output)),
        FRAME("{\"text\":\"hm\",\"thought\":true}")
            FRAME("{\"text\":\"a\\n\\\"b\"}") "data: "
                                              "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":"
                                              "\"\"}],\"role\":\"model\"},"
                                              "\"finishReason\":\"STOP\",\"index\":0}],"
                                              "\"usageMetadata\":{\"promptTokenCount\":4,"
                                              "\"candidatesTokenCount\":2,\"thoughtsTokenCount\":3,"
                                              "\"totalTokenCount\":9,"
                                              "\"promptTokensDetails\":[{\"modality\":\"TEXT\","
                                              "\"tokenCount\":4}]}" TAIL "\r\n\r\n");
}

static void interleaved_calls_go_out_whole(void **state)
{
    (void)state;
    encoder_begin(FRAMING_SSE);
    put_start();
    begin_call(0, "c0", "f");
    begin_call(1, "", "g");
    put_arguments(0, "{\"a\"");
    put_arguments(1, "");
    put_arguments(0, ":1}");
    assert_int_equal(output.len, 0);
    put_finish(FINISH_TOOL_CALLS);
    assert_string_equal(
        text_of(buffer_str(&output)),
        FRAME("{\"functionCall\":{\"id\":\"c0\",\"name\":\"f\",\"args\":{\"a\":1}}}")
            FRAME("{\"functionCall\":{\"id\":\"call_0123_0_1\",\"name\":\"g\",\"args\":{}}}"));
    buffer_clear(&output);
    put_end();
    has(text_of(buffer_str(&output)), "\"finishReason\":\"STOP\"");
}

static void calls_end_by_end_and_break(void **state)
{
    (void)state;
    encoder_begin(FRAMING_SSE);
    put_start();
    begin_call(0, "c0", "f");
    put((struct chunk){
        .type = CHUNK_SIGNATURE, .tool = 0, .text = STR_LIT("c2ln"), .family = FAMILY_GEMINI});
    put_arguments(0, "not json");
    put((struct chunk){.type = CHUNK_TOOL_END, .tool = 0});
    has(text_of(buffer_str(&output)),
        "\"args\":{\"_raw\":\"not json\"}},\"thoughtSignature\":\"c2ln\"}");
    buffer_clear(&output);
    begin_call(1, "c1", "f");
    put((struct chunk){.type = CHUNK_BREAK, .tool = -1});
    has(text_of(buffer_str(&output)), "\"id\":\"c1\"");
    buffer_clear(&output);
    put_arguments(1, "{}"); /* of a call that has gone: nothing to add it to */
    put_end();
    has_not(text_of(buffer_str(&output)), "functionCall");
}

static void too_long_a_call_is_left_out(void **state)
{
    static char text[65537];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    encoder_begin(FRAMING_SSE);
    put_start();
    begin_call(0, "c0", "f");
    for (unsigned i = 0; i < 17; i++) {
        put_arguments(0, text);
    }
    put_finish(FINISH_TOOL_CALLS);
    put_end();
    has_not(text_of(buffer_str(&output)), "functionCall");
    has(text_of(buffer_str(&output)), "\"finishReason\":\"MALFORMED_FUNCTION_CALL\"");
}

static void arrays_are_one_json_value(void **state)
{
    struct json_value v, one;
    size_t pos = 0, n = 0;
    (void)state;
    encoder_begin(FRAMING_JSON_ARRAY);
    put_start();
    put_text(CHUNK_TEXT, "a");
    put_finish(FINISH_LENGTH);
    put_end();
    assert_true(read_json(buffer_str(&output), &v));
    while (json_next(v, &pos, NULL, &one)) {
        assert_int_equal(one.type, JSON_OBJECT);
        n++;
    }
    assert_int_equal(n, 3);
    has(text_of(buffer_str(&output)), "\"finishReason\":\"MAX_TOKENS\"");
    /* an error straight behind the start closes it too */
    struct error err = ERROR_INIT;
    struct failure f = {.error = &err, .status = 502};
    (void)error_set(&err, ERR_UPSTREAM_CLOSED, "cut");
    buffer_clear(&output);
    encoder_begin(FRAMING_JSON_ARRAY);
    put_start();
    (void)buffer_append_str(&output, gemini_error_event(arena, &f, FRAMING_JSON_ARRAY));
    assert_true(read_json(buffer_str(&output), &v));
}

static void media_citations_and_redacted_thoughts(void **state)
{
    struct part image = {.type = PART_IMAGE,
                         .media = {.data = STR_LIT("AAAA"), .media_type = STR_LIT("image/png")}};
    struct part alien = {.type = PART_NATIVE, .family = FAMILY_MESSAGES, .raw = STR_LIT("{}")};
    struct citation c = {.url = STR_LIT("https://a"), .start = -1, .end = -1};
    (void)state;
    encoder_begin(FRAMING_SSE);
    put_start();
    put((struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = &alien});
    assert_int_equal(output.len, 0);
    put((struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = &image});
    put((struct chunk){.type = CHUNK_AUDIO, .tool = -1, .audio = STR_LIT("BBBB")});
    put((struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &c});
    put((struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &c});
    put((struct chunk){
        .type = CHUNK_REDACTED, .tool = -1, .text = STR_LIT("R"), .family = FAMILY_MESSAGES});
    put_end(); /* no FINISH came */
    const char *text = text_of(buffer_str(&output));
    has(text, "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}}");
    has(text, "{\"inlineData\":{\"mimeType\":\"audio/L16;codec=pcm;rate=24000\",\"data\":");
    has(text, "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"https://a\"}},{");
    has(text, "\"thought\":true,\"thoughtSignature\":\"d2Vpcjpy");
    has(text, "\"finishReason\":\"FINISH_REASON_UNSPECIFIED\"");
    size_t len = output.len;
    put_text(CHUNK_TEXT, "after the end");
    assert_int_equal(output.len, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(texts_and_usage),
        CASE(calls_thoughts_and_signatures),
        CASE(media_citations_and_choices),
        CASE(a_blocked_prompt_is_an_end),
        CASE(a_cut_stream_has_no_end),
        CASE(errors_within_a_stream),
        CASE(frames_are_bare_sse),
        CASE(interleaved_calls_go_out_whole),
        CASE(calls_end_by_end_and_break),
        CASE(too_long_a_call_is_left_out),
        CASE(arrays_are_one_json_value),
        CASE(media_citations_and_redacted_thoughts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

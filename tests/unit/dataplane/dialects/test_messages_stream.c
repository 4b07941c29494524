/* dialects/messages_decoder.c and messages_encoder.c: streams both ways. */
#include "messages_test.h"

#include "chunk_log.h"
#include "dataplane/net/aws_event.h"

static struct chunk_log seen;
static struct usage last_usage;

static void note(void *arg, const struct chunk *c)
{
    chunk_log_emit(arg, c);
    if (c->usage) {
        last_usage = *c->usage;
    }
}

static void *decoder;

static void decoder_start(void)
{
    seen = (struct chunk_log){.len = 0};
    last_usage = (struct usage){.found = false};
    decoder = messages_codec.decoder_new(&context, arena, note, &seen);
    assert_non_null(decoder);
}

static bool event(const char *data)
{
    struct arena *scratch = arena_new(0);
    bool ok = messages_codec.decode_event(decoder, scratch, STR_LIT(""), str_of(data));
    arena_free(scratch);
    return ok;
}

#define EVENT(data) assert_true(event(data))
#define START                                                                                      \
    "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m1\",\"content\":[],"   \
    "\"usage\":{\"input_tokens\":3,\"cache_creation_input_tokens\":9,\"cache_read_input_tokens\":" \
    "0,\"cache_creation\":{\"ephemeral_5m_input_tokens\":4,\"ephemeral_1h_input_tokens\":5},"      \
    "\"output_tokens\":1}}}"

static void every_event_is_read(void **state)
{
    (void)state;
    decoder_start();
    EVENT(START);
    assert_false(last_usage.output_found);
    EVENT("{\"type\":\"ping\"}");
    EVENT("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\","
          "\"thinking\":\"\",\"signature\":\"\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\","
          "\"thinking\":\"hm\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\","
          "\"signature\":\"c2ln\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":0}");
    EVENT("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
          "\"redacted_thinking\",\"data\":\"b3Bh\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":1}");
    EVENT("{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"text\","
          "\"text\":\"\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"citations_delta\","
          "\"citation\":{\"type\":\"char_location\",\"document_index\":1,\"document_title\":\"D\","
          "\"cited_text\":\"c\",\"start_char_index\":5,\"end_char_index\":6}}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_delta\","
          "\"text\":\"a\\nb\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":2}");
    EVENT("{\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":\"tool_use\","
          "\"id\":\"t1\",\"name\":\"f\",\"input\":{}}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"{\\\"a\\\":\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":3}");
    EVENT("{\"type\":\"content_block_start\",\"index\":4,\"content_block\":{\"type\":\"tool_use\","
          "\"id\":\"t2\",\"name\":\"g\",\"input\":{}}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":4}");
    EVENT("{\"type\":\"event_of_2031\",\"x\":1}");
    EVENT("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":"
          "null},\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":9,"
          "\"output_tokens\":42}}");
    EVENT("{\"type\":\"message_stop\"}");
    EVENT("{\"type\":\"message_stop\"}"); /* once is enough */
    assert_string_equal(seen.text, "START msg_1 m1\nPING \nTHINKING hm\nOTHER c2ln\nBREAK \n"
                                   "OTHER b3Bh\nBREAK \nTEXT a\nb\nCITE 0-3 doc 1 D\nBREAK \n"
                                   "BEGIN 0 t1 f\nARGS 0 {\"a\":\nENDTOOL 0 \nBEGIN 1 t2 g\n"
                                   "ENDTOOL 1 \nFINISH 4 tool_use\nUSAGE 12/42 cached 0\nEND \n");
    /* the split was told at the start only */
    assert_int_equal(last_usage.cache_write_5m, 4);
    assert_int_equal(last_usage.cache_write_1h, 5);
}

static void input_tokens_may_come_at_the_end(void **state)
{
    (void)state;
    decoder_start();
    EVENT("{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":0,"
          "\"output_tokens\":0}}}");
    EVENT("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
          "\"input_tokens\":77,\"cache_read_input_tokens\":5,\"output_tokens\":2}}");
    assert_int_equal(last_usage.input, 82);
    assert_int_equal(last_usage.output, 2);
}

static void a_cut_stream_does_not_end(void **state)
{
    (void)state;
    decoder_start();
    EVENT(START);
    EVENT("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}");
    messages_codec.decode_end(decoder);
    assert_null(strstr(seen.text, "END"));
    assert_false(event("{\"type\":"));
}

static void errors_within_an_answer(void **state)
{
    (void)state;
    decoder_start();
    EVENT(START);
    EVENT("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"
          "}");
    const char *want = arena_printf(arena, "ERROR %d Overloaded\n", FAILURE_OVERLOADED).ptr;
    assert_non_null(strstr(seen.text, want));
    EVENT("{\"type\":\"message_stop\"}");
    assert_null(strstr(seen.text, "END"));
}

static struct str native_raw;

static void keep_native(void *arg, const struct chunk *c)
{
    (void)arg;
    if (c->type == CHUNK_MEDIA) {
        native_raw = arena_str(arena, c->part->raw);
    }
}

static void blocks_of_builtin_tools_come_whole(void **state)
{
    (void)state;
    decoder = messages_codec.decoder_new(&context, arena, keep_native, NULL);
    EVENT(START);
    EVENT("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
          "\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\",\"input\":{}}}");
    EVENT("{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"{\\\"query\\\":\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"1}\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":0}");
    assert_str(native_raw, "{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web_search\","
                           "\"input\":{\"query\":1}}");
    native_raw = STR_NONE;
    EVENT("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"new\"}}");
    EVENT("{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"new_delta\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":1}");
    assert_null(native_raw.ptr); /* it cannot be told whole */
}

static void a_wanted_json_answer_streams_as_text(void **state)
{
    struct chat_request q = {.family = FAMILY_CHAT, .output = OUTPUT_SCHEMA};
    (void)state;
    context.request = &q;
    decoder_start();
    EVENT(START);
    EVENT("{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\","
          "\"id\":\"t1\",\"name\":\"json_response\",\"input\":{}}}");
    EVENT("{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\","
          "\"partial_json\":\"{\\\"a\\\":1}\"}}");
    EVENT("{\"type\":\"content_block_stop\",\"index\":0}");
    EVENT("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}");
    assert_string_equal(seen.text, "START msg_1 m1\nTEXT {\"a\":1}\nBREAK \nFINISH 1 tool_use\n");
}

/* ---- to the client ---- */

static void *encoder;

static void put(struct chunk c)
{
    assert_true(messages_codec.encode_chunk(encoder, &c, &out));
}

static void encoder_start(void)
{
    buffer_clear(&out);
    encoder = messages_codec.encoder_new(&context, arena);
    put((struct chunk){
        .type = CHUNK_START, .tool = -1, .id = STR_LIT("x1"), .model = STR_LIT("m2")});
}

static void put_text(enum chunk_type type, int tool, const char *text)
{
    put((struct chunk){.type = type, .tool = tool, .text = str_of(text)});
}

static void begin(int tool, const char *id, const char *name)
{
    put((struct chunk){
        .type = CHUNK_TOOL_BEGIN, .tool = tool, .id = str_of(id), .name = str_of(name)});
}

static void finish(enum finish f)
{
    put((struct chunk){.type = CHUNK_FINISH, .tool = -1, .finish = f});
}

/* "message_start 0+ … " : the events' names with + for a start, - for a stop, and the index. What
 * the SDKs want holds in each: one open block, indexes without holes, every event its name twice.
 */
static const char *shape(void)
{
    struct str rest = str_of(out_text());
    struct buffer b;
    int64_t open = -1, next = 0;
    buffer_init(&b, 1 << 20);
    while (rest.len) {
        struct json_value v;
        const char *end = strstr(rest.ptr, "\n\n");
        assert_non_null(end);
        const char *data = strstr(rest.ptr, "\ndata: ");
        assert_true(strncmp(rest.ptr, "event: ", 7) == 0 && data && data < end);
        struct str name = {rest.ptr + 7, (size_t)(data - rest.ptr) - 7};
        assert_true(read_json((struct str){data + 7, (size_t)(end - data) - 7}, &v));
        assert_true(str_eq(read_get_text(arena, v, "type"), name));
        int64_t at = (int64_t)read_get_u64(v, "index");
        if (str_eqz(name, "content_block_start")) {
            assert_int_equal(open, -1);
            assert_int_equal(at, next++);
            open = at;
            (void)buffer_printf(&b, "+");
        } else if (str_eqz(name, "content_block_stop")) {
            assert_int_equal(open, at);
            open = -1;
            (void)buffer_printf(&b, "-");
        } else if (str_eqz(name, "content_block_delta")) {
            assert_int_equal(open, at);
            (void)buffer_printf(&b, ".");
        } else {
            (void)buffer_printf(&b, "%.*s ", STR_ARG(name));
        }
        rest = str_of(end + 2);
    }
    const char *text = text_of(b.len ? buffer_str(&b) : STR_LIT(""));
    buffer_release(&b);
    return text;
}

static void an_empty_answer_is_whole(void **state)
{
    (void)state;
    encoder_start();
    finish(FINISH_STOP);
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    assert_string_equal(shape(), "message_start message_delta message_stop ");
    assert_holds("\"stop_reason\":\"end_turn\"");
}

static void usage_behind_the_reason_still_counts(void **state)
{
    struct usage u = {.found = true, .input = 30, .output = 5, .cached = 10, .cache_write_1h = 2};
    (void)state;
    encoder_start();
    put_text(CHUNK_THINKING, -1, "hm");
    put((struct chunk){
        .type = CHUNK_SIGNATURE, .tool = -1, .text = STR_LIT("c2ln"), .family = FAMILY_MESSAGES});
    put_text(CHUNK_TEXT, -1, "a");
    put_text(CHUNK_TEXT, -1, "b");
    put((struct chunk){.type = CHUNK_FINISH,
                       .tool = -1,
                       .finish = FINISH_STOP_SEQUENCE,
                       .stop_sequence = STR_LIT("END")});
    put((struct chunk){.type = CHUNK_USAGE, .tool = -1, .usage = &u});
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    assert_string_equal(shape(), "message_start +..-+..-message_delta message_stop ");
    assert_holds("{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}");
    assert_holds(
        "\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\"},\"usage\":"
        "{\"input_tokens\":18,\"cache_creation_input_tokens\":2,"
        "\"cache_read_input_tokens\":10,");
    assert_holds("\"output_tokens\":5");
}

static void interleaved_fragments_are_put_in_order(void **state)
{
    (void)state;
    encoder_start();
    put_text(CHUNK_TEXT, -1, "calling");
    begin(0, "c0", "f");
    put_text(CHUNK_TOOL_ARGUMENTS, 0, "{\"a\"");
    begin(1, "c1", "g");
    put_text(CHUNK_TOOL_ARGUMENTS, 1, "{\"b\"");
    put_text(CHUNK_TOOL_ARGUMENTS, 0, ":1}");
    begin(2, "", "h"); /* no id, no arguments */
    put_text(CHUNK_TOOL_ARGUMENTS, 1, ":2}");
    finish(FINISH_STOP);
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    assert_string_equal(shape(), "message_start +.-+..-+.-+-message_delta message_stop ");
    const char *first = strstr(out_text(), "\"partial_json\":\":1}\"");
    const char *second = strstr(out_text(), "\"partial_json\":\"{\\\"b\\\":2}\"");
    assert_true(first && second && first < second);
    assert_holds("\"id\":\"toolu_0123456789abcdef0123456789abcdef_2\",\"name\":\"h\",\"input\":{}");
    assert_holds("\"stop_reason\":\"tool_use\"");
}

static void waiting_fragments_have_a_ceiling(void **state)
{
    char *big = mem_alloc(70001);
    (void)state;
    memset(big, 'x', 70000);
    big[70000] = '\0';
    encoder_start();
    begin(0, "c0", "f");
    begin(1, "c1", "g");
    for (int i = 0; i < 20; i++) {
        put_text(CHUNK_TOOL_ARGUMENTS, 1, big);
    }
    for (int i = 2; i < 40; i++) {
        begin(i, "c", "h");
    }
    put_text(CHUNK_TOOL_ARGUMENTS, 0, "late");
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    const char *s = shape();
    size_t starts = 0;
    for (const char *p = s; *p; p++) {
        starts += *p == '+';
    }
    assert_int_equal(starts, 40);
    assert_lacks("late");
    mem_free(big);
}

static void proofs_of_calls_stand_behind_them(void **state)
{
    (void)state;
    encoder_start();
    begin(0, "call_1", "f");
    put((struct chunk){
        .type = CHUNK_SIGNATURE, .tool = 0, .text = STR_LIT("QUJD"), .family = FAMILY_GEMINI});
    put_text(CHUNK_TOOL_ARGUMENTS, 0, "{}");
    put((struct chunk){.type = CHUNK_TOOL_END, .tool = 0});
    put_text(CHUNK_TEXT, -1, "behind");
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    assert_string_equal(shape(), "message_start +.-+.-+.-message_delta message_stop ");
    assert_holds("\"signature\":\"weir:gemini:call_1:QUJD\"");
}

static void the_rest_of_the_chunks(void **state)
{
    struct part native = {.type = PART_NATIVE,
                          .family = FAMILY_MESSAGES,
                          .raw = STR_LIT("{\"type\":\"server_tool_use\",\n \"input\":{}}")};
    struct part image = {.type = PART_IMAGE, .media = {.data = STR_LIT("QUJD")}};
    struct citation cite = {
        .url = STR_LIT("https://x"), .document = -1, .page_start = -1, .family = FAMILY_RESPONSES};
    (void)state;
    encoder_start();
    put((struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = &native});
    put((struct chunk){.type = CHUNK_MEDIA, .tool = -1, .part = &image}); /* has no place */
    put((struct chunk){
        .type = CHUNK_REDACTED, .tool = -1, .text = STR_LIT("b3Bh"), .family = FAMILY_MESSAGES});
    put_text(CHUNK_REFUSAL, -1, "no");
    put((struct chunk){.type = CHUNK_CITATION, .tool = -1, .citation = &cite});
    put((struct chunk){.type = CHUNK_TEXT, .tool = -1, .choice = 1, .text = STR_LIT("second")});
    put((struct chunk){.type = CHUNK_PING, .tool = -1});
    finish(FINISH_STOP);
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    put_text(CHUNK_TEXT, -1, "behind the end");
    assert_string_equal(shape(), "message_start +-+-+..ping -message_delta message_stop ");
    assert_holds("\"type\":\"redacted_thinking\",\"data\":\"b3Bh\"");
    assert_holds(
        "\"type\":\"citations_delta\",\"citation\":{\"type\":\"web_search_result_location\"");
    assert_holds("\"stop_reason\":\"refusal\"");
    assert_lacks("second");
    assert_lacks("behind");
}

static void an_error_ends_it(void **state)
{
    struct provider_error e = {.class = FAILURE_OVERLOADED,
                               .message = STR_LIT("busy"),
                               .raw = STR_LIT("{\"a\":\n1}"),
                               .raw_is_json = true,
                               .provider = STR_LIT("p")};
    (void)state;
    encoder_start();
    put((struct chunk){.type = CHUNK_ERROR, .tool = -1, .error = &e});
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    assert_string_equal(shape(), "message_start error ");
    assert_holds("\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}");
    assert_holds("\"provider_error\":{\"a\": 1}");
}

static unsigned frames;

static void on_frame(void *arg, const struct aws_event *e)
{
    struct str json;
    struct json_value v;
    (void)arg;
    assert_true(str_eqz(e->type, "chunk"));
    assert_true(aws_event_chunk_inner(arena, e->payload, &json));
    assert_true(read_json(json, &v));
    frames++;
    if (frames == 6) {
        assert_str(read_get_text(arena, v, "type"), "message_stop");
        assert_true(read_get(v, "amazon-bedrock-invocationMetrics", &v));
        assert_int_equal(read_get_u64(v, "inputTokenCount"), 4);
    }
}

static void invoke_streams_are_framed(void **state)
{
    struct aws_event_reader reader;
    struct usage u = {.found = true, .input = 4, .output = 1};
    (void)state;
    encoder = invoke_messages_codec.encoder_new(&context, arena);
    put_text(CHUNK_TEXT, -1, "hi"); /* without a start: one is made */
    put((struct chunk){.type = CHUNK_USAGE, .tool = -1, .usage = &u});
    put((struct chunk){.type = CHUNK_END, .tool = -1});
    frames = 0;
    aws_event_reader_init(&reader, 0, on_frame, NULL);
    assert_true(aws_event_feed(&reader, buffer_str(&out)));
    assert_true(aws_event_finish(&reader));
    aws_event_reader_release(&reader);
    assert_int_equal(frames, 6);
}

/* With web searches the counts of the end are larger than those of the start. */
static void what_is_written_later_keeps_its_hour(void **state)
{
    (void)state;
    decoder_start();
    EVENT("{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_tokens\":10,"
          "\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":0,\"cache_creation\":{"
          "\"ephemeral_5m_input_tokens\":0,\"ephemeral_1h_input_tokens\":100},\"output_tokens\":1}}"
          "}");
    EVENT("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{"
          "\"input_tokens\":50,\"cache_creation_input_tokens\":150,\"cache_read_input_tokens\":7,"
          "\"output_tokens\":9,\"server_tool_use\":{\"web_search_requests\":2}}}");
    assert_int_equal(last_usage.input, 50 + 150 + 7);
    assert_int_equal(last_usage.cache_write_1h, 150);
    assert_int_equal(last_usage.cache_write_5m, 0);
    assert_int_equal(last_usage.searches, 2);
    assert_int_equal(last_usage.output, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_event_is_read),
        TEST(input_tokens_may_come_at_the_end),
        TEST(a_cut_stream_does_not_end),
        TEST(errors_within_an_answer),
        TEST(blocks_of_builtin_tools_come_whole),
        TEST(a_wanted_json_answer_streams_as_text),
        TEST(an_empty_answer_is_whole),
        TEST(usage_behind_the_reason_still_counts),
        TEST(interleaved_fragments_are_put_in_order),
        TEST(waiting_fragments_have_a_ceiling),
        TEST(proofs_of_calls_stand_behind_them),
        TEST(the_rest_of_the_chunks),
        TEST(an_error_ends_it),
        TEST(invoke_streams_are_framed),
        TEST(what_is_written_later_keeps_its_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

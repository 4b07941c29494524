/* An answer between two dialects: the same client bytes however the provider's are split, a slow
 * client that pauses the provider, and every way to end. */
#include "dataplane/fake_world.h"

#define YAML                                                                                \
    "version: 1\n"                                                                          \
    "providers:\n"                                                                          \
    "  - {name: anthropic, kind: anthropic, base_url: \"http://127.0.0.1:9001\", api_key: " \
    "\"sk-ant\"}\n"                                                                         \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: "    \
    "\"sk-stored\"}\n"                                                                      \
    "models:\n"                                                                             \
    "  - {name: claude, targets: [{provider: anthropic, model: claude-x}]}\n"               \
    "  - {name: gpt, targets: [{provider: openai, model: gpt-4o}]}\n"                       \
    "keys:\n"                                                                               \
    "  - {name: dev, secret: \"dev-secret\"}\n"

#define DEV "Authorization: Bearer dev-secret"
#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define BEGIN                                                                           \
    EVENT("message_start",                                                              \
          ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\"," \
          "\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"usage\":"       \
          "{\"input_tokens\":11,\"output_tokens\":1}}")
#define TEXT                                                                                     \
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":"   \
                                 "\"\"}")                                                        \
    EVENT("ping", "")                                                                            \
    EVENT("content_block_delta",                                                                 \
          ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"H\xc3\xa9l\\u00e9 \\n\"}") \
    EVENT("content_block_stop", ",\"index\":0")
#define TOOL                                                                              \
    EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":\"tool_use\"," \
                                 "\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}")       \
    EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\"," \
                                 "\"partial_json\":\"{\\\"a\\\":\"}")                     \
    EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":\"input_json_delta\"," \
                                 "\"partial_json\":\"1}\"}")                              \
    EVENT("content_block_stop", ",\"index\":1")
#define FINISH                                                                                 \
    EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null}," \
                           "\"usage\":{\"output_tokens\":7}")                                  \
    EVENT("message_stop", "")
#define ANTHROPIC BEGIN TEXT TOOL FINISH

#define CHUNK(delta, finish)                                                               \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"   \
    "\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish \
    "}]}\n\n"
#define OPENAI                                                                                     \
    CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")                                       \
    CHUNK("\"content\":\"H\xc3\xa9llo\"", "null")                                                  \
    CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":"     \
          "{\"name\":\"f\",\"arguments\":\"\"}}]",                                                 \
          "null")                                                                                  \
    CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]", "null") \
    CHUNK("", "\"tool_calls\"")                                                                    \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":"           \
    "\"gpt-4o\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3,"            \
    "\"total_tokens\":8}}\n\n"                                                                     \
    "data: [DONE]\n\n"

static int set_up(void **state)
{
    (void)state;
    world_begin(YAML);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

struct pair {
    const char *path, *body, *stream;
};

static const struct pair pairs[] = {
    {"/v1/chat/completions",
     "{\"model\":\"claude\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
     ANTHROPIC},
    {"/v1/messages",
     "{\"model\":\"gpt\",\"stream\":true,\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
     "\"content\":\"hi\"}]}",
     OPENAI},
};

static void ask(const struct pair *p)
{
    world_request("POST", p->path, DEV "\nContent-Type: application/json", p->body);
    if (world.calls != 1) {
        fail_msg("%.*s", (int)world.x.sent.len, world.x.sent.ptr);
    }
    upstream_head(200, "text/event-stream", -1);
}

static void feed(const char *text, size_t step)
{
    struct str all = str_of(text);
    for (size_t at = 0; at < all.len; at += step) {
        char piece[8192];
        struct str s = str_slice(all, at, step < sizeof(piece) ? step : sizeof(piece) - 1);
        memcpy(piece, s.ptr, s.len);
        piece[s.len] = '\0';
        upstream_data(piece);
    }
}

/* What differs from request to request (ids, times) is blanked. */
static char *blanked(void)
{
    char *text = mem_alloc(world.x.sent.len + 1);
    memcpy(text, world.x.sent.ptr, world.x.sent.len);
    text[world.x.sent.len] = '\0';
    static const char *const names[] = {"\"created\":", "\"id\":\"msg_", "\"id\":\"chatcmpl-"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (char *p = text; (p = strstr(p, names[i])) != NULL;) {
            p += strlen(names[i]);
            while (*p && *p != ',' && *p != '"' && *p != '}') {
                *p++ = '#';
            }
        }
    }
    return text;
}

static void any_split_gives_the_same_answer(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 5, 7, 11, 13, 64, 997, 8000};
    for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++) {
        char *want = NULL;
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            ask(&pairs[k]);
            feed(pairs[k].stream, steps[i]);
            upstream_end();
            assert_true(world.x.ended && !world.x.aborted);
            assert_int_equal(world.n_events, 1);
            assert_int_equal(world.x.events_at_last_send, 1);
            char *got = blanked();
            if (want) {
                assert_string_equal(got, want);
                mem_free(got);
            } else {
                want = got;
            }
        }
        mem_free(want);
    }
}

static void the_answer_is_right(void **state)
{
    (void)state;
    ask(&pairs[0]);
    assert_true(upstream_got("POST /v1/messages HTTP/1.1\r\n"));
    assert_true(upstream_got("x-api-key: sk-ant\r\n"));
    assert_true(upstream_got("anthropic-version: 2023-06-01\r\n"));
    assert_false(upstream_got("dev-secret"));
    feed(ANTHROPIC, 8000);
    upstream_end();
    assert_true(header_sent("content-type: text/event-stream"));
    assert_true(header_sent("x-weir-provider: anthropic"));
    assert_true(answer_has("H\xc3\xa9l\xc3\xa9 \\n"));
    assert_true(answer_has("\"finish_reason\":\"tool_calls\""));
    assert_true(answer_has("data: [DONE]\n\n"));
    assert_true(event_has("\"unit\":\"token_in\",\"quantity\":11"));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
    assert_true(event_has("\"answered_model\":\"claude-x\""));
}

static void a_slow_client_pauses_the_provider(void **state)
{
    (void)state;
    ask(&pairs[0]);
    world.x.full = true;
    upstream_data(BEGIN TEXT);
    assert_true(world.call->paused);
    world.x.full = false;
    world.x.on_drain(world.x.drain_arg);
    assert_false(world.call->paused);
    upstream_data(TOOL FINISH);
    assert_false(world.call->paused);
    upstream_end();
    assert_true(world.x.ended && !world.x.aborted);
}

static void a_cut_is_told_and_charged_by_what_came(void **state)
{
    (void)state;
    for (size_t way = 0; way < 2; way++) {
        ask(&pairs[0]);
        upstream_data(BEGIN TEXT);
        if (way == 0) {
            upstream_end(); /* well framed, but no message_stop */
        } else {
            upstream_fail(ERR_UPSTREAM_CLOSED);
        }
        assert_true(world.x.aborted);
        assert_true(answer_has("data: {\"error\":{"));
        assert_false(answer_has("[DONE]"));
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"outcome\":\"cut\""));
        assert_true(event_has("\"unit\":\"token_in\",\"quantity\":11"));
        assert_true(event_has("\"source\":\"estimated\""));
    }
}

static void garbage_ends_the_stream(void **state)
{
    (void)state;
    ask(&pairs[0]);
    upstream_data(BEGIN);
    upstream_data("event: content_block_delta\ndata: {\"type\": nonsense\n\n");
    assert_true(world.x.aborted);
    assert_true(world.call->cancelled);
    assert_true(answer_has("upstream_invalid_response"));
    assert_true(event_has("\"outcome\":\"cut\""));
    assert_int_equal(world.n_events, 1);
}

static void an_error_within_the_stream_ends_it(void **state)
{
    (void)state;
    ask(&pairs[0]);
    upstream_data(BEGIN TEXT EVENT("error", ",\"error\":{\"type\":\"overloaded_error\","
                                            "\"message\":\"Overloaded\"}"));
    upstream_end();
    assert_true(answer_has("Overloaded"));
    assert_false(answer_has("[DONE]"));
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"provider_error\""));
}

static void a_client_that_goes_stops_the_provider(void **state)
{
    (void)state;
    ask(&pairs[0]);
    upstream_data(BEGIN TEXT);
    world.x.on_gone(world.x.gone_arg);
    assert_true(world.call->cancelled);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"client_gone\""));
    assert_true(event_has("\"source\":\"estimated\""));
}

static void a_whole_answer_that_is_cut_is_502(void **state)
{
    (void)state;
    world_request("POST", "/v1/chat/completions", DEV,
                  "{\"model\":\"claude\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}");
    upstream_head(200, "application/json", -1);
    upstream_data("{\"id\":\"msg_1\",");
    upstream_fail(ERR_UPSTREAM_CLOSED);
    assert_true(world.x.replied);
    assert_int_equal(world.x.status, 502);
    assert_int_equal(world.n_events, 1);
    assert_int_equal(world.x.events_at_end, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_split_gives_the_same_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_answer_is_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slow_client_pauses_the_provider, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_is_told_and_charged_by_what_came, set_up, tear_down),
        cmocka_unit_test_setup_teardown(garbage_ends_the_stream, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_error_within_the_stream_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_goes_stops_the_provider, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_whole_answer_that_is_cut_is_502, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

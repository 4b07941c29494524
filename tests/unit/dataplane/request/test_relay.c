/* An answer's way back: bytes unchanged, usage beside them, the event before the last byte, and
 * every way to end. */
#include "dataplane/fake_world.h"

#define YAML                                                                             \
    "version: 1\n"                                                                       \
    "providers:\n"                                                                       \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: " \
    "\"sk-stored\"}\n"                                                                   \
    "models:\n"                                                                          \
    "  - {name: fast, targets: [{provider: openai, model: gpt-4o-mini}]}\n"              \
    "keys:\n"                                                                            \
    "  - {name: dev, secret: \"dev-secret\"}\n"

#define DEV "Authorization: Bearer dev-secret"
#define CHAT "/v1/chat/completions"
#define JSON_ANSWER                                                                               \
    "{\"id\":\"c1\",\"model\":\"gpt-4o-mini-2024\",\"choices\":[{\"finish_reason\":\"stop\","     \
    "\"message\":{"                                                                               \
    "\"content\":\"hi\"}}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7,\"total_"      \
    "tokens\":17,"                                                                                \
    "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_" \
    "tokens\":2}}}"
#define CHUNK(text)                                                                      \
    "data: {\"model\":\"gpt-4o-mini-2024\",\"choices\":[{\"delta\":{\"content\":\"" text \
    "\"}}]}\n\n"
#define USAGE                                                                                 \
    "data: "                                                                                  \
    "{\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3," \
    "\"total_tokens\":8}}\n\n"
#define DONE "data: [DONE]\n\n"

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

static bool sent_is(const char *text)
{
    return str_eqz(buffer_str(&world.x.sent), text);
}

static void ask(void)
{
    world_request("POST", CHAT, DEV, "{\"model\":\"fast\",\"messages\":[]}");
    assert_int_equal(world.calls, 1);
}

static void ask_stream(const char *options)
{
    static char body[256]; /* lives as long as the exchange */
    (void)snprintf(body, sizeof(body), "{\"model\":\"fast\",\"stream\":true%s}", options);
    world_request("POST", CHAT, DEV, body);
    assert_int_equal(world.calls, 1);
    upstream_head(200, "text/event-stream; charset=utf-8", -1);
}

static void ended_well_with_one_event(void)
{
    assert_true(world.x.ended);
    assert_false(world.x.aborted);
    assert_int_equal(world.n_events, 1);
    assert_int_equal(world.x.events_at_last_send, 1);
}

static void json_answer_passes_unchanged(void **state)
{
    (void)state;
    ask();
    upstream_head(200, "application/json", (int64_t)strlen(JSON_ANSWER));
    upstream_data(JSON_ANSWER);
    upstream_end();
    assert_true(sent_is(JSON_ANSWER));
    assert_int_equal(world.x.length, strlen(JSON_ANSWER));
    ended_well_with_one_event();
    assert_true(header_sent("content-type: application/json"));
    assert_true(header_sent("x-weir-provider: openai") && header_sent("x-weir-model: gpt-4o-mini"));
    assert_false(header_sent("set-cookie"));
    assert_true(event_has("\"outcome\":\"ok\"") && event_has("\"status\":200"));
    assert_true(event_has("\"answered_model\":\"gpt-4o-mini-2024\"") &&
                event_has("\"finish_reason\":\"stop\""));
    assert_true(event_has("\"upstream_request_id\":\"up-1\""));
    assert_true(event_has("\"unit\":\"token_in\",\"quantity\":6"));
    assert_true(event_has("\"unit\":\"token_cached\",\"quantity\":4"));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
    assert_true(event_has("\"unit\":\"token_reasoning\",\"quantity\":2"));
    assert_true(event_has("\"source\":\"provider\""));
}

static void json_answer_in_pieces(void **state)
{
    (void)state;
    static const int64_t lengths[] = {sizeof(JSON_ANSWER) - 1, -1};
    for (size_t k = 0; k < 2; k++) {
        ask();
        upstream_head(200, "application/json", lengths[k]);
        for (size_t i = 0; i < sizeof(JSON_ANSWER) - 1; i++) {
            char one[2] = {JSON_ANSWER[i], '\0'};
            upstream_data(one);
        }
        upstream_end();
        assert_true(sent_is(JSON_ANSWER));
        assert_true(world.x.ended && !world.x.aborted);
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
        if (lengths[k] >= 0) {
            assert_int_equal(world.x.events_at_last_send,
                             1); /* known length: the last piece is the last byte */
        }
        assert_int_equal(world.x.events_at_end, 1);
    }
}

#define OWN_ERROR "{\"error\":{\"message\":\"no\",\"type\":\"x\",\"param\":null,\"code\":null}}"

static void provider_errors_pass(void **state)
{
    (void)state;
    ask();
    upstream_head(429, "application/json", sizeof(OWN_ERROR) - 1);
    upstream_data(OWN_ERROR);
    upstream_end();
    assert_int_equal(world.x.status, 429);
    assert_true(sent_is(OWN_ERROR));
    ended_well_with_one_event();
    assert_true(event_has("\"outcome\":\"provider_error\"") && event_has("\"status\":429"));
    assert_true(event_has("\"quantities\":[]"));
}

static void other_errors_are_put_into_shape(void **state)
{
    (void)state;
    ask();
    upstream_head(429, "text/plain", -1);
    upstream_data("slow ");
    upstream_data("down");
    upstream_end();
    assert_int_equal(world.x.status, 429);
    assert_true(answer_has("{\"error\":{\"message\":\"slow down\""));
    assert_true(answer_has("\"provider_error\":\"slow down\""));
    assert_true(header_sent("content-type: application/json"));
    assert_false(header_sent("text/plain"));
    ended_well_with_one_event();
    assert_true(event_has("\"outcome\":\"provider_error\""));
    /* one that never comes to its end is Weir's to tell */
    ask();
    upstream_head(500, "text/plain", -1);
    upstream_data("oh");
    upstream_fail(ERR_UPSTREAM_CLOSED);
    assert_int_equal(world.x.status, 502);
    assert_true(answer_has("upstream_closed"));
    ended_well_with_one_event();
}

static void our_usage_chunk_is_hidden(void **state)
{
    (void)state;
    ask_stream("");
    assert_true(upstream_got("\"include_usage\":true"));
    upstream_data(CHUNK("Hel") CHUNK("lo"));
    upstream_data(USAGE DONE);
    upstream_end();
    assert_true(sent_is(CHUNK("Hel") CHUNK("lo") DONE));
    ended_well_with_one_event();
    assert_int_equal(world.x.length, -1);
    assert_true(event_has("\"stream\":true"));
    assert_true(event_has("\"unit\":\"token_in\",\"quantity\":5") &&
                event_has("\"unit\":\"token_out\",\"quantity\":3"));
}

static void asked_usage_chunk_is_shown(void **state)
{
    (void)state;
    ask_stream(",\"stream_options\":{\"include_usage\":true}");
    upstream_data(CHUNK("Hello"));
    upstream_data(USAGE);
    assert_int_equal(world.n_events, 0);
    upstream_data(DONE);
    upstream_end();
    assert_true(sent_is(CHUNK("Hello") USAGE DONE));
    ended_well_with_one_event();
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":3"));
}

static void stream_in_any_pieces(void **state)
{
    (void)state;
    static const char whole[] =
        ": hi\n\n" CHUNK("Hel") "event: x\r\ndata: {\"choices\":[]}\r\n\r\n" USAGE DONE;
    static const char want[] =
        ": hi\n\n" CHUNK("Hel") "event: x\r\ndata: {\"choices\":[]}\r\n\r\n" DONE;
    for (size_t step = 1; step < 40; step += 3) {
        ask_stream("");
        for (size_t at = 0; at < sizeof(whole) - 1; at += step) {
            char piece[64];
            struct str s = str_slice(str_of(whole), at, step);
            memcpy(piece, s.ptr, s.len);
            piece[s.len] = '\0';
            upstream_data(piece);
        }
        upstream_end();
        assert_true(sent_is(want));
        assert_true(world.x.ended && !world.x.aborted);
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"unit\":\"token_out\",\"quantity\":3"));
    }
}

static void stream_that_dies_says_so(void **state)
{
    (void)state;
    ask_stream("");
    upstream_data(CHUNK("Hello world!"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
    assert_true(world.x.aborted);
    assert_true(
        str_starts(buffer_str(&world.x.sent), STR_LIT(CHUNK("Hello world!") "data: {\"error\":{")));
    assert_true(answer_has("upstream_closed"));
    assert_false(answer_has("[DONE]"));
    assert_int_equal(world.n_events, 1);
    assert_int_equal(world.x.events_at_last_send, 1);
    assert_true(event_has("\"outcome\":\"cut\"") &&
                event_has("\"error_code\":\"upstream_closed\""));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":3")); /* 12 bytes */
    assert_true(event_has("\"source\":\"estimated\""));
}

static void stream_without_its_end_is_cut(void **state)
{
    (void)state;
    ask_stream("");
    upstream_data(CHUNK("Hello"));
    upstream_end();
    assert_true(world.x.aborted);
    assert_true(event_has("\"outcome\":\"cut\""));
}

static void fault_behind_done_is_no_fault(void **state)
{
    (void)state;
    ask_stream("");
    upstream_data(CHUNK("Hello") USAGE DONE);
    upstream_fail(ERR_UPSTREAM_CLOSED);
    ended_well_with_one_event();
    assert_true(event_has("\"outcome\":\"ok\""));
}

static void error_event_never_joins_what_was_cut(void **state)
{
    (void)state;
    static const char half[] = "data: {\"choices\":[{\"del";
    for (int by_framing = 0; by_framing < 2; by_framing++) {
        for (int asked = 0; asked < 2; asked++) {
            ask_stream(asked ? ",\"stream_options\":{\"include_usage\":true}" : "");
            upstream_data(CHUNK("Hello"));
            upstream_data(half);
            if (by_framing) {
                upstream_end();
            } else {
                upstream_fail(ERR_UPSTREAM_CLOSED);
            }
            assert_true(world.x.aborted);
            assert_int_equal(world.n_events, 1);
            assert_true(event_has("\"outcome\":\"cut\""));
            /* an event of its own, whatever stands before it */
            assert_true(answer_has("\n\ndata: {\"error\":{"));
        }
    }
}

static void error_told_by_the_provider_is_told_once(void **state)
{
    (void)state;
    static const char *const ends[] = {"", DONE};
    for (size_t i = 0; i < 4; i++) {
        ask_stream("");
        upstream_data(CHUNK("Hello"));
        upstream_data("data: {\"error\":{\"message\":\"no\"}}\n\n");
        upstream_data(ends[i % 2]);
        if (i < 2) {
            upstream_end();
        } else {
            upstream_fail(ERR_UPSTREAM_CLOSED);
        }
        assert_true(world.x.ended && !world.x.aborted);
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"outcome\":\"provider_error\"") && event_has("\"status\":200"));
        assert_false(answer_has("upstream_closed"));
    }
    ask_stream("");
    upstream_data("data: {\"choices\":[{\"delta\":{}}],\"error\":null}\n\n" DONE);
    upstream_end();
    assert_true(event_has("\"outcome\":\"ok\""));
}

static void last_event_needs_no_blank_line(void **state)
{
    (void)state;
    static const char *const ends[] = {"data: [DONE]", "data: [DONE]\n", "data:[DONE]\r"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        ask_stream("");
        upstream_data(CHUNK("Hello"));
        upstream_data(ends[i]);
        upstream_end();
        assert_true(world.x.ended && !world.x.aborted);
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"outcome\":\"ok\""));
        assert_true(answer_has(ends[i]));
    }
}

static void body_that_ends_with_its_connection_must_be_whole(void **state)
{
    (void)state;
    ask();
    upstream_head(200, "application/json", -1);
    upstream_data("{\"choices\":[{\"message\":{\"content\":\"hal");
    upstream_end();
    assert_true(world.x.aborted);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"cut\""));
    /* what is no JSON cannot be told, and passes */
    ask();
    upstream_head(200, "text/plain", -1);
    upstream_data("hello");
    upstream_end();
    assert_true(world.x.ended && !world.x.aborted);
}

static void what_was_sent_is_counted_without_an_answer(void **state)
{
    (void)state;
    static const char sent[] = "\"unit\":\"token_in\",\"quantity\":8";
    ask();
    world.x.on_gone(world.x.gone_arg);
    assert_true(event_has("\"outcome\":\"client_gone\"") && event_has(sent));
    ask();
    upstream_fail(ERR_UPSTREAM_TIMEOUT);
    assert_true(event_has("\"outcome\":\"timeout\"") && event_has(sent));
    ask();
    request_end_all(&world.env);
    assert_true(event_has("\"outcome\":\"failed\"") && event_has(sent));
    ask();
    upstream_fail(ERR_UPSTREAM_REFUSED);
    assert_true(event_has("\"quantities\":[]"));
}

static void provider_ids_that_are_no_text_are_left_out(void **state)
{
    (void)state;
    struct header headers[2] = {{STR_LIT("content-type"), STR_LIT("application/json")},
                                {STR_LIT("x-request-id"), STR_LIT("up-\xff")}};
    struct upstream_answer a = {
        .status = 200, .headers = headers, .n_headers = 2, .content_length = 2};
    ask();
    world.call->answered = true;
    world.call->ops->on_head(world.call->arg, &a);
    upstream_data("{}");
    upstream_end();
    assert_true(event_has("\"upstream_request_id\":\"\""));
}

static void json_answer_that_dies_is_broken(void **state)
{
    (void)state;
    ask();
    upstream_head(200, "application/json", 500);
    upstream_data("{\"id\":");
    upstream_fail(ERR_UPSTREAM_TIMEOUT);
    assert_true(world.x.aborted);
    assert_true(sent_is("{\"id\":"));
    assert_true(event_has("\"outcome\":\"timeout\""));
}

static void faults_before_the_head_are_answered(void **state)
{
    (void)state;
    static const struct {
        enum error_code code;
        int status;
        const char *text, *outcome;
    } cases[] = {
        {ERR_UPSTREAM_REFUSED, 502, "upstream_unreachable", "\"outcome\":\"provider_error\""},
        {ERR_UPSTREAM_TLS, 502, "upstream_tls_failed", "\"outcome\":\"provider_error\""},
        {ERR_UPSTREAM_GARBAGE, 502, "upstream_invalid_response", "\"outcome\":\"provider_error\""},
        {ERR_UPSTREAM_CLOSED, 502, "upstream_closed", "\"outcome\":\"provider_error\""},
        {ERR_UPSTREAM_TIMEOUT, 504, "upstream_timeout", "\"outcome\":\"timeout\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ask();
        upstream_fail(cases[i].code);
        assert_int_equal(world.x.status, cases[i].status);
        assert_true(answer_has(cases[i].text));
        assert_int_equal(world.n_events, 1);
        assert_int_equal(world.x.events_at_end, 1);
        assert_true(event_has(cases[i].outcome));
        assert_true(event_has("\"number\":1"));
    }
}

static void client_that_goes_cancels(void **state)
{
    (void)state;
    ask_stream("");
    upstream_data(CHUNK("Hello"));
    world.x.on_gone(world.x.gone_arg);
    assert_true(world.call->cancelled);
    assert_true(world.x.ended && !world.x.aborted);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"client_gone\"") && event_has("\"source\":\"estimated\""));
    assert_true(event_has("\"status\":200"));

    ask();
    world.x.on_gone(world.x.gone_arg);
    assert_true(world.call->cancelled);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"status\":499") && event_has("\"outcome\":\"client_gone\""));
}

static void slow_client_pauses_the_provider(void **state)
{
    (void)state;
    ask_stream("");
    world.x.full = true;
    upstream_data(CHUNK("Hel"));
    assert_true(world.call->paused);
    world.x.full = false;
    world.x.on_drain(world.x.drain_arg);
    assert_false(world.call->paused);
    upstream_data(CHUNK("lo") USAGE DONE);
    upstream_end();
    ended_well_with_one_event();
}

#define RESPONSE_DONE                                                                         \
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":" \
    "\"r\",\"object\":\"response\",\"model\":\"o1\",\"status\":\"completed\",\"output\":[],"  \
    "\"usage\":{\"input_tokens\":5,\"output_tokens\":3,\"total_tokens\":8}}}\n\n"

static void native_streams_pass_whole(void **state)
{
    (void)state;
    world_request("POST", "/openai/responses", DEV "\nContent-Type: application/json",
                  "{\"model\":\"o1\",\"stream\":true}");
    upstream_head(200, "text/event-stream", -1);
    upstream_data(RESPONSE_DONE);
    upstream_end();
    assert_true(sent_is(RESPONSE_DONE));
    assert_true(world.x.ended && !world.x.aborted);
    assert_true(event_has("\"endpoint\":\"native\"") && event_has("\"model\":\"o1\"") &&
                event_has("\"stream\":true"));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":3"));
}

static void empty_and_compressed_answers(void **state)
{
    (void)state;
    world_request("DELETE", "/openai/files/1", DEV, NULL);
    upstream_head(204, "text/plain", 0);
    upstream_end();
    assert_int_equal(world.x.status, 204);
    assert_true(world.x.ended && !world.x.aborted);
    assert_true(event_has("\"outcome\":\"ok\""));
}

static void shutdown_ends_what_runs(void **state)
{
    (void)state;
    ask();
    request_end_all(&world.env);
    assert_int_equal(world.x.status, 503);
    assert_true(world.call->cancelled);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"failed\""));

    ask_stream("");
    upstream_data(CHUNK("Hello"));
    request_end_all(&world.env);
    assert_true(world.x.aborted && answer_has("shutting down"));
    assert_int_equal(world.n_events, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(json_answer_passes_unchanged),
        T(json_answer_in_pieces),
        T(provider_errors_pass),
        T(other_errors_are_put_into_shape),
        T(our_usage_chunk_is_hidden),
        T(asked_usage_chunk_is_shown),
        T(stream_in_any_pieces),
        T(stream_that_dies_says_so),
        T(stream_without_its_end_is_cut),
        T(fault_behind_done_is_no_fault),
        T(json_answer_that_dies_is_broken),
        T(faults_before_the_head_are_answered),
        T(client_that_goes_cancels),
        T(slow_client_pauses_the_provider),
        T(native_streams_pass_whole),
        T(empty_and_compressed_answers),
        T(shutdown_ends_what_runs),
        T(error_event_never_joins_what_was_cut),
        T(error_told_by_the_provider_is_told_once),
        T(last_event_needs_no_blank_line),
        T(body_that_ends_with_its_connection_must_be_whole),
        T(what_was_sent_is_counted_without_an_answer),
        T(provider_ids_that_are_no_text_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

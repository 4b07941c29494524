/* Every client's dialect on every provider's, streamed: the same client bytes however the
 * provider's are split, a clean end, one event with the provider's own numbers. */
#include "dataplane/fake_world.h"

#include "dataplane/net/aws_event.h"

#define YAML                                                                                    \
    "version: 1\n"                                                                              \
    "providers:\n"                                                                              \
    "  - {name: anthropic, kind: anthropic, base_url: \"http://127.0.0.1:9001\", api_key: k}\n" \
    "  - {name: openai, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: k}\n"    \
    "  - {name: gemini, kind: gemini, base_url: \"http://127.0.0.1:9001\", api_key: k}\n"       \
    "  - {name: bedrock, kind: bedrock, base_url: \"http://127.0.0.1:9001\", api_key: k, "      \
    "region: us-east-1}\n"                                                                      \
    "  - {name: cohere, kind: cohere, base_url: \"http://127.0.0.1:9001\", api_key: k}\n"       \
    "  - {name: ollama, kind: ollama, base_url: \"http://127.0.0.1:9001\"}\n"                   \
    "models:\n"                                                                                 \
    "  - {name: m-messages, targets: [{provider: anthropic, model: claude-x}]}\n"               \
    "  - {name: m-chat, targets: [{provider: openai, model: gpt-4o, endpoint: chat}]}\n"        \
    "  - {name: m-responses, targets: [{provider: openai, model: gpt-4o, endpoint: "            \
    "responses}]}\n"                                                                            \
    "  - {name: m-gemini, targets: [{provider: gemini, model: gemini-2.5-flash}]}\n"            \
    "  - {name: m-converse, targets: [{provider: bedrock, model: amazon.nova-lite-v1:0}]}\n"    \
    "  - {name: m-cohere, targets: [{provider: cohere, model: command-a, endpoint: "            \
    "cohere_chat}]}\n"                                                                          \
    "  - {name: m-ollama, targets: [{provider: ollama, model: llama3, endpoint: "               \
    "ollama_chat}]}\n"                                                                          \
    "keys:\n"                                                                                   \
    "  - {name: dev, secret: \"dev-secret\"}\n"

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static const char messages_stream[] = EVENT(
    "message_start",
    ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
    "\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":5,"
    "\"output_tokens\":1}}")
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
        EVENT("content_block_delta",
              ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Wa\"}")
            EVENT("content_block_delta",
                  ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ter \xe2\x9c\x93\"}")
                EVENT("content_block_stop", ",\"index\":0")
                    EVENT("message_delta",
                          ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
                          "\"usage\":{\"output_tokens\":3}") EVENT("message_stop", "");

#define CHUNK(delta, finish)                                                             \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":" \
    "\"m\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
static const char chat_stream[] = CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null")
    CHUNK("\"content\":\"Wa\"", "null") CHUNK("\"content\":\"ter \xe2\x9c\x93\"", "null")
        CHUNK("", "\"stop\"") "data: "
                              "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,"
                              "\"model\":\"m\","
                              "\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":"
                              "3,\"total_tokens\":8}}\n\n"
                              "data: [DONE]\n\n";

#define RESPONSE(status, output, usage)                                                     \
    ",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":1,\"status\":" \
    "\"" status "\",\"model\":\"m\",\"output\":[" output "],\"usage\":" usage "}"
#define ITEM                                                                                  \
    "{\"id\":\"it_1\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\","  \
    "\"content\":[{\"type\":\"output_text\",\"text\":\"Water \xe2\x9c\x93\",\"annotations\":" \
    "[]}]}"
#define AT "\"item_id\":\"it_1\",\"output_index\":0,\"content_index\":0"
static const char responses_stream[] = EVENT("response.created",
                                             RESPONSE("in_progress", "", "null"))
    EVENT("response.output_item.added",
          ",\"output_index\":0,\"item\":{\"id\":\"it_1\",\"type\":\"message\",\"status\":"
          "\"in_progress\",\"role\":\"assistant\",\"content\":[]}")
        EVENT("response.content_part.added",
              "," AT ",\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}")
            EVENT("response.output_text.delta", "," AT ",\"delta\":\"Wa\"")
                EVENT("response.output_text.delta", "," AT ",\"delta\":\"ter \xe2\x9c\x93\"") EVENT(
                    "response.output_text.done", "," AT ",\"text\":\"Water \xe2\x9c\x93\"")
                    EVENT("response.output_item.done", ",\"output_index\":0,\"item\":" ITEM) EVENT(
                        "response.completed",
                        RESPONSE("completed", ITEM,
                                 "{\"input_tokens\":5,\"output_tokens\":3,\"total_tokens\":8}"));

#define GEMINI_1                                                                        \
    "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Wa\"}]}," \
    "\"index\":0}],\"modelVersion\":\"m\",\"responseId\":\"g1\"}"
#define GEMINI_2                                                                    \
    "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"ter " \
    "\xe2\x9c\x93\"}]},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":"  \
    "{\"promptTokenCount\":5,\"candidatesTokenCount\":3,\"totalTokenCount\":8},"    \
    "\"modelVersion\":\"m\",\"responseId\":\"g1\"}"
static const char gemini_stream[] = "data: " GEMINI_1 "\r\n\r\ndata: " GEMINI_2 "\r\n\r\n";
/* What Gemini makes of it for a client that did not ask for events. */
static const char gemini_array[] = "[" GEMINI_1 ",\r\n" GEMINI_2 "]";

static const char cohere_stream[] =
    "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"co1\",\"delta\":"
    "{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_calls\":[],\"citations\":[]}}}\n\n"
    "event: content-start\ndata: {\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":"
    "{\"content\":{\"type\":\"text\",\"text\":\"\"}}}}\n\n"
    "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":"
    "{\"content\":{\"text\":\"Wa\"}}}}\n\n"
    "event: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":"
    "{\"content\":{\"text\":\"ter \xe2\x9c\x93\"}}}}\n\n"
    "event: content-end\ndata: {\"type\":\"content-end\",\"index\":0}\n\n"
    "event: message-end\ndata: {\"type\":\"message-end\",\"id\":\"co1\",\"delta\":"
    "{\"finish_reason\":\"COMPLETE\",\"usage\":{\"billed_units\":{\"input_tokens\":5,"
    "\"output_tokens\":3},\"tokens\":{\"input_tokens\":5,\"output_tokens\":3}}}}\n\n";

static const char ollama_stream[] =
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\","
    "\"content\":\"Wa\"},\"done\":false}\n"
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\","
    "\"content\":\"ter \xe2\x9c\x93\"},\"done\":false}\n"
    "{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{\"role\":\"assistant\","
    "\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":5,"
    "\"eval_count\":3}\n";

static struct buffer converse_stream;

static void frame(const char *type, const char *payload)
{
    assert_true(aws_event_write(&converse_stream, str_of(type), STR_LIT("application/json"),
                                str_of(payload)));
}

static void make_converse_stream(void)
{
    buffer_init(&converse_stream, 1u << 20);
    frame("messageStart", "{\"role\":\"assistant\"}");
    frame("contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Wa\"}}");
    frame("contentBlockDelta",
          "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"ter \xe2\x9c\x93\"}}");
    frame("contentBlockStop", "{\"contentBlockIndex\":0}");
    frame("messageStop", "{\"stopReason\":\"end_turn\"}");
    frame("metadata", "{\"usage\":{\"inputTokens\":5,\"outputTokens\":3,\"totalTokens\":8},"
                      "\"metrics\":{\"latencyMs\":1}}");
}

struct target {
    const char *model, *type, *stream; /* stream NULL: converse's */
};

static const struct target targets[] = {
    {"m-messages", "text/event-stream", messages_stream},
    {"m-chat", "text/event-stream", chat_stream},
    {"m-responses", "text/event-stream", responses_stream},
    {"m-gemini", "text/event-stream", gemini_stream},
    {"m-converse", "application/vnd.amazon.eventstream", NULL},
    {"m-cohere", "text/event-stream", cohere_stream},
    {"m-ollama", "application/x-ndjson", ollama_stream},
};

struct face {
    const char *path, *body; /* "%s" is the model, in one of the two */
    const char *type;
};

static const struct face faces[] = {
    {"/v1/chat/completions",
     "{\"model\":\"%s\",\"stream\":true,\"stream_options\":{\"include_usage\":true},"
     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
     "text/event-stream"},
    {"/v1/messages",
     "{\"model\":\"%s\",\"stream\":true,\"max_tokens\":9,\"messages\":[{\"role\":\"user\","
     "\"content\":\"hi\"}]}",
     "text/event-stream"},
    {"/v1/responses", "{\"model\":\"%s\",\"stream\":true,\"input\":\"hi\"}", "text/event-stream"},
    {"/v1beta/models/%s:streamGenerateContent?alt=sse",
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}", "text/event-stream"},
    {"/v1beta/models/%s:streamGenerateContent",
     "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}", "application/json"},
    {"/model/%s/converse-stream",
     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}]}",
     "application/vnd.amazon.eventstream"},
};

static int set_up(void **state)
{
    (void)state;
    world_begin(YAML);
    make_converse_stream();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&converse_stream);
    world_end();
    return 0;
}

static bool passes_as_array(const struct face *f, const struct target *t)
{
    return strcmp(f->type, "application/json") == 0 && t->stream == gemini_stream;
}

static struct str stream_of(const struct face *f, const struct target *t)
{
    if (passes_as_array(f, t)) {
        return STR_LIT(gemini_array);
    }
    return t->stream ? str_of(t->stream) : buffer_str(&converse_stream);
}

/* "%s" becomes the model. */
static char *with_model(const char *template, const char *model)
{
    struct buffer out;
    const char *mark = strstr(template, "%s");
    buffer_init(&out, 1u << 16);
    if (!mark) {
        (void)buffer_append_z(&out, template);
    } else {
        (void)buffer_append(&out, template, (size_t)(mark - template));
        (void)buffer_append_z(&out, model);
        (void)buffer_append_z(&out, mark + 2);
    }
    return buffer_detach(&out);
}

static void feed(struct str all, size_t step)
{
    for (size_t at = 0; at < all.len && world.call->live; at += step) {
        struct str s = str_slice(all, at, step);
        char *copy = mem_alloc(s.len); /* exactly as long as the call */
        memcpy(copy, s.ptr, s.len);
        world.call->ops->on_data(world.call->arg, (struct str){copy, s.len});
        memset(copy, '#', s.len);
        mem_free(copy);
    }
}

/* A run of one request; what differs between requests (its id, times) is blanked. */
static struct str run(const struct face *f, const struct target *t, size_t step)
{
    char *path = with_model(f->path, t->model), *body = with_model(f->body, t->model);
    world_request("POST", path, "Authorization: Bearer dev-secret\nContent-Type: application/json",
                  body);
    if (world.calls != 1) {
        fail_msg("%s %s: %.*s", path, t->model, (int)world.x.sent.len, world.x.sent.ptr);
    }
    upstream_head(200, passes_as_array(f, t) ? f->type : t->type, -1);
    feed(stream_of(f, t), step);
    upstream_end();
    if (!world.x.ended || world.x.aborted || world.n_events != 1 || world.x.events_at_end != 1) {
        fail_msg("%s %s: events %zu: %.*s", path, t->model, world.n_events, (int)world.x.sent.len,
                 world.x.sent.ptr);
    }
    const char *id = strstr(world.x.answer_headers, "x-weir-request-id: req_");
    assert_non_null(id);
    id += strlen("x-weir-request-id: req_");
    char *sent = mem_alloc(world.x.sent.len + 1);
    memcpy(sent, world.x.sent.ptr, world.x.sent.len);
    for (char *p = sent; (p = memmem(p, (size_t)(sent + world.x.sent.len - p), id, 32));) {
        memset(p, '#', 32);
    }
    for (char *p = sent; (p = memmem(p, (size_t)(sent + world.x.sent.len - p), "\"created", 8));) {
        for (p += 8; *p != ',' && *p != '}'; p++) {
            *p = *p >= '0' && *p <= '9' ? '#' : *p;
        }
    }
    mem_free(path);
    mem_free(body);
    return (struct str){sent, world.x.sent.len};
}

static void any_split_of_any_pair(void **state)
{
    (void)state;
    static const size_t steps[] = {1u << 20, 1, 2, 7, 61};
    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        for (size_t k = 0; k < sizeof(targets) / sizeof(targets[0]); k++) {
            struct str want = STR_NONE;
            for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
                struct str got = run(&faces[i], &targets[k], steps[s]);
                if (want.ptr && !str_eq(got, want)) {
                    fail_msg("%s %s, %zu bytes a piece:\n%.*s\nnot\n%.*s", faces[i].path,
                             targets[k].model, steps[s], STR_ARG(got), STR_ARG(want));
                }
                if (want.ptr) {
                    mem_free((char *)(uintptr_t)got.ptr);
                } else {
                    want = got;
                }
            }
            if (!memmem(want.ptr, want.len, "Wa", 2) ||
                !memmem(want.ptr, want.len, "ter \xe2\x9c\x93", 7) ||
                !strstr(world.x.answer_headers, faces[i].type)) {
                fail_msg("%s %s: %s %.*s", faces[i].path, targets[k].model, world.x.answer_headers,
                         STR_ARG(want));
            }
            if (!event_has("\"unit\":\"token_in\",\"quantity\":5") ||
                !event_has("\"unit\":\"token_out\",\"quantity\":3") ||
                !event_has("\"source\":\"provider\"") || !event_has("\"outcome\":\"ok\"")) {
                fail_msg("%s %s: %s", faces[i].path, targets[k].model, world.event);
            }
            mem_free((char *)(uintptr_t)want.ptr);
        }
    }
}

/* Half of a stream never ends cleanly, whichever its dialect. */
static void half_a_stream_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(faces) / sizeof(faces[0]); i++) {
        for (size_t k = 0; k < sizeof(targets) / sizeof(targets[0]); k++) {
            char *path = with_model(faces[i].path, targets[k].model);
            char *body = with_model(faces[i].body, targets[k].model);
            struct str all = stream_of(&faces[i], &targets[k]);
            world_request("POST", path,
                          "Authorization: Bearer dev-secret\nContent-Type: application/json", body);
            upstream_head(
                200, passes_as_array(&faces[i], &targets[k]) ? faces[i].type : targets[k].type, -1);
            feed(str_slice(all, 0, all.len / 2), 50);
            if (!world.x.ended) {
                upstream_fail(ERR_UPSTREAM_CLOSED);
            }
            if (!world.x.aborted || world.n_events != 1 || !event_has("\"outcome\":\"cut\"")) {
                fail_msg("%s %s: %s", path, targets[k].model, world.event);
            }
            mem_free(path);
            mem_free(body);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_split_of_any_pair, set_up, tear_down),
        cmocka_unit_test_setup_teardown(half_a_stream_is_cut, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* cohere_chat_codec: what Cohere gets, and what is read of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/chunk_log.h"

static struct arena *arena;
static struct losses losses;
static struct exchange_context context;
static struct buffer out;
static struct error err;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    losses = (struct losses){.n = 0};
    context = (struct exchange_context){.model = STR_LIT("command-a-03-2025"),
                                        .unique = STR_LIT("0123456789abcdef0123456789abcdef"),
                                        .created = 7,
                                        .losses = &losses};
    buffer_init(&out, 1 << 20);
    err = (struct error)ERROR_INIT;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_release(&out);
    arena_free(arena);
    return 0;
}

static struct chat_request request(struct message *messages, size_t n)
{
    return (struct chat_request){.family = FAMILY_CHAT,
                                 .messages = messages,
                                 .n_messages = n,
                                 .parallel_tool_calls = -1,
                                 .schema_strict = -1,
                                 .logprobs = -1,
                                 .top_logprobs = -1,
                                 .store = -1,
                                 .reasoning = {.budget = -1, .include = -1}};
}

static const char *sent(const struct chat_request *q)
{
    assert_true(cohere_chat_codec.encode_request(q, &context, arena, &out, &err));
    assert_true(json_validate(buffer_str(&out), 0, NULL, NULL));
    return arena_str(arena, buffer_str(&out)).ptr;
}

static const char *lost(void)
{
    struct str s = losses_text(&losses, arena);
    return s.ptr ? s.ptr : "";
}

static void plain_texts_and_sampling(void **state)
{
    (void)state;
    struct part system = {.text = STR_LIT("Be \"brief\"")}, user = {.text = STR_LIT("Hi")};
    struct message m[] = {{ROLE_DEVELOPER, STR_NONE, &system, 1}, {ROLE_USER, STR_NONE, &user, 1}};
    struct str stop = STR_LIT("END");
    struct chat_request q = request(m, 2);
    q.temperature = STR_LIT("0.30");
    q.top_p = STR_LIT("0.9");
    q.top_k = STR_LIT("40");
    q.seed = STR_LIT("1234567890123456789");
    q.max_tokens = 50;
    q.stop = &stop;
    q.n_stop = 1;
    q.logprobs = 1;
    context.stream = true;
    assert_string_equal(
        sent(&q), "{\"model\":\"command-a-03-2025\",\"messages\":[{\"role\":\"system\",\"content\":"
                  "\"Be \\\"brief\\\"\"},{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":50,"
                  "\"temperature\":0.30,\"p\":0.9,\"k\":40,\"seed\":1234567890123456789,"
                  "\"stop_sequences\":[\"END\"],\"logprobs\":true,\"stream\":true}");
    assert_string_equal(lost(), "");
}

static void tools_calls_and_results(void **state)
{
    (void)state;
    struct part user = {.text = STR_LIT("weather?")};
    struct part said[] = {{.type = PART_THINKING, .text = STR_LIT("I look it up")},
                          {.type = PART_TOOL_CALL,
                           .id = STR_LIT("c1"),
                           .name = STR_LIT("get"),
                           .arguments = STR_LIT("{\"a\":1}")},
                          {.type = PART_TOOL_CALL,
                           .id = STR_LIT("c2"),
                           .name = STR_LIT("get"),
                           .arguments = STR_LIT("")}};
    struct part text = {.text = STR_LIT("20 C")};
    struct part results[] = {
        {.type = PART_TOOL_RESULT, .id = STR_LIT("c1"), .parts = &text, .n_parts = 1},
        {.type = PART_TOOL_RESULT, .id = STR_LIT("c2"), .parts = &text, .n_parts = 1}};
    struct message m[] = {{ROLE_USER, STR_NONE, &user, 1},
                          {ROLE_ASSISTANT, STR_NONE, said, 3},
                          {ROLE_TOOL, STR_NONE, results, 2}};
    struct tool tools[] = {{.name = STR_LIT("get"),
                            .description = STR_LIT("d"),
                            .parameters = STR_LIT("{\"type\":\"object\"}"),
                            .strict = 1},
                           {.name = STR_LIT("put"), .strict = -1}};
    struct chat_request q = request(m, 3);
    q.tools = tools;
    q.n_tools = 2;
    q.tool_choice = CHOICE_NAMED;
    q.tool_choice_name = STR_LIT("get");
    assert_string_equal(
        sent(&q),
        "{\"model\":\"command-a-03-2025\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"weather?\"},{\"role\":\"assistant\",\"tool_plan\":\"I look it up\",\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"get\",\"arguments\":"
        "\"{\\\"a\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"get\","
        "\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":"
        "\"20 C\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"20 C\"}],\"tools\":["
        "{\"type\":\"function\",\"function\":{\"name\":\"get\",\"description\":\"d\","
        "\"parameters\":{\"type\":\"object\"}}}],\"strict_tools\":true,\"tool_choice\":"
        "\"REQUIRED\",\"stream\":false}");
    assert_string_equal(lost(), "");
}

static void images_documents_schema_and_thinking(void **state)
{
    (void)state;
    struct part parts[] = {
        {.text = STR_LIT("see")},
        {.type = PART_IMAGE,
         .media = {.data = STR_LIT("AAAA"), .media_type = STR_LIT("image/png")}},
        {.type = PART_IMAGE,
         .media = {.url = STR_LIT("https://x/y.png"), .detail = STR_LIT("low")}},
        {.type = PART_DOCUMENT, .media = {.text = STR_LIT("body"), .name = STR_LIT("a.txt")}},
        {.type = PART_AUDIO, .media = {.data = STR_LIT("AAAA")}}};
    struct message m[] = {{ROLE_USER, STR_NONE, parts, 5}};
    struct chat_request q = request(m, 1);
    q.output = OUTPUT_SCHEMA;
    q.schema = STR_LIT("{\"type\":\"object\"}");
    q.reasoning.effort = EFFORT_LOW;
    assert_string_equal(
        sent(&q),
        "{\"model\":\"command-a-03-2025\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"see\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"data:image/png;base64,AAAA\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"https://x/y.png\",\"detail\":\"low\"}}]}],\"documents\":[{\"id\":\"doc_0\",\"data\":{"
        "\"title\":\"a.txt\",\"text\":\"body\"}}],\"thinking\":{\"type\":\"enabled\","
        "\"token_budget\":1024},\"stream\":false}");
    assert_string_equal(lost(), "audio, response_format");
}

static void ranges_and_formats_are_coheres(void **state)
{
    (void)state;
    struct part user = {.text = STR_LIT("x")};
    struct message m[] = {{ROLE_USER, STR_NONE, &user, 1}};
    struct tool tool = {.name = STR_LIT("f"), .parameters = STR_LIT("{}"), .strict = -1};
    struct chat_request q = request(m, 1);
    q.output = OUTPUT_SCHEMA;
    q.schema = STR_LIT("{\"type\":\"object\"}");
    q.top_p = STR_LIT("1");
    q.frequency_penalty = STR_LIT("-0.5");
    q.presence_penalty = STR_LIT("1.5");
    assert_string_equal(
        sent(&q), "{\"model\":\"command-a-03-2025\",\"messages\":[{\"role\":\"user\",\"content\":"
                  "\"x\"}],\"p\":0.99,\"frequency_penalty\":0,\"presence_penalty\":1,"
                  "\"response_format\":{\"type\":\"json_object\",\"json_schema\":{\"type\":"
                  "\"object\"}},\"stream\":false}");
    assert_string_equal(lost(), "frequency_penalty, presence_penalty");
    /* beside tools Cohere refuses it */
    struct chat_request with_tool = request(m, 1);
    with_tool.output = OUTPUT_JSON;
    with_tool.tools = &tool;
    with_tool.n_tools = 1;
    buffer_clear(&out);
    const char *body = sent(&with_tool);
    assert_null(strstr(body, "response_format"));
    assert_non_null(strstr(body, "\"parameters\":{\"type\":\"object\",\"properties\":{}}"));
    assert_string_equal(lost(), "frequency_penalty, presence_penalty, response_format");
}

static void what_cannot_go_is_named(void **state)
{
    (void)state;
    struct part user = {.text = STR_LIT("x"), .cache = CACHE_5M};
    struct part said[] = {{.type = PART_THINKING,
                           .text = STR_LIT("t"),
                           .signature = STR_LIT("s"),
                           .signature_family = FAMILY_MESSAGES},
                          {.text = STR_LIT("y")}};
    struct message m[] = {{ROLE_USER, STR_LIT("bob"), &user, 1},
                          {ROLE_ASSISTANT, STR_NONE, said, 2}};
    struct extra extra = {STR_LIT("web_options"), STR_LIT("{}")};
    struct chat_request q = request(m, 2);
    q.n = 2;
    q.logit_bias = STR_LIT("{}");
    q.extras = &extra;
    q.n_extras = 1;
    const char *body = sent(&q);
    assert_null(strstr(body, "web_options"));
    assert_null(strstr(body, "\"t\""));
    assert_string_equal(lost(),
                        "cache_control, messages.name, messages.thinking_blocks, web_options, n, "
                        "logit_bias");
}

static void a_message_of_nothing_but_sound_is_refused(void **state)
{
    (void)state;
    struct part part = {.type = PART_AUDIO, .media = {.data = STR_LIT("AAAA")}};
    struct message m[] = {{ROLE_USER, STR_NONE, &part, 1}};
    struct chat_request q = request(m, 1);
    assert_false(cohere_chat_codec.encode_request(&q, &context, arena, &out, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_string_equal(err.param, "messages[0].content[0]");
}

static struct chat_reply reply(const char *body)
{
    struct chat_reply r = {.n_choices = 0};
    assert_true(cohere_chat_codec.decode_reply(str_of(body), &context, arena, &r, &err));
    assert_int_equal(r.n_choices, 1);
    return r;
}

static void a_whole_answer(void **state)
{
    (void)state;
    struct chat_reply r = reply(
        "{\"id\":\"5a50480a\",\"finish_reason\":\"COMPLETE\",\"message\":{\"role\":\"assistant\","
        "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":"
        "\"Emperor \\u00e9\"}],\"citations\":[{\"start\":0,\"end\":7,\"text\":\"Emperor\","
        "\"sources\":[{\"type\":\"document\",\"id\":\"doc:1\",\"document\":{\"id\":\"doc:1\","
        "\"title\":\"Tall\",\"text\":\"all of it\"}},{\"type\":\"document\",\"id\":\"x\"}]}]},"
        "\"logprobs\":[{\"token_ids\":[1,2],\"text\":\"ab\",\"logprobs\":[-0.5,-1e-3]}],"
        "\"usage\":{\"billed_units\":{\"input_tokens\":5.0,\"output_tokens\":418},\"tokens\":{"
        "\"input_tokens\":71,\"output_tokens\":420},\"cached_tokens\":3},\"new\":null}");
    struct chat_choice *c = r.choices;
    assert_true(str_eqz(r.id, "5a50480a"));
    assert_int_equal(c->n_parts, 2);
    assert_int_equal(c->parts[0].type, PART_THINKING);
    assert_true(str_eqz(c->parts[1].text, "Emperor é"));
    assert_int_equal(c->parts[1].n_citations, 2);
    assert_int_equal(c->parts[1].citations[0].document, 1);
    assert_true(str_eqz(c->parts[1].citations[0].title, "Tall"));
    assert_true(str_eqz(c->parts[1].citations[0].cited_text, "all of it"));
    assert_int_equal(c->parts[1].citations[1].document, -1);
    assert_int_equal(c->parts[1].citations[1].end, 7);
    assert_int_equal(c->finish, FINISH_STOP);
    assert_true(str_eqz(
        c->logprobs,
        "{\"content\":[{\"token\":\"ab\",\"logprob\":-0.5,\"bytes\":null,\"top_logprobs\":[]},{"
        "\"token\":\"\",\"logprob\":-1e-3,\"bytes\":null,\"top_logprobs\":[]}],\"refusal\":null}"));
    assert_int_equal(r.usage.input, 5);
    assert_int_equal(r.usage.output, 418);
    assert_int_equal(r.usage.cached, 3);
}

static void tool_calls_and_tokens_without_billing(void **state)
{
    (void)state;
    struct chat_reply r = reply(
        "{\"id\":null,\"finish_reason\":\"TOOL_CALL\",\"message\":{\"content\":null,\"tool_plan\":"
        "\"plan\",\"tool_calls\":[{\"id\":\"q1\",\"type\":\"function\",\"function\":{\"name\":"
        "\"f\",\"arguments\":\"{\\\"a\\\":\\\"\\\\u00e9\\\"}\"}},{\"function\":{\"name\":\"g\"}}]"
        "},\"usage\":{\"tokens\":{\"input_tokens\":9,\"output_tokens\":2}}}");
    struct chat_choice *c = r.choices;
    assert_int_equal(c->n_parts, 3);
    assert_int_equal(c->parts[0].type, PART_THINKING);
    assert_true(str_eqz(c->parts[1].arguments, "{\"a\":\"\\u00e9\"}"));
    assert_true(str_eqz(c->parts[2].id, "call_0123456789abcdef0123456789abcdef_1"));
    assert_true(str_eqz(c->parts[2].arguments, "{}"));
    assert_int_equal(c->finish, FINISH_TOOL_CALLS);
    assert_int_equal(r.usage.input, 9);
    assert_int_equal(r.usage.output, 2);
}

static void garbage_is_no_answer(void **state)
{
    (void)state;
    static const char *const bodies[] = {"", "{", "[]", "{}", "{\"message\":\"x\"}"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct chat_reply r;
        assert_false(cohere_chat_codec.decode_reply(str_of(bodies[i]), &context, arena, &r, &err));
        assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
    }
}

/* Events, one JSON text each; the last is NULL. */
static const char *streamed(const char *const *events)
{
    struct chunk_log *log = arena_zalloc(arena, sizeof(*log));
    void *d = cohere_chat_codec.decoder_new(&context, arena, chunk_log_emit, log);
    for (; *events; events++) {
        struct arena *scratch = arena_new(0);
        assert_true(cohere_chat_codec.decode_event(d, scratch, STR_LIT(""), str_of(*events)));
        arena_free(scratch);
    }
    cohere_chat_codec.decode_end(d);
    return log->text;
}

static void a_streamed_text(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"i1\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\","
        "\"content\":[],\"tool_plan\":\"\",\"tool_calls\":[],\"citations\":[]}}}",
        "{\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"type\":"
        "\"text\",\"text\":\"\"}}}}",
        "{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":"
        "\"Hi\"}}},\"logprobs\":{\"token_ids\":[1],\"text\":\"Hi\",\"logprobs\":[-1]}}",
        "{\"type\":\"citation-start\",\"index\":0,\"delta\":{\"message\":{\"citations\":{\"start\":"
        "0,\"end\":2,\"text\":\"Hi\",\"sources\":[{\"id\":\"doc_2\",\"document\":{\"title\":\"T\"}"
        "}]}}}}",
        "{\"type\":\"citation-end\",\"index\":0}",
        "{\"type\":\"debug\",\"prompt\":\"x\"}",
        "{\"type\":\"content-end\",\"index\":0}",
        "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"MAX_TOKENS\",\"usage\":{"
        "\"billed_units\":{\"input_tokens\":1,\"output_tokens\":2},\"cached_tokens\":1}}}",
        "[DONE]",
        NULL};
    assert_string_equal(
        streamed(events),
        "START i1 command-a-03-2025\nTEXT Hi\nLOGPROBS {\"content\":[{\"token\":\"Hi\","
        "\"logprob\":-1,\"bytes\":null,\"top_logprobs\":[]}],\"refusal\":null}\nCITE 0-2 doc 2 T\n"
        "BREAK \nUSAGE 1/2 cached 1\nFINISH 3 MAX_TOKENS\nEND \n");
}

static void streamed_tools_interleave(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"message-start\",\"id\":\"i\"}",
        "{\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{\"tool_plan\":\"I will\"}}}",
        "{\"type\":\"tool-call-start\",\"index\":4,\"delta\":{\"message\":{\"tool_calls\":{\"id\":"
        "\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}",
        "{\"type\":\"tool-call-start\",\"index\":5,\"delta\":{\"message\":{\"tool_calls\":{"
        "\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}}}}",
        "{\"type\":\"tool-call-delta\",\"index\":4,\"delta\":{\"message\":{\"tool_calls\":{"
        "\"function\":{\"arguments\":\"{\\\"x\\\":1}\"}}}}}",
        "{\"type\":\"tool-call-delta\",\"index\":5,\"delta\":{\"message\":{\"tool_calls\":{"
        "\"function\":{\"arguments\":\"}\"}}}}}",
        "{\"type\":\"tool-call-end\",\"index\":4}",
        "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}}",
        NULL};
    assert_string_equal(streamed(events),
                        "START i command-a-03-2025\nTHINKING I will\nBEGIN 0 a f\nBEGIN 1 "
                        "call_0123456789abcdef0123456789abcdef_1 g\nARGS 1 {\nARGS 0 {\"x\":1}\n"
                        "ARGS 1 }\nENDTOOL 0 \nFINISH 4 TOOL_CALL\nEND \n");
}

static void a_cut_stream_has_no_end(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":\"a\"}}}}",
        NULL};
    assert_string_equal(streamed(events), "START  command-a-03-2025\nTEXT a\n");
}

static void failures_within_the_answer(void **state)
{
    (void)state;
    static const char *const ended[] = {
        "{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"it broke\","
        "\"usage\":{\"tokens\":{\"input_tokens\":4}}}}",
        "{\"type\":\"content-end\"}", NULL};
    static const char *const bare[] = {"{\"message\":\"too many tokens\"}", NULL};
    char word[64];
    (void)snprintf(word, sizeof(word), "ERROR %d it broke\n", (int)FAILURE_SERVER);
    const char *text = streamed(ended);
    assert_non_null(strstr(text, "USAGE 4/0"));
    assert_string_equal(text + strlen(text) - strlen(word), word);
    (void)snprintf(word, sizeof(word), "ERROR %d too many tokens\n", (int)FAILURE_CONTEXT_LENGTH);
    text = streamed(bare);
    assert_string_equal(text + strlen(text) - strlen(word), word);
}

static void an_event_that_is_no_json_is_garbage(void **state)
{
    (void)state;
    struct chunk_log log = {.len = 0};
    void *d = cohere_chat_codec.decoder_new(&context, arena, chunk_log_emit, &log);
    assert_false(
        cohere_chat_codec.decode_event(d, arena, STR_LIT("message-start"), STR_LIT("{\"type\":")));
    assert_int_equal(log.len, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(plain_texts_and_sampling),
        TEST(tools_calls_and_results),
        TEST(images_documents_schema_and_thinking),
        TEST(ranges_and_formats_are_coheres),
        TEST(what_cannot_go_is_named),
        TEST(a_message_of_nothing_but_sound_is_refused),
        TEST(a_whole_answer),
        TEST(tool_calls_and_tokens_without_billing),
        TEST(garbage_is_no_answer),
        TEST(a_streamed_text),
        TEST(streamed_tools_interleave),
        TEST(a_cut_stream_has_no_end),
        TEST(failures_within_the_answer),
        TEST(an_event_that_is_no_json_is_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

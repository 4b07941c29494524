/* ollama_chat_codec and ollama_embedding_codec: what Ollama gets, and what is read of its answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/canonical/read.h"
#include "dataplane/dialects/chunk_log.h"

#define UNIQUE "0123456789abcdef0123456789abcdef"

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
    context = (struct exchange_context){
        .model = STR_LIT("llama3.2"), .unique = STR_LIT(UNIQUE), .created = 7, .losses = &losses};
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
    assert_true(ollama_chat_codec.encode_request(q, &context, arena, &out, &err));
    assert_true(json_validate(buffer_str(&out), 0, NULL, NULL));
    return arena_str(arena, buffer_str(&out)).ptr;
}

static const char *lost(void)
{
    struct str s = losses_text(&losses, arena);
    return s.ptr ? s.ptr : "";
}

static void texts_images_and_options(void **state)
{
    (void)state;
    struct part system = {.text = STR_LIT("brief")};
    struct part user[] = {{.text = STR_LIT("a")},
                          {.type = PART_IMAGE,
                           .media = {.data = STR_LIT("QUJD"), .media_type = STR_LIT("image/png")}},
                          {.type = PART_DOCUMENT, .media = {.text = STR_LIT("doc")}}};
    struct message m[] = {{ROLE_DEVELOPER, STR_NONE, &system, 1}, {ROLE_USER, STR_NONE, user, 3}};
    struct str stop = STR_LIT("X");
    struct chat_request q = request(m, 2);
    q.temperature = STR_LIT("0.5");
    q.min_p = STR_LIT("0.05");
    q.repetition_penalty = STR_LIT("1.1");
    q.max_tokens = 9;
    q.stop = &stop;
    q.n_stop = 1;
    q.output = OUTPUT_JSON;
    q.reasoning.effort = EFFORT_XHIGH;
    q.logprobs = 1;
    q.top_logprobs = 2;
    context.stream = true;
    assert_string_equal(
        sent(&q),
        "{\"model\":\"llama3.2\",\"messages\":[{\"role\":\"system\",\"content\":\"brief\"},{"
        "\"role\":\"user\",\"content\":\"a\\n\\ndoc\",\"images\":[\"QUJD\"]}],\"format\":\"json\","
        "\"options\":{\"temperature\":0.5,\"min_p\":0.05,\"repeat_penalty\":1.1,\"num_predict\":9,"
        "\"stop\":[\"X\"]},\"think\":\"high\",\"logprobs\":true,\"top_logprobs\":2,"
        "\"stream\":true}");
    assert_string_equal(lost(), "");
}

static void tools_calls_and_results(void **state)
{
    (void)state;
    struct part user = {.text = STR_LIT("w?")};
    struct part said[] = {{.type = PART_THINKING, .text = STR_LIT("hm")},
                          {.type = PART_TOOL_CALL,
                           .id = STR_LIT("c1"),
                           .name = STR_LIT("get"),
                           .arguments = STR_LIT("{\"a\":1}")},
                          {.type = PART_TOOL_CALL,
                           .id = STR_LIT("c2"),
                           .name = STR_LIT("put"),
                           .arguments = STR_LIT("no json")}};
    struct part text = {.text = STR_LIT("ok")};
    struct part results[] = {
        {.type = PART_TOOL_RESULT, .id = STR_LIT("c2"), .parts = &text, .n_parts = 1},
        {.type = PART_TOOL_RESULT, .id = STR_LIT("c1"), .parts = &text, .n_parts = 1}};
    struct message m[] = {{ROLE_USER, STR_NONE, &user, 1},
                          {ROLE_ASSISTANT, STR_NONE, said, 3},
                          {ROLE_TOOL, STR_NONE, results, 2}};
    struct tool tool = {
        .name = STR_LIT("get"), .parameters = STR_LIT("{\"type\":\"object\"}"), .strict = -1};
    struct chat_request q = request(m, 3);
    q.tools = &tool;
    q.n_tools = 1;
    q.tool_choice = CHOICE_REQUIRED;
    q.output = OUTPUT_SCHEMA;
    q.schema = STR_LIT("{\"type\":\"array\"}");
    q.reasoning.effort = EFFORT_NONE;
    const char *body = sent(&q);
    assert_non_null(strstr(body, "{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\","
                                 "\"tool_calls\":[{\"function\":{\"name\":\"get\",\"arguments\":"
                                 "{\"a\":1}}},{\"function\":{\"name\":\"put\",\"arguments\":{"));
    assert_non_null(strstr(body, "{\"role\":\"tool\",\"tool_name\":\"put\",\"content\":\"ok\"},{"
                                 "\"role\":\"tool\",\"tool_name\":\"get\",\"content\":\"ok\"}]"));
    assert_non_null(strstr(body, "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"
                                 "\"get\",\"description\":\"\",\"parameters\":{\"type\":"
                                 "\"object\"}}}],\"format\":{\"type\":\"array\"},"
                                 "\"think\":false,\"stream\":false}"));
    assert_string_equal(lost(), "tool_choice");
}

static void tools_that_must_not_be_used_are_not_sent(void **state)
{
    (void)state;
    struct part user = {.text = STR_LIT("w?")};
    struct message m[] = {{ROLE_USER, STR_NONE, &user, 1}};
    struct tool tool = {.name = STR_LIT("get"), .strict = -1};
    struct chat_request q = request(m, 1);
    q.tools = &tool;
    q.n_tools = 1;
    q.tool_choice = CHOICE_NONE;
    assert_null(strstr(sent(&q), "tools"));
    assert_string_equal(lost(), "");
}

static void an_image_by_url_cannot_go(void **state)
{
    (void)state;
    struct part parts[] = {{.type = PART_IMAGE, .media = {.url = STR_LIT("https://x/y.png")}},
                           {.text = STR_LIT("what is it")}};
    struct message m[] = {{ROLE_USER, STR_NONE, parts, 2}};
    struct chat_request q = request(m, 1);
    assert_null(strstr(sent(&q), "y.png"));
    assert_string_equal(lost(), "image");
    m[0].n_parts = 1;
    assert_false(ollama_chat_codec.encode_request(&q, &context, arena, &out, &err));
    assert_string_equal(err.param, "messages[0].content[0]");
}

static void a_whole_answer(void **state)
{
    (void)state;
    struct chat_reply r;
    assert_true(ollama_chat_codec.decode_reply(
        STR_LIT("{\"model\":\"llama3.2:1b\",\"created_at\":\"2023-12-12T14:13:43.416799999Z\","
                "\"message\":{\"role\":\"assistant\",\"content\":\"Hi\\n\",\"thinking\":\"t\","
                "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"b\":[1]}}},{\"id\":"
                "\"own\",\"function\":{\"index\":1,\"name\":\"g\",\"arguments\":{}}}]},\"done\":"
                "true,\"done_reason\":\"stop\",\"total_duration\":4883583458,\"prompt_eval_count\":"
                "26,\"eval_count\":282,\"logprobs\":[{\"token\":\"Hi\",\"logprob\":-0.1}]}"),
        &context, arena, &r, &err));
    struct chat_choice *c = r.choices;
    assert_true(str_eqz(r.model, "llama3.2:1b"));
    assert_int_equal(r.created, 1702390423);
    assert_int_equal(c->n_parts, 4);
    assert_int_equal(c->parts[0].type, PART_THINKING);
    assert_true(str_eqz(c->parts[1].text, "Hi\n"));
    assert_true(str_eqz(c->parts[2].id, "call_" UNIQUE "_0"));
    assert_true(str_eqz(c->parts[2].arguments, "{\"b\":[1]}"));
    assert_true(str_eqz(c->parts[3].id, "own"));
    assert_int_equal(c->finish, FINISH_TOOL_CALLS);
    assert_true(str_eqz(c->logprobs,
                        "{\"content\":[{\"token\":\"Hi\",\"logprob\":-0.1}],\"refusal\":null}"));
    assert_int_equal(r.usage.input, 26);
    assert_int_equal(r.usage.output, 282);
}

static void odd_answers(void **state)
{
    (void)state;
    struct chat_reply r;
    assert_true(ollama_chat_codec.decode_reply(
        STR_LIT("{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"length\"}"),
        &context, arena, &r, &err));
    assert_int_equal(r.choices[0].finish, FINISH_LENGTH);
    assert_int_equal(r.choices[0].n_parts, 0);
    assert_false(r.usage.found);
    assert_true(str_eqz(r.model, "llama3.2"));
    assert_false(
        ollama_chat_codec.decode_reply(STR_LIT("{\"done\":true}"), &context, arena, &r, &err));
    assert_int_equal(err.code, ERR_UPSTREAM_GARBAGE);
}

static const char *streamed(const char *const *lines)
{
    struct chunk_log *log = arena_zalloc(arena, sizeof(*log));
    void *d = ollama_chat_codec.decoder_new(&context, arena, chunk_log_emit, log);
    for (; *lines; lines++) {
        struct arena *scratch = arena_new(0);
        assert_true(ollama_chat_codec.decode_event(d, scratch, STR_NONE, str_of(*lines)));
        arena_free(scratch);
    }
    ollama_chat_codec.decode_end(d);
    return log->text;
}

static void a_stream(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"model\":\"m\",\"created_at\":\"2023-08-04T08:52:19.385406455-07:00\",\"message\":{"
        "\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}",
        "{\"model\":\"m\",\"message\":{\"content\":\"The\"},\"done\":false}",
        "{\"model\":\"m\",\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":"
        "\"f\",\"arguments\":{\"a\":1}}}]},\"done\":false}",
        "{\"model\":\"m\",\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":"
        "\"f\",\"arguments\":null}}]},\"done\":false}",
        "{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
        "\"prompt_eval_count\":2,\"eval_count\":3}",
        "{\"model\":\"m\",\"message\":{\"content\":\"late\"},\"done\":true}",
        NULL};
    assert_string_equal(streamed(lines),
                        "START  m\nTHINKING hm\nTEXT The\nBEGIN 0 call_" UNIQUE "_0 f\nARGS 0 "
                        "{\"a\":1}\nENDTOOL 0 \nBEGIN 1 call_" UNIQUE "_1 f\nARGS 1 {}\n"
                        "ENDTOOL 1 \nUSAGE 2/3 cached 0\nFINISH 4 stop\nEND \n");
}

static void cut_broken_and_garbled_streams(void **state)
{
    (void)state;
    static const char *const cut[] = {"{\"message\":{\"content\":\"a\"},\"done\":false}", NULL};
    static const char *const broken[] = {"{\"message\":{\"content\":\"a\"},\"done\":false}",
                                         "{\"error\":\"out of memory\"}", NULL};
    char wanted[96];
    assert_string_equal(streamed(cut), "START  llama3.2\nTEXT a\n");
    (void)snprintf(wanted, sizeof(wanted), "START  llama3.2\nTEXT a\nERROR %d out of memory\n",
                   (int)FAILURE_SERVER);
    assert_string_equal(streamed(broken), wanted);
    struct chunk_log log = {.len = 0};
    void *d = ollama_chat_codec.decoder_new(&context, arena, chunk_log_emit, &log);
    assert_false(ollama_chat_codec.decode_event(d, arena, STR_NONE, STR_LIT("<html>")));
    assert_int_equal(log.len, 0);
}

static void embeddings(void **state)
{
    (void)state;
    struct embedding_input inputs[] = {{.text = STR_LIT("a")}, {.text = STR_LIT("b")}};
    struct embedding_request q = {.family = FAMILY_COHERE,
                                  .inputs = inputs,
                                  .n_inputs = 2,
                                  .dimensions = 64,
                                  .encoding = STR_LIT("int8"),
                                  .input_type = STR_LIT("search_query"),
                                  .truncate = STR_LIT("NONE"),
                                  .normalize = -1};
    assert_true(ollama_embedding_codec.encode_request(&q, &context, arena, &out, &err));
    assert_string_equal(arena_str(arena, buffer_str(&out)).ptr,
                        "{\"model\":\"llama3.2\",\"input\":[\"a\",\"b\"],\"dimensions\":64,"
                        "\"truncate\":false}");
    assert_string_equal(lost(), "embedding_types, input_type");
    inputs[1] = (struct embedding_input){.tokens = STR_LIT("[1]")};
    assert_false(ollama_embedding_codec.encode_request(&q, &context, arena, &out, &err));
    assert_string_equal(err.param, "input[1]");

    struct embedding_reply r;
    assert_true(ollama_embedding_codec.decode_reply(
        STR_LIT("{\"model\":\"m\",\"embeddings\":[[0.1,-2e-3],[3]],\"prompt_eval_count\":8}"),
        &context, arena, &r, &err));
    assert_int_equal(r.n_vectors, 2);
    assert_true(str_eqz(r.vectors[0].floats, "[0.1,-2e-3]"));
    assert_int_equal(r.usage.input, 8);
    assert_false(ollama_embedding_codec.decode_reply(STR_LIT("{\"embeddings\":[7]}"), &context,
                                                     arena, &r, &err));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(texts_images_and_options),
        TEST(tools_calls_and_results),
        TEST(tools_that_must_not_be_used_are_not_sent),
        TEST(an_image_by_url_cannot_go),
        TEST(a_whole_answer),
        TEST(odd_answers),
        TEST(a_stream),
        TEST(cut_broken_and_garbled_streams),
        TEST(embeddings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

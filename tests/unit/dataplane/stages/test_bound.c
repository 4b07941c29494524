/* What a call may take at most, in each dialect: never less than a provider could count, whatever
 * the client writes; and a maximum that Weir sets reaches the provider under its own name. */
#define QUOTAS                                                                                     \
    "budgets:\n"                                                                                   \
    "  - {name: hard, scopes: [{kind: key, value: dev}], metric: tokens, amount: 100000000, "      \
    "window: total, mode: hard}\n"                                                                 \
    "  - {name: small, scopes: [{kind: key, value: poor}], metric: tokens, amount: 1000, window: " \
    "total, mode: hard}\n"
#define MORE                                                                                \
    "  - {name: gm, kind: gemini, base_url: \"http://127.0.0.1:9010\", api_key: sk-g}\n"    \
    "  - {name: co, kind: cohere, base_url: \"http://127.0.0.1:9011\", api_key: sk-c}\n"    \
    "  - {name: ol, kind: ollama, base_url: \"http://127.0.0.1:9012\"}\n"                   \
    "  - {name: odd, kind: openai, base_url: \"http://127.0.0.1:9013/v1\", api_key: sk-o, " \
    "drop_params: [max_completion_tokens]}\n"

#include "dataplane/request/life_rig.h"

#include "dataplane/quota_world.h"
#include "dataplane/stages/governed.h"

#define MODEL(provider, name)                                                                \
    "{\"provider\":\"" provider "\",\"model\":\"" name                                       \
    "\",\"context\":5000,\"max_output\":2000,\"price\":{\"token_in\":1000000,\"token_out\":" \
    "1000000}}"
#define CATALOGUE                                                                               \
    "{\"format\":1,\"version\":\"test\",\"models\":[" MODEL("openai", "gpt") "," MODEL(         \
        "anthropic", "claude") "," MODEL("google",                                              \
                                         "gemini") "," MODEL("cohere",                          \
                                                             "cmd") "," MODEL("amazon-bedrock", \
                                                                              "nova") "]}"
#define YAML                                               \
    PROVIDERS MORE "models: []\n"                          \
                   "keys:\n"                               \
                   "  - {name: dev, secret: dev-secret}\n" \
                   "  - {name: poor, secret: poor-secret}\n" QUOTAS

#define M "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define GPT "\"model\":\"a/gpt\","
#define UNBOUNDED UINT64_MAX

static int begin(void **state)
{
    (void)state;
    world_begin(PROVIDERS REST);
    books_begin(YAML, CATALOGUE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    world_end_turn();
    world_end();
    books_end();
    return 0;
}

/* As the dev key; parked at its provider, or refused. */
static void send(const char *path, const char *body, const char *more)
{
    char headers[200];
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer dev-secret\ncontent-type: application/json\n%s", more);
    world_request("POST", path, headers, body);
    books_pump();
}

static void stop(void)
{
    if (!world.x.ended) {
        client_goes();
    }
    world_end_turn();
}

static struct bound bound_at(const char *path, const char *body, const char *more)
{
    struct bound b = {.named = false};
    send(path, body, more);
    if (world.x.ended) {
        assert_true(answer_has("cost_unbounded"));
        b.tokens_in = b.tokens_out = UNBOUNDED;
        return b;
    }
    struct request *r = LIST_ENTRY(world.env.live.next, struct request, node);
    bound_of_request(r, &r->candidates[r->candidate], &b);
    stop();
    return b;
}

static uint64_t out(const char *path, const char *body)
{
    return bound_at(path, body, "").tokens_out;
}

static uint64_t in(const char *body)
{
    return bound_at(CHAT, body, "").tokens_in;
}

#define RESPONSES "/v1/responses"
#define MESSAGES "/v1/messages"
#define GEMINI "/v1beta/models/gm%2Fgemini:generateContent"

static void output_is_what_may_come_out(void **state)
{
    (void)state;
    assert_int_equal(out(CHAT, "{" GPT M "}"), 2000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50," M "}"), 50);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"max_completion_tokens\":70," M "}"),
                     70);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":3," M "}"), 150);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"\\u006e\":3," M "}"), 150);
    assert_int_equal(out(CHAT, "{" GPT "\"n\":3," M "}"), 6000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":null," M "}"), 50);
    assert_int_equal(out(MESSAGES, "{\"model\":\"an/claude\",\"max_tokens\":80," M "}"), 80);
    assert_int_equal(out(RESPONSES, "{" GPT "\"max_output_tokens\":90,\"input\":\"Hi\"}"), 90);
    assert_int_equal(out(RESPONSES, "{" GPT "\"max_output_tokens\":1,\"input\":\"Hi\"}"), 16);
    assert_int_equal(out(GEMINI, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":40,"
                                 "\"candidateCount\":2}}"),
                     80);
    assert_int_equal(out(GEMINI, "{\"contents\":[],\"generation_config\":{\"max_output_tokens\":40,"
                                 "\"candidate_count\":2}}"),
                     80);
    assert_int_equal(out("/v1/embeddings", "{" GPT "\"input\":\"Hi\"}"), 0);
}

/* What a lax reader might take for something else is no maximum, and no number of answers. */
static void odd_words_bound_nothing(void **state)
{
    (void)state;
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":0," M "}"), 2000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":-1," M "}"), 2000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":\"5\"," M "}"), 2000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":null,\"max_completion_tokens\":5," M "}"),
                     2000);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":5,\"max_tokens\":900," M "}"), UNBOUNDED);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":1,\"n\":100," M "}"), UNBOUNDED);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":3.0," M "}"), UNBOUNDED);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":\"3\"," M "}"), UNBOUNDED);
    assert_int_equal(out(CHAT, "{" GPT "\"max_tokens\":50,\"n\":5000," M "}"), UNBOUNDED);
    assert_int_equal(out(GEMINI, "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":40},"
                                 "\"generation_config\":{\"maxOutputTokens\":4000}}"),
                     UNBOUNDED);
    /* its operator has it left out */
    assert_int_equal(out(CHAT, "{\"model\":\"odd/gpt\",\"max_completion_tokens\":5," M "}"), 2000);
    /* what is foretold may be billed besides */
    assert_true(out(CHAT, "{" GPT "\"max_tokens\":50,\"prediction\":{\"type\":\"content\","
                          "\"content\":\"0123456789\"}," M "}") >= 60);
    assert_true(bound_at(RESPONSES,
                         "{" GPT "\"max_output_tokens\":9,\"input\":\"Hi\",\"background\":true}",
                         "")
                    .later);
}

static void input_is_its_bytes(void **state)
{
    (void)state;
    static const char body[] = "{" GPT "\"max_tokens\":50," M "}";
    uint64_t plain = in(body);
    assert_true(plain >= sizeof(body) - 1 && plain < 300);
    /* tools have instructions of their own, which are in no body */
    assert_true(in("{" GPT "\"max_tokens\":50," M ",\"tools\":[{\"type\":\"function\",\"function\":"
                   "{\"name\":\"a\"}}]}") > plain + 700);
    /* what the body only refers to is as long as the window */
    assert_int_equal(in("{" GPT "\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{"
                        "\"type\":\"file\",\"file\":{\"file_id\":\"x\"}}]}]}"),
                     5000);
    assert_int_equal(in("{" GPT "\"max_tokens\":50,\"messages\":[{\"role\":\"assistant\",\"audio\":"
                        "{\"id\":\"x\"}}]}"),
                     5000);
    assert_int_equal(in("{" GPT "\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{"
                        "\"type\":\"im\\u0061ge_url\",\"im\\u0061ge_url\":{\"url\":\"x\"}}]}]}"),
                     5000);
    assert_int_equal(
        in("{" GPT "\"max_tokens\":50,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
           "\"image_url\",\"image_url\":{\"url\":\"data:application/pdf;base64,AAAA\"}}]}]}"),
        5000);
    assert_int_equal(bound_at(GEMINI,
                              "{\"contents\":[{\"parts\":[{\"inlineData\":{\"mimeType\":\"audio/"
                              "wav\",\"data\":\"AAAA\"}}]}],\"generationConfig\":{"
                              "\"maxOutputTokens\":40}}",
                              "")
                         .tokens_in,
                     5000);
    /* what the provider does by itself, as often as it likes, has no bound */
    assert_int_equal(bound_at(RESPONSES,
                              "{" GPT
                              "\"max_output_tokens\":9,\"input\":\"Hi\",\"tools\":[{\"type\":"
                              "\"file_search\"}]}",
                              "")
                         .tokens_in,
                     UNBOUNDED);
    assert_int_equal(bound_at(MESSAGES,
                              "{\"model\":\"an/claude\",\"max_tokens\":80," M
                              ",\"tools\":[{\"type\":\"web_search_20250305\",\"max_uses\":2}]}",
                              "")
                         .tokens_in,
                     3 * 5000);
    assert_int_equal(bound_at(GEMINI,
                              "{\"contents\":[],\"tools\":[{\"googleSearch\":{}}],"
                              "\"generationConfig\":{\"maxOutputTokens\":40}}",
                              "")
                         .tokens_in,
                     UNBOUNDED);
}

/* A run of letters is an image's data only where an image's data stands. */
static void only_images_are_no_text(void **state)
{
    char run[3001], body[8000];
    (void)state;
    memset(run, 'A', sizeof(run) - 1);
    run[sizeof(run) - 1] = '\0';
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"a/none\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\","
                   "\"content\":[{\"type\":\"text\",\"text\":\"%s\"},{\"type\":\"image_url\","
                   "\"image_url\":{\"url\":\"http://x/y.png\"}}]}]}",
                   run);
    assert_true(in(body) > 3000 + 2 * 8192);
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"a/none\",\"max_tokens\":50,\"messages\":[{\"role\":\"user\","
                   "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;"
                   "base64,%s\"}}]}]}",
                   run);
    assert_true(in(body) > 2 * 8192 && in(body) < 3000 + 2 * 8192);
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"an/none\",\"max_tokens\":50,\"messages\":[{\"role\":\"assistant\","
                   "\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"image\",\"input\":{"
                   "\"data\":\"%s\",\"image\":\"%s\"}}]}]}",
                   run, run);
    assert_true(bound_at(MESSAGES, body, "").tokens_in > 6000 + 8192);
}

/* Many inputs are more than one window; a question may be billed with each document. */
static void lists_are_not_one_prompt(void **state)
{
    char body[30000];
    size_t n = (size_t)snprintf(body, sizeof(body), "{" GPT "\"input\":[\"x\"");
    (void)state;
    for (unsigned i = 0; i < 2000; i++) {
        n += (size_t)snprintf(body + n, sizeof(body) - n, ",\"12345678\"");
    }
    (void)snprintf(body + n, sizeof(body) - n, "]}");
    assert_true(bound_at("/v1/embeddings", body, "").tokens_in > 20000);
    uint64_t ranked =
        bound_at("/v1/rerank",
                 "{\"model\":\"co/cmd\",\"query\":\"0123456789\",\"documents\":[\"a\","
                 "\"b\",\"c\",\"d\"]}",
                 "")
            .tokens_in;
    assert_true(ranked >= 4 * 10 + 100);
}

/* Whatever face and provider, what the budget leaves is what the provider is told. */
static void a_cap_reaches_the_provider(void **state)
{
    static const struct {
        const char *path, *body, *named;
    } cases[] = {
        {CHAT, "{\"model\":\"a/gpt\"," M "}", "\"max_completion_tokens\":"},
        {CHAT, "{\"model\":\"a/gpt\",\"max_tokens\":null," M "}", "\"max_completion_tokens\":"},
        {CHAT, "{\"model\":\"an/claude\"," M "}", "\"max_tokens\":"},
        {CHAT, "{\"model\":\"gm/gemini\"," M "}", "\"maxOutputTokens\":"},
        {CHAT, "{\"model\":\"co/cmd\"," M "}", "\"max_tokens\":"},
        {CHAT, "{\"model\":\"br/nova\"," M "}", "\"maxTokens\":"},
        {CHAT, "{\"model\":\"ol/x\"," M "}", "\"num_predict\":"},
        {RESPONSES, "{\"model\":\"a/gpt\",\"input\":\"Hi\"}", "\"max_output_tokens\":"},
        {RESPONSES, "{\"model\":\"an/claude\",\"input\":\"Hi\"}", "\"max_tokens\":"},
        {RESPONSES, "{\"model\":\"gm/gemini\",\"input\":\"Hi\"}", "\"maxOutputTokens\":"},
        {GEMINI, "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]}",
         "\"maxOutputTokens\":"},
        {GEMINI,
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}],\"generation_config\":{"
         "\"temperature\":1}}",
         "\"maxOutputTokens\":"},
        {"/v1beta/models/an%2Fclaude:generateContent",
         "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hi\"}]}]}", "\"max_tokens\":"},
        {"/model/br%2Fnova/converse",
         "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}]}", "\"maxTokens\":"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char wanted[64];
        world_request("POST", cases[i].path, "Authorization: Bearer poor-secret\n", cases[i].body);
        books_pump();
        if (world.x.ended) {
            fail_msg("%zu: %.*s", i, (int)world.x.sent.len, world.x.sent.ptr);
        }
        struct request *r = LIST_ENTRY(world.env.live.next, struct request, node);
        assert_true(r->output_cap >= 16 && r->output_cap < 1000);
        (void)snprintf(wanted, sizeof(wanted), "%s%llu", cases[i].named,
                       (unsigned long long)r->output_cap);
        if (!upstream_got(wanted)) {
            fail_msg("%zu: no %s in %.*s%.*s", i, wanted, STR_ARG(world.call->head),
                     STR_ARG(world.call->body));
        }
        stop();
        books_wait(1000);
    }
}

#define B_(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        B_(output_is_what_may_come_out), B_(odd_words_bound_nothing),
        B_(input_is_its_bytes),          B_(only_images_are_no_text),
        B_(lists_are_not_one_prompt),    B_(a_cap_reaches_the_provider),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

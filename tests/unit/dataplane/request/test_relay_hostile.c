/* Requests and settings that try to get more than they may, and accounts of what went wrong half
 * way. */
#include "dataplane/fake_world.h"

#define YAML                                                                                   \
    "version: 1\n"                                                                             \
    "providers:\n"                                                                             \
    "  - {name: oa, kind: openai, base_url: \"http://127.0.0.1:9001/v1\"}\n"                   \
    "  - {name: ant, kind: anthropic, base_url: \"http://127.0.0.1:9002\"}\n"                  \
    "  - {name: gem, kind: gemini, base_url: \"http://127.0.0.1:9003\", api_key: sk-gem}\n"    \
    "  - {name: vertex, kind: vertex, base_url: \"http://127.0.0.1:9004\", project: p}\n"      \
    "  - {name: bed, kind: bedrock, base_url: \"http://127.0.0.1:9005\", region: eu-west-1, "  \
    "aws_access_key_id: AKID, aws_secret_access_key: hidden-secret}\n"                         \
    "  - {name: own, kind: custom, base_url: \"http://127.0.0.1:9006\", api_key: sk-own, "     \
    "auth: \"header:x-own-key\", headers: {transfer-encoding: chunked, x-team: blue}}\n"       \
    "  - {name: asked, kind: custom, base_url: \"http://127.0.0.1:9007\", api_key: sk-asked, " \
    "auth: \"query:token\"}\n"                                                                 \
    "models:\n"                                                                                \
    "  - {name: claude, targets: [{provider: ant, model: claude-x}]}\n"                        \
    "  - {name: vectors, targets: [{provider: bed, model: amazon.titan-embed-text-v2:0}]}\n"   \
    "  - {name: gvectors, targets: [{provider: gem, model: real-embedding}]}\n"                \
    "keys:\n"                                                                                  \
    "  - {name: dev, secret: \"dev-secret\"}\n"

#define DEV "x-weir-key: dev-secret"
#define JSON "\ncontent-type: application/json"

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

#define STEP_OA                                                                                   \
    "{\"provider\":\"oa\",\"endpoint\":\"chat/completions\",\"headers\":{\"Authorization\":"      \
    "\"Bearer sk-for-openai\",\"Transfer-Encoding \":\"chunked\",\"Connection\":\"x-a\",\"x-b\":" \
    "\"c\"},\"query\":{\"model\":\"gpt-4o\",\"messages\":[]}}"
#define STEP_ANT                                                                              \
    "{\"provider\":\"ant\",\"endpoint\":\"v1/messages\",\"headers\":{},\"query\":{\"model\":" \
    "\"claude-x\",\"max_tokens\":9,\"messages\":[]}}"
#define STEP_ANT_KEY                                                                               \
    "{\"provider\":\"ant\",\"endpoint\":\"v1/messages\",\"headers\":{\"x-api-key\":\"sk-for-ant\"" \
    "},\"query\":{\"model\":\"claude-x\",\"max_tokens\":9,\"messages\":[]}}"

static void a_steps_key_goes_to_its_provider_alone(void **state)
{
    (void)state;
    world_request("POST", "/v1/account/gateway", DEV, "[" STEP_OA "," STEP_ANT "]");
    assert_true(upstream_got("Bearer sk-for-openai") && upstream_got("x-b: c"));
    assert_false(upstream_got("ransfer-")); /* nor under a name that is none */
    assert_false(upstream_got("onnection"));
    upstream_head(500, "application/json", -1);
    assert_int_equal(world.calls, 2);
    assert_false(upstream_got("sk-for-openai"));
    assert_false(upstream_got("x-api-key"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
    world_request("POST", "/v1/account/gateway", DEV, "[" STEP_OA "," STEP_ANT_KEY "]");
    upstream_head(500, "application/json", -1);
    assert_true(upstream_got("sk-for-ant"));
    assert_false(upstream_got("sk-for-openai"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
}

static void a_steps_answer_is_read_as_its_operation(void **state)
{
    (void)state;
    world_request("POST", "/v1/account/gateway", DEV, "[" STEP_OA "," STEP_ANT_KEY "]");
    upstream_head(429, "application/json", -1);
    upstream_head(200, "application/json", -1);
    upstream_data(
        "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\","
        "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\","
        "\"usage\":{\"input_tokens\":11,\"output_tokens\":7}}");
    upstream_end();
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"unit\":\"token_in\",\"quantity\":11"));
    assert_true(event_has("\"unit\":\"token_out\",\"quantity\":7"));
    assert_true(event_has("\"endpoint\":\"universal\""));
    assert_true(header_sent("cf-aig-step: 1"));
}

static void a_clients_service_account_asks_nobody_for_tokens(void **state)
{
    (void)state;
    world_request("POST",
                  "/vertex/v1/projects/p/locations/l/publishers/google/models/g:generateContent",
                  DEV "\nauthorization: Bearer {\"client_email\":\"a@b\",\"private_key\":\"k\","
                      "\"token_uri\":\"http://127.0.0.1:9/x\"}" JSON,
                  "{\"contents\":[]}");
    if (world.calls) {
        assert_int_equal(world.call->origin.port, 9004);
        upstream_fail(ERR_UPSTREAM_CLOSED);
    }
    assert_int_equal(world.n_events, 1);
}

static void fields_that_frame_or_open_are_not_to_be_set(void **state)
{
    (void)state;
    world_request("POST", "/own/v1/chat/completions", DEV "\nx-own-key: mine\nx-team: red" JSON,
                  "{\"model\":\"m\",\"messages\":[]}");
    assert_true(upstream_got("x-own-key: sk-own") && upstream_got("x-team: blue"));
    assert_false(upstream_got("mine") || upstream_got("red") || upstream_got("chunked"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
    world_request("GET", "/asked/v1/files?a=1&token=mine&to%6ben=mine", DEV, NULL);
    assert_true(upstream_got("?a=1&token=sk-asked "));
    assert_false(upstream_got("mine"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
    world_request("POST", "/bed/model/m/converse",
                  DEV "\nx-amz-date: 20200101T000000Z\nX-Amz-Security-Token: theirs" JSON,
                  "{\"messages\":[]}");
    assert_false(upstream_got("20200101T000000Z") || upstream_got("theirs"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
}

static void a_model_is_no_dot_segment(void **state)
{
    (void)state;
    world_request("POST", "/v1/chat/completions", DEV,
                  "{\"model\":\"bed/..\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_int_equal(world.calls, 0);
    assert_int_equal(world.x.status, 400);
    assert_true(answer_has("\"param\":\"model\""));
}

static void a_series_that_breaks_off_counts_what_was_answered(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        world_request("POST", "/v1/embeddings", DEV,
                      "{\"model\":\"vectors\",\"input\":[\"one\",\"two\"]}");
        upstream_head(200, "application/json", -1);
        upstream_data("{\"embedding\":[0.5],\"inputTextTokenCount\":21}");
        upstream_end();
        assert_int_equal(world.calls, 2);
        if (how == 0) {
            upstream_fail(ERR_UPSTREAM_CLOSED);
        } else if (how == 1) {
            upstream_head(400, "application/json", -1);
            upstream_data("{\"message\":\"no\"}");
            upstream_end();
        } else {
            upstream_head(200, "application/json", -1);
            upstream_data("nonsense");
            upstream_end();
        }
        assert_int_equal(world.n_events, 1);
        assert_true(event_has("\"unit\":\"token_in\",\"quantity\":21"));
        assert_true(event_has("\"outcome\":\"provider_error\""));
        assert_false(answer_has("hidden-secret"));
    }
}

static void an_answer_that_cannot_be_read_is_the_providers_fault(void **state)
{
    (void)state;
    world_request("POST", "/v1/chat/completions", DEV "\nauthorization: Bearer sk-mine",
                  "{\"model\":\"claude\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    upstream_head(200, "application/json", -1);
    upstream_data("<html>");
    upstream_end();
    assert_int_equal(world.x.status, 502);
    assert_int_equal(world.n_events, 1);
    assert_true(event_has("\"outcome\":\"provider_error\""));
}

static void a_strict_refusal_names_what_it_refuses(void **state)
{
    (void)state;
    world_request("POST", "/v1/chat/completions", DEV "\nx-weir-strict: true",
                  "{\"model\":\"claude\",\"seed\":7,\"messages\":[{\"role\":\"user\",\"content\":"
                  "\"x\"}]}");
    assert_int_equal(world.calls, 0);
    assert_int_equal(world.x.status, 400);
    assert_true(header_sent("x-weir-dropped-params: seed"));
    assert_true(header_sent("x-weir-request-id: req_"));
}

static void geminis_bodies_name_the_target_throughout(void **state)
{
    (void)state;
    world_request("POST", "/v1beta/models/gvectors:batchEmbedContents", DEV JSON,
                  "{\"requests\":[{\"model\":\"models/gvectors\",\"content\":{\"parts\":[{\"text\":"
                  "\"a\"}]}},{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"model\":"
                  "\"models/gvectors\"}]}");
    assert_true(upstream_got("POST /v1beta/models/real-embedding:batchEmbedContents "));
    assert_true(upstream_got("{\"requests\":[{\"model\":\"models/real-embedding\""));
    assert_false(upstream_got("gvectors"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
    world_request("POST", "/v1beta/models/gvectors:countTokens", DEV JSON,
                  "{\"generateContentRequest\":{\"model\":\"models/gvectors\",\"contents\":[]}}");
    assert_true(upstream_got("\"model\":\"models/real-embedding\""));
    assert_false(upstream_got("gvectors"));
    upstream_fail(ERR_UPSTREAM_CLOSED);
}

/* What arrives malformed is told in the shape of the SDK that sent it. */
static void a_request_that_never_was_is_refused_in_its_own_shape(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    static const struct {
        const char *path, *text;
    } cases[] = {{"/v1/messages", "\"type\":\"error\""},
                 {"/v1beta/models/g:generateContent", "\"code\":413"},
                 {"/v1/chat/completions", "\"error\":{"},
                 {"", "\"error\":{"}};
    (void)error_set(&err, ERR_BODY_TOO_LARGE, "too large");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        world_forget_exchange();
        world.x.head =
            (struct request_head){.method = STR_LIT("POST"), .path = str_of(cases[i].path)};
        request_on_bad_exchange(&world.env, &world.x, &err);
        assert_int_equal(world.x.status, 413);
        assert_true(answer_has(cases[i].text));
        assert_true(header_sent("x-weir-request-id: req_"));
    }
}

static void give_back(void *arg)
{
    request_env_arena_back(&world.env, *(struct arena **)arg);
}

/* An arena that holds another one, as a stream's does its scratch. */
static void spare_arenas_stay_within_their_room(void **state)
{
    (void)state;
    struct arena *all[ENV_SPARE_ARENAS + 8];
    const size_t n = sizeof(all) / sizeof(all[0]);
    for (size_t i = 0; i < n; i++) {
        all[i] = request_env_arena(&world.env);
    }
    for (size_t i = 0; i + 1 < n; i += 2) {
        struct arena **held = arena_alloc(all[i], sizeof(struct arena *));
        *held = all[i + 1];
        assert_true(arena_on_release(all[i], give_back, held));
    }
    request_env_arena_back(&world.env, request_env_arena(&world.env)); /* an odd number */
    for (size_t i = 0; i < n; i += 2) {
        request_env_arena_back(&world.env, all[i]);
        assert_true(world.env.n_spare <= ENV_SPARE_ARENAS);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_steps_key_goes_to_its_provider_alone),
        T(a_steps_answer_is_read_as_its_operation),
        T(a_clients_service_account_asks_nobody_for_tokens),
        T(fields_that_frame_or_open_are_not_to_be_set),
        T(a_model_is_no_dot_segment),
        T(a_series_that_breaks_off_counts_what_was_answered),
        T(an_answer_that_cannot_be_read_is_the_providers_fault),
        T(a_strict_refusal_names_what_it_refuses),
        T(geminis_bodies_name_the_target_throughout),
        T(a_request_that_never_was_is_refused_in_its_own_shape),
        T(spare_arenas_stay_within_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

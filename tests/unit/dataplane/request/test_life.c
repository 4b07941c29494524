/* A request's life where it has more than one call: what is begun is ended once, whatever happens
 * in between. What the world looks at when nothing is under way (world_is_settled) belongs to every
 * test here: no call runs on, no target has one in flight, no probe is owed, and whatever was
 * opened has just one event. */
#include "dataplane/fake_world.h"

#include "common/crypto.h"
#include "dataplane/cache/store.h"

#define PROVIDERS                                                                                \
    "version: 1\n"                                                                               \
    "providers:\n"                                                                               \
    "  - {name: a, kind: openai, base_url: \"http://127.0.0.1:9001/v1\", api_key: sk-a}\n"       \
    "  - {name: b, kind: openai, base_url: \"http://127.0.0.1:9002/v1\", api_key: sk-b}\n"       \
    "  - {name: two, kind: openai, base_url: \"http://127.0.0.1:9003/v1\", api_keys: [sk-1, "    \
    "sk-2]}\n"                                                                                   \
    "  - {name: an, kind: anthropic, base_url: \"http://127.0.0.1:9004\", api_key: sk-an}\n"     \
    "  - {name: br, kind: bedrock, base_url: \"http://127.0.0.1:9005\", region: us-east-1, "     \
    "aws_access_key_id: AKID, aws_secret_access_key: secret}\n"                                  \
    "  - {name: az, kind: azure-openai, base_url: \"http://127.0.0.1:9006\", tenant_id: t, "      \
    "client_id: c, client_secret: s, authority: \"http://127.0.0.1:9007\"}\n"
#define REST                                                    \
    "models:\n"                                                 \
    "  - {name: fast, targets: [{provider: a, model: m-a}]}\n"  \
    "keys:\n"                                                   \
    "  - {name: dev, secret: dev-secret, models: [\"*\"]}\n"

#define CHAT "/v1/chat/completions"
#define BODY "{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"
#define STREAM_BODY                                                                    \
    "{\"model\":\"any\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":" \
    "\"Hi\"}]}"
#define ANSWER                                                                                \
    "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{\"index\":0," \
    "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"hi\"}}],"   \
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":7,\"total_tokens\":17}}"
#define ROLE "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
#define CHUNK "data: {\"model\":\"m\",\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n"
#define TOLD "data: {\"error\":{\"message\":\"no luck\",\"type\":\"server_error\"}}\n\n"
#define DONE "data: [DONE]\n\n"

/* Leaves. */
#define A "{\"provider\":\"@a\",\"model\":\"m-a\"}"
#define B "{\"provider\":\"@b\",\"model\":\"m-b\"}"
#define AN "{\"provider\":\"@an\",\"model\":\"claude-x\"}"
#define AZ "{\"provider\":\"@az\",\"model\":\"gpt\"}"
#define FALLBACK(list) "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[" list "]}"
#define HEDGE(list) "{\"strategy\":{\"mode\":\"hedge\",\"after_ms\":5},\"targets\":[" list "]}"
#define MIRROR(list) "{\"strategy\":{\"mode\":\"mirror\"},\"targets\":[" list "]}"
#define RETRY(leaf, n) \
    "{\"retry\":{\"attempts\":" n ",\"base_ms\":60000,\"max_ms\":60000},\"targets\":[" leaf "]}"
/* Opens at the first failure, for a moment. */
#define BRITTLE(leaf) \
    "{\"circuit_breaker\":{\"threshold\":1,\"cooldown_ms\":1},\"targets\":[" leaf "]}"

static int set_up(void **state)
{
    (void)state;
    world_begin(PROVIDERS REST);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (world.policy.cache) {
        world_end_turn();
        cache_store_free(world.policy.cache);
        world.policy.cache = NULL;
    }
    world_end();
    return 0;
}

static void ask_at(const char *path, const char *config, const char *body, const char *more)
{
    char headers[4096];
    int n = snprintf(headers, sizeof(headers), "Authorization: Bearer dev-secret\n%s%s", more,
                     config ? "x-weir-config: " : "");
    assert_true(n > 0 && (size_t)n + (config ? strlen(config) : 0) < sizeof(headers));
    (void)snprintf(headers + n, sizeof(headers) - (size_t)n, "%s", config ? config : "");
    world_request("POST", path, headers, body);
}

static void ask(const char *config, const char *body)
{
    ask_at(CHAT, config, body, "");
}

static void answer_well(void)
{
    upstream_head(200, "application/json", (int64_t)strlen(ANSWER));
    upstream_data(ANSWER);
    upstream_end();
}

static void answer_badly(int status)
{
    static const char body[] = "{\"error\":{\"message\":\"no luck\",\"type\":\"server_error\"}}";
    upstream_head(status, "application/json", (int64_t)strlen(body));
    upstream_data(body);
    upstream_end();
}

static void client_goes(void)
{
    assert_non_null(world.x.on_gone);
    world.x.on_gone(world.x.gone_arg);
}

static bool is_half_open(void *arg, const struct target_view *v)
{
    bool *all = arg;
    *all = *all && v->breaker != BREAKER_OPEN;
    return true;
}

/* The breakers' cooldowns of a millisecond are over. */
static void wait_for_half_open(void)
{
    bool all;
    do {
        all = true;
        target_table_each(world.policy.targets, clock_mono_ms(), is_half_open, &all);
    } while (!all);
}

static void open_breaker(const char *config)
{
    ask(config, BODY);
    answer_badly(500);
    assert_int_equal(world.x.status, 500);
    wait_for_half_open();
}

/* ---- probes ---- */

static void a_hit_of_the_cache_gives_the_probe_back(void **state)
{
    (void)state;
    static const char config[] = "{\"cache\":{\"mode\":\"simple\"},\"targets\":[" BRITTLE(A) "]}";
    world.policy.cache = cache_store_new(8u << 20);
    ask(config, STREAM_BODY);
    upstream_head(200, "text/event-stream", -1);
    upstream_data(CHUNK DONE);
    upstream_end();
    open_breaker(config);
    ask(config, STREAM_BODY);
    assert_int_equal(world.calls, 0);
    assert_true(header_sent("x-weir-cache: hit"));
    world_is_settled();
    ask(config, BODY); /* the probe */
    answer_well();
    assert_int_equal(world.x.status, 200);
}

static void a_request_that_cannot_be_made_gives_the_probe_back(void **state)
{
    (void)state;
    static const char config[] = BRITTLE(AN);
    open_breaker(config);
    ask_at(CHAT, config,
           "{\"model\":\"any\",\"logit_bias\":{\"1\":2},\"messages\":[{\"role\":\"user\","
           "\"content\":\"Hi\"}]}",
           "x-weir-strict: true\n");
    assert_int_equal(world.x.status, 400);
    world_end_turn();
    world_is_settled();
}

static void a_target_that_is_passed_over_gives_the_probe_back(void **state)
{
    (void)state;
    open_breaker(BRITTLE(AN));
    ask_at(CHAT, "{\"strategy\":{\"mode\":\"fallback\",\"on_status_codes\":[400]},\"targets\":[" BRITTLE(
                  AN) "," B "]}",
           "{\"model\":\"any\",\"logit_bias\":{\"1\":2},\"messages\":[{\"role\":\"user\","
           "\"content\":\"Hi\"}]}",
           "x-weir-strict: true\n");
    assert_int_equal(world.calls, 1);
    answer_well();
    assert_int_equal(world.x.status, 200);
    world_end_turn();
    world_is_settled();
}

static void a_client_that_goes_in_the_wait_gives_the_probe_back(void **state)
{
    (void)state;
    ask(BRITTLE(RETRY(A, "3")), BODY);
    answer_badly(500); /* opens it; the retry after the wait would be its probe */
    assert_false(world.x.ended);
    client_goes();
    world_end_turn();
    wait_for_half_open();
    world_is_settled();
    assert_true(event_has("\"status\":499"));
}

/* ---- waiting ---- */

static void a_new_snapshot_leaves_a_waiting_request_alone(void **state)
{
    (void)state;
    ask(RETRY(A, "1"), BODY);
    answer_badly(503);
    assert_false(world.x.ended);
    world_publish("version: 1\nkeys:\n  - {name: other, secret: other-secret}\n");
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 2);
    assert_true(upstream_got("Host: 127.0.0.1:9001"));
    answer_well();
    assert_int_equal(world.x.status, 200);
    assert_true(event_has("\"kind\":\"retry\""));
}

static void the_end_of_the_worker_ends_what_waits(void **state)
{
    (void)state;
    ask(RETRY(A, "1"), BODY);
    answer_badly(503);
    assert_false(world.x.ended);
    request_end_all(&world.env);
    assert_int_equal(world.x.status, 503);
    assert_int_equal(world.n_events, 1);
    assert_int_equal(world_time_over(), 0);
}

static void the_end_of_the_worker_ends_all_calls(void **state)
{
    (void)state;
    ask(MIRROR(HEDGE(A "," B) "," B), BODY);
    assert_int_equal(world.calls, 2);
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 3);
    request_end_all(&world.env);
    assert_int_equal(world.x.status, 503);
    assert_int_equal(world.n_events, 2);
}

static void the_end_of_the_worker_ends_what_is_held(void **state)
{
    (void)state;
    ask(FALLBACK(A "," B), STREAM_BODY);
    upstream_head(200, "text/event-stream", -1);
    upstream_data(ROLE);
    assert_false(world.x.started);
    request_end_all(&world.env);
    assert_int_equal(world.x.status, 503);
    assert_int_equal(world.calls, 1);
}

/* ---- hedges ---- */

static void hedge(const char *body)
{
    ask(HEDGE(A "," B), body);
    assert_int_equal(world.calls, 1);
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 2);
}

static void the_first_answer_of_two_counts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        hedge(BODY);
        world_turn_to(i);
        answer_well();
        assert_int_equal(world.x.status, 200);
        assert_true(header_sent(i ? "x-weir-provider: b" : "x-weir-provider: a"));
        assert_true(world.made[1 - i]->cancelled);
        assert_true(event_has("\"kind\":\"hedge\""));
    }
}

static void a_failure_of_one_of_two_leaves_the_other(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        hedge(STREAM_BODY);
        world_turn_to(i);
        upstream_fail(ERR_UPSTREAM_CLOSED);
        world_turn_to(1 - i);
        upstream_head(200, "text/event-stream", -1);
        upstream_data(CHUNK DONE);
        upstream_end();
        assert_int_equal(world.x.status, 200);
        hedge(BODY);
        world_turn_to(i);
        upstream_head(500, "application/json", -1);
        assert_true(world.made[i]->cancelled);
        world_turn_to(1 - i);
        answer_well();
        assert_int_equal(world.x.status, 200);
    }
}

static void two_failures_are_one_refusal(void **state)
{
    (void)state;
    hedge(BODY);
    world_turn_to(0);
    upstream_fail(ERR_UPSTREAM_TIMEOUT);
    world_turn_to(1);
    answer_badly(500);
    assert_int_equal(world.x.status, 500);
    assert_int_equal(world.calls, 2);
    hedge(BODY);
    client_goes();
    assert_true(world.made[0]->cancelled && world.made[1]->cancelled);
    assert_true(event_has("\"outcome\":\"client_gone\""));
}

/* Nothing of a second call that was not made shows in the first one's answer. */
static void a_second_call_that_is_not_made_leaves_nothing(void **state)
{
    (void)state;
    ask_at("/v1/messages/count_tokens",
           "{\"strategy\":{\"mode\":\"hedge\",\"after_ms\":5,\"failover\":false},\"targets\":[" AN
           "," A "]}",
           BODY, "");
    assert_int_equal(world.calls, 1);
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 1);
    upstream_fail(ERR_UPSTREAM_REFUSED);
    assert_int_equal(world.x.status, 502);
    assert_false(header_sent("x-weir-estimated"));
    ask(HEDGE(A "," B), BODY);
    world.spool_full = true;
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 1);
    world.spool_full = false;
    answer_well();
    assert_int_equal(world.x.status, 200);
}

#define TOKEN "{\"access_token\":\"tok\",\"expires_in\":3600,\"token_type\":\"Bearer\"}"

static void token_comes(void)
{
    assert_true(upstream_got("/oauth2/"));
    upstream_head(200, "application/json", (int64_t)strlen(TOKEN));
    upstream_data(TOKEN);
    upstream_end();
}

/* A second call waits for no token: the first goes on alone, and the next time it is at hand. */
static void a_second_call_waits_for_no_token(void **state)
{
    (void)state;
    ask(HEDGE(A "," AZ), BODY);
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 2);
    token_comes();
    assert_int_equal(world.calls, 2);
    world_turn_to(0);
    answer_well();
    assert_true(header_sent("x-weir-provider: a"));
    assert_false(event_has("hedge"));
    ask(HEDGE(A "," AZ), BODY);
    assert_int_equal(world_time_over(), 1);
    assert_int_equal(world.calls, 2);
    assert_true(upstream_got("Bearer tok"));
    answer_well();
    assert_true(header_sent("x-weir-provider: az"));
}

static void who_waits_for_a_token_may_go(void **state)
{
    (void)state;
    ask(BRITTLE(AZ), BODY);
    assert_int_equal(world.opens, 0);
    client_goes();
    assert_int_equal(world.n_events, 1);
    world_end_turn();
    ask(MIRROR(A "," AZ), BODY);
    assert_int_equal(world.calls, 1); /* the token that the first asked for is still on its way */
    answer_well();
    request_end_all(&world.env);
    assert_int_equal(world.n_events, 2);
}

/* ---- mirrors ---- */

static void a_copy_outlives_its_request(void **state)
{
    (void)state;
    static char body[3u << 20];
    static const char begin[] =
        "{\"model\":\"any\",\"messages\":[{\"role\":\"user\",\"content\":\"";
    memset(body, 'x', sizeof(body) - 1);
    memcpy(body, begin, sizeof(begin) - 1);
    memcpy(body + sizeof(body) - 5, "\"}]}", 5);
    ask(MIRROR(A "," AN), body);
    assert_int_equal(world.calls, 2);
    struct upstream_call *copy = world.made[1];
    world_turn_to(0);
    answer_well();
    assert_int_equal(world.x.status, 200);
    world_publish("version: 1\nkeys:\n  - {name: other, secret: other-secret}\n");
    world_request("POST", CHAT, "Authorization: Bearer dev-secret", BODY); /* the old bytes go */
    assert_int_equal(world.x.status, 401);
    assert_non_null(memmem(copy->body.ptr, copy->body.len, "xxxx\"}]", 7));
    world.call = copy;
    upstream_head(200, "application/json", -1);
    upstream_data("{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\","
                  "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\","
                  "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}");
    upstream_end();
    assert_true(event_has("\"kind\":\"mirror\""));
    assert_true(event_has("\"outcome\":\"ok\""));
    assert_int_equal(world.counters.ended, world.counters.requests);
}

#define EMBEDDING "{\"embedding\":[0.5,0.25],\"inputTextTokenCount\":3}"
#define BR "{\"provider\":\"@br\",\"model\":\"amazon.titan-embed-text-v2:0\"}"
#define EMBED "/v1/embeddings"
#define INPUTS "{\"model\":\"any\",\"input\":[\"one\",\"two\",\"three\"]}"

static void vector(void)
{
    upstream_head(200, "application/json", (int64_t)strlen(EMBEDDING));
    upstream_data(EMBEDDING);
    upstream_end();
}

static void a_series_of_calls_is_copied_once(void **state)
{
    (void)state;
    ask_at(EMBED, MIRROR(BR "," A), INPUTS, "");
    assert_int_equal(world.calls, 2);
    world_turn_to(0);
    vector();
    assert_int_equal(world.calls, 3);
    vector();
    assert_int_equal(world.calls, 4);
    vector();
    assert_int_equal(world.x.status, 200);
    assert_int_equal(world.calls, 4);
    world_turn_to(1);
    upstream_fail(ERR_UPSTREAM_CLOSED);
}

static void a_series_that_fails_begins_anew_elsewhere(void **state)
{
    (void)state;
    ask_at(EMBED, FALLBACK(BR "," A), INPUTS, "");
    vector();
    assert_int_equal(world.calls, 2);
    answer_badly(500);
    assert_int_equal(world.calls, 3);
    assert_true(upstream_got("\"input\":[\"one\",\"two\",\"three\"]"));
    upstream_head(200, "application/json", -1);
    upstream_data("{\"object\":\"list\",\"data\":[],\"model\":\"m\",\"usage\":{\"prompt_tokens\":9,"
                  "\"total_tokens\":9}}");
    upstream_end();
    assert_int_equal(world.x.status, 200);
    assert_true(event_has("\"quantity\":3"));
    assert_true(event_has("\"quantity\":9"));
}

/* ---- held answers ---- */

static void nothing_of_a_failed_attempt_is_in_the_answer(void **state)
{
    (void)state;
    ask(FALLBACK(AN "," A),
        "{\"model\":\"any\",\"stream\":true,\"logit_bias\":{\"1\":2},\"messages\":[{\"role\":"
        "\"user\",\"content\":\"Hi\"}]}");
    upstream_head(200, "text/event-stream", -1);
    upstream_data("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                  "\"message\":\"no luck\"}}\n\n");
    assert_int_equal(world.calls, 2);
    assert_true(world.made[0]->cancelled);
    upstream_head(200, "text/event-stream", -1);
    upstream_data(CHUNK);
    assert_true(world.x.started);
    assert_true(answer_has("Hello"));
    assert_false(answer_has("no luck"));
    assert_false(header_sent("x-weir-dropped-params"));
    upstream_data(DONE);
    upstream_end();
    assert_false(world.x.aborted);
}

static void a_released_answer_meets_a_slow_client(void **state)
{
    (void)state;
    ask(FALLBACK(A "," B), STREAM_BODY);
    world.x.full = true;
    upstream_head(200, "text/event-stream", -1);
    upstream_data(ROLE);
    assert_false(world.call->paused);
    upstream_data(CHUNK);
    assert_true(world.call->paused);
    world.x.full = false;
    world.x.on_drain(world.x.drain_arg);
    assert_false(world.call->paused);
    upstream_data(DONE);
    upstream_end();
    assert_true(str_eqz(buffer_str(&world.x.sent), ROLE CHUNK DONE));
}

static void a_held_body_has_the_length_that_was_said(void **state)
{
    (void)state;
    ask(FALLBACK(A "," B), BODY);
    upstream_head(200, "application/json", (int64_t)strlen(ANSWER));
    upstream_data("{\"id\":");
    assert_false(world.x.started);
    upstream_fail(ERR_UPSTREAM_CLOSED);
    assert_int_equal(world.calls, 2);
    answer_well();
    assert_int_equal(world.x.length, (int64_t)strlen(ANSWER));
    assert_int_equal(world.x.sent.len, strlen(ANSWER));
    assert_true(event_has("\"quantity\":10"));
}

static void a_failure_told_to_the_last_target_reaches_the_client(void **state)
{
    (void)state;
    ask(FALLBACK(A "," B), STREAM_BODY);
    upstream_head(200, "text/event-stream", -1);
    upstream_data(TOLD);
    assert_int_equal(world.calls, 2);
    upstream_head(200, "text/event-stream", -1);
    upstream_data(ROLE TOLD);
    upstream_end();
    assert_true(answer_has("no luck"));
    assert_true(event_has("\"status\":200"));
    assert_true(event_has("\"outcome\":\"provider_error\""));
}

/* Two keys of one provider: the second is tried with nothing of the first. */
static void another_key_is_another_attempt(void **state)
{
    (void)state;
    ask("{\"provider\":\"@two\",\"model\":\"m\"}", BODY);
    bool first = upstream_got("sk-1");
    answer_badly(401);
    assert_int_equal(world.calls, 2);
    assert_true(upstream_got(first ? "sk-2" : "sk-1"));
    answer_badly(401);
    assert_int_equal(world.calls, 2);
    assert_int_equal(world.x.status, 401);
    assert_true(event_has("\"kind\":\"credential\""));
}

/* ---- anything in any order ---- */

static uint64_t dice = 1;

static unsigned roll(unsigned n)
{
    dice = dice * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((dice >> 33) % n);
}

static const char *const configs[] = {
    NULL,
    FALLBACK(A "," B "," AN),
    FALLBACK(RETRY(A, "2") "," B),
    HEDGE(A "," B),
    HEDGE(FALLBACK(A "," AN) "," B),
    FALLBACK(HEDGE(AN "," A) "," RETRY(B, "1")),
    MIRROR(HEDGE(A "," B) "," AN "," B),
    MIRROR(FALLBACK(BRITTLE(RETRY(A, "1")) "," B) "," A),
    BRITTLE(FALLBACK(A "," B)),
    BRITTLE(HEDGE(RETRY(A, "1") "," "{\"provider\":\"@two\",\"model\":\"m\"}")),
    FALLBACK("{\"provider\":\"@two\",\"model\":\"m\",\"retry\":{\"attempts\":2}}" "," A),
    "{\"strategy\":{\"mode\":\"weighted\"},\"cache\":{\"mode\":\"simple\"},\"targets\":[" BRITTLE(
        A) "," BRITTLE(AN) "," B "]}",
    FALLBACK(BR "," A "," AN),
    HEDGE(FALLBACK(AZ "," A) "," AZ),
    MIRROR(BRITTLE(HEDGE(A "," RETRY(AZ, "2"))) "," AZ "," AN),
    MIRROR(FALLBACK(BRITTLE(RETRY(BR, "1")) "," A) "," AN),
};

static struct upstream_call *any_call(void)
{
    size_t from = roll(WORLD_CALLS);
    for (size_t i = 0; i < WORLD_CALLS; i++) {
        struct upstream_call *c = &world.pool[(from + i) % WORLD_CALLS];
        if (c->live) {
            return c;
        }
    }
    return NULL;
}

static void play_head(void)
{
    static const int statuses[] = {200, 200, 200, 200, 400, 401, 408, 429, 500, 503, 204};
    int status = statuses[roll(sizeof(statuses) / sizeof(statuses[0]))];
    upstream_head_with(status, roll(2) ? "text/event-stream" : "application/json", -1,
                       status == 429 && roll(2) ? "retry-after: 1" : NULL);
}

#define M_START                                                                                   \
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":" \
    "\"c\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
#define M_BLOCK                                                                              \
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"        \
    "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: " \
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":"  \
    "\"Hello\"}}\n\n"
#define M_STOP "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
#define M_ANSWER                                                                             \
    "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[{" \
    "\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\",\"usage\":{"              \
    "\"input_tokens\":3,\"output_tokens\":4}}"

static void play_body(void)
{
    static const char *const pieces[] = {ROLE,   CHUNK,   TOLD,   DONE, "data: {\"cho", "nonsense",
                                         M_START, M_BLOCK, M_STOP};
    static const char *const bodies[] = {ANSWER, M_ANSWER, EMBEDDING, "{\"id\":", "{\"input_tokens\":5}", TOKEN};
    if (roll(4) == 0) {
        upstream_fail(roll(2) ? ERR_UPSTREAM_CLOSED : ERR_UPSTREAM_TIMEOUT);
    } else if (roll(3) == 0) {
        upstream_end();
    } else {
        upstream_data(world.call->stream ? pieces[roll(9)] : bodies[roll(6)]);
    }
}

static void play_call(struct upstream_call *c)
{
    world.call = c;
    if (c->answered) {
        play_body();
    } else if (roll(4) == 0) {
        upstream_fail(roll(2) ? ERR_UPSTREAM_CLOSED : ERR_UPSTREAM_TIMEOUT);
    } else {
        play_head();
    }
}

static void play_turn(void)
{
    struct upstream_call *c = any_call();
    unsigned what = roll(20);
    if (what == 0 && world.x.on_gone && !world.x.ended) {
        client_goes();
    } else if (what == 1) {
        world_publish(PROVIDERS REST);
    } else if (what < 5) {
        (void)world_time_over();
    } else if (what == 5) {
        world.x.full = !world.x.full;
        if (!world.x.full && world.x.on_drain) {
            world.x.on_drain(world.x.drain_arg);
        }
    } else if (c) {
        play_call(c);
    } else {
        (void)world_time_over();
    }
    if (roll(3) == 0) {
        world_end_turn();
    }
}

static const struct {
    const char *path, *body;
} asked[] = {
    {CHAT, BODY},
    {CHAT, STREAM_BODY},
    {CHAT, STREAM_BODY},
    {"/v1/messages", STREAM_BODY},
    {"/v1/messages", BODY},
    {"/v1/messages/count_tokens", BODY},
    {"/v1/responses", "{\"model\":\"any\",\"stream\":true,\"input\":\"Hi\"}"},
    {EMBED, INPUTS},
    {"/a/chat/completions", BODY},
    {"/v1/acc/gw", "[{\"provider\":\"a\",\"endpoint\":\"chat/completions\",\"query\":" BODY
          "},{\"provider\":\"b\",\"endpoint\":\"chat/completions\",\"query\":" STREAM_BODY "}]"},
};

/* What the client got is what its event says. */
static void event_is_of_the_answer(void)
{
    const char *id = strstr(world.x.answer_headers, "x-weir-request-id: req_");
    struct uuid wanted;
    bool read = id && crypto_unhex((struct str){id + 23, 32}, wanted.b, sizeof(wanted.b));
    for (size_t i = world.n_records; read && i-- > 0;) {
        if (uuid_eq(&world.records[i].id, &wanted)) {
            assert_int_equal(world.records[i].status, world.x.status);
            return;
        }
    }
    assert_false(read);
}

static void play_request(void)
{
    const char *config = configs[roll(sizeof(configs) / sizeof(configs[0]))];
    static const char plain[] = "{\"model\":\"fast\",\"messages\":[]}";
    unsigned most = 4 + roll(60), what = roll(sizeof(asked) / sizeof(asked[0]));
    ask_at(config ? asked[what].path : CHAT, config, config ? asked[what].body : plain,
           roll(8) ? "" : "x-weir-strict: true\n");
    while (!world.x.ended && most--) {
        play_turn();
    }
    if (!world.x.ended && roll(2)) {
        client_goes();
    }
    if (!world.x.ended) {
        request_end_all(&world.env);
        world.env.ending = false;
    }
    assert_true(world.x.ended);
    event_is_of_the_answer();
}

static void whatever_happens_everything_ends_once(void **state)
{
    (void)state;
    world.policy.cache = cache_store_new(8u << 20);
    const char *rounds = getenv("WEIR_TEST_ROUNDS");
    unsigned n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 1500;
    for (unsigned i = 0; i < n; i++) {
        dice = i;
        play_request();
        if (i % 10 == 9) {
            request_end_all(&world.env);
            world.env.ending = false;
                    world_end_turn();
            world_is_settled();
            world.n_records = 0;
        }
    }
    request_end_all(&world.env);
    assert_int_equal(world.counters.ended, world.counters.requests);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_hit_of_the_cache_gives_the_probe_back),
        T(a_request_that_cannot_be_made_gives_the_probe_back),
        T(a_target_that_is_passed_over_gives_the_probe_back),
        T(a_client_that_goes_in_the_wait_gives_the_probe_back),
        T(a_new_snapshot_leaves_a_waiting_request_alone),
        T(the_end_of_the_worker_ends_what_waits),
        T(the_end_of_the_worker_ends_all_calls),
        T(the_end_of_the_worker_ends_what_is_held),
        T(the_first_answer_of_two_counts),
        T(a_failure_of_one_of_two_leaves_the_other),
        T(two_failures_are_one_refusal),
        T(a_second_call_that_is_not_made_leaves_nothing),
        T(a_second_call_waits_for_no_token),
        T(who_waits_for_a_token_may_go),
        T(a_copy_outlives_its_request),
        T(a_series_of_calls_is_copied_once),
        T(a_series_that_fails_begins_anew_elsewhere),
        T(nothing_of_a_failed_attempt_is_in_the_answer),
        T(a_released_answer_meets_a_slow_client),
        T(a_held_body_has_the_length_that_was_said),
        T(a_failure_told_to_the_last_target_reaches_the_client),
        T(another_key_is_another_attempt),
        T(whatever_happens_everything_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Reserving, refusing, leading on: what budgets and limits do to one request, with a real table of
 * leases and a ledger behind it, and a Redis whose answers the test gives. */
#include "dataplane/request/life_rig.h"

#include "dataplane/limits/exact.h"
#include "dataplane/quota_world.h"
#include "dataplane/stages/governed.h"

#define KEY(name) "  - {name: " name ", secret: " name "-secret}\n"
#define OF(key) "scopes: [{kind: key, value: " key "}]"
#define YAML                                                                                       \
    PROVIDERS                                                                                      \
    "models:\n"                                                                                    \
    "  - {name: fast, targets: [{provider: a, model: m-a}]}\n"                                     \
    "  - {name: cheap, targets: [{provider: b, model: m-b}]}\n"                                    \
    "keys:\n" KEY("dev") KEY("cost") KEY("down") KEY("rate") KEY("none") KEY("most") KEY(          \
        "tags") "budgets:\n"                                                                       \
                "  - {name: cost, " OF(                                                            \
                    "cost") ", metric: cost, amount: \"0.0003\", window: "                         \
                            "total}\n"                                                             \
                            "  - {name: down, " OF(                                                \
                                "down") ", metric: cost, amount: "                                 \
                                        "\"0.000001\", window: total, "                            \
                                        "mode: downgrade, "                                        \
                                        "downgrade_model: cheap}\n"                                \
                                        "  - {name: most, " OF(                                    \
                                            "most") ", metric: cost, "                             \
                                                    "amount: \"1\", "                              \
                                                    "window: total, "                              \
                                                    "max_cost: "                                   \
                                                    "\"0.01\"}\n"                                  \
                                                    "  - {name: tags, scopes: [{kind: key, "       \
                                                    "value: tags}, {kind: tag, value: \"*\"}], "   \
                                                    "metric: "                                     \
                                                    "cost, amount: \"1\", window: total, "         \
                                                    "max_values: 1}\n"                             \
                                                    "limits:\n"                                    \
                                                    "  - {name: rate, " OF(                        \
                                                        "rate") ", metric: requests, amount: 2, "  \
                                                                "window: hour}\n"                  \
                                                                "  - {name: none, " OF(            \
                                                                    "none") ", metric: tokens, "   \
                                                                            "amount: 0, window: "  \
                                                                            "hour}\n"              \
                                                                            "  - {name: slots, "   \
                                                                            "scopes: [{kind: "     \
                                                                            "model, value: "       \
                                                                            "m-a}], metric: "      \
                                                                            "concurrency, "        \
                                                                            "amount: 1}\n"         \
                                                                            "  - {name: tpm, "     \
                                                                            "scopes: [{kind: "     \
                                                                            "model, value: "       \
                                                                            "m-b}], metric: "      \
                                                                            "tokens, amount: 50, " \
                                                                            "window: "             \
                                                                            "minute}\n"            \
                                                                            "  - {name: shared, "  \
                                                                            "scopes: [{kind: "     \
                                                                            "model, value: "       \
                                                                            "\"m-x\"}], metric: "  \
                                                                            "requests, amount: "   \
                                                                            "1, "                  \
                                                                            "window: minute, "     \
                                                                            "exact: true}\n"

/* A thousand nano-USD a token. */
#define PRICED(provider, name, most)                                             \
    "{\"provider\":\"" provider "\",\"model\":\"" name "\",\"max_output\":" most \
    ",\"price\":{\"token_in\":1000000,\"token_out\":1000000}}"
#define CATALOGUE                                                                                 \
    "{\"format\":1,\"version\":\"test\",\"models\":[" PRICED("openai", "m-a", "1000") "," PRICED( \
        "openai", "m-b", "1000") "," PRICED("openai", "m-x", "1000") "]}"
#define NATIVE_BODY(model) "{\"model\":\"" model "\",\"max_tokens\":50,\"messages\":[]}"

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
    books_add_up();
    world_end();
    books_end();
    return 0;
}

static void ask_as(const char *key, const char *path, const char *more, const char *body)
{
    char headers[2048];
    (void)snprintf(headers, sizeof(headers),
                   "Authorization: Bearer %s-secret\ncontent-type: application/json\n%s", key,
                   more);
    world_request("POST", path, headers, body);
    books_pump();
}

static void answer(const char *body)
{
    assert_false(world.x.ended);
    upstream_head(200, "application/json", -1);
    upstream_data(body);
    upstream_end();
    assert_int_equal(world.n_events, 1);
}

#define FAST "{\"model\":\"fast\",\"messages\":[]}"

/* ---- budgets ---- */

static void what_is_left_caps_the_answer(void **state)
{
    (void)state;
    ask_as("cost", CHAT, "", FAST);
    assert_true(upstream_got("\"max_completion_tokens\":"));
    answer(ANSWER);
    assert_true(header_sent("x-weir-max-tokens: "));
    assert_int_equal(books.cost, 17000);
    ask_as("cost", CHAT, "", "{\"model\":\"fast\",\"max_tokens\":900,\"messages\":[]}");
    assert_int_equal(world.x.status, 429);
    assert_true(answer_has("budget_exceeded") && header_sent("x-should-retry: false"));
    assert_true(event_has("\"charges\":[]"));
}

/* It waits for its share, and its client goes: all of it is there for the next. */
static void who_waited_and_went_leaves_nothing(void **state)
{
    (void)state;
    world_request("POST", CHAT, "Authorization: Bearer cost-secret\n", FAST);
    assert_false(world.x.ended);
    assert_int_equal(world.calls, 0);
    client_goes();
    world_end_turn();
    books_are_at_rest();
    assert_int_equal(books.charges, 0);
}

static void the_worker_ends_while_one_waits(void **state)
{
    (void)state;
    world_request("POST", CHAT, "Authorization: Bearer cost-secret\n", FAST);
    request_end_all(&world.env);
    world.env.ending = false;
    assert_int_equal(world.x.status, 503);
    books_are_at_rest();
}

/* A native call that hides its model is of any model, and of any price. */
static void a_hidden_model_is_no_way_around(void **state)
{
    (void)state;
    ask_as("cost", "/a/chat/completions", "", NATIVE_BODY("m\\u002da"));
    assert_int_equal(world.x.status, 400);
    assert_true(answer_has("cost_unbounded"));
    ask_as("cost", "/a/chat/completions", "", NATIVE_BODY("m-a"));
    answer(ANSWER);
    assert_int_equal(books.cost, 17000);
    /* a listing is free */
    world_request("GET", "/a/models", "Authorization: Bearer cost-secret\n", NULL);
    books_pump();
    answer("{\"data\":[]}");
}

/* What a call costs that was let in at the policy's own bound, and whose bill is not seen. */
static void an_unseen_bill_is_the_bound(void **state)
{
    (void)state;
    ask_as("most", "/a/images/generations", "", "{\"model\":\"m-a\",\"prompt\":\"a hen\"}");
    answer("{\"data\":[]}");
    assert_true(event_has("\"amount\":10000000"));
    ask_as("most", "/a/images/generations", "", "{\"model\":\"m-a\",\"prompt\":\"a hen\"}");
    upstream_head(400, "application/json", -1);
    upstream_data("{\"error\":{}}");
    upstream_end();
    assert_true(event_has("\"charges\":[]"));
    ask_as("most", "/v1/responses", "",
           "{\"model\":\"fast\",\"input\":\"Hi\",\"background\":true}");
    answer("{\"id\":\"r\",\"object\":\"response\",\"status\":\"queued\",\"model\":\"m-a\","
           "\"output\":[]}");
    assert_false(event_has("\"charges\":[]"));
    assert_true(strstr(world.event, "\"amount\":1") != NULL); /* 1000 tokens and more */
}

static void only_what_names_a_model_is_downgraded(void **state)
{
    (void)state;
    ask_as("down", CHAT, "", FAST);
    assert_true(upstream_got("m-b"));
    answer(ANSWER);
    assert_true(header_sent("x-weir-downgraded-from: fast"));
    ask_as("down", "/a/chat/completions", "", NATIVE_BODY("m-a"));
    assert_true(upstream_got("m-a") && upstream_got("sk-a"));
    answer(ANSWER);
    assert_false(header_sent("x-weir-downgraded-from"));
    assert_false(event_has("downgraded_from\":\"m"));
}

/* More tags than a budget has accounts for: the rest share one, which counts the call once. */
static void tags_that_share_an_account(void **state)
{
    (void)state;
    ask_as("tags", CHAT, "x-weir-tags: one,two,three,four,five,six\n", FAST);
    answer(ANSWER);
    assert_int_equal(books.charges, 2);
    assert_true(event_has("\"amount\":17000"));
    assert_false(event_has("\"amount\":34000") || event_has("\"amount\":85000"));
}

/* ---- limits ---- */

struct looking {
    struct uuid quota;
    uint64_t used, in_flight;
};

static void look(struct quota_account *a, void *arg)
{
    struct looking *l = arg;
    if (uuid_eq(&a->quota, &l->quota)) {
        l->used += a->used_total;
        l->in_flight += a->in_flight;
    }
}

/* By a request that is under way and bound by it. */
static uint64_t used_of(const char *name, uint64_t *ret_in_flight)
{
    const struct request *r = LIST_ENTRY(world.env.live.next, struct request, node);
    struct looking l = {.used = 0};
    for (size_t i = 0; i < r->holds->n_quotas; i++) {
        if (str_eqz(r->holds->quotas[i]->name, name)) {
            l.quota = r->holds->quotas[i]->id;
        }
    }
    assert_false(uuid_is_nil(&l.quota));
    quota_each(books.table, look, &l);
    *ret_in_flight = l.in_flight;
    return l.used;
}

/* It counts from the moment that it is let in: who comes next need not wait for its end. */
static void a_request_counts_at_once(void **state)
{
    uint64_t in_flight;
    (void)state;
    ask_as("rate", CHAT, "", FAST);
    assert_int_equal(used_of("rate", &in_flight), 1);
    assert_int_equal(in_flight, 0);
    answer(ANSWER);
    assert_true(header_sent("x-ratelimit-limit-requests: 2"));
    assert_true(header_sent("x-ratelimit-remaining-requests: 1"));
    ask_as("rate", CHAT, "", FAST);
    answer(ANSWER);
    ask_as("rate", CHAT, "", FAST);
    assert_int_equal(world.x.status, 429);
    assert_true(answer_has("rate_limit_exceeded") && header_sent("retry-after: "));
    assert_true(header_sent("x-ratelimit-remaining-requests: 0"));
}

static void a_limit_of_nothing_lets_nothing_through(void **state)
{
    (void)state;
    ask_as("none", CHAT, "", FAST);
    assert_int_equal(world.x.status, 429);
    assert_true(header_sent("x-should-retry: false"));
}

/* One request may be more than the limit, if it is alone. */
static void a_models_tokens_are_what_is_likely(void **state)
{
    (void)state;
    ask_as("dev", CHAT, "", "{\"model\":\"cheap\",\"messages\":[]}");
    answer(ANSWER);
    assert_true(header_sent("x-ratelimit-limit-tokens: 50"));
}

/* A slot is its model's for as long as that is called. */
static void a_slot_comes_back_with_its_attempt(void **state)
{
    uint64_t in_flight;
    (void)state;
    ask_as("dev", CHAT, "x-weir-config: " FALLBACK(A "," B) "\n", BODY);
    (void)used_of("slots", &in_flight);
    assert_int_equal(in_flight, 1);
    upstream_fail(ERR_UPSTREAM_CLOSED);
    books_pump();
    assert_int_equal(world.calls, 2);
    (void)used_of("slots", &in_flight);
    assert_int_equal(in_flight, 0);
    answer(ANSWER);
}

/* ---- limits that Redis counts ---- */

static struct {
    void (*fn)(void *arg, const int64_t *values, size_t n);
    void *arg;
    unsigned asked, settled;
} redis;

static void *on_eval(void *arg, struct str script, const struct str *keys, size_t n_keys,
                     const struct str *args, size_t n_args,
                     void (*fn)(void *arg, const int64_t *values, size_t n), void *fn_arg)
{
    (void)arg;
    (void)script;
    (void)keys;
    (void)n_keys;
    (void)args;
    (void)n_args;
    redis.fn = fn;
    redis.arg = fn_arg;
    redis.asked += fn != NULL;
    redis.settled += fn == NULL;
    return &redis;
}

static struct exact *exact_begin(void)
{
    struct exact_config c = {.redis = {.eval = on_eval}};
    memset(&redis, 0, sizeof(redis));
    world.env.exact = exact_new(world.env.loop, &c);
    return world.env.exact;
}

static void redis_says(bool taken)
{
    int64_t values[] = {taken, 0, 30000, taken ? 0 : 30000, 1};
    redis.fn(redis.arg, values, 5);
    books_pump();
}

#define X "{\"provider\":\"@a\",\"model\":\"m-x\"}"

static void redis_refuses_and_another_target_is_called(void **state)
{
    struct exact *e = exact_begin();
    (void)state;
    ask_as("dev", CHAT, "x-weir-config: " FALLBACK(X "," B) "\n", BODY);
    assert_int_equal(redis.asked, 1);
    assert_int_equal(world.calls, 0);
    redis_says(false);
    assert_int_equal(world.calls, 1);
    assert_true(upstream_got("m-b"));
    answer(ANSWER);
    ask_as("dev", CHAT, "", "{\"model\":\"a/m-x\",\"messages\":[]}");
    redis_says(false);
    assert_int_equal(world.x.status, 429);
    assert_true(header_sent("x-ratelimit-limit-requests: 1"));
    assert_true(header_sent("retry-after: 30"));
    world_end_turn();
    exact_free(e);
    world.env.exact = NULL;
}

/* What Redis gave stays taken where the budget only shortens the answer. */
static void redis_counts_a_call_that_is_shortened(void **state)
{
    struct exact *e = exact_begin();
    (void)state;
    ask_as("cost", CHAT, "", "{\"model\":\"a/m-x\",\"messages\":[]}");
    redis_says(true);
    assert_int_equal(world.calls, 1);
    assert_int_equal(redis.settled, 0);
    answer(ANSWER);
    assert_true(header_sent("x-weir-max-tokens"));
    world_end_turn();
    assert_int_equal(redis.settled, 0); /* one request, as taken */
    exact_free(e);
    world.env.exact = NULL;
}

#define B_(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        B_(what_is_left_caps_the_answer),
        B_(who_waited_and_went_leaves_nothing),
        B_(the_worker_ends_while_one_waits),
        B_(a_hidden_model_is_no_way_around),
        B_(an_unseen_bill_is_the_bound),
        B_(only_what_names_a_model_is_downgraded),
        B_(tags_that_share_an_account),
        B_(a_request_counts_at_once),
        B_(a_limit_of_nothing_lets_nothing_through),
        B_(a_models_tokens_are_what_is_likely),
        B_(a_slot_comes_back_with_its_attempt),
        B_(redis_refuses_and_another_target_is_called),
        B_(redis_counts_a_call_that_is_shortened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

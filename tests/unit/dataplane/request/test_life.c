/* A request's life where it has more than one call: what is begun is ended once, whatever happens
 * in between. */
#include "dataplane/request/life_rig.h"

#include "dataplane/request/config_memo.h"
#include "dataplane/stages/explain.h"

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
    ask_at(CHAT,
           "{\"strategy\":{\"mode\":\"fallback\",\"on_status_codes\":[400]},\"targets\":[" BRITTLE(
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

static bool count_target(void *arg, const struct target_view *v)
{
    (void)v;
    *(size_t *)arg += 1;
    return true;
}

static void count_targets(size_t *ret)
{
    *ret = 0;
    target_table_each(world.policy.targets, clock_mono_ms(), count_target, ret);
}

static void a_question_takes_nothing(void **state)
{
    (void)state;
    static const char config[] = BRITTLE(A);
    char key[80], question[2048];
    size_t before;
    struct uuid id;
    struct buffer out;
    struct error err = ERROR_INIT;
    open_breaker(config);
    const char *at = strstr(world.event, "\"key_id\":\"");
    assert_non_null(at);
    assert_true(uuid_parse((struct str){at + 10, 36}, &id));
    uuid_format_public("key", &id, key, sizeof(key));
    (void)snprintf(question, sizeof(question), "{\"key\":\"%s\",\"body\":%s,\"config\":%s}", key,
                   BODY, MIRROR(HEDGE(BRITTLE(A) "," B) "," B));
    count_targets(&before);
    for (unsigned i = 0; i < 3; i++) {
        buffer_init(&out, 1u << 20);
        assert_true(explain_answer(&world.env, str_of(question), &out, &err));
        assert_non_null(memmem(out.ptr, out.len, "\"targets\":[{\"option\"", 20));
        buffer_release(&out);
        world_end_turn();
        world_is_settled();
    }
    assert_int_equal(world.n_events, 1);
    assert_int_equal(world.counters.ended, world.counters.requests);
    assert_int_equal(before, 1);
    ask(config, BODY); /* the probe */
    answer_well();
    assert_int_equal(world.x.status, 200);
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
    upstream_data(
        "{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\","
        "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],\"stop_reason\":\"end_turn\","
        "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}");
    upstream_end();
    assert_true(event_has("\"kind\":\"mirror\""));
    assert_true(event_has("\"outcome\":\"ok\""));
    assert_int_equal(world.counters.ended, world.counters.requests);
}

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

/* ---- configs ---- */

static void a_config_outlives_its_place_among_the_kept(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct arena *user = arena_new(0), *others = arena_new(0);
    const struct route_tree *mine =
        config_memo_get(&world.env, user, STR_LIT(FALLBACK(A "," B)), &err);
    assert_non_null(mine);
    assert_ptr_equal(config_memo_get(&world.env, others, STR_LIT(FALLBACK(A "," B)), &err), mine);
    for (unsigned i = 0; i < 300; i++) {
        char text[200];
        int n = snprintf(text, sizeof(text), "{\"provider\":\"@a\",\"model\":\"m-%u\"}", i);
        assert_non_null(config_memo_get(&world.env, others, (struct str){text, (size_t)n}, &err));
        arena_reset(others);
    }
    config_memo_release(&world.env);
    assert_int_equal(mine->root->n_children, 2);
    assert_true(str_eqz(mine->root->children[1]->model, "m-b"));
    arena_free(user);
    arena_free(others);
}

/* ---- held answers ---- */

static void nothing_of_a_failed_attempt_is_in_the_answer(void **state)
{
    (void)state;
    ask(FALLBACK(AN "," A),
        "{\"model\":\"any\",\"stream\":true,\"logit_bias\":{\"1\":2},\"messages\":[{\"role\":"
        "\"user\",\"content\":\"Hi\"}]}");
    upstream_head(200, "text/event-stream", -1);
    upstream_data(
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_hit_of_the_cache_gives_the_probe_back),
        T(a_request_that_cannot_be_made_gives_the_probe_back),
        T(a_target_that_is_passed_over_gives_the_probe_back),
        T(a_client_that_goes_in_the_wait_gives_the_probe_back),
        T(a_question_takes_nothing),
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
        T(a_config_outlives_its_place_among_the_kept),
        T(nothing_of_a_failed_attempt_is_in_the_answer),
        T(a_released_answer_meets_a_slow_client),
        T(a_held_body_has_the_length_that_was_said),
        T(a_failure_told_to_the_last_target_reaches_the_client),
        T(another_key_is_another_attempt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

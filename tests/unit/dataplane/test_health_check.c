/* Active health checks: who is asked, when, and what the breaker hears of it. The loop is the
 * test's own and so is the clock of what is due; the provider is a small server on a loop of its
 * own. */
#include "dataplane/real_world.h"

#include "dataplane/health_check.h"
#include "dataplane/request/env.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/upstream/client.h"

static struct {
    struct request_env env;
    struct request_policy policy;
    struct loop *loop;
    struct swap_hub *hub;
    struct tls_context *tls;
    struct target_table *targets;
    struct health_checks *checks;
    unsigned port;
    uint64_t version;
} w;

static void publish(const char *providers)
{
    struct error err = ERROR_INIT;
    struct snapshot *root = NULL;
    char yaml[2048];
    (void)snprintf(yaml, sizeof(yaml), "version: 1\nproviders:\n%s", providers);
    if (!standalone_parse(str_of(yaml), &root, NULL, &err)) {
        fail_msg("%d:%d %s", err.line, err.column, error_text(&err));
    }
    swap_publish(w.hub, root);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int set_up(void **state)
{
    struct error err = ERROR_INIT;
    struct upstream_limits limits = {.connect_timeout_ms = WAIT_MS};
    (void)state;
    memset(&world, 0, sizeof(world));
    memset(&w, 0, sizeof(w));
    w.port = start_provider();
    w.loop = loop_new();
    w.tls = tls_client_new(NULL, &err);
    w.hub = swap_hub_new();
    w.targets = target_table_new(16);
    request_env_init(&w.env);
    w.policy.targets = w.targets;
    w.env.policy = &w.policy;
    w.env.loop = w.loop;
    w.env.upstream = upstream_new(w.loop, &limits, w.tls);
    w.env.reader = swap_reader_new(w.hub, nothing, NULL);
    return w.tls && w.targets ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    health_checks_free(w.checks);
    upstream_free(w.env.upstream);
    swap_reader_free(w.env.reader);
    loop_end(w.loop);
    loop_free(w.loop);
    request_env_release(&w.env);
    target_table_free(w.targets);
    swap_hub_free(w.hub);
    tls_context_unref(w.tls);
    loop_stop(world.loop);
    (void)pthread_join(world.thread, NULL);
    listener_free(world.listener);
    loop_free(world.loop);
    return 0;
}

static struct target_view found;

static bool take(void *arg, const struct target_view *v)
{
    if (strcmp(v->provider, arg) == 0 && v->model[0] == '\0') {
        found = *v;
        return false;
    }
    return true;
}

/* What the table knows of a provider; "" for nothing. */
static const char *state_of(const char *provider)
{
    memset(&found, 0, sizeof(found));
    target_table_each(w.targets, clock_mono_ms(), take, (void *)(uintptr_t)provider);
    return found.provider[0] ? breaker_state_name(found.breaker) : "";
}

/* A turn at this time, and what it started runs to its end. */
static void turn(uint64_t now_ms, const char *provider, const char *want)
{
    health_checks_turn(w.checks, now_ms);
    for (uint64_t until = clock_mono_ms() + WAIT_MS;
         clock_mono_ms() < until && strcmp(state_of(provider), want) != 0;) {
        loop_turn(w.loop, 1);
    }
    assert_string_equal(state_of(provider), want);
}

static void settle(void)
{
    for (int i = 0; i < 20; i++) {
        loop_turn(w.loop, 1);
    }
}

static void a_provider_that_is_down_opens_and_one_that_is_back_closes(void **state)
{
    char yaml[512];
    (void)state;
    publish("  - {name: p, kind: openai, base_url: \"http://127.0.0.1:1/v1\", api_key: sk-stored, "
            "health_check: {interval_ms: 1000, failures: 2}}\n");
    w.checks = health_checks_new(&w.env);
    turn(100000, "p", "closed"); /* one failure is not enough */
    health_checks_turn(w.checks, 100500);
    settle();
    assert_string_equal(state_of("p"), "closed"); /* nor was it asked again at once */
    turn(101000, "p", "open");
    (void)snprintf(yaml, sizeof(yaml),
                   "  - {name: p, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: "
                   "sk-stored, health_check: {interval_ms: 1000, failures: 2}}\n",
                   w.port);
    publish(yaml);
    turn(102000, "p", "closed");
    assert_int_equal(atomic_load(&world.calls), 1);
}

static void an_answer_must_be_the_expected_one(void **state)
{
    char yaml[1024];
    (void)state;
    (void)snprintf(
        yaml, sizeof(yaml),
        "  - {name: no, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: sk-no, "
        "health_check: {interval_ms: 1000, failures: 1}}\n"
        "  - {name: root, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: sk-no, "
        "health_check: {interval_ms: 1000, failures: 1, path: \"/health\"}}\n",
        w.port, w.port);
    publish(yaml);
    w.checks = health_checks_new(&w.env);
    health_checks_turn(w.checks, 100000);
    turn(101000, "no", "open");     /* the list of models is refused with 401 */
    turn(101000, "root", "closed"); /* another path needs no such key */
}

static void who_does_not_want_it_is_not_asked(void **state)
{
    char yaml[1024];
    (void)state;
    (void)snprintf(yaml, sizeof(yaml),
                   "  - {name: p, kind: openai, base_url: \"http://127.0.0.1:%u/v1\"}\n"
                   "  - {name: q, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", "
                   "health_check: false}\n",
                   w.port, w.port);
    w.checks = health_checks_new(&w.env);
    health_checks_turn(w.checks, 100000); /* there is no snapshot yet */
    publish(yaml);
    health_checks_turn(w.checks, 101000);
    health_checks_turn(w.checks, 200000);
    settle();
    assert_int_equal(atomic_load(&world.calls), 0);
    assert_string_equal(state_of("p"), "");
}

static void a_provider_that_goes_is_forgotten(void **state)
{
    char yaml[1024];
    (void)state;
    (void)snprintf(yaml, sizeof(yaml),
                   "  - {name: p, kind: openai, base_url: \"http://127.0.0.1:%u/v1\", api_key: "
                   "sk-stored, health_check: true}\n",
                   w.port);
    publish(yaml);
    w.checks = health_checks_new(&w.env);
    health_checks_turn(w.checks, 100000); /* asked, and not answered yet */
    publish("  - {name: other, kind: openai, base_url: \"http://127.0.0.1:1/v1\"}\n");
    health_checks_turn(w.checks, 200000);
    settle();
    assert_string_equal(state_of("p"), "");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_provider_that_is_down_opens_and_one_that_is_back_closes),
        T(an_answer_must_be_the_expected_one),
        T(who_does_not_want_it_is_not_asked),
        T(a_provider_that_goes_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

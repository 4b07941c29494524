/* Limits counted in a real Redis by several proxies at once. What must not depend on when the test
 * runs is told its time by the test. */
#include "dataplane/cache/redis_rig.h"

#include "dataplane/cache/redis.h"
#include "dataplane/limits/exact.h"

#define CLIENTS 4
#define TIMEOUT_MS 3000u
#define START_MS 1795301580000ll /* a full minute */

static int64_t test_now_ms;

static int64_t test_clock(void *arg)
{
    (void)arg;
    return test_now_ms;
}

static void *eval(void *arg, struct str script, const struct str *keys, size_t n_keys,
                  const struct str *args, size_t n_args,
                  void (*fn)(void *arg, const int64_t *values, size_t n), void *fn_arg)
{
    return redis_eval(arg, script, keys, n_keys, args, n_args, fn, fn_arg);
}

/* Some proxies, one loop. */
struct rig {
    uint16_t port;
    pid_t pid;
    struct loop *loop;
    struct redis_address address;
    struct redis *redis[CLIENTS];
    struct exact *exact[CLIENTS];
};

static void rig_open(struct rig *r, bool own_clock)
{
    char url[64];
    struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    clock_set_source(rig_clock, rig_wall);
    memset(r, 0, sizeof(*r));
    r->port = free_port();
    r->pid = server_start(r->port, "--loglevel", "warning");
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", r->port);
    assert_true(redis_address_parse(str_of(url), &r->address, &err));
    r->loop = loop_new();
    test_now_ms = START_MS;
    for (size_t i = 0; i < CLIENTS; i++) {
        struct exact_config c = {.now_ms = own_clock ? test_clock : NULL, .slot_ms = 9000};
        r->redis[i] = redis_new(r->loop, &r->address, TIMEOUT_MS);
        c.redis.eval = eval;
        c.redis.arg = r->redis[i];
        r->exact[i] = exact_new(r->loop, &c);
    }
}

static void rig_close(struct rig *r)
{
    for (size_t i = 0; i < CLIENTS; i++) {
        exact_free(r->exact[i]);
        redis_free(r->redis[i]);
    }
    loop_free(r->loop);
    clock_set_source(NULL, NULL);
    if (r->pid) {
        server_kill(r->pid);
    }
}

struct told {
    unsigned times;
    enum exact_answer answer;
    struct exact_view views[EXACT_ASKS_MAX];
    size_t n;
    struct exact_hold *hold;
};

static void on_told(void *arg, enum exact_answer answer, const struct exact_view *views)
{
    struct told *t = arg;
    t->times++;
    t->answer = answer;
    assert_int_equal(views == NULL, answer == EXACT_UNREACHABLE);
    if (views) {
        memcpy(t->views, views, t->n * sizeof(*views));
    }
}

static struct told take_all(struct rig *r, size_t client, const struct exact_ask *asks, size_t n)
{
    struct told t = {.n = n};
    t.hold = exact_take(r->exact[client], asks, n, on_told, &t);
    assert_non_null(t.hold);
    assert_int_equal(t.times, 0); /* not from inside */
    RIG_UNTIL(r->loop, t.times);
    return t;
}

static struct told take(struct rig *r, size_t client, const struct quota_rule *rule,
                        uint64_t amount)
{
    struct exact_ask ask = {.quota = {{7}}, .bucket = STR_LIT("b"), .rule = rule, .amount = amount};
    return take_all(r, client, &ask, 1);
}

/* Whether one request got through; its hold is settled as taken. */
static bool through(struct rig *r, size_t client, const struct quota_rule *rule)
{
    struct told t = take(r, client, rule, 1);
    if (t.answer == EXACT_TAKEN) {
        exact_settle(t.hold, NULL);
    } else {
        assert_int_equal(t.answer, EXACT_REFUSED);
        assert_true(t.views[0].refused);
    }
    return t.answer == EXACT_TAKEN;
}

static struct exact_view look(struct rig *r, size_t client, const struct quota_rule *rule)
{
    struct told t = {.n = 1};
    struct exact_ask ask = {.quota = {{7}}, .bucket = STR_LIT("b"), .rule = rule, .amount = 1};
    if (!exact_look(r->exact[client], &ask, 1, on_told, &t)) {
        fail_msg("%s", redis_trouble(r->redis[client]));
    }
    RIG_UNTIL(r->loop, t.times);
    assert_int_equal(t.answer, EXACT_TAKEN);
    assert_false(t.views[0].refused);
    return t.views[0];
}

static struct quota_rule rule_of(enum quota_metric metric, enum quota_window window,
                                 enum quota_algorithm algorithm, uint64_t amount)
{
    return (struct quota_rule){.limit = true,
                               .metric = metric,
                               .window = window,
                               .algorithm = algorithm,
                               .amount = amount};
}

static void test_what_can_be_exact(void **state)
{
    (void)state;
    struct quota_rule r = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 1);
    assert_true(exact_can(&r));
    r.window = WINDOW_MONTH;
    assert_false(exact_can(&r));
    r.window = WINDOW_NONE;
    assert_false(exact_can(&r));
    r.metric = METRIC_CONCURRENCY;
    assert_true(exact_can(&r));
    r.limit = false;
    assert_false(exact_can(&r));
    r = rule_of(METRIC_COST, WINDOW_DAY, ALGORITHM_FIXED, 1);
    assert_false(exact_can(&r));
}

/* 60 a minute: 400 requests by four proxies at once, by Redis' own clock. A minute that turns
 * meanwhile is another try. */
static void test_four_proxies_let_sixty_through(void **state)
{
    (void)state;
    enum { N = 400 };
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 60);
    rig_open(&r, false);
    for (unsigned turn = 0;; turn++) {
        struct told *t = mem_alloc(N * sizeof(*t));
        struct exact_ask ask = {
            .quota = {{(uint8_t)turn}}, .bucket = STR_LIT(""), .rule = &rule, .amount = 1};
        time_t from = time(NULL) / 60;
        for (size_t i = 0; i < N; i++) {
            t[i].n = 1;
            t[i].hold = exact_take(r.exact[i % CLIENTS], &ask, 1, on_told, &t[i]);
            assert_non_null(t[i].hold);
        }
        unsigned taken = 0, refused = 0;
        for (size_t i = 0; i < N; i++) {
            RIG_UNTIL(r.loop, t[i].times);
            taken += t[i].answer == EXACT_TAKEN;
            refused += t[i].answer == EXACT_REFUSED;
        }
        int64_t resets = t[N - 1].views[0].resets_in_ms;
        mem_free(t);
        if (time(NULL) / 60 != from && turn < 3) {
            continue;
        }
        assert_int_equal(taken, 60);
        assert_int_equal(refused, N - 60);
        assert_in_range(resets, 1, 60000);
        break;
    }
    rig_close(&r);
}

static void test_fixed_windows_turn(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 3);
    rig_open(&r, true);
    assert_int_equal(look(&r, 0, &rule).remaining, 3);
    assert_int_equal(look(&r, 0, &rule).resets_in_ms, 0);
    test_now_ms += 20000;
    for (size_t i = 0; i < 3; i++) {
        struct told t = take(&r, i, &rule, 1);
        assert_int_equal(t.answer, EXACT_TAKEN);
        assert_int_equal(t.views[0].remaining, 2 - i);
        assert_int_equal(t.views[0].resets_in_ms, 40000);
        exact_settle(t.hold, NULL);
    }
    struct told t = take(&r, 3, &rule, 1);
    assert_int_equal(t.answer, EXACT_REFUSED);
    assert_int_equal(t.views[0].remaining, 0);
    assert_int_equal(t.views[0].retry_in_ms, 40000);
    test_now_ms = START_MS + 59999;
    assert_false(through(&r, 0, &rule));
    test_now_ms = START_MS + 60000;
    assert_true(through(&r, 0, &rule));
    test_now_ms = START_MS + 59990; /* Redis' clock was set back a little: the window stays */
    assert_int_equal(look(&r, 0, &rule).remaining, 2);
    t = take(&r, 0, &rule, 4); /* more than there ever is */
    assert_int_equal(t.answer, EXACT_REFUSED);
    assert_int_equal(t.views[0].retry_in_ms, -1);
    rule.amount = 5; /* changed: what was counted still counts */
    test_now_ms = START_MS + 60001;
    assert_int_equal(look(&r, 0, &rule).remaining, 4);
    rig_close(&r);
}

/* In any 60 seconds exactly 60, over three minutes with a try each eighth of a second. */
static void test_sliding_is_exact_in_any_window(void **state)
{
    (void)state;
    enum { STEP = 125, STEPS = 180000 / STEP };
    static int64_t at[STEPS];
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_SLIDING, 60);
    size_t n = 0;
    rig_open(&r, true);
    test_now_ms += 31000;
    int64_t from = test_now_ms;
    for (size_t i = 0; i < STEPS; i++) {
        if (through(&r, i % CLIENTS, &rule)) {
            at[n++] = test_now_ms;
        }
        test_now_ms += STEP;
    }
    assert_int_equal(n, 180); /* whatever leaves is used by the next */
    for (size_t i = 60; i < n; i++) {
        assert_true(at[i] - at[i - 60] >= 60000);
    }
    assert_int_equal(at[59], from + 59 * STEP);
    assert_int_equal(at[60], from + 60000);
    rig_close(&r);
}

static void test_sliding_tells_when(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_TOKENS, WINDOW_SECOND, ALGORITHM_SLIDING, 100);
    rig_open(&r, true);
    exact_settle(take(&r, 0, &rule, 30).hold, NULL);
    test_now_ms += 100;
    exact_settle(take(&r, 1, &rule, 60).hold, NULL);
    test_now_ms += 100;
    struct told t = take(&r, 2, &rule, 11);
    assert_int_equal(t.answer, EXACT_REFUSED);
    assert_int_equal(t.views[0].remaining, 10);
    assert_int_equal(t.views[0].retry_in_ms, 800); /* when the 30 leave */
    t = take(&r, 2, &rule, 41);
    assert_int_equal(t.views[0].retry_in_ms, 900);
    assert_int_equal(t.views[0].resets_in_ms, 900);
    test_now_ms += 799;
    assert_int_equal(take(&r, 2, &rule, 11).answer, EXACT_REFUSED);
    test_now_ms += 1;
    t = take(&r, 2, &rule, 11);
    assert_int_equal(t.answer, EXACT_TAKEN);
    assert_int_equal(t.views[0].remaining, 29);
    exact_settle(t.hold, (uint64_t[]){1}); /* estimated too high: ten come back */
    assert_int_equal(look(&r, 0, &rule).remaining, 39);
    test_now_ms += 5000;
    assert_int_equal(look(&r, 0, &rule).remaining, 100);
    rig_close(&r);
}

/* Too much for a log: sums of slots, which never let too much through. */
static void test_sliding_of_many(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_TOKENS, WINDOW_MINUTE, ALGORITHM_SLIDING, 1000000);
    rig_open(&r, true);
    for (unsigned i = 0; i < 10; i++) {
        exact_settle(take(&r, i % CLIENTS, &rule, 100000).hold, NULL);
        test_now_ms += 1;
    }
    assert_int_equal(take(&r, 0, &rule, 1).answer, EXACT_REFUSED);
    test_now_ms = START_MS + 60000; /* the first has left, but not its slot */
    assert_int_equal(take(&r, 0, &rule, 1).answer, EXACT_REFUSED);
    test_now_ms = START_MS + 60012; /* both slots of six milliseconds have */
    struct told t = take(&r, 0, &rule, 1000000);
    assert_int_equal(t.answer, EXACT_TAKEN);
    assert_int_equal(t.views[0].remaining, 0);
    exact_settle(t.hold, NULL);
    rig_close(&r);
}

static void test_buckets_refill(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_BUCKET, 60);
    rule.burst = 5;
    rig_open(&r, true);
    assert_int_equal(look(&r, 0, &rule).remaining, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(through(&r, i % CLIENTS, &rule));
    }
    struct told t = take(&r, 0, &rule, 1);
    assert_int_equal(t.answer, EXACT_REFUSED);
    assert_int_equal(t.views[0].retry_in_ms, 1000);
    assert_int_equal(t.views[0].resets_in_ms, 5000);
    test_now_ms += 999;
    assert_false(through(&r, 0, &rule));
    test_now_ms += 1; /* refills come by parts, whoever asks meanwhile */
    assert_true(through(&r, 0, &rule));
    assert_false(through(&r, 1, &rule));
    t = take(&r, 0, &rule, 6);
    assert_int_equal(t.views[0].retry_in_ms, -1);
    test_now_ms += 600000;
    assert_int_equal(look(&r, 0, &rule).remaining, 5); /* no more than its size */
    rule = rule_of(METRIC_TOKENS, WINDOW_DAY, ALGORITHM_BUCKET, 1000000000);
    t = take(&r, 0, &rule, 999999999);
    assert_int_equal(t.answer, EXACT_TAKEN);
    assert_int_equal(t.views[0].remaining, 1);
    exact_settle(t.hold, (uint64_t[]){1000000999}); /* more than thought: it owes */
    assert_int_equal(look(&r, 0, &rule).remaining, 0);
    test_now_ms += 1; /* 11.57 tokens a millisecond */
    assert_int_equal(look(&r, 0, &rule).remaining, 0);
    test_now_ms += 86400000 / 2;
    assert_int_equal(look(&r, 0, &rule).remaining, 500000000 - 999 + 11);
    rig_close(&r);
}

/* It is time to renew, and those who still live have done so: a connection answers in order. */
static void renewed(struct rig *r)
{
    struct quota_rule other = rule_of(METRIC_REQUESTS, WINDOW_DAY, ALGORITHM_FIXED, 1);
    rig_skip_ms(3100); /* the wheel is coarse */
    rig_turns(r->loop, 1);
    for (size_t i = 0; i < CLIENTS; i++) {
        if (r->exact[i]) {
            (void)look(r, i, &other);
        }
    }
}

static void test_slots_come_back(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_CONCURRENCY, WINDOW_NONE, ALGORITHM_FIXED, 2);
    rig_open(&r, true);
    struct told a = take(&r, 0, &rule, 1), b = take(&r, 1, &rule, 1);
    assert_true(a.answer == EXACT_TAKEN && b.answer == EXACT_TAKEN);
    struct told c = take(&r, 2, &rule, 1);
    assert_int_equal(c.answer, EXACT_REFUSED);
    assert_int_equal(c.views[0].retry_in_ms, 0);
    exact_settle(a.hold, NULL);
    RIG_UNTIL(r.loop, look(&r, 0, &rule).remaining == 1);
    a = take(&r, 2, &rule, 1);
    assert_int_equal(a.answer, EXACT_TAKEN);
    /* long requests keep theirs: two proxies renew */
    for (unsigned i = 0; i < 10; i++) {
        test_now_ms += 3000;
        renewed(&r);
        assert_int_equal(look(&r, 3, &rule).remaining, 0);
    }
    /* one of them dies: its slot comes back when nobody has renewed it for long enough */
    exact_free(r.exact[1]);
    r.exact[1] = NULL;
    test_now_ms += 6000;
    renewed(&r);
    assert_int_equal(look(&r, 3, &rule).remaining, 0);
    test_now_ms += 3001;
    assert_int_equal(look(&r, 3, &rule).remaining, 1);
    exact_settle(a.hold, NULL);
    RIG_UNTIL(r.loop, look(&r, 3, &rule).remaining == 2);
    rig_close(&r);
}

static void test_all_or_none(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule minute = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 10),
                      tokens = rule_of(METRIC_TOKENS, WINDOW_HOUR, ALGORITHM_BUCKET, 1000),
                      slide = rule_of(METRIC_REQUESTS, WINDOW_DAY, ALGORITHM_SLIDING, 3),
                      slots = rule_of(METRIC_CONCURRENCY, WINDOW_NONE, ALGORITHM_FIXED, 9);
    struct exact_ask asks[] = {
        {.quota = {{1}}, .bucket = STR_LIT("u1"), .rule = &minute, .amount = 1},
        {.quota = {{2}}, .bucket = STR_LIT("u1"), .rule = &tokens, .amount = 100},
        {.quota = {{3}}, .bucket = STR_LIT("u1"), .rule = &slide, .amount = 1},
        {.quota = {{4}}, .bucket = STR_LIT(""), .rule = &slots, .amount = 1},
    };
    rig_open(&r, true);
    for (unsigned i = 0; i < 3; i++) {
        struct told t = take_all(&r, i, asks, 4);
        assert_int_equal(t.answer, EXACT_TAKEN);
        exact_settle(t.hold, (uint64_t[]){1, 150, 1, 0});
    }
    for (unsigned i = 0; i < 4; i++) { /* only the third refuses, and says so */
        struct told t = take_all(&r, i, asks, 4);
        assert_int_equal(t.answer, EXACT_REFUSED);
        assert_true(!t.views[0].refused && !t.views[1].refused && t.views[2].refused &&
                    !t.views[3].refused);
        assert_int_equal(t.views[0].remaining, 7); /* untouched by refusals */
        assert_int_equal(t.views[1].remaining, 550);
        assert_int_equal(t.views[2].remaining, 0);
        assert_int_equal(t.views[2].retry_in_ms, 86400000);
        assert_int_equal(t.views[3].remaining, 9);
    }
    asks[2].bucket = STR_LIT("u2"); /* another's account */
    struct told t = take_all(&r, 0, asks, 4);
    assert_int_equal(t.answer, EXACT_TAKEN);
    exact_settle(t.hold, NULL);
    asks[1].amount = 1000000;
    t = take_all(&r, 0, asks, 4);
    assert_true(!t.views[0].refused && t.views[1].refused && !t.views[2].refused);
    assert_int_equal(t.views[1].retry_in_ms, -1);
    rig_close(&r);
}

static void test_corrections_stay_in_their_window(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_TOKENS, WINDOW_MINUTE, ALGORITHM_FIXED, 1000);
    rig_open(&r, true);
    struct told a = take(&r, 0, &rule, 400), b = take(&r, 1, &rule, 400);
    exact_settle(a.hold, (uint64_t[]){100});
    RIG_UNTIL(r.loop, look(&r, 0, &rule).remaining == 500);
    a = take(&r, 0, &rule, 300);
    exact_settle(a.hold, (uint64_t[]){900}); /* an overrun counts */
    RIG_UNTIL(r.loop, look(&r, 0, &rule).remaining == 0);
    test_now_ms += 60000;
    assert_int_equal(look(&r, 0, &rule).remaining, 1000);
    exact_settle(b.hold, (uint64_t[]){0}); /* of the window before */
    a = take(&r, 1, &rule, 1);
    assert_int_equal(a.views[0].remaining, 999);
    exact_settle(a.hold, NULL);
    rig_close(&r);
}

static void test_cancelled_gives_back(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 5),
                      slots = rule_of(METRIC_CONCURRENCY, WINDOW_NONE, ALGORITHM_FIXED, 5);
    struct exact_ask asks[] = {
        {.quota = {{7}}, .bucket = STR_LIT("b"), .rule = &rule, .amount = 1},
        {.quota = {{7}}, .bucket = STR_LIT("b"), .rule = &slots, .amount = 1},
    };
    struct told gone = {.n = 2};
    rig_open(&r, true);
    struct exact_hold *h = exact_take(r.exact[0], asks, 2, on_told, &gone);
    assert_non_null(h);
    exact_cancel(h); /* while it connects */
    h = exact_take(r.exact[1], asks, 2, on_told, &gone);
    exact_cancel(h);
    RIG_UNTIL(r.loop, look(&r, 1, &rule).remaining == 5 && look(&r, 1, &slots).remaining == 5);
    assert_int_equal(gone.times, 0);
    assert_null(exact_take(r.exact[0], asks, 0, on_told, &gone));
    assert_non_null(exact_take(r.exact[0], asks, 2, on_told, &gone)); /* under way at the end */
    rig_close(&r);
    assert_int_equal(gone.times, 0);
}

static void test_out_of_reach(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rule = rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_FIXED, 5),
                      slots = rule_of(METRIC_CONCURRENCY, WINDOW_NONE, ALGORITHM_FIXED, 5);
    struct exact_ask ask = {.quota = {{7}}, .bucket = STR_LIT("b"), .rule = &rule, .amount = 1};
    struct told t = {.n = 1};
    rig_open(&r, true);
    assert_true(through(&r, 0, &rule));
    struct told slot = take(&r, 0, &slots, 1);
    assert_int_equal(slot.answer, EXACT_TAKEN);
    (void)kill(r.pid, SIGSTOP); /* hangs: an answer after the time-out, no later */
    assert_non_null(exact_take(r.exact[0], &ask, 1, on_told, &t));
    rig_turns(r.loop, 3);
    assert_int_equal(t.times, 0);
    rig_skip_ms(TIMEOUT_MS + 10);
    rig_turns(r.loop, 3);
    assert_int_equal(t.times, 1);
    assert_int_equal(t.answer, EXACT_UNREACHABLE);
    assert_null(exact_take(r.exact[0], &ask, 1, on_told, &t)); /* known to be down */
    exact_settle(slot.hold, NULL);                             /* lost: it expires */
    server_kill(r.pid);
    r.pid = server_start(r.port, "--loglevel", "warning"); /* empty, and knows no script */
    uint64_t from = rig_kernel_ns();
    while (!redis_up(r.redis[0])) {
        rig_skip_ms(100);
        loop_turn(r.loop, 5);
        assert_true(rig_kernel_ns() - from < RIG_WAIT_MS * 1000000ull);
    }
    assert_true(through(&r, 0, &rule));
    assert_int_equal(look(&r, 0, &rule).remaining, 4);
    assert_true(says(r.port, "SCRIPT FLUSH", "+OK")); /* forgotten while connected */
    assert_true(through(&r, 0, &rule));
    assert_int_equal(look(&r, 0, &rule).remaining, 3);
    rig_close(&r);
}

static void test_all_that_is_kept_expires(void **state)
{
    (void)state;
    struct rig r;
    struct quota_rule rules[] = {
        rule_of(METRIC_REQUESTS, WINDOW_SECOND, ALGORITHM_FIXED, 5),
        rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_SLIDING, 5),
        rule_of(METRIC_REQUESTS, WINDOW_MINUTE, ALGORITHM_BUCKET, 5),
        rule_of(METRIC_CONCURRENCY, WINDOW_NONE, ALGORITHM_FIXED, 5),
    };
    rig_open(&r, false);
    for (size_t i = 0; i < 4; i++) {
        assert_true(through(&r, 0, &rules[i]));
    }
    /* five keys (a sliding window has two), less the slot that came back; none without an end */
    RIG_UNTIL(r.loop, says(r.port, "EVAL \"return #redis.call('KEYS','weir:limit:*')\" 0", ":4"));
    assert_true(says(r.port,
                     "EVAL \"local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if "
                     "redis.call('PTTL', k) < 0 then n = n + 1 end end return n\" 0",
                     ":0"));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_can_be_exact),
        cmocka_unit_test(test_four_proxies_let_sixty_through),
        cmocka_unit_test(test_fixed_windows_turn),
        cmocka_unit_test(test_sliding_is_exact_in_any_window),
        cmocka_unit_test(test_sliding_tells_when),
        cmocka_unit_test(test_sliding_of_many),
        cmocka_unit_test(test_buckets_refill),
        cmocka_unit_test(test_slots_come_back),
        cmocka_unit_test(test_all_or_none),
        cmocka_unit_test(test_corrections_stay_in_their_window),
        cmocka_unit_test(test_cancelled_gives_back),
        cmocka_unit_test(test_out_of_reach),
        cmocka_unit_test(test_all_that_is_kept_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Scripts against a real server. What the scripts of limits do stands in limits/test_exact.c. */
#include "dataplane/cache/redis_rig.h"

#include "dataplane/cache/redis.h"

#define TIMEOUT_MS 3000u

static const char echo[] = "local out = {}\n"
                           "for i, a in ipairs(ARGV) do out[i] = tonumber(a) + #KEYS end\n"
                           "return out\n";

struct told {
    unsigned times;
    bool ok;
    size_t n;
    int64_t values[REDIS_EVAL_WORDS];
};

static void on_told(void *arg, const int64_t *values, size_t n)
{
    struct told *t = arg;
    t->times++;
    t->ok = values != NULL;
    t->n = n;
    assert_true(values || n == 0);
    if (n) {
        memcpy(t->values, values, n * sizeof(*values));
    }
}

struct rig {
    uint16_t port;
    pid_t pid;
    struct loop *loop;
    struct redis_address address;
    struct redis *redis;
};

static void rig_open(struct rig *r)
{
    char url[64];
    struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    clock_set_source(rig_clock, rig_wall);
    r->port = free_port();
    r->pid = server_start(r->port, "--loglevel", "warning");
    (void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", r->port);
    assert_true(redis_address_parse(str_of(url), &r->address, &err));
    r->loop = loop_new();
    r->redis = redis_new(r->loop, &r->address, TIMEOUT_MS);
}

static void rig_close(struct rig *r)
{
    redis_free(r->redis);
    loop_free(r->loop);
    clock_set_source(NULL, NULL);
    server_kill(r->pid);
}

static struct told run(struct rig *r, const char *script, const char *number)
{
    struct told t = {0};
    struct str key = STR_LIT("k"), arg = str_of(number);
    assert_non_null(redis_eval(r->redis, str_of(script), &key, 1, &arg, 1, on_told, &t));
    assert_int_equal(t.times, 0); /* not from inside */
    RIG_UNTIL(r->loop, t.times);
    return t;
}

static void test_numbers_come_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    for (unsigned i = 0; i < 3; i++) { /* with its text, then by its name */
        struct told t = run(&r, echo, "-4611686018427387904");
        assert_true(t.ok);
        assert_int_equal(t.n, 1);
        assert_true(t.values[0] == -4611686018427387903 - 1); /* through a double */
    }
    struct str words[REDIS_EVAL_WORDS + 1];
    struct told t = {0};
    for (size_t i = 0; i <= REDIS_EVAL_WORDS; i++) {
        words[i] = STR_LIT("7");
    }
    assert_null(redis_eval(r.redis, str_of(echo), words, 1, words, REDIS_EVAL_WORDS, on_told, &t));
    assert_non_null(
        redis_eval(r.redis, str_of(echo), words, 1, words, REDIS_EVAL_WORDS - 1, on_told, &t));
    RIG_UNTIL(r.loop, t.times);
    assert_int_equal(t.n, REDIS_EVAL_WORDS - 1);
    assert_int_equal(t.values[REDIS_EVAL_WORDS - 2], 8);
    assert_non_null(redis_eval(r.redis, str_of(echo), NULL, 0, NULL, 0, on_told, &t));
    RIG_UNTIL(r.loop, t.times == 2);
    assert_true(t.ok && t.n == 0);
    rig_close(&r);
}

static void test_a_script_that_was_forgotten(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    for (unsigned i = 0; i < 4; i++) {
        struct told t = run(&r, echo, "41");
        assert_true(t.ok && t.values[0] == 42);
        if (i % 2) {
            assert_true(says(r.port, "SCRIPT FLUSH", "+OK"));
        }
    }
    struct told a = {0}, b = {0}; /* two under way at once */
    struct str arg = STR_LIT("1");
    assert_non_null(redis_eval(r.redis, str_of(echo), NULL, 0, &arg, 1, on_told, &a));
    assert_non_null(redis_eval(r.redis, str_of(echo), NULL, 0, &arg, 1, on_told, &b));
    RIG_UNTIL(r.loop, a.times && b.times);
    assert_true(a.ok && b.ok);
    assert_true(redis_up(r.redis));
    rig_close(&r);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r);
    assert_true(run(&r, echo, "1").ok);
    assert_false(run(&r, "this is no Lua", "1").ok);
    assert_non_null(strstr(redis_trouble(r.redis), "refused"));
    assert_false(run(&r, "return redis.call('INCR', KEYS[1], 'too', 'many')", "1").ok);
    assert_false(run(&r, "return 1", "1").ok); /* no list */
    assert_false(run(&r, "return {1, 'a'}", "1").ok);
    assert_true(run(&r, "return {}", "1").ok);
    assert_true(redis_up(r.redis));
    /* more scripts than are known by name: still run */
    static const char *const more[] = {"return {1}", "return {2}", "return {3}", "return {4}",
                                       "return {5}", "return {6}", "return {7}"};
    for (unsigned turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 7; i++) {
            struct told t = run(&r, more[i], "1");
            assert_true(t.ok && t.values[0] == i + 1);
        }
    }
    rig_close(&r);
}

static void test_cancelled_forgotten_out_of_reach(void **state)
{
    (void)state;
    static const char count[] = "return {redis.call('INCR', KEYS[1])}";
    struct rig r;
    struct told gone = {0}, late = {0};
    struct str key = STR_LIT("n");
    rig_open(&r);
    /* while it connects, and then */
    struct redis_call *c = redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, on_told, &gone);
    assert_non_null(c);
    redis_cancel(c);
    assert_true(run(&r, echo, "1").ok);
    c = redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, on_told, &gone);
    redis_cancel(c);
    assert_non_null(redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, NULL, NULL));
    assert_true(run(&r, echo, "1").ok);
    assert_true(says(r.port, "GET n", "$1\r\n2")); /* it was sent, and what nobody waits for too */
    assert_int_equal(gone.times, 0);
    (void)kill(r.pid, SIGSTOP);
    assert_non_null(redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, on_told, &late));
    rig_turns(r.loop, 2);
    rig_skip_ms(TIMEOUT_MS + 10);
    rig_turns(r.loop, 2);
    assert_int_equal(late.times, 1);
    assert_false(late.ok);
    assert_null(redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, on_told, &late));
    assert_null(redis_eval(r.redis, str_of(count), &key, 1, NULL, 0, NULL, NULL));
    (void)kill(r.pid, SIGCONT);
    rig_close(&r);
    assert_int_equal(late.times, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_come_back),
        cmocka_unit_test(test_a_script_that_was_forgotten),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_cancelled_forgotten_out_of_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The loop: deadlines on the injected clock, deferred and posted calls, batches, interest. */
#include "dataplane/net/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/net/wheel.h"

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void test_timers_strike_on_time_and_once(void **state)
{
    (void)state;
    clock_set_source(rig_clock, rig_wall);
    struct loop *l = loop_new();
    static const uint64_t delays[] = {0, 1, 5, 900, 1100, 15000, 75000, 300000, 3600000, 100000000};
    enum { N = sizeof(delays) / sizeof(delays[0]) };
    unsigned hits[N] = {0};
    struct loop_timer *t[N];
    for (size_t i = 0; i < N; i++) {
        t[i] = loop_timer_new(l, count, &hits[i]);
        loop_timer_set(t[i], delays[i]);
    }
    uint64_t at = 0;
    for (size_t i = 3; i < N; i++) {
        rig_skip_ms(delays[i] - at - 200); /* some real time passes as well */
        at = delays[i] - 200;
        rig_turns(l, 2);
        assert_int_equal(hits[i], 0);
        rig_skip_ms(204);
        at += 204;
        rig_turns(l, 2);
        for (size_t k = 0; k < N; k++) {
            assert_int_equal(hits[k], k <= i);
        }
    }
    for (size_t i = 0; i < N; i++) {
        loop_timer_free(t[i]);
    }
    loop_timer_free(NULL);
    loop_free(l);
    clock_set_source(NULL, NULL);
}

static void test_moved_and_cancelled_timers(void **state)
{
    (void)state;
    clock_set_source(rig_clock, rig_wall);
    struct loop *l = loop_new();
    unsigned a = 0, b = 0;
    struct loop_timer *ta = loop_timer_new(l, count, &a), *tb = loop_timer_new(l, count, &b);
    loop_timer_set(ta, 100);
    loop_timer_set(tb, 100);
    loop_timer_set(ta, 50000);
    loop_timer_cancel(tb);
    loop_timer_cancel(tb);
    rig_skip_ms(40000);
    rig_turns(l, 2);
    assert_int_equal(a + b, 0);
    rig_skip_ms(10100);
    rig_turns(l, 2);
    assert_int_equal(a, 1);
    assert_int_equal(b, 0);
    loop_timer_set(ta, 10); /* a real wait: the loop wakes for it by itself */
    RIG_UNTIL(l, a == 2);
    loop_timer_free(ta);
    loop_timer_free(tb);
    loop_free(l);
    clock_set_source(NULL, NULL);
}

/* Against a plain list, fixed seed. */
static void test_wheel_agrees_with_a_list(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct wheel w;
    struct wheel_timer t[N];
    uint64_t due[N]; /* 0: not set */
    uint64_t seed = 42, now = 1000;
    wheel_init(&w, now);
    for (int i = 0; i < N; i++) {
        wheel_timer_init(&t[i]);
        due[i] = 0;
    }
    for (int round = 0; round < 3000; round++) {
        for (int k = 0; k < 5; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            unsigned i = (unsigned)(seed >> 33) % N;
            unsigned span = (unsigned)(seed >> 20) % 26; /* up to beyond the wheel */
            uint64_t delta = (seed >> 40) & ((1ull << span) - 1);
            if (seed >> 63) {
                wheel_cancel(&t[i]);
                due[i] = 0;
            } else {
                due[i] = now + (delta ? delta : 1);
                assert_true(wheel_set(&w, &t[i], now + delta) <= due[i]);
            }
        }
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        now += (seed >> 33) % ((seed >> 60) == 0 ? 3000000 : 700);
        uint64_t next = wheel_next(&w);
        struct list fired;
        struct list *n;
        wheel_advance(&w, now, &fired);
        bool any = false;
        while ((n = list_pop_front(&fired))) {
            size_t i = (size_t)(LIST_ENTRY(n, struct wheel_timer, node) - t);
            assert_true(due[i] && due[i] <= now);
            due[i] = 0;
            any = true;
        }
        assert_true(!any || next <= now);
        for (int i = 0; i < N; i++) {
            assert_true(!due[i] || due[i] > now);
        }
    }
}

struct chain {
    struct loop *loop;
    char *at;
};

static void say_b(void *arg)
{
    struct chain *c = arg;
    *c->at++ = 'b';
}

static void say_a(void *arg)
{
    struct chain *c = arg;
    *c->at++ = 'a';
    loop_defer(c->loop, say_b, c);
}

static void test_deferred_calls_run_in_order(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    char said[8] = {0};
    struct chain c = {l, said};
    loop_defer(l, say_a, &c);
    loop_defer(l, say_a, &c);
    assert_string_equal(said, "");
    loop_turn(l, 1000);
    assert_string_equal(said, "aa");
    loop_turn(l, 60000); /* does not wait */
    assert_string_equal(said, "aabb");
    loop_defer(l, say_a, &c);
    loop_free(l);
    assert_string_equal(said, "aabbab"); /* what was owed was done */
}

enum { POSTS = 20000 };

static void *post_many(void *arg)
{
    struct chain *c = arg;
    for (int i = 0; i < POSTS; i++) {
        while (!loop_post(c->loop, count, c->at)) {
        }
    }
    loop_stop(c->loop);
    return NULL;
}

static void test_posts_from_another_thread(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    unsigned n = 0;
    struct chain c = {l, (char *)&n};
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, post_many, &c), 0);
    loop_run(l); /* until the thread says stop */
    (void)pthread_join(t, NULL);
    rig_turns(l, 2);
    assert_int_equal(n, POSTS);
    loop_free(l);
}

static void test_post_queue_is_bounded(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    unsigned n = 0, taken = 0;
    while (taken < 1000000 && loop_post(l, count, &n)) {
        taken++;
    }
    assert_true(taken >= 1000 && taken < 1000000);
    loop_turn(l, 1000);
    assert_int_equal(n, taken);
    assert_true(loop_post(l, count, &n));
    loop_free(l);
    assert_int_equal(n, taken + 1);
}

static void test_an_ended_loop_runs_what_was_posted_and_takes_no_more(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    unsigned n = 0;
    assert_true(loop_post(l, count, &n));
    loop_end(l);
    assert_int_equal(n, 1);
    assert_false(loop_post(l, count, &n));
    loop_end(l);
    loop_free(l);
    assert_int_equal(n, 1);
}

static void test_batches(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    unsigned a = 0, b = 0;
    struct loop_batch ba = {.fn = count, .arg = &a}, bb = {.fn = count, .arg = &b};
    assert_false(loop_batch_add(l, &ba));
    loop_batch_begin(l);
    loop_batch_begin(l);
    assert_true(loop_batch_add(l, &ba));
    assert_true(loop_batch_add(l, &bb));
    assert_true(loop_batch_add(l, &ba));
    loop_batch_end(l);
    assert_int_equal(a + b, 0);
    loop_batch_remove(&bb);
    loop_batch_remove(&bb);
    loop_batch_end(l);
    assert_int_equal(a, 1);
    assert_int_equal(b, 0);
    loop_free(l);
}

struct pipe_end {
    unsigned reads, writes;
    int fd;
};

static void on_pipe(void *arg, int fd, unsigned what)
{
    struct pipe_end *p = arg;
    assert_int_equal(fd, p->fd);
    if (what == LOOP_WRITE) {
        p->writes++;
    } else {
        char c;
        assert_int_equal(read(fd, &c, 1), 1);
        p->reads++;
    }
}

static void test_interest(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    int s[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
    struct pipe_end p = {.fd = s[0]};
    struct loop_io *io = loop_io_new(l, s[0], on_pipe, &p);
    rig_say(s[1], "ab");
    rig_turns(l, 2);
    assert_int_equal(p.reads + p.writes, 0); /* interest is nothing at first */
    loop_io_set(io, LOOP_READ);
    RIG_UNTIL(l, p.reads == 2); /* level-triggered: one byte a call */
    assert_int_equal(p.writes, 0);
    loop_io_set(io, LOOP_READ | LOOP_WRITE);
    RIG_UNTIL(l, p.writes > 0);
    loop_io_set(io, 0);
    unsigned writes = p.writes;
    rig_say(s[1], "c");
    rig_turns(l, 2);
    assert_int_equal(p.writes, writes);
    assert_int_equal(p.reads, 2);
    loop_io_free(io);
    loop_io_free(NULL);
    /* a descriptor number that is used again in the same turn gets its own events */
    (void)close(s[0]);
    int again[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, again), 0);
    assert_int_equal(again[0], s[0]);
    struct pipe_end q = {.fd = again[0]};
    io = loop_io_new(l, again[0], on_pipe, &q);
    loop_io_set(io, LOOP_READ);
    rig_say(again[1], "x");
    RIG_UNTIL(l, q.reads == 1);
    loop_io_free(io);
    (void)close(s[1]);
    (void)close(again[0]);
    (void)close(again[1]);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_strike_on_time_and_once),
        cmocka_unit_test(test_moved_and_cancelled_timers),
        cmocka_unit_test(test_wheel_agrees_with_a_list),
        cmocka_unit_test(test_deferred_calls_run_in_order),
        cmocka_unit_test(test_posts_from_another_thread),
        cmocka_unit_test(test_post_queue_is_bounded),
        cmocka_unit_test(test_an_ended_loop_runs_what_was_posted_and_takes_no_more),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_interest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Names: what needs no look-up, what the helper thread finds, and how long it serves. */
#include "dataplane/net/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/upstream/resolve.h"

/* The system of this test: answers 10.0.0.N for the N-th question, when let. */
static atomic_uint asked;
static atomic_bool down;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static bool ask(const char *host, struct addresses *ret)
{
    (void)host;
    pthread_mutex_lock(&gate);
    unsigned n = atomic_fetch_add(&asked, 1) + 1;
    pthread_mutex_unlock(&gate);
    if (atomic_load(&down)) {
        return false;
    }
    ret->n = 1;
    ret->v[0].len = sizeof(struct sockaddr_in);
    ret->v[0].u.v4 =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000000 + n)};
    return true;
}

struct waiting {
    struct resolve_waiter w;
    unsigned calls, n;
    unsigned last; /* last byte of the address */
};

static unsigned last_byte(const struct addresses *a)
{
    return ntohl(a->v[0].u.v4.sin_addr.s_addr) & 0xff;
}

static void on_found(void *arg, const struct addresses *a)
{
    struct waiting *w = arg;
    w->calls++;
    w->n = a->n;
    w->last = a->n ? last_byte(a) : 0;
}

static void waiting_init(struct waiting *w)
{
    *w = (struct waiting){.w = {.fn = on_found, .arg = w}};
    list_init(&w->w.node);
}

static void test_numbers_need_no_thread(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct resolver *r = resolver_new(l, ask);
    struct addresses a;
    struct waiting w;
    waiting_init(&w);
    unsigned before = atomic_load(&asked);
    assert_true(resolver_ask(r, STR_LIT("192.0.2.7"), &a, &w.w));
    assert_int_equal(a.n, 1);
    assert_int_equal(a.v[0].u.any.sa_family, AF_INET);
    assert_int_equal(last_byte(&a), 7);
    assert_true(resolver_ask(r, STR_LIT("[2001:db8::1]"), &a, &w.w));
    assert_int_equal(a.v[0].u.any.sa_family, AF_INET6);
    assert_true(resolver_ask(r, STR_LIT("::1"), &a, &w.w));
    assert_int_equal(a.v[0].len, sizeof(struct sockaddr_in6));
    assert_true(resolver_ask(r, STR_LIT("LocalHost"), &a, &w.w));
    assert_int_equal(a.n, 2);
    assert_true(resolver_ask(r, STR_LIT(""), &a, &w.w));
    assert_int_equal(a.n, 0);
    assert_int_equal(atomic_load(&asked), before);
    resolver_free(r);
    loop_free(l);
}

static void test_names_are_kept_and_asked_again(void **state)
{
    (void)state;
    clock_set_source(rig_clock, rig_wall);
    struct loop *l = loop_new();
    struct resolver *r = resolver_new(l, ask);
    struct addresses a;
    struct waiting w1, w2, w3;
    struct str name = STR_LIT("api.example");
    atomic_store(&asked, 0);
    atomic_store(&down, false);
    waiting_init(&w1);
    waiting_init(&w2);
    waiting_init(&w3);
    assert_false(resolver_ask(r, name, &a, &w1.w));
    assert_false(resolver_ask(r, name, &a, &w2.w)); /* one question serves both */
    assert_false(resolver_ask(r, name, &a, &w3.w));
    resolver_forget(&w3.w);
    RIG_UNTIL(l, w1.calls && w2.calls);
    assert_int_equal(w1.last, 1);
    assert_int_equal(w2.last, 1);
    assert_int_equal(w3.calls, 0);
    rig_skip_ms(29000);
    assert_true(resolver_ask(r, name, &a, &w1.w));
    rig_turns(l, 3);
    assert_int_equal(atomic_load(&asked), 1);
    /* past its time the old one still serves while it is asked again */
    rig_skip_ms(2000);
    assert_true(resolver_ask(r, name, &a, &w1.w));
    assert_int_equal(last_byte(&a), 1);
    RIG_UNTIL(l, resolver_ask(r, name, &a, &w1.w) && last_byte(&a) == 2);
    /* and for as long as asking fails */
    atomic_store(&down, true);
    rig_skip_ms(31000);
    assert_true(resolver_ask(r, name, &a, &w1.w));
    RIG_UNTIL(l, atomic_load(&asked) == 3);
    rig_turns(l, 3);
    assert_true(resolver_ask(r, name, &a, &w1.w));
    assert_int_equal(last_byte(&a), 2);
    /* after a long silence the caller waits for a new answer; with none, the old one is better than
     * nothing */
    rig_skip_ms(700000);
    w1.calls = 0;
    assert_false(resolver_ask(r, name, &a, &w1.w));
    RIG_UNTIL(l, w1.calls);
    assert_int_equal(w1.last, 2);
    resolver_free(r);
    loop_free(l);
    clock_set_source(NULL, NULL);
}

static void test_failure_is_told_and_tried_again(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct resolver *r = resolver_new(l, ask);
    struct addresses a;
    struct waiting w;
    waiting_init(&w);
    atomic_store(&down, true);
    assert_false(resolver_ask(r, STR_LIT("nowhere.example"), &a, &w.w));
    RIG_UNTIL(l, w.calls == 1);
    assert_int_equal(w.n, 0);
    atomic_store(&down, false);
    assert_false(resolver_ask(r, STR_LIT("nowhere.example"), &a, &w.w));
    RIG_UNTIL(l, w.calls == 2);
    assert_int_equal(w.n, 1);
    resolver_free(r);
    loop_free(l);
}

static void test_freed_while_the_thread_asks(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct resolver *r = resolver_new(l, ask);
    struct addresses a;
    struct waiting w;
    waiting_init(&w);
    pthread_mutex_lock(&gate);
    assert_false(resolver_ask(r, STR_LIT("slow.example"), &a, &w.w));
    resolver_free(r); /* neither waits for the thread nor is called by it */
    loop_free(l);
    pthread_mutex_unlock(&gate);
    assert_int_equal(w.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_need_no_thread),
        cmocka_unit_test(test_names_are_kept_and_asked_again),
        cmocka_unit_test(test_failure_is_told_and_tried_again),
        cmocka_unit_test(test_freed_while_the_thread_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Equal calls in flight: one leads, the others are told, on their own loops, once or never. */
#include "dataplane/net/rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/crypto.h"
#include "dataplane/cache/store.h"

static struct cache_key key_of(unsigned n)
{
    struct cache_key k = {.tenant = {{7}}};
    crypto_sha256(&n, sizeof(n), k.digest);
    return k;
}

struct told {
    unsigned times;
    enum cache_flight how;
};

static void on_told(void *arg, enum cache_flight how)
{
    struct told *t = arg;
    t->times++;
    t->how = how;
}

static struct cache_waiter waiter(struct loop *l, struct told *t)
{
    return (struct cache_waiter){.loop = l, .fn = on_told, .arg = t};
}

static struct cache_counts counts(struct cache_store *s)
{
    struct cache_counts c;
    cache_counts(s, &c);
    return c;
}

static void test_one_leads_the_others_are_told(void **state)
{
    (void)state;
    enum { N = 100 };
    struct cache_store *s = cache_store_new(1 << 20);
    struct loop *l = loop_new();
    struct cache_key k = key_of(1), other = key_of(2), of_another = k;
    struct told t[N + 1] = {{0}};
    struct cache_waiter w[N + 1];
    of_another.tenant.b[0] = 8;
    for (unsigned i = 0; i <= N; i++) {
        w[i] = waiter(l, &t[i]);
        assert_int_equal(cache_join(s, &k, &w[i]), i == 0 ? CACHE_LEADS : CACHE_FOLLOWS);
    }
    struct told apart = {0};
    struct cache_waiter x = waiter(l, &apart), y = waiter(l, &apart);
    assert_int_equal(cache_join(s, &other, &x), CACHE_LEADS);
    assert_int_equal(cache_join(s, &of_another, &y), CACHE_LEADS); /* equal but for the tenant */
    assert_int_equal(counts(s).in_flight, 3);
    rig_turns(l, 3);
    assert_int_equal(t[5].times, 0);
    cache_flight_end(s, &k, CACHE_KEPT);
    assert_int_equal(t[5].times, 0); /* never from inside */
    rig_turns(l, 3);
    assert_int_equal(t[0].times, 0); /* the leader */
    for (unsigned i = 1; i <= N; i++) {
        assert_int_equal(t[i].times, 1);
        assert_int_equal(t[i].how, CACHE_KEPT);
    }
    assert_int_equal(counts(s).coalesced, N);
    assert_int_equal(cache_join(s, &k, &w[0]), CACHE_LEADS); /* it is over: a new one */
    cache_flight_end(s, &k, CACHE_NOT_KEPT);
    cache_flight_end(s, &other, CACHE_KEPT);
    cache_flight_end(s, &of_another, CACHE_KEPT);
    rig_turns(l, 3);
    assert_int_equal(apart.times, 0);
    assert_int_equal(counts(s).in_flight, 0);
    loop_free(l);
    cache_store_free(s);
}

static void test_a_leader_that_gives_up(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(1 << 20);
    struct loop *l = loop_new();
    struct cache_key k = key_of(1);
    struct told a = {0}, b = {.how = CACHE_KEPT};
    struct cache_waiter wa = waiter(l, &a), wb = waiter(l, &b);
    assert_int_equal(cache_join(s, &k, &wa), CACHE_LEADS);
    assert_int_equal(cache_join(s, &k, &wb), CACHE_FOLLOWS);
    cache_flight_end(s, &k, CACHE_NOT_KEPT);
    rig_turns(l, 2);
    assert_int_equal(b.times, 1);
    assert_int_equal(b.how, CACHE_NOT_KEPT);
    assert_int_equal(counts(s).coalesced, 0);
    loop_free(l);
    cache_store_free(s);
}

static void test_who_left_is_not_told(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(1 << 20);
    struct loop *l = loop_new();
    struct cache_key k = key_of(1);
    struct told lead = {0}, early = {0}, late = {0}, stays = {0};
    struct cache_waiter w = waiter(l, &lead);
    struct cache_waiter *we = mem_alloc(sizeof(*we)), *wl = mem_alloc(sizeof(*wl));
    struct cache_waiter ws = waiter(l, &stays);
    *we = waiter(l, &early);
    *wl = waiter(l, &late);
    cache_leave(s, we); /* never joined */
    (void)cache_join(s, &k, &w);
    (void)cache_join(s, &k, we);
    (void)cache_join(s, &k, wl);
    (void)cache_join(s, &k, &ws);
    cache_leave(s, we);
    cache_leave(s, we);
    mem_free(we);
    cache_flight_end(s, &k, CACHE_KEPT);
    cache_leave(s, wl); /* its call is on its way already */
    mem_free(wl);
    cache_leave(s, &w); /* the leader, which does not wait */
    rig_turns(l, 3);
    assert_int_equal(lead.times + early.times + late.times, 0);
    assert_int_equal(stays.times, 1);
    cache_leave(s, &ws); /* told already */
    loop_free(l);
    cache_store_free(s);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void loop_fill(struct loop *l)
{
    while (loop_post(l, nothing, NULL)) {
    }
}

static void test_a_full_queue_delays_and_loses_nothing(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(1 << 20);
    struct loop *l = loop_new(), *other = loop_new();
    struct cache_key k = key_of(1), k2 = key_of(2);
    struct told lead = {0}, a = {0}, b = {0}, c = {0}, d = {0};
    struct cache_waiter w = waiter(other, &lead), wa = waiter(l, &a), wb = waiter(l, &b),
                        wc = waiter(l, &c), wd = waiter(other, &d);
    (void)cache_join(s, &k, &w);
    (void)cache_join(s, &k, &wa);
    (void)cache_join(s, &k, &wb);
    (void)cache_join(s, &k, &wd);
    (void)cache_join(s, &k, &wc);
    loop_fill(l);
    cache_flight_end(s, &k, CACHE_KEPT);
    cache_leave(s, &wb); /* while it is stranded */
    rig_turns(l, 2);     /* now there is room */
    rig_turns(other, 2);
    assert_int_equal(a.times, 0);
    assert_int_equal(d.times, 1);
    assert_int_equal(cache_join(s, &k2, &w), CACHE_LEADS); /* anybody's call */
    rig_turns(l, 2);
    assert_int_equal(a.times, 1);
    assert_int_equal(a.how, CACHE_KEPT);
    assert_int_equal(b.times, 0);
    assert_int_equal(c.times, 1);
    cache_flight_end(s, &k2, CACHE_NOT_KEPT);
    loop_free(l);
    loop_free(other);
    cache_store_free(s);
}

static void test_the_end_of_the_process(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(1 << 20);
    struct loop *l = loop_new();
    struct cache_key k = key_of(1), open = key_of(2), full = key_of(3);
    struct told t = {0}, posted = {0};
    struct cache_waiter w[6];
    for (unsigned i = 0; i < 6; i++) {
        w[i] = waiter(l, i == 1 ? &posted : &t);
    }
    (void)cache_join(s, &k, &w[0]);
    (void)cache_join(s, &k, &w[1]);
    (void)cache_join(s, &open, &w[2]); /* a leader that never ends, and who waits for it */
    (void)cache_join(s, &open, &w[3]);
    (void)cache_join(s, &full, &w[4]);
    (void)cache_join(s, &full, &w[5]);
    cache_flight_end(s, &k, CACHE_KEPT);
    loop_fill(l);
    cache_flight_end(s, &full, CACHE_KEPT); /* stranded */
    cache_store_free(s);
    loop_free(l); /* runs what was posted: the store is gone by then */
    assert_int_equal(posted.times, 1);
    assert_int_equal(t.times, 0);
}

/* ---- several loops ---- */

enum { LOOPS = 4, CALLS = 3000, AT_ONCE = 8, KEYS = 5 };

struct call {
    struct cache_waiter w;
    struct cache_key key;
    struct world *world;
    bool leads, waits;
    unsigned due; /* turns until it ends, or leaves */
};

struct world {
    struct cache_store *store;
    struct loop *loop;
    uint32_t random;
    unsigned begun, led, told, left;
    struct call calls[AT_ONCE];
};

static atomic_uint leaders[KEYS]; /* at a time: never two */

static uint32_t world_random(struct world *w)
{
    w->random = w->random * 1664525u + 1013904223u;
    return w->random >> 8;
}

static void on_call_told(void *arg, enum cache_flight how)
{
    struct call *c = arg;
    (void)how;
    assert_true(c->waits); /* not after it left, not twice */
    c->waits = false;
    c->world->told++;
}

static void call_begin(struct world *w, struct call *c)
{
    unsigned n = world_random(w) % KEYS;
    *c = (struct call){.world = w, .key = key_of(n), .due = world_random(w) % 6};
    c->w = (struct cache_waiter){.loop = w->loop, .fn = on_call_told, .arg = c};
    c->waits = true; /* another loop may end it before the call returns: told later all the same */
    w->begun++;
    if (cache_join(w->store, &c->key, &c->w) == CACHE_LEADS) {
        c->waits = false;
        c->leads = true;
        w->led++;
        assert_int_equal(atomic_fetch_add(&leaders[n], 1), 0);
    }
}

static void call_step(struct world *w, struct call *c)
{
    if (!c->leads && !c->waits) {
        if (w->begun < CALLS) {
            call_begin(w, c);
        }
    } else if (c->due > 0) {
        c->due--;
    } else if (c->leads) {
        c->leads = false;
        for (unsigned n = 0; n < KEYS; n++) {
            struct cache_key k = key_of(n);
            if (memcmp(k.digest, c->key.digest, CACHE_KEY_BYTES) == 0) {
                (void)atomic_fetch_sub(&leaders[n], 1);
            }
        }
        cache_flight_end(w->store, &c->key, world_random(w) % 2);
    } else if (world_random(w) % 4 == 0) {
        cache_leave(w->store, &c->w);
        c->waits = false;
        memset(&c->w, 0x5a, sizeof(c->w)); /* whoever touches it now is seen */
        w->left++;
    }
}

static void *world_run(void *arg)
{
    struct world *w = arg;
    bool busy = true;
    while (busy) {
        busy = w->begun < CALLS;
        for (unsigned i = 0; i < AT_ONCE; i++) {
            call_step(w, &w->calls[i]);
            busy = busy || w->calls[i].leads || w->calls[i].waits;
        }
        loop_turn(w->loop, 0);
    }
    return NULL;
}

static void test_many_loops(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(1 << 20);
    struct world *w = mem_alloc(LOOPS * sizeof(*w));
    pthread_t t[LOOPS];
    unsigned begun = 0, led = 0, told = 0, left = 0;
    for (unsigned i = 0; i < LOOPS; i++) {
        w[i].store = s;
        w[i].loop = loop_new();
        w[i].random = i + 1;
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, world_run, &w[i]), 0);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        pthread_join(t[i], NULL);
    }
    for (unsigned i = 0; i < LOOPS; i++) {
        loop_free(w[i].loop);
        begun += w[i].begun;
        led += w[i].led;
        told += w[i].told;
        left += w[i].left;
    }
    assert_int_equal(begun, LOOPS * CALLS);
    assert_int_equal(begun, led + told + left); /* each ended in one way */
    assert_true(led > 100 && told > 100 && left > 100);
    assert_int_equal(counts(s).in_flight, 0);
    cache_store_free(s);
    mem_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_leads_the_others_are_told),
        cmocka_unit_test(test_a_leader_that_gives_up),
        cmocka_unit_test(test_who_left_is_not_told),
        cmocka_unit_test(test_a_full_queue_delays_and_loses_nothing),
        cmocka_unit_test(test_the_end_of_the_process),
        cmocka_unit_test(test_many_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

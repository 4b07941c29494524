/* Swapping roots: a request keeps the one it began with, and the last user frees it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "common/base/error.h"
#include "dataplane/snapshot/entities.h"
#include "dataplane/snapshot/root.h"
#include "dataplane/snapshot/swap.h"

static struct snapshot *root_at(uint64_t version)
{
    struct error err = ERROR_INIT;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    struct uuid id = id_of(3, (unsigned)version);
    struct str body =
        key_body((struct key_spec){.n = (unsigned)version, .organization = 1, .workspace = 1});
    assert_true(snapshot_builder_put(b, 3, &id, body, &err));
    release(body);
    return snapshot_builder_finish(b, version, &err);
}

static void count_wake(void *arg)
{
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static void test_hold_and_release(void **state)
{
    (void)state;
    _Atomic unsigned wakes = 0;
    struct swap_hub *hub = swap_hub_new();
    struct swap_reader *r = swap_reader_new(hub, count_wake, &wakes);
    assert_null(swap_acquire(r));
    assert_null(swap_current(hub));
    struct snapshot *one = root_at(1), *two = root_at(2);
    snapshot_ref(one);
    swap_publish(hub, one);
    assert_int_equal(atomic_load(&wakes), 1);
    struct swap_hold *a = swap_acquire(r), *b = swap_acquire(r);
    assert_ptr_equal(a, b);
    assert_int_equal(snapshot_version(swap_root(a)), 1);
    swap_publish(hub, two);
    assert_int_equal(atomic_load(&wakes), 2);
    struct swap_hold *c = swap_acquire(r);
    assert_int_equal(snapshot_version(swap_root(c)), 2);
    assert_int_equal(snapshot_version(swap_root(a)), 1);
    swap_release(r, a);
    assert_int_equal(atomic_load(&one->refs), 2); /* the test's and b's */
    swap_release(r, b);
    assert_int_equal(atomic_load(&one->refs), 1);
    snapshot_unref(one);
    swap_release(r, c);
    struct snapshot *now = swap_current(hub);
    assert_ptr_equal(now, two);
    snapshot_unref(now);
    swap_reader_free(r);
    swap_hub_free(hub);
}

struct shared {
    struct swap_hub *hub;
    _Atomic bool done;
};

static void *reader_thread(void *arg)
{
    struct shared *s = arg;
    struct swap_reader *r = swap_reader_new(s->hub, NULL, NULL);
    struct swap_hold *held[8] = {NULL};
    uint64_t last = 0;
    for (unsigned i = 0; !atomic_load(&s->done) || last < 300; i++) {
        struct swap_hold *h = swap_acquire(r);
        if (!h) {
            (void)sched_yield();
            continue;
        }
        uint8_t secret[32];
        uint64_t v = snapshot_version(swap_root(h));
        secret_of((unsigned)v, secret);
        struct arena *a = arena_new(0);
        bool whole = snapshot_key(swap_root(h), secret, a) != NULL;
        arena_free(a);
        if (v < last || !whole) {
            return arg; /* backwards, or a root that is not whole */
        }
        last = v;
        if (held[i % 8]) {
            swap_release(r, held[i % 8]);
        }
        held[i % 8] = h;
    }
    for (int i = 0; i < 8; i++) {
        if (held[i]) {
            swap_release(r, held[i]);
        }
    }
    swap_reader_free(r);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared s = {.hub = swap_hub_new()};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, reader_thread, &s), 0);
    }
    for (uint64_t v = 1; v <= 300; v++) {
        swap_publish(s.hub, root_at(v));
    }
    atomic_store(&s.done, true);
    for (int i = 0; i < 3; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    swap_hub_free(s.hub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hold_and_release),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

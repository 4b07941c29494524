/* The cache in memory: what is kept, for how long, who makes room, and that the ceiling holds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/cache/store.h"

#define MIB (1024u * 1024u)
#define NOW 1795301611000ull

static struct uuid tenant_of(unsigned n)
{
    struct uuid u = {{0x01, 0x93}};
    memcpy(u.b + 8, &n, sizeof(n));
    return u;
}

static struct cache_key key_of(unsigned tenant, unsigned n)
{
    struct cache_key k = {.tenant = tenant_of(tenant)};
    unsigned both[] = {tenant, n};
    crypto_sha256(both, sizeof(both), k.digest);
    return k;
}

/* Bytes that tell which key they belong to, at every place. */
static char *bytes_of(unsigned tenant, unsigned n, size_t len)
{
    char *p = mem_alloc(len + 1);
    uint32_t x = tenant * 2654435761u + n;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return p;
}

static bool put(struct cache_store *s, unsigned tenant, unsigned n, size_t len, uint64_t ttl_ms)
{
    struct cache_key k = key_of(tenant, n);
    char *p = bytes_of(tenant, n, len);
    size_t head = len < 100 ? len / 2 : 100;
    bool ok = cache_put(s, &k,
                        &(struct cache_entry){.head = {p, head},
                                              .body = {p + head, len - head},
                                              .stored_ms = NOW,
                                              .expires_ms = NOW + ttl_ms},
                        NOW);
    mem_free(p);
    return ok;
}

static bool has_at(struct cache_store *s, unsigned tenant, unsigned n, size_t len, uint64_t wall_ms)
{
    struct cache_key k = key_of(tenant, n);
    struct cache_entry e;
    struct buffer out;
    buffer_init(&out, 16 * MIB);
    assert_true(buffer_append_z(&out, "before"));
    bool found = cache_get(s, &k, wall_ms, &out, &e);
    if (found) {
        char *p = bytes_of(tenant, n, len);
        assert_int_equal(e.head.len + e.body.len, len);
        assert_int_equal(out.len, len + 6);
        assert_memory_equal(out.ptr, "before", 6);
        assert_ptr_equal(e.head.ptr, out.ptr + 6);
        assert_ptr_equal(e.body.ptr, e.head.ptr + e.head.len);
        assert_int_equal(e.head.len, len < 100 ? len / 2 : 100);
        assert_memory_equal(out.ptr + 6, p, len);
        assert_int_equal(e.stored_ms, NOW);
        mem_free(p);
    } else {
        assert_int_equal(out.len, 6);
    }
    buffer_release(&out);
    return found;
}

static bool has(struct cache_store *s, unsigned tenant, unsigned n, size_t len)
{
    return has_at(s, tenant, n, len, NOW);
}

static struct cache_counts counts(struct cache_store *s)
{
    struct cache_counts c;
    cache_counts(s, &c);
    return c;
}

static void test_what_is_put_is_found(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,    1,    2,    99,   100,   500,        900,
                                   1000, 1023, 1024, 1025, 65536, 1000 * 1000};
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    struct cache_store *s = cache_store_new(16 * MIB);
    for (unsigned i = 0; i < N; i++) {
        assert_false(has(s, 1, i, sizes[i]));
        assert_true(put(s, 1, i, sizes[i], 1000));
    }
    for (unsigned i = 0; i < N; i++) {
        assert_true(has(s, 1, i, sizes[i]));
    }
    assert_int_equal(counts(s).entries, N);
    assert_int_equal(counts(s).hits, N);
    assert_int_equal(counts(s).misses, N);
    assert_int_equal(counts(s).stored, N);
    assert_int_equal(counts(s).max_bytes, 16 * MIB);
    cache_store_free(s);
    cache_store_free(NULL);
}

static void test_tenants_with_one_digest_stay_apart(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    struct cache_key a = key_of(1, 1), b = a;
    struct cache_entry e = {
        .head = STR_LIT("h"), .body = STR_LIT("of a"), .expires_ms = NOW + 1000};
    struct buffer out;
    buffer_init(&out, MIB);
    b.tenant = tenant_of(2);
    assert_true(cache_put(s, &a, &e, NOW));
    assert_false(cache_get(s, &b, NOW, &out, &e));
    assert_false(cache_delete(s, &b));
    assert_true(cache_get(s, &a, NOW, &out, &e));
    assert_true(str_eqz(e.body, "of a"));
    buffer_release(&out);
    cache_store_free(s);
}

static void test_entries_end(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    assert_true(put(s, 1, 1, 2000, 1000));
    assert_true(has_at(s, 1, 1, 2000, NOW + 999));
    assert_false(has_at(s, 1, 1, 2000, NOW + 1000));
    assert_false(has(s, 1, 1, 2000)); /* it went when it was met */
    assert_int_equal(counts(s).expired, 1);
    assert_int_equal(counts(s).entries, 0);
    assert_int_equal(counts(s).bytes, 0);
    assert_false(put(s, 1, 2, 10, 0)); /* over already */
    assert_int_equal(counts(s).entries, 0);
    /* nobody keeps longer than ninety days */
    assert_true(put(s, 1, 3, 10, 200ull * 86400 * 1000));
    assert_true(has_at(s, 1, 3, 10, NOW + CACHE_TTL_MAX_S * 1000ull - 1));
    assert_false(has_at(s, 1, 3, 10, NOW + CACHE_TTL_MAX_S * 1000ull));
    cache_store_free(s);
}

static void test_expired_ones_make_room_unasked(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    struct cache_key k;
    for (unsigned i = 0; i < 400; i++) {
        assert_true(put(s, i, 1, 100, 1000));
    }
    for (unsigned i = 0; i < 600; i++) {
        k = key_of(1000, i % 10);
        assert_true(cache_put(s, &k,
                              &(struct cache_entry){.body = STR_LIT("x"), .expires_ms = NOW + 9000},
                              NOW + 2000));
    }
    assert_int_equal(counts(s).entries, 10);
    assert_int_equal(counts(s).expired, 400);
    assert_int_equal(counts(s).evicted, 0);
    cache_store_free(s);
}

static void test_replaced_and_deleted(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    struct cache_key k = key_of(1, 1);
    struct cache_entry e = {.body = STR_LIT("newer"), .expires_ms = NOW + 5}, got;
    struct buffer out;
    buffer_init(&out, MIB);
    assert_true(put(s, 1, 1, 5000, 1000));
    assert_true(cache_put(s, &k, &e, NOW));
    assert_int_equal(counts(s).entries, 1);
    assert_int_equal(counts(s).bytes, 1024);
    assert_true(cache_get(s, &k, NOW, &out, &got));
    assert_true(str_eqz(got.body, "newer"));
    assert_true(cache_delete(s, &k));
    assert_false(cache_delete(s, &k));
    assert_false(cache_get(s, &k, NOW, &out, &got));
    assert_int_equal(counts(s).bytes, 0);
    /* what is refused does not leave its forerunner behind */
    assert_true(cache_put(s, &k, &e, NOW));
    assert_false(put(s, 1, 1, 2 * MIB, 1000));
    assert_int_equal(counts(s).entries, 0);
    buffer_release(&out);
    cache_store_free(s);
}

static void test_too_large_is_refused(void **state)
{
    (void)state;
    struct cache_store *small = cache_store_new(MIB), *large = cache_store_new(64 * MIB);
    assert_true(put(small, 1, 1, 200 * 1024, 1000));
    assert_false(put(small, 1, 2, 260 * 1024, 1000)); /* more than a quarter */
    assert_true(has(small, 1, 1, 200 * 1024));
    assert_true(put(large, 1, 1, 7 * MIB, 1000));
    assert_true(has(large, 1, 1, 7 * MIB));
    assert_false(put(large, 1, 2, CACHE_ENTRY_MAX + 1, 1000));
    cache_store_free(small);
    cache_store_free(large);
}

static void test_a_small_buffer_gets_nothing(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    struct cache_key k = key_of(1, 1);
    struct cache_entry e;
    struct buffer out;
    buffer_init(&out, 1000);
    assert_true(put(s, 1, 1, 5000, 1000));
    assert_false(cache_get(s, &k, NOW, &out, &e));
    assert_int_equal(out.len, 0);
    assert_int_equal(counts(s).hits, 0);
    assert_int_equal(counts(s).misses, 1);
    assert_true(has(s, 1, 1, 5000)); /* and the entry is not held by anything */
    buffer_release(&out);
    cache_store_free(s);
}

static void test_least_recently_used_goes(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    unsigned n = 0;
    while (counts(s).evicted == 0) {
        assert_true(put(s, 1, n++, 10000, 1000));
        assert_true(has(s, 1, 0, 10000)); /* used all the time */
    }
    assert_in_range(n, 80, 105);
    assert_false(has(s, 1, 1, 10000));
    for (unsigned i = 2; i < n; i++) {
        assert_true(has(s, 1, i, 10000));
    }
    assert_true(has(s, 1, 0, 10000));
    cache_store_free(s);
}

static void test_who_uses_most_makes_room(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(put(s, 2, i, 3000, 1000));
    }
    for (unsigned i = 0; i < 2000; i++) {
        assert_true(put(s, 1, i, 3000, 1000)); /* a flood */
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_true(has(s, 2, i, 3000));
    }
    /* the other may grow to its half, at the flood's cost, and then takes from itself */
    for (unsigned i = 20; i < 1000; i++) {
        assert_true(put(s, 2, i, 3000, 1000));
    }
    unsigned first = 0, second = 0;
    for (unsigned i = 0; i < 2000; i++) {
        first += has(s, 1, i, 3000);
        second += has(s, 2, i, 3000);
    }
    assert_in_range(first, second - 2, second + 2);
    assert_true(has(s, 2, 999, 3000));
    assert_false(has(s, 2, 0, 3000));
    cache_store_free(s);
}

static void test_nobody_takes_from_smaller_ones(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB);
    for (unsigned n = 0; n < 47; n++) { /* tenants of twenty blocks: nearly all there is */
        assert_true(put(s, n, 0, 10000, 1000));
        assert_true(put(s, n, 1, 10000, 1000));
    }
    uint64_t entries = counts(s).entries;
    assert_int_equal(counts(s).evicted, 0);
    assert_false(put(s, 5000, 1, 100000, 1000)); /* it would be the largest of all */
    assert_int_equal(counts(s).entries, entries);
    assert_int_equal(counts(s).evicted, 0);
    for (unsigned n = 5000; n < 5010; n++) { /* smaller than the others: they make room */
        assert_true(put(s, n, 1, 9000, 1000));
    }
    for (unsigned n = 5000; n < 5010; n++) {
        assert_true(has(s, n, 1, 9000));
    }
    assert_in_range(counts(s).evicted, 5, 10);
    cache_store_free(s);
}

static void test_purge(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(128 * MIB); /* four shards */
    struct uuid one = tenant_of(1), nobody = tenant_of(9), all = {{0}};
    for (unsigned i = 0; i < 700; i++) {
        assert_true(put(s, 1, i, 50, 1000));
        assert_true(put(s, 2, i, 50, 1000));
    }
    assert_int_equal(cache_purge(s, &nobody), 0);
    assert_int_equal(cache_purge(s, &one), 700);
    assert_int_equal(cache_purge(s, &one), 0);
    for (unsigned i = 0; i < 700; i++) {
        assert_false(has(s, 1, i, 50));
        assert_true(has(s, 2, i, 50));
    }
    assert_int_equal(cache_purge(s, &all), 700);
    assert_int_equal(counts(s).entries, 0);
    assert_int_equal(counts(s).bytes, 0);
    assert_true(put(s, 1, 1, 50, 1000));
    assert_true(has(s, 1, 1, 50));
    cache_store_free(s);
}

/* Against a plain model: what the store has is what was put last, and its blocks add up. */
static void test_at_random_nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    struct cache_store *s = cache_store_new(MIB);
    size_t len[KEYS] = {0};
    uint32_t x = 4711;
    for (unsigned i = 0; i < 30000; i++) {
        x = x * 1664525u + 1013904223u;
        unsigned k = (x >> 8) % KEYS, what = x >> 28;
        if (what < 9) {
            size_t n = (x >> 4) % ((x >> 20) % 9 == 0 ? 60000 : 3000);
            len[k] = n;
            (void)put(s, k % 7, k, n, 1000);
        } else if (what == 9) {
            struct cache_key key = key_of(k % 7, k);
            (void)cache_delete(s, &key);
            assert_false(has(s, k % 7, k, len[k]));
        } else {
            (void)has(s, k % 7, k, len[k]); /* compares the bytes */
        }
    }
    uint64_t blocks = 0, entries = 0;
    for (unsigned k = 0; k < KEYS; k++) {
        if (has(s, k % 7, k, len[k])) {
            entries++;
            blocks += (len[k] + 200) / 1024; /* at least */
        }
    }
    struct cache_counts c = counts(s);
    assert_int_equal(c.entries, entries);
    assert_true(c.bytes / 1024 >= blocks && c.bytes / 1024 <= blocks + entries);
    assert_true(c.bytes <= c.max_bytes);
    assert_true(c.evicted > 100);
    cache_store_free(s);
}

static atomic_uint found;

static void *use(void *arg)
{
    struct cache_store *s = arg;
    uint32_t x = (uint32_t)(uintptr_t)&x;
    for (unsigned i = 0; i < 3000; i++) {
        x = x * 1664525u + 1013904223u;
        unsigned k = (x >> 16) % 60;
        if (has(s, k % 5, k, 100 + k * 700)) {
            atomic_fetch_add(&found, 1);
        } else {
            (void)put(s, k % 5, k, 100 + k * 700, 1000);
        }
        if (x >> 26 == 0) {
            struct uuid t = tenant_of(k % 5);
            (void)cache_purge(s, &t);
        }
    }
    return NULL;
}

static void test_threads_read_what_others_replace(void **state)
{
    (void)state;
    struct cache_store *s = cache_store_new(MIB); /* one shard, and not room for all */
    pthread_t t[4];
    struct uuid all = {{0}};
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&t[i], NULL, use, s), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
    }
    assert_true(atomic_load(&found) > 100);
    (void)cache_purge(s, &all);
    assert_int_equal(counts(s).bytes, 0); /* every block came back */
    assert_int_equal(counts(s).entries, 0);
    cache_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_put_is_found),
        cmocka_unit_test(test_tenants_with_one_digest_stay_apart),
        cmocka_unit_test(test_entries_end),
        cmocka_unit_test(test_expired_ones_make_room_unasked),
        cmocka_unit_test(test_replaced_and_deleted),
        cmocka_unit_test(test_too_large_is_refused),
        cmocka_unit_test(test_a_small_buffer_gets_nothing),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_who_uses_most_makes_room),
        cmocka_unit_test(test_nobody_takes_from_smaller_ones),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_at_random_nothing_is_lost_or_doubled),
        cmocka_unit_test(test_threads_read_what_others_replace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Promises of common/base/map.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/map.h"

#define N 5000

static char keys[N][16];

static struct str key(size_t i)
{
    (void)snprintf(keys[i], sizeof(keys[i]), "key-%zu", i);
    return str_of(keys[i]);
}

static void puts_gets_and_replaces(void **state)
{
    (void)state;
    struct map *m = map_new();
    int one = 1, two = 2;
    assert_null(map_get(m, STR_LIT("a")));
    assert_null(map_put(m, STR_LIT("a"), &one));
    assert_ptr_equal(map_put(m, STR_LIT("a"), &two), &one);
    assert_ptr_equal(map_get(m, STR_LIT("a")), &two);
    assert_int_equal(map_count(m), 1);
    assert_null(map_put(m, STR_NONE, &one)); /* the empty key is a key */
    assert_ptr_equal(map_get(m, STR_LIT("")), &one);
    assert_ptr_equal(map_remove(m, STR_LIT("a")), &two);
    assert_null(map_remove(m, STR_LIT("a")));
    map_free(m);
    map_free(NULL);
}

/* Removal shifts runs back; after any mixture every key that should be there is, and no other. */
static void survives_growth_and_removal(void **state)
{
    (void)state;
    struct map *m = map_new();
    for (size_t i = 0; i < N; i++) {
        assert_null(map_put(m, key(i), keys[i]));
    }
    for (size_t i = 0; i < N; i += 3) {
        assert_ptr_equal(map_remove(m, key(i)), keys[i]);
    }
    for (size_t i = 0; i < N; i++) {
        assert_ptr_equal(map_get(m, key(i)), i % 3 == 0 ? NULL : keys[i]);
    }
    for (size_t i = 0; i < N; i += 3) {
        assert_null(map_put(m, key(i), keys[i]));
    }
    assert_int_equal(map_count(m), N);
    for (size_t i = 0; i < N; i++) {
        assert_ptr_equal(map_get(m, key(i)), keys[i]);
    }
    map_free(m);
}

static void walks_each_entry_once(void **state)
{
    (void)state;
    static unsigned char seen[N];
    struct map *m = map_new();
    size_t pos = 0, n = 0;
    struct str k;
    void *v;
    assert_false(map_next(m, &pos, &k, &v));
    for (size_t i = 0; i < N; i++) {
        map_put(m, key(i), keys[i]);
    }
    for (pos = 0; map_next(m, &pos, &k, &v); n++) {
        size_t i = (size_t)((char(*)[16])v - keys);
        assert_true(str_eqz(k, keys[i]));
        assert_int_equal(seen[i]++, 0);
    }
    assert_int_equal(n, N);
    map_free(m);
}

static void hash_depends_on_every_byte(void **state)
{
    (void)state;
    unsigned char text[40] = {0};
    for (size_t n = 0; n <= sizeof(text); n++) {
        uint64_t plain = map_hash(text, n);
        assert_true(plain == map_hash(text, n));
        for (size_t i = 0; i < n; i++) {
            text[i] ^= 1;
            assert_true(map_hash(text, n) != plain);
            text[i] ^= 1;
        }
        if (n < sizeof(text)) {
            assert_true(map_hash(text, n + 1) != plain);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_gets_and_replaces),
        cmocka_unit_test(survives_growth_and_removal),
        cmocka_unit_test(walks_each_entry_once),
        cmocka_unit_test(hash_depends_on_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

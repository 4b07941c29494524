/* What header fields say about caching, family by family, and who wins. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/cache/key.h"

/* "name: value" lines. */
static bool read_wish(const char *text, struct cache_wish *w, struct error *err)
{
    struct header h[16];
    size_t n = 0;
    struct str rest = str_of(text), line;
    while (rest.len) {
        if (!str_cut(rest, '\n', &line, &rest)) {
            line = rest;
            rest = STR_LIT("");
        }
        assert_true(str_cut(line, ':', &h[n].name, &h[n].value));
        h[n].value = str_trim(h[n].value);
        n++;
    }
    return cache_wish_read(h, n, w, err);
}

static struct cache_wish wish(const char *text)
{
    struct cache_wish w;
    struct error err = ERROR_INIT;
    if (!read_wish(text, &w, &err)) {
        fail_msg("%s: %s", text, err.text);
    }
    return w;
}

/* The mode in letters: n(on) f(off) r(refresh) o(only) k(no_keep). */
static void check_mode(const char *text, const char *want)
{
    struct cache_wish w = wish(text);
    char got[8];
    size_t n = 0;
    const bool set[] = {w.on, w.off, w.refresh, w.only, w.no_keep};
    for (size_t i = 0; i < 5; i++) {
        if (set[i]) {
            got[n++] = "nfrok"[i];
        }
    }
    got[n] = '\0';
    if (strcmp(got, want) != 0) {
        fail_msg("%s: '%s', not '%s'", text, got, want);
    }
}

static void check_bad(const char *text, enum error_code code, const char *param)
{
    struct cache_wish w = {.ttl_s = 4711};
    struct error err = ERROR_INIT;
    if (read_wish(text, &w, &err)) {
        fail_msg("%s was taken", text);
    }
    assert_int_equal(err.code, code);
    assert_string_equal(err.param, param);
    assert_int_equal(w.ttl_s, 4711);
}

static void test_nothing_said(void **state)
{
    (void)state;
    struct cache_wish none = {0}, w = wish("content-type: application/json\nx-weir-other: off");
    assert_memory_equal(&w, &none, sizeof(w));
    w = wish("");
    assert_memory_equal(&w, &none, sizeof(w));
}

static void test_weirs_own(void **state)
{
    (void)state;
    check_mode("x-weir-cache: on", "n");
    check_mode("X-Weir-Cache: OFF", "f");
    check_mode("x-weir-cache: refresh", "nr");
    check_mode("x-weir-cache: only", "no");
    check_mode("x-weir-cache:", "");
    check_mode("x-weir-cache-ttl: 60", "n");
    check_mode("x-weir-cache-key: k", "n");
    check_mode("x-weir-cache-namespace: k", "");
    check_mode("x-weir-cache-ttl: 60\nx-weir-cache: off", "f");
    struct cache_wish w = wish("x-weir-cache-ttl: 60\nx-weir-cache-key:  my key \n"
                               "x-weir-cache-namespace: ns");
    assert_true(w.has_ttl && w.ttl_s == 60);
    assert_true(str_eqz(w.key, "my key"));
    assert_true(str_eqz(w.name_space, "ns"));
    assert_false(w.said_portkey || w.said_cloudflare);
    w = wish("x-weir-cache-key:");
    assert_null(w.key.ptr);
    check_bad("x-weir-cache: maybe", ERR_INVALID_FIELD, "x-weir-cache");
    check_bad("x-weir-cache-ttl: 1h", ERR_INVALID_FIELD, "x-weir-cache-ttl");
    check_bad("x-weir-cache-ttl: -1", ERR_INVALID_FIELD, "x-weir-cache-ttl");
}

static void test_times_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(wish("x-weir-cache-ttl: 0").ttl_s, 1);
    assert_int_equal(wish("x-weir-cache-ttl: 1").ttl_s, 1);
    assert_int_equal(wish("x-weir-cache-ttl: 7776000").ttl_s, 7776000);
    assert_int_equal(wish("x-weir-cache-ttl: 7776001").ttl_s, 7776000);
    assert_int_equal(wish("x-weir-cache-ttl: 99999999999999999999999").ttl_s, 7776000);
    assert_int_equal(wish("cf-aig-cache-ttl: 99999999").ttl_s, 7776000);
}

static void test_long_texts_are_refused(void **state)
{
    (void)state;
    char text[1200] = "x-weir-cache-key: ";
    size_t n = strlen(text);
    memset(text + n, 'k', 1024);
    assert_int_equal(wish(text).key.len, 1024);
    text[n + 1024] = 'k';
    check_bad(text, ERR_INVALID_FIELD, "x-weir-cache-key");
}

static void test_cache_control(void **state)
{
    (void)state;
    check_mode("cache-control: no-cache", "r");
    check_mode("Cache-Control: No-Store", "fk");
    check_mode("cache-control: only-if-cached", "o");
    check_mode("cache-control: no-cache, only-if-cached", "ro");
    check_mode("cache-control: no-transform, max-stale, , no-cache=\"x\"", "r");
    check_mode("cache-control: private", "");
    check_mode("cache-control: max-age=5\ncache-control: no-cache", "r");
    struct cache_wish w = wish("cache-control: max-age=30");
    assert_true(w.has_max_age && w.max_age_s == 30 && !w.has_ttl && !w.on);
    w = wish("cache-control: MAX-AGE = \"0\"");
    assert_true(w.has_max_age && w.max_age_s == 0);
    w = wish("cache-control: max-age=90, max-age=7");
    assert_int_equal(w.max_age_s, 7); /* the stricter */
    w = wish("cache-control: max-age=soon, max-age=, max-age");
    assert_false(w.has_max_age);
}

static void test_portkeys(void **state)
{
    (void)state;
    check_mode("x-portkey-cache: simple", "n");
    check_mode("x-portkey-cache: simple\nx-portkey-cache-force-refresh: true", "nr");
    check_mode("x-portkey-cache-force-refresh: True", "r");
    check_mode("x-portkey-cache-force-refresh: false", "");
    check_mode("x-portkey-debug: false\nx-portkey-cache: simple", "f");
    check_mode("x-portkey-debug: true", "");
    struct cache_wish w = wish("x-portkey-cache: simple\ncache-control: max-age=3600\n"
                               "x-portkey-cache-namespace: user-1");
    assert_true(w.has_ttl && w.ttl_s == 3600 && !w.has_max_age); /* how long it is kept */
    assert_true(str_eqz(w.name_space, "user-1"));
    assert_true(w.said_portkey && !w.said_cloudflare);
    w = wish("x-portkey-cache-force-refresh: false\ncache-control: max-age=3600");
    assert_true(!w.has_ttl && w.has_max_age); /* without its cache the standard's meaning */
    assert_true(wish("x-portkey-config: cfg").said_portkey);
    check_bad("x-portkey-cache: semantic", ERR_NOT_IMPLEMENTED, "x-portkey-cache");
    check_bad("x-portkey-cache: yes", ERR_INVALID_FIELD, "x-portkey-cache");
    check_bad("x-portkey-cache-force-refresh: 1", ERR_INVALID_FIELD,
              "x-portkey-cache-force-refresh");
}

static void test_cloudflares(void **state)
{
    (void)state;
    check_mode("cf-aig-skip-cache: true", "f");
    check_mode("cf-aig-skip-cache: false", "");
    check_mode("cf-skip-cache: true", "f");
    check_mode("cf-aig-cache-ttl: 60", "n");
    check_mode("cf-aig-cache-ttl: 0", "f");
    check_mode("cf-cache-ttl: 0", "f");
    check_mode("cf-aig-cache-key: k", "n");
    struct cache_wish w = wish("cf-cache-ttl: 70\ncf-aig-cache-ttl: 60\ncf-aig-cache-key: k");
    assert_true(w.has_ttl && w.ttl_s == 60);
    assert_true(str_eqz(w.key, "k"));
    assert_int_equal(w.else_ttl_s, 300);
    assert_true(w.said_cloudflare && !w.said_portkey);
    assert_int_equal(wish("cf-cache-ttl: 70").ttl_s, 70);
    assert_true(wish("cf-skip-cache: false").said_cloudflare);
    assert_true(wish("cf-aig-authorization: x").said_cloudflare);
    assert_false(wish("cf-ray: x").said_cloudflare);
    check_bad("cf-aig-skip-cache: 1", ERR_INVALID_FIELD, "cf-aig-skip-cache");
    check_bad("cf-aig-cache-ttl: x", ERR_INVALID_FIELD, "cf-aig-cache-ttl");
}

static void test_weirs_own_win(void **state)
{
    (void)state;
    check_mode("cache-control: no-store\nx-weir-cache: on", "n");
    check_mode("cache-control: no-cache\nx-portkey-cache: simple\nx-weir-cache: off", "f");
    check_mode("cf-aig-skip-cache: true\nx-weir-cache: refresh", "nr");
    check_mode("x-weir-cache: on\nx-weir-cache: off", "n"); /* the first of two */
    /* a ttl, a key or a namespace says nothing against another's mode */
    check_mode("cache-control: no-store\nx-weir-cache-ttl: 5", "fk");
    struct cache_wish w = wish("cf-aig-cache-ttl: 60\nx-portkey-cache: simple\n"
                               "cache-control: max-age=70\nx-weir-cache-ttl: 80\n"
                               "cf-aig-cache-key: c\nx-weir-cache-key: w\n"
                               "x-portkey-cache-namespace: p\nx-weir-cache-namespace: n");
    assert_int_equal(w.ttl_s, 80);
    assert_true(str_eqz(w.key, "w"));
    assert_true(str_eqz(w.name_space, "n"));
    assert_true(w.said_portkey && w.said_cloudflare);
    w = wish("x-portkey-cache: simple\ncache-control: max-age=70\ncf-aig-cache-ttl: 60");
    assert_int_equal(w.ttl_s, 60);
    w = wish("x-weir-cache: on\ncache-control: max-age=70");
    assert_true(w.has_max_age && !w.has_ttl);
    check_mode("cf-aig-skip-cache: true\nx-portkey-cache: simple\ncache-control: no-cache", "f");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_said),      cmocka_unit_test(test_weirs_own),
        cmocka_unit_test(test_times_are_bounded), cmocka_unit_test(test_long_texts_are_refused),
        cmocka_unit_test(test_cache_control),     cmocka_unit_test(test_portkeys),
        cmocka_unit_test(test_cloudflares),       cmocka_unit_test(test_weirs_own_win),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

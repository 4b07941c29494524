/* stages/path.c and stages/headers.c: what a client may not smuggle to a provider. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/stages/headers.h"
#include "dataplane/stages/path.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void names_are_decoded(void **state)
{
    (void)state;
    struct str out;
    assert_true(path_decode(arena, STR_LIT("gpt%2d4o%2Fx"), &out));
    assert_true(str_eqz(out, "gpt-4o/x"));
    static const char *const broken[] = {"%", "%4", "%zz", "a%0d", "a%00b", "%7f"};
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_false(path_decode(arena, str_of(broken[i]), &out));
    }
}

static void no_way_out_of_the_base_path(void **state)
{
    (void)state;
    static const char *const bad[] = {"/..",       "/../admin", "/a/../b",      "/%2e%2e/x",
                                      "/.%2E",     "/a/%2e",    "/..%2fadmin",  "/..%5cx",
                                      "/a\\..\\b", "/./x",      "/x%0d%0aHost", "/x%00"};
    static const char *const good[] = {"",     "/",      "/chat/completions", "/files/a..b",
                                       "/...", "/a%20b", "/x:generate"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(path_is_plain(arena, str_of(bad[i])));
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(path_is_plain(arena, str_of(good[i])));
    }
}

static void query_keys_are_found_and_taken_out(void **state)
{
    (void)state;
    struct str out;
    assert_true(str_eqz(query_value(STR_LIT("a=1&key=wr_x&b=2"), "key"), "wr_x"));
    assert_null(query_value(STR_LIT("akey=1&b"), "key").ptr);
    assert_null(query_value(STR_NONE, "key").ptr);
    assert_true(query_without(arena, STR_LIT("a=1&key=wr_x&b=2&key=y&key"), "key", &out));
    assert_true(str_eqz(out, "a=1&b=2"));
    assert_true(query_without(arena, STR_LIT("key=wr_x"), "key", &out));
    assert_null(out.ptr);
}

static void headers_that_stay(void **state)
{
    (void)state;
    static const char *const stay[] = {"Authorization",
                                       "COOKIE",
                                       "x-weir-key",
                                       "X-Portkey-Api-Key",
                                       "cf-aig-authorization",
                                       "X-Forwarded-For",
                                       "forwarded",
                                       "Host",
                                       "content-length",
                                       "Transfer-Encoding",
                                       "Connection",
                                       "x-api-key",
                                       "Proxy-Authorization",
                                       "te",
                                       "accept-encoding",
                                       "X-Real-IP"};
    static const char *const pass[] = {
        "user-agent", "traceparent",      "OpenAI-Organization", "openai-beta", "Idempotency-Key",
        "accept",     "x-stainless-lang", "content-type",        "x",           "x-custom",
        "tea"};
    for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++) {
        assert_false(header_goes_up(str_of(stay[i])));
    }
    for (size_t i = 0; i < sizeof(pass) / sizeof(pass[0]); i++) {
        assert_true(header_goes_up(str_of(pass[i])));
    }
    assert_false(header_comes_down(STR_LIT("Set-Cookie")));
    assert_false(header_comes_down(STR_LIT("x-weir-provider")));
    assert_false(header_comes_down(STR_LIT("Content-Length")));
    assert_true(header_comes_down(STR_LIT("content-type")));
    assert_true(header_comes_down(STR_LIT("x-ratelimit-remaining-tokens")));
    assert_true(header_comes_down(STR_LIT("content-encoding")));
}

static void connection_names_fields(void **state)
{
    (void)state;
    struct header list[] = {{STR_LIT("Connection"), STR_LIT("keep-alive, X-Hop")},
                            {STR_LIT("X-Hop"), STR_LIT("1")}};
    assert_true(header_is_named_by_connection(list, 2, STR_LIT("x-hop")));
    assert_false(header_is_named_by_connection(list, 2, STR_LIT("x-other")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_way_out_of_the_base_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(query_keys_are_found_and_taken_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(headers_that_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connection_names_fields, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

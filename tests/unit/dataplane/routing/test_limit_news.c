/* routing/limit_news.c and limit_news_value.c: the header fields of each family of providers, and
 * what nobody would send in good faith. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/net/exchange.h"
#include "dataplane/routing/limit_news_value.h"
#include "dataplane/routing/target_state.h"

/* 2026-11-22T10:00:00Z */
#define WALL_S INT64_C(1795341600)

#define MAX_FIELDS 32

/* "name: value" texts, the last one NULL */
static bool read_news(const char *const *fields, struct limit_news *ret)
{
    struct header headers[MAX_FIELDS];
    size_t n = 0;
    for (; fields[n]; n++) {
        struct str name = STR_NONE, value = STR_NONE;
        assert_true(n < MAX_FIELDS && str_cut(str_of(fields[n]), ':', &name, &value));
        headers[n] = (struct header){name, str_trim(value)};
    }
    memset(ret, 0xa5, sizeof(*ret));
    return limit_news_read(headers, n, WALL_S, ret);
}

#define READ(news, ...) read_news((const char *const[]){__VA_ARGS__, NULL}, news)

static void assert_requests(const struct limit_news *n, uint64_t left, uint64_t reset_ms)
{
    assert_true(n->has_requests);
    assert_true(n->requests_left == left);
    assert_true(n->requests_reset_ms == reset_ms);
}

static void assert_tokens(const struct limit_news *n, uint64_t left, uint64_t reset_ms)
{
    assert_true(n->has_tokens);
    assert_true(n->tokens_left == left);
    assert_true(n->tokens_reset_ms == reset_ms);
}

/* ---- families ---- */

static void openai(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "Content-Type: application/json", "x-ratelimit-limit-requests: 5000",
                     "X-RateLimit-Remaining-Requests: 4999", "x-ratelimit-reset-requests: 12ms",
                     "x-ratelimit-limit-tokens: 800000", "x-ratelimit-remaining-tokens: 799975",
                     "x-ratelimit-reset-tokens: 6m0s"));
    assert_requests(&n, 4999, 12);
    assert_tokens(&n, 799975, 360000);
    assert_false(n.has_retry_after);
}

static void openai_project_limits_bind_too(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "x-ratelimit-remaining-tokens: 900", "x-ratelimit-reset-tokens: 1s",
                     "x-ratelimit-remaining-project-tokens: 100",
                     "x-ratelimit-reset-project-tokens: 2s"));
    assert_tokens(&n, 100, 2000);
    assert_false(n.has_requests);
}

static void anthropic(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(
        &n, "anthropic-ratelimit-requests-limit: 50", "anthropic-ratelimit-requests-remaining: 49",
        "anthropic-ratelimit-requests-reset: 2026-11-22T10:00:01Z",
        "anthropic-ratelimit-tokens-limit: 60000", "anthropic-ratelimit-tokens-remaining: 58000",
        "anthropic-ratelimit-tokens-reset: 2026-11-22T10:00:30.500Z",
        "anthropic-ratelimit-input-tokens-remaining: 50000",
        "anthropic-ratelimit-input-tokens-reset: 2026-11-22T10:00:20+00:00",
        "anthropic-ratelimit-output-tokens-remaining: 8000",
        "anthropic-ratelimit-output-tokens-reset: 2026-11-22T10:00:10Z"));
    assert_requests(&n, 49, 1000);
    assert_tokens(&n, 50000, 20000); /* output is not asked for when a request is sent … */
    assert_true(READ(&n, "anthropic-ratelimit-tokens-remaining: 58000",
                     "anthropic-ratelimit-output-tokens-remaining: 0",
                     "anthropic-ratelimit-output-tokens-reset: 2026-11-22T10:00:10Z"));
    assert_tokens(&n, 0, 10000); /* … but without any there is no answer */
}

static void anthropic_unified_and_priority_fields_are_not_mistaken(void **state)
{
    (void)state;
    struct limit_news n;
    assert_false(READ(&n, "anthropic-ratelimit-unified-status: allowed",
                      "anthropic-ratelimit-unified-5h-reset: 1795341700",
                      "anthropic-priority-input-tokens-remaining: 0",
                      "anthropic-ratelimit-requests-limit: 50", "anthropic-version: 2023-06-01"));
}

static void azure(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 7",
                     "x-ratelimit-remaining-tokens: 1200", "retry-after: 8",
                     "x-ms-retry-after-ms: 7400", "retry-after-ms: 7321"));
    assert_requests(&n, 0, 7000);
    assert_tokens(&n, 1200, 0);
    assert_true(n.has_retry_after);
    assert_int_equal(n.retry_after_ms, 7321);
    assert_true(READ(&n, "x-ms-retry-after-ms: 7400", "retry-after: 8"));
    assert_int_equal(n.retry_after_ms, 7400);
    assert_false(n.has_requests || n.has_tokens);
}

static void groq(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "retry-after: 2", "x-ratelimit-limit-requests: 14400",
                     "x-ratelimit-remaining-requests: 14370",
                     "x-ratelimit-reset-requests: 2m59.56s", "x-ratelimit-remaining-tokens: 17997",
                     "x-ratelimit-reset-tokens: 7.66s"));
    assert_requests(&n, 14370, 179560);
    assert_tokens(&n, 17997, 7660);
    assert_int_equal(n.retry_after_ms, 2000);
}

static void limits_of_several_periods_tell_the_tightest(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(
        &n, "x-ratelimit-remaining-requests-day: 14000",
        "x-ratelimit-reset-requests-day: 33011.382867", "x-ratelimit-remaining-tokens-minute: 60",
        "x-ratelimit-reset-tokens-minute: 11.38", "x-ratelimit-remaining-tokens-day: 50",
        "x-ratelimit-reset-tokens-day: 40000", "x-ratelimit-remaining-req-minute: 29"));
    assert_requests(&n, 29, 0);
    assert_tokens(&n, 50, 40000000);
}

static void plain_and_other_names(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "x-ratelimit-limit: 20", "x-ratelimit-remaining: 19",
                     "x-ratelimit-reset: 1795341630000", "x-tokenlimit-remaining: 4000"));
    assert_requests(&n, 19, 30000); /* a Unix time in milliseconds */
    assert_tokens(&n, 4000, 0);
    assert_true(READ(&n, "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1795341603"));
    assert_requests(&n, 0, 3000); /* in seconds */
}

static void draft_of_the_ietf(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "RateLimit-Limit: 100, 100;w=60", "RateLimit-Remaining: 50",
                     "RateLimit-Reset: 30", "RateLimit-Policy: 100;w=60"));
    assert_requests(&n, 50, 30000);
    assert_true(READ(&n, "ratelimit: limit=100, remaining=49, reset=5"));
    assert_requests(&n, 49, 5000);
    assert_true(READ(&n, "RateLimit: \"burst;,\";r=48;t=4, \"daily\";r=1000;t=36000"));
    assert_requests(&n, 48, 4000);
    assert_false(n.has_tokens);
    assert_true(READ(&n, "ratelimit: \"requests\";r=7;t=4, \"input-tokens\";r=900;t=6"));
    assert_requests(&n, 7, 4000);
    assert_tokens(&n, 900, 6000);
    assert_true(READ(&n, "ratelimit: \"default\";r=3"));
    assert_requests(&n, 3, 0);
    assert_false(READ(&n, "ratelimit: \"default\"", "ratelimit-policy: \"default\";q=100;w=60"));
}

static void retry_after_in_all_its_forms(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        uint64_t ms;
    } cases[] = {{"Retry-After: 20", 20000},
                 {"retry-after: 0", 0},
                 {"retry-after: 1.5", 1500},
                 {"retry-after: Sun, 22 Nov 2026 10:01:00 GMT", 60000},
                 {"retry-after: Sunday, 22-Nov-26 10:01:00 GMT", 60000},
                 {"retry-after: Sun Nov 22 10:01:00 2026", 60000},
                 {"retry-after: Sun Nov  1 10:01:00 2026", 0},
                 {"retry-after: Sun, 06 Nov 1994 08:49:37 GMT", 0},
                 {"retry-after: -3", 0},
                 {"retry-after-ms: 250", 250},
                 {"retry-after-ms: 250.7", 250}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct limit_news n;
        assert_true(READ(&n, cases[i].field));
        assert_true(n.has_retry_after);
        assert_int_equal(n.retry_after_ms, cases[i].ms);
        assert_false(n.has_requests || n.has_tokens);
    }
}

/* ---- what does not count ---- */

static void nothing_of_the_kind_leaves_the_result_alone(void **state)
{
    (void)state;
    struct limit_news n, before;
    memset(&before, 0xa5, sizeof(before));
    assert_false(READ(&n, "content-type: text/event-stream", "x-request-id: req_1",
                      "x-ratelimit-: 5", "x-ratelimit-remaining-images: 5",
                      "x-ratelimit-limit-requests: 100", "x-ratelimit-reset-requests: 1s",
                      "x-ratelimit-used: 3", "retry-after: soon", "retry-after-: 1",
                      "ratelimit: ", "x-ratelimit-remaining-limit-requests: 4"));
    assert_memory_equal(&n, &before, sizeof(n));
    assert_false(limit_news_read(NULL, 0, WALL_S, &n));
}

static void unreadable_values_are_passed_over(void **state)
{
    (void)state;
    static const char *const values[] = {"", "-1", "many", "0x10", "+5", ".", "1e3", "\xff\xfe"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct limit_news n;
        struct header h = {STR_LIT("x-ratelimit-remaining-requests"), str_of(values[i])};
        assert_false(limit_news_read(&h, 1, WALL_S, &n));
    }
    struct limit_news n;
    assert_true(READ(&n, "x-ratelimit-remaining-requests: 5", "x-ratelimit-reset-requests: never",
                     "x-ratelimit-remaining-tokens: many"));
    assert_requests(&n, 5, 0);
    assert_false(n.has_tokens);
}

static void huge_values_are_cut(void **state)
{
    (void)state;
    struct limit_news n;
    assert_true(READ(&n, "x-ratelimit-remaining-requests: 99999999999999999999999999",
                     "x-ratelimit-reset-requests: 99999999999999999999999999d",
                     "x-ratelimit-remaining-tokens: 18446744073709551615",
                     "x-ratelimit-reset-tokens: 9999-12-31T23:59:59Z",
                     "retry-after: 99999999999999999999999999"));
    assert_requests(&n, INT64_MAX, LIMIT_NEWS_MAX_MS);
    assert_tokens(&n, INT64_MAX, LIMIT_NEWS_MAX_MS);
    assert_true(n.retry_after_ms == LIMIT_NEWS_MAX_MS);
}

static void more_limits_than_there_is_room_for(void **state)
{
    (void)state;
    char text[4096];
    size_t len = 0;
    for (unsigned i = 0; i < 200; i++) {
        memcpy(text + len, "p;r=5,", 6);
        len += 6;
    }
    struct limit_news n;
    struct header h = {STR_LIT("ratelimit"), {text, len}};
    assert_true(limit_news_read(&h, 1, WALL_S, &n));
    assert_requests(&n, 5, 0);
}

/* ---- values ---- */

static void times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"1s", 1000},
                {"6m0s", 360000},
                {"120ms", 120},
                {"1h2m3.5s", 3723500},
                {"1d", 86400000},
                {"500us", 1},
                {"500\xc2\xb5s", 1},
                {"0s", 0},
                {".5s", 500},
                {"8.64s", 8640},
                {"1M", 60000},
                {" 12 ", 12000},
                {"0.0015", 1},
                {"2026-11-22T10:00:00.250Z", 250},
                {"2026-11-22T11:00:02+01:00", 2000},
                {"2026-11-22T09:59:59Z", 0},
                {"999999999", LIMIT_NEWS_MAX_MS},
                {"1795341601.5", 1500},
                {"1795341600250", 250},
                {"1000000000", 0}};
    static const char *const bad[] = {"",
                                      "s",
                                      "1x",
                                      "1s2",
                                      "-1s",
                                      "1 s",
                                      "--1",
                                      "1..5",
                                      "Sun, 32 Nov 2026 10:01:00 GMT",
                                      "Sun, 22 Foo 2026 10:01:00 GMT",
                                      "22 Nov 2026",
                                      "Nov Nov 10:01:00 GMT",
                                      "Sun, 22 Nov 2026 25:01:00 GMT",
                                      "1 2 3 Nov 10:01:00"};
    uint64_t ms;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(limit_time_read(str_of(good[i].text), WALL_S, &ms));
        if (ms != good[i].ms) {
            fail_msg("%s: %llu", good[i].text, (unsigned long long)ms);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (limit_time_read(str_of(bad[i]), WALL_S, &ms)) {
            fail_msg("%s was read as %llu", bad[i], (unsigned long long)ms);
        }
    }
}

static void a_clock_out_of_reason_makes_no_nonsense(void **state)
{
    (void)state;
    uint64_t ms;
    assert_true(limit_time_read(STR_LIT("2026-11-22T10:00:00Z"), INT64_MAX, &ms));
    assert_int_equal(ms, 0);
    assert_true(limit_time_read(STR_LIT("2026-11-22T10:00:00Z"), INT64_MIN, &ms));
    assert_true(ms == LIMIT_NEWS_MAX_MS);
    assert_true(limit_time_read(STR_LIT("9223372036854775807"), WALL_S, &ms));
    assert_true(ms == LIMIT_NEWS_MAX_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openai),
        cmocka_unit_test(openai_project_limits_bind_too),
        cmocka_unit_test(anthropic),
        cmocka_unit_test(anthropic_unified_and_priority_fields_are_not_mistaken),
        cmocka_unit_test(azure),
        cmocka_unit_test(groq),
        cmocka_unit_test(limits_of_several_periods_tell_the_tightest),
        cmocka_unit_test(plain_and_other_names),
        cmocka_unit_test(draft_of_the_ietf),
        cmocka_unit_test(retry_after_in_all_its_forms),
        cmocka_unit_test(nothing_of_the_kind_leaves_the_result_alone),
        cmocka_unit_test(unreadable_values_are_passed_over),
        cmocka_unit_test(huge_values_are_cut),
        cmocka_unit_test(more_limits_than_there_is_room_for),
        cmocka_unit_test(times),
        cmocka_unit_test(a_clock_out_of_reason_makes_no_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* signers/token_cache.c: when tokens are bought, served, and given up; time and network are the
 * test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/signers/token_cache.h"

#define P STR_LIT("prov_1")
#define CRED STR_LIT("secret")

static uint64_t now_ms;
static struct token_cache *cache;
static struct token_fetch *fetch; /* the one under way */
static int started, cancelled;
static char answer_now[64]; /* answered before start returns */

static uint64_t clock_ns(void)
{
    return now_ms * 1000000;
}

static bool build(struct str credential, uint64_t now_s, struct arena *a, struct token_call *ret,
                  struct error *err)
{
    if (str_eqz(credential, "bad")) {
        return error_set(err, ERR_INVALID_FIELD, "no use");
    }
    *ret = (struct token_call){STR_LIT("https://t/"), STR_LIT("x"),
                               arena_printf(a, "at %llu", (unsigned long long)now_s)};
    return true;
}

/* "TOKEN SECONDS" */
static bool parse(int status, struct str body, struct arena *a, struct token_answer *ret,
                  struct error *err)
{
    struct str life;
    (void)a;
    if (status != 200) {
        return error_set(err, ERR_UPSTREAM_REFUSED, "answered %d", status);
    }
    return str_cut(body, ' ', &ret->token, &life) && str_to_u64(life, &ret->expires_in_s);
}

static const struct token_source source = {"test", build, parse};

static void on_start(void *arg, struct token_fetch *f, const struct token_call *call)
{
    (void)arg;
    assert_true(str_eqz(call->url, "https://t/"));
    assert_true(str_starts(call->body, STR_LIT("at ")));
    assert_null(token_fetch_user(f));
    token_fetch_set_user(f, &started);
    started++;
    if (answer_now[0]) {
        token_cache_done(f, 200, str_of(answer_now), NULL);
        return;
    }
    fetch = f;
}

static void on_cancel(void *arg, struct token_fetch *f)
{
    (void)arg;
    assert_ptr_equal(f, fetch);
    assert_ptr_equal(token_fetch_user(f), &started);
    cancelled++;
}

struct asker {
    struct token_waiter waiter;
    int called;
    enum token_state state;
    char token[32];
    enum error_code why;
    struct asker *cancels, *asks;
};

static enum token_state ask(struct asker *k, struct str credential);

static void on_token(void *arg, enum token_state state, struct str token, const struct error *err)
{
    struct asker *k = arg;
    k->called++;
    k->state = state;
    (void)snprintf(k->token, sizeof(k->token), "%.*s", STR_ARG(token));
    k->why = err ? err->code : ERR_NONE;
    if (k->cancels) {
        token_waiter_cancel(&k->cancels->waiter);
    }
    if (k->asks) {
        (void)ask(k->asks, CRED);
    }
}

/* READY and FAILED leave their result in the asker as the callback would. */
static enum token_state ask(struct asker *k, struct str credential)
{
    struct str token = STR_NONE;
    struct error err = ERROR_INIT;
    k->waiter.fn = on_token;
    k->waiter.arg = k;
    enum token_state s = token_cache_get(cache, P, &source, credential, &k->waiter, &token, &err);
    if (s == TOKEN_READY) {
        (void)snprintf(k->token, sizeof(k->token), "%.*s", STR_ARG(token));
    }
    k->why = err.code;
    return s;
}

static int set_up(void **state)
{
    static const struct token_transport transport = {on_start, on_cancel, NULL};
    (void)state;
    now_ms = 1000000;
    clock_set_source(clock_ns, clock_ns);
    cache = token_cache_new(&transport, 0);
    fetch = NULL;
    started = cancelled = 0;
    answer_now[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    token_cache_free(cache);
    clock_set_source(NULL, NULL);
    return 0;
}

static void done(const char *body)
{
    struct token_fetch *f = fetch;
    fetch = NULL;
    token_cache_done(f, 200, str_of(body), NULL);
}

static void one_fetch_serves_all_who_wait(void **state)
{
    (void)state;
    struct asker k[3] = {{.called = 0}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(&k[i], CRED), TOKEN_WAIT);
    }
    assert_int_equal(started, 1);
    token_waiter_cancel(&k[1].waiter);
    token_waiter_cancel(&k[1].waiter);
    done("abc 3600");
    assert_int_equal(k[0].called, 1);
    assert_int_equal(k[1].called, 0);
    assert_string_equal(k[2].token, "abc");
    assert_int_equal(k[2].state, TOKEN_READY);
    assert_int_equal(ask(&k[1], CRED), TOKEN_READY);
    assert_string_equal(k[1].token, "abc");
    assert_int_equal(started, 1);
}

static void another_credential_is_another_token(void **state)
{
    (void)state;
    struct asker a = {.called = 0}, b = {.called = 0};
    (void)snprintf(answer_now, sizeof(answer_now), "one 3600");
    assert_int_equal(ask(&a, CRED), TOKEN_READY);
    (void)snprintf(answer_now, sizeof(answer_now), "two 3600");
    assert_int_equal(ask(&b, STR_LIT("secret2")), TOKEN_READY);
    assert_int_equal(ask(&a, CRED), TOKEN_READY);
    assert_string_equal(a.token, "one");
    assert_string_equal(b.token, "two");
    assert_int_equal(token_cache_count(cache), 2);
}

static void it_is_renewed_ahead_while_the_old_one_serves(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    now_ms += 2000; /* the life is counted from the asking */
    done("old 3600");
    now_ms += (3600 - 300 - 2) * 1000 - 1;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 1);
    now_ms += 1;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 2);
    assert_string_equal(k.token, "old");
    done("new 3600");
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_string_equal(k.token, "new");
    assert_int_equal(started, 2);
    assert_int_equal(k.called, 1);
}

static void a_short_life_is_renewed_in_its_last_tenth(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    (void)snprintf(answer_now, sizeof(answer_now), "s 60");
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    now_ms += 53999;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 1);
    now_ms += 1;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 2);
}

static void a_failed_renewal_keeps_the_old_one_until_it_expires(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    (void)snprintf(answer_now, sizeof(answer_now), "old 100");
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    answer_now[0] = '\0';
    now_ms += 95000;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 2);
    token_cache_done(fetch, 503, STR_LIT(""), NULL);
    assert_int_equal(ask(&k, CRED), TOKEN_READY); /* in the pause: not tried again */
    assert_int_equal(started, 2);
    now_ms += 1000;
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 3);
    now_ms += 4000; /* expired while the third is under way */
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    done("new 100");
    assert_string_equal(k.token, "new");
}

static void failures_pause_longer_each_time(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    uint64_t pause = 1000;
    for (int i = 1; i <= 9; i++) {
        assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
        assert_int_equal(started, i);
        token_cache_done(fetch, 401, STR_LIT("no"), NULL);
        assert_int_equal(k.called, i);
        assert_int_equal(k.state, TOKEN_FAILED);
        assert_int_equal(k.why, ERR_UPSTREAM_REFUSED);
        now_ms += pause - 1;
        assert_int_equal(ask(&k, CRED), TOKEN_FAILED);
        assert_int_equal(k.why, ERR_UPSTREAM_REFUSED);
        assert_int_equal(started, i);
        now_ms += 1;
        pause = pause * 2 < 60000 ? pause * 2 : 60000;
    }
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    done("t 3600");
    assert_int_equal(k.state, TOKEN_READY);
}

static void no_answer_and_no_sense_are_failures(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    struct error timeout = ERROR_INIT;
    (void)error_set(&timeout, ERR_UPSTREAM_TIMEOUT, "too slow");
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    token_cache_done(fetch, 0, STR_LIT(""), &timeout);
    assert_int_equal(k.why, ERR_UPSTREAM_TIMEOUT);
    now_ms += 60000;
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    token_cache_done(fetch, 0, STR_LIT(""), NULL);
    assert_int_equal(k.why, ERR_UPSTREAM_REFUSED);
    now_ms += 60000;
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    done("nonsense");
    assert_int_equal(k.why, ERR_UPSTREAM_GARBAGE);
    now_ms += 60000;
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    done("dead 0");
    assert_int_equal(k.state, TOKEN_FAILED);
    assert_int_equal(k.why, ERR_UPSTREAM_GARBAGE);
    assert_int_equal(ask(&k, CRED), TOKEN_FAILED);
}

static void a_bad_credential_fails_without_a_fetch(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    assert_int_equal(ask(&k, STR_LIT("bad")), TOKEN_FAILED);
    assert_int_equal(k.why, ERR_INVALID_FIELD);
    assert_int_equal(ask(&k, STR_LIT("bad")), TOKEN_FAILED);
    assert_int_equal(started, 0);
    assert_int_equal(k.called, 0);
}

static void callbacks_may_cancel_and_ask(void **state)
{
    (void)state;
    struct asker last = {.called = 0}, third = {.called = 0};
    struct asker second = {.called = 0};
    struct asker first = {.cancels = &second, .asks = &third};
    assert_int_equal(ask(&first, CRED), TOKEN_WAIT);
    assert_int_equal(ask(&second, CRED), TOKEN_WAIT);
    assert_int_equal(ask(&last, CRED), TOKEN_WAIT);
    done("t 3600");
    assert_int_equal(second.called, 0);
    assert_int_equal(third.called, 0);
    assert_string_equal(third.token, "t");
    assert_int_equal(last.called, 1);
}

static void a_refused_token_is_bought_anew_but_not_a_young_one(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    (void)snprintf(answer_now, sizeof(answer_now), "one 3600");
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    now_ms += 59999;
    token_cache_reject(cache, P, CRED, STR_LIT("one"));
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 1);
    now_ms += 1;
    token_cache_reject(cache, P, CRED, STR_LIT("another"));
    token_cache_reject(cache, STR_LIT("p2"), CRED, STR_LIT("one"));
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_int_equal(started, 1);
    token_cache_reject(cache, P, CRED, STR_LIT("one"));
    (void)snprintf(answer_now, sizeof(answer_now), "two 3600");
    assert_int_equal(ask(&k, CRED), TOKEN_READY);
    assert_string_equal(k.token, "two");
}

static void the_oldest_give_way(void **state)
{
    (void)state;
    static const struct token_transport transport = {on_start, on_cancel, NULL};
    struct asker k = {.called = 0};
    token_cache_free(cache);
    cache = token_cache_new(&transport, 2);
    (void)snprintf(answer_now, sizeof(answer_now), "t 3600");
    assert_int_equal(ask(&k, STR_LIT("a")), TOKEN_READY);
    assert_int_equal(ask(&k, STR_LIT("b")), TOKEN_READY);
    assert_int_equal(ask(&k, STR_LIT("a")), TOKEN_READY);
    assert_int_equal(ask(&k, STR_LIT("c")), TOKEN_READY); /* b goes */
    assert_int_equal(token_cache_count(cache), 2);
    assert_int_equal(started, 3);
    assert_int_equal(ask(&k, STR_LIT("a")), TOKEN_READY);
    assert_int_equal(started, 3);
    assert_int_equal(ask(&k, STR_LIT("b")), TOKEN_READY);
    assert_int_equal(started, 4);
}

static void the_end_cancels_and_tells(void **state)
{
    (void)state;
    struct asker k = {.called = 0};
    assert_int_equal(ask(&k, CRED), TOKEN_WAIT);
    token_cache_free(cache);
    cache = NULL;
    assert_int_equal(cancelled, 1);
    assert_int_equal(k.called, 1);
    assert_int_equal(k.state, TOKEN_FAILED);
    assert_int_equal(k.why, ERR_NOT_READY);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_fetch_serves_all_who_wait),
        TEST(another_credential_is_another_token),
        TEST(it_is_renewed_ahead_while_the_old_one_serves),
        TEST(a_short_life_is_renewed_in_its_last_tenth),
        TEST(a_failed_renewal_keeps_the_old_one_until_it_expires),
        TEST(failures_pause_longer_each_time),
        TEST(no_answer_and_no_sense_are_failures),
        TEST(a_bad_credential_fails_without_a_fetch),
        TEST(callbacks_may_cancel_and_ask),
        TEST(a_refused_token_is_bought_anew_but_not_a_young_one),
        TEST(the_oldest_give_way),
        TEST(the_end_cancels_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

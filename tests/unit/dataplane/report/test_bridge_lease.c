/* The lease lane of the bridge, with the real quota table behind it and a control plane that
 * refuses, loses and forgets on demand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "dataplane/limits/lease_wire.h"
#include "dataplane/limits/quota.h"
#include "dataplane/net/loop.h"
#include "dataplane/report/bridge_rig.h"

#define AMOUNT 1000
#define WAIT_MS 20000

static const struct uuid quota_id = {{5}};
static const struct quota_rule rule = {
    .metric = METRIC_COST, .window = WINDOW_TOTAL, .amount = AMOUNT};

/* ---- the control plane's books: one account, under its lock ---- */

static struct {
    uint64_t granted, returned;
    unsigned requests, empty;
    bool former_delivered, former_early; /* said while there was something left */
    struct uuid holder;
} books;

static void grant(struct fake_control *f, struct str request, struct buffer *out)
{
    struct lease_ask asks[8];
    struct lease_answer answers[8];
    bool former;
    size_t n = 0;
    if (!lease_request_read(request, &books.holder, &former, asks, 8, &n)) {
        abort();
    }
    books.requests++;
    books.empty += n == 0;
    books.former_early |= former && f->n_stored < 2;
    books.former_delivered |= former;
    for (size_t i = 0; i < n; i++) {
        uint64_t unheard = books.granted - asks[i].granted_total;
        uint64_t need = asks[i].need > unheard ? asks[i].need - unheard : 0;
        if (asks[i].returned_total > books.returned) {
            books.returned = asks[i].returned_total;
        }
        uint64_t held = books.granted - books.returned;
        bool fits = need <= AMOUNT - held;
        books.granted += fits ? need : 0;
        answers[i] = (struct lease_answer){.state = fits ? QUOTA_GRANTED : QUOTA_HELD,
                                           .granted_total = books.granted,
                                           .amount = AMOUNT,
                                           .held = books.granted - books.returned};
    }
    (void)lease_grant_write(out, answers, n, 2);
}

/* ---- the proxy ---- */

struct plane {
    struct proxy proxy;
    struct bridge *_Atomic woken;
    struct quota_table *quotas;
    struct loop *loop;
    bool away;
    bool told_former;
    bool empty;
};

static void on_wake(void *arg)
{
    struct plane *p = arg;
    struct bridge *b = atomic_load(&p->woken);
    if (b) {
        bridge_lease_wake(b);
    }
}

static void lease_gather(void *arg, bool former_delivered, struct buffer *out)
{
    struct plane *p = arg;
    size_t n = quota_gather(p->quotas, former_delivered, 8, out);
    p->empty = n == 0;
    if (n == 0 && (p->away || (former_delivered && !p->told_former))) {
        (void)lease_request_write(out, quota_holder(p->quotas), former_delivered, NULL, 0);
        p->told_former |= former_delivered;
    }
}

static bool lease_answer(void *arg, struct str grant_body)
{
    struct plane *p = arg;
    return p->empty || quota_answered(p->quotas, grant_body);
}

static void lease_lost(void *arg)
{
    struct plane *p = arg;
    if (!p->empty) {
        quota_lost(p->quotas);
    }
}

static void lease_reachable(void *arg, bool reachable)
{
    struct plane *p = arg;
    p->away = !reachable;
    quota_reachable(p->quotas, reachable);
}

static uint64_t lease_due_ms(void *arg)
{
    struct plane *p = arg;
    return quota_due_ms(p->quotas);
}

static void plane_start(struct plane *p)
{
    struct quota_table_config q = {.wake = on_wake, .arg = p, .reserve_wait_ms = 15000};
    memset(p, 0, sizeof(*p));
    crypto_random(&q.holder, sizeof(q.holder));
    p->quotas = quota_table_new(&q);
    p->loop = loop_new();
    proxy_start(&p->proxy, (struct bridge_config){.lease_gather = lease_gather,
                                                  .lease_answer = lease_answer,
                                                  .lease_lost = lease_lost,
                                                  .lease_reachable = lease_reachable,
                                                  .lease_due_ms = lease_due_ms,
                                                  .arg = p});
    atomic_store(&p->woken, p->proxy.bridge);
}

static void plane_stop(struct plane *p, unsigned drain_ms, bool drain)
{
    if (drain) {
        quota_drain(p->quotas);
    }
    proxy_stop(&p->proxy, drain_ms);
    loop_free(p->loop);
    quota_table_free(p->quotas);
}

struct client {
    struct quota_waiter w;
    enum quota_answer answer;
    unsigned told;
};

static void on_answer(void *arg, enum quota_answer answer)
{
    struct client *c = arg;
    c->answer = answer;
    c->told++;
}

static enum quota_answer take(struct plane *p, struct quota_account *a, uint64_t amount)
{
    struct client c = {.w = {.loop = p->loop, .on_answer = on_answer, .arg = &c}};
    uint64_t by = clock_mono_ms() + WAIT_MS;
    enum quota_answer answer = quota_take(a, amount, &c.w);
    while (answer == QUOTA_PARKED && !c.told && clock_mono_ms() < by) {
        loop_turn(p->loop, 100);
    }
    if (answer == QUOTA_PARKED && !c.told) {
        quota_cancel(&c.w);
        fail_msg("nobody told it");
    }
    return answer == QUOTA_PARKED ? c.answer : answer;
}

/* Until there is somebody to ask. */
static enum quota_answer take_at_last(struct plane *p, struct quota_account *a, uint64_t amount)
{
    uint64_t by = clock_mono_ms() + WAIT_MS;
    enum quota_answer answer;
    while ((answer = take(p, a, amount)) == QUOTA_NO_AUTHORITY && clock_mono_ms() < by) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return answer;
}

static struct quota_account *account(struct plane *p)
{
    struct quota_account *a = quota_account(p->quotas, &quota_id, &rule, STR_LIT(""), 0);
    assert_non_null(a);
    return a;
}

static void fake_begin(struct fake_control *f)
{
    fake_start(f, &authority);
    f->lease_fn = grant;
    memset(&books, 0, sizeof(books));
    enrolled_at(&f->urls, 1);
}

static void test_granted_and_given_back(void **state)
{
    (void)state;
    struct fake_control f;
    struct plane p;
    fake_begin(&f);
    plane_start(&p);
    struct quota_account *a = account(&p);
    assert_int_equal(take_at_last(&p, a, 100), QUOTA_TAKEN);
    assert_memory_equal(books.holder.b, quota_holder(p.quotas)->b, 16);
    /* one answer is lost on the way: what was granted is picked up, not granted twice */
    (void)pthread_mutex_lock(&f.lock);
    f.drop_leases = 1;
    (void)pthread_mutex_unlock(&f.lock);
    assert_int_equal(take(&p, a, 200), QUOTA_TAKEN);
    assert_true(FAKE_WAIT(&f, books.granted == 300));
    (void)pthread_mutex_lock(&f.lock);
    f.fail_leases = 2;
    (void)pthread_mutex_unlock(&f.lock);
    assert_int_equal(take(&p, a, 300), QUOTA_TAKEN);
    quota_settle(a, 100, 0);
    quota_settle(a, 200, 50);
    /* idle leases go back by themselves, the rest when the proxy ends */
    assert_true(FAKE_WAIT(&f, books.returned == 250));
    quota_settle(a, 300, 0);
    quota_account_unref(a);
    plane_stop(&p, 10000, true);
    assert_int_equal(books.granted, 600);
    assert_int_equal(books.returned, 550);
    fake_free(&f);
}

static void test_sessions_come_and_go(void **state)
{
    (void)state;
    struct fake_control f;
    struct plane p;
    fake_begin(&f);
    plane_start(&p);
    struct quota_account *a = account(&p);
    assert_int_equal(take_at_last(&p, a, 100), QUOTA_TAKEN);
    (void)pthread_mutex_lock(&f.lock);
    crypto_random(&f.session, sizeof(f.session)); /* it has forgotten: hello again, unseen here */
    (void)pthread_mutex_unlock(&f.lock);
    assert_int_equal(take(&p, a, 100), QUOTA_TAKEN);
    assert_true(FAKE_WAIT(&f, f.hellos == 2));
    /* its database is away: first it waits, then everybody is told; and it comes back */
    (void)pthread_mutex_lock(&f.lock);
    f.fail_leases = 1000;
    (void)pthread_mutex_unlock(&f.lock);
    assert_int_equal(take(&p, a, 300), QUOTA_NO_AUTHORITY);
    (void)pthread_mutex_lock(&f.lock);
    f.fail_leases = 0;
    (void)pthread_mutex_unlock(&f.lock);
    assert_int_equal(take_at_last(&p, a, 300), QUOTA_TAKEN);
    assert_int_equal(books.granted, 500);
    quota_account_unref(a);
    plane_stop(&p, 0, false);
    fake_free(&f);
}

static void event_append(struct plane *p, unsigned n)
{
    struct error err = ERROR_INIT;
    struct event e = {.id = {{99, (uint8_t)n}}, .endpoint = STR_LIT("models"), .status = 200};
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(event_write(&e, &out));
    assert_true(spool_append_event(p->proxy.spools[n % 2], &e.id, buffer_str(&out), &err));
    buffer_release(&out);
}

/* What a former run left in the spool speaks for its leases until it is stored. */
static void test_former_events(void **state)
{
    (void)state;
    struct fake_control f;
    struct plane p;
    struct identity_endpoint nowhere;
    memset(&nowhere, 0, sizeof(nowhere));
    (void)snprintf(nowhere.sync, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:1");
    (void)snprintf(nowhere.report, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:1");
    (void)snprintf(nowhere.lease, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:1");
    (void)snprintf(nowhere.announce, IDENTITY_URL_MAX, "tls+tcp://127.0.0.1:1");
    enrolled_at(&nowhere, 1);
    plane_start(&p);
    event_append(&p, 1);
    event_append(&p, 2);
    plane_stop(&p, 0, false);
    fake_begin(&f);
    f.fail_reports = 3;
    plane_start(&p);
    struct quota_account *a = account(&p);
    assert_int_equal(take_at_last(&p, a, 10), QUOTA_TAKEN);
    assert_true(FAKE_WAIT(&f, f.n_stored == 2));
    /* nothing needs a lease now; it is said all the same */
    assert_true(FAKE_WAIT(&f, books.former_delivered));
    assert_false(books.former_early);
    quota_account_unref(a);
    plane_stop(&p, 5000, false);
    fake_free(&f);
}

static void test_quiet_when_there_is_nothing(void **state)
{
    (void)state;
    struct fake_control f;
    struct plane p;
    fake_begin(&f);
    f.n_stored = 2;
    plane_start(&p);
    assert_true(FAKE_WAIT(&f, books.former_delivered && f.syncs > 0));
    Weir__SyncReply m = WEIR__SYNC_REPLY__INIT;
    m.want_shard_hashes = true;
    fake_say(&f, &m);
    assert_true(FAKE_WAIT(&f, f.syncs >= 2));
    assert_int_equal(books.requests, 1);
    assert_int_equal(books.empty, 1);
    plane_stop(&p, 5000, true);
    assert_int_equal(books.requests, 1);
    fake_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_granted_and_given_back),
        WITH_FOLDER(test_sessions_come_and_go),
        WITH_FOLDER(test_former_events),
        WITH_FOLDER(test_quiet_when_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, make_authority, drop_authority);
}

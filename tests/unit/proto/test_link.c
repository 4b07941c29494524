/* The link over real sockets: mutual TLS, replies now and later, cancel, close, announcements. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/x509.h"
#include "proto/link.h"

struct pki {
    char *ca_cert, *ca_key, *server_cert, *server_key, *client_cert, *client_key;
};
static struct pki good, bad;

static void pki_make(struct pki *p)
{
    struct error err = ERROR_INIT;
    char *csr = NULL;
    assert_true(x509_make_ca("test CA", 10, &p->ca_cert, &p->ca_key, &err));
    assert_true(x509_make_server(p->ca_cert, p->ca_key, "control", LINK_SERVER_NAME ",127.0.0.1",
                                 10, &p->server_cert, &p->server_key, &err));
    assert_true(x509_make_csr("plane", &csr, &p->client_key, &err));
    assert_true(
        x509_sign_csr(csr, p->ca_cert, p->ca_key, "plane", false, NULL, 10, &p->client_cert, &err));
    mem_free(csr);
}

static void pki_release(struct pki *p)
{
    char **all[] = {&p->ca_cert,    &p->ca_key,      &p->server_cert,
                    &p->server_key, &p->client_cert, &p->client_key};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        mem_free(*all[i]);
    }
}

static int setup(void **state)
{
    (void)state;
    pki_make(&good);
    pki_make(&bad);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_release(&good);
    pki_release(&bad);
    return 0;
}

static struct link_tls server_tls(void)
{
    return (struct link_tls){good.server_cert, good.server_key, good.ca_cert};
}

static struct link_tls client_tls(void)
{
    return (struct link_tls){good.client_cert, good.client_key, good.ca_cert};
}

/* Answers at once, except "park", which waits in `parked`, and "drop". */
struct host {
    struct link_server *server;
    char url[64];
    pthread_mutex_t lock;
    pthread_cond_t cond;
    struct link_call *parked[64];
    unsigned n_parked, received;
};

static void on_request(void *arg, struct link_call *call, struct str message)
{
    struct host *h = arg;
    bool park = str_eqz(message, "park"), drop = str_eqz(message, "drop");
    pthread_mutex_lock(&h->lock);
    h->received++;
    if (park) {
        h->parked[h->n_parked++] = call;
    }
    pthread_cond_broadcast(&h->cond);
    pthread_mutex_unlock(&h->lock);
    if (drop) {
        link_drop(call);
    } else if (!park) {
        link_reply(call, message);
    }
}

static void host_start(struct host *h, unsigned max_calls)
{
    struct error err = ERROR_INIT;
    struct link_tls tls = server_tls();
    *h = (struct host){0};
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->cond, NULL);
    h->server = link_listen_rep("tls+tcp://127.0.0.1:0", &tls, max_calls, on_request, h, &err);
    assert_non_null(h->server);
    assert_true(link_server_port(h->server) > 0);
    (void)snprintf(h->url, sizeof(h->url), "tls+tcp://127.0.0.1:%u", link_server_port(h->server));
}

static void host_stop(struct host *h)
{
    link_server_close(h->server);
    pthread_cond_destroy(&h->cond);
    pthread_mutex_destroy(&h->lock);
}

static void wait_parked(struct host *h, unsigned n)
{
    pthread_mutex_lock(&h->lock);
    while (h->n_parked < n) {
        pthread_cond_wait(&h->cond, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
}

static struct link_req *client(const struct host *h)
{
    struct error err = ERROR_INIT;
    struct link_tls tls = client_tls();
    struct link_req *r = link_req(h->url, &tls, 64, &err);
    assert_non_null(r);
    return r;
}

static void test_echo_and_large_messages(void **state)
{
    (void)state;
    struct host h;
    host_start(&h, 8);
    struct link_req *r = client(&h);
    struct buffer reply;
    buffer_init(&reply, LINK_MAX_REPLY);
    assert_int_equal(link_ask(r, STR_LIT("hello"), 5000, &reply), LINK_OK);
    assert_true(str_eqz(buffer_str(&reply), "hello"));
    assert_true(link_connected(r));
    size_t n = 3u << 20;
    char *big = mem_alloc(n);
    memset(big, 'x', n);
    assert_int_equal(link_ask(r, (struct str){big, n}, 5000, &reply), LINK_OK);
    assert_int_equal(reply.len, n);
    mem_free(big);
    buffer_release(&reply);
    link_req_close(r);
    host_stop(&h);
}

struct count {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned by_result[LINK_RESULT_COUNT], total;
};

static void on_reply(void *arg, enum link_result result, struct str reply)
{
    struct count *c = arg;
    (void)reply;
    pthread_mutex_lock(&c->lock);
    c->by_result[result]++;
    c->total++;
    pthread_cond_broadcast(&c->cond);
    pthread_mutex_unlock(&c->lock);
}

static void wait_total(struct count *c, unsigned n)
{
    pthread_mutex_lock(&c->lock);
    while (c->total < n) {
        pthread_cond_wait(&c->cond, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

#define COUNT_INIT                                                          \
    {                                                                       \
        .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER \
    }

static void test_many_parked_calls_are_answered_later(void **state)
{
    (void)state;
    struct host h;
    struct count c = COUNT_INIT;
    host_start(&h, 64);
    struct link_req *r = client(&h);
    for (int i = 0; i < 50; i++) {
        assert_true(link_send(r, STR_LIT("park"), 10000, on_reply, &c));
    }
    wait_parked(&h, 50);
    struct buffer reply;
    buffer_init(&reply, 100);
    assert_int_equal(link_ask(r, STR_LIT("between"), 5000, &reply), LINK_OK);
    buffer_release(&reply);
    assert_int_equal(c.total, 0);
    for (int i = 0; i < 50; i++) {
        link_reply(h.parked[i], STR_LIT("now"));
    }
    wait_total(&c, 50);
    assert_int_equal(c.by_result[LINK_OK], 50);
    link_req_close(r);
    host_stop(&h);
}

static void test_cancel_timeout_and_close_end_calls(void **state)
{
    (void)state;
    struct host h;
    struct count c = COUNT_INIT;
    host_start(&h, 8);
    struct link_req *r = client(&h);
    assert_true(link_send(r, STR_LIT("park"), 60000, on_reply, &c));
    wait_parked(&h, 1);
    link_cancel(r);
    wait_total(&c, 1);
    assert_int_equal(c.by_result[LINK_CANCELLED], 1);
    assert_true(link_send(r, STR_LIT("drop"), 100, on_reply, &c));
    wait_total(&c, 2);
    assert_int_equal(c.by_result[LINK_TIMEOUT], 1);
    assert_true(link_send(r, STR_LIT("park"), 60000, on_reply, &c));
    wait_parked(&h, 2);
    link_req_close(r);
    assert_int_equal(c.by_result[LINK_CLOSED], 1);
    assert_int_equal(c.total, 3);
    assert_int_equal(h.received, 3); /* nothing was sent twice */
    host_stop(&h);
}

static void test_server_going_away_resets_and_client_returns(void **state)
{
    (void)state;
    struct host h;
    struct count c = COUNT_INIT;
    host_start(&h, 8);
    struct link_req *r = client(&h);
    assert_true(link_send(r, STR_LIT("park"), 60000, on_reply, &c));
    wait_parked(&h, 1);
    struct link_tls tls = server_tls();
    struct error err = ERROR_INIT;
    link_server_close(h.server);
    wait_total(&c, 1);
    assert_int_equal(c.by_result[LINK_RESET], 1);
    h.n_parked = 0;
    h.server = link_listen_rep(h.url, &tls, 8, on_request, &h, &err);
    assert_non_null(h.server);
    struct buffer reply;
    buffer_init(&reply, 100);
    assert_int_equal(link_ask(r, STR_LIT("again"), 10000, &reply), LINK_OK);
    assert_int_equal(h.received, 2); /* the parked one was not sent again */
    buffer_release(&reply);
    link_req_close(r);
    host_stop(&h);
}

static void assert_shut_out(const struct host *h, const struct link_tls *tls)
{
    struct error err = ERROR_INIT;
    struct link_req *r = link_req(h->url, tls, 1, &err);
    assert_non_null(r);
    struct buffer reply;
    buffer_init(&reply, 100);
    assert_int_not_equal(link_ask(r, STR_LIT("hello"), 700, &reply), LINK_OK);
    assert_int_equal(reply.len, 0);
    assert_int_equal(h->received, 0);
    buffer_release(&reply);
    link_req_close(r);
}

static void test_strangers_are_shut_out(void **state)
{
    (void)state;
    struct host h;
    host_start(&h, 8);
    /* a certificate of another CA; and one of another CA with the right CA to check by */
    struct link_tls theirs = {bad.client_cert, bad.client_key, bad.ca_cert};
    struct link_tls mixed = {bad.client_cert, bad.client_key, good.ca_cert};
    assert_shut_out(&h, &theirs);
    assert_shut_out(&h, &mixed);
    /* the certificate of a plane is no server's */
    struct error err = ERROR_INIT;
    host_stop(&h);
    struct link_tls posing = {good.client_cert, good.client_key, good.ca_cert};
    h = (struct host){.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    h.server = link_listen_rep("tls+tcp://127.0.0.1:0", &posing, 8, on_request, &h, &err);
    assert_non_null(h.server);
    (void)snprintf(h.url, sizeof(h.url), "tls+tcp://127.0.0.1:%u", link_server_port(h.server));
    struct link_tls tls = client_tls();
    assert_shut_out(&h, &tls);
    host_stop(&h);
}

static void test_taken_port_and_bad_input_are_errors(void **state)
{
    (void)state;
    struct host h;
    host_start(&h, 8);
    struct error err = ERROR_INIT;
    struct link_tls tls = server_tls();
    assert_null(link_listen_rep(h.url, &tls, 8, on_request, &h, &err));
    assert_non_null(strstr(err.text, h.url));
    struct link_tls junk = {"junk", "junk", "junk"};
    assert_null(link_req(h.url, &junk, 1, &err));
    assert_null(link_listen_pub("nowhere", &tls, &err));
    host_stop(&h);
}

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool yes;
};

static void on_message(void *arg, struct str message)
{
    struct heard *x = arg;
    pthread_mutex_lock(&x->lock);
    x->yes = str_eqz(message, "version 7");
    pthread_cond_broadcast(&x->cond);
    pthread_mutex_unlock(&x->lock);
}

static void test_announcements_arrive(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct link_tls st = server_tls(), ct = client_tls();
    struct link_pub *p = link_listen_pub("tls+tcp://127.0.0.1:0", &st, &err);
    assert_non_null(p);
    char url[64];
    (void)snprintf(url, sizeof(url), "tls+tcp://127.0.0.1:%u", link_pub_port(p));
    struct heard x = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct link_sub *s = link_sub(url, &ct, on_message, &x, &err);
    assert_non_null(s);
    uint64_t give_up = clock_mono_ms() + 10000;
    pthread_mutex_lock(&x.lock);
    while (!x.yes && clock_mono_ms() < give_up) {
        pthread_mutex_unlock(&x.lock);
        link_publish(p, STR_LIT("version 7"));
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&x.lock);
        if (!x.yes) {
            pthread_cond_timedwait(&x.cond, &x.lock, &until);
        }
    }
    assert_true(x.yes);
    pthread_mutex_unlock(&x.lock);
    link_sub_close(s);
    link_pub_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_echo_and_large_messages),
        cmocka_unit_test(test_many_parked_calls_are_answered_later),
        cmocka_unit_test(test_cancel_timeout_and_close_end_calls),
        cmocka_unit_test(test_server_going_away_resets_and_client_returns),
        cmocka_unit_test(test_strangers_are_shut_out),
        cmocka_unit_test(test_taken_port_and_bad_input_are_errors),
        cmocka_unit_test(test_announcements_arrive),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

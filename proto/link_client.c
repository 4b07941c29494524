/* The connecting ends of link.h. One NNG context per request under way, kept for the next one when
 * it is done. */
#include "proto/link_internal.h"

#include <pthread.h>
#include <stdatomic.h>

#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 1000

struct req_call {
    struct link_req *req;
    nng_ctx ctx;
    nng_aio *aio;
    uint64_t deadline_ms;
    link_reply_fn on_reply;
    void *arg;
    bool busy, cancelled; /* under the link's lock */
    bool receiving;       /* only the call's own callbacks */
};

struct link_req {
    nng_socket socket;
    atomic_int connections;
    pthread_mutex_t lock; /* over the fields below */
    struct req_call **calls;
    unsigned n_calls, max_calls;
    unsigned under_way; /* calls whose callback has not returned */
    pthread_cond_t idle;
    bool closing;
    atomic_ullong last_ms; /* something came */
};

struct link_sub {
    nng_socket socket;
    nng_aio *aio;
    link_message_fn on_message;
    void *arg;
    pthread_mutex_t lock; /* over closing */
    bool closing;
    atomic_ullong last_ms; /* something came */
};

static bool dial(nng_socket s, const char *url, const struct link_tls *tls, struct error *err)
{
    nng_tls_config *c;
    if (!link_tls_config(tls, false, &c, err)) {
        return false;
    }
    nng_dialer d;
    int rv = nng_socket_set_ms(s, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rv == 0) {
        rv = nng_socket_set_ms(s, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    }
    if (rv == 0) {
        rv = nng_dialer_create(&d, s, url);
    }
    if (rv == 0) {
        rv = nng_dialer_set_ptr(d, NNG_OPT_TLS_CONFIG, c);
    }
    if (rv == 0) {
        rv = nng_dialer_start(d, NNG_FLAG_NONBLOCK);
    }
    nng_tls_config_free(c);
    return rv == 0 ? true : link_fail(err, "cannot use the address", url, rv);
}

/* ---- client: requests ---- */

const char *link_result_name(enum link_result r)
{
    static const char *const names[LINK_RESULT_COUNT] = {"ok",    "timeout", "cancelled",
                                                         "reset", "closed",  "failed"};
    return (unsigned)r < LINK_RESULT_COUNT ? names[r] : "unknown";
}

static enum link_result result_of(int rv)
{
    switch (rv) {
    case 0:
        return LINK_OK;
    case NNG_ETIMEDOUT:
        return LINK_TIMEOUT;
    case NNG_ECANCELED:
        return LINK_CANCELLED;
    case NNG_ECONNRESET:
    case NNG_ECONNSHUT:
    case NNG_ECONNABORTED:
        return LINK_RESET;
    case NNG_ECLOSED:
        return LINK_CLOSED;
    default:
        return LINK_FAILED;
    }
}

static void call_finish(struct req_call *c, enum link_result result, nng_msg *reply)
{
    link_reply_fn fn = c->on_reply;
    void *arg = c->arg;
    struct link_req *r = c->req;
    atomic_store(&r->last_ms, clock_mono_ms());
    pthread_mutex_lock(&r->lock);
    if (r->closing && result != LINK_OK) {
        result = LINK_CLOSED;
    }
    c->busy = false;
    pthread_mutex_unlock(&r->lock);
    fn(arg, result, reply ? link_message_str(reply) : STR_NONE);
    nng_msg_free(reply);
    pthread_mutex_lock(&r->lock);
    if (--r->under_way == 0) {
        pthread_cond_broadcast(&r->idle);
    }
    pthread_mutex_unlock(&r->lock);
}

static int time_left(const struct req_call *c)
{
    uint64_t now = clock_mono_ms();
    return now < c->deadline_ms ? (int)(c->deadline_ms - now) : 1;
}

static void on_call(void *arg)
{
    struct req_call *c = arg;
    int rv = nng_aio_result(c->aio);
    nng_msg *m = nng_aio_get_msg(c->aio);
    if (rv != 0 || c->receiving) {
        nng_aio_set_msg(c->aio, NULL);
        if (rv != 0 && !c->receiving) {
            nng_msg_free(m);
        }
        call_finish(c, result_of(rv), rv == 0 ? m : NULL);
        return;
    }
    c->receiving = true;
    nng_aio_set_msg(c->aio, NULL);
    nng_aio_set_timeout(c->aio, time_left(c));
    /* Under the lock, so that link_cancel either sees the aio under way or is seen here. */
    pthread_mutex_lock(&c->req->lock);
    nng_ctx_recv(c->ctx, c->aio);
    if (c->cancelled) {
        nng_aio_abort(c->aio, NNG_ECANCELED);
    }
    pthread_mutex_unlock(&c->req->lock);
}

/* Lock held. */
static struct req_call *free_call(struct link_req *r)
{
    for (unsigned i = 0; i < r->n_calls; i++) {
        if (!r->calls[i]->busy) {
            return r->calls[i];
        }
    }
    if (r->n_calls == r->max_calls) {
        return NULL;
    }
    struct req_call *c = mem_alloc(sizeof(*c));
    c->req = r;
    if (nng_ctx_open(&c->ctx, r->socket) == 0) {
        if (nng_ctx_set_ms(c->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) == 0 &&
            nng_aio_alloc(&c->aio, on_call, c) == 0) {
            r->calls[r->n_calls++] = c;
            return c;
        }
        nng_ctx_close(c->ctx);
    }
    mem_free(c);
    return NULL;
}

bool link_send(struct link_req *r, struct str message, unsigned timeout_ms, link_reply_fn on_reply,
               void *arg)
{
    nng_msg *m = link_message_of(message);
    if (!m) {
        return false;
    }
    pthread_mutex_lock(&r->lock);
    struct req_call *c = r->closing ? NULL : free_call(r);
    if (c) {
        c->busy = true;
        r->under_way++;
        c->cancelled = c->receiving = false;
        c->on_reply = on_reply;
        c->arg = arg;
        c->deadline_ms = clock_mono_ms() + timeout_ms;
        nng_aio_set_msg(c->aio, m);
        nng_aio_set_timeout(c->aio, (nng_duration)timeout_ms);
        nng_ctx_send(c->ctx, c->aio);
    }
    pthread_mutex_unlock(&r->lock);
    if (!c) {
        nng_msg_free(m);
    }
    return c != NULL;
}

void link_cancel(struct link_req *r)
{
    pthread_mutex_lock(&r->lock);
    for (unsigned i = 0; i < r->n_calls; i++) {
        if (r->calls[i]->busy) {
            r->calls[i]->cancelled = true;
            nng_aio_abort(r->calls[i]->aio, NNG_ECANCELED);
        }
    }
    pthread_mutex_unlock(&r->lock);
}

struct ask {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done;
    enum link_result result;
    struct buffer *ret;
};

static void on_asked(void *arg, enum link_result result, struct str reply)
{
    struct ask *a = arg;
    if (result == LINK_OK && !buffer_append_str(a->ret, reply)) {
        result = LINK_FAILED;
    }
    pthread_mutex_lock(&a->lock);
    a->result = result;
    a->done = true;
    pthread_cond_signal(&a->done_cond);
    pthread_mutex_unlock(&a->lock);
}

enum link_result link_ask(struct link_req *r, struct str message, unsigned timeout_ms,
                          struct buffer *ret)
{
    struct ask a = {.ret = ret, .result = LINK_FAILED};
    buffer_clear(ret);
    pthread_mutex_init(&a.lock, NULL);
    pthread_cond_init(&a.done_cond, NULL);
    if (link_send(r, message, timeout_ms, on_asked, &a)) {
        pthread_mutex_lock(&a.lock);
        while (!a.done) {
            pthread_cond_wait(&a.done_cond, &a.lock);
        }
        pthread_mutex_unlock(&a.lock);
    }
    pthread_cond_destroy(&a.done_cond);
    pthread_mutex_destroy(&a.lock);
    return a.result;
}

static void on_pipe(nng_pipe p, nng_pipe_ev ev, void *arg)
{
    struct link_req *r = arg;
    (void)p;
    atomic_fetch_add(&r->connections, ev == NNG_PIPE_EV_ADD_POST ? 1 : -1);
}

struct link_req *link_req(const char *url, const struct link_tls *tls, unsigned max_calls,
                          struct error *err)
{
    struct link_req *r = mem_alloc(sizeof(*r));
    r->max_calls = max_calls ? max_calls : 1;
    r->calls = mem_alloc(r->max_calls * sizeof(struct req_call *));
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->idle, NULL);
    int rv = nng_req0_open(&r->socket);
    if (rv != 0) {
        (void)link_fail(err, "cannot open a socket for", url, rv);
        goto failed;
    }
    if ((rv = nng_socket_set_size(r->socket, NNG_OPT_RECVMAXSZ, LINK_MAX_REPLY)) != 0 ||
        (rv = nng_socket_set_ms(r->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (rv = nng_pipe_notify(r->socket, NNG_PIPE_EV_ADD_POST, on_pipe, r)) != 0 ||
        (rv = nng_pipe_notify(r->socket, NNG_PIPE_EV_REM_POST, on_pipe, r)) != 0) {
        (void)link_fail(err, "cannot set up the socket for", url, rv);
        goto failed_open;
    }
    if (!dial(r->socket, url, tls, err)) {
        goto failed_open;
    }
    return r;
failed_open:
    nng_close(r->socket);
failed:
    pthread_cond_destroy(&r->idle);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->calls);
    mem_free(r);
    return NULL;
}

bool link_connected(const struct link_req *r)
{
    return atomic_load(&((struct link_req *)(uintptr_t)r)->connections) > 0;
}

void link_req_close(struct link_req *r)
{
    if (!r) {
        return;
    }
    pthread_mutex_lock(&r->lock);
    r->closing = true;
    for (unsigned i = 0; i < r->n_calls; i++) {
        if (r->calls[i]->busy) {
            r->calls[i]->cancelled = true;
            nng_aio_abort(r->calls[i]->aio, NNG_ECANCELED);
        }
    }
    while (r->under_way > 0) {
        pthread_cond_wait(&r->idle, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->n_calls; i++) {
        nng_aio_stop(r->calls[i]->aio);
    }
    link_wait_quiet(&r->last_ms);
    bool closed = link_close_socket(r->socket);
    for (unsigned i = 0; i < r->n_calls; i++) {
        nng_aio_free(r->calls[i]->aio);
        mem_free(r->calls[i]);
    }
    mem_free(r->calls);
    r->calls = NULL;
    if (closed) { /* else on_pipe may still come */
        pthread_cond_destroy(&r->idle);
        pthread_mutex_destroy(&r->lock);
        mem_free(r);
    }
}

/* ---- client: announcements ---- */

static void on_announced(void *arg)
{
    struct link_sub *s = arg;
    int rv = nng_aio_result(s->aio);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        return;
    }
    if (rv == 0) {
        nng_msg *m = nng_aio_get_msg(s->aio);
        nng_aio_set_msg(s->aio, NULL);
        s->on_message(s->arg, link_message_str(m));
        nng_msg_free(m);
        atomic_store(&s->last_ms, clock_mono_ms());
    }
    pthread_mutex_lock(&s->lock);
    if (!s->closing) {
        nng_recv_aio(s->socket, s->aio);
    }
    pthread_mutex_unlock(&s->lock);
}

struct link_sub *link_sub(const char *url, const struct link_tls *tls, link_message_fn on_message,
                          void *arg, struct error *err)
{
    struct link_sub *s = mem_alloc(sizeof(*s));
    s->on_message = on_message;
    s->arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    int rv = nng_sub0_open(&s->socket);
    if (rv != 0) {
        (void)link_fail(err, "cannot open a socket for", url, rv);
        mem_free(s);
        return NULL;
    }
    if ((rv = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, LINK_MAX_ANNOUNCE)) != 0 ||
        (rv = nng_socket_set(s->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0)) != 0 ||
        (rv = nng_aio_alloc(&s->aio, on_announced, s)) != 0) {
        (void)link_fail(err, "cannot set up the socket for", url, rv);
        goto failed;
    }
    if (!dial(s->socket, url, tls, err)) {
        goto failed;
    }
    nng_recv_aio(s->socket, s->aio);
    return s;
failed:
    nng_close(s->socket);
    nng_aio_free(s->aio);
    mem_free(s);
    return NULL;
}

void link_sub_close(struct link_sub *s)
{
    if (!s) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    nng_aio_stop(s->aio);
    link_wait_quiet(&s->last_ms);
    (void)link_close_socket(s->socket); /* nothing below is known to NNG any more */
    nng_aio_free(s->aio);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

/* The listening ends of link.h. One NNG context per request under way, grown on demand up to the
 * ceiling, with always one that receives. */
#include "proto/link_internal.h"

#include <pthread.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>

#include "common/base/clock.h"
#include "common/base/mem.h"

#define RECEIVERS_AT_START 4

struct link_call {
    struct link_server *server;
    nng_ctx ctx;
    nng_aio *recv, *send;
    nng_msg *in;
};

struct link_server {
    nng_socket socket;
    uint16_t port;
    link_request_fn on_request;
    void *arg;
    pthread_mutex_t lock; /* over the fields below */
    struct link_call **calls;
    unsigned n_calls, max_calls, receiving;
    bool closing;
    atomic_ullong last_ms; /* something came */
};

struct link_pub {
    nng_socket socket;
    uint16_t port;
};

static bool listen_on(nng_socket s, const char *url, const struct link_tls *tls, uint16_t *ret_port,
                      struct error *err)
{
    nng_tls_config *c;
    if (!link_tls_config(tls, true, &c, err)) {
        return false;
    }
    nng_listener l;
    int rv = nng_listener_create(&l, s, url);
    if (rv == 0) {
        rv = nng_listener_set_ptr(l, NNG_OPT_TLS_CONFIG, c);
    }
    if (rv == 0) {
        rv = nng_listener_start(l, 0);
    }
    nng_tls_config_free(c);
    if (rv != 0) {
        return link_fail(err, "cannot listen on", url, rv);
    }
    int port = 0;
    if (nng_listener_get_int(l, NNG_OPT_TCP_BOUND_PORT, &port) != 0) {
        nng_sockaddr a;
        if (nng_listener_get_addr(l, NNG_OPT_LOCADDR, &a) == 0 && a.s_family == NNG_AF_INET) {
            port = (int)((a.s_in.sa_port & 0xff) << 8 | a.s_in.sa_port >> 8);
        }
    }
    *ret_port = (uint16_t)port;
    return true;
}

/* ---- server: requests ---- */

static void on_received(void *arg);
static void on_replied(void *arg);

/* Lock held. A context that could not be made is no loss while others receive. */
static struct link_call *add_call(struct link_server *s)
{
    if (s->closing || s->n_calls == s->max_calls) {
        return NULL;
    }
    struct link_call *c = mem_alloc(sizeof(*c));
    c->server = s;
    if (nng_ctx_open(&c->ctx, s->socket) == 0) {
        if (nng_aio_alloc(&c->recv, on_received, c) == 0) {
            if (nng_aio_alloc(&c->send, on_replied, c) == 0) {
                s->calls[s->n_calls++] = c;
                s->receiving++;
                return c;
            }
            nng_aio_free(c->recv);
        }
        nng_ctx_close(c->ctx);
    }
    mem_free(c);
    return NULL;
}

static void receive_again(struct link_call *c)
{
    struct link_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    s->receiving++;
    pthread_mutex_unlock(&s->lock);
    if (!closing) {
        nng_ctx_recv(c->ctx, c->recv);
    }
}

static void on_received(void *arg)
{
    struct link_call *c = arg, *more = NULL;
    struct link_server *s = c->server;
    int rv = nng_aio_result(c->recv);
    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    if (--s->receiving == 0 && rv == 0) {
        more = add_call(s);
    }
    pthread_mutex_unlock(&s->lock);
    if (more) {
        nng_ctx_recv(more->ctx, more->recv);
    }
    if (rv != 0) {
        receive_again(c);
        return;
    }
    atomic_store(&s->last_ms, clock_mono_ms());
    c->in = nng_aio_get_msg(c->recv);
    nng_aio_set_msg(c->recv, NULL);
    s->on_request(s->arg, c, link_message_str(c->in));
}

static void on_replied(void *arg)
{
    struct link_call *c = arg;
    int rv = nng_aio_result(c->send);
    if (rv != 0) {
        nng_msg_free(nng_aio_get_msg(c->send));
        nng_aio_set_msg(c->send, NULL);
        if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
            return;
        }
    }
    receive_again(c);
}

void link_drop(struct link_call *c)
{
    nng_msg_free(c->in);
    c->in = NULL;
    receive_again(c);
}

void link_reply(struct link_call *c, struct str message)
{
    nng_msg *m = link_message_of(message);
    if (!m) {
        link_drop(c);
        return;
    }
    nng_msg_free(c->in);
    c->in = NULL;
    nng_aio_set_msg(c->send, m);
    nng_ctx_send(c->ctx, c->send);
}

struct link_server *link_listen_rep(const char *url, const struct link_tls *tls, unsigned max_calls,
                                    link_request_fn on_request, void *arg, struct error *err)
{
    struct link_server *s = mem_alloc(sizeof(*s));
    s->on_request = on_request;
    s->arg = arg;
    s->max_calls = max_calls ? max_calls : 1;
    s->calls = mem_alloc(s->max_calls * sizeof(struct link_call *));
    pthread_mutex_init(&s->lock, NULL);
    int rv = nng_rep0_open(&s->socket);
    if (rv != 0) {
        (void)link_fail(err, "cannot open a socket for", url, rv);
        goto failed;
    }
    if ((rv = nng_socket_set_size(s->socket, NNG_OPT_RECVMAXSZ, LINK_MAX_REQUEST)) != 0) {
        (void)link_fail(err, "cannot set up the socket for", url, rv);
        goto failed_open;
    }
    if (!listen_on(s->socket, url, tls, &s->port, err)) {
        goto failed_open;
    }
    for (unsigned i = 0; i < RECEIVERS_AT_START; i++) {
        pthread_mutex_lock(&s->lock);
        struct link_call *c = add_call(s);
        pthread_mutex_unlock(&s->lock);
        if (c) {
            nng_ctx_recv(c->ctx, c->recv);
        }
    }
    return s;
failed_open:
    nng_close(s->socket);
failed:
    pthread_mutex_destroy(&s->lock);
    mem_free(s->calls);
    mem_free(s);
    return NULL;
}

uint16_t link_server_port(const struct link_server *s)
{
    return s->port;
}

void link_server_close(struct link_server *s)
{
    if (!s) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_calls; i++) {
        nng_aio_stop(s->calls[i]->recv);
        nng_aio_stop(s->calls[i]->send);
    }
    link_wait_quiet(&s->last_ms);
    (void)link_close_socket(s->socket); /* nothing below is known to NNG any more */
    for (unsigned i = 0; i < s->n_calls; i++) {
        struct link_call *c = s->calls[i];
        nng_msg_free(nng_aio_get_msg(c->send)); /* a reply that came too late */
        nng_aio_free(c->recv);
        nng_aio_free(c->send);
        nng_msg_free(c->in);
        mem_free(c);
    }
    pthread_mutex_destroy(&s->lock);
    mem_free(s->calls);
    mem_free(s);
}

/* ---- server: announcements ---- */

struct link_pub *link_listen_pub(const char *url, const struct link_tls *tls, struct error *err)
{
    struct link_pub *p = mem_alloc(sizeof(*p));
    int rv = nng_pub0_open(&p->socket);
    if (rv != 0) {
        (void)link_fail(err, "cannot open a socket for", url, rv);
        mem_free(p);
        return NULL;
    }
    (void)nng_socket_set_size(p->socket, NNG_OPT_RECVMAXSZ, LINK_MAX_ANNOUNCE);
    if (!listen_on(p->socket, url, tls, &p->port, err)) {
        nng_close(p->socket);
        mem_free(p);
        return NULL;
    }
    return p;
}

uint16_t link_pub_port(const struct link_pub *p)
{
    return p->port;
}

void link_publish(struct link_pub *p, struct str message)
{
    link_send_or_drop(p->socket, link_message_of(message));
}

void link_pub_close(struct link_pub *p)
{
    if (p) {
        (void)link_close_socket(p->socket);
        mem_free(p);
    }
}

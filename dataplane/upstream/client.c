/* Calls: from sending a request to the end of its answer. The answer is parsed in the worker's
 * block as it comes; nothing of its body is kept. All errors go out by call_fail, behind the turn's
 * events, so upstream_send never calls back. */
#include "dataplane/upstream/client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/upstream/call.h"

#define SPARE_CALLS_MAX 256u
#define ATTEMPT_MIN_MS 50u /* per address, however many there are */
/* A pooled connection that ends without a byte of an answer was closed while it idled only if that
 * shows about a round trip after sending. Later, the provider may well have worked on the request,
 * and sending it again would be billed twice. */
#define STALE_WINDOW_MS 1000u

static void connect_next(struct upstream_call *c);
static void begin(struct upstream_call *c, bool pooled);

/* ---- ends ---- */

static void call_free(void *arg)
{
    struct upstream_call *c = arg;
    struct upstream *u = c->upstream;
    if (u->n_spare_calls == SPARE_CALLS_MAX) {
        loop_timer_free(c->timer);
        mem_free(c);
        return;
    }
    struct loop_timer *timer = c->timer;
    *c = (struct upstream_call){.upstream = u, .timer = timer};
    list_init(&c->waiter.node);
    list_push_front(&u->spare_calls, &c->node);
    u->n_spare_calls++;
}

/* The one door out. The connection has been parked, or is closed here. */
static void call_over(struct upstream_call *c)
{
    if (c->over) {
        return;
    }
    c->over = true;
    loop_timer_cancel(c->timer);
    resolver_forget(&c->waiter);
    if (c->peer) {
        peer_close(c->peer);
    }
    buffer_release(&c->in);
    list_remove(&c->node);
    pool_unref(c->origin);
    c->origin = NULL;
    loop_defer(c->upstream->loop, call_free, c);
}

static void tell_error(void *arg)
{
    struct upstream_call *c = arg;
    if (c->over) {
        return; /* cancelled meanwhile */
    }
    struct error err = c->error;
    call_over(c);
    c->ops->on_error(c->arg, &err);
}

void call_fail(struct upstream_call *c, enum error_code code, const char *what)
{
    if (c->over || c->error.code != ERR_NONE) {
        return;
    }
    (void)error_set(&c->error, code, "provider \"%s:%u\": %s", c->origin->host,
                    (unsigned)c->origin->port, what);
    loop_timer_cancel(c->timer);
    resolver_forget(&c->waiter);
    if (c->peer) {
        peer_close(c->peer);
    }
    loop_defer(c->upstream->loop, tell_error, c);
}

void call_done(struct upstream_call *c, bool clean)
{
    struct peer *l = c->peer;
    bool all_written = c->written == c->head.len + c->body.len;
    if (clean && all_written && c->keep_alive && !stream_pending(&l->stream)) {
        c->peer = NULL;
        peer_park(l);
    }
    call_over(c);
    c->ops->on_end(c->arg);
}

/* The provider has read the request to its end and then closed in good order: it may have worked on
 * it. A connection that it closed while it idled is told apart by what TCP knows: either our bytes
 * were not acknowledged, or they were answered with a reset. */
static bool request_was_read(const struct upstream_call *c)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    int unsent = 0;
    int fd = c->peer->stream.fd;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_state == TCP_CLOSE_WAIT && ioctl(fd, SIOCOUTQ, &unsent) == 0 && unsent == 0 &&
           c->written == c->head.len + c->body.len;
}

/* The connection ended, or failed, before the answer did. */
void call_cut(struct upstream_call *c)
{
    struct peer *l = c->peer;
    bool at_once = loop_now_ms(c->upstream->loop) - c->sent_ms <= STALE_WINDOW_MS;
    if (l->reused && !c->got_any && !c->retried && at_once && !request_was_read(c)) {
        peer_close(l);
        c->retried = true;
        begin(c, false);
        return;
    }
    call_fail(c, ERR_UPSTREAM_CLOSED,
              c->head_done ? "closed the connection within an answer"
                           : "closed the connection before an answer");
}

/* ---- the request ---- */

/* False: the connection does not take it. */
static bool write_request(struct upstream_call *c)
{
    struct peer *l = c->peer;
    struct iovec iov[2];
    unsigned n = 0;
    size_t total = c->head.len + c->body.len;
    if (c->written < c->head.len) {
        iov[n++] =
            (struct iovec){(void *)(size_t)(c->head.ptr + c->written), c->head.len - c->written};
    }
    size_t skip = c->written > c->head.len ? c->written - c->head.len : 0;
    if (c->body.len > skip) {
        iov[n++] = (struct iovec){(void *)(size_t)(c->body.ptr + skip), c->body.len - skip};
    }
    long sent = stream_send(&l->stream, iov, n);
    if (sent == STREAM_FAILED) {
        return false;
    }
    if (sent > 0) {
        if (c->written == 0) {
            c->sent_ms = loop_now_ms(c->upstream->loop);
        }
        c->written += (size_t)sent;
        c->sent_any = true;
    }
    bool more = c->written < total;
    l->wants_read = sent == STREAM_WANT_READ;
    l->wants_write = more && !l->wants_read;
    peer_interest(l);
    return true;
}

void call_writable(struct upstream_call *c)
{
    c->peer->wants_write = false;
    if (c->write_failed || c->written == c->head.len + c->body.len) {
        peer_interest(c->peer); /* it was a TLS read that wanted to write */
        return;
    }
    if (!write_request(c)) {
        /* the provider may have answered (413, say) before it closed: read to the end */
        c->write_failed = true;
        c->peer->wants_read = c->peer->wants_write = false;
        peer_interest(c->peer);
    }
}

void call_connected(struct upstream_call *c)
{
    c->origin->preferred = c->next_address ? c->next_address - 1 : 0;
    call_writable(c);
}

/* ---- connecting ---- */

void call_connect_failed(struct upstream_call *c, enum error_code code, const char *why)
{
    if (c->tried < c->addresses.n && loop_now_ms(c->upstream->loop) < c->connect_by_ms) {
        connect_next(c);
        return;
    }
    call_fail(c, code, why);
}

static void connect_next(struct upstream_call *c)
{
    uint64_t now = loop_now_ms(c->upstream->loop);
    while (c->tried < c->addresses.n) {
        unsigned i = c->next_address % c->addresses.n;
        c->next_address = i + 1;
        unsigned rest = c->addresses.n - c->tried++;
        uint64_t left = c->connect_by_ms > now ? c->connect_by_ms - now : 0;
        uint64_t share = left / rest > ATTEMPT_MIN_MS ? left / rest : ATTEMPT_MIN_MS;
        c->peer = peer_connect(c, &c->addresses.v[i], share);
        if (c->peer) {
            return;
        }
        c->connect_errno = errno;
    }
    call_fail(c, ERR_UPSTREAM_REFUSED, strerrordesc_np(c->connect_errno));
}

static void on_resolved(void *arg, const struct addresses *a)
{
    struct upstream_call *c = arg;
    loop_timer_cancel(c->timer);
    if (c->head_deadline_ms) {
        /* the timer was lent to the look-up; what that took is part of the deadline */
        uint64_t now = loop_now_ms(c->upstream->loop);
        uint64_t began = c->connect_by_ms - c->upstream->limits.connect_timeout_ms;
        uint64_t spent = now - began;
        loop_timer_set(c->timer, c->head_deadline_ms > spent ? c->head_deadline_ms - spent : 0);
    }
    c->addresses = *a;
    c->tried = 0;
    c->next_address = a->n ? c->origin->preferred % a->n : 0;
    if (a->n == 0) {
        call_fail(c, ERR_UPSTREAM_REFUSED, "name could not be resolved");
        return;
    }
    connect_next(c);
}

static void connect_begin(struct upstream_call *c)
{
    struct upstream *u = c->upstream;
    struct addresses a;
    struct str host = str_of(c->origin->host);
    c->connect_by_ms = loop_now_ms(u->loop) + u->limits.connect_timeout_ms;
    c->waiter.fn = on_resolved;
    c->waiter.arg = c;
    if (resolver_ask(u->resolver, host, &a, &c->waiter)) {
        c->addresses = a;
        c->tried = 0;
        c->next_address = a.n ? c->origin->preferred % a.n : 0;
        if (a.n == 0) {
            call_fail(c, ERR_UPSTREAM_REFUSED, "name could not be resolved");
        } else {
            connect_next(c);
        }
        return;
    }
    if (!c->head_deadline_ms || c->head_deadline_ms > u->limits.connect_timeout_ms) {
        loop_timer_set(c->timer, u->limits.connect_timeout_ms);
    }
}

/* On an idle connection if there is one that takes the request, else on a new one. */
static void begin(struct upstream_call *c, bool pooled)
{
    struct peer *l;
    c->written = 0;
    c->write_failed = false;
    while (pooled && (l = pool_take(c->origin))) {
        loop_timer_cancel(l->timer);
        l->state = PEER_BUSY;
        l->call = c;
        c->peer = l;
        if (write_request(c)) {
            return;
        }
        c->written = 0;
        peer_close(l); /* closed by the provider since; nothing of the request has got out */
    }
    connect_begin(c);
}

/* ---- the interface ---- */

static void on_deadline(void *arg)
{
    struct upstream_call *c = arg;
    const char *what = "answer did not begin in time";
    if (c->head_done) {
        what = "answer stalled";
    } else if (!c->peer) {
        what = "name was not resolved in time";
    }
    call_fail(c, ERR_UPSTREAM_TIMEOUT, what);
}

static struct upstream_call *call_new(struct upstream *u)
{
    struct list *n = list_pop_front(&u->spare_calls);
    struct upstream_call *c;
    if (n) {
        u->n_spare_calls--;
        c = LIST_ENTRY(n, struct upstream_call, node);
    } else {
        c = mem_alloc(sizeof(*c));
        c->upstream = u;
        c->timer = loop_timer_new(u->loop, on_deadline, c);
        list_init(&c->waiter.node);
    }
    list_push_back(&u->calls, &c->node);
    return c;
}

struct upstream_call *upstream_send(struct upstream *u, const struct upstream_origin *o,
                                    struct str head, struct str body, unsigned head_deadline_ms,
                                    unsigned gap_deadline_ms, const struct upstream_ops *ops,
                                    void *arg)
{
    static const struct upstream_origin nowhere = {.host = {"?", 1}};
    struct upstream_call *c = call_new(u);
    struct origin *origin = pool_origin(u, o);
    c->origin = origin ? origin : pool_origin(u, &nowhere);
    c->head = head;
    c->body = body;
    c->ops = ops;
    c->arg = arg;
    c->head_deadline_ms = head_deadline_ms;
    c->gap_deadline_ms = gap_deadline_ms;
    c->is_head = str_starts(head, STR_LIT("HEAD "));
    if (!origin) {
        call_fail(c, ERR_UPSTREAM_REFUSED, "invalid host");
        return c;
    }
    if (head_deadline_ms) {
        loop_timer_set(c->timer, head_deadline_ms);
    }
    begin(c, true);
    return c;
}

void upstream_pause(struct upstream_call *c)
{
    if (c->over || c->paused) {
        return;
    }
    c->paused = true;
    if (c->head_done) {
        loop_timer_cancel(c->timer); /* it is us who wait now */
    }
    if (c->peer) {
        peer_interest(c->peer);
    }
}

static void read_on(void *arg)
{
    struct upstream_call *c = arg;
    if (call_running(c) && !c->paused && stream_pending(&c->peer->stream)) {
        call_readable(c);
    }
}

void upstream_resume(struct upstream_call *c)
{
    if (c->over || !c->paused) {
        return;
    }
    c->paused = false;
    if (!call_running(c)) {
        return;
    }
    peer_interest(c->peer);
    if (c->head_done) {
        call_set_gap_deadline(c);
    }
    if (stream_pending(&c->peer->stream)) {
        loop_defer(c->upstream->loop, read_on, c); /* freed behind this, at the earliest */
    }
}

void upstream_cancel(struct upstream_call *c)
{
    call_over(c);
}

bool upstream_sent(const struct upstream_call *c)
{
    return c->sent_any;
}

struct upstream *upstream_new(struct loop *l, const struct upstream_limits *limits,
                              struct tls_context *client_tls)
{
    struct upstream *u = mem_alloc(sizeof(*u));
    u->loop = l;
    if (limits) {
        u->limits = *limits;
    }
    if (!u->limits.connect_timeout_ms) {
        u->limits.connect_timeout_ms = 5000;
    }
    if (!u->limits.idle_timeout_ms) {
        u->limits.idle_timeout_ms = 55000;
    }
    if (!u->limits.max_idle_per_origin) {
        u->limits.max_idle_per_origin = 256;
    }
    if (!u->limits.max_head_bytes) {
        u->limits.max_head_bytes = 65536;
    }
    u->tls = client_tls ? tls_context_ref(client_tls) : NULL;
    u->resolver = resolver_new(l, NULL);
    u->origins = map_new();
    list_init(&u->calls);
    list_init(&u->spare_calls);
    u->scratch = block_take(&u->blocks);
    return u;
}

void upstream_close_idle(struct upstream *u)
{
    pool_close_idle(u);
}

/* Behind everything that was deferred before. */
static void upstream_release(void *arg)
{
    struct upstream *u = arg;
    struct list *n;
    while ((n = list_pop_front(&u->spare_calls))) {
        struct upstream_call *c = LIST_ENTRY(n, struct upstream_call, node);
        loop_timer_free(c->timer);
        mem_free(c);
    }
    map_free(u->origins);
    block_give(&u->blocks, u->scratch);
    block_pool_release(&u->blocks);
    if (u->tls) {
        tls_context_unref(u->tls);
    }
    mem_free(u);
}

void upstream_free(struct upstream *u)
{
    if (!u) {
        return;
    }
    while (!list_empty(&u->calls)) {
        call_over(LIST_ENTRY(u->calls.next, struct upstream_call, node));
    }
    pool_close_idle(u);
    resolver_free(u->resolver);
    u->resolver = NULL;
    loop_defer(u->loop, upstream_release, u);
}

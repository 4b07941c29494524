/* A listening socket of one worker, and what its connections share. */
#include "dataplane/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/tls.h"
#include "dataplane/net/conn.h"
#include "dataplane/net/http2.h"

#define BACKLOG 4096
#define ACCEPT_BATCH 64u       /* then other events get their turn */
#define RETRY_MS 100u          /* out of descriptors or memory */
#define SPARE_BYTES_MAX 65536u /* larger buffers go back to the heap */

struct listener {
    struct conn_shared shared; /* first member: lent to connections */
    struct tls_context *tls;
    unsigned max_connections;
    int fd;
    int reserve; /* a descriptor to give up when there are no others left */
    uint16_t port;
    struct loop_io *io;
    struct loop_timer *retry;
    bool dead; /* freed with its last connection */
};

/* ---- what conn.c borrows ---- */

void conn_buffer_take(struct conn_shared *s, struct buffer *b, size_t max_bytes)
{
    buffer_init(b, max_bytes);
    if (s->n_spare_buffers) {
        *b = s->spare_buffers[--s->n_spare_buffers];
        b->max = max_bytes;
    }
}

void conn_buffer_give(struct conn_shared *s, struct buffer *b)
{
    size_t room = sizeof(s->spare_buffers) / sizeof(s->spare_buffers[0]);
    if (!b->ptr || b->cap > SPARE_BYTES_MAX || s->n_spare_buffers == room) {
        buffer_release(b);
        return;
    }
    buffer_clear(b);
    s->spare_buffers[s->n_spare_buffers++] = *b;
    buffer_init(b, 0);
}

/* ---- accepting ---- */

static void accept_pause(struct listener *s, bool paused)
{
    s->shared.wants_room = paused;
    if (s->io) {
        loop_io_set(s->io, paused ? 0 : LOOP_READ);
    }
}

static struct conn *idle_http2(struct listener *s)
{
    const struct list *http2 = &s->shared.lists[CONN_HTTP2];
    for (struct list *n = http2->next; n != http2; n = n->next) {
        struct conn *c = LIST_ENTRY(n, struct conn, node);
        if (http2_idle(c)) {
            return c;
        }
    }
    return NULL;
}

static bool close_oldest_idle(struct listener *s)
{
    const struct list *idle = &s->shared.lists[CONN_IDLE];
    for (struct list *n = idle->next; n != idle; n = n->next) {
        struct conn *c = LIST_ENTRY(n, struct conn, node);
        if (!c->resuming) { /* else its next request is here already */
            conn_close(c);
            return true;
        }
    }
    struct conn *c = idle_http2(s);
    if (c) {
        conn_close(c);
    }
    return c != NULL;
}

/* No descriptor is left: an idle connection makes room, else the reserve lets us tell the caller by
 * closing. */
static void out_of_descriptors(struct listener *s)
{
    if (close_oldest_idle(s)) {
        return;
    }
    (void)close(s->reserve);
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        (void)close(fd);
    }
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    accept_pause(s, true);
    loop_timer_set(s->retry, RETRY_MS);
}

static void take(struct listener *s, int fd, const void *addr, size_t addr_len)
{
    struct tls *tls = NULL;
    if (s->tls && !(tls = tls_accept_new(s->tls, fd))) {
        (void)close(fd);
        return;
    }
    (void)conn_new(&s->shared, fd, tls, addr, addr_len);
}

static void accept_some(struct listener *s)
{
    for (unsigned i = 0; i < ACCEPT_BATCH && s->fd >= 0; i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof(addr);
        bool full = s->shared.n_conns >= s->max_connections;
        if (full && list_empty(&s->shared.lists[CONN_IDLE]) && !idle_http2(s)) {
            accept_pause(s, true); /* until there is room */
            return;
        }
        int fd = accept4(s->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (full) {
                (void)close_oldest_idle(s);
            }
            take(s, fd, &addr, len);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE) {
            out_of_descriptors(s);
            return;
        }
        if (errno == ENOBUFS || errno == ENOMEM) {
            accept_pause(s, true);
            loop_timer_set(s->retry, RETRY_MS);
            return;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINVAL || errno == EBADF) {
            return;
        }
        /* else that one connection had failed already: on to the next */
    }
}

static void on_io(void *arg, int fd, unsigned what)
{
    (void)fd;
    (void)what;
    accept_some(arg);
}

static void on_retry(void *arg)
{
    accept_pause(arg, false);
}

static void listener_release(void *arg)
{
    struct listener *s = arg;
    struct conn_shared *c = &s->shared;
    while (c->spare_exchanges) {
        struct exchange *x = c->spare_exchanges;
        c->spare_exchanges = x->next_spare;
        mem_free(x->headers);
        mem_free(x->store);
        mem_free(x);
    }
    while (c->n_spare_buffers) {
        buffer_release(&c->spare_buffers[--c->n_spare_buffers]);
    }
    block_give(&c->blocks, c->scratch);
    block_pool_release(&c->blocks);
    mem_free(s);
}

static void on_room(void *arg)
{
    struct listener *s = arg;
    if (!s->dead) {
        accept_pause(s, false);
    } else if (s->shared.n_conns == 0) {
        listener_release(s);
    }
}

/* ---- opening ---- */

/* "host:port" or "[v6]:port" to a list of addresses; freed with freeaddrinfo. */
static struct addrinfo *look_up(const char *address, struct error *err)
{
    const char *colon = strrchr(address, ':');
    char host[256];
    size_t len = colon ? (size_t)(colon - address) : 0;
    const char *from = address;
    if (len > 2 && address[0] == '[' && address[len - 1] == ']') {
        from++;
        len -= 2;
    }
    uint64_t port;
    if (!colon || len >= sizeof(host) || !str_to_u64(str_of(colon + 1), &port) || port > 65535) {
        (void)error_set(err, ERR_INVALID_FIELD, "address \"%s\" is not host:port", address);
        return NULL;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(len ? host : NULL, colon + 1, &hints, &list);
    if (rc != 0) {
        (void)error_set(err, ERR_INVALID_FIELD, "address \"%s\": %s", address, gai_strerror(rc));
        return NULL;
    }
    return list;
}

static bool set_on(int fd, int level, int option)
{
    int one = 1;
    return setsockopt(fd, level, option, &one, sizeof(one)) == 0;
}

/* A bound socket, -1 on failure with errno set. */
static int bind_to(const struct addrinfo *a, bool shared)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* accepted sockets inherit NODELAY */
    bool ok = set_on(fd, SOL_SOCKET, SO_REUSEADDR) && set_on(fd, IPPROTO_TCP, TCP_NODELAY) &&
              (!shared || set_on(fd, SOL_SOCKET, SO_REUSEPORT)) &&
              (a->ai_family != AF_INET6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) &&
              bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static int open_at(const char *address, bool shared, struct error *err)
{
    struct addrinfo *list = look_up(address, err);
    if (!list) {
        return -1;
    }
    int fd = bind_to(list, shared);
    if (fd < 0) {
        (void)error_set(err, errno == EADDRINUSE ? ERR_CONFLICT : ERR_INVALID_FIELD,
                        "cannot listen on \"%s\": %s", address, strerrordesc_np(errno));
    }
    freeaddrinfo(list);
    return fd;
}

bool listener_port_free(const char *address, struct error *err)
{
    int fd = open_at(address, false, err);
    if (fd < 0) {
        return false;
    }
    (void)close(fd);
    return true;
}

static void use_default(unsigned *v, unsigned fallback)
{
    *v = *v ? *v : fallback;
}

static void set_defaults(struct exchange_limits *l)
{
    l->max_head_bytes = l->max_head_bytes ? l->max_head_bytes : 65536;
    l->max_body_bytes = l->max_body_bytes ? l->max_body_bytes : 64u * 1024 * 1024;
    use_default(&l->head_timeout_ms, 15000);
    use_default(&l->body_timeout_ms, 30000);
    use_default(&l->idle_timeout_ms, 75000);
    use_default(&l->write_timeout_ms, 120000);
}

struct listener *listener_new(struct loop *l, const struct listener_config *c, struct error *err)
{
    int fd = open_at(c->address, true, err);
    if (fd < 0) {
        return NULL;
    }
    struct listener *s = mem_alloc(sizeof(*s));
    struct conn_shared *sh = &s->shared;
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);
    s->fd = fd;
    s->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0) {
        s->port = ntohs(addr.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&addr)->sin6_port
                                                   : ((struct sockaddr_in *)&addr)->sin_port);
    }
    s->tls = c->tls ? tls_context_ref(c->tls) : NULL;
    s->max_connections = c->max_connections ? c->max_connections : 100000;
    sh->loop = l;
    sh->limits = c->limits;
    set_defaults(&sh->limits);
    sh->handler = c->handler;
    for (unsigned i = 0; i < CONN_STATE_COUNT; i++) {
        list_init(&sh->lists[i]);
    }
    sh->scratch = block_take(&sh->blocks);
    sh->on_room = on_room;
    sh->arg = s;
    s->io = loop_io_new(l, fd, on_io, s);
    s->retry = loop_timer_new(l, on_retry, s);
    loop_io_set(s->io, LOOP_READ);
    return s;
}

uint16_t listener_port(const struct listener *s)
{
    return s->port;
}

void listener_set_tls(struct listener *s, struct tls_context *tls)
{
    struct tls_context *old = s->tls;
    s->tls = tls ? tls_context_ref(tls) : NULL;
    if (old) {
        tls_context_unref(old);
    }
}

unsigned listener_connections(const struct listener *s)
{
    return s->shared.n_conns;
}

static void stop_accepting(struct listener *s)
{
    loop_io_free(s->io);
    s->io = NULL;
    loop_timer_free(s->retry);
    s->retry = NULL;
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
    if (s->reserve >= 0) {
        (void)close(s->reserve);
        s->reserve = -1;
    }
}

/* Walks a list whose members may leave it, or close, on the way: each is visited once. */
static void for_each(struct listener *s, enum conn_state state, void (*fn)(struct conn *c))
{
    struct list *from = &s->shared.lists[state];
    struct list todo;
    struct list *n;
    list_init(&todo);
    while ((n = list_pop_front(from))) {
        list_push_back(&todo, n);
    }
    while ((n = list_pop_front(&todo))) {
        list_push_back(from, n);
        fn(LIST_ENTRY(n, struct conn, node));
    }
}

void listener_drain(struct listener *s)
{
    if (s->shared.draining) {
        return;
    }
    if (s->io) {
        accept_some(s); /* who stands in the queue has connected already */
    }
    s->shared.draining = true;
    stop_accepting(s);
    for_each(s, CONN_HANDSHAKE, conn_drain);
    for_each(s, CONN_IDLE, conn_drain);
    for_each(s, CONN_HTTP2, conn_drain);
}

static void lose(struct conn *c)
{
    conn_lost(c, false);
}

void listener_free(struct listener *s)
{
    if (!s) {
        return;
    }
    s->shared.draining = true;
    stop_accepting(s);
    for (unsigned i = 0; i < CONN_CLOSED; i++) {
        for_each(s, (enum conn_state)i, i == CONN_HEAD || i == CONN_BODY ? conn_abandon : lose);
    }
    if (s->tls) {
        tls_context_unref(s->tls);
        s->tls = NULL;
    }
    s->dead = true;
    s->shared.wants_room = true;
    if (s->shared.n_conns == 0) {
        listener_release(s);
    }
}

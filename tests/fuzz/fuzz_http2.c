/* An HTTP/2 connection from the client's bytes to the handler's answers, over a socket pair and a
 * loop that is driven by hand. The first byte says how the handler answers, the second how the
 * bytes are split and how the connection ends; the rest follows the client's preface. Whatever
 * comes, every exchange is told of its end once, and nothing is left behind. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/net/conn.h"
#include "dataplane/net/http2.h"

#define HELD_MAX 1024u
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* ---- time ---- */

static uint64_t now_ns = 1000000000u;

static uint64_t monotonic(void)
{
    return now_ns;
}

static uint64_t wall(void)
{
    return now_ns + 1700000000000000000u;
}

/* ---- the layer above ---- */

enum { AT_ONCE, STREAMED, HELD, BROKEN, LARGE, ENDLESS };

static struct world {
    struct held {
        struct exchange *x;
        unsigned way;
        bool gone;
    } held[HELD_MAX];
    unsigned n, ways;
} world;

static char page[65536];

static void on_gone(void *arg)
{
    struct held *h = arg;
    must(h->x && !h->gone);
    h->gone = true;
}

static void answer(struct exchange *x, unsigned way)
{
    struct header header = {STR_LIT("X-Kind"), STR_LIT("fuzz")};
    switch (way) {
    case STREAMED:
        exchange_start(x, 200, &header, 1, -1, true);
        (void)exchange_send(x, STR_LIT("data: one\n\n"));
        exchange_end(x);
        break;
    case BROKEN:
        exchange_start(x, 200, &header, 1, 100, true);
        (void)exchange_send(x, STR_LIT("half"));
        exchange_abort(x);
        break;
    case LARGE:
        exchange_reply(x, 200, &header, 1, (struct str){page, sizeof(page)});
        break;
    default:
        exchange_reply(x, 204, &header, 1, STR_LIT(""));
        break;
    }
}

static void on_request(void *arg, struct exchange *x)
{
    const struct request_head *head = exchange_head(x);
    (void)arg;
    must(head->path.len > 0 && exchange_body(x).len <= 65536);
    must(exchange_header(x, "host").ptr != NULL);
    unsigned way = (world.ways + head->path.len) % (ENDLESS + 1);
    if ((way != HELD && way != ENDLESS) || world.n == HELD_MAX) {
        answer(x, way);
        return;
    }
    struct held *h = &world.held[world.n++];
    *h = (struct held){.x = x, .way = way};
    exchange_on_gone(x, on_gone, h);
    if (way == ENDLESS) {
        exchange_start(x, 200, NULL, 0, -1, true);
    }
}

static void on_bad(void *arg, struct exchange *x, const struct error *err)
{
    (void)arg;
    must(err->code != ERR_NONE);
    exchange_reply(x, error_status(err->code), NULL, 0, str_of(error_text(err)));
}

/* What waits goes on; `all`: ends. */
static void go_on(bool all)
{
    for (unsigned i = 0; i < world.n; i++) {
        struct held *h = &world.held[i];
        if (!h->x) {
            continue;
        }
        if (h->gone) {
            exchange_end(h->x);
            h->x = NULL;
        } else if (all) {
            answer(h->x, h->way == ENDLESS ? BROKEN : STREAMED);
            h->x = NULL;
        } else if (h->way == ENDLESS) {
            (void)exchange_send(h->x, (struct str){page, 3000});
        }
    }
}

/* ---- the connection ---- */

static void on_room(void *arg)
{
    (void)arg;
}

static struct conn_shared *shared_new(struct loop *loop)
{
    struct conn_shared *s = mem_alloc(sizeof(*s));
    s->loop = loop;
    s->limits = (struct exchange_limits){.max_head_bytes = 4096,
                                         .max_body_bytes = 65536,
                                         .head_timeout_ms = 15000,
                                         .body_timeout_ms = 30000,
                                         .idle_timeout_ms = 75000,
                                         .write_timeout_ms = 120000};
    s->handler = (struct exchange_handler){on_request, on_bad, NULL};
    for (unsigned i = 0; i < CONN_STATE_COUNT; i++) {
        list_init(&s->lists[i]);
    }
    s->scratch = block_take(&s->blocks);
    s->on_room = on_room;
    return s;
}

static void shared_free(struct conn_shared *s)
{
    while (s->spare_exchanges) {
        struct exchange *x = s->spare_exchanges;
        s->spare_exchanges = x->next_spare;
        mem_free(x->headers);
        mem_free(x->store);
        mem_free(x);
    }
    while (s->n_spare_buffers) {
        buffer_release(&s->spare_buffers[--s->n_spare_buffers]);
    }
    block_give(&s->blocks, s->scratch);
    block_pool_release(&s->blocks);
    mem_free(s);
}

static void swallow(int fd)
{
    char buf[16384];
    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
    }
}

static void turns(struct loop *loop, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        loop_turn(loop, 0);
    }
}

static void feed(struct loop *loop, int fd, const uint8_t *p, size_t n, unsigned how)
{
    size_t step = how & 1 ? 1 + (how >> 4) * 7 : 4096;
    while (n > 0) {
        size_t piece = n < step ? n : step;
        if (send(fd, p, piece, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)piece) {
            return;
        }
        p += piece;
        n -= piece;
        turns(loop, 1);
        go_on(false);
        if (!(how & 2)) { /* else a client that reads nothing */
            swallow(fd);
        }
        if (how & 4) {
            now_ns += 1100000000u;
        }
    }
}

static void finish(struct loop *loop, struct conn_shared *s, int *fd, unsigned how)
{
    turns(loop, 2);
    struct list *n = s->lists[CONN_HTTP2].next; /* these turns may have freed the connection */
    if ((how & 8) && n != &s->lists[CONN_HTTP2]) {
        s->draining = true;
        conn_drain(LIST_ENTRY(n, struct conn, node));
        turns(loop, 2);
    }
    if (how & 16) {
        go_on(true);
        turns(loop, 2);
    }
    if (how & 32) { /* nothing more comes: deadlines */
        for (unsigned i = 0; i < 8; i++) {
            now_ns += 40000000000u;
            turns(loop, 3);
            go_on(false);
        }
    }
    (void)close(*fd);
    for (unsigned i = 0; i < 4 && s->n_conns > 0; i++) {
        turns(loop, 2);
        go_on(false);
    }
    go_on(true);
    turns(loop, 4);
    must(s->n_conns == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    struct sockaddr_in addr = {.sin_family = AF_INET};
    if (size < 2 || size > 65536) {
        return 0;
    }
    clock_set_source(monotonic, wall);
    struct loop *loop = loop_new();
    struct conn_shared *s = shared_new(loop);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    world.n = 0;
    world.ways = data[0];
    (void)conn_new(s, fds[0], NULL, &addr, sizeof(addr));
    feed(loop, fds[1], (const uint8_t *)PREFACE, sizeof(PREFACE) - 1, data[1] & 1);
    feed(loop, fds[1], data + 2, size - 2, data[1]);
    finish(loop, s, &fds[1], data[1]);
    loop_free(loop);
    shared_free(s);
    clock_set_source(NULL, NULL);
    return 0;
}

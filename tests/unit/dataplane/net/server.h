/* A listener whose handler the tests of net/ steer: it answers at once, or holds the exchange. */
#ifndef TESTS_UNIT_DATAPLANE_NET_SERVER_H
#define TESTS_UNIT_DATAPLANE_NET_SERVER_H

#include "dataplane/net/rig.h"

#include "dataplane/net/conn.h"

struct server {
    struct loop *loop;
    struct listener *listener;
    uint16_t port;
    struct exchange *held; /* outstanding, when `hold` */
    bool hold;
    unsigned requests, bad, gone, drains;
    enum error_code bad_code;
    char bad_path[64];
    struct buffer last_body;
    char last_path[128];
};

static void on_gone(void *arg)
{
    struct server *s = arg;
    s->gone++;
    exchange_end(s->held);
    s->held = NULL;
}

static void on_drain(void *arg)
{
    struct server *s = arg;
    s->drains++;
}

static void on_request(void *arg, struct exchange *x)
{
    struct server *s = arg;
    const struct request_head *h = exchange_head(x);
    s->requests++;
    buffer_clear(&s->last_body);
    assert_true(buffer_append_str(&s->last_body, exchange_body(x)));
    (void)snprintf(s->last_path, sizeof(s->last_path), "%.*s", STR_ARG(h->path));
    if (s->hold) {
        assert_null(s->held);
        s->held = x;
        exchange_on_gone(x, on_gone, s);
        exchange_on_drain(x, on_drain, s);
        return;
    }
    char text[200];
    int n = snprintf(text, sizeof(text), "<%.*s %zu>", STR_ARG(h->path), exchange_body(x).len);
    struct header type = {STR_LIT("content-type"), STR_LIT("text/plain")};
    exchange_reply(x, 200, &type, 1, (struct str){text, (size_t)n});
}

static void on_bad(void *arg, struct exchange *x, const struct error *err)
{
    struct server *s = arg;
    s->bad++;
    s->bad_code = err->code;
    (void)snprintf(s->bad_path, sizeof(s->bad_path), "%.*s", STR_ARG(exchange_head(x)->path));
    exchange_reply(x, error_status(err->code), NULL, 0, str_of(error_text(err)));
}

static inline struct server *server_new(const struct exchange_limits *limits,
                                        unsigned max_connections)
{
    struct server *s = mem_alloc(sizeof(*s));
    struct error err = ERROR_INIT;
    clock_set_source(rig_clock, rig_wall);
    s->loop = loop_new();
    buffer_init(&s->last_body, 1u << 27);
    struct listener_config c = {.address = "127.0.0.1:0",
                                .max_connections = max_connections,
                                .handler = {on_request, on_bad, s}};
    if (limits) {
        c.limits = *limits;
    }
    s->listener = listener_new(s->loop, &c, &err);
    assert_non_null(s->listener);
    s->port = listener_port(s->listener);
    return s;
}

static inline void server_free(struct server *s)
{
    listener_free(s->listener);
    assert_null(s->held);
    loop_free(s->loop);
    buffer_release(&s->last_body);
    mem_free(s);
    clock_set_source(NULL, NULL);
}

static inline struct buffer in_new(void)
{
    struct buffer b;
    buffer_init(&b, 1u << 27);
    return b;
}

static const char get_a[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

#endif

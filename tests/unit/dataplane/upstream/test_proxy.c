/* Both halves together: a client, a listener whose handler passes requests on through the upstream
 * client, and a provider; all of it over real sockets. What is promised here is what only the whole
 * can keep: bounded memory, order, cancellation. */
#include "dataplane/net/rig.h"

#include "dataplane/net/conn.h"
#include "dataplane/upstream/client.h"

struct proxy {
    struct loop *loop;
    struct listener *listener;
    struct upstream *up;
    struct upstream_origin origin;
    int provider; /* listening */
    struct exchange *x;
    struct upstream_call *call;
    struct buffer head; /* of the request sent on */
    unsigned pauses, gone, requests, errors;
    size_t most_queued;
};

static void on_drain(void *arg)
{
    struct proxy *p = arg;
    if (p->call) {
        upstream_resume(p->call);
    }
}

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct proxy *p = arg;
    exchange_start(p->x, a->status, a->headers, a->n_headers, a->content_length, false);
}

static void on_data(void *arg, struct str piece)
{
    struct proxy *p = arg;
    if (!exchange_send(p->x, piece)) {
        upstream_pause(p->call);
        p->pauses++;
    }
    size_t queued = conn_queued(p->x->conn);
    p->most_queued = queued > p->most_queued ? queued : p->most_queued;
}

static void on_end(void *arg)
{
    struct proxy *p = arg;
    p->call = NULL;
    exchange_end(p->x);
    p->x = NULL;
}

static void on_error(void *arg, const struct error *err)
{
    struct proxy *p = arg;
    p->errors++;
    p->call = NULL;
    if (exchange_started(p->x)) {
        exchange_abort(p->x);
    } else {
        exchange_reply(p->x, error_status(err->code), NULL, 0, str_of(error_code_name(err->code)));
    }
    p->x = NULL;
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

static void on_gone(void *arg)
{
    struct proxy *p = arg;
    p->gone++;
    if (p->call) {
        upstream_cancel(p->call);
        p->call = NULL;
    }
    exchange_end(p->x);
    p->x = NULL;
}

static void on_request(void *arg, struct exchange *x)
{
    struct proxy *p = arg;
    assert_null(p->x);
    p->requests++;
    p->x = x;
    exchange_on_gone(x, on_gone, p);
    exchange_on_drain(x, on_drain, p);
    buffer_clear(&p->head);
    assert_true(buffer_printf(&p->head,
                              "%.*s %.*s HTTP/1.1\r\nhost: p\r\ncontent-length: %zu\r\n\r\n",
                              STR_ARG(exchange_head(x)->method), STR_ARG(exchange_head(x)->target),
                              exchange_body(x).len));
    p->call = upstream_send(p->up, &p->origin, buffer_str(&p->head), exchange_body(x), 60000, 60000,
                            &ops, p);
}

static void on_bad(void *arg, struct exchange *x, const struct error *err)
{
    (void)arg;
    exchange_reply(x, error_status(err->code), NULL, 0, STR_LIT(""));
}

static struct proxy *proxy_new(void)
{
    struct proxy *p = mem_alloc(sizeof(*p));
    struct error err = ERROR_INIT;
    clock_set_source(rig_clock, rig_wall);
    p->loop = loop_new();
    p->up = upstream_new(p->loop, NULL, NULL);
    p->provider = rig_listen(&p->origin.port);
    p->origin.host = STR_LIT("127.0.0.1");
    buffer_init(&p->head, 65536);
    struct listener_config c = {.address = "127.0.0.1:0", .handler = {on_request, on_bad, p}};
    p->listener = listener_new(p->loop, &c, &err);
    assert_non_null(p->listener);
    return p;
}

static void proxy_free(struct proxy *p)
{
    listener_free(p->listener);
    upstream_free(p->up);
    loop_free(p->loop);
    (void)close(p->provider);
    buffer_release(&p->head);
    mem_free(p);
    clock_set_source(NULL, NULL);
}

static struct buffer in_new(void)
{
    struct buffer b;
    buffer_init(&b, 1u << 27);
    return b;
}

static const char post[] = "POST /v1/x?y HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\n\r\nbody";

static void test_request_goes_through_and_connections_stay(void **state)
{
    (void)state;
    struct proxy *p = proxy_new();
    struct buffer in = in_new(), at = in_new();
    int client = rig_connect(listener_port(p->listener)), provider = -1;
    for (int i = 0; i < 5; i++) {
        rig_say(client, post);
        if (provider < 0) {
            provider = rig_accept(p->loop, p->provider);
        }
        rig_expect(p->loop, provider, &at,
                   "POST /v1/x?y HTTP/1.1\r\nhost: p\r\ncontent-length: 4\r\n\r\nbody");
        rig_say(provider, "HTTP/1.1 201 Created\r\nContent-Type: a/b\r\nTransfer-Encoding: "
                          "chunked\r\nDate: x\r\n\r\n"
                          "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
        /* pieces of one read leave as one, and with the end */
        rig_expect(p->loop, client, &in,
                   "transfer-encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n");
        assert_true(rig_holds(&in, "HTTP/1.1 201 Created\r\nContent-Type: a/b\r\ndate: Sat"));
        assert_int_equal(rig_count(&in, "HTTP/1.1"), 1);
        buffer_clear(&in);
        buffer_clear(&at);
    }
    (void)close(client);
    (void)close(provider);
    buffer_release(&in);
    buffer_release(&at);
    proxy_free(p);
}

static void test_stream_arrives_piece_by_piece(void **state)
{
    (void)state;
    struct proxy *p = proxy_new();
    struct buffer in = in_new(), at = in_new();
    int client = rig_connect(listener_port(p->listener));
    rig_say(client, post);
    int provider = rig_accept(p->loop, p->provider);
    rig_expect(p->loop, provider, &at, "body");
    rig_say(
        provider,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20; i++) {
        char event[40], framed[60];
        int n = snprintf(event, sizeof(event), "data: %d\n\n", i);
        (void)snprintf(framed, sizeof(framed), "%x\r\n%s\r\n", (unsigned)n, event);
        rig_say(provider, framed);
        rig_expect(p->loop, client, &in, event); /* before the next is sent */
    }
    rig_say(provider, "0\r\n\r\n");
    rig_expect(p->loop, client, &in, "\r\n0\r\n\r\n");
    (void)close(client);
    (void)close(provider);
    buffer_release(&in);
    buffer_release(&at);
    proxy_free(p);
}

static void test_slow_client_holds_the_provider_back(void **state)
{
    (void)state;
    struct proxy *p = proxy_new();
    struct buffer in = in_new(), at = in_new();
    static char piece[65536];
    size_t total = 64u << 20, sent = 0, got = 0;
    int client = rig_connect(listener_port(p->listener));
    rig_say(client, post);
    int provider = rig_accept(p->loop, p->provider);
    rig_expect(p->loop, provider, &at, "body");
    (void)snprintf(piece, sizeof(piece), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", total);
    rig_say(provider, piece);
    for (int idle = 0; idle < 50;) { /* the client does not read */
        ssize_t n = send(provider, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(p->loop, n > 0 ? 0 : 1);
    }
    assert_true(sent < total);
    assert_true(p->pauses > 0);
    uint64_t from = rig_kernel_ns();
    while (got < total) {
        size_t left = total - sent < sizeof(piece) ? total - sent : sizeof(piece);
        ssize_t n = left ? send(provider, piece, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        sent += n > 0 ? (size_t)n : 0;
        buffer_clear(&in);
        assert_true(rig_pull(client, &in));
        got += in.len;
        loop_turn(p->loop, 0);
        assert_true(rig_kernel_ns() - from < 4 * RIG_WAIT_MS * 1000000ull);
    }
    RIG_UNTIL(p->loop, !p->x);
    assert_true(p->most_queued <= CONN_HIGH_WATER + BLOCK_BYTES);
    assert_int_equal(p->errors + p->gone, 0);
    (void)close(client);
    (void)close(provider);
    buffer_release(&in);
    buffer_release(&at);
    proxy_free(p);
}

static void test_client_gone_closes_the_provider(void **state)
{
    (void)state;
    struct proxy *p = proxy_new();
    struct buffer at = in_new();
    for (unsigned i = 1; i <= 2; i++) {
        int client = rig_connect(listener_port(p->listener));
        rig_say(client, post);
        int provider = rig_accept(p->loop, p->provider);
        buffer_clear(&at);
        rig_expect(p->loop, provider, &at, "body");
        if (i == 2) {
            rig_say(provider, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\npart");
            RIG_UNTIL(p->loop, exchange_started(p->x));
        }
        (void)close(client);
        rig_expect_end(p->loop, provider, &at);
        assert_int_equal(p->gone, i);
        (void)close(provider);
    }
    buffer_release(&at);
    proxy_free(p);
}

static void test_provider_that_dies_is_seen_by_the_client(void **state)
{
    (void)state;
    struct proxy *p = proxy_new();
    struct buffer in = in_new(), at = in_new();
    int client = rig_connect(listener_port(p->listener));
    rig_say(client, post);
    int provider = rig_accept(p->loop, p->provider);
    rig_expect(p->loop, provider, &at, "body");
    (void)close(provider);
    rig_expect(p->loop, client, &in, "HTTP/1.1 502 Bad Gateway");
    rig_say(client, post); /* the client's connection lives on */
    provider = rig_accept(p->loop, p->provider);
    buffer_clear(&at);
    rig_expect(p->loop, provider, &at, "body");
    rig_say(provider, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n");
    rig_expect(p->loop, client, &in, "4\r\npart\r\n");
    (void)close(provider);
    rig_expect_end(p->loop, client, &in);
    assert_false(rig_holds(&in, "0\r\n\r\n"));
    (void)close(client);
    buffer_release(&in);
    buffer_release(&at);
    proxy_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_goes_through_and_connections_stay),
        cmocka_unit_test(test_stream_arrives_piece_by_piece),
        cmocka_unit_test(test_slow_client_holds_the_provider_back),
        cmocka_unit_test(test_client_gone_closes_the_provider),
        cmocka_unit_test(test_provider_that_dies_is_seen_by_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

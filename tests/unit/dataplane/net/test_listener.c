/* Client connections over real sockets: requests in, answers out, and every way in which either can
 * go wrong. */
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

static struct server *server_new(const struct exchange_limits *limits, unsigned max_connections)
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

static void server_free(struct server *s)
{
    listener_free(s->listener);
    assert_null(s->held);
    loop_free(s->loop);
    buffer_release(&s->last_body);
    mem_free(s);
    clock_set_source(NULL, NULL);
}

static struct buffer in_new(void)
{
    struct buffer b;
    buffer_init(&b, 1u << 27);
    return b;
}

static const char get_a[] = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

static void test_answers_and_keeps_alive(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    for (unsigned i = 1; i <= 3; i++) {
        rig_say(fd, get_a);
        RIG_UNTIL(s->loop, s->requests == i);
        rig_expect(s->loop, fd, &in, "</a 0>");
        assert_true(rig_holds(&in,
                              "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n"
                              "date: Sat, 21 Nov 2026 22:53:31 GMT\r\ncontent-length: 6\r\n\r\n"));
        assert_int_equal(rig_count(&in, "HTTP/1.1 200"), 1);
        buffer_clear(&in);
    }
    assert_int_equal(listener_connections(s->listener), 1);
    (void)close(fd);
    RIG_UNTIL(s->loop, listener_connections(s->listener) == 0);
    buffer_release(&in);
    server_free(s);
}

static void test_body_in_any_split(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    const char *requests[] = {
        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
        "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;q=1\r\nhello\r\n6\r\n "
        "world\r\n0\r\nT: "
        "1\r\n\r\n",
    };
    for (unsigned k = 0; k < 2; k++) {
        size_t len = strlen(requests[k]);
        for (size_t cut = 1; cut < len; cut++) {
            struct buffer in = in_new();
            int fd = rig_connect(s->port);
            unsigned before = s->requests;
            rig_send(fd, requests[k], cut);
            rig_turns(s->loop, 4);
            /* the rest, with a next request at its heels */
            rig_send(fd, requests[k] + cut, len - cut);
            rig_say(fd, get_a);
            rig_expect(s->loop, fd, &in, "</b 11>");
            rig_expect(s->loop, fd, &in, "</a 0>");
            assert_int_equal(s->requests, before + 2);
            (void)close(fd);
            buffer_release(&in);
        }
    }
    assert_int_equal(s->bad, 0);
    server_free(s);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    static const char request[] = "\r\nPOST /c?q=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                                  "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        rig_send(fd, request + i, 1);
        rig_turns(s->loop, 2);
    }
    rig_expect(s->loop, fd, &in, "</c 3>");
    assert_memory_equal(s->last_body.ptr, "abc", 3);
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_large_bodies(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    size_t sizes[] = {16384, 65536, 262144, 3000000};
    for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        size_t n = sizes[k], at = 0;
        char head[100];
        int hn = snprintf(head, sizeof(head),
                          "POST /l HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", n);
        char *all = mem_alloc((size_t)hn + n);
        memcpy(all, head, (size_t)hn);
        for (size_t i = 0; i < n; i++) {
            all[(size_t)hn + i] = (char)('a' + (i * 7 + i / 251) % 26);
        }
        struct buffer in = in_new();
        int fd = rig_connect(s->port);
        unsigned before = s->requests;
        while (s->requests == before) {
            if (at < (size_t)hn + n) {
                ssize_t sent = send(fd, all + at, (size_t)hn + n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
                at += sent > 0 ? (size_t)sent : 0;
            }
            loop_turn(s->loop, 2);
        }
        rig_expect(s->loop, fd, &in, "HTTP/1.1 200");
        assert_int_equal(s->last_body.len, n);
        assert_memory_equal(s->last_body.ptr, all + hn, n);
        (void)close(fd);
        mem_free(all);
        buffer_release(&in);
    }
    server_free(s);
}

static void test_pipelining_in_order_one_at_a_time(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    s->hold = true;
    rig_say(fd, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: "
                "3\r\n\r\nabc"
                "GET /3 HTTP/1.1\r\nHost: x\r\n\r\nGET /4 HT");
    RIG_UNTIL(s->loop, s->held);
    rig_turns(s->loop, 5);
    assert_int_equal(s->requests, 1); /* and the bytes behind it are not the client going away */
    assert_int_equal(s->gone, 0);
    for (unsigned i = 2; i <= 3; i++) {
        struct exchange *x = s->held;
        s->held = NULL;
        exchange_reply(x, 200, NULL, 0, STR_LIT("ok"));
        RIG_UNTIL(s->loop, s->requests == i);
    }
    assert_string_equal(s->last_path, "/3");
    s->hold = false;
    exchange_reply(s->held, 200, NULL, 0, STR_LIT("three"));
    s->held = NULL;
    rig_say(fd, "TP/1.1\r\nHost: x\r\n\r\n");
    rig_expect(s->loop, fd, &in, "</4 0>");
    assert_int_equal(rig_count(&in, "HTTP/1.1 200"), 4);
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_flood_of_pipelined_requests_is_bounded(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    int fd = rig_connect(s->port);
    size_t sent = 0;
    s->hold = true;
    for (int idle = 0; idle < 50;) {
        size_t at = sent % (sizeof(get_a) - 1); /* a send may take a part only */
        ssize_t n = send(fd, get_a + at, sizeof(get_a) - 1 - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(s->loop, n > 0 ? 0 : 1);
    }
    assert_int_equal(s->requests, 1);
    assert_true(sent > CONN_PIPELINE_MAX); /* the rest stands in the kernel's buffers */
    struct exchange *x = s->held;
    s->held = NULL;
    s->hold = false;
    exchange_reply(x, 200, NULL, 0, STR_LIT("ok"));
    struct buffer in = in_new();
    unsigned all = (unsigned)(sent / (sizeof(get_a) - 1));
    uint64_t from = rig_kernel_ns();
    while (s->requests < all) {
        assert_true(rig_pull(fd, &in));
        buffer_clear(&in);
        loop_turn(s->loop, 1);
        assert_true(rig_kernel_ns() - from < RIG_WAIT_MS * 1000000ull);
    }
    assert_int_equal(s->gone, 0);
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_streamed_answer(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    s->hold = true;
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    struct header h[3] = {{STR_LIT("content-type"), STR_LIT("text/event-stream")},
                          {STR_LIT("content-length"), STR_LIT("99")},
                          {STR_LIT("x-evil"), STR_LIT("a\r\nset-cookie: b")}};
    exchange_start(s->held, 200, h, 3, -1, true);
    rig_expect(s->loop, fd, &in, "transfer-encoding: chunked\r\n\r\n");
    assert_false(rig_holds(&in, "content-length"));
    assert_false(rig_holds(&in, "evil"));
    assert_true(exchange_send(s->held, STR_LIT("data: one\n\n")));
    rig_expect(s->loop, fd, &in, "b\r\ndata: one\n\n\r\n");
    loop_batch_begin(
        s->loop); /* several pieces of one upstream read, and the end, leave by one write */
    assert_true(exchange_send(s->held, STR_LIT("data: two\n\n")));
    exchange_end(s->held);
    s->held = NULL;
    rig_turns(s->loop, 1);
    assert_true(rig_pull(fd, &in));
    assert_false(rig_holds(&in, "two"));
    loop_batch_end(s->loop);
    rig_expect(s->loop, fd, &in, "b\r\ndata: two\n\n\r\n0\r\n\r\n");
    /* the connection goes on */
    s->hold = false;
    rig_say(fd, get_a);
    rig_expect(s->loop, fd, &in, "</a 0>");
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_declared_length_is_kept(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    s->hold = true;
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    exchange_start(s->held, 200, NULL, 0, 5, false);
    assert_true(exchange_send(s->held, STR_LIT("hello and too much")));
    exchange_end(s->held);
    s->held = NULL;
    rig_expect(s->loop, fd, &in, "\r\n\r\nhello");
    rig_turns(s->loop, 3);
    (void)rig_pull(fd, &in);
    assert_false(rig_holds(&in, " and"));
    /* too little is an end that can be seen */
    buffer_clear(&in);
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    exchange_start(s->held, 200, NULL, 0, 5, false);
    assert_true(exchange_send(s->held, STR_LIT("hel")));
    exchange_end(s->held);
    s->held = NULL;
    rig_expect_end(s->loop, fd, &in);
    assert_true(rig_holds(&in, "content-length: 5\r\n\r\nhel"));
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_abort_is_visible(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    s->hold = true;
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    exchange_start(s->held, 200, NULL, 0, -1, false);
    assert_true(exchange_send(s->held, STR_LIT("part")));
    exchange_abort(s->held);
    s->held = NULL;
    rig_expect_end(s->loop, fd, &in);
    assert_true(rig_holds(&in, "4\r\npart\r\n"));
    assert_false(rig_holds(&in, "0\r\n\r\n"));
    assert_int_equal(s->gone, 0);
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_client_gone_is_told_once(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    s->hold = true;
    for (unsigned i = 1; i <= 2; i++) {
        int fd = rig_connect(s->port);
        rig_say(fd, get_a);
        RIG_UNTIL(s->loop, s->held);
        if (i == 2) { /* by reset, with a streamed answer on the way */
            struct linger now = {1, 0};
            exchange_start(s->held, 200, NULL, 0, -1, true);
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        }
        (void)close(fd);
        RIG_UNTIL(s->loop, s->gone == i);
        assert_null(s->held);
    }
    RIG_UNTIL(s->loop, listener_connections(s->listener) == 0);
    assert_int_equal(s->gone, 2);
    server_free(s);
}

static void test_slow_reader_is_bounded(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    static char piece[65536];
    memset(piece, 'z', sizeof(piece));
    s->hold = true;
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    struct exchange *x = s->held;
    size_t total = 64u << 20, given = 0, got = 0;
    exchange_start(x, 200, NULL, 0, (int64_t)total, false);
    bool open = true;
    for (int i = 0; i < 2000 && open; i++) {
        open = exchange_send(x, (struct str){piece, sizeof(piece)});
        given += sizeof(piece);
        rig_turns(s->loop, 1);
    }
    assert_false(open); /* long before all of it */
    assert_true(given < total);
    assert_int_equal(s->drains, 0);
    unsigned drains = 0;
    uint64_t from = rig_kernel_ns();
    while (got < total) {
        assert_true(rig_pull(fd, &in));
        got += in.len;
        buffer_clear(&in);
        loop_turn(s->loop, 0);
        assert_true(conn_queued(x->conn) <= CONN_HIGH_WATER + sizeof(piece));
        if (s->drains > drains) {
            assert_true(conn_queued(x->conn) <= CONN_LOW_WATER);
            drains = s->drains;
            open = true;
        }
        while (open && given < total) {
            open = exchange_send(x, (struct str){piece, sizeof(piece)});
            given += sizeof(piece);
        }
        if (given == total && s->held) {
            s->held = NULL;
            exchange_end(x);
            break;
        }
        assert_true(rig_kernel_ns() - from < 4 * RIG_WAIT_MS * 1000000ull);
    }
    assert_true(drains > 1);
    while (got < total) {
        assert_true(rig_pull(fd, &in));
        got += in.len;
        buffer_clear(&in);
        loop_turn(s->loop, 0);
    }
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_write_timeout(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    int fd = rig_connect(s->port);
    static char piece[65536];
    s->hold = true;
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    exchange_start(s->held, 200, NULL, 0, -1, false);
    while (exchange_send(s->held, (struct str){piece, sizeof(piece)})) {
        rig_turns(s->loop, 1);
    }
    rig_turns(s->loop, 3);
    rig_skip_ms(119000);
    rig_turns(s->loop, 3);
    assert_int_equal(s->gone, 0);
    rig_skip_ms(2000);
    rig_turns(s->loop, 3);
    assert_int_equal(s->gone, 1);
    (void)close(fd);
    server_free(s);
}

static void test_100_continue(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    rig_say(fd, "POST /e HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    rig_expect(s->loop, fd, &in, "HTTP/1.1 100 Continue\r\n\r\n");
    rig_say(fd, "body");
    rig_expect(s->loop, fd, &in, "</e 4>");
    /* a client that did not wait is not told to go on */
    buffer_clear(&in);
    rig_say(fd,
            "POST /f HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody");
    rig_expect(s->loop, fd, &in, "</f 4>");
    assert_false(rig_holds(&in, "100 Continue"));
    /* and one whose body would not be taken is told so instead */
    buffer_clear(&in);
    rig_say(fd, "POST /g HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: "
                "99999999999\r\n\r\n");
    rig_expect(s->loop, fd, &in, "HTTP/1.1 413 ");
    assert_false(rig_holds(&in, "100 Continue"));
    assert_string_equal(s->bad_path, "/g");
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_http_1_0(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    rig_say(fd, "GET /k HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    rig_expect(s->loop, fd, &in, "</k 0>");
    assert_true(rig_holds(&in, "connection: keep-alive\r\n"));
    rig_say(fd, "GET /m HTTP/1.0\r\n\r\n");
    rig_expect_end(s->loop, fd, &in);
    assert_true(rig_holds(&in, "connection: close\r\n\r\n</m 0>"));
    (void)close(fd);
    /* a stream of unknown length ends with the connection */
    buffer_clear(&in);
    fd = rig_connect(s->port);
    s->hold = true;
    rig_say(fd, "GET /n HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    RIG_UNTIL(s->loop, s->held);
    exchange_start(s->held, 200, NULL, 0, -1, false);
    assert_true(exchange_send(s->held, STR_LIT("stream")));
    exchange_end(s->held);
    s->held = NULL;
    rig_expect_end(s->loop, fd, &in);
    assert_true(rig_holds(&in, "connection: close\r\n\r\nstream"));
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

static void test_head_has_no_body(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    rig_say(fd, "HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_say(fd, get_a);
    rig_expect(s->loop, fd, &in, "</a 0>");
    assert_false(rig_holds(&in, "</h"));
    assert_int_equal(rig_count(&in, "content-length: 6\r\n\r\n"), 2);
    (void)close(fd);
    buffer_release(&in);
    server_free(s);
}

/* Sends, expects this status and a closed connection. */
static void refused(struct server *s, const char *request, const char *status, enum error_code code)
{
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    unsigned before = s->bad;
    rig_say(fd, request);
    rig_expect(s->loop, fd, &in, "\r\n\r\n");
    assert_true(rig_holds(&in, status));
    assert_true(rig_holds(&in, "connection: close"));
    rig_expect_end(s->loop, fd, &in);
    (void)close(fd);
    assert_int_equal(s->bad, before + 1);
    assert_int_equal(s->bad_code, code);
    buffer_release(&in);
}

static void test_bad_requests(void **state)
{
    (void)state;
    struct exchange_limits limits = {.max_body_bytes = 1000, .max_head_bytes = 4096};
    struct server *s = server_new(&limits, 0);
    refused(s, "\x16\x03\x01\x02", "HTTP/1.1 400 ", ERR_BAD_REQUEST);
    refused(s, "GET /p HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", ERR_BAD_REQUEST);
    assert_string_equal(s->bad_path, "/p");
    refused(s, "POST /q HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", "HTTP/1.1 413 ",
            ERR_BODY_TOO_LARGE);
    assert_string_equal(s->bad_path, "/q");
    refused(s, "POST /r HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 400 ", ERR_BAD_REQUEST);
    char flood[6000];
    memset(flood, 'h', sizeof(flood));
    int n = snprintf(flood, sizeof(flood), "GET /s HTTP/1.1\r\nHost: x\r\nX: ");
    flood[n] = 'h';
    flood[sizeof(flood) - 1] = '\0';
    refused(s, flood, "HTTP/1.1 431 ", ERR_HEADERS_TOO_LARGE);
    assert_string_equal(s->bad_path, "/s");
    /* chunked, past the limit, in small pieces and while the client goes on sending */
    struct buffer in = in_new();
    int fd = rig_connect(s->port);
    rig_say(fd, "POST /t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 60; i++) {
        rig_say(fd, "20\r\n0123456789abcdef0123456789abcdef\r\n");
        rig_turns(s->loop, 1);
    }
    rig_expect(s->loop, fd, &in, "HTTP/1.1 413 ");
    assert_int_equal(s->bad_code, ERR_BODY_TOO_LARGE);
    rig_skip_ms(2100); /* the end of the time to read the answer in */
    RIG_UNTIL(s->loop, listener_connections(s->listener) == 0);
    (void)close(fd);
    assert_int_equal(s->requests, 0);
    buffer_release(&in);
    server_free(s);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    /* a head in drips */
    int fd = rig_connect(s->port);
    rig_say(fd, "POST /slow HTTP/1.1\r\n");
    for (int i = 0; i < 14; i++) {
        rig_turns(s->loop, 3);
        rig_skip_ms(1000);
        rig_say(fd, "x");
    }
    rig_turns(s->loop, 3);
    assert_int_equal(s->bad, 0);
    rig_skip_ms(1100);
    rig_expect(s->loop, fd, &in, "HTTP/1.1 408 ");
    assert_string_equal(s->bad_path, "/slow");
    rig_expect_end(s->loop, fd, &in);
    (void)close(fd);
    /* a body that stops, and one that comes too slowly to be meant */
    for (int k = 0; k < 2; k++) {
        buffer_clear(&in);
        fd = rig_connect(s->port);
        rig_say(fd, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc");
        rig_turns(s->loop, 4);
        for (int i = 0; k && i < 40; i++) {
            (void)send(fd, "d", 1, MSG_NOSIGNAL);
            rig_turns(s->loop, 3);
            rig_skip_ms(1000);
        }
        rig_skip_ms(k ? 0 : 30100);
        rig_expect(s->loop, fd, &in, "HTTP/1.1 408 ");
        rig_expect_end(s->loop, fd, &in);
        (void)close(fd);
    }
    assert_int_equal(s->bad, 3);
    /* silence: after accept, and between requests */
    buffer_clear(&in);
    fd = rig_connect(s->port);
    rig_turns(s->loop, 3);
    rig_skip_ms(15100);
    rig_expect_end(s->loop, fd, &in);
    assert_int_equal(in.len, 0);
    (void)close(fd);
    fd = rig_connect(s->port);
    rig_say(fd, get_a);
    rig_expect(s->loop, fd, &in, "</a 0>");
    rig_skip_ms(74000);
    rig_turns(s->loop, 3);
    assert_int_equal(listener_connections(s->listener), 1);
    rig_skip_ms(1100);
    rig_expect_end(s->loop, fd, &in);
    (void)close(fd);
    assert_int_equal(s->bad, 3);
    buffer_release(&in);
    server_free(s);
}

static void test_drain(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    int idle = rig_connect(s->port), busy = rig_connect(s->port);
    rig_say(idle, get_a);
    rig_expect(s->loop, idle, &in, "</a 0>");
    s->hold = true;
    rig_say(busy, get_a);
    RIG_UNTIL(s->loop, s->held);
    s->hold = false;
    int arrived = rig_connect(s->port);
    RIG_UNTIL(s->loop, listener_connections(s->listener) == 3);
    rig_say(arrived, get_a);
    listener_drain(s->listener);
    rig_expect_end(s->loop, idle, &in);
    buffer_clear(&in);
    rig_expect_end(s->loop, arrived, &in);
    assert_true(rig_holds(&in, "connection: close\r\n\r\n</a 0>"));
    assert_int_equal(listener_connections(s->listener), 1);
    exchange_reply(s->held, 200, NULL, 0, STR_LIT("late"));
    s->held = NULL;
    buffer_clear(&in);
    rig_expect_end(s->loop, busy, &in);
    assert_true(rig_holds(&in, "connection: close\r\n\r\nlate"));
    RIG_UNTIL(s->loop, listener_connections(s->listener) == 0);
    (void)close(idle);
    (void)close(busy);
    (void)close(arrived);
    buffer_release(&in);
    server_free(s);
}

static void test_ceiling_takes_the_oldest_idle_first(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 2);
    struct buffer in = in_new();
    int a = rig_connect(s->port);
    s->hold = true;
    rig_say(a, get_a);
    RIG_UNTIL(s->loop, s->held);
    s->hold = false;
    int b = rig_connect(s->port);
    rig_say(b, get_a);
    rig_expect(s->loop, b, &in, "</a 0>");
    int c = rig_connect(s->port);
    rig_say(c, get_a);
    buffer_clear(&in);
    rig_expect(s->loop, c, &in, "</a 0>");
    rig_expect_end(s->loop, b, &in); /* it made room; the busy one stays */
    assert_int_equal(s->gone, 0);
    exchange_reply(s->held, 200, NULL, 0, STR_LIT("still"));
    s->held = NULL;
    rig_expect(s->loop, a, &in, "still");
    (void)close(a);
    (void)close(b);
    (void)close(c);
    buffer_release(&in);
    server_free(s);
}

static void test_taken_port_is_an_error(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct error err = ERROR_INIT;
    char address[40];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)s->port);
    assert_false(listener_port_free(address, &err));
    assert_non_null(strstr(err.text, address));
    assert_true(listener_port_free("127.0.0.1:0", &err));
    struct listener_config c = {.address = "nonsense", .handler = {on_request, on_bad, s}};
    assert_null(listener_new(s->loop, &c, &err));
    assert_non_null(strstr(err.text, "nonsense"));
    server_free(s);
}

static void test_free_with_a_request_outstanding(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    int fd = rig_connect(s->port), half = rig_connect(s->port);
    s->hold = true;
    rig_say(half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123");
    rig_say(fd, get_a);
    RIG_UNTIL(s->loop, s->held);
    server_free(s); /* tells on_gone, which ends the exchange */
    (void)close(fd);
    (void)close(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_body_in_any_split),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_pipelining_in_order_one_at_a_time),
        cmocka_unit_test(test_flood_of_pipelined_requests_is_bounded),
        cmocka_unit_test(test_streamed_answer),
        cmocka_unit_test(test_declared_length_is_kept),
        cmocka_unit_test(test_abort_is_visible),
        cmocka_unit_test(test_client_gone_is_told_once),
        cmocka_unit_test(test_slow_reader_is_bounded),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_100_continue),
        cmocka_unit_test(test_http_1_0),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_ceiling_takes_the_oldest_idle_first),
        cmocka_unit_test(test_taken_port_is_an_error),
        cmocka_unit_test(test_free_with_a_request_outstanding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

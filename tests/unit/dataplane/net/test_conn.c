/* Requests over real sockets: whole, in parts, in a row, and in every framing. */
#include "dataplane/net/server.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_and_keeps_alive),
        cmocka_unit_test(test_body_in_any_split),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_large_bodies),
        cmocka_unit_test(test_pipelining_in_order_one_at_a_time),
        cmocka_unit_test(test_flood_of_pipelined_requests_is_bounded),
        cmocka_unit_test(test_100_continue),
        cmocka_unit_test(test_http_1_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

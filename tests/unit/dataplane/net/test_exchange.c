/* Answers over real sockets: whole and streamed, to clients that read, read slowly, or go. */
#include "dataplane/net/server.h"

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
    for (unsigned i = 1; i <= 3; i++) {
        int fd = rig_connect(s->port);
        rig_say(fd, get_a);
        RIG_UNTIL(s->loop, s->held);
        if (i == 3) { /* its writing side alone: counts as going, as it does in nginx */
            (void)shutdown(fd, SHUT_WR);
            RIG_UNTIL(s->loop, s->gone == i);
        }
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
    assert_int_equal(s->gone, 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streamed_answer),
        cmocka_unit_test(test_declared_length_is_kept),
        cmocka_unit_test(test_abort_is_visible),
        cmocka_unit_test(test_client_gone_is_told_once),
        cmocka_unit_test(test_slow_reader_is_bounded),
        cmocka_unit_test(test_write_timeout),
        cmocka_unit_test(test_head_has_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

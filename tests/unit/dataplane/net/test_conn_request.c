/* Requests that are refused: malformed, too large, or too slow. */
#include "dataplane/net/server.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A provider's answers: every framing in every split, garbage, and cut short. */
#include "dataplane/upstream/provider.h"

struct framing_case {
    const char *answer;
    const char *body;
    int status;
    bool close_after;
};

static const struct framing_case framings[] = {
    {OK_HELLO, "hello", 200, false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n "
     "world\r\n0\r\nA: b\r\n\r\n",
     "hello world", 200, false},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", "until the end", 200, true},
    {"HTTP/1.0 200 OK\r\n\r\nold", "old", 200, true},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HELLO, "hello",
     200, false},
    {"HTTP/1.1 429\r\nContent-Length: 0\r\n\r\n", "", 429, false},
};

static void test_framings_in_any_split(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (size_t k = 0; k < sizeof(framings) / sizeof(framings[0]); k++) {
        const struct framing_case *f = &framings[k];
        size_t len = strlen(f->answer);
        for (size_t cut = 1; cut <= len; cut++) {
            call_start(r);
            int fd = rig_accept(r->loop, r->listening);
            request_arrives(r, fd);
            rig_send(fd, f->answer, cut);
            rig_turns(r->loop, 3);
            assert_int_equal(r->w.errors, 0);
            rig_send(fd, f->answer + cut, len - cut);
            if (f->close_after) {
                assert_int_equal(shutdown(fd, SHUT_WR), 0);
            }
            answered(r, f->status, f->body);
            upstream_close_idle(r->up);
            (void)close(fd);
        }
    }
    rig_free(r);
}

static const char *const garbage[] = {
    "SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
};

static void test_garbage_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (size_t k = 0; k < sizeof(garbage) / sizeof(garbage[0]); k++) {
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        rig_say(fd, garbage[k]);
        failed(r, ERR_UPSTREAM_GARBAGE);
        rig_expect_end(r->loop, fd, &r->in);
        (void)close(fd);
    }
    /* a head without end */
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 70 && !r->w.errors; i++) {
        char filler[1000];
        memset(filler, 'f', sizeof(filler));
        (void)send(fd, filler, sizeof(filler), MSG_NOSIGNAL);
        rig_turns(r->loop, 2);
    }
    failed(r, ERR_UPSTREAM_GARBAGE);
    (void)close(fd);
    rig_free(r);
}

static void test_bytes_behind_an_answer_spoil_the_connection(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO "HTTP/1.1 200 OK\r\n");
    answered(r, 200, "hello");
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    rig_free(r);
}

static void test_truncated_answers(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\n",
    };
    struct rig *r = rig_new();
    for (int k = 0; k < 3; k++) {
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        rig_say(fd, parts[k]);
        (void)close(fd);
        failed(r, ERR_UPSTREAM_CLOSED);
        assert_int_equal(r->w.heads, k < 2);
    }
    rig_free(r);
}

static void test_pause_holds_the_provider_back(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    static char piece[65536];
    r->w.pause_on_head = true;
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    size_t total = 48u << 20, sent = 0;
    char head[80];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", total);
    rig_say(fd, head);
    for (int idle = 0; idle < 50;) {
        ssize_t n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(r->loop, n > 0 ? 0 : 1);
    }
    assert_int_equal(r->w.heads, 1);
    assert_true(sent < total); /* the kernel's buffers are full, ours hold nothing */
    assert_true(r->w.body.len <= 262144);
    upstream_resume(r->w.call);
    while (!r->w.ends) {
        size_t left = total - sent < sizeof(piece) ? total - sent : sizeof(piece);
        ssize_t n = left ? send(fd, piece, left, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
        sent += n > 0 ? (size_t)n : 0;
        loop_turn(r->loop, 0);
        assert_int_equal(r->w.errors, 0);
    }
    assert_int_equal(r->w.body.len, total);
    (void)close(fd);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framings_in_any_split),
        cmocka_unit_test(test_garbage_is_refused),
        cmocka_unit_test(test_bytes_behind_an_answer_spoil_the_connection),
        cmocka_unit_test(test_truncated_answers),
        cmocka_unit_test(test_pause_holds_the_provider_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Calls: pooling, sending again, deadlines, early answers, cancelling. */
#include "dataplane/upstream/provider.h"

static void test_pooled_connection_is_used_again(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    assert_false(upstream_sent(r->w.call));
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    assert_true(upstream_sent(r->w.call));
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    assert_string_equal(r->w.header, "yes");
    assert_int_equal(r->w.length, 5);
    for (int i = 0; i < 3; i++) {
        call_start(r);
        assert_true(upstream_sent(r->w.call)); /* at once: no connecting */
        request_arrives(r, fd);
        rig_say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
        answered(r, 204, "");
    }
    assert_int_equal(accept4(r->listening, NULL, NULL, 0), -1);
    (void)close(fd);
    rig_free(r);
}

static void test_last_in_first_out(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    struct answer second = {0};
    buffer_init(&second.body, 1000);
    call_start(r);
    second.call =
        upstream_send(r->up, &r->origin, STR_LIT(HEAD_TEXT), STR_LIT("body"), 0, 0, &ops, &second);
    int a = rig_accept(r->loop, r->listening), b = rig_accept(r->loop, r->listening);
    request_arrives(r, a);
    request_arrives(r, b);
    rig_say(a, OK_HELLO);
    RIG_UNTIL(r->loop, r->w.ends + second.ends == 1);
    rig_say(b, OK_HELLO);
    RIG_UNTIL(r->loop, r->w.ends + second.ends == 2);
    call_start(r); /* goes to b, which was used last */
    request_arrives(r, b);
    rig_say(b, OK_HELLO);
    answered(r, 200, "hello");
    (void)close(a);
    (void)close(b);
    buffer_release(&second.body);
    rig_free(r);
}

static void test_stale_pooled_connection_is_replaced(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    /* closed while idle, and noticed only by the write (the loop has not turned since) */
    (void)close(fd);
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    /* closed before it read any of the request: sent again, once */
    call_start(r);
    rig_turns(r->loop, 2);
    (void)close(fd);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    (void)close(fd);
    failed(r, ERR_UPSTREAM_CLOSED);
    rig_free(r);
}

static void test_no_second_sending_when_it_could_be_billed_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (int k = 0; k < 4; k++) { /* 3: read, then closed in good order */
        call_start(r);
        int fd = rig_accept(r->loop, r->listening);
        request_arrives(r, fd);
        if (k > 0) { /* else it is fresh, not pooled */
            rig_say(fd, OK_HELLO);
            answered(r, 200, "hello");
            call_start(r);
            request_arrives(r, fd);
        }
        if (k == 1) {
            rig_say(fd, "HTTP/1.1 2"); /* the answer had begun */
            rig_turns(r->loop, 3);
        } else if (k == 2) {
            rig_turns(r->loop, 2);
            rig_skip_ms(5000); /* the provider had worked on it */
        }
        (void)close(fd);
        failed(r, ERR_UPSTREAM_CLOSED);
        assert_int_equal(accept4(r->listening, NULL, NULL, 0), -1);
    }
    rig_free(r);
}

static void test_deadlines(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_skip_ms(59000);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    rig_skip_ms(1100);
    failed(r, ERR_UPSTREAM_TIMEOUT);
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    /* between pieces: each piece starts the time anew, a pause stops it */
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
    for (unsigned i = 1; i <= 3; i++) {
        rig_say(fd, "x");
        RIG_UNTIL(r->loop, r->w.body.len == i);
        rig_skip_ms(29000);
        rig_turns(r->loop, 2);
    }
    upstream_pause(r->w.call);
    rig_skip_ms(100000);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    upstream_resume(r->w.call);
    rig_turns(r->loop, 3);
    assert_int_equal(r->w.errors, 0);
    rig_skip_ms(30100);
    failed(r, ERR_UPSTREAM_TIMEOUT);
    (void)close(fd);
    /* an idle connection is let go after its time */
    call_start(r);
    fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    rig_skip_ms(54000);
    rig_turns(r->loop, 3);
    assert_true(rig_pull(fd, &r->in));
    rig_skip_ms(1100);
    rig_expect_end(r->loop, fd, &r->in);
    (void)close(fd);
    rig_free(r);
}

static void test_early_answer_to_a_large_body(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    size_t n = 32u << 20;
    char *body = mem_alloc(n);
    struct buffer keep = r->w.body;
    r->w = (struct answer){.body = keep};
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT("POST / HTTP/1.1\r\n\r\n"),
                              (struct str){body, n}, 0, 0, &ops, &r->w);
    int fd = rig_accept(r->loop, r->listening);
    rig_expect(r->loop, fd, &r->in, "POST / HTTP/1.1");
    rig_turns(r->loop, 5);
    assert_int_equal(r->w.errors, 0);
    rig_say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    answered(r, 413, "big");
    rig_expect_end(r->loop, fd, &r->in); /* not fit for another call */
    (void)close(fd);
    /* and a body that is taken to the last byte, in as many writes as it needs */
    r->w = (struct answer){.body = r->w.body};
    buffer_clear(&r->w.body);
    size_t got = 0;
    r->w.call = upstream_send(r->up, &r->origin, STR_LIT("POST / HTTP/1.1\r\n\r\n"),
                              (struct str){body, n}, 0, 0, &ops, &r->w);
    fd = rig_accept(r->loop, r->listening);
    while (got < n + 19) {
        buffer_clear(&r->in);
        assert_true(rig_pull(fd, &r->in));
        got += r->in.len;
        loop_turn(r->loop, 0);
    }
    rig_say(fd, OK_HELLO);
    answered(r, 200, "hello");
    (void)close(fd);
    mem_free(body);
    rig_free(r);
}

static void test_cancel_closes_at_once_and_is_silent(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    for (int k = 0; k < 3; k++) {
        r->w.cancel_on_head = k == 2;
        call_start(r);
        if (k == 0) { /* while connecting */
            upstream_cancel(r->w.call);
            rig_turns(r->loop, 3);
        }
        int fd = rig_accept(r->loop, r->listening);
        if (k > 0) {
            request_arrives(r, fd);
            if (k == 1) {
                upstream_cancel(r->w.call);
            } else {
                rig_say(fd, OK_HELLO); /* from inside on_head: no on_data any more */
            }
        }
        rig_expect_end(r->loop, fd, &r->in);
        rig_turns(r->loop, 3);
        assert_int_equal(r->w.heads, k == 2);
        assert_int_equal(r->w.ends + r->w.errors, 0);
        assert_int_equal(r->w.body.len, 0);
        (void)close(fd);
    }
    rig_free(r);
}

static void test_free_while_calls_run(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    call_start(r);
    int fd = rig_accept(r->loop, r->listening);
    request_arrives(r, fd);
    struct answer *w = &r->w;
    upstream_free(r->up);
    r->up = NULL;
    rig_turns(r->loop, 3);
    assert_int_equal(w->ends + w->errors, 0);
    (void)close(fd);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pooled_connection_is_used_again),
        cmocka_unit_test(test_last_in_first_out),
        cmocka_unit_test(test_stale_pooled_connection_is_replaced),
        cmocka_unit_test(test_no_second_sending_when_it_could_be_billed_twice),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_early_answer_to_a_large_body),
        cmocka_unit_test(test_cancel_closes_at_once_and_is_silent),
        cmocka_unit_test(test_free_while_calls_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

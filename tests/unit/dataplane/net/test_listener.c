/* The listening side: drain, ceilings, ports, and the end. */
#include <sys/resource.h>

#include "dataplane/net/server.h"

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

static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct server *s = server_new(NULL, 0);
    struct buffer in = in_new();
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int waiting = rig_connect(s->port), next = rig_connect(s->port);
    int lowest = dup(0); /* all below are taken */
    assert_true(lowest >= 0);
    (void)close(lowest);
    none = (struct rlimit){(rlim_t)lowest, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    rig_expect_end(s->loop, waiting, &in); /* told by a close, not left hanging */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(listener_connections(s->listener), 0);
    rig_say(next, get_a);
    rig_skip_ms(200);
    rig_expect(s->loop, next, &in, "</a 0>");
    (void)close(waiting);
    (void)close(next);
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
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_ceiling_takes_the_oldest_idle_first),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_taken_port_is_an_error),
        cmocka_unit_test(test_free_with_a_request_outstanding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

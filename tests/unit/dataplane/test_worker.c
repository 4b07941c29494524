/* worker.c and everything under it, over real sockets. */
#include "dataplane/real_world.h"

static char answer[65536], event[16384];

static int set_up(void **state)
{
    (void)state;
    world_begin();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end();
    return 0;
}

static void requests_share_connections_and_leave_an_event_each(void **state)
{
    (void)state;
    int fd = client_open();
    for (int i = 0; i < 20; i++) {
        client_ask(fd, "the-key", "{\"model\":\"p/m\"}");
        assert_non_null(strstr(client_read(fd, "\"completion_tokens\":3}}", answer, sizeof(answer)),
                               "HTTP/1.1 200"));
        assert_non_null(strstr(next_event(event, sizeof(event)), "\"outcome\":\"ok\""));
        assert_non_null(strstr(event, "\"unit\":\"token_out\",\"quantity\":3"));
    }
    (void)close(fd);
    assert_int_equal(atomic_load(&world.calls), 20);
    assert_int_equal(atomic_load(&world.peers), 1);
}

static void streams_hide_what_was_not_asked_for(void **state)
{
    (void)state;
    int fd = client_open();
    client_ask(fd, "the-key", "{\"model\":\"p/m\",\"stream\":true}");
    (void)client_read(fd, "\r\n0\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "Hello"));
    assert_non_null(strstr(answer, "[DONE]"));
    assert_null(strstr(answer, "usage"));
    assert_non_null(
        strstr(next_event(event, sizeof(event)), "\"unit\":\"token_in\",\"quantity\":2"));
    client_ask(fd, "the-key",
               "{\"model\":\"p/m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
    (void)client_read(fd, "\r\n0\r\n\r\n", answer, sizeof(answer));
    assert_non_null(strstr(answer, "\"usage\":{\"prompt_tokens\":2"));
    (void)next_event(event, sizeof(event));
    (void)close(fd);
}

static void a_client_that_goes_frees_the_provider(void **state)
{
    (void)state;
    int fd = client_open();
    client_ask(fd, "the-key", "{\"model\":\"p/hold\",\"stream\":true}");
    (void)client_read(fd, "Hello", answer, sizeof(answer));
    (void)close(fd);
    assert_true(reaches(&world.gone, 1));
    assert_non_null(strstr(next_event(event, sizeof(event)), "\"outcome\":\"client_gone\""));
}

static void a_stream_that_dies_is_no_clean_end(void **state)
{
    (void)state;
    int fd = client_open();
    client_ask(fd, "the-key", "{\"model\":\"p/die\",\"stream\":true}");
    (void)client_read(fd, "never", answer, sizeof(answer)); /* until the connection ends */
    assert_non_null(strstr(answer, "data: {\"error\":"));
    assert_null(strstr(answer, "[DONE]"));
    assert_null(strstr(answer, "\r\n0\r\n\r\n"));
    assert_non_null(strstr(next_event(event, sizeof(event)), "\"outcome\":\"cut\""));
    (void)close(fd);
}

static void strangers_and_dead_providers(void **state)
{
    (void)state;
    int fd = client_open();
    client_ask(fd, "another-key", "{\"model\":\"p/m\"}");
    assert_non_null(strstr(client_read(fd, "}}", answer, sizeof(answer)), "HTTP/1.1 401"));
    client_ask(fd, "the-key", "{\"model\":\"closed/m\"}");
    assert_non_null(strstr(client_read(fd, "}}", answer, sizeof(answer)), "HTTP/1.1 502"));
    assert_non_null(
        strstr(next_event(event, sizeof(event)), "\"error_code\":\"upstream_unreachable\""));
    (void)close(fd);
    assert_int_equal(atomic_load(&world.calls), 0);
}

static void draining_lets_a_stream_end(void **state)
{
    (void)state;
    int idle = client_open(), fd = client_open();
    client_ask(fd, "the-key", "{\"model\":\"p/hold\",\"stream\":true}");
    (void)client_read(fd, "Hello", answer, sizeof(answer));
    worker_drain(world.worker);
    /* the idle connection is closed, the stream is not */
    assert_string_equal(client_read(idle, "never", answer, sizeof(answer)), "");
    assert_false(worker_is_drained(world.worker));
    (void)close(fd);
    (void)close(idle);
    for (uint64_t until = clock_mono_ms() + WAIT_MS; !worker_is_drained(world.worker);) {
        assert_true(clock_mono_ms() < until);
        (void)poll(NULL, 0, 1);
    }
}

static void stopping_cuts_what_still_runs(void **state)
{
    (void)state;
    int fd = client_open();
    client_ask(fd, "the-key", "{\"model\":\"p/hold\",\"stream\":true}");
    (void)client_read(fd, "Hello", answer, sizeof(answer));
    worker_stop(world.worker);
    assert_non_null(strstr(next_event(event, sizeof(event)), "\"outcome\":\"cut\""));
    (void)close(fd);
}

static void count_run(void *arg)
{
    ++*(unsigned *)arg;
}

/* The bridge ends after the workers: what it still publishes or asks for finds them stopped. */
static void what_comes_after_the_stop_is_harmless(void **state)
{
    (void)state;
    worker_stop(world.worker);
    swap_publish(world.hub, swap_current(world.hub));
    worker_drain(world.worker);
    unsigned ran = 0;
    assert_false(worker_post(world.worker, count_run, &ran));
    worker_free(world.worker);
    world.worker = NULL;
    assert_int_equal(ran, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(requests_share_connections_and_leave_an_event_each),
        T(streams_hide_what_was_not_asked_for),
        T(a_client_that_goes_frees_the_provider),
        T(a_stream_that_dies_is_no_clean_end),
        T(strangers_and_dead_providers),
        T(draining_lets_a_stream_end),
        T(stopping_cuts_what_still_runs),
        T(what_comes_after_the_stop_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The shared cache against a real server, which the test starts, stops, kills and starts again on a
 * port of its own. Time that must pass is turned, not waited for. */
#include "dataplane/cache/redis_rig.h"

#include "dataplane/cache/redis.h"

#define TIMEOUT_MS 3000u

struct got {
    unsigned times;
    bool found;
    struct buffer value;
};

static void on_got(void *arg, bool found, struct str value)
{
    struct got *g = arg;
    g->times++;
    g->found = found;
    buffer_clear(&g->value);
    assert_true(found == (value.ptr != NULL));
    if (found) {
        assert_true(buffer_append_str(&g->value, value));
    }
}

/* Loop, address and connection to one server. */
struct rig {
    struct loop *loop;
    struct redis_address address;
    struct redis *redis;
    struct got got;
};

static void rig_open(struct rig *r, const char *format, uint16_t port)
{
    char url[128];
    struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    clock_set_source(rig_clock, rig_wall);
    memset(r, 0, sizeof(*r));
    const char *at = strchr(format, '#'); /* stands for the port */
    (void)snprintf(url, sizeof(url), "%.*s%u%s", (int)(at - format), format, port, at + 1);
    assert_true(redis_address_parse(str_of(url), &r->address, &err));
    r->loop = loop_new();
    r->redis = redis_new(r->loop, &r->address, TIMEOUT_MS);
    buffer_init(&r->got.value, 16 << 20);
}

static void rig_close(struct rig *r)
{
    redis_free(r->redis);
    loop_free(r->loop);
    buffer_release(&r->got.value);
    clock_set_source(NULL, NULL);
}

/* Looks up and waits; false also when it is down. */
static bool look_up(struct rig *r, struct str key)
{
    unsigned before = r->got.times;
    if (!redis_get(r->redis, key, on_got, &r->got)) {
        return false;
    }
    assert_int_equal(r->got.times, before); /* not from inside */
    RIG_UNTIL(r->loop, r->got.times == before + 1);
    return r->got.found;
}

static void rig_up(struct rig *r)
{
    (void)look_up(r, STR_LIT("nothing"));
    uint64_t from = rig_kernel_ns();
    while (!redis_up(r->redis)) {
        rig_skip_ms(100); /* the pauses between tries */
        loop_turn(r->loop, 5);
        if (rig_kernel_ns() - from > RIG_WAIT_MS * 1000000ull) {
            fail_msg("does not come up: %s", redis_trouble(r->redis));
        }
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct redis_address a = {.port = 1};
    struct error err = ERROR_INIT;
    assert_true(redis_address_parse(STR_LIT("redis://cache"), &a, &err));
    assert_true(str_eqz(a.host, "cache") && a.port == 6379 && a.database == 0);
    assert_true(a.user.len == 0 && a.password.len == 0);
    assert_true(redis_address_parse(STR_LIT("valkey://us%40er:p%3a%2Fw@[::1]:7000/12"), &a, &err));
    assert_string_equal(a.host.ptr, "::1");
    assert_string_equal(a.user.ptr, "us@er");
    assert_string_equal(a.password.ptr, "p:/w");
    assert_true(a.host.ptr >= a.text && a.host.ptr < a.text + sizeof(a.text));
    assert_true(a.port == 7000 && a.database == 12);
    assert_true(redis_address_parse(STR_LIT("redis://:pw@h:1/"), &a, &err));
    assert_true(a.user.len == 0 && str_eqz(a.password, "pw") && a.database == 0);
    static const char *const bad[] = {
        "",
        "redis:",
        "redis://",
        "redis://:7000",
        "http://h",
        "h:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h/x",
        "redis://h/0/1",
        "redis://u@h",
        "redis://u:%zz@h",
        "redis://u:a%0@h",
        "redis://u:a%00b@h",
        "redis://h?db=1",
        "redis://[::1",
        "redis://[::1]x",
    };
    struct redis_address before = a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (redis_address_parse(str_of(bad[i]), &a, &err)) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_int_equal(err.code, ERR_INVALID_FIELD);
    }
    assert_false(redis_address_parse(STR_LIT("rediss://h"), &a, &err));
    assert_non_null(strstr(err.text, "TLS"));
    assert_memory_equal(&a, &before, sizeof(a));
    char url[700] = "redis://u:";
    memset(url + 10, 'p', 600);
    memcpy(url + 610, "@h", 3);
    assert_false(redis_address_parse(str_of(url), &a, &err));
}

static void test_values_go_and_come(void **state)
{
    (void)state;
    struct rig r;
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    char *large = mem_alloc(3 << 20);
    for (size_t i = 0; i < 3 << 20; i++) {
        large[i] = (char)(i * 31 >> 3);
    }
    rig_open(&r, "redis://127.0.0.1:#", port);
    redis_set(r.redis, STR_LIT("early"), STR_LIT("x"), 1000); /* not up yet: dropped */
    assert_false(redis_up(r.redis));
    assert_false(look_up(&r, STR_LIT("a"))); /* the first call waits for the connection */
    assert_true(redis_up(r.redis));
    assert_string_equal(redis_trouble(r.redis), "");
    assert_false(look_up(&r, STR_LIT("early")));
    redis_set(r.redis, STR_LIT("a"), (struct str){"v\0\r\n$\xff", 6}, 60000);
    assert_true(look_up(&r, STR_LIT("a")));
    assert_int_equal(r.got.value.len, 6);
    assert_memory_equal(r.got.value.ptr, "v\0\r\n$\xff", 6);
    assert_true(says(port, "PTTL a", ":60000") || says(port, "PTTL a", ":5")); /* only falls */
    redis_set(r.redis, (struct str){"k\0 \n", 4}, (struct str){"", 0}, 60000);
    assert_true(look_up(&r, (struct str){"k\0 \n", 4}));
    assert_int_equal(r.got.value.len, 0);
    assert_false(look_up(&r, (struct str){"k\0", 2}));
    redis_set(r.redis, STR_LIT("large"), (struct str){large, 3 << 20}, 60000);
    assert_true(look_up(&r, STR_LIT("large")));
    assert_int_equal(r.got.value.len, 3 << 20);
    assert_memory_equal(r.got.value.ptr, large, 3 << 20);
    redis_set(r.redis, STR_LIT("over"), STR_LIT("x"), 0); /* its time is over */
    assert_false(look_up(&r, STR_LIT("over")));
    redis_delete(r.redis, STR_LIT("a"));
    assert_false(look_up(&r, STR_LIT("a")));
    assert_true(says(port, "LPUSH list x", ":1"));
    assert_false(look_up(&r, STR_LIT("list"))); /* another's key, of another type */
    assert_true(redis_up(r.redis));
    rig_close(&r);
    server_kill(pid);
    mem_free(large);
}

static void test_all_of_a_prefix(void **state)
{
    (void)state;
    struct rig r;
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    rig_open(&r, "redis://127.0.0.1:#", port);
    rig_up(&r);
    for (unsigned i = 0; i < 3000; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "%s%u", i % 3 ? "weir:[a]*:" : "weir:a:", i);
        redis_set(r.redis, str_of(key), STR_LIT("x"), 600000);
    }
    redis_delete_all(r.redis, STR_LIT("weir:[a]*:"));
    RIG_UNTIL(r.loop, says(port, "DBSIZE", ":1000\r"));
    assert_false(look_up(&r, STR_LIT("weir:[a]*:1")));
    assert_true(look_up(&r, STR_LIT("weir:a:3")));
    redis_delete_all(r.redis, STR_LIT("")); /* and one that the end of the connection cuts short */
    rig_close(&r);
    server_kill(pid);
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct rig r;
    uint16_t port = free_port();
    rig_open(&r, "redis://127.0.0.1:#", port);
    assert_false(look_up(&r, STR_LIT("a")));
    assert_false(redis_up(r.redis));
    assert_non_null(strstr(redis_trouble(r.redis), "cannot connect"));
    assert_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got)); /* known to be down */
    redis_set(r.redis, STR_LIT("a"), STR_LIT("x"), 1000);
    redis_delete(r.redis, STR_LIT("a"));
    redis_delete_all(r.redis, STR_LIT("a"));
    for (unsigned i = 0; i < 100; i++) { /* tries go on, and fail */
        rig_skip_ms(1000);
        rig_turns(r.loop, 2);
    }
    assert_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got));
    pid_t pid = server_start(port, "--loglevel", "warning"); /* late, but there */
    rig_up(&r);
    redis_set(r.redis, STR_LIT("a"), STR_LIT("x"), 10000);
    assert_true(look_up(&r, STR_LIT("a")));
    assert_string_equal(redis_trouble(r.redis), "");
    rig_close(&r);
    server_kill(pid);
}

static void test_killed_and_started_again(void **state)
{
    (void)state;
    enum { N = 20 };
    struct rig r;
    struct got got[N];
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    rig_open(&r, "redis://127.0.0.1:#", port);
    rig_up(&r);
    (void)kill(pid, SIGSTOP);
    for (unsigned i = 0; i < N; i++) {
        got[i] = (struct got){0};
        buffer_init(&got[i].value, 1024);
        assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &got[i]));
    }
    rig_turns(r.loop, 3);
    server_kill(pid);
    RIG_UNTIL(r.loop, got[N - 1].times == 1);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(got[i].times, 1);
        assert_false(got[i].found);
    }
    assert_false(redis_up(r.redis));
    assert_true(redis_trouble(r.redis)[0] != '\0');
    assert_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got));
    pid = server_start(port, "--loglevel", "warning");
    rig_up(&r);
    redis_set(r.redis, STR_LIT("a"), STR_LIT("again"), 10000);
    assert_true(look_up(&r, STR_LIT("a")));
    /* and once more, with nothing under way */
    server_kill(pid);
    RIG_UNTIL(r.loop, !redis_up(r.redis));
    pid = server_start(port, "--loglevel", "warning");
    rig_up(&r);
    rig_close(&r);
    server_kill(pid);
}

static void test_a_server_that_hangs(void **state)
{
    (void)state;
    struct rig r;
    struct got a = {0}, b = {0};
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    buffer_init(&a.value, 1024);
    buffer_init(&b.value, 1024);
    rig_open(&r, "redis://127.0.0.1:#", port);
    rig_up(&r);
    (void)kill(pid, SIGSTOP);
    rig_skip_ms(10);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &a));
    rig_turns(r.loop, 3);
    rig_skip_ms(TIMEOUT_MS / 2);
    assert_non_null(redis_get(r.redis, STR_LIT("b"), on_got, &b));
    rig_turns(r.loop, 3);
    assert_int_equal(a.times + b.times, 0);
    rig_skip_ms(TIMEOUT_MS / 2 + 10);
    rig_turns(r.loop, 3);
    assert_int_equal(a.times, 1); /* its time is over, and nothing moved: the connection goes */
    assert_int_equal(b.times, 1);
    assert_false(a.found || b.found);
    assert_false(redis_up(r.redis));
    assert_string_equal(redis_trouble(r.redis), "no answer in time");
    /* the kernel still takes connections for it: that is not up */
    for (unsigned i = 0; i < 30; i++) {
        rig_skip_ms(200);
        rig_turns(r.loop, 2);
        assert_false(redis_up(r.redis));
        assert_null(redis_get(r.redis, STR_LIT("a"), on_got, &a));
    }
    (void)kill(pid, SIGCONT);
    rig_up(&r);
    rig_close(&r);
    server_kill(pid);
}

static void test_a_slow_answer_is_thrown_away(void **state)
{
    (void)state;
    struct rig r;
    struct got late = {0};
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    buffer_init(&late.value, 1024);
    rig_open(&r, "redis://127.0.0.1:#", port);
    rig_up(&r);
    redis_set(r.redis, STR_LIT("a"), STR_LIT("x"), 600000);
    assert_true(look_up(&r, STR_LIT("a")));
    (void)kill(pid, SIGSTOP);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &late));
    rig_turns(r.loop, 2);
    rig_skip_ms(TIMEOUT_MS + 10);
    rig_turns(r.loop, 2);
    assert_int_equal(late.times, 1);
    assert_false(late.found);
    (void)kill(pid, SIGCONT);
    rig_up(&r);
    assert_true(look_up(&r, STR_LIT("a"))); /* each answer still goes to its own call */
    assert_int_equal(late.times, 1);
    rig_close(&r);
    server_kill(pid);
}

static void test_passwords_and_databases(void **state)
{
    (void)state;
    struct rig r, other;
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--requirepass", "s3cret");
    rig_open(&r, "redis://:s3cret@127.0.0.1:#/3", port);
    rig_up(&r);
    redis_set(r.redis, STR_LIT("a"), STR_LIT("in 3"), 600000);
    assert_true(look_up(&r, STR_LIT("a")));
    rig_open(&other, "redis://default:s3cret@127.0.0.1:#", port);
    rig_up(&other);
    assert_false(look_up(&other, STR_LIT("a")));
    rig_close(&other);
    rig_open(&other, "redis://:s3cret@127.0.0.1:#/3", port);
    assert_true(look_up(&other, STR_LIT("a")));
    rig_close(&other);
    static const struct {
        const char *url, *trouble;
    } refused[] = {
        {"redis://:wrong@127.0.0.1:#", "AUTH: WRONGPASS"},
        {"redis://nobody:s3cret@127.0.0.1:#", "AUTH: WRONGPASS"},
        {"redis://127.0.0.1:#", "PING: NOAUTH"},
        {"redis://:s3cret@127.0.0.1:#/9", "SELECT: ERR"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        rig_open(&other, refused[i].url, port);
        assert_false(look_up(&other, STR_LIT("a")));
        assert_false(redis_up(other.redis));
        assert_int_equal(
            strncmp(redis_trouble(other.redis), refused[i].trouble, strlen(refused[i].trouble)), 0);
        assert_null(redis_get(other.redis, STR_LIT("a"), on_got, &other.got));
        for (unsigned n = 0; n < 10; n++) {
            rig_skip_ms(2000);
            rig_turns(other.loop, 3);
            assert_false(redis_up(other.redis));
        }
        rig_close(&other);
    }
    clock_set_source(rig_clock, rig_wall);
    assert_true(look_up(&r, STR_LIT("a")));
    rig_close(&r);
    server_kill(pid);
}

static void test_cancelled_and_freed(void **state)
{
    (void)state;
    struct rig r;
    struct got gone = {0};
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    rig_open(&r, "redis://127.0.0.1:#", port);
    struct redis_call *c = redis_get(r.redis, STR_LIT("a"), on_got, &gone); /* waits to connect */
    assert_non_null(c);
    redis_cancel(c);
    rig_up(&r);
    c = redis_get(r.redis, STR_LIT("a"), on_got, &gone); /* to be sent */
    redis_cancel(c);
    c = redis_get(r.redis, STR_LIT("a"), on_got, &gone);
    rig_turns(r.loop, 1); /* sent */
    if (gone.times == 0) {
        redis_cancel(c);
    }
    unsigned told = gone.times;
    assert_false(look_up(&r, STR_LIT("a")));
    assert_int_equal(gone.times, told);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &gone));
    rig_close(&r); /* under way */
    assert_int_equal(gone.times, told);
    rig_open(&r, "redis://127.0.0.1:#", port);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &gone));
    rig_close(&r); /* not even connected */
    assert_int_equal(gone.times, told);
    redis_free(NULL);
    server_kill(pid);
}

static void test_names_are_looked_up(void **state)
{
    (void)state;
    struct rig r;
    uint16_t port = free_port();
    pid_t pid = server_start(port, "--loglevel", "warning");
    rig_open(&r, "redis://localhost:#", port);
    uint64_t from = rig_kernel_ns();
    (void)redis_get(r.redis, STR_LIT("a"), on_got, &r.got);
    while (
        !redis_up(r.redis)) { /* ::1 may come first, where nobody listens: then it is tried again */
        if (rig_kernel_ns() - from > RIG_WAIT_MS * 1000000ull) {
            break;
        }
        loop_turn(r.loop, 5);
    }
    assert_true(redis_up(r.redis));
    rig_close(&r);
    rig_open(&r, "redis://no-such-host.invalid:#", port);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got));
    rig_skip_ms(TIMEOUT_MS + 10); /* whether or not the resolver answers soon */
    RIG_UNTIL(r.loop, r.got.times == 1);
    assert_false(r.got.found);
    assert_true(redis_trouble(r.redis)[0] != '\0');
    rig_close(&r);
    rig_open(&r, "redis://no-such-host.invalid:#", port);
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got));
    rig_close(&r); /* while the thread asks */
    server_kill(pid);
}

static void test_what_is_no_redis(void **state)
{
    (void)state;
    struct rig r;
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    rig_open(&r, "redis://127.0.0.1:#", ntohs(a.sin_port));
    assert_non_null(redis_get(r.redis, STR_LIT("a"), on_got, &r.got));
    rig_turns(r.loop, 3);
    int peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(write(peer, "HTTP/1.1 400\r\n\r\n", 16), 16);
    RIG_UNTIL(r.loop, r.got.times == 1);
    assert_false(r.got.found);
    assert_false(redis_up(r.redis));
    assert_non_null(strstr(redis_trouble(r.redis), "cannot connect"));
    rig_close(&r);
    (void)close(peer);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_values_go_and_come),
        cmocka_unit_test(test_all_of_a_prefix),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_killed_and_started_again),
        cmocka_unit_test(test_a_server_that_hangs),
        cmocka_unit_test(test_a_slow_answer_is_thrown_away),
        cmocka_unit_test(test_passwords_and_databases),
        cmocka_unit_test(test_cancelled_and_freed),
        cmocka_unit_test(test_names_are_looked_up),
        cmocka_unit_test(test_what_is_no_redis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

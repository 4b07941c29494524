/* The spool's promises: nothing lost, nothing twice, over restarts, kills and threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "dataplane/report/spool_fixture.h"

static void test_read_ack_rewind(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct spool *s = open_spool(&c, NULL);
    struct buffer text;
    struct str record;
    uint64_t position = 0, first;
    buffer_init(&text, 64u << 20);
    assert_false(spool_read(s, &record, &position));
    open_record(s, 1, "o1");
    assert_false(spool_read(s, &record, &position)); /* an open is nobody's event */
    event_record(s, 1, "e1");
    event_record(s, 2, "e2"); /* one without open */
    assert_int_equal(waiting(s), 2);
    assert_true(spool_read(s, &record, &first));
    assert_true(str_eqz(record, "e1"));
    spool_rewind(s);
    assert_true(str_eqz(read_all(s, &text, &position), "e1,e2,"));
    spool_ack(s, first);
    assert_int_equal(waiting(s), 1);
    spool_rewind(s);
    assert_true(str_eqz(read_all(s, &text, &position), "e2,"));
    spool_ack(s, position);
    assert_int_equal(waiting(s), 0);
    spool_rewind(s);
    assert_true(str_eqz(read_all(s, &text, NULL), ""));
    spool_close(s);
    s = open_spool(&c, NULL);
    assert_true(str_eqz(read_all(s, &text, NULL), ""));
    spool_close(s);
    buffer_release(&text);
}

static void test_reopen_keeps_what_was_not_acknowledged(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct spool *s = open_spool(&c, NULL);
    struct buffer text;
    struct str record;
    uint64_t position;
    buffer_init(&text, 64u << 20);
    event_record(s, 1, "a");
    event_record(s, 2, "b");
    event_record(s, 3, "c");
    assert_true(spool_read(s, &record, &position));
    spool_ack(s, position);
    spool_close(s);
    s = open_spool(&c, NULL);
    assert_int_equal(waiting(s), 2);
    event_record(s, 4, "d");
    assert_true(str_eqz(read_all(s, &text, &position), "b,c,d,"));
    spool_ack(s, position);
    assert_int_equal(waiting(s), 0);
    spool_close(s);
    buffer_release(&text);
}

static void test_open_without_event_becomes_unknown_once(void **state)
{
    (void)state;
    struct spool_config c = config();
    char copy[300], twice[320], command[2048];
    unsigned recovered = 0;
    uint64_t position = 0;
    struct buffer text;
    struct spool *s = open_spool(&c, NULL);
    buffer_init(&text, 64u << 20);
    open_record(s, 1, "first try");
    open_record(s, 1, "second try"); /* a retry: one request, one event */
    open_record(s, 2, "done");
    event_record(s, 2, "e2");
    open_record(s, 3, "lost");
    (void)snprintf(copy, sizeof(copy), "%s.kill", folder);
    (void)snprintf(twice, sizeof(twice), "%s.kill2", folder);
    copy_folder(copy); /* what a SIGKILL at this moment leaves */
    event_record(s, 1, "e1");
    event_record(s, 3, "e3");
    spool_close(s);

    c.folder = copy;
    s = open_spool(&c, &recovered);
    assert_int_equal(recovered, 2);
    assert_true(str_eqz(read_all(s, &text, &position), "e2,unknown second try,unknown lost,"));
    /* killed again before anything was acknowledged: still once */
    (void)snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", twice, copy, twice);
    assert_int_equal(system(command), 0);
    spool_ack(s, position);
    spool_close(s);
    s = open_spool(&c, &recovered);
    assert_int_equal(recovered, 2);
    assert_true(str_eqz(read_all(s, &text, NULL), ""));
    spool_close(s);
    c.folder = twice;
    s = open_spool(&c, &recovered);
    assert_int_equal(recovered, 2);
    assert_true(str_eqz(read_all(s, &text, NULL), "e2,unknown second try,unknown lost,"));
    spool_close(s);
    (void)nftw(copy, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)nftw(twice, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buffer_release(&text);
}

/* The open's event is acknowledged and its segment gone, while the open still stands in an old
 * segment that another, long-lived open keeps: it must not come back as unknown. */
static void test_closed_opens_stay_closed(void **state)
{
    (void)state;
    struct spool_config c = config();
    char copy[300], filler[400];
    unsigned recovered = 0;
    uint64_t position = 0;
    struct buffer text;
    struct spool *s = open_spool(&c, NULL);
    buffer_init(&text, 64u << 20);
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    open_record(s, 1, "long-lived");
    open_record(s, 2, "short");
    for (uint64_t n = 100; n < 100 + 2 * SEGMENT / 400; n++) {
        event_record(s, n, filler);
    }
    event_record(s, 2, "e2");
    for (uint64_t n = 1000; n < 1000 + 2 * SEGMENT / 400; n++) {
        event_record(s, n, filler);
    }
    (void)read_all(s, &text, &position);
    spool_ack(s, position);
    assert_int_equal(waiting(s), 0);
    (void)snprintf(copy, sizeof(copy), "%s.kill", folder);
    copy_folder(copy);
    event_record(s, 1, "e1");
    spool_close(s);
    c.folder = copy;
    s = open_spool(&c, &recovered);
    assert_true(str_eqz(read_all(s, &text, NULL), "unknown long-lived,"));
    assert_int_equal(recovered, 1);
    spool_close(s);
    (void)nftw(copy, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buffer_release(&text);
}

/* A stream that lasts for hours does not fill the spool: segments turn over behind it. */
static void test_long_lived_open_does_not_pin(void **state)
{
    (void)state;
    struct spool_config c = config();
    c.max_bytes = 8 * SEGMENT;
    struct spool *s = open_spool(&c, NULL);
    struct buffer text;
    struct spool_stats stats;
    char filler[400];
    uint64_t position = 0;
    buffer_init(&text, 64u << 20);
    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    open_record(s, 1, "long-lived");
    for (uint64_t n = 100; n < 100 + 40 * SEGMENT / 400; n++) { /* five times the ceiling */
        event_record(s, n, filler);
        if (n % 50 == 0) {
            (void)read_all(s, &text, &position);
            spool_ack(s, position);
        }
    }
    spool_stats(s, &stats);
    assert_true(stats.segments <= 8);
    event_record(s, 1, "e1");
    assert_true(str_ends(read_all(s, &text, &position), STR_LIT("e1,")));
    spool_ack(s, position);
    spool_close(s);
    unsigned recovered = 0;
    s = open_spool(&c, &recovered);
    assert_int_equal(recovered, 0);
    spool_close(s);
    buffer_release(&text);
}

/* ---- two threads ---- */

struct pair {
    struct spool *spool;
    uint64_t total;
    _Atomic bool written, asleep;
    _Atomic uint64_t wakes;
};

static void on_wake(void *arg)
{
    struct pair *p = arg;
    atomic_fetch_add(&p->wakes, 1);
    atomic_store(&p->asleep, false);
}

static void *writer(void *arg)
{
    struct pair *p = arg;
    char text[64];
    for (uint64_t n = 1; n <= p->total; n++) {
        struct error err = ERROR_INIT;
        struct uuid id = id_of(n);
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
        while (n % 3 && !spool_append_open(p->spool, &id, STR_LIT("open"), 64, &err)) {
            (void)sched_yield(); /* full: the reader is behind */
        }
        while (!spool_append_event(p->spool, &id, str_of(text), &err)) {
            (void)sched_yield();
        }
    }
    atomic_store(&p->written, true);
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct pair p = {.total = 60000};
    pthread_t thread;
    uint64_t next = 1, position = 0, batch = 0, rewinds = 0;
    c.max_bytes = 6 * SEGMENT;
    p.spool = open_spool(&c, NULL);
    spool_set_wake(p.spool, on_wake, &p);
    assert_int_equal(pthread_create(&thread, NULL, writer, &p), 0);
    uint64_t first_of_batch = 1;
    for (;;) {
        struct str record;
        uint64_t n;
        if (spool_read(p.spool, &record, &position)) {
            assert_true(str_to_u64(record, &n));
            if (n != next) {
                fail_msg("read %d where %d belongs", (int)n, (int)next);
            }
            next++;
            if (++batch == 97) {
                batch = 0;
                if (next % 5 == 0) { /* a failed batch: all of it comes again */
                    spool_rewind(p.spool);
                    next = first_of_batch;
                    rewinds++;
                } else {
                    spool_ack(p.spool, position);
                    first_of_batch = next;
                }
            }
        } else if (next > first_of_batch) {
            spool_ack(p.spool, position);
            first_of_batch = next;
            batch = 0;
        } else if (next > p.total) {
            break;
        } else {
            (void)sched_yield();
        }
        if (rewinds > 200) {
            rewinds = 200;
            batch = 1000000; /* enough of failing: acknowledge when the spool runs dry */
        }
    }
    (void)pthread_join(thread, NULL);
    assert_true(atomic_load(&p.written));
    assert_true(atomic_load(&p.wakes) > 0);
    assert_int_equal(waiting(p.spool), 0);
    spool_close(p.spool);
}

/* ---- a real SIGKILL ---- */

static void test_killed_process(void **state)
{
    (void)state;
    int pipes[2];
    unsigned recovered = 0;
    struct spool_config c = config();
    c.max_bytes = 4096ull * SEGMENT;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error err = ERROR_INIT;
        struct spool *s = spool_open(&c, recover, NULL, &err);
        for (uint64_t n = 1; s; n++) {
            struct uuid id = id_of(n);
            char text[32];
            (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
            if (!spool_append_open(s, &id, str_of(text), 64, &err) ||
                !spool_append_event(s, &id, str_of(text), &err) ||
                write(pipes[1], &n, sizeof(n)) != sizeof(n)) { /* "answered" */
                break;
            }
        }
        _exit(1);
    }
    close(pipes[1]);
    uint64_t answered = 0;
    while (answered < 20000 && read(pipes[0], &answered, sizeof(answered)) == sizeof(answered)) {
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    uint64_t later;
    while (read(pipes[0], &later, sizeof(later)) == sizeof(later)) {
        answered = later;
    }
    close(pipes[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct spool *s = open_spool(&c, &recovered);
    struct str record;
    uint64_t position, next = 1, unknown = 0;
    while (spool_read(s, &record, &position)) {
        uint64_t n;
        if (str_starts(record, STR_LIT("unknown "))) {
            unknown++;
            record = str_slice(record, 8, record.len);
        }
        assert_true(str_to_u64(record, &n));
        assert_int_equal(n, next);
        next++;
    }
    assert_true(next > answered); /* every answered one is there, once, and at most one more */
    assert_true(next <= answered + 2);
    assert_int_equal(unknown, recovered);
    assert_true(recovered <= 1);
    spool_close(s);
}

static void test_append_is_quick(void **state)
{
    (void)state;
    struct spool_config c = config();
    c.segment_bytes = 8 << 20;
    c.max_bytes = 128 << 20;
    struct spool *s = open_spool(&c, NULL);
    struct str record;
    char text[350];
    uint64_t position = 0, spent = 0;
    memset(text, 'e', sizeof(text));
    struct str bytes = {text, sizeof(text)};
    const unsigned rounds = 100, per_round = 1000;
    for (unsigned i = 0; i < rounds; i++) {
        struct error err = ERROR_INIT;
        uint64_t from = clock_mono_ns();
        for (unsigned k = 0; k < per_round; k++) {
            struct uuid id = id_of((uint64_t)i * per_round + k + 1);
            assert_true(spool_append_open(s, &id, bytes, 600, &err));
            assert_true(spool_append_event(s, &id, bytes, &err));
        }
        spent += clock_mono_ns() - from;
        while (spool_read(s, &record, &position)) {
        }
        spool_ack(s, position);
    }
    print_message("open + event of 350 bytes: %llu ns\n",
                  (unsigned long long)(spent / (rounds * per_round)));
    assert_int_equal(waiting(s), 0);
    spool_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_read_ack_rewind),
        WITH_FOLDER(test_reopen_keeps_what_was_not_acknowledged),
        WITH_FOLDER(test_open_without_event_becomes_unknown_once),
        WITH_FOLDER(test_closed_opens_stay_closed),
        WITH_FOLDER(test_long_lived_open_does_not_pin),
        WITH_FOLDER(test_two_threads),
        WITH_FOLDER(test_killed_process),
        WITH_FOLDER(test_append_is_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

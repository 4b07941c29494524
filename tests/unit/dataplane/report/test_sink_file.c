/* Events to JSON lines: each once, in whole lines, across crashes and failing files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/report/event.h"
#include "dataplane/report/sink_file.h"

static char folder[256], path[300], spool_folder[300];

static int remove_one(const char *p, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(p);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-sink-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/events.jsonl", folder);
    (void)snprintf(spool_folder, sizeof(spool_folder), "%s/spool", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct spool *open_spool(unsigned worker)
{
    struct error err = ERROR_INIT;
    struct spool_config c = {
        .folder = spool_folder, .worker = worker, .segment_bytes = 256 << 10, .max_bytes = 8 << 20};
    struct spool *s = spool_open(&c, event_recover, NULL, &err);
    if (!s) {
        fail_msg("%s", error_text(&err));
    }
    return s;
}

static struct uuid id_of(unsigned n)
{
    struct uuid u = {{1}};
    memcpy(u.b + 8, &n, sizeof(n));
    return u;
}

static void event_append(struct spool *s, unsigned n)
{
    struct error err = ERROR_INIT;
    struct event e = {
        .id = id_of(n), .endpoint = STR_LIT("models"), .status = 200, .outcome = EVENT_OK};
    struct buffer out;
    buffer_init(&out, 4096);
    assert_true(event_write(&e, &out));
    assert_true(spool_append_event(s, &e.id, buffer_str(&out), &err));
    buffer_release(&out);
}

static struct sink_file *start(struct spool **spools, size_t n)
{
    struct error err = ERROR_INIT;
    struct sink_file_config c = {
        .path = path, .spools = spools, .n_spools = n, .sync = SPOOL_SYNC_BATCH, .wait_ms = 1};
    struct sink_file *s = sink_file_start(&c, &err);
    if (!s) {
        fail_msg("%s", error_text(&err));
    }
    return s;
}

/* Lines in the file, each beginning as an event must; *ret_distinct: different ids among the n that
 * were appended. */
static unsigned count_lines(const char *file, unsigned n, unsigned *ret_distinct)
{
    unsigned lines = 0;
    uint8_t *seen = mem_alloc(n + 1);
    char line[4096], text[37];
    FILE *f = fopen(file, "r");
    *ret_distinct = 0;
    while (f && fgets(line, sizeof(line), f)) {
        lines++;
        assert_int_equal(line[strlen(line) - 1], '\n');
        for (unsigned i = 1; i <= n; i++) {
            struct uuid id = id_of(i);
            uuid_format(&id, text);
            if (strncmp(line, "{\"id\":\"", 7) == 0 && strncmp(line + 7, text, 36) == 0 &&
                !seen[i]) {
                seen[i] = 1;
                ++*ret_distinct;
            }
        }
    }
    if (f) {
        fclose(f);
    }
    mem_free(seen);
    return lines;
}

static void wait_lines(const struct sink_file *s, uint64_t n)
{
    uint64_t lines = 0, failures;
    while (lines < n) {
        sink_file_stats(s, &lines, &failures);
        (void)sched_yield();
    }
}

static void test_lines(void **state)
{
    (void)state;
    struct spool *spools[2] = {open_spool(0), open_spool(1)};
    struct spool_stats stats;
    struct stat st;
    unsigned distinct;
    event_append(spools[0], 1);
    struct sink_file *s = start(spools, 2);
    wait_lines(s, 1);
    for (unsigned i = 2; i <= 700; i++) {
        event_append(spools[i % 2], i); /* appended while it sleeps: it is woken */
    }
    wait_lines(s, 700);
    for (unsigned i = 701; i <= 800; i++) {
        event_append(spools[i % 2], i);
    }
    sink_file_stop(s, 5000); /* drains */
    assert_int_equal(count_lines(path, 800, &distinct), 800);
    assert_int_equal(distinct, 800);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (int i = 0; i < 2; i++) {
        spool_stats(spools[i], &stats);
        assert_int_equal(stats.waiting_records, 0);
        spool_close(spools[i]);
    }
}

/* Killed between writing and acknowledging: the spool offers the events again, the file holds them
 * already. */
static void test_no_double_after_crash(void **state)
{
    (void)state;
    char kept[320], command[1400];
    unsigned distinct;
    struct spool *spool = open_spool(0);
    for (unsigned i = 1; i <= 50; i++) {
        event_append(spool, i);
    }
    (void)snprintf(kept, sizeof(kept), "%s.kept", spool_folder);
    (void)snprintf(command, sizeof(command), "cp -a '%s' '%s'", spool_folder, kept);
    assert_int_equal(system(command), 0);
    struct sink_file *s = start(&spool, 1);
    wait_lines(s, 50);
    sink_file_stop(s, 5000);
    spool_close(spool);
    (void)snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s' '%s'", spool_folder, kept,
                   spool_folder);
    assert_int_equal(system(command), 0);
    /* the last line was cut in the middle as well */
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 10), 0);
    spool = open_spool(0);
    event_append(spool, 51);
    s = start(&spool, 1);
    wait_lines(s, 2); /* the torn one and the new one */
    sink_file_stop(s, 5000);
    assert_int_equal(count_lines(path, 51, &distinct), 51);
    assert_int_equal(distinct, 51);
    spool_close(spool);
}

static void test_failing_file_keeps_events(void **state)
{
    (void)state;
    struct spool *spool = open_spool(0);
    struct spool_stats stats;
    struct error err = ERROR_INIT;
    uint64_t lines = 0, failures = 0;
    log_init("test", LOG_ERROR + 1, false);
    struct sink_file_config bad = {
        .path = "/dev/full", .spools = &spool, .n_spools = 1, .wait_ms = 1};
    event_append(spool, 1);
    struct sink_file *s = sink_file_start(&bad, &err);
    assert_non_null(s);
    while (failures == 0) {
        sink_file_stats(s, &lines, &failures);
        (void)sched_yield();
    }
    sink_file_stop(s, 10);
    spool_stats(spool, &stats);
    assert_int_equal(stats.waiting_records, 1);
    s = start(&spool, 1);
    wait_lines(s, 1);
    sink_file_stop(s, 5000);
    spool_stats(spool, &stats);
    assert_int_equal(stats.waiting_records, 0);
    bad.path = "/nowhere/events";
    assert_null(sink_file_start(&bad, &err));
    assert_non_null(strstr(err.text, "/nowhere/events"));
    spool_close(spool);
}

static void test_reopen(void **state)
{
    (void)state;
    char moved[320];
    unsigned distinct;
    struct spool *spool = open_spool(0);
    struct sink_file *s = start(&spool, 1);
    event_append(spool, 1);
    wait_lines(s, 1);
    (void)snprintf(moved, sizeof(moved), "%s.1", path);
    assert_int_equal(rename(path, moved), 0);
    sink_file_reopen(s);
    while (access(path, F_OK) != 0) {
        (void)sched_yield();
    }
    event_append(spool, 2);
    sink_file_stop(s, 5000);
    assert_int_equal(count_lines(moved, 2, &distinct), 1);
    assert_int_equal(count_lines(path, 2, &distinct), 1);
    spool_close(spool);
}

/* Who books, as the sink sees it. */
struct books {
    _Atomic unsigned calls, refused, events, caught_up, at_caught_up;
    _Atomic bool refuse;
    unsigned times[64]; /* by event */
};

static bool on_book(void *arg, const struct str *events, size_t n, struct error *err)
{
    struct books *b = arg;
    b->calls++;
    if (b->refuse) {
        b->refused++;
        return error_set(err, ERR_INTERNAL, "the disk is full");
    }
    for (size_t i = 0; i < n; i++) {
        for (unsigned id = 1; id < 64; id++) {
            struct uuid u = id_of(id);
            b->times[id] += memmem(events[i].ptr, events[i].len, u.b, 16) != NULL;
        }
    }
    b->events += (unsigned)n;
    return true;
}

static void on_caught_up(void *arg)
{
    struct books *b = arg;
    b->at_caught_up = b->events;
    b->caught_up++;
}

static struct sink_file *start_booking(struct spool **spools, size_t n, struct books *b)
{
    struct error err = ERROR_INIT;
    struct sink_file_config c = {.path = path,
                                 .spools = spools,
                                 .n_spools = n,
                                 .wait_ms = 1,
                                 .book = on_book,
                                 .caught_up = on_caught_up,
                                 .arg = b};
    struct sink_file *s = sink_file_start(&c, &err);
    assert_non_null(s);
    return s;
}

#define UNTIL(condition)     \
    while (!(condition)) {   \
        (void)sched_yield(); \
    }

static void test_booked_before_it_is_written(void **state)
{
    (void)state;
    struct spool *spools[2] = {open_spool(0), open_spool(1)};
    struct books b = {.refuse = true};
    struct spool_stats stats;
    struct stat st;
    unsigned distinct;
    log_init("test", LOG_ERROR + 1, false);
    for (unsigned i = 1; i <= 40; i++) {
        event_append(spools[i % 2], i);
    }
    struct sink_file *s = start_booking(spools, 2, &b);
    UNTIL(b.refused >= 2);
    assert_int_equal(b.caught_up, 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0); /* no line of what is not booked */
    spool_stats(spools[0], &stats);
    assert_int_equal(stats.waiting_records, 20);
    b.refuse = false;
    UNTIL(b.caught_up == 1);
    assert_int_equal(b.at_caught_up, 40);
    event_append(spools[0], 41);
    sink_file_stop(s, 5000);
    assert_int_equal(b.caught_up, 1);
    assert_int_equal(count_lines(path, 41, &distinct), 41);
    assert_int_equal(distinct, 41);
    for (unsigned i = 1; i <= 41; i++) {
        assert_int_equal(b.times[i], 1);
    }
    spool_close(spools[0]);
    spool_close(spools[1]);
}

/* Lines that a crash left unacknowledged are not written again, but their events are offered to who
 * books: which of the two had been done is not for the sink to know. */
static void test_booked_again_after_a_crash(void **state)
{
    (void)state;
    char kept[320], command[1400];
    unsigned distinct;
    struct books first = {0}, second = {0};
    struct spool *spool = open_spool(0);
    for (unsigned i = 1; i <= 9; i++) {
        event_append(spool, i);
    }
    (void)snprintf(kept, sizeof(kept), "%s.kept", spool_folder);
    (void)snprintf(command, sizeof(command), "cp -a '%s' '%s'", spool_folder, kept);
    assert_int_equal(system(command), 0);
    sink_file_stop(start_booking(&spool, 1, &first), 5000);
    spool_close(spool);
    assert_int_equal(first.events, 9);
    (void)snprintf(command, sizeof(command), "rm -rf '%s' && mv '%s' '%s'", spool_folder, kept,
                   spool_folder);
    assert_int_equal(system(command), 0);
    spool = open_spool(0);
    struct sink_file *s = start_booking(&spool, 1, &second);
    UNTIL(second.caught_up);
    assert_int_equal(second.at_caught_up, 9);
    sink_file_stop(s, 5000);
    assert_int_equal(count_lines(path, 9, &distinct), 9);
    spool_close(spool);
}

int main(void)
{
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_lines),
        WITH_FOLDER(test_no_double_after_crash),
        WITH_FOLDER(test_failing_file_keeps_events),
        WITH_FOLDER(test_reopen),
        WITH_FOLDER(test_booked_before_it_is_written),
        WITH_FOLDER(test_booked_again_after_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

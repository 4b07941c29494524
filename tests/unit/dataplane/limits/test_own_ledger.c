/* What budgets of a proxy on its own have spent: each event counts once, whatever happens to the
 * process, to the file and to the disk. */
#include "dataplane/limits/own_rig.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void file_path(char path[static 300])
{
    (void)snprintf(path, 300, "%s/ledger", folder);
}

static void test_booked_once(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct buffer b;
    struct own_ledger *l = rig_open();
    buffer_init(&b, 65536);
    struct event_charge charges[] = {charge_of(0, "", 100), charge_of(1, "alice", 7),
                                     charge_of(1, "bob", 8), charge_of(0, "", 11)};
    struct event_charge none[] = {charge_of(0, "", 0)};
    (void)buffer_reserve(&b, 4096); /* spans stay */
    struct str events[] = {
        event_put(&b, 1, charges, 4),
        event_put(&b, 2, &charges[0], 1),
        event_put(&b, 1, charges, 4),        /* twice in a batch */
        event_put(&b, 3, none, 1),           /* nothing to book */
        event_put(&b, 4, NULL, 0),           /* no charges at all */
        STR_LIT("no event"),                 /* not even that */
        {events[0].ptr, events[0].len - 3u}, /* cut */
    };
    assert_true(own_ledger_book(l, events, 7, &err));
    assert_int_equal(settled(l, 0, ""), 211);
    assert_int_equal(settled(l, 1, "alice"), 7);
    assert_int_equal(settled(l, 1, "bob"), 8);
    assert_int_equal(settled(l, 1, ""), 0);
    assert_true(own_ledger_book(l, events, 7, &err));
    assert_int_equal(settled(l, 0, ""), 211);
    own_ledger_close(l);
    for (unsigned i = 0; i < 3; i++) { /* and by the next processes */
        struct own_ledger_stats stats;
        l = rig_open();
        assert_int_equal(settled(l, 0, ""), 211);
        assert_true(own_ledger_book(l, events, 2, &err));
        assert_int_equal(settled(l, 0, ""), 211);
        assert_int_equal(settled(l, 1, "bob"), 8);
        own_ledger_stats(l, &stats);
        assert_int_equal(stats.repeated, 2);
        assert_int_equal(stats.booked, 0);
        assert_int_equal(stats.accounts, 3);
        own_ledger_close(l);
    }
    own_ledger_close(NULL);
    buffer_release(&b);
}

static void test_files_are_ours_alone(void **state)
{
    (void)state;
    char path[300];
    struct stat st;
    struct error err = ERROR_INIT;
    struct own_ledger_config c = rig_config();
    own_ledger_close(rig_open());
    file_path(path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, "somebody else's file", 20), 20);
    (void)close(fd);
    assert_null(own_ledger_open(&c, &err)); /* never written over */
    assert_non_null(strstr(err.text, path));
    c.folder = "/proc/no-such-folder";
    assert_null(own_ledger_open(&c, &err));
}

/* The file cut at every byte, as a crash or a lost page would: what is whole counts, and offering
 * all events again makes it whole. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    enum { EVENTS = 12 };
    char path[300];
    struct stat st;
    struct own_ledger *l = rig_open();
    off_t ends[EVENTS + 1];
    file_path(path);
    assert_int_equal(stat(path, &st), 0);
    ends[0] = st.st_size;
    for (unsigned i = 0; i < EVENTS; i++) {
        assert_true(book(l, i, 0, i % 3 ? "x" : "y", 1ull << (2 * i)));
        assert_int_equal(stat(path, &st), 0);
        ends[i + 1] = st.st_size;
    }
    own_ledger_close(l);
    char *whole = mem_alloc((size_t)st.st_size);
    int fd = open(path, O_RDWR);
    assert_int_equal(read(fd, whole, (size_t)st.st_size), st.st_size);
    for (off_t len = 0; len <= st.st_size; len++) {
        uint64_t expect = 0, all = 0;
        assert_int_equal(ftruncate(fd, len), 0);
        for (int garbage = 0; garbage < 2; garbage++) {
            if (garbage) { /* and with something else behind it */
                if (len < ends[0]) {
                    continue;
                }
                assert_int_equal(pwrite(fd, "\5\0\0\0\1\2\3\4Eabcd", 13, len), 13);
            }
            l = rig_open();
            expect = 0;
            for (unsigned i = 0; i < EVENTS; i++) {
                expect += ends[i + 1] <= len ? 1ull << (2 * i) : 0;
            }
            assert_int_equal(settled(l, 0, "x") + settled(l, 0, "y"), expect);
            if (!garbage) {
                own_ledger_close(l);
            }
        }
        if (len < ends[0]) {
            l = rig_open();
        }
        for (unsigned i = 0; i < EVENTS; i++) {
            assert_true(book(l, i, 0, i % 3 ? "x" : "y", 1ull << (2 * i)));
            all += 1ull << (2 * i);
        }
        assert_int_equal(settled(l, 0, "x") + settled(l, 0, "y"), all);
        own_ledger_close(l);
        l = rig_open();
        assert_int_equal(settled(l, 0, "x") + settled(l, 0, "y"), all);
        own_ledger_close(l);
        assert_int_equal(pwrite(fd, whole, (size_t)st.st_size, 0), st.st_size);
    }
    (void)close(fd);
    mem_free(whole);
}

static uint64_t random_state = 88172645463325252ull;

static uint64_t random_below(uint64_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % n;
}

/* What a process that was killed had done, in memory that outlives it. */
struct progress {
    _Atomic uint64_t booked; /* events up to here are booked and acknowledged */
    _Atomic uint64_t steps;
};

#define KILL_EVENTS 100000u
#define KILL_BATCH 7u

/* Books from where it stands, as the spools' reader does: offers again what was not acknowledged.
 */
static void book_on(struct own_ledger *l, struct progress *p, uint64_t until)
{
    struct error err = ERROR_INIT;
    struct buffer b;
    struct str events[KILL_BATCH];
    buffer_init(&b, 1 << 20);
    (void)buffer_reserve(&b, 65536);
    while (p->booked < until) {
        size_t n = 0;
        buffer_clear(&b);
        for (uint64_t i = p->booked; n < KILL_BATCH && i < until; i++, n++) {
            struct event_charge c[] = {charge_of(0, "", i + 1),
                                       charge_of(1, i % 2 ? "odd" : "even", 1)};
            events[n] = event_put(&b, i, c, 2);
        }
        p->steps++;
        if (!own_ledger_book(l, events, n, &err)) {
            _exit(3);
        }
        p->steps++;
        p->booked += n; /* the acknowledgement: a crash before it offers the batch again */
    }
    buffer_release(&b);
}

static void test_killed_at_any_moment(void **state)
{
    (void)state;
    struct own_ledger_config c = rig_config();
    struct progress *p =
        mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t compactions = 0;
    assert_true(p != MAP_FAILED);
    c.compact_bytes = 600; /* every few batches */
    c.remember = 50;
    for (unsigned round = 0; round < 60; round++) {
        uint64_t at = p->steps + 1 + random_below(40), spin = random_below(20000);
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct error err = ERROR_INIT;
            struct own_ledger *l = own_ledger_open(&c, &err);
            if (!l) {
                _exit(2);
            }
            book_on(l, p, KILL_EVENTS);
            _exit(0);
        }
        while (p->steps < at && waitpid(pid, &status, WNOHANG) == 0) {
            (void)sched_yield();
        }
        for (volatile uint64_t i = 0; i < spin; i++) {
        }
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        struct own_ledger *l = rig_open_as(&c);
        uint64_t acked = p->booked, sum = acked * (acked + 1) / 2, stands = settled(l, 0, "");
        assert_true(stands >= sum); /* nothing acknowledged is lost; a batch may be ahead */
        assert_true(stands <= (acked + KILL_BATCH) * (acked + KILL_BATCH + 1) / 2);
        book_on(l, p, acked + KILL_BATCH + 3);
        acked = p->booked;
        assert_int_equal(settled(l, 0, ""), acked * (acked + 1) / 2);
        assert_int_equal(settled(l, 1, "odd") + settled(l, 1, "even"), acked);
        struct own_ledger_stats stats;
        own_ledger_stats(l, &stats);
        compactions += stats.compactions;
        assert_true(stats.file_bytes < 8000);
        own_ledger_close(l);
    }
    assert_true(compactions > 0);
    (void)munmap(p, sizeof(*p));
}

static void test_compaction(void **state)
{
    (void)state;
    struct own_ledger_config c = rig_config();
    struct own_ledger_stats stats;
    c.compact_bytes = 2000;
    c.remember = 10;
    quotas[0].rule.amount = quotas[2].rule.amount = 1000;
    quotas[2].rule.window = WINDOW_TOTAL;
    struct own_ledger *l = rig_open_as(&c);
    struct event_charge total = charge_of(2, "", 77), old = charge_of(0, "", 66),
                        gone = charge_of(5, "", 55);
    total.window_start_s = 0;
    old.window_start_s = TODAY_S - 9 * DAY_S;
    assert_true(book_charge(l, 1000, total));
    assert_true(book_charge(l, 1001, old));
    assert_true(book_charge(l, 1002, gone)); /* of a budget that is no more: it may come again */
    for (unsigned i = 0; i < 500; i++) {
        assert_true(book(l, i, 0, i % 2 ? "odd" : "even", 3));
    }
    own_ledger_stats(l, &stats);
    assert_true(stats.compactions >= 3);
    assert_true(stats.file_bytes < 6000);
    for (unsigned turn = 0; turn < 2; turn++) {
        assert_int_equal(settled(l, 0, "odd"), 750);
        assert_int_equal(settled(l, 0, "even"), 750);
        assert_int_equal(settled_at(l, 2, "", 0), 77);
        assert_int_equal(settled(l, 5, ""), 55);
        assert_int_equal(settled_at(l, 0, "", TODAY_S - 9 * DAY_S), 0); /* past */
        assert_true(book(l, 499, 0, "odd", 3)); /* the last ones are known again */
        assert_true(book(l, 490, 0, "even", 3));
        assert_int_equal(settled(l, 0, "odd") + settled(l, 0, "even"), 1500);
        own_ledger_close(l);
        l = rig_open_as(&c);
    }
    own_ledger_close(l);
}

/* No room on the disk: told, nothing half done, and well again when there is room. */
static void test_full_disk(void **state)
{
    (void)state;
    char path[300];
    struct stat st;
    struct rlimit before, small;
    struct own_ledger_config c = rig_config();
    struct own_ledger_stats stats;
    (void)signal(SIGXFSZ, SIG_IGN);
    c.compact_bytes = 400;
    struct own_ledger *l = rig_open_as(&c);
    assert_true(book(l, 1, 0, "", 10));
    file_path(path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    for (rlim_t room = 0; room < 60; room += 7) { /* also within a record */
        small.rlim_cur = (rlim_t)st.st_size + room;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        assert_false(book(l, 2, 0, "", 10));
        assert_int_equal(settled(l, 0, ""), 10);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        struct own_ledger *other = rig_open_as(&c); /* what a crash now would leave */
        assert_int_equal(settled(other, 0, ""), 10);
        own_ledger_close(other);
    }
    assert_true(book(l, 2, 0, "", 10));
    assert_int_equal(settled(l, 0, ""), 20);
    /* room for what is appended, none for the new file: it grows on */
    small.rlim_cur = 1200;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    unsigned n = 3;
    while (n < 100 && book(l, n, 0, n % 2 ? "a bucket with a name that takes room" : "", 1)) {
        n++;
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(n < 100);
    own_ledger_stats(l, &stats);
    assert_int_equal(stats.failures, 10);
    for (unsigned i = n; i < 120; i++) {
        assert_true(book(l, i, 0, "", 1));
    }
    own_ledger_close(l);
    l = rig_open_as(&c);
    assert_int_equal(settled(l, 0, "") + settled(l, 0, "a bucket with a name that takes room"),
                     20 + 117);
    own_ledger_close(l);
}

static void test_alerts_are_told_once(void **state)
{
    (void)state;
    static const uint32_t percents[] = {80, 50, 100};
    struct own_ledger_config c = rig_config();
    c.compact_bytes = 300;
    quotas[0].rule.amount = 1000;
    quotas[0].alert_percents = percents;
    quotas[0].n_alert_percents = 3;
    quotas[1].rule.amount = 10;
    quotas[1].rule.mode = MODE_SOFT;
    struct own_ledger *l = rig_open_as(&c);
    assert_true(book(l, 1, 0, "b", 499));
    assert_int_equal(alerts.n, 0);
    assert_true(book(l, 2, 0, "b", 1));
    assert_int_equal(alerts.n, 1);
    assert_int_equal(alerts.percent[0], 50);
    assert_int_equal(alerts.settled[0], 500);
    assert_string_equal(alerts.bucket[0], "b");
    assert_true(book(l, 3, 0, "b", 1));
    assert_int_equal(alerts.n, 1);
    own_ledger_close(l);
    l = rig_open_as(&c); /* nor by the next process */
    assert_true(book(l, 4, 0, "b", 1));
    assert_int_equal(alerts.n, 1);
    assert_true(book(l, 5, 0, "c", 1000)); /* another account; all at once, in order */
    assert_int_equal(alerts.n, 4);
    assert_true(alerts.percent[1] == 50 && alerts.percent[2] == 80 && alerts.percent[3] == 100);
    quotas[0].rule.amount = 600; /* lowered: 502 is past 80 % of it */
    assert_true(book(l, 6, 0, "b", 1));
    assert_int_equal(alerts.n, 5);
    assert_int_equal(alerts.percent[4], 80);
    quotas[0].rule.amount = 5000; /* raised: not told again */
    assert_true(book(l, 7, 0, "b", 4000));
    assert_int_equal(alerts.n, 5);
    assert_true(book(l, 8, 1, "", 9)); /* soft, without thresholds: at its amount */
    assert_int_equal(alerts.n, 5);
    assert_true(book(l, 9, 1, "", 1));
    assert_int_equal(alerts.n, 6);
    assert_int_equal(alerts.percent[5], 100);
    for (unsigned i = 10; i < 60; i++) { /* through compactions */
        assert_true(book(l, i, 1, "", 1));
    }
    own_ledger_close(l);
    l = rig_open_as(&c);
    assert_true(book(l, 60, 1, "", 1));
    assert_int_equal(alerts.n, 6);
    struct event_charge tomorrow = charge_of(1, "", 10);
    tomorrow.window_start_s += DAY_S;
    assert_true(book_charge(l, 61, tomorrow)); /* a new window */
    assert_int_equal(alerts.n, 7);
    quotas[1].disabled = true;
    tomorrow.window_start_s += DAY_S;
    assert_true(book_charge(l, 62, tomorrow));
    assert_true(book(l, 63, 6, "", 1)); /* a budget that is gone */
    assert_int_equal(alerts.n, 7);
    own_ledger_close(l);
}

static void test_large_numbers(void **state)
{
    (void)state;
    static const uint32_t percents[] = {100};
    struct own_ledger *l = rig_open();
    quotas[0].rule.amount = UINT64_MAX;
    quotas[0].alert_percents = percents;
    quotas[0].n_alert_percents = 1;
    assert_true(book(l, 1, 0, "", UINT64_MAX - 1));
    assert_int_equal(alerts.n, 0);
    assert_true(book(l, 2, 0, "", UINT64_MAX));
    assert_true(settled(l, 0, "") == UINT64_MAX); /* it stays there */
    assert_int_equal(alerts.n, 1);
    own_ledger_close(l);
}

static void test_too_many_buckets_share_one(void **state)
{
    (void)state;
    struct own_ledger_config c = rig_config();
    c.max_accounts = 3;
    struct own_ledger *l = rig_open_as(&c);
    for (unsigned i = 0; i < 10; i++) {
        char bucket[8];
        (void)snprintf(bucket, sizeof(bucket), "u%u", i);
        assert_true(book(l, i, 0, bucket, 1));
    }
    assert_true(book(l, 10, 0, "u1", 1));
    for (unsigned turn = 0; turn < 2; turn++) {
        assert_int_equal(settled(l, 0, "u0"), 1);
        assert_int_equal(settled(l, 0, "u1"), 2);
        assert_int_equal(settled(l, 0, "u2"), 1);
        assert_int_equal(settled(l, 0, "u3"), 0);
        assert_int_equal(settled(l, 0, QUOTA_BUCKET_REST), 7);
        own_ledger_close(l);
        l = rig_open_as(&c);
    }
    own_ledger_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_booked_once),
        WITH_FOLDER(test_files_are_ours_alone),
        WITH_FOLDER(test_cut_anywhere),
        WITH_FOLDER(test_killed_at_any_moment),
        WITH_FOLDER(test_compaction),
        WITH_FOLDER(test_full_disk),
        WITH_FOLDER(test_alerts_are_told_once),
        WITH_FOLDER(test_large_numbers),
        WITH_FOLDER(test_too_many_buckets_share_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The spool when things go wrong: torn and damaged files, ceilings, full disks, two processes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "dataplane/report/spool_fixture.h"

static unsigned count_segments(void)
{
    unsigned n = 0, worker, number;
    DIR *d = opendir(folder);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += segment_name_parse(e->d_name, &worker, &number);
    }
    closedir(d);
    return n;
}

static void test_every_truncation_of_the_last_record(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct spool *s = open_spool(&c, NULL);
    struct buffer text;
    char path[600];
    buffer_init(&text, 64u << 20);
    event_record(s, 1, "first");
    event_record(s, 2, "second");
    uint64_t from = SEGMENT_HEADER + record_size(5), to = from + record_size(6);
    segment_path(path, sizeof(path), folder, 0, s->tail->number);
    char keep[700];
    (void)snprintf(keep, sizeof(keep), "%s.keep", folder);
    copy_folder(keep);
    spool_close(s);
    for (uint64_t cut = from; cut <= to; cut++) {
        /* the page cache's view after a crash: what follows the cut is still zero */
        char command[2048];
        (void)snprintf(command, sizeof(command), "rm -rf '%s' && cp -a '%s' '%s'", folder, keep,
                       folder);
        assert_int_equal(system(command), 0);
        int fd = open(path, O_RDWR);
        assert_true(fd >= 0);
        char zero[128] = {0};
        assert_int_equal(pwrite(fd, zero, sizeof(zero), (off_t)cut), sizeof(zero));
        if (cut % 2) {
            assert_int_equal(ftruncate(fd, (off_t)cut), 0); /* or the file ends there */
        }
        close(fd);
        s = open_spool(&c, NULL);
        bool whole = cut >= from + sizeof(struct record) + 6; /* all but padding */
        struct str got = read_all(s, &text, NULL);
        if (!str_eqz(got, whole && !(cut % 2 && cut < to) ? "first,second," : "first,")) {
            fail_msg("cut at %d of %d: %.*s", (int)(cut - from), (int)(to - from), STR_ARG(got));
        }
        spool_close(s);
    }
    (void)nftw(keep, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    buffer_release(&text);
}

static void test_damaged_record_ends_the_segment(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct spool *s = open_spool(&c, NULL);
    struct buffer text;
    char path[600];
    buffer_init(&text, 64u << 20);
    event_record(s, 1, "first");
    event_record(s, 2, "second");
    event_record(s, 3, "third");
    segment_path(path, sizeof(path), folder, 0, s->tail->number);
    spool_close(s);
    int fd = open(path, O_RDWR);
    off_t at = (off_t)(SEGMENT_HEADER + record_size(5) + sizeof(struct record) + 2);
    assert_int_equal(pwrite(fd, "!", 1, at), 1);
    close(fd);
    s = open_spool(&c, NULL);
    event_record(s, 4, "fourth");
    assert_true(str_eqz(read_all(s, &text, NULL), "first,fourth,"));
    spool_close(s);
    /* a file that is no segment at all is set aside, and the rest goes on */
    segment_path(path, sizeof(path), folder, 0, 77);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    char junk[4096];
    memset(junk, 0x5a, sizeof(junk));
    assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
    close(fd);
    s = open_spool(&c, NULL);
    assert_true(str_eqz(read_all(s, &text, NULL), "first,fourth,"));
    (void)snprintf(junk, sizeof(junk), "%s.bad", path);
    assert_int_equal(access(junk, F_OK), 0);
    spool_close(s);
    buffer_release(&text);
}

static void test_ceiling_refuses_but_keeps_its_word(void **state)
{
    (void)state;
    struct spool_config c = config();
    c.max_bytes = 4 * SEGMENT;
    struct spool *s = open_spool(&c, NULL);
    struct error err = ERROR_INIT;
    struct buffer text;
    char filler[2000];
    uint64_t n = 0, position = 0;
    buffer_init(&text, 64u << 20);
    memset(filler, 'x', sizeof(filler));
    struct uuid id = id_of(1);
    /* each open keeps 8 KB for its event */
    while (spool_append_open(s, &id, STR_LIT("open"), 8000, &err)) {
        id = id_of(++n + 1);
    }
    assert_int_equal(err.code, ERR_SPOOL_FULL);
    assert_true(n >= 24 && n <= 32); /* 4 x 64 KB, less what changes of segment may waste */
    /* an event without open must not take what was promised */
    id = id_of(9000);
    err = (struct error)ERROR_INIT;
    while (spool_append_event(s, &id, (struct str){filler, sizeof(filler)}, &err)) {
    }
    assert_int_equal(err.code, ERR_SPOOL_FULL);
    char big[8000];
    memset(big, 'y', sizeof(big));
    for (uint64_t i = 1; i <= n; i++) {
        id = id_of(i);
        err = (struct error)ERROR_INIT;
        if (!spool_append_event(s, &id, (struct str){big, sizeof(big)}, &err)) {
            fail_msg("promised event %d of %d: %s", (int)i, (int)n, error_text(&err));
        }
    }
    (void)read_all(s, &text, &position);
    spool_ack(s, position);
    assert_int_equal(waiting(s), 0);
    id = id_of(7000);
    assert_true(spool_append_open(s, &id, STR_LIT("open"), 8000, &err)); /* room again */
    spool_close(s);
    buffer_release(&text);
}

static void test_drop_oldest(void **state)
{
    (void)state;
    struct spool_config c = config();
    c.max_bytes = 4 * SEGMENT;
    c.drop_oldest = true;
    struct spool *s = open_spool(&c, NULL);
    struct spool_stats stats;
    struct str record;
    char text[400];
    uint64_t position, total = 20 * SEGMENT / 400, seen = 0, last = 0;
    for (uint64_t n = 1; n <= total; n++) {
        (void)snprintf(text, sizeof(text), "%0399llu", (unsigned long long)n);
        event_record(s, n, text);
    }
    spool_stats(s, &stats);
    assert_true(stats.dropped > total / 2);
    assert_int_equal(stats.waiting_records + stats.dropped, total);
    assert_true(stats.segments <= 4);
    while (spool_read(s, &record, &position)) {
        uint64_t n;
        assert_true(str_to_u64(record, &n));
        assert_true(n > last);
        last = n;
        seen++;
    }
    assert_int_equal(last, total); /* the newest are kept */
    assert_int_equal(seen, stats.waiting_records);
    spool_ack(s, position);
    assert_int_equal(waiting(s), 0);
    spool_close(s);
}

static void test_full_disk(void **state)
{
    (void)state;
    char mounted[300];
    struct error err = ERROR_INIT;
    struct rlimit old = {0};
    struct spool_config c = config();
    (void)snprintf(mounted, sizeof(mounted), "%s/small", folder);
    assert_int_equal(mkdir(mounted, 0700), 0);
    bool tmpfs = mount("weir-test", mounted, "tmpfs", 0, "size=200k") == 0;
    if (!tmpfs) {
        /* not allowed to mount: no file may grow to a segment's size, which fails like a full disk
         */
        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        struct rlimit tiny = {.rlim_cur = SEGMENT / 2, .rlim_max = old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    }
    c.folder = mounted;
    struct spool *s = spool_open(&c, recover, NULL, &err);
    if (tmpfs) {
        assert_non_null(s);
        uint64_t opened = 0, n = 0;
        struct uuid id = id_of(1);
        while (spool_append_open(s, &id, STR_LIT("open"), 8000, &err)) {
            id = id_of(++opened + 1);
        }
        assert_int_equal(err.code, ERR_SPOOL_FULL);
        char big[8000];
        memset(big, 'z', sizeof(big));
        for (uint64_t i = 1; i <= opened; i++) {
            id = id_of(i);
            n += spool_append_event(s, &id, (struct str){big, sizeof(big)}, &err);
        }
        assert_true(opened > 0);
        assert_int_equal(n, opened);
        spool_close(s);
        assert_int_equal(umount(mounted), 0);
    } else {
        assert_null(s);
        assert_int_equal(err.code, ERR_SPOOL_FULL);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    }
}

static void test_one_process_at_a_time(void **state)
{
    (void)state;
    struct spool_config c = config();
    struct spool *s = open_spool(&c, NULL);
    struct error err = ERROR_INIT;
    assert_null(spool_open(&c, recover, NULL, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    c.worker = 3;
    struct spool *other = open_spool(&c, NULL); /* another worker's is another spool */
    event_record(other, 1, "e");
    assert_int_equal(spool_workers_on_disk(folder), 4);
    spool_close(other);
    spool_close(s);
    assert_int_equal(spool_workers_on_disk(folder),
                     4); /* worker 0 left nothing behind; 3 has an event */
    assert_int_equal(count_segments(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_every_truncation_of_the_last_record),
        WITH_FOLDER(test_damaged_record_ends_the_segment),
        WITH_FOLDER(test_ceiling_refuses_but_keeps_its_word),
        WITH_FOLDER(test_drop_oldest),
        WITH_FOLDER(test_full_disk),
        WITH_FOLDER(test_one_process_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

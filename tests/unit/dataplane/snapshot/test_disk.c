/* The snapshot on disk: what was applied comes back, up to the last good run, sealed or not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "dataplane/snapshot/disk.h"
#include "dataplane/snapshot/entities.h"
#include "dataplane/snapshot/run.h"

static char folder[256];
static const uint8_t state_key[32] = {1, 2, 3}, other_key[32] = {9}, wrap_key[32] = {5};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/weir-disk-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct snapshot_disk *open_disk(const uint8_t *key, size_t log_min)
{
    struct error err = ERROR_INIT;
    struct snapshot_disk_config c = {
        .folder = folder, .state_key = key, .wrap_key = wrap_key, .log_min_bytes = log_min};
    struct snapshot_disk *d = snapshot_disk_open(&c, &err);
    assert_non_null(d);
    return d;
}

static void wait_fold(struct snapshot_disk *d)
{
    while (snapshot_disk_is_folding(d)) {
        (void)sched_yield();
    }
}

/* One part, key n under the name; full: from nothing. */
static struct str part(uint64_t from, uint64_t to, unsigned n, const char *name, bool with_key)
{
    struct uuid id = id_of(3, n), key_id = id_of(9, 1);
    uint8_t sealed[CRYPTO_SEALED_LEN(32)], key[32] = {42};
    Weir__SnapshotPart m = WEIR__SNAPSHOT_PART__INIT;
    Weir__Change c = WEIR__CHANGE__INIT, *list[] = {&c};
    Weir__WrappedKey k = WEIR__WRAPPED_KEY__INIT, *keys[] = {&k};
    struct str body =
        key_body((struct key_spec){.n = n, .organization = 1, .workspace = 1, .name = name});
    crypto_seal(wrap_key, NULL, (struct str){(char *)key_id.b, 16}, key, 32, sealed);
    k.id = bytes_of_uuid(&key_id);
    k.sealed = (ProtobufCBinaryData){sizeof(sealed), sealed};
    c.kind = 3;
    c.id = bytes_of_uuid(&id);
    c.deleted = name == NULL;
    c.body = (ProtobufCBinaryData){name ? body.len : 0, (uint8_t *)(uintptr_t)body.ptr};
    m.from_version = from;
    m.to_version = to;
    m.last = true;
    m.changes = list;
    m.n_changes = 1;
    m.keys = keys;
    m.n_keys = with_key ? 1 : 0;
    struct str out = packed(&m.base);
    release(body);
    return out;
}

/* Applies and stores; takes over base, gives the next root. */
static struct snapshot *step(struct snapshot_disk *d, struct snapshot *base, struct str bytes)
{
    struct error err = ERROR_INIT;
    bool diverged;
    struct snapshot_run *run = snapshot_run_new(base, wrap_key);
    if (!snapshot_run_part(run, bytes, &err)) {
        fail_msg("part: %s", error_text(&err));
    }
    bool full = snapshot_run_is_full(run);
    struct snapshot *next = snapshot_run_finish(run, &diverged, &err);
    assert_non_null(next);
    if (!snapshot_disk_append(d, &bytes, 1, full, next, &err)) {
        fail_msg("append: %s", error_text(&err));
    }
    snapshot_unref(base);
    release(bytes);
    return next;
}

static const char *name_of(const struct snapshot *s, unsigned n, char buf[64])
{
    uint8_t secret[32];
    secret_of(n, secret);
    struct arena *a = arena_new(0);
    const struct snap_key *k = snapshot_key(s, secret, a);
    (void)snprintf(buf, 64, "%.*s", k ? (int)k->name.len : 1, k ? k->name.ptr : "-");
    arena_free(a);
    return buf;
}

static struct snapshot *load(const uint8_t *key, struct error *err)
{
    *err = (struct error)ERROR_INIT;
    struct snapshot_disk *d = open_disk(key, 0);
    struct snapshot *s = snapshot_disk_load(d, err);
    snapshot_disk_close(d);
    return s;
}

static void round_trip(const uint8_t *key)
{
    struct error err = ERROR_INIT;
    uint8_t one[32], two[32];
    char buf[64];
    struct stat st;
    struct snapshot_disk *d = open_disk(key, 0);
    assert_null(snapshot_disk_load(d, &err));
    assert_int_equal(err.code, ERR_NONE);
    struct snapshot *s = step(d, NULL, part(0, 10, 1, "first", true));
    wait_fold(d);
    s = step(d, s, part(10, 11, 2, "second", false));
    s = step(d, s, part(11, 12, 1, "renamed", false));
    s = step(d, s, part(12, 13, 2, NULL, false));
    s = step(d, s, part(13, 15, 3, "third", false));
    snapshot_root_hash(s, one);
    snapshot_unref(s);
    snapshot_disk_close(d);
    s = load(key, &err);
    assert_non_null(s);
    assert_int_equal(snapshot_version(s), 15);
    snapshot_root_hash(s, two);
    assert_memory_equal(one, two, 32);
    assert_string_equal(name_of(s, 1, buf), "renamed");
    assert_string_equal(name_of(s, 2, buf), "-");
    snapshot_unref(s);
    /* modes, and no text in clear when sealed */
    DIR *dir = opendir(folder);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[600], text[4096];
        if (e->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, text, sizeof(text));
        close(fd);
        assert_true(n > 48);
        assert_null(memmem(text, (size_t)n, key ? "renamed" : "no such text", key ? 7 : 12));
    }
    closedir(dir);
}

static void test_plain(void **state)
{
    (void)state;
    round_trip(NULL);
}

static void test_sealed(void **state)
{
    (void)state;
    struct error err;
    round_trip(state_key);
    assert_null(load(other_key, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_null(load(NULL, &err));
    assert_non_null(strstr(err.text, "no state key"));
    struct snapshot *s = load(state_key, &err); /* failing to read destroyed nothing */
    assert_non_null(s);
    snapshot_unref(s);
}

static void find_file(const char *ending, char path[600])
{
    path[0] = '\0';
    DIR *dir = opendir(folder);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (str_ends(str_of(e->d_name), str_of(ending))) {
            (void)snprintf(path, 600, "%s/%s", folder, e->d_name);
        }
    }
    closedir(dir);
    assert_true(path[0]);
}

static void test_every_truncation_of_the_log(void **state)
{
    (void)state;
    char path[600], buf[64];
    struct error err = ERROR_INIT;
    struct stat st;
    struct snapshot_disk *d = open_disk(NULL, 0);
    struct snapshot *s = step(d, NULL, part(0, 10, 1, "v10", false));
    wait_fold(d);
    s = step(d, s, part(10, 11, 1, "v11", false));
    find_file(".log", path);
    assert_int_equal(stat(path, &st), 0);
    off_t first = st.st_size;
    s = step(d, s, part(11, 12, 1, "v12", false));
    assert_int_equal(stat(path, &st), 0);
    snapshot_unref(s);
    snapshot_disk_close(d);
    char *whole = mem_alloc((size_t)st.st_size);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, whole, (size_t)st.st_size), st.st_size);
    close(fd);
    for (off_t cut = first; cut <= st.st_size; cut++) {
        fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, whole, (size_t)cut), cut);
        close(fd);
        d = open_disk(NULL, 0);
        s = snapshot_disk_load(d, &err);
        assert_non_null(s);
        assert_string_equal(name_of(s, 1, buf), cut == st.st_size ? "v12" : "v11");
        /* and it goes on from there */
        uint64_t v = snapshot_version(s);
        s = step(d, s, part(v, 20, 1, "v20", false));
        snapshot_unref(s);
        snapshot_disk_close(d);
        s = load(NULL, &err);
        assert_string_equal(name_of(s, 1, buf), "v20");
        snapshot_unref(s);
    }
    /* one wrong byte in the middle ends it there */
    whole[first + 20] ^= 1;
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, whole, (size_t)st.st_size), st.st_size);
    close(fd);
    s = load(NULL, &err);
    assert_string_equal(name_of(s, 1, buf), "v11");
    snapshot_unref(s);
    mem_free(whole);
}

static void test_damaged_base_is_not_served(void **state)
{
    (void)state;
    char path[600];
    struct error err = ERROR_INIT;
    struct snapshot_disk *d = open_disk(NULL, 0);
    struct snapshot *s = step(d, NULL, part(0, 10, 1, "v10", false));
    wait_fold(d);
    snapshot_unref(s);
    snapshot_disk_close(d);
    find_file(".base", path);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    assert_null(load(NULL, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    /* a new full snapshot repairs it */
    d = open_disk(NULL, 0);
    assert_null(snapshot_disk_load(d, &err));
    s = step(d, NULL, part(0, 11, 1, "v11", false));
    snapshot_unref(s);
    snapshot_disk_close(d);
    s = load(NULL, &err);
    assert_non_null(s);
    assert_int_equal(snapshot_version(s), 11);
    snapshot_unref(s);
}

/* A log that has grown becomes a base, while deltas go on; the old files go. */
static void test_folding(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    char buf[64], name[32];
    struct snapshot_disk *d = open_disk(state_key, 2000);
    struct snapshot *s = step(d, NULL, part(0, 10, 1, "v10", true));
    for (unsigned i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "delta %u", i);
        s = step(d, s, part(10 + i, 11 + i, 1 + i % 5, name, false));
        if (i % 50 == 0) {
            wait_fold(d);
        }
    }
    wait_fold(d);
    assert_true(snapshot_disk_tend(d, s, &err));
    snapshot_disk_close(d);
    unsigned files = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        files += e->d_name[0] != '.';
    }
    closedir(dir);
    assert_true(files <= 3);
    snapshot_unref(s);
    s = load(state_key, &err);
    assert_non_null(s);
    assert_int_equal(snapshot_version(s), 210);
    assert_string_equal(name_of(s, 5, buf), "delta 199");
    snapshot_unref(s);
}

static void test_many_keys_load_quickly(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    const unsigned n = 10000;
    struct snapshot_builder *b = snapshot_builder_new(NULL);
    for (unsigned i = 1; i <= n; i++) {
        struct uuid id = id_of(3, i);
        struct str body = key_body((struct key_spec){.n = i, .organization = 1, .workspace = 1});
        assert_true(snapshot_builder_put(b, 3, &id, body, &err));
        release(body);
    }
    struct snapshot *s = snapshot_builder_finish(b, 5, &err);
    struct snapshot_disk *d = open_disk(state_key, 0);
    assert_true(snapshot_disk_append(d, NULL, 0, true, s, &err));
    snapshot_disk_close(d);
    snapshot_unref(s);
    uint64_t from = clock_mono_ns();
    s = load(state_key, &err);
    uint64_t took = clock_mono_ns() - from;
    assert_non_null(s);
    assert_int_equal(snapshot_count(s, 3), n);
    print_message("loading %u keys: %llu ms\n", n, (unsigned long long)(took / 1000000));
    snapshot_unref(s);
}

static void test_runs_are_checked(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct str bytes = part(5, 6, 1, "x", false);
    struct snapshot_run *run = snapshot_run_new(NULL, wrap_key);
    assert_false(snapshot_run_part(run, bytes, &err)); /* starts at 5, we have nothing */
    snapshot_run_free(run);
    release(bytes);
    bytes = part(0, 6, 1, "x", true);
    run = snapshot_run_new(NULL, other_key);
    assert_false(snapshot_run_part(run, bytes, &err)); /* somebody else's data key */
    snapshot_run_free(run);
    run = snapshot_run_new(NULL, wrap_key);
    assert_true(snapshot_run_part(run, bytes, &err));
    assert_true(snapshot_run_complete(run));
    assert_false(snapshot_run_part(run, bytes, &err)); /* nothing may follow the last */
    snapshot_run_free(run);
    run = snapshot_run_new(NULL, wrap_key);
    assert_false(snapshot_run_part(run, STR_LIT("\xff\xff junk"), &err));
    bool diverged;
    assert_null(snapshot_run_finish(run, &diverged, &err));
    release(bytes);
}

int main(void)
{
#define WITH_FOLDER(t) cmocka_unit_test_setup_teardown(t, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_plain),
        WITH_FOLDER(test_sealed),
        WITH_FOLDER(test_every_truncation_of_the_log),
        WITH_FOLDER(test_damaged_base_is_not_served),
        WITH_FOLDER(test_folding),
        WITH_FOLDER(test_many_keys_load_quickly),
        cmocka_unit_test(test_runs_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

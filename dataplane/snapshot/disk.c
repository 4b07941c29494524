/* Generations: snapshot-<g>.base holds everything as of the moment that log g was begun,
 * snapshot-<g>.log the deltas since. A fold begins log g+1, then writes base g+1 beside and renames
 * it; until that is done the chain is base g, log g, log g+1. A crash at any point leaves one of
 * the two chains whole. */
#include "dataplane/snapshot/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "dataplane/snapshot/disk_base.h"
#include "dataplane/snapshot/disk_file.h"
#include "dataplane/snapshot/run.h"

#define LOG_MIN_BYTES (4u << 20)

struct snapshot_disk {
    char *folder;
    bool has_state_key, has_wrap_key;
    uint8_t state_key[32], wrap_key[32];
    size_t log_min_bytes;
    uint64_t generation;  /* of the log that is written; 0: none yet */
    struct disk_file log; /* fd -1: none */
    uint64_t base_bytes;
    bool behind; /* a delta was not written: only a new base helps */
    /* the fold under way */
    bool folding;
    pthread_t thread;
    atomic_bool fold_done;
    struct disk_base_job job;
};

static const uint8_t *state_key_of(const struct snapshot_disk *d)
{
    return d->has_state_key ? d->state_key : NULL;
}

static void path_of(const struct snapshot_disk *d, uint64_t generation, const char *ending,
                    char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/snapshot-%llu.%s", d->folder, (unsigned long long)generation,
                   ending);
}

struct snapshot_disk *snapshot_disk_open(const struct snapshot_disk_config *c, struct error *err)
{
    struct stat st;
    if (stat(c->folder, &st) != 0 || !S_ISDIR(st.st_mode)) {
        (void)error_set(err, ERR_INTERNAL, "state folder \"%s\" is not there", c->folder);
        return NULL;
    }
    struct snapshot_disk *d = mem_alloc(sizeof(*d));
    d->folder = mem_strdup(c->folder);
    d->log_min_bytes = c->log_min_bytes ? c->log_min_bytes : LOG_MIN_BYTES;
    d->log.fd = -1;
    if (c->state_key) {
        d->has_state_key = true;
        memcpy(d->state_key, c->state_key, 32);
    }
    if (c->wrap_key) {
        d->has_wrap_key = true;
        memcpy(d->wrap_key, c->wrap_key, 32);
    }
    return d;
}

struct generations {
    uint64_t *items;
    size_t n;
};

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Numbers of the files with that ending, ascending. */
static struct generations list_generations(const struct snapshot_disk *d, const char *ending)
{
    struct generations g = {0};
    const struct dirent *e;
    DIR *dir = opendir(d->folder);
    while (dir && (e = readdir(dir)) != NULL) {
        struct str name = str_of(e->d_name), number, rest;
        uint64_t v;
        if (str_starts(name, STR_LIT("snapshot-")) &&
            str_cut(str_slice(name, 9, name.len), '.', &number, &rest) && str_eqz(rest, ending) &&
            str_to_u64(number, &v) && v > 0) {
            g.items = mem_realloc(g.items, (g.n + 1) * sizeof(uint64_t));
            g.items[g.n++] = v;
        }
    }
    if (dir) {
        (void)closedir(dir);
    }
    if (g.n) {
        qsort(g.items, g.n, sizeof(uint64_t), compare_u64);
    }
    return g;
}

/* Removes files of one ending whose generation lies in [from, to]. */
static void remove_generations(const struct snapshot_disk *d, const char *ending, uint64_t from,
                               uint64_t to)
{
    char path[4096];
    struct generations g = list_generations(d, ending);
    for (size_t i = 0; i < g.n; i++) {
        if (g.items[i] >= from && g.items[i] <= to) {
            path_of(d, g.items[i], ending, path, sizeof(path));
            (void)unlink(path);
        }
    }
    mem_free(g.items);
}

static struct snapshot *base_load(struct snapshot_disk *d, uint64_t generation, struct error *err)
{
    char path[4096];
    struct disk_file f;
    struct buffer record;
    bool diverged = false, ok = true;
    struct snapshot *s = NULL;
    path_of(d, generation, "base", path, sizeof(path));
    if (!disk_file_open(&f, path, state_key_of(d), err)) {
        return NULL;
    }
    struct snapshot_run *run = snapshot_run_new(NULL, d->has_wrap_key ? d->wrap_key : NULL);
    buffer_init(&record, DISK_RECORD_MAX + 64);
    while (ok && !snapshot_run_complete(run) && disk_file_read(&f, &record)) {
        ok = snapshot_run_part(run, buffer_str(&record), err);
    }
    if (ok && snapshot_run_complete(run)) {
        s = snapshot_run_finish(run, &diverged, err);
    } else {
        if (ok) {
            (void)error_set(err, ERR_INVALID_FIELD, "\"%s\" is damaged or sealed under another key",
                            path);
        }
        snapshot_run_free(run);
    }
    if (s && diverged) {
        (void)error_set(err, ERR_INVALID_FIELD, "\"%s\" does not hold what it says", path);
        snapshot_unref(s);
        s = NULL;
    }
    d->base_bytes = f.size;
    buffer_release(&record);
    disk_file_close(&f);
    return s;
}

/* Applies the complete runs of one log. True when all of it was good; else it is cut behind the
 * last good run. */
static bool log_load(struct snapshot_disk *d, struct disk_file *f, struct snapshot **root)
{
    struct buffer record;
    struct snapshot_run *run = NULL;
    uint64_t good_size = f->size, good_records = f->records;
    struct error why = ERROR_INIT;
    struct stat st;
    bool diverged, ok = true;
    buffer_init(&record, DISK_RECORD_MAX + 64);
    while (ok && disk_file_read(f, &record)) {
        run = run ? run : snapshot_run_new(*root, d->has_wrap_key ? d->wrap_key : NULL);
        ok = snapshot_run_part(run, buffer_str(&record), &why);
        if (ok && snapshot_run_complete(run)) {
            struct snapshot *next = snapshot_run_finish(run, &diverged, &why);
            run = NULL;
            ok = next != NULL;
            if (ok) {
                snapshot_unref(*root);
                *root = next;
                good_size = f->size;
                good_records = f->records;
            }
        }
    }
    snapshot_run_free(run);
    buffer_release(&record);
    if (fstat(f->fd, &st) == 0 && (uint64_t)st.st_size == good_size) {
        return true;
    }
    return disk_file_cut(f, good_size, good_records) && false;
}

/* The logs from `first` on. The last one that was read is kept open for appending. */
static void logs_load(struct snapshot_disk *d, uint64_t first, struct snapshot **root)
{
    char path[4096];
    struct generations logs = list_generations(d, "log");
    struct error why = ERROR_INIT;
    d->generation = first;
    for (size_t i = 0; i < logs.n; i++) {
        struct disk_file f;
        if (logs.items[i] < first) {
            continue;
        }
        path_of(d, logs.items[i], "log", path, sizeof(path));
        bool opened = disk_file_open(&f, path, state_key_of(d), &why);
        if (opened) {
            disk_file_close(&d->log);
            d->log = f;
            d->generation = logs.items[i];
        }
        if (!opened || !log_load(d, &d->log, root)) {
            remove_generations(d, "log", logs.items[i] + 1, UINT64_MAX);
            break;
        }
    }
    mem_free(logs.items);
}

struct snapshot *snapshot_disk_load(struct snapshot_disk *d, struct error *err)
{
    struct generations bases = list_generations(d, "base");
    struct generations logs = list_generations(d, "log");
    struct snapshot *root = NULL;
    struct error why = ERROR_INIT;
    for (size_t i = bases.n; i-- > 0 && !root;) {
        root = base_load(d, bases.items[i], &why);
        if (root) {
            logs_load(d, bases.items[i], &root);
        } else if (err->code == ERR_NONE) {
            *err = why; /* the newest one's reason */
        }
    }
    if (root) {
        *err = (struct error)ERROR_INIT;
    }
    /* new files never take a number that was ever used */
    if (bases.n && bases.items[bases.n - 1] > d->generation) {
        d->generation = bases.items[bases.n - 1];
        disk_file_close(&d->log);
    }
    if (logs.n && logs.items[logs.n - 1] > d->generation) {
        d->generation = logs.items[logs.n - 1];
        disk_file_close(&d->log);
    }
    d->behind = root && d->log.fd < 0;
    mem_free(bases.items);
    mem_free(logs.items);
    return root;
}

static void *fold_run(void *arg)
{
    struct snapshot_disk *d = arg;
    struct error ignored = ERROR_INIT;
    d->job.ok = disk_base_write(&d->job, &ignored);
    atomic_store(&d->fold_done, true);
    return NULL;
}

/* Takes in a fold that has ended: only now is the old chain removed. */
static void fold_reap(struct snapshot_disk *d, bool wait)
{
    if (!d->folding || (!wait && !atomic_load(&d->fold_done))) {
        return;
    }
    (void)pthread_join(d->thread, NULL);
    d->folding = false;
    if (d->job.ok) {
        d->base_bytes = d->job.bytes;
        remove_generations(d, "base", 0, d->job.generation - 1);
        remove_generations(d, "log", 0, d->job.generation - 1);
    }
    snapshot_unref(d->job.root);
    d->job.root = NULL;
    mem_free(d->job.path);
    d->job.path = NULL;
}

static bool fold_begin(struct snapshot_disk *d, struct snapshot *root, struct error *err)
{
    char path[4096];
    struct disk_file log;
    path_of(d, d->generation + 1, "log", path, sizeof(path));
    if (!disk_file_create(&log, path, state_key_of(d), err)) {
        (void)unlink(path);
        return false;
    }
    disk_file_close(&d->log);
    d->log = log;
    d->generation++;
    path_of(d, d->generation, "base", path, sizeof(path));
    d->job = (struct disk_base_job){
        .path = mem_strdup(path),
        .folder = d->folder,
        .state_key = state_key_of(d),
        .wrap_key = d->has_wrap_key ? d->wrap_key : NULL,
        .root = snapshot_ref(root),
        .generation = d->generation,
    };
    atomic_store(&d->fold_done, false);
    if (pthread_create(&d->thread, NULL, fold_run, d) != 0) {
        snapshot_unref(root);
        mem_free(d->job.path);
        d->job = (struct disk_base_job){0};
        return error_set(err, ERR_INTERNAL, "cannot start the thread that writes the snapshot");
    }
    d->folding = true;
    d->behind = false;
    return true;
}

/* Takes in a fold that has ended. One that failed may leave the newest log hanging in the air. */
static void fold_poll(struct snapshot_disk *d)
{
    bool was_folding = d->folding;
    fold_reap(d, false);
    if (was_folding && !d->folding && !d->job.ok) {
        d->behind = true;
    }
}

bool snapshot_disk_append(struct snapshot_disk *d, const struct str *parts, size_t n_parts,
                          bool full, struct snapshot *root, struct error *err)
{
    bool due = false;
    fold_poll(d);
    if (full || d->behind || d->log.fd < 0) {
        d->behind = true; /* appending would leave a gap */
    } else if (!disk_file_append(&d->log, parts, n_parts, true, err)) {
        d->behind = true;
        return false;
    } else {
        due = d->log.size >= d->log_min_bytes && d->log.size >= d->base_bytes;
    }
    return d->folding || !(due || d->behind) || fold_begin(d, root, err);
}

bool snapshot_disk_tend(struct snapshot_disk *d, struct snapshot *root, struct error *err)
{
    fold_poll(d);
    return d->folding || !d->behind || fold_begin(d, root, err);
}

bool snapshot_disk_is_folding(struct snapshot_disk *d)
{
    return d->folding && !atomic_load(&d->fold_done);
}

void snapshot_disk_close(struct snapshot_disk *d)
{
    if (!d) {
        return;
    }
    fold_reap(d, true);
    disk_file_close(&d->log);
    mem_free(d->folder);
    mem_free_secret(d, sizeof(*d));
}

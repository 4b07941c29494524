/* The thread that turns spools into JSON lines. It sleeps on a condition that the spools' wake
 * signals; a batch is one write(), synced as the policy says, and acknowledged only then. A line
 * that was written in part (full disk) is cut off again, so the file holds whole lines only. */
#include "dataplane/report/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/uuid.h"
#include "common/log.h"
#include "dataplane/report/event_json.h"

#define BATCH_EVENTS 256
#define BATCH_BYTES (256u << 10)
#define LINE_MAX_BYTES (4u << 20)
#define TAIL_BYTES (4u << 20) /* more than one batch of every spool */
#define RETRY_MS 500
#define ID_PREFIX "{\"id\":\""

struct sink_file {
    char *path;
    struct spool **spools;
    size_t n_spools;
    enum spool_sync sync;
    unsigned wait_ms;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* woken or stopping; on the monotonic clock */
    bool woken, stopping;
    uint64_t stop_by_ms;
    _Atomic bool reopen;
    _Atomic uint64_t lines, failures;
    bool failing; /* the last write failed: said once */
    bool (*book)(void *arg, const struct str *events, size_t n, struct error *err);
    void (*caught_up)(void *arg); /* NULL when told */
    void *arg;
    uint64_t *former;    /* of each spool: events that it held at start and that are not done */
    struct map *in_tail; /* ids (heap) that the file's tail held at start; NULL when done with */
    struct buffer lines_out;
};

static void on_wake(void *arg)
{
    struct sink_file *s = arg;
    (void)pthread_mutex_lock(&s->lock);
    s->woken = true;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
}

static bool is_stdout(const struct sink_file *s)
{
    return strcmp(s->path, "-") == 0;
}

static bool file_open(struct sink_file *s, struct error *err)
{
    int fd = is_stdout(s) ? dup(STDOUT_FILENO)
                          : open(s->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set(err, ERR_INTERNAL, "cannot open events file \"%s\": %s", s->path,
                         strerror(errno));
    }
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    s->fd = fd;
    return true;
}

static void tail_forget(struct sink_file *s)
{
    struct str key;
    void *value;
    size_t pos = 0;
    if (!s->in_tail) {
        return;
    }
    while (map_next(s->in_tail, &pos, &key, &value)) {
        mem_free(value);
    }
    map_free(s->in_tail);
    s->in_tail = NULL;
}

/* Ids of the last lines. A last line without its end is a crash's: it is cut off, its event comes
 * again. */
static bool tail_read(struct sink_file *s, struct error *err)
{
    struct stat st;
    if (is_stdout(s) || fstat(s->fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0) {
        return true;
    }
    size_t n = st.st_size > (off_t)TAIL_BYTES ? TAIL_BYTES : (size_t)st.st_size;
    off_t from = st.st_size - (off_t)n;
    char *text = mem_alloc(n);
    ssize_t got = pread(s->fd, text, n, from);
    struct str rest = {text, got > 0 ? (size_t)got : 0}, line;
    struct uuid id;
    s->in_tail = map_new();
    while (str_cut(rest, '\n', &line, &rest)) {
        size_t prefix = sizeof(ID_PREFIX) - 1;
        if (str_starts(line, STR_LIT(ID_PREFIX)) && uuid_parse(str_slice(line, prefix, 36), &id)) {
            struct uuid *key = mem_dup(&id, sizeof(id));
            mem_free(map_put(s->in_tail, (struct str){(const char *)key->b, sizeof(key->b)}, key));
        }
    }
    bool ok = rest.len == 0 || ftruncate(s->fd, from + (got - (off_t)rest.len)) == 0;
    mem_free(text);
    return ok || error_set(err, ERR_INTERNAL, "cannot cut the torn last line of \"%s\": %s",
                           s->path, strerror(errno));
}

/* One spool's next events, and as lines; *ret_position is the last one's. */
static size_t gather(struct sink_file *s, struct spool *spool,
                     struct str ret_events[static BATCH_EVENTS], uint64_t *ret_position)
{
    struct str record;
    struct uuid id;
    size_t n = 0;
    while (n < BATCH_EVENTS && s->lines_out.len < BATCH_BYTES &&
           spool_read(spool, &record, ret_position)) {
        struct error err = ERROR_INIT;
        size_t from = s->lines_out.len, prefix = sizeof(ID_PREFIX) - 1;
        ret_events[n++] = record;
        if (!event_json_write(record, &s->lines_out, &err)) {
            s->lines_out.len = from;
            s->lines_out.failed = false;
            log_write(LOG_ERROR, "event_unreadable", "usage event skipped",
                      LOG_Z("error", error_text(&err)));
            continue;
        }
        struct str line = {s->lines_out.ptr + from, s->lines_out.len - from};
        if (s->in_tail && str_starts(line, STR_LIT(ID_PREFIX)) &&
            uuid_parse(str_slice(line, prefix, 36), &id) &&
            map_get(s->in_tail, (struct str){(const char *)id.b, sizeof(id.b)})) {
            s->lines_out.len = from; /* written before the crash, acknowledged now */
            continue;
        }
        (void)buffer_append(&s->lines_out, "\n", 1);
        atomic_fetch_add_explicit(&s->lines, 1, memory_order_relaxed);
    }
    return n;
}

static bool write_all(struct sink_file *s)
{
    struct stat st;
    struct str rest = buffer_str(&s->lines_out);
    bool regular = fstat(s->fd, &st) == 0 && S_ISREG(st.st_mode);
    while (rest.len) {
        ssize_t n = write(s->fd, rest.ptr, rest.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            int saved = errno;
            if (regular && ftruncate(s->fd, st.st_size) != 0) {
                log_write(LOG_ERROR, "events_file_torn", "a torn line could not be cut off",
                          LOG_Z("path", s->path));
            }
            errno = saved;
            return false;
        }
        rest = str_slice(rest, (size_t)n, rest.len);
    }
    return s->sync == SPOOL_SYNC_NONE || !regular || fdatasync(s->fd) == 0;
}

static void note_result(struct sink_file *s, bool ok, const char *why)
{
    if (!ok) {
        atomic_fetch_add_explicit(&s->failures, 1, memory_order_relaxed);
    }
    if (ok == s->failing) {
        s->failing = !ok;
        if (ok) {
            log_write(LOG_INFO, "events_file_back", "usage events are written again",
                      LOG_Z("path", s->path));
        } else {
            log_write(LOG_ERROR, "events_file_failed", "usage events stay in the spool",
                      LOG_Z("path", s->path), LOG_Z("error", why));
        }
    }
}

/* Booked first: what is booked is known again when the lines fail, a line that stands would be
 * doubled. */
static bool store(struct sink_file *s, const struct str *events, size_t n)
{
    struct error err = ERROR_INIT;
    if (s->book && !s->book(s->arg, events, n, &err)) {
        note_result(s, false, error_text(&err));
        return false;
    }
    bool ok = write_all(s);
    note_result(s, ok, strerror(errno));
    return ok;
}

/* Moves one batch of each spool. False when nothing was there or it could not be written. */
static bool pass(struct sink_file *s)
{
    bool moved = false;
    struct str events[BATCH_EVENTS];
    for (size_t i = 0; i < s->n_spools; i++) {
        uint64_t position, before = atomic_load(&s->lines);
        buffer_clear(&s->lines_out);
        size_t n = gather(s, s->spools[i], events, &position);
        if (n == 0) {
            s->former[i] = 0; /* dropped, where the spool was full */
            continue;
        }
        if (store(s, events, n)) {
            spool_ack(s->spools[i], position);
            s->former[i] -= n < s->former[i] ? n : s->former[i];
            moved = true;
        } else {
            atomic_store(&s->lines, before);
            spool_rewind(s->spools[i]);
        }
    }
    return moved;
}

static void tell_caught_up(struct sink_file *s)
{
    uint64_t left = 0;
    for (size_t i = 0; i < s->n_spools; i++) {
        left += s->former[i];
    }
    if (s->caught_up && left == 0) {
        s->caught_up(s->arg);
        s->caught_up = NULL;
    }
}

/* Sleeps until a spool wakes it, a stop, or `ms` have passed. */
static void doze(struct sink_file *s, unsigned ms, bool until_woken)
{
    struct timespec by;
    (void)clock_gettime(CLOCK_MONOTONIC, &by);
    by.tv_sec += ms / 1000;
    by.tv_nsec += (long)(ms % 1000) * 1000000;
    if (by.tv_nsec >= 1000000000) {
        by.tv_sec++;
        by.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&s->lock);
    while (!s->stopping && !(until_woken && s->woken) &&
           pthread_cond_timedwait(&s->changed, &s->lock, &by) == 0) {
    }
    s->woken = false;
    (void)pthread_mutex_unlock(&s->lock);
}

static bool is_stopping(struct sink_file *s, uint64_t *ret_by_ms)
{
    (void)pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    *ret_by_ms = s->stop_by_ms;
    (void)pthread_mutex_unlock(&s->lock);
    return stopping;
}

static bool spools_hold(const struct sink_file *s)
{
    struct spool_stats stats;
    for (size_t i = 0; i < s->n_spools; i++) {
        spool_stats(s->spools[i], &stats);
        if (stats.waiting_records) {
            return true;
        }
    }
    return false;
}

static void *run(void *arg)
{
    struct sink_file *s = arg;
    struct error err = ERROR_INIT;
    uint64_t by_ms;
    for (;;) {
        if (atomic_exchange(&s->reopen, false) && !file_open(s, &err)) {
            log_write(LOG_ERROR, "events_file_failed", error_text(&err), LOG_Z("path", s->path));
        }
        bool moved = pass(s), stopping = is_stopping(s, &by_ms);
        tell_caught_up(s);
        if (moved) {
            continue;
        }
        if (!s->failing) {
            tail_forget(s); /* all that a crash could have left has been offered again */
        }
        if (stopping && (!spools_hold(s) || clock_mono_ms() >= by_ms)) {
            break;
        }
        if (stopping) {
            /* a full disk is asked less often: each try makes the lines anew */
            (void)nanosleep(&(struct timespec){.tv_nsec = s->failing ? 50000000 : 5000000}, NULL);
        } else if (s->failing) {
            doze(s, RETRY_MS, false);
        } else {
            doze(s, 60000, true);
            doze(s, s->wait_ms, false); /* the first has come: let the batch fill */
        }
    }
    return NULL;
}

static void sink_free(struct sink_file *s)
{
    tail_forget(s);
    buffer_release(&s->lines_out);
    if (s->fd >= 0) {
        (void)close(s->fd);
    }
    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s->former);
    mem_free(s->spools);
    mem_free(s->path);
    mem_free(s);
}

struct sink_file *sink_file_start(const struct sink_file_config *c, struct error *err)
{
    struct sink_file *s = mem_alloc(sizeof(*s));
    pthread_condattr_t attr;
    s->path = mem_strdup(c->path);
    s->spools = mem_dup(c->spools, c->n_spools * sizeof(struct spool *));
    s->n_spools = c->n_spools;
    s->sync = c->sync;
    s->wait_ms = c->wait_ms ? c->wait_ms : 50;
    s->book = c->book;
    s->caught_up = c->caught_up;
    s->arg = c->arg;
    s->former = mem_alloc((c->n_spools + 1) * sizeof(*s->former));
    for (size_t i = 0; i < c->n_spools; i++) {
        struct spool_stats stats;
        spool_stats(c->spools[i], &stats);
        s->former[i] = stats.waiting_records;
    }
    s->fd = -1;
    buffer_init(&s->lines_out, BATCH_BYTES + LINE_MAX_BYTES);
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (!file_open(s, err) || !tail_read(s, err)) {
        sink_free(s);
        return NULL;
    }
    for (size_t i = 0; i < s->n_spools; i++) {
        spool_set_wake(s->spools[i], on_wake, s);
    }
    if (pthread_create(&s->thread, NULL, run, s) != 0) {
        (void)error_set(err, ERR_INTERNAL, "cannot start the events thread");
        for (size_t i = 0; i < s->n_spools; i++) {
            spool_set_wake(s->spools[i], NULL, NULL);
        }
        sink_free(s);
        return NULL;
    }
    return s;
}

void sink_file_reopen(struct sink_file *s)
{
    atomic_store(&s->reopen, true);
    on_wake(s);
}

void sink_file_stop(struct sink_file *s, unsigned drain_ms)
{
    if (!s) {
        return;
    }
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = true;
    s->stop_by_ms = clock_mono_ms() + drain_ms;
    (void)pthread_cond_signal(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n_spools; i++) {
        spool_set_wake(s->spools[i], NULL, NULL);
    }
    sink_free(s);
}

void sink_file_stats(const struct sink_file *s, uint64_t *ret_lines, uint64_t *ret_failures)
{
    *ret_lines = atomic_load(&s->lines);
    *ret_failures = atomic_load(&s->failures);
}

/* The writer's side of the spool and its life. An append is a copy, a checksum and one store; files
 * are made ahead by the reader (spool_tend), by the writer only when none is ready.
 *
 * Room: an open is accepted only if everything promised so far still fits into segments that the
 * writer already has: its own rest and those in `ahead`, less what each change of segment may
 * waste. So an event that follows its open never meets a full disk. */
#include "dataplane/report/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/report/spool_inside.h"

#define SEGMENT_DEFAULT (8u << 20)
#define SEGMENT_MIN (16u << 10)
#define SEGMENT_MAX (1u << 30)
#define RETRY_MS 100  /* how often a full disk is asked again */
#define CARRY_AFTER 4 /* segments */

struct segment *spool_segment_new(struct spool *s, bool ignore_ceiling, struct error *err)
{
    unsigned n = atomic_fetch_add(&s->n_segments, 1) + 1;
    if (!ignore_ceiling && (uint64_t)n * s->segment_bytes > s->max_bytes) {
        atomic_fetch_sub(&s->n_segments, 1);
        (void)error_set(err, ERR_SPOOL_FULL, "usage spool has reached its ceiling of %zu bytes",
                        s->max_bytes);
        return NULL;
    }
    unsigned number = atomic_fetch_add(&s->next_number, 1);
    struct segment *g = segment_create(s->folder, s->worker, number, s->segment_bytes, err);
    if (!g) {
        atomic_fetch_sub(&s->n_segments, 1);
    }
    return g;
}

void spool_segment_delete(struct spool *s, struct segment *g)
{
    segment_close(g, s->folder, s->worker);
    atomic_fetch_sub(&s->n_segments, 1);
}

/* A full spool under drop_oldest: the oldest segment behind the reader's own goes, with the opens
 * in it. */
static struct segment *drop_one(struct spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct segment *before = s->rd_segment;
    struct segment *g = atomic_load_explicit(&before->next, memory_order_relaxed);
    if (!g || g == s->tail) {
        (void)pthread_mutex_unlock(&s->lock);
        return NULL;
    }
    atomic_store_explicit(&before->next, atomic_load_explicit(&g->next, memory_order_relaxed),
                          memory_order_release);
    (void)pthread_mutex_unlock(&s->lock);
    uint64_t records = 0, bytes = 0;
    const struct record *r;
    for (uint64_t off = g->acked_off; (r = segment_at(g, off)) != NULL;
         off += record_size(r->len)) {
        if (r->kind == SPOOL_EVENT) {
            records++;
            bytes += r->len;
        }
    }
    atomic_fetch_add(&s->records_dropped, records);
    atomic_fetch_add(&s->bytes_dropped, bytes);
    for (size_t i = 0; i < s->opens.cap; i++) {
        if (s->opens.entries[i].used && s->opens.entries[i].segment == g) {
            s->opens.entries[i].segment = NULL;
        }
    }
    segment_retire(g);
    if (g->size != s->segment_bytes) {
        spool_segment_delete(s, g);
        struct error ignored = ERROR_INIT;
        return spool_segment_new(s, false, &ignored);
    }
    return g;
}

/* One more segment for the writer. */
static bool take_ahead(struct spool *s, bool ignore_ceiling, struct error *err)
{
    if (s->n_ahead == SPOOL_AHEAD_MAX) {
        return error_set(err, ERR_SPOOL_FULL, "too many requests wait for their usage event");
    }
    struct segment *g = atomic_exchange_explicit(&s->spare, NULL, memory_order_acq_rel);
    if (!g) {
        if (s->failed_ms && clock_mono_ms() - s->failed_ms < RETRY_MS && !ignore_ceiling) {
            return error_set(err, ERR_SPOOL_FULL, "usage spool is full");
        }
        g = spool_segment_new(s, ignore_ceiling, err);
        if (!g && s->drop_oldest) {
            g = drop_one(s);
        }
        s->failed_ms = g ? 0 : clock_mono_ms() | 1;
    }
    if (!g) {
        return false;
    }
    s->ahead[s->n_ahead++] = g;
    return true;
}

/* True when `need` more bytes, in records of at most `largest`, fit along with all that is
 * reserved. */
static bool make_room(struct spool *s, size_t need, size_t largest, bool ignore_ceiling,
                      struct error *err)
{
    for (;;) {
        size_t room =
            s->tail->size - s->off + s->n_ahead * (s->segment_bytes - SEGMENT_HEADER - largest);
        if (room >= need + s->reserved) {
            return true;
        }
        if (!take_ahead(s, ignore_ceiling, err)) {
            return false;
        }
    }
}

static void next_segment(struct spool *s)
{
    struct segment *g = s->ahead[0];
    s->n_ahead--;
    memmove(s->ahead, s->ahead + 1, s->n_ahead * sizeof(struct segment *));
    segment_begin(g, s->next_seq++);
    struct segment *old = s->tail;
    s->tail = g;
    s->off = SEGMENT_HEADER;
    (void)pthread_mutex_lock(&s->lock);
    atomic_store_explicit(&old->next, g, memory_order_release);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Writes a record for which make_room found room; returns its offset in s->tail. */
static uint64_t put(struct spool *s, enum spool_kind kind, const struct uuid *id, struct str record)
{
    size_t size = record_size(record.len);
    if (s->off + size > s->tail->size) {
        next_segment(s);
    }
    uint64_t off = s->off;
    if (kind == SPOOL_EVENT) {
        atomic_store_explicit(&s->tail->events,
                              atomic_load_explicit(&s->tail->events, memory_order_relaxed) + 1,
                              memory_order_relaxed);
    } else {
        atomic_fetch_add_explicit(&s->tail->waiting, 1, memory_order_relaxed);
    }
    segment_put(s->tail, off, kind, id, record);
    s->off += size;
    if (s->sync == SPOOL_SYNC_RECORD) {
        (void)segment_sync(s->tail, off, s->off);
    }
    return off;
}

/* The open at this entry needs no event any more, or stands elsewhere now. */
static void close_open(const struct open_entry *e)
{
    if (e->segment) {
        atomic_store_explicit(&segment_record(e->segment, e->off)->closed, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&e->segment->waiting, 1, memory_order_release);
    }
}

/* Copies opens that have waited long into the newest segment, so that a few streams that last for
 * hours do not keep whole segments from being used again. */
static void carry(struct spool *s)
{
    struct error ignored = ERROR_INIT;
    for (size_t i = 0; i < s->opens.cap; i++) {
        struct open_entry *e = &s->opens.entries[i];
        if (!e->used || !e->segment || e->segment->seq + CARRY_AFTER > s->tail->seq) {
            continue;
        }
        const struct record *r = segment_record(e->segment, e->off);
        if (!make_room(s, record_size(r->len), s->largest, false, &ignored)) {
            return;
        }
        uint64_t off = put(s, SPOOL_OPEN, &e->id, (struct str){r->payload, r->len});
        close_open(e);
        e->segment = s->tail;
        e->off = off;
    }
}

static bool check_size(const struct spool *s, size_t n, struct error *err)
{
    if (record_size(n) > (s->segment_bytes - SEGMENT_HEADER) / 4) {
        return error_set(err, ERR_INTERNAL, "usage record of %zu bytes is too large", n);
    }
    return true;
}

static void after_append(struct spool *s, uint64_t tail_seq)
{
    if (!atomic_load_explicit(&s->begun, memory_order_relaxed)) {
        atomic_store_explicit(&s->begun, true, memory_order_relaxed);
    }
    if (s->tail->seq != tail_seq && s->opens.count) {
        carry(s);
    }
}

bool spool_append_open(struct spool *s, const struct uuid *id, struct str record,
                       size_t reserve_bytes, struct error *err)
{
    if (!check_size(s, record.len, err) || !check_size(s, reserve_bytes, err)) {
        return false;
    }
    size_t size = record_size(record.len), reserve = record_size(reserve_bytes);
    struct open_entry *e = open_table_find(&s->opens, id);
    size_t had = e ? e->reserve : 0;
    size_t more = reserve > had ? reserve - had : 0;
    size_t largest = s->opens.count ? s->largest : 0;
    largest = largest > size ? largest : size;
    largest = largest > reserve ? largest : reserve;
    if (!make_room(s, size + more, largest, false, err)) {
        return false;
    }
    uint64_t tail_seq = s->tail->seq, off = put(s, SPOOL_OPEN, id, record);
    if (e) {
        close_open(e); /* a further attempt: the newer open tells more */
    } else {
        e = open_table_put(&s->opens, id);
    }
    s->largest = largest;
    s->reserved += more;
    e->reserve = had + more;
    e->segment = s->tail;
    e->off = off;
    after_append(s, tail_seq);
    return true;
}

static void count_event(struct spool *s, size_t len)
{
    atomic_store_explicit(&s->records_in,
                          atomic_load_explicit(&s->records_in, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&s->bytes_in,
                          atomic_load_explicit(&s->bytes_in, memory_order_relaxed) + len,
                          memory_order_relaxed);
}

static void wake_reader(struct spool *s)
{
    /* pairs with the exchange in spool_read: whichever of the two comes second sees what the other
     * side did before it, so either the reader finds the record or this finds that it sleeps */
    if (atomic_exchange_explicit(&s->sleeping, false, memory_order_acq_rel) &&
        atomic_load_explicit(&s->wake_set, memory_order_acquire)) {
        s->wake(s->wake_arg);
    }
}

bool spool_append_event(struct spool *s, const struct uuid *id, struct str record,
                        struct error *err)
{
    if (!check_size(s, record.len, err)) {
        return false;
    }
    size_t size = record_size(record.len);
    struct open_entry *e = open_table_find(&s->opens, id);
    if (!e || e->reserve < size) {
        /* its own reservation counts for it; the rest must be found now */
        size_t more = size - (e ? e->reserve : 0);
        size_t largest = s->opens.count && s->largest > size ? s->largest : size;
        if (!make_room(s, more, largest, false, err)) {
            return false;
        }
    }
    uint64_t tail_seq = s->tail->seq;
    (void)put(s, SPOOL_EVENT, id, record);
    count_event(s, record.len);
    if (e) {
        close_open(e);
        s->reserved -= e->reserve;
        open_table_remove(&s->opens, e);
    }
    after_append(s, tail_seq);
    wake_reader(s);
    return true;
}

bool spool_append_recovered(struct spool *s, const struct uuid *id, struct str record,
                            struct error *err)
{
    if (!check_size(s, record.len, err) ||
        !make_room(s, record_size(record.len), record_size(record.len), true, err)) {
        return false;
    }
    (void)put(s, SPOOL_EVENT, id, record);
    count_event(s, record.len);
    return true;
}

static bool folder_make(const char *folder, struct error *err)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return error_set(err, ERR_SPOOL_FULL, "cannot make spool folder \"%s\": %s", folder,
                         strerror(errno));
    }
    return true;
}

static bool spool_lock(struct spool *s, struct error *err)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/spool-%u.lock", s->folder, s->worker);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return error_set(err, ERR_SPOOL_FULL, "cannot open \"%s\": %s", path, strerror(errno));
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(err, ERR_CONFLICT, "spool \"%s\" is in use by another process", path);
    }
    return true;
}

struct spool *spool_open(const struct spool_config *c,
                         bool (*recover)(void *arg, struct str open, struct buffer *out), void *arg,
                         struct error *err)
{
    struct spool *s = mem_alloc(sizeof(*s));
    s->folder = mem_strdup(c->folder);
    s->worker = c->worker;
    s->segment_bytes = c->segment_bytes ? c->segment_bytes : SEGMENT_DEFAULT;
    s->segment_bytes = s->segment_bytes < SEGMENT_MIN ? SEGMENT_MIN : s->segment_bytes;
    s->segment_bytes =
        s->segment_bytes > SEGMENT_MAX ? SEGMENT_MAX : s->segment_bytes & ~(size_t)4095;
    /* fewer than three files could not turn over */
    s->max_bytes = c->max_bytes > 3 * s->segment_bytes ? c->max_bytes : 3 * s->segment_bytes;
    s->drop_oldest = c->drop_oldest;
    s->sync = c->sync;
    s->lock_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    if (!folder_make(s->folder, err) || !spool_lock(s, err) ||
        !spool_recover(s, recover, arg, err)) {
        spool_close(s);
        return NULL;
    }
    return s;
}

void spool_close(struct spool *s)
{
    if (!s) {
        return;
    }
    struct segment *spare = atomic_exchange(&s->spare, NULL);
    if (spare) {
        spool_segment_delete(s, spare);
    }
    for (unsigned i = 0; i < s->n_ahead; i++) {
        spool_segment_delete(s, s->ahead[i]);
    }
    struct segment *next;
    for (struct segment *g = s->head; g; g = next) {
        next = atomic_load(&g->next);
        bool empty = g->acked_events == atomic_load(&g->events) && atomic_load(&g->waiting) == 0;
        segment_close(g, empty ? s->folder : NULL, s->worker);
    }
    open_table_release(&s->opens);
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd);
    }
    (void)pthread_mutex_destroy(&s->lock);
    mem_free(s->folder);
    mem_free(s);
}

void spool_stats(const struct spool *s, struct spool_stats *ret)
{
    /* out before in: never less than nothing waits */
    uint64_t records = atomic_load(&s->records_out) + atomic_load(&s->records_dropped);
    uint64_t bytes = atomic_load(&s->bytes_out) + atomic_load(&s->bytes_dropped);
    ret->waiting_records = atomic_load(&s->records_in) - records;
    ret->waiting_bytes = atomic_load(&s->bytes_in) - bytes;
    ret->dropped = atomic_load(&s->records_dropped);
    ret->segments = atomic_load(&s->n_segments);
}

void spool_set_wake(struct spool *s, void (*wake)(void *arg), void *arg)
{
    atomic_store(&s->wake_set, false);
    s->wake = wake;
    s->wake_arg = arg;
    atomic_store(&s->wake_set, wake != NULL);
}

unsigned spool_workers_on_disk(const char *folder)
{
    unsigned n = 0, worker, number;
    DIR *d = opendir(folder);
    const struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        if (segment_name_parse(e->d_name, &worker, &number) && worker + 1 > n && worker < 4096) {
            n = worker + 1;
        }
    }
    if (d) {
        (void)closedir(d);
    }
    return n;
}

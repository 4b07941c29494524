/* The reader's side: walks committed events without a lock, acknowledges, recycles drained
 * segments, and makes the writer's next segment ahead of time. */
#include "dataplane/report/spool.h"

#include "common/base/mem.h"
#include "dataplane/report/spool_inside.h"

#define POSITION_OFF 0xffffffffu

static uint64_t position_of(const struct segment *g, uint64_t off)
{
    return g->seq << 32 | off;
}

/* Moves on to the next segment; false when the writer is still in this one. */
static bool step(struct spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct segment *next = atomic_load_explicit(&s->rd_segment->next, memory_order_acquire);
    if (next) {
        s->rd_segment = next;
        s->rd_off = next->acked_off;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return next != NULL;
}

static bool read_one(struct spool *s, struct str *ret_record, uint64_t *ret_position)
{
    for (;;) {
        struct segment *g = s->rd_segment;
        /* looked at before the mark: when the writer has left and there is still no record, there
         * will be none */
        bool left = atomic_load_explicit(&g->next, memory_order_acquire) != NULL;
        const struct record *r = segment_at(g, s->rd_off);
        if (!r) {
            if (!left || !step(s)) {
                return false;
            }
            continue;
        }
        s->rd_off += record_size(r->len);
        if (r->kind == SPOOL_EVENT) {
            *ret_record = (struct str){r->payload, r->len};
            *ret_position = position_of(g, s->rd_off);
            return true;
        }
    }
}

/* Power loss, policy `batch`: what was appended since the last time goes to the disk. */
static void sync_new(struct spool *s)
{
    for (struct segment *g = s->head; g; g = atomic_load_explicit(&g->next, memory_order_acquire)) {
        uint64_t events = atomic_load_explicit(&g->events, memory_order_acquire);
        if (events != g->synced_events && segment_sync(g, 0, g->size)) {
            g->synced_events = events;
        }
        if (g == s->rd_segment) {
            break; /* the writer may take out those behind it */
        }
    }
}

bool spool_read(struct spool *s, struct str *ret_record, uint64_t *ret_position)
{
    if (read_one(s, ret_record, ret_position)) {
        return true;
    }
    spool_tend(s);
    (void)atomic_exchange_explicit(&s->sleeping, true, memory_order_acq_rel);
    return read_one(s, ret_record,
                    ret_position); /* if it came meanwhile, one wake too many follows */
}

/* Counts the events from the acknowledged offset up to `end` as done. */
static void ack_until(struct spool *s, struct segment *g, uint64_t end)
{
    uint64_t records = 0, bytes = 0, off = g->acked_off;
    const struct record *r;
    while (off < end && (r = segment_at(g, off)) != NULL) {
        off += record_size(r->len);
        if (r->kind == SPOOL_EVENT) {
            records++;
            bytes += r->len;
        }
    }
    if (off == g->acked_off) {
        return;
    }
    g->acked_events += records;
    segment_acked(g, off);
    atomic_fetch_add(&s->records_out, records);
    atomic_fetch_add(&s->bytes_out, bytes);
}

void spool_ack(struct spool *s, uint64_t position)
{
    uint64_t seq = position >> 32, off = position & POSITION_OFF;
    for (struct segment *g = s->head; g && g->seq <= seq;) {
        ack_until(s, g, g->seq == seq ? off : UINT64_MAX);
        if (g == s->rd_segment) {
            break; /* nothing behind it was read; the writer may take those out */
        }
        g = atomic_load_explicit(&g->next, memory_order_acquire);
    }
    spool_tend(s);
}

static bool is_drained(const struct segment *g)
{
    return atomic_load_explicit(&g->next, memory_order_acquire) != NULL &&
           g->acked_events == atomic_load_explicit(&g->events, memory_order_acquire) &&
           atomic_load_explicit(&g->waiting, memory_order_acquire) == 0;
}

void spool_rewind(struct spool *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct segment *g = s->head;
    while (g->acked_events == atomic_load_explicit(&g->events, memory_order_acquire) &&
           atomic_load_explicit(&g->next, memory_order_acquire)) {
        g = atomic_load_explicit(&g->next, memory_order_acquire);
    }
    s->rd_segment = g;
    s->rd_off = g->acked_off;
    (void)pthread_mutex_unlock(&s->lock);
}

/* Takes every drained segment up to the reader's own out of the list; returns them chained by next.
 */
static struct segment *take_drained(struct spool *s)
{
    struct segment *out = NULL, *before = NULL, *next;
    (void)pthread_mutex_lock(&s->lock);
    for (struct segment *g = s->head; g; g = next) {
        bool last = g == s->rd_segment;
        next = atomic_load_explicit(&g->next, memory_order_acquire);
        if (is_drained(g)) {
            if (last) {
                s->rd_segment = next;
                s->rd_off = next->acked_off;
            }
            if (before) {
                atomic_store_explicit(&before->next, next, memory_order_release);
            } else {
                s->head = next;
            }
            atomic_store_explicit(&g->next, out, memory_order_relaxed);
            out = g;
        } else {
            before = g;
        }
        if (last) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return out;
}

void spool_tend(struct spool *s)
{
    struct segment *next;
    if (s->sync == SPOOL_SYNC_BATCH) {
        sync_new(s);
    }
    struct segment *drained = take_drained(s);
    if (drained && s->sync != SPOOL_SYNC_NONE) {
        /* older opens were marked closed in place by events that are about to go: those marks first
         */
        for (struct segment *g = s->head; g;
             g = atomic_load_explicit(&g->next, memory_order_acquire)) {
            (void)segment_sync(g, 0, g->size);
            if (g == s->rd_segment) {
                break;
            }
        }
    }
    for (struct segment *g = drained; g; g = next) {
        next = atomic_load_explicit(&g->next, memory_order_relaxed);
        if (g->size == s->segment_bytes && !atomic_load_explicit(&s->spare, memory_order_acquire)) {
            segment_retire(g);
            atomic_store_explicit(&s->spare, g, memory_order_release);
        } else {
            spool_segment_delete(s, g);
        }
    }
    if (atomic_load_explicit(&s->begun, memory_order_relaxed) &&
        !atomic_load_explicit(&s->spare, memory_order_acquire)) {
        struct error ignored = ERROR_INIT; /* the writer meets it again, and tells */
        struct segment *g = spool_segment_new(s, false, &ignored);
        if (g) {
            atomic_store_explicit(&s->spare, g, memory_order_release);
        }
    }
}

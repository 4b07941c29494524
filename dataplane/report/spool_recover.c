/* What a former process left: its segments become the list's beginning, each up to its last good
 * record, and opens that never met their event become unknown events, once. Exactly once holds
 * through a crash in the midst of this too: the unknown event carries the open's id, so the next
 * start finds it as the open's event. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/report/spool_inside.h"

#define EVENT_MAX (1u << 20)

struct found {
    struct segment **items;
    size_t n;
};

/* An open without its event so far. */
struct orphan {
    struct segment *segment;
    uint64_t off;
};

struct orphans {
    struct map *by_id;
    struct orphan *items;
    size_t n;
};

static int compare_seq(const void *a, const void *b)
{
    const struct segment *x = *(struct segment *const *)a, *y = *(struct segment *const *)b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* A file that cannot be read as a segment is kept under another name, for whoever looks into it. */
static void set_aside(const struct spool *s, unsigned number, const struct error *why)
{
    char path[4096], aside[4112];
    segment_path(path, sizeof(path), s->folder, s->worker, number);
    (void)snprintf(aside, sizeof(aside), "%s.bad", path);
    (void)rename(path, aside);
    log_write(LOG_ERROR, "spool_file_unreadable", error_text(why), LOG_Z("kept_as", aside));
}

static bool find_segments(struct spool *s, struct found *ret, struct error *err)
{
    unsigned worker, number;
    const struct dirent *e;
    DIR *d = opendir(s->folder);
    if (!d) {
        return error_set(err, ERR_SPOOL_FULL, "cannot read spool folder \"%s\": %s", s->folder,
                         strerror(errno));
    }
    while ((e = readdir(d)) != NULL) {
        if (!segment_name_parse(e->d_name, &worker, &number) || worker != s->worker) {
            continue;
        }
        if (number >= atomic_load(&s->next_number)) {
            atomic_store(&s->next_number, number + 1);
        }
        struct error why = ERROR_INIT;
        struct segment *g = segment_open(s->folder, worker, number, &why);
        if (g) {
            ret->items = mem_realloc(ret->items, (ret->n + 1) * sizeof(struct segment *));
            ret->items[ret->n++] = g;
            atomic_fetch_add(&s->n_segments, 1);
        } else if (why.code == ERR_SPOOL_FULL || why.code == ERR_INTERNAL) {
            /* not what is in it, but that it could not be opened: it may be in order */
            *err = why;
            (void)closedir(d);
            return false;
        } else if (why.code == ERR_NOT_FOUND) {
            char path[4096];
            segment_path(path, sizeof(path), s->folder, worker, number);
            (void)remove(path);
        } else {
            set_aside(s, number, &why);
        }
    }
    (void)closedir(d);
    if (ret->n) {
        qsort(ret->items, ret->n, sizeof(struct segment *), compare_seq);
    }
    return true;
}

static void orphan_close(struct orphan *o)
{
    atomic_store(&segment_record(o->segment, o->off)->closed, 1);
    atomic_fetch_sub(&o->segment->waiting, 1);
    o->segment = NULL;
}

static void note_open(struct orphans *o, struct segment *g, uint64_t off, const struct record *r)
{
    struct str id = {(const char *)r->id.b, sizeof(r->id.b)};
    size_t at = (size_t)(uintptr_t)map_get(o->by_id, id);
    if (at == 0) {
        if ((o->n & (o->n + 1)) == 0) { /* grows at 0, 1, 3, 7 … */
            o->items = mem_realloc(o->items, (o->n * 2 + 1) * sizeof(*o->items));
        }
        at = ++o->n;
        (void)map_put(o->by_id, id, (void *)(uintptr_t)at);
    } else {
        /* an earlier attempt of the same request: superseded */
        orphan_close(&o->items[at - 1]);
    }
    o->items[at - 1] = (struct orphan){g, off};
    atomic_fetch_add(&g->waiting, 1);
}

static void note_event(struct orphans *o, const struct record *r)
{
    struct str id = {(const char *)r->id.b, sizeof(r->id.b)};
    size_t at = (size_t)(uintptr_t)map_remove(o->by_id, id);
    if (at) {
        orphan_close(&o->items[at - 1]);
    }
}

static void scan(struct spool *s, struct segment *g, struct orphans *o)
{
    uint64_t off = SEGMENT_HEADER, acked = g->acked_off, waiting = 0, bytes = 0;
    bool boundary = acked == off;
    const struct record *r;
    for (int pass = 0; pass < 2; pass++) {
        waiting = bytes = 0;
        for (off = SEGMENT_HEADER; (r = segment_check(g, off)) != NULL;
             off += record_size(r->len)) {
            boundary |= off == acked;
            if (r->kind == SPOOL_EVENT && off >= acked) {
                waiting++;
                bytes += r->len;
            }
            if (pass > 0) {
                continue;
            }
            if (r->kind == SPOOL_EVENT) {
                note_event(o, r);
            } else if (!atomic_load(&r->closed)) {
                note_open(o, g, off, r);
            }
        }
        if (boundary || off == acked) {
            break;
        }
        acked = SEGMENT_HEADER; /* an offset that fits no record: rather twice than never */
    }
    g->limit = off;
    g->acked_off = acked;
    atomic_store(&g->events, waiting);
    atomic_fetch_add(&s->records_in, waiting);
    atomic_fetch_add(&s->bytes_in, bytes);
}

static bool turn_into_events(struct spool *s, struct orphans *o,
                             bool (*recover)(void *arg, struct str open, struct buffer *out),
                             void *arg, struct error *err)
{
    struct buffer event;
    bool ok = true;
    buffer_init(&event, EVENT_MAX);
    for (size_t i = 0; recover && ok && i < o->n; i++) {
        struct orphan *open = &o->items[i];
        if (!open->segment) {
            continue;
        }
        const struct record *r = segment_record(open->segment, open->off);
        buffer_clear(&event);
        if (recover(arg, (struct str){r->payload, r->len}, &event) && !event.failed) {
            ok = spool_append_recovered(s, &r->id, buffer_str(&event), err);
        }
        if (ok) {
            orphan_close(open);
        }
    }
    buffer_release(&event);
    return ok;
}

bool spool_recover(struct spool *s, bool (*recover)(void *arg, struct str open, struct buffer *out),
                   void *arg, struct error *err)
{
    struct found found = {0};
    struct orphans o = {.by_id = map_new()};
    bool ok = find_segments(s, &found, err);
    s->next_seq = 1;
    for (size_t i = 0; i < found.n; i++) {
        struct segment *g = found.items[i];
        scan(s, g, &o);
        if (i > 0) {
            atomic_store(&found.items[i - 1]->next, g);
        } else {
            s->head = g;
        }
        s->next_seq = g->seq + 1;
    }
    struct segment *live = ok ? spool_segment_new(s, true, err) : NULL;
    if (live) {
        segment_begin(live, s->next_seq++);
        if (found.n) {
            atomic_store(&found.items[found.n - 1]->next, live);
        } else {
            s->head = live;
        }
        s->tail = live;
        s->off = SEGMENT_HEADER;
        s->rd_segment = s->head;
        s->rd_off = s->head->acked_off;
        ok = turn_into_events(s, &o, recover, arg, err);
    } else {
        ok = false;
    }
    map_free(o.by_id);
    mem_free(o.items);
    mem_free(found.items);
    if (ok) {
        spool_rewind(s);
        spool_tend(s);
    }
    return ok;
}

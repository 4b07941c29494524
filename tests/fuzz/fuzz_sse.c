/* Event streams: the same text in one piece and in pieces gives the same events and sends on the
 * same bytes; what is sent on is the text without the dropped events. The first byte chooses the
 * ceiling, the second the pieces. */
#include "common/base/mem.h"
#include "dataplane/net/sse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

struct log {
    struct buffer events, bytes;
    uint64_t last_end;
    bool keep_all, dropped;
};

static void put(struct buffer *b, struct str s)
{
    (void)buffer_append(b, &s.len, sizeof(s.len));
    (void)buffer_append_str(b, s);
}

static enum sse_verdict on_event(void *arg, const struct sse_event *e)
{
    struct log *l = arg;
    uint64_t numbers[] = {(uint64_t)e->retry_ms, e->begin, e->end,
                          e->too_large,          e->cut,   e->id.ptr != NULL};

    must(e->begin >= l->last_end && e->end > e->begin);
    must(e->data.len <= e->end - e->begin);
    l->last_end = e->end;
    put(&l->events, e->name);
    put(&l->events, e->data);
    put(&l->events, e->id);
    (void)buffer_append(&l->events, numbers, sizeof(numbers));
    if (l->keep_all || e->data.len % 3 != 1)
        return SSE_KEEP;
    l->dropped = l->dropped || !e->too_large;
    return SSE_DROP;
}

static void on_bytes(void *arg, struct str bytes)
{
    must(bytes.len > 0);
    (void)buffer_append_str(&((struct log *)arg)->bytes, bytes);
}

static const struct sse_ops ops = {on_event, on_bytes};

/* pieces 0: all at once */
static void run(struct log *l, struct str text, size_t max, unsigned pieces, bool keep_all)
{
    struct sse_reader r;
    uint32_t mix = pieces * 2654435761u;

    *l = (struct log){.keep_all = keep_all};
    buffer_init(&l->events, SIZE_MAX / 2);
    buffer_init(&l->bytes, SIZE_MAX / 2);
    sse_reader_init(&r, max, &ops, l);
    while (text.len > 0) {
        size_t n = pieces == 0 ? text.len : 1 + (mix >> 16) % (pieces + 1u);
        char *copy;

        n = n < text.len ? n : text.len;
        copy = mem_dup(text.ptr, n);
        sse_feed(&r, (struct str){copy, n});
        mem_free(copy);
        must(r.held.cap <= max && r.join.cap <= max);
        text = (struct str){text.ptr + n, text.len - n};
        mix = mix * 1664525u + 1013904223u;
    }
    sse_finish(&r);
    sse_reader_release(&r);
}

static void log_release(struct log *l)
{
    buffer_release(&l->events);
    buffer_release(&l->bytes);
}

/* An event that was read is written and read again. */
static void write_check(struct str text)
{
    struct sse_reader r;
    struct log l = {.keep_all = true};
    struct buffer b;

    buffer_init(&b, SIZE_MAX / 2);
    buffer_init(&l.events, SIZE_MAX / 2);
    buffer_init(&l.bytes, SIZE_MAX / 2);
    must(sse_write(&b, STR_LIT("e"), text));
    must(sse_write_comment(&b, text));
    sse_reader_init(&r, b.len, &ops, &l);
    sse_feed(&r, buffer_str(&b));
    sse_finish(&r);
    must(str_eq(buffer_str(&l.bytes), buffer_str(&b)));
    must(l.events.len > sizeof(size_t) + 1 && l.events.ptr[sizeof(size_t)] == 'e' &&
         l.last_end < b.len);
    sse_reader_release(&r);
    log_release(&l);
    buffer_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text;
    struct log whole, cut, all;
    size_t max;

    if (size < 2)
        return 0;
    max = 4 + 3 * (size_t)data[0];
    text = (struct str){(const char *)data + 2, size - 2};
    run(&whole, text, max, 0, false);
    run(&cut, text, max, 1 + data[1] % 40, false);
    must(str_eq(buffer_str(&whole.events), buffer_str(&cut.events)));
    must(str_eq(buffer_str(&whole.bytes), buffer_str(&cut.bytes)));
    must(whole.dropped || str_eq(buffer_str(&whole.bytes), text));
    run(&all, text, max, 1 + data[1] % 40, true);
    must(str_eq(buffer_str(&all.bytes), text));
    must(str_eq(buffer_str(&all.events), buffer_str(&whole.events)));
    log_release(&whole);
    log_release(&cut);
    log_release(&all);
    write_check(text);
    return 0;
}

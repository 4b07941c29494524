/* The event stream reader looks at line ends only until an event is whole, then takes it apart in
 * place: in the piece that was fed when it lies there, else in `held`. See sse.h for what the relay
 * gets. */
#include "dataplane/net/sse.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define BOM_DONE 4

static const char bom[3] = {'\xef', '\xbb', '\xbf'};

void sse_reader_init(struct sse_reader *r, size_t max_event_bytes, const struct sse_ops *ops,
                     void *arg)
{
    *r = (struct sse_reader){.ops = ops, .arg = arg, .max_event_bytes = max_event_bytes};
    buffer_init(&r->held, max_event_bytes);
    buffer_init(&r->join, max_event_bytes);
}

void sse_reader_release(struct sse_reader *r)
{
    if (r == NULL)
        return;
    buffer_release(&r->held);
    buffer_release(&r->join);
}

static void bytes_emit(const struct sse_reader *r, const char *from, const char *to)
{
    if (r->ops->on_bytes != NULL && to > from)
        r->ops->on_bytes(r->arg, (struct str){from, (size_t)(to - from)});
}

static void held_emit(struct sse_reader *r)
{
    if (r->held.len > 0)
        bytes_emit(r, r->held.ptr, r->held.ptr + r->held.len);
    buffer_clear(&r->held);
}

/* The next CR or LF, or NULL. One search for both: two of memchr's would let a stream of bare CRs
 * cost a search of the whole piece for each. */
static const char *line_end_find(const char *p, const char *end)
{
#if defined(__x86_64__)
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')),
                                   _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);

        if (mask != 0)
            return p + __builtin_ctz(mask);
    }
#endif
    for (; p < end; p++) {
        if (*p == '\n' || *p == '\r')
            return p;
    }
    return NULL;
}

/* Digits only, as the standard wants; anything else leaves -1. */
static int64_t retry_read(struct str value)
{
    uint64_t ms;

    if (!str_to_u64(value, &ms) || ms > INT64_MAX)
        return -1;
    return (int64_t)ms;
}

struct data_state {
    unsigned lines;
    bool joined; /* data is in r->join */
};

static void data_add(struct sse_reader *r, struct sse_event *e, struct data_state *d,
                     struct str value)
{
    if (d->lines++ == 0) {
        e->data = value;
        return;
    }
    if (!d->joined) {
        buffer_clear(&r->join);
        (void)buffer_append_str(&r->join, e->data);
        d->joined = true;
    }
    (void)buffer_append(&r->join, "\n", 1);
    (void)buffer_append_str(&r->join, value);
}

static void field_take(struct sse_reader *r, struct sse_event *e, struct data_state *d,
                       struct str line)
{
    struct str name, value;

    if (!str_cut(line, ':', &name, &value)) {
        name = line;
        value = (struct str){line.ptr + line.len, 0};
    } else if (value.len > 0 && value.ptr[0] == ' ') {
        value = (struct str){value.ptr + 1, value.len - 1};
    }
    if (str_eqz(name, "data"))
        data_add(r, e, d, value);
    else if (str_eqz(name, "event"))
        e->name = value;
    else if (str_eqz(name, "id") && memchr(value.ptr, '\0', value.len) == NULL)
        e->id = value;
    else if (str_eqz(name, "retry"))
        e->retry_ms = retry_read(value);
}

/* An event that was not collected; its bytes have gone or go now, so there is no verdict to heed.
 */
static enum sse_verdict too_large_report(struct sse_reader *r, bool cut)
{
    struct sse_event e = {.retry_ms = -1, .begin = r->begin, .end = r->offset, .cut = cut};

    e.too_large = true;
    e.name = e.data = STR_LIT("");
    (void)r->ops->on_event(r->arg, &e);
    return SSE_KEEP;
}

/* Takes a whole event apart and asks what is to become of it. */
static enum sse_verdict block_read(struct sse_reader *r, struct str block, bool cut)
{
    struct sse_event e = {.retry_ms = -1, .begin = r->begin, .end = r->offset, .cut = cut};
    struct data_state d = {0};
    const char *p = block.ptr, *end = p + block.len;

    if (r->begin == 0 && block.len >= sizeof(bom) && memcmp(p, bom, sizeof(bom)) == 0)
        p += sizeof(bom);
    while (p < end) {
        const char *stop = line_end_find(p, end);

        if (stop == NULL)
            stop = end;
        if (stop > p)
            field_take(r, &e, &d, (struct str){p, (size_t)(stop - p)});
        p = stop + 1; /* of CR LF the LF makes an empty line, which is skipped */
    }
    if (d.lines == 0)
        return SSE_KEEP;
    if (d.joined) {
        /* the lines fit the ceiling that their event fits, so this is want of memory */
        if (r->join.failed)
            return too_large_report(r, cut);
        e.data = buffer_str(&r->join);
    }
    return r->ops->on_event(r->arg, &e);
}

static void block_start(struct sse_reader *r)
{
    r->begin = r->offset;
    r->fields = false;
    r->too_large = false;
}

/* A beginning of a byte order mark that came to nothing is text after all. */
static void bom_settle(struct sse_reader *r)
{
    if (r->bom_bytes > 0 && r->bom_bytes < sizeof(bom)) {
        r->line_first = bom[0];
        r->line_len = r->bom_bytes;
    }
    r->bom_bytes = BOM_DONE;
}

/* Counts the bytes of a line; a byte order mark at the stream's start is no part of it. */
static void line_grow(struct sse_reader *r, const char *p, size_t n)
{
    r->offset += n;
    while (r->bom_bytes < sizeof(bom) && n > 0) {
        if (*p != bom[r->bom_bytes]) {
            bom_settle(r);
            break;
        }
        r->bom_bytes++;
        p++;
        n--;
    }
    if (n > 0 && r->line_len == 0)
        r->line_first = *p;
    r->line_len += n;
}

/* Where the run of one call to sse_feed stands. */
struct feed {
    const char *pass_at;  /* from here on everything so far may go, up to block_at */
    const char *block_at; /* the current event's first byte in this piece */
};

/* A blank line ended at p. */
static void block_end(struct sse_reader *r, struct feed *f, const char *p)
{
    enum sse_verdict verdict = SSE_KEEP;
    size_t size = r->held.len + (size_t)(p - f->block_at);

    if (r->fields) {
        if (r->too_large || size > r->max_event_bytes)
            verdict = too_large_report(r, false);
        else if (r->held.len == 0)
            verdict = block_read(r, (struct str){f->block_at, size}, false);
        else if (buffer_append(&r->held, f->block_at, (size_t)(p - f->block_at)))
            verdict = block_read(r, buffer_str(&r->held), false);
        else
            verdict = too_large_report(r, false);
    }
    if (verdict == SSE_DROP) {
        bytes_emit(r, f->pass_at, f->block_at);
        f->pass_at = p;
    } else if (r->held.len > 0) {
        /* what was appended above goes out of the piece, with all that follows it there */
        r->held.len = size - (size_t)(p - f->block_at);
        held_emit(r);
    }
    buffer_clear(&r->held);
    r->last_dropped = verdict == SSE_DROP;
    f->block_at = p;
    block_start(r);
}

/* A line ended at p, its end included. */
static void line_end(struct sse_reader *r, struct feed *f, const char *p)
{
    bom_settle(r);
    if (r->line_len == 0) {
        block_end(r, f, p);
        return;
    }
    r->last_dropped = false;
    if (r->line_first != ':')
        r->fields = true;
    if (!r->fields) {
        held_emit(r);
        f->block_at = p;
        block_start(r);
    }
    r->line_len = 0;
}

/* The LF of a CR LF: it goes with what the CR ended. */
static void line_feed_take(struct sse_reader *r, struct feed *f, const char *p)
{
    r->offset++;
    if (r->fields || r->line_len > 0)
        return;
    /* between two events */
    if (r->last_dropped)
        f->pass_at = p + 1;
    f->block_at = p + 1;
    block_start(r);
}

/* The event that the piece ends in waits for its rest, unless it is too large for that. */
static void tail_hold(struct sse_reader *r, struct feed *f, const char *end)
{
    size_t n = (size_t)(end - f->block_at);

    if (!r->too_large) {
        if (r->held.len + n <= r->max_event_bytes &&
            (n == 0 || buffer_append(&r->held, f->block_at, n))) {
            bytes_emit(r, f->pass_at, f->block_at);
            return;
        }
        r->too_large = true;
        held_emit(r);
    }
    bytes_emit(r, f->pass_at, end);
}

void sse_feed(struct sse_reader *r, struct str piece)
{
    const char *p = piece.ptr, *end;
    struct feed f = {p, p};

    if (piece.len == 0)
        return;
    end = p + piece.len;
    while (p < end) {
        const char *stop;

        if (r->after_cr) {
            r->after_cr = false;
            if (*p == '\n') {
                line_feed_take(r, &f, p);
                p++;
                continue;
            }
        }
        stop = line_end_find(p, end);
        line_grow(r, p, (size_t)((stop != NULL ? stop : end) - p));
        if (stop == NULL)
            break;
        r->offset++;
        r->after_cr = *stop == '\r';
        p = stop + 1;
        line_end(r, &f, p);
    }
    tail_hold(r, &f, end);
}

bool sse_mid_event(const struct sse_reader *r)
{
    return r->fields || r->line_len > 0;
}

void sse_finish(struct sse_reader *r)
{
    enum sse_verdict verdict = SSE_KEEP;

    bom_settle(r);
    if (r->line_len > 0 && r->line_first != ':')
        r->fields = true;
    if (r->fields) {
        if (r->too_large)
            verdict = too_large_report(r, true);
        else
            verdict = block_read(r, buffer_str(&r->held), true);
    }
    if (verdict == SSE_KEEP)
        held_emit(r);
    buffer_clear(&r->held);
    block_start(r);
    r->line_len = 0;
}

bool sse_write(struct buffer *out, struct str name, struct str data)
{
    const char *p = data.len > 0 ? data.ptr : "", *end = p + data.len;

    if (name.len > 0) {
        if (line_end_find(name.ptr, name.ptr + name.len) != NULL)
            return false;
        (void)buffer_append(out, "event: ", 7);
        (void)buffer_append_str(out, name);
        (void)buffer_append(out, "\n", 1);
    }
    for (;;) {
        const char *stop = p < end ? line_end_find(p, end) : NULL;

        (void)buffer_append(out, "data: ", 6);
        if (p < end)
            (void)buffer_append(out, p, (size_t)((stop != NULL ? stop : end) - p));
        (void)buffer_append(out, "\n", 1);
        if (stop == NULL)
            break;
        p = stop + 1;
        if (*stop == '\r' && p < end && *p == '\n')
            p++;
    }
    (void)buffer_append(out, "\n", 1);
    return !out->failed;
}

bool sse_write_comment(struct buffer *out, struct str text)
{
    const char *p = text.len > 0 ? text.ptr : "", *end = p + text.len;

    (void)buffer_append(out, ": ", 2);
    while (p < end) {
        const char *stop = line_end_find(p, end);

        (void)buffer_append(out, p, (size_t)((stop != NULL ? stop : end) - p));
        if (stop == NULL)
            break;
        (void)buffer_append(out, " ", 1);
        p = stop + 1;
    }
    (void)buffer_append(out, "\n\n", 2);
    return !out->failed;
}

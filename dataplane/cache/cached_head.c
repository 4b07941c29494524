/* The binary form of what a stored answer says of itself: little-endian numbers of fixed size,
 * texts with their length in front, a version in the first byte. It may come back from a store that
 * others write to, so nothing in it is believed. */
#include "dataplane/cache/key.h"

#define HEAD_VERSION 1u
#define VALUE_VERSION 1u
#define HEAD_STREAM 1u

static bool put_number(struct buffer *out, uint64_t v, unsigned bytes)
{
    uint8_t b[8];
    for (unsigned i = 0; i < bytes; i++) {
        b[i] = (uint8_t)(v >> (8 * i));
    }
    return buffer_append(out, b, bytes);
}

static bool put_text(struct buffer *out, struct str s)
{
    return put_number(out, s.len, 4) && buffer_append_str(out, s);
}

struct reader {
    struct str rest;
    bool failed;
};

static struct str take(struct reader *r, size_t n)
{
    struct str s = {r->rest.ptr, n};
    if (r->failed || n > r->rest.len) {
        r->failed = true;
        return (struct str){"", 0};
    }
    r->rest = (struct str){r->rest.ptr + n, r->rest.len - n};
    return s;
}

static uint64_t take_number(struct reader *r, unsigned bytes)
{
    struct str s = take(r, bytes);
    uint64_t v = 0;
    for (size_t i = s.len; i-- > 0;) {
        v = v << 8 | (uint8_t)s.ptr[i];
    }
    return v;
}

static struct str take_text(struct reader *r)
{
    return take(r, (size_t)take_number(r, 4));
}

/* What RFC 9110 allows in a field's name and value. */
static bool header_sound(const struct header *h)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < h->name.len; i++) {
        char c = h->name.ptr[i], low = (char)(c | 0x20);
        if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') &&
            !memchr(marks, c, sizeof(marks) - 1)) {
            return false;
        }
    }
    for (size_t i = 0; i < h->value.len; i++) {
        uint8_t c = (uint8_t)h->value.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return h->name.len > 0;
}

static bool head_sound(const struct cached_head *h)
{
    if (h->status < 200 || h->status > 599 || h->n_headers > EXCHANGE_MAX_HEADERS) {
        return false;
    }
    for (size_t i = 0; i < h->n_headers; i++) {
        if (!header_sound(&h->headers[i])) {
            return false;
        }
    }
    return true;
}

bool cached_head_write(const struct cached_head *h, struct buffer *out)
{
    if (!head_sound(h)) {
        return false;
    }
    (void)put_number(out, HEAD_VERSION, 1);
    (void)put_number(out, h->stream ? HEAD_STREAM : 0, 1);
    (void)put_number(out, (uint64_t)h->status, 2);
    (void)put_number(out, h->cost_nanousd, 8);
    (void)put_number(out, h->duration_us, 8);
    (void)put_number(out, h->tokens_in, 8);
    (void)put_number(out, h->tokens_out, 8);
    (void)put_text(out, h->provider);
    (void)put_text(out, h->model);
    (void)put_number(out, h->n_headers, 2);
    for (size_t i = 0; i < h->n_headers; i++) {
        (void)put_text(out, h->headers[i].name);
        (void)put_text(out, h->headers[i].value);
    }
    return !out->failed;
}

static bool take_headers(struct reader *r, struct arena *a, struct cached_head *h)
{
    h->n_headers = (size_t)take_number(r, 2);
    if (r->failed || h->n_headers > EXCHANGE_MAX_HEADERS) {
        return false;
    }
    h->headers = arena_alloc(a, (h->n_headers + 1) * sizeof(*h->headers));
    if (!h->headers) {
        return false;
    }
    for (size_t i = 0; i < h->n_headers; i++) {
        h->headers[i].name = take_text(r);
        h->headers[i].value = take_text(r);
    }
    return !r->failed;
}

bool cached_head_read(struct str bytes, struct arena *a, struct cached_head *ret)
{
    struct reader r = {bytes, false};
    struct cached_head h = {0};
    uint64_t version = take_number(&r, 1), flags = take_number(&r, 1);
    h.stream = flags & HEAD_STREAM;
    h.status = (int)take_number(&r, 2);
    h.cost_nanousd = take_number(&r, 8);
    h.duration_us = take_number(&r, 8);
    h.tokens_in = take_number(&r, 8);
    h.tokens_out = take_number(&r, 8);
    h.provider = take_text(&r);
    h.model = take_text(&r);
    if (version != HEAD_VERSION || (flags & ~(uint64_t)HEAD_STREAM) || !take_headers(&r, a, &h) ||
        r.rest.len || !head_sound(&h)) {
        return false;
    }
    *ret = h;
    return true;
}

bool cached_value_write(const struct cache_entry *e, struct buffer *out)
{
    if (e->head.len > CACHE_ENTRY_MAX || e->body.len > CACHE_ENTRY_MAX) {
        return false;
    }
    return put_number(out, VALUE_VERSION, 1) && put_number(out, e->stored_ms, 8) &&
           put_number(out, e->expires_ms, 8) && put_text(out, e->head) && put_text(out, e->body);
}

bool cached_value_read(struct str bytes, struct cache_entry *ret)
{
    struct reader r = {bytes, false};
    uint64_t version = take_number(&r, 1);
    struct cache_entry e = {.stored_ms = take_number(&r, 8)};
    e.expires_ms = take_number(&r, 8);
    e.head = take_text(&r);
    e.body = take_text(&r);
    if (version != VALUE_VERSION || r.failed || r.rest.len) {
        return false;
    }
    *ret = e;
    return true;
}

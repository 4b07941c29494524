/* Growing byte buffer. Growth doubles, so a run of appends costs linear time, and stops at `max`:
 * what a peer can make us hold is decided where the buffer is made, not where it is filled. */
#include "common/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/mem.h"

#define FIRST_CAP 256

void buffer_init(struct buffer *b, size_t max_bytes)
{
    *b = (struct buffer){.max = max_bytes};
}

void buffer_release(struct buffer *b)
{
    mem_free(b->ptr);
    *b = (struct buffer){.max = b->max};
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    b->failed = false;
}

bool buffer_reserve(struct buffer *b, size_t extra)
{
    if (b->failed) {
        return false;
    }
    if (extra <= b->cap - b->len) {
        return true;
    }
    if (extra > b->max - b->len) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra;
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    while (cap < need) {
        cap = cap > b->max / 2 ? b->max : cap * 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    char *grown = mem_try_realloc(b->ptr, cap);
    if (!grown) {
        b->failed = true;
        return false;
    }
    b->ptr = grown;
    b->cap = cap;
    return true;
}

bool buffer_append(struct buffer *b, const void *p, size_t n)
{
    if (!buffer_reserve(b, n)) {
        return false;
    }
    if (n) {
        memcpy(b->ptr + b->len, p, n);
        b->len += n;
    }
    return true;
}

bool buffer_append_str(struct buffer *b, struct str s)
{
    return buffer_append(b, s.ptr, s.len);
}

bool buffer_append_z(struct buffer *b, const char *z)
{
    return buffer_append(b, z, strlen(z));
}

bool buffer_append_u64(struct buffer *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    return buffer_append(b, digits + at, sizeof(digits) - at);
}

bool buffer_printf(struct buffer *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (need < 0) {
        b->failed = true;
        return false;
    }
    /* vsnprintf ends with a NUL that is not part of the buffer: room for it may lie past `max` */
    char small[128];
    if ((size_t)need < sizeof(small)) {
        va_start(args, fmt);
        (void)vsnprintf(small, sizeof(small), fmt, args);
        va_end(args);
        return buffer_append(b, small, (size_t)need);
    }
    if (!buffer_reserve(b, (size_t)need)) {
        return false;
    }
    char *text = mem_try_alloc((size_t)need + 1);
    if (!text) {
        b->failed = true;
        return false;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)need + 1, fmt, args);
    va_end(args);
    bool ok = buffer_append(b, text, (size_t)need);
    mem_free(text);
    return ok;
}

void buffer_consume(struct buffer *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}

struct str buffer_str(const struct buffer *b)
{
    return (struct str){b->ptr ? b->ptr : "", b->len};
}

char *buffer_detach(struct buffer *b)
{
    char *text = mem_realloc(b->ptr, b->len + 1);
    text[b->len] = '\0';
    *b = (struct buffer){.max = b->max};
    return text;
}

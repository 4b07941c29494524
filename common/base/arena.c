/* Arena: a chain of chunks, filled front to back, each at least twice the last up to a limit. The
 * first chunk survives arena_reset, so that a kept-alive connection's next request allocates
 * nothing. */
#include "common/base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"

#define ALIGN 16u
#define FIRST_CHUNK 4096u
#define LARGEST_STEP (256u * 1024u)

struct chunk {
    struct chunk *next; /* older one */
    size_t size, used;  /* of the bytes behind this header */
} __attribute__((aligned(16)));

struct hook {
    struct hook *next;
    arena_hook_fn fn;
    void *arg;
};

struct arena {
    struct chunk *newest;
    struct chunk *first;
    struct hook *hooks;
    size_t max_bytes; /* 0: none */
    size_t used;
};

struct arena *arena_new(size_t max_bytes)
{
    struct arena *a = mem_alloc(sizeof(*a));
    a->max_bytes = max_bytes;
    return a;
}

static void run_hooks(struct arena *a)
{
    /* a hook may register another one: take them off one by one */
    while (a->hooks) {
        struct hook *h = a->hooks;
        a->hooks = h->next;
        h->fn(h->arg);
    }
}

void arena_reset(struct arena *a)
{
    run_hooks(a);
    while (a->newest && a->newest != a->first) {
        struct chunk *c = a->newest;
        a->newest = c->next;
        mem_free(c);
    }
    if (a->first) {
        a->first->used = 0;
    }
    a->used = 0;
}

void arena_free(struct arena *a)
{
    if (!a) {
        return;
    }
    arena_reset(a);
    mem_free(a->first);
    mem_free(a);
}

static struct chunk *chunk_new(size_t size)
{
    struct chunk *c = mem_try_alloc(sizeof(*c) + size);
    if (c) {
        c->size = size;
        c->used = 0;
        c->next = NULL;
    }
    return c;
}

static bool grow(struct arena *a, size_t n)
{
    size_t size = a->newest ? a->newest->size * 2 : FIRST_CHUNK;
    if (size > LARGEST_STEP) {
        size = LARGEST_STEP;
    }
    if (size < n) {
        size = n;
    }
    struct chunk *c = chunk_new(size);
    if (!c) {
        return false;
    }
    c->next = a->newest;
    a->newest = c;
    if (!a->first) {
        a->first = c;
    }
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) {
        return NULL;
    }
    size_t need = n ? (n + ALIGN - 1) & ~(size_t)(ALIGN - 1) : ALIGN;
    if (a->max_bytes && need > a->max_bytes - a->used) {
        return NULL;
    }
    if (!a->newest || need > a->newest->size - a->newest->used) {
        if (!grow(a, need)) {
            return NULL;
        }
    }
    struct chunk *c = a->newest;
    void *p = (char *)(c + 1) + c->used;
    c->used += need;
    a->used += need;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    if (p) {
        memset(p, 0, n);
    }
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    if (s.len == SIZE_MAX) {
        return STR_NONE;
    }
    char *copy = arena_alloc(a, s.len + 1);
    if (!copy) {
        return STR_NONE;
    }
    if (s.len) {
        memcpy(copy, s.ptr, s.len);
    }
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int need = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (need < 0) {
        return STR_NONE;
    }
    char *text = arena_alloc(a, (size_t)need + 1);
    if (!text) {
        return STR_NONE;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, (size_t)need + 1, fmt, args);
    va_end(args);
    return (struct str){text, (size_t)need};
}

bool arena_on_release(struct arena *a, arena_hook_fn fn, void *arg)
{
    struct hook *h = arena_alloc(a, sizeof(*h));
    if (!h) {
        return false;
    }
    *h = (struct hook){.next = a->hooks, .fn = fn, .arg = arg};
    a->hooks = h;
    return true;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

static void release_buffer(void *arg)
{
    buffer_release(arg);
}

bool arena_keep_buffer(struct arena *a, struct buffer *b)
{
    if (!arena_on_release(a, release_buffer, b)) {
        buffer_release(b);
        return false;
    }
    return true;
}

struct buffer *arena_buffer(struct arena *a, size_t max)
{
    struct buffer *b = arena_alloc(a, sizeof(*b));
    if (!b) {
        return NULL;
    }
    buffer_init(b, max);
    return arena_keep_buffer(a, b) ? b : NULL;
}

/* Memory of one request (or one parse): allocate freely, release all at once. Clean-up hooks run in
 * reverse order on release, so whatever needs undoing is registered here and early return stays
 * safe. One thread at a time. */
#ifndef COMMON_BASE_ARENA_H
#define COMMON_BASE_ARENA_H

#include "common/base/str.h"

struct arena;

/* `max_bytes` is the ceiling over the arena's life; 0 for none. */
struct arena *arena_new(size_t max_bytes);
/* Runs the hooks, frees everything, accepts NULL. */
void arena_free(struct arena *a);
/* Runs the hooks and forgets everything, keeping the first chunk for the next use. */
void arena_reset(struct arena *a);
/* 16-byte aligned, not zeroed. NULL when the ceiling or memory is reached: the caller fails that
 * request. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* NUL-terminated copies; ptr is NULL when out of room. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
typedef void (*arena_hook_fn)(void *arg);
/* False when out of room (then the hook was not registered). */
bool arena_on_release(struct arena *a, arena_hook_fn fn, void *arg);
/* Has the buffer released with the arena. False when out of room: then it is released at once. */
struct buffer;
bool arena_keep_buffer(struct arena *a, struct buffer *b);
/* An empty buffer with that ceiling, which lives as long as the arena; NULL when out of room. */
struct buffer *arena_buffer(struct arena *a, size_t max);
size_t arena_used(const struct arena *a);

#endif

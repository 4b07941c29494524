/* Growing byte buffer with a ceiling given at creation; past it, appends fail and `failed` stays
 * set, so a run of appends is checked once at its end. */
#ifndef COMMON_BASE_BUFFER_H
#define COMMON_BASE_BUFFER_H

#include "common/base/str.h"

struct buffer {
    char *ptr;
    size_t len, cap, max;
    bool failed;
};

void buffer_init(struct buffer *b, size_t max_bytes);
void buffer_release(struct buffer *b); /* usable (empty) again afterwards */
void buffer_clear(struct buffer *b);   /* len 0, failed off, memory kept */
bool buffer_reserve(struct buffer *b, size_t extra);
bool buffer_append(struct buffer *b, const void *p, size_t n);
bool buffer_append_str(struct buffer *b, struct str s);
bool buffer_append_z(struct buffer *b, const char *z);
bool buffer_append_u64(struct buffer *b, uint64_t v);
bool buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops n bytes from the front. */
void buffer_consume(struct buffer *b, size_t n);
struct str buffer_str(const struct buffer *b);
/* NUL-terminated heap text that the caller frees with mem_free; the buffer is empty afterwards. */
char *buffer_detach(struct buffer *b);

#endif

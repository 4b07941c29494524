/* A block of text of known room, written front to back in a request's arena: upstream heads and
 * small bodies. Past its room it stops and `failed` stays set, so a run of puts is checked once at
 * its end. No allocation, one thread. */
#ifndef DATAPLANE_CANONICAL_HEAD_H
#define DATAPLANE_CANONICAL_HEAD_H

#include "common/base/arena.h"

struct head {
    char *ptr;
    size_t len, cap;
    bool failed;
};

/* Room for cap bytes from the arena; false (and failed set) when the arena is out of room. */
bool head_init(struct head *h, struct arena *a, size_t cap);

static inline void head_put(struct head *h, struct str s)
{
    if (h->failed || s.len > h->cap - h->len) {
        h->failed = true;
        return;
    }
    if (s.len) {
        memcpy(h->ptr + h->len, s.ptr, s.len);
        h->len += s.len;
    }
}

static inline struct str head_str(const struct head *h)
{
    return (struct str){h->ptr, h->len};
}

void head_put_z(struct head *h, const char *z);
void head_put_u64(struct head *h, uint64_t v);
/* "Name: value\r\n"; the caller knows that neither holds a line end. */
void head_put_header(struct head *h, struct str name, struct str value);
/* The text between a JSON string's quotes: quotes, backslashes and control characters are escaped,
 * everything else goes as it is. Grows a byte to six at most. */
void head_put_json(struct head *h, struct str s);
/* True when s may stand in a header line: no control characters but tab. */
bool head_value_ok(struct str s);

#endif

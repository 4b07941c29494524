/* Fields of a message into the types that they should have; a field of another type makes the
 * message bad. Header only, pure. */
#ifndef DATAPLANE_SNAPSHOT_WIRE_TAKE_H
#define DATAPLANE_SNAPSHOT_WIRE_TAKE_H

#include "common/base/uuid.h"
#include "dataplane/snapshot/wire.h"

/* Ids are 16 bytes; an absent one (and proto3 leaves empty ones out) is nil. */
static inline void take_uuid(struct wire *w, const struct wire_field *f, struct uuid *ret)
{
    if (f->type == WIRE_BYTES && f->bytes.len == sizeof(ret->b)) {
        memcpy(ret->b, f->bytes.ptr, sizeof(ret->b));
    } else if (f->type == WIRE_BYTES && f->bytes.len == 0) {
        *ret = (struct uuid){{0}};
    } else {
        w->bad = true;
    }
}

static inline void take_str(struct wire *w, const struct wire_field *f, struct str *ret)
{
    if (f->type == WIRE_BYTES) {
        *ret = f->bytes;
    } else {
        w->bad = true;
    }
}

static inline void take_u64(struct wire *w, const struct wire_field *f, uint64_t *ret)
{
    if (f->type == WIRE_VARINT) {
        *ret = f->value;
    } else {
        w->bad = true;
    }
}

static inline void take_i64(struct wire *w, const struct wire_field *f, int64_t *ret)
{
    uint64_t v = 0;
    take_u64(w, f, &v);
    *ret = (int64_t)v;
}

static inline void take_u32(struct wire *w, const struct wire_field *f, uint32_t *ret)
{
    uint64_t v = 0;
    take_u64(w, f, &v);
    *ret = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static inline void take_bool(struct wire *w, const struct wire_field *f, bool *ret)
{
    uint64_t v = 0;
    take_u64(w, f, &v);
    *ret = v != 0;
}

/* The message inside; a bad one where the field is none. */
static inline struct wire take_message(const struct wire_field *f)
{
    return wire_of(f->type == WIRE_BYTES ? f->bytes : STR_LIT("\xff"));
}

/* How often a field stands in a message. */
static inline size_t wire_count(struct str message, uint32_t number)
{
    struct wire w = wire_of(message);
    struct wire_field f;
    size_t n = 0;
    while (wire_next(&w, &f)) {
        n += f.number == number;
    }
    return n;
}

#endif

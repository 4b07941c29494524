/* Protobuf wire format, read and written in place. The bodies inside a snapshot are protobuf
 * messages (proto/snapshot.proto) that a proxy keeps by the million: reading them as spans into the
 * kept bytes costs neither the copies nor the dozen allocations a message that protobuf-c's
 * unpacking makes. Header only, pure. */
#ifndef DATAPLANE_SNAPSHOT_WIRE_H
#define DATAPLANE_SNAPSHOT_WIRE_H

#include "common/base/str.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire {
    const uint8_t *at, *end;
    bool bad; /* set when the bytes are no message; checked once, after the loop */
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;   /* varint and fixed */
    struct str bytes; /* WIRE_BYTES: points into the message */
};

static inline struct wire wire_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    return (struct wire){.at = p, .end = p ? p + s.len : NULL};
}

static inline bool wire_varint(struct wire *w, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return true;
        }
    }
    w->bad = true;
    return false;
}

static inline bool wire_fixed(struct wire *w, size_t n, uint64_t *ret)
{
    if ((size_t)(w->end - w->at) < n) {
        w->bad = true;
        return false;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v |= (uint64_t)w->at[i] << (8 * i);
    }
    w->at += n;
    *ret = v;
    return true;
}

/* The next field; false at the end and when the bytes are bad. Always inlined: the loops around it
 * are short, and gcc 12 (link-time, -fipa-modref) has been seen to read `bytes` from before the
 * call where it was not. */
static inline __attribute__((always_inline)) bool wire_next(struct wire *w, struct wire_field *ret)
{
    uint64_t tag;
    if (w->bad || w->at >= w->end || !wire_varint(w, &tag)) {
        return false;
    }
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (enum wire_type)(tag & 7);
    ret->bytes = STR_NONE;
    if (ret->number == 0 || tag >> 32) {
        w->bad = true;
        return false;
    }
    switch (tag & 7) {
    case WIRE_VARINT:
        return wire_varint(w, &ret->value);
    case WIRE_FIXED64:
        return wire_fixed(w, 8, &ret->value);
    case WIRE_FIXED32:
        return wire_fixed(w, 4, &ret->value);
    case WIRE_BYTES:
        if (!wire_varint(w, &ret->value)) {
            return false;
        }
        if (ret->value > (size_t)(w->end - w->at)) {
            w->bad = true;
            return false;
        }
        ret->bytes = (struct str){(const char *)w->at, (size_t)ret->value};
        w->at += ret->value;
        return true;
    default:
        w->bad = true; /* groups: nothing of ours has any */
        return false;
    }
}

/* Writing: each returns the position behind what it wrote; the caller made room. */
static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *at++ = (uint8_t)v;
    return at;
}

static inline size_t wire_varint_size(uint64_t v)
{
    return v < 0x80 ? 1 : (70u - (unsigned)__builtin_clzll(v)) / 7;
}

#endif

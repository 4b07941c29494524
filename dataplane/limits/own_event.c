/* Protobuf's wire form, read field by field: a key (number and type), then a value whose length the
 * type tells. Unknown fields are stepped over, as whoever unpacks would. */
#include "dataplane/limits/own_event.h"

#define EVENT_ID 1
#define EVENT_CHARGES 36
#define CHARGE_QUOTA 1
#define CHARGE_BUCKET 2
#define CHARGE_WINDOW_START 3
#define CHARGE_HOLDER 4
#define CHARGE_AMOUNT 5

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;   /* of a varint */
    struct str bytes; /* of bytes */
};

static bool take_varint(struct str *rest, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; rest->len && shift < 64; shift += 7) {
        uint8_t b = (uint8_t)*rest->ptr;
        rest->ptr++;
        rest->len--;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* False at the end, and at what is no message. */
static bool field_next(struct str *rest, struct field *ret)
{
    uint64_t key, len = 0;
    if (!take_varint(rest, &key)) {
        return false;
    }
    *ret = (struct field){.number = key >> 3, .wire = (enum wire)(key & 7)};
    switch (ret->wire) {
    case WIRE_VARINT:
        return take_varint(rest, &ret->value);
    case WIRE_64:
        len = 8;
        break;
    case WIRE_32:
        len = 4;
        break;
    case WIRE_BYTES:
        if (!take_varint(rest, &len)) {
            return false;
        }
        break;
    default:
        return false;
    }
    if (len > rest->len) {
        return false;
    }
    ret->bytes = str_slice(*rest, 0, (size_t)len);
    *rest = str_slice(*rest, (size_t)len, rest->len);
    return true;
}

bool own_event_read(struct str event, struct uuid *ret_id, struct str *ret_charges)
{
    struct str rest = event, before = event, charges = STR_NONE;
    struct field f;
    struct uuid id;
    bool has_id = false;
    while (rest.len) {
        before = rest;
        if (!field_next(&rest, &f)) {
            return false;
        }
        if (f.number == EVENT_ID && f.wire == WIRE_BYTES && f.bytes.len == sizeof(id.b)) {
            memcpy(id.b, f.bytes.ptr, sizeof(id.b));
            has_id = true;
        } else if (f.number == EVENT_CHARGES && f.wire == WIRE_BYTES && !charges.ptr) {
            charges = before;
        }
    }
    if (has_id) {
        *ret_id = id;
        *ret_charges = charges;
    }
    return has_id;
}

static bool charge_read(struct str rest, const struct uuid *holder, struct own_charge *ret)
{
    struct field f;
    bool has_quota = false;
    *ret = (struct own_charge){.bucket = STR_LIT("")};
    while (rest.len) {
        if (!field_next(&rest, &f)) {
            return false;
        }
        if (f.number == CHARGE_QUOTA && f.bytes.len == sizeof(ret->quota.b)) {
            memcpy(ret->quota.b, f.bytes.ptr, sizeof(ret->quota.b));
            has_quota = true;
        } else if (f.number == CHARGE_BUCKET && f.wire == WIRE_BYTES) {
            ret->bucket = f.bytes;
        } else if (f.number == CHARGE_WINDOW_START && f.wire == WIRE_VARINT) {
            ret->window_start_s = (int64_t)f.value;
        } else if (f.number == CHARGE_HOLDER && f.wire == WIRE_BYTES) {
            ret->ours = f.bytes.len == sizeof(holder->b) &&
                        memcmp(f.bytes.ptr, holder->b, sizeof(holder->b)) == 0;
        } else if (f.number == CHARGE_AMOUNT && f.wire == WIRE_VARINT) {
            ret->amount = f.value;
        }
    }
    return has_quota && ret->amount > 0;
}

bool own_event_next(struct str *charges, const struct uuid *holder, struct own_charge *ret)
{
    struct field f;
    while (charges->len && field_next(charges, &f)) {
        if (f.number == EVENT_CHARGES && f.wire == WIRE_BYTES &&
            charge_read(f.bytes, holder, ret)) {
            return true;
        }
    }
    return false;
}

#include "dataplane/limits/lease_wire.h"

#include "dataplane/snapshot/wire.h"

#define ANSWER_MAX 80

static uint8_t *put_number(uint8_t *at, unsigned field, uint64_t v)
{
    if (v == 0) {
        return at; /* absent is zero */
    }
    at = wire_put_varint(at, field << 3 | WIRE_VARINT);
    return wire_put_varint(at, v);
}

static uint8_t *put_bytes(uint8_t *at, unsigned field, const void *p, size_t n)
{
    if (n == 0) {
        return at;
    }
    at = wire_put_varint(at, field << 3 | WIRE_BYTES);
    at = wire_put_varint(at, n);
    memcpy(at, p, n);
    return at + n;
}

/* Appends a message as the field of the one that is being written. */
static bool append_message(struct buffer *out, unsigned field, const uint8_t *p, size_t n)
{
    uint8_t head[12], *end = wire_put_varint(head, field << 3 | WIRE_BYTES);
    end = wire_put_varint(end, n);
    return buffer_append(out, head, (size_t)(end - head)) && buffer_append(out, p, n);
}

/* ---- requests ---- */

static bool write_ask(struct buffer *out, const struct lease_ask *a)
{
    uint8_t account[LEASE_ASK_MAX], body[LEASE_ASK_MAX + 80];
    size_t bucket = a->bucket.len < 300 ? a->bucket.len : 300;
    uint8_t *at = put_bytes(account, 1, a->quota.b, sizeof(a->quota.b));
    at = put_bytes(at, 2, a->bucket.ptr, bucket);
    at = put_number(at, 3, (uint64_t)a->window_start_s);
    at = put_bytes(body, 1, account, (size_t)(at - account));
    at = put_number(at, 2, a->granted_total);
    at = put_number(at, 3, a->returned_total);
    at = put_number(at, 4, a->used_total);
    at = put_number(at, 5, a->need);
    at = put_number(at, 6, a->want);
    return append_message(out, 3, body, (size_t)(at - body));
}

bool lease_request_write(struct buffer *out, const struct uuid *holder, bool former_delivered,
                         const struct lease_ask *asks, size_t n)
{
    uint8_t head[32];
    uint8_t *at = put_bytes(head, 1, holder->b, sizeof(holder->b));
    at = put_number(at, 2, former_delivered);
    bool ok = buffer_append(out, head, (size_t)(at - head));
    for (size_t i = 0; ok && i < n; i++) {
        ok = write_ask(out, &asks[i]);
    }
    return ok;
}

static bool take_uuid(const struct wire_field *f, struct uuid *ret)
{
    if (f->type != WIRE_BYTES || f->bytes.len != sizeof(ret->b)) {
        return false;
    }
    memcpy(ret->b, f->bytes.ptr, sizeof(ret->b));
    return true;
}

static bool read_account(struct str bytes, struct lease_ask *ret)
{
    struct wire w = wire_of(bytes);
    struct wire_field f;
    bool has_id = false;
    while (wire_next(&w, &f)) {
        if (f.number == 1) {
            has_id = take_uuid(&f, &ret->quota);
        } else if (f.number == 2 && f.type == WIRE_BYTES) {
            ret->bucket = f.bytes;
        } else if (f.number == 3) {
            ret->window_start_s = (int64_t)f.value;
        }
    }
    return has_id && !w.bad;
}

static bool read_ask(struct str bytes, struct lease_ask *ret)
{
    struct wire w = wire_of(bytes);
    struct wire_field f;
    struct lease_ask a = {.bucket = STR_LIT("")};
    bool ok = false;
    while (wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
            ok = f.type == WIRE_BYTES && read_account(f.bytes, &a);
            break;
        case 2:
            a.granted_total = f.value;
            break;
        case 3:
            a.returned_total = f.value;
            break;
        case 4:
            a.used_total = f.value;
            break;
        case 5:
            a.need = f.value;
            break;
        case 6:
            a.want = f.value;
            break;
        default:
            break;
        }
    }
    if (ok && !w.bad) {
        *ret = a;
    }
    return ok && !w.bad;
}

bool lease_request_read(struct str message, struct uuid *ret_holder, bool *ret_former_delivered,
                        struct lease_ask *ret_asks, size_t max, size_t *ret_n)
{
    struct wire w = wire_of(message);
    struct wire_field f;
    bool has_holder = false, former = false;
    size_t n = 0;
    while (wire_next(&w, &f)) {
        if (f.number == 1) {
            has_holder = take_uuid(&f, ret_holder);
        } else if (f.number == 2) {
            former = f.value != 0;
        } else if (f.number == 3 && f.type == WIRE_BYTES) {
            if (n == max || !read_ask(f.bytes, &ret_asks[n])) {
                return false;
            }
            n++;
        }
    }
    *ret_former_delivered = former;
    *ret_n = n;
    return has_holder && !w.bad;
}

/* ---- grants ---- */

bool lease_grant_write(struct buffer *out, const struct lease_answer *answers, size_t n,
                       unsigned planes)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        const struct lease_answer *a = &answers[i];
        uint8_t body[ANSWER_MAX];
        uint8_t *at = put_number(body, 1, a->state);
        at = put_number(at, 2, a->granted_total);
        at = put_number(at, 3, a->amount);
        at = put_number(at, 4, a->settled);
        at = put_number(at, 5, a->held);
        at = put_number(at, 6, (uint64_t)a->reset_ms);
        at = put_number(at, 7, a->scarce);
        ok = append_message(out, 1, body, (size_t)(at - body));
    }
    uint8_t tail[12];
    uint8_t *at = put_number(tail, 2, planes);
    return ok && buffer_append(out, tail, (size_t)(at - tail));
}

static bool read_answer(struct str bytes, struct lease_answer *ret)
{
    struct wire w = wire_of(bytes);
    struct wire_field f;
    struct lease_answer a = {0};
    while (wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
            a.state = f.value > 255 ? 0 : (unsigned)f.value;
            break;
        case 2:
            a.granted_total = f.value;
            break;
        case 3:
            a.amount = f.value;
            break;
        case 4:
            a.settled = f.value;
            break;
        case 5:
            a.held = f.value;
            break;
        case 6:
            a.reset_ms = (int64_t)f.value;
            break;
        case 7:
            a.scarce = f.value != 0;
            break;
        default:
            break;
        }
    }
    *ret = a;
    return !w.bad;
}

bool lease_grant_read(struct str message, struct lease_answer *ret_answers, size_t n,
                      unsigned *ret_planes)
{
    struct wire w = wire_of(message);
    struct wire_field f;
    size_t got = 0;
    unsigned planes = 0;
    while (wire_next(&w, &f)) {
        if (f.number == 1 && f.type == WIRE_BYTES) {
            if (got == n || !read_answer(f.bytes, &ret_answers[got])) {
                return false;
            }
            got++;
        } else if (f.number == 2 && f.type == WIRE_VARINT) {
            planes = (unsigned)f.value;
        }
    }
    if (w.bad || got != n) {
        return false;
    }
    *ret_planes = planes;
    return true;
}

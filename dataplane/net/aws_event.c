/* Frames of the AWS event stream; see aws_event.h. */
#include "dataplane/net/aws_event.h"

#include "common/crypto.h"
#include "dataplane/canonical/read.h"

#define PRELUDE_BYTES 12
#define SUM_BYTES 4
#define FRAME_MIN (PRELUDE_BYTES + SUM_BYTES)

/* Types of header values; the wire's numbers. */
enum {
    VALUE_TRUE,
    VALUE_FALSE,
    VALUE_U8,
    VALUE_I16,
    VALUE_I32,
    VALUE_I64,
    VALUE_BYTES,
    VALUE_TEXT
};
#define VALUE_TIME 8
#define VALUE_UUID 9

static uint32_t read_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void write_u32(char *p, uint32_t v)
{
    p[0] = (char)(v >> 24);
    p[1] = (char)(v >> 16);
    p[2] = (char)(v >> 8);
    p[3] = (char)v;
}

/* ---- reading ---- */

void aws_event_reader_init(struct aws_event_reader *r, size_t max_frame_bytes,
                           aws_event_fn on_event, void *arg)
{
    size_t max = max_frame_bytes ? max_frame_bytes : AWS_EVENT_MAX_BYTES;
    *r = (struct aws_event_reader){.on_event = on_event, .arg = arg, .max_frame_bytes = max};
    buffer_init(&r->held, max < FRAME_MIN ? FRAME_MIN : max);
}

void aws_event_reader_release(struct aws_event_reader *r)
{
    if (r) {
        buffer_release(&r->held);
    }
}

static bool fail(struct aws_event_reader *r, enum aws_event_fault fault)
{
    r->fault = fault;
    buffer_release(&r->held);
    return false;
}

/* The frame's length by its first 12 bytes, once they are known to be right. */
static enum aws_event_fault check_prelude(const char *p, size_t max, size_t *ret_total)
{
    uint32_t total = read_u32(p), headers = read_u32(p + 4);
    if (crypto_crc32(0, p, 8) != read_u32(p + 8)) {
        return AWS_FAULT_PRELUDE_CRC;
    }
    if (total < FRAME_MIN || headers > total - FRAME_MIN) {
        return AWS_FAULT_LENGTH;
    }
    if (total > max) {
        return AWS_FAULT_TOO_LARGE;
    }
    *ret_total = total;
    return AWS_FAULT_NONE;
}

/* Bytes of a header's value behind its type byte (and behind its length, for those that have one).
 */
static bool value_span(struct str h, size_t *at, struct str *ret)
{
    static const uint8_t sizes[] = {
        [VALUE_TRUE] = 0, [VALUE_FALSE] = 0, [VALUE_U8] = 1,   [VALUE_I16] = 2,
        [VALUE_I32] = 4,  [VALUE_I64] = 8,   [VALUE_TIME] = 8, [VALUE_UUID] = 16};
    uint8_t type = (uint8_t)h.ptr[(*at)++];
    size_t len;
    if (type == VALUE_BYTES || type == VALUE_TEXT) {
        if (h.len - *at < 2) {
            return false;
        }
        len = (size_t)(uint8_t)h.ptr[*at] << 8 | (uint8_t)h.ptr[*at + 1];
        *at += 2;
    } else if (type < sizeof(sizes)) {
        len = sizes[type];
    } else {
        return false;
    }
    if (h.len - *at < len) {
        return false;
    }
    *ret = type == VALUE_TEXT ? (struct str){h.ptr + *at, len} : STR_NONE;
    *at += len;
    return true;
}

static void take_header(struct aws_event *e, struct str name, struct str value)
{
    if (!value.ptr) {
        return;
    }
    if (str_eqz(name, ":message-type")) {
        e->kind = str_eqz(value, "exception") ? AWS_EXCEPTION
                  : str_eqz(value, "error")   ? AWS_ERROR
                                              : AWS_EVENT;
    } else if (str_eqz(name, ":event-type") || str_eqz(name, ":exception-type") ||
               str_eqz(name, ":error-code")) {
        e->type = value;
    } else if (str_eqz(name, ":content-type")) {
        e->content_type = value;
    } else if (str_eqz(name, ":error-message")) {
        e->message = value;
    }
}

static bool read_headers(struct str h, struct aws_event *e)
{
    size_t at = 0;
    while (at < h.len) {
        size_t len = (uint8_t)h.ptr[at++];
        struct str value;
        /* the name and the value's type byte */
        if (len == 0 || h.len - at < len + 1) {
            return false;
        }
        struct str name = {h.ptr + at, len};
        at += len;
        if (!value_span(h, &at, &value)) {
            return false;
        }
        take_header(e, name, value);
    }
    return true;
}

/* One whole frame whose prelude has been checked. */
static bool hand_out(struct aws_event_reader *r, const char *p, size_t total)
{
    size_t headers = read_u32(p + 4);
    struct aws_event e = {.kind = AWS_EVENT};
    if (crypto_crc32(0, p, total - SUM_BYTES) != read_u32(p + total - SUM_BYTES)) {
        return fail(r, AWS_FAULT_MESSAGE_CRC);
    }
    if (!read_headers((struct str){p + PRELUDE_BYTES, headers}, &e)) {
        return fail(r, AWS_FAULT_HEADERS);
    }
    e.payload = (struct str){p + PRELUDE_BYTES + headers, total - headers - FRAME_MIN};
    r->on_event(r->arg, &e);
    return true;
}

/* Moves up to `want - held.len` bytes from the piece to the held frame; *ret_whole: it now has
 * `want`. */
static bool hold(struct aws_event_reader *r, struct str *piece, size_t want, bool *ret_whole)
{
    size_t n = want - r->held.len;
    n = n < piece->len ? n : piece->len;
    if (!buffer_append(&r->held, piece->ptr, n)) {
        return fail(r, AWS_FAULT_MEMORY);
    }
    *piece = (struct str){piece->ptr + n, piece->len - n};
    *ret_whole = r->held.len == want;
    return true;
}

/* Goes on with the frame of which a part is held. */
static bool feed_held(struct aws_event_reader *r, struct str *piece)
{
    bool whole = true;
    size_t total = 0;
    enum aws_event_fault fault;
    if (r->held.len < PRELUDE_BYTES && !hold(r, piece, PRELUDE_BYTES, &whole)) {
        return false;
    }
    if (!whole) {
        return true;
    }
    fault = check_prelude(r->held.ptr, r->max_frame_bytes, &total);
    if (fault != AWS_FAULT_NONE) {
        return fail(r, fault);
    }
    if (!hold(r, piece, total, &whole)) {
        return false;
    }
    if (whole) {
        if (!hand_out(r, r->held.ptr, total)) {
            return false;
        }
        buffer_clear(&r->held);
    }
    return true;
}

bool aws_event_feed(struct aws_event_reader *r, struct str piece)
{
    if (r->fault != AWS_FAULT_NONE) {
        return false;
    }
    while (piece.len > 0) {
        size_t total;
        enum aws_event_fault fault;
        if (r->held.len > 0 || piece.len < PRELUDE_BYTES) {
            if (!feed_held(r, &piece)) {
                return false;
            }
            continue;
        }
        fault = check_prelude(piece.ptr, r->max_frame_bytes, &total);
        if (fault != AWS_FAULT_NONE) {
            return fail(r, fault);
        }
        if (piece.len < total) {
            if (!feed_held(r, &piece)) {
                return false;
            }
            continue;
        }
        if (!hand_out(r, piece.ptr, total)) {
            return false;
        }
        piece = (struct str){piece.ptr + total, piece.len - total};
    }
    return true;
}

bool aws_event_mid_frame(const struct aws_event_reader *r)
{
    return r->held.len > 0;
}

bool aws_event_finish(struct aws_event_reader *r)
{
    if (r->fault == AWS_FAULT_NONE && r->held.len > 0) {
        return fail(r, AWS_FAULT_TRUNCATED);
    }
    return r->fault == AWS_FAULT_NONE;
}

enum aws_event_fault aws_event_fault(const struct aws_event_reader *r)
{
    return r->fault;
}

const char *aws_event_fault_text(enum aws_event_fault f)
{
    static const char *const texts[] = {
        [AWS_FAULT_NONE] = "",
        [AWS_FAULT_PRELUDE_CRC] = "wrong checksum of a frame's prelude",
        [AWS_FAULT_MESSAGE_CRC] = "wrong checksum of a frame",
        [AWS_FAULT_LENGTH] = "a frame's lengths cannot be",
        [AWS_FAULT_TOO_LARGE] = "a frame is too large",
        [AWS_FAULT_HEADERS] = "a frame's headers are broken",
        [AWS_FAULT_TRUNCATED] = "the stream ended within a frame",
        [AWS_FAULT_MEMORY] = "out of room for a frame",
    };
    _Static_assert(sizeof(texts) / sizeof(texts[0]) == AWS_FAULT_COUNT, "a text each");
    return (unsigned)f < AWS_FAULT_COUNT ? texts[f] : "";
}

/* ---- writing ---- */

static void put_header(struct buffer *out, const char *name, struct str value)
{
    size_t n = strlen(name);
    const char head[] = {(char)n};
    const char kind[] = {VALUE_TEXT, (char)(value.len >> 8), (char)value.len};
    if (value.len > 0x7fff) {
        out->failed = true;
        return;
    }
    (void)buffer_append(out, head, sizeof(head));
    (void)buffer_append(out, name, n);
    (void)buffer_append(out, kind, sizeof(kind));
    (void)buffer_append_str(out, value);
}

/* The prelude is filled in by frame_end, when the lengths are known. */
static size_t frame_begin(struct buffer *out, const char *type_header, struct str type,
                          struct str content_type, const char *message_type, size_t *ret_headers)
{
    static const char zeros[PRELUDE_BYTES];
    size_t begin = out->len;
    (void)buffer_append(out, zeros, sizeof(zeros));
    put_header(out, type_header, type);
    if (content_type.len > 0) {
        put_header(out, ":content-type", content_type);
    }
    put_header(out, ":message-type", str_of(message_type));
    *ret_headers = out->len - begin - PRELUDE_BYTES;
    return begin;
}

static bool frame_end(struct buffer *out, size_t begin, size_t headers)
{
    char sum[SUM_BYTES];
    size_t total = out->len - begin + SUM_BYTES;
    if (out->failed || total > UINT32_MAX) {
        return false;
    }
    char *p = out->ptr + begin;
    write_u32(p, (uint32_t)total);
    write_u32(p + 4, (uint32_t)headers);
    write_u32(p + 8, crypto_crc32(0, p, 8));
    write_u32(sum, crypto_crc32(0, p, total - SUM_BYTES));
    return buffer_append(out, sum, sizeof(sum));
}

bool aws_event_write(struct buffer *out, struct str event_type, struct str content_type,
                     struct str payload)
{
    size_t headers;
    size_t begin = frame_begin(out, ":event-type", event_type, content_type, "event", &headers);
    (void)buffer_append_str(out, payload);
    return frame_end(out, begin, headers);
}

bool aws_exception_write(struct buffer *out, struct str exception_type, struct str payload)
{
    size_t headers;
    size_t begin = frame_begin(out, ":exception-type", exception_type, STR_LIT("application/json"),
                               "exception", &headers);
    (void)buffer_append_str(out, payload);
    return frame_end(out, begin, headers);
}

static bool put_base64(struct buffer *out, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    size_t i = 0;
    if (!buffer_reserve(out, (bytes.len / 3 + 1) * 4)) {
        return false;
    }
    char *p = out->ptr + out->len;
    for (; bytes.len - i >= 3; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = digits[v >> 6 & 63];
        *p++ = digits[v & 63];
    }
    if (bytes.len - i > 0) {
        bool two = bytes.len - i == 2;
        uint32_t v = (uint32_t)in[i] << 16 | (two ? (uint32_t)in[i + 1] << 8 : 0);
        *p++ = digits[v >> 18];
        *p++ = digits[v >> 12 & 63];
        *p++ = two ? digits[v >> 6 & 63] : '=';
        *p++ = '=';
    }
    out->len = (size_t)(p - out->ptr);
    return true;
}

bool aws_event_chunk(struct buffer *out, struct str json)
{
    size_t headers;
    size_t begin = frame_begin(out, ":event-type", STR_LIT("chunk"), STR_LIT("application/json"),
                               "event", &headers);
    (void)buffer_append_z(out, "{\"bytes\":\"");
    (void)put_base64(out, json);
    (void)buffer_append_z(out, "\"}");
    return frame_end(out, begin, headers);
}

bool aws_event_chunk_inner(struct arena *a, struct str payload, struct str *ret_json)
{
    struct json_value whole;
    struct str text, bytes;
    if (!read_json(payload, &whole)) {
        return false;
    }
    text = read_get_text(a, whole, "bytes");
    bytes = text.ptr ? base64_bytes(a, text) : STR_NONE;
    if (!bytes.ptr) {
        return false;
    }
    *ret_json = bytes;
    return true;
}

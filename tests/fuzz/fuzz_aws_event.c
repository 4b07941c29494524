/* AWS event streams: the same bytes in one piece and in pieces give the same events and the same
 * fault, the reader never holds more than its ceiling, and what the writer wrote is read back. The
 * first byte chooses the ceiling, the second the pieces; with the third odd, the sums of what seems
 * a frame are put right, so that the fuzzer gets past them. */
#include "common/base/mem.h"
#include "common/crypto.h"
#include "dataplane/net/aws_event.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void put(struct buffer *b, struct str s)
{
    (void)buffer_append(b, &s.len, sizeof(s.len));
    (void)buffer_append_str(b, s);
}

static void on_event(void *arg, const struct aws_event *e)
{
    struct buffer *b = arg;
    char kind = (char)e->kind;

    (void)buffer_append(b, &kind, 1);
    put(b, e->type);
    put(b, e->content_type);
    put(b, e->message);
    put(b, e->payload);
}

/* pieces 0: all at once */
static enum aws_event_fault run(struct buffer *log, struct str text, size_t max, unsigned pieces)
{
    struct aws_event_reader r;
    uint32_t mix = pieces * 2654435761u;
    enum aws_event_fault fault;
    bool ok = true;

    buffer_init(log, SIZE_MAX / 2);
    aws_event_reader_init(&r, max, on_event, log);
    while (text.len > 0) {
        size_t n = pieces == 0 ? text.len : 1 + (mix >> 16) % (pieces + 1u);
        char *copy;

        n = n < text.len ? n : text.len;
        copy = mem_dup(text.ptr, n);
        must(aws_event_feed(&r, (struct str){copy, n}) == (aws_event_fault(&r) == AWS_FAULT_NONE));
        must(ok || aws_event_fault(&r) != AWS_FAULT_NONE);
        ok = aws_event_fault(&r) == AWS_FAULT_NONE;
        mem_free(copy);
        must(r.held.len <= max);
        text = (struct str){text.ptr + n, text.len - n};
        mix = mix * 1664525u + 1013904223u;
    }
    ok = aws_event_mid_frame(&r);
    must(aws_event_finish(&r) == (!ok && aws_event_fault(&r) == AWS_FAULT_NONE));
    fault = aws_event_fault(&r);
    aws_event_reader_release(&r);
    return fault;
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void sum_put(uint8_t *at, const uint8_t *from, size_t n)
{
    uint32_t sum = crypto_crc32(0, from, n);

    for (int k = 0; k < 4; k++)
        at[k] = (uint8_t)(sum >> (24 - 8 * k));
}

static void sums_mend(uint8_t *p, size_t n)
{
    while (n >= 16) {
        size_t total = number(p);

        sum_put(p + 8, p, 8);
        if (total < 16 || total > n)
            return;
        sum_put(p + total - 4, p, total - 4);
        p += total;
        n -= total;
    }
}

static void write_check(struct str text)
{
    struct buffer b, log, expected;
    struct aws_event e = {.kind = AWS_EVENT, .type = STR_LIT("t"), .content_type = STR_LIT("c")};
    struct arena *a = arena_new(0);
    struct str inner = STR_NONE;

    buffer_init(&b, SIZE_MAX / 2);
    buffer_init(&expected, SIZE_MAX / 2);
    must(aws_event_write(&b, e.type, e.content_type, text));
    must(aws_exception_write(&b, e.type, text));
    e.payload = text;
    on_event(&expected, &e);
    e.kind = AWS_EXCEPTION;
    e.content_type = STR_LIT("application/json");
    on_event(&expected, &e);
    must(run(&log, buffer_str(&b), 0x10000000, 3) == AWS_FAULT_NONE);
    must(str_eq(buffer_str(&log), buffer_str(&expected)));
    buffer_release(&log);
    buffer_release(&expected);
    buffer_clear(&b);
    must(aws_event_chunk(&b, text));
    inner = str_slice(buffer_str(&b), 12 + number((const uint8_t *)b.ptr + 4), b.len);
    inner.len -= 4;
    must(aws_event_chunk_inner(a, inner, &inner) && str_eq(inner, text));
    (void)aws_event_chunk_inner(a, text, &inner);
    buffer_release(&b);
    arena_free(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole, cut;
    struct str text;
    char *copy;
    size_t max;

    if (size < 4)
        return 0;
    max = 16 + 8 * (size_t)data[0];
    copy = mem_dup((const char *)data + 3, size - 3);
    text = (struct str){copy, size - 3};
    if (data[2] & 1)
        sums_mend((uint8_t *)copy, size - 3);
    must(run(&whole, text, max, 0) == run(&cut, text, max, 1 + data[1] % 40));
    must(str_eq(buffer_str(&whole), buffer_str(&cut)));
    buffer_release(&whole);
    buffer_release(&cut);
    write_check(text);
    mem_free(copy);
    return 0;
}

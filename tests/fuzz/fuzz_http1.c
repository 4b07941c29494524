/* Heads of requests and answers, and the chunked coding. The first byte chooses the kind, the
 * second how the rest is split; the verdict, and all that was read, must be the same whole and in
 * parts, and what was taken must be safe to pass on. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "dataplane/net/http1_read.h"

#define MAX_HEAD 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static struct header headers[EXCHANGE_MAX_HEADERS];

/* A head in one form for both kinds. */
struct head {
    enum http1_result result;
    enum error_code code;
    size_t len, n_headers;
    int64_t length;
    bool chunked, keep_alive;
    int status;
    struct str target;
};

static struct head read_head(bool answer, const char *p, size_t n)
{
    struct head h = {0};
    struct error err = ERROR_INIT;
    if (answer) {
        struct http1_response r;
        h.result = http1_read_response(p, n, MAX_HEAD, headers, &r, &err);
        if (h.result == HTTP1_DONE) {
            h = (struct head){h.result,  ERR_NONE,     r.head_len, r.n_headers, r.content_length,
                              r.chunked, r.keep_alive, r.status,   {0}};
        }
    } else {
        struct http1_request r;
        h.result = http1_read_request(p, n, MAX_HEAD, headers, &r, &err);
        if (h.result == HTTP1_DONE) {
            h = (struct head){h.result,         ERR_NONE,  r.head_len,        r.head.n_headers,
                              r.content_length, r.chunked, r.head.keep_alive, 0,
                              r.head.target};
        }
    }
    h.code = err.code;
    must((h.result == HTTP1_BAD) == (err.code != ERR_NONE));
    return h;
}

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static void check_head(const struct head *h, size_t n)
{
    if (h->result != HTTP1_DONE) {
        return;
    }
    must(h->len <= n && h->len <= MAX_HEAD && h->n_headers <= EXCHANGE_MAX_HEADERS);
    must(!(h->chunked && h->length >= 0));
    must(is_clean(h->target));
    for (size_t i = 0; i < h->n_headers; i++) {
        struct str name = headers[i].name, value = headers[i].value;
        must(name.len && is_clean(name) && !memchr(name.ptr, ' ', name.len) &&
             !memchr(name.ptr, ':', name.len));
        must(is_clean(value));
    }
}

/* p holds four more bytes than n. */
static void fuzz_head(bool answer, const char *p, size_t n, size_t step)
{
    char *exact = mem_dup(p, n);
    struct head whole = read_head(answer, exact, n);
    check_head(&whole, n);
    whole.target = STR_NONE;
    mem_free(exact);
    struct head part = {0};
    size_t seen = 0;
    if (whole.result == HTTP1_BAD) {
        n += 4; /* a fault within a line may wait for the line's end to be seen */
    }
    for (size_t have = 0; have < n && part.result == HTTP1_MORE;) {
        bool first = have == 0;
        have = step < n - have ? have + step : n;
        char *copy = mem_dup(p, have); /* exact, so that the sanitizer sees a read past the end */
        if (first) {
            seen = have;
        }
        if (first || http1_head_ready(copy, have, MAX_HEAD, &seen)) {
            part = read_head(answer, copy, have);
            part.target = STR_NONE;
        }
        mem_free(copy);
    }
    must(part.result == whole.result && part.code == whole.code && part.len == whole.len &&
         part.n_headers == whole.n_headers && part.length == whole.length &&
         part.chunked == whole.chunked && part.keep_alive == whole.keep_alive &&
         part.status == whole.status);
}

static enum http1_result decode(const char *p, size_t n, size_t step, struct buffer *out,
                                size_t *ret_used)
{
    struct http1_chunks c = {0};
    struct error err = ERROR_INIT;
    enum http1_result got = HTTP1_MORE;
    size_t at = 0;
    while (at < n && got == HTTP1_MORE) {
        size_t take = step < n - at ? step : n - at, used = 0;
        char *copy = mem_dup(p + at, take);
        struct str plain;
        got = http1_decode_chunks(&c, copy, take, &plain, &used, &err);
        must(used <= take && (got != HTTP1_MORE || used == take));
        must(plain.ptr >= copy && plain.ptr + plain.len <= copy + take);
        must(buffer_append_str(out, plain));
        mem_free(copy);
        at += used;
    }
    *ret_used = at;
    return got;
}

static void fuzz_chunks(const char *p, size_t n, size_t step)
{
    struct buffer a, b;
    size_t used_a, used_b;
    buffer_init(&a, n + 1);
    buffer_init(&b, n + 1);
    enum http1_result whole = decode(p, n, n ? n : 1, &a, &used_a);
    enum http1_result part = decode(p, n, step, &b, &used_b);
    must(whole == part && used_a == used_b && a.len == b.len);
    must(a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
    buffer_release(&a);
    buffer_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t step = data[1] % 67u + 1;
    const char *p = (const char *)data + 2;
    size_t n = size - 2;
    char *copy = mem_alloc(n + 4);
    memcpy(copy, p, n);
    memcpy(copy + n, "\r\n\r\n", 4); /* fuzz_head's, where it needs them */
    switch (data[0] % 3) {
    case 0:
        fuzz_head(false, copy, n, step);
        break;
    case 1:
        fuzz_head(true, copy, n, step);
        break;
    default:
        fuzz_chunks(copy, n, step);
        break;
    }
    mem_free(copy);
    return 0;
}

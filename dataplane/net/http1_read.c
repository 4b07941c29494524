/* Heads. Each is read in one pass from its start; a head that is not all there yet is read again
 * when its end has come (http1_head_ready), so no parser state has to survive between reads. */
#include "dataplane/net/http1_read.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define METHOD_MAX 24u
#define EMPTY_LINES_MAX 8u
#define LENGTH_DIGITS_MAX 18u /* stays below 2^63 */

enum {
    TOKEN = 1,  /* RFC 9110 tchar */
    TARGET = 2, /* of a request target: no controls, blanks, '#' or bytes past ASCII */
    HOST = 4    /* of an authority */
};

/* What each byte may be part of. */
#define T TOKEN
#define G TARGET
#define H HOST
static const uint8_t classes[256] = {
    ['!'] = T | G | H,
    ['"'] = G,
    ['#'] = T,
    ['$'] = T | G | H,
    ['%'] = T | G | H,
    ['&'] = T | G | H,
    ['\''] = T | G | H,
    ['('] = G | H,
    [')'] = G | H,
    ['*'] = T | G | H,
    ['+'] = T | G | H,
    [','] = G | H,
    ['-'] = T | G | H,
    ['.'] = T | G | H,
    ['/'] = G,
    ['0' ... '9'] = T | G | H,
    [':'] = G | H,
    [';'] = G | H,
    ['<'] = G,
    ['='] = G | H,
    ['>'] = G,
    ['?'] = G,
    ['@'] = G,
    ['A' ... 'Z'] = T | G | H,
    ['['] = G | H,
    ['\\'] = G,
    [']'] = G | H,
    ['^'] = T | G,
    ['_'] = T | G | H,
    ['`'] = T | G,
    ['a' ... 'z'] = T | G | H,
    ['{'] = G,
    ['|'] = T | G,
    ['}'] = G,
    ['~'] = T | G | H,
};
#undef T
#undef G
#undef H

struct reader {
    const char *p, *end;
    const char *start;
    bool limited;         /* end is the limit: what is missing will never come */
    enum error_code code; /* of faults */
    struct error *err;
};

/* What the framing fields said, gathered while the fields are read. */
struct framing {
    int64_t content_length;
    unsigned n_host, n_length, n_coding;
    bool chunked, close, keep_alive, expect_continue;
    struct str host;
};

static inline bool is(char c, unsigned class)
{
    return classes[(unsigned char)c] & class;
}

static enum http1_result bad(struct reader *r, const char *what)
{
    (void)error_set(r->err, r->code, "%s", what);
    if (r->err) {
        r->err->offset = r->p - r->start;
    }
    return HTTP1_BAD;
}

/* Ran out of bytes. */
static enum http1_result more(struct reader *r)
{
    if (!r->limited) {
        return HTTP1_MORE;
    }
    if (r->code == ERR_BAD_REQUEST) {
        r->code = ERR_HEADERS_TOO_LARGE;
    }
    return bad(r, "head exceeds the limit");
}

/* First byte of [p, end) that a field value may not hold (controls but HTAB, and DEL), else end. */
static const char *value_end(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i space = _mm_set1_epi8(0x20), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    const __m128i flip = _mm_set1_epi8((char)0x80);
    const __m128i bound = _mm_xor_si128(space, flip);
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i low = _mm_cmplt_epi8(_mm_xor_si128(v, flip), bound); /* unsigned v < 0x20 */
        __m128i stop =
            _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low), _mm_cmpeq_epi8(v, del));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask) {
            return p + __builtin_ctz(mask);
        }
        p += 16;
    }
#endif
    while (p < end) {
        unsigned char c = (unsigned char)*p;
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            break;
        }
        p++;
    }
    return p;
}

/* CR LF at r->p, which is moved past it. */
static enum http1_result line_end(struct reader *r, const char *what)
{
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p != '\r') {
        return bad(r, *r->p == '\n' ? "line ends in a bare LF" : what);
    }
    if (r->end - r->p < 2) {
        return more(r);
    }
    if (r->p[1] != '\n') {
        return bad(r, "CR without LF");
    }
    r->p += 2;
    return HTTP1_DONE;
}

static bool digits_to_i64(struct str s, int64_t *ret)
{
    int64_t v = 0;
    if (s.len == 0 || s.len > LENGTH_DIGITS_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9') {
            return false;
        }
        v = v * 10 + (s.ptr[i] - '0');
    }
    *ret = v;
    return true;
}

static void read_connection(struct framing *f, struct str value)
{
    while (value.len) {
        struct str word = value, rest = STR_NONE;
        (void)str_cut(value, ',', &word, &rest);
        word = str_trim(word);
        if (str_eq_nocase(word, STR_LIT("close"))) {
            f->close = true;
        } else if (str_eq_nocase(word, STR_LIT("keep-alive"))) {
            f->keep_alive = true;
        }
        value = rest;
    }
}

/* The five fields that framing needs; their lengths differ, so the others cost one switch. */
static enum http1_result read_framing(struct reader *r, struct framing *f, const struct header *h)
{
    switch (h->name.len) {
    case 4:
        if (str_eq_nocase(h->name, STR_LIT("host"))) {
            f->host = h->value;
            f->n_host++;
        }
        break;
    case 6:
        if (str_eq_nocase(h->name, STR_LIT("expect")) &&
            str_eq_nocase(h->value, STR_LIT("100-continue"))) {
            f->expect_continue = true;
        }
        break;
    case 10:
        if (str_eq_nocase(h->name, STR_LIT("connection"))) {
            read_connection(f, h->value);
        }
        break;
    case 14:
        if (str_eq_nocase(h->name, STR_LIT("content-length"))) {
            if (f->n_length++) {
                return bad(r, "more than one content-length");
            }
            if (!digits_to_i64(h->value, &f->content_length)) {
                return bad(r, "content-length is not a number");
            }
        }
        break;
    case 17:
        if (str_eq_nocase(h->name, STR_LIT("transfer-encoding"))) {
            if (f->n_coding++) {
                return bad(r, "more than one transfer-encoding");
            }
            if (!str_eq_nocase(h->value, STR_LIT("chunked"))) {
                return bad(r, "transfer-encoding is not chunked");
            }
            f->chunked = true;
        }
        break;
    default:
        break;
    }
    if (f->n_length && f->n_coding) {
        return bad(r, "content-length beside transfer-encoding");
    }
    return HTTP1_DONE;
}

static enum http1_result read_field(struct reader *r, struct header *ret)
{
    const char *name = r->p;
    if (*name == ' ' || *name == '\t') {
        return bad(r, "folded header line");
    }
    while (r->p < r->end && is(*r->p, TOKEN)) {
        r->p++;
    }
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p != ':' || r->p == name) {
        return bad(r, "invalid character in a header name");
    }
    ret->name = (struct str){name, (size_t)(r->p - name)};
    r->p++;
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t')) {
        r->p++;
    }
    const char *value = r->p;
    r->p = value_end(value, r->end);
    const char *last = r->p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t')) {
        last--;
    }
    ret->value = (struct str){value, (size_t)(last - value)};
    return line_end(r, "invalid character in a header value");
}

/* All fields up to and including the blank line. */
static enum http1_result read_fields(struct reader *r, struct framing *f, struct header *headers,
                                     size_t *ret_n)
{
    f->content_length = -1;
    for (;;) {
        if (r->p == r->end) {
            return more(r);
        }
        if (*r->p == '\r' || *r->p == '\n') {
            return line_end(r, "");
        }
        struct header h;
        enum http1_result got = read_field(r, &h);
        if (got != HTTP1_DONE) {
            return got;
        }
        if (*ret_n == EXCHANGE_MAX_HEADERS) {
            if (r->code == ERR_BAD_REQUEST) {
                r->code = ERR_HEADERS_TOO_LARGE;
            }
            return bad(r, "too many header fields");
        }
        headers[(*ret_n)++] = h;
        got = read_framing(r, f, &h);
        if (got != HTTP1_DONE) {
            return got;
        }
    }
}

/* "HTTP/1.0" or "HTTP/1.1". */
static enum http1_result read_version(struct reader *r, int *ret_minor)
{
    static const char text[] = "HTTP/1.";
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        if (r->p == r->end) {
            return more(r);
        }
        if (*r->p != text[i]) {
            return bad(r, "unknown protocol version");
        }
        r->p++;
    }
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p != '0' && *r->p != '1') {
        return bad(r, "unknown protocol version");
    }
    *ret_minor = *r->p++ - '0';
    return HTTP1_DONE;
}

static bool host_is_valid(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if (!is(host.ptr[i], HOST)) {
            return false;
        }
    }
    return host.len > 0;
}

/* Splits the target; the absolute form is reduced to its origin form. False: not a form that is
 * served. */
static bool read_target(struct request_head *h)
{
    struct str t = h->target;
    if (t.ptr[0] != '/') {
        if (t.len == 1 && t.ptr[0] == '*' && str_eqz(h->method, "OPTIONS")) {
            h->path = t;
            return true;
        }
        size_t scheme = 0;
        if (t.len > 7 && str_eq_nocase(str_slice(t, 0, 7), STR_LIT("http://"))) {
            scheme = 7;
        } else if (t.len > 8 && str_eq_nocase(str_slice(t, 0, 8), STR_LIT("https://"))) {
            scheme = 8;
        } else {
            return false;
        }
        size_t i = scheme;
        while (i < t.len && t.ptr[i] != '/' && t.ptr[i] != '?') {
            i++;
        }
        if (!host_is_valid(str_slice(t, scheme, i - scheme))) {
            return false;
        }
        if (i == t.len || t.ptr[i] == '?') {
            h->target = h->path = STR_LIT("/");
            if (i < t.len) {
                h->query = str_slice(t, i + 1, t.len);
            }
            return true;
        }
        t = h->target = str_slice(t, i, t.len);
    }
    const char *q = memchr(t.ptr, '?', t.len);
    h->path = t;
    if (q) {
        h->path.len = (size_t)(q - t.ptr);
        h->query = (struct str){q + 1, t.len - h->path.len - 1};
    }
    return true;
}

static enum http1_result read_request_line(struct reader *r, struct http1_request *ret)
{
    const char *from = r->p;
    while (r->p < r->end && ((*r->p >= 'A' && *r->p <= 'Z') || *r->p == '-') &&
           r->p - from <= (ptrdiff_t)METHOD_MAX) {
        r->p++;
    }
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p != ' ' || r->p == from) {
        return bad(r, "invalid method");
    }
    ret->head.method = (struct str){from, (size_t)(r->p - from)};
    from = ++r->p;
    while (r->p < r->end && is(*r->p, TARGET)) {
        r->p++;
    }
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p != ' ' || r->p == from) {
        return bad(r, "invalid character in the request target");
    }
    ret->head.target = (struct str){from, (size_t)(r->p - from)};
    if (!read_target(&ret->head)) {
        return bad(r, "request target has a form that is not served");
    }
    r->p++;
    enum http1_result got = read_version(r, &ret->minor);
    return got == HTTP1_DONE ? line_end(r, "unknown protocol version") : got;
}

/* The limit cuts the input: bytes past it are never looked at, however the input was split. */
static struct reader reader_of(const char *p, size_t n, size_t max_bytes, enum error_code code,
                               struct error *err)
{
    size_t take = n < max_bytes ? n : max_bytes;
    return (struct reader){.p = p,
                           .end = p + take,
                           .start = p,
                           .limited = take == max_bytes,
                           .code = code,
                           .err = err};
}

enum http1_result http1_read_request(const char *p, size_t n, size_t max_bytes,
                                     struct header headers[static EXCHANGE_MAX_HEADERS],
                                     struct http1_request *ret, struct error *err)
{
    struct reader r = reader_of(p, n, max_bytes, ERR_BAD_REQUEST, err);
    struct framing f = {0};
    enum http1_result got;
    *ret = (struct http1_request){.head.headers = headers, .content_length = -1, .minor = 1};
    /* empty lines before a request are left over from sloppy clients' bodies (RFC 9112, 2.2) */
    for (unsigned lines = 0; r.p < r.end && (*r.p == '\r' || *r.p == '\n'); lines++) {
        got = lines < EMPTY_LINES_MAX ? line_end(&r, "") : bad(&r, "too many empty lines");
        if (got != HTTP1_DONE) {
            return got;
        }
    }
    got = read_request_line(&r, ret);
    if (got != HTTP1_DONE) {
        return got;
    }
    got = read_fields(&r, &f, headers, &ret->head.n_headers);
    if (got != HTTP1_DONE) {
        return got;
    }
    if (f.n_host > 1 || (f.n_host == 0 && ret->minor == 1)) {
        return bad(&r, f.n_host ? "more than one host" : "no host");
    }
    if (f.n_host && !host_is_valid(f.host)) {
        return bad(&r, "invalid host");
    }
    if (f.chunked && ret->minor == 0) {
        return bad(&r, "transfer-encoding in HTTP/1.0");
    }
    ret->content_length = f.content_length;
    ret->chunked = f.chunked;
    ret->expect_continue = f.expect_continue && ret->minor == 1;
    ret->head.keep_alive = !f.close && (ret->minor == 1 || f.keep_alive);
    ret->head_len = (size_t)(r.p - p);
    return HTTP1_DONE;
}

static enum http1_result read_status_line(struct reader *r, struct http1_response *ret)
{
    enum http1_result got = read_version(r, &ret->minor);
    if (got != HTTP1_DONE) {
        return got;
    }
    for (int i = 0; i < 4; i++, r->p++) {
        if (r->p == r->end) {
            return more(r);
        }
        if (i == 0 ? *r->p != ' ' : *r->p < '0' || *r->p > '9') {
            return bad(r, "invalid status");
        }
        ret->status = i == 0 ? 0 : ret->status * 10 + (*r->p - '0');
    }
    if (ret->status < 100) {
        return bad(r, "invalid status");
    }
    if (r->p == r->end) {
        return more(r);
    }
    if (*r->p == ' ') {
        r->p = value_end(r->p, r->end);
    }
    return line_end(r, "invalid character in the reason phrase");
}

enum http1_result http1_read_response(const char *p, size_t n, size_t max_bytes,
                                      struct header headers[static EXCHANGE_MAX_HEADERS],
                                      struct http1_response *ret, struct error *err)
{
    struct reader r = reader_of(p, n, max_bytes, ERR_UPSTREAM_GARBAGE, err);
    struct framing f = {0};
    *ret = (struct http1_response){.headers = headers, .content_length = -1};
    enum http1_result got = read_status_line(&r, ret);
    if (got != HTTP1_DONE) {
        return got;
    }
    got = read_fields(&r, &f, headers, &ret->n_headers);
    if (got != HTTP1_DONE) {
        return got;
    }
    if (f.chunked && ret->minor == 0) {
        return bad(&r, "transfer-encoding in HTTP/1.0");
    }
    ret->content_length = f.content_length;
    ret->chunked = f.chunked;
    ret->keep_alive = !f.close && (ret->minor == 1 || f.keep_alive);
    ret->head_len = (size_t)(r.p - p);
    return HTTP1_DONE;
}

bool http1_head_ready(const char *p, size_t n, size_t max_bytes, size_t *seen)
{
    if (n >= max_bytes) {
        return true;
    }
    const char *at = p + *seen;
    while (at < p + n && (at = memchr(at, '\n', (size_t)(p + n - at)))) {
        size_t i = (size_t)(at - p);
        if (i == 0 || p[i - 1] != '\r' || (i >= 3 && p[i - 2] == '\n' && p[i - 3] == '\r')) {
            return true;
        }
        at++;
    }
    *seen = n;
    return false;
}

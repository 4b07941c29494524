/* AWS Signature Version 4; see aws_sigv4.h. */
#include "dataplane/signers/aws_sigv4.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/buffer.h"
#include "common/crypto.h"

#define CANONICAL_MAX (1u << 20)
#define HEX_BYTES (2 * CRYPTO_SHA256_LEN + 1)
#define PARAMETERS_MAX 64

/* ---- time ---- */

/* "20150830T123600Z"; the day is its first eight letters. Civil date from days, by the 400-year
 * cycle. */
static void write_time(int64_t time_s, char out[static 17])
{
    int64_t days = time_s / 86400, rest = time_s % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468; /* from 0000-03-01 */
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day = (unsigned)(days - era * 146097);
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned in_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153;
    unsigned in_month = in_year - (153 * month + 2) / 5 + 1;
    unsigned civil = month < 10 ? month + 3 : month - 9;
    unsigned full = (unsigned)((int64_t)year + era * 400 + (civil <= 2));
    (void)snprintf(out, 17, "%04u%02u%02uT%02u%02u%02uZ", full % 10000, civil % 100, in_month % 100,
                   (unsigned)(rest / 3600) % 100, (unsigned)(rest / 60 % 60) % 100,
                   (unsigned)(rest % 60) % 100);
}

/* ---- canonical pieces ---- */

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static void put_encoded(struct buffer *b, struct str s, bool keep_slash)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_unreserved((char)c) || (keep_slash && c == '/')) {
            (void)buffer_append(b, s.ptr + i, 1);
        } else {
            const char code[] = {'%', hex[c >> 4], hex[c & 15]};
            (void)buffer_append(b, code, sizeof(code));
        }
    }
}

/* Decodes what is encoded, so that encoding comes out the same however it was sent. */
static struct str decoded(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; out && i < s.len; i++) {
        int high = -1, low = -1;
        if (s.ptr[i] == '%' && s.len - i > 2) {
            high = str_hex_digit(s.ptr[i + 1]);
            low = str_hex_digit(s.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    return out ? (struct str){out, n} : s;
}

struct parameter {
    struct str name, value; /* encoded */
};

static int parameter_order(const void *left, const void *right)
{
    const struct parameter *l = left, *r = right;
    int by_name = str_cmp(l->name, r->name);
    return by_name ? by_name : str_cmp(l->value, r->value);
}

static struct str encoded(struct arena *a, struct str s)
{
    struct buffer b;
    buffer_init(&b, CANONICAL_MAX);
    put_encoded(&b, decoded(a, s), false);
    struct str copy = arena_str(a, buffer_str(&b).ptr ? buffer_str(&b) : STR_LIT(""));
    buffer_release(&b);
    return copy;
}

static bool put_query(struct buffer *b, struct arena *a, struct str query)
{
    struct parameter list[PARAMETERS_MAX];
    size_t n = 0;
    while (query.len > 0) {
        struct str item = query, rest = STR_NONE, name, value = STR_LIT("");
        (void)str_cut(query, '&', &item, &rest);
        query = rest;
        if (item.len == 0) {
            continue;
        }
        name = item;
        (void)str_cut(item, '=', &name, &value);
        if (n == PARAMETERS_MAX) {
            return false;
        }
        list[n++] = (struct parameter){encoded(a, name), encoded(a, value)};
    }
    if (n > 0) {
        qsort(list, n, sizeof(list[0]), parameter_order);
    }
    for (size_t i = 0; i < n; i++) {
        (void)buffer_append_z(b, i ? "&" : "");
        (void)buffer_append_str(b, list[i].name);
        (void)buffer_append_z(b, "=");
        (void)buffer_append_str(b, list[i].value);
    }
    return true;
}

static int header_order(const void *left, const void *right)
{
    const struct sigv4_header *l = left, *r = right;
    return str_cmp(l->name, r->name);
}

/* Blanks off both ends, runs of them as one. */
static void put_value(struct buffer *b, struct str value)
{
    bool blank = false;
    value = str_trim(value);
    for (size_t i = 0; i < value.len; i++) {
        bool now = value.ptr[i] == ' ' || value.ptr[i] == '\t';
        if (!now || !blank) {
            (void)buffer_append(b, now ? " " : value.ptr + i, 1);
        }
        blank = now;
    }
}

static struct str lowered(struct arena *a, struct str s)
{
    struct str copy = arena_str(a, s);
    char *p = (char *)(uintptr_t)copy.ptr;
    for (size_t i = 0; i < copy.len; i++) {
        p[i] = (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]);
    }
    return copy;
}

/* ---- the signature ---- */

struct signing {
    const struct sigv4_request *r;
    struct arena *a;
    char time[17];
    char payload_hash[HEX_BYTES];
    struct sigv4_header headers[SIGV4_HEADERS_MAX + 4];
    size_t n_headers;
    struct str signed_names; /* "host;x-amz-date" */
    struct str scope;        /* "20150830/us-east-1/service/aws4_request" */
    char signature[HEX_BYTES];
};

static void hash_hex(struct str s, char out[static HEX_BYTES])
{
    uint8_t hash[CRYPTO_SHA256_LEN];
    crypto_sha256(s.ptr ? s.ptr : "", s.len, hash);
    crypto_hex(hash, sizeof(hash), out);
}

static void list_headers(struct signing *s)
{
    const struct sigv4_request *r = s->r;
    s->headers[s->n_headers++] = (struct sigv4_header){STR_LIT("host"), r->host};
    s->headers[s->n_headers++] = (struct sigv4_header){STR_LIT("x-amz-date"), str_of(s->time)};
    if (r->content_sha256) {
        s->headers[s->n_headers++] =
            (struct sigv4_header){STR_LIT("x-amz-content-sha256"), str_of(s->payload_hash)};
    }
    if (r->session_token.len) {
        s->headers[s->n_headers++] =
            (struct sigv4_header){STR_LIT("x-amz-security-token"), r->session_token};
    }
    for (size_t i = 0; i < r->n_headers && i < SIGV4_HEADERS_MAX; i++) {
        s->headers[s->n_headers++] =
            (struct sigv4_header){lowered(s->a, r->headers[i].name), r->headers[i].value};
    }
    qsort(s->headers, s->n_headers, sizeof(s->headers[0]), header_order);
}

static bool join_names(struct signing *s)
{
    struct buffer b;
    buffer_init(&b, CANONICAL_MAX);
    for (size_t i = 0; i < s->n_headers; i++) {
        (void)buffer_append_z(&b, i ? ";" : "");
        (void)buffer_append_str(&b, s->headers[i].name);
    }
    s->signed_names = b.failed ? STR_NONE : arena_str(s->a, buffer_str(&b));
    buffer_release(&b);
    s->scope = arena_printf(s->a, "%.8s/%.*s/%.*s/aws4_request", s->time, STR_ARG(s->r->region),
                            STR_ARG(s->r->service));
    return s->signed_names.ptr && s->scope.ptr;
}

/* The canonical request's hash. */
static bool hash_request(struct signing *s, char out[static HEX_BYTES])
{
    const struct sigv4_request *r = s->r;
    struct buffer b;
    buffer_init(&b, CANONICAL_MAX);
    (void)buffer_append_str(&b, r->method);
    (void)buffer_append_z(&b, "\n");
    put_encoded(&b, r->path.len ? r->path : STR_LIT("/"), true);
    (void)buffer_append_z(&b, "\n");
    bool ok = put_query(&b, s->a, r->query);
    (void)buffer_append_z(&b, "\n");
    for (size_t i = 0; i < s->n_headers; i++) {
        (void)buffer_append_str(&b, s->headers[i].name);
        (void)buffer_append_z(&b, ":");
        put_value(&b, s->headers[i].value);
        (void)buffer_append_z(&b, "\n");
    }
    (void)buffer_append_z(&b, "\n");
    (void)buffer_append_str(&b, s->signed_names);
    (void)buffer_append_z(&b, "\n");
    (void)buffer_append_z(&b, s->payload_hash);
    ok = ok && !b.failed;
    hash_hex(buffer_str(&b), out);
    buffer_release(&b);
    return ok;
}

static void mac(const uint8_t key[static CRYPTO_SHA256_LEN], struct str text,
                uint8_t out[static CRYPTO_SHA256_LEN])
{
    crypto_hmac_sha256(key, CRYPTO_SHA256_LEN, text.ptr ? text.ptr : "", text.len, out);
}

static bool sign(struct signing *s, const char *request_hash)
{
    uint8_t key[CRYPTO_SHA256_LEN], next[CRYPTO_SHA256_LEN];
    struct str first = arena_printf(s->a, "AWS4%.*s", STR_ARG(s->r->secret_key));
    struct str text = arena_printf(s->a, "AWS4-HMAC-SHA256\n%s\n%.*s\n%s", s->time,
                                   STR_ARG(s->scope), request_hash);
    if (!first.ptr || !text.ptr) {
        return false;
    }
    crypto_hmac_sha256(first.ptr, first.len, s->time, 8, key);
    mac(key, s->r->region, next);
    mac(next, s->r->service, key);
    mac(key, STR_LIT("aws4_request"), next);
    mac(next, text, key);
    crypto_hex(key, sizeof(key), s->signature);
    return true;
}

size_t sigv4_room(const struct sigv4_request *r)
{
    size_t room = 512 + r->session_token.len + r->access_key.len + r->region.len + r->service.len;
    for (size_t i = 0; i < r->n_headers; i++) {
        room += r->headers[i].name.len + 1;
    }
    return room;
}

bool sigv4_sign(const struct sigv4_request *r, struct arena *a, struct head *out, struct error *err)
{
    struct signing s = {.r = r, .a = a};
    char request_hash[HEX_BYTES];
    if (r->access_key.len == 0 || r->secret_key.len == 0) {
        return error_set(err, ERR_INTERNAL, "the provider has no AWS access key");
    }
    if (!head_value_ok(r->access_key) || !head_value_ok(r->session_token) ||
        !head_value_ok(r->region) || r->n_headers > SIGV4_HEADERS_MAX) {
        return error_set(err, ERR_INTERNAL,
                         "the provider's AWS credential holds control characters");
    }
    write_time(r->time_s, s.time);
    hash_hex(r->payload, s.payload_hash);
    list_headers(&s);
    if (!join_names(&s) || !hash_request(&s, request_hash) || !sign(&s, request_hash)) {
        return error_set(err, ERR_INTERNAL, "out of room for the signature");
    }
    head_put_header(out, STR_LIT("X-Amz-Date"), str_of(s.time));
    if (r->content_sha256) {
        head_put_header(out, STR_LIT("X-Amz-Content-Sha256"), str_of(s.payload_hash));
    }
    if (r->session_token.len) {
        head_put_header(out, STR_LIT("X-Amz-Security-Token"), r->session_token);
    }
    head_put(out, STR_LIT("Authorization: AWS4-HMAC-SHA256 Credential="));
    head_put(out, r->access_key);
    head_put(out, STR_LIT("/"));
    head_put(out, s.scope);
    head_put(out, STR_LIT(", SignedHeaders="));
    head_put(out, s.signed_names);
    head_put(out, STR_LIT(", Signature="));
    head_put(out, str_of(s.signature));
    head_put(out, STR_LIT("\r\n"));
    return !out->failed || error_set(err, ERR_INTERNAL, "out of room for the signature");
}

/* ---- a client's ---- */

/* Up to the day: '/' or its percent-encoding; STR_NONE when neither is there. */
static struct str before_scope(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '/' || (s.len - i > 2 && s.ptr[i] == '%' && s.ptr[i + 1] == '2' &&
                                (s.ptr[i + 2] | 0x20) == 'f')) {
            return i ? (struct str){s.ptr, i} : STR_NONE;
        }
        if (s.ptr[i] == ',' || s.ptr[i] == ' ' || s.ptr[i] == '=') {
            return STR_NONE;
        }
    }
    return STR_NONE;
}

struct str sigv4_access_key(struct str authorization)
{
    static const struct str scheme = STR_LIT("AWS4-"), member = STR_LIT("Credential=");
    struct str s = str_trim(authorization);
    if (!str_starts(s, scheme)) {
        return before_scope(s);
    }
    for (size_t i = 0; i + member.len <= s.len; i++) {
        if (memcmp(s.ptr + i, member.ptr, member.len) == 0) {
            return before_scope(str_slice(s, i + member.len, s.len));
        }
    }
    return STR_NONE;
}

/* Heads of answers. */
#include "dataplane/net/http1_write.h"

#include <time.h>

#include "common/base/clock.h"

const char *http1_reason(int status)
{
    switch (status) {
    case 100:
        return "Continue";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 301:
        return "Moved Permanently";
    case 302:
        return "Found";
    case 303:
        return "See Other";
    case 304:
        return "Not Modified";
    case 307:
        return "Temporary Redirect";
    case 308:
        return "Permanent Redirect";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 402:
        return "Payment Required";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 410:
        return "Gone";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 424:
        return "Failed Dependency";
    case 428:
        return "Precondition Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "";
    }
}

static void put2(char *p, int v)
{
    p[0] = (char)('0' + v / 10 % 10);
    p[1] = (char)('0' + v % 10);
}

struct str http1_date(struct http1_date *d, uint64_t loop_now_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (d->text[0] && d->checked_ms == loop_now_ms) {
        return (struct str){d->text, 29};
    }
    d->checked_ms = loop_now_ms;
    uint64_t second = clock_wall_ms() / 1000;
    if (second != d->second || !d->text[0]) {
        time_t t = (time_t)second;
        struct tm tm = {0};
        (void)gmtime_r(&t, &tm);
        int year = tm.tm_year + 1900;
        memcpy(d->text, "Day, dd Mon yyyy hh:mm:ss GMT", 30);
        memcpy(d->text, days + tm.tm_wday % 7 * 3, 3);
        put2(d->text + 5, tm.tm_mday);
        memcpy(d->text + 8, months + tm.tm_mon % 12 * 3, 3);
        put2(d->text + 12, year / 100);
        put2(d->text + 14, year);
        put2(d->text + 17, tm.tm_hour);
        put2(d->text + 20, tm.tm_min);
        put2(d->text + 23, tm.tm_sec);
        d->second = second;
    }
    return (struct str){d->text, 29};
}

static bool is_framing(struct str name)
{
    switch (name.len) {
    case 4:
        return str_eq_nocase(name, STR_LIT("date"));
    case 10:
        return str_eq_nocase(name, STR_LIT("connection")) ||
               str_eq_nocase(name, STR_LIT("keep-alive"));
    case 14:
        return str_eq_nocase(name, STR_LIT("content-length"));
    case 17:
        return str_eq_nocase(name, STR_LIT("transfer-encoding"));
    default:
        return false;
    }
}

/* What would end the line or the name early; a header that was made from foreign text cannot split
 * the answer. */
static bool is_safe(const struct header *h)
{
    for (size_t i = 0; i < h->name.len; i++) {
        unsigned char c = (unsigned char)h->name.ptr[i];
        if (c <= ' ' || c == ':' || c >= 0x7f) {
            return false;
        }
    }
    for (size_t i = 0; i < h->value.len; i++) {
        unsigned char c = (unsigned char)h->value.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return h->name.len > 0;
}

static char *put(char *p, struct str s)
{
    if (s.len) {
        memcpy(p, s.ptr, s.len);
    }
    return p + s.len;
}

static size_t decimal(char buf[static 20], uint64_t v)
{
    char tmp[20];
    size_t n = 0;
    do {
        tmp[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < n; i++) {
        buf[i] = tmp[n - 1 - i];
    }
    return n;
}

bool http1_write_head(struct buffer *out, const struct http1_answer *a, struct str date)
{
    const char *reason = http1_reason(a->status);
    size_t need = 256 + date.len;
    for (size_t i = 0; i < a->n_headers; i++) {
        need += a->headers[i].name.len + a->headers[i].value.len + 4;
    }
    if (!buffer_reserve(out, need)) {
        return false;
    }
    char *start = out->ptr + out->len;
    char *p = put(start, STR_LIT("HTTP/1.1 "));
    char digits[20];
    p = put(p, (struct str){digits, decimal(digits, (uint64_t)a->status)});
    *p++ = ' ';
    p = put(p, str_of(reason));
    p = put(p, STR_LIT("\r\n"));
    for (size_t i = 0; i < a->n_headers; i++) {
        const struct header *h = &a->headers[i];
        if (is_framing(h->name) || !is_safe(h)) {
            continue;
        }
        p = put(p, h->name);
        p = put(p, STR_LIT(": "));
        p = put(p, h->value);
        p = put(p, STR_LIT("\r\n"));
    }
    p = put(p, STR_LIT("date: "));
    p = put(p, date);
    if (a->length >= 0) {
        p = put(p, STR_LIT("\r\ncontent-length: "));
        p = put(p, (struct str){digits, decimal(digits, (uint64_t)a->length)});
    } else if (a->chunked) {
        p = put(p, STR_LIT("\r\ntransfer-encoding: chunked"));
    }
    if (!a->keep_alive) {
        p = put(p, STR_LIT("\r\nconnection: close"));
    } else if (a->old_client) {
        p = put(p, STR_LIT("\r\nconnection: keep-alive"));
    }
    p = put(p, STR_LIT("\r\n\r\n"));
    out->len += (size_t)(p - start);
    return true;
}

size_t http1_write_chunk_size(char buf[static 20], size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char tmp[16];
    size_t len = 0, at = 0;
    do {
        tmp[len++] = hex[n % 16];
        n /= 16;
    } while (n);
    while (len) {
        buf[at++] = tmp[--len];
    }
    buf[at++] = '\r';
    buf[at++] = '\n';
    return at;
}

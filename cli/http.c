/* The only includer of libcurl in the command line. One easy handle serves all calls of a process,
 * so the connection is kept (weir logs --follow) and so are cookies (weir login). */
#include "cli/http.h"

#include <stdio.h>
#include <strings.h>

#include <curl/curl.h>

#include "common/base/mem.h"

#define ANSWER_MAX ((size_t)256 << 20)
#define CONNECT_TIMEOUT_MS 10000L
#define TIMEOUT_MS 120000L

struct http {
    CURL *curl;
    char *ca_file;
    char detail[CURL_ERROR_SIZE];
};

void http_free(struct http *h)
{
    if (!h) {
        return;
    }
    curl_easy_cleanup(h->curl);
    curl_global_cleanup();
    mem_free(h->ca_file);
    mem_free(h);
}

void http_answer_release(struct http_answer *a)
{
    buffer_release(&a->body);
}

/* scheme://[user@]host[:port]/...: the host, brackets of an IPv6 address taken off. */
static struct str host_of(const char *url)
{
    const char *p = strstr(url, "://");
    p = p ? p + 3 : url;
    struct str authority = {p, strcspn(p, "/?#")}, head, tail;
    while (str_cut(authority, '@', &head, &tail)) {
        authority = tail;
    }
    if (authority.len && authority.ptr[0] == '[') {
        return str_cut(str_slice(authority, 1, authority.len), ']', &head, &tail) ? head
                                                                                  : authority;
    }
    return str_cut(authority, ':', &head, &tail) ? head : authority;
}

bool http_is_loopback(const char *url)
{
    struct str host = host_of(url);
    return str_eq_nocase(host, STR_LIT("localhost")) || str_eqz(host, "::1") ||
           (str_starts(host, STR_LIT("127.")) && strspn(host.ptr, "0123456789.") >= host.len);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct http_answer *a = arg;
    return buffer_append(&a->body, p, size * n) ? size * n : 0;
}

static void keep(char *room, size_t size, struct str value)
{
    value = str_trim(value);
    size_t n = value.len < size - 1 ? value.len : size - 1;
    memcpy(room, value.ptr, n);
    room[n] = '\0';
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct http_answer *a = arg;
    struct str line = {p, size * n}, name, value;
    if (str_cut(line, ':', &name, &value)) {
        if (str_eq_nocase(name, STR_LIT("x-weir-request-id"))) {
            keep(a->request_id, sizeof a->request_id, value);
        } else if (str_eq_nocase(name, STR_LIT("content-type"))) {
            keep(a->content_type, sizeof a->content_type, value);
        } else if (str_eq_nocase(name, STR_LIT("x-weir-cost-usd"))) {
            keep(a->cost_usd, sizeof a->cost_usd, value);
        }
    }
    return size * n;
}

/* What holds for all calls. */
static void set_always(struct http *h)
{
    CURL *c = h->curl;
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_COOKIEFILE, ""); /* in memory only */
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->detail);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    if (h->ca_file) {
        curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
    }
}

struct http *http_new(const char *ca_file)
{
    struct http *h = mem_alloc(sizeof *h);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    h->curl = curl_easy_init();
    h->ca_file = ca_file ? mem_strdup(ca_file) : NULL;
    if (h->curl) {
        set_always(h);
    }
    return h;
}

static bool explain(const struct http *h, CURLcode code, const char *url, struct error *err)
{
    struct str host = host_of(url);
    int shown = host.len > 100 ? 100 : (int)host.len;
    const char *detail = h->detail[0] ? h->detail : curl_easy_strerror(code);
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return error_set(err, ERR_INVALID_FIELD, "\"%.120s\" is not an http:// or https:// URL",
                         url);
    case CURLE_COULDNT_RESOLVE_HOST:
        return error_set(err, ERR_UPSTREAM_REFUSED, "host \"%.*s\" is not known", shown, host.ptr);
    case CURLE_COULDNT_CONNECT:
        return error_set(err, ERR_UPSTREAM_REFUSED,
                         "cannot connect to %.160s: is weir-control running there?", url);
    case CURLE_OPERATION_TIMEDOUT:
        return error_set(err, ERR_UPSTREAM_TIMEOUT, "%.*s did not answer in time (%.120s)", shown,
                         host.ptr, detail);
    case CURLE_PEER_FAILED_VERIFICATION:
        return error_set(
            err, ERR_UPSTREAM_TLS,
            "the certificate of %.*s is not trusted: %.100s (--ca-file names another CA)", shown,
            host.ptr, detail);
    case CURLE_SSL_CACERT_BADFILE:
        return error_set(err, ERR_INVALID_FIELD, "cannot read CA certificates from \"%.160s\"",
                         h->ca_file ? h->ca_file : "the system's store");
    case CURLE_SSL_CONNECT_ERROR:
        return error_set(err, ERR_UPSTREAM_TLS, "TLS to %.*s failed: %.120s", shown, host.ptr,
                         detail);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return error_set(err, ERR_UPSTREAM_CLOSED,
                         "%.*s closed the connection before it had answered", shown, host.ptr);
    case CURLE_WRITE_ERROR:
        return error_set(err, ERR_BODY_TOO_LARGE, "the answer of %.*s is too large", shown,
                         host.ptr);
    default:
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the call to %.*s failed: %.140s", shown,
                         host.ptr, detail);
    }
}

/* Each option that one call may set is set by every call: nothing is left of the one before. */
static void prepare(struct http *h, const struct http_call *call, struct http_answer *a)
{
    CURL *c = h->curl;
    curl_easy_setopt(c, CURLOPT_URL, call->url);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, call->timeout_ms ? (long)call->timeout_ms : TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, a);
    /* http_proxy is never meant for this machine */
    curl_easy_setopt(c, CURLOPT_NOPROXY, http_is_loopback(call->url) ? "*" : NULL);
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
    if (call->body.ptr) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body.ptr);
    }
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST,
                     strcmp(call->method, "GET") == 0 ? NULL : call->method);
}

bool http_send(struct http *h, const struct http_call *call, struct http_answer *ret,
               struct error *err)
{
    struct http_answer a = {.status = 0};
    struct curl_slist *headers = NULL;
    buffer_init(&a.body, ANSWER_MAX);
    if (!h->curl) {
        return error_set(err, ERR_INTERNAL, "libcurl could not be started");
    }
    h->detail[0] = '\0';
    prepare(h, call, &a);
    for (unsigned i = 0; i < call->n_headers; i++) {
        struct curl_slist *longer = curl_slist_append(headers, call->headers[i]);
        headers = longer ? longer : headers;
    }
    headers = curl_slist_append(headers, "Expect:"); /* no round trip before a large body */
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &a.status);
    curl_slist_free_all(headers);
    curl_off_t us = 0;
    curl_easy_getinfo(h->curl, CURLINFO_STARTTRANSFER_TIME_T, &us);
    a.first_byte_us = (uint64_t)us;
    curl_easy_getinfo(h->curl, CURLINFO_TOTAL_TIME_T, &us);
    a.total_us = (uint64_t)us;
    if (code != CURLE_OK) {
        http_answer_release(&a);
        return explain(h, code, call->url, err);
    }
    *ret = a;
    return true;
}

/* One easy handle per call: calls are few, and nothing of one issuer's stays for the next. */
#include "controlplane/fetch/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <unistd.h>

#define BODY_MAX ((size_t)1 << 20)
#define TIMEOUT_MS 10000u
#define CONNECT_MS 5000L
#define AUTHORIZATION_MAX 32768

/* --- URLs --- */

void fetch_url_host(struct str url, struct str *ret_host, struct str *ret_port)
{
    const char *sep = url.len ? memmem(url.ptr, url.len, "://", 3) : NULL;
    struct str rest = sep ? str_slice(url, (size_t)(sep - url.ptr) + 3, url.len) : url, tail;
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '/' || rest.ptr[i] == '?' || rest.ptr[i] == '#') {
            rest.len = i;
        }
    }
    *ret_port = STR_LIT("");
    if (rest.len && rest.ptr[0] == '[' &&
        str_cut(str_slice(rest, 1, rest.len), ']', ret_host, &tail)) {
        *ret_port = tail.len && tail.ptr[0] == ':' ? str_slice(tail, 1, tail.len) : *ret_port;
    } else if (!str_cut(rest, ':', ret_host, ret_port)) {
        *ret_host = rest;
    }
}

bool fetch_url_is_loopback(struct str url)
{
    struct str host, port;
    char text[64];
    struct in_addr v4;
    fetch_url_host(url, &host, &port);
    if (str_eq_nocase(host, STR_LIT("localhost")) || str_eqz(host, "::1")) {
        return true;
    }
    if (host.len >= sizeof text) {
        return false;
    }
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

bool fetch_url_is_safe(struct str url)
{
    struct str host, port;
    if (url.len == 0 || url.len > 2000) {
        return false;
    }
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || url.ptr[i] == '#' || url.ptr[i] == '\\') {
            return false;
        }
    }
    bool tls = str_starts(url, STR_LIT("https://"));
    if (!tls && !str_starts(url, STR_LIT("http://"))) {
        return false;
    }
    struct str authority = str_slice(url, tls ? 8 : 7, url.len);
    for (size_t i = 0; i < authority.len && authority.ptr[i] != '/' && authority.ptr[i] != '?';
         i++) {
        if (authority.ptr[i] == '@') {
            return false;
        }
    }
    fetch_url_host(url, &host, &port);
    return host.len > 0 && (tls || fetch_url_is_loopback(url));
}

void fetch_put_form(struct buffer *b, const char *name, struct str value)
{
    static const char digits[] = "0123456789ABCDEF";
    buffer_printf(b, "%s%s=", b->len ? "&" : "", name);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        char out[3] = {'%', digits[c >> 4], digits[c & 15]};
        if (plain) {
            (void)buffer_append(b, &value.ptr[i], 1);
        } else {
            (void)buffer_append(b, out, 3);
        }
    }
}

/* --- addresses --- */

static bool v4_is_public(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } others[] = {
        {0x00000000, 8},  /* this network */
        {0x0a000000, 8},  /* private */
        {0x64400000, 10}, /* shared, RFC 6598 */
        {0x7f000000, 8},  /* loopback */
        {0xa9fe0000, 16}, /* link-local, and clouds' metadata */
        {0xac100000, 12}, {0xc0000000, 24}, {0xc0000200, 24}, {0xc0a80000, 16}, {0xc6120000, 15},
        {0xc6336400, 24}, {0xcb007100, 24}, {0xe0000000, 3}, /* multicast and up */
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if ((a ^ others[i].net) >> (32 - others[i].bits) == 0) {
            return false;
        }
    }
    return true;
}

static bool v6_is_public(const struct in6_addr *in)
{
    const uint8_t *b = in->s6_addr;
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    uint32_t low = (uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 | b[15];
    if (IN6_IS_ADDR_V4MAPPED(in) || memcmp(b, nat64, sizeof nat64) == 0) {
        return v4_is_public(low);
    }
    if (b[0] == 0x20 && b[1] == 0x02) { /* 6to4 */
        return v4_is_public((uint32_t)b[2] << 24 | (uint32_t)b[3] << 16 | (uint32_t)b[4] << 8 |
                            b[5]);
    }
    if (b[0] == 0x20 && b[1] == 0x01 && b[2] < 2) { /* Teredo and other special ones */
        return false;
    }
    return (b[0] & 0xe0) == 0x20 && !(b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8);
}

static bool address_is_public(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        return v4_is_public(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
    }
    return sa->sa_family == AF_INET6 &&
           v6_is_public(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
}

struct transfer {
    const struct fetch_request *request;
    struct fetch_answer *answer;
    bool refused; /* an address that is not public */
};

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *t = arg;
    (void)purpose;
    if (!t->request->private_ok && !address_is_public(&address->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* --- the call --- */

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    return buffer_append(&t->answer->body, p, size * n) ? size * n : 0;
}

/* max-age of a Cache-Control field; no-store and no-cache: 0. */
static uint64_t max_age_of(struct str value)
{
    struct str item, rest = value;
    uint64_t age = 0;
    bool more = true;
    while (more) {
        more = str_cut(rest, ',', &item, &rest);
        item = str_trim(more ? item : rest);
        if (str_eq_nocase(item, STR_LIT("no-store")) || str_eq_nocase(item, STR_LIT("no-cache"))) {
            return 0;
        }
        if (item.len > 8 && str_eq_nocase(str_slice(item, 0, 8), STR_LIT("max-age="))) {
            (void)str_to_u64(str_slice(item, 8, item.len), &age);
        }
    }
    return age;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct str line = {p, size * n}, name, value;
    if (str_cut(line, ':', &name, &value) && str_eq_nocase(name, STR_LIT("cache-control"))) {
        while (value.len &&
               (value.ptr[value.len - 1] == '\r' || value.ptr[value.len - 1] == '\n')) {
            value.len--;
        }
        t->answer->max_age_s = max_age_of(str_trim(value));
    }
    return size * n;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void set_up(CURL *c, struct transfer *t, struct curl_slist *headers, char *detail)
{
    const struct fetch_request *r = t->request;
    curl_easy_setopt(c, CURLOPT_URL, r->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(r->timeout_ms ? r->timeout_ms : TIMEOUT_MS));
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)BODY_MAX);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (r->ca_file) {
        curl_easy_setopt(c, CURLOPT_CAINFO, r->ca_file);
        curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    }
    if (!r->private_ok) {
        curl_easy_setopt(c, CURLOPT_PROXY, ""); /* a proxy would hide the address */
    }
    if (r->form.ptr) {
        curl_easy_setopt(c, CURLOPT_POST, 1L);
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)r->form.len);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, r->form.ptr);
    }
}

static bool explain(const struct transfer *t, CURLcode code, const char *detail, struct error *err)
{
    struct str host, port;
    fetch_url_host(str_of(t->request->url), &host, &port);
    int shown = host.len > 100 ? 100 : (int)host.len;
    if (t->refused) {
        return error_set(err, ERR_UPSTREAM_REFUSED,
                         "%.*s is not a public address: the operator must allow it", shown,
                         host.ptr);
    }
    if (t->answer->body.failed || code == CURLE_FILESIZE_EXCEEDED) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the answer of %.*s is too large", shown,
                         host.ptr);
    }
    return error_set(err,
                     code == CURLE_OPERATION_TIMEDOUT ? ERR_UPSTREAM_TIMEOUT
                     : code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR
                         ? ERR_UPSTREAM_TLS
                         : ERR_UPSTREAM_REFUSED,
                     "%.*s could not be asked: %.100s", shown, host.ptr,
                     detail[0] ? detail : curl_easy_strerror(code));
}

bool fetch(const struct fetch_request *r, struct fetch_answer *ret, struct error *err)
{
    struct transfer t = {.request = r, .answer = ret};
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    long status = 0;
    *ret = (struct fetch_answer){.status = 0};
    buffer_init(&ret->body, BODY_MAX);
    (void)pthread_once(&once, library_init);
    CURL *c = curl_easy_init();
    headers = curl_slist_append(headers, "accept: application/json");
    if (r->authorization) {
        struct buffer b;
        buffer_init(&b, AUTHORIZATION_MAX);
        buffer_printf(&b, "authorization: %s", r->authorization);
        (void)buffer_append(&b, "", 1);
        if (!b.failed) {
            headers = curl_slist_append(headers, b.ptr);
            explicit_bzero(b.ptr, b.len);
        }
        buffer_release(&b);
    }
    for (const char *const *h = r->headers; h && *h && headers; h++) {
        headers = curl_slist_append(headers, *h);
    }
    if (!c || !headers) {
        curl_easy_cleanup(c);
        curl_slist_free_all(headers);
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    set_up(c, &t, headers, detail);
    CURLcode code = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    bool ok = code == CURLE_OK || explain(&t, code, detail, err);
    ret->status = (int)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(c);
    if (!ok) {
        fetch_answer_release(ret);
    }
    return ok;
}

void fetch_answer_release(struct fetch_answer *a)
{
    if (a->body.ptr) {
        explicit_bzero(a->body.ptr, a->body.len); /* may hold tokens */
    }
    buffer_release(&a->body);
}

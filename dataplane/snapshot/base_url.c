/* Splitting of base URLs. Strict on purpose: what stands here goes
 * into request lines and Host headers for every request of a provider. */
#include "dataplane/snapshot/base_url.h"

#include <stdio.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool host_valid(struct str host, bool bracketed)
{
    if (host.len == 0 || host.len > 253) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool hex = is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (bracketed ? !(hex || c == ':' || c == '.')
                      : !(is_alnum(c) || c == '-' || c == '.' || c == '_')) {
            return false;
        }
    }
    return bracketed ? memchr(host.ptr, ':', host.len) != NULL
                     : host.ptr[0] != '.' && host.ptr[0] != '-';
}

static bool path_valid(struct str path)
{
    size_t segment = 0; /* start of the segment, behind its slash */
    for (size_t i = 0; i <= path.len; i++) {
        if (i == path.len || path.ptr[i] == '/') {
            struct str s = str_slice(path, segment, i - segment);
            if (str_eqz(s, ".") || str_eqz(s, "..") || (s.len == 0 && i > 0 && i < path.len)) {
                return false;
            }
            segment = i + 1;
        } else if (path.ptr[i] <= ' ' || path.ptr[i] > '~' || strchr("\"<>\\^`{|}", path.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* "host", "host:port" or "[v6]:port"; the port text stays empty when there is none. */
static bool authority_split(struct str authority, struct base_url *u, struct str *ret_port)
{
    struct str rest;
    *ret_port = STR_LIT("");
    if (authority.len && authority.ptr[0] == '[') {
        u->bracketed = true;
        if (!str_cut(str_slice(authority, 1, authority.len), ']', &u->host, &rest)) {
            return false;
        }
        if (rest.len == 0) {
            return true;
        }
        *ret_port = str_slice(rest, 1, rest.len);
        return rest.ptr[0] == ':' && rest.len > 1;
    }
    if (!str_cut(authority, ':', &u->host, &rest)) {
        u->host = authority;
        return true;
    }
    *ret_port = rest;
    return rest.len > 0;
}

bool base_url_split(struct str url, struct base_url *ret, struct error *err)
{
    struct base_url u = {0};
    struct str rest, port;
    uint64_t number;
    if (url.len > BASE_URL_MAX) {
        return error_set(err, ERR_INVALID_FIELD, "base URL is longer than %d bytes", BASE_URL_MAX);
    }
    if (url.len >= 8 && str_eq_nocase(str_slice(url, 0, 8), STR_LIT("https://"))) {
        u.tls = true;
        rest = str_slice(url, 8, url.len);
    } else if (url.len >= 7 && str_eq_nocase(str_slice(url, 0, 7), STR_LIT("http://"))) {
        rest = str_slice(url, 7, url.len);
    } else {
        return error_set(err, ERR_INVALID_FIELD, "base URL must begin with http:// or https://");
    }
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?' && rest.ptr[n] != '#') {
        n++;
    }
    struct str authority = str_slice(rest, 0, n);
    u.path = str_slice(rest, n, rest.len);
    if (authority.len && memchr(authority.ptr, '@', authority.len)) {
        return error_set(err, ERR_INVALID_FIELD, "base URL must not carry a user name or password");
    }
    if (u.path.len &&
        (memchr(u.path.ptr, '?', u.path.len) || memchr(u.path.ptr, '#', u.path.len))) {
        return error_set(err, ERR_INVALID_FIELD, "base URL must not carry a query or fragment");
    }
    if (!authority_split(authority, &u, &port) || !host_valid(u.host, u.bracketed)) {
        return error_set(err, ERR_INVALID_FIELD, "base URL has no valid host");
    }
    u.port = u.tls ? 443 : 80;
    if (port.len) {
        if (!str_to_u64(port, &number) || number == 0 || number > 65535) {
            return error_set(err, ERR_INVALID_FIELD,
                             "port \"%.*s\" of the base URL is not in 1..65535",
                             (int)(port.len < 20 ? port.len : 20), port.ptr);
        }
        u.default_port = number == u.port;
        u.port = (uint16_t)number;
    } else {
        u.default_port = true;
    }
    while (u.path.len && u.path.ptr[u.path.len - 1] == '/') {
        u.path.len--;
    }
    if (!path_valid(u.path)) {
        return error_set(err, ERR_INVALID_FIELD, "path of the base URL is not valid");
    }
    if (u.path.len == 0) {
        u.path = STR_LIT("");
    }
    *ret = u;
    return true;
}

size_t base_url_host_header(const struct base_url *u, char *buf, size_t size)
{
    char port[8] = "";
    if (!u->default_port) {
        (void)snprintf(port, sizeof(port), ":%u", u->port);
    }
    int n = snprintf(buf, size, "%s%.*s%s%s", u->bracketed ? "[" : "", STR_ARG(u->host),
                     u->bracketed ? "]" : "", port);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

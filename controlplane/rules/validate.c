/* Well-formedness of what users give. */
#include "controlplane/rules/validate.h"

#include "common/rules/model_name.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            return true;
        }
    }
    return false;
}

const char *validate_name(struct str s)
{
    if (s.len == 0) {
        return "must not be empty";
    }
    if (has_control(s)) {
        return "must not hold control characters";
    }
    if (is_blank(s.ptr[0]) || is_blank(s.ptr[s.len - 1])) {
        return "must not begin or end with a blank";
    }
    return NULL;
}

const char *validate_slug(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (i == 0 || (c != '.' && c != '_' && c != '-'))) {
            return "must be letters, digits, '.', '_' or '-', and begin with a letter or digit";
        }
    }
    return s.len > 0 ? NULL : "must not be empty";
}

const char *validate_model_name(struct str s)
{
    return model_name_valid(s) ? NULL
                               : "must be 1 to 200 printable ASCII characters without blanks or "
                                 "quotes, not beginning with '@'";
}

const char *validate_pattern(struct str s)
{
    if (s.len == 0) {
        return "must not be empty";
    }
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f) {
            return "must be printable ASCII without blanks";
        }
    }
    return NULL;
}

const char *validate_email(struct str s)
{
    struct str local, domain;
    if (validate_pattern(s) != NULL || !str_cut(s, '@', &local, &domain) || local.len == 0 ||
        domain.len < 1 || memchr(domain.ptr, '@', domain.len) != NULL || domain.ptr[0] == '.' ||
        domain.ptr[domain.len - 1] == '.') {
        return "must be an e-mail address";
    }
    return NULL;
}

static const char *validate_port(struct str port)
{
    uint64_t n;
    return port.len <= 5 && str_to_u64(port, &n) && n >= 1 && n <= 65535
               ? NULL
               : "must have a port between 1 and 65535";
}

static const char *validate_host(struct str authority)
{
    struct str host = authority, port = STR_NONE;
    if (authority.len > 0 && authority.ptr[0] == '[') {
        struct str rest;
        if (!str_cut(str_slice(authority, 1, authority.len), ']', &host, &rest) ||
            (rest.len > 0 && rest.ptr[0] != ':')) {
            return "must have a well-formed host";
        }
        port = str_slice(rest, 1, rest.len);
        for (size_t i = 0; i < host.len; i++) {
            if (!strchr("0123456789abcdefABCDEF:.", host.ptr[i])) {
                return "must have a well-formed host";
            }
        }
        if (rest.len == 0) {
            port = STR_NONE;
        } else if (port.len == 0) {
            return "must have a port between 1 and 65535";
        }
    } else {
        bool has_port = str_cut(authority, ':', &host, &port);
        for (size_t i = 0; i < host.len; i++) {
            char c = host.ptr[i];
            bool letter =
                (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!letter && c != '.' && c != '-' && c != '_') {
                return "must have a well-formed host";
            }
        }
        if (has_port && port.len == 0) {
            return "must have a port between 1 and 65535";
        }
    }
    if (host.len == 0) {
        return "must have a host";
    }
    return port.len > 0 ? validate_port(port) : NULL;
}

const char *validate_base_url(struct str s)
{
    if (s.len == 0) {
        return NULL;
    }
    if (validate_pattern(s) != NULL) {
        return "must be a URL of printable ASCII";
    }
    size_t scheme = str_starts(s, STR_LIT("https://"))  ? 8
                    : str_starts(s, STR_LIT("http://")) ? 7
                                                        : 0;
    if (scheme == 0) {
        return "must begin with http:// or https://";
    }
    struct str rest = str_slice(s, scheme, s.len), authority = rest, path;
    if (memchr(rest.ptr, '?', rest.len) != NULL || memchr(rest.ptr, '#', rest.len) != NULL) {
        return "must have neither a query nor a fragment";
    }
    (void)str_cut(rest, '/', &authority, &path);
    if (authority.len > 0 && memchr(authority.ptr, '@', authority.len) != NULL) {
        return "must not hold a user or password";
    }
    return validate_host(authority);
}

const char *validate_secret(struct str s)
{
    if (str_starts(s, STR_LIT("env:")) || str_starts(s, STR_LIT("file:"))) {
        return "must be the secret itself: env: and file: are resolved by the command line";
    }
    if (str_starts(s, STR_LIT("ref:")) || str_starts(s, STR_LIT("vault:"))) {
        return "must be the secret itself: ref:NAME stands for secrets of providers and identity "
               "providers only, and vault: for none";
    }
    if (has_control(s)) {
        return "must not hold control characters";
    }
    if (s.len > 0 && (is_blank(s.ptr[0]) || is_blank(s.ptr[s.len - 1]))) {
        return "must not begin or end with a blank";
    }
    return NULL;
}

const char *validate_password(struct str s)
{
    return has_control(s) ? "must not hold control characters" : NULL;
}

bool validate_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len;
    while (p < end) {
        unsigned c = *p++;
        unsigned more = c < 0x80   ? 0
                        : c < 0xc2 ? 9
                        : c < 0xe0 ? 1
                        : c < 0xf0 ? 2
                        : c < 0xf5 ? 3
                                   : 9;
        if (c == 0 || more == 9 || (size_t)(end - p) < more) {
            return false;
        }
        if ((c == 0xe0 && p[0] < 0xa0) || (c == 0xed && p[0] > 0x9f) ||
            (c == 0xf0 && p[0] < 0x90) || (c == 0xf4 && p[0] > 0x8f)) {
            return false;
        }
        for (; more > 0; more--, p++) {
            if ((*p & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

/* Where a Redis is, as a URL tells it. */
#include "dataplane/cache/redis.h"

struct parser {
    struct redis_address a;
    size_t used; /* of a.text */
    struct error *err;
};

static bool refuse(struct parser *p, const char *why)
{
    return error_set(p->err, ERR_INVALID_FIELD, "Redis address %s", why);
}

/* Percent-decodes into text, ended by NUL; an offset for now, since the struct moves. */
static bool keep(struct parser *p, struct str s, struct str *ret)
{
    size_t from = p->used;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            int high = i + 2 < s.len ? str_hex_digit(s.ptr[i + 1]) : -1;
            int low = high >= 0 ? str_hex_digit(s.ptr[i + 2]) : -1;
            if (low < 0) {
                return refuse(p, "has a percent sign without two hexadecimal digits");
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return refuse(p, "holds a zero byte");
        }
        if (p->used + 1 >= sizeof(p->a.text)) {
            return refuse(p, "is too long");
        }
        p->a.text[p->used++] = c;
    }
    if (p->used >= sizeof(p->a.text)) {
        return refuse(p, "is too long");
    }
    p->a.text[p->used++] = '\0';
    *ret = (struct str){p->a.text + from, p->used - 1 - from};
    return true;
}

static bool scheme(struct parser *p, struct str *s)
{
    static const struct str plain[] = {{"redis://", 8}, {"valkey://", 9}};
    static const struct str tls[] = {{"rediss://", 9}, {"valkeys://", 10}};
    for (size_t i = 0; i < 2; i++) {
        if (str_starts(*s, plain[i])) {
            *s = str_slice(*s, plain[i].len, s->len);
            return true;
        }
        if (str_starts(*s, tls[i])) {
            return refuse(p, "asks for TLS, which this build's Redis client does not have: use "
                             "redis:// over a private network or a tunnel");
        }
    }
    return refuse(p, "does not begin with redis:// or valkey://");
}

static bool user_info(struct parser *p, struct str *s)
{
    const char *at = memrchr(s->ptr, '@', s->len);
    struct str user = {"", 0}, password = {"", 0};
    if (at) {
        user = (struct str){s->ptr, (size_t)(at - s->ptr)};
        *s = str_slice(*s, user.len + 1, s->len);
        if (!str_cut(user, ':', &user, &password) || password.len == 0) {
            return refuse(p, "names a user without a password");
        }
    }
    return keep(p, user, &p->a.user) && keep(p, password, &p->a.password);
}

static bool host_port(struct parser *p, struct str s)
{
    struct str host = s, port = STR_NONE;
    uint64_t n = 6379;
    if (s.len && s.ptr[0] == '[') {
        struct str rest;
        if (!str_cut(str_slice(s, 1, s.len), ']', &host, &rest)) {
            return refuse(p, "has a bracket that does not close");
        }
        if (rest.len && rest.ptr[0] != ':') {
            return refuse(p, "has more than a port behind its bracket");
        }
        port = rest.len ? str_slice(rest, 1, rest.len) : STR_NONE;
    } else {
        (void)str_cut(s, ':', &host, &port);
    }
    if (port.ptr && (!str_to_u64(port, &n) || n < 1 || n > 65535)) {
        return refuse(p, "has a port that is not from 1 to 65535");
    }
    if (host.len == 0) {
        return refuse(p, "names no host");
    }
    p->a.port = (uint16_t)n;
    return keep(p, host, &p->a.host);
}

static bool database(struct parser *p, struct str path)
{
    uint64_t n = 0;
    if (path.len && (!str_to_u64(path, &n) || n > 65535)) {
        return refuse(p, "has a database that is no number up to 65535");
    }
    p->a.database = (unsigned)n;
    return true;
}

static struct str moved(const struct redis_address *from, struct redis_address *to, struct str s)
{
    return (struct str){to->text + (s.ptr - from->text), s.len};
}

bool redis_address_parse(struct str url, struct redis_address *ret, struct error *err)
{
    struct parser p = {.err = err};
    struct str s = url, path = {"", 0};
    if (!scheme(&p, &s)) {
        return false;
    }
    if (memchr(s.ptr, '?', s.len) || memchr(s.ptr, '#', s.len)) {
        return refuse(&p, "has a query or fragment, which means nothing here");
    }
    (void)str_cut(s, '/', &s, &path);
    if (!user_info(&p, &s) || !host_port(&p, s) || !database(&p, path)) {
        return false;
    }
    *ret = p.a;
    ret->host = moved(&p.a, ret, p.a.host);
    ret->user = moved(&p.a, ret, p.a.user);
    ret->password = moved(&p.a, ret, p.a.password);
    return true;
}

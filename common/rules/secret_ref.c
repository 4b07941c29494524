/* Resolves secret references. Errors name the reference and never what it holds. */
#include "common/rules/secret_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/mem.h"

/* What is allowed to come of a reference. */
struct limits {
    size_t max_bytes;
    bool printable; /* ASCII without blanks: it will stand in a header field */
};

static bool check(struct str secret, const struct limits *l, const char *origin, struct error *err)
{
    if (secret.len == 0) {
        return error_set(err, ERR_INVALID_FIELD, "%s is empty", origin);
    }
    if (secret.len > l->max_bytes) {
        return error_set(err, ERR_INVALID_FIELD, "%s is longer than %zu bytes", origin,
                         l->max_bytes);
    }
    if (memchr(secret.ptr, '\0', secret.len)) {
        return error_set(err, ERR_INVALID_FIELD, "%s holds a NUL", origin);
    }
    for (size_t i = 0; l->printable && i < secret.len; i++) {
        if (secret.ptr[i] <= ' ' || secret.ptr[i] >= 0x7f) {
            return error_set(err, ERR_INVALID_FIELD,
                             "%s holds a blank, a line break or a byte that is not ASCII", origin);
        }
    }
    return true;
}

static bool read_all(const char *path, char *buf, size_t cap, size_t *ret_len, struct error *err)
{
    size_t len = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, ERR_INVALID_FIELD, "cannot open file \"%s\": %m", path);
    }
    while (len < cap) {
        n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
    }
    if (n < 0) {
        (void)error_set(err, ERR_INVALID_FIELD, "cannot read file \"%s\": %m", path);
    }
    (void)close(fd);
    *ret_len = len;
    return n >= 0;
}

static bool resolve_file(const char *path, const struct limits *l, struct arena *a, struct str *ret,
                         struct error *err)
{
    size_t len = 0, room = l->max_bytes + 3; /* a line end, and one byte that proves it too long */
    char origin[160];
    char *buf = mem_alloc(room);
    if (!read_all(path, buf, room, &len, err)) {
        mem_free(buf);
        return false;
    }
    struct str secret = {buf, len};
    if (str_ends(secret, STR_LIT("\n"))) {
        secret.len -= str_ends(secret, STR_LIT("\r\n")) ? 2 : 1;
    }
    (void)snprintf(origin, sizeof(origin), "file \"%.120s\"", path);
    bool ok = check(secret, l, origin, err);
    if (ok) {
        *ret = arena_str(a, secret);
    }
    mem_free_secret(buf, room);
    return ok;
}

static bool resolve(struct str text, const struct limits *l, struct arena *a, struct str *ret,
                    struct error *err)
{
    char origin[160];
    struct str z = arena_str(a, text); /* with its NUL */
    struct str secret = STR_NONE;
    if (!z.ptr) {
        return error_set(err, ERR_BODY_TOO_LARGE, "document needs too much memory");
    }
    if (str_starts(z, STR_LIT("file:"))) {
        if (!resolve_file(z.ptr + 5, l, a, &secret, err)) {
            return false;
        }
    } else if (str_starts(z, STR_LIT("env:"))) {
        const char *value = getenv(z.ptr + 4);
        (void)snprintf(origin, sizeof(origin), "environment variable \"%.100s\"", z.ptr + 4);
        if (!value) {
            return error_set(err, ERR_INVALID_FIELD, "%s is not set", origin);
        }
        if (!check(str_of(value), l, origin, err)) {
            return false;
        }
        secret = arena_str(a, str_of(value));
    } else {
        if (!check(z, l, "secret", err)) {
            return false;
        }
        secret = z;
    }
    if (!secret.ptr) {
        return error_set(err, ERR_BODY_TOO_LARGE, "document needs too much memory");
    }
    *ret = secret;
    return true;
}

bool secret_ref_resolve(struct str text, struct arena *a, struct str *ret, struct error *err)
{
    static const struct limits in_header = {SECRET_MAX_BYTES, true};
    return resolve(text, &in_header, a, ret, err);
}

bool text_ref_resolve(struct str text, struct arena *a, struct str *ret, struct error *err)
{
    static const struct limits any_text = {TEXT_REF_MAX_BYTES, false};
    return resolve(text, &any_text, a, ret, err);
}

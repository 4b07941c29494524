/* Resolves secret references. Errors name the reference and never what it holds. */
#include "common/rules/secret_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool check(struct str secret, const char *origin, struct error *err)
{
    if (secret.len == 0) {
        return error_set(err, ERR_INVALID_FIELD, "%s is empty", origin);
    }
    if (secret.len > SECRET_MAX_BYTES) {
        return error_set(err, ERR_INVALID_FIELD, "%s is longer than %d bytes", origin,
                         SECRET_MAX_BYTES);
    }
    for (size_t i = 0; i < secret.len; i++) {
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

static bool resolve_file(const char *path, struct arena *a, struct str *ret, struct error *err)
{
    char buf[SECRET_MAX_BYTES + 3]; /* a line end, and one byte that proves it too long */
    char origin[160];
    size_t len = 0;
    if (!read_all(path, buf, sizeof(buf), &len, err)) {
        return false;
    }
    struct str secret = {buf, len};
    if (str_ends(secret, STR_LIT("\n"))) {
        secret.len -= str_ends(secret, STR_LIT("\r\n")) ? 2 : 1;
    }
    (void)snprintf(origin, sizeof(origin), "file \"%.120s\"", path);
    bool ok = check(secret, origin, err);
    if (ok) {
        *ret = arena_str(a, secret);
    }
    explicit_bzero(buf, sizeof(buf));
    return ok;
}

bool secret_ref_resolve(struct str text, struct arena *a, struct str *ret, struct error *err)
{
    char origin[160];
    struct str z = arena_str(a, text); /* with its NUL */
    struct str secret = STR_NONE;
    if (!z.ptr) {
        return error_set(err, ERR_BODY_TOO_LARGE, "document needs too much memory");
    }
    if (str_starts(z, STR_LIT("file:"))) {
        if (!resolve_file(z.ptr + 5, a, &secret, err)) {
            return false;
        }
    } else if (str_starts(z, STR_LIT("env:"))) {
        const char *value = getenv(z.ptr + 4);
        (void)snprintf(origin, sizeof(origin), "environment variable \"%.100s\"", z.ptr + 4);
        if (!value) {
            return error_set(err, ERR_INVALID_FIELD, "%s is not set", origin);
        }
        if (!check(str_of(value), origin, err)) {
            return false;
        }
        secret = arena_str(a, str_of(value));
    } else {
        if (!check(z, "secret", err)) {
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

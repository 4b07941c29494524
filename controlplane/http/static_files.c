/* Files of the web admin. Only regular files below the folder are opened, without following a
 * symbolic link at the last step, and a path is checked part by part first. */
#include "controlplane/http/static_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crypto.h"
#include "controlplane/http/reply.h"

#define FILE_MAX ((size_t)32 << 20)
#define PATH_MAX_BYTES 1024

static const struct {
    const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".json", "application/json"},
    {".map", "application/json"},
    {".webmanifest", "application/manifest+json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".jpg", "image/jpeg"},
    {".webp", "image/webp"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".ttf", "font/ttf"},
    {".wasm", "application/wasm"},
    {".txt", "text/plain; charset=utf-8"},
};

bool static_files_path_ok(struct str path)
{
    if (path.len == 0 || path.len > PATH_MAX_BYTES || memchr(path.ptr, '\\', path.len) ||
        memchr(path.ptr, '\0', path.len)) {
        return false;
    }
    for (struct str rest = path, part; rest.len > 0;) {
        struct str tail = STR_LIT("");
        bool more = str_cut(rest, '/', &part, &tail);
        part = more ? part : rest;
        if (part.len == 0 || part.ptr[0] == '.' || (more && tail.len == 0)) {
            return false;
        }
        rest = tail;
    }
    return true;
}

static const char *type_of(struct str path)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (str_ends(path, str_of(types[i].suffix))) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

/* Whole content into the arena; false when there is no such regular file. */
static bool read_file(struct http_request *r, const char *folder, struct str path,
                      const char *suffix, struct str *ret)
{
    struct str full = arena_printf(http_arena(r), "%s/%.*s%s", folder, STR_ARG(path), suffix);
    int fd = full.ptr ? open(full.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    struct stat st;
    bool ok = false;
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= FILE_MAX) {
        size_t size = (size_t)st.st_size, got = 0;
        char *bytes = arena_alloc(http_arena(r), size + 1);
        while (bytes && got < size) {
            ssize_t n = read(fd, bytes + got, size - got);
            if (n <= 0) {
                break;
            }
            got += (size_t)n;
        }
        ok = bytes && got == size;
        *ret = (struct str){bytes, got};
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* Does the client take this coding ("br", "gzip"), with a weight that is not zero? */
static bool accepts(struct http_request *r, const char *coding)
{
    struct str rest = http_header(r, "accept-encoding");
    while (rest.ptr && rest.len > 0) {
        struct str item = rest, tail = STR_LIT(""), name, weight = STR_NONE;
        (void)str_cut(rest, ',', &item, &tail);
        name = item;
        (void)str_cut(item, ';', &name, &weight);
        if (str_eq_nocase(str_trim(name), str_of(coding))) {
            struct str w = weight.ptr ? str_trim(weight) : STR_NONE;
            return !w.ptr || !(str_eqz(w, "q=0") || str_eqz(w, "q=0.0") || str_eqz(w, "q=0.00") ||
                               str_eqz(w, "q=0.000"));
        }
        rest = tail;
    }
    return false;
}

static void put_policy(struct http_request *r, const char *nonce)
{
    struct str policy = arena_printf(http_arena(r),
                                     "default-src 'none'; script-src 'self'; style-src "
                                     "'self'%s%s%s; style-src-attr 'unsafe-inline'; "
                                     "img-src 'self' data:; connect-src 'self'; font-src 'self'; "
                                     "base-uri 'self'; form-action 'self'; "
                                     "frame-ancestors 'none'",
                                     nonce ? " 'nonce-" : "", nonce ? nonce : "", nonce ? "'" : "");
    reply_guard_headers(r);
    http_reply_header(r, "content-security-policy", policy.ptr ? policy.ptr : "default-src 'none'");
    http_reply_header(r, "x-frame-options", "DENY");
    http_reply_header(r, "cross-origin-opener-policy", "same-origin");
}

static void put_replaced(struct buffer *out, struct str text, const char *const *pairs)
{
    size_t plain = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '_') {
            continue;
        }
        for (size_t k = 0; pairs[k]; k += 2) {
            struct str mark = str_of(pairs[k]);
            if (str_starts(str_slice(text, i, text.len), mark)) {
                (void)buffer_append(out, text.ptr + plain, i - plain);
                (void)buffer_append_z(out, pairs[k + 1]);
                plain = i + mark.len;
                i = plain - 1;
                break;
            }
        }
    }
    (void)buffer_append(out, text.ptr + plain, text.len - plain);
}

static void serve_page(struct http_request *r, int status, struct str html, const char *base)
{
    uint8_t random[18];
    char nonce[32];
    struct buffer b;
    crypto_random(random, sizeof random);
    (void)crypto_base64url(random, sizeof random, nonce);
    buffer_init(&b, FILE_MAX * 2);
    put_replaced(&b, html, (const char *[]){"__WEIR_BASE__", base, "__WEIR_NONCE__", nonce, NULL});
    put_policy(r, nonce);
    http_reply_header(r, "cache-control", "no-cache");
    http_reply(r, status, "text/html; charset=utf-8", b.failed ? STR_LIT("") : buffer_str(&b));
    buffer_release(&b);
}

static void serve_absent(struct http_request *r, const char *base)
{
    static const char html[] =
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Weir</title>"
        "<style nonce=\"__WEIR_NONCE__\">body{font:16px/1.5 "
        "system-ui,sans-serif;max-width:40rem;margin:15vh auto;"
        "padding:0 1rem;color:#222}code{background:#eee;padding:.1rem "
        ".3rem}</style></head><body><h1>Weir is running</h1>"
        "<p>The web admin is not built yet; its build may still be under way, so reload this page "
        "in a minute. "
        "The admin API works: <code>__WEIR_BASE__api/v1/openapi.json</code> describes "
        "it.</p></body></html>\n";
    serve_page(r, 200, STR_LIT(html), base);
}

static void serve_file(struct http_request *r, const char *folder, struct str path,
                       struct str plain)
{
    static const struct {
        const char *coding, *suffix;
    } codings[] = {{"br", ".br"}, {"gzip", ".gz"}};
    struct str body = plain;
    put_policy(r, NULL);
    http_reply_header(r, "cache-control",
                      str_starts(path, STR_LIT("assets/")) ? "public, max-age=31536000, immutable"
                                                           : "no-cache");
    http_reply_header(r, "vary", "accept-encoding");
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        if (accepts(r, codings[i].coding) && read_file(r, folder, path, codings[i].suffix, &body)) {
            http_reply_header(r, "content-encoding", codings[i].coding);
            break;
        }
    }
    http_reply(r, 200, type_of(path), body);
}

static bool looks_like_file(struct str path)
{
    const char *slash = memrchr(path.ptr, '/', path.len);
    const char *name = slash ? slash + 1 : path.ptr;
    return memchr(name, '.', (size_t)(path.ptr + path.len - name)) != NULL;
}

static void refuse(struct http_request *r, enum error_code code)
{
    struct error err = ERROR_INIT;
    (void)error_set(&err, code, "%s", "");
    http_reply_error(r, &err);
}

void static_files_serve(struct http_request *r, const char *folder, const char *base,
                        struct str path)
{
    struct str body;
    if (!str_eqz(http_method(r), "GET") && !str_eqz(http_method(r), "HEAD")) {
        http_reply_header(r, "allow", "GET, HEAD");
        refuse(r, ERR_METHOD_NOT_ALLOWED);
        return;
    }
    if (path.len > 0 && !str_eqz(path, "index.html") && static_files_path_ok(path) && folder &&
        read_file(r, folder, path, "", &body)) {
        serve_file(r, folder, path, body);
        return;
    }
    bool page = path.len == 0 || str_eqz(path, "index.html") ||
                (!str_starts(path, STR_LIT("assets/")) && !looks_like_file(path));
    if (!page) {
        refuse(r, ERR_NOT_FOUND);
    } else if (folder && read_file(r, folder, STR_LIT("index.html"), "", &body)) {
        serve_page(r, 200, body, base);
    } else {
        serve_absent(r, base);
    }
}

/* plane.json: {"plane_id","secret","certificate","key","ca","endpoints":[…]}, or {"sealed":
 * base64url of that}. */
#include "dataplane/report/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/crypto.h"

#define FILE_MAX_BYTES (1u << 20)
#define AAD STR_LIT("weir plane identity")

bool state_key_parse(const char *text, uint8_t out[static 32], struct error *err)
{
    struct str s = str_trim(str_of(text));
    size_t n;
    if (crypto_unhex(s, out, 32) || (crypto_unbase64(s, out, 32, &n) && n == 32)) {
        return true;
    }
    return error_set(err, ERR_INVALID_FIELD,
                     "state key is neither 64 hex digits nor base64 of 32 bytes");
}

bool identity_url(struct str url, char out[static IDENTITY_URL_MAX])
{
    if (!str_starts(url, STR_LIT("tls+tcp://")) || url.len >= IDENTITY_URL_MAX ||
        memchr(url.ptr, '\0', url.len)) {
        return false;
    }
    memcpy(out, url.ptr, url.len);
    out[url.len] = '\0';
    return true;
}

static void path_of(const char *folder, const char *ending, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%s/plane.json%s", folder, ending);
}

bool identity_exists(const char *folder)
{
    char path[4096];
    path_of(folder, "", path, sizeof(path));
    return access(path, F_OK) == 0;
}

static bool file_read(const char *path, struct buffer *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    if (fd >= 0) {
        buffer_clear(out);
        while (buffer_reserve(out, 65536) && (n = read(fd, out->ptr + out->len, 65536)) > 0) {
            out->len += (size_t)n;
        }
        (void)close(fd);
    }
    return n == 0 || error_set(err, ERR_INTERNAL, "cannot read \"%s\": %s", path, strerror(errno));
}

char *identity_text(const struct json_member *m)
{
    size_t n = 0;
    if (!m->found || m->value.type != JSON_STRING) {
        return NULL;
    }
    char *text = mem_alloc(m->value.raw.len + 1);
    if (!json_unescape(m->value, text, m->value.raw.len, &n)) {
        mem_free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

bool identity_endpoints(const struct json_member *list, struct identity *i)
{
    struct json_value value;
    struct error ignored = ERROR_INIT;
    size_t pos = 0;
    if (!list->found || list->value.type != JSON_ARRAY) {
        return false;
    }
    while (i->n_endpoints < IDENTITY_ENDPOINTS_MAX && json_next(list->value, &pos, NULL, &value)) {
        struct json_member m[] = {{.name = STR_LIT("sync")},
                                  {.name = STR_LIT("report")},
                                  {.name = STR_LIT("announce")},
                                  {.name = STR_LIT("lease")}};
        struct identity_endpoint *e = &i->endpoints[i->n_endpoints];
        char *to[] = {e->sync, e->report, e->announce, e->lease};
        bool ok = value.type == JSON_OBJECT && json_members(value, m, 4, &ignored);
        for (int n = 0; ok && n < 4; n++) {
            char *url = identity_text(&m[n]);
            ok = url && identity_url(str_of(url), to[n]);
            mem_free(url);
        }
        i->n_endpoints += ok;
    }
    return i->n_endpoints > 0;
}

static bool parse(struct str text, struct identity *ret, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("plane_id")},    {.name = STR_LIT("secret")},
                              {.name = STR_LIT("certificate")}, {.name = STR_LIT("key")},
                              {.name = STR_LIT("ca")},          {.name = STR_LIT("endpoints")}};
    struct identity i;
    size_t n;
    memset(&i, 0, sizeof(i));
    if (!json_scan(text, m, 6, 8, err)) {
        return false;
    }
    char *id = identity_text(&m[0]), *secret = identity_text(&m[1]);
    i.cert_pem = identity_text(&m[2]);
    i.key_pem = identity_text(&m[3]);
    i.ca_pem = identity_text(&m[4]);
    bool ok = id && uuid_parse(str_of(id), &i.plane_id) && secret &&
              crypto_unbase64(str_of(secret), i.secret, sizeof(i.secret), &n) &&
              n == sizeof(i.secret) && i.cert_pem && i.key_pem && i.ca_pem &&
              identity_endpoints(&m[5], &i);
    mem_free(id);
    mem_free_secret(secret, secret ? strlen(secret) : 0);
    if (!ok) {
        identity_release(&i);
        return error_set(err, ERR_INVALID_FIELD, "identity is not complete");
    }
    *ret = i;
    return true;
}

bool identity_load(const char *folder, const uint8_t *state_key, struct identity *ret,
                   struct error *err)
{
    char path[4096];
    struct buffer text;
    struct json_member sealed = {.name = STR_LIT("sealed")};
    bool ok = false;
    path_of(folder, "", path, sizeof(path));
    buffer_init(&text, FILE_MAX_BYTES);
    if (!file_read(path, &text, err) || !json_scan(buffer_str(&text), &sealed, 1, 8, err)) {
        goto out;
    }
    if (!sealed.found) {
        ok = parse(buffer_str(&text), ret, err);
        goto out;
    }
    uint8_t *bytes = mem_alloc(text.len + 1), *plain = mem_alloc(text.len + 1);
    size_t n = 0;
    if (!state_key) {
        (void)error_set(err, ERR_INVALID_FIELD, "\"%s\" is sealed and no state key was given",
                        path);
    } else if (sealed.value.type != JSON_STRING ||
               !crypto_unbase64(json_text(sealed.value), bytes, text.len, &n) ||
               !crypto_open(state_key, AAD, bytes, n, plain)) {
        (void)error_set(err, ERR_INVALID_FIELD, "\"%s\" is sealed under another state key", path);
    } else {
        ok = parse((struct str){(char *)plain, n - CRYPTO_SEALED_LEN(0)}, ret, err);
    }
    mem_free(bytes);
    mem_free_secret(plain, text.len + 1);
out:
    if (text.ptr) {
        explicit_bzero(text.ptr, text.len);
    }
    buffer_release(&text);
    return ok;
}

static void write_json(const struct identity *i, struct buffer *out)
{
    struct json_writer w;
    char id[37], secret[48];
    uuid_format(&i->plane_id, id);
    (void)crypto_base64url(i->secret, sizeof(i->secret), secret);
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_z(&w, "plane_id", id);
    json_field_z(&w, "secret", secret);
    json_field_z(&w, "certificate", i->cert_pem);
    json_field_z(&w, "key", i->key_pem);
    json_field_z(&w, "ca", i->ca_pem);
    json_name(&w, "endpoints");
    json_array_begin(&w);
    for (unsigned n = 0; n < i->n_endpoints; n++) {
        json_object_begin(&w);
        json_field_z(&w, "sync", i->endpoints[n].sync);
        json_field_z(&w, "report", i->endpoints[n].report);
        json_field_z(&w, "announce", i->endpoints[n].announce);
        json_field_z(&w, "lease", i->endpoints[n].lease);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    explicit_bzero(secret, sizeof(secret));
}

/* {"sealed":"…"} in place of what out holds. */
static void seal_json(struct buffer *out, const uint8_t *state_key)
{
    size_t n = CRYPTO_SEALED_LEN(out->len);
    uint8_t *sealed = mem_alloc(n);
    char *text = mem_alloc(4 * ((n + 2) / 3) + 1);
    crypto_seal(state_key, NULL, AAD, out->ptr, out->len, sealed);
    (void)crypto_base64url(sealed, n, text);
    explicit_bzero(out->ptr, out->len);
    buffer_clear(out);
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_z(&w, "sealed", text);
    json_object_end(&w);
    mem_free(sealed);
    mem_free(text);
}

/* Beside, synced, renamed: a reader sees the old or the new one. */
static bool file_replace(const char *folder, struct str text)
{
    char path[4096], fresh[4096];
    path_of(folder, "", path, sizeof(path));
    path_of(folder, ".new", fresh, sizeof(fresh));
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    bool ok = write(fd, text.ptr, text.len) == (ssize_t)text.len && fsync(fd) == 0;
    ok = close(fd) == 0 && ok && rename(fresh, path) == 0;
    if (!ok) {
        (void)unlink(fresh);
        return false;
    }
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        (void)fsync(dir);
        (void)close(dir);
    }
    return true;
}

bool identity_save(const char *folder, const uint8_t *state_key, const struct identity *i,
                   struct error *err)
{
    struct buffer out;
    buffer_init(&out, FILE_MAX_BYTES);
    write_json(i, &out);
    if (state_key && !out.failed) {
        seal_json(&out, state_key);
    }
    errno = ENOMEM;
    bool ok = !out.failed && file_replace(folder, buffer_str(&out));
    if (!ok) {
        (void)error_set(err, ERR_INTERNAL, "cannot write the identity into \"%s\": %s", folder,
                        strerror(errno));
    }
    if (out.ptr) {
        explicit_bzero(out.ptr, out.len);
    }
    buffer_release(&out);
    return ok;
}

void identity_release(struct identity *i)
{
    mem_free(i->cert_pem);
    mem_free_secret(i->key_pem, i->key_pem ? strlen(i->key_pem) : 0);
    mem_free(i->ca_pem);
    explicit_bzero(i, sizeof(*i));
}

/* Paths of provider endpoints: joined with a base URL's path, filled in, and recognised in native
 * calls. See provider.h. */
#include "common/rules/provider.h"

#include "common/base/buffer.h"

/* "v1", "v1beta", "v2", "v1alpha2": how APIs number themselves in a path. */
static bool is_version(struct str s)
{
    size_t i = 1;
    if (s.len < 2 || s.ptr[0] != 'v' || s.ptr[1] < '0' || s.ptr[1] > '9') {
        return false;
    }
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') {
        i++;
    }
    struct str rest = str_slice(s, i, s.len);
    return rest.len == 0 || str_starts(rest, STR_LIT("beta")) || str_starts(rest, STR_LIT("alpha"));
}

/* "v1" of "v1beta". */
static struct str version_number(struct str s)
{
    size_t i = 1;
    while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9') {
        i++;
    }
    return str_slice(s, 0, i);
}

/* The last segment, without its slash; an empty text for an empty path. */
static struct str last_segment(struct str path)
{
    size_t i = path.len;
    while (i > 0 && path.ptr[i - 1] != '/') {
        i--;
    }
    return str_slice(path, i, path.len);
}

static struct str first_segment(struct str path)
{
    struct str rest = str_slice(path, path.len && path.ptr[0] == '/', path.len);
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?') {
        n++;
    }
    return str_slice(rest, 0, n);
}

/* Bytes at the end of base that path repeats at its beginning, in whole segments; the longest. */
static size_t overlap(struct str base, struct str path)
{
    for (size_t i = 0; i < base.len; i++) {
        size_t n = base.len - i;
        if (base.ptr[i] == '/' && n > 1 && n <= path.len && !memcmp(base.ptr + i, path.ptr, n) &&
            (n == path.len || path.ptr[n] == '/' || path.ptr[n] == '?')) {
            return n;
        }
    }
    return 0;
}

static struct str join(struct arena *a, struct str base, struct str path)
{
    char *out = arena_alloc(a, base.len + path.len + 1);
    if (!out) {
        return STR_NONE;
    }
    if (base.len) {
        memcpy(out, base.ptr, base.len);
    }
    if (path.len) {
        memcpy(out + base.len, path.ptr, path.len);
    }
    out[base.len + path.len] = '\0';
    return (struct str){out, base.len + path.len};
}

struct str provider_path_join(struct arena *a, struct str base, struct str path)
{
    while (base.len && base.ptr[base.len - 1] == '/') {
        base.len--;
    }
    size_t n = overlap(base, path);
    if (n) {
        return join(a, base, str_slice(path, n, path.len));
    }
    struct str version = last_segment(base), first = first_segment(path);
    if (!is_version(version)) {
        return join(a, base, path);
    }
    struct str below = str_slice(base, 0, base.len - version.len - 1);
    if (is_version(first)) {
        /* the base's "v1beta" for "v1"; but "v2" is another dialect than "v1", and stays */
        if (!str_eq(version_number(first), version_number(version))) {
            return join(a, below, path);
        }
        return join(a, base, str_slice(path, first.len + 1, path.len));
    }
    /* a base meant for another path of the same server: "/v1" before Ollama's "/api/chat",
     * "/openai/v1" before Azure's "/openai/deployments/…" */
    n = overlap(below, path);
    if (n || str_eqz(first, "api")) {
        return join(a, below, str_slice(path, n, path.len));
    }
    return join(a, base, path);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

static void put_encoded(struct buffer *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (is_plain((char)c)) {
            (void)buffer_append(out, &c, 1);
        } else {
            char e[3] = {'%', hex[c >> 4], hex[c & 15]};
            (void)buffer_append(out, e, sizeof(e));
        }
    }
}

static struct str value_of(struct str name, struct str model, struct str verb, provider_get_fn get,
                           void *arg)
{
    if (str_eqz(name, "model")) {
        return model;
    }
    if (str_eqz(name, "verb")) {
        return verb;
    }
    struct str v = get ? get(arg, name) : STR_NONE;
    const struct provider_setting *s = provider_setting_named(name);
    return v.len == 0 && s && s->fallback ? str_of(s->fallback) : v;
}

struct str provider_fill(struct arena *a, struct str template, struct str model, struct str verb,
                         provider_get_fn get, void *arg, struct str *ret_missing)
{
    struct buffer out;
    struct str rest = template, head, name, ret = STR_NONE;
    *ret_missing = STR_NONE;
    buffer_init(&out, template.len + 3 * (model.len + verb.len) + 8192);
    while (str_cut(rest, '{', &head, &rest)) {
        (void)buffer_append_str(&out, head);
        if (!str_cut(rest, '}', &name, &rest)) {
            break;
        }
        struct str value = value_of(name, model, verb, get, arg);
        if (value.len == 0) {
            *ret_missing = name;
            goto out;
        }
        bool host = str_ends(head, STR_LIT("://"));
        if (host && str_eqz(value, "global") && str_starts(rest, STR_LIT("-"))) {
            rest = str_slice(rest, 1, rest.len); /* Vertex's global host has no location */
            continue;
        }
        put_encoded(&out, value);
    }
    (void)buffer_append_str(&out, rest);
    if (!out.failed) {
        ret = arena_str(a, buffer_str(&out));
    }
out:
    buffer_release(&out);
    return ret;
}

/* path against a template, "{…}" standing for one segment (for "{model}" up to what follows it). */
static bool path_matches(struct str template, struct str path, struct str *ret_model)
{
    struct str head, name, rest;
    *ret_model = STR_NONE;
    while (str_cut(template, '{', &head, &rest)) {
        if (!str_starts(path, head) || !str_cut(rest, '}', &name, &template)) {
            return false;
        }
        path = str_slice(path, head.len, path.len);
        size_t n = 0;
        /* up to the slash, and for "{model}:verb" up to the last colon before it */
        while (n < path.len && path.ptr[n] != '/') {
            n++;
        }
        if (template.len && template.ptr[0] == ':') {
            while (n > 0 && path.ptr[n - 1] != ':') {
                n--;
            }
            n -= n > 0;
        }
        if (n == 0) {
            return false;
        }
        struct str value = str_slice(path, 0, n);
        if (str_eqz(name, "model")) {
            *ret_model = value;
        }
        if (str_eqz(name, "verb") && !str_eqz(value, "embedContent") &&
            !str_eqz(value, "batchEmbedContents")) {
            return false;
        }
        path = str_slice(path, n, path.len);
    }
    return str_eq(template, path);
}

static bool path_ends_as(const char *template, struct str path, struct str *ret_model)
{
    struct str t = str_of(template), head, tail;
    if (!template) {
        return false;
    }
    if (str_cut(t, '?', &head, &tail)) {
        t = head;
    }
    /* the base URL may hold what the template begins with, or the client may have repeated the
     * base's version: compared from each segment of both */
    for (struct str p = path;;) {
        if (path_matches(t, p, ret_model)) {
            return true;
        }
        struct str first = first_segment(p);
        if (!is_version(first)) {
            break;
        }
        p = str_slice(p, first.len + 1, p.len);
    }
    struct str own = first_segment(t), asked = first_segment(path);
    if (!is_version(own)) {
        return false;
    }
    if (is_version(asked) && str_eq(version_number(asked), version_number(own))) {
        path = str_slice(path, asked.len + 1, path.len); /* "v1" for "v1beta" */
    }
    return path_matches(str_slice(t, own.len + 1, t.len), path, ret_model);
}

const struct provider_endpoint *provider_endpoint_at(const struct provider_row *row,
                                                     struct str path, bool *ret_stream,
                                                     struct str *ret_model)
{
    struct str model = STR_NONE;
    for (size_t i = 0; i < row->n_endpoints; i++) {
        const struct provider_endpoint *e = &row->endpoints[i];
        bool plain = path_ends_as(e->path, path, &model);
        bool stream = !plain && path_ends_as(e->stream_path, path, &model);
        if (plain || stream) {
            *ret_stream = stream;
            *ret_model = model;
            return e;
        }
    }
    return row->dated ? provider_endpoint_at(row->dated, path, ret_stream, ret_model) : NULL;
}

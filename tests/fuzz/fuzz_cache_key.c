/* Cache keys: a document and the same with its members the other way round, other blanks and every
 * string character escaped are one; the one spelling is valid JSON, no longer than promised, and
 * spells itself; heads and values of a shared store are read safely whatever they hold, and what
 * was read is written the same. */
#include "common/base/mem.h"
#include "common/json.h"
#include "dataplane/cache/key.h"
#include "dataplane/cache/sorted_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

static struct str spelled(struct str text, struct arena *a)
{
    struct json_value v;
    size_t len = 0;
    char *out = arena_alloc(a, SORTED_JSON_MAX(text.len));
    must(json_validate(text, 0, &v, NULL));
    must(out && sorted_json_write(v, NULL, 0, a, out, &len));
    must(len <= SORTED_JSON_MAX(text.len));
    return (struct str){out, len};
}

/* Every UTF-16 unit as an escape. */
static void put_escaped(struct json_value v, struct buffer *out, struct arena *a)
{
    char *text = arena_alloc(a, v.raw.len);
    size_t len = 0;
    must(text && json_unescape(v, text, v.raw.len, &len));
    (void)buffer_append_z(out, "\"");
    for (size_t i = 0; i < len;) {
        uint8_t c = (uint8_t)text[i];
        unsigned n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        uint32_t code = n == 1 ? c : c & (0x7fu >> n);
        for (unsigned k = 1; k < n; k++)
            code = code << 6 | ((uint8_t)text[i + k] & 0x3f);
        i += n;
        if (code >= 0x10000) {
            (void)buffer_printf(out, "\\u%04X", (unsigned)(0xd800 + ((code - 0x10000) >> 10)));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        (void)buffer_printf(out, "\\u%04x", (unsigned)code);
    }
    (void)buffer_append_z(out, "\"");
}

/* Members of one name keep their order, since it tells them apart: documents that have such are not
 * turned round. */
static bool twins(struct json_value object, struct arena *a)
{
    struct json_value name, item, other;
    size_t pos = 0;
    while (json_next(object, &pos, &name, &item)) {
        size_t again = pos, len;
        char *text = arena_alloc(a, name.raw.len);
        must(text && json_unescape(name, text, name.raw.len, &len));
        while (json_next(object, &again, &other, &item))
            if (json_text_eq(other, (struct str){text, len}))
                return true;
    }
    return false;
}

static bool put_turned(struct json_value v, struct buffer *out, struct arena *a)
{
    struct json_value name, item;
    size_t pos = 0, n = 0, cap = 0;
    if (v.type == JSON_STRING) {
        put_escaped(v, out, a);
        return true;
    }
    if (v.type != JSON_OBJECT && v.type != JSON_ARRAY)
        return buffer_append_str(out, v.raw);
    if (v.type == JSON_OBJECT && twins(v, a))
        return false;
    while (json_next(v, &pos, &name, &item))
        cap++;
    struct json_value *all = arena_alloc(a, (2 * cap + 1) * sizeof(*all));
    must(all);
    for (pos = 0; json_next(v, &pos, &name, &item); n++) {
        all[2 * n] = name;
        all[2 * n + 1] = item;
    }
    (void)buffer_append_z(out, v.type == JSON_OBJECT ? " {\n" : " [\t");
    for (size_t i = 0; i < n; i++) {
        size_t at = v.type == JSON_OBJECT ? n - 1 - i : i;
        if (i)
            (void)buffer_append_z(out, "\r, ");
        if (v.type == JSON_OBJECT) {
            put_escaped(all[2 * at], out, a);
            (void)buffer_append_z(out, " :");
        }
        if (!put_turned(all[2 * at + 1], out, a))
            return false;
    }
    return buffer_append_z(out, v.type == JSON_OBJECT ? "} " : "] ");
}

static void documents(struct str text, struct arena *a)
{
    struct json_value v;
    struct buffer turned;
    struct cache_key_parts p = {.body = text};
    struct cache_key k, k2;
    must(cache_key_make(&p, a, &k));
    if (!json_validate(text, 0, &v, NULL))
        return;
    struct str once = spelled(text, a), twice = spelled(once, a);
    must(str_eq(once, twice));
    if (text.len > 4096)
        return;
    buffer_init(&turned, 1 << 20);
    if (put_turned(v, &turned, a) && !turned.failed) {
        must(str_eq(once, spelled(buffer_str(&turned), a)));
        p.body = buffer_str(&turned);
        must(cache_key_make(&p, a, &k2));
        must(v.type != JSON_OBJECT || memcmp(&k, &k2, sizeof(k)) == 0);
    }
    buffer_release(&turned);
}

static void stored(struct str bytes, struct arena *a)
{
    struct cached_head h;
    struct cache_entry e;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    if (cached_head_read(bytes, a, &h)) {
        must(cached_head_write(&h, &out));
        must(str_eq(buffer_str(&out), bytes));
    }
    buffer_clear(&out);
    if (cached_value_read(bytes, &e)) {
        must(cached_value_write(&e, &out));
        must(str_eq(buffer_str(&out), bytes));
    }
    buffer_release(&out);
}

/* Lines as header fields. */
static void wishes(struct str text)
{
    struct header headers[16];
    struct cache_wish w;
    struct error err = ERROR_INIT;
    struct str rest = text, line;
    size_t n = 0;
    while (n < 16 && str_cut(rest, '\n', &line, &rest))
        if (str_cut(line, ':', &headers[n].name, &headers[n].value))
            n++;
    if (cache_wish_read(headers, n, &w, &err)) {
        must(!w.has_ttl || (w.ttl_s >= 1 && w.ttl_s <= CACHE_TTL_MAX_S));
        must(!w.off || !(w.on || w.refresh || w.only));
    } else {
        must(err.code != ERR_NONE && err.param[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* memory of its own, so that a read past the end is seen */
    char *copy = size > 0 ? mem_dup(data, size) : mem_alloc(1);
    struct str text = {copy, size};
    struct arena *a = arena_new(0);
    documents(text, a);
    stored(text, a);
    wishes(text);
    arena_free(a);
    mem_free(copy);
    return 0;
}

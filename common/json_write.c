/* The writer: appends to a buffer and puts the commas. Whatever bytes a string holds, the result is
 * strict JSON in UTF-8. */
#include "common/json_kernel.h"

#define DEPTH_BITS 64

void json_writer_init(struct json_writer *w, struct buffer *out)
{
    *w = (struct json_writer){.out = out};
}

static uint64_t depth_bit(const struct json_writer *w)
{
    return 1ULL << (w->depth % DEPTH_BITS);
}

/* The comma before a value or a name, where one is due. Values at depth 0 stand by themselves. */
static void item_begin(struct json_writer *w)
{
    if (w->after_name) {
        w->after_name = false;
        return;
    }
    if (w->depth == 0)
        return;
    if ((w->has_items & depth_bit(w)) != 0)
        (void)buffer_append(w->out, ",", 1);
    w->has_items |= depth_bit(w);
}

static void container_begin(struct json_writer *w, const char *bracket)
{
    item_begin(w);
    if (w->depth + 1 >= DEPTH_BITS)
        w->out->failed = true;
    w->depth++;
    w->has_items &= ~depth_bit(w);
    (void)buffer_append(w->out, bracket, 1);
}

static void container_end(struct json_writer *w, const char *bracket)
{
    /* an end too many, or a name without its value, is our own mistake and must not look like JSON
     */
    if (w->depth == 0 || w->after_name)
        w->out->failed = true;
    else
        w->depth--;
    (void)buffer_append(w->out, bracket, 1);
}

void json_object_begin(struct json_writer *w)
{
    container_begin(w, "{");
}

void json_object_end(struct json_writer *w)
{
    container_end(w, "}");
}

void json_array_begin(struct json_writer *w)
{
    container_begin(w, "[");
}

void json_array_end(struct json_writer *w)
{
    container_end(w, "]");
}

static void escape_put(struct buffer *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[] = "btn.fr"; /* 8, 9, 10, (11), 12, 13 */
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

    if (c == '"' || c == '\\')
        text[1] = (char)c;
    else if (c >= 8 && c <= 13 && c != 11)
        text[1] = letters[c - 8];
    (void)buffer_append(out, text, text[1] == 'u' ? 6 : 2);
}

static void quoted_put(struct buffer *out, struct str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len, *from = p;

    (void)buffer_append(out, "\"", 1);
    while (p < end) {
        unsigned n;

        p = json_plain_end(p, end);
        if (p == end)
            break;
        if ((*p & 0x80) != 0 && (n = json_utf8_len(p, end)) != 0) {
            p += n;
            continue;
        }
        (void)buffer_append(out, from, (size_t)(p - from));
        if ((*p & 0x80) != 0)
            (void)buffer_append(out, "\xef\xbf\xbd", 3);
        else
            escape_put(out, (unsigned char)*p);
        from = ++p;
    }
    if (end > from)
        (void)buffer_append(out, from, (size_t)(end - from));
    (void)buffer_append(out, "\"", 1);
}

void json_name(struct json_writer *w, const char *name)
{
    if (w->after_name)
        w->out->failed = true;
    item_begin(w);
    quoted_put(w->out, str_of(name));
    (void)buffer_append(w->out, ":", 1);
    w->after_name = true;
}

void json_put_str(struct json_writer *w, struct str s)
{
    if (s.ptr == NULL) {
        json_put_null(w);
        return;
    }
    item_begin(w);
    quoted_put(w->out, s);
}

void json_put_z(struct json_writer *w, const char *z)
{
    json_put_str(w, str_of(z));
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    item_begin(w);
    (void)buffer_append_u64(w->out, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    item_begin(w);
    if (v < 0)
        (void)buffer_append(w->out, "-", 1);
    (void)buffer_append_u64(w->out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void json_put_bool(struct json_writer *w, bool v)
{
    item_begin(w);
    (void)buffer_append_z(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    item_begin(w);
    (void)buffer_append(w->out, "null", 4);
}

void json_put_raw(struct json_writer *w, struct str raw)
{
    if (raw.ptr == NULL || raw.len == 0) {
        json_put_null(w);
        return;
    }
    item_begin(w);
    (void)buffer_append_str(w->out, raw);
}

void json_field_str(struct json_writer *w, const char *name, struct str s)
{
    json_name(w, name);
    json_put_str(w, s);
}

void json_field_z(struct json_writer *w, const char *name, const char *z)
{
    json_name(w, name);
    json_put_z(w, z);
}

void json_field_u64(struct json_writer *w, const char *name, uint64_t v)
{
    json_name(w, name);
    json_put_u64(w, v);
}

void json_field_i64(struct json_writer *w, const char *name, int64_t v)
{
    json_name(w, name);
    json_put_i64(w, v);
}

void json_field_bool(struct json_writer *w, const char *name, bool v)
{
    json_name(w, name);
    json_put_bool(w, v);
}

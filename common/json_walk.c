/* Reading what was validated: stepping through containers, looking members up, decoding strings.
 * The text is trusted to be JSON but not to be bounded well: nothing here reads past raw, whatever
 * it holds. */
#include "common/json_kernel.h"

/* p at the opening quote. NULL when the string does not end before `end`. */
static const char *string_skip(const char *p, const char *end, bool *escaped)
{
    json_string_fn fn;
    const char *close = NULL;
    struct json_fault ignored;

    p++;
#if JSON_HAVE_X86
    if (end - p >= 16) {
        unsigned mask = json_special16(p);

        if (mask != 0 && p[__builtin_ctz(mask)] == '"')
            return p + __builtin_ctz(mask) + 1;
    }
#endif
    fn = json_string_best();
    if (fn != NULL)
        close = fn(p, end, escaped);
    if (close == NULL)
        close = json_string_scalar(p, end, escaped, &ignored);
    return close == NULL ? NULL : close + 1;
}

/* The next quote or bracket of either kind, or end. */
static const char *mark_find(const char *p, const char *end)
{
#if JSON_HAVE_X86
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* '[' and '{', and ']' and '}', differ in this bit only */
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
                                     _mm_cmpeq_epi8(folded, _mm_set1_epi8('}')));
        unsigned mask;

        marks = _mm_or_si128(marks, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        mask = (unsigned)_mm_movemask_epi8(marks);
        if (mask != 0)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}')
        p++;
    return p;
}

static const char *container_skip(const char *p, const char *end)
{
    size_t depth = 0;
    bool escaped;

    while ((p = mark_find(p, end)) < end) {
        if (*p == '"') {
            p = string_skip(p, end, &escaped);
            if (p == NULL)
                return NULL;
            continue;
        }
        depth += (*p | 0x20) == '{' ? 1 : (size_t)-1;
        p++;
        if (depth == 0)
            return p;
    }
    return NULL;
}

/* p at a value's first byte. False when it is cut. */
static bool value_skip(const char *p, const char *end, struct json_value *ret)
{
    const char *from = p;
    bool escaped = false;
    enum json_type type;

    if (p == end)
        return false;
    type = json_type_by(*p);
    if (type == JSON_STRING) {
        p = string_skip(p, end, &escaped);
    } else if (type == JSON_OBJECT || type == JSON_ARRAY) {
        p = container_skip(p, end);
    } else {
        while (p < end && !json_is_blank(*p) && *p != ',' && *p != '}' && *p != ']')
            p++;
    }
    if (p == NULL || p == from)
        return false;
    *ret = (struct json_value){type, escaped, {from, (size_t)(p - from)}};
    return true;
}

bool json_next(struct json_value container, size_t *pos, struct json_value *ret_name,
               struct json_value *ret_value)
{
    const char *end, *p;
    struct json_value name = {0}, value;

    if ((container.type != JSON_OBJECT && container.type != JSON_ARRAY) || container.raw.len < 2 ||
        *pos >= container.raw.len)
        return false;
    end = container.raw.ptr + container.raw.len - 1; /* the closing bracket */
    p = json_skip_blanks(container.raw.ptr + (*pos == 0 ? 1 : *pos), end);
    if (p == end)
        return false;
    if (*pos != 0) {
        if (*p != ',')
            return false;
        p = json_skip_blanks(p + 1, end);
    }
    if (container.type == JSON_OBJECT) {
        if (p == end || *p != '"' || !value_skip(p, end, &name))
            return false;
        p = json_skip_blanks(p + name.raw.len, end);
        if (p == end || *p != ':')
            return false;
        p = json_skip_blanks(p + 1, end);
    }
    if (!value_skip(p, end, &value))
        return false;
    *pos = (size_t)(value.raw.ptr + value.raw.len - container.raw.ptr);
    if (ret_name != NULL)
        *ret_name = name;
    if (ret_value != NULL)
        *ret_value = value;
    return true;
}

void json_wanted_reset(struct json_member *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wanted[i].found = false;
        wanted[i].value = (struct json_value){0};
        wanted[i].whole = STR_NONE;
    }
}

struct json_member *json_wanted_find(struct json_value name, struct json_member *wanted, size_t n)
{
    struct str text = json_text(name);

    for (size_t i = 0; i < n; i++) {
        /* on the way of every request: most names fall out by their length */
        if (name.escaped ? json_text_eq(name, wanted[i].name)
                         : text.len == wanted[i].name.len && str_eq(text, wanted[i].name))
            return &wanted[i];
    }
    return NULL;
}

bool json_members(struct json_value object, struct json_member *wanted, size_t n, struct error *err)
{
    struct json_value name, value;
    size_t pos = 0;

    json_wanted_reset(wanted, n);
    if (object.type != JSON_OBJECT)
        return json_fault_report(object.raw, (struct json_fault){object.raw.ptr, "object expected"},
                                 err);
    while (json_next(object, &pos, &name, &value)) {
        struct json_member *m = json_wanted_find(name, wanted, n);

        if (m == NULL)
            continue;
        if (m->found) {
            json_wanted_reset(wanted, n);
            return json_fault_report(
                object.raw, (struct json_fault){name.raw.ptr, "duplicate member name"}, err);
        }
        m->found = true;
        m->value = value;
        m->whole.ptr = name.raw.ptr;
        m->whole.len = (size_t)(value.raw.ptr + value.raw.len - name.raw.ptr);
    }
    return true;
}

struct str json_text(struct json_value v)
{
    if (v.type != JSON_STRING || v.raw.len < 2)
        return STR_NONE;
    return (struct str){v.raw.ptr + 1, v.raw.len - 2};
}

static unsigned utf8_encode(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* p at a backslash: decodes into out, returns the byte behind the escape, NULL when it is not one.
 */
static const char *escape_decode(const char *p, const char *end, char out[4], unsigned *ret_len)
{
    int high, low;

    if (end - p < 2)
        return NULL;
    out[0] = json_escape_char(p[1]);
    *ret_len = 1;
    if (out[0] != '\0')
        return p + 2;
    if (p[1] != 'u' || end - p < 6 || (high = json_hex4(p + 2)) < 0)
        return NULL;
    p += 6;
    if (high >= 0xd800 && high <= 0xdfff) {
        if (high > 0xdbff || end - p < 6 || p[0] != '\\' || p[1] != 'u')
            return NULL;
        low = json_hex4(p + 2);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    *ret_len = utf8_encode((unsigned)high, out);
    return p;
}

/* Bytes before the first backslash, copied; `room` is what out holds. SIZE_MAX when they do not
 * fit. */
static size_t copy_until_backslash(const char *p, const char *end, char *out, size_t room)
{
    size_t n = 0, left = (size_t)(end - p);

#if JSON_HAVE_X86
    while (left - n >= 16 && room - n >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + n));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));

        _mm_storeu_si128((__m128i *)(void *)(out + n), v);
        if (mask != 0)
            return n + (size_t)__builtin_ctz(mask);
        n += 16;
    }
#endif
    for (; n < left && p[n] != '\\'; n++) {
        if (n == room)
            return SIZE_MAX;
        out[n] = p[n];
    }
    return n;
}

bool json_unescape(struct json_value v, char *buf, size_t cap, size_t *ret_len)
{
    struct str text = json_text(v);
    const char *p = text.ptr, *end;
    size_t len = 0;

    if (p == NULL)
        return false;
    for (end = p + text.len; p < end;) {
        size_t n = copy_until_backslash(p, end, buf + len, cap - len);
        unsigned decoded;
        char out[4];

        if (n == SIZE_MAX)
            return false;
        len += n;
        p += n;
        if (p == end)
            break;
        p = escape_decode(p, end, out, &decoded);
        if (p == NULL || cap - len < decoded)
            return false;
        memcpy(buf + len, out, decoded);
        len += decoded;
    }
    *ret_len = len;
    return true;
}

bool json_text_eq(struct json_value v, struct str s)
{
    struct str text = json_text(v);
    const char *p = text.ptr, *end;
    size_t at = 0;

    if (p == NULL)
        return false;
    if (!v.escaped)
        return str_eq(text, s);
    if (text.len < s.len)
        return false;
    for (end = p + text.len; p < end;) {
        unsigned n = 1;
        char out[4];

        if (*p == '\\')
            p = escape_decode(p, end, out, &n);
        else
            out[0] = *p++;
        if (p == NULL || s.len - at < n || memcmp(out, s.ptr + at, n) != 0)
            return false;
        at += n;
    }
    return at == s.len;
}

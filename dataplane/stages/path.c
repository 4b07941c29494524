/* See path.h. */
#include "dataplane/stages/path.h"

#include "common/json_kernel.h"

bool path_decode(struct arena *a, struct str s, struct str *ret)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    if (!out) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3) {
                return false;
            }
            int h = str_hex_digit(s.ptr[i + 1]), l = str_hex_digit(s.ptr[i + 2]);
            if (h < 0 || l < 0) {
                return false;
            }
            c = h << 4 | l;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    *ret = (struct str){out, n};
    return true;
}

bool path_decode_name(struct arena *a, struct str s, struct str *ret)
{
    struct str name;
    if (!path_decode(a, s, &name) || name.len > PATH_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.len;) {
        unsigned n = json_utf8_len(name.ptr + i, name.ptr + name.len);
        if (n == 0) {
            return false;
        }
        i += n;
    }
    *ret = name;
    return true;
}

bool path_is_plain(struct arena *a, struct str s)
{
    struct str text;
    if (!path_decode(a, s, &text)) {
        return false;
    }
    size_t from = 0;
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && text.ptr[i] == '\\') {
            return false;
        }
        if (i < text.len && text.ptr[i] != '/') {
            continue;
        }
        struct str segment = str_slice(text, from, i - from);
        if (str_eqz(segment, ".") || str_eqz(segment, "..")) {
            return false;
        }
        from = i + 1;
    }
    return true;
}

/* Takes the next "name=value" off the query; false at its end. */
static bool next_parameter(struct str *query, struct str *ret_whole)
{
    struct str rest;
    if (!query->ptr) {
        return false;
    }
    if (str_cut(*query, '&', ret_whole, &rest)) {
        *query = rest;
    } else {
        *ret_whole = *query;
        *query = STR_NONE;
    }
    return true;
}

/* Compares as the provider will, which decodes names too. */
static bool is_named(struct str encoded, const char *name)
{
    size_t i = 0;
    for (; *name; name++) {
        int c = i < encoded.len ? (unsigned char)encoded.ptr[i++] : -1;
        if (c == '%' && encoded.len - i >= 2) {
            int h = str_hex_digit(encoded.ptr[i]), l = str_hex_digit(encoded.ptr[i + 1]);
            c = h < 0 || l < 0 ? -1 : h << 4 | l;
            i += 2;
        }
        if (c != (unsigned char)*name) {
            return false;
        }
    }
    return i == encoded.len;
}

static bool is_parameter(struct str whole, const char *name, struct str *ret_value)
{
    struct str head, value;
    if (!str_cut(whole, '=', &head, &value)) {
        head = whole;
        value = STR_LIT("");
    }
    *ret_value = value;
    return is_named(head, name);
}

struct str query_value(struct str query, const char *name)
{
    struct str whole, value;
    while (next_parameter(&query, &whole)) {
        if (is_parameter(whole, name, &value)) {
            return value;
        }
    }
    return STR_NONE;
}

unsigned query_count(struct str query, const char *name)
{
    struct str whole, value;
    unsigned n = 0;
    while (next_parameter(&query, &whole)) {
        n += is_parameter(whole, name, &value);
    }
    return n;
}

bool query_without(struct arena *a, struct str query, const char *name, struct str *ret)
{
    char *out = arena_alloc(a, query.len + 1);
    size_t n = 0;
    struct str whole, value;
    if (!out) {
        return false;
    }
    while (next_parameter(&query, &whole)) {
        if (is_parameter(whole, name, &value)) {
            continue;
        }
        if (n) {
            out[n++] = '&';
        }
        memcpy(out + n, whole.ptr, whole.len);
        n += whole.len;
    }
    *ret = n ? (struct str){out, n} : STR_NONE;
    return true;
}

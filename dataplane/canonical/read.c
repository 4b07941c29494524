/* JSON spans to neutral values; see read.h. */
#include "dataplane/canonical/read.h"

#include "common/json.h"

struct str read_text(struct arena *a, struct json_value v)
{
    size_t len = 0;
    if (v.type != JSON_STRING) {
        return STR_NONE;
    }
    if (!v.escaped) {
        return json_text(v);
    }
    char *out = arena_alloc(a, v.raw.len);
    if (!out || !json_unescape(v, out, v.raw.len, &len)) {
        return STR_NONE;
    }
    return (struct str){out, len};
}

struct str read_member(struct arena *a, const struct json_member *m)
{
    return m->found ? read_text(a, m->value) : STR_NONE;
}

bool read_text_member(struct arena *a, const struct json_member *m, const char *param,
                      struct str *ret, struct error *err)
{
    *ret = STR_NONE;
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_STRING) {
        return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be a string", param);
    }
    *ret = read_text(a, m->value);
    return ret->ptr || error_set(err, ERR_INTERNAL, "out of room for %s", param);
}

bool read_number_member(const struct json_member *m, const char *param, struct str *ret,
                        struct error *err)
{
    *ret = STR_NONE;
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_NUMBER) {
        return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be a number", param);
    }
    *ret = m->value.raw;
    return true;
}

/* A whole number however it is spelled. */
static bool whole(struct json_value v, uint64_t *ret)
{
    int64_t thousandths;
    if (v.type != JSON_NUMBER) {
        return false;
    }
    if (json_u64(v, ret)) {
        return true;
    }
    if (!json_decimal(v, 3, &thousandths) || thousandths < 0 || thousandths % 1000 != 0) {
        return false;
    }
    *ret = (uint64_t)(thousandths / 1000);
    return true;
}

bool read_u64_member(const struct json_member *m, const char *param, uint64_t *ret,
                     struct error *err)
{
    if (!read_there(m) || whole(m->value, ret)) {
        return true;
    }
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be a whole number", param);
}

bool read_bool_member(const struct json_member *m, const char *param, int *ret, struct error *err)
{
    if (!read_there(m)) {
        return true;
    }
    if (m->value.type != JSON_TRUE && m->value.type != JSON_FALSE) {
        return error_set_param(err, ERR_INVALID_FIELD, param, "%s must be true or false", param);
    }
    *ret = m->value.type == JSON_TRUE;
    return true;
}

struct str read_raw(const struct json_member *m)
{
    return read_there(m) ? m->value.raw : STR_NONE;
}

bool read_get(struct json_value object, const char *name, struct json_value *ret)
{
    size_t pos = 0;
    struct json_value key, value;
    struct str wanted = str_of(name);
    if (object.type != JSON_OBJECT) {
        return false;
    }
    while (json_next(object, &pos, &key, &value)) {
        if (json_text_eq(key, wanted)) {
            *ret = value;
            return value.type != JSON_NULL;
        }
    }
    return false;
}

uint64_t read_get_u64(struct json_value object, const char *name)
{
    struct json_value v;
    uint64_t n = 0;
    return read_get(object, name, &v) && whole(v, &n) ? n : 0;
}

struct str read_get_text(struct arena *a, struct json_value object, const char *name)
{
    struct json_value v;
    return read_get(object, name, &v) ? read_text(a, v) : STR_NONE;
}

bool read_json(struct str text, struct json_value *ret)
{
    return text.ptr && json_validate(text, 0, ret, NULL);
}

struct str arguments_of(struct arena *a, struct str text)
{
    struct json_value v;
    struct str plain = text.ptr ? str_trim(text) : STR_LIT("");
    if (plain.len == 0 || str_eqz(plain, "null")) {
        return STR_LIT("{}");
    }
    if (read_json(plain, &v) && v.type == JSON_OBJECT) {
        return plain;
    }
    struct buffer out;
    struct json_writer w;
    buffer_init(&out, 6 * text.len + 64);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_field_str(&w, "_raw", text);
    json_object_end(&w);
    struct str copy = out.failed ? STR_NONE : arena_str(a, buffer_str(&out));
    buffer_release(&out);
    return copy.ptr ? copy : STR_LIT("{}");
}

struct str parts_text(struct arena *a, const struct part *parts, size_t n, struct str between,
                      bool *ret_skipped)
{
    size_t len = 0, texts = 0;
    struct str only = STR_LIT("");
    bool skipped = false;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].type != PART_TEXT && parts[i].type != PART_REFUSAL) {
            skipped = true;
            continue;
        }
        len += parts[i].text.len + between.len;
        only = parts[i].text;
        texts++;
    }
    if (ret_skipped) {
        *ret_skipped = skipped;
    }
    if (texts <= 1) {
        return only.ptr ? only : STR_LIT("");
    }
    char *out = arena_alloc(a, len + 1);
    size_t at = 0;
    if (!out) {
        return STR_LIT("");
    }
    for (size_t i = 0; i < n; i++) {
        if (parts[i].type != PART_TEXT && parts[i].type != PART_REFUSAL) {
            continue;
        }
        if (at && between.len) {
            memcpy(out + at, between.ptr, between.len);
            at += between.len;
        }
        if (parts[i].text.len) {
            memcpy(out + at, parts[i].text.ptr, parts[i].text.len);
            at += parts[i].text.len;
        }
    }
    out[at] = '\0';
    return (struct str){out, at};
}

bool text_blank(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!strchr(" \t\r\n\v\f", s.ptr[i]) || s.ptr[i] == '\0') {
            return false;
        }
    }
    return true;
}

/* One part of Gemini's contents read; see gemini_inside.h. */
#include "dataplane/dialects/gemini_inside.h"

#include <stdio.h>

enum {
    TEXT,
    THOUGHT,
    SIGNATURE,
    INLINE_DATA,
    FILE_DATA,
    FUNCTION_CALL,
    FUNCTION_RESPONSE,
    VIDEO_METADATA,
    MEDIA_RESOLUTION,
    MEMBERS
};

#define PATH_MAX_LEN 64

static bool wrong(struct error *err, const char *path, const char *member, const char *what)
{
    char param[PATH_MAX_LEN];
    (void)snprintf(param, sizeof(param), "%s%s%s", path, *member ? "." : "", member);
    return error_set_param(err, ERR_INVALID_FIELD, param, "%s %s", param, what);
}

/* Google's SDKs may write the URL alphabet and leave out the padding; everybody else wants the
 * standard one. */
static struct str standard_base64(struct arena *a, struct str data)
{
    size_t pad = data.len % 4 ? 4 - data.len % 4 : 0;
    if (pad == 0 && !memchr(data.ptr, '-', data.len) && !memchr(data.ptr, '_', data.len)) {
        return data;
    }
    char *out = arena_alloc(a, data.len + 4);
    if (!out) {
        return STR_NONE;
    }
    for (size_t i = 0; i < data.len; i++) {
        char c = data.ptr[i];
        out[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    for (size_t i = 0; i < pad; i++) {
        out[data.len + i] = '=';
    }
    return (struct str){out, data.len + pad};
}

static void name_kind(struct part *ret)
{
    struct media *m = &ret->media;
    ret->type = gemini_kind_of_type(m->media_type);
    if (ret->type == PART_AUDIO) {
        m->format = media_format_of_type(m->media_type);
    }
}

static bool inline_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                        struct error *err)
{
    struct json_member m[] = {
        {.name = STR_LIT("data")}, {.name = STR_LIT("mimeType")}, {.name = STR_LIT("displayName")}};
    if (v.type != JSON_OBJECT || !gemini_members(v, m, 3)) {
        return wrong(err, path, "inlineData", "must be an object without doubles");
    }
    if (!m[0].found || m[0].value.type != JSON_STRING) {
        return wrong(err, path, "inlineData.data", "must be a base64 string");
    }
    struct str data = read_text(a, m[0].value);
    ret->media.data = data.ptr ? standard_base64(a, data) : STR_NONE;
    if (!ret->media.data.ptr) {
        return error_set(err, ERR_INTERNAL, "out of room for inline data");
    }
    ret->media.media_type = read_member(a, &m[1]);
    ret->media.name = read_member(a, &m[2]);
    name_kind(ret);
    return true;
}

static bool is_youtube(struct str url)
{
    static const char *const hosts[] = {"https://www.youtube.com/", "https://youtube.com/",
                                        "https://youtu.be/", "https://m.youtube.com/"};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        if (str_starts(url, str_of(hosts[i]))) {
            return true;
        }
    }
    return false;
}

static bool file_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                      struct error *err)
{
    static const struct str files = STR_LIT("https://generativelanguage.googleapis.com/");
    struct str uri = gemini_get_text(a, v, "fileUri");
    if (!uri.ptr || uri.len == 0) {
        return wrong(err, path, "fileData.fileUri", "must be a string");
    }
    ret->media.media_type = gemini_get_text(a, v, "mimeType");
    ret->media.name = gemini_get_text(a, v, "displayName");
    if (str_starts(uri, files)) {
        ret->media.file_id = uri;
    } else {
        ret->media.url = uri;
    }
    if (!ret->media.media_type.ptr) {
        ret->media.media_type = media_type_of_name(uri);
    }
    name_kind(ret);
    if (!ret->media.media_type.ptr && is_youtube(uri)) {
        ret->type = PART_VIDEO;
    }
    return true;
}

static bool call_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                      struct error *err)
{
    struct json_value args;
    ret->type = PART_TOOL_CALL;
    ret->id = gemini_get_text(a, v, "id");
    ret->name = gemini_get_text(a, v, "name");
    ret->arguments = STR_LIT("{}");
    if (!ret->name.ptr || ret->name.len == 0) {
        return wrong(err, path, "functionCall.name", "must be a string");
    }
    if (ret->id.ptr && ret->id.len == 0) {
        ret->id = STR_NONE;
    }
    if (gemini_get(v, "args", &args)) {
        if (args.type != JSON_OBJECT) {
            return wrong(err, path, "functionCall.args", "must be an object");
        }
        ret->arguments = args.raw;
    }
    return true;
}

/* {"result":"…"}, {"output":"…"}: the text; {"error":…}: a failure; else the object as it is. */
static struct str response_text(struct json_value v, struct arena *a, bool *ret_error)
{
    size_t pos = 0;
    struct json_value name, value, more;
    if (v.type == JSON_STRING) {
        return read_text(a, v);
    }
    if (v.type == JSON_OBJECT && json_next(v, &pos, &name, &value)) {
        bool alone = !json_next(v, &pos, NULL, &more);
        bool failed = alone && json_text_eq(name, STR_LIT("error"));
        bool known = failed || json_text_eq(name, STR_LIT("result")) ||
                     json_text_eq(name, STR_LIT("output"));
        *ret_error = failed;
        if (alone && known && value.type == JSON_STRING) {
            return read_text(a, value);
        }
        if (failed) {
            return value.raw;
        }
    }
    return v.raw;
}

static bool response_parts_read(struct json_value list, struct arena *a, const char *path,
                                struct part *ret, size_t *cap, struct error *err)
{
    size_t pos = 0;
    struct json_value v;
    while (json_next(list, &pos, NULL, &v)) {
        struct json_value data;
        struct part *p = part_add(a, &ret->parts, &ret->n_parts, cap);
        if (!p) {
            return error_set(err, ERR_INTERNAL, "out of room for parts");
        }
        bool is_inline = gemini_get(v, "inlineData", &data);
        if (!is_inline && !gemini_get(v, "fileData", &data)) {
            p->type = PART_NATIVE;
            p->raw = v.raw;
            p->family = FAMILY_GEMINI;
        } else if (is_inline ? !inline_read(data, a, path, p, err)
                             : !file_read(data, a, path, p, err)) {
            return false;
        }
    }
    return true;
}

static bool response_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                          struct error *err)
{
    struct json_value response, parts;
    size_t cap = 0;
    ret->type = PART_TOOL_RESULT;
    ret->id = gemini_get_text(a, v, "id");
    ret->name = gemini_get_text(a, v, "name");
    if (ret->id.ptr && ret->id.len == 0) {
        ret->id = STR_NONE;
    }
    if (!ret->id.ptr && (!ret->name.ptr || ret->name.len == 0)) {
        return wrong(err, path, "functionResponse.name", "must be a string");
    }
    if (gemini_get(v, "response", &response)) {
        struct part *p = part_add(a, &ret->parts, &ret->n_parts, &cap);
        if (!p) {
            return error_set(err, ERR_INTERNAL, "out of room for parts");
        }
        p->type = PART_TEXT;
        p->text = response_text(response, a, &ret->is_error);
    }
    return !gemini_get(v, "parts", &parts) || parts.type != JSON_ARRAY ||
           response_parts_read(parts, a, path, ret, &cap, err);
}

static bool text_read(const struct json_member *m, struct arena *a, const char *path,
                      struct part *ret, struct error *err)
{
    if (m[TEXT].found && m[TEXT].value.type != JSON_STRING) {
        return wrong(err, path, "text", "must be a string");
    }
    ret->type = m[THOUGHT].found && m[THOUGHT].value.type == JSON_TRUE ? PART_THINKING : PART_TEXT;
    ret->text = m[TEXT].found ? read_text(a, m[TEXT].value) : STR_LIT("");
    return ret->text.ptr || error_set(err, ERR_INTERNAL, "out of room for text");
}

static bool kind_read(struct json_value v, const struct json_member *m, struct arena *a,
                      const char *path, struct part *ret, struct error *err)
{
    size_t pos = 0;
    struct json_value any;
    if (m[FUNCTION_CALL].found) {
        return call_read(m[FUNCTION_CALL].value, a, path, ret, err);
    }
    if (m[FUNCTION_RESPONSE].found) {
        return response_read(m[FUNCTION_RESPONSE].value, a, path, ret, err);
    }
    if (m[INLINE_DATA].found) {
        return inline_read(m[INLINE_DATA].value, a, path, ret, err);
    }
    if (m[FILE_DATA].found) {
        return file_read(m[FILE_DATA].value, a, path, ret, err);
    }
    if (m[TEXT].found) {
        return text_read(m, a, path, ret, err);
    }
    while (json_next(v, &pos, NULL, &any)) {
        /* something this build does not know, beside flags that say nothing alone */
        if (any.type == JSON_OBJECT && any.raw.ptr != m[VIDEO_METADATA].value.raw.ptr &&
            any.raw.ptr != m[MEDIA_RESOLUTION].value.raw.ptr) {
            ret->type = PART_NATIVE;
            ret->raw = v.raw;
            ret->family = FAMILY_GEMINI;
            return true;
        }
    }
    if (m[SIGNATURE].found || m[THOUGHT].found) {
        return text_read(m, a, path, ret, err);
    }
    return wrong(err, path, "",
                 "must hold text, inlineData, fileData, functionCall or "
                 "functionResponse");
}

bool gemini_part_read(struct json_value v, struct arena *a, const char *path, struct part *ret,
                      struct str *ret_meta, struct error *err)
{
    struct json_member m[MEMBERS] = {
        [TEXT] = {.name = STR_LIT("text")},
        [THOUGHT] = {.name = STR_LIT("thought")},
        [SIGNATURE] = {.name = STR_LIT("thoughtSignature")},
        [INLINE_DATA] = {.name = STR_LIT("inlineData")},
        [FILE_DATA] = {.name = STR_LIT("fileData")},
        [FUNCTION_CALL] = {.name = STR_LIT("functionCall")},
        [FUNCTION_RESPONSE] = {.name = STR_LIT("functionResponse")},
        [VIDEO_METADATA] = {.name = STR_LIT("videoMetadata")},
        [MEDIA_RESOLUTION] = {.name = STR_LIT("mediaResolution")},
    };
    *ret_meta = STR_NONE;
    if (v.type == JSON_STRING) {
        ret->type = PART_TEXT;
        ret->text = read_text(a, v);
        return ret->text.ptr || error_set(err, ERR_INTERNAL, "out of room for text");
    }
    if (v.type != JSON_OBJECT) {
        return wrong(err, path, "", "must be an object");
    }
    if (!gemini_members(v, m, MEMBERS)) {
        return wrong(err, path, "", "names a member twice");
    }
    if (!kind_read(v, m, a, path, ret, err)) {
        return false;
    }
    if (m[SIGNATURE].found && ret->type != PART_NATIVE) {
        struct str text = read_text(a, m[SIGNATURE].value);
        if (text.len > 0) {
            gemini_signature_read(a, text, ret);
        }
    }
    const struct json_member *meta =
        m[VIDEO_METADATA].found ? &m[VIDEO_METADATA] : &m[MEDIA_RESOLUTION];
    *ret_meta = meta->found ? meta->value.raw : STR_NONE;
    return true;
}

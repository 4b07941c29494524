/* Images, sounds and documents between URL, base64 and names; see read.h. */
#include "common/crypto.h"
#include "dataplane/canonical/read.h"

struct str base64_text(struct arena *a, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    char *out = arena_alloc(a, 4 * (bytes.len / 3 + 1) + 1);
    size_t n = 0, i = 0;
    if (!out) {
        return STR_NONE;
    }
    for (; bytes.len - i >= 3; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        out[n++] = digits[v >> 18];
        out[n++] = digits[v >> 12 & 63];
        out[n++] = digits[v >> 6 & 63];
        out[n++] = digits[v & 63];
    }
    if (bytes.len - i > 0) {
        bool two = bytes.len - i == 2;
        uint32_t v = (uint32_t)p[i] << 16 | (two ? (uint32_t)p[i + 1] << 8 : 0);
        out[n++] = digits[v >> 18];
        out[n++] = digits[v >> 12 & 63];
        out[n++] = two ? digits[v >> 6 & 63] : '=';
        out[n++] = '=';
    }
    out[n] = '\0';
    return (struct str){out, n};
}

struct str base64_bytes(struct arena *a, struct str text)
{
    size_t cap = text.len / 4 * 3 + 4, len = 0;
    uint8_t *out = arena_alloc(a, cap);
    if (!out || !crypto_unbase64(text, out, cap, &len)) {
        return STR_NONE;
    }
    return (struct str){(const char *)out, len};
}

static struct str percent_decoded(struct arena *a, struct str s)
{
    char *out = arena_alloc(a, s.len + 1);
    size_t n = 0;
    if (!out) {
        return STR_NONE;
    }
    for (size_t i = 0; i < s.len; i++) {
        int high = -1, low = -1;
        if (s.ptr[i] == '%' && s.len - i > 2) {
            high = str_hex_digit(s.ptr[i + 1]);
            low = str_hex_digit(s.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    return (struct str){out, n};
}

bool media_of_url(struct arena *a, struct str url, struct media *ret)
{
    static const struct str scheme = STR_LIT("data:");
    struct str head, data, type, rest;
    if (url.len < scheme.len || !str_eq_nocase(str_slice(url, 0, scheme.len), scheme)) {
        ret->url = url;
        return url.len > 0;
    }
    if (!str_cut(str_slice(url, scheme.len, url.len), ',', &head, &data)) {
        return false;
    }
    bool base64 =
        head.len >= 7 && str_eq_nocase(str_slice(head, head.len - 7, 7), STR_LIT(";base64"));
    type = head;
    (void)str_cut(head, ';', &type, &rest);
    ret->media_type = type.len ? type : STR_LIT("text/plain");
    if (base64) {
        ret->data = data;
        return data.len > 0;
    }
    struct str bytes = percent_decoded(a, data);
    ret->data = bytes.ptr ? base64_text(a, bytes) : STR_NONE;
    return ret->data.ptr != NULL;
}

struct str media_url(struct arena *a, const struct media *m)
{
    if (!m->data.ptr) {
        return m->url;
    }
    struct str type = m->media_type.ptr ? m->media_type : STR_LIT("application/octet-stream");
    size_t room = type.len + m->data.len + 16, n = 0;
    char *out = arena_alloc(a, room);
    if (!out) {
        return STR_NONE;
    }
    const struct str pieces[] = {STR_LIT("data:"), type, STR_LIT(";base64,"), m->data};
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        memcpy(out + n, pieces[i].ptr, pieces[i].len);
        n += pieces[i].len;
    }
    out[n] = '\0';
    return (struct str){out, n};
}

/* The first row of an ending, and the first of a type, are the ones that a search finds. */
static const struct {
    const char *ending, *type;
} types[] = {
    {"png", "image/png"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"heic", "image/heic"},
    {"heif", "image/heif"},
    {"bmp", "image/bmp"},
    {"svg", "image/svg+xml"},
    {"pdf", "application/pdf"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"html", "text/html"},
    {"htm", "text/html"},
    {"txt", "text/plain"},
    {"md", "text/markdown"},
    {"json", "application/json"},
    {"wav", "audio/wav"},
    {"wav", "audio/x-wav"},
    {"mp3", "audio/mpeg"},
    {"mp3", "audio/mp3"},
    {"mpeg", "video/mpeg"},
    {"flac", "audio/flac"},
    {"opus", "audio/opus"},
    {"aac", "audio/aac"},
    {"ogg", "audio/ogg"},
    {"aiff", "audio/aiff"},
    {"m4a", "audio/m4a"},
    {"pcm16", "audio/pcm"},
    {"pcm", "audio/pcm"},
    {"pcm16", "audio/L16"},
    {"webm", "video/webm"},
    {"mp4", "video/mp4"},
    {"mov", "video/quicktime"},
    {"mov", "video/mov"},
    {"mkv", "video/x-matroska"},
    {"flv", "video/x-flv"},
    {"mpg", "video/mpg"},
    {"wmv", "video/wmv"},
    {"three_gp", "video/3gpp"},
    {"3gp", "video/3gpp"},
    {"avi", "video/x-msvideo"},
};

static struct str type_of_ending(struct str ending)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq_nocase(ending, str_of(types[i].ending))) {
            return str_of(types[i].type);
        }
    }
    return STR_NONE;
}

struct str media_type_of_format(struct str format)
{
    return type_of_ending(format);
}

struct str media_type_of_name(struct str name)
{
    struct str path = name, rest;
    (void)str_cut(path, '?', &path, &rest);
    (void)str_cut(path, '#', &path, &rest);
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '.' && path.ptr[at - 1] != '/') {
        at--;
    }
    if (at == 0 || path.ptr[at - 1] != '.') {
        return STR_NONE;
    }
    return type_of_ending(str_slice(path, at, path.len));
}

struct str media_format_of_type(struct str media_type)
{
    struct str type = media_type, rest;
    (void)str_cut(media_type, ';', &type, &rest);
    type = str_trim(type);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (str_eq_nocase(type, str_of(types[i].type))) {
            return str_of(types[i].ending);
        }
    }
    return STR_NONE;
}

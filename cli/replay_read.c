/* The requests of a file to replay, and the configs that they are replayed by. */
#include "cli/replay.h"

#include <ctype.h>
#include <unistd.h>

#include "cli/document_file.h"
#include "cli/file.h"
#include "cli/http.h"
#include "common/json.h"

#define FILE_MAX_BYTES ((size_t)1 << 30)
#define CONFIG_MAX_BYTES ((size_t)1 << 20)
#define OWN_HEADERS 4 /* that we add */

static struct str text_of(struct json_value v, struct arena *a)
{
    char *room = arena_alloc(a, v.raw.len + 1);
    size_t n = 0;
    if (!room || !json_unescape(v, room, v.raw.len, &n)) {
        return STR_NONE;
    }
    room[n] = '\0';
    return (struct str){room, n};
}

/* What the replay says itself, and what belongs to the connection that was. */
static bool is_dropped(struct str name)
{
    static const char *const names[] = {"host",
                                        "connection",
                                        "content-length",
                                        "transfer-encoding",
                                        "authorization",
                                        "x-api-key",
                                        "api-key",
                                        "x-goog-api-key",
                                        "x-weir-key",
                                        "x-weir-config",
                                        "x-portkey-config",
                                        "x-portkey-api-key",
                                        "cf-aig-authorization",
                                        "accept-encoding",
                                        "expect"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eq_nocase(name, str_of(names[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_header_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return s.ptr != NULL;
}

static bool take_headers(struct json_value object, struct arena *a, struct replay_case *ret,
                         struct error *err)
{
    const char **list = arena_zalloc(a, HTTP_HEADERS_MAX * sizeof *list);
    struct json_value name, value;
    size_t pos = 0;
    while (list && json_next(object, &pos, &name, &value)) {
        struct str n = text_of(name, a);
        struct str v = value.type == JSON_STRING ? text_of(value, a) : value.raw;
        if (!is_header_text(n) || n.len == 0 || !is_header_text(v)) {
            return error_set(err, ERR_INVALID_FIELD, "a header field is not well formed");
        }
        if (is_dropped(n)) {
            continue;
        }
        if (ret->n_headers + OWN_HEADERS >= HTTP_HEADERS_MAX) {
            return error_set(err, ERR_INVALID_FIELD, "too many header fields");
        }
        list[ret->n_headers++] = arena_printf(a, "%.*s: %.*s", STR_ARG(n), STR_ARG(v)).ptr;
    }
    ret->headers = list;
    return list || error_set(err, ERR_BODY_TOO_LARGE, "the file needs too much memory");
}

static bool take_method(struct json_value v, struct arena *a, struct replay_case *ret,
                        struct error *err)
{
    struct str text = v.type == JSON_STRING ? text_of(v, a) : STR_NONE;
    for (size_t i = 0; i < text.len; i++) {
        if (!isalpha((unsigned char)text.ptr[i])) {
            text = STR_NONE;
        }
    }
    if (text.len == 0) {
        return error_set(err, ERR_INVALID_FIELD, "method must be a word such as POST");
    }
    ret->method = text.ptr;
    return true;
}

static bool take_path(struct json_value v, struct arena *a, struct replay_case *ret,
                      struct error *err)
{
    struct str text = v.type == JSON_STRING ? text_of(v, a) : STR_NONE;
    bool ok = text.len && text.ptr[0] == '/';
    for (size_t i = 0; i < text.len; i++) {
        ok = ok && text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    }
    ret->path = text.ptr;
    return ok || error_set(err, ERR_INVALID_FIELD, "path must be a text that begins with '/'");
}

static bool take_line(struct str line, struct arena *a, struct replay_case *ret, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("method")},
                              {.name = STR_LIT("path")},
                              {.name = STR_LIT("headers")},
                              {.name = STR_LIT("body")}};
    struct json_value none = {.type = JSON_NULL};
    if (!json_scan(line, m, 4, 0, err)) {
        return false;
    }
    struct json_value headers = m[2].found ? m[2].value : none;
    if (headers.type != JSON_NULL && headers.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "headers must be an object");
    }
    ret->body = STR_NONE;
    if (m[3].found && m[3].value.type == JSON_STRING) {
        ret->body = text_of(m[3].value, a); /* bytes that are no JSON, or had better stay as is */
    } else if (m[3].found && m[3].value.type != JSON_NULL) {
        ret->body = m[3].value.raw;
    }
    ret->method = ret->body.ptr ? "POST" : "GET";
    return take_path(m[1].found ? m[1].value : none, a, ret, err) &&
           (!m[0].found || take_method(m[0].value, a, ret, err)) &&
           take_headers(headers, a, ret, err);
}

bool replay_read(const char *path, FILE *in, uint64_t limit, struct replay *ret, struct error *err)
{
    struct buffer text;
    buffer_init(&text, FILE_MAX_BYTES);
    if (!file_read(path, in, &text, err)) {
        buffer_release(&text);
        return false;
    }
    struct str rest = arena_str(ret->arena, buffer_str(&text)), line;
    size_t lines = 1;
    buffer_release(&text);
    for (size_t i = 0; i < rest.len; i++) {
        lines += rest.ptr[i] == '\n';
    }
    ret->cases = arena_zalloc(ret->arena, lines * sizeof *ret->cases);
    if (!rest.ptr || !ret->cases) {
        return error_set(err, ERR_BODY_TOO_LARGE, "\"%.160s\" needs too much memory", path);
    }
    for (int at = 1; rest.len && (limit == 0 || ret->n < limit); at++) {
        struct str tail = STR_NONE;
        struct error why = ERROR_INIT;
        if (!str_cut(rest, '\n', &line, &tail)) {
            line = rest;
        }
        rest = tail;
        line = str_trim(line);
        if (line.len == 0) {
            continue;
        }
        struct replay_case *k = &ret->cases[ret->n];
        if (!take_line(line, ret->arena, k, &why)) {
            error_set(err, ERR_INVALID_FIELD, "%.80s:%d: %.140s", path, at, error_text(&why));
            err->line = at;
            return false;
        }
        k->line = at;
        ret->n++;
    }
    return ret->n > 0 || error_set(err, ERR_INVALID_FIELD, "\"%.160s\" holds no request", path);
}

/* ---- configs ---- */

/* Header fields hold ASCII: other characters as \uXXXX, and no line ends. */
static bool put_ascii(struct str json, struct buffer *ret)
{
    for (size_t i = 0; i < json.len; i++) {
        unsigned char b = (unsigned char)json.ptr[i];
        if (b == '\n' || b == '\r' || b == '\t') {
            continue; /* between values only: in texts they are escaped */
        }
        if (b < 0x80) {
            buffer_append(ret, &json.ptr[i], 1);
            continue;
        }
        unsigned more = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
        uint32_t code = b & (0x3fu >> more);
        for (unsigned k = 0; k < more && i + 1 < json.len; k++) {
            code = code << 6 | ((unsigned char)json.ptr[++i] & 0x3fu);
        }
        if (code >= 0x10000) {
            code -= 0x10000;
            buffer_printf(ret, "\\u%04x\\u%04x", 0xd800 + (code >> 10), 0xdc00 + (code & 0x3ff));
        } else {
            buffer_printf(ret, "\\u%04x", code);
        }
    }
    return !ret->failed;
}

bool replay_config(struct cli *c, const char *text, struct arena *a, const char **ret_header,
                   const char **ret_shown, struct error *err)
{
    *ret_header = NULL;
    *ret_shown = "in force";
    if (!text) {
        return true;
    }
    *ret_shown = text;
    if (access(text, R_OK) != 0 && !strchr(text, '/') && strcmp(text, "-") != 0) {
        if (!is_header_text(str_of(text))) {
            return error_set(err, ERR_INVALID_FIELD, "\"%.80s\" is no reference", text);
        }
        *ret_header = arena_printf(a, "x-weir-config: %s", text).ptr;
        return true;
    }
    struct buffer json, ascii;
    buffer_init(&json, CONFIG_MAX_BYTES);
    buffer_init(&ascii, 6 * CONFIG_MAX_BYTES);
    bool ok = document_file_read(text, c->in, &json, err);
    if (ok) {
        buffer_append_z(&ascii, "x-weir-config: ");
        ok = put_ascii(buffer_str(&json), &ascii) ||
             error_set(err, ERR_BODY_TOO_LARGE, "\"%.160s\" is too large", text);
    }
    if (ok) {
        *ret_header = arena_str(a, buffer_str(&ascii)).ptr;
    }
    buffer_release(&json);
    buffer_release(&ascii);
    return ok;
}

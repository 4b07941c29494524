/* The code table's look-ups, and how detail gets into a struct error. */
#include "common/base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct error_row {
    const char *code;
    int status;
    const char *type;
    const char *text;
};

#define ERROR_ROW(name, code, status, type, text) [ERR_##name] = {code, status, type, text},
static const struct error_row rows[ERR_COUNT] = {ERROR_TABLE(ERROR_ROW)};
#undef ERROR_ROW

static const struct error_row *row_of(enum error_code code)
{
    return &rows[(unsigned)code < ERR_COUNT ? code : ERR_INTERNAL];
}

const char *error_code_name(enum error_code code)
{
    return row_of(code)->code;
}

int error_status(enum error_code code)
{
    return row_of(code)->status;
}

const char *error_type(enum error_code code)
{
    return row_of(code)->type;
}

const char *error_text(const struct error *e)
{
    return e->text[0] ? e->text : row_of(e->code)->text;
}

/* Length of the well-formed UTF-8 sequence at p (n bytes left), 0 when there is none. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || n < len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    /* overlong forms, surrogates, and past U+10FFFF show in the second byte */
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return len;
}

/* Copies z into out (size bytes), cut to fit between characters; bytes that are not UTF-8 become
 * '?'. */
static void copy_utf8(const char *z, char *out, size_t size)
{
    size_t n = strlen(z), at = 0;
    for (size_t i = 0; i < n;) {
        size_t len = utf8_length((const unsigned char *)z + i, n - i);
        size_t take = len ? len : 1;
        if (at + take >= size) {
            break;
        }
        memcpy(out + at, len ? z + i : "?", take);
        at += take;
        i += take;
    }
    out[at] = '\0';
}

/* The arguments may point into *e (a message that wraps the last one), so nothing is written before
 * everything is read. */
static bool set(struct error *e, enum error_code code, const char *param, const char *fmt,
                va_list args) __attribute__((format(printf, 4, 0)));

static bool set(struct error *e, enum error_code code, const char *param, const char *fmt,
                va_list args)
{
    char text[sizeof(e->text) * 2];
    char where[sizeof(e->param)];
    if (!e) {
        return false;
    }
    if (vsnprintf(text, sizeof(text), fmt, args) < 0) {
        text[0] = '\0';
    }
    copy_utf8(param ? param : "", where, sizeof(where));
    *e = (struct error){.code = code, .offset = -1};
    copy_utf8(text, e->text, sizeof(e->text));
    memcpy(e->param, where, sizeof(where));
    return false;
}

bool error_set(struct error *e, enum error_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)set(e, code, NULL, fmt, args);
    va_end(args);
    return false;
}

bool error_set_param(struct error *e, enum error_code code, const char *param, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)set(e, code, param, fmt, args);
    va_end(args);
    return false;
}

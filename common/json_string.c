/* Strings, a byte at a time and by SSE2: the readers that json_kernel.h describes. The scalar one
 * is the reference (and what other machines than x86-64 run); SSE2 is the baseline of x86-64 and
 * steps from one special byte to the next. json_string_avx2.c is the fast one. */
#include "common/json_kernel.h"

/* What a byte means inside a string: 0 is plain text. */
enum { PLAIN = 0, QUOTE, BACKSLASH, CONTROL, HIGH };

static const unsigned char byte_class[256] = {
    [0x00 ... 0x1f] = CONTROL,
    ['"'] = QUOTE,
    ['\\'] = BACKSLASH,
    [0x80 ... 0xff] = HIGH,
};

static const char escape_value[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* digit + 1, so that the unnamed rest is 0 */
static const unsigned char hex_value[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

char json_escape_char(char c)
{
    return escape_value[(unsigned char)c];
}

int json_hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        unsigned d = hex_value[(unsigned char)p[i]];

        if (d == 0)
            return -1;
        v = v << 4 | (d - 1);
    }
    return (int)v;
}

static bool is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

unsigned json_utf8_len(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);

    if (left == 0)
        return 0;
    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xc2 || u[0] > 0xf4)
        return 0;
    if (u[0] < 0xe0)
        return left >= 2 && is_tail(u[1]) ? 2 : 0;
    if (u[0] < 0xf0) {
        if (left < 3 || !is_tail(u[1]) || !is_tail(u[2]))
            return 0;
        if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f))
            return 0;
        return 3;
    }
    if (left < 4 || !is_tail(u[1]) || !is_tail(u[2]) || !is_tail(u[3]))
        return 0;
    if ((u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return 4;
}

static const char *fault(struct json_fault *ret, const char *at, const char *why)
{
    ret->at = at;
    ret->why = why;
    return NULL;
}

/* p at a backslash; returns the byte behind the escape (both halves of a surrogate pair). An
 * unknown or cut escape is blamed on the byte that broke it, a lone surrogate on its backslash. */
static const char *escape_read(const char *p, const char *end, struct json_fault *ret_fault)
{
    const char *d = p + 2;
    int unit;

    if (end - p < 2)
        return fault(ret_fault, end, "string is not closed");
    if (escape_value[(unsigned char)p[1]] != 0)
        return d;
    if (p[1] != 'u')
        return fault(ret_fault, p + 1, "unknown escape in string");
    for (; d < p + 6; d++) {
        if (d == end)
            return fault(ret_fault, end, "string is not closed");
        if (hex_value[(unsigned char)*d] == 0)
            return fault(ret_fault, d, "\\u needs four hex digits");
    }
    unit = json_hex4(p + 2);
    if (unit < 0xd800 || unit > 0xdfff)
        return d;
    if (unit > 0xdbff || end - d < 2 || d[0] != '\\' || d[1] != 'u')
        return fault(ret_fault, p, "lone surrogate in \\u escape");
    for (p = d, d += 2; d < p + 6; d++) {
        if (d == end)
            return fault(ret_fault, end, "string is not closed");
        if (hex_value[(unsigned char)*d] == 0)
            return fault(ret_fault, d, "\\u needs four hex digits");
    }
    unit = json_hex4(p + 2);
    if (unit < 0xdc00 || unit > 0xdfff)
        return fault(ret_fault, p - 6, "lone surrogate in \\u escape");
    return d;
}

const char *json_string_scalar(const char *p, const char *end, bool *escaped,
                               struct json_fault *ret_fault)
{
    for (;;) {
        unsigned n;

        while (p < end && byte_class[(unsigned char)*p] == PLAIN)
            p++;
        if (p == end)
            return fault(ret_fault, p, "string is not closed");
        switch (byte_class[(unsigned char)*p]) {
        case QUOTE:
            return p;
        case BACKSLASH:
            *escaped = true;
            p = escape_read(p, end, ret_fault);
            if (p == NULL)
                return NULL;
            break;
        case HIGH:
            n = json_utf8_len(p, end);
            if (n == 0)
                return fault(ret_fault, p, "invalid UTF-8");
            p += n;
            break;
        default:
            return fault(ret_fault, p, "control character in string");
        }
    }
}

#if JSON_HAVE_X86

const char *json_string_sse2(const char *p, const char *end, bool *escaped)
{
    struct json_fault ignored;

    while (end - p >= 16) {
        unsigned mask = json_special16(p);
        unsigned n;

        if (mask == 0) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(mask);
        switch (byte_class[(unsigned char)*p]) {
        case QUOTE:
            return p;
        case BACKSLASH:
            *escaped = true;
            p = escape_read(p, end, &ignored);
            if (p == NULL)
                return NULL;
            break;
        case HIGH:
            /* such text comes in runs, so stay with it */
            while (p < end && (*p & 0x80) != 0) {
                n = json_utf8_len(p, end);
                if (n == 0)
                    return NULL;
                p += n;
            }
            break;
        default:
            return NULL;
        }
    }
    return json_string_scalar(p, end, escaped, &ignored);
}

#endif

const char *json_plain_end(const char *p, const char *end)
{
#if JSON_HAVE_X86
    while (end - p >= 16) {
        unsigned mask = json_special16(p);

        if (mask != 0)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && byte_class[(unsigned char)*p] == PLAIN)
        p++;
    return p;
}

bool json_path_present(enum json_path path)
{
    switch (path) {
    case JSON_PATH_SCALAR:
        return true;
#if JSON_HAVE_X86
    case JSON_PATH_SSE2:
        return true;
    case JSON_PATH_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#endif
    default:
        return false;
    }
}

json_string_fn json_string_by(enum json_path path)
{
#if JSON_HAVE_X86
    if (path == JSON_PATH_AVX2 && json_path_present(path))
        return json_string_avx2;
    if (path == JSON_PATH_SSE2)
        return json_string_sse2;
#endif
    (void)path;
    return NULL;
}

json_string_fn json_string_best(void)
{
#if JSON_HAVE_X86
    /* libgcc reads CPUID once at start; this is a load and a test. */
    return json_path_present(JSON_PATH_AVX2) ? json_string_avx2 : json_string_sse2;
#else
    return NULL;
#endif
}

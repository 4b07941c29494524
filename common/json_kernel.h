/* Inside of common/json*.c: how the bytes of one string are checked, and by which instructions.
 * Nobody else includes this, save the tests and the fuzz driver, which compare one path with
 * another.
 *
 * The rule that keeps the paths equal: only the scalar reader may refuse. A vector reader answers
 * "the string is good and ends here" or "I do not know"; then the scalar reader looks at that
 * string again and names the bad byte. So a fault costs a second look, and every path gives the
 * same verdict and offset. */
#ifndef COMMON_JSON_KERNEL_H
#define COMMON_JSON_KERNEL_H

#include "common/json.h"

#if defined(__x86_64__)
#define JSON_HAVE_X86 1
#include <emmintrin.h>
#else
#define JSON_HAVE_X86 0
#endif

enum json_path { JSON_PATH_SCALAR = 0, JSON_PATH_SSE2, JSON_PATH_AVX2, JSON_PATH_COUNT };

/* Where a text stops being JSON, and what was expected there. */
struct json_fault {
    const char *at;
    const char *why;
};

/* Both take p just behind the opening quote and return the closing one.
 * Scalar: NULL with *ret_fault set. Vector: NULL for "ask the scalar reader". *escaped is set when
 * a backslash was seen, and otherwise left alone. */
const char *json_string_scalar(const char *p, const char *end, bool *escaped,
                               struct json_fault *ret_fault);
typedef const char *(*json_string_fn)(const char *p, const char *end, bool *escaped);
#if JSON_HAVE_X86
const char *json_string_sse2(const char *p, const char *end, bool *escaped);
const char *json_string_avx2(const char *p, const char *end, bool *escaped);
#endif

#if JSON_HAVE_X86
/* Bit i: p[i] is a quote, a backslash, a control character or not ASCII. 16 bytes are read. */
static inline unsigned json_special16(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    __m128i any = _mm_or_si128(_mm_or_si128(quote, slash), control);

    /* a byte above 0x7f has the sign bit that movemask takes */
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(any, v));
}
#endif

/* Blanks of the grammar. */
static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_blanks(const char *p, const char *end)
{
    /* compact text has none, laid-out text has a line feed and a run of spaces */
    if (p < end && !json_is_blank(*p))
        return p;
#if JSON_HAVE_X86
    while (end - p >= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i space = _mm_cmpeq_epi8(v, _mm_set1_epi8(' '));
        __m128i feed = _mm_cmpeq_epi8(v, _mm_set1_epi8('\n'));
        __m128i more = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')),
                                    _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
        unsigned mask;

        mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(space, feed), more));
        if (mask != 0xffff)
            return p + __builtin_ctz(~mask);
        p += 16;
    }
#endif
    while (p < end && json_is_blank(*p))
        p++;
    return p;
}

/* The type that a value's first byte gives away (of valid text). */
static inline enum json_type json_type_by(char c)
{
    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* Clears the outputs of all wanted members. */
void json_wanted_reset(struct json_member *wanted, size_t n);
/* The wanted member that a name (a string value) means, or NULL. */
struct json_member *json_wanted_find(struct json_value name, struct json_member *wanted, size_t n);
/* Fills *err for a fault inside text; err may be NULL. Returns false. */
bool json_fault_report(struct str text, struct json_fault fault, struct error *err);

/* NULL for JSON_PATH_SCALAR and for paths that this machine lacks. */
json_string_fn json_string_by(enum json_path path);
/* The best path here: asked once, then remembered. */
json_string_fn json_string_best(void);
bool json_path_present(enum json_path path);

/* Length of the well-formed UTF-8 sequence at p (1 to 4), 0 when there is none (Unicode table 3-7).
 */
unsigned json_utf8_len(const char *p, const char *end);
/* Reads four hex digits; -1 when they are not. The caller has checked that four bytes are there. */
int json_hex4(const char *p);
/* Value of a simple escape's letter ('n' gives 10), 0 when there is none ('u' too). */
char json_escape_char(char c);
/* First byte of [p, end) that is a quote, a backslash, a control character or not ASCII. */
const char *json_plain_end(const char *p, const char *end);

/* json_scan and json_validate by a named path: `fn` NULL is scalar. wanted may be NULL when n is 0.
 */
bool json_scan_by(json_string_fn fn, struct str text, struct json_member *wanted, size_t n,
                  unsigned max_depth, struct error *err);
bool json_validate_by(json_string_fn fn, struct str text, unsigned max_depth,
                      struct json_value *ret, struct error *err);

#endif

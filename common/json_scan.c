/* The grammar of RFC 8259, once from left to right without recursion: a bit per open container says
 * whether it is an object. Strings go to the readers of json_kernel.h; the wanted members of the
 * top-level object are noted in passing. */
#include "common/json_kernel.h"

#include <limits.h>

struct scan {
    const char *p, *end;
    json_string_fn fn; /* NULL: scalar only */
    struct json_member *wanted;
    size_t wanted_count;
    struct json_member *member; /* the wanted member whose value is being read */
    const char *value_at;       /* where the value of a top-level member starts */
    unsigned depth, max_depth;
    uint64_t objects[JSON_MAX_DEPTH / 64]; /* by depth - 1 */
    bool escaped;                          /* of the last string */
    struct json_fault fault;
};

static bool scan_fault(struct scan *s, const char *at, const char *why)
{
    s->fault.at = at;
    s->fault.why = why;
    return false;
}

/* p at the opening quote; leaves it behind the closing one. */
static inline bool string_scan(struct scan *s)
{
    const char *p = s->p + 1, *close = NULL;

    s->escaped = false;
#if JSON_HAVE_X86
    /* Most names and many values are short: one look at 16 bytes finds their end without a call. */
    if (s->fn != NULL && s->end - p >= 16) {
        unsigned mask = json_special16(p);

        if (mask != 0 && p[__builtin_ctz(mask)] == '"') {
            s->p = p + __builtin_ctz(mask) + 1;
            return true;
        }
    }
#endif
    if (s->fn != NULL)
        close = s->fn(p, s->end, &s->escaped);
    if (close == NULL) {
        s->escaped = false;
        close = json_string_scalar(p, s->end, &s->escaped, &s->fault);
        if (close == NULL)
            return false;
    }
    s->p = close + 1;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool digits_scan(struct scan *s, const char *why)
{
    if (s->p == s->end || !is_digit(*s->p))
        return scan_fault(s, s->p, why);
    while (s->p < s->end && is_digit(*s->p))
        s->p++;
    return true;
}

static bool number_scan(struct scan *s)
{
    if (*s->p == '-')
        s->p++;
    if (s->p < s->end && *s->p == '0') {
        s->p++;
        if (s->p < s->end && is_digit(*s->p))
            return scan_fault(s, s->p, "number with a leading zero");
    } else if (!digits_scan(s, "digit expected in number")) {
        return false;
    }
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!digits_scan(s, "digit expected behind the decimal point"))
            return false;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        return digits_scan(s, "digit expected in exponent");
    }
    return true;
}

static bool word_scan(struct scan *s, const char *word)
{
    for (; *word != '\0'; word++, s->p++) {
        if (s->p == s->end || *s->p != *word)
            return scan_fault(s, s->p, "value expected");
    }
    return true;
}

static bool container_open(struct scan *s, bool object)
{
    uint64_t bit = 1ULL << (s->depth % 64);

    if (s->depth == s->max_depth)
        return scan_fault(s, s->p, "nested too deeply");
    if (object)
        s->objects[s->depth / 64] |= bit;
    else
        s->objects[s->depth / 64] &= ~bit;
    s->depth++;
    s->p = json_skip_blanks(s->p + 1, s->end);
    return true;
}

static inline bool in_object(const struct scan *s)
{
    return (s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1) != 0;
}

/* A member's name and colon; leaves p at the value. */
static bool name_scan(struct scan *s)
{
    const char *at = s->p;

    if (at == s->end || *at != '"')
        return scan_fault(s, at, "member name expected");
    if (!string_scan(s))
        return false;
    if (s->depth == 1 && s->wanted_count > 0) {
        struct json_value name = {JSON_STRING, s->escaped, {at, (size_t)(s->p - at)}};

        s->member = json_wanted_find(name, s->wanted, s->wanted_count);
        if (s->member != NULL) {
            if (s->member->found)
                return scan_fault(s, at, "duplicate member name");
            s->member->whole.ptr = at;
        }
    }
    s->p = json_skip_blanks(s->p, s->end);
    if (s->p == s->end || *s->p != ':')
        return scan_fault(s, s->p, "':' expected");
    s->p = json_skip_blanks(s->p + 1, s->end);
    if (s->depth == 1)
        s->value_at = s->p;
    return true;
}

static void member_found(struct scan *s)
{
    struct json_member *m = s->member;

    m->found = true;
    m->value.type = json_type_by(*s->value_at);
    m->value.escaped = m->value.type == JSON_STRING && s->escaped;
    m->value.raw = (struct str){s->value_at, (size_t)(s->p - s->value_at)};
    m->whole.len = (size_t)(s->p - m->whole.ptr);
    s->member = NULL;
}

static bool scalar_scan(struct scan *s)
{
    if (s->p == s->end)
        return scan_fault(s, s->p, "value expected");
    switch (*s->p) {
    case '"':
        return string_scan(s);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number_scan(s);
    case 't':
        return word_scan(s, "true");
    case 'f':
        return word_scan(s, "false");
    case 'n':
        return word_scan(s, "null");
    default:
        return scan_fault(s, s->p, "value expected");
    }
}

/* One value and all in it; p at its first byte, then behind its last. */
static bool value_scan(struct scan *s)
{
    for (;;) {
        char c = s->p < s->end ? *s->p : '\0';

        if (c == '{' || c == '[') {
            char close = c == '{' ? '}' : ']';

            if (!container_open(s, c == '{'))
                return false;
            if (s->p == s->end || *s->p != close) {
                if (c == '{' && !name_scan(s))
                    return false;
                continue;
            }
            s->p++;
            s->depth--;
        } else if (!scalar_scan(s)) {
            return false;
        }
        /* A value has ended: close what ends here, until another value begins. */
        for (;;) {
            bool object;

            if (s->depth == 0)
                return true;
            if (s->member != NULL && s->depth == 1)
                member_found(s);
            object = in_object(s);
            s->p = json_skip_blanks(s->p, s->end);
            c = s->p < s->end ? *s->p : '\0';
            if (c == ',') {
                s->p = json_skip_blanks(s->p + 1, s->end);
                if (object && !name_scan(s))
                    return false;
                break;
            }
            if (c != (object ? '}' : ']'))
                return scan_fault(s, s->p, object ? "',' or '}' expected" : "',' or ']' expected");
            s->p++;
            s->depth--;
        }
    }
}

static bool text_scan(struct scan *s, bool object_only, struct json_value *ret)
{
    const char *start = json_skip_blanks(s->p, s->end);

    if (start == s->end)
        return scan_fault(s, start, "value expected");
    if (object_only && *start != '{')
        return scan_fault(s, start, "top level must be an object");
    s->p = start;
    if (!value_scan(s))
        return false;
    if (ret != NULL) {
        ret->type = json_type_by(*start);
        ret->escaped = ret->type == JSON_STRING && s->escaped;
        ret->raw = (struct str){start, (size_t)(s->p - start)};
    }
    s->p = json_skip_blanks(s->p, s->end);
    if (s->p != s->end)
        return scan_fault(s, s->p, "more bytes behind the value");
    return true;
}

bool json_fault_report(struct str text, struct json_fault fault, struct error *err)
{
    const char *line_at = text.ptr, *p = text.ptr;
    int line = 1, column;

    if (err == NULL)
        return false;
    while (p < fault.at && (p = memchr(p, '\n', (size_t)(fault.at - p))) != NULL) {
        line_at = ++p;
        if (line < INT_MAX)
            line++;
    }
    column = fault.at - line_at < INT_MAX ? (int)(fault.at - line_at) + 1 : INT_MAX;
    (void)error_set(err, ERR_INVALID_JSON, "invalid JSON at line %d column %d: %s", line, column,
                    fault.why);
    err->offset = fault.at - text.ptr;
    err->line = line;
    err->column = column;
    return false;
}

static unsigned depth_limit(unsigned max_depth)
{
    return max_depth == 0 || max_depth > JSON_MAX_DEPTH ? JSON_MAX_DEPTH : max_depth;
}

static struct scan scan_of(json_string_fn fn, struct str text, unsigned max_depth)
{
    struct scan s = {.fn = fn, .max_depth = depth_limit(max_depth)};

    s.p = text.ptr != NULL ? text.ptr : "";
    s.end = s.p + text.len;
    return s;
}

bool json_scan_by(json_string_fn fn, struct str text, struct json_member *wanted, size_t n,
                  unsigned max_depth, struct error *err)
{
    struct scan s = scan_of(fn, text, max_depth);

    text.ptr = s.p;
    s.wanted = wanted;
    s.wanted_count = n;
    json_wanted_reset(wanted, n);
    if (text_scan(&s, true, NULL))
        return true;
    json_wanted_reset(wanted, n);
    return json_fault_report(text, s.fault, err);
}

bool json_validate_by(json_string_fn fn, struct str text, unsigned max_depth,
                      struct json_value *ret, struct error *err)
{
    struct scan s = scan_of(fn, text, max_depth);
    struct json_value value;

    text.ptr = s.p;
    if (!text_scan(&s, false, &value))
        return json_fault_report(text, s.fault, err);
    if (ret != NULL)
        *ret = value;
    return true;
}

bool json_scan(struct str text, struct json_member *wanted, size_t n, unsigned max_depth,
               struct error *err)
{
    return json_scan_by(json_string_best(), text, wanted, n, max_depth, err);
}

bool json_validate(struct str text, unsigned max_depth, struct json_value *ret, struct error *err)
{
    return json_validate_by(json_string_best(), text, max_depth, ret, err);
}

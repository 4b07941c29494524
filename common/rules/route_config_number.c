/* Numbers as JavaScript's parseFloat reads them, in fixed point: never a float. */
#include "common/rules/route_config.h"

#define DIGITS_MAX 19 /* that a 64-bit number holds for certain */
#define EXPONENT_MAX 100000

static bool is_digit(struct str s, size_t i)
{
    return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* Blanks as JavaScript has them, as far as anybody types them: ASCII's, U+00A0, U+FEFF. */
static size_t blanks_skip(struct str s)
{
    size_t i = 0;
    while (i < s.len) {
        if (strchr(" \t\n\v\f\r", s.ptr[i]) && s.ptr[i]) {
            i++;
        } else if (str_starts(str_slice(s, i, 2), STR_LIT("\xc2\xa0"))) {
            i += 2;
        } else if (str_starts(str_slice(s, i, 3), STR_LIT("\xef\xbb\xbf"))) {
            i += 3;
        } else {
            break;
        }
    }
    return i;
}

struct decimal {
    uint64_t digits;
    int n; /* of digits */
    int64_t exponent;
    bool any;
};

static void digits_read(struct str s, size_t *i, bool fraction, struct decimal *d)
{
    for (; is_digit(s, *i); (*i)++) {
        unsigned digit = (unsigned)(s.ptr[*i] - '0');
        d->any = true;
        if (d->n < DIGITS_MAX) {
            d->digits = d->digits * 10 + digit;
            d->n += d->digits != 0;
            d->exponent -= fraction;
        } else {
            d->exponent += !fraction; /* too small to matter but for its place */
        }
    }
}

/* "e5", "E-3"; without digits it is no part of the number. */
static void exponent_read(struct str s, size_t i, struct decimal *d)
{
    int64_t n = 0;
    if (i >= s.len || (s.ptr[i] | 0x20) != 'e') {
        return;
    }
    i++;
    bool negative = i < s.len && s.ptr[i] == '-';
    i += i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+');
    for (; is_digit(s, i); i++) {
        n = n < EXPONENT_MAX ? n * 10 + (s.ptr[i] - '0') : n;
    }
    d->exponent += negative ? -n : n;
}

bool route_number(struct str text, int64_t *ret_micro)
{
    struct decimal d = {0};
    size_t i = blanks_skip(text);
    bool negative = i < text.len && text.ptr[i] == '-';
    i += i < text.len && (text.ptr[i] == '-' || text.ptr[i] == '+');
    digits_read(text, &i, false, &d);
    if (i < text.len && text.ptr[i] == '.') {
        i++;
        digits_read(text, &i, true, &d);
    }
    if (!d.any) {
        return false;
    }
    exponent_read(text, i, &d);
    uint64_t v = d.digits;
    int64_t exponent = d.exponent + 6;
    for (; v && exponent > 0; exponent--) {
        v = v > UINT64_MAX / 10 ? UINT64_MAX : v * 10;
        if (v == UINT64_MAX) {
            break;
        }
    }
    for (; v && exponent < -1; exponent++) {
        v /= 10;
    }
    v = exponent == -1 ? v / 10 + (v % 10 >= 5) : v;
    v = v > INT64_MAX ? INT64_MAX : v;
    *ret_micro = negative ? -(int64_t)v : (int64_t)v;
    return true;
}

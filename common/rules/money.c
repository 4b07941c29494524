/* Digits are gathered into one integer and moved by powers of ten, so every step is exact or
 * refused. */
#include "common/rules/money.h"

#define TEXT_MAX 64
#define DECIMALS_MAX 18
#define EXPONENT_MAX 1000

/* A text in pieces: digits without the point, and how many of them stand behind it. */
struct decimal {
    char digits[TEXT_MAX];
    size_t n;
    int64_t behind;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool read_exponent(struct str s, int64_t *ret)
{
    uint64_t e;
    bool minus = s.len > 0 && s.ptr[0] == '-';
    if (minus || (s.len > 0 && s.ptr[0] == '+')) {
        s = str_slice(s, 1, s.len);
    }
    if (!str_to_u64(s, &e) || e > EXPONENT_MAX) {
        return false;
    }
    *ret = minus ? -(int64_t)e : (int64_t)e;
    return true;
}

static bool read_decimal(struct str s, struct decimal *ret)
{
    size_t i = 0;
    bool point = false;
    int64_t exponent = 0;
    *ret = (struct decimal){.n = 0};
    if (s.len > TEXT_MAX) {
        return false;
    }
    for (; i < s.len && (is_digit(s.ptr[i]) || (s.ptr[i] == '.' && !point)); i++) {
        if (s.ptr[i] == '.') {
            point = true;
            continue;
        }
        ret->digits[ret->n++] = s.ptr[i];
        ret->behind += point;
    }
    if (ret->n == 0) {
        return false;
    }
    if (i < s.len) {
        if ((s.ptr[i] | 0x20) != 'e' || !read_exponent(str_slice(s, i + 1, s.len), &exponent)) {
            return false;
        }
    }
    ret->behind -= exponent;
    return true;
}

static bool push_digit(uint64_t *v, unsigned digit)
{
    return !__builtin_mul_overflow(*v, (uint64_t)10, v) &&
           !__builtin_add_overflow(*v, (uint64_t)digit, v);
}

bool money_parse(struct str text, unsigned decimals, uint64_t *ret)
{
    struct decimal d;
    uint64_t v = 0;
    if (decimals > DECIMALS_MAX || !read_decimal(text, &d)) {
        return false;
    }
    while (d.n > 0 && d.digits[d.n - 1] == '0') {
        d.n--;
        d.behind--;
    }
    if (d.n == 0) {
        *ret = 0;
        return true;
    }
    /* what is left ends in a digit that counts */
    if (d.behind > (int64_t)decimals) {
        return false;
    }
    for (size_t i = 0; i < d.n; i++) {
        if (!push_digit(&v, (unsigned)(d.digits[i] - '0'))) {
            return false;
        }
    }
    for (int64_t i = d.behind; v > 0 && i < (int64_t)decimals; i++) {
        if (!push_digit(&v, 0)) {
            return false;
        }
    }
    *ret = v;
    return true;
}

size_t money_format(uint64_t v, unsigned decimals, char *out, size_t room)
{
    char reversed[MONEY_TEXT_MAX];
    size_t n = 0, keep = decimals == MONEY_DECIMALS ? 2 : 0;
    bool counts = false; /* a digit that is no trailing zero has been seen */
    if (decimals > DECIMALS_MAX) {
        return 0;
    }
    for (unsigned place = 0; place < decimals; place++, v /= 10) {
        counts = counts || v % 10 != 0 || decimals - place <= keep;
        if (counts) {
            reversed[n++] = (char)('0' + v % 10);
        }
    }
    if (n > 0) {
        reversed[n++] = '.';
    }
    do {
        reversed[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    if (n + 1 > room) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        out[i] = reversed[n - 1 - i];
    }
    out[n] = '\0';
    return n;
}

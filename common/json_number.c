/* Numbers as integers and as fixed-point decimals, read from their digits; nothing goes through a
 * float. */
#include "common/json_kernel.h"

static bool number_text(struct json_value v, struct str *ret)
{
    if (v.type != JSON_NUMBER || v.raw.len == 0)
        return false;
    *ret = v.raw;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* acc * 10 + digit; false when that passes 64 bits. */
static bool digit_push(uint64_t *acc, unsigned digit)
{
    unsigned long long wide;

    if (__builtin_umulll_overflow(*acc, 10, &wide) || __builtin_uaddll_overflow(wide, digit, &wide))
        return false;
    *acc = wide;
    return true;
}

static bool integer_read(struct str text, bool *ret_negative, uint64_t *ret)
{
    size_t i = text.ptr[0] == '-' ? 1 : 0;
    uint64_t acc = 0;

    *ret_negative = i == 1;
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (!is_digit(text.ptr[i]) || !digit_push(&acc, (unsigned)(text.ptr[i] - '0')))
            return false;
    }
    *ret = acc;
    return true;
}

bool json_u64(struct json_value v, uint64_t *ret)
{
    struct str text;
    uint64_t value;
    bool negative;

    if (!number_text(v, &text) || !integer_read(text, &negative, &value) || negative)
        return false;
    *ret = value;
    return true;
}

/* Puts the sign on a magnitude; false when it leaves int64_t. */
static bool sign_apply(bool negative, uint64_t magnitude, int64_t *ret)
{
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    if (!negative)
        *ret = (int64_t)magnitude;
    else
        *ret = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    return true;
}

bool json_i64(struct json_value v, int64_t *ret)
{
    struct str text;
    uint64_t value;
    bool negative;

    return number_text(v, &text) && integer_read(text, &negative, &value) &&
           sign_apply(negative, value, ret);
}

/* The exponent behind 'e', cut at a size that no text's length can make up for. */
static bool exponent_read(const char *p, const char *end, int64_t *ret)
{
    const int64_t top = INT64_MAX / 100;
    bool negative = false;
    int64_t e = 0;

    if (p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (e < top)
            e = e * 10 + (*p - '0');
    }
    *ret = negative ? -e : e;
    return true;
}

/* What the digits come to, before rounding. */
struct decimal {
    uint64_t whole;
    unsigned next; /* the first digit that was cut off */
    bool rest;     /* a digit behind that is not 0 */
};

/* `weight` is the power of ten of the first digit. */
static bool decimal_sum(const char *p, const char *end, int64_t weight, struct decimal *d)
{
    for (; p < end; p++) {
        unsigned digit;

        if (*p == '.')
            continue;
        if (!is_digit(*p))
            return false;
        digit = (unsigned)(*p - '0');
        if (weight >= 0 && !digit_push(&d->whole, digit))
            return false;
        if (weight == -1)
            d->next = digit;
        else if (weight < -1 && digit != 0)
            d->rest = true;
        weight--;
    }
    /* digits that the exponent adds */
    for (; weight >= 0 && d->whole != 0; weight--) {
        if (!digit_push(&d->whole, 0))
            return false;
    }
    return true;
}

bool json_decimal(struct json_value v, unsigned scale, int64_t *ret)
{
    struct str text;
    const char *p, *end, *digits_end, *point;
    struct decimal d = {0};
    int64_t exponent = 0;
    bool negative;

    if (!number_text(v, &text))
        return false;
    p = text.ptr;
    end = p + text.len;
    negative = *p == '-';
    if (negative)
        p++;
    for (digits_end = p; digits_end < end && *digits_end != 'e' && *digits_end != 'E';)
        digits_end++;
    if (digits_end < end && !exponent_read(digits_end + 1, end, &exponent))
        return false;
    point = memchr(p, '.', (size_t)(digits_end - p));
    if (point == NULL)
        point = digits_end;
    if (point == p || !decimal_sum(p, digits_end, (point - p) - 1 + exponent + (int64_t)scale, &d))
        return false;
    /* half up means towards plus infinity, so below zero a plain half stays */
    if (d.next > 5 || (d.next == 5 && (!negative || d.rest))) {
        if (d.whole == UINT64_MAX)
            return false;
        d.whole++;
    }
    return sign_apply(negative, d.whole, ret);
}

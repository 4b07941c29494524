#include "dataplane/cache/short_number.h"

#include <stdio.h>

#define EXPONENT_DIGITS 15 /* more are left as they are */

struct output {
    char *ptr;
    size_t len, cap;
    bool failed;
};

static void put(struct output *x, const char *p, size_t n)
{
    if (n > x->cap - x->len) {
        x->failed = true;
        return;
    }
    memcpy(x->ptr + x->len, p, n);
    x->len += n;
}

static void put_char(struct output *x, char c)
{
    put(x, &c, 1);
}

struct number {
    bool negative;
    struct str whole, part; /* digits before and behind the point */
    int64_t exponent;       /* of ten, as written */
    size_t first, last;     /* first and last digit that is not 0, over both */
};

static char digit(const struct number *n, size_t i)
{
    return i < n->whole.len ? n->whole.ptr[i] : n->part.ptr[i - n->whole.len];
}

static struct str digits_of(struct str *s)
{
    struct str d = {s->ptr, 0};
    while (d.len < s->len && s->ptr[d.len] >= '0' && s->ptr[d.len] <= '9') {
        d.len++;
    }
    *s = (struct str){s->ptr + d.len, s->len - d.len};
    return d;
}

static bool take(struct str *s, char c)
{
    bool there = s->len && (*s->ptr == c || (*s->ptr | 0x20) == c);
    if (there) {
        *s = (struct str){s->ptr + 1, s->len - 1};
    }
    return there;
}

/* False: its exponent is out of all reason. */
static bool number_read(struct str s, struct number *n)
{
    *n = (struct number){.negative = take(&s, '-'), .part = {"", 0}};
    n->whole = digits_of(&s);
    if (take(&s, '.')) {
        n->part = digits_of(&s);
    }
    if (take(&s, 'e')) {
        bool minus = take(&s, '-');
        (void)take(&s, '+');
        while (s.len > 1 && *s.ptr == '0') {
            s = (struct str){s.ptr + 1, s.len - 1};
        }
        if (s.len > EXPONENT_DIGITS) {
            return false;
        }
        for (size_t i = 0; i < s.len; i++) {
            n->exponent = n->exponent * 10 + (s.ptr[i] - '0');
        }
        n->exponent = minus ? -n->exponent : n->exponent;
    }
    size_t all = n->whole.len + n->part.len;
    while (n->first < all && digit(n, n->first) == '0') {
        n->first++;
    }
    n->last = all;
    while (n->last > n->first && digit(n, n->last - 1) == '0') {
        n->last--;
    }
    return true;
}

static void put_digits(struct output *x, const struct number *n, size_t from, size_t to)
{
    for (; from < to; from++) {
        put_char(x, digit(n, from));
    }
}

static void put_zeros(struct output *x, int64_t n)
{
    while (n-- > 0) {
        put_char(x, '0');
    }
}

/* Digits times ten to the e: with a point and zeros, or as an integer with an exponent, whichever
 * is shorter. */
static void put_number(struct output *x, const struct number *n)
{
    int64_t count = (int64_t)(n->last - n->first);
    int64_t e = n->exponent + (int64_t)n->whole.len - (int64_t)n->last;
    char power[32];
    int power_len = snprintf(power, sizeof(power), "e%lld", (long long)e);
    int64_t whole = count + e; /* digits before the point */
    int64_t plain = e >= 0 ? whole : whole > 0 ? count + 1 : 2 - e;
    if (n->negative) {
        put_char(x, '-');
    }
    if (plain > count + power_len) {
        put_digits(x, n, n->first, n->last);
        put(x, power, (size_t)power_len);
    } else if (e >= 0) {
        put_digits(x, n, n->first, n->last);
        put_zeros(x, e);
    } else if (whole > 0) {
        put_digits(x, n, n->first, n->first + (size_t)whole);
        put_char(x, '.');
        put_digits(x, n, n->first + (size_t)whole, n->last);
    } else {
        put(x, "0.", 2);
        put_zeros(x, -whole);
        put_digits(x, n, n->first, n->last);
    }
}

bool short_number(struct str raw, char *out, size_t cap, size_t *ret_len)
{
    struct output x = {.ptr = out, .cap = cap};
    struct number n;
    if (!number_read(raw, &n)) {
        put(&x, raw.ptr, raw.len);
    } else if (n.first == n.last) {
        put_char(&x, '0'); /* of either sign */
    } else {
        put_number(&x, &n);
    }
    if (x.failed) {
        return false;
    }
    *ret_len = x.len;
    return true;
}

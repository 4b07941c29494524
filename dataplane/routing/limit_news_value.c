/* Numbers are whole ones and thousandths, read digit by digit; whatever overflows is cut. */
#include "dataplane/routing/limit_news_value.h"

#include <stdio.h>

#include "common/base/clock.h"

#define EPOCH_S UINT64_C(1000000000)     /* as seconds from now it would be thirty years */
#define EPOCH_MS UINT64_C(1000000000000) /* as Unix seconds the year 33658 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Digits at *pos and a fraction, cut to thousandths; saturating. False: no digit there. */
static bool take_decimal(struct str s, size_t *pos, uint64_t *ret_whole, uint64_t *ret_milli)
{
    size_t at = *pos;
    uint64_t whole = 0, milli = 0;
    bool any = false;
    for (; at < s.len && is_digit(s.ptr[at]); at++, any = true) {
        if (__builtin_mul_overflow(whole, (uint64_t)10, &whole) ||
            __builtin_add_overflow(whole, (uint64_t)(s.ptr[at] - '0'), &whole)) {
            whole = INT64_MAX;
        }
        whole = whole < INT64_MAX ? whole : INT64_MAX;
    }
    if (at < s.len && s.ptr[at] == '.') {
        uint64_t scale = 100;
        for (at++; at < s.len && is_digit(s.ptr[at]); at++, any = true) {
            milli += (uint64_t)(s.ptr[at] - '0') * scale;
            scale /= 10;
        }
    }
    if (!any) {
        return false;
    }
    *pos = at;
    *ret_whole = whole;
    *ret_milli = milli;
    return true;
}

static uint64_t to_ms(uint64_t whole, uint64_t milli, uint64_t unit_ms)
{
    uint64_t ms;
    if (__builtin_mul_overflow(whole, unit_ms, &ms) || ms > LIMIT_NEWS_MAX_MS) {
        return LIMIT_NEWS_MAX_MS;
    }
    return ms + milli * unit_ms / 1000;
}

bool limit_count_read(struct str text, uint64_t *ret)
{
    struct str s = str_trim(text);
    uint64_t whole, milli;
    size_t pos = 0;
    if (!take_decimal(s, &pos, &whole, &milli) ||
        (pos < s.len && s.ptr[pos] != ',' && s.ptr[pos] != ';' && s.ptr[pos] != ' ')) {
        return false;
    }
    *ret = whole;
    return true;
}

bool limit_number_read(struct str text, uint64_t unit_ms, uint64_t *ret_ms)
{
    struct str s = str_trim(text);
    bool negative = s.len > 0 && s.ptr[0] == '-';
    size_t pos = negative ? 1 : 0;
    uint64_t whole, milli;
    if (!take_decimal(s, &pos, &whole, &milli) || pos != s.len) {
        return false;
    }
    *ret_ms = negative ? 0 : to_ms(whole, milli, unit_ms);
    return true;
}

/* The unit's length in microseconds; 0: none of ours. Longer names come before what they begin
 * with.
 */
static uint64_t take_unit(struct str s, size_t *pos)
{
    static const struct {
        struct str name;
        uint64_t us;
    } units[] = {{STR_LIT("ms"), 1000},
                 {STR_LIT("us"), 1},
                 {STR_LIT("\xc2\xb5s"), 1},
                 {STR_LIT("\xce\xbcs"), 1},
                 {STR_LIT("d"), UINT64_C(86400000000)},
                 {STR_LIT("h"), UINT64_C(3600000000)},
                 {STR_LIT("m"), 60000000},
                 {STR_LIT("s"), 1000000}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq_nocase(str_slice(s, *pos, units[i].name.len), units[i].name)) {
            *pos += units[i].name.len;
            return units[i].us;
        }
    }
    return 0;
}

/* "1h2m3.5s"; what is left of a millisecond counts as a whole one. */
static bool duration_read(struct str s, uint64_t *ret_ms)
{
    uint64_t total_us = 0;
    size_t pos = 0;
    if (s.len == 0) {
        return false;
    }
    while (pos < s.len) {
        uint64_t whole, milli, part;
        if (!take_decimal(s, &pos, &whole, &milli)) {
            return false;
        }
        uint64_t unit_us = take_unit(s, &pos);
        if (unit_us == 0) {
            return false;
        }
        if (__builtin_mul_overflow(whole, unit_us, &part) ||
            __builtin_add_overflow(part, milli * unit_us / 1000, &part) ||
            __builtin_add_overflow(total_us, part, &total_us)) {
            total_us = LIMIT_NEWS_MAX_MS * 1000;
        }
        total_us = total_us < LIMIT_NEWS_MAX_MS * 1000 ? total_us : LIMIT_NEWS_MAX_MS * 1000;
    }
    *ret_ms = (total_us + 999) / 1000;
    return true;
}

static uint64_t ms_until(uint64_t then_ms, int64_t wall_s)
{
    uint64_t now_ms = 0;
    if (wall_s > 0 && __builtin_mul_overflow((uint64_t)wall_s, (uint64_t)1000, &now_ms)) {
        return 0;
    }
    uint64_t ms = then_ms > now_ms ? then_ms - now_ms : 0;
    return ms < LIMIT_NEWS_MAX_MS ? ms : LIMIT_NEWS_MAX_MS;
}

static unsigned month_of(struct str name)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    for (unsigned i = 0; i < 12 && name.len >= 3; i++) {
        if (lower(name.ptr[0]) == names[3 * i] && lower(name.ptr[1]) == names[3 * i + 1] &&
            lower(name.ptr[2]) == names[3 * i + 2]) {
            return i + 1;
        }
    }
    return 0;
}

/* Words and times of an HTTP date, which its three forms have in different order: "Sun, 06 Nov 1994
 * 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". What is left is the
 * day (comes first) and the year. */
static bool http_date_read(struct str s, uint64_t *ret_wall_ms)
{
    struct str time = STR_NONE;
    unsigned month = 0, n_numbers = 0;
    uint64_t numbers[2] = {0, 0};
    for (size_t pos = 0; pos < s.len;) {
        size_t end = pos;
        while (end < s.len && s.ptr[end] != ' ' && s.ptr[end] != ',' && s.ptr[end] != '-') {
            end++;
        }
        struct str word = str_slice(s, pos, end - pos);
        pos = end + 1;
        if (word.len == 8 && word.ptr[2] == ':') {
            time = word;
        } else if (word.len > 0 && is_digit(word.ptr[0])) {
            if (n_numbers == 2 || word.len > 4 || !str_to_u64(word, &numbers[n_numbers++])) {
                return false;
            }
        } else if (word.len == 3 && month == 0) {
            month = month_of(word);
        }
    }
    if (!time.ptr || month == 0 || n_numbers != 2 || numbers[0] > 31) {
        return false;
    }
    if (numbers[1] < 100) {
        numbers[1] += numbers[1] < 70 ? 2000 : 1900;
    }
    char text[32];
    int len = snprintf(text, sizeof(text), "%04u-%02u-%02uT%.8sZ", (unsigned)numbers[1], month,
                       (unsigned)numbers[0], time.ptr);
    return len > 0 && clock_parse_rfc3339((struct str){text, (size_t)len}, ret_wall_ms);
}

bool limit_time_read(struct str text, int64_t wall_s, uint64_t *ret_ms)
{
    struct str s = str_trim(text);
    uint64_t whole, milli, wall_ms;
    size_t pos = 0;
    if (limit_number_read(s, 1000, ret_ms)) {
        if (take_decimal(s, &pos, &whole, &milli) && whole >= EPOCH_S) {
            bool in_ms = whole >= EPOCH_MS;
            wall_ms = in_ms ? whole : whole * 1000 + milli;
            *ret_ms = ms_until(wall_ms, wall_s);
        }
        return true;
    }
    if (clock_parse_rfc3339(s, &wall_ms) || http_date_read(s, &wall_ms)) {
        *ret_ms = ms_until(wall_ms, wall_s);
        return true;
    }
    return duration_read(s, ret_ms);
}

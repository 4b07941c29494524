/* The kernel's clocks behind two replaceable sources, and RFC 3339 text by plain arithmetic: no
 * time zone data, no locale, no static buffer. */
#include "common/base/clock.h"

#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000ull
#define MS_PER_DAY 86400000ull
#define MS_YEAR_10000 253402300800000ull /* 10000-01-01T00:00:00Z: past what RFC 3339 can write */

static uint64_t kernel_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t); /* cannot fail for these ids */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t kernel_mono_ns(void)
{
    return kernel_ns(CLOCK_MONOTONIC);
}

static uint64_t kernel_wall_ns(void)
{
    return kernel_ns(CLOCK_REALTIME);
}

static clock_fn source_mono = kernel_mono_ns;
static clock_fn source_wall = kernel_wall_ns;

void clock_set_source(clock_fn mono_ns, clock_fn wall_ns)
{
    source_mono = mono_ns ? mono_ns : kernel_mono_ns;
    source_wall = wall_ns ? wall_ns : kernel_wall_ns;
}

uint64_t clock_mono_ns(void)
{
    return source_mono();
}

uint64_t clock_mono_ms(void)
{
    return source_mono() / 1000000u;
}

uint64_t clock_wall_ms(void)
{
    return source_wall() / 1000000u;
}

uint64_t clock_wall_us(void)
{
    return source_wall() / 1000u;
}

/* Days since 1970-01-01 to a civil date and back, in the proleptic Gregorian calendar. Years are
 * counted from March, so that the leap day is the last of its year and month lengths follow one
 * line. */
static void civil_of_days(uint64_t days, unsigned *ret_y, unsigned *ret_m, unsigned *ret_d)
{
    uint64_t z = days + 719468; /* days since 0000-03-01 */
    uint64_t era = z / 146097;
    uint64_t doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint64_t mp = (5 * doy + 2) / 153;
    *ret_d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *ret_m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *ret_y = (unsigned)(yoe + era * 400 + (*ret_m <= 2));
}

static uint64_t days_of_civil(unsigned y, unsigned m, unsigned d)
{
    uint64_t year = y - (m <= 2);
    uint64_t era = year / 400;
    uint64_t yoe = year % 400;
    uint64_t doy = (153u * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static char *put_digits(char *at, unsigned v, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return at + width;
}

void clock_format_rfc3339(uint64_t wall_ms, char buf[static 25])
{
    if (wall_ms >= MS_YEAR_10000) {
        wall_ms = MS_YEAR_10000 - 1;
    }
    unsigned year, month, day;
    civil_of_days(wall_ms / MS_PER_DAY, &year, &month, &day);
    unsigned ms = (unsigned)(wall_ms % MS_PER_DAY);
    char *at = put_digits(buf, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day, 2);
    *at++ = 'T';
    at = put_digits(at, ms / 3600000, 2);
    *at++ = ':';
    at = put_digits(at, ms / 60000 % 60, 2);
    *at++ = ':';
    at = put_digits(at, ms / 1000 % 60, 2);
    *at++ = '.';
    at = put_digits(at, ms % 1000, 3);
    *at++ = 'Z';
    *at = '\0';
}

/* `width` digits at *pos, then past the separator `sep` (0: none). */
static bool take_number(struct str s, size_t *pos, size_t width, char sep, unsigned *ret)
{
    uint64_t v;
    if (s.len < *pos + width + (sep != 0) || !str_to_u64(str_slice(s, *pos, width), &v)) {
        return false;
    }
    *pos += width;
    if (sep && s.ptr[(*pos)++] != sep) {
        return false;
    }
    *ret = (unsigned)v;
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* ".123" at *pos, if there; digits past the third are read and dropped. */
static bool take_fraction(struct str s, size_t *pos, unsigned *ret_ms)
{
    unsigned ms = 0, scale = 100;
    *ret_ms = 0;
    if (*pos >= s.len || s.ptr[*pos] != '.') {
        return true;
    }
    size_t start = ++*pos;
    while (*pos < s.len && s.ptr[*pos] >= '0' && s.ptr[*pos] <= '9') {
        ms += (unsigned)(s.ptr[*pos] - '0') * scale;
        scale /= 10;
        ++*pos;
    }
    *ret_ms = ms;
    return *pos > start;
}

/* "Z" or "+hh:mm" up to the end of s. */
static bool take_zone(struct str s, size_t pos, int64_t *ret_offset_ms)
{
    unsigned hours, minutes;
    if (pos >= s.len) {
        return false;
    }
    char sign = s.ptr[pos++];
    if (sign == 'Z' || sign == 'z') {
        *ret_offset_ms = 0;
        return pos == s.len;
    }
    if ((sign != '+' && sign != '-') || !take_number(s, &pos, 2, ':', &hours) ||
        !take_number(s, &pos, 2, 0, &minutes) || pos != s.len || hours > 23 || minutes > 59) {
        return false;
    }
    int64_t offset = (int64_t)(hours * 60 + minutes) * 60000;
    *ret_offset_ms = sign == '-' ? -offset : offset;
    return true;
}

bool clock_parse_rfc3339(struct str s, uint64_t *ret_wall_ms)
{
    unsigned year, month, day, hour, minute, second, ms;
    int64_t offset_ms;
    size_t pos = 0;
    if (!take_number(s, &pos, 4, '-', &year) || !take_number(s, &pos, 2, '-', &month) ||
        !take_number(s, &pos, 2, 0, &day)) {
        return false;
    }
    if (pos >= s.len || (s.ptr[pos] != 'T' && s.ptr[pos] != 't' && s.ptr[pos] != ' ')) {
        return false;
    }
    pos++;
    if (!take_number(s, &pos, 2, ':', &hour) || !take_number(s, &pos, 2, ':', &minute) ||
        !take_number(s, &pos, 2, 0, &second) || !take_fraction(s, &pos, &ms) ||
        !take_zone(s, pos, &offset_ms)) {
        return false;
    }
    /* second 60 is a leap second, counted as the first of the next minute */
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) ||
        hour > 23 || minute > 59 || second > 60) {
        return false;
    }
    int64_t wall_ms = (int64_t)(days_of_civil(year, month, day) * MS_PER_DAY +
                                ((hour * 60ull + minute) * 60 + second) * 1000 + ms) -
                      offset_ms;
    if (wall_ms < 0) {
        return false;
    }
    *ret_wall_ms = (uint64_t)wall_ms;
    return true;
}

/* Time zones: files of the system's database (TZif, RFC 8536), of which the 64-bit part and the
 * POSIX rule at the end are used. */
#include "common/zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo/"
#define NAME_MAX_BYTES 64u
#define FILE_MAX_BYTES (256u * 1024u)
#define DAY 86400
#define HEADER_BYTES 44u

/* When a year's change is: POSIX's three ways to name a day, and seconds from its midnight. */
struct change {
    char kind;            /* 'J': 1-365 without leap days, 'N': 0-365, 'M': week and weekday */
    int day, month, week; /* day of 'M': 0 sunday … 6 */
    int64_t at_s;
};

struct rule {
    bool known, has_summer;
    int64_t offset_s, summer_offset_s; /* east of Greenwich is positive */
    struct change begin, end;
};

struct zone {
    size_t n;
    const int64_t *times;
    const int32_t *offsets; /* from times[i] on */
    int32_t first_offset;   /* before the first change */
    struct rule rule;
};

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970-01-01 of a day of the Gregorian calendar; the year is taken to begin in march, so
 * that the leap day is its last. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void civil_of(int64_t local_s, struct civil_time *ret)
{
    int64_t days = floor_div(local_s, DAY), rest = local_s - days * DAY;
    int64_t shifted = days + 719468, era = floor_div(shifted, 146097);
    int64_t of_era = shifted - era * 146097;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t from_march = (5 * of_year + 2) / 153;
    int month = (int)(from_march < 10 ? from_march + 3 : from_march - 9);
    *ret = (struct civil_time){
        .year = (int)(year_of_era + era * 400 + (month <= 2)),
        .month = month,
        .day = (int)(of_year - (153 * from_march + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        /* day 0 was a thursday */
        .weekday = (int)(((days + 3) % 7 + 7) % 7),
    };
}

/* ---- the POSIX rule: "CET-1CEST,M3.5.0,M10.5.0/3" ---- */

struct text {
    const char *p, *end;
};

static bool take(struct text *t, char c)
{
    if (t->p < t->end && *t->p == c) {
        t->p++;
        return true;
    }
    return false;
}

static bool take_number(struct text *t, int max, int *ret)
{
    int n = 0;
    const char *from = t->p;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9' && t->p - from < 4) {
        n = n * 10 + (*t->p++ - '0');
    }
    *ret = n;
    return t->p > from && n <= max;
}

/* "EST" or "<+0330>" */
static bool take_name(struct text *t)
{
    bool quoted = take(t, '<');
    const char *from = t->p;
    while (t->p < t->end &&
           (((*t->p | 0x20) >= 'a' && (*t->p | 0x20) <= 'z') || (quoted && *t->p != '>'))) {
        t->p++;
    }
    return t->p - from >= 3 && (!quoted || take(t, '>'));
}

/* "[+-]hh[:mm[:ss]]" */
static bool take_time(struct text *t, int64_t *ret)
{
    bool negative = take(t, '-');
    int hours = 0, minutes = 0, seconds = 0;
    if (!negative) {
        (void)take(t, '+');
    }
    if (!take_number(t, 167, &hours) || (take(t, ':') && !take_number(t, 59, &minutes)) ||
        (take(t, ':') && !take_number(t, 59, &seconds))) {
        return false;
    }
    int64_t s = (int64_t)hours * 3600 + minutes * 60 + seconds;
    *ret = negative ? -s : s;
    return true;
}

static bool take_change(struct text *t, struct change *ret)
{
    struct change c = {.kind = 'N', .at_s = 7200};
    bool ok;
    if (!take(t, ',')) {
        return false;
    }
    if (take(t, 'M')) {
        c.kind = 'M';
        ok = take_number(t, 12, &c.month) && c.month >= 1 && take(t, '.') &&
             take_number(t, 5, &c.week) && c.week >= 1 && take(t, '.') && take_number(t, 6, &c.day);
    } else if (take(t, 'J')) {
        c.kind = 'J';
        ok = take_number(t, 365, &c.day) && c.day >= 1;
    } else {
        ok = take_number(t, 365, &c.day);
    }
    if (!ok || (take(t, '/') && !take_time(t, &c.at_s))) {
        return false;
    }
    *ret = c;
    return true;
}

/* Leaves ret->known false where there is no rule, or none that can be read. */
static void rule_read(struct str footer, struct rule *ret)
{
    struct text t = {footer.ptr, footer.ptr + footer.len};
    struct rule r = {.known = true};
    if (!take_name(&t) || !take_time(&t, &r.offset_s)) {
        return;
    }
    r.offset_s = -r.offset_s; /* POSIX counts westwards */
    if (t.p < t.end) {
        r.has_summer = true;
        r.summer_offset_s = r.offset_s + 3600;
        if (!take_name(&t)) {
            return;
        }
        if (t.p < t.end && *t.p != ',') {
            if (!take_time(&t, &r.summer_offset_s)) {
                return;
            }
            r.summer_offset_s = -r.summer_offset_s;
        }
        if (!take_change(&t, &r.begin) || !take_change(&t, &r.end) || t.p != t.end) {
            return;
        }
    }
    *ret = r;
}

/* Local seconds since 1970 at which the change of that year is, by the clock before it. */
static int64_t change_in(const struct change *c, int64_t year)
{
    int64_t january = days_of(year, 1, 1), days;
    if (c->kind == 'J') {
        days = january + c->day - 1 + (is_leap(year) && c->day >= 60);
    } else if (c->kind == 'N') {
        days = january + c->day;
    } else {
        int64_t first = days_of(year, c->month, 1);
        int64_t next = c->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, c->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 0 sunday */
        days = first + (c->day - weekday + 7) % 7 + 7 * (c->week - 1);
        days -= days >= next ? 7 : 0;
    }
    return days * DAY + c->at_s;
}

static int64_t rule_offset(const struct rule *r, int64_t unix_s)
{
    struct civil_time local;
    if (!r->has_summer) {
        return r->offset_s;
    }
    civil_of(unix_s + r->offset_s, &local);
    int64_t begin = change_in(&r->begin, local.year) - r->offset_s;
    int64_t end = change_in(&r->end, local.year) - r->summer_offset_s;
    bool summer = begin < end ? unix_s >= begin && unix_s < end : unix_s >= begin || unix_s < end;
    return summer ? r->summer_offset_s : r->offset_s;
}

/* ---- the file ---- */

static int64_t big_endian(const unsigned char *p, unsigned bytes)
{
    uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | p[i];
    }
    return (int64_t)v;
}

struct counts {
    size_t isut, isstd, leap, time, type, chars;
    char version;
};

static bool header_read(const unsigned char *p, size_t len, struct counts *ret)
{
    size_t n[6];
    if (len < HEADER_BYTES || memcmp(p, "TZif", 4) != 0) {
        return false;
    }
    for (unsigned i = 0; i < 6; i++) {
        n[i] = (size_t)(uint32_t)big_endian(p + 20 + 4 * i, 4);
        if (n[i] > FILE_MAX_BYTES) {
            return false;
        }
    }
    *ret = (struct counts){n[0], n[1], n[2], n[3], n[4], n[5], (char)p[4]};
    return true;
}

static size_t body_bytes(const struct counts *c, size_t time_bytes)
{
    return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) +
           c->isstd + c->isut;
}

/* The part of a file that begins behind its header. */
static bool body_read(const unsigned char *p, const struct counts *c, unsigned time_bytes,
                      struct arena *a, struct zone *ret)
{
    const unsigned char *kinds = p + c->time * time_bytes, *types = kinds + c->time;
    int64_t *times = arena_alloc(a, (c->time + 1) * sizeof(*times));
    int32_t *offsets = arena_alloc(a, (c->time + 1) * sizeof(*offsets));
    if (c->type == 0 || !times || !offsets) {
        return false;
    }
    for (size_t i = 0; i < c->time; i++) {
        times[i] = big_endian(p + i * time_bytes, time_bytes);
        if (kinds[i] >= c->type || (i > 0 && times[i] <= times[i - 1])) {
            return false;
        }
        offsets[i] = (int32_t)big_endian(types + 6 * kinds[i], 4);
    }
    ret->n = c->time;
    ret->times = times;
    ret->offsets = offsets;
    ret->first_offset = (int32_t)big_endian(types, 4);
    return true;
}

static bool file_read(const unsigned char *p, size_t len, struct arena *a, struct zone *ret)
{
    struct counts c;
    if (!header_read(p, len, &c) || len - HEADER_BYTES < body_bytes(&c, 4)) {
        return false;
    }
    if (c.version == 0) {
        return body_read(p + HEADER_BYTES, &c, 4, a, ret);
    }
    size_t skip = HEADER_BYTES + body_bytes(&c, 4);
    p += skip;
    len -= skip;
    if (!header_read(p, len, &c) || len - HEADER_BYTES < body_bytes(&c, 8) ||
        !body_read(p + HEADER_BYTES, &c, 8, a, ret)) {
        return false;
    }
    skip = HEADER_BYTES + body_bytes(&c, 8);
    struct str footer = {(const char *)p + skip, len - skip}, head;
    if (footer.len > 1 && footer.ptr[0] == '\n' &&
        str_cut(str_slice(footer, 1, footer.len), '\n', &head, &footer)) {
        rule_read(head, &ret->rule);
    }
    return true;
}

static bool name_ok(struct str name)
{
    bool ok = name.len > 0 && name.len <= NAME_MAX_BYTES && name.ptr[0] != '/';
    for (size_t i = 0; ok && i < name.len; i++) {
        char c = name.ptr[i], lower = (char)(c | 0x20);
        ok = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
             c == '-' || c == '/';
    }
    return ok;
}

/* The whole file into the arena; NULL: there is none that can be read. */
static unsigned char *file_load(struct str name, struct arena *a, size_t *ret_len)
{
    char path[sizeof(FOLDER) + NAME_MAX_BYTES];
    (void)snprintf(path, sizeof(path), FOLDER "%.*s", STR_ARG(name));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    unsigned char *room = fd >= 0 ? arena_alloc(a, FILE_MAX_BYTES) : NULL;
    size_t len = 0;
    ssize_t got = room ? 1 : 0;
    while (room && got != 0 && len < FILE_MAX_BYTES) {
        got = read(fd, room + len, FILE_MAX_BYTES - len);
        if (got < 0 && errno != EINTR) {
            room = NULL;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    *ret_len = len;
    return room;
}

bool zone_load(struct str name, struct arena *a, const struct zone **ret, struct error *err)
{
    struct zone *z = name_ok(name) ? arena_zalloc(a, sizeof(*z)) : NULL;
    bool ok = false;
    if (z && (str_eqz(name, "UTC") || str_eqz(name, "Etc/UTC"))) {
        z->rule.known = true; /* also where no database is installed */
        ok = true;
    } else if (z) {
        /* read into an arena of its own: only the tables stay */
        struct arena *scratch = arena_new(2 * FILE_MAX_BYTES);
        size_t len;
        unsigned char *bytes = file_load(name, scratch, &len);
        ok = bytes && file_read(bytes, len, a, z);
        arena_free(scratch);
    }
    if (!ok) {
        return error_set(err, ERR_INVALID_FIELD, "time zone \"%.*s\" is not known",
                         name.len > 80 ? 80 : (int)name.len, name.len ? name.ptr : "");
    }
    *ret = z;
    return true;
}

/* ---- use ---- */

static int64_t offset_at(const struct zone *z, int64_t unix_s)
{
    size_t low = 0, high = z ? z->n : 0;
    if (!z) {
        return 0;
    }
    if (z->rule.known && (z->n == 0 || unix_s >= z->times[z->n - 1])) {
        return rule_offset(&z->rule, unix_s);
    }
    while (low < high) { /* how many changes were before */
        size_t middle = low + (high - low) / 2;
        if (z->times[middle] <= unix_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? z->first_offset : z->offsets[low - 1];
}

/* Years that fit an int, with room for sums. */
static int64_t bounded(int64_t s)
{
    const int64_t most = 60000000000000000;
    return s > most ? most : s < -most ? -most : s;
}

void zone_civil(const struct zone *z, int64_t unix_s, struct civil_time *ret)
{
    int64_t s = bounded(unix_s);
    civil_of(s + offset_at(z, s), ret);
}

int64_t zone_unix(const struct zone *z, const struct civil_time *c)
{
    int64_t local = days_of(c->year, c->month, c->day) * DAY + (int64_t)c->hour * 3600 +
                    (int64_t)c->minute * 60 + c->second;
    /* the offsets that hold a day before and after: of a change in between one is right, both are
     * (an hour that comes twice), or none is (one that is left out) */
    int64_t before = local - offset_at(z, local - DAY), after = local - offset_at(z, local + DAY);
    bool before_ok = before + offset_at(z, before) == local;
    bool after_ok = after + offset_at(z, after) == local;
    if (before_ok && after_ok) {
        return before < after ? before : after;
    }
    return after_ok ? after : before;
}

/* Names and windows of budgets and limits: see quota.h. What is granted stands in quota_decide.c.
 *
 * Windows of one rule never overlap and leave no gap: whatever moment of a window is asked for, its
 * start is the same. So the start names the account, on every proxy and in the ledger. */
#include "common/rules/quota.h"

#define HOUR_S 3600
#define DAY_S 86400

static const char *const scope_names[] = {"",      "organization",    "workspace", "team",
                                          "user",  "service_account", "key",       "end_user",
                                          "model", "provider",        "tag",       "metadata"};
static const char *const metric_names[] = {"", "cost", "tokens", "requests", "concurrency"};
static const char *const window_names[] = {"",    "second", "minute", "hour",
                                           "day", "week",   "month",  "total"};
static const char *const algorithm_names[] = {"fixed", "sliding", "token_bucket"};
static const char *const mode_names[] = {"hard", "soft", "downgrade"};
static const char *const absent_names[] = {"refuse", "allow", "local"};
#define COUNT(x) (sizeof(x) / sizeof((x)[0]))
_Static_assert(COUNT(scope_names) == SCOPE_COUNT, "every scope has a name");
_Static_assert(COUNT(metric_names) == METRIC_COUNT, "every metric has a name");
_Static_assert(COUNT(window_names) == WINDOW_COUNT, "every window has a name");
_Static_assert(COUNT(algorithm_names) == ALGORITHM_COUNT, "every algorithm has a name");
_Static_assert(COUNT(mode_names) == MODE_COUNT, "every mode has a name");
_Static_assert(COUNT(absent_names) == ABSENT_COUNT, "every policy has a name");

static const char *name_at(const char *const *names, size_t n, size_t i)
{
    return i < n ? names[i] : "";
}

/* n: none has that name. */
static size_t named(const char *const *names, size_t n, struct str s)
{
    size_t i = 0;
    while (i < n && !str_eqz(s, names[i])) {
        i++;
    }
    return i;
}

const char *quota_scope_name(enum quota_scope s)
{
    return name_at(scope_names, COUNT(scope_names), (size_t)s);
}

const char *quota_metric_name(enum quota_metric m)
{
    return name_at(metric_names, COUNT(metric_names), (size_t)m);
}

const char *quota_window_name(enum quota_window w)
{
    return name_at(window_names, COUNT(window_names), (size_t)w);
}

const char *quota_algorithm_name(enum quota_algorithm a)
{
    return name_at(algorithm_names, COUNT(algorithm_names), (size_t)a);
}

const char *quota_mode_name(enum quota_mode m)
{
    return name_at(mode_names, COUNT(mode_names), (size_t)m);
}

const char *quota_absent_name(enum quota_absent a)
{
    return name_at(absent_names, COUNT(absent_names), (size_t)a);
}

enum quota_scope quota_scope_named(struct str s)
{
    size_t i = named(scope_names, COUNT(scope_names), s);
    return i < COUNT(scope_names) ? (enum quota_scope)i : SCOPE_NONE;
}

enum quota_metric quota_metric_named(struct str s)
{
    size_t i = named(metric_names, COUNT(metric_names), s);
    return i < COUNT(metric_names) ? (enum quota_metric)i : METRIC_NONE;
}

enum quota_window quota_window_named(struct str s)
{
    size_t i = named(window_names, COUNT(window_names), s);
    return i < COUNT(window_names) ? (enum quota_window)i : WINDOW_NONE;
}

bool quota_algorithm_named(struct str s, enum quota_algorithm *ret)
{
    size_t i = s.len == 0 ? ALGORITHM_FIXED : named(algorithm_names, COUNT(algorithm_names), s);
    if (i >= COUNT(algorithm_names)) {
        return false;
    }
    *ret = (enum quota_algorithm)i;
    return true;
}

bool quota_mode_named(struct str s, enum quota_mode *ret)
{
    size_t i = s.len == 0 ? MODE_HARD : named(mode_names, COUNT(mode_names), s);
    if (i >= COUNT(mode_names)) {
        return false;
    }
    *ret = (enum quota_mode)i;
    return true;
}

bool quota_absent_named(struct str s, enum quota_absent *ret)
{
    size_t i = s.len == 0 ? ABSENT_REFUSE : named(absent_names, COUNT(absent_names), s);
    if (i >= COUNT(absent_names)) {
        return false;
    }
    *ret = (enum quota_absent)i;
    return true;
}

bool quota_scope_by_id(enum quota_scope s)
{
    return s >= SCOPE_ORGANIZATION && s <= SCOPE_KEY;
}

/* ---- windows ---- */

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t over = t % step;
    return t - (over < 0 ? over + step : over);
}

/* What the zone's clocks are ahead of UTC by; civil days are counted from those of UTC itself. */
static int64_t offset_at(const struct zone *z, int64_t t)
{
    struct civil_time c;
    zone_civil(z, t, &c);
    return zone_unix(NULL, &c) - t;
}

/* The moment in (from, to] at which the offset of `to` begins. */
static int64_t offset_since(const struct zone *z, int64_t from, int64_t to)
{
    int64_t offset = offset_at(z, to);
    while (to - from > 1) {
        int64_t middle = from + (to - from) / 2;
        if (offset_at(z, middle) == offset) {
            to = middle;
        } else {
            from = middle;
        }
    }
    return to;
}

/* An hour of the zone's clocks. Where they are moved by a part of an hour, the change ends one
 * window and begins another. */
static struct quota_span hour_span(const struct zone *z, int64_t t)
{
    int64_t offset = offset_at(z, t), start = floor_to(t + offset, HOUR_S) - offset;
    struct quota_span s = {start, start + HOUR_S};
    if (offset_at(z, start) != offset) {
        s.start_s = offset_since(z, start, t);
    }
    if (offset_at(z, s.end_s - 1) != offset) {
        s.end_s = offset_since(z, t, s.end_s - 1);
    }
    return s;
}

/* Midnight of a day given by its month and number; days before the first or behind the last count
 * on, and so do months. */
static int64_t midnight(const struct zone *z, int year, int month, int day)
{
    struct civil_time c = {
        .year = month > 12 ? year + 1 : year, .month = month > 12 ? month - 12 : month, .day = day};
    return zone_unix(z, &c);
}

static struct quota_span calendar_span(const struct zone *z, enum quota_window w, int64_t t)
{
    struct civil_time c;
    zone_civil(z, t, &c);
    if (w == WINDOW_MONTH) {
        return (struct quota_span){midnight(z, c.year, c.month, 1),
                                   midnight(z, c.year, c.month + 1, 1)};
    }
    int first = w == WINDOW_WEEK ? c.day - c.weekday : c.day;
    return (struct quota_span){midnight(z, c.year, c.month, first),
                               midnight(z, c.year, c.month, first + (w == WINDOW_WEEK ? 7 : 1))};
}

struct quota_span quota_span_of(const struct quota_rule *r, int64_t now_s)
{
    int64_t start;
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        return (struct quota_span){0, INT64_MAX};
    }
    switch (r->window) {
    case WINDOW_SECOND:
        return (struct quota_span){now_s, now_s + 1};
    case WINDOW_MINUTE:
        start = floor_to(now_s, 60);
        return (struct quota_span){start, start + 60};
    case WINDOW_HOUR:
        return hour_span(r->zone, now_s);
    case WINDOW_DAY:
    case WINDOW_WEEK:
    case WINDOW_MONTH:
        return calendar_span(r->zone, r->window, now_s);
    case WINDOW_NONE:
    case WINDOW_TOTAL:
    case WINDOW_COUNT:
        break;
    }
    return (struct quota_span){0, INT64_MAX};
}

struct quota_span quota_span_before(const struct quota_rule *r, const struct quota_span *s)
{
    return s->end_s == INT64_MAX ? *s : quota_span_of(r, s->start_s - 1);
}

uint64_t quota_amount_at(const struct quota_rule *r, int64_t now_ms)
{
    if (now_ms >= r->extra_until_ms) {
        return r->amount;
    }
    return r->amount > UINT64_MAX - r->extra_amount ? UINT64_MAX : r->amount + r->extra_amount;
}

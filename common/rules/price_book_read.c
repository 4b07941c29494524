/* Reading a price book: JSON to rules; the first thing that is wrong is named with its place. */
#include "common/rules/price_book.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/rules/price_book_inside.h"

#define BOOK_MEMORY ((size_t)64 << 20)
#define DEPTH_MAX 16
#define RULES_MAX 1000
#define PATTERNS_MAX 100
#define TIER_BYTES_MAX 31
#define TIERS_MAX 32
#define HOURS_MAX 24
#define TEXT_BYTES_MAX 1000

struct reader {
    struct price_book *book;
    struct arena *arena;
    struct error *err;
    char path[48]; /* of the object at hand: "rules[3].service_tiers.batch" */
};

__attribute__((format(printf, 3, 4))) static bool refuse(const struct reader *r, const char *member,
                                                         const char *fmt, ...)
{
    char place[96], text[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)snprintf(place, sizeof(place), "%s%s%s", r->path, *r->path && *member ? "." : "", member);
    return *place ? error_set_param(r->err, ERR_INVALID_FIELD, place, "%s: %s", place, text)
                  : error_set(r->err, ERR_INVALID_FIELD, "%s", text);
}

static bool refuse_memory(const struct reader *r)
{
    return error_set(r->err, ERR_OVERLOADED, "the price book is too large");
}

/* Looks members up and refuses those that there are not. */
static bool take_members(const struct reader *r, struct json_value object, struct json_member *m,
                         size_t n)
{
    struct json_value name, value;
    size_t pos = 0;
    if (object.type != JSON_OBJECT) {
        return refuse(r, "", "must be an object");
    }
    if (!json_members(object, m, n, NULL)) {
        return refuse(r, "", "has a member twice");
    }
    while (json_next(object, &pos, &name, &value)) {
        bool known = false;
        for (size_t i = 0; i < n && !known; i++) {
            known = json_text_eq(name, m[i].name);
        }
        if (!known) {
            return refuse(r, "", "no member is named %.*s", STR_ARG(str_slice(name.raw, 0, 80)));
        }
    }
    for (size_t i = 0; i < n; i++) {
        m[i].found = m[i].found && m[i].value.type != JSON_NULL;
    }
    return true;
}

static bool take_text(const struct reader *r, struct json_value v, const char *member, size_t min,
                      size_t max, struct str *ret)
{
    char *room = v.type == JSON_STRING ? arena_alloc(r->arena, v.raw.len + 1) : NULL;
    size_t len = 0;
    if (v.type != JSON_STRING) {
        return refuse(r, member, "must be a text");
    }
    if (!room) {
        return refuse_memory(r);
    }
    if (!json_unescape(v, room, v.raw.len, &len) || len < min || len > max) {
        return refuse(r, member, "must be %zu to %zu bytes long", min, max);
    }
    *ret = (struct str){room, len};
    return true;
}

/* A text or a list of texts. */
static bool take_texts(const struct reader *r, const struct json_member *m, const char *member,
                       size_t max, struct price_texts *ret)
{
    struct json_value item;
    size_t n = 0, pos = 0;
    if (!m->found) {
        return true;
    }
    if (m->value.type == JSON_STRING) {
        ret->list = arena_alloc(r->arena, sizeof(*ret->list));
        ret->n = 1;
        return ret->list ? take_text(r, m->value, member, 1, max, &ret->list[0]) : refuse_memory(r);
    }
    if (m->value.type != JSON_ARRAY) {
        return refuse(r, member, "must be a text or a list of texts");
    }
    while (json_next(m->value, &pos, NULL, &item)) {
        n++;
    }
    if (n == 0 || n > PATTERNS_MAX) {
        return refuse(r, member, "must have 1 to %d items", PATTERNS_MAX);
    }
    ret->list = arena_alloc(r->arena, n * sizeof(*ret->list));
    if (!ret->list) {
        return refuse_memory(r);
    }
    for (pos = 0; json_next(m->value, &pos, NULL, &item); ret->n++) {
        char at[48];
        (void)snprintf(at, sizeof(at), "%s[%zu]", member, ret->n);
        if (!take_text(r, item, at, 1, max, &ret->list[ret->n])) {
            return false;
        }
    }
    return true;
}

static bool take_bool(const struct reader *r, const struct json_member *m, const char *member,
                      bool *ret)
{
    if (m->found && m->value.type != JSON_TRUE && m->value.type != JSON_FALSE) {
        return refuse(r, member, "must be true or false");
    }
    *ret = m->found && m->value.type == JSON_TRUE;
    return true;
}

/* --- when --- */

static bool take_minute(const struct reader *r, const struct json_member *m, const char *member,
                        int *ret)
{
    struct str s = m->found && m->value.type == JSON_STRING ? json_text(m->value) : STR_NONE;
    bool ok = s.len == 5 && s.ptr[2] == ':';
    uint64_t hour = 0, minute = 0;
    ok = ok && str_to_u64(str_slice(s, 0, 2), &hour) && str_to_u64(str_slice(s, 3, 2), &minute) &&
         minute < 60 && (hour < 24 || (hour == 24 && minute == 0));
    *ret = (int)(hour * 60 + minute);
    return ok || refuse(r, member, "must be a time of day such as \"16:30\"");
}

static bool take_weekdays(const struct reader *r, const struct json_member *m, unsigned *ret)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    struct price_texts days = {.n = 0};
    *ret = 0x7f;
    if (!m->found) {
        return true;
    }
    *ret = 0;
    if (!take_texts(r, m, "weekdays", TEXT_BYTES_MAX, &days)) {
        return false;
    }
    for (size_t i = 0; i < days.n; i++) {
        unsigned day = 0;
        while (day < 7 && !str_eqz(days.list[i], names[day])) {
            day++;
        }
        if (day == 7) {
            return refuse(r, "weekdays", "must be of mon, tue, wed, thu, fri, sat, sun");
        }
        *ret |= 1u << day;
    }
    return true;
}

static bool read_span(const struct reader *r, struct json_value v, struct price_hours *ret)
{
    enum { FROM = 0, UNTIL, WEEKDAYS, ZONE, COUNT };
    struct json_member m[COUNT] = {[FROM] = {.name = STR_LIT("from")},
                                   [UNTIL] = {.name = STR_LIT("until")},
                                   [WEEKDAYS] = {.name = STR_LIT("weekdays")},
                                   [ZONE] = {.name = STR_LIT("zone")}};
    struct str zone;
    struct error why = ERROR_INIT;
    if (!take_members(r, v, m, COUNT) || !take_minute(r, &m[FROM], "from", &ret->from) ||
        !take_minute(r, &m[UNTIL], "until", &ret->until) ||
        !take_weekdays(r, &m[WEEKDAYS], &ret->weekdays)) {
        return false;
    }
    if (ret->from == 24 * 60) {
        return refuse(r, "from", "must be before \"24:00\"");
    }
    if (!m[ZONE].found) {
        return true;
    }
    if (!take_text(r, m[ZONE].value, "zone", 1, TEXT_BYTES_MAX, &zone)) {
        return false;
    }
    struct price_book *b = r->book; /* most books know one zone: it is read once */
    if (!b->zone || !str_eq(b->zone_name, zone)) {
        if (!zone_load(zone, r->arena, &b->zone, &why)) {
            return refuse(r, "zone", "%s", error_text(&why));
        }
        b->zone_name = zone;
    }
    ret->zone = b->zone;
    return true;
}

static bool take_hours(struct reader *r, const struct json_member *m, struct price_rule *rule)
{
    struct json_value item;
    struct reader inside = *r;
    size_t pos = 0;
    if (!m->found) {
        return true;
    }
    if (m->value.type != JSON_ARRAY) {
        return refuse(r, "hours", "must be a list");
    }
    rule->hours = arena_zalloc(r->arena, HOURS_MAX * sizeof(*rule->hours));
    if (!rule->hours) {
        return refuse_memory(r);
    }
    while (json_next(m->value, &pos, NULL, &item)) {
        if (rule->n_hours == HOURS_MAX) {
            return refuse(r, "hours", "must have at most %d items", HOURS_MAX);
        }
        (void)snprintf(inside.path, sizeof(inside.path), "%.24s.hours[%zu]", r->path,
                       rule->n_hours);
        if (!read_span(&inside, item, &rule->hours[rule->n_hours++])) {
            return false;
        }
    }
    return rule->n_hours > 0 || refuse(r, "hours", "must have an item");
}

/* "2026-12-01" (midnight in UTC) or a whole RFC 3339 time. */
static bool take_time(const struct reader *r, const struct json_member *m, const char *member,
                      int64_t *ret)
{
    struct str s = m->found && m->value.type == JSON_STRING ? json_text(m->value) : STR_NONE;
    uint64_t ms;
    if (!m->found) {
        return true;
    }
    if (s.len == 10) {
        s = arena_printf(r->arena, "%.10sT00:00:00Z", s.ptr);
    }
    if (!s.ptr || !clock_parse_rfc3339(s, &ms)) {
        return refuse(r, member, "must be a day (\"2026-12-01\") or an RFC 3339 time");
    }
    *ret = (int64_t)(ms / 1000 + (ms % 1000 > 0));
    return true;
}

/* --- what --- */

static bool take_prices(const struct reader *r, struct json_value v, struct price_change *ret)
{
    struct error why = ERROR_INIT;
    struct price_list *list = arena_zalloc(r->arena, sizeof(*list));
    if (!list) {
        return refuse_memory(r);
    }
    if (!price_list_read(v, list, &why)) {
        char member[48];
        (void)snprintf(member, sizeof(member), "prices%s%.32s", *why.param ? "." : "", why.param);
        return refuse(r, member, "%s", error_text(&why));
    }
    ret->prices = list;
    return true;
}

enum { PRICES = 0, KEEP_OTHERS, RATIO, CHANGE_COUNT };
#define CHANGE_MEMBERS                                             \
    {.name = STR_LIT("prices")}, {.name = STR_LIT("keep_others")}, \
    {                                                              \
        .name = STR_LIT("ratio")                                   \
    }

static bool take_change(const struct reader *r, const struct json_member *m,
                        struct price_change *ret)
{
    if ((m[PRICES].found && !take_prices(r, m[PRICES].value, ret)) ||
        !take_bool(r, &m[KEEP_OTHERS], "keep_others", &ret->keep_others)) {
        return false;
    }
    if (m[KEEP_OTHERS].found && !m[PRICES].found) {
        return refuse(r, "keep_others", "has a meaning only beside prices");
    }
    if (m[RATIO].found && !price_ratio_read(m[RATIO].value, &ret->ratio_ppm)) {
        return refuse(r, "ratio", "must be a number from 0 to 1000 with at most 6 decimals");
    }
    ret->multiplies = m[RATIO].found;
    return true;
}

static bool book_tier(struct price_book *b, struct str tier)
{
    if (str_eqz(tier, "default")) {
        return true;
    }
    for (size_t i = 0; i < b->n_tiers; i++) {
        if (str_eq(b->tiers[i], tier)) {
            return true;
        }
    }
    if (b->n_tiers == TIERS_MAX) {
        return false;
    }
    b->tiers[b->n_tiers++] = tier;
    return true;
}

/* As they are compared, and known to the book. */
static bool tier_take(const struct reader *r, const char *member, struct str text, struct str *ret)
{
    char room[32];
    struct str tier = arena_str(r->arena, price_tier_name(text, room));
    if (!tier.ptr) {
        return refuse_memory(r);
    }
    *ret = tier;
    return book_tier(r->book, tier) ||
           refuse(r, member, "is one of more than %d service tiers", TIERS_MAX);
}

static bool take_tier_changes(struct reader *r, const struct json_member *m,
                              struct price_rule *rule)
{
    struct json_value name, value;
    struct reader inside = *r;
    size_t pos = 0;
    if (!m->found) {
        return true;
    }
    if (m->value.type != JSON_OBJECT) {
        return refuse(r, "service_tiers", "must be an object of service tiers");
    }
    rule->tier_changes = arena_zalloc(r->arena, TIERS_MAX * sizeof(*rule->tier_changes));
    if (!rule->tier_changes) {
        return refuse_memory(r);
    }
    while (json_next(m->value, &pos, &name, &value)) {
        struct json_member parts[CHANGE_COUNT] = {CHANGE_MEMBERS};
        struct price_tier_change *t = &rule->tier_changes[rule->n_tier_changes];
        struct str text;
        if (rule->n_tier_changes == TIERS_MAX) {
            return refuse(r, "service_tiers", "must have at most %d members", TIERS_MAX);
        }
        if (!take_text(r, name, "service_tiers", 1, TIER_BYTES_MAX, &text) ||
            !tier_take(r, "service_tiers", text, &t->tier)) {
            return false;
        }
        for (size_t i = 0; i < rule->n_tier_changes; i++) {
            if (str_eq(rule->tier_changes[i].tier, t->tier)) {
                return refuse(r, "service_tiers", "names \"%.*s\" twice", STR_ARG(t->tier));
            }
        }
        (void)snprintf(inside.path, sizeof(inside.path), "%.16s.service_tiers.%.*s", r->path,
                       (int)(text.len < 16 ? text.len : 16), text.ptr);
        if (!take_members(&inside, value, parts, CHANGE_COUNT) ||
            !take_change(&inside, parts, &t->change)) {
            return false;
        }
        if (!t->change.prices && !t->change.multiplies) {
            return refuse(&inside, "", "must have prices or a ratio");
        }
        rule->n_tier_changes++;
    }
    return true;
}

static bool take_tiers(const struct reader *r, const struct json_member *m, struct price_texts *ret)
{
    if (!take_texts(r, m, "service_tier", TIER_BYTES_MAX, ret)) {
        return false;
    }
    for (size_t i = 0; i < ret->n; i++) {
        if (!tier_take(r, "service_tier", ret->list[i], &ret->list[i])) {
            return false;
        }
    }
    return true;
}

static bool read_rule(struct reader *r, struct json_value v, struct price_rule *ret)
{
    enum { NAME = CHANGE_COUNT, PROVIDER, MODEL, TIER, TIERS, HOURS, FROM, UNTIL, STOP, COUNT };
    struct json_member m[COUNT] = {CHANGE_MEMBERS,
                                   [NAME] = {.name = STR_LIT("name")},
                                   [PROVIDER] = {.name = STR_LIT("provider")},
                                   [MODEL] = {.name = STR_LIT("model")},
                                   [TIER] = {.name = STR_LIT("service_tier")},
                                   [TIERS] = {.name = STR_LIT("service_tiers")},
                                   [HOURS] = {.name = STR_LIT("hours")},
                                   [FROM] = {.name = STR_LIT("effective_from")},
                                   [UNTIL] = {.name = STR_LIT("effective_until")},
                                   [STOP] = {.name = STR_LIT("stop")}};
    struct str name;
    ret->from = INT64_MIN;
    ret->until = INT64_MAX;
    if (!take_members(r, v, m, COUNT) ||
        (m[NAME].found && !take_text(r, m[NAME].value, "name", 0, TEXT_BYTES_MAX, &name)) ||
        !take_texts(r, &m[PROVIDER], "provider", PRICE_PATTERN_MAX, &ret->providers) ||
        !take_texts(r, &m[MODEL], "model", PRICE_PATTERN_MAX, &ret->models) ||
        !take_tiers(r, &m[TIER], &ret->tiers) || !take_change(r, m, &ret->change) ||
        !take_tier_changes(r, &m[TIERS], ret) || !take_hours(r, &m[HOURS], ret) ||
        !take_time(r, &m[FROM], "effective_from", &ret->from) ||
        !take_time(r, &m[UNTIL], "effective_until", &ret->until) ||
        !take_bool(r, &m[STOP], "stop", &ret->stop)) {
        return false;
    }
    if (ret->until <= ret->from) {
        return refuse(r, "effective_until", "must be after effective_from");
    }
    return ret->change.prices || ret->change.multiplies || ret->n_tier_changes || ret->stop ||
           refuse(r, "", "must have prices, a ratio, service_tiers or stop");
}

static bool read_rules(struct reader *r, struct json_value list)
{
    struct json_value item;
    size_t n = 0, pos = 0;
    while (json_next(list, &pos, NULL, &item)) {
        n++;
    }
    if (n > RULES_MAX) {
        return refuse(r, "rules", "must have at most %d items", RULES_MAX);
    }
    r->book->rules = arena_zalloc(r->arena, (n + 1) * sizeof(*r->book->rules));
    r->book->tiers = arena_alloc(r->arena, TIERS_MAX * sizeof(*r->book->tiers));
    if (!r->book->rules || !r->book->tiers) {
        return refuse_memory(r);
    }
    for (pos = 0; json_next(list, &pos, NULL, &item); r->book->n_rules++) {
        (void)snprintf(r->path, sizeof(r->path), "rules[%zu]", r->book->n_rules);
        if (!read_rule(r, item, &r->book->rules[r->book->n_rules])) {
            return false;
        }
    }
    return true;
}

static bool read_book(struct reader *r, struct str json)
{
    struct json_member m = {.name = STR_LIT("rules")};
    struct json_value v;
    if (json.len > PRICE_BOOK_MAX_DOCUMENT) {
        return refuse_memory(r);
    }
    if (!json_validate(json, DEPTH_MAX, &v, r->err) || !take_members(r, v, &m, 1)) {
        return false;
    }
    if (!m.found || m.value.type != JSON_ARRAY) {
        return refuse(r, "rules", "must be a list of rules");
    }
    return read_rules(r, m.value);
}

bool price_book_new(struct str json, struct price_book **ret, struct error *err)
{
    struct reader r = {.arena = arena_new(BOOK_MEMORY), .err = err};
    r.book = arena_zalloc(r.arena, sizeof(*r.book));
    if (r.book ? !read_book(&r, json) : !refuse_memory(&r)) {
        arena_free(r.arena);
        return false;
    }
    r.book->arena = r.arena;
    *ret = r.book;
    return true;
}

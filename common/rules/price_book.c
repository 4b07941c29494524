/* Applying a price book: which rules fit a query, and what they make of the prices. */
#include "common/rules/price_book.h"

#include "common/rules/model_name.h"
#include "common/rules/money.h"
#include "common/rules/price_book_inside.h"

struct str price_tier_name(struct str tier, char room[static 32])
{
    static const char *const usual[] = {"", "standard", "on_demand", "on-demand", "auto"};
    size_t n = tier.len < 32 ? tier.len : 32;
    for (size_t i = 0; i < n; i++) {
        char c = tier.ptr[i];
        room[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    struct str low = {room, n};
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (str_eqz(low, usual[i])) {
            return STR_LIT("default");
        }
    }
    return low;
}

bool price_ratio_read(struct json_value v, uint64_t *ret_ppm)
{
    uint64_t ppm;
    bool text = v.type == JSON_STRING && !v.escaped;
    if ((!text && v.type != JSON_NUMBER) ||
        !money_parse(text ? json_text(v) : v.raw, MONEY_RATIO_DECIMALS, &ppm) ||
        ppm > PRICE_RATIO_MAX) {
        return false;
    }
    *ret_ppm = ppm;
    return true;
}

bool price_pattern_fits(struct str pattern, struct str name, struct str other)
{
    return pattern.len == 0 || model_name_matches(pattern, name) ||
           (other.len > 0 && model_name_matches(pattern, other));
}

static bool any_fits(const struct price_texts *t, struct str name, struct str other)
{
    for (size_t i = 0; i < t->n; i++) {
        if (price_pattern_fits(t->list[i], name, other)) {
            return true;
        }
    }
    return t->n == 0;
}

static bool tier_among(const struct price_texts *t, struct str tier)
{
    for (size_t i = 0; i < t->n; i++) {
        if (str_eq(t->list[i], tier)) {
            return true;
        }
    }
    return t->n == 0;
}

/* A span that passes midnight belongs to the day that it begins on. */
static bool in_hours(const struct price_hours *h, int64_t at_s)
{
    struct civil_time c;
    zone_civil(h->zone, at_s, &c);
    int minute = c.hour * 60 + c.minute;
    bool today = h->weekdays >> c.weekday & 1, before = h->weekdays >> ((c.weekday + 6) % 7) & 1;
    if (h->until > h->from) {
        return today && minute >= h->from && minute < h->until;
    }
    return (today && minute >= h->from) || (before && minute < h->until);
}

static bool in_time(const struct price_rule *r, int64_t at_s)
{
    if (at_s < r->from || at_s >= r->until) {
        return false;
    }
    for (size_t i = 0; i < r->n_hours; i++) {
        if (in_hours(&r->hours[i], at_s)) {
            return true;
        }
    }
    return r->n_hours == 0;
}

static uint64_t times(uint64_t picousd, uint64_t ppm)
{
    unsigned __int128 v = (unsigned __int128)picousd * ppm;
    v = (v + PRICE_RATIO_ONE / 2) / PRICE_RATIO_ONE;
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

void price_list_multiply(struct price_list *io, uint64_t ppm)
{
    for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
        struct price *p = &io->units[i];
        p->picousd = times(p->picousd, ppm);
        for (unsigned k = 0; k < p->n_tiers; k++) {
            p->tiers[k].picousd = times(p->tiers[k].picousd, ppm);
        }
    }
}

static void change(const struct price_change *c, struct price_list *io, bool *io_priced)
{
    if (c->prices) {
        if (!c->keep_others || !*io_priced) {
            *io = (struct price_list){0};
        }
        for (unsigned i = 1; i < PRICE_UNIT_COUNT; i++) {
            if (c->prices->units[i].known) {
                io->units[i] = c->prices->units[i];
            }
        }
        *io_priced = true;
    }
    if (c->multiplies && *io_priced && c->ratio_ppm != PRICE_RATIO_ONE) {
        price_list_multiply(io, c->ratio_ppm);
    }
}

void price_book_apply(const struct price_book *b, const struct price_query *q,
                      struct price_list *io, bool *io_priced)
{
    char room[32];
    struct str tier = price_tier_name(q->service_tier, room);
    for (size_t i = 0; i < b->n_rules; i++) {
        const struct price_rule *r = &b->rules[i];
        if (!any_fits(&r->providers, q->provider, q->kind) ||
            !any_fits(&r->models, q->model, q->called) || !tier_among(&r->tiers, tier) ||
            !in_time(r, q->at_s)) {
            continue;
        }
        change(&r->change, io, io_priced);
        for (size_t k = 0; k < r->n_tier_changes; k++) {
            if (str_eq(r->tier_changes[k].tier, tier)) {
                change(&r->tier_changes[k].change, io, io_priced);
            }
        }
        if (r->stop) {
            return;
        }
    }
}

size_t price_book_tiers(const struct price_book *b, const struct str **ret)
{
    *ret = b->tiers;
    return b->n_tiers;
}

size_t price_book_rules(const struct price_book *b)
{
    return b->n_rules;
}

void price_book_free(struct price_book *b)
{
    if (b) {
        arena_free(b->arena);
    }
}

/* Between the files of price books: how one lies in memory. Private to common/rules. */
#ifndef COMMON_RULES_PRICE_BOOK_INSIDE_H
#define COMMON_RULES_PRICE_BOOK_INSIDE_H

#include "common/rules/price_book.h"
#include "common/zone.h"

struct price_texts {
    struct str *list;
    size_t n; /* 0: everything fits */
};

/* Hours of the day, in minutes; `until` may lie on the next day. */
struct price_hours {
    int from, until;
    unsigned weekdays; /* bits, 0 monday; of the day that `from` lies in */
    const struct zone *zone;
};

/* What is done to prices: replaced, laid over, multiplied. */
struct price_change {
    const struct price_list *prices; /* NULL: stay */
    bool keep_others;
    bool multiplies;
    uint64_t ratio_ppm;
};

struct price_tier_change {
    struct str tier;
    struct price_change change;
};

struct price_rule {
    struct price_texts providers, models, tiers;
    struct price_hours *hours;
    size_t n_hours;      /* 0: all day */
    int64_t from, until; /* [from, until) in Unix seconds */
    struct price_change change;
    struct price_tier_change *tier_changes;
    size_t n_tier_changes;
    bool stop;
};

struct price_book {
    struct arena *arena; /* all below */
    struct price_rule *rules;
    size_t n_rules;
    struct str *tiers;
    size_t n_tiers;
    const struct zone *zone; /* the last that was read */
    struct str zone_name;
};

#endif

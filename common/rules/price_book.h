/* A price book: an organization's rules over list prices, as the document that docs/prices.md
 * describes. Compiled once, immutable; any thread. Integers throughout: ratios are parts per
 * million, prices pico-USD per unit. */
#ifndef COMMON_RULES_PRICE_BOOK_H
#define COMMON_RULES_PRICE_BOOK_H

#include "common/rules/price.h"

#define PRICE_BOOK_MAX_DOCUMENT ((size_t)1 << 20) /* bytes */
#define PRICE_RATIO_MAX 1000000000u               /* a thousandfold */
#define PRICE_PATTERN_MAX 200                     /* bytes */
#define PRICE_OVERRIDES_MAX 200                   /* of a price group */

struct price_book;

/* False: err names the rule and member ("rules[3].ratio"). */
bool price_book_new(struct str json, struct price_book **ret, struct error *err);
void price_book_free(struct price_book *b); /* accepts NULL */

struct price_query {
    struct str provider, kind; /* name of the provider object; its kind */
    struct str model, called;  /* as the provider is called; as the client named it */
    struct str service_tier;   /* "", "default", "flex", "priority", "batch", as it was served */
    int64_t at_s;              /* time of day, effective dates */
};

/* Makes of the list prices in *io (known or not: *io_priced) those that hold for the query. Rules
 * apply in their order; one that gives prices replaces them, one that gives a ratio multiplies
 * (rounded half up per unit price and tier). */
void price_book_apply(const struct price_book *b, const struct price_query *q,
                      struct price_list *io, bool *io_priced);

/* Service tiers that rules name, each once, as they are compared; "default" is not among them. For
 * who asks what a call may cost before its tier is known: one of these, or any other. */
size_t price_book_tiers(const struct price_book *b, const struct str **ret);
size_t price_book_rules(const struct price_book *b); /* how many */

/* How service tiers are compared: "", "standard", "auto" and what providers call the usual one
 * otherwise are "default"; letters' case does not matter. The result lives as long as `tier`, or
 * for ever. */
struct str price_tier_name(struct str tier, char room[static 32]);

/* "0.8", also as a JSON number, as parts per million: 0 to 1000, at most six decimals. False: no
 * such ratio. */
bool price_ratio_read(struct json_value v, uint64_t *ret_ppm);

/* Every price of the list times a ratio in parts per million, rounded half up each. What is charged
 * is rounded once, over the sum (price_lines_ratio): this is for showing. */
void price_list_multiply(struct price_list *io, uint64_t ppm);

/* One of a price group's overrides; empty patterns fit everything. */
bool price_pattern_fits(struct str pattern, struct str name, struct str other);

#endif

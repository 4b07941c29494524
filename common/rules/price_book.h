/* A price book: an organization's rules over list prices, as the document that docs/prices.md
 * describes. Compiled once, immutable; any thread. Integers throughout: ratios are parts per
 * million, prices pico-USD per unit. */
#ifndef COMMON_RULES_PRICE_BOOK_H
#define COMMON_RULES_PRICE_BOOK_H

#include "common/rules/price.h"

struct price_book;

/* False: err names the rule and member ("rules[3].ratio"). */
bool price_book_new(struct str json, struct price_book **ret, struct error *err);
void price_book_free(struct price_book *b); /* accepts NULL */

struct price_query {
    struct str provider, kind; /* name of the provider object; its kind */
    struct str model, called;  /* as the provider is called; as the client named it */
    struct str service_tier;   /* "", "default", "flex", "priority", "batch", as it was served */
    int64_t at_s;              /* when the attempt began: time of day, effective dates */
};

/* Makes of the list prices in *io (known or not: *io_priced) those that hold for the query. Rules
 * apply in their order; one that gives prices replaces them, one that gives a ratio multiplies
 * (rounded half up per unit price and tier). */
void price_book_apply(const struct price_book *b, const struct price_query *q,
                      struct price_list *io, bool *io_priced);

#endif

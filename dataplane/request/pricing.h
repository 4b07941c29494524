/* What a request's quantities cost: prices of the candidate's model from the organization's own
 * entries, everybody's, or the installed catalogue, and the organization's policy for models
 * without; then its price book (common/rules/price_book.h); then the ratio of the price group that
 * holds for the key. Integers throughout (common/rules/price.h). The catalogue's part is sought
 * once per candidate and kept in the request. Times of day and dates of a book are those of the
 * moment that the request came, so that what was reserved and what is charged agree.
 * docs/prices.md. */
#ifndef DATAPLANE_REQUEST_PRICING_H
#define DATAPLANE_REQUEST_PRICING_H

#include "dataplane/request/request.h"

/* False: r->error, the organization refuses models without a price. */
bool pricing_allows(struct request *r, const struct candidate *c);
/* Tokens that the model can make; 0: not known. */
uint64_t pricing_max_output(struct request *r, const struct candidate *c);
/* Its window: tokens that a prompt can have; 0: not known. */
uint64_t pricing_context(struct request *r, const struct candidate *c);
/* What a request of so many tokens in and out would cost, in nano-USD; UINT64_MAX: no price is
 * known. Forgets what was sought for the candidate at hand. */
uint64_t pricing_estimate(struct request *r, const struct candidate *c, uint64_t tokens_in,
                          uint64_t tokens_out);
/* Puts prices to the attempt's quantities, a line for the request where requests have a price, and
 * cost_nanousd, list_nanousd, ratio_ppm. They stay 0 where no price is known. Once per attempt,
 * behind its quantities and its service tier. */
void pricing_attempt(struct request *r, const struct candidate *c, struct attempt *t);

/* --- before the call (pricing_bound.c) --- */

/* The most that a call to the candidate can be charged, in nano-USD, whose prompt has at most
 * `tokens_in` tokens and whose answer at most `tokens_out`, of whatever kind each: dearest kind of
 * token, dearest tier of prompt length up to there, dearest service tier that it may be served in,
 * price of the request, searches that it may make; with the group's ratio. Never less than
 * pricing_attempt makes of such a call. UINT64_MAX: no price is known, or the call may make paid
 * searches without a limit. */
uint64_t pricing_bound(struct request *r, const struct candidate *c, uint64_t tokens_in,
                       uint64_t tokens_out);
/* The most tokens of output whose pricing_bound is within the budget. 0: not even one, or there is
 * no bound. UINT64_MAX: output costs nothing. */
uint64_t pricing_tokens_for(struct request *r, const struct candidate *c, uint64_t tokens_in,
                            uint64_t budget_nanousd);

/* --- for the event --- */

/* By what it is charged: the price group's name (STR_NONE: none; alive as long as the snapshot),
 * the price book (nil, 0: none) and its version. */
void pricing_names(struct request *r, struct str *ret_group, struct uuid *ret_book,
                   uint64_t *ret_version);
/* The cost that the caller itself gives (x-weir-custom-cost, cf-aig-custom-cost), where the
 * organization allows it (`custom_costs` of its settings): per token of all attempts, or for the
 * request as a whole. False: none is given, it cannot be read, or it is not allowed. It says what
 * the event's cost is; budgets that are hard are charged as without it. */
bool pricing_custom(struct request *r, uint64_t *ret_nanousd);

/* --- between the files --- */

/* The prices that hold for a service tier; NULL: none is known. */
const struct price_list *pricing_list(struct request *r, const struct candidate *c,
                                      struct str service_tier);
/* Parts per million; 1,000,000 without a group. */
uint64_t pricing_ratio(struct request *r, const struct candidate *c, bool *ret_grouped);
/* A member of the organization's settings. False: there is none. */
bool pricing_policy(struct request *r, const char *name, struct json_value *ret);
/* What was sought for a candidate that is not one of the request's own is forgotten. */
void pricing_forget(struct request *r, const struct candidate *c);

#endif

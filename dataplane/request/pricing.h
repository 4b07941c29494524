/* What a request's quantities cost: prices of the candidate's model from the organization's own
 * entries, everybody's, or the installed catalogue, and the organization's policy for models
 * without. Integers throughout (common/rules/price.h). Sought once per candidate and kept in the
 * request. */
#ifndef DATAPLANE_REQUEST_PRICING_H
#define DATAPLANE_REQUEST_PRICING_H

#include "dataplane/request/request.h"

/* False: r->error, the organization refuses models without a price. */
bool pricing_allows(struct request *r, const struct candidate *c);
/* Tokens that the model can make; 0: not known. */
uint64_t pricing_max_output(struct request *r, const struct candidate *c);
/* What a request of so many tokens in and out would cost, in nano-USD; UINT64_MAX: no price is
 * known. Forgets what was sought for the candidate at hand. */
uint64_t pricing_estimate(struct request *r, const struct candidate *c, uint64_t tokens_in,
                          uint64_t tokens_out);
/* Puts prices and cost to the attempt's quantities; they stay 0 where no price is known. */
void pricing_attempt(struct request *r, const struct candidate *c, struct attempt *t);

#endif

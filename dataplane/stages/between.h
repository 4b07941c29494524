/* A request from one dialect to another, through the neutral form: the part of `translate` that
 * decodes and encodes. */
#ifndef DATAPLANE_STAGES_BETWEEN_H
#define DATAPLANE_STAGES_BETWEEN_H

#include "dataplane/stream/translation.h"

/* Makes r->translation (or goes on with it, in a series of calls) and the provider's body; *verb
 * becomes that of the call where one path serves two. False: r->error. */
bool between_request(struct request *r, const struct candidate *c, struct str *ret_body,
                     struct str *verb);
/* x-weir-strict: false, with r->error, when something was dropped and the client wants none of
 * that. */
bool between_strict(struct request *r);
/* Whether the candidate can count tokens at all. */
bool between_can_count(const struct request *r, const struct candidate *c);
/* VERDICT_ANSWERED with an estimate of the tokens, a token per four bytes. */
enum verdict between_estimate(struct request *r);

#endif

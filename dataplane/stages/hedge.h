/* A second call beside the first, to another target, when the first is late: whichever answers
 * first goes on as the request's call, the other is cancelled. Both are attempts of the request's
 * event. Parts of dispatch. */
#ifndef DATAPLANE_STAGES_HEDGE_H
#define DATAPLANE_STAGES_HEDGE_H

#include "dataplane/request/request.h"

/* The first call was sent: sets the clock for the second, where the config wants one. */
void hedge_arm(struct request *r);
/* `call` has an answer. True: it is the request's call now, and alone. False: it
 * failed while the other runs, so it was given up. */
bool hedge_answered(struct request *r, struct upstream_call *call, const struct upstream_answer *a);
/* `call` failed without an answer (and is gone). True: the other runs on. False: it was the last,
 * and is at hand. */
bool hedge_failed(struct request *r, struct upstream_call *call, const struct error *err);
/* The step at hand had its second call. */
bool hedge_was_sent(const struct request *r);
/* The request ends: the call that is not at hand is cancelled, its attempt ended. */
void hedge_end(struct request *r);

#endif

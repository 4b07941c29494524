/* Whole answers that are not passed on as they came: translated ones and a provider's failures.
 * Parts of relay. */
#ifndef DATAPLANE_STAGES_ANSWER_H
#define DATAPLANE_STAGES_ANSWER_H

#include "dataplane/stream/sink.h"

#define ANSWER_MAX (64u << 20)
#define FAILURE_MAX (256u << 10)

/* The fields of the provider's answer that the client sees, and Weir's own; copied when they must
 * outlive the provider's head. False: out of room. */
bool answer_headers(struct request *r, struct relay *rl, const struct upstream_answer *a,
                    bool translated, bool copied);
/* By which way a request came that no answer came for: fields of r->reply. */
void answer_way(struct request *r);
/* The collected answer to r->reply: VERDICT_ANSWERED, VERDICT_AGAIN (a series goes on), or
 * VERDICT_REJECT with r->error. */
enum verdict answer_whole(struct request *r, struct relay *rl);
/* The folded stream to r->reply, the same way. */
enum verdict answer_folded(struct request *r, struct relay *rl);
/* A provider's error answer, collected: VERDICT_ANSWERED. */
enum verdict answer_failure(struct request *r, struct relay *rl);
/* A text of the provider's (or of its token endpoint) with every credential in it hidden. */
struct str answer_without_secrets(const struct request *r, struct str text);
/* Logs a failure that a provider told of within its stream. */
void answer_log_failure(const struct request *r, int status, struct str original);

#endif

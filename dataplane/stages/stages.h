/* The stages by name, one file each; pipeline.c holds their order. A stage reads what the ones
 * before it left in the request and says how to go on (enum verdict, request.h). */
#ifndef DATAPLANE_STAGES_STAGES_H
#define DATAPLANE_STAGES_STAGES_H

#include "dataplane/request/request.h"

/* Where the request wants to go: dialect and kind from path and method. Before anybody is known, so
 * it looks at the head only. */
enum verdict stage_parse(struct request *r);
/* The dialect of a request that never came to be, by what was read of its head. */
const struct dialect *parse_dialect(struct arena *a, struct exchange *x);
/* Key to caller, from the snapshot; no I/O. */
enum verdict stage_authenticate(struct request *r);
/* The body, in one scan: spans of what routing and splicing need. After authenticate, so that a
 * stranger's body costs nothing and a malformed one has an owner to be accounted to. */
enum verdict stage_read(struct request *r);
/* A stored prompt and the caller's values to the body of a chat completion, which is then as if the
 * client had sent it; …/render answers with that body. */
enum verdict stage_expand(struct request *r);
/* Rates and concurrency of the caller; may park until a share of them is there. */
enum verdict stage_limit(struct request *r);
/* Model name (or provider) to ordered candidates; answers /v1/models. */
enum verdict stage_route(struct request *r);
/* An answer kept from before: answers, waits for an equal call in flight, or goes on. */
enum verdict stage_cache(struct request *r);
/* An upper bound of what the candidate at hand may cost, out of every budget that binds it; may
 * park until it is there. */
enum verdict stage_reserve(struct request *r);
/* Upstream head and body for the candidate at hand, signed. */
enum verdict stage_translate(struct request *r);
/* Opens the record and sends; parked until the provider's head is there. */
enum verdict stage_dispatch(struct request *r);
/* The provider's answer to the client, through the sinks; ends by request_finish. */
enum verdict stage_relay(struct request *r);
/* The usage event into the spool. Not a row of the table: it runs exactly once however a request
 * ends, and before the last byte of its answer goes out; calling it again does nothing. */
void stage_record(struct request *r);

/* Answers GET /v1/models and /v1/models/{id} (list_models.c); a part of route. */
enum verdict route_list_models(struct request *r);

/* dispatch.c: what an upstream error means for the event. */
enum event_outcome dispatch_outcome(enum error_code code);
/* Sends the candidate at hand's request, with its open record. False: r->error; nothing was sent.
 */
bool dispatch_call(struct request *r);
/* relay.c: the upstream's callbacks once its head is there. */
void relay_on_data(struct request *r, struct str piece);
void relay_on_end(struct request *r);
void relay_on_error(struct request *r, const struct error *err);
/* Ends what meter knows so far into the running attempt: the provider's numbers, or an estimate.
 * NULL relay: nothing was answered. */
void relay_settle(struct request *r);

#endif

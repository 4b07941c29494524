/* Active health checks: for each provider whose setting `health_check` asks for it, a GET now and
 * then, whose verdict goes to the breaker of the provider as a whole (target_checked), so that a
 * provider that is down is known before a request finds out. One worker makes them for the whole
 * process; a provider that is being asked is not asked again before it has answered. */
#ifndef DATAPLANE_HEALTH_CHECK_H
#define DATAPLANE_HEALTH_CHECK_H

#include "dataplane/request/env.h"

struct health_checks;

/* Before the worker's thread runs, or on it, as the next. */
struct health_checks *health_checks_new(struct request_env *env);
/* From now on by itself: looks at the snapshot, and for what is due, four times a second. */
void health_checks_start(struct health_checks *h);
/* When the worker has stopped and its loop still lives: what runs is cancelled. Accepts NULL. */
void health_checks_free(struct health_checks *h);

/* What the timer does, by another clock: starts the checks that are due. For tests. */
void health_checks_turn(struct health_checks *h, uint64_t now_ms);

#endif

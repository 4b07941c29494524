/* The statements of the jobs: each in a TX_SYSTEM transaction of its own. *ret_n counts rows (or
 * partitions). */
#ifndef CONTROLPLANE_STORE_DB_UPKEEP_H
#define CONTROLPLANE_STORE_DB_UPKEEP_H

#include "controlplane/store/db.h"

/* Takes the job's advisory lock until the transaction ends; *ret_mine false: another instance has
 * it. Short lock_timeout from here on, so that upkeep never stands in the way of traffic. */
bool upkeep_lock(struct tx *t, const char *job, bool *ret_mine, struct error *err);
/* Partitions of usage from yesterday (UTC) to `days_ahead` days from today. */
bool upkeep_partitions(struct tx *t, unsigned days_ahead, size_t *ret_n, struct error *err);
/* Sessions past their end. */
bool upkeep_sessions(struct tx *t, size_t *ret_n, struct error *err);
/* Answers kept for a day. */
bool upkeep_idempotency(struct tx *t, size_t *ret_n, struct error *err);
/* Enrolment tokens that ended over a day ago. */
bool upkeep_enrolment(struct tx *t, size_t *ret_n, struct error *err);
/* Failed sign-ins whose window began over a day ago and that lock nothing any more. */
bool upkeep_throttle(struct tx *t, size_t *ret_n, struct error *err);
/* Forgets changes older than keep_days; *ret_n: the new horizon if any were forgotten, else 0. */
bool upkeep_changes(struct tx *t, unsigned keep_days, size_t *ret_n, struct error *err);

#endif

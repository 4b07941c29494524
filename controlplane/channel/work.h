/* A few threads that run jobs, for what must not block NNG's own threads. */
#ifndef CONTROLPLANE_CHANNEL_WORK_H
#define CONTROLPLANE_CHANNEL_WORK_H

#include <stdbool.h>

struct work;

/* run(arg, true): do it; run(arg, false): the queue ends, only release what the job holds. */
typedef void (*work_fn)(void *arg, bool live);

/* NULL when no thread could be started. */
struct work *work_new(unsigned threads, unsigned max_jobs);
/* False when the queue is full or stopping: the job is still the caller's. Any thread. */
bool work_push(struct work *w, work_fn run, void *arg);
/* Ends the jobs under way, releases those that wait; later pushes fail. */
void work_stop(struct work *w); /* accepts NULL */
void work_free(struct work *w); /* after work_stop; accepts NULL */

#endif

/* The whole process: what main.c starts in order and stops in reverse. The main thread has a loop
 * of its own for signals, the operations listener and slow timers, so that none of them waits for a
 * busy worker. */
#ifndef DATAPLANE_SERVICE_H
#define DATAPLANE_SERVICE_H

#include "dataplane/cache/store.h"
#include "dataplane/dp_options.h"
#include "dataplane/limits/quota.h"
#include "dataplane/report/bridge.h"
#include "dataplane/report/sink_file.h"
#include "dataplane/worker.h"

struct commands;
struct loop;
struct ops;
struct service;
struct target_table;

/* Takes the options over. False: err names what could not be started; everything is undone. */
struct service *service_new(struct dp_options *o, struct error *err);
/* Serves until a signal ends it; returns the process's exit code. */
int service_run(struct service *s);
void service_free(struct service *s); /* accepts NULL and half-built */

/* Main thread: no more accepts, answers under way may end until the drain timeout; then service_run
 * returns. */
void service_drain(struct service *s);
/* Any thread: the same. */
void service_request_drain(struct service *s);

/* For the operations listener, any thread. */
struct service_state {
    uint64_t version; /* of the snapshot, 0: none */
    bool ready;       /* a snapshot is loaded, and not draining */
    bool draining;
    bool managed, connected; /* to a control plane */
    bool stale;
    uint64_t age_ms;           /* since the snapshot was last confirmed (managed) or loaded */
    struct cache_counts cache; /* max_bytes 0: there is none */
    struct quota_counts quotas;
    uint64_t requests, in_flight, connections, unauthenticated, malformed, events, events_refused;
    uint64_t by_class[6];
    struct spool_stats spool;               /* over all workers */
    uint64_t lines_written, write_failures; /* standalone */
    unsigned workers;
    uint64_t uptime_ms;
};
void service_state(const struct service *s, struct service_state *ret);
/* The table of targets' state; NULL before it was made. */
const struct target_table *service_targets(const struct service *s);
struct worker *service_worker(const struct service *s, unsigned index);

#endif

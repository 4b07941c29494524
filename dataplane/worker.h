/* A worker: one thread, one event loop, and all that its requests use: listeners (SO_REUSEPORT),
 * provider connections, a view of the snapshot, a spool. Workers share nothing that they write. */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "common/base/error.h"
#include "dataplane/request/env.h"
#include "dataplane/snapshot/swap.h"

struct dp_options;
struct redis_address;
struct tls_context;
struct worker;

struct worker_config {
    const struct dp_options *options;
    unsigned index, count;                       /* this worker among all */
    const char *listen;                          /* NULL: no plain listener */
    const char *tls_listen;                      /* NULL: no TLS listener */
    struct tls_context *server_tls, *client_tls; /* counted: the worker takes its own reference */
    struct swap_hub *hub;
    struct request_policy *policy;
    const struct redis_address *redis; /* the shared cache; NULL: none. Outlives the worker */
    struct spool *spool;               /* this thread becomes its writer; outlives the worker */
};

/* Binds its listeners; a taken port is an error that names it. Everything until worker_start on the
 * caller's thread. */
struct worker *worker_new(const struct worker_config *c, struct error *err);
bool worker_start(struct worker *w, struct error *err);
uint16_t worker_port(const struct worker *w); /* of the plain listener, 0 when none */
uint16_t worker_tls_port(const struct worker *w);

/* Any thread. */
bool worker_post(struct worker *w, void (*fn)(void *arg),
                 void *arg); /* runs fn on the worker; false: queue full */
void worker_drain(
    struct worker *w); /* no more accepts, idle connections close, answers under way go on */
bool worker_is_drained(
    const struct worker *w); /* after worker_drain: the last connection has gone */
void worker_set_tls(struct worker *w,
                    struct tls_context *tls); /* for new connections; takes its own reference */
const struct request_counters *worker_counters(const struct worker *w);
uint64_t worker_connections(const struct worker *w); /* as of the last quarter of a second */

/* On the worker's own thread only (from worker_post). */
struct request_env *worker_env(struct worker *w);

/* Ends the loop and joins the thread; requests that still run are answered or cut, and recorded.
 * What the worker owns may then be used by the caller's thread until worker_free. Accepts NULL and
 * a worker that was never started. */
void worker_stop(struct worker *w);
void worker_free(struct worker *w); /* behind worker_stop, or before worker_start; accepts NULL */

#endif

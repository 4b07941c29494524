/* The service's own parts, shared by service.c (start and stop), service_state.c (what it says of
 * itself, upkeep, spools, reload) and signals.c. */
#ifndef DATAPLANE_SERVICE_PARTS_H
#define DATAPLANE_SERVICE_PARTS_H

#include <stdatomic.h>

#include "common/base/arena.h"
#include "dataplane/cache/redis.h"
#include "dataplane/service.h"

struct catalogue;
struct loop_timer;
struct own_ledger;
struct own_pump;
struct signals;
struct tls_context;

struct service {
    struct dp_options options;
    struct loop *loop;
    struct loop_timer *upkeep, *drain_poll;
    struct signals *signals;
    int lock_fd;
    struct tls_context *server_tls, *client_tls;
    struct request_policy policy;
    struct snap_key anonymous;
    struct catalogue *catalogue; /* NULL: none found */
    struct target_table *targets;
    struct cache_store *cache;   /* NULL: switched off */
    struct redis_address *redis; /* NULL: none is configured */
    struct arena *texts;         /* of the options, taken apart */
    struct health_checks *health_checks;
    struct swap_hub *hub;
    struct spool **spools; /* one per worker, then those that a former run with more workers left */
    size_t n_spools;
    struct worker **workers;
    unsigned n_workers;
    struct commands *commands;
    struct bridge *bridge; /* managed */
    struct {
        struct bridge *_Atomic bridge; /* to wake, from when it runs */
        /* the bridge thread's: */
        bool away; /* as it told the table */
        bool empty, telling,
            former_told; /* the request under way; what was heard of earlier ones */
    } leases;
    struct sink_file *sink;    /* standalone */
    struct own_ledger *ledger; /* standalone: the accounts of its own */
    struct own_pump *pump;     /* standalone: between those and the table of leases */
    struct ops *ops;
    uint64_t started_ms, loaded_ms, drain_until_ms; /* mono */
    bool hurry;                                     /* a second signal: end now */
};

/* Main thread. */
/* What routing and caching share over all workers: state of targets, cached answers, the shared
 * cache's address, hosts that configs may name. */
bool service_open_routing(struct service *s, struct error *err);
void service_close_routing(struct service *s); /* behind the last worker */
bool service_open_spools(struct service *s, struct error *err);
void service_close_spools(struct service *s);
/* Standalone: reads weir.yaml and publishes it; false leaves what is served as it was. err's text
 * names file, line, column. */
bool service_load_config(struct service *s, struct error *err);
/* Standalone: budgets and limits are the proxy's own. `wake` of its table of leases; then the
 * accounts are read (what events charge is booked by `sink`), granting begins when both run. */
void service_wake_ledger(void *service);
bool service_open_ledger(struct service *s, struct sink_file_config *sink, struct error *err);
bool service_start_ledger(struct service *s, struct error *err);
void service_stop_ledger(struct service *s);  /* grants no more; before the table goes */
void service_close_ledger(struct service *s); /* behind the sink */
/* The table of leases: before the workers are made, and behind the last of them. */
void service_open_quotas(struct service *s);
void service_close_quotas(struct service *s);
/* Managed: the bridge is its authority, with the service as `arg`. */
void service_lease_by(struct bridge_config *c);
void service_lease_from(struct service *s, struct bridge *b); /* NULL: it is about to go */
void service_reload(struct service *s); /* SIGHUP: configuration, TLS files, events file */
void service_upkeep(struct service *s);
/* The workers' counters only; any thread. */
void service_totals(const struct service *s, struct service_state *ret);

/* SIGTERM, SIGINT: drain, the second one ends at once. SIGHUP: reload. They must be blocked in
 * every thread (signals_block in main before any thread starts). */
void signals_block(void);
struct signals *signals_new(struct service *s);
void signals_free(struct signals *g);

#endif

/* What the service says of itself, and what it does now and then: upkeep, reload, its spools. */
#include <dirent.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "common/tls.h"
#include "dataplane/report/event.h"
#include "dataplane/service_parts.h"
#include "dataplane/standalone/standalone.h"

#define MAX_SPOOLS 1024

/* ---- spools ---- */

/* A run with more workers may have left records behind: its spools are opened too, for the reader
 * alone. */
static size_t spools_on_disk(const char *folder)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    struct dirent *e;
    while (d && (e = readdir(d)) != NULL) {
        struct str name = str_of(e->d_name), number, rest;
        uint64_t index;
        if (!str_starts(name, STR_LIT("spool-")) ||
            !str_cut(str_slice(name, 6, name.len), '-', &number, &rest) ||
            !str_to_u64(number, &index) || index >= MAX_SPOOLS) {
            continue;
        }
        n = index + 1 > n ? index + 1 : n;
    }
    if (d) {
        (void)closedir(d);
    }
    return n;
}

bool service_open_spools(struct service *s, struct error *err)
{
    const struct dp_options *o = &s->options;
    char folder[4096];
    (void)snprintf(folder, sizeof(folder), "%s/spool", o->state_folder);
    size_t left = spools_on_disk(folder);
    size_t n = left > s->n_workers ? left : s->n_workers;
    s->spools = mem_alloc(n * sizeof(struct spool *));
    for (size_t i = 0; i < n; i++) {
        struct spool_config c = {
            .folder = folder,
            .worker = (unsigned)i,
            .segment_bytes = o->spool_segment_bytes,
            .max_bytes = o->spool_size_bytes,
            .drop_oldest = dp_options_drop_oldest(o),
            .sync = dp_options_sync(o),
        };
        s->spools[i] = spool_open(&c, event_recover, NULL, err);
        if (!s->spools[i]) {
            return false;
        }
        s->n_spools = i + 1;
    }
    return true;
}

void service_close_spools(struct service *s)
{
    for (size_t i = 0; i < s->n_spools; i++) {
        spool_close(s->spools[i]);
    }
    mem_free(s->spools);
    s->spools = NULL;
    s->n_spools = 0;
}

/* ---- reload ---- */

bool service_load_config(struct service *s, struct error *err)
{
    struct snapshot *root = NULL;
    if (!standalone_load(s->options.config, &root, NULL, err)) {
        return false;
    }
    uint64_t version = snapshot_version(root);
    swap_publish(s->hub, root);
    s->loaded_ms = clock_mono_ms();
    log_write(LOG_INFO, "config_loaded", "configuration is loaded",
              LOG_Z("file", s->options.config), LOG_U("version", version));
    return true;
}

static void reload_tls(struct service *s)
{
    struct error err = ERROR_INIT;
    struct tls_context *fresh =
        tls_server_new(s->options.tls_certificate, s->options.tls_key, &err);
    if (!fresh) {
        log_write(LOG_ERROR, "tls_refused", "certificate or key refused, the old ones go on",
                  LOG_Z("error", error_text(&err)));
        return;
    }
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_set_tls(s->workers[i], fresh);
    }
    tls_context_unref(s->server_tls);
    s->server_tls = fresh;
    log_write(LOG_INFO, "tls_loaded", "certificate and key are loaded");
}

/* The place is told as compilers do, so that an editor can jump there. */
static void log_refusal(const char *file, const struct error *err)
{
    char where[512];
    (void)snprintf(where, sizeof(where), "%s:%d:%d: %s", file, err->line, err->column,
                   error_text(err));
    log_write(LOG_ERROR, "config_refused", "configuration refused, the old one goes on",
              LOG_Z("file", file), LOG_I("line", err->line), LOG_I("column", err->column),
              LOG_Z("error", where));
}

void service_reload(struct service *s)
{
    struct error err = ERROR_INIT;
    if (s->options.config && !service_load_config(s, &err)) {
        log_refusal(s->options.config, &err);
    }
    if (s->server_tls) {
        reload_tls(s);
    }
    if (s->sink) {
        sink_file_reopen(s->sink);
    }
}

/* ---- state ---- */

static uint64_t load(const _Atomic uint64_t *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void service_totals(const struct service *s, struct service_state *ret)
{
    *ret = (struct service_state){.workers = s->n_workers,
                                  .draining = atomic_load(&s->policy.draining)};
    uint64_t ended = 0;
    for (unsigned i = 0; s->workers && i < s->n_workers; i++) {
        const struct request_counters *c = s->workers[i] ? worker_counters(s->workers[i]) : NULL;
        if (!c) {
            continue;
        }
        ended +=
            load(&c->ended); /* before `requests`, so that the difference is never below zero */
        ret->requests += load(&c->requests);
        ret->connections += worker_connections(s->workers[i]);
        ret->unauthenticated += load(&c->unauthenticated);
        ret->malformed += load(&c->malformed);
        ret->events += load(&c->events);
        ret->events_refused += load(&c->events_refused);
        for (size_t k = 0; k < sizeof(ret->by_class) / sizeof(ret->by_class[0]); k++) {
            ret->by_class[k] += load(&c->by_class[k]);
        }
    }
    ret->in_flight = ret->requests > ended ? ret->requests - ended : 0;
}

static void add_spools(const struct service *s, struct service_state *ret)
{
    for (size_t i = 0; i < s->n_spools; i++) {
        struct spool_stats one;
        spool_stats(s->spools[i], &one);
        ret->spool.waiting_records += one.waiting_records;
        ret->spool.waiting_bytes += one.waiting_bytes;
        ret->spool.dropped += one.dropped;
        ret->spool.segments += one.segments;
    }
}

static void add_config(const struct service *s, struct service_state *ret)
{
    struct snapshot *root = swap_current(s->hub);
    ret->stale = atomic_load(&s->policy.stale);
    ret->ready = root && !ret->draining && !ret->stale;
    ret->version = root ? snapshot_version(root) : 0;
    snapshot_unref(root);
    ret->managed = s->bridge != NULL;
    if (s->bridge) {
        struct bridge_status b;
        uint64_t now = clock_wall_ms();
        bridge_status(s->bridge, &b);
        ret->connected = b.connected;
        ret->age_ms = b.snapshot_wall_ms && now > b.snapshot_wall_ms ? now - b.snapshot_wall_ms : 0;
    } else {
        ret->age_ms = clock_mono_ms() - s->loaded_ms;
    }
}

void service_state(const struct service *s, struct service_state *ret)
{
    service_totals(s, ret);
    add_spools(s, ret);
    add_config(s, ret);
    if (s->cache) {
        cache_counts(s->cache, &ret->cache);
    }
    if (s->policy.quotas) {
        quota_counts(s->policy.quotas, &ret->quotas);
    }
    ret->uptime_ms = clock_mono_ms() - s->started_ms;
    if (s->sink) {
        sink_file_stats(s->sink, &ret->lines_written, &ret->write_failures);
    }
}

const struct target_table *service_targets(const struct service *s)
{
    return s->targets;
}

void service_upkeep(struct service *s)
{
    struct service_state st;
    uint64_t limit = s->options.max_staleness_ms;
    if (!limit || !s->bridge) {
        return; /* standalone: the file is the truth, however old */
    }
    service_state(s, &st);
    bool stale = st.version && st.age_ms > limit;
    if (atomic_exchange(&s->policy.stale, stale) != stale) {
        log_write(stale ? LOG_WARN : LOG_INFO, "staleness",
                  stale ? "configuration is older than max-staleness: requests are refused"
                        : "configuration is fresh again",
                  LOG_U("age_ms", st.age_ms));
    }
}

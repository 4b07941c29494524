/* Start in order, stop in reverse; see service.h. */
#include "dataplane/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "common/rules/catalogue.h"
#include "common/tls.h"
#include "dataplane/admin_listener.h"
#include "dataplane/command.h"
#include "dataplane/health_check.h"
#include "dataplane/limits/own_pump.h"
#include "dataplane/limits/quota.h"
#include "dataplane/net/listener.h"
#include "dataplane/net/loop.h"
#include "dataplane/service_parts.h"
#include "dataplane/standalone/standalone.h"

#define UPKEEP_MS 500
#define DRAIN_POLL_MS 20
#define HAND_OVER_LEAST_MS 500

/* ---- parts, in the order in which they start ---- */

/* One proxy per state folder: two would write the same spool files. */
static bool lock_state_folder(struct service *s, struct error *err)
{
    char path[4096];
    if (mkdir(s->options.state_folder, 0700) != 0 && errno != EEXIST) {
        return error_set(err, ERR_INTERNAL, "state folder '%s': %s", s->options.state_folder,
                         strerror(errno));
    }
    (void)snprintf(path, sizeof(path), "%s/lock", s->options.state_folder);
    s->lock_fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (s->lock_fd < 0) {
        return error_set(err, ERR_INTERNAL, "'%s': %s", path, strerror(errno));
    }
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return error_set(err, ERR_CONFLICT, "state folder '%s' is in use by another weir-proxy",
                         s->options.state_folder);
    }
    struct stat st;
    if (stat(s->options.state_folder, &st) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH))) {
        /* volumes of containers come so, hence no refusal */
        log_write(LOG_WARN, "state_folder_open", "other users may write to the state folder",
                  LOG_Z("folder", s->options.state_folder));
    }
    return true;
}

static void raise_file_limit(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}

static bool start_tls(struct service *s, struct error *err)
{
    const struct dp_options *o = &s->options;
    s->client_tls = tls_client_new(o->upstream_ca, err);
    if (!s->client_tls) {
        return false;
    }
    if (o->tls_listen) {
        s->server_tls = tls_server_new(o->tls_certificate, o->tls_key, err);
    }
    return !o->tls_listen || s->server_tls;
}

/* A file that is named must be there; without any the proxy serves, and knows no prices. */
static bool load_catalogue(struct service *s, struct error *err)
{
    struct error why = ERROR_INIT;
    char path[CATALOGUE_PATH_MAX];
    s->catalogue = catalogue_load_installed(s->options.catalogue, path, &why);
    if (!s->catalogue && (path[0] || why.code != ERR_NOT_FOUND)) {
        *err = why;
        return false;
    }
    if (!s->catalogue) {
        log_write(LOG_WARN, "catalogue_missing", "no model catalogue: models have no prices",
                  LOG_Z("error", error_text(&why)));
        return true;
    }
    log_write(LOG_INFO, "catalogue_loaded", "model catalogue is loaded", LOG_Z("file", path),
              LOG_U("models", catalogue_count(s->catalogue)));
    s->policy.catalogue = s->catalogue;
    return true;
}

static void fill_policy(struct service *s)
{
    static const struct str all[] = {STR_LIT("*")};
    const struct dp_options *o = &s->options;
    s->policy.upstream_timeout_ms = (unsigned)o->upstream_timeout_ms;
    s->policy.upstream_gap_timeout_ms = (unsigned)o->upstream_gap_timeout_ms;
    if (strcmp(o->auth, "none") != 0) {
        return;
    }
    s->anonymous = (struct snap_key){
        .organization_id = standalone_id(1, STR_LIT("default")),
        .workspace_id = standalone_id(2, STR_LIT("default")),
        .name = STR_LIT("anonymous"),
        .models = all,
        .providers = all,
        .n_models = 1,
        .n_providers = 1,
    };
    s->policy.anonymous = &s->anonymous;
}

/* "HOST:0" becomes the port that the first worker was given, so that the others share it. */
static const char *same_port(const char *address, uint16_t port, char *buf, size_t size)
{
    const char *colon = strrchr(address, ':');
    if (!colon || strcmp(colon, ":0") != 0) {
        return address;
    }
    (void)snprintf(buf, size, "%.*s:%u", (int)(colon - address), address, port);
    return buf;
}

/* Bound but not running yet: what connects meanwhile waits in the kernel until there is a
 * configuration to serve. */
static bool make_workers(struct service *s, struct error *err)
{
    const struct dp_options *o = &s->options;
    char plain[300], tls[300];
    struct worker_config c = {
        .options = o,
        .count = s->n_workers,
        .listen = strcmp(o->listen, "off") == 0 ? NULL : o->listen,
        .tls_listen = o->tls_listen,
        .server_tls = s->server_tls,
        .client_tls = s->client_tls,
        .hub = s->hub,
        .policy = &s->policy,
        .redis = s->redis,
    };
    if ((c.listen && !listener_port_free(c.listen, err)) ||
        (c.tls_listen && !listener_port_free(c.tls_listen, err))) {
        return false;
    }
    s->workers = mem_alloc(s->n_workers * sizeof(struct worker *));
    for (unsigned i = 0; i < s->n_workers; i++) {
        c.index = i;
        c.spool = s->spools[i];
        s->workers[i] = worker_new(&c, err);
        if (!s->workers[i]) {
            return false;
        }
        if (i == 0) {
            c.listen = c.listen
                           ? same_port(c.listen, worker_port(s->workers[0]), plain, sizeof(plain))
                           : NULL;
            c.tls_listen = c.tls_listen ? same_port(c.tls_listen, worker_tls_port(s->workers[0]),
                                                    tls, sizeof(tls))
                                        : NULL;
        }
    }
    return true;
}

static bool start_workers(struct service *s, struct error *err)
{
    uint16_t plain = worker_port(s->workers[0]), tls = worker_tls_port(s->workers[0]);
    s->health_checks = health_checks_new(worker_env(s->workers[0]));
    health_checks_start(s->health_checks);
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (!worker_start(s->workers[i], err)) {
            return false;
        }
    }
    if (plain) {
        log_write(LOG_INFO, "listening", "listener is open", LOG_Z("address", s->options.listen),
                  LOG_U("port", plain), LOG_U("workers", s->n_workers));
    }
    if (tls) {
        log_write(LOG_INFO, "tls_listening", "TLS listener is open",
                  LOG_Z("address", s->options.tls_listen), LOG_U("port", tls));
    }
    return true;
}

static void on_command(void *arg, struct bridge *b, const struct uuid *id, unsigned kind,
                       struct str body, uint64_t deadline_ms)
{
    const struct service *s = arg;
    commands_on_command(s->commands, b, id, kind, body, deadline_ms);
}

static void on_state(void *arg, uint64_t *in_flight, uint64_t *requests_total, bool *draining)
{
    struct service_state st;
    service_totals(arg, &st);
    *in_flight = st.in_flight;
    *requests_total = st.requests;
    *draining = st.draining;
}

static bool start_managed(struct service *s, struct error *err)
{
    struct bridge_config c = {
        .state_folder = s->options.state_folder,
        .state_key = s->options.state_key,
        .hub = s->hub,
        .spools = s->spools,
        .n_spools = s->n_spools,
        .on_command = on_command,
        .on_state = on_state,
        .arg = s,
    };
    service_lease_by(&c);
    s->bridge = bridge_start(&c, err);
    service_lease_from(s, s->bridge);
    return s->bridge != NULL;
}

static bool start_standalone(struct service *s, struct error *err)
{
    char path[4096];
    struct sink_file_config c = {
        .path = s->options.events_file,
        .spools = s->spools,
        .n_spools = s->n_spools,
        .sync = dp_options_sync(&s->options),
    };
    if (!c.path) {
        (void)snprintf(path, sizeof(path), "%s/events.jsonl", s->options.state_folder);
        c.path = path;
    }
    if (!service_load_config(s, err)) {
        return false;
    }
    if (!service_open_ledger(s, &c, err)) {
        return false;
    }
    s->sink = sink_file_start(&c, err);
    return s->sink != NULL && service_start_ledger(s, err);
}

/* ---- life ---- */

static void on_upkeep(void *arg)
{
    struct service *s = arg;
    service_upkeep(s);
    loop_timer_set(s->upkeep, UPKEEP_MS);
}

static void on_drain_poll(void *arg)
{
    struct service *s = arg;
    bool drained = true;
    for (unsigned i = 0; i < s->n_workers; i++) {
        drained = drained && worker_is_drained(s->workers[i]);
    }
    if (drained || clock_mono_ms() >= s->drain_until_ms) {
        log_write(LOG_INFO, "drained",
                  drained ? "all answers have ended" : "drain timeout: answers under way are cut");
        loop_stop(s->loop);
        return;
    }
    loop_timer_set(s->drain_poll, DRAIN_POLL_MS);
}

void service_drain(struct service *s)
{
    if (atomic_exchange(&s->policy.draining, true)) {
        return;
    }
    log_write(LOG_INFO, "draining", "no more connections are accepted",
              LOG_U("timeout_ms", s->options.drain_timeout_ms));
    s->drain_until_ms = clock_mono_ms() + s->options.drain_timeout_ms;
    for (unsigned i = 0; i < s->n_workers; i++) {
        worker_drain(s->workers[i]);
    }
    loop_timer_set(s->drain_poll, 1);
}

static void drain_here(void *arg)
{
    service_drain(arg);
}

void service_request_drain(struct service *s)
{
    (void)loop_post(s->loop, drain_here, s);
}

struct worker *service_worker(const struct service *s, unsigned index)
{
    return s->workers[index];
}

static bool start_all(struct service *s, struct error *err)
{
    const struct dp_options *o = &s->options;
    if (!lock_state_folder(s, err) || !start_tls(s, err) || !service_open_spools(s, err) ||
        !load_catalogue(s, err) || !service_open_routing(s, err)) {
        return false;
    }
    fill_policy(s);
    service_open_quotas(s);
    s->hub = swap_hub_new();
    s->commands = commands_new(s);
    if (!make_workers(s, err) || !(o->config ? start_standalone(s, err) : start_managed(s, err)) ||
        !start_workers(s, err)) {
        return false;
    }
    if (strcmp(o->ops_listen, "off") != 0) {
        s->ops = ops_new(s->loop, o->ops_listen, s, err);
        if (!s->ops) {
            return false;
        }
    }
    return true;
}

struct service *service_new(struct dp_options *o, struct error *err)
{
    struct service *s = mem_alloc(sizeof(*s));
    s->options = *o;
    s->lock_fd = -1;
    s->started_ms = clock_mono_ms();
    s->n_workers = dp_options_workers(o);
    s->pump = o->config ? own_pump_new() : NULL;
    s->loop = loop_new();
    s->upkeep = loop_timer_new(s->loop, on_upkeep, s);
    s->drain_poll = loop_timer_new(s->loop, on_drain_poll, s);
    raise_file_limit();
    if (!start_all(s, err)) {
        service_free(s);
        return NULL;
    }
    return s;
}

int service_run(struct service *s)
{
    s->signals = signals_new(s);
    loop_timer_set(s->upkeep, 1);
    loop_run(s->loop);
    signals_free(s->signals);
    s->signals = NULL;
    return 0;
}

/* The drain timeout is for answers and for the hand-over of their events together; what cannot be
 * handed over now waits on disk. */
static unsigned hand_over_time(const struct service *s)
{
    uint64_t now = clock_mono_ms();
    if (s->hurry || s->drain_until_ms <= now) {
        return HAND_OVER_LEAST_MS;
    }
    uint64_t left = s->drain_until_ms - now;
    return (unsigned)(left > HAND_OVER_LEAST_MS ? left : HAND_OVER_LEAST_MS);
}

void service_free(struct service *s)
{
    if (!s) {
        return;
    }
    ops_free(s->ops);
    atomic_store(&s->policy.draining, true); /* a drain that was asked for late finds no workers */
    loop_end(s->loop);
    for (unsigned i = 0; s->workers && i < s->n_workers; i++) {
        worker_stop(s->workers[i]);
    }
    unsigned hand_over_ms = hand_over_time(s);
    if (s->bridge) {
        quota_drain(s->policy.quotas); /* nothing is under way any more: all of it goes back */
        bridge_stop(s->bridge, hand_over_ms);
        service_lease_from(s, NULL);
    }
    service_stop_ledger(s);
    sink_file_stop(s->sink, hand_over_ms);
    service_close_ledger(s);
    commands_free(s->commands);
    health_checks_free(s->health_checks);
    for (unsigned i = 0; s->workers && i < s->n_workers; i++) {
        worker_free(s->workers[i]);
    }
    mem_free(s->workers);
    service_close_routing(s);
    service_close_quotas(s);
    service_close_spools(s);
    swap_hub_free(s->hub);
    own_pump_free(s->pump); /* behind the table of leases, which may wake it */
    tls_context_unref(s->server_tls);
    tls_context_unref(s->client_tls);
    catalogue_free(s->catalogue);
    loop_timer_free(s->upkeep);
    loop_timer_free(s->drain_poll);
    loop_free(s->loop);
    if (s->lock_fd >= 0) {
        (void)close(s->lock_fd);
    }
    dp_options_release(&s->options);
    mem_free(s);
}

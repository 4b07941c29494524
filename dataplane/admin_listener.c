/* See admin_listener.h. Metrics are Prometheus' text format, version 0.0.4. */
#include "dataplane/admin_listener.h"

#include <inttypes.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/log.h"
#include "dataplane/net/listener.h"
#include "dataplane/routing/target_state.h"
#include "dataplane/service.h"
#include "dataplane/target_list.h"

#define PAGE_MAX (256u << 10)
#define PROVIDERS_MAX 200 /* values of the label `provider` */

struct ops {
    const struct service *service;
    struct listener *listener;
};

static void answer(struct exchange *x, int status, const char *type, struct str body)
{
    struct header headers[2] = {{STR_LIT("content-type"), str_of(type)},
                                {STR_LIT("cache-control"), STR_LIT("no-store")}};
    exchange_reply(x, status, headers, 2, body);
}

static const char *state_word(const struct service_state *s)
{
    if (s->draining) {
        return "draining";
    }
    if (s->stale) {
        return "configuration is older than max-staleness";
    }
    return s->ready ? "ready" : "no configuration loaded yet";
}

static void write_verbose(const struct service_state *s, struct buffer *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_bool(&w, "ready", s->ready);
    json_field_z(&w, "state", state_word(s));
    json_field_z(&w, "mode", s->managed ? "managed" : "standalone");
    json_field_bool(&w, "connected", s->connected);
    json_field_bool(&w, "stale", s->stale);
    json_field_u64(&w, "config_version", s->version);
    json_field_u64(&w, "config_age_ms", s->age_ms);
    json_field_u64(&w, "workers", s->workers);
    json_field_u64(&w, "uptime_ms", s->uptime_ms);
    json_field_u64(&w, "requests", s->requests);
    json_field_u64(&w, "in_flight", s->in_flight);
    json_field_u64(&w, "connections", s->connections);
    json_field_u64(&w, "spool_records", s->spool.waiting_records);
    json_field_u64(&w, "spool_bytes", s->spool.waiting_bytes);
    json_field_u64(&w, "spool_segments", s->spool.segments);
    json_field_u64(&w, "events_dropped", s->spool.dropped);
    json_field_z(&w, "software_version", WEIR_VERSION);
    json_object_end(&w);
    (void)buffer_append_z(out, "\n");
}

static void readyz(const struct ops *o, struct exchange *x)
{
    struct service_state s;
    struct buffer out;
    service_state(o->service, &s);
    int status = s.ready ? 200 : 503;
    buffer_init(&out, PAGE_MAX);
    if (str_starts(exchange_head(x)->query, STR_LIT("verbose"))) {
        write_verbose(&s, &out);
        answer(x, status, "application/json", buffer_str(&out));
    } else {
        (void)buffer_printf(&out, "%s\n", state_word(&s));
        answer(x, status, "text/plain", buffer_str(&out));
    }
    buffer_release(&out);
}

static void metric(struct buffer *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    (void)buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
                        name, value);
}

static void write_metrics(const struct service_state *s, struct buffer *out)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    metric(out, "weir_requests_total", "counter", "Requests received.", s->requests);
    metric(out, "weir_requests_in_flight", "gauge", "Requests not ended yet.", s->in_flight);
    (void)buffer_append_z(out, "# HELP weir_responses_total Requests ended, by class of status.\n"
                               "# TYPE weir_responses_total counter\n");
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        (void)buffer_printf(out, "weir_responses_total{class=\"%s\"} %" PRIu64 "\n", classes[i],
                            s->by_class[i]);
    }
    metric(out, "weir_connections", "gauge", "Client connections open.", s->connections);
    metric(out, "weir_unauthenticated_total", "counter", "Requests refused with 401.",
           s->unauthenticated);
    metric(out, "weir_malformed_total", "counter",
           "Requests that were not well-formed HTTP or broke a limit.", s->malformed);
    metric(out, "weir_events_total", "counter", "Usage events written to the spool.", s->events);
    metric(out, "weir_events_refused_total", "counter",
           "Usage events that a full spool did not take.", s->events_refused);
    metric(out, "weir_events_dropped_total", "counter", "Usage records dropped from a full spool.",
           s->spool.dropped);
    metric(out, "weir_spool_records", "gauge", "Usage events not handed over yet.",
           s->spool.waiting_records);
    metric(out, "weir_spool_bytes", "gauge", "Bytes of usage events not handed over yet.",
           s->spool.waiting_bytes);
    metric(out, "weir_config_version", "gauge", "Version of the configuration served.", s->version);
    metric(out, "weir_config_age_milliseconds", "gauge",
           "Since the configuration was last confirmed.", s->age_ms);
    metric(out, "weir_connected", "gauge", "1 while in session with a control plane.",
           s->connected);
    metric(out, "weir_ready", "gauge", "1 while /readyz answers 200.", s->ready);
    metric(out, "weir_uptime_milliseconds", "gauge", "Since start.", s->uptime_ms);
}

/* Of what is cached in memory; the shared cache is its own server's to tell. */
static void write_cache_metrics(const struct cache_counts *c, struct buffer *out)
{
    metric(out, "weir_cache_entries", "gauge", "Answers cached in memory.", c->entries);
    metric(out, "weir_cache_bytes", "gauge", "Bytes of answers cached in memory.", c->bytes);
    metric(out, "weir_cache_max_bytes", "gauge", "Ceiling of the cache in memory.", c->max_bytes);
    metric(out, "weir_cache_hits_total", "counter", "Look-ups that found an answer.", c->hits);
    metric(out, "weir_cache_misses_total", "counter", "Look-ups that found none.", c->misses);
    metric(out, "weir_cache_stored_total", "counter", "Answers put into the cache.", c->stored);
    metric(out, "weir_cache_evicted_total", "counter", "Answers that made room for others.",
           c->evicted);
    metric(out, "weir_cache_expired_total", "counter", "Answers whose time was over.", c->expired);
    metric(out, "weir_cache_coalesced_total", "counter",
           "Requests that waited for an equal one's answer.", c->coalesced);
}

/* Budgets and limits: what requests were told, and what was asked for them. */
static void write_quota_metrics(const struct quota_counts *c, struct buffer *out)
{
    metric(out, "weir_quota_accounts", "gauge", "Accounts of budgets and limits in use here.",
           c->accounts);
    metric(out, "weir_quota_waiting", "gauge", "Requests that wait for a reservation.", c->waiting);
    metric(out, "weir_quota_taken_total", "counter", "Reservations made.", c->taken);
    metric(out, "weir_quota_refused_total", "counter", "Reservations that did not fit.",
           c->refused);
    metric(out, "weir_quota_occupied_total", "counter",
           "Reservations that others held the room for too long for.", c->occupied);
    metric(out, "weir_quota_without_authority_total", "counter",
           "Reservations that nobody could be asked for.", c->without_authority);
    metric(out, "weir_lease_asks_total", "counter", "Asks for leases sent.", c->asks);
}

static void put_label(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            (void)buffer_append(out, "\\", 1);
        }
        (void)buffer_append(out, *text == '\n' ? " " : text, 1);
    }
}

static void write_target_metrics(const struct target_table *t, struct buffer *out)
{
    struct provider_health *list = mem_alloc(PROVIDERS_MAX * sizeof(*list));
    size_t n = target_health(t, clock_mono_ms(), list, PROVIDERS_MAX);
    (void)buffer_append_z(
        out, "# HELP weir_target_state Targets (model and key) of a provider, by their breaker.\n"
             "# TYPE weir_target_state gauge\n");
    for (size_t i = 0; i < n; i++) {
        for (unsigned k = 0; k < BREAKER_STATE_COUNT; k++) {
            (void)buffer_append_z(out, "weir_target_state{provider=\"");
            put_label(out, list[i].provider);
            (void)buffer_printf(out, "\",state=\"%s\"} %u\n",
                                breaker_state_name((enum breaker_state)k), list[i].targets[k]);
        }
    }
    mem_free(list);
}

static void metrics(const struct ops *o, struct exchange *x)
{
    struct service_state s;
    struct buffer out;
    service_state(o->service, &s);
    buffer_init(&out, PAGE_MAX);
    write_metrics(&s, &out);
    if (s.cache.max_bytes) {
        write_cache_metrics(&s.cache, &out);
    }
    write_quota_metrics(&s.quotas, &out);
    write_target_metrics(service_targets(o->service), &out);
    answer(x, 200, "text/plain; version=0.0.4", buffer_str(&out));
    buffer_release(&out);
}

static void on_request(void *arg, struct exchange *x)
{
    const struct ops *o = arg;
    const struct request_head *h = exchange_head(x);
    if (!str_eqz(h->method, "GET") && !str_eqz(h->method, "HEAD")) {
        struct header allow = {STR_LIT("allow"), STR_LIT("GET, HEAD")};
        exchange_reply(x, 405, &allow, 1, STR_LIT("method not allowed\n"));
    } else if (str_eqz(h->path, "/livez")) {
        answer(x, 200, "text/plain", STR_LIT("alive\n"));
    } else if (str_eqz(h->path, "/readyz")) {
        readyz(o, x);
    } else if (str_eqz(h->path, "/metrics")) {
        metrics(o, x);
    } else {
        answer(x, 404, "text/plain",
               STR_LIT("not found; there are /livez, /readyz and /metrics\n"));
    }
}

static void on_bad_request(void *arg, struct exchange *x, const struct error *err)
{
    (void)arg;
    struct buffer out;
    buffer_init(&out, PAGE_MAX);
    (void)buffer_printf(&out, "%s\n", error_text(err));
    answer(x, error_status(err->code), "text/plain", buffer_str(&out));
    buffer_release(&out);
}

struct ops *ops_new(struct loop *l, const char *address, const struct service *s, struct error *err)
{
    struct ops *o = mem_alloc(sizeof(*o));
    struct listener_config c = {
        .address = address,
        .max_connections = 256,
        .limits =
            {
                .max_head_bytes = 16u << 10,
                .max_body_bytes = 16u << 10,
                .head_timeout_ms = 10000,
                .body_timeout_ms = 10000,
                .idle_timeout_ms = 75000,
                .write_timeout_ms = 30000,
            },
        .handler = {on_request, on_bad_request, o},
    };
    o->service = s;
    o->listener = listener_port_free(address, err) ? listener_new(l, &c, err) : NULL;
    if (!o->listener) {
        mem_free(o);
        return NULL;
    }
    log_write(LOG_INFO, "ops_listening", "operations listener is open", LOG_Z("address", address),
              LOG_U("port", listener_port(o->listener)));
    return o;
}

void ops_free(struct ops *o)
{
    if (!o) {
        return;
    }
    listener_free(o->listener);
    mem_free(o);
}

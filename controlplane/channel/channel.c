/* The channel as a whole: certificates, state, listeners and threads, started in order and stopped
 * in reverse. */
#include "controlplane/channel/internal.h"

#include <stdio.h>

#include "common/base/mem.h"
#include "common/json.h"
#include "common/log.h"
#include "common/x509.h"
#include "controlplane/store/authority.h"
#include "controlplane/store/data_planes_channel.h"

#define SERVER_CERT_DAYS 825
#define SYNC_THREADS 3
#define REPORT_THREADS 3
#define LEASE_THREADS 3
#define JOBS_MAX 8192
#define CALLS_MAX 20000

/* A request on its way from NNG's thread to a worker. */
struct request_job {
    struct channel *c;
    enum lane_kind lane;
    struct link_call *call;
    struct str message;
};

static void run_request(void *arg, bool live)
{
    struct request_job *j = arg;
    if (live) {
        session_request(j->c, j->lane, j->call, j->message);
    } else {
        link_drop(j->call);
    }
    mem_free(j);
}

static void take_request(struct channel *c, enum lane_kind lane, struct link_call *call,
                         struct str message)
{
    struct request_job *j = mem_alloc(sizeof(*j));
    *j = (struct request_job){c, lane, call, message};
    struct work *workers = lane == LANE_REPORT  ? c->reports
                           : lane == LANE_LEASE ? c->leases
                                                : c->syncs;
    if (!work_push(workers, run_request, j)) {
        run_request(j, false);
    }
}

static void on_sync(void *arg, struct link_call *call, struct str message)
{
    take_request(arg, LANE_SYNC, call, message);
}

static void on_report(void *arg, struct link_call *call, struct str message)
{
    take_request(arg, LANE_REPORT, call, message);
}

static void on_lease(void *arg, struct link_call *call, struct str message)
{
    take_request(arg, LANE_LEASE, call, message);
}

static void on_change(void *arg)
{
    struct channel *c = arg;
    pthread_mutex_lock(&c->lock);
    c->changed = true;
    pthread_cond_signal(&c->pump_wake);
    pthread_mutex_unlock(&c->lock);
}

static void on_notify(void *arg, struct str name, struct str payload)
{
    struct channel *c = arg;
    struct uuid plane;
    if (str_eqz(name, "weir_command")) {
        command_notified(c, payload);
    } else if (str_eqz(name, "weir_plane") && uuid_parse(payload, &plane)) {
        sessions_end_plane(c, &plane);
    } else if (str_eqz(name, "weir_instance")) {
        pthread_mutex_lock(&c->lock);
        c->beat_now = true; /* the proxies shall know of it before they need it */
        pthread_cond_signal(&c->books_wake);
        pthread_mutex_unlock(&c->lock);
    }
}

static void make_url(char out[192], const char *host, unsigned port)
{
    bool v6 = strchr(host, ':') != NULL;
    (void)snprintf(out, 192, "tls+tcp://%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static bool make_certificate(struct channel *c, struct error *err)
{
    if (!authority_get(c->config.pool, c->config.keys, &c->ca_cert, &c->ca_key, err)) {
        return false;
    }
    struct buffer names;
    buffer_init(&names, 4096);
    (void)buffer_printf(&names, "%s,%s", LINK_SERVER_NAME, c->advertise);
    if (strcmp(c->advertise, c->address) != 0 && strcmp(c->address, "0.0.0.0") != 0 &&
        strcmp(c->address, "::") != 0) {
        (void)buffer_printf(&names, ",%s", c->address);
    }
    char *list = buffer_detach(&names);
    bool ok = x509_make_server(c->ca_cert, c->ca_key, LINK_SERVER_NAME, list, SERVER_CERT_DAYS,
                               &c->cert, &c->key, err);
    mem_free(list);
    if (!ok) {
        return false;
    }
    buffer_init(&names, 65536);
    (void)buffer_printf(&names, "%s%s", c->cert, c->ca_cert);
    c->chain = buffer_detach(&names);
    return true;
}

static bool open_listeners(struct channel *c, struct error *err)
{
    struct link_tls tls = {c->cert, c->key, c->ca_cert};
    unsigned p = c->config.port;
    char url[192];
    make_url(url, c->address, p);
    if (!(c->sync = link_listen_rep(url, &tls, CALLS_MAX, on_sync, c, err))) {
        return false;
    }
    make_url(url, c->address, p ? p + 1 : 0);
    if (!(c->announce = link_listen_pub(url, &tls, err))) {
        return false;
    }
    make_url(url, c->address, p ? p + 2 : 0);
    if (!(c->report = link_listen_rep(url, &tls, CALLS_MAX, on_report, c, err))) {
        return false;
    }
    make_url(url, c->address, p ? p + 3 : 0);
    return (c->lease = link_listen_rep(url, &tls, CALLS_MAX, on_lease, c, err)) != NULL;
}

static void describe_endpoints(struct channel *c)
{
    struct buffer b;
    struct json_writer w;
    make_url(c->urls[0], c->advertise, link_pub_port(c->announce));
    make_url(c->urls[1], c->advertise, link_server_port(c->sync));
    make_url(c->urls[2], c->advertise, link_server_port(c->report));
    make_url(c->urls[3], c->advertise, link_server_port(c->lease));
    buffer_init(&b, 4096);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "announce", c->urls[0]);
    json_field_z(&w, "sync", c->urls[1]);
    json_field_z(&w, "report", c->urls[2]);
    json_field_z(&w, "lease", c->urls[3]);
    json_object_end(&w);
    c->endpoints_json = buffer_detach(&b);
}

static void init_locks(struct channel *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->pump_wake, &attr);
    pthread_cond_init(&c->books_wake, &attr);
    pthread_cond_init(&c->command_done, &attr);
    pthread_condattr_destroy(&attr);
    list_init(&c->sessions);
    list_init(&c->remote_waits);
}

static bool start(struct channel *c, struct error *err)
{
    struct state_config sc = {
        .pool = c->config.pool, .keys = c->config.keys, .references = c->config.references};
    if (!make_certificate(c, err) || !(c->state = state_load(&sc, err))) {
        return false;
    }
    c->syncs = work_new(SYNC_THREADS, JOBS_MAX);
    c->reports = work_new(REPORT_THREADS, JOBS_MAX);
    c->leases = work_new(LEASE_THREADS, JOBS_MAX);
    if (!c->syncs || !c->reports || !c->leases) {
        return error_set(err, ERR_INTERNAL, "cannot start threads");
    }
    if (!open_listeners(c, err)) {
        return false;
    }
    describe_endpoints(c);
    if (!books_beat(c, err)) {
        return false;
    }
    struct watch_config wc = {.pool = c->config.pool,
                              .state = c->state,
                              .on_change = on_change,
                              .on_notify = on_notify,
                              .arg = c};
    c->watch = watch_start(&wc);
    if (!c->watch || !pump_start(c)) {
        return error_set(err, ERR_INTERNAL, "cannot start threads");
    }
    return true;
}

struct channel *channel_start(const struct channel_config *config, struct error *err)
{
    struct channel *c = mem_alloc(sizeof(*c));
    c->config = *config;
    c->address = mem_strdup(config->address);
    c->advertise =
        mem_strdup(config->advertise && *config->advertise ? config->advertise : config->address);
    c->instance = uuid_v7();
    init_locks(c);
    if (!start(c, err)) {
        channel_stop(c);
        return NULL;
    }
    log_write(LOG_INFO, "channel_open", "the channel is open", LOG_Z("sync", c->urls[1]),
              LOG_U("version", state_version(c->state)));
    return c;
}

void channel_stop(struct channel *c)
{
    struct error err = ERROR_INIT;
    if (!c) {
        return;
    }
    watch_stop(c->watch);
    pump_stop(c);
    work_stop(c->syncs);
    work_stop(c->reports);
    work_stop(c->leases);
    if (c->endpoints_json) {
        (void)instances_leave(c->config.pool, &c->instance, &err);
    }
    link_server_close(c->sync);
    link_server_close(c->report);
    link_server_close(c->lease);
    link_pub_close(c->announce);
    sessions_free(c);
    work_free(c->syncs);
    work_free(c->reports);
    work_free(c->leases);
    state_free(c->state);
    pthread_cond_destroy(&c->command_done);
    pthread_cond_destroy(&c->books_wake);
    pthread_cond_destroy(&c->pump_wake);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->endpoints_json);
    mem_free(c->chain);
    mem_free(c->cert);
    mem_free(c->ca_cert);
    if (c->key) {
        mem_free_secret(c->key, strlen(c->key));
    }
    if (c->ca_key) {
        mem_free_secret(c->ca_key, strlen(c->ca_key));
    }
    mem_free(c->advertise);
    mem_free(c->address);
    mem_free(c);
}

const char *channel_cert_pem(const struct channel *c)
{
    return c->chain;
}

const char *channel_key_pem(const struct channel *c)
{
    return c->key;
}

const char *channel_ca_pem(const struct channel *c)
{
    return c->ca_cert;
}

uint64_t channel_version(const struct channel *c)
{
    return state_version(c->state);
}

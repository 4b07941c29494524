/* See dp_options.h. Each row is documented in docs/configuration.md (tests/lint checks it). */
#include "dataplane/dp_options.h"

#include <stddef.h>
#include <unistd.h>

#include "common/log.h"
#include "common/yaml.h"
#include "dataplane/report/identity.h"

#define MAX_WORKERS 64
#define OFFSET(field) offsetof(struct dp_options, field)
#define TEXT(name, env, field, fallback, help)                             \
    {                                                                      \
        name, env, OPTION_TEXT, OFFSET(field), fallback, 0, 0, false, help \
    }
#define SECRET(name, env, field, help)                                \
    {                                                                 \
        name, env, OPTION_TEXT, OFFSET(field), NULL, 0, 0, true, help \
    }
#define BYTES(name, env, field, fallback, min, max, help)                       \
    {                                                                           \
        name, env, OPTION_BYTES, OFFSET(field), fallback, min, max, false, help \
    }
#define TIME(name, env, field, fallback, min, help)                                           \
    {                                                                                         \
        name, env, OPTION_DURATION_MS, OFFSET(field), fallback, min, 7ull * 24 * 3600 * 1000, \
            false, help                                                                       \
    }

static const struct option_row rows[] = {
    TEXT("config", "WEIR_PROXY_CONFIG", config, NULL,
         "standalone: serve from this weir.yaml, without a control plane"),
    TEXT("listen", "WEIR_PROXY_LISTEN", listen, "127.0.0.1:8787",
         "HOST:PORT for applications, plain HTTP; \"off\" for none"),
    TEXT("tls-listen", "WEIR_PROXY_TLS_LISTEN", tls_listen, NULL,
         "HOST:PORT for applications, HTTPS"),
    TEXT("tls-certificate", "WEIR_PROXY_TLS_CERTIFICATE", tls_certificate, NULL,
         "PEM chain for --tls-listen, read again on SIGHUP"),
    TEXT("tls-key", "WEIR_PROXY_TLS_KEY", tls_key, NULL,
         "PEM key for --tls-listen, read again on SIGHUP"),
    TEXT("ops-listen", "WEIR_PROXY_OPS_LISTEN", ops_listen, "127.0.0.1:8788",
         "HOST:PORT for /livez, /readyz, /metrics; \"off\" for none"),
    {"workers", "WEIR_PROXY_WORKERS", OPTION_U64, OFFSET(workers), "0", 0, MAX_WORKERS, false,
     "worker threads; 0: one per core"},
    TEXT("state-folder", "WEIR_STATE", state_folder, "./.weir-proxy",
         "identity, last snapshot and spool"),
    SECRET("state-key", "WEIR_STATE_KEY", state_key,
           "32 bytes as 64 hex digits or base64; encrypts what the state folder holds of secrets"),
    TEXT("control", "WEIR_CONTROL", control, NULL,
         "HOST:PORT of the control plane's enrolment listener"),
    SECRET("enrol", "WEIR_ENROL", enrol,
           "token: enrols with the control plane if not enrolled yet, then serves"),
    TEXT("name", "WEIR_PROXY_NAME", name, NULL,
         "this proxy's name in the control plane; the host's name when not given"),
    TEXT("events-file", "WEIR_PROXY_EVENTS_FILE", events_file, NULL,
         "standalone: usage events as JSON lines; STATE-FOLDER/events.jsonl when not given, - for "
         "standard output"),
    BYTES("spool-size", "WEIR_PROXY_SPOOL_SIZE", spool_size_bytes, "256MiB", 1u << 20, 1ull << 40,
          "ceiling of usage records not yet handed over, per worker"),
    BYTES("spool-segment", "WEIR_PROXY_SPOOL_SEGMENT", spool_segment_bytes, "8MiB", 256u << 10,
          1u << 30, "size of one spool file"),
    TEXT("spool-full", "WEIR_PROXY_SPOOL_FULL", spool_full, "refuse",
         "when the spool is full: refuse requests, or drop-oldest records and count them"),
    TEXT("spool-sync", "WEIR_PROXY_SPOOL_SYNC", spool_sync, "batch",
         "what survives a power loss: none, batch (all but the last moments) or record "
         "(everything; slow)"),
    BYTES("max-body", "WEIR_PROXY_MAX_BODY", max_body_bytes, "64MiB", 1024, 1u << 30,
          "largest request body; 413 past it"),
    BYTES("max-head", "WEIR_PROXY_MAX_HEAD", max_head_bytes, "64KiB", 1024, 1u << 20,
          "largest request head; 431 past it"),
    TIME("head-timeout", "WEIR_PROXY_HEAD_TIMEOUT", head_timeout_ms, "15s", 1,
         "for a whole request head to arrive"),
    TIME("body-timeout", "WEIR_PROXY_BODY_TIMEOUT", body_timeout_ms, "30s", 1,
         "between two pieces of a request body"),
    TIME("idle-timeout", "WEIR_PROXY_IDLE_TIMEOUT", idle_timeout_ms, "75s", 1,
         "for a client's connection without a request"),
    TIME("write-timeout", "WEIR_PROXY_WRITE_TIMEOUT", write_timeout_ms, "2m", 1,
         "a client that takes no byte for so long is gone"),
    TIME("connect-timeout", "WEIR_PROXY_CONNECT_TIMEOUT", connect_timeout_ms, "5s", 1,
         "to connect to a provider: name, TCP and TLS"),
    TIME("upstream-timeout", "WEIR_PROXY_UPSTREAM_TIMEOUT", upstream_timeout_ms, "10m", 0,
         "for a provider's answer to begin, where it has no timeout of its own; 0: none"),
    TIME("upstream-gap-timeout", "WEIR_PROXY_UPSTREAM_GAP_TIMEOUT", upstream_gap_timeout_ms, "5m",
         0, "between two pieces of a provider's answer; 0: none"),
    TIME("drain-timeout", "WEIR_PROXY_DRAIN_TIMEOUT", drain_timeout_ms, "30s", 0,
         "on SIGTERM: for answers under way to end and for events to be handed over"),
    {"max-connections", "WEIR_PROXY_MAX_CONNECTIONS", OPTION_U64, OFFSET(max_connections), "10000",
     1, 10000000, false, "client connections, over all workers"},
    TIME("max-staleness", "WEIR_PROXY_MAX_STALENESS", max_staleness_ms, "0", 0,
         "refuse requests when the configuration was not confirmed for so long; 0: never"),
    TEXT("auth", "WEIR_PROXY_AUTH", auth, "key",
         "key, or none: no key is asked for (standalone, on loopback only)"),
    BYTES("cache-bytes", "WEIR_PROXY_CACHE_BYTES", cache_bytes, "256MiB", 0, 1ull << 40,
          "ceiling of cached answers in memory, over all workers; 0: none are kept there"),
    SECRET("cache-redis", "WEIR_PROXY_CACHE_REDIS", cache_redis,
           "redis://[user:password@]host[:port][/database] of a cache that several proxies share; "
           "env:NAME and file:PATH are looked up"),
    TIME("cache-redis-timeout", "WEIR_PROXY_CACHE_REDIS_TIMEOUT", cache_redis_timeout_ms, "50ms", 1,
         "a request waits no longer than this for the shared cache"),
    TEXT("custom-hosts", "WEIR_PROXY_CUSTOM_HOSTS", custom_hosts, NULL,
         "hosts that custom_host of routing configs may name, comma-separated; a * stands for any "
         "characters; none when not given"),
    TEXT("upstream-ca", "WEIR_PROXY_UPSTREAM_CA", upstream_ca, NULL,
         "PEM file of the CAs that providers are verified by; the system's when not given"),
    TEXT("catalogue", "WEIR_CATALOGUE", catalogue, NULL,
         "file of the model catalogue; catalogue.json beside the program, or in share/weir, when "
         "not "
         "given"),
    {"core-dumps", "WEIR_CORE_DUMPS", OPTION_BOOL, OFFSET(core_dumps), NULL, 0, 0, false,
     "let the kernel write the memory of a crash to disk, secrets included, and debuggers attach"},
    TEXT("log-level", "WEIR_LOG_LEVEL", log_level, "info", "debug, info, warn or error"),
    TEXT("log-format", "WEIR_LOG_FORMAT", log_format, "json", "json or text"),
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

const struct option_row *dp_options_rows(size_t *ret_n)
{
    *ret_n = N_ROWS;
    return rows;
}

static bool is_word(const char *value, const char *a, const char *b, const char *c)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0 || (c && strcmp(value, c) == 0);
}

static bool bad(struct error *err, const char *name, const char *value, const char *want)
{
    return error_set_param(err, ERR_INVALID_FIELD, name, "setting %s: '%s' is not %s", name, value,
                           want);
}

bool dp_options_is_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct str host = {address, colon ? (size_t)(colon - address) : strlen(address)};
    if (str_eqz(host, "[::1]") || str_eqz(host, "localhost")) {
        return true;
    }
    /* 127.0.0.0/8, in digits only: "127.example.com" is somebody's name */
    if (!str_starts(host, STR_LIT("127."))) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] != '.' && (host.ptr[i] < '0' || host.ptr[i] > '9')) {
            return false;
        }
    }
    return true;
}

static bool listens_beyond_loopback(const char *address)
{
    return address && strcmp(address, "off") != 0 && !dp_options_is_loopback(address);
}

static bool check_auth(const struct dp_options *o, struct error *err)
{
    if (strcmp(o->auth, "none") != 0) {
        return true;
    }
    if (!o->config) {
        return bad(err, "auth", o->auth,
                   "possible without --config: a managed proxy always asks for a key");
    }
    if (listens_beyond_loopback(o->listen) || listens_beyond_loopback(o->tls_listen)) {
        return bad(err, "auth", o->auth, "possible on an address other than loopback");
    }
    return true;
}

static bool check_tls(const struct dp_options *o, struct error *err)
{
    if (o->tls_listen && (!o->tls_certificate || !o->tls_key)) {
        return error_set_param(err, ERR_INVALID_FIELD, "tls-certificate",
                               "setting tls-listen needs tls-certificate and tls-key");
    }
    if (strcmp(o->listen, "off") == 0 && !o->tls_listen) {
        return error_set_param(err, ERR_INVALID_FIELD, "listen",
                               "setting listen: nothing to listen on");
    }
    return true;
}

/* What the store needs besides answers would not fit into less. */
static bool check_cache(const struct dp_options *o, struct error *err)
{
    if (o->cache_bytes && o->cache_bytes < (1u << 20)) {
        return error_set_param(err, ERR_INVALID_FIELD, "cache-bytes",
                               "setting cache-bytes must be 0 or at least 1MiB");
    }
    return true;
}

static bool check(const struct dp_options *o, struct error *err)
{
    enum log_level level;
    if (!is_word(o->auth, "key", "none", NULL)) {
        return bad(err, "auth", o->auth, "key or none");
    }
    if (!is_word(o->spool_full, "refuse", "drop-oldest", NULL)) {
        return bad(err, "spool-full", o->spool_full, "refuse or drop-oldest");
    }
    if (!is_word(o->spool_sync, "none", "batch", "record")) {
        return bad(err, "spool-sync", o->spool_sync, "none, batch or record");
    }
    if (!is_word(o->log_format, "json", "text", NULL)) {
        return bad(err, "log-format", o->log_format, "json or text");
    }
    if (!log_level_parse(str_of(o->log_level), &level)) {
        return bad(err, "log-level", o->log_level, "debug, info, warn or error");
    }
    if (o->spool_size_bytes < 2 * o->spool_segment_bytes) {
        return error_set_param(err, ERR_INVALID_FIELD, "spool-size",
                               "setting spool-size must be at least twice spool-segment");
    }
    uint8_t key[32];
    bool ok = !o->state_key || !*o->state_key || state_key_parse(o->state_key, key, NULL);
    explicit_bzero(key, sizeof(key));
    if (!ok) {
        return error_set_param(err, ERR_INVALID_FIELD, "state-key",
                               "setting state-key is neither 64 hex digits nor base64 of 32 bytes");
    }
    return check_cache(o, err) && check_tls(o, err) && check_auth(o, err);
}

bool dp_options_load(struct dp_options *o, const struct yaml_node *settings,
                     const char *settings_name, int argc, char **argv, int first, struct error *err)
{
    if (!options_load_settings(rows, N_ROWS, o, settings, settings_name, argc, argv, first, NULL,
                               NULL, err)) {
        return false;
    }
    if (!check(o, err)) {
        dp_options_release(o);
        return false;
    }
    return true;
}

void dp_options_release(struct dp_options *o)
{
    options_release(rows, N_ROWS, o);
}

void dp_options_help(void)
{
    options_help(rows, N_ROWS,
                 "weir-proxy [options]\n"
                 "       weir-proxy --config weir.yaml [options]     standalone\n"
                 "       weir-proxy --enrol TOKEN --control HOST:PORT [options]\n"
                 "       weir-proxy check --config weir.yaml         checks the file and ends");
}

bool dp_options_drop_oldest(const struct dp_options *o)
{
    return strcmp(o->spool_full, "drop-oldest") == 0;
}

enum spool_sync dp_options_sync(const struct dp_options *o)
{
    if (strcmp(o->spool_sync, "none") == 0) {
        return SPOOL_SYNC_NONE;
    }
    return strcmp(o->spool_sync, "record") == 0 ? SPOOL_SYNC_RECORD : SPOOL_SYNC_BATCH;
}

unsigned dp_options_workers(const struct dp_options *o)
{
    if (o->workers) {
        return (unsigned)o->workers;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > MAX_WORKERS ? MAX_WORKERS : (unsigned)cores;
}

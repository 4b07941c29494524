/* Options → log → keys → database (checked) → jobs → channel → API → listeners; then signals; then
 * back. */
#include "controlplane/cp_serve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/base/process.h"
#include "common/log.h"
#include "common/rules/catalogue.h"
#include "common/tls.h"
#include "controlplane/api/api.h"
#include "controlplane/channel/channel.h"
#include "controlplane/cp_options.h"
#include "controlplane/enrol_listener.h"
#include "controlplane/http/server.h"
#include "controlplane/identity/identity.h"
#include "controlplane/jobs/schedule.h"
#include "controlplane/secrets/reference.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/db.h"
#include "controlplane/store/providers.h"

#define ADMIN_THREADS 4
#define ADMIN_MAX_BODY ((size_t)8 << 20) /* weir apply sends whole files */
#define BULK_PATH "/keys/bulk"
#define BULK_MAX_BODY ((size_t)48 << 20) /* 100,000 keys at once */
#define PEM_MAX_BYTES ((size_t)1 << 20)

struct serve {
    struct cp_options o;
    struct seal_keys *keys;
    struct references *references;
    struct db_pool *pool;
    struct identity *identity;
    struct schedule *jobs;
    struct channel *channel;
    struct catalogue *catalogue; /* NULL: none found */
    struct api *api;
    struct http_server *plain, *tls, *enrol;
    char *cert_pem, *key_pem;
};

static bool is_set(const char *text)
{
    return text && *text;
}

static bool load_keys(struct serve *s, struct error *err)
{
    s->keys = cp_options_keys(&s->o, err);
    return s->keys != NULL;
}

/* The value of a reference changed: proxies get the providers that hold it anew. */
static bool touch_providers(void *arg, const struct str *names, size_t n)
{
    struct serve *s = arg;
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(s->pool, TX_SYSTEM, NULL, &err);
    bool ok = t && providers_touch_references(t, names, n, &err);
    if (ok) {
        ok = tx_commit(t, NULL, &err);
    } else {
        tx_rollback(t);
    }
    if (!ok) {
        log_write(LOG_WARN, "reference_failed", "a changed reference could not be published yet",
                  LOG_Z("error", error_text(&err)));
    }
    return ok;
}

static bool load_references(struct serve *s, struct error *err)
{
    const struct references_config config = {.declared = s->o.secret_references,
                                             .file = s->o.secret_references_file,
                                             .vault_address = s->o.vault_address,
                                             .vault_token = s->o.vault_token,
                                             .vault_token_file = s->o.vault_token_file,
                                             .vault_ca_file = s->o.vault_ca_file,
                                             .vault_namespace = s->o.vault_namespace,
                                             .refresh_ms = s->o.secret_refresh_ms};
    s->references = references_new(&config, err);
    return s->references != NULL;
}

static bool start_channel(struct serve *s, struct error *err)
{
    char host[64];
    uint16_t port = 0;
    if (!cp_address_parse("channel-listen", s->o.channel_listen, host, &port, err)) {
        return false;
    }
    const struct channel_config config = {
        .pool = s->pool,
        .keys = s->keys,
        .references = s->references,
        .address = host,
        .advertise = is_set(s->o.channel_advertise) ? s->o.channel_advertise : host,
        .port = port};
    s->channel = channel_start(&config, err);
    if (!s->channel) {
        return false;
    }
    log_write(LOG_INFO, "listening", "channel is open", LOG_Z("address", host),
              LOG_U("port", port));
    return true;
}

/* A file that is named must be there; without any the API serves, and knows no models. */
static bool load_catalogue(struct serve *s, struct error *err)
{
    struct error why = ERROR_INIT;
    char path[CATALOGUE_PATH_MAX];
    s->catalogue = catalogue_load_installed(s->o.catalogue, path, &why);
    if (!s->catalogue && (is_set(s->o.catalogue) || why.code != ERR_NOT_FOUND)) {
        *err = why;
        return false;
    }
    if (!s->catalogue) {
        log_write(LOG_WARN, "catalogue_missing", "no model catalogue: models have no prices",
                  LOG_Z("error", error_text(&why)));
    }
    return true;
}

static bool start_api(struct serve *s, struct error *err)
{
    const char *public_url = s->o.public_url;
    const struct api_config config = {
        .pool = s->pool,
        .keys = s->keys,
        .channel = s->channel,
        .catalogue = s->catalogue,
        .identity = s->identity,
        .references = s->references,
        .local_login_off = strcmp(s->o.local_login, "off") == 0,
        .base_path = s->o.base_path,
        .public_url = public_url,
        .web_admin_folder = is_set(s->o.web_admin_folder) ? s->o.web_admin_folder : NULL,
        .secure_cookies = is_set(s->o.tls_listen) ||
                          (public_url && str_starts(str_of(public_url), STR_LIT("https://"))),
        .session_idle_ms = s->o.session_idle_ms,
        .session_max_ms = s->o.session_max_ms};
    s->api = api_new(&config);
    return s->api || error_set(err, ERR_INTERNAL, "the API could not be set up");
}

/* The whole file as text; NULL with *err. */
static char *read_pem(const char *path, struct error *err)
{
    FILE *f = fopen(path, "re");
    struct buffer b;
    char chunk[4096];
    size_t n;
    if (!f) {
        error_set(err, ERR_INVALID_FIELD, "cannot read \"%s\": %s", path, strerror(errno));
        return NULL;
    }
    buffer_init(&b, PEM_MAX_BYTES);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        buffer_append(&b, chunk, n);
    }
    bool ok = !ferror(f) && !b.failed && b.len > 0;
    fclose(f);
    explicit_bzero(chunk, sizeof chunk);
    char *text = ok ? buffer_detach(&b) : NULL;
    buffer_release(&b);
    if (!ok) {
        error_set(err, ERR_INVALID_FIELD, "\"%s\" is empty, too large or cannot be read", path);
    }
    return text;
}

static void release_pems(char **cert_pem, char **key_pem)
{
    mem_free(*cert_pem);
    mem_free_secret(*key_pem, *key_pem ? strlen(*key_pem) : 0);
    *cert_pem = *key_pem = NULL;
}

/* Both files, checked to be a pair by the library that reports faults best. */
static bool read_pair(const struct serve *s, char **ret_cert, char **ret_key, struct error *err)
{
    struct tls_context *probe = tls_server_new(s->o.tls_certificate, s->o.tls_key, err);
    if (!probe) {
        return false;
    }
    tls_context_unref(probe);
    char *cert = read_pem(s->o.tls_certificate, err);
    char *key = cert ? read_pem(s->o.tls_key, err) : NULL;
    if (!key) {
        release_pems(&cert, &key);
        return false;
    }
    *ret_cert = cert;
    *ret_key = key;
    return true;
}

static struct http_server *start_admin(struct serve *s, const char *option, const char *listen,
                                       bool tls, struct error *err)
{
    char host[64];
    uint16_t port = 0;
    if (!cp_address_parse(option, listen, host, &port, err)) {
        return NULL;
    }
    const struct http_server_config config = {.address = host,
                                              .port = port,
                                              .cert_pem = tls ? s->cert_pem : NULL,
                                              .key_pem = tls ? s->key_pem : NULL,
                                              .threads = ADMIN_THREADS,
                                              .max_body = ADMIN_MAX_BODY,
                                              .large_path = BULK_PATH,
                                              .max_large_body = BULK_MAX_BODY,
                                              .handle = api_handle,
                                              .arg = s->api};
    struct http_server *server = http_server_start(&config, err);
    if (server) {
        log_write(LOG_INFO, "listening", "admin API is open", LOG_Z("address", host),
                  LOG_U("port", http_server_port(server)), LOG_Z("scheme", tls ? "https" : "http"));
    }
    return server;
}

static bool start_enrol(struct serve *s, struct error *err)
{
    char host[64];
    uint16_t port = 0;
    if (!cp_address_parse("enrol-listen", s->o.enrol_listen, host, &port, err)) {
        return false;
    }
    s->enrol = enrol_listener_start(s->channel, host, port, err);
    if (!s->enrol) {
        return false;
    }
    log_write(LOG_INFO, "listening", "enrolment is open", LOG_Z("address", host),
              LOG_U("port", http_server_port(s->enrol)));
    return true;
}

static bool start_listeners(struct serve *s, struct error *err)
{
    if (is_set(s->o.enrol_listen) && !start_enrol(s, err)) {
        return false;
    }
    if (is_set(s->o.listen)) {
        s->plain = start_admin(s, "listen", s->o.listen, false, err);
        if (!s->plain) {
            return false;
        }
    }
    if (is_set(s->o.tls_listen)) {
        if (!read_pair(s, &s->cert_pem, &s->key_pem, err)) {
            return false;
        }
        s->tls = start_admin(s, "tls-listen", s->o.tls_listen, true, err);
        return s->tls != NULL;
    }
    return true;
}

static bool start(struct serve *s, struct error *err)
{
    if (!load_keys(s, err) || !load_references(s, err) || !load_catalogue(s, err)) {
        return false;
    }
    s->pool = db_pool_new(s->o.database_url, (unsigned)s->o.database_connections);
    if (!db_pool_check(s->pool, err)) {
        return false;
    }
    /* Before the channel: the day's partitions stand when the first usage arrives. */
    const struct identity_config identity = {.pool = s->pool,
                                             .keys = s->keys,
                                             .references = s->references,
                                             .private_issuers = s->o.private_issuers};
    s->identity = identity_new(&identity);
    const struct job_settings settings = {.lease_writeoff_ms = s->o.lease_writeoff_ms};
    s->jobs = schedule_start(s->pool, &settings, s->identity);
    return references_start(s->references, touch_providers, s, err) && start_channel(s, err) &&
           start_api(s, err) && start_listeners(s, err);
}

static void stop(struct serve *s)
{
    struct http_server **servers[] = {&s->tls, &s->plain, &s->enrol};
    for (size_t i = 0; i < 3; i++) {
        if (*servers[i]) {
            http_server_stop(*servers[i]);
            *servers[i] = NULL;
        }
    }
    api_free(s->api);
    if (s->channel) {
        channel_stop(s->channel);
    }
    schedule_stop(s->jobs);
    identity_free(s->identity);
    references_free(s->references);
    db_pool_free(s->pool);
    seal_keys_free(s->keys);
    catalogue_free(s->catalogue);
    release_pems(&s->cert_pem, &s->key_pem);
    cp_options_release(&s->o);
}

/* Another certificate needs another server; requests in flight end on the old one. When the new
 * files are faulty nothing changes. */
static void reload_certificate(struct serve *s)
{
    struct error err = ERROR_INIT;
    char *cert = NULL, *key = NULL;
    if (!read_pair(s, &cert, &key, &err)) {
        log_write(LOG_ERROR, "reload_failed", "certificate was not reloaded, the old one stays",
                  LOG_Z("error", error_text(&err)));
        return;
    }
    http_server_stop(s->tls);
    release_pems(&s->cert_pem, &s->key_pem);
    s->cert_pem = cert;
    s->key_pem = key;
    s->tls = start_admin(s, "tls-listen", s->o.tls_listen, true, &err);
    if (!s->tls) {
        log_write(LOG_ERROR, "reload_failed", "HTTPS listener could not be opened again",
                  LOG_Z("error", error_text(&err)));
    }
}

static void reload(struct serve *s, int argc, char **argv, int first)
{
    struct cp_options fresh;
    struct error err = ERROR_INIT;
    if (cp_options_load(&fresh, argc, argv, first, &err)) {
        log_set_level(cp_log_level(fresh.log_level));
        cp_options_release(&fresh);
    } else {
        log_write(LOG_ERROR, "reload_failed", "settings were not reloaded, the old ones stay",
                  LOG_Z("error", error_text(&err)));
    }
    if (s->tls) {
        reload_certificate(s);
    }
    log_write(LOG_INFO, "reloaded", "reload is done");
}

int cp_serve(int argc, char **argv, int first)
{
    struct serve s = {.keys = NULL};
    struct error err = ERROR_INIT;
    sigset_t signals;
    int got = 0;
    if (!cp_options_load(&s.o, argc, argv, first, &err)) {
        fprintf(stderr, "weir-control: %s\n", error_text(&err));
        return 1;
    }
    log_init("weir-control", cp_log_level(s.o.log_level), strcmp(s.o.log_format, "json") == 0);
    if (!s.o.core_dumps && !process_forbid_dumps()) {
        log_write(LOG_WARN, "dumps_allowed", "core dumps could not be switched off");
    }
    /* Blocked before the first thread, so that only sigwait below takes them. */
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    bool ok = start(&s, &err);
    if (ok) {
        log_write(LOG_INFO, "ready", "weir-control is ready", LOG_Z("version", WEIR_VERSION));
    } else {
        log_write(LOG_ERROR, "start_failed", "weir-control cannot start",
                  LOG_Z("error", error_text(&err)));
    }
    while (ok && sigwait(&signals, &got) == 0) {
        if (got != SIGHUP) {
            break;
        }
        reload(&s, argc, argv, first);
    }
    if (ok) {
        log_write(LOG_INFO, "stopping", "weir-control is stopping", LOG_I("signal", got));
    }
    stop(&s);
    return ok ? 0 : 1;
}

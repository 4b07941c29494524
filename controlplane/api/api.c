/* The one door: health, the API's routes, and the web admin's files. */
#include "controlplane/api/api.h"

#include "common/base/mem.h"
#include "controlplane/api/resources.h"
#include "controlplane/api/routes.h"
#include "controlplane/http/reply.h"
#include "controlplane/http/static_files.h"

#define PREFIX "api/v1"
#define SESSION_IDLE_MS (12u * 3600u * 1000u)
#define SESSION_MAX_MS (7u * 24u * 3600u * 1000u)

struct api {
    struct api_config config;
    struct api_context context;
    struct actor_config actors;
    struct router_config router;
    char *base; /* begins and ends with '/' */
};

/* "weir", "/weir" and "/weir/" all mean "/weir/". */
static char *normal_base(const char *base_path)
{
    struct str s = str_of(base_path ? base_path : "/");
    struct buffer b;
    buffer_init(&b, 4096);
    while (s.len > 0 && s.ptr[0] == '/') {
        s = str_slice(s, 1, s.len);
    }
    while (s.len > 0 && s.ptr[s.len - 1] == '/') {
        s = str_slice(s, 0, s.len - 1);
    }
    (void)buffer_append_z(&b, "/");
    if (s.len > 0) {
        (void)buffer_append_str(&b, s);
        (void)buffer_append_z(&b, "/");
    }
    char *text = buffer_detach(&b);
    buffer_release(&b);
    return text;
}

struct api *api_new(const struct api_config *c)
{
    struct api *a = mem_alloc(sizeof *a);
    a->config = *c;
    a->base = normal_base(c->base_path);
    a->context = (struct api_context){
        .channel = c->channel, .keys = c->keys, .pool = c->pool, .catalogue = c->catalogue};
    a->context.identity = c->identity;
    a->context.references = c->references;
    a->context.local_login_off = c->local_login_off;
    a->actors = (struct actor_config){
        .pool = c->pool,
        .identity = c->identity,
        .base_path = a->base,
        .public_url = c->public_url,
        .secure_cookies = c->secure_cookies,
        .session_idle_ms = c->session_idle_ms ? c->session_idle_ms : SESSION_IDLE_MS,
        .session_max_ms = c->session_max_ms ? c->session_max_ms : SESSION_MAX_MS};
    a->router = (struct router_config){.routes = api_routes,
                                       .n_routes = api_routes_count,
                                       .actors = &a->actors,
                                       .keys = c->keys,
                                       .context = &a->context};
    return a;
}

void api_free(struct api *a)
{
    if (a) {
        mem_free(a->base);
        mem_free(a);
    }
}

static void reply_health(struct http_request *r, int status, struct str json)
{
    struct buffer b;
    buffer_init(&b, 256);
    (void)buffer_append_str(&b, json);
    reply_json(r, status, &b);
    buffer_release(&b);
}

static void reply_ready(struct api *a, struct http_request *r)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(a->config.pool, TX_SYSTEM, NULL, &err);
    bool ok = t && tx_exec(t, NULL, &err, "SELECT 1");
    tx_rollback(t);
    reply_health(r, ok ? 200 : 503,
                 ok ? STR_LIT("{\"status\":\"ready\"}")
                    : STR_LIT("{\"status\":\"database_unavailable\"}"));
}

static void reply_not_found(struct http_request *r)
{
    struct error err = ERROR_INIT;
    (void)error_set(&err, ERR_NOT_FOUND, "%s", "");
    http_reply_error(r, &err);
}

static bool is_health(struct http_request *r, struct str path, const char *name)
{
    return str_eqz(path, name) &&
           (str_eqz(http_method(r), "GET") || str_eqz(http_method(r), "HEAD"));
}

void api_handle(void *api, struct http_request *r)
{
    struct api *a = api;
    struct str path = http_path(r), base = str_of(a->base), prefix = STR_LIT(PREFIX);
    /* health stands at the root whatever the base path is: probes know no base path */
    struct str below = str_starts(path, base) ? str_slice(path, base.len, path.len) : STR_NONE;
    struct str probe = below.ptr ? below : str_slice(path, 1, path.len);
    if (is_health(r, probe, "livez")) {
        reply_health(r, 200, STR_LIT("{\"status\":\"alive\"}"));
    } else if (is_health(r, probe, "readyz")) {
        reply_ready(a, r);
    } else if (!below.ptr && (str_eqz(path, "/") || path.len + 1 == base.len)) {
        /* to the base path; whatever is no part of it is not ours */
        bool home = str_eqz(path, "/") || str_starts(base, path);
        http_reply_header(r, "location", a->base);
        if (home) {
            reply_empty(r, 308);
        } else {
            reply_not_found(r);
        }
    } else if (!below.ptr) {
        reply_not_found(r);
    } else if (str_starts(below, prefix) &&
               (below.len == prefix.len || below.ptr[prefix.len] == '/')) {
        router_handle(&a->router, r, str_slice(below, prefix.len, below.len));
    } else {
        static_files_serve(r, a->config.web_admin_folder, a->base, below);
    }
}

/* See provider_get.h. */
#include "dataplane/provider_get.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dataplane/canonical/head.h"
#include "dataplane/net/loop.h"
#include "dataplane/request/token_post.h"
#include "dataplane/signers/signer.h"
#include "dataplane/upstream/client.h"

#define ARENA_BYTES (1u << 20)
#define TRICKLE_MS 500 /* behind the call's own deadlines, for an answer that trickles */

struct provider_get {
    struct provider_get_config config;
    struct provider_get **owner; /* told when it is gone */
    struct swap_hold *hold;
    struct arena *arena;
    struct signing signing;
    struct token_waiter waiter;
    struct upstream_call *call;
    struct loop_timer *timer;
    struct buffer body;
    uint64_t started_ns;
    int status;
    bool known, listed;
};

static void get_free(struct provider_get *g)
{
    *g->owner = NULL;
    if (g->hold) {
        swap_release(g->config.env->reader, g->hold);
    }
    token_waiter_cancel(&g->waiter);
    loop_timer_free(g->timer);
    buffer_release(&g->body);
    arena_free(g->arena);
    mem_free(g);
}

void provider_get_cancel(struct provider_get *g)
{
    if (!g) {
        return;
    }
    if (g->call) {
        upstream_cancel(g->call);
    }
    get_free(g);
}

/* Ends it with its answer; error NULL: the provider answered. */
static void get_done(struct provider_get *g, const char *error)
{
    struct provider_answer a = {
        .status = g->status,
        .body = buffer_str(&g->body),
        .error = error,
        .known = g->known,
        .listed = g->listed,
        .took_ms = (clock_mono_ns() - g->started_ns) / 1000000,
    };
    *g->owner = NULL; /* the callee may start another there */
    struct provider_get *gone = NULL;
    g->owner = &gone;
    g->config.fn(g->config.arg, &a);
    get_free(g);
}

static void on_head(void *arg, const struct upstream_answer *a)
{
    struct provider_get *g = arg;
    g->status = a->status;
}

static void on_data(void *arg, struct str piece)
{
    struct provider_get *g = arg;
    size_t room = g->config.max_body - g->body.len;
    (void)buffer_append_str(&g->body, str_slice(piece, 0, piece.len < room ? piece.len : room));
}

static void on_end(void *arg)
{
    struct provider_get *g = arg;
    g->call = NULL;
    get_done(g, NULL);
}

static void on_error(void *arg, const struct error *err)
{
    struct provider_get *g = arg;
    g->call = NULL;
    get_done(g, error_text(err));
}

static const struct upstream_ops ops = {on_head, on_data, on_end, on_error};

static void on_deadline(void *arg)
{
    struct provider_get *g = arg;
    if (g->call) {
        upstream_cancel(g->call);
        g->call = NULL;
    }
    get_done(g, "the provider did not answer in time");
}

/* ---- the request ---- */

static struct str setting_of(void *arg, struct str name)
{
    const struct snap_provider *p = arg;
    for (size_t i = 0; i < p->n_settings; i++) {
        if (str_eq(p->settings[i].name, name)) {
            return p->settings[i].value;
        }
    }
    return STR_NONE;
}

/* Where lists of models stand, by where the operations do. */
static const struct {
    enum provider_api api;
    const char *tail; /* of the operation's path: what stands before it counts */
    const char *list;
} places[] = {
    {API_CHAT, "/deployments/", "/models"},   {API_CHAT, "/chat/completions", "/models"},
    {API_RESPONSES, "/responses", "/models"}, {API_MESSAGES, "/messages", "/models"},
    {API_GENERATE, "/models/", "/models"},    {API_COHERE_CHAT, "/v2/chat", "/v1/models"},
    {API_OLLAMA_CHAT, "/chat", "/tags"},
};

/* "/v1/models" of "/v1/chat/completions", with the operation's query. NULL ptr: the provider has no
 * such list. */
static struct str list_template(struct arena *a, const struct provider_row *row)
{
    for (size_t i = 0; row->auth != AUTH_SIGV4 && i < sizeof(places) / sizeof(places[0]); i++) {
        for (size_t k = 0; k < row->n_endpoints; k++) {
            const char *path = row->endpoints[k].path;
            const char *tail = strstr(path, places[i].tail), *query = strchr(path, '?');
            const char *hole = strchr(path, '{');
            if (row->endpoints[k].api == places[i].api && tail && (!hole || hole > tail)) {
                return arena_printf(a, "%.*s%s%s", (int)(tail - path), path, places[i].list,
                                    query ? query : "");
            }
        }
    }
    return STR_NONE;
}

/* Where the GET goes: path and query of the signing. */
static bool put_target(struct provider_get *g, const struct snap_provider *p, struct signing *s,
                       struct error *err)
{
    struct str missing, path = g->config.path;
    if (path.len) {
        (void)str_cut(path, '?', &s->path, &s->query);
        s->path = s->path.ptr ? s->path : path;
        return true;
    }
    path = list_template(g->arena, p->row);
    g->listed = path.ptr != NULL;
    path = g->listed ? path : STR_LIT("/models"); /* a front of its own may have one all the same */
    path = provider_fill(g->arena, path, STR_NONE, STR_NONE, setting_of, (void *)(uintptr_t)p,
                         &missing);
    if (!path.ptr) {
        return error_set(err, ERR_NOT_READY, "the provider needs the setting '%.*s'",
                         STR_ARG(str_slice(missing, 0, 40)));
    }
    (void)str_cut(path, '?', &path, &s->query);
    s->path = provider_path_join(g->arena, p->path, path);
    return s->path.ptr || error_set(err, ERR_INTERNAL, "out of room");
}

static size_t head_room(const struct snap_provider *p, const struct signing *s)
{
    size_t n = 512 + s->path.len + s->query.len + p->host_header.len + signer_room(s) +
               3 * s->credential.len;
    for (size_t i = 0; i < p->n_headers; i++) {
        n += p->headers[i].name.len + p->headers[i].value.len + 4;
    }
    return n;
}

/* The request's head; g->signing says with which token. *ret_purchase: which one is lacking, when
 * that is so (SIGN_NEEDS_TOKEN). */
static enum sign_result write_head(struct provider_get *g, const struct snap_provider *p,
                                   struct str *ret, struct token_purchase *ret_purchase,
                                   struct error *err)
{
    struct head h, lines;
    struct signing *s = &g->signing;
    s->now_ms = clock_wall_ms();
    if (!head_init(&lines, g->arena, signer_room(s))) {
        (void)error_set(err, ERR_INTERNAL, "out of room");
        return SIGN_FAILED;
    }
    enum sign_result how = signer_sign(s, g->arena, &lines, ret_purchase, err);
    if (how != SIGN_DONE) {
        return how;
    }
    (void)head_init(&h, g->arena, head_room(p, s));
    head_put(&h, STR_LIT("GET "));
    head_put(&h, s->path);
    if (s->query.ptr) {
        head_put(&h, STR_LIT("?"));
        head_put(&h, s->query);
    }
    head_put(&h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(&h, STR_LIT("Host"), p->host_header);
    head_put(&h, head_str(&lines));
    for (size_t i = 0; i < p->n_headers; i++) {
        head_put_header(&h, p->headers[i].name, p->headers[i].value);
    }
    head_put(&h, STR_LIT("Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: "
                         "weir/" WEIR_VERSION "\r\n\r\n"));
    *ret = head_str(&h);
    if (h.failed || lines.failed) {
        (void)error_set(err, ERR_INTERNAL, "out of room");
        return SIGN_FAILED;
    }
    return SIGN_DONE;
}

static void send_get(struct provider_get *g, const struct snap_provider *p);

static void on_token(void *arg, enum token_state state, struct str token, const struct error *err)
{
    struct provider_get *g = arg;
    struct error why = err ? *err : (struct error)ERROR_INIT;
    if (state != TOKEN_READY) {
        get_done(g, error_text(&why));
        return;
    }
    g->signing.token = arena_str(g->arena, token);
    send_get(g, g->signing.provider);
}

static void buy_token(struct provider_get *g, const struct token_purchase *purchase)
{
    struct str id = {(const char *)g->config.provider_id.b, sizeof(g->config.provider_id.b)}, token;
    struct error err = ERROR_INIT;
    g->waiter.fn = on_token;
    g->waiter.arg = g;
    switch (token_cache_get(token_post_cache(g->config.env), id, purchase->source,
                            purchase->credential, &g->waiter, &token, &err)) {
    case TOKEN_READY:
        on_token(g, TOKEN_READY, token, NULL);
        break;
    case TOKEN_WAIT:
        break; /* our own deadline holds */
    default:
        get_done(g, error_text(&err));
        break;
    }
}

static void send_get(struct provider_get *g, const struct snap_provider *p)
{
    struct token_purchase purchase;
    struct error err = ERROR_INIT;
    struct str head;
    enum sign_result how = write_head(g, p, &head, &purchase, &err);
    if (how == SIGN_NEEDS_TOKEN && !g->signing.token.ptr) {
        buy_token(g, &purchase);
        return;
    }
    if (how != SIGN_DONE) {
        get_done(g, err.code ? error_text(&err) : "no access token for the provider");
        return;
    }
    struct upstream_origin origin = {.tls = p->tls, .host = p->host, .port = p->port};
    g->call = upstream_send(g->config.env->upstream, &origin, head, STR_LIT(""),
                            g->config.deadline_ms, g->config.deadline_ms, &ops, g);
}

static void begin(struct provider_get *g)
{
    struct request_env *env = g->config.env;
    struct error err = ERROR_INIT;
    g->hold = swap_acquire(env->reader);
    const struct snap_provider *p =
        g->hold ? snapshot_provider(swap_root(g->hold), &g->config.provider_id) : NULL;
    if (!p) {
        get_done(g, "this proxy does not know the provider");
        return;
    }
    g->known = true;
    if (p->credential_unreadable) {
        get_done(g, "the provider's credential cannot be read by this proxy");
        return;
    }
    g->signing = (struct signing){
        .provider = p, .row = p->row, .credential = p->credential, .method = STR_LIT("GET")};
    if (!put_target(g, p, &g->signing, &err)) {
        get_done(g, error_text(&err));
        return;
    }
    g->timer = loop_timer_new(env->loop, on_deadline, g);
    loop_timer_set(g->timer, g->config.deadline_ms + TRICKLE_MS);
    send_get(g, p);
}

void provider_get_start(const struct provider_get_config *c, struct provider_get **ret)
{
    struct provider_get *g = mem_alloc(sizeof(*g));
    g->config = *c;
    g->started_ns = clock_mono_ns();
    g->arena = arena_new(ARENA_BYTES);
    g->config.path = arena_str(g->arena, c->path);
    buffer_init(&g->body, c->max_body);
    g->owner = ret;
    *ret = g;
    begin(g);
}

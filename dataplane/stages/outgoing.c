/* See outgoing.h. */
#include "dataplane/stages/outgoing.h"

#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/request/token_post.h"
#include "dataplane/signers/signer.h"
#include "dataplane/stages/answer.h"
#include "dataplane/stages/headers.h"
#include "dataplane/stages/path.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"

#define HEAD_ROOM 512 /* for what is always there */
#define OWN_MAX 40    /* header fields that row and settings bring */

static enum verdict out_of_room(struct request *r)
{
    (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
    return VERDICT_REJECT;
}

/* ---- where to ---- */

static struct str setting_of(void *arg, struct str name)
{
    const struct snap_provider *p = arg;
    char z[64];
    if (name.len >= sizeof(z)) {
        return STR_NONE;
    }
    memcpy(z, name.ptr, name.len);
    z[name.len] = '\0';
    return snap_provider_setting(p, z);
}

bool outgoing_join(struct request *r, const struct candidate *c, struct str path,
                   struct outgoing *ret)
{
    ret->path = provider_path_join(r->arena, c->provider->path, path);
    if (!ret->path.ptr) {
        (void)out_of_room(r);
        return false;
    }
    return true;
}

bool outgoing_path(struct request *r, const struct candidate *c, bool stream, struct str verb,
                   struct outgoing *ret)
{
    const struct provider_endpoint *e = c->endpoint;
    const char *template = stream && e->stream_path ? e->stream_path : e->path;
    struct str missing = STR_NONE, model = c->model, path, query = STR_NONE;
    if (e->api == API_GENERATE && str_starts(model, STR_LIT("models/"))) {
        model = str_slice(model, 7, model.len);
    }
    if (model.len == 0 || str_eqz(model, ".") || str_eqz(model, "..")) {
        return error_set_param(&r->error, ERR_INVALID_FIELD, "model",
                               "provider '%.*s' can have no model of that name",
                               STR_ARG(str_slice(c->provider->name, 0, 64)));
    }
    path = provider_fill(r->arena, str_of(template), model, verb, setting_of,
                         (void *)(uintptr_t)c->provider, &missing);
    if (!path.ptr && missing.len) {
        return error_set(&r->error, ERR_NOT_READY, "provider '%.*s' needs the setting '%.*s'",
                         STR_ARG(str_slice(c->provider->name, 0, 64)),
                         STR_ARG(str_slice(missing, 0, 40)));
    }
    if (!path.ptr) {
        (void)out_of_room(r);
        return false;
    }
    (void)str_cut(path, '?', &path, &query);
    ret->query = query;
    return outgoing_join(r, c, path, ret);
}

/* ---- header fields ---- */

/* What row and settings add; they go before the client's of the same name. */
struct own_headers {
    struct header list[OWN_MAX];
    size_t n;
};

static void own_add(struct own_headers *o, struct str name, struct str value)
{
    if (o->n < OWN_MAX && head_value_ok(value)) {
        o->list[o->n++] = (struct header){name, value};
    }
}

static bool own_has(const struct own_headers *o, struct str name)
{
    for (size_t i = 0; i < o->n; i++) {
        if (str_eq_nocase(o->list[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void collect_own(struct own_headers *o, const struct request *r, const struct candidate *c)
{
    static const struct str version = STR_LIT("anthropic-version");
    enum provider_api api = c->endpoint ? c->endpoint->api : API_NONE;
    o->n = 0;
    for (size_t i = 0; i < c->provider->n_headers && o->n < OWN_MAX; i++) {
        o->list[o->n++] =
            (struct header){c->provider->headers[i].name, c->provider->headers[i].value};
    }
    if (api == API_MESSAGES || api == API_MESSAGES_COUNT) {
        struct str said = request_header(r, "anthropic-version");
        if (said.len && !own_has(o, version)) {
            own_add(o, version, said);
        } else if (!own_has(o, version)) {
            own_add(o, version, STR_LIT("2023-06-01"));
        }
    }
}

/* Of a translated request, what is no business of the dialect's. */
static bool goes_up_translated(const struct request *r, const struct candidate *c, struct str name)
{
    static const char *const kept[] = {"accept-language", "baggage", "traceparent", "tracestate",
                                       "user-agent"};
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        if (str_eq_nocase(name, str_of(kept[i]))) {
            return true;
        }
    }
    return r->dialect->family == FAMILY_MESSAGES && c->endpoint &&
           (c->endpoint->api == API_MESSAGES || c->endpoint->api == API_MESSAGES_COUNT) &&
           str_eq_nocase(name, STR_LIT("anthropic-beta"));
}

/* Where the provider's key stands: the client's field of that name does not stand beside it. */
static struct str key_header(const struct candidate *c)
{
    const struct provider_row *row = c->provider->row;
    return row && row->auth == AUTH_HEADER ? str_of(row->auth_name) : STR_NONE;
}

static void put_step_headers(struct head *h, const struct candidate *c, const struct step *step,
                             struct own_headers *own)
{
    struct str key = key_header(c);
    for (size_t i = 0; step && i < step->n_headers; i++) {
        const struct header *f = &step->headers[i];
        if (header_goes_up(f->name) && provider_header_ok(f->name) && head_value_ok(f->value) &&
            !str_eq_nocase(f->name, key) && !own_has(own, f->name)) {
            head_put_header(h, f->name, f->value);
            if (own->n < OWN_MAX) {
                own->list[own->n++] = *f;
            }
        }
    }
}

/* A routing config may have more of the client's fields passed on to another dialect; never those
 * that carry keys, or that speak of the connection. */
static bool is_forwarded(const struct candidate *c, struct str name)
{
    if (!c->settings) {
        return false;
    }
    for (size_t i = 0; i < c->settings->n_forward_headers; i++) {
        if (str_eq_nocase(c->settings->forward_headers[i], name)) {
            return true;
        }
    }
    return false;
}

/* The client's own fields, as it wrote them. */
static void put_passed(struct head *h, const struct request *r, const struct candidate *c,
                       const struct outgoing *o, const struct own_headers *own)
{
    const struct header *list = r->head->headers;
    size_t n = r->head->n_headers;
    bool named = request_header(r, "connection").len != 0;
    bool accept = own->n && own_has(own, STR_LIT("accept"));
    struct str key = key_header(c);
    for (size_t i = 0; i < n; i++) {
        struct str name = list[i].name;
        if (!header_goes_up(name) || (named && header_is_named_by_connection(list, n, name)) ||
            (key.len && str_eq_nocase(name, key))) {
            continue;
        }
        if (o->content_type.ptr && str_eq_nocase(name, STR_LIT("content-type"))) {
            continue;
        }
        if ((own->n && own_has(own, name)) ||
            (o->translated && !goes_up_translated(r, c, name) && !is_forwarded(c, name))) {
            continue;
        }
        accept = accept || str_eq_nocase(name, STR_LIT("accept"));
        head_put_header(h, name, list[i].value);
    }
    if (!accept) {
        head_put_header(h, STR_LIT("Accept"), STR_LIT("*/*"));
    }
}

/* ---- the bytes ---- */

static bool has_body(const struct outgoing *o)
{
    return o->body_bytes > 0 || str_eqz(o->method, "POST") || str_eqz(o->method, "PUT") ||
           str_eqz(o->method, "PATCH");
}

static size_t room_for(const struct request *r, const struct signing *s, const struct outgoing *o,
                       const struct own_headers *own)
{
    size_t n = HEAD_ROOM + signer_room(s) + o->method.len + o->path.len + s->query.len +
               s->provider->host_header.len + o->content_type.len + 3 * s->credential.len;
    for (size_t i = 0; i < r->head->n_headers; i++) {
        n += r->head->headers[i].name.len + r->head->headers[i].value.len + 4;
    }
    for (size_t i = 0; i < own->n; i++) {
        n += own->list[i].name.len + own->list[i].value.len + 4;
    }
    for (size_t i = 0; o->step && i < o->step->n_headers; i++) {
        n += o->step->headers[i].name.len + o->step->headers[i].value.len + 4;
    }
    for (size_t i = 0; i + 1 < o->n_body; i++) {
        n += o->body[i].len;
    }
    return n;
}

static void put_request_line(struct head *h, const struct signing *s, const struct outgoing *o)
{
    head_put(h, o->method);
    head_put(h, STR_LIT(" "));
    head_put(h, o->path.len ? o->path : STR_LIT("/"));
    if (s->query.ptr) {
        head_put(h, STR_LIT("?"));
        head_put(h, s->query);
    }
    head_put(h, STR_LIT(" HTTP/1.1\r\n"));
    head_put_header(h, STR_LIT("Host"), s->provider->host_header);
}

/* What is asked for again when a token has come. */
struct pending {
    struct request *request;
    const struct candidate *candidate;
    struct outgoing outgoing;
    struct signing signing;
    struct token_waiter waiter;
};

static enum verdict buy_token(struct request *r, const struct candidate *c,
                              const struct outgoing *o, const struct signing *s,
                              const struct token_purchase *purchase);

/* A key that the client brings along counts only where none is stored: that of the step, which is
 * meant for just this provider, before that of the request. */
static struct str client_key(const struct request *r, const struct outgoing *o)
{
    return o->step && o->step->credential.ptr ? o->step->credential : r->client_credential;
}

static void set_up_signing(const struct request *r, const struct candidate *c,
                           const struct outgoing *o, struct signing *ret)
{
    const struct snap_provider *p = c->provider;
    *ret = (struct signing){
        .provider = p,
        .row = p->row,
        .credential = c->credential.ptr   ? c->credential
                      : p->credential.len ? p->credential
                                          : client_key(r, o),
        .method = o->method,
        .path = o->path.len ? o->path : STR_LIT("/"),
        .query = o->query,
        .content_type = o->content_type,
        .body = o->body,
        .n_body = o->n_body,
    };
}

static enum verdict write_signed(struct request *r, const struct candidate *c,
                                 const struct outgoing *o, struct signing *s)
{
    struct own_headers own;
    struct token_purchase purchase;
    struct head h, lines;
    s->now_ms = clock_wall_ms();
    r->token = s->token;
    if (!head_init(&lines, r->arena, signer_room(s))) {
        return out_of_room(r);
    }
    enum sign_result signed_how = signer_sign(s, r->arena, &lines, &purchase, &r->error);
    if (signed_how == SIGN_NEEDS_TOKEN) {
        return buy_token(r, c, o, s, &purchase);
    }
    collect_own(&own, r, c);
    if (signed_how == SIGN_FAILED || !head_init(&h, r->arena, room_for(r, s, o, &own))) {
        if (r->error.code == ERR_NONE) {
            (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request to the provider");
        }
        return VERDICT_REJECT;
    }
    put_request_line(&h, s, o);
    head_put(&h, head_str(&lines));
    if (o->content_type.ptr && !own_has(&own, STR_LIT("content-type"))) {
        head_put_header(&h, STR_LIT("Content-Type"), o->content_type);
    }
    if (has_body(o)) {
        head_put(&h, STR_LIT("Content-Length: "));
        head_put_u64(&h, o->body_bytes);
        head_put(&h, STR_LIT("\r\n"));
    }
    for (size_t i = 0; i < own.n; i++) {
        head_put_header(&h, own.list[i].name, own.list[i].value);
    }
    put_step_headers(&h, c, o->step, &own);
    put_passed(&h, r, c, o, &own);
    head_put(&h, STR_LIT("Accept-Encoding: identity\r\n\r\n"));
    for (size_t i = 0; i + 1 < o->n_body; i++) {
        head_put(&h, o->body[i]);
    }
    if (h.failed || lines.failed) {
        (void)error_set(&r->error, ERR_INTERNAL, "request to the provider outgrew its room");
        return VERDICT_REJECT;
    }
    r->upstream_head = head_str(&h);
    r->upstream_body = o->n_body ? o->body[o->n_body - 1] : STR_NONE;
    return VERDICT_NEXT;
}

enum verdict outgoing_write(struct request *r, const struct candidate *c, const struct outgoing *o)
{
    struct signing s;
    set_up_signing(r, c, o, &s);
    if (s.row && s.row->auth == AUTH_QUERY && s.credential.len && s.query.len &&
        query_value(s.query, s.row->auth_name).ptr &&
        !query_without(r->arena, s.query, s.row->auth_name, &s.query)) {
        return out_of_room(
            r); /* the client's parameter of that name does not stand beside the key */
    }
    return write_signed(r, c, o, &s);
}

/* ---- tokens ---- */

/* A candidate whose token cannot be bought is passed over like one that cannot be reached. The
 * endpoint's words are shown, in case they repeat a secret without that. */
static enum verdict no_token(struct request *r, const struct candidate *c, const struct error *err)
{
    enum error_code code =
        err->code == ERR_NONE || err->code == ERR_INVALID_FIELD ? ERR_UPSTREAM_REFUSED : err->code;
    struct error why = *err;
    struct str shown = answer_without_secrets(r, str_of(error_text(&why)));
    log_write(LOG_WARN, "token_failed", "no access token for the provider",
              LOG_Z("request", r->id_text), LOG_S("provider", c->provider->name),
              LOG_Z("code", error_code_name(code)), LOG_S("reason", shown));
    enum verdict next;
    struct attempt_failure f = {.code = code,
                                .outcome = dispatch_outcome(code),
                                .status = error_status(code),
                                .ours = true};
    if (attempt_failed(r, &f, &next)) {
        return next;
    }
    (void)error_set(&r->error, code, "no access token for provider '%.*s': %.*s",
                    STR_ARG(str_slice(c->provider->name, 0, 64)),
                    STR_ARG(str_slice(shown, 0, 120)));
    return VERDICT_REJECT;
}

static void on_token(void *arg, enum token_state state, struct str token, const struct error *err)
{
    struct pending *p = arg;
    struct request *r = p->request;
    if (r->state != REQUEST_PARKED) {
        return;
    }
    if (state != TOKEN_READY) {
        request_resume(r, no_token(r, p->candidate, err));
        return;
    }
    p->signing.token = arena_str(r->arena, token);
    request_resume(r, write_signed(r, p->candidate, &p->outgoing, &p->signing));
}

static void forget_waiter(void *arg)
{
    token_waiter_cancel(arg);
}

static enum verdict buy_token(struct request *r, const struct candidate *c,
                              const struct outgoing *o, const struct signing *s,
                              const struct token_purchase *purchase)
{
    struct str id = {(const char *)c->provider->id.b, sizeof(c->provider->id.b)}, token;
    struct error err = ERROR_INIT;
    struct pending *p = arena_zalloc(r->arena, sizeof(*p));
    struct token_cache *cache = token_post_cache(r->env);
    struct str *pieces = arena_alloc(r->arena, (o->n_body + 1) * sizeof(*pieces));
    if (!p || !pieces || s->token.ptr) {
        return out_of_room(r);
    }
    *p = (struct pending){.request = r, .candidate = c, .outgoing = *o, .signing = *s};
    if (o->n_body) {
        memcpy(pieces, o->body, o->n_body * sizeof(*pieces)); /* the caller's may be on its stack */
    }
    p->outgoing.body = p->signing.body = pieces;
    r->token_credential = purchase->credential;
    p->waiter.fn = on_token;
    p->waiter.arg = p;
    switch (token_cache_get(cache, id, purchase->source, purchase->credential, &p->waiter, &token,
                            &err)) {
    case TOKEN_READY:
        p->signing.token = arena_str(r->arena, token);
        return write_signed(r, c, &p->outgoing, &p->signing);
    case TOKEN_WAIT:
        if (r->hurry) {
            token_waiter_cancel(&p->waiter);
            (void)error_set(&r->error, ERR_UPSTREAM_TIMEOUT, "no access token is at hand");
            return VERDICT_REJECT;
        }
        if (!arena_on_release(r->arena, forget_waiter, &p->waiter)) {
            token_waiter_cancel(&p->waiter);
            (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
            return VERDICT_REJECT;
        }
        return VERDICT_WAIT;
    default:
        return no_token(r, c, &err);
    }
}

void outgoing_token_refused(struct request *r)
{
    const struct snap_provider *p = r->candidates[r->candidate].provider;
    struct str id = {(const char *)p->id.b, sizeof(p->id.b)};
    if (r->token.len && r->token_credential.len) {
        token_cache_reject(token_post_cache(r->env), id, r->token_credential, r->token);
    }
}

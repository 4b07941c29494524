/* One call, step by step. The order matters: who, then where, then whether, and only then what was
 * sent. */
#include "controlplane/http/router.h"

#include <stdio.h>

#include "common/log.h"
#include "controlplane/http/replay.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/organizations.h"

#define PUBLIC_BODY_MAX ((size_t)64 << 10) /* of whoever is not known yet */

static const struct uuid nil;

/* --- matching --- */

static struct str next_segment(struct str *rest)
{
    struct str head, tail, s = str_slice(*rest, 1, rest->len);
    if (str_cut(s, '/', &head, &tail)) {
        *rest = (struct str){tail.ptr - 1, tail.len + 1};
        return head;
    }
    *rest = str_slice(s, s.len, 0);
    return s;
}

static bool is_placeholder(struct str segment)
{
    return segment.len > 0 && segment.ptr[0] == '{';
}

static bool path_matches(struct str pattern, struct str path, struct str *ret_id)
{
    while (pattern.len > 0 && path.len > 0) {
        struct str want = next_segment(&pattern), have = next_segment(&path);
        if (str_eqz(want, "{id}")) {
            if (have.len == 0) {
                return false;
            }
            *ret_id = have;
        } else if (is_placeholder(want)) {
            if (have.len == 0) {
                return false;
            }
        } else if (!str_eq(want, have)) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

struct str router_item(struct str pattern, struct str path)
{
    while (pattern.len > 0 && path.len > 0) {
        struct str want = next_segment(&pattern), have = next_segment(&path);
        if (is_placeholder(want) && !str_eqz(want, "{id}")) {
            return have;
        }
    }
    return STR_NONE;
}

const struct route *router_match(const struct route *routes, size_t n, struct str method,
                                 struct str path, char ret_allow[static 64], struct str *ret_id)
{
    ret_allow[0] = '\0';
    if (str_eqz(method, "HEAD")) {
        method = STR_LIT("GET");
    }
    for (size_t i = 0; i < n; i++) {
        if (!path_matches(str_of(routes[i].pattern), path, ret_id)) {
            continue;
        }
        if (str_eqz(method, routes[i].method)) {
            return &routes[i];
        }
        size_t len = strlen(ret_allow);
        (void)snprintf(ret_allow + len, 64 - len, "%s%s", len > 0 ? ", " : "", routes[i].method);
    }
    return NULL;
}

/* --- the organization --- */

static bool actor_is_in(const struct actor *a, const struct uuid *organization)
{
    for (size_t i = 0; i < a->n_grants; i++) {
        if (uuid_eq(&a->grants[i].organization, organization)) {
            return true;
        }
    }
    return a->platform;
}

static bool in_system(struct call *c,
                      bool (*fn)(struct call *, struct tx *, struct str, struct error *),
                      struct str arg, struct error *err)
{
    struct tx *t = tx_begin(c->router->actors->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!fn(c, t, arg, err)) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool find_named(struct call *c, struct tx *t, struct str name, struct error *err)
{
    if (uuid_parse_public("org", name, &c->organization)) {
        return organization_exists(t, &c->organization, err);
    }
    return organization_by_name(t, name, &c->organization, err);
}

static bool find_only(struct call *c, struct tx *t, struct str arg, struct error *err)
{
    struct uuid *ids;
    size_t n;
    (void)arg;
    if (!organization_ids(t, 2, c->arena, &ids, &n, err)) {
        return false;
    }
    if (n == 1) {
        c->organization = ids[0];
        return true;
    }
    return error_set_param(
        err, ERR_INVALID_FIELD, "x-weir-organization",
        n == 0 ? "no organization exists yet"
               : "several organizations exist: name one by the header x-weir-organization");
}

/* What is not there and what is another tenant's are answered alike. */
static bool unknown_organization(struct error *err)
{
    return error_set_param(err, ERR_NOT_FOUND, "x-weir-organization", "organization not found");
}

static bool resolve_default(struct call *c, struct error *err)
{
    if (c->actor.platform) {
        return (c->route->flags & ROUTE_ANY_TENANT) || in_system(c, find_only, STR_NONE, err);
    }
    struct uuid *mine = arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof *mine);
    size_t n = mine ? actor_organizations(&c->actor, mine) : 0;
    if (n == 1) {
        c->organization = mine[0];
        return true;
    }
    return n == 0
               ? error_set(err, ERR_FORBIDDEN, "no organization membership")
               : error_set_param(
                     err, ERR_INVALID_FIELD, "x-weir-organization",
                     "several organizations are yours: name one by the header x-weir-organization");
}

static bool resolve_organization(struct call *c, struct str path_id, struct error *err)
{
    struct str named = http_header(c->request, "x-weir-organization");
    if (c->route->flags & ROUTE_TENANT_IN_PATH) {
        c->organization = c->id;
        (void)path_id;
        return actor_is_in(&c->actor, &c->organization) || error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    if (!(c->route->flags & (ROUTE_TENANT | ROUTE_ANY_TENANT))) {
        return true;
    }
    if (!named.ptr || named.len == 0) {
        named = http_query(c->request, "organization");
    }
    if (!named.ptr || named.len == 0) {
        return resolve_default(c, err);
    }
    /* a header may hold any bytes */
    if (!validate_utf8(named) || !in_system(c, find_named, named, err)) {
        return err->code == ERR_NOT_FOUND || err->code == ERR_NONE ? unknown_organization(err)
                                                                   : false;
    }
    return actor_is_in(&c->actor, &c->organization) || unknown_organization(err);
}

/* --- the permission --- */

static bool held_anywhere(const struct actor *a, enum permission p)
{
    for (size_t i = 0; i < a->n_grants; i++) {
        if (grant_holds(&a->grants[i], p)) {
            return true;
        }
    }
    return false;
}

static bool check_permission(struct call *c, struct error *err)
{
    enum permission p = c->route->permission;
    bool tenant = !uuid_is_nil(&c->organization);
    c->scope.workspaces =
        arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof *c->scope.workspaces);
    if (!c->scope.workspaces) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    bool ok = tenant ? permission_scope(p, c->actor.grants, c->actor.n_grants, &c->organization,
                                        &c->scope)
                     : held_anywhere(&c->actor, p);
    if (!tenant) {
        c->scope.whole = c->actor.platform;
    }
    return ok || p == PERMISSION_SIGNED_IN ||
           error_set(err, ERR_FORBIDDEN, "this needs the permission %s", permission_name(p));
}

bool call_may(const struct call *c, enum permission p, const struct uuid *workspace)
{
    for (size_t i = 0; i < c->actor.n_grants; i++) {
        const struct grant *g = &c->actor.grants[i];
        if (grant_reaches(g, &c->organization, workspace) && grant_holds(g, p)) {
            return true;
        }
    }
    return false;
}

bool call_may_give(const struct call *c, const struct permission_set *given,
                   const struct uuid *workspace)
{
    return grants_may_give(c->actor.grants, c->actor.n_grants, c->route->permission, given,
                           &c->organization, workspace);
}

bool call_may_grant(const struct call *c, enum role given, const struct uuid *workspace)
{
    struct permission_set set = role_permissions(given);
    return given > ROLE_NONE && given < ROLE_COUNT && call_may_give(c, &set, workspace);
}

/* --- what was sent --- */

static bool read_body(struct call *c, struct error *err)
{
    struct str text = http_body(c->request), type = http_header(c->request, "content-type"), head,
               tail;
    bool wanted = c->route->flags & ROUTE_BODY,
         allowed = wanted || (c->route->flags & ROUTE_BODY_OPTIONAL);
    if (!allowed || (text.len == 0 && !wanted)) {
        return text.len == 0 || error_set(err, ERR_BAD_REQUEST, "this call takes no body");
    }
    if (c->route->permission == PERMISSION_PUBLIC && text.len > PUBLIC_BODY_MAX) {
        return error_set(err, ERR_BODY_TOO_LARGE, "body exceeds the limit of %zu bytes",
                         PUBLIC_BODY_MAX);
    }
    if (type.ptr && str_cut(type, ';', &head, &tail)) {
        type = head;
    }
    if (!type.ptr || !str_eq_nocase(str_trim(type), STR_LIT("application/json"))) {
        return error_set(err, ERR_UNSUPPORTED_MEDIA, "content-type must be application/json");
    }
    return (c->route->flags & ROUTE_BODY_RAW) || body_parse(text, c->arena, &c->body, err);
}

static bool read_if_match(struct call *c, struct error *err)
{
    struct str given = http_header(c->request, "if-match");
    if (!given.ptr) {
        return !(c->route->flags & ROUTE_IF_MATCH_NEEDED) ||
               error_set_param(err, ERR_PRECONDITION_REQUIRED, "if-match",
                               "If-Match is required: the ETag of the object, or *");
    }
    given = str_trim(given);
    c->if_match = true;
    if (str_eqz(given, "*")) {
        c->if_match_any = true;
        return true;
    }
    struct str number = str_starts(given, STR_LIT("W/")) ? str_slice(given, 2, given.len) : given;
    if (number.len >= 2 && number.ptr[0] == '"' && number.ptr[number.len - 1] == '"') {
        number = str_slice(number, 1, number.len - 2);
    }
    /* An ETag that is none of ours matches nothing. */
    if (!str_to_u64(number, &c->if_match_revision)) {
        c->if_match_revision = 0;
    }
    return true;
}

bool call_check_revision(const struct call *c, uint64_t revision, struct error *err)
{
    if (!c->if_match || c->if_match_any || c->if_match_revision == revision) {
        return true;
    }
    return error_set_param(err, ERR_PRECONDITION_FAILED, "if-match",
                           "object was changed meanwhile: its ETag is now \"%llu\"",
                           (unsigned long long)revision);
}

/* --- the call --- */

static bool is_write(const struct route *route)
{
    return strcmp(route->method, "GET") != 0;
}

static bool enter(struct call *c, struct str path_id, struct error *err)
{
    if (c->route->permission != PERMISSION_PUBLIC) {
        if (!actor_authenticate(c->router->actors, c->request, &c->actor, err)) {
            return false;
        }
        if (is_write(c->route) && !c->actor.token &&
            !actor_check_csrf(c->router->actors, c->request, &c->actor, err)) {
            return false;
        }
    }
    if (c->route->prefix && !uuid_parse_public(c->route->prefix, path_id, &c->id)) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    if (c->route->permission != PERMISSION_PUBLIC &&
        (!resolve_organization(c, path_id, err) || !check_permission(c, err))) {
        return false;
    }
    return read_body(c, err) &&
           (!(c->route->flags & (ROUTE_IF_MATCH | ROUTE_IF_MATCH_NEEDED)) || read_if_match(c, err));
}

bool call_begin(struct call *c, struct error *err)
{
    bool tenant = !(c->route->flags & ROUTE_SYSTEM) && !uuid_is_nil(&c->organization);
    c->tx = tx_begin(c->router->actors->pool, tenant ? TX_TENANT : TX_SYSTEM,
                     tenant ? &c->organization : NULL, err);
    if (!c->tx) {
        return false;
    }
    struct tx_actor who = {.kind = "system",
                           .address = http_peer(c->request).ptr,
                           .request_id = http_request_id(c->request)};
    if (c->route->permission != PERMISSION_PUBLIC) {
        who.kind = c->actor.token ? "token" : "user";
        who.id = c->actor.id;
        who.name = c->actor.name.ptr;
    }
    tx_set_actor(c->tx, &who);
    return true;
}

bool call_end(struct call *c, bool ok, struct error *err)
{
    struct tx *t = c->tx;
    c->tx = NULL;
    if (!ok) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool handle_in_transaction(struct call *c, struct error *err)
{
    struct replay replay = {.active = false};
    bool answered = false;
    if (!call_begin(c, err)) {
        return false;
    }
    bool ok = replay_begin(c, &replay, &answered, err) &&
              (answered || (c->route->handle(c, err) && (c->undo || replay_save(c, &replay, err))));
    if (ok && c->undo) {
        (void)call_end(c, false, err);
        return true;
    }
    return call_end(c, ok, err);
}

/* Database errors are for the log; users are told that it is so, not why. */
static void hide_details(struct call *c, struct error *err)
{
    if (err->code == ERR_DATABASE || err->code == ERR_INTERNAL) {
        log_write(LOG_ERROR, "api_failed", "admin API call failed",
                  LOG_Z("request_id", http_request_id(c->request)),
                  LOG_Z("method", c->route->method), LOG_Z("route", c->route->pattern),
                  LOG_Z("code", error_code_name(err->code)), LOG_Z("error", error_text(err)));
        err->text[0] = '\0';
        err->param[0] = '\0';
    }
}

static void reply(struct call *c)
{
    char etag[32];
    if (c->revision > 0) {
        (void)snprintf(etag, sizeof etag, "\"%llu\"", (unsigned long long)c->revision);
        http_reply_header(c->request, "etag", etag);
    }
    if (c->out.len == 0 && !c->out.failed) {
        reply_empty(c->request, c->status == 200 ? 204 : c->status);
    } else {
        reply_text(c->request, c->status, c->content_type, &c->out);
    }
}

void router_handle(const struct router_config *config, struct http_request *r, struct str path)
{
    struct error err = ERROR_INIT;
    char allow[64];
    struct str path_id = STR_NONE;
    const struct route *route =
        router_match(config->routes, config->n_routes, http_method(r), path, allow, &path_id);
    if (!route) {
        if (allow[0]) {
            http_reply_header(r, "allow", allow);
        }
        (void)error_set(&err, allow[0] ? ERR_METHOD_NOT_ALLOWED : ERR_NOT_FOUND, "%s", "");
        http_reply_error(r, &err);
        return;
    }
    struct call c = {.router = config,
                     .context = config->context,
                     .request = r,
                     .arena = http_arena(r),
                     .route = route,
                     .item = router_item(str_of(route->pattern), path),
                     .organization = nil,
                     .status = 200};
    buffer_init(&c.out, REPLY_MAX);
    json_writer_init(&c.json, &c.out);
    bool ok =
        enter(&c, path_id, &err) &&
        ((route->flags & ROUTE_NO_TX) ? route->handle(&c, &err) : handle_in_transaction(&c, &err));
    if (ok) {
        reply(&c);
    } else {
        hide_details(&c, &err);
        http_reply_error(r, &err);
    }
    if (c.out.ptr) {
        explicit_bzero(c.out.ptr, c.out.len); /* may show a secret */
    }
    buffer_release(&c.out);
}

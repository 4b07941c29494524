/* Signing in by password, signing out, and the list of sessions. A wrong password and an unknown
 * account get the same answer in the same time; attempts are counted before the password is looked
 * at (store/login_throttle.h). Signing in by an identity provider stands in oidc.c. */
#include "controlplane/store/sessions.h"

#include <stdio.h>

#include "controlplane/api/resources.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"
#include "controlplane/identity/login.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/password.h"
#include "controlplane/store/login_throttle.h"
#include "controlplane/store/organizations.h"
#include "controlplane/store/users.h"

struct password_login {
    struct str email, password;
    struct user_login user;
    bool known;
};

static bool read_login(struct call *c, struct password_login *ret, struct error *err)
{
    static const char *const names[] = {"email", "password", NULL};
    const struct body_value *email = body_get(&c->body, "email"),
                            *password = body_get(&c->body, "password");
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!email || !password) {
        return body_refuse(err, NULL, email ? "password" : "email", "is required");
    }
    return body_text(email, 1, 254, NULL, "email", &ret->email, err) &&
           body_text(password, 1, PASSWORD_MAX, NULL, "password", &ret->password, err);
}

/* Counts the attempt and finds the account, in one transaction of its own that stands whatever
 * comes next. */
static bool take_attempt(struct call *c, struct password_login *l, struct error *err)
{
    const struct api_context *api = c->context;
    uint64_t wait_s = 0;
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!login_throttle_take(t, l->email, http_peer(c->request), &wait_s, err)) {
        tx_rollback(t);
        return false;
    }
    if (wait_s > 0) {
        char text[24];
        tx_rollback(t);
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)wait_s);
        http_reply_header(c->request, "retry-after", text);
        return error_set(err, ERR_RATE_LIMITED, "too many failed attempts: try again in %s seconds",
                         text);
    }
    l->known = user_login_find(t, l->email, c->arena, &l->user, err);
    if (!l->known && err->code != ERR_NOT_FOUND) {
        tx_rollback(t);
        return false;
    }
    *err = (struct error)ERROR_INIT;
    return tx_commit(t, NULL, err);
}

/* Names of the organizations and workspaces behind the actor's roles. */
static bool show_memberships(struct call *c, struct tx *t, struct error *err)
{
    struct json_writer *w = &c->json;
    json_name(w, "memberships");
    json_array_begin(w);
    for (size_t i = 0; i < c->actor.n_grants; i++) {
        const struct grant *g = &c->actor.grants[i];
        if (g->role == ROLE_PLATFORM_ADMIN) {
            continue;
        }
        json_object_begin(w);
        reply_put_id(w, "organization_id", "org", &g->organization);
        reply_put_id(w, "workspace_id", "ws", &g->workspace);
        json_field_z(w, "role", role_name(g->role));
        reply_put_id(w, "role_id", "role", &g->role_id);
        json_object_end(w);
    }
    json_array_end(w);
    struct object_query q = {.only_workspaces = !c->actor.platform, .limit = 200};
    struct uuid *mine = arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof *mine);
    struct object *rows;
    size_t n;
    if (!mine) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    q.workspaces = mine;
    q.n_workspaces = actor_organizations(&c->actor, mine);
    if (!object_list(t, &organizations_table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    json_name(w, "organizations");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        reply_put_id(w, "id", "org", &rows[i].v[ORGANIZATION_ID].uuid);
        json_field_str(w, "name", rows[i].v[ORGANIZATION_NAME].text);
        json_object_end(w);
    }
    json_array_end(w);
    return true;
}

static bool show_session(struct call *c, struct tx *t, struct error *err)
{
    struct json_writer *w = &c->json;
    json_object_begin(w);
    if (c->actor.token) {
        static const char *const kinds[] = {"user", "token", "key", "signed_token"};
        static const char *const prefixes[] = {"usr", "tok", "key", "usr"};
        json_name(w, kinds[c->actor.kind]);
        json_object_begin(w);
        reply_put_id(w, "id", prefixes[c->actor.kind], &c->actor.id);
        json_field_str(w, "name", c->actor.name);
        if (!uuid_is_nil(&c->actor.issuer)) {
            reply_put_id(w, "issuer_id", "iss", &c->actor.issuer);
        }
        json_object_end(w);
    } else {
        json_name(w, "user");
        json_object_begin(w);
        reply_put_id(w, "id", "usr", &c->actor.id);
        json_field_str(w, "email", c->actor.name);
        json_field_str(w, "name", c->actor.display_name);
        json_field_bool(w, "platform_admin", c->actor.platform);
        json_object_end(w);
        json_field_str(w, "csrf_token", c->actor.csrf);
        reply_put_id(w, "session_id", "ses", &c->actor.session);
        reply_put_id(w, "issuer_id", "iss", &c->actor.issuer);
    }
    json_field_bool(w, "platform_admin", c->actor.platform);
    if (!show_memberships(c, t, err)) {
        return false;
    }
    json_object_end(w);
    return true;
}

static void set_user_actor(struct call *c, struct tx *t, const struct uuid *user, struct str name)
{
    struct tx_actor who = {.kind = "user",
                           .id = *user,
                           .name = name.ptr,
                           .address = http_peer(c->request).ptr,
                           .request_id = http_request_id(c->request)};
    tx_set_actor(t, &who);
}

static bool finish_login(struct call *c, struct tx *t, const struct password_login *l,
                         struct error *err)
{
    const struct actor_config *actors = c->router->actors;
    struct object_query q = {.limit = 1};
    struct object row;
    set_user_actor(c, t, &l->user.id, l->email);
    object_filter_uuid(&q, USER_ID, &l->user.id);
    if (!login_throttle_clear(t, l->email, http_peer(c->request), err) ||
        !object_find(t, &users_table, &q, c->arena, &row, err)) {
        return false;
    }
    if (row.v[USER_DISABLED].integer) { /* since the password was looked at */
        return error_set(err, ERR_UNAUTHENTICATED, "e-mail address or password is wrong");
    }
    c->actor = (struct actor){.platform = row.v[USER_PLATFORM_ADMIN].integer != 0,
                              .id = l->user.id,
                              .name = row.v[USER_EMAIL].text,
                              .display_name = row.v[USER_NAME].text};
    return session_delete_ended(t, err) && actor_load_grants(t, c->arena, &c->actor, err) &&
           actor_sign_in(actors, c->request, t, &l->user.id, NULL, &c->actor, err) &&
           tx_audit(t, "session.create", "session", NULL, &c->actor.session, "", NULL, NULL, err) &&
           show_session(c, t, err);
}

/* Takes long, by intent. */
static bool password_is(struct call *c, const struct password_login *l)
{
    http_wait_begin(c->request);
    bool right = password_verify(l->password, l->known ? l->user.password_hash.ptr : NULL);
    http_wait_end(c->request);
    return right;
}

/* In a transaction of its own: the attempt itself came to nothing. */
static void note_refusal(struct call *c, const struct password_login *l, const char *after)
{
    const struct api_context *api = c->context;
    struct error ignored = ERROR_INIT;
    struct str name = validate_utf8(l->email) ? arena_str(c->arena, l->email) : STR_NONE;
    struct tx_actor who = {.kind = "system",
                           .address = http_peer(c->request).ptr,
                           .request_id = http_request_id(c->request)};
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, &ignored);
    if (!t) {
        return;
    }
    tx_set_actor(t, &who);
    if (!tx_audit(t, "session.refused", "session", NULL, NULL, name.ptr ? name.ptr : "", NULL,
                  after, &ignored)) {
        tx_rollback(t);
        return;
    }
    (void)tx_commit(t, NULL, &ignored);
}

bool session_create_call(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct password_login l = {.known = false};
    if (api->local_login_off) {
        return error_set(err, ERR_FORBIDDEN,
                         "sign-in by password is switched off: use an identity provider");
    }
    if (!actor_same_origin(c->router->actors, c->request)) {
        return error_set(err, ERR_CSRF, "request comes from another site");
    }
    if (!read_login(c, &l, err) || !take_attempt(c, &l, err)) {
        return false;
    }
    bool right = password_is(c, &l);
    if (!right || !l.known || l.user.disabled) {
        note_refusal(c, &l, "{\"reason\": \"e-mail address or password is wrong\"}");
        return error_set(err, ERR_UNAUTHENTICATED, "e-mail address or password is wrong");
    }
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!finish_login(c, t, &l, err)) {
        tx_rollback(t);
        return false;
    }
    c->status = 201;
    return tx_commit(t, NULL, err);
}

bool session_get_call(struct call *c, struct error *err)
{
    return show_session(c, c->tx, err);
}

/* Where the session came by an identity provider that has a sign-out of its own, the answer says
 * where the browser goes to end that, too. */
bool session_delete_call(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    const struct actor_config *actors = c->router->actors;
    struct str url = STR_NONE;
    if (c->actor.token) {
        return error_set(err, ERR_BAD_REQUEST, "a token has no session: revoke it instead");
    }
    if (api->identity && !uuid_is_nil(&c->actor.issuer)) {
        url = login_logout_url(api->identity, c->tx, &c->actor.session,
                               actor_public_base(actors, c->request), c->arena);
    }
    actor_forget_cookie(actors, c->request);
    c->status = 204;
    if (url.ptr) {
        c->status = 200;
        json_object_begin(&c->json);
        json_field_str(&c->json, "logout_url", url);
        json_object_end(&c->json);
    }
    return session_delete(c->tx, &c->actor.session, err) &&
           tx_audit(c->tx, "session.delete", "session", NULL, &c->actor.session, "", NULL, NULL,
                    err);
}

static bool read_passwords(struct call *c, struct str *ret_old, struct str *ret_new,
                           struct error *err)
{
    static const char *const names[] = {"current_password", "new_password", NULL};
    const struct body_value *old = body_get(&c->body, names[0]),
                            *now = body_get(&c->body, names[1]);
    const char *wrong;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!old || !now) {
        return body_refuse(err, NULL, old ? names[1] : names[0], "is required");
    }
    if (!body_text(old, 1, PASSWORD_MAX, NULL, names[0], ret_old, err) ||
        !body_text(now, PASSWORD_MIN, PASSWORD_MAX, NULL, names[1], ret_new, err)) {
        return false;
    }
    wrong = validate_password(*ret_new);
    return !wrong || body_refuse(err, NULL, names[1], "%s", wrong);
}

static bool store_password(struct call *c, struct tx *t, struct str hash, struct error *err)
{
    set_user_actor(c, t, &c->actor.id, c->actor.name);
    return user_set_password(t, &c->actor.id, hash, err) &&
           login_throttle_clear(t, c->actor.name, http_peer(c->request), err) &&
           session_delete_others(t, &c->actor.id, &c->actor.session, err) &&
           tx_audit(t, "user.password", "user", NULL, &c->actor.id, c->actor.name.ptr, NULL, NULL,
                    err);
}

/* The signed-in user's own; ends their other sessions. No transaction is open while the passwords
 * are hashed, and never two: a connection that waits for another one could wait for ever. */
bool session_password_call(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct password_login l = {.email = c->actor.name};
    struct str new_password;
    char hash[PASSWORD_HASH_MAX];
    if (c->actor.token) {
        return error_set(err, ERR_BAD_REQUEST, "a token has no password");
    }
    if (!read_passwords(c, &l.password, &new_password, err) || !take_attempt(c, &l, err)) {
        return false;
    }
    if (!password_is(c, &l)) {
        return error_set_param(err, ERR_INVALID_FIELD, "current_password",
                               "current_password is wrong");
    }
    http_wait_begin(c->request);
    bool hashed = password_hash(new_password, hash, err);
    http_wait_end(c->request);
    if (!hashed) {
        return false;
    }
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!store_password(c, t, str_of(hash), err)) {
        tx_rollback(t);
        return false;
    }
    c->status = 204;
    return tx_commit(t, NULL, err);
}

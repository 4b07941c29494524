/* What one asks about an identity provider: does it answer, and what would somebody get. */
#include "controlplane/store/issuers.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/identity/login.h"

static bool load_own(struct call *c, struct tx *t, struct issuer *ret, struct error *err)
{
    if (!issuer_load(t, &c->id, c->arena, ret, err)) {
        return false;
    }
    bool visible = uuid_is_nil(&c->organization) ? c->actor.platform
                                                 : uuid_eq(&ret->organization, &c->organization);
    return visible || error_set(err, ERR_NOT_FOUND, "issuer not found");
}

static bool read_own(struct call *c, struct issuer *ret, struct error *err)
{
    const struct api_context *api = c->context;
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    bool ok = t && load_own(c, t, ret, err);
    tx_rollback(t);
    return ok;
}

static void show_discovery(struct call *c, const struct issuer *x)
{
    struct discovery d = {.jwks_uri = STR_NONE};
    struct error why = ERROR_INIT;
    bool ok = x->discovery.ptr && discovery_read(x->discovery, x->issuer, c->arena, &d, &why);
    json_name(&c->json, "discovery");
    if (!ok) {
        json_put_null(&c->json);
        return;
    }
    json_object_begin(&c->json);
    json_field_str(&c->json, "authorization_endpoint", d.authorization_endpoint);
    json_field_str(&c->json, "token_endpoint", d.token_endpoint);
    json_field_str(&c->json, "userinfo_endpoint", d.userinfo_endpoint);
    json_field_str(&c->json, "end_session_endpoint", d.end_session_endpoint);
    json_field_str(&c->json, "jwks_uri", d.jwks_uri);
    json_object_end(&c->json);
}

static size_t count_keys(struct str jwks)
{
    struct jwt_keys *keys = NULL;
    struct error ignored = ERROR_INIT;
    size_t n = jwt_keys_new(jwks, &keys, &ignored) ? jwt_keys_count(keys) : 0;
    jwt_keys_free(keys);
    return n;
}

/* Asks the issuer now, unless somebody did in the last half minute; then what came of that. */
bool issuer_test_call(struct call *c, struct error *err)
{
    struct api_context *api = c->context;
    struct issuer x;
    struct error why = ERROR_INIT;
    bool asked = false;
    if (!api->identity) {
        return error_set(err, ERR_NOT_READY, "%s", "");
    }
    if (!read_own(c, &x, err)) {
        return false;
    }
    http_wait_begin(c->request);
    bool ok = identity_refresh(api->identity, &x.id, false, &asked, &why);
    http_wait_end(c->request);
    if (!ok && (why.code == ERR_DATABASE || why.code == ERR_INTERNAL)) {
        *err = why;
        return false;
    }
    if (!read_own(c, &x, err)) {
        return false;
    }
    json_object_begin(&c->json);
    reply_put_id(&c->json, "issuer_id", "iss", &x.id);
    struct str said = x.fetch_error.len ? x.fetch_error : STR_NONE;
    if (!ok && why.code != ERR_NONE) {
        said = arena_str(c->arena, str_of(error_text(&why)));
    }
    json_field_bool(&c->json, "ok", !said.ptr && count_keys(x.jwks) > 0);
    json_field_bool(&c->json, "asked", asked);
    json_field_str(&c->json, "error", said);
    json_field_u64(&c->json, "keys", count_keys(x.jwks));
    reply_put_time(&c->json, "fetched_at", x.fetched_at_ms);
    show_discovery(c, &x);
    json_object_end(&c->json);
    return true;
}

static void show_mapped(struct call *c, const struct mapped *m)
{
    struct json_writer *w = &c->json;
    json_field_bool(w, "platform_admin", m->platform_admin);
    json_name(w, "memberships");
    json_array_begin(w);
    for (size_t i = 0; i < m->n_roles; i++) {
        const struct mapped_role *r = &m->roles[i];
        json_object_begin(w);
        reply_put_id(w, "organization_id", "org", &r->grant.organization);
        reply_put_id(w, "workspace_id", "ws", &r->grant.workspace);
        json_field_str(w, "role", r->role);
        reply_put_id(w, "role_id", "role", &r->grant.role_id);
        json_object_end(w);
    }
    json_array_end(w);
    json_name(w, "teams");
    json_array_begin(w);
    for (size_t i = 0; i < m->n_teams; i++) {
        json_object_begin(w);
        reply_put_id(w, "organization_id", "org", &m->teams[i].organization);
        reply_put_id(w, "team_id", "team", &m->teams[i].team);
        json_field_str(w, "name", m->teams[i].name);
        json_object_end(w);
    }
    json_array_end(w);
    json_name(w, "warnings");
    json_array_begin(w);
    for (size_t i = 0; i < m->n_warnings; i++) {
        json_put_str(w, m->warnings[i]);
    }
    json_array_end(w);
}

/* A sign-in with these claims, undone. */
static bool rehearse(struct call *c, struct tx *t, struct json_value claims, struct error *err)
{
    struct issuer x;
    struct person p;
    struct identity_user u = {.id = {{0}}};
    struct mapped m;
    bool access;
    const char *reason;
    if (!load_own(c, t, &x, err)) {
        return false;
    }
    if (!person_read(&x, claims, c->arena, &p, err)) {
        return error_set_param(err, ERR_INVALID_FIELD, "claims", "claims name no subject");
    }
    if (!login_admit(t, &x, &p, claims, c->arena, &u, &m, &access, &reason, err)) {
        return false;
    }
    struct json_writer *w = &c->json;
    json_object_begin(w);
    json_field_bool(w, "access", access);
    json_field_str(w, "reason", access ? STR_NONE : str_of(reason));
    json_field_str(w, "subject", p.subject);
    json_field_str(w, "email", p.email);
    json_field_bool(w, "email_verified", p.email_verified);
    json_field_str(w, "name", p.name);
    json_name(w, "groups");
    json_array_begin(w);
    for (size_t i = 0; i < p.n_groups; i++) {
        json_put_str(w, p.groups[i]);
    }
    json_array_end(w);
    json_field_bool(w, "groups_overage", p.overage);
    json_field_str(w, "user_email", u.email.ptr ? u.email : STR_NONE);
    show_mapped(c, &m);
    json_object_end(w);
    return true;
}

bool issuer_dry_run_call(struct call *c, struct error *err)
{
    static const char *const names[] = {"claims", NULL};
    const struct api_context *api = c->context;
    const struct body_value *v = body_get(&c->body, "claims");
    struct json_value claims;
    if (!body_known(&c->body, names, NULL, err)) {
        return false;
    }
    if (!v) {
        return body_refuse(err, NULL, "claims", "is required");
    }
    if (!body_object(v, 65536, NULL, "claims", err) || !json_validate(v->raw, 0, &claims, err)) {
        return false;
    }
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    bool ok = t && rehearse(c, t, claims, err);
    tx_rollback(t);
    return ok;
}

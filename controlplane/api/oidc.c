/* Signing in by an identity provider: what the sign-in page offers, the way there, and the way
 * back. Browsers come here, so refusals are pages. */
#include "controlplane/identity/login.h"

#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/sessions.h"

#define LOGIN_COOKIE "weir_login"
#define RETURN_MAX 1000

bool session_providers_call(struct call *c, struct error *err)
{
    const struct api_context *api = c->context;
    struct str organization = http_query(c->request, "organization"),
               domain = http_query(c->request, "domain"), local;
    struct issuer_name *list;
    size_t n;
    if (domain.ptr) {
        (void)str_cut(domain, '@', &local, &domain); /* an address does as well */
    }
    if (!issuers_for_login(c->tx, organization, domain, c->arena, &list, &n, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_field_bool(&c->json, "password", !api->local_login_off);
    json_name(&c->json, "providers");
    json_array_begin(&c->json);
    for (size_t i = 0; i < n; i++) {
        char id[48];
        uuid_format_public("iss", &list[i].id, id, sizeof id);
        json_object_begin(&c->json);
        json_field_z(&c->json, "id", id);
        json_field_str(&c->json, "name", list[i].name);
        struct str start = arena_printf(c->arena, "%sapi/v1/session/oidc/%s/start",
                                        c->router->actors->base_path, id);
        json_field_str(&c->json, "start_url", start);
        json_object_end(&c->json);
    }
    json_array_end(&c->json);
    json_object_end(&c->json);
    return true;
}

static struct str redirect_uri(struct call *c)
{
    struct str base = actor_public_base(c->router->actors, c->request);
    return arena_printf(c->arena, "%.*s" ISSUER_CALLBACK, STR_ARG(base));
}

/* A path of this server and nothing else: "//host", "/\host" and whatever a browser makes of
 * control characters lead elsewhere. */
static struct str safe_return(const struct call *c, struct str wanted)
{
    struct str base = str_of(c->router->actors->base_path);
    if (!wanted.ptr || wanted.len == 0 || wanted.len > RETURN_MAX || wanted.ptr[0] != '/' ||
        !str_starts(wanted, base) ||
        (wanted.len > 1 && (wanted.ptr[1] == '/' || wanted.ptr[1] == '\\'))) {
        return base;
    }
    for (size_t i = 0; i < wanted.len; i++) {
        unsigned char ch = (unsigned char)wanted.ptr[i];
        if (ch <= ' ' || ch >= 0x7f || ch == '\\') {
            return base;
        }
    }
    return wanted;
}

static void redirect(struct call *c, struct str url)
{
    http_reply_header(c->request, "location", url.ptr);
    c->status = 302;
}

static void put_html(struct buffer *b, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        switch (s.ptr[i]) {
        case '<':
            (void)buffer_append_z(b, "&lt;");
            break;
        case '>':
            (void)buffer_append_z(b, "&gt;");
            break;
        case '&':
            (void)buffer_append_z(b, "&amp;");
            break;
        case '"':
            (void)buffer_append_z(b, "&quot;");
            break;
        default:
            (void)buffer_append(b, &s.ptr[i], 1);
        }
    }
}

/* A page for people, without anything that could load or run. */
static void reply_page(struct call *c, const struct error *why)
{
    struct buffer b;
    bool hidden = why->code == ERR_DATABASE || why->code == ERR_INTERNAL;
    buffer_init(&b, 65536);
    (void)buffer_append_z(&b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                              "<title>Sign-in refused</title></head>\n<body><h1>Sign-in refused"
                              "</h1>\n<p>");
    put_html(&b, str_of(hidden ? error_text(&(struct error){.code = why->code}) : error_text(why)));
    buffer_printf(&b, "</p>\n<p>Code: <code>%s</code>, request: <code>%s</code></p>\n<p><a href=\"",
                  error_code_name(why->code), http_request_id(c->request));
    put_html(&b, str_of(c->router->actors->base_path));
    (void)buffer_append_z(&b, "\">Back to sign-in</a></p></body></html>\n");
    reply_guard_headers(c->request);
    http_reply_header(c->request, "cache-control", "no-store");
    http_reply_header(c->request, "content-security-policy",
                      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    http_reply(c->request, error_status(why->code), "text/html; charset=utf-8", buffer_str(&b));
    buffer_release(&b);
}

bool oidc_start_call(struct call *c, struct error *err)
{
    struct api_context *api = c->context;
    struct str url, cookie;
    struct str back = safe_return(c, http_query(c->request, "return_to"));
    (void)err;
    struct error why = ERROR_INIT;
    http_wait_begin(c->request);
    bool ok = api->identity ? login_begin(api->identity, &c->id, redirect_uri(c), back, c->arena,
                                          &url, &cookie, &why)
                            : error_set(&why, ERR_NOT_FOUND, "%s", "");
    http_wait_end(c->request);
    if (!ok) {
        reply_page(c, &why);
        return true;
    }
    actor_set_cookie(c->router->actors, c->request, LOGIN_COOKIE, cookie.ptr, LOGIN_SECONDS);
    redirect(c, url);
    return true;
}

static const char *audit_json(struct call *c, const struct login *l, const char *reason)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, 8192);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_str(&w, "issuer", l->issuer.name);
    json_field_str(&w, "subject", l->person.subject);
    if (reason) {
        json_field_z(&w, "reason", reason);
    }
    json_object_end(&w);
    struct str text = b.failed ? STR_NONE : arena_str(c->arena, buffer_str(&b));
    buffer_release(&b);
    return text.ptr;
}

static const struct uuid *organization_of(const struct login *l)
{
    return uuid_is_nil(&l->issuer.organization) ? NULL : &l->issuer.organization;
}

static void note_refusal(struct call *c, const struct login *l, const struct error *why)
{
    const struct api_context *api = c->context;
    struct error ignored = ERROR_INIT;
    struct str name = l->person.email.ptr ? l->person.email : l->person.subject;
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, &ignored);
    if (!t) {
        return;
    }
    struct tx_actor who = {.kind = "system",
                           .address = http_peer(c->request).ptr,
                           .request_id = http_request_id(c->request)};
    tx_set_actor(t, &who);
    if (!tx_audit(t, "session.refused", "session", organization_of(l), NULL,
                  name.ptr ? name.ptr : "", NULL, audit_json(c, l, error_text(why)), &ignored)) {
        tx_rollback(t);
        return;
    }
    (void)tx_commit(t, NULL, &ignored);
}

static bool sign_in(struct call *c, struct tx *t, const struct login *l,
                    const struct identity_user *u, bool platform, struct error *err)
{
    struct actor_proof proof = {
        .issuer = l->issuer.id, .platform_admin = platform, .id_token = l->id_token};
    return session_delete_ended(t, err) &&
           actor_sign_in(c->router->actors, c->request, t, &u->id, &proof, &c->actor, err) &&
           tx_audit(t, "session.create", "session", organization_of(l), &c->actor.session, "", NULL,
                    audit_json(c, l, NULL), err);
}

/* One transaction: who they are here, what they hold now, their session. Nothing left for them is
 * kept as well: what rules took away is gone. */
static bool admit(struct call *c, struct login *l, struct error *err)
{
    const struct api_context *api = c->context;
    struct identity_user u = {.id = {{0}}};
    struct mapped m;
    bool access = false;
    const char *reason = "";
    struct tx *t = tx_begin(api->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct str name = l->person.email.ptr ? l->person.email : l->person.subject;
    struct tx_actor who = {.kind = "user",
                           .id = {{0}},
                           .name = name.ptr,
                           .address = http_peer(c->request).ptr,
                           .request_id = http_request_id(c->request)};
    jwt_subject_id(&l->issuer.id, l->person.subject, &who.id);
    tx_set_actor(t, &who);
    if (!login_admit(t, &l->issuer, &l->person, l->claims, c->arena, &u, &m, &access, &reason,
                     err)) {
        tx_rollback(t);
        return false;
    }
    if (!uuid_is_nil(&u.id)) {
        who.id = u.id;
        who.name = u.email.ptr;
        tx_set_actor(t, &who);
    }
    if (access && !sign_in(c, t, l, &u, m.platform_admin, err)) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    return access || error_set(err, ERR_FORBIDDEN, "%s%s", reason,
                               l->person.overage ? " (the token does not hold your groups: there "
                                                   "are too many of them)"
                                                 : "");
}

static struct str query(const struct call *c, const char *name)
{
    struct str s = http_query(c->request, name);
    return s.ptr && validate_utf8(s) ? s : STR_NONE;
}

bool oidc_callback_call(struct call *c, struct error *err)
{
    struct api_context *api = c->context;
    struct login l = {.return_to = STR_NONE};
    struct error why = ERROR_INIT;
    struct login_answer w = {
        .state = query(c, "state"),
        .code = query(c, "code"),
        .iss = query(c, "iss"),
        .error = query(c, "error"),
        .cookie = actor_cookie(c->router->actors, c->request, LOGIN_COOKIE),
        .redirect_uri = redirect_uri(c),
    };
    (void)err;
    http_wait_begin(c->request);
    bool ok = api->identity ? login_finish(api->identity, &w, c->arena, &l, &why)
                            : error_set(&why, ERR_NOT_FOUND, "%s", "");
    http_wait_end(c->request);
    /* the flow's cookie stays when the answer was not for it: another tab may be under way */
    if (l.return_to.ptr) {
        actor_set_cookie(c->router->actors, c->request, LOGIN_COOKIE, "", 0);
    }
    if (!ok || !admit(c, &l, &why)) {
        note_refusal(c, &l, &why);
        reply_page(c, &why);
        return true;
    }
    redirect(c, safe_return(c, l.return_to));
    return true;
}

/* weir login and logout. The password buys one session, the session one admin token, and the
 * session is ended again: what stays on this machine is a token that can be seen and revoked by its
 * name. */
#include <unistd.h>

#include "cli/api.h"
#include "cli/commands.h"
#include "cli/http.h"
#include "cli/password.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/rules/apikey.h"

#define BODY_MAX (16u << 10)

/* "a@b" and the host's name make a token recognisable in the list of tokens. */
static void token_name(char ret[static 101])
{
    char host[65] = "";
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(ret, 101, "weir on %.64s", host[0] ? host : "an unnamed host");
}

static bool open_session(struct cli *c, const char *email, const char *password,
                         struct document **ret, struct error *err)
{
    struct buffer body;
    struct json_writer w;
    buffer_init(&body, BODY_MAX);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_field_z(&w, "email", email);
    json_field_z(&w, "password", password);
    json_object_end(&w);
    bool ok = api_call_unsigned(c, "POST", "/session", NULL, buffer_str(&body), ret, err);
    if (body.ptr) {
        explicit_bzero(body.ptr, body.len);
    }
    buffer_release(&body);
    return ok &&
           (*ret || error_set(err, ERR_UPSTREAM_GARBAGE, "%.120s answered nothing", api_url(c)));
}

/* What the token may do: all that the user may, which is one role in one organization or the
 * platform's. */
static const char *role_for(const struct cli *c, const struct document *session)
{
    const struct document *memberships = document_get(session, "memberships");
    const struct document *organizations = document_get(session, "organizations");
    const char *named = c->common->organization, *id = named;
    bool platform = document_bool(session, "platform_admin");
    if (platform && !named) {
        return "platform_admin";
    }
    for (size_t i = 0; named && i < document_count(organizations); i++) {
        const struct document *o = document_at(organizations, i);
        if (str_eq_nocase(str_of(document_text(o, "name")), str_of(named))) {
            id = document_text(o, "id");
        }
    }
    for (size_t i = 0; i < document_count(memberships); i++) {
        const struct document *m = document_at(memberships, i);
        if (document_type(document_get(m, "workspace_id")) == DOCUMENT_NULL &&
            (!id || strcmp(document_text(m, "organization_id"), id) == 0)) {
            return document_text(m, "role");
        }
    }
    return platform ? "owner" : "admin"; /* the API says whether that may be */
}

static bool make_token(struct cli *c, const struct document *session, struct document **ret,
                       struct error *err)
{
    struct buffer body, header;
    struct json_writer w;
    char name[101];
    token_name(name);
    buffer_init(&body, BODY_MAX);
    buffer_init(&header, BODY_MAX);
    buffer_printf(&header, "x-weir-csrf: %s", document_text(session, "csrf_token"));
    char *csrf = buffer_detach(&header);
    json_writer_init(&w, &body);
    json_object_begin(&w);
    json_field_z(&w, "name", name);
    json_field_z(&w, "role", role_for(c, session));
    json_object_end(&w);
    bool ok = api_call_unsigned(c, "POST", "/admin-tokens", csrf, buffer_str(&body), ret, err);
    struct error ignored = ERROR_INIT;
    char code[sizeof c->server_code], request_id[sizeof c->request_id];
    memcpy(code, c->server_code, sizeof code);
    memcpy(request_id, c->request_id, sizeof request_id);
    (void)api_call_unsigned(c, "DELETE", "/session", csrf, STR_NONE, NULL, &ignored);
    memcpy(c->server_code, code, sizeof code); /* what counts is how the token went */
    memcpy(c->request_id, request_id, sizeof request_id);
    buffer_release(&body);
    mem_free_secret(csrf, strlen(csrf));
    return ok &&
           (*ret || error_set(err, ERR_UPSTREAM_GARBAGE, "%.120s answered nothing", api_url(c)));
}

static bool sign_in(struct cli *c, const struct login_options *o, struct profile *p,
                    struct error *err)
{
    struct document *session = NULL, *token = NULL;
    char email[PASSWORD_ROOM] = "", password[PASSWORD_ROOM] = "";
    if (!o->email && !password_ask("E-mail: ", false, "--email", email, err)) {
        return false;
    }
    const char *who = o->email ? o->email : email;
    bool ok = o->password_file ? password_read_file(o->password_file, c->in, password, err)
                               : password_ask("Password: ", true, "--password-file", password, err);
    c->signing_in = true;
    ok = ok && open_session(c, who, password, &session, err) && make_token(c, session, &token, err);
    explicit_bzero(password, sizeof password);
    if (ok) {
        p->token = mem_strdup(document_text(token, "secret"));
        p->token_id = mem_strdup(document_text(token, "id"));
    }
    document_free(session);
    document_free(token);
    return ok;
}

static bool take_token(struct cli *c, const struct login_options *o, struct profile *p,
                       struct error *err)
{
    char token[PASSWORD_ROOM];
    bool valid = false;
    if (!password_read_file(o->token_file, c->in, token, err)) {
        return false;
    }
    bool ok = apikey_is_ours(str_of(token), &valid) && valid &&
              str_starts(str_of(token), STR_LIT(APIKEY_ADMIN));
    p->token = ok ? mem_strdup(token) : NULL;
    explicit_bzero(token, sizeof token);
    return ok || error_set(err, ERR_INVALID_KEY,
                           "\"%.120s\" holds no admin token (" APIKEY_ADMIN "...)", o->token_file);
}

/* A token that the API does not take is not kept. */
static bool check_token(struct cli *c, struct profile *p, struct error *err)
{
    struct buffer b;
    buffer_init(&b, BODY_MAX);
    buffer_printf(&b, "authorization: Bearer %s", p->token);
    char *header = buffer_detach(&b);
    c->signing_in = true;
    bool ok = api_call_unsigned(c, "GET", "/session", header, STR_NONE, NULL, err);
    mem_free_secret(header, strlen(header));
    return ok;
}

static int print_done(struct cli *c, const struct profile *p, const char *path)
{
    struct buffer b;
    struct json_writer w;
    if (!c->common->json) {
        fprintf(c->out, "Signed in to %s. The token is kept in %s.\n", p->url, path);
        return CLI_OK;
    }
    buffer_init(&b, BODY_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "url", p->url);
    json_field_z(&w, "token_id", p->token_id);
    json_field_z(&w, "organization", p->organization);
    json_field_z(&w, "file", path);
    json_object_end(&w);
    int exit = cli_print_json(c, buffer_str(&b));
    buffer_release(&b);
    return exit;
}

/* Only a token that login made is revoked: one from a file may be in use elsewhere. */
static bool revoke_own(struct cli *c, struct error *err)
{
    struct buffer b, path;
    buffer_init(&b, BODY_MAX);
    buffer_init(&path, BODY_MAX);
    buffer_printf(&b, "authorization: Bearer %s", c->profile.token);
    buffer_printf(&path, "/admin-tokens/%s/revoke", c->profile.token_id);
    char *header = buffer_detach(&b), *text = buffer_detach(&path);
    bool ok = api_call_unsigned(c, "POST", text, header, STR_NONE, NULL, err);
    mem_free_secret(header, strlen(header));
    mem_free(text);
    return ok;
}

/* Does the profile hold a token that login made for the address meant now? */
static bool has_own(const struct cli *c)
{
    return c->profile.token && c->profile.token_id && c->profile.url &&
           strcmp(api_url(c), c->profile.url) == 0;
}

int command_login(struct cli *c)
{
    const struct login_options *o = c->options;
    struct error err = ERROR_INIT;
    struct profile p = {.url = NULL};
    if (o->token_file && o->password_file) {
        return cli_usage(c, "--token-file and --password-file: give one of them");
    }
    char *path = profile_path(&err);
    if (!path) {
        return cli_report(c, &err);
    }
    if (strncmp(api_url(c), "http://", 7) == 0 && !http_is_loopback(api_url(c))) {
        fprintf(c->err,
                "weir: warning: %s is not encrypted: whoever is on the way can read the token\n",
                api_url(c));
    }
    bool ok = o->token_file ? take_token(c, o, &p, &err) && check_token(c, &p, &err)
                            : sign_in(c, o, &p, &err);
    if (ok) {
        p.url = mem_strdup(api_url(c));
        p.organization = c->common->organization ? mem_strdup(c->common->organization) : NULL;
        ok = profile_save(path, &p, &err);
    }
    if (ok && has_own(c)) {
        struct error ignored = ERROR_INIT;
        (void)revoke_own(
            c, &ignored); /* the one before is of no more use; where it is gone already, well */
    }
    int exit = ok ? print_done(c, &p, path) : cli_report(c, &err);
    profile_release(&p);
    mem_free(path);
    return exit;
}

int command_logout(struct cli *c)
{
    struct error err = ERROR_INIT, why = ERROR_INIT;
    bool revoked = false;
    char *path = profile_path(&err);
    if (!path) {
        return cli_report(c, &err);
    }
    bool had = c->profile.token;
    if (has_own(c)) {
        revoked = revoke_own(c, &why);
        if (!revoked) {
            fprintf(c->err, "weir: warning: the token could not be revoked: %s\n",
                    error_text(&why));
        }
    }
    int exit = CLI_OK;
    if (!profile_remove(path, &err)) {
        exit = cli_report(c, &err);
    } else if (c->common->json) {
        exit =
            cli_print_json(c, revoked ? STR_LIT("{\"signed_out\":true,\"token_revoked\":true}")
                                      : STR_LIT("{\"signed_out\":true,\"token_revoked\":false}"));
    } else {
        fprintf(c->out, had ? "Signed out%s.\n" : "Nobody was signed in%s.\n",
                revoked ? "; the token is revoked" : "");
    }
    mem_free(path);
    return exit;
}

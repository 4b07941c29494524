/* The protocol of a sign-in. Nothing here holds a transaction while it asks the provider. */
#include "controlplane/identity/login.h"

#include "common/crypto.h"
#include "controlplane/fetch/fetch.h"
#include "controlplane/identity/inside.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/reference.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/sessions.h"

#define RANDOM_BYTES 32
#define URL_MAX ((size_t)32 << 10)
#define ID_TOKEN_KEPT_MAX 8192
#define TOKEN_ANSWER_MS 10000

struct secret {
    char text[48];
    struct str s;
    uint8_t hash[CRYPTO_SHA256_LEN];
};

static void secret_make(struct secret *s)
{
    uint8_t random[RANDOM_BYTES];
    crypto_random(random, sizeof random);
    s->s = (struct str){s->text, crypto_base64url(random, sizeof random, s->text)};
    crypto_sha256(s->s.ptr, s->s.len, s->hash);
}

static bool load(struct identity *i, const struct uuid *id, struct arena *a, struct issuer *ret,
                 struct error *err)
{
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    bool ok = t && issuer_load(t, id, a, ret, err);
    tx_rollback(t);
    return ok;
}

static bool usable(const struct issuer *x, struct error *err)
{
    return (x->login && !x->disabled) || error_set(err, ERR_NOT_FOUND, "issuer not found");
}

/* The discovery document, fetched when there is none yet. */
static bool discover(struct identity *i, struct issuer *x, struct arena *a, struct discovery *ret,
                     struct error *err)
{
    if (!x->discovery.ptr) {
        bool asked = false;
        struct error why = ERROR_INIT;
        bool ok = identity_refresh(i, &x->id, false, &asked, &why);
        if (!load(i, &x->id, a, x, err)) {
            return false;
        }
        if (!x->discovery.ptr) {
            return error_set(err, ERR_UPSTREAM_REFUSED, "%s",
                             ok || why.code == ERR_NONE
                                 ? "the identity provider could not be asked: try again in a minute"
                                 : error_text(&why));
        }
    }
    return discovery_read(x->discovery, x->issuer, a, ret, err);
}

static void put_query(struct buffer *b, struct str url)
{
    (void)buffer_append_str(b, url);
    (void)buffer_append_z(b, memchr(url.ptr, '?', url.len) ? "&" : "?");
}

static struct str joined(const struct str *list, size_t n, struct arena *a)
{
    struct buffer b;
    buffer_init(&b, URL_MAX);
    for (size_t i = 0; i < n; i++) {
        (void)buffer_append_z(&b, i ? " " : "");
        (void)buffer_append_str(&b, list[i]);
    }
    struct str s = b.failed ? STR_NONE : arena_str(a, n ? buffer_str(&b) : STR_LIT("openid"));
    buffer_release(&b);
    return s;
}

/* The endpoint with the form as its query. */
static struct str url_with(struct str endpoint, const struct buffer *form, struct arena *a)
{
    struct buffer b;
    buffer_init(&b, URL_MAX);
    put_query(&b, endpoint);
    (void)buffer_append_str(&b, buffer_str(form));
    struct str s = b.failed || form->failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    return s;
}

bool login_begin(struct identity *i, const struct uuid *issuer, struct str redirect_uri,
                 struct str return_to, struct arena *a, struct str *ret_url, struct str *ret_cookie,
                 struct error *err)
{
    struct issuer x;
    struct discovery d;
    struct secret state, nonce, verifier, cookie;
    char challenge[48];
    if (!load(i, issuer, a, &x, err) || !usable(&x, err) || !discover(i, &x, a, &d, err)) {
        return false;
    }
    if (!d.authorization_endpoint.ptr || !d.token_endpoint.ptr) {
        return error_set(err, ERR_UPSTREAM_GARBAGE,
                         "the identity provider offers no authorization code flow");
    }
    secret_make(&state);
    secret_make(&nonce);
    secret_make(&verifier);
    secret_make(&cookie);
    struct login_flow flow = {
        .issuer = x.id, .nonce = nonce.s, .verifier = verifier.s, .return_to = return_to};
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    if (!t || !login_flow_create(t, state.hash, cookie.hash, &flow, err)) {
        tx_rollback(t);
        return false;
    }
    if (!tx_commit(t, NULL, err)) {
        return false;
    }
    struct buffer form;
    buffer_init(&form, URL_MAX);
    fetch_put_form(&form, "response_type", STR_LIT("code"));
    fetch_put_form(&form, "client_id", x.client_id);
    fetch_put_form(&form, "redirect_uri", redirect_uri);
    fetch_put_form(&form, "scope", joined(x.scopes, x.n_scopes, a));
    fetch_put_form(&form, "state", state.s);
    fetch_put_form(&form, "nonce", nonce.s);
    fetch_put_form(
        &form, "code_challenge",
        (struct str){challenge, crypto_base64url(verifier.hash, sizeof verifier.hash, challenge)});
    fetch_put_form(&form, "code_challenge_method", STR_LIT("S256"));
    *ret_url = url_with(d.authorization_endpoint, &form, a);
    buffer_release(&form);
    *ret_cookie = arena_str(a, cookie.s);
    return (ret_url->ptr && ret_cookie->ptr) || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* --- back from the provider --- */

static bool take_flow(struct identity *i, const struct login_answer *w, struct arena *a,
                      struct login_flow *ret, struct error *err)
{
    uint8_t state[CRYPTO_SHA256_LEN], cookie[CRYPTO_SHA256_LEN];
    if (!w->state.ptr || !w->cookie.ptr || w->state.len != LOGIN_COOKIE_TEXT ||
        w->cookie.len != LOGIN_COOKIE_TEXT) {
        return error_set(err, ERR_UNAUTHENTICATED,
                         "this sign-in was not begun in this browser: begin again");
    }
    crypto_sha256(w->state.ptr, w->state.len, state);
    crypto_sha256(w->cookie.ptr, w->cookie.len, cookie);
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!login_flow_take(t, state, cookie, a, ret, err)) {
        tx_rollback(t);
        return err->code == ERR_NOT_FOUND
                   ? error_set(
                         err, ERR_UNAUTHENTICATED,
                         "this sign-in has ended or was not begun in this browser: begin again")
                   : false;
    }
    return tx_commit(t, NULL, err);
}

/* "Basic" of RFC 6749, 2.3.1: both parts as in a form, then base64 with padding. */
static struct str basic(struct str id, struct str secret, struct arena *a)
{
    struct buffer b;
    buffer_init(&b, URL_MAX);
    fetch_put_form(&b, "", id);
    buffer_consume(&b, 1); /* the "=" */
    (void)buffer_append_z(&b, ":");
    struct buffer s;
    buffer_init(&s, URL_MAX);
    fetch_put_form(&s, "", secret);
    (void)buffer_append_str(&b, str_slice(buffer_str(&s), 1, s.len));
    char *text = arena_alloc(a, 4 * (b.len / 3 + 2) + 8);
    struct str out = STR_NONE;
    if (text && !b.failed && !s.failed) {
        memcpy(text, "Basic ", 6);
        size_t n = 6 + crypto_base64url(b.ptr, b.len, text + 6);
        for (size_t k = 6; k < n; k++) {
            text[k] = text[k] == '-' ? '+' : text[k] == '_' ? '/' : text[k];
        }
        while ((n - 6) % 4) {
            text[n++] = '=';
        }
        text[n] = '\0';
        out = (struct str){text, n};
    }
    if (s.ptr) {
        explicit_bzero(s.ptr, s.len);
    }
    if (b.ptr) {
        explicit_bzero(b.ptr, b.len);
    }
    buffer_release(&s);
    buffer_release(&b);
    return out;
}

static bool open_secret(const struct identity *i, const struct issuer *x, struct arena *a,
                        struct str *ret, struct error *err)
{
    *ret = STR_NONE;
    if (!x->client_secret.ptr || !x->client_secret_kek.ptr) {
        return true;
    }
    return seal_open(i->config.keys, x->client_secret_kek.ptr, "issuers", &x->id, "client_secret",
                     x->client_secret, a, ret, err) &&
           (!reference_is(*ret) ||
            references_value(i->config.references, &x->organization, *ret, a, ret) ||
            error_set(err, ERR_UPSTREAM_REFUSED,
                      "the client secret is a reference that cannot be read now"));
}

struct tokens {
    struct str id_token, access_token;
};

static bool read_tokens(const struct fetch_answer *answer, struct arena *a, struct tokens *ret,
                        struct error *err)
{
    struct json_value doc;
    bool json = json_validate(buffer_str(&answer->body), 16, &doc, NULL) && doc.type == JSON_OBJECT;
    if (answer->status != 200) {
        struct str code = json ? identity_text(doc, "error", a) : STR_NONE;
        bool shown = code.ptr && code.len <= 60 && validate_pattern(code) == NULL;
        return error_set(err, ERR_UNAUTHENTICATED,
                         "the identity provider refused the code (%d%s%.*s)", answer->status,
                         shown ? ", " : "", shown ? (int)code.len : 0, shown ? code.ptr : "");
    }
    ret->id_token = json ? identity_text(doc, "id_token", a) : STR_NONE;
    ret->access_token = json ? identity_text(doc, "access_token", a) : STR_NONE;
    return ret->id_token.ptr ||
           error_set(err, ERR_UPSTREAM_GARBAGE, "the identity provider sent no id token");
}

static bool exchange(struct identity *i, const struct issuer *x, const struct discovery *d,
                     const struct login_answer *w, struct str verifier, struct arena *a,
                     struct tokens *ret, struct error *err)
{
    struct str secret, authorization = STR_NONE;
    struct fetch_answer answer;
    struct buffer form;
    if (!open_secret(i, x, a, &secret, err)) {
        return false;
    }
    buffer_init(&form, URL_MAX);
    fetch_put_form(&form, "grant_type", STR_LIT("authorization_code"));
    fetch_put_form(&form, "code", w->code);
    fetch_put_form(&form, "redirect_uri", w->redirect_uri);
    fetch_put_form(&form, "code_verifier", verifier);
    if (!secret.ptr || d->secret_in_body) {
        fetch_put_form(&form, "client_id", x->client_id);
    }
    if (secret.ptr && d->secret_in_body) {
        fetch_put_form(&form, "client_secret", secret);
    } else if (secret.ptr) {
        authorization = basic(x->client_id, secret, a);
    }
    struct fetch_request r = {.url = d->token_endpoint.ptr,
                              .private_ok =
                                  identity_private_ok(i, &x->organization, d->token_endpoint),
                              .form = buffer_str(&form),
                              .authorization = authorization.ptr,
                              .timeout_ms = TOKEN_ANSWER_MS};
    bool ok = (!form.failed || error_set(err, ERR_OVERLOADED, "%s", "")) && fetch(&r, &answer, err);
    if (ok) {
        ok = read_tokens(&answer, a, ret, err);
        fetch_answer_release(&answer);
    }
    if (form.ptr) {
        explicit_bzero(form.ptr, form.len);
    }
    buffer_release(&form);
    return ok;
}

static bool check_at_hash(const struct tokens *k, struct json_value claims, struct arena *a,
                          struct error *err)
{
    struct str said = identity_text(claims, "at_hash", a);
    return !said.ptr || !k->access_token.ptr ||
           jwt_half_hash_fits(jwt_token_algorithm(k->id_token), k->access_token, said) ||
           error_set(err, ERR_INVALID_TOKEN, "the access token is not that of the id token");
}

/* What the id token says comes first; userinfo adds. */
static bool merge(struct json_value first, struct json_value more, struct arena *a,
                  struct json_value *ret)
{
    struct buffer b;
    struct json_writer w;
    struct json_value name, value;
    char text[256];
    buffer_init(&b, (size_t)1 << 20);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    for (int pass = 0; pass < 2; pass++) {
        size_t pos = 0, len = 0;
        while (json_next(pass ? more : first, &pos, &name, &value)) {
            if (!json_unescape(name, text, sizeof text - 1, &len) || memchr(text, '\0', len)) {
                continue;
            }
            text[len] = '\0';
            struct json_member m = {.name = {text, len}};
            if (pass && json_members(first, &m, 1, NULL) && m.found) {
                continue;
            }
            json_name(&w, text);
            json_put_raw(&w, value.raw);
        }
    }
    json_object_end(&w);
    struct str json = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    return json.ptr && json_validate(json, 0, ret, NULL);
}

/* Asked only when the id token lacks what is needed. */
static bool ask_userinfo(struct identity *i, const struct issuer *x, const struct discovery *d,
                         const struct tokens *k, struct arena *a, struct json_value *claims,
                         struct error *err)
{
    struct json_value more;
    struct fetch_answer answer;
    struct str authorization = arena_printf(a, "Bearer %.*s", STR_ARG(k->access_token));
    struct fetch_request r = {.url = d->userinfo_endpoint.ptr,
                              .private_ok =
                                  identity_private_ok(i, &x->organization, d->userinfo_endpoint),
                              .authorization = authorization.ptr};
    if (!fetch(&r, &answer, err)) {
        return false;
    }
    struct str text = answer.status == 200 ? arena_str(a, buffer_str(&answer.body)) : STR_NONE;
    fetch_answer_release(&answer);
    if (!text.ptr || !json_validate(text, 16, &more, NULL) || more.type != JSON_OBJECT) {
        return true; /* the id token must do */
    }
    struct str here = identity_text(*claims, "sub", a), there = identity_text(more, "sub", a);
    if (!here.ptr || !there.ptr || !str_eq(here, there)) {
        return error_set(err, ERR_INVALID_TOKEN, "userinfo is about somebody else");
    }
    return merge(*claims, more, a, claims) || error_set(err, ERR_OVERLOADED, "%s", "");
}

static bool read_claims(struct identity *i, const struct issuer *x, const struct discovery *d,
                        const struct tokens *k, struct str nonce, struct arena *a,
                        struct login *ret, struct error *err)
{
    enum jwt_verdict v =
        identity_verify(i, x, k->id_token, &x->client_id, 1, nonce, x->client_id, a, &ret->claims);
    if (v != JWT_VALID) {
        return error_set(err, ERR_INVALID_TOKEN, "%s", jwt_verdict_text(v));
    }
    if (!check_at_hash(k, ret->claims, a, err) ||
        !person_read(x, ret->claims, a, &ret->person, err)) {
        return false;
    }
    bool lacks = !ret->person.email.ptr || !ret->person.name.ptr || ret->person.n_groups == 0;
    if (lacks && d->userinfo_endpoint.ptr && k->access_token.ptr) {
        return ask_userinfo(i, x, d, k, a, &ret->claims, err) &&
               person_read(x, ret->claims, a, &ret->person, err);
    }
    return true;
}

static bool check_answer(const struct login_answer *w, const struct issuer *x,
                         const struct discovery *d, struct error *err)
{
    if ((w->iss.ptr || d->iss_in_response) && !str_eq(w->iss, x->issuer)) {
        return error_set(err, ERR_UNAUTHENTICATED, "the answer is from another identity provider");
    }
    if (w->error.ptr) {
        bool shown = w->error.len <= 60 && validate_pattern(w->error) == NULL;
        return error_set(err, ERR_UNAUTHENTICATED, "the identity provider refused: %.*s",
                         shown ? (int)w->error.len : 7, shown ? w->error.ptr : "refused");
    }
    return (w->code.ptr && w->code.len > 0 && w->code.len <= 4096) ||
           error_set(err, ERR_UNAUTHENTICATED, "the answer holds no code");
}

bool login_finish(struct identity *i, const struct login_answer *w, struct arena *a,
                  struct login *ret, struct error *err)
{
    struct login_flow flow;
    struct discovery d;
    struct tokens k = {.id_token = STR_NONE};
    if (!take_flow(i, w, a, &flow, err)) {
        return false;
    }
    ret->return_to = flow.return_to;
    if (!load(i, &flow.issuer, a, &ret->issuer, err) || !usable(&ret->issuer, err) ||
        !discover(i, &ret->issuer, a, &d, err) || !check_answer(w, &ret->issuer, &d, err)) {
        return false;
    }
    if (!d.token_endpoint.ptr) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "discovery lacks token_endpoint");
    }
    if (!exchange(i, &ret->issuer, &d, w, flow.verifier, a, &k, err) ||
        !read_claims(i, &ret->issuer, &d, &k, flow.nonce, a, ret, err)) {
        return false;
    }
    ret->id_token = k.id_token.len <= ID_TOKEN_KEPT_MAX ? k.id_token : STR_NONE;
    return true;
}

/* --- the provider's sign-out --- */

struct str login_seal_id_token(const struct identity *i, const struct uuid *session,
                               struct str id_token, struct arena *a)
{
    return id_token.ptr ? seal_close(i->config.keys, "sessions", session, "id_token", id_token, a)
                        : STR_NONE;
}

struct str login_logout_url(struct identity *i, struct tx *t, const struct uuid *session,
                            struct str return_to, struct arena *a)
{
    struct uuid id;
    struct str sealed, kek, token = STR_NONE;
    struct issuer x;
    struct discovery d;
    struct error err = ERROR_INIT;
    struct buffer form;
    if (!session_id_token(t, session, a, &id, &sealed, &kek, &err) || uuid_is_nil(&id) ||
        !issuer_load(t, &id, a, &x, &err) || !x.discovery.ptr ||
        !discovery_read(x.discovery, x.issuer, a, &d, &err) || !d.end_session_endpoint.ptr) {
        return STR_NONE;
    }
    if (sealed.ptr) {
        (void)seal_open(i->config.keys, kek.ptr, "sessions", session, "id_token", sealed, a, &token,
                        &err);
    }
    buffer_init(&form, URL_MAX);
    if (token.ptr) {
        fetch_put_form(&form, "id_token_hint", token);
    }
    fetch_put_form(&form, "client_id", x.client_id);
    if (return_to.ptr) {
        fetch_put_form(&form, "post_logout_redirect_uri", return_to);
    }
    struct str url = url_with(d.end_session_endpoint, &form, a);
    buffer_release(&form);
    return url;
}

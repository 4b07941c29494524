/* Sessions and bearer tokens. The cookie holds 32 random bytes; the CSRF token is derived from them
 * by HMAC, so a page that was loaded anew can be told it again although only hashes are stored. */
#include "controlplane/http/actor.h"

#include <stdio.h>

#include "common/crypto.h"
#include "common/rules/apikey.h"
#include "common/rules/ip_block.h"
#include "controlplane/http/actor_signed.h"
#include "controlplane/identity/login.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/admin_tokens.h"
#include "controlplane/store/key_logins.h"
#include "controlplane/store/memberships.h"
#include "controlplane/store/sessions.h"

#define TOKEN_BYTES 32
#define TOKEN_TEXT 44 /* base64url of 32 bytes with NUL */

#define SESSION_COOKIE "weir_session"

/* "__Host-" binds a cookie to this very host, where it may be used. */
static struct str cookie_name(const struct actor_config *c, struct http_request *r,
                              const char *name)
{
    bool host = c->secure_cookies && strcmp(c->base_path, "/") == 0;
    return arena_printf(http_arena(r), "%s%s", host ? "__Host-" : "", name);
}

static void derive_csrf(struct str token, char out[static TOKEN_TEXT])
{
    static const char label[] = "weir csrf";
    uint8_t mac[CRYPTO_SHA256_LEN];
    crypto_hmac_sha256(token.ptr, token.len, label, sizeof label - 1, mac);
    (void)crypto_base64url(mac, sizeof mac, out);
}

void actor_set_cookie(const struct actor_config *c, struct http_request *r, const char *name,
                      const char *value, uint64_t max_age_s)
{
    struct str full = cookie_name(c, r, name);
    struct str text =
        arena_printf(http_arena(r), "%s=%s; Path=%s; HttpOnly; SameSite=Lax; Max-Age=%llu%s",
                     full.ptr ? full.ptr : name, value, c->base_path, (unsigned long long)max_age_s,
                     c->secure_cookies ? "; Secure" : "");
    http_reply_header(r, "set-cookie", text.ptr ? text.ptr : "");
}

struct str actor_cookie(const struct actor_config *c, struct http_request *r, const char *name)
{
    struct str full = cookie_name(c, r, name);
    return full.ptr ? http_cookie(r, full.ptr) : STR_NONE;
}

void actor_forget_cookie(const struct actor_config *c, struct http_request *r)
{
    actor_set_cookie(c, r, SESSION_COOKIE, "", 0);
}

/* Whoever signs in anew does not go on as who they were. */
static bool end_former(const struct actor_config *c, struct http_request *r, struct tx *t,
                       struct error *err)
{
    struct str cookie = actor_cookie(c, r, SESSION_COOKIE);
    uint8_t hash[32];
    if (!cookie.ptr || cookie.len != TOKEN_TEXT - 1) {
        return true;
    }
    crypto_sha256(cookie.ptr, cookie.len, hash);
    return session_delete_by_token(t, hash, err);
}

bool actor_sign_in(const struct actor_config *c, struct http_request *r, struct tx *t,
                   const struct uuid *user, const struct actor_proof *proof, struct actor *ret,
                   struct error *err)
{
    uint8_t random[TOKEN_BYTES], token_hash[32], csrf_hash[32];
    char token[TOKEN_TEXT], csrf[TOKEN_TEXT];
    crypto_random(random, sizeof random);
    struct str text = {token, crypto_base64url(random, sizeof random, token)};
    derive_csrf(text, csrf);
    crypto_sha256(text.ptr, text.len, token_hash);
    crypto_sha256(csrf, strlen(csrf), csrf_hash);
    struct str agent = http_header(r, "user-agent");
    if (!agent.ptr || !validate_utf8(agent)) {
        agent = STR_LIT("");
    }
    struct session_new s = {.id = uuid_v7(),
                            .user = *user,
                            .token_hash = token_hash,
                            .csrf_hash = csrf_hash,
                            .address = http_peer(r),
                            .user_agent = agent.len <= 200 ? agent : STR_LIT(""),
                            .max_ms = c->session_max_ms};
    if (proof && c->identity) {
        s.issuer = proof->issuer;
        s.platform_admin = proof->platform_admin;
        s.id_token = login_seal_id_token(c->identity, &s.id, proof->id_token, http_arena(r));
        s.id_token_kek = seal_current_id(identity_seal_keys(c->identity));
    }
    if (!end_former(c, r, t, err) || !session_create(t, &s, err)) {
        return false;
    }
    ret->session = s.id;
    ret->csrf = arena_str(http_arena(r), str_of(csrf));
    actor_set_cookie(c, r, SESSION_COOKIE, token, c->session_max_ms / 1000);
    return true;
}

bool actor_load_grants(struct tx *t, struct arena *a, struct actor *actor, struct error *err)
{
    if (!membership_grants(t, &actor->id, a, &actor->grants, &actor->n_grants, err)) {
        return false;
    }
    if (!uuid_is_nil(&actor->organization)) {
        size_t kept = 0;
        for (size_t i = 0; i < actor->n_grants; i++) {
            if (uuid_eq(&actor->grants[i].organization, &actor->organization)) {
                actor->grants[kept++] = actor->grants[i];
            }
        }
        actor->n_grants = kept;
    }
    if (actor->platform) {
        /* membership_grants leaves room for one more */
        actor->grants[actor->n_grants++] = (struct grant){.role = ROLE_PLATFORM_ADMIN};
    }
    return true;
}

static bool by_session(const struct actor_config *c, struct http_request *r, struct tx *t,
                       struct str cookie, struct actor *ret, struct error *err)
{
    uint8_t hash[32], csrf_hash[32];
    char csrf[TOKEN_TEXT];
    struct session_found s;
    struct arena *a = http_arena(r);
    crypto_sha256(cookie.ptr, cookie.len, hash);
    if (!session_find(t, hash, c->session_idle_ms, a, &s, err)) {
        return err->code == ERR_NOT_FOUND ? error_set(err, ERR_UNAUTHENTICATED, "session has ended")
                                          : false;
    }
    derive_csrf(cookie, csrf);
    crypto_sha256(csrf, strlen(csrf), csrf_hash);
    if (!crypto_equal(csrf_hash, s.csrf_hash, sizeof csrf_hash)) {
        return error_set(err, ERR_UNAUTHENTICATED, "session has ended");
    }
    *ret = (struct actor){.platform = s.platform_admin,
                          .id = s.user,
                          .name = s.email,
                          .display_name = s.name,
                          .issuer = s.issuer,
                          .organization = s.organization,
                          .session = s.id,
                          .csrf = arena_str(a, str_of(csrf))};
    return actor_load_grants(t, a, ret, err);
}

static bool by_token(struct http_request *r, struct tx *t, struct str text, struct actor *ret,
                     struct error *err)
{
    uint8_t hash[32];
    struct token_login found;
    apikey_hash(text, hash);
    if (!token_login_find(t, hash, http_arena(r), &found, err)) {
        return err->code == ERR_NOT_FOUND
                   ? error_set(err, ERR_INVALID_KEY, "admin token is not recognised")
                   : false;
    }
    struct grant *g = arena_zalloc(http_arena(r), sizeof *g);
    if (!g) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    g->organization = found.organization;
    g->role = role_parse(found.role, false);
    if ((g->role == ROLE_PLATFORM_ADMIN) != uuid_is_nil(&found.organization)) {
        g->role = ROLE_NONE; /* a row that nobody should have written grants nothing */
    }
    *ret = (struct actor){.kind = ACTOR_TOKEN,
                          .token = true,
                          .platform = g->role == ROLE_PLATFORM_ADMIN,
                          .id = found.id,
                          .name = found.name,
                          .display_name = found.name,
                          .grants = g,
                          .n_grants = 1};
    return true;
}

static bool address_fits(const struct key_login *k, struct str peer)
{
    struct ip_block address, block;
    if (k->n_ip_allow == 0) {
        return true;
    }
    for (size_t i = 0; ip_block_parse_peer(peer, &address) && i < k->n_ip_allow; i++) {
        if (ip_block_parse(k->ip_allow[i], &block) && ip_block_holds(&block, address.b)) {
            return true;
        }
    }
    return false;
}

static bool by_key(struct http_request *r, struct tx *t, struct str text, struct actor *ret,
                   struct error *err)
{
    static const struct permission_set none;
    uint8_t hash[32];
    struct key_login k;
    apikey_hash(text, hash);
    if (!key_login_find(t, hash, http_arena(r), &k, err)) {
        return err->code == ERR_NOT_FOUND ? error_set(err, ERR_INVALID_KEY, "key is not recognised")
                                          : false;
    }
    if (memcmp(&k.permissions, &none, sizeof none) == 0) {
        return error_set(err, ERR_INVALID_KEY, "key has no permissions for the admin API");
    }
    if (!address_fits(&k, http_peer(r))) {
        return error_set(err, ERR_ADDRESS_NOT_ALLOWED, "%s", "");
    }
    struct grant *g = arena_zalloc(http_arena(r), 2 * sizeof *g);
    if (!g) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    g->organization = k.organization;
    g->workspace = k.workspace;
    g->role = ROLE_CUSTOM;
    g->permissions = k.permissions;
    *ret = (struct actor){.kind = ACTOR_KEY,
                          .token = true,
                          .id = k.id,
                          .name = k.name,
                          .display_name = k.name,
                          .grants = g,
                          .n_grants = 1};
    return true;
}

/* The credential of "Authorization: Bearer x"; NULL ptr when there is no such header. */
static struct str bearer(struct http_request *r)
{
    struct str h = http_header(r, "authorization");
    if (!h.ptr) {
        return STR_NONE;
    }
    if (h.len > 7 && str_eq_nocase(str_slice(h, 0, 7), STR_LIT("bearer "))) {
        return str_trim(str_slice(h, 7, h.len));
    }
    return STR_LIT("");
}

static bool in_transaction(const struct actor_config *c, struct http_request *r, struct str text,
                           bool (*find)(struct http_request *, struct tx *, struct str,
                                        struct actor *, struct error *),
                           struct actor *ret, struct error *err)
{
    struct tx *t = tx_begin(c->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!find(r, t, text, ret, err)) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool by_bearer(const struct actor_config *c, struct http_request *r, struct str token,
                      struct actor *ret, struct error *err)
{
    bool valid = false, ours = apikey_is_ours(token, &valid);
    if (ours && valid && str_starts(token, STR_LIT(APIKEY_ADMIN))) {
        return in_transaction(c, r, token, by_token, ret, err);
    }
    if (ours && valid && str_starts(token, STR_LIT(APIKEY_LIVE))) {
        return in_transaction(c, r, token, by_key, ret, err);
    }
    if (!ours && c->identity && jwt_looks_like(token)) {
        return actor_by_signed_token(c, r, token, ret, err);
    }
    return error_set(err, ERR_INVALID_KEY,
                     "Authorization must be \"Bearer\" and an admin token (%s...), a key with "
                     "permissions for the admin API, or a token of a trusted issuer",
                     APIKEY_ADMIN);
}

bool actor_authenticate(const struct actor_config *c, struct http_request *r, struct actor *ret,
                        struct error *err)
{
    struct str token = bearer(r), cookie;
    if (token.ptr) {
        return by_bearer(c, r, token, ret, err);
    }
    cookie = actor_cookie(c, r, SESSION_COOKIE);
    if (!cookie.ptr || cookie.len != TOKEN_TEXT - 1) {
        return error_set(err, ERR_UNAUTHENTICATED, "%s", "");
    }
    struct tx *t = tx_begin(c->pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!by_session(c, r, t, cookie, ret, err)) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

/* "https://host:port" of a URL. */
static struct str origin_of(const char *url)
{
    struct str s = str_of(url), head, tail;
    size_t scheme = str_starts(s, STR_LIT("https://"))  ? 8
                    : str_starts(s, STR_LIT("http://")) ? 7
                                                        : 0;
    struct str rest = str_slice(s, scheme, s.len);
    return str_cut(rest, '/', &head, &tail) ? str_slice(s, 0, scheme + head.len) : s;
}

struct str actor_public_base(const struct actor_config *c, struct http_request *r)
{
    struct str host = http_header(r, "host");
    if (c->public_url && *c->public_url) {
        struct str origin = origin_of(c->public_url);
        return arena_printf(http_arena(r), "%.*s%s", STR_ARG(origin), c->base_path);
    }
    if (!host.ptr || host.len == 0 || host.len > 255 || validate_pattern(host) != NULL ||
        memchr(host.ptr, '/', host.len)) {
        host = STR_LIT("localhost");
    }
    return arena_printf(http_arena(r), "%s://%.*s%s", c->secure_cookies ? "https" : "http",
                        STR_ARG(host), c->base_path);
}

bool actor_same_origin(const struct actor_config *c, struct http_request *r)
{
    struct str site = http_header(r, "sec-fetch-site"), origin = http_header(r, "origin");
    if (site.ptr && !str_eqz(site, "same-origin") && !str_eqz(site, "none")) {
        return false;
    }
    if (!origin.ptr) {
        return true; /* no browser sends a cross-site write without it */
    }
    if (c->public_url && str_eq_nocase(origin, origin_of(c->public_url))) {
        return true;
    }
    /* The scheme is left out: TLS may end before us. */
    struct str host = http_header(r, "host"), scheme, authority;
    return host.ptr && str_cut(origin, ':', &scheme, &authority) &&
           str_starts(authority, STR_LIT("//")) &&
           str_eq_nocase(str_slice(authority, 2, authority.len), host);
}

bool actor_check_csrf(const struct actor_config *c, struct http_request *r, const struct actor *a,
                      struct error *err)
{
    struct str given = http_header(r, "x-weir-csrf");
    if (!given.ptr || given.len != a->csrf.len ||
        !crypto_equal(given.ptr, a->csrf.ptr, given.len)) {
        return error_set(err, ERR_CSRF, "%s", "");
    }
    return actor_same_origin(c, r) || error_set(err, ERR_CSRF, "request comes from another site");
}

size_t actor_organizations(const struct actor *a, struct uuid *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < a->n_grants; i++) {
        bool known = uuid_is_nil(&a->grants[i].organization);
        for (size_t k = 0; k < n && !known; k++) {
            known = uuid_eq(&ret[k], &a->grants[i].organization);
        }
        if (!known) {
            ret[n++] = a->grants[i].organization;
        }
    }
    return n;
}

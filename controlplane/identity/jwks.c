/* Discovery and key sets: when they are fetched, what of them is kept, and how a token with an
 * unknown key leads to one fetch and never to a storm of them. */
#include "common/base/clock.h"
#include "common/log.h"
#include "controlplane/fetch/fetch.h"
#include "controlplane/identity/inside.h"
#include "controlplane/store/changes.h"

#include <stdio.h>
#include <time.h>

#define AGE_MIN_S 300u
#define AGE_MAX_S 86400u
#define RETRY_S 60u
#define DUE_AT_ONCE 8
#define WAITERS_MAX 8u
#define WAIT_MS 3000u
#define KEYS_TEXT_MAX ((size_t)1 << 20)
#define KEYS_MAX JWT_KEYS_MAX

struct str identity_decode(struct json_value v, struct arena *a)
{
    size_t len = 0;
    char *room = v.type == JSON_STRING ? arena_alloc(a, v.raw.len + 1) : NULL;
    if (!room || !json_unescape(v, room, v.raw.len, &len)) {
        return STR_NONE;
    }
    room[len] = '\0';
    return (struct str){room, len};
}

struct str identity_text(struct json_value object, const char *name, struct arena *a)
{
    struct json_member m = {.name = str_of(name)};
    return object.type == JSON_OBJECT && json_members(object, &m, 1, NULL) && m.found
               ? identity_decode(m.value, a)
               : STR_NONE;
}

/* --- discovery --- */

static bool lists(struct json_value object, const char *name, struct str word, bool absent)
{
    struct json_member m = {.name = str_of(name)};
    struct json_value item;
    size_t pos = 0;
    if (!json_members(object, &m, 1, NULL) || !m.found || m.value.type != JSON_ARRAY) {
        return absent;
    }
    while (json_next(m.value, &pos, NULL, &item)) {
        if (json_text_eq(item, word)) {
            return true;
        }
    }
    return false;
}

static bool take_url(struct json_value doc, const char *name, bool needed, struct arena *a,
                     struct str *ret, struct error *err)
{
    *ret = identity_text(doc, name, a);
    if (!ret->ptr || ret->len == 0) {
        *ret = STR_NONE;
        return !needed || error_set(err, ERR_UPSTREAM_GARBAGE, "discovery lacks %s", name);
    }
    return fetch_url_is_safe(*ret) ||
           error_set(err, ERR_UPSTREAM_GARBAGE, "discovery's %s is not an https URL", name);
}

bool discovery_read(struct str json, struct str issuer, struct arena *a, struct discovery *ret,
                    struct error *err)
{
    struct json_value doc;
    struct json_member m = {.name = STR_LIT("authorization_response_iss_parameter_supported")};
    struct discovery d;
    if (!json_validate(json, 0, &doc, NULL) || doc.type != JSON_OBJECT) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "discovery is not a JSON object");
    }
    struct str said = identity_text(doc, "issuer", a);
    if (!said.ptr || !str_eq(said, issuer)) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "discovery names the issuer \"%.*s\"",
                         said.len > 100 ? 100 : (int)said.len, said.ptr ? said.ptr : "");
    }
    if (!take_url(doc, "authorization_endpoint", false, a, &d.authorization_endpoint, err) ||
        !take_url(doc, "token_endpoint", false, a, &d.token_endpoint, err) ||
        !take_url(doc, "jwks_uri", true, a, &d.jwks_uri, err) ||
        !take_url(doc, "userinfo_endpoint", false, a, &d.userinfo_endpoint, err) ||
        !take_url(doc, "end_session_endpoint", false, a, &d.end_session_endpoint, err)) {
        return false;
    }
    d.iss_in_response = json_members(doc, &m, 1, NULL) && m.found && m.value.type == JSON_TRUE;
    d.secret_in_body =
        !lists(doc, "token_endpoint_auth_methods_supported", STR_LIT("client_secret_basic"),
               true) &&
        lists(doc, "token_endpoint_auth_methods_supported", STR_LIT("client_secret_post"), false);
    *ret = d;
    return true;
}

/* --- key sets --- */

uint64_t jwks_next_s(uint64_t max_age_s)
{
    uint64_t age = max_age_s ? max_age_s : 3600;
    age = age < AGE_MIN_S ? AGE_MIN_S : age > AGE_MAX_S ? AGE_MAX_S : age;
    return age - age / 5;
}

struct key_list {
    struct json_value items[KEYS_MAX];
    size_t n;
};

static bool list_keys(struct str json, struct key_list *ret, struct error *err)
{
    struct json_member m = {.name = STR_LIT("keys")};
    struct json_value item;
    size_t pos = 0;
    ret->n = 0;
    if (!json_scan(json, &m, 1, 0, NULL) || !m.found || m.value.type != JSON_ARRAY) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "a key set must have the array \"keys\"");
    }
    while (ret->n < KEYS_MAX && json_next(m.value, &pos, NULL, &item)) {
        if (item.type == JSON_OBJECT) {
            ret->items[ret->n++] = item;
        }
    }
    return true;
}

/* Two keys are the same when what makes the key is; other members and their order may differ, and
 * the database writes jsonb its own way. */
static bool same_key(struct json_value a, struct json_value b)
{
    static const char *const names[] = {"kty", "kid", "crv", "n", "e", "x", "y", "use", "alg"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct json_member ma = {.name = str_of(names[i])}, mb = {.name = str_of(names[i])};
        (void)json_members(a, &ma, 1, NULL);
        (void)json_members(b, &mb, 1, NULL);
        if (ma.found != mb.found || (ma.found && !str_eq(ma.value.raw, mb.value.raw))) {
            return false;
        }
    }
    return true;
}

static bool has_key(const struct key_list *l, struct json_value key)
{
    for (size_t i = 0; i < l->n; i++) {
        if (same_key(l->items[i], key)) {
            return true;
        }
    }
    return false;
}

static void put_public(struct json_writer *w, struct json_value key)
{
    static const char *const names[] = {"kty", "kid", "use", "alg", "key_ops",
                                        "crv", "n",   "e",   "x",   "y"};
    json_object_begin(w);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct json_member m = {.name = str_of(names[i])};
        if (json_members(key, &m, 1, NULL) && m.found) {
            json_name(w, names[i]);
            json_put_raw(w, m.value.raw);
        }
    }
    json_object_end(w);
}

static struct str write_keys(const struct key_list *a, const struct key_list *b,
                             struct arena *arena)
{
    struct buffer out;
    struct json_writer w;
    buffer_init(&out, KEYS_TEXT_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_name(&w, "keys");
    json_array_begin(&w);
    for (size_t i = 0; i < a->n; i++) {
        put_public(&w, a->items[i]);
    }
    for (size_t i = 0; b && i < b->n && a->n + i < KEYS_MAX; i++) {
        put_public(&w, b->items[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    struct str text = out.failed ? STR_NONE : arena_str(arena, buffer_str(&out));
    buffer_release(&out);
    return text;
}

bool jwks_merge(struct str jwks, struct str former, struct str fresh, struct arena *a,
                struct str *ret_jwks, struct str *ret_former, bool *ret_changed, struct error *err)
{
    struct key_list *l = arena_zalloc(a, 5 * sizeof *l);
    struct jwt_keys *usable = NULL;
    if (!l) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    struct key_list *all = &l[0], *old = &l[1], *now = &l[2], *current = &l[3], *replaced = &l[4];
    if (!list_keys(fresh, now, err) || !list_keys(jwks, all, err) || !list_keys(former, old, err) ||
        !jwt_keys_new(fresh, &usable, err)) {
        return false;
    }
    size_t n = jwt_keys_count(usable);
    jwt_keys_free(usable);
    if (n == 0) {
        return error_set(err, ERR_UPSTREAM_GARBAGE, "the key set holds no key that can be used");
    }
    for (size_t i = 0; i < all->n; i++) {
        if (!has_key(old, all->items[i])) {
            current->items[current->n++] = all->items[i];
        }
    }
    bool same = current->n == now->n;
    for (size_t i = 0; i < current->n; i++) {
        if (!has_key(now, current->items[i])) {
            replaced->items[replaced->n++] = current->items[i];
            same = false;
        }
    }
    for (size_t i = 0; same && i < now->n; i++) {
        same = has_key(current, now->items[i]);
    }
    *ret_changed = !same;
    if (replaced->n == 0) { /* keys were added: those that were replaced before stay */
        for (size_t i = 0; i < old->n; i++) {
            if (!has_key(now, old->items[i])) {
                replaced->items[replaced->n++] = old->items[i];
            }
        }
    }
    *ret_jwks = write_keys(now, replaced, a);
    *ret_former = write_keys(replaced, NULL, a);
    return (ret_jwks->ptr && ret_former->ptr) || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* --- fetching --- */

static bool get(struct identity *i, const struct issuer *x, struct str url,
                struct fetch_answer *ret, struct error *err)
{
    struct fetch_request r = {.url = url.ptr,
                              .private_ok = identity_private_ok(i, &x->organization, url),
                              .timeout_ms = 5000};
    if (!fetch(&r, ret, err)) {
        return false;
    }
    if (ret->status != 200) {
        int status = ret->status;
        fetch_answer_release(ret);
        return error_set(err, ERR_UPSTREAM_GARBAGE, "%.*s answered %d",
                         url.len > 150 ? 150 : (int)url.len, url.ptr, status);
    }
    return true;
}

struct news {
    struct str discovery, jwks, former;
    uint64_t next_s;
    bool changed;
};

static bool fetch_discovery(struct identity *i, const struct issuer *x, struct arena *a,
                            struct str *ret_text, struct str *ret_jwks_uri, struct error *err)
{
    struct discovery d;
    struct fetch_answer answer;
    bool slash = x->issuer.len && x->issuer.ptr[x->issuer.len - 1] == '/';
    struct str url = arena_printf(a, "%.*s%s.well-known/openid-configuration", STR_ARG(x->issuer),
                                  slash ? "" : "/");
    if (!url.ptr || !get(i, x, url, &answer, err)) {
        return false;
    }
    *ret_text = arena_str(a, buffer_str(&answer.body));
    fetch_answer_release(&answer);
    if (!ret_text->ptr || !discovery_read(*ret_text, x->issuer, a, &d, err)) {
        return false;
    }
    *ret_jwks_uri = d.jwks_uri;
    return true;
}

static bool fetch_all(struct identity *i, const struct issuer *x, bool due, struct arena *a,
                      struct news *ret, struct error *err)
{
    struct discovery d;
    struct fetch_answer answer;
    struct str uri = x->jwks_uri;
    struct error ignored = ERROR_INIT;
    bool known = x->discovery.ptr && discovery_read(x->discovery, x->issuer, a, &d, &ignored);
    if (known && uri.len == 0) {
        uri = d.jwks_uri;
    }
    /* who only checks tokens by keys of a known place needs no discovery */
    if ((due || !known) && (x->jwks_uri.len == 0 || x->login)) {
        struct str found = STR_NONE;
        if (!fetch_discovery(i, x, a, &ret->discovery, &found, err)) {
            return false;
        }
        uri = x->jwks_uri.len ? x->jwks_uri : found;
    }
    if (!get(i, x, uri, &answer, err)) {
        return false;
    }
    struct str fresh = arena_str(a, buffer_str(&answer.body));
    ret->next_s = jwks_next_s(answer.max_age_s);
    fetch_answer_release(&answer);
    return fresh.ptr && jwks_merge(x->jwks, x->former_jwks, fresh, a, &ret->jwks, &ret->former,
                                   &ret->changed, err);
}

static bool claim(struct identity *i, const struct uuid *id, bool due, struct arena *a,
                  struct issuer *ret, bool *ret_mine, struct error *err)
{
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    if (!issuer_fetch_claim(t, id, due, ret_mine, err) ||
        (*ret_mine && !issuer_load(t, id, a, ret, err))) {
        tx_rollback(t);
        return false;
    }
    return tx_commit(t, NULL, err);
}

static bool store(struct identity *i, const struct issuer *x, const struct news *n,
                  const struct error *failure, struct error *err)
{
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    bool ok = failure ? issuer_fetch_failed(t, &x->id, str_of(error_text(failure)), RETRY_S, err)
                      : issuer_fetch_store(t, &x->id, n->discovery, n->changed ? n->jwks : STR_NONE,
                                           n->changed ? n->former : STR_NONE, n->next_s, err);
    if (!ok) {
        tx_rollback(t);
        return false;
    }
    if (!failure && n->changed && x->data_plane) {
        tx_change(t, CONFIG_ISSUER, uuid_is_nil(&x->organization) ? NULL : &x->organization, &x->id,
                  false);
    }
    return tx_commit(t, NULL, err);
}

static void count_fetch(struct identity *i, int by)
{
    pthread_mutex_lock(&i->lock);
    i->fetching = (unsigned)((int)i->fetching + by);
    pthread_cond_broadcast(&i->fetched);
    pthread_mutex_unlock(&i->lock);
}

bool identity_refresh(struct identity *i, const struct uuid *issuer, bool due, bool *ret_asked,
                      struct error *err)
{
    struct arena *a = arena_new((size_t)16 << 20);
    struct issuer x;
    struct news n = {.discovery = STR_NONE};
    struct error why = ERROR_INIT;
    bool mine = false, ok = claim(i, issuer, due, a, &x, &mine, err);
    *ret_asked = ok && mine;
    if (ok && mine) {
        count_fetch(i, 1);
        bool came = fetch_all(i, &x, due, a, &n, &why);
        if (!came) {
            log_write(LOG_WARN, "issuer_fetch_failed", "an identity provider could not be asked",
                      LOG_S("issuer", x.name), LOG_Z("error", error_text(&why)));
            *err = why;
        }
        struct error stored = ERROR_INIT;
        ok = store(i, &x, &n, came ? NULL : &why, &stored) && came;
        count_fetch(i, -1);
        if (came && !ok) {
            *err = stored;
        }
    }
    arena_free(a);
    return ok;
}

bool identity_refresh_due(struct identity *i, size_t *ret_n, struct error *err)
{
    struct arena *a = arena_new(0);
    struct uuid *ids = NULL;
    size_t n = 0;
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, err);
    bool ok = t && issuers_due(t, DUE_AT_ONCE, a, &ids, &n, err);
    if (ok) {
        ok = tx_commit(t, NULL, err);
    } else {
        tx_rollback(t);
    }
    *ret_n = 0;
    for (size_t k = 0; ok && k < n; k++) {
        struct error ignored = ERROR_INIT; /* noted in the row and logged */
        bool asked;
        (void)identity_refresh(i, &ids[k], true, &asked, &ignored);
        *ret_n += asked;
    }
    arena_free(a);
    return ok;
}

/* --- checking --- */

unsigned identity_algorithms(const struct issuer *issuer)
{
    unsigned bits = 0;
    for (size_t k = 0; k < issuer->n_algorithms; k++) {
        bits |= 1u << jwt_algorithm_named(issuer->algorithms[k]);
    }
    return bits & ~(1u << JWT_NONE);
}

static enum jwt_verdict verify_by(struct str jwks, struct jwt_check *c, struct str token,
                                  struct arena *a, struct json_value *ret_claims)
{
    struct jwt_keys *keys = NULL;
    struct error ignored = ERROR_INIT;
    if (!jwt_keys_new(jwks, &keys, &ignored)) {
        return JWT_UNKNOWN_KEY;
    }
    c->keys = keys;
    enum jwt_verdict v = jwt_verify(token, c, a, ret_claims);
    c->keys = NULL;
    jwt_keys_free(keys);
    return v;
}

/* Waits for a fetch of this process that is under way; a few may, the others are refused at once.
 */
static void wait_for_others(struct identity *i)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&i->lock);
    if (i->waiting < WAITERS_MAX) {
        i->waiting++;
        while (i->fetching > 0 && pthread_cond_timedwait(&i->fetched, &i->lock, &until) == 0) {
        }
        i->waiting--;
    }
    pthread_mutex_unlock(&i->lock);
}

/* The keys as they stand after somebody asked; NULL ptr: as they were. */
static struct str newer_keys(struct identity *i, const struct issuer *x, struct arena *a)
{
    struct error err = ERROR_INIT;
    struct issuer now = {.jwks = STR_NONE};
    bool asked = false;
    if (!x->jwks_fixed) {
        (void)identity_refresh(i, &x->id, false, &asked, &err);
    }
    if (!asked) {
        wait_for_others(i);
    }
    err = (struct error)ERROR_INIT;
    struct tx *t = tx_begin(i->config.pool, TX_SYSTEM, NULL, &err);
    bool ok = t && issuer_load(t, &x->id, a, &now, &err);
    tx_rollback(t);
    return ok && !str_eq(now.jwks, x->jwks) ? now.jwks : STR_NONE;
}

static bool is_denied(const struct issuer *x, struct json_value claims)
{
    struct json_member m = {.name = STR_LIT("jti")};
    if (!json_members(claims, &m, 1, NULL) || !m.found) {
        return false;
    }
    for (size_t k = 0; k < x->n_denied_jti; k++) {
        if (json_text_eq(m.value, x->denied_jti[k])) {
            return true;
        }
    }
    return false;
}

enum jwt_verdict identity_verify(struct identity *i, const struct issuer *issuer, struct str token,
                                 const struct str *audiences, size_t n_audiences, struct str nonce,
                                 struct str azp, struct arena *a, struct json_value *ret_claims)
{
    struct jwt_check c = {.issuer = issuer->issuer,
                          .audiences = audiences,
                          .n_audiences = n_audiences,
                          .algorithms = identity_algorithms(issuer),
                          .now_s = (int64_t)(clock_wall_ms() / 1000),
                          .leeway_s = issuer->leeway_s,
                          .nonce = nonce,
                          .azp = azp};
    struct json_value claims;
    enum jwt_verdict v = verify_by(issuer->jwks, &c, token, a, &claims);
    if (v == JWT_UNKNOWN_KEY) {
        struct str keys = newer_keys(i, issuer, a);
        v = keys.ptr ? verify_by(keys, &c, token, a, &claims) : v;
    }
    if (v == JWT_VALID && is_denied(issuer, claims)) {
        return JWT_SIGNATURE;
    }
    if (v == JWT_VALID) {
        *ret_claims = claims;
    }
    return v;
}

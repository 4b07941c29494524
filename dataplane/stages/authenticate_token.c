/* Issuer, signature, key, claims: in this order. A proxy that meets an unknown key refuses: new
 * keys come with the snapshot, which the control plane fetches ahead of their use. */
#include "dataplane/stages/authenticate_token.h"

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/jwt.h"

#define MEMO_SLOTS 1024u
#define VALUE_MAX 256u /* of a claim that becomes metadata */
#define METADATA_MAX 8192u

struct memo_slot {
    uint8_t hash[CRYPTO_SHA256_LEN];
    uint64_t version; /* of the snapshot */
    int64_t until_ms; /* 0: empty */
    struct uuid issuer;
};

struct token_memo {
    struct memo_slot slots[MEMO_SLOTS];
};

struct token_memo *token_memo_new(void)
{
    return mem_alloc(sizeof(struct token_memo));
}

void token_memo_free(struct token_memo *m)
{
    mem_free(m);
}

static struct memo_slot *slot_of(struct token_memo *m, const uint8_t hash[static 32])
{
    return &m->slots[((unsigned)hash[0] << 8 | hash[1]) % MEMO_SLOTS];
}

static struct str text_of(struct json_value v, struct arena *a)
{
    size_t len = 0;
    char *room = v.type == JSON_STRING ? arena_alloc(a, v.raw.len + 1) : NULL;
    return room && json_unescape(v, room, v.raw.len, &len) ? (struct str){room, len} : STR_NONE;
}

static bool refuse(struct error *err, const char *why)
{
    return error_set(err, ERR_INVALID_TOKEN, "%s", why);
}

/* --- the signature --- */

static bool is_denied(const struct snap_issuer *x, struct json_value claims)
{
    struct json_value jti;
    for (size_t i = 0; i < x->n_denied_jti; i++) {
        if (jwt_claim(claims, STR_LIT("jti"), &jti) && json_text_eq(jti, x->denied_jti[i])) {
            return true;
        }
    }
    return false;
}

static enum jwt_verdict verify(const struct snap_issuer *x, struct str token, int64_t now_ms,
                               struct arena *a, struct json_value *ret_claims)
{
    struct jwt_check c = {.keys = x->keys,
                          .issuer = x->issuer,
                          .audiences = x->audiences,
                          .n_audiences = x->n_audiences,
                          .algorithms = x->algorithms,
                          .now_s = now_ms / 1000,
                          .leeway_s = x->leeway_s};
    return jwt_verify(token, &c, a, ret_claims);
}

/* Several issuers may have one `iss`, each for audiences of its own: the first that takes it. */
static bool find_issuer(const struct snapshot *s, struct str token, int64_t now_ms, struct arena *a,
                        const struct snap_issuer **ret, struct json_value *ret_claims,
                        struct error *err)
{
    struct str iss, kid;
    enum jwt_verdict why = JWT_ISSUER;
    const struct snap_issuer *x = NULL;
    if (!jwt_peek(token, a, &iss, &kid, err)) {
        return false;
    }
    while ((x = snapshot_issuer(s, iss, x)) != NULL) {
        if (x->disabled) {
            continue;
        }
        if (x->needs_unknown) {
            return error_set(err, ERR_UPGRADE_REQUIRED,
                             "this proxy lacks a feature that the token's issuer needs");
        }
        enum jwt_verdict v = verify(x, token, now_ms, a, ret_claims);
        if (v == JWT_VALID) {
            *ret = x;
            return !is_denied(x, *ret_claims) || refuse(err, "the token was revoked");
        }
        why = why == JWT_ISSUER || why == JWT_AUDIENCE ? v : why;
    }
    return refuse(err, why == JWT_ISSUER ? "the token's issuer is not trusted here"
                                         : jwt_verdict_text(why));
}

static const struct snap_issuer *issuer_of(const struct snapshot *s, struct json_value claims,
                                           const struct uuid *id, struct arena *a)
{
    struct json_value iss;
    const struct snap_issuer *x = NULL;
    if (!jwt_claim(claims, STR_LIT("iss"), &iss)) {
        return NULL;
    }
    struct str name = text_of(iss, a);
    while (name.ptr && (x = snapshot_issuer(s, name, x)) != NULL) {
        if (uuid_eq(&x->id, id)) {
            return x;
        }
    }
    return NULL;
}

static int64_t end_of(const struct snap_issuer *x, struct json_value claims)
{
    struct json_value exp;
    int64_t at_ms = 0;
    return jwt_claim(claims, STR_LIT("exp"), &exp) && json_decimal(exp, 3, &at_ms)
               ? at_ms + x->leeway_s * 1000
               : 0;
}

static bool check(const struct snapshot *s, struct token_memo *memo, struct str token,
                  int64_t now_ms, struct arena *a, const struct snap_issuer **ret,
                  struct json_value *ret_claims, struct error *err)
{
    uint8_t hash[CRYPTO_SHA256_LEN];
    struct memo_slot *slot = NULL;
    uint64_t version = snapshot_version(s);
    if (memo) {
        crypto_sha256(token.ptr, token.len, hash);
        slot = slot_of(memo, hash);
        if (slot->until_ms > now_ms && slot->version == version &&
            memcmp(slot->hash, hash, sizeof hash) == 0 && jwt_payload(token, a, ret_claims)) {
            *ret = issuer_of(s, *ret_claims, &slot->issuer, a);
            if (*ret) {
                return true;
            }
        }
    }
    if (!find_issuer(s, token, now_ms, a, ret, ret_claims, err)) {
        return false;
    }
    if (slot) {
        *slot = (struct memo_slot){
            .version = version, .until_ms = end_of(*ret, *ret_claims), .issuer = (*ret)->id};
        memcpy(slot->hash, hash, sizeof hash);
    }
    return true;
}

/* --- the key --- */

static struct str path_of(struct json_value config, const char *what, const char *usual,
                          struct arena *a)
{
    struct json_member m = {.name = str_of(what)};
    struct str path = json_members(config, &m, 1, NULL) && m.found ? text_of(m.value, a) : STR_NONE;
    return path.ptr ? path : str_of(usual);
}

/* What the claims say of that; NULL ptr: nothing. */
static struct str said(struct json_value config, const char *what, const char *usual,
                       struct json_value claims, struct arena *a)
{
    struct json_value v;
    struct str path = path_of(config, what, usual, a);
    return path.ptr && path.len && jwt_claim(claims, path, &v) ? text_of(v, a) : STR_NONE;
}

/* One of the issuer's keys, of its own organization where it has one. */
static const struct snap_key *key_at(const struct snapshot *s, const struct snap_issuer *x,
                                     size_t i, struct arena *a)
{
    const struct snap_key *k = snapshot_key_by_id(s, &x->key_ids[i], a);
    bool ours = k && (uuid_is_nil(&x->organization_id) ||
                      uuid_eq(&k->organization_id, &x->organization_id));
    return ours ? k : NULL;
}

static const struct snap_key *choose_key(const struct snapshot *s, const struct snap_issuer *x,
                                         struct str wanted, struct arena *a)
{
    struct uuid id;
    bool by_id = wanted.ptr && uuid_parse_public("key", wanted, &id);
    if (!wanted.ptr) {
        return x->n_key_ids ? key_at(s, x, 0, a) : NULL;
    }
    for (size_t i = 0; i < x->n_key_ids; i++) {
        const struct snap_key *k =
            by_id && !uuid_eq(&id, &x->key_ids[i]) ? NULL : key_at(s, x, i, a);
        if (k && (by_id || str_eq(k->name, wanted))) {
            return k;
        }
    }
    return NULL;
}

/* --- who --- */

static bool take_team(const struct snapshot *s, struct str team, struct snap_key *k,
                      struct error *err)
{
    struct uuid id;
    if (!team.ptr || team.len == 0) {
        return true;
    }
    const struct snap_team *t = uuid_parse_public("team", team, &id) ? snapshot_team(s, &id) : NULL;
    bool usable = t && uuid_eq(&t->organization_id, &k->organization_id) &&
                  (uuid_is_nil(&t->workspace_id) || uuid_eq(&t->workspace_id, &k->workspace_id));
    if (!usable) {
        return refuse(err, "the token's team is not known");
    }
    k->team_id = t->id;
    return true;
}

static bool put_claim(struct json_writer *w, const char *name, struct json_value v)
{
    if (v.raw.len > VALUE_MAX) {
        return false;
    }
    if (v.type == JSON_STRING) {
        json_name(w, name);
        json_put_raw(w, v.raw);
    } else if (v.type == JSON_NUMBER || v.type == JSON_TRUE || v.type == JSON_FALSE) {
        json_field_str(w, name, v.raw);
    }
    return true;
}

/* A member name as a C text; false: too long or with a NUL. */
static bool name_of(struct json_value name, char out[static 128])
{
    size_t len = 0;
    if (!json_unescape(name, out, 127, &len) || memchr(out, '\0', len)) {
        return false;
    }
    out[len] = '\0';
    return true;
}

/* The key's own metadata, and over it what `metadata` of the issuer's claims names. */
static bool write_metadata(struct json_writer *w, struct json_value map, struct json_value claims,
                           struct str own, struct arena *a)
{
    struct json_value name, path, v, mine = {.type = JSON_OBJECT, .raw = own};
    char text[128];
    size_t pos = 0;
    json_object_begin(w);
    while (own.len && json_next(mine, &pos, &name, &v)) {
        struct json_member m = {.name = text_of(name, a)};
        struct json_value unused;
        bool over = m.name.ptr && json_members(map, &m, 1, NULL) && m.found &&
                    jwt_claim(claims, text_of(m.value, a), &unused);
        if (!over && name_of(name, text)) {
            json_name(w, text);
            json_put_raw(w, v.raw);
        }
    }
    pos = 0;
    while (json_next(map, &pos, &name, &path)) {
        if (name_of(name, text) && jwt_claim(claims, text_of(path, a), &v) &&
            !put_claim(w, text, v)) {
            return false;
        }
    }
    json_object_end(w);
    return true;
}

static bool take_metadata(struct json_value config, struct json_value claims, struct snap_key *k,
                          struct arena *a, struct error *err)
{
    struct json_member m = {.name = STR_LIT("metadata")};
    struct buffer b;
    struct json_writer w;
    if (!json_members(config, &m, 1, NULL) || !m.found || m.value.type != JSON_OBJECT) {
        return true;
    }
    buffer_init(&b, METADATA_MAX);
    json_writer_init(&w, &b);
    bool ok = write_metadata(&w, m.value, claims, k->metadata_json, a) && !b.failed;
    struct str text = ok ? arena_str(a, buffer_str(&b)) : STR_NONE;
    buffer_release(&b);
    if (!text.ptr) {
        return refuse(err, "a claim of the token is too long for metadata");
    }
    k->metadata_json = text;
    return true;
}

bool authenticate_token(const struct snapshot *s, struct token_memo *memo, struct str token,
                        int64_t now_ms, struct arena *a, struct token_caller *ret,
                        struct error *err)
{
    const struct snap_issuer *x = NULL;
    struct json_value claims, config;
    if (!check(s, memo, token, now_ms, a, &x, &claims, err)) {
        return false;
    }
    if (!json_validate(x->claims_json.len ? x->claims_json : STR_LIT("{}"), 0, &config, NULL) ||
        config.type != JSON_OBJECT) {
        return refuse(err, "the issuer's claims cannot be read");
    }
    const struct snap_key *found = choose_key(s, x, said(config, "key", NULL, claims, a), a);
    struct snap_key *k = found ? arena_alloc(a, sizeof *k) : NULL;
    if (!k) {
        return refuse(err, "the token names no key that its issuer may stand for");
    }
    *k = *found;
    struct str user = said(config, "user", "sub", claims, a);
    if (user.ptr && user.len && !uuid_parse_public("usr", user, &k->user_id)) {
        jwt_subject_id(&x->id, user, &k->user_id);
    }
    if (!take_team(s, said(config, "team", NULL, claims, a), k, err) ||
        !take_metadata(config, claims, k, a, err)) {
        return false;
    }
    struct str end_user = said(config, "end_user", NULL, claims, a);
    *ret = (struct token_caller){
        .key = k, .end_user = end_user.len && end_user.len <= VALUE_MAX ? end_user : STR_NONE};
    return true;
}

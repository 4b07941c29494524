/* Identity providers: an organization's own, or (made by a platform administrator who names no
 * organization) the installation's. The client secret is write-only. What `issuer` says is kept for
 * ever: people are known by it and their subject. */
#include "controlplane/store/issuers.h"

#include "common/crypto.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/fetch/fetch.h"
#include "controlplane/identity/mapping.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/reference.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/virtual_keys.h"

#define KEYS_OF_ISSUER_MAX 50
#define JWKS_MAX ((size_t)256 << 10)
#define RULES_BYTES_MAX ((size_t)256 << 10)

static const char *check_algorithm(struct str s)
{
    return jwt_algorithm_named(s) != JWT_NONE
               ? NULL
               : "must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and "
                 "EdDSA";
}

static const char *check_url(struct str s)
{
    return s.len == 0 || (fetch_url_is_safe(s) && !memchr(s.ptr, '?', s.len))
               ? NULL
               : "must be an https URL without query (http is for loopback only)";
}

static const char *check_domain(struct str s)
{
    return s.len <= 253 && validate_slug(s) == NULL && memchr(s.ptr, '.', s.len)
               ? NULL
               : "must be a domain";
}

static const char *check_text(struct str s)
{
    return validate_pattern(s);
}

static const struct field fields[] = {
    FIELD_ORGANIZATION(ISSUER),
    FIELD_NAME(ISSUER, 100, validate_name),
    {.name = "issuer",
     .kind = FIELD_TEXT,
     .column = ISSUER_ISSUER,
     .flags = FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 8,
     .max = 500,
     .check = check_url},
    {.name = "client_id",
     .kind = FIELD_TEXT,
     .column = ISSUER_CLIENT_ID,
     .flags = FIELD_WRITE,
     .max = 255},
    {.name = "scopes",
     .kind = FIELD_TEXTS,
     .column = ISSUER_SCOPES,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 30,
     .check = check_text},
    {.name = "audiences",
     .kind = FIELD_TEXTS,
     .column = ISSUER_AUDIENCES,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 30,
     .check = check_text},
    {.name = "algorithms",
     .kind = FIELD_TEXTS,
     .column = ISSUER_ALGORITHMS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 10,
     .check = check_algorithm},
    {.name = "login", .kind = FIELD_BOOL, .column = ISSUER_LOGIN, .flags = FIELD_WRITE},
    {.name = "admin_api", .kind = FIELD_BOOL, .column = ISSUER_ADMIN_API, .flags = FIELD_WRITE},
    {.name = "data_plane", .kind = FIELD_BOOL, .column = ISSUER_DATA_PLANE, .flags = FIELD_WRITE},
    {.name = "claims",
     .kind = FIELD_OBJECT,
     .column = ISSUER_CLAIMS,
     .flags = FIELD_WRITE,
     .max = 8192},
    {.name = "email_domains",
     .kind = FIELD_TEXTS,
     .column = ISSUER_EMAIL_DOMAINS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 100,
     .check = check_domain},
    {.name = "denied_jti",
     .kind = FIELD_TEXTS,
     .column = ISSUER_DENIED_JTI,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 1000,
     .check = check_text},
    {.name = "leeway_s",
     .kind = FIELD_INTEGER,
     .column = ISSUER_LEEWAY_S,
     .flags = FIELD_WRITE,
     .max = 600},
    {.name = "jwks_uri",
     .kind = FIELD_TEXT,
     .column = ISSUER_JWKS_URI,
     .flags = FIELD_WRITE,
     .max = 1000,
     .check = check_url},
    {.name = "jwks_fixed", .kind = FIELD_BOOL, .column = ISSUER_JWKS_FIXED},
    {.name = "jwks", .kind = FIELD_OBJECT, .column = ISSUER_JWKS},
    {.name = "fetched_at", .kind = FIELD_TIME, .column = ISSUER_FETCHED_AT},
    {.name = "next_fetch_at", .kind = FIELD_TIME, .column = ISSUER_NEXT_FETCH_AT},
    {.name = "fetch_error", .kind = FIELD_TEXT, .column = ISSUER_FETCH_ERROR},
    {.name = "disabled", .kind = FIELD_BOOL, .column = ISSUER_DISABLED, .flags = FIELD_WRITE},
    FIELD_OWNED_BY(ISSUER),
    FIELD_ROW_TIMES(ISSUER),
};

static const char *const extras[] = {"client_secret", "group_rules", "key_ids", "jwks", NULL};

static struct api_context *context(const struct change *ch)
{
    return ch->call->context;
}

static const struct uuid *row_id(const struct change *ch)
{
    return ch->creating ? &ch->now.v[ISSUER_ID].uuid : &ch->before.v[ISSUER_ID].uuid;
}

/* A column as it will stand. */
static const struct object_value *value(const struct change *ch, int column)
{
    return ch->now.v[column].state != OBJECT_UNSET ? &ch->now.v[column] : &ch->before.v[column];
}

static bool is_on(const struct change *ch, int column)
{
    return value(ch, column)->integer != 0;
}

/* --- what stands beside the table of fields --- */

/* Absent: as it was; null: none (a public client); a text: that. */
static bool take_secret(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "client_secret");
    const struct seal_keys *keys = context(ch)->keys;
    struct str secret, stored = STR_NONE, sealed;
    const char *wrong;
    if (!v) {
        return true;
    }
    if (v->type == BODY_NULL) {
        object_set_null(&ch->now.v[ISSUER_CLIENT_SECRET]);
        object_set_null(&ch->now.v[ISSUER_CLIENT_SECRET_KEK]);
        object_set_null(&ch->now.v[ISSUER_CLIENT_SECRET_REFERENCE]);
        return true;
    }
    if (!body_text(v, 1, 1024, ch->at, "client_secret", &secret, err)) {
        return false;
    }
    wrong = reference_is(secret)
                ? references_refuse(context(ch)->references, &ch->call->organization, secret)
                : validate_secret(secret);
    if (wrong) {
        return body_refuse(err, ch->at, "client_secret", "%s", wrong);
    }
    const struct object_value *before = &ch->before.v[ISSUER_CLIENT_SECRET];
    struct error ignored = ERROR_INIT;
    if (!ch->creating && object_is_set(before) &&
        seal_open(keys, ch->before.v[ISSUER_CLIENT_SECRET_KEK].text.ptr, "issuers", row_id(ch),
                  "client_secret", before->text, ch->call->arena, &stored, &ignored) &&
        stored.len == secret.len && crypto_equal(stored.ptr, secret.ptr, secret.len)) {
        return true; /* the one that stands there */
    }
    sealed = seal_close(keys, "issuers", row_id(ch), "client_secret", secret, ch->call->arena);
    object_set_text(&ch->now.v[ISSUER_CLIENT_SECRET], sealed);
    object_set_text(&ch->now.v[ISSUER_CLIENT_SECRET_KEK], str_of(seal_current_id(keys)));
    if (reference_is(secret)) {
        object_set_text(&ch->now.v[ISSUER_CLIENT_SECRET_REFERENCE], secret);
    } else {
        object_set_null(&ch->now.v[ISSUER_CLIENT_SECRET_REFERENCE]);
    }
    return sealed.ptr || error_set(err, ERR_OVERLOADED, "%s", "");
}

static bool take_rules(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "group_rules");
    bool own = !uuid_is_nil(&ch->call->organization);
    struct str json = STR_LIT("[]");
    if (!v && !ch->whole) {
        return true;
    }
    if (v && v->type != BODY_NULL) {
        if (!body_array(v, MAPPING_RULES_MAX, ch->at, "group_rules", err)) {
            return false;
        }
        json = v->raw;
    }
    if (json.len > RULES_BYTES_MAX) {
        return body_refuse(err, ch->at, "group_rules", "are too large");
    }
    object_set_text(&ch->now.v[ISSUER_GROUP_RULES], json);
    return rules_check(json, own, err);
}

static bool find_key(struct change *ch, struct str text, struct uuid *ret, struct error *err)
{
    const struct uuid *organization = &ch->call->organization;
    struct object_query q = {.limit = 2, .where = "revoked_at IS NULL"};
    struct object *rows;
    size_t n;
    if (!uuid_is_nil(organization)) {
        q.organization = organization;
    }
    if (uuid_parse_public("key", text, ret)) {
        object_filter_uuid(&q, KEY_ID, ret);
    } else if (q.organization) {
        object_filter_text(&q, KEY_NAME, text, true);
    } else {
        return error_set(err, ERR_NOT_FOUND, "must be an id (key_...)");
    }
    if (!object_list(ch->call->tx, &virtual_keys_table, &q, ch->call->arena, &rows, &n, err)) {
        return false;
    }
    if (n != 1) {
        return error_set(err, ERR_NOT_FOUND,
                         n ? "is the name of several keys: give its id" : "does not exist");
    }
    *ret = rows[0].v[KEY_ID].uuid;
    return true;
}

static bool take_keys(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "key_ids");
    struct body_path list = {ch->at, "key_ids", 0};
    struct uuid ids[KEYS_OF_ISSUER_MAX];
    struct str *names = NULL;
    size_t n = 0;
    if (!v && !ch->whole) {
        return true;
    }
    if (v && v->type != BODY_NULL &&
        !body_texts(v, KEYS_OF_ISSUER_MAX, 100, ch->at, "key_ids", ch->call->arena, &names, &n,
                    err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct body_path at = {&list, NULL, i};
        struct error why = ERROR_INIT;
        if (!find_key(ch, names[i], &ids[i], &why)) {
            if (why.code != ERR_NOT_FOUND) {
                *err = why;
                return false;
            }
            return body_refuse(err, &at, NULL, "%s", error_text(&why));
        }
    }
    struct object_value *out = &ch->now.v[ISSUER_KEY_IDS];
    *out = (struct object_value){
        .state = OBJECT_SET, .list = object_id_texts(ids, n, ch->call->arena), .n = n};
    return out->list || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* Keys given by hand are never fetched; null goes back to fetching. */
static bool take_jwks(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "jwks");
    struct jwt_keys *keys = NULL;
    if (!v) {
        return true;
    }
    object_set_text(&ch->now.v[ISSUER_FORMER_JWKS], STR_LIT("{\"keys\": []}"));
    if (v->type == BODY_NULL) {
        object_set_bool(&ch->now.v[ISSUER_JWKS_FIXED], false);
        return true;
    }
    if (!body_object(v, JWKS_MAX, ch->at, "jwks", err)) {
        return false;
    }
    struct str merged, former;
    bool changed;
    struct error why = ERROR_INIT;
    if (!jwt_keys_new(v->raw, &keys, &why)) {
        return body_refuse(err, ch->at, "jwks", "%s", error_text(&why));
    }
    size_t n = jwt_keys_count(keys);
    jwt_keys_free(keys);
    if (n == 0) {
        return body_refuse(err, ch->at, "jwks", "holds no key that can be used");
    }
    /* through the same sieve as what is fetched: only what is public stays */
    if (!jwks_merge(STR_LIT("{\"keys\": []}"), STR_LIT("{\"keys\": []}"), v->raw, ch->call->arena,
                    &merged, &former, &changed, err)) {
        return false;
    }
    object_set_text(&ch->now.v[ISSUER_JWKS], merged);
    object_set_bool(&ch->now.v[ISSUER_JWKS_FIXED], true);
    return true;
}

/* --- what belongs together --- */

static void set_defaults(struct change *ch)
{
    static struct str scopes[] = {{"openid", 6}, {"email", 5}, {"profile", 7}};
    static struct str algorithms[] = {{"RS256", 5}, {"ES256", 5}};
    struct object_value *v = ch->now.v;
    bool making = ch->creating || ch->whole;
    if (making && !body_get(ch->body, "scopes")) {
        v[ISSUER_SCOPES] = (struct object_value){.state = OBJECT_SET, .list = scopes, .n = 3};
    }
    if (making && !body_get(ch->body, "algorithms")) {
        v[ISSUER_ALGORITHMS] =
            (struct object_value){.state = OBJECT_SET, .list = algorithms, .n = 2};
    }
    if (making && !body_get(ch->body, "leeway_s")) {
        object_set_i64(&v[ISSUER_LEEWAY_S], 60);
    }
    if (making && !body_get(ch->body, "login")) {
        object_set_bool(&v[ISSUER_LOGIN], value(ch, ISSUER_CLIENT_ID)->text.len > 0);
    }
}

static bool has_text(const struct object_value *v, const char *text)
{
    for (size_t i = 0; i < v->n; i++) {
        if (str_eqz(v->list[i], text)) {
            return true;
        }
    }
    return false;
}

static bool check_addresses(struct change *ch, struct error *err)
{
    static const int columns[] = {ISSUER_ISSUER, ISSUER_JWKS_URI};
    static const char *const names[] = {"issuer", "jwks_uri"};
    for (int i = 0; i < 2; i++) {
        struct str url = value(ch, columns[i])->text;
        if (ch->now.v[columns[i]].state != OBJECT_UNSET && url.len > 0 &&
            fetch_url_is_loopback(url) && context(ch)->identity &&
            !identity_private_ok(context(ch)->identity, &ch->call->organization, url)) {
            return body_refuse(err, ch->at, names[i], "is not a public address");
        }
    }
    if (!ch->creating && object_is_set(&ch->now.v[ISSUER_ISSUER]) &&
        !str_eq(ch->now.v[ISSUER_ISSUER].text, ch->before.v[ISSUER_ISSUER].text)) {
        return body_refuse(err, ch->at, "issuer",
                           "cannot be changed: people are known by it; make another one");
    }
    return true;
}

static bool check_whole(struct change *ch, struct error *err)
{
    if (value(ch, ISSUER_ALGORITHMS)->n == 0) {
        return body_refuse(err, ch->at, "algorithms", "must hold at least one");
    }
    if (is_on(ch, ISSUER_LOGIN) && value(ch, ISSUER_CLIENT_ID)->text.len == 0) {
        return body_refuse(err, ch->at, "client_id", "is needed for sign-in");
    }
    if (is_on(ch, ISSUER_LOGIN) && !has_text(value(ch, ISSUER_SCOPES), "openid")) {
        return body_refuse(err, ch->at, "scopes", "must hold openid");
    }
    if ((is_on(ch, ISSUER_ADMIN_API) || is_on(ch, ISSUER_DATA_PLANE)) &&
        value(ch, ISSUER_AUDIENCES)->n == 0) {
        return body_refuse(err, ch->at, "audiences",
                           "is needed for bearer tokens: whom they must be made for");
    }
    return !is_on(ch, ISSUER_DATA_PLANE) || value(ch, ISSUER_KEY_IDS)->n > 0 ||
           body_refuse(err, ch->at, "key_ids", "is needed for tokens at the data plane");
}

static bool check_domains(const struct change *ch, struct error *err)
{
    const struct object_value *v = &ch->now.v[ISSUER_EMAIL_DOMAINS];
    return !object_is_set(v) || ch->call->actor.platform ||
           object_equal(OBJECT_TEXTS, v, &ch->before.v[ISSUER_EMAIL_DOMAINS]) ||
           (ch->creating && v->n == 0) ||
           error_set_param(err, ERR_FORBIDDEN, "email_domains",
                           "only the platform's administrators say which domains an issuer may "
                           "speak for");
}

/* Who says where an issuer's keys are can sign in as anybody that it speaks for, and its rules give
 * any role: so nobody writes one who could not give all of that by hand. */
static bool may_write(struct change *ch, struct error *err)
{
    static const struct uuid whole;
    struct permission_set all = role_permissions(ROLE_OWNER);
    return uuid_is_nil(&ch->call->organization) || call_may_give(ch->call, &all, &whole) ||
           error_set(err, ERR_FORBIDDEN,
                     "an identity provider can make anybody an owner: this needs all that an owner "
                     "may do");
}

static bool prepare(struct change *ch, struct error *err)
{
    set_defaults(ch);
    struct str claims = ch->now.v[ISSUER_CLAIMS].text;
    return may_write(ch, err) &&
           (!object_is_set(&ch->now.v[ISSUER_CLAIMS]) || claims_check(claims, err)) &&
           take_secret(ch, err) && take_rules(ch, err) && take_keys(ch, err) &&
           take_jwks(ch, err) && check_addresses(ch, err) && check_whole(ch, err) &&
           check_domains(ch, err);
}

/* Where the keys are was changed: they are fetched anew at once. */
static bool stored(struct change *ch, struct error *err)
{
    bool moved = !ch->creating &&
                 (!str_eq(ch->now.v[ISSUER_JWKS_URI].text, ch->before.v[ISSUER_JWKS_URI].text) ||
                  ch->now.v[ISSUER_JWKS_FIXED].integer != ch->before.v[ISSUER_JWKS_FIXED].integer);
    return !moved || issuer_fetch_soon(ch->call->tx, &ch->now.v[ISSUER_ID].uuid, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct object_value *keys = &row->v[ISSUER_KEY_IDS];
    struct str base = actor_public_base(c->router->actors, c->request);
    (void)loaded;
    json_field_bool(w, "client_secret_set", object_is_set(&row->v[ISSUER_CLIENT_SECRET]));
    json_name(w, "client_secret_reference");
    if (object_is_set(&row->v[ISSUER_CLIENT_SECRET_REFERENCE])) {
        json_put_str(w, row->v[ISSUER_CLIENT_SECRET_REFERENCE].text);
    } else {
        json_put_null(w);
    }
    json_name(w, "group_rules");
    json_put_raw(w, row->v[ISSUER_GROUP_RULES].text);
    json_name(w, "key_ids");
    json_array_begin(w);
    for (size_t i = 0; i < keys->n; i++) {
        struct uuid id;
        char text[48];
        if (uuid_parse(keys->list[i], &id)) {
            uuid_format_public("key", &id, text, sizeof text);
            json_put_z(w, text);
        }
    }
    json_array_end(w);
    struct str uri = arena_printf(c->arena, "%.*s" ISSUER_CALLBACK, STR_ARG(base));
    json_field_str(w, "redirect_uri", uri);
}

const struct resource issuer_resource = {
    .kind = "issuer",
    .prefix = "iss",
    .table = &issuers_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_ISSUER_READ,
    .change_kind = 13, /* proto/snapshot.proto: KIND_ISSUER */
    .prepare = prepare,
    .stored = stored,
    .show = show,
};

/* Users: known once per installation and managed by the platform's administrators; an organization
 * sees its members. The password is write-only. */
#include "controlplane/store/users.h"

#include "common/base/clock.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/secrets/password.h"
#include "controlplane/store/admin_tokens.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/sessions.h"
#include "controlplane/store/virtual_keys.h"

static const struct field fields[] = {
    {.name = "email",
     .kind = FIELD_TEXT,
     .column = USER_EMAIL,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 3,
     .max = 254,
     .check = validate_email},
    {.name = "name", .kind = FIELD_TEXT, .column = USER_NAME, .flags = FIELD_WRITE, .max = 200},
    {.name = "platform_admin",
     .kind = FIELD_BOOL,
     .column = USER_PLATFORM_ADMIN,
     .flags = FIELD_WRITE},
    {.name = "disabled", .kind = FIELD_BOOL, .column = USER_DISABLED, .flags = FIELD_WRITE},
    FIELD_ROW_TIMES(USER),
};

static const char *const extras[] = {"password", NULL};

static bool is_self(const struct change *ch)
{
    return !ch->creating && !ch->call->actor.token &&
           uuid_eq(&ch->before.v[USER_ID].uuid, &ch->call->actor.id);
}

static bool prepare(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "password");
    struct str password;
    const char *wrong;
    char *hash = arena_alloc(ch->call->arena, PASSWORD_HASH_MAX);
    /* nobody locks themselves out */
    if (is_self(ch) && ch->now.v[USER_DISABLED].integer) {
        return body_refuse(err, ch->at, "disabled", "cannot be set on yourself");
    }
    if (is_self(ch) && object_is_set(&ch->now.v[USER_PLATFORM_ADMIN]) &&
        !ch->now.v[USER_PLATFORM_ADMIN].integer) {
        return body_refuse(err, ch->at, "platform_admin", "cannot be given up by yourself");
    }
    if (!v || v->type == BODY_NULL) {
        return true;
    }
    if (!body_text(v, PASSWORD_MIN, PASSWORD_MAX, ch->at, "password", &password, err)) {
        return false;
    }
    if ((wrong = validate_password(password)) != NULL) {
        return body_refuse(err, ch->at, "password", "%s", wrong);
    }
    ch->extra = hash;
    return hash ? password_hash(password, hash, err) : error_set(err, ERR_OVERLOADED, "%s", "");
}

/* The keys of who is disabled do not work; the data planes learn of people by their keys. */
static bool note_keys(struct change *ch, struct error *err)
{
    struct user_key *keys;
    size_t n;
    if (ch->creating || ch->before.v[USER_DISABLED].integer == ch->now.v[USER_DISABLED].integer) {
        return true;
    }
    if (!user_keys(ch->call->tx, &ch->now.v[USER_ID].uuid, ch->call->arena, &keys, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        tx_change(ch->call->tx, CONFIG_KEY, &keys[i].organization, &keys[i].id, false);
    }
    return true;
}

/* A new password and a disabled account end the user's sessions (but the one that asks). */
static bool stored(struct change *ch, struct error *err)
{
    struct tx *t = ch->call->tx;
    const struct uuid *id = &ch->now.v[USER_ID].uuid;
    if (ch->extra && (!user_set_password(t, id, str_of(ch->extra), err) ||
                      !tx_audit(t, "user.password", "user", NULL, id,
                                ch->now.v[USER_EMAIL].text.ptr, NULL, NULL, err))) {
        return false;
    }
    bool ends = !ch->creating && (ch->extra || ch->now.v[USER_DISABLED].integer);
    return note_keys(ch, err) &&
           (!ends || session_delete_others(t, id, &ch->call->actor.session, err));
}

static bool leave_key(struct change *key, struct error *err)
{
    object_set_null(&key->now.v[KEY_USER_ID]);
    return object_update(key->call->tx, key->resource->table, &key->before.v[KEY_ID].uuid,
                         &key->now, key->call->arena, err) &&
           change_note(key, "key.update", false, err);
}

static bool revoke_token(struct change *token, struct error *err)
{
    object_set_i64(&token->now.v[TOKEN_REVOKED_AT], (int64_t)clock_wall_ms());
    return object_update(token->call->tx, token->resource->table, &token->before.v[TOKEN_ID].uuid,
                         &token->now, token->call->arena, err) &&
           change_note(token, "admin_token.revoke", true, err);
}

static bool each(struct change *ch, const struct resource *res, const struct object_query *q,
                 bool (*fn)(struct change *, struct error *), struct error *err)
{
    struct object *rows;
    size_t n;
    if (!object_list(ch->call->tx, res->table, q, ch->call->arena, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct change one;
        change_init(&one, ch->call, res);
        one.before = rows[i];
        if (!fn(&one, err)) {
            return false;
        }
    }
    return true;
}

/* The keys that were theirs go on as nobody's, which data planes must learn; the tokens that they
 * made do not outlive them. */
static bool removing(struct change *ch, struct error *err)
{
    const struct uuid *id = &ch->before.v[USER_ID].uuid;
    struct object_query keys = {.lock = true}, tokens = {.lock = true};
    if (is_self(ch)) {
        return error_set(err, ERR_CONFLICT, "you cannot delete yourself");
    }
    object_filter_uuid(&keys, KEY_USER_ID, id);
    object_filter_null(&keys, KEY_REVOKED_AT);
    object_filter_uuid(&tokens, TOKEN_CREATED_BY, id);
    object_filter_null(&tokens, TOKEN_REVOKED_AT);
    return each(ch, &key_resource, &keys, leave_key, err) &&
           each(ch, &token_resource, &tokens, revoke_token, err);
}

const struct resource user_resource = {
    .kind = "user",
    .prefix = "usr",
    .table = &users_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_USER_READ,
    .prepare = prepare,
    .stored = stored,
    .removing = removing,
};

/* Virtual keys. A secret is minted, or brought by the user; it is shown in the answer to its making
 * and never again. Deleting one revokes it: the row stays, so that usage keeps its name. */
#include "controlplane/store/virtual_keys.h"

#include "common/base/clock.h"
#include "common/rules/apikey.h"
#include "controlplane/api/config_reference.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/users.h"

#define TAGS_MAX 50
#define SECRET_MIN 8
#define SECRET_MAX 200

static const struct field fields[] = {
    {.name = "organization_id", .kind = FIELD_ID, .column = KEY_ORGANIZATION_ID, .prefix = "org"},
    {.name = "workspace_id",
     .kind = FIELD_ID,
     .column = KEY_WORKSPACE_ID,
     .prefix = "ws",
     .flags = FIELD_FILTER},
    {.name = "name",
     .kind = FIELD_TEXT,
     .column = KEY_NAME,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100,
     .check = validate_name},
    {.name = "mask", .kind = FIELD_TEXT, .column = KEY_MASK},
    {.name = "user_id",
     .kind = FIELD_ID,
     .column = KEY_USER_ID,
     .prefix = "usr",
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER},
    {.name = "models",
     .kind = FIELD_TEXTS,
     .column = KEY_MODELS,
     .flags = FIELD_WRITE,
     .max = 200,
     .check = validate_pattern},
    {.name = "providers",
     .kind = FIELD_TEXTS,
     .column = KEY_PROVIDERS,
     .flags = FIELD_WRITE,
     .max = 200,
     .check = validate_pattern},
    {.name = "metadata",
     .kind = FIELD_OBJECT,
     .column = KEY_METADATA,
     .flags = FIELD_WRITE,
     .max = 4096},
    {.name = "config",
     .kind = FIELD_TEXT,
     .column = KEY_CONFIG,
     .flags = FIELD_WRITE | FIELD_NULL,
     .min = 1,
     .max = CONFIG_REFERENCE_MAX,
     .check = config_reference_form},
    {.name = "config_locked",
     .kind = FIELD_BOOL,
     .column = KEY_CONFIG_LOCKED,
     .flags = FIELD_WRITE},
    {.name = "tags",
     .kind = FIELD_TEXTS,
     .column = KEY_TAGS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = TAGS_MAX,
     .check = validate_name},
    {.name = "disabled", .kind = FIELD_BOOL, .column = KEY_DISABLED, .flags = FIELD_WRITE},
    {.name = "expires_at",
     .kind = FIELD_TIME,
     .column = KEY_EXPIRES_AT,
     .flags = FIELD_WRITE | FIELD_NULL},
    {.name = "revoked_at", .kind = FIELD_TIME, .column = KEY_REVOKED_AT},
    FIELD_OWNED_BY(KEY),
    {.name = "created_by", .kind = FIELD_ID, .column = KEY_CREATED_BY, .prefix = "usr"},
    FIELD_ROW_TIMES(KEY),
};

/* workspace_id and workspace are where a key is made; they cannot change. */
static const char *const extras[] = {"workspace_id", "workspace", "secret", NULL};

static bool set_secret(struct change *ch, struct str secret, struct error *err)
{
    uint8_t hash[32];
    char mask[32];
    struct arena *a = ch->call->arena;
    apikey_hash(secret, hash);
    apikey_mask(secret, mask);
    object_set_text(&ch->now.v[KEY_SECRET_HASH],
                    arena_str(a, (struct str){(const char *)hash, sizeof hash}));
    object_set_text(&ch->now.v[KEY_MASK], arena_str(a, str_of(mask)));
    return (ch->now.v[KEY_SECRET_HASH].text.ptr && ch->now.v[KEY_MASK].text.ptr) ||
           error_set(err, ERR_OVERLOADED, "%s", "");
}

static bool take_given_secret(struct change *ch, const struct body_value *v, struct error *err)
{
    struct str secret;
    bool valid = false;
    const char *wrong;
    if (!body_text(v, SECRET_MIN, SECRET_MAX, ch->at, "secret", &secret, err)) {
        return false;
    }
    if ((wrong = validate_secret(secret)) != NULL) {
        return body_refuse(err, ch->at, "secret", "%s", wrong);
    }
    if (apikey_is_ours(secret, &valid) && (!valid || !str_starts(secret, STR_LIT(APIKEY_LIVE)))) {
        return body_refuse(err, ch->at, "secret",
                           "has the form of a key of Weir's own, but is no virtual key");
    }
    return set_secret(ch, secret, err);
}

static bool take_secret(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "secret");
    char minted[APIKEY_MAX];
    if (v && v->type != BODY_NULL) {
        return (ch->creating || ch->whole)
                   ? take_given_secret(ch, v, err)
                   : body_refuse(err, ch->at, "secret", "cannot be changed");
    }
    if (!ch->creating) {
        return true;
    }
    apikey_mint(APIKEY_LIVE, minted);
    ch->secret = arena_str(ch->call->arena, str_of(minted));
    return set_secret(ch, ch->secret, err);
}

static bool check_user(struct change *ch, struct error *err)
{
    struct object_query q = {.organization = NULL};
    struct object row;
    if (!object_is_set(&ch->now.v[KEY_USER_ID])) {
        return true;
    }
    /* the tenant's role sees members only */
    object_filter_uuid(&q, USER_ID, &ch->now.v[KEY_USER_ID].uuid);
    if (!object_find(ch->call->tx, &users_table, &q, ch->call->arena, &row, err)) {
        return err->code == ERR_NOT_FOUND
                   ? body_refuse(err, ch->at, "user_id", "is no member of the organization")
                   : false;
    }
    return true;
}

static bool check_config(struct change *ch, struct error *err)
{
    struct uuid workspace =
        resource_workspace(&key_resource, ch->creating ? &ch->now : &ch->before);
    return config_reference_check(ch, KEY_CONFIG, &workspace, err);
}

static bool prepare(struct change *ch, struct error *err)
{
    if (!ch->creating && object_is_set(&ch->before.v[KEY_REVOKED_AT])) {
        return error_set(err, ERR_CONFLICT, "key was revoked");
    }
    if (ch->creating && !ch->call->actor.token) {
        object_set_uuid(&ch->now.v[KEY_CREATED_BY], &ch->call->actor.id);
    }
    return resource_place(ch, KEY_WORKSPACE_ID, true, err) && take_secret(ch, err) &&
           check_user(ch, err) && check_config(ch, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct object_value *expires = &row->v[KEY_EXPIRES_AT];
    (void)c;
    (void)loaded;
    bool expired = object_is_set(expires) && (uint64_t)expires->integer <= clock_wall_ms();
    const char *status = object_is_set(&row->v[KEY_REVOKED_AT]) ? "revoked"
                         : row->v[KEY_DISABLED].integer         ? "disabled"
                         : expired                              ? "expired"
                                                                : "active";
    json_field_z(w, "status", status);
}

const struct resource key_resource = {
    .kind = "key",
    .prefix = "key",
    .table = &virtual_keys_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_KEY_READ,
    .change_kind = CONFIG_KEY,
    .prepare = prepare,
    .show = show,
};

bool key_revoke_call(struct call *c, struct error *err)
{
    return crud_revoke(c, &key_resource, KEY_REVOKED_AT, err);
}

/* Virtual keys. A secret is minted, or brought by the user; it is shown in the answer to its making
 * and never again. Deleting one revokes it: the row stays, so that usage keeps its name. */
#include "controlplane/store/virtual_keys.h"

#include "common/base/clock.h"
#include "common/rules/apikey.h"
#include "controlplane/api/config_reference.h"
#include "controlplane/api/keys.h"
#include "controlplane/api/quotas.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/budgets.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/limits.h"
#include "controlplane/store/quota_rows.h"

#define TAGS_MAX 50
#define SECRET_MIN 8
#define SECRET_MAX 200
#define QUOTAS_SHOWN_MAX 100

static const struct field fields[] = {
    FIELD_ORGANIZATION(KEY),
    FIELD_WORKSPACE(KEY),
    FIELD_NAME(KEY, 100, validate_name),
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
    {.name = "team_id",
     .kind = FIELD_ID,
     .column = KEY_TEAM_ID,
     .prefix = "team",
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER},
    {.name = "service_account_id",
     .kind = FIELD_ID,
     .column = KEY_SERVICE_ACCOUNT_ID,
     .prefix = "sa",
     .flags = FIELD_WRITE | FIELD_NULL | FIELD_FILTER},
    {.name = "endpoints",
     .kind = FIELD_TEXTS,
     .column = KEY_ENDPOINTS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 100,
     .check = validate_pattern},
    {.name = "configs",
     .kind = FIELD_TEXTS,
     .column = KEY_CONFIGS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 200,
     .check = validate_pattern},
    {.name = "mcp_tools",
     .kind = FIELD_TEXTS,
     .column = KEY_MCP_TOOLS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 500,
     .check = validate_pattern},
    {.name = "admin_permissions",
     .kind = FIELD_TEXTS,
     .column = KEY_ADMIN_PERMISSIONS,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 100},
    {.name = "ip_allow",
     .kind = FIELD_TEXTS,
     .column = KEY_IP_ALLOW,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 200},
    {.name = "required_metadata",
     .kind = FIELD_TEXTS,
     .column = KEY_REQUIRED_METADATA,
     .flags = FIELD_WRITE | FIELD_EMPTY,
     .max = 20,
     .check = validate_name},
    {.name = "price_group",
     .kind = FIELD_TEXT,
     .column = KEY_PRICE_GROUP,
     .flags = FIELD_WRITE,
     .max = 100},
    {.name = "disabled", .kind = FIELD_BOOL, .column = KEY_DISABLED, .flags = FIELD_WRITE},
    {.name = "expires_at",
     .kind = FIELD_TIME,
     .column = KEY_EXPIRES_AT,
     .flags = FIELD_WRITE | FIELD_NULL},
    {.name = "revoked_at", .kind = FIELD_TIME, .column = KEY_REVOKED_AT},
    {.name = "former_expires_at", .kind = FIELD_TIME, .column = KEY_FORMER_EXPIRES_AT},
    {.name = "rotated_at", .kind = FIELD_TIME, .column = KEY_ROTATED_AT},
    {.name = "last_used_at", .kind = FIELD_TIME, .column = KEY_LAST_USED_AT},
    FIELD_OWNED_BY(KEY),
    {.name = "created_by", .kind = FIELD_ID, .column = KEY_CREATED_BY, .prefix = "usr"},
    FIELD_ROW_TIMES(KEY),
};

/* workspace_id and workspace are where a key is made; they cannot change. */
static const char *const extras[] = {"workspace_id",    "workspace", "secret", "user", "team",
                                     "service_account", "budgets",   "limits", NULL};

bool key_put_secret(struct call *c, struct object *now, struct str secret, struct error *err)
{
    uint8_t hash[32];
    char mask[32];
    struct arena *a = c->arena;
    apikey_hash(secret, hash);
    apikey_mask(secret, mask);
    object_set_text(&now->v[KEY_SECRET_HASH],
                    arena_str(a, (struct str){(const char *)hash, sizeof hash}));
    object_set_text(&now->v[KEY_MASK], arena_str(a, str_of(mask)));
    return (now->v[KEY_SECRET_HASH].text.ptr && now->v[KEY_MASK].text.ptr) ||
           error_set(err, ERR_OVERLOADED, "%s", "");
}

bool key_mint(struct call *c, struct object *now, struct str *ret, struct error *err)
{
    char minted[APIKEY_MAX];
    apikey_mint(APIKEY_LIVE, minted);
    *ret = arena_str(c->arena, str_of(minted));
    explicit_bzero(minted, sizeof minted);
    return (ret->ptr || error_set(err, ERR_OVERLOADED, "%s", "")) &&
           key_put_secret(c, now, *ret, err);
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
    return key_put_secret(ch->call, &ch->now, secret, err);
}

static bool take_secret(struct change *ch, struct error *err)
{
    const struct body_value *v = body_get(ch->body, "secret");
    if (v && v->type != BODY_NULL) {
        return (ch->creating || ch->whole)
                   ? take_given_secret(ch, v, err)
                   : body_refuse(err, ch->at, "secret", "cannot be changed");
    }
    return !ch->creating || key_mint(ch->call, &ch->now, &ch->secret, err);
}

/* Budgets and limits may stand in the body that makes a key; afterwards they are objects. */
static bool check_inline(const struct change *ch, struct error *err)
{
    static const char *const names[] = {"budgets", "limits"};
    for (size_t i = 0; i < 2; i++) {
        const struct body_value *v = body_get(ch->body, names[i]);
        if (v && v->type != BODY_NULL && (!ch->creating || ch->whole || ch->placed)) {
            return body_refuse(err, ch->at, names[i], "of a key are changed at /%s", names[i]);
        }
    }
    return true;
}

bool key_prepare_placed(struct change *ch, bool placed, struct error *err)
{
    if (!ch->creating && object_is_set(&ch->before.v[KEY_REVOKED_AT])) {
        return error_set(err, ERR_CONFLICT, "key was revoked");
    }
    if (ch->creating && !ch->call->actor.token) {
        object_set_uuid(&ch->now.v[KEY_CREATED_BY], &ch->call->actor.id);
    }
    return (placed || resource_place(ch, KEY_WORKSPACE_ID, true, err)) && take_secret(ch, err) &&
           check_inline(ch, err) && key_members_check(ch, err);
}

static bool prepare(struct change *ch, struct error *err)
{
    return key_prepare_placed(ch, false, err);
}

const char *key_status(const struct object *row, uint64_t now_ms)
{
    const struct object_value *expires = &row->v[KEY_EXPIRES_AT];
    bool expired = object_is_set(expires) && (uint64_t)expires->integer <= now_ms;
    return object_is_set(&row->v[KEY_REVOKED_AT]) ? "revoked"
           : row->v[KEY_DISABLED].integer         ? "disabled"
           : expired                              ? "expired"
                                                  : "active";
}

/* Of a key that is read singly: what is about it alone. */
struct quota_ids {
    struct uuid *budgets, *limits;
    size_t n_budgets, n_limits;
};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct quota_ids *ids = arena_zalloc(c->arena, sizeof *ids);
    if (n != 1 || c->route->handle == crud_list) {
        return true;
    }
    if (!ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = ids;
    const struct uuid *key = &rows[0].v[KEY_ID].uuid;
    return quotas_of_key(c->tx, &budgets_table, key, QUOTAS_SHOWN_MAX, c->arena, &ids->budgets,
                         &ids->n_budgets, err) &&
           quotas_of_key(c->tx, &limits_table, key, QUOTAS_SHOWN_MAX, c->arena, &ids->limits,
                         &ids->n_limits, err);
}

static void show_ids(struct json_writer *w, const char *name, const char *prefix,
                     const struct uuid *ids, size_t n)
{
    json_name(w, name);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        char text[64];
        uuid_format_public(prefix, &ids[i], text, sizeof text);
        json_put_z(w, text);
    }
    json_array_end(w);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct quota_ids *ids = loaded;
    (void)c;
    json_field_z(w, "status", key_status(row, clock_wall_ms()));
    if (ids) {
        show_ids(w, "budgets", "bud", ids->budgets, ids->n_budgets);
        show_ids(w, "limits", "lim", ids->limits, ids->n_limits);
    }
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
    .stored = quota_create_of_key,
    .load = load,
    .show = show,
};

/* Tokens for this API. One of an organization holds one of its roles; one of the installation (role
 * platform_admin, made by a platform administrator without naming an organization) may do
 * everything. Deleting one revokes it. */
#include "controlplane/store/admin_tokens.h"

#include "common/rules/apikey.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"

static const struct field fields[] = {
    {.name = "organization_id", .kind = FIELD_ID, .column = TOKEN_ORGANIZATION_ID, .prefix = "org"},
    {.name = "name",
     .kind = FIELD_TEXT,
     .column = TOKEN_NAME,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100,
     .check = validate_name},
    {.name = "role",
     .kind = FIELD_TEXT,
     .column = TOKEN_ROLE,
     .flags = FIELD_CREATE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 30},
    {.name = "mask", .kind = FIELD_TEXT, .column = TOKEN_MASK},
    {.name = "created_by", .kind = FIELD_ID, .column = TOKEN_CREATED_BY, .prefix = "usr"},
    {.name = "expires_at",
     .kind = FIELD_TIME,
     .column = TOKEN_EXPIRES_AT,
     .flags = FIELD_WRITE | FIELD_NULL},
    {.name = "last_used_at", .kind = FIELD_TIME, .column = TOKEN_LAST_USED_AT},
    {.name = "revoked_at", .kind = FIELD_TIME, .column = TOKEN_REVOKED_AT},
    {.name = "revision", .kind = FIELD_INTEGER, .column = TOKEN_REVISION},
    {.name = "created_at", .kind = FIELD_TIME, .column = TOKEN_CREATED_AT},
};

static const struct uuid whole; /* no workspace: the organization */

static bool check_role(struct change *ch, struct error *err)
{
    enum role given = role_parse(ch->now.v[TOKEN_ROLE].text, false);
    bool platform = uuid_is_nil(&ch->call->organization);
    if (given == ROLE_NONE) {
        return body_refuse(err, ch->at, "role",
                           "must be owner, admin, billing, auditor or platform_admin");
    }
    if (!call_may_grant(ch->call, given, &whole)) {
        return error_set_param(err, ERR_FORBIDDEN, "role", "role is above your own");
    }
    if (platform != (given == ROLE_PLATFORM_ADMIN)) {
        return platform
                   ? error_set_param(err, ERR_INVALID_FIELD, "x-weir-organization",
                                     "a token with the role %s needs an organization",
                                     role_name(given))
                   : body_refuse(err, ch->at, "role", "platform_admin belongs to no organization");
    }
    return true;
}

static bool prepare(struct change *ch, struct error *err)
{
    char minted[APIKEY_MAX], mask[32];
    uint8_t hash[32];
    struct arena *a = ch->call->arena;
    if (!ch->creating) {
        /* revoking is for whoever may write tokens; to lengthen one's life is to hand out its role
         */
        return object_is_set(&ch->before.v[TOKEN_REVOKED_AT])
                   ? error_set(err, ERR_CONFLICT, "token was revoked")
                   : call_may_grant(ch->call, role_parse(ch->before.v[TOKEN_ROLE].text, false),
                                    &whole) ||
                         error_set(err, ERR_FORBIDDEN, "this token's role is above yours");
    }
    if (!check_role(ch, err)) {
        return false;
    }
    if (!ch->call->actor.token) {
        object_set_uuid(&ch->now.v[TOKEN_CREATED_BY], &ch->call->actor.id);
    }
    apikey_mint(APIKEY_ADMIN, minted);
    ch->secret = arena_str(a, str_of(minted));
    apikey_hash(ch->secret, hash);
    apikey_mask(ch->secret, mask);
    object_set_text(&ch->now.v[TOKEN_SECRET_HASH],
                    arena_str(a, (struct str){(const char *)hash, sizeof hash}));
    object_set_text(&ch->now.v[TOKEN_MASK], arena_str(a, str_of(mask)));
    return true;
}

const struct resource token_resource = {
    .kind = "admin_token",
    .prefix = "tok",
    .table = &admin_tokens_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_TOKEN_READ,
    .prepare = prepare,
};

bool token_revoke_call(struct call *c, struct error *err)
{
    return crud_revoke(c, &token_resource, TOKEN_REVOKED_AT, err);
}

/* What a declarative document covers. */
#include "controlplane/api/manifest_sections.h"

#include "common/base/clock.h"
#include "controlplane/api/keys.h"
#include "controlplane/api/resources.h"
#include "controlplane/store/models.h"
#include "controlplane/store/organizations.h"
#include "controlplane/store/providers.h"
#include "controlplane/store/virtual_keys.h"

static bool revoke_key(struct change *ch, struct error *err)
{
    const struct uuid *id = &ch->before.v[KEY_ID].uuid;
    object_set_i64(&ch->now.v[KEY_REVOKED_AT], (int64_t)clock_wall_ms());
    return key_drop_quotas(ch->call, id, 1, err) &&
           object_update(ch->call->tx, &virtual_keys_table, id, &ch->now, ch->call->arena, err) &&
           change_note(ch, "key.revoke", true, err);
}

const struct manifest_section manifest_sections[MANIFEST_SECTIONS] = {
    [MANIFEST_PROVIDERS] = {"providers", &provider_resource, true, PERMISSION_PROVIDER_WRITE,
                            change_delete},
    [MANIFEST_CONFIGS] = {"configs", &config_resource, true, PERMISSION_CONFIG_PUBLISH,
                          change_delete},
    [MANIFEST_PROMPTS] = {"prompts", &prompt_resource, true, PERMISSION_PROMPT_PUBLISH,
                          change_delete},
    [MANIFEST_PRICE_BOOK] = {"price_book", &price_book_resource, true, PERMISSION_PRICE_PUBLISH,
                             change_delete, .single = true},
    [MANIFEST_MODELS] = {"models", &model_resource, false, PERMISSION_MODEL_WRITE, change_delete},
    [MANIFEST_PRICE_GROUPS] = {"price_groups", &price_group_resource, true, PERMISSION_PRICE_WRITE,
                               change_delete},
    [MANIFEST_TEAMS] = {"teams", &team_resource, true, PERMISSION_TEAM_WRITE, change_delete},
    [MANIFEST_SERVICE_ACCOUNTS] = {"service_accounts", &service_account_resource, true,
                                   PERMISSION_SERVICE_ACCOUNT_WRITE, change_delete},
    [MANIFEST_KEYS] = {"keys", &key_resource, true, PERMISSION_KEY_WRITE, revoke_key},
    [MANIFEST_BUDGETS] = {"budgets", &budget_resource, true, PERMISSION_BUDGET_WRITE,
                          change_delete},
    [MANIFEST_LIMITS] = {"limits", &limit_resource, true, PERMISSION_LIMIT_WRITE, change_delete},
};

static bool check_organization(struct call *c, struct error *err)
{
    const struct body_value *v = body_get(&c->body, "organization");
    struct object_query q = {.limit = 1};
    struct object row;
    struct uuid id;
    struct str text;
    if (!v || v->type == BODY_NULL) {
        return true;
    }
    if (!body_text(v, 1, 100, NULL, "organization", &text, err)) {
        return false;
    }
    object_filter_uuid(&q, ORGANIZATION_ID, &c->organization);
    if (!object_find(c->tx, &organizations_table, &q, c->arena, &row, err)) {
        return false;
    }
    bool same = uuid_parse_public("org", text, &id)
                    ? uuid_eq(&id, &c->organization)
                    : str_eq_nocase(text, row.v[ORGANIZATION_NAME].text);
    return same ||
           body_refuse(err, NULL, "organization", "is not the one that the call is made in");
}

/* A workspace that the call may use wholly; when none was named, the whole organization must be the
 * actor's. */
static bool finish_scope(struct call *c, bool needs_keys, struct manifest_scope *s,
                         struct error *err)
{
    s->organization = c->organization;
    if (uuid_is_nil(&s->workspace) && !c->scope.whole &&
        !resource_only_workspace(c, NULL, &s->workspace, err)) {
        return false;
    }
    if (!permission_scope_covers(&c->scope, &s->workspace)) {
        return error_set(err, ERR_FORBIDDEN, "this needs the permission %s there",
                         permission_name(c->route->permission));
    }
    s->key_workspace = s->workspace;
    return !needs_keys || !uuid_is_nil(&s->key_workspace) ||
           resource_only_workspace(c, NULL, &s->key_workspace, err);
}

bool manifest_scope_from_body(struct call *c, bool needs_keys, struct manifest_scope *ret,
                              struct error *err)
{
    const struct body_value *v = body_get(&c->body, "workspace");
    struct str text;
    *ret = (struct manifest_scope){{{0}}, {{0}}, {{0}}};
    if (!check_organization(c, err)) {
        return false;
    }
    if (v && v->type != BODY_NULL) {
        if (!body_text(v, 1, 100, NULL, "workspace", &text, err)) {
            return false;
        }
        if (!resource_workspace_named(c, text, &ret->workspace, err)) {
            return err->code == ERR_NOT_FOUND
                       ? body_refuse(err, NULL, "workspace", "does not exist")
                       : false;
        }
    }
    return finish_scope(c, needs_keys, ret, err);
}

bool manifest_scope_from_query(struct call *c, struct manifest_scope *ret, struct error *err)
{
    struct str text = http_query(c->request, "workspace");
    *ret = (struct manifest_scope){{{0}}, {{0}}, {{0}}};
    if (text.ptr && !resource_workspace_named(c, text, &ret->workspace, err)) {
        return err->code == ERR_NOT_FOUND ? error_set_param(err, ERR_INVALID_FIELD, "workspace",
                                                            "workspace does not exist")
                                          : false;
    }
    if (!finish_scope(c, false, ret, err)) {
        return false;
    }
    struct error none = ERROR_INIT;
    /* an organization without a workspace has no keys to show; with several, one must be named */
    if (uuid_is_nil(&ret->key_workspace) &&
        !resource_only_workspace(c, NULL, &ret->key_workspace, &none)) {
        if (strstr(error_text(&none), "several")) {
            *err = none;
            return false;
        }
    }
    return true;
}

bool manifest_may(struct call *c, const struct manifest_scope *s, unsigned section, bool write)
{
    const struct manifest_section *m = &manifest_sections[section];
    struct uuid workspace = manifest_workspace(s, section);
    return call_may(c, write ? m->write : m->resource->read, &workspace);
}

struct uuid manifest_workspace(const struct manifest_scope *s, unsigned section)
{
    static const struct uuid shared;
    if (manifest_sections[section].resource->table->workspace < 0 ||
        manifest_sections[section].single) {
        return shared;
    }
    return section == MANIFEST_KEYS || section == MANIFEST_SERVICE_ACCOUNTS ? s->key_workspace
                                                                            : s->workspace;
}

void manifest_query(const struct manifest_scope *s, unsigned section, struct object_query *ret)
{
    struct uuid workspace = manifest_workspace(s, section);
    int column = manifest_sections[section].resource->table->workspace;
    *ret = (struct object_query){.organization = &s->organization};
    if (column >= 0) {
        object_filter_uuid(ret, column, &workspace);
    }
    if (section == MANIFEST_KEYS) {
        object_filter_null(ret, KEY_REVOKED_AT);
    }
}

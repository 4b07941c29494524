/* Organizations: made and deleted by the platform's administrators; an owner may rename theirs. */
#include "controlplane/store/organizations.h"

#include "common/rules/price.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/workspaces.h"

static const struct field fields[] = {
    {.name = "name",
     .kind = FIELD_TEXT,
     .column = ORGANIZATION_NAME,
     .flags = FIELD_WRITE | FIELD_REQUIRED | FIELD_FILTER,
     .min = 1,
     .max = 100,
     .check = validate_name},
    {.name = "settings",
     .kind = FIELD_OBJECT,
     .column = ORGANIZATION_SETTINGS,
     .flags = FIELD_WRITE,
     .max = 16384},
    FIELD_OWNED_BY(ORGANIZATION),
    FIELD_ROW_TIMES(ORGANIZATION),
};

/* Everybody but the platform's administrators sees those that they hold a role in. */
static bool narrow(struct call *c, struct object_query *q, struct error *err)
{
    struct uuid *mine = arena_alloc(c->arena, (c->actor.n_grants + 1) * sizeof *mine);
    if (!mine) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    q->only_workspaces = !c->actor.platform;
    q->workspaces = mine;
    q->n_workspaces = actor_organizations(&c->actor, mine);
    q->shared = false;
    return true;
}

/* The price group of whoever has none of their own: one of the organization's. */
static bool check_price_group(struct change *ch, const struct body_value *v,
                              const struct body_path *here, struct error *err)
{
    struct str name;
    if (!v) {
        return true;
    }
    if (!body_text(v, 0, 100, here, "price_group", &name, err)) {
        return false;
    }
    if (name.len == 0) {
        return true;
    }
    if (ch->creating || !organization_price_group(ch->call->tx, &ch->before.v[ORGANIZATION_ID].uuid,
                                                  name, ch->call->arena, &name, err)) {
        return ch->creating || err->code == ERR_NOT_FOUND
                   ? body_refuse(err, here, "price_group", "does not exist")
                   : false;
    }
    return true;
}

/* Of the settings those that data planes act on are checked: what a model without a price costs,
 * and at whose price the others are charged. */
static bool prepare(struct change *ch, struct error *err)
{
    const struct body_value *settings = body_get(ch->body, "settings");
    const struct body_value *policy = settings ? body_get(settings, "unpriced_models") : NULL;
    const struct body_value *prices = settings ? body_get(settings, "default_prices") : NULL;
    struct body_path here = {ch->at, "settings", 0};
    struct price_list list;
    struct error why = ERROR_INIT;
    struct str word = STR_NONE;
    if (!check_price_group(ch, settings ? body_get(settings, "price_group") : NULL, &here, err)) {
        return false;
    }
    if (policy &&
        (!body_text(policy, 1, 20, &here, "unpriced_models", &word, err) ||
         (!str_eqz(word, "refuse") && !str_eqz(word, "allow") && !str_eqz(word, "default") &&
          !body_refuse(err, &here, "unpriced_models",
                       "must be \"refuse\", \"allow\" or \"default\"")))) {
        return false;
    }
    if (prices && (!body_object(prices, 4096, &here, "default_prices", err) ||
                   (!price_list_parse(prices->text, &list, &why) &&
                    !body_refuse(err, &here, "default_prices", "%s", error_text(&why))))) {
        return false;
    }
    return prices || !str_eqz(word, "default") ||
           body_refuse(err, &here, "default_prices",
                       "is required where unpriced_models is \"default\"");
}

/* What data planes know of it besides. */
static bool note_parts(struct call *c, const struct uuid *organization, struct error *err)
{
    struct organization_part *parts;
    size_t n;
    if (!organization_parts(c->tx, organization, NULL, c->arena, &parts, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        tx_change(c->tx, parts[i].kind, organization, &parts[i].id, true);
    }
    return true;
}

/* They go with their organization: each is a change like any other. */
static bool note_workspaces(struct call *c, const struct uuid *organization, struct error *err)
{
    struct object_query q = {.organization = organization, .lock = true};
    struct object *rows;
    size_t n;
    if (!object_list(c->tx, &workspaces_table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct uuid *id = &rows[i].v[WORKSPACE_ID].uuid;
        tx_change(c->tx, CONFIG_WORKSPACE, organization, id, true);
        if (!tx_audit(c->tx, "workspace.delete", "workspace", organization, id,
                      rows[i].v[WORKSPACE_NAME].text.ptr, NULL, NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool removing(struct change *ch, struct error *err)
{
    bool used;
    const struct uuid *id = &ch->before.v[ORGANIZATION_ID].uuid;
    /* The workspaces are locked first: after that nobody can put anything into them. */
    return note_workspaces(ch->call, id, err) && note_parts(ch->call, id, err) &&
           organization_in_use(ch->call->tx, id, NULL, &used, err) &&
           (!used || error_set(err, ERR_CONFLICT,
                               "organization still has keys, providers, models, configs or "
                               "prompts: revoke or delete "
                               "those first"));
}

const struct resource organization_resource = {
    .kind = "organization",
    .prefix = "org",
    .table = &organizations_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .read = PERMISSION_ORGANIZATION_READ,
    .change_kind = CONFIG_ORGANIZATION,
    .narrow = narrow,
    .prepare = prepare,
    .removing = removing,
};

/* Routing configs (docs/routing.md): versioned documents that keys and models may refer to.
 * Credentials in a document are sealed apart from it; the document that is stored and shown has
 * markers in their place. */
#include "common/rules/route_config.h"
#include "controlplane/api/config_secrets.h"
#include "controlplane/api/documents.h"
#include "controlplane/api/resources.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"

/* References are NAME, NAME@12, NAME@label or an id. */
static const char *check_config_name(struct str s)
{
    return s.len >= 4 && str_eq_nocase(str_slice(s, 0, 4), STR_LIT("cfg_"))
               ? "must not begin as ids do (cfg_)"
               : validate_slug(s);
}

static const struct field fields[] = {DOCUMENT_FIELDS(check_config_name)};

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    return document_load(c, &configs_table, rows, n, ret, err);
}

#define SHARED                                                                     \
    .kind = "config", .prefix = "cfg", .table = &configs_table, .fields = fields,  \
    .n_fields = sizeof fields / sizeof fields[0], .extras = document_extras,       \
    .read = PERMISSION_CONFIG_READ, .change_kind = CONFIG_ROUTING, .shared = true, \
    .prepare = document_prepare, .stored = document_stored, .removing = document_removing

const struct resource config_resource = {SHARED, .load = load, .show = document_show};
static const struct resource quiet = {SHARED};

static bool check(struct str document, bool partial, struct arena *a, struct error *err)
{
    const struct route_tree *tree;
    (void)partial;
    return route_config_compile(document, a, &tree, err);
}

static bool in_use(struct change *ch, struct str label, struct error *err)
{
    const char *user;
    char id[64];
    struct str name;
    uuid_format_public("cfg", &ch->before.v[DOCUMENT_ID].uuid, id, sizeof id);
    if (!config_user(ch->call->tx, &ch->before, id, label, ch->call->arena, &user, &name, err)) {
        return false;
    }
    return !name.ptr || error_set(err, ERR_CONFLICT,
                                  label.ptr ? "the %s \"%.*s\" refers to this label"
                                            : "config is what the %s \"%.*s\" refers to",
                                  user, STR_ARG(name));
}

const struct document_kind config_document_kind = {
    .resource = &config_resource,
    .quiet = &quiet,
    .publish = PERMISSION_CONFIG_PUBLISH,
    .document_max = ROUTE_MAX_DOCUMENT,
    .check = check,
    .root = "config",
    .seal = config_secrets_seal,
    .in_use = in_use,
};

/* Keys and teams of weir.yaml. People and service accounts are but names here, whose ids are made
 * of them. */
#include "dataplane/standalone/standalone_build.h"

#include "common/base/map.h"
#include "common/rules/apikey.h"

/* Two keys with one secret could not be told apart. */
static bool secret_is_new(struct build *b, const struct manifest_key *k, struct error *err)
{
    const struct manifest_key *other = map_put(b->secrets, k->secret, (void *)(uintptr_t)k);
    return !other ||
           error_set(err, ERR_INVALID_FIELD, "key \"%.*s\" has the same secret as key \"%.*s\"",
                     STR_ARG(k->name), STR_ARG(other->name));
}

bool standalone_has_team(const struct manifest *m, struct str name)
{
    for (size_t i = 0; i < m->n_teams; i++) {
        if (str_eq(m->teams[i].name, name)) {
            return true;
        }
    }
    return false;
}

bool standalone_has_account(const struct manifest *m, struct str name)
{
    for (size_t i = 0; i < m->n_service_accounts; i++) {
        if (str_eq(m->service_accounts[i].name, name)) {
            return true;
        }
    }
    return false;
}

static bool has_group(const struct manifest *m, struct str name)
{
    for (size_t i = 0; i < m->n_price_groups; i++) {
        if (str_eq(m->price_groups[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* The file is all there is: what a key names must stand in it. */
static bool check_names(const struct yaml_node *root, const struct manifest *m, size_t i,
                        struct error *err)
{
    const struct manifest_key *k = &m->keys[i];
    if (k->team.ptr && !standalone_has_team(m, k->team)) {
        (void)error_set(err, ERR_INVALID_FIELD, "no team is named \"%.*s\"", STR_ARG(k->team));
        return standalone_wrong_at(root, "keys", i, "team", err);
    }
    if (k->service_account.ptr && !standalone_has_account(m, k->service_account)) {
        (void)error_set(err, ERR_INVALID_FIELD, "no service account is named \"%.*s\"",
                        STR_ARG(k->service_account));
        return standalone_wrong_at(root, "keys", i, "service_account", err);
    }
    if (k->price_group.ptr && !has_group(m, k->price_group)) {
        (void)error_set(err, ERR_INVALID_FIELD, "no price group is named \"%.*s\"",
                        STR_ARG(k->price_group));
        return standalone_wrong_at(root, "keys", i, "price_group", err);
    }
    return true;
}

struct owners {
    struct uuid team, user, account;
};

static void put_owners(const struct manifest_key *k, struct owners *ids, Weir__Key *out)
{
    if (k->team.ptr) {
        ids->team = standalone_id(WEIR__KIND__KIND_TEAM, k->team);
        out->team_id = bytes_of(ids->team.b, 16);
    }
    if (k->user.ptr) {
        ids->user = standalone_id(STANDALONE_USER, k->user);
        out->user_id = bytes_of(ids->user.b, 16);
    }
    if (k->service_account.ptr) {
        ids->account = standalone_id(STANDALONE_SERVICE_ACCOUNT, k->service_account);
        out->service_account_id = bytes_of(ids->account.b, 16);
    }
}

static bool put_lists(struct build *b, const struct manifest_key *k, Weir__Key *out)
{
    const struct {
        const struct str *items;
        size_t n;
        char ***ret;
        size_t *ret_n;
    } lists[] = {
        {k->models, k->n_models, &out->models, &out->n_models},
        {k->providers, k->n_providers, &out->providers, &out->n_providers},
        {k->tags, k->n_tags, &out->tags, &out->n_tags},
        {k->endpoints, k->n_endpoints, &out->endpoints, &out->n_endpoints},
        {k->configs, k->n_configs, &out->configs, &out->n_configs},
        {k->mcp_tools, k->n_mcp_tools, &out->mcp_tools, &out->n_mcp_tools},
        {k->ip_allow, k->n_ip_allow, &out->ip_allow, &out->n_ip_allow},
        {k->required_metadata, k->n_required_metadata, &out->required_metadata,
         &out->n_required_metadata},
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        *lists[i].ret = standalone_texts(b, lists[i].items, lists[i].n);
        *lists[i].ret_n = lists[i].n;
        if (!*lists[i].ret) {
            return false;
        }
    }
    return true;
}

bool standalone_put_key(struct build *b, const struct yaml_node *root, const struct manifest *m,
                        size_t i, struct error *err)
{
    const struct manifest_key *k = &m->keys[i];
    struct uuid id = standalone_id(WEIR__KIND__KIND_KEY, k->name);
    struct owners ids;
    uint8_t hash[32];
    Weir__Key out = WEIR__KEY__INIT;
    if (k->secret.len == 0) {
        (void)error_set(err, ERR_INVALID_FIELD,
                        "key \"%.*s\" needs a secret: a proxy on its own mints none",
                        STR_ARG(k->name));
        return standalone_wrong_at(root, "keys", i, NULL, err);
    }
    if (!secret_is_new(b, k, err)) {
        return standalone_wrong_at(root, "keys", i, "secret", err);
    }
    if (!check_names(root, m, i, err)) {
        return false;
    }
    apikey_hash(k->secret, hash);
    ProtobufCBinaryData secret = bytes_of(hash, sizeof(hash));
    out.id = bytes_of(id.b, 16);
    out.organization_id = bytes_of(b->organization.b, 16);
    out.workspace_id = bytes_of(b->workspace.b, 16);
    out.n_secret_sha256 = 1;
    out.secret_sha256 = &secret;
    out.name = standalone_text(b, k->name);
    out.expires_at_ms = (int64_t)k->expires_at_ms;
    out.disabled = k->disabled;
    out.config = standalone_text(b, k->config);
    out.config_locked = k->config_locked;
    out.metadata_json = standalone_text(b, k->metadata_json);
    out.price_group = standalone_text(b, k->price_group);
    put_owners(k, &ids, &out);
    if (!put_lists(b, k, &out)) {
        return error_set(err, ERR_INTERNAL, "configuration does not fit into memory");
    }
    return standalone_put(b, WEIR__KIND__KIND_KEY, &id, &out.base, err);
}

bool standalone_put_teams(struct build *b, const struct yaml_node *root, const struct manifest *m,
                          struct error *err)
{
    for (size_t i = 0; i < m->n_teams; i++) {
        const struct manifest_team *t = &m->teams[i];
        struct uuid id = standalone_id(WEIR__KIND__KIND_TEAM, t->name);
        Weir__Team out = WEIR__TEAM__INIT;
        if (t->price_group.ptr && !has_group(m, t->price_group)) {
            (void)error_set(err, ERR_INVALID_FIELD, "no price group is named \"%.*s\"",
                            STR_ARG(t->price_group));
            return standalone_wrong_at(root, "teams", i, "price_group", err);
        }
        out.id = bytes_of(id.b, 16);
        out.organization_id = bytes_of(b->organization.b, 16);
        out.name = standalone_text(b, t->name);
        out.price_group = standalone_text(b, t->price_group);
        if (!standalone_put(b, WEIR__KIND__KIND_TEAM, &id, &out.base, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->n_service_accounts; i++) {
        const struct manifest_service_account *a = &m->service_accounts[i];
        if (a->team.ptr && !standalone_has_team(m, a->team)) {
            (void)error_set(err, ERR_INVALID_FIELD, "no team is named \"%.*s\"", STR_ARG(a->team));
            return standalone_wrong_at(root, "service_accounts", i, "team", err);
        }
    }
    return true;
}

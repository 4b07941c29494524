/* Rows of the configuration and the log of changes: see changes.h. */
#include "controlplane/store/changes.h"

#include "common/json.h"
#include "controlplane/store/changes_governance.h"

/* Both forms of reading share their columns; $1 is the id to start behind or an array of ids. */
#define ORGANIZATION_COLUMNS "SELECT id, id, NULL, name, settings::text FROM organizations"
#define WORKSPACE_COLUMNS "SELECT id, organization_id, id, name, price_group FROM workspaces"
#define KEY_COLUMNS                                                                             \
    "SELECT id, organization_id, workspace_id, name, user_id, secret_hash, models, providers, " \
    "metadata::text, (disabled OR EXISTS (SELECT FROM service_accounts s WHERE s.id = "         \
    "service_account_id AND s.disabled) OR EXISTS (SELECT FROM users u WHERE u.id = user_id "   \
    "AND u.disabled)), expires_at, config, config_locked, tags, team_id, "                      \
    "service_account_id, endpoints, configs, mcp_tools, ip_allow, required_metadata, "          \
    "price_group, former_hash, former_expires_at FROM virtual_keys"
#define PROVIDER_COLUMNS                                                                           \
    "SELECT id, organization_id, workspace_id, name, kind, base_url, settings::text, timeout_ms, " \
    "credential, credential_kek, disabled FROM providers"
#define MODEL_COLUMNS \
    "SELECT id, organization_id, workspace_id, name, settings::text, config FROM models"
#define ROUTING_COLUMNS \
    "SELECT id, organization_id, workspace_id, name, published, labels::text FROM configs"
#define PROMPT_COLUMNS                                                                       \
    "SELECT id, organization_id, workspace_id, name, published, labels::text, partial FROM " \
    "prompts"
#define CATALOGUE_COLUMNS \
    "SELECT id, organization_id, NULL, model, entry::text, provider FROM catalogue_models"
#define BUDGET_COLUMNS                                                                   \
    "SELECT id, organization_id, workspace_id, name, scopes::text, metric, amount, "     \
    "time_window, when_unavailable, max_values, disabled, zone, mode, downgrade_model, " \
    "alert_percents::text[], max_cost, extra_amount, extra_until FROM budgets"
#define LIMIT_COLUMNS                                                                    \
    "SELECT id, organization_id, workspace_id, name, scopes::text, metric, amount, "     \
    "time_window, when_unavailable, max_values, disabled, algorithm, burst, exact FROM " \
    "limits"
#define BOOK_COLUMNS \
    "SELECT id, organization_id, NULL, name, published, labels::text FROM price_books"
#define GROUP_COLUMNS \
    "SELECT id, organization_id, NULL, name, ratio_ppm, overrides::text FROM price_groups"
#define ISSUER_COLUMNS                                                                    \
    "SELECT id, organization_id, NULL, name, issuer, audiences, algorithms, jwks::text, " \
    "claims::text, key_ids::text[], leeway_s, disabled, denied_jti FROM issuers WHERE "   \
    "data_plane AND"
#define TEAM_COLUMNS "SELECT id, organization_id, workspace_id, name, price_group FROM teams"
#define PAGE " id > $1 ORDER BY id LIMIT $2"
#define NAMED " id = ANY (($1::text[])::uuid[]) ORDER BY id"

static const struct {
    const char *page, *named;
} queries[CONFIG_KIND_END] = {
    [CONFIG_ORGANIZATION] = {ORGANIZATION_COLUMNS " WHERE" PAGE,
                             ORGANIZATION_COLUMNS " WHERE" NAMED},
    [CONFIG_WORKSPACE] = {WORKSPACE_COLUMNS " WHERE" PAGE, WORKSPACE_COLUMNS " WHERE" NAMED},
    [CONFIG_KEY] = {KEY_COLUMNS " WHERE revoked_at IS NULL AND" PAGE,
                    KEY_COLUMNS " WHERE revoked_at IS NULL AND" NAMED},
    [CONFIG_PROVIDER] = {PROVIDER_COLUMNS " WHERE" PAGE, PROVIDER_COLUMNS " WHERE" NAMED},
    [CONFIG_MODEL] = {MODEL_COLUMNS " WHERE" PAGE, MODEL_COLUMNS " WHERE" NAMED},
    [CONFIG_ROUTING] = {ROUTING_COLUMNS " WHERE" PAGE, ROUTING_COLUMNS " WHERE" NAMED},
    [CONFIG_PROMPT] = {PROMPT_COLUMNS " WHERE" PAGE, PROMPT_COLUMNS " WHERE" NAMED},
    [CONFIG_BUDGET] = {BUDGET_COLUMNS " WHERE" PAGE, BUDGET_COLUMNS " WHERE" NAMED},
    [CONFIG_LIMIT] = {LIMIT_COLUMNS " WHERE" PAGE, LIMIT_COLUMNS " WHERE" NAMED},
    [CONFIG_PRICE_BOOK] = {BOOK_COLUMNS " WHERE" PAGE, BOOK_COLUMNS " WHERE" NAMED},
    [CONFIG_PRICE_GROUP] = {GROUP_COLUMNS " WHERE" PAGE, GROUP_COLUMNS " WHERE" NAMED},
    [CONFIG_ISSUER] = {ISSUER_COLUMNS PAGE, ISSUER_COLUMNS NAMED},
    [CONFIG_TEAM] = {TEAM_COLUMNS " WHERE" PAGE, TEAM_COLUMNS " WHERE" NAMED},
    [CONFIG_CATALOGUE] = {CATALOGUE_COLUMNS " WHERE" PAGE, CATALOGUE_COLUMNS " WHERE" NAMED},
};

bool changes_has_versions(unsigned kind)
{
    return kind == CONFIG_ROUTING || kind == CONFIG_PROMPT || kind == CONFIG_PRICE_BOOK;
}

bool changes_version(struct tx *t, uint64_t *ret_version, uint64_t *ret_horizon, struct error *err)
{
    struct db_rows *r;
    if (!tx_exec(t, &r, err, "SELECT version, horizon FROM config_version")) {
        return false;
    }
    bool ok = db_count(r) == 1;
    if (ok) {
        *ret_version = (uint64_t)db_i64(r, 0, 0);
        *ret_horizon = (uint64_t)db_i64(r, 0, 1);
    }
    db_rows_free(r);
    return ok || error_set(err, ERR_DATABASE, "config_version has no row");
}

bool changes_after(struct tx *t, uint64_t version, unsigned limit, struct arena *a,
                   struct change_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *r;
    if (!tx_exec(t, &r, err,
                 "SELECT version, kind, organization_id, entity_id FROM change_log "
                 "WHERE version > $1 ORDER BY version DESC, position DESC LIMIT $2",
                 DB_I64(version), DB_I64(limit))) {
        return false;
    }
    size_t n = db_count(r);
    struct change_row *rows = arena_alloc(a, (n + 1) * sizeof(*rows));
    for (size_t i = 0; rows && i < n; i++) {
        struct change_row *c = &rows[n - 1 - i];
        c->version = (uint64_t)db_i64(r, i, 0);
        c->kind = (unsigned)db_i64(r, i, 1);
        c->organization_id = db_uuid(r, i, 2);
        c->id = db_uuid(r, i, 3);
    }
    db_rows_free(r);
    if (!rows) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    *ret = rows;
    *ret_n = n;
    return true;
}

struct str changes_copy(const struct db_rows *r, size_t row, int col, struct arena *a)
{
    struct str s = db_text(r, row, col);
    return s.ptr ? arena_str(a, s) : STR_NONE;
}

size_t changes_texts(const struct db_rows *r, size_t row, int col, struct arena *a,
                     const struct str **ret)
{
    struct str *list = NULL;
    size_t n = db_texts(r, row, col, a, &list);
    *ret = list;
    return n;
}

/* jsonb's text: its members always come in the same order. */
static size_t labels(const struct db_rows *r, size_t row, int col, struct arena *a,
                     const struct config_label **ret)
{
    struct json_value object, name, value;
    struct error ignored = ERROR_INIT;
    size_t n = 0, pos = 0, most = 0;
    struct str text = changes_copy(r, row, col, a);
    for (size_t i = 0; i < text.len; i++) {
        most += text.ptr[i] == ':';
    }
    struct config_label *list = arena_alloc(a, (most + 1) * sizeof(*list));
    *ret = list;
    if (!list || !json_validate(text, 0, &object, &ignored)) {
        return 0;
    }
    while (n < most && json_next(object, &pos, &name, &value)) {
        list[n].name = arena_str(a, json_text(name));
        n += json_u64(value, &list[n].version);
    }
    return n;
}

/* The columns behind the first four of a key. */
static void read_key(const struct db_rows *r, size_t i, struct arena *a, struct config_row *ret)
{
    struct config_bounds *b = &ret->bounds;
    ret->user_id = db_uuid(r, i, 4);
    ret->secret_hash = db_bytes(r, i, 5, a);
    ret->n_models = changes_texts(r, i, 6, a, &ret->models);
    ret->n_providers = changes_texts(r, i, 7, a, &ret->providers);
    ret->metadata_json = changes_copy(r, i, 8, a);
    ret->disabled = db_bool(r, i, 9);
    ret->expires_at_ms = db_time_ms(r, i, 10);
    ret->config = changes_copy(r, i, 11, a);
    ret->config_locked = db_bool(r, i, 12);
    ret->n_tags = changes_texts(r, i, 13, a, &ret->tags);
    ret->team_id = db_uuid(r, i, 14);
    ret->service_account_id = db_uuid(r, i, 15);
    b->n_endpoints = changes_texts(r, i, 16, a, &b->endpoints);
    b->n_configs = changes_texts(r, i, 17, a, &b->configs);
    b->n_mcp_tools = changes_texts(r, i, 18, a, &b->mcp_tools);
    b->n_ip_allow = changes_texts(r, i, 19, a, &b->ip_allow);
    b->n_required_metadata = changes_texts(r, i, 20, a, &b->required_metadata);
    ret->price_group = changes_copy(r, i, 21, a);
    if (!db_is_null(r, i, 22)) {
        ret->former_hash = db_bytes(r, i, 22, a);
        ret->former_expires_at_ms = db_time_ms(r, i, 23);
    }
}

static void read_row(const struct db_rows *r, size_t i, unsigned kind, struct arena *a,
                     struct config_row *ret)
{
    *ret = (struct config_row){.kind = kind,
                               .id = db_uuid(r, i, 0),
                               .organization_id = db_uuid(r, i, 1),
                               .workspace_id = db_uuid(r, i, 2),
                               .name = changes_copy(r, i, 3, a)};
    if (kind == CONFIG_KEY) {
        read_key(r, i, a, ret);
    } else if (kind == CONFIG_PROVIDER) {
        ret->provider_kind = changes_copy(r, i, 4, a);
        ret->base_url = changes_copy(r, i, 5, a);
        ret->settings_json = changes_copy(r, i, 6, a);
        ret->timeout_ms = (uint64_t)db_i64(r, i, 7);
        ret->credential = db_is_null(r, i, 8) ? STR_NONE : db_bytes(r, i, 8, a);
        ret->credential_kek = changes_copy(r, i, 9, a);
        ret->disabled = db_bool(r, i, 10);
    } else if (kind == CONFIG_MODEL) {
        ret->settings_json = changes_copy(r, i, 4, a);
        ret->config = changes_copy(r, i, 5, a);
    } else if (kind == CONFIG_ORGANIZATION) {
        ret->settings_json = changes_copy(r, i, 4, a);
    } else if (kind == CONFIG_WORKSPACE) {
        ret->price_group = changes_copy(r, i, 4, a);
    } else if (changes_has_versions(kind)) {
        ret->published = (uint64_t)db_i64(r, i, 4);
        ret->n_labels = labels(r, i, 5, a, &ret->labels);
        ret->partial = kind == CONFIG_PROMPT && db_bool(r, i, 6);
    } else if (kind == CONFIG_CATALOGUE) {
        ret->settings_json = changes_copy(r, i, 4, a);
        ret->provider_kind = changes_copy(r, i, 5, a);
    } else {
        changes_read_governance(r, i, a, ret);
    }
}

/* Targets of the models in rows[0..n), which are sorted by id. */
static bool read_targets(struct tx *t, struct config_row *rows, size_t n, struct arena *a,
                         struct error *err)
{
    struct db_rows *r;
    if (n == 0) {
        return true;
    }
    struct str *ids = arena_alloc(a, n * sizeof(*ids));
    char *text = arena_alloc(a, n * 37);
    if (!ids || !text) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        uuid_format(&rows[i].id, text + i * 37);
        ids[i] = (struct str){text + i * 37, 36};
    }
    if (!tx_exec(t, &r, err,
                 "SELECT model_id, provider_id, model, weight, endpoint FROM model_targets "
                 "WHERE model_id = ANY (($1::text[])::uuid[]) ORDER BY model_id, position",
                 DB_TEXTS(ids, n))) {
        return false;
    }
    size_t total = db_count(r), at = 0;
    struct config_target *targets = arena_alloc(a, (total + 1) * sizeof(*targets));
    for (size_t i = 0; targets && i < n; i++) {
        rows[i].targets = targets + at;
        for (; at < total; at++) {
            struct uuid model = db_uuid(r, at, 0);
            if (!uuid_eq(&model, &rows[i].id)) {
                break;
            }
            targets[at] = (struct config_target){
                .provider_id = db_uuid(r, at, 1),
                .model = changes_copy(r, at, 2, a),
                .weight = (uint32_t)db_i64(r, at, 3),
                .endpoint = changes_copy(r, at, 4, a),
            };
            rows[i].n_targets++;
        }
    }
    db_rows_free(r);
    return targets ? true : error_set(err, ERR_INTERNAL, "out of memory");
}

#define CONFIG_VERSIONS                                             \
    "SELECT owner_id, number, document, secrets, secrets_kek FROM " \
    "config_documents WHERE owner_id = ANY (($1::text[])::uuid[]) ORDER BY owner_id, number"
#define PROMPT_VERSIONS                                                    \
    "SELECT owner_id, number, document, NULL, NULL FROM prompt_documents " \
    "WHERE owner_id = ANY (($1::text[])::uuid[]) ORDER BY owner_id, number"
/* Of a price book nobody can name another version than the published one. */
#define BOOK_VERSIONS                                                                  \
    "SELECT d.owner_id, d.number, d.document, NULL, NULL FROM price_book_documents d " \
    "JOIN price_books b ON b.id = d.owner_id AND b.published = d.number "              \
    "WHERE d.owner_id = ANY (($1::text[])::uuid[]) ORDER BY d.owner_id"

/* Versions of the configs, prompts or price books in rows[0..n), which are sorted by id. */
static bool read_versions(struct tx *t, unsigned kind, struct config_row *rows, size_t n,
                          struct arena *a, struct error *err)
{
    struct db_rows *r;
    struct str *ids = arena_alloc(a, (n + 1) * sizeof(*ids));
    char *text = arena_alloc(a, n * 37 + 1);
    if (!ids || !text) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        uuid_format(&rows[i].id, text + i * 37);
        ids[i] = (struct str){text + i * 37, 36};
    }
    if (!tx_exec(t, &r, err,
                 kind == CONFIG_ROUTING  ? CONFIG_VERSIONS
                 : kind == CONFIG_PROMPT ? PROMPT_VERSIONS
                                         : BOOK_VERSIONS,
                 DB_TEXTS(ids, n))) {
        return false;
    }
    size_t total = db_count(r), at = 0;
    struct config_version *list = arena_zalloc(a, (total + 1) * sizeof(*list));
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        rows[i].versions = list + at;
        for (; ok && at < total; at++, rows[i].n_versions++) {
            struct uuid owner = db_uuid(r, at, 0);
            if (!uuid_eq(&owner, &rows[i].id)) {
                break;
            }
            list[at] = (struct config_version){
                .number = (uint64_t)db_i64(r, at, 1),
                .document = changes_copy(r, at, 2, a),
                .secrets = db_is_null(r, at, 3) ? STR_NONE : db_bytes(r, at, 3, a),
                .secrets_kek = changes_copy(r, at, 4, a),
            };
            ok = list[at].document.ptr != NULL;
        }
    }
    db_rows_free(r);
    return ok || error_set(err, ERR_INTERNAL, "out of memory");
}

static bool read_rows(struct tx *t, struct db_rows *r, unsigned kind, struct arena *a,
                      struct config_row **ret, size_t *ret_n, struct error *err)
{
    size_t n = db_count(r);
    struct config_row *rows = arena_alloc(a, (n + 1) * sizeof(*rows));
    for (size_t i = 0; rows && i < n; i++) {
        read_row(r, i, kind, a, &rows[i]);
    }
    db_rows_free(r);
    if (!rows) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    if (kind == CONFIG_MODEL && !read_targets(t, rows, n, a, err)) {
        return false;
    }
    if (changes_has_versions(kind) && n > 0 && !read_versions(t, kind, rows, n, a, err)) {
        return false;
    }
    *ret = rows;
    *ret_n = n;
    return true;
}

bool changes_page(struct tx *t, unsigned kind, const struct uuid *after, unsigned limit,
                  struct arena *a, struct config_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *r;
    return tx_exec(t, &r, err, queries[kind].page, DB_UUID(after), DB_I64(limit)) &&
           read_rows(t, r, kind, a, ret, ret_n, err);
}

bool changes_rows(struct tx *t, unsigned kind, const struct uuid *ids, size_t n, struct arena *a,
                  struct config_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *r;
    struct str *list = arena_alloc(a, (n + 1) * sizeof(*list));
    char *text = arena_alloc(a, n * 37 + 1);
    if (!list || !text) {
        return error_set(err, ERR_INTERNAL, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        uuid_format(&ids[i], text + i * 37);
        list[i] = (struct str){text + i * 37, 36};
    }
    return tx_exec(t, &r, err, queries[kind].named, DB_TEXTS(list, n)) &&
           read_rows(t, r, kind, a, ret, ret_n, err);
}

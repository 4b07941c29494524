/* Columns and statements of configs, prompts and price books. */
#include "controlplane/store/documents.h"

/* A list's documents together: past it they are left out. */
#define LIST_BYTES "16777216"

#define COLUMNS                                                                                   \
    [DOCUMENT_ID] = {"id", OBJECT_UUID},                                                          \
    [DOCUMENT_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},                                \
    [DOCUMENT_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},                                      \
    [DOCUMENT_NAME] = {"name", OBJECT_TEXT},                                                      \
    [DOCUMENT_DESCRIPTION] = {"description", OBJECT_TEXT},                                        \
    [DOCUMENT_PUBLISHED] = {"published", OBJECT_I64}, [DOCUMENT_LATEST] = {"latest", OBJECT_I64}, \
    [DOCUMENT_LABELS] = {"labels", OBJECT_JSON}, [DOCUMENT_OWNED_BY] = {"owned_by", OBJECT_TEXT}, \
    [DOCUMENT_REVISION] = {"revision", OBJECT_I64},                                               \
    [DOCUMENT_CREATED_AT] = {"created_at", OBJECT_TIME},                                          \
    [DOCUMENT_UPDATED_AT] = {"updated_at", OBJECT_TIME}

static const struct object_column config_columns[DOCUMENT_COLUMN_COUNT] = {
    COLUMNS,
    [CONFIG_SECRETS_MADE] = {"secrets_made", OBJECT_I64},
};

static const struct object_column prompt_columns[DOCUMENT_COLUMN_COUNT] = {
    COLUMNS,
    [PROMPT_PARTIAL] = {"partial", OBJECT_BOOL},
};

static const struct object_column book_columns[DOCUMENT_OWN] = {COLUMNS};

#define TABLE(n, c)                                                                           \
    {                                                                                         \
        .name = (n), .columns = (c), .n_columns = sizeof(c) / sizeof((c)[0]),                 \
        .organization = DOCUMENT_ORGANIZATION_ID, .workspace = DOCUMENT_WORKSPACE_ID,         \
        .title = DOCUMENT_NAME, .owned_by = DOCUMENT_OWNED_BY, .revision = DOCUMENT_REVISION, \
        .updated = true,                                                                      \
    }

const struct object_table configs_table = TABLE("configs", config_columns);
const struct object_table prompts_table = TABLE("prompts", prompt_columns);
const struct object_table price_books_table = TABLE("price_books", book_columns);

/* One statement over each kind's tables; `secrets` are columns that only configs have. */
#define SELECT_VERSION(documents, secrets)                                                         \
    "SELECT owner_id, number, document, note, created_by, created_at, " secrets " FROM " documents \
    " WHERE owner_id = $1 AND number = $2"
#define SELECT_VERSIONS(documents)                                                                \
    "SELECT owner_id, number, CASE WHEN sum(octet_length(document)) OVER (ORDER BY number DESC) " \
    "<= " LIST_BYTES                                                                              \
    " THEN document END, note, created_by, created_at, NULL, NULL FROM " documents                \
    " WHERE owner_id = $1 AND ($2 = 0 OR number < $2) ORDER BY number DESC LIMIT $3"
#define SELECT_SHOWN(owners, documents)                                                       \
    "SELECT d.owner_id, d.number, CASE WHEN sum(octet_length(d.document)) OVER (ORDER BY "    \
    "d.owner_id) <= " LIST_BYTES " THEN d.document END, d.note, d.created_by, d.created_at, " \
    "NULL, NULL FROM " owners " o JOIN " documents " d ON d.owner_id = o.id AND d.number = "  \
    "CASE WHEN o.published > 0 THEN o.published ELSE o.latest END "                           \
    "WHERE o.id = ANY($1::text[]::uuid[]) ORDER BY d.owner_id"
#define SELECT_BYTES(documents)                                                                    \
    "SELECT coalesce(sum(octet_length(document)), 0)::bigint FROM " documents " WHERE owner_id = " \
    "$1"

struct statements {
    const char *add, *get, *list, *shown, *bytes;
};

static const struct statements config_statements = {
    .add = "INSERT INTO config_documents (organization_id, owner_id, number, document, note, "
           "created_by, secrets, secrets_kek) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    .get = SELECT_VERSION("config_documents", "secrets, secrets_kek"),
    .list = SELECT_VERSIONS("config_documents"),
    .shown = SELECT_SHOWN("configs", "config_documents"),
    .bytes = SELECT_BYTES("config_documents"),
};

static const struct statements prompt_statements = {
    .add = "INSERT INTO prompt_documents (organization_id, owner_id, number, document, note, "
           "created_by) VALUES ($1, $2, $3, $4, $5, $6)",
    .get = SELECT_VERSION("prompt_documents", "NULL, NULL"),
    .list = SELECT_VERSIONS("prompt_documents"),
    .shown = SELECT_SHOWN("prompts", "prompt_documents"),
    .bytes = SELECT_BYTES("prompt_documents"),
};

static const struct statements book_statements = {
    .add = "INSERT INTO price_book_documents (organization_id, owner_id, number, document, note, "
           "created_by) VALUES ($1, $2, $3, $4, $5, $6)",
    .get = SELECT_VERSION("price_book_documents", "NULL, NULL"),
    .list = SELECT_VERSIONS("price_book_documents"),
    .shown = SELECT_SHOWN("price_books", "price_book_documents"),
    .bytes = SELECT_BYTES("price_book_documents"),
};

static const struct statements *statements_of(const struct object_table *table)
{
    return table == &configs_table       ? &config_statements
           : table == &price_books_table ? &book_statements
                                         : &prompt_statements;
}

bool document_add(struct tx *t, const struct object_table *table, const struct uuid *organization,
                  const struct document_version *v, struct error *err)
{
    const char *sql = statements_of(table)->add;
    if (table == &configs_table) {
        return tx_exec(t, NULL, err, sql, DB_UUID(organization), DB_UUID(&v->owner),
                       DB_I64(v->number), DB_STR(v->document), DB_STR(v->note),
                       DB_STR(v->created_by), DB_BYTES(v->secrets.ptr, v->secrets.len),
                       DB_STR(v->secrets_kek));
    }
    return tx_exec(t, NULL, err, sql, DB_UUID(organization), DB_UUID(&v->owner), DB_I64(v->number),
                   DB_STR(v->document), DB_STR(v->note), DB_STR(v->created_by));
}

static struct str copy(const struct db_rows *r, size_t row, int col, struct arena *a)
{
    struct str s = db_text(r, row, col);
    return s.ptr ? arena_str(a, s) : STR_NONE;
}

/* All rows; frees them. */
static bool take_versions(struct db_rows *r, struct arena *a, struct document_version **ret,
                          size_t *ret_n, struct error *err)
{
    size_t n = db_count(r);
    struct document_version *list = arena_zalloc(a, (n + 1) * sizeof *list);
    bool ok = list != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        list[i].owner = db_uuid(r, i, 0);
        list[i].number = (uint64_t)db_i64(r, i, 1);
        list[i].document = copy(r, i, 2, a);
        list[i].note = copy(r, i, 3, a);
        list[i].created_by = copy(r, i, 4, a);
        list[i].created_at_ms = db_time_ms(r, i, 5);
        list[i].secrets = db_is_null(r, i, 6) ? STR_NONE : db_bytes(r, i, 6, a);
        list[i].secrets_kek = copy(r, i, 7, a);
        ok = list[i].document.ptr || db_is_null(r, i, 2);
    }
    db_rows_free(r);
    *ret = list;
    *ret_n = n;
    return ok || error_set(err, ERR_OVERLOADED, "the answer is too large");
}

bool document_get(struct tx *t, const struct object_table *table, const struct uuid *owner,
                  uint64_t number, struct arena *a, struct document_version *ret, struct error *err)
{
    struct db_rows *r = NULL;
    struct document_version *list;
    size_t n;
    if (number > INT64_MAX) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    if (!tx_exec(t, &r, err, statements_of(table)->get, DB_UUID(owner), DB_I64(number)) ||
        !take_versions(r, a, &list, &n, err)) {
        return false;
    }
    if (n == 0) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    *ret = list[0];
    return true;
}

bool document_list(struct tx *t, const struct object_table *table, const struct uuid *owner,
                   uint64_t before, unsigned limit, struct arena *a, struct document_version **ret,
                   size_t *ret_n, struct error *err)
{
    struct db_rows *r = NULL;
    return tx_exec(t, &r, err, statements_of(table)->list, DB_UUID(owner), DB_I64(before),
                   DB_I64(limit)) &&
           take_versions(r, a, ret, ret_n, err);
}

bool document_shown(struct tx *t, const struct object_table *table, const struct uuid *owners,
                    size_t n_owners, struct arena *a, struct document_version **ret, size_t *ret_n,
                    struct error *err)
{
    struct db_rows *r = NULL;
    struct str *ids = object_id_texts(owners, n_owners, a);
    return tx_exec(t, &r, err, statements_of(table)->shown, DB_TEXTS(ids, n_owners)) &&
           take_versions(r, a, ret, ret_n, err);
}

bool document_bytes(struct tx *t, const struct object_table *table, const struct uuid *owner,
                    uint64_t *ret, struct error *err)
{
    struct db_rows *r = NULL;
    if (!tx_exec(t, &r, err, statements_of(table)->bytes, DB_UUID(owner))) {
        return false;
    }
    *ret = (uint64_t)db_i64(r, 0, 0);
    db_rows_free(r);
    return true;
}

bool document_secrets(struct tx *t, const struct uuid *config, struct arena *a,
                      struct document_version **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *r = NULL;
    return tx_exec(t, &r, err,
                   "SELECT owner_id, number, document, NULL, NULL, NULL, secrets, secrets_kek FROM "
                   "config_documents WHERE owner_id = $1 AND secrets IS NOT NULL "
                   "ORDER BY number DESC",
                   DB_UUID(config)) &&
           take_versions(r, a, ret, ret_n, err);
}

bool config_find(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                 struct str name, const struct uuid *id, struct arena *a, struct object *ret,
                 struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid found;
    struct object_query q = {.organization = organization};
    struct db_param by_id = id ? DB_UUID(id) : DB_NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id FROM configs WHERE organization_id = $1 AND "
                 "(workspace_id IS NULL OR workspace_id = $2) AND "
                 "CASE WHEN $3::uuid IS NULL THEN name = $4 ELSE id = $3::uuid END "
                 "ORDER BY workspace_id IS NULL LIMIT 1 FOR SHARE",
                 DB_UUID(organization), DB_UUID(workspace), by_id, DB_STR(name)) ||
        !object_take_id(rows, &found, err)) {
        return false;
    }
    object_filter_uuid(&q, DOCUMENT_ID, &found);
    return object_find(t, &configs_table, &q, a, ret, err);
}

/* $1 organization, $2 workspace or NULL, $3 name, $4 public id, $5 plain id, $6 label or NULL. A
 * reference without '@' has no label. From inside a workspace that has a config of the name itself,
 * the shared one is not meant. */
#define REFERS(x)                                                                                  \
    x ".organization_id = $1 AND " x ".config IS NOT NULL AND (lower(split_part(" x                \
      ".config, '@', 1)) IN ($4, $5) OR (lower(split_part(" x ".config, '@', 1)) = lower($3) AND " \
      "($2::uuid IS NULL OR " x ".workspace_id = $2::uuid) AND NOT ($2::uuid IS NULL AND EXISTS "  \
      "(SELECT FROM configs c WHERE c.organization_id = $1 AND c.workspace_id = " x                \
      ".workspace_id AND lower(c.name) = lower($3))))) AND ($6::text IS NULL OR split_part(" x     \
      ".config, '@', 2) = $6::text)"

bool config_user(struct tx *t, const struct object *config, const char *public_id, struct str label,
                 struct arena *a, const char **ret_kind, struct str *ret_name, struct error *err)
{
    struct db_rows *rows = NULL;
    char plain[37];
    const struct object_value *ws = &config->v[DOCUMENT_WORKSPACE_ID];
    uuid_format(&config->v[DOCUMENT_ID].uuid, plain);
    if (!tx_exec(
            t, &rows, err,
            "(SELECT 0, k.name FROM virtual_keys k WHERE k.revoked_at IS NULL AND " REFERS(
                "k") " LIMIT 1) UNION ALL (SELECT 1, m.name FROM models m WHERE " REFERS("m") " LIM"
                                                                                              "IT "
                                                                                              "1)",
            DB_UUID(&config->v[DOCUMENT_ORGANIZATION_ID].uuid),
            object_is_set(ws) ? DB_UUID(&ws->uuid) : DB_NULL, DB_STR(config->v[DOCUMENT_NAME].text),
            DB_Z(public_id), DB_Z(plain), DB_STR(label))) {
        return false;
    }
    bool any = db_count(rows) > 0;
    *ret_name = any ? copy(rows, 0, 1, a) : STR_NONE;
    *ret_kind = any && db_i64(rows, 0, 0) == 0 ? "key" : "model";
    db_rows_free(rows);
    return true;
}

/* Columns and statements of catalogue rows. Everybody's are written many at a time. */
#include "controlplane/store/catalogue.h"

static const struct object_column columns[CATALOGUE_COLUMN_COUNT] = {
    [CATALOGUE_ID] = {"id", OBJECT_UUID},
    [CATALOGUE_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [CATALOGUE_PROVIDER] = {"provider", OBJECT_TEXT},
    [CATALOGUE_MODEL] = {"model", OBJECT_TEXT},
    [CATALOGUE_ENTRY] = {"entry", OBJECT_JSON},
    [CATALOGUE_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [CATALOGUE_REVISION] = {"revision", OBJECT_I64},
    [CATALOGUE_CREATED_AT] = {"created_at", OBJECT_TIME},
    [CATALOGUE_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table catalogue_table = {
    .name = "catalogue_models",
    .columns = columns,
    .n_columns = CATALOGUE_COLUMN_COUNT,
    .organization = CATALOGUE_ORGANIZATION_ID,
    .workspace = -1,
    .title = CATALOGUE_MODEL,
    .owned_by = CATALOGUE_OWNED_BY,
    .revision = CATALOGUE_REVISION,
    .updated = true,
};

bool catalogue_rows(struct tx *t, const struct uuid *organization, struct arena *a,
                    struct catalogue_row **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT id, organization_id IS NOT NULL, provider, model, entry::text "
            "FROM catalogue_models WHERE organization_id IS NULL OR organization_id = $1::uuid "
            "ORDER BY provider COLLATE \"C\", model COLLATE \"C\", 2",
            organization ? DB_UUID(organization) : DB_NULL)) {
        return false;
    }
    size_t n = db_count(rows);
    struct catalogue_row *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].id = db_uuid(rows, i, 0);
        list[i].own = db_bool(rows, i, 1);
        list[i].provider = arena_str(a, db_text(rows, i, 2));
        list[i].model = arena_str(a, db_text(rows, i, 3));
        list[i].entry_json = arena_str(a, db_text(rows, i, 4));
    }
    db_rows_free(rows);
    if (!list || (n > 0 && !list[n - 1].entry_json.ptr)) {
        return error_set(err, ERR_OVERLOADED, "the catalogue's rows are too large");
    }
    *ret = list;
    *ret_n = n;
    return true;
}

bool catalogue_lock(struct tx *t, struct error *err)
{
    return tx_exec(t, NULL, err, "LOCK TABLE catalogue_models IN SHARE ROW EXCLUSIVE MODE");
}

bool catalogue_put(struct tx *t, struct catalogue_row *rows, size_t n, struct arena *a,
                   struct error *err)
{
    struct uuid *made = arena_alloc(a, (n + 1) * sizeof *made);
    struct str *lists[3];
    struct db_rows *r = NULL;
    for (int k = 0; k < 3; k++) {
        lists[k] = arena_alloc(a, (n + 1) * sizeof *lists[k]);
        if (!lists[k] || !made) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
    }
    for (size_t i = 0; i < n; i++) {
        made[i] = uuid_v7();
        lists[0][i] = rows[i].provider;
        lists[1][i] = rows[i].model;
        lists[2][i] = rows[i].entry_json;
    }
    struct str *ids = object_id_texts(made, n, a);
    if (!ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    /* ids come back in the order of the rows given */
    if (!tx_exec(
            t, &r, err,
            "WITH given AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) "
            "WITH ORDINALITY AS g (id, provider, model, entry, n)), written AS ("
            "INSERT INTO catalogue_models (id, provider, model, entry) "
            "SELECT id::uuid, provider, model, entry::jsonb FROM given "
            "ON CONFLICT (organization_id, provider, model) DO UPDATE SET entry = EXCLUDED.entry, "
            "revision = catalogue_models.revision + 1, updated_at = now() "
            "RETURNING id, provider, model) "
            "SELECT w.id FROM given g JOIN written w USING (provider, model) ORDER BY g.n",
            DB_TEXTS(ids, n), DB_TEXTS(lists[0], n), DB_TEXTS(lists[1], n),
            DB_TEXTS(lists[2], n))) {
        return false;
    }
    bool all = db_count(r) == n;
    for (size_t i = 0; all && i < n; i++) {
        rows[i].id = db_uuid(r, i, 0);
    }
    db_rows_free(r);
    return all || error_set(err, ERR_INTERNAL, "catalogue rows were lost");
}

bool catalogue_remove(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                      struct error *err)
{
    struct str *texts = object_id_texts(ids, n, a);
    if (!texts) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    return n == 0 || tx_exec(t, NULL, err,
                             "DELETE FROM catalogue_models WHERE organization_id IS NULL "
                             "AND id = ANY ($1::text[]::uuid[])",
                             DB_TEXTS(texts, n));
}

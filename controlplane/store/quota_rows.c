/* Statements that are the same for budgets and limits. */
#include "controlplane/store/quota_rows.h"

bool quotas_drop_of_keys(struct tx *t, const struct object_table *table, unsigned kind,
                         const struct uuid *organization, const struct uuid *keys, size_t n,
                         struct arena *a, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *list = object_id_texts(keys, n, a);
    struct str sql = arena_printf(a,
                                  "DELETE FROM %s WHERE organization_id = $1 AND key_id = "
                                  "ANY($2::text[]::uuid[]) RETURNING id",
                                  table->name);
    if (!list || !sql.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_exec(t, &rows, err, sql.ptr, DB_UUID(organization), DB_TEXTS(list, n))) {
        return false;
    }
    for (size_t i = 0; i < db_count(rows); i++) {
        struct uuid id = db_uuid(rows, i, 0);
        tx_change(t, kind, organization, &id, true);
    }
    db_rows_free(rows);
    return true;
}

bool quotas_of_key(struct tx *t, const struct object_table *table, const struct uuid *key,
                   unsigned limit, struct arena *a, struct uuid **ret, size_t *ret_n,
                   struct error *err)
{
    struct db_rows *rows = NULL;
    struct str sql =
        arena_printf(a, "SELECT id FROM %s WHERE key_id = $1 ORDER BY id LIMIT $2", table->name);
    if (!sql.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    return tx_exec(t, &rows, err, sql.ptr, DB_UUID(key), DB_I64(limit)) &&
           object_take_ids(rows, a, ret, ret_n, err);
}

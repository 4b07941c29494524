/* Columns and statements of models. */
#include "controlplane/store/models.h"

static const struct object_column columns[MODEL_COLUMN_COUNT] = {
    [MODEL_ID] = {"id", OBJECT_UUID},
    [MODEL_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [MODEL_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [MODEL_NAME] = {"name", OBJECT_TEXT},
    [MODEL_SETTINGS] = {"settings", OBJECT_JSON},
    [MODEL_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [MODEL_REVISION] = {"revision", OBJECT_I64},
    [MODEL_CREATED_AT] = {"created_at", OBJECT_TIME},
    [MODEL_UPDATED_AT] = {"updated_at", OBJECT_TIME},
    [MODEL_CONFIG] = {"config", OBJECT_TEXT},
};

const struct object_table models_table = {
    .name = "models",
    .columns = columns,
    .n_columns = MODEL_COLUMN_COUNT,
    .organization = MODEL_ORGANIZATION_ID,
    .workspace = MODEL_WORKSPACE_ID,
    .title = MODEL_NAME,
    .owned_by = MODEL_OWNED_BY,
    .revision = MODEL_REVISION,
    .updated = true,
};

bool model_targets(struct tx *t, const struct uuid *models, size_t n_models, struct arena *a,
                   struct model_target **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *ids = object_id_texts(models, n_models, a);
    if (!tx_exec(
            t, &rows, err,
            "SELECT g.model_id, g.provider_id, p.name, g.model, g.weight, g.endpoint FROM "
            "model_targets g "
            "JOIN providers p ON p.id = g.provider_id WHERE g.model_id = ANY($1::text[]::uuid[]) "
            "ORDER BY g.model_id, g.position",
            DB_TEXTS(ids, n_models))) {
        return false;
    }
    size_t n = db_count(rows);
    struct model_target *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].model = db_uuid(rows, i, 0);
        list[i].provider = db_uuid(rows, i, 1);
        list[i].provider_name = arena_str(a, db_text(rows, i, 2));
        list[i].name = arena_str(a, db_text(rows, i, 3));
        list[i].weight = db_i64(rows, i, 4);
        list[i].endpoint = arena_str(a, db_text(rows, i, 5));
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool model_set_targets(struct tx *t, const struct uuid *organization, const struct uuid *model,
                       const struct model_target *targets, size_t n, struct error *err)
{
    if (!tx_exec(t, NULL, err, "DELETE FROM model_targets WHERE model_id = $1", DB_UUID(model))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!tx_exec(t, NULL, err,
                     "INSERT INTO model_targets (organization_id, model_id, position, provider_id, "
                     "model, weight, endpoint) "
                     "VALUES ($1, $2, $3::integer, $4, $5, $6::integer, $7)",
                     DB_UUID(organization), DB_UUID(model), DB_I64(i),
                     DB_UUID(&targets[i].provider), DB_STR(targets[i].name),
                     DB_I64(targets[i].weight), DB_STR(targets[i].endpoint))) {
            return false;
        }
    }
    return true;
}

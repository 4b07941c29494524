/* Columns and statements of memberships. */
#include "controlplane/store/memberships.h"

static const struct object_column columns[MEMBERSHIP_COLUMN_COUNT] = {
    [MEMBERSHIP_ID] = {"id", OBJECT_UUID},
    [MEMBERSHIP_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [MEMBERSHIP_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [MEMBERSHIP_USER_ID] = {"user_id", OBJECT_UUID},
    [MEMBERSHIP_ROLE] = {"role", OBJECT_TEXT},
    [MEMBERSHIP_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [MEMBERSHIP_REVISION] = {"revision", OBJECT_I64},
    [MEMBERSHIP_CREATED_AT] = {"created_at", OBJECT_TIME},
    [MEMBERSHIP_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table memberships_table = {
    .name = "memberships",
    .columns = columns,
    .n_columns = MEMBERSHIP_COLUMN_COUNT,
    .organization = MEMBERSHIP_ORGANIZATION_ID,
    .workspace = MEMBERSHIP_WORKSPACE_ID,
    .title = -1,
    .owned_by = MEMBERSHIP_OWNED_BY,
    .revision = MEMBERSHIP_REVISION,
    .updated = true,
};

bool membership_grants(struct tx *t, const struct uuid *user, struct arena *a, struct grant **ret,
                       size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT organization_id, workspace_id, role FROM memberships WHERE user_id = $1 "
                 "ORDER BY id",
                 DB_UUID(user))) {
        return false;
    }
    size_t n = db_count(rows), used = 0;
    struct grant *list =
        arena_alloc(a, (n + 2) * sizeof *list); /* one more than needed: the caller may add one */
    for (size_t i = 0; list && i < n; i++) {
        struct grant g = {.organization = db_uuid(rows, i, 0), .workspace = db_uuid(rows, i, 1)};
        g.role = role_parse(db_text(rows, i, 2), !uuid_is_nil(&g.workspace));
        if (g.role != ROLE_NONE && g.role != ROLE_PLATFORM_ADMIN) {
            list[used++] = g;
        }
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = used;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool membership_other_owners(struct tx *t, const struct uuid *organization,
                             const struct uuid *membership, uint64_t *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id FROM memberships WHERE organization_id = $1 AND workspace_id IS NULL "
                 "AND role = 'owner' "
                 "AND id <> $2 FOR UPDATE",
                 DB_UUID(organization), DB_UUID(membership))) {
        return false;
    }
    *ret = db_count(rows);
    db_rows_free(rows);
    return true;
}

/* Columns and statements of memberships. */
#include "controlplane/store/memberships.h"

#include "controlplane/store/roles.h"

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
    [MEMBERSHIP_ROLE_ID] = {"role_id", OBJECT_UUID},
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

static struct grant read_grant(const struct db_rows *rows, size_t i, struct arena *a)
{
    struct grant g = {.organization = db_uuid(rows, i, 0),
                      .workspace = db_uuid(rows, i, 1),
                      .role_id = db_uuid(rows, i, 3)};
    bool workspace = !uuid_is_nil(&g.workspace);
    if (uuid_is_nil(&g.role_id)) {
        g.role = role_parse(db_text(rows, i, 2), workspace);
        return g;
    }
    struct str *names = NULL;
    size_t n = db_texts(rows, i, 4, a, &names);
    g.role = ROLE_CUSTOM;
    g.permissions = role_set(names, n, workspace);
    return g;
}

bool membership_grants(struct tx *t, const struct uuid *user, struct arena *a, struct grant **ret,
                       size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT m.organization_id, m.workspace_id, m.role, m.role_id, r.permissions "
                 "FROM memberships m LEFT JOIN roles r ON r.id = m.role_id WHERE m.user_id = $1 "
                 "ORDER BY m.id",
                 DB_UUID(user))) {
        return false;
    }
    size_t n = db_count(rows), used = 0;
    struct grant *list =
        arena_alloc(a, (n + 2) * sizeof *list); /* one more than needed: the caller may add one */
    for (size_t i = 0; list && i < n; i++) {
        struct grant g = read_grant(rows, i, a);
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
    /* One lock for all: those who would wait for each other's rows wait for this one instead. */
    if (!tx_exec(t, NULL, err, "SELECT FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
                 DB_UUID(organization)) ||
        !tx_exec(t, &rows, err,
                 "SELECT count(*) FROM memberships WHERE organization_id = $1 "
                 "AND workspace_id IS NULL AND role = 'owner' AND id <> $2",
                 DB_UUID(organization), DB_UUID(membership))) {
        return false;
    }
    *ret = (uint64_t)db_i64(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

bool membership_leave_teams(struct tx *t, const struct uuid *organization, const struct uuid *user,
                            const struct uuid *membership, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "DELETE FROM team_members WHERE organization_id = $1 AND user_id = $2 "
                   "AND NOT EXISTS (SELECT FROM memberships WHERE organization_id = $1 "
                   "AND user_id = $2 AND id <> $3)",
                   DB_UUID(organization), DB_UUID(user), DB_UUID(membership));
}

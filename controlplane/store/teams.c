/* Columns and statements of teams. */
#include "controlplane/store/teams.h"

static const struct object_column columns[TEAM_COLUMN_COUNT] = {
    [TEAM_ID] = {"id", OBJECT_UUID},
    [TEAM_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [TEAM_WORKSPACE_ID] = {"workspace_id", OBJECT_UUID},
    [TEAM_NAME] = {"name", OBJECT_TEXT},
    [TEAM_PRICE_GROUP] = {"price_group", OBJECT_TEXT},
    [TEAM_EXTERNAL_ID] = {"external_id", OBJECT_TEXT},
    [TEAM_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [TEAM_REVISION] = {"revision", OBJECT_I64},
    [TEAM_CREATED_AT] = {"created_at", OBJECT_TIME},
    [TEAM_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table teams_table = {
    .name = "teams",
    .columns = columns,
    .n_columns = TEAM_COLUMN_COUNT,
    .organization = TEAM_ORGANIZATION_ID,
    .workspace = TEAM_WORKSPACE_ID,
    .title = TEAM_NAME,
    .owned_by = TEAM_OWNED_BY,
    .revision = TEAM_REVISION,
    .updated = true,
};

#define MEMBERS                                                                                   \
    "SELECT m.user_id, u.email, u.name, m.owned_by, m.created_at FROM team_members m JOIN users " \
    "u "                                                                                          \
    "ON u.id = m.user_id WHERE m.team_id = $1"

static void read_member(const struct db_rows *rows, size_t i, struct arena *a,
                        struct team_member *ret)
{
    *ret = (struct team_member){.user = db_uuid(rows, i, 0),
                                .email = arena_str(a, db_text(rows, i, 1)),
                                .name = arena_str(a, db_text(rows, i, 2)),
                                .owned_by = arena_str(a, db_text(rows, i, 3)),
                                .created_at_ms = db_time_ms(rows, i, 4)};
}

bool team_members(struct tx *t, const struct uuid *team, const struct uuid *after, unsigned limit,
                  struct arena *a, struct team_member **ret, size_t *ret_n, struct error *err)
{
    static const struct uuid first;
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, MEMBERS " AND m.user_id > $2 ORDER BY m.user_id LIMIT $3",
                 DB_UUID(team), DB_UUID(after ? after : &first), DB_I64(limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct team_member *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        read_member(rows, i, a, &list[i]);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = n;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool team_member_find(struct tx *t, const struct uuid *team, const struct uuid *user,
                      struct arena *a, struct team_member *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, MEMBERS " AND m.user_id = $2", DB_UUID(team), DB_UUID(user))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        read_member(rows, 0, a, ret);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "team member not found");
}

bool team_member_add(struct tx *t, const struct uuid *organization, const struct uuid *team,
                     const struct uuid *user, const char *owned_by, bool *ret_added,
                     struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid found;
    /* the membership is held until the end, so that its removal takes the new row along */
    if (!tx_exec(t, &rows, err,
                 "SELECT id FROM memberships WHERE organization_id = $1 AND user_id = $2 "
                 "ORDER BY id LIMIT 1 FOR SHARE",
                 DB_UUID(organization), DB_UUID(user)) ||
        !object_take_id(rows, &found, err)) {
        return err->code == ERR_NOT_FOUND ? error_set(err, ERR_NOT_FOUND, "user not found") : false;
    }
    if (!tx_exec(t, &rows, err,
                 "INSERT INTO team_members (organization_id, team_id, user_id, owned_by) "
                 "VALUES ($1, $2, $3, $4) ON CONFLICT (team_id, user_id) DO NOTHING",
                 DB_UUID(organization), DB_UUID(team), DB_UUID(user), DB_Z(owned_by))) {
        return false;
    }
    *ret_added = db_affected(rows) > 0;
    db_rows_free(rows);
    return true;
}

bool team_member_remove(struct tx *t, const struct uuid *team, const struct uuid *user,
                        struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2",
                 DB_UUID(team), DB_UUID(user))) {
        return false;
    }
    bool found = db_affected(rows) > 0;
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "team member not found");
}

bool team_usable(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                 const struct uuid *team, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid found;
    return tx_exec(t, &rows, err,
                   "SELECT id FROM teams WHERE organization_id = $1 AND id = $3 "
                   "AND (workspace_id IS NULL OR workspace_id = $2) FOR KEY SHARE",
                   DB_UUID(organization), DB_UUID_OR_NULL(workspace), DB_UUID(team)) &&
           object_take_id(rows, &found, err);
}

bool team_in_use(struct tx *t, const struct uuid *team, bool *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT EXISTS (SELECT FROM virtual_keys WHERE team_id = $1 AND revoked_at IS "
                 "NULL) OR EXISTS (SELECT FROM service_accounts WHERE team_id = $1)",
                 DB_UUID(team))) {
        return false;
    }
    *ret = db_bool(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

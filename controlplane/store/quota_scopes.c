/* One statement for each kind: id, workspace, name. $1 organization, $2 id or NULL, $3 name or
 * NULL, $4 workspace or NULL; and the names of a list of ids. */
#include "controlplane/store/quota_scopes.h"

#include "controlplane/store/object.h"

#define BY "AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR lower(name) = lower($3)) "
#define THERE "AND ($4::uuid IS NULL OR workspace_id = $4) LIMIT 2"
#define THERE_OR_SHARED                                                \
    "AND ($4::uuid IS NULL OR workspace_id IS NULL OR workspace_id = " \
    "$4) ORDER BY workspace_id NULLS LAST LIMIT 2"
#define NAMES(table) \
    "SELECT id, name FROM " table " WHERE organization_id = $1 AND id = ANY($2::text[]::uuid[])"

static const struct {
    const char *prefix, *find, *names;
    bool shared; /* one of the workspace comes before one of the organization */
} kinds[SCOPE_COUNT] = {
    [SCOPE_WORKSPACE] = {"ws",
                         "SELECT id, id, name FROM workspaces WHERE organization_id = $1 " BY
                         "AND ($4::uuid IS NULL OR id = $4) LIMIT 2",
                         NAMES("workspaces"), false},
    [SCOPE_TEAM] =
        {"team",
         "SELECT id, workspace_id, name FROM teams WHERE organization_id = $1 " BY THERE_OR_SHARED,
         NAMES("teams"), true},
    [SCOPE_USER] = {"usr",
                    "SELECT id, NULL, email FROM users u WHERE EXISTS (SELECT FROM memberships m "
                    "WHERE m.user_id = u.id AND m.organization_id = $1) AND ($2::uuid IS NULL OR "
                    "id = $2) AND ($3::text IS NULL OR lower(email) = lower($3)) AND ($4::uuid IS "
                    "NULL OR true) LIMIT 2",
                    "SELECT id, email FROM users u WHERE EXISTS (SELECT FROM memberships m WHERE "
                    "m.user_id = u.id AND m.organization_id = $1) AND id = "
                    "ANY($2::text[]::uuid[])",
                    false},
    [SCOPE_SERVICE_ACCOUNT] = {"sa",
                               "SELECT id, workspace_id, name FROM service_accounts WHERE "
                               "organization_id = $1 " BY THERE,
                               NAMES("service_accounts"), false},
    [SCOPE_KEY] = {"key",
                   "SELECT id, workspace_id, name FROM virtual_keys WHERE organization_id = $1 AND "
                   "revoked_at IS NULL " BY THERE,
                   NAMES("virtual_keys"), false},
    [SCOPE_PROVIDER] = {"prov",
                        "SELECT id, workspace_id, name FROM providers WHERE organization_id = "
                        "$1 " BY THERE_OR_SHARED,
                        NAMES("providers"), true},
};

const char *quota_scope_prefix(enum quota_scope kind)
{
    return (unsigned)kind < SCOPE_COUNT ? kinds[kind].prefix : NULL;
}

bool quota_scope_find(struct tx *t, enum quota_scope kind, const struct uuid *organization,
                      const struct uuid *workspace, struct str text, struct arena *a,
                      struct scope_target *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid id;
    bool by_id = uuid_parse_public(kinds[kind].prefix, text, &id);
    if (!tx_exec(t, &rows, err, kinds[kind].find, DB_UUID(organization),
                 by_id ? DB_UUID(&id) : DB_NULL, by_id ? DB_NULL : DB_STR(text),
                 DB_UUID_OR_NULL(workspace))) {
        return false;
    }
    size_t n = db_count(rows);
    /* of two, the workspace's own one is meant, unless both are some workspace's */
    bool clear = n == 1 || (n == 2 && kinds[kind].shared && !db_is_null(rows, 0, 1) &&
                            db_is_null(rows, 1, 1));
    if (clear) {
        *ret = (struct scope_target){.id = db_uuid(rows, 0, 0),
                                     .workspace = db_uuid(rows, 0, 1),
                                     .name = arena_str(a, db_text(rows, 0, 2))};
    }
    db_rows_free(rows);
    return clear || (n == 0 ? error_set(err, ERR_NOT_FOUND, "%s", "")
                            : error_set(err, ERR_CONFLICT, "several are named so: give the id"));
}

bool quota_scope_names(struct tx *t, enum quota_scope kind, const struct uuid *organization,
                       struct scope_target *targets, size_t n, struct arena *a, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < n; i++) {
        ids[i] = targets[i].id;
    }
    struct str *list = ids ? object_id_texts(ids, n, a) : NULL;
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_exec(t, &rows, err, kinds[kind].names, DB_UUID(organization), DB_TEXTS(list, n))) {
        return false;
    }
    for (size_t r = 0; r < db_count(rows); r++) {
        struct uuid id = db_uuid(rows, r, 0);
        struct str name = arena_str(a, db_text(rows, r, 1));
        for (size_t i = 0; i < n; i++) {
            if (uuid_eq(&targets[i].id, &id)) {
                targets[i].name = name;
            }
        }
    }
    db_rows_free(rows);
    return true;
}

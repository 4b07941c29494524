/* SQL of bootstrap-admin. */
#include "controlplane/store/db_bootstrap.h"

#include "controlplane/store/changes.h"

bool bootstrap_lock(struct tx *t, struct error *err)
{
    return tx_exec(t, NULL, err, "SELECT pg_advisory_xact_lock(hashtext('weir bootstrap'))");
}

/* The id in the first row, nil when there is none. */
static bool find_id(struct tx *t, struct uuid *ret_id, struct error *err, const char *sql,
                    const struct db_param *params)
{
    struct db_rows *rows = NULL;
    if (!tx_query(t, &rows, err, sql, params)) {
        return false;
    }
    *ret_id = db_count(rows) > 0 ? db_uuid(rows, 0, 0) : (struct uuid){{0}};
    db_rows_free(rows);
    return true;
}
#define FIND_ID(t, ret_id, err, sql, ...) \
    find_id((t), (ret_id), (err), (sql), (struct db_param[]){__VA_ARGS__, DB_END})

bool bootstrap_organization(struct tx *t, const char *name, struct uuid *ret_id, bool *ret_made,
                            struct error *err)
{
    *ret_made = false;
    if (!FIND_ID(t, ret_id, err, "SELECT id FROM organizations WHERE lower(name) = lower($1)",
                 DB_Z(name))) {
        return false;
    }
    if (!uuid_is_nil(ret_id)) {
        return true;
    }
    *ret_made = true;
    *ret_id = uuid_v7();
    tx_change(t, CONFIG_ORGANIZATION, ret_id, ret_id, false);
    return tx_exec(t, NULL, err, "INSERT INTO organizations (id, name) VALUES ($1, $2)",
                   DB_UUID(ret_id), DB_Z(name)) &&
           tx_audit(t, "organization.create", "organization", ret_id, ret_id, name, NULL, NULL,
                    err);
}

bool bootstrap_workspace(struct tx *t, const struct uuid *organization, const char *name,
                         struct uuid *ret_id, bool *ret_made, struct error *err)
{
    *ret_made = false;
    if (!FIND_ID(t, ret_id, err,
                 "SELECT id FROM workspaces WHERE organization_id = $1 AND lower(name) = lower($2)",
                 DB_UUID(organization), DB_Z(name))) {
        return false;
    }
    if (!uuid_is_nil(ret_id)) {
        return true;
    }
    *ret_made = true;
    *ret_id = uuid_v7();
    tx_change(t, CONFIG_WORKSPACE, organization, ret_id, false);
    return tx_exec(t, NULL, err,
                   "INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $2, $3)",
                   DB_UUID(ret_id), DB_UUID(organization), DB_Z(name)) &&
           tx_audit(t, "workspace.create", "workspace", organization, ret_id, name, NULL, NULL,
                    err);
}

bool bootstrap_find_user(struct tx *t, const char *email, struct uuid *ret_id, struct error *err)
{
    return FIND_ID(t, ret_id, err, "SELECT id FROM users WHERE lower(email) = lower($1)",
                   DB_Z(email));
}

bool bootstrap_make_user(struct tx *t, const char *email, const char *password_hash,
                         struct uuid *ret_id, struct error *err)
{
    *ret_id = uuid_v7();
    return tx_exec(t, NULL, err,
                   "INSERT INTO users (id, email, password_hash, platform_admin) "
                   "VALUES ($1, $2, $3, true)",
                   DB_UUID(ret_id), DB_Z(email), DB_Z(password_hash)) &&
           tx_audit(t, "user.create", "user", NULL, ret_id, email, NULL,
                    "{\"platform_admin\": true}", err);
}

bool bootstrap_reset_user(struct tx *t, const struct uuid *user, const char *email,
                          const char *password_hash, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE users SET password_hash = $2, platform_admin = true, disabled = false, "
                   "revision = revision + 1, updated_at = now() WHERE id = $1",
                   DB_UUID(user), DB_Z(password_hash)) &&
           tx_exec(t, NULL, err, "DELETE FROM sessions WHERE user_id = $1", DB_UUID(user)) &&
           tx_audit(t, "user.reset_password", "user", NULL, user, email, NULL,
                    "{\"platform_admin\": true}", err);
}

bool bootstrap_membership(struct tx *t, const struct uuid *organization, const struct uuid *user,
                          struct error *err)
{
    struct uuid id = uuid_v7();
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "INSERT INTO memberships (id, organization_id, user_id, role) "
                 "VALUES ($1, $2, $3, 'owner') ON CONFLICT DO NOTHING",
                 DB_UUID(&id), DB_UUID(organization), DB_UUID(user))) {
        return false;
    }
    bool made = db_affected(rows) > 0;
    db_rows_free(rows);
    return !made || tx_audit(t, "membership.create", "membership", organization, &id, "", NULL,
                             "{\"role\": \"owner\"}", err);
}

bool bootstrap_token(struct tx *t, const char *name, const char *role,
                     const uint8_t hash[static 32], const char *mask, const struct uuid *user,
                     struct uuid *ret_id, bool *ret_made, struct error *err)
{
    *ret_made = false;
    if (!FIND_ID(
            t, ret_id, err,
            "SELECT id FROM admin_tokens WHERE organization_id IS NULL AND lower(name) = lower($1)"
            " AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())",
            DB_Z(name))) {
        return false;
    }
    if (!uuid_is_nil(ret_id)) {
        return true;
    }
    *ret_made = true;
    *ret_id = uuid_v7();
    return tx_exec(t, NULL, err,
                   "INSERT INTO admin_tokens (id, name, secret_hash, mask, role, created_by) "
                   "VALUES ($1, $2, $3, $4, $5, $6)",
                   DB_UUID(ret_id), DB_Z(name), DB_BYTES(hash, 32), DB_Z(mask), DB_Z(role),
                   DB_UUID(user)) &&
           tx_audit(t, "admin_token.create", "admin_token", NULL, ret_id, name, NULL, NULL, err);
}

bool bootstrap_key(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                   const char *name, const uint8_t hash[static 32], const char *mask,
                   const struct uuid *user, struct uuid *ret_id, bool *ret_made, struct error *err)
{
    *ret_made = false;
    if (!FIND_ID(t, ret_id, err,
                 "SELECT id FROM virtual_keys WHERE workspace_id = $1 AND lower(name) = lower($2)"
                 " AND revoked_at IS NULL",
                 DB_UUID(workspace), DB_Z(name))) {
        return false;
    }
    if (!uuid_is_nil(ret_id)) {
        return true;
    }
    *ret_made = true;
    *ret_id = uuid_v7();
    tx_change(t, CONFIG_KEY, organization, ret_id, false);
    return tx_exec(
               t, NULL, err,
               "INSERT INTO virtual_keys (id, organization_id, workspace_id, name, secret_hash, "
               "mask, created_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
               DB_UUID(ret_id), DB_UUID(organization), DB_UUID(workspace), DB_Z(name),
               DB_BYTES(hash, 32), DB_Z(mask), DB_UUID(user)) &&
           tx_audit(t, "key.create", "key", organization, ret_id, name, NULL, NULL, err);
}

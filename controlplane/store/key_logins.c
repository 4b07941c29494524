/* The statement of a virtual key that calls the admin API. */
#include "controlplane/store/key_logins.h"

#include "controlplane/store/roles.h"

bool key_login_find(struct tx *t, const uint8_t hash[static 32], struct arena *a,
                    struct key_login *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct str *names;
    if (!tx_exec(t, &rows, err,
                 "SELECT k.id, k.organization_id, k.workspace_id, k.name, k.admin_permissions, "
                 "k.ip_allow FROM virtual_keys k LEFT JOIN users u ON u.id = k.user_id "
                 "LEFT JOIN service_accounts s ON s.id = k.service_account_id "
                 "WHERE (k.secret_hash = $1 OR (k.former_hash = $1 AND k.former_expires_at > "
                 "now())) AND k.revoked_at IS NULL AND NOT k.disabled "
                 "AND (k.expires_at IS NULL OR k.expires_at > now()) "
                 "AND NOT coalesce(u.disabled, false) AND NOT coalesce(s.disabled, false)",
                 DB_BYTES(hash, 32))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        ret->id = db_uuid(rows, 0, 0);
        ret->organization = db_uuid(rows, 0, 1);
        ret->workspace = db_uuid(rows, 0, 2);
        ret->name = arena_str(a, db_text(rows, 0, 3));
        size_t n = db_texts(rows, 0, 4, a, &names);
        ret->permissions = role_set(names, n, true);
        ret->n_ip_allow = db_texts(rows, 0, 5, a, &ret->ip_allow);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

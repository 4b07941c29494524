/* Statements of identities, logins and what group rules gave. */
#include "controlplane/store/user_identities.h"

#include "controlplane/store/roles.h"

#define FLOWS_MAX 20000 /* under way at once: anybody can begin one */

bool login_flow_create(struct tx *t, const uint8_t state_hash[static 32],
                       const uint8_t cookie_hash[static 32], const struct login_flow *f,
                       struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "INSERT INTO login_flows (state_hash, issuer_id, nonce, verifier, cookie_hash, "
                 "return_to, expires_at) SELECT $1, $2, $3, $4, $5, $6, now() + interval '10 "
                 "minutes' WHERE (SELECT count(*) FROM (SELECT FROM login_flows LIMIT $7) x) < $7 "
                 "RETURNING 1",
                 DB_BYTES(state_hash, 32), DB_UUID(&f->issuer), DB_STR(f->nonce),
                 DB_STR(f->verifier), DB_BYTES(cookie_hash, 32), DB_STR(f->return_to),
                 DB_I64(FLOWS_MAX))) {
        return false;
    }
    bool made = db_count(rows) == 1;
    db_rows_free(rows);
    return made || error_set(err, ERR_OVERLOADED, "too many sign-ins are under way");
}

bool login_flow_take(struct tx *t, const uint8_t state_hash[static 32],
                     const uint8_t cookie_hash[static 32], struct arena *a, struct login_flow *ret,
                     struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "DELETE FROM login_flows WHERE state_hash = $1 AND cookie_hash = $2 AND "
                 "expires_at > now() RETURNING issuer_id, nonce, verifier, return_to",
                 DB_BYTES(state_hash, 32), DB_BYTES(cookie_hash, 32))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        *ret = (struct login_flow){.issuer = db_uuid(rows, 0, 0),
                                   .nonce = arena_str(a, db_text(rows, 0, 1)),
                                   .verifier = arena_str(a, db_text(rows, 0, 2)),
                                   .return_to = arena_str(a, db_text(rows, 0, 3))};
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool login_flows_delete_ended(struct tx *t, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "DELETE FROM login_flows WHERE expires_at < now()")) {
        return false;
    }
    *ret_n = db_affected(rows);
    db_rows_free(rows);
    return true;
}

static bool take_user(struct db_rows *rows, struct arena *a, struct identity_user *ret,
                      struct error *err)
{
    bool found = db_count(rows) == 1;
    if (found) {
        *ret = (struct identity_user){.id = db_uuid(rows, 0, 0),
                                      .email = arena_str(a, db_text(rows, 0, 1)),
                                      .name = arena_str(a, db_text(rows, 0, 2)),
                                      .disabled = db_bool(rows, 0, 3),
                                      .platform_admin = db_bool(rows, 0, 4)};
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool identity_find(struct tx *t, const struct uuid *issuer, struct str subject, struct arena *a,
                   struct identity_user *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err,
                   "SELECT u.id, u.email, u.name, u.disabled, u.platform_admin FROM "
                   "user_identities i JOIN users u ON u.id = i.user_id WHERE i.issuer_id = $1 AND "
                   "i.subject = $2 FOR UPDATE OF i",
                   DB_UUID(issuer), DB_STR(subject)) &&
           take_user(rows, a, ret, err);
}

bool identity_user_by_email(struct tx *t, struct str email, struct arena *a,
                            struct identity_user *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err,
                   "SELECT id, email, name, disabled, platform_admin FROM users WHERE "
                   "lower(email) = lower($1)",
                   DB_STR(email)) &&
           take_user(rows, a, ret, err);
}

bool identity_user_create(struct tx *t, const struct identity_user *u, struct error *err)
{
    return tx_exec(t, NULL, err, "INSERT INTO users (id, email, name) VALUES ($1, $2, $3)",
                   DB_UUID(&u->id), DB_STR(u->email), DB_STR(u->name));
}

bool identity_link(struct tx *t, const struct uuid *issuer, struct str subject,
                   const struct uuid *user, const struct str *groups, size_t n_groups,
                   struct error *err)
{
    return tx_exec(t, NULL, err,
                   "INSERT INTO user_identities (issuer_id, subject, user_id, groups, "
                   "last_login_at) VALUES ($1, $2, $3, $4, now()) ON CONFLICT (issuer_id, subject) "
                   "DO UPDATE SET groups = excluded.groups, last_login_at = now()",
                   DB_UUID(issuer), DB_STR(subject), DB_UUID(user), DB_TEXTS(groups, n_groups));
}

/* By public id where the text is one, else by name. */
static bool find_named(struct tx *t, const char *prefix, const char *by_id, const char *by_name,
                       const struct uuid *organization, struct str text, struct uuid *ret,
                       struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid id;
    bool is_id = uuid_parse_public(prefix, text, &id);
    struct db_param second = is_id ? DB_UUID(&id) : DB_STR(text);
    return tx_exec(t, &rows, err, is_id ? by_id : by_name,
                   organization ? DB_UUID(organization) : DB_NULL, second) &&
           object_take_id(rows, ret, err);
}

bool identity_organization(struct tx *t, struct str name_or_id, struct uuid *ret, struct error *err)
{
    return find_named(t, "org", "SELECT id FROM organizations WHERE $1::uuid IS NULL AND id = $2",
                      "SELECT id FROM organizations WHERE $1::uuid IS NULL AND lower(name) = "
                      "lower($2)",
                      NULL, name_or_id, ret, err);
}

bool identity_workspace(struct tx *t, const struct uuid *organization, struct str name_or_id,
                        struct uuid *ret, struct error *err)
{
    return find_named(t, "ws", "SELECT id FROM workspaces WHERE organization_id = $1 AND id = $2",
                      "SELECT id FROM workspaces WHERE organization_id = $1 AND lower(name) = "
                      "lower($2)",
                      organization, name_or_id, ret, err);
}

bool identity_team(struct tx *t, const struct uuid *organization, struct str name_or_id,
                   struct uuid *ret, struct error *err)
{
    return find_named(t, "team", "SELECT id FROM teams WHERE organization_id = $1 AND id = $2",
                      "SELECT id FROM teams WHERE organization_id = $1 AND (lower(name) = "
                      "lower($2) OR external_id = $2) ORDER BY workspace_id NULLS FIRST, id LIMIT "
                      "1",
                      organization, name_or_id, ret, err);
}

bool identity_role(struct tx *t, const struct uuid *organization, struct str name_or_id,
                   bool workspace, struct arena *a, struct uuid *ret_id, struct str *ret_name,
                   struct permission_set *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid id = {{0}};
    struct str *names;
    bool is_id = uuid_parse_public("role", name_or_id, &id);
    if (!tx_exec(t, &rows, err,
                 "SELECT id, name, permissions FROM roles WHERE organization_id = $1 AND scope = "
                 "$2 AND CASE WHEN $3 THEN id = $4::uuid ELSE lower(name) = lower($5::text) END",
                 DB_UUID(organization), DB_Z(workspace ? "workspace" : "organization"),
                 DB_BOOL(is_id), DB_UUID(&id), DB_STR(name_or_id))) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        *ret_id = db_uuid(rows, 0, 0);
        *ret_name = arena_str(a, db_text(rows, 0, 1));
        size_t n = db_texts(rows, 0, 2, a, &names);
        *ret = role_set(names, n, workspace);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool identity_memberships(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                          struct arena *a, struct identity_membership **ret, size_t *ret_n,
                          struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id, organization_id, workspace_id, role_id, role FROM memberships WHERE "
                 "user_id = $1 AND issuer_id = $2 ORDER BY id FOR UPDATE",
                 DB_UUID(user), DB_UUID(issuer))) {
        return false;
    }
    size_t n = db_count(rows);
    struct identity_membership *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct identity_membership){.id = db_uuid(rows, i, 0),
                                               .organization = db_uuid(rows, i, 1),
                                               .workspace = db_uuid(rows, i, 2),
                                               .role_id = db_uuid(rows, i, 3),
                                               .role = arena_str(a, db_text(rows, i, 4))};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = n;
    return list || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool identity_membership_put(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                             struct identity_membership *m, bool *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct uuid id = uuid_v7();
    if (!tx_exec(t, &rows, err,
                 "INSERT INTO memberships (id, organization_id, workspace_id, user_id, role, "
                 "role_id, owned_by, issuer_id) VALUES ($1, $2, $3, $4, $5, $6, 'oidc', $7) "
                 "ON CONFLICT (organization_id, workspace_id, user_id) DO UPDATE SET role = "
                 "excluded.role, role_id = excluded.role_id, revision = memberships.revision + 1, "
                 "updated_at = now() WHERE memberships.issuer_id = excluded.issuer_id "
                 "RETURNING id",
                 DB_UUID(&id), DB_UUID(&m->organization), DB_UUID_OR_NULL(&m->workspace),
                 DB_UUID(user), DB_STR(m->role), DB_UUID_OR_NULL(&m->role_id), DB_UUID(issuer))) {
        return false;
    }
    *ret = db_count(rows) == 1;
    if (*ret) {
        m->id = db_uuid(rows, 0, 0);
    }
    db_rows_free(rows);
    return true;
}

bool identity_membership_delete(struct tx *t, const struct uuid *id, struct error *err)
{
    return tx_exec(t, NULL, err, "DELETE FROM memberships WHERE id = $1", DB_UUID(id));
}

bool identity_teams_set(struct tx *t, const struct uuid *issuer, const struct uuid *user,
                        const struct uuid *organizations, const struct uuid *teams, size_t n,
                        struct arena *a, struct error *err)
{
    struct str *ids = object_id_texts(teams, n, a);
    if (!ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!tx_exec(t, NULL, err,
                 "DELETE FROM team_members WHERE user_id = $1 AND issuer_id = $2 AND NOT team_id = "
                 "ANY($3::text[]::uuid[])",
                 DB_UUID(user), DB_UUID(issuer), DB_TEXTS(ids, n))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!tx_exec(t, NULL, err,
                     "INSERT INTO team_members (organization_id, team_id, user_id, owned_by, "
                     "issuer_id) VALUES ($1, $2, $3, 'oidc', $4) ON CONFLICT DO NOTHING",
                     DB_UUID(&organizations[i]), DB_UUID(&teams[i]), DB_UUID(user),
                     DB_UUID(issuer))) {
            return false;
        }
    }
    return true;
}

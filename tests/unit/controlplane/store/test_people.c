/* What the rows of people grant: custom roles are no wider than the table lets them be, teams hold
 * members of the organization, and what goes with a workspace is told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/store/db.h"
#include "controlplane/store/memberships.h"
#include "controlplane/store/organizations.h"
#include "controlplane/store/roles.h"
#include "controlplane/store/service_accounts.h"
#include "controlplane/store/teams.h"
#include "pg_fixture.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct arena *arena;
static struct uuid org, rival, workspace, ann, bob, role_wide, role_there;
static const struct uuid nil;

static void must(bool ok, const struct error *err)
{
    if (!ok) {
        fail_msg("%s", error_text(err));
    }
}

static struct tx *begin(enum tx_role role, const struct uuid *organization)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(pool, role, organization, &err);
    must(t != NULL, &err);
    return t;
}

static struct uuid add(struct tx *t, const char *sql, const struct uuid *a, const struct uuid *b,
                       const struct uuid *c)
{
    struct error err = ERROR_INIT;
    struct uuid id = uuid_v7();
    must(tx_exec(t, NULL, &err, sql, DB_UUID(&id), DB_UUID_OR_NULL(a), DB_UUID_OR_NULL(b),
                 DB_UUID_OR_NULL(c)),
         &err);
    return id;
}

#define MEMBER                                                                             \
    "INSERT INTO memberships (id, organization_id, user_id, workspace_id, role, role_id) " \
    "SELECT $1, $2, $3, $4, "

static void grants_of_custom_roles_are_bounded_by_the_table(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct grant *grants;
    size_t n;
    struct tx *t = begin(TX_SYSTEM, NULL);
    must(membership_grants(t, &ann, arena, &grants, &n, &err), &err);
    assert_int_equal(n, 2);
    const struct grant *wide = uuid_is_nil(&grants[0].workspace) ? &grants[0] : &grants[1],
                       *there = wide == &grants[0] ? &grants[1] : &grants[0];
    assert_int_equal(wide->role, ROLE_CUSTOM);
    assert_true(uuid_eq(&wide->role_id, &role_wide));
    assert_true(grant_holds(wide, PERMISSION_KEY_READ));
    assert_true(grant_holds(wide, PERMISSION_TOKEN_WRITE));
    assert_false(grant_holds(wide, PERMISSION_USER_WRITE)); /* in the row, and still not theirs */
    assert_false(grant_holds(wide, PERMISSION_MODEL_READ));
    assert_int_equal(there->role, ROLE_CUSTOM);
    assert_true(grant_holds(there, PERMISSION_KEY_WRITE));
    assert_false(grant_holds(there, PERMISSION_TOKEN_WRITE)); /* none of a workspace's */
    /* a change is seen by the next that looks */
    must(tx_exec(t, NULL, &err, "UPDATE roles SET permissions = '{model.read}' WHERE id = $1",
                 DB_UUID(&role_wide)),
         &err);
    must(membership_grants(t, &ann, arena, &grants, &n, &err), &err);
    wide = uuid_is_nil(&grants[0].workspace) ? &grants[0] : &grants[1];
    assert_true(grant_holds(wide, PERMISSION_MODEL_READ));
    assert_false(grant_holds(wide, PERMISSION_KEY_READ));
    tx_rollback(t);
}

static void one_role_for_a_membership_and_it_stays_while_held(void **state)
{
    (void)state;
    static const char *const sql[] = {
        "UPDATE memberships SET role = 'owner' WHERE role_id IS NOT NULL",
        "UPDATE memberships SET role_id = NULL",
        "DELETE FROM roles",
    };
    struct error err = ERROR_INIT;
    uint64_t holders = 0;
    struct tx *t = begin(TX_TENANT, &org);
    must(role_holders(t, &role_wide, &holders, &err), &err);
    assert_int_equal(holders, 1);
    tx_rollback(t);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        t = begin(TX_TENANT, &org);
        err = (struct error)ERROR_INIT;
        assert_false(tx_exec(t, NULL, &err, sql[i]));
        assert_int_equal(err.code, ERR_INVALID_FIELD);
        tx_rollback(t);
    }
}

static void a_team_takes_who_belongs_to_the_organization(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct team_member *list, one;
    size_t n;
    bool added = false, used = true;
    struct tx *t = begin(TX_TENANT, &org);
    struct uuid team =
        add(t,
            "INSERT INTO teams (id, organization_id, workspace_id, name) VALUES ($1, $2, $3, "
            "coalesce($4::uuid::text, 'team'))",
            &org, &workspace, &nil);
    must(team_member_add(t, &org, &team, &ann, "api", &added, &err) && added, &err);
    must(team_member_add(t, &org, &team, &ann, "scim", &added, &err) && !added, &err);
    must(team_members(t, &team, NULL, 10, arena, &list, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_true(str_eqz(list[0].email, "ann@example.com") && str_eqz(list[0].owned_by, "api"));
    must(team_members(t, &team, &ann, 10, arena, &list, &n, &err), &err);
    assert_int_equal(n, 0);
    assert_false(team_member_add(t, &org, &team, &bob, "api", &added, &err)); /* the rival's */
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err = (struct error)ERROR_INIT;
    assert_true(team_usable(t, &org, &workspace, &team, &err));
    assert_false(team_usable(t, &org, &nil, &team, &err));
    err = (struct error)ERROR_INIT;
    must(team_in_use(t, &team, &used, &err) && !used, &err);
    /* one of two memberships gone: still somebody of the organization */
    struct db_rows *rows = NULL;
    must(tx_exec(t, &rows, &err, "SELECT id FROM memberships WHERE user_id = $1", DB_UUID(&ann)),
         &err);
    struct uuid first = db_uuid(rows, 0, 0), second = db_uuid(rows, 1, 0);
    db_rows_free(rows);
    must(membership_leave_teams(t, &org, &ann, &first, &err), &err);
    assert_true(team_member_find(t, &team, &ann, arena, &one, &err));
    must(tx_exec(t, NULL, &err, "DELETE FROM memberships WHERE id = $1", DB_UUID(&second)), &err);
    must(membership_leave_teams(t, &org, &ann, &first, &err), &err);
    assert_false(team_member_find(t, &team, &ann, arena, &one, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    err = (struct error)ERROR_INIT;
    assert_false(team_member_remove(t, &team, &ann, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    tx_rollback(t);
}

static void what_goes_with_a_workspace_is_found(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct organization_part *parts;
    struct str name;
    size_t n;
    struct tx *t = begin(TX_TENANT, &org);
    struct uuid team = add(t,
                           "INSERT INTO teams (id, organization_id, workspace_id, name) "
                           "VALUES ($1, $2, $3, coalesce($4::uuid::text, 'there'))",
                           &org, &workspace, &nil);
    (void)add(t,
              "INSERT INTO teams (id, organization_id, workspace_id, name) "
              "VALUES ($1, $2, $3, coalesce($4::uuid::text, 'everywhere'))",
              &org, &nil, &nil);
    (void)add(t,
              "INSERT INTO price_groups (id, organization_id, name, ratio_ppm) SELECT $1, $2, "
              "'Internal', 100000 WHERE $3::uuid IS NULL AND $4::uuid IS NULL",
              &org, &nil, &nil);
    must(organization_parts(t, &org, &workspace, arena, &parts, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(parts[0].kind, 14);
    assert_true(uuid_eq(&parts[0].id, &team));
    must(organization_parts(t, &org, NULL, arena, &parts, &n, &err), &err);
    assert_int_equal(n, 3);
    must(organization_price_group(t, &org, STR_LIT("INTERNAL"), arena, &name, &err), &err);
    assert_true(str_eqz(name, "Internal"));
    assert_false(organization_price_group(t, &rival, STR_LIT("Internal"), arena, &name, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    tx_rollback(t);
}

static void keys_of_a_service_account_are_those_that_work(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    struct uuid *keys;
    size_t n;
    struct tx *t = begin(TX_TENANT, &org);
    struct uuid account = add(t,
                              "INSERT INTO service_accounts (id, organization_id, workspace_id, "
                              "name) VALUES ($1, $2, $3, coalesce($4::uuid::text, 'bot'))",
                              &org, &workspace, &nil);
    static const char key[] =
        "INSERT INTO virtual_keys (id, organization_id, workspace_id, service_account_id, name, "
        "secret_hash, mask) VALUES ($1, $2, $3, $4, $1::text, decode(replace($1::text, '-', '') "
        "|| replace($1::text, '-', ''), 'hex'), 'x')";
    struct uuid works = add(t, key, &org, &workspace, &account),
                revoked = add(t, key, &org, &workspace, &account);
    must(tx_exec(t, NULL, &err, "UPDATE virtual_keys SET revoked_at = now() WHERE id = $1",
                 DB_UUID(&revoked)),
         &err);
    must(service_account_keys(t, &account, arena, &keys, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_true(uuid_eq(&keys[0], &works));
    tx_rollback(t);
}

static void other_owners_are_counted(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    uint64_t others = 9;
    struct tx *t = begin(TX_SYSTEM, NULL);
    struct uuid owner = add(t, MEMBER "'owner', NULL", &rival, &bob, &nil);
    must(membership_other_owners(t, &rival, &owner, &others, &err), &err);
    assert_int_equal(others, 0);
    must(membership_other_owners(t, &rival, &nil, &others, &err), &err);
    assert_int_equal(others, 1);
    must(membership_other_owners(t, &org, &owner, &others, &err), &err);
    assert_int_equal(others, 0);
    tx_rollback(t);
}

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 2);
    arena = arena_new(0);
    struct error err = ERROR_INIT;
    struct tx *t = begin(TX_SYSTEM, NULL);
    static const char organization[] = "INSERT INTO organizations (id, name) SELECT $1, $1::text "
                                       "WHERE coalesce($2::uuid, $3::uuid, $4::uuid) IS NULL";
    org = add(t, organization, &nil, &nil, &nil);
    rival = add(t, organization, &nil, &nil, &nil);
    workspace = add(t,
                    "INSERT INTO workspaces (id, organization_id, name) SELECT $1, $2, 'main' "
                    "WHERE coalesce($3::uuid, $4::uuid) IS NULL",
                    &org, &nil, &nil);
    static const char role[] =
        "INSERT INTO roles (id, organization_id, name, scope, permissions) SELECT $1, $2, "
        "$1::text, CASE WHEN $3::uuid IS NULL THEN 'organization' ELSE 'workspace' END, "
        "'{key.read,key.write,token.write,user.write,no.such}' WHERE $4::uuid IS NULL";
    role_wide = add(t, role, &org, &nil, &nil);
    role_there = add(t, role, &org, &workspace, &nil);
    static const char user[] = "INSERT INTO users (id, email) SELECT $1, CASE WHEN $2::uuid IS "
                               "NULL THEN 'bob' ELSE 'ann' END || '@example.com' "
                               "WHERE coalesce($3::uuid, $4::uuid) IS NULL";
    ann = add(t, user, &org, &nil, &nil);
    bob = add(t, user, &nil, &nil, &nil);
    (void)add(t, MEMBER "NULL, id FROM roles WHERE scope = 'organization'", &org, &ann, &nil);
    (void)add(t, MEMBER "NULL, id FROM roles WHERE scope = 'workspace'", &org, &ann, &workspace);
    must(tx_commit(t, NULL, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_of_custom_roles_are_bounded_by_the_table),
        cmocka_unit_test(one_role_for_a_membership_and_it_stays_while_held),
        cmocka_unit_test(a_team_takes_who_belongs_to_the_organization),
        cmocka_unit_test(what_goes_with_a_workspace_is_found),
        cmocka_unit_test(keys_of_a_service_account_are_those_that_work),
        cmocka_unit_test(other_owners_are_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

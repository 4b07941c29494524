/* The whole table of permissions, written down a second time: a change of one must be meant. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/rules/permission.h"

/* Columns: platform_admin owner admin billing auditor | workspace: admin manager developer viewer
 */
static const struct {
    const char *name, *granted;
} expected[PERMISSION_COUNT] = {
    {"public", "xxxxxxxxx"},
    {"signed_in", "xxxxxxxxx"},
    {"organization.read", "xxxxxxxxx"},
    {"organization.write", "xx......."},
    {"organization.manage", "x........"},
    {"workspace.read", "xxxxxxxxx"},
    {"workspace.write", "xxx..x..."},
    {"workspace.manage", "xxx......"},
    {"user.read", "xxx.x...."},
    {"user.write", "x........"},
    {"member.read", "xxx.xxx.."},
    {"member.write", "xxx..x..."},
    {"key.read", "xxx.xxxxx"},
    {"key.write", "xxx..xxx."},
    {"provider.read", "xxx.xxxxx"},
    {"provider.write", "xxx..xx.."},
    {"provider.test", "xxx..xx.."},
    {"model.read", "xxx.xxxxx"},
    {"model.write", "xxx..xx.."},
    {"config.read", "xxx.xxxxx"},
    {"config.write", "xxx..xxx."},
    {"config.publish", "xxx..xx.."},
    {"prompt.read", "xxx.xxxxx"},
    {"prompt.write", "xxx..xxx."},
    {"prompt.publish", "xxx..xx.."},
    {"catalogue.write", "xxx......"},
    {"catalogue.manage", "x........"},
    {"token.read", "xxx.x...."},
    {"token.write", "xxx......"},
    {"data_plane.read", "xxxxxxxxx"},
    {"data_plane.write", "x........"},
    {"usage.read", "xxxxxxxxx"},
    {"audit.read", "xxx.x...."},
    {"status.read", "xxxxxxxxx"},
    {"config.apply", "xxx..x..."},
    {"config.export", "xxx.xxx.."},
    {"routing.explain", "xxx..xxx."},
    {"cache.purge", "xxx..xx.."},
};

static void the_table_is_as_written_here(void **state)
{
    (void)state;
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        assert_string_equal(permission_name((enum permission)p), expected[p].name);
        assert_false(permission_granted((enum permission)p, ROLE_NONE));
        for (int r = ROLE_PLATFORM_ADMIN; r < ROLE_COUNT; r++) {
            bool want = expected[p].granted[r - ROLE_PLATFORM_ADMIN] == 'x';
            if (permission_granted((enum permission)p, (enum role)r) != want) {
                print_message("%s for %s\n", expected[p].name, role_name((enum role)r));
            }
            assert_int_equal(permission_granted((enum permission)p, (enum role)r), want);
        }
    }
    assert_false(permission_granted(PERMISSION_COUNT, ROLE_OWNER));
    assert_false(permission_granted(PERMISSION_KEY_READ, ROLE_COUNT));
}

static void role_names_go_both_ways(void **state)
{
    (void)state;
    for (int r = ROLE_PLATFORM_ADMIN; r < ROLE_COUNT; r++) {
        bool workspace = r >= ROLE_WORKSPACE_ADMIN;
        assert_int_equal(role_parse(str_of(role_name((enum role)r)), workspace), r);
    }
    assert_int_equal(role_parse(STR_LIT("viewer"), false), ROLE_NONE);
    assert_int_equal(role_parse(STR_LIT("owner"), true), ROLE_NONE);
    assert_int_equal(role_parse(STR_LIT(""), true), ROLE_NONE);
}

static void nobody_hands_out_more_than_they_hold(void **state)
{
    (void)state;
    assert_true(role_may_grant(ROLE_PLATFORM_ADMIN, ROLE_PLATFORM_ADMIN));
    assert_true(role_may_grant(ROLE_OWNER, ROLE_OWNER));
    assert_true(role_may_grant(ROLE_ADMIN, ROLE_ADMIN));
    assert_true(role_may_grant(ROLE_ADMIN, ROLE_WORKSPACE_VIEWER));
    assert_true(role_may_grant(ROLE_WORKSPACE_ADMIN, ROLE_WORKSPACE_ADMIN));
    assert_false(role_may_grant(ROLE_OWNER, ROLE_PLATFORM_ADMIN));
    assert_false(role_may_grant(ROLE_ADMIN, ROLE_OWNER));
    assert_false(role_may_grant(ROLE_WORKSPACE_ADMIN, ROLE_AUDITOR));
    assert_false(role_may_grant(ROLE_AUDITOR, ROLE_WORKSPACE_VIEWER));
    assert_false(role_may_grant(ROLE_WORKSPACE_MANAGER, ROLE_WORKSPACE_VIEWER));
    assert_false(role_may_grant(ROLE_OWNER, ROLE_NONE));
}

static void a_scope_is_the_whole_or_single_workspaces(void **state)
{
    (void)state;
    struct uuid org = uuid_v7(), other = uuid_v7(), a = uuid_v7(), b = uuid_v7(), nil = {{0}},
                room[8];
    struct permission_scope s = {.workspaces = room};
    struct grant grants[] = {
        {.organization = org, .workspace = a, .role = ROLE_WORKSPACE_DEVELOPER},
        {.organization = org, .workspace = b, .role = ROLE_WORKSPACE_VIEWER},
        {.organization = other, .role = ROLE_OWNER},
    };
    assert_true(permission_scope(PERMISSION_KEY_WRITE, grants, 3, &org, &s));
    assert_false(s.whole);
    assert_true(permission_scope_covers(&s, &a));
    assert_false(permission_scope_covers(&s, &b)); /* may only look */
    assert_false(permission_scope_covers(
        &s, &nil)); /* what the organization shares is not theirs to change */
    assert_true(permission_scope(PERMISSION_KEY_READ, grants, 3, &org, &s));
    assert_true(permission_scope_covers(&s, &b));
    assert_true(permission_scope(PERMISSION_KEY_WRITE, grants, 3, &other, &s));
    assert_true(s.whole && permission_scope_covers(&s, &a));
    struct uuid third = uuid_v7();
    assert_false(permission_scope(PERMISSION_KEY_READ, grants, 3, &third, &s));
    struct grant platform = {.role = ROLE_PLATFORM_ADMIN};
    assert_true(permission_scope(PERMISSION_KEY_READ, &platform, 1, &third, &s) && s.whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_as_written_here),
        cmocka_unit_test(role_names_go_both_ways),
        cmocka_unit_test(nobody_hands_out_more_than_they_hold),
        cmocka_unit_test(a_scope_is_the_whole_or_single_workspaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

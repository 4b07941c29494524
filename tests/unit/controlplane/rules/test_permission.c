/* The whole table of permissions, written down a second time: a change of one must be meant. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/buffer.h"
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
    {"team.read", "xxxxxxxxx"},
    {"team.write", "xxx..x..."},
    {"service_account.read", "xxx.xxxxx"},
    {"service_account.write", "xxx..xx.."},
    {"role.read", "xxxxxxxxx"},
    {"role.write", "xx......."},
    {"budget.read", "xxxxxxxxx"},
    {"budget.write", "xxxx.x..."},
    {"budget.write_off", "xx.x....."},
    {"limit.read", "xxxxxxxxx"},
    {"limit.write", "xxx..xx.."},
    {"alert.read", "xxxxxxxxx"},
    {"price.read", "xxxxxxxxx"},
    {"price.write", "xxxx....."},
    {"price.publish", "xx.x....."},
    {"statement.read", "xxxxxx..."},
    {"issuer.read", "xxx.x...."},
    {"issuer.write", "xx......."},
    {"session.read", "xxx.x...."},
    {"session.revoke", "xxx......"},
    {"secret.read", "xxx.x...."},
    {"secret.reseal", "x........"},
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

static void every_permission_says_what_it_is_for(void **state)
{
    (void)state;
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        size_t len = strlen(permission_text((enum permission)p));
        assert_true(len > 8 && len < 100);
        assert_int_equal(permission_parse(str_of(permission_name((enum permission)p))), p);
    }
    assert_int_equal(permission_parse(STR_LIT("key.reed")), PERMISSION_COUNT);
    assert_int_equal(permission_parse(STR_LIT("")), PERMISSION_COUNT);
}

static void role_names_go_both_ways(void **state)
{
    (void)state;
    for (int r = ROLE_PLATFORM_ADMIN; r < ROLE_COUNT; r++) {
        bool workspace = r >= ROLE_WORKSPACE_ADMIN;
        assert_int_equal(role_parse(str_of(role_name((enum role)r)), workspace), r);
        assert_int_equal(role_of_workspace((enum role)r), workspace);
        for (int other = ROLE_PLATFORM_ADMIN; other < r; other++) {
            assert_string_not_equal(role_key((enum role)r), role_key((enum role)other));
        }
    }
    assert_int_equal(role_parse(STR_LIT("custom"), false), ROLE_NONE);
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
    assert_false(role_may_grant(ROLE_OWNER, ROLE_CUSTOM));
    assert_false(
        role_may_grant(ROLE_ADMIN, ROLE_BILLING)); /* publishes prices, writes leases off */
    /* each role of a workspace holds what those below it hold */
    for (int r = ROLE_WORKSPACE_ADMIN; r < ROLE_WORKSPACE_VIEWER; r++) {
        struct permission_set more = role_permissions((enum role)r),
                              less = role_permissions((enum role)(r + 1));
        assert_true(permission_within(&less, &more) && !permission_within(&more, &less));
        assert_true(role_may_grant(ROLE_ADMIN, (enum role)r));
    }
}

static struct permission_set set_of(enum permission a, enum permission b)
{
    struct permission_set s = {{0, 0}};
    permission_add(&s, a);
    permission_add(&s, b);
    return s;
}

static void sets_hold_what_was_put_in(void **state)
{
    (void)state;
    struct permission_set s = set_of(PERMISSION_KEY_READ, PERMISSION_SECRET_RESEAL);
    for (int p = 0; p <= PERMISSION_COUNT; p++) {
        assert_int_equal(permission_in(&s, (enum permission)p),
                         p == PERMISSION_KEY_READ || p == PERMISSION_SECRET_RESEAL);
    }
    permission_add(&s, PERMISSION_COUNT); /* nothing */
    struct permission_set one = set_of(PERMISSION_KEY_READ, PERMISSION_KEY_READ), none = {{0, 0}};
    assert_true(permission_within(&one, &s) && !permission_within(&s, &one));
    assert_true(permission_within(&none, &none));
    struct permission_set both = permission_union(&one, &s);
    assert_memory_equal(&both, &s, sizeof s);
}

static void a_custom_role_never_holds_what_is_the_platforms(void **state)
{
    (void)state;
    struct permission_set organization = role_permissions_most(false),
                          workspace = role_permissions_most(true),
                          owner = role_permissions(ROLE_OWNER),
                          admin = role_permissions(ROLE_WORKSPACE_ADMIN);
    assert_memory_equal(&organization, &owner, sizeof owner);
    assert_memory_equal(&workspace, &admin, sizeof admin);
    static const enum permission platform[] = {
        PERMISSION_ORGANIZATION_MANAGE, PERMISSION_USER_WRITE, PERMISSION_PLANE_WRITE,
        PERMISSION_CATALOGUE_MANAGE, PERMISSION_SECRET_RESEAL};
    for (size_t i = 0; i < sizeof platform / sizeof *platform; i++) {
        assert_false(permission_in(&organization, platform[i]));
        assert_false(permission_in(&workspace, platform[i]));
    }
    assert_false(permission_in(&organization, PERMISSION_SIGNED_IN));
    assert_false(permission_in(&workspace, PERMISSION_TOKEN_WRITE));
}

static void a_custom_grant_holds_its_set_and_what_everybody_has(void **state)
{
    (void)state;
    struct grant g = {.role = ROLE_CUSTOM,
                      .permissions = set_of(PERMISSION_KEY_READ, PERMISSION_MEMBER_WRITE)};
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        assert_int_equal(grant_holds(&g, (enum permission)p),
                         p == PERMISSION_PUBLIC || p == PERMISSION_SIGNED_IN ||
                             p == PERMISSION_KEY_READ || p == PERMISSION_MEMBER_WRITE);
    }
    struct grant nothing = {.role = ROLE_NONE, .permissions = g.permissions};
    assert_false(grant_holds(&nothing, PERMISSION_KEY_READ));
}

static void what_may_be_given_is_what_is_held_there(void **state)
{
    (void)state;
    struct uuid org = uuid_v7(), other = uuid_v7(), a = uuid_v7(), b = uuid_v7(), nil = {{0}};
    struct grant grants[] = {
        {.organization = org,
         .role = ROLE_CUSTOM,
         .permissions = set_of(PERMISSION_MEMBER_WRITE, PERMISSION_TEAM_READ)},
        {.organization = org, .workspace = a, .role = ROLE_WORKSPACE_VIEWER},
        {.organization = other, .role = ROLE_OWNER},
    };
    struct permission_set team = set_of(PERMISSION_TEAM_READ, PERMISSION_TEAM_READ),
                          key = set_of(PERMISSION_TEAM_READ, PERMISSION_KEY_READ),
                          write = set_of(PERMISSION_KEY_WRITE, PERMISSION_KEY_READ);
#define GIVES(by, set, o, w) grants_may_give(grants, 3, PERMISSION_##by, set, o, w)
    assert_true(GIVES(MEMBER_WRITE, &team, &org, &nil));
    assert_false(GIVES(TOKEN_WRITE, &team, &org, &nil));
    assert_false(GIVES(MEMBER_WRITE, &key, &org, &nil)); /* held in workspace a only */
    assert_true(GIVES(MEMBER_WRITE, &key, &org, &a));    /* two roles together */
    assert_false(GIVES(MEMBER_WRITE, &key, &org, &b));
    assert_false(GIVES(MEMBER_WRITE, &write, &org, &a));
    assert_true(GIVES(MEMBER_WRITE, &write, &other, &a)); /* an owner there */
    struct uuid third = uuid_v7();
    assert_false(GIVES(MEMBER_WRITE, &team, &third, &nil));
    assert_false(grants_may_give(grants, 0, PERMISSION_MEMBER_WRITE, &team, &org, &nil));
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

/* The table as docs/permissions.md has it: a column a role, a row a permission. */
static void write_table(struct buffer *b)
{
    buffer_append_z(b, "| Permission | |");
    for (int r = ROLE_OWNER; r < ROLE_COUNT; r++) {
        buffer_printf(b, " %s%s |", role_name((enum role)r),
                      role_of_workspace((enum role)r) ? " (workspace)" : "");
    }
    buffer_append_z(b, "\n|---|---|");
    for (int r = ROLE_OWNER; r < ROLE_COUNT; r++) {
        buffer_append_z(b, ":-:|");
    }
    for (int p = PERMISSION_SIGNED_IN + 1; p < PERMISSION_COUNT; p++) {
        buffer_printf(b, "\n| `%s` | %s |", permission_name((enum permission)p),
                      permission_text((enum permission)p));
        for (int r = ROLE_OWNER; r < ROLE_COUNT; r++) {
            buffer_append_z(b,
                            permission_granted((enum permission)p, (enum role)r) ? " x |" : "  |");
        }
    }
    buffer_append_z(b, "\n");
}

static void the_manual_shows_the_table(void **state)
{
    static const char path[] = "docs/permissions.md", begin[] = "<!-- table -->\n",
                      end[] = "<!-- end of table -->";
    static char text[1 << 16];
    struct buffer b;
    (void)state;
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    char *from = strstr(text, begin), *to = strstr(text, end);
    assert_true(from && to && from < to);
    from += sizeof begin - 1;
    buffer_init(&b, 1 << 16);
    write_table(&b);
    struct str want = buffer_str(&b), have = {from, (size_t)(to - from)};
    if (!str_eq(want, have)) {
        printf("%s does not show the table of permission.c, which is:\n%.*s", path, STR_ARG(want));
    }
    assert_true(str_eq(want, have));
    buffer_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_as_written_here),
        cmocka_unit_test(every_permission_says_what_it_is_for),
        cmocka_unit_test(role_names_go_both_ways),
        cmocka_unit_test(nobody_hands_out_more_than_they_hold),
        cmocka_unit_test(sets_hold_what_was_put_in),
        cmocka_unit_test(a_custom_role_never_holds_what_is_the_platforms),
        cmocka_unit_test(a_custom_grant_holds_its_set_and_what_everybody_has),
        cmocka_unit_test(what_may_be_given_is_what_is_held_there),
        cmocka_unit_test(a_scope_is_the_whole_or_single_workspaces),
        cmocka_unit_test(the_manual_shows_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* With very many entities, everything is put together once for the planes of a while: the next new
 * plane gets that, and then what changed since. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "controlplane/config_rows.h"
#include "controlplane/snapshot/state.h"

static struct pg_fixture pg;
static struct db_pool *pool;
static struct seal_keys *keys;
static struct uuid group, org, ws;
static unsigned keys_made;

static int setup(void **state)
{
    (void)state;
    if (!pg_fixture_start(&pg)) {
        return -1;
    }
    pool = db_pool_new(pg.service_url, 6);
    keys = rows_seal_keys();
    assert_true(uuid_parse(STR_LIT(ROWS_GROUP), &group));
    org = rows_organization(pool, "large");
    ws = rows_workspace(pool, &org, "ws");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    seal_keys_free(keys);
    db_pool_free(pool);
    pg_fixture_stop(&pg);
    return 0;
}

static uint64_t make_keys(struct state *s, unsigned n)
{
    char name[32];
    uint64_t version = 0;
    struct error err = ERROR_INIT;
    bool changed;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "k-%u", keys_made++);
        (void)rows_key(pool, &org, &ws, name, &version);
    }
    if (s && !state_refresh(s, &changed, &err)) {
        fail_msg("%s", error_text(&err));
    }
    return version;
}

static struct state *load(unsigned full_kept_from)
{
    struct error err = ERROR_INIT;
    struct state_config c = {.pool = pool, .keys = keys, .full_kept_from = full_kept_from};
    struct state *s = state_load(&c, &err);
    assert_non_null(s);
    return s;
}

static uint64_t version_for(struct state *s, uint64_t have)
{
    struct run *r = state_run(s, &group, have, NULL);
    assert_non_null(r);
    uint64_t version = run_version(r);
    run_unref(r);
    return version;
}

static void test_everything_is_kept_for_a_while(void **state)
{
    (void)state;
    (void)make_keys(NULL, 40);
    struct state *s = load(1);
    uint64_t before = version_for(s, 0), later = make_keys(s, 1);
    assert_true(later > before);
    assert_int_equal(version_for(s, 0), before);     /* what was put together before */
    assert_int_equal(version_for(s, before), later); /* and what changed since */
    later = make_keys(s, 10);
    assert_int_equal(version_for(s, 0), later); /* too much has changed: made anew */
    state_free(s);
}

static void test_a_small_configuration_is_always_new(void **state)
{
    (void)state;
    struct state *s = load(100000);
    uint64_t before = version_for(s, 0), later = make_keys(s, 1);
    assert_true(later > before);
    assert_int_equal(version_for(s, 0), later);
    state_free(s);
}

static void toggle_group(struct state *s)
{
    struct error err = ERROR_INIT;
    bool changed;
    struct tx *t = rows_begin(pool);
    ROWS_EXEC(t, "UPDATE data_plane_groups SET serves_all = NOT serves_all WHERE id = $1",
              DB_UUID(&group));
    rows_commit(t, NULL);
    assert_true(state_refresh(s, &changed, &err));
    assert_true(changed);
}

/* Else a plane would get the same again for ever: of the version at which the group began to see
 * something else, no delta goes on. */
static void test_what_is_void_is_not_kept(void **state)
{
    (void)state;
    struct state *s = load(1);
    toggle_group(s);
    toggle_group(s);
    uint64_t before = version_for(s, 0), later = make_keys(s, 1);
    assert_true(later > before);
    assert_int_equal(version_for(s, 0), later);
    assert_int_equal(version_for(s, before), later);
    state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_kept_for_a_while),
        cmocka_unit_test(test_a_small_configuration_is_always_new),
        cmocka_unit_test(test_what_is_void_is_not_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* routing/walk_aside.c, walk_place.c: hedges, mirrors, trees that stand in the places of leaves. */
#include "walk_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_release(&rig);
    return 0;
}

#define P(x) "{\"provider\":\"" x "\"}"
#define NODE(mode, more, targets) \
    "{\"strategy\":{\"mode\":\"" mode "\"" more "},\"targets\":[" targets "]}"

/* ---- asides ---- */

static void hedge_offers_the_second(void **state)
{
    (void)state;
    rig_config(&rig,
               NODE("hedge", ",\"after_ms\":150",
                    P("a") "," P("none") "," NODE("priority", "", P("b") "," P("c")) "," P("d")));
    assert_string_equal(rig_first(&rig), "a");
    assert_int_equal(rig.step.hedge_after_ms, 150);
    assert_true(str_eqz(rig.step.hedge_place->option, "config.targets[2].targets[0]") ||
                str_eqz(rig.step.hedge_place->option, "config.targets[2].targets[1]"));
    assert_ptr_equal(rig.step.hedge_place->leaf, rig.step.hedge);
    assert_ptr_equal(rig.step.hedge_state, rig_target(&rig, rig.step.hedge->provider));
    /* it was not needed: a failure goes on to the second */
    const char *second = rig_fail_500(&rig);
    assert_true(strcmp(second, "b") == 0 || strcmp(second, "c") == 0);
    assert_true(str_eqz(rig.step.hedge->provider, "d"));
    /* both failed */
    assert_string_equal(rig_next(&rig, (struct walk_failure){.status = 500, .hedge_started = true}),
                        second[0] == 'b' ? "c" : "b");
    assert_null(rig.step.hedge);
    assert_string_equal(rig_fail_500(&rig), "END");
}

static void hedge_waits_for_the_p95(void **state)
{
    (void)state;
    rig_config(&rig, NODE("hedge", "", P("a") "," P("b")));
    assert_string_equal(rig_first(&rig), "a");
    assert_null(rig.step.hedge); /* not known yet */
    rig_sample(&rig, "a", 400000, 40);
    assert_string_equal(rig_first(&rig), "a");
    assert_non_null(rig.step.hedge);
    assert_true(rig.step.hedge_after_ms > 330 && rig.step.hedge_after_ms < 480);
    rig_open(&rig, "b", 60000);
    assert_string_equal(rig_first(&rig), "a");
    assert_null(rig.step.hedge);
    rig_open(&rig, "a", 30000);
    assert_string_equal(rig_first(&rig), "a"); /* both are shut: the first to reopen, alone */
    assert_null(rig.step.hedge);
}

static void mirrors_get_copies_of_the_first_try(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"mirror\"},\"targets\":[" NODE(
                   "fallback", "",
                   P("a") "," P("b")) "," P("x") "," P("none") "," NODE("fallback", "",
                                                                        P("y") "," P(
                                                                            "z")) "," P("w") "]}");
    rig_open(&rig, "y", 60000);
    rig_open(&rig, "w", 60000);
    assert_string_equal(rig_first(&rig), "a");
    assert_int_equal(rig.step.n_mirrors, 2);
    assert_true(str_eqz(rig.step.mirrors[0]->provider, "x"));
    assert_true(str_eqz(rig.step.mirrors[1]->provider, "z"));
    assert_ptr_equal(rig.step.mirror_places[1].leaf, rig.step.mirrors[1]);
    assert_true(str_eqz(rig.step.mirror_places[1].option, "config.targets[3].targets[1]"));
    assert_string_equal(rig_fail_500(&rig), "b");
    assert_int_equal(rig.step.n_mirrors, 0);
    assert_false(rig.step.may_go_on); /* a copy's target never answers */
    assert_string_equal(rig_fail_500(&rig), "END");
}

static void mirrors_are_sampled(void **state)
{
    (void)state;
    unsigned n = 0;
    rig_config(&rig, NODE("mirror", ",\"sample\":20", P("a") "," P("b")));
    for (int i = 0; i < 2000; i++) {
        (void)rig_first(&rig);
        n += rig.step.n_mirrors == 1;
    }
    assert_true(n > 330 && n < 470);
}

/* ---- trees in the places of leaves ---- */

static void an_alias_is_walked_in_its_place(void **state)
{
    (void)state;
    rig_config(&rig, NODE("fallback", "", P("alias-x") "," P("d")));
    rig_alias(&rig, "alias-x", NODE("fallback", "", P("a") "," P("alias-y")));
    rig_alias(&rig, "alias-y", P("b"));
    assert_string_equal(rig_first(&rig), "a");
    assert_ptr_equal(rig.step.tree, rig.aliases[0].tree);
    assert_ptr_equal(rig.step.outer, rig.tree->root->children[0]);
    assert_true(str_eqz(walk_option(rig.walk), "config.targets[0].targets[0]"));
    assert_string_equal(rig_fail_500(&rig), "b");
    assert_ptr_equal(rig.step.outer, rig.aliases[0].tree->root->children[1]);
    assert_true(str_eqz(walk_option(rig.walk), "config.targets[0].targets[1]"));
    assert_string_equal(rig_fail_500(&rig), "d");
    assert_null(rig.step.outer);
    assert_true(str_eqz(walk_option(rig.walk), "config.targets[1]"));
    assert_string_equal(rig_fail_500(&rig), "END");
    assert_true(str_eqz(walk_option(rig.walk), "config.targets[1]"));
}

static void the_outer_leafs_settings_hold_where_the_inner_has_none(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"single\"},\"targets\":[{\"provider\":\"alias-x\","
                     "\"retry\":{\"attempts\":1},\"request_timeout\":700,\"circuit_breaker\":{"
                     "\"threshold\":7},\"cache\":{\"mode\":\"simple\",\"max_age\":70},"
                     "\"override_params\":{\"model\":\"m\",\"top_p\":1,\"seed\":1}}]}");
    rig_alias(
        &rig, "alias-x",
        "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[" P(
            "a") ",{\"provider\":\"b\",\"retry\":"
                 "{\"attempts\":0},\"request_timeout\":900,\"circuit_breaker\":{\"threshold\":9},"
                 "\"override_params\":{\"seed\":2}}]}");
    assert_string_equal(rig_first(&rig), "a");
    const struct route_settings *s = rig.step.settings;
    assert_int_equal(s->request_timeout_ms, 700);
    assert_int_equal(s->breaker.threshold, 7);
    assert_int_equal(s->cache.max_age_s, 70);
    assert_true(str_eqz(s->override_json, "{\"top_p\":1,\"seed\":1}"));
    assert_string_equal(rig_fail_500(&rig), "a");
    assert_true(rig.step.retry);
    assert_string_equal(rig_fail_500(&rig), "b");
    s = rig.step.settings;
    assert_int_equal(s->request_timeout_ms, 900);
    assert_int_equal(s->breaker.threshold, 9);
    assert_int_equal(s->cache.max_age_s, 70);
    assert_true(str_eqz(s->override_json, "{\"seed\":2,\"top_p\":1}"));
    assert_string_equal(rig_fail_500(&rig), "END");
}

static void an_alias_of_itself_ends(void **state)
{
    (void)state;
    rig_config(&rig, P("alias-x"));
    rig_alias(&rig, "alias-x", NODE("fallback", "", P("alias-y") "," P("alias-x")));
    rig_alias(&rig, "alias-y", NODE("weighted", "", P("alias-x")));
    assert_string_equal(rig_first(&rig), "END");
    assert_int_equal(rig.step.reason, WALK_TOO_DEEP);
    rig_config(&rig, NODE("fallback", "", P("alias-x") "," P("a")));
    assert_string_equal(rig_order(&rig), "a");
}

static void assignments_are_joined(void **state)
{
    (void)state;
    rig_config(&rig, NODE("split", "",
                          "{\"name\":\"canary\",\"share\":100,\"provider\":\"alias-x\"},"
                          "{\"share\":0,\"provider\":\"b\"}"));
    rig_alias(&rig, "alias-x",
              NODE("split", "",
                   "{\"share\":0,\"provider\":\"b\"},"
                   "{\"name\":\"eu\",\"share\":100,\"provider\":\"a\"}"));
    assert_string_equal(rig_first(&rig), "a");
    assert_true(str_eqz(walk_assignment(rig.walk), "canary/eu"));
    assert_string_equal(rig_fail_500(&rig), "END");
    assert_true(str_eqz(walk_assignment(rig.walk), "canary/eu"));
    rig_config(&rig, P("a"));
    (void)rig_first(&rig);
    assert_true(str_eqz(walk_assignment(rig.walk), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(hedge_offers_the_second),
        T(hedge_waits_for_the_p95),
        T(mirrors_get_copies_of_the_first_try),
        T(mirrors_are_sampled),
        T(an_alias_is_walked_in_its_place),
        T(the_outer_leafs_settings_hold_where_the_inner_has_none),
        T(an_alias_of_itself_ends),
        T(assignments_are_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

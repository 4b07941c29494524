/* routing/choose*.c: which target each mode takes, in what proportion, and what is passed over. */
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

/* Firsts of n walks, counted by the provider's last letter: "a" is 0. */
static void count_firsts(unsigned n, unsigned *counts, size_t n_counts)
{
    memset(counts, 0, n_counts * sizeof(*counts));
    for (unsigned i = 0; i < n; i++) {
        const char *said = rig_first(&rig);
        size_t at = (size_t)(said[strlen(said) - 1] - 'a');
        assert_true(at < n_counts);
        counts[at]++;
    }
}

static void single_takes_the_first_and_no_other(void **state)
{
    (void)state;
    rig_config(&rig, "{\"targets\":[{\"provider\":\"a\"},{\"provider\":\"b\"}]}");
    assert_string_equal(rig_order(&rig), "a");
    rig_open(&rig, "a", 60000);
    assert_string_equal(rig_order(&rig), "a");
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"single\",\"failover\":1},\"targets\":[{\"provider\":"
               "\"a\"},{\"provider\":\"b\"},{\"provider\":\"c\"}]}");
    assert_string_equal(rig_order(&rig), "b c");
}

static void a_leaf_alone_is_a_config(void **state)
{
    (void)state;
    rig_config(&rig, "{\"provider\":\"a\"}");
    assert_string_equal(rig_order(&rig), "a");
}

static void weighted_draws_by_weight(void **state)
{
    (void)state;
    unsigned counts[4], parts[4] = {1, 2, 7, 0};
    rig_config(&rig, "{\"strategy\":{\"mode\":\"loadbalance\"},\"targets\":[{\"provider\":\"a\","
                     "\"weight\":0.1},{\"provider\":\"b\",\"weight\":0.2},{\"provider\":\"c\","
                     "\"weight\":0.7},{\"provider\":\"d\",\"weight\":0}]}");
    count_firsts(10000, counts, 4);
    assert_true(rig_chi(counts, parts, 4) < 14000);
}

/* The second draw is by weight among the rest. */
static void what_follows_a_failure_is_drawn_by_weight_too(void **state)
{
    (void)state;
    unsigned counts[3] = {0}, parts[3] = {0, 1, 3};
    rig_config(&rig, "{\"strategy\":{\"mode\":\"weighted\"},\"targets\":[{\"provider\":\"a\","
                     "\"weight\":4},{\"provider\":\"b\"},{\"provider\":\"c\",\"weight\":3}]}");
    for (unsigned i = 0; i < 10000; i++) {
        if (strcmp(rig_first(&rig), "a") == 0) {
            counts[rig_fail_500(&rig)[0] - 'a']++;
        }
    }
    assert_true(counts[1] + counts[2] > 4500);
    assert_true(rig_chi(counts, parts, 3) < 11000);
}

static void weight_zero_is_the_last_resort(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"weighted\"},\"targets\":[{\"provider\":\"z\","
                     "\"weight\":0},{\"provider\":\"a\"},{\"provider\":\"none\"}]}");
    for (int i = 0; i < 50; i++) {
        assert_string_equal(rig_order(&rig), "a z");
    }
    rig_open(&rig, "a", 60000);
    assert_string_equal(rig_order(&rig), "z");
}

static void what_is_not_usable_is_passed_over(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"weighted\"},\"targets\":[{\"provider\":\"a\"},"
                     "{\"provider\":\"b\"},{\"provider\":\"c\"},{\"provider\":\"d\"}]}");
    rig_open(&rig, "a", 60000);
    rig_cool(&rig, "b", 60000);
    rig_saturate(&rig, "c");
    for (int i = 0; i < 50; i++) {
        /* after a failure the saturated one may be tried, what is shut is not */
        assert_string_equal(rig_order(&rig), "d c");
    }
    rig.env.now_ms += 61000;
    unsigned counts[4], parts[4] = {1, 1, 1, 1};
    count_firsts(1, counts, 4);
    (void)parts;
    assert_int_equal(counts[0] + counts[1] + counts[2] + counts[3], 1);
}

static void where_all_are_shut_the_first_to_reopen_is_tried(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"a\"},"
                     "{\"provider\":\"b\"},{\"provider\":\"none\"},{\"provider\":\"c\"}]}");
    rig_open(&rig, "a", 60000);
    rig_open(&rig, "b", 20000);
    rig_cool(&rig, "c", 40000);
    assert_string_equal(rig_order(&rig), "b");
    assert_false(rig.step.probe);
    rig.env.now_ms += 20000;
    assert_string_equal(rig_first(&rig), "b"); /* reopened: a probe */
    assert_true(rig.step.probe);
    /* the probe is out: nobody else has it */
    assert_string_equal(rig_first(&rig), "b");
    assert_false(rig.step.probe);
}

static void a_probe_that_another_has_is_passed_over(void **state)
{
    (void)state;
    bool probe;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"strategy\":{\"mode\":"
                     "\"fallback\"},\"targets\":[{\"provider\":\"a\"}]},{\"provider\":\"b\"}]}");
    rig_open(&rig, "a", 1000);
    rig.env.now_ms += 2000;
    assert_true(target_admits(rig_target(&rig, STR_LIT("a")), NULL, rig.env.now_ms, &probe));
    assert_true(probe);
    assert_string_equal(rig_first(&rig), "b");
    assert_false(rig.step.probe);
    target_probe_dropped(rig_target(&rig, STR_LIT("a")));
    assert_string_equal(rig_first(&rig), "a");
    assert_true(rig.step.probe);
}

static void round_robin_takes_turns_by_weight(void **state)
{
    (void)state;
    unsigned counts[3], parts[3] = {3, 1, 0};
    rig_config(&rig, "{\"strategy\":{\"mode\":\"round_robin\"},\"targets\":[{\"provider\":\"a\","
                     "\"weight\":3},{\"provider\":\"b\"},{\"provider\":\"c\",\"weight\":0}]}");
    count_firsts(40, counts, 3);
    assert_int_equal(rig_chi(counts, parts, 3), 0);
    assert_int_equal(rig.n_random, 0);
    rig_open(&rig, "a", 60000);
    count_firsts(8, counts, 3);
    assert_int_equal(counts[1], 8);
    rig_open(&rig, "b", 60000);
    assert_string_equal(rig_order(&rig), "c");
}

static void round_robin_is_smooth(void **state)
{
    (void)state;
    char turns[9] = "";
    rig_config(&rig, "{\"strategy\":{\"mode\":\"round_robin\"},\"targets\":[{\"provider\":\"a\","
                     "\"weight\":2},{\"provider\":\"b\"},{\"provider\":\"c\"}]}");
    for (int i = 0; i < 8; i++) {
        turns[i] = rig_first(&rig)[0];
    }
    assert_memory_equal(turns, turns + 4, 4);
    assert_memory_equal(turns, "abca", 4);
    assert_string_equal(rig_order(&rig), "a b c"); /* a failure goes along the wheel */
    assert_string_equal(rig_order(&rig), "b c a");
}

static void least_latency_asks_the_unknown_first(void **state)
{
    (void)state;
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"least_latency\"},\"targets\":[{\"provider\":\"a\"},"
               "{\"provider\":\"b\"},{\"provider\":\"c\"},{\"provider\":\"d\",\"weight\":0}]}");
    rig_sample(&rig, "a", 900000, 3);
    rig_sample(&rig, "b", 200000, 3);
    assert_string_equal(rig_order(&rig), "c b a d");
    rig_sample(&rig, "c", 500000, 3);
    assert_string_equal(rig_order(&rig), "b c a d");
    rig_open(&rig, "b", 60000);
    assert_string_equal(rig_order(&rig), "c a d");
}

static void latency_of_a_group_is_its_usable_best(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"least_latency\"},\"targets\":[{\"provider\":\"a\"},"
                     "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"b\"},"
                     "{\"provider\":\"c\"}]}]}");
    rig_sample(&rig, "a", 500000, 3);
    rig_sample(&rig, "b", 100000, 3);
    rig_sample(&rig, "c", 900000, 3);
    assert_string_equal(rig_first(&rig), "b");
    rig_open(&rig, "b", 60000);
    assert_string_equal(rig_first(&rig), "a");
}

static void least_busy_counts_by_weight(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"least_busy\"},\"targets\":[{\"provider\":\"a\"},"
                     "{\"provider\":\"b\",\"weight\":4}]}");
    for (int i = 0; i < 3; i++) {
        target_started(rig_target(&rig, STR_LIT("b")), rig.env.now_ms);
    }
    target_started(rig_target(&rig, STR_LIT("a")), rig.env.now_ms);
    assert_string_equal(rig_first(&rig), "b"); /* 3/4 is less than 1 */
    target_started(rig_target(&rig, STR_LIT("b")), rig.env.now_ms);
    target_started(rig_target(&rig, STR_LIT("b")), rig.env.now_ms);
    assert_string_equal(rig_first(&rig), "a");
    for (int i = 0; i < 5; i++) {
        struct target_outcome o = {
            .success = true, .counts = true, .status = 200, .now_ms = rig.env.now_ms};
        target_finished(rig_target(&rig, STR_LIT("b")), NULL, &o, false);
    }
    assert_string_equal(rig_first(&rig), "b");
}

static void equally_busy_ones_share(void **state)
{
    (void)state;
    unsigned counts[2], parts[2] = {1, 1};
    rig_config(&rig, "{\"strategy\":{\"mode\":\"least_busy\"},\"targets\":[{\"provider\":\"a\"},"
                     "{\"provider\":\"b\"}]}");
    count_firsts(4000, counts, 2);
    assert_true(rig_chi(counts, parts, 2) < 11000);
}

static void least_cost_has_unknown_prices_last(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"least_cost\"},\"targets\":[{\"provider\":\"x\"},"
                     "{\"provider\":\"c300\"},{\"strategy\":{\"mode\":\"weighted\"},\"targets\":["
                     "{\"provider\":\"c900\"},{\"provider\":\"none\"}]},{\"provider\":\"c20\"}]}");
    assert_string_equal(rig_order(&rig), "c20 c300 c900 x");
}

static void priority_goes_by_tiers_and_weight_within(void **state)
{
    (void)state;
    unsigned counts[4], parts[4] = {0, 3, 1, 0};
    rig_config(
        &rig,
        "{\"strategy\":{\"mode\":\"priority\"},\"targets\":[{\"provider\":\"a\",\"priority\":"
        "5},{\"provider\":\"b\",\"priority\":1,\"weight\":3},{\"provider\":\"c\",\"priority\":"
        "1},{\"provider\":\"d\",\"priority\":9}]}");
    count_firsts(4000, counts, 4);
    assert_true(rig_chi(counts, parts, 4) < 12000);
    assert_string_equal(rig_order(&rig) + 3, " a d");
    rig_open(&rig, "b", 60000);
    rig_open(&rig, "c", 60000);
    assert_string_equal(rig_order(&rig), "a d");
}

/* ---- by hash ---- */

static const char *hash_config(unsigned mask)
{
    static char text[1024];
    static const char *const items[5] = {
        "{\"provider\":\"a\"}", "{\"provider\":\"b\",\"weight\":2}", "{\"provider\":\"c\"}",
        "{\"provider\":\"d\"}", "{\"provider\":\"e\",\"weight\":3}"};
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "{\"strategy\":{\"mode\":\"consistent_hash\",\"hash_fields\":["
                                "\"metadata.user\"]},\"targets\":[");
    const char *comma = "";
    for (int i = 0; i < 5; i++) {
        if (mask >> i & 1) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", comma, items[i]);
            comma = ",";
        }
    }
    (void)snprintf(text + n, sizeof(text) - n, "]}");
    return text;
}

static void firsts_of_users(char *ret, unsigned n)
{
    static char metadata[64];
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(metadata, sizeof(metadata), "{\"user\":\"u%u\"}", i);
        rig.metadata = metadata;
        ret[i] = rig_first(&rig)[0];
    }
}

static void hashing_is_stable_and_in_proportion(void **state)
{
    (void)state;
    static char once[4000], again[4000];
    unsigned counts[5] = {0}, parts[5] = {1, 2, 1, 1, 3};
    rig_config(&rig, hash_config(0x1f));
    firsts_of_users(once, 4000);
    rig.random = 7;
    rig.env.caller = STR_LIT("key_2");
    firsts_of_users(again, 4000);
    assert_memory_equal(once, again, 4000);
    assert_int_equal(rig.n_random, 0);
    for (int i = 0; i < 4000; i++) {
        counts[once[i] - 'a']++;
    }
    assert_true(rig_chi(counts, parts, 5) < 19000);
}

static void a_target_that_goes_moves_only_its_share(void **state)
{
    (void)state;
    static char all[4000], rest[4000];
    unsigned counts[5] = {0}, parts[5] = {1, 0, 1, 1, 3};
    rig_config(&rig, hash_config(0x1f));
    firsts_of_users(all, 4000);
    rig_config(&rig, hash_config(0x1d)); /* without b; the others' places have moved */
    firsts_of_users(rest, 4000);
    for (int i = 0; i < 4000; i++) {
        if (all[i] != 'b') {
            assert_int_equal(all[i], rest[i]);
        } else {
            counts[rest[i] - 'a']++;
        }
    }
    assert_true(rig_chi(counts, parts, 5) < 16000);
    /* and one that is open too, for as long as it is */
    rig_config(&rig, hash_config(0x1f));
    rig_open(&rig, "b", 60000);
    static char passed[4000];
    firsts_of_users(passed, 4000);
    assert_memory_equal(passed, rest, 4000);
}

/* Pinned: another process, another plane, another build must choose the same. */
static void the_hash_is_fixed(void **state)
{
    (void)state;
    static char firsts[33];
    rig_config(&rig, hash_config(0x1f));
    firsts_of_users(firsts, 32);
    assert_string_equal(firsts, "ecbaeceeecbebbdcdedaaecedbedecee");
}

static void without_a_field_the_caller_decides(void **state)
{
    (void)state;
    unsigned counts[5] = {0};
    static char caller[16];
    rig_config(&rig, hash_config(0x1f));
    const char *first = rig_first(&rig);
    for (int i = 0; i < 20; i++) {
        assert_string_equal(rig_first(&rig), first);
    }
    for (int i = 0; i < 200; i++) {
        (void)snprintf(caller, sizeof(caller), "key_%d", i);
        rig.env.caller = str_of(caller);
        counts[rig_first(&rig)[0] - 'a']++;
    }
    for (int i = 0; i < 5; i++) {
        assert_true(counts[i] > 5);
    }
}

static void equal_targets_share_by_their_order(void **state)
{
    (void)state;
    unsigned by_index[3] = {0}, parts[3] = {1, 1, 1};
    static char metadata[32];
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"consistent_hash\",\"hash_fields\":[\"metadata.user\"]},"
               "\"targets\":[{\"provider\":\"a\"},{\"provider\":\"a\"},{\"provider\":\"a\"}]}");
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(metadata, sizeof(metadata), "{\"user\":%d}", i);
        rig.metadata = metadata;
        (void)rig_first(&rig);
        by_index[rig.step.leaf->index]++;
    }
    assert_true(rig_chi(by_index, parts, 3) < 14000);
}

static void sticky_holds_until_its_ttl(void **state)
{
    (void)state;
    unsigned moved = 0, moved_at_once = 0;
    static char metadata[32];
    rig_config(&rig,
               "{\"strategy\":{\"mode\":\"weighted\",\"sticky\":{\"enabled\":true,"
               "\"hash_fields\":[\"metadata.user\"],\"ttl\":1000}},\"targets\":[{\"provider\":"
               "\"a\"},{\"provider\":\"b\"},{\"provider\":\"c\"},{\"provider\":\"d\"}]}");
    for (int i = 0; i < 400; i++) {
        (void)snprintf(metadata, sizeof(metadata), "{\"user\":%d}", i);
        rig.metadata = metadata;
        rig.env.wall_s = 1800000000;
        char first = rig_first(&rig)[0];
        assert_int_equal(rig_first(&rig)[0], first);
        rig.env.wall_s += 10;
        moved_at_once += rig_first(&rig)[0] != first;
        rig.env.wall_s += 990;
        moved += rig_first(&rig)[0] != first;
    }
    assert_true(moved_at_once < 20); /* about 1 percent of the ttls end in 10 s */
    assert_true(moved > 250 && moved < 350);
}

static void split_keeps_a_user_in_one_arm(void **state)
{
    (void)state;
    unsigned counts[2] = {0}, parts[2] = {9, 1};
    static char metadata[32];
    rig_config(&rig, "{\"strategy\":{\"mode\":\"split\",\"by\":[\"metadata.user\"]},\"targets\":[{"
                     "\"name\":\"stable\",\"provider\":\"a\",\"share\":90},{\"name\":\"canary\","
                     "\"provider\":\"b\",\"share\":10}]}");
    for (int i = 0; i < 5000; i++) {
        (void)snprintf(metadata, sizeof(metadata), "{\"user\":%d}", i);
        rig.metadata = metadata;
        char first = rig_first(&rig)[0];
        counts[first - 'a']++;
        assert_true(str_eqz(walk_assignment(rig.walk), first == 'a' ? "stable" : "canary"));
        rig.env.caller = STR_LIT("another");
        assert_int_equal(rig_first(&rig)[0], first);
        assert_string_equal(rig_fail_500(&rig), "END");
    }
    assert_int_equal(rig.n_random, 0);
    assert_true(rig_chi(counts, parts, 2) < 11000);
}

static void split_draws_where_nothing_decides(void **state)
{
    (void)state;
    unsigned counts[3], parts[3] = {25, 75, 0};
    rig_config(
        &rig, "{\"strategy\":{\"mode\":\"percentage\"},\"targets\":[{\"provider\":\"a\","
              "\"share\":25},{\"provider\":\"b\",\"share\":75},{\"provider\":\"c\",\"share\":0}]}");
    count_firsts(4000, counts, 3);
    assert_true(rig_chi(counts, parts, 3) < 11000);
    assert_true(str_eqz(walk_assignment(rig.walk), rig.step.leaf->index ? "1" : "0"));
    rig_open(&rig, "b", 60000);
    count_firsts(50, counts, 3);
    assert_int_equal(counts[0], 50);
}

/* The same names on two levels: independent of each other. */
static void nested_splits_do_not_choose_alike(void **state)
{
    (void)state;
    unsigned counts[4] = {0}, parts[4] = {1, 1, 1, 1};
    static char metadata[32];
#define ARMS(x, y)                                                                                \
    "{\"strategy\":{\"mode\":\"split\",\"by\":[\"metadata.user\"]},\"targets\":[{\"name\":\"x\"," \
    "\"share\":50," x "},{\"name\":\"y\",\"share\":50," y "}]}"
#define INNER(x, y)                                                                              \
    "\"strategy\":{\"mode\":\"split\",\"by\":[\"metadata.user\"]},\"targets\":[{\"name\":\"x\"," \
    "\"share\":50,\"provider\":\"" x "\"},{\"name\":\"y\",\"share\":50,\"provider\":\"" y "\"}]"
    rig_config(&rig, ARMS(INNER("a", "b"), INNER("c", "d")));
    for (int i = 0; i < 4000; i++) {
        (void)snprintf(metadata, sizeof(metadata), "{\"user\":%d}", i);
        rig.metadata = metadata;
        counts[rig_first(&rig)[0] - 'a']++;
    }
    assert_true(rig_chi(counts, parts, 4) < 17000);
    assert_int_equal(walk_assignment(rig.walk).len, 3); /* "x/y" */
}

/* ---- conditional ---- */

#define PLANS                                                                                \
    "\"conditions\":[{\"query\":{\"metadata.plan\":\"pro\"},\"then\":\"best\"},{\"query\":{" \
    "\"metadata.n\":{\"$gt\":5}},\"then\":\"many\"}]"
#define PLAN_TARGETS                                                                              \
    "\"targets\":[{\"name\":\"rest\",\"provider\":\"r\"},{\"name\":\"many\",\"provider\":\"m\"}," \
    "{\"name\":\"best\",\"provider\":\"b\"}]"

static void conditional_takes_the_first_that_holds(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"conditional\"," PLANS
                     ",\"default\":\"rest\"}," PLAN_TARGETS "}");
    rig.metadata = "{\"plan\":\"pro\",\"n\":9}";
    assert_string_equal(rig_order(&rig), "b");
    rig.metadata = "{\"plan\":\"free\",\"n\":9}";
    assert_string_equal(rig_order(&rig), "m");
    rig_open(&rig, "m", 60000); /* it knows no other */
    assert_string_equal(rig_order(&rig), "m");
    rig.metadata = NULL;
    assert_string_equal(rig_order(&rig), "r");
}

static void conditional_without_default_may_lead_nowhere(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"conditional\"," PLANS "}," PLAN_TARGETS "}");
    assert_string_equal(rig_first(&rig), "END");
    assert_int_equal(rig.step.reason, WALK_NO_CONDITION);
    rig.metadata = "{\"plan\":\"pro\"}";
    assert_string_equal(rig_first(&rig), "b");
    assert_int_equal(rig.step.reason, WALK_REASON_NONE);
}

static void conditional_with_failover_goes_on_by_its_conditions(void **state)
{
    (void)state;
    rig_config(&rig, "{\"strategy\":{\"mode\":\"conditional\",\"failover\":true," PLANS
                     ",\"default\":\"rest\"}," PLAN_TARGETS "}");
    rig.metadata = "{\"plan\":\"pro\",\"n\":9}";
    assert_string_equal(rig_order(&rig), "b m r");
    rig.metadata = "{\"plan\":\"pro\"}";
    assert_string_equal(rig_order(&rig), "b r");
}

static void conditions_see_health_and_latency(void **state)
{
    (void)state;
    rig_config(
        &rig,
        "{\"strategy\":{\"mode\":\"conditional\",\"default\":\"y\",\"conditions\":[{\"query\":{"
        "\"health.x\":\"healthy\",\"latency.x\":{\"$lte\":300}},\"then\":\"x\"},{\"query\":{"
        "\"health.x\":\"degraded\"},\"then\":\"z\"}]},\"targets\":[{\"name\":\"x\",\"provider\":"
        "\"a\"},{\"name\":\"y\",\"provider\":\"b\"},{\"name\":\"z\",\"provider\":\"c\"}]}");
    assert_string_equal(rig_first(&rig), "b"); /* its latency is not known */
    rig_sample(&rig, "a", 300000, 2);
    assert_string_equal(rig_first(&rig), "a");
    rig_sample(&rig, "a", 900000, 5);
    assert_string_equal(rig_first(&rig), "b");
    rig_saturate(&rig, "a");
    assert_string_equal(rig_first(&rig), "c");
    rig_open(&rig, "a", 60000);
    assert_string_equal(rig_first(&rig), "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        T(single_takes_the_first_and_no_other),
        T(a_leaf_alone_is_a_config),
        T(weighted_draws_by_weight),
        T(what_follows_a_failure_is_drawn_by_weight_too),
        T(weight_zero_is_the_last_resort),
        T(what_is_not_usable_is_passed_over),
        T(where_all_are_shut_the_first_to_reopen_is_tried),
        T(a_probe_that_another_has_is_passed_over),
        T(round_robin_takes_turns_by_weight),
        T(round_robin_is_smooth),
        T(least_latency_asks_the_unknown_first),
        T(latency_of_a_group_is_its_usable_best),
        T(least_busy_counts_by_weight),
        T(equally_busy_ones_share),
        T(least_cost_has_unknown_prices_last),
        T(priority_goes_by_tiers_and_weight_within),
        T(hashing_is_stable_and_in_proportion),
        T(a_target_that_goes_moves_only_its_share),
        T(the_hash_is_fixed),
        T(without_a_field_the_caller_decides),
        T(equal_targets_share_by_their_order),
        T(sticky_holds_until_its_ttl),
        T(split_keeps_a_user_in_one_arm),
        T(split_draws_where_nothing_decides),
        T(nested_splits_do_not_choose_alike),
        T(conditional_takes_the_first_that_holds),
        T(conditional_without_default_may_lead_nowhere),
        T(conditional_with_failover_goes_on_by_its_conditions),
        T(conditions_see_health_and_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

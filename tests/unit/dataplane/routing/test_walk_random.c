/* Random configs against random outcomes: every walk ends, keeps its bounds, tries only what can be
 * called, and says rightly whether a failure may lead on. */
#include "walk_rig.h"

static struct rig rig;
static unsigned names; /* given out: each target has its own, so that health.NAME means one below */

static unsigned dice(unsigned n)
{
    return (unsigned)rig_random(&rig, n);
}

/* A leaf of p0 … p9, some that cannot be called, some that stand for other configs. */
static void put_leaf(struct buffer *b, const char *name)
{
    unsigned n = dice(20);
    if (n < 14) {
        buffer_printf(b, "\"provider\":\"p%u\"", dice(10));
    } else if (n < 17) {
        buffer_printf(b, "\"provider\":\"none%u\"", n);
    } else {
        buffer_printf(b, "\"provider\":\"alias-%u\"", n - 17);
    }
    buffer_printf(b, ",\"name\":\"%s\"", name);
    if (dice(3) == 0) {
        buffer_printf(b, ",\"retry\":{\"attempts\":%u%s}", dice(4),
                      dice(2) ? ",\"on_status_codes\":[429,400]" : "");
    }
}

static void put_node(struct buffer *b, const char *name, unsigned depth);

static void put_strategy(struct buffer *b, enum route_mode mode, unsigned n, unsigned first)
{
    buffer_printf(b, "\"strategy\":{\"mode\":\"%s\"", route_mode_name(mode));
    if (dice(3) == 0) {
        buffer_printf(b, ",\"on_status_codes\":[429]");
    } else if (dice(3) == 0) {
        buffer_printf(b, ",\"on\":[\"timeout\",\"rate_limit\"]");
    }
    if (dice(3) == 0) {
        buffer_printf(b, ",\"failover\":%u", dice(4));
    }
    if (mode == ROUTE_CONDITIONAL) {
        buffer_printf(b,
                      ",\"conditions\":[{\"query\":{\"metadata.x\":%u},\"then\":\"t%u\"},{"
                      "\"query\":{\"health.t%u\":\"open\"},\"then\":\"t%u\"}]",
                      dice(3), first + dice(n), first, first + dice(n));
        if (dice(2)) {
            buffer_printf(b, ",\"default\":\"t%u\"", first + dice(n));
        }
    } else if (mode == ROUTE_HEDGE && dice(2)) {
        buffer_append_z(b, ",\"after_ms\":100");
    } else if (mode == ROUTE_CONSISTENT_HASH && dice(2)) {
        buffer_append_z(b, ",\"hash_fields\":[\"metadata.x\"]");
    }
    buffer_append_z(b, "}");
}

static void put_targets(struct buffer *b, enum route_mode mode, unsigned n, unsigned first,
                        unsigned depth)
{
    buffer_append_z(b, ",\"targets\":[");
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", first + i);
        buffer_append_z(b, i ? ",{" : "{");
        put_node(b, name, depth + 1);
        if (mode == ROUTE_SPLIT) {
            buffer_printf(b, ",\"share\":%u", i ? 0 : 100);
        } else {
            buffer_printf(b, ",\"weight\":%u", i == 0 ? 1 : dice(4));
        }
        buffer_append_z(b, "}");
    }
    buffer_append_z(b, "]");
}

static void put_node(struct buffer *b, const char *name, unsigned depth)
{
    if (depth == 4 || (depth > 0 && dice(2) == 0)) {
        put_leaf(b, name);
        return;
    }
    enum route_mode mode = (enum route_mode)dice(ROUTE_MODE_COUNT);
    unsigned n = 1 + dice(4);
    unsigned first = names;
    names += n;
    put_strategy(b, mode, n, first);
    buffer_printf(b, ",\"name\":\"%s\"", name);
    put_targets(b, mode, n, first, depth);
}

static const char *random_config(void)
{
    struct buffer b;
    buffer_init(&b, 1 << 20);
    buffer_append_z(&b, "{");
    put_node(&b, "root", 0);
    buffer_append_z(&b, "}");
    assert_false(b.failed);
    const char *json = arena_str(rig.arena, buffer_str(&b)).ptr;
    buffer_release(&b);
    return json;
}

static void random_health(void)
{
    for (unsigned i = 0; i < 10; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "p%u", i);
        switch (dice(6)) {
        case 0:
            rig_open(&rig, name, 300000);
            break;
        case 1:
            rig_cool(&rig, name, 300000 + dice(300000)); /* none reopens under way */
            break;
        case 2:
            rig_saturate(&rig, name);
            break;
        case 3:
            rig_sample(&rig, name, 1000 * (1 + dice(500)), 1 + dice(40));
            break;
        default:
            break;
        }
    }
}

static void check_step(void)
{
    const struct walk_step *s = &rig.step;
    assert_non_null(s->state);
    assert_null(s->leaf->strategy);
    assert_ptr_equal(s->tree->nodes[s->leaf->ordinal], s->leaf);
    assert_true(str_starts(s->leaf->provider, STR_LIT("p")));
    assert_ptr_equal(s->state, rig_target(&rig, s->leaf->provider));
    assert_true((s->tree == rig.tree) == (s->outer == NULL));
    assert_non_null(s->settings);
    assert_true(str_starts(walk_option(rig.walk), STR_LIT("config")));
    assert_true(!s->hedge || (s->hedge_after_ms > 0 && s->hedge_state &&
                              !str_eq(s->hedge_place->option, walk_option(rig.walk))));
    for (size_t i = 0; i < s->n_mirrors; i++) {
        assert_true(str_starts(s->mirrors[i]->provider, STR_LIT("p")));
        assert_non_null(s->mirror_places[i].state);
    }
}

static struct walk_failure random_failure(void)
{
    static const int statuses[] = {0, 400, 401, 408, 429, 500, 503};
    return (struct walk_failure){.kinds = dice(0x800),
                                 .status = statuses[dice(7)],
                                 .has_retry_after = dice(4) == 0,
                                 .retry_after_ms = dice(100000),
                                 .elapsed_ms = dice(10000),
                                 .last_error_is_ours = dice(8) == 0,
                                 .hedge_started = rig.step.hedge && dice(2)};
}

/* Every name that a failure may have, and the status that all lists hold: what may lead on, does.
 */
static const struct walk_failure worst = {.kinds = 0x7ff, .status = 429};

static void walk_to_the_end(bool any)
{
    unsigned n = 0;
    const char *said = rig_first(&rig);
    while (strcmp(said, "END") != 0) {
        bool may = rig.step.may_go_on;
        n++;
        assert_true(n <= WALK_MAX_TRIES);
        check_step();
        rig.env.now_ms += 1100; /* a new second: of the retry budget too */
        struct walk_failure f = any ? worst : random_failure();
        said = rig_next(&rig, f);
        bool went = strcmp(said, "END") != 0;
        if (went != may && (any || !may)) {
            fail_msg("try %u: may_go_on was %d", n, may);
        }
    }
    assert_string_equal(rig_next(&rig, worst), "END");
    assert_true(n > 0 || rig.step.reason != WALK_REASON_NONE);
}

static void random_walks_keep_the_rules(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1500; i++) {
        rig_init(&rig);
        rig.random = 1000 + i;
        rig_alias(&rig, "alias-0", random_config());
        rig_alias(&rig, "alias-1", random_config());
        rig_alias(&rig, "alias-2", "{\"provider\":\"p3\"}");
        rig_config(&rig, random_config());
        rig.metadata = dice(2) ? "{\"x\":1}" : NULL;
        random_health();
        for (unsigned k = 0; k < 4; k++) {
            walk_to_the_end(k % 2);
        }
        rig_release(&rig);
    }
}

/* What explains says of the order is what then happens. */
static void random_orders_come_true(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        struct buffer text;
        struct json_writer writer;
        struct json_value v;
        const struct walk_place *list;
        rig_init(&rig);
        rig.random = 5000 + i;
        rig_alias(&rig, "alias-0", random_config());
        rig_config(&rig, random_config());
        random_health();
        buffer_init(&text, 1 << 22);
        json_writer_init(&writer, &text);
        json_array_begin(&writer);
        rig.env.explain = &writer;
        const char *said = rig_first(&rig);
        size_t n = walk_explain_order(rig.walk, &list);
        assert_true((n == 0) == (strcmp(said, "END") == 0));
        for (size_t k = 0; k < n && rig.step.tree->root->n_children; k++) {
            assert_non_null(list[k].state);
            for (size_t j = 0; j < k; j++) {
                assert_true(list[j].leaf != list[k].leaf || list[j].outer != list[k].outer);
            }
        }
        if (n) {
            assert_ptr_equal(list[0].leaf, rig.step.leaf);
        }
        json_array_end(&writer);
        assert_true(json_validate(buffer_str(&text), 0, &v, NULL));
        buffer_release(&text);
        rig_release(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_walks_keep_the_rules),
        cmocka_unit_test(random_orders_come_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

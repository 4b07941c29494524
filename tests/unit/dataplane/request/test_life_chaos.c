/* Requests by configs of every kind, their providers, clients, timers and snapshots played by dice:
 * whatever happens, in whatever order, everything ends, and once. WEIR_TEST_ROUNDS plays longer. */
#include "dataplane/request/chaos_rig.h"

static void whatever_happens_everything_ends_once(void **state)
{
    (void)state;
    world.policy.cache = cache_store_new(8u << 20);
    const char *rounds = getenv("WEIR_TEST_ROUNDS");
    unsigned n = rounds ? (unsigned)strtoul(rounds, NULL, 10) : 1500;
    for (unsigned i = 0; i < n; i++) {
        dice = i;
        play_request("");
        if (i % 10 == 9) {
            request_end_all(&world.env);
            world.env.ending = false;
            world_end_turn();
            world_is_settled();
            world.n_records = 0;
        }
    }
    request_end_all(&world.env);
    assert_int_equal(world.counters.ended, world.counters.requests);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(whatever_happens_everything_ends_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

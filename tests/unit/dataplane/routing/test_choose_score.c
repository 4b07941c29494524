/* routing/choose_score.c: the variate behind weighted choices is exponential, on every machine the
 * same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/routing/walk_inside.h"

#define ONE (UINT64_C(1) << 57)
#define LN2 UINT64_C(99893036290645747)

static void near_to(uint64_t got, uint64_t wanted, uint64_t parts)
{
    uint64_t gap = got > wanted ? got - wanted : wanted - got;
    assert_true(gap <= wanted / parts + 1);
}

static void logarithms(void **state)
{
    (void)state;
    near_to(score_exponential(UINT64_C(1) << 63), LN2, 100000000);
    near_to(score_exponential(UINT64_C(1) << 62), 2 * LN2, 100000000);
    near_to(score_exponential(1), 64 * LN2, 100000000);
    assert_int_equal(score_exponential(0), score_exponential(1));
    /* -ln(3/4), -ln(9/10) */
    near_to(score_exponential(UINT64_C(3) << 62), UINT64_C(41459355977440403), 10000000);
    near_to(score_exponential(UINT64_MAX / 10 * 9), UINT64_C(15184050529796794), 10000000);
    /* near 1: -ln(1 - x) is x */
    near_to(score_exponential(UINT64_MAX - (UINT64_C(1) << 40)), UINT64_C(1) << 33, 1000000);
}

static void it_falls(void **state)
{
    (void)state;
    uint64_t last = UINT64_MAX;
    for (uint64_t u = 1; u < UINT64_MAX - (UINT64_MAX >> 9); u += (u >> 9) + 1) {
        uint64_t e = score_exponential(u);
        assert_true(e < last);
        last = e;
    }
}

/* The mean is 1, and e^-t of them are above t = ln 2, 2 ln 2, 3 ln 2. */
static void it_is_distributed_as_it_should(void **state)
{
    (void)state;
    enum { N = 200000 };
    uint64_t sum = 0;
    unsigned above[4] = {0};
    for (uint64_t i = 0; i < N; i++) {
        uint64_t e = score_exponential(score_mix(i));
        sum += e / N;
        for (unsigned k = 1; k < 4; k++) {
            above[k] += e > k * LN2;
        }
    }
    near_to(sum, ONE, 100);
    near_to(above[1], N / 2, 100);
    near_to(above[2], N / 4, 50);
    near_to(above[3], N / 8, 30);
}

static void the_mix_is_fixed(void **state)
{
    (void)state;
    assert_true(score_mix(0) == UINT64_C(0xe220a8397b1dcdaf)); /* splitmix64's first of seed 0 */
    assert_true(score_mix(UINT64_C(0x9e3779b97f4a7c15)) == UINT64_C(0x6e789e6aa1b965f4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logarithms),
        cmocka_unit_test(it_falls),
        cmocka_unit_test(it_is_distributed_as_it_should),
        cmocka_unit_test(the_mix_is_fixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

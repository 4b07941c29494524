/* The retry budget: requests and granted retries of the last ten seconds, by the second. */
#include "dataplane/routing/target_state_inside.h"

#define BUDGET_MS 10000u

void budget_reset(struct target_state *s)
{
    ring_reset(&s->budget, BUDGET_MS);
}

void budget_count_request(struct target_state *s, uint64_t now_ms)
{
    ring_add(&s->budget, now_ms, 1, 0);
}

bool target_may_retry(struct target_state *s, unsigned percent, unsigned minimum, uint64_t now_ms)
{
    uint32_t requests, retries, requests_now, retries_now;
    ring_sum(&s->budget, now_ms, &requests, &retries);
    ring_now(&s->budget, now_ms, &requests_now, &retries_now);
    if ((uint64_t)retries * 100 >= (uint64_t)requests * percent && retries_now >= minimum) {
        slot_count(&s->total_refused);
        return false;
    }
    ring_add(&s->budget, now_ms, 0, 1);
    return true;
}

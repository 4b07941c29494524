/* While nobody can be asked, a limit that says `local` goes by this process's share of it: the
 * amount over the planes of the last grant, in an account of its own that the authority never
 * hears of. */
#include "dataplane/limits/quota_inside.h"

#include "common/base/mem.h"

static struct quota_rule share_of(const struct quota_account *a)
{
    struct quota_rule r = a->rule;
    unsigned planes = atomic_load_explicit(&a->table->planes, memory_order_relaxed);
    planes = planes ? planes : 1;
    r.amount = r.amount && r.amount < planes ? 1 : r.amount / planes;
    r.burst = r.burst && r.burst < planes ? 1 : r.burst / planes;
    r.extra_amount /= planes;
    return r;
}

bool quota_local_grant(struct quota_account *a, uint64_t amount, int64_t wall_ms)
{
    struct quota_grant g;
    if (!a->rule.limit || a->rule.when_unavailable != ABSENT_LOCAL || a->available < 0) {
        return false;
    }
    struct quota_rule rule = share_of(a);
    struct quota_span span = {a->start_s, a->end_s};
    uint64_t missing = amount - (uint64_t)a->available;
    if (!a->local) {
        /* what this process has used of the window already counts */
        a->local = mem_alloc(sizeof(*a->local));
        if (rule.algorithm != ALGORITHM_BUCKET) {
            a->local->settled = a->used_total + a->local_used;
            a->local->held = a->in_flight + (uint64_t)a->available;
        }
    }
    quota_decide(&rule, a->local, &span, missing, missing, 1, wall_ms, &g);
    if (g.verdict != QUOTA_GRANTED) {
        return false;
    }
    *a->local = g.after;
    a->local_granted += g.granted;
    a->available += (int64_t)g.granted;
    return true;
}

void quota_local_reclaim(struct quota_account *a)
{
    uint64_t open = a->local_granted - a->local_used;
    if (open == 0 || a->available <= 0) {
        return;
    }
    uint64_t back = open < (uint64_t)a->available ? open : (uint64_t)a->available;
    a->available -= (int64_t)back;
    a->local_granted -= back;
    if (a->local_granted == a->local_used) {
        mem_free(a->local); /* reckoned anew, should it come to that again */
        a->local = NULL;
    }
}

uint64_t quota_local_use(struct quota_account *a, uint64_t used)
{
    uint64_t open = a->local_granted - a->local_used;
    uint64_t own = used < open ? used : open;
    a->local_used += own;
    return used - own;
}

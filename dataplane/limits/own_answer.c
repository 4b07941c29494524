/* Leases of the own ledger: what is free, by the rules of now. This process is the only one that
 * holds any, so nobody's part is kept back for others. */
#include "dataplane/limits/own_inside.h"

/* What the holder knows is a running total: of each the part that is new here counts. */
static void take_over(struct own_account *a, const struct lease_ask *ask,
                      const struct snap_quota *q)
{
    bool limit = q && q->rule.limit;
    if (ask->granted_total > a->granted) { /* not known here (any more): so it stands */
        a->granted = ask->granted_total;
        a->returned = ask->returned_total;
        a->spent = limit ? ask->used_total : a->spent;
        own_account_hold(a);
        return;
    }
    if (ask->returned_total > a->returned) {
        uint64_t back = ask->returned_total - a->returned;
        a->returned = ask->returned_total;
        if (limit) {
            quota_give_back(&q->rule, &a->state, back);
        }
    }
    if (limit && ask->used_total > a->spent) {
        uint64_t used = ask->used_total - a->spent;
        a->spent = ask->used_total;
        quota_spend(&q->rule, &a->state, used);
    }
    own_account_hold(a);
}

/* The part of a sliding window that came before. */
static void look_back(const struct own_ledger *l, struct own_account *a, const struct snap_quota *q,
                      const struct quota_span *span)
{
    uint8_t buf[OWN_KEY_MAX];
    struct uuid id = own_account_quota(a);
    if (!q->rule.limit || q->rule.algorithm != ALGORITHM_SLIDING || span->end_s == INT64_MAX) {
        return;
    }
    struct quota_span former = quota_span_before(&q->rule, span);
    const struct own_account *before =
        own_account_find(l, own_key(&id, former.start_s, own_account_bucket(a), buf));
    a->state.before = before ? before->state.settled : 0;
}

static void grant(struct own_ledger *l, struct own_account *a, const struct snap_quota *q,
                  const struct quota_span *span, const struct lease_ask *ask,
                  struct lease_answer *ret)
{
    int64_t now_ms = own_now_ms(l);
    uint64_t unknown = a->granted - ask->granted_total; /* granted, and the holder was not told */
    uint64_t need = ask->need > unknown ? ask->need - unknown : 0;
    uint64_t want = ask->want > unknown ? ask->want - unknown : 0;
    struct quota_grant g;
    bool waits = !q->rule.limit && !own_ledger_is_caught_up(l);
    if (waits) {
        need = want = 0;
    }
    quota_decide(&q->rule, &a->state, span, need, want, 1, now_ms, &g);
    a->granted += g.granted;
    if (q->rule
            .limit) { /* of a budget only what is held changes: the rest is the booking thread's */
        a->state = g.after;
    }
    own_account_hold(a);
    ret->state = waits && ask->need ? QUOTA_HELD : g.verdict;
    ret->reset_ms = g.reset_ms;
    quota_stands(&q->rule, &a->state, span, now_ms, &ret->amount, &ret->settled);
}

/* A token bucket that nobody asked for so long is full, like a new one. */
static int64_t fills_in_s(const struct quota_rule *r)
{
    struct quota_rule window = {.limit = true, .window = r->window};
    if (!r->limit || r->algorithm != ALGORITHM_BUCKET || r->amount == 0) {
        return 0;
    }
    struct quota_span span = quota_span_of(&window, 0);
    uint64_t times = (r->burst > r->amount ? r->burst : r->amount) / r->amount + 1;
    return (span.end_s - span.start_s) * (int64_t)(times < 1000 ? times : 1000);
}

static void answer(struct own_ledger *l, const struct lease_ask *ask, const struct snap_quota *q,
                   struct lease_answer *ret)
{
    uint8_t buf[OWN_KEY_MAX];
    int64_t now_s = own_now_ms(l) / 1000;
    struct quota_span span = {0};
    bool known = q && !q->disabled;
    if (known) {
        span = quota_span_of(&q->rule, now_s);
        known = span.start_s == ask->window_start_s;
    }
    struct str key = own_key(&ask->quota, ask->window_start_s, ask->bucket, buf);
    struct own_account *a = known ? own_account_get(l, key) : own_account_find(l, key);
    *ret = (struct lease_answer){.state = QUOTA_UNKNOWN, .granted_total = ask->granted_total};
    if (!a) {
        return;
    }
    if (!a->booked) {
        a->touched_s = now_s;
    }
    if (known) {
        a->end_s = span.end_s;
        a->keep_s = fills_in_s(&q->rule);
        look_back(l, a, q, &span);
    }
    take_over(a, ask, q);
    if (known) {
        grant(l, a, q, &span, ask, ret);
    }
    ret->granted_total = a->granted;
    ret->held = a->state.held;
}

void own_ledger_answer(struct own_ledger *l, const struct lease_ask *asks, size_t n,
                       struct lease_answer *ret_answers)
{
    for (size_t i = 0; i < n; i++) {
        void *pin = NULL;
        const struct snap_quota *q = l->config.find(l->config.arg, &asks[i].quota, &pin);
        (void)pthread_mutex_lock(&l->lock);
        answer(l, &asks[i], q, &ret_answers[i]);
        (void)pthread_mutex_unlock(&l->lock);
        l->config.release(l->config.arg, pin);
    }
    (void)pthread_mutex_lock(&l->lock);
    own_accounts_sweep(l, own_now_ms(l) / 1000);
    (void)pthread_mutex_unlock(&l->lock);
}

/* A ledger for tests of the quota table: one account per (bucket, window), any number of holders,
 * decided by quota_decide. Running totals are taken as the control plane takes them: the greatest
 * that was ever told stands. */
#ifndef TESTS_UNIT_DATAPLANE_LIMITS_QUOTA_RIG_H
#define TESTS_UNIT_DATAPLANE_LIMITS_QUOTA_RIG_H

#include "common/base/mem.h"
#include "dataplane/limits/lease_wire.h"
#include "dataplane/limits/quota.h"
#include "dataplane/net/loop.h"

#define RIG_ACCOUNTS 4096
#define RIG_HOLDERS 8
#define RIG_ASKS 256

struct rig_lease {
    uint64_t granted, returned, used; /* used: of a budget by events, of a limit by asks */
};

struct rig_account {
    char bucket[QUOTA_BUCKET_MAX + 1];
    size_t bucket_len;
    int64_t start_s;
    struct rig_lease leases[RIG_HOLDERS];
    uint64_t level_milli;
    int64_t level_ms;
};

struct rig_ledger {
    struct quota_rule rule;
    unsigned planes;
    struct rig_account *accounts;
    size_t n;
    uint64_t asks, overspent; /* samples at which settled + held was above the amount */
    bool unknown;
};

static inline int64_t lease_open(const struct rig_lease *l)
{
    return (int64_t)l->granted - (int64_t)l->returned - (int64_t)l->used;
}

static inline struct rig_account *rig_find(struct rig_ledger *g, struct str bucket, int64_t start_s)
{
    for (size_t i = 0; i < g->n; i++) {
        struct rig_account *a = &g->accounts[i];
        if (a->start_s == start_s && str_eq((struct str){a->bucket, a->bucket_len}, bucket)) {
            return a;
        }
    }
    if (!g->accounts) {
        g->accounts = mem_alloc(RIG_ACCOUNTS * sizeof(*g->accounts));
    }
    assert_true(g->n < RIG_ACCOUNTS);
    struct rig_account *a = &g->accounts[g->n++];
    a->start_s = start_s;
    a->bucket_len = bucket.len;
    memcpy(a->bucket, bucket.ptr, bucket.len);
    return a;
}

static inline void rig_state(const struct rig_account *a, struct quota_state *ret)
{
    *ret = (struct quota_state){.level_milli = a->level_milli, .level_ms = a->level_ms};
    for (unsigned i = 0; i < RIG_HOLDERS; i++) {
        int64_t open = lease_open(&a->leases[i]);
        ret->settled += a->leases[i].used;
        ret->held += open > 0 ? (uint64_t)open : 0;
    }
}

static inline void rig_sample(struct rig_ledger *g, const struct rig_account *a, int64_t now_ms)
{
    struct quota_state s;
    rig_state(a, &s);
    g->overspent += s.settled + s.held > quota_amount_at(&g->rule, now_ms);
}

/* An event of a budget was stored. */
static inline void rig_event(struct rig_ledger *g, struct str bucket, int64_t start_s,
                             unsigned holder, uint64_t amount, int64_t now_ms)
{
    struct rig_account *a = rig_find(g, bucket, start_s);
    a->leases[holder].used += amount;
    rig_sample(g, a, now_ms);
}

static inline void rig_ask(struct rig_ledger *g, const struct lease_ask *ask, unsigned holder,
                           int64_t now_ms, struct lease_answer *ret)
{
    struct quota_state s;
    struct quota_grant d;
    *ret = (struct lease_answer){.granted_total = ask->granted_total};
    g->asks++;
    if (g->unknown) {
        return;
    }
    struct quota_span span = quota_span_of(&g->rule, now_ms / 1000);
    bool now = span.start_s == ask->window_start_s;
    span = quota_span_of(&g->rule, ask->window_start_s);
    struct rig_account *a = rig_find(g, ask->bucket, ask->window_start_s);
    struct rig_lease *l = &a->leases[holder];
    l->returned = ask->returned_total > l->returned ? ask->returned_total : l->returned;
    if (g->rule.limit) {
        l->used = ask->used_total > l->used ? ask->used_total : l->used;
    }
    rig_state(a, &s);
    /* what the holder does not know that it has */
    uint64_t lost = l->granted - ask->granted_total;
    uint64_t need = ask->need > lost ? ask->need - lost : 0;
    uint64_t want = ask->want > lost ? ask->want - lost : 0;
    quota_decide(&g->rule, &s, &span, need, want, g->planes, now_ms, &d);
    l->granted += now || need == 0 ? d.granted : 0;
    a->level_milli = d.after.level_milli;
    a->level_ms = d.after.level_ms;
    rig_sample(g, a, now_ms);
    rig_state(a, &s);
    *ret = (struct lease_answer){.state = now ? (unsigned)d.verdict : QUOTA_UNKNOWN,
                                 .granted_total = l->granted,
                                 .amount = quota_amount_at(&g->rule, now_ms),
                                 .settled = s.settled,
                                 .held = s.held,
                                 .reset_ms = d.reset_ms,
                                 .scarce = d.scarce};
}

static inline void rig_free(struct rig_ledger *g)
{
    mem_free(g->accounts);
    g->accounts = NULL;
    g->n = 0;
}

/* One round trip through the bytes; how many asks. */
static inline size_t rig_exchange(struct rig_ledger *g, struct quota_table *t, unsigned holder,
                                  int64_t now_ms)
{
    struct buffer out, back;
    struct lease_ask asks[RIG_ASKS];
    struct lease_answer answers[RIG_ASKS];
    struct uuid id;
    bool former;
    size_t n_read = 0;
    buffer_init(&out, 1u << 20);
    buffer_init(&back, 1u << 20);
    size_t n = quota_gather(t, true, RIG_ASKS, &out);
    if (n > 0) {
        assert_true(lease_request_read(buffer_str(&out), &id, &former, asks, RIG_ASKS, &n_read));
        assert_true(former && uuid_eq(&id, quota_holder(t)));
        assert_int_equal(n, n_read);
        for (size_t i = 0; i < n; i++) {
            rig_ask(g, &asks[i], holder, now_ms, &answers[i]);
        }
        assert_true(lease_grant_write(&back, answers, n, g->planes));
        assert_true(quota_answered(t, buffer_str(&back)));
    }
    buffer_release(&out);
    buffer_release(&back);
    return n;
}

#endif

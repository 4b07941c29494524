/* Charges of events, write-offs, and what dead planes leave: see ledger.h. */
#include <stdlib.h>

#include "common/base/clock.h"
#include "controlplane/ledger/internal.h"

#define GONE_MAX 5000 /* leases given up in one transaction */

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_OVERLOADED, "%s", "");
}

/* A charge and where it goes. */
struct booking {
    struct ledger_charge charge;
    struct ledger_key key;
    const struct ledger_rule *rule;
    struct ledger_lease *lease;     /* NULL: none */
    struct ledger_account *account; /* NULL: nowhere */
};

static int compare_bookings(const void *a, const void *b)
{
    const struct booking *x = a, *y = b;
    int order = ledger_key_cmp(&x->key, &y->key);
    return order ? order : memcmp(x->charge.holder.b, y->charge.holder.b, 16);
}

static void book_charge(struct booking *b, struct ledger_account *account)
{
    int64_t amount = b->charge.amount;
    account->settled = add_i64(account->settled, amount);
    account->overrun = b->charge.overrun ? add_i64(account->overrun, amount) : account->overrun;
    account->dirty = true;
    if (!b->lease) {
        return;
    }
    struct ledger_lease *l = b->lease;
    int64_t before = ledger_lease_left(l);
    l->settled = add_i64(l->settled, amount);
    l->dirty = true;
    int64_t after = ledger_lease_left(l);
    if (after < 0 && l->presumed > 0) {
        /* it was written off for lost, and here it is */
        int64_t told = -after < l->presumed ? -after : l->presumed;
        l->presumed -= told;
        account->presumed -= told < account->presumed ? told : account->presumed;
        account->settled -= told < account->settled ? told : account->settled;
        after = ledger_lease_left(l);
    }
    account_move(account, NULL, before, after, 0);
}

static bool read_rules(struct tx *t, const struct booking *list, size_t n, struct arena *a,
                       struct ledger_rules *ret, struct error *err)
{
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    size_t at = 0;
    for (size_t i = 0; ids && i < n; i++) {
        if (at == 0 || !uuid_eq(&ids[at - 1], &list[i].key.quota)) {
            ids[at++] = list[i].key.quota;
        }
    }
    return ids ? rules_read(t, ids, at, a, ret, err) : out_of_room(err);
}

/* The accounts that are charged. One of a budget that is there is made if need be. */
static void add_account(struct work_book *w, const struct booking *b, int64_t now_ms)
{
    struct ledger_account x = {.key = b->key};
    if (b->rule) {
        const struct quota_span span = quota_span_of(&b->rule->rule, b->key.window_start_s);
        x.create = true;
        x.organization = b->rule->row->organization;
        x.window_end_s = span.end_s == INT64_MAX ? 0 : span.end_s;
        x.amount = to_i64(quota_amount_at(&b->rule->rule, now_ms));
    }
    work_add(w, &x);
}

static bool is_allowed(const struct booking *b, const struct ledger_rules *rules)
{
    const struct ledger_rule *rule = rules_find(rules, &b->key.quota);
    return !rule ||
           (!rule->row->limit && uuid_eq(&rule->row->organization, &b->charge.organization));
}

static bool settle(struct tx *t, const struct uuid *plane, struct booking *list, size_t n,
                   int64_t now_ms, struct arena *a, struct error *err)
{
    struct ledger_rules rules;
    struct work_book w;
    if (!read_rules(t, list, n, a, &rules, err)) {
        return false;
    }
    if (!work_init(&w, LEDGER_BUDGETS, n, n, a)) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < n; i++) {
        const struct ledger_rule *rule = rules_find(&rules, &list[i].key.quota);
        list[i].rule = rule && rule->known ? rule : NULL;
        if (is_allowed(&list[i], &rules)) {
            add_account(&w, &list[i], now_ms);
        }
    }
    if (!work_lock(t, &w, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct booking *b = &list[i];
        struct ledger_account *x = work_account(&w, &b->key);
        if (x && is_allowed(b, &rules) && uuid_eq(&x->organization, &b->charge.organization)) {
            b->account = x;
            b->lease =
                uuid_is_nil(&b->charge.holder) ? NULL : work_lease(&w, x, &b->charge.holder, plane);
        }
    }
    if (!work_leases(t, &w, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (list[i].account) {
            book_charge(&list[i], list[i].account);
        }
    }
    return alerts_raise(t, &w, &rules, now_ms, a, err) && work_write(t, &w, a, err);
}

bool ledger_settle(struct tx *t, const struct uuid *plane, const struct ledger_charge *charges,
                   size_t n, int64_t now_ms, struct error *err)
{
    if (n == 0) {
        return true;
    }
    struct arena *a = arena_new(0);
    struct booking *list = arena_zalloc(a, n * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].charge = charges[i];
        list[i].key = (struct ledger_key){charges[i].quota, charges[i].window_start_s,
                                          charges[i].bucket.ptr ? charges[i].bucket : STR_LIT("")};
    }
    if (list) {
        qsort(list, n, sizeof *list, compare_bookings);
    }
    bool ok = list ? settle(t, plane, list, n, now_ms ? now_ms : (int64_t)clock_wall_ms(), a, err)
                   : out_of_room(err);
    arena_free(a);
    return ok;
}

/* ---- what dead planes hold ---- */

/* The accounts of `open`, locked, and the leases in its order. */
static bool lock_open(struct tx *t, enum ledger_book book, const struct ledger_open *open, size_t n,
                      struct arena *a, struct work_book *w, struct ledger_rules *rules,
                      struct error *err)
{
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    if (!ids || !work_init(w, book, n, n, a)) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < n; i++) {
        ids[i] = open[i].key.quota;
        work_add(w, &(struct ledger_account){.key = open[i].key});
    }
    if (!rules_read(t, ids, n, a, rules, err) || !work_lock(t, w, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct ledger_account *x = work_account(w, &open[i].key);
        if (x) {
            (void)work_lease(w, x, &open[i].holder, &open[i].plane);
        }
    }
    return work_leases(t, w, a, err);
}

static void count_written_off(const struct ledger_rules *rules, const struct ledger_account *x,
                              int64_t amount, struct ledger_written_off *list, size_t *n)
{
    const struct ledger_rule *rule = rules_find(rules, &x->key.quota);
    enum quota_metric m = rule ? rule->rule.metric : METRIC_NONE;
    size_t i = 0;
    while (i < *n && !uuid_eq(&list[i].organization, &x->organization)) {
        i++;
    }
    if (i == *n) {
        list[(*n)++] = (struct ledger_written_off){.organization = x->organization};
    }
    int64_t *sum = m == METRIC_COST       ? &list[i].cost_nanousd
                   : m == METRIC_TOKENS   ? &list[i].tokens
                   : m == METRIC_REQUESTS ? &list[i].requests
                                          : NULL;
    if (sum) {
        *sum = add_i64(*sum, amount);
    }
    list[i].leases++;
}

bool ledger_write_off(struct tx *t, const struct uuid *plane, const struct uuid *organization,
                      uint64_t silent_ms, struct arena *a, struct ledger_written_off **ret,
                      size_t *ret_n, struct error *err)
{
    struct ledger_open *open = NULL;
    struct ledger_rules rules = {NULL, 0};
    struct work_book w = {.book = LEDGER_BUDGETS};
    size_t n = 0, n_sums = 0;
    if (!ledger_absent_list(t, LEDGER_BUDGETS, plane, organization, silent_ms, GONE_MAX, a, &open,
                            &n, err) ||
        (n > 0 && !lock_open(t, LEDGER_BUDGETS, open, n, a, &w, &rules, err))) {
        return false;
    }
    struct ledger_written_off *sums = arena_zalloc(a, (w.n_leases + 1) * sizeof *sums);
    if (!sums) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < w.n_leases; i++) {
        int64_t amount = lease_give_up(&w.leases[i], LEDGER_BUDGETS, NULL);
        if (amount > 0) {
            count_written_off(&rules, w.leases[i].account, amount, sums, &n_sums);
        }
    }
    *ret = sums;
    *ret_n = n_sums;
    return alerts_raise(t, &w, &rules, (int64_t)clock_wall_ms(), a, err) &&
           work_write(t, &w, a, err);
}

bool ledger_free_limits(struct tx *t, uint64_t silent_ms, size_t *ret_n, struct error *err)
{
    struct arena *a = arena_new(0);
    struct ledger_open *open = NULL;
    struct ledger_rules rules = {NULL, 0};
    struct work_book w = {.book = LEDGER_LIMITS};
    size_t n = 0, freed = 0;
    bool ok =
        ledger_absent_list(t, LEDGER_LIMITS, NULL, NULL, silent_ms, GONE_MAX, a, &open, &n, err) &&
        (n == 0 || lock_open(t, LEDGER_LIMITS, open, n, a, &w, &rules, err));
    for (size_t i = 0; ok && i < w.n_leases; i++) {
        const struct ledger_rule *rule = rules_find(&rules, &w.leases[i].account->key.quota);
        freed += lease_give_up(&w.leases[i], LEDGER_LIMITS,
                               rule && rule->known ? &rule->rule : NULL) > 0;
    }
    ok = ok && work_write(t, &w, a, err);
    arena_free(a);
    if (ok) {
        *ret_n = freed;
    }
    return ok;
}

/* Lease requests: see ledger.h. In order: rules, accounts (locked), leases, then each ask against
 * what stands by then, and what changed is written. */
#include "common/base/clock.h"
#include "common/log.h"
#include "controlplane/ledger/internal.h"
#include "controlplane/rules/validate.h"

#define SKEW_S 600        /* clocks of proxies may be off by so much */
#define FORMER_MAX 4000   /* leases of dead holders freed by one request; the next frees more */
#define WINDOW_S 35000000 /* longer than any calendar window */

/* One ask on its way. */
struct asked {
    const struct ledger_ask *ask;
    const struct ledger_rule *rule; /* NULL: none that is known */
    struct work_book *book;         /* NULL: it is not even looked for */
    bool open;                      /* its window is one of now: something may be granted */
    bool foreign;                   /* the plane's group does not serve it, or does no more */
    struct ledger_key key;
    struct quota_span span;
    struct ledger_account none, *account; /* &none: there is no such account */
    struct ledger_lease idle, *lease;
    uint64_t before;
};

struct leasing {
    struct tx *t;
    const struct ledger_request *q;
    struct arena *a;
    int64_t now_ms;
    unsigned planes;
    struct ledger_rules rules;
    struct work_book books[LEDGER_BOOKS];
    struct asked *asked;
    size_t n;
    struct ledger_open *former[LEDGER_BOOKS];
    size_t n_former[LEDGER_BOOKS];
};

static bool out_of_room(struct error *err)
{
    return error_set(err, ERR_OVERLOADED, "%s", "");
}

static bool serves(const struct leasing *x, const struct uuid *organization,
                   const struct uuid *workspace)
{
    return x->q->serves(x->q->arg, organization,
                        workspace && !uuid_is_nil(workspace) ? workspace : NULL);
}

/* Whether the ask's window begins where one of the rule's does and touches the time that it may be
 * at the proxy. */
static bool window_is_open(const struct quota_rule *r, int64_t start_s, int64_t now_s,
                           struct quota_span *ret)
{
    if (start_s < 0 || start_s > now_s + SKEW_S || (start_s > 0 && start_s < now_s - WINDOW_S)) {
        return false;
    }
    *ret = quota_span_of(r, start_s);
    return ret->start_s == start_s && ret->end_s > now_s - SKEW_S;
}

static void look_at(struct leasing *x, const struct ledger_ask *ask, struct asked *ret)
{
    const struct ledger_rule *rule = rules_find(&x->rules, &ask->quota);
    *ret = (struct asked){
        .ask = ask,
        .rule = rule && rule->known ? rule : NULL,
        .span = {0, INT64_MAX},
        .key = {ask->quota, ask->window_start_s, ask->bucket.ptr ? ask->bucket : STR_LIT("")}};
    ret->account = &ret->none;
    ret->lease = &ret->idle;
    ret->idle.account = &ret->none;
    if (ask->bucket.len > QUOTA_BUCKET_MAX || !validate_utf8(ask->bucket)) {
        ret->rule = NULL;
        return;
    }
    if (rule && !serves(x, &rule->row->organization, &rule->row->workspace)) {
        ret->rule = NULL;
        ret->foreign = true;
    }
    ret->book = &x->books[rule && rule->row->limit ? LEDGER_LIMITS : LEDGER_BUDGETS];
    ret->open = ret->rule && !rule->row->disabled &&
                window_is_open(&rule->rule, ask->window_start_s, x->now_ms / 1000, &ret->span);
}

static bool find_former(struct leasing *x, struct error *err)
{
    for (int b = 0; x->q->former_delivered && b < LEDGER_BOOKS; b++) {
        if (!ledger_former_list(x->t, (enum ledger_book)b, &x->q->plane, &x->q->holder, FORMER_MAX,
                                x->a, &x->former[b], &x->n_former[b], err)) {
            return false;
        }
    }
    return true;
}

static void add_accounts(struct leasing *x)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct asked *k = &x->asked[i];
        if (!k->book) {
            continue;
        }
        struct ledger_account wanted = {.key = k->key};
        wanted.create = k->open && (k->ask->need > 0 || k->ask->want > 0 ||
                                    k->ask->granted_total > 0 || k->ask->used_total > 0);
        if (wanted.create) {
            wanted.organization = k->rule->row->organization;
            wanted.window_end_s = k->span.end_s == INT64_MAX ? 0 : k->span.end_s;
            wanted.amount = to_i64(quota_amount_at(&k->rule->rule, x->now_ms));
        }
        work_add(k->book, &wanted);
    }
    for (int b = 0; b < LEDGER_BOOKS; b++) {
        for (size_t i = 0; i < x->n_former[b]; i++) {
            work_add(&x->books[b], &(struct ledger_account){.key = x->former[b][i].key});
        }
    }
}

/* This holder's lease for each account, in their order; behind them those of its dead ones. */
static bool lock_books(struct leasing *x, struct error *err)
{
    for (int b = 0; b < LEDGER_BOOKS; b++) {
        struct work_book *w = &x->books[b];
        if (!work_lock(x->t, w, x->a, err)) {
            return false;
        }
        for (size_t i = 0; i < w->n_accounts; i++) {
            (void)work_lease(w, &w->accounts[i], &x->q->holder, &x->q->plane);
        }
        for (size_t i = 0; i < x->n_former[b]; i++) {
            struct ledger_account *account = work_account(w, &x->former[b][i].key);
            if (account) {
                (void)work_lease(w, account, &x->former[b][i].holder, &x->q->plane);
            }
        }
        if (!work_leases(x->t, w, x->a, err)) {
            return false;
        }
    }
    return true;
}

/* The windows before those that slide. */
static bool read_before(struct leasing *x, struct error *err)
{
    struct ledger_key *keys = arena_alloc(x->a, (x->n + 1) * sizeof *keys);
    size_t *whose = arena_alloc(x->a, (x->n + 1) * sizeof *whose), n = 0;
    int64_t *sums = arena_alloc(x->a, (x->n + 1) * sizeof *sums);
    if (!keys || !whose || !sums) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < x->n; i++) {
        const struct asked *k = &x->asked[i];
        if (k->open && k->rule->rule.limit && k->rule->rule.algorithm == ALGORITHM_SLIDING) {
            keys[n] = k->key;
            keys[n].window_start_s = quota_span_before(&k->rule->rule, &k->span).start_s;
            whose[n++] = i;
        }
    }
    if (!ledger_before_read(x->t, keys, n, x->a, sums, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        x->asked[whose[i]].before = (uint64_t)sums[i];
    }
    return true;
}

static void find_rows(struct leasing *x)
{
    for (size_t i = 0; i < x->n; i++) {
        struct asked *k = &x->asked[i];
        struct ledger_account *account = k->book ? work_account(k->book, &k->key) : NULL;
        if (!account) {
            continue;
        }
        struct ledger_lease *lease = &k->book->leases[account - k->book->accounts];
        /* of a budget that is gone only the account knows whose it was */
        k->foreign = k->foreign || (!k->rule && !serves(x, &account->organization, NULL));
        /* a plane that was put into another group gives back what it had in the former one */
        if (!k->foreign || (lease->granted > 0 && uuid_eq(&lease->plane, &x->q->plane))) {
            k->account = account;
            k->lease = lease;
        }
    }
}

/* ---- one ask ---- */

static struct quota_state state_of(const struct asked *k)
{
    const struct ledger_account *x = k->account;
    return (struct quota_state){.settled = (uint64_t)x->settled,
                                .held = (uint64_t)x->held,
                                .before = k->before,
                                .level_milli = (uint64_t)x->level_milli,
                                .level_ms = x->level_ms};
}

/* The level as it is now, before anything is taken out of it or put back. */
static void refill(struct asked *k, int64_t now_ms)
{
    struct quota_state s = state_of(k);
    struct quota_grant g;
    quota_decide(&k->rule->rule, &s, &k->span, 0, 0, 1, now_ms, &g);
    k->account->level_milli = to_i64(g.after.level_milli);
    k->account->level_ms = g.after.level_ms;
}

static int64_t room_of(const struct asked *k, int64_t now_ms)
{
    struct quota_state s = state_of(k);
    struct quota_grant g;
    quota_decide(&k->rule->rule, &s, &k->span, 0, 0, 1, now_ms, &g);
    return to_i64(g.free);
}

/* The holder knows of more than the rows do: they were lost (limits after a crash of the database,
 * an old backup) or cleared away. The rows follow it; of what it says that it still has, as much
 * counts as held as fits. */
static void adopt(struct leasing *x, struct asked *k)
{
    const struct quota_rule *rule = &k->rule->rule;
    struct ledger_lease *l = k->lease;
    int64_t granted = to_i64(k->ask->granted_total), before = ledger_lease_left(l), spent = 0;
    refill(k, x->now_ms);
    int64_t room = room_of(k, x->now_ms), had = before > 0 ? before : 0;
    l->granted = granted;
    l->returned = to_i64(k->ask->returned_total);
    l->returned = l->returned < granted ? l->returned : granted;
    if (rule->limit && to_i64(k->ask->used_total) > l->settled) {
        spent = to_i64(k->ask->used_total) - l->settled;
        l->settled += spent;
    }
    if (rule->limit && rule->algorithm == ALGORITHM_BUCKET) {
        spent = 0; /* long ago: it has been refilled since, or is taken to be */
    }
    int64_t left = ledger_lease_left(l), most = add_i64(room, had);
    most = most > spent ? most - spent : 0;
    if (left > most) {
        l->returned += left - most;
    }
    l->dirty = true;
    account_move(k->account, rule, before, ledger_lease_left(l), spent);
}

/* Takes over the holder's totals. They only grow: an older message changes nothing. */
static void take_totals(struct leasing *x, struct asked *k)
{
    const struct quota_rule *rule = k->rule ? &k->rule->rule : NULL;
    struct ledger_lease *l = k->lease;
    enum ledger_book book = k->book->book;
    lease_revive(l, book, rule);
    if (k->open && to_i64(k->ask->granted_total) > l->granted) {
        adopt(x, k);
        return;
    }
    int64_t before = ledger_lease_left(l), spent = 0;
    int64_t returned = to_i64(k->ask->returned_total), used = to_i64(k->ask->used_total);
    returned = returned < l->granted ? returned : l->granted;
    if (book == LEDGER_LIMITS && used > l->settled) {
        spent = used - l->settled;
        l->settled = used;
        l->dirty = true;
    }
    if (returned > l->returned) {
        l->returned = returned;
        l->dirty = true;
    }
    if (k->open && rule) {
        refill(k, x->now_ms);
    }
    account_move(k->account, rule, before, ledger_lease_left(l), spent);
}

/* What is granted goes into the rows. */
static void give(struct asked *k, int64_t more, int64_t now_ms)
{
    struct ledger_account *account = k->account;
    struct ledger_lease *l = k->lease;
    int64_t left = ledger_lease_left(l);
    refill(k, now_ms); /* the move takes out what is held from here on */
    l->granted = add_i64(l->granted, more);
    l->closed = false;
    l->dirty = account->dirty = true;
    account_move(account, &k->rule->rule, left, ledger_lease_left(l), 0);
    account->amount = to_i64(quota_amount_at(&k->rule->rule, now_ms));
    account->window_end_s = k->span.end_s == INT64_MAX ? 0 : k->span.end_s;
}

/* What it spent above its grants, which is settled already, is made up for first: it asks for that
 * too. */
static void grant(struct leasing *x, struct asked *k, struct quota_grant *ret)
{
    struct ledger_lease *l = k->lease;
    struct quota_state s = state_of(k);
    int64_t left = ledger_lease_left(l);
    uint64_t known = k->ask->granted_total, has = (uint64_t)l->granted;
    uint64_t unheard = has > known ? has - known : 0, debt = left < 0 ? 0 - (uint64_t)left : 0;
    uint64_t need = k->ask->need > unheard ? k->ask->need - unheard : 0;
    uint64_t want = k->ask->want > unheard ? k->ask->want - unheard : 0;
    want = want > need ? want : need;
    if (want <= debt || (need > 0 && need <= debt)) {
        debt = 0; /* it does not know of it: what it asks for must fit as it is */
    }
    quota_decide(&k->rule->rule, &s, &k->span, need > debt ? need - debt : 0, want - debt,
                 x->planes, x->now_ms, ret);
    if (k->account->id == 0) {
        return;
    }
    if (ret->verdict == QUOTA_HELD) {
        k->account->waiting_ms = x->now_ms;
        k->account->dirty = true;
    }
    int64_t more = ret->verdict == QUOTA_GRANTED ? to_i64(ret->granted + debt) : 0;
    if (more > 0) {
        give(k, more, x->now_ms);
    }
}

static void answer(struct leasing *x, struct asked *k, struct ledger_answer *ret)
{
    struct quota_grant g = {.verdict = QUOTA_UNKNOWN};
    *ret = (struct ledger_answer){.state = QUOTA_UNKNOWN};
    if (k->account->id != 0) {
        take_totals(x, k);
    }
    if (k->open) {
        uint64_t amount = 0, used = 0;
        grant(x, k, &g);
        struct quota_state s = state_of(k);
        quota_stands(&k->rule->rule, &s, &k->span, x->now_ms, &amount, &used);
        *ret = (struct ledger_answer){
            .state = g.verdict, .amount = amount, .settled = used, .reset_ms = g.reset_ms};
        int64_t waiting_ms = k->account->waiting_ms;
        ret->scarce = waiting_ms > 0 && x->now_ms - waiting_ms < LEDGER_SCARCE_MS;
    }
    if (!k->foreign) {
        ret->held = (uint64_t)k->account->held;
        ret->granted_total = (uint64_t)k->lease->granted;
    }
}

static void close_former(struct leasing *x)
{
    for (int b = 0; b < LEDGER_BOOKS; b++) {
        struct work_book *w = &x->books[b];
        for (size_t i = w->n_accounts; i < w->n_leases; i++) {
            const struct ledger_rule *rule =
                rules_find(&x->rules, &w->leases[i].account->key.quota);
            lease_close(&w->leases[i], w->book, rule && rule->known ? &rule->rule : NULL);
        }
    }
}

/* ---- the whole ---- */

static bool begin(struct leasing *x, const struct ledger_ask *asks, size_t n, struct error *err)
{
    if (!ledger_run_note(x->t, &x->q->plane, &x->q->holder, err) ||
        !ledger_planes_count(x->t, LEDGER_PRESENT_MS, &x->planes, err) || !find_former(x, err)) {
        return false;
    }
    x->planes = x->planes > 0 ? x->planes : 1;
    size_t former = x->n_former[LEDGER_BUDGETS] + x->n_former[LEDGER_LIMITS], at = 0;
    struct uuid *ids = arena_alloc(x->a, (n + former + 1) * sizeof *ids);
    x->asked = arena_zalloc(x->a, (n + 1) * sizeof *x->asked);
    x->n = n;
    if (!ids || !x->asked) {
        return out_of_room(err);
    }
    for (size_t i = 0; i < n; i++) {
        ids[at++] = asks[i].quota;
    }
    for (int b = 0; b < LEDGER_BOOKS; b++) {
        for (size_t i = 0; i < x->n_former[b]; i++) {
            ids[at++] = x->former[b][i].key.quota;
        }
        if (!work_init(&x->books[b], (enum ledger_book)b, n + x->n_former[b],
                       n + 2 * x->n_former[b], x->a)) {
            return out_of_room(err);
        }
    }
    return rules_read(x->t, ids, at, x->a, &x->rules, err);
}

static bool run(struct leasing *x, const struct ledger_ask *asks, size_t n,
                struct ledger_answer *ret, struct error *err)
{
    if (!begin(x, asks, n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        look_at(x, &asks[i], &x->asked[i]);
    }
    add_accounts(x);
    if (!lock_books(x, err) || !read_before(x, err)) {
        return false;
    }
    find_rows(x);
    close_former(x);
    for (size_t i = 0; i < n; i++) {
        answer(x, &x->asked[i], &ret[i]);
    }
    return work_write(x->t, &x->books[LEDGER_BUDGETS], x->a, err) &&
           work_write(x->t, &x->books[LEDGER_LIMITS], x->a, err);
}

static void tell_refused(const struct leasing *x, const struct ledger_answer *answers)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct ledger_answer *r = &answers[i];
        if (r->state == QUOTA_EXCEEDED || r->state == QUOTA_UNKNOWN) {
            char quota[37];
            uuid_format(&x->asked[i].key.quota, quota);
            log_write(LOG_DEBUG, "lease_refused", "a lease was not granted", LOG_Z("quota", quota),
                      LOG_Z("why", r->state == QUOTA_UNKNOWN ? "unknown" : "exceeded"),
                      LOG_U("need", x->asked[i].ask->need), LOG_U("amount", r->amount),
                      LOG_U("settled", r->settled), LOG_U("held", r->held));
        }
    }
}

bool ledger_lease(struct db_pool *p, const struct ledger_request *q, const struct ledger_ask *asks,
                  size_t n, struct ledger_answer *ret, unsigned *ret_planes, struct error *err)
{
    struct leasing x = {.q = q, .now_ms = q->now_ms ? q->now_ms : (int64_t)clock_wall_ms()};
    if (n > LEDGER_ASKS_MAX) {
        return error_set(err, ERR_BAD_REQUEST, "more than %d asks", LEDGER_ASKS_MAX);
    }
    x.t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!x.t) {
        return false;
    }
    x.a = arena_new(0);
    bool ok = run(&x, asks, n, ret, err);
    if (ok) {
        ok = tx_commit(x.t, NULL, err);
    } else {
        tx_rollback(x.t);
    }
    if (ok) {
        *ret_planes = x.planes;
        tell_refused(&x, ret);
    }
    arena_free(x.a);
    return ok;
}

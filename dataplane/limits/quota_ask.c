/* The authority's side: what each account asks for or gives back, and what it makes of the answer.
 * One thread, but for quota_reachable and quota_drain.
 *
 * An ask's `need` is what the first waiter lacks, and of those behind it as many as the last
 * figures say could fit into this process's part of what is free; `want` is what everybody here
 * waits for and a second of spending. Where others hold what is needed (HELD) everything that is
 * available here is given back and asked for anew with the need, so that remainders of several
 * proxies, each too small for anybody, find together. */
#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/limits/quota_inside.h"

#define VISITS_MIN 1024
#define WAITERS_COUNTED 4096 /* beyond it, an ask does not say who else waits */
#define NOTHING_CAME_MS 20
#define BUSY_MS 1000

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t at_hand(const struct quota_account *a)
{
    return a->available > 0 ? (uint64_t)a->available : 0;
}

static uint64_t debt(const struct quota_account *a)
{
    return a->available < 0 ? (uint64_t)-a->available : 0;
}

static bool is_draining(const struct quota_account *a)
{
    return atomic_load_explicit(&a->table->draining, memory_order_relaxed);
}

static uint64_t draw(struct quota_table *t, uint64_t n)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return t->random % n;
}

/* ---- giving back ---- */

/* What of it has been wanted lately stays. */
static uint64_t kept(struct quota_account *a, uint64_t now_ms, bool past)
{
    uint64_t have = at_hand(a);
    if (quota_first(a) && !is_draining(a)) {
        return a->held ? 0 : have;
    }
    if (past || is_draining(a)) {
        return 0;
    }
    if (a->scarce) {
        return quota_burn(a) / 8 < have ? quota_burn(a) / 8 : have;
    }
    if (now_ms - a->low_ms < QUOTA_IDLE_MS) {
        return have;
    }
    return have - minus(a->low > 0 ? (uint64_t)a->low : 0, quota_burn(a));
}

static void give_back(struct quota_account *a, uint64_t now_ms, bool past)
{
    uint64_t back = at_hand(a) - kept(a, now_ms, past);
    a->returned_total += back;
    a->available -= (int64_t)back;
    if (now_ms - a->low_ms >= QUOTA_IDLE_MS) {
        a->low_ms = now_ms;
        a->low = a->available;
    } else if (a->available < a->low) {
        a->low = a->available;
    }
}

/* ---- asking ---- */

/* This process's part of what was free when last heard of. */
static uint64_t fair_part(const struct quota_account *a, uint64_t now_ms)
{
    unsigned planes = atomic_load_explicit(&a->table->planes, memory_order_relaxed);
    if (!a->known || a->first_only || now_ms - a->told_ms > QUOTA_FIGURES_MS) {
        return 0;
    }
    return minus(a->amount, plus(a->settled, a->held_all)) / (planes ? planes : 1);
}

static void ask_for_waiters(struct quota_account *a, uint64_t now_ms, struct quota_asked *x)
{
    const struct quota_note *first = quota_first(a);
    uint64_t part = fair_part(a, now_ms), all = 0;
    unsigned n = 0;
    bool more = true;
    x->first = first->amount;
    for (struct list *l = a->waiters.next; l != &a->waiters && n < WAITERS_COUNTED;
         l = l->next, n++) {
        all = plus(all, LIST_ENTRY(l, struct quota_note, node)->amount);
        uint64_t need = plus(minus(all, at_hand(a)), debt(a));
        more = more && (n == 0 || need <= part);
        if (more) {
            x->need = need;
            x->several = n > 0;
        }
    }
    x->want = plus(minus(all, at_hand(a)), debt(a));
    if (!a->scarce) {
        x->want = plus(x->want, quota_burn(a));
    }
}

/* Before it runs dry. */
static void ask_ahead(struct quota_account *a, struct quota_asked *x)
{
    uint64_t burn = a->scarce ? 0 : quota_burn(a);
    bool low = burn > 0 && a->available <= (int64_t)(burn / 4);
    if (low || a->missed) {
        uint64_t wanted = plus(plus(burn, a->missed), debt(a));
        x->want = minus(wanted, at_hand(a));
        a->missed = 0;
    }
}

/* The account's lock is held. True: there is something to say. */
static bool plan(struct quota_account *a, uint64_t now_ms, bool past, struct quota_asked *x)
{
    bool waits = quota_first(a) != NULL && now_ms >= a->again_ms;
    *x = (struct quota_asked){.account = a};
    give_back(a, now_ms, past);
    if (is_draining(a)) {
        waits = false;
    } else if (waits) {
        ask_for_waiters(a, now_ms, x);
    } else if (!quota_first(a) && !past && now_ms >= a->prefetch_ms && now_ms >= a->over_ms) {
        ask_ahead(a, x);
    }
    x->returned = a->returned_total;
    x->used = a->rule.limit ? a->used_total : 0;
    bool late = past || a->scarce || is_draining(a) || now_ms - a->told_ms >= QUOTA_IDLE_MS;
    bool to_tell = a->returned_total != a->returned_told || (x->used != a->used_told && late);
    return x->need || x->want || !list_empty(&a->looks) || to_tell;
}

/* The account's lock is held. When it is to be looked at again. */
static void schedule(struct quota_account *a, uint64_t now_ms, int64_t wall_ms)
{
    uint64_t due = UINT64_MAX;
    const struct quota_note *first = quota_first(a);
    if (first) {
        uint64_t again = a->again_ms > now_ms ? a->again_ms : now_ms + 1;
        due = first->until_ms < again ? first->until_ms : again;
    }
    if (!list_empty(&a->stranded)) {
        due = now_ms + QUOTA_STRANDED_MS < due ? now_ms + QUOTA_STRANDED_MS : due;
    }
    bool used = a->rule.limit && a->used_total != a->used_told;
    if (a->available > 0 || quota_burn(a) > 0 || used || !list_empty(&a->looks) || a->missed) {
        a->soon = true;
        due = now_ms + QUOTA_IDLE_MS < due ? now_ms + QUOTA_IDLE_MS : due;
    }
    if (a->end_s < INT64_MAX / 1000) {
        int64_t left = a->end_s * 1000 - wall_ms;
        uint64_t end = now_ms + (left > 0 ? (uint64_t)left : QUOTA_IDLE_MS);
        due = end < due ? end : due;
    }
    if (due != UINT64_MAX) {
        quota_queue_at(a, due);
    }
}

/* What the next window begins with, where this one was busy to its end; 0: it was not. */
static uint64_t inheritance(const struct quota_account *a, uint64_t now_ms, bool past)
{
    uint64_t seconds = a->rule.window == WINDOW_MINUTE ? 60 : 1;
    bool short_one = a->rule.window == WINDOW_SECOND || a->rule.window == WINDOW_MINUTE;
    if (!past || a->succeeded || !a->rule.limit || !short_one || is_draining(a) ||
        now_ms - a->tried_ms > BUSY_MS) {
        return 0;
    }
    uint64_t burn = quota_burn(a), mean = a->used_total / seconds;
    burn = burn > mean ? burn : mean;
    return burn > 0 ? burn : 1;
}

/* Looks at an account that was due; true: *ret_ask is under way now. */
static bool visit(struct quota_account *a, uint64_t now_ms, int64_t wall_ms,
                  struct lease_ask *ret_ask)
{
    struct quota_asked x;
    bool past = quota_is_past(a, wall_ms);
    (void)pthread_mutex_lock(&a->lock);
    a->soon = false;
    quota_rescue(a);
    quota_expire(a, now_ms);
    quota_roll_burn(a, now_ms);
    quota_local_reclaim(a);
    quota_serve(a, now_ms);
    struct quota_rule rule = a->rule;
    uint64_t burn = inheritance(a, now_ms, past);
    a->succeeded = past;
    bool asks = plan(a, now_ms, past, &x);
    if (asks) {
        a->asking = true;
        a->entitled = plus(a->entitled, x.want);
        *ret_ask = (struct lease_ask){.quota = a->quota,
                                      .bucket = quota_bucket(a),
                                      .window_start_s = a->start_s,
                                      .granted_total = a->granted_total,
                                      .returned_total = x.returned,
                                      .used_total = x.used,
                                      .need = x.need,
                                      .want = x.want};
    } else {
        schedule(a, now_ms, wall_ms);
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (asks) {
        a->table->asked[a->table->n_asked++] = x;
    }
    if (burn) {
        quota_succeed(a, &rule, burn);
    }
    if (past && !asks) {
        (void)quota_bury(a, wall_ms);
    }
    return asks;
}

static void make_room(struct quota_table *t, size_t max)
{
    if (max > t->cap_asked) {
        t->asked = mem_realloc(t->asked, max * sizeof(*t->asked));
        t->list = mem_realloc(t->list, max * sizeof(*t->list));
        t->answers = mem_realloc(t->answers, max * sizeof(*t->answers));
        t->cap_asked = max;
    }
}

size_t quota_gather_asks(struct quota_table *t, size_t max, struct lease_ask *ret_asks)
{
    struct quota_account *a;
    if (t->n_asked > 0) {
        return 0; /* one message at a time */
    }
    make_room(t, max);
    atomic_store(&t->woken, false);
    uint64_t now_ms = quota_mono_ms(t);
    int64_t wall_ms = quota_wall_ms(t);
    for (size_t visits = 0; t->n_asked < max && visits < 4 * max + VISITS_MIN &&
                            (a = quota_queue_pop(&t->queue, now_ms)) != NULL;
         visits++) {
        (void)visit(a, now_ms, wall_ms, &ret_asks[t->n_asked]);
    }
    (void)atomic_fetch_add_explicit(&t->asks, t->n_asked, memory_order_relaxed);
    return t->n_asked;
}

size_t quota_gather(struct quota_table *t, bool former_delivered, size_t max, struct buffer *out)
{
    make_room(t, max);
    size_t n = quota_gather_asks(t, max, t->list);
    if (n > 0 && !lease_request_write(out, &t->config.holder, former_delivered, t->list, n)) {
        quota_lost(t);
        return 0;
    }
    return n;
}

/* ---- answers; the account's lock is held ---- */

/* What was granted since the total that was known, in answers that were lost too. */
static uint64_t take_grant(struct quota_account *a, uint64_t total)
{
    if (total <= a->granted_total) {
        return 0;
    }
    uint64_t fresh = total - a->granted_total;
    a->granted_total = total;
    if (total > a->entitled) {
        /* more than this account has ever asked for: the total goes on from before its time, and
         * what of it is new cannot be told. It is not spent, and the next grant is clear again. */
        log_write(LOG_DEBUG, "lease_not_ours", "a lease's total went beyond what was asked for",
                  LOG_U("granted_total", total), LOG_U("asked_for", a->entitled));
        a->entitled = total;
        return 0;
    }
    a->available += (int64_t)fresh;
    return fresh;
}

static void on_exceeded(struct quota_account *a, const struct quota_asked *x, uint64_t now_ms)
{
    a->scarce = true;
    a->first_only = true;
    if (x->need == 0 || x->several) {
        a->again_ms = 0; /* together they do not fit; the first may */
        return;
    }
    a->over_ms = now_ms + QUOTA_OVER_MS;
    a->over_amount = x->first;
    a->again_ms = 0;
    quota_refuse_from(a, x->first);
}

static void on_held(struct quota_account *a, uint64_t now_ms)
{
    bool again = a->held; /* the first time it is asked anew at once, with all that is here */
    a->held = a->first_only = a->scarce = true;
    a->again_ms = again ? now_ms + QUOTA_HELD_MS + draw(a->table, QUOTA_HELD_MS + 1) : 0;
}

static void on_unknown(struct quota_account *a, uint64_t now_ms, bool past)
{
    a->again_ms = a->prefetch_ms = now_ms + QUOTA_HELD_MS;
    if (past) {
        quota_tell_waiters(a, a->rule.limit ? QUOTA_OVER : QUOTA_NO_AUTHORITY);
        return;
    }
    a->unknown_ms = a->unknown_ms ? a->unknown_ms : now_ms;
    if (now_ms - a->unknown_ms >= QUOTA_UNKNOWN_MS) {
        a->prefetch_ms = now_ms + QUOTA_UNKNOWN_MS;
        quota_tell_waiters(a, QUOTA_NO_AUTHORITY);
    }
}

static void on_granted(struct quota_account *a, const struct quota_asked *x, uint64_t fresh,
                       uint64_t now_ms)
{
    a->held = false;
    a->again_ms = 0;
    if (x->need > 0 && fresh == 0) {
        a->again_ms = now_ms + NOTHING_CAME_MS;
    } else if (fresh > 0) {
        a->first_only = false;
        a->over_ms = 0;
    }
    if (x->need == 0 && x->want > 0 && fresh == 0) {
        a->prefetch_ms = now_ms + QUOTA_PREFETCH_MS;
    }
}

static void take_answer(struct quota_account *a, const struct quota_asked *x,
                        const struct lease_answer *r, uint64_t now_ms, int64_t wall_ms)
{
    a->asking = false;
    a->returned_told = x->returned;
    a->used_told = x->used;
    a->told_ms = now_ms;
    uint64_t fresh = take_grant(a, r->granted_total);
    a->known = r->state != QUOTA_UNKNOWN;
    if (a->known) {
        a->amount = r->amount;
        a->settled = r->settled;
        a->held_all = r->held;
        a->reset_ms = r->reset_ms;
        a->scarce = r->scarce;
        a->unknown_ms = 0;
    }
    switch (r->state) {
    case QUOTA_GRANTED:
        on_granted(a, x, fresh, now_ms);
        break;
    case QUOTA_HELD:
        on_held(a, now_ms);
        break;
    case QUOTA_EXCEEDED:
        on_exceeded(a, x, now_ms);
        break;
    default:
        on_unknown(a, now_ms, quota_is_past(a, wall_ms));
        break;
    }
    quota_tell_looks(a, a->known ? QUOTA_TAKEN : QUOTA_NO_AUTHORITY);
    quota_expire(a, now_ms);
    quota_serve(a, now_ms);
    const struct quota_note *first = quota_first(a);
    bool surplus = !first && a->scarce && at_hand(a) > quota_burn(a) / 8;
    if ((first && now_ms >= a->again_ms) || surplus) {
        quota_queue_now(a);
    } else {
        schedule(a, now_ms, wall_ms);
    }
}

bool quota_answered_list(struct quota_table *t, const struct lease_answer *answers, size_t n,
                         unsigned planes)
{
    size_t n_asked = t->n_asked;
    if (n != n_asked) {
        quota_lost(t);
        return false;
    }
    uint64_t now_ms = quota_mono_ms(t);
    int64_t wall_ms = quota_wall_ms(t);
    if (planes > 0) {
        atomic_store_explicit(&t->planes, planes, memory_order_relaxed);
    }
    t->n_asked = 0;
    for (size_t i = 0; i < n; i++) {
        struct quota_account *a = t->asked[i].account;
        (void)pthread_mutex_lock(&a->lock);
        take_answer(a, &t->asked[i], &answers[i], now_ms, wall_ms);
        (void)pthread_mutex_unlock(&a->lock);
    }
    return true;
}

bool quota_answered(struct quota_table *t, struct str grant)
{
    unsigned planes = 0;
    if (!lease_grant_read(grant, t->answers, t->n_asked, &planes)) {
        quota_lost(t);
        return false;
    }
    return quota_answered_list(t, t->answers, t->n_asked, planes);
}

void quota_lost(struct quota_table *t)
{
    size_t n = t->n_asked;
    t->n_asked = 0;
    for (size_t i = 0; i < n; i++) {
        struct quota_account *a = t->asked[i].account;
        (void)pthread_mutex_lock(&a->lock);
        a->asking = false;
        (void)pthread_mutex_unlock(&a->lock);
        quota_queue_now(a);
    }
}

/* ---- with and without anybody to ask ---- */

static void tell_alone(struct quota_account *a, void *arg)
{
    struct quota_note *n;
    int64_t wall_ms = *(const int64_t *)arg;
    (void)pthread_mutex_lock(&a->lock);
    bool local = a->rule.limit && a->rule.when_unavailable == ABSENT_LOCAL;
    quota_tell_looks(a, QUOTA_NO_AUTHORITY);
    while ((n = quota_first(a)) != NULL) {
        if (local && quota_local_grant(a, n->amount, wall_ms)) {
            quota_serve(a, quota_mono_ms(a->table));
        } else {
            quota_tell(a, n, local ? QUOTA_OVER : QUOTA_NO_AUTHORITY);
        }
    }
    (void)pthread_mutex_unlock(&a->lock);
}

void quota_reachable(struct quota_table *t, bool reachable)
{
    int64_t wall_ms = quota_wall_ms(t);
    if (atomic_exchange(&t->reachable, reachable) != reachable && !reachable) {
        quota_each(t, tell_alone, &wall_ms);
    }
}

static void drain_one(struct quota_account *a, void *arg)
{
    (void)arg;
    (void)pthread_mutex_lock(&a->lock);
    quota_tell_waiters(a, QUOTA_NO_AUTHORITY);
    quota_tell_looks(a, QUOTA_NO_AUTHORITY);
    bool some = a->available > 0 || a->returned_told != a->returned_total ||
                (a->rule.limit && a->used_told != a->used_total);
    (void)pthread_mutex_unlock(&a->lock);
    if (some) {
        quota_queue_now(a);
    }
}

void quota_drain(struct quota_table *t)
{
    atomic_store(&t->draining, true);
    quota_each(t, drain_one, NULL);
}

/* Without an authority nothing is gathered, but windows end all the same. */
static void tidy(struct quota_table *t, uint64_t now_ms)
{
    struct quota_account *a;
    int64_t wall_ms = quota_wall_ms(t);
    for (unsigned n = 0; n < VISITS_MIN && (a = quota_queue_pop_due(&t->queue, now_ms)) != NULL;
         n++) {
        (void)pthread_mutex_lock(&a->lock);
        quota_rescue(a);
        bool stranded = !list_empty(&a->stranded);
        (void)pthread_mutex_unlock(&a->lock);
        if (!quota_bury(a, wall_ms)) {
            quota_queue_at(a, now_ms + (stranded ? QUOTA_STRANDED_MS : QUOTA_IDLE_MS));
        }
    }
}

uint64_t quota_due_ms(struct quota_table *t)
{
    if (t->n_asked > 0) {
        return UINT64_MAX;
    }
    uint64_t now_ms = quota_mono_ms(t);
    if (!atomic_load(&t->reachable)) {
        tidy(t, now_ms);
    } else if (quota_queue_is_ready(&t->queue)) {
        return 0;
    }
    uint64_t due = quota_queue_due(&t->queue);
    return due == UINT64_MAX ? due : minus(due, now_ms);
}

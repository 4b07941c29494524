/* Taking, settling, waiting. All of it happens under the account's lock, for a few instructions;
 * what has to be asked is left to the authority's thread (quota_ask.c). */
#include "common/base/mem.h"
#include "dataplane/limits/quota_inside.h"
#include "dataplane/net/loop.h"

#define OWED_MAX (UINT64_MAX >> 10)

static void count(_Atomic uint64_t *c)
{
    (void)atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static void count_answer(struct quota_account *a, enum quota_answer answer)
{
    struct quota_shard *s = &a->table->shards[a->hash % QUOTA_SHARDS];
    switch (answer) {
    case QUOTA_TAKEN:
        count(&s->taken);
        break;
    case QUOTA_OVER:
        count(&s->refused);
        break;
    case QUOTA_OCCUPIED:
        count(&s->occupied);
        break;
    case QUOTA_NO_AUTHORITY:
        count(&s->without);
        break;
    case QUOTA_PARKED:
        break;
    }
}

/* ---- what it spends ---- */

void quota_roll_burn(struct quota_account *a, uint64_t now_ms)
{
    uint64_t took = now_ms - a->burn_ms;
    /* Looks at an account that nobody spends from are no measurements: after a while it is idle. */
    if (took < (a->burn_sum > 0 ? QUOTA_BURN_MS : QUOTA_IDLE_MS)) {
        return;
    }
    uint64_t sum = a->burn_sum > 0 ? (uint64_t)a->burn_sum : 0;
    uint64_t burn = sum > UINT64_MAX / 1000 ? sum / took : sum * 1000 / took;
    bool old = took >= 2 * QUOTA_IDLE_MS || (sum == 0 && took >= QUOTA_IDLE_MS);
    a->burn = burn > a->burn || old ? burn : a->burn / 4 * 3 + burn / 4;
    a->burn_sum = 0;
    a->burn_ms = now_ms;
}

static void take_from(struct quota_account *a, uint64_t amount)
{
    a->available -= (int64_t)amount;
    a->in_flight += amount;
    a->burn_sum += (int64_t)amount;
    if (a->available < a->low) {
        a->low = a->available;
    }
}

static bool fits(const struct quota_account *a, uint64_t amount)
{
    return a->available >= 0 && (uint64_t)a->available >= amount;
}

/* Somebody will have to look at it: to give back what is idle, to tell what was used. */
static void visit_soon(struct quota_account *a, uint64_t now_ms)
{
    if (!a->soon) {
        a->soon = true;
        quota_queue_at(a, now_ms + QUOTA_IDLE_MS);
    }
}

/* Asks ahead while some is left, so that in a steady state nobody waits. */
static void refill_early(struct quota_account *a, uint64_t now_ms)
{
    uint64_t burn = quota_burn(a);
    if (burn > 0 && a->available <= (int64_t)(burn / 4) && !a->asking && !a->scarce &&
        now_ms >= a->prefetch_ms && now_ms >= a->over_ms &&
        atomic_load_explicit(&a->table->reachable, memory_order_relaxed)) {
        quota_queue_now(a);
    }
}

/* ---- notes ---- */

struct quota_note *quota_first(const struct quota_account *a)
{
    struct list *n = a->waiters.next;
    return n == &a->waiters ? NULL : LIST_ENTRY(n, struct quota_note, node);
}

/* On the waiter's loop. */
static void on_note(void *arg)
{
    struct quota_note *n = arg;
    struct quota_waiter *w = n->waiter;
    enum quota_answer answer = n->answer;
    mem_free(n);
    if (w) {
        w->note = NULL;
        w->on_answer(w->arg, answer);
    }
}

/* Once it is posted, only the waiter's loop may touch the note. */
static void note_post(struct quota_account *a, struct quota_note *n)
{
    n->state = NOTE_POSTED;
    if (!loop_post(n->loop, on_note, n)) {
        n->state = NOTE_STRANDED;
        list_push_back(&a->stranded, &n->node);
        quota_queue_at(a, quota_mono_ms(a->table) + QUOTA_STRANDED_MS);
    }
}

static void leave_queue(struct quota_account *a, struct quota_note *n)
{
    list_remove(&n->node);
    if (!n->look) {
        a->n_waiting--;
        (void)atomic_fetch_sub_explicit(&a->table->waiting, 1, memory_order_relaxed);
    }
}

void quota_tell(struct quota_account *a, struct quota_note *n, enum quota_answer answer)
{
    leave_queue(a, n);
    n->answer = answer;
    if (!n->look) {
        count_answer(a, answer);
    }
    note_post(a, n);
}

void quota_tell_waiters(struct quota_account *a, enum quota_answer answer)
{
    struct quota_note *n;
    while ((n = quota_first(a)) != NULL) {
        quota_tell(a, n, answer);
    }
}

void quota_refuse_from(struct quota_account *a, uint64_t amount)
{
    for (struct list *l = a->waiters.next, *next; l != &a->waiters; l = next) {
        struct quota_note *n = LIST_ENTRY(l, struct quota_note, node);
        next = l->next;
        if (n->amount >= amount) {
            quota_tell(a, n, QUOTA_OVER);
        }
    }
}

void quota_tell_looks(struct quota_account *a, enum quota_answer answer)
{
    while (!list_empty(&a->looks)) {
        quota_tell(a, LIST_ENTRY(a->looks.next, struct quota_note, node), answer);
    }
}

void quota_rescue(struct quota_account *a)
{
    struct list again;
    struct list *l;
    list_init(&again);
    while ((l = list_pop_front(&a->stranded)) != NULL) {
        list_push_back(&again, l);
    }
    while ((l = list_pop_front(&again)) != NULL) {
        note_post(a, LIST_ENTRY(l, struct quota_note, node));
    }
}

void quota_expire(struct quota_account *a, uint64_t now_ms)
{
    struct quota_note *n;
    while ((n = quota_first(a)) != NULL && n->until_ms <= now_ms) {
        quota_tell(a, n, a->rule.limit ? QUOTA_OVER : QUOTA_OCCUPIED);
    }
    while (!list_empty(&a->looks)) {
        n = LIST_ENTRY(a->looks.next, struct quota_note, node);
        if (n->until_ms > now_ms) {
            break;
        }
        quota_tell(a, n, QUOTA_NO_AUTHORITY);
    }
}

void quota_serve(struct quota_account *a, uint64_t now_ms)
{
    struct quota_note *n;
    while ((n = quota_first(a)) != NULL && fits(a, n->amount)) {
        take_from(a, n->amount);
        quota_tell(a, n, QUOTA_TAKEN);
        visit_soon(a, now_ms);
    }
}

/* A limit is not waited for as a budget is: who comes too fast is told so. */
static unsigned wait_of(const struct quota_account *a)
{
    unsigned wait_ms = a->table->config.reserve_wait_ms;
    return a->rule.limit && wait_ms > QUOTA_LIMIT_WAIT_MS ? QUOTA_LIMIT_WAIT_MS : wait_ms;
}

static void park(struct quota_account *a, uint64_t amount, struct quota_waiter *w, uint64_t now_ms,
                 bool look)
{
    struct quota_table *t = a->table;
    struct quota_note *n = mem_alloc(sizeof(*n));
    n->waiter = w;
    n->loop = w->loop;
    n->amount = w->amount = amount;
    n->until_ms = now_ms + wait_of(a);
    n->look = look;
    w->note = n;
    w->account = a;
    bool first = list_empty(look ? &a->looks : &a->waiters);
    list_push_back(look ? &a->looks : &a->waiters, &n->node);
    if (!look) {
        a->n_waiting++;
        (void)atomic_fetch_add_explicit(&t->waiting, 1, memory_order_relaxed);
    }
    if (!first || a->asking) {
        return; /* what was asked for those before is about to be answered */
    }
    if (now_ms >= a->again_ms) {
        quota_queue_now(a);
    } else {
        quota_queue_at(a, a->again_ms);
    }
}

/* ---- taking ---- */

/* More than the rule, or what was last heard of it, ever has. */
static bool is_beyond(struct quota_account *a, uint64_t amount)
{
    const struct quota_rule *r = &a->rule;
    if (amount > INT64_MAX) {
        return true;
    }
    if (r->limit && r->algorithm == ALGORITHM_BUCKET) {
        return amount > (r->burst ? r->burst : r->amount);
    }
    if (amount <= r->amount || (a->known && amount <= a->amount)) {
        return false;
    }
    return amount > quota_amount_at(r, quota_wall_ms(a->table));
}

static enum quota_answer take_alone(struct quota_account *a, uint64_t amount)
{
    if (quota_local_grant(a, amount, quota_wall_ms(a->table))) {
        take_from(a, amount);
        return QUOTA_TAKEN;
    }
    bool local = a->rule.limit && a->rule.when_unavailable == ABSENT_LOCAL;
    return local ? QUOTA_OVER : QUOTA_NO_AUTHORITY;
}

static enum quota_answer take(struct quota_account *a, uint64_t amount, struct quota_waiter *w,
                              uint64_t now_ms)
{
    if (amount <= INT64_MAX && list_empty(&a->waiters) && fits(a, amount)) {
        take_from(a, amount);
        refill_early(a, now_ms);
        return QUOTA_TAKEN;
    }
    if (is_beyond(a, amount)) {
        return QUOTA_OVER;
    }
    if (!atomic_load_explicit(&a->table->reachable, memory_order_acquire) ||
        atomic_load_explicit(&a->table->draining, memory_order_relaxed)) {
        return take_alone(a, amount);
    }
    if (now_ms < a->over_ms && amount >= a->over_amount) {
        return QUOTA_OVER;
    }
    if (!w) {
        if (a->missed <= UINT64_MAX - amount) {
            a->missed += amount;
        }
        if (!a->asking && now_ms >= a->prefetch_ms) {
            quota_queue_now(a);
        }
        return QUOTA_OCCUPIED;
    }
    park(a, amount, w, now_ms, false);
    return QUOTA_PARKED;
}

enum quota_answer quota_take(struct quota_account *a, uint64_t amount, struct quota_waiter *w)
{
    uint64_t now_ms = quota_mono_ms(a->table);
    if (w) {
        w->note = NULL;
        w->account = a;
        w->amount = amount;
    }
    (void)pthread_mutex_lock(&a->lock);
    quota_roll_burn(a, now_ms);
    a->tried_ms = now_ms;
    enum quota_answer answer = take(a, amount, w, now_ms);
    if (answer == QUOTA_TAKEN) {
        visit_soon(a, now_ms);
    }
    (void)pthread_mutex_unlock(&a->lock);
    count_answer(a, answer);
    return answer;
}

/* ---- and back ---- */

/* Something came back: to the next waiter here, else to whom it is scarce for. */
static void came_back(struct quota_account *a, uint64_t now_ms)
{
    a->over_ms = 0;
    if (a->local && atomic_load_explicit(&a->table->reachable, memory_order_relaxed)) {
        quota_local_reclaim(a);
    }
    quota_serve(a, now_ms);
    if (a->scarce && !a->asking && !quota_first(a) && a->available > 0 &&
        (uint64_t)a->available > quota_burn(a) / 8) {
        quota_queue_now(a);
    }
    visit_soon(a, now_ms);
}

/* The account's lock is held. What a provider says may be any number: an account that owes more
 * than anybody has stays where it can still be reckoned with. */
static void settle(struct quota_account *a, uint64_t reserved, uint64_t used, uint64_t now_ms)
{
    used = used < OWED_MAX ? used : OWED_MAX;
    if (a->available < -(int64_t)OWED_MAX) {
        a->available = -(int64_t)OWED_MAX;
    }
    a->in_flight -= reserved <= a->in_flight ? reserved : a->in_flight;
    a->available += (int64_t)reserved - (int64_t)used;
    a->burn_sum -= (int64_t)reserved - (int64_t)used;
    if (a->available < a->low) {
        a->low = a->available;
    }
    a->used_total += a->local ? quota_local_use(a, used) : used;
    if (reserved > used) {
        came_back(a, now_ms);
    } else {
        visit_soon(a, now_ms);
    }
}

void quota_settle(struct quota_account *a, uint64_t reserved, uint64_t used)
{
    uint64_t now_ms = quota_mono_ms(a->table);
    (void)pthread_mutex_lock(&a->lock);
    settle(a, reserved, used, now_ms);
    (void)pthread_mutex_unlock(&a->lock);
}

void quota_cancel(struct quota_waiter *w)
{
    struct quota_note *n = w->note;
    struct quota_account *a = w->account;
    if (!n) {
        return;
    }
    uint64_t now_ms = quota_mono_ms(a->table);
    w->note = NULL;
    (void)pthread_mutex_lock(&a->lock);
    bool posted = n->state == NOTE_POSTED;
    bool given = n->state != NOTE_WAITS && !n->look && n->answer == QUOTA_TAKEN;
    if (n->state == NOTE_WAITS) {
        leave_queue(a, n);
        quota_serve(a, now_ms); /* it may have stood before smaller ones */
    } else if (posted) {
        n->waiter = NULL; /* the loop finds it blank and frees it */
    } else {
        list_remove(&n->node);
    }
    if (given) {
        settle(a, n->amount, 0, now_ms);
    }
    (void)pthread_mutex_unlock(&a->lock);
    if (!posted) {
        mem_free(n);
    }
}

enum quota_answer quota_look(struct quota_account *a, struct quota_waiter *w)
{
    enum quota_answer answer = QUOTA_PARKED;
    uint64_t now_ms = quota_mono_ms(a->table);
    if (w) {
        w->note = NULL;
        w->account = a;
        w->amount = 0;
    }
    (void)pthread_mutex_lock(&a->lock);
    if (a->known && now_ms - a->told_ms < QUOTA_FRESH_MS) {
        answer = QUOTA_TAKEN;
    } else if (!atomic_load_explicit(&a->table->reachable, memory_order_acquire)) {
        answer = QUOTA_NO_AUTHORITY;
    } else if (!w) {
        answer = QUOTA_OCCUPIED;
    } else {
        park(a, 0, w, now_ms, true);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return answer;
}

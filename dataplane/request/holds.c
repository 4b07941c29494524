/* See holds.h. */
#include "dataplane/request/holds.h"

#include "common/log.h"

static void release_accounts(void *arg)
{
    struct holds *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        quota_account_unref(s->list[i].account);
        s->list[i].account = NULL;
    }
}

struct holds *holds_of(struct request *r)
{
    if (r->holds) {
        return r->holds;
    }
    struct holds *s = arena_zalloc(r->arena, sizeof(*s));
    if (!s || !arena_on_release(r->arena, release_accounts, s)) {
        return NULL;
    }
    s->request = r;
    r->holds = s;
    return s;
}

static struct hold *add(struct request *r)
{
    struct holds *s = r->holds;
    if (s->n == s->room) {
        size_t room = s->room ? s->room * 2 : 4;
        struct hold *list = arena_alloc(r->arena, room * sizeof(*list));
        if (!list) {
            return NULL;
        }
        if (s->n) {
            memcpy(list, s->list, s->n * sizeof(*list));
        }
        s->list = list;
        s->room = room;
    }
    s->list[s->n] = (struct hold){.quota = NULL};
    return &s->list[s->n++];
}

struct hold *holds_add(struct request *r, const struct snap_quota *q, struct quota_account *a)
{
    for (size_t i = 0; i < r->holds->n; i++) {
        if (r->holds->list[i].account == a) {
            quota_account_unref(a);
            return &r->holds->list[i];
        }
    }
    struct hold *h = add(r);
    if (!h) {
        quota_account_unref(a);
        return NULL;
    }
    h->quota = q;
    h->account = a;
    return h;
}

struct hold *holds_add_told(struct request *r, const struct snap_quota *q, struct str bucket,
                            int64_t window_start_s)
{
    for (size_t i = 0; i < r->holds->n; i++) {
        struct hold *h = &r->holds->list[i];
        if (!h->account && h->quota == q && str_eq(h->bucket, bucket)) {
            return h;
        }
    }
    struct hold *h = add(r);
    if (h) {
        h->quota = q;
        h->bucket = bucket;
        h->window_start_s = window_start_s;
    }
    return h;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* What was spent, and may yet be. */
static uint64_t used_of(const struct hold *h)
{
    uint64_t sum = h->spent;
    for (unsigned i = 0; i < HOLD_PARTS; i++) {
        sum = plus(sum, h->parts[i].attempt ? h->parts[i].bound : 0);
    }
    return sum;
}

uint64_t hold_free(const struct hold *h)
{
    uint64_t used = used_of(h);
    return h->taken > used ? h->taken - used : 0;
}

struct hold_part *hold_part_of(struct hold *h, unsigned attempt)
{
    for (unsigned i = 0; i < HOLD_PARTS; i++) {
        if (h->parts[i].attempt == attempt) {
            return &h->parts[i];
        }
    }
    return NULL;
}

bool hold_part_add(struct hold *h, unsigned attempt, uint64_t bound, bool kept)
{
    struct hold_part *p = hold_part_of(h, attempt);
    if (p) {
        p->bound = bound > p->bound ? bound : p->bound;
        p->kept = p->kept || kept;
        return true;
    }
    p = hold_part_of(h, 0);
    if (p) {
        *p = (struct hold_part){attempt, bound, kept};
        h->counted = h->counted || h->quota->rule.metric == METRIC_REQUESTS;
    }
    return p != NULL;
}

static void undo(struct hold *h, unsigned attempt)
{
    for (unsigned i = 0; i < HOLD_PARTS; i++) {
        if (h->parts[i].attempt == attempt) {
            if (h->parts[i].bound && h->quota->rule.metric == METRIC_REQUESTS) {
                h->counted = false;
            }
            h->parts[i].attempt = 0;
        }
    }
}

void holds_undo_parts(struct request *r, unsigned attempt)
{
    for (size_t i = 0; r->holds && i < r->holds->n; i++) {
        undo(&r->holds->list[i], attempt);
    }
}

void holds_undo(struct request *r, unsigned attempt)
{
    static const uint64_t nothing[EXACT_ASKS_MAX];
    holds_undo_parts(r, attempt);
    for (struct exact_use *u = r->holds ? r->holds->exact : NULL; u; u = u->next) {
        if (u->attempt == attempt && u->hold && !u->waiting) {
            exact_settle(u->hold, nothing);
            u->hold = NULL;
            u->told = false;
        }
    }
}

/* Spent for good: nothing of it comes back. */
static void spend_now(struct hold *h, uint64_t amount)
{
    quota_settle(h->account, amount, amount);
    h->taken -= amount;
}

static bool is_request_limit(const struct hold *h)
{
    return h->account && h->leased && h->quota->rule.limit &&
           h->quota->rule.metric == METRIC_REQUESTS;
}

void holds_admitted(struct request *r)
{
    for (size_t i = 0; i < r->holds->n; i++) {
        struct hold *h = &r->holds->list[i];
        if (h->whole && h->taken && is_request_limit(h)) {
            spend_now(h, h->taken);
        }
    }
}

void holds_sent(struct request *r, unsigned attempt)
{
    for (size_t i = 0; r->holds && i < r->holds->n; i++) {
        struct hold *h = &r->holds->list[i];
        struct hold_part *p = is_request_limit(h) ? hold_part_of(h, attempt) : NULL;
        if (p && p->bound && p->bound <= h->taken) {
            spend_now(h, p->bound);
            p->bound = 0;
        }
    }
}

uint64_t attempt_tokens(const struct attempt *t)
{
    static const bool is_token[UNIT_COUNT] = {
        [UNIT_TOKEN_IN] = true,
        [UNIT_TOKEN_OUT] = true,
        [UNIT_TOKEN_CACHED] = true,
        [UNIT_TOKEN_CACHE_WRITE_5M] = true,
        [UNIT_TOKEN_CACHE_WRITE_1H] = true,
        [UNIT_AUDIO_IN] = true,
        [UNIT_AUDIO_OUT] = true,
        [UNIT_IMAGE_IN] = true,
        [UNIT_IMAGE_OUT] = true,
        [UNIT_AUDIO_CACHED] = true,
        [UNIT_IMAGE_CACHED] = true,
        [UNIT_VIDEO_IN] = true,
    };
    uint64_t sum = 0, reasoning = 0;
    for (size_t i = 0; i < t->n_quantities; i++) {
        const struct event_quantity *q = &t->quantities[i];
        sum = plus(sum, q->unit < UNIT_COUNT && is_token[q->unit] ? q->quantity : 0);
        /* a part of the output, but where it has a price of its own: then it was taken out of it */
        reasoning += q->unit == UNIT_TOKEN_REASONING && t->reasoning_split ? q->quantity : 0;
    }
    return plus(sum, reasoning);
}

/* The call was made, as far as is known, and the provider says nothing of what it bills. */
static bool is_unseen(const struct hold *h, const struct attempt *t)
{
    bool said = false, priced = h->quota->rule.metric != METRIC_COST || t->cost_nanousd;
    for (size_t i = 0; i < t->n_quantities; i++) {
        said = said || (t->quantities[i].source == SOURCE_PROVIDER && t->quantities[i].quantity);
    }
    if (said && priced) {
        return false;
    }
    return t->status ? t->status < 300
                     : t->n_quantities || t->outcome == EVENT_TIMEOUT ||
                           t->outcome == EVENT_CLIENT_GONE || t->outcome == EVENT_CUT;
}

static uint64_t used_by(const struct hold *h, const struct hold_part *p, const struct attempt *t)
{
    uint64_t least = p->kept && is_unseen(h, t) ? p->bound : 0, used;
    switch (h->quota->rule.metric) {
    case METRIC_COST:
        used = t->cost_nanousd;
        return used > least ? used : least;
    case METRIC_TOKENS:
        used = attempt_tokens(t);
        return used > least ? used : least;
    case METRIC_REQUESTS:
        return p->bound;
    default:
        return 0; /* a slot comes back */
    }
}

static void settle_exact(struct request *r, struct exact_use *u);

void holds_end_attempt(struct request *r, unsigned number, const struct attempt *t)
{
    for (size_t i = 0; r->holds && i < r->holds->n; i++) {
        struct hold *h = &r->holds->list[i];
        struct hold_part *p = hold_part_of(h, number);
        if (!p) {
            continue;
        }
        h->spent = plus(h->spent, used_by(h, p, t));
        p->attempt = 0;
        if (h->leased && h->quota->rule.metric == METRIC_CONCURRENCY && p->bound <= h->taken) {
            quota_settle(h->account, p->bound, 0); /* its slot is free for others at once */
            h->taken -= p->bound;
        }
    }
    for (struct exact_use *u = r->holds ? r->holds->exact : NULL; u; u = u->next) {
        if (u->attempt == number && u->hold && !u->waiting) {
            settle_exact(r, u);
        }
    }
}

const struct event_charge *holds_charges(struct request *r, size_t *ret_n)
{
    struct holds *s = r->holds;
    *ret_n = 0;
    if (!s || s->n == 0) {
        return NULL;
    }
    struct event_charge *list = arena_alloc(r->arena, s->n * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; list && i < s->n; i++) {
        const struct hold *h = &s->list[i];
        uint64_t amount = used_of(h);
        if (h->quota->rule.limit || amount == 0) {
            continue;
        }
        list[n++] = (struct event_charge){
            .quota_id = h->quota->id,
            .holder = h->leased ? *quota_holder(r->env->policy->quotas) : (struct uuid){{0}},
            .bucket = h->account ? quota_bucket(h->account) : h->bucket,
            .window_start_s = h->account ? quota_window_start(h->account) : h->window_start_s,
            .amount = amount,
            .overrun = h->leased && amount > h->taken,
        };
    }
    *ret_n = n;
    return list;
}

/* Tokens of a limit are what all attempts had; requests are one that was let in. */
static uint64_t spent_of_limit(const struct request *r, const struct hold *h)
{
    uint64_t sum = 0;
    switch (h->quota->rule.metric) {
    case METRIC_REQUESTS:
        return r->holds->admitted ? h->taken : 0;
    case METRIC_TOKENS:
        for (unsigned i = 0; i < r->n_attempts; i++) {
            sum = plus(sum, attempt_tokens(&r->attempts[i]));
        }
        return sum;
    default:
        return 0;
    }
}

/* An attempt's own, or all of them. */
static void settle_exact(struct request *r, struct exact_use *u)
{
    uint64_t used[EXACT_ASKS_MAX], tokens = 0;
    for (unsigned i = 0; i < r->n_attempts; i++) {
        tokens += u->attempt == 0 || u->attempt == i + 1 ? attempt_tokens(&r->attempts[i]) : 0;
    }
    bool counts = u->attempt ? u->attempt <= r->n_attempts : r->holds->admitted;
    for (size_t i = 0; i < u->n; i++) {
        used[i] = !counts ? 0 : u->quotas[i]->rule.metric == METRIC_TOKENS ? tokens : 1;
    }
    exact_settle(u->hold, used);
    u->hold = NULL;
}

void holds_release(struct request *r)
{
    struct holds *s = r->holds;
    if (!s || s->released) {
        return;
    }
    s->released = true;
    if (s->waiting) {
        s->waiting = false;
        quota_cancel(&s->waiter);
    }
    for (struct exact_use *u = s->exact; u; u = u->next) {
        if (u->hold && u->waiting) {
            exact_cancel(u->hold);
            u->hold = NULL;
        } else if (u->hold) {
            settle_exact(r, u);
        }
    }
    for (size_t i = 0; i < s->n; i++) {
        struct hold *h = &s->list[i];
        uint64_t spent = h->whole ? spent_of_limit(r, h) : used_of(h);
        if (h->account && h->leased && (h->taken || spent)) {
            quota_settle(h->account, h->taken, spent);
        }
        if (h->leased && !h->quota->rule.limit && spent > h->taken) {
            log_write(LOG_WARN, "budget_overrun", "a call cost more than was reserved for it",
                      LOG_Z("request", r->id_text), LOG_S("budget", h->quota->name),
                      LOG_U("reserved", h->taken), LOG_U("spent", spent));
        }
    }
}

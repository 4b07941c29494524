/* See taking.h. */
#include "dataplane/stages/taking.h"

#include "common/base/clock.h"

bool taking_add(struct request *r, struct taking *t, const struct want *w)
{
    if (t->n == t->room) {
        size_t room = t->room ? t->room * 2 : 8;
        struct want *list = arena_alloc(r->arena, room * sizeof(*list));
        if (!list) {
            return error_set(&r->error, ERR_INTERNAL, "out of room for the request");
        }
        if (t->n) {
            memcpy(list, t->list, t->n * sizeof(*list));
        }
        t->list = list;
        t->room = room;
    }
    t->list[t->n++] = *w;
    return true;
}

static enum verdict out_of_room(struct request *r)
{
    (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
    return VERDICT_REJECT;
}

/* The entry is its account's: it is charged, whether or not it was leased. */
static bool note_part(const struct taking *t, struct hold *h, const struct want *w)
{
    if (t->attempt == 0) {
        h->whole = true;
        return true;
    }
    return hold_part_add(h, t->attempt, w->amount, w->kept);
}

enum verdict taking_untaken(struct request *r, const struct taking *t, const struct want *w)
{
    if (w->quota->rule.limit) {
        return VERDICT_NEXT;
    }
    struct quota_span span = quota_span_of(&w->quota->rule, (int64_t)(clock_wall_ms() / 1000));
    struct hold *h = holds_add_told(r, w->quota, w->bucket, span.start_s);
    return h && note_part(t, h, w) ? VERDICT_NEXT : out_of_room(r);
}

static enum verdict unavailable(struct request *r, struct taking *t, const struct want *w,
                                bool occupied)
{
    if (!occupied && w->quota->rule.when_unavailable == ABSENT_ALLOW) {
        return taking_untaken(r, t, w);
    }
    governed_say_unavailable(r, w->quota, occupied);
    return VERDICT_REJECT;
}

/* What quota_take said, now or later; `need` was asked for. */
static enum verdict answered(struct request *r, struct taking *t, struct hold *h, uint64_t need,
                             enum quota_answer answer)
{
    const struct want *w = &t->list[t->at];
    switch (answer) {
    case QUOTA_TAKEN:
        h->taken += need;
        h->leased = true;
        return note_part(t, h, w) ? VERDICT_NEXT : out_of_room(r);
    case QUOTA_OVER:
        if (t->on_over) {
            return t->on_over(r, t, h->account);
        }
        governed_say_over(r, w->quota, h->account, w->amount);
        return VERDICT_REJECT;
    case QUOTA_OCCUPIED:
        return unavailable(r, t, w, true);
    default:
        return unavailable(r, t, w, false);
    }
}

static struct hold *hold_of(struct request *r, const struct want *w)
{
    struct quota_account *a = quota_account(r->env->policy->quotas, &w->quota->id, &w->quota->rule,
                                            w->bucket, w->quota->max_values);
    return a ? holds_add(r, w->quota, a) : NULL;
}

static void on_answer(void *arg, enum quota_answer answer);
static bool was_given(const struct taking *t, const struct want *w);
static enum verdict go_first(struct request *r, struct taking *t);

/* Several of a request's values may share one account (the rest of those that have none of their
 * own), which counts the request once. */
static uint64_t lacking(const struct taking *t, struct hold *h, uint64_t amount)
{
    const struct hold_part *p = t->attempt ? hold_part_of(h, t->attempt) : NULL;
    if (t->attempt == 0 && h->whole) {
        return 0;
    }
    uint64_t covered = t->attempt ? hold_free(h) + (p ? p->bound : 0) : 0;
    return amount > covered ? amount - covered : 0;
}

static enum verdict take_one(struct request *r, struct taking *t)
{
    struct want *w = &t->list[t->at];
    struct holds *s = r->holds;
    if (was_given(t, w)) {
        return VERDICT_NEXT; /* by Redis */
    }
    if (!w->quota->rule.limit && w->quota->rule.mode == MODE_SOFT) {
        return taking_untaken(r, t, w);
    }
    struct hold *h = r->env->policy->quotas ? hold_of(r, w) : NULL;
    if (!h) {
        return unavailable(r, t, w, false);
    }
    if (t->attempt && h->counted && !hold_part_of(h, t->attempt)) {
        w->amount = 0; /* an attempt of before has counted the request */
    }
    uint64_t need = lacking(t, h, w->amount);
    if (need == 0) {
        return answered(r, t, h, 0, QUOTA_TAKEN);
    }
    s->waiter = (struct quota_waiter){
        .loop = r->env->loop, .on_answer = on_answer, .arg = t, .amount = need};
    t->request = r;
    enum quota_answer answer = quota_take(h->account, need, t->hurry ? NULL : &s->waiter);
    if (answer == QUOTA_PARKED) {
        s->waiting = true;
        t->held = (size_t)(h - s->list);
        t->need = need;
        return VERDICT_WAIT;
    }
    return answered(r, t, h, need, answer);
}

static enum verdict go_on(struct request *r, struct taking *t, enum verdict v)
{
    while (v == VERDICT_NEXT || v == VERDICT_AGAIN) {
        t->at = v == VERDICT_AGAIN ? 0 : t->at + 1;
        if (t->at >= t->n) {
            return VERDICT_NEXT;
        }
        v = take_one(r, t);
    }
    return v == TAKING_LEAVE ? VERDICT_AGAIN : v;
}

/* The end of a taking that was parked, unless it waits again. */
static void resume(struct request *r, struct taking *t, enum verdict v)
{
    if (v == VERDICT_WAIT) {
        return;
    }
    if (t->done) {
        t->done(r, &v);
    }
    request_resume(r, v);
}

static void on_answer(void *arg, enum quota_answer answer)
{
    struct taking *t = arg;
    struct request *r = t->request;
    r->holds->waiting = false;
    resume(r, t, go_on(r, t, answered(r, t, &r->holds->list[t->held], t->need, answer)));
}

/* ---- limits that Redis counts ---- */

static bool was_given(const struct taking *t, const struct want *w)
{
    for (size_t i = 0; t->use && i < t->use->n; i++) {
        if (t->use->quotas[i] == w->quota && str_eq(t->use->buckets[i], w->bucket)) {
            return true;
        }
    }
    return false;
}

static void say_refused(struct request *r, const struct exact_use *u,
                        const struct exact_view *views)
{
    for (size_t i = 0; i < u->n; i++) {
        if (views[i].refused) {
            governed_say_reached(r, u->quotas[i], &views[i]);
            return;
        }
    }
    (void)error_set(&r->error, ERR_RATE_LIMITED, "%s", "");
}

/* Out of reach: they are shared out by leases, like those that are not exact. */
static void give_up(struct taking *t)
{
    t->use = NULL;
}

static void on_exact(void *arg, enum exact_answer answer, const struct exact_view *views)
{
    struct taking *t = arg;
    struct request *r = t->request;
    struct exact_use *u = t->use;
    enum verdict v = VERDICT_NEXT;
    u->waiting = false;
    if (views) {
        memcpy(u->views, views, u->n * sizeof(*views));
        u->told_ms = clock_wall_ms();
        u->told = true;
    }
    if (answer != EXACT_TAKEN) {
        u->hold = NULL;
    }
    if (answer == EXACT_REFUSED) {
        say_refused(r, u, views);
        v = t->refused ? t->refused(r, t) : VERDICT_REJECT;
        u->told = v == VERDICT_REJECT; /* else it is of a target that is not called */
        v = v == TAKING_LEAVE ? VERDICT_AGAIN : v;
    } else {
        if (answer == EXACT_UNREACHABLE) {
            give_up(t);
        }
        v = go_first(r, t);
    }
    resume(r, t, v);
}

static struct exact_use *use_new(struct request *r, const struct taking *t)
{
    struct exact_use *u = arena_zalloc(r->arena, sizeof(*u));
    if (u) {
        u->quotas = arena_alloc(r->arena, EXACT_ASKS_MAX * sizeof(struct snap_quota *));
        u->buckets = arena_alloc(r->arena, EXACT_ASKS_MAX * sizeof(struct str));
        u->views = arena_zalloc(r->arena, EXACT_ASKS_MAX * sizeof(*u->views));
        u->attempt = t->attempt;
    }
    return u && u->quotas && u->buckets && u->views ? u : NULL;
}

/* NEXT: none are, or Redis is known to be away. */
static enum verdict ask_exact(struct request *r, struct taking *t)
{
    struct exact_ask asks[EXACT_ASKS_MAX];
    struct exact_use *u = NULL;
    size_t n = 0;
    for (size_t i = 0; i < t->n && n < EXACT_ASKS_MAX; i++) {
        const struct want *w = &t->list[i];
        if (w->amount == 0 || !governed_is_exact(r, w->quota)) {
            continue;
        }
        u = u ? u : use_new(r, t);
        if (!u) {
            return out_of_room(r);
        }
        u->quotas[n] = w->quota;
        u->buckets[n] = w->bucket;
        asks[n++] = (struct exact_ask){.quota = w->quota->id,
                                       .bucket = w->bucket,
                                       .rule = &w->quota->rule,
                                       .amount = w->amount};
    }
    if (!u) {
        return VERDICT_NEXT;
    }
    u->n = n;
    t->request = r;
    t->use = u;
    u->hold = t->hurry ? NULL : exact_take(r->env->exact, asks, n, on_exact, t);
    if (!u->hold) {
        give_up(t);
        return VERDICT_NEXT;
    }
    u->waiting = true;
    u->next = r->holds->exact;
    r->holds->exact = u;
    return VERDICT_WAIT;
}

static enum verdict go_first(struct request *r, struct taking *t)
{
    t->at = 0;
    return go_on(r, t, take_one(r, t));
}

enum verdict taking_run(struct request *r, struct taking *t)
{
    if (t->n == 0) {
        return VERDICT_NEXT;
    }
    enum verdict v = ask_exact(r, t);
    return v == VERDICT_NEXT ? go_first(r, t) : v;
}

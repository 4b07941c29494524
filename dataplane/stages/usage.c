/* GET /v1/usage: what is left of the budgets and limits that bind the key that asks. Each account's
 * keeper is asked, so the figures are those of now; where it cannot be, they are as this proxy
 * knows them (`current` is false). A part of route. */
#include "common/base/clock.h"
#include "common/json.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/governed.h"

#define USAGE_MAX (4u << 20)

struct asked {
    const struct snap_quota *quota;
    struct quota_account *account;
    struct str bucket;
    bool current;
    bool exact; /* counted in Redis: `view` is what it told */
    struct exact_view view;
};

struct usage_look {
    struct request *request;
    struct asked *list;
    size_t n, at, room;
    struct exact_hold *hold; /* Redis is being asked */
};

static void release(void *arg)
{
    struct usage_look *u = arg;
    if (u->hold) {
        exact_cancel(u->hold);
    }
    for (size_t i = 0; i < u->n; i++) {
        quota_account_unref(u->list[i].account);
        u->list[i].account = NULL;
    }
}

static bool add(struct request *r, struct usage_look *u, const struct snap_quota *q,
                struct str bucket)
{
    if (u->n == u->room) {
        size_t room = u->room ? u->room * 2 : 8;
        struct asked *list = arena_alloc(r->arena, room * sizeof(*list));
        if (!list) {
            return error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        }
        if (u->n) {
            memcpy(list, u->list, u->n * sizeof(*list));
        }
        u->list = list;
        u->room = room;
    }
    struct quota_table *t = r->env->policy->quotas;
    u->list[u->n++] = (struct asked){
        .quota = q,
        .account = t ? quota_account(t, &q->id, &q->rule, bucket, q->max_values) : NULL,
        .bucket = bucket};
    return true;
}

/* One for each model or provider has an account for each: which ones is not asked here. */
static bool each_target(const struct snap_quota *q)
{
    for (size_t i = 0; i < q->n_scopes; i++) {
        const struct snap_scope *s = &q->scopes[i];
        if (s->each && (s->kind == SCOPE_MODEL || s->kind == SCOPE_PROVIDER)) {
            return true;
        }
    }
    return false;
}

static bool collect(struct request *r, struct usage_look *u)
{
    for (size_t i = 0; r->holds && i < r->holds->n_quotas; i++) {
        const struct snap_quota *q = r->holds->quotas[i];
        struct str bucket;
        size_t variants = each_target(q) ? 0 : governed_variants(r, q);
        for (size_t k = 0; k < variants; k++) {
            if (governed_binds(r, NULL, q, k, &bucket) && !add(r, u, q, bucket)) {
                return false;
            }
        }
    }
    return true;
}

static void put_scopes(struct json_writer *w, const struct snap_quota *q)
{
    json_name(w, "scopes");
    json_array_begin(w);
    for (size_t i = 0; i < q->n_scopes; i++) {
        json_put_z(w, quota_scope_name(q->scopes[i].kind));
    }
    json_array_end(w);
}

static void put_one(struct request *r, struct json_writer *w, const struct asked *a)
{
    const struct snap_quota *q = a->quota;
    const struct quota_rule *rule = &q->rule;
    struct quota_view v = {.amount = rule->amount};
    char id[64], time[32];
    if (a->exact) {
        uint64_t used = v.amount > a->view.remaining ? v.amount - a->view.remaining : 0;
        v.settled = used;
        v.known = true;
        v.reset_ms = a->view.resets_in_ms ? (int64_t)clock_wall_ms() + a->view.resets_in_ms : 0;
    } else if (a->account) {
        quota_view(a->account, &v);
    }
    uint64_t gone = v.settled + v.held;
    uint64_t left = v.amount > gone ? v.amount - gone : 0;
    left = v.remaining > left ? v.remaining : left; /* what is leased here is to be had here */
    uuid_format_public(rule->limit ? "lim" : "bud", &q->id, id, sizeof(id));
    json_object_begin(w);
    json_field_z(w, "id", id);
    json_field_str(w, "name", q->name);
    put_scopes(w, q);
    json_field_z(w, "metric", quota_metric_name(rule->metric));
    json_field_z(w, "window", quota_window_name(rule->window));
    json_field_str(w, rule->limit ? "limit" : "amount",
                   governed_amount(r->arena, rule->metric, v.amount));
    json_field_str(w, rule->limit ? "used" : "spent",
                   governed_amount(r->arena, rule->metric, v.settled));
    json_field_str(w, "reserved", governed_amount(r->arena, rule->metric, v.held));
    json_field_str(w, "remaining", governed_amount(r->arena, rule->metric, left));
    if (!rule->limit) {
        json_field_z(w, "mode", quota_mode_name(rule->mode));
    }
    json_name(w, "resets_at");
    if (v.reset_ms) {
        clock_format_rfc3339((uint64_t)v.reset_ms, time);
        json_put_z(w, time);
    } else {
        json_put_null(w);
    }
    json_field_bool(w, "current", a->current && v.known);
    json_object_end(w);
}

static void put_list(struct request *r, struct json_writer *w, const struct usage_look *u,
                     bool limits)
{
    json_name(w, limits ? "limits" : "budgets");
    json_array_begin(w);
    for (size_t i = 0; i < u->n; i++) {
        if (u->list[i].quota->rule.limit == limits) {
            put_one(r, w, &u->list[i]);
        }
    }
    json_array_end(w);
}

static enum verdict write(struct request *r, const struct usage_look *u)
{
    struct buffer *out = arena_buffer(r->arena, USAGE_MAX);
    struct json_writer w;
    char id[64];
    if (!out) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        return VERDICT_REJECT;
    }
    uuid_format_public("key", &r->key->id, id, sizeof(id));
    json_writer_init(&w, out);
    json_object_begin(&w);
    json_field_z(&w, "object", "usage");
    json_name(&w, "key");
    json_object_begin(&w);
    json_field_z(&w, "id", id);
    json_field_str(&w, "name", r->key->name);
    json_object_end(&w);
    put_list(r, &w, u, false);
    put_list(r, &w, u, true);
    json_object_end(&w);
    if (out->failed) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        return VERDICT_REJECT;
    }
    r->reply.status = 200;
    r->reply.body = buffer_str(out);
    return VERDICT_ANSWERED;
}

static void on_told(void *arg, enum quota_answer answer);

static enum verdict look(struct request *r, struct usage_look *u)
{
    struct holds *s = r->holds;
    for (; u->at < u->n; u->at++) {
        struct asked *a = &u->list[u->at];
        if (!a->account || a->exact) {
            continue;
        }
        s->waiter = (struct quota_waiter){.loop = r->env->loop, .on_answer = on_told, .arg = u};
        enum quota_answer answer = quota_look(a->account, &s->waiter);
        if (answer == QUOTA_PARKED) {
            s->waiting = true;
            return VERDICT_WAIT;
        }
        a->current = answer == QUOTA_TAKEN;
    }
    return write(r, u);
}

static void on_told(void *arg, enum quota_answer answer)
{
    struct usage_look *u = arg;
    struct request *r = u->request;
    r->holds->waiting = false;
    u->list[u->at++].current = answer == QUOTA_TAKEN;
    enum verdict v = look(r, u);
    if (v != VERDICT_WAIT) {
        request_resume(r, v);
    }
}

/* ---- what Redis counts ---- */

static void on_exact(void *arg, enum exact_answer answer, const struct exact_view *views)
{
    struct usage_look *u = arg;
    struct request *r = u->request;
    size_t n = 0;
    u->hold = NULL;
    if (r->state != REQUEST_PARKED) {
        return;
    }
    for (size_t i = 0; answer == EXACT_TAKEN && i < u->n && n < EXACT_ASKS_MAX; i++) {
        if (governed_is_exact(r, u->list[i].quota)) {
            u->list[i].exact = u->list[i].current = true;
            u->list[i].view = views[n++];
        }
    }
    enum verdict v = look(r, u);
    if (v != VERDICT_WAIT) {
        request_resume(r, v);
    }
}

static enum verdict look_exact(struct request *r, struct usage_look *u)
{
    struct exact_ask asks[EXACT_ASKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < u->n && n < EXACT_ASKS_MAX; i++) {
        const struct asked *a = &u->list[i];
        if (governed_is_exact(r, a->quota)) {
            asks[n++] = (struct exact_ask){
                .quota = a->quota->id, .bucket = a->bucket, .rule = &a->quota->rule};
        }
    }
    u->hold = n ? exact_look(r->env->exact, asks, n, on_exact, u) : NULL;
    return u->hold ? VERDICT_WAIT : look(r, u);
}

enum verdict usage_answer(struct request *r)
{
    struct usage_look *u = arena_zalloc(r->arena, sizeof(*u));
    if (!u || !arena_on_release(r->arena, release, u)) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the answer");
        return VERDICT_REJECT;
    }
    u->request = r;
    if (!governed_read(r) || !governed_find(r) || !collect(r, u)) {
        return VERDICT_REJECT;
    }
    return look_exact(r, u);
}

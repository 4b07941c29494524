/* What clients are told of budgets and limits: header fields on every answer, and why a request was
 * refused, with whom it is about, how much, and until when. */
#include "common/base/clock.h"
#include "common/rules/money.h"
#include "dataplane/stages/governed.h"

#define RETRY_MAX_S 86400 /* a budget's month is nothing that a client would wait for */

struct str governed_amount(struct arena *a, enum quota_metric m, uint64_t amount)
{
    char text[MONEY_TEXT_MAX];
    size_t n = money_format(amount, m == METRIC_COST ? MONEY_DECIMALS : 0, text, sizeof(text));
    return arena_str(a, (struct str){text, n});
}

/* As OpenAI writes them: "17ms", "7s", "1m0s", "2h30m0s". */
static struct str duration(struct arena *a, int64_t ms)
{
    ms = ms > 0 ? ms : 0;
    long long s = (long long)((ms + 999) / 1000);
    if (ms < 1000) {
        return arena_printf(a, "%lldms", (long long)ms);
    }
    if (s < 60) {
        return arena_printf(a, "%llds", s);
    }
    if (s < 3600) {
        return arena_printf(a, "%lldm%llds", s / 60, s % 60);
    }
    return arena_printf(a, "%lldh%lldm%llds", s / 3600, s / 60 % 60, s % 60);
}

static struct str time_text(struct arena *a, int64_t ms)
{
    char text[32];
    clock_format_rfc3339((uint64_t)ms, text);
    return arena_str(a, str_of(text));
}

/* ---- fields of answers ---- */

/* The entry of that kind of which least is left, as a part of its amount. */
static const struct hold *tightest(const struct request *r, bool limit, enum quota_metric metric,
                                   struct quota_view *ret)
{
    const struct hold *best = NULL;
    for (size_t i = 0; i < r->holds->n; i++) {
        const struct hold *h = &r->holds->list[i];
        struct quota_view v;
        bool meant = h->account && h->quota->rule.limit == limit &&
                     (metric == METRIC_NONE || h->quota->rule.metric == metric) &&
                     (limit || h->quota->rule.mode != MODE_SOFT);
        if (!meant) {
            continue;
        }
        quota_view(h->account, &v);
        if (!best || governed_is_tighter(&v, ret)) {
            best = h;
            *ret = v;
        }
    }
    return best;
}

/* The same of those that Redis counts. */
static bool tightest_exact(const struct request *r, enum quota_metric metric, bool found,
                           struct quota_view *io)
{
    for (const struct exact_use *u = r->holds->exact; u; u = u->next) {
        for (size_t i = 0; u->told && i < u->n; i++) {
            const struct quota_rule *rule = &u->quotas[i]->rule;
            struct quota_view v = {.amount = rule->amount,
                                   .remaining = u->views[i].remaining,
                                   .reset_ms = (int64_t)u->told_ms + u->views[i].resets_in_ms};
            if (rule->metric == metric && (!found || governed_is_tighter(&v, io))) {
                *io = v;
                found = true;
            }
        }
    }
    return found;
}

static size_t limit_fields(struct request *r, enum quota_metric metric, struct header *list)
{
    static const char *const names[2][3] = {
        {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests",
         "x-ratelimit-reset-requests"},
        {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}};
    struct quota_view v;
    bool found = tightest(r, true, metric, &v) != NULL;
    if (!tightest_exact(r, metric, found, &v)) {
        return 0;
    }
    const char *const *name = names[metric == METRIC_TOKENS];
    int64_t left = v.reset_ms ? v.reset_ms - (int64_t)clock_wall_ms() : 0;
    list[0] = (struct header){str_of(name[0]), governed_amount(r->arena, metric, v.amount)};
    list[1] = (struct header){str_of(name[1]), governed_amount(r->arena, metric, v.remaining)};
    list[2] = (struct header){str_of(name[2]), duration(r->arena, left)};
    return 3;
}

static size_t budget_fields(struct request *r, struct header *list)
{
    struct quota_view v;
    const struct hold *h = tightest(r, false, METRIC_NONE, &v);
    size_t n = 0;
    if (!h) {
        return 0;
    }
    enum quota_metric m = h->quota->rule.metric;
    list[n++] =
        (struct header){STR_LIT("x-weir-budget-limit"), governed_amount(r->arena, m, v.amount)};
    list[n++] = (struct header){STR_LIT("x-weir-budget-remaining"),
                                governed_amount(r->arena, m, v.remaining)};
    if (v.reset_ms) {
        list[n++] =
            (struct header){STR_LIT("x-weir-budget-reset"), time_text(r->arena, v.reset_ms)};
    }
    return n;
}

static bool is_field_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

size_t governed_headers(struct request *r, struct header *list)
{
    size_t n = 0;
    if (r->key && r->key->former_expires_at_ms) {
        list[n++] = (struct header){STR_LIT("x-weir-key-ends"),
                                    time_text(r->arena, r->key->former_expires_at_ms)};
    }
    if (r->output_cap) {
        list[n++] =
            (struct header){STR_LIT("x-weir-max-tokens"),
                            arena_printf(r->arena, "%llu", (unsigned long long)r->output_cap)};
    }
    if (is_field_value(r->downgraded_from)) {
        list[n++] = (struct header){STR_LIT("x-weir-downgraded-from"), r->downgraded_from};
    }
    if (r->holds) {
        n += limit_fields(r, METRIC_REQUESTS, list + n);
        n += limit_fields(r, METRIC_TOKENS, list + n);
        n += budget_fields(r, list + n);
    }
    return n;
}

bool governed_limits_shown(const struct request *r)
{
    for (size_t i = 0; r->holds && i < r->holds->n; i++) {
        const struct hold *h = &r->holds->list[i];
        if (h->account && h->quota->rule.limit && h->quota->rule.metric != METRIC_CONCURRENCY) {
            return true;
        }
    }
    return r->holds && r->holds->exact;
}

/* ---- refusals ---- */

static struct str scope_text(struct request *r, const struct snap_quota *q)
{
    struct str text = STR_LIT("");
    for (size_t i = 0; i < q->n_scopes && text.ptr; i++) {
        const struct snap_scope *s = &q->scopes[i];
        bool metadata = s->kind == SCOPE_METADATA;
        text = arena_printf(r->arena, "%.*s%s%s%s%s%.*s", STR_ARG(text), i ? " and " : "",
                            s->each ? "each " : "", quota_scope_name(s->kind), metadata ? " " : "",
                            STR_ARG(metadata ? s->name : STR_LIT("")));
    }
    if (text.ptr && text.len) {
        return text;
    }
    return uuid_is_nil(&q->workspace_id) ? STR_LIT("organization") : STR_LIT("workspace");
}

static const char *unit_of(const struct quota_rule *rule)
{
    switch (rule->metric) {
    case METRIC_COST:
        return " USD";
    case METRIC_TOKENS:
        return " tokens";
    case METRIC_REQUESTS:
        return " requests";
    default:
        return " at once";
    }
}

static void tell_retry(struct request *r, int64_t reset_ms, bool again)
{
    int64_t left = reset_ms ? reset_ms - (int64_t)clock_wall_ms() : 0;
    if (left > 0 && left <= (int64_t)RETRY_MAX_S * 1000) {
        (void)request_reply_header(
            r, "retry-after", arena_printf(r->arena, "%lld", (long long)((left + 999) / 1000)));
        (void)request_reply_header(r, "retry-after-ms",
                                   arena_printf(r->arena, "%lld", (long long)left));
    }
    (void)request_reply_header(r, "x-should-retry", again ? STR_LIT("true") : STR_LIT("false"));
}

void governed_say_over(struct request *r, const struct snap_quota *q, struct quota_account *a,
                       uint64_t amount)
{
    struct quota_view v;
    struct str per = STR_LIT(""), until = STR_LIT("");
    const struct quota_rule *rule = &q->rule;
    quota_view(a, &v);
    if (rule->window != WINDOW_NONE && rule->window != WINDOW_TOTAL) {
        per = arena_printf(r->arena, " per %s", quota_window_name(rule->window));
    }
    if (v.reset_ms) {
        until =
            arena_printf(r->arena, ", resets at %.*s", STR_ARG(time_text(r->arena, v.reset_ms)));
    }
    struct str limit = governed_amount(r->arena, rule->metric, v.amount);
    struct str spent = governed_amount(r->arena, rule->metric, v.settled);
    struct str asked = governed_amount(r->arena, rule->metric, amount);
    (void)error_set_param(
        &r->error, rule->limit ? ERR_RATE_LIMITED : ERR_BUDGET_EXCEEDED,
        rule->limit ? "" : "budget",
        "%s '%.*s' (%.*s) %s: limit %.*s%s%.*s, %s %.*s, this call may take %.*s%.*s",
        rule->limit ? "limit" : "budget", STR_ARG(str_slice(q->name, 0, 40)),
        STR_ARG(str_slice(scope_text(r, q), 0, 40)), rule->limit ? "reached" : "exceeded",
        STR_ARG(limit), unit_of(rule), STR_ARG(per), rule->limit ? "used" : "spent", STR_ARG(spent),
        STR_ARG(asked), STR_ARG(until));
    tell_retry(r, v.reset_ms, rule->limit && v.amount > 0);
}

void governed_say_reached(struct request *r, const struct snap_quota *q, const struct exact_view *v)
{
    struct str limit = governed_amount(r->arena, q->rule.metric, q->rule.amount);
    struct str left = governed_amount(r->arena, q->rule.metric, v->remaining);
    struct str per = q->rule.window == WINDOW_NONE
                         ? STR_LIT("")
                         : arena_printf(r->arena, " per %s", quota_window_name(q->rule.window));
    (void)error_set(&r->error, ERR_RATE_LIMITED,
                    "limit '%.*s' (%.*s) reached: limit %.*s%s%.*s, %.*s left",
                    STR_ARG(str_slice(q->name, 0, 48)), STR_ARG(str_slice(scope_text(r, q), 0, 48)),
                    STR_ARG(limit), unit_of(&q->rule), STR_ARG(per), STR_ARG(left));
    int64_t wait = v->retry_in_ms > 0 ? v->retry_in_ms : v->resets_in_ms;
    tell_retry(r, wait > 0 ? (int64_t)clock_wall_ms() + wait : 0, v->retry_in_ms >= 0);
}

void governed_say_unavailable(struct request *r, const struct snap_quota *q, bool occupied)
{
    (void)error_set(&r->error, q->rule.limit ? ERR_LIMIT_UNAVAILABLE : ERR_BUDGET_UNAVAILABLE,
                    occupied ? "what is left of the %s '%.*s' is held by requests under way"
                             : "the %s '%.*s' cannot be asked: no control plane is reachable",
                    q->rule.limit ? "limit" : "budget", STR_ARG(str_slice(q->name, 0, 64)));
    tell_retry(r, (int64_t)clock_wall_ms() + 1000, true);
}

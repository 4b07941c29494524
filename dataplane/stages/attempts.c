/* What comes of an attempt that failed: another key of the same provider, a retry after a wait, the
 * next target of the routing config, the next step of a universal request, or nothing more. Never
 * once a content byte has gone to the client. */
#include "common/base/clock.h"
#include "common/log.h"
#include "dataplane/net/loop.h"
#include "dataplane/stages/hedge.h"
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/upstream/client.h"

#define BARE_COOLDOWN_MS 1000u /* of a 429 that does not say how long */
#define KEY_COOLDOWN_MS 60000u /* of one key among several that was refused */

/* ---- what kind of failure ---- */

static unsigned kinds_of_class(enum failure_class c)
{
    switch (c) {
    case FAILURE_CONTEXT_LENGTH:
        return ROUTE_FAIL_CONTEXT_WINDOW;
    case FAILURE_CONTENT_POLICY:
        return ROUTE_FAIL_CONTENT_POLICY;
    case FAILURE_AUTHENTICATION:
    case FAILURE_PERMISSION:
    case FAILURE_BILLING:
        return ROUTE_FAIL_CREDENTIAL;
    case FAILURE_RATE_LIMIT:
        return ROUTE_FAIL_RATE_LIMIT;
    case FAILURE_QUOTA:
        return ROUTE_FAIL_RATE_LIMIT | ROUTE_FAIL_CREDENTIAL;
    case FAILURE_TIMEOUT:
        return ROUTE_FAIL_TIMEOUT;
    case FAILURE_SERVER:
    case FAILURE_UNAVAILABLE:
    case FAILURE_OVERLOADED:
        return ROUTE_FAIL_SERVER;
    default:
        return 0;
    }
}

static unsigned kinds_of(const struct attempt_failure *f)
{
    unsigned kinds = ROUTE_FAIL_ANY | kinds_of_class(f->class);
    switch (f->code) {
    case ERR_UPSTREAM_TIMEOUT:
    case ERR_TIMEOUT:
        return kinds | ROUTE_FAIL_TIMEOUT;
    case ERR_UPSTREAM_REFUSED:
    case ERR_UPSTREAM_TLS:
    case ERR_UPSTREAM_CLOSED:
        return kinds | ROUTE_FAIL_CONNECTION;
    case ERR_UPSTREAM_GARBAGE:
        return kinds | ROUTE_FAIL_SERVER;
    case ERR_BUDGET_EXCEEDED:
    case ERR_BUDGET_UNAVAILABLE:
    case ERR_COST_UNBOUNDED:
        return kinds | ROUTE_FAIL_BUDGET;
    case ERR_RATE_LIMITED:
        return kinds | ROUTE_FAIL_RATE_LIMIT;
    default:
        return kinds;
    }
}

/* ---- what the provider says ---- */

void attempt_learn(struct request *r, const struct header *headers, size_t n)
{
    struct attempt *t = request_attempt(r);
    struct limit_news news;
    bool refused = t->status == 401 || t->status == 402 || t->status == 403;
    if (refused && t->provider->n_credentials > 1) {
        t->cooldown_ms = KEY_COOLDOWN_MS;
    }
    if (!t->state || !limit_news_read(headers, n, (int64_t)(clock_wall_ms() / 1000), &news)) {
        if (t->status == 429) {
            t->cooldown_ms = BARE_COOLDOWN_MS;
        }
        return;
    }
    target_learn(t->state, &news, clock_mono_ms());
    if (news.has_retry_after && (t->status == 429 || t->status == 503 || t->status == 529)) {
        t->cooldown_ms = news.retry_after_ms;
    } else if (t->status == 429) {
        uint64_t reset = news.requests_reset_ms;
        if (news.has_tokens && news.tokens_left == 0 && news.tokens_reset_ms > reset) {
            reset = news.tokens_reset_ms;
        }
        t->cooldown_ms = reset ? reset : BARE_COOLDOWN_MS;
    }
}

/* ---- leading on ---- */

void attempt_clear(struct request *r)
{
    if (r->call) {
        struct upstream_call *call = r->call;
        r->call = NULL;
        upstream_cancel(call);
    }
    r->relay = NULL;
    r->translation = NULL;
    r->losses = (struct losses){.n = 0};
    r->hide_usage = r->estimated = false;
    r->error = (struct error)ERROR_INIT;
    r->reply = (struct reply){.status = 0};
    r->prices = NULL;
    r->priced = NULL;
    r->prices_sought = false;
    r->max_output = r->context = 0;
    r->token = r->token_credential = STR_NONE;
    r->first_byte_ns = 0;
}

static void end_attempt(struct request *r, const struct attempt_failure *f)
{
    struct attempt *t = request_attempt(r);
    if (t && !t->ended_ns) {
        t->ours = f->ours;
    }
    relay_settle(r);
    request_end_attempt(r, f->outcome, f->code);
    request_probe_back(r);
}

static uint64_t elapsed_ms(const struct request *r)
{
    return (clock_mono_ns() - r->started_ns) / 1000000;
}

static void on_wait_over(void *arg)
{
    struct routing *g = arg;
    if (g->request->state == REQUEST_PARKED) {
        request_resume(g->request, VERDICT_AGAIN);
    }
}

static enum verdict go_on(struct request *r, uint64_t wait_ms)
{
    struct routing *g = r->routing;
    attempt_clear(r);
    if (wait_ms == 0) {
        return VERDICT_AGAIN;
    }
    if (!g->timer) {
        g->timer = loop_timer_new(r->env->loop, on_wait_over, g);
    }
    loop_timer_set(g->timer, wait_ms);
    return VERDICT_WAIT;
}

/* Another key of the same provider that is not cooling down, each once. */
static bool other_credential(struct request *r, unsigned kinds)
{
    const struct candidate *c = &r->candidates[r->candidate];
    const struct snap_provider *p = c->provider;
    uint64_t now = clock_mono_ms();
    if (!(kinds & (ROUTE_FAIL_CREDENTIAL | ROUTE_FAIL_RATE_LIMIT)) || p->n_credentials < 2 ||
        !r->env->policy->targets || r->n_attempts >= REQUEST_MAX_ATTEMPTS) {
        return false;
    }
    uint32_t used = 0;
    for (unsigned i = 0; i < r->n_attempts; i++) {
        if (r->attempts[i].provider == p && r->attempts[i].credential < 32) {
            used |= 1u << r->attempts[i].credential;
        }
    }
    for (unsigned k = 0; k < p->n_credentials && k < 32; k++) {
        struct target_state *s = routing_state_of(r, c, k);
        if ((used & 1u << k) || target_breaker(s, now) == BREAKER_OPEN ||
            target_reopens_ms(s) > now) {
            continue;
        }
        struct candidate next = *c;
        next.credential = p->credentials[k];
        next.credential_number = k;
        next.state = s;
        next.kind = "credential";
        next.probe = false;
        r->candidates[r->candidate] = next;
        return true;
    }
    return false;
}

static bool next_step(struct request *r, const struct attempt_failure *f, enum verdict *ret)
{
    if (r->candidate + 1 >= r->n_candidates || r->n_attempts >= REQUEST_MAX_ATTEMPTS) {
        return false;
    }
    end_attempt(r, f);
    attempt_clear(r);
    r->candidate++;
    *ret = VERDICT_AGAIN;
    return true;
}

static void log_move(const struct request *r, const struct attempt_failure *f,
                     const struct walk_step *step)
{
    const struct candidate *from = &r->candidates[r->candidate];
    log_write(LOG_INFO, step->retry ? "retry" : "fallback", "a further attempt is made",
              LOG_Z("request", r->id_text), LOG_S("provider", from->provider->name),
              LOG_I("status", f->status), LOG_Z("code", error_code_name(f->code)),
              LOG_I("wait_ms", (int64_t)step->wait_ms));
}

/* Targets that cannot even be taken are passed over in the same walk. */
static bool walk_on(struct request *r, const struct attempt_failure *f, enum verdict *ret)
{
    struct routing *g = r->routing;
    const struct attempt *t = request_attempt(r);
    struct walk_failure w = {
        .kinds = kinds_of(f),
        .status = f->status,
        .has_retry_after = t && t->cooldown_ms > 0 && !f->ours,
        .retry_after_ms = t ? t->cooldown_ms : 0,
        .elapsed_ms = elapsed_ms(r),
        .last_error_is_ours = f->ours,
        .hedge_started = hedge_was_sent(r),
    };
    struct error error = r->error;
    struct reply reply = r->reply;
    struct openai_chat chat = r->chat;
    struct str body = r->body;
    size_t candidate = r->candidate;
    while (r->n_attempts < REQUEST_MAX_ATTEMPTS && r->n_candidates < REQUEST_MAX_ATTEMPTS) {
        struct walk_env *env = walk_environment(g->walk);
        env->now_ms = clock_mono_ms();
        env->wall_s = clock_wall_ms() / 1000;
        if (walk_next(g->walk, &w, &g->step) == WALK_END) {
            break;
        }
        log_move(r, f, &g->step);
        if (routing_take_step(r)) {
            *ret = go_on(r, g->step.wait_ms);
            return true;
        }
        w.last_error_is_ours = true;
        w.hedge_started = false;
    }
    r->error = error; /* the failure stays the answer */
    r->reply = reply;
    r->chat = chat;
    r->body = body;
    r->candidate = candidate;
    return false;
}

static bool may_lead_on(const struct request *r)
{
    return r->status == 0 && !r->client_gone && !r->recorded && !r->hurry && !r->env->ending;
}

bool attempt_failed(struct request *r, const struct attempt_failure *f, enum verdict *ret)
{
    if (!may_lead_on(r)) {
        return false;
    }
    if (r->kind == REQUEST_UNIVERSAL) {
        return next_step(r, f, ret);
    }
    if (!r->routing && (!r->n_candidates || r->kind == REQUEST_NATIVE)) {
        return false;
    }
    unsigned kinds = kinds_of(f);
    bool other = !f->ours && r->candidates[r->candidate].provider->n_credentials > 1;
    if (!r->routing && !other) {
        return false;
    }
    struct error error = r->error;
    struct reply reply = r->reply;
    end_attempt(r, f);
    if (other && other_credential(r, kinds)) {
        attempt_clear(r);
        *ret = VERDICT_AGAIN;
        return true;
    }
    r->error = error;
    r->reply = reply;
    return r->routing && walk_on(r, f, ret);
}

bool attempt_may_go_on(const struct request *r)
{
    if (!may_lead_on(r) || r->n_attempts >= REQUEST_MAX_ATTEMPTS) {
        return false;
    }
    return r->routing && r->routing->step.may_go_on;
}

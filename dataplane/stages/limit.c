/* limit: whether the caller may ask for so much, so often and so many at once, by the limits that
 * do not depend on whom the request goes to (those of models and providers are counted by reserve,
 * attempt by attempt). What is told here of the request's end user, tags and metadata names the
 * accounts of budgets too. */
#include "dataplane/stages/routing.h"
#include "dataplane/stages/stages.h"
#include "dataplane/stages/taking.h"

static bool calls_a_model(const struct request *r)
{
    switch (r->kind) {
    case REQUEST_CHAT:
    case REQUEST_EMBED:
    case REQUEST_RERANK:
    case REQUEST_COUNT:
    case REQUEST_UNIVERSAL:
    case REQUEST_NATIVE:
        return r->explanation == NULL;
    default:
        return false;
    }
}

uint64_t governed_limit_amount(const struct request *r, const struct quota_rule *rule,
                               const struct bound *b)
{
    if (rule->metric != METRIC_TOKENS) {
        return 1;
    }
    uint64_t most = rule->algorithm == ALGORITHM_BUCKET && rule->burst ? rule->burst : rule->amount;
    uint64_t out = b->named && b->tokens_out < most          ? b->tokens_out
                   : b->named && b->tokens_out != UINT64_MAX ? most
                                                             : ROUTING_EXPECTED_OUTPUT;
    uint64_t sum = routing_prompt_tokens(r) + out;
    sum = sum < most ? sum : most;
    return sum ? sum : 1; /* a limit of nothing lets nothing through */
}

static uint64_t amount_of(struct request *r, const struct quota_rule *rule)
{
    struct bound b = {.named = false};
    if (rule->metric == METRIC_TOKENS) {
        bound_of_request(r, NULL, &b);
    }
    return governed_limit_amount(r, rule, &b);
}

static bool collect(struct request *r, struct taking *t)
{
    const struct holds *s = r->holds;
    for (size_t i = 0; i < s->n_quotas; i++) {
        const struct snap_quota *q = s->quotas[i];
        struct str bucket;
        size_t variants = q->rule.limit && !governed_by_target(q) ? governed_variants(r, q) : 0;
        for (size_t k = 0; k < variants; k++) {
            if (!governed_binds(r, NULL, q, k, &bucket)) {
                continue;
            }
            struct want w = {.quota = q, .bucket = bucket, .amount = amount_of(r, &q->rule)};
            if (!taking_add(r, t, &w)) {
                return false;
            }
        }
    }
    return true;
}

static void admit(struct request *r, enum verdict *v)
{
    r->holds->admitted = *v == VERDICT_NEXT;
    if (r->holds->admitted) {
        holds_admitted(r);
    }
}

enum verdict stage_limit(struct request *r)
{
    if (!calls_a_model(r)) {
        return VERDICT_NEXT;
    }
    if (!governed_read(r) || !governed_find(r)) {
        return VERDICT_REJECT;
    }
    if (!r->holds || r->holds->n_quotas == 0) {
        return VERDICT_NEXT;
    }
    struct taking *t = arena_zalloc(r->arena, sizeof(*t));
    if (!t) {
        (void)error_set(&r->error, ERR_INTERNAL, "out of room for the request");
        return VERDICT_REJECT;
    }
    t->done = admit;
    if (!collect(r, t)) {
        return VERDICT_REJECT;
    }
    enum verdict v = taking_run(r, t);
    admit(r, &v);
    return v;
}

/* The provider's own limits: what its last answer said, less what was sent since. */
#include "dataplane/routing/target_state_inside.h"

#define UNTOLD_RESET_MS 10000u

static void learned_reset(struct learned *l)
{
    slot_set(&l->believed_until, 0);
    slot_set(&l->left, 0);
    slot_set(&l->resets_at, 0);
}

void limits_reset(struct target_state *s)
{
    learned_reset(&s->requests);
    learned_reset(&s->tokens);
    slot_set(&s->hold_until, 0);
}

static void learned_set(struct learned *l, uint64_t left, uint64_t reset_ms, uint64_t now_ms)
{
    uint64_t believed_ms = reset_ms ? reset_ms : UNTOLD_RESET_MS;
    believed_ms = believed_ms < BELIEVED_MS ? believed_ms : BELIEVED_MS;
    slot_set(&l->left, left < INT64_MAX ? left : INT64_MAX);
    slot_set(&l->resets_at, reset_ms ? time_after(now_ms, reset_ms) : 0);
    slot_set(&l->believed_until, time_after(now_ms, believed_ms));
}

void target_learn(struct target_state *s, const struct limit_news *news, uint64_t now_ms)
{
    if (news->has_requests) {
        learned_set(&s->requests, news->requests_left, news->requests_reset_ms, now_ms);
    }
    if (news->has_tokens) {
        learned_set(&s->tokens, news->tokens_left, news->tokens_reset_ms, now_ms);
    }
    if (news->has_retry_after && news->retry_after_ms > 0) {
        uint64_t ms = news->retry_after_ms < BELIEVED_MS ? news->retry_after_ms : BELIEVED_MS;
        slot_raise(&s->hold_until, time_after(now_ms, ms));
    }
}

static bool learned_lacks(const struct learned *l, uint64_t needed, uint64_t now_ms)
{
    uint64_t left = slot_get(&l->left);
    return slot_get(&l->believed_until) > now_ms && (left == 0 || left < needed);
}

bool target_saturated(const struct target_state *s, uint64_t tokens, uint64_t now_ms)
{
    return slot_get(&s->hold_until) > now_ms || learned_lacks(&s->requests, 1, now_ms) ||
           learned_lacks(&s->tokens, tokens, now_ms);
}

static void learned_spend(struct learned *l, uint64_t n)
{
    uint64_t left = slot_get(&l->left);
    while (left > 0 &&
           !atomic_compare_exchange_weak_explicit(&l->left, &left, left > n ? left - n : 0,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void target_spend(struct target_state *s, uint64_t tokens)
{
    learned_spend(&s->requests, 1);
    learned_spend(&s->tokens, tokens);
}

/* What is left by now; UINT64_MAX where it is not known (any more). */
static uint64_t learned_left(const struct learned *l, uint64_t now_ms, uint64_t *resets_in_ms)
{
    uint64_t resets_at = slot_get(&l->resets_at);
    uint64_t until = resets_at ? resets_at : slot_get(&l->believed_until);
    if (until <= now_ms) {
        return UINT64_MAX;
    }
    if (resets_at && resets_at - now_ms < *resets_in_ms) {
        *resets_in_ms = resets_at - now_ms;
    }
    return slot_get(&l->left);
}

void limits_view(const struct target_state *s, uint64_t now_ms, struct target_view *v)
{
    v->limits_reset_in_ms = UINT64_MAX;
    v->requests_left = learned_left(&s->requests, now_ms, &v->limits_reset_in_ms);
    v->tokens_left = learned_left(&s->tokens, now_ms, &v->limits_reset_in_ms);
    v->limits_known = v->requests_left != UINT64_MAX || v->tokens_left != UINT64_MAX;
}

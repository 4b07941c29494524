/* Which budgets and limits bind a request, and what is said of them: parts of the stages limit and
 * reserve. Private to stages. */
#ifndef DATAPLANE_STAGES_GOVERNED_H
#define DATAPLANE_STAGES_GOVERNED_H

#include "dataplane/request/holds.h"

/* Reads whom the request names (end user, tags, metadata). False: r->error (its key demands
 * metadata that it lacks). */
bool governed_read(struct request *r);
/* Finds the quotas that may bind it, once, into r->holds. False: r->error (one of them needs what
 * this proxy lacks, or there is no room). r->holds may stay NULL: nothing binds it. */
bool governed_find(struct request *r);
/* Does it depend on whom the request goes to? */
bool governed_by_target(const struct snap_quota *q);
/* How many accounts it may have at once for this request (a budget on each tag: one a tag). */
size_t governed_variants(const struct request *r, const struct snap_quota *q);
/* Does it bind the request (c NULL: as far as that does not depend on the target)? *ret_bucket: of
 * the account, in the arena. */
bool governed_binds(struct request *r, const struct candidate *c, const struct snap_quota *q,
                    size_t variant, struct str *ret_bucket);

/* Is less left of `a` than of `b`, each as a part of its amount? */
bool governed_is_tighter(const struct quota_view *a, const struct quota_view *b);
/* Is it a limit that Redis counts here? */
bool governed_is_exact(const struct request *r, const struct snap_quota *q);
/* What is left of the tightest budget that binds the request whomever it goes to (METRIC_NONE: of
 * any metric). False: none does, or nothing is known of it. */
bool governed_tightest(struct request *r, enum quota_metric metric, struct quota_view *ret);

/* One thing to be reserved. */
struct want {
    const struct snap_quota *quota;
    struct str bucket;
    uint64_t amount; /* in all, of this attempt or request */
    bool kept;       /* hold_part.kept */
};

/* Header fields about budgets and limits, at most GOVERNED_HEADERS; on answers of every kind. */
#define GOVERNED_HEADERS 12
size_t governed_headers(struct request *r, struct header *list);
/* Are x-ratelimit-* fields Weir's own here? Then the provider's do not come down. */
bool governed_limits_shown(const struct request *r);
/* r->error and fields of the reply that tell of a refusal. */
void governed_say_over(struct request *r, const struct snap_quota *q, struct quota_account *a,
                       uint64_t amount);
void governed_say_reached(struct request *r, const struct snap_quota *q,
                          const struct exact_view *v);
void governed_say_unavailable(struct request *r, const struct snap_quota *q, bool occupied);
/* "0.9996" or "1000": an amount of this metric. */
struct str governed_amount(struct arena *a, enum quota_metric m, uint64_t amount);

/* reserve.c: reserves for the candidate at hand without waiting (a hedge). False: it cannot be. */
bool reserve_now(struct request *r);
struct bound;
/* limit.c: what a limit counts at first. Tokens are known when the answer tells them; until then
 * what is likely is taken. A request that alone is more than the limit is let through when nothing
 * else is. */
uint64_t governed_limit_amount(const struct request *r, const struct quota_rule *rule,
                               const struct bound *b);
/* bound.c */
struct bound {
    uint64_t tokens_in, tokens_out; /* at most; UINT64_MAX: no bound is known */
    bool named;                     /* the client named a maximum of output, or there is none */
    uint64_t choices;               /* answers asked for */
    uint64_t predicted;             /* of tokens_out: what was foretold and may be billed besides */
    bool later; /* the answer comes by another call: what it costs is not seen */
};
void bound_of_request(struct request *r, const struct candidate *c, struct bound *ret);
/* Bytes are tokens at most, but not only bytes; UINT64_MAX: no bound is known. `chat`: it makes
 * text, so that the model's window is a bound too. */
uint64_t bound_tokens_in(struct request *r, const struct candidate *c, struct str body, bool chat);
/* Puts a maximum of output into the body at hand, in the client's dialect. False: it has no place
 * for one. */
bool bound_cap(struct request *r, const struct candidate *c, uint64_t tokens);

/* usage.c: GET /v1/usage. */
enum verdict usage_answer(struct request *r);
/* route.c: goes to another model instead, which needs no leave of the key. False: r->error. */
bool route_downgrade(struct request *r, struct str model);

#endif

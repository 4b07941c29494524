/* What a request holds of budgets and limits: one entry an account, filled by the stages limit and
 * reserve, settled once, when the request's event stands in the spool. Until then nothing that was
 * reserved is given back, so that an event that is recovered at its bound is always covered. On the
 * request's thread. */
#ifndef DATAPLANE_REQUEST_HOLDS_H
#define DATAPLANE_REQUEST_HOLDS_H

#include "dataplane/limits/exact.h"
#include "dataplane/limits/quota.h"
#include "dataplane/request/request.h"

/* What one attempt may take: as many as can be reserved for at once (one runs, a hedge runs, one is
 * about to be sent). */
#define HOLD_PARTS 3
struct hold_part {
    unsigned attempt; /* its number; 0: the place is free */
    uint64_t bound;
    bool kept; /* what it costs may not be seen: without the provider's word the bound stands */
};

struct hold {
    const struct snap_quota *quota;
    struct quota_account *account; /* a reference; NULL: charged, but out of no account here */
    struct str bucket;             /* where there is no account */
    int64_t window_start_s;
    uint64_t taken; /* out of a lease */
    uint64_t spent; /* by attempts that have ended */
    struct hold_part parts[HOLD_PARTS];
    bool leased;  /* what it takes is reserved; else it is only told (soft, or policy allows) */
    bool whole;   /* a limit's: of the request, not of an attempt */
    bool counted; /* requests: its one is among the parts or spent */
};

/* What was taken at once from limits that Redis counts. */
struct exact_use {
    struct exact_use *next;
    struct exact_hold *hold; /* NULL: gone */
    const struct snap_quota **quotas;
    struct str *buckets;
    struct exact_view *views; /* as told when it was taken, or refused */
    uint64_t told_ms;         /* wall clock then */
    bool told;
    size_t n;
    unsigned attempt; /* 0: of the request as a whole */
    bool waiting;
};

struct holds {
    struct request *request;
    struct exact_use *exact;
    struct hold *list;
    size_t n, room;
    const char *capped; /* the body that r->output_cap stands in; NULL: none */
    bool admitted;      /* the limits let the request in: it counts */
    bool released;
    struct quota_waiter waiter;
    bool waiting;
    /* found once: what may bind this request */
    const struct snap_quota **quotas;
    size_t n_quotas;
    bool sought;
};

/* Made at first need; NULL: out of room. */
struct holds *holds_of(struct request *r);
/* The entry of this account, made when there is none. Takes the reference over. NULL: out of room
 * (the reference is dropped). */
struct hold *holds_add(struct request *r, const struct snap_quota *q, struct quota_account *a);
/* One without an account. */
struct hold *holds_add_told(struct request *r, const struct snap_quota *q, struct str bucket,
                            int64_t window_start_s);
/* What of `taken` neither is spent nor may be. */
uint64_t hold_free(const struct hold *h);
/* The attempt's part; NULL: it has none. */
struct hold_part *hold_part_of(struct hold *h, unsigned attempt);
/* False: too many attempts at once. One that has a part keeps the larger bound. */
bool hold_part_add(struct hold *h, unsigned attempt, uint64_t bound, bool kept);
/* The attempt was not sent after all. */
void holds_undo(struct request *r, unsigned attempt);
/* The same, but what Redis counted for it stays: it is about to be reserved for anew. */
void holds_undo_parts(struct request *r, unsigned attempt);
/* The limits have let the request in: of those of requests that is all that they will ever hear, so
 * it is told at once, and whoever comes next is refused without waiting for this one's end. */
void holds_admitted(struct request *r);
/* The same of a model's or provider's, for an attempt that is on its way. */
void holds_sent(struct request *r, unsigned attempt);
/* The attempt has ended: its parts become what it cost. */
void holds_end_attempt(struct request *r, unsigned number, const struct attempt *t);
/* As the event says it: *ret_n of them in the arena; NULL: none, or no room. */
const struct event_charge *holds_charges(struct request *r, size_t *ret_n);
/* Behind the event: settles everything, once; a waiter is taken back. */
void holds_release(struct request *r);
/* Tokens of an attempt, in and out. */
uint64_t attempt_tokens(const struct attempt *t);

#endif

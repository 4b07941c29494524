/* Taking several reservations one after the other, where each may park the request: what the stages
 * limit and reserve share. Private to stages. */
#ifndef DATAPLANE_STAGES_TAKING_H
#define DATAPLANE_STAGES_TAKING_H

#include "dataplane/stages/governed.h"

struct taking {
    struct want *list;
    size_t n, at, room;
    unsigned attempt; /* that they are for; 0: limits of the request as a whole */
    bool hurry;       /* nothing is waited for */
    /* What to do where it does not fit; NULL: refuse. Called with the want at hand; AGAIN takes
     * the list anew as it left it, TAKING_LEAVE becomes the stage's own AGAIN. */
    enum verdict (*on_over)(struct request *r, struct taking *t, struct quota_account *a);
    /* Told of the end where it came later; may change the verdict. NULL: nothing to tell. */
    void (*done)(struct request *r, enum verdict *v);
    /* A limit that Redis counts is reached; r->error is set. NULL: refuse. */
    enum verdict (*refused)(struct request *r, struct taking *t);
    /* taking.c's own */
    struct exact_use *use; /* NULL: Redis gave nothing, or is out of reach */
    struct request *request;
    size_t held; /* the hold that is waited for */
    uint64_t need;
};

/* on_over's word for: leave these reservations, and begin the stage anew. */
#define TAKING_LEAVE VERDICT_COUNT

/* False: out of room, r->error. */
bool taking_add(struct request *r, struct taking *t, const struct want *w);
/* It is counted, but out of no lease: a soft budget, or one that lets the call go on without. */
enum verdict taking_untaken(struct request *r, const struct taking *t, const struct want *w);
/* Takes what is in the list; NEXT, WAIT (it resumes the request by itself), REJECT, or what on_over
 * said. */
enum verdict taking_run(struct request *r, struct taking *t);

#endif

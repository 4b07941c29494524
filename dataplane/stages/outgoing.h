/* The request to a provider, as `translate` has settled it, and its bytes. */
#ifndef DATAPLANE_STAGES_OUTGOING_H
#define DATAPLANE_STAGES_OUTGOING_H

#include "dataplane/request/request.h"

struct outgoing {
    struct str method;
    struct str path;         /* whole: the provider's own and the operation's */
    struct str query;        /* NULL ptr: none */
    struct str content_type; /* NULL ptr: the client's passes */
    const struct str *body;  /* pieces; all but the last are copied behind the head, so that head
                                and body leave by one write */
    size_t n_body, body_bytes;
    bool translated;         /* only a few of the client's header fields pass */
    const struct step *step; /* its header fields go before the request's own; NULL: none */
};

/* Path and query of the candidate's endpoint. False: r->error (a setting that is missing). */
bool outgoing_path(struct request *r, const struct candidate *c, bool stream, struct str verb,
                   struct outgoing *ret);
/* The path behind the provider's base path, joined. */
bool outgoing_join(struct request *r, const struct candidate *c, struct str path,
                   struct outgoing *ret);
/* Writes r->upstream_head and r->upstream_body, signed: VERDICT_NEXT, VERDICT_REJECT, or
 * VERDICT_WAIT while a token is bought (then the request is resumed from there). */
enum verdict outgoing_write(struct request *r, const struct candidate *c, const struct outgoing *o);
/* The provider answered 401: the bought token that the request was signed with, if it was, is not
 * used for the next one (unless it is young: then the fault is elsewhere). */
void outgoing_token_refused(struct request *r);

#endif

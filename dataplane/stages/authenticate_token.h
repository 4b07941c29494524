/* Signed tokens in place of keys (docs/identity.md): verified by the keys that came with the
 * snapshot, no I/O. A token stands for one of its issuer's virtual keys, so that key's models,
 * budgets and limits hold; who the caller is comes from the claims. */
#ifndef DATAPLANE_STAGES_AUTHENTICATE_TOKEN_H
#define DATAPLANE_STAGES_AUTHENTICATE_TOKEN_H

#include "dataplane/snapshot/index.h"

/* Which tokens were verified lately, by their SHA-256: one per worker, of a fixed size. What was
 * verified under another snapshot is verified again. */
struct token_memo;
struct token_memo *token_memo_new(void);
void token_memo_free(struct token_memo *m); /* accepts NULL */

struct token_caller {
    const struct snap_key *key; /* in the arena: the issuer's key, with user, team and metadata of
                                   the token */
    struct str end_user;        /* NULL ptr: the token names none */
};

/* For a credential that jwt_looks_like. Whether the key itself is disabled or has expired is for
 * the caller to see, as with any key. False: ERR_INVALID_TOKEN, ERR_UPGRADE_REQUIRED. memo NULL:
 * every time anew. */
bool authenticate_token(const struct snapshot *s, struct token_memo *memo, struct str token,
                        int64_t now_ms, struct arena *a, struct token_caller *ret,
                        struct error *err);

#endif

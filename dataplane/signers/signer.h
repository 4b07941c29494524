/* How a provider wants its requests signed: one row of table.c per authentication style (enum
 * provider_auth). A signer writes whole header lines into the upstream head, or changes the query;
 * a dialect is not an auth scheme, so the two tables are separate. No I/O: what needs a token that
 * is not there yet says how to buy it. Any thread. */
#ifndef DATAPLANE_SIGNERS_SIGNER_H
#define DATAPLANE_SIGNERS_SIGNER_H

#include "common/base/error.h"
#include "common/rules/provider.h"
#include "dataplane/canonical/head.h"
#include "dataplane/signers/token_cache.h"
#include "dataplane/snapshot/index.h"

/* The request as it will be sent; the signer changes `query` alone. */
struct signing {
    const struct snap_provider *provider;
    const struct provider_row *row;
    struct str credential; /* plain key, stored or the client's own; "" or NULL ptr: none */
    struct str token;      /* an access token bought before; NULL ptr: none yet */
    struct str method, path, query; /* query NULL ptr: none */
    struct str content_type;        /* NULL ptr: none of ours */
    const struct str *body;
    size_t n_body;
    uint64_t now_ms; /* Unix time */
};

enum sign_result {
    SIGN_DONE = 0,
    SIGN_NEEDS_TOKEN, /* buy one with *ret_purchase, set `token`, and sign again */
    SIGN_FAILED       /* err says why, without showing the credential */
};

struct token_purchase {
    const struct token_source *source;
    struct str credential; /* in the arena or the snapshot */
};

/* Room that a signer's header lines may take, besides the credential or token itself. */
#define SIGNER_ROOM 1024

enum sign_result signer_sign(struct signing *s, struct arena *a, struct head *out,
                             struct token_purchase *ret_purchase, struct error *err);

/* The longest text that signer_sign may put into a header. */
size_t signer_room(const struct signing *s);

/* bearer.c: "Authorization: Bearer …"; nothing for an empty credential. */
bool signer_bearer(struct str credential, struct head *out, struct error *err);
/* "name: value", the same way. */
bool signer_header(struct str name, struct str credential, struct head *out, struct error *err);

#endif

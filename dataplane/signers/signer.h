/* How a provider wants its requests signed: one row of table.c per provider kind. A signer writes
 * whole header lines into the upstream head; a dialect is not an auth scheme, so the two tables are
 * separate. Pure, any thread. */
#ifndef DATAPLANE_SIGNERS_SIGNER_H
#define DATAPLANE_SIGNERS_SIGNER_H

#include "common/base/error.h"
#include "dataplane/canonical/head.h"

struct signer {
    const char *kind; /* provider kind that it serves */
    /* Adds the header lines for `credential` ("" or NULL ptr: none is sent). False: the credential
     * cannot be sent; err says why without showing it. */
    bool (*sign)(struct str credential, struct head *out, struct error *err);
};

/* The row for a provider's kind; "openai" and kinds without a row of their own get bearer. Never
 * NULL. */
const struct signer *signer_for(struct str kind);

bool signer_bearer(struct str credential, struct head *out, struct error *err);

#endif

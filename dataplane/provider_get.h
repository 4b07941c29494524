/* One GET to a provider, as a request of a client would go: with the worker's connections and TLS,
 * the provider's address, header fields and signer, tokens bought where it needs them. Provider
 * tests and health checks are made of it. On the worker's thread. */
#ifndef DATAPLANE_PROVIDER_GET_H
#define DATAPLANE_PROVIDER_GET_H

#include "dataplane/request/env.h"

struct provider_get;

struct provider_answer {
    int status;        /* 0: none came */
    struct str body;   /* what came of it, up to its ceiling; during the call only */
    const char *error; /* NULL: an answer came whole, whatever its status */
    bool known;        /* false: this snapshot has no such provider */
    bool listed;       /* of a list of models: this kind of provider has one */
    uint64_t took_ms;
};

struct provider_get_config {
    struct request_env *env;
    struct uuid provider_id;
    struct str path; /* from the host's root, with its query; "" the provider's list of models.
                        Copied */
    unsigned deadline_ms;
    size_t max_body; /* more of it is dropped */
    void (*fn)(void *arg, const struct provider_answer *a);
    void *arg;
};

/* fn is called once, later or from inside; the struct is gone behind it. */
void provider_get_start(const struct provider_get_config *c, struct provider_get **ret);
/* Before fn was called; it is not called any more. Accepts NULL. */
void provider_get_cancel(struct provider_get *g);

#endif

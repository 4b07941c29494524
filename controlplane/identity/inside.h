/* Inside of the identity object, for the files of this folder only. */
#ifndef CONTROLPLANE_IDENTITY_INSIDE_H
#define CONTROLPLANE_IDENTITY_INSIDE_H

#include <pthread.h>

#include "controlplane/identity/identity.h"

struct identity {
    struct identity_config config;
    char *private_issuers;
    pthread_mutex_t lock;
    pthread_cond_t fetched;
    unsigned fetching; /* refreshes under way for tokens */
    unsigned waiting;  /* for those */
};

/* A text member of an object, decoded into the arena; NULL ptr when absent or no text. */
struct str identity_text(struct json_value object, const char *name, struct arena *a);
struct str identity_decode(struct json_value v, struct arena *a);

#endif

/* A dialect is what one family of SDKs speaks: where its key stands and what its errors look like.
 * One file per dialect, a row of table.c each, never a file per pair. Pure functions over plain
 * arguments. */
#ifndef DATAPLANE_DIALECTS_DIALECT_H
#define DATAPLANE_DIALECTS_DIALECT_H

#include "common/base/arena.h"
#include "common/base/error.h"

/* A place where a client may put its key. */
struct key_place {
    const char *header; /* NULL: the query parameter `parameter` */
    bool bearer;        /* "Bearer <key>"; another scheme counts as absent */
    const char *parameter;
};

struct dialect {
    const char *name; /* as events say it: "openai" */
    const struct key_place *key_places;
    size_t n_key_places;
    /* The whole body of an error answer, in the arena; a fixed text when the arena is out of room.
     */
    struct str (*error_body)(struct arena *a, const struct error *e, struct str request_id);
    /* The event that ends a stream visibly broken. */
    struct str (*error_event)(struct arena *a, const struct error *e, struct str request_id);
    const char *content_type; /* of error_body */
};

extern const struct dialect dialect_openai; /* /v1/… */
extern const struct dialect
    dialect_native; /* /{provider}/…: keys wherever an SDK puts them, errors as OpenAI's */

#endif

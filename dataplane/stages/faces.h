/* The faces of the data plane: which operation of which dialect a path asks for. Parts of parse. */
#ifndef DATAPLANE_STAGES_FACES_H
#define DATAPLANE_STAGES_FACES_H

#include "dataplane/request/request.h"

enum face {
    FACE_NONE = 0, /* the path is none of these */
    FACE_POST,     /* kind, face_api, dialect and what the path names are set; POST alone */
    FACE_MODELS,   /* the list of models, or one, or the key's usage: GET alone */
    FACE_BAD       /* r->error says what is wrong with the path */
};

/* `path` as sent (encoded), without query, Cloudflare's front and "/compat" already off. */
enum face face_of_path(struct request *r, struct str path);

/* Cloudflare's "/v1/{account}/{gateway}" off the path: *ret_rest is what follows ("" or from its
 * slash). False: the path has no such front. */
bool cloudflare_front(struct str path, struct str *ret_rest);
/* The path behind Cloudflare's provider names, as the provider itself has it: resource and
 * deployment of azure-openai, service and region of aws-bedrock. In the arena; STR_NONE when out of
 * room. */
struct str cloudflare_native_path(struct request *r, const struct provider_row *row,
                                  struct str path);
/* The steps of a universal request, from the body; false: r->error. */
bool cloudflare_read_steps(struct request *r);

#endif

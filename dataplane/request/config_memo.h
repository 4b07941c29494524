/* Routing configs that were compiled for a request (inline ones, and versions that nobody names),
 * kept by their text for those that follow. One per worker. */
#ifndef DATAPLANE_REQUEST_CONFIG_MEMO_H
#define DATAPLANE_REQUEST_CONFIG_MEMO_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/rules/route_config.h"

struct request_env;

/* The tree lives at least as long as the user's arena. NULL: err. */
const struct route_tree *config_memo_get(struct request_env *env, struct arena *user,
                                         struct str json, struct error *err);
void config_memo_release(struct request_env *env);

#endif

/* Where credentials stand in a routing config, and where they would go. A part of config_secrets.c.
 */
#ifndef CONTROLPLANE_API_CONFIG_SECRET_WALK_H
#define CONTROLPLANE_API_CONFIG_SECRET_WALK_H

#include "common/json.h"
#include "controlplane/http/body.h"

#define SECRET_PLACE_LEN 32

/* v: a string, or the object that a key file is. place: a digest of what says where the credential
 * is sent: providers and hosts named by the nodes above it and below. Equal places, equal servers.
 * False ends the walk. */
typedef bool (*config_secret_fn)(void *arg, struct json_value v, const struct body_path *at,
                                 const uint8_t place[static SECRET_PLACE_LEN]);

/* In the order of the text. `document` was validated; `at` is its place in the body. False when fn
 * said so. */
bool config_secrets_each(struct json_value document, const struct body_path *at,
                         config_secret_fn fn, void *arg);

#endif

/* Signed tokens at the admin API: a part of actor_authenticate. */
#ifndef CONTROLPLANE_HTTP_ACTOR_SIGNED_H
#define CONTROLPLANE_HTTP_ACTOR_SIGNED_H

#include "controlplane/http/actor.h"

/* Verified against the issuers that the admin API trusts; what it may do is what the issuer's group
 * rules say now, and is stored nowhere. ERR_INVALID_TOKEN, ERR_FORBIDDEN, ERR_DATABASE. May wait
 * for the issuer's keys. */
bool actor_by_signed_token(const struct actor_config *c, struct http_request *r, struct str token,
                           struct actor *ret, struct error *err);

#endif

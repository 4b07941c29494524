/* Who makes a call: a user by the session cookie, or an admin token by the Authorization header. */
#ifndef CONTROLPLANE_HTTP_ACTOR_H
#define CONTROLPLANE_HTTP_ACTOR_H

#include "controlplane/http/server.h"
#include "controlplane/rules/permission.h"
#include "controlplane/store/db.h"

struct actor_config {
    struct db_pool *pool;
    const char *base_path;  /* "/" or "/weir/" */
    const char *public_url; /* NULL: not told */
    bool secure_cookies;
    uint64_t session_idle_ms, session_max_ms;
};

struct actor {
    bool token; /* else a user with a session */
    bool platform;
    struct uuid id; /* of the user or token */
    struct str name, display_name;
    struct grant *grants;
    size_t n_grants;
    struct uuid session; /* nil for a token */
    struct str csrf;     /* of the session */
};

/* Everything in the request's arena. False: ERR_UNAUTHENTICATED, ERR_INVALID_KEY, ERR_DATABASE. */
bool actor_authenticate(const struct actor_config *c, struct http_request *r, struct actor *ret,
                        struct error *err);
/* A write by cookie must come from our own pages: the CSRF header, and an origin that is ours. */
bool actor_check_csrf(const struct actor_config *c, struct http_request *r, const struct actor *a,
                      struct error *err);
/* Origin and Sec-Fetch-Site, where the client sends them, name this server. */
bool actor_same_origin(const struct actor_config *c, struct http_request *r);

/* A session for this user: sets the cookie on the reply, fills session and csrf. Inside the
 * caller's transaction. */
bool actor_sign_in(const struct actor_config *c, struct http_request *r, struct tx *t,
                   const struct uuid *user, struct actor *ret, struct error *err);
/* Takes the cookie back. */
void actor_forget_cookie(const struct actor_config *c, struct http_request *r);
/* The roles of a user, platform_admin among them. */
bool actor_load_grants(struct tx *t, struct arena *a, struct actor *actor, struct error *err);
/* The distinct organizations that an actor holds a role in; room for n_grants. */
size_t actor_organizations(const struct actor *a, struct uuid *ret);

#endif

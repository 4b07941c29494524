/* Who makes a call: a user by the session cookie; or by the Authorization header an admin token, a
 * virtual key that carries permissions for this API, or somebody's signed token (JWT) of an issuer
 * that is trusted here. */
#ifndef CONTROLPLANE_HTTP_ACTOR_H
#define CONTROLPLANE_HTTP_ACTOR_H

#include "controlplane/http/server.h"
#include "controlplane/rules/permission.h"
#include "controlplane/store/db.h"

struct identity;

struct actor_config {
    struct db_pool *pool;
    struct identity *identity; /* NULL: no signed tokens */
    const char *base_path;     /* "/" or "/weir/" */
    const char *public_url;    /* NULL: not told */
    bool secure_cookies;
    uint64_t session_idle_ms, session_max_ms;
};

enum actor_kind { ACTOR_USER = 0, ACTOR_TOKEN, ACTOR_KEY, ACTOR_SIGNED };

struct actor {
    enum actor_kind kind;
    bool token; /* no user with a session: no cookie, so nothing that a foreign page could use */
    bool platform;
    struct uuid id;           /* of the user, token or key */
    struct uuid issuer;       /* who signed them in, or their token; nil: nobody else did */
    struct uuid organization; /* nil: any; else the issuer's, beyond which they hold nothing */
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

/* What a session is made by, besides a password. */
struct actor_proof {
    struct uuid issuer;
    bool platform_admin; /* by a group rule, for this session */
    struct str id_token;
};
/* A session for this user: sets the cookie on the reply, fills session and csrf; the session that
 * the browser came with ends. Inside the caller's transaction. proof NULL: a password. */
bool actor_sign_in(const struct actor_config *c, struct http_request *r, struct tx *t,
                   const struct uuid *user, const struct actor_proof *proof, struct actor *ret,
                   struct error *err);
/* Takes the cookie back. */
void actor_forget_cookie(const struct actor_config *c, struct http_request *r);
/* A cookie beside the session's, of that name with what its place demands; "" takes it back. */
void actor_set_cookie(const struct actor_config *c, struct http_request *r, const char *name,
                      const char *value, uint64_t max_age_s);
struct str actor_cookie(const struct actor_config *c, struct http_request *r, const char *name);
/* "https://host/base/" as browsers reach this server, in the request's arena. */
struct str actor_public_base(const struct actor_config *c, struct http_request *r);
/* The roles of a user, platform_admin among them. */
bool actor_load_grants(struct tx *t, struct arena *a, struct actor *actor, struct error *err);
/* The distinct organizations that an actor holds a role in; room for n_grants. */
size_t actor_organizations(const struct actor *a, struct uuid *ret);

#endif

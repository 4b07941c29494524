/* Signing in by OpenID Connect: authorization code with PKCE (S256), state and nonce, each bound to
 * the browser by a cookie; then who that is here and what they may do. */
#ifndef CONTROLPLANE_IDENTITY_LOGIN_H
#define CONTROLPLANE_IDENTITY_LOGIN_H

#include "controlplane/identity/mapping.h"
#include "controlplane/store/user_identities.h"

#define LOGIN_COOKIE_TEXT 43 /* base64url of 32 bytes */
#define LOGIN_SECONDS 600

/* Where the browser goes, and the cookie that it takes along. Texts in the arena. */
bool login_begin(struct identity *i, const struct uuid *issuer, struct str redirect_uri,
                 struct str return_to, struct arena *a, struct str *ret_url, struct str *ret_cookie,
                 struct error *err);

/* What the provider sent back; texts with NULL ptr are absent. */
struct login_answer {
    struct str state, code, iss, error, error_description, cookie, redirect_uri;
};
struct login {
    struct issuer issuer;
    struct str return_to;
    struct person person;
    struct json_value claims; /* of the id token, and of userinfo where it lacked some */
    struct str id_token;
};
/* Takes the flow, exchanges the code, verifies the id token. ret->issuer.name and return_to are
 * filled as far as they are known, also on failure (zero it before). */
bool login_finish(struct identity *i, const struct login_answer *w, struct arena *a,
                  struct login *ret, struct error *err);

/* Finds or makes the user, and makes what group rules give of memberships and teams theirs; in the
 * caller's transaction, which is to be committed also when *ret_access is false: nothing was left
 * for them, with the reason in *ret_reason. */
bool login_admit(struct tx *t, const struct issuer *issuer, const struct person *p,
                 struct json_value claims, struct arena *a, struct identity_user *ret_user,
                 struct mapped *ret_mapped, bool *ret_access, const char **ret_reason,
                 struct error *err);

/* The provider's own sign-out, for a session that was made by it; NULL ptr: it has none. */
struct str login_logout_url(struct identity *i, struct tx *t, const struct uuid *session,
                            struct str return_to, struct arena *a);
/* The id token as sessions keep it. */
struct str login_seal_id_token(const struct identity *i, const struct uuid *session,
                               struct str id_token, struct arena *a);

#endif

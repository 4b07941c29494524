/* Whose token it is, what its groups give, and no more than that. */
#include "controlplane/http/actor_signed.h"

#include "controlplane/identity/mapping.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/user_identities.h"

static bool find_issuers(const struct actor_config *c, struct http_request *r, struct str iss,
                         struct issuer **ret, size_t *ret_n, struct error *err)
{
    struct tx *t = tx_begin(c->pool, TX_SYSTEM, NULL, err);
    bool ok = t && issuers_for_admin_api(t, iss, http_arena(r), ret, ret_n, err);
    tx_rollback(t);
    return ok;
}

/* The issuer whose token this is: several organizations may trust one `iss` for audiences of their
 * own. */
static const struct issuer *verified_by(const struct actor_config *c, struct http_request *r,
                                        struct str token, const struct issuer *list, size_t n,
                                        struct json_value *ret_claims, enum jwt_verdict *ret_why)
{
    const struct issuer *found = NULL;
    *ret_why = JWT_ISSUER;
    http_wait_begin(r);
    for (size_t i = 0; i < n && !found; i++) {
        enum jwt_verdict v =
            identity_verify(c->identity, &list[i], token, list[i].audiences, list[i].n_audiences,
                            STR_NONE, STR_NONE, http_arena(r), ret_claims);
        if (v == JWT_VALID) {
            found = &list[i];
        } else if (*ret_why == JWT_ISSUER || *ret_why == JWT_AUDIENCE) {
            *ret_why = v;
        }
    }
    http_wait_end(r);
    return found;
}

/* The user behind the subject, where one is linked: a disabled one stays out. */
static bool find_user(struct tx *t, struct arena *a, const struct issuer *x, const struct person *p,
                      struct actor *ret, struct error *err)
{
    struct identity_user u;
    jwt_subject_id(&x->id, p->subject, &ret->id);
    ret->name = p->email.ptr ? p->email : p->subject;
    ret->display_name = p->name.ptr ? p->name : ret->name;
    if (!identity_find(t, &x->id, p->subject, a, &u, err)) {
        bool absent = err->code == ERR_NOT_FOUND;
        if (absent) {
            *err = (struct error)ERROR_INIT;
        }
        return absent;
    }
    ret->id = u.id;
    return !u.disabled || error_set(err, ERR_INVALID_TOKEN, "the token's user is disabled");
}

static bool fill_actor(struct tx *t, struct arena *a, const struct issuer *x,
                       struct json_value claims, struct actor *ret, struct error *err)
{
    struct person p;
    struct mapped m;
    *ret = (struct actor){
        .kind = ACTOR_SIGNED, .token = true, .issuer = x->id, .organization = x->organization};
    if (!person_read(x, claims, a, &p, err) || !find_user(t, a, x, &p, ret, err) ||
        !mapping_resolve(t, x, &p, claims, a, &m, err)) {
        return false;
    }
    ret->grants = mapping_grants(&m, a);
    ret->n_grants = m.n_roles;
    if (!ret->grants) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (m.platform_admin) {
        ret->platform = true;
        ret->grants[ret->n_grants++] = (struct grant){.role = ROLE_PLATFORM_ADMIN};
    }
    return ret->n_grants > 0 ||
           error_set(err, ERR_FORBIDDEN, "no group of the token gives a role here");
}

bool actor_by_signed_token(const struct actor_config *c, struct http_request *r, struct str token,
                           struct actor *ret, struct error *err)
{
    struct str iss, kid;
    struct issuer *list;
    struct json_value claims;
    enum jwt_verdict why;
    size_t n;
    if (!jwt_peek(token, http_arena(r), &iss, &kid, err)) {
        return false;
    }
    if (!validate_utf8(iss)) { /* it may hold a NUL */
        return error_set(err, ERR_INVALID_TOKEN, "%s", jwt_verdict_text(JWT_MALFORMED));
    }
    if (!find_issuers(c, r, iss, &list, &n, err)) {
        return false;
    }
    const struct issuer *x = verified_by(c, r, token, list, n, &claims, &why);
    if (!x) {
        return error_set(err, ERR_INVALID_TOKEN, "%s",
                         n == 0 ? "the token's issuer is not trusted here" : jwt_verdict_text(why));
    }
    struct tx *t = tx_begin(c->pool, TX_SYSTEM, NULL, err);
    bool ok = t && fill_actor(t, http_arena(r), x, claims, ret, err);
    tx_rollback(t);
    return ok;
}

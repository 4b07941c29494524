/* Who somebody is, as others say: identity providers (docs/identity.md). One object for the
 * process; all calls block and may be made by any thread; none may be made with a transaction open,
 * but where a transaction is a parameter. */
#ifndef CONTROLPLANE_IDENTITY_IDENTITY_H
#define CONTROLPLANE_IDENTITY_IDENTITY_H

#include "common/jwt.h"
#include "controlplane/store/issuers.h"

struct seal_keys;
struct references;
struct identity;

struct identity_config {
    struct db_pool *pool;
    const struct seal_keys *keys;
    /* Hosts, comma-separated, that organizations' own issuers may be at although they are not
     * public: "idp.internal, 127.0.0.1:9000"; "*": any. NULL or "": none. */
    const char *private_issuers;
    struct references *references; /* what ref:NAME as a client secret stands for; NULL: none */
};
struct identity *identity_new(const struct identity_config *c);
void identity_free(struct identity *i); /* accepts NULL */

const struct seal_keys *identity_seal_keys(const struct identity *i);
/* May something of this issuer be fetched from a private address? The installation's own may. */
bool identity_private_ok(const struct identity *i, const struct uuid *organization, struct str url);

/* What of a discovery document is used; texts in the arena, NULL ptr when absent. */
struct discovery {
    struct str authorization_endpoint, token_endpoint, jwks_uri, userinfo_endpoint,
        end_session_endpoint;
    bool iss_in_response; /* RFC 9207 */
    bool secret_in_body;  /* the token endpoint takes no basic authentication */
};
/* False: ERR_UPSTREAM_GARBAGE; `issuer` must be the document's own. */
bool discovery_read(struct str json, struct str issuer, struct arena *a, struct discovery *ret,
                    struct error *err);

/* --- keys --- */

/* Fetches discovery and keys now, if nobody did in the last 30 seconds (due: if their time has
 * come); notes what came or failed. *ret_asked: whether it was asked at all. */
bool identity_refresh(struct identity *i, const struct uuid *issuer, bool due, bool *ret_asked,
                      struct error *err);
/* All whose time has come. For the job. *ret_n: how many were asked. */
bool identity_refresh_due(struct identity *i, size_t *ret_n, struct error *err);
/* The keys that stand after `fresh` was fetched where `jwks` with `former` in it stood: what was
 * replaced stays until it is replaced twice. *ret_changed false: the same keys. Into the arena. */
bool jwks_merge(struct str jwks, struct str former, struct str fresh, struct arena *a,
                struct str *ret_jwks, struct str *ret_former, bool *ret_changed, struct error *err);
/* How long an answer with this max-age is kept, and when it is asked again: ahead of its end. */
uint64_t jwks_next_s(uint64_t max_age_s);

/* Verifies a token; when its key is not known, asks the issuer for new ones (at most once in 30
 * seconds over all instances) and tries again. The issuer's row is as it was read. */
enum jwt_verdict identity_verify(struct identity *i, const struct issuer *issuer, struct str token,
                                 const struct str *audiences, size_t n_audiences, struct str nonce,
                                 struct str azp, struct arena *a, struct json_value *ret_claims);
/* Bits of the names; unknown ones count for nothing. */
unsigned identity_algorithms(const struct issuer *issuer);

#endif

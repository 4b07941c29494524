/* Identity providers (docs/identity.md). The client secret is sealed (controlplane/secrets/seal.h:
 * table "issuers", column "client_secret"). */
#ifndef CONTROLPLANE_STORE_ISSUERS_H
#define CONTROLPLANE_STORE_ISSUERS_H

#include "controlplane/store/object.h"

enum {
    ISSUER_ID = 0,
    ISSUER_ORGANIZATION_ID, /* NULL: the installation's */
    ISSUER_NAME,
    ISSUER_ISSUER,
    ISSUER_CLIENT_ID,
    ISSUER_CLIENT_SECRET,
    ISSUER_CLIENT_SECRET_KEK,
    ISSUER_CLIENT_SECRET_REFERENCE, /* "ref:NAME" when it is one */
    ISSUER_SCOPES,
    ISSUER_AUDIENCES,
    ISSUER_ALGORITHMS,
    ISSUER_LOGIN,
    ISSUER_ADMIN_API,
    ISSUER_DATA_PLANE,
    ISSUER_CLAIMS,
    ISSUER_GROUP_RULES,
    ISSUER_EMAIL_DOMAINS,
    ISSUER_KEY_IDS,
    ISSUER_DENIED_JTI,
    ISSUER_LEEWAY_S,
    ISSUER_DISABLED,
    ISSUER_JWKS_URI,
    ISSUER_JWKS_FIXED,
    ISSUER_DISCOVERY,
    ISSUER_JWKS,
    ISSUER_FORMER_JWKS,
    ISSUER_FETCHED_AT,
    ISSUER_NEXT_FETCH_AT,
    ISSUER_FETCH_ERROR,
    ISSUER_OWNED_BY,
    ISSUER_REVISION,
    ISSUER_CREATED_AT,
    ISSUER_UPDATED_AT,
    ISSUER_COLUMN_COUNT
};

extern const struct object_table issuers_table;

/* What sign-in and token checks need of one, in the arena. */
struct issuer {
    struct uuid id, organization; /* nil: the installation's */
    struct str name, issuer, client_id, client_secret,
        client_secret_kek; /* sealed; NULL ptr: none */
    struct str *scopes, *audiences, *algorithms, *email_domains, *denied_jti;
    size_t n_scopes, n_audiences, n_algorithms, n_email_domains, n_denied_jti;
    bool login, admin_api, data_plane, disabled, jwks_fixed;
    struct str claims, group_rules;                    /* JSON */
    struct str jwks_uri, discovery, jwks, former_jwks; /* discovery: NULL ptr: not fetched yet */
    struct str fetch_error;
    int64_t leeway_s;
    uint64_t fetched_at_ms, revision;
};

/* System role, all of them. ERR_NOT_FOUND. */
bool issuer_load(struct tx *t, const struct uuid *id, struct arena *a, struct issuer *ret,
                 struct error *err);
/* Those that sign tokens for the admin API with this `iss`, at most 16: the installation's first.
 */
bool issuers_for_admin_api(struct tx *t, struct str iss, struct arena *a, struct issuer **ret,
                           size_t *ret_n, struct error *err);

struct issuer_name {
    struct uuid id, organization;
    struct str name;
};
/* Those that people sign in by: the installation's, and those of the organization of this name, of
 * the only one that there is, or that may speak for this domain (NULL ptr: not asked for). */
bool issuers_for_login(struct tx *t, struct str organization, struct str domain, struct arena *a,
                       struct issuer_name **ret, size_t *ret_n, struct error *err);

/* --- fetching --- */

/* Claims the right to fetch, for all instances at once; in a transaction of its own, committed
 * before the fetch. `due`: only when its time has come; else when nobody asked for 30 seconds.
 * *ret false: not now. */
bool issuer_fetch_claim(struct tx *t, const struct uuid *id, bool due, bool *ret,
                        struct error *err);
/* Ids of those whose time has come. */
bool issuers_due(struct tx *t, unsigned limit, struct arena *a, struct uuid **ret, size_t *ret_n,
                 struct error *err);
/* What came; texts NULL ptr: as it was. */
bool issuer_fetch_store(struct tx *t, const struct uuid *id, struct str discovery, struct str jwks,
                        struct str former_jwks, uint64_t next_s, struct error *err);
bool issuer_fetch_failed(struct tx *t, const struct uuid *id, struct str reason, uint64_t next_s,
                         struct error *err);
/* Has it to be fetched anew: after its address was changed. */
bool issuer_fetch_soon(struct tx *t, const struct uuid *id, struct error *err);

#endif

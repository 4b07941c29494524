/* Browser sessions. The cookie's token and the CSRF token are kept by their hashes only. System
 * role. */
#ifndef CONTROLPLANE_STORE_SESSIONS_H
#define CONTROLPLANE_STORE_SESSIONS_H

#include "controlplane/store/db.h"

struct session_new {
    struct uuid id, user;
    const uint8_t *token_hash, *csrf_hash; /* 32 bytes each */
    struct str address, user_agent;
    uint64_t max_ms; /* life whatever happens */
    /* by an identity provider; nil: by password */
    struct uuid issuer;
    bool platform_admin; /* by a group rule, for this session */
    struct str id_token; /* sealed; NULL ptr: none */
    const char *id_token_kek;
};

bool session_create(struct tx *t, const struct session_new *s, struct error *err);

struct session_found {
    struct uuid id, user;
    struct str email, name;
    uint8_t csrf_hash[32];
    bool platform_admin; /* the user's own, or the session's */
    struct uuid issuer;  /* nil: by password */
    /* of the issuer, nil when it is the installation's: such a session reaches no other */
    struct uuid organization;
};

/* The session of this token, unless it ended, idled longer than idle_ms, its user is disabled, or
 * its issuer is disabled or signs nobody in any more: ERR_NOT_FOUND. Notes the use, once a minute.
 */
bool session_find(struct tx *t, const uint8_t token_hash[static 32], uint64_t idle_ms,
                  struct arena *a, struct session_found *ret, struct error *err);
/* The id token it was made by, sealed; NULL ptr: none. */
bool session_id_token(struct tx *t, const struct uuid *id, struct arena *a, struct uuid *ret_issuer,
                      struct str *ret_sealed, struct str *ret_kek, struct error *err);
bool session_delete(struct tx *t, const struct uuid *id, struct error *err);
bool session_delete_by_token(struct tx *t, const uint8_t token_hash[static 32], struct error *err);
/* All of a user's, but the one given (nil: none is spared): after a change of password, or when
 * they are disabled. */
bool session_delete_others(struct tx *t, const struct uuid *user, const struct uuid *spare,
                           struct error *err);
/* Those that have ended. */
bool session_delete_ended(struct tx *t, struct error *err);

struct session_row {
    struct uuid id, user, issuer;
    struct str email, name, address, user_agent, issuer_name;
    uint64_t created_at_ms, last_seen_at_ms, expires_at_ms;
};
/* Whose sessions are meant: of one user, of users who hold something in one of these organizations,
 * or, with neither, everybody's. */
struct session_scope {
    const struct uuid *user;   /* NULL: any */
    const struct uuid *issuer; /* NULL: any; else those by that one */
    bool only_organizations;
    const struct uuid *organizations;
    size_t n_organizations;
};
/* Those that go on, by id behind *after (NULL: from the first). */
bool session_list(struct tx *t, const struct session_scope *s, const struct uuid *after,
                  unsigned limit, struct arena *a, struct session_row **ret, size_t *ret_n,
                  struct error *err);
/* One of them. ERR_NOT_FOUND. */
bool session_read(struct tx *t, const struct session_scope *s, const struct uuid *id,
                  struct arena *a, struct session_row *ret, struct error *err);

#endif

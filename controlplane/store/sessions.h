/* Browser sessions. The cookie's token and the CSRF token are kept by their hashes only. System
 * role. */
#ifndef CONTROLPLANE_STORE_SESSIONS_H
#define CONTROLPLANE_STORE_SESSIONS_H

#include "controlplane/store/db.h"

struct session_new {
    struct uuid user;
    const uint8_t *token_hash, *csrf_hash; /* 32 bytes each */
    struct str address, user_agent;
    uint64_t max_ms; /* life whatever happens */
};

bool session_create(struct tx *t, const struct session_new *s, struct uuid *ret_id,
                    struct error *err);

struct session_found {
    struct uuid id, user;
    struct str email, name;
    uint8_t csrf_hash[32];
    bool platform_admin;
};

/* The session of this token, unless it ended, idled longer than idle_ms, or its user is disabled:
 * ERR_NOT_FOUND. Notes the use, once a minute. */
bool session_find(struct tx *t, const uint8_t token_hash[static 32], uint64_t idle_ms,
                  struct arena *a, struct session_found *ret, struct error *err);
bool session_delete(struct tx *t, const struct uuid *id, struct error *err);
/* All of a user's, but the one given (nil: none is spared): after a change of password, or when
 * they are disabled. */
bool session_delete_others(struct tx *t, const struct uuid *user, const struct uuid *spare,
                           struct error *err);
/* Those that have ended. */
bool session_delete_ended(struct tx *t, struct error *err);

#endif

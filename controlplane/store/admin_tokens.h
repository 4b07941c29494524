/* Tokens for the admin API (wr_adm_...); organization NULL: of the installation. */
#ifndef CONTROLPLANE_STORE_ADMIN_TOKENS_H
#define CONTROLPLANE_STORE_ADMIN_TOKENS_H

#include "controlplane/store/object.h"

enum {
    TOKEN_ID = 0,
    TOKEN_ORGANIZATION_ID,
    TOKEN_NAME,
    TOKEN_SECRET_HASH,
    TOKEN_MASK,
    TOKEN_ROLE,
    TOKEN_CREATED_BY,
    TOKEN_EXPIRES_AT,
    TOKEN_LAST_USED_AT,
    TOKEN_REVOKED_AT,
    TOKEN_REVISION,
    TOKEN_CREATED_AT,
    TOKEN_COLUMN_COUNT
};

extern const struct object_table admin_tokens_table;

struct token_login {
    struct uuid id, organization; /* nil: of the installation */
    struct str name, role;
};
/* A token that is neither revoked nor expired, whose maker is not disabled and, for one of the
 * installation, still its administrator; by its hash. Notes its use, once a minute. ERR_NOT_FOUND.
 * System role. */
bool token_login_find(struct tx *t, const uint8_t hash[static 32], struct arena *a,
                      struct token_login *ret, struct error *err);

#endif

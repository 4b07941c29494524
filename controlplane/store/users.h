/* People. The password hash is no column of the table: only the calls below touch it. */
#ifndef CONTROLPLANE_STORE_USERS_H
#define CONTROLPLANE_STORE_USERS_H

#include "controlplane/store/object.h"

enum {
    USER_ID = 0,
    USER_EMAIL,
    USER_NAME,
    USER_PLATFORM_ADMIN,
    USER_DISABLED,
    USER_REVISION,
    USER_CREATED_AT,
    USER_UPDATED_AT,
    USER_COLUMN_COUNT
};

extern const struct object_table users_table;

struct user_login {
    struct uuid id;
    struct str password_hash; /* NULL ptr: has none and cannot sign in by password */
    bool disabled;
};
/* ERR_NOT_FOUND when there is no such account. System role. */
bool user_login_find(struct tx *t, struct str email, struct arena *a, struct user_login *ret,
                     struct error *err);
bool user_set_password(struct tx *t, const struct uuid *id, struct str hash, struct error *err);
bool user_by_email(struct tx *t, struct str email, struct uuid *ret, struct error *err);

/* A person's keys, in whatever organizations, but for the revoked. System role. */
struct user_key {
    struct uuid id, organization;
};
bool user_keys(struct tx *t, const struct uuid *id, struct arena *a, struct user_key **ret,
               size_t *ret_n, struct error *err);

#endif

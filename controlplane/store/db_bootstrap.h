/* The statements of `weir-control bootstrap-admin`: find or make, in one TX_SYSTEM transaction that
 * the caller begins and commits. Changes and audit rows are noted in it. */
#ifndef CONTROLPLANE_STORE_DB_BOOTSTRAP_H
#define CONTROLPLANE_STORE_DB_BOOTSTRAP_H

#include "controlplane/store/db.h"

/* Two of them at once take turns. */
bool bootstrap_lock(struct tx *t, struct error *err);
/* By name, without regard to case; *ret_made tells that it was not there. */
bool bootstrap_organization(struct tx *t, const char *name, struct uuid *ret_id, bool *ret_made,
                            struct error *err);
bool bootstrap_workspace(struct tx *t, const struct uuid *organization, const char *name,
                         struct uuid *ret_id, bool *ret_made, struct error *err);
/* By address, without regard to case; *ret_id nil when there is none. */
bool bootstrap_find_user(struct tx *t, const char *email, struct uuid *ret_id, struct error *err);
/* A platform administrator. */
bool bootstrap_make_user(struct tx *t, const char *email, const char *password_hash,
                         struct uuid *ret_id, struct error *err);
/* New password, enabled, platform administrator again; ends the user's sessions. */
bool bootstrap_reset_user(struct tx *t, const struct uuid *user, const char *email,
                          const char *password_hash, struct error *err);
/* Owner of the organization, unless already a member of it. */
bool bootstrap_membership(struct tx *t, const struct uuid *organization, const struct uuid *user,
                          struct error *err);
/* A platform token or a virtual key of that name, unless a live one has it (then *ret_made is
 * false). */
bool bootstrap_token(struct tx *t, const char *name, const char *role,
                     const uint8_t hash[static 32], const char *mask, const struct uuid *user,
                     struct uuid *ret_id, bool *ret_made, struct error *err);
bool bootstrap_key(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                   const char *name, const uint8_t hash[static 32], const char *mask,
                   const struct uuid *user, struct uuid *ret_id, bool *ret_made, struct error *err);

#endif

/* Teams and their members. */
#ifndef CONTROLPLANE_STORE_TEAMS_H
#define CONTROLPLANE_STORE_TEAMS_H

#include "controlplane/store/object.h"

enum {
    TEAM_ID = 0,
    TEAM_ORGANIZATION_ID,
    TEAM_WORKSPACE_ID,
    TEAM_NAME,
    TEAM_PRICE_GROUP,
    TEAM_EXTERNAL_ID,
    TEAM_OWNED_BY,
    TEAM_REVISION,
    TEAM_CREATED_AT,
    TEAM_UPDATED_AT,
    TEAM_COLUMN_COUNT
};

extern const struct object_table teams_table;

struct team_member {
    struct uuid user;
    struct str email, name, owned_by;
    uint64_t created_at_ms;
};

/* Members of a team with a user id behind *after (NULL: from the first), at most `limit`, by user
 * id. Those who hold nothing in the organization any more are not shown to a tenant. */
bool team_members(struct tx *t, const struct uuid *team, const struct uuid *after, unsigned limit,
                  struct arena *a, struct team_member **ret, size_t *ret_n, struct error *err);
/* One of them. ERR_NOT_FOUND. */
bool team_member_find(struct tx *t, const struct uuid *team, const struct uuid *user,
                      struct arena *a, struct team_member *ret, struct error *err);
/* Adds a user who holds a role somewhere in the organization: ERR_NOT_FOUND for others. *ret_added
 * false: was one already. */
bool team_member_add(struct tx *t, const struct uuid *organization, const struct uuid *team,
                     const struct uuid *user, const char *owned_by, bool *ret_added,
                     struct error *err);
/* ERR_NOT_FOUND when they were none. */
bool team_member_remove(struct tx *t, const struct uuid *team, const struct uuid *user,
                        struct error *err);
/* A team of the organization that something in this workspace may belong to: one of that workspace
 * or of the whole organization. ERR_NOT_FOUND. */
bool team_usable(struct tx *t, const struct uuid *organization, const struct uuid *workspace,
                 const struct uuid *team, struct error *err);
/* Keys of it that are not revoked, or service accounts. */
bool team_in_use(struct tx *t, const struct uuid *team, bool *ret, struct error *err);

#endif

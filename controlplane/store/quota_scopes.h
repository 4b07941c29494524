/* What budgets, limits and keys name by id or by a name that people know: teams, users (by e-mail),
 * service accounts, keys, workspaces, providers. */
#ifndef CONTROLPLANE_STORE_QUOTA_SCOPES_H
#define CONTROLPLANE_STORE_QUOTA_SCOPES_H

#include "common/rules/quota.h"
#include "controlplane/store/db.h"

struct scope_target {
    struct uuid id;
    struct uuid workspace; /* nil: of the whole organization */
    struct str name;
};

/* "team" for SCOPE_TEAM: what public ids begin with; NULL for kinds that have no ids. */
const char *quota_scope_prefix(enum quota_scope kind);
/* text: a public id or a name. workspace nil: in any; else what stands there or is shared.
 * ERR_NOT_FOUND; ERR_CONFLICT when several have the name. */
bool quota_scope_find(struct tx *t, enum quota_scope kind, const struct uuid *organization,
                      const struct uuid *workspace, struct str text, struct arena *a,
                      struct scope_target *ret, struct error *err);
/* Fills in the names of n targets of one kind by their ids; a name without pointer: there is none
 * any more. */
bool quota_scope_names(struct tx *t, enum quota_scope kind, const struct uuid *organization,
                       struct scope_target *targets, size_t n, struct arena *a, struct error *err);

#endif

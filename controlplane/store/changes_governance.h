/* The rows of budgets, limits, teams, price groups and issuers, for changes.c. */
#ifndef CONTROLPLANE_STORE_CHANGES_GOVERNANCE_H
#define CONTROLPLANE_STORE_CHANGES_GOVERNANCE_H

#include "controlplane/store/changes.h"

/* Fills what stands behind the first four columns (id, organization, workspace, name) of ret->kind.
 */
void changes_read_governance(const struct db_rows *r, size_t row, struct arena *a,
                             struct config_row *ret);

/* NULL ptr: it is NULL, or the arena is out of room. */
struct str changes_copy(const struct db_rows *r, size_t row, int col, struct arena *a);
size_t changes_texts(const struct db_rows *r, size_t row, int col, struct arena *a,
                     const struct str **ret);

#endif

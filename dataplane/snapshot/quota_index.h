/* Budgets and limits by where they stand (snapshot_quotas): 256 immutable lists, each ascending by
 * anchor and id. A change copies the lists that it touches; all are counted by roots. Entities are
 * held by the primaries of the same root. */
#ifndef DATAPLANE_SNAPSHOT_QUOTA_INDEX_H
#define DATAPLANE_SNAPSHOT_QUOTA_INDEX_H

#include "dataplane/snapshot/entity.h"

struct quota_index;

struct quota_index *quota_index_ref(struct quota_index *x); /* accepts NULL */
void quota_index_unref(struct quota_index *x);              /* accepts NULL */
/* What is there behind these changes: a new index, or NULL when nothing is left. `removed` are of
 * `base` (NULL: empty), `added` are not; both lists may hold other kinds and NULL, which are passed
 * over. */
struct quota_index *quota_index_change(struct quota_index *base, struct entity *const *removed,
                                       size_t n_removed, struct entity *const *added,
                                       size_t n_added);
const struct snap_quota *const *quota_index_find(const struct quota_index *x,
                                                 const struct uuid *anchor, size_t *ret_n);

#endif

/* The audit log for reading; it is written by tx_audit. */
#ifndef CONTROLPLANE_STORE_AUDIT_READ_H
#define CONTROLPLANE_STORE_AUDIT_READ_H

#include "controlplane/store/db.h"

struct audit_row {
    struct uuid id, organization, actor, object;
    uint64_t at_ms;
    struct str actor_kind, actor_name, action, object_kind, object_name, address, request_id;
    struct str before_json, after_json; /* NULL ptr: none */
};

struct audit_query {
    const struct uuid *organization; /* NULL: all, also of the platform (system role) */
    const struct uuid *object;       /* NULL: any */
    struct str action, object_kind;  /* NULL ptr: any */
    uint64_t from_ms, to_ms;         /* 0: open */
    const struct uuid *before;       /* keyset, newest first */
    unsigned limit;
};

bool audit_list(struct tx *t, const struct audit_query *q, struct arena *a, struct audit_row **ret,
                size_t *ret_n, struct error *err);

#endif

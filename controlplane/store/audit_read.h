/* The audit log for reading; it is written by tx_audit. */
#ifndef CONTROLPLANE_STORE_AUDIT_READ_H
#define CONTROLPLANE_STORE_AUDIT_READ_H

#include "controlplane/store/db.h"

struct audit_row {
    struct uuid id, organization, actor, object;
    uint64_t at_ms;
    struct str actor_kind, actor_name, action, object_kind, object_name, address, request_id;
    struct str before_json, after_json; /* NULL ptr: none */
    uint64_t seq;                       /* in its chain: of the organization, or of the platform */
    struct str hash;                    /* 64 hex digits */
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

/* --- the chains (docs/security.md) --- */

/* The last row of a chain. */
struct audit_head {
    struct uuid organization; /* nil: the installation's own chain */
    uint64_t seq;
    struct str hash;
};

/* The chains of this organization (NULL: all of them, the installation's first), in order. */
bool audit_heads(struct tx *t, const struct uuid *organization, struct arena *a,
                 struct audit_head **ret, size_t *ret_n, struct error *err);

/* A row as it is exported: what its hash is made of. */
struct audit_link {
    uint64_t seq;
    struct str hash, text;
};

/* Rows of one chain with after < seq <= last, in order, at most `limit`. */
bool audit_links(struct tx *t, const struct uuid *chain, uint64_t after, uint64_t last,
                 unsigned limit, struct arena *a, struct audit_link **ret, size_t *ret_n,
                 struct error *err);

#endif

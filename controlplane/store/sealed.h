/* Every column that holds a sealed value (controlplane/secrets/seal.h), in one table, and how they
 * are sealed anew by the current key while the service runs. A unit test compares the table with
 * the schema, so that none is forgotten. */
#ifndef CONTROLPLANE_STORE_SEALED_H
#define CONTROLPLANE_STORE_SEALED_H

#include "controlplane/store/db.h"

struct seal_keys;

struct sealed_column {
    const char *table, *column;
    /* SQL over a row: its key as a unique text, the id of the key-encryption key, the sealed bytes,
     * and what is assigned when $3 is that id's successor and d.value the new bytes. */
    const char *key, *kek, *value, *set;
    const char *place; /* the seal's table */
    const char *row;   /* SQL: the seal's row id; NULL: made from the key (idempotency_row) */
};
extern const struct sealed_column sealed_columns[];
extern const size_t sealed_columns_count;

struct sealed_count {
    uint64_t resealed; /* by the current key now, and were not before */
    uint64_t failed;   /* cannot be opened: their key was not given, or they were changed */
    uint64_t current;  /* of all rows, sealed by the current key */
};

/* Seals the column's rows anew that another key sealed, in batches, each a transaction: rows that
 * are being changed at this moment are waited for, none is overwritten. May be stopped and begun
 * again at any time. False: the database failed; *ret tells how far it came. */
bool sealed_renew(struct db_pool *pool, const struct seal_keys *keys, const struct sealed_column *c,
                  struct sealed_count *ret, struct error *err);

#endif

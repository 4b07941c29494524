/* Rows of the model catalogue that differ from the installed file: everybody's (no organization),
 * and each organization's own. */
#ifndef CONTROLPLANE_STORE_CATALOGUE_H
#define CONTROLPLANE_STORE_CATALOGUE_H

#include "controlplane/store/object.h"

enum {
    CATALOGUE_ID = 0,
    CATALOGUE_ORGANIZATION_ID,
    CATALOGUE_PROVIDER,
    CATALOGUE_MODEL,
    CATALOGUE_ENTRY,
    CATALOGUE_OWNED_BY,
    CATALOGUE_REVISION,
    CATALOGUE_CREATED_AT,
    CATALOGUE_UPDATED_AT,
    CATALOGUE_COLUMN_COUNT
};

extern const struct object_table catalogue_table;

struct catalogue_row {
    struct uuid id;
    bool own; /* the organization's, else everybody's */
    struct str provider, model, entry_json;
};

/* Everybody's rows and (not NULL) the organization's, by provider and model in byte order,
 * everybody's first. */
bool catalogue_rows(struct tx *t, const struct uuid *organization, struct arena *a,
                    struct catalogue_row **ret, size_t *ret_n, struct error *err);
/* One updater at a time, to the transaction's end. TX_SYSTEM, as the two below. */
bool catalogue_lock(struct tx *t, struct error *err);
/* Inserts everybody's rows, or changes the entry of those that are there (their ids stay:
 * rows[i].id is set). */
bool catalogue_put(struct tx *t, struct catalogue_row *rows, size_t n, struct arena *a,
                   struct error *err);
bool catalogue_remove(struct tx *t, const struct uuid *ids, size_t n, struct arena *a,
                      struct error *err);

#endif

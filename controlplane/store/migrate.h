/* Forward-only migrations: migrations/NNNN_what.sql, each applied once, in order, in a transaction
 * of its own (unless its first line is `-- weir: no transaction`), under an advisory lock, with
 * lock_timeout 5 s, search_path weir. The table weir.schema_migrations keeps number, name, SHA-256
 * of the file and time. An applied file whose checksum differs is refused. */
#ifndef CONTROLPLANE_STORE_MIGRATE_H
#define CONTROLPLANE_STORE_MIGRATE_H

#include "common/base/error.h"

/* Runs as the owner at `owner_url`. service_role (may be NULL): an existing login role that is made
 * the service's. Files come from `folder`, or, NULL, from those embedded at build time. Blocks.
 * *ret_applied: how many were new. */
bool migrate_run(const char *owner_url, const char *folder, const char *service_role,
                 unsigned *ret_applied, struct error *err);
/* The newest migration this binary knows. */
unsigned migrate_known(void);

#endif

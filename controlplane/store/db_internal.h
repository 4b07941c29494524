/* What the files of store/ share about connections; nobody outside includes it. libpq's header
 * stays behind this one. */
#ifndef CONTROLPLANE_STORE_DB_INTERNAL_H
#define CONTROLPLANE_STORE_DB_INTERNAL_H

#include <pthread.h>

#include <libpq-fe.h>

#include "controlplane/store/db.h"

#define DB_WAIT_MS 5000 /* for a free connection */

/* One statement's parameters as libpq wants them; everything lives in the arena. */
struct db_wire {
    int n;
    const char **values;
    int *lengths;
    int *formats;
    Oid *types;
};

struct db_rows {
    PGresult *result;
};

/* A connection with this product's session settings, or NULL with *err set. `url` may be a keyword
 * string. */
PGconn *db_connect(const char *url, const char *application, struct error *err);
const char *db_pool_url(const struct db_pool *p);
/* A connection from the pool; *ret_fresh tells that it was opened just now. */
PGconn *db_pool_take(struct db_pool *p, bool *ret_fresh, struct error *err);
/* Closes a broken one and opens another in its place. NULL with *err: its place in the pool is
 * given up. */
PGconn *db_pool_replace(struct db_pool *p, PGconn *c, struct error *err);
/* Back to the pool; a connection that is not idle and well is closed. */
void db_pool_give(struct db_pool *p, PGconn *c);

/* Encodes params (to DB_END) into the arena. */
bool db_wire_build(const struct db_param *params, struct arena *a, struct db_wire *ret,
                   struct error *err);
/* One statement; the caller clears *ret_result (may be NULL when not wanted). */
bool db_run(PGconn *c, const char *sql, const struct db_param *params, PGresult **ret_result,
            struct error *err);
/* One or more statements without parameters, results thrown away. */
bool db_run_simple(PGconn *c, const char *sql, struct error *err);
/* Sets *err from a failed result (NULL: from the connection); returns false. */
bool db_fail(struct error *err, PGconn *c, const PGresult *r);

#endif

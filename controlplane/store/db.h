/* PostgreSQL behind one small interface; libpq is included in db.c (and its siblings in store/)
 * only.
 *
 * A transaction runs as one of two roles (migrations/0001): TX_TENANT sees the one organization
 * given, by row-level security; TX_SYSTEM sees all. SQL lives in store/<resource>.c files, always
 * with $n parameters. All calls block; they are made by control-plane threads (HTTP, ingest,
 * snapshot, jobs), each transaction by one thread. */
#ifndef CONTROLPLANE_STORE_DB_H
#define CONTROLPLANE_STORE_DB_H

#include "common/base/arena.h"
#include "common/base/error.h"
#include "common/base/uuid.h"

struct db_pool;
struct tx;
struct db_rows;

/* Connects lazily; at most `size` connections, a caller waits up to 5 s for one, then ERR_DATABASE.
 */
struct db_pool *db_pool_new(const char *url, unsigned size);
void db_pool_free(struct db_pool *p);
/* Start-up check: reachable, role is neither superuser nor owner nor BYPASSRLS, schema version is
 * at least this binary's (a newer one is fine). */
bool db_pool_check(struct db_pool *p, struct error *err);

enum tx_role { TX_SYSTEM = 0, TX_TENANT };

/* A broken connection is replaced and BEGIN tried once more. NULL with ERR_DATABASE. */
struct tx *tx_begin(struct db_pool *p, enum tx_role role, const struct uuid *organization,
                    struct error *err);
/* REPEATABLE READ READ ONLY, for a consistent view of several queries. */
struct tx *tx_begin_snapshot(struct db_pool *p, enum tx_role role, const struct uuid *organization,
                             struct error *err);

/* Who makes the change, for the audit rows of this transaction; texts must outlive it. */
struct tx_actor {
    const char *kind; /* "user", "token", "system" */
    struct uuid id;   /* nil: none */
    const char *name, *address, *request_id;
};
void tx_set_actor(struct tx *t, const struct tx_actor *actor);

/* Gathered, and written by tx_commit as the last statement (log_changes): one version for the
 * transaction. */
void tx_change(struct tx *t, unsigned kind, const struct uuid *organization, const struct uuid *id,
               bool deleted);
/* Gathered too, and appended to its organization's chain by tx_commit (controlplane/store/audit.h),
 * before the changes; so it cannot be read earlier. before/after are JSON texts without secrets, or
 * NULL. organization NULL: platform. */
bool tx_audit(struct tx *t, const char *action, const char *object_kind,
              const struct uuid *organization, const struct uuid *id, const char *name,
              const char *before_json, const char *after_json, struct error *err);
/* Ends it, frees t. On failure everything is rolled back. *ret_version (may be NULL): the config
 * version, 0 when none. */
bool tx_commit(struct tx *t, uint64_t *ret_version, struct error *err);
void tx_rollback(struct tx *t); /* accepts NULL */

/* Parameters, in text or binary as fits; build with the macros:
 *   tx_query(t, &rows, err, "SELECT … WHERE id = $1 AND name = $2", DB_UUID(&id), DB_STR(name),
 * DB_END) */
struct db_param {
    enum {
        DB_PARAM_END = 0,
        DB_PARAM_NULL,
        DB_PARAM_TEXT,
        DB_PARAM_UUID,
        DB_PARAM_I64,
        DB_PARAM_BOOL,
        DB_PARAM_BYTES,
        DB_PARAM_TIME_MS,
        DB_PARAM_TEXTS
    } kind;
    struct str s; /* TEXT, BYTES (bytea), raw */
    struct uuid u;
    int64_t i;              /* I64, BOOL, TIME_MS (Unix ms; timestamptz) */
    const struct str *list; /* TEXTS: a text[] of n */
    size_t n;
};
#define DB_END ((struct db_param){.kind = DB_PARAM_END})
#define DB_NULL ((struct db_param){.kind = DB_PARAM_NULL})
#define DB_STR(v) ((struct db_param){.kind = DB_PARAM_TEXT, .s = (v)})
#define DB_Z(v) \
    ((struct db_param){.kind = DB_PARAM_TEXT, .s = str_of(v)}) /* NULL pointer: SQL NULL */
#define DB_UUID(p) ((struct db_param){.kind = DB_PARAM_UUID, .u = *(p)})
#define DB_UUID_OR_NULL(p) (uuid_is_nil(p) ? DB_NULL : DB_UUID(p))
#define DB_I64(v) ((struct db_param){.kind = DB_PARAM_I64, .i = (int64_t)(v)})
#define DB_BOOL(v) ((struct db_param){.kind = DB_PARAM_BOOL, .i = (v) ? 1 : 0})
#define DB_BYTES(p, len) \
    ((struct db_param){.kind = DB_PARAM_BYTES, .s = {(const char *)(p), (len)}})
#define DB_TIME_MS(v) ((struct db_param){.kind = DB_PARAM_TIME_MS, .i = (int64_t)(v)})
#define DB_TEXTS(p, count) ((struct db_param){.kind = DB_PARAM_TEXTS, .list = (p), .n = (count)})

/* Runs one statement. *ret_rows may be NULL (no rows wanted). False: *err set, the transaction is
 * aborted (call tx_rollback). Unique violations give ERR_CONFLICT with the constraint's name in
 * err->param; foreign-key violations ERR_INVALID_FIELD likewise, and so do all other faults of the
 * values themselves (SQLSTATE classes 22 and 23: checks, NOT NULL, bad numbers or text), which
 * trying again cannot cure; other SQL errors, and a lost connection, ERR_DATABASE (logged by the
 * caller, never shown raw to users). Types: a text's is inferred, so cast it where nothing tells
 * ($1::text); the others are bigint, boolean, bytea, uuid, timestamptz and text[] ($1::uuid[] for
 * ids). A text or bytea with a NULL pointer, and time 0, are SQL NULL. */
bool tx_query(struct tx *t, struct db_rows **ret_rows, struct error *err, const char *sql,
              const struct db_param *params);
#define tx_exec(t, ret_rows, err, sql, ...) \
    tx_query((t), (ret_rows), (err), (sql), (struct db_param[]){__VA_ARGS__ __VA_OPT__(, ) DB_END})
/* For store/ files that pipeline (ingest): the PGconn itself. */
struct pg_conn;
void *tx_connection(struct tx *t);

size_t db_count(const struct db_rows *r);
/* Rows touched by INSERT/UPDATE/DELETE. */
size_t db_affected(const struct db_rows *r);
bool db_is_null(const struct db_rows *r, size_t row, int col);
struct str db_text(const struct db_rows *r, size_t row,
                   int col); /* lives until db_rows_free; NULL ptr for SQL NULL */
int64_t db_i64(const struct db_rows *r, size_t row, int col); /* 0 for NULL */
bool db_bool(const struct db_rows *r, size_t row, int col);
struct uuid db_uuid(const struct db_rows *r, size_t row, int col); /* nil for NULL */
/* bytea, decoded into the arena. */
struct str db_bytes(const struct db_rows *r, size_t row, int col, struct arena *a);
/* timestamptz as Unix ms, 0 for NULL. Results come in text format: store code selects times as they
 * are. */
uint64_t db_time_ms(const struct db_rows *r, size_t row, int col);
/* text[] into the arena; returns the count. */
size_t db_texts(const struct db_rows *r, size_t row, int col, struct arena *a, struct str **ret);
void db_rows_free(struct db_rows *r);

#endif

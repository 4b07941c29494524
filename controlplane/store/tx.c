/* A transaction: its role and tenant, its statements, its audit rows, and the changes that it logs
 * last of all. */
#include "controlplane/store/db_internal.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/mem.h"

struct tx_change {
    unsigned kind;
    bool deleted;
    struct uuid organization, id;
};

struct tx {
    struct db_pool *pool;
    PGconn *conn;
    struct tx_actor actor;
    struct tx_change *changes;
    size_t n_changes, cap_changes;
};

/* Transaction, role and tenant in one round trip; all three end with the transaction. */
static void begin_sql(char *sql, size_t size, const char *mode, enum tx_role role,
                      const struct uuid *organization)
{
    char tenant[37] = "";
    if (role == TX_TENANT && organization && !uuid_is_nil(organization)) {
        uuid_format(organization, tenant);
    }
    snprintf(sql, size, "BEGIN%s; SET LOCAL ROLE %s; SET LOCAL weir.organization_id = '%s'", mode,
             role == TX_TENANT ? "weir_tenant" : "weir_system", tenant);
}

static struct tx *begin(struct db_pool *p, const char *mode, enum tx_role role,
                        const struct uuid *organization, struct error *err)
{
    char sql[256];
    bool fresh = false;
    begin_sql(sql, sizeof sql, mode, role, organization);
    PGconn *c = db_pool_take(p, &fresh, err);
    if (!c) {
        return NULL;
    }
    struct error first = ERROR_INIT;
    bool ok = db_run_simple(c, sql, &first);
    if (!ok && !fresh && PQstatus(c) != CONNECTION_OK) {
        /* The server was restarted, or cut an idle connection: nothing was begun, so try on a new
         * one. */
        first = (struct error)ERROR_INIT;
        c = db_pool_replace(p, c, err);
        if (!c) {
            return NULL;
        }
        ok = db_run_simple(c, sql, &first);
    }
    if (!ok) {
        db_pool_give(p, c);
        *err = first;
        err->code = ERR_DATABASE;
        return NULL;
    }
    struct tx *t = mem_alloc(sizeof *t);
    t->pool = p;
    t->conn = c;
    t->actor = (struct tx_actor){.kind = "system"};
    return t;
}

struct tx *tx_begin(struct db_pool *p, enum tx_role role, const struct uuid *organization,
                    struct error *err)
{
    return begin(p, "", role, organization, err);
}

struct tx *tx_begin_snapshot(struct db_pool *p, enum tx_role role, const struct uuid *organization,
                             struct error *err)
{
    return begin(p, " ISOLATION LEVEL REPEATABLE READ READ ONLY", role, organization, err);
}

static void tx_end(struct tx *t)
{
    db_pool_give(t->pool, t->conn);
    mem_free(t->changes);
    mem_free(t);
}

void tx_rollback(struct tx *t)
{
    if (!t) {
        return;
    }
    struct error ignored = ERROR_INIT;
    /* When it fails, the connection is closed on its way back, which rolls back too. */
    (void)db_run_simple(t->conn, "ROLLBACK", &ignored);
    tx_end(t);
}

void tx_set_actor(struct tx *t, const struct tx_actor *actor)
{
    t->actor = *actor;
}

void *tx_connection(struct tx *t)
{
    return t->conn;
}

void tx_change(struct tx *t, unsigned kind, const struct uuid *organization, const struct uuid *id,
               bool deleted)
{
    if (t->n_changes == t->cap_changes) {
        t->cap_changes = t->cap_changes ? t->cap_changes * 2 : 8;
        t->changes = mem_realloc(t->changes, t->cap_changes * sizeof *t->changes);
    }
    struct tx_change *c = &t->changes[t->n_changes++];
    *c = (struct tx_change){.kind = kind, .deleted = deleted, .id = *id};
    if (organization) {
        c->organization = *organization;
    }
}

bool tx_query(struct tx *t, struct db_rows **ret_rows, struct error *err, const char *sql,
              const struct db_param *params)
{
    PGresult *r = NULL;
    if (!db_run(t->conn, sql, params, &r, err)) {
        return false;
    }
    if (!ret_rows) {
        PQclear(r);
        return true;
    }
    *ret_rows = mem_alloc(sizeof **ret_rows);
    (*ret_rows)->result = r;
    return true;
}

bool tx_audit(struct tx *t, const char *action, const char *object_kind,
              const struct uuid *organization, const struct uuid *id, const char *name,
              const char *before_json, const char *after_json, struct error *err)
{
    static const struct uuid nil;
    const struct tx_actor *who = &t->actor;
    struct uuid row = uuid_v7();
    return tx_exec(
        t, NULL, err,
        "INSERT INTO audit_log (id, organization_id, actor_kind, actor_id, actor_name, "
        "action, object_kind, object_id, object_name, before, after, address, request_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        DB_UUID(&row), DB_UUID_OR_NULL(organization ? organization : &nil),
        DB_Z(who->kind ? who->kind : "system"), DB_UUID_OR_NULL(&who->id),
        DB_Z(who->name ? who->name : ""), DB_Z(action), DB_Z(object_kind),
        DB_UUID_OR_NULL(id ? id : &nil), DB_Z(name ? name : ""), DB_Z(before_json),
        DB_Z(after_json), DB_Z(who->address ? who->address : ""),
        DB_Z(who->request_id ? who->request_id : ""));
}

/* All changes of the transaction under one version: its row lock is held from here to COMMIT only.
 */
static bool log_changes(struct tx *t, uint64_t *ret_version, struct error *err)
{
    struct arena *a = arena_new(0);
    size_t n = t->n_changes;
    struct str *lists = arena_alloc(a, 4 * n * sizeof *lists);
    struct str *organizations = lists, *kinds = lists + n, *ids = lists + 2 * n,
               *deletions = lists + 3 * n;
    for (size_t i = 0; i < n; i++) {
        const struct tx_change *c = &t->changes[i];
        char text[37];
        uuid_format(&c->organization, text);
        organizations[i] = uuid_is_nil(&c->organization) ? STR_NONE : arena_str(a, str_of(text));
        uuid_format(&c->id, text);
        ids[i] = arena_str(a, str_of(text));
        kinds[i] = arena_printf(a, "%u", c->kind);
        deletions[i] = c->deleted ? STR_LIT("t") : STR_LIT("f");
    }
    struct db_rows *rows = NULL;
    bool ok = tx_exec(
        t, &rows, err, "SELECT log_changes($1::uuid[], $2::smallint[], $3::uuid[], $4::boolean[])",
        DB_TEXTS(organizations, n), DB_TEXTS(kinds, n), DB_TEXTS(ids, n), DB_TEXTS(deletions, n));
    if (ok) {
        *ret_version = (uint64_t)db_i64(rows, 0, 0);
    }
    db_rows_free(rows);
    arena_free(a);
    return ok;
}

bool tx_commit(struct tx *t, uint64_t *ret_version, struct error *err)
{
    uint64_t version = 0;
    if (t->n_changes > 0 && !log_changes(t, &version, err)) {
        tx_rollback(t);
        return false;
    }
    PGresult *r = PQexec(t->conn, "COMMIT");
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (!ok) {
        db_fail(err, t->conn, r);
    } else if (strcmp(PQcmdStatus(r), "COMMIT") != 0) {
        /* An earlier statement had failed: the server answers ROLLBACK. */
        ok = error_set(err, ERR_DATABASE, "transaction was aborted by an earlier failure");
    }
    PQclear(r);
    tx_end(t);
    if (ok && ret_version) {
        *ret_version = version;
    }
    return ok;
}

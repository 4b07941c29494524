/* A transaction: its role and tenant, its statements, and what it writes last of all:
 * its audit rows and the changes that it logs. */
#include "controlplane/store/db_internal.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/json.h"

#define AUDIT_MAX ((size_t)256 << 20) /* of one transaction */

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
    struct buffer audit; /* what append_audit takes, without its last bracket */
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
    buffer_init(&t->audit, AUDIT_MAX);
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
    buffer_release(&t->audit);
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

static void put_uuid(struct json_writer *w, const char *name, const struct uuid *id)
{
    char text[37];
    if (id && !uuid_is_nil(id)) {
        uuid_format(id, text);
        json_field_z(w, name, text);
    }
}

static void put_raw(struct json_writer *w, const char *name, const char *json)
{
    if (json) {
        json_name(w, name);
        json_put_raw(w, str_of(json));
    }
}

bool tx_audit(struct tx *t, const char *action, const char *object_kind,
              const struct uuid *organization, const struct uuid *id, const char *name,
              const char *before_json, const char *after_json, struct error *err)
{
    const struct tx_actor *who = &t->actor;
    struct uuid row = uuid_v7();
    struct json_writer w;
    (void)buffer_append_z(&t->audit, t->audit.len ? "," : "[");
    json_writer_init(&w, &t->audit);
    json_object_begin(&w);
    put_uuid(&w, "id", &row);
    put_uuid(&w, "organization_id", organization);
    json_field_z(&w, "actor_kind", who->kind ? who->kind : "system");
    put_uuid(&w, "actor_id", &who->id);
    json_field_z(&w, "actor_name", who->name ? who->name : "");
    json_field_z(&w, "action", action);
    json_field_z(&w, "object_kind", object_kind);
    put_uuid(&w, "object_id", id);
    json_field_z(&w, "object_name", name ? name : "");
    put_raw(&w, "before", before_json);
    put_raw(&w, "after", after_json);
    json_field_z(&w, "address", who->address ? who->address : "");
    json_field_z(&w, "request_id", who->request_id ? who->request_id : "");
    json_object_end(&w);
    return !t->audit.failed || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* The rows of the transaction, each at the end of its chain: the chains' heads are locked from here
 * to COMMIT only, and always before the version, so that nobody waits for anybody in a circle. */
static bool append_audit(struct tx *t, struct error *err)
{
    return (buffer_append_z(&t->audit, "]") || error_set(err, ERR_OVERLOADED, "%s", "")) &&
           tx_exec(t, NULL, err, "SELECT append_audit($1::jsonb)", DB_STR(buffer_str(&t->audit)));
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
    if ((t->audit.len > 0 && !append_audit(t, err)) ||
        (t->n_changes > 0 && !log_changes(t, &version, err))) {
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

/* Running migrations: who may, which are new, each applied once and whole. */
#include "controlplane/store/migrate.h"

#include <stdio.h>

#include "common/crypto.h"
#include "controlplane/store/db_internal.h"
#include "controlplane/store/migrate_files.h"

/* One runner at a time in a database: the number is arbitrary and must never change. */
#define MIGRATE_LOCK "7308895159042921"

struct run {
    PGconn *conn;
    struct arena *arena;
    struct migration_file *files;
    size_t n_files;
    unsigned applied_max; /* newest in the database */
};

unsigned migrate_known(void)
{
    return (unsigned)migration_embedded_count;
}

/* Rows of a query as db_rows; the caller clears rows->result. */
static bool fetch(struct run *run, const char *sql, const struct db_param *params,
                  struct db_rows *rows, struct error *err)
{
    rows->result = NULL;
    return db_run(run->conn, sql, params, &rows->result, err);
}

static const char owner_sql[] = "SELECT current_user, n.oid IS NOT NULL, "
                                "coalesce(pg_has_role(current_user, n.nspowner, 'MEMBER'), false),"
                                "       coalesce(quote_ident(o.rolname), ''), "
                                "has_database_privilege(current_database(), 'CREATE'),"
                                "       r.rolcreaterole OR r.rolsuper OR (SELECT count(*) = 2 FROM "
                                "pg_roles WHERE rolname IN ('weir_tenant', 'weir_system'))"
                                " FROM pg_roles r LEFT JOIN pg_namespace n ON n.nspname = 'weir' "
                                "LEFT JOIN pg_roles o ON o.oid = n.nspowner"
                                " WHERE r.rolname = current_user";

/* Refuses a role that could not own what it makes; one that may act as the owner does. */
static bool become_owner(struct run *run, struct error *err)
{
    struct db_rows rows;
    if (!fetch(run, owner_sql, (struct db_param[]){DB_END}, &rows, err)) {
        return false;
    }
    struct str role = db_text(&rows, 0, 0), owner = db_text(&rows, 0, 3);
    bool ok = true;
    char sql[160] = "";
    if (db_bool(&rows, 0, 1)) {
        if (!db_bool(&rows, 0, 2)) {
            ok = error_set(err, ERR_FORBIDDEN,
                           "role \"%.*s\" does not own the schema weir, %.*s does: migrate as the "
                           "owner",
                           STR_ARG(role), STR_ARG(owner));
        }
        snprintf(sql, sizeof sql, "SET ROLE %.*s", STR_ARG(owner));
    } else if (!db_bool(&rows, 0, 4)) {
        ok = error_set(err, ERR_FORBIDDEN,
                       "role \"%.*s\" may not create a schema in this database: migrate as the "
                       "database's owner",
                       STR_ARG(role));
    } else if (!db_bool(&rows, 0, 5)) {
        ok = error_set(err, ERR_FORBIDDEN,
                       "role \"%.*s\" has no CREATEROLE, which is needed once to make weir_tenant "
                       "and weir_system",
                       STR_ARG(role));
    }
    PQclear(rows.result);
    return ok && (sql[0] == '\0' || db_run_simple(run->conn, sql, err));
}

static bool prepare(struct run *run, struct error *err)
{
    /* Waiting for another runner is patient; waiting for a table behind live traffic is not. */
    return db_run_simple(run->conn,
                         "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
                         "SET lock_timeout = '10min'",
                         err) &&
           db_run_simple(run->conn, "SELECT pg_advisory_lock(" MIGRATE_LOCK ")", err) &&
           become_owner(run, err) &&
           db_run_simple(run->conn,
                         "SET lock_timeout = '5s'; "
                         "CREATE SCHEMA IF NOT EXISTS weir; "
                         "CREATE TABLE IF NOT EXISTS weir.schema_migrations ("
                         "number integer PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL, "
                         "applied_at timestamptz NOT NULL DEFAULT now())",
                         err);
}

/* What stands in the database must be what stands in the files; what is newer than the files is a
 * newer program's. */
static bool compare(struct run *run, struct error *err)
{
    struct db_rows rows;
    if (!fetch(run, "SELECT number, name, sha256 FROM weir.schema_migrations ORDER BY number",
               (struct db_param[]){DB_END}, &rows, err)) {
        return false;
    }
    bool ok = true;
    for (size_t i = 0; ok && i < db_count(&rows); i++) {
        unsigned number = (unsigned)db_i64(&rows, i, 0);
        struct str name = db_text(&rows, i, 1);
        struct str sum = db_bytes(&rows, i, 2, run->arena);
        run->applied_max = number;
        if (number != i + 1) {
            ok = error_set(err, ERR_CONFLICT,
                           "database has migration \"%.*s\" but lacks number %04zu", STR_ARG(name),
                           i + 1);
        } else if (number <= run->n_files) {
            uint8_t mine[CRYPTO_SHA256_LEN];
            const struct migration_file *f = &run->files[number - 1];
            crypto_sha256(f->text.ptr, f->text.len, mine);
            if (!str_eq(sum, (struct str){(const char *)mine, sizeof mine})) {
                ok = error_set(err, ERR_CONFLICT,
                               "migration \"%s\" was edited after it was applied (as \"%.*s\"): "
                               "restore it and write a new one",
                               f->name, STR_ARG(name));
            }
        }
    }
    PQclear(rows.result);
    return ok;
}

/* The server counts characters from 1; we tell the line in the file. */
static int error_line(struct str statement, int line, const char *position)
{
    uint64_t wanted = 0;
    if (!position || !str_to_u64(str_of(position), &wanted)) {
        return line;
    }
    for (size_t i = 0, seen = 0; i < statement.len; i++) {
        seen += ((unsigned char)statement.ptr[i] & 0xc0) != 0x80;
        if (seen >= wanted) {
            break;
        }
        line += statement.ptr[i] == '\n';
    }
    return line;
}

static bool run_statement(struct run *run, const struct migration_file *f, struct str statement,
                          int line, struct error *err)
{
    struct str sql = arena_str(run->arena, statement);
    PGresult *r = PQexec(run->conn, sql.ptr);
    ExecStatusType status = PQresultStatus(r);
    bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!ok) {
        struct error inner = ERROR_INIT;
        db_fail(&inner, run->conn, r);
        line = error_line(statement, line,
                          r ? PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION) : NULL);
        error_set(err, ERR_DATABASE, "%s:%d: %s", f->name, line, error_text(&inner));
        err->line = line;
    } else if (!f->no_transaction && PQtransactionStatus(run->conn) != PQTRANS_INTRANS) {
        ok = error_set(err, ERR_DATABASE, "%s:%d: ends the transaction that it runs in", f->name,
                       line);
        err->line = line;
    }
    PQclear(r);
    return ok;
}

static bool apply(struct run *run, const struct migration_file *f, struct error *err)
{
    uint8_t sum[CRYPTO_SHA256_LEN];
    struct str statement;
    size_t pos = 0;
    int line = 0;
    crypto_sha256(f->text.ptr, f->text.len, sum);
    bool ok = f->no_transaction || db_run_simple(run->conn, "BEGIN", err);
    while (ok && migration_statement(f->text, &pos, &statement, &line)) {
        ok = run_statement(run, f, statement, line, err);
    }
    ok = ok &&
         db_run(run->conn,
                "INSERT INTO weir.schema_migrations (number, name, sha256) VALUES ($1, $2, $3)",
                (struct db_param[]){DB_I64(f->number), DB_Z(f->name), DB_BYTES(sum, sizeof sum),
                                    DB_END},
                NULL, err);
    if (f->no_transaction) {
        return ok;
    }
    struct error ignored = ERROR_INIT;
    ok = ok && db_run_simple(run->conn, "COMMIT", err);
    if (!ok) {
        (void)db_run_simple(run->conn, "ROLLBACK", &ignored);
    }
    return ok;
}

static bool apply_new(struct run *run, unsigned *ret_applied, struct error *err)
{
    *ret_applied = 0;
    for (size_t i = run->applied_max; i < run->n_files; i++) {
        if (!apply(run, &run->files[i], err)) {
            return false;
        }
        (*ret_applied)++;
    }
    return true;
}

/* The service's role must be one that row-level security binds. */
static bool make_service(struct run *run, const char *role, struct error *err)
{
    struct db_rows rows;
    if (!fetch(run,
               "SELECT rolcanlogin, rolsuper OR rolbypassrls, pg_has_role(oid, (SELECT oid FROM "
               "pg_roles WHERE rolname = current_user), 'MEMBER')"
               " FROM pg_roles WHERE rolname = $1",
               (struct db_param[]){DB_Z(role), DB_END}, &rows, err)) {
        return false;
    }
    bool ok = true;
    if (db_count(&rows) == 0) {
        ok = error_set(err, ERR_NOT_FOUND,
                       "role \"%s\" does not exist: CREATE ROLE %s LOGIN PASSWORD '…' first", role,
                       role);
    } else if (!db_bool(&rows, 0, 0)) {
        ok = error_set(err, ERR_INVALID_FIELD, "role \"%s\" may not log in", role);
    } else if (db_bool(&rows, 0, 1)) {
        ok = error_set(
            err, ERR_INVALID_FIELD,
            "role \"%s\" is a superuser or has BYPASSRLS: the service needs a plain role", role);
    } else if (db_bool(&rows, 0, 2)) {
        ok = error_set(err, ERR_INVALID_FIELD,
                       "role \"%s\" owns the schema or may become its owner: the service needs "
                       "another role",
                       role);
    }
    PQclear(rows.result);
    return ok && db_run(run->conn, "SELECT weir.grant_service($1)",
                        (struct db_param[]){DB_Z(role), DB_END}, NULL, err);
}

bool migrate_run(const char *owner_url, const char *folder, const char *service_role,
                 unsigned *ret_applied, struct error *err)
{
    struct run run = {.arena = arena_new(0)};
    unsigned applied = 0;
    bool ok = migration_files_load(folder, run.arena, &run.files, &run.n_files, err);
    if (ok) {
        run.conn = db_connect(owner_url, "weir-control migrate", err);
        ok = run.conn != NULL;
    }
    ok = ok && prepare(&run, err) && compare(&run, err) && apply_new(&run, &applied, err) &&
         (!service_role || make_service(&run, service_role, err));
    PQfinish(run.conn); /* which gives the advisory lock back too */
    arena_free(run.arena);
    if (ok && ret_applied) {
        *ret_applied = applied;
    }
    return ok;
}

/* Connections: opening one, the pool, and the check at start-up that the role is one which
 * row-level security binds. */
#include "controlplane/store/db_internal.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "common/base/mem.h"
#include "controlplane/store/migrate.h"

struct db_pool {
    char *url;
    unsigned size;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    PGconn **idle; /* a stack: the warmest is used next */
    unsigned n_idle, n_open;
};

/* Only what outlives a transaction; role and tenant are set for each one. UTC and ISO are what
 * db_rows.c reads. */
static const char session_settings[] =
    "SET search_path = weir; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET client_min_messages "
    "= warning; "
    "SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'";

/* The server's notices are for people at a prompt; libpq would print them to stderr, between our
 * log lines. */
static void ignore_notice(void *arg, const char *message)
{
    (void)arg;
    (void)message;
}

PGconn *db_connect(const char *url, const char *application, struct error *err)
{
    /* What stands behind dbname wins, and the URL is expanded there: so these are defaults it may
     * override. */
    const char *const keys[] = {"connect_timeout",           "tcp_user_timeout", "keepalives_idle",
                                "keepalives_interval",       "keepalives_count", "client_encoding",
                                "fallback_application_name", "dbname",           NULL};
    const char *const values[] = {"5", "15000", "10", "5", "3", "UTF8", application, url, NULL};
    PGconn *c = PQconnectdbParams(keys, values, 1);
    if (!c || PQstatus(c) != CONNECTION_OK) {
        db_fail(err, c, NULL);
        PQfinish(c);
        return NULL;
    }
    PQsetNoticeProcessor(c, ignore_notice, NULL);
    if (!db_run_simple(c, session_settings, err)) {
        PQfinish(c);
        return NULL;
    }
    return c;
}

struct db_pool *db_pool_new(const char *url, unsigned size)
{
    struct db_pool *p = mem_alloc(sizeof *p);
    p->url = mem_strdup(url);
    p->size = size ? size : 1;
    p->idle = mem_alloc(p->size * sizeof *p->idle);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->freed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void db_pool_free(struct db_pool *p)
{
    if (!p) {
        return;
    }
    assert(p->n_open == p->n_idle); /* a transaction is still out */
    for (unsigned i = 0; i < p->n_idle; i++) {
        PQfinish(p->idle[i]);
    }
    pthread_cond_destroy(&p->freed);
    pthread_mutex_destroy(&p->lock);
    mem_free(p->idle);
    mem_free_secret(p->url, strlen(p->url));
    mem_free(p);
}

const char *db_pool_url(const struct db_pool *p)
{
    return p->url;
}

static void pool_give_up_place(struct db_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->n_open--;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

PGconn *db_pool_take(struct db_pool *p, bool *ret_fresh, struct error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += DB_WAIT_MS / 1000;
    pthread_mutex_lock(&p->lock);
    while (p->n_idle == 0 && p->n_open == p->size) {
        if (pthread_cond_timedwait(&p->freed, &p->lock, &until) != 0) {
            pthread_mutex_unlock(&p->lock);
            error_set(err, ERR_DATABASE, "no free database connection within %d ms", DB_WAIT_MS);
            return NULL;
        }
    }
    PGconn *c = NULL;
    if (p->n_idle > 0) {
        c = p->idle[--p->n_idle];
    } else {
        p->n_open++;
    }
    pthread_mutex_unlock(&p->lock);
    *ret_fresh = c == NULL;
    if (!c) {
        c = db_connect(p->url, "weir-control", err);
        if (!c) {
            pool_give_up_place(p);
        }
    }
    return c;
}

PGconn *db_pool_replace(struct db_pool *p, PGconn *c, struct error *err)
{
    PQfinish(c);
    c = db_connect(p->url, "weir-control", err);
    if (!c) {
        pool_give_up_place(p);
    }
    return c;
}

void db_pool_give(struct db_pool *p, PGconn *c)
{
    if (PQstatus(c) != CONNECTION_OK || PQtransactionStatus(c) != PQTRANS_IDLE ||
        PQpipelineStatus(c) != PQ_PIPELINE_OFF) {
        PQfinish(c);
        pool_give_up_place(p);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->idle[p->n_idle++] = c;
    pthread_cond_signal(&p->freed);
    pthread_mutex_unlock(&p->lock);
}

/* One row about the role that we came in as; the first true fault is reported. */
static const char check_sql[] =
    "SELECT current_user, r.rolsuper, r.rolbypassrls,"
    "       coalesce(pg_has_role(current_user, n.nspowner, 'MEMBER'), false)," /* 3: owns, or may
                                                                                  become the owner
                                                                                */
    "       c.oid IS NULL," /* 4: never migrated */
    "       coalesce(has_schema_privilege(current_user, n.oid, 'USAGE')"
    "                AND has_table_privilege(current_user, c.oid, 'SELECT')"
    "                AND pg_has_role(current_user, t.oid, 'MEMBER')"
    "                AND pg_has_role(current_user, s.oid, 'MEMBER'), false)," /* 5: made the
                                                                                 service's */
    "       coalesce(pg_has_role(current_user, t.oid, 'USAGE')"
    "                OR pg_has_role(current_user, s.oid, 'USAGE'), false)" /* 6: has rights without
                                                                              asking */
    " FROM pg_roles r"
    " LEFT JOIN pg_namespace n ON n.nspname = 'weir'"
    " LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_migrations'"
    " LEFT JOIN pg_roles t ON t.rolname = 'weir_tenant'"
    " LEFT JOIN pg_roles s ON s.rolname = 'weir_system'"
    " WHERE r.rolname = current_user";

static bool check_role(const struct db_rows *rows, struct error *err)
{
    struct str role = db_text(rows, 0, 0);
    if (db_bool(rows, 0, 1)) {
        return error_set(err, ERR_DATABASE,
                         "role \"%.*s\" is a superuser: serve as a role of its own "
                         "(weir-control migrate --service-role)",
                         STR_ARG(role));
    }
    if (db_bool(rows, 0, 2)) {
        return error_set(err, ERR_DATABASE,
                         "role \"%.*s\" has BYPASSRLS, which switches row-level security off",
                         STR_ARG(role));
    }
    if (db_bool(rows, 0, 4)) {
        return error_set(err, ERR_DATABASE,
                         "database was never migrated: run weir-control migrate");
    }
    if (db_bool(rows, 0, 3)) {
        return error_set(err, ERR_DATABASE,
                         "role \"%.*s\" owns the schema or may become its owner: serve as a role "
                         "of its own (weir-control migrate --service-role)",
                         STR_ARG(role));
    }
    if (!db_bool(rows, 0, 5)) {
        return error_set(err, ERR_DATABASE,
                         "role \"%.*s\" was not made the service's: run weir-control migrate "
                         "--service-role %.*s",
                         STR_ARG(role), STR_ARG(role));
    }
    if (db_bool(rows, 0, 6)) {
        return error_set(err, ERR_DATABASE,
                         "role \"%.*s\" inherits the rights of weir_tenant or weir_system: run "
                         "weir-control migrate --service-role %.*s",
                         STR_ARG(role), STR_ARG(role));
    }
    return true;
}

static bool check_connection(PGconn *c, struct error *err)
{
    if (PQserverVersion(c) < 150000) {
        return error_set(err, ERR_DATABASE, "PostgreSQL is older than 15 (server_version_num %d)",
                         PQserverVersion(c));
    }
    struct db_rows rows = {NULL};
    if (!db_run(c, check_sql, (struct db_param[]){DB_END}, &rows.result, err)) {
        return false;
    }
    bool ok = check_role(&rows, err);
    PQclear(rows.result);
    rows.result = NULL;
    if (!ok || !db_run(c, "SELECT coalesce(max(number), 0) FROM weir.schema_migrations",
                       (struct db_param[]){DB_END}, &rows.result, err)) {
        return false;
    }
    int64_t version = db_i64(&rows, 0, 0);
    PQclear(rows.result);
    if (version < (int64_t)migrate_known()) {
        return error_set(err, ERR_DATABASE,
                         "schema is at %lld and this program needs %u: run weir-control migrate",
                         (long long)version, migrate_known());
    }
    return true;
}

bool db_pool_check(struct db_pool *p, struct error *err)
{
    bool fresh = false;
    PGconn *c = db_pool_take(p, &fresh, err);
    if (!c) {
        return false;
    }
    bool ok = check_connection(c, err);
    db_pool_give(p, c);
    return ok;
}

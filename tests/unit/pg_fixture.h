/* A fresh, migrated database for one test program, on the server that WEIR_TEST_PG_OWNER_URL names
 * (tests/run starts a private one and sets it). Its owner must have CREATEDB and CREATEROLE, as
 * weir_owner has. The database is dropped at the end; the login role weir_test_service stays, being
 * made once for the server.
 *
 * Without the variable a test fails with a message: a skipped check counts as failed.
 *
 *     static struct pg_fixture pg;
 *     int main(void) { ... return cmocka_run_group_tests(tests, setup, teardown); }
 *     static int setup(void **state) { return pg_fixture_start(&pg) ? 0 : -1; }
 *     static int teardown(void **state) { pg_fixture_stop(&pg); return 0; }    (after db_pool_free)
 */
#ifndef TESTS_UNIT_PG_FIXTURE_H
#define TESTS_UNIT_PG_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "common/base/uuid.h"
#include "controlplane/store/migrate.h"

#define PG_FIXTURE_SERVICE "weir_test_service"
#define PG_FIXTURE_PASSWORD "weir-test-service"

struct pg_fixture {
    char database[64];
    char owner_url[768];   /* connects as the owner of the schema */
    char service_url[768]; /* connects as the service's login role */
    char server_url[512];
};

/* Appends key='value' with libpq's quoting. */
static inline void pg_fixture_put(char *url, size_t size, const char *key, const char *value)
{
    size_t at = strlen(url);
    at += (size_t)snprintf(url + at, size - at, "%s%s='", at ? " " : "", key);
    for (; *value && at + 4 < size; value++) {
        if (*value == '\'' || *value == '\\') {
            url[at++] = '\\';
        }
        url[at++] = *value;
    }
    url[at++] = '\'';
    url[at] = '\0';
}

/* The server's URL with another database and, unless NULL, another user, as a keyword string. */
static inline bool pg_fixture_url(const char *server, const char *database, const char *user,
                                  const char *password, char *url, size_t size)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(server, &message);
    if (!options) {
        fprintf(stderr, "WEIR_TEST_PG_OWNER_URL: %s", message);
        PQfreemem(message);
        return false;
    }
    url[0] = '\0';
    for (PQconninfoOption *o = options; o->keyword; o++) {
        const char *value = o->val;
        if (strcmp(o->keyword, "dbname") == 0) {
            value = database;
        } else if (user && strcmp(o->keyword, "user") == 0) {
            value = user;
        } else if (user && strcmp(o->keyword, "password") == 0) {
            value = password;
        }
        if (value) {
            pg_fixture_put(url, size, o->keyword, value);
        }
    }
    PQconninfoFree(options);
    return true;
}

/* Runs statements at `url`, each in its own transaction. False and a message when one fails. */
static inline bool pg_fixture_run(const char *url, const char *const *statements, size_t n)
{
    PGconn *c = PQconnectdb(url);
    bool ok = PQstatus(c) == CONNECTION_OK;
    if (!ok) {
        fprintf(stderr, "cannot connect: %s", PQerrorMessage(c));
    }
    for (size_t i = 0; ok && i < n; i++) {
        PGresult *r = PQexec(c, statements[i]);
        ok = PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK;
        if (!ok) {
            fprintf(stderr, "%s: %s", statements[i], PQerrorMessage(c));
        }
        PQclear(r);
    }
    PQfinish(c);
    return ok;
}

/* One statement at `url`; returns the SQLSTATE, "" on success. For what must be refused. */
static inline bool pg_fixture_sqlstate(const char *url, const char *statement, char ret[static 6])
{
    PGconn *c = PQconnectdb(url);
    bool ok = PQstatus(c) == CONNECTION_OK;
    PGresult *r = ok ? PQexec(c, statement) : NULL;
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    snprintf(ret, 6, "%s", state ? state : "");
    PQclear(r);
    PQfinish(c);
    return ok;
}

/* An empty database without migrations (owner_url works, service_url only after migrating). */
static inline bool pg_fixture_start_empty(struct pg_fixture *f)
{
    const char *server = getenv("WEIR_TEST_PG_OWNER_URL");
    if (!server || !*server) {
        fprintf(stderr, "WEIR_TEST_PG_OWNER_URL is not set: run this test through tests/run, "
                        "which starts a private PostgreSQL\n");
        return false;
    }
    struct uuid id = uuid_v7();
    snprintf(f->server_url, sizeof f->server_url, "%s", server);
    snprintf(f->database, sizeof f->database, "weir_t_%ld_%02x%02x%02x", (long)getpid(), id.b[13],
             id.b[14], id.b[15]);
    char create[128];
    snprintf(create, sizeof create, "CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'",
             f->database);
    const char *statements[] = {
        /* Roles belong to the whole server: test programs that start together take turns. */
        "SELECT pg_advisory_lock(hashtext('weir tests'))",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '" PG_FIXTURE_SERVICE
        "') THEN CREATE ROLE " PG_FIXTURE_SERVICE " LOGIN PASSWORD '" PG_FIXTURE_PASSWORD
        "'; EXECUTE 'GRANT " PG_FIXTURE_SERVICE
        " TO ' || quote_ident(current_user); END IF; END $$",
        create,
    };
    return pg_fixture_url(server, f->database, NULL, NULL, f->owner_url, sizeof f->owner_url) &&
           pg_fixture_url(server, f->database, PG_FIXTURE_SERVICE, PG_FIXTURE_PASSWORD,
                          f->service_url, sizeof f->service_url) &&
           pg_fixture_run(server, statements, 3);
}

/* Migrates the fixture's database from `folder`, NULL: what is embedded. */
static inline bool pg_fixture_migrate(struct pg_fixture *f, const char *folder,
                                      unsigned *ret_applied, struct error *err)
{
    /* Grants on shared roles are made one test program at a time. */
    PGconn *turn = PQconnectdb(f->server_url);
    PQclear(PQexec(turn, "SELECT pg_advisory_lock(hashtext('weir tests'))"));
    bool ok = migrate_run(f->owner_url, folder, PG_FIXTURE_SERVICE, ret_applied, err);
    PQfinish(turn);
    return ok;
}

/* A database with every migration of ./migrations applied. False with a message on stderr. */
static inline bool pg_fixture_start(struct pg_fixture *f)
{
    struct error err = ERROR_INIT;
    unsigned applied = 0;
    if (!pg_fixture_start_empty(f)) {
        return false;
    }
    if (!pg_fixture_migrate(f, "migrations", &applied, &err)) {
        fprintf(stderr, "migrations: %s\n", error_text(&err));
        return false;
    }
    return true;
}

/* Drops the database, whoever is still connected. */
static inline void pg_fixture_stop(struct pg_fixture *f)
{
    char drop[128];
    if (f->database[0] == '\0') {
        return;
    }
    snprintf(drop, sizeof drop, "DROP DATABASE IF EXISTS %s WITH (FORCE)", f->database);
    const char *statements[] = {drop};
    (void)pg_fixture_run(f->server_url, statements, 1);
    f->database[0] = '\0';
}

#endif

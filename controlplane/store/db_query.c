/* One statement: parameters to libpq's form, and libpq's failures to our error codes. */
#include "controlplane/store/db_internal.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/clock.h"

/* Type ids from PostgreSQL's catalogue, which never change. Texts are left to inference, so one may
 * go into a jsonb or an interval as well; the others are told, so that `$1 IS NULL OR x = $1`
 * works. */
enum {
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_TEXT_ARRAY = 1009,
    OID_TIMESTAMPTZ = 1184,
    OID_UUID = 2950
};

#define DB_ARRAY_MAX ((size_t)64 << 20)

static void fail_text(struct error *err, enum error_code code, const char *param, struct str text,
                      const char *state)
{
    text = str_trim(text);
    if (param) {
        error_set_param(err, code, param, "%.*s", STR_ARG(text));
    } else if (state) {
        error_set(err, code, "%.*s (SQLSTATE %s)", STR_ARG(text), state);
    } else {
        error_set(err, code, "%.*s", STR_ARG(text));
    }
}

bool db_fail(struct error *err, PGconn *c, const PGresult *r)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *message = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *name = r ? PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME) : NULL;
    if (!name && r) {
        name = PQresultErrorField(r, PG_DIAG_COLUMN_NAME);
    }
    if (!message || !*message) {
        message = c ? PQerrorMessage(c) : "out of memory";
    }
    if (!state) {
        fail_text(err, ERR_DATABASE, NULL, str_of(message), NULL);
    } else if (strcmp(state, "23505") == 0) {
        fail_text(err, ERR_CONFLICT, name ? name : "", STR_LIT("already exists"), state);
    } else if (strcmp(state, "23503") == 0) {
        fail_text(err, ERR_INVALID_FIELD, name ? name : "",
                  STR_LIT("refers to something that does not exist, or is still in use"), state);
    } else if (strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0) {
        /* The value itself is at fault, so trying again cannot help. */
        fail_text(err, ERR_INVALID_FIELD, name ? name : "", str_of(message), state);
    } else {
        fail_text(err, ERR_DATABASE, NULL, str_of(message), state);
    }
    return false;
}

/* {"a","b\"c",NULL} */
static struct str array_text(const struct db_param *p, struct arena *a)
{
    struct buffer b;
    buffer_init(&b, DB_ARRAY_MAX);
    buffer_append_z(&b, "{");
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0) {
            buffer_append_z(&b, ",");
        }
        if (!p->list[i].ptr) {
            buffer_append_z(&b, "NULL");
            continue;
        }
        buffer_append_z(&b, "\"");
        for (size_t k = 0; k < p->list[i].len; k++) {
            char ch = p->list[i].ptr[k];
            if (ch == '"' || ch == '\\') {
                buffer_append(&b, "\\", 1);
            }
            buffer_append(&b, &ch, 1);
        }
        buffer_append_z(&b, "\"");
    }
    buffer_append_z(&b, "}");
    struct str s = b.failed ? STR_NONE : arena_str(a, buffer_str(&b));
    buffer_release(&b);
    return s;
}

/* The text of one parameter; NULL ptr: SQL NULL, which DB_TIME_MS(0) is too. */
static struct str param_text(const struct db_param *p, struct arena *a, Oid *ret_type)
{
    char buf[40];
    switch (p->kind) {
    case DB_PARAM_TEXT:
        return p->s.ptr ? arena_str(a, p->s) : STR_NONE;
    case DB_PARAM_UUID:
        *ret_type = OID_UUID;
        uuid_format(&p->u, buf);
        return arena_str(a, str_of(buf));
    case DB_PARAM_I64:
        *ret_type = OID_INT8;
        return arena_printf(a, "%lld", (long long)p->i);
    case DB_PARAM_BOOL:
        *ret_type = OID_BOOL;
        return p->i ? STR_LIT("t") : STR_LIT("f");
    case DB_PARAM_TIME_MS:
        *ret_type = OID_TIMESTAMPTZ;
        if (p->i == 0) {
            return STR_NONE;
        }
        clock_format_rfc3339((uint64_t)p->i, buf);
        return arena_str(a, str_of(buf));
    case DB_PARAM_TEXTS:
        *ret_type = OID_TEXT_ARRAY;
        return array_text(p, a);
    case DB_PARAM_BYTES:
        *ret_type = OID_BYTEA;
        return p->s;
    case DB_PARAM_NULL:
    case DB_PARAM_END:
        break;
    }
    return STR_NONE;
}

static bool param_is_null(const struct db_param *p)
{
    return p->kind == DB_PARAM_NULL || (p->kind == DB_PARAM_TIME_MS && p->i == 0) ||
           ((p->kind == DB_PARAM_TEXT || p->kind == DB_PARAM_BYTES) && !p->s.ptr);
}

bool db_wire_build(const struct db_param *params, struct arena *a, struct db_wire *ret,
                   struct error *err)
{
    size_t n = 0;
    while (params[n].kind != DB_PARAM_END) {
        n++;
    }
    ret->n = (int)n;
    ret->values = arena_zalloc(a, (n + 1) * sizeof *ret->values);
    ret->lengths = arena_zalloc(a, (n + 1) * sizeof *ret->lengths);
    ret->formats = arena_zalloc(a, (n + 1) * sizeof *ret->formats);
    ret->types = arena_zalloc(a, (n + 1) * sizeof *ret->types);
    if (!ret->values || !ret->lengths || !ret->formats || !ret->types) {
        return error_set(err, ERR_DATABASE, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        struct str s = param_text(&params[i], a, &ret->types[i]);
        if (!s.ptr && !param_is_null(&params[i])) {
            return error_set(err, ERR_DATABASE, "out of memory");
        }
        bool binary = params[i].kind == DB_PARAM_BYTES;
        if (s.ptr && !binary && memchr(s.ptr, '\0', s.len)) {
            /* libpq would cut the text there; PostgreSQL knows no such text. */
            return error_set(err, ERR_INVALID_FIELD, "text holds a NUL character");
        }
        ret->values[i] = s.ptr;
        ret->lengths[i] = (int)s.len;
        ret->formats[i] = binary ? 1 : 0;
    }
    return true;
}

bool db_run(PGconn *c, const char *sql, const struct db_param *params, PGresult **ret_result,
            struct error *err)
{
    struct arena *a = arena_new(0);
    struct db_wire w;
    bool ok = db_wire_build(params, a, &w, err);
    if (ok) {
        PGresult *r = PQexecParams(c, sql, w.n, w.types, w.values, w.lengths, w.formats, 0);
        ExecStatusType status = PQresultStatus(r);
        ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
        if (!ok) {
            db_fail(err, c, r);
        }
        if (ok && ret_result) {
            *ret_result = r;
        } else {
            PQclear(r);
        }
    }
    arena_free(a);
    return ok;
}

bool db_run_simple(PGconn *c, const char *sql, struct error *err)
{
    PGresult *r = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(r);
    bool ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (!ok) {
        db_fail(err, c, r);
    }
    PQclear(r);
    return ok;
}

/* SQL for tables of configuration, made from their columns' names, which are constants of this
 * program; values are always parameters. */
#include "controlplane/store/object.h"

#include <stdio.h>

#include "common/base/buffer.h"

#define SQL_MAX 65536 /* a batch's ids may stand in it */
#define PARAMS_MAX 56

/* A statement in the making. */
struct statement {
    struct buffer sql;
    struct db_param params[PARAMS_MAX + 1];
    unsigned n;
};

static void statement_init(struct statement *s)
{
    buffer_init(&s->sql, SQL_MAX);
    s->n = 0;
}

static const char *type_cast(enum object_type t)
{
    static const char *const names[] = {
        [OBJECT_TEXT] = "text",
        [OBJECT_UUID] = "uuid",
        [OBJECT_I64] = "bigint",
        [OBJECT_BOOL] = "boolean",
        [OBJECT_TIME] = "timestamptz",
        [OBJECT_TEXTS] = "text[]",
        [OBJECT_JSON] = "jsonb",
        [OBJECT_BYTES] = "bytea",
        [OBJECT_NUMBERS] = "text[]::integer[]",
        [OBJECT_IDS] = "text[]::uuid[]",
    };
    return names[t];
}

static struct db_param value_param(enum object_type type, const struct object_value *v)
{
    if (v->state != OBJECT_SET) {
        return DB_NULL;
    }
    switch (type) {
    case OBJECT_TEXT:
    case OBJECT_JSON:
        return DB_STR(v->text.ptr ? v->text : STR_LIT(""));
    case OBJECT_UUID:
        return DB_UUID(&v->uuid);
    case OBJECT_I64:
        return DB_I64(v->integer);
    case OBJECT_BOOL:
        return DB_BOOL(v->integer != 0);
    case OBJECT_TIME:
        return DB_TIME_MS(v->integer);
    case OBJECT_TEXTS:
    case OBJECT_NUMBERS:
    case OBJECT_IDS:
        return DB_TEXTS(v->list, v->n);
    case OBJECT_BYTES:
        return DB_BYTES(v->text.ptr, v->text.len);
    }
    return DB_NULL;
}

/* Appends "$n::type" and the value. */
static void put_param(struct statement *s, const char *cast, struct db_param p)
{
    if (s->n >= PARAMS_MAX) {
        s->sql.failed = true;
        return;
    }
    s->params[s->n++] = p;
    buffer_printf(&s->sql, "$%u::%s", s->n, cast);
}

static void put_columns(struct statement *s, const struct object_table *table)
{
    for (int i = 0; i < table->n_columns; i++) {
        buffer_printf(&s->sql, "%s%s", i > 0 ? ", " : "", table->columns[i].name);
    }
}

static bool run(struct tx *t, struct statement *s, struct db_rows **ret, struct error *err)
{
    s->params[s->n] = DB_END;
    buffer_append(&s->sql, "", 1);
    bool ok = s->sql.failed ? error_set(err, ERR_INTERNAL, "statement is too long")
                            : tx_query(t, ret, err, s->sql.ptr, s->params);
    buffer_release(&s->sql);
    return ok;
}

struct object_value object_read(const struct db_rows *r, size_t row, int column,
                                enum object_type type, struct arena *a)
{
    struct object_value v = {.state = OBJECT_NULL};
    if (db_is_null(r, row, column)) {
        return v;
    }
    v.state = OBJECT_SET;
    switch (type) {
    case OBJECT_TEXT:
    case OBJECT_JSON:
        v.text = arena_str(a, db_text(r, row, column));
        break;
    case OBJECT_UUID:
        v.uuid = db_uuid(r, row, column);
        break;
    case OBJECT_I64:
        v.integer = db_i64(r, row, column);
        break;
    case OBJECT_BOOL:
        v.integer = db_bool(r, row, column);
        break;
    case OBJECT_TIME:
        v.integer = (int64_t)db_time_ms(r, row, column);
        break;
    case OBJECT_TEXTS:
    case OBJECT_NUMBERS:
    case OBJECT_IDS:
        v.n = db_texts(r, row, column, a, &v.list);
        break;
    case OBJECT_BYTES:
        v.text = db_bytes(r, row, column, a);
        break;
    }
    return v;
}

static void read_row(const struct db_rows *r, size_t row, const struct object_table *table,
                     struct arena *a, struct object *ret)
{
    for (int i = 0; i < table->n_columns; i++) {
        ret->v[i] = object_read(r, row, i, table->columns[i].type, a);
    }
}

void object_set_text(struct object_value *v, struct str s)
{
    *v = (struct object_value){.state = s.ptr ? OBJECT_SET : OBJECT_NULL, .text = s};
}

void object_set_uuid(struct object_value *v, const struct uuid *u)
{
    *v = (struct object_value){.state = uuid_is_nil(u) ? OBJECT_NULL : OBJECT_SET, .uuid = *u};
}

void object_set_i64(struct object_value *v, int64_t i)
{
    *v = (struct object_value){.state = OBJECT_SET, .integer = i};
}

void object_set_bool(struct object_value *v, bool b)
{
    object_set_i64(v, b ? 1 : 0);
}

void object_set_null(struct object_value *v)
{
    *v = (struct object_value){.state = OBJECT_NULL};
}

bool object_is_set(const struct object_value *v)
{
    return v->state == OBJECT_SET;
}

bool object_equal(enum object_type type, const struct object_value *a, const struct object_value *b)
{
    bool set = object_is_set(a);
    if (set != object_is_set(b)) {
        return false;
    }
    if (!set) {
        return true;
    }
    switch (type) {
    case OBJECT_TEXT:
    case OBJECT_JSON:
    case OBJECT_BYTES:
        return str_eq(a->text, b->text);
    case OBJECT_UUID:
        return uuid_eq(&a->uuid, &b->uuid);
    case OBJECT_I64:
    case OBJECT_BOOL:
    case OBJECT_TIME:
        return a->integer == b->integer;
    case OBJECT_TEXTS:
    case OBJECT_NUMBERS:
    case OBJECT_IDS:
        if (a->n != b->n) {
            return false;
        }
        for (size_t i = 0; i < a->n; i++) {
            if (!str_eq(a->list[i], b->list[i])) {
                return false;
            }
        }
        return true;
    }
    return false;
}

static struct object_filter *add_filter(struct object_query *q, int column)
{
    size_t max = sizeof q->filters / sizeof q->filters[0];
    struct object_filter *f = &q->filters[q->n_filters < max ? q->n_filters++ : max - 1];
    *f = (struct object_filter){.column = column, .value.state = OBJECT_NULL};
    return f;
}

void object_filter_uuid(struct object_query *q, int column, const struct uuid *u)
{
    object_set_uuid(&add_filter(q, column)->value, u);
}

void object_filter_text(struct object_query *q, int column, struct str s, bool nocase)
{
    struct object_filter *f = add_filter(q, column);
    object_set_text(&f->value, s);
    f->lower = nocase ? "lower" : NULL;
}

void object_filter_null(struct object_query *q, int column)
{
    add_filter(q, column);
}

struct uuid *object_ids(const struct object *rows, size_t n, int column, struct arena *a)
{
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < n; i++) {
        ids[i] = rows[i].v[column].uuid;
    }
    return ids;
}

struct str *object_id_texts(const struct uuid *ids, size_t n, struct arena *a)
{
    struct str *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        char text[37];
        uuid_format(&ids[i], text);
        list[i] = arena_str(a, str_of(text));
    }
    return list;
}

bool object_take_id(struct db_rows *rows, struct uuid *ret, struct error *err)
{
    bool found = db_count(rows) > 0;
    if (found) {
        *ret = db_uuid(rows, 0, 0);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool object_take_ids(struct db_rows *rows, struct arena *a, struct uuid **ret, size_t *ret_n,
                     struct error *err)
{
    size_t n = db_count(rows);
    struct uuid *ids = arena_alloc(a, (n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < n; i++) {
        ids[i] = db_uuid(rows, i, 0);
    }
    db_rows_free(rows);
    *ret = ids;
    *ret_n = ids ? n : 0;
    return ids || error_set(err, ERR_OVERLOADED, "%s", "");
}

static void put_where(struct statement *s, const struct object_table *table,
                      const struct object_query *q, struct arena *a)
{
    buffer_append_z(&s->sql, " WHERE true");
    if (q->organization && table->organization >= 0) {
        buffer_printf(&s->sql, " AND %s = ", table->columns[table->organization].name);
        put_param(s, "uuid", DB_UUID(q->organization));
    }
    if (q->only_workspaces && table->workspace >= 0) {
        struct str *list = object_id_texts(q->workspaces, q->n_workspaces, a);
        const char *column = table->columns[table->workspace].name;
        buffer_printf(&s->sql, " AND (%s%s%s = ANY(", q->shared ? column : "",
                      q->shared ? " IS NULL OR " : "", column);
        put_param(s, "text[]::uuid[]", DB_TEXTS(list, q->n_workspaces));
        buffer_append_z(&s->sql, "))");
    }
    for (unsigned i = 0; i < q->n_filters; i++) {
        const struct object_filter *f = &q->filters[i];
        const struct object_column *c = &table->columns[f->column];
        if (f->value.state != OBJECT_SET) {
            buffer_printf(&s->sql, " AND %s IS NULL", c->name);
            continue;
        }
        if (c->type == OBJECT_TEXTS) {
            buffer_printf(&s->sql, " AND %s @> ARRAY[", c->name);
            put_param(s, "text", DB_STR(f->value.text));
            buffer_append_z(&s->sql, "]");
            continue;
        }
        buffer_printf(&s->sql, f->lower ? " AND lower(%s) = lower(" : " AND %s = (", c->name);
        put_param(s, type_cast(c->type), value_param(c->type, &f->value));
        buffer_append_z(&s->sql, ")");
    }
    if (q->where) {
        buffer_printf(&s->sql, " AND (%s)", q->where);
    }
    if (q->has_after) {
        buffer_printf(&s->sql, " AND id %s ", q->newest_first ? "<" : ">");
        put_param(s, "uuid", DB_UUID(&q->after));
    }
}

bool object_list(struct tx *t, const struct object_table *table, const struct object_query *q,
                 struct arena *a, struct object **ret, size_t *ret_n, struct error *err)
{
    struct statement s;
    struct db_rows *rows = NULL;
    statement_init(&s);
    buffer_append_z(&s.sql, "SELECT ");
    put_columns(&s, table);
    buffer_printf(&s.sql, " FROM %s", table->name);
    put_where(&s, table, q, a);
    buffer_printf(&s.sql, " ORDER BY id%s", q->newest_first ? " DESC" : "");
    if (q->limit > 0) {
        buffer_printf(&s.sql, " LIMIT %u", q->limit);
    }
    buffer_append_z(&s.sql, q->lock ? " FOR UPDATE" : "");
    if (!run(t, &s, &rows, err)) {
        return false;
    }
    size_t n = db_count(rows);
    struct object *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        read_row(rows, i, table, a, &list[i]);
    }
    db_rows_free(rows);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "the answer is too large");
    }
    *ret = list;
    *ret_n = n;
    return true;
}

bool object_find(struct tx *t, const struct object_table *table, const struct object_query *q,
                 struct arena *a, struct object *ret, struct error *err)
{
    struct object_query one = *q;
    struct object *list;
    size_t n;
    one.limit = 1;
    if (!object_list(t, table, &one, a, &list, &n, err)) {
        return false;
    }
    if (n == 0) {
        return error_set(err, ERR_NOT_FOUND, "%s", "");
    }
    *ret = list[0];
    return true;
}

static bool finish_write(struct tx *t, struct statement *s, const struct object_table *table,
                         struct object *o, struct arena *a, struct error *err)
{
    struct db_rows *rows = NULL;
    buffer_append_z(&s->sql, " RETURNING ");
    put_columns(s, table);
    if (!run(t, s, &rows, err)) {
        return false;
    }
    bool found = db_count(rows) == 1;
    if (found) {
        read_row(rows, 0, table, a, o);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "%s", "");
}

bool object_insert(struct tx *t, const struct object_table *table, struct object *o,
                   struct arena *a, struct error *err)
{
    struct statement s;
    const char *comma = "";
    statement_init(&s);
    buffer_printf(&s.sql, "INSERT INTO %s (", table->name);
    for (int i = 0; i < table->n_columns; i++) {
        if (o->v[i].state != OBJECT_UNSET &&
            !(table->organization_made && i == table->organization)) {
            buffer_printf(&s.sql, "%s%s", comma, table->columns[i].name);
            comma = ", ";
        }
    }
    buffer_append_z(&s.sql, ") VALUES (");
    comma = "";
    for (int i = 0; i < table->n_columns; i++) {
        if (o->v[i].state != OBJECT_UNSET &&
            !(table->organization_made && i == table->organization)) {
            buffer_append_z(&s.sql, comma);
            put_param(&s, type_cast(table->columns[i].type),
                      value_param(table->columns[i].type, &o->v[i]));
            comma = ", ";
        }
    }
    buffer_append_z(&s.sql, ")");
    return finish_write(t, &s, table, o, a, err);
}

static void put_changes(struct statement *s, const struct object_table *table,
                        const struct object *o)
{
    buffer_printf(&s->sql, "UPDATE %s SET revision = revision + 1%s", table->name,
                  table->updated ? ", updated_at = now()" : "");
    for (int i = 1; i < table->n_columns; i++) {
        if (o->v[i].state != OBJECT_UNSET && i != table->organization && i != table->revision) {
            buffer_printf(&s->sql, ", %s = ", table->columns[i].name);
            put_param(s, type_cast(table->columns[i].type),
                      value_param(table->columns[i].type, &o->v[i]));
        }
    }
}

bool object_update(struct tx *t, const struct object_table *table, const struct uuid *id,
                   struct object *o, struct arena *a, struct error *err)
{
    struct statement s;
    statement_init(&s);
    put_changes(&s, table, o);
    buffer_append_z(&s.sql, " WHERE id = ");
    put_param(&s, "uuid", DB_UUID(id));
    return finish_write(t, &s, table, o, a, err);
}

bool object_update_many(struct tx *t, const struct object_table *table, const struct uuid *ids,
                        size_t n, const struct object *o, struct arena *a, size_t *ret_n,
                        struct error *err)
{
    struct statement s;
    struct db_rows *rows = NULL;
    struct str *list = object_id_texts(ids, n, a);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    statement_init(&s);
    put_changes(&s, table, o);
    buffer_append_z(&s.sql, " WHERE id = ANY(");
    put_param(&s, "text[]::uuid[]", DB_TEXTS(list, n));
    buffer_append_z(&s.sql, ")");
    if (!run(t, &s, &rows, err)) {
        return false;
    }
    if (ret_n) {
        *ret_n = db_affected(rows);
    }
    db_rows_free(rows);
    return true;
}

bool object_delete(struct tx *t, const struct object_table *table, const struct uuid *id,
                   struct error *err)
{
    struct statement s;
    statement_init(&s);
    buffer_printf(&s.sql, "DELETE FROM %s WHERE id = ", table->name);
    put_param(&s, "uuid", DB_UUID(id));
    return run(t, &s, NULL, err);
}

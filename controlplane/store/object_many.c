/* Many rows in one statement: they travel as one JSON array, which the server turns into a table.
 */
#include "controlplane/store/object.h"

#include "common/base/clock.h"
#include "common/crypto.h"
#include "common/json.h"

#define ROWS_MAX_BYTES ((size_t)64 << 20)

static const char *json_type(enum object_type t)
{
    static const char *const names[] = {
        [OBJECT_TEXT] = "text",         [OBJECT_UUID] = "uuid",        [OBJECT_I64] = "bigint",
        [OBJECT_BOOL] = "boolean",      [OBJECT_TIME] = "timestamptz", [OBJECT_TEXTS] = "text[]",
        [OBJECT_JSON] = "jsonb",        [OBJECT_BYTES] = "text", /* as hex */
        [OBJECT_NUMBERS] = "integer[]", [OBJECT_IDS] = "uuid[]",
    };
    return names[t];
}

static void put_hex(struct json_writer *w, struct str bytes, struct arena *a)
{
    char *hex = arena_alloc(a, 2 * bytes.len + 1);
    if (hex) {
        crypto_hex(bytes.ptr, bytes.len, hex);
        json_put_z(w, hex);
    } else {
        w->out->failed = true;
    }
}

static void put_value(struct json_writer *w, enum object_type type, const struct object_value *v,
                      struct arena *a)
{
    char text[40];
    if (v->state != OBJECT_SET) {
        json_put_null(w);
        return;
    }
    switch (type) {
    case OBJECT_TEXT:
        json_put_str(w, v->text);
        break;
    case OBJECT_UUID:
        uuid_format(&v->uuid, text);
        json_put_z(w, text);
        break;
    case OBJECT_I64:
        json_put_i64(w, v->integer);
        break;
    case OBJECT_BOOL:
        json_put_bool(w, v->integer != 0);
        break;
    case OBJECT_TIME:
        clock_format_rfc3339((uint64_t)v->integer, text);
        json_put_z(w, text);
        break;
    case OBJECT_JSON:
        json_put_raw(w, v->text);
        break;
    case OBJECT_BYTES:
        put_hex(w, v->text, a);
        break;
    case OBJECT_TEXTS:
    case OBJECT_NUMBERS:
    case OBJECT_IDS:
        json_array_begin(w);
        for (size_t i = 0; i < v->n; i++) {
            json_put_str(w, v->list[i]);
        }
        json_array_end(w);
        break;
    }
}

static bool has(const struct object *o, int column)
{
    return o->v[column].state != OBJECT_UNSET;
}

static void put_rows(struct buffer *out, const struct object_table *table,
                     const struct object *rows, size_t n, struct arena *a)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        for (int c = 0; c < table->n_columns; c++) {
            if (has(&rows[0], c)) {
                json_name(&w, table->columns[c].name);
                put_value(&w, table->columns[c].type, &rows[i].v[c], a);
            }
        }
        json_object_end(&w);
    }
    json_array_end(&w);
}

/* "FROM jsonb_to_recordset($1::jsonb) AS given (id uuid, ...)" */
static void put_from(struct buffer *sql, const struct object_table *table,
                     const struct object *first)
{
    const char *comma = "";
    buffer_append_z(sql, " FROM jsonb_to_recordset($1::jsonb) AS given (");
    for (int c = 0; c < table->n_columns; c++) {
        if (has(first, c)) {
            buffer_printf(sql, "%s%s %s", comma, table->columns[c].name,
                          json_type(table->columns[c].type));
            comma = ", ";
        }
    }
    buffer_append_z(sql, ")");
}

static void put_given(struct buffer *sql, const struct object_column *column)
{
    buffer_printf(sql, column->type == OBJECT_BYTES ? "decode(given.%s, 'hex')" : "given.%s",
                  column->name);
}

static bool run(struct tx *t, struct buffer *sql, struct buffer *rows, struct db_rows **ret,
                struct error *err)
{
    buffer_append(sql, "", 1);
    bool ok = !sql->failed && !rows->failed
                  ? tx_exec(t, ret, err, sql->ptr, DB_STR(buffer_str(rows)))
                  : error_set(err, ERR_OVERLOADED, "%s", "");
    if (rows->ptr) {
        explicit_bzero(rows->ptr, rows->len);
    }
    buffer_release(rows);
    buffer_release(sql);
    return ok;
}

static void begin(struct buffer *sql, struct buffer *json)
{
    buffer_init(sql, 16384);
    buffer_init(json, ROWS_MAX_BYTES);
}

bool object_insert_many(struct tx *t, const struct object_table *table, const struct object *rows,
                        size_t n, struct arena *a, bool *ret_made, struct error *err)
{
    struct buffer sql, json;
    struct db_rows *made = NULL;
    const char *comma = "";
    memset(ret_made, 0, n * sizeof *ret_made);
    if (n == 0) {
        return true;
    }
    begin(&sql, &json);
    put_rows(&json, table, rows, n, a);
    buffer_printf(&sql, "INSERT INTO %s (", table->name);
    for (int c = 0; c < table->n_columns; c++) {
        if (has(&rows[0], c)) {
            buffer_printf(&sql, "%s%s", comma, table->columns[c].name);
            comma = ", ";
        }
    }
    buffer_append_z(&sql, ") SELECT ");
    comma = "";
    for (int c = 0; c < table->n_columns; c++) {
        if (has(&rows[0], c)) {
            buffer_append_z(&sql, comma);
            put_given(&sql, &table->columns[c]);
            comma = ", ";
        }
    }
    put_from(&sql, table, &rows[0]);
    buffer_append_z(&sql, " ON CONFLICT DO NOTHING RETURNING id");
    if (!run(t, &sql, &json, &made, err)) {
        return false;
    }
    /* they come back in the order they were given, with gaps */
    for (size_t i = 0, m = 0; m < db_count(made) && i < n; i++) {
        struct uuid id = db_uuid(made, m, 0);
        ret_made[i] = uuid_eq(&id, &rows[i].v[0].uuid);
        m += ret_made[i];
    }
    db_rows_free(made);
    return true;
}

bool object_update_each(struct tx *t, const struct object_table *table, const struct object *rows,
                        size_t n, struct arena *a, struct error *err)
{
    struct buffer sql, json;
    if (n == 0) {
        return true;
    }
    begin(&sql, &json);
    put_rows(&json, table, rows, n, a);
    buffer_printf(&sql, "UPDATE %s AS target SET revision = target.revision + 1%s", table->name,
                  table->updated ? ", updated_at = now()" : "");
    for (int c = 1; c < table->n_columns; c++) {
        if (has(&rows[0], c)) {
            buffer_printf(&sql, ", %s = ", table->columns[c].name);
            put_given(&sql, &table->columns[c]);
        }
    }
    put_from(&sql, table, &rows[0]);
    buffer_append_z(&sql, " WHERE target.id = given.id");
    return run(t, &sql, &json, NULL, err);
}

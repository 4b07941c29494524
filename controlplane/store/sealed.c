/* The table of sealed columns, and their renewal batch by batch. */
#include "controlplane/store/sealed.h"

#include <time.h>

#include "common/crypto.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/idempotency.h"

#define BATCH_ROWS "200"
#define ROUNDS_MAX 50 /* while others hold rows */
#define ROUND_PAUSE_NS 100000000
#define BATCH_BYTES ((size_t)256 << 20)

#define PLAIN(table_, column_, key_, place_, row_)                                                \
    {                                                                                             \
        .table = (table_), .column = (column_), .key = (key_), .kek = column_ "_kek",             \
        .value = (column_), .set = column_ " = d.value, " column_ "_kek = $3", .place = (place_), \
        .row = (row_)                                                                             \
    }

const struct sealed_column sealed_columns[] = {
    PLAIN("providers", "credential", "x.id::text", "providers", "x.id"),
    PLAIN("config_documents", "secrets", "x.owner_id::text || x.number::text", "configs",
          "x.owner_id"),
    PLAIN("issuers", "client_secret", "x.id::text", "issuers", "x.id"),
    PLAIN("data_planes", "secret", "x.id::text", "data_planes", "x.id"),
    PLAIN("certificate_authority", "key", "x.singleton::text", "certificate_authority",
          "'00000000-0000-0000-0000-000000000000'::uuid"),
    PLAIN("snapshot_keys", "key", "x.id::text", "snapshot_keys", "x.id"),
    PLAIN("sessions", "id_token", "x.id::text", "sessions", "x.id"),
    /* the key's id stands before the seal, behind its length: controlplane/http/replay.c */
    {.table = "idempotency_keys",
     .column = "response",
     .key = "x.actor || ' ' || x.key",
     .kek = "convert_from(substring(x.response FROM 2 FOR get_byte(x.response, 0)), 'UTF8')",
     .value = "substring(x.response FROM 2 + get_byte(x.response, 0))",
     .set = "response = decode(lpad(to_hex(length($3)), 2, '0'), 'hex') || "
            "convert_to($3, 'UTF8') || d.value",
     .place = "idempotency_keys",
     .row = NULL},
};
const size_t sealed_columns_count = sizeof sealed_columns / sizeof *sealed_columns;

struct batch {
    struct arena *arena;
    struct str *keys, *values; /* values: as hex, for a text array */
    size_t n;
};

static struct uuid row_of(const struct sealed_column *c, const struct db_rows *rows, size_t i)
{
    struct str actor, key;
    if (c->row) {
        return db_uuid(rows, i, 3);
    }
    (void)str_cut(db_text(rows, i, 0), ' ', &actor, &key);
    return idempotency_row(actor, key);
}

static bool add(struct batch *b, const struct sealed_column *c, const struct seal_keys *keys,
                const struct db_rows *rows, size_t i)
{
    struct arena *a = b->arena;
    struct str plain, kek = arena_str(a, db_text(rows, i, 1));
    struct uuid row = row_of(c, rows, i);
    struct error ignored = ERROR_INIT;
    if (!kek.ptr || !seal_open(keys, kek.ptr, c->place, &row, c->column, db_bytes(rows, i, 2, a), a,
                               &plain, &ignored)) {
        return false;
    }
    struct str sealed = seal_close(keys, c->place, &row, c->column, plain, a);
    explicit_bzero((void *)(uintptr_t)plain.ptr, plain.len);
    char *hex = sealed.ptr ? arena_alloc(a, 2 * sealed.len + 3) : NULL;
    if (!hex) {
        return false;
    }
    hex[0] = '\\';
    hex[1] = 'x';
    crypto_hex(sealed.ptr, sealed.len, hex + 2);
    b->keys[b->n] = arena_str(a, db_text(rows, i, 0));
    b->values[b->n] = (struct str){hex, 2 * sealed.len + 2};
    return b->keys[b->n++].ptr != NULL;
}

static bool write_batch(struct tx *t, const struct sealed_column *c, const struct seal_keys *keys,
                        const struct batch *b, struct error *err)
{
    struct str sql = arena_printf(b->arena,
                                  "UPDATE %s x SET %s FROM (SELECT k, v::bytea AS value FROM "
                                  "unnest($1::text[], $2::text[]) AS u (k, v)) d WHERE %s = d.k "
                                  "AND $3::text IS NOT NULL",
                                  c->table, c->set, c->key);
    return b->n == 0 || tx_exec(t, NULL, err, sql.ptr, DB_TEXTS(b->keys, b->n),
                                DB_TEXTS(b->values, b->n), DB_Z(seal_current_id(keys)));
}

/* One batch behind *after, which it moves on; *ret_n 0: there is none. Rows that somebody else
 * holds are left for the next round. */
static bool renew_batch(struct db_pool *pool, const struct seal_keys *keys,
                        const struct sealed_column *c, struct str *after, struct arena *kept,
                        size_t *ret_n, struct sealed_count *count, struct error *err)
{
    struct db_rows *rows = NULL;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct batch b = {.arena = arena_new(BATCH_BYTES)};
    struct str sql = arena_printf(
        b.arena,
        "SELECT %s, %s, %s, %s FROM %s x WHERE x.%s IS NOT NULL AND %s <> $1 AND %s > $2 "
        "ORDER BY %s LIMIT " BATCH_ROWS " FOR UPDATE SKIP LOCKED",
        c->key, c->kek, c->value, c->row ? c->row : "NULL", c->table, c->column, c->kek, c->key,
        c->key);
    bool ok = tx_exec(t, &rows, err, sql.ptr, DB_Z(seal_current_id(keys)), DB_STR(*after));
    size_t n = ok ? db_count(rows) : 0;
    b.keys = arena_alloc(b.arena, (n + 1) * sizeof *b.keys);
    b.values = arena_alloc(b.arena, (n + 1) * sizeof *b.values);
    for (size_t i = 0; ok && i < n; i++) {
        (void)add(&b, c, keys, rows, i);
    }
    if (n > 0) {
        *after = arena_str(kept, db_text(rows, n - 1, 0));
    }
    ok = ok && write_batch(t, c, keys, &b, err);
    db_rows_free(rows);
    if (ok) {
        ok = tx_commit(t, NULL, err);
    } else {
        tx_rollback(t);
    }
    count->resealed += ok ? b.n : 0;
    count->failed += ok ? n - b.n : 0;
    *ret_n = n;
    arena_free(b.arena);
    return ok;
}

/* *ret_others: rows that another key still seals. */
static bool count_rows(struct db_pool *pool, const struct seal_keys *keys,
                       const struct sealed_column *c, uint64_t *ret_current, uint64_t *ret_others,
                       struct error *err)
{
    struct db_rows *rows = NULL;
    struct tx *t = tx_begin(pool, TX_SYSTEM, NULL, err);
    struct arena *a = arena_new(4096);
    struct str sql = arena_printf(a,
                                  "SELECT count(*) FILTER (WHERE %s = $1), count(*) FILTER (WHERE "
                                  "%s <> $1) FROM %s x WHERE x.%s IS NOT NULL",
                                  c->kek, c->kek, c->table, c->column);
    bool ok = t && tx_exec(t, &rows, err, sql.ptr, DB_Z(seal_current_id(keys)));
    if (ok) {
        *ret_current = (uint64_t)db_i64(rows, 0, 0);
        *ret_others = (uint64_t)db_i64(rows, 0, 1);
    }
    db_rows_free(rows);
    tx_rollback(t);
    arena_free(a);
    return ok;
}

static bool renew_round(struct db_pool *pool, const struct seal_keys *keys,
                        const struct sealed_column *c, struct sealed_count *count,
                        struct error *err)
{
    struct arena *a = arena_new(0);
    struct str after = STR_LIT("");
    size_t n = 1;
    bool ok = true;
    count->failed = 0;
    while (ok && n > 0) {
        ok = renew_batch(pool, keys, c, &after, a, &n, count, err);
    }
    arena_free(a);
    return ok;
}

bool sealed_renew(struct db_pool *pool, const struct seal_keys *keys, const struct sealed_column *c,
                  struct sealed_count *ret, struct error *err)
{
    static const struct timespec pause = {0, ROUND_PAUSE_NS};
    uint64_t others = 0;
    *ret = (struct sealed_count){.resealed = 0};
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        if (!renew_round(pool, keys, c, ret, err) ||
            !count_rows(pool, keys, c, &ret->current, &others, err)) {
            return false;
        }
        if (others <= ret->failed) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    ret->failed = others;
    return true;
}

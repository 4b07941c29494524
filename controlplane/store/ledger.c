/* SQL of the ledger: see ledger.h. Both books have tables of one shape, so each statement stands
 * once and is made for either. Whole sets go in as arrays: a request is a few statements however
 * many accounts it is about. */
#include "controlplane/store/ledger.h"

#include "controlplane/store/object.h"

/* One array of texts for each column that goes in. */
#define COLUMNS_MAX 16

struct columns {
    struct str *texts[COLUMNS_MAX];
    size_t at, n, row;
    struct arena *arena;
};

static bool columns_init(struct columns *c, size_t n_columns, size_t rows, struct arena *a,
                         struct error *err)
{
    *c = (struct columns){.n = n_columns, .arena = a};
    for (size_t i = 0; i < n_columns; i++) {
        c->texts[i] = arena_zalloc(a, (rows + 1) * sizeof(struct str));
        if (!c->texts[i]) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
    }
    return true;
}

/* The next column of the row; behind the last one the next row begins. */
static void put(struct columns *c, struct str s)
{
    c->texts[c->at][c->row] = s;
    if (++c->at == c->n) {
        c->at = 0;
        c->row++;
    }
}

static void put_i64(struct columns *c, int64_t v)
{
    put(c, arena_printf(c->arena, "%lld", (long long)v));
}

static void put_uuid(struct columns *c, const struct uuid *u)
{
    char text[37];
    uuid_format(u, text);
    put(c, arena_str(c->arena, str_of(text)));
}

#define COLUMN(c, i) DB_TEXTS((c).texts[i], (c).row)

int ledger_key_cmp(const struct ledger_key *a, const struct ledger_key *b)
{
    int order = memcmp(a->quota.b, b->quota.b, sizeof a->quota.b);
    if (order == 0 && a->window_start_s != b->window_start_s) {
        order = a->window_start_s < b->window_start_s ? -1 : 1;
    }
    return order ? order : str_cmp(a->bucket, b->bucket);
}

static void put_key(struct columns *c, const struct ledger_key *k)
{
    put_uuid(c, &k->quota);
    put_i64(c, k->window_start_s);
    put(c, k->bucket);
}

/* ---- accounts ---- */

#define CREATE_SQL(book)                                                                           \
    "INSERT INTO " book "_accounts (organization_id, quota_id, window_start, bucket, window_end, " \
    "amount) SELECT v.org, v.quota, v.start, v.bucket, v.stop, v.amount FROM "                     \
    "unnest($1::text[]::uuid[], $2::text[]::int8[], $3::text[], $4::text[]::uuid[], "              \
    "$5::text[]::int8[], $6::text[]::int8[]) AS v (quota, start, bucket, org, stop, amount) "      \
    "WHERE NOT EXISTS (SELECT 1 FROM " book "_accounts a WHERE a.quota_id = v.quota AND "          \
    "a.window_start = v.start AND a.bucket = v.bucket) "                                           \
    "ORDER BY v.quota, v.start, v.bucket COLLATE \"C\" ON CONFLICT DO NOTHING"
static const char *const create_sql[LEDGER_BOOKS] = {CREATE_SQL("ledger"), CREATE_SQL("limit")};

#define LOCK_SQL(book)                                                                         \
    "SELECT v.n, a.id, a.organization_id, a.window_end, a.amount, a.settled, a.held, "         \
    "a.overrun, a.presumed, a.level_milli, a.level_ms, a.waiting_ms, a.alerted, a.updated_at " \
    "FROM unnest($1::text[]::uuid[], $2::text[]::int8[], $3::text[]) WITH ORDINALITY "         \
    "AS v (quota, start, bucket, n) JOIN " book "_accounts a ON a.quota_id = v.quota AND "     \
    "a.window_start = v.start AND a.bucket = v.bucket "                                        \
    "ORDER BY a.quota_id, a.window_start, a.bucket FOR NO KEY UPDATE OF a"
static const char *const lock_sql[LEDGER_BOOKS] = {LOCK_SQL("ledger"), LOCK_SQL("limit")};

static bool create_accounts(struct tx *t, enum ledger_book book, const struct ledger_account *list,
                            size_t n, struct arena *a, struct error *err)
{
    struct columns c;
    if (!columns_init(&c, 6, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (list[i].create) {
            put_key(&c, &list[i].key);
            put_uuid(&c, &list[i].organization);
            put_i64(&c, list[i].window_end_s);
            put_i64(&c, list[i].amount);
        }
    }
    return c.row == 0 || tx_exec(t, NULL, err, create_sql[book], COLUMN(c, 0), COLUMN(c, 1),
                                 COLUMN(c, 2), COLUMN(c, 3), COLUMN(c, 4), COLUMN(c, 5));
}

bool ledger_accounts_lock(struct tx *t, enum ledger_book book, struct ledger_account *list,
                          size_t n, struct arena *a, struct error *err)
{
    struct db_rows *rows = NULL;
    struct columns c;
    if (n == 0) {
        return true;
    }
    if (!create_accounts(t, book, list, n, a, err) || !columns_init(&c, 3, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        put_key(&c, &list[i].key);
    }
    if (!tx_exec(t, &rows, err, lock_sql[book], COLUMN(c, 0), COLUMN(c, 1), COLUMN(c, 2))) {
        return false;
    }
    for (size_t i = 0; i < db_count(rows); i++) {
        size_t at = (size_t)db_i64(rows, i, 0) - 1;
        if (at >= n) {
            continue;
        }
        struct ledger_account *x = &list[at];
        int64_t *const numbers[] = {&x->window_end_s, &x->amount,   &x->settled,     &x->held,
                                    &x->overrun,      &x->presumed, &x->level_milli, &x->level_ms,
                                    &x->waiting_ms,   &x->alerted};
        x->id = db_i64(rows, i, 1);
        x->organization = db_uuid(rows, i, 2);
        for (int k = 0; k < (int)(sizeof numbers / sizeof numbers[0]); k++) {
            *numbers[k] = db_i64(rows, i, 3 + k);
        }
        x->updated_ms = db_time_ms(rows, i, 13);
    }
    db_rows_free(rows);
    return true;
}

#define WRITE_SQL(book)                                                                            \
    "UPDATE " book "_accounts a SET window_end = v.stop, amount = v.amount, settled = v.settled, " \
    "held = v.held, overrun = v.overrun, presumed = v.presumed, level_milli = v.milli, "           \
    "level_ms = v.level, waiting_ms = v.waiting, alerted = v.alerted, updated_at = now() FROM "    \
    "unnest($1::text[]::int8[], $2::text[]::int8[], $3::text[]::int8[], $4::text[]::int8[], "      \
    "$5::text[]::int8[], $6::text[]::int8[], $7::text[]::int8[], $8::text[]::int8[], "             \
    "$9::text[]::int8[], $10::text[]::int8[], $11::text[]::int4[]) AS v (id, stop, amount, "       \
    "settled, held, overrun, presumed, milli, level, waiting, alerted) WHERE a.id = v.id"
static const char *const write_sql[LEDGER_BOOKS] = {WRITE_SQL("ledger"), WRITE_SQL("limit")};

bool ledger_accounts_write(struct tx *t, enum ledger_book book, const struct ledger_account *list,
                           size_t n, struct arena *a, struct error *err)
{
    struct columns c;
    if (!columns_init(&c, 11, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct ledger_account *x = &list[i];
        if (x->id == 0 || !x->dirty) {
            continue;
        }
        const int64_t numbers[] = {x->id,       x->window_end_s, x->amount,   x->settled,
                                   x->held,     x->overrun,      x->presumed, x->level_milli,
                                   x->level_ms, x->waiting_ms,   x->alerted};
        for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++) {
            put_i64(&c, numbers[k]);
        }
    }
    return c.row == 0 ||
           tx_exec(t, NULL, err, write_sql[book], COLUMN(c, 0), COLUMN(c, 1), COLUMN(c, 2),
                   COLUMN(c, 3), COLUMN(c, 4), COLUMN(c, 5), COLUMN(c, 6), COLUMN(c, 7),
                   COLUMN(c, 8), COLUMN(c, 9), COLUMN(c, 10));
}

bool ledger_before_read(struct tx *t, const struct ledger_key *keys, size_t n, struct arena *a,
                        int64_t *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    struct columns c;
    if (n == 0) {
        return true;
    }
    if (!columns_init(&c, 3, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        put_key(&c, &keys[i]);
        ret[i] = 0;
    }
    if (!tx_exec(t, &rows, err,
                 "SELECT v.n, least(a.settled::numeric + a.held, 9223372036854775807)::int8 FROM "
                 "unnest($1::text[]::uuid[], "
                 "$2::text[]::int8[], $3::text[]) WITH ORDINALITY AS v (quota, start, bucket, n) "
                 "JOIN limit_accounts a ON a.quota_id = v.quota AND a.window_start = v.start AND "
                 "a.bucket = v.bucket",
                 COLUMN(c, 0), COLUMN(c, 1), COLUMN(c, 2))) {
        return false;
    }
    for (size_t i = 0; i < db_count(rows); i++) {
        ret[(size_t)db_i64(rows, i, 0) - 1] = db_i64(rows, i, 1);
    }
    db_rows_free(rows);
    return true;
}

/* ---- leases ---- */

#define LEASES_SQL(book)                                                                        \
    "SELECT v.n, l.data_plane_id, l.granted, l.returned, l.settled, l.presumed, l.closed FROM " \
    "unnest($1::text[]::int8[], $2::text[]::uuid[]) WITH ORDINALITY AS v (account, holder, n) " \
    "JOIN " book "_leases l ON l.account_id = v.account AND l.holder = v.holder"
static const char *const leases_sql[LEDGER_BOOKS] = {LEASES_SQL("ledger"), LEASES_SQL("limit")};

bool ledger_leases_read(struct tx *t, enum ledger_book book, struct ledger_lease *list, size_t n,
                        struct arena *a, struct error *err)
{
    struct db_rows *rows = NULL;
    struct columns c;
    if (n == 0) {
        return true;
    }
    if (!columns_init(&c, 2, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        put_i64(&c, list[i].account->id);
        put_uuid(&c, &list[i].holder);
    }
    if (!tx_exec(t, &rows, err, leases_sql[book], COLUMN(c, 0), COLUMN(c, 1))) {
        return false;
    }
    for (size_t i = 0; i < db_count(rows); i++) {
        struct ledger_lease *l = &list[(size_t)db_i64(rows, i, 0) - 1];
        l->plane = db_uuid(rows, i, 1);
        l->granted = db_i64(rows, i, 2);
        l->returned = db_i64(rows, i, 3);
        l->settled = db_i64(rows, i, 4);
        l->presumed = db_i64(rows, i, 5);
        l->closed = db_bool(rows, i, 6);
    }
    db_rows_free(rows);
    return true;
}

#define LEASE_SQL(book)                                                                          \
    "INSERT INTO " book "_leases (account_id, holder, organization_id, data_plane_id, granted, " \
    "returned, settled, presumed, closed) SELECT * FROM unnest($1::text[]::int8[], "             \
    "$2::text[]::uuid[], $3::text[]::uuid[], $4::text[]::uuid[], $5::text[]::int8[], "           \
    "$6::text[]::int8[], $7::text[]::int8[], $8::text[]::int8[], $9::text[]::bool[]) "           \
    "ON CONFLICT (account_id, holder) DO UPDATE SET granted = excluded.granted, returned = "     \
    "excluded.returned, settled = excluded.settled, presumed = excluded.presumed, closed = "     \
    "excluded.closed, updated_at = now()"
static const char *const lease_sql[LEDGER_BOOKS] = {LEASE_SQL("ledger"), LEASE_SQL("limit")};

bool ledger_leases_write(struct tx *t, enum ledger_book book, const struct ledger_lease *list,
                         size_t n, struct arena *a, struct error *err)
{
    struct columns c;
    if (!columns_init(&c, 9, n, a, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const struct ledger_lease *l = &list[i];
        if (l->account->id == 0 || !l->dirty) {
            continue;
        }
        put_i64(&c, l->account->id);
        put_uuid(&c, &l->holder);
        put_uuid(&c, &l->account->organization);
        put_uuid(&c, &l->plane);
        put_i64(&c, l->granted);
        put_i64(&c, l->returned);
        put_i64(&c, l->settled);
        put_i64(&c, l->presumed);
        put(&c, l->closed ? STR_LIT("t") : STR_LIT("f"));
    }
    return c.row == 0 || tx_exec(t, NULL, err, lease_sql[book], COLUMN(c, 0), COLUMN(c, 1),
                                 COLUMN(c, 2), COLUMN(c, 3), COLUMN(c, 4), COLUMN(c, 5),
                                 COLUMN(c, 6), COLUMN(c, 7), COLUMN(c, 8));
}

/* ---- whose holders are gone ---- */

static bool read_open(struct db_rows *rows, struct arena *a, struct ledger_open **ret,
                      size_t *ret_n, struct error *err)
{
    size_t n = db_count(rows);
    struct ledger_open *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct ledger_open){
            .key = {db_uuid(rows, i, 0), db_i64(rows, i, 1), arena_str(a, db_text(rows, i, 2))},
            .organization = db_uuid(rows, i, 3),
            .holder = db_uuid(rows, i, 4),
            .plane = db_uuid(rows, i, 5)};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

#define OPEN_COLUMNS                                                             \
    "SELECT a.quota_id, a.window_start, a.bucket, a.organization_id, l.holder, " \
    "l.data_plane_id "

#define HOLDS "l.granted - l.returned > l.settled::numeric + l.presumed"

bool ledger_run_note(struct tx *t, const struct uuid *plane, const struct uuid *holder,
                     struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE data_planes SET ledger_formers = (array_remove(array_prepend("
                   "ledger_holder, ledger_formers), NULL))[1:16], ledger_holder = $2 WHERE id = $1 "
                   "AND ledger_holder IS DISTINCT FROM $2 AND $2 <> ALL (ledger_formers)",
                   DB_UUID(plane), DB_UUID(holder));
}

/* The two ranges around the holder: its own leases, which may be many, are not even looked at.
 * Those that keep something from others come first. What a successor was granted is there together
 * with the note of it, so no snapshot sees one alone. */
#define FORMER_SQL(book)                                                                          \
    OPEN_COLUMNS                                                                                  \
    "FROM (SELECT * FROM " book "_leases WHERE data_plane_id = $1 AND holder < $2 "               \
    "AND NOT closed UNION ALL SELECT * FROM " book "_leases WHERE data_plane_id = $1 AND "        \
    "holder > $2 AND NOT closed) l JOIN " book "_accounts a ON a.id = l.account_id WHERE EXISTS " \
    "(SELECT FROM data_planes p WHERE p.id = $1 AND p.ledger_holder = $2) ORDER BY " HOLDS        \
    " DESC LIMIT $3"
static const char *const former_sql[LEDGER_BOOKS] = {FORMER_SQL("ledger"), FORMER_SQL("limit")};

bool ledger_former_list(struct tx *t, enum ledger_book book, const struct uuid *plane,
                        const struct uuid *holder, unsigned limit, struct arena *a,
                        struct ledger_open **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err, former_sql[book], DB_UUID(plane), DB_UUID(holder),
                   DB_I64(limit)) &&
           read_open(rows, a, ret, ret_n, err);
}

#define ABSENT                                                                         \
    "(p.revoked_at IS NOT NULL OR p.last_seen_at IS NULL OR p.last_seen_at < now() - " \
    "$2 * interval '1 millisecond')"
/* From the absent planes to their leases: they are few, mostly none, and leases are many. */
#define ABSENT_SQL(book)                                                                       \
    "WITH p AS MATERIALIZED (SELECT id FROM data_planes p WHERE ($1::uuid IS NULL OR p.id = "  \
    "$1::uuid) AND " ABSENT ") " OPEN_COLUMNS "FROM p CROSS JOIN LATERAL (SELECT * FROM " book \
    "_leases l WHERE l.data_plane_id = p.id AND NOT l.closed AND " HOLDS                       \
    " AND ($4::uuid IS NULL OR l.organization_id = $4::uuid) OFFSET 0) l JOIN " book           \
    "_accounts a ON a.id = l.account_id LIMIT $3"
static const char *const absent_sql[LEDGER_BOOKS] = {ABSENT_SQL("ledger"), ABSENT_SQL("limit")};

bool ledger_absent_list(struct tx *t, enum ledger_book book, const struct uuid *plane,
                        const struct uuid *organization, uint64_t silent_ms, unsigned limit,
                        struct arena *a, struct ledger_open **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    return tx_exec(t, &rows, err, absent_sql[book], plane ? DB_UUID(plane) : DB_NULL,
                   DB_I64(silent_ms), DB_I64(limit),
                   organization ? DB_UUID(organization) : DB_NULL) &&
           read_open(rows, a, ret, ret_n, err);
}

bool ledger_plane_present(struct tx *t, const struct uuid *plane, uint64_t silent_ms, bool *ret,
                          struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "SELECT NOT " ABSENT " FROM data_planes p WHERE p.id = $1",
                 DB_UUID(plane), DB_I64(silent_ms))) {
        return false;
    }
    bool found = db_count(rows) > 0;
    if (found) {
        *ret = db_bool(rows, 0, 0);
    }
    db_rows_free(rows);
    return found || error_set(err, ERR_NOT_FOUND, "data plane not found");
}

bool ledger_planes_count(struct tx *t, uint64_t silent_ms, unsigned *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT count(*) FROM data_planes WHERE revoked_at IS NULL AND last_seen_at >= "
                 "now() - $1 * interval '1 millisecond'",
                 DB_I64(silent_ms))) {
        return false;
    }
    *ret = (unsigned)db_i64(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

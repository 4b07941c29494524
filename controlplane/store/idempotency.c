/* Statements of idempotency keys. */
#include "controlplane/store/idempotency.h"

#include "common/crypto.h"

struct uuid idempotency_row(struct str actor, struct str key)
{
    uint8_t hash[32];
    struct uuid id;
    crypto_hmac_sha256(actor.ptr, actor.len, key.ptr, key.len, hash);
    memcpy(id.b, hash, sizeof id.b);
    return id;
}

bool idempotency_hold(struct tx *t, const struct idempotency *i, bool *ret_held, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT pg_try_advisory_xact_lock(hashtextextended('idempotency ' || $1::text || "
                 "' ' || $2::text, 0))",
                 DB_STR(i->actor), DB_STR(i->key))) {
        return false;
    }
    *ret_held = db_bool(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

bool idempotency_find(struct tx *t, const struct idempotency *i, struct arena *a,
                      struct idempotency_answer *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    *ret = (struct idempotency_answer){.found = false};
    if (!tx_exec(t, NULL, err,
                 "DELETE FROM idempotency_keys WHERE actor = $1 AND key = $2 AND created_at < "
                 "now() - interval '1 day'",
                 DB_STR(i->actor), DB_STR(i->key)) ||
        !tx_exec(t, &rows, err,
                 "SELECT request_hash, status, response FROM idempotency_keys WHERE actor = $1 AND "
                 "key = $2",
                 DB_STR(i->actor), DB_STR(i->key))) {
        return false;
    }
    if (db_count(rows) == 1) {
        struct str hash = db_bytes(rows, 0, 0, a);
        ret->found = true;
        ret->same_request =
            str_eq(hash, (struct str){(const char *)i->request_hash, sizeof i->request_hash});
        ret->status = (int)db_i64(rows, 0, 1);
        ret->response = db_bytes(rows, 0, 2, a);
    }
    db_rows_free(rows);
    return true;
}

bool idempotency_save(struct tx *t, const struct idempotency *i, int status, struct str response,
                      struct error *err)
{
    return tx_exec(t, NULL, err,
                   "INSERT INTO idempotency_keys (actor, key, request_hash, status, response) "
                   "VALUES ($1, $2, $3, $4::integer, $5)",
                   DB_STR(i->actor), DB_STR(i->key),
                   DB_BYTES(i->request_hash, sizeof i->request_hash), DB_I64(status),
                   DB_BYTES(response.ptr, response.len));
}

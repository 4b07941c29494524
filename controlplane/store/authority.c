/* The channel's CA and the snapshots' data key: see authority.h. */
#include "controlplane/store/authority.h"

#include "common/base/mem.h"
#include "common/crypto.h"
#include "common/x509.h"
#include "controlplane/secrets/seal.h"

#define CA_DAYS 3650

static const struct uuid singleton; /* the CA's row has no id */

static bool lock_for(struct tx *t, const char *what, struct error *err)
{
    return tx_exec(t, NULL, err, "SELECT pg_advisory_xact_lock(hashtext($1))", DB_Z(what));
}

static bool make_authority(struct tx *t, const struct seal_keys *keys, struct arena *a,
                           char **ret_cert, char **ret_key, struct error *err)
{
    char *cert = NULL, *key = NULL;
    if (!x509_make_ca("Weir channel", CA_DAYS, &cert, &key, err)) {
        return false;
    }
    struct str sealed =
        seal_close(keys, "certificate_authority", &singleton, "key", str_of(key), a);
    if (!sealed.ptr) {
        (void)error_set(err, ERR_INTERNAL, "cannot seal the CA's key");
    } else if (tx_exec(t, NULL, err,
                       "INSERT INTO certificate_authority (certificate, key, key_kek) "
                       "VALUES ($1, $2, $3)",
                       DB_Z(cert), DB_BYTES(sealed.ptr, sealed.len), DB_Z(seal_current_id(keys)))) {
        *ret_cert = cert;
        *ret_key = key;
        return true;
    }
    mem_free(cert);
    mem_free_secret(key, strlen(key));
    return false;
}

static bool open_authority(const struct db_rows *r, const struct seal_keys *keys, struct arena *a,
                           char **ret_cert, char **ret_key, struct error *err)
{
    struct str key, kek = arena_str(a, db_text(r, 0, 2));
    if (!kek.ptr || !seal_open(keys, kek.ptr, "certificate_authority", &singleton, "key",
                               db_bytes(r, 0, 1, a), a, &key, err)) {
        return false;
    }
    *ret_cert = str_dup(db_text(r, 0, 0));
    *ret_key = str_dup(key);
    memset((void *)(uintptr_t)key.ptr, 0, key.len);
    return true;
}

bool authority_get(struct db_pool *p, const struct seal_keys *keys, char **ret_cert_pem,
                   char **ret_key_pem, struct error *err)
{
    char *cert = NULL, *key = NULL;
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct arena *a = arena_new(0);
    bool ok = lock_for(t, "weir certificate authority", err) &&
              tx_exec(t, &r, err, "SELECT certificate, key, key_kek FROM certificate_authority") &&
              (db_count(r) > 0 ? open_authority(r, keys, a, &cert, &key, err)
                               : make_authority(t, keys, a, &cert, &key, err));
    db_rows_free(r);
    arena_free(a);
    if (ok) {
        ok = tx_commit(t, NULL, err);
    } else {
        tx_rollback(t);
    }
    if (!ok) {
        mem_free(cert);
        if (key) {
            mem_free_secret(key, strlen(key));
        }
        return false;
    }
    *ret_cert_pem = cert;
    *ret_key_pem = key;
    return true;
}

static bool make_snapshot_key(struct tx *t, const struct seal_keys *keys, struct arena *a,
                              struct uuid *ret_id, uint8_t *ret_key, struct error *err)
{
    struct uuid id = uuid_v7();
    crypto_random(ret_key, 32);
    struct str sealed =
        seal_close(keys, "snapshot_keys", &id, "key", (struct str){(const char *)ret_key, 32}, a);
    *ret_id = id;
    return (sealed.ptr || error_set(err, ERR_INTERNAL, "cannot seal the snapshot key")) &&
           tx_exec(t, NULL, err, "INSERT INTO snapshot_keys (id, key, key_kek) VALUES ($1, $2, $3)",
                   DB_UUID(&id), DB_BYTES(sealed.ptr, sealed.len), DB_Z(seal_current_id(keys)));
}

static bool open_snapshot_key(const struct db_rows *r, const struct seal_keys *keys,
                              struct arena *a, struct uuid *ret_id, uint8_t *ret_key,
                              struct error *err)
{
    struct uuid id = db_uuid(r, 0, 0);
    struct str key, kek = arena_str(a, db_text(r, 0, 2));
    if (!kek.ptr || !seal_open(keys, kek.ptr, "snapshot_keys", &id, "key", db_bytes(r, 0, 1, a), a,
                               &key, err)) {
        return false;
    }
    bool ok = key.len == 32;
    if (ok) {
        memcpy(ret_key, key.ptr, 32);
        *ret_id = id;
    }
    memset((void *)(uintptr_t)key.ptr, 0, key.len);
    return ok || error_set(err, ERR_INTERNAL, "the snapshot key has a wrong length");
}

bool snapshot_key_get(struct db_pool *p, const struct seal_keys *keys, struct uuid *ret_id,
                      uint8_t ret_key[static 32], struct error *err)
{
    struct db_rows *r = NULL;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, err);
    if (!t) {
        return false;
    }
    struct arena *a = arena_new(0);
    bool ok = lock_for(t, "weir snapshot key", err) &&
              tx_exec(t, &r, err,
                      "SELECT id, key, key_kek FROM snapshot_keys "
                      "ORDER BY created_at DESC, id DESC LIMIT 1") &&
              (db_count(r) > 0 ? open_snapshot_key(r, keys, a, ret_id, ret_key, err)
                               : make_snapshot_key(t, keys, a, ret_id, ret_key, err));
    db_rows_free(r);
    arena_free(a);
    if (ok) {
        return tx_commit(t, NULL, err);
    }
    tx_rollback(t);
    return false;
}

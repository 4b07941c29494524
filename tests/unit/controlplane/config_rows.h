/* Rows of configuration for the tests of snapshot, channel and ingest, written as the service's own
 * code writes them: a change and its log entry in one transaction. */
#ifndef TESTS_UNIT_CONTROLPLANE_CONFIG_ROWS_H
#define TESTS_UNIT_CONTROLPLANE_CONFIG_ROWS_H

#include "common/base/mem.h"
#include "common/crypto.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/changes.h"
#include "pg_fixture.h"

#define ROWS_GROUP "00000000-0000-7000-8000-000000000001"

static inline struct seal_keys *rows_seal_keys(void)
{
    struct error err = ERROR_INIT;
    struct seal_keys *k = seal_keys_parse(
        STR_LIT("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"), &err);
    assert_non_null(k);
    return k;
}

static inline void rows_commit(struct tx *t, uint64_t *ret_version)
{
    struct error err = ERROR_INIT;
    if (!tx_commit(t, ret_version, &err)) {
        fail_msg("commit: %s", error_text(&err));
    }
}

static inline struct tx *rows_begin(struct db_pool *p)
{
    struct error err = ERROR_INIT;
    struct tx *t = tx_begin(p, TX_SYSTEM, NULL, &err);
    if (!t) {
        fail_msg("begin: %s", error_text(&err));
    }
    return t;
}

#define ROWS_EXEC(t, sql, ...)                                    \
    do {                                                          \
        struct error rows_err = ERROR_INIT;                       \
        if (!tx_exec((t), NULL, &rows_err, (sql), __VA_ARGS__)) { \
            fail_msg("%s: %s", (sql), error_text(&rows_err));     \
        }                                                         \
    } while (0)

static inline struct uuid rows_organization(struct db_pool *p, const char *name)
{
    struct uuid id = uuid_v7();
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t, "INSERT INTO organizations (id, name) VALUES ($1, $2)", DB_UUID(&id), DB_Z(name));
    tx_change(t, CONFIG_ORGANIZATION, &id, &id, false);
    rows_commit(t, NULL);
    return id;
}

static inline struct uuid rows_workspace(struct db_pool *p, const struct uuid *org,
                                         const char *name)
{
    struct uuid id = uuid_v7();
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t, "INSERT INTO workspaces (id, organization_id, name) VALUES ($1, $2, $3)",
              DB_UUID(&id), DB_UUID(org), DB_Z(name));
    tx_change(t, CONFIG_WORKSPACE, org, &id, false);
    rows_commit(t, NULL);
    return id;
}

/* Leaves the transaction open, so that a test chooses when it commits. */
static inline struct uuid rows_key_in(struct tx *t, const struct uuid *org, const struct uuid *ws,
                                      const char *name)
{
    struct uuid id = uuid_v7();
    uint8_t hash[32];
    crypto_sha256(id.b, 16, hash);
    ROWS_EXEC(
        t,
        "INSERT INTO virtual_keys (id, organization_id, workspace_id, name, secret_hash, mask) "
        "VALUES ($1, $2, $3, $4, $5, '')",
        DB_UUID(&id), DB_UUID(org), DB_UUID(ws), DB_Z(name), DB_BYTES(hash, 32));
    tx_change(t, CONFIG_KEY, org, &id, false);
    return id;
}

static inline struct uuid rows_key(struct db_pool *p, const struct uuid *org, const struct uuid *ws,
                                   const char *name, uint64_t *ret_version)
{
    struct tx *t = rows_begin(p);
    struct uuid id = rows_key_in(t, org, ws, name);
    rows_commit(t, ret_version);
    return id;
}

static inline void rows_key_revoke(struct db_pool *p, const struct uuid *org,
                                   const struct uuid *key, uint64_t *ret_version)
{
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t, "UPDATE virtual_keys SET revoked_at = now() WHERE id = $1", DB_UUID(key));
    tx_change(t, CONFIG_KEY, org, key, true);
    rows_commit(t, ret_version);
}

static inline struct uuid rows_provider(struct db_pool *p, const struct seal_keys *keys,
                                        const struct uuid *org, const char *name,
                                        const char *secret)
{
    struct uuid id = uuid_v7();
    struct arena *a = arena_new(0);
    struct str sealed = seal_close(keys, "providers", &id, "credential", str_of(secret), a);
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t,
              "INSERT INTO providers (id, organization_id, name, kind, base_url, credential, "
              "credential_kek) VALUES ($1, $2, $3, 'openai', 'http://127.0.0.1:9/v1', $4, $5)",
              DB_UUID(&id), DB_UUID(org), DB_Z(name), DB_BYTES(sealed.ptr, sealed.len),
              DB_Z(seal_current_id(keys)));
    tx_change(t, CONFIG_PROVIDER, org, &id, false);
    rows_commit(t, NULL);
    arena_free(a);
    return id;
}

static inline struct uuid rows_model(struct db_pool *p, const struct uuid *org,
                                     const struct uuid *provider, const char *name)
{
    struct uuid id = uuid_v7();
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t, "INSERT INTO models (id, organization_id, name) VALUES ($1, $2, $3)", DB_UUID(&id),
              DB_UUID(org), DB_Z(name));
    ROWS_EXEC(t,
              "INSERT INTO model_targets (organization_id, model_id, position, provider_id, model, "
              "weight) VALUES ($1, $2, 0, $3, 'first', 3), ($1, $2, 1, $3, 'second', 1)",
              DB_UUID(org), DB_UUID(&id), DB_UUID(provider));
    tx_change(t, CONFIG_MODEL, org, &id, false);
    rows_commit(t, NULL);
    return id;
}

/* A config with two versions: the first holds a secret and is published, the second is labelled. */
static inline struct uuid rows_config(struct db_pool *p, const struct seal_keys *keys,
                                      const struct uuid *org, const char *name, const char *secret)
{
    struct uuid id = uuid_v7();
    struct arena *a = arena_new(0);
    struct str plain = arena_printf(a, "{\"1\":\"%s\"}", secret);
    struct str sealed = seal_close(keys, "configs", &id, "secrets", plain, a);
    struct tx *t = rows_begin(p);
    ROWS_EXEC(t,
              "INSERT INTO configs (id, organization_id, name, published, latest, labels, "
              "secrets_made) VALUES ($1, $2, $3, 1, 2, '{\"production\": 2}', 1)",
              DB_UUID(&id), DB_UUID(org), DB_Z(name));
    ROWS_EXEC(t,
              "INSERT INTO config_documents (organization_id, owner_id, number, document, secrets, "
              "secrets_kek) VALUES ($1, $2, 1, '{ \"api_key\":\"weir-secret:1\"}', $3, $4)",
              DB_UUID(org), DB_UUID(&id), DB_BYTES(sealed.ptr, sealed.len),
              DB_Z(seal_current_id(keys)));
    ROWS_EXEC(t,
              "INSERT INTO config_documents (organization_id, owner_id, number, document) "
              "VALUES ($1, $2, 2, '{\"provider\":\"openai\"}')",
              DB_UUID(org), DB_UUID(&id));
    tx_change(t, CONFIG_ROUTING, org, &id, false);
    rows_commit(t, NULL);
    arena_free(a);
    return id;
}

/* One number of one query, with text parameters left out: for asserting what stands in the
 * database. */
static inline int64_t rows_count(struct db_pool *p, const char *sql)
{
    struct error err = ERROR_INIT;
    struct db_rows *r = NULL;
    struct tx *t = rows_begin(p);
    if (!tx_exec(t, &r, &err, sql)) {
        fail_msg("%s: %s", sql, error_text(&err));
    }
    int64_t n = db_i64(r, 0, 0);
    db_rows_free(r);
    tx_rollback(t);
    return n;
}

#endif

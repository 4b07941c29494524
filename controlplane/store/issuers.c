/* Columns and statements of identity providers. */
#include "controlplane/store/issuers.h"

#define ASK_AGAIN_S 30 /* after an unknown key, at most one fetch in this time */
#define CANDIDATES_MAX 16

static const struct object_column columns[ISSUER_COLUMN_COUNT] = {
    [ISSUER_ID] = {"id", OBJECT_UUID},
    [ISSUER_ORGANIZATION_ID] = {"organization_id", OBJECT_UUID},
    [ISSUER_NAME] = {"name", OBJECT_TEXT},
    [ISSUER_ISSUER] = {"issuer", OBJECT_TEXT},
    [ISSUER_CLIENT_ID] = {"client_id", OBJECT_TEXT},
    [ISSUER_CLIENT_SECRET] = {"client_secret", OBJECT_BYTES},
    [ISSUER_CLIENT_SECRET_KEK] = {"client_secret_kek", OBJECT_TEXT},
    [ISSUER_CLIENT_SECRET_REFERENCE] = {"client_secret_reference", OBJECT_TEXT},
    [ISSUER_SCOPES] = {"scopes", OBJECT_TEXTS},
    [ISSUER_AUDIENCES] = {"audiences", OBJECT_TEXTS},
    [ISSUER_ALGORITHMS] = {"algorithms", OBJECT_TEXTS},
    [ISSUER_LOGIN] = {"login", OBJECT_BOOL},
    [ISSUER_ADMIN_API] = {"admin_api", OBJECT_BOOL},
    [ISSUER_DATA_PLANE] = {"data_plane", OBJECT_BOOL},
    [ISSUER_CLAIMS] = {"claims", OBJECT_JSON},
    [ISSUER_GROUP_RULES] = {"group_rules", OBJECT_JSON},
    [ISSUER_EMAIL_DOMAINS] = {"email_domains", OBJECT_TEXTS},
    [ISSUER_KEY_IDS] = {"key_ids", OBJECT_IDS},
    [ISSUER_DENIED_JTI] = {"denied_jti", OBJECT_TEXTS},
    [ISSUER_LEEWAY_S] = {"leeway_s", OBJECT_I64},
    [ISSUER_DISABLED] = {"disabled", OBJECT_BOOL},
    [ISSUER_JWKS_URI] = {"jwks_uri", OBJECT_TEXT},
    [ISSUER_JWKS_FIXED] = {"jwks_fixed", OBJECT_BOOL},
    [ISSUER_DISCOVERY] = {"discovery", OBJECT_JSON},
    [ISSUER_JWKS] = {"jwks", OBJECT_JSON},
    [ISSUER_FORMER_JWKS] = {"former_jwks", OBJECT_JSON},
    [ISSUER_FETCHED_AT] = {"fetched_at", OBJECT_TIME},
    [ISSUER_NEXT_FETCH_AT] = {"next_fetch_at", OBJECT_TIME},
    [ISSUER_FETCH_ERROR] = {"fetch_error", OBJECT_TEXT},
    [ISSUER_OWNED_BY] = {"owned_by", OBJECT_TEXT},
    [ISSUER_REVISION] = {"revision", OBJECT_I64},
    [ISSUER_CREATED_AT] = {"created_at", OBJECT_TIME},
    [ISSUER_UPDATED_AT] = {"updated_at", OBJECT_TIME},
};

const struct object_table issuers_table = {
    .name = "issuers",
    .columns = columns,
    .n_columns = ISSUER_COLUMN_COUNT,
    .organization = ISSUER_ORGANIZATION_ID,
    .workspace = -1,
    .title = ISSUER_NAME,
    .owned_by = ISSUER_OWNED_BY,
    .revision = ISSUER_REVISION,
    .updated = true,
};

static struct str text_of(const struct object_value *v)
{
    return object_is_set(v) ? v->text : STR_NONE;
}

static void from_row(const struct object *o, struct issuer *ret)
{
    const struct object_value *v = o->v;
    *ret = (struct issuer){
        .id = v[ISSUER_ID].uuid,
        .organization = v[ISSUER_ORGANIZATION_ID].uuid,
        .name = v[ISSUER_NAME].text,
        .issuer = v[ISSUER_ISSUER].text,
        .client_id = v[ISSUER_CLIENT_ID].text,
        .client_secret = text_of(&v[ISSUER_CLIENT_SECRET]),
        .client_secret_kek = text_of(&v[ISSUER_CLIENT_SECRET_KEK]),
        .scopes = v[ISSUER_SCOPES].list,
        .n_scopes = v[ISSUER_SCOPES].n,
        .audiences = v[ISSUER_AUDIENCES].list,
        .n_audiences = v[ISSUER_AUDIENCES].n,
        .algorithms = v[ISSUER_ALGORITHMS].list,
        .n_algorithms = v[ISSUER_ALGORITHMS].n,
        .email_domains = v[ISSUER_EMAIL_DOMAINS].list,
        .n_email_domains = v[ISSUER_EMAIL_DOMAINS].n,
        .denied_jti = v[ISSUER_DENIED_JTI].list,
        .n_denied_jti = v[ISSUER_DENIED_JTI].n,
        .login = v[ISSUER_LOGIN].integer != 0,
        .admin_api = v[ISSUER_ADMIN_API].integer != 0,
        .data_plane = v[ISSUER_DATA_PLANE].integer != 0,
        .disabled = v[ISSUER_DISABLED].integer != 0,
        .jwks_fixed = v[ISSUER_JWKS_FIXED].integer != 0,
        .claims = v[ISSUER_CLAIMS].text,
        .group_rules = v[ISSUER_GROUP_RULES].text,
        .jwks_uri = v[ISSUER_JWKS_URI].text,
        .discovery = text_of(&v[ISSUER_DISCOVERY]),
        .jwks = v[ISSUER_JWKS].text,
        .former_jwks = v[ISSUER_FORMER_JWKS].text,
        .fetch_error = v[ISSUER_FETCH_ERROR].text,
        .leeway_s = v[ISSUER_LEEWAY_S].integer,
        .fetched_at_ms = (uint64_t)v[ISSUER_FETCHED_AT].integer,
        .revision = (uint64_t)v[ISSUER_REVISION].integer,
    };
}

bool issuer_load(struct tx *t, const struct uuid *id, struct arena *a, struct issuer *ret,
                 struct error *err)
{
    struct object_query q = {.limit = 1};
    struct object row;
    object_filter_uuid(&q, ISSUER_ID, id);
    if (!object_find(t, &issuers_table, &q, a, &row, err)) {
        return err->code == ERR_NOT_FOUND ? error_set(err, ERR_NOT_FOUND, "issuer not found")
                                          : false;
    }
    from_row(&row, ret);
    return true;
}

bool issuers_for_admin_api(struct tx *t, struct str iss, struct arena *a, struct issuer **ret,
                           size_t *ret_n, struct error *err)
{
    struct object_query q = {.limit = CANDIDATES_MAX, .where = "admin_api AND NOT disabled"};
    struct object *rows;
    size_t n, used = 0;
    object_filter_text(&q, ISSUER_ISSUER, iss, false);
    if (!object_list(t, &issuers_table, &q, a, &rows, &n, err)) {
        return false;
    }
    struct issuer *list = arena_alloc(a, (n + 1) * sizeof *list);
    if (!list) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n; i++) {
            if (object_is_set(&rows[i].v[ISSUER_ORGANIZATION_ID]) == (pass == 1)) {
                from_row(&rows[i], &list[used++]);
            }
        }
    }
    *ret = list;
    *ret_n = used;
    return true;
}

bool issuers_for_login(struct tx *t, struct str organization, struct str domain, struct arena *a,
                       struct issuer_name **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT i.id, i.organization_id, i.name FROM issuers i "
                 "LEFT JOIN organizations o ON o.id = i.organization_id "
                 "WHERE i.login AND NOT i.disabled AND (o.id IS NULL "
                 "OR lower(o.name) = lower($1::text) "
                 "OR lower($2::text) = ANY(i.email_domains) "
                 "OR (SELECT count(*) FROM (SELECT FROM organizations LIMIT 2) x) = 1) "
                 "ORDER BY lower(i.name), i.id LIMIT 50",
                 DB_STR(organization), DB_STR(domain))) {
        return false;
    }
    size_t n = db_count(rows);
    struct issuer_name *list = arena_alloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i] = (struct issuer_name){.id = db_uuid(rows, i, 0),
                                       .organization = db_uuid(rows, i, 1),
                                       .name = arena_str(a, db_text(rows, i, 2))};
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = n;
    return list || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool issuer_fetch_claim(struct tx *t, const struct uuid *id, bool due, bool *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "UPDATE issuers SET asked_at = clock_timestamp(), "
                 "next_fetch_at = greatest(next_fetch_at, clock_timestamp() + interval '1 minute') "
                 "WHERE id = $1 AND NOT jwks_fixed AND CASE WHEN $2 THEN next_fetch_at <= "
                 "clock_timestamp() ELSE asked_at IS NULL OR asked_at < clock_timestamp() - "
                 "$3::bigint * interval '1 second' END RETURNING id",
                 DB_UUID(id), DB_BOOL(due), DB_I64(ASK_AGAIN_S))) {
        return false;
    }
    *ret = db_count(rows) == 1;
    db_rows_free(rows);
    return true;
}

bool issuers_due(struct tx *t, unsigned limit, struct arena *a, struct uuid **ret, size_t *ret_n,
                 struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id FROM issuers WHERE NOT disabled AND NOT jwks_fixed AND next_fetch_at "
                 "<= now() ORDER BY next_fetch_at LIMIT $1",
                 DB_I64(limit))) {
        return false;
    }
    return object_take_ids(rows, a, ret, ret_n, err);
}

bool issuer_fetch_store(struct tx *t, const struct uuid *id, struct str discovery, struct str jwks,
                        struct str former_jwks, uint64_t next_s, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE issuers SET discovery = coalesce($2::jsonb, discovery), "
                   "jwks = coalesce($3::jsonb, jwks), former_jwks = coalesce($4::jsonb, "
                   "former_jwks), fetched_at = now(), fetch_error = '', "
                   "next_fetch_at = now() + $5::bigint * interval '1 second' WHERE id = $1",
                   DB_UUID(id), DB_STR(discovery), DB_STR(jwks), DB_STR(former_jwks),
                   DB_I64(next_s));
}

bool issuer_fetch_failed(struct tx *t, const struct uuid *id, struct str reason, uint64_t next_s,
                         struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE issuers SET fetch_error = $2, "
                   "next_fetch_at = now() + $3::bigint * interval '1 second' WHERE id = $1",
                   DB_UUID(id), DB_STR(reason), DB_I64(next_s));
}

bool issuer_fetch_soon(struct tx *t, const struct uuid *id, struct error *err)
{
    return tx_exec(t, NULL, err,
                   "UPDATE issuers SET asked_at = NULL, next_fetch_at = now(), discovery = NULL, "
                   "fetch_error = '' WHERE id = $1",
                   DB_UUID(id));
}

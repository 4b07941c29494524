/* Statements about data planes, their enrolment, and the state of the installation. */
#include "controlplane/store/data_planes.h"

bool data_plane_list(struct tx *t, const struct data_plane_query *q, struct arena *a,
                     struct data_plane **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT p.id, p.group_id, p.instance_id, p.name, g.name, p.software_version, "
            "p.refused_reason, "
            "p.state::text, p.features, p.certificate_expires_at, p.revoked_at, p.last_seen_at, "
            "p.created_at, "
            "p.config_version, p.refused_version, p.revision, "
            "greatest(0, extract(epoch FROM now() - p.last_seen_at) * 1000)::bigint "
            "FROM data_planes p JOIN data_plane_groups g ON g.id = p.group_id "
            "WHERE ($1::uuid IS NULL OR p.id = $1::uuid) AND ($2::uuid IS NULL OR p.id > $2::uuid) "
            "AND ($3::uuid IS NULL OR g.serves_all OR EXISTS (SELECT FROM data_plane_group_serves "
            "s "
            "WHERE s.group_id = g.id AND s.organization_id = $3::uuid)) "
            "AND ($4 OR p.revoked_at IS NULL) ORDER BY p.id LIMIT $5",
            q->id ? DB_UUID(q->id) : DB_NULL, q->after ? DB_UUID(q->after) : DB_NULL,
            q->organization ? DB_UUID(q->organization) : DB_NULL, DB_BOOL(q->with_revoked),
            DB_I64(q->limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct data_plane *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        struct data_plane *p = &list[i];
        p->id = db_uuid(rows, i, 0);
        p->group = db_uuid(rows, i, 1);
        p->instance = db_uuid(rows, i, 2);
        p->name = arena_str(a, db_text(rows, i, 3));
        p->group_name = arena_str(a, db_text(rows, i, 4));
        p->software_version = arena_str(a, db_text(rows, i, 5));
        p->refused_reason = db_is_null(rows, i, 6) ? STR_NONE : arena_str(a, db_text(rows, i, 6));
        p->state_json = arena_str(a, db_text(rows, i, 7));
        p->n_features = db_texts(rows, i, 8, a, &p->features);
        p->certificate_expires_ms = db_time_ms(rows, i, 9);
        p->revoked_ms = db_time_ms(rows, i, 10);
        p->last_seen_ms = db_time_ms(rows, i, 11);
        p->created_ms = db_time_ms(rows, i, 12);
        p->config_version = (uint64_t)db_i64(rows, i, 13);
        p->refused_version = (uint64_t)db_i64(rows, i, 14);
        p->revision = (uint64_t)db_i64(rows, i, 15);
        p->silent_ms = (uint64_t)db_i64(rows, i, 16);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool config_version_read(struct tx *t, uint64_t *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err, "SELECT version FROM config_version")) {
        return false;
    }
    *ret = (uint64_t)db_i64(rows, 0, 0);
    db_rows_free(rows);
    return true;
}

bool enrolment_token_list(struct tx *t, const struct uuid *after, unsigned limit, struct arena *a,
                          struct enrolment_token **ret, size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT k.id, k.group_id, g.name, k.created_by, k.used_by, k.created_at, "
                 "k.expires_at, k.used_at "
                 "FROM enrolment_tokens k JOIN data_plane_groups g ON g.id = k.group_id "
                 "WHERE $1::uuid IS NULL OR k.id < $1::uuid ORDER BY k.id DESC LIMIT $2",
                 after ? DB_UUID(after) : DB_NULL, DB_I64(limit))) {
        return false;
    }
    size_t n = db_count(rows);
    struct enrolment_token *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].id = db_uuid(rows, i, 0);
        list[i].group = db_uuid(rows, i, 1);
        list[i].group_name = arena_str(a, db_text(rows, i, 2));
        list[i].created_by = db_uuid(rows, i, 3);
        list[i].used_by = db_uuid(rows, i, 4);
        list[i].created_ms = db_time_ms(rows, i, 5);
        list[i].expires_ms = db_time_ms(rows, i, 6);
        list[i].used_ms = db_time_ms(rows, i, 7);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

bool status_read(struct tx *t, const struct uuid *organization, struct arena *a,
                 struct status_counts *ret, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(
            t, &rows, err,
            "SELECT current_setting('server_version'), "
            "pg_database_size(current_database()), "
            "(SELECT count(*) FROM organizations WHERE $1::uuid IS NULL OR id = $1::uuid), "
            "(SELECT count(*) FROM workspaces WHERE $1::uuid IS NULL OR organization_id = "
            "$1::uuid), "
            "(SELECT count(DISTINCT u.id) FROM users u LEFT JOIN memberships m ON m.user_id = u.id "
            "WHERE $1::uuid IS NULL OR m.organization_id = $1::uuid), "
            "(SELECT count(*) FROM virtual_keys WHERE revoked_at IS NULL AND ($1::uuid IS NULL OR "
            "organization_id = $1::uuid)), "
            "(SELECT count(*) FROM providers WHERE $1::uuid IS NULL OR organization_id = "
            "$1::uuid), "
            "(SELECT count(*) FROM models WHERE $1::uuid IS NULL OR organization_id = $1::uuid), "
            "(SELECT count(*) FROM usage_events WHERE day = (now() AT TIME ZONE 'UTC')::date AND "
            "($1::uuid IS NULL OR organization_id = $1::uuid)), "
            "(SELECT count(*) FROM usage_quarantine WHERE $1::uuid IS NULL)",
            organization ? DB_UUID(organization) : DB_NULL)) {
        return false;
    }
    ret->database_version = arena_str(a, db_text(rows, 0, 0));
    uint64_t *numbers[] = {&ret->size_bytes, &ret->organizations, &ret->workspaces,
                           &ret->users,      &ret->keys,          &ret->providers,
                           &ret->models,     &ret->events_today,  &ret->quarantined};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i] = (uint64_t)db_i64(rows, 0, (int)i + 1);
    }
    db_rows_free(rows);
    return true;
}

bool control_instance_list(struct tx *t, struct arena *a, struct control_instance **ret,
                           size_t *ret_n, struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, &rows, err,
                 "SELECT id, version, started_at, last_seen_at FROM control_instances "
                 "WHERE last_seen_at > now() - interval '30 seconds' ORDER BY id")) {
        return false;
    }
    size_t n = db_count(rows);
    struct control_instance *list = arena_zalloc(a, (n + 1) * sizeof *list);
    for (size_t i = 0; list && i < n; i++) {
        list[i].id = db_uuid(rows, i, 0);
        list[i].version = arena_str(a, db_text(rows, i, 1));
        list[i].started_ms = db_time_ms(rows, i, 2);
        list[i].last_seen_ms = db_time_ms(rows, i, 3);
    }
    db_rows_free(rows);
    *ret = list;
    *ret_n = list ? n : 0;
    return list != NULL || error_set(err, ERR_OVERLOADED, "%s", "");
}

/* How the installation is, on one page: versions, data planes, database, counts. */
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/data_planes.h"
#include "controlplane/store/migrate.h"

#define PLANES_MAX 200

static void show_counts(struct json_writer *w, const struct status_counts *s, bool platform)
{
    json_name(w, "counts");
    json_object_begin(w);
    json_field_u64(w, "organizations", s->organizations);
    json_field_u64(w, "workspaces", s->workspaces);
    json_field_u64(w, "users", s->users);
    json_field_u64(w, "keys", s->keys);
    json_field_u64(w, "providers", s->providers);
    json_field_u64(w, "models", s->models);
    json_field_u64(w, "events_today", s->events_today);
    if (platform) {
        json_field_u64(w, "events_quarantined", s->quarantined);
    }
    json_object_end(w);
}

static bool show_instances(struct call *c, struct error *err)
{
    struct control_instance *list;
    size_t n;
    if (!control_instance_list(c->tx, c->arena, &list, &n, err)) {
        return false;
    }
    json_name(&c->json, "control_planes");
    json_array_begin(&c->json);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&c->json);
        reply_put_id(&c->json, "id", "ins", &list[i].id);
        json_field_str(&c->json, "version", list[i].version);
        reply_put_time(&c->json, "started_at", list[i].started_ms);
        reply_put_time(&c->json, "last_seen_at", list[i].last_seen_ms);
        json_object_end(&c->json);
    }
    json_array_end(&c->json);
    return true;
}

bool status_call(struct call *c, struct error *err)
{
    const struct uuid *organization = c->actor.platform ? NULL : &c->organization;
    struct data_plane_query q = {.organization = organization, .limit = PLANES_MAX};
    struct data_plane *planes;
    struct status_counts counts;
    size_t n;
    uint64_t version;
    if (!config_version_read(c->tx, &version, err) ||
        !data_plane_list(c->tx, &q, c->arena, &planes, &n, err) ||
        !status_read(c->tx, organization, c->arena, &counts, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_field_z(&c->json, "version", WEIR_VERSION);
    json_field_u64(&c->json, "schema_version", migrate_known());
    json_field_u64(&c->json, "config_version", version);
    json_name(&c->json, "database");
    json_object_begin(&c->json);
    json_field_z(&c->json, "state", "ok");
    json_field_str(&c->json, "version", counts.database_version);
    if (c->actor.platform) {
        json_field_u64(&c->json, "size_bytes", counts.size_bytes);
    }
    json_object_end(&c->json);
    json_name(&c->json, "data_planes");
    json_array_begin(&c->json);
    for (size_t i = 0; i < n; i++) {
        data_plane_show(&c->json, &planes[i], version, c->actor.platform);
    }
    json_array_end(&c->json);
    if (!show_instances(c, err)) {
        return false;
    }
    show_counts(&c->json, &counts, c->actor.platform);
    json_object_end(&c->json);
    return true;
}

/* Data planes, enrolment tokens. What a plane is (connected, lagging, gone) follows from when it
 * was last heard of and which configuration it holds. */
#include "controlplane/store/data_planes.h"

#include "controlplane/api/resources.h"
#include "controlplane/channel/channel.h"
#include "controlplane/http/page.h"
#include "controlplane/http/reply.h"
#include "controlplane/store/data_plane_groups.h"

#define GONE_MS 10000u /* a sync request is parked for two seconds at most */

static const char *state_of(const struct data_plane *p, uint64_t version)
{
    if (p->revoked_ms) {
        return "revoked";
    }
    if (!p->last_seen_ms || p->silent_ms > GONE_MS) {
        return "gone";
    }
    return p->config_version < version ? "lagging" : "connected";
}

void data_plane_show(struct json_writer *w, const struct data_plane *p, uint64_t version,
                     bool platform)
{
    json_object_begin(w);
    reply_put_id(w, "id", "dp", &p->id);
    json_field_str(w, "name", p->name);
    reply_put_id(w, "group_id", "grp", &p->group);
    json_field_str(w, "group", p->group_name);
    json_field_z(w, "state", state_of(p, version));
    json_field_str(w, "software_version", p->software_version);
    json_name(w, "features");
    json_array_begin(w);
    for (size_t i = 0; i < p->n_features; i++) {
        json_put_str(w, p->features[i]);
    }
    json_array_end(w);
    json_field_u64(w, "config_version", p->config_version);
    json_field_u64(w, "current_version", version);
    json_field_u64(w, "behind", version > p->config_version ? version - p->config_version : 0);
    json_name(w, "refused_version");
    if (p->refused_version) {
        json_put_u64(w, p->refused_version);
    } else {
        json_put_null(w);
    }
    json_field_str(w, "refused_reason",
                   p->refused_version && platform ? p->refused_reason : STR_NONE);
    json_name(w, "reported");
    json_put_raw(w, platform ? p->state_json : STR_LIT("{}"));
    reply_put_id(w, "instance_id", "ins", &p->instance);
    reply_put_time(w, "last_seen_at", p->last_seen_ms);
    reply_put_time(w, "certificate_expires_at", p->certificate_expires_ms);
    reply_put_time(w, "revoked_at", p->revoked_ms);
    reply_put_time(w, "created_at", p->created_ms);
    json_field_u64(w, "revision", p->revision);
    json_object_end(w);
}

/* The organization whose planes the actor may see: NULL for all. */
static const struct uuid *visible(const struct call *c)
{
    return c->actor.platform ? NULL : &c->organization;
}

bool data_plane_list_call(struct call *c, struct error *err)
{
    struct page page;
    struct data_plane *list;
    size_t n;
    uint64_t version;
    if (!page_read(c->request, &page, err)) {
        return false;
    }
    struct data_plane_query q = {.organization = visible(c),
                                 .after = page.has_after ? &page.after : NULL,
                                 .limit = page.limit + 1,
                                 .with_revoked =
                                     str_eqz(http_query(c->request, "revoked"), "true")};
    if (!config_version_read(c->tx, &version, err) ||
        !data_plane_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        data_plane_show(&c->json, &list[i], version, c->actor.platform);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].id : NULL);
    return true;
}

static bool find(struct call *c, struct data_plane *ret, struct error *err)
{
    struct data_plane_query q = {
        .id = &c->id, .organization = visible(c), .limit = 1, .with_revoked = true};
    struct data_plane *list;
    size_t n;
    if (!data_plane_list(c->tx, &q, c->arena, &list, &n, err)) {
        return false;
    }
    if (n == 0) {
        return error_set(err, ERR_NOT_FOUND, "data plane not found");
    }
    *ret = list[0];
    return true;
}

static bool show_found(struct call *c, struct error *err)
{
    struct data_plane p;
    uint64_t version;
    if (!config_version_read(c->tx, &version, err) || !find(c, &p, err)) {
        return false;
    }
    c->revision = p.revision;
    data_plane_show(&c->json, &p, version, c->actor.platform);
    return true;
}

bool data_plane_get_call(struct call *c, struct error *err)
{
    return show_found(c, err);
}

bool data_plane_revoke_call(struct call *c, struct error *err)
{
    struct data_plane p;
    if (!find(c, &p, err)) {
        return false;
    }
    return (p.revoked_ms || (channel_revoke_in(c->tx, &c->id, err) &&
                             tx_audit(c->tx, "data_plane.revoke", "data_plane", NULL, &c->id,
                                      p.name.ptr, NULL, NULL, err))) &&
           show_found(c, err);
}

bool enrolment_list_call(struct call *c, struct error *err)
{
    struct page page;
    struct enrolment_token *list;
    size_t n;
    if (!page_read(c->request, &page, err) ||
        !enrolment_token_list(c->tx, page.has_after ? &page.after : NULL, page.limit + 1, c->arena,
                              &list, &n, err)) {
        return false;
    }
    bool more = page_begin(&c->json, &page, &n);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&c->json);
        reply_put_id(&c->json, "id", "enr", &list[i].id);
        reply_put_id(&c->json, "group_id", "grp", &list[i].group);
        json_field_str(&c->json, "group", list[i].group_name);
        reply_put_id(&c->json, "created_by", "usr", &list[i].created_by);
        reply_put_time(&c->json, "created_at", list[i].created_ms);
        reply_put_time(&c->json, "expires_at", list[i].expires_ms);
        reply_put_time(&c->json, "used_at", list[i].used_ms);
        reply_put_id(&c->json, "used_by", "dp", &list[i].used_by);
        json_object_end(&c->json);
    }
    page_end(&c->json, more, n > 0 ? &list[n - 1].id : NULL);
    return true;
}

static bool read_group(struct call *c, struct object *ret, struct error *err)
{
    static const char *const names[] = {"group", "group_id", NULL};
    struct object_query q = {.limit = 1};
    struct str text = STR_LIT("default");
    struct uuid id;
    if (c->body.type == BODY_OBJECT) {
        const struct body_value *by_id = body_get(&c->body, "group_id"),
                                *by_name = body_get(&c->body, "group");
        if (!body_known(&c->body, names, NULL, err)) {
            return false;
        }
        if (by_id && by_name) {
            return body_refuse(err, NULL, "group", "must not be given beside group_id");
        }
        if ((by_id || by_name) && !body_text(by_id ? by_id : by_name, 1, 100, NULL,
                                             by_id ? "group_id" : "group", &text, err)) {
            return false;
        }
    }
    if (uuid_parse_public("grp", text, &id)) {
        object_filter_uuid(&q, GROUP_ID, &id);
    } else {
        object_filter_text(&q, GROUP_NAME, text, true);
    }
    if (!object_find(c->tx, &data_plane_groups_table, &q, c->arena, ret, err)) {
        return err->code == ERR_NOT_FOUND ? body_refuse(err, NULL, "group", "does not exist")
                                          : false;
    }
    return true;
}

bool enrolment_create_call(struct call *c, struct error *err)
{
    static const struct uuid nobody;
    const struct api_context *api = c->context;
    struct object group;
    char token[96];
    if (!read_group(c, &group, err)) {
        return false;
    }
    if (!api->channel) {
        return error_set(err, ERR_NOT_READY, "the channel is not running");
    }
    const struct uuid *id = &group.v[GROUP_ID].uuid;
    if (!channel_enrolment_token_in(api->channel, c->tx, id,
                                    c->actor.token ? &nobody : &c->actor.id, token, err) ||
        !tx_audit(c->tx, "enrolment_token.create", "data_plane_group", NULL, id,
                  group.v[GROUP_NAME].text.ptr, NULL, NULL, err)) {
        return false;
    }
    c->status = 201;
    json_object_begin(&c->json);
    json_field_z(&c->json, "token", token);
    reply_put_id(&c->json, "group_id", "grp", id);
    json_field_str(&c->json, "group", group.v[GROUP_NAME].text);
    json_field_u64(&c->json, "expires_in_s", 3600);
    json_object_end(&c->json);
    explicit_bzero(token, sizeof token);
    return true;
}

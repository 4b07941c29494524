/* How the targets are, as each data plane sees them. A plane is asked for those of the
 * organization, and what it says is held to the providers that the actor may read. */
#include "controlplane/api/planes.h"

#include "common/base/map.h"
#include "controlplane/store/providers.h"

#define TIMEOUT_MS 5000u

struct visible {
    struct map *ids; /* public ids of the providers */
};

static bool read_providers(struct call *c, void *arg, struct error *err)
{
    struct visible *v = arg;
    struct object_query q;
    struct object *rows;
    size_t n;
    if (!resource_query(c, &provider_resource, &q, err) ||
        !object_list(c->tx, &providers_table, &q, c->arena, &rows, &n, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        char *text = arena_alloc(c->arena, 64);
        if (!text) {
            return error_set(err, ERR_OVERLOADED, "%s", "");
        }
        uuid_format_public("prov", &rows[i].v[PROVIDER_ID].uuid, text, 64);
        (void)map_put(v->ids, str_of(text), &rows[i]);
    }
    return true;
}

static bool is_visible(const struct visible *v, struct json_value target)
{
    struct json_member m = {.name = STR_LIT("provider_id")};
    return json_members(target, &m, 1, NULL) && m.found && m.value.type == JSON_STRING &&
           !m.value.escaped && map_get(v->ids, json_text(m.value)) != NULL;
}

static void put_targets(struct json_writer *w, const struct visible *v, struct str answer)
{
    struct json_value object, item;
    struct json_member m[] = {{.name = STR_LIT("targets")}, {.name = STR_LIT("truncated")}};
    size_t pos = 0;
    bool fine = json_validate(answer, 0, &object, NULL) && object.type == JSON_OBJECT &&
                json_members(object, m, 2, NULL);
    json_name(w, "targets");
    json_array_begin(w);
    while (fine && m[0].found && json_next(m[0].value, &pos, NULL, &item)) {
        if (item.type == JSON_OBJECT && is_visible(v, item)) {
            json_put_raw(w, item.raw);
        }
    }
    json_array_end(w);
    json_field_bool(w, "truncated", fine && m[1].found && m[1].value.type == JSON_TRUE);
}

static void put_plane(struct json_writer *w, const struct visible *v, const struct data_plane *p,
                      const struct channel_answer *a)
{
    json_object_begin(w);
    planes_put(w, p);
    put_targets(w, v, a->ok ? a->json : STR_LIT("{}"));
    json_field_str(w, "error", a->ok ? STR_NONE : str_of(error_text(&a->error)));
    json_object_end(w);
}

static bool answer(struct call *c, const struct visible *v, struct error *err)
{
    struct planes_found f = {.only = NULL};
    struct channel_answer *answers;
    struct str body = {(const char *)c->organization.b, sizeof c->organization.b};
    if (!planes_find(c, &f, err) ||
        !planes_ask(c, &f, PLANES_TARGETS, body, TIMEOUT_MS, &answers, err)) {
        return false;
    }
    json_object_begin(&c->json);
    json_name(&c->json, "data_planes");
    json_array_begin(&c->json);
    for (size_t i = 0; i < f.n; i++) {
        put_plane(&c->json, v, &f.list[i], &answers[i]);
    }
    json_array_end(&c->json);
    json_object_end(&c->json);
    return true;
}

bool targets_call(struct call *c, struct error *err)
{
    struct visible v;
    if (!planes_enter(c, err)) {
        return false;
    }
    v.ids = map_new();
    bool ok = planes_in_tx(c, TX_TENANT, read_providers, &v, err) && answer(c, &v, err);
    map_free(v.ids);
    planes_leave(c);
    return ok;
}

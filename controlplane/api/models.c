/* Model aliases: a name and its ordered targets, each a provider (by name or id) and the name it
 * knows the model by; or a routing config in their place. */
#include "controlplane/store/models.h"

#include "common/rules/provider.h"
#include "controlplane/api/config_reference.h"
#include "controlplane/api/crud.h"
#include "controlplane/api/resources.h"
#include "controlplane/http/reply.h"
#include "controlplane/rules/validate.h"
#include "controlplane/store/changes.h"
#include "controlplane/store/providers.h"

#define TARGETS_MAX 50
#define WEIGHT_MAX 1000000

static const char *check_alias(struct str s)
{
    const char *star = memchr(s.ptr, '*', s.len);
    return star && star != s.ptr + s.len - 1 ? "may have a '*' only at its end"
                                             : validate_model_name(s);
}

static const struct field fields[] = {
    FIELD_ORGANIZATION(MODEL),
    FIELD_WORKSPACE(MODEL),
    FIELD_NAME(MODEL, 200, check_alias),
    {.name = "config",
     .kind = FIELD_TEXT,
     .column = MODEL_CONFIG,
     .flags = FIELD_WRITE | FIELD_NULL,
     .min = 1,
     .max = CONFIG_REFERENCE_MAX,
     .check = config_reference_form},
    {.name = "settings",
     .kind = FIELD_OBJECT,
     .column = MODEL_SETTINGS,
     .flags = FIELD_WRITE,
     .max = 16384},
    FIELD_OWNED_BY(MODEL),
    FIELD_ROW_TIMES(MODEL),
};

static const char *const extras[] = {"workspace_id", "workspace", "targets", NULL};

struct targets {
    struct model_target *list;
    size_t n;
};

static bool resolve_provider(struct change *ch, const struct body_value *v,
                             const struct body_path *at, const struct uuid *workspace,
                             struct model_target *ret, struct error *err)
{
    const struct body_value *by_id = body_get(v, "provider_id"), *by_name = body_get(v, "provider");
    const char *name = by_id ? "provider_id" : "provider";
    struct call *c = ch->call;
    struct str text;
    if (!by_id == !by_name) {
        return body_refuse(err, at, "provider",
                           by_id ? "must not be given beside provider_id" : "is required");
    }
    if (!body_text(by_id ? by_id : by_name, 1, 100, at, name, &text, err)) {
        return false;
    }
    bool ok;
    if (uuid_parse_public("prov", text, &ret->provider)) {
        ok = provider_usable(c->tx, &c->organization, workspace, &ret->provider, err);
    } else if (by_id) {
        return body_refuse(err, at, name, "must be an id (prov_...)");
    } else {
        ok = provider_by_name(c->tx, &c->organization, workspace, text, &ret->provider, err);
    }
    if (!ok && err->code == ERR_NOT_FOUND) {
        return body_refuse(err, at, name, "names no provider: \"%.*s\"", STR_ARG(text));
    }
    return ok;
}

static bool decode_target(struct change *ch, const struct body_value *v, const struct body_path *at,
                          const struct uuid *workspace, struct model_target *ret, struct error *err)
{
    static const char *const names[] = {"provider", "provider_id", "model",
                                        "weight",   "endpoint",    NULL};
    const struct body_value *model, *weight, *endpoint;
    const char *wrong;
    ret->weight = 1;
    ret->endpoint = STR_LIT("");
    if (v->type != BODY_OBJECT) {
        return body_refuse(err, at, NULL, "must be an object");
    }
    if (!body_known(v, names, at, err) || !resolve_provider(ch, v, at, workspace, ret, err)) {
        return false;
    }
    model = body_get(v, "model");
    weight = body_get(v, "weight");
    if (!model) {
        return body_refuse(err, at, "model", "is required");
    }
    if (!body_text(model, 1, 200, at, "model", &ret->name, err)) {
        return false;
    }
    if ((wrong = validate_pattern(ret->name)) != NULL) {
        return body_refuse(err, at, "model", "%s", wrong);
    }
    endpoint = body_get(v, "endpoint");
    if (endpoint && endpoint->type != BODY_NULL) {
        if (!body_text(endpoint, 0, 40, at, "endpoint", &ret->endpoint, err)) {
            return false;
        }
        if (ret->endpoint.len && provider_api_named(ret->endpoint) == API_NONE) {
            return body_refuse(err, at, "endpoint", "is not one that is known: \"%.*s\"",
                               STR_ARG(ret->endpoint));
        }
    }
    return !weight || body_integer(weight, 0, WEIGHT_MAX, at, "weight", &ret->weight, err);
}

/* A `*` at the end of a name stands for the rest of what a client asks for; a target's model may
 * repeat it. */
static bool check_wildcards(struct change *ch, const struct targets *t, struct error *err)
{
    const struct object_value *now = &ch->now.v[MODEL_NAME];
    struct str name = object_is_set(now) ? now->text : ch->before.v[MODEL_NAME].text;
    struct body_path here = {ch->at, "targets", 0};
    for (size_t i = 0; !memchr(name.ptr, '*', name.len) && i < t->n; i++) {
        struct body_path item = {&here, NULL, i};
        if (memchr(t->list[i].name.ptr, '*', t->list[i].name.len)) {
            return body_refuse(err, &item, "model",
                               "may hold a '*' only where the name of the model has one");
        }
    }
    return true;
}

/* Will the model have a config to go by? */
static bool has_config(const struct change *ch)
{
    const struct object_value *now = &ch->now.v[MODEL_CONFIG];
    return now->state == OBJECT_UNSET ? !ch->creating && object_is_set(&ch->before.v[MODEL_CONFIG])
                                      : object_is_set(now);
}

/* A body that takes the config away and says nothing of targets: are there any? */
static bool keeps_targets(struct change *ch, struct error *err)
{
    struct model_target *list;
    size_t n;
    if (has_config(ch)) {
        return true;
    }
    if (!model_targets(ch->call->tx, &ch->before.v[MODEL_ID].uuid, 1, ch->call->arena, &list, &n,
                       err)) {
        return false;
    }
    return n > 0 || body_refuse(err, ch->at, "targets", "is required where there is no config");
}

static bool decode_targets(struct change *ch, const struct body_value *v,
                           const struct uuid *workspace, struct error *err)
{
    struct body_path here = {ch->at, "targets", 0};
    struct targets *t = arena_zalloc(ch->call->arena, sizeof *t);
    if (!body_array(v, TARGETS_MAX, ch->at, "targets", err)) {
        return false;
    }
    if (v->n == 0 && !has_config(ch)) {
        return body_refuse(err, ch->at, "targets",
                           "must hold at least one target, where there is no config");
    }
    if (!t || !(t->list = arena_zalloc(ch->call->arena, (v->n + 1) * sizeof *t->list))) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    t->n = v->n;
    int64_t weights = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct body_path item = {&here, NULL, i};
        if (!decode_target(ch, &v->items[i], &item, workspace, &t->list[i], err)) {
            return false;
        }
        weights += t->list[i].weight;
    }
    ch->extra = t;
    if (!check_wildcards(ch, t, err)) {
        return false;
    }
    return weights > 0 || v->n == 0 ||
           body_refuse(err, ch->at, "targets", "must hold a weight above 0");
}

static bool prepare(struct change *ch, struct error *err)
{
    static const struct body_value none = {.type = BODY_ARRAY};
    const struct body_value *v = body_get(ch->body, "targets");
    bool whole = ch->creating || ch->whole;
    if (!resource_place(ch, MODEL_WORKSPACE_ID, false, err)) {
        return false;
    }
    struct uuid workspace =
        resource_workspace(&model_resource, ch->creating ? &ch->now : &ch->before);
    if (!config_reference_check(ch, MODEL_CONFIG, &workspace, err)) {
        return false;
    }
    if (!v && !whole) {
        return keeps_targets(ch, err);
    }
    if (!v && !has_config(ch)) {
        return body_refuse(err, ch->at, "targets", "is required where there is no config");
    }
    return decode_targets(ch, v ? v : &none, &workspace, err);
}

static bool differs(struct change *ch)
{
    const struct targets *now = ch->extra;
    struct model_target *before;
    size_t n;
    struct error ignored = ERROR_INIT;
    if (!now) {
        return false;
    }
    if (!model_targets(ch->call->tx, &ch->before.v[MODEL_ID].uuid, 1, ch->call->arena, &before, &n,
                       &ignored) ||
        n != now->n) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (!uuid_eq(&before[i].provider, &now->list[i].provider) ||
            !str_eq(before[i].name, now->list[i].name) || before[i].weight != now->list[i].weight ||
            !str_eq(before[i].endpoint, now->list[i].endpoint)) {
            return true;
        }
    }
    return false;
}

static bool stored(struct change *ch, struct error *err)
{
    const struct targets *t = ch->extra;
    return !t || model_set_targets(ch->call->tx, &ch->call->organization, &ch->now.v[MODEL_ID].uuid,
                                   t->list, t->n, err);
}

static bool load(struct call *c, const struct object *rows, size_t n, void **ret, struct error *err)
{
    struct targets *t = arena_zalloc(c->arena, sizeof *t);
    struct uuid *ids = object_ids(rows, n, MODEL_ID, c->arena);
    if (!t || !ids) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = t;
    return model_targets(c->tx, ids, n, c->arena, &t->list, &t->n, err);
}

static void show(struct call *c, struct json_writer *w, const struct object *row, void *loaded)
{
    const struct targets *t = loaded;
    (void)c;
    json_name(w, "targets");
    json_array_begin(w);
    for (size_t i = 0; i < t->n; i++) {
        if (uuid_eq(&t->list[i].model, &row->v[MODEL_ID].uuid)) {
            json_object_begin(w);
            json_field_str(w, "provider", t->list[i].provider_name);
            reply_put_id(w, "provider_id", "prov", &t->list[i].provider);
            json_field_str(w, "model", t->list[i].name);
            json_field_i64(w, "weight", t->list[i].weight);
            if (t->list[i].endpoint.len) {
                json_field_str(w, "endpoint", t->list[i].endpoint);
            }
            json_object_end(w);
        }
    }
    json_array_end(w);
}

const struct resource model_resource = {
    .kind = "model",
    .prefix = "mdl",
    .table = &models_table,
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .extras = extras,
    .read = PERMISSION_MODEL_READ,
    .change_kind = CONFIG_MODEL,
    .shared = true,
    .prepare = prepare,
    .differs = differs,
    .stored = stored,
    .load = load,
    .show = show,
};

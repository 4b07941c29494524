/* LiteLLM's config.yaml: model_list is gathered into groups of one model_name, each a model of
 * Weir; what the router does with them becomes a routing config per group. */
#include "cli/import_litellm.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/base/map.h"
#include "common/rules/model_name.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define BODY_ROOM (256u << 10)

/* litellm_params that some other function reads. */
static const char *const read_elsewhere =
    "model custom_llm_provider api_base base_url api_key api_version organization region_name "
    "aws_region_name aws_access_key_id aws_secret_access_key aws_session_token "
    "aws_bedrock_runtime_endpoint vertex_project vertex_ai_project vertex_location "
    "vertex_ai_location vertex_credentials vertex_ai_credentials tenant_id client_id client_secret "
    "azure_ad_token litellm_credential_name weight rpm tpm order timeout stream_timeout "
    "max_retries cooldown_time tags drop_params";

/* Members of bodies: a client's own value wins, as with LiteLLM. */
static const char *const body_members =
    "temperature max_tokens max_completion_tokens top_p top_k n stop seed presence_penalty "
    "frequency_penalty logit_bias logprobs top_logprobs user response_format reasoning_effort "
    "parallel_tool_calls tool_choice tools service_tier thinking modalities dimensions "
    "encoding_format verbosity store metadata";

const struct yaml_node *litellm_setting(const struct litellm *l, const char *name,
                                        const char **ret_path)
{
    static const char *const sections[] = {"router_settings", "litellm_settings"};
    for (size_t i = 0; i < 2; i++) {
        const struct yaml_node *map = json_tree_map(l->root, sections[i]);
        const struct yaml_node *n = map ? yaml_get(map, name) : NULL;
        if (n && !yaml_is_null(n)) {
            struct str path = arena_printf(l->im->arena, "%s.%s", sections[i], name);
            *ret_path = path.ptr ? path.ptr : name;
            return n;
        }
    }
    return NULL;
}

struct litellm_group *litellm_group_named(const struct litellm *l, const char *name)
{
    for (size_t i = 0; i < l->n_groups; i++) {
        if (strcmp(l->groups[i].name, name) == 0) {
            return &l->groups[i];
        }
    }
    return NULL;
}

static bool in_words(struct str name, const char *words)
{
    const char *p = words;
    while ((p = strstr(p, name.ptr)) != NULL) {
        bool begins = p == words || p[-1] == ' ', ends = p[name.len] == ' ' || p[name.len] == '\0';
        if (begins && ends) {
            return true;
        }
        p += name.len;
    }
    return false;
}

/* temperature and the like, as one object. */
static void take_defaults(struct litellm *l, struct litellm_target *t)
{
    struct json_writer w;
    struct buffer b;
    size_t n = 0;
    buffer_init(&b, BODY_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    for (size_t i = 0; i < t->params->n; i++) {
        struct str name = t->params->names[i]->text;
        if (name.len && in_words(name, body_members)) {
            json_name(&w, name.ptr);
            manifest_put_json(t->params->items[i], &w);
            n++;
        } else if (name.len && !in_words(name, read_elsewhere)) {
            struct str path =
                arena_printf(l->im->arena, "%s.litellm_params.%.*s", t->path, STR_ARG(name));
            import_note(l->im, IMPORT_NOT_MAPPED, path.ptr ? path.ptr : t->path,
                        strstr(name.ptr, "cost") ? "prices are the catalogue's, and its overrides'"
                                                 : "Weir has nothing that this maps to");
        }
    }
    json_object_end(&w);
    if (n && !b.failed) {
        t->defaults_json = arena_str(l->im->arena, buffer_str(&b));
    }
    buffer_release(&b);
}

static uint64_t seconds_ms(const struct yaml_node *map, const char *name)
{
    int64_t ms;
    return json_tree_milli(map, name, &ms) && ms > 0 ? (uint64_t)ms : 0;
}

static void note_param(struct litellm *l, const struct litellm_target *t, const char *name,
                       enum import_status status, const char *reason)
{
    if (yaml_get(t->params, name)) {
        struct str path = arena_printf(l->im->arena, "%s.litellm_params.%s", t->path, name);
        import_note(l->im, status, path.ptr ? path.ptr : t->path, "%s", reason);
    }
}

static void take_numbers(struct litellm *l, struct litellm_target *t)
{
    static const char *const limit = "limits per minute belong to keys and quotas; here it is a "
                                     "weight only, where the strategy goes by weight";
    int64_t v;
    t->weight_milli = -1;
    t->retries = json_tree_milli(t->params, "max_retries", &v) && v >= 0 ? v / 1000 : -1;
    t->has_order = json_tree_milli(t->params, "order", &v) && v >= 0;
    t->order = t->has_order ? v / 1000 : 0;
    t->timeout_ms = seconds_ms(t->params, "timeout");
    t->cooldown_ms = seconds_ms(t->params, "cooldown_time");
    if (seconds_ms(t->params, "stream_timeout")) {
        note_param(l, t, "stream_timeout", IMPORT_APPROXIMATE,
                   t->timeout_ms ? "request_timeout covers streams too: the smaller one is taken"
                                 : "taken as request_timeout, for all requests");
        uint64_t ms = seconds_ms(t->params, "stream_timeout");
        t->timeout_ms = !t->timeout_ms || ms < t->timeout_ms ? ms : t->timeout_ms;
    }
    note_param(l, t, "rpm", IMPORT_APPROXIMATE, limit);
    note_param(l, t, "tpm", IMPORT_APPROXIMATE, limit);
    note_param(l, t, "drop_params", IMPORT_APPROXIMATE,
               "parameters that a provider does not take are always left out, and named in "
               "x-weir-dropped-params");
    if (!l->by_tags) {
        note_param(l, t, "tags", IMPORT_NOT_MAPPED,
                   "tags of deployments matter with enable_tag_filtering only");
    }
}

/* LiteLLM weighs a group by the first of these that its deployments have. */
static void weigh(const struct litellm *l, struct litellm_group *g)
{
    static const char *const fields[] = {"weight", "rpm", "tpm"};
    (void)l;
    for (size_t f = 0; f < 3; f++) {
        bool any = false;
        for (size_t i = 0; i < g->n; i++) {
            int64_t v = 0;
            bool has = json_tree_milli(g->targets[i].params, fields[f], &v) && v > 0;
            g->targets[i].weight_milli = has ? v : 0;
            any = any || has;
        }
        if (any) {
            return;
        }
    }
    for (size_t i = 0; i < g->n; i++) {
        g->targets[i].weight_milli = 1000;
    }
}

static struct litellm_group *group_for(struct litellm *l, const char *name, size_t room)
{
    struct litellm_group *g = litellm_group_named(l, name);
    if (!g) {
        g = &l->groups[l->n_groups++];
        *g = (struct litellm_group){.name = name,
                                    .targets =
                                        arena_zalloc(l->im->arena, (room + 1) * sizeof *g->targets),
                                    .wildcard = strchr(name, '*') != NULL};
        l->im->failed = l->im->failed || !g->targets;
    }
    return g;
}

static void note_info(struct litellm *l, const struct yaml_node *entry, const char *path)
{
    struct str at = arena_printf(l->im->arena, "%s.model_info", path);
    import_note_rest(l->im, json_tree_map(entry, "model_info"), at.ptr ? at.ptr : path, "id mode");
    import_note_rest(l->im, entry, path, "model_name litellm_params model_info");
}

static void read_entry(struct litellm *l, const struct yaml_node *list, size_t i)
{
    const struct yaml_node *entry = list->items[i],
                           *params = json_tree_map(entry, "litellm_params");
    struct str path = arena_printf(l->im->arena, "model_list[%zu]", i);
    const char *name = json_tree_text(entry, "model_name");
    const char *star = strchr(name, '*');
    struct litellm_target t = {.path = path.ptr ? path.ptr : "model_list", .params = params};
    if (!params || !model_name_valid(str_of(name)) || (star && star[1])) {
        import_note(l->im, IMPORT_NOT_MAPPED, t.path,
                    !params ? "it has no litellm_params"
                            : "a model's name is printable ASCII without blanks, with a '*' at its "
                              "end at most");
        return;
    }
    note_info(l, entry, t.path);
    if (!litellm_provider(l, &t)) {
        return;
    }
    bool inner_star = strchr(t.model, '*') != NULL;
    if (inner_star && !star) {
        import_note(l->im, IMPORT_NOT_MAPPED, t.path, "the model has a '*' and the name has none");
        return;
    }
    take_numbers(l, &t);
    take_defaults(l, &t);
    struct litellm_group *g = group_for(l, name, list->n);
    if (!l->im->failed) {
        g->targets[g->n++] = t;
    }
}

/* {"alias": "group"} or {"alias": {"model": "group", "hidden": true}}. */
static void put_aliases(struct litellm *l)
{
    const char *path;
    const struct yaml_node *map = litellm_setting(l, "model_group_alias", &path);
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        const char *alias = map->names[i]->text.ptr;
        const struct yaml_node *n = map->items[i];
        const char *to = n->kind == YAML_SCALAR ? n->text.ptr : json_tree_text(n, "model");
        struct litellm_group *g = litellm_group_named(l, to ? to : "");
        struct str at = arena_printf(l->im->arena, "%s.%s", path, alias);
        const char *where = at.ptr ? at.ptr : path;
        if (!g || g->n == 0) {
            import_note(l->im, IMPORT_NOT_MAPPED, where, "no model is named \"%.100s\"", to);
            continue;
        }
        if (n->kind == YAML_MAP && strcmp(json_tree_text(n, "hidden"), "true") == 0) {
            import_note(l->im, IMPORT_APPROXIMATE, where, "hidden models are shown in lists");
        }
        if (g->config) {
            import_add_routed_model(l->im, alias, g->config);
        } else {
            struct litellm_group copy = *g;
            copy.name = alias;
            copy.wildcard = strchr(alias, '*') != NULL;
            litellm_put_group(l, &copy);
        }
    }
}

bool import_litellm(struct import *im, struct yaml_node *root, struct error *err)
{
    struct litellm l = {.im = im, .root = root, .providers = map_new()};
    const struct yaml_node *list = json_tree_list(root, "model_list");
    bool known = root->kind == YAML_MAP && (list || json_tree_map(root, "router_settings") ||
                                            json_tree_map(root, "litellm_settings") ||
                                            json_tree_map(root, "general_settings"));
    if (!known) {
        map_free(l.providers);
        return error_set(err, ERR_INVALID_FIELD,
                         "the file is no config.yaml of LiteLLM: it has no model_list");
    }
    l.groups = arena_zalloc(im->arena, ((list ? list->n : 0) + 1) * sizeof *l.groups);
    im->failed = !l.groups;
    litellm_read_settings(&l);
    for (size_t i = 0; list && i < list->n && !im->failed; i++) {
        read_entry(&l, list, i);
    }
    for (size_t i = 0; i < l.n_groups && !im->failed; i++) {
        weigh(&l, &l.groups[i]);
    }
    for (size_t i = 0; i < l.n_groups && !im->failed; i++) {
        litellm_put_group(&l, &l.groups[i]);
    }
    put_aliases(&l);
    litellm_note_settings(&l);
    map_free(l.providers);
    return true;
}

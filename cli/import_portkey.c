/* Portkey's config objects: Weir's documents are a superset of them, so they are taken as they are;
 * what the compiler refuses (guardrails, semantic caches) is taken out and noted. Accepted are a
 * config itself, an export ({"name", "config": {…}} or with the config as a text), and a list of
 * either. */
#include "cli/import.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define DOCUMENT_ROOM (4u << 20)
#define DEPTH_MAX 32

static bool is_config(const struct yaml_node *n)
{
    static const char *const members[] = {"strategy",        "targets", "provider",
                                          "virtual_key",     "cache",   "retry",
                                          "override_params", "api_key", "request_timeout"};
    for (size_t i = 0; n->kind == YAML_MAP && i < sizeof members / sizeof *members; i++) {
        if (yaml_get(n, members[i])) {
            return true;
        }
    }
    return false;
}

/* Providers stay at the place where the config looks them up: somebody has to make them. */
static void note_provider(struct import *im, const struct yaml_node *n, const char *path)
{
    const char *key = json_tree_text(n, "virtual_key"), *name = json_tree_text(n, "provider");
    if (*key) {
        import_note(im, IMPORT_TO_DO, path, "make a provider named \"%s\" (it was a virtual key)",
                    *key == '@' ? key + 1 : key);
    } else if (*name == '@') {
        import_note(im, IMPORT_TO_DO, path, "make a provider named \"%s\"", name + 1);
    } else if (*name && !*json_tree_text(n, "api_key")) {
        import_note(im, IMPORT_TO_DO, path, "make a provider of kind or name \"%s\"", name);
    }
    if (*json_tree_text(n, "api_key")) {
        import_note(im, IMPORT_TO_DO, path,
                    "api_key stands in clear in the manifest: env:NAME or file:PATH would name "
                    "where it is");
    }
}

/* "@slug/model" names its provider, too. */
static void note_model(struct import *im, const struct yaml_node *n, const char *path)
{
    const struct yaml_node *params = json_tree_map(n, "override_params");
    struct str model = str_of(json_tree_text(params, "model")), name, rest;
    if (model.len && model.ptr[0] == '@' && str_cut(model, '/', &name, &rest)) {
        import_note(im, IMPORT_TO_DO, path, "make a provider named \"%.*s\"", (int)name.len - 1,
                    name.ptr + 1);
    }
}

/* An exact cache never answers what a semantic one would not. */
static void soften_cache(struct import *im, struct yaml_node *n, const char *path)
{
    struct yaml_node *cache = json_tree_map(n, "cache");
    struct yaml_node *mode = cache ? yaml_get(cache, "mode") : NULL;
    if (mode && mode->kind == YAML_SCALAR && str_eqz(mode->text, "semantic")) {
        mode->text = STR_LIT("simple");
        import_note(im, IMPORT_APPROXIMATE, path,
                    "cache.mode semantic is not there yet: simple is taken");
    }
}

static void walk(struct import *im, struct yaml_node *n, const char *path, unsigned depth)
{
    const struct yaml_node *targets = json_tree_list(n, "targets");
    note_provider(im, n, path);
    note_model(im, n, path);
    soften_cache(im, n, path);
    for (size_t i = 0; targets && i < targets->n && depth < DEPTH_MAX; i++) {
        struct str at = arena_printf(im->arena, "%s%stargets[%zu]", path, *path ? "." : "", i);
        walk(im, targets->items[i], at.ptr ? at.ptr : path, depth + 1);
    }
}

static void put(struct import *im, struct yaml_node *config, const char *name, const char *path)
{
    struct json_writer w;
    struct buffer b;
    const char *got;
    walk(im, config, path, 0);
    buffer_init(&b, DOCUMENT_ROOM);
    json_writer_init(&w, &b);
    manifest_put_json(config, &w);
    if (b.failed) {
        import_note(im, IMPORT_NOT_MAPPED, path, "the config nests too deep or is too large");
    } else {
        (void)import_add_config(im, name, buffer_str(&b), path, &got);
    }
    buffer_release(&b);
}

static const char *name_of(const struct import *im, const struct yaml_node *export)
{
    static const char *const members[] = {"name", "slug", "id"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (*json_tree_text(export, members[i])) {
            return json_tree_text(export, members[i]);
        }
    }
    return im->default_name;
}

/* What stands around a config in an export. */
static const char *const envelope =
    "config name slug id object organisation_id workspace_id "
    "is_default status owner_id created_at last_updated_at updated_by "
    "format type version_id updated_at created_by success";

/* False: it is none of Portkey's. */
static bool take(struct import *im, struct yaml_node *n, const char *path)
{
    struct yaml_node *inner = n->kind == YAML_MAP ? yaml_get(n, "config") : NULL;
    struct str at = arena_printf(im->arena, "%s%sconfig", path, *path ? "." : "");
    if (inner && inner->kind == YAML_SCALAR && inner->text.ptr) {
        struct error why = ERROR_INIT;
        inner = json_tree_parse(inner->text, im->arena, &why);
    }
    if (inner && inner->kind == YAML_MAP) {
        put(im, inner, name_of(im, n), at.ptr ? at.ptr : path);
        import_note_rest(im, n, path, envelope);
        return true;
    }
    if (!is_config(n)) {
        return false;
    }
    put(im, n, im->default_name, path);
    return true;
}

bool import_portkey(struct import *im, struct yaml_node *root, struct error *err)
{
    const char *prefix = "";
    struct yaml_node *data = root->kind == YAML_MAP ? yaml_get(root, "data") : NULL;
    size_t taken = 0;
    if (data && !is_config(root) && data->kind != YAML_SCALAR) {
        root = data; /* an answer of its API */
        prefix = "data";
    }
    if (root->kind == YAML_MAP) {
        taken += take(im, root, prefix);
    }
    for (size_t i = 0; root->kind == YAML_SEQ && i < root->n; i++) {
        struct str at = arena_printf(im->arena, "%s[%zu]", prefix, i);
        bool ok = take(im, root->items[i], at.ptr ? at.ptr : prefix);
        taken += ok;
        if (!ok) {
            import_note(im, IMPORT_NOT_MAPPED, at.ptr ? at.ptr : prefix,
                        "it is no config, and holds none");
        }
    }
    return taken > 0 || error_set(err, ERR_INVALID_FIELD, "the file holds no config of Portkey");
}

/* Cloudflare AI Gateway: dynamic routes (import_cloudflare_route.c), universal arrays (steps that
 * are tried in order) and a gateway's own settings (cache, retries). */
#include "cli/import_cloudflare.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/rules/manifest.h"
#include "common/rules/provider.h"
#include "common/yaml.h"

#define NODE_ROOM (1u << 20)

const char *cloudflare_path(struct import *im, const char *path, const char *name)
{
    struct str s = arena_printf(im->arena, "%s%s%s", path, *path && *name != '[' ? "." : "", name);
    return s.ptr ? s.ptr : path;
}

void cloudflare_put_provider(struct import *im, struct json_writer *w, const char *name,
                             const char *path)
{
    const struct provider_row *row = provider_row_named(str_of(name));
    if (row) {
        json_field_z(w, "provider", row->name);
        import_note(im, IMPORT_TO_DO, path,
                    "make a provider of kind %s with the key that Cloudflare stored", row->name);
    } else {
        struct str own = arena_printf(im->arena, "@%s", name);
        json_field_str(w, "provider", own);
        import_note(im, IMPORT_TO_DO, path, "make a provider named \"%s\": no kind has that name",
                    name);
    }
}

void cloudflare_put_retry(struct import *im, struct json_writer *w, int64_t retries,
                          int64_t delay_ms, const char *backoff, const char *path)
{
    if (retries > 0 || delay_ms > 0) {
        json_name(w, "retry");
        json_object_begin(w);
        json_field_i64(w, "attempts", retries > 10 ? 10 : retries > 0 ? retries : 0);
        if (delay_ms > 0) {
            json_field_i64(w, "base_ms", delay_ms);
        }
        json_object_end(w);
    }
    if (*backoff && strcmp(backoff, "exponential") != 0) {
        import_note(im, IMPORT_APPROXIMATE, path,
                    "back-off \"%.20s\": waits are random and double each time", backoff);
    }
}

int64_t cloudflare_number(const struct yaml_node *map, const char *name)
{
    int64_t v;
    return json_tree_milli(map, name, &v) ? v / 1000 : 0;
}

/* ---- a gateway's settings ---- */

static void put_gateway(struct import *im, struct json_writer *w, const struct yaml_node *g,
                        const char *path)
{
    int64_t ttl = cloudflare_number(g, "cache_ttl"),
            tries = cloudflare_number(g, "retry_max_attempts");
    if (!g) {
        return;
    }
    if (ttl > 0) {
        json_name(w, "cache");
        json_object_begin(w);
        json_field_z(w, "mode", "simple");
        json_field_i64(w, "max_age", ttl);
        json_object_end(w);
    }
    cloudflare_put_retry(im, w, tries > 0 ? tries - 1 : 0, cloudflare_number(g, "retry_delay"),
                         json_tree_text(g, "retry_backoff"),
                         cloudflare_path(im, path, "retry_backoff"));
    if (cloudflare_number(g, "rate_limiting_limit") > 0) {
        import_note(im, IMPORT_NOT_MAPPED, cloudflare_path(im, path, "rate_limiting_limit"),
                    "limits belong to keys, not to routes");
    }
    import_note_rest(im, g, path,
                     "id name cache_ttl retry_max_attempts retry_delay retry_backoff created_at "
                     "modified_at rate_limiting_limit rate_limiting_interval "
                     "rate_limiting_technique account_id account_tag internal_id routes gateway");
}

/* ---- files ---- */

static const struct yaml_node *elements_of(struct import *im, const struct yaml_node *route)
{
    const struct yaml_node *list = json_tree_list(route, "elements");
    const struct yaml_node *version = json_tree_map(route, "version");
    const char *data = json_tree_text(version, "data");
    struct error err = ERROR_INIT;
    list = list ? list : json_tree_list(version, "data");
    if (!list && *data) {
        list = json_tree_parse(str_of(data), im->arena, &err);
        const struct yaml_node *inner = json_tree_list(list, "elements");
        list = inner ? inner : list;
    }
    return list && list->kind == YAML_SEQ ? list : NULL;
}

static bool take_route(struct import *im, const struct yaml_node *route, const char *path,
                       const struct yaml_node *gateway)
{
    const struct yaml_node *elements = elements_of(im, route);
    const char *name = json_tree_text(route, "name"), *config;
    const char *inside = cloudflare_path(im, path, "elements");
    struct json_writer w;
    struct buffer b;
    if (!elements) {
        return false;
    }
    name = *name ? name : im->default_name;
    import_note_rest(im, route, path,
                     "id name gateway_id elements version deployment created_at modified_at "
                     "account_tag");
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put_gateway(im, &w, gateway, "gateway");
    bool ok = cloudflare_put_route(im, &w, elements, inside);
    json_object_end(&w);
    if (!ok || b.failed) {
        import_note(im, IMPORT_NOT_MAPPED, inside, "the route as a whole is left out");
    } else if (import_add_config(im, name, buffer_str(&b), inside, &config)) {
        struct str model = arena_printf(im->arena, "dynamic/%s", name);
        import_add_routed_model(im, model.ptr ? model.ptr : name, config);
    }
    buffer_release(&b);
    return true;
}

/* Members of a step's query that are the request's own, not the route's. */
static bool is_content(struct str name)
{
    static const char *const names[] = {"messages", "prompt", "input", "contents",
                                        "system",   "stream", "query", "documents",
                                        "text",     "texts",  "image", "systemInstruction"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (str_eqz(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void put_query(struct import *im, struct json_writer *w, const struct yaml_node *query,
                      const char *path)
{
    bool any = false;
    for (size_t i = 0; query && i < query->n; i++) {
        struct str name = query->names[i]->text;
        any = any || (!is_content(name) && !str_eqz(name, "model"));
        if (is_content(name)) {
            import_note(im, IMPORT_APPROXIMATE, cloudflare_path(im, path, name.ptr),
                        "it comes with the request; a config holds what is the route's");
        }
    }
    if (any) {
        json_name(w, "override_params");
        json_object_begin(w);
        for (size_t i = 0; i < query->n; i++) {
            if (!is_content(query->names[i]->text) && !str_eqz(query->names[i]->text, "model")) {
                json_name(w, query->names[i]->text.ptr);
                manifest_put_json(query->items[i], w);
            }
        }
        json_object_end(w);
    }
}

static void put_step(struct import *im, struct json_writer *w, const struct yaml_node *step,
                     const char *path)
{
    const struct yaml_node *config = json_tree_map(step, "config"),
                           *query = json_tree_map(step, "query"),
                           *headers = json_tree_map(step, "headers");
    const char *endpoint = json_tree_text(step, "endpoint"),
               *model = json_tree_text(query, "model");
    cloudflare_put_provider(im, w, json_tree_text(step, "provider"), path);
    if (*model || *endpoint == '@') {
        json_field_z(w, "model", *model ? model : endpoint);
    } else {
        import_note(im, IMPORT_TO_DO, path, "it names no model: the client's is taken");
    }
    put_query(im, w, query, cloudflare_path(im, path, "query"));
    if (cloudflare_number(config, "requestTimeout") > 0) {
        json_field_i64(w, "request_timeout", cloudflare_number(config, "requestTimeout"));
    }
    int64_t tries = cloudflare_number(config, "maxAttempts"),
            ttl = cloudflare_number(headers, "cf-aig-cache-ttl");
    cloudflare_put_retry(im, w, tries > 0 ? tries - 1 : 0, cloudflare_number(config, "retryDelay"),
                         json_tree_text(config, "backoff"), cloudflare_path(im, path, "config"));
    if (ttl > 0) {
        json_name(w, "cache");
        json_object_begin(w);
        json_field_z(w, "mode", "simple");
        json_field_i64(w, "max_age", ttl);
        json_object_end(w);
    }
    import_note_rest(im, config, cloudflare_path(im, path, "config"),
                     "requestTimeout maxAttempts retryDelay backoff");
    for (size_t i = 0; headers && i < headers->n; i++) {
        struct str name = headers->names[i]->text;
        if (!str_eq_nocase(name, STR_LIT("content-type")) && !str_eqz(name, "cf-aig-cache-ttl")) {
            import_note(im, IMPORT_NOT_MAPPED,
                        cloudflare_path(im, cloudflare_path(im, path, "headers"), name.ptr),
                        str_eq_nocase(name, STR_LIT("authorization"))
                            ? "a key belongs to the provider object"
                            : "header fields belong to the provider object (headers)");
        }
    }
    import_note_rest(im, step, path, "provider endpoint headers query config");
}

static void take_universal(struct import *im, const struct yaml_node *list)
{
    struct json_writer w;
    struct buffer b;
    const char *config;
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_name(&w, "strategy");
    json_object_begin(&w);
    json_field_z(&w, "mode", "fallback");
    json_object_end(&w);
    json_name(&w, "targets");
    json_array_begin(&w);
    for (size_t i = 0; i < list->n; i++) {
        char at[32];
        (void)snprintf(at, sizeof at, "[%zu]", i);
        const char *path = cloudflare_path(im, "", at);
        json_object_begin(&w);
        put_step(im, &w, list->items[i], path);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    if (b.failed) {
        import_note(im, IMPORT_NOT_MAPPED, "", "the list is too large");
    } else {
        (void)import_add_config(im, im->default_name, buffer_str(&b), "", &config);
    }
    buffer_release(&b);
}

static bool take_gateway(struct import *im, const struct yaml_node *g)
{
    const char *name = json_tree_text(g, "id"), *config;
    struct json_writer w;
    struct buffer b;
    if (!yaml_get(g, "cache_ttl") && !yaml_get(g, "retry_max_attempts") &&
        !yaml_get(g, "rate_limiting_limit")) {
        return false;
    }
    buffer_init(&b, NODE_ROOM);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put_gateway(im, &w, g, "");
    json_object_end(&w);
    if (b.len > 2) {
        (void)import_add_config(im, *name ? name : im->default_name, buffer_str(&b), "", &config);
        import_note(im, IMPORT_TO_DO, *name ? name : "gateway",
                    "name the config at the keys that used this gateway");
    }
    buffer_release(&b);
    return true;
}

bool import_cloudflare(struct import *im, struct yaml_node *root, struct error *err)
{
    static const char *const wrappers[] = {"result", "data", "routes", "route"};
    const struct yaml_node *gateway = json_tree_map(root, "gateway");
    const char *prefix = "";
    size_t taken = 0;
    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++) {
        struct yaml_node *n =
            root->kind == YAML_MAP && !elements_of(im, root) ? yaml_get(root, wrappers[i]) : NULL;
        if (n && n->kind != YAML_SCALAR) {
            root = n;
            prefix = cloudflare_path(im, prefix, wrappers[i]);
        }
    }
    if (root->kind == YAML_MAP) {
        taken += take_route(im, root, prefix, gateway) || take_gateway(im, root);
    } else if (root->kind == YAML_SEQ && root->n && *json_tree_text(root->items[0], "provider")) {
        take_universal(im, root);
        taken++;
    } else if (root->kind == YAML_SEQ) {
        for (size_t i = 0; i < root->n; i++) {
            char at[32];
            (void)snprintf(at, sizeof at, "[%zu]", i);
            const char *path = cloudflare_path(im, prefix, at);
            bool ok = take_route(im, root->items[i], path, gateway);
            taken += ok;
            if (!ok) {
                import_note(im, IMPORT_NOT_MAPPED, path, "it is no route: it has no elements");
            }
        }
    }
    return taken > 0 || error_set(err, ERR_INVALID_FIELD,
                                  "the file holds no route, universal request or gateway of "
                                  "Cloudflare's");
}

/* A dynamic route: its graph of elements becomes a tree of nodes; an element that several lead to
 * is written several times. Starts and limits are passed through; an end is no node. */
#include "cli/import_cloudflare.h"

#include <stdio.h>

#include "cli/json_tree.h"
#include "common/rules/manifest.h"
#include "common/yaml.h"

#define DEPTH_MAX 14 /* of nodes: docs/routing.md allows 16 */
#define PPM_FULL 1000000

struct route {
    struct import *im;
    const struct yaml_node *elements;
    const char *path;                             /* "elements", "routes[2].elements" */
    const struct yaml_node *trail[DEPTH_MAX + 1]; /* from the start to here */
};

static const struct yaml_node *element(const struct route *r, const char *id)
{
    for (size_t i = 0; i < r->elements->n; i++) {
        if (strcmp(json_tree_text(r->elements->items[i], "id"), id) == 0) {
            return r->elements->items[i];
        }
    }
    return NULL;
}

/* The element that an output leads to; NULL: none. */
static const struct yaml_node *output(const struct route *r, const struct yaml_node *from,
                                      const char *name)
{
    const struct yaml_node *to = json_tree_map(json_tree_map(from, "outputs"), name);
    const char *id = json_tree_text(to, "elementId");
    return *id ? element(r, id) : NULL;
}

static const char *path_of(const struct route *r, const struct yaml_node *e)
{
    for (size_t i = 0; i < r->elements->n; i++) {
        if (r->elements->items[i] == e) {
            char at[32];
            (void)snprintf(at, sizeof at, "[%zu]", i);
            return cloudflare_path(r->im, r->path, at);
        }
    }
    return r->path;
}

static bool is_type(const struct yaml_node *e, const char *type)
{
    return strcmp(json_tree_text(e, "type"), type) == 0;
}

/* The next element that decides or calls: starts and limits are passed through, an end is none. */
static const struct yaml_node *settle(const struct route *r, const struct yaml_node *e)
{
    for (unsigned i = 0; e && i < 1000; i++) {
        bool limit = is_type(e, "rate") || is_type(e, "rate_limit") || is_type(e, "budget");
        if (is_type(e, "end")) {
            return NULL;
        }
        if (limit) {
            const struct yaml_node *p = json_tree_map(e, "properties");
            const char *by = json_tree_text(p, "key");
            import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e),
                        "a limit of %s by %s: limits and budgets belong to keys, not to routes",
                        *json_tree_text(p, "limit") ? json_tree_text(p, "limit") : "requests",
                        *by ? by : "request");
            if (output(r, e, "fallback")) {
                import_note(r->im, IMPORT_NOT_MAPPED,
                            cloudflare_path(r->im, path_of(r, e), "fallback"),
                            "what is done beyond the limit goes with it");
            }
            e = output(r, e, "success");
        } else if (is_type(e, "start")) {
            e = output(r, e, "next");
        } else {
            return e;
        }
    }
    return NULL;
}

static bool put_element(struct route *r, struct json_writer *w, const struct yaml_node *e,
                        const char *name, unsigned depth);

/* An element as an object of its own. False: nothing could be put; the object holds its name only,
 * which the compiler refuses and the caller notes. */
static bool put_child(struct route *r, struct json_writer *w, const struct yaml_node *from,
                      const char *out, const char *name, unsigned depth)
{
    const struct yaml_node *e = settle(r, output(r, from, out));
    if (!e) {
        import_note(r->im, IMPORT_NOT_MAPPED, cloudflare_path(r->im, path_of(r, from), out),
                    "it leads to no model: such requests are refused with 400 no_route");
        return false;
    }
    json_object_begin(w);
    bool ok = put_element(r, w, e, name, depth + 1);
    json_object_end(w);
    return ok;
}

static bool leads_on(const struct route *r, const struct yaml_node *from, const char *out)
{
    const struct yaml_node *e = output(r, from, out);
    for (unsigned i = 0; e && i < 1000; i++) {
        if (is_type(e, "end")) {
            return false;
        }
        if (!is_type(e, "rate") && !is_type(e, "rate_limit") && !is_type(e, "budget")) {
            return true;
        }
        e = output(r, e, "success");
    }
    return false;
}

static bool put_conditional(struct route *r, struct json_writer *w, const struct yaml_node *e,
                            unsigned depth)
{
    const struct yaml_node *p = json_tree_map(e, "properties");
    const struct yaml_node *query = json_tree_map(p, "conditions");
    const char *id = json_tree_text(e, "id");
    struct str yes = arena_printf(r->im->arena, "%s true", id),
               no = arena_printf(r->im->arena, "%s false", id);
    query = query ? query : json_tree_map(p, "condition");
    if (!query) {
        import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "it has no condition");
        return false;
    }
    bool has_yes = leads_on(r, e, "true"), has_no = leads_on(r, e, "false");
    json_name(w, "strategy");
    json_object_begin(w);
    json_field_z(w, "mode", "conditional");
    json_name(w, "conditions");
    json_array_begin(w);
    json_object_begin(w);
    json_name(w, "query");
    if (!has_yes) { /* only the other branch is left */
        json_object_begin(w);
        json_name(w, "$not");
    }
    manifest_put_json(query, w);
    if (!has_yes) {
        json_object_end(w);
    }
    json_field_str(w, "then", has_yes ? yes : no);
    json_object_end(w);
    json_array_end(w);
    if (has_yes && has_no) {
        json_field_str(w, "default", no);
    }
    json_object_end(w);
    json_name(w, "targets");
    json_array_begin(w);
    bool ok = has_yes || has_no;
    ok = (has_yes ? put_child(r, w, e, "true", yes.ptr, depth) && ok : ok);
    ok = (has_no ? put_child(r, w, e, "false", no.ptr, depth) && ok : ok);
    json_array_end(w);
    if (!has_yes || !has_no) {
        import_note(
            r->im, IMPORT_APPROXIMATE, path_of(r, e),
            "a branch of it leads to no model: such requests are refused with 400 no_route");
    }
    return ok;
}

/* "12.5%" in parts per million; false: it is no share. */
static bool share_of(struct str name, int64_t *ret_ppm)
{
    struct json_value v;
    name = str_trim(name);
    if (name.len < 2 || name.ptr[name.len - 1] != '%') {
        return false;
    }
    name.len--;
    return json_validate(name, 1, &v, NULL) && v.type == JSON_NUMBER &&
           json_decimal(v, 4, ret_ppm) && *ret_ppm >= 0 && *ret_ppm <= PPM_FULL;
}

static void put_percent(struct json_writer *w, int64_t ppm)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%lld.%04lld", (long long)(ppm / 10000),
                   (long long)(ppm % 10000));
    size_t n = strlen(text);
    while (text[n - 1] == '0') {
        text[--n] = '\0';
    }
    text[n - (text[n - 1] == '.')] = '\0';
    json_name(w, "share");
    json_put_raw(w, str_of(text));
}

static bool put_percentage(struct route *r, struct json_writer *w, const struct yaml_node *e,
                           unsigned depth)
{
    const struct yaml_node *outputs = json_tree_map(e, "outputs");
    int64_t sum = 0, ppm;
    size_t last = 0, n = 0;
    for (size_t i = 0; outputs && i < outputs->n; i++) {
        bool rest = str_eqz(outputs->names[i]->text, "else");
        if (rest || share_of(outputs->names[i]->text, &ppm)) {
            sum += rest ? 0 : ppm;
            last = i;
            n++;
        } else {
            import_note(r->im, IMPORT_NOT_MAPPED,
                        cloudflare_path(r->im, path_of(r, e), outputs->names[i]->text.ptr),
                        "it is no share such as \"10%%\"");
        }
    }
    bool has_else = outputs && yaml_get(outputs, "else");
    if (n == 0 || sum > PPM_FULL) {
        import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "its shares are not 100 in all");
        return false;
    }
    if (!has_else && sum < PPM_FULL) {
        import_note(r->im, IMPORT_APPROXIMATE, path_of(r, e),
                    "its shares are not 100 in all: the last one gets the rest");
    }
    json_name(w, "strategy");
    json_object_begin(w);
    json_field_z(w, "mode", "split");
    json_object_end(w);
    json_name(w, "targets");
    json_array_begin(w);
    bool ok = true;
    for (size_t i = 0; i < outputs->n; i++) {
        const char *out = outputs->names[i]->text.ptr;
        bool rest = strcmp(out, "else") == 0;
        if (!rest && !share_of(outputs->names[i]->text, &ppm)) {
            continue;
        }
        ppm = rest ? PPM_FULL - sum : !has_else && i == last ? ppm + PPM_FULL - sum : ppm;
        const struct yaml_node *to = settle(r, output(r, e, out));
        struct str name = arena_printf(r->im->arena, "%s %s", json_tree_text(e, "id"), out);
        if (!to) {
            import_note(r->im, IMPORT_NOT_MAPPED, cloudflare_path(r->im, path_of(r, e), out),
                        "it leads to no model");
            ok = false;
            continue;
        }
        json_object_begin(w);
        put_percent(w, ppm);
        ok = put_element(r, w, to, name.ptr ? name.ptr : out, depth + 1) && ok;
        json_object_end(w);
    }
    json_array_end(w);
    return ok;
}

static void put_call(struct route *r, struct json_writer *w, const struct yaml_node *e)
{
    const struct yaml_node *p = json_tree_map(e, "properties");
    const char *path = path_of(r, e);
    cloudflare_put_provider(r->im, w, json_tree_text(p, "provider"), path);
    if (*json_tree_text(p, "model")) {
        json_field_z(w, "model", json_tree_text(p, "model"));
    }
    if (cloudflare_number(p, "timeout") > 0) {
        json_field_i64(w, "request_timeout", cloudflare_number(p, "timeout"));
    }
    cloudflare_put_retry(r->im, w, cloudflare_number(p, "retries"),
                         cloudflare_number(p, "retryDelay"), json_tree_text(p, "backoff"), path);
    import_note_rest(r->im, p, cloudflare_path(r->im, path, "properties"),
                     "provider model timeout retries retryDelay backoff");
    if (leads_on(r, e, "success")) {
        import_note(r->im, IMPORT_NOT_MAPPED, cloudflare_path(r->im, path, "success"),
                    "nothing is done behind a model that answered");
    }
}

/* A chain of models, each the fallback of the one before, is one list. */
static bool put_model(struct route *r, struct json_writer *w, const struct yaml_node *e,
                      unsigned depth)
{
    const struct yaml_node *next = settle(r, output(r, e, "fallback"));
    if (!next) {
        put_call(r, w, e);
        return true;
    }
    json_name(w, "strategy");
    json_object_begin(w);
    json_field_z(w, "mode", "fallback");
    json_object_end(w);
    json_name(w, "targets");
    json_array_begin(w);
    bool ok = true;
    for (unsigned i = 0; e && i <= r->elements->n; i++) {
        if (i == r->elements->n) {
            import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "its fallbacks go in a circle");
            break;
        }
        json_object_begin(w);
        if (is_type(e, "model")) {
            json_field_z(w, "name", json_tree_text(e, "id"));
            put_call(r, w, e);
            next = settle(r, output(r, e, "fallback"));
        } else {
            ok = put_element(r, w, e, json_tree_text(e, "id"), depth + 1);
            next = NULL;
        }
        json_object_end(w);
        e = next;
    }
    json_array_end(w);
    return ok;
}

static bool put_element(struct route *r, struct json_writer *w, const struct yaml_node *e,
                        const char *name, unsigned depth)
{
    if (depth >= DEPTH_MAX) {
        import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "the route nests too deep");
        return false;
    }
    for (unsigned i = 0; i < depth; i++) {
        if (r->trail[i] == e) {
            import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "the route goes in a circle here");
            return false;
        }
    }
    r->trail[depth] = e;
    if (*name) {
        json_field_z(w, "name", name);
    }
    if (is_type(e, "conditional")) {
        return put_conditional(r, w, e, depth);
    }
    if (is_type(e, "percentage")) {
        return put_percentage(r, w, e, depth);
    }
    if (is_type(e, "model")) {
        return put_model(r, w, e, depth);
    }
    import_note(r->im, IMPORT_NOT_MAPPED, path_of(r, e), "elements of type \"%.40s\" are not known",
                json_tree_text(e, "type"));
    return false;
}

bool cloudflare_put_route(struct import *im, struct json_writer *w,
                          const struct yaml_node *elements, const char *path)
{
    struct route r = {.im = im, .elements = elements, .path = path};
    const struct yaml_node *start = NULL;
    for (size_t i = 0; i < elements->n && !start; i++) {
        start = is_type(elements->items[i], "start") ? elements->items[i] : NULL;
    }
    const struct yaml_node *first = settle(&r, start);
    if (!first) {
        import_note(im, IMPORT_NOT_MAPPED, path, "its start leads to no model");
        return false;
    }
    return put_element(&r, w, first, "", 0);
}

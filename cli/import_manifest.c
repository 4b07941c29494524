/* The manifest that an importer fills, and its notes. See import.h. */
#include "cli/import.h"

#include <stdarg.h>
#include <stdio.h>

#include "cli/json_tree.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/rules/manifest.h"
#include "common/rules/model_name.h"
#include "common/rules/route_config.h"
#include "common/yaml.h"

#define SECTION_MAX ((size_t)64 << 20)
#define COMPILE_ROOM ((size_t)256 << 20)
#define NAME_BYTES 64
#define REFUSALS_MAX 200

static const char *const status_names[IMPORT_STATUS_COUNT] = {
    [IMPORT_NOT_MAPPED] = "not_mapped",
    [IMPORT_APPROXIMATE] = "approximate",
    [IMPORT_TO_DO] = "to_do",
};

const char *import_status_name(enum import_status s)
{
    return status_names[s];
}

void import_init(struct import *im, struct arena *a, const char *default_name)
{
    *im = (struct import){.arena = a, .default_name = default_name, .taken = map_new()};
    buffer_init(&im->providers, SECTION_MAX);
    buffer_init(&im->models, SECTION_MAX);
    buffer_init(&im->configs, SECTION_MAX);
}

void import_release(struct import *im)
{
    if (im->providers.len) {
        explicit_bzero(im->providers.ptr, im->providers.len);
    }
    buffer_release(&im->providers);
    buffer_release(&im->models);
    buffer_release(&im->configs);
    map_free(im->taken);
    mem_free(im->notes);
    im->taken = NULL;
    im->notes = NULL;
}

static const char *keep(struct import *im, struct str s)
{
    struct str copy = arena_str(im->arena, s);
    im->failed = im->failed || !copy.ptr;
    return copy.ptr ? copy.ptr : "";
}

void import_note(struct import *im, enum import_status status, const char *path, const char *fmt,
                 ...)
{
    char reason[400];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof reason, fmt, args);
    va_end(args);
    struct str key = arena_printf(im->arena, "n%d %s\n%s", (int)status, path, reason);
    if (!key.ptr || map_put(im->taken, key, im)) {
        im->failed = im->failed || !key.ptr;
        return;
    }
    if (im->n_notes == im->cap_notes) {
        im->cap_notes = im->cap_notes ? im->cap_notes * 2 : 32;
        im->notes = mem_realloc(im->notes, im->cap_notes * sizeof *im->notes);
    }
    im->notes[im->n_notes++] = (struct import_note){
        .status = status, .path = keep(im, str_of(path)), .reason = keep(im, str_of(reason))};
    im->n_of[status]++;
}

static bool in_words(struct str name, const char *words)
{
    struct str rest = str_of(words), head;
    while (rest.len) {
        struct str tail = STR_NONE;
        if (!str_cut(rest, ' ', &head, &tail)) {
            head = rest;
        }
        if (str_eq(head, name)) {
            return true;
        }
        rest = tail;
    }
    return false;
}

void import_note_rest(struct import *im, const struct yaml_node *map, const char *path,
                      const char *known)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        struct str name = map->names[i]->text;
        if (!in_words(name, known)) {
            struct str full =
                arena_printf(im->arena, "%s%s%.*s", path, *path ? "." : "", STR_ARG(name));
            import_note(im, IMPORT_NOT_MAPPED, full.ptr ? full.ptr : path,
                        "Weir has nothing that this maps to");
        }
    }
}

bool import_claim(struct import *im, char section, const char *name)
{
    struct str key = arena_printf(im->arena, "%c %s", section, name);
    im->failed = im->failed || !key.ptr;
    return key.ptr && !map_put(im->taken, key, im);
}

const char *import_name(struct import *im, char section, const char *wanted)
{
    char base[NAME_BYTES + 1], name[NAME_BYTES + 16];
    size_t n = 0;
    for (const char *p = wanted; *p && n < NAME_BYTES - 4; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z');
        bool plain = letter || (*p >= '0' && *p <= '9');
        if (plain || (n > 0 && (*p == '.' || *p == '_' || *p == '-'))) {
            base[n++] = *p;
        } else if (n > 0 && base[n - 1] != '-') {
            base[n++] = '-';
        }
    }
    while (n > 0 && base[n - 1] == '-') {
        n--;
    }
    base[n] = '\0';
    if (n == 0) {
        (void)snprintf(base, sizeof base, "imported");
    }
    (void)snprintf(name, sizeof name, "%s", base);
    for (unsigned i = 2; !import_claim(im, section, name) && i < 10000 && !im->failed; i++) {
        (void)snprintf(name, sizeof name, "%.58s-%u", base, i);
    }
    return keep(im, str_of(name));
}

static void add(struct buffer *b, size_t *n, struct str json)
{
    buffer_append_z(b, *n ? "," : "");
    buffer_append_str(b, json);
    (*n)++;
}

void import_add_provider(struct import *im, struct str json)
{
    add(&im->providers, &im->n_providers, json);
}

void import_add_model(struct import *im, struct str json)
{
    add(&im->models, &im->n_models, json);
}

void import_add_routed_model(struct import *im, const char *name, const char *config)
{
    struct json_writer w;
    struct buffer b;
    if (!model_name_valid(str_of(name))) {
        import_note(im, IMPORT_NOT_MAPPED, name, "Weir's model names cannot be this");
        return;
    }
    if (!import_claim(im, 'm', name)) {
        import_note(im, IMPORT_NOT_MAPPED, name, "a model of this name is there already");
        return;
    }
    buffer_init(&b, SECTION_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "name", name);
    json_field_z(&w, "config", config);
    json_object_end(&w);
    import_add_model(im, buffer_str(&b));
    buffer_release(&b);
}

/* ---- configs ---- */

static struct str dump(struct import *im, const struct yaml_node *n)
{
    struct json_writer w;
    struct buffer b;
    buffer_init(&b, SECTION_MAX);
    json_writer_init(&w, &b);
    manifest_put_json(n, &w);
    struct str text = b.failed ? STR_NONE : arena_str(im->arena, buffer_str(&b));
    buffer_release(&b);
    return text;
}

/* "config.targets[0].x" in the compiler's words is "targets[0].x" in the document. */
static const char *inside(const char *param)
{
    const char *p = strncmp(param, "config", 6) == 0 ? param + 6 : param;
    return *p == '.' ? p + 1 : p;
}

static bool compiles(struct str text, struct error *err)
{
    struct arena *a = arena_new(COMPILE_ROOM);
    const struct route_tree *tree;
    bool ok = route_config_compile(text, a, &tree, err);
    arena_free(a);
    return ok;
}

/* Takes out what is refused, one thing after another. The text that compiles; NULL ptr: none does.
 */
static struct str prune(struct import *im, struct yaml_node *root, const char *path)
{
    for (unsigned i = 0; i < REFUSALS_MAX; i++) {
        struct error err = ERROR_INIT;
        struct str text = dump(im, root);
        if (!text.ptr) {
            import_note(im, IMPORT_NOT_MAPPED, path, "the config nests too deep or is too large");
            return STR_NONE;
        }
        if (compiles(text, &err)) {
            return text;
        }
        const char *part = inside(err.param);
        struct str full = arena_printf(im->arena, "%s%s%s", path,
                                       *part && *part != '[' && *path ? "." : "", part);
        import_note(im, IMPORT_NOT_MAPPED, full.ptr ? full.ptr : path, "%s", error_text(&err));
        if (!*part || !json_tree_remove(root, part)) {
            break;
        }
    }
    import_note(im, IMPORT_NOT_MAPPED, path, "the config as a whole is left out");
    return STR_NONE;
}

bool import_add_config(struct import *im, const char *wanted, struct str document, const char *path,
                       const char **ret_name)
{
    struct error err = ERROR_INIT;
    struct json_writer w;
    struct buffer b;
    struct yaml_node *root = json_tree_parse(document, im->arena, &err);
    if (!root) {
        import_note(im, IMPORT_NOT_MAPPED, path, "%s", error_text(&err));
        return false;
    }
    struct str text = prune(im, root, path);
    if (!text.ptr) {
        return false;
    }
    const char *name = import_name(im, 'c', wanted);
    buffer_init(&b, SECTION_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_field_z(&w, "name", name);
    json_name(&w, "document");
    json_put_raw(&w, text);
    json_object_end(&w);
    add(&im->configs, &im->n_configs, buffer_str(&b));
    buffer_release(&b);
    *ret_name = name;
    return true;
}

/* ---- what comes of it ---- */

static void put_section(struct json_writer *w, const char *name, const struct buffer *inside_of,
                        size_t n)
{
    if (n) {
        struct buffer b;
        buffer_init(&b, SECTION_MAX + 2);
        buffer_append_z(&b, "[");
        buffer_append_str(&b, buffer_str(inside_of));
        buffer_append_z(&b, "]");
        json_name(w, name);
        json_put_raw(w, buffer_str(&b));
        buffer_release(&b);
    }
}

void import_manifest(const struct import *im, struct buffer *ret)
{
    struct json_writer w;
    json_writer_init(&w, ret);
    json_object_begin(&w);
    json_field_u64(&w, "version", 1);
    put_section(&w, "providers", &im->providers, im->n_providers);
    put_section(&w, "models", &im->models, im->n_models);
    put_section(&w, "configs", &im->configs, im->n_configs);
    json_object_end(&w);
}

void import_report(const struct import *im, const char *source, struct buffer *ret)
{
    struct json_writer w;
    json_writer_init(&w, ret);
    json_object_begin(&w);
    json_field_z(&w, "source", source);
    json_field_u64(&w, "providers", im->n_providers);
    json_field_u64(&w, "models", im->n_models);
    json_field_u64(&w, "configs", im->n_configs);
    for (int i = 0; i < IMPORT_STATUS_COUNT; i++) {
        json_field_u64(&w, status_names[i], im->n_of[i]);
    }
    json_name(&w, "notes");
    json_array_begin(&w);
    for (size_t i = 0; i < im->n_notes; i++) {
        json_object_begin(&w);
        json_field_z(&w, "status", status_names[im->notes[i].status]);
        json_field_z(&w, "path", im->notes[i].path);
        json_field_z(&w, "reason", im->notes[i].reason);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

/* Documents of a manifest: routing configs and prompts. They are written as YAML and kept as JSON
 * text, as the control plane keeps them; what is wrong inside one is found by its own compiler, and
 * its path there is turned back into a place in the file. */
#include "common/rules/manifest_read.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/rules/prompt.h"
#include "common/rules/provider.h"
#include "common/rules/route_config.h"
#include "common/rules/secret_ref.h"
#include "common/yaml.h"

#define JSON_ROOM (4u << 20) /* of one document; the compilers have ceilings of their own */
#define COMPILE_ROOM ((size_t)256 << 20)
#define LABEL_MAX_BYTES 63
#define DESCRIPTION_MAX_BYTES 1000

/* ---- YAML to JSON ---- */

/* A number of YAML's core schema that JSON writes otherwise: +5, 007, .5, 1., 0x1f, 0o17. False: it
 * is none. */
static bool put_odd_number(struct str s, struct json_writer *w)
{
    bool hex = str_starts(s, STR_LIT("0x")), octal = str_starts(s, STR_LIT("0o"));
    if (hex || octal) {
        uint64_t v = 0;
        for (size_t i = 2; i < s.len; i++) {
            int digit = str_hex_digit(s.ptr[i]);
            if (digit < 0 || (octal && digit > 7) || v >> 59) {
                return false;
            }
            v = v * (hex ? 16 : 8) + (uint64_t)digit;
        }
        if (s.len > 2) {
            json_put_u64(w, v);
        }
        return s.len > 2;
    }
    char text[64];
    size_t n = 0, i = 0;
    if (s.len == 0 || s.len > sizeof(text) - 4) {
        return false;
    }
    if (s.ptr[0] == '-' || s.ptr[0] == '+') {
        i = 1;
        if (s.ptr[0] == '-') {
            text[n++] = '-';
        }
    }
    while (i + 1 < s.len && s.ptr[i] == '0' && s.ptr[i + 1] >= '0' && s.ptr[i + 1] <= '9') {
        i++;
    }
    bool point = false, digits = false;
    for (; i < s.len && ((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] == '.' && !point));
         i++) {
        if (s.ptr[i] == '.') {
            point = true;
            if (n == 0 || text[n - 1] == '-') {
                text[n++] = '0';
            }
            if (i + 1 == s.len || s.ptr[i + 1] < '0' || s.ptr[i + 1] > '9') {
                continue; /* "1.": nothing stands behind it */
            }
        } else {
            digits = true;
        }
        text[n++] = s.ptr[i];
    }
    if (!digits) {
        return false;
    }
    if (i < s.len) {
        memcpy(text + n, s.ptr + i, s.len - i); /* an exponent, or what makes it no number */
        n += s.len - i;
    }
    struct json_value v;
    if (!json_validate((struct str){text, n}, 1, &v, NULL) || v.type != JSON_NUMBER) {
        return false;
    }
    json_put_raw(w, v.raw);
    return true;
}

static void put_scalar(const struct yaml_node *n, struct json_writer *w)
{
    struct json_value v;
    bool b;
    if (n->quoted) {
        json_put_str(w, n->text.ptr ? n->text : STR_LIT(""));
    } else if (yaml_is_null(n)) {
        json_put_null(w);
    } else if (yaml_bool(n, &b)) {
        json_put_bool(w, b);
    } else if (json_validate(n->text, 1, &v, NULL) && v.type == JSON_NUMBER) {
        json_put_raw(w, v.raw);
    } else if (!put_odd_number(n->text, w)) {
        json_put_str(w, n->text);
    }
}

/* Secrets of a routing config may be references, which are read where the program runs. */
struct resolving {
    const struct manifest_reader *r; /* NULL: nothing is resolved */
    const char *path;
    bool failed;
};

static bool is_reference(const struct yaml_node *n)
{
    return n->kind == YAML_SCALAR &&
           (str_starts(n->text, STR_LIT("env:")) || str_starts(n->text, STR_LIT("file:")));
}

static bool is_secret_name(struct str name)
{
    const struct provider_setting *s = provider_setting_named(name);
    return str_eqz(name, "api_key") || (s && s->secret);
}

static void put_node(const struct yaml_node *n, struct json_writer *w, struct resolving *v);

static void put_member(const struct yaml_node *name, const struct yaml_node *n,
                       struct json_writer *w, struct resolving *v)
{
    struct error why = ERROR_INIT;
    struct str text;
    json_name(w, name->text.ptr);
    if (!v->r || !is_reference(n) || !is_secret_name(name->text)) {
        put_node(n, w, v);
    } else if (text_ref_resolve(n->text, v->r->arena, &text, &why)) {
        json_put_str(w, text);
    } else {
        json_put_null(w);
        v->failed = true;
        (void)manifest_fail(v->r, n, v->path, "document", "%.*s: %s", manifest_shown(name->text),
                            name->text.ptr, error_text(&why));
    }
}

static void put_node(const struct yaml_node *n, struct json_writer *w, struct resolving *v)
{
    if (w->out->failed || v->failed) {
        return; /* nests too deep: no further */
    }
    if (n->kind == YAML_SCALAR) {
        put_scalar(n, w);
        return;
    }
    if (n->kind == YAML_SEQ) {
        json_array_begin(w);
    } else {
        json_object_begin(w);
    }
    for (size_t i = 0; i < n->n; i++) {
        if (n->kind == YAML_MAP) {
            put_member(n->names[i], n->items[i], w, v);
        } else {
            put_node(n->items[i], w, v);
        }
    }
    if (n->kind == YAML_SEQ) {
        json_array_end(w);
    } else {
        json_object_end(w);
    }
}

void manifest_put_json(const struct yaml_node *n, struct json_writer *w)
{
    struct resolving none = {.r = NULL};
    put_node(n, w, &none);
}

/* ---- documents ---- */

enum document_kind { KIND_CONFIG = 0, KIND_PROMPT };

static bool compile(enum document_kind kind, const struct manifest_document *d, struct error *err)
{
    struct arena *a = arena_new(COMPILE_ROOM);
    const struct route_tree *tree;
    const struct prompt *prompt;
    const struct mustache *partial;
    bool ok = kind == KIND_CONFIG ? route_config_compile(d->json, a, &tree, err)
              : d->partial        ? prompt_partial_compile(d->json, a, &partial, err)
                                  : prompt_compile(d->json, a, &prompt, err);
    arena_free(a);
    return ok;
}

/* Behind "config" in "config.targets[1].weight", as routing configs name their own parts. */
static const char *inside(enum document_kind kind, const char *param)
{
    if (kind == KIND_CONFIG && strncmp(param, "config", 6) == 0) {
        param += 6;
        param += *param == '.';
    }
    return param;
}

static bool check(const struct manifest_reader *r, const struct manifest_place *p,
                  enum document_kind kind, const struct yaml_node *node,
                  const struct manifest_document *d)
{
    struct error why = ERROR_INIT;
    if (compile(kind, d, &why)) {
        return true;
    }
    const char *path = inside(kind, why.param);
    const struct yaml_node *at = manifest_find(node, path);
    char field[96];
    (void)snprintf(field, sizeof(field), "document%s%s", *path && *path != '[' ? "." : "", path);
    (void)manifest_fail(r, at ? at : node, p->path, field, "%s", error_text(&why));
    r->err->code = why.code;
    return false;
}

static bool take_document(const struct manifest_reader *r, const struct manifest_place *p,
                          enum document_kind kind, struct manifest_document *ret)
{
    const struct yaml_node *n = yaml_get(p->map, "document");
    struct resolving v = {.r = kind == KIND_CONFIG ? r : NULL, .path = p->path};
    struct json_writer w;
    struct buffer b;
    if (!n) {
        return manifest_fail(r, p->map, p->path, "document", "missing field \"document\"");
    }
    if (n->kind != YAML_MAP && !(ret->partial && n->kind == YAML_SCALAR && !yaml_is_null(n))) {
        return manifest_fail(r, n, p->path, "document", "document must be a map");
    }
    buffer_init(&b, JSON_ROOM);
    json_writer_init(&w, &b);
    if (n->kind == YAML_SCALAR) {
        json_put_str(&w, n->text);
    } else {
        put_node(n, &w, &v);
    }
    bool ok = !v.failed;
    if (ok && b.failed) {
        ok = manifest_fail(r, n, p->path, "document", "document nests too deep or is too large");
    } else if (ok) {
        ret->json = arena_str(r->arena, buffer_str(&b));
        ok = ret->json.ptr ? check(r, p, kind, n, ret) : manifest_fail_memory(r);
    }
    if (b.len) {
        explicit_bzero(b.ptr, b.len);
    }
    buffer_release(&b);
    return ok;
}

static bool is_label(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = c >= 'a' && c <= 'z';
        if (!letter && !(i > 0 && ((c >= '0' && c <= '9') || c == '_' || c == '-'))) {
            return false;
        }
    }
    return s.len > 0 && s.len <= LABEL_MAX_BYTES && !str_eqz(s, "latest");
}

static bool take_labels(const struct manifest_reader *r, const struct manifest_place *p,
                        struct manifest_document *ret)
{
    const struct yaml_node *list;
    if (!manifest_take_list(r, p, "labels", sizeof(*ret->labels), &list, &ret->labels)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[32];
        (void)snprintf(at, sizeof(at), "labels[%zu]", i);
        if (n->kind != YAML_SCALAR || !is_label(n->text)) {
            return manifest_fail(r, n, p->path, at,
                                 "%s must be lower-case letters, digits, '-' and '_', beginning "
                                 "with a letter, and not \"latest\"",
                                 at);
        }
        for (size_t k = 0; k < i; k++) {
            if (str_eq(ret->labels[k], n->text)) {
                return manifest_fail(r, n, p->path, at, "label \"%.*s\" is used twice",
                                     manifest_shown(n->text), n->text.ptr);
            }
        }
        ret->labels[i] = n->text;
        ret->n_labels++;
    }
    return true;
}

static bool read_document(const struct manifest_reader *r, const struct manifest_place *p,
                          enum document_kind kind, struct manifest_document *ret)
{
    static const char *const config_fields[] = {"name", "description", "document", "labels", NULL};
    static const char *const prompt_fields[] = {"name",   "description", "document",
                                                "labels", "partial",     NULL};
    ret->line = p->map->line;
    if (!manifest_check_fields(r, p, kind == KIND_CONFIG ? config_fields : prompt_fields) ||
        !manifest_take_name(r, p, &ret->name) ||
        !manifest_take_text(r, p, "description", false, &ret->description) ||
        !manifest_take_bool(r, p, "partial", &ret->partial) || !take_labels(r, p, ret)) {
        return false;
    }
    if (ret->description.len > DESCRIPTION_MAX_BYTES) {
        return manifest_fail(r, yaml_get(p->map, "description"), p->path, "description",
                             "description may be at most %d bytes long", DESCRIPTION_MAX_BYTES);
    }
    return take_document(r, p, kind, ret);
}

static bool read_list(const struct manifest_reader *r, const struct manifest_place *top,
                      enum document_kind kind, struct manifest_document **ret, size_t *ret_n)
{
    const char *section = kind == KIND_CONFIG ? "configs" : "prompts";
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, section, sizeof(**ret), &list, ret);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, section, list, i, &at) &&
             read_document(r, &at, kind, &(*ret)[i]) &&
             manifest_claim_name(r, names, &at, (*ret)[i].name, &(*ret)[i]);
        (*ret_n)++;
    }
    map_free(names);
    return ok;
}

bool manifest_read_documents(const struct manifest_reader *r, const struct manifest_place *top,
                             struct manifest *m)
{
    return read_list(r, top, KIND_CONFIG, &m->configs, &m->n_configs) &&
           read_list(r, top, KIND_PROMPT, &m->prompts, &m->n_prompts);
}

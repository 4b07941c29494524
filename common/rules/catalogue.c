/* The model catalogue's loader: one pass over the text by the JSON scanner, entries into one array,
 * then a hash table over names. Texts without escapes are spans of the file's copy. */
#include "common/rules/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/rules/catalogue_inside.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define ENTRIES_MAX 200000u

const struct capability_name capability_names[] = {
    {CAN_TOOLS, "capabilities", "tools"},
    {CAN_JSON_SCHEMA, "capabilities", "json_schema"},
    {CAN_REASON, "capabilities", "reason"},
    {CAN_STREAM, "capabilities", "stream"},
    {CAN_CACHE, "capabilities", "cache"},
    {CAN_SEARCH, "capabilities", "search"},
    {IN_TEXT, "input", "text"},
    {IN_IMAGE, "input", "image"},
    {IN_AUDIO, "input", "audio"},
    {IN_VIDEO, "input", "video"},
    {IN_DOCUMENT, "input", "document"},
    {OUT_TEXT, "output", "text"},
    {OUT_IMAGE, "output", "image"},
    {OUT_AUDIO, "output", "audio"},
    {OUT_EMBEDDING, "output", "embedding"},
    {OUT_VIDEO, "output", "video"},
    {0, NULL, NULL},
};

static bool bad_member(struct error *err, const char *name, const char *want)
{
    return error_set_param(err, ERR_INVALID_FIELD, name, "%s is not %s", name, want);
}

/* null takes a value away: an override may clear what the installed entry has */
static bool read_text(struct json_value v, struct arena *a, const char *name, struct str *ret,
                      struct error *err)
{
    size_t len;
    if (v.type == JSON_NULL) {
        *ret = STR_NONE;
        return true;
    }
    if (v.type != JSON_STRING) {
        return bad_member(err, name, "a text");
    }
    if (!v.escaped) {
        *ret = json_text(v);
        return true;
    }
    char *text = arena_alloc(a, v.raw.len);
    if (!text || !json_unescape(v, text, v.raw.len, &len)) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    *ret = (struct str){text, len};
    return true;
}

static bool read_count(struct json_value v, const char *name, uint64_t *ret, struct error *err)
{
    if (v.type == JSON_NULL) {
        *ret = 0;
        return true;
    }
    return json_u64(v, ret) || bad_member(err, name, "a whole number");
}

/* Words that this build does not know are passed over: a newer file may have them. */
static bool read_words(struct json_value v, const char *name, unsigned *bits, struct error *err)
{
    struct json_value word;
    size_t pos = 0;
    if (v.type != JSON_ARRAY) {
        return bad_member(err, name, "a list");
    }
    for (const struct capability_name *c = capability_names; c->name; c++) {
        *bits &= strcmp(c->member, name) == 0 ? ~c->bit : ~0u;
    }
    while (json_next(v, &pos, NULL, &word)) {
        if (word.type != JSON_STRING) {
            return bad_member(err, name, "a list of texts");
        }
        for (const struct capability_name *c = capability_names; c->name; c++) {
            if (strcmp(c->member, name) == 0 && json_text_eq(word, str_of(c->name))) {
                *bits |= c->bit;
            }
        }
    }
    return true;
}

static bool read_prices(struct json_value v, struct catalogue_model *m, struct error *err)
{
    m->prices = (struct price_list){0};
    m->priced = v.type != JSON_NULL;
    return !m->priced || price_list_read(v, &m->prices, err);
}

static bool read_member(struct json_value name, struct json_value v, struct arena *a,
                        struct catalogue_model *m, struct error *err)
{
    struct str n = name.escaped ? STR_LIT("") : json_text(name);
    if (str_eqz(n, "provider")) {
        return read_text(v, a, "provider", &m->provider, err);
    }
    if (str_eqz(n, "model")) {
        return read_text(v, a, "model", &m->model, err);
    }
    if (str_eqz(n, "title")) {
        return read_text(v, a, "title", &m->title, err);
    }
    if (str_eqz(n, "deprecated")) {
        return read_text(v, a, "deprecated", &m->deprecated, err);
    }
    if (str_eqz(n, "source")) {
        return read_text(v, a, "source", &m->source, err);
    }
    if (str_eqz(n, "context")) {
        return read_count(v, "context", &m->context, err);
    }
    if (str_eqz(n, "max_output")) {
        return read_count(v, "max_output", &m->max_output, err);
    }
    if (str_eqz(n, "capabilities")) {
        return read_words(v, "capabilities", &m->can, err);
    }
    if (str_eqz(n, "input")) {
        return read_words(v, "input", &m->can, err);
    }
    if (str_eqz(n, "output")) {
        return read_words(v, "output", &m->can, err);
    }
    return !str_eqz(n, "price") || read_prices(v, m, err);
}

/* ret_match: the raw rule, type NULL when there is none */
static bool read_entry(struct json_value v, struct arena *a, struct catalogue_model *m,
                       struct json_value *ret_match, struct error *err)
{
    struct json_value name, value;
    size_t pos = 0;
    if (v.type != JSON_OBJECT) {
        return error_set(err, ERR_INVALID_FIELD, "an entry is not an object");
    }
    *ret_match = (struct json_value){.type = JSON_NULL};
    while (json_next(v, &pos, &name, &value)) {
        if (json_text_eq(name, STR_LIT("match"))) {
            *ret_match = value;
        } else if (!read_member(name, value, a, m, err)) {
            return false;
        }
    }
    return true;
}

bool catalogue_entry_read(struct str json, struct arena *a, struct catalogue_model *io,
                          struct error *err)
{
    struct catalogue_model m = *io;
    struct json_value v, match;
    struct str copy = arena_str(a, json);
    if (!copy.ptr) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    if (!json_validate(copy, 16, &v, err) || !read_entry(v, a, &m, &match, err) ||
        (match.type != JSON_NULL && !catalogue_rule_read(match, a, err))) {
        return false;
    }
    *io = m;
    return true;
}

static bool name_entry(struct error *err, size_t number, const struct catalogue_model *m)
{
    struct error why = *err;
    return error_set_param(err, why.code, why.param, "model %zu (%.*s/%.*s): %s", number,
                           STR_ARG(str_slice(m->provider, 0, 60)),
                           STR_ARG(str_slice(m->model, 0, 60)), error_text(&why));
}

static bool add_entry(struct catalogue *c, struct json_value v, struct error *err)
{
    struct catalogue_entry *e = &c->entries[c->n];
    struct json_value match;
    *e = (struct catalogue_entry){.raw = v.raw};
    bool ok = read_entry(v, c->arena, &e->m, &match, err);
    if (ok && (e->m.provider.len == 0 || e->m.model.len == 0)) {
        ok = error_set(err, ERR_INVALID_FIELD, "provider or model is missing");
    }
    if (ok && e->m.model.len > CATALOGUE_NAME_MAX) {
        ok = bad_member(err, "model", "at most 400 bytes long");
    }
    if (ok && match.type != JSON_NULL) {
        e->rule = catalogue_rule_read(match, c->arena, err);
        ok = e->rule != NULL;
    }
    c->n++;
    return ok || name_entry(err, c->n, &e->m);
}

static int by_name(const void *a, const void *b)
{
    const struct catalogue_model *x = a, *y = b;
    int order = str_cmp(x->provider, y->provider);
    return order ? order : str_cmp(x->model, y->model);
}

/* The file is sorted; one that was changed by hand need not be. */
static bool order_entries(struct catalogue *c, struct error *err)
{
    bool sorted = true;
    for (size_t i = 1; sorted && i < c->n; i++) {
        sorted = by_name(&c->entries[i - 1], &c->entries[i]) < 0;
    }
    if (!sorted) {
        qsort(c->entries, c->n, sizeof(*c->entries), by_name);
    }
    for (size_t i = 1; !sorted && i < c->n; i++) {
        if (by_name(&c->entries[i - 1], &c->entries[i]) == 0) {
            (void)error_set(err, ERR_INVALID_FIELD, "stands twice");
            return name_entry(err, i + 1, &c->entries[i].m);
        }
    }
    return true;
}

static bool read_aliases(struct catalogue *c, struct json_value v, struct error *err)
{
    struct json_value name, value;
    size_t pos = 0, n = 0;
    if (v.type != JSON_OBJECT) {
        return v.type == JSON_NULL || bad_member(err, "aliases", "an object of texts");
    }
    while (json_next(v, &pos, &name, &value)) {
        n++;
    }
    c->aliases = arena_zalloc(c->arena, (n + 1) * sizeof(*c->aliases));
    if (!c->aliases) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (pos = 0; json_next(v, &pos, &name, &value); c->n_aliases++) {
        struct catalogue_alias *a = &c->aliases[c->n_aliases];
        if (!read_text(name, c->arena, "aliases", &a->name, err) ||
            !read_text(value, c->arena, "aliases", &a->id, err)) {
            return false;
        }
        if (a->name.len == 0 || a->id.len == 0) {
            return bad_member(err, "aliases", "an object of texts");
        }
    }
    return true;
}

static bool read_models(struct catalogue *c, struct json_value models, struct error *err)
{
    struct json_value v;
    size_t pos = 0, n = 0;
    while (json_next(models, &pos, NULL, &v)) {
        n++;
    }
    if (models.type != JSON_ARRAY || n > ENTRIES_MAX) {
        return bad_member(err, "models", "a list of at most 200000 entries");
    }
    c->entries = arena_alloc(c->arena, (n + 1) * sizeof(*c->entries));
    if (!c->entries) {
        return error_set(err, ERR_OVERLOADED, "%s", "");
    }
    for (pos = 0; json_next(models, &pos, NULL, &v);) {
        if (!add_entry(c, v, err)) {
            return false;
        }
    }
    return true;
}

static bool read_file(struct catalogue *c, struct error *err)
{
    struct json_member m[] = {{.name = STR_LIT("format")},
                              {.name = STR_LIT("version")},
                              {.name = STR_LIT("aliases")},
                              {.name = STR_LIT("models")}};
    uint64_t format = 0;
    if (!json_scan(c->text, m, 4, 32, err)) {
        return false;
    }
    if (!m[0].found || !json_u64(m[0].value, &format) || format != 1) {
        return bad_member(err, "format", "1: no catalogue, or one of a newer Weir");
    }
    if (!m[1].found || !read_text(m[1].value, c->arena, "version", &c->version, err)) {
        return bad_member(err, "version", "a text");
    }
    if (!m[3].found) {
        return bad_member(err, "models", "there");
    }
    return (!m[2].found || read_aliases(c, m[2].value, err)) && read_models(c, m[3].value, err) &&
           order_entries(c, err) &&
           (catalogue_index(c) || error_set(err, ERR_OVERLOADED, "%s", ""));
}

struct catalogue *catalogue_parse(struct str json, struct error *err)
{
    struct catalogue *c = mem_alloc(sizeof(*c));
    c->arena = arena_new(0);
    c->text = arena_str(c->arena, json);
    if (!c->text.ptr) {
        (void)error_set(err, ERR_OVERLOADED, "the catalogue is too large");
        catalogue_free(c);
        return NULL;
    }
    if (!read_file(c, err)) {
        catalogue_free(c);
        return NULL;
    }
    return c;
}

struct catalogue *catalogue_load(const char *path, struct error *err)
{
    struct buffer b;
    size_t n = 0;
    FILE *f = fopen(path, "rbe");
    if (!f) {
        (void)error_set(err, ERR_NOT_FOUND, "catalogue '%s': %s", path, strerror(errno));
        return NULL;
    }
    buffer_init(&b, FILE_MAX_BYTES);
    do {
        if (!buffer_reserve(&b, 1u << 20)) {
            break;
        }
        n = fread(b.ptr + b.len, 1, b.cap - b.len, f);
        b.len += n;
    } while (n > 0);
    struct catalogue *c = NULL;
    if (b.failed || ferror(f)) {
        (void)error_set(err, ERR_INVALID_FIELD, "catalogue '%s' cannot be read, or passes 64 MiB",
                        path);
    } else {
        struct error why = ERROR_INIT;
        c = catalogue_parse(buffer_str(&b), &why);
        if (!c) {
            (void)error_set_param(err, why.code, why.param, "catalogue '%s'%s: %s", path,
                                  why.line > 0 ? " is not JSON" : "", error_text(&why));
            err->offset = why.offset;
            err->line = why.line;
            err->column = why.column;
        }
    }
    (void)fclose(f);
    buffer_release(&b);
    return c;
}

void catalogue_free(struct catalogue *c)
{
    if (c) {
        arena_free(c->arena);
        mem_free(c);
    }
}

size_t catalogue_count(const struct catalogue *c)
{
    return c->n;
}

struct str catalogue_version(const struct catalogue *c)
{
    return c->version;
}

const struct catalogue_model *catalogue_at(const struct catalogue *c, size_t i)
{
    return i < c->n ? &c->entries[i].m : NULL;
}

struct str catalogue_raw(const struct catalogue *c, const struct catalogue_model *m)
{
    const struct catalogue_entry *e = (const struct catalogue_entry *)m;
    return e >= c->entries && e < c->entries + c->n ? e->raw : STR_LIT("");
}

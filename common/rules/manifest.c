/* YAML tree to plain structs. Every complaint carries the place (line, column) and the path of the
 * field, and the first one ends the reading: a manifest is taken whole or not at all. */
#include "common/rules/manifest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/rules/model_name.h"
#include "common/rules/secret_ref.h"
#include "common/yaml.h"

#define NAME_MAX_BYTES 64
#define URL_MAX_BYTES 1024
#define TIMEOUT_MAX_MS 86400000u
#define WEIGHT_MAX 1000000u
#define EXPIRES_MAX_S 253402300799u /* the end of year 9999 */
#define NO_MAX UINT64_MAX

struct reader {
    struct arena *arena;
    struct error *err;
    struct map *providers; /* name to struct manifest_provider */
};

/* A map node and where it stands: "models[0].targets[1]", "" at the top. */
struct place {
    const struct yaml_node *map;
    char path[48];
};

static bool fail(const struct reader *r, const struct yaml_node *at, const char *path,
                 const char *field, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static bool fail(const struct reader *r, const struct yaml_node *at, const char *path,
                 const char *field, const char *fmt, ...)
{
    char text[sizeof(r->err->text)], param[sizeof(r->err->param)];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)snprintf(param, sizeof(param), "%s%s%s", path, *path && *field ? "." : "", field);
    (void)error_set_param(r->err, ERR_INVALID_FIELD, param, "%s", text);
    r->err->line = at->line;
    r->err->column = at->column;
    return false;
}

static bool fail_memory(const struct reader *r)
{
    return error_set(r->err, ERR_BODY_TOO_LARGE, "document needs too much memory");
}

static int shown_len(struct str s)
{
    return s.len > 80 ? 80 : (int)s.len;
}

/* Changes (insert, drop, replace a byte) from a to b; only small texts are asked about. */
static unsigned edit_distance(struct str a, struct str b)
{
    unsigned row[33];
    if (a.len >= 32 || b.len >= 32) {
        return 32;
    }
    for (unsigned j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j];
            unsigned best = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = best < above + 1 ? best : above + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            diagonal = above;
        }
    }
    return row[b.len];
}

static bool check_fields(const struct reader *r, const struct place *p, const char *const *known)
{
    for (size_t i = 0; i < p->map->n; i++) {
        struct str name = p->map->names[i]->text;
        const char *nearest = NULL;
        unsigned least = 3;
        for (const char *const *k = known; *k; k++) {
            unsigned distance = edit_distance(name, str_of(*k));
            if (distance < least) {
                least = distance;
                nearest = *k;
            }
        }
        char field[40];
        (void)snprintf(field, sizeof(field), "%.*s", name.len > 32 ? 32 : (int)name.len, name.ptr);
        if (nearest && least > 0) {
            return fail(r, p->map->names[i], p->path, field,
                        "unknown field \"%.*s\" (did you mean \"%s\"?)", shown_len(name), name.ptr,
                        nearest);
        }
        if (!nearest) {
            return fail(r, p->map->names[i], p->path, field, "unknown field \"%.*s\"",
                        shown_len(name), name.ptr);
        }
    }
    return true;
}

/* A text field. Absent: fails when required, else leaves *ret alone. */
static bool take_text(const struct reader *r, const struct place *p, const char *field,
                      bool required, struct str *ret)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    if (!n) {
        return required ? fail(r, p->map, p->path, field, "missing field \"%s\"", field) : true;
    }
    if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0) {
        return fail(r, n, p->path, field, "%s must be a text that is not empty", field);
    }
    *ret = n->text;
    return true;
}

static bool take_number(const struct reader *r, const struct place *p, const char *field,
                        uint64_t max, uint64_t *ret)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    uint64_t v;
    if (!n) {
        return true;
    }
    if (!yaml_u64(n, &v)) {
        return fail(r, n, p->path, field, "%s must be a whole number", field);
    }
    if (v > max) {
        return fail(r, n, p->path, field, "%s may be at most %" PRIu64, field, max);
    }
    *ret = v;
    return true;
}

static bool take_secret(const struct reader *r, const struct place *p, const char *field,
                        struct str *ret)
{
    struct str text = STR_NONE;
    struct error why = ERROR_INIT;
    if (!take_text(r, p, field, false, &text)) {
        return false;
    }
    if (text.ptr && !secret_ref_resolve(text, r->arena, ret, &why)) {
        return fail(r, yaml_get(p->map, field), p->path, field, "%s: %s", field, error_text(&why));
    }
    return true;
}

/* Names of providers and keys go into paths, headers and messages. */
static bool take_name(const struct reader *r, const struct place *p, struct str *ret)
{
    if (!take_text(r, p, "name", true, ret)) {
        return false;
    }
    bool ok = ret->len <= NAME_MAX_BYTES;
    for (size_t i = 0; i < ret->len; i++) {
        char c = ret->ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        ok = ok && (plain || (i > 0 && (c == '-' || c == '_' || c == '.')));
    }
    if (!ok) {
        return fail(r, yaml_get(p->map, "name"), p->path, "name",
                    "name \"%.*s\" must be 1 to %d letters, digits, '-', '_' or '.', and begin "
                    "with a letter or digit",
                    shown_len(*ret), ret->ptr, NAME_MAX_BYTES);
    }
    return true;
}

static bool take_model_name(const struct reader *r, const struct place *p, const char *field,
                            struct str *ret)
{
    if (!take_text(r, p, field, true, ret)) {
        return false;
    }
    if (!model_name_valid(*ret)) {
        return fail(r, yaml_get(p->map, field), p->path, field,
                    "%s \"%.*s\" must be 1 to 200 printable ASCII characters without blanks or "
                    "quotes, not beginning with '@'",
                    field, shown_len(*ret), ret->ptr);
    }
    return true;
}

/* The list in `field` and room for its elements; absent: *ret_list NULL. */
static bool take_list(const struct reader *r, const struct place *p, const char *field, size_t size,
                      const struct yaml_node **ret_list, void *ret_room)
{
    const struct yaml_node *n = yaml_get(p->map, field);
    void *room = NULL;
    *ret_list = NULL;
    if (!n) {
        return true;
    }
    if (n->kind != YAML_SEQ) {
        return fail(r, n, p->path, field, "%s must be a list", field);
    }
    if (n->n) {
        room = arena_zalloc(r->arena, n->n * size);
        if (!room) {
            return fail_memory(r);
        }
    }
    memcpy(ret_room, &room, sizeof(room));
    *ret_list = n;
    return true;
}

/* The i-th element of a list of maps, with its path. */
static bool enter(const struct reader *r, const struct place *outer, const char *field,
                  const struct yaml_node *list, size_t i, struct place *ret)
{
    ret->map = list->items[i];
    (void)snprintf(ret->path, sizeof(ret->path), "%.24s%s%s[%zu]", outer->path,
                   outer->path[0] ? "." : "", field, i);
    if (ret->map->kind != YAML_MAP) {
        return fail(r, ret->map, ret->path, "", "%s must be a map", ret->path);
    }
    return true;
}

static bool claim_name(const struct reader *r, struct map *names, const struct place *p,
                       struct str name, void *owner)
{
    if (map_put(names, name, owner)) {
        return fail(r, yaml_get(p->map, "name"), p->path, "name", "name \"%.*s\" is used twice",
                    shown_len(name), name.ptr);
    }
    return true;
}

static bool check_base_url(const struct reader *r, const struct place *p, struct str url)
{
    struct str rest = str_starts(url, STR_LIT("https://"))  ? str_slice(url, 8, url.len)
                      : str_starts(url, STR_LIT("http://")) ? str_slice(url, 7, url.len)
                                                            : STR_NONE;
    bool ok = rest.len > 0 && rest.ptr[0] != '/' && rest.ptr[0] != ':' && url.len <= URL_MAX_BYTES;
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];
        ok = ok && c > ' ' && c < 0x7f && !strchr("?#@\"\\<>", c);
    }
    if (!ok) {
        return fail(r, yaml_get(p->map, "base_url"), p->path, "base_url",
                    "base_url must be an http:// or https:// URL without user, query or fragment");
    }
    return true;
}

static bool read_provider(const struct reader *r, const struct place *p,
                          struct manifest_provider *ret)
{
    static const char *const fields[] = {"name", "kind", "base_url", "api_key", "timeout_ms", NULL};
    ret->line = p->map->line;
    ret->base_url = STR_LIT("");
    if (!check_fields(r, p, fields) || !take_name(r, p, &ret->name) ||
        !take_text(r, p, "kind", true, &ret->kind) ||
        !take_secret(r, p, "base_url", &ret->base_url) || /* may be a reference too */
        !take_secret(r, p, "api_key", &ret->api_key) ||
        !take_number(r, p, "timeout_ms", TIMEOUT_MAX_MS, &ret->timeout_ms)) {
        return false;
    }
    if (!str_eqz(ret->kind, "openai")) {
        return fail(r, yaml_get(p->map, "kind"), p->path, "kind",
                    "unknown kind \"%.*s\" (known: openai)", shown_len(ret->kind), ret->kind.ptr);
    }
    return ret->base_url.len == 0 || check_base_url(r, p, ret->base_url);
}

static bool read_target(const struct reader *r, const struct place *p, struct manifest_target *ret)
{
    static const char *const fields[] = {"provider", "model", "weight", NULL};
    ret->weight = 1;
    if (!check_fields(r, p, fields) || !take_text(r, p, "provider", true, &ret->provider) ||
        !take_model_name(r, p, "model", &ret->model) ||
        !take_number(r, p, "weight", WEIGHT_MAX, &ret->weight)) {
        return false;
    }
    if (!map_get(r->providers, ret->provider)) {
        return fail(r, yaml_get(p->map, "provider"), p->path, "provider",
                    "no provider is named \"%.*s\"", shown_len(ret->provider), ret->provider.ptr);
    }
    return true;
}

static bool read_model(const struct reader *r, const struct place *p, struct manifest_model *ret)
{
    static const char *const fields[] = {"name", "targets", NULL};
    const struct yaml_node *list;
    uint64_t weights = 0;
    ret->line = p->map->line;
    if (!check_fields(r, p, fields) || !take_model_name(r, p, "name", &ret->name) ||
        !take_list(r, p, "targets", sizeof(*ret->targets), &list, &ret->targets)) {
        return false;
    }
    if (!list || list->n == 0) {
        return fail(r, list ? list : p->map, p->path, "targets", "targets must hold at least one");
    }
    for (size_t i = 0; i < list->n; i++) {
        struct place at;
        if (!enter(r, p, "targets", list, i, &at) || !read_target(r, &at, &ret->targets[i])) {
            return false;
        }
        weights += ret->targets[i].weight;
    }
    if (weights == 0) {
        return fail(r, list, p->path, "targets", "at least one target needs a weight above 0");
    }
    ret->n_targets = list->n;
    return true;
}

/* A list of texts; absent means everything. */
static bool take_patterns(const struct reader *r, const struct place *p, const char *field,
                          bool of_providers, struct str **ret, size_t *ret_n)
{
    static struct str all = {"*", 1};
    const struct yaml_node *list;
    struct str *texts = NULL;
    if (!take_list(r, p, field, sizeof(*texts), &list, &texts)) {
        return false;
    }
    if (!list) {
        *ret = &all;
        *ret_n = 1;
        return true;
    }
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[32];
        (void)snprintf(at, sizeof(at), "%s[%zu]", field, i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || !model_name_valid(n->text)) {
            return fail(r, n, p->path, at, "%s must be a name or a pattern such as \"*\"", at);
        }
        if (of_providers && !memchr(n->text.ptr, '*', n->text.len) &&
            !map_get(r->providers, n->text)) {
            return fail(r, n, p->path, at, "no provider is named \"%.*s\"", shown_len(n->text),
                        n->text.ptr);
        }
        texts[i] = n->text;
    }
    *ret = texts;
    *ret_n = list->n;
    return true;
}

static bool take_expiry(const struct reader *r, const struct place *p, uint64_t *ret_ms)
{
    const struct yaml_node *n = yaml_get(p->map, "expires_at");
    uint64_t seconds;
    if (!n) {
        return true;
    }
    if (yaml_u64(n, &seconds) && seconds > 0 && seconds <= EXPIRES_MAX_S) {
        *ret_ms = seconds * 1000;
        return true;
    }
    if (n->kind != YAML_SCALAR || !clock_parse_rfc3339(n->text, ret_ms)) {
        return fail(r, n, p->path, "expires_at",
                    "expires_at must be a time such as 2027-01-31T00:00:00Z, or Unix seconds");
    }
    return true;
}

static bool read_key(const struct reader *r, const struct place *p, struct manifest_key *ret)
{
    static const char *const fields[] = {"name",     "secret",     "models", "providers",
                                         "disabled", "expires_at", NULL};
    const struct yaml_node *disabled = yaml_get(p->map, "disabled");
    ret->line = p->map->line;
    if (!check_fields(r, p, fields) || !take_name(r, p, &ret->name) ||
        !take_secret(r, p, "secret", &ret->secret) ||
        !take_patterns(r, p, "models", false, &ret->models, &ret->n_models) ||
        !take_patterns(r, p, "providers", true, &ret->providers, &ret->n_providers) ||
        !take_expiry(r, p, &ret->expires_at_ms)) {
        return false;
    }
    if (disabled && !yaml_bool(disabled, &ret->disabled)) {
        return fail(r, disabled, p->path, "disabled", "disabled must be true or false");
    }
    return true;
}

static bool read_providers(const struct reader *r, const struct place *top, struct manifest *m)
{
    const struct yaml_node *list;
    if (!take_list(r, top, "providers", sizeof(*m->providers), &list, &m->providers)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        struct place at;
        if (!enter(r, top, "providers", list, i, &at) || !read_provider(r, &at, &m->providers[i]) ||
            !claim_name(r, r->providers, &at, m->providers[i].name, &m->providers[i])) {
            return false;
        }
        m->n_providers++;
    }
    return true;
}

static bool read_models(const struct reader *r, const struct place *top, struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = take_list(r, top, "models", sizeof(*m->models), &list, &m->models);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct place at;
        ok = enter(r, top, "models", list, i, &at) && read_model(r, &at, &m->models[i]) &&
             claim_name(r, names, &at, m->models[i].name, &m->models[i]);
        m->n_models++;
    }
    map_free(names);
    return ok;
}

static bool claim_secret(const struct reader *r, struct map *secrets, const struct place *p,
                         const struct manifest_key *key)
{
    const struct manifest_key *other =
        key->secret.ptr ? map_put(secrets, key->secret, (void *)(uintptr_t)key) : NULL;
    if (other) {
        return fail(r, yaml_get(p->map, "secret"), p->path, "secret",
                    "secret is the same as that of key \"%.*s\"", shown_len(other->name),
                    other->name.ptr);
    }
    return true;
}

static bool read_keys(const struct reader *r, const struct place *top, struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new(), *secrets = map_new();
    bool ok = take_list(r, top, "keys", sizeof(*m->keys), &list, &m->keys);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct place at;
        ok = enter(r, top, "keys", list, i, &at) && read_key(r, &at, &m->keys[i]) &&
             claim_name(r, names, &at, m->keys[i].name, &m->keys[i]) &&
             claim_secret(r, secrets, &at, &m->keys[i]);
        m->n_keys++;
    }
    map_free(names);
    map_free(secrets);
    return ok;
}

bool manifest_parse(const struct yaml_node *root, struct arena *a, struct manifest *ret,
                    struct error *err)
{
    static const char *const fields[] = {"version", "providers", "models",
                                         "keys",    "settings",  NULL};
    struct reader r = {.arena = a, .err = err};
    struct place top = {.map = root};
    struct manifest m = {.settings = yaml_get(root, "settings")};
    if (root->kind != YAML_MAP) {
        return fail(&r, root, "", "", "a manifest must be a map");
    }
    if (!check_fields(&r, &top, fields) || !take_number(&r, &top, "version", NO_MAX, &m.version)) {
        return false;
    }
    if (m.version != 1) {
        const struct yaml_node *version = yaml_get(root, "version");
        return fail(&r, version ? version : root, "", "version",
                    version ? "version must be 1" : "missing field \"version\" (it must be 1)");
    }
    if (m.settings && m.settings->kind != YAML_MAP) {
        return fail(&r, m.settings, "", "settings", "settings must be a map");
    }
    r.providers = map_new();
    bool ok = read_providers(&r, &top, &m) && read_models(&r, &top, &m) && read_keys(&r, &top, &m);
    map_free(r.providers);
    if (ok) {
        *ret = m;
    }
    return ok;
}

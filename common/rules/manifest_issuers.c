/* Issuers of a manifest: whose signed tokens a proxy on its own takes in place of keys
 * (docs/identity.md). It fetches nothing, so the keys stand in the file, or in one that it names.
 */
#include "common/rules/manifest_read.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/base/map.h"
#include "common/json.h"
#include "common/jwt.h"
#include "common/yaml.h"

#define JWKS_ROOM ((size_t)1 << 20)
#define CLAIMS_ROOM ((size_t)16 << 10)
#define LEEWAY_MAX_S 600u
#define TEXTS_MAX 1000u

static bool take_texts(const struct manifest_reader *r, const struct manifest_place *p,
                       const char *field, struct str **ret, size_t *ret_n)
{
    const struct yaml_node *list;
    struct str *texts = NULL;
    if (!manifest_take_list(r, p, field, sizeof(*texts), &list, &texts)) {
        return false;
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        char at[48];
        (void)snprintf(at, sizeof(at), "%s[%zu]", field, i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0 || i >= TEXTS_MAX) {
            return manifest_fail(r, n, p->path, at, "%s must be a text", at);
        }
        texts[i] = n->text;
    }
    *ret = texts;
    *ret_n = list ? list->n : 0;
    return true;
}

static bool take_algorithms(const struct manifest_reader *r, const struct manifest_place *p,
                            struct manifest_issuer *ret)
{
    static struct str usual[] = {{"RS256", 5}, {"ES256", 5}};
    if (!take_texts(r, p, "algorithms", &ret->algorithms, &ret->n_algorithms)) {
        return false;
    }
    if (!yaml_get(p->map, "algorithms")) {
        ret->algorithms = usual;
        ret->n_algorithms = 2;
    }
    for (size_t i = 0; i < ret->n_algorithms; i++) {
        if (jwt_algorithm_named(ret->algorithms[i]) == JWT_NONE) {
            return manifest_fail(r, yaml_get(p->map, "algorithms"), p->path, "algorithms",
                                 "algorithms: \"%.*s\" is not one that is known",
                                 manifest_shown(ret->algorithms[i]), ret->algorithms[i].ptr);
        }
    }
    return ret->n_algorithms > 0 ||
           manifest_fail(r, yaml_get(p->map, "algorithms"), p->path, "algorithms",
                         "algorithms must hold at least one");
}

static struct str json_of(const struct manifest_reader *r, const struct yaml_node *n, size_t room)
{
    struct buffer b;
    struct json_writer w;
    buffer_init(&b, room);
    json_writer_init(&w, &b);
    manifest_put_json(n, &w);
    struct str text = b.failed ? STR_NONE : arena_str(r->arena, buffer_str(&b));
    buffer_release(&b);
    return text;
}

/* A map, or the JSON text of one (`file:` and `env:` name where it is). */
static bool take_jwks(const struct manifest_reader *r, const struct manifest_place *p,
                      struct manifest_issuer *ret)
{
    const struct yaml_node *n = yaml_get(p->map, "jwks");
    struct jwt_keys *keys = NULL;
    struct error why = ERROR_INIT;
    if (!n) {
        return manifest_fail(r, p->map, p->path, "jwks", "missing field \"jwks\"");
    }
    if (n->kind == YAML_MAP) {
        ret->jwks_json = json_of(r, n, JWKS_ROOM);
    } else if (!manifest_take_secret(r, p, "jwks", &ret->jwks_json)) {
        return false;
    }
    if (!ret->jwks_json.ptr || !jwt_keys_new(ret->jwks_json, &keys, &why)) {
        return manifest_fail(r, n, p->path, "jwks", "jwks is no key set: %s", error_text(&why));
    }
    size_t count = jwt_keys_count(keys);
    jwt_keys_free(keys);
    return count > 0 || manifest_fail(r, n, p->path, "jwks", "jwks holds no key that can be used");
}

static bool check_claim(const struct manifest_reader *r, const struct manifest_place *p,
                        const struct yaml_node *n)
{
    return (n->kind == YAML_SCALAR && !yaml_is_null(n) && n->text.len > 0 && n->text.len <= 200) ||
           manifest_fail(r, n, p->path, "claims", "claims must be names of claims");
}

static bool take_claims(const struct manifest_reader *r, const struct manifest_place *p,
                        struct manifest_issuer *ret)
{
    static const char *const fields[] = {"user", "team", "end_user", "key", "metadata", NULL};
    const struct yaml_node *n = yaml_get(p->map, "claims");
    ret->claims_json = STR_LIT("{}");
    if (!n) {
        return true;
    }
    struct manifest_place at = {.map = n};
    (void)snprintf(at.path, sizeof at.path, "%.30s.claims", p->path);
    if (n->kind != YAML_MAP) {
        return manifest_fail(r, n, p->path, "claims", "claims must be a map");
    }
    if (!manifest_check_fields(r, &at, fields)) {
        return false;
    }
    for (size_t i = 0; i < n->n; i++) {
        const struct yaml_node *v = n->items[i];
        bool map = str_eqz(n->names[i]->text, "metadata") && v->kind == YAML_MAP;
        for (size_t k = 0; map && k < v->n; k++) {
            if (!check_claim(r, p, v->items[k])) {
                return false;
            }
        }
        if (!map && !check_claim(r, p, v)) {
            return false;
        }
    }
    ret->claims_json = json_of(r, n, CLAIMS_ROOM);
    return ret->claims_json.ptr || manifest_fail(r, n, p->path, "claims", "claims are too large");
}

static bool needed(const struct manifest_reader *r, const struct manifest_place *p,
                   const char *field, size_t n)
{
    return n > 0 || manifest_fail(r, p->map, p->path, field, "%s must hold at least one", field);
}

static bool read_issuer(const struct manifest_reader *r, const struct manifest_place *p,
                        struct manifest_issuer *ret)
{
    static const char *const fields[] = {"name",     "issuer",   "audiences", "algorithms",
                                         "jwks",     "claims",   "key_ids",   "denied_jti",
                                         "leeway_s", "disabled", NULL};
    ret->line = p->map->line;
    ret->leeway_s = 60;
    return manifest_check_fields(r, p, fields) && manifest_take_name(r, p, &ret->name) &&
           manifest_take_text(r, p, "issuer", true, &ret->issuer) &&
           take_texts(r, p, "audiences", &ret->audiences, &ret->n_audiences) &&
           needed(r, p, "audiences", ret->n_audiences) && take_algorithms(r, p, ret) &&
           take_jwks(r, p, ret) && take_claims(r, p, ret) &&
           take_texts(r, p, "key_ids", &ret->keys, &ret->n_keys) &&
           needed(r, p, "key_ids", ret->n_keys) &&
           take_texts(r, p, "denied_jti", &ret->denied_jti, &ret->n_denied_jti) &&
           manifest_take_number(r, p, "leeway_s", LEEWAY_MAX_S, &ret->leeway_s) &&
           manifest_take_bool(r, p, "disabled", &ret->disabled);
}

/* After the keys, which they name. */
static bool check_keys(const struct manifest_reader *r, const struct manifest_place *p,
                       const struct manifest *m, const struct manifest_issuer *x)
{
    for (size_t i = 0; i < x->n_keys; i++) {
        bool found = false;
        for (size_t k = 0; k < m->n_keys && !found; k++) {
            found = str_eq(m->keys[k].name, x->keys[i]);
        }
        if (!found) {
            return manifest_fail(r, yaml_get(p->map, "key_ids")->items[i], p->path, "key_ids",
                                 "no key is named \"%.*s\"", manifest_shown(x->keys[i]),
                                 x->keys[i].ptr);
        }
    }
    return true;
}

bool manifest_read_issuers(const struct manifest_reader *r, const struct manifest_place *top,
                           struct manifest *m)
{
    const struct yaml_node *list;
    struct map *names = map_new();
    bool ok = manifest_take_list(r, top, "issuers", sizeof(*m->issuers), &list, &m->issuers);
    for (size_t i = 0; ok && list && i < list->n; i++) {
        struct manifest_place at;
        ok = manifest_enter(r, top, "issuers", list, i, &at) &&
             read_issuer(r, &at, &m->issuers[i]) && check_keys(r, &at, m, &m->issuers[i]) &&
             manifest_claim_name(r, names, &at, m->issuers[i].name, &m->issuers[i]);
        m->n_issuers++;
    }
    map_free(names);
    return ok;
}

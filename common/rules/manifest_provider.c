/* The providers of a manifest: what every one has, and what its kind knows (the table of
 * common/rules/provider.h). */
#include "common/rules/manifest_read.h"

#include <stdio.h>

#include "common/base/buffer.h"
#include "common/json.h"
#include "common/rules/health_check.h"
#include "common/rules/provider.h"
#include "common/rules/secret_ref.h"
#include "common/yaml.h"

#define URL_MAX_BYTES 1024
#define TIMEOUT_MAX_MS 86400000u
#define SETTINGS_MAX_BYTES (256u << 10)
#define FIELDS_MAX 64
#define KEYS_MAX PROVIDER_KEYS_MAX

static const char *const common_fields[] = {"name",     "kind",       "base_url",    "api_key",
                                            "api_keys", "timeout_ms", "health_check"};
#define N_COMMON (sizeof(common_fields) / sizeof(common_fields[0]))

static bool check_base_url(const struct manifest_reader *r, const struct manifest_place *p,
                           struct str url)
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
        return manifest_fail(
            r, yaml_get(p->map, "base_url"), p->path, "base_url",
            "base_url must be an http:// or https:// URL without user, query or fragment");
    }
    return true;
}

/* Unknown fields, and those that another kind knows. */
static bool check_provider_fields(const struct manifest_reader *r, const struct manifest_place *p,
                                  const struct provider_row *row)
{
    const char *known[FIELDS_MAX + 1];
    size_t n_settings, n = 0;
    const struct provider_setting *all = provider_settings(&n_settings);
    for (size_t i = 0; i < N_COMMON; i++) {
        known[n++] = common_fields[i];
    }
    for (size_t i = 0; i < n_settings && n < FIELDS_MAX; i++) {
        if (!row || provider_setting_applies(&all[i], row)) {
            known[n++] = all[i].name;
            continue;
        }
        for (size_t k = 0; k < p->map->n; k++) {
            if (str_eqz(p->map->names[k]->text, all[i].name)) {
                return manifest_fail(r, p->map->names[k], p->path, all[i].name,
                                     "\"%s\" is no setting of kind \"%s\"", all[i].name, row->name);
            }
        }
    }
    known[n] = NULL;
    return manifest_check_fields(r, p, known);
}

static bool fail_setting(const struct manifest_reader *r, const struct manifest_place *p,
                         const char *name, const char *what)
{
    return manifest_fail(r, yaml_get(p->map, name), p->path, name, "%s must be %s", name, what);
}

/* A list of words is as good as one text of them. */
static bool join_words(const struct manifest_reader *r, const struct manifest_place *p,
                       const char *name, const struct yaml_node *list, struct str *ret)
{
    struct str joined = STR_LIT("");
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != YAML_SCALAR || list->items[i]->text.len == 0) {
            return fail_setting(r, p, name, "a text or a list of texts");
        }
        joined = arena_printf(r->arena, "%.*s%s%.*s", STR_ARG(joined), i ? " " : "",
                              STR_ARG(list->items[i]->text));
        if (!joined.ptr) {
            return manifest_fail_memory(r);
        }
    }
    *ret = joined;
    return list->n > 0 || fail_setting(r, p, name, "a text or a list of texts");
}

static bool take_setting_text(const struct manifest_reader *r, const struct manifest_place *p,
                              const struct provider_setting *s, const struct yaml_node *n,
                              struct str *ret)
{
    struct error why = ERROR_INIT;
    struct str text = STR_NONE;
    if (n->kind == YAML_SEQ && str_eqz(STR_LIT("dialect"), s->name)) {
        return join_words(r, p, s->name, n, ret);
    }
    if (!manifest_take_text(r, p, s->name, true, &text)) {
        return false;
    }
    if (!text_ref_resolve(text, r->arena, ret, &why)) {
        return manifest_fail(r, n, p->path, s->name, "%s: %s", s->name, error_text(&why));
    }
    if (s->secret && !str_eqz(STR_LIT("service_account"), s->name)) {
        return manifest_take_secret(r, p, s->name, ret); /* stands in a header: no blanks */
    }
    return true;
}

/* {"name": "text", …} or ["text", …] */
static bool put_object(const struct manifest_reader *r, const struct manifest_place *p,
                       const struct provider_setting *s, const struct yaml_node *n,
                       struct json_writer *w)
{
    bool list = str_eqz(STR_LIT("drop_params"), s->name);
    const char *what = list ? "a list of names" : "a map of texts";
    if (n->kind != (list ? YAML_SEQ : YAML_MAP)) {
        return fail_setting(r, p, s->name, what);
    }
    if (list) {
        json_array_begin(w);
    } else {
        json_object_begin(w);
    }
    for (size_t i = 0; i < n->n; i++) {
        struct str text;
        struct error why = ERROR_INIT;
        if (n->items[i]->kind != YAML_SCALAR || n->items[i]->text.len == 0) {
            return fail_setting(r, p, s->name, what);
        }
        if (!text_ref_resolve(n->items[i]->text, r->arena, &text, &why)) {
            return manifest_fail(r, n->items[i], p->path, s->name, "%s: %s", s->name,
                                 error_text(&why));
        }
        if (!list) {
            json_name(w, n->names[i]->text.ptr);
        }
        json_put_str(w, text);
    }
    if (list) {
        json_array_end(w);
    } else {
        json_object_end(w);
    }
    return true;
}

/* The texts so far, for what the table asks of them. */
struct taken {
    struct {
        const char *name;
        struct str value;
    } items[FIELDS_MAX];
    size_t n;
};

static struct str taken_get(void *arg, struct str name)
{
    const struct taken *t = arg;
    for (size_t i = 0; i < t->n; i++) {
        if (str_eqz(name, t->items[i].name)) {
            return t->items[i].value;
        }
    }
    return STR_NONE;
}

/* All settings of the provider: those that are shown, and the secrets apart. */
static bool put_settings(const struct manifest_reader *r, const struct manifest_place *p,
                         struct taken *t, struct json_writer *open, struct json_writer *secret,
                         size_t *ret_secrets)
{
    size_t n_settings;
    const struct provider_setting *all = provider_settings(&n_settings);
    for (size_t i = 0; i < n_settings && t->n < FIELDS_MAX; i++) {
        const struct yaml_node *n = yaml_get(p->map, all[i].name);
        struct str text = STR_NONE;
        if (!n) {
            continue;
        }
        if (all[i].object) {
            json_name(open, all[i].name);
            if (!put_object(r, p, &all[i], n, open)) {
                return false;
            }
            continue;
        }
        if (!take_setting_text(r, p, &all[i], n, &text)) {
            return false;
        }
        t->items[t->n].name = all[i].name;
        t->items[t->n++].value = text;
        json_field_str(all[i].secret ? secret : open, all[i].name, text);
        *ret_secrets += all[i].secret;
    }
    return true;
}

static bool check_custom(const struct manifest_reader *r, const struct manifest_place *p,
                         struct taken *t)
{
    struct provider_endpoint list[API_COUNT];
    struct str dialect = taken_get(t, STR_LIT("dialect")), unknown, name;
    enum provider_auth auth;
    if (dialect.len && provider_dialect_endpoints(dialect, list, &unknown) == 0) {
        return manifest_fail(r, yaml_get(p->map, "dialect"), p->path, "dialect",
                             "\"%.*s\" is no operation or dialect", manifest_shown(unknown),
                             unknown.ptr ? unknown.ptr : "");
    }
    if (!provider_auth_parse(taken_get(t, STR_LIT("auth")), &auth, &name)) {
        return fail_setting(r, p, "auth", "bearer, none, header:NAME or query:NAME");
    }
    return true;
}

static bool check_complete(const struct manifest_reader *r, const struct manifest_place *p,
                           const struct provider_row *row, struct str base_url, struct taken *t)
{
    const char *missing = provider_missing(
        provider_row_at(row, taken_get(t, STR_LIT("api_version"))), base_url, taken_get, t);
    if (missing) {
        return manifest_fail(r, p->map, p->path, missing, "provider of kind \"%s\" needs %s%s",
                             row->name, str_eqz(STR_LIT("base_url"), missing) ? "a " : "", missing);
    }
    return true;
}

static bool take_keys(const struct manifest_reader *r, const struct manifest_place *p,
                      struct manifest_provider *ret)
{
    const struct yaml_node *list;
    if (!manifest_take_list(r, p, "api_keys", sizeof(*ret->api_keys), &list, &ret->api_keys)) {
        return false;
    }
    if (list && (list->n == 0 || list->n > KEYS_MAX)) {
        return manifest_fail(r, list, p->path, "api_keys", "api_keys must hold 1 to %d keys",
                             KEYS_MAX);
    }
    for (size_t i = 0; list && i < list->n; i++) {
        const struct yaml_node *n = list->items[i];
        struct error why = ERROR_INIT;
        char at[32];
        (void)snprintf(at, sizeof(at), "api_keys[%zu]", i);
        if (n->kind != YAML_SCALAR || yaml_is_null(n) || n->text.len == 0) {
            return manifest_fail(r, n, p->path, at, "%s must be a text that is not empty", at);
        }
        if (!secret_ref_resolve(n->text, r->arena, &ret->api_keys[i], &why)) {
            return manifest_fail(r, n, p->path, at, "%s: %s", at, error_text(&why));
        }
        ret->n_api_keys++;
    }
    return true;
}

static void put_keys(struct json_writer *w, const struct manifest_provider *provider)
{
    if (provider->n_api_keys) {
        json_name(w, "api_keys");
        json_array_begin(w);
        for (size_t i = 0; i < provider->n_api_keys; i++) {
            json_put_str(w, provider->api_keys[i]);
        }
        json_array_end(w);
    }
}

/* How a data plane asks by itself whether the provider is well: goes with the settings. `true` is
 * all the defaults. */
static bool put_health_check(const struct manifest_reader *r, const struct manifest_place *p,
                             struct json_writer *w)
{
    const struct yaml_node *n = yaml_get(p->map, "health_check");
    struct health_check ignored;
    struct error why = ERROR_INIT;
    struct json_writer inner;
    struct buffer b;
    bool on = false;
    if (!n || (yaml_bool(n, &on) && !on)) {
        return true;
    }
    if (!on && n->kind != YAML_MAP) {
        return fail_setting(r, p, "health_check", "a map, true or false");
    }
    buffer_init(&b, SETTINGS_MAX_BYTES);
    json_writer_init(&inner, &b);
    if (on) {
        json_object_begin(&inner);
        json_object_end(&inner);
    } else {
        manifest_put_json(n, &inner);
    }
    bool ok = !b.failed && health_check_read(buffer_str(&b), true, &ignored, &why);
    if (ok) {
        json_name(w, "health_check");
        json_put_raw(w, buffer_str(&b));
    } else {
        const struct yaml_node *at = n->kind == YAML_MAP ? yaml_get(n, why.param) : NULL;
        char field[80];
        (void)snprintf(field, sizeof(field), "health_check%s%s", at ? "." : "",
                       at ? why.param : "");
        (void)manifest_fail(r, at ? at : n, p->path, field, "%s",
                            b.failed ? "health_check nests too deep" : error_text(&why));
    }
    buffer_release(&b);
    return ok;
}

static bool read_settings(const struct manifest_reader *r, const struct manifest_place *p,
                          const struct provider_row *row, struct manifest_provider *ret)
{
    struct buffer open, secret;
    struct json_writer wo, ws;
    struct taken *t = arena_zalloc(r->arena, sizeof(*t));
    size_t n_secrets = 0;
    buffer_init(&open, SETTINGS_MAX_BYTES);
    buffer_init(&secret, SETTINGS_MAX_BYTES);
    json_writer_init(&wo, &open);
    json_writer_init(&ws, &secret);
    json_object_begin(&wo);
    json_object_begin(&ws);
    if (ret->api_key.ptr) {
        json_field_str(&ws, "api_key", ret->api_key);
    }
    put_keys(&ws, ret);
    bool ok = t && put_settings(r, p, t, &wo, &ws, &n_secrets) && check_custom(r, p, t) &&
              check_complete(r, p, row, ret->base_url, t) && put_health_check(r, p, &wo);
    json_object_end(&wo);
    json_object_end(&ws);
    if (ok) {
        ret->settings_json = arena_str(r->arena, buffer_str(&open));
        ret->credential =
            n_secrets || ret->n_api_keys ? arena_str(r->arena, buffer_str(&secret)) : ret->api_key;
        ok = (!open.failed && !secret.failed && ret->settings_json.ptr) || manifest_fail_memory(r);
    }
    if (secret.len) {
        explicit_bzero(secret.ptr, secret.len);
    }
    buffer_release(&open);
    buffer_release(&secret);
    return ok;
}

bool manifest_read_provider(const struct manifest_reader *r, const struct manifest_place *p,
                            struct manifest_provider *ret)
{
    const struct yaml_node *kind = yaml_get(p->map, "kind");
    const struct provider_row *row =
        kind && kind->kind == YAML_SCALAR ? provider_row_named(kind->text) : NULL;
    ret->line = p->map->line;
    ret->base_url = STR_LIT("");
    if (!check_provider_fields(r, p, row) || !manifest_take_name(r, p, &ret->name) ||
        !manifest_take_text(r, p, "kind", true, &ret->kind)) {
        return false;
    }
    if (!row) {
        return manifest_fail(r, kind, p->path, "kind", "unknown kind \"%.*s\"",
                             manifest_shown(ret->kind), ret->kind.ptr);
    }
    ret->kind = str_of(row->name);
    if (!manifest_take_secret(r, p, "base_url", &ret->base_url) || /* may be a reference too */
        !manifest_take_secret(r, p, "api_key", &ret->api_key) || !take_keys(r, p, ret) ||
        !manifest_take_number(r, p, "timeout_ms", TIMEOUT_MAX_MS, &ret->timeout_ms)) {
        return false;
    }
    if (ret->base_url.len && !check_base_url(r, p, ret->base_url)) {
        return false;
    }
    return read_settings(r, p, row, ret);
}
